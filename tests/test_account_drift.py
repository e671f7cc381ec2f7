"""A difference between our figures and the exchange's is found by the next reconcile, and the worse one rules."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.app import Daemon
from monitor.binance.account_values import AccountTimings
from monitor.core import troubles
from monitor.core.incidents import Effects
from monitor.core.notices import NoticeKind
from monitor.core.report import WalletView
from monitor.emulator.brackets import Brackets
from monitor.system_clock import SystemClock
from tests.following import PATIENCE_S, QUICK, equal, following, fresh

EVERY_S = 0.2
TIMINGS = AccountTimings(reconcile_every_s=EVERY_S, reconcile_gap_s=0.0, pauses=QUICK)
STEEPER = Brackets.from_rows("BTCUSDT", [(0, 5_000_000, "0.05", 0, 20)])
FLATTER = Brackets.from_rows("BTCUSDT", [(0, 5_000_000, "0.001", 0, 125)])
# Are the tiers changed between the two requests of one reply, a first message knows a part and a second the rest.
HALF_KNOWN = {1, 2}


def wallet(daemon: Daemon) -> WalletView:
    return next(w for w in daemon.status().engine.wallets if (w.account, w.wallet) == ("main", "cross:USDT"))


def drifting(daemon: Daemon) -> set[str]:
    accounts = {one.account: one for one in daemon.status().engine.accounts}
    return {row.figure.value for row in accounts["main"].compared if not row.agrees}


def drifts_told(effects: list[Effects]) -> int:
    return [n.kind for one in effects for n in one.notices].count(NoticeKind.DRIFT)


async def reconciled(daemon: Daemon) -> None:
    """Wait for the first reconcile that was asked for from now on to be over."""

    def count() -> int:
        return int(next(one.reconciles for one in daemon.status().accounts if one.account == "main"))

    before = count()
    async with asyncio.timeout(PATIENCE_S):
        while count() < before + 2:  # one may be under way
            await SystemClock().sleep(0.01)


async def compared(daemon: Daemon, wanted: set[str]) -> None:
    """Wait until the engine took a reconcile in which these figures differ, and no others."""
    async with asyncio.timeout(PATIENCE_S):
        while drifting(daemon) != wanted:
            await SystemClock().sleep(0.01)


async def test_tiers_that_are_really_steeper_rule_at_once_and_until_they_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both figures are told, once; ratio and distance are the exchange's, the worse ones, and then ours again."""
    short = troubles._KINDS[troubles.DRIFT_PREFIX]._replace(dwell_s=0.2)
    monkeypatch.setitem(troubles._KINDS, troubles.DRIFT_PREFIX, short)
    emulator = fresh()
    with capture_logs() as logs:
        async with following(emulator, tmp_path, TIMINGS) as (daemon, channel, _):
            await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
            await equal(daemon, emulator, "the fill")
            calm = wallet(daemon)
            emulator.faults.rest_brackets = {"BTCUSDT": STEEPER}
            await reconciled(daemon)
            await compared(daemon, {"maintenance margin", "liquidation price"})
            worse = wallet(daemon)
            assert worse.maintenance_margin is not None
            assert abs(worse.maintenance_margin - 0.5 * 60_000 * 0.05) < 1e-6
            assert worse.room is not None
            assert calm.room is not None
            assert worse.room < calm.room
            await reconciled(daemon)
            emulator.faults.rest_brackets = {}
            await reconciled(daemon)
            await compared(daemon, set())
            await equal(daemon, emulator, "the drift")
            async with asyncio.timeout(PATIENCE_S):
                while sum("DRIFT" in title for title in channel.titles) < 2:
                    await SystemClock().sleep(0.01)
    told = [title for title in channel.titles if "DRIFT" in title]
    assert len(told) - 1 in HALF_KNOWN
    assert told[-2].startswith("MODEL DRIFT - main BTCUSDT LONG")
    assert told[-1].startswith("DRIFT OVER - main")
    assert [entry["figure"] for entry in logs if entry["event"] == "model.drift"].count("maintenance margin") == 2
    assert [entry["event"] for entry in logs].count("model.agrees") == 1


async def test_a_figure_of_the_exchange_that_is_better_is_told_and_changes_nothing(tmp_path: Path) -> None:
    """We may be wrong, but not towards less danger."""
    emulator = fresh()
    async with following(emulator, tmp_path, TIMINGS) as (daemon, _, effects):
        await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
        await equal(daemon, emulator, "the fill")
        emulator.faults.rest_brackets = {"BTCUSDT": FLATTER}
        await reconciled(daemon)
        await compared(daemon, {"maintenance margin", "liquidation price"})
        await equal(daemon, emulator, "a better figure")
        told = drifts_told(effects)
        await reconciled(daemon)
        await compared(daemon, {"maintenance margin", "liquidation price"})
    assert told in HALF_KNOWN
    assert drifts_told(effects) == told


async def test_a_wrong_table_in_the_configuration_is_found_by_the_first_reconcile(tmp_path: Path) -> None:
    """A table of one's own wins over the account's, so the exchange has to contradict it."""
    emulator = fresh()
    extra = "[brackets.BTCUSDT]\nrows = [[0, 5000000, 0.002, 0]]\n"
    async with following(emulator, tmp_path, TIMINGS, extra) as (daemon, _, _effects):
        await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
        await reconciled(daemon)
        async with asyncio.timeout(PATIENCE_S):
            while "maintenance margin" not in drifting(daemon):
                await SystemClock().sleep(0.01)
        theirs = next(f for f in emulator.figures() if (f.account, f.wallet) == ("main", "cross:USDT"))
        ours = wallet(daemon).maintenance_margin
        assert ours is not None
        assert abs(ours - float(theirs.maintenance_margin)) < 1e-6


async def test_a_lost_event_is_made_good_by_the_next_reconcile(tmp_path: Path) -> None:
    """The position is right, the stream that did not tell of it is made anew."""
    emulator = fresh()
    timings = AccountTimings(
        reconcile_every_s=EVERY_S, unproved_every_s=EVERY_S, reconcile_gap_s=0.0, late_event_s=0.3, pauses=QUICK
    )
    async with following(emulator, tmp_path, timings) as (daemon, _, _effects):
        await equal(daemon, emulator, "the start")
        await reconciled(daemon)
        await reconciled(daemon)
        emulator.faults.drop_events = 4
        await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
        await reconciled(daemon)
        await equal(daemon, emulator, "a lost event")
        async with asyncio.timeout(PATIENCE_S):
            while next(one.stream.found_silent for one in daemon.status().accounts if one.account == "main") == 0:
                await SystemClock().sleep(0.05)
