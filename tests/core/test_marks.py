"""Newest marks, their extremes, and how old they are."""

import numpy as np

from monitor.core.marks import MarkBoard
from monitor.core.model import MarkRange, Source
from monitor.core.notices import DataState
from monitor.core.settings import FreshnessRules

RULES = FreshnessRules()


def board(*symbols: str, now_s: float = 100.0) -> MarkBoard:
    made = MarkBoard()
    made.watch(symbols or ("A", "B"), now_s)
    return made


def new(
    symbol: str, mark: float, low: float | None = None, high: float | None = None, *, at_s: float = 101.0,
    source: Source = Source.STREAM, event_ms: int = 7,
) -> MarkRange:  # fmt: skip
    return MarkRange(
        symbol, mark, mark if low is None else low, mark if high is None else high, event_ms, at_s, source
    )


def by_rest(
    symbol: str, mark: float, low: float | None = None, high: float | None = None, *, at_s: float = 101.0,
    event_ms: int = 7,
) -> MarkRange:  # fmt: skip
    return new(symbol, mark, low, high, at_s=at_s, source=Source.REST, event_ms=event_ms)


def test_a_mark_is_unknown_until_it_is_heard() -> None:
    """NaN, which makes its wallet unknown; never an old or invented price."""
    made = board()
    assert np.isnan(made.price).all()
    assert made.newest("A") is None
    made.take([new("A", 5.0)])
    assert made.price[0] == 5.0
    assert np.isnan(made.price[1])
    assert made.newest("A") == (5.0, 7, 101.0, Source.STREAM)


def test_single_marks_have_no_extremes() -> None:
    """Nothing was coalesced, so the newest tells all."""
    assert board().take([new("A", 5.0), new("B", 3.0)]) is None
    assert board().take([]) is None


def test_extremes_come_with_the_newest_of_the_others() -> None:
    """Each symbol's range, and a range of nothing for the symbols that stood still."""
    made = board()
    made.take([new("B", 3.0)])
    for moved in (new("A", 5.0, low=4.0), new("A", 4.0, high=5.0)):
        extremes = made.take([moved])
        assert extremes is not None
        assert [column.tolist() for column in extremes] == [[4.0, 3.0], [5.0, 3.0]]
        assert made.price.tolist() == [moved.mark, 3.0]


def test_marks_of_symbols_nobody_watches_are_passed_over() -> None:
    """They may still be in flight when a position is closed."""
    made = board("A")
    assert made.take([new("C", 1.0, low=0.5)]) is None
    assert made.newest("C") is None
    made.expect(["C"], 500.0)
    assert made.symbols == ("A",)


def test_watching_others_keeps_what_is_known() -> None:
    """A new position must not make the old ones blind; a symbol that returns begins anew."""
    made = board("A", "B")
    made.take([new("A", 5.0), new("B", 3.0)])
    made.watch(("B", "C"), 150.0)
    assert made.price[0] == 3.0
    assert np.isnan(made.price[1])
    assert made.heard_s.tolist() == [101.0, 150.0]
    made.watch(("A", "B"), 160.0)
    assert made.newest("A") is None
    assert np.isnan(made.price[0])
    assert made.silence_s("A", 161.0) == 1.0


def test_silence_has_two_stages() -> None:
    """Suspect from 3 s, blind from 13.5 s, fresh with the next mark."""
    made = board("A")
    made.take([new("A", 5.0, at_s=200.0)])
    ages = {0.0: "fresh", 2.999: "fresh", 3.0: "suspect", 13.499: "suspect", 13.5: "blind", 1e6: "blind"}
    assert {age: made.state("A", 200.0 + age, RULES).value for age in ages} == ages
    made.take([new("A", 5.0, at_s=2e6)])
    assert made.state("A", 2e6, RULES) is DataState.FRESH


def test_silence_counts_from_the_subscription_of_a_symbol_never_heard() -> None:
    """Not from when it was first watched; and not from a subscription for one that has delivered."""
    made = board("A", "B", now_s=100.0)
    made.take([new("A", 5.0, at_s=101.0)])
    made.expect(["A", "B"], 108.0)
    assert made.silence_s("A", 110.0) == 9.0
    assert made.silence_s("B", 110.0) == 2.0


def test_subscribing_again_does_not_put_off_blindness() -> None:
    """A feed that reconnects every few seconds and never delivers is blind all the same."""
    made = board("A", now_s=100.0)
    for at_s in (102.0, 107.0, 112.0, 116.0):
        made.expect(["A"], at_s)
    assert made.state("A", 117.0, RULES) is DataState.BLIND


def test_a_subscription_from_before_it_was_watched_does_not_count() -> None:
    """Silence cannot be older than the interest in it."""
    made = board("A", now_s=100.0)
    made.expect(["A"], 50.0)
    assert made.silence_s("A", 101.0) == 1.0


def test_a_symbol_that_is_watched_anew_is_expected_anew() -> None:
    """Its position was closed and opened again."""
    made = board("A", now_s=100.0)
    made.expect(["A"], 101.0)
    made.watch((), 102.0)
    made.watch(("A",), 200.0)
    made.expect(["A"], 201.0)
    assert made.silence_s("A", 203.0) == 2.0


