"""Marks from REST where the stream has none.

A silent stream is told, but positions go on falling meanwhile: while any watched name is stale, or its stream is
wrong (``crosscheck``), its mark is asked for every few seconds. It can raise a level and never lower one; see
docs/decisions/0012.
"""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Final, Protocol

import structlog

from monitor.binance.around_market import MarketAround
from monitor.binance.bridge_values import DEFAULT_BRIDGE_TIMINGS, BridgeStats, BridgeTimings
from monitor.binance.crosscheck import CrossCheck, StreamFeed
from monitor.binance.endpoints import is_rate
from monitor.binance.rest_marks import MarkSource, RestMarks
from monitor.binance.sessions import Sessions, SessionSource
from monitor.binance.weights import WeightBudget
from monitor.core.events import AtRest
from monitor.core.model import Market, MarkTick
from monitor.ports import Clock, Inbox, Job

log = structlog.get_logger()

ALONE_AFTER_S: Final = 30.0  # without a mark from REST of a symbol whose stream is distrusted
AT_REST_EVERY_S: Final = 1.0  # so often the engine is told: it takes three seconds of silence for trouble


class BridgeSource(MarkSource, SessionSource, Protocol):
    """What is asked: ``rest.RestClient``."""


class Bridge:
    """REST beside the stream of one market.

    Args:
        market: whose.
        feed: the stream.
        rest: who is asked; needs no key.
        inbox: where marks and events go.
        clock: time, and what pauses are made on.
        rng: chance for the jitter of pauses and the moment of comparisons.
        budget: of the address, shared with everybody behind it.
        timings: how soon and how often.
        around: told what the replies hold beside marks.
    """

    def __init__(
        self,
        market: Market,
        feed: StreamFeed,
        rest: BridgeSource,
        *,
        inbox: Inbox,
        clock: Clock,
        rng: Random,
        budget: WeightBudget,
        timings: BridgeTimings = DEFAULT_BRIDGE_TIMINGS,
        around: MarketAround | None = None,
    ) -> None:
        self._market = market
        self._feed = feed
        self._inbox = inbox
        self._clock = clock
        self._timings = timings
        self._around = around
        answered, on_rules = (None, None) if around is None else (around.take_marks, around.take_rules)
        self._rest = RestMarks(market, rest, clock=clock, rng=rng, budget=budget, answered=answered)
        self._check = CrossCheck(feed, self._rest, inbox=inbox, clock=clock, rng=rng, timings=timings)
        self._sessions = Sessions(rest, clock, on_rules)
        self._still: dict[str, float] = {}  # marks of silent symbols at the beginning of their silence
        self._unmoved: set[str] = set()  # at the last poll
        self._at_rest: dict[str, float] = {}  # when that was last seen, by symbol
        self._at_rest_said_s = 0.0
        self._needed: frozenset[str] = frozenset()
        self._since_ms: int | None = None
        self._due_s = 0.0
        self._event_ms: dict[str, int] = {}  # of the newest mark of REST, by name
        self._seen_s: float | None = None
        self._told_s: dict[str, float] = {}  # when REST last told a distrusted symbol, or it became one
        self._polls = 0

    def jobs(self) -> Sequence[Job]:
        """Return what must run."""
        name = self._market.value
        return [
            Job(f"bridge-{name}", self.run),
            Job(f"crosscheck-{name}", self._check.run),
            Job(f"sessions-{name}", self._learn),
            *(self._around.jobs() if self._around is not None else ()),
        ]

    def set_symbols(self, names: Iterable[str]) -> None:
        """Stand in for these, rates included; call it after the feed was told."""
        watched = frozenset(names)
        for known in (self._still, self._at_rest, self._event_ms):
            for gone in known.keys() - watched:
                del known[gone]
        self._check.set_symbols(watched)
        if self._around is not None:
            self._around.set_symbols(watched)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self._clock.sleep(self._timings.look_s)
            await self._look()

    async def _look(self) -> None:
        now_s = self._clock.mono_s()
        stale = frozenset(self._feed.stale(self._timings.stale_after_s))
        self._turn(stale | self._check.distrusted.keys())
        self._rest_on(stale, now_s)
        self._let_pass(now_s)
        if self._needed and now_s >= max(self._due_s, self._rest.not_before_s):
            await self._poll(self._needed, stale)

    def _turn(self, needed: frozenset[str]) -> None:
        """Follow what marks are needed of; told and logged when it begins and when it ends."""
        if needed and not self._needed:
            self._since_ms = self._clock.wall_ms()
            log.warning("bridge.begun", feed=self._feed.name, names=len(needed))
        elif self._needed and not needed:
            self._since_ms = None
            log.info("bridge.ended", feed=self._feed.name, polls=self._polls)
        self._needed = needed
        if not any(map(is_rate, needed)):
            self._rest.need_no_rates()

    def _let_pass(self, now_s: float) -> None:
        """Have a stream that was wrong pass again where REST has fallen silent: it may be right by now."""
        wrong = self._check.distrusted
        self._told_s = {name: self._told_s.get(name, now_s) for name in wrong}
        self._check.let_pass(
            frozenset(name for name, at_s in self._told_s.items() if now_s - at_s > ALONE_AFTER_S)
        )

    async def _poll(self, needed: frozenset[str], stale: frozenset[str]) -> None:
        now_s = self._clock.mono_s()
        closed_only = needed <= self._at_rest.keys()
        shortest_s = self._timings.rest_every_s if closed_only else self._timings.poll_every_s
        self._due_s = now_s + self._rest.period_s(shortest_s)
        self._polls += 1
        found = await self._rest.ask(needed)
        if found is None:
            return
        moved_on = {name: tick for name, tick in found.items() if tick.event_ms > self._event_ms.get(name, 0)}
        for name, tick in sorted(moved_on.items()):
            self._event_ms[name] = tick.event_ms
            self._seen_s = tick.seen_s
            if name in self._told_s:
                self._told_s[name] = tick.seen_s
            self._inbox.tick(tick)
            if name not in stale:
                self._check.reconsider(name, tick.mark)
        self._find_rest({name: tick for name, tick in moved_on.items() if name in stale})

    # Closed markets

    def _find_rest(self, found: Mapping[str, MarkTick]) -> None:
        """See which of these silent names stand still in REST as well, on a market that is closed."""
        unmoved: set[str] = set()
        for name, tick in found.items():
            heard = self._feed.latest.get(name)
            if is_rate(name) or name in self._check.distrusted:
                continue
            if tick.mark == (self._still.setdefault(name, tick.mark) if heard is None else heard.mark):
                unmoved.add(name)
        steady, self._unmoved = unmoved & self._unmoved, unmoved
        closed = self._sessions.closed(steady)
        for name in found:
            self._at_rest.pop(name, None)
        self._at_rest.update(dict.fromkeys(closed, self._clock.mono_s()))
        self._sessions.wanted = self._sessions.wanted or bool(steady - closed)

    def _rest_on(self, stale: frozenset[str], now_s: float) -> None:
        """Tell the engine whose silence is in order, as long as REST has said so lately."""
        good_for_s = 2.5 * self._timings.rest_every_s
        for name, seen_s in tuple(self._at_rest.items()):
            if name not in stale or now_s - seen_s > good_for_s:
                del self._at_rest[name]
        for name in self._still.keys() - stale:
            del self._still[name]
        if self._at_rest and now_s - self._at_rest_said_s >= AT_REST_EVERY_S:
            self._at_rest_said_s = now_s
            self._inbox.post(AtRest(self._feed.name, tuple(sorted(self._at_rest)), now_s))

    async def _learn(self) -> None:
        # A job of its own: rules are long and nobody waits for them.
        while True:
            await self._clock.sleep(self._timings.look_s)
            if self._sessions.wanted:
                await self._sessions.learn()

    def stats(self) -> BridgeStats:
        """Return what it has done so far."""
        now_s = self._clock.mono_s()
        worst, symbol = self._check.worst or (None, "")
        return BridgeStats(
            bridged=tuple(sorted(self._needed - self._at_rest.keys())),
            since_ms=self._since_ms,
            at_rest=tuple(sorted(self._at_rest)),
            polls=self._polls,
            failures=self._rest.failures,
            failing=self._rest.failing,
            mark_age_s=None if self._seen_s is None else now_s - self._seen_s,
            checks=self._check.checks,
            check_age_s=None if self._check.checked_s is None else now_s - self._check.checked_s,
            worst=worst,
            worst_symbol=symbol,
            distrusted=dict(self._check.distrusted),
            hosts=self._rest.hosts(),
            around=None if self._around is None else self._around.stats(),
        )
