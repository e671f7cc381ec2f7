"""What the guard's decisions need to remember: the token, sessions, and how many wrong tokens came."""

from collections.abc import Iterator
from http import HTTPStatus

import structlog
from aiohttp import web

from monitor.plan import WebPlan
from monitor.ports import Clock
from monitor.web import guard
from monitor.web.context import Access, Route
from monitor.web.forms import fields_of
from monitor.web.guard import Asked, Proof, Refusal, Why
from monitor.web.limits import Limits
from monitor.web.session import Sessions
from monitor.web.throttle import Throttle

log = structlog.get_logger()


class Keeper:
    """Decides about requests.

    Args:
        plan: the token and the names of this machine; may be replaced while it runs.
        clock: for sessions and the throttle.
        limits: how many wrong tokens are told so.
    """

    def __init__(self, plan: WebPlan, clock: Clock, limits: Limits) -> None:
        self.plan = plan
        self.sessions = Sessions(clock)
        self._clock = clock
        self._wrong = Throttle(limits.wrong_tokens)

    @property
    def cookie(self) -> str:
        """The name of the session's cookie. Browsers keep cookies by host, whatever the port."""
        return f"position_monitor_{self.plan.port}"

    @property
    def token(self) -> str:
        """The configured token; empty if there is none."""
        return "" if self.plan.token is None else self.plan.token.reveal()

    def replace(self, plan: WebPlan) -> None:
        """Take another token and other names; a session lasts no longer than the token with which it began."""
        before, self.plan = self.token, plan
        if before != self.token:
            self.sessions.end_all()

    def session(self, request: web.Request) -> str:
        """Return the cookie's value of a session that lasts; empty if there is none."""
        return next(self._sessions_of(request), "")

    def end_session(self, request: web.Request) -> None:
        """End every session that a request shows."""
        for value in list(self._sessions_of(request)):
            self.sessions.end(value)

    def _sessions_of(self, request: web.Request) -> Iterator[str]:
        # A page on another port of this host may have set one of the same name, which comes before or behind ours.
        for header in request.headers.getall("Cookie", ()):
            for pair in header.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == self.cookie and self.sessions.known(value):
                    yield value

    def judge(self, request: web.Request, route: Route | None) -> Refusal | None:
        """Return why the head of a request is refused; a path that leads nowhere is kept like one that is read."""
        asked = asked_of(request)
        if refusal := guard.misdirected(asked, self.plan.names):
            return refusal
        if request.method != "POST" and (refusal := guard.fetched(asked, page=route is not None and route.page)):
            return refusal
        access = Access.READ if route is None else route.access
        shown = Proof.NOTHING
        if self.token and access is not Access.OPEN:
            shown = guard.proof(asked.authorizations, self.token, session=bool(self.session(request)))
            if shown is Proof.WRONG:
                return self.wrong()
        refusal = guard.unproven(access, shown, token=bool(self.token))
        if refusal is None and request.method == "POST" and route is not None:
            refusal = guard.foreign(asked, shown) or guard.unreadable(asked, form=route.page)
        return refusal

    def wrong(self) -> Refusal:
        """Return the answer to a wrong token."""
        if self._wrong.take(self._clock.mono_s()):
            log.warning("web.wrong_token")
            return Refusal(HTTPStatus.UNAUTHORIZED, Why.TOKEN, "this is not the token")
        return Refusal(HTTPStatus.TOO_MANY_REQUESTS, Why.THROTTLED, "too many wrong tokens; try again in a minute")

    async def judge_form(self, request: web.Request, route: Route) -> Refusal | None:
        """Return why a form is refused whose body was read: it does not come from a page of its session.

        Who shows the token itself is no browser that was talked into it, and needs no form token.
        """
        session = self.session(request)
        if not route.page or route.access is not Access.CHANGE or request.headers.get("Authorization"):
            return None
        given = (await fields_of(request)).get("form_token", "")
        if self.sessions.is_form_token(given, session):
            return None
        return Refusal(HTTPStatus.FORBIDDEN, Why.FORM, "this page is too old; load it again")


def asked_of(request: web.Request) -> Asked:
    """Return what of a request its head's verdict goes by."""

    def every(name: str) -> tuple[str, ...]:
        return tuple(request.headers.getall(name, ()))

    transport = request.transport
    local = (transport and transport.get_extra_info("sockname")) or ("0.0.0.0",)  # noqa: S104 - gone already
    return Asked(
        method=request.method,
        target=request.raw_path,
        local=local[0],
        hosts=every("Host"),
        authorizations=every("Authorization"),
        origins=every("Origin"),
        sites=every("Sec-Fetch-Site"),
        modes=every("Sec-Fetch-Mode"),
        content_type=request.content_type if len(every("Content-Type")) == 1 else "",
        charset=(request.charset or "").lower(),
        encodings=every("Content-Encoding"),
    )
