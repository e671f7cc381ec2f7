"""REST and handshakes that fail, seen by plain clients; without the fault all is well again."""

import asyncio
from collections.abc import Callable

import aiohttp
import pytest
import websockets

from monitor.emulator.faults import EVERY, Faults
from tests.conftest import ManualClock, settle
from tests.emulator.conftest import Owner, Start
from tests.emulator.stages import heard, listening, until

TIME, PING = "/fapi/v1/time", "/fapi/v1/ping"


async def status(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(url) as response:
        await response.read()
        return response.status


async def test_a_ban_covers_rest_and_handshakes_and_ends_by_itself(
    start: Start, session: aiohttp.ClientSession, clock: ManualClock
) -> None:
    """REST answers 418 with the time that is left and until when; handshakes a status of their own."""
    emulator = await start()
    until_ms = emulator.faults.banned_until_ms = clock.wall_ms() + 90_000
    await clock.advance(30.5)
    async with session.get(emulator.base_http + TIME) as response:
        assert (response.status, response.headers["Retry-After"]) == (418, "60")
        assert (await response.json())["msg"].endswith(f"IP banned until {until_ms}.")
    for code in (418, 403):
        emulator.faults.ban_handshake = code
        with pytest.raises(websockets.InvalidStatus) as caught:
            async with listening(emulator.base_market_ws):
                pass
        answer = caught.value.response
        assert (answer.status_code, answer.headers["Retry-After"]) == (code, "60")
    await clock.advance(59.5)
    assert await status(session, emulator.base_http + TIME) == 200
    async with listening(emulator.base_market_ws) as one:
        await emulator.step()
        assert (await heard(one))["s"] == "BTCUSDT"


async def test_a_slow_answer(start: Start, session: aiohttp.ClientSession, clock: ManualClock) -> None:
    """It comes after the delay by the clock, with the time of the answer; other paths are as fast as ever."""
    emulator = await start()
    emulator.faults.rest_delay_s = {TIME: 4}
    begun = clock.wall_ms()
    async with asyncio.TaskGroup() as group:
        slow = group.create_task(session.get(emulator.base_http + TIME))
        await until(lambda: clock.slept == [4])
        assert await status(session, emulator.base_http + PING) == 200
        await clock.advance(3.9)
        await settle()
        assert not slow.done()
        await clock.advance(0.1)
    assert (await slow.result().json())["serverTime"] == begun + 4_000


async def test_a_request_that_hangs(
    start: Start, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never answered, not even when health returns; new ones are; and stopping waits for none."""
    monkeypatch.setattr("monitor.emulator.server._SHUTDOWN_S", 60.0)
    emulator = await start()
    emulator.faults.rest_hang = {EVERY}
    async with asyncio.TaskGroup() as group:
        impatient = group.create_task(ended(session, emulator.base_http + TIME))
        await until(lambda: emulator.rest.requests == 1)
        impatient.cancel()
        hanging = group.create_task(ended(session, emulator.base_http + TIME))
        await until(lambda: emulator.rest.requests == 2)
        emulator.faults.rest_hang = set()
        assert await status(session, emulator.base_http + TIME) == 200
        assert not hanging.done()
        async with asyncio.timeout(60):
            await emulator.stop()
    assert hanging.result() is True


async def ended(session: aiohttp.ClientSession, url: str) -> bool:
    """Say whether a request ended without an answer."""
    try:
        await status(session, url)
    except aiohttp.ClientConnectionError:
        return True
    return False


async def test_only_so_many_requests_hang(
    start: Start, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One too many cuts the one that has waited longest."""
    monkeypatch.setattr("monitor.emulator.rest._MOST_HANGING", 1)
    emulator = await start()
    emulator.faults.rest_hang = {TIME}
    async with asyncio.TaskGroup() as group:
        first = group.create_task(ended(session, emulator.base_http + TIME))
        await until(lambda: emulator.rest.requests == 1)
        second = group.create_task(ended(session, emulator.base_http + TIME))
        assert await first is True
        assert not second.done()
        await emulator.stop()


@pytest.mark.parametrize("body", ["", '{"serverTime":17', "[[],null]"])
async def test_an_answer_that_is_none(start: Start, session: aiohttp.ClientSession, body: str) -> None:
    """Status 200, the type of JSON, and a text that is not what was asked for."""
    emulator = await start()
    emulator.faults.rest_body = {TIME: body}
    async with session.get(emulator.base_http + TIME) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        assert await response.text() == body
    async with session.get(emulator.base_http + PING) as response:
        assert await response.json() == {}


async def test_a_refusal_with_a_code(start: Start, owner: Callable[..., Owner]) -> None:
    """A path is refused with a status and the exchange's code; a code of no known text has one too."""
    emulator = await start()
    one = owner(emulator)
    emulator.faults.rest_error = {"/fapi/v3/account": (401, -2015), "/fapi/v3/balance": (400, -4999)}
    assert (await one.get("/fapi/v3/account"))["code"] == -2015
    assert one.status == 401
    assert await one.get("/fapi/v3/balance") == {"code": -4999, "msg": "Refused."}
    emulator.faults.heal()
    assert "assets" in await one.get("/fapi/v3/account")


async def test_handshakes_can_fail_by_route(start: Start) -> None:
    """A status or a closing frame on one route, and the other is well."""
    emulator = await start()
    emulator.faults.route_status, emulator.faults.route_close = {"market": 503}, {"private"}
    with pytest.raises(websockets.InvalidStatus):
        async with listening(emulator.base_market_ws):
            pass
    async with listening(emulator.base_private_ws) as one:
        with pytest.raises(websockets.ConnectionClosedOK):
            await heard(one)
    emulator.faults.heal()
    emulator.faults.handshake_status, emulator.faults.accept_then_close = 403, True
    emulator.faults.handshake_routes = {"private"}
    async with listening(emulator.base_market_ws) as one:
        await emulator.step()
        assert (await heard(one))["s"] == "BTCUSDT"


async def test_connections_of_one_route_can_end(start: Start) -> None:
    """Without a closing frame, or in good order as at the end of a day; the other route stays."""
    emulator = await start()
    async with (
        listening(emulator.base_market_ws) as market,
        listening(emulator.base_private_ws) as private,
        listening(emulator.base_private_ws) as another,
    ):
        emulator.drop_connections("market")
        with pytest.raises(websockets.ConnectionClosedError):
            await heard(market)
        async with asyncio.TaskGroup() as group:
            ends = [group.create_task(heard_end(one)) for one in (private, another)]
            group.create_task(emulator.close_connections("private"))
    assert [end.result() for end in ends] == [1001, 1001]


async def heard_end(socket: websockets.ClientConnection) -> int:
    with pytest.raises(websockets.ConnectionClosedOK) as caught:
        await heard(socket)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code


async def test_listen_keys_can_end_unsaid(start: Start, owner: Callable[..., Owner], clock: ManualClock) -> None:
    """By force or by age, with no event; the key is gone all the same."""
    emulator = await start(listen_key_life_s=60)
    one = owner(emulator)
    key = await one.listen()
    async with listening(emulator.base_private_ws, key) as socket:
        await emulator.expire_listen_keys(told=False)
        assert (await one.raw("PUT", "/fapi/v1/listenKey"))["code"] == -1125
        await one.listen()
        emulator.faults.keys_expire_unsaid = True
        await clock.advance(61)
        await emulator.step()
        assert (await one.raw("PUT", "/fapi/v1/listenKey"))["code"] == -1125
        await emulator.send_raw("{}")
        assert await heard(socket) == {}  # nothing came before it


async def test_user_events_can_come_twice_or_at_random(start: Start, owner: Callable[..., Owner]) -> None:
    """Each so many times more; or a share of them never."""
    emulator = await start()
    key = await owner(emulator).listen()
    account = emulator.accounts["main"]
    async with listening(emulator.base_private_ws, key) as socket:
        emulator.faults.private_duplicates = 1
        await account.transfer("USDT", 1)
        first, second = await heard(socket), await heard(socket)
        assert first == second
        emulator.faults.heal()
        emulator.faults.private_drop_share = 1
        await account.transfer("USDT", 1)
        emulator.faults.heal()
        await account.transfer("USDT", 1)
        assert (await heard(socket))["a"]["B"][0]["wb"] == "5003.00000000"


def test_healing_leaves_what_runs_out_by_itself() -> None:
    """Counts, tiers that were handed over and the source of chance stay; all else is as new."""
    faults = Faults(silence=True, drop_events=2, next_statuses=[500], stuck={"X"}, rest_status={EVERY: 503})
    chance = faults.random
    faults.heal()
    assert (faults.silence, faults.stuck, faults.rest_status) == (False, set(), {})
    assert (faults.drop_events, faults.next_statuses, faults.random) == (2, [500], chance)
