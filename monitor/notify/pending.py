"""What one channel still has to deliver: the newest notice of each subject. Pure; time is handed in.

Memory is bounded by the number of subjects: a newer notice takes the place of an undelivered older one of its
subject, for nobody wants to read yesterday's warning after today's. What is due leaves together, the worst first
and among equals in the order in which their subjects began to wait; the fate of a message is that of all in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from monitor.core.model import Level, Now
from monitor.core.notices import Notice, NoticeKind
from monitor.notify.levels import message_level
from monitor.notify.pacing import Urgency

_SET_BACK_MS: Final = 1000  # both clocks are told apart from here on


@dataclass(slots=True)
class Entry:
    """One undelivered notice; times are monotonic seconds unless named ``_ms``."""

    notice: Notice
    recorded: bool  # its commit succeeded
    due_s: float
    order: int
    since_ms: int  # when the oldest notice that this one stands for was decided
    since_s: float  # the same, by the clock that nobody sets
    decided_s: float  # when this one was decided, by that clock
    news: bool  # nothing as bad was tried to be told of its subject
    attempts: int = 0
    withdrawn: bool = False  # given up while in flight: deliver if it succeeds, do not repeat

    def dated(self, now: Now) -> Notice:
        """Return the notice; as decided earlier where the wall clock was set back since, which would hide an age.

        One that is ahead of the other clock is believed: that one stands still while a machine is suspended.
        """
        decided_ms = now.wall_ms - round((now.mono_s - self.decided_s) * 1000)
        if decided_ms > self.notice.decided_ms - _SET_BACK_MS:
            return self.notice
        return msgspec.structs.replace(self.notice, decided_ms=decided_ms)

    @property
    def urgency(self) -> Urgency:
        """How much it may hurry; an emergency tried before, or only reminded of, gives way to a new one."""
        level = message_level(self.notice)
        if level < Level.CRITICAL:
            return Urgency.ORDINARY
        return Urgency.EMERGENCY if level is Level.EMERGENCY and self.news else Urgency.SERIOUS

    @property
    def rank(self) -> tuple[int, int]:
        """Smaller stands first."""
        return (-message_level(self.notice), self.order)


class Pending:
    """The undelivered notices of one channel; those of at most one message are in flight."""

    def __init__(self) -> None:
        self._waiting: dict[str, Entry] = {}
        self._flying: dict[str, Entry] = {}
        self._count = 0
        self.superseded = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._flying)

    def offer(self, notice: Notice, *, recorded: bool, now_s: float, age_s: float = 0.0) -> None:
        """Take a notice, decided ``age_s`` ago; again with the same key it only changes whether it is recorded."""
        for known in (self._flying.get(notice.subject), self._waiting.get(notice.subject)):
            if known is not None and known.notice.key == notice.key:
                known.recorded = known.recorded or recorded
                return
        old = self._waiting.get(notice.subject)
        if old is not None and recorded and not old.recorded and notice.decided_ms < old.notice.decided_ms:
            return  # read from a database that opened late; meanwhile this run knows better
        news = notice.kind is not NoticeKind.REMINDER
        decided_s = now_s - age_s
        if old is None:
            self._count += 1
            entry = Entry(notice, recorded, now_s, self._count, notice.decided_ms, decided_s, decided_s, news)
        else:
            # A pause after a failure also holds for what replaces the message, unless that is more urgent.
            worse = message_level(notice) > message_level(old.notice)
            due_s = now_s if worse else old.due_s
            news = old.news or (news and worse)
            entry = Entry(
                notice, recorded, due_s, old.order, old.since_ms, old.since_s, decided_s, news, old.attempts
            )
            self.superseded += 1
        self._waiting[notice.subject] = entry

    def overtakes(self, notice: Notice) -> bool:
        """Return whether another notice of its subject is in flight."""
        flying = self._flying.get(notice.subject)
        return flying is not None and flying.notice.key != notice.key

    def withdraw(self, subject: str) -> bool:
        """Drop what waits for ``subject``; return whether its row can be given up.

        One in flight cannot be called back, and somebody may read it. So until the end is told, one row stays due:
        its own, or that of the newer one which took its place.
        """
        self._waiting.pop(subject, None)
        flying = self._flying.get(subject)
        if flying is None:
            return True
        flying.withdrawn = True
        return False

    def holds(self, key: str) -> bool:
        """Return whether the notice with this key waits or is in flight."""
        return any(entry.notice.key == key for entry in self._all())

    def notices(self) -> list[Notice]:
        """Return every notice that waits or is in flight."""
        return [entry.notice for entry in self._all()]

    def due(self, now_s: float) -> list[Entry]:
        """Return what is due, the worst first."""
        return sorted((e for e in self._waiting.values() if e.due_s <= now_s), key=lambda entry: entry.rank)

    def next_due_s(self, after_s: float) -> float | None:
        """Return when the first entry is due that is not by ``after_s``; None if there is none."""
        return min((entry.due_s for entry in self._waiting.values() if entry.due_s > after_s), default=None)

    def hurry(self, now_s: float) -> None:
        """Let everything that waits be due by now: what it waited for is of no matter any more."""
        for entry in self._waiting.values():
            entry.due_s = min(entry.due_s, now_s)

    def depart(self, entries: Sequence[Entry]) -> None:
        """Move waiting entries into flight, together; nothing else may be there."""
        for entry in entries:
            del self._waiting[entry.notice.subject]
            entry.attempts += 1
            entry.news = False
            self._flying[entry.notice.subject] = entry

    def landed(self) -> None:
        """The message in flight met its fate: accepted, or refused for good."""
        self._flying.clear()

    def under_way(self) -> list[Entry]:
        """Return what is in flight, the worst first."""
        return sorted(self._flying.values(), key=lambda entry: entry.rank)

    def returned(self, due_s: Callable[[Entry], float]) -> list[Entry]:
        """Put what was in flight and failed back until its ``due_s``; return those that wait again.

        The others are no longer wanted: withdrawn, or superseded meanwhile.
        """
        flown = [*self._flying.values()]
        self._flying.clear()
        return [entry for entry in flown if not entry.withdrawn and self._back(entry, due_s(entry))]

    def _back(self, entry: Entry, due_s: float) -> bool:
        newer = self._waiting.get(entry.notice.subject)
        if newer is None:
            entry.due_s = due_s
            self._waiting[entry.notice.subject] = entry
            return True
        newer.attempts, newer.order = entry.attempts, entry.order
        newer.since_ms, newer.since_s = entry.since_ms, entry.since_s
        if message_level(newer.notice) <= message_level(entry.notice):
            newer.due_s = max(newer.due_s, due_s)
            newer.news = False
        self.superseded += 1
        return False

    def oldest_ms(self) -> int | None:
        """Return when the longest-waiting subject's first undelivered notice was decided."""
        return min((entry.since_ms for entry in self._all()), default=None)

    def oldest_s(self, now_s: float) -> float | None:
        """Return how long that one has waited, in seconds."""
        return max((now_s - entry.since_s for entry in self._all()), default=None)

    def _all(self) -> list[Entry]:
        return [*self._flying.values(), *self._waiting.values()]
