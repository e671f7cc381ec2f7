"""A web server on loopback that keeps what it is sent and answers as told."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

from aiohttp import BodyPartReader, web

from tests.notify.real.senders import PASSWORD


class Reply(NamedTuple):
    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = {}


class Got(NamedTuple):
    path: str
    fields: dict[str, Any]  # of a JSON or multipart body, or the query of an upload
    files: dict[str, bytes]
    raw: bytes = b""


class WebService:
    """Answers ``replies`` in order, then 200; holds every answer back while the gate is closed."""

    def __init__(self) -> None:
        self.port = 0
        self.replies: list[Reply] = []
        self.got: list[Got] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()

    def url(self, scheme: str, more: str = "") -> str:
        query = f"?{more}" if more else ""
        return f"{scheme}://user:{PASSWORD}@127.0.0.1:{self.port}/hook{query}"

    @classmethod
    @asynccontextmanager
    async def serving(cls) -> AsyncIterator[Self]:
        service = cls()
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", service.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        service.port = runner.addresses[0][1]
        try:
            yield service
        finally:
            service.gate.set()
            await runner.cleanup()

    async def handle(self, request: web.Request) -> web.Response:
        got = await _read(request)
        self.got.append(got)
        self.arrived.set()
        await self.gate.wait()
        reply = self.replies.pop(0) if self.replies else self.usual(got)
        return web.Response(status=reply.status, text=reply.body, headers=reply.headers)

    def usual(self, got: Got) -> Reply:
        """Return what it answers when nothing else was asked of it."""
        return Reply(200, "{}")


async def _read(request: web.Request) -> Got:
    if request.content_type == "application/json":
        return Got(request.path, await request.json(), {})
    if not request.content_type.startswith("multipart/"):
        return Got(request.path, dict(request.query), {}, await request.read())
    fields: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        assert part.name is not None
        if part.filename is None:
            fields[part.name] = await part.text()
        else:
            files[part.name] = bytes(await part.read())
            fields["filename"] = part.filename
    return Got(request.path, fields, files)


def as_json(status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a reply with a JSON body."""
    return Reply(status, json.dumps(body), headers or {})
