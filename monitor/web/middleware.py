"""Asks the keeper about each request, reads its body within limits, and answers plainly whatever fails."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from monitor.errors import MonitorError
from monitor.web.answers import error, seal
from monitor.web.connection import Connection
from monitor.web.context import Route
from monitor.web.failures import Failures
from monitor.web.guard import METHODS, Refusal, Why
from monitor.web.keeper import Keeper
from monitor.web.limits import Limits, Tally
from monitor.web.reading import BusyError

LOGIN: Final = "/login"

_FAILED: Final = Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, Why.FAILED, "this failed; the log says more")
_BUSY: Final = Refusal(HTTPStatus.SERVICE_UNAVAILABLE, Why.BUSY, "too many queries run; try again")
_SLOW_BODY: Final = Refusal(HTTPStatus.REQUEST_TIMEOUT, Why.SLOW, "the request took too long to arrive")
_SLOW_ANSWER: Final = Refusal(HTTPStatus.GATEWAY_TIMEOUT, Why.SLOW, "the answer took too long")
_NO_BODY: Final = Refusal(HTTPStatus.BAD_REQUEST, Why.MALFORMED, "the body ended too soon, or is none")
_LARGE_HEAD: Final = Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, Why.TOO_LARGE, "the head is too large")
_TOO_LARGE: Final = Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Why.TOO_LARGE, "the body is too large")
_NOT_FOUND: Final = Refusal(HTTPStatus.NOT_FOUND, Why.UNKNOWN, "there is nothing here")
_OTHER_METHOD: Final = Refusal(HTTPStatus.METHOD_NOT_ALLOWED, Why.METHOD, "not with this method")

_Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RefusedError(MonitorError):
    """A request is not answered as asked."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.why.value)
        self.refusal = refusal


class Gate:
    """Everything that happens around a handler.

    Args:
        keeper: whom requests have to satisfy.
        limits: of bodies and of handlers.
        tally: where it is counted.
        route_of: gives the route of a request; None where there is none.
        failures: where it is told what failed.
    """

    def __init__(
        self, keeper: Keeper, limits: Limits, tally: Tally, route_of: Callable[[web.Request], Route | None],
        failures: Failures,
    ) -> None:  # fmt: skip
        self._keeper = keeper
        self._limits = limits
        self._tally = tally
        self._failures = failures
        self._route_of = route_of
        self._turns = asyncio.Semaphore(limits.handlers)

    def guard(self) -> Middleware:
        """Return the one middleware; it raises nothing but that it was cancelled."""

        @web.middleware
        async def guarded(request: web.Request, handler: _Next) -> web.StreamResponse:
            return await self._answer(request, handler)

        return guarded

    async def _answer(self, request: web.Request, handler: _Next) -> web.StreamResponse:
        if isinstance(request.protocol, Connection):
            request.protocol.head_is_here()
        self._tally.requests += 1
        route = self._route_of(request)
        try:
            answer = await self._let_in(request, handler, route)
        except RefusedError as refused:
            answer = self._refused(refused.refusal, request, route)
        except web.HTTPException as raised:
            answer = self._refused(_refusal_of(raised), request, route)
        except BusyError:
            answer = self._refused(_BUSY, request, route)
        except Exception as failed:  # noqa: BLE001 - the top of a request
            self._failures.tell(failed)
            answer = self._refused(_FAILED, request, route)
        _is_here(request)
        seal(answer.headers)
        answer.force_close()
        return answer

    async def _let_in(self, request: web.Request, handler: _Next, route: Route | None) -> web.StreamResponse:
        if _head_bytes(request) > self._limits.head_bytes:
            raise RefusedError(_LARGE_HEAD)
        _refuse(self._keeper.judge(request, route))
        if request.method == "POST" and route is not None:
            await self._read(request)
            # Once more: meanwhile the token may have been replaced, or the session ended.
            _refuse(self._keeper.judge(request, route))
            _refuse(await self._keeper.judge_form(request, route))
        _is_here(request)
        try:
            async with asyncio.timeout(self._limits.handler_s):
                if route is None or not route.in_turn:
                    return await handler(request)
                async with self._turns:
                    return await handler(request)
        except TimeoutError:
            raise RefusedError(_SLOW_ANSWER) from None

    async def _read(self, request: web.Request) -> None:
        """Read the body, which the request keeps."""
        if (request.content_length or 0) > self._limits.body_bytes:
            raise RefusedError(_TOO_LARGE)
        try:
            async with asyncio.timeout(self._limits.body_s):
                await request.read()
        except TimeoutError:
            self._tally.slow += 1
            raise RefusedError(_SLOW_BODY) from None
        except (OSError, web.RequestPayloadError):
            raise RefusedError(_NO_BODY) from None

    def _refused(self, refusal: Refusal, request: web.Request, route: Route | None) -> web.Response:
        self._tally.refused[refusal.why] += 1
        page = route is not None and route.page
        if page and refusal.status is HTTPStatus.UNAUTHORIZED and request.method != "POST":
            return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": LOGIN})
        answer = error(refusal.status, refusal.words, page=page)
        if refusal.status is HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = "Bearer"
        if refusal.status is HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = _allowed(request)
        if refusal.why in {Why.THROTTLED, Why.BUSY}:
            answer.headers["Retry-After"] = "60" if refusal.why is Why.THROTTLED else "1"
        return answer


def _is_here(request: web.Request) -> None:
    if isinstance(request.protocol, Connection):
        request.protocol.request_is_here()


def _head_bytes(request: web.Request) -> int:
    return len(request.raw_path) + sum(len(name) + len(value) for name, value in request.raw_headers)


def _refuse(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise RefusedError(refusal)


def _allowed(request: web.Request) -> str:
    """Return the methods of a path; where there is nothing, those that exist at all."""
    found = request.match_info.http_exception
    named = "" if found is None else found.headers.get("Allow", "")
    return named or ", ".join(METHODS)


def _refusal_of(raised: web.HTTPException) -> Refusal:
    """Return what aiohttp found wrong, in our words: its own quote the request."""
    known = {one.status: one for one in (_TOO_LARGE, _NOT_FOUND, _OTHER_METHOD)}
    status = HTTPStatus(raised.status)
    return known.get(status) or Refusal(status, Why.MALFORMED, status.phrase.lower())
