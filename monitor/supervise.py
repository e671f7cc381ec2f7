"""Keeps a job running: restarts it after an error with growing pauses, and gives up when it keeps dying."""

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from monitor.errors import MonitorError
from monitor.ports import Clock, Job

log = structlog.get_logger()

PAUSES_S = (0.5, 2.0, 5.0, 10.0)
DEATHS_ALLOWED = 5
WINDOW_S = 300.0


class JobGaveUpError(MonitorError):
    """A job died too often in a short time; the process ends so that its supervisor starts a clean one."""

    def __init__(self, job: str, deaths: int) -> None:
        super().__init__(job, deaths)
        self.job = job
        self.deaths = deaths

    def __str__(self) -> str:
        return f"job {self.job} died {self.deaths} times within {WINDOW_S:.0f} s"


def supervise(
    job: Job, clock: Clock, died: Callable[[str, str], None] | None = None
) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return a coroutine function that runs ``job`` until it returns by itself or is cancelled.

    Args:
        job: what to run.
        clock: for the pauses and the window.
        died: told the job's name and the type of the error each time.

    Raises:
        JobGaveUpError: from the coroutine, after more than ``DEATHS_ALLOWED`` deaths within ``WINDOW_S``.
    """

    async def run() -> None:
        deaths: deque[float] = deque()
        while True:
            try:
                await job.run()
            except Exception as error:
                now = clock.mono_s()
                deaths.append(now)
                while deaths[0] < now - WINDOW_S:
                    deaths.popleft()
                log.exception("job.died", job=job.name, error=type(error).__name__, deaths=len(deaths))
                if died is not None:
                    died(job.name, type(error).__name__)
                if len(deaths) > DEATHS_ALLOWED:
                    raise JobGaveUpError(job.name, len(deaths)) from error
                await clock.sleep(PAUSES_S[min(len(deaths), len(PAUSES_S)) - 1])
            else:
                return

    return run
