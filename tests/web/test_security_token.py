"""Who may read and who may change: tokens, sessions, and pages of other sites."""

import base64
import json

import pytest

from monitor.config.secret import Secret
from monitor.plan import WebPlan
from monitor.web.limits import LIMITS
from monitor.web.session import LENGTH_S
from tests.conftest import ManualClock
from tests.web.serving import LOCAL, TOKEN, changing, serving

BEARER = ("Authorization", f"Bearer {TOKEN}")
JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
READABLE = ("/healthz", "/readyz", "/livez", "/metrics", "/nothing-here")


async def test_without_the_token_nothing_is_told() -> None:
    """Not even which paths there are; only the login and the files that it loads."""
    async with serving(TOKEN) as served:
        for path in READABLE:
            for method in ("GET", "HEAD", "POST"):
                answer = await served.ask(path, method)
                assert answer.status == 401, (method, path)
                assert answer.header("www-authenticate") == "Bearer"
        for path in ("/login", "/static/login.css"):
            assert (await served.ask(path)).status == 200


@pytest.mark.parametrize(
    "shown",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN.upper()}", TOKEN,
     f"Basic {TOKEN}", f"Bearer x {TOKEN}", "Bearer \u00e4\u00f6\u00fc", f"Bearer {'x' * 3000}",
     f"Basic {base64.b64encode(f':{TOKEN}'.encode()).decode()}", f"Bearer {TOKEN}\t{TOKEN}"],
)  # fmt: skip
async def test_a_wrong_token_is_refused(shown: str) -> None:
    """Whatever its form, with 401 and without a word of it."""
    async with serving(TOKEN) as served:
        answer = await served.ask("/healthz", headers=[("Authorization", shown)])
        assert answer.status == 401
        assert shown not in answer.body.decode() or not shown


async def test_the_token_opens_everything_that_is_read() -> None:
    """As a program shows it; the word before it may be written in any case, as HTTP says."""
    async with serving(TOKEN) as served:
        for path in READABLE[:-1]:
            assert (await served.ask(path, headers=[BEARER])).status == 200, path
        assert (await served.ask("/nothing-here", headers=[BEARER])).status == 404
        assert (await served.ask("/healthz", headers=[("authorization", f"bearer   {TOKEN}")])).status == 200


async def test_two_tokens_are_none() -> None:
    """A proxy could have looked at the other one; nor does the address carry one."""
    async with serving(TOKEN) as served:
        assert (await served.ask("/healthz", headers=[BEARER, BEARER])).status == 401
        assert (await served.ask(f"/healthz?token={TOKEN}")).status == 401


async def test_wrong_tokens_are_slowed_down_and_the_right_one_never_is() -> None:
    """After some it is only said that there were too many; whoever has the token is let in all the same."""
    clock = ManualClock()
    async with serving(TOKEN, clock=clock) as served:
        wrong = [("Authorization", "Bearer wrong-wrong-wrong")]
        codes = [(await served.ask("/healthz", headers=wrong)).status for _ in range(LIMITS.wrong_tokens + 5)]
        assert codes == [401] * LIMITS.wrong_tokens + [429] * 5
        assert (await served.ask("/healthz", headers=wrong)).header("retry-after") == "60"
        assert (await served.submit("/login", {"token": "wrong"})).status == 429
        assert (await served.ask("/healthz", headers=[BEARER])).status == 200
        await served.log_in()
        await clock.advance(60.0)
        assert (await served.ask("/healthz", headers=wrong)).status == 401
        assert served.refused() == {"token": 11, "throttled": 7}


async def test_a_login_begins_a_session_that_scripts_and_other_sites_do_not_get() -> None:
    """The cookie is out of reach of scripts, is never sent from another site, and is not the token."""
    async with serving(TOKEN, extra=changing) as served:
        answer = await served.submit("/login", {"token": f" {TOKEN} "})
        assert (answer.status, answer.header("location")) == (303, "/")
        cookie, *rest = answer.header("set-cookie").split("; ")
        assert set(rest) == {"HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={LENGTH_S}"}
        assert TOKEN not in cookie
        for path in READABLE[:-1]:
            assert (await served.ask(path, headers=[("Cookie", cookie)])).status == 200
        # What is shown decides alone: a wrong token is not mended by a session.
        both = [("Cookie", cookie), ("Authorization", "Bearer wrong-wrong-wrong")]
        assert (await served.ask("/healthz", headers=both)).status == 401


