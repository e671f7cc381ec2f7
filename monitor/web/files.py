"""The files that pages load. Each is named here: no path of a request ever becomes one of the disk."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from aiohttp import web

from monitor.web.context import Access, Handler, Route

# Name in monitor/web/static and under /static/: its content type. Open to all, for they tell nothing of anybody.
FILES: Final = {
    "icon.svg": "image/svg+xml",
    "login.css": "text/css",
    "page.css": "text/css",
    "page.js": "text/javascript",
}


def routes() -> Sequence[Route]:
    """Return a route for each file; they are read now, and once."""
    folder = files("monitor.web") / "static"
    return tuple(
        Route("GET", f"/static/{name}", _served((folder / name).read_bytes(), kind), Access.OPEN)
        for name, kind in FILES.items()
    )


def _served(body: bytes, kind: str) -> Handler:
    async def serve(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind, charset="utf-8")

    return serve
