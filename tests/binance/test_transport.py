import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from typing import NoReturn

import pytest
from websockets.utils import accept_key

from monitor.binance import transport
from monitor.binance.transport import ConnectSettings, RejectedError, open_stream, receive, send
from monitor.errors import FeedError
from tests.binance.stand_in import StandIn, until
from tests.ports import free_port

SETTINGS = ConnectSettings(open_timeout_s=5.0, close_timeout_s=1.0)
WALL_MS = 1_780_000_000_000


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with StandIn() as stand_in:
        yield stand_in


async def failure(url: str, settings: ConnectSettings = SETTINGS) -> FeedError:
    with pytest.raises(FeedError) as caught:
        await open_stream(url, settings, WALL_MS)
    return caught.value


async def test_frames_pass_both_ways(server: StandIn) -> None:
    """Text goes out, bytes come in, and closing is the caller's."""
    connection = await open_stream(f"{server.base}/ws", SETTINGS, WALL_MS)
    await send(connection, '{"method":"SUBSCRIBE","params":["a"],"id":1}', "h")
    assert await receive(connection, "h") == b'{"result": null, "id": 1}'
    await connection.close()
    assert server.sessions[0].path == "/market/ws"


@pytest.mark.parametrize(
    ("status", "headers", "reason", "penalty_s"),
    [
        (403, {}, "http_403", 0.0),
        (418, {}, "http_418", 120.0),
        (429, {"Retry-After": "77"}, "http_429", 77.0),
        (503, {"Retry-After": "3"}, "http_other", 3.0),
    ],
)
async def test_a_rejected_handshake_names_its_status(
    server: StandIn, status: int, headers: dict[str, str], reason: str, penalty_s: float
) -> None:
    """A refusal over HTTP carries the status and how long to stay away."""
    server.reject = (status, headers)
    error = await failure(server.base)
    assert isinstance(error, RejectedError)
    assert (error.reason, error.detail, error.penalty_s) == (reason, f"HTTP {status}", penalty_s)
    assert error.retryable


async def test_nobody_listens() -> None:
    """A closed port is a refusal, told apart from an unknown name."""
    port = free_port()
    error = await failure(f"ws://127.0.0.1:{port}/market/ws")
    assert (error.host, error.reason) == (f"127.0.0.1:{port}", "connection_refused")


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (socket.gaierror(-2, "Name or service not known"), "dns_failed"),
        (OSError(113, "No route to host"), "unreachable"),
        (ssl.SSLCertVerificationError("self-signed"), "tls_failed"),
        (ImportError("python-socks"), "proxy_failed"),
        (UnicodeError("label too long"), "bad_address"),
    ],
)
async def test_what_the_system_reports_is_translated(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, reason: str
) -> None:
    """Whatever connecting can raise becomes a constant reason, with the kind of error as its detail."""

    async def create_connection(*_: object, **__: object) -> NoReturn:
        raise raised

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", create_connection)
    error = await failure("ws://stream.example/market/ws")
    assert (error.host, error.reason, error.detail) == ("stream.example", reason, type(raised).__name__)


async def test_a_server_that_never_answers_times_out() -> None:
    """An accepted connection without a handshake is given up after the open timeout."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/market/ws"
    assert (await failure(url, ConnectSettings(open_timeout_s=0.05))).reason == "open_timeout"
    await until(lambda: bool(writers))
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(("scheme", "reason"), [("ws", "bad_handshake"), ("wss", "tls_failed")])
async def test_something_else_than_a_stream_is_named(scheme: str, reason: str) -> None:
    """A server that speaks neither HTTP nor TLS is told apart from one that rejects."""

    async def nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    error = await failure(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/market/ws")
    assert error.reason == reason
    server.close()
    await server.wait_closed()


async def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment with a broken address is the proxy's fault, and its password stays out."""
    monkeypatch.setenv("http_proxy", "foo://user:word@127.0.0.1:1")
    error = await failure("ws://stream.example/market/ws")
    assert error.reason == "proxy_failed"
    assert error.__cause__ is None
    assert "word" not in str(error)


async def test_an_address_of_another_kind_is_named() -> None:
    """What is no websocket address is a bad address."""
    assert (await failure("http://stream.example/market/ws")).reason == "bad_address"


async def test_a_frame_above_the_limit_ends_the_connection(
    server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame larger than any believable one is not read; the peer hears code 1009."""
    monkeypatch.setattr(transport, "MAX_FRAME_BYTES", 1000)
    connection = await open_stream(server.base, SETTINGS, WALL_MS)
    await until(lambda: bool(server.sessions))
    await server.sessions[0].send(b"x" * 1001)
    with pytest.raises(FeedError) as caught:
        await receive(connection, "h")
    assert (caught.value.host, caught.value.reason) == ("h", "too_big")
    await until(lambda: server.sessions[0].closed)
    assert server.sessions[0].connection.close_code == 1009
    with pytest.raises(FeedError):
        await send(connection, "{}", "h")


async def test_a_close_by_the_peer_tells_its_code(server: StandIn) -> None:
    """A closing handshake, and a connection that merely breaks, are both a close; the detail tells them apart."""
    for code, detail in ((1001, "code 1001"), (None, "without a closing handshake")):
        connection = await open_stream(server.base, SETTINGS, WALL_MS)
        await until(lambda: bool(server.sessions))
        session = server.sessions.pop()
        if code is None:
            session.connection.transport.abort()
        else:
            await session.connection.close(code)
        with pytest.raises(FeedError) as caught:
            await receive(connection, "h")
        assert (caught.value.reason, caught.value.detail) == ("closed", detail)


async def test_a_peer_that_stops_answering_pings_is_named() -> None:
    """A host that completes the handshake and then hangs is found by pings alone."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        key = (await reader.readuntil(b"\r\n\r\n")).split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
        accept = accept_key(key.decode())
        head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(f"{head}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/market/ws"
    hasty = ConnectSettings(ping_interval_s=0.02, ping_timeout_s=0.02, close_timeout_s=0.02)
    connection = await open_stream(url, hasty, WALL_MS)
    with pytest.raises(FeedError) as caught:
        await receive(connection, "h")
    assert caught.value.reason == "ping_timeout"
    await connection.close()
    server.close()
    await server.wait_closed()
