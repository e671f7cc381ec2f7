"""What a reload has no use for any more: tasks that end, and then connections that are let go of.

The wait for it may be cut short by a stop. Whatever was not seen to be over stays here for the next wait.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from monitor.supervise import trace_of

log = structlog.get_logger()

SETTLE_S: Final = 2.0  # so long tasks have to be over, and then all connections


class Leaving:
    """Bounded by what one configuration holds: a reload begins after what the one before ended has left."""

    def __init__(self) -> None:
        self._ended: list[asyncio.Task[None]] = []
        self._closing: list[Callable[[], Awaitable[None]]] = []

    def __bool__(self) -> bool:
        """Return whether anything is left."""
        return bool(self._ended or self._closing)

    def add(
        self, ended: Iterable[asyncio.Task[None]], closing: Iterable[Callable[[], Awaitable[None]]] = ()
    ) -> None:
        """Note tasks that were cancelled, and what closes what they used; calling that twice must be fine."""
        self._ended += ended
        self._closing += closing

    async def settle(self) -> None:
        """Wait for tasks, then close all at once. One that fails or hangs is logged, and takes no other along."""
        if self._ended:
            _, late = await asyncio.wait(self._ended, timeout=SETTLE_S)
            for task in late:
                log.warning("reload.late", job=task.get_name())
            self._ended.clear()
        # A library's own cancelled task must not end the wait for the others; a wait that is cancelled still ends.
        await asyncio.gather(*map(self._close, tuple(self._closing)), return_exceptions=True)

    async def _close(self, close: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(SETTLE_S):
                await close()
        except Exception as error:  # noqa: BLE001 - whatever a library raises; the others have to close too
            log.error("reload.not_closed", error=type(error).__name__, trace=trace_of(error))
        self._closing.remove(close)
