"""Stores in memory that behave as the real ones do; the contract suite runs against both."""

from collections.abc import Collection, Sequence

import msgspec

from monitor.core.model import Level
from monitor.core.notices import Fate, Hold, SubjectState
from monitor.errors import StoreError
from monitor.ports import Attempt, Clock, Rows, Stored
from monitor.storage.outbox import (
    TRANSITIONS,
    AttemptRow,
    OutboxCount,
    OutboxRow,
    OutboxState,
    Outcome,
    Pending,
    pending_of,
)
from monitor.storage.statements import (
    FIRST_ATTEMPTS_KEPT,
    FIRST_REFUSED_KEPT,
    NEWEST_ATTEMPTS_KEPT,
    NEWEST_REFUSED_KEPT,
    acknowledges,
)


class MemoryState:
    """A state store whose content survives ``close``; ``failing`` makes every call raise it.

    It keeps settled rows for ever.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._is_open = False
        self.subjects: dict[str, SubjectState] = {}
        self.outbox: dict[tuple[str, str], OutboxRow] = {}  # in order of commit
        self.tries: dict[tuple[str, str], list[AttemptRow]] = {}
        self.made: dict[str, Hold] = {}
        self.last_number = 0
        self.commits = 0
        self.failing: StoreError | None = None

    async def open(self) -> Stored:
        if self.failing:
            raise self.failing
        self._is_open = True
        waiting = [row for row in self.outbox.values() if row.state is OutboxState.PENDING]
        waiting.sort(key=lambda row: row.decided_ms)
        newest = {(row.subject, row.channel): row for row in self.outbox.values() if row.subject in self.subjects}
        open_ = {name for name, state in self.subjects.items() if state.level > Level.OK}
        refused = [one for one in newest.values() if one.state is OutboxState.REFUSED and one.subject in open_]
        refused.sort(key=lambda row: row.decided_ms)
        return Stored(
            tuple(self.subjects[name] for name in sorted(self.subjects)),
            tuple(row.notice for row in waiting if row.notice is not None),
            tuple(self._fate(row) for _, row in sorted(newest.items())),
            tuple(hold for hold in self.made.values() if hold.ended_ms is None),
            self.last_number,
            refused=tuple(row.notice for row in refused if row.notice is not None),
        )

    def _fate(self, newest: OutboxRow) -> Fate:
        heard = any(
            (row.subject, row.channel, row.incident, row.number)
            == (newest.subject, newest.channel, newest.incident, newest.number)
            and row.state is OutboxState.ACCEPTED
            and row.level > Level.OK
            for row in self.outbox.values()
        )
        return Fate(newest.subject, newest.channel, newest.state.value, newest.decided_ms, newest.key, heard=heard)

    async def commit(self, rows: Rows) -> None:
        if not any(rows):
            return
        self._check("commit")
        self.commits += 1
        own = {notice.key for notice in rows.notices}
        for subject, channel in rows.over:
            self._give_up(subject, channel, OutboxState.RESOLVED, spared=own)
        self.subjects.update({state.subject: state for state in rows.subjects})
        for name in rows.gone:
            self.subjects.pop(name, None)
        self._add(rows)
        numbers = [notice.number for notice in rows.notices] + [state.number for state in rows.subjects]
        self.last_number = max([self.last_number, *numbers])
        for subject, incident, at_ms in rows.ended:
            for row in list(self.outbox.values()):
                if (row.subject, row.incident, row.ended_ms) == (subject, incident, None):
                    self._put(row, ended_ms=at_ms)
        for hold in rows.holds:
            self.made[hold.key] = hold
            for row in list(self.outbox.values()):
                about = row.number > 0 and row.number == acknowledges(hold)
                if about and row.decided_ms <= hold.made_ms and row.acknowledged_ms is None:
                    self._put(row, acknowledged_ms=hold.made_ms)

        for mark in rows.marks:
            self._try(mark.keys, mark.channel, mark.tried, Outcome(mark.outcome))

    def _add(self, rows: Rows) -> None:
        for notice in rows.notices:
            if (notice.key, notice.channel) in self.outbox:
                continue
            self._give_up(notice.subject, notice.channel, OutboxState.SUPERSEDED)
            ends = [row.ended_ms for row in self.outbox.values() if row.number == notice.number > 0]
            self.outbox[notice.key, notice.channel] = OutboxRow(
                key=notice.key,
                channel=notice.channel,
                subject=notice.subject,
                kind=notice.kind,
                level=notice.level,
                decided_ms=notice.decided_ms,
                notice=notice,
                incident=notice.incident,
                number=notice.number,
                crossed_ms=notice.facts.event_ms or None,
                ended_ms=max((at_ms for at_ms in ends if at_ms is not None), default=None),
            )

    async def attempted(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        self._try(keys, channel, tried, Outcome.FAILED)

    async def accepted(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        self._try(keys, channel, tried, Outcome.ACCEPTED)

    async def refused(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        self._try(keys, channel, tried, Outcome.REFUSED)

    async def alerts(
        self, limit: int = 50, *, number: int | None = None, subject: str | None = None
    ) -> list[OutboxRow]:
        self._check("read outbox")
        wanted = [
            row for row in self.outbox.values() if number in (None, row.number) and subject in (None, row.subject)
        ]
        newest = sorted(enumerate(wanted), key=lambda entry: (entry[1].decided_ms, entry[0]), reverse=True)
        return [row for _, row in newest[:limit]]

    async def attempts(self, key: str, channel: str) -> list[AttemptRow]:
        self._check("read attempts")
        tries = self.tries.get((key, channel), [])
        first = tries[:FIRST_ATTEMPTS_KEPT]
        return first + tries[len(first) :][-NEWEST_ATTEMPTS_KEPT:]

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

    def usable(self) -> bool:
        return self._is_open

    async def close(self) -> None:
        self._is_open = False

    def _check(self, operation: str) -> None:
        if self.failing:
            raise self.failing
        if not self._is_open:
            raise StoreError("memory", operation, "the database is not open")

    def _try(self, keys: Sequence[str], channel: str, tried: Attempt, outcome: Outcome) -> None:
        self._check(f"record {outcome.value}")
        for key in keys:
            row = self.outbox.get((key, channel))
            if row is None or not TRANSITIONS[row.state]:
                continue
            row = msgspec.structs.replace(
                row,
                attempts=row.attempts + 1,
                first_attempt_ms=tried.started_ms if row.first_attempt_ms is None else row.first_attempt_ms,
                last_attempt_ms=tried.started_ms,
                last_reason=tried.reason or row.last_reason,
            )
            self.outbox[key, channel] = row
            told = AttemptRow(row.attempts, tried.started_ms, tried.ended_ms, outcome, tried.reason)
            self.tries.setdefault((key, channel), []).append(told)
            if outcome is not Outcome.FAILED and OutboxState(outcome.value) in TRANSITIONS[row.state]:
                self._put(
                    row,
                    state=OutboxState(outcome.value),
                    settled_ms=tried.ended_ms if row.settled_ms is None else row.settled_ms,
                    accepted_ms=tried.ended_ms if outcome is Outcome.ACCEPTED else None,
                )
            if outcome is Outcome.REFUSED:
                self._thin(row)

    def _thin(self, newest: OutboxRow) -> None:
        about = (newest.subject, newest.incident, newest.number, newest.channel, OutboxState.REFUSED)
        refused = [
            place
            for place, row in self.outbox.items()
            if (row.subject, row.incident, row.number, row.channel, row.state) == about
        ]
        for place in refused[FIRST_REFUSED_KEPT:-NEWEST_REFUSED_KEPT]:
            del self.outbox[place]
            self.tries.pop(place, None)

    def _give_up(self, subject: str, channel: str, state: OutboxState, spared: Collection[str] = ()) -> None:
        for row in list(self.outbox.values()):
            pending = (row.subject, row.channel, row.state) == (subject, channel, OutboxState.PENDING)
            if pending and row.key not in spared:
                self._put(row, state=state, settled_ms=self._clock.wall_ms())

    def _put(self, row: OutboxRow, **changes: object) -> None:
        self.outbox[row.key, row.channel] = msgspec.structs.replace(row, **changes)
