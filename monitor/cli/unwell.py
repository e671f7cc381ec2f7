"""What a running daemon says is not well with it, as ``doctor`` shows it."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from monitor.account_rows import account_rows
from monitor.cli.common import counted
from monitor.cli.verdict import is_bridged
from monitor.core.notices import DataState
from monitor.doctor.finding import Finding, State
from monitor.health import DYING, OVERDUE, health, vitals_of
from monitor.notify.reasons import in_words

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.status import Status

AREA: Final = "daemon"

_CHANNEL = "check its address and that service; `position-monitor test-alert` tries it"
_ACCOUNT = "see its key and the hosts; the log of the daemon has the hint"
_LIMITED = "wait: it asks again by itself; find what else uses the weight of this address"
_LIMITS = ("rate limit", "ip banned", "blocked")
_MARKS = "see the hosts and routes; until marks return, levels of these may rise but cannot fall"
_TIERS = "give them as [brackets.SYMBOL], or wait: they are asked for again"
_STATE = "see the disk; alerts may be repeated or lost to a crash until it can"
_LOOPS = "look into its log and start it again; nothing is watched while these stand still"


def unwell_with(settings: "Settings", document: object) -> Iterator[Finding]:
    """Yield what is not well with a daemon, and whether it runs with another configuration. Asks it what it holds.

    Args:
        settings: the configuration as it is now.
        document: its answer to ``status``.

    Raises:
        ControlError: it is of another version.
    """
    from monitor.cli.held import find_held
    from monitor.cli.status import decoded

    yield from unwell(decoded(document))
    if differs := find_held(settings, ask_daemon=True).differs:
        yield Finding(AREA, "configuration", State.WARN, differs, "stop it and start it again")


def unwell(found: "Status") -> Iterator[Finding]:
    """Yield what is not well, what nobody would be told of first."""
    yield from _channels(found)
    yield from _marks(found)
    yield from _accounts(found)
    if not found.state_ok:
        yield Finding(AREA, "state.db", State.FAIL, "the running daemon cannot write it", _STATE)
    if found.watchdog is not None and found.watchdog.standing:
        yield Finding(AREA, "loops", State.FAIL, f"stand still: {', '.join(found.watchdog.standing)}", _LOOPS)
    reasons = health(vitals_of(found)).reasons
    if DYING in reasons:
        jobs = ", ".join(sorted(found.dying))
        words = f"failed and were started anew: {jobs}"
        yield Finding(AREA, "parts", State.WARN, words, "its log says what failed")
    if found.heartbeat is not None and found.heartbeat.failing:
        words = f"the ping outward is not taken: {found.heartbeat.last_error.replace('_', ' ')}"
        yield Finding(AREA, "heartbeat", State.WARN, words, "check [heartbeat] url and that service")


def _channels(found: "Status") -> Iterator[Finding]:
    overdue = OVERDUE in health(vitals_of(found)).reasons
    for one in found.channels:
        if not (one["failing"] or one["broken"] or (overdue and one["pending"])):
            continue
        reason = in_words(one["last_reason"]) if one["last_reason"] else "no reason is known"
        words = f"does not take messages: {reason}{_waiting(one)}"
        instead = found.fallbacks.get(one["channel"])
        fix = _CHANNEL + (f"; {instead} takes over what is urgent" if instead else "")
        lost = (one["pending"] or one["broken"]) and not instead
        yield Finding(AREA, one["channel"], State.FAIL if lost else State.WARN, words, fix)


def _waiting(one: Any) -> str:  # noqa: ANN401 - as it came from the daemon
    if not one["pending"]:
        return ""
    since = f" since {_clock(one['oldest_ms'])}" if one["oldest_ms"] else ""
    return f"; {counted(one['pending'], 'message')} waiting{since}"


def _clock(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%H:%M:%S} UTC"


def _marks(found: "Status") -> Iterator[Finding]:
    unseen = [one for one in found.engine.symbols if one.data == DataState.BLIND.value or one.mark is None]
    bridged = [one.symbol for one in unseen if is_bridged(one)]
    blind = [one.symbol for one in unseen if not is_bridged(one)]
    if blind:
        yield Finding(AREA, "marks", State.FAIL, f"none of {_listed(blind)}", _MARKS)
    if bridged:
        yield Finding(AREA, "marks", State.WARN, f"those of {_listed(bridged)} come from REST only", _MARKS)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _accounts(found: "Status") -> Iterator[Finding]:
    for row in account_rows(found):
        if row.trouble:
            fix = _LIMITED if any(word in row.followed for word in _LIMITS) else _ACCOUNT
            yield Finding(AREA, row.account, State.FAIL, f"is not followed ({row.followed})", fix)
        if row.untabled:
            words = f"no maintenance tiers of {_listed(row.untabled)}: not watched"
            yield Finding(AREA, row.account, State.FAIL, words, _TIERS)
