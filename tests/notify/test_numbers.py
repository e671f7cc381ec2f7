import math
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.notify import numbers


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.82, "82 %"),
        (0.021, "2.1 %"),
        (0.001, "0.10 %"),
        (0.00001, "<0.01 %"),
        (0.0, "0 %"),
        (-0.05, "-5.0 %"),
        (0.0996, "10 %"),
        (0.00996, "1.0 %"),
        (1.2, "120 %"),
        (1.0, "100 %"),
        (0.29, "29 %"),
        (None, "unknown"),
        (math.inf, "unknown"),
        (math.nan, "unknown"),
    ],
)
def test_percent_shows_the_digits_that_matter(fraction: float | None, text: str) -> None:
    """Two significant figures or so, for large and small shares alike."""
    assert numbers.percent(fraction) == text


@pytest.mark.parametrize(
    ("fraction", "text"), [(0.905, "90.5 %"), (0.9996, "99.9 %"), (0.99999999, "99.9 %"), (0.993, "99.3 %")]
)
def test_short_of_liquidation_never_reads_as_liquidation(fraction: float, text: str) -> None:
    """A margin ratio below 1 is rounded down near the end, so only 1 and above say 100 %."""
    assert numbers.percent(fraction) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00001234, "0.00001234"),
        (0.000012345678, "0.00001234568"),
        (61000.0, "61000"),
        (59136.546184738956, "59136.55"),
        (1153.25646, "1153.256"),
        (1e-12, "0.000000000001"),
        (123456789.0, "123456789"),
        (0.0, "0"),
        (None, "unknown"),
        (math.nan, "unknown"),
    ],
)
def test_prices_keep_seven_figures_in_fixed_notation(value: float | None, text: str) -> None:
    """A micro-priced token shows as properly as BTC does."""
    assert numbers.price(value) == text


def test_a_missing_price_says_what_its_absence_means() -> None:
    """There being no liquidation price is not the same as not knowing it."""
    assert numbers.price(None, "none") == "none"


@given(st.floats(min_value=1e-12, max_value=1e15))
def test_a_shown_price_is_the_price_to_seven_figures(value: float) -> None:
    """No exponent, and a relative error of at most half a unit of the seventh figure."""
    text = numbers.price(value)
    assert "e" not in text.lower()
    assert math.isclose(float(text), value, rel_tol=5.1e-7)


@pytest.mark.parametrize(
    ("value", "asset", "text"),
    [
        (928.0, "USDT", "928.00 USDT"),
        (-12.345, "USDC", "-12.35 USDC"),
        (0.0, "USDT", "0.00 USDT"),
        (0.001, "USDT", "0.001 USDT"),
        (0.0016, "BTC", "0.0016 BTC"),
        (0.4, "BTC", "0.40 BTC"),
        (101.0, "BTC", "101.00 BTC"),
        (0.0, "BTC", "0.00 BTC"),
        (5.0, "", "5.00"),
        (None, "USDT", "unknown"),
        (math.inf, "USDT", "unknown"),
    ],
)
def test_money_has_two_decimals_or_what_a_coin_needs(value: float | None, asset: str, text: str) -> None:
    """Dollars are rounded to cents; a coin's maintenance margin must not read as nothing."""
    assert numbers.money(value, asset) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0.4 s"),
        (3.0, "3 s"),
        (15.2, "15 s"),
        (119.9, "2 min"),
        (240.0, "4 min"),
        (7500.0, "2 h 5 min"),
        (200_000.0, "2 d 7 h"),
        (-1.0, "0 s"),
        (None, "unknown"),
        (math.inf, "unknown"),
    ],
)
def test_durations_are_told_in_the_units_people_use(seconds: float | None, text: str) -> None:
    """Tenths below ten seconds, then seconds, minutes, hours, days."""
    assert numbers.span(seconds) == text


def test_moments_are_utc_with_the_local_time_beside() -> None:
    """UTC always; the reader's zone only where it says something else."""
    at_ms = 1_780_000_000_000
    assert numbers.moment(at_ms) == "2026-05-28T20:26:40Z"
    assert numbers.moment(at_ms, ZoneInfo("Europe/Berlin")) == "2026-05-28T20:26:40Z (2026-05-28 22:26:40+02:00)"
    assert numbers.moment(at_ms, UTC) == numbers.moment(at_ms)
    assert numbers.clock_time(at_ms) == "20:26:40 UTC"


