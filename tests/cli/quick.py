"""A clock on which time passes faster than it does."""

from monitor.core.model import Now
from monitor.system_clock import SystemClock


class QuickClock:
    """The real clock, so many times as fast."""

    def __init__(self, times: float = 20.0) -> None:
        self._real = SystemClock()
        self._times = times
        self._wall_ms, self._mono_s = self._real.wall_ms(), self._real.mono_s()

    def wall_ms(self) -> int:
        return self._wall_ms + round((self.mono_s() - self._mono_s) * 1000)

    def mono_s(self) -> float:
        return self._mono_s + (self._real.mono_s() - self._mono_s) * self._times

    def now(self) -> Now:
        return Now(self.wall_ms(), self.mono_s())

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds / self._times)
