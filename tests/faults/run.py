"""Plays many rows: several beside each other on one loop, started one after another."""

import asyncio
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from tests.faults.incident import WINDOW_S
from tests.faults.pace import LoopClock
from tests.faults.play import Outcome, play
from tests.faults.rows import Row
from tests.faults.stage import keep_logs, opened

_SHM = Path("/dev/shm")  # noqa: S108 - memory, where there is such a place: a slow disk is no part of the story
_MEMORY = _SHM if _SHM.is_dir() else None


class How(NamedTuple):
    """How rows are played.

    Attributes:
        beside: how many at a time.
        window_s: messages are counted for so long after the beginning of a fault, in the story's seconds.
        steady_s: a row during which the machine was slower than that is played again, up to ``tries`` times.
        tries: the steadiest of so many plays counts.
        comparable: each fall lies within a minute.
        apart_s: between two starts, which keep a processor busy, in the stories' seconds.
    """

    beside: int
    window_s: float = WINDOW_S
    steady_s: float = 0.5
    tries: int = 2
    comparable: bool = True
    apart_s: float = 4.0


async def play_all(rows: Iterable[Row], how: How, done: Callable[[Outcome], None]) -> None:
    """Play rows; ``done`` is called with each outcome as it is there."""
    keep_logs()
    clock = LoopClock()
    waiting = deque(rows)
    with tempfile.TemporaryDirectory(dir=_MEMORY) as base:
        folders = iter(range(10**6))

        def folder() -> Path:
            path = Path(base) / str(next(folders))
            path.mkdir()
            return path

        async with opened(folder(), ("phone",)):
            pass  # whatever is imported or made at the first use is there from now on

        async def one_after_another(number: int) -> None:
            await clock.sleep(number * how.apart_s)
            while waiting:
                row = waiting.popleft()
                best = await play(row, folder(), how.window_s, comparable=how.comparable)
                for _ in range(how.tries - 1):
                    if best.lag_s <= how.steady_s:
                        break
                    again = await play(row, folder(), how.window_s, comparable=how.comparable)
                    best = min(best, again, key=lambda one: one.lag_s)
                done(best)

        async with asyncio.TaskGroup() as group:
            for number in range(how.beside):
                group.create_task(one_after_another(number))
