"""The stream side over real sockets, with two clients: aiohttp and websockets."""

import asyncio
import json

import aiohttp
import pytest
import websockets
from websockets.asyncio.client import connect as dial

from monitor.emulator.server import Emulator
from tests.conftest import ManualClock, settle
from tests.emulator.conftest import Connect, Json, Socket, Start, ask, silent


async def heard(socket: Socket) -> Json:
    """Return the next event."""
    return await socket.receive_json(timeout=60)


async def ended(socket: Socket) -> aiohttp.WSMsgType:
    """Return what ended the connection, skipping pings."""
    while True:
        message = await socket.receive(timeout=60)
        if message.type not in (aiohttp.WSMsgType.PING, aiohttp.WSMsgType.TEXT):
            return message.type


@pytest.mark.parametrize("form", ["ws/", "stream?streams="])
async def test_streams_named_in_the_address(start: Start, connect: Connect, form: str) -> None:
    """Raw events on /ws, events with their stream's name on /stream."""
    emulator = await start()
    socket = await connect(f"{emulator.base_market_ws}/{form}btcusdt@markPrice@1s/ethusdt@markPrice@1s")
    await emulator.step()
    events = [await heard(socket), await heard(socket)]
    if form.startswith("stream"):
        assert [event["stream"] for event in events] == ["btcusdt@markPrice@1s", "ethusdt@markPrice@1s"]
        events = [event["data"] for event in events]
    assert [event["s"] for event in events] == ["BTCUSDT", "ETHUSDT"]


async def test_coin_margined_marks(start: Start, connect: Connect) -> None:
    """One contract's stream, and one with all contracts of a pair as an array."""
    emulator = await start()
    one = await connect(f"{emulator.base_market_ws}/ws/btcusd_perp@markPrice@1s")
    pair = await connect(f"{emulator.base_market_ws}/ws/btcusd@markPrice@1s")
    await emulator.step()
    event = await heard(one)
    assert (event["s"], event["st"]) == ("BTCUSD_PERP", 2)
    assert await heard(pair) == [event]
    emulator.faults.muted.add("BTCUSD_PERP")
    await emulator.step()
    assert await silent(one)


async def test_control_messages(start: Start, connect: Connect) -> None:
    """A bare connection subscribes, lists, unsubscribes and changes its form while it lives."""
    emulator = await start()
    socket = await connect(f"{emulator.base_market_ws}/ws")
    assert await ask(socket, "SUBSCRIBE", ["btcusdt@markPrice@1s"]) == {"result": None, "id": 1}
    assert (await ask(socket, "LIST_SUBSCRIPTIONS"))["result"] == ["btcusdt@markPrice@1s"]
    await emulator.step()
    assert (await heard(socket))["s"] == "BTCUSDT"
    assert await ask(socket, "GET_PROPERTY", ["combined"]) == {"result": False, "id": 1}
    await ask(socket, "SET_PROPERTY", ["combined", True])
    await emulator.step()
    assert (await heard(socket))["data"]["s"] == "BTCUSDT"
    await ask(socket, "UNSUBSCRIBE", ["btcusdt@markPrice@1s"])
    await emulator.step()
    assert await silent(socket)


async def test_a_bare_stream_connection_is_combined(start: Start, connect: Connect) -> None:
    """On /stream the property starts true; a mistake is answered with a code."""
    socket = await connect(f"{(await start()).base_market_ws}/stream")
    assert (await ask(socket, "GET_PROPERTY", ["combined"]))["result"] is True
    await socket.send_str("no json")
    assert (await heard(socket))["code"] == 3


async def test_slower_streams_push_on_every_third_tick(start: Start, connect: Connect, clock: ManualClock) -> None:
    """Without @1s a stream is three times as slow; event times are the clock's."""
    emulator = await start()
    socket = await connect(f"{emulator.base_market_ws}/ws/btcusdt@markPrice")
    begun = clock.wall_ms()
    for _ in range(4):
        await emulator.step()
        await clock.advance(1)
    assert [(await heard(socket))["E"], (await heard(socket))["E"]] == [begun, begun + 3000]
    assert await silent(socket)


