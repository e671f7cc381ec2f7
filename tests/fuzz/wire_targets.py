"""Where the exchange's bytes come in: stream frames, REST replies, refusals and headers."""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any, Final

import msgspec

from monitor.binance import account_rows, market_rows
from monitor.binance import rest_wire as rest
from monitor.binance.around_account import places
from monitor.binance.around_orders import OpenOrders, waiting_orders
from monitor.binance.backoff import LONGEST_PENALTY_S, penalty_s
from monitor.binance.belief import EARLIEST_MS, FUTURE_TOLERANCE_MS, HIGHEST_PRICE, UNREADABLE
from monitor.binance.candles import candles_of
from monitor.binance.endpoints import Environment
from monitor.binance.klines import closes_of
from monitor.binance.lots import lots_of
from monitor.binance.rest_errors import classify, todo
from monitor.binance.streams import MarkFeed
from monitor.binance.user_wire import AccountUpdate, ForcedUpdate, Malformed, UserDecoder
from monitor.binance.weights import told_weight
from monitor.binance.wire import (
    ContractChanged,
    MarkDecoder,
    NextFunding,
    decode_premium_index,
    decode_server_time,
)
from monitor.core.away import Candles
from monitor.core.minutes import MINUTE_MS
from monitor.core.model import (
    AccountSnapshot,
    MarginMode,
    Market,
    MarkTick,
    Now,
    Position,
    Side,
    Source,
    rate_symbols,
)
from monitor.errors import RateLimitedError, RestError, WireError
from monitor.inbox import EngineInbox
from tests.conftest import ManualClock
from tests.fuzz import samples
from tests.fuzz.bounds import example, faults, infinite, kept
from tests.fuzz.samples import KEY, NOW_MS, packed
from tests.fuzz.target import Target, promise

NOW: Final = Now(NOW_MS, 1000.0)
WATCHED: Final = frozenset({"BTCUSDT", "ETHUSDT", "0GUSDT", *rate_symbols("BTC")})
_LATEST_MS = NOW_MS + FUTURE_TOLERANCE_MS
_MOST_KEPT = 300  # entries in all their containers: reasons, names and places are few
_LONGEST_NAME = 64
_LEGS = tuple(Position("BTCUSDT", side, 1.0, 60_000.0, MarginMode.CROSS, "USDT") for side in Side)
_HOLDERS = (AccountSnapshot("main", {}, _LEGS[:1]), AccountSnapshot("main", {}, _LEGS, hedge_mode=True))


def believed(tick: MarkTick, symbols: frozenset[str] | None) -> None:
    """Check one mark that was accepted."""
    promise(isinstance(tick.mark, float) and 0.0 < tick.mark <= HIGHEST_PRICE, tick)
    promise(EARLIEST_MS <= tick.event_ms <= _LATEST_MS, tick)
    promise(tick.seen_s == NOW.mono_s, tick)
    promise(symbols is None or tick.symbol in symbols, tick)


def mark_decoder(market: Market = Market.USDM) -> Target:
    """The decoder of mark price frames; what is picked of an array must also be found by decoding all of it."""
    fast = MarkDecoder(WATCHED, market)
    # More symbols than picking is for: the same frame is decoded whole.
    whole = MarkDecoder(WATCHED | {f"NOBODY{number}" for number in range(60)}, market)

    def check(raw: bytes) -> bool:
        frame = fast.decode(raw, NOW)
        fast.decode(raw.decode(errors="surrogateescape"), NOW)  # a text frame, with what no UTF-8 can say
        if isinstance(frame, ContractChanged):
            return True
        if not isinstance(frame, list):
            return False
        for tick in frame:
            believed(tick, WATCHED)
        if len(frame) > 1 and _is_array_of_rows(raw):
            full = whole.decode(raw, NOW)
            promise(isinstance(full, list) and all(tick in full for tick in frame), "picked but not decoded")
        return bool(frame)

    def sizes() -> dict[str, tuple[int, int]]:
        return {"the decoder": (kept(fast), _MOST_KEPT)}

    return Target(
        f"marks-{market.value}", samples.mark_frames(), check, 190 if market is Market.USDM else 60, sizes
    )


