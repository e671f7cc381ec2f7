"""A running daemon with its pages: local exchange, real sockets, real databases. Run it to look at the page.

``python -m tests.web.stand PORT PRICE`` serves until it is interrupted, with the token ``TOKEN``.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec

from monitor.app import Daemon
from monitor.cli.wiring import build_daemon
from monitor.config import load_text
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import Scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.system_clock import SystemClock
from monitor.web.throttle import Throttle
from tests.by_hand import LONG_BTC, cross
from tests.notify.fakes import FakeChannel
from tests.ports import free_port

TOKEN = "a-token-that-only-tests-know"
PATIENCE_S = 60.0
SYMBOLS = {"BTCUSDT": ("BTC", "62000"), "ETHUSDT": ("ETH", "2900"), "SOLUSDT": ("SOL", "150")}

CONFIG = (
    """
[exchange]
environment = "testnet"
rest_url = "{rest}"
market_stream_url = "{streams}"
[state]
directory = "{state}"
[display]
time_zone = "UTC"
[web]
enabled = true
listen = "127.0.0.1:{port}"
{token}
[[accounts]]
name = "{name}"
balances = {{ USDT = 5000.0 }}
"""
    + LONG_BTC
    + cross("ETHUSDT", "SHORT", 8.0, 2900.0)
    + cross("SOLUSDT", "LONG", 60.0, 150.0)
    + """[[channels]]
name = "telegram"
url = {{ file = "{folder}/url" }}
chart = false
"""
)


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:  # noqa: ANN401 - JSON
        return msgspec.json.decode(self.text)


class Stand:
    """One exchange, one daemon and somebody who asks it."""

    def __init__(self, daemon: Daemon, emulator: Emulator, channel: FakeChannel, url: str) -> None:
        self.daemon = daemon
        self.emulator = emulator
        self.channel = channel
        self.url = url
        self.token = TOKEN
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))  # by address, not by name

    def price(self, symbol: str, price: str) -> None:
        """Let the mark be this from the next tick on."""
        path = PricePath(((0.0, Decimal(price)),))
        self.emulator.market.instruments[symbol] = Instrument(symbol, SYMBOLS[symbol][0], path)

    async def ask(
        self, path: str, *, token: str = TOKEN, body: object = None, form: dict[str, str] | None = None,
        method: str = "", headers: dict[str, str] | None = None,
    ) -> Reply:  # fmt: skip
        """Ask as a program does; with a body or a form it is a POST."""
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        chosen = method or ("GET" if body is None and form is None else "POST")
        async with self.session.request(
            chosen, f"{self.url}{path}", headers=sent, json=body, data=form, allow_redirects=False
        ) as reply:
            return Reply(reply.status, {k.lower(): v for k, v in reply.headers.items()}, await reply.text())

    async def until_told(self) -> None:
        """Wait until a channel took a message."""
        await until(lambda: bool(self.channel.accepted))


async def until(condition: Any) -> None:  # noqa: ANN401 - a callable
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await SystemClock().sleep(0.005)


@asynccontextmanager
async def standing(
    folder: Path, *, token: bool = True, name: str = "main", prices: dict[str, str] | None = None, port: int = 0
) -> AsyncIterator[Stand]:
    """A daemon whose pages answer and whose marks are there."""
    chosen = {symbol: (prices or {}).get(symbol, price) for symbol, (_, price) in SYMBOLS.items()}
    instruments = tuple(
        Instrument(symbol, SYMBOLS[symbol][0], PricePath(((0.0, Decimal(price)),)))
        for symbol, price in chosen.items()
    )
    emulator = Emulator(SystemClock(), Scenario(instruments), EmulatorSettings(tick_s=0.05, forever=True))
    await emulator.start()
    (folder / "token").write_text(TOKEN)
    port = port or free_port()
    text = CONFIG.format(
        rest=emulator.base_http, streams=emulator.base_market_ws, state=folder / "s", folder=folder, port=port,
        name=name, token=f'token = {{ file = "{folder}/token" }}' if token else "",
    )  # fmt: skip
    channel = FakeChannel("telegram")
    daemon = build_daemon(load_text(text, "test"), [channel], clock=SystemClock(), environ=os.environ)
    try:
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(emulator.run())
            watching = group.create_task(daemon.run())
            stand = Stand(daemon, emulator, channel, f"http://127.0.0.1:{port}")
            try:
                await _answering(stand)
                await until(lambda: all(one.mark is not None for one in daemon.status().engine.symbols))
                yield stand
            finally:
                await stand.session.close()
                daemon.stop()
                await asyncio.wait([watching])
                ticking.cancel()
    finally:
        await emulator.stop()


async def _answering(stand: Stand) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                await stand.ask("/healthz")
                return
            await SystemClock().sleep(0.005)


def be_patient(daemon: Daemon) -> None:
    """Have wrong tokens told so however many come: whoever tries thousands wants to hear it each time."""
    daemon._web._keeper._wrong = Throttle(10**6)  # type: ignore[union-attr]


async def _serve(port: int, price: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with standing(Path(folder), port=port, prices={"BTCUSDT": price}) as stand:
            be_patient(stand.daemon)
            sys.stdout.write(f"{stand.url}\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2]))
