"""Multi-assets accounts once more, in `Decimal` and from the definitions: equity, requirement and their zeros.

The cushion along a common factor is straight between the factors at which a notional reaches a floor or an
asset's equity changes its sign. All of them are listed, the cushion is evaluated at each, and its zeros are read
off the straight pieces: nothing is iterated and no line is followed.
"""

from collections.abc import Callable, Collection, Mapping
from decimal import Context, Decimal, localcontext
from typing import NamedTuple

from monitor.core.model import PAR, AccountSnapshot, AssetRate, BracketTable, MarginMode, Position, Side
from tests.core.reference import ACCURACY, ONE, ZERO, Figure, total

QUOTES = ("USDT", "USDC")


class MultiFigures(NamedTuple):
    """Figures of the one wallet; roots are prices by symbol, moves factors; each with whether it is in doubt."""

    equity: Figure
    required: Figure
    roots: dict[str, tuple[list[Figure], bool]]
    linked: dict[str, tuple[list[Figure], bool]]
    together: tuple[list[Figure], bool]


def assess(
    account: AccountSnapshot, tables: Mapping[str, BracketTable], marks: Mapping[str, float]
) -> MultiFigures:
    """Return the figures of an account in multi-assets mode; a leg's mark is its symbol's."""
    with localcontext(Context(prec=60)):
        return _assess(account, tables, {symbol: Decimal(mark) for symbol, mark in marks.items()})


def _assess(
    account: AccountSnapshot, tables: Mapping[str, BracketTable], marks: Mapping[str, Decimal]
) -> MultiFigures:
    legs = account.positions
    held = set(account.balances) | {leg.margin_asset for leg in legs}
    symbols = {leg.symbol for leg in legs}

    def solve(moving: Collection[str], assets: Collection[str]) -> tuple[list[Figure], bool]:
        def parts(factor: Decimal) -> tuple[Figure, Figure]:
            return _worth(account, tables, marks, factor, moving=moving, assets=assets)

        corners: set[Decimal] = set()
        for leg in legs:
            if leg.symbol in moving and leg.quantity:
                now = Decimal(leg.quantity) * marks[leg.symbol]
                corners |= {Decimal(repr(row.floor)) / now for row in tables[leg.symbol].brackets[1:]}
        for asset in held:
            at_0, at_1 = (
                _equity(account, marks, asset, factor, moving=moving, assets=assets).value
                for factor in (ZERO, ONE)
            )
            if at_1 != at_0:
                corners.add(-at_0 / (at_1 - at_0))
        return _zeros(lambda factor: parts(factor)[0].plus(parts(factor)[1], -1), {c for c in corners if c > 0})

    equity, required = _worth(account, tables, marks, ONE, moving=symbols, assets=held)
    roots: dict[str, tuple[list[Figure], bool]] = {}
    linked: dict[str, tuple[list[Figure], bool]] = {}
    for symbol in symbols:
        mark = marks[symbol]
        factors, doubt = solve({symbol}, set())
        roots[symbol] = [Figure(f.value * mark, f.terms * mark) for f in factors], doubt
        margin = next(leg.margin_asset for leg in legs if leg.symbol == symbol)
        base = symbol.removesuffix(margin)
        linked[symbol] = solve({symbol}, ({base} & held) - set(QUOTES))
    return MultiFigures(equity, required, roots, linked, solve(symbols, held - set(QUOTES)))


def _rate(account: AccountSnapshot, asset: str) -> AssetRate:
    return account.rates.get(asset, PAR)


def _equity(
    account: AccountSnapshot, marks: Mapping[str, Decimal], asset: str, factor: Decimal, *,
    moving: Collection[str], assets: Collection[str],
) -> Figure:  # fmt: skip
    """Return balance and profit in one asset."""
    balance = Decimal(account.balances.get(asset, 0.0)) * (factor if asset in assets else ONE)
    terms = [balance]
    for leg in account.positions:
        if leg.margin_asset == asset and leg.margin_mode is MarginMode.CROSS:
            direction = 1 if leg.side is Side.LONG else -1
            price = _price(leg, marks, factor, moving)
            size = Decimal(leg.quantity) * direction
            terms += [size * price, -size * Decimal(leg.entry_price)]
    return total(terms)


def _price(leg: Position, marks: Mapping[str, Decimal], factor: Decimal, moving: Collection[str]) -> Decimal:
    return marks[leg.symbol] * (factor if leg.symbol in moving else ONE)


def _worth(
    account: AccountSnapshot, tables: Mapping[str, BracketTable], marks: Mapping[str, Decimal], factor: Decimal, *,
    moving: Collection[str], assets: Collection[str],
) -> tuple[Figure, Figure]:  # fmt: skip
    """Return equity and requirement in dollars."""
    worth, required = Figure(ZERO, ZERO), Figure(ZERO, ZERO)
    for asset in set(account.balances) | {leg.margin_asset for leg in account.positions}:
        rate = _rate(account, asset)
        equity = _equity(account, marks, asset, factor, moving=moving, assets=assets)
        bid, ask = Decimal(rate.bid), Decimal(rate.ask)
        value = min(equity.value * bid, equity.value * ask)
        worth = worth.plus(Figure(value, equity.terms * ask))
    for leg in account.positions:
        notional = Decimal(leg.quantity) * _price(leg, marks, factor, moving)
        rows = tables[leg.symbol].brackets
        row = [r for i, r in enumerate(rows) if not i or Decimal(repr(r.floor)) <= notional][-1]
        ask = Decimal(_rate(account, leg.margin_asset).ask)
        margin = total([notional * Decimal(repr(row.mmr)), -Decimal(repr(row.cum))])
        required = required.plus(Figure(margin.value * ask, margin.terms * ask))
    return worth, required


def _zeros(cushion: Callable[[Decimal], Figure], corners: set[Decimal]) -> tuple[list[Figure], bool]:
    """Return the factors above 0 at which a chain of straight pieces is zero; whether their number is in doubt."""
    edges = [ZERO, *sorted(corners)]
    edges += [edges[-1] * 2 + 1]
    values = [cushion(edge) for edge in edges]
    doubt = any(abs(value.value) <= 10 * ACCURACY * value.terms for value in (max(values), values[0]))
    found: list[Figure] = []
    for i, (left, low) in enumerate(zip(edges, values, strict=True)):
        last = i + 2 >= len(edges)
        if i + 1 == len(edges):
            break
        right, high = edges[i + 1], values[i + 1]
        slope = (high.value - low.value) / (right - left)
        size = (high.terms + low.terms) / (right - left)
        doubt = doubt or (last and abs(slope) <= 10 * ACCURACY * size)
        if not slope:
            continue
        zero = left - low.value / slope
        if zero > 0 and left <= zero and (last or zero < right):
            found.append(Figure(zero, (low.terms + high.terms + size * zero) / abs(slope)))
    return found, doubt
