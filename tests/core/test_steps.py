"""Amounts in steps, exact where floats are not."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import Lot, Side
from monitor.core.steps import amount_of, assumed_step, cuts_of, step_of, steps_down, steps_up
from tests.core.builders import isolated
from tests.core.strategies import coin

CENT = Decimal("0.01")


@pytest.mark.parametrize(
    ("asset", "step"),
    [("USDT", "0.01"), ("USDC", "0.01"), ("USD", "0.01"), ("BTC", "0.000001"), ("ETH", "0.000001")],
)
def test_dollars_come_in_cents_and_coins_in_millionths(asset: str, step: str) -> None:
    assert step_of(asset) == Decimal(step)


@given(st.integers(0, 10**12), st.sampled_from(("0.01", "0.000001", "0.003", "1")))
def test_whole_steps_are_neither_rounded_up_nor_down(steps: int, text: str) -> None:
    """0.07 is 7 cents, although 0.07 / 0.01 is more than 7 in floats."""
    step = Decimal(text)
    amount = amount_of(steps, step)
    assert steps_up(amount, step) == steps_down(amount, step) == steps


@given(st.floats(0.0, 1e9))
def test_up_covers_and_down_is_covered(amount: float) -> None:
    up, down = steps_up(amount, CENT), steps_down(amount, CENT)
    assert down * CENT <= Decimal(repr(amount)) <= up * CENT
    assert up - down <= 1


def test_what_is_owed_has_no_steps() -> None:
    assert steps_down(-3.0, CENT) == steps_up(-3.0, CENT) == 0


def test_cuts_go_from_the_least_to_what_is_just_below_the_position() -> None:
    """Of 1.0005 in steps of 0.001 the most is 1.000, and one more is all of it."""
    cuts = cuts_of(isolated(quantity=1.0005), Lot(0.001, 0.0025))
    assert (cuts.least, cuts.most) == (3, 1000)
    assert cuts.quantity(3) == 0.003
    assert cuts.quantity(1000) == 1.0
    assert cuts.quantity(1001) == 1.0005


def test_a_position_of_whole_steps_is_not_cut_to_nothing() -> None:
    cuts = cuts_of(isolated(quantity=0.003), Lot(0.001))
    assert (cuts.least, cuts.most, cuts.quantity(3)) == (1, 2, 0.003)


def test_a_position_below_the_least_can_only_be_closed() -> None:
    cuts = cuts_of(isolated(quantity=0.003), Lot(0.001, 0.01))
    assert cuts.most < cuts.least
    assert cuts.quantity(cuts.least) == 0.003


@pytest.mark.parametrize(
    ("quantity", "step"),
    [
        (0.118, "0.001"),
        (12.5, "0.1"),
        (250.0, "1"),
        (1.0, "0.01"),
        (0.5, "0.001"),
        (3.0, "0.01"),
        (1e-07, "0.00000001"),
    ],
)  # fmt: skip
def test_a_step_is_assumed_from_the_digits_of_the_quantity(quantity: float, step: str) -> None:
    """Its own decimals; of less than a hundred such steps, a hundredth of its magnitude."""
    assert assumed_step(isolated(quantity=quantity)) == Decimal(step)


def test_contracts_in_coin_are_whole() -> None:
    assert assumed_step(coin(Side.LONG, 7.0, 50_000.0)) == 1
