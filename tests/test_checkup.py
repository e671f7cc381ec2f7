"""The checkup through the whole service: accounts of the local exchange, each with one fault, and one without."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from monitor.cli.root import app
from monitor.cli.wiring import build_daemon
from monitor.config import load_text
from monitor.core.notices import FindingCode
from monitor.emulator.brackets import Brackets
from monitor.emulator.credentials import Credentials, Permissions
from monitor.emulator.ledger import Account
from monitor.emulator.live import LiveAccount
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import Scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.system_clock import SystemClock
from tests.notify.fakes import FakeChannel

PATIENCE_S = 60.0
ROWS = ((0, 50_000, "0.004", 0, 125), (50_000, 250_000, "0.005", 50, 100))
CALM = "calm"
LIMITS = '[checkup]\nexperience = "beginner"\nlargest_share = 0.5\nmost_exposure = 2.5\n'
# What each account holds, as (symbol, quantity, leverage), and its orders; the rest is as of the calm one.
HOLDS: dict[str, tuple[tuple[str, str, int], ...]] = {
    "leverage": (("BTCUSDT", "0.1", 10),),
    "cross": (("BTCUSDT", "0.25", 5),),
    "exposure": (("BTCUSDT", "0.25", 5), ("ETHUSDT", "5", 5)),
    "near": (("VOLUSDT", "100", 5),),
}
TRIGGERS = {"BTCUSDT": "57000", "ETHUSDT": "2800", "VOLUSDT": "90"}
CLOSING: dict[str, Any] = {"close_position": True, "working": "MARK_PRICE"}
ORDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "no_stop": ("66000", {**CLOSING, "kind": "TAKE_PROFIT_MARKET"}),
    "stop_beyond": ("30000", CLOSING),
    "stop_tight": ("30200", CLOSING),
    "stop_side": ("61000", CLOSING),
    "stop_idle": ("65000", {"kind": "TRAILING_STOP_MARKET", "quantity": "0.1", "reduce_only": True}),
    "stop_last": ("57000", {"close_position": True}),
    "stop_partial": ("57000", {"quantity": "0.04", "reduce_only": True, "working": "MARK_PRICE"}),
    "stop_limit": (
        "57000",
        {"kind": "STOP", "price": "56900", "quantity": "0.1", "reduce_only": True, "working": "MARK_PRICE"},
    ),
}  # fmt: skip
MONEY = {"concentration": 5000}


# The exchange leaves nobody with a used-up margin: it liquidates.
CODES = tuple(code for code in FindingCode if code is not FindingCode.USED_UP)


def contract(symbol: str, price: str, noise: float = 0.0) -> Instrument:
    path = PricePath(((0.0, Decimal(price)),), noise=noise, seed=symbol)
    return Instrument(symbol, symbol.removesuffix("USDT"), path, Brackets.from_rows(symbol, ROWS))


def scenario() -> Scenario:
    accounts = tuple(
        Account(
            name, {"USDT": Decimal(MONEY.get(name, 10_000))}, (), credentials=Credentials(f"{name}-key", "secret"),
            permissions=Permissions(futures=name == "trading_key"),
        )
        for name in (CALM, *CODES)
    )  # fmt: skip
    return Scenario(
        (contract("BTCUSDT", "60000"), contract("ETHUSDT", "3000"), contract("VOLUSDT", "100", 0.03)), accounts
    )


async def build(live: LiveAccount, name: str) -> None:
    """Let an account trade until it has what its name says."""
    for symbol, quantity, leverage in HOLDS.get(name, (("BTCUSDT", "0.1", 2),)):
        await live.set_leverage(symbol, leverage)
        if name != "cross":
            await live.set_margin_type(symbol, "isolated")
        price = {"BTCUSDT": 60_000, "ETHUSDT": 3000, "VOLUSDT": 100}[symbol]
        await live.fill(symbol, "BUY", quantity, price, fee=0)
        trigger, how = ORDERS.get(name, (TRIGGERS[symbol], CLOSING))
        await live.place_stop(symbol, "SELL", trigger, **how)
    live.set_auto_add("BTCUSDT", name == "auto_add")


def config(emulator: Emulator, folder: Path) -> str:
    accounts = "".join(
        f'[[accounts]]\nname = "{name}"\nallow_trading_key = true\n'
        f"api_key = {{ file = '{folder}/{name}.key' }}\napi_secret = {{ file = '{folder}/secret' }}\n"
        for name in emulator.accounts
    )
    return (
        f'[exchange]\nenvironment = "live"\nrest_url = "{emulator.base_http}"\n'
        f'market_stream_url = "{emulator.base_market_ws}"\nprivate_stream_url = "{emulator.base_private_ws}"\n'
        f'[state]\ndirectory = "{folder}/state"\n{LIMITS}{accounts}'
    )


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[tuple[Emulator, Path]]:
    """A daemon that follows all accounts; its configuration is at the path."""
    settings = EmulatorSettings(tick_s=0.05, forever=True, weight_per_minute=10_000_000)
    emulator = Emulator(SystemClock(), scenario(), settings)
    await emulator.start()
    try:
        for name, live in emulator.accounts.items():
            (folder / f"{name}.key").write_text(f"{name}-key")
            await build(live, name)
        (folder / "secret").write_text("secret")
        path = folder / "config.toml"
        path.write_text(config(emulator, folder))
        loaded = load_text(path.read_text(), "test")
        daemon = build_daemon(loaded, [FakeChannel()], clock=SystemClock(), environ=os.environ)
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(emulator.run())
            task = group.create_task(daemon.run())
            try:
                yield emulator, path
            finally:
                daemon.stop()
                await task
                ticking.cancel()
    finally:
        await emulator.stop()


async def asked(path: Path, *args: str) -> dict[str, Any]:
    call = ["checkup", f"--config={path}", "--json", *args]
    result = await asyncio.to_thread(CliRunner().invoke, app, call)
    assert result.exit_code in {0, 1, 3}, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


async def complete(path: Path) -> dict[str, Any]:
    """Return a checkup in which nothing is left to look at but how far prices go that stand still."""
    report: dict[str, Any] = {}
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                report = await asked(path)
                open_ = {(one["kind"], *one["symbols"]) for one in report["unchecked"]}
                still = {("moves", "BTCUSDT"), ("moves", "ETHUSDT"), ("moves", "BTCUSDT", "ETHUSDT")}
                if len(report["accounts"]) == len(CODES) + 1 and open_ <= still:
                    return report
                await SystemClock().sleep(0.1)
    except TimeoutError:
        pytest.fail(f"not complete: {report}")


async def test_each_account_has_its_finding_and_the_calm_one_none(tmp_path: Path) -> None:
    """Positions, leverages, modes, orders and what keys may do: all as REST tells them."""
    with capture_logs():  # else they stand among what the command prints
        await _follow(tmp_path)


async def _follow(folder: Path) -> None:
    async with watched(folder) as (emulator, path):
        report = await complete(path)
        found = {
            name: [one["code"] for one in report["findings"] if one["account"] == name]
            for name in emulator.accounts
        }
        assert found == {CALM: [], **{code.value: [code.value] for code in CODES}}
        # The stop it proposes, placed at the exchange.
        (one,) = (one for one in report["findings"] if one["account"] == "no_stop")
        await emulator.accounts["no_stop"].place_stop("BTCUSDT", "SELL", str(one["remedy"]), **CLOSING)
        async with asyncio.timeout(PATIENCE_S):
            while (await asked(path, "--account=no_stop"))["findings"]:
                await SystemClock().sleep(0.1)
