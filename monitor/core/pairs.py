"""A symbol that one wallet holds in both directions: how to reduce it so that its net never grows on the way.

The smaller side is what keeps the larger one from losing more. So it is never reduced before the larger one is,
and the larger one alone only as far as its net is no larger on the other side. Beyond that both are reduced
together, by the same quantity: margin is freed, and what prices do to the wallet stays as it is.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from monitor.core.model import Lot, Position, Side
from monitor.core.steps import Cuts, cuts_of


class Pair(NamedTuple):
    """Both sides of a symbol; of two of the same size the LONG counts as the larger."""

    larger: Position
    smaller: Position

    @property
    def net(self) -> Decimal:
        """Quantity that is not hedged, >= 0."""
        return Decimal(repr(self.larger.quantity)) - Decimal(repr(self.smaller.quantity))

    @property
    def turns(self) -> bool:
        """Whether closing the larger side whole would leave a larger net than there is."""
        return Decimal(repr(self.smaller.quantity)) > self.net


class Together(NamedTuple):
    """The quantities that both sides can be reduced by, by the number of steps taken off the smaller one."""

    larger: Cuts
    smaller: Cuts
    ahead: int  # steps that the larger side is reduced by besides: its net

    @property
    def span(self) -> tuple[int, int]:
        """Numbers of steps, (low, high], that leave something of the smaller side."""
        return max(self.larger.least, self.smaller.least) - 1, self.smaller.most

    def quantities(self, steps: int) -> tuple[float, float]:
        """Return what is taken off the larger and off the smaller side."""
        return self.larger.quantity(self.ahead + steps), self.smaller.quantity(steps)


def pair_of(position: Position, held: Sequence[Position]) -> Pair | None:
    """Return the pair that a position of a wallet is a side of; None where the other side is not held."""
    other = next((p for p in held if p.symbol == position.symbol and p.side is not position.side), None)
    if other is None:
        return None
    both = sorted((position, other), key=lambda p: (-p.quantity, p.side is not Side.LONG))
    return Pair(both[0], both[1])


def closed_with(position: Position, pair: Pair | None) -> tuple[Position, ...]:
    """Return what is closed where a position is: both sides, where one alone would leave a larger net."""
    return tuple(pair) if pair is not None and pair.turns else (position,)


def alone(pair: Pair, cuts: Cuts) -> int:
    """Return by how many steps the larger side can be reduced alone, before its net is larger than it was."""
    return min(cuts.most, int(2 * pair.net / cuts.step))


def together(pair: Pair, lot: Lot | None) -> Together:
    """Return by what both sides of a pair can be reduced, beginning as near to no net as steps come."""
    larger, smaller = (cuts_of(p, lot) for p in pair)
    step = max(larger.step, smaller.step)
    larger, smaller = (cuts_of(p, Lot(float(step)) if lot is None else lot) for p in pair)
    return Together(larger, smaller, round(pair.net / step))


def larger_first(ranked: Sequence[Position]) -> list[Position]:
    """Return positions in their order, but no smaller side of a pair before the larger one.

    A smaller side that is reduced together with the larger one follows it at once.
    """
    sides: dict[str, list[Position]] = {}
    for position in ranked:
        sides.setdefault(position.symbol, []).append(position)
    ordered: list[Position] = []
    placed: set[tuple[str, Side]] = set()
    waiting: set[tuple[str, Side]] = set()

    def place(position: Position) -> None:
        ordered.append(position)
        placed.add((position.symbol, position.side))

    for position in ranked:
        leg = (position.symbol, position.side)
        pair = pair_of(position, sides[position.symbol])
        if leg in placed:
            continue
        if pair is not None and position is pair.smaller and (pair.larger.symbol, pair.larger.side) not in placed:
            waiting.add(leg)
            continue
        place(position)
        if pair is not None and position is pair.larger:
            other = (pair.smaller.symbol, pair.smaller.side)
            if pair.turns or other in waiting:
                place(pair.smaller)
    return ordered
