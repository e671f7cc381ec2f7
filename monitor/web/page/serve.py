"""The status page at /, and what its buttons do. See ``monitor.web.page``."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from monitor.account_rows import account_rows
from monitor.commands import Answer, in_words
from monitor.core.notices import HoldKind
from monitor.errors import ControlError
from monitor.notify.times import local_time
from monitor.status import Status
from monitor.web.api import by
from monitor.web.context import Access, Context, Route
from monitor.web.forms import fields_of
from monitor.web.page import alerts, tables, top
from monitor.web.page.looked_up import LookedUp
from monitor.web.page.markup import Html, tag
from monitor.web.page.seen import Seen, legs_of, worst_first
from monitor.web.shapes import Lift, Wish

SAID_S: Final = 15.0
_SECONDS: Final = re.compile("[0-9]{1,7}")
_DONE: Final = {HoldKind.ACK: "Acknowledged", HoldKind.SNOOZE: "Snoozed", HoldKind.MUTE: "Muted"}
_FORGOTTEN: Final = " It holds, but state.db did not take it: a restart would forget it."


def routes(context: Context) -> Sequence[Route]:
    """Return the page and its two forms."""
    page = Page(context)
    return (
        Route("GET", "/", page.show, page=True),
        Route("POST", "/hold", page.hold, Access.CHANGE, page=True),
        Route("POST", "/lift", page.lift, Access.CHANGE, page=True),
    )


class Page:
    """One page for all who look; it is drawn once for each snapshot and session."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._looked_up = LookedUp(context)
        self._drawn: dict[str, bytes] = {}  # by form token
        self._drawn_of: Status | None = None
        self._said = ""
        self._said_s = 0.0

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the page."""
        found = self._context.snapshot()
        told, lines = await self._looked_up.told(), await self._looked_up.lines(found)
        if found is not self._drawn_of:
            self._drawn, self._drawn_of = {}, found
        token = self._context.form_token(request)
        body = self._drawn.get(token)
        if body is None:
            seen = Seen(
                status=found, health=self._context.watched.health(), zone=self._context.watched.time_zone,
                advice=self._looked_up.advice(found), lines=lines, told=told, form_token=token,
                can_change=self._context.can_change(), followed=account_rows(found),
                worst=worst_first(found.engine.wallets), legs=legs_of(found.engine.positions),
                said=self._said if self._context.clock.mono_s() - self._said_s < SAID_S else "",
            )  # fmt: skip
            body = self._drawn[token] = document(seen).encode()
        return web.Response(body=body, content_type="text/html", charset="utf-8")

    async def hold(self, request: web.Request) -> web.Response:
        """Acknowledge, snooze or mute what a form says."""
        form = await fields_of(request)
        given: dict[str, Any] = {"kind": form.get("kind"), "targets": [form.get("target")]}
        try:
            wish = msgspec.convert(given | {"for_s": _seconds(form.get("for_s", ""))}, Wish)
        except msgspec.ValidationError:
            return _sorry(HTTPStatus.UNPROCESSABLE_ENTITY, "This form cannot be understood.")
        asked = {**given, "for_s": wish.for_s, "why": "", "by": by(request)}
        try:
            answer = await self._context.watched.hold(asked)
        except ControlError as error:
            return _sorry(HTTPStatus.CONFLICT, f"Nothing was changed: {error}.")
        return self._done(answer)

    async def lift(self, request: web.Request) -> web.Response:
        """Take back what a form says."""
        form = await fields_of(request)
        try:
            wanted = msgspec.convert({"target": form.get("target")}, Lift)
        except msgspec.ValidationError:
            return _sorry(HTTPStatus.UNPROCESSABLE_ENTITY, "This form cannot be understood.")
        try:
            answer = await self._context.watched.lift({"target": wanted.target})
        except ControlError as error:
            return _sorry(HTTPStatus.CONFLICT, f"Nothing was changed: {error}.")
        return self._done(answer)

    def _done(self, answer: object) -> web.Response:
        self._context.changed()
        self._drawn_of = None
        if isinstance(answer, Answer):
            self._said, self._said_s = self._words(answer), self._context.clock.mono_s()
        return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/#alerts"})

    def _words(self, answer: Answer) -> str:
        zone = self._context.watched.time_zone
        made = [
            f"{_DONE[one.kind]} until {local_time(one.until_ms, zone)}: {in_words(one.target)}."
            for one in answer.made
        ]
        lifted = [f"Taken back: {in_words(one.target)}." for one in answer.lifted]
        worse = " Told all the same: whatever gets worse, and how it ends." if made else ""
        return f"{' '.join((*made, *lifted))}{worse}{'' if answer.recorded else _FORGOTTEN}"


def _seconds(text: str) -> int | None:
    """Return what one of our buttons sends; Python takes more for a number than that."""
    return int(text) if _SECONDS.fullmatch(text) else None


def document(seen: Seen) -> str:
    """Return the whole page."""
    words = top.verdict(seen)
    return "<!doctype html>\n" + tag(
        "html",
        _head(f"{words} - position-monitor"),
        tag(
            "body",
            tag("p", "", id="silence", class_="silence", role="alert", hidden=True),
            tag("p", words, id="verdict", role="status", class_="unseen"),
            tag("div", top.watch(seen), class_="live"),
            tag(
                "main",
                top.wallets(seen), alerts.alerts(seen), tables.positions(seen), tables.told(seen),
                tables.channels(seen), tables.accounts(seen), tables.marks(seen), class_="live",
            ),
            tables.footer(seen),
        ),
        lang="en",
    )  # fmt: skip


def _head(title: str) -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="robots", content="noindex"),
        tag("title", title),
        tag("link", rel="stylesheet", href="/static/page.css"),
        tag("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        tag("script", "", src="/static/page.js", defer=True),
        # Without the script the browser asks again, and says itself when nobody answers.
        tag("noscript", tag("meta", http_equiv="refresh", content="10")),
    )


def _sorry(status: HTTPStatus, words: str) -> web.Response:
    text = "<!doctype html>\n" + tag(
        "html",
        _head("position-monitor"),
        tag("body", tag("main", tag("h1", words), tag("p", tag("a", "Back to the page", href="/")))),
        lang="en",
    )
    return web.Response(status=status, text=text, content_type="text/html")
