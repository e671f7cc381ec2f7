"""What each refusal means: one table, and what no error may hold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.binance import rest_errors as why
from monitor.binance.endpoints import Environment
from monitor.core.model import Now
from monitor.errors import (
    AccountStateError,
    ClockError,
    KeyRefusedError,
    ListenKeyError,
    PortfolioMarginError,
    RateLimitedError,
    RestError,
    TransientRestError,
)

NOW = Now(wall_ms=1_780_000_000_000, mono_s=1000.0)
WHERE = "/fapi/v3/account"


def classified(
    status: int,
    body: bytes = b"",
    retry_after: str | None = None,
    environment: Environment = Environment.LIVE,
) -> RestError | None:
    return why.classify(WHERE, status, body, retry_after=retry_after, now=NOW, environment=environment)


def fault(code: int, text: str = "") -> bytes:
    return json.dumps({"code": code, "msg": text}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (400, fault(-1000), TransientRestError, why.BUSY),
        (400, fault(-1001), TransientRestError, why.BUSY),
        (400, fault(-1007), TransientRestError, why.OUTCOME_UNKNOWN),
        (503, fault(-1008), TransientRestError, why.BUSY),
        (400, fault(-1016), TransientRestError, why.MAINTENANCE),
        (400, fault(-1109), TransientRestError, why.MAINTENANCE),
        (400, fault(239999), TransientRestError, why.MAINTENANCE),
        (400, fault(-5028), TransientRestError, why.OUTCOME_UNKNOWN),
        (503, b"Service Unavailable.", TransientRestError, why.UNAVAILABLE),
        (503, fault(-9999), TransientRestError, why.UNAVAILABLE),
        (408, b"", TransientRestError, why.OUTCOME_UNKNOWN),
        (403, b"", TransientRestError, why.FIREWALL),
        (403, b"<html>", TransientRestError, why.FIREWALL),
        (200, b" <html>", TransientRestError, why.HTML),
        (202, b"<html>", TransientRestError, why.HTML),
        (502, b"<html>", TransientRestError, why.HTML),
        (302, b"", TransientRestError, why.REDIRECTED),
        (400, fault(-1021), ClockError, why.CLOCK),
        (400, fault(-1022), KeyRefusedError, why.BAD_SIGNATURE),
        (401, fault(-2014), KeyRefusedError, why.BAD_KEY),
        (401, fault(-2015), KeyRefusedError, why.KEY_REFUSED),
        (400, fault(-4056), KeyRefusedError, why.WRONG_KEY_TYPE),
        (401, b"", KeyRefusedError, why.KEY_REFUSED),
        (401, fault(-9999), KeyRefusedError, why.KEY_REFUSED),
        (400, fault(-1125), ListenKeyError, why.NO_LISTEN_KEY),
        (400, fault(-2017), AccountStateError, why.KEY_LOCKED),
        (400, fault(-2023), AccountStateError, why.IN_LIQUIDATION),
        (400, fault(-4109), AccountStateError, why.INACTIVE),
        (400, fault(-4192), AccountStateError, why.COOLING_OFF),
        (400, fault(-21001), PortfolioMarginError, why.PORTFOLIO_MARGIN),
        (400, fault(-9, "not for Portfolio Margin accounts"), PortfolioMarginError, why.PORTFOLIO_MARGIN),
        (400, fault(-1121), RestError, why.INVALID_SYMBOL),
        (400, fault(-1102), RestError, why.INVALID_REQUEST),
        (400, fault(-9999), RestError, why.REFUSED),
        (404, b"{}", RestError, why.NOT_FOUND),
        (451, b"", RestError, why.RESTRICTED),
        (429, fault(-1003), RateLimitedError, why.RATE_LIMIT),
        (429, b"<html>", RateLimitedError, why.RATE_LIMIT),
        (400, fault(-1003), RateLimitedError, why.RATE_LIMIT),
        (418, b"", RateLimitedError, why.IP_BANNED),
        (400, fault(-1003, "IP banned until 1780000060000."), RateLimitedError, why.IP_BANNED),
    ],
)
def test_each_refusal_has_one_meaning(status: int, body: bytes, kind: type[RestError], reason: str) -> None:
    """Kind, reason, status and the exchange's number are facts, and only the transient can be repeated."""
    error = classified(status, body)
    assert type(error) is kind
    assert (error.reason, error.status, error.where) == (reason, status, WHERE)
    assert error.retryable is issubclass(kind, TransientRestError | AccountStateError)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"", b"nonsense"])
def test_an_answer_is_none_of_them(body: bytes) -> None:
    """What a body says is for its decoder."""
    assert classified(200, body) is None


@pytest.mark.parametrize(
    ("status", "retry_after", "text", "wait_s"),
    [
        (429, "7", "", 7.0),
        (429, None, "", 30.0),
        (418, "300", "", 300.0),
        (418, None, "", 120.0),
        (418, None, "banned until 1780000090000", 90.0),
        (418, "30", "banned until 1780000090000", 90.0),
        (418, "90", "banned until 1780000030000", 90.0),
        (418, None, "banned until 1779999990000", 120.0),
        (418, None, "banned until 9999999999999", 3 * 86_400.0),
        (429, "nonsense", "", 30.0),
    ],
)
def test_how_long_to_stay_away(status: int, retry_after: str | None, text: str, wait_s: float) -> None:
    """What was asked for, to the second; the longer of both; the usual without either; three days at most."""
    error = classified(status, fault(-1003, text), retry_after)
    assert isinstance(error, RateLimitedError)
    assert error.until_s == pytest.approx(NOW.mono_s + wait_s)


@pytest.mark.parametrize("code", [-1022, -2014, -2015, -4056])
@pytest.mark.parametrize("environment", Environment)
def test_a_refused_key_always_says_what_to_look_at(code: int, environment: Environment) -> None:
    """A number alone helps nobody."""
    error = classified(401, fault(code), environment=environment)
    assert error is not None
    assert error.hint


@given(status=st.integers(100, 599), body=st.binary(max_size=80), header=st.none() | st.text(max_size=20))
def test_whatever_comes_is_judged(status: int, body: bytes, header: str | None) -> None:
    """Never another exception, and never a word of the reply."""
    error = classified(status, body + b"SECRET", header)
    assert error is None or "SECRET" not in f"{error} {error!r}"


@pytest.mark.parametrize(
    "reason", ["html", "no_json", "redirected", "busy", "maintenance", "timeout", "dns", "tls"]
)
def test_every_refusal_says_what_to_do(reason: str) -> None:
    """Whoever is woken by it needs a next step, be it to wait."""
    words = why.todo(TransientRestError("/fapi/v3/account", reason))
    assert words
    assert reason not in words.split()
    assert "/fapi" not in words


def test_a_ban_says_for_how_long() -> None:
    """In minutes, rounded up: nothing else helps."""
    error = RateLimitedError("/fapi/v3/account", "ip_banned", until_s=1.0)
    assert "about 2 min" in why.todo(error, 61.0)
    assert "about 1 min" in why.todo(error, 0.0)


def test_a_refusal_nobody_foresaw_says_what_is_known() -> None:
    """The endpoint, the reason and the code."""
    assert why.todo(RestError("/fapi/v3/account", "refused", code=-9999)) == str(
        RestError("/fapi/v3/account", "refused", code=-9999)
    )
