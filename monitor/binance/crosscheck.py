"""The stream of one market compared with REST: once a minute, and again soon where something was doubtful.

What is judged is in ``trust``; here is when it is asked, and what follows: marks of a wrong stream are withheld,
the engine is told, and the connection is given up for the next candidate.
"""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple, Protocol

import structlog

from monitor.binance.bridge_values import BridgeTimings
from monitor.binance.endpoints import is_rate
from monitor.binance.rest_marks import RestMarks
from monitor.binance.trust import WINDOW_S, Charge, Pace, Recent, Trust, difference
from monitor.core.events import Distrusted
from monitor.core.model import MarkTick
from monitor.ports import Clock, Inbox

log = structlog.get_logger()

WRONG_MARKS: Final = "wrong_marks"  # why a connection is given up
AFFORDABLE: Final = 0.8  # of the weight of a minute used: beyond it nothing is compared
GIVE_UP_AT_MOST_S: Final = 600.0
WITNESSES: Final = 3  # symbols of which candles are asked for before a stream is distrusted


class StreamFeed(Protocol):
    """What is compared: ``streams.MarkFeed``."""

    @property
    def name(self) -> str:
        """In events and logs."""
        ...

    @property
    def latest(self) -> Mapping[str, MarkTick]:
        """The newest tick of each symbol, withheld ones included."""
        ...

    def stale(self, after_s: float) -> tuple[str, ...]:
        """Return the watched names without a new tick for so long."""
        ...

    def withhold(self, symbols: Iterable[str]) -> None:
        """Pass on no tick of these symbols."""
        ...

    def give_up(self, reason: str) -> None:
        """Replace the connection that delivers by one to the next candidate."""
        ...


class _Asked(NamedTuple):
    at_s: float
    marks: Mapping[str, MarkTick]
    regular: bool
    early: frozenset[str]  # of which it was asked because they stand still


