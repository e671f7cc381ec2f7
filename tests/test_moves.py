"""Moves left through the whole service: asked for at the start, shown, and a level of their own."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from monitor.cli.replay import replayed
from monitor.cli.root import app
from monitor.cli.wiring import build_daemon
from monitor.config import Settings, load_text
from monitor.core.model import Sample
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import Scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.storage.history_reader import Filter, HistoryReader
from monitor.storage.moves_cache import FILE
from monitor.system_clock import SystemClock
from tests.by_hand import LONG_BTC, cross
from tests.notify.fakes import FakeChannel
from tests.test_app import Watch, running, until

PRICES = {"BTC": "62000", "ETH": "3000", "SOL": "150"}
TYPICAL = 0.0158  # of an hour, of prices drawn from +-0.25 % at random

CONFIG = (
    """
[exchange]
rest_url = "{rest}"
market_stream_url = "{stream}"
[state]
directory = "{state}"
[[accounts]]
name = "by-hand"
balances = {{ USDT = 3000.0 }}
"""
    + LONG_BTC
    + cross("SOLUSDT", "LONG", 40.0, 150.0)
    + cross("ETHUSDT", "SHORT", 2.0, 3000.0)
    + """[[channels]]
name = "tg"
url = {{ file = "{state}/url" }}
"""
)


def path(price: str, noise: float = 0.0025) -> PricePath:
    return PricePath(((0.0, Decimal(price)),), noise=noise, seed=price)


class Exchange:
    def __init__(self) -> None:
        self.emulator = Emulator(
            SystemClock(),
            Scenario(tuple(Instrument(f"{base}USDT", base, path(price)) for base, price in PRICES.items())),
            EmulatorSettings(tick_s=0.05, forever=True),
        )

    def text(self, state: Path, rest: str = "") -> str:
        one = self.emulator
        return CONFIG.format(rest=rest or one.base_http, stream=one.base_market_ws, state=state)

    def settings(self, state: Path, rest: str = "") -> Settings:
        return load_text(self.text(state, rest), "test")

    def fall(self, price: str) -> None:
        """Let BTCUSDT be there from the next tick on, calm as it never was before."""
        self.emulator.market.instruments["BTCUSDT"] = Instrument("BTCUSDT", "BTC", path(price, 0.0))


@asynccontextmanager
async def exchange() -> AsyncIterator[Exchange]:
    one = Exchange()
    await one.emulator.start()
    try:
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(one.emulator.run())
            yield one
            ticking.cancel()
    finally:
        await one.emulator.stop()


def known(watch: Watch) -> list[float | None]:
    return [wallet.moves_left for wallet in watch.daemon.status().engine.wallets]


def is_typical(move: float) -> bool:
    """Whether it can be drawn: the larger of a whole day's and of the last minutes', which are few."""
    return 0.9 * TYPICAL < move < 1.45 * TYPICAL


def few(samples: Sequence[Sample]) -> bool:
    """Whether a row says that two moves are left or fewer."""
    return any(one.moves_left is not None and one.moves_left <= 2.0 for one in samples)


async def test_a_level_rises_on_moves_left_alone(tmp_path: Path) -> None:
    """The past is asked for without a key, and a market that wild leaves fewer than two moves."""
    channel = FakeChannel()
    async with exchange() as market, running(market.settings(tmp_path / "s"), channel) as watch:
        await until(lambda: len(known(watch)) == 2 and None not in known(watch))
        status = watch.daemon.status()
        for symbol in status.engine.symbols:
            assert symbol.typical_move is not None
            assert is_typical(symbol.typical_move)
            assert symbol.minutes >= 1439
        assert status.feeds[0].past.answered == 3
        assert {wallet.level for wallet in status.engine.wallets} == {"ok"}
        market.fall("60750")
        await until(lambda: bool(channel.accepted))
        # Nothing but moves left calls for it: room and margin ratio are those of a position at ease.
        facts = next(
            change.facts for effects in watch.effects for change in effects.transitions if change.level > 1
        )
        assert facts.wallet == "isolated:BTCUSDT:LONG"
        assert facts.moves_left is not None
        assert 1.0 < facts.moves_left <= 2.0
        assert facts.room is not None
        assert 0.5 < facts.room <= 0.6
        assert facts.margin_ratio is not None
        assert facts.margin_ratio < 0.2
        await until(lambda: any(few(effects.samples) for effects in watch.effects))
    assert channel.titles[0].startswith("WARNING")
    with HistoryReader(tmp_path / "s" / "history.db") as history:
        assert few(history.samples(Filter(wallet="isolated:BTCUSDT:LONG", symbol="")))


async def test_explain_asks_the_daemon_how_prices_move(tmp_path: Path) -> None:
    """Of one price the arithmetic is whole; of two that share a wallet the daemon says what they did together."""
    state, config = tmp_path / "s", tmp_path / "config.toml"
    async with exchange() as market, running(market.settings(state), FakeChannel()) as watch:
        config.write_text(market.text(state))
        await until(lambda: len(known(watch)) == 2 and None not in known(watch))
        for symbol, place in (("BTCUSDT", 1), ("ETHUSDT", 0)):
            words = ["explain", symbol, "--config", str(config), "--json"]
            found = await asyncio.to_thread(CliRunner().invoke, app, words)
            assert found.exit_code == 0, found.output
            (one,) = json.loads(found.stdout)
            steps = {step["name"]: step for step in one["steps"]}
            assert is_typical(steps[f"{symbol} typical move"]["value"])
            wallet = watch.daemon.status().engine.wallets[place]
            assert wallet.wallet == one["wallet"]
            assert steps["moves left"]["value"] == pytest.approx(wallet.moves_left, rel=0.3)


async def test_without_an_answer_everything_else_works(tmp_path: Path) -> None:
    """One warning; moves are shown as unknown, and the other conditions stand."""
    channel = FakeChannel()
    async with exchange() as market:
        settings = market.settings(tmp_path / "s", rest="http://127.0.0.1:9")
        with capture_logs() as logs:
            async with running(settings, channel) as watch:
                await until(lambda: watch.daemon.status().feeds[0].past.failing != "")
                market.fall("59300")
                await until(lambda: bool(channel.accepted))
                assert known(watch) == [None, None]
                assert watch.level() == "emergency" or any(
                    wallet.level == "emergency" for wallet in watch.daemon.status().engine.wallets
                )
    assert [one["log_level"] for one in logs if one["event"] == "klines.lost"] == ["warning"]


def test_the_service_is_wired_with_clients_that_need_no_key(tmp_path: Path) -> None:
    """Nothing is connected before it runs, and each market has a past of its own."""
    text = CONFIG.format(rest="http://127.0.0.1:9", stream="ws://127.0.0.1:9/market", state=tmp_path)
    settings = load_text(text, "test")
    daemon = build_daemon(settings, [], clock=SystemClock(), environ=os.environ)
    names = [job.name for feed in daemon._sources.feeds.values() for job in feed.jobs()]
    assert {"klines-usdm", "klines-coinm"} <= set(names)


@pytest.mark.parametrize("kept", [True, False])
async def test_the_first_alert_after_a_restart_says_how_far_moves_are(tmp_path: Path, *, kept: bool) -> None:
    """As the run before knew it, though the exchange does not answer; a replay decides the same."""
    state = tmp_path / "s"
    async with exchange() as market:
        async with running(market.settings(state), FakeChannel()) as watch:
            await until(lambda: len(known(watch)) == 2 and None not in known(watch))
        if not kept:
            (state / FILE).unlink()
        market.fall("59300")
        silent, channel = market.settings(state, "http://127.0.0.1:9"), FakeChannel()
        async with running(silent, channel, tmp_path / "journal") as watch:
            await until(lambda: any("EMERGENCY" in one for one in channel.titles))
    alert = next(one for one in channel.accepted if "EMERGENCY" in one.title)
    assert ("typical hourly moves left" in alert.body) is kept
    told = [one.facts.moves_left for effects in watch.effects for one in effects.notices]
    again = [one.facts.moves_left for _, effects in replayed(tmp_path / "journal") for one in effects.notices]
    assert told == again
