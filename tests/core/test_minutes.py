"""One-minute closes: which mark of a minute stays, and what becomes of gaps."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.minutes import DAY, MINUTE_MS, Minutes
from monitor.core.model import MarkRange

M0 = 29_666_666  # a minute of 2026
T0 = M0 * MINUTE_MS


def mark(symbol: str, price: float, event_ms: int, seen_s: float = 0.0) -> MarkRange:
    return MarkRange(symbol, price, price, price, event_ms, seen_s)


def board(*names: str) -> Minutes:
    made = Minutes()
    made.watch(names or ("A",))
    return made


def closes(minutes: Minutes, name: str = "A") -> list[float]:
    """Return the last complete minutes with a close, oldest first."""
    logs = minutes._ordered(minutes._log)[:, minutes.names.index(name)]
    return [round(math.exp(value), 9) for value in logs[~np.isnan(logs)]]


def last_returns(minutes: Minutes, count: int, name: str = "A") -> list[float]:
    return minutes.returns()[-count:, minutes.names.index(name)].tolist()  # type: ignore[no-any-return]


def test_the_last_mark_of_a_minute_is_its_close() -> None:
    """By exchange time; a mark of the next minute completes it."""
    minutes = board()
    for second, price in ((1, 100.0), (59, 101.0), (30, 99.0)):  # the last one is late
        minutes.observe([mark("A", price, T0 + second * 1000)])
    assert closes(minutes) == []
    minutes.observe([mark("A", 105.0, T0 + MINUTE_MS)])
    assert closes(minutes) == [101.0]


def test_a_late_mark_still_completes_its_own_minute() -> None:
    """The stream of another host may lag: its later mark of a past minute is that minute's close."""
    minutes = board("A", "B")
    minutes.observe([mark("A", 100.0, T0 + 10_000), mark("B", 7.0, T0 + 10_000)])
    minutes.observe([mark("B", 8.0, T0 + 70_000)])
    minutes.observe([mark("A", 101.0, T0 + 59_999)])
    assert (closes(minutes, "A"), closes(minutes, "B")) == ([101.0], [7.0])


def test_of_two_marks_of_one_millisecond_the_later_heard_stays() -> None:
    """The exchange repeats and corrects itself."""
    minutes = board()
    minutes.observe([mark("A", 100.0, T0)])
    minutes.observe([mark("A", 100.5, T0)])
    minutes.observe([mark("A", 1.0, T0 + MINUTE_MS)])
    assert closes(minutes) == [100.5]


