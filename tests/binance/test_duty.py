"""Which of two connections has the duty where both deliver at one moment."""

import asyncio
from random import Random

from monitor.binance.streams import MarkFeed
from monitor.inbox import EngineInbox
from tests.conftest import ManualClock


def frame(clock: ManualClock) -> bytes:
    return f'{{"e":"markPriceUpdate","E":{clock.wall_ms()},"s":"BTCUSDT","p":"100"}}'.encode()


async def test_two_connections_that_deliver_at_one_moment_do_not_retire_each_other(clock: ManualClock) -> None:
    """The second may read what had come before it hears that it is retired; with both gone the feed is blind."""
    rng = Random(1)  # noqa: S311 - jitter
    feed = MarkFeed("usdm", ["BTCUSDT"], ["wss://one.test/market"], inbox=EngineInbox(), clock=clock, rng=rng)
    first, second = feed._lanes
    async with asyncio.timeout(None) as one, asyncio.timeout(None) as other:  # noqa: ASYNC100 - lanes own scopes
        for lane, scope in ((first, one), (second, other)):
            lane.wanted.set()
            lane.begin(scope)
            lane.opened(clock.mono_s())
        feed._take(first, frame(clock))
        feed._take(second, frame(clock))
    assert [lane.is_live for lane in feed._lanes] == [True, False]
    assert [lane.wanted.is_set() for lane in feed._lanes] == [True, False]
