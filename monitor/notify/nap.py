"""A sleep that another part of the program can cut short."""

import asyncio

from monitor.ports import Clock


class Nap:
    """Sleeps on the clock without a task of its own; one sleep at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._scope: asyncio.Timeout | None = None

    async def sleep(self, seconds: float | None) -> None:
        """Return after ``seconds``, or when interrupted; None waits for the interruption alone."""
        try:
            async with asyncio.timeout(None) as self._scope:
                if seconds is None:
                    await asyncio.get_running_loop().create_future()
                else:
                    await self._clock.sleep(seconds)
        except TimeoutError:
            return  # interrupted
        finally:
            self._scope = None

    def interrupt(self) -> None:
        """End the sleep under way, if there is one."""
        if self._scope is not None:
            self._scope.reschedule(asyncio.get_running_loop().time())
            self._scope = None
