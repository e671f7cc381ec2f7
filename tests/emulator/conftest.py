"""A small market on a clock the tests own, behind real sockets."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
import yarl

from monitor.emulator.brackets import Brackets
from monitor.emulator.credentials import Credentials
from monitor.emulator.ledger import Account, Position
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import Scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from tests.conftest import ManualClock

Socket = aiohttp.ClientWebSocketResponse
Json = Any  # a decoded message; its shape is what a test asserts
Start = Callable[..., Awaitable[Emulator]]
Connect = Callable[..., Awaitable[Socket]]


KEY = Credentials("key", "secret")


def small_scenario() -> Scenario:
    """Return BTC rising from 60,000 to 61,000 in 10 s, a calm coin, a metal and a coin-margined contract."""
    btc = Brackets.from_rows("BTCUSDT", [[0, 300000, 0.004, 0, 150], [300000, 800000, 0.005, 300, 100]])
    path = PricePath(((0.0, Decimal(60_000)), (10.0, Decimal(61_000))))
    still = PricePath(((0.0, Decimal("2500.5")),))
    position = Position("main", "BTCUSDT", "LONG", Decimal(1), Decimal(60_000), "cross")
    return Scenario(
        instruments=(
            Instrument("BTCUSDT", "BTC", path, btc, tick="0.1"),
            Instrument("ETHUSDT", "ETH", still),
            Instrument("XAUUSDT", "XAU", still, kind="tradfi"),
            Instrument("BTCUSD_PERP", "BTC", path, quote="USD", kind="coinm"),
        ),
        accounts=(Account("main", {"USDT": Decimal(5_000)}, (position,), credentials=KEY),),
        duration_s=10.0,
    )


@pytest.fixture
async def start(clock: ManualClock) -> AsyncIterator[Start]:
    """Return a function that starts an emulator with the given settings; stopped when the test ends."""
    async with AsyncExitStack() as stack:

        async def begin(scenario: Scenario | None = None, **settings: float) -> Emulator:
            known = EmulatorSettings(**settings)  # type: ignore[arg-type]  # flags and counts are numbers too
            emulator = Emulator(clock, scenario or small_scenario(), known)
            await emulator.start()
            stack.push_async_callback(emulator.stop)
            return emulator

        yield begin


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as one:
        yield one


@pytest.fixture
async def connect(session: aiohttp.ClientSession) -> AsyncIterator[Connect]:
    """Return a function that opens a websocket and waits until the server counts it; closed when the test ends."""
    async with AsyncExitStack() as stack:

        async def dial(url: str, *, autoping: bool = True) -> Socket:
            socket: Socket = await session.ws_connect(url, autoping=autoping)
            stack.push_async_callback(socket.close)
            await ask(socket, "LIST_SUBSCRIPTIONS")
            return socket

        yield dial


async def ask(socket: Socket, method: str, params: list[Json] | None = None) -> Json:
    """Send a control message and return the reply."""
    message = {"method": method, "id": 1} | ({} if params is None else {"params": params})
    await socket.send_str(json.dumps(message))
    return await socket.receive_json(timeout=60)


async def silent(socket: Socket) -> bool:
    """Say whether nothing waits on the socket: the reply to a question asked now is the next thing to come."""
    return set(await ask(socket, "LIST_SUBSCRIPTIONS")) == {"result", "id"}


class Owner:
    """Whoever has a key: signs requests and reads answers."""

    def __init__(self, session: aiohttp.ClientSession, emulator: Emulator, key: str = "key") -> None:
        self._session = session
        self._emulator = emulator
        self._key = key
        self.used = ""
        self.status = 0

    async def get(self, path: str, *, at_ms: int | None = None, **params: str) -> Json:
        """Return the decoded answer to a signed request."""
        when = self._emulator.rest.now_ms() if at_ms is None else at_ms
        query = "&".join(f"{name}={value}" for name, value in (params | {"timestamp": str(when)}).items())
        signature = hmac.new(b"secret", query.encode(), hashlib.sha256).hexdigest()
        return await self.raw("GET", f"{path}?{query}&signature={signature}")

    async def raw(self, method: str, path: str, key: str | None = None) -> Json:
        """Return the decoded answer to a request as it is."""
        url = yarl.URL(self._emulator.base_http + path, encoded=True)
        headers = {"X-MBX-APIKEY": self._key if key is None else key}
        async with self._session.request(method, url, headers=headers) as response:
            self.status, self.used = response.status, response.headers["X-MBX-USED-WEIGHT-1M"]
            return await response.json()

    async def listen(self, prefix: str = "fapi") -> str:
        """Return a listen key."""
        return str((await self.raw("POST", f"/{prefix}/v1/listenKey"))["listenKey"])


@pytest.fixture
def owner(session: aiohttp.ClientSession) -> Callable[..., Owner]:
    """Return a function that makes the owner of a key of an emulator."""
    return lambda emulator, key="key": Owner(session, emulator, key)