class CrossCheck:
    """Finds out whether the stream is wrong. ``checks`` counts; ``checked_s``, ``worst`` are of the last one."""

    def __init__(
        self, feed: StreamFeed, rest: RestMarks, *, inbox: Inbox, clock: Clock, rng: Random, timings: BridgeTimings
    ) -> None:
        self.checks = 0
        self.checked_s: float | None = None
        self.worst: tuple[float, str] | None = None
        self._feed = feed
        self._rest = rest
        self._inbox = inbox
        self._clock = clock
        self._rng = rng
        self._timings = timings
        self._trust = Trust()
        self._recent = Recent()
        self._symbols: frozenset[str] = frozenset()
        self._pace = Pace()
        self._early: dict[str, float] = {}  # when symbols stopped that were asked about for it
        self._early_s = 0.0  # when that may be asked again
        self._asked: _Asked | None = None
        self._regular_s = 0.0  # when all are compared next
        self._again_s = 0.0  # when what is doubtful is
        self._refuted = False  # it is REST that is wrong; logged once
        self._passing: frozenset[str] = frozenset()  # distrusted, and nobody else tells them
        self._give_up_s = 0.0
        self._give_up_pause_s = timings.give_up_every_s

    @property
    def distrusted(self) -> Mapping[str, str]:
        """The symbols whose stream is wrong, and why."""
        return self._trust.reasons

    def set_symbols(self, names: Iterable[str]) -> None:
        """Compare these from now on, rates aside; REST is asked at a moment of its own for each market."""
        symbols = frozenset(name for name in names if not is_rate(name))
        if symbols and not self._symbols:
            self._recent.clear()
            self._regular_s = self._clock.mono_s() + self._rng.random() * self._timings.check_every_s
        self._symbols = symbols
        self._pace.keep(symbols)
        for gone in self._early.keys() - symbols:
            del self._early[gone]
        before = len(self.distrusted)
        self._trust.keep(symbols)
        if len(self.distrusted) != before:
            self._say()

    async def run(self) -> None:
        """Compare for ever."""
        while True:
            await self._clock.sleep(self._timings.look_s)
            if self._symbols:
                await self._look()

    async def _look(self) -> None:
        now_s = self._clock.mono_s()
        self._recent.note(self._feed.latest, now_s)
        self._pace.note(self._feed.latest, self._symbols, now_s)
        if self.distrusted and now_s >= self._give_up_s:
            self._give_up(now_s)
        if self._asked is not None:
            if now_s >= self._asked.at_s + self._timings.settle_s:
                asked, self._asked = self._asked, None
                await self._judge(asked)
            return
        regular = now_s >= self._regular_s
        doubted = self._trust.doubted if now_s >= self._again_s else frozenset()
        early = self._stopped(now_s)
        if (regular or doubted or early) and now_s >= self._rest.not_before_s:
            await self._ask(self._symbols if regular else doubted | early, early, regular=regular)

    def _stopped(self, now_s: float) -> frozenset[str]:
        """Return symbols that moved all the time and then stopped; once for each time they stop."""
        if now_s < self._early_s:
            return frozenset()
        still = self._pace.still(now_s)
        new = {symbol: since_s for symbol, since_s in still.items() if self._early.get(symbol) != since_s}
        return frozenset(new).difference(self.distrusted)

    async def _ask(self, symbols: frozenset[str], early: frozenset[str], *, regular: bool) -> None:
        now_s = self._clock.mono_s()
        heard = symbols.difference(self._feed.stale(self._timings.stale_after_s))
        if early:
            self._early |= self._pace.still(now_s)
            self._early_s = now_s + self._timings.retry_after_s
        found = None
        if heard and self._rest.used <= AFFORDABLE:
            found = await self._rest.ask(heard) or None  # no current mark of any of them is no answer
        if found is None and regular:
            self._regular_s = now_s + self._timings.retry_after_s
        elif regular:
            self._regular_s = now_s + self._timings.check_every_s
        self._again_s = now_s + self._timings.again_after_s
        if found is not None:
            self._asked = _Asked(self._clock.mono_s(), found, regular, early)

    async def _judge(self, asked: _Asked) -> None:
        silent = self._feed.stale(self._timings.stale_after_s)
        rest = {symbol: tick.mark for symbol, tick in asked.marks.items() if symbol in self._symbols}
        since_s = asked.at_s - WINDOW_S
        still = self._pace.still(self._clock.mono_s())
        heard = {
            symbol: said
            for symbol in rest
            if symbol not in silent
            and (said := self._recent.heard(symbol, max(since_s, still.get(symbol, 0.0)))) is not None
        }
        charges = self._trust.compare(rest, heard, regular=asked.regular, still=asked.early & still.keys())
        self.checks += 1
        self.checked_s = asked.at_s
        if asked.regular:
            apart = ((difference(rest[symbol], said), symbol) for symbol, said in heard.items())
            self.worst = max(apart, default=None)
        if charges and not await self._are_refuted(charges[:WITNESSES]):
            self._convict([one for one in charges if one.symbol in self._symbols], asked)

    async def _are_refuted(self, charges: Sequence[Charge]) -> bool:
        """Return whether a third witness is on the stream's side: then it is the marks of REST that are wrong."""
        told = [(one, await self._rest.witness(one.symbol)) for one in charges]
        refuted = [one for one, witness in told if witness is not None and one.is_refuted(witness)]
        if 2 * len(refuted) <= len(charges):
            return False
        if not self._refuted:
            log.warning("bridge.rest_wrong", feed=self._feed.name, symbols=[one.symbol for one in refuted])
        self._refuted = True
        return True

    def _convict(self, charges: Sequence[Charge], asked: _Asked) -> None:
        if not charges:
            return
        self._refuted = False
        for one in charges:
            self._trust.convict(one)
            why = self.distrusted[one.symbol]
            log.warning("bridge.distrusted", feed=self._feed.name, symbol=one.symbol, why=why)
        self._say()
        for one in charges:
            self._inbox.tick(asked.marks[one.symbol])
        self._give_up_pause_s = self._timings.give_up_every_s
        self._give_up(self._clock.mono_s())

    def reconsider(self, symbol: str, mark: float) -> None:
        """Compare a newer mark of REST with the newest of a stream that was wrong and still speaks."""
        tick = self._feed.latest.get(symbol)
        if tick is not None and symbol in self.distrusted and self._trust.agrees(symbol, mark, tick.mark):
            log.info("bridge.trusted", feed=self._feed.name, symbol=symbol)
            self._say()

    def let_pass(self, symbols: frozenset[str]) -> None:
        """Pass on what the stream says of these although it is distrusted: REST tells nothing of them any more.

        They stay blind, so their levels can rise and not fall: an alert too many is better than none.
        """
        if symbols != self._passing:
            log.warning("bridge.alone", feed=self._feed.name, symbols=sorted(symbols))
            self._passing = symbols
            self._feed.withhold(self.distrusted.keys() - symbols)

    def _give_up(self, now_s: float) -> None:
        self._feed.give_up(WRONG_MARKS)
        self._give_up_s = now_s + self._give_up_pause_s
        self._give_up_pause_s = min(2.0 * self._give_up_pause_s, GIVE_UP_AT_MOST_S)

    def _say(self) -> None:
        self._feed.withhold(self.distrusted.keys() - self._passing)
        self._inbox.post(Distrusted(self._feed.name, dict(self.distrusted)))
