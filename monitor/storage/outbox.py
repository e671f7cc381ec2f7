"""Rows of the outbox: one for each notice and channel, and what may become of it.

A row has one state, which says what delivery made of it. That a person acknowledged it and that its incident
ended are no states but times beside it: either may happen in any state, and neither changes what is sent.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from monitor.core.model import Level
from monitor.core.notices import Fate, Hold, Notice, NoticeKind, SubjectState


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


UNDECIDED: Final = tuple(state for state, targets in TRANSITIONS.items() if targets)  # attempts still count here


class Outcome(StrEnum):
    """How one attempt to send ended."""

    FAILED = "failed"  # and may be repeated
    ACCEPTED = "accepted"
    REFUSED = "refused"  # and will not be repeated


class OutboxRow(msgspec.Struct, frozen=True):
    """One notice on one channel. Times are ours, Unix milliseconds, None where it did not happen."""

    key: str
    channel: str
    subject: str
    kind: NoticeKind
    level: Level
    decided_ms: int
    state: OutboxState = OutboxState.PENDING
    attempts: int = 0  # all of them, also those whose own records were dropped
    first_attempt_ms: int | None = None  # when it began
    last_attempt_ms: int | None = None
    last_reason: str = ""  # of the last attempt that failed
    settled_ms: int | None = None  # when it left the pending state
    notice: Notice | None = None  # None where the stored text cannot be read
    incident: int = 0  # of its subject
    number: int = 0  # of the incident among all, 0 where it has none
    crossed_ms: int | None = None  # exchange time of the mark behind it; None where not known
    accepted_ms: int | None = None
    acknowledged_ms: int | None = None  # when a person said they had seen the incident
    ended_ms: int | None = None  # when the incident was over


class AttemptRow(msgspec.Struct, frozen=True):
    """One attempt to send a notice on a channel. Times are Unix milliseconds."""

    ordinal: int  # from 1; gaps are attempts whose records were dropped
    started_ms: int
    ended_ms: int
    outcome: Outcome
    reason: str  # a constant, empty if accepted


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


_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, TypeError, RecursionError)
_notices: Final = msgspec.json.Decoder(Notice)
_subjects: Final = msgspec.json.Decoder(SubjectState)
_holds: Final = msgspec.json.Decoder(Hold)


def to_payload(value: msgspec.Struct) -> str:
    """Return a value as JSON text."""
    return msgspec.json.encode(value).decode()


def to_notice(payload: str) -> Notice | None:
    """Return the notice a row holds; None if it cannot be read, so that one bad row costs no other."""
    try:
        return _notices.decode(payload)
    except _UNREADABLE:
        return None


def to_subject(payload: str) -> SubjectState | None:
    """Return the state a row holds; None if it cannot be read."""
    try:
        return _subjects.decode(payload)
    except _UNREADABLE:
        return None


def to_hold(payload: str) -> Hold | None:
    """Return the wish a row holds; None if it cannot be read."""
    try:
        return _holds.decode(payload)
    except _UNREADABLE:
        return None


def to_row(columns: Sequence[Any]) -> OutboxRow:
    """Return what ``statements.ALERTS`` found as a value.

    Raises:
        ValueError: the row holds words this program does not know.
    """
    key, channel, subject, kind, level, decided_ms, state, *others, payload = columns
    attempts, first, last, reason, settled, incident, number, crossed, accepted, acknowledged, ended = others
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
        incident=incident,
        number=number,
        crossed_ms=crossed,
        accepted_ms=accepted,
        acknowledged_ms=acknowledged,
        ended_ms=ended,
    )


def to_attempt(columns: Sequence[Any]) -> AttemptRow:
    """Return what ``statements.ATTEMPTS`` found as a value.

    Raises:
        ValueError: the row holds words this program does not know.
    """
    ordinal, started_ms, ended_ms, outcome, reason = columns
    return AttemptRow(ordinal, started_ms, ended_ms, Outcome(outcome), reason)


def to_fate(columns: Sequence[Any]) -> Fate | None:
    """Return what ``statements.FATES`` found as a value; None if it cannot be one: columns take any type."""
    subject, channel, state, decided_ms, key, heard = columns
    if not (isinstance(decided_ms, int) and all(isinstance(one, str) for one in (channel, state, key))):
        return None
    return Fate(subject, channel, state, decided_ms, key, heard=bool(heard))


def to_counts(rows: Sequence[Sequence[Any]]) -> tuple[OutboxCount, ...]:
    """Return what ``statements.COUNTS`` found."""
    return tuple(OutboxCount(channel, OutboxState(state), *figures) for channel, state, *figures in rows)


def pending_of(counts: Sequence[OutboxCount]) -> Pending:
    """Return what still waits, over all channels."""
    waiting = [count for count in counts if count.state is OutboxState.PENDING]
    return Pending(
        rows=sum(count.rows for count in waiting),
        oldest_ms=min((count.oldest_ms for count in waiting), default=None),
    )
