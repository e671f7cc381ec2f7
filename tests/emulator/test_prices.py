"""Scripted prices."""

from decimal import Decimal

import pytest

from monitor.emulator.prices import PricePath, on_wire

LINE = PricePath(((0.0, Decimal(100)), (10.0, Decimal(200)), (20.0, Decimal(50))))


@pytest.mark.parametrize(
    ("time_s", "price"), [(-5, 100), (0, 100), (2.5, 125), (10, 200), (15, 125), (20, 50), (99, 50)]
)
def test_straight_between_break_points(time_s: float, price: int) -> None:
    """Prices lie on straight lines, the first holds before the start and the last after the end."""
    assert LINE.at(time_s) == price


def test_constant_growth_between_break_points() -> None:
    """Half way between 100 and 400 by growth is 200."""
    assert PricePath(((0.0, Decimal(100)), (10.0, Decimal(400))), geometric=True).at(5) == 200


def test_a_loop_begins_anew() -> None:
    """With a loop the path repeats; the past before the start does not."""
    assert LINE.at(22.5, loop_s=LINE.duration_s) == LINE.at(2.5)
    assert LINE.at(-1, loop_s=20) == 100


def test_noise_is_small_seeded_and_independent_of_order() -> None:
    """The same seed and time give the same price in any order, within the stated deviation."""
    noisy = PricePath(LINE.points, noise=0.001, seed="a")
    there = [noisy.at(t / 4) for t in range(80)]
    back = [noisy.at(t / 4) for t in reversed(range(80))]
    assert there == back[::-1]
    assert any(noisy.at(t / 4) != LINE.at(t / 4) for t in range(80))
    assert all(abs(noisy.at(t / 4) / LINE.at(t / 4) - 1) <= Decimal("0.00101") for t in range(80))
    assert there != [PricePath(LINE.points, noise=0.001, seed="b").at(t / 4) for t in range(80)]


def test_prices_have_eight_decimals() -> None:
    """What the wire cannot carry is rounded away."""
    assert str(on_wire(Decimal(1) / 3)) == "0.33333333"
    assert PricePath(((0.0, Decimal(1)), (3.0, Decimal(2)))).at(1).as_tuple().exponent == -8


@pytest.mark.parametrize("points", [(), ((1.0, Decimal(5)),), ((0.0, Decimal(5)), (0.0, Decimal(6)))])
def test_a_path_without_a_beginning_or_direction_is_refused(points: tuple[tuple[float, Decimal], ...]) -> None:
    """Break points start at 0 s and go forward."""
    with pytest.raises(ValueError, match="begins at 0 s"):
        PricePath(points)


def test_a_price_of_zero_is_refused() -> None:
    """Every price is above zero."""
    with pytest.raises(ValueError, match="above zero"):
        PricePath(((0.0, Decimal(0)),))
