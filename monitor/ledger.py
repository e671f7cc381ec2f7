"""The ledger for programs: rows of the outbox, wishes for quiet and open incidents as JSON has them.

One shape for ``alerts --json``, ``status --json`` and the JSON interface. Levels are words, times Unix
milliseconds.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from monitor.core.notices import Facts, Hold, HoldKind, NoticeKind
from monitor.core.view import OpenAlert
from monitor.storage.outbox import OutboxRow, OutboxState


class Wanted(NamedTuple):
    """Which rows are asked for; an empty text is any. ``subjects`` are the wallets that hold the symbol now."""

    since_ms: int
    channel: str
    symbol: str
    subjects: Collection[str]

    def takes(self, row: OutboxRow) -> bool:
        """Return whether a row is one of them."""
        return (
            row.decided_ms >= self.since_ms
            and self.channel in {"", row.channel}
            and (not self.symbol or row.subject in self.subjects or self.symbol in symbols_of(row))
        )


class ToldRow(msgspec.Struct, frozen=True):
    """A message on one channel and what became of it; times are None where it did not happen."""

    number: int  # of its incident, what people call it by; 0 where it has none
    subject: str
    incident: int
    kind: NoticeKind
    level: str
    channel: str
    via: str  # why this channel was told what it did not ask for
    key: str
    crossed_ms: int | None
    decided_ms: int
    first_attempt_ms: int | None
    last_attempt_ms: int | None
    attempts: int
    last_reason: str
    state: OutboxState
    accepted_ms: int | None
    settled_ms: int | None
    acknowledged_ms: int | None
    ended_ms: int | None
    facts: Facts


class HoldRow(msgspec.Struct, frozen=True):
    """A person's wish for quiet; what is worse than ``levels`` is told all the same."""

    key: str
    kind: HoldKind
    target: str  # "alert:17", "symbol:BTCUSDT" or "all"
    made_ms: int
    until_ms: int
    why: str
    by: str
    levels: dict[str, str]  # by subject
    ended_ms: int | None
    ended: str


class IncidentRow(msgspec.Struct, frozen=True):
    """An incident under way."""

    number: int
    subject: str
    level: str
    since_ms: int
    symbols: tuple[str, ...]
    held: HoldRow | None = None  # what holds back its reminders
    peak: str = ""
    told: tuple[str, ...] = ()  # the channels that accepted an alert of it


def facts_of(row: OutboxRow) -> Facts:
    """Return what a message says; of one that cannot be read, nothing."""
    return row.notice.facts if row.notice is not None else Facts()


def symbols_of(row: OutboxRow) -> set[str]:
    """Return the symbols a message names."""
    facts = facts_of(row)
    changed = {change.symbol for change in facts.changes}
    return {facts.symbol, *facts.symbols, *changed, *row.subject.partition("/")[2].split(":")[1:2]}


def told_row(row: OutboxRow) -> ToldRow:
    """Return a row as a program reads it."""
    facts = facts_of(row)
    return ToldRow(
        number=row.number, subject=row.subject, incident=row.incident, kind=row.kind, level=row.level.label,
        channel=row.channel, via=facts.via, key=row.key, crossed_ms=row.crossed_ms, decided_ms=row.decided_ms,
        first_attempt_ms=row.first_attempt_ms, last_attempt_ms=row.last_attempt_ms, attempts=row.attempts,
        last_reason=row.last_reason, state=row.state, accepted_ms=row.accepted_ms, settled_ms=row.settled_ms,
        acknowledged_ms=row.acknowledged_ms, ended_ms=row.ended_ms, facts=facts,
    )  # fmt: skip


def hold_row(hold: Hold) -> HoldRow:
    """Return a wish for quiet as a program reads it."""
    known = msgspec.structs.asdict(hold)
    return HoldRow(**known | {"levels": {name: level.label for name, level in hold.levels.items()}})


def hold_rows(holds: Iterable[Hold]) -> tuple[HoldRow, ...]:
    """Return wishes for quiet as a program reads them."""
    return tuple(map(hold_row, holds))


def incidents(alerts: Sequence[OpenAlert]) -> tuple[IncidentRow, ...]:
    """Return what is open as the running daemon knows it, the worst first."""
    return tuple(
        IncidentRow(
            one.number, one.subject, one.level.label, one.since_ms, one.symbols,
            None if one.held is None else hold_row(one.held),
        )
        for one in sorted(alerts, key=lambda one: (-one.level, one.number))
    )  # fmt: skip


def incomplete(reason: str) -> str:
    """Return why the newest are not in the file, where the daemon cannot write it; ``reason`` may be empty."""
    why = f" ({reason})" if reason else ""
    return f"state.db takes no writes at the moment{why}: the newest are missing here, and are sent all the same."
