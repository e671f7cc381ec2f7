"""The service tells others that it is alive: pings and summaries of a whole daemon, and what they go by."""

import dataclasses
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor import day, heartbeat
from monitor.alive import Alive
from monitor.cli.wiring import build_daemon
from monitor.config import Secret, Settings
from monitor.core.engine import Engine
from monitor.core.events import DayOver, JobDied
from monitor.core.settings import EngineSettings, FreshnessRules
from monitor.health import DYING, HISTORY, MARKS, STATE, Health, Trouble, health, vitals_of
from monitor.heartbeat import HeartbeatPlan
from monitor.plan import Plan
from monitor.storage.history import HistorySettings
from monitor.system_clock import SystemClock
from tests.conftest import ManualClock
from tests.notify.fakes import FakeChannel, FakeInbox
from tests.ping_service import PingService, ping_service
from tests.test_app import Exchange, exchange, running, settings_of, until

INTERVAL_S = 0.1


# What pings are judged by.


def alive_of(folder: Path, found: Health, *, pings: bool) -> Alive:
    """Return one that finds the service like this."""

    async def proved() -> Health:
        return found

    plan = Plan(
        EngineSettings(), (), (), (), folder, folder / "h", HistorySettings(),
        heartbeat=HeartbeatPlan(Secret("http://127.0.0.1:1/x")) if pings else None,
    )  # fmt: skip
    clock = ManualClock()
    return Alive(
        plan, day=lambda: Engine().day(clock.now()), proved=proved, inbox=FakeInbox(), clock=clock,
        rand=lambda: 0.5,
    )  # fmt: skip


async def test_a_ping_goes_by_whatever_would_keep_an_alert_from_coming(tmp_path: Path) -> None:
    """A history that takes no writes is none of that."""
    bad, full = Trouble(MARKS, ("BTCUSDT",)), Trouble(HISTORY, ("history",))
    cases: Sequence[tuple[tuple[Trouble, ...], tuple[Trouble, ...]]] = (
        ((), ()),
        ((bad, full), (bad,)),
        ((full,), ()),
    )
    for found, told in cases:
        one = alive_of(tmp_path, Health(found), pings=True)
        assert await one._look() == Health(told)
        await one.close()


async def test_without_either_there_is_nothing_to_run(tmp_path: Path) -> None:
    """No address, no summary: no job, nothing in the status, nothing on the disk."""
    one = alive_of(tmp_path, Health(), pings=False)
    assert (one.jobs(), one.view(), one.begin()) == ((), None, None)
    await one.close()
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - the asynchronous rule knows no other way


# The daemon as a whole.


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PingService]:
    """A service to ping, and a heartbeat quick enough for a test."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(heartbeat, "AGAIN_S", 0.05)
    monkeypatch.setattr(heartbeat, "TELL_AFTER_S", 0.5)
    async with ping_service() as found:
        monkeypatch.setenv("HEARTBEAT_URL", found.check)
        yield found


def pinging(market: Exchange, folder: Path) -> Settings:
    """Return settings of a daemon that pings, and that suspects silence soon."""
    loaded = settings_of(market.config(folder / "s", "[heartbeat]\nurl = { env = 'HEARTBEAT_URL' }"))
    assert loaded.heartbeat is not None
    return dataclasses.replace(
        loaded,
        heartbeat=dataclasses.replace(loaded.heartbeat, interval_s=INTERVAL_S),
        engine=msgspec.structs.replace(loaded.engine, freshness=FreshnessRules(1.0, 30.0)),
    )


async def test_ticks_stop_and_so_do_pings_and_both_come_back(
    tmp_path: Path, service: PingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process runs all the while, and its socket to the exchange is open."""
    looks = 0
    look = Alive._look

    async def counted(self: Alive) -> Health:
        nonlocal looks
        looks += 1
        return await look(self)

    monkeypatch.setattr(Alive, "_look", counted)
    async with exchange() as market, running(pinging(market, tmp_path), FakeChannel()) as watch:
        await until(lambda: service.signals().count("up") >= 3)
        assert set(service.signals()) == {"up"}
        market.emulator.faults.silence = True
        await until(lambda: "fail" in service.signals())
        assert service.pings[-1].words == MARKS
        count, looked = len(service.pings), looks
        await until(lambda: looks > looked + 5)
        assert len(service.pings) == count
        shown = watch.daemon.status().heartbeat
        assert shown is not None
        assert (shown.ok, shown.reasons, shown.told) == (False, (MARKS,), 1)
        asked = vitals_of(watch.daemon.status())
        assert health(watch.daemon.vitals()) == health(asked) == Health((Trouble(MARKS, ("BTCUSDT",)),))
        market.emulator.faults.silence = False
        await until(lambda: len(service.pings) > count + 1)
        assert set(service.signals()[count:]) == {"up"}


