"""Where a wallet is liquidated: the exchange's published formulas, and a bisection for moves of all marks at once.

Written as a textbook would, one combination of tiers after the other, in 50-digit decimals: slow, and with
nothing in common with the vectorised arithmetic it is compared with.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import product

from monitor.emulator.brackets import Bracket, Brackets

_DIGITS = 50
_CLOSE = Decimal("1e-28")  # relative; far above the rounding of 50 digits, far below anything a caller can see
_BISECTIONS = 120  # halves an interval of any plausible width to below 30 digits


@contextmanager
def precise() -> Iterator[None]:
    """Compute with 50 digits inside this block, whatever the caller's decimal context is."""
    with localcontext() as context:
        context.prec = _DIGITS
        yield


@dataclass(frozen=True, slots=True)
class Leg:
    """One direction of one symbol.

    Attributes:
        sign: +1 for LONG, -1 for SHORT.
        quantity: base asset, >= 0; contracts of a coin-margined one.
        entry: entry price, quote asset.
        mark: mark price, quote asset.
        brackets: the tiers of its symbol.
        contract: quote asset in one contract of a coin-margined leg, whose money is the coin; 0 for any other,
            whose money is the quote asset.
    """

    sign: int
    quantity: Decimal
    entry: Decimal
    mark: Decimal
    brackets: Brackets
    contract: Decimal = Decimal(0)

    def notional(self, price: Decimal) -> Decimal:
        """Return the size at a price, margin asset."""
        return self.quantity * self.contract / price if self.contract else self.quantity * price

    def pnl(self, price: Decimal) -> Decimal:
        """Return the unrealized profit at a price, margin asset."""
        if self.contract:
            return self.sign * self.quantity * self.contract * (1 / self.entry - 1 / price)
        return self.sign * self.quantity * (price - self.entry)

    def maintenance(self, price: Decimal) -> Decimal:
        """Return the maintenance margin at a price, margin asset."""
        return self.brackets.maintenance(self.notional(price))


def liquidation_prices(legs: Sequence[Leg], funds: Decimal) -> tuple[Decimal, ...]:
    """Return every price at which these legs of one symbol use their wallet up, ascending.

    Each combination of tiers is solved with the published formula; a solution counts if each leg's notional at
    that price lies in the tier that gave it. A price at or below zero is none.

    Args:
        legs: the LONG, the SHORT, or both, of one symbol in one wallet.
        funds: wallet balance - maintenance margin + unrealized profit of the wallet's other symbols, its asset.

    Returns:
        No price, one, or two (a LONG and a SHORT that share a wallet can be liquidated in both directions).
    """
    found: list[Decimal] = []
    with precise():
        for tiers in product(*(leg.brackets.rows for leg in legs)):
            price = _solve(legs, tiers, funds)
            if (
                price is not None
                and price > 0
                and all(_holds(leg, tier, price) for leg, tier in zip(legs, tiers, strict=True))
                and not any(abs(price - other) <= price * _CLOSE for other in found)
            ):
                found.append(price)
    return tuple(sorted(found))


def joint_distance(legs: Sequence[Leg], balance: Decimal) -> Decimal | None:
    """Return the smallest relative move of all marks by one factor at which the wallet is used up.

    Args:
        legs: everything the wallet backs.
        balance: wallet balance, its asset.

    Returns:
        A fraction; 0 if the wallet is used up already, None if no common move does it.
    """
    with precise():
        # The cushion is concave in the factor, of coin-margined legs in its inverse.
        inverse = any(leg.contract for leg in legs)

        def cushion(scale: Decimal) -> Decimal:
            return balance + sum((_profit(leg, scale) - _requirement(leg, scale) for leg in legs), Decimal(0))

        if cushion(Decimal(1)) <= 0:
            return Decimal(0) if legs else None
        ends = []
        if cushion(Decimal(0)) < 0:
            ends.append(_bisect(cushion, safe=Decimal(1), gone=Decimal(0)))
        # Above the last cap the cushion is a straight line: unless that falls, no larger scale ever uses it up.
        slope = sum((_slope(leg) for leg in legs), Decimal(0))
        if slope < 0:
            high = Decimal(2)
            while cushion(high) >= 0:
                high *= 2
            ends.append(_bisect(cushion, safe=Decimal(1), gone=high))
        return min((abs((1 / end if inverse else end) - 1) for end in ends), default=None)


def _profit(leg: Leg, scale: Decimal) -> Decimal:
    """Return the profit with the mark's factor (its inverse for a coin-margined leg) at ``scale``, 0 included."""
    if leg.contract:
        return leg.sign * leg.quantity * leg.contract * (1 / leg.entry - scale / leg.mark)
    return leg.pnl(leg.mark * scale)


def _requirement(leg: Leg, scale: Decimal) -> Decimal:
    return leg.brackets.maintenance(leg.notional(leg.mark) * scale)


def _slope(leg: Leg) -> Decimal:
    """Return what one more unit of scale adds to the cushion, above the last cap."""
    direction = -leg.sign if leg.contract else leg.sign
    return leg.notional(leg.mark) * (direction - leg.brackets.rows[-1].rate)


def _solve(legs: Sequence[Leg], tiers: Sequence[Bracket], funds: Decimal) -> Decimal | None:
    """Return the price at which the funds are used up if these tiers apply, or None."""
    above = funds
    below = Decimal(0)
    inverse = False
    for leg, tier in zip(legs, tiers, strict=True):
        size = leg.quantity * leg.contract if leg.contract else leg.quantity
        inverse = inverse or bool(leg.contract)
        above += tier.amount + (leg.sign * size / leg.entry if leg.contract else -leg.sign * size * leg.entry)
        below += size * tier.rate + (leg.sign * size if leg.contract else -leg.sign * size)
    if inverse:
        return below / above if above else None
    return above / below if below else None


def _holds(leg: Leg, tier: Bracket, price: Decimal) -> bool:
    """Say whether the tier is the one of the leg at this price; neighbours agree at the bound they share."""
    notional = leg.notional(price)
    slack = notional * _CLOSE
    return tier.floor - slack <= notional and (notional <= tier.cap + slack or tier is leg.brackets.rows[-1])


def _bisect(function: Callable[[Decimal], Decimal], *, safe: Decimal, gone: Decimal) -> Decimal:
    """Return where a function that is >= 0 at ``safe`` and negative at ``gone`` changes its sign."""
    for _ in range(_BISECTIONS):
        middle = (safe + gone) / 2
        if function(middle) >= 0:
            safe = middle
        else:
            gone = middle
    return safe
