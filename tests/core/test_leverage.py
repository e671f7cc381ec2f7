"""Leverage and liquidation: the rows are what a held position would read, and time follows the square root."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.shipped import shipped_tables
from monitor.core.brackets import bracket_at
from monitor.core.compile import compile_book
from monitor.core.leverage import (
    LADDER,
    Contract,
    Rung,
    daily_of_hourly,
    ladder,
    largest,
    leverage_of,
    touch_chance,
    usual_days,
)
from monitor.core.model import AccountSnapshot, Bracket, BracketTable, MarginMode, Position, Side
from monitor.core.risk import evaluate
from monitor.core.whatif import value_of, with_leverage

BTC = shipped_tables()["BTCUSDT"]
AT_PAR = Contract("BTCUSDT", "USDT", 1.0)
FLAT = BracketTable("XUSDT", (Bracket(0.0, 1e9, 0.004, 0.0, 125.0),))


def only(rungs: tuple[Rung, ...], leverage: float) -> Rung:
    (found,) = [rung for rung in rungs if rung.leverage == leverage]
    return found


def moves(rung: Rung) -> tuple[float, float]:
    assert rung.long is not None
    assert rung.short is not None
    assert rung.long.move is not None
    assert rung.short.move is not None
    return rung.long.move, rung.short.move


def test_within_one_tier_the_moves_are_the_published_closed_form() -> None:
    """LONG (1/L - mmr) / (1 - mmr), SHORT (1/L - mmr) / (1 + mmr)."""
    for rung in ladder(AT_PAR, FLAT, 1000.0):
        left = 1.0 / rung.leverage - 0.004
        assert moves(rung) == pytest.approx((left / 0.996, left / 1.004))


def test_the_rule_of_thumb_is_always_too_far() -> None:
    """It forgets the maintenance margin: by 2 % of the way at 5x, by half of it at 125x."""
    rungs = ladder(AT_PAR, BTC, 10_000.0)
    assert all(rung.off is not None and rung.off < 0.0 for rung in rungs)
    assert only(rungs, 5.0).rule_of_thumb == pytest.approx(0.20)
    assert only(rungs, 5.0).off == pytest.approx((0.20 - 0.004) / 1.004 / 0.20 - 1.0)
    assert only(rungs, 125.0).off == pytest.approx((0.008 - 0.004) / 1.004 / 0.008 - 1.0)


def test_a_larger_position_is_nearer() -> None:
    """5,000,000 is in a tier that requires more: at 20x 4.2 % instead of 4.6 %."""
    small, large = (only(ladder(AT_PAR, BTC, size), 20.0) for size in (10_000.0, 5_000_000.0))
    assert moves(small)[1] == pytest.approx(0.04582, abs=1e-5)
    assert moves(large)[1] == pytest.approx(0.04198, abs=1e-5)


@pytest.mark.parametrize(
    ("size", "most"), [(299_999.0, 150.0), (300_000.0, 100.0), (5e6, 50.0), (9e7, 20.0), (1.7e9, 1.0)]
)
def test_nothing_is_listed_that_the_tiers_do_not_allow(size: float, most: float) -> None:
    """The most that the size's tier allows is the last row."""
    leverages = [rung.leverage for rung in ladder(AT_PAR, BTC, size)]
    assert bracket_at(BTC, size).leverage == most
    assert leverages == [one for one in LADDER if one <= most]


def test_an_odd_maximum_has_its_own_row() -> None:
    """Some contracts end at 11x or 21x."""
    table = BracketTable("XUSDT", (Bracket(0.0, 1e6, 0.02, 0.0, 21.0),))
    assert [rung.leverage for rung in ladder(AT_PAR, table, 100.0)][-2:] == [20.0, 21.0]


def test_every_lists_every_whole_leverage() -> None:
    """From 2 to the most."""
    rungs = ladder(AT_PAR, FLAT, 100.0, every=True)
    assert [rung.leverage for rung in rungs] == [float(one) for one in range(2, 126)]


