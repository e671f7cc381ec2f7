"""Which requests are answered at all: hosts, targets, methods, paths, and what every answer carries."""

import asyncio
import json
import socket
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor.health import Health, Trouble
from monitor.plan import WebPlan
from monitor.web import collected as collecting
from monitor.web import server
from monitor.web.answers import HEADERS, POLICY
from monitor.web.context import Route
from monitor.web.server import AGAIN_S, WebServer
from tests.conftest import ManualClock, settle
from tests.web.serving import LOCAL, Answer, FakeDaemon, serving, until

PATHS = ("/healthz", "/readyz", "/livez", "/metrics", "/login", "/static/login.css")


def is_sealed(answer: Answer) -> bool:
    """Whether an answer has every header that all have, once."""
    return all(answer.header(name.lower()) == value for name, value in HEADERS.items())


async def test_who_reads_on_loopback_needs_no_token_while_none_is_configured() -> None:
    """Health is read by anything on this machine."""
    async with serving() as served:
        for path in PATHS:
            answer = await served.ask(path)
            assert answer.status == (303 if path == "/login" else 200), path
            assert is_sealed(answer), path


async def test_head_is_answered_like_get_without_a_body() -> None:
    """Probes that only look at the status may spare the rest."""
    async with serving() as served:
        for path in PATHS:
            answer = await served.ask(path, "HEAD")
            assert answer.status == (await served.ask(path)).status, path
            assert answer.body == b""
            assert is_sealed(answer), path


async def test_every_error_is_sealed_and_says_nothing_of_the_inside() -> None:
    """Unknown paths, other methods, nonsense: no version, no traceback, no word of what was sent."""
    requests = (
        b"GET /tell-nobody HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        b"DELETE /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: tell-nobody.example\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTell Nobody: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: tell-nobody\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc tell-nobody\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: nothing\r\n\r\n",
    )
    async with serving() as served:
        for request in requests:
            answer = await served.send(request)
            assert 400 <= answer.status < 500, request
            assert is_sealed(answer), request
            assert answer.header("connection") in {"close", ""}, request
            for word in (b"tell-nobody", b"aiohttp", b"Python", b"Traceback", b"site-packages"):
                assert word not in answer.body, request
                assert all(word.decode() not in value for _, value in answer.headers), request
        # Whoever keeps connections would send the next request into one that is closed.
        assert answer.header("connection") == "close"


async def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    """Scripts, styles, pictures and data from here only; no frame around it and no form to elsewhere."""
    wanted = {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self'",
        "connect-src": "'self'", "form-action": "'self'", "frame-ancestors": "'none'", "base-uri": "'none'",
    }  # fmt: skip
    assert dict(part.strip().split(" ", 1) for part in POLICY.split(";")) == wanted
    async with serving() as served:
        answer = await served.ask("/healthz")
    assert answer.header("content-security-policy") == POLICY
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("cache-control") == "no-store"
    assert answer.header("access-control-allow-origin") == ""


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:80", "LOCALHOST:9757", "localhost.", "127.0.0.1", "127.0.0.1:1", "127.1.2.3", "[::1]",
     "[::1]:9757", "[0:0:0:0:0:0:0:1]", "monitor.lan", "monitor.lan.:443", "Monitor.LAN"],
)  # fmt: skip
async def test_names_of_this_machine_are_taken(host: str) -> None:
    """Loopback by every name, the names of the configuration, any port, a dot at the end."""
    async with serving(names=("monitor.lan",)) as served:
        assert (await served.ask("/healthz", host=host)).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:9757", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example.",
     "localhost.localdomain", "192.168.1.7", "[2001:db8::1]:9757", "[::2]", "0.0.0.1", "notmonitor.lan",
     "a.monitor.lan", "[::ffff:192.168.1.7]", "localhost..", "2130706433"],
)  # fmt: skip
async def test_a_name_that_was_rebound_to_this_machine_is_refused(host: str) -> None:
    """The page of whoever owns that name could read every answer."""
    async with serving(names=("monitor.lan",)) as served:
        answer = await served.ask("/healthz", host=host)
        assert (answer.status, served.refused()) == (421, {"host": 1})
        assert is_sealed(answer)


@pytest.mark.parametrize(
    "host",
    ["", "local host", "localhost:99999", "localhost:x", "localhost:", "user@localhost", "localhost/", "[::1",
     "[::1]x", "[localhost]", "http://localhost", "localhost,evil.example", "loc\u00e4lhost"],
)  # fmt: skip
async def test_what_is_no_host_is_refused(host: str) -> None:
    """Nothing is guessed at that a proxy or a browser could read in another way."""
    async with serving() as served:
        answer = await served.ask("/healthz", host=host)
        assert answer.status == 400
        assert is_sealed(answer)


