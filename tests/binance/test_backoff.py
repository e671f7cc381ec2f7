import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.binance.backoff import (
    BANNED_PAUSE_S,
    LONGEST_PENALTY_S,
    RATE_LIMITED_PAUSE_S,
    PauseBounds,
    failures_after,
    pause_s,
    penalty_s,
    retry_after_s,
)

WALL_MS = 1_780_000_000_000


def test_pauses_double_up_to_the_longest() -> None:
    """Each failure in a row doubles the pause, from half a second to a minute."""
    assert [pause_s(0.0, n, 1.0) for n in range(1, 10)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


def test_a_minute_of_uptime_clears_the_record() -> None:
    """A connection that delivered for a minute is followed by the shortest pause, whatever happened before."""
    assert pause_s(60.0, 12, 1.0) == 0.5
    assert pause_s(59.9, 12, 1.0) == 60.0
    assert failures_after(60.0, 12) == 1
    assert failures_after(59.9, 12) == 13


@given(st.floats(0, 1e6), st.integers(-5, 10**9), st.floats(0, 1, exclude_max=True))
def test_jitter_stays_between_half_and_full(uptime_s: float, failures: int, rand: float) -> None:
    """No chance and no number of failures makes a pause vanish or exceed the longest."""
    bounds = PauseBounds(first_s=0.2, longest_s=7.0, clears_after_s=60.0)
    assert 0.1 <= pause_s(uptime_s, failures, rand, bounds) <= 7.0


@pytest.mark.parametrize(
    ("status", "header", "expected"),
    [
        (403, None, 0.0),
        (403, "7", 7.0),
        (429, None, RATE_LIMITED_PAUSE_S),
        (429, "7", RATE_LIMITED_PAUSE_S),
        (429, "300", 300.0),
        (418, None, BANNED_PAUSE_S),
        (418, "86400", 86400.0),
        (418, "9" * 400, LONGEST_PENALTY_S),
        (503, "soon", 0.0),
    ],
)
def test_a_rejection_names_its_price(status: int, header: str | None, expected: float) -> None:
    """Limits have a least pause, Retry-After can only lengthen it, and nothing lengthens it beyond a ban."""
    assert penalty_s(status, header, WALL_MS) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Thu, 28 May 2026 20:27:40 GMT", 60.0),
        ("Thu, 28 May 2026 20:27:40 -0000", 60.0),
        ("Thu, 28 May 2020 20:27:40 GMT", 0.0),
        ("-5", 0.0),
        ("", 0.0),
        ("nan", 0.0),
    ],
)
def test_retry_after_may_be_a_date(header: str, expected: float) -> None:
    """A date counts from our clock; a past or unreadable one asks for nothing."""
    assert retry_after_s(header, WALL_MS) == pytest.approx(expected)
