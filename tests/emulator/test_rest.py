"""The REST side over real sockets."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from monitor.emulator.server import Emulator
from tests.conftest import ManualClock
from tests.emulator.conftest import Start

MINUTE_MS = 60_000


async def get(session: aiohttp.ClientSession, emulator: Emulator, path: str, **headers: str) -> tuple[int, Any]:
    """Return status and decoded body."""
    async with session.get(emulator.base_http + path, headers=headers) as response:
        return response.status, await response.json()


async def test_time_is_the_clock_s(start: Start, session: aiohttp.ClientSession, clock: ManualClock) -> None:
    """The server's time is that of the injected clock; ping answers an empty object."""
    emulator = await start()
    assert await get(session, emulator, "/fapi/v1/time") == (200, {"serverTime": clock.wall_ms()})
    assert await get(session, emulator, "/fapi/v1/ping") == (200, {})
    assert emulator.rest.requests == 2


async def test_exchange_info_is_spelled_like_the_exchange_s(
    start: Start, session: aiohttp.ClientSession, shared: Path
) -> None:
    """All documented fields, of the whole and of each symbol."""
    emulator = await start(weight_per_minute=2400)
    _, info = await get(session, emulator, "/fapi/v1/exchangeInfo")
    example = json.loads((shared / "payloads/usdm/rest/exchange_information.json").read_text())
    assert set(info) >= set(example)
    assert set(info["symbols"][0]) == set(example["symbols"][0])
    assert info["rateLimits"][0] == example["rateLimits"][0]


async def test_exchange_info(start: Start, session: aiohttp.ClientSession, clock: ManualClock) -> None:
    """The limit in force, symbols with their steps, and a server time that is days old."""
    emulator = await start(weight_per_minute=2400)
    _, info = await get(session, emulator, "/fapi/v1/exchangeInfo")
    assert info["rateLimits"][0]["limit"] == 2400
    assert clock.wall_ms() - info["serverTime"] > 86_400_000
    btc, _, xau = info["symbols"]
    assert (btc["symbol"], btc["baseAsset"], btc["pricePrecision"]) == ("BTCUSDT", "BTC", 1)
    assert xau["contractType"] == "TRADIFI_PERPETUAL"
    filters = {one["filterType"]: one for one in btc["filters"]}
    assert (filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]) == ("0.1", "0.001")


async def test_marks_of_one_and_of_all(start: Start, session: aiohttp.ClientSession, clock: ManualClock) -> None:
    """With a symbol an object, without an array, both at the newest tick."""
    emulator = await start()
    await emulator.step()
    await clock.advance(5)
    await emulator.step()
    _, one = await get(session, emulator, "/fapi/v1/premiumIndex?symbol=BTCUSDT")
    assert (one["markPrice"], one["time"]) == ("60500.00000000", clock.wall_ms())
    _, every = await get(session, emulator, "/fapi/v1/premiumIndex")
    assert [row["symbol"] for row in every] == ["BTCUSDT", "ETHUSDT", "XAUUSDT"]
    assert every[0] == one


