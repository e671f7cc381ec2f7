"""From a frame to its decision, and to its commit, with a thousand positions on two hundred symbols.

Bursts come by a timer, whether or not the last one was finished: waiting for the answer would hide every delay
but the first. Decisions are measured from when the exchange wrote the burst to its socket, which adds the way
through the kernel and the scheduler; commits from when the feed had the frame, as the promise says; attempts to
send from the exchange's write again.

What follows an alert within seconds waits for its turn by intention (``monitor.notify.pacing``). Where the way of
each alert is measured, that pace is switched off, so that all of them leave as the first one would.
"""

import asyncio
import sqlite3
import statistics
import tempfile
import time  # noqa: TID251 - a benchmark measures real time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple
from unittest.mock import patch

from benchmarks import scenes
from benchmarks.exchange import Burst, Exchange, Program
from benchmarks.runs import CHANNELS, engine_for, run_ours, start_ms
from monitor.app import Daemon
from monitor.binance.streams import MarkFeed
from monitor.core.events import Ticks
from monitor.core.incidents import Effects
from monitor.core.model import Market
from monitor.core.notices import Notice
from monitor.core.settings import ChannelRule, EngineSettings
from monitor.notify import lane
from monitor.notify.pacing import Pace, Urgency
from monitor.plan import Plan, Sources, WebPlan
from monitor.ports import Clock, Inbox, Message, Step
from monitor.storage.history import HistorySettings
from monitor.system_clock import SystemClock

BURST_EVERY_S = 0.05
CRASH_AFTER_S = 0.3  # of quiet
SLOW_SEND_S = 2.0  # what a slow service takes for a message
AFTER_S = 0.3  # for what the last burst brings besides
PATIENCE_S = 120.0  # only a broken run takes so long
PLAIN_COMMITS = 100


class Spread(NamedTuple):
    """Milliseconds."""

    samples: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


class Bursts(NamedTuple):
    """One frame for each of two hundred symbols at once, nothing crossing."""

    bursts: int
    frame_to_decision: Spread  # every mark
    burst_to_decision: Spread  # the last mark of each burst
    step: Spread  # one evaluation of everything
    steps_per_burst: float


class Commits(NamedTuple):
    """The daemon as a whole, on a real state.db; of commits of several runs the median p50, and the worst else."""

    bursts: int
    crossings: int
    frame_to_commit: Spread  # by transaction, from the oldest frame in it
    burst_to_attempt: Spread  # by burst, until a healthy channel is handed the message about it


class Beside(NamedTuple):
    """The same beside a second channel that accepts at once, and beside one that takes long for each message."""

    slow_send_s: float
    fast: Commits
    slow: Commits
    slow_sent: int  # messages that the slow one was handed meanwhile


class Crashes(NamedTuple):
    """The same, when every isolated position crosses at once, in a daemon that had nothing to tell before."""

    crossings: int  # at once
    frame_to_commit: Spread  # of all of them, by crash
    burst_to_attempt: Spread  # from the exchange's write to the first message handed to a channel


class Watched(NamedTuple):
    """What one run of the daemon showed."""

    crossings: int
    frame_to_commit: dict[str, float]
    attempts: list[tuple[float, str]]  # when the healthy channel was handed a notice, and the symbol it is about
    written_s: list[float]  # when each burst was
    second_sent: int


