"""Shared test helpers: the reference folder, and a clock that tests own."""

import asyncio
import gc
import heapq
import os
import types
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from monitor.core.model import Now

# Tables are as wide as a test says and not as the terminal of whoever runs the tests.
os.environ.pop("COLUMNS", None)
# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

SHARED = Path(__file__).parents[2] / "shared"


class ManualClock:
    """A clock that stands still until a test moves it; sleepers wake in order of their deadlines."""

    def __init__(self, wall_ms: int = 1_780_000_000_000, mono_s: float = 1000.0) -> None:
        self._wall_ms = wall_ms
        self._mono_s = mono_s
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0
        self.slept: list[float] = []

    def wall_ms(self) -> int:
        return self._wall_ms

    def mono_s(self) -> float:
        return self._mono_s

    def now(self) -> Now:
        return Now(self._wall_ms, self._mono_s)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds <= 0:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._mono_s + seconds, self._count, future))
        await future

    def next_wake(self) -> float | None:
        """Return when the next sleeper wants to wake, or None."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    async def advance(self, seconds: float) -> None:
        """Move both clocks on, waking sleepers on the way and letting their tasks run."""
        end = self._mono_s + seconds
        await settle()
        while (wake := self.next_wake()) is not None and wake <= end:
            self._wall_ms += round((wake - self._mono_s) * 1000)
            self._mono_s = wake
            heapq.heappop(self._sleepers)[2].set_result(None)
            await settle()
        self._wall_ms += round((end - self._mono_s) * 1000)
        self._mono_s = end


async def settle(rounds: int | None = None) -> None:
    """Let every task that can run do so, without time passing.

    Args:
        rounds: how often the event loop goes round; None: 20 times, or until nothing but the caller was ready in
            five rounds in a row, sockets included.
    """
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    quiet = 0
    for _ in range(20 if rounds is None else rounds):
        await _turn()
        quiet = 0 if ready else quiet + 1
        if rounds is None and quiet == 5:
            return


@types.coroutine
def _turn() -> Generator[None, None, None]:
    """Let the event loop go round once."""
    yield


def pytest_collection_finish() -> None:
    """Leave the thousands of tests out of what is searched for garbage while they run."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def shared() -> Path:
    """The folder of reference payloads; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("reference payloads are not here")
    return SHARED
