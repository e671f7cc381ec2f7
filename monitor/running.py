"""The tasks of the daemon: started within its one TaskGroup, supervised, known by stage and by name.

What is known of a job's deaths goes when a reload ends the job.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import structlog

from monitor.beat import Beat, standing
from monitor.core.events import JobDied
from monitor.ports import Clock, Job
from monitor.supervise import WINDOW_S, JobGaveUpError, once_more, supervise

log = structlog.get_logger()


class Stage(StrEnum):
    """What a task is there for; stages end in this order."""

    INPUT = "input"
    DECIDING = "deciding"
    SENDING = "sending"
    COMMITTING = "committing"
    WRITING = "writing"


# If a job of these is given up, the drain still needs it.
_NEEDED = frozenset({Stage.SENDING, Stage.COMMITTING, Stage.WRITING})


class _Running(NamedTuple):
    stage: Stage
    job: Job


class Running:
    """Starts jobs, and ends those that a reload has no use for.

    Args:
        clock: for the pauses of supervision.
        died: told of each death of a job.
        gave_up: told of a job that kept dying.
    """

    def __init__(
        self, clock: Clock, *, died: Callable[[JobDied], None], gave_up: Callable[[JobGaveUpError], None]
    ) -> None:
        self._clock = clock
        self._died = died
        self._gave_up = gave_up
        self._group: asyncio.TaskGroup | None = None
        self._awake_s = clock.mono_s()
        self._tasks: dict[asyncio.Task[None], _Running] = {}
        self._died_s: dict[str, float] = {}  # when a job last did, by name
        self._parting: frozenset[str] = frozenset()
        self.deaths: dict[str, int] = {}  # since the start, by name
        self.beats: dict[str, Beat] = {}  # of the jobs that run

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Start what is started in this group from now on."""
        self._group = group
        self.woke()

    def start(self, stage: Stage, jobs: Sequence[Job]) -> None:
        """Start jobs, each in a task of its own."""
        if self._group is None:
            raise RuntimeError("nothing runs yet")
        for job in jobs:
            task = self._group.create_task(self._keep_up(job, needed=stage in _NEEDED), name=job.name)
            self._tasks[task] = _Running(stage, job)
            if job.beat is not None:
                self.beats[job.name] = job.beat
            task.add_done_callback(self._over)

    def of(self, *stages: Stage) -> list[asyncio.Task[None]]:
        """Return the tasks of some stages that have not ended."""
        return [task for task, running in self._tasks.items() if running.stage in stages]

    def end(self, names: Collection[str]) -> list[asyncio.Task[None]]:
        """Cancel the tasks of these names and return them; what is started with one of them later is another."""
        ended = [task for task, running in self._tasks.items() if running.job.name in names]
        for task in ended:
            self._unwatch(self._tasks[task].job)
            task.cancel()
        for name in names:
            self._forget(name)
        return ended

    def parting(self, names: Iterable[str]) -> None:
        """Note all jobs that have no place any more and end by themselves, at a time of their own."""
        self._parting = frozenset(names)

    def woke(self) -> None:
        """Note that the whole process was woken, or begins: no loop is to blame for what it did not do before."""
        self._awake_s = self._clock.mono_s()

    def standing(self) -> tuple[str, ...]:
        """Return the loops that have not come round in time."""
        return standing(self.beats, self._awake_s, self._clock.mono_s(), self._awake_s)

    def dying(self) -> tuple[str, ...]:
        """Return the jobs that died lately: within as long as the supervisor looks back."""
        now_s = self._clock.mono_s()
        return tuple(name for name, at_s in self._died_s.items() if now_s - at_s < WINDOW_S)

    def died(self, death: JobDied) -> None:
        """Count a death, and tell of it."""
        self.deaths[death.job] = self.deaths.get(death.job, 0) + 1
        self._died_s[death.job] = self._clock.mono_s()
        self._died(death)

    def _over(self, task: asyncio.Task[None]) -> None:
        job = self._tasks.pop(task).job
        self._unwatch(job)
        if job.name in self._parting:
            self._forget(job.name)

    def _forget(self, name: str) -> None:
        self.deaths.pop(name, None)
        self._died_s.pop(name, None)

    def _unwatch(self, job: Job) -> None:
        if job.beat is not None and self.beats.get(job.name) is job.beat:
            del self.beats[job.name]

    async def _keep_up(self, job: Job, *, needed: bool) -> None:
        """Run a job; if it is given up the service drains, for which those that are ``needed`` run once more."""
        try:
            await supervise(job, self._clock, self.died)()
        except JobGaveUpError as error:
            log.critical("daemon.gives_up", job=job.name)
            self._gave_up(error)
            if needed:
                await once_more(job)
