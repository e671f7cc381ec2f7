"""The REST side: what every request goes through before and after the endpoint that answers it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from monitor.emulator.clock import Clock
from monitor.emulator.faults import Faults, among, by_name
from monitor.emulator.gate import Gate
from monitor.emulator.listenkeys import ListenKeys
from monitor.emulator.live import LiveAccount
from monitor.emulator.market import Market
from monitor.emulator.rest_account import AccountApi
from monitor.emulator.rest_errors import TOO_MANY, RestError, reply
from monitor.emulator.rest_public import PublicApi
from monitor.emulator.settings import EmulatorSettings
from monitor.emulator.stream_faults import RowFaults
from monitor.emulator.weights import Meter

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_THROTTLED = (429, 418)
_MOST_HANGING = 256  # the one that waits longest is cut
_PAGE = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


class RestApi:
    """Answers requests from market and accounts; counts their weight by the minute."""

    def __init__(
        self,
        market: Market,
        faults: Faults,
        clock: Clock,
        settings: EmulatorSettings,
        *,
        accounts: Mapping[str, LiveAccount],
        keys: ListenKeys,
        rows: RowFaults,
    ) -> None:
        self._faults = faults
        self._clock = clock
        self._meter = Meter(settings.weight_per_minute, clock.wall_ms)
        self._public = PublicApi(market, faults, settings, self.now_ms, rows)
        self._private = AccountApi(Gate(accounts, self.now_ms), keys, faults, settings, self.now_ms)
        self._hanging: deque[asyncio.Future[None]] = deque()
        self.requests = 0

    def now_ms(self) -> int:
        """Return the exchange's time."""
        return self._clock.wall_ms() + self._faults.skew_ms

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints."""
        return self._public.routes() + self._private.routes()

    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Run one handler as the exchange would: faults first, weight counted, errors as JSON with a code."""
        self.requests += 1
        await self._wait(request)
        try:
            self._admit(request)
            response = self._instead(request) or await handler(request)
        except RestError as error:
            response = reply({"code": error.code, "msg": error.message}, error.status)
            response.headers.update(self._refusal(error))
        except web.HTTPException as error:
            text = f"Path {request.path}, Method {request.method} is invalid"
            response = reply({"code": -5000, "msg": text}, error.status)
        response.headers["X-MBX-USED-WEIGHT-1M"] = str(self._meter.used(request))
        return response

    def let_go(self) -> None:
        """Cut the requests that hang."""
        for one in self._hanging:
            if not one.done():
                one.set_result(None)

    async def _wait(self, request: web.Request) -> None:
        delay_s = by_name(self._faults.rest_delay_s, request.path, 0.0)
        if delay_s:
            await self._clock.sleep(delay_s)
        if among(self._faults.rest_hang, request.path):
            hanging: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._hanging.append(hanging)
            if len(self._hanging) > _MOST_HANGING and not self._hanging[0].done():
                self._hanging[0].set_result(None)
            try:
                await hanging
            finally:
                self._hanging.remove(hanging)
            if request.transport is not None:
                request.transport.abort()

    def _instead(self, request: web.Request) -> web.Response | None:
        """Return an answer that is not the endpoint's, or None."""
        page = self._faults.page(request.path)
        if page:
            return web.Response(text=_PAGE, status=page, content_type="text/html")
        body = by_name(self._faults.rest_body, request.path, None)
        return None if body is None else web.Response(text=body, content_type="application/json")

    def _admit(self, request: web.Request) -> None:
        left_ms = self._faults.banned_until_ms - self._clock.wall_ms()
        if left_ms > 0:
            until_ms = self._faults.banned_until_ms + self._faults.skew_ms
            raise RestError(418, TOO_MANY, f"Way too many requests; IP banned until {until_ms}.")
        status = self._faults.rest(request.path)
        if status == 418:  # noqa: PLR2004  the exchange's status for a ban
            until_ms = self.now_ms() + self._faults.retry_after_s * 1000
            raise RestError(status, TOO_MANY, f"Way too many requests; IP banned until {until_ms}.")
        if status:
            raise RestError(status, TOO_MANY if status in _THROTTLED else -1000)
        refused = by_name(self._faults.rest_error, request.path, None)
        if refused is not None:
            raise RestError(*refused)
        self._meter.charge(request)

    def _refusal(self, error: RestError) -> dict[str, str]:
        left_ms = self._faults.banned_until_ms - self._clock.wall_ms()
        if left_ms > 0:
            return {"Retry-After": str(-(-left_ms // 1000))}
        forced = self._faults.headers()
        if forced:
            return forced
        return {"Retry-After": str(self._meter.left_s())} if error.status == 429 else {}  # noqa: PLR2004  throttled
