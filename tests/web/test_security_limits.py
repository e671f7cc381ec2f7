"""What one who asks may take: connections, bytes and seconds; and that what fails inside stays there."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from monitor.system_clock import SystemClock
from monitor.web.context import SNAPSHOT_S, Context, Route
from monitor.web.limits import LIMITS, Limits
from monitor.web.reading import MOST_READS
from tests.conftest import ManualClock
from tests.web.serving import LOCAL, PATIENCE_S, TOKEN, Served, changing, everything, parsed, serving, until
from tests.web.test_security_requests import is_sealed

# A limit that a test waits for is short; the others are as in life.
SHORT_S = 0.15
BEARER = f"Authorization: Bearer {TOKEN}\r\n"


@asynccontextmanager
async def connected(served: Served) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that was let in; where limits are short, it may be cut by now."""
    before, cut = count(served), slow(served)
    reader, writer = await asyncio.open_connection(LOCAL, served.port)
    try:
        await until(lambda: count(served) > before or slow(served) > cut)
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def count(served: Served) -> int:
    """Connections that are open."""
    view = served.server.view()
    assert view is not None
    return view.connections


def slow(served: Served) -> int:
    """Clients that were cut."""
    view = served.server.view()
    assert view is not None
    return view.slow


def hanging(_context: Context) -> Sequence[Route]:
    """Something that is never answered."""

    async def hang(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    return (Route("GET", "/hang", hang, in_turn=False),)


async def end_of(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        return await everything(reader)


async def test_who_never_says_anything_is_cut() -> None:
    """A connection is a place that somebody else could use."""
    async with serving(limits=LIMITS._replace(head_s=SHORT_S)) as served, connected(served) as (reader, _):
        answer = parsed(await end_of(reader))
        assert answer.status == 408
        assert is_sealed(answer)
        await until(lambda: count(served) == 0)
        assert (slow(served), served.refused()) == (1, {"slow": 1})


async def test_a_head_that_comes_drop_by_drop_is_cut() -> None:
    """However busy it looks: what counts is when the head is complete."""
    async with serving(limits=LIMITS._replace(head_s=SHORT_S)) as served, connected(served) as (reader, writer):

        async def drip() -> None:
            writer.write(f"GET /healthz HTTP/1.1\r\nHost: {served.host}\r\n".encode())
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b"X: y\r\n")
                    await writer.drain()
                    await SystemClock().sleep(SHORT_S / 10)

        async with asyncio.TaskGroup() as group:
            dripping = group.create_task(drip())
            answer = parsed(await end_of(reader))
            dripping.cancel()
        assert answer.status == 408
        assert slow(served) == 1


async def test_a_body_that_does_not_come_is_cut() -> None:
    """The head said that there is one."""
    async with serving(TOKEN, limits=LIMITS._replace(body_s=SHORT_S, linger_s=SHORT_S), extra=changing) as served:
        head = f"POST /api/change HTTP/1.1\r\nHost: {served.host}\r\n{BEARER}Content-Type: application/json\r\n"
        for framing in ("Content-Length: 10\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"):
            answer = await served.send(f"{head}{framing}".encode())
            assert answer.status == 408
            assert is_sealed(answer)
        assert (slow(served), served.refused()) == (2, {"slow": 2})


async def test_who_does_not_read_the_answer_is_cut() -> None:
    """What waits to be sent is memory of ours."""

    def large(_context: Context) -> Sequence[Route]:
        async def serve(_request: web.Request) -> web.Response:
            return web.Response(body=b"x" * 30_000_000)

        return (Route("GET", "/large", serve),)

    async with (
        serving(limits=LIMITS._replace(life_s=SHORT_S), extra=large) as served,
        connected(served) as (_, writer),
    ):
        writer.write(f"GET /large HTTP/1.1\r\nHost: {served.host}\r\n\r\n".encode())
        await until(lambda: count(served) == 0)
        assert slow(served) == 1


async def test_a_handler_that_hangs_is_given_up() -> None:
    """Whoever asked is told, and the connection is free again."""
    async with serving(limits=LIMITS._replace(handler_s=SHORT_S), extra=hanging) as served:
        answer = await served.ask("/hang")
        assert answer.status == 504
        assert is_sealed(answer)
        assert served.refused() == {"slow": 1}


async def test_few_answers_are_made_at_a_time_and_probes_never_wait() -> None:
    """However many ask for something heavy, marks come between; health is told all the same."""
    running, most, gate = 0, 0, asyncio.Event()

    def heavy(_context: Context) -> Sequence[Route]:
        async def work(_request: web.Request) -> web.Response:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await gate.wait()
            running -= 1
            return web.Response()

        return (Route("GET", "/heavy", work),)

    async with serving(extra=heavy) as served:
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(served.ask("/heavy")) for _ in range(3 * LIMITS.handlers)]
            await until(lambda: served.server._tally.requests == len(asking))
            for path in ("/healthz", "/readyz", "/livez"):
                assert (await served.ask(path)).status == 200
            gate.set()
        assert [task.result().status for task in asking] == [200] * len(asking)
        assert most == LIMITS.handlers