def _is_array_of_rows(raw: bytes) -> bool:
    try:
        value = msgspec.json.decode(raw)
    except UNREADABLE:
        return False
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def mark_feed() -> Target:
    """The feed from the received frame to the inbox: what it keeps between frames stays small."""
    inbox, clock = EngineInbox(), ManualClock(NOW_MS, NOW.mono_s)
    told: list[str] = []
    feed = MarkFeed(
        "usdm", WATCHED, ("ws://127.0.0.1:1/market",), inbox=inbox, clock=clock, rng=Random(1),  # noqa: S311 - pauses of a test
        on_contract=lambda symbol, _: told.append(symbol),
    )  # fmt: skip
    lane = feed._holder

    def check(raw: bytes) -> bool:
        told.clear()
        feed._take(lane, raw)
        clock._wall_ms += 1
        feed._newest.forget(WATCHED)  # else the first mark from a minute ahead would be the last that passes
        events = inbox.drain()
        promise(len(inbox._events) == 0, "the inbox was emptied")
        return bool(events or told)

    def sizes() -> dict[str, tuple[int, int]]:
        return {"the feed": (kept(feed), _MOST_KEPT)}

    return Target("feed", samples.mark_frames(), check, 60, sizes)


def user_decoder() -> Target:
    """The decoder of private frames. What carries a listen key must not get out."""
    decoder = UserDecoder()

    def check(raw: bytes) -> bool:
        event = decoder.decode(raw, NOW_MS)
        for place in infinite(event):
            promise(False, place)
        if isinstance(event, Malformed):
            promise(KEY not in repr(event), "a listen key")
            return False
        event_ms, at_ms = getattr(event, "event_ms", NOW_MS), getattr(event, "at_ms", NOW_MS)
        promise(EARLIEST_MS <= event_ms <= _LATEST_MS and EARLIEST_MS <= at_ms <= _LATEST_MS, event)
        if isinstance(event, AccountUpdate):
            promise(len(event.cause) <= _LONGEST_NAME, "a long cause")
            for leg in event.legs:
                promise(0 < len(leg.symbol) <= _LONGEST_NAME and abs(leg.amount) <= HIGHEST_PRICE, leg)
                promise(leg.entry > 0.0 or leg.amount == 0.0, leg)
            for row in event.balances:
                promise(abs(row.wallet) <= HIGHEST_PRICE and abs(row.cross) <= HIGHEST_PRICE, row)
        if isinstance(event, ForcedUpdate):
            promise(0.0 < event.quantity <= HIGHEST_PRICE and 0.0 <= event.price <= HIGHEST_PRICE, event)
            promise(len(event.order) <= 2 * _LONGEST_NAME, "a long name")
        return True

    def sizes() -> dict[str, tuple[int, int]]:
        return {"the decoder": (kept(decoder), _MOST_KEPT)}

    return Target("user-stream", samples.user_frames(), check, 150, sizes)


def premium_index() -> Target:
    """Marks of REST."""

    def check(raw: bytes) -> bool:
        refused: list[WireError] = []
        funding: dict[str, NextFunding] = {}
        try:
            ticks = decode_premium_index(
                raw, NOW.mono_s, wall_ms=NOW_MS, on_reject=refused.append, funding=funding
            )
        except WireError:
            return False
        for symbol, due in funding.items():
            promise(symbol in {tick.symbol for tick in ticks}, "funding of what has no mark")
            promise(abs(due.rate) < 1.0 and due.next_ms > 0, due)
        for tick in ticks:
            believed(tick, None)
            promise(tick.source is Source.REST, tick)
        return bool(ticks)

    valid = samples.replies()["premium_index"]
    return Target("premium-index", [*valid, *samples.payloads("rest", "mark_price")], check, 40)


def server_time() -> Target:
    """The exchange's clock."""

    def check(raw: bytes) -> bool:
        try:
            return decode_server_time(raw) > 0
        except WireError:
            return False

    return Target("server-time", samples.replies()["server_time"], check, 10)


