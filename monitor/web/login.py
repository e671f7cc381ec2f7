"""Logging in to the status page with the configured token, and out again."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web

from monitor.web import guard
from monitor.web.answers import error
from monitor.web.context import Access, Route
from monitor.web.forms import fields_of
from monitor.web.keeper import Keeper
from monitor.web.limits import Tally
from monitor.web.middleware import LOGIN
from monitor.web.session import LENGTH_S

HOME: Final = "/"

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Position monitor: log in</title>
<link rel="stylesheet" href="/static/login.css">
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
</head>
<body>
<main>
<h1>Position monitor</h1>
<form method="post" action="/login">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" maxlength="512" required autofocus>
<button type="submit">Log in</button>
<p role="status">{words}</p>
</form>
</main>
</body>
</html>
"""


def routes(keeper: Keeper, tally: Tally) -> Sequence[Route]:
    """Return the routes that begin and end a session; a wrong token is counted in ``tally``."""

    async def show(_request: web.Request) -> web.Response:
        return _page() if keeper.token else _go(HOME)

    async def begin(request: web.Request) -> web.Response:
        if not keeper.token:
            return error(HTTPStatus.FORBIDDEN, "there is no token to log in with", page=True)
        given = (await fields_of(request)).get("token", "")
        # The right one is taken whatever came before, so that nobody can keep the owner out.
        if not guard.is_token(given.strip(), keeper.token):
            refusal = keeper.wrong()
            tally.refused[refusal.why] += 1
            return _page(refusal.status, refusal.words)
        keeper.end_session(request)
        answer = _go(HOME)
        answer.set_cookie(
            keeper.cookie, keeper.sessions.begin(), max_age=LENGTH_S, httponly=True, samesite="Strict", path="/"
        )
        return answer

    async def end(request: web.Request) -> web.Response:
        keeper.end_session(request)
        answer = _go(LOGIN)
        answer.del_cookie(keeper.cookie, path="/", httponly=True, samesite="Strict")
        return answer

    return (
        Route("GET", LOGIN, show, Access.OPEN, page=True),
        Route("POST", LOGIN, begin, Access.OPEN, page=True),
        Route("POST", "/logout", end, Access.CHANGE, page=True),
    )


def _page(status: HTTPStatus = HTTPStatus.OK, words: str = "") -> web.Response:
    # Constant words only: nothing that was typed in comes back.
    text = _PAGE.format(words=f"{words.capitalize()}." if words else "")
    answer = web.Response(status=status, text=text, content_type="text/html")
    if status is HTTPStatus.TOO_MANY_REQUESTS:
        answer.headers["Retry-After"] = "60"
    return answer


def _go(path: str) -> web.Response:
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": path})
