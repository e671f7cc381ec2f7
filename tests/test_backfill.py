"""What nobody saw is looked at: when, how often, and what becomes of it. Time is ours; the databases are real."""

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import pytest
from structlog.testing import capture_logs

from monitor.backfill import (
    ACCOUNTS_S,
    GIVE_UP_S,
    LONGEST_SETTLE_S,
    MOST_TRIES,
    PORTION,
    ROOM,
    SETTLE_S,
    STUCK_S,
    Backfill,
    Timings,
)
from monitor.core.away import Candle, Candles, Present
from monitor.core.events import Away, Event
from monitor.core.minutes import MINUTE_MS
from monitor.core.model import AccountSnapshot, Level, Market, MarkTick, Sample, Source
from monitor.core.settings import EngineSettings
from monitor.holes import HoleInbox
from monitor.storage.history import HistorySettings, SqliteHistory
from monitor.storage.holes_cache import HolesCache, KeptOutage
from monitor.system_clock import SystemClock
from tests.conftest import ManualClock, settle
from tests.core.builders import BTC, ETH, account, cross, isolated, table

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE_S = 60.0
FIVE_MIN_MS = 300_000


class Box:
    """An inbox that keeps what is posted."""

    def __init__(self) -> None:
        self.away: list[Away] = []

    def tick(self, tick: MarkTick) -> None:
        pass

    def post(self, event: Event) -> None:
        assert isinstance(event, Away)
        self.away.append(event)


class Found(NamedTuple):
    candles: dict[str, Candles]
    refused: dict[str, str]


