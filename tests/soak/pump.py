"""A stream server that sends a second of marks in one write: fast enough for a day in minutes."""

import json
import struct
from http import HTTPStatus
from typing import Final, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from tests.soak.market import Prices

_TEXT: Final = 0x81  # a whole text frame
_SHORT, _MEDIUM = 125, 126


class Pump:
    """The market streams of an exchange on loopback.

    Attributes:
        refusing: handshakes are refused with 503.
        frames: sent on a connection in all seconds.
    """

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._server: Server | None = None
        self._ready: dict[ServerConnection, set[str]] = {}
        self.refusing = False
        self.frames = 0
        self.cut = 0

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._handle, "127.0.0.1", 0, process_request=self._process, compression=None, close_timeout=1.0,
            ping_interval=None,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def base(self) -> str:
        """The address with its route."""
        assert self._server is not None
        return f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}/market"

    @property
    def connections(self) -> int:
        """How many have asked for marks."""
        return sum(one.state is State.OPEN for one in self._ready)

    def push(self, time_s: float, wall_ms: int) -> int:
        """Send the marks of a moment to everybody who asked for them, each symbol in a frame of its own.

        Returns:
            How many frames that were.
        """
        if not self._ready:
            return 0
        before = self.frames
        frames = [
            _frame(_row(name, mark, wall_ms))
            for name, mark in zip(self._prices.names, self._prices.at(time_s), strict=True)
        ]
        blob = b"".join(frames)
        for connection, streams in self._ready.items():
            if connection.state is not State.OPEN:
                continue  # its closing handshake is under way
            whole = len(streams) >= len(frames)
            part = blob if whole else b"".join(one for one, name in zip(frames, self._prices.names, strict=True)
                                               if f"{name.lower()}@markPrice@1s" in streams)  # fmt: skip
            connection.transport.write(part)
            self.frames += len(frames) if whole else len(streams)
        return self.frames - before

    def abort(self) -> None:
        """Cut every connection without a closing handshake."""
        self.cut += bool(self._ready)
        for connection in list(self._ready):
            connection.transport.abort()

    def _process(self, connection: ServerConnection, _request: Request) -> Response | None:
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no\n") if self.refusing else None

    async def _handle(self, connection: ServerConnection) -> None:
        streams: set[str] = set()
        try:
            async for message in connection:
                asked = json.loads(message)
                (streams.update if asked["method"] == "SUBSCRIBE" else streams.difference_update)(asked["params"])
                streams &= {f"{name.lower()}@markPrice@1s" for name in self._prices.names}
                await connection.send(json.dumps({"result": None, "id": asked["id"]}))
                if streams:
                    self._ready[connection] = streams
        except ConnectionClosed:
            pass
        finally:
            self._ready.pop(connection, None)


def _row(name: str, mark: float, wall_ms: int) -> bytes:
    price = f"{mark:.8f}"
    return (
        f'{{"e":"markPriceUpdate","E":{wall_ms},"s":"{name}","p":"{price}","ap":"{price}","P":"{price}",'
        f'"i":"{price}","r":"0.00010000","T":1789488000000,"st":1}}'
    ).encode()


def _frame(payload: bytes) -> bytes:
    if len(payload) <= _SHORT:
        return bytes((_TEXT, len(payload))) + payload
    return struct.pack("!BBH", _TEXT, _MEDIUM, len(payload)) + payload
