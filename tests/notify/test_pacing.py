import math
from itertools import pairwise
from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import given

from monitor.notify.pacing import Pace, Urgency


def some_arrivals(seed: int, count: int, longest: int) -> list[tuple[float, Urgency]]:
    """Return for each how long after the last it comes, in eighths of a second, and how urgent it is."""
    rng = Random(seed)  # noqa: S311 - makes cases, guards nothing
    return [(rng.randint(0, longest * 8) / 8, rng.choice(list(Urgency))) for _ in range(count)]


# From a fall, in which many come each second, to single events.
ARRIVALS = st.builds(
    some_arrivals, st.integers(0, 2**32), st.integers(1, 60), st.sampled_from((1, 3, 10, 30, 100))
)  # fmt: skip


class Start:
    """One message: when, and what it took along, each with when it began to wait."""

    def __init__(self, at_s: float, taken: list[tuple[float, Urgency]]) -> None:
        self.at_s = at_s
        self.taken = taken
        self.urgency = max(urgency for _, urgency in taken)


def departures(arrivals: list[tuple[float, Urgency]], start_s: float = 0.0) -> list[Start]:
    """Return what a channel starts that takes everything along as soon as any of it may leave."""
    pace = Pace()
    coming: list[tuple[float, Urgency]] = []
    now_s = start_s
    for pause_s, urgency in arrivals:
        now_s += pause_s
        coming.append((now_s, urgency))
    done: list[Start] = []
    waiting: list[tuple[float, Urgency]] = []
    while coming or waiting:
        now_s = max((at_s for at_s, _ in waiting), default=0.0)
        leaves_s = min((pace.allowed_s(urgency, now_s) for _, urgency in waiting), default=math.inf)
        if coming and coming[0][0] <= leaves_s:
            waiting.append(coming.pop(0))
            continue
        start = Start(leaves_s, waiting)
        pace.started(start.urgency, leaves_s)
        done.append(start)
        waiting = []
    return done


@given(ARRIVALS, st.floats(0, 1e7))
def test_no_minute_sees_more_than_five_starts(arrivals: list[tuple[float, Urgency]], start_s: float) -> None:
    """Whatever comes, and whenever the minute is thought to begin."""
    at_s = [start.at_s for start in departures(arrivals, start_s)]
    assert all(later >= earlier + 60 for earlier, later in zip(at_s, at_s[5:], strict=False))


@given(ARRIVALS)
def test_nothing_waits_longer_than_a_minute(arrivals: list[tuple[float, Urgency]]) -> None:
    """What is due leaves with the first message that may start, its own or a more urgent one."""
    starts = departures(arrivals)
    assert all(start.at_s <= at_s + 60 for start in starts for at_s, _ in start.taken)
    assert sum(len(start.taken) for start in starts) == len(arrivals)


@given(ARRIVALS)
def test_the_first_after_quiet_goes_at_once(arrivals: list[tuple[float, Urgency]]) -> None:
    """After a minute without a start nothing waits for anything."""
    starts = departures(arrivals)
    for before, start in zip([None, *starts], starts, strict=False):
        first_s = min(at_s for at_s, _ in start.taken)
        if before is None or first_s >= before.at_s + 60:
            assert start.at_s == first_s


@given(ARRIVALS)
def test_the_first_emergency_of_a_minute_never_waits(arrivals: list[tuple[float, Urgency]]) -> None:
    """No matter how much of lesser danger was sent before it."""
    starts = departures(arrivals)
    for number, start in enumerate(starts):
        first_s = min((at_s for at_s, urgency in start.taken if urgency is Urgency.EMERGENCY), default=None)
        if first_s is None:
            continue
        before = [other.at_s for other in starts[:number] if other.urgency is Urgency.EMERGENCY]
        if not before or first_s >= before[-1] + 60:
            assert start.at_s == first_s


