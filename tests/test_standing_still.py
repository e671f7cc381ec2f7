"""A service whose process is not run for a while: it says so in its log, and takes it for nothing else."""

import asyncio
import heapq
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.core.events import Subscribed
from monitor.core.model import Market, MarkTick
from monitor.plan import Sources
from monitor.ports import Inbox
from tests.conftest import ManualClock
from tests.core.builders import BTC
from tests.test_giving_up import DialFeed, Life


class StoppableClock(ManualClock):
    """Its time may pass without anybody being woken on the way."""

    def stand_still(self, seconds: float) -> None:
        """Let time pass; whoever is late for it wakes with the next moment."""
        self._mono_s += seconds
        self._wall_ms += round(seconds * 1000)
        self._sleepers = [(max(wake, self._mono_s), count, future) for wake, count, future in self._sleepers]
        heapq.heapify(self._sleepers)


class Stream(DialFeed):
    """One that may have to be connected anew."""

    open = True

    async def _run(self) -> None:
        self._inbox.post(Subscribed("feed", (BTC,), self._clock.mono_s()))
        while True:
            if self.open:
                self._inbox.tick(MarkTick(BTC, self.mark, self._clock.wall_ms(), self._clock.mono_s()))
            await self._clock.sleep(1.0)


class StreamingLife(Life):
    """A daemon with such a stream."""

    def _sources(self, inbox: Inbox) -> Sources:
        self.stream = Stream(inbox, self.clock)
        return Sources({Market.USDM: self.stream})


async def test_a_stopped_process_is_not_blind_on_waking(tmp_path: Path) -> None:
    """Its stream delivers a few moments later; whoever reads the log learns what it was."""
    clock = StoppableClock()
    with capture_logs() as logs:
        life = StreamingLife(tmp_path / "s", clock)
        async with asyncio.TaskGroup() as group:
            group.create_task(life.outcome())
            await life.until(lambda: life.daemon.ticks > 3)
            clock.stand_still(82.0)
            life.stream.open = False
            woken_s = clock.mono_s()
            await life.until(lambda: clock.mono_s() > woken_s + 4.0)
            life.stream.open = True
            ticks = life.daemon.ticks
            await life.until(lambda: life.daemon.ticks > ticks + 20)
            told = [*life.channels[0].titles, *life.channels[1].titles]
            life.daemon.stop()
            await life.until(lambda: "daemon.stopped" in [entry["event"] for entry in logs])
    (still,) = (entry["seconds"] for entry in logs if entry["event"] == "daemon.stood_still")
    assert still == pytest.approx(83.0, abs=1.0)
    assert told == []