def test_a_mark_from_rest_is_a_price_and_no_sign_of_life() -> None:
    """The level follows it; the stream is as silent as before, and the symbol goes blind on time."""
    made = board("A")
    made.take([new("A", 5.0, at_s=101.0)])
    made.take([by_rest("A", 4.0, at_s=110.0, event_ms=8)])
    assert made.price[0] == 4.0
    assert made.newest("A") == (4.0, 8, 110.0, Source.REST)
    assert made.silence_s("A", 111.0) == 10.0
    assert made.state("A", 114.5, RULES) is DataState.BLIND
    assert made.silent(104.0, 3.0).tolist() == [True]


def test_a_mark_from_rest_that_is_older_than_what_is_known_is_none() -> None:
    """A late reply must not put the price back, and its extremes are of the past as well."""
    made = board("A")
    made.take([new("A", 5.0, event_ms=10)])
    assert made.take([by_rest("A", 4.0, low=1.0, event_ms=9)]) is None
    assert made.newest("A") == (5.0, 10, 101.0, Source.STREAM)
    assert not made.is_bridged("A", 101.0, 10.0)
    made.take([by_rest("A", 4.0, event_ms=10)])
    assert made.price[0] == 4.0


def test_the_stream_counts_whatever_rest_said_before() -> None:
    """It is back; REST may have been a moment ahead, or the machine's clock that stamped a seed."""
    made = board("A")
    made.take([by_rest("A", 4.0, event_ms=60_000)])
    made.take([new("A", 5.0, event_ms=59_000, at_s=120.0)])
    assert made.newest("A") == (5.0, 59_000, 120.0, Source.STREAM)
    assert made.silence_s("A", 120.0) == 0.0


def test_extremes_of_both_sources_in_one_take_are_kept() -> None:
    """What either received was a crossing."""
    made = board("A", "B")
    extremes = made.take([new("A", 5.0, low=4.5), new("B", 2.0), by_rest("A", 4.8, high=6.0, event_ms=8)])
    assert extremes is not None
    assert [column.tolist() for column in extremes] == [[4.5, 2.0], [6.0, 2.0]]
    extremes = made.take([new("A", 5.0, event_ms=9), by_rest("A", 4.0, event_ms=10)])
    assert extremes is not None
    assert [column.tolist() for column in extremes] == [[4.0, 2.0], [5.0, 2.0]]
    assert made.price.tolist() == [4.0, 2.0]


def test_a_symbol_is_bridged_while_rest_gives_marks() -> None:
    """Counted from its own last one, whatever the stream said since."""
    made = board("A", "B")
    made.take([by_rest("A", 4.0, at_s=101.0)])
    made.take([new("A", 5.0, at_s=102.0)])
    assert made.is_bridged("A", 111.0, 10.0)
    assert not made.is_bridged("A", 111.1, 10.0)
    assert not made.is_bridged("B", 101.0, 10.0)
    made.watch((), 103.0)
    made.watch(("A",), 103.0)
    assert not made.is_bridged("A", 103.0, 10.0)


def test_a_symbol_whose_stream_is_wrong_is_blind_whatever_comes() -> None:
    """Each feed speaks for its own; what is not named any more is believed again."""
    made = board("A", "B")
    made.distrust("usdm", ["B"])
    made.distrust("coinm", [])
    made.take([new("A", 5.0, at_s=101.0), new("B", 5.0, at_s=101.0)])
    assert [made.state(s, 101.0, RULES).value for s in ("A", "B")] == ["fresh", "blind"]
    assert made.silent(101.0, 3.0).tolist() == [False, True]
    made.watch(("0", "A", "B"), 101.0)
    assert made.silent(101.0, 3.0).tolist() == [False, False, True]
    made.distrust("usdm", [])
    assert made.state("B", 101.0, RULES) is DataState.FRESH
    assert made.silent(101.0, 3.0).tolist() == [False, False, False]


def test_the_clock_of_a_wrong_stream_keeps_no_mark_of_rest_away() -> None:
    """It may have told times that are yet to come."""
    made = board("A")
    made.take([new("A", 5.0, event_ms=60_000)])
    made.distrust("usdm", ["A"])
    made.take([by_rest("A", 4.0, event_ms=1_000)])
    assert made.price[0] == 4.0
    made.take([by_rest("A", 3.0, event_ms=999)])
    assert made.price[0] == 4.0


def test_silence_that_is_in_order_counts_from_when_that_was_seen() -> None:
    """The market is closed; what nobody sees to any more goes blind as any other, and life counts for more."""
    made = board("A")
    made.take([new("A", 5.0, at_s=101.0)])
    made.excuse(["A", "C"], 150.0)
    assert made.state("A", 152.0, RULES) is DataState.FRESH
    assert made.state("A", 163.5, RULES) is DataState.BLIND
    made.take([new("A", 5.0, at_s=170.0)])
    made.excuse(["A"], 160.0)
    assert made.silence_s("A", 171.0) == 1.0
