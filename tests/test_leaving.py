"""What a reload ended is let go of, all of it, whatever cuts the wait short or fails."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

import monitor.leaving
from monitor.leaving import Leaving
from tests.conftest import settle


class Ends:
    """A task that takes its time to end, and connections that note that they were closed."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.closed: list[str] = []

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await self.over.wait()

    def close(self, name: str) -> Callable[[], Awaitable[None]]:
        async def close() -> None:
            self.closed.append(name)

        return close


async def _raises() -> None:
    raise ConnectionError


async def test_a_stop_in_between_leaves_nothing_open() -> None:
    """The reload's own wait is cancelled while tasks end or while one closes; the next wait goes on there."""
    ends, leaving = Ends(), Leaving()
    slow = asyncio.Event()

    async def close_slowly() -> None:
        await slow.wait()
        ends.closed.append("slow")

    async with asyncio.TaskGroup() as group:
        task = group.create_task(ends.run())
        await settle(1)
        task.cancel()
        leaving.add([task], [ends.close("first"), close_slowly, ends.close("last")])
        waits = group.create_task(leaving.settle())
        await settle()
        waits.cancel()
        await settle()
        assert leaving
        assert not ends.closed
        ends.over.set()
        waits = group.create_task(leaving.settle())
        await settle()
        assert ends.closed == ["first", "last"]
        waits.cancel()
        await settle()
        slow.set()
        await leaving.settle()
    assert ends.closed == ["first", "last", "slow"]
    assert not leaving


async def test_all_close_at_once() -> None:
    """However many hang, the wait is that for one: each of these is through only when all have begun."""
    ends, leaving = Ends(), Leaving()
    begun = asyncio.Barrier(3)

    async def close() -> None:
        await begun.wait()
        ends.closed.append("one")

    leaving.add((), [close] * begun.parties)
    with capture_logs() as logs:
        await leaving.settle()
    assert ends.closed == ["one"] * begun.parties
    assert not logs
    assert not leaving


async def test_one_that_fails_takes_no_other_along() -> None:
    """It is said, with what it failed with."""
    ends, leaving = Ends(), Leaving()
    leaving.add((), [_raises, ends.close("other")])
    with capture_logs() as logs:
        await leaving.settle()
    assert ends.closed == ["other"]
    assert not leaving
    assert [(entry["event"], entry["error"]) for entry in logs] == [("reload.not_closed", "ConnectionError")]


async def test_one_that_was_cancelled_itself_cuts_no_other_short() -> None:
    """The wait goes on for the others; that one is tried again by the next."""
    ends, leaving = Ends(), Leaving()
    gone = [asyncio.CancelledError()]

    async def cancelled() -> None:
        if gone:
            raise gone.pop()
        ends.closed.append("again")

    async def slowly() -> None:
        await settle(1)
        ends.closed.append("other")

    leaving.add((), [cancelled, slowly])
    await leaving.settle()
    assert ends.closed == ["other"]
    await leaving.settle()
    assert ends.closed == ["other", "again"]
    assert not leaving


async def test_what_hangs_is_named_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that does not end and a connection that does not close hold nobody up."""
    monkeypatch.setattr(monitor.leaving, "SETTLE_S", 0.01)
    ends, leaving = Ends(), Leaving()

    async def hang() -> None:
        await ends.over.wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(ends.run(), name="stubborn")
        await settle(1)
        task.cancel()
        leaving.add([task], [hang, ends.close("other")])
        with capture_logs() as logs:
            await leaving.settle()
        ends.over.set()
    assert ends.closed == ["other"]
    assert [entry.get("job", entry.get("error")) for entry in logs] == ["stubborn", "TimeoutError"]
