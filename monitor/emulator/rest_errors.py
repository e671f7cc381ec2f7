"""How REST refuses, and the form of its answers."""

import json
from typing import Any

from aiohttp import web

TOO_MANY = -1003
_MESSAGES = {
    -1000: "An unknown error occurred while processing the request.",
    TOO_MANY: "Too many requests.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -1102: "Mandatory parameter is missing or malformed.",
    -1120: "Invalid interval.",
    -1121: "Invalid symbol.",
    -1125: "This listenKey does not exist.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
}


class RestError(Exception):
    """A refusal with an HTTP status and the exchange's code."""

    def __init__(self, status: int, code: int, message: str = "") -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.message = message or _MESSAGES.get(code, "Refused.")


def missing(name: str) -> RestError:
    """Return the refusal of a request without a parameter it needs."""
    text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    return RestError(400, -1102, text)


def reply(body: Any, status: int = 200) -> web.Response:  # noqa: ANN401  whatever is JSON
    """Return a JSON answer."""
    return web.Response(
        text=json.dumps(body, separators=(",", ":")), status=status, content_type="application/json"
    )


def number(request: web.Request, name: str, default: int) -> int:
    """Return a parameter that is a whole number above 0.

    Raises:
        RestError: it is something else.
    """
    text = request.query.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise RestError(400, -1102)
    return int(text)
