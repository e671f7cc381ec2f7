"""A TCP relay on the loopback interface, for the faults that happen below HTTP.

It stands between a client and the emulator on a port of its own. :attr:`Relay.door` says what becomes of new
connections, :attr:`Relay.to_client` and :attr:`Relay.to_server` what becomes of the bytes of all, and a few
methods end or spoil the connections that are open now. Switches are plain attributes; :meth:`Relay.apply` makes a
change of the door take effect. Every task it causes has ended when :meth:`Relay.stop` returns.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from ssl import SSLContext
from typing import cast

from monitor.emulator.clock import Clock
from monitor.emulator.ways import Door, Way

__all__ = ("Door", "Relay", "Way")

_HOST = "127.0.0.1"  # as the emulator: nobody else's business
_CHUNK = 16_384
_SLICES_PER_S = 10
_BACKLOG = 100
_HANDSHAKE_S = 2.0  # of real time
_MOST_LINKS = 1_000
_TEXT = b"SSH-2.0-OpenSSH_9.6\r\n"
_TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"  # fatal, protocol version: how a TLS server answers plain text
_LINGER_NOT = struct.pack("ii", 1, 0)  # closing sends a reset


@dataclass(slots=True, eq=False)
class _Link:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    dead: bool = False  # bytes and ends vanish in both directions, for ever
    cut: bool = False  # the next piece to the client is its last, and not whole

    def abort(self) -> None:
        for writer in (self.client, self.server):
            if writer is not None:
                writer.transport.abort()

    async def end(self) -> None:
        """Close both sockets and return when they are closed."""
        self.abort()
        for writer in (self.client, self.server):
            if writer is not None:
                with suppress(OSError):
                    await writer.wait_closed()


class Relay:
    """One port in front of another.

    Attributes:
        door: what becomes of new connections; takes effect with :meth:`apply`.
        to_client: what becomes of bytes from the emulator.
        to_server: what becomes of bytes from the client.
        accepted: how many connections it accepted.
    """

    def __init__(self, target_port: int, clock: Clock, *, seed: int = 0, tls: SSLContext | None = None) -> None:
        """Describe a relay.

        Args:
            target_port: port of the emulator, or of another relay, on the loopback interface.
            clock: what drips and latencies are counted with.
            seed: what corruption and garbage are drawn with.
            tls: speak TLS to clients, with the certificate of this context; the emulator is always asked plainly.
        """
        self.door = Door.PASS
        self.to_client = Way()
        self.to_server = Way()
        self.accepted = 0
        self._target = target_port
        self._clock = clock
        self._random = Random(seed)
        self._tls = tls
        self._port = 0
        self._server: asyncio.Server | None = None
        self._reserved: socket.socket | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = True

    @property
    def port(self) -> int:
        """Return the port it listens on, the same through every change of the door; only after :meth:`start`."""
        return self._port

    @property
    def open(self) -> int:
        """Return how many connections are open."""
        return len(self._links)

    @property
    def base_http(self) -> str:
        """Return the REST base through this relay."""
        return f"http{self._s}://{_HOST}:{self._port}"

    @property
    def base_market_ws(self) -> str:
        """Return the base of the market streams through this relay."""
        return f"ws{self._s}://{_HOST}:{self._port}/market"

    @property
    def base_private_ws(self) -> str:
        """Return the base of the private streams through this relay."""
        return f"ws{self._s}://{_HOST}:{self._port}/private"

    @property
    def _s(self) -> str:
        return "" if self._tls is None else "s"

    async def start(self) -> None:
        """Take a free port and listen, if the door is not closed.

        Raises:
            OSError: there is no free port.
        """
        self._stopped = False
        await self.apply()

    async def stop(self) -> None:
        """End every connection and close the port; calling it twice is fine."""
        self._stopped = True
        await self.apply()
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._release()

    async def apply(self) -> None:
        """Open or close the port as the door says.

        Raises:
            OSError: the port was taken by somebody else in the moment of opening it again.
        """
        listening = not self._stopped and self.door is not Door.REFUSE
        if listening and self._server is None:
            listener = self._bound()
            listener.listen(_BACKLOG)
            self._release()
            self._server = await asyncio.start_server(
                self._serve,
                sock=listener,
                ssl=self._tls,
                ssl_handshake_timeout=_HANDSHAKE_S if self._tls else None,
            )
        elif not listening and self._server is not None:
            self._server.close()
            self._server = None
        if not listening and not self._stopped and self._reserved is None:
            # Bound but not listening: connections are refused, and nobody else is given the port meanwhile.
            self._reserved = self._bound()

    def heal(self) -> None:
        """Let everything pass from now on; takes full effect with :meth:`apply`. Dead connections stay dead."""
        self.door = Door.PASS
        self.to_client.heal()
        self.to_server.heal()

    def strand(self) -> None:
        """Make the open connections half-open: nothing arrives any more on either side, neither bytes nor an end.

        That lasts: the network forgot these connections, and only giving up on them helps.
        """
        for one in self._links:
            one.dead = True

    def finish(self) -> None:
        """End the open connections with a FIN, without a closing frame of the websocket."""
        for one in self._links:
            one.client.close()

    def reset(self) -> None:
        """End the open connections with a reset."""
        for one in self._links:
            _reset(one.client)

    def cut(self) -> None:
        """End the open connections in the middle of what they carry next to the client."""
        for one in self._links:
            one.cut = True

    def _bound(self) -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.setblocking(False)
            one.bind((_HOST, self._port))
        except OSError:
            one.close()
            raise
        self._port = int(one.getsockname()[1])
        return one

    def _release(self) -> None:
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        self.accepted += 1
        link = _Link(writer)
        task = cast("asyncio.Task[None]", asyncio.current_task())
        if self._stopped or len(self._links) >= _MOST_LINKS:
            link.abort()
            return
        self._links.add(link)
        self._tasks.add(task)
        try:
            if self.door is Door.PASS:
                await self._carry(link, reader)
            else:
                await self._turn_away(link, reader)
        except OSError:
            pass  # either side is gone, or the emulator is stopped: the other side sees its connection end
        except asyncio.CancelledError:
            pass  # only stop() cancels; asyncio would log a cancelled handler as a failure
        finally:
            await link.end()
            self._links.discard(link)
            self._tasks.discard(task)

    async def _turn_away(self, link: _Link, reader: asyncio.StreamReader) -> None:
        answers = {Door.TEXT: _TEXT, Door.TLS: _TLS_ALERT, Door.GARBAGE: self._random.randbytes(64)}
        door = self.door  # it may be another one before the client has spoken
        if door is Door.RESET:
            _reset(link.client)
        elif door in answers:
            await reader.read(_CHUNK)  # both speak second
            link.client.write(answers[door])
            await link.client.drain()
            link.client.close()
            await link.client.wait_closed()
        elif door is Door.MUTE:
            while await reader.read(_CHUNK):
                pass
        else:
            link.client.close()
            await link.client.wait_closed()

    async def _carry(self, link: _Link, reader: asyncio.StreamReader) -> None:
        back, link.server = await asyncio.open_connection(_HOST, self._target)
        async with asyncio.TaskGroup() as group:
            up = group.create_task(self._pump(link, reader, link.server, self.to_server))
            down = group.create_task(self._pump(link, back, link.client, self.to_client))
            # The first to end ends the other, even in the middle of a wait.
            up.add_done_callback(_cancelling(down))
            down.add_done_callback(_cancelling(up))

    async def _pump(self, link: _Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Way) -> None:
        down = sink is link.client
        try:
            while data := await source.read(_CHUNK):
                if down and link.cut and not link.dead:
                    sink.write(data[: len(data) // 2])
                    break
                await self._pass_on(link, data, sink, way)
            if down and link.dead:
                await asyncio.Event().wait()  # the server's end is lost too; the client's own end cancels this
            if down:
                sink.close()
                await sink.wait_closed()
        except OSError:
            pass  # reading from or writing to somebody who is gone

    async def _pass_on(self, link: _Link, data: bytes, sink: asyncio.StreamWriter, way: Way) -> None:
        if way.corrupt_share and self._random.random() < way.corrupt_share:
            at = self._random.randrange(len(data))
            # All bits: a changed digit must not become another digit, which TLS would never let through.
            data = data[:at] + bytes((data[at] ^ 0xFF,)) + data[at + 1 :]
        if way.latency_s:
            await self._clock.sleep(way.latency_s)
        while data:
            await way.flowing()
            if link.dead:
                return
            size = max(1, round(way.bytes_per_s / _SLICES_PER_S)) if way.bytes_per_s else len(data)
            part, data = data[:size], data[size:]
            sink.write(part)
            await sink.drain()
            if way.bytes_per_s:
                await self._clock.sleep(len(part) / way.bytes_per_s)


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() != -1:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()


def _cancelling(other: asyncio.Task[None]) -> Callable[[asyncio.Task[None]], None]:
    def cancel(_: asyncio.Task[None]) -> None:
        other.cancel()

    return cancel
