"""Where what we know comes from: marks, feeds, followed accounts, and how far our figures are from theirs."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from monitor.core.account_view import AccountView
from monitor.core.model import Compared
from monitor.core.notices import DataState
from monitor.core.view import SymbolView
from monitor.web.families.family import Family, Row, Seen, Table, counter, gauge

_STATES: Final = {state.value: float(number) for number, state in enumerate(DataState)}
_IDLE: Final = "idle"


def _symbols(read: Callable[[SymbolView], float | None]) -> Callable[[Seen], Iterable[Row]]:
    def rows(found: Seen) -> Iterator[Row]:
        for one in found.status.engine.symbols:
            yield (one.symbol,), read(one)

    return rows


def _feeds(read: Callable[[Table], float | None]) -> Callable[[Seen], Iterable[Row]]:
    def rows(found: Seen) -> Iterator[Row]:
        for one in found.feeds:
            yield (str(one.get("name", "")),), read(one)

    return rows


def _accounts(read: Callable[[Table], float | None]) -> Callable[[Seen], Iterable[Row]]:
    def rows(found: Seen) -> Iterator[Row]:
        for one in found.accounts:
            yield (str(one.get("account", "")),), read(one)

    return rows


def _streams(field: str) -> Callable[[Seen], Iterable[Row]]:
    return _accounts(lambda one: one.get("stream", {}).get(field))


def _is(table: Table, state: str) -> float | None:
    """Return 1 in that state and 0 in another; None where nothing is wanted of it."""
    found = table.get("state", _IDLE)
    return None if found == _IDLE else float(found == state)


def _audited(read: Callable[[AccountView], Iterable[Row]]) -> Callable[[Seen], Iterable[Row]]:
    """Return a reader of accounts whose figures were compared with the exchange's at least once."""

    def rows(found: Seen) -> Iterator[Row]:
        for one in found.status.engine.accounts:
            if one.audited_ms:
                yield from read(one)

    return rows


def excess(row: Compared) -> float:
    """Return by how many tolerances two figures differ: above 1 they do not agree, infinite where one is none."""
    if row.ours is None and row.theirs is None:
        return 0.0
    if row.ours is None or row.theirs is None:
        return math.inf
    difference = abs(row.ours - row.theirs)
    return difference / row.tolerance if row.tolerance > 0 else math.inf if difference else 0.0


def _worst(account: AccountView) -> Mapping[str, Compared]:
    """Return by figure the row that is farthest from the exchange's, measured in tolerances."""
    worst: dict[str, Compared] = {}
    for row in account.compared:
        name = row.figure.value.replace(" ", "_")
        if name not in worst or excess(row) > excess(worst[name]):
            worst[name] = row
    return worst


def _excesses(account: AccountView) -> Iterator[Row]:
    for figure, row in _worst(account).items():
        yield (account.account, figure), excess(row)


def _differences(account: AccountView) -> Iterator[Row]:
    for figure, row in _worst(account).items():
        known = row.ours is not None and row.theirs is not None
        yield (account.account, figure), abs((row.ours or 0.0) - (row.theirs or 0.0)) if known else None


def _drifting(account: AccountView) -> Iterator[Row]:
    yield (account.account,), float(not all(row.agrees for row in account.compared))


def dropped(found: Seen) -> Iterator[Row]:
    """Yield what was not taken, by where, whose, and why."""
    for feed in found.feeds:
        name = str(feed.get("name", ""))
        yield ("feed", name, "old"), feed.get("dropped_old")
        yield ("feed", name, "duplicate"), feed.get("duplicates")
        for reason, count in feed.get("rejected", {}).items():
            yield ("feed", name, reason), count
    for account in found.accounts:
        for reason, count in account.get("rejected", {}).items():
            yield ("stream", str(account.get("account", "")), reason), count
    yield ("inbox", "", "coalesced"), found.status.coalesced
    for reason, count in found.status.history.dropped.items():
        yield ("history", "", reason), count


