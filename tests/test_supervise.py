"""Jobs are restarted after errors, and given up when they keep dying."""

import asyncio
from unittest.mock import ANY

import pytest
from structlog.testing import capture_logs

from monitor.core.events import JobDied
from monitor.ports import Job
from monitor.supervise import DEATHS_ALLOWED, PAUSES_S, WINDOW_S, JobGaveUpError, once_more, supervise
from tests.conftest import ManualClock


async def test_a_job_that_returns_is_done(clock: ManualClock) -> None:
    """No restart after a normal end."""
    runs = []

    async def work() -> None:
        runs.append(1)

    await supervise(Job("w", work), clock)()
    assert runs == [1]


async def test_a_dead_job_is_restarted_with_growing_pauses(clock: ManualClock) -> None:
    """It is reported each time, and pauses before it is started again."""
    died: list[JobDied] = []
    runs = []

    async def work() -> None:
        runs.append(1)
        if len(runs) < 4:
            raise ValueError

    async with asyncio.TaskGroup() as group:
        group.create_task(supervise(Job("w", work), clock, died.append)())
        await clock.advance(60.0)
    assert len(runs) == 4
    assert died == [JobDied("w", "ValueError", count) for count in (1, 2, 3)]
    assert clock.slept == list(PAUSES_S[:3])


async def test_a_death_is_logged_with_its_place_and_without_its_text(clock: ManualClock) -> None:
    """Of what led to it too: the text of an error may quote an address with a token."""

    def connect() -> None:
        raise OSError("https://host/bot1:TOKEN refused")

    async def work() -> None:
        try:
            connect()
        except OSError as error:
            raise ValueError("TOKEN") from error

    with capture_logs() as lines:
        await once_more(Job("w", work))
    (line,) = lines
    assert "TOKEN" not in str(line)
    assert [step.rpartition(" ")[::2] for step in line["trace"]] == [
        ("ValueError", "at"), (ANY, "_death"), (ANY, "work"), ("OSError", "at"), (ANY, "work"), (ANY, "connect")
    ]  # fmt: skip
    assert line["trace"][-1].startswith("test_supervise.py:")


async def test_a_job_that_keeps_dying_gives_up(clock: ManualClock) -> None:
    """Repeated death within the window ends in an error for the group, and the last one is told as fatal."""
    died: list[JobDied] = []

    async def work() -> None:
        raise ValueError

    async def until_it_gives_up() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(supervise(Job("w", work), clock, died.append)())
            await clock.advance(WINDOW_S)

    with pytest.raises(ExceptionGroup) as caught:
        await until_it_gives_up()
    (error,) = caught.value.exceptions
    assert isinstance(error, JobGaveUpError)
    assert (error.job, error.deaths) == ("w", DEATHS_ALLOWED + 1)
    assert "job w died" in str(error)
    assert [death.fatal for death in died] == [False] * DEATHS_ALLOWED + [True]
    assert died[-1] == JobDied("w", "ValueError", DEATHS_ALLOWED + 1, fatal=True)


async def test_deaths_far_apart_are_forgiven(clock: ManualClock) -> None:
    """One death an hour never ends the process."""
    runs = []

    async def work() -> None:
        runs.append(1)
        if len(runs) > 3 * DEATHS_ALLOWED:
            return
        await clock.sleep(3600.0)
        raise ValueError

    async with asyncio.TaskGroup() as group:
        group.create_task(supervise(Job("w", work), clock)())
        await clock.advance(3 * DEATHS_ALLOWED * 3700.0)
    assert len(runs) == 3 * DEATHS_ALLOWED + 1


async def test_cancelling_is_no_death(clock: ManualClock) -> None:
    """A stop ends the job at once."""

    async def work() -> None:
        await clock.sleep(1e9)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(supervise(Job("w", work), clock)())
        await clock.advance(1.0)
        task.cancel()
    assert task.cancelled()


async def test_a_job_that_fails_while_it_ends_does_not_come_back(clock: ManualClock) -> None:
    """What closes its connections may raise: a stop would never end, and what a reload took out would go on."""
    runs: list[int] = []
    died: list[JobDied] = []

    async def work() -> None:
        runs.append(1)
        try:
            await asyncio.Event().wait()
        finally:
            if len(runs) == 1:
                raise ConnectionError

    async with asyncio.TaskGroup() as group:
        task = group.create_task(supervise(Job("w", work), clock, died.append)())
        await clock.advance(1.0)
        with capture_logs() as logs:
            task.cancel()
            await clock.advance(60.0)
        over = task.cancelled()
        task.cancel()
    assert over
    assert (runs, died) == ([1], [])
    assert [(entry["event"], entry["job"], entry["error"]) for entry in logs] == [
        ("job.ended_badly", "w", "ConnectionError")
    ]


async def test_a_job_whose_own_wait_is_cancelled_is_no_job_that_was_stopped(clock: ManualClock) -> None:
    """What it waited for was cancelled by somebody: without a restart it would be gone without a word."""
    died: list[JobDied] = []
    runs = []

    async def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            waited_for: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waited_for.cancel()
            await waited_for

    async with asyncio.TaskGroup() as group:
        group.create_task(supervise(Job("w", work), clock, died.append)())
        await clock.advance(1.0)
    assert len(runs) == 2
    assert died == [JobDied("w", "CancelledError", 1)]


async def test_a_job_that_was_given_up_runs_once_more_for_the_drain() -> None:
    """Its next death is its end, and no error for the group."""
    runs = []

    async def work() -> None:
        runs.append(1)
        raise ValueError

    await once_more(Job("w", work))
    assert len(runs) == 1
