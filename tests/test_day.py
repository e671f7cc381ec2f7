"""The calendar: when a time of day comes in a time zone, and what is posted of it."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from threading import Event
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from monitor import day
from monitor.core import events
from monitor.core.engine import Engine
from monitor.core.events import DayOver
from monitor.core.model import MarkTick
from monitor.core.notices import DayReport
from monitor.day import SAVE_S, SETTLE_S, Calendar, last_due, next_due
from monitor.storage.day_cache import FILE, DayCache
from monitor.system_clock import SystemClock
from tests.conftest import ManualClock

ROME, TONGA = ZoneInfo("Europe/Rome"), ZoneInfo("Pacific/Tongatapu")
EIGHT = 8 * 60
HANGS_S = 60.0  # of the machine's clock: what hangs in a test lasts as long as no test does
HOUR_MS = 3_600_000


def ms(text: str, zone: dt.tzinfo = dt.UTC) -> int:
    return round(dt.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("now", "zone", "minute", "last", "following"),
    [
        ("2026-11-24T07:59:59", dt.UTC, EIGHT, "2026-11-23T08:00", "2026-11-24T08:00"),
        ("2026-11-24T08:00:00", dt.UTC, EIGHT, "2026-11-24T08:00", "2026-11-25T08:00"),
        ("2026-11-24T23:59:59", dt.UTC, 0, "2026-11-24T00:00", "2026-11-25T00:00"),
        ("2026-11-24T07:30:00", ROME, EIGHT, "2026-11-23T08:00", "2026-11-24T08:00"),
        ("2026-11-24T07:30:00", TONGA, EIGHT, "2026-11-23T08:00", "2026-11-24T08:00"),
        # The night in which clocks go forward: 02:30 does not exist and counts as 03:30.
        ("2026-03-29T03:31:00", ROME, 150, "2026-03-29T03:30", "2026-03-30T02:30"),
        ("2026-03-29T12:00:00", ROME, EIGHT, "2026-03-29T08:00", "2026-03-30T08:00"),
        # The night in which they go back: 02:30 comes twice and counts once.
        ("2026-10-25T12:00:00", ROME, 150, "2026-10-25T02:30", "2026-10-26T02:30"),
    ],
)
def test_the_moments_are_those_of_the_zones_clock(
    now: str, zone: dt.tzinfo, minute: int, last: str, following: str
) -> None:
    """A moment belongs to the past the instant it comes."""
    assert last_due(ms(now, zone), minute, zone) == ms(last, zone)
    assert next_due(ms(now, zone), minute, zone) == ms(following, zone)


@given(
    st.integers(ms("2000-01-01"), ms("2099-01-01")),
    st.integers(0, 1439),
    st.sampled_from(
        ["UTC", "Europe/Rome", "America/St_Johns", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Tokyo"]
    ),
)
def test_there_is_one_moment_a_day(now_ms: int, minute: int, name: str) -> None:
    """Walking from each to the next skips no date and comes to none twice, wherever clocks are changed."""
    zone = ZoneInfo(name)
    at_ms = last_due(now_ms, minute, zone)
    assert at_ms <= now_ms < next_due(now_ms, minute, zone)
    dates = []
    for _ in range(4):
        dates.append(dt.datetime.fromtimestamp(at_ms / 1000, zone).date())
        after_ms = next_due(at_ms, minute, zone)
        assert 22 * HOUR_MS <= after_ms - at_ms <= 26 * HOUR_MS
        assert last_due(after_ms - 1, minute, zone) == at_ms
        at_ms = after_ms
    assert [(b - a).days for a, b in pairwise(dates)] == [1, 1, 1]


class Posts:
    """An inbox that remembers."""

    def __init__(self) -> None:
        self.events: list[events.Event] = []

    def tick(self, tick: MarkTick) -> None:
        raise AssertionError

    def post(self, event: events.Event) -> None:
        self.events.append(event)

    def dues(self) -> list[int]:
        return [event.due_ms for event in self.events if isinstance(event, DayOver)]


class Kept(DayCache):
    """A cache whose writes a manual clock does not overtake."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.saves: list[int] = []

    def save(self, day: DayReport, at_ms: int) -> None:
        super().save(day, at_ms)
        self.saves.append(at_ms)


class Running:
    """A calendar under way."""

    def __init__(
        self, minute: int | None, directory: Path, clock: ManualClock, zone: dt.tzinfo = dt.UTC, *,
        goes_on: bool = False,
    ) -> None:  # fmt: skip
        self.clock, self.posts, self.cache = clock, Posts(), Kept(directory)
        engine = Engine()
        self.calendar = Calendar(
            minute, zone, cache=self.cache, day=lambda: engine.day(clock.now()), inbox=self.posts, clock=clock,
            goes_on=goes_on,
        )  # fmt: skip

    async def past(self, seconds: float) -> None:
        """Let time pass, and every write end before more of it does."""
        end = self.clock.mono_s() + seconds
        while (wake := self.clock.next_wake()) is not None and wake <= end:
            await self.clock.advance(wake - self.clock.mono_s())
            await self.asleep()
        await self.clock.advance(end - self.clock.mono_s())

    async def asleep(self) -> None:
        async with asyncio.timeout(60):
            while self.clock.next_wake() is None:
                await SystemClock().sleep(0.0005)


@asynccontextmanager
async def running(one: Running) -> AsyncIterator[Running]:
    async def run() -> None:
        (job,) = one.calendar.jobs()
        await job.run()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(run())
        await one.asleep()
        try:
            yield one
        finally:
            task.cancel()


