"""One connection: let in if there is room, cut if it is slow, and never a word of what went wrong inside.

aiohttp's server limits neither how many connections there are nor how long one may take to send a request's head
or to read the answer. Here each has a life of fixed length and answers one request.
"""

import asyncio
import functools
from collections import Counter
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from monitor.web.answers import error, raw_error
from monitor.web.failures import Failures
from monitor.web.guard import Why
from monitor.web.limits import Limits, Tally

_NONE: Any = None  # no access log; aiohttp takes it, its types do not
_FULL: Final = raw_error(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
_SLOW: Final = raw_error(HTTPStatus.REQUEST_TIMEOUT, "the request took too long to arrive")
_LARGE: Final = raw_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large")


class Door:
    """Who is in: a bounded number, in all and from one address.

    Where there is no room, whoever waits longest without having sent its request makes some: a handful of idle
    connections must not hide from anybody how the service is.
    """

    def __init__(self, limits: Limits, tally: Tally, failures: Failures) -> None:
        self.limits = limits
        self.tally = tally
        self.failures = failures
        self.leaving = 0  # that were refused, and are waited for to read why
        self._inside: Counter[str] = Counter()
        self._silent: dict[Connection, str] = {}  # without a whole request, the oldest first: their address

    def enter(self, one: "Connection", peer: str) -> bool:
        """Count one more from this address in; return False where there is no room for it."""
        if self._inside[peer] >= self.limits.from_one:
            oldest = next((it for it, its_peer in self._silent.items() if its_peer == peer), None)
        elif self.tally.connections >= self.limits.connections:
            oldest = next(iter(self._silent), None)
        else:
            self._take(one, peer)
            return True
        if oldest is None:
            self.tally.refused[Why.FULL] += 1
            return False
        oldest.give_up()
        self._take(one, peer)
        return True

    def _take(self, one: "Connection", peer: str) -> None:
        self._inside[peer] += 1
        self.tally.connections += 1
        self._silent[one] = peer

    def spoke(self, one: "Connection") -> None:
        """Note that one said all it wants."""
        self._silent.pop(one, None)

    def leave(self, one: "Connection", peer: str) -> None:
        """Count one out."""
        self._silent.pop(one, None)
        self.tally.connections -= 1
        self._inside[peer] -= 1
        if not self._inside[peer]:
            del self._inside[peer]


class Connection(web.RequestHandler):
    """aiohttp's protocol of one connection, with limits; made for each that is accepted."""

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop, door: Door) -> None:
        limits = door.limits
        super().__init__(
            server, loop=loop, access_log=_NONE, debug=False, lingering_time=limits.linger_s,
            auto_decompress=False, keepalive_timeout=limits.life_s, max_line_size=limits.line_bytes,
            max_field_size=limits.line_bytes,
        )  # fmt: skip
        self._door = door
        self._line: asyncio.Transport | None = None  # until it is lost, also while it closes
        self._peer: str | None = None  # None: it was not let in
        self._timers: list[asyncio.TimerHandle] = []
        self._seen_bytes = 0
        self._has_head = False
        self._was_cut = False
        self._is_leaving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or say that there is no room."""
        if not isinstance(transport, asyncio.Transport):
            transport.close()
            return
        peer = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._door.enter(self, peer):
            self._send_away(transport)
            return
        self._peer, self._line = peer, transport
        loop, limits = asyncio.get_running_loop(), self._door.limits
        self._timers = [
            loop.call_later(limits.head_s, functools.partial(self._cut_head, _SLOW, Why.SLOW)),
            loop.call_later(limits.life_s, self._cut),
        ]
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count it out."""
        for timer in self._timers:
            timer.cancel()
        if self._is_leaving:
            self._door.leaving -= 1
        if self._line is None:
            return
        self._leave()
        self._line = None
        super().connection_lost(exc)

    def give_up(self) -> None:
        """Make room for another one."""
        self._cut_head(_FULL, Why.FULL)
        self._leave()

    def _leave(self) -> None:
        if self._peer is not None:
            self._door.leave(self, self._peer)
            self._peer = None

    def _send_away(self, transport: asyncio.Transport) -> None:
        """Say that there is no room. Closed with its request unread, a connection is reset and the answer lost."""
        transport.write(_FULL)
        if self._door.leaving >= self._door.limits.connections:
            transport.close()
            return
        self._is_leaving = True
        self._door.leaving += 1
        transport.write_eof()
        loop = asyncio.get_running_loop()
        self._timers = [loop.call_later(self._door.limits.linger_s, transport.abort)]

    def data_received(self, data: bytes) -> None:
        """Take bytes, as long as they may still become a head."""
        if self._peer is None:
            return
        if not self._has_head:
            limits = self._door.limits
            # A body may come with its head, before anybody could look at that.
            if self._seen_bytes > limits.head_bytes + limits.body_bytes:
                self._cut_head(_LARGE, Why.TOO_LARGE)
                return
            self._seen_bytes += len(data)
        super().data_received(data)

    def head_is_here(self) -> None:
        """Note that a request was understood; what follows has limits of its own."""
        self._has_head = True
        self._timers[0].cancel()

    def request_is_here(self) -> None:
        """Note that all of it came, or enough to be answered."""
        self._door.spoke(self)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's words, which quote the request
    ) -> web.StreamResponse:  # fmt: skip
        """Return the answer to what is no request, or to one that failed where nothing of ours could see it."""
        self.head_is_here()
        self.request_is_here()
        if self._was_cut or request.writer.output_size > 0:
            raise ConnectionResetError  # an answer went out, and cannot become another one
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._door.tally.refused[Why.MALFORMED] += 1
            return error(status, "this is no HTTP request that can be read")
        self._door.tally.refused[Why.FAILED] += 1
        self.log_exception(exc_info=exc)
        return error(status, "this failed; the log says more")

    def log_exception(self, *_args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as in aiohttp
        """Log where something failed; the texts of libraries' errors quote what came from outside."""
        failed = kwargs.get("exc_info")
        if isinstance(failed, BaseException):
            self._door.failures.tell(failed)

    def _cut_head(self, answer: bytes, why: Why) -> None:
        if self._line is None or self._line.is_closing():
            return
        self._count_cut(why)
        self._was_cut = True
        self._line.write(answer)
        self.force_close()

    def _cut(self) -> None:
        if self._line is not None:
            self._count_cut(Why.SLOW)
            self._line.abort()

    def _count_cut(self, why: Why) -> None:
        self._door.tally.refused[why] += 1
        self._door.tally.slow += why is Why.SLOW
