"""Keeps lock and socket of a running daemon where others look for them.

A state directory may be removed or replaced under it. Databases notice that by themselves; without its lock no
command would find the daemon, and a second one would start beside it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from monitor.control import ControlServer, Lock
from monitor.errors import AlreadyRunningError, ControlError
from monitor.ports import Clock, Job

log = structlog.get_logger()

CHECK_S: Final = 1.0
# In a row: a command that writes while no daemon seems to run has it too, as has a daemon that fails to start.
REFUSALS: Final = 3


class Presence:
    """Looks each second; the disk is asked in a thread.

    Args:
        lock: held.
        control: listening.
        clock: for the pauses.
        displaced: told, once, that another daemon has the lock. The one that started last goes on: whoever started
            it found none, and two would double every message.
    """

    def __init__(
        self, lock: Lock, control: ControlServer, clock: Clock, displaced: Callable[[AlreadyRunningError], None]
    ) -> None:
        self._lock = lock
        self._control = control
        self._clock = clock
        self._displaced = displaced
        self._failed = ""  # why the last attempt did not succeed, which is logged once

    def jobs(self) -> Sequence[Job]:
        """Return what keeps looking."""
        return [Job("presence", self._run)]

    async def _run(self) -> None:
        refusals = 0  # in a row
        while True:
            await self._clock.sleep(CHECK_S)
            try:
                await self._look()
            except AlreadyRunningError as error:
                refusals += 1
                if refusals < REFUSALS:
                    log.error("lock.lost", reason=str(error))
                    continue
                log.critical("daemon.displaced", reason=str(error))
                self._displaced(error)
                return
            except ControlError as error:
                refusals = 0
                if str(error) != self._failed:
                    log.error("presence.failed", reason=str(error))
                self._failed = str(error)
            else:
                refusals, self._failed = 0, ""

    async def _look(self) -> None:
        # The socket first: whoever takes both takes the lock before it, and theirs must not be replaced by ours.
        reachable = await asyncio.to_thread(self._control.is_reachable)
        if not await asyncio.to_thread(self._lock.is_held):
            await asyncio.to_thread(self._lock.retake)
            log.warning("lock.retaken", reason="its file was removed or replaced")
        if not reachable:
            await self._control.restart()
            log.warning("socket.remade", reason="its file was removed or replaced")
