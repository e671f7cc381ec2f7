"""More connections than there may be: who gets in, who has to go, and that everybody hears why."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from structlog.testing import capture_logs

from monitor.system_clock import SystemClock
from monitor.web.context import Context, Route
from monitor.web.failures import MOST_A_MINUTE
from monitor.web.limits import LIMITS
from tests.conftest import ManualClock
from tests.web.serving import LOCAL, TOKEN, Served, parsed, serving, until
from tests.web.test_security_limits import connected, count, end_of, hanging
from tests.web.test_security_requests import is_sealed

ELSEWHERE = "127.0.0.2"


@asynccontextmanager
async def asking(served: Served) -> AsyncIterator[asyncio.StreamWriter]:
    """A connection whose request is never answered."""
    async with connected(served) as (_, writer):
        before = served.server._tally.requests
        head = f"GET /hang HTTP/1.1\r\nHost: {served.host}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        writer.write(head.encode())
        await until(lambda: served.server._tally.requests > before)
        yield writer


async def status_elsewhere(served: Served) -> int:
    """What somebody at another address is answered."""
    reader, writer = await asyncio.open_connection(LOCAL, served.port, local_addr=(ELSEWHERE, 0))
    writer.write(f"GET /healthz HTTP/1.1\r\nHost: {served.host}\r\n\r\n".encode())
    answer = parsed(await end_of(reader))
    writer.close()
    return answer.status


async def test_a_full_house_says_so_at_once_and_is_counted() -> None:
    """Nobody waits outside without a word, and whoever leaves makes room."""
    async with serving(limits=LIMITS._replace(connections=3, from_one=9), extra=hanging) as served:
        async with asking(served), asking(served), asking(served) as last:
            answer = await served.ask("/healthz")
            assert answer.status == 503
            assert is_sealed(answer)
            assert served.refused() == {"full": 1}
            last.close()
            await until(lambda: count(served) == 2)
            assert (await served.ask("/healthz")).status == 200
        await until(lambda: count(served) == 0)
        assert (await served.ask("/healthz")).status == 200


async def test_one_address_cannot_take_every_place() -> None:
    """The owner elsewhere still gets in."""
    limits = LIMITS._replace(connections=4, from_one=2)
    async with serving(limits=limits, extra=hanging) as served, asking(served), asking(served):
        assert (await served.ask("/healthz")).status == 503
        assert await status_elsewhere(served) == 200


async def test_who_says_nothing_makes_room() -> None:
    """Idle connections cost whoever opens them nothing: they keep nobody out, and the oldest goes first."""
    async with serving(limits=LIMITS._replace(connections=3, from_one=3), extra=hanging) as served:
        async with connected(served) as (first, _), connected(served) as (second, writer), asking(served):
            for path in ("/healthz", "/livez"):
                assert (await served.ask(path)).status == 200
            cut = parsed(await end_of(first))
            assert cut.status == 503
            assert is_sealed(cut)
            # One cut was enough for both: whoever was answered has left again.
            writer.write(f"GET /livez HTTP/1.1\r\nHost: {served.host}\r\n\r\n".encode())
            assert parsed(await end_of(second)).status == 200
        assert served.refused() == {"full": 1}
        await until(lambda: count(served) == 0)
        assert (await served.ask("/healthz")).status == 200


async def test_the_whole_house_full_of_silence_keeps_nobody_out() -> None:
    """From however many addresses; and one address makes room among its own."""
    limits = LIMITS._replace(connections=4, from_one=3)
    async with serving(limits=limits) as served, contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(connected(served))
        other, its_end = await asyncio.open_connection(LOCAL, served.port, local_addr=(ELSEWHERE, 0))
        await until(lambda: count(served) == 4)
        for _ in range(3):
            assert (await served.ask("/livez")).status == 200
            await until(lambda: count(served) <= 3)
        assert not other.at_eof()
        assert await status_elsewhere(served) == 200
        its_end.close()


async def test_who_never_sends_the_rest_makes_room_too() -> None:
    """A head that announces a body costs no more than silence; a request that is whole is answered first."""
    limits = LIMITS._replace(connections=2, from_one=2)
    async with serving(TOKEN, limits=limits, extra=hanging) as served, connected(served) as (reader, writer):
        head = f"POST /login HTTP/1.1\r\nHost: {served.host}\r\nOrigin: http://{served.host}\r\n"
        kind = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\nt"
        writer.write(f"{head}{kind}".encode())
        await until(lambda: served.server._tally.requests == 1)
        async with asking(served):
            with capture_logs() as logs:
                assert (await served.ask("/static/login.css")).status == 200
                assert parsed(await end_of(reader)).status == 503
                await until(lambda: count(served) == 1)
            assert logs == []


async def test_what_was_sent_unread_does_not_take_the_answer_along() -> None:
    """A connection that is closed with bytes unread is reset, and what it was told with it."""
    limits = LIMITS._replace(connections=1)
    async with serving(limits=limits, extra=hanging) as served, asking(served):
        reader, writer = await asyncio.open_connection(LOCAL, served.port)
        assert await reader.readuntil(b"\r\n") == b"HTTP/1.1 503 Service Unavailable\r\n"
        for _ in range(2):
            writer.write(b"x" * LIMITS.body_bytes)
            await writer.drain()
        assert b"too many connections" in await reader.read()  # raises where it was reset
        writer.close()
        assert served.refused() == {"full": 1}


async def test_who_was_sent_away_and_stays_is_cut() -> None:
    """It was told, and waits for nothing."""
    limits = LIMITS._replace(connections=1, linger_s=0.1)
    async with serving(limits=limits, extra=hanging) as served, asking(served):
        for _ in range(3):
            reader, writer = await asyncio.open_connection(LOCAL, served.port)
            assert b"too many connections" in await end_of(reader)
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await SystemClock().sleep(0.005)
            writer.close()


async def test_a_request_that_always_fails_fills_no_log() -> None:
    """A few lines a minute say as much; how often it happened is counted."""

    def failing(_context: Context) -> Sequence[Route]:
        async def fail(_request: web.Request) -> web.Response:
            raise ValueError("tell-nobody")

        return (Route("GET", "/fail", fail),)

    clock = ManualClock()
    async with serving(clock=clock, extra=failing) as served:
        with capture_logs() as logs:
            for _ in range(MOST_A_MINUTE + 5):
                assert (await served.ask("/fail")).status == 500
            assert [line["event"] for line in logs] == ["web.failed"] * MOST_A_MINUTE
            await clock.advance(60.0)
            assert (await served.ask("/fail")).status == 500
        assert len(logs) == MOST_A_MINUTE + 1
        assert served.refused() == {"failed": MOST_A_MINUTE + 6}
