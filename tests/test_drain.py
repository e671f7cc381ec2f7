"""Tasks end in order, each with its deadline; what is late is named and never waited for."""

import asyncio
from contextlib import suppress

from structlog.testing import capture_logs

from monitor.drain import cancel, close, finish
from tests.conftest import settle


async def _stubborn(release: asyncio.Event) -> None:
    while not release.is_set():
        with suppress(asyncio.CancelledError):
            await release.wait()


async def _ends_with(stop: asyncio.Event) -> None:
    await stop.wait()


async def test_cancelled_tasks_are_over_when_it_returns() -> None:
    """And nothing is said."""
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(_ends_with(asyncio.Event()))
            await settle(1)
            await cancel([task], 5.0)
            assert task.cancelled()
        await cancel([], 5.0)
        await finish([], 5.0)
    assert logs == []


async def test_a_task_that_does_not_end_is_named_and_left() -> None:
    """The deadline holds whatever the task does."""
    release = asyncio.Event()
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(_stubborn(release), name="stubborn")
            await settle(1)
            await cancel([task], 0.01)
            assert not task.done()
            await finish([task], 0.01)
            assert not task.done()
            release.set()
    assert [(entry["event"], entry["job"]) for entry in logs] == [("drain.late", "stubborn")] * 2


async def test_a_task_that_was_told_to_end_is_waited_for() -> None:
    """It finishes by itself and is not cancelled."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_ends_with(stop))
        await settle(1)
        stop.set()
        await finish([task], 5.0)
        assert task.done()
        assert not task.cancelled()


async def test_what_does_not_close_in_time_is_named_and_left() -> None:
    """What closes in time is waited for, and its error is the caller's."""
    until_s = asyncio.get_running_loop().time()
    with capture_logs() as logs:
        await close("history", _ends_with(asyncio.Event()), until_s)
        await close("state", settle(1), until_s + 60.0)
    assert [(entry["event"], entry["job"]) for entry in logs] == [("drain.late", "history")]
