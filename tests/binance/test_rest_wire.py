"""Replies of REST: read whole, tolerant of what is new, and refused by the name of the field."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.binance import rest_wire as wire
from monitor.binance.account_rows import AlgoOrder, SymbolConfig
from monitor.binance.belief import BAD_AMOUNT, NOT_JSON, TRUNCATED, WRONG_SHAPE
from monitor.binance.wire import decode_premium_index
from monitor.core.model import MarginMode
from monitor.errors import WireError

Json = Any
Decoder = Callable[[bytes, str], Json]


def _premium(body: bytes, where: str) -> Json:
    return decode_premium_index(body, 1.0)


DECODERS: dict[str, Decoder] = {
    "usdm/exchange_information": wire.exchange_info,
    "usdm/mark_price": _premium,
    "usdm/symbol_configuration": wire.symbol_config,
    "usdm/mark_price_kline_candlestick_data": wire.klines,
    "usdm/check_server_time": wire.server_time,
    "usdm/futures_account_balance_v3": wire.balance,
    "usdm/start_user_data_stream": wire.listen_key,
    "usdm/get_income_history": wire.income,
    "usdm/position_information_v2": wire.position_risk_v2,
    "usdm/get_current_position_mode": wire.position_mode,
    "usdm/futures_account_configuration": wire.account_config,
    "usdm/get_current_multi_assets_mode": wire.multi_assets,
    "usdm/asset_index": wire.asset_index,
    "usdm/current_all_open_orders": wire.open_orders,
    "usdm/get_position_margin_change_history": wire.margin_changes,
    "usdm/position_adl_quantile_estimation": wire.adl_quantile,
    "usdm/get_funding_rate_info": wire.funding_info,
    "usdm/query_insurance_fund_balance_snapshot": wire.insurance_fund,
    "usdm/adl_risk": wire.adl_risk,
    "usdm/position_information_v3": wire.position_risk,
    "usdm/account_information_v3": wire.account,
    "usdm/users_force_orders": wire.force_orders,
    "usdm/notional_and_leverage_brackets": wire.leverage_brackets,
    "usdm/current_all_algo_open_orders": wire.open_algo_orders,
    "coinm/exchange_information": wire.exchange_info,
    "coinm/mark_price_kline_candlestick_data": wire.klines,
    "coinm/check_server_time": wire.server_time,
    "coinm/start_user_data_stream": wire.listen_key,
    "coinm/get_income_history": wire.income,
    "coinm/index_price_and_mark_price": _premium,
    "coinm/notional_bracket_for_symbol": wire.leverage_brackets,
    "coinm/get_current_position_mode": wire.position_mode,
    "coinm/futures_account_balance": wire.balance,
    "coinm/account_information": wire.coin_account,
    "coinm/current_all_open_orders": wire.open_orders,
    "coinm/position_adl_quantile_estimation": wire.adl_quantile,
    "coinm/get_funding_rate_info": wire.funding_info,
    "coinm/position_information": wire.coin_position_risk,
    "coinm/users_force_orders": wire.force_orders,
}


def _sample(shared: Path, name: str) -> bytes:
    market, file = name.split("/")
    return (shared / "payloads" / market / "rest" / f"{file}.json").read_bytes()


def _decorated(value: Json) -> Json:
    """Return the same with an unknown field in every object."""
    if isinstance(value, dict):
        return {name: _decorated(inner) for name, inner in value.items()} | {"somethingNew": {"deep": [1]}}
    if isinstance(value, list):
        return [_decorated(inner) for inner in value]
    return value


def _told(decode: Decoder, body: bytes) -> WireError | None:
    try:
        decode(body, "/some/endpoint")
    except WireError as error:
        return error
    return None


def _first(value: Json) -> dict[str, Json]:
    row = value[0] if isinstance(value, list) else value
    assert isinstance(row, dict)
    return row


def test_there_is_a_decoder_for_every_reply(shared: Path) -> None:
    """A sample nobody reads would prove nothing."""
    found = {f"{path.parts[-3]}/{path.stem}" for path in (shared / "payloads").glob("*/rest/*.json")}
    assert found == set(DECODERS)


@pytest.mark.parametrize("name", DECODERS)
def test_a_published_reply_is_read(shared: Path, name: str) -> None:
    """Every sample of the exchange becomes a value."""
    assert DECODERS[name](_sample(shared, name), name)


@pytest.mark.parametrize("name", DECODERS)
def test_an_unknown_field_changes_nothing(shared: Path, name: str) -> None:
    """What the exchange adds tomorrow is not for us."""
    body = _sample(shared, name)
    if name.endswith("adl_quantile_estimation"):
        pytest.skip("its names are data")
    assert DECODERS[name](json.dumps(_decorated(json.loads(body))).encode(), name) == DECODERS[name](body, name)


@pytest.mark.parametrize("name", [name for name in DECODERS if DECODERS[name] is not _premium])
def test_a_missing_field_is_named_with_its_endpoint(shared: Path, name: str) -> None:
    """Whatever a reply cannot do without is named when it is not there; what it can, is not missed."""
    if name.endswith("candlestick_data"):
        pytest.skip("its fields have no names")
    body, decode = json.loads(_sample(shared, name)), DECODERS[name]
    missed = []
    for field in list(_first(body)):
        changed = json.loads(json.dumps(body))
        del _first(changed)[field]
        told = _told(decode, json.dumps(changed).encode())
        if told is not None:
            assert (told.where, told.reason) == ("/some/endpoint", wire.MISSING_FIELD)
            assert told.detail == field
            missed.append(field)
    assert missed


ROW: dict[str, Json] = {
    "symbol": "BTCUSDT",
    "positionSide": "BOTH",
    "positionAmt": "-0.5",
    "entryPrice": "60000.0",
    "markPrice": "61000.00000000",
    "liquidationPrice": "0",
    "notional": "-30500",
    "marginAsset": "USDT",
    "isolatedWallet": "0",
    "maintMargin": "122.0",
    "unRealizedProfit": "-500",
}


@pytest.mark.parametrize(
    "text", ["NaN", "nan", "Infinity", "-Infinity", "1e400", "1e16", "", "1_0", " 1 ", "٣", "x"]
)
def test_a_number_that_cannot_be_is_refused_by_name(text: str) -> None:
    """Comparisons with NaN are silently false: it goes no further than here, and its text is not repeated."""
    body = json.dumps([ROW, ROW | {"maintMargin": text}]).encode()
    with pytest.raises(WireError) as caught:
        wire.position_risk(body, "/fapi/v3/positionRisk")
    assert str(caught.value) == f"/fapi/v3/positionRisk: {BAD_AMOUNT} (maintMargin)"


def test_numbers_come_as_text_or_as_numbers() -> None:
    """Both spellings are the same figure."""
    as_text = wire.position_risk(json.dumps([ROW]).encode(), "x")
    as_numbers = {
        name: float(value) if name in {"positionAmt", "markPrice"} else value for name, value in ROW.items()
    }
    assert wire.position_risk(json.dumps([as_numbers]).encode(), "x") == as_text
    assert as_text[0].position_amt == -0.5


@pytest.mark.parametrize(
    ("spelled", "mode"),
    [
        ("isolated", MarginMode.ISOLATED),
        ("ISOLATED", MarginMode.ISOLATED),
        ("cross", MarginMode.CROSS),
        ("CROSSED", MarginMode.CROSS),
    ],
)
def test_margin_types_have_one_meaning_each(spelled: str, mode: MarginMode) -> None:
    """The exchange spells them in three ways."""
    row = {"symbol": "BTCUSDT", "marginType": spelled, "leverage": 20, "isAutoAddMargin": "false"}
    (read,) = wire.symbol_config(json.dumps([row]).encode(), "x")
    assert read == SymbolConfig("BTCUSDT", read.margin_type, 20.0)
    assert read.margin_mode is mode


def test_an_unknown_margin_type_is_refused() -> None:
    """A guess would put the position into the wrong wallet."""
    row = {"symbol": "BTCUSDT", "marginType": "both", "leverage": 20}
    with pytest.raises(WireError, match=r"wrong_shape \(marginType\)"):
        wire.symbol_config(json.dumps([row]).encode(), "x")


def test_one_symbol_may_answer_as_an_object() -> None:
    """Docs and practice disagree on whether a request for one symbol answers an array."""
    row = {"symbol": "币安人生USDT", "brackets": [], "notionalCoef": 1.5}
    assert wire.leverage_brackets(json.dumps(row).encode(), "x") == wire.leverage_brackets(
        json.dumps([row]).encode(), "x"
    )
    assert wire.leverage_brackets(json.dumps(row).encode(), "x")[0].symbol == "币安人生USDT"


@pytest.mark.parametrize(
    "bounds",
    [
        {"notionalFloor": 5, "notionalCap": 50},
        {"qtylFloor": "5", "qtyCap": "50"},
        {"qtyFloor": 5.0, "qtyCap": 50},
    ],
)
def test_bounds_of_a_tier_are_read_under_each_name(bounds: dict[str, Json]) -> None:
    """One market counts money, the other base asset under a misspelled name."""
    row = {"symbol": "X", "brackets": [{"maintMarginRatio": 0.004, "cum": 0} | bounds]}
    tier = wire.leverage_brackets(json.dumps([row]).encode(), "x")[0].brackets[0]
    assert (tier.floor, tier.cap) == (5.0, 50.0)


@pytest.mark.parametrize("lost", ["qtyCap", "qtylFloor"])
def test_a_tier_without_a_bound_is_refused(lost: str) -> None:
    """There is no default for where a tier begins or ends."""
    tier = {"maintMarginRatio": 0.004, "cum": 0, "qtyCap": 1, "qtylFloor": 0}
    del tier[lost]
    with pytest.raises(WireError, match="missing_field"):
        wire.leverage_brackets(json.dumps([{"symbol": "X", "brackets": [tier]}]).encode(), "x")


TIER: dict[str, Json] = {"maintMarginRatio": 0.01, "cum": 0, "notionalFloor": 0, "notionalCap": 50}
INDEX: dict[str, Json] = {"symbol": "BTCUSD", "index": "1", "bidRate": "1", "askRate": "2"}
CONTRACT: dict[str, Json] = {
    "symbol": "BTCUSDT",
    "marginAsset": "USDT",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "contractType": "PERPETUAL",
}
LIMIT: dict[str, Json] = {
    "rateLimitType": "REQUEST_WEIGHT",
    "interval": "MINUTE",
    "intervalNum": 1,
    "limit": 2400,
}
SOME: list[tuple[wire.DecodeSome[Json], Json, Json, wire.LeftOut]] = [
    (
        wire.leverage_brackets,
        {"symbol": "BTCUSDT", "brackets": [TIER]},
        {"symbol": "XUSDT", "brackets": [TIER, TIER | {"maintMarginRatio": 1.0}]},
        wire.LeftOut("x", "XUSDT", BAD_AMOUNT, "brackets.maintMarginRatio"),
    ),
    (
        wire.asset_index,
        INDEX,
        INDEX | {"symbol": "XUSD", "bidRate": "0"},
        wire.LeftOut("x", "XUSD", BAD_AMOUNT, "bidRate"),
    ),
    (
        wire.symbol_config,
        {"symbol": "BTCUSDT", "marginType": "CROSSED", "leverage": 5},
        {"symbol": "币USDT", "marginType": "both", "leverage": 5},
        wire.LeftOut("x", "币USDT", WRONG_SHAPE, "marginType"),
    ),
    (
        wire.symbol_config,
        {"symbol": "BTCUSDT", "marginType": "CROSSED", "leverage": 5},
        {"symbol": "SECRET\n", "marginType": "CROSSED"},
        wire.LeftOut("x", "", wire.MISSING_FIELD, "leverage"),
    ),
    (
        wire.symbol_config,
        {"symbol": "BTCUSDT", "marginType": "CROSSED", "leverage": 5},
        7,
        wire.LeftOut("x", "", WRONG_SHAPE, ""),
    ),
]


@pytest.mark.parametrize(("decode", "good", "bad", "told"), SOME)
def test_one_odd_row_loses_only_itself(
    decode: wire.DecodeSome[Json], good: Json, bad: Json, told: wire.LeftOut
) -> None:
    """A list about all symbols is taken without the one, which is named; nobody listening, it is refused whole."""
    left: list[wire.LeftOut] = []
    body = json.dumps([bad, good]).encode()
    assert decode(body, "x", left.append) == decode(json.dumps([good]).encode(), "x")
    assert left == [told]
    with pytest.raises(WireError):
        decode(body, "x")
    with pytest.raises(WireError):
        decode(json.dumps([bad, bad]).encode(), "x", left.append)
    with pytest.raises(WireError):
        decode(body[:-3], "x", left.append)
    assert left == [told]


def test_one_odd_contract_loses_only_itself() -> None:
    """And so does a limit nobody can read."""
    left: list[wire.LeftOut] = []
    body = {"rateLimits": [LIMIT, LIMIT | {"limit": 0}], "symbols": [CONTRACT, CONTRACT | {"symbol": ""}]}
    info = wire.exchange_info(json.dumps(body).encode(), "x", left.append)
    assert ([one.symbol for one in info.symbols], info.weight_per_minute) == (["BTCUSDT"], 2400)
    assert [one.field for one in left] == ["symbol", "limit"]
    for broken in ({"symbols": [CONTRACT]}, body | {"symbols": [{}]}, [body]):
        with pytest.raises(WireError):
            wire.exchange_info(json.dumps(broken).encode(), "x", left.append)


def test_an_index_of_zero_beside_good_rates_is_nobodys_business() -> None:
    """What an asset counts are its rates."""
    (row,) = wire.asset_index(json.dumps([INDEX | {"index": 0}]).encode(), "x")
    assert (row.bid_rate, row.ask_rate) == (1.0, 2.0)


def test_a_conditional_order_names_its_type_one_way_or_the_other(shared: Path) -> None:
    """``type`` was seen where ``orderType`` is documented."""
    body = json.loads(_sample(shared, "usdm/current_all_algo_open_orders"))
    (documented,) = wire.open_algo_orders(json.dumps(body).encode(), "x")
    body[0]["type"] = body[0].pop("orderType")
    (seen,) = wire.open_algo_orders(json.dumps(body).encode(), "x")
    assert isinstance(seen, AlgoOrder)
    assert seen.kind == documented.kind == "TAKE_PROFIT"
    del body[0]["type"]
    with pytest.raises(WireError, match="orderType"):
        wire.open_algo_orders(json.dumps(body).encode(), "x")


def test_contract_types_of_tomorrow_pass(shared: Path) -> None:
    """A type nobody knows is still a contract."""
    body = json.loads(_sample(shared, "usdm/exchange_information"))
    body["symbols"][0] |= {"contractType": "TRADIFI_PERPETUAL", "symbol": "币安人生USDT"}
    info = wire.exchange_info(json.dumps(body).encode(), "x")
    assert (info.symbols[0].contract_type, info.symbols[0].symbol) == ("TRADIFI_PERPETUAL", "币安人生USDT")
    assert info.weight_per_minute == 2400


def test_both_markets_name_the_state_of_a_contract(shared: Path) -> None:
    """``status`` on one, ``contractStatus`` on the other; the contract size is of the second."""
    usdm = wire.exchange_info(_sample(shared, "usdm/exchange_information"), "x").symbols[0]
    coinm = wire.exchange_info(_sample(shared, "coinm/exchange_information"), "x").symbols[0]
    assert (usdm.state, usdm.contract_size) == ("TRADING", 1.0)
    assert (coinm.state, coinm.contract_size, coinm.margin_asset) == ("TRADING", 100.0, "BTC")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", NOT_JSON),
        (b"", NOT_JSON),
        (b"[{", TRUNCATED),
        (b"\xff", NOT_JSON),
        (b"3", WRONG_SHAPE),
    ],
)
def test_what_is_no_reply_is_refused(body: bytes, reason: str) -> None:
    """Whatever comes, the error is ours and typed."""
    with pytest.raises(WireError) as caught:
        wire.balance(body, "/fapi/v3/balance")
    assert (caught.value.where, caught.value.reason) == ("/fapi/v3/balance", reason)


def test_a_listen_key_shows_nowhere() -> None:
    """Whoever has it reads the account's stream."""
    key = wire.listen_key(b'{"listenKey":"abcdef"}', "x")
    assert key.listen_key == "abcdef"
    assert "abcdef" not in f"{key} {key!r}"
    for body in (b'{"listenKey":"' + b"x" * 999 + b'"}', b'{"listenKey":["secret"]}'):
        with pytest.raises(WireError) as caught:
            wire.listen_key(body, "listenKey")
        assert "secret" not in str(caught.value)
        assert "xxx" not in str(caught.value)


def test_rows_are_frozen(shared: Path) -> None:
    """Values are handed around; nobody changes them on the way."""
    (row,) = wire.balance(_sample(shared, "usdm/futures_account_balance_v3"), "x")
    assert isinstance(row, msgspec.Struct)
    assert row.__struct_config__.frozen
