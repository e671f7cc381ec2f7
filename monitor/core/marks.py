"""Newest marks by symbol, and how old they are."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from monitor.core.book import Bools, Floats
from monitor.core.model import MarkRange, Source
from monitor.core.notices import DataState
from monitor.core.settings import FreshnessRules


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

    def watch(self, symbols: tuple[str, ...], now_s: float) -> None:
        """Follow exactly these symbols; known marks are kept, silence of new ones counts from ``now_s``."""
        heard = dict(zip(self.symbols, self.heard_s.tolist(), strict=True))
        self.symbols = symbols
        self._index = {symbol: i for i, symbol in enumerate(symbols)}
        self._newest = {symbol: mark for symbol, mark in self._newest.items() if symbol in self._index}
        self._expected &= self._index.keys()
        self.heard_s = np.array([heard.get(symbol, now_s) for symbol in symbols])
        self.price = np.array([self._newest[s].price if s in self._newest else np.nan for s in symbols])

    def expect(self, symbols: Iterable[str], at_s: float) -> None:
        """Count the silence of symbols that have never delivered from ``at_s`` on.

        Only the first time: a feed that reconnects again and again must not put off that it is blind.
        """
        for symbol in symbols:
            index = self._index.get(symbol)
            if index is not None and symbol not in self._newest and symbol not in self._expected:
                self._expected.add(symbol)
                self.heard_s[index] = max(at_s, float(self.heard_s[index]))

    def take(self, ranges: Iterable[MarkRange]) -> tuple[Floats, Floats] | None:
        """Take new marks.

        Returns:
            Lowest and highest mark by symbol if any symbol moved within its range, else None.
        """
        moved: list[tuple[int, float, float]] = []
        for new in ranges:
            index = self._index.get(new.symbol)
            if index is None:
                continue
            self.price[index] = new.mark
            self.heard_s[index] = new.seen_s
            self._newest[new.symbol] = Mark(new.mark, new.event_ms, new.seen_s, new.source)
            if new.low < new.mark or new.high > new.mark:
                moved.append((index, new.low, new.high))
        if not moved:
            return None
        low, high = self.price.copy(), self.price.copy()
        for index, lowest, highest in moved:
            low[index], high[index] = lowest, highest
        return low, high

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
        """Return which names have been silent for so long, shape (s,)."""
        return now_s - self.heard_s >= after_s

    def silence_s(self, symbol: str, now_s: float) -> float:
        """Return for how long nothing was heard of a watched symbol, in seconds."""
        return now_s - float(self.heard_s[self._index[symbol]])

    def state(self, symbol: str, now_s: float, rules: FreshnessRules) -> DataState:
        """Judge a watched symbol by its silence."""
        silence = self.silence_s(symbol, now_s)
        if silence >= rules.blind_after_s:
            return DataState.BLIND
        return DataState.SUSPECT if silence >= rules.suspect_after_s else DataState.FRESH
