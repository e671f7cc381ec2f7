"""The private streams over real sockets: listen keys, forms of the address, events as they happen, silence."""

from collections.abc import Callable

import pytest

from tests.conftest import ManualClock
from tests.emulator.accounts import account_scenario
from tests.emulator.conftest import Connect, Json, Owner, Socket, Start, silent

Own = Callable[..., Owner]


async def heard(socket: Socket) -> Json:
    """Return the next event."""
    return await socket.receive_json(timeout=60)


async def test_listen_keys_need_the_key_and_nothing_else(start: Start, owner: Own) -> None:
    """POST twice gives one key, PUT prolongs, DELETE ends, and PUT then says that there is none."""
    one = owner(await start(account_scenario()))
    key = await one.listen()
    assert await one.listen() == key
    assert await one.listen("dapi") != key
    assert (await one.raw("PUT", "/fapi/v1/listenKey"))["listenKey"] == key
    assert await one.raw("DELETE", "/fapi/v1/listenKey") == {}
    assert (await one.raw("PUT", "/fapi/v1/listenKey"))["code"] == -1125
    assert (await one.raw("POST", "/fapi/v1/listenKey", "stranger"))["code"] == -2015
    assert (await one.raw("POST", "/fapi/v1/listenKey", ""))["code"] == -2014
    assert ((await one.raw("GET", "/fapi/v1/listenKey"))["code"], one.status) == (-5000, 405)


@pytest.mark.parametrize(
    "form", ["ws/{key}", "ws?listenKey={key}", "stream?streams={key}", "stream?listenKey={key}"]
)
async def test_events_come_as_they_happen(start: Start, owner: Own, connect: Connect, form: str) -> None:
    """Each form of the address hears the account's events at once, on /stream with the key as stream name."""
    emulator = await start(account_scenario())
    key = await owner(emulator).listen()
    socket = await connect(f"{emulator.base_private_ws}/{form.format(key=key)}")
    await emulator.accounts["main"].transfer("USDT", 5)
    event = await heard(socket)
    if form.startswith("stream"):
        assert event["stream"] == key
        event = event["data"]
    assert (event["e"], event["a"]["m"]) == ("ACCOUNT_UPDATE", "DEPOSIT")
    await emulator.accounts["hedge"].transfer("USDT", 5)
    assert await silent(socket)


async def test_events_can_be_chosen(start: Start, owner: Own, connect: Connect) -> None:
    """The query names the kinds wanted; two keys stand in one address."""
    emulator = await start(account_scenario())
    first, second = await owner(emulator).listen(), await owner(emulator, "hedge-key").listen()
    query = f"listenKey={first}&events=ACCOUNT_CONFIG_UPDATE/MARGIN_CALL&listenKey={second}"
    socket = await connect(f"{emulator.base_private_ws}/stream?{query}")
    await emulator.accounts["main"].transfer("USDT", 5)
    await emulator.accounts["main"].set_leverage("BTCUSDT", 7)
    await emulator.accounts["hedge"].transfer("USDT", 6)
    events = [await heard(socket), await heard(socket)]
    assert [(one["stream"], one["data"]["e"]) for one in events] == [
        (first, "ACCOUNT_CONFIG_UPDATE"),
        (second, "ACCOUNT_UPDATE"),
    ]
    assert await silent(socket)


@pytest.mark.parametrize("route", ["private/ws/", "private/ws?listenKey=", "ws/", "market/ws/"])
async def test_a_bad_key_or_a_wrong_route_is_silent(
    start: Start, owner: Own, connect: Connect, route: str
) -> None:
    """The handshake succeeds and nothing ever comes."""
    emulator = await start(account_scenario())
    key = await owner(emulator).listen()
    bad = await connect(f"ws://127.0.0.1:{emulator.port}/{route}{'0' * 64 if 'private' in route else key}")
    await emulator.accounts["main"].transfer("USDT", 5)
    await emulator.step()
    assert await silent(bad)


async def test_an_expired_key_says_so_once(start: Start, owner: Own, connect: Connect, clock: ManualClock) -> None:
    """After its life comes one event; the socket stays open and hears no more, not even under a new key."""
    emulator = await start(account_scenario(), listen_key_life_s=60)
    key = await owner(emulator).listen()
    socket = await connect(f"{emulator.base_private_ws}/ws?listenKey={key}")
    await clock.advance(60)
    await emulator.step()
    assert await heard(socket) == {"e": "listenKeyExpired", "E": clock.wall_ms(), "listenKey": key}
    assert await owner(emulator).listen() != key
    await emulator.accounts["main"].transfer("USDT", 5)
    assert await silent(socket)


async def test_keys_can_be_ended_at_once(start: Start, owner: Own, connect: Connect) -> None:
    """A call ends them all."""
    emulator = await start(account_scenario())
    key = await owner(emulator).listen()
    socket = await connect(f"{emulator.base_private_ws}/ws/{key}")
    await emulator.expire_listen_keys()
    assert (await heard(socket))["e"] == "listenKeyExpired"
    assert (await owner(emulator).raw("PUT", "/fapi/v1/listenKey"))["code"] == -1125


async def test_events_can_be_lost(start: Start, owner: Own, connect: Connect) -> None:
    """A silent stream pushes nothing, a lossy one loses so many events; what happened has happened."""
    emulator = await start(account_scenario())
    one, main = owner(emulator), emulator.accounts["main"]
    socket = await connect(f"{emulator.base_private_ws}/ws/{await one.listen()}")
    emulator.faults.private_silent = True
    await main.transfer("USDT", 1)
    emulator.faults.private_silent = False
    emulator.faults.drop_events = 2
    for _ in range(3):
        await main.transfer("USDT", 1)
    assert (await heard(socket))["a"]["B"][0]["wb"] == "10004.00000000"
    assert await silent(socket)
    assert (await one.get("/fapi/v3/balance"))[0]["balance"] == "10004.00000000"


async def test_a_change_of_tiers_is_announced(start: Start, owner: Own, connect: Connect) -> None:
    """Subscribers of contract news get all tiers, REST has them at once, and figures follow."""
    emulator = await start(account_scenario())
    socket = await connect(f"{emulator.base_market_ws}/ws/!contractInfo")
    main = emulator.accounts["main"]
    await main.fill("BTCUSDT", "BUY", "0.5", fee=0)
    await emulator.set_brackets("BTCUSDT", [[0, 10_000, 0.01, 0, 50], [10_000, 900_000, 0.02, 100, 25]])
    event = await heard(socket)
    assert (event["e"], event["s"], event["st"]) == ("contractInfo", "BTCUSDT", 1)
    assert event["bks"][1] == {"bs": 2, "bnf": 10000, "bnc": 900000, "mmr": 0.02, "cf": 100, "mi": 1, "ma": 25}
    assert event["bks"][0]["mi"] == 26
    told = await owner(emulator).get("/fapi/v1/leverageBracket", symbol="BTCUSDT")
    assert [row["maintMarginRatio"] for row in told["brackets"]] == [0.01, 0.02]
    (row,) = await owner(emulator).get("/fapi/v3/positionRisk")
    assert row["maintMargin"] == "500.00000000"