async def test_a_head_that_is_too_large_is_refused() -> None:
    """One long line, one long header, or very many of them."""
    async with serving() as served:
        for request in (
            f"GET /{'x' * 100_000} HTTP/1.1\r\nHost: {served.host}\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: {served.host}\r\nX: {'x' * 100_000}\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: {served.host}\r\n{'X: y' * 100_000}",
            f"GET / HTTP/1.1\r\nHost: {served.host}\r\n" + "".join(f"X{n}: y\r\n" for n in range(200_000)),
        ):
            raw = await served.raw(request.encode())
            # Whoever still sends while the answer comes may lose it to a reset; it is over either way.
            if raw:
                answer = parsed(raw)
                assert answer.status in {400, 431}
                assert is_sealed(answer)
        await until(lambda: count(served) == 0)
        refused = served.refused()
        assert refused.get("malformed", 0) + refused.get("too_large", 0) == 4


async def test_a_head_that_never_ends_is_not_kept() -> None:
    """Nothing in it is too long or too many by itself; it is cut before it is complete."""
    async with serving(limits=LIMITS._replace(head_s=PATIENCE_S)) as served:
        headers = "".join(f"X-{n}: {'x' * 4_000}\r\n" for n in range(110))
        await served.raw(f"GET / HTTP/1.1\r\nHost: {served.host}\r\n{headers}".encode())
        assert served.refused() == {"too_large": 1}


