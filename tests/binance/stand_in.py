"""A stream server on loopback that does what a test tells it, and helpers to run a feed against it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from monitor.binance.streams import MarkFeed
from monitor.core.events import Event, FeedState, Subscribed
from monitor.core.model import MarkTick
from monitor.ports import Job
from tests.conftest import settle

PATIENCE_S = 60.0  # only a broken test waits this long


async def until(condition: Callable[[], bool]) -> None:
    """Let sockets and tasks work until the condition holds; the tests' clock stands still meanwhile."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await settle(1)


class Session:
    """One client connection as the server sees it."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.received: list[dict[str, object]] = []
        self.closed = False

    @property
    def path(self) -> str:
        assert self.connection.request is not None
        return self.connection.request.path

    def asked(self, method: str = "SUBSCRIBE") -> list[object]:
        return [message["params"] for message in self.received if message["method"] == method]

    async def send(self, *frames: object) -> None:
        for frame in frames:
            raw = isinstance(frame, str | bytes)
            await self.connection.send(frame if raw else json.dumps(frame))  # type: ignore[arg-type]


class StandIn:
    """The server. ``ack`` answers control messages, ``slam`` closes at once, ``reject`` refuses handshakes."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.handshakes = 0
        self.ack = True
        self.slam = False
        self.reject: tuple[int, Mapping[str, str]] | None = None
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._handle, "127.0.0.1", 0, process_request=self._process, compression=None, close_timeout=1
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def base(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}/market"

    @property
    def host(self) -> str:
        return self.base.split("/")[2]

    async def session(self, number: int) -> Session:
        """Return the session with this number, counting from 0, once it has asked for streams."""
        await until(lambda: len(self.sessions) > number and bool(self.sessions[number].received))
        return self.sessions[number]

    def _process(self, connection: ServerConnection, _request: Request) -> Response | None:
        self.handshakes += 1
        if self.reject is None:
            return None
        status, headers = self.reject
        response = connection.respond(HTTPStatus(status), "no\n")
        response.headers.update(headers)
        return response

    async def _handle(self, connection: ServerConnection) -> None:
        session = Session(connection)
        self.sessions.append(session)
        if self.slam:
            return
        try:
            async for message in connection:
                session.received.append(json.loads(message))
                if self.ack:
                    await session.send({"result": None, "id": session.received[-1]["id"]})
        except ConnectionClosed:
            pass
        finally:
            session.closed = True


class Recorder:
    """An inbox that keeps everything."""

    def __init__(self) -> None:
        self.ticks: list[MarkTick] = []
        self.events: list[Event] = []

    def tick(self, tick: MarkTick) -> None:
        self.ticks.append(tick)

    def post(self, event: Event) -> None:
        self.events.append(event)

    def states(self) -> list[tuple[str, str, str]]:
        return [(e.state, e.host, e.reason) for e in self.events if isinstance(e, FeedState)]

    def subscribed(self) -> list[tuple[tuple[str, ...], float]]:
        return [(e.symbols, e.at_s) for e in self.events if isinstance(e, Subscribed)]


@asynccontextmanager
async def running(feed: MarkFeed) -> AsyncIterator[None]:
    """Run a feed's jobs in a task group; cancel them at the end."""

    async def run(job: Job) -> None:
        await job.run()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(job), name=job.name) for job in feed.jobs()]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