def spread(seconds: Sequence[float]) -> Spread:
    """Return the middle and the end of a distribution."""
    ordered = sorted(value * 1e3 for value in seconds)
    last = len(ordered) - 1
    return Spread(len(ordered), statistics.median(ordered), ordered[-(-last * 99 // 100)], ordered[last])


async def measure_bursts(exchange: Exchange, count: int) -> Bursts:
    """Measure decisions through feed, inbox and engine."""
    accounts = scenes.many_accounts()
    engine = engine_for(accounts, scenes.tables_of(accounts))
    warm = 10
    program = Program(scenes.together(), count + warm, start_ms(), interval_s=BURST_EVERY_S)
    decided: list[float] = []
    ended: dict[int, float] = {}
    steps: list[float] = []

    def watch(event: Ticks, _effects: Effects, step_s: float) -> None:
        now_s = time.monotonic()
        bursts = [mark.event_ms - program.start_ms for mark in event.marks]
        if bursts[-1] < warm:
            return
        steps.append(step_s)
        sent = {burst: exchange.board.sent_s(burst) for burst in set(bursts)}
        decided.extend(now_s - sent[burst] for burst in bursts)
        ended.update({burst: now_s - sent[burst] for burst in sent})

    await run_ours(exchange, program, engine, watch=watch)
    return Bursts(count, spread(decided), spread([*ended.values()]), spread(steps), len(steps) / count)


class _Channel:
    """Accepts everything, at once or after ``takes_s`` in a thread."""

    format = "text"
    takes_files = False

    def __init__(self, name: str, takes_s: float = 0.0) -> None:
        self.name = name
        self.sent = 0
        self._takes_s = takes_s

    async def send(self, _message: Message) -> None:
        self.sent += 1
        if self._takes_s:
            await asyncio.to_thread(time.sleep, self._takes_s)

    def close(self) -> None:
        """Nothing to let go of."""


class NoPace(Pace):
    """Lets every message leave as the first after quiet does."""

    def allowed_s(self, urgency: Urgency, now_s: float) -> float:  # noqa: ARG002 - the signature of what it replaces
        """Return now."""
        return now_s


async def measure_beside(exchange: Exchange, count: int, directory: Path | None) -> Beside:
    """Measure bursts in each of which two or three wallets cross, as a moving market brings them.

    Both ways by turns; each has ``count`` bursts, in two runs.
    """
    fast: list[Watched] = []
    slow: list[Watched] = []
    bursts, changes = scenes.crossings(count // 2)
    with patch.object(lane, "Pace", NoPace):
        for runs, takes_s in ((fast, 0.0), (slow, SLOW_SEND_S), (slow, SLOW_SEND_S), (fast, 0.0)):
            second = _Channel("second", takes_s)
            runs.append(await watch_daemon(exchange, bursts, BURST_EVERY_S, changes, directory, second=second))
    return Beside(SLOW_SEND_S, _joined(fast), _joined(slow), sum(run.second_sent for run in slow))


def _joined(runs: Sequence[Watched]) -> Commits:
    commits = [run.frame_to_commit for run in runs]
    attempts = [delay_s for run in runs for delay_s in _delays_s(run)]
    return Commits(
        sum(len(run.written_s) for run in runs),
        sum(run.crossings for run in runs),
        Spread(
            sum(int(one["samples"]) for one in commits),
            statistics.median(one["p50_ms"] for one in commits),
            max(one["p99_ms"] for one in commits),
            max(one["worst_ms"] for one in commits),
        ),
        spread(attempts),
    )


def _delays_s(run: Watched) -> list[float]:
    """Return for each burst how long it took until the first attempt to tell of what crossed in it."""
    delays = []
    for number, written_s in enumerate(run.written_s):
        symbol = scenes.crossing(number)
        delays.append(
            min(at_s for at_s, about in run.attempts if about == symbol and at_s >= written_s) - written_s
        )
    return delays


async def measure_crashes(exchange: Exchange, count: int, directory: Path | None) -> Crashes:
    """Measure the worst moment: all at once, each time in a new daemon."""
    committed, attempted = [], []
    for _ in range(count):
        watched = await watch_daemon(exchange, scenes.crash(), CRASH_AFTER_S, scenes.MANY_ISOLATED, directory)
        committed.append(watched.frame_to_commit["worst_ms"] / 1e3)
        last_s = watched.written_s[-1]
        attempted.append(min(at_s - last_s for at_s, _ in watched.attempts if at_s >= last_s))
    return Crashes(scenes.MANY_ISOLATED, spread(committed), spread(attempted))


async def watch_daemon(
    exchange: Exchange,
    bursts: Sequence[Burst],
    every_s: float,
    crossings: int,
    directory: Path | None,
    *,
    second: _Channel | None = None,
    web: WebPlan | None = None,
    clock: Clock | None = None,
) -> Watched:
    """Run a daemon until that many levels changed; its databases lie in a folder of their own in ``directory``."""
    accounts = scenes.many_accounts()
    program = Program(bursts, len(bursts), start_ms(), interval_s=every_s)
    channels = [_Channel(rule.name) for rule in CHANNELS]
    if second is not None:
        channels.append(second)
    clock = clock or SystemClock()
    attempts: list[tuple[float, str]] = []
    seen = 0
    done = asyncio.Event()

    def sources(inbox: Inbox) -> Sources:
        feed = MarkFeed("bench", (), (exchange.base,), inbox=inbox, clock=clock, rng=Random(1))
        return Sources({Market.USDM: feed})

    def count(effects: Effects) -> None:
        nonlocal seen
        seen += len(effects.transitions)
        if seen >= crossings:
            done.set()

    def probe(step: Step, notices: Sequence[Notice]) -> None:
        if step is Step.SENDING:
            now_s = time.monotonic()
            attempts.extend((now_s, one.facts.symbol) for one in notices if one.channel == channels[0].name)

    with tempfile.TemporaryDirectory(prefix="bench-", dir=directory) as folder:
        plan = Plan(
            settings=EngineSettings(
                channels=tuple(ChannelRule(channel.name) for channel in channels),
                accounts=tuple(account.account for account in accounts),
            ),
            accounts=accounts,
            tables=scenes.tables_of(accounts),
            channels=tuple(channels),
            state_dir=Path(folder),
            history_path=Path(folder) / "history.db",
            history=HistorySettings(),
            web=web,
        )
        daemon = Daemon(plan, sources, clock, Random(1), probe=probe)
        daemon.listen(count)
        exchange.load(program)
        async with asyncio.timeout(PATIENCE_S + every_s * len(bursts)), asyncio.TaskGroup() as group:
            group.create_task(daemon.run())
            await done.wait()
            await clock.sleep(AFTER_S)
            while _waits(daemon, channels[0].name):  # where processors are busy elsewhere
                await clock.sleep(AFTER_S)
            daemon.stop()
        commits = daemon.status().frame_to_commit
    assert commits is not None
    written_s = [exchange.board.sent_s(number) for number in range(len(bursts))]
    return Watched(seen, commits, attempts, written_s, 0 if second is None else second.sent)


def _waits(daemon: Daemon, channel: str) -> bool:
    """Return whether anything that was decided has yet to be handed to a channel."""
    found = daemon.status()
    return channel in found.waiting_ms or any(
        one["pending"] for one in found.channels if one["channel"] == channel
    )


def measure_plain_commits(directory: Path | None) -> Spread:
    """Measure what the disk alone takes: one row a transaction, as durable as ours, by the standard library."""
    times = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=directory) as folder:
        connection = sqlite3.connect(Path(folder) / "plain.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE rows (payload TEXT)")
        for _ in range(PLAIN_COMMITS):
            before_s = time.monotonic()
            connection.execute("INSERT INTO rows VALUES (?)", ("x" * 1000,))
            times.append(time.monotonic() - before_s)
        connection.close()
    return spread(times)
