"""A day of four accounts on the local exchange: after everything that happens, our figures are the exchange's own.

The two share no line of arithmetic: the exchange computes in 50-digit decimals. They share no state either: the
daemon knows only what the streams and the REST endpoints told it.
"""

import asyncio
from collections import Counter
from pathlib import Path

from monitor.binance.account_values import AccountTimings
from monitor.core.model import ChangeKind
from monitor.core.notices import NoticeKind
from monitor.emulator.day import STEPS, day
from monitor.storage.history_reader import HistoryReader
from monitor.system_clock import SystemClock
from tests.following import PATIENCE_S, QUICK, changes_of, drifts, equal, following, fresh

ACCOUNT_PATHS = ("/fapi/v3/account", "/fapi/v3/positionRisk", "/dapi/v1/account", "/dapi/v1/positionRisk")
# What no event says: the rates of all collateral, and an account's own tiers.
BEYOND_EVENTS = ("set_multi_assets", "set_brackets")


async def test_by_stream_alone_every_figure_follows_the_exchange(tmp_path: Path) -> None:
    """From the first snapshot on REST says nothing about the accounts but what no event carries."""
    emulator = fresh()
    timings = AccountTimings(reconcile_every_s=3600.0, reconcile_gap_s=0.0, pauses=QUICK)
    async with following(emulator, tmp_path, timings) as (daemon, _, effects):
        await equal(daemon, emulator, "the start")
        async with asyncio.timeout(PATIENCE_S):
            # The second reconcile is the one that a connection is followed by.
            while any(one.stream.state != "open" or one.reconciles < 2 for one in daemon.status().accounts):
                await SystemClock().sleep(0.01)
        silent = dict.fromkeys(ACCOUNT_PATHS, 503)
        steps = 0
        async for name in day(emulator):
            beyond = any(call in name for call in BEYOND_EVENTS)
            emulator.faults.rest_status = {} if beyond else dict(silent)
            await equal(daemon, emulator, name)
            steps += 1
        assert steps == 2 * len(STEPS)
        kinds = {change.kind for change in changes_of(effects)}
        # Of leverage and margin type events tell only the new value; of the position mode there is none.
        assert {*ChangeKind} - kinds == {ChangeKind.HEDGE_MODE, ChangeKind.LEVERAGE, ChangeKind.MARGIN_MODE}
        assert drifts(effects) == []


async def test_by_reconcile_alone_every_figure_follows_the_exchange(tmp_path: Path) -> None:
    """A private stream that is open, and never delivers, costs nothing but time; it is found and said."""
    emulator = fresh()
    emulator.faults.private_silent = True
    timings = AccountTimings(
        reconcile_every_s=0.05, unproved_every_s=0.05, reconcile_gap_s=0.0, tables_every_s=0.5, late_event_s=0.3,
        check_every_s=0.05, pauses=QUICK,
    )  # fmt: skip
    async with following(emulator, tmp_path, timings) as (daemon, _, effects):
        await equal(daemon, emulator, "the start")
        async for name in day(emulator):
            await equal(daemon, emulator, name)
        stats = daemon.status().accounts
        assert [one.stream.found_silent > 0 for one in stats] == [True] * 4
        assert [sum(one.events.values()) for one in stats] == [0] * 4
    kinds = {change.kind for change in changes_of(effects)}
    assert {
        ChangeKind.OPENED,
        ChangeKind.CLOSED,
        ChangeKind.FLIPPED,
        ChangeKind.MARGIN,
        ChangeKind.LEVERAGE,
    } <= kinds


async def test_the_day_is_told_and_kept(tmp_path: Path) -> None:
    """Stream and reconcile together: nothing drifts; forced orders and the exchange's call are alerts."""
    emulator = fresh()
    timings = AccountTimings(reconcile_every_s=1.0, reconcile_gap_s=0.0, pauses=QUICK)
    async with following(emulator, tmp_path, timings) as (daemon, channel, effects):
        async for name in day(emulator):
            await equal(daemon, emulator, name)
        async with asyncio.timeout(PATIENCE_S):
            while any(one.audited_ms == 0 for one in daemon.status().engine.accounts):
                await SystemClock().sleep(0.05)
        audits = daemon.status().engine.accounts
    assert drifts(effects) == []
    assert all(row.agrees for one in audits for row in one.compared)
    assert {row.figure.value for one in audits for row in one.compared} == {
        "maintenance margin", "margin balance", "liquidation price",
    }  # fmt: skip
    forced = Counter(change.cause for change in changes_of(effects) if change.kind is ChangeKind.FORCED)
    assert forced == {"liquidation": 3, "adl": 2}
    kinds = Counter(notice.kind for one in effects for notice in one.notices)
    called = [n for one in effects for n in one.notices if n.kind is NoticeKind.MARGIN_CALL]
    assert (kinds[NoticeKind.FORCED], len(called)) == (5, 2)
    # One for each wallet that the call named, the exchange's figures beside ours and equal to them.
    assert {notice.facts.wallet for notice in called} == {"cross:USDT", "isolated:ETHUSDT:LONG"}
    assert all(row.agrees for notice in called for row in notice.facts.compared)
    assert kinds[NoticeKind.ACCOUNT] == kinds[NoticeKind.DRIFT] == 0
    assert kinds[NoticeKind.BRACKETS] >= 1
    assert any("LIQUIDATED" in text for text in channel.texts)
    with HistoryReader(tmp_path / "state" / "history.db") as reader:
        kept = reader.changes()
    assert Counter(change.kind for change in kept) == Counter(change.kind for change in set(changes_of(effects)))