# By the name of the decoder: the type of a reply, or of a row of it, and the reference payloads.
_ENDPOINTS: Final[dict[str, tuple[type, tuple[str, ...]]]] = {
    "server_time": (market_rows.ServerTime, ("check_server_time",)),
    "exchange_info": (market_rows.ExchangeInfo, ("exchange_information",)),
    "trading_schedule": (market_rows.TradingSchedule, ("trading_schedule",)),
    "account_config": (account_rows.AccountConfig, ("futures_account_configuration",)),
    "symbol_config": (account_rows.SymbolConfig, ("symbol_configuration",)),
    "account": (account_rows.Account, ("account_information_v3",)),
    "coin_account": (account_rows.CoinAccount, ("account_information",)),
    "position_risk": (account_rows.PositionRisk, ("position_information_v3",)),
    "position_risk_v2": (account_rows.PositionRiskV2, ("position_information_v2",)),
    "coin_position_risk": (account_rows.CoinPositionRisk, ("position_information",)),
    "balance": (account_rows.Balance, ("futures_account_balance_v3", "futures_account_balance")),
    "leverage_brackets": (
        account_rows.LeverageBracket, ("notional_and_leverage_brackets", "notional_bracket_for_symbol"),
    ),
    "multi_assets": (account_rows.MultiAssets, ("get_current_multi_assets_mode",)),
    "position_mode": (account_rows.PositionMode, ("get_current_position_mode",)),
    "asset_index": (market_rows.AssetIndex, ("asset_index",)),
    "open_orders": (account_rows.OpenOrder, ("current_all_open_orders",)),
    "open_algo_orders": (account_rows.AlgoOrder, ("current_all_algo_open_orders",)),
    "force_orders": (account_rows.ForceOrder, ("users_force_orders",)),
    "income": (account_rows.Income, ("get_income_history",)),
    "adl_quantile": (account_rows.AdlQuantile, ("position_adl_quantile_estimation",)),
    "funding_info": (market_rows.FundingInfo, ("get_funding_rate_info",)),
    "klines": (market_rows.Kline, ("mark_price_kline_candlestick_data",)),
    "listen_key": (account_rows.ListenKey, ("start_user_data_stream",)),
    "insurance_fund": (market_rows.InsuranceFund, ("query_insurance_fund_balance_snapshot",)),
    "adl_risk": (market_rows.AdlRisk, ("adl_risk",)),
    "margin_changes": (account_rows.MarginChange, ("get_position_margin_change_history",)),
    "key_permissions": (account_rows.KeyPermissions, ()),
    "portfolio_account": (account_rows.PortfolioAccount, ()),
}  # fmt: skip
_IN_PARTS = frozenset({
    "exchange_info", "symbol_config", "leverage_brackets", "asset_index", "open_orders", "open_algo_orders",
    "adl_quantile", "funding_info",
})  # fmt: skip


def rest_endpoint(name: str) -> Target:
    """The decoder of one endpoint; where it may take a list without some rows, what is left is as good."""
    kind, files = _ENDPOINTS[name]
    decode: Callable[..., Any] = getattr(rest, name)
    declared = example(kind)
    valid = [packed(declared), *samples.replies().get(name, []), *samples.payloads("rest", *files)]
    with suppress(WireError):  # where one is not an array
        decode(packed([declared] * 3), name)
        valid.append(packed([declared] * 3))

    def check(raw: bytes) -> bool:
        accepted = False
        for values in _decoded(decode, raw, in_parts=name in _IN_PARTS):
            accepted = True
            for value in values if isinstance(values, tuple) else (values,):
                found = faults(value, kind)
                promise(not found, found)
                _derived(value)
        return accepted

    return Target(f"rest-{name}", valid, check, 9)


def _decoded(decode: Callable[..., Any], raw: bytes, *, in_parts: bool) -> Iterator[Any]:
    try:
        yield decode(raw, "here")
    except WireError as error:
        promise(len(str(error)) < 300 and "\x1b" not in str(error), error)
    if in_parts:
        left_out: list[rest.LeftOut] = []
        try:
            yield decode(raw, "here", left_out.append)
        except WireError:
            promise(not left_out, "refused as a whole, and rows of it left out")
        for one in left_out:
            promise(len(one.symbol) <= _LONGEST_NAME, one)


def _derived(value: object) -> None:
    """Ask what is computed of a row: none of it may raise either."""
    match value:
        case account_rows.LeverageBracket():
            for tier in value.brackets:
                promise(math.isfinite(tier.floor) and math.isfinite(tier.cap), tier)
        case market_rows.ExchangeInfo():
            promise(value.weight_per_minute is None or value.weight_per_minute > 0, value)
            for market in Market:
                lots = lots_of(value, market)
                promise(
                    all(0.0 < one.step < math.inf and 0.0 <= one.least < math.inf for one in lots.values()), lots
                )
        case account_rows.ListenKey():
            promise(value.listen_key not in repr(value) or value.listen_key in "ListenKey(***)", "a listen key")
        case market_rows.Kline():
            _candle(value)
        case (
            account_rows.OpenOrder()
            | account_rows.AlgoOrder()
            | account_rows.AdlQuantile()
            | account_rows.Account()
            | account_rows.CoinAccount()
        ):
            _around(value)
        case account_rows.SymbolConfig() | market_rows.ContractRow():
            str(getattr(value, "margin_mode", "") or getattr(value, "kind", "") or getattr(value, "state", ""))