async def test_who_comes_to_a_page_without_a_session_is_sent_to_the_login() -> None:
    """A person sees where to type the token; what is sent to a page is refused."""
    async with serving(TOKEN, extra=changing) as served:
        answer = await served.ask("/form")
        assert (answer.status, answer.header("location"), answer.body) == (303, "/login", b"")
        assert (await served.submit("/change", {})).status == 401


async def test_a_session_ends() -> None:
    """After half a day, with a logout, and with the token it began with; a cookie kept aside is worth nothing."""
    clock = ManualClock()
    async with serving(TOKEN, clock=clock, extra=changing) as served:

        async def lasts(cookie: str) -> bool:
            return (await served.ask("/healthz", headers=[("Cookie", cookie)])).status == 200

        first, second = await served.log_in(), await served.log_in()
        token = (await served.ask("/form", headers=[("Cookie", first)])).body.decode()
        answer = await served.submit("/logout", {"form_token": token}, cookie=first)
        assert (answer.status, answer.header("location")) == (303, "/login")
        assert "Max-Age=0" in answer.header("set-cookie")
        assert (await lasts(first), await lasts(second)) == (False, True)
        await clock.advance(LENGTH_S - 1)
        assert await lasts(second)
        await clock.advance(1)
        assert not await lasts(second)
        third = await served.log_in()
        served.server.replace(WebPlan(LOCAL, 0, Secret(TOKEN), ("other.lan",)))
        assert await lasts(third)
        assert (await served.ask("/login", host="other.lan")).status == 200
        served.server.replace(WebPlan(LOCAL, 0, Secret(f"{TOKEN}-new")))
        assert not await lasts(third)
        assert (await served.ask("/login", host="other.lan")).status == 421


async def test_nobody_can_make_up_a_session() -> None:
    """What is changed in a cookie, or signed with another key, is no session."""
    async with serving(TOKEN) as served:
        cookie = await served.log_in()
    async with serving(TOKEN) as served:
        name, _, value = (await served.log_in()).partition("=")
        number, until, signature = value.split(".")
        for made_up in (
            cookie.partition("=")[2],  # of an earlier run, under this one's name
            f"{number}.{int(until) + 1}.{signature}", f"{number}.{until}.{signature[:-1]}",
            f"{number}x.{until}.{signature}", f"..{signature}", "", ".", f"{number}.{until}.",
            "\u00e4.\u00f6.\u00fc",
            f"{number}.{until}.{'0' * 64}",
        ):  # fmt: skip
            answer = await served.ask("/healthz", headers=[("Cookie", f"{name}={made_up}")])
            assert answer.status == 401, made_up


async def test_without_a_configured_token_nothing_can_be_changed() -> None:
    """Every user and every program of this machine reaches loopback."""
    async with serving(extra=changing) as served:
        for headers in ([JSON], [JSON, BEARER], [JSON, ("Origin", f"http://{served.host}")]):
            answer = await served.ask("/api/change", "POST", headers=headers, body=b"{}")
            assert answer.status == 403
        assert (await served.submit("/change", {"form_token": ""})).status == 403
        assert (await served.submit("/logout", {"form_token": ""})).status == 403
        assert served.refused() == {"read_only": 5}
        assert (await served.submit("/login", {"token": ""})).status == 403


async def test_a_program_with_the_token_changes_things() -> None:
    """It says that what it sends is JSON, and needs nothing else that browsers send."""
    async with serving(TOKEN, extra=changing) as served:
        answer = await served.ask("/api/change", "POST", headers=[BEARER, JSON], body=b'{"a": 1}')
        assert (answer.status, json.loads(answer.body)) == (200, {"changed": '{"a": 1}'})
        charset = ("Content-Type", "application/json; charset=utf-8")
        assert (await served.ask("/api/change", "POST", headers=[BEARER, charset], body=b"{}")).status == 200
        assert (await served.ask("/api/change", headers=[BEARER])).status == 405


