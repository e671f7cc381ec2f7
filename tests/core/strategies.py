"""Plausible accounts, tier tables and marks: drawn by hypothesis, or by a seed where thousands are wanted.

Ranges: marks from 1e-3 to 1e5, tables of 1 to 7 brackets with rates from 0.4 % to 50 %, notionals from a tenth of
the first bracket's cap to ten times the last floor, entries from half to twice the mark, wallet balances from a
thousandth to three times the notional, sometimes zero, negative or such that the liquidation price is on a
bracket bound. A quarter of the marks put a notional exactly on a bracket bound or one float beside it.
"""

import math
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol, TypeVar

from hypothesis import strategies as st

from monitor.core.model import AccountSnapshot, Bracket, BracketTable, MarginMode, Market, Position, Side

T = TypeVar("T")

RATES = (
    "0.004",
    "0.005",
    "0.0065",
    "0.01",
    "0.015",
    "0.02",
    "0.025",
    "0.05",
    "0.1",
    "0.125",
    "0.1667",
    "0.25",
    "0.5",
)
SCALES = (5_000, 7_500, 10_000, 25_000, 62_500, 125_000, 250_000, 300_000, 800_000, 3_000_000, 12_000_000)
COIN_SCALES = (5, 10, 20, 50, 100, 200, 400)
MAX_BRACKETS = 7


def usdt(symbol: str, side: Side, quantity: float, entry: float, margin: float | None = None) -> Position:
    """Return a cross leg, or an isolated one where a margin is given."""
    mode = MarginMode.CROSS if margin is None else MarginMode.ISOLATED
    return Position(symbol, side, quantity, entry, mode, "USDT", margin or 0.0)


def coin(side: Side, contracts: float, entry: float, symbol: str = "BTCUSD_PERP") -> Position:
    """Return a cross leg of contracts of 100 quote units."""
    return Position(symbol, side, contracts, entry, MarginMode.CROSS, "BTC", 0.0, 100.0, True)


class Source(Protocol):
    """Where choices come from."""

    def number(self, low: float, high: float) -> float: ...

    def whole(self, low: int, high: int) -> int: ...

    def pick(self, options: Sequence[T]) -> T: ...


class Seeded:
    """Choices of a seeded generator: the same thousands each time."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  # reproducible, not secret

    def number(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def whole(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def pick(self, options: Sequence[T]) -> T:
        return self._random.choice(options)


class Drawn:
    """Choices of hypothesis, which shrinks them; first options are the simplest."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def number(self, low: float, high: float) -> float:
        return self._draw(st.floats(low, high))

    def whole(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def pick(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))


class Case(NamedTuple):
    """Everything one evaluation needs."""

    accounts: tuple[AccountSnapshot, ...]
    tables: dict[str, BracketTable]
    marks: dict[str, float]


def build_table(symbol: str, rows: Sequence[tuple[float, str]], cap: float = 1e12) -> BracketTable:
    """Return a table of (floor, rate) rows with the maintenance amounts that leave no step between them."""
    brackets: list[Bracket] = []
    cum, below = Decimal(0), Decimal(0)
    caps = [*(floor for floor, _ in rows[1:]), cap]
    for (floor, rate), top in zip(rows, caps, strict=True):
        cum += Decimal(repr(floor)) * (Decimal(rate) - below)
        below = Decimal(rate)
        brackets.append(Bracket(floor, top, float(rate), float(cum)))
    return BracketTable(symbol, tuple(brackets))


def draw_table(source: Source, symbol: str, *, inverse: bool) -> BracketTable:
    """Return a table of 1 to 7 brackets."""
    count = source.whole(1, MAX_BRACKETS)
    first = source.whole(0, len(RATES) - count)
    scales = COIN_SCALES if inverse else SCALES
    start = source.whole(0, len(scales) - count)
    floors = [0.0, *(float(scale) for scale in scales[start : start + count - 1])]
    return build_table(symbol, list(zip(floors, RATES[first : first + count], strict=True)))


def draw_case(source: Source, name: str = "main", *, symbols: int = 3) -> Case:
    """Return one account with positions in 1 to ``symbols`` symbols named after it."""
    inverse = source.pick((False, False, False, True))
    assets = ("BTC",) if inverse else source.pick((("USDT",), ("USDT", "USDC")))
    tables: dict[str, BracketTable] = {}
    marks: dict[str, float] = {}
    legs: list[Position] = []
    for i in range(source.whole(1, symbols)):
        asset = source.pick(assets)
        symbol = f"{name}{i}{asset}"
        tables[symbol] = draw_table(source, symbol, inverse=inverse)
        mode = source.pick((MarginMode.CROSS, MarginMode.CROSS, MarginMode.ISOLATED))
        marks[symbol], added = _draw_symbol(source, tables[symbol], asset, mode, inverse=inverse)
        legs += added
    balances: dict[str, float] = {}
    for asset in assets:
        backed = [leg for leg in legs if leg.margin_mode is MarginMode.CROSS and leg.margin_asset == asset]
        balances[asset] = _draw_balance(source, backed, marks, tables)
    positions = tuple(
        leg
        if leg.margin_mode is MarginMode.CROSS
        else _with_margin(leg, _draw_balance(source, [leg], marks, tables))
        for leg in legs
    )
    market = Market.COINM if inverse else Market.USDM
    return Case((AccountSnapshot(name, balances, positions, market),), tables, marks)