async def test_minute_candles(start: Start, session: aiohttp.ClientSession, clock: ManualClock) -> None:
    """Candles open on whole minutes, end with the present one, and hold the path's prices."""
    emulator = await start()
    await emulator.step()
    await clock.advance(120)
    url = "/fapi/v1/markPriceKlines?symbol=BTCUSDT&interval=1m"
    _, rows = await get(session, emulator, f"{url}&limit=4")
    opens = [row[0] for row in rows]
    assert [opens[-1] <= clock.wall_ms() < opens[-1] + MINUTE_MS, len(rows[0])] == [True, 12]
    assert opens == [opens[-1] - MINUTE_MS * k for k in (3, 2, 1, 0)]
    assert rows[0][1:5] == ["60000.00000000"] * 4
    assert rows[-1][1:5] == ["61000.00000000"] * 4
    _, some = await get(session, emulator, f"{url}&startTime={opens[0] + 1}&endTime={opens[2] + 5}")
    assert [row[0] for row in some] == opens[1:3]
    _, first = await get(session, emulator, f"{url}&startTime={opens[0]}&limit=2")
    assert [row[0] for row in first] == opens[:2]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/fapi/v1/premiumIndex?symbol=NOSUCH", 400, -1121),
        ("/fapi/v1/premiumIndex?symbol=BTCUSD_PERP", 400, -1121),
        ("/fapi/v1/markPriceKlines?interval=1m", 400, -1102),
        ("/fapi/v1/markPriceKlines?symbol=BTCUSDT&interval=7m", 400, -1120),
        ("/fapi/v1/markPriceKlines?symbol=BTCUSDT&interval=1m&limit=many", 400, -1102),
        ("/fapi/v1/markPriceKlines?symbol=BTCUSDT&interval=1m&limit=0", 400, -1102),
        ("/fapi/v9/nothing", 404, -5000),
        ("/elsewhere", 404, -5000),
    ],
)
async def test_mistakes_have_codes(
    start: Start, session: aiohttp.ClientSession, path: str, status: int, code: int
) -> None:
    """An error is a status and a body with the exchange's code and a text."""
    found, body = await get(session, await start(), path)
    assert (found, body["code"]) == (status, code)
    assert body["msg"]


async def test_a_wrong_method_is_an_error_too(start: Start, session: aiohttp.ClientSession) -> None:
    """Posting to an endpoint that reads is refused with a body."""
    emulator = await start()
    async with session.post(f"{emulator.base_http}/fapi/v1/time") as response:
        assert (response.status, (await response.json())["code"]) == (405, -5000)


async def test_weight_is_counted_by_the_minute(
    start: Start, session: aiohttp.ClientSession, clock: ManualClock
) -> None:
    """Every answer says how much was used; above the limit comes 429 with the wait until the next minute."""
    emulator = await start(weight_per_minute=17)
    used = []
    for path in ("time", "premiumIndex", "premiumIndex?symbol=BTCUSDT", "nothing", "markPriceKlines?limit=100"):
        async with session.get(f"{emulator.base_http}/fapi/v1/{path}") as response:
            used.append(int(response.headers["X-MBX-USED-WEIGHT-1M"]))
    assert used == [1, 11, 12, 13, 15]
    url = f"{emulator.base_http}/fapi/v1/premiumIndex"
    async with session.get(url) as response:
        assert (response.status, (await response.json())["code"]) == (429, -1003)
        wait_s = int(response.headers["Retry-After"])
    await clock.advance(wait_s)
    async with session.get(url) as response:
        assert (response.status, response.headers["X-MBX-USED-WEIGHT-1M"]) == (200, "10")


@pytest.mark.parametrize(("limit", "weight"), [(99, 1), (100, 2), (500, 5), (1001, 10)])
async def test_more_candles_weigh_more(
    start: Start, session: aiohttp.ClientSession, limit: int, weight: int
) -> None:
    """The weight of a request for candles grows with how many it asks for."""
    emulator = await start()
    query = f"symbol=ETHUSDT&interval=1d&startTime=1&endTime=2&limit={limit}"
    async with session.get(f"{emulator.base_http}/fapi/v1/markPriceKlines?{query}") as response:
        assert (await response.json(), response.headers["X-MBX-USED-WEIGHT-1M"]) == ([], str(weight))


async def test_a_status_can_be_forced(start: Start, session: aiohttp.ClientSession) -> None:
    """A fault answers one path or all with a status, and with Retry-After where set."""
    emulator = await start()
    emulator.faults.rest_status["/fapi/v1/time"] = 418
    emulator.faults.retry_after_s = 120
    async with session.get(f"{emulator.base_http}/fapi/v1/time") as response:
        assert (response.status, response.headers["Retry-After"]) == (418, "120")
        assert (await response.json())["code"] == -1003
    assert (await get(session, emulator, "/fapi/v1/ping"))[0] == 200
