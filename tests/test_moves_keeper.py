"""How prices moved, kept for the next run: when it is written, and what of it is believed."""

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from monitor.core.minutes import MINUTE_MS, MinuteCloses, Ring
from monitor.core.move_board import OLDEST_S
from monitor.errors import StoreError
from monitor.moves_keeper import EVERY_S, LONGEST_S, NAMES, MovesKeeper
from monitor.storage.moves_cache import MovesCache
from tests.conftest import ManualClock, settle

NOTHING = Ring((), 0, np.zeros((0, 0)))


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


def ring(*known: MinuteCloses) -> Ring:
    """Return these as an engine knows them; all of them begin in one minute."""
    logs = np.array([np.log(one.closes, out=np.full(3, np.nan), where=one.closes > 0) for one in known])
    return Ring(tuple(one.name for one in known), known[0].first_ms, logs.T) if known else NOTHING


def keeper(clock: ManualClock, cache: object, *known: MinuteCloses) -> MovesKeeper:
    return MovesKeeper(cache, lambda: ring(*known), clock)  # type: ignore[arg-type]


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


async def test_the_loop_does_no_more_for_it_than_a_copy(clock: ManualClock) -> None:
    """Closes of a thousand names are made and written in a thread: ticks would wait for them."""
    made_in: list[int] = []

    class Told(Ring):
        def closes(self) -> list[MinuteCloses]:
            made_in.append(threading.get_ident())
            return super().closes()

    cache = Cache()
    await MovesKeeper(cache, lambda: Told(*ring(until_minute(clock, 0.0))), clock).finish()  # type: ignore[arg-type]
    assert cache.saved == [["BTCUSDT"]]
    assert made_in
    assert threading.get_ident() not in made_in


async def test_names_of_which_nothing_is_known_yet_are_nothing_written(clock: ManualClock, tmp_path: Path) -> None:
    """They are watched, and every close is a gap."""
    cache = MovesCache(tmp_path, "live")
    cache.save([until_minute(clock, 0.0)])
    gaps = Ring(("BTCUSDT",), 0, np.full((3, 1), np.nan))
    await MovesKeeper(cache, lambda: gaps, clock).finish()
    assert len(cache.load()) == 1


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
