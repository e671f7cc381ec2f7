"""Whether somebody watches and could be told: what a ping outward, ``status`` and health checks go by. Pure.

"The process runs" proves nothing. What is asked is whether a fall of a mark that happens now would be seen, judged
on what the exchange holds, written down and told. Marks that REST gives in a stream's place do not count as fresh
here: they come every few seconds and from one source that nothing is compared with, and of a way out that is used
already whoever watches from outside should know before it closes too. Channels hear of it as a warning only.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from monitor.core.notices import DataState
from monitor.status import Status

# Three of the intervals in which an account is fetched at rest: one may fail and one may be slow.
RECONCILED_WITHIN_S: Final = 90.0
# As old may a message be that no channel and none that stands in for it took.
OVERDUE_S: Final = 300.0
# So long a job that died counts as dying; the supervisor gives up on one that dies often within as long.
DYING_S: Final = 300.0

# Constant words, for they go to somebody else's service: no symbols, no accounts, no channels.
MARKS: Final = "marks are not fresh"
ACCOUNTS: Final = "an account was not reconciled lately"
STATE: Final = "the state database does not take writes"
OVERDUE: Final = "a message is overdue"
UNREACHABLE: Final = "no channel takes messages"
DYING: Final = "a part of the service keeps failing"


class Vitals(NamedTuple):
    """What the verdict goes by; the part of a ``Status`` that costs nothing to make."""

    now_ms: int
    sees: bool  # all that is watched has fresh marks
    accounts: Sequence[Any]
    channels: Sequence[Mapping[str, Any]]
    state_ok: bool
    died_ms: Mapping[str, int]
    fallbacks: Mapping[str, str]


class Trouble(NamedTuple):
    """One thing that is wrong. ``names`` says where: symbols, accounts, channels, databases, jobs; never a secret.

    For those who may see what is watched; a service elsewhere is told ``Health.reasons`` only.
    """

    reason: str  # constant words
    names: tuple[str, ...] = ()


class Health(NamedTuple):
    """The verdict; ``reasons`` are constant words without a secret, empty if all is well."""

    ok: bool
    reasons: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()  # the same, with where


def vitals_of(found: Status) -> Vitals:
    """Return what of a status matters here."""
    return Vitals(
        now_ms=found.now_ms,
        sees=all(one.data == DataState.FRESH.value for one in found.engine.symbols),
        accounts=found.accounts,
        channels=found.channels,
        state_ok=found.state_ok,
        died_ms=found.died_ms,
        fallbacks=found.fallbacks,
    )


def health(found: Vitals) -> Health:
    """Return whether the service does its work at the moment ``found`` was made.

    Nothing watched is well: there is nothing to miss. Nor does a level matter: that is told by alerts.
    """
    wrong = {
        MARKS: not found.sees,
        ACCOUNTS: not all(map(_reconciled, found.accounts)),
        STATE: not found.state_ok,
        OVERDUE: _is_overdue(found),
        UNREACHABLE: bool(found.channels) and all(_deaf(one, found.now_ms) for one in found.channels),
        DYING: any(found.now_ms - at_ms < DYING_S * 1000 for at_ms in found.died_ms.values()),
    }
    reasons = tuple(reason for reason, holds in wrong.items() if holds)
    return Health(not reasons, reasons)


def _reconciled(account: object) -> bool:
    # A value in the daemon, a table where it came over its socket.
    age_s: float | None = msgspec.to_builtins(account)["reconcile_age_s"]
    return age_s is not None and age_s <= RECONCILED_WITHIN_S


def _is_overdue(found: Vitals) -> bool:
    """Return whether a channel holds a message that is overdue and nobody delivered it in its place."""
    channels = {one["channel"]: one for one in found.channels}
    for name, one in channels.items():
        chain = _stand_ins(name, found.fallbacks)
        if _late(one, found.now_ms) and not any(
            other in channels and not _late(channels[other], found.now_ms) and not channels[other]["failing"]
            for other in chain
        ):
            return True
    return False


def _stand_ins(name: str, fallbacks: Mapping[str, str]) -> Iterable[str]:
    """Return who delivers for a channel, who for that one, and so on; a circle ends where it began."""
    seen: dict[str, None] = {name: None}
    while (name := fallbacks.get(name, "")) and name not in seen:
        seen[name] = None
    return tuple(seen)[1:]


def _late(channel: Mapping[str, Any], now_ms: int) -> bool:
    oldest_ms: int | None = channel["oldest_ms"]
    return oldest_ms is not None and now_ms - oldest_ms >= OVERDUE_S * 1000


def _deaf(channel: Mapping[str, Any], now_ms: int) -> bool:
    """Return whether nothing says that it would take a message: one is overdue, or the last was refused."""
    return _late(channel, now_ms) or bool(channel["failing"] and not channel["pending"])
