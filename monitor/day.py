"""The calendar beside the engine: says when the time of the daily summary has come, and keeps the running day.

The core knows no time zones. It is told each moment at which a summary is due, late if nothing ran then; whether
somebody is told is decided there.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final

import structlog

from monitor.core.events import DayKept, DayOver
from monitor.core.notices import DayReport
from monitor.errors import StoreError
from monitor.ports import Clock, Inbox, Job
from monitor.storage.day_cache import DayCache

log = structlog.get_logger()

SETTLE_S: Final = 60.0  # after the start, before what was missed is told: marks and accounts arrive first
SAVE_S: Final = 60.0  # so much of a day can a crash lose
PATIENCE_S: Final = 0.5  # with a disk, at the end
_SPAN = range(-2, 3)  # dates around one that no time zone's offset reaches beyond


def last_due(now_ms: int, minute: int, zone: dt.tzinfo) -> int:
    """Return the newest moment, up to now, at which a clock in ``zone`` shows a time of day; Unix milliseconds.

    Once for each date: a time that the clock skips counts as much later, one it shows twice the first time.

    Args:
        now_ms: Unix milliseconds.
        minute: since midnight.
        zone: whose clock.
    """
    return max(at_ms for at_ms in _around(now_ms, minute, zone) if at_ms <= now_ms)


def next_due(now_ms: int, minute: int, zone: dt.tzinfo) -> int:
    """Return the first such moment after now."""
    return min(at_ms for at_ms in _around(now_ms, minute, zone) if at_ms > now_ms)


def _around(now_ms: int, minute: int, zone: dt.tzinfo) -> Sequence[int]:
    today = dt.datetime.fromtimestamp(now_ms / 1000, zone).date()
    at = dt.time(minute // 60, minute % 60, tzinfo=zone)
    dates = [today + dt.timedelta(days=days) for days in _SPAN]
    return [round(dt.datetime.combine(date, at).timestamp() * 1000) for date in dates]


class Calendar:
    """Posts what the engine has to know of days.

    Args:
        minute: of the summary, since midnight; None: there is none.
        zone: whose clock shows it.
        cache: where the running day is kept.
        day: returns it.
        inbox: where events go.
        clock: of records and pauses.
        goes_on: the service runs already; then moments that are over are another calendar's.
    """

    def __init__(
        self, minute: int | None, zone: dt.tzinfo, *, cache: DayCache, day: Callable[[], DayReport], inbox: Inbox,
        clock: Clock, goes_on: bool = False,
    ) -> None:  # fmt: skip
        self._settle_s = 0.0 if goes_on else SETTLE_S
        self._minute = minute
        self._zone = zone
        self._cache = cache
        self._day = day
        self._inbox = inbox
        self._clock = clock
        self._said_ms = clock.wall_ms() if goes_on else 0  # the newest moment that was posted
        self._saving = True  # the last attempt to save succeeded
        self._writing = Lock()  # a save that was cancelled goes on in its thread

    def begin(self) -> DayKept | None:
        """Return what an earlier run counted of the day; the first call after the state was restored."""
        found = None if self._minute is None else self._cache.load()
        return None if found is None else DayKept(found.day, found.saved_ms)

    def jobs(self) -> Sequence[Job]:
        """Return what must run; nothing without a summary."""
        return () if self._minute is None else (Job("calendar", self._run),)

    async def finish(self) -> None:
        """Keep the day as it ended; whoever waits for a disk that hangs may give up."""
        if self._minute is not None:
            await asyncio.to_thread(self._save, self._day(), self._clock.wall_ms())

    def _save(self, day: DayReport, at_ms: int) -> None:
        if not self._writing.acquire(timeout=PATIENCE_S):
            return  # the disk hangs, and another save waits for it
        try:
            self._cache.save(day, at_ms)
        except StoreError as error:
            if self._saving:
                log.warning("day.cache_failed", reason=error.cause, hint=error.hint)
            self._saving = False
        else:
            self._saving = True
        finally:
            self._writing.release()

    async def _run(self) -> None:
        minute = 0 if self._minute is None else self._minute
        await self._clock.sleep(self._settle_s)
        while True:
            now_ms = self._clock.wall_ms()
            due_ms = last_due(now_ms, minute, self._zone)
            if due_ms > self._said_ms:
                self._said_ms = due_ms
                self._inbox.post(DayOver(due_ms))
            left_s = (next_due(now_ms, minute, self._zone) - now_ms) / 1000
            # A machine that slept or a clock that was set is noticed within a minute.
            await self._clock.sleep(min(SAVE_S, left_s))
            await asyncio.to_thread(self._save, self._day(), self._clock.wall_ms())