@pytest.mark.parametrize("name", ["!markPrice@arr", "!markPrice@arr@1s"])
async def test_the_all_market_array_comes_in_parts(start: Start, connect: Connect, name: str) -> None:
    """One event is two messages, the second with traditional assets; coin-margined rows are merged in."""
    emulator = await start()
    socket = await connect(f"{emulator.base_market_ws}/ws/{name}")
    await emulator.step()
    crypto, tradfi = await heard(socket), await heard(socket)
    assert [(row["s"], row["st"]) for row in crypto] == [("BTCUSDT", 1), ("ETHUSDT", 1), ("BTCUSD_PERP", 2)]
    assert [row["s"] for row in tradfi] == ["XAUUSDT"]


@pytest.mark.parametrize(
    "name", ["nosuch@markPrice@1s", "BTCUSDT@markPrice@1s", "btcusdt@depth", "!markPrice@all"]
)
async def test_an_unknown_stream_is_acknowledged_and_silent(start: Start, connect: Connect, name: str) -> None:
    """An acknowledgement proves nothing: unknown and upper-case names push nothing."""
    emulator = await start()
    socket = await connect(f"{emulator.base_market_ws}/ws")
    assert await ask(socket, "SUBSCRIBE", [name]) == {"result": None, "id": 1}
    await emulator.step()
    assert await silent(socket)


@pytest.mark.parametrize("path", ["/ws", "/stream", "/public/ws", "/private/ws/some-key", "/private/stream"])
async def test_other_routes_carry_no_mark_prices(start: Start, connect: Connect, path: str) -> None:
    """They connect, acknowledge and answer pings, and stay silent: the failure that looks like health."""
    emulator = await start()
    socket = await connect(emulator.base_http.replace("http", "ws") + path, autoping=False)
    assert await ask(socket, "SUBSCRIBE", ["btcusdt@markPrice@1s"]) == {"result": None, "id": 1}
    await emulator.step()
    await socket.ping(b"there?")
    assert (await socket.receive(timeout=60)).type is aiohttp.WSMsgType.PONG
    assert await silent(socket)


async def test_the_unrouted_address_with_a_stream_is_silent_too(start: Start, connect: Connect) -> None:
    """The old address is taken and pushes nothing."""
    emulator = await start()
    socket = await connect(f"ws://127.0.0.1:{emulator.port}/ws/btcusdt@markPrice@1s")
    await emulator.step()
    assert await silent(socket)


async def test_another_client_is_served(start: Start) -> None:
    """The websockets library connects, subscribes and receives, its own pings answered."""
    emulator = await start()
    async with dial(f"{emulator.base_market_ws}/stream", proxy=None) as socket:
        await socket.send(json.dumps({"method": "SUBSCRIBE", "params": ["btcusdt@markPrice@1s"], "id": 1}))
        assert json.loads(await socket.recv()) == {"result": None, "id": 1}
        await (await socket.ping())
        await emulator.step()
        assert json.loads(await socket.recv())["stream"] == "btcusdt@markPrice@1s"


async def test_a_connection_lives_so_long(start: Start, connect: Connect, clock: ManualClock) -> None:
    """At the end of its life a connection is closed by the server, in good order."""
    emulator = await start(connection_life_s=60)
    socket = await connect(f"{emulator.base_market_ws}/ws")
    await clock.advance(60)
    async with asyncio.TaskGroup() as group:
        end = group.create_task(ended(socket))  # the server waits for the closing frame of the other side
        group.create_task(emulator.step())
    assert end.result() is aiohttp.WSMsgType.CLOSE
    assert socket.close_code == aiohttp.WSCloseCode.GOING_AWAY