def merge(cases: Sequence[Case]) -> Case:
    """Return all accounts of several cases as one."""
    tables: dict[str, BracketTable] = {}
    marks: dict[str, float] = {}
    for case in cases:
        tables |= case.tables
        marks |= case.marks
    return Case(tuple(account for case in cases for account in case.accounts), tables, marks)


@st.composite
def cases(draw: st.DrawFn, accounts: int = 2, symbols: int = 3) -> Case:
    """Draw 1 to ``accounts`` accounts with up to ``symbols`` symbols each."""
    source = Drawn(draw)
    return merge([draw_case(source, f"a{i}", symbols=symbols) for i in range(source.whole(1, accounts))])


def _draw_symbol(
    source: Source, table: BracketTable, asset: str, mode: MarginMode, *, inverse: bool
) -> tuple[float, list[Position]]:
    floors = [bracket.floor for bracket in table.brackets[1:]] or [50.0 if inverse else 50_000.0]
    mark = math.pow(10.0, source.number(0.0 if inverse else -3.0, 5.0))
    contract = source.pick((10.0, 100.0)) if inverse else 1.0
    notional = floors[0] * math.pow(10.0, source.number(-1.0, math.log10(10.0 * floors[-1] / floors[0])))
    if source.pick((False, False, False, True)):
        # A power of two, so that price times quantity is exact and the notional is just the floor.
        floor = source.pick(floors)
        exponent = math.ldexp(1.0, round(math.log2(mark if inverse else notional / mark)))
        quantity = floor * exponent / contract if inverse else exponent
        mark = exponent if inverse else floor / quantity
        mark = source.pick((mark, math.nextafter(mark, 0.0), math.nextafter(mark, math.inf)))
    else:
        quantity = notional * mark / contract if inverse else notional / mark

    def leg(side: Side, amount: float) -> Position:
        entry = mark * source.pick((1.0, source.number(0.95, 1.05), source.number(0.5, 2.0)))
        return Position(table.symbol, side, amount, entry, mode, asset, 0.0, contract, inverse)

    kind = source.pick(("long", "short", "hedged", "hedged", "level"))
    if kind == "long":
        return mark, [leg(Side.LONG, quantity)]
    if kind == "short":
        return mark, [leg(Side.SHORT, quantity)]
    other = (
        quantity if kind == "level" else quantity * source.pick((source.number(0.3, 1.5), source.number(0.8, 1.1)))
    )
    # Either order: nothing may depend on it.
    pair = [leg(Side.LONG, quantity), leg(Side.SHORT, other)]
    return mark, pair if source.pick((True, False)) else pair[::-1]


def _draw_balance(
    source: Source, legs: Sequence[Position], marks: dict[str, float], tables: dict[str, BracketTable]
) -> float:
    """Return a wallet balance from hopeless to ample."""
    worth = sum(_notional(leg, marks[leg.symbol]) for leg in legs) or 1000.0
    kind = source.pick(("ample", "ample", "ample", "ample", "even", "even", "even", "bound", "zero", "debt"))
    amount = worth * math.pow(10.0, source.number(-3.0, 0.5))
    if kind == "zero":
        return 0.0
    if kind == "debt":
        return -amount
    if kind == "bound" and len(legs) == 1 and len(tables[legs[0].symbol].brackets) > 1:
        bracket = source.pick(tables[legs[0].symbol].brackets[1:])
        price = _price_at(legs[0], bracket.floor)
        return bracket.floor * bracket.mmr - bracket.cum - _pnl(legs[0], price)
    if kind == "even":
        return amount - sum(_pnl(leg, marks[leg.symbol]) for leg in legs)
    return amount


def _notional(leg: Position, price: float) -> float:
    size = leg.quantity * leg.contract_size
    return size / price if leg.inverse else size * price


def _price_at(leg: Position, notional: float) -> float:
    size = leg.quantity * leg.contract_size
    return size / notional if leg.inverse else notional / size


def _pnl(leg: Position, price: float) -> float:
    size = leg.quantity * leg.contract_size * (1.0 if leg.side is Side.LONG else -1.0)
    return size / leg.entry_price - size / price if leg.inverse else size * (price - leg.entry_price)


def _with_margin(leg: Position, margin: float) -> Position:
    return Position(
        leg.symbol, leg.side, leg.quantity, leg.entry_price, leg.margin_mode, leg.margin_asset,
        margin, leg.contract_size, leg.inverse,
    )  # fmt: skip
