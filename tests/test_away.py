"""A daemon that was away: the price dips and returns meanwhile, and the next run says so once."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path

import pytest

from monitor.backfill import Timings
from monitor.cli.replay import replayed
from monitor.cli.wiring import build_daemon
from monitor.core.model import Level
from monitor.core.notices import NoticeKind
from monitor.emulator.prices import PricePath
from monitor.storage.history_reader import Filter, HistoryReader
from monitor.storage.holes_cache import HolesCache
from monitor.system_clock import SystemClock
from tests.notify.fakes import FakeChannel
from tests.test_app import Exchange, Watch, exchange, settings_of, until

AWAY_MS = 40 * 60_000
QUICK = Timings(look_s=0.02, settle_s=0.05)


@asynccontextmanager
async def run(
    one: Exchange, state: Path, channel: FakeChannel, journal: Path | None = None
) -> AsyncIterator[Watch]:
    """A run of the daemon that waits for nothing longer than it must."""
    settings, clock = settings_of(one.config(state)), SystemClock()
    daemon = build_daemon(settings, [channel], clock=clock, environ=os.environ, away=QUICK, journal=journal)
    watch = Watch(daemon)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(daemon.run())
        try:
            await until(lambda: watch.level() != "")
            yield watch
        finally:
            daemon.stop()
            await asyncio.wait([task])


def age(state: Path, by_ms: int) -> None:
    """Let everything that was recorded have been recorded so much earlier."""
    with closing(sqlite3.connect(state / "history.db")) as connection, connection:
        connection.execute("UPDATE samples SET at_ms = at_ms - ?", (by_ms,))
        connection.execute("UPDATE minutes SET minute_ms = minute_ms - ?, last_ms = last_ms - ?", (by_ms, by_ms))


def dip(low: str, *, at_s: float) -> PricePath:
    """Return an hour at 62,000 with a dip that is over after two minutes."""
    usual, lowest = Decimal(62_000), Decimal(low)
    return PricePath(((0.0, usual), (at_s - 60.0, usual), (at_s, lowest), (at_s + 60.0, usual), (3_600.0, usual)))


async def test_a_dip_while_nothing_ran_is_told_once_and_recorded(tmp_path: Path) -> None:
    """With the distance it really had; the run after that has nothing to tell."""
    state, journal = tmp_path / "s", tmp_path / "journal"
    channel = FakeChannel()
    async with exchange() as one:
        one.emulator.market.script_past("BTCUSDT", dip("59700", at_s=2_400.0))
        async with run(one, state, channel):
            await SystemClock().sleep(0.05)
            stopped_ms = SystemClock().wall_ms()
        assert channel.accepted == []
        with HistoryReader(state / "history.db") as reader:
            # A wallet at rest has a row a minute, and one more at the end: until then it was seen.
            assert reader.newest(10**14)["BTCUSDT"] >= stopped_ms
        age(state, AWAY_MS)
        async with run(one, state, channel, journal) as watch:
            await until(lambda: bool(channel.accepted))
            await until(lambda: HolesCache(state).load() == [] and (state / "away.json").exists())
            view = watch.daemon.status().away
        assert view is not None
        assert view.worst is not None
        assert view.worst.mark == pytest.approx(59_700.0)
        position = watch.daemon.status().engine.positions[0]
        liquidation = position.liquidation_price
        assert liquidation is not None
        assert view.worst.distance == pytest.approx(1 - liquidation / 59_700.0, rel=1e-6)
        (message,) = channel.accepted
        assert message.title.startswith("WHILE AWAY ")
        assert "BTCUSDT came within 0.94 % of liquidation" in message.title
        assert message.level is view.worst.level > Level.OK
        with HistoryReader(state / "history.db") as reader:
            rows = [row for row in reader.samples(Filter(symbol="BTCUSDT")) if row.source == "backfill"]
        assert 40 <= len(rows) <= 42
        assert min(row.mark or 0.0 for row in rows) == pytest.approx(59_700.0)
        assert len({row.at_ms // 60_000 for row in rows}) == len(rows)
        async with run(one, state, channel) as watch:
            await until(lambda: watch.daemon.ticks > 20)  # a look at times away follows the first
            assert watch.daemon.status().away is None
        assert len(channel.accepted) == 1
    notices = [notice for _, effects in replayed(journal) for notice in effects.notices]
    assert [notice.kind for notice in notices] == [NoticeKind.AWAY]
