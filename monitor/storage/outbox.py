"""Rows of the outbox: one for each notice and channel, and what may become of it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from monitor.core.model import Level
from monitor.core.notices import Notice, NoticeKind


class OutboxState(StrEnum):
    """What became of a notice on one channel."""

    PENDING = "pending"  # decided, not yet accepted
    ACCEPTED = "accepted"  # the service took it
    REFUSED = "refused"  # the service will never take it
    SUPERSEDED = "superseded"  # a newer notice of its subject replaced it
    RESOLVED = "resolved"  # the incident ended before it was accepted


# A send under way is not called back when its row is superseded or resolved. Should the service accept it
# after all, somebody has read it, and the record says so.
TRANSITIONS: Final[Mapping[OutboxState, frozenset[OutboxState]]] = {
    OutboxState.PENDING: frozenset(
        {OutboxState.ACCEPTED, OutboxState.REFUSED, OutboxState.SUPERSEDED, OutboxState.RESOLVED}
    ),
    OutboxState.SUPERSEDED: frozenset({OutboxState.ACCEPTED}),
    OutboxState.RESOLVED: frozenset({OutboxState.ACCEPTED}),
    OutboxState.ACCEPTED: frozenset(),
    OutboxState.REFUSED: frozenset(),
}


def leads_to(target: OutboxState) -> tuple[OutboxState, ...]:
    """Return the states from which a row may go to ``target``."""
    return tuple(state for state, targets in TRANSITIONS.items() if target in targets)


class OutboxRow(msgspec.Struct, frozen=True):
    """One notice on one channel. Times are Unix milliseconds, None where it did not happen."""

    key: str
    channel: str
    subject: str
    kind: NoticeKind
    level: Level
    decided_ms: int
    state: OutboxState = OutboxState.PENDING
    attempts: int = 0
    first_attempt_ms: int | None = None
    last_attempt_ms: int | None = None
    last_reason: str = ""  # of the last attempt that failed
    settled_ms: int | None = None  # when it left the pending state
    notice: Notice | None = None  # None where the stored text cannot be read


class OutboxCount(NamedTuple):
    """How many rows a channel has in one state, and when the oldest of them was decided (Unix milliseconds)."""

    channel: str
    state: OutboxState
    rows: int
    oldest_ms: int


class Pending(NamedTuple):
    """How many notices wait to be accepted, and when the oldest was decided (Unix milliseconds)."""

    rows: int
    oldest_ms: int | None


ALERTS_SQL: Final = """
SELECT key, channel, subject, kind, level, decided_ms, state, attempts, first_attempt_ms, last_attempt_ms,
       last_reason, settled_ms, payload
FROM outbox ORDER BY decided_ms DESC, rowid DESC LIMIT ?
"""
COUNTS_SQL: Final = """
SELECT channel, state, count(*), min(decided_ms) FROM outbox GROUP BY channel, state ORDER BY channel, state
"""

_notices: Final = msgspec.json.Decoder(Notice)


def to_payload(value: msgspec.Struct) -> str:
    """Return a value as JSON text."""
    return msgspec.json.encode(value).decode()


def to_notice(payload: str) -> Notice | None:
    """Return the notice a row holds; None if it cannot be read, so that one bad row costs no other."""
    try:
        return _notices.decode(payload)
    except (msgspec.DecodeError, UnicodeError, TypeError):
        return None


def to_row(columns: Sequence[Any]) -> OutboxRow:
    """Return what ALERTS_SQL found as a value.

    Raises:
        ValueError: the row holds words this program does not know.
    """
    key, channel, subject, kind, level, decided_ms, state, attempts, first, last, reason, settled, payload = (
        columns
    )
    return OutboxRow(
        key=key,
        channel=channel,
        subject=subject,
        kind=NoticeKind(kind),
        level=Level(level),
        decided_ms=decided_ms,
        state=OutboxState(state),
        attempts=attempts,
        first_attempt_ms=first,
        last_attempt_ms=last,
        last_reason=reason,
        settled_ms=settled,
        notice=to_notice(payload),
    )


def to_counts(rows: Sequence[Sequence[Any]]) -> tuple[OutboxCount, ...]:
    """Return what COUNTS_SQL found."""
    return tuple(OutboxCount(channel, OutboxState(state), *figures) for channel, state, *figures in rows)


def pending_of(counts: Sequence[OutboxCount]) -> Pending:
    """Return what still waits, over all channels."""
    waiting = [count for count in counts if count.state is OutboxState.PENDING]
    return Pending(
        rows=sum(count.rows for count in waiting),
        oldest_ms=min((count.oldest_ms for count in waiting), default=None),
    )