class Prices:
    """Candles of 99 to 100 for every symbol and minute, unless ``lows`` or ``refused`` say otherwise."""

    def __init__(self) -> None:
        self.asked: list[tuple[set[str], int, int]] = []
        self.lows: dict[int, float] = {}  # by minute
        self.refused: dict[str, str] = {}
        self.missing = 0  # minutes at the beginning

    async def fetch(
        self, names: Mapping[str, Market], from_ms: int, until_ms: int, progress: Callable[[int, int], None]
    ) -> Found:
        self.asked.append((set(names), from_ms, until_ms))
        progress(len(names), len(names))
        candles = Candles(range(from_ms // MINUTE_MS, until_ms // MINUTE_MS + 1))
        found = candles.minutes[self.missing :]
        candles.put({minute: Candle(self.lows.get(minute, 99.0), 100.0, 100.0) for minute in found})
        refused = {name: why for name, why in self.refused.items() if name in names}
        return Found({name: candles for name in names if name not in refused}, refused)


class Archive:
    """A history whose writer is as fast as a test says."""

    def __init__(self) -> None:
        self.queued = 0
        self.rows: list[Sample] = []

    def record(self, samples: Sequence[Sample]) -> None:
        self.rows += samples


class Workers(ThreadPoolExecutor):
    """Threads for the event loop that know what of their work is not done."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: set[Future[Any]] = set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future = super().submit(fn, *args, **kwargs)
        self.pending.add(future)
        future.add_done_callback(self.pending.discard)
        return future


class Stand:
    """The part under test, with a book of ours."""

    def __init__(self, clock: ManualClock, folder: Path, *held: AccountSnapshot) -> None:
        self.clock = clock
        self.folder = folder
        self.box = Box()
        self.prices = Prices()
        self.archive = Archive()
        self.held = held or (account(isolated()),)
        self.accounts: tuple[str, ...] = ()  # all of them
        self.holes = HoleInbox(self.box)
        self.workers = Workers()
        self.backfill = Backfill(
            self.holes, self.prices, present=self.present, history=self.archive, path=folder / "history.db",
            cache=HolesCache(folder), inbox=self.box, clock=clock, started_ms=clock.wall_ms(), timings=Timings(),
        )  # fmt: skip
        names = sorted({position.symbol for one in self.held for position in one.positions})
        self.backfill.begin(names)
        self.holes.watch(names)

    def present(self) -> Present:
        settings = EngineSettings(accounts=self.accounts)
        return Present(self.held, {BTC: table(BTC), ETH: table(ETH)}, settings, {}, {})

    def tick(self, symbol: str = BTC, source: Source = Source.STREAM) -> None:
        self.holes.tick(MarkTick(symbol, 100.0, self.clock.wall_ms(), self.clock.mono_s(), source))

    def minute(self, ago_ms: int) -> int:
        """Return the minute so long before now."""
        return (self.clock.wall_ms() - ago_ms) // MINUTE_MS

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Stand"]:
        asyncio.get_running_loop().set_default_executor(self.workers)
        async with asyncio.TaskGroup() as group:
            tasks: list[asyncio.Task[None]] = [
                group.create_task(job.run())  # type: ignore[arg-type]
                for job in self.backfill.jobs()
            ]
            try:
                await self.until(lambda: self.backfill._learnt)
                yield self
            finally:
                for task in tasks:
                    task.cancel()

    async def until(self, condition: Callable[[], bool], step_s: float = 0.0) -> None:
        """Wait for worker threads in real time, and move ours on in steps where they have nothing to do."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await SystemClock().sleep(0.002)
                await settle()
                if not self.workers.pending and not condition():
                    await self.clock.advance(step_s)

    async def done(self) -> None:
        """Wait until nothing is left to look at."""
        await self.until(lambda: bool(self.box.away), 1.0)
        await self.until(lambda: not HolesCache(self.folder).load(), 0.5)


async def recorded(folder: Path, clock: ManualClock, *ages_ms: int, symbol: str = BTC) -> None:
    """Let an earlier run have recorded a symbol so long ago."""
    history = SqliteHistory(folder / "history.db", clock, HistorySettings(), lambda _ok, _reason: None)
    rows = [
        Sample(
            clock.wall_ms() - ago, "main", f"isolated:{symbol}:LONG", symbol, "LONG", "stream", 0, None, None, 0.1,
            None, 100.0, 90.0, None, 1.0, None,
        )
        for ago in ages_ms
    ]  # fmt: skip
    history.record(rows)
    history.finish()
    await history.run()
    await history.close()


@pytest.fixture
async def stand(clock: ManualClock, tmp_path: Path) -> Stand:
    await recorded(tmp_path, clock, 900_000, FIVE_MIN_MS)
    return Stand(clock, tmp_path)


async def test_the_time_since_the_last_run_is_looked_at(stand: Stand) -> None:
    """From its newest row to the first mark; told with the worst, and recorded minute by minute."""
    began_ms = stand.clock.wall_ms()
    stand.prices.lows[stand.minute(120_000)] = 92.0
    async with stand.running():
        stand.tick()
        await stand.done()
    (away,) = stand.box.away
    assert (away.from_ms, away.until_ms, away.restarted) == (began_ms - FIVE_MIN_MS, began_ms, True)
    (worst,) = away.worst
    assert (worst.mark, worst.symbol) == (92.0, BTC)
    assert worst.level > Level.OK
    rows = [row for row in stand.archive.rows if row.symbol]
    assert {row.source for row in stand.archive.rows} == {Source.BACKFILL}
    minutes = [row.at_ms // MINUTE_MS for row in rows]
    assert minutes == list(range(away.from_ms // MINUTE_MS, away.until_ms // MINUTE_MS + 1))
    view = stand.backfill.view()
    assert view is not None
    assert (view.worst, view.doing, view.rows) == (worst, "", len(stand.archive.rows))


async def test_symbols_that_return_one_after_the_other_are_told_as_one(clock: ManualClock, tmp_path: Path) -> None:
    """Each a few seconds after the one before; a wallet needs all of them."""
    stand = Stand(clock, tmp_path, account(cross(BTC), cross(ETH), usdt=30.0), account(isolated(), name="two"))
    async with stand.running():
        stand.tick()
        stand.tick(ETH)
        await stand.clock.advance(600.0)
        stand.tick(ETH)
        await stand.clock.advance(SETTLE_S - 2.0)
        stand.tick()
        await stand.clock.advance(SETTLE_S - 2.0)
        assert stand.prices.asked == []
        await stand.done()
    (away,) = stand.box.away
    assert [asked[0] for asked in stand.prices.asked] == [{BTC, ETH}]
    assert {one.subject for one in away.worst} == {"main/cross:USDT", f"two/isolated:{BTC}:LONG"}
    assert not away.restarted


async def test_symbols_that_go_on_returning_are_not_waited_for(clock: ManualClock, tmp_path: Path) -> None:
    """Two minutes are enough; the others are another time."""
    stand = Stand(clock, tmp_path)
    late = [f"X{i}USDT" for i in range(30)]
    stand.holes.watch([BTC, *late])
    async with stand.running():
        for symbol in (BTC, *late):
            stand.tick(symbol)
        await stand.clock.advance(66.0)
        for symbol in (BTC, *late):
            stand.tick(symbol)
            if stand.prices.asked:
                break
            await stand.clock.advance(SETTLE_S - 1.0)
            await stand.until(lambda: not stand.backfill._keeping.locked())
            await stand.until(lambda: bool(stand.prices.asked) or not stand.backfill._todo, 1.0)
        assert stand.prices.asked
        assert stand.clock.mono_s() - 1066.0 == pytest.approx(LONGEST_SETTLE_S, abs=2 * SETTLE_S)


async def test_what_could_not_be_had_is_named(stand: Stand) -> None:
    """Nothing is made up for it."""
    stand.prices.refused = {BTC: "unknown_symbol"}
    async with stand.running():
        stand.tick()
        await stand.done()
    (away,) = stand.box.away
    assert (away.worst, away.unknown) == ((), (BTC,))
    assert stand.archive.rows == []


async def test_what_has_candles_for_a_part_only_is_named_too(clock: ManualClock, tmp_path: Path) -> None:
    """Ten minutes without one are worth a word: nobody knows what happened in them."""
    await recorded(tmp_path, clock, 30 * MINUTE_MS)
    for missing, unknown in ((9, ()), (11, (f"{BTC} (in part)",))):
        stand = Stand(clock, tmp_path)
        stand.prices.missing = missing
        async with stand.running():
            stand.tick()
            await stand.done()
        (away,) = stand.box.away
        assert away.unknown == unknown
        assert len(away.worst) == 1


async def test_a_crash_before_all_have_returned_loses_nothing(stand: Stand) -> None:
    """What was noticed is on disk a second later."""
    async with stand.running():
        stand.tick()
        await stand.until(lambda: bool(HolesCache(stand.folder).load()), 0.05)
        assert stand.clock.mono_s() < 1000.0 + SETTLE_S
    (kept,) = HolesCache(stand.folder).load()
    assert (kept.symbols, kept.tries, kept.told) == ([BTC], 0, False)


async def test_a_quick_restart_is_not_looked_at(clock: ManualClock, tmp_path: Path) -> None:
    """Nor is the first start ever, nor one whose history cannot be read; that is logged."""
    await recorded(tmp_path, clock, 20_000)
    for folder in (tmp_path, tmp_path / "first"):
        folder.mkdir(exist_ok=True)
        stand = Stand(clock, folder)
        with capture_logs() as logs:
            async with stand.running():
                stand.tick()
                await stand.clock.advance(SETTLE_S + 5.0)
        assert stand.prices.asked == []
        assert [entry["event"] for entry in logs] == ([] if folder == tmp_path else ["away.unreadable"])


async def test_what_was_opened_while_nothing_ran_was_missed_since_then(clock: ManualClock, tmp_path: Path) -> None:
    """It was held a week ago too: that it was not seen since is no hole."""
    await recorded(tmp_path, clock, FIVE_MIN_MS)
    await recorded(tmp_path, clock, 6 * 86_400_000, symbol=ETH)
    stand = Stand(clock, tmp_path, account(isolated(), isolated(ETH)))
    stand.backfill.begin([BTC])
    async with stand.running():
        stand.tick()
        stand.tick(ETH)
        await stand.done()
    (away,) = stand.box.away
    assert away.until_ms - away.from_ms == FIVE_MIN_MS
    assert len(away.worst) == 2


async def test_what_is_no_longer_held_is_not_looked_at(stand: Stand) -> None:
    """Nor told."""
    async with stand.running():
        stand.tick()
        stand.held = (account(isolated(ETH)),)
        await stand.until(lambda: bool(HolesCache(stand.folder).load()), 0.5)
        await stand.until(lambda: not HolesCache(stand.folder).load(), 0.5)
    assert stand.prices.asked == []
    assert stand.box.away == []


async def test_a_run_that_ends_before_it_told_leaves_it_to_the_next(stand: Stand) -> None:
    """What was told and not recorded is recorded only."""
    gate = asyncio.Event()
    fetch = stand.prices.fetch

    async def slow(*given: object) -> Found:
        await gate.wait()
        return await fetch(*given)  # type: ignore[arg-type]

    stand.prices.fetch = slow  # type: ignore[method-assign,assignment]
    async with stand.running():
        stand.tick()
        await stand.until(lambda: bool(HolesCache(stand.folder).load()), 1.0)
    assert stand.box.away == []
    await recorded(stand.folder, stand.clock, 0)  # the run that ended saw it
    following = Stand(stand.clock, stand.folder)
    async with following.running():
        await following.done()
    assert len(following.box.away) == 1
    assert following.archive.rows != []


async def test_what_comes_while_one_time_is_looked_at_is_on_disk_too(stand: Stand) -> None:
    """An exchange may take an hour to answer, and a crash may come in it."""
    gate = asyncio.Event()

    async def never(*_: object) -> Found:
        await gate.wait()
        raise AssertionError

    stand.prices.fetch = never  # type: ignore[method-assign,assignment]
    async with stand.running():
        stand.tick()
        await stand.until(lambda: any(one.tries for one in HolesCache(stand.folder).load()), 1.0)
        await stand.clock.advance(300.0)
        stand.tick()
        await stand.until(lambda: len(HolesCache(stand.folder).load()) == 2, 0.5)


async def test_what_is_opened_while_prices_are_asked_for_is_asked_for_too(stand: Stand) -> None:
    """A wallet is judged with all of its prices or not at all."""
    fetch = stand.prices.fetch
    stand.held = (account(cross(BTC), usdt=30.0),)

    async def opened(*given: object) -> Found:
        stand.held = (account(cross(BTC), cross(ETH), usdt=30.0),)
        return await fetch(*given)  # type: ignore[arg-type]

    stand.prices.fetch = opened  # type: ignore[method-assign,assignment]
    async with stand.running():
        stand.tick()
        await stand.done()
    assert [asked[0] for asked in stand.prices.asked] == [{BTC}, {ETH}]
    (away,) = stand.box.away
    assert [one.subject for one in away.worst] == ["main/cross:USDT"]


async def test_candles_are_let_go_before_rows_wait_for_room(stand: Stand) -> None:
    """A week of a thousand symbols is hundreds of megabytes, and recording it takes an hour."""
    fetch = stand.prices.fetch
    kept: list[weakref.ref[Candles]] = []

    async def noted(*given: object) -> Found:
        found = await fetch(*given)  # type: ignore[arg-type]
        kept.extend(weakref.ref(candles) for candles in found.candles.values())
        return found

    stand.prices.fetch = noted  # type: ignore[method-assign,assignment]
    stand.archive.queued = ROOM + 1
    async with stand.running():
        stand.tick()
        await stand.until(lambda: bool(stand.box.away), 1.0)
        await stand.clock.advance(10.0)
        gc.collect()
        assert kept
        assert [one() for one in kept] == [None] * len(kept)


async def test_accounts_that_have_not_answered_are_waited_for(stand: Stand) -> None:
    """What they hold is not known, and it would be let go; the others wait for two minutes only."""
    stand.accounts = ("main", "late")
    held, stand.held = stand.held, ()
    async with stand.running():
        stand.tick()
        await stand.until(lambda: bool(stand.backfill._todo), 1.0)
        await stand.clock.advance(ACCOUNTS_S + 300.0)
        assert HolesCache(stand.folder).load() != []
        began_s = stand.clock.mono_s()
        stand.held = held
        await stand.done()
        assert stand.clock.mono_s() - began_s < 60.0
    assert len(stand.box.away) == 1


async def test_what_nobody_is_known_to_hold_is_let_go_in_the_end(stand: Stand) -> None:
    """An account may never answer."""
    stand.accounts = ("late",)
    stand.held = ()
    async with stand.running():
        stand.tick()
        await stand.until(lambda: bool(stand.backfill._todo), 1.0)
        await stand.clock.advance(GIVE_UP_S)
        await stand.until(lambda: not HolesCache(stand.folder).load(), 0.5)
    assert stand.box.away == []


async def test_what_an_earlier_run_saw_is_told_where_marks_are_taken(stand: Stand) -> None:
    """In the thread of the loop: marks arrive while the database is read."""
    threads: list[int] = []
    earlier = stand.holes.earlier

    def noted(seen_ms: Mapping[str, int]) -> None:
        threads.append(threading.get_ident())
        earlier(seen_ms)

    stand.holes.earlier = noted  # type: ignore[method-assign]
    async with stand.running():
        assert threads == [threading.get_ident()]


async def test_what_was_told_is_only_recorded_by_the_next_run(clock: ManualClock, tmp_path: Path) -> None:
    """Nobody is told twice; and what was tried too often is left alone."""
    until_ms = clock.wall_ms() - 3_600_000
    told = KeptOutage(until_ms - FIVE_MIN_MS, until_ms, [BTC], restarted=True, cut=False, told=True, tries=1)
    poison = KeptOutage(1, 2, [BTC], restarted=True, cut=False, told=False, tries=MOST_TRIES)
    HolesCache(tmp_path).save([poison, told])
    stand = Stand(clock, tmp_path)
    async with stand.running():
        await stand.until(lambda: not HolesCache(tmp_path).load(), 0.5)
    assert stand.box.away == []
    assert [asked[1:] for asked in stand.prices.asked] == [(told.from_ms, told.until_ms)]
    assert {row.at_ms // MINUTE_MS for row in stand.archive.rows} == set(
        range(told.from_ms // MINUTE_MS, told.until_ms // MINUTE_MS + 1)
    )


async def test_rows_wait_for_room(stand: Stand) -> None:
    """Rows of now are never pushed out; a disk that takes none is given up, and what happened is told."""
    stand.archive.queued = ROOM + 1
    with capture_logs() as logs:
        async with stand.running():
            stand.tick()
            await stand.until(lambda: bool(stand.box.away), 1.0)
            await stand.clock.advance(60.0)
            assert stand.archive.rows == []
            await stand.until(lambda: not HolesCache(stand.folder).load(), STUCK_S / 10)
    assert "away.not_recorded" in [entry["event"] for entry in logs]
    assert stand.archive.rows == []


async def test_a_long_time_is_judged_and_recorded_in_portions(clock: ManualClock, tmp_path: Path) -> None:
    """Every minute of it."""
    await recorded(tmp_path, clock, 1000 * MINUTE_MS)
    stand = Stand(clock, tmp_path)
    sizes: list[int] = []
    stand.archive.record = lambda samples: sizes.append(len(samples))  # type: ignore[method-assign]
    async with stand.running():
        stand.tick()
        await stand.done()
    (away,) = stand.box.away
    assert not away.cut
    assert sum(sizes) == 2 * 1001
    assert len(sizes) > 1
    assert max(sizes) <= PORTION