async def test_exactly_one_host_is_needed() -> None:
    """Without one nobody can say by which name a browser was talked into asking; of two, which one counts."""
    async with serving() as served:
        for request in (
            b"GET /healthz HTTP/1.0\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        ):
            assert (await served.send(request)).status == 400, request
        assert (await served.send(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")).status == 200


async def test_a_whole_address_in_place_of_a_path_is_refused() -> None:
    """Its host would be one that nobody checked; nor is this a proxy."""
    async with serving() as served:
        for target in ("http://evil.example/healthz", "http://localhost/healthz", "//evil.example/healthz", "*"):
            for method in ("GET", "POST"):
                answer = await served.ask(target, method)
                assert answer.status == 400, (method, target)
                assert is_sealed(answer)


@pytest.mark.parametrize(
    "method", ["OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "PROPFIND", "CONNECT", "BREW", "get"]
)
async def test_other_methods_are_refused(method: str) -> None:
    """Among them TRACE, which would send headers back, and CONNECT, which would open a tunnel."""
    async with serving() as served:
        target = "evil.example:443" if method == "CONNECT" else "/healthz"
        answer = await served.ask(target, method, headers=(("X-Mine", "tell-nobody"),))
        assert answer.status in {400, 405}
        assert b"tell-nobody" not in answer.body
        assert is_sealed(answer)


@pytest.mark.parametrize(
    "path",
    ["/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py", "/static/..%5cserver.py",
     "/static/%2e%2e%2f%2e%2e%2fconfig/web.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd",
     "/static/....//server.py", "/static/login.css%00.py", "/static/login.css/", "/static/", "/static",
     "/static/%252e%252e/server.py", "/static/./server.py", "/../../../etc/passwd", "/static/__init__.py"],
)  # fmt: skip
async def test_no_path_leads_to_another_file(path: str) -> None:
    """Files are named one by one: there is no path of the disk that a request could change."""
    async with serving() as served:
        answer = await served.ask(path)
        assert answer.status == 404
        assert json.loads(answer.body) == {"error": "there is nothing here", "problems": []}


async def test_what_nobody_can_expect_is_counted_too() -> None:
    """It is refused before anything else is looked at, and is a request all the same."""
    async with serving() as served:
        assert (await served.ask("/healthz", headers=[("Expect", "nothing")])).status == 417
        view = served.server.view()
        assert view is not None
        assert (view.requests, view.refused) == (1, {"malformed": 1})


async def test_one_connection_answers_one_request() -> None:
    """What was sent behind the first request is not looked at, so nothing can be smuggled past a proxy."""
    async with serving() as served:
        one = f"GET /healthz HTTP/1.1\r\nHost: {served.host}\r\n\r\n".encode()
        raw = await served.raw(one * 5)
        assert raw.count(b"HTTP/1.1 ") == 1
        assert b"Connection: close" in raw


async def test_a_request_with_two_lengths_is_refused() -> None:
    """Two readers of the same bytes would find two different requests in them."""
    async with serving() as served:
        for lengths in (
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Content-Length: 5\r\nContent-Length: 6",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        ):
            request = f"POST /login HTTP/1.1\r\nHost: {served.host}\r\n{lengths}\r\n\r\n0\r\n\r\n"
            answer = await served.send(request.encode())
            assert answer.status in {400, 403}, lengths
            assert is_sealed(answer)


async def test_health_says_what_is_wrong_and_where() -> None:
    """200 or 503, and the same body for programs that read further."""
    async with serving() as served:
        answer = await served.ask("/healthz")
        assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok", "troubles": []})
        trouble = Trouble("marks are not fresh", ("BTCUSDT",))
        served.watched.verdict = served.watched.ready = Health((trouble,))
        wrong = [{"reason": "marks are not fresh", "names": ["BTCUSDT"]}]
        for path, word in (("/healthz", "failing"), ("/readyz", "not ready")):
            answer = await served.ask(path)
            assert (answer.status, json.loads(answer.body)) == (503, {"status": word, "troubles": wrong})
        assert (await served.ask("/livez")).status == 200
        served.watched.stands = ("decide",)
        answer = await served.ask("/livez")
        assert (answer.status, json.loads(answer.body)) == (503, {"status": "standing still", "loops": ["decide"]})


async def test_a_server_that_fails_is_begun_again_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that keeps dying ends the service: this one never does, and its trouble is said."""
    clock, real, failing = ManualClock(), collecting.collected, [True]

    def collected(*parts: Any) -> Sequence[Route]:  # noqa: ANN401 - as of the real one
        if failing:
            raise RuntimeError("tell-nobody")
        return real(*parts)

    monkeypatch.setattr(server, "collected", collected)
    web_server = WebServer(WebPlan(LOCAL, 0), FakeDaemon(), clock)
    (job,) = web_server.jobs()

    async def run() -> None:
        await job.run()

    def seen() -> tuple[bool, str]:
        view = web_server.view()
        assert view is not None
        return bool(view.address), view.why_not

    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(run())
            for _ in range(10):
                await clock.advance(AGAIN_S)
                assert seen() == (False, "it failed; the log says more")
            failing.clear()
            await clock.advance(AGAIN_S)
            await until(lambda: seen() == (True, ""))
            task.cancel()
    assert [line["event"] for line in logs if "fail" in line["event"]] == ["web.failed"]
    assert "tell-nobody" not in repr(logs)


async def test_an_address_that_is_taken_is_said_and_taken_later() -> None:
    """It ends nothing: who watches goes on, and the page comes once the other one is gone."""
    clock = ManualClock()
    with socket.create_server((LOCAL, 0)) as other:
        port = other.getsockname()[1]
        web_server = WebServer(WebPlan(LOCAL, port), FakeDaemon(), clock)

        def seen() -> tuple[str, str]:
            view = web_server.view()
            assert view is not None
            return view.address, view.why_not

        (job,) = web_server.jobs()

        async def run() -> None:
            await job.run()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(run())
            await until(lambda: bool(seen()[1]))
            assert seen() == ("", "Address already in use")
            await clock.advance(AGAIN_S)
            assert seen() == ("", "Address already in use")
            other.close()
            await settle()
            await clock.advance(AGAIN_S)
            await until(lambda: bool(seen()[0]))
            assert seen() == (f"http://{LOCAL}:{port}", "")
            task.cancel()
    assert seen()[0] == ""
