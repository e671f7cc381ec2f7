"""Fault switches as data."""

from collections.abc import Callable

import aiohttp

from monitor.emulator.faults import Faults
from tests.conftest import ManualClock
from tests.emulator.conftest import Connect, Owner, Start


def test_a_healthy_exchange_has_none() -> None:
    """The default refuses nothing."""
    faults = Faults()
    assert faults.rest("/fapi/v1/time") == 0
    assert faults.headers() == {}


def test_a_path_of_its_own_goes_before_the_star() -> None:
    """A status may be set for one path or for all."""
    faults = Faults(rest_status={"*": 503, "/fapi/v1/time": 429}, retry_after_s=3)
    assert (faults.rest("/fapi/v1/time"), faults.rest("/fapi/v1/ping")) == (429, 503)
    assert faults.headers() == {"Retry-After": "3"}


def test_statuses_to_come_are_used_up() -> None:
    """Each request takes one off; 0 lets one pass; then the standing ones count again."""
    faults = Faults(rest_status={"*": 503}, next_statuses=[429, 0])
    assert [faults.rest("/fapi/v1/time") for _ in range(3)] == [429, 0, 503]


def test_events_to_lose_are_counted() -> None:
    """So many are lost, then none; a silent stream loses all."""
    faults = Faults(drop_events=1)
    assert [faults.loses_event() for _ in range(2)] == [True, False]
    faults.private_silent = True
    assert faults.loses_event()


async def test_a_burst_of_429_and_a_ban(start: Start, session: aiohttp.ClientSession, clock: ManualClock) -> None:
    """Too many requests, then a ban that says until when, then health; each with its wait and without weight."""
    emulator = await start()
    emulator.faults.next_statuses = [429, 429, 418]
    emulator.faults.retry_after_s = 30
    seen = []
    for _ in range(4):
        async with session.get(f"{emulator.base_http}/fapi/v1/time") as response:
            body = await response.json()
            seen.append((response.status, response.headers.get("Retry-After"), body.get("msg", "")))
    ban = f"Way too many requests; IP banned until {clock.wall_ms() + 30_000}."
    assert seen == [
        (429, "30", "Too many requests."), (429, "30", "Too many requests."), (418, "30", ban), (200, None, ""),
    ]  # fmt: skip


async def test_html_instead_of_json(start: Start, session: aiohttp.ClientSession) -> None:
    """A page of a proxy, as success or as failure, for one path or all."""
    emulator = await start()
    for status in (200, 502):
        emulator.faults.html = {"/fapi/v1/time": status}
        async with session.get(f"{emulator.base_http}/fapi/v1/time") as response:
            assert (response.status, response.content_type) == (status, "text/html")
            assert "<html>" in await response.text()
    async with session.get(f"{emulator.base_http}/fapi/v1/ping") as response:
        assert response.status == 200


async def test_the_exchange_s_clock_can_be_off(
    start: Start, connect: Connect, owner: Callable[..., Owner], clock: ManualClock
) -> None:
    """Its time, its events and its judgement of timestamps move together; paths of prices do not."""
    emulator = await start()
    socket = await connect(f"{emulator.base_market_ws}/ws/btcusdt@markPrice@1s")
    await emulator.step()
    emulator.faults.skew_ms = 3_000
    await clock.advance(5)
    await emulator.step()
    await socket.receive_json(timeout=60)
    event = await socket.receive_json(timeout=60)
    assert (event["E"], event["p"]) == (clock.wall_ms() + 3_000, "60500.00000000")
    one = owner(emulator)
    assert (await one.get("/fapi/v1/time"))["serverTime"] == clock.wall_ms() + 3_000
    assert "feeTier" in await one.get("/fapi/v1/accountConfig", at_ms=clock.wall_ms())
    refused = await one.get("/fapi/v1/accountConfig", at_ms=clock.wall_ms(), recvWindow="2000")
    assert refused["code"] == -1021
