"""A thread for what may hang for ever, such as a file on a disk that is away.

The threads that asyncio keeps are few, and its end waits for each: names could not be looked up any more, and no
service would stop in time.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from monitor.errors import MonitorError

T = TypeVar("T")


class HangsError(MonitorError):
    """What ran before has not ended."""

    retryable = True


class Apart(Generic[T]):
    """Runs one thing at a time, which neither a stop nor anything else waits for.

    Args:
        late: handed what came after nobody waited any more; in the loop, or in the thread once that has ended.
    """

    def __init__(self, late: Callable[[T], None]) -> None:
        self._late = late
        self._runs = False

    async def __call__(self, job: Callable[[], T]) -> T:
        """Return what ``job`` returns, or raise what it raises; cancelled, it goes on.

        Raises:
            HangsError: the job before has not ended.
            RuntimeError: the system has no room for a thread.
        """
        if self._runs:
            raise HangsError
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        threading.Thread(target=self._work, args=(job, answer), name="apart", daemon=True).start()
        self._runs = True
        try:
            return await answer
        except asyncio.CancelledError:
            if not answer.cancelled() and answer.exception() is None:
                self._late(answer.result())  # both came in one turn of the loop
            raise

    def _work(self, job: Callable[[], T], answer: "asyncio.Future[T]") -> None:
        loop = answer.get_loop()
        try:
            found = job()
        except Exception as error:  # noqa: BLE001 - the top of a thread; whoever waits gets it
            reason = error
            _tell(loop, lambda: self._failed(answer, reason))
        else:
            if not _tell(loop, lambda: self._made(answer, found)):
                self._late(found)

    def _made(self, answer: "asyncio.Future[T]", found: T) -> None:
        self._runs = False
        if answer.done():
            self._late(found)
        else:
            answer.set_result(found)

    def _failed(self, answer: "asyncio.Future[T]", error: Exception) -> None:
        self._runs = False
        if not answer.done():
            answer.set_exception(error)


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> bool:
    """Have it called in the loop; return whether there still is one."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        return False
    return True
