"""Keeps a job running: restarts it after an error with growing pauses, and gives up when it keeps dying."""

import asyncio
import traceback
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from monitor.core.events import JobDied
from monitor.errors import MonitorError
from monitor.ports import Clock, Job

log = structlog.get_logger()

PAUSES_S = (0.5, 2.0, 5.0, 10.0)
DEATHS_ALLOWED = 5
WINDOW_S = 300.0
_MOST_FRAMES = 12  # of each error


class JobGaveUpError(MonitorError):
    """A job died too often in a short time; the process ends so that its supervisor starts a clean one."""

    def __init__(self, job: str, deaths: int) -> None:
        super().__init__(job, deaths)
        self.job = job
        self.deaths = deaths

    def __str__(self) -> str:
        return f"job {self.job} died {self.deaths} times within {WINDOW_S:.0f} s"


def supervise(
    job: Job, clock: Clock, died: Callable[[JobDied], None] | None = None
) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return a coroutine function that runs ``job`` until it returns by itself or is cancelled.

    Args:
        job: what to run.
        clock: for the pauses and the window.
        died: told of each death. The text of an error may hold a secret, so its type is all that is told.

    Raises:
        JobGaveUpError: from the coroutine, after more than ``DEATHS_ALLOWED`` deaths within ``WINDOW_S``.
    """

    async def run() -> None:
        deaths: deque[float] = deque()
        while (error := await _death(job)) is not None:
            now = clock.mono_s()
            deaths.append(now)
            while deaths[0] < now - WINDOW_S:
                deaths.popleft()
            fatal = len(deaths) > DEATHS_ALLOWED
            kind = type(error).__name__
            log.error("job.died", job=job.name, error=kind, deaths=len(deaths), trace=trace_of(error))
            if died is not None:
                died(JobDied(job.name, kind, len(deaths), fatal))
            if fatal:
                raise JobGaveUpError(job.name, len(deaths)) from error
            await clock.sleep(PAUSES_S[min(len(deaths), len(PAUSES_S)) - 1])

    return run


async def once_more(job: Job) -> None:
    """Run a job that was given up a last time, for what the drain still needs of it; another death is its end."""
    if (error := await _death(job)) is not None:
        log.error("job.died", job=job.name, error=type(error).__name__, trace=trace_of(error))


def trace_of(error: BaseException) -> tuple[str, ...]:
    """Return where an error came from, the outermost call first, and what led to it.

    Without any error's text: that of a library may quote an address with its token.
    """
    steps: list[str] = []
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        frames = traceback.extract_tb(cause.__traceback__)[-_MOST_FRAMES:]
        steps.append(f"{type(cause).__name__} at")
        steps.extend(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
        cause = cause.__cause__ or cause.__context__
    return tuple(steps)


async def _death(job: Job) -> BaseException | None:
    """Run a job; return what it died of, None if it returned by itself."""
    task = asyncio.current_task()
    try:
        await job.run()
    except asyncio.CancelledError as error:
        # Something it waited for was cancelled, and not the job: it would be gone without a word.
        if task is None or task.cancelling():
            raise
        return error
    except Exception as error:  # the top of a task; the caller logs it
        if task is not None and task.cancelling():  # it was told to end, and does
            log.error("job.ended_badly", job=job.name, error=type(error).__name__, trace=trace_of(error))
            raise asyncio.CancelledError from error
        return error
    return None