async def test_the_server_pings(start: Start, connect: Connect, clock: ManualClock) -> None:
    """A ping goes out when due; one that is answered keeps the connection."""
    emulator = await start(ping_every_s=180, pong_within_s=600)
    socket = await connect(f"{emulator.base_market_ws}/ws", autoping=False)
    for _ in range(5):
        await clock.advance(180)
        await emulator.step()
        ping = await socket.receive(timeout=60)
        assert ping.type is aiohttp.WSMsgType.PING
        await socket.pong(ping.data)
        assert await silent(socket)  # the pong was read before this was answered


async def test_a_peer_that_never_pongs_is_cut(start: Start, connect: Connect, clock: ManualClock) -> None:
    """Unanswered pings end the connection after the allowed time, not before."""
    emulator = await start(ping_every_s=180, pong_within_s=600)
    socket = await connect(f"{emulator.base_market_ws}/ws", autoping=False)
    for _ in range(4):
        await clock.advance(180)
        await emulator.step()
    assert emulator.streams.connections == 1
    await clock.advance(60)
    await emulator.step()
    assert await ended(socket) in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


async def test_too_many_control_messages_disconnect(start: Start, connect: Connect, clock: ManualClock) -> None:
    """Ten in a second are fine, again in the next; the eleventh ends the connection."""
    emulator = await start()
    socket = await connect(f"{emulator.base_market_ws}/ws")
    for _ in range(9):
        await ask(socket, "LIST_SUBSCRIPTIONS")
    await clock.advance(1)
    for _ in range(10):
        await ask(socket, "LIST_SUBSCRIPTIONS")
    await socket.send_str("{}")
    assert await ended(socket) is aiohttp.WSMsgType.CLOSE
    assert socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_too_many_streams_in_the_address_are_refused(start: Start, session: aiohttp.ClientSession) -> None:
    """The limit counts for the address as for messages."""
    emulator = await start(streams_per_connection=2)
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await session.ws_connect(f"{emulator.base_market_ws}/ws/a/b/c")
    assert caught.value.status == 400


async def test_a_handshake_can_be_refused(start: Start) -> None:
    """A fault answers the handshake with a status and Retry-After, which a client can read."""
    emulator = await start()
    emulator.faults.handshake_status = 429
    emulator.faults.retry_after_s = 7
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with dial(f"{emulator.base_market_ws}/ws", proxy=None):
            pass
    response = caught.value.response
    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")


async def test_accept_then_close(start: Start, session: aiohttp.ClientSession) -> None:
    """A fault completes the handshake and closes at once; each attempt is counted."""
    emulator = await start()
    emulator.faults.accept_then_close = True
    for _ in range(2):
        async with session.ws_connect(f"{emulator.base_market_ws}/ws") as socket:
            assert await ended(socket) is aiohttp.WSMsgType.CLOSE
    assert (emulator.streams.accepted, emulator.streams.connections) == (2, 0)


async def test_acknowledged_and_silent(start: Start, connect: Connect) -> None:
    """A fault stops the data and nothing else; without it the data comes back."""
    emulator = await start()
    socket = await connect(f"{emulator.base_market_ws}/ws")
    emulator.faults.silence = True
    assert await ask(socket, "SUBSCRIBE", ["btcusdt@markPrice@1s"]) == {"result": None, "id": 1}
    await emulator.step()
    assert await silent(socket)
    emulator.faults.silence = False
    await emulator.step()
    assert (await heard(socket))["s"] == "BTCUSDT"


async def test_one_symbol_can_be_muted(start: Start, connect: Connect) -> None:
    """Its rows are missing from its own stream and from the array; others keep coming."""
    emulator = await start()
    emulator.faults.muted.add("BTCUSDT")
    names = "btcusdt@markPrice@1s/ethusdt@markPrice@1s/!markPrice@arr@1s"
    socket = await connect(f"{emulator.base_market_ws}/ws/{names}")
    await emulator.step()
    assert (await heard(socket))["s"] == "ETHUSDT"
    assert [row["s"] for row in await heard(socket)] == ["ETHUSDT", "BTCUSD_PERP"]


