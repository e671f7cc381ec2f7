"""Stream beside REST: a fast market is never taken for a lie, and a lie never for a fast market."""

import math
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from monitor.binance.trust import TOLERANCE, WINDOW_S, Charge, Heard, Pace, Recent, Trust, difference
from monitor.core.model import MarkTick

BTC, ETH = "BTCUSDT", "ETHUSDT"
AGAIN_S = 5
INTERVAL_S = 60
SETTLE_S = 2  # a comparison is made so long after REST was asked


def said(mark: float, low: float | None = None, high: float | None = None) -> Heard:
    return Heard(mark, mark if low is None else low, mark if high is None else high)


def convicted(
    trust: Trust, rest: Mapping[str, float], heard: Mapping[str, Heard], *, regular: bool
) -> tuple[str, ...]:
    """Compare, and believe every charge."""
    charges = trust.compare(rest, heard, regular=regular)
    for one in charges:
        trust.convict(one)
    return tuple(one.symbol for one in charges)


def steady(trust: Trust, rest: float, mark: float, *, regular: bool = False) -> tuple[str, ...]:
    """Compare REST with a stream that said one price."""
    return convicted(trust, {BTC: rest}, {BTC: said(mark)}, regular=regular)


def test_a_witness_sides_with_whom_it_is_nearer_to() -> None:
    """Within what the stream said it is on its side; a tie is not."""
    charge = Charge(BTC, 90.0, said(100.0, 98.0, 101.0), stuck=False)
    assert [charge.is_refuted(mark) for mark in (100.5, 95.0, 94.0, 90.0, 103.0)] == [
        True,
        True,
        False,
        False,
        True,
    ]
    stuck = Charge(BTC, 100.05, said(100.0), stuck=True)
    assert [stuck.is_refuted(mark) for mark in (100.04, 100.01)] == [False, True]


def test_nobody_is_distrusted_without_a_verdict() -> None:
    """What is charged may be refuted; then it has to be charged anew, from the beginning."""
    trust = Trust()
    for _ in range(2):
        charges = [trust.compare({BTC: 90.0}, {BTC: said(100.0)}, regular=False) for _ in range(3)]
        assert [len(found) for found in charges] == [0, 0, 1]
    assert trust.reasons == {}


def test_three_in_a_row_on_one_side_are_elsewhere() -> None:
    """The reason has both figures; it is found once."""
    trust = Trust()
    assert steady(trust, 59_400.0, 61_000.0, regular=True) == ()
    assert trust.doubted == {BTC}
    assert steady(trust, 59_401.0, 61_000.5) == ()
    assert steady(trust, 59_402.0, 61_001.0) == (BTC,)
    assert trust.reasons == {BTC: "the stream says 61,001 where REST says 59,402"}
    assert trust.doubted == frozenset()
    assert steady(trust, 59_403.0, 61_002.0) == ()


def test_two_in_a_row_or_on_both_sides_are_not() -> None:
    """A jump that one of them saw first."""
    trust = Trust()
    for rest in (99.0, 99.1, 100.0, 99.0, 101.0, 99.0, 101.0):
        assert steady(trust, rest, 100.0) == ()
    assert trust.doubted == {BTC}
    steady(trust, 100.05, 100.0)
    assert trust.doubted == frozenset()


def test_what_lies_within_the_range_agrees() -> None:
    """Widened by the tolerance, and not by more."""
    heard = {BTC: said(100.0, 98.0, 103.0)}
    for rest, doubted in ((98.0 * (1 - TOLERANCE), False), (103.0 * (1 + TOLERANCE), False), (97.9, True)):
        trust = Trust()
        trust.compare({BTC: rest}, heard, regular=True)
        assert (trust.doubted == {BTC}) is doubted
    assert difference(99.0, said(100.0)) == 0.01


def test_a_silent_symbol_is_not_compared() -> None:
    """And its doubt is over: silence is told otherwise."""
    trust = Trust()
    steady(trust, 90.0, 100.0)
    steady(trust, 90.1, 100.0)
    assert trust.compare({BTC: 90.2}, {}, regular=False) == ()
    assert trust.doubted == frozenset()
    assert steady(trust, 90.3, 100.0) == ()


def test_a_price_that_stands_still_while_rest_moves_is_stuck() -> None:
    """Over a whole interval and five seconds more; below the tolerance of being elsewhere."""
    trust = Trust()
    steady(trust, 100.0, 100.0, regular=True)
    assert steady(trust, 100.05, 100.0, regular=True) == ()
    assert trust.doubted == {BTC}
    assert steady(trust, 100.05, 100.0) == (BTC,)
    assert trust.reasons == {BTC: "stuck price, the stream says 100 where REST says 100.05"}