async def test_headers_that_are_too_large_together_are_refused() -> None:
    """Each is short enough; all of them are memory as well."""
    async with serving() as served:
        most = LIMITS.head_bytes
        headers = [(f"X-{n}", "x" * 3_000) for n in range(most // 3_000)]
        assert (await served.ask("/healthz", headers=headers)).status == 200
        answer = await served.ask("/healthz", headers=[*headers, ("X-More", "x" * 3_000)])
        assert answer.status == 431
        assert is_sealed(answer)
        assert served.refused() == {"too_large": 1}


async def test_a_body_that_is_too_large_is_refused() -> None:
    """By what the head says of it, or by what comes; the largest that may come does."""
    async with serving(TOKEN, limits=LIMITS._replace(linger_s=SHORT_S), extra=changing) as served:
        head = f"POST /api/change HTTP/1.1\r\nHost: {served.host}\r\n{BEARER}Content-Type: application/json\r\n"
        most = LIMITS.body_bytes
        whole = f"{head}Content-Length: {most}\r\n\r\n{'x' * most}"
        assert (await served.send(whole.encode())).status == 200
        assert (await served.send(f"{head}Content-Length: {most + 1}\r\n\r\n".encode())).status == 413
        chunk = f"{most + 1:x}\r\n{'x' * (most + 1)}\r\n0\r\n\r\n"
        answer = await served.send(f"{head}Transfer-Encoding: chunked\r\n\r\n{chunk}".encode())
        assert answer.status == 413
        assert is_sealed(answer)
        assert served.refused() == {"too_large": 2}


async def test_what_fails_inside_stays_inside() -> None:
    """Neither the answer nor the log quotes an error: a library's may hold an address with its token."""

    def failing(context: Context) -> Sequence[Route]:
        async def fail(_request: web.Request) -> web.Response:
            raise ValueError("https://user:tell-nobody@host")

        async def wrongly(_request: web.Request) -> web.Response:
            return "tell-nobody"  # type: ignore[return-value]

        async def forbid(_request: web.Request) -> web.Response:
            raise web.HTTPConflict(text="tell-nobody", headers={"X-Inside": "tell-nobody"})

        async def read(_request: web.Request) -> web.Response:
            await context.read(lambda: int("tell-nobody"))
            return web.Response()

        return tuple(
            Route("GET", path, handler)
            for path, handler in (("/fail", fail), ("/wrongly", wrongly), ("/forbid", forbid), ("/read", read))
        )

    asyncio.get_running_loop().set_debug(True)
    async with serving(extra=failing) as served:
        for path, status in (("/fail", 500), ("/wrongly", 500), ("/forbid", 409), ("/read", 500)):
            for accept in ("text/html", "application/json"):
                with capture_logs() as logs:
                    answer = await served.ask(path, headers=[("Accept", accept)])
                assert answer.status == status, path
                assert is_sealed(answer)
                assert b"tell-nobody" not in answer.body
                assert b"Traceback" not in answer.body
                assert answer.header("x-inside") == ""
                assert "tell-nobody" not in repr(logs)
                assert [line["event"] for line in logs] == ["web.failed"] * (status == 500)


async def test_one_snapshot_serves_all_who_ask_within_a_second() -> None:
    """What costs milliseconds of the loop that marks wait for is done once, however many ask."""

    def seeing(context: Context) -> Sequence[Route]:
        async def see(_request: web.Request) -> web.Response:
            return web.json_response({"pid": context.snapshot().pid})

        return (Route("GET", "/one", see), Route("GET", "/two", see))

    clock = ManualClock()
    async with serving(clock=clock, extra=seeing) as served:
        for _ in range(5):
            assert json.loads((await served.ask("/one")).body) == json.loads((await served.ask("/two")).body)
        assert served.watched.statuses == 1
        await clock.advance(SNAPSHOT_S)
        await served.ask("/one")
        assert served.watched.statuses == 2


async def test_queries_run_in_few_threads_and_one_that_hangs_keeps_its_place() -> None:
    """The loop goes on meanwhile; beyond the bound it is said that asking again helps."""
    gate = threading.Event()

    def reading(context: Context) -> Sequence[Route]:
        def wait() -> str:
            gate.wait(PATIENCE_S)
            return threading.current_thread().name

        async def read(_request: web.Request) -> web.Response:
            return web.Response(text=await context.read(wait))

        return (Route("GET", "/read", read),)

    async with serving(limits=LIMITS._replace(handler_s=SHORT_S), extra=reading) as served:
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(served.ask("/read")) for _ in range(MOST_READS)]
        assert [task.result().status for task in asking] == [504] * MOST_READS
        # Nobody waits for them any more, but the threads are still busy.
        answer = await served.ask("/read")
        assert (answer.status, answer.header("retry-after")) == (503, "1")
        assert (await served.ask("/healthz")).status == 200
        gate.set()

        async def read() -> tuple[int, bytes]:
            answer = await served.ask("/read")
            return answer.status, answer.body

        async with asyncio.timeout(PATIENCE_S):
            while (await read()) != (200, b"web-read"):
                await SystemClock().sleep(0.005)


async def test_a_thread_that_cannot_be_begun_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking again helps, once there are threads again."""

    def reading(context: Context) -> Sequence[Route]:
        async def read(_request: web.Request) -> web.Response:
            return web.Response(text=await context.read(lambda: "read"))

        return (Route("GET", "/read", read),)

    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async with serving(extra=reading) as served:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            for _ in range(MOST_READS + 1):
                assert (await served.ask("/read")).status == 503
        assert (await served.ask("/read")).body == b"read"


async def test_a_stop_waits_for_nobody() -> None:
    """Connections that hang are cut, and the address is free again."""
    ports = []

    async with contextlib.AsyncExitStack() as stack:
        async with serving(extra=hanging) as served:
            ports.append(served.port)
            reader, writer = await stack.enter_async_context(connected(served))
            await stack.enter_async_context(connected(served))
            writer.write(f"GET /hang HTTP/1.1\r\nHost: {served.host}\r\n\r\n".encode())
            view: Callable[[], int] = lambda: served.server._tally.requests  # noqa: E731
            await until(lambda: view() == 1)
        assert await end_of(reader) == b""
        again = await asyncio.start_server(lambda _r, w: w.close(), LOCAL, ports[0])
        again.close()


def test_the_limits_leave_a_watcher_its_memory() -> None:
    """All connections together hold a few megabytes at most, and nobody stays for longer than a minute."""
    limits = Limits()
    assert limits.connections * (limits.head_bytes + limits.body_bytes) <= 8 * 2**20
    assert limits.head_s + limits.body_s + limits.handler_s < limits.life_s <= 60
    assert limits.from_one < limits.connections
