"""Listens, and lets nothing that goes wrong here reach what watches positions."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web

from monitor.plan import WebPlan
from monitor.ports import Clock, Job
from monitor.status import WebView
from monitor.supervise import trace_of
from monitor.web.answers import error
from monitor.web.collected import collected
from monitor.web.connection import Connection, Door
from monitor.web.context import Context, Route
from monitor.web.failures import Failures
from monitor.web.guard import Why
from monitor.web.hosts import url_of
from monitor.web.keeper import Keeper
from monitor.web.limits import LIMITS, Limits, Tally
from monitor.web.metrics import Meter
from monitor.web.middleware import Gate
from monitor.web.reading import Reader, Snapshot
from monitor.web.watched import Watched

log = structlog.get_logger()

# An address that is taken, by an earlier run that drains or by somebody else, is tried again.
AGAIN_S: Final = 10.0
# A stop waits for handlers twice as long at most, and has half a second for everything that ends with this.
_CLOSE_S: Final = 0.1
_BACKLOG: Final = 64
_IDLE_S: Final = 3600.0
CONTINUE: Final = "100-continue"

_Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class WebServer:
    """One job, if it is configured.

    Args:
        plan: where, and who may ask; None: nothing is served.
        watched: what is shown.
        clock: its time; what limits connections goes by the event loop's.
        limits: what those who ask may take.
    """

    def __init__(self, plan: WebPlan | None, watched: Watched, clock: Clock, limits: Limits = LIMITS) -> None:
        self._plan = plan
        self._clock = clock
        self._limits = limits
        self._meter = Meter()
        self._tally = Tally()
        self._failures = Failures(clock)
        self._keeper = None if plan is None else Keeper(plan, clock, limits)
        snapshot = Snapshot(watched.status, clock)
        self._context = Context(
            watched=watched, clock=clock, snapshot=snapshot, changed=snapshot.forget, read=Reader(),
            recorded=Reader(),
            form_token=self._form_token, can_change=lambda: bool(self._keeper and self._keeper.token),
        )  # fmt: skip
        self._address = ""  # while it listens
        self._why_not = ""

    def observe(self, seconds: float) -> None:
        """Count how long after their frame arrived marks were decided on; about a microsecond."""
        if self._plan is not None:
            self._meter.observe(seconds)

    def replace(self, plan: WebPlan) -> None:
        """Take the token and the names of another plan at once; its address does not count."""
        if self._keeper is not None:
            self._keeper.replace(plan)

    def view(self) -> WebView | None:
        """Return what it did so far; None if nothing is to be served."""
        if self._plan is None:
            return None
        tally = self._tally
        return WebView(
            address=self._address, why_not=self._why_not, connections=tally.connections, requests=tally.requests,
            refused={str(why): count for why, count in tally.refused.items()}, slow=tally.slow,
        )  # fmt: skip

    def jobs(self) -> Sequence[Job]:
        """Return what must run; it may be cancelled at any time."""
        return () if self._plan is None else (Job("web", self._run),)

    async def _run(self) -> None:
        """Serve for ever. A part that keeps dying ends the service, and no page is worth that."""
        told: tuple[str, ...] = ()
        while True:
            try:
                await self._serve()
            except Exception as failed:  # noqa: BLE001 - the top of a task
                trace = trace_of(failed)
                if trace != told or not self._why_not:
                    log.error("web.failed", error=type(failed).__name__, trace=trace)
                told = trace
                self._why_not = "it failed; the log says more"
            await self._clock.sleep(AGAIN_S)

    async def _serve(self) -> None:
        if self._plan is None or self._keeper is None:
            return
        runner = web.AppRunner(
            self._application(self._keeper), handle_signals=False, access_log=None, shutdown_timeout=_CLOSE_S
        )
        await runner.setup()
        if runner.server is not None:
            runner.server.request_handler = _expecting_nothing(runner.server.request_handler, self._tally)
        listening = None
        try:
            listening = await self._listen(runner, self._plan)
            # Not serve_forever: its end waits for connections, which only ``cleanup`` ends.
            while True:
                await self._clock.sleep(_IDLE_S)
        finally:
            self._address = ""
            if listening is not None:
                listening.close()
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner, plan: WebPlan) -> asyncio.Server:
        """Return the server once it has its address, however long that takes."""
        loop = asyncio.get_running_loop()
        door = Door(self._limits, self._tally, self._failures)

        def connection() -> Connection:
            if runner.server is None:
                raise ConnectionAbortedError  # it closes
            return Connection(runner.server, loop, door)

        while True:
            try:
                listening = await loop.create_server(connection, plan.host, plan.port, backlog=_BACKLOG)
            except OSError as failed:
                reason = os.strerror(failed.errno) if failed.errno else "it cannot be listened on"
                if reason != self._why_not:
                    log.error("web.not_listening", host=plan.host, port=plan.port, reason=reason)
                self._why_not = reason
                await self._clock.sleep(AGAIN_S)
            else:
                host, port = listening.sockets[0].getsockname()[:2]
                self._why_not = ""
                self._address = url_of(host, port)
                log.info("web.listening", host=host, port=port)
                return listening

    def _application(self, keeper: Keeper) -> web.Application:
        known: dict[web.AbstractRoute, Route] = {}

        def route_of(request: web.Request) -> Route | None:
            return known.get(request.match_info.route)

        gate = Gate(keeper, self._limits, self._tally, route_of, self._failures)
        application = web.Application(middlewares=[gate.guard()], client_max_size=self._limits.body_bytes)
        for route in collected(self._context, keeper, self._tally, self._meter):
            for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
                known[application.router.add_route(method, route.path, route.handler)] = route
        return application

    def _form_token(self, request: web.Request) -> str:
        keeper = self._keeper
        return "" if keeper is None else keeper.sessions.form_token(keeper.session(request))


def _expecting_nothing(handle: _Handle, tally: Tally) -> _Handle:
    """Return what answers requests, but for those that expect what nobody knows.

    aiohttp would answer these before the gate is asked, and repeat what they say.
    """

    async def first(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Expect", CONTINUE).lower() != CONTINUE:
            if isinstance(request.protocol, Connection):
                request.protocol.head_is_here()
                request.protocol.request_is_here()
            tally.requests += 1
            tally.refused[Why.MALFORMED] += 1
            return error(HTTPStatus.EXPECTATION_FAILED, "nothing can be expected but 100-continue")
        return await handle(request)

    return first
