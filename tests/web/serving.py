"""The real server on a real socket, something behind it, and requests as they are written byte by byte."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from aiohttp import web

from monitor.config.secret import Secret
from monitor.core.notices import Facts
from monitor.health import Health
from monitor.plan import WebPlan
from monitor.ports import Clock
from monitor.status import Status
from monitor.system_clock import SystemClock
from monitor.web import collected as collecting
from monitor.web import server
from monitor.web.context import Access, Context, Route
from monitor.web.limits import LIMITS, Limits
from monitor.web.server import WebServer
from tests.cli.made import state

TOKEN = "correct-horse-battery-staple-42"
PATIENCE_S = 60.0
LOCAL = "127.0.0.1"


class FakeDaemon:
    """Says of itself what a test tells it to; fulfils ``Watched``."""

    def __init__(self) -> None:
        self.verdict = Health()
        self.ready = Health()
        self.stands: tuple[str, ...] = ()
        self.statuses = 0

    def status(self) -> Status:
        self.statuses += 1
        return state()

    def health(self) -> Health:
        return self.verdict

    def readiness(self) -> Health:
        return self.ready

    def standing(self) -> tuple[str, ...]:
        return self.stands

    def newest(self, subject: str) -> Facts | None:
        return None

    @property
    def state_path(self) -> Path:
        return Path("/nowhere/state.db")

    @property
    def history_path(self) -> Path:
        return Path("/nowhere/history.db")

    @property
    def time_zone(self) -> tzinfo:
        return UTC

    async def hold(self, request: Mapping[str, Any]) -> object:
        return {}

    async def lift(self, request: Mapping[str, Any]) -> object:
        return {}


class Answer(NamedTuple):
    """What came back on a connection until its end."""

    status: int
    headers: tuple[tuple[str, str], ...]  # names in small letters
    body: bytes

    def every(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str:
        """The only header of that name; empty if there is none."""
        found = self.every(name)
        assert len(found) <= 1
        return found[0] if found else ""


def parsed(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    return Answer(int(first.split(" ")[1]), pairs, body)


class Served:
    """A server that runs, and ways to ask it."""

    def __init__(self, web_server: WebServer, watched: FakeDaemon) -> None:
        self.server = web_server
        self.watched = watched

    @property
    def port(self) -> int:
        view = self.server.view()
        assert view is not None
        return int(view.address.rpartition(":")[2])

    @property
    def host(self) -> str:
        """As a browser names it."""
        return f"{LOCAL}:{self.port}"

    def refused(self) -> dict[str, int]:
        view = self.server.view()
        assert view is not None
        return view.refused

    async def raw(self, request: bytes) -> bytes:
        """What the server sends until it closes."""
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(LOCAL, self.port)
            try:
                with contextlib.suppress(ConnectionError):
                    writer.write(request)
                    await writer.drain()
                return await everything(reader)
            finally:
                writer.close()

    async def send(self, request: bytes) -> Answer:
        return parsed(await self.raw(request))

    async def ask(
        self, path: str, method: str = "GET", *, headers: Sequence[tuple[str, str]] = (), body: bytes = b"",
        host: str | None = None,
    ) -> Answer:  # fmt: skip
        """Ask as a program would; a Host in ``headers`` goes beside the usual one."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host if host is None else host}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        return await self.send("\r\n".join((*lines, "", "")).encode("latin-1") + body)

    async def submit(
        self, path: str, fields: Mapping[str, str], *, cookie: str = "", headers: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        """Send a form as a browser does from a page of ours, unless ``headers`` say otherwise."""
        given = {name for name, _ in headers}
        usual = (
            ("Origin", f"http://{self.host}"),
            ("Sec-Fetch-Site", "same-origin"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        )
        every = [*(pair for pair in usual if pair[0] not in given), *((n, v) for n, v in headers if v)]
        if cookie:
            every.append(("Cookie", cookie))
        return await self.ask(path, "POST", headers=every, body=urlencode(fields).encode())

    async def log_in(self) -> str:
        """The Cookie header of a new session."""
        answer = await self.submit("/login", {"token": TOKEN})
        assert answer.status == 303, answer
        return answer.header("set-cookie").partition(";")[0]


async def everything(reader: asyncio.StreamReader) -> bytes:
    """All that comes; a connection that is reset ends it as well."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(65536):
            parts.append(part)
    return b"".join(parts)


# A page of its own for each test that needs one: handed what the server hands its routes.
Extra = Callable[[Context], Sequence[Route]]


def no_routes(_context: Context) -> Sequence[Route]:
    return ()


@asynccontextmanager
async def serving(
    token: str | None = None, *, names: tuple[str, ...] = (), limits: Limits = LIMITS, clock: Clock | None = None,
    host: str = LOCAL, extra: Extra = no_routes,
) -> AsyncIterator[Served]:  # fmt: skip
    """The server on a free port, until the block ends."""
    watched = FakeDaemon()
    plan = WebPlan(host, 0, None if token is None else Secret(token), names)
    with pytest.MonkeyPatch.context() as patch:
        real = collecting.collected
        patch.setattr(server, "collected", lambda context, *rest: (*real(context, *rest), *extra(context)))
        web_server = WebServer(plan, watched, clock or SystemClock(), limits)
        (job,) = web_server.jobs()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(_running(job.run))
            try:
                await until(lambda: bool((view := web_server.view()) and view.address))
                yield Served(web_server, watched)
            finally:
                task.cancel()


async def _running(run: Callable[[], Any]) -> None:
    await run()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await SystemClock().sleep(0.005)


def changing(context: Context) -> Sequence[Route]:
    """Two things that can be changed: by a program, and by a form; and what a form has to send back."""

    async def change(request: web.Request) -> web.Response:
        return web.json_response({"changed": (await request.read()).decode()})

    async def form(request: web.Request) -> web.Response:
        return web.Response(text=context.form_token(request))

    return (
        Route("POST", "/api/change", change, Access.CHANGE),
        Route("POST", "/change", change, Access.CHANGE, page=True),
        Route("GET", "/form", form, page=True),
    )