def test_a_price_that_merely_rests_is_not_stuck() -> None:
    """REST rests as well, or is hardly elsewhere, or the stream moves in the end, or moved within the interval."""
    for first, second, again in (
        ((100.05, said(100.0)), (100.05, said(100.0)), (100.05, said(100.0))),
        ((100.0, said(100.0)), (100.01, said(100.0)), (100.02, said(100.0))),
        ((100.0, said(100.0)), (100.05, said(100.0)), (100.05, said(100.05, 100.0))),
        ((100.0, said(100.02)), (100.05, said(100.0)), (100.05, said(100.0))),
        ((100.0, said(100.0)), (100.05, said(100.0, 99.99)), (100.05, said(100.0))),
    ):
        trust = Trust()
        for (rest, heard), regular in ((first, True), (second, True), (again, False)):
            assert trust.compare({BTC: rest}, {BTC: heard}, regular=regular) == ()


def test_an_interval_with_silence_in_it_is_none() -> None:
    """A price is stuck only where the stream told it all along."""
    trust = Trust()
    steady(trust, 100.0, 100.0, regular=True)
    trust.compare({BTC: 100.05}, {}, regular=True)
    steady(trust, 100.06, 100.0, regular=True)
    assert trust.doubted == frozenset()


def test_rest_that_stands_still_while_the_stream_moves_proves_nothing() -> None:
    """It is REST that is stuck, then; both unmoved and apart is a difference all the same."""
    trust = Trust()
    for n in range(20):
        mark = 100.0 + n
        assert trust.compare({BTC: 100.0}, {BTC: said(mark, mark - 0.5)}, regular=n % 3 == 0) == ()
    trust = Trust()
    assert [steady(trust, 90.0, 100.0) for _ in range(3)] == [(), (), (BTC,)]


def test_two_agreements_in_a_row_bring_trust_back() -> None:
    """From there on it is judged as any other."""
    trust = Trust()
    for rest in (90.0, 90.1, 90.2):
        steady(trust, rest, 100.0)
    assert [trust.agrees(BTC, 100.0, mark) for mark in (100.0, 102.0, 100.05)] == [False, False, False]
    assert trust.agrees(BTC, 100.0, 99.95)
    assert trust.reasons == {}
    assert steady(trust, 90.0, 100.0) == ()
    assert trust.doubted == {BTC}


def test_rest_that_comes_by_a_stuck_price_brings_no_trust() -> None:
    """The price has to move, or REST has to stand exactly there."""
    trust = Trust()
    for rest, regular in ((100.0, True), (100.05, True), (100.05, False)):
        steady(trust, rest, 100.0, regular=regular)
    assert not any(trust.agrees(BTC, rest, 100.0) for rest in (100.05, 100.01, 99.99))
    assert [trust.agrees(BTC, 100.0, 100.0) for _ in range(2)] == [False, True]
    for rest, regular in ((100.0, True), (100.05, True), (100.05, False)):
        steady(trust, rest, 100.0, regular=regular)
    assert [trust.agrees(BTC, 100.05, 100.04) for _ in range(2)] == [False, True]


def test_symbols_that_are_not_watched_any_more_are_forgotten() -> None:
    """Whatever was held against them."""
    trust = Trust()
    for _ in range(3):
        convicted(trust, {BTC: 90.0, ETH: 90.0}, {BTC: said(100.0), ETH: said(100.0)}, regular=False)
    assert set(trust.reasons) == {BTC, ETH}
    trust.keep([ETH])
    assert set(trust.reasons) == {ETH}
    assert steady(trust, 90.0, 100.0) == ()


def test_small_prices_are_told_in_full() -> None:
    """Tokens cost a fraction of a cent."""
    trust = Trust()
    for _ in range(3):
        steady(trust, 0.00001234, 0.0000121)
    assert trust.reasons == {BTC: "the stream says 0.0000121 where REST says 0.00001234"}


def test_what_was_heard_lately_has_its_newest_lowest_and_highest() -> None:
    """From samples of a dictionary that goes on changing."""
    recent = Recent()
    ticks: dict[str, MarkTick] = {}
    for second, mark in enumerate((5.0, 9.0, 2.0, 4.0)):
        ticks[BTC] = MarkTick(BTC, mark, second, float(second))
        recent.note(ticks, float(second))
    assert recent.heard(BTC, 0.0) == Heard(4.0, 2.0, 9.0)
    assert recent.heard(BTC, 1.5) == Heard(4.0, 2.0, 4.0)
    assert recent.heard(BTC, 3.5) is None
    assert recent.heard(ETH, 0.0) is None
    recent.clear()
    assert recent.heard(BTC, 0.0) is None


