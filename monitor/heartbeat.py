"""The ping outward: a service elsewhere raises the alarm once it stays away. It is sent only while all is well.

Nothing here can delay an alert: it is a job of its own that asks one address, one request at a time, and that is
cancelled first when the service stops. The address carries a token: it leaves this module in requests only.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import aiohttp
import structlog

from monitor import __version__
from monitor.config import Secret
from monitor.health import Health
from monitor.ports import Clock, Job
from monitor.status import HeartbeatView

log = structlog.get_logger()

TIMEOUT_S: Final = 10.0
AGAIN_S: Final = 5.0  # between two looks while all is not well; to the first, for marks have to arrive
# Started anew after a fault of its own it waits so long that its deaths can never end the whole service.
RESTART_S: Final = 60.0
TELL_AFTER_S: Final = 20.0  # what passes by itself, such as a connection that is made anew, is no failure
RETRY_S: Final = 5.0  # after a ping that was not accepted, doubling up to the interval
JITTER: Final = 0.1  # of the interval, taken off: a service expects pings at least that often
_LARGEST_ANSWER: Final = 1024

NOT_FOUND: Final = "not_found"
RATE_LIMITED: Final = "rate_limited"
REDIRECTED: Final = "redirected"
REFUSED: Final = "refused"
SERVER_ERROR: Final = "server_error"
TIMED_OUT: Final = "timed_out"
TLS_FAILED: Final = "tls_failed"
UNREACHABLE: Final = "unreachable"
BAD_ADDRESS: Final = "bad_address"


class Kind(StrEnum):
    """Whose address it is."""

    HEALTHCHECKS = "healthchecks"
    UPTIME_KUMA = "uptime-kuma"


class Signal(StrEnum):
    """What is told."""

    UP = "up"
    DOWN = "down"


class Request(NamedTuple):
    """One request; ``url`` is a secret."""

    method: str
    url: str
    body: str | None = None


class HeartbeatPlan(NamedTuple):
    """Where to ping, and how often."""

    url: Secret
    kind: str = "auto"  # or a Kind
    interval_s: float = 60.0
    tell_failure: bool = True
    timeout_s: float = TIMEOUT_S


def kind_of(kind: str, url: str) -> Kind:
    """Return whose address it is; ``auto`` goes by its path."""
    if kind != "auto":
        return Kind(kind)
    return Kind.UPTIME_KUMA if "/api/push/" in urlsplit(url).path else Kind.HEALTHCHECKS


def request(kind: Kind, url: str, signal: Signal, reasons: Sequence[str] = ()) -> Request:
    """Return what to send.

    Args:
        kind: whose address it is.
        url: as the service shows it; what a push monitor's shows of status and message is replaced.
        signal: what is told.
        reasons: why, in constant words.
    """
    parts = urlsplit(url)
    words = "; ".join(reasons)
    if kind is Kind.UPTIME_KUMA:
        kept = [pair for pair in parse_qsl(parts.query) if pair[0] not in {"status", "msg", "ping"}]
        query = urlencode([*kept, ("status", signal.value), ("msg", words or "OK"), ("ping", "")])
        return Request("GET", urlunsplit(parts._replace(query=query)))
    path = parts.path.rstrip("/") + ("/fail" if signal is Signal.DOWN else "")
    # POST, for a check may be set to take nothing else.
    return Request("POST", urlunsplit(parts._replace(path=path)), words)


def judge(kind: Kind, status: int, body: bytes) -> str:
    """Return why an answer does not mean that the ping was taken; empty if it does."""
    text = body.decode("utf-8", "replace").lower()
    if status == 429 or (kind is Kind.HEALTHCHECKS and "rate limited" in text):  # noqa: PLR2004 - as HTTP has it
        return RATE_LIMITED
    # One answers 200 to identifiers it does not know; the other says so in its body, whatever the status.
    unknown = "not found" in text if kind is Kind.HEALTHCHECKS else '"ok":false' in text.replace(" ", "")
    if status in {404, 410} or (status < 300 and unknown):  # noqa: PLR2004
        return NOT_FOUND
    kinds = {2: "", 3: REDIRECTED, 5: SERVER_ERROR}
    return kinds.get(status // 100, REFUSED)


class Rhythm:
    """When which signal is due. Pure; monotonic seconds are handed in.

    A failure is told once, after it has lasted; what is well again after it was told is pinged at once.

    Args:
        interval_s: between two pings that were accepted.
        rand: numbers in [0, 1) that keep many services from pinging at once.
        tell_failure: whether a failure is told, or the pings only stay away.
    """

    def __init__(self, interval_s: float, rand: Callable[[], float], *, tell_failure: bool) -> None:
        self._interval_s = interval_s
        self._rand = rand
        self._tell_failure = tell_failure
        self._up_s = -math.inf  # when the next ping is due
        self._down_s = -math.inf  # before which no second failure is told, however often it comes and goes
        self._held_s = -math.inf  # before which nothing is tried again
        self._bad_since_s: float | None = None
        self._told = False  # the service elsewhere was told that all is not well
        self._failures = 0  # attempts since one was accepted

    def look_in_s(self, now_s: float) -> float:
        """Return in how many seconds to look again."""
        if self._bad_since_s is not None:
            return AGAIN_S
        return max(self._next_s() - now_s, 0.0)

    def due(self, now_s: float, *, ok: bool) -> Signal | None:
        """Take whether all is well, and return what to tell now."""
        if ok:
            self._bad_since_s = None
            return Signal.UP if now_s >= self._next_s() else None
        if self._bad_since_s is None:
            self._bad_since_s = now_s
        may = self._tell_failure and not self._told and now_s >= max(self._down_s, self._held_s)
        return Signal.DOWN if may and self.lasting(now_s) else None

    def lasting(self, now_s: float) -> bool:
        """Return whether all has not been well for so long that it passes for a failure."""
        return self._bad_since_s is not None and now_s - self._bad_since_s >= TELL_AFTER_S

    def sent(self, signal: Signal, now_s: float, *, accepted: bool) -> None:
        """Take what became of a signal."""
        if not accepted:
            self._held_s = now_s + min(self._interval_s, RETRY_S * 2.0 ** min(self._failures, 16))
            self._failures += 1
            return
        self._failures = 0
        self._told = signal is Signal.DOWN
        if signal is Signal.UP:
            self._up_s = now_s + self._interval_s * (1 - JITTER * self._rand())
        else:
            self._down_s = now_s + self._interval_s

    def _next_s(self) -> float:
        return self._held_s if self._told else max(self._up_s, self._held_s)


class OutwardHeartbeat:
    """Pings while ``look`` says that all is well.

    Args:
        plan: where to, and how often.
        look: judges the service; called once for each ping, and every few seconds while all is not well.
        clock: for the rhythm. A request's own time-out is of the machine's clock.
        rand: numbers in [0, 1) that spread pings.
    """

    def __init__(
        self, plan: HeartbeatPlan, look: Callable[[], Awaitable[Health]], clock: Clock, rand: Callable[[], float]
    ) -> None:
        self._plan = plan
        self._kind = kind_of(plan.kind, plan.url.reveal())
        self._look = look
        self._clock = clock
        self._rhythm = Rhythm(plan.interval_s, rand, tell_failure=plan.tell_failure)
        self._session: aiohttp.ClientSession | None = None
        self._begun = False
        self._health = Health()
        self._withheld: tuple[str, ...] = ()  # why, as it stands in the log
        self._pings = self._failures = self._told = 0
        self._last_ms: int | None = None
        self._failing = False
        self._last_error = ""

    def jobs(self) -> Sequence[Job]:
        """Return what must run; cancelling it ends a request under way."""
        return (Job("outward-heartbeat", self._run),)

    def view(self) -> HeartbeatView:
        """Return what it has done; without the address."""
        return HeartbeatView(
            kind=self._kind.value,
            ok=self._health.ok,
            reasons=self._health.reasons,
            pings=self._pings,
            failures=self._failures,
            told=self._told,
            last_ms=self._last_ms,
            failing=self._failing,
            last_error=self._last_error,
        )

    async def close(self) -> None:
        """Let go of the connection; calling it twice is fine."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _run(self) -> None:
        await self._clock.sleep(RESTART_S if self._begun else AGAIN_S)
        self._begun = True
        while True:
            self._health = await self._look()
            now_s = self._clock.mono_s()
            signal = self._rhythm.due(now_s, ok=self._health.ok)
            self._log_health(lasting=self._rhythm.lasting(now_s))
            if signal is not None:
                error = await self._send(
                    request(self._kind, self._plan.url.reveal(), signal, self._health.reasons)
                )
                self._rhythm.sent(signal, self._clock.mono_s(), accepted=not error)
                self._count(signal, error)
            await self._clock.sleep(self._rhythm.look_in_s(self._clock.mono_s()))

    async def _send(self, asked: Request) -> str:
        """Return why it was not accepted, in a constant word; empty if it was."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._plan.timeout_s),
                # A connection of its own each time: one that was kept may have died unnoticed in between.
                connector=aiohttp.TCPConnector(limit=1, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"position-monitor/{__version__}"},
                trust_env=True,  # as messages go out: through the proxy of the environment
            )
        try:
            # A redirect would take the token elsewhere.
            async with self._session.request(
                asked.method, asked.url, data=asked.body, allow_redirects=False
            ) as answer:
                return judge(self._kind, answer.status, await answer.content.read(_LARGEST_ANSWER))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Their texts may quote the address; their kinds do not.
            return reason_of(error)

    def _count(self, signal: Signal, error: str) -> None:
        if error:
            self._failures += 1
            if not self._failing or error != self._last_error:
                log.warning("outward_heartbeat.failing", kind=self._kind.value, reason=error)
            self._failing, self._last_error = True, error
            return
        if self._failing:
            log.info("outward_heartbeat.back", kind=self._kind.value)
        self._failing = False
        if signal is Signal.UP:
            self._pings += 1
            self._last_ms = self._clock.wall_ms()
        else:
            self._told += 1

    def _log_health(self, *, lasting: bool) -> None:
        if lasting and self._health.reasons != self._withheld:
            self._withheld = self._health.reasons
            log.warning("outward_heartbeat.withheld", reasons=self._withheld)
        elif self._health.ok and self._withheld:
            self._withheld = ()
            log.info("outward_heartbeat.resumed")


def reason_of(error: Exception) -> str:
    """Return a constant word for a request that failed."""
    kinds: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        (TimeoutError, TIMED_OUT),
        (aiohttp.ClientSSLError, TLS_FAILED),
        ((aiohttp.InvalidURL, ValueError), BAD_ADDRESS),
        ((aiohttp.ClientError, OSError), UNREACHABLE),
    )
    return next((reason for kind, reason in kinds if isinstance(error, kind)), UNREACHABLE)
