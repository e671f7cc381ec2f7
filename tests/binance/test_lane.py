import asyncio

import pytest

from monitor.binance.lane import NO_DATA, RETIRED, STALLED, UNUSABLE_DATA, Lane
from tests.conftest import settle


def overdue(lane: Lane, now_s: float) -> str:
    return lane.overdue(now_s, first_data_timeout_s=5.0, stall_after_s=10.0)


def test_an_open_socket_must_deliver_in_time() -> None:
    """Before it is open nothing is due; then the first data is, and refused frames are named as the reason."""
    lane = Lane("a")
    assert overdue(lane, 1e9) == ""
    lane.opened(100.0)
    assert overdue(lane, 104.9) == ""
    assert overdue(lane, 105.0) == NO_DATA
    lane.rejected = "future_time"
    assert overdue(lane, 105.0) == UNUSABLE_DATA


def test_a_host_that_repeats_itself_stalls() -> None:
    """Only a mark whose event time moves on counts as progress."""
    lane = Lane("a")
    lane.opened(100.0)
    lane.moved_on(1_000, 101.0)
    lane.live_s = 101.0
    assert lane.is_live
    lane.moved_on(1_000, 108.0)
    assert overdue(lane, 110.9) == ""
    assert overdue(lane, 111.0) == STALLED
    lane.moved_on(2_000, 111.0)
    assert overdue(lane, 120.9) == ""


async def test_the_first_interrupt_stands() -> None:
    """A connection is given up for one reason; between connections there is nothing to interrupt."""
    lane = Lane("a")
    lane.interrupt(NO_DATA)
    assert lane.verdict == ""

    async def connection() -> None:
        async with asyncio.timeout(None) as scope:
            lane.begin(scope)
            lane.interrupt(STALLED)
            lane.interrupt(RETIRED)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await connection()
    assert lane.verdict == STALLED
    lane.begin(None)
    assert lane.verdict == ""


async def test_a_closing_handshake_is_not_interrupted() -> None:
    """Once released, a connection closes undisturbed."""
    lane = Lane("a")
    async with asyncio.timeout(None) as scope:
        lane.begin(scope)
        lane.release()
        lane.rest()
        await settle()
    assert lane.verdict == ""


def test_a_summoned_lane_begins_with_a_clean_record() -> None:
    """The candidate is given, earlier failures are forgotten; resting ends being wanted."""
    lane = Lane("a")
    lane.failures = 7
    lane.summon(3)
    assert (lane.index, lane.failures, lane.wanted.is_set()) == (3, 0, True)
    lane.rest()
    assert not lane.wanted.is_set()
