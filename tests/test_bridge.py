"""A stream that dies or lies while the price falls: a whole service on the local exchange, faster than life."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random

from monitor.app import Daemon
from monitor.binance.bridge import Bridge
from monitor.binance.bridge_values import BridgeTimings
from monitor.binance.endpoints import Environment
from monitor.binance.rest import RestClient
from monitor.binance.streams import MarkFeed
from monitor.binance.weights import WeightBudget
from monitor.cli.wiring import build_daemon
from monitor.config import load_text
from monitor.core.events import AtRest, Distrusted, Event
from monitor.core.incidents import Effects
from monitor.core.model import Level, Market, MarkTick, Source
from monitor.core.notices import DataState, Notice, NoticeKind
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import Scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.ports import Job
from tests.faults.pace import LoopClock, names_found, run_fast
from tests.notify.fakes import FakeChannel

BTC, ETH, XAU = "BTCUSDT", "ETHUSDT", "XAUUSDT"
FACTOR = 20.0  # story seconds in a real one
PATIENCE_S = 300.0  # of the story; only a broken test waits so long


def scenario() -> Scenario:
    return Scenario(
        (
            Instrument(BTC, "BTC", PricePath(((0.0, Decimal(62_000)),))),
            Instrument(ETH, "ETH", PricePath(((0.0, Decimal(3_000)),))),
            Instrument(XAU, "XAU", PricePath(((0.0, Decimal(4_000)),)), kind="tradfi"),
        ),
        (),
    )


class Story:
    """An exchange and its time."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.exchange = Emulator(self.clock, scenario(), EmulatorSettings(forever=True))
        self.notices: list[Notice] = []

    async def until(self, condition: Callable[[], bool]) -> float:
        """Let time pass until the condition holds; return when that was, monotonic."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await self.clock.sleep(0.1)
        return self.clock.mono_s()

    def first(self, kind: NoticeKind, level: Level | None = None) -> Notice | None:
        return next((n for n in self.notices if n.kind is kind and level in {None, n.level}), None)

    def listen(self, effects: Effects) -> None:
        self.notices += effects.notices

    async def begin(self, group: asyncio.TaskGroup) -> asyncio.Task[None]:
        names_found.set([True])
        await self.exchange.start()
        return group.create_task(self.exchange.run())


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Story, Daemon, FakeChannel]]:
    """A whole service with one isolated long of 0.5 BTC at 62,000 and a margin of 1550."""
    story = Story()
    (folder / "url").write_text("json://127.0.0.1:9/")
    async with asyncio.TaskGroup() as group:
        ticking = await story.begin(group)
        config = f"""
