"""Verdicts about a request's head that a parser of HTTP may reach first, and then another one may not."""

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from monitor.web.context import Access
from monitor.web.guard import Asked, Proof, Refusal, Why, foreign, misdirected, proof, unproven, unreadable
from monitor.web.keeper import asked_of

TOKEN = "correct-horse-battery-staple-42"


def asked(**changes: Any) -> Asked:  # noqa: ANN401 - fields of it
    return Asked("GET", "/healthz", "127.0.0.1", ("localhost",))._replace(**changes)


def why(refusal: Refusal | None) -> Why | None:
    return None if refusal is None else refusal.why


@pytest.mark.parametrize("hosts", [(), ("localhost", "localhost"), ("localhost", "evil.example"), ("",)])
def test_there_is_exactly_one_host(hosts: tuple[str, ...]) -> None:
    """Of none nobody knows by which name it came, and of two which one was meant."""
    assert why(misdirected(asked(hosts=hosts), ())) is Why.HOST
    assert misdirected(asked(), ()) is None


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "PUT", "get", ""])
def test_three_methods_are_known(method: str) -> None:
    """Whatever routes there are."""
    assert why(misdirected(asked(method=method), ())) is Why.METHOD


@pytest.mark.parametrize(
    ("host", "local", "ours"),
    [
        ("192.168.1.7", "192.168.1.7", True), ("192.168.1.7:80", "192.168.1.7", True),
        ("192.168.1.8", "192.168.1.7", False), ("192.168.1.7", "::ffff:192.168.1.7", True),
        ("[::ffff:192.168.1.7]", "192.168.1.7", True), ("[2001:db8::1]", "2001:db8:0::1", True),
        ("[2001:DB8::1]:9757", "2001:db8::1", True), ("[2001:db8::2]", "2001:db8::1", False),
        ("monitor.lan", "192.168.1.7", False),
    ],
)  # fmt: skip
def test_the_address_that_was_connected_to_is_ours(host: str, local: str, *, ours: bool) -> None:
    """Listening on all addresses, each is a name of this machine to those who reach it by that."""
    assert (misdirected(asked(hosts=(host,), local=local), ()) is None) is ours


def test_a_session_counts_where_no_token_is_shown() -> None:
    """And a wrong token counts as wrong whatever else came."""
    assert proof((), TOKEN, session=False) is Proof.NOTHING
    assert proof((), TOKEN, session=True) is Proof.SESSION
    assert proof((f"Bearer {TOKEN}",), TOKEN, session=False) is Proof.TOKEN
    assert proof((f"Bearer {TOKEN}x",), TOKEN, session=True) is Proof.WRONG
    assert proof((f"Bearer {TOKEN}", f"Bearer {TOKEN}"), TOKEN, session=True) is Proof.WRONG


@pytest.mark.parametrize("shown", list(Proof))
def test_what_a_token_opens(shown: Proof) -> None:
    """With none configured reading is open and changing closed; with one both need it."""
    knows = shown in {Proof.TOKEN, Proof.SESSION}
    assert unproven(Access.OPEN, shown, token=True) is None
    assert unproven(Access.READ, shown, token=False) is None
    assert why(unproven(Access.CHANGE, shown, token=False)) is Why.READ_ONLY
    for access in (Access.READ, Access.CHANGE):
        assert why(unproven(access, shown, token=True)) is (None if knows else Why.TOKEN)


def test_only_who_shows_the_token_need_not_say_where_it_comes_from() -> None:
    """Every browser does with a POST."""
    assert foreign(asked(), Proof.TOKEN) is None
    for shown in (Proof.SESSION, Proof.NOTHING):
        assert why(foreign(asked(), shown)) is Why.ORIGIN
        assert foreign(asked(origins=("http://localhost",)), shown) is None
        assert foreign(asked(origins=("https://LOCALHOST",), sites=("same-origin",)), shown) is None
    assert why(foreign(asked(origins=("http://evil.example",)), Proof.TOKEN)) is Why.ORIGIN
    assert why(foreign(asked(origins=("http://[",)), Proof.SESSION)) is Why.ORIGIN
    assert why(foreign(asked(origins=("ftp://localhost",)), Proof.SESSION)) is Why.ORIGIN


def test_what_is_sent_is_of_one_kind() -> None:
    """A second Content-Type makes it of none."""
    assert unreadable(asked(content_type="application/json"), form=False) is None
    assert why(unreadable(asked(content_type="application/json"), form=True)) is Why.CONTENT
    headers = CIMultiDict([("Content-Type", "application/json"), ("Content-Type", "text/plain")])
    request = make_mocked_request("POST", "/", headers=headers)
    assert isinstance(request, web.Request)
    assert asked_of(request).content_type == ""
    one = make_mocked_request("POST", "/", headers=CIMultiDict([("Content-Type", "Application/JSON; charset=x")]))
    assert asked_of(one).content_type == "application/json"
