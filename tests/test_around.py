"""A service finds out what is around the positions it follows, and serves it; a journal of that replays."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from monitor.app import Daemon
from monitor.binance.account_values import AccountTimings
from monitor.cli.held import find_held
from monitor.cli.wiring import build_daemon
from monitor.config import load_text
from monitor.control import ask
from monitor.core.engine import Engine
from monitor.core.events import Learnt
from monitor.core.model import Lot, Side, WaitingOrder
from monitor.core.surroundings import OrdersKnown, Surroundings
from monitor.journal import read_journal
from monitor.system_clock import SystemClock
from tests.following import PATIENCE_S, QUICK, following, fresh

TIMINGS = AccountTimings(reconcile_every_s=1.0, reconcile_gap_s=0.0, pauses=QUICK)


async def reach(daemon: Daemon, condition: Callable[[Surroundings], object]) -> Surroundings:
    async with asyncio.timeout(PATIENCE_S):
        while not condition(known := daemon.holdings().surroundings):
            await SystemClock().sleep(0.02)
    return known


async def test_what_is_around_followed_positions_becomes_known(tmp_path: Path) -> None:
    """Lots, funds, stops and places of both markets; a stop that is placed or taken back within seconds."""
    emulator = fresh()
    async with following(emulator, tmp_path, TIMINGS, journal=tmp_path / "journal") as (daemon, _, _effects):
        main, coin = emulator.accounts["main"], emulator.accounts["coin"]
        await main.fill("BTCUSDT", "BUY", "0.1")
        await coin.fill("BTCUSD_PERP", "BUY", "20")
        both = {"main", "coin"}
        known = await reach(
            daemon,
            lambda one: (
                both <= one.orders.keys() & one.adl.keys() & one.funds.keys()
                and {"BTCUSDT", "BTCUSD_PERP"} <= one.lots.keys()
                and one.orders["main"].symbols
                and all(one.adl[name].quantiles for name in both)
            ),
        )
        assert known.orders["main"].symbols == ("BTCUSDT",)
        assert known.orders["main"].orders == ()
        assert known.adl["main"].quantiles == {"BTCUSDT": {Side.LONG: 1}}
        assert known.adl["coin"].quantiles == {"BTCUSD_PERP": {Side.LONG: 1}}
        assert known.lots["BTCUSDT"] == Lot(0.001, 0.001)
        assert known.lots["BTCUSD_PERP"] == Lot(1.0, 1.0)
        assert known.funds["coin"].available["BTC"] > 0.0
        assert known.keys == {}  # the testnet does not say
        number = await main.place_stop("BTCUSDT", "SELL", "58000", close_position=True, working="MARK_PRICE")
        await main.place_order("BTCUSDT", "BUY", "0.2", "50000")
        known = await reach(daemon, lambda one: one.orders["main"].orders)
        assert known.orders["main"].orders == (
            WaitingOrder(
                "BTCUSDT", Side.LONG, "STOP_MARKET", 58_000.0, 0.0, closes=True, reduces=True, conditional=True,
                on_mark=True,
            ),
        )  # fmt: skip
        await main.end_stop(number)
        known = await reach(daemon, lambda one: not one.orders["main"].orders)
        assert known.orders["main"].symbols == ("BTCUSDT",)
        await main.fill("BTCUSDT", "SELL", "0.1")
        await reach(daemon, lambda one: one.orders["main"].symbols == () and one.adl["main"].quantiles == {})
        parts = {one.account: one.around for one in daemon.status().accounts}
        assert {name: parts["main"][name].failing for name in ("funds", "orders", "adl")} == dict.fromkeys(
            ("funds", "orders", "adl"), ""
        )
        served = daemon.holdings().surroundings
    engine = Engine()
    entries = list(read_journal(tmp_path / "journal"))
    for entry in entries:
        engine.step(entry.event, entry.now)
    assert engine.surroundings.orders == served.orders
    assert engine.surroundings.lots == served.lots
    learnt = [entry.event.fact for entry in entries if isinstance(entry.event, Learnt)]
    told = [fact for fact in learnt if isinstance(fact, OrdersKnown) and fact.account == "main"]
    assert 3 <= len(told) <= 8  # changes, not questions


async def test_lots_of_typed_in_positions_are_asked_for_too(tmp_path: Path) -> None:
    """Nobody follows an account there: one public request, and commands are told what came of it."""
    emulator = fresh()
    await emulator.start()
    try:
        text = f"""
[exchange]
rest_url = "{emulator.base_http}"
market_stream_url = "{emulator.base_market_ws}"
[state]
directory = "{tmp_path / "s"}"
[[accounts]]
name = "by-hand"
[[accounts.positions]]
symbol = "BTCUSDT"
side = "LONG"
quantity = 0.1
entry_price = 60000
margin_mode = "isolated"
margin = 300
"""
        settings = load_text(text, "test")
        daemon = build_daemon(settings, [], clock=SystemClock(), environ=os.environ)
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(emulator.run())
            task = group.create_task(daemon.run())
            try:
                known = await reach(daemon, lambda one: one.lots)
                assert known.lots["BTCUSDT"] == Lot(0.001, 0.001)
                found = await asyncio.to_thread(find_held, settings, ask_daemon=True)
                assert found.surroundings.lots == known.lots
                assert not found.differs  # it watches what the file says
                stricter = load_text(f"{text}[alerts.warning]\nroom = 0.3\n", "test")
                found = await asyncio.to_thread(find_held, stricter, ask_daemon=True)
                assert "another configuration of [alerts]:" in found.differs
                moves = await asyncio.to_thread(
                    ask, tmp_path / "s", {"command": "moves", "names": ["BTCUSDT", "?"]}
                )
                assert moves["names"] == ["BTCUSDT"]
            finally:
                daemon.stop()
                await task
                ticking.cancel()
    finally:
        await emulator.stop()
