"""What the page and the live view of the terminal say in the same words, without any markup. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from monitor.core.model import Level
from monitor.core.notices import DataState
from monitor.core.report import WalletView
from monitor.health import MARKS
from monitor.notify.numbers import span
from monitor.notify.subjects import wallet_name
from monitor.status import Status
from monitor.web.page.seen import Seen, nearest, rank

WATCHING = "Watching"
BLIND = "BLIND"
NO_CHANNELS = "No channels: alerts go to the log only."
_NAMED = 5


def state_of(seen: Seen, ago_s: float = 0.0) -> tuple[str, str]:
    """Return whether it watches in a word or two, and the sentence beside it.

    Args:
        seen: the snapshot.
        ago_s: seconds since it was taken; 0 where it is of now.
    """
    symbols = seen.status.engine.symbols
    blind = [one for one in symbols if one.data == DataState.BLIND.value]
    unsure = [one for one in symbols if one.data not in {DataState.FRESH.value, DataState.BLIND.value}]
    if blind:
        ages = [one.age_s for one in blind if one.age_s is not None]
        since = f"the last mark came {span(max(ages) + ago_s)} ago" if ages else "no mark has come"
        return BLIND, f"No fresh mark of {few([one.symbol for one in blind])}: {since}."
    are = f"were fresh {span(ago_s)} ago" if ago_s else "are fresh"
    if not seen.health.ok:
        watching = MARKS not in seen.health.reasons
        words = f"Marks {are}, but not all of the service does its work." if watching else (
            f"Not sure of {few([one.symbol for one in unsure])}." if unsure else "Marks are not fresh."
        )  # fmt: skip
        return "Not well", words
    if not symbols:
        return WATCHING, "No position needs a price: there is nothing to watch at the moment."
    count = f"the one symbol is {symbols[0].symbol}" if len(symbols) == 1 else f"{len(symbols)} symbols"
    oldest = max((one.age_s or 0.0 for one in symbols), default=0.0)
    return WATCHING, f"All marks {are}: {count}, the oldest mark {'was' if ago_s else 'is'} {span(oldest)} old."


def worst_of(seen: Seen) -> tuple[str, str] | None:
    """Return the worst level with how many wallets are at it, such as ``critical`` and ``2 critical``.

    None where all is calm.
    """
    worst = next((one.level for one in seen.worst if rank(one.level) > Level.OK), None)
    if worst is None:
        return None
    return worst, f"{sum(one.level == worst for one in seen.worst)} {worst}"


def reasons(seen: Seen) -> list[str]:
    """Return what is wrong beside what ``state_of`` says, with where: a line each."""
    blind = state_of(seen)[0] == BLIND
    return [*_wrong(seen, blind=blind), *_not_reached(seen), *_refused(seen)]


def _wrong(seen: Seen, *, blind: bool) -> list[str]:
    return [
        f"{one.reason}: {few(one.names)}" if one.names else one.reason
        for one in seen.health.troubles
        if not (blind and one.reason == MARKS)  # the sentence says so
    ]


def _not_reached(seen: Seen) -> list[str]:
    """Return which channels take no messages, and which accounts cannot be followed."""
    deaf = [one["channel"] for one in seen.status.channels if one["failing"] or one["broken"]]
    lost = [one.account for one in seen.followed if one.trouble]
    return [
        *([f"not reached: {few(deaf)}"] if deaf else []),
        *([f"not followed: {few(lost)}; positions there may have changed"] if lost else []),
    ]


def _refused(seen: Seen) -> list[str]:
    """Return that another configuration holds than the one that was written last, if so."""
    config = seen.status.config
    if config is None or not config.problems or config.last_refusal_ms is None:
        return []
    when = seen.time(config.last_refusal_ms)
    return [f"the configuration was refused at {when}, and the one before it holds: {config.problems[0]}"]


def unsure(seen: Seen, wallet: WalletView) -> str:
    """Return that a wallet is judged on old marks, if it is: its figures are those of then; else nothing."""
    mine = {one.symbol for one in seen.legs.get((wallet.account, wallet.wallet), ())}
    old = [one for one in seen.status.engine.symbols if one.symbol in mine and one.data == DataState.BLIND.value]
    if not old:
        return ""
    ages = [one.age_s for one in old if one.age_s is not None]
    how = f"judged on marks that are up to {span(max(ages))} old" if ages else "there is no mark to judge it by"
    return f"{BLIND}: {how}"


def channel_state(one: Mapping[str, Any], time: Callable[[int], str]) -> str:
    """Return whether a channel delivers, and since when it does not; ``time`` writes a moment."""
    if not is_deaf(one):
        return "fine"
    since = f" since {time(one['since_ms'])}" if one["since_ms"] else ""
    return f"{'BROKEN' if one['broken'] else 'failing'}{since}"


def is_deaf(channel: Mapping[str, Any]) -> bool:
    """Return whether the last attempts on a channel say that it does not deliver."""
    return bool(channel["failing"] or channel["broken"])


def feed_line(feed: object) -> str:
    """Return how a feed does; nothing where no position needs it."""
    one: Any = msgspec.to_builtins(feed)
    if not isinstance(one, dict) or not one.get("symbols"):
        return ""
    return (
        f"Feed {one.get('name', '')}: {one.get('state', 'unknown')}, {one.get('host') or 'no host'}; "
        f"{one.get('frames', 0)} frames, {one.get('reconnects', 0)} reconnects."
    )


def few(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def name_of(seen: Seen, wallet: WalletView) -> str:
    """Return a wallet's name for people: its account, and its position, or where it backs several the nearest."""
    return f"{wallet.account} {position_of(seen, wallet)}"


def position_of(seen: Seen, wallet: WalletView) -> str:
    """Return what a wallet backs, such as ``BTCUSDT LONG`` or, the nearest of three, ``BTCUSDT LONG +2``."""
    mine = seen.legs.get((wallet.account, wallet.wallet), ())
    near = nearest(mine)
    if near is None:
        return wallet_name(wallet.wallet)
    more = f" +{len(mine) - 1}" if len(mine) > 1 else ""
    return f"{near.symbol} {near.side}{more}"


def alerts_title(count: int) -> str:
    """Return how many alerts are open."""
    return f"Open alerts: {count}" if count else "No alert is open"


def stranded_lines(found: Status) -> list[str]:
    """Return what waits for channels that are not configured, a line each."""
    return [
        f"{'1 message waits' if count == 1 else f'{count} messages wait'} for the channel {name}, which is not "
        "configured."
        for name, count in found.stranded.items()
    ]


def process_of(found: Status) -> str:
    """Return which process answers, and for how long it has been there."""
    up = span((found.now_ms - found.started_ms) / 1000)
    return f"position-monitor {found.version}, process {found.pid}, up {up}"
