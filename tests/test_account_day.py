"""A day of four accounts on the local exchange: after everything that happens, our figures are the exchange's own.

The two share no line of arithmetic: the exchange computes in 50-digit decimals. They share no state either: the
daemon knows only what the streams and the REST endpoints told it.
"""

import asyncio
import math
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from monitor.app import Daemon
from monitor.binance.account_values import AccountTimings
from monitor.binance.backoff import PauseBounds
from monitor.cli.wiring import build_daemon
from monitor.config import load_text
from monitor.core.incidents import Effects
from monitor.core.model import Change, ChangeKind, NoticeKind
from monitor.emulator.day import SECRET, STEPS, day, day_scenario
from monitor.emulator.ledger import WalletFigures
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.storage.history_reader import HistoryReader
from monitor.system_clock import SystemClock
from tests.notify.fakes import FakeChannel

PATIENCE_S = 15.0
QUICK = PauseBounds(first_s=0.01, longest_s=0.05)
ACCOUNT_PATHS = ("/fapi/v3/account", "/fapi/v3/positionRisk", "/dapi/v1/account", "/dapi/v1/positionRisk")
# What no event says: the rates of all collateral, and an account's own tiers.
BEYOND_EVENTS = ("set_multi_assets", "set_brackets")


def config(emulator: Emulator, state: Path, extra: str = "") -> str:
    accounts = "".join(
        f"""
[[accounts]]
name = "{name}"
market = "{"coinm" if name == "coin" else "usdm"}"
api_key = {{ file = "{state.parent}/{name}.key" }}
api_secret = {{ file = "{state.parent}/secret" }}
"""
        for name in emulator.accounts
    )
    return f"""
[exchange]
environment = "testnet"
rest_url = "{emulator.base_http}"
market_stream_url = "{emulator.base_market_ws}"
private_stream_url = "{emulator.base_private_ws}"
[state]
directory = "{state}"
{accounts}
[[channels]]
name = "tg"
changes = true
url = {{ file = "{state.parent}/url" }}
{extra}
"""


@asynccontextmanager
async def following(
    emulator: Emulator, folder: Path, timings: AccountTimings, extra: str = ""
) -> AsyncIterator[tuple[Daemon, FakeChannel, list[Effects]]]:
    """A daemon that follows all accounts of an exchange whose clock is real; what it decides is collected."""
    for name in emulator.accounts:
        (folder / f"{name}.key").write_text(f"{name}-key")
    (folder / "secret").write_text(SECRET)
    await emulator.start()
    try:
        settings = load_text(config(emulator, folder / "state", extra), "test")
        channel = FakeChannel()
        daemon = build_daemon(settings, [channel], clock=SystemClock(), environ=os.environ, timings=timings)
        effects: list[Effects] = []
        daemon.listen(effects.append)
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(emulator.run())
            task = group.create_task(daemon.run())
            try:
                yield daemon, channel, effects
            finally:
                daemon.stop()
                await task
                ticking.cancel()
    finally:
        await emulator.stop()


def fresh() -> Emulator:
    # So often as these tests ask, they would use up any real limit.
    settings = EmulatorSettings(tick_s=0.05, forever=True, weight_per_minute=10_000_000)
    return Emulator(SystemClock(), day_scenario(), settings)


def close(ours: float | None, theirs: Decimal | None) -> bool:
    if ours is None or theirs is None:
        return ours is None and theirs is None
    return math.isclose(ours, float(theirs), rel_tol=1e-9, abs_tol=1e-9)


def differences(daemon: Daemon, emulator: Emulator) -> Iterator[str]:
    """Yield what is not equal within 1e-9, wallet by wallet and position by position."""
    engine = daemon.status().engine
    wallets = {(one.account, one.wallet): one for one in engine.wallets}
    positions = {(one.account, one.wallet, one.symbol, one.side): one for one in engine.positions}
    for theirs in emulator.figures():
        ours = wallets.pop((theirs.account, theirs.wallet), None)
        if ours is None:
            if theirs.positions or theirs.wallet_balance:
                yield f"{theirs.account} {theirs.wallet} is not known"
            continue
        yield from (f"{theirs.account} {theirs.wallet} {text}" for text in _of_wallet(ours, theirs))
        for leg in theirs.positions:
            held = leg.position
            key = (theirs.account, theirs.wallet, held.symbol, held.side)
            mine = positions.pop(key, None)
            if mine is None:
                yield f"{key} is not known"
                continue
            pairs = {
                "quantity": (mine.quantity, held.quantity),
                "entry": (mine.entry_price, held.entry),
                "mark": (mine.mark_price, leg.mark),
                "notional": (mine.notional, leg.notional),
                "pnl": (mine.unrealized_pnl, leg.unrealized_pnl),
                "maintenance": (mine.maintenance_margin, leg.maintenance_margin),
                "liquidation": (mine.liquidation_price, leg.liquidation_price),
            }
            yield from (f"{key} {name} {pair}" for name, pair in pairs.items() if not close(*pair))
    yield from (f"{key} is held no more" for key in positions)
    yield from (f"{key} is no wallet any more" for key, one in wallets.items() if one.wallet_balance)


def _of_wallet(ours: object, theirs: WalletFigures) -> Iterator[str]:
    for name in ("wallet_balance", "margin_balance", "maintenance_margin", "cushion", "margin_ratio", "room"):
        pair = (getattr(ours, name), getattr(theirs, name))
        if name == "margin_ratio" and not theirs.margin_ratio.is_finite():
            pair = (pair[0], None)
        if not close(*pair):
            yield f"{name} {pair}"


async def equal(daemon: Daemon, emulator: Emulator, after: str) -> None:
    """Wait until every figure is the exchange's."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while list(differences(daemon, emulator)):
                await SystemClock().sleep(0.01)
    except TimeoutError:
        pytest.fail(f"after {after}: {list(differences(daemon, emulator))}")


def changes_of(effects: list[Effects]) -> list[Change]:
    return [change for one in effects for change in one.changes]


async def test_by_stream_alone_every_figure_follows_the_exchange(tmp_path: Path) -> None:
    """From the first snapshot on REST says nothing about the accounts but what no event carries."""
    emulator = fresh()
    timings = AccountTimings(reconcile_every_s=3600.0, reconcile_gap_s=0.0, pauses=QUICK)
    async with following(emulator, tmp_path, timings) as (daemon, _, effects):
        await equal(daemon, emulator, "the start")
        async with asyncio.timeout(PATIENCE_S):
            while any(one.stream.state != "open" for one in daemon.status().accounts):
                await SystemClock().sleep(0.01)
        await SystemClock().sleep(0.2)  # the reconcile that every connection is followed by
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
        reconcile_every_s=0.1, unproved_every_s=0.1, reconcile_gap_s=0.0, tables_every_s=0.2, late_event_s=0.3,
        pauses=QUICK,
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
    titles = channel.titles
    assert any("LIQUIDATED" in title for title in titles)
    with HistoryReader(tmp_path / "state" / "history.db") as reader:
        kept = reader.changes()
    assert Counter(change.kind for change in kept) == Counter(change.kind for change in set(changes_of(effects)))


def drifts(effects: list[Effects]) -> list[object]:
    return [row for one in effects for row in one.drifting or ()]
