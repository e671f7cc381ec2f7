"""The wallets under study as books of the product's core: many copies of one wallet, each at marks of its own."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from monitor.core.book import Book, Floats
from monitor.core.compile import compile_book
from monitor.core.model import AccountSnapshot, Bracket, BracketTable, MarginMode, Position, Side
from monitor.core.moves import typical_moves
from monitor.core.risk import Readings, evaluate_rows
from monitor.core.wallet_moves import Deltas, cushion_deltas, cushion_deviations

MOST_ROWS = 12_000  # of one pass; more would leave the cache
_SMALLEST = 32


class Leg(NamedTuple):
    """A position at entry, where every mark is 1; legs stand in the order of symbol, LONG before SHORT."""

    symbol: int
    side: Side
    notional: float  # share of the wallet's gross notional


class Kind(NamedTuple):
    """A shape of wallet."""

    name: str
    legs: tuple[Leg, ...]
    mode: MarginMode = MarginMode.CROSS

    @property
    def symbols(self) -> int:
        """How many symbols it holds."""
        return 1 + max(leg.symbol for leg in self.legs)


class Terms(NamedTuple):
    """What it is worth and what is required of it; leverage is gross notional / wallet balance at entry."""

    leverage: float
    mmr: float


def _long(count: int) -> tuple[Leg, ...]:
    return tuple(Leg(symbol, Side.LONG, 1.0 / count) for symbol in range(count))


ISOLATED = Kind("isolated", _long(1), MarginMode.ISOLATED)
CROSS_1 = Kind("cross, 1", _long(1))
CROSS_5 = Kind("cross, 5", _long(5))
CROSS_20 = Kind("cross, 20", _long(20))
PAIR = Kind("hedged pair", (Leg(0, Side.LONG, 0.625), Leg(0, Side.SHORT, 0.375)))
SPREAD = Kind("5 long, 5 short", tuple(Leg(i, Side.SHORT if i % 2 else Side.LONG, 0.1) for i in range(10)))


class Pass(NamedTuple):
    """One evaluation of the first ``wallets`` wallets of a book, for the wallets from ``start`` on."""

    start: int
    wallets: int
    book: Book
    readings: Readings


class Wallets:
    """Copies of one wallet. A book of any size at least as large serves, so few are compiled."""

    def __init__(self, kind: Kind, terms: Terms) -> None:
        self.kind = kind
        self.terms = terms
        self._symbol_of = np.array([leg.symbol for leg in kind.legs])
        self._most = max(1, MOST_ROWS // len(kind.legs))
        self._books: dict[int, Book] = {}
        entry = next(self.evaluate(np.ones((1, kind.symbols))))
        self.entry_cushion = float(entry.readings.cushion[0])

    def book(self, wallets: int) -> Book:
        """Return a book of at least so many wallets."""
        size = _SMALLEST
        while size < wallets:
            size *= 2
        size = min(size, self._most)
        if size not in self._books:
            names = [f"S{symbol:02d}USDT" for symbol in range(self.kind.symbols)]
            table = (Bracket(0.0, 1e12, self.terms.mmr, 0.0),)
            tables = {name: BracketTable(name, table) for name in names}
            self._books[size] = compile_book([self._account(f"{i:05d}", names) for i in range(size)], tables)
        return self._books[size]

    def _account(self, name: str, symbols: list[str]) -> AccountSnapshot:
        mode, margin = self.kind.mode, 1.0 / self.terms.leverage
        isolated = margin if mode is MarginMode.ISOLATED else 0.0
        positions = tuple(
            Position(symbols[leg.symbol], leg.side, leg.notional, 1.0, mode, "USDT", isolated)
            for leg in self.kind.legs
        )
        return AccountSnapshot(name, {} if mode is MarginMode.ISOLATED else {"USDT": margin}, positions)

    def evaluate(self, marks: Floats) -> Iterator[Pass]:
        """Evaluate wallets at marks relative to entry, shape (n, symbols), in as few passes as fit the cache."""
        for start in range(0, len(marks), self._most):
            some = marks[start : start + self._most]
            book = self.book(len(some))
            price = np.ones((len(book.wallets), len(self._symbol_of)))
            price[: len(some)] = some[:, self._symbol_of]
            yield Pass(start, len(some), book, evaluate_rows(book, price.ravel()))

    def deviations(self, marks: Floats, returns: Floats) -> Floats:
        """Return the hourly deviation of each wallet's cushion, shape (n,).

        Args:
            marks: relative to entry, shape (n, symbols).
            returns: one-minute log returns, shape (minutes, n, symbols).
        """
        symbols = self.kind.symbols
        found = np.empty(len(marks))
        for part in self.evaluate(marks):
            some = slice(part.start, part.start + part.wallets)
            columns = np.ascontiguousarray(returns[:, some]).reshape(len(returns), -1)
            deltas = cushion_deltas(part.book, part.readings)
            mine = deltas.wallets < part.wallets
            wallets = deltas.wallets[mine]
            deltas = Deltas(wallets, wallets * symbols + deltas.names[mine], deltas.gains[mine])
            # With several symbols only the joint returns count; that each is known must be said all the same.
            typical = typical_moves(columns) if symbols == 1 else np.ones(columns.shape[1])
            found[some] = cushion_deviations(part.book, deltas, columns, typical)[: part.wallets]
        return found
