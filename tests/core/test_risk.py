"""Worked examples, published or by hand, and the rules at the edges."""

import math
from dataclasses import fields

import numpy as np
import pytest

from monitor.core import risk
from monitor.core.compile import compile_book
from monitor.core.model import (
    AccountSnapshot,
    Bracket,
    BracketTable,
    MarginMode,
    Position,
    Side,
)
from monitor.core.risk import Readings, adverse_prices, both_roots, evaluate
from tests.core.checker import marks_of, run
from tests.core.strategies import build_table, coin, usdt

CROSS, ISOLATED = MarginMode.CROSS, MarginMode.ISOLATED
LONG, SHORT = Side.LONG, Side.SHORT

# The upper rows carry the rates and amounts of the published example; a first row makes them a table.
ETH_TABLE = build_table("ETHUSDT", [(0.0, "0.05"), (2_707_300.0, "0.1")])
BTC_TABLE = build_table("BTCUSDT", [(0.0, "0.0125"), (1_304_000.0, "0.025")])
EXAMPLE_BALANCE = 1_535_443.01

ZERO_G_TABLE = build_table(
    "0GUSDT",
    [
        (0.0, "0.015"), (5000.0, "0.02"), (10_000.0, "0.025"), (25_000.0, "0.05"), (62_500.0, "0.1"),
        (125_000.0, "0.125"), (250_000.0, "0.1667"), (500_000.0, "0.25"), (7_500_000.0, "0.5"),
    ],
)  # fmt: skip

COIN_TABLE = build_table(
    "BTCUSD_PERP",
    [
        (0.0, "0.004"), (5.0, "0.005"), (10.0, "0.01"), (20.0, "0.025"), (50.0, "0.05"), (100.0, "0.1"),
        (200.0, "0.125"), (400.0, "0.15"),
    ],
)  # fmt: skip

FLAT_COIN = build_table("BTCUSD_PERP", [(0.0, "0.004")])


def test_the_published_cross_example() -> None:
    """Two longs in one wallet give the exchange's liquidation prices, maintenance, PnL and ratio."""
    legs = [usdt("ETHUSDT", LONG, 3683.979, 1456.84), usdt("BTCUSDT", LONG, 109.488, 32481.98)]
    marks = {"ETHUSDT": 1335.18, "BTCUSDT": 31967.27}
    book, readings = run(legs, [ETH_TABLE, BTC_TABLE], marks, {"USDT": EXAMPLE_BALANCE})
    btc, eth = 0, 1
    assert ETH_TABLE.brackets[1].cum == 135_365
    assert BTC_TABLE.brackets[1].cum == 16_300
    assert readings.position_maintenance[eth] == pytest.approx(356_512.508122, abs=1e-6)
    assert readings.position_maintenance[btc] == pytest.approx(71_200.811444, abs=1e-6)
    assert readings.unrealized_pnl[eth] == pytest.approx(-448_192.88514, abs=1e-6)
    assert readings.unrealized_pnl[btc] == pytest.approx(-56_354.56848, abs=1e-6)
    assert readings.liquidation_price[eth] == pytest.approx(1153.25646, abs=1e-5)
    assert readings.liquidation_price[btc] == pytest.approx(26_316.89326, abs=1e-5)
    assert readings.margin_ratio[0] == pytest.approx(0.4148949, abs=1e-7)
    assert readings.distance[eth] == pytest.approx(1 - 1153.25646 / 1335.18, abs=1e-8)

    at_liquidation = evaluate(book, marks_of(book, marks | {"ETHUSDT": float(readings.liquidation_price[eth])}))
    assert at_liquidation.margin_ratio[0] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("table", "quantity", "entry", "mark", "price"),
    [
        (ETH_TABLE, 3683.979, 1456.84, 1335.18, 1114.78),
        (BTC_TABLE, 109.488, 32481.98, 31967.27, 18_778.73),
        (BTC_TABLE, 109.488, 32481.98, 20_000.0, 18_778.73),
    ],
)
def test_the_isolated_variants(
    table: BracketTable, quantity: float, entry: float, mark: float, price: float
) -> None:
    """An isolated wallet has no other positions, and its liquidation price does not depend on the mark."""
    legs = [usdt(table.symbol, LONG, quantity, entry, EXAMPLE_BALANCE)]
    book, readings = run(legs, [table], {table.symbol: mark})
    assert readings.liquidation_price[0] == pytest.approx(price, abs=0.005)
    lower, upper = both_roots(book, readings, 0)
    assert lower == pytest.approx(price, abs=0.005)
    assert upper is None


