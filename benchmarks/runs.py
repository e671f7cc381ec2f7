"""One run of one side: from the first frame after the warm-up to the decision about the last.

``run_ours`` is the monitor's own path, feed, inbox and engine, wired as the daemon wires it. ``run_bare`` is the
least anybody can do: the same socket library with the same options, and one decode into a struct.
"""

import asyncio
import gc
import time  # noqa: TID251 - a benchmark measures real time
from collections.abc import Callable
from random import Random
from typing import NamedTuple

import msgspec
from websockets.asyncio.client import connect

from benchmarks.exchange import Exchange, Program
from monitor.binance.streams import MarkFeed
from monitor.binance.transport import MAX_FRAME_BYTES, MAX_QUEUED_FRAMES
from monitor.core.engine import Engine
from monitor.core.events import SettingsChanged, Snapshot, Ticks
from monitor.core.incidents import Effects
from monitor.core.model import AccountSnapshot, BracketTable, Market
from monitor.core.settings import ChannelRule, EngineSettings
from monitor.inbox import EngineInbox
from monitor.ports import Job
from monitor.system_clock import SystemClock

CHANNELS = (ChannelRule("phone"),)
PATIENCE_S = 120.0  # only a broken run takes so long


class Run(NamedTuple):
    """What one run took, after its warm-up."""

    bursts: int
    cpu_s: float  # of this process, user and system
    wall_s: float
    steps: int = 0  # of the engine that took marks
    ticks: int = 0
    coalesced: int = 0

    @property
    def cpu_us(self) -> float:
        """Processor time a burst, microseconds."""
        return self.cpu_s / self.bursts * 1e6


class Stopwatch:
    """Starts when the warm-up has been decided and tells the exchange, which waits for it."""

    def __init__(self, exchange: Exchange, program: Program) -> None:
        gc.collect()  # the garbage of earlier runs is not this one's
        self._board = exchange.board
        self._program = program
        self._cpu_s = self._wall_s = 0.0

    def decided(self, event_ms: int) -> bool:
        """Note that all up to this event time is decided; return whether the warm-up ended with it."""
        burst = event_ms - self._program.start_ms + 1
        started = burst == self._program.warm
        if started:
            self._cpu_s, self._wall_s = time.process_time(), time.monotonic()
        self._board.decided = burst
        return started

    def stop(self) -> Run:
        """Return what it took so far."""
        cpu_s, wall_s = time.process_time() - self._cpu_s, time.monotonic() - self._wall_s
        return Run(self._program.length - self._program.warm, cpu_s, wall_s)


def start_ms() -> int:
    """Return an event time that leaves room for every programme before it is in the future."""
    return time.time_ns() // 1_000_000 - 3_600_000


def engine_for(accounts: tuple[AccountSnapshot, ...], tables: tuple[BracketTable, ...]) -> Engine:
    """Return an engine that watches these accounts with the default levels."""
    engine, now = Engine(), SystemClock().now()
    names = tuple(account.account for account in accounts)
    engine.step(SettingsChanged(EngineSettings(channels=CHANNELS, accounts=names), tables), now)
    for account in accounts:
        engine.step(Snapshot(account), now)
    return engine


async def run_ours(
    exchange: Exchange,
    program: Program,
    engine: Engine,
    *,
    watch: Callable[[Ticks, Effects, float], None] | None = None,
) -> Run:
    """Run feed, inbox and engine until the last mark of the programme is decided.

    ``watch`` is shown each event with marks, what the engine made of it, and how many seconds that took.
    """
    clock = SystemClock()
    inbox = EngineInbox()
    symbols = engine.watched(Market.USDM)
    feed = MarkFeed("bench", symbols, (exchange.base,), inbox=inbox, clock=clock, rng=Random(1))
    symbol, last_ms = program.last
    if symbol not in symbols:  # an array ends with rows nobody watches
        symbol = symbols[0]
    stopwatch = Stopwatch(exchange, program)
    exchange.load(program)
    steps = ticks = coalesced = 0
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        jobs = [group.create_task(_until_cancelled(job)) for job in feed.jobs()]
        done = False
        while not done:
            for event in await inbox.take():
                if not isinstance(event, Ticks):
                    engine.step(event, clock.now())
                    continue
                if watch is None:
                    engine.step(event, clock.now())
                else:
                    now = clock.now()
                    watch(event, engine.step(event, now), clock.mono_s() - now.mono_s)
                steps += 1
                ticks += len(event.marks)
                if stopwatch.decided(event.marks[-1].event_ms):
                    steps, ticks, coalesced = 0, 0, inbox.coalesced
                done = any(mark.event_ms == last_ms and mark.symbol == symbol for mark in event.marks)
        run = stopwatch.stop()
        for job in jobs:
            job.cancel()
    return run._replace(steps=steps, ticks=ticks, coalesced=inbox.coalesced - coalesced)


async def _until_cancelled(job: Job) -> None:
    await job.run()


class _Row(msgspec.Struct, gc=False):
    """The least that is a mark: the price stays the text it is on the wire, which is the cheapest there is."""

    E: int
    s: str
    p: str


async def run_bare(exchange: Exchange, program: Program) -> Run:
    """Run a bare receive and decode loop until the last frame of the programme is decoded."""
    last_ms = program.start_ms + program.length - 1
    decode_row = msgspec.json.Decoder(_Row).decode
    decode_rows = msgspec.json.Decoder(list[_Row]).decode
    stopwatch = Stopwatch(exchange, program)
    exchange.load(program)
    async with (
        asyncio.timeout(PATIENCE_S),
        connect(
            f"{exchange.base}/ws",
            compression=None,
            max_size=MAX_FRAME_BYTES,
            max_queue=MAX_QUEUED_FRAMES,
            close_timeout=1.0,
        ) as connection,
    ):
        await connection.send('{"method":"SUBSCRIBE","params":[],"id":1}')
        receive = connection.recv
        while True:
            raw = await receive(decode=False)
            event_ms = decode_rows(raw)[0].E if program.array else decode_row(raw).E
            stopwatch.decided(event_ms)
            if event_ms >= last_ms:
                return stopwatch.stop()
