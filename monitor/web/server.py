"""Listens, and lets nothing that goes wrong here reach what watches positions."""

from collections.abc import Sequence
from typing import Final

import structlog
from aiohttp import web

from monitor.plan import WebPlan
from monitor.ports import Clock, Job
from monitor.web.collected import collected
from monitor.web.context import Context
from monitor.web.metrics import Meter
from monitor.web.reading import Reader, Snapshot
from monitor.web.watched import Watched

log = structlog.get_logger()

# An address that is taken, by an earlier run that drains or by somebody else, is tried again.
AGAIN_S: Final = 10.0


class WebServer:
    """One job, if it is configured.

    Args:
        plan: where, and who may ask; None: nothing is served.
        watched: what is shown.
        clock: its time.
    """

    def __init__(self, plan: WebPlan | None, watched: Watched, clock: Clock) -> None:
        self._plan = plan
        self._watched = watched
        self._clock = clock
        self._meter = Meter()
        self._context = Context(
            watched=watched, clock=clock, snapshot=Snapshot(watched.status, clock), read=Reader(),
            form_token=lambda _request: "", can_change=lambda: False,
        )  # fmt: skip

    def observe(self, seconds: float) -> None:
        """Count how long after their frame arrived marks were decided on; about a microsecond."""
        if self._plan is not None:
            self._meter.observe(seconds)

    def jobs(self) -> Sequence[Job]:
        """Return what must run; it may be cancelled at any time."""
        return () if self._plan is None else (Job("web", self._run),)

    async def _run(self) -> None:
        plan = self._plan
        if plan is None:
            return
        runner = web.AppRunner(self._application(), handle_signals=False, access_log=None)
        await runner.setup()
        try:
            await self._listen(runner, plan)
            while True:
                await self._clock.sleep(3600.0)
        finally:
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner, plan: WebPlan) -> None:
        failing = False
        while True:
            try:
                await web.TCPSite(runner, plan.host, plan.port).start()
            except OSError as error:
                if not failing:
                    log.error("web.not_listening", host=plan.host, port=plan.port, reason=error.strerror)
                failing = True
                await self._clock.sleep(AGAIN_S)
            else:
                log.info("web.listening", host=plan.host, port=plan.port)
                return

    def _application(self) -> web.Application:
        application = web.Application()
        for route in collected(self._context, lambda: (), self._meter):
            application.router.add_route(route.method, route.path, route.handler)
        return application
