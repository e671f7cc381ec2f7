"""Stores in memory that behave as the real ones do; the contract suite runs against both."""

from collections.abc import Collection, Sequence

import msgspec

from monitor.core.model import Change, Sample
from monitor.core.notices import Fate, Notice, SubjectState
from monitor.errors import StoreError
from monitor.ports import Clock, Stored
from monitor.storage.outbox import TRANSITIONS, OutboxCount, OutboxRow, OutboxState, Pending, pending_of


class MemoryState:
    """A state store whose content survives ``close``; ``failing`` makes every call raise it.

    It keeps settled rows for ever.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._is_open = False
        self.subjects: dict[str, SubjectState] = {}
        self.outbox: dict[tuple[str, str], OutboxRow] = {}  # in order of commit
        self.commits = 0
        self.failing: StoreError | None = None

    async def open(self) -> Stored:
        if self.failing:
            raise self.failing
        self._is_open = True
        waiting = [row for row in self.outbox.values() if row.state is OutboxState.PENDING]
        waiting.sort(key=lambda row: row.decided_ms)
        newest = {(row.subject, row.channel): row for row in self.outbox.values() if row.subject in self.subjects}
        return Stored(
            tuple(self.subjects[name] for name in sorted(self.subjects)),
            tuple(row.notice for row in waiting if row.notice is not None),
            tuple(Fate(*pair, row.state.value, row.decided_ms) for pair, row in sorted(newest.items())),
        )

    async def commit(
        self,
        subjects: Sequence[SubjectState],
        gone: Sequence[str],
        notices: Sequence[Notice],
        over: Sequence[tuple[str, str]] = (),
    ) -> None:
        if not (subjects or gone or notices or over):
            return
        self._check("commit")
        self.commits += 1
        own = {notice.key for notice in notices}
        for subject, channel in over:
            self._give_up(subject, channel, OutboxState.RESOLVED, spared=own)
        self.subjects.update({state.subject: state for state in subjects})
        for name in gone:
            self.subjects.pop(name, None)
        for notice in notices:
            if (notice.key, notice.channel) in self.outbox:
                continue
            self._give_up(notice.subject, notice.channel, OutboxState.SUPERSEDED)
            self.outbox[notice.key, notice.channel] = OutboxRow(
                key=notice.key,
                channel=notice.channel,
                subject=notice.subject,
                kind=notice.kind,
                level=notice.level,
                decided_ms=notice.decided_ms,
                notice=notice,
            )

    async def attempted(self, key: str, channel: str, at_ms: int, reason: str) -> None:
        self._check("record an attempt")
        if row := self.outbox.get((key, channel)):
            self._put(self._tried(row, at_ms), last_reason=reason)

    async def accepted(self, key: str, channel: str, at_ms: int) -> None:
        self._settle(OutboxState.ACCEPTED, key, channel, at_ms, None)

    async def refused(self, key: str, channel: str, at_ms: int, reason: str) -> None:
        self._settle(OutboxState.REFUSED, key, channel, at_ms, reason)

    async def alerts(self, limit: int = 50) -> list[OutboxRow]:
        self._check("read outbox")
        numbered = enumerate(self.outbox.values())
        newest = sorted(numbered, key=lambda entry: (entry[1].decided_ms, entry[0]), reverse=True)
        return [row for _, row in newest[:limit]]

    async def counts(self) -> tuple[OutboxCount, ...]:
        self._check("count outbox")
        found: dict[tuple[str, OutboxState], list[int]] = {}
        for row in self.outbox.values():
            found.setdefault((row.channel, row.state), []).append(row.decided_ms)
        return tuple(
            OutboxCount(channel, state, len(times), min(times))
            for (channel, state), times in sorted(found.items())
        )

    async def pending(self) -> Pending:
        return pending_of(await self.counts())

    async def close(self) -> None:
        self._is_open = False

    def _check(self, operation: str) -> None:
        if self.failing:
            raise self.failing
        if not self._is_open:
            raise StoreError("memory", operation, "the database is not open")

    def _settle(self, state: OutboxState, key: str, channel: str, at_ms: int, reason: str | None) -> None:
        self._check(f"record {state.value}")
        row = self.outbox.get((key, channel))
        if row is None or state not in TRANSITIONS[row.state]:
            return
        last = row.last_reason if reason is None else reason
        self._put(self._tried(row, at_ms), state=state, settled_ms=at_ms, last_reason=last)

    def _tried(self, row: OutboxRow, at_ms: int) -> OutboxRow:
        first = at_ms if row.first_attempt_ms is None else row.first_attempt_ms
        return msgspec.structs.replace(
            row, attempts=row.attempts + 1, first_attempt_ms=first, last_attempt_ms=at_ms
        )

    def _give_up(self, subject: str, channel: str, state: OutboxState, spared: Collection[str] = ()) -> None:
        for row in list(self.outbox.values()):
            pending = (row.subject, row.channel, row.state) == (subject, channel, OutboxState.PENDING)
            if pending and row.key not in spared:
                self._put(row, state=state, settled_ms=self._clock.wall_ms())

    def _put(self, row: OutboxRow, **changes: object) -> None:
        self.outbox[row.key, row.channel] = msgspec.structs.replace(row, **changes)


class MemoryHistory:
    """A history that keeps everything it is given."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.changes: list[Change] = []

    def record(self, samples: Sequence[Sample]) -> None:
        self.samples.extend(samples)

    def record_changes(self, changes: Sequence[Change]) -> None:
        self.changes.extend(changes)
