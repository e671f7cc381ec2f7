"""Typical moves beside the same definitions in plain Python."""

import math
import statistics
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.book import Floats
from monitor.core.moves import (
    FLOOR,
    HALF_LIFE,
    LEAST_CHANGES,
    LEAST_RETURNS,
    LEAST_WEIGHT,
    changing,
    day_deviation,
    hourly_deviation,
    log_returns,
    moves_left,
    recent_deviation,
    typical_moves,
)

NAN = float("nan")
ROOT = math.sqrt(60)

returns_of_a_day = st.lists(
    st.one_of(st.floats(-0.05, 0.05), st.just(NAN)), min_size=1, max_size=200
)  # a fall of 5 % within a minute is a crash


def column(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)[:, None]


def drawn(seed: int, minutes: int = 300, series: int = 4, scale: float = 0.001) -> Floats:
    return np.random.default_rng(seed).normal(0.0, scale, (minutes, series))


def slow_day(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return statistics.stdev(known) if len(known) >= LEAST_RETURNS else NAN


def slow_recent(values: Sequence[float]) -> float:
    weights = [0.5 ** ((len(values) - 1 - i) / HALF_LIFE) for i in range(len(values))]
    known = [(w, value) for w, value in zip(weights, values, strict=True) if not math.isnan(value)]
    weight = sum(w for w, _ in known)
    if weight < LEAST_WEIGHT * sum(weights):
        return NAN
    return math.sqrt(sum(w * value * value for w, value in known) / weight)


def slow_hourly(values: Sequence[float]) -> float:
    day, recent = slow_day(values), slow_recent(values)
    if math.isnan(day):
        return NAN
    return ROOT * max(day, 0.0 if math.isnan(recent) else recent)


@settings(max_examples=200)
@given(returns_of_a_day)
def test_deviations_are_those_of_the_definition(values: list[float]) -> None:
    """The sums in matrix form give what a loop over one series gives, gaps and all."""
    for fast, slow in (
        (day_deviation, slow_day),
        (recent_deviation, slow_recent),
        (hourly_deviation, slow_hourly),
    ):
        # A deviation far below the values themselves is a difference of sums: float64 leaves it 1e-9 of them.
        assert fast(column(values))[0] == pytest.approx(slow(values), rel=1e-9, abs=1e-9, nan_ok=True)


def test_a_steady_fall_is_no_calm() -> None:
    """It has no deviation about its own mean; the recent one, about zero, knows better."""
    falling = column([-0.002] * 120)
    assert day_deviation(falling)[0] == pytest.approx(0.0, abs=1e-9)
    assert hourly_deviation(falling)[0] == pytest.approx(0.002 * ROOT)


def test_the_larger_of_the_day_and_the_last_half_hour_counts() -> None:
    """A market that wakes up is not averaged away, and one that falls asleep is not forgotten."""
    calm, wild = drawn(1, 1400, 1, 0.0002), drawn(2, 60, 1, 0.002)
    woken, asleep = np.concatenate([calm, wild]), np.concatenate([drawn(2, 1400, 1, 0.002), drawn(1, 60, 1, 1e-5)])
    assert hourly_deviation(woken)[0] == pytest.approx(ROOT * recent_deviation(woken)[0])
    assert hourly_deviation(asleep)[0] == pytest.approx(ROOT * day_deviation(asleep)[0])
    assert recent_deviation(asleep)[0] < 0.6 * day_deviation(asleep)[0]


def test_an_hour_of_independent_minutes_moves_as_far_as_is_said() -> None:
    """Sums of sixty one-minute returns have the hourly deviation."""
    returns = drawn(3, 1400, 200)
    hours = returns[:1380].reshape(23, 60, 200).sum(axis=1)
    assert np.sqrt((hours**2).mean()) == pytest.approx(ROOT * day_deviation(returns).mean(), rel=0.03)


@pytest.mark.parametrize("count", [0, 1, LEAST_RETURNS - 1])
def test_too_few_returns_say_nothing(count: int) -> None:
    """Unknown, not small: half an hour is the least an hour is judged by."""
    returns = np.full((100, 1), NAN)
    returns[100 - count :] = drawn(4, count, 1)
    assert np.isnan(hourly_deviation(returns)).all()
    assert np.isnan(typical_moves(returns)).all()
    returns[100 - LEAST_RETURNS :] = drawn(4, LEAST_RETURNS, 1)
    assert not np.isnan(typical_moves(returns)).any()
    assert np.isnan(typical_moves(returns[:0])).all()


def test_a_price_at_rest_has_no_typical_move() -> None:
    """A closed session and an idle contract look calm and are not known."""
    returns = np.zeros((600, 1))
    assert np.isnan(typical_moves(returns)).all()
    returns[: LEAST_CHANGES - 1] = 0.01
    assert not changing(returns).any()
    assert np.isnan(typical_moves(returns)).all()
    returns[LEAST_CHANGES] = -0.01
    assert changing(returns).all()
    assert not np.isnan(typical_moves(returns)).any()


def test_gaps_are_no_changes() -> None:
    """A stream that breaks off does not make a price move."""
    returns = np.zeros((600, 1))
    returns[::2] = NAN
    assert np.isnan(typical_moves(returns)).all()


def test_no_price_is_calmer_than_the_floor() -> None:
    """What is quiet now may be awake in a minute."""
    assert typical_moves(drawn(5, scale=1e-7)).tolist() == [FLOOR] * 4
    assert typical_moves(drawn(5, scale=1e-7), floor=0.0)[0] < FLOOR
    assert (typical_moves(drawn(5)) > FLOOR).all()


def test_the_recent_deviation_needs_most_of_the_last_half_hour() -> None:
    """After an outage a single return would speak for the last half hour; the day speaks until there are more."""
    returns = drawn(6, 1400, 1)
    returns[-60:] = NAN
    returns[-1] = 0.05
    assert np.isnan(recent_deviation(returns)).all()
    assert hourly_deviation(returns)[0] == pytest.approx(ROOT * day_deviation(returns)[0])
    returns[-30:] = 0.05
    assert recent_deviation(returns)[0] == pytest.approx(0.05, rel=0.2)


def test_gaps_are_left_out_and_never_bridged() -> None:
    """A missing close takes the returns on both of its sides with it, whatever the price did meanwhile."""
    logs = np.log(np.array([[100.0], [101.0], [NAN], [150.0], [151.0]]))
    got = log_returns(logs)
    assert np.isnan(got[1:3]).all()
    assert got[[0, 3], 0] == pytest.approx([math.log(1.01), math.log(151 / 150)])


@given(st.integers(0, 50), st.floats(1e-3, 1e3))
def test_moves_do_not_depend_on_the_unit_of_a_price(seed: int, factor: float) -> None:
    """Prices in cents move as prices in dollars do; changes in cents are a hundred times those in dollars."""
    logs = np.cumsum(drawn(seed), axis=0)
    want = typical_moves(log_returns(logs))
    np.testing.assert_allclose(typical_moves(log_returns(logs + math.log(factor))), want, rtol=1e-6)
    changes = drawn(seed)
    np.testing.assert_allclose(hourly_deviation(changes * -factor), factor * hourly_deviation(changes), rtol=1e-9)


@given(st.permutations(range(5)), st.integers(0, 20))
def test_series_do_not_touch_each_other(order: list[int], seed: int) -> None:
    """Each column has its own figures: in any order, and beside columns of gaps."""
    returns = drawn(seed, series=5)
    returns[:, 2] = NAN
    returns[10:200, 3] = NAN
    got = typical_moves(returns[:, order])
    np.testing.assert_allclose(got, typical_moves(returns)[order], rtol=1e-12)
    assert np.isnan(got[order.index(2)])
    np.testing.assert_allclose(typical_moves(returns[:, :1]), typical_moves(returns)[:1], rtol=1e-12)


def test_moves_left_is_a_cushion_in_units_of_its_deviation() -> None:
    """Never below nothing; without end where nothing moves; not known where one of the two is not."""
    got = moves_left(np.array([100.0, -5.0, 100.0, NAN, 3.0]), np.array([50.0, 50.0, 0.0, 1.0, NAN]))
    np.testing.assert_array_equal(got, [2.0, 0.0, np.inf, NAN, NAN])
