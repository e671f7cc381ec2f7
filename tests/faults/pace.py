"""Time that passes faster than life, for everything that waits on one event loop.

The loop itself keeps the time: whatever waits on it (sleeps, time-outs of websockets and of HTTP requests, pings,
pauses between attempts) is quicker by the same factor, with the figures the product has in life. What does not
wait on it is not: a lock of a database file is waited for in real seconds, and so is a disk.
"""

import asyncio
import math
import selectors
import socket
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar
from unittest.mock import patch

from aiohttp import connector

from monitor import commit
from monitor.core.model import Now
from monitor.system_clock import SystemClock

HOST = "localhost"  # by name, so that finding it can fail
_BUSY_S = 0.002
_ROUNDED_S = 0.001  # what is waited for is rounded up to
_BEGIN_S = 1000.0  # a machine that has been up for a while

# Noon of a weekday: no day ends and no summary is due while a story is played.
NOON_MS = 1_796_040_000_000

Result = TypeVar("Result")

# Whether names are found: the newest entry, for the tasks of one story.
names_found: ContextVar[list[bool]] = ContextVar("names_found")


class _Pace:
    """How the time of a loop passes.

    While the loop waits it passes as real time does, times ``factor``, and no longer than it meant to wait; while
    it works, at most ``_BUSY_S`` of each turn count. So a machine that is busy with other things makes a story
    longer in life and changes nothing in it.
    """

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._passed_s = _BEGIN_S
        self._since_s = 0.0  # real time when the loop last began to work

    def at(self, real_s: float) -> float:
        """Return the story's time while the loop works."""
        return self._passed_s + min(max(real_s - self._since_s, 0.0), _BUSY_S) * self.factor

    def waits(self, real_s: float) -> None:
        """Note that the loop begins to wait."""
        self._passed_s = self.at(real_s)

    def waited(self, real_s: float, waited_s: float) -> None:
        """Note that it works again, after it meant to wait, or did, for so many real seconds."""
        self._passed_s += waited_s * self.factor
        self._since_s = real_s


class _Selector(selectors.DefaultSelector):
    """Waits for real as long as is right for the loop's own seconds."""

    def __init__(self, pace: _Pace, real: Callable[[], float]) -> None:
        super().__init__()
        self._pace = pace
        self._real = real

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        meant_s = math.inf if timeout is None else max(timeout, 0.0) / self._pace.factor
        begun_s = self._real()
        self._pace.waits(begun_s)
        found = super().select(None if timeout is None else meant_s)
        ended_s = self._real()
        self._pace.waited(ended_s, min(ended_s - begun_s, meant_s + _ROUNDED_S))
        return found


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds are shorter than real ones by ``factor``."""

    def __init__(self, factor: float) -> None:
        self._pace = _Pace(factor)
        super().__init__(_Selector(self._pace, super().time))

    def time(self) -> float:
        return self._pace.at(super().time())

    async def getaddrinfo(self, host: Any, port: Any, **_options: Any) -> Any:  # noqa: ANN401 - as in the parent
        """Find this machine, without asking it; nothing else is asked for."""
        if not names_found.get()[-1]:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]


class LoopClock:
    """``ports.Clock`` by the running loop's time; its wall clock is ``ahead_ms`` from the right time."""

    def __init__(self, ahead_ms: int = 0) -> None:
        self._loop = asyncio.get_running_loop()
        self.ahead_ms = ahead_ms

    def wall_ms(self) -> int:
        return NOON_MS + round((self._loop.time() - _BEGIN_S) * 1000) + self.ahead_ms

    def mono_s(self) -> float:
        return self._loop.time()

    def now(self) -> Now:
        return Now(self.wall_ms(), self.mono_s())

    async def sleep(self, seconds: float) -> None:
        await SystemClock().sleep(seconds)


def run_fast(story: Coroutine[Any, Any, Result], factor: float) -> Result:
    """Run a story to its end on a loop of its own.

    What is waited for a disk stays as long as it really is: a disk is no faster because a story is.
    """
    patience = patch.object(commit, "COMMIT_TIMEOUT_S", commit.COMMIT_TIMEOUT_S * factor)
    loop = FastLoop(factor)
    # For how long aiohttp remembers names and connections.
    memory = patch.object(connector, "monotonic", loop.time)
    with patience, memory, asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(story)
