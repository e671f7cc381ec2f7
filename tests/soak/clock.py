"""Time that is driven from outside while sockets, databases and threads are real."""

import asyncio
import heapq
from itertools import count
from typing import Final

from monitor.core.model import Now

_MOST_KEPT: Final = 500


class DrivenClock:
    """Implements ``ports.Clock``; stands still until it is moved. Keeps nothing of what is over."""

    def __init__(self, wall_ms: int = 1_780_012_800_000, mono_s: float = 1_000.0) -> None:
        self._wall_ms = wall_ms
        self._start_s = mono_s
        self._mono_s = mono_s
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = count()
        self._most = _MOST_KEPT

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return self._mono_s - self._start_s

    def wall_ms(self) -> int:
        return self._wall_ms + round(self.elapsed_s * 1000)

    def mono_s(self) -> float:
        return self._mono_s

    def now(self) -> Now:
        return Now(self.wall_ms(), self._mono_s)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0.0:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._mono_s + seconds, next(self._count), future))
        await future

    def move(self, seconds: float) -> None:
        """Let time pass at once, and wake whoever is due."""
        self._mono_s += seconds
        while self._sleepers and self._sleepers[0][0] <= self._mono_s + 1e-9:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)
        # Who was cancelled far ahead of his time would otherwise be kept until then.
        if len(self._sleepers) > self._most:
            self._sleepers = [one for one in self._sleepers if not one[2].done()]
            heapq.heapify(self._sleepers)
            self._most = max(_MOST_KEPT, 2 * len(self._sleepers))
