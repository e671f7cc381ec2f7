"""Times in which a symbol's marks did not arrive: noticed by the first mark after them.

Only the stream ends one. Marks that are fetched meanwhile come every few seconds, and say nothing about what lay
between them; but the first of a run ends the time in which nothing ran, for the stream may not come back for days,
and where the market is closed and they stand still, nothing was missed.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from monitor.core.events import AtRest, Distrusted, Event
from monitor.core.minutes import MINUTE_MS
from monitor.core.model import MarkTick, Source
from monitor.ports import Inbox

LEAST_MS: Final = MINUTE_MS  # shorter ones are none
DOUBT_MS: Final = 2 * MINUTE_MS  # so long a stream may have been wrong before that is found out
OLDEST_MS: Final = 7 * 86_400_000  # as far as anybody looks back
_MOST: Final = 16  # of one symbol, waiting to be looked at


class Hole(NamedTuple):
    """A time in which no stream mark of a symbol came; exchange time, Unix milliseconds."""

    symbol: str
    from_ms: int
    until_ms: int
    restarted: bool = False  # nothing ran


class Outage(NamedTuple):
    """Holes that overlap, as one."""

    from_ms: int
    until_ms: int
    symbols: frozenset[str]
    restarted: bool
    cut: bool = False  # it began earlier than anybody looks back
    told: bool = False  # what is left is to record it
    tries: int = 0  # how often it was begun to look at


class HoleInbox:
    """Implements ``ports.Inbox`` before another one: every mark passes, and those after a hole are noted.

    Args:
        inbox: where everything goes on to.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._last: dict[str, int] = {}  # event time of each symbol's newest stream mark
        self._beside: dict[str, int] = {}  # of its newest mark from REST
        self._wrong: dict[str, frozenset[str]] = {}  # symbols whose stream is distrusted, by feed
        self._first: dict[str, int] = {}  # of the first of this run, until ``earlier`` was told
        self._earlier: dict[str, int] | None = None  # when an earlier run last saw those yet to come
        self._found: dict[str, list[Hole]] = {}
        self._watched: frozenset[str] = frozenset()
        self._settled = False

    def tick(self, tick: MarkTick) -> None:
        """Take one mark."""
        if tick.source is Source.STREAM:
            self._see(tick.symbol, tick.event_ms)
        else:
            self._beside[tick.symbol] = tick.event_ms
            if tick.symbol not in self._last:
                self._see(tick.symbol, tick.event_ms)
        self._inbox.tick(tick)

    def post(self, event: Event) -> None:
        """Pass any other event on; symbols at rest are seen by what REST last told of them.

        What a stream said shortly before it is distrusted was wrong already: that was not seen either.
        """
        if isinstance(event, AtRest):
            for symbol in event.symbols:
                if symbol in self._beside:
                    self._see(symbol, self._beside[symbol])
        elif isinstance(event, Distrusted):
            for symbol in event.reasons.keys() - self._wrong.get(event.feed, frozenset()):
                if symbol in self._last:
                    self._last[symbol] -= DOUBT_MS
            self._wrong[event.feed] = frozenset(event.reasons)
        self._inbox.post(event)

    def _see(self, symbol: str, event_ms: int) -> None:
        last = self._last.get(symbol)
        if last is None or event_ms > last:
            self._last[symbol] = event_ms
        if last is None:
            self._begin(symbol, event_ms)
        elif event_ms - last >= LEAST_MS:
            self._add(Hole(symbol, last, event_ms))

    def watch(self, names: Collection[str]) -> None:
        """Forget what is no longer watched: that its marks do not come is no hole."""
        self._watched = frozenset(names)
        for known in (self._last, self._beside, self._first):
            for name in known.keys() - self._watched:
                del known[name]
        if self._settled:
            self.settle()

    def earlier(self, seen_ms: Mapping[str, int]) -> None:
        """Learn when an earlier run last saw each symbol; nothing of those that it never did."""
        self._earlier = dict(seen_ms)
        first, self._first = self._first, {}
        for symbol, event_ms in first.items():
            self._begin(symbol, event_ms)

    def settle(self) -> None:
        """From now on, what begins to be watched was opened now: it was not missed since an earlier run."""
        self._settled = True
        if self._earlier is not None:
            self._earlier = {name: ms for name, ms in self._earlier.items() if name in self._watched}

    def take(self) -> tuple[Hole, ...]:
        """Return what was found since the last take."""
        found, self._found = self._found, {}
        return tuple(hole for holes in found.values() for hole in holes)

    def _begin(self, symbol: str, event_ms: int) -> None:
        """Take the first mark of a symbol in this run."""
        if self._earlier is None:
            self._first[symbol] = event_ms
            return
        seen_ms = self._earlier.pop(symbol, None)
        if seen_ms is not None and event_ms - seen_ms >= LEAST_MS:
            self._add(Hole(symbol, seen_ms, event_ms, restarted=True))

    def _add(self, hole: Hole) -> None:
        mine = self._found.setdefault(hole.symbol, [])
        if len(mine) < _MOST:
            mine.append(hole)
        else:  # more is looked at than was missed, and never less
            mine[-1] = mine[-1]._replace(until_ms=hole.until_ms)


def outages(holes: Sequence[Hole]) -> list[Outage]:
    """Return holes that overlap as one each, oldest first, none of them longer than anybody looks back."""
    found: list[Outage] = []
    for hole in sorted(holes, key=lambda one: one.from_ms):
        last = found[-1] if found else None
        if last is None or hole.from_ms > last.until_ms:
            found.append(Outage(hole.from_ms, hole.until_ms, frozenset({hole.symbol}), hole.restarted))
        else:
            found[-1] = Outage(
                last.from_ms,
                max(last.until_ms, hole.until_ms),
                last.symbols | {hole.symbol},
                last.restarted or hole.restarted,
            )
    return [
        one._replace(from_ms=one.until_ms - OLDEST_MS, cut=True) if one.until_ms - one.from_ms > OLDEST_MS else one
        for one in found
    ]
