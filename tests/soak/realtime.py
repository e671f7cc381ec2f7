"""An hour as it is: the service with the system's clock, the exchange in another process."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import msgspec

from monitor.app import Daemon
from monitor.binance.account_values import AccountTimings
from monitor.cli.wiring import build_daemon
from monitor.config import load_text
from monitor.system_clock import SystemClock
from tests.soak.accelerated import CountingChannel, rotating
from tests.soak.exchange import Part
from tests.soak.market import Prices, config
from tests.soak.measure import Reading, read
from tests.soak.report import SoakResult


class RealPlan(NamedTuple):
    """What happens; times in real seconds."""

    symbols: int = 200
    minutes: float = 60.0
    cut_every_s: float = 240.0
    rotate_after_s: float = 150.0  # so that it comes between two cuts
    read_every_s: float = 60.0
    warm_s: float = 600.0
    fall_every_s: float = 1_500.0
    fall_s: float = 600.0
    outages: tuple[tuple[float, float], ...] = ((1_210.0, 1_300.0), (2_410.0, 2_425.0))

    def readings(self) -> Iterator[float]:
        """Yield when to read, the last time at the end."""
        end_s = self.minutes * 60.0
        for number in range(1, int(end_s / self.read_every_s) + 1):
            yield number * self.read_every_s
        if end_s % self.read_every_s:
            yield end_s


async def hour(plan: RealPlan, folder: Path, show: Callable[[Reading, SoakResult], None]) -> SoakResult:
    """Run, and return what was read; ``show`` is told each reading and the result so far."""
    clock, channel = SystemClock(), CountingChannel()
    readings: list[Reading] = []
    async with _exchange(plan) as places:
        prices = Prices(plan.symbols, plan.fall_every_s, plan.fall_s)
        settings = load_text(config(prices, folder, **places), "soak")
        with mock.patch("monitor.cli.sourcing.MarkFeed", rotating(plan.rotate_after_s)):
            timings = AccountTimings(rotate_after_s=plan.rotate_after_s)
            daemon = build_daemon(settings, [channel], clock=clock, environ={"TZ": "UTC"}, timings=timings)
            began_s = clock.mono_s()
            async with asyncio.TaskGroup() as group:
                group.create_task(daemon.run(), name="daemon")
                for due_s in plan.readings():
                    await clock.sleep(due_s - (clock.mono_s() - began_s))
                    readings.append(read(daemon, clock.mono_s() - began_s, channel.taken))
                    show(readings[-1], _result(plan, readings, daemon))
                result = _result(plan, readings, daemon)
                daemon.stop()
    return result


def _result(plan: RealPlan, readings: list[Reading], daemon: Daemon) -> SoakResult:
    status, last = daemon.status(), readings[-1]
    expected = (
        ("no message was sent", last.alerts > 0),
        ("no connection came back", last.reconnects > 0 or last.at_s < 2 * plan.cut_every_s),
        ("no rotation came", last.rotations > 0 or last.at_s < 2 * plan.rotate_after_s),
    )
    warm_s = min(plan.warm_s, plan.minutes * 15.0)
    unplanned = tuple(what for what, holds in expected if not holds)
    return SoakResult(
        "real", plan.symbols, last.at_s / 3_600.0, warm_s, last.at_s, plan.cut_every_s, tuple(readings),
        status.job_deaths, status.history.dropped, unplanned,
    )  # fmt: skip


@asynccontextmanager
async def _exchange(plan: RealPlan) -> AsyncIterator[dict[str, str]]:
    part = Part(plan.symbols, plan.fall_every_s, plan.fall_s, plan.cut_every_s, plan.outages)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.soak.exchange", msgspec.json.encode(part).decode(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()
