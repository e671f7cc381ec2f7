"""How prices moved, kept for the next run: when it is written, and what of it is believed."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from monitor.core.minutes import MINUTE_MS, MinuteCloses
from monitor.core.move_board import OLDEST_S
from monitor.errors import StoreError
from monitor.moves_keeper import EVERY_S, LONGEST_S, NAMES, MovesKeeper
from monitor.storage.moves_cache import MovesCache
from tests.conftest import ManualClock, settle


class Cache:
    """A cache in memory that can be told to fail."""

    def __init__(self) -> None:
        self.saved: list[list[str]] = []
        self.failing: StoreError | None = None
        self.kept: tuple[MinuteCloses, ...] = ()

    def load(self) -> tuple[MinuteCloses, ...]:
        return self.kept

    def save(self, names: list[MinuteCloses]) -> None:
        if self.failing:
            raise self.failing
        self.saved.append([one.name for one in names])


def until_minute(clock: ManualClock, ago_s: float, name: str = "BTCUSDT", gaps: int = 0) -> MinuteCloses:
    """Return three closes, the newest of a minute that was over so long ago, and minutes without one after it."""
    end_ms = (clock.wall_ms() - round(ago_s * 1000)) // MINUTE_MS * MINUTE_MS
    return MinuteCloses(name, end_ms - 3 * MINUTE_MS, np.array([1.0, 0.0, 2.0] + [0.0] * gaps))


def keeper(clock: ManualClock, cache: object, *known: MinuteCloses) -> MovesKeeper:
    return MovesKeeper(cache, lambda: known, clock)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ago_s", "gaps", "used"),
    [(0.0, 0, True), (OLDEST_S - 60, 0, True), (OLDEST_S + 120, 0, False), (OLDEST_S + 120, 5, False),
     (-180.0, 0, False)],
)  # fmt: skip
def test_what_ended_long_ago_or_is_yet_to_come_is_not_used(
    clock: ManualClock, ago_s: float, gaps: int, *, used: bool
) -> None:
    """What a price did hours ago says nothing of now, and a wrong clock does not say how long ago it was."""
    cache = Cache()
    cache.kept = (until_minute(clock, ago_s, gaps=gaps), until_minute(clock, 0.0, name="ETHUSDT"))
    found = keeper(clock, cache).load(["BTCUSDT"])
    assert [(one.symbol, one.closes[:3]) for one in found] == ([("BTCUSDT", (1.0, 0.0, 2.0))] if used else [])


@pytest.mark.parametrize(
    ("names", "every_s"), [(1, EVERY_S), (NAMES, EVERY_S), (NAMES + 1, 2 * EVERY_S), (999, LONGEST_S)]
)
async def test_it_is_written_each_minute_and_many_names_less_often(
    clock: ManualClock, names: int, every_s: float
) -> None:
    """A disk wears no faster for them."""
    cache = Cache()
    made = keeper(clock, cache, *(until_minute(clock, 0.0, name=f"S{n}") for n in range(names)))
    (job,) = made.jobs()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task: asyncio.Task[None] = group.create_task(job.run())  # type: ignore[arg-type]
        await clock.advance(every_s - 1.0)
        assert not cache.saved
        await clock.advance(2.0)
        while not cache.saved:
            await settle(1)
        task.cancel()
    assert len(cache.saved[0]) == names


async def test_nothing_known_is_nothing_written(clock: ManualClock, tmp_path: Path) -> None:
    """What an earlier run kept stays until this one knows better."""
    cache = MovesCache(tmp_path, "live")
    cache.save([until_minute(clock, 0.0)])
    await keeper(clock, cache).finish()
    assert len(cache.load()) == 1


async def test_a_disk_that_takes_nothing_is_told_once_and_written_again_when_it_does(clock: ManualClock) -> None:
    """No alert depends on it."""
    cache = Cache()
    made = keeper(clock, cache, until_minute(clock, 0.0))
    cache.failing = StoreError("moves.json", "save", "no space left on device", "make room")
    with capture_logs() as logs:
        await made.finish()
        await made.finish()
        cache.failing = None
        await made.finish()
    assert [entry["event"] for entry in logs] == ["moves.cache_failed"]
    assert cache.saved == [["BTCUSDT"]]
