"""The first number of steps at which something holds."""

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.search import Look, first


class Counted:
    """A judge that counts its looks and their rounds."""

    def __init__(self, holds: Callable[[int], bool], leeway: Callable[[int], float]) -> None:
        self._holds = holds
        self._leeway = leeway
        self.looks = 0
        self.rounds = 0

    def __call__(self, numbers: Sequence[int]) -> list[Look]:
        assert list(numbers) == sorted(set(numbers)), "each once, in order"
        self.looks += len(numbers)
        self.rounds += 1
        return [Look(self._holds(one), self._leeway(one)) for one in numbers]


def no_hint(_number: int) -> float:
    return math.inf


@given(
    answer=st.integers(1, 10**12),
    high=st.integers(1, 10**12),
    low=st.integers(-1, 10**6),
    width=st.integers(1, 9),
    looks=st.lists(st.integers(-5, 10**13), max_size=9),
    hint=st.sampled_from(("none", "straight", "bent", "wrong")),
)
def test_the_first_of_all_that_hold_is_found_whatever_the_hints(
    *, answer: int, high: int, low: int, width: int, looks: list[int], hint: str
) -> None:
    """Where it holds from one number on, that is the answer; nothing where that lies beyond the span."""
    leeways: dict[str, Callable[[int], float]] = {
        "none": no_hint,
        "straight": lambda one: one - answer + 0.5,
        "bent": lambda one: math.copysign(abs(one - answer + 0.5) ** 0.3, one - answer + 0.5),
        "wrong": lambda one: float((one * 7919) % 13 - 6),
    }
    judge = Counted(lambda one: one >= answer, leeways[hint])
    found = first(judge, (low, high), looks, width)
    if high <= low or answer > high:
        assert found is None
    else:
        assert found == max(answer, low + 1)


@given(
    holding=st.sets(st.integers(1, 400), min_size=1), width=st.integers(1, 8), looks=st.lists(st.integers(1, 400))
)
def test_what_is_found_holds_and_the_one_below_does_not(holding: set[int], width: int, looks: list[int]) -> None:
    """Also where it holds here and there; and nothing that was looked at first and holds lies below it."""
    found = first(Counted(holding.__contains__, no_hint), (0, 400), looks, width)
    if found is None:
        assert not holding & {*looks, 400}
    else:
        assert found in holding
        assert found - 1 not in holding
        assert found <= min(holding & {*looks, 400})


@pytest.mark.parametrize("width", [2, 8])
def test_a_straight_hint_needs_two_rounds(width: int) -> None:
    judge = Counted(lambda one: one >= 123_457, lambda one: (one - 123_456.4) * 0.01)
    assert first(judge, (0, 10**9), [10**5, 10**6], width) == 123_457
    assert judge.rounds == 2


def test_a_hint_that_lies_costs_little_more_than_none() -> None:
    """Every fourth round divides evenly: in a span of a million million."""
    judge = Counted(lambda one: one >= 777, lambda one: 1e-9 if one >= 777 else -1e9)
    assert first(judge, (0, 10**12), [], 4) == 777
    assert judge.rounds < 90


def test_an_empty_span_has_nothing() -> None:
    judge = Counted(lambda _one: True, no_hint)
    assert first(judge, (5, 5), [3], 4) is None
    assert judge.looks == 0
