"""A stage, and a client of its streams that knows nothing of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as dial

from monitor.emulator.stage import Stage
from monitor.emulator.streams import Route
from tests.conftest import settle
from tests.emulator.conftest import Json

BTC, ETH = "btcusdt@markPrice@1s", "ethusdt@markPrice@1s"


@asynccontextmanager
async def listening(base: str, *names: str) -> AsyncIterator[ClientConnection]:
    """Connect to streams by their path; pings of its own are off, and it gives up on closing soon."""
    url = f"{base}/ws/{'/'.join(names or (BTC,))}"
    async with dial(url, proxy=None, ping_interval=None, close_timeout=0.1, open_timeout=60) as socket:
        yield socket


async def heard(socket: ClientConnection) -> Json:
    """Return the next message, decoded."""
    async with asyncio.timeout(60):
        return json.loads(await socket.recv())


async def all_heard(socket: ClientConnection) -> list[Json]:
    """Return the messages that came before the answer to a question asked now."""
    await socket.send('{"method":"LIST_SUBSCRIPTIONS","id":99}')
    found: list[Json] = []
    while True:
        message = await heard(socket)
        if isinstance(message, dict) and message.get("id") == 99:
            return found
        found.append(message)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, ten seconds at most."""
    async with asyncio.timeout(60):
        while not condition():
            await settle(1)


async def healthy(stage: Stage, session: aiohttp.ClientSession) -> None:
    """Assert that a new client gets prices and answers, and nothing but them."""
    async with session.get(f"{stage.base_http}/fapi/v1/premiumIndex") as response:
        rows = {row["symbol"]: row["markPrice"] for row in await response.json()}
    async with listening(stage.base_market_ws, BTC) as market, listening(stage.base_private_ws, "key"):
        await stage.emulator.step()
        (event,) = await all_heard(market)
    assert (event["s"], event["E"]) == ("BTCUSDT", stage.emulator.rest.now_ms())
    assert {"BTCUSDT", "ETHUSDT"} <= set(rows)


def routes(stage: Stage) -> list[Route]:
    """Return the routes of the open streams."""
    return [one.route for one in stage.emulator.streams._open]
