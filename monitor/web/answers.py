"""What every answer has: headers that keep browsers strict, and errors that tell nothing."""

from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

# Scripts, styles and pictures from files of ours only; no frame, no plugin, no form to elsewhere.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Not no-referrer: with that a browser sends "Origin: null" with our own forms, and they could not be told
    # from another site's. Nothing leaves for elsewhere either way.
    "Referrer-Policy": "same-origin",
    "Server": "position-monitor",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def seal(headers: MutableMapping[str, str]) -> None:
    """Give an answer the headers that all have; what a handler set of them does not count."""
    for name, value in HEADERS.items():
        headers[name] = value


def error(status: int, words: str, *, page: bool = False) -> web.Response:
    """Return an answer that says in constant words what is wrong: JSON, or text for people."""
    if page:
        answer = web.Response(status=status, text=f"{words}\n")
    else:
        answer = web.Response(status=status, body=_json(words), content_type="application/json")
    seal(answer.headers)
    answer.force_close()
    return answer


def raw_error(status: HTTPStatus, words: str) -> bytes:
    """Return the same as it goes over a connection, for one on which no request was understood."""
    body = _json(words)
    head = {**HEADERS, "Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in head.items())]
    return "\r\n".join((*lines, "", "")).encode("ascii") + body


def _json(words: str) -> bytes:
    return msgspec.json.encode({"error": words, "problems": []})
