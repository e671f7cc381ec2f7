"""Whether the stream tells the truth: what it says beside what REST says. Pure.

A stream can be open, acknowledged and punctual, and still tell the price of an hour ago. REST is another path to
the same figure, so the two are compared now and then; see docs/decisions/0012.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from monitor.core.model import MarkTick

TOLERANCE: Final = 0.001  # of the price, beyond all that the stream said lately
STUCK_TOLERANCE: Final = 0.0002  # a price that stands still and is nearer than this does no harm
IN_A_ROW: Final = 3  # comparisons that have to disagree, in one direction
AGREEMENTS: Final = 2  # in a row that bring trust back
WINDOW_S: Final = 15.0
LIVELY_S: Final = 3.0  # between two moves of a symbol that moves all the time
STILL_S: Final = 8.0  # in which such a symbol does not

_SAMPLES = 64


class Heard(NamedTuple):
    """What the stream said of a symbol: the newest mark, and the range of the last seconds."""

    mark: float
    low: float
    high: float


class Recent:
    """What the stream said in the last seconds, sampled: a tick must not pay for what is asked once a minute."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, dict[str, MarkTick]]] = deque(maxlen=_SAMPLES)

    def note(self, ticks: Mapping[str, MarkTick], now_s: float) -> None:
        """Remember the newest ticks as they are now (monotonic seconds)."""
        self._samples.append((now_s, dict(ticks)))

    def heard(self, symbol: str, since_s: float) -> Heard | None:
        """Return what was said since then; None if the symbol was not heard of."""
        ticks = (ticks.get(symbol) for at_s, ticks in self._samples if at_s >= since_s)
        marks = [tick.mark for tick in ticks if tick is not None]
        return Heard(marks[-1], min(marks), max(marks)) if marks else None

    def clear(self) -> None:
        """Forget everything."""
        self._samples.clear()


class Pace:
    """When each symbol last moved, and whether it had moved all the time until then."""

    def __init__(self) -> None:
        self._moved: dict[str, tuple[float, float, bool]] = {}  # mark, since when, and whether it was lively

    def note(self, ticks: Mapping[str, MarkTick], symbols: Iterable[str], now_s: float) -> None:
        """Take the newest ticks as they are now (monotonic seconds)."""
        for symbol in symbols:
            tick = ticks.get(symbol)
            if tick is not None:
                mark, since_s, _ = self._moved.get(symbol, (0.0, -LIVELY_S, False))
                if tick.mark != mark:
                    self._moved[symbol] = (tick.mark, now_s, now_s - since_s < LIVELY_S)

    def still(self, now_s: float) -> dict[str, float]:
        """Return the lively symbols that have not moved for ``STILL_S``, and since when."""
        return {
            symbol: since_s
            for symbol, (_, since_s, lively) in self._moved.items()
            if lively and now_s - since_s >= STILL_S
        }

    def keep(self, symbols: Collection[str]) -> None:
        """Forget all symbols but these."""
        self._moved = {symbol: moved for symbol, moved in self._moved.items() if symbol in symbols}


class Charge(NamedTuple):
    """What is held against the stream of a symbol."""

    symbol: str
    rest: float  # mark
    said: Heard
    stuck: bool

    def is_refuted(self, witness: float) -> bool:
        """Return whether a mark from elsewhere is nearer to what the stream said than to REST."""
        apart = max(self.said.low - witness, witness - self.said.high, 0.0)
        return apart < abs(witness - self.rest)


class _Doubt(NamedTuple):
    direction: int = 0  # in which REST is beyond the stream, 0 if it is not
    times: int = 0  # in a row
    stuck: bool = False
    moved: bool = False  # REST did, while the stream did not


