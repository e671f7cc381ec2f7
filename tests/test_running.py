"""What is known of the deaths of jobs: for how long one counts, and whose are forgotten."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from monitor.core.events import JobDied
from monitor.ports import Job
from monitor.running import Running, Stage
from monitor.supervise import WINDOW_S
from tests.conftest import ManualClock, settle


class Rig:
    """Jobs that die when they are told to, and end when they are told to."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.told: list[JobDied] = []
        self.wake: dict[str, asyncio.Event] = {}
        self.dies: set[str] = set()
        self.running = Running(clock, died=self.told.append, gave_up=lambda _error: None)

    def job(self, name: str) -> Job:
        self.wake.setdefault(name, asyncio.Event())

        async def run() -> None:
            await self.wake[name].wait()
            self.wake[name].clear()
            if name in self.dies:
                self.dies.remove(name)
                raise RuntimeError

        return Job(name, run)

    async def start(self, *names: str) -> None:
        self.running.start(Stage.INPUT, [self.job(name) for name in names])
        await settle()

    async def die(self, name: str) -> None:
        self.dies.add(name)
        self.wake[name].set()
        await self.clock.advance(1.0)  # and it is started anew


@pytest.fixture
async def rig(clock: ManualClock) -> AsyncIterator[Rig]:
    async with _begun(Rig(clock)) as one:
        yield one


@asynccontextmanager
async def _begun(rig: Rig) -> AsyncIterator[Rig]:
    async with asyncio.TaskGroup() as group:
        rig.running.begin(group)
        yield rig
        for task in rig.running.of(*Stage):
            task.cancel()


async def test_a_death_counts_as_long_as_the_supervisor_looks_back(rig: Rig, clock: ManualClock) -> None:
    """By a clock that nobody sets: an hour back on the wall makes an hour of nothing."""
    await rig.start("feed")
    await rig.die("feed")
    clock._wall_ms -= 3_600_000
    assert rig.running.dying() == ("feed",)
    await clock.advance(WINDOW_S - 1.5)
    assert rig.running.dying() == ("feed",)
    await clock.advance(1.0)
    assert rig.running.dying() == ()
    assert rig.running.deaths == {"feed": 1}
    assert [one.job for one in rig.told] == ["feed"]


async def _ended(rig: Rig) -> None:
    rig.running.end(["gone"])


async def _parting(rig: Rig) -> None:
    rig.running.parting(["gone"])
    assert rig.running.deaths["gone"] == 1  # it may die once more
    rig.wake["gone"].set()


@pytest.mark.parametrize("leaves", [_ended, _parting])
async def test_what_a_reload_ends_takes_its_deaths_along(
    rig: Rig, leaves: Callable[[Rig], Awaitable[None]]
) -> None:
    """A part that is not configured any more does not keep failing; one that begins under its name did not yet."""
    await rig.start("gone", "stays")
    await rig.die("gone")
    await rig.die("stays")
    assert rig.running.deaths == {"gone": 1, "stays": 1}
    await leaves(rig)
    await settle()
    assert rig.running.dying() == ("stays",)
    assert rig.running.deaths == {"stays": 1}
    rig.running.parting([])
    await rig.start("gone")
    await rig.die("gone")
    assert rig.running.deaths == {"stays": 1, "gone": 1}


async def test_a_job_that_ends_by_itself_is_still_known_to_have_died(rig: Rig) -> None:
    """So are all that a stop ends: the last status says what died on the way."""
    await rig.start("feed")
    await rig.die("feed")
    rig.wake["feed"].set()
    await settle()
    assert rig.running.of(*Stage) == []
    assert rig.running.deaths == {"feed": 1}
