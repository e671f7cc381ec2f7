"""Between two runs nothing is forgotten: positions are watched at once, what changed meanwhile is recorded."""

import asyncio
import threading
from pathlib import Path

import pytest

from monitor.account_rows import account_rows
from monitor.app import Daemon
from monitor.binance.account_values import AccountTimings
from monitor.cli.verdict import UNKNOWN, verdict
from monitor.core.model import ChangeKind
from monitor.system_clock import SystemClock
from tests.following import PATIENCE_S, QUICK, changes_of, equal, following, fresh, kept

TIMINGS = AccountTimings(reconcile_every_s=1.0, reconcile_gap_s=0.0, complain_after_s=0.3, pauses=QUICK)
EVERYTHING = {"*": 503}


async def known(daemon: Daemon, symbol: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not any(p.symbol == symbol and p.distance is not None for p in daemon.status().engine.positions):
            await SystemClock().sleep(0.02)


async def test_positions_are_watched_before_the_exchange_answers_again(tmp_path: Path) -> None:
    """By what was known last, which is said; levels follow the marks, and the account is not called followed."""
    first = fresh()
    async with following(first, tmp_path, TIMINGS) as (daemon, _, _effects):
        await first.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
        await equal(daemon, first, "the fill")
        await kept(daemon, tmp_path)
    second = fresh()
    second.faults.rest_status = dict(EVERYTHING)
    async with following(second, tmp_path, TIMINGS) as (daemon, channel, _effects):
        await known(daemon, "BTCUSDT")
        status = daemon.status()
        rows = {row.account: row for row in account_rows(status)}
        assert rows["main"].positions == 1
        assert rows["main"].trouble
        assert verdict(status)[0] == UNKNOWN
        async with asyncio.timeout(PATIENCE_S):
            while not any("ACCOUNT main" in text for text in channel.texts):
                await SystemClock().sleep(0.05)
        second.faults.rest_status = {}
        async with asyncio.timeout(PATIENCE_S):
            while any(row.trouble for row in account_rows(daemon.status())):
                await SystemClock().sleep(0.05)


async def test_what_changed_between_two_runs_is_recorded(tmp_path: Path) -> None:
    """The first reply is compared with what the run before knew."""
    first = fresh()
    async with following(first, tmp_path, TIMINGS) as (daemon, _, _effects):
        await first.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
        await first.accounts["hedge"].fill("ETHUSDT", "BUY", "2", position_side="LONG")
        await equal(daemon, first, "the fills")
        await kept(daemon, tmp_path)
    second = fresh()
    await second.accounts["main"].fill("BTCUSDT", "SELL", "0.2")
    async with following(second, tmp_path, TIMINGS) as (daemon, channel, effects):
        await equal(daemon, second, "the restart")
        async with asyncio.timeout(PATIENCE_S):
            while not any("CHANGED" in text for text in channel.texts):
                await SystemClock().sleep(0.05)
    kinds = {(one.account, one.kind, one.symbol) for one in changes_of(effects)}
    assert ("main", ChangeKind.FLIPPED, "BTCUSDT") in kinds
    assert ("hedge", ChangeKind.CLOSED, "ETHUSDT") in kinds


async def test_a_disk_that_hangs_does_not_stop_the_heart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence of the marks is noticed by the heartbeat, whatever keeping the accounts waits for."""
    emulator = fresh()
    hanging, release = threading.Event(), threading.Event()
    beats = 0

    def save(_accounts: object) -> None:
        hanging.set()
        release.wait(PATIENCE_S)

    async with following(emulator, tmp_path, TIMINGS) as (daemon, _, _effects):
        monkeypatch.setattr(daemon._keeper._cache, "save", save)
        nudge = daemon._committer.nudge

        def counted() -> None:
            nonlocal beats
            beats += hanging.is_set() and not release.is_set()
            nudge()

        monkeypatch.setattr(daemon._committer, "nudge", counted)
        try:
            await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
            async with asyncio.timeout(PATIENCE_S):
                while beats < 2:
                    await SystemClock().sleep(0.05)
        finally:
            release.set()