def test_the_small_cross_example() -> None:
    """500 USDT behind a long of 1,000 USDT at 50,000 with a rate of 0.4 %."""
    table = build_table("BTCUSDT", [(0.0, "0.004")])
    _, readings = run([usdt("BTCUSDT", LONG, 0.02, 50_000.0)], [table], {"BTCUSDT": 50_000.0}, {"USDT": 500.0})
    assert readings.liquidation_price[0] == pytest.approx(25_100.40, abs=0.005)


def test_the_coin_margined_calculator_example() -> None:
    """101 BTC behind 100,000 contracts long at 45,000; the bracket is the one at the liquidation price."""
    book, readings = run(
        [coin(LONG, 100_000.0, 45_000.0)], [COIN_TABLE], {"BTCUSD_PERP": 45_000.0}, {"BTC": 101.0}
    )
    assert COIN_TABLE.brackets[6].cum == pytest.approx(11.605)
    assert readings.liquidation_price[0] == pytest.approx(33_599.4186, abs=1e-4)
    at_liquidation = evaluate(book, np.array([readings.liquidation_price[0]]))
    assert at_liquidation.margin_ratio[0] == pytest.approx(1.0, abs=1e-12)
    assert at_liquidation.bracket[0] == 6


def test_coin_margined_maintenance() -> None:
    """100 contracts at 25,000 are 0.4 BTC of notional and need 0.0016 BTC."""
    _, readings = run([coin(LONG, 100.0, 25_000.0)], [COIN_TABLE], {"BTCUSD_PERP": 25_000.0}, {"BTC": 1.0})
    assert readings.notional[0] == pytest.approx(0.4)
    assert readings.position_maintenance[0] == pytest.approx(0.0016)
    assert readings.unrealized_pnl[0] == 0.0


def test_a_coin_margined_short_may_have_no_liquidation_price() -> None:
    """Collateral that rises with the price can outgrow a small short's loss, not a large one's."""
    marks = {"BTCUSD_PERP": 40_000.0}
    _, small = run([coin(SHORT, 4.0, 40_000.0)], [COIN_TABLE], marks, {"BTC": 0.0105})
    assert math.isnan(small.liquidation_price[0])
    assert math.isnan(small.distance[0])
    assert math.isnan(small.joint_distance[0])
    _, large = run([coin(SHORT, 5.0, 40_000.0)], [COIN_TABLE], marks, {"BTC": 0.0105})
    # (500 * 0.004 - 500) / (0.0105 - 500 / 40,000)
    assert large.liquidation_price[0] == pytest.approx(249_000.0)


def test_a_hedge_is_liquidated_on_either_side() -> None:
    """Maintenance grows with the price on both legs, so a hedge has an upper liquidation price too."""
    legs = [usdt("0GUSDT", LONG, 100_000.0, 1.0), usdt("0GUSDT", SHORT, 82_500.0, 1.0)]
    book, readings = run(legs, [ZERO_G_TABLE], {"0GUSDT": 1.0}, {"USDT": 11_000.0})
    lower, upper = both_roots(book, readings, 0)
    assert lower == pytest.approx(0.609, abs=5e-4)
    assert upper is not None
    assert upper == pytest.approx(1.315, abs=5e-4)
    assert both_roots(book, readings, 1) == (lower, upper)
    assert readings.liquidation_price.tolist() == [upper, upper]
    assert readings.joint_distance[0] == readings.distance[0] == pytest.approx(upper - 1.0)
    _, below = run(legs, [ZERO_G_TABLE], {"0GUSDT": 0.8}, {"USDT": 11_000.0})
    assert below.liquidation_price.tolist() == [lower, lower]


def test_a_hedge_with_ample_margin_is_liquidated_upward_only() -> None:
    """A net long whose lower root would be negative is liquidated on the side nobody expects."""
    legs = [usdt("0GUSDT", LONG, 100_000.0, 1.0), usdt("0GUSDT", SHORT, 90_000.0, 1.0)]
    book, readings = run(legs, [ZERO_G_TABLE], {"0GUSDT": 1.0}, {"USDT": 15_000.0})
    lower, upper = both_roots(book, readings, 0)
    assert lower is None
    assert upper == pytest.approx(1.37, abs=5e-3)