def comparisons(length_s: int) -> Sequence[tuple[int, bool]]:
    """Return when REST is asked and whether that is a regular comparison, as if every one left a doubt."""
    found = []
    for start_s in range(INTERVAL_S, length_s - 2 * (AGAIN_S + SETTLE_S), INTERVAL_S):
        found += [(start_s, True), (start_s + AGAIN_S, False), (start_s + 2 * AGAIN_S, False)]
    return found


LENGTH_S = 5 * INTERVAL_S
MOVE = st.floats(-0.01, 0.01)
DELAYS = st.lists(st.floats(0.0, 3.0), min_size=60, max_size=60)


@given(
    st.lists(MOVE, min_size=7, max_size=31) | st.floats(-0.01, 0.01).map(lambda move: [move]), DELAYS,
    st.floats(-1.0, 1.0),
)  # fmt: skip
def test_no_market_is_so_fast_that_it_is_taken_for_a_lie(
    moves: list[float], delays: list[float], drift: float
) -> None:
    """A percent a second, steady or to and fro, with a REST that is up to three seconds behind or a bit ahead."""
    path = [100.0]
    while len(path) <= LENGTH_S + SETTLE_S:
        move = moves[len(path) % len(moves)]
        path.append(max(1e-6, path[-1] * (1.0 + max(-0.01, min(0.01, move + 0.01 * drift)))))
    trust = Trust()
    for n, (at_s, regular) in enumerate(comparisons(LENGTH_S)):
        rest = path[math.floor(at_s + 1.0 - delays[n])]
        window = path[max(0, at_s - round(WINDOW_S)) : at_s + SETTLE_S]
        heard = Heard(window[-1], min(window), max(window))
        assert trust.compare({BTC: rest}, {BTC: heard}, regular=regular) == ()
    assert trust.reasons == {}


@given(st.lists(MOVE, min_size=7, max_size=31), st.sampled_from([0.8, 0.95, 1.05, 1.3]), DELAYS)
def test_a_stream_that_is_far_off_is_found_in_any_market_that_is_not_wild(
    moves: list[float], factor: float, delays: list[float]
) -> None:
    """With moves a tenth as fast: the range of fifteen seconds does not reach so far."""
    path = [100.0]
    while len(path) <= INTERVAL_S + 3 * AGAIN_S + SETTLE_S:
        path.append(path[-1] * (1.0 + moves[len(path) % len(moves)] / 10.0 + 1e-6))
    trust = Trust()
    found: list[str] = []
    for n, (at_s, regular) in enumerate([(60, True), (65, False), (70, False)]):
        window = [mark * factor for mark in path[at_s - round(WINDOW_S) : at_s + SETTLE_S]]
        heard = Heard(window[-1], min(window), max(window))
        found += convicted(trust, {BTC: path[math.floor(at_s - delays[n])]}, {BTC: heard}, regular=regular)
    assert found == [BTC]


def test_a_lively_symbol_that_stops_is_doubtful_by_itself() -> None:
    """REST is elsewhere, and has moved five seconds later while the stream has not."""
    for again, found in ((100.06, 1), (100.05, 0), (100.01, 0)):
        trust = Trust()
        assert trust.compare({BTC: 100.05}, {BTC: said(100.0)}, regular=False, still=[BTC]) == ()
        assert trust.doubted == {BTC}
        charges = trust.compare({BTC: again}, {BTC: said(100.0)}, regular=False)
        assert [one.stuck for one in charges] == [True] * found
        assert trust.doubted == frozenset()
    trust = Trust()
    trust.compare({BTC: 100.05}, {BTC: said(100.0)}, regular=False)
    assert trust.doubted == frozenset()


def test_only_what_moved_all_the_time_can_stop() -> None:
    """A symbol that moves once a minute rests between; one that moves on is not still."""
    pace = Pace()
    ticks: dict[str, MarkTick] = {}
    for second in range(40):
        lively = float(min(second, 20))
        ticks[BTC] = MarkTick(BTC, 100.0 + lively, second, float(second))
        ticks[ETH] = MarkTick(ETH, 50.0 + second // 10, second, float(second))
        pace.note(ticks, (BTC, ETH, "SOLUSDT"), float(second))
        assert pace.still(float(second)) == ({BTC: 20.0} if second >= 28 else {})
    pace.keep([ETH])
    assert pace.still(100.0) == {}