@given(st.lists(st.integers(0, 600_000), unique=True, min_size=1, max_size=40), st.randoms())
def test_the_order_of_arrival_does_not_matter(times: list[int], shuffled: random.Random) -> None:
    """Whatever was delayed, the closes are those of the exchange's own order."""
    marks = [mark("A", 100.0 + i, T0 + at) for i, at in enumerate(times)]
    want: dict[int, MarkRange] = {}
    for one in sorted(marks, key=lambda one: one.event_ms):
        want[one.event_ms // MINUTE_MS] = one
    minutes = board()
    shuffled.shuffle(marks)
    for one in marks:
        minutes.observe([one])
    newest = max(want)
    assert closes(minutes) == [one.mark for at, one in sorted(want.items()) if at < newest]


def test_a_minute_without_a_mark_is_a_gap() -> None:
    """Its neighbours are no neighbours of each other: no return spans it."""
    minutes = board()
    for at, price in ((0, 100.0), (1, 101.0), (3, 110.0), (4, 111.0), (5, 1.0)):
        minutes.observe([mark("A", price, T0 + at * MINUTE_MS)])
    first, before, after, last = last_returns(minutes, 4)
    assert first == pytest.approx(math.log(1.01))
    assert math.isnan(before)
    assert math.isnan(after)
    assert last == pytest.approx(math.log(111 / 110))


def test_symbols_are_aligned_by_the_exchange_s_minute() -> None:
    """Joint returns need the same minute in the same row, whoever spoke first."""
    minutes = board("A", "B")
    for at in range(4):
        minutes.observe([mark("A", 100.0 + at, T0 + at * MINUTE_MS)])
        if at != 1:
            minutes.observe([mark("B", 10.0 + at, T0 + at * MINUTE_MS + 500)])
    assert not np.isnan(last_returns(minutes, 2, "A")).any()
    assert np.isnan(last_returns(minutes, 2, "B")).all()


def test_a_day_is_kept_and_no_more() -> None:
    """What is older than a day falls out, minute by minute."""
    minutes = board()
    for at in range(DAY + 10):
        minutes.observe([mark("A", 100.0 + at, T0 + at * MINUTE_MS)])
    got = closes(minutes)
    assert len(got) == DAY - 1
    assert got[0] == 110.0
    assert minutes.returns().shape == (DAY - 2, 1)
    minutes.observe([mark("A", 1.0, T0 + 5 * DAY * MINUTE_MS)])
    assert closes(minutes) == []
    minutes.observe([mark("A", 1.0, T0)])  # days late
    assert closes(minutes) == []


def test_what_was_asked_for_never_overwrites_what_the_stream_saw() -> None:
    """In whichever order the two come."""
    early, late = board(), board()
    early.seed("A", T0, (1.0, 2.0, 3.0, 4.0), 0.0)
    for minutes in (early, late):
        minutes.observe([mark("A", 50.0, T0 + MINUTE_MS)])
        minutes.observe([mark("A", 60.0, T0 + 4 * MINUTE_MS)])
    late.seed("A", T0, (1.0, 2.0, 3.0, 4.0), 0.0)
    assert closes(early) == closes(late) == [1.0, 50.0, 3.0, 4.0]


def test_the_minute_in_progress_stays_open_to_the_stream() -> None:
    """A close of it came from another clock; the stream's own marks of it count."""
    minutes = board()
    minutes.observe([mark("A", 50.0, T0 + 2 * MINUTE_MS)])
    minutes.seed("A", T0, (1.0, 2.0, 3.0), 0.0)
    assert closes(minutes) == [1.0, 2.0, 50.0]  # a close says that its minute is over
    minutes.observe([mark("A", 55.0, T0 + 2 * MINUTE_MS + 40_000)])
    assert closes(minutes) == [1.0, 2.0, 55.0]


def test_gaps_and_nonsense_among_closes_are_gaps() -> None:
    """Zero stands for a gap; nothing else that is no price becomes one."""
    minutes = board()
    assert minutes.seed("A", T0, (1.0, 0.0, float("nan"), -1.0, float("inf"), 2.0), 0.0)
    assert closes(minutes) == [1.0, 2.0]
    assert not minutes.seed("A", T0, (0.0, float("nan")), 0.0)
    assert not minutes.seed("A", T0, (), 0.0)
    assert not minutes.seed("nobody", T0, (1.0,), 0.0)


def test_more_than_a_day_of_closes_keeps_the_newest() -> None:
    """The ring does not wrap onto itself."""
    minutes = board()
    minutes.seed("A", T0, tuple(float(i + 1) for i in range(3000)), 0.0)
    assert closes(minutes) == [float(i) for i in range(3000 - DAY + 2, 3001)]


def test_closes_older_than_a_day_are_passed_over() -> None:
    """They would stand in the rows of another day."""
    minutes = board()
    minutes.observe([mark("A", 5.0, T0)])
    minutes.seed("A", T0 - 2 * DAY * MINUTE_MS, (1.0, 2.0), 0.0)
    assert closes(minutes) == []


def test_a_ring_stays_as_it_was_when_it_was_taken() -> None:
    """A thread makes closes of it while the loop takes marks; names without any are left out."""
    minutes = board("A", "B")
    minutes.seed("A", T0, (1.0, 0.0, 2.0), 0.0)
    taken = minutes.ring()
    minutes.observe([mark("A", 9.0, T0 + 2 * MINUTE_MS + 1), mark("B", 9.0, T0 + 3 * MINUTE_MS)])
    minutes.observe([mark("A", 9.0, T0 + 4 * MINUTE_MS)])
    (one,) = taken.closes()
    assert (one.name, one.first_ms + (len(one.closes) - 3) * MINUTE_MS) == ("A", T0)
    np.testing.assert_allclose(one.closes[-3:], [1.0, 0.0, 2.0])


def test_the_version_grows_once_a_minute_and_with_closes() -> None:
    """What is made of minutes is made anew then and only then."""
    minutes = board()
    minutes.observe([mark("A", 1.0, T0)])
    before = minutes.version
    minutes.observe([mark("A", 2.0, T0 + 59_000)])
    minutes.observe([mark("nobody", 2.0, T0 + 10 * MINUTE_MS)])
    assert minutes.version == before
    minutes.observe([mark("A", 2.0, T0 + 60_000)])
    assert minutes.version == before + 1
    minutes.seed("A", T0 - MINUTE_MS, (3.0,), 0.0)
    assert minutes.version == before + 2


def test_names_may_come_and_go() -> None:
    """Closes follow their names into other places; a position that is opened again finds its day."""
    minutes = board("A", "B")
    minutes.seed("A", T0, (1.0, 2.0, 3.0), 0.0)
    minutes.seed("B", T0, (10.0, 20.0, 30.0), 0.0)
    minutes.watch(("C", "B"))
    assert (closes(minutes, "C"), closes(minutes, "B")) == ([], [10.0, 20.0, 30.0])
    assert minutes.returns().shape == (DAY - 2, 2)
    minutes.watch(("B", "A"))
    assert (closes(minutes, "B"), closes(minutes, "A")) == ([10.0, 20.0, 30.0], [1.0, 2.0, 3.0])
    minutes.watch(("B",))
    minutes.observe([mark("B", 5.0, T0 + 2 * DAY * MINUTE_MS)])
    minutes.watch(("B", "A"))
    assert closes(minutes, "A") == []
    minutes.watch(())
    assert minutes.returns().shape == (DAY - 2, 0)
    assert minutes.known(0.0) == {}


def test_a_rate_is_seeded_with_moves_and_not_with_heights() -> None:
    """Closes of its underlying stand beside its own, and no return leads from one to the other."""
    minutes = board("BTCUSD@bid", "A")
    for name in minutes.names:
        minutes.seed(name, T0, (100.0, 101.0, 102.0), 0.0)
        minutes.observe([mark(name, 95.0, T0 + 3 * MINUTE_MS)])
        minutes.observe([mark(name, 96.0, T0 + 4 * MINUTE_MS)])
    minutes.observe([mark("A", 1.0, T0 + 5 * MINUTE_MS)])
    rate, plain = last_returns(minutes, 4, "BTCUSD@bid"), last_returns(minutes, 4, "A")
    assert not np.isnan(plain).any()
    assert np.isnan(rate).tolist() == [False, False, True, False]
    assert rate[:2] == plain[:2]
    assert rate[3] == plain[3]


def test_what_is_known_says_how_much_and_how_old() -> None:
    """Minutes of the last day, and the time since the newest of them ended."""
    minutes = board("A", "B")
    assert minutes.known(9.0)["A"] == (0, None)
    minutes.observe([mark("A", 1.0, T0, 100.0), mark("B", 1.0, T0, 100.0)])
    minutes.observe([mark("A", 1.0, T0 + MINUTE_MS + 20_000, 180.0)])
    assert minutes.known(180.0) == {"A": (1, 20.0), "B": (1, 20.0)}
    minutes.observe([mark("A", 1.0, T0 + 3 * MINUTE_MS + 1000, 281.0)])
    assert minutes.known(290.0) == {"A": (2, 70.0), "B": (1, 130.0)}
    assert minutes.known(10.0)["A"].age_s == 60.0  # a clock that steps back


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from(["tick", "seed"]), st.integers(0, 4000), st.integers(1, 90)), max_size=40)
)
def test_the_ring_is_a_day_of_a_dictionary(steps: list[tuple[str, int, int]]) -> None:
    """Whatever jumps the exchange's time makes, each minute holds its own close or none."""
    minutes, newest = board(), -1
    streamed: dict[int, float] = {}
    asked: dict[int, float] = {}
    for number, (kind, at, length) in enumerate(steps):
        if kind == "tick":
            minutes.observe([mark("A", 1.0 + number, T0 + at * MINUTE_MS)])
            if at > newest - DAY:
                streamed[at] = 1.0 + number
            newest = max(newest, at)
        else:
            values = [1000.0 + number + i for i in range(length)]
            minutes.seed("A", T0 + at * MINUTE_MS, values, 0.0)
            newest = max(newest, at + length)
            asked |= {at + i: value for i, value in enumerate(values) if at + i > newest - DAY}
        streamed = {at: value for at, value in streamed.items() if at > newest - DAY}
        asked = {at: value for at, value in asked.items() if at > newest - DAY}
    want = asked | streamed
    assert closes(minutes) == [value for at, value in sorted(want.items()) if at < newest]
