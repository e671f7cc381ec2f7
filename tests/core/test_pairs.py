"""Both sides of a symbol: which goes first, how far alone, and what is taken off both."""

from decimal import Decimal

import pytest

from monitor.core.model import Lot, Position, Side
from monitor.core.pairs import alone, closed_with, larger_first, pair_of, together
from monitor.core.steps import cuts_of
from tests.core.builders import BTC, ETH, cross

LONG = cross(BTC, quantity=1.9)
SHORT = cross(BTC, side=Side.SHORT, quantity=2.0)
OTHER = cross(ETH)
SMALL = cross(BTC, side=Side.SHORT, quantity=0.4)


def test_a_pair_is_both_sides_of_a_symbol_with_the_larger_first() -> None:
    for position in (LONG, SHORT):
        pair = pair_of(position, [LONG, OTHER, SHORT])
        assert pair == (SHORT, LONG)
        assert pair.net == Decimal("0.1")
    assert pair_of(OTHER, [LONG, OTHER, SHORT]) is None


def test_of_two_of_the_same_size_the_long_is_the_larger() -> None:
    same = cross(BTC, quantity=2.0)
    assert pair_of(SHORT, [SHORT, same]) == (same, SHORT)


def test_the_larger_side_goes_alone_until_its_net_is_as_large_on_the_other_side() -> None:
    pair = pair_of(LONG, [LONG, SHORT])
    assert pair is not None
    assert pair.turns
    assert alone(pair, cuts_of(SHORT, Lot(0.03))) == 6  # 0.18 of 0.2
    beside = pair_of(LONG, [LONG, SMALL])
    assert beside is not None
    assert not beside.turns
    assert alone(beside, cuts_of(LONG, Lot(0.01))) == 189  # all but a step of it


def test_together_begins_where_nothing_is_left_of_the_net() -> None:
    pair = pair_of(LONG, [LONG, SHORT])
    assert pair is not None
    both = together(pair, Lot(0.01, 0.05))
    assert both.span == (4, 189)
    assert both.quantities(5) == (0.15, 0.05)
    assert both.quantities(189) == (1.99, 1.89)
    # A net that is no whole number of steps is rounded to the nearest: so it is never larger than it was.
    assert together(pair, Lot(0.03)).quantities(1) == (0.12, 0.03)
    assert together(pair, Lot(0.07)).quantities(1) == (0.14, 0.07)
    assert together(pair, Lot(0.3)).quantities(1) == (0.3, 0.3)


@pytest.mark.parametrize(
    ("ranked", "ordered"),
    [
        ([LONG, OTHER, SHORT], [OTHER, SHORT, LONG]),
        ([SHORT, OTHER, LONG], [SHORT, LONG, OTHER]),
        ([SMALL, OTHER, LONG], [OTHER, LONG, SMALL]),
        ([LONG, OTHER, SMALL], [LONG, OTHER, SMALL]),
        ([OTHER], [OTHER]),
    ],
)
def test_no_smaller_side_stands_before_the_larger(ranked: list[Position], ordered: list[Position]) -> None:
    """One that is reduced in turns with it follows at once; another keeps its place."""
    assert larger_first(ranked) == ordered


def test_both_are_closed_where_one_alone_would_leave_a_larger_net() -> None:
    assert closed_with(SHORT, pair_of(SHORT, [LONG, SHORT])) == (SHORT, LONG)
    assert closed_with(LONG, pair_of(LONG, [LONG, SMALL])) == (LONG,)
    assert closed_with(OTHER, None) == (OTHER,)
