"""The newest mark of each symbol, merged over connections that overlap."""

from collections.abc import Iterable
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
        self._event_ms: dict[str, int] = {}
        self._seen_s: dict[str, float] = {}

    def judge(self, tick: MarkTick) -> Verdict:
        """Return what the tick is, and remember it if it is new."""
        newest_ms = self._event_ms.get(tick.symbol, 0)
        if tick.event_ms > newest_ms:
            self._event_ms[tick.symbol] = tick.event_ms
            self._seen_s[tick.symbol] = tick.seen_s
            self.passed += 1
            return Verdict.NEW
        if tick.event_ms == newest_ms:
            self.duplicates += 1
            return Verdict.DUPLICATE
        self.dropped_old += 1
        return Verdict.OLD

    def silent(self, symbols: Iterable[str], before_s: float) -> tuple[str, ...]:
        """Return the symbols without a new mark since ``before_s`` (monotonic), sorted."""
        seen = self._seen_s
        return tuple(sorted(symbol for symbol in symbols if seen.get(symbol, before_s) <= before_s))

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop what is known of symbols nobody watches any more."""
        for symbol in symbols:
            self._event_ms.pop(symbol, None)
            self._seen_s.pop(symbol, None)
