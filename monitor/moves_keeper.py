"""Has the next run know how prices moved before the exchange answers it, so that its first alert says so."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from threading import Lock
from typing import Final

import numpy as np
import structlog

from monitor.core.events import Closes
from monitor.core.minutes import MINUTE_MS, MinuteCloses, Ring
from monitor.core.move_board import OLDEST_S
from monitor.errors import StoreError
from monitor.ports import Clock, Job
from monitor.storage.moves_cache import MovesCache

log = structlog.get_logger()

EVERY_S: Final = 60.0
NAMES: Final = 20  # are written each minute; more of them less often, so that a disk wears no faster
LONGEST_S: Final = 300.0
PATIENCE_S: Final = 0.2  # in the end, for another save
_SKEW_MS: Final = 60_000  # by which our clock may be behind the exchange's


class MovesKeeper:
    """A job of its own: a disk that hangs must not stop anything else.

    Args:
        cache: where closes are kept.
        minutes: returns what is known of watched names.
        clock: for the pauses, and for how old is what was kept.
    """

    def __init__(self, cache: MovesCache, minutes: Callable[[], Ring], clock: Clock) -> None:
        self._cache = cache
        self._minutes = minutes
        self._clock = clock
        self._keeping = True  # the last attempt succeeded
        self._writing = Lock()  # a save that was cancelled goes on in its thread

    def load(self, watched: Collection[str]) -> tuple[Closes, ...]:
        """Return what an earlier run knew of these names.

        Nothing that ended longer ago than ``OLDEST_S``, after which the engine itself forgets how a price moved,
        nor what our clock says is yet to come.
        """
        now_ms = self._clock.wall_ms()
        return tuple(
            Closes(one.name, one.first_ms, tuple(one.closes.tolist()))
            for one in self._cache.load()
            if one.name in watched and -_SKEW_MS <= now_ms - _end_ms(one) <= OLDEST_S * 1000
        )

    def jobs(self) -> Sequence[Job]:
        """Return what must run; it may be cancelled at any time."""
        return (Job("keep-moves", self._run),)

    async def finish(self) -> None:
        """Keep what is known in the end; whoever waits for a disk that hangs may give up."""
        await asyncio.to_thread(self._save, self._minutes())

    async def _run(self) -> None:
        known = self._minutes()
        while True:
            await self._clock.sleep(min(LONGEST_S, EVERY_S * max(1, -(-len(known.names) // NAMES))))
            known = self._minutes()
            await asyncio.to_thread(self._save, known)

    def _save(self, minutes: Ring) -> None:
        """Runs in a thread, closes included: of a thousand names the loop would stand still for them."""
        known = minutes.closes()
        if not known or not self._writing.acquire(timeout=PATIENCE_S):
            return  # nothing is known yet, or the disk hangs and another save waits for it
        try:
            self._cache.save(known)
        except StoreError as error:
            if self._keeping:
                log.warning("moves.cache_failed", reason=error.cause, hint=error.hint)
            self._keeping = False
        else:
            self._keeping = True
        finally:
            self._writing.release()


def _end_ms(one: MinuteCloses) -> int:
    """Return when its newest minute with a close was over."""
    there = np.flatnonzero(one.closes)
    return one.first_ms + (int(there[-1]) + 1 if there.size else 0) * MINUTE_MS
