"""Whether somebody watches and could be told: what a ping outward, ``status`` and health checks go by. Pure.

"The process runs" proves nothing. What is asked is whether a fall of a mark that happens now would be seen, judged
on what the exchange holds, written down and told. Marks that REST gives in a stream's place do not count as fresh
here: they come every few seconds and from one source that nothing is compared with, and of a way out that is used
already whoever watches from outside should know before it closes too. Channels hear of it as a warning only. So it
is with an account that only REST still describes.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from monitor.core.notices import DataState
from monitor.status import HISTORY_STORE, STATE_STORE, Status

# Three of the intervals in which an account is fetched at rest: one may fail and one may be slow.
RECONCILED_WITHIN_S: Final = 90.0
# So long a private stream may be missing: as long as people are not told of it either. A daily rotation opens the
# new connection before it closes the old one, so nothing is missing. A listen key that ended is replaced within a
# second or two. A host that does not answer costs ten seconds and a pause until another one is tried: four or five
# attempts go by in a minute.
STREAM_WITHIN_S: Final = 60.0
# As old may a message be that no channel and none that stands in for it took.
OVERDUE_S: Final = 300.0
# As old may one be that was not even handed to its channel. A commit that fails or hangs is given up after a
# second, and its messages leave without it.
HANDED_ON_WITHIN_S: Final = 10.0

# Constant words, for they go to somebody else's service: no symbols, no accounts, no channels.
MARKS: Final = "marks are not fresh"
UNKNOWN: Final = "nothing is known of an account"
ACCOUNTS: Final = "an account was not reconciled lately"
STREAM: Final = "the private stream of an account is dead"
STATE: Final = "the state database does not take writes"
HISTORY: Final = "the history database does not take writes"
OVERDUE: Final = "a message is overdue"
UNREACHABLE: Final = "no channel takes messages"
DYING: Final = "a part of the service keeps failing"
STANDING: Final = "a part of the service stands still"
REASONS: Final = (MARKS, UNKNOWN, ACCOUNTS, STREAM, STATE, HISTORY, OVERDUE, UNREACHABLE, DYING, STANDING)


class Vitals(NamedTuple):
    """What the verdict goes by; the part of a ``Status`` that costs nothing to make."""

    now_ms: int
    stale: Sequence[str]  # watched symbols and rates whose marks are not fresh
    accounts: Sequence[Any]  # those followed by their keys
    channels: Sequence[Mapping[str, Any]]
    fallbacks: Mapping[str, str]
    unknown: Sequence[str] = ()  # accounts of which nothing is known yet
    unwritable: Collection[str] = ()  # databases that take no writes
    waiting_ms: Mapping[str, int] = {}  # when the oldest message was decided that its channel was not handed yet
    dying: Sequence[str] = ()  # jobs that died lately
    standing: Sequence[str] = ()  # loops that have not come round in time


class Trouble(NamedTuple):
    """One thing that is wrong. ``names`` says where: symbols, accounts, channels, databases, jobs; never a secret.

    For those who may see what is watched; a service elsewhere is told ``Health.reasons`` only.
    """

    reason: str  # constant words
    names: tuple[str, ...] = ()


class Health(NamedTuple):
    """The verdict: what is wrong, and where; nothing if all is well."""

    troubles: tuple[Trouble, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return not self.troubles

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is wrong in constant words without a secret; where is for those who may see what is watched."""
        return tuple(one.reason for one in self.troubles)


def vitals_of(found: Status) -> Vitals:
    """Return what of a status matters here."""
    return Vitals(
        now_ms=found.now_ms,
        stale=tuple(one.symbol for one in found.engine.symbols if one.data != DataState.FRESH.value),
        accounts=found.accounts,
        channels=found.channels,
        fallbacks=found.fallbacks,
        unknown=found.unseen,
        unwritable=found.unwritable,
        waiting_ms=found.waiting_ms,
        dying=found.dying,
        standing=found.standing,
    )


def health(found: Vitals) -> Health:
    """Return whether the service does its work at the moment ``found`` was made.

    Nothing watched is well: there is nothing to miss. Nor does a level matter: that is told by alerts.
    """
    accounts = {row["account"]: row for row in map(msgspec.to_builtins, found.accounts)}
    wrong = {
        MARKS: found.stale,
        UNKNOWN: found.unknown,
        ACCOUNTS: [n for n, row in accounts.items() if n not in found.unknown and not _reconciled(row)],
        STREAM: [name for name, row in accounts.items() if _is_dead(row)],
        STATE: [one for one in found.unwritable if one == STATE_STORE],
        HISTORY: [one for one in found.unwritable if one == HISTORY_STORE],
        OVERDUE: _overdue(found),
        UNREACHABLE: _unreachable(found),
        DYING: found.dying,
        STANDING: found.standing,
    }
    return Health(tuple(Trouble(reason, tuple(names)) for reason, names in wrong.items() if names))


def without_history(found: Health) -> Health:
    """Return a verdict for those who only ask whether an alert would come.

    A history that cannot be written costs charts and explanations. The owner is told and goes on being warned, so
    nothing is to be started anew for it, taken out of service, or reported as gone.
    """
    return Health(tuple(one for one in found.troubles if one.reason != HISTORY))


# An account is a value in the daemon, a table where it came over its socket.


def _reconciled(account: Mapping[str, Any]) -> bool:
    age_s: float | None = account["reconcile_age_s"]
    return age_s is not None and age_s <= RECONCILED_WITHIN_S


def _is_dead(account: Mapping[str, Any]) -> bool:
    """Return whether events of an account do not come: no connection for too long, or a silent one."""
    return account.get("stream_missing_s", 0.0) >= STREAM_WITHIN_S or bool(account.get("stream_trouble"))


def _overdue(found: Vitals) -> list[str]:
    """Return the channels that hold a message that is overdue and nobody delivered it in its place."""
    channels = {one["channel"]: one for one in found.channels}
    late = [name for name, at_ms in found.waiting_ms.items() if found.now_ms - at_ms >= HANDED_ON_WITHIN_S * 1000]
    for name, one in channels.items():
        chain = _stand_ins(name, found.fallbacks)
        if _late(one) and not any(
            other in channels and not _late(channels[other]) and not channels[other]["failing"] for other in chain
        ):
            late.append(name)
    return list(dict.fromkeys(late))


def _unreachable(found: Vitals) -> list[str]:
    """Return the channels if none of them takes messages."""
    return [one["channel"] for one in found.channels if all(map(_deaf, found.channels))]


def _stand_ins(name: str, fallbacks: Mapping[str, str]) -> Iterable[str]:
    """Return who delivers for a channel, who for that one, and so on; a circle ends where it began."""
    seen: dict[str, None] = {name: None}
    while (name := fallbacks.get(name, "")) and name not in seen:
        seen[name] = None
    return tuple(seen)[1:]


def _late(channel: Mapping[str, Any]) -> bool:
    oldest_s: float | None = channel.get("oldest_s")  # none of a version that does not tell
    return oldest_s is not None and oldest_s >= OVERDUE_S


def _deaf(channel: Mapping[str, Any]) -> bool:
    """Return whether nothing says that it would take a message: one is overdue, or the last was refused."""
    return _late(channel) or bool(channel["failing"] and not channel["pending"])