async def test_each_moment_is_posted_once_when_it_comes(tmp_path: Path) -> None:
    """The newest that passed is posted after the start has settled: the core knows whether it was told."""
    clock = ManualClock(wall_ms=ms("2026-11-24T07:40:10"))  # so that no save falls on the minute
    async with running(Running(EIGHT, tmp_path, clock)) as one:
        await one.past(SETTLE_S - 1)
        assert one.posts.events == []
        await one.past(2)
        assert one.posts.dues() == [ms("2026-11-23T08:00")]
        await one.past(19 * 60 - 12)
        assert len(one.posts.dues()) == 1
        await one.past(1)
        assert one.posts.dues() == [ms("2026-11-23T08:00"), ms("2026-11-24T08:00")]
        await one.past(3600)
        assert len(one.posts.dues()) == 2


async def test_a_calendar_that_goes_on_from_another_tells_what_comes(tmp_path: Path) -> None:
    """The time of the summary was moved by a reload: not again for this morning, and without settling."""
    clock = ManualClock(wall_ms=ms("2026-11-24T08:00:10"))
    async with running(Running(EIGHT + 1, tmp_path, clock, goes_on=True)) as one:
        await one.past(49)
        assert one.posts.events == []
        await one.past(2)
        assert one.posts.dues() == [ms("2026-11-24T08:01")]
    async with running(Running(EIGHT, tmp_path, clock, goes_on=True)) as one:
        await one.past(10 * SAVE_S)
        assert one.posts.dues() == []


async def test_one_that_comes_while_the_start_settles_is_not_missed(tmp_path: Path) -> None:
    """A restart half a minute before the time."""
    clock = ManualClock(wall_ms=ms("2026-11-24T07:59:30"))
    async with running(Running(EIGHT, tmp_path, clock)) as one:
        await one.past(SETTLE_S)
        assert one.posts.dues() == [ms("2026-11-24T08:00")]


async def test_a_machine_that_slept_tells_the_newest_only(tmp_path: Path) -> None:
    """Three days in its bag are one message."""
    clock = ManualClock(wall_ms=ms("2026-11-24T09:00"))
    async with running(Running(EIGHT, tmp_path, clock)) as one:
        await one.past(SETTLE_S)
        clock._wall_ms += 3 * 24 * HOUR_MS
        await one.past(SAVE_S)
        assert one.posts.dues() == [ms("2026-11-24T08:00"), ms("2026-11-27T08:00")]


async def test_a_clock_that_is_set_back_posts_nothing_again(tmp_path: Path) -> None:
    """The same moment comes twice and is posted once."""
    clock = ManualClock(wall_ms=ms("2026-11-24T08:01"))
    async with running(Running(EIGHT, tmp_path, clock)) as one:
        await one.past(SETTLE_S)
        clock._wall_ms -= 10 * 60_000
        await one.past(1200)
        assert one.posts.dues() == [ms("2026-11-24T08:00")]


async def test_the_day_is_kept_each_minute_and_at_the_end(tmp_path: Path) -> None:
    """A crash loses a minute, a stop nothing; the next run begins with it."""
    clock = ManualClock(wall_ms=ms("2026-11-24T12:00"))
    async with running(Running(EIGHT, tmp_path, clock)) as one:
        assert one.calendar.begin() is None
        await one.past(SETTLE_S + 3 * SAVE_S)
        assert len(one.cache.saves) == 3
        await one.past(SAVE_S / 2)
    await one.calendar.finish()
    kept = Running(EIGHT, tmp_path, clock).calendar.begin()
    assert kept is not None
    assert kept.saved_ms == clock.wall_ms()


async def test_a_disk_that_takes_nothing_is_told_once_and_stops_no_summary(tmp_path: Path) -> None:
    """And once more after it took something in between."""
    clock = ManualClock(wall_ms=ms("2026-11-24T07:55"))
    with capture_logs() as logs:
        async with running(Running(EIGHT, tmp_path / "gone", clock)) as one:
            await one.past(600)
            assert one.posts.dues()[-1] == ms("2026-11-24T08:00")
            (tmp_path / "gone").mkdir()
            await one.past(60)
            assert len(one.cache.saves) == 1
            (tmp_path / "gone" / FILE).unlink()
            (tmp_path / "gone").rmdir()
            await one.past(600)
    assert [entry["event"] for entry in logs] == ["day.cache_failed", "day.cache_failed"]


async def test_a_disk_that_hangs_delays_the_end_but_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a cancelled job left writing in its thread is not written over, and not waited for."""
    monkeypatch.setattr(day, "PATIENCE_S", 0.05)
    clock = ManualClock(wall_ms=ms("2026-11-24T12:00"))
    one = Running(EIGHT, tmp_path, clock)
    hanging, go_on = Event(), Event()

    def save(report: DayReport, at_ms: int) -> None:
        hanging.set()
        assert go_on.wait(HANGS_S)

    monkeypatch.setattr(one.cache, "save", save)
    async with running(one):
        await clock.advance(SETTLE_S)
        await clock.advance(SAVE_S)
        assert await asyncio.to_thread(hanging.wait, HANGS_S)
        hanging.clear()
    begun_s = SystemClock().mono_s()
    await one.calendar.finish()
    assert SystemClock().mono_s() - begun_s < HANGS_S / 2
    assert not hanging.is_set()
    go_on.set()


def test_without_a_summary_nothing_runs_and_nothing_is_kept(tmp_path: Path, clock: ManualClock) -> None:
    """Not even a file."""
    one = Running(None, tmp_path, clock)
    assert one.calendar.jobs() == ()
    asyncio.run(one.calendar.finish())
    assert one.calendar.begin() is None
    assert list(tmp_path.iterdir()) == []
