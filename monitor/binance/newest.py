"""The newest mark of each symbol, merged over connections that overlap."""

from collections.abc import Iterable, Mapping
from enum import Enum

from monitor.core.model import MarkTick


class Verdict(Enum):
    """What a tick is, compared with the newest of its symbol."""

    NEW = "new"
    DUPLICATE = "duplicate"
    OLD = "old"


class Newest:
    """Lets a tick pass once and in order of the exchange's clock; counts what it holds back.

    Frames name only some of the symbols, so what is known is merged, never replaced.
    """

    def __init__(self) -> None:
        self.passed = 0
        self.duplicates = 0
        self.dropped_old = 0
        self._ticks: dict[str, MarkTick] = {}

    @property
    def ticks(self) -> Mapping[str, MarkTick]:
        """The newest tick of each symbol, as it goes on: not a copy."""
        return self._ticks

    def judge(self, tick: MarkTick) -> Verdict:
        """Return what the tick is, and remember it if it is new."""
        newest = self._ticks.get(tick.symbol)
        if newest is None or tick.event_ms > newest.event_ms:
            self._ticks[tick.symbol] = tick
            self.passed += 1
            return Verdict.NEW
        if tick.event_ms == newest.event_ms:
            self.duplicates += 1
            return Verdict.DUPLICATE
        self.dropped_old += 1
        return Verdict.OLD

    def silent(self, symbols: Iterable[str], before_s: float) -> tuple[str, ...]:
        """Return the symbols without a new mark since ``before_s`` (monotonic), sorted."""
        ticks = self._ticks
        return tuple(sorted(s for s in symbols if (newest := ticks.get(s)) is None or newest.seen_s <= before_s))

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop what is known of symbols: nobody watches them any more, or it was wrong."""
        for symbol in symbols:
            self._ticks.pop(symbol, None)