async def test_a_raw_frame_reaches_subscribers_only(start: Start, connect: Connect) -> None:
    """Any text or bytes can be sent as they are, to whoever subscribed to something."""
    emulator = await start()
    idle = await connect(f"{emulator.base_market_ws}/ws")
    socket = await connect(f"{emulator.base_market_ws}/ws/btcusdt@markPrice@1s")
    await emulator.send_raw('{"e":"markPriceUpdate","p":NaN')
    await emulator.send_raw(b"\x00\x01")
    assert await socket.receive_str(timeout=60) == '{"e":"markPriceUpdate","p":NaN'
    assert await socket.receive_bytes(timeout=60) == b"\x00\x01"
    assert await silent(idle)


async def test_all_sockets_can_be_dropped(start: Start, connect: Connect) -> None:
    """They end without a closing frame, and a new connection is taken."""
    emulator = await start()
    socket = await connect(f"{emulator.base_market_ws}/ws")
    emulator.drop_connections()
    assert await ended(socket) in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    await connect(f"{emulator.base_market_ws}/ws")
    assert emulator.streams.connections == 1


async def test_connections_can_be_refused(start: Start, session: aiohttp.ClientSession) -> None:
    """A fault cuts REST and streams before any answer."""
    emulator = await start()
    emulator.faults.refuse_connections = True
    with pytest.raises(aiohttp.ClientConnectionError):
        await session.ws_connect(f"{emulator.base_market_ws}/ws")
    with pytest.raises(aiohttp.ClientConnectionError):
        await session.get(f"{emulator.base_http}/fapi/v1/ping")


async def test_a_peer_that_does_not_read_is_cut(start: Start) -> None:
    """Ticks are not held up: a connection whose buffers stay full is dropped after the allowed time."""
    emulator = await start(send_within_s=0.05)
    reader, writer = await raw_handshake(emulator)
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a plain socket that stops reading
    await settle()
    frame = "x" * 2_000_000
    for _ in range(40):
        await emulator.send_raw(frame)
        if emulator.streams.connections == 0:
            break
        await settle()
    assert emulator.streams.connections == 0
    writer.close()
    del reader


async def raw_handshake(emulator: Emulator) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a stream by hand and return the bare connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
    head = (
        "GET /market/ws/btcusdt@markPrice@1s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    writer.write(head.encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 101")
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def test_a_plain_request_is_no_stream(start: Start, session: aiohttp.ClientSession) -> None:
    """Without an upgrade the stream address answers 400."""
    emulator = await start()
    async with session.get(f"{emulator.base_http}/market/ws") as response:
        assert response.status == 400


async def test_a_broken_frame_ends_that_connection_only(start: Start, connect: Connect) -> None:
    """A peer that breaks the protocol is closed; the others go on."""
    emulator = await start()
    socket = await connect(f"{emulator.base_market_ws}/ws/btcusdt@markPrice@1s")
    reader, writer = await raw_handshake(emulator)
    writer.write(b"\xff\xff\xff\xff")
    assert await reader.read() != b""  # a closing frame, then the end
    writer.close()
    await emulator.step()
    assert (await heard(socket))["s"] == "BTCUSDT"
    assert emulator.streams.connections == 1


async def test_one_event_reaches_every_subscriber(start: Start, connect: Connect) -> None:
    """Two connections to one stream get the same event, each in its own form, and a closing frame at the end."""
    emulator = await start()
    raw = await connect(f"{emulator.base_market_ws}/ws/btcusdt@markPrice@1s")
    wrapped = await connect(f"{emulator.base_market_ws}/stream?streams=btcusdt@markPrice@1s")
    await emulator.step()
    assert (await heard(wrapped))["data"] == await heard(raw)
    async with asyncio.TaskGroup() as group:
        ends = [group.create_task(ended(socket)) for socket in (raw, wrapped)]
        group.create_task(emulator.streams.close())
    assert [end.result() for end in ends] == [aiohttp.WSMsgType.CLOSE] * 2