def test_without_a_limit_rows_end_where_opening_would_liquidate() -> None:
    """At a rate of 2 %, 50x has nothing left at once, and 40x has a fifth of its margin."""
    table = BracketTable("XUSDT", (Bracket(0.0, 1e6, 0.02, 0.0),))
    rungs = ladder(AT_PAR, table, 100.0)
    assert rungs[-1].leverage == 40.0


def test_a_call_that_stands_from_the_beginning_leaves_the_whole_way() -> None:
    """At a rate of 2 % and 45x the ratio is 90 % at once: all of the move comes after the call."""
    table = BracketTable("XUSDT", (Bracket(0.0, 1e6, 0.02, 0.0),))
    for way in only(ladder(AT_PAR, table, 100.0, chosen=45.0), 45.0).ways:
        assert way.call == way.move


def test_the_chosen_leverage_is_marked_and_listed_wherever_it_is() -> None:
    """Between two rows, above what is allowed, or on a row whose figure it has but for rounding."""
    between = ladder(AT_PAR, BTC, 5e6, chosen=18.5)
    assert [rung.leverage for rung in between if rung.chosen] == [18.5]
    above = ladder(AT_PAR, BTC, 5e6, chosen=75.0)
    assert [(rung.leverage, rung.allowed) for rung in above if rung.chosen] == [(75.0, False)]
    assert all(rung.allowed for rung in above if not rung.chosen)
    rounded = ladder(AT_PAR, BTC, 5e6, chosen=19.9999999)
    assert [rung.leverage for rung in rounded if rung.chosen] == [20.0]
    assert len(rounded) == len(ladder(AT_PAR, BTC, 5e6))


def test_only_the_direction_asked_for_is_there() -> None:
    """And what is off is off for it."""
    rung = only(ladder(AT_PAR, FLAT, 100.0, sides=(Side.LONG,)), 10.0)
    assert rung.short is None
    assert rung.off == pytest.approx((0.1 - 0.004) / 0.996 / 0.1 - 1.0)


def test_a_short_in_coins_at_low_leverage_has_no_liquidation() -> None:
    """Its loss in coins is at most its notional: with that much margin and more, no price takes it."""
    contract = Contract("BTCUSD_PERP", "BTC", 60_000.0, inverse=True)
    table = BracketTable("BTCUSD_PERP", (Bracket(0.0, 5.0, 0.004, 0.0),))
    rung = only(ladder(contract, table, 1.0, chosen=0.9, daily=0.03), 0.9)
    assert rung.short is not None
    assert (rung.short.move, rung.short.price, rung.short.usual_days) == (None, None, None)
    assert rung.long is not None
    assert rung.long.move is not None


@given(
    name=st.sampled_from(sorted(shipped_tables())),
    share=st.floats(1e-6, 0.999),
    price=st.floats(1e-6, 1e6),
)
@settings(max_examples=300, deadline=None)
def test_the_call_comes_where_the_ratio_is_80_percent(name: str, share: float, price: float) -> None:
    """At any size, leverage and price, what is left after the call is the distance at a margin ratio of 80 %."""
    table = shipped_tables()[name]
    size = share * largest(table)
    for rung in ladder(Contract(name, "USDT", price), table, size):
        for side, way in ((Side.LONG, rung.long), (Side.SHORT, rung.short)):
            assert way is not None
            if way.move is None or way.price is None or way.call is None:
                continue
            at = way.price / (1.0 - way.call if side is Side.LONG else 1.0 + way.call)
            position = Position(name, side, size / price, price, MarginMode.ISOLATED, "USDT", size / rung.leverage)
            book = compile_book((AccountSnapshot("a", {}, (position,)),), {name: table})
            there, begun = (evaluate(book, np.array([one])).margin_ratio[0] for one in (at, price))
            assert there == pytest.approx(max(0.8, begun), rel=1e-6)
            assert evaluate(book, np.array([way.price])).margin_ratio[0] == pytest.approx(1.0, rel=1e-6)


