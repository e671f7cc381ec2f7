"""What pages read: one snapshot for all of them, and threads for what blocks."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from monitor.errors import MonitorError
from monitor.ports import Clock
from monitor.status import Status
from monitor.web.context import SNAPSHOT_S

T = TypeVar("T")

# Queries that run at a time. SQLite readers share the disk with what must never lose: few, and refused beyond.
MOST_READS: Final = 2
# Python runs one thread at a time: whoever reads many rows rests in between, so that marks need not wait for it.
_REST_S: Final = 0.002


class BusyError(MonitorError):
    """As many queries run as may; asking again helps."""

    retryable = True


class Snapshot:
    """A status that is made at most once in ``SNAPSHOT_S``, whoever asks and however often."""

    def __init__(self, make: Callable[[], Status], clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._made_s = 0.0
        self._last: Status | None = None

    def __call__(self) -> Status:
        """Return the last one while it is new enough."""
        now_s = self._clock.mono_s()
        if self._last is None or now_s - self._made_s >= SNAPSHOT_S:
            self._last, self._made_s = self._make(), now_s
        return self._last

    def forget(self) -> None:
        """Have it made anew for whoever asks next: something was changed, and must be seen by who did it."""
        self._last = None


class Reader:
    """Runs what blocks in threads of its own, which neither a stop nor anything else waits for.

    A query that hangs keeps its place until it ends, even if nobody waits for it any more.
    """

    def __init__(self, most: int = MOST_READS) -> None:
        self._most = most
        self._running = 0

    async def __call__(self, job: Callable[[], T]) -> T:
        """Return what ``job`` returns, or raise what it raises.

        Raises:
            BusyError: as many run as may.
        """
        if self._running >= self._most:
            raise BusyError
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def done(give: Callable[[], Any]) -> None:
            self._running -= 1
            if not answer.done():
                give()

        def work() -> None:
            try:
                found = job()
            except Exception as error:  # noqa: BLE001 - the top of a thread; whoever waits gets it
                reason = error
                _tell(loop, lambda: done(lambda: answer.set_exception(reason)))
            else:
                _tell(loop, lambda: done(lambda: answer.set_result(found)))

        try:
            threading.Thread(target=work, name="web-read", daemon=True).start()
        except RuntimeError:  # the system has no more of them
            raise BusyError from None
        # Only now: without a thread nobody would give the place back. That is done by the loop, so not yet.
        self._running += 1
        return await answer


def rest() -> None:
    """Let others have their turn; for threads."""
    threading.Event().wait(_REST_S)


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        return  # the loop has ended, and nobody waits any more
