"""One websocket connection, with every way it can fail turned into a FeedError with a constant reason."""

import socket
import ssl
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidStatus,
    ProxyError,
    WebSocketException,
)

from monitor.binance.backoff import BANNED, RATE_LIMITED, penalty_s
from monitor.binance.endpoints import host_of
from monitor.errors import FeedError

CLOSED: Final = "closed"
TOO_BIG: Final = "too_big"
PING_TIMEOUT: Final = "ping_timeout"
DNS_FAILED: Final = "dns_failed"
CONNECTION_REFUSED: Final = "connection_refused"
UNREACHABLE: Final = "unreachable"
TLS_FAILED: Final = "tls_failed"
OPEN_TIMEOUT: Final = "open_timeout"
FORBIDDEN: Final = "http_403"
HTTP_BANNED: Final = "http_418"
HTTP_RATE_LIMITED: Final = "http_429"
HTTP_OTHER: Final = "http_other"
BAD_HANDSHAKE: Final = "bad_handshake"
PROXY_FAILED: Final = "proxy_failed"
BAD_ADDRESS: Final = "bad_address"

# The largest frame expected is the all-market array, about 150 KB. This leaves room for 25 times as many contracts
# and bounds what a broken or hostile peer can make us hold; above it the connection drops with code 1009.
MAX_FRAME_BYTES = 4 * 2**20

# Frames are taken as they come, so a queue forms only within one burst; 16 frames of the largest size bound it.
MAX_QUEUED_FRAMES = 16

_MESSAGE_TOO_BIG = 1009
_INTERNAL_ERROR = 1011
_STATUS_REASONS = {403: FORBIDDEN, BANNED: HTTP_BANNED, RATE_LIMITED: HTTP_RATE_LIMITED}


class ConnectSettings(msgspec.Struct, frozen=True):
    """Time limits of one connection, in seconds."""

    open_timeout_s: float = 10.0
    ping_interval_s: float = 20.0
    ping_timeout_s: float = 20.0
    close_timeout_s: float = 1.0


class RejectedError(FeedError):
    """The host answered the handshake with an HTTP status; ``penalty_s`` is how long it asks us to stay away."""

    def __init__(self, host: str, reason: str, detail: str, penalty_s: float) -> None:
        super().__init__(host, reason, detail)
        self.penalty_s = penalty_s


async def open_stream(url: str, settings: ConnectSettings, wall_ms: int) -> ClientConnection:
    """Return an open connection; the caller closes it.

    One attempt, because the library's own retry gives up on 403, 418 and 429 and hurries after a peer that accepts
    and closes. No compression: at 150 KB a second and less it saves traffic nobody misses, and its processor time
    would lie between a frame's arrival and its alert.

    Args:
        url: with ``ws`` or ``wss``.
        settings: time limits.
        wall_ms: our clock, to read a Retry-After date by.

    Raises:
        FeedError: it did not open; RejectedError if the host answered with an HTTP status.
    """
    try:
        return await connect(
            url,
            compression=None,
            open_timeout=settings.open_timeout_s,
            ping_interval=settings.ping_interval_s,
            ping_timeout=settings.ping_timeout_s,
            close_timeout=settings.close_timeout_s,
            max_size=MAX_FRAME_BYTES,
            max_queue=MAX_QUEUED_FRAMES,
        )
    except InvalidStatus as error:
        host, status = host_of(url), error.response.status_code
        reason = _STATUS_REASONS.get(status, HTTP_OTHER)
        pause_s = penalty_s(status, error.response.headers.get("Retry-After"), wall_ms)
        raise RejectedError(host, reason, f"HTTP {status}", pause_s) from error
    except OSError as error:
        raise FeedError(host_of(url), _open_reason(error), type(error).__name__) from error
    except (WebSocketException, ImportError, ValueError) as error:
        # Not chained: the texts of these may quote an address with its password.
        raise FeedError(host_of(url), _open_reason(error), type(error).__name__) from None


def _open_reason(error: Exception) -> str:
    # The first that fits: most of these are kinds of OSError or of InvalidHandshake themselves. A SOCKS proxy
    # without its optional package is an ImportError; a host name that cannot be encoded is a ValueError.
    kinds: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        (TimeoutError, OPEN_TIMEOUT),
        (socket.gaierror, DNS_FAILED),
        (ConnectionRefusedError, CONNECTION_REFUSED),
        (ssl.SSLError, TLS_FAILED),
        ((ProxyError, InvalidProxy, ImportError), PROXY_FAILED),
        (InvalidHandshake, BAD_HANDSHAKE),
        (OSError, UNREACHABLE),
    )
    return next((reason for kind, reason in kinds if isinstance(error, kind)), BAD_ADDRESS)


async def receive(connection: ClientConnection, host: str) -> bytes:
    """Return the next frame's bytes.

    Raises:
        FeedError: the connection ended.
    """
    try:
        return await connection.recv(decode=False)
    except ConnectionClosed as error:
        raise _ended(error, host) from error


async def send(connection: ClientConnection, text: str, host: str) -> None:
    """Send one text frame.

    Raises:
        FeedError: the connection ended.
    """
    try:
        await connection.send(text)
    except ConnectionClosed as error:
        raise _ended(error, host) from error


def _ended(error: ConnectionClosed, host: str) -> FeedError:
    ours = error.sent.code if error.sent is not None and not error.rcvd_then_sent else None
    if ours == _MESSAGE_TOO_BIG:
        return FeedError(host, TOO_BIG, f"more than {MAX_FRAME_BYTES} bytes")
    if ours == _INTERNAL_ERROR:
        return FeedError(host, PING_TIMEOUT)
    theirs = error.rcvd.code if error.rcvd is not None else None
    return FeedError(host, CLOSED, f"code {theirs}" if theirs is not None else "without a closing handshake")