@given(
    side=st.sampled_from(Side),
    inverse=st.booleans(),
    quantity=st.floats(1e-3, 100.0),
    entry=st.floats(1.0, 1e5),
    leverage=st.floats(1.2, 100.0),
)
@settings(max_examples=300, deadline=None)
def test_the_marked_row_is_the_position_itself(
    side: Side, inverse: bool, quantity: float, entry: float, leverage: float  # noqa: FBT001 - drawn
) -> None:  # fmt: skip
    """From its entry price, the row with the leverage of a position has its own liquidation price."""
    contract_size = 10.0 if inverse else 1.0
    held = Position("X", side, quantity, entry, MarginMode.ISOLATED, "USDT", 1.0, contract_size, inverse)
    account = with_leverage(AccountSnapshot("a", {"USDT": 1e9}, (held,)), held, leverage)
    (position,) = account.positions
    size = value_of(position, quantity, entry)
    table = BracketTable(
        "X", (Bracket(0.0, size / 3, 0.004, 0.0), Bracket(size / 3, size * 9, 0.005, size / 3000))
    )
    book = compile_book((account,), {"X": table})
    expected = float(evaluate(book, np.array([entry])).liquidation_price[0])
    really = leverage_of(position)
    assert really == pytest.approx(leverage)
    rungs = ladder(Contract("X", "USDT", entry, inverse=inverse), table, size, chosen=really, sides=(side,))
    (marked,) = [rung for rung in rungs if rung.chosen]
    (way,) = marked.ways
    assert way.price == (None if math.isnan(expected) else pytest.approx(expected, rel=1e-5))


def test_margin_that_was_added_counts() -> None:
    """An isolated position has the leverage of its margin, a cross one the one that was chosen."""
    isolated = Position("X", Side.LONG, 2.0, 100.0, MarginMode.ISOLATED, "USDT", 40.0, leverage=20.0)
    assert leverage_of(isolated) == pytest.approx(5.0)
    assert leverage_of(Position("X", Side.LONG, 2.0, 100.0, MarginMode.CROSS, "USDT", leverage=20.0)) == 20.0
    assert leverage_of(Position("X", Side.LONG, 2.0, 100.0, MarginMode.ISOLATED, "USDT", 0.0)) is None


def test_twice_as_far_takes_four_times_as_long() -> None:
    """The square-root-of-time rule; one daily move takes a day."""
    assert usual_days(0.03, 0.03) == pytest.approx(1.0)
    assert usual_days(0.06, 0.03) == pytest.approx(4.0)
    assert daily_of_hourly(0.01) == pytest.approx(0.0489898)


def test_by_the_usual_time_a_third_have_been_liquidated() -> None:
    """2 * (1 - Phi(1)) = 31.7 %, whatever the move; a day is chance one of many."""
    assert touch_chance(0.06, 0.03, usual_days(0.06, 0.03)) == pytest.approx(0.3173105)
    assert touch_chance(0.0, 0.03) == 1.0
    assert touch_chance(0.06, 0.03) == pytest.approx(0.0455003)


def test_the_chance_is_that_of_a_walk() -> None:
    """The reflection principle, against 20,000 days of 1,440 steps: a walk that looks less often touches less."""
    rng = np.random.default_rng(7)
    touched = 0
    for _ in range(20):
        steps = rng.standard_normal((1_000, 1_440)) * (0.03 / math.sqrt(1_440))
        touched += int((steps.cumsum(axis=1).max(axis=1) >= 0.03).sum())
    expected = touch_chance(0.03, 0.03)
    assert expected - 0.03 < touched / 20_000 < expected + 0.005


def test_time_and_chance_are_of_the_logarithm() -> None:
    """A fall by half is as far as a doubling."""
    rung = only(ladder(AT_PAR, FLAT, 100.0, daily=0.03), 2.0)
    assert rung.long is not None
    assert rung.long.price is not None
    assert rung.long.usual_days == pytest.approx((math.log(rung.long.price) / 0.03) ** 2)
    assert rung.long.day_chance == pytest.approx(touch_chance(-math.log(rung.long.price), 0.03))
    assert all(way.usual_days is None for one in ladder(AT_PAR, FLAT, 100.0) for way in one.ways)
