"""The relay: what happens below HTTP, seen by plain clients."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
import websockets

from monitor.emulator.certificate import bad_tls
from monitor.emulator.relay import Door, Relay
from monitor.emulator.server import Emulator
from tests.conftest import ManualClock, settle
from tests.emulator.conftest import Start
from tests.emulator.stages import BTC, all_heard, heard, listening, until


@pytest.fixture
async def emulator(start: Start) -> Emulator:
    return await start()


@pytest.fixture
async def relay(emulator: Emulator, clock: ManualClock) -> AsyncIterator[Relay]:
    one = Relay(emulator.port, clock)
    await one.start()
    yield one
    await one.stop()


Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def plain(relay: Relay) -> AsyncIterator[Pair]:
    """Open a bare connection and ask for a page over it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(b"GET /fapi/v1/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
    yield reader, writer
    writer.transport.abort()


async def some(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(60):
        return await reader.read(10_000)


async def test_everything_passes_by_default(
    relay: Relay, emulator: Emulator, session: aiohttp.ClientSession
) -> None:
    """REST and streams work through it as without it, and its addresses name its own port."""
    assert relay.port != emulator.port
    assert relay.base_private_ws == f"ws://127.0.0.1:{relay.port}/private"
    async with session.get(f"{relay.base_http}/fapi/v1/ping") as response:
        assert await response.json() == {}
    async with listening(relay.base_market_ws) as one:
        await emulator.step()
        assert (await heard(one))["s"] == "BTCUSDT"


async def test_a_closed_port_refuses_and_opens_again_where_it_was(relay: Relay) -> None:
    """Nothing is accepted meanwhile, nobody else is given the port, and an open connection goes on."""
    port = relay.port
    relay.door = Door.REFUSE
    await relay.apply()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    relay.heal()
    await relay.apply()
    async with plain(relay) as (reader, writer):
        assert b"200 OK" in await some(reader)
        for _ in range(2):
            relay.door = Door.REFUSE
            await relay.apply()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            relay.door = Door.PASS
            await relay.apply()
        writer.write(b"GET /fapi/v1/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in await some(reader)
    async with plain(relay) as (reader, _):
        assert b"200 OK" in await some(reader)
    assert relay.port == port


@pytest.mark.parametrize(
    ("door", "answer"),
    [(Door.FINISH, b""), (Door.TEXT, b"SSH-"), (Door.TLS, b"\x15\x03\x01"), (Door.GARBAGE, None)],
)
async def test_other_doors_answer_and_close(relay: Relay, door: Door, answer: bytes | None) -> None:
    """A FIN at once, or something that is not HTTP and then the end; the emulator is never asked."""
    relay.door = door
    await relay.apply()
    async with plain(relay) as (reader, _):
        said = await asyncio.wait_for(reader.read(), 60) if door is not Door.FINISH else b""
        assert len(said) == 64 if answer is None else said[: len(answer)] == answer
        if door is Door.FINISH:
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(1), 60)
    relay.heal()
    async with plain(relay) as (reader, _):
        assert b"200 OK" in await some(reader)


async def test_a_door_that_changes_before_the_client_speaks_is_the_one_it_came_to(relay: Relay) -> None:
    """It was accepted as plain text, and is answered so although new connections pass by now."""
    relay.door = Door.TEXT
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    await until(lambda: relay.open == 1)
    relay.door = Door.PASS
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert (await some(reader)).startswith(b"SSH")
    writer.close()


async def test_a_connection_can_be_reset_on_accept(relay: Relay) -> None:
    """The client's next read says so."""
    relay.door = Door.RESET
    async with plain(relay) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await some(reader)


async def test_a_mute_door_never_answers(relay: Relay) -> None:
    """The connection is taken and what is sent is read; nothing comes, and the client's end ends it."""
    relay.door = Door.MUTE
    async with plain(relay) as (reader, writer):
        await until(lambda: relay.open == 1)
        for _ in range(20):
            writer.write(b"x" * 100_000)
            await writer.drain()  # would wait for ever if nobody read
        waiting = asyncio.wait_for(reader.read(1), 0.05)
        with pytest.raises(TimeoutError):
            await waiting
    await until(lambda: relay.open == 0)


async def test_half_open_connections_hear_nothing_and_are_not_told(relay: Relay, emulator: Emulator) -> None:
    """Neither bytes nor the server's end arrive, even after health returns; a new connection works."""
    async with listening(relay.base_market_ws) as dead:
        await emulator.step()
        await heard(dead)
        relay.strand()
        relay.heal()
        await emulator.step()
        async with listening(relay.base_market_ws) as alive:
            await emulator.step()
            assert (await heard(alive))["s"] == "BTCUSDT"
        emulator.drop_connections()
        await until(lambda: emulator.streams.connections == 0)
        waiting = asyncio.wait_for(dead.recv(), 0.05)
        with pytest.raises(TimeoutError):
            await waiting
        await until(lambda: relay.open == 1)  # the other client's, which has left, ends a moment later
    await until(lambda: relay.open == 0)


async def test_held_bytes_arrive_later_and_none_is_lost(
    relay: Relay, emulator: Emulator, clock: ManualClock
) -> None:
    """In each direction on its own; a second hold in the same moment as the first ends lets nothing through."""
    async with listening(relay.base_market_ws) as one:
        relay.to_client.held = True
        sent = []
        for _ in range(3):
            await clock.advance(1)
            await emulator.step()
            sent.append(clock.wall_ms())
        relay.to_client.heal()
        relay.to_client.held = True
        waiting = asyncio.wait_for(one.recv(), 0.05)
        with pytest.raises(TimeoutError):
            await waiting
        relay.to_client.held = False
        assert [(await heard(one))["E"] for _ in range(3)] == sent


async def test_bytes_drip(relay: Relay, clock: ManualClock) -> None:
    """So many a second by the clock; without the limit the rest comes at once."""
    relay.to_client.bytes_per_s = 40
    async with plain(relay) as (reader, _):
        assert len(await some(reader)) == 4
        await until(lambda: clock.next_wake() is not None)
        await clock.advance(0.1)
        assert len(await some(reader)) == 4
        relay.heal()
        await until(lambda: clock.next_wake() is not None)
        await clock.advance(0.1)
        assert (await some(reader)).endswith(b"{}")


async def test_bytes_are_late(relay: Relay, clock: ManualClock) -> None:
    """They wait by the clock in the direction that is slow."""
    relay.to_client.latency_s = 3
    async with plain(relay) as (reader, _):
        await until(lambda: clock.next_wake() is not None)
        await clock.advance(2.9)
        reading = asyncio.wait_for(reader.read(1), 0.02)
        with pytest.raises(TimeoutError):
            await reading
        await clock.advance(0.1)
        assert b"200 OK" in await some(reader)
    assert clock.slept == [3]


async def test_a_changed_byte_spoils_a_frame_and_never_its_price(relay: Relay, emulator: Emulator) -> None:
    """A client closes over it, or cannot read it; what it can read has the price that was sent."""
    seen, ended = [], 0
    for _ in range(8):
        async with listening(relay.base_market_ws) as one:
            relay.to_client.corrupt_share = 1
            await emulator.step()
            try:
                async with asyncio.timeout(5):  # a length that was spoilt is waited for in vain
                    seen.append(await heard(one))
            except (websockets.ConnectionClosed, ValueError, TimeoutError):
                ended += 1
            relay.heal()
    assert {event["p"] for event in seen} <= {"60000.00000000"}
    assert ended > 0


async def test_a_connection_can_be_cut_within_a_frame(relay: Relay, emulator: Emulator) -> None:
    """Half of the next piece arrives, then the end; new connections are whole."""
    async with plain(relay) as (reader, writer):
        assert b"200 OK" in await some(reader)
        relay.cut()
        writer.write(b"GET /fapi/v1/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        rest = await asyncio.wait_for(reader.read(), 60)
        assert rest.startswith(b"HTTP/1.1 200")
        assert not rest.endswith(b"{}")
    async with listening(relay.base_market_ws) as one:
        await emulator.step()
        assert (await heard(one))["s"] == "BTCUSDT"


async def test_a_stream_can_end_with_a_fin_or_a_reset(relay: Relay) -> None:
    """No closing frame comes: a client that waits learns of an abnormal end, code 1006."""
    for end in (relay.finish, relay.reset):
        async with listening(relay.base_market_ws) as one:
            end()
            with pytest.raises(websockets.ConnectionClosedError) as caught:
                await heard(one)
            assert caught.value.rcvd is None


async def test_tls_meets_plain_text(relay: Relay) -> None:
    """A client that asks for TLS of a port without learns that this is none."""
    relay.door = Door.TEXT
    with pytest.raises(ssl.SSLError):
        async with listening(relay.base_market_ws.replace("ws:", "wss:")):
            pass


async def test_a_bad_certificate_is_refused(
    emulator: Emulator, clock: ManualClock, session: aiohttp.ClientSession
) -> None:
    """Nobody who verifies connects; who does not, reaches the emulator, and the certificate has expired."""
    relay = Relay(emulator.port, clock, tls=bad_tls())
    await relay.start()
    try:
        with pytest.raises(ssl.SSLCertVerificationError):
            async with listening(relay.base_market_ws):
                pass
        async with session.get(f"{relay.base_http}/fapi/v1/ping", ssl=False) as response:
            assert await response.json() == {}
        text = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", relay.port))
        trusting = ssl.create_default_context(cadata=text)
        trusting.check_hostname = False
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            await asyncio.open_connection("127.0.0.1", relay.port, ssl=trusting)
    finally:
        await relay.stop()


async def test_nothing_is_left_after_stop(emulator: Emulator, clock: ManualClock) -> None:
    """Whatever its connections wait for, stop ends them all: no task, no socket, no open port; twice is fine."""
    before = asyncio.all_tasks()
    relay = Relay(emulator.port, clock)
    await relay.start()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(plain(relay))
        relay.to_client.latency_s = 5
        await stack.enter_async_context(plain(relay))
        await until(lambda: clock.next_wake() is not None)
        relay.to_client.held = True
        await stack.enter_async_context(plain(relay))
        relay.strand()
        relay.door = Door.MUTE
        await stack.enter_async_context(plain(relay))
        await until(lambda: relay.open == 4)
        await relay.stop()
        assert (relay.open, len(relay._tasks)) == (0, 0)
        await until(lambda: asyncio.all_tasks() <= before)  # the emulator's handlers see the end a moment later
        await relay.stop()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", relay.port)
    await settle()
    relay.door = Door.REFUSE
    await relay.start()
    await relay.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", relay.port))


async def test_an_emulator_that_is_gone_ends_a_connection(start: Start, clock: ManualClock) -> None:
    """The client of a relay without anything behind it sees its connection end, and nothing is logged."""
    emulator = await start()
    relay = Relay(emulator.port, clock)
    await relay.start()
    await emulator.stop()
    async with plain(relay) as (reader, _):
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 60)
    await relay.stop()


async def test_two_clients_are_told_apart_by_what_they_asked(relay: Relay, emulator: Emulator) -> None:
    """Connections do not mix."""
    async with listening(relay.base_market_ws, BTC) as one, listening(relay.base_market_ws, "!nothing") as other:
        await emulator.step()
        assert [row["s"] for row in await all_heard(one)] == ["BTCUSDT"]
        assert await all_heard(other) == []
    assert relay.accepted == 2
