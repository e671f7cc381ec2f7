"""What one channel still has to deliver: the newest notice of each subject. Pure; time is handed in.

Memory is bounded by the number of subjects: a newer notice takes the place of an undelivered older one of its
subject, for nobody wants to read yesterday's warning after today's. Critical ones leave first, the worst first;
all others in the order in which their subjects began to wait.
"""

from dataclasses import dataclass

from monitor.core.model import Level
from monitor.core.notices import Notice


@dataclass(slots=True)
class Entry:
    """One undelivered notice; times are monotonic seconds unless named ``_ms``."""

    notice: Notice
    recorded: bool  # its commit succeeded
    due_s: float
    order: int
    since_ms: int  # when the oldest notice that this one stands for was decided
    attempts: int = 0
    withdrawn: bool = False  # given up while in flight: deliver if it succeeds, do not repeat

    @property
    def rank(self) -> tuple[int, int]:
        """Smaller leaves first."""
        level = self.notice.level
        return (-level if level >= Level.CRITICAL else 0, self.order)


class Pending:
    """The undelivered notices of one channel; at most one is in flight."""

    def __init__(self) -> None:
        self._waiting: dict[str, Entry] = {}
        self._flying: Entry | None = None
        self._count = 0
        self.superseded = 0

    def __len__(self) -> int:
        return len(self._waiting) + (self._flying is not None)

    def offer(self, notice: Notice, *, recorded: bool, now_s: float) -> None:
        """Take a notice; offering the same key again changes nothing but whether it is recorded."""
        for known in (self._flying, self._waiting.get(notice.subject)):
            if known is not None and known.notice.key == notice.key:
                known.recorded = known.recorded or recorded
                return
        old = self._waiting.get(notice.subject)
        if old is not None and recorded and not old.recorded and notice.decided_ms < old.notice.decided_ms:
            return  # read from a database that opened late; meanwhile this run knows better
        if old is None:
            self._count += 1
            entry = Entry(notice, recorded, now_s, self._count, notice.decided_ms)
        else:
            # A pause after a failure also holds for what replaces the message, unless that is more urgent.
            due_s = now_s if notice.level > old.notice.level else old.due_s
            entry = Entry(notice, recorded, due_s, old.order, old.since_ms, old.attempts)
            self.superseded += 1
        self._waiting[notice.subject] = entry

    def withdraw(self, subject: str) -> bool:
        """Drop what waits for ``subject``; return whether its row can be given up.

        One in flight cannot be called back, and its row waits for its fate, unless a newer one took its place.
        """
        dropped = self._waiting.pop(subject, None) is not None
        if self._flying is None or self._flying.notice.subject != subject:
            return True
        self._flying.withdrawn = True
        return dropped

    def holds(self, key: str) -> bool:
        """Return whether the notice with this key waits or is in flight."""
        entries = [*self._waiting.values(), *([self._flying] if self._flying else [])]
        return any(entry.notice.key == key for entry in entries)

    def peek(self, now_s: float) -> Entry | None:
        """Return the most urgent entry that is due."""
        due = (entry for entry in self._waiting.values() if entry.due_s <= now_s)
        return min(due, key=lambda entry: entry.rank, default=None)

    def next_due_s(self) -> float | None:
        """Return when the first entry is due; None if nothing waits."""
        return min((entry.due_s for entry in self._waiting.values()), default=None)

    def depart(self, entry: Entry) -> None:
        """Move a waiting entry into flight."""
        del self._waiting[entry.notice.subject]
        entry.attempts += 1
        self._flying = entry

    def landed(self) -> None:
        """The entry in flight met its fate: accepted, or refused for good."""
        self._flying = None

    def returned(self, due_s: float) -> bool:
        """Put the failed entry in flight back until ``due_s``; return False if it is no longer wanted."""
        entry, self._flying = self._flying, None
        if entry is None or entry.withdrawn:
            return False
        newer = self._waiting.get(entry.notice.subject)
        if newer is None:
            entry.due_s = due_s
            self._waiting[entry.notice.subject] = entry
            return True
        newer.attempts, newer.order, newer.since_ms = entry.attempts, entry.order, entry.since_ms
        if newer.notice.level <= entry.notice.level:
            newer.due_s = max(newer.due_s, due_s)
        self.superseded += 1
        return False

    def oldest_ms(self) -> int | None:
        """Return when the longest-waiting subject's first undelivered notice was decided."""
        entries = [*self._waiting.values(), *([self._flying] if self._flying else [])]
        return min((entry.since_ms for entry in entries), default=None)
