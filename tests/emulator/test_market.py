"""Marks and their rows."""

import json
from decimal import Decimal
from pathlib import Path

from monitor.emulator.market import Instrument, Market
from monitor.emulator.prices import PricePath
from tests.emulator.conftest import small_scenario

T0 = 1_780_000_000_000


def market() -> Market:
    return Market(small_scenario().instruments)


def test_the_first_tick_starts_the_paths() -> None:
    """Before it every mark stands at its beginning; after it time is counted from there."""
    one = market()
    assert (one.elapsed_s, one.marks["BTCUSDT"]) == (0.0, Decimal(60_000))
    one.tick(T0)
    one.tick(T0 + 2_500)
    assert (one.elapsed_s, one.marks["BTCUSDT"], one.event_ms) == (2.5, Decimal(60_250), T0 + 2_500)


def test_past_prices_can_be_asked_for() -> None:
    """A price is a function of wall time, before the first tick and after."""
    one = market()
    assert one.price_at("BTCUSDT", 0) == 60_000
    one.tick(T0)
    assert one.price_at("BTCUSDT", T0 + 5_000) == 60_500
    assert one.price_at("BTCUSDT", T0 - 5_000) == 60_000


def test_a_scripted_past_ends_with_the_first_tick() -> None:
    """And what lies between two looks at it is told too: a dip within a minute has its turn."""
    one = market()
    one.tick(T0)
    one.script_past(
        "BTCUSDT", PricePath(((0.0, Decimal(60_000)), (30.0, Decimal(50_000)), (60.0, Decimal(60_000))))
    )
    assert one.price_at("BTCUSDT", T0 - 45_000) == 55_000
    assert one.price_at("BTCUSDT", T0 - 90_000) == 60_000
    assert one.price_at("BTCUSDT", T0 + 5_000) == 60_500
    assert min(one.prices_within("BTCUSDT", T0 - 60_000, T0 - 1)) == 50_000
    assert min(one.prices_within("BTCUSDT", T0 - 20_000, T0 - 1)) > 50_000


def test_marks_that_were_set_are_remembered() -> None:
    """A mark that was somewhere for a while was there."""
    one = market()
    one.tick(T0)
    one.tick(T0 + 10_000)
    one.set_price("BTCUSDT", 40_000)
    one.tick(T0 + 20_000)
    one.set_price("BTCUSDT", 60_000)
    one.tick(T0 + 30_000)
    assert [one.price_at("BTCUSDT", T0 + at_ms) for at_ms in (5_000, 15_000, 25_000)] == [60_500, 40_000, 60_000]
    assert min(one.prices_within("BTCUSDT", T0, T0 + 30_000)) == 40_000


def test_a_loop_repeats_the_paths() -> None:
    """With a loop marks begin anew while the elapsed time goes on."""
    one = Market(small_scenario().instruments, loop_s=10.0)
    one.tick(T0)
    one.tick(T0 + 12_500)
    assert (one.marks["BTCUSDT"], one.elapsed_s) == (Decimal(60_250), 12.5)


def test_a_stream_row_is_spelled_like_the_exchange_s(shared: Path) -> None:
    """The fields of the documented event, each of the same type, prices with eight decimals."""
    one = market()
    one.tick(T0)
    row = one.stream_row(one.instruments["BTCUSDT"])
    example = json.loads((shared / "payloads/usdm/streams/mark_price_stream.json").read_text())
    assert {key: type(value) for key, value in row.items()} == {key: type(value) for key, value in example.items()}
    assert (row["s"], row["p"], row["ap"], row["E"]) == ("BTCUSDT", "60000.00000000", "60000.00000000", T0)
    assert (row["i"], row["P"], row["r"], row["st"]) == ("59970.00000000", "59985.00000000", "0.00010000", 1)
    assert 0 < row["T"] - T0 <= 8 * 3_600_000
    assert row["T"] % (8 * 3_600_000) == 0


def test_a_coin_margined_row_says_so(shared: Path) -> None:
    """Its fields are those of the other market: no average price, and a 2 for the market."""
    one = market()
    row = one.stream_row(one.instruments["BTCUSD_PERP"])
    example = json.loads((shared / "payloads/coinm/streams/mark_price_stream.json").read_text())
    assert set(row) == set(example)
    assert row["st"] == 2


def test_traditional_assets_travel_apart() -> None:
    """The all-market event is two messages, the second about traditional assets."""
    apart = [[one.symbol for one in part] for part in market().array_parts()]
    assert apart == [["BTCUSDT", "ETHUSDT", "BTCUSD_PERP"], ["XAUUSDT"]]


def test_a_premium_row_is_spelled_like_the_exchange_s(shared: Path) -> None:
    """The fields of the documented reply, each of the same type, even before the first tick."""
    one = market()
    row = one.premium_row(one.instruments["ETHUSDT"], T0)
    example = json.loads((shared / "payloads/usdm/rest/mark_price.json").read_text())
    assert {key: type(value) for key, value in row.items()} == {key: type(value) for key, value in example.items()}
    assert (row["markPrice"], row["time"]) == ("2500.50000000", T0)


def test_delivery_contracts_have_no_funding(shared: Path) -> None:
    """A name with a date has a pair, a day of delivery, and neither rate nor time of funding."""
    quarter = Instrument("BTCUSD_261225", "BTC", PricePath(((0.0, Decimal(60_000)),)), quote="USD", kind="coinm")
    one = Market([quarter])
    row = one.stream_row(quarter)
    example = json.loads((shared / "payloads/coinm/streams/mark_price_stream.json").read_text())
    assert (row["r"], row["T"]) == (example["r"], example["T"]) == ("", 0)
    assert one.premium_row(quarter, T0)["lastFundingRate"] == ""
    assert (quarter.pair, quarter.delivery_ms) == ("BTCUSD", 1_798_185_600_000)  # 2026-12-25 08:00 UTC
    assert one.funding_row(quarter) is None


def test_unusual_funding_is_listed(shared: Path) -> None:
    """A contract funded every four hours says so in its times and among the terms."""
    four = Instrument("ETHUSDT", "ETH", PricePath(((0.0, Decimal(3_000)),)), funding_hours=4)
    one = Market([four])
    row = one.funding_row(four)
    (example,) = json.loads((shared / "payloads/usdm/rest/get_funding_rate_info.json").read_text())
    assert row is not None
    assert {key: type(value) for key, value in row.items()} == {key: type(value) for key, value in example.items()}
    assert one.stream_row(four)["T"] % (4 * 3_600_000) == 0


def test_rest_knows_one_market_and_tables_are_optional() -> None:
    """Coin-margined contracts are left out; symbols without tiers have no table."""
    one = market()
    assert [instrument.symbol for instrument in one.usdm()] == ["BTCUSDT", "ETHUSDT", "XAUUSDT"]
    assert set(one.tables) == {"BTCUSDT"}