async def test_a_disk_that_takes_no_writes_stops_pings_though_nothing_happens(
    tmp_path: Path, service: PingService
) -> None:
    """No level changes, so nothing but the ping itself would have noticed."""
    async with exchange() as market, running(pinging(market, tmp_path), FakeChannel()) as watch:
        await until(lambda: len(service.pings) >= 2)
        with closing(sqlite3.connect(tmp_path / "s" / "state.db", timeout=0, isolation_level=None)) as other:
            await until(lambda: locked(other))
            await until(lambda: "fail" in service.signals())
            assert service.pings[-1].words == STATE
            assert watch.level() == "ok"
            other.execute("ROLLBACK")
        count = len(service.pings)
        await until(lambda: len(service.pings) > count)
        assert service.signals()[-1] == "up"


def locked(other: sqlite3.Connection) -> bool:
    try:
        other.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    return True


async def test_a_job_that_dies_is_not_well_for_a_while(tmp_path: Path) -> None:
    """The supervisor starts it anew and tells when it died."""
    async with exchange() as market:
        daemon = build_daemon(
            settings_of(market.config(tmp_path / "s")), [], clock=SystemClock(), environ=os.environ
        )
        daemon._running.died(JobDied("usdm", "RuntimeError", 1))
    assert health(daemon.vitals()) == health(vitals_of(daemon.status())) == Health((Trouble(DYING, ("usdm",)),))


async def test_a_service_that_hangs_delays_neither_an_alert_nor_the_stop(
    tmp_path: Path, service: PingService
) -> None:
    """It is asked all the while."""
    channel = FakeChannel()
    service.mode = "hang"
    with capture_logs() as logs:
        async with exchange() as market, running(pinging(market, tmp_path), channel) as watch:
            await until(lambda: service.asked == 1)
            market.price("59300")
            # On a slow machine there may be more to tell, and before it.
            await until(lambda: any("EMERGENCY" in text for text in channel.texts))
            assert watch.level() == "emergency"
    assert "drain.late" not in [entry["event"] for entry in logs]
    assert service.check not in str(logs)


async def test_the_day_is_told_once_over_restarts_and_goes_on_counting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The summary of the first day is on record; alerts of before the restart are in the second."""
    monkeypatch.setattr(day, "SETTLE_S", 3600.0)
    channel = FakeChannel()
    async with exchange() as market:
        settings = settings_of(market.config(tmp_path / "s"))
        due_ms = SystemClock().wall_ms()
        async with running(settings, channel) as watch:
            await until(lambda: watch.level() == "ok")
            watch.daemon._inbox.post(DayOver(due_ms))
            await until(lambda: len(channel.accepted) == 1)
            market.price("59300")
            await until(lambda: len(channel.accepted) == 2)
        first, alert = channel.accepted
        assert "1 position" in first.title + first.body
        assert "EMERGENCY" in alert.title
        async with running(settings, channel) as watch:
            await until(lambda: watch.daemon.ticks > 3)
            watch.daemon._inbox.post(DayOver(due_ms))
            watch.daemon._inbox.post(DayOver(due_ms))
            await until(lambda: watch.daemon._engine.day(watch.daemon._clock.now()).alerts == 1)
            watch.daemon._inbox.post(DayOver(due_ms + 1))
            await until(lambda: len(channel.accepted) == 3)
        assert "EMERGENCY" in channel.accepted[2].body
        assert len(channel.accepted) == 3