class Trust:
    """Which symbols' streams are believed. ``reasons`` has those that are not, each with why, in words."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self._stuck: dict[str, float] = {}  # the price at which a distrusted symbol stood still
        self._agreed: dict[str, int] = {}  # by distrusted symbol, in a row
        self._doubts: dict[str, _Doubt] = {}
        self._before: dict[str, tuple[float, float]] = {}  # stream and REST at the last regular comparison
        self._rest: dict[str, float] = {}  # REST at the last comparison of any kind

    @property
    def doubted(self) -> frozenset[str]:
        """Symbols to ask about again soon."""
        return frozenset(self._doubts)

    def compare(
        self,
        rest: Mapping[str, float],
        heard: Mapping[str, Heard],
        *,
        regular: bool,
        still: Collection[str] = (),
    ) -> tuple[Charge, ...]:
        """Compare marks of REST with what the stream said around that moment.

        Args:
            rest: marks by symbol.
            heard: what the stream said, a moment later included; symbols that are silent are left out.
            regular: an interval has passed since the last regular comparison, in which a price should have moved
                where REST's did; else it is asked again what was doubtful.
            still: symbols that moved all the time and then stopped, which is doubtful by itself.

        Returns:
            What is held against symbols; they are believed until ``convict`` is called.
        """
        found = []
        if not regular:
            for symbol in self._doubts.keys() - rest.keys():
                del self._doubts[symbol]  # REST does not tell it
        for symbol, mark in rest.items():
            said = heard.get(symbol)
            if said is None:
                self._doubts.pop(symbol, None)
                self._before.pop(symbol, None)
            elif symbol not in self.reasons and (
                charge := self._charge(symbol, mark, said, regular=regular, still=symbol in still)
            ):
                found.append(charge)
        return tuple(found)

    def _charge(self, symbol: str, mark: float, said: Heard, *, regular: bool, still: bool) -> Charge | None:
        before = self._doubts.pop(symbol, _Doubt())
        last = self._rest.get(symbol)
        self._rest[symbol] = mark
        moved = False
        if regular:
            stream, rest = self._before.get(symbol, (0.0, 0.0))
            moved = said.mark == stream and mark != rest
            self._before[symbol] = (said.mark, mark)
        if before.stuck:
            moved = before.moved or mark != last
        stuck = said.low == said.high and abs(mark - said.mark) > STUCK_TOLERANCE * said.mark
        stuck = stuck and (moved or (still and not before.stuck))
        # Of two of which one moves and the other does not, that one is no witness.
        direction = 0 if mark == last and said.low != said.high else _beyond(mark, said)
        times = before.times + 1 if direction and direction == before.direction else abs(direction)
        if (stuck and before.stuck) or times >= IN_A_ROW:
            return Charge(symbol, mark, said, stuck)
        if direction or stuck:
            self._doubts[symbol] = _Doubt(direction, times, stuck, moved)
        return None

    def convict(self, charge: Charge) -> None:
        """Believe a symbol's stream no more."""
        words = f"the stream says {_text(charge.said.mark)} where REST says {_text(charge.rest)}"
        self.reasons[charge.symbol] = f"stuck price, {words}" if charge.stuck else words
        if charge.stuck:
            self._stuck[charge.symbol] = charge.said.mark

    def agrees(self, symbol: str, rest: float, stream: float) -> bool:
        """Compare a distrusted symbol's newest marks; return whether it is trusted again."""
        same = abs(rest - stream) <= TOLERANCE * stream
        if stream == self._stuck.get(symbol) and rest != stream:
            same = False  # REST merely came by
        self._agreed[symbol] = self._agreed.get(symbol, 0) + 1 if same else 0
        if self._agreed[symbol] < AGREEMENTS:
            return False
        self._trust(symbol)
        return True

    def keep(self, symbols: Iterable[str]) -> None:
        """Forget all symbols but these."""
        for symbol in {*self.reasons, *self._doubts, *self._before, *self._rest}.difference(symbols):
            self._trust(symbol)

    def _trust(self, symbol: str) -> None:
        for about in (self.reasons, self._stuck, self._agreed, self._doubts, self._before, self._rest):
            about.pop(symbol, None)


def difference(rest: float, said: Heard) -> float:
    """Return how far REST is from the stream's newest mark, as a fraction of it."""
    return abs(rest - said.mark) / said.mark


def _beyond(mark: float, said: Heard) -> int:
    if mark > said.high * (1.0 + TOLERANCE):
        return 1
    return -1 if mark < said.low * (1.0 - TOLERANCE) else 0


def _text(price: float) -> str:
    return f"{price:,.8f}".rstrip("0").rstrip(".")