@given(ARRIVALS)
def test_the_first_critical_of_a_minute_hardly_waits(arrivals: list[tuple[float, Urgency]]) -> None:
    """Two seconds after the last message at most."""
    starts = departures(arrivals)
    for number, start in enumerate(starts):
        first_s = min((at_s for at_s, urgency in start.taken if urgency >= Urgency.SERIOUS), default=None)
        if first_s is None:
            continue
        before = [other.at_s for other in starts[:number] if other.urgency >= Urgency.SERIOUS]
        if not before or first_s >= before[-1] + 60:
            assert start.at_s <= first_s + 2


@given(ARRIVALS)
def test_only_an_emergency_leaves_within_two_seconds(arrivals: list[tuple[float, Urgency]]) -> None:
    """All else that follows a message within two seconds is gathered into the next."""
    starts = departures(arrivals)
    for before, start in pairwise(starts):
        assert start.at_s >= before.at_s + 2 or start.urgency is Urgency.EMERGENCY


@given(ARRIVALS)
def test_emergencies_alone_wait_little_more_than_half_a_minute(arrivals: list[tuple[float, Urgency]]) -> None:
    """However they come: the places that are left are spread over what is left of the minute."""
    starts = departures([(pause_s, Urgency.EMERGENCY) for pause_s, _ in arrivals])
    assert all(start.at_s - at_s <= 35.0 for start in starts for at_s, _ in start.taken)


@pytest.mark.parametrize(
    ("urgency", "expected"),
    [
        (Urgency.ORDINARY, [0, 2, 25.2, 60, 70.1, 90, 120]),
        (Urgency.SERIOUS, [0, 2, 14.2, 32.5, 60, 65.7, 76.4]),
        (Urgency.EMERGENCY, [0, 2, 9.1, 19.8, 35.9, 60, 63.7]),
    ],
)
def test_a_steady_stream_is_gathered_into_few(urgency: Urgency, expected: list[float]) -> None:
    """Eight a second, all of one degree: each message holds what came since the last."""
    starts = departures([(0.125, urgency)] * 8 * 140, start_s=-0.125)
    assert [round(start.at_s, 1) for start in starts][: len(expected)] == expected


def test_each_degree_keeps_a_place_to_itself() -> None:
    """Two places are left when warnings used theirs, one when criticals did, and none when an emergency did."""
    pace = Pace()
    for at_s in (0.0, 2.0, 30.0):
        assert pace.allowed_s(Urgency.ORDINARY, at_s) == at_s
        pace.started(Urgency.ORDINARY, at_s)
    assert [pace.allowed_s(urgency, 31.0) for urgency in Urgency] == [60.0, 32.0, 31.0]
    pace.started(Urgency.SERIOUS, 32.0)
    assert [pace.allowed_s(urgency, 32.0) for urgency in Urgency] == [62.0, 60.0, 32.0]
    pace.started(Urgency.EMERGENCY, 32.5)
    assert [round(pace.allowed_s(urgency, 32.5)) for urgency in Urgency] == [90, 62, 60]


def test_the_last_message_of_a_run_keeps_no_gap_but_the_limit() -> None:
    """It gathers everything and nothing follows; five in a minute are five all the same."""
    pace = Pace()
    assert pace.parting_s(0.0) == 0.0
    for number in range(5):
        pace.started(Urgency.ORDINARY, float(number))
        assert pace.parting_s(number + 0.5) == (number + 1.0 if number < 4 else 60.0)
    assert pace.parting_s(70.0) == 70.0


def test_a_shorter_minute_is_the_same_at_another_speed() -> None:
    """Whoever plays a story faster than life sees it told as in life."""
    slow, fast = Pace(), Pace(6.0)
    now_s = 0.0
    for urgency in (Urgency.ORDINARY, Urgency.EMERGENCY, Urgency.SERIOUS, Urgency.EMERGENCY, Urgency.EMERGENCY):
        now_s = slow.allowed_s(urgency, now_s)
        assert fast.allowed_s(urgency, now_s / 10) == pytest.approx(now_s / 10)
        slow.started(urgency, now_s)
        fast.started(urgency, now_s / 10)
    assert fast.parting_s(now_s / 10) == pytest.approx(6.0)
