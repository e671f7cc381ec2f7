"""Values that the tests of the views show, and a command line of the commands under test."""

import io
from typing import Any

import typer
from rich.console import Console, RenderableType

from monitor.cli import demo, history, status
from monitor.core.report import PositionView, WalletView
from monitor.core.view import EngineView, SymbolView
from monitor.status import HistoryView, Status

NOW_MS = 1_780_000_000_000  # 2026-05-28T20:26:40Z

commands = typer.Typer(pretty_exceptions_enable=False)
commands.command("demo")(demo.demo)
commands.command("status")(status.status)
commands.command("history")(history.history)


def wallet(**changes: object) -> WalletView:
    facts: dict[str, Any] = {
        "account": "main",
        "wallet": "isolated:BTCUSDT:LONG",
        "margin_mode": "isolated",
        "asset": "USDT",
        "wallet_balance": 1550.0,
        "margin_balance": 557.08,
        "maintenance_margin": 120.03,
        "cushion": 437.05,
        "margin_ratio": 0.66,
        "room": 0.15,
        "joint_distance": 0.0094,
        "moves_left": None,
        "level": "warning",
    }
    facts.update(changes)
    return WalletView(**facts)


def position(**changes: object) -> PositionView:
    facts: dict[str, Any] = {
        "account": "main",
        "wallet": "isolated:BTCUSDT:LONG",
        "symbol": "BTCUSDT",
        "side": "LONG",
        "quantity": 0.5,
        "entry_price": 62000.0,
        "mark_price": 60014.15,
        "notional": 30007.075,
        "unrealized_pnl": -992.925,
        "maintenance_margin": 120.03,
        "liquidation_price": 59136.55,
        "distance": 0.0146,
        "level": "warning",
    }
    facts.update(changes)
    return PositionView(**facts)


def channel(**changes: object) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "channel": "phone",
        "sent": 5,
        "notices": 5,
        "failed": 0,
        "refused": 0,
        "superseded": 0,
        "pending": 0,
        "oldest_ms": None,
        "failing": False,
        "broken": False,
        "since_ms": None,
        "last_reason": "",
    }
    facts.update(changes)
    oldest_ms = facts["oldest_ms"]
    return {"oldest_s": None if oldest_ms is None else (NOW_MS - oldest_ms) / 1000} | facts


def symbol(**changes: object) -> SymbolView:
    facts: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "data": "fresh",
        "mark": 60014.15,
        "age_s": 0.4,
        "source": "stream",
    }
    facts.update(changes)
    return SymbolView(**facts)


def engine(**changes: object) -> EngineView:
    facts: dict[str, Any] = {
        "environment": "testnet",
        "wallets": (wallet(),),
        "positions": (position(),),
        "symbols": (symbol(),),
        "brackets": {"BTCUSDT": "shipped 2026-09-29"},
        "evaluations": 100,
    }
    facts.update(changes)
    return EngineView(**facts)


def state(**changes: object) -> Status:
    facts: dict[str, Any] = {
        "version": "0.1.0",
        "pid": 4711,
        "started_ms": NOW_MS - 65_000,
        "now_ms": NOW_MS,
        "engine": engine(),
        "feeds": (),
        "accounts": (),
        "channels": (channel(),),
        "history": HistoryView("/var/lib/history.db", 10, 73, {}),
        "ticks": 400,
        "coalesced": 3,
        "commits": 23,
        "frame_to_commit": {"samples": 9.0, "p50_ms": 2.3, "p99_ms": 3.1, "worst_ms": 4.0},
        "job_deaths": {},
    }
    facts.update(changes)
    return Status(**facts)


def shown(thing: RenderableType, width: int, height: int = 24) -> list[str]:
    """Return the lines of what a terminal of this size would show, colours aside."""
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(thing)
    return [line.rstrip() for line in console.export_text().splitlines()]
