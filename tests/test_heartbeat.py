"""The ping outward: to whom, when, and what may go wrong with it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from monitor.config import Secret
from monitor.health import MARKS, STATE, Health, Trouble
from monitor.heartbeat import (
    AGAIN_S,
    BAD_ADDRESS,
    NOT_FOUND,
    RATE_LIMITED,
    REDIRECTED,
    REFUSED,
    RETRY_S,
    SERVER_ERROR,
    TELL_AFTER_S,
    TIMED_OUT,
    TLS_FAILED,
    UNREACHABLE,
    HeartbeatPlan,
    Kind,
    OutwardHeartbeat,
    Rhythm,
    Signal,
    judge,
    kind_of,
    reason_of,
    request,
)
from monitor.supervise import DEATHS_ALLOWED, supervise
from monitor.system_clock import SystemClock
from tests.conftest import ManualClock
from tests.ping_service import CHECK, TOKEN, PingService, ping_service

WELL = Health()
BLIND = Health((Trouble(MARKS),))
INTERVAL_S = 60.0
HANGS_S = 60.0  # of the machine's clock: what hangs in a test lasts as long as no test does
UUID = "https://hc-ping.com/4b0e5a6e"
PUSH = "https://kuma.example/api/push/abc"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment lies between these tests and their service."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


# Requests and answers.


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (UUID, Kind.HEALTHCHECKS),
        (f"{PUSH}?status=up", Kind.UPTIME_KUMA),
        ("https://x/sub/api/push/abc", Kind.UPTIME_KUMA),
        ("https://x/?to=/api/push/abc", Kind.HEALTHCHECKS),
    ],
)
def test_an_address_says_whose_it_is_unless_the_configuration_does(url: str, kind: Kind) -> None:
    """A push monitor has a path of its own; what is configured wins."""
    assert kind_of("auto", url) is kind
    assert kind_of("healthchecks", url) is Kind.HEALTHCHECKS
    assert kind_of("uptime-kuma", url) is Kind.UPTIME_KUMA


@pytest.mark.parametrize(
    ("kind", "url", "signal", "method", "expected"),
    [
        (Kind.HEALTHCHECKS, UUID, Signal.UP, "POST", UUID),
        (Kind.HEALTHCHECKS, UUID, Signal.DOWN, "POST", f"{UUID}/fail"),
        (Kind.HEALTHCHECKS, f"{UUID}/?create=1", Signal.DOWN, "POST", f"{UUID}/fail?create=1"),
        (Kind.UPTIME_KUMA, f"{PUSH}?status=up&msg=OK&ping=", Signal.UP, "GET", f"{PUSH}?status=up&msg=OK&ping="),
        (Kind.UPTIME_KUMA, PUSH, Signal.UP, "GET", f"{PUSH}?status=up&msg=OK&ping="),
        (
            Kind.UPTIME_KUMA, f"{PUSH}?status=up&a=b+c", Signal.DOWN, "GET",
            f"{PUSH}?a=b+c&status=down&msg=marks+are+not+fresh%3B+b%26c&ping=",
        ),
    ],
)  # fmt: skip
def test_each_kind_is_told_in_its_own_way(
    kind: Kind, url: str, signal: Signal, method: str, expected: str
) -> None:
    """One has a path for failures, the other a query; what else the address holds is kept."""
    reasons = (MARKS, "b&c") if signal is Signal.DOWN else ()
    asked = request(kind, url, signal, reasons)
    assert (asked.method, asked.url) == (method, expected)
    if kind is Kind.HEALTHCHECKS:
        assert asked.body == "; ".join(reasons)


@pytest.mark.parametrize(
    ("kind", "status", "body", "expected"),
    [
        (Kind.HEALTHCHECKS, 200, b"OK", ""),
        (Kind.HEALTHCHECKS, 201, b"Created", ""),
        (Kind.HEALTHCHECKS, 200, b"", ""),
        (Kind.HEALTHCHECKS, 200, b"OK (not found)", NOT_FOUND),
        (Kind.HEALTHCHECKS, 200, b"OK (rate limited)", RATE_LIMITED),
        (Kind.HEALTHCHECKS, 404, b"not found", NOT_FOUND),
        (Kind.HEALTHCHECKS, 429, b"", RATE_LIMITED),
        (Kind.HEALTHCHECKS, 301, b"", REDIRECTED),
        (Kind.HEALTHCHECKS, 405, b"", REFUSED),
        (Kind.HEALTHCHECKS, 503, b"\xff", SERVER_ERROR),
        (Kind.UPTIME_KUMA, 200, b'{"ok":true}', ""),
        (Kind.UPTIME_KUMA, 200, b'{"ok": false, "msg": "Monitor not found or not active."}', NOT_FOUND),
        (Kind.UPTIME_KUMA, 404, b'{"ok":false}', NOT_FOUND),
        (Kind.UPTIME_KUMA, 500, b'{"ok":false}', SERVER_ERROR),
    ],
)
def test_an_answer_is_no_acceptance_because_its_status_is_200(
    kind: Kind, status: int, body: bytes, expected: str
) -> None:
    """A check that was deleted is answered with 200 by one; of the other the body counts as well."""
    assert judge(kind, status, body) == expected


# The rhythm.


def rhythm(*, tell_failure: bool = True) -> Rhythm:
    return Rhythm(INTERVAL_S, lambda: 0.5, tell_failure=tell_failure)


def test_pings_come_a_little_more_often_than_promised() -> None:
    """The service is told an interval; the jitter only ever shortens it."""
    one = rhythm()
    assert one.due(0.0, ok=True) is Signal.UP
    one.sent(Signal.UP, 0.0, accepted=True)
    assert one.look_in_s(0.0) == pytest.approx(57.0)
    assert one.due(56.9, ok=True) is None
    assert one.due(57.1, ok=True) is Signal.UP


def test_what_passes_by_itself_is_not_told() -> None:
    """A connection that is made anew takes seconds; the ping follows as soon as all is well."""
    one = rhythm()
    assert one.due(0.0, ok=False) is None
    assert one.look_in_s(0.0) == AGAIN_S
    assert one.due(TELL_AFTER_S - 0.1, ok=False) is None
    assert one.due(TELL_AFTER_S, ok=True) is Signal.UP


def test_a_failure_is_told_once_and_its_end_at_once() -> None:
    """Pings stay away in between; the end does not wait for the interval."""
    one = rhythm()
    one.sent(Signal.UP, 0.0, accepted=True)
    assert one.due(57.0, ok=False) is None
    assert one.due(57.0 + TELL_AFTER_S, ok=False) is Signal.DOWN
    one.sent(Signal.DOWN, 77.0, accepted=True)
    assert all(one.due(77.0 + after, ok=False) is None for after in range(0, 7200, 5))
    assert one.due(7300.0, ok=True) is Signal.UP


def test_the_end_of_a_failure_that_was_told_does_not_wait_for_the_interval() -> None:
    """A short one that was not told does: the service elsewhere knows of nothing."""
    told, untold = rhythm(), rhythm()
    for one in (told, untold):
        one.sent(Signal.UP, 0.0, accepted=True)
        assert one.due(5.0, ok=False) is None
    assert untold.due(15.0, ok=True) is None
    assert told.due(25.0, ok=False) is Signal.DOWN
    told.sent(Signal.DOWN, 25.0, accepted=True)
    assert told.due(30.0, ok=True) is Signal.UP


def test_what_comes_and_goes_is_told_once_an_interval() -> None:
    """The service elsewhere counts requests."""
    one = rhythm()
    assert one.due(0.0, ok=False) is None
    assert one.due(20.0, ok=False) is Signal.DOWN
    one.sent(Signal.DOWN, 20.0, accepted=True)
    assert one.due(25.0, ok=True) is Signal.UP
    one.sent(Signal.UP, 25.0, accepted=True)
    assert one.due(30.0, ok=False) is None
    assert one.due(79.0, ok=False) is None
    assert one.due(81.0, ok=False) is Signal.DOWN


def test_where_failures_are_not_told_pings_only_stay_away() -> None:
    """It is the service that raises the alarm then."""
    one = rhythm(tell_failure=False)
    assert all(one.due(at, ok=False) is None for at in range(0, 7200, 5))
    assert one.due(7200.0, ok=True) is Signal.UP


def test_what_was_not_accepted_is_tried_again_ever_later() -> None:
    """Doubling up to the interval; of a failure that was not taken the end is still told in time."""
    one, at, gaps = rhythm(), 0.0, []
    for _ in range(6):
        assert one.due(at, ok=True) is Signal.UP
        one.sent(Signal.UP, at, accepted=False)
        gaps.append(one.look_in_s(at))
        assert one.due(at + gaps[-1] - 0.01, ok=True) is None
        at += gaps[-1]
    assert gaps == [RETRY_S, 2 * RETRY_S, 4 * RETRY_S, 8 * RETRY_S, INTERVAL_S, INTERVAL_S]
    one.sent(Signal.UP, at, accepted=True)
    assert one.look_in_s(at) == pytest.approx(57.0)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0.1, 90.0)), max_size=60),
    st.booleans(),
    st.floats(0.0, 0.999),
)
def test_whatever_happens_nothing_is_well_that_is_not(
    steps: Sequence[tuple[bool, bool, float]], tell_failure: bool, random: float  # noqa: FBT001
) -> None:  # fmt: skip
    """Up only while all is well, down only after it has lasted, and no service is asked more than it likes."""
    one = Rhythm(INTERVAL_S, lambda: random, tell_failure=tell_failure)
    at, since, sent = 0.0, None, []
    for ok, accepted, more in steps:
        at += max(more, one.look_in_s(at))
        since = None if ok else at if since is None else since
        signal = one.due(at, ok=ok)
        if signal is not None:
            assert (signal is Signal.UP) is ok
            assert signal is Signal.UP or (since is not None and at - since >= TELL_AFTER_S and tell_failure)
            one.sent(signal, at, accepted=accepted)
            sent.append(at)
    for start in sent:
        assert sum(start <= other < start + INTERVAL_S for other in sent) <= 6


# The job, against a service.


class Running:
    """A heartbeat under way, and what it is told about the service it stands for."""

    def __init__(self, heart: OutwardHeartbeat, service: PingService, clock: ManualClock) -> None:
        self.heart, self.service, self.clock = heart, service, clock
        self.health = WELL

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await SystemClock().sleep(0.002)

    async def past(self, seconds: float) -> None:
        """Let time pass, and every request come to its end before more of it does."""
        end = self.clock.mono_s() + seconds
        while (wake := self.clock.next_wake()) is not None and wake <= end:
            await self.clock.advance(wake - self.clock.mono_s())
            await self.until(lambda: self.clock.next_wake() is not None)
        await self.clock.advance(end - self.clock.mono_s())


@asynccontextmanager
async def running(
    clock: ManualClock, *, kind: Kind = Kind.HEALTHCHECKS, url: str = "", tell_failure: bool = True,
    timeout_s: float = 10.0,
) -> AsyncIterator[Running]:  # fmt: skip
    """A heartbeat at a service of its kind, of which all is well at first."""

    async def look() -> Health:
        return one.health

    async with ping_service() as service:
        address = url or (service.check if kind is Kind.HEALTHCHECKS else service.monitor)
        plan = HeartbeatPlan(Secret(address), "auto", INTERVAL_S, tell_failure, timeout_s)
        heart = OutwardHeartbeat(plan, look, clock, lambda: 0.0)
        one = Running(heart, service, clock)
        (job,) = heart.jobs()

        async def run() -> None:
            await job.run()

        try:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(run())
                await one.until(lambda: clock.next_wake() is not None)
                try:
                    yield one
                finally:
                    task.cancel()
        finally:
            await heart.close()
            await heart.close()


@pytest.mark.parametrize("kind", Kind)
async def test_pings_arrive_at_their_interval_while_all_is_well(clock: ManualClock, kind: Kind) -> None:
    """The first after a few seconds; who pings is said, and nothing else."""
    async with running(clock, kind=kind) as one:
        await one.past(AGAIN_S + 5 * INTERVAL_S)
        assert one.service.signals() == ["up"] * 6
        assert {ping.agent.split("/")[0] for ping in one.service.pings} == {"position-monitor"}
        assert {ping.words for ping in one.service.pings} == {"OK" if kind is Kind.UPTIME_KUMA else ""}
        view = one.heart.view()
        assert (view.kind, view.ok, view.pings, view.failures, view.failing) == (kind.value, True, 6, 0, False)
        assert view.last_ms == clock.wall_ms()


@pytest.mark.parametrize("kind", Kind)
async def test_pings_stop_while_all_is_not_well_and_come_back(clock: ManualClock, kind: Kind) -> None:
    """The failure is told once with its reasons, its end at once."""
    async with running(clock, kind=kind) as one:
        await one.past(AGAIN_S)
        one.health = BLIND
        await one.past(3600.0)
        down = "down" if kind is Kind.UPTIME_KUMA else "fail"
        assert one.service.signals() == ["up", down]
        assert one.service.pings[-1].words == MARKS
        assert (one.heart.view().reasons, one.heart.view().told) == ((MARKS,), 1)
        one.health = WELL
        await one.past(AGAIN_S)
        assert one.service.signals() == ["up", down, "up"]


async def test_without_telling_failures_nothing_is_asked_while_all_is_not_well(clock: ManualClock) -> None:
    """Silence is the message."""
    async with running(clock, tell_failure=False) as one:
        one.health = BLIND
        await one.past(3600.0)
        assert one.service.asked == 0


@pytest.mark.parametrize(
    ("kind", "mode", "reason"),
    [
        (kind, mode, reason)
        for mode, reason in (
            ("500", SERVER_ERROR),
            ("429", RATE_LIMITED),
            ("limited", RATE_LIMITED),
            ("redirect", REDIRECTED),
            ("cut", UNREACHABLE),
            ("unknown", NOT_FOUND),
        )
        for kind in Kind
        if (kind, mode) != (Kind.UPTIME_KUMA, "limited")  # only the other answers so
    ],
)
async def test_a_service_that_does_not_take_pings_is_told_of_on_edges(
    clock: ManualClock, kind: Kind, mode: str, reason: str
) -> None:
    """Counted, shown, logged once with its end, and followed nowhere: a redirect would take the token along."""
    async with running(clock, kind=kind) as one:
        one.service.mode, one.service.known = mode, mode != "unknown"
        with capture_logs() as logs:
            await one.past(600.0)
            view = one.heart.view()
            assert (view.failing, view.last_error, view.pings) == (True, reason, 0)
            assert view.failures > 5
            # The library asks once more by itself where a connection ended without an answer.
            assert one.service.asked == view.failures * (2 if (mode, kind) == ("cut", Kind.UPTIME_KUMA) else 1)
            assert one.service.pings == []
            one.service.mode, one.service.known = "well", True
            await one.past(INTERVAL_S)
        assert one.service.signals() == ["up"]
        assert [(entry["event"], entry.get("reason")) for entry in logs] == [
            ("outward_heartbeat.failing", reason),
            ("outward_heartbeat.back", None),
        ]


async def test_a_service_that_hangs_is_given_up_after_its_time(clock: ManualClock) -> None:
    """One request at a time, whatever the clock says meanwhile."""
    async with running(clock, timeout_s=0.05) as one:
        one.service.mode = "hang"
        await one.past(AGAIN_S)
        await one.until(lambda: one.heart.view().failures == 1)
        assert one.heart.view().last_error == TIMED_OUT
        assert one.service.asked <= 1  # none where the time was over before the connection stood


async def test_one_that_hangs_delays_no_end(clock: ManualClock) -> None:
    """Cancelled like every input; nothing is left open, which pytest would complain about."""
    async with running(clock, timeout_s=HANGS_S) as one:
        one.service.mode = "hang"
        await one.clock.advance(AGAIN_S)
        await one.until(lambda: one.service.asked == 1)
        begun_s = SystemClock().mono_s()
    assert SystemClock().mono_s() - begun_s < HANGS_S / 2


async def test_nobody_there_is_a_failure_like_any_other(clock: ManualClock) -> None:
    """A port on which nothing listens: no exception ends the job."""
    async with running(clock, url=f"http://127.0.0.1:1/{CHECK}") as one:
        await one.past(AGAIN_S)
        assert one.heart.view().last_error == UNREACHABLE


async def test_a_host_that_speaks_no_tls_is_told_as_such(clock: ManualClock) -> None:
    """It is the certificate or a proxy then, not the network."""
    async with ping_service() as plain, running(clock, url=plain.check.replace("http:", "https:")) as one:
        await one.past(AGAIN_S)
        assert one.heart.view().last_error == TLS_FAILED


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (aiohttp.ServerTimeoutError("hush"), TIMED_OUT),
        (aiohttp.InvalidURL("hush"), BAD_ADDRESS),
        (UnicodeError("hush"), BAD_ADDRESS),
        (aiohttp.ClientPayloadError("hush"), UNREACHABLE),
        (ConnectionResetError("hush"), UNREACHABLE),
    ],
)
def test_errors_become_constant_words(error: Exception, expected: str) -> None:
    """Their texts may quote the address."""
    assert reason_of(error) == expected


@pytest.mark.parametrize("kind", Kind)
async def test_the_address_is_nowhere_but_in_requests(clock: ManualClock, kind: Kind) -> None:
    """Not in the log, the status, or what objects say of themselves, whatever goes wrong."""
    with capture_logs() as logs:
        async with running(clock, kind=kind, timeout_s=0.05) as one:
            for mode in ("well", "500", "redirect", "cut", "hang"):
                one.service.mode = mode
                await one.past(INTERVAL_S)
            one.health = Health((Trouble(STATE),))
            await one.past(INTERVAL_S)
            seen = repr([one.heart.view(), one.heart, vars(one.heart)["_plan"], logs])
    assert len(logs) >= 4
    for hidden in (CHECK, TOKEN, one.service.base, "127.0.0.1"):
        assert hidden not in json.dumps(seen)


async def test_the_log_tells_of_pings_withheld_only_where_that_lasts(clock: ManualClock) -> None:
    """The first seconds of a run are never well, and nobody has to read so."""
    with capture_logs() as logs:
        async with running(clock) as one:
            one.health = BLIND
            await one.past(AGAIN_S + TELL_AFTER_S - 1)
            assert logs == []
            await one.past(60.0)
            one.health = Health((Trouble(MARKS), Trouble(STATE)))
            await one.past(60.0)
            one.health = WELL
            await one.past(60.0)
    assert [(entry["event"], entry.get("reasons")) for entry in logs] == [
        ("outward_heartbeat.withheld", (MARKS,)),
        ("outward_heartbeat.withheld", (MARKS, STATE)),
        ("outward_heartbeat.resumed", None),
    ]


async def test_a_fault_of_its_own_never_ends_the_service(clock: ManualClock) -> None:
    """Started anew it waits so long that the supervisor's limit on deaths cannot be reached."""
    looks = 0

    async def look() -> Health:
        nonlocal looks
        looks += 1
        raise RuntimeError

    heart = OutwardHeartbeat(HeartbeatPlan(Secret("http://127.0.0.1:1/x")), look, clock, lambda: 0.0)
    run = supervise(heart.jobs()[0], clock)
    with capture_logs():
        async with asyncio.TaskGroup() as group:
            task = group.create_task(run())
            await clock.advance(3600.0)
            assert not task.done()
            task.cancel()
    assert looks > 2 * DEATHS_ALLOWED
