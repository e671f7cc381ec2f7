"""A small market on a clock the tests own, behind real sockets."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from monitor.emulator.brackets import Brackets
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
        accounts=(Account("main", {"USDT": Decimal(5_000)}, (position,)),),
        duration_s=10.0,
    )


@pytest.fixture
async def start(clock: ManualClock) -> AsyncIterator[Start]:
    """Return a function that starts an emulator with the given settings; stopped when the test ends."""
    async with AsyncExitStack() as stack:

        async def begin(**settings: float) -> Emulator:
            known = EmulatorSettings(**settings)  # type: ignore[arg-type]  # flags and counts are numbers too
            emulator = Emulator(clock, small_scenario(), known)
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
    return await socket.receive_json(timeout=5)


async def silent(socket: Socket) -> bool:
    """Say whether nothing waits on the socket: the reply to a question asked now is the next thing to come."""
    return set(await ask(socket, "LIST_SUBSCRIPTIONS")) == {"result", "id"}
