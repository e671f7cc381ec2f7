"""Amounts in steps: what of an asset can be moved, and what of a position can be closed. Exact, in ``Decimal``."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from monitor.core.layout import QUOTE_ASSETS
from monitor.core.model import MULTI_ASSET, Lot, Position

# What amounts of money are rounded to: a cent of what is worth about a dollar, a millionth of a coin.
DOLLAR_STEP = Decimal("0.01")
COIN_STEP = Decimal("0.000001")
# A quantity that is written with few digits says little about the step it was made of.
_LEAST_STEPS = 100
_FINEST = Decimal("0.00000001")


def step_of(asset: str) -> Decimal:
    """Return the step that amounts of an asset are rounded to."""
    return DOLLAR_STEP if asset in QUOTE_ASSETS or asset == MULTI_ASSET else COIN_STEP


def steps_down(amount: float, step: Decimal) -> int:
    """Return how many whole steps are in an amount; 0 where it is below one, negative or no number."""
    return _steps(amount, step, ROUND_FLOOR)


def steps_up(amount: float, step: Decimal) -> int:
    """Return how many whole steps cover an amount; 0 where it is not above 0 or no number."""
    return _steps(amount, step, ROUND_CEILING)


def _steps(amount: float, step: Decimal, rounding: str) -> int:
    if not math.isfinite(amount):
        return 0
    return max(0, int((Decimal(repr(amount)) / step).to_integral_value(rounding)))


def amount_of(steps: int, step: Decimal) -> float:
    """Return so many steps, as near as a float comes."""
    return float(steps * step)


class Cuts(NamedTuple):
    """The quantities that can be taken off a position: whole steps from ``least`` to ``most``, and all of it."""

    step: Decimal
    least: int  # steps
    most: int  # steps, still below the position; below ``least`` where only all of it can be closed
    whole: float  # the position

    def quantity(self, steps: int) -> float:
        """Return a number of steps as a quantity; one more than ``most`` is the whole position."""
        return amount_of(steps, self.step) if steps <= self.most else self.whole


def cuts_of(position: Position, lot: Lot | None) -> Cuts:
    """Return what can be taken off a position; without a ``lot`` its step is assumed."""
    step = assumed_step(position) if lot is None else Decimal(repr(lot.step))
    least = 1 if lot is None else max(1, steps_up(lot.least, step))
    return Cuts(step, least, steps_up(position.quantity, step) - 1, position.quantity)


def assumed_step(position: Position) -> Decimal:
    """Return the step a position's quantity seems to be made of: contracts are whole, else its own decimals.

    A round number, of less than a hundred such steps, has finer ones.
    """
    if position.inverse:
        return Decimal(1)
    quantity = Decimal(repr(position.quantity)).normalize()
    own = Decimal(1).scaleb(min(0, int(quantity.as_tuple().exponent)))
    if quantity / own < _LEAST_STEPS:
        own = Decimal(1).scaleb(quantity.adjusted()) / _LEAST_STEPS
    return max(own, _FINEST)
