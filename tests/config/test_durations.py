"""Durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.durations import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604800), ("1.5h", 5400), ("2 h", 7200), ("0s", 0)],
)
def test_a_number_and_a_unit(text: str, expected: float) -> None:
    """Seconds, minutes, hours and days; parts of a unit are allowed."""
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "90", "s", "-1s", "1w", "1H", "1h30m", "1e3s", "٣s", "5 minutes", "99999d", " 1s"]
)
def test_everything_else_is_none(text: str) -> None:
    """A duration is never guessed."""
    assert seconds(text) is None


@given(st.text())
def test_any_text_is_judged_without_failing(text: str) -> None:
    """No text makes it fail, and no length is negative or endless."""
    length_s = seconds(text)
    assert length_s is None or 0 <= length_s <= 3660 * 86400
