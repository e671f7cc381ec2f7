"""The threads of the loop for what blocks, such as files and names: a stop does not wait for one that hangs.

asyncio's own are joined by the end of the loop and once more by the interpreter's, so that one read of a disk that
is away would hold up both for as long as it is.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import Empty, SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MOST: Final = min(32, (os.cpu_count() or 1) + 4)  # as many as asyncio's own
REST_S: Final = 0.2  # in the end, for what is about to be done


class Workers(ThreadPoolExecutor):
    """What ``asyncio.to_thread`` runs in, once it is a loop's default executor.

    What is under way in the end may be cut off at any point: nothing is to be left to it alone.

    Args:
        most: so many threads at once; what comes while all work waits its turn.
    """

    def __init__(self, most: int = MOST) -> None:
        super().__init__(max_workers=most)
        self._most = most
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._guard = Lock()
        self._idle = Semaphore(0)
        self._hired = 0
        self._over = False
        self._under_way: set[Future[object]] = set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Have it called in a thread.

        Raises:
            RuntimeError: it was shut down, or the system has no room for the first thread.
        """
        future: Future[T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                found = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - the top of a thread; whoever waits gets it
                future.set_exception(error)
            else:
                future.set_result(found)

        with self._guard:
            if self._over:
                raise RuntimeError("cannot schedule new futures after shutdown")
            # Before anybody is hired for it: one who finds nothing counts as idle.
            self._calls.put(call)
            try:
                self._hire()
            except RuntimeError:
                future.cancel()
                raise
            self._under_way.add(future)  # type: ignore[arg-type]  # only waited for
        future.add_done_callback(self._under_way.discard)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is
        """Take no more, and wait for what is under way, not longer than ``REST_S``."""
        with self._guard:
            self._over = True
            left = tuple(self._under_way)
            for _ in range(self._hired):
                self._calls.put(None)
        for one in left if cancel_futures else ():
            one.cancel()
        if wait:
            _await(left)

    def _hire(self) -> None:
        if self._idle.acquire(blocking=False) or self._hired == self._most:
            return
        try:
            Thread(target=self._work, name=f"worker-{self._hired}", daemon=True).start()
        except RuntimeError:
            if not self._hired:
                raise
            return  # the system has no room for another; those that are there will get to it
        self._hired += 1

    def _work(self) -> None:
        while (call := self._next()) is not None:
            call()
            del call  # or what it holds lives until the next comes

    def _next(self) -> Callable[[], None] | None:
        try:
            return self._calls.get_nowait()
        except Empty:
            self._idle.release()
            return self._calls.get()


def _await(futures: tuple["Future[object]", ...]) -> None:
    wait(futures, timeout=REST_S)
