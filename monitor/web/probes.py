"""/healthz, /readyz and /livez: whether it does its work, has begun to, and whether a restart could help."""

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from monitor.health import Health
from monitor.web.context import Context, Route


def routes(context: Context) -> Sequence[Route]:
    """Return the routes of the probes."""

    async def healthz(_request: web.Request) -> web.Response:
        return answer(context.watched.health(), "ok", "failing")

    async def readyz(_request: web.Request) -> web.Response:
        return answer(context.watched.readiness(), "ready", "not ready")

    async def livez(_request: web.Request) -> web.Response:
        loops = list(context.watched.standing())
        body = {"status": "standing still" if loops else "alive", "loops": loops}
        return web.json_response(body, status=_code(not loops))

    every = {"/healthz": healthz, "/readyz": readyz, "/livez": livez}
    return tuple(Route("GET", path, handler, in_turn=False) for path, handler in every.items())


def answer(found: Health, well: str, unwell: str) -> web.Response:
    """Return a verdict as JSON: 200 if all is well, 503 with every trouble if not."""
    troubles = [{"reason": one.reason, "names": list(one.names)} for one in found.troubles]
    body = {"status": well if found.ok else unwell, "troubles": troubles}
    return web.json_response(body, status=_code(found.ok))


def _code(well: bool) -> int:  # noqa: FBT001 - a verdict
    return HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
