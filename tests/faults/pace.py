"""Time that passes faster than life, for everything that waits on one event loop.

The loop itself keeps the time: whatever waits on it (sleeps, time-outs of websockets and of HTTP requests, pings,
pauses between attempts) is quicker by the same factor, with the figures the product has in life. What does not
wait on it is not: a lock of a database file is waited for in real seconds, and so is a disk.
"""

import asyncio
import selectors
import socket
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar
from unittest.mock import patch

from monitor import commit
from monitor.core.model import Now
from monitor.system_clock import SystemClock

HOST = "localhost"  # by name, so that finding it can fail
_BEGIN_S = 1000.0  # a machine that has been up for a while

# Noon of a weekday: no day ends and no summary is due while a story is played.
NOON_MS = 1_796_040_000_000

Result = TypeVar("Result")

# Whether names are found: the newest entry, for the tasks of one story.
names_found: ContextVar[list[bool]] = ContextVar("names_found")


class _Selector(selectors.DefaultSelector):
    """Waits for real as long as is right for the loop's own seconds."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self._factor = factor

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / self._factor)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds are shorter than real ones by ``factor``."""

    def __init__(self, factor: float) -> None:
        self._origin_s: float | None = None
        self._factor = factor
        super().__init__(_Selector(factor))

    def time(self) -> float:
        real_s = super().time()
        if self._origin_s is None:
            self._origin_s = real_s
        return _BEGIN_S + (real_s - self._origin_s) * self._factor

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
    with patience, asyncio.Runner(loop_factory=lambda: FastLoop(factor)) as runner:
        return runner.run(story)