[exchange]
environment = "testnet"
rest_url = "{story.exchange.base_http}"
market_stream_url = "{story.exchange.base_market_ws}"
[state]
directory = "{folder}/state"
[[accounts]]
name = "by-hand"
[[accounts.positions]]
symbol = "{BTC}"
side = "LONG"
quantity = 0.5
entry_price = 62000.0
margin_mode = "isolated"
margin = 1550.0
[[channels]]
name = "tg"
url = {{ file = "{folder}/url" }}
"""
        channel = FakeChannel()
        daemon = build_daemon(load_text(config, "test"), [channel], clock=story.clock, environ=os.environ)
        daemon.listen(story.listen)
        task = group.create_task(daemon.run())
        try:
            await story.until(lambda: [one.data for one in daemon.status().engine.symbols] == ["fresh"])
            yield story, daemon, channel
        finally:
            daemon.stop()
            await task
            ticking.cancel()
            await story.exchange.stop()


def test_an_emergency_behind_a_dead_stream_is_told(tmp_path: Path) -> None:
    """The connection stays open and says nothing more; the price falls; the alert is on marks of REST."""

    async def told() -> None:
        async with serving(tmp_path) as (story, daemon, channel):
            story.exchange.faults.silence = True
            await story.clock.sleep(4.0)
            story.exchange.market.set_price(BTC, "59265")
            await story.until(lambda: any("EMERGENCY" in text for text in channel.texts))
            alert = story.first(NoticeKind.ALERT, Level.EMERGENCY)
            assert alert is not None
            assert alert.facts.mark_source == "rest"
            assert alert.facts.mark == 59_265.0
            await story.until(lambda: story.first(NoticeKind.BLIND) is not None)
            blind = story.first(NoticeKind.BLIND)
            assert blind is not None
            assert (blind.level, blind.facts.bridged, blind.facts.symbols) == (Level.WARNING, True, (BTC,))
            await story.until(lambda: any("REST has them" in title for title in channel.titles))
            (symbol,) = daemon.status().engine.symbols
            assert (symbol.data, symbol.source) == (DataState.BLIND.value, Source.REST.value)
            story.exchange.faults.silence = False
            await story.until(lambda: story.first(NoticeKind.SIGHT) is not None)
            sight = story.first(NoticeKind.SIGHT)
            assert sight is not None
            assert sight.level is Level.OK

    run_fast(told(), FACTOR)


def test_blindness_without_rest_is_critical(tmp_path: Path) -> None:
    """Nothing can be reached any more."""

    async def told() -> None:
        async with serving(tmp_path) as (story, _, _):
            story.exchange.faults.silence = True
            story.exchange.faults.rest_status["*"] = 503
            await story.until(lambda: story.first(NoticeKind.BLIND) is not None)
            blind = story.first(NoticeKind.BLIND)
            assert blind is not None
            assert (blind.level, blind.facts.bridged) == (Level.CRITICAL, False)

    run_fast(told(), FACTOR)


class Box:
    """An inbox that keeps everything."""

    def __init__(self) -> None:
        self.ticks: list[MarkTick] = []
        self.events: list[Event] = []

    def tick(self, tick: MarkTick) -> None:
        self.ticks.append(tick)

    def post(self, event: Event) -> None:
        self.events.append(event)

    def distrusted(self) -> list[set[str]]:
        return [set(event.reasons) for event in self.events if isinstance(event, Distrusted)]

    def since(self, at_s: float, symbol: str) -> set[Source]:
        return {tick.source for tick in self.ticks if tick.seen_s > at_s and tick.symbol == symbol}


# Compared every few seconds: nobody waits for minutes.
OFTEN = BridgeTimings(check_every_s=6.0, again_after_s=2.0)


@asynccontextmanager
async def bridging(*symbols: str) -> AsyncIterator[tuple[Story, Box, MarkFeed]]:
    """A feed and its bridge, once the stream speaks of all."""
    story, box = Story(), Box()
    clock, rng = story.clock, Random(1)  # noqa: S311 - jitter
    budget = WeightBudget(clock)

    async def run(job: Job) -> None:
        await job.run()

    async with asyncio.TaskGroup() as group:
        ticking = await story.begin(group)
        url = story.exchange.base_market_ws
        rest = RestClient(
            Market.USDM, Environment.TESTNET, (story.exchange.base_http,), clock=clock, rng=rng, budget=budget
        )
        feed = MarkFeed("usdm", (), [url, f"{url}/"], inbox=box, clock=clock, rng=rng)
        bridge = Bridge(Market.USDM, feed, rest, inbox=box, clock=clock, rng=rng, budget=budget, timings=OFTEN)
        for one in (feed, bridge):
            one.set_symbols(symbols)
        tasks = [group.create_task(run(job)) for job in (*feed.jobs(), *bridge.jobs())]
        try:
            await story.until(lambda: len(feed.latest) == len(symbols))
            yield story, box, feed
        finally:
            for task in (*tasks, ticking):
                task.cancel()
            await rest.close()
            await story.exchange.stop()


def test_a_stream_that_lies_is_found_out_and_trusted_again_when_it_does_not() -> None:
    """Its symbol comes from REST meanwhile, the other from the stream; the connection is made anew."""

    async def found() -> None:
        async with bridging(BTC, ETH) as (story, box, feed):
            story.exchange.faults.offset[BTC] = Decimal("1.03")
            found_s = await story.until(lambda: box.distrusted() == [{BTC}])
            await story.until(lambda: feed.stats().rotations == 1)
            await story.clock.sleep(5.0)
            assert box.since(found_s, BTC) == {Source.REST}
            assert box.since(found_s, ETH) == {Source.STREAM}
            assert {tick.mark for tick in box.ticks if tick.source is Source.REST} == {62_000.0}
            story.exchange.faults.offset.clear()
            trusted_s = await story.until(lambda: box.distrusted() == [{BTC}, set()])
            await story.clock.sleep(3.0)
            assert Source.STREAM in box.since(trusted_s, BTC)

    run_fast(found(), FACTOR)


def test_a_frozen_event_time_is_silence() -> None:
    """Frames keep coming, all with the same time: no mark of them counts, and REST stands in."""

    async def found() -> None:
        async with bridging(BTC, ETH) as (story, box, feed):
            story.exchange.faults.frozen |= {BTC}
            await story.clock.sleep(2.0)
            frozen_s = story.clock.mono_s()
            await story.until(lambda: feed.stale(3.0) == (BTC,))
            await story.until(lambda: box.since(frozen_s, BTC) == {Source.REST})
            assert not any(isinstance(event, AtRest) for event in box.events)

    run_fast(found(), FACTOR)


def test_a_silent_symbol_of_a_closed_market_is_at_rest() -> None:
    """Its mark stands still in REST as well; what trades round the clock is bridged instead."""

    async def found() -> None:
        async with bridging(BTC, XAU) as (story, box, feed):
            story.exchange.market.closed = True
            story.exchange.faults.muted |= {BTC, XAU}
            await story.until(lambda: any(isinstance(event, AtRest) for event in box.events))
            await story.until(lambda: feed.stale(10.0) == (BTC, XAU))
            assert {event.symbols for event in box.events if isinstance(event, AtRest)} == {(XAU,)}

    run_fast(found(), FACTOR)