def test_a_coin_margined_hedge_keeps_lower_and_upper_apart() -> None:
    """The variable of inverse contracts runs the other way, the prices do not."""
    legs = [coin(LONG, 900.0, 40_000.0), coin(SHORT, 1000.0, 40_000.0)]
    marks = {"BTCUSD_PERP": 40_000.0}
    one_book, one = run(legs, [COIN_TABLE], marks, {"BTC": 2.0})
    lower, upper = both_roots(one_book, one, 0)
    assert upper is None
    assert lower == one.liquidation_price[0]
    two_book, two = run(legs, [COIN_TABLE], marks, {"BTC": 0.1})
    lower, upper = both_roots(two_book, two, 1)
    assert lower is not None
    assert upper is not None
    assert lower < 40_000.0 < upper
    up_book, up = run(
        [coin(LONG, 900.0, 40_000.0), coin(SHORT, 1500.0, 40_000.0)], [FLAT_COIN], marks, {"BTC": 0.5}
    )
    lower, upper = both_roots(up_book, up, 0)
    assert lower is None
    assert upper == pytest.approx(up.liquidation_price[0])


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_a_single_leg_has_one_root_on_its_side(side: Side) -> None:
    """A long is liquidated below, a short above."""
    table = build_table("BTCUSDT", [(0.0, "0.004")])
    book, readings = run([usdt("BTCUSDT", side, 1.0, 100.0)], [table], {"BTCUSDT": 100.0}, {"USDT": 10.0})
    lower, upper = both_roots(book, readings, 0)
    price = float(readings.liquidation_price[0])
    assert (lower, upper) == ((price, None) if side is LONG else (None, price))
    ample = run([usdt("BTCUSDT", LONG, 1.0, 100.0)], [table], {"BTCUSDT": 100.0}, {"USDT": 101.0})
    assert both_roots(*ample, 0) == (None, None)


def test_a_hopeless_hedge_has_no_liquidation_price() -> None:
    """Where even the best price leaves the wallet short, no price is named, on any shape of the pair."""
    table = build_table("0GUSDT", [(0.0, "0.05"), (9000.0, "0.1"), (20_000.0, "0.2")])
    marks = {"0GUSDT": 100.0}
    # 110 and 90 at 10 %: the gain of the net long is just eaten up, so the top of the cushion is level; at a
    # balance of 1090 it lies 10 below zero.
    for *quantities, balance in (
        (110, 90, -5000),
        (110, 90, 1090),
        (110, 80, -5000),
        (100, 100, 0),
        (90, 110, -5000),
    ):
        legs = [
            usdt("0GUSDT", LONG, float(quantities[0]), 100.0),
            usdt("0GUSDT", SHORT, float(quantities[1]), 100.0),
        ]
        book, readings = run(legs, [table], marks, {"USDT": float(balance)})
        assert both_roots(book, readings, 0) == (None, None)
        assert np.isnan(readings.liquidation_price).all()
        assert readings.distance.tolist() == [0.0, 0.0]
        assert readings.joint_distance.tolist() == [0.0]


def test_a_level_stretch_of_a_hedge_is_safe_while_above_zero() -> None:
    """A pair that neither gains nor loses for a while is liquidated on both sides of that stretch."""
    table = build_table("0GUSDT", [(0.0, "0.05"), (9000.0, "0.1"), (20_000.0, "0.2")])
    legs = [usdt("0GUSDT", LONG, 110.0, 100.0), usdt("0GUSDT", SHORT, 90.0, 100.0)]
    book, readings = run(legs, [table], {"0GUSDT": 130.0}, {"USDT": 1500.0})
    lower, upper = both_roots(book, readings, 0)
    assert lower is not None
    assert upper is not None
    assert lower < 130.0 < upper


def test_several_symbols_that_fall_together_have_one_joint_distance() -> None:
    """The joint distance is the common move at which the cushion is gone: nearer than any single price."""
    table_a, table_b = build_table("AUSDT", [(0.0, "0.01")]), build_table("BUSDT", [(0.0, "0.01")])
    legs = [usdt("AUSDT", LONG, 10.0, 100.0), usdt("BUSDT", LONG, 100.0, 10.0)]
    marks = {"AUSDT": 100.0, "BUSDT": 10.0}
    _, readings = run(legs, [table_a, table_b], marks, {"USDT": 500.0})
    # 500 + 2000 (f - 1) - 20 f = 0
    assert readings.joint_distance[0] == pytest.approx(1 - 1500 / 1980)
    assert (readings.distance > readings.joint_distance[0]).all()
    _, upward = run([usdt("AUSDT", SHORT, 10.0, 100.0), legs[1]], [table_a, table_b], marks, {"USDT": 100.0})
    # Both ways: 100 = 20 f, five times up; never down.
    assert upward.joint_distance[0] == pytest.approx(4.0)


