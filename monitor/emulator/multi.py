"""One wallet for all assets: what it is worth in dollars, and the moves that use it up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from monitor.emulator.collateral import PAR, QUOTE_ASSETS, Rate
from monitor.emulator.liquidation import Leg, precise

_ZERO = Decimal(0)
_ONE = Decimal(1)
_HALVINGS = 140
_NARROWINGS = 300  # thirds taken off: 10^-52 of the interval is left
_FAR = Decimal(2) ** 40  # nothing rises further


@dataclass(frozen=True, slots=True)
class PooledLeg:
    """A leg with what a shared wallet must know of it: its symbol, margin asset and underlying."""

    leg: Leg
    symbol: str
    asset: str
    base: str


@dataclass(frozen=True, slots=True)
class Pool:
    """The wallet of an account in multi-assets mode.

    Attributes:
        balances: wallet balance by asset.
        legs: everything it backs.
        rates: dollars by asset; one that is missing counts 1.
    """

    balances: Mapping[str, Decimal]
    legs: Sequence[PooledLeg]
    rates: Mapping[str, Rate]

    def equity(self, move: "Move | None" = None) -> Decimal:
        """Return the margin balance in dollars, now or after a move."""
        moved = move or Move()
        total = _ZERO
        for asset in dict.fromkeys([*self.balances, *(one.asset for one in self.legs)]):
            amount = self.balances.get(asset, _ZERO)
            amount += sum((one.leg.pnl(moved.mark(one)) for one in self.legs if one.asset == asset), _ZERO)
            total += self._rate(asset, moved).worth(amount)
        return total

    def maintenance(self, move: "Move | None" = None) -> Decimal:
        """Return the maintenance margin in dollars: what would have to be bought, hence the ask rate."""
        moved = move or Move()
        return sum(
            (one.leg.maintenance(moved.mark(one)) * self._rate(one.asset, moved).ask for one in self.legs), _ZERO
        )

    def entry_maintenance(self) -> Decimal:
        """Return the maintenance margin in dollars with every mark at its entry price."""
        return sum(
            (one.leg.maintenance(one.leg.entry) * self._rate(one.asset, Move()).ask for one in self.legs), _ZERO
        )

    def wallet_balance(self) -> Decimal:
        """Return the balances in dollars, without any profit."""
        return sum((self._rate(asset, Move()).worth(amount) for asset, amount in self.balances.items()), _ZERO)

    def liquidation_factors(self, symbol: str, *, linked: bool) -> tuple[Decimal, ...]:
        """Return by what factors of a symbol's mark the wallet is used up, ascending, all else fixed.

        Args:
            symbol: whose mark moves.
            linked: the rate of the same underlying moves with it where that is collateral.
        """
        base = next(one.base for one in self.legs if one.symbol == symbol)
        assets = frozenset({base}) - QUOTE_ASSETS if linked else frozenset[str]()
        return self._roots(lambda factor: Move(factor, frozenset({symbol}), assets))

    def joint_distance(self) -> Decimal | None:
        """Return the smallest relative move of all marks and all collateral but quote assets, or None."""
        symbols = frozenset(one.symbol for one in self.legs)
        assets = frozenset(self.balances) - QUOTE_ASSETS
        with precise():
            if self.legs and self.equity() - self.maintenance() <= 0:
                return _ZERO
        if not self.legs:
            return None
        roots = self._roots(lambda factor: Move(factor, symbols, assets))
        return min((abs(root - 1) for root in roots), default=None)

    def _roots(self, move: Callable[[Decimal], "Move"]) -> tuple[Decimal, ...]:
        def cushion(factor: Decimal) -> Decimal:
            moved = move(factor)
            return self.equity(moved) - self.maintenance(moved)

        with precise():
            return concave_roots(cushion)

    def _rate(self, asset: str, move: "Move") -> Rate:
        rate = self.rates.get(asset, PAR)
        return rate.scaled(move.factor) if asset in move.assets else rate


@dataclass(frozen=True, slots=True)
class Move:
    """A move by one factor of some marks and some assets' rates."""

    factor: Decimal = _ONE
    symbols: frozenset[str] = frozenset()
    assets: frozenset[str] = frozenset()

    def mark(self, one: PooledLeg) -> Decimal:
        """Return the mark of a leg after the move."""
        return one.leg.mark * self.factor if one.symbol in self.symbols else one.leg.mark


def concave_roots(function: Callable[[Decimal], Decimal]) -> tuple[Decimal, ...]:
    """Return where a concave function of a factor above 0 changes its sign: no place, one, or two, ascending."""
    top = _ONE if function(_ONE) > 0 else _summit(function)
    if function(top) <= 0:
        return ()
    found = []
    if function(_ZERO) < 0:
        found.append(_cross(function, safe=top, gone=_ZERO))
    high = top * 2
    while function(high) > 0 and high < _FAR:
        high *= 2
    if function(high) <= 0:
        found.append(_cross(function, safe=top, gone=high))
    return tuple(found)


def _summit(function: Callable[[Decimal], Decimal]) -> Decimal:
    low, high = _ZERO, _FAR
    for _ in range(_NARROWINGS):
        third = (high - low) / 3
        if function(low + third) < function(high - third):
            low += third
        else:
            high -= third
    return (low + high) / 2


def _cross(function: Callable[[Decimal], Decimal], *, safe: Decimal, gone: Decimal) -> Decimal:
    for _ in range(_HALVINGS):
        middle = (safe + gone) / 2
        if function(middle) > 0:
            safe = middle
        else:
            gone = middle
    return safe