async def test_a_page_of_ours_changes_things() -> None:
    """With its session, from its own origin: by a script as JSON, by a form with its token."""
    async with serving(TOKEN, extra=changing) as served:
        cookie = await served.log_in()
        token = (await served.ask("/form", headers=[("Cookie", cookie)])).body.decode()
        assert len(token) == 64
        ours = [("Cookie", cookie), ("Origin", f"http://{served.host}"), ("Sec-Fetch-Site", "same-origin"), JSON]
        assert (await served.ask("/api/change", "POST", headers=ours, body=b"{}")).status == 200
        assert (await served.submit("/change", {"form_token": token}, cookie=cookie)).status == 200


@pytest.mark.parametrize(
    "foreign",
    [
        [("Origin", "null")],
        [("Origin", "http://evil.example")],
        [("Origin", "http://localhost:1")],
        [("Origin", "http://localhost.evil.example")],
        [("Origin", "")],
        [("Origin", "file://")],
        [("Origin", "HOST/")],
        [("Origin", "HOST@evil.example")],
        [("Origin", "HOST"), ("Origin", "http://evil.example")],
        [("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "same-site")],
        [("Sec-Fetch-Site", "same-origin"), ("Origin", "http://evil.example")],
        [("Sec-Fetch-Site", "cross-site"), ("Origin", "HOST")],
        [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
        [("Referer", "HOST/")],
        [],
    ],
)
async def test_a_page_of_another_site_changes_nothing(foreign: list[tuple[str, str]]) -> None:
    """Whatever a browser sends along: with a session it has to say that it comes from a page of ours."""
    async with serving(TOKEN, extra=changing) as served:
        cookie = await served.log_in()
        token = (await served.ask("/form", headers=[("Cookie", cookie)])).body.decode()
        sent = [(name, value.replace("HOST", f"http://{served.host}")) for name, value in foreign]
        for path, kind, body in (
            ("/api/change", JSON, b"{}"),
            ("/change", FORM, f"form_token={token}".encode()),
            ("/logout", FORM, f"form_token={token}".encode()),
        ):
            answer = await served.ask(path, "POST", headers=[("Cookie", cookie), kind, *sent], body=body)
            assert answer.status == 403, path
        assert served.refused() == {"origin": 3}
        assert (await served.ask("/healthz", headers=[("Cookie", cookie)])).status == 200


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "", "text/json",
     "application/jsonx", "application/json, text/plain"],
)  # fmt: skip
async def test_what_a_form_can_send_is_no_json(kind: str) -> None:
    """A form of another site can send text that reads as JSON, but not say that it is."""
    async with serving(TOKEN, extra=changing) as served:
        answer = await served.ask("/api/change", "POST", headers=[BEARER, ("Content-Type", kind)], body=b"{}")
        assert answer.status == 415
        twice = [BEARER, JSON, ("Content-Type", "text/plain")]
        assert (await served.ask("/api/change", "POST", headers=twice, body=b"{}")).status in {400, 415}
        packed = [BEARER, JSON, ("Content-Encoding", "gzip")]
        assert (await served.ask("/api/change", "POST", headers=packed, body=b"{}")).status == 415


async def test_a_form_needs_the_token_of_its_own_session() -> None:
    """None, a made-up one and that of another session are refused, and the session goes on."""
    async with serving(TOKEN, extra=changing) as served:
        mine, other = await served.log_in(), await served.log_in()
        theirs = (await served.ask("/form", headers=[("Cookie", other)])).body.decode()
        for fields in ({}, {"form_token": ""}, {"form_token": theirs}, {"form_token": "\u00e4" * 64}):
            answer = await served.submit("/change", fields, cookie=mine)
            assert answer.status == 403
        assert served.refused() == {"form_token": 4}


async def test_a_login_from_another_site_is_refused() -> None:
    """Even with the right token: nobody has a browser log in unasked."""
    async with serving(TOKEN) as served:
        for headers in ([("Origin", "http://evil.example")], [("Sec-Fetch-Site", "cross-site")]):
            assert (await served.submit("/login", {"token": TOKEN}, headers=headers)).status == 403
        assert (
            await served.submit("/login", {"token": TOKEN}, headers=[("Content-Type", "text/plain")])
        ).status == 415


async def test_the_login_page_repeats_nothing() -> None:
    """What was typed in does not come back: neither a secret nor markup."""
    async with serving(TOKEN) as served:
        answer = await served.submit("/login", {"token": "<script>tell-nobody</script>"})
        assert answer.status == 401
        assert b"tell-nobody" not in answer.body
        assert b"This is not the token." in answer.body
        assert b"<script" not in answer.body
        assert b"style=" not in answer.body
