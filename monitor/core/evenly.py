"""All positions of a wallet reduced in turns, the same share of each.

Nothing else is left where each position holds against the others, so that closing one of them would leave more to
lose to a move of all prices. What is left of them then is the same wallet, only smaller.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from monitor.core.model import Lot, Position
from monitor.core.pairs import pair_of
from monitor.core.steps import Cuts, cuts_of, steps_up

SHARES = 1000  # of a position: what is taken off each is so fine, and rounded up to its step


class Evenly:
    """What is taken off each of these positions, by the number of thousandths.

    Args:
        held: positions of a wallet.
        lots: by symbol.
    """

    def __init__(self, held: Sequence[Position], lots: Mapping[str, Lot]) -> None:
        self.held = held
        self._cuts: dict[int, Cuts] = {}
        self._pairs = [pair for p in held if (pair := pair_of(p, held)) is not None and p is pair.larger]
        for position in held:
            self._cuts[id(position)] = cuts_of(position, lots.get(position.symbol))
        for pair in self._pairs:
            if pair.larger.symbol not in lots:
                step = max(self._cuts[id(p)].step for p in pair)  # one for both, the coarser one
                self._cuts |= {id(p): cuts_of(p, Lot(float(step))) for p in pair}

    def quantities(self, shares: int) -> tuple[float, ...]:
        """Return what is taken off each, in their order; of both sides of a symbol so that no net is larger."""
        steps = {id(p): self._steps(p, shares) for p in self.held}
        for larger, smaller in self._pairs:
            cuts = self._cuts[id(larger)], self._cuts[id(smaller)]
            some = cuts[0].quantity(steps[id(larger)]), cuts[1].quantity(steps[id(smaller)])
            net, taken = _less(larger.quantity, smaller.quantity), _less(*some)
            if abs(net - taken) > net:
                steps[id(smaller)] = steps[id(larger)]
        return tuple(self._cuts[id(p)].quantity(steps[id(p)]) for p in self.held)

    def _steps(self, position: Position, shares: int) -> int:
        cuts = self._cuts[id(position)]
        return max(cuts.least, steps_up(position.quantity * shares / SHARES, cuts.step))


def _less(one: float, other: float) -> Decimal:
    return Decimal(repr(one)) - Decimal(repr(other))
