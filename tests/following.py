"""A daemon that follows the accounts of the local exchange, and the two sides' figures compared."""

import asyncio
import math
import os
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
from monitor.core.model import Change
from monitor.emulator.day import SECRET, day_scenario
from monitor.emulator.ledger import WalletFigures
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.storage.account_cache import AccountCache
from monitor.system_clock import SystemClock
from tests.notify.fakes import FakeChannel

PATIENCE_S = 60.0
QUICK = PauseBounds(first_s=0.01, longest_s=0.05)


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
    emulator: Emulator, folder: Path, timings: AccountTimings, extra: str = "", *, journal: Path | None = None
) -> AsyncIterator[tuple[Daemon, FakeChannel, list[Effects]]]:
    """A daemon that follows all accounts of an exchange whose clock is real; what it decides is collected."""
    for name in emulator.accounts:
        (folder / f"{name}.key").write_text(f"{name}-key")
    (folder / "secret").write_text(SECRET)
    await emulator.start()
    try:
        settings = load_text(config(emulator, folder / "state", extra), "test")
        channel = FakeChannel()
        # Five messages in three seconds, not in a minute: nobody waits for a fourth.
        daemon = build_daemon(
            settings, [channel], clock=SystemClock(), environ=os.environ, journal=journal, timings=timings,
            pace_minute_s=3.0,
        )  # fmt: skip
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


async def kept(daemon: Daemon, folder: Path) -> None:
    """Wait until the next run in this folder would begin with the positions that this one knows."""
    cache = AccountCache(folder / "state")
    async with asyncio.timeout(PATIENCE_S):
        while True:
            stored = {(a.account, p.symbol, p.side, p.quantity) for a in cache.load() for p in a.positions}
            known = daemon.status().engine.positions
            if stored == {(one.account, one.symbol, one.side, one.quantity) for one in known}:
                return
            await SystemClock().sleep(0.02)


async def reconciled(daemon: Daemon, account: str, times: int) -> None:
    """Wait until REST has described an account so many times more."""

    def count() -> int:
        return sum(one.reconciles for one in daemon.status().accounts if one.account == account)

    wanted = count() + times
    async with asyncio.timeout(PATIENCE_S):
        while count() < wanted:
            await SystemClock().sleep(0.02)


def changes_of(effects: list[Effects]) -> list[Change]:
    return [change for one in effects for change in one.changes]


def drifts(effects: list[Effects]) -> list[object]:
    return [row for one in effects for row in one.drifting or ()]
