"""Newest marks by symbol, and how old they are.

Age is the silence of the stream. A mark from REST is a price like any other, and no sign of life: while only REST
tells something, the stream is as silent as before.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from monitor.core.book import Bools, Floats
from monitor.core.model import MarkRange, Source
from monitor.core.notices import DataState
from monitor.core.settings import FreshnessRules

_REST = Source.REST  # taken from the enum for each tick it would cost as much as half of the rest


class Mark(NamedTuple):
    """The newest mark of one symbol."""

    price: float
    event_ms: int
    seen_s: float
    source: Source


class MarkBoard:
    """Vectors of marks in the order of a book's symbols; the engine is the only writer."""

    def __init__(self) -> None:
        self.symbols: tuple[str, ...] = ()
        self.price: Floats = np.zeros(0)
        self.heard_s: Floats = np.zeros(0)  # when each was last heard of, or first expected (monotonic)
        self._index: Mapping[str, int] = {}
        self._newest: dict[str, Mark] = {}
        self._expected: set[str] = set()  # symbols whose silence counts from a subscription
        self._unheard: set[str] = set()  # symbols of whose stream nothing is known yet
        self._rest_s: dict[str, float] = {}  # when REST last gave a current mark, by symbol
        self._doubted: dict[str, frozenset[str]] = {}  # symbols whose stream is wrong, by feed
        self._wrong: Bools | None = None  # the same by index; None while there is none

    def watch(self, symbols: tuple[str, ...], now_s: float) -> None:
        """Follow exactly these symbols; known marks are kept, silence of new ones counts from ``now_s``."""
        heard = dict(zip(self.symbols, self.heard_s.tolist(), strict=True))
        self._unheard = {s for s in symbols if s not in heard or s in self._unheard}
        self.symbols = symbols
        self._index = {symbol: i for i, symbol in enumerate(symbols)}
        self._newest = {symbol: mark for symbol, mark in self._newest.items() if symbol in self._index}
        self._expected &= self._index.keys()
        self._rest_s = {symbol: at_s for symbol, at_s in self._rest_s.items() if symbol in self._index}
        self.heard_s = np.array([heard.get(symbol, now_s) for symbol in symbols])
        self.price = np.array([self._newest[s].price if s in self._newest else np.nan for s in symbols])
        self._mask()

    def distrust(self, feed: str, symbols: Collection[str]) -> None:
        """Take which symbols' streams of a feed are wrong, in place of what was said before."""
        self._doubted[feed] = frozenset(symbols)
        self._mask()

    def _mask(self) -> None:
        wrong = np.array([self.is_distrusted(symbol) for symbol in self.symbols], dtype=np.bool_)
        self._wrong = wrong if wrong.any() else None

    def is_distrusted(self, symbol: str) -> bool:
        """Return whether the stream's marks of a symbol are wrong."""
        return any(symbol in symbols for symbols in self._doubted.values())

    def expect(self, symbols: Iterable[str], at_s: float) -> None:
        """Count the silence of symbols that have never delivered from ``at_s`` on.

        Only the first time: a feed that reconnects again and again must not put off that it is blind.
        """
        for symbol in symbols:
            index = self._index.get(symbol)
            if index is not None and symbol not in self._newest and symbol not in self._expected:
                self._expected.add(symbol)
                self.heard_s[index] = max(at_s, float(self.heard_s[index]))

    def excuse(self, symbols: Collection[str], at_s: float) -> None:
        """Count the silence of symbols from ``at_s`` on: until then it was in order."""
        self._unheard.difference_update(symbols)
        for symbol in symbols:
            index = self._index.get(symbol)
            if index is not None:
                self.heard_s[index] = max(at_s, float(self.heard_s[index]))

    def take(self, ranges: Iterable[MarkRange]) -> tuple[Floats, Floats] | None:
        """Take new marks: of a symbol at most one range from the stream, and after all of those one from REST.

        Returns:
            Lowest and highest mark by symbol if any symbol moved within its range, else None.
        """
        ranges = tuple(ranges)
        moved: list[tuple[int, float, float]] = []
        beside: dict[str, MarkRange] | None = None  # what the stream said in the same moment
        for new in ranges:
            index = self._index.get(new.symbol)
            if index is None:
                continue
            low, high = new.low, new.high
            if new.source is _REST:
                if self._is_old(new):
                    continue
                if beside is None:
                    beside = {one.symbol: one for one in ranges if one.source is not _REST}
                if (heard := beside.get(new.symbol)) is not None:
                    low, high = min(low, heard.low), max(high, heard.high)
                self._rest_s[new.symbol] = new.seen_s
            else:
                self.heard_s[index] = new.seen_s
                self._unheard.discard(new.symbol)
            self.price[index] = new.mark
            self._newest[new.symbol] = Mark(new.mark, new.event_ms, new.seen_s, new.source)
            if low < new.mark or high > new.mark:
                moved.append((index, low, high))
        if not moved:
            return None
        low_marks, high_marks = self.price.copy(), self.price.copy()
        for index, lowest, highest in moved:
            low_marks[index], high_marks[index] = lowest, highest
        return low_marks, high_marks

    def _is_old(self, new: MarkRange) -> bool:
        """Return whether a mark from REST is older than what is known; a wrong stream may tell any time."""
        known = self._newest.get(new.symbol)
        if known is None or new.event_ms >= known.event_ms:
            return False
        return known.source is not Source.STREAM or not self.is_distrusted(new.symbol)

    def seed(self, marks: Mapping[str, float], event_ms: int, seen_s: float) -> bool:
        """Take marks of a REST reply for symbols that have none yet; return whether there was one.

        Their silence goes on counting: a reply is no stream.
        """
        new = {s: price for s, price in marks.items() if s in self._index and s not in self._newest and price > 0}
        for symbol, price in new.items():
            self.price[self._index[symbol]] = price
            self._newest[symbol] = Mark(price, event_ms, seen_s, Source.REST)
        return bool(new)

    def newest(self, symbol: str) -> Mark | None:
        """Return the newest mark of a symbol, or None."""
        return self._newest.get(symbol)

    def silent(self, now_s: float, after_s: float) -> Bools:
        """Return which names have been silent for so long, or have a stream that is wrong, shape (s,)."""
        silent: Bools = now_s - self.heard_s >= after_s
        return silent if self._wrong is None else silent | self._wrong

    def silence_s(self, symbol: str, now_s: float) -> float:
        """Return for how long nothing was heard of a watched symbol, in seconds."""
        return now_s - float(self.heard_s[self._index[symbol]])

    def is_heard(self, symbol: str) -> bool:
        """Return whether the stream of a watched symbol ever said something, or has a reason not to."""
        return symbol not in self._unheard

    def is_bridged(self, symbol: str, now_s: float, within_s: float) -> bool:
        """Return whether REST gave a current mark of a symbol within so many seconds."""
        at_s = self._rest_s.get(symbol)
        return at_s is not None and now_s - at_s <= within_s

    def state(self, symbol: str, now_s: float, rules: FreshnessRules, forgiven_s: float = 0.0) -> DataState:
        """Judge a watched symbol by its silence; one whose stream is wrong is blind, however much comes.

        What is forgiven keeps it from being blind, and not from being suspect: what is known is old all the same.
        """
        silence = self.silence_s(symbol, now_s)
        if silence - forgiven_s >= rules.blind_after_s or (self._wrong is not None and self.is_distrusted(symbol)):
            return DataState.BLIND
        return DataState.SUSPECT if silence >= rules.suspect_after_s else DataState.FRESH
