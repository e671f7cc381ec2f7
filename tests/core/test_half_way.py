"""What must not get worse between cuts, and the order that a forecast of it makes."""

import math

import pytest

from monitor.core.half_way import NOTHING, Forecast, Standing, groups_of, standing
from monitor.core.model import Position, Side
from monitor.core.settings import EngineSettings
from monitor.core.trial import Case, Trial, as_it_is
from tests.core.builders import BTC, ETH, account, cross, table

LONG, SHORT = cross(BTC), cross(ETH, side=Side.SHORT)
SOL = cross("SOLUSDT")


def forecast(now: Standing, *parts: tuple[Position, float, float]) -> Forecast:
    """Return what is foretold of a wallet whose positions have these parts of its pull and of its cushion."""
    made = Forecast(now)
    for position, pull, cushion in parts:
        then = now.cushion - cushion / 100
        made.learn(position, 0.01, Standing(then / (now.pull - pull / 100), then))
    return made


def test_nothing_is_lost_where_what_liquidates_is_as_far() -> None:
    """The cushion may be smaller by what closing cost."""
    before = Standing(0.02, 5.0)
    assert before.keeps(before)
    assert Standing(0.02 * (1 - 1e-12), 5.0).keeps(before)
    assert Standing(0.02, 4.9).keeps(before)
    assert not Standing(0.019, 7.0).keeps(before)
    assert all(one.keeps(NOTHING) for one in (before, Standing(0.0, -1e9), NOTHING))


def test_a_move_that_takes_or_doubles_all_prices_is_as_far_as_any() -> None:
    """A small long has no price that liquidates it, a small short one far above: neither is nearer."""
    for leg in (cross(BTC, quantity=0.1), cross(BTC, side=Side.SHORT, quantity=0.1)):
        case = Case(account(leg, usdt=100.0), "cross:USDT", {BTC: table(BTC)}, {BTC: 100.0}, EngineSettings())
        found = standing(Trial(case, case.account).look([as_it_is]))
        assert found == (1.0, 100.0 - 0.1)
        assert not Standing(0.9, 200.0).keeps(found)
    assert math.isnan(Standing(0.0, -1.0).pull)


def test_what_holds_against_the_others_waits_until_it_is_no_longer_needed() -> None:
    """The short pulls 60 against 50 and 50 of the longs: closed first it would leave 100, after one of them 50."""
    one = forecast(Standing(0.1, 4.0), (SHORT, -60.0, -1.0), (LONG, 50.0, -1.0), (SOL, 50.0, -1.0))
    assert one.hedges
    assert one.in_balance([SHORT, LONG, SOL]) == [LONG, SHORT, SOL]
    *two, last = one.without([(LONG,), (SHORT,), (SOL,)])
    assert two == pytest.approx([5 / 10, 6 / 50])
    assert last > 1e9  # nothing is held


def test_where_every_next_one_brings_it_nearer_what_leaves_most_goes_first() -> None:
    """Of a pull of 10, 200 and -190: without either some 200 are left."""
    one = forecast(Standing(1.0, 10.0), (LONG, 200.0, -1.0), (SHORT, -190.0, -2.0))
    assert one.in_balance([LONG, SHORT]) == [SHORT, LONG]  # 12 / 200 beside 11 / 190
    assert one.doubtful([(SHORT,), (LONG,)], 2) == (0, [])


def test_how_many_can_be_closed_and_where_to_look() -> None:
    one = forecast(Standing(0.1, 4.0), (SHORT, -60.0, -1.0), (LONG, 50.0, -1.0), (SOL, 50.0, -1.0))
    assert one.doubtful([(LONG,), (SHORT,), (SOL,)], 1) == (3, [2])
    assert one.doubtful([(LONG,), (SHORT,), (SOL,)], 2) == (3, [1, 2])
    assert one.doubtful([(SHORT,), (LONG,), (SOL,)], 2) == (0, [])


def test_without_hedges_or_past_liquidation_the_order_stays_and_nothing_is_in_doubt() -> None:
    alike = forecast(Standing(0.05, 5.0), (LONG, 50.0, -1.0), (SOL, 50.0, -1.0))
    assert not alike.hedges
    past = Forecast(Standing(0.0, -3.0))
    for leg in (LONG, SOL):
        past.learn(leg, 0.1, Standing(0.0, -2.9))
    assert not past.is_known
    for one in (alike, past):
        assert one.in_balance([SOL, LONG]) == [SOL, LONG]
        assert one.doubtful([(SOL,), (LONG,)], 2) == (2, [])


def test_what_has_nothing_left_is_at_liquidation() -> None:
    """Closing costs more than it frees."""
    one = forecast(Standing(0.5, 1.0), (LONG, 3.0, 2.0), (SHORT, -1.0, 0.0))
    assert one.without([(LONG,)]) == [0.0]


def test_both_sides_of_a_symbol_are_one_group_where_one_alone_would_leave_a_larger_net() -> None:
    nearly, half = cross(BTC, quantity=1.1), cross(BTC, quantity=4.0)
    other = cross(BTC, side=Side.SHORT)
    assert groups_of([nearly, other, SHORT]) == [(nearly, other), (SHORT,)]
    assert groups_of([half, SHORT, other]) == [(half,), (SHORT,), (other,)]