def test_room_is_the_share_of_the_way_left() -> None:
    """Within a bracket the room of an isolated position is its way to liquidation over the whole way."""
    table = build_table("BTCUSDT", [(0.0, "0.004")])
    _, readings = run([usdt("BTCUSDT", LONG, 0.5, 62_000.0, 1550.0)], [table], {"BTCUSDT": 61_000.0})
    price = readings.liquidation_price[0]
    assert price == pytest.approx(59_136.5462, abs=1e-4)
    assert readings.room[0] == pytest.approx((61_000.0 - price) / (62_000.0 - price))
    assert readings.margin_ratio[0] == pytest.approx(122 / 1050)


def test_room_is_capped_and_negative_beyond_liquidation() -> None:
    """More than was left at entry is no more than all of it."""
    table = build_table("BTCUSDT", [(0.0, "0.01")])
    leg = usdt("BTCUSDT", LONG, 1.0, 100.0)
    assert run([leg], [table], {"BTCUSDT": 150.0}, {"USDT": 10.0})[1].room[0] == 1.0
    assert run([leg], [table], {"BTCUSDT": 80.0}, {"USDT": 10.0})[1].room[0] < 0.0


@pytest.mark.parametrize("balance", [-20.0, 0.0, 1.0, 1.29])
def test_where_nothing_is_left_at_entry_room_is_measured_by_maintenance(balance: float) -> None:
    """A wallet that was emptied while its position gained: fine far away, and no step where nothing is left."""
    table = build_table("BTCUSDT", [(0.0, "0.01")])
    leg = usdt("BTCUSDT", LONG, 1.0, 100.0)
    gone = (100.0 - balance) / 0.99
    for mark, room in ((gone + 40.0, 1.0), (gone + 0.1, 0.099 / 0.3), (gone - 0.1, -0.099 / 0.3)):
        book, readings = run([leg], [table], {"BTCUSDT": mark}, {"USDT": balance})
        assert readings.room[0] == pytest.approx(room)
        assert book.hollow.tolist() == [True]
    assert run([leg], [table], {"BTCUSDT": 100.0}, {"USDT": 1.31})[0].hollow.tolist() == [False]


def test_a_used_up_balance_is_an_infinite_ratio() -> None:
    """A requirement over nothing compares as worse than any number."""
    table = build_table("BTCUSDT", [(0.0, "0.01")])
    for balance in (0.0, -5.0):
        _, readings = run([usdt("BTCUSDT", LONG, 1.0, 100.0)], [table], {"BTCUSDT": 100.0}, {"USDT": balance})
        assert readings.margin_ratio[0] == np.inf
        assert readings.distance[0] == 0.0
        assert readings.joint_distance[0] == 0.0


def test_nothing_held_is_nothing_to_lose() -> None:
    """Wallets without positions, or with empty ones, have ratio 0, room 1 and no distance."""
    table_a, table_b = build_table("AUSDT", [(0.0, "0.01")]), build_table("BUSDT", [(0.0, "0.01")])
    empty = [usdt("AUSDT", LONG, 0.0, 100.0), usdt("AUSDT", SHORT, 0.0, 90.0), usdt("BUSDT", LONG, 0.0, 10.0)]
    for balance in (100.0, 0.0, -1.0):
        for legs in (empty, []):
            _, readings = run(legs, [table_a, table_b], {"AUSDT": 100.0, "BUSDT": 10.0}, {"USDT": balance})
            assert readings.margin_balance.tolist() == [balance]
            assert readings.margin_ratio.tolist() == [0.0]
            assert readings.room.tolist() == [1.0]
            assert np.isnan(readings.joint_distance).all()
            assert np.isnan(readings.liquidation_price).all()
            assert np.isnan(readings.distance).all()


def test_an_empty_leg_of_a_hedge_changes_nothing() -> None:
    """A hedge whose other leg is empty is the position alone."""
    legs = [usdt("0GUSDT", LONG, 100.0, 1.0), usdt("0GUSDT", SHORT, 0.0, 1.0)]
    _, both = run(legs, [ZERO_G_TABLE], {"0GUSDT": 1.0}, {"USDT": 10.0})
    _, alone = run(legs[:1], [ZERO_G_TABLE], {"0GUSDT": 1.0}, {"USDT": 10.0})
    assert both.liquidation_price.tolist() == pytest.approx([*alone.liquidation_price] * 2, rel=1e-12)