def _around(value: object) -> None:
    """Make of a row what is known around positions."""
    match value:
        case account_rows.OpenOrder() | account_rows.AlgoOrder():
            found = OpenOrders((value,)) if isinstance(value, account_rows.OpenOrder) else OpenOrders((), (value,))
            for account in _HOLDERS:
                for place in infinite(waiting_orders(found, account)):
                    promise(False, place)
        case account_rows.AdlQuantile():
            for account in _HOLDERS:
                seen = places([value], account)
                promise(all(0 <= one <= 4 for sides in seen.values() for one in sides.values()), seen)
        case account_rows.Account() | account_rows.CoinAccount():
            amounts = [row.available for row in value.assets]
            promise(all(one is None or math.isfinite(one) for one in amounts), amounts)


def _candle(row: market_rows.Kline) -> None:
    """Make of one what is made of many: closes for typical moves, and a candle of a time nobody watched."""
    for make in (closes_of, candles_of):
        try:
            made = make([row, row], NOW_MS)
        except WireError:
            continue
        for place in infinite(made):
            promise(False, place)
        if isinstance(made, dict):
            Candles(range(NOW_MS // MINUTE_MS, NOW_MS // MINUTE_MS + 60)).put(made)


_REFUSALS = (
    b'400\n\n\n{"code":-1121,"msg":"Invalid symbol."}', b'429\n12\n2399\n{"code":-1003,"msg":"Too many requests"}',
    b'418\nMon, 29 Jun 2026 20:00:00 GMT\n9999\n{"code":-1003,"msg":"Way too many; banned until 1780000100000."}',
    b"503\n5\n\n<html><body>nginx</body></html>", b'401\n\n1\n{"code":-2015,"msg":"Invalid API-key, IP"}',
    b'400\n\n\n{"code":"-1021","msg":"Timestamp for this request is outside of the recvWindow."}',
    b'200\n\n40\n{"a":1}', b"302\n0\n\n", b'400\n\n\n{"code":-21001,"msg":"user is not a unified account user"}',
    b"429\nSun, 06 Nov 1994 08:49:37 GMT\n\n", b"418\n259200\n\n{}",
)  # fmt: skip
_LONGEST_HEADER = 8_190  # what the HTTP client takes


def refusal() -> Target:
    """What a refused request means. Of an input: status, Retry-After, used weight, each a line, and the body."""

    def check(raw: bytes) -> bool:
        status, retry_after, used, body = _parts(raw)
        error = classify("/here", status, body, retry_after=retry_after, now=NOW, environment=Environment.TESTNET)
        asked_s = penalty_s(status, retry_after, NOW_MS)
        promise(0.0 <= asked_s <= LONGEST_PENALTY_S, asked_s)
        weight = told_weight(used)
        promise(weight is None or 0 <= weight < 10**9, weight)
        if error is None:
            return True
        promise(isinstance(error, RestError) and len(f"{error} {todo(error, 10.0)}") < 1_000, error)
        if isinstance(error, RateLimitedError):
            promise(0.0 < error.until_s - NOW.mono_s <= LONGEST_PENALTY_S, error.until_s)
        return False

    return Target("rest-refusals", _REFUSALS, check, 80)


def _parts(raw: bytes) -> tuple[int, str, str, bytes]:
    lines = [*raw.split(b"\n", 3), b"", b"", b""]
    digits = lines[0][:3]
    status = int(digits) if digits.isdigit() and int(digits) >= 100 else 400
    retry_after, used = (line[:_LONGEST_HEADER].decode("utf-8", "surrogateescape") for line in lines[1:3])
    return status, retry_after, used, lines[3]


def wire_targets() -> Iterator[Target]:
    """Yield all of them."""
    yield mark_decoder(Market.USDM)
    yield mark_decoder(Market.COINM)
    yield mark_feed()
    yield user_decoder()
    yield premium_index()
    yield server_time()
    for name in _ENDPOINTS:
        yield rest_endpoint(name)
    yield refusal()
