"""The system's clock: the only caller of ``time`` and ``asyncio.sleep`` in the package."""

import asyncio
import time

from monitor.core.model import Now


class SystemClock:
    """Implements ``ports.Clock`` with the machine's clocks."""

    def wall_ms(self) -> int:
        """Return Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def mono_s(self) -> float:
        """Return seconds since an arbitrary start; never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``; at once if not positive."""
        await asyncio.sleep(seconds)

    def now(self) -> Now:
        """Return both clocks at one moment."""
        return Now(self.wall_ms(), self.mono_s())