def test_an_absurd_time_is_unknown_and_no_error() -> None:
    """A message about trouble never fails over a figure."""
    assert numbers.moment(10**20) == "unknown"
    assert numbers.clock_time(-(10**20)) == "unknown"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (59136.5, "59,136.5"),
        (59410.0, "59,410"),
        (0.5, "0.5"),
        (-4800.25, "-4,800.25"),
        (-0.5, "-0.5"),
        (0.0, "0"),
        (-0.0, "0"),
        (1234567890.0, "1,234,567,890"),
        (None, "unknown"),
        (float("nan"), "unknown"),
    ],
)
def test_thousands_are_set_apart(value: float | None, text: str) -> None:
    """Amounts that are read side by side are read by their commas."""
    assert numbers.grouped(value) == text


def test_money_may_have_commas() -> None:
    """In running text; tables align without."""
    assert numbers.money(-1_234_567.8, "USDT", commas=True) == "-1,234,567.80 USDT"
    assert numbers.money(1_234_567.0, "USDT") == "1234567.00 USDT"
    assert numbers.money(None, "USDT", commas=True) == "unknown"


@pytest.mark.parametrize(
    ("left", "figure"),
    [
        (0.0, "0.0"),
        (-1.0, "0.0"),
        (1.84, "1.8"),
        (9.94, "9.9"),
        (9.96, "10"),
        (99.4, "99"),
        (99.6, "more than 99"),
        (1e300, "more than 99"),
    ],
)
def test_moves_are_counted_to_a_tenth_where_that_matters(left: float, figure: str) -> None:
    """Near the end a tenth of an hour's move is news; a hundred of them are not."""
    assert numbers.moves(left) == f"{figure} typical hourly moves left"


@pytest.mark.parametrize("left", [None, math.nan, math.inf])
def test_unknown_moves_are_said_to_be_unknown(left: float | None) -> None:
    """And why."""
    assert numbers.moves(left) == "unknown, for want of a typical hourly move"


@pytest.mark.parametrize(
    ("value", "asset", "up", "down"),
    [
        (412.5, "USDT", "412.50 USDT", "412.50 USDT"),
        (412.501, "USDT", "412.51 USDT", "412.50 USDT"),
        (0.1 + 0.2, "USDC", "0.30 USDC", "0.30 USDC"),
        (412.50000000000006, "USDT", "412.50 USDT", "412.50 USDT"),
        (1_412.509, "FDUSD", "1,412.51 FDUSD", "1,412.50 FDUSD"),
        (1e-12, "USDT", "0.01 USDT", "0.00 USDT"),
        (0.0, "USDT", "0.00 USDT", "0.00 USDT"),
        (12.3456781, "BTC", "12.345679 BTC", "12.345678 BTC"),
        (0.00012345678, "BTC", "0.00012346 BTC", "0.00012345 BTC"),
        (1e-12, "BTC", "0.00000001 BTC", "0.00 BTC"),
        (2e15, "DOGE", "2,000,000,000,000,000 DOGE", "2,000,000,000,000,000 DOGE"),
        (1.0, "", "1.00", "1.00"),
        (None, "USDT", "unknown", "unknown"),
        (math.inf, "USDT", "unknown", "unknown"),
    ],
)
def test_what_has_to_be_paid_is_rounded_up_and_what_is_there_down(
    value: float | None, asset: str, up: str, down: str
) -> None:
    """An amount rounded down is not enough, and one rounded up is not there; binary noise is neither."""
    assert (numbers.enough(value, asset), numbers.at_most(value, asset)) == (up, down)


@given(st.floats(-1e14, 1e14), st.sampled_from(["USDT", "BTC"]))
def test_both_bounds_hold_for_every_amount(value: float, asset: str) -> None:
    """And they are a step apart at the most."""
    up, down = (
        float(words.removesuffix(f" {asset}").replace(",", ""))
        for words in (numbers.enough(value, asset), numbers.at_most(value, asset))
    )
    noise = abs(value) * 2**-49
    assert down - noise <= value <= up + noise
    assert up - down <= 0.010001 + 2 * noise


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.118, "0.118"),
        (0.1 * 3, "0.3"),
        (12_000.0, "12,000"),
        (123_456.7890123, "123,456.7890123"),
        (1e-8, "0.00000001"),
        (0.0, "0"),
        (None, "unknown"),
        (math.nan, "unknown"),
    ],
)
def test_a_quantity_keeps_every_digit_of_its_step(value: float | None, text: str) -> None:
    """The exchange takes multiples of it and nothing beside; no exponent, no noise."""
    assert numbers.exact(value) == text


def test_a_share_beyond_all_measure_is_unknown() -> None:
    """As percent it would be infinite."""
    assert numbers.percent(1.7e308) == "unknown"
