import asyncio

from monitor.notify.nap import Nap
from tests.conftest import ManualClock, settle


async def test_a_nap_ends_by_itself(clock: ManualClock) -> None:
    """After its time on the clock, not before."""
    async with asyncio.TaskGroup() as group:
        nap = group.create_task(Nap(clock).sleep(5.0))
        await clock.advance(4.9)
        assert not nap.done()
        await clock.advance(0.1)
        assert nap.done()


async def test_a_nap_can_be_cut_short(clock: ManualClock) -> None:
    """Whether it has an end of its own or not; the next one is not affected."""
    nap = Nap(clock)
    nap.interrupt()  # nobody sleeps
    async with asyncio.TaskGroup() as group:
        for seconds in (5.0, None):
            sleeping = group.create_task(nap.sleep(seconds))
            await settle()
            nap.interrupt()
            nap.interrupt()
            await settle()
            assert sleeping.done()
        sleeping = group.create_task(nap.sleep(1.0))
        await settle()
        assert not sleeping.done()
        await clock.advance(1.0)


async def test_a_nap_can_be_cancelled(clock: ManualClock) -> None:
    """Cancelling its task is no interruption."""
    nap = Nap(clock)
    async with asyncio.TaskGroup() as group:
        sleeping = group.create_task(nap.sleep(None))
        await settle()
        sleeping.cancel()
    assert sleeping.cancelled()
    nap.interrupt()
