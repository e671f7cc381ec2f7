"""What a POST carries: its encoding, what is no form at all, and that the right to send it still holds."""

import asyncio

import pytest
from structlog.testing import capture_logs

from monitor.config.secret import Secret
from monitor.plan import WebPlan
from tests.web.serving import LOCAL, TOKEN, Served, changing, everything, parsed, serving, until

FORM = "application/x-www-form-urlencoded"
CODECS = ("punycode", "idna", "utf-7", "utf-16", "base64", "foo", "latin-1")


@pytest.mark.parametrize("codec", CODECS)
async def test_what_is_sent_is_utf_8(codec: str) -> None:
    """Nobody chooses by which of Python's codecs the loop decodes a body: some take a second for 64 kB."""
    async with serving(TOKEN, extra=changing) as served:
        cookie = await served.log_in()
        token = (await served.ask("/form", headers=[("Cookie", cookie)])).body.decode()
        kind = ("Content-Type", f"{FORM}; charset={codec}")
        assert (await served.submit("/login", {"token": TOKEN}, headers=[kind])).status == 415
        changed = await served.submit("/change", {"form_token": token}, cookie=cookie, headers=[kind])
        assert changed.status == 415
        said = [("Authorization", f"Bearer {TOKEN}"), ("Content-Type", f"application/json; charset={codec}")]
        assert (await served.ask("/api/change", "POST", headers=said, body=b"{}")).status == 415


async def test_utf_8_may_be_said() -> None:
    """As some programs do."""
    async with serving(TOKEN) as served:
        for charset in ("utf-8", "UTF-8", '"utf-8"'):
            kind = ("Content-Type", f"{FORM}; charset={charset}")
            assert (await served.submit("/login", {"token": TOKEN}, headers=[kind])).status == 303


@pytest.mark.parametrize(
    "body", [b"token=\xff", b"token=%ff", b"\xf0=1", b"a=1&" * 16_000], ids=["raw", "escaped", "name", "many"]
)
async def test_what_is_no_form_is_refused_without_a_line(body: bytes) -> None:
    """It is the client's mistake: the log is for ours."""
    async with serving(TOKEN, extra=changing) as served:
        cookie = await served.log_in()
        ours = [("Origin", f"http://{served.host}"), ("Content-Type", FORM)]
        with capture_logs() as logs:
            answer = await served.ask("/login", "POST", headers=ours, body=body)
            changed = await served.ask("/change", "POST", headers=[*ours, ("Cookie", cookie)], body=body)
        assert (answer.status, changed.status) == (400, 400)
        assert served.refused() == {"malformed": 2}
        assert logs == []


async def test_a_login_where_there_is_no_token_is_not_read() -> None:
    """There is nothing to log in to, whatever is sent."""
    async with serving() as served:
        ours = [("Origin", f"http://{served.host}"), ("Content-Type", FORM)]
        assert (await served.ask("/login", "POST", headers=ours, body=b"token=\xff")).status == 403


async def test_a_token_that_was_taken_back_meanwhile_changes_nothing() -> None:
    """A body may take ten seconds, and it is after it that something is changed."""
    async with serving(TOKEN, extra=changing) as served:
        cookie = await served.log_in()
        ways = (f"Authorization: Bearer {TOKEN}", f"Cookie: {cookie}\r\nOrigin: http://{served.host}")
        sending = [await begun(served, way) for way in ways]
        served.server.replace(WebPlan(LOCAL, 0, Secret(f"{TOKEN}-new")))
        for reader, writer in sending:
            writer.write(b"}")
            assert parsed(await everything(reader)).status == 401
            writer.close()


async def begun(served: Served, shown: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A change whose head was taken and whose body is half there."""
    before = served.server._tally.requests
    reader, writer = await asyncio.open_connection(LOCAL, served.port)
    head = f"POST /api/change HTTP/1.1\r\nHost: {served.host}\r\n{shown}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: 2\r\n\r\n{{".encode())
    await until(lambda: served.server._tally.requests > before)
    return reader, writer


async def test_who_goes_away_in_the_middle_of_a_body_is_no_failure() -> None:
    """Anybody can, as often as they like."""
    async with serving(TOKEN, extra=changing) as served:
        with capture_logs() as logs:
            _, writer = await begun(served, f"Authorization: Bearer {TOKEN}")
            writer.close()
            await until(lambda: sum(served.refused().values()) == 1)
        assert served.refused() == {"malformed": 1}
        assert logs == []


async def test_one_good_cookie_is_enough() -> None:
    """Another port of this host may have set one of the same name; where it stands says nothing."""
    async with serving(TOKEN, extra=changing) as served:
        good = await served.log_in()
        bad = f"{good.partition('=')[0]}=bad"
        for cookies in (f"{good}; {bad}", f"{bad}; {good}", f"{bad};{good};{bad}"):
            assert (await served.ask("/healthz", headers=[("Cookie", cookies)])).status == 200, cookies
        assert (await served.ask("/healthz", headers=[("Cookie", bad), ("Cookie", good)])).status == 200
        other = await served.log_in()
        both = f"{good}; {other}"
        token = (await served.ask("/form", headers=[("Cookie", both)])).body.decode()
        assert (await served.submit("/logout", {"form_token": token}, cookie=both)).status == 303
        for cookie in (good, other):
            assert (await served.ask("/healthz", headers=[("Cookie", cookie)])).status == 401


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
async def test_a_page_elsewhere_has_nothing_read(site: str) -> None:
    """It could not read the answer, but have it made again and again; a link to a page is followed."""
    async with serving(extra=changing) as served:
        fetched = [("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "no-cors")]
        followed = [("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "navigate")]
        for path in ("/form", "/healthz", "/metrics", "/api/v1/status", "/static/page.css", "/nothing"):
            for method in ("GET", "HEAD"):
                assert (await served.ask(path, method, headers=fetched)).status == 403, path
            page = path == "/form"
            assert (await served.ask(path, headers=followed)).status == (200 if page else 403), path
        twice = [*followed, ("Sec-Fetch-Mode", "no-cors")]
        assert (await served.ask("/form", headers=twice)).status == 403
        for ours in ("same-origin", "none"):
            assert (await served.ask("/healthz", headers=[("Sec-Fetch-Site", ours)])).status == 200
