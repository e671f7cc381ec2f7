"""A service that raises the alarm once pings stay away: it answers as healthchecks.io and Uptime Kuma do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web

CHECK = "4b0e5a6e-7d21-4c55-9a6b-hush-not-told"
TOKEN = "hushToken42"


class Ping(NamedTuple):
    """What arrived, as the service understood it."""

    signal: str
    words: str
    method: str
    agent: str


class PingService:
    """One check of Healthchecks and one push monitor of Uptime Kuma, with a dial for what goes wrong."""

    def __init__(self) -> None:
        self.pings: list[Ping] = []
        self.asked = 0  # requests, taken or not
        self.mode = "well"  # or: 500, 429, limited, hang, redirect, page, cut
        self.known = True  # the check was not deleted
        self.base = ""
        self._let_go = asyncio.Event()

    @property
    def check(self) -> str:
        return f"{self.base}/{CHECK}"

    @property
    def monitor(self) -> str:
        return f"{self.base}/api/push/{TOKEN}?status=up&msg=OK&ping="

    def signals(self) -> list[str]:
        return [ping.signal for ping in self.pings]

    async def healthchecks(self, request: web.Request) -> web.StreamResponse:
        if (trouble := await self._trouble(request)) is not None:
            return trouble
        if request.match_info["check"] != CHECK or not self.known:
            return web.Response(text="OK (not found)")  # 200, as for every identifier of the right form
        words = await request.text()
        signal = request.match_info.get("signal", "") or "up"
        self.pings.append(Ping(signal, words, request.method, request.headers.get("User-Agent", "")))
        return web.Response(text="OK")

    async def kuma(self, request: web.Request) -> web.StreamResponse:
        if (trouble := await self._trouble(request)) is not None:
            return trouble
        if request.match_info["token"] != TOKEN or not self.known:
            return web.json_response({"ok": False, "msg": "Monitor not found or not active."}, status=404)
        signal, words = request.query.get("status", "up"), request.query.get("msg", "OK")
        assert len(request.query.getall("status")) == 1
        self.pings.append(Ping(signal, words, request.method, request.headers.get("User-Agent", "")))
        return web.json_response({"ok": True})

    async def _trouble(self, request: web.Request) -> web.StreamResponse | None:
        self.asked += 1
        match self.mode:
            case "500":
                return web.Response(status=500, text="<h1>Internal Server Error</h1>")
            case "429":
                return web.Response(status=429, text="Too many requests", headers={"Retry-After": "60"})
            case "limited":
                return web.Response(text="OK (rate limited)")
            case "redirect":
                raise web.HTTPFound(f"{self.base}/elsewhere")
            case "hang":
                await self._let_go.wait()
                return web.Response(text="too late")
            case "cut":
                assert request.transport is not None
                request.transport.close()
                return web.Response(text="never arrives")
        return None

    async def elsewhere(self, request: web.Request) -> web.StreamResponse:
        self.pings.append(Ping("elsewhere", "", request.method, ""))
        return web.Response(text="OK")

    def let_go(self) -> None:
        """End whatever hangs."""
        self._let_go.set()


@asynccontextmanager
async def ping_service() -> AsyncIterator[PingService]:
    """A running service."""
    service = PingService()
    app = web.Application()
    app.router.add_route("*", "/elsewhere", service.elsewhere)
    app.router.add_get("/api/push/{token}", service.kuma)
    app.router.add_route("*", "/{check}", service.healthchecks)
    app.router.add_route("*", "/{check}/{signal:fail|start|log}", service.healthchecks)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    service.base = f"http://{host}:{port}"
    try:
        yield service
    finally:
        service.let_go()
        await runner.cleanup()