SOURCES: Final[tuple[Family, ...]] = (
    gauge(
        "mark_age_seconds",
        "Seconds since the newest mark price of a symbol, or rate of collateral, arrived; none before the first.",
        ("symbol",), _symbols(lambda one: one.age_s),
    ),
    gauge(
        "mark_price",
        "Newest mark price of a symbol in quote asset per unit of the base asset, or rate of collateral.",
        ("symbol",), _symbols(lambda one: one.mark),
    ),
    gauge(
        "mark_data_state",
        "What is known of a symbol's mark price: 0 fresh, 1 suspect, 2 blind.",
        ("symbol",), _symbols(lambda one: _STATES.get(one.data)),
    ),
    counter("ticks_total", "Mark prices that reached the engine.", (), lambda found: [((), found.status.ticks)]),
    counter(
        "evaluations_total", "Passes over all positions.", (),
        lambda found: [((), found.status.engine.evaluations)],
    ),
    gauge(
        "feed_up", "Whether a mark price feed delivers: 1 yes, 0 no; none while there is nothing to deliver.",
        ("feed",), _feeds(lambda one: _is(one, "live")),
    ),
    counter(
        "feed_frames_total", "Frames that a mark price feed received.", ("feed",),
        _feeds(lambda one: one.get("frames")),
    ),
    counter(
        "feed_connects_total", "Attempts of a mark price feed to connect.", ("feed",),
        _feeds(lambda one: one.get("connects")),
    ),
    counter(
        "feed_reconnects_total", "Returns of a mark price feed after a loss.", ("feed",),
        _feeds(lambda one: one.get("reconnects")),
    ),
    counter(
        "feed_rotations_total", "Changes of a mark price feed's connection without a loss.", ("feed",),
        _feeds(lambda one: one.get("rotations")),
    ),
    counter(
        "dropped_total",
        "What was not taken. Where: feed (name: the feed; marks, rows and frames), stream (name: the account; "
        "events), inbox (ticks that joined a newer one of their symbol, their extremes kept), history (rows).",
        ("where", "name", "reason"), dropped,
    ),
    gauge(
        "account_followed",
        "Whether an account is followed by its key: 1 yes, 0 not yet or not at the moment.", ("account",),
        _accounts(lambda one: _is(one, "following")),
    ),
    gauge(
        "reconcile_age_seconds",
        "Seconds since an account was last compared with the exchange as a whole; none before the first time.",
        ("account",), _accounts(lambda one: one.get("reconcile_age_s")),
    ),
    counter(
        "reconciles_total", "Times that an account was compared with the exchange as a whole.", ("account",),
        _accounts(lambda one: one.get("reconciles")),
    ),
    gauge(
        "rest_weight_used",
        "Request weight of the running minute as the exchange counts it for this address; none until it says so.",
        ("account",), _accounts(lambda one: one.get("used_weight")),
    ),
    gauge(
        "stream_up", "Whether the private stream of an account is open: 1 yes, 0 no; none while none is wanted.",
        ("account",), _accounts(lambda one: _is(one.get("stream", {}), "open")),
    ),
    gauge(
        "stream_missing_seconds", "Seconds for which no private stream has been open though one is wanted.",
        ("account",), _accounts(lambda one: one.get("stream_missing_s")),
    ),
    counter(
        "stream_connects_total", "Attempts of a private stream to connect.", ("account",), _streams("connects")
    ),
    counter(
        "stream_reconnects_total", "Returns of a private stream after a loss.", ("account",),
        _streams("reconnects"),
    ),
    counter(
        "stream_rotations_total", "Changes of a private stream's connection without a loss.", ("account",),
        _streams("rotations"),
    ),
    counter(
        "stream_silences_total",
        "Times that an open private stream was found not to have told what REST shows.", ("account",),
        _streams("found_silent"),
    ),
    gauge(
        "drifting",
        "Whether any of our figures did not agree with the exchange's when an account was last compared: 1 yes, "
        "0 no; none before the first time.",
        ("account",), _audited(_drifting),
    ),
    gauge(
        "drift_tolerance_ratio",
        "Largest difference between one of our figures and the exchange's when an account was last compared, as a "
        "ratio of its tolerance: above 1 they do not agree, +Inf where one side has none.",
        ("account", "figure"), _audited(_excesses),
    ),
    gauge(
        "drift_absolute",
        "That difference in the figure's own unit: margin asset for a margin, quote asset per unit of the base "
        "asset for a liquidation price.",
        ("account", "figure"), _audited(_differences),
    ),
)  # fmt: skip