def test_an_empty_book() -> None:
    """No accounts, no positions: empty readings."""
    for accounts in ([], [AccountSnapshot("main", {}, ())]):
        book = compile_book(accounts, {})
        readings = evaluate(book, np.zeros(0))
        assert all(getattr(readings, field.name).size == 0 for field in fields(Readings))
        assert adverse_prices(book, np.zeros(0), np.zeros(0)).size == 0


def test_the_last_rate_continues_above_the_last_cap() -> None:
    """A notional above every cap is charged at the last row."""
    table = BracketTable("AUSDT", (Bracket(0.0, 1000.0, 0.01, 0.0), Bracket(1000.0, 2000.0, 0.02, 10.0)))
    _, readings = run([usdt("AUSDT", SHORT, 100.0, 100.0)], [table], {"AUSDT": 100.0}, {"USDT": 1000.0})
    assert readings.bracket[0] == 1
    assert readings.position_maintenance[0] == pytest.approx(190.0)
    # 1000 + 100 (100 - p) - 2 p + 10 = 0
    assert readings.liquidation_price[0] == pytest.approx(11_010 / 102)


@pytest.mark.parametrize(("ulp", "bracket"), [(-1, 0), (0, 1), (1, 1)])
def test_a_bracket_begins_at_its_floor(ulp: int, bracket: int) -> None:
    """The floor belongs to the bracket, one float below does not; the requirement has no step there."""
    table = build_table("AUSDT", [(0.0, "0.01"), (1000.0, "0.02")])
    mark = 1000.0 / 8.0
    mark = math.nextafter(mark, math.inf * ulp) if ulp else mark
    _, readings = run([usdt("AUSDT", LONG, 8.0, 100.0)], [table], {"AUSDT": mark}, {"USDT": 100.0})
    assert readings.bracket[0] == bracket
    assert readings.position_maintenance[0] == pytest.approx(10.0, rel=1e-13)


def test_a_long_table_is_counted_to_its_end() -> None:
    """Tables of any length choose the right row."""
    bounds = [float(i) for i in range(300)]
    rates = [f"{0.001 + i * 0.003:.3f}" for i in range(300)]
    table = build_table("AUSDT", list(zip(bounds, rates, strict=True)))
    _, readings = run([usdt("AUSDT", LONG, 1.0, 200.0)], [table], {"AUSDT": 290.5}, {"USDT": 1000.0})
    assert readings.bracket[0] == 290
    legs = [usdt("AUSDT", LONG, 1.0, 200.0), usdt("BUSDT", LONG, 1.0, 200.0)]
    other = BracketTable("BUSDT", table.brackets)
    _, joint = run(legs, [table, other], {"AUSDT": 290.5, "BUSDT": 290.5}, {"USDT": 1000.0})
    assert joint.bracket.tolist() == [290, 290]


def test_assets_of_one_wallet_count_at_their_bid_while_owned_and_at_their_ask_while_owed() -> None:
    """The published example of several margin assets: equity 416.02, maintenance 199.596, ratio 47.98 %."""
    legs = [
        Position("BTCUSDT", LONG, 0.5, 20_000.0, CROSS, "USDT"),
        Position("ETHUSDC", LONG, 20.0, 600.0, CROSS, "USDC"),
    ]
    tables = [build_table("BTCUSDT", [(0.0, "0.008")]), build_table("ETHUSDC", [(0.0, "0.01")])]
    book, apart = run(legs, tables, {"BTCUSDT": 20_000.0, "ETHUSDC": 600.0}, {"USDT": 200.0, "USDC": 220.0})
    assert [info.asset for info in book.wallets] == ["USDC", "USDT"]
    # One wallet of both assets; rates of USDC are 1.
    book.wallets, book.wallet_slots = book.wallets[:1], book.wallet_slots[:1]
    book.slot_bid, book.slot_ask = np.array([1.0, 0.9801]), np.array([1.0, 0.99495])
    equity, required, cushion = risk._wallets(book, apart.unrealized_pnl, apart.position_maintenance)
    assert equity.tolist() == pytest.approx([416.02])
    assert required.tolist() == pytest.approx([199.596])
    assert (required / equity)[0] == pytest.approx(0.479775, abs=1e-6)
    assert cushion.tolist() == pytest.approx([416.02 - 199.596])
    owed, _, _ = risk._wallets(book, np.array([0.0, -300.0]), apart.position_maintenance)
    assert owed.tolist() == pytest.approx([220.0 - 100.0 * 0.99495])
