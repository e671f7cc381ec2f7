"""Levels: which conditions hold, how fast they are followed, when they are left."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.book import Bools
from monitor.core.model import Level
from monitor.core.risk import evaluate
from monitor.core.rules import (
    Track,
    advance,
    compile_thresholds,
    conditions,
    leeway,
    reached,
    relapsed,
    wallet_distance,
)
from monitor.core.settings import DEFAULT_LEVELS, AlertRules, EngineSettings, LevelRule, RulesOverride
from tests.core.builders import BTC, ETH, book_of, cross, isolated, readings_of

DEFAULTS = EngineSettings()
ONE = book_of(isolated())


def rules_with(level: Level, *, dead_band: float = 0.25, dwell_s: float = 300.0, **given: float) -> AlertRules:
    """Return rules in which only one level has conditions."""
    first, second, third, fourth = (
        LevelRule(each, dwell_s=dwell_s, **given) if each is level else LevelRule(each, dwell_s=dwell_s)
        for each in list(Level)[1:]
    )
    return AlertRules((first, second, third, fourth), dead_band)


def hits(rules: AlertRules, *, room: float, ratio: float = 0.0, **columns: float) -> Bools:
    """Return what holds for one wallet."""
    limits = compile_thresholds(ONE, EngineSettings(rules=rules))
    moves = columns.pop("moves_left", None)
    given = {name: (value,) for name, value in columns.items()}
    readings = readings_of(ONE, room=(room,), margin_ratio=(ratio,), **given)
    return conditions(ONE, limits, readings, None if moves is None else np.array([moves]))


def level(rules: AlertRules, *, room: float, ratio: float = 0.0, **columns: float) -> Level:
    return Level(int(reached(hits(rules, room=room, ratio=ratio, **columns))[0]))


@pytest.mark.parametrize(
    ("room", "ratio", "expected"),
    [
        (1.0, 0.0, Level.OK),
        (0.5000001, 0.0, Level.OK),
        (0.50, 0.0, Level.NOTICE),
        (0.2000001, 0.0, Level.NOTICE),
        (0.20, 0.0, Level.WARNING),
        (0.10, 0.0, Level.CRITICAL),
        (0.07, 0.0, Level.EMERGENCY),
        (-3.0, 0.0, Level.EMERGENCY),
        (0.60, 0.65, Level.WARNING),
        (0.6000001, 0.79, Level.OK),
        (0.60, 0.6499999, Level.OK),
        (1.0, 0.80, Level.CRITICAL),
        (1.0, 0.7999999, Level.OK),
        (1.0, 0.90, Level.EMERGENCY),
        (0.0, np.inf, Level.EMERGENCY),
        (np.nan, np.nan, Level.OK),
    ],
)
def test_the_level_is_the_highest_for_which_any_condition_holds(
    room: float, ratio: float, expected: Level
) -> None:
    """The default table, at and beside each figure; the ratio of a warning counts only with room 0.6 or less."""
    assert level(AlertRules(), room=room, ratio=ratio) is expected


@pytest.mark.parametrize(
    ("moves", "room", "expected"),
    [
        (2.0, 0.6, Level.WARNING),
        (2.0, 0.61, Level.OK),
        (2.1, 0.6, Level.OK),
        (1.0, 0.4, Level.CRITICAL),
        (1.0, 0.41, Level.WARNING),
        (0.5, 0.25, Level.EMERGENCY),
        (0.5, 0.26, Level.CRITICAL),
        (np.nan, 0.6, Level.OK),
    ],
)
def test_moves_left_counts_only_with_little_room(moves: float, room: float, expected: Level) -> None:
    """A restless market alone is no danger, and unknown moves switch the condition off."""
    assert level(AlertRules(), room=room, moves_left=moves) is expected


@pytest.mark.parametrize(
    ("mark", "moves", "expected"),
    [
        (150.0, np.nan, Level.OK),
        (150.0, 2.0, Level.WARNING),
        (150.0, 1.0, Level.CRITICAL),
        (101.1, np.nan, Level.OK),
        (101.0, np.nan, Level.WARNING),  # ratio 67 %
        (100.7, np.nan, Level.CRITICAL),  # 84 %
        (100.55, np.nan, Level.EMERGENCY),
        (100.4, np.nan, Level.EMERGENCY),  # beyond liquidation
    ],
)
def test_a_wallet_emptied_in_profit_is_judged_by_ratio_and_moves(
    mark: float, moves: float, expected: Level
) -> None:
    """What is left at its entry is less than maintenance: no emergency far away, and no gate close by.

    Room is still all there is at 1 % from liquidation, so that it must not hold the others back.
    """
    book = book_of(cross(), usdt=0.5)
    readings = evaluate(book, np.array([mark]))
    limits = compile_thresholds(book, DEFAULTS)
    assert reached(conditions(book, limits, readings, np.array([moves]))).tolist() == [expected]
    over = leeway(book, limits, readings, np.array([moves]))
    assert (over[:4] <= 1e-12).any() == (expected > Level.OK)


def test_conditions_on_moves_left_are_off_while_none_is_known() -> None:
    """Without any figure, room and ratio decide alone."""
    assert level(AlertRules(), room=0.6) is Level.OK
    assert level(AlertRules(), room=0.2) is Level.WARNING


@pytest.mark.parametrize("name", ["distance", "joint_distance"])
def test_distances_are_optional_conditions(name: str) -> None:
    """A level may ask for a distance; without one the condition cannot hold."""
    rules = rules_with(Level.CRITICAL, **{name: 0.05})
    assert level(rules, room=1.0, **{name: 0.05}) is Level.CRITICAL
    assert level(rules, room=1.0, **{name: 0.0500001}) is Level.OK
    assert level(rules, room=1.0, **{name: np.nan}) is Level.OK
    assert level(AlertRules(), room=1.0, **{name: 0.0}) is Level.OK


def test_the_distance_of_a_wallet_is_that_of_its_nearest_position() -> None:
    """A position without a liquidation price does not hide another's."""
    book = book_of(cross(BTC), cross(ETH), isolated(BTC), usdt=50.0)
    assert wallet_distance(book, readings_of(book, distance=(np.nan, 0.2, np.nan)))[0] == 0.2
    assert np.isnan(wallet_distance(book, readings_of(book, distance=(np.nan, 0.2, np.nan)))[1])
    assert wallet_distance(book, readings_of(book, distance=(0.1, 0.2, 0.3))).tolist() == [0.1, 0.3]


def test_a_wallet_without_positions_meets_no_condition() -> None:
    """An empty balance is not a danger."""
    book = book_of(usdt=0.0)
    rules = EngineSettings(rules=rules_with(Level.CRITICAL, distance=0.5, room=2.0))
    assert not conditions(book, compile_thresholds(book, rules), readings_of(book)).any()


def test_no_wallets_at_all() -> None:
    """An empty book has thresholds, conditions and levels of no width."""
    book = book_of()
    limits = compile_thresholds(book, DEFAULTS)
    hit = conditions(book, limits, readings_of(book))
    assert hit.shape == (8, 0)
    assert advance(Track.empty(0), limits, hit, np.zeros(0, dtype=np.bool_), 1.0).level.shape == (0,)


# Which rules


ACCOUNT, SYMBOL, BOTH = (rules_with(Level.NOTICE, room=room) for room in (0.3, 0.4, 0.45))
OVERRIDES = (
    RulesOverride(BOTH, account="main", symbol=BTC),
    RulesOverride(SYMBOL, symbol=BTC),
    RulesOverride(ACCOUNT, account="main"),
)


@pytest.mark.parametrize("overrides", [OVERRIDES, OVERRIDES[::-1]], ids=["in order", "reversed"])
def test_the_most_particular_rules_win(overrides: tuple[RulesOverride, ...]) -> None:
    """Symbol within account, then symbol, then account, then the global ones, however they are ordered."""
    main = book_of(isolated(BTC), isolated(ETH))
    other = book_of(isolated(BTC), isolated(ETH), name="other")
    settings = EngineSettings(overrides=overrides)
    assert compile_thresholds(main, settings).rules == (BOTH, ACCOUNT)
    assert compile_thresholds(other, settings).rules == (SYMBOL, AlertRules())
    assert compile_thresholds(main, EngineSettings(overrides=overrides[1:2])).rules[0] == SYMBOL
    assert compile_thresholds(book_of(usdt=1.0), settings).rules == (ACCOUNT,)


def merged(btc: AlertRules, rest: AlertRules = DEFAULTS.rules) -> AlertRules:
    """Return the rules of a cross wallet with BTCUSDT, which has its own, and ETHUSDT."""
    book = book_of(cross(BTC), cross(ETH), usdt=100.0)
    settings = EngineSettings(rules=rest, overrides=(RulesOverride(btc, symbol=BTC),))
    return compile_thresholds(book, settings).rules[0]


def test_a_wallet_with_several_symbols_takes_the_most_sensitive_rules() -> None:
    """Whichever of its symbols' rules comes first counts, level by level and condition by condition."""
    btc = AlertRules(
        (
            LevelRule(Level.NOTICE, room=0.4, distance=0.1, reminder_s=60.0, dwell_s=10.0),
            *DEFAULT_LEVELS[1:3],
            LevelRule(Level.EMERGENCY, room=0.2, margin_ratio=0.95, joint_distance=0.02, reminder_s=500.0),
        ),
        dead_band=0.5,
    )
    rules = merged(btc)
    assert rules.levels[0] == LevelRule(Level.NOTICE, room=0.5, distance=0.1, reminder_s=60.0, dwell_s=300.0)
    assert rules.levels[1:3] == DEFAULT_LEVELS[1:3]
    assert rules.levels[3] == LevelRule(
        Level.EMERGENCY, room=0.2, moves_left=0.5, moves_left_room=0.25, margin_ratio=0.90, joint_distance=0.02,
        reminder_s=180.0, dwell_s=300.0,
    )  # fmt: skip
    assert rules.dead_band == 0.5


def test_rules_that_no_symbol_of_a_wallet_has_do_not_touch_it() -> None:
    """Where every symbol has laxer rules of its own, the stricter global ones are not its own."""
    book = book_of(cross(BTC), cross(ETH), usdt=100.0)
    lax = tuple(RulesOverride(rules, symbol=s) for rules, s in ((ACCOUNT, BTC), (SYMBOL, ETH)))
    assert compile_thresholds(book, EngineSettings(overrides=lax)).rules == (SYMBOL,)


def test_a_condition_that_is_off_does_not_widen_another() -> None:
    """Rules without a margin ratio must not free the other symbol's ratio from its companion room."""
    rules = merged(rules_with(Level.WARNING, room=0.3))
    assert rules.levels[1].margin_ratio_room == 0.6
    assert rules.levels[1].moves_left_room == 0.6
    assert level(rules, room=1.0, ratio=0.7) is Level.OK


FRACTIONS = st.none() | st.floats(0.01, 1.0)
LEVEL_RULES = {
    each: st.builds(
        LevelRule, st.just(each), FRACTIONS, FRACTIONS, st.floats(0.01, 1.0), FRACTIONS, st.floats(0.01, 1.0),
        FRACTIONS, FRACTIONS,
    )
    for each in list(Level)[1:]
}  # fmt: skip
RULES = st.builds(AlertRules, st.tuples(*LEVEL_RULES.values()), st.floats(0.0, 0.5))


FIGURES = st.fixed_dictionaries(
    {
        "room": st.floats(-0.5, 1.0),
        "ratio": st.floats(0.0, 2.0),
        "moves_left": st.floats(0.0, 1.0),
        "distance": st.floats(0.0, 1.0),
        "joint_distance": st.floats(0.0, 1.0),
    }
)


@given(RULES, RULES, FIGURES)
def test_merged_rules_miss_nothing(one: AlertRules, other: AlertRules, figures: dict[str, float]) -> None:
    """Whatever either symbol's rules call a level, the wallet's do too, and they leave it no earlier."""
    got = hits(merged(one, other), **figures)
    assert (got >= hits(one, **figures)).all()
    assert (got >= hits(other, **figures)).all()


# Monotone and idempotent


@given(st.floats(0.0, 3.0), st.floats(0.0, 3.0), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_more_danger_is_never_a_lower_level(ratio: float, more: float, room: float, less: float) -> None:
    """The level is monotone in the ratio and in the room, entering and leaving alike."""
    safe, worse = max(room, less), min(room, less)
    before = hits(AlertRules(), room=safe, ratio=min(ratio, more))
    after = hits(AlertRules(), room=worse, ratio=max(ratio, more))
    assert reached(after)[0] >= reached(before)[0]
    assert (after >= before).all()


@given(st.floats(0.0, 2.0), st.floats(-1.0, 1.0))
def test_what_is_entered_is_not_left(ratio: float, room: float) -> None:
    """At one reading no level can be reached and missed at once: the dead band lies outside."""
    hit = hits(AlertRules(), room=room, ratio=ratio)
    assert (hit[4:] >= hit[:4]).all()


# Falling


LIMITS = compile_thresholds(ONE, DEFAULTS)
SURE, UNSURE = np.array([False]), np.array([True])


def at(room: float, ratio: float = 0.0) -> Bools:
    return hits(AlertRules(), room=room, ratio=ratio)


def walk(track: Track, *steps: tuple[float, float], unsure: bool = False) -> tuple[Track, list[Level]]:
    """Go through (seconds, room) and return the level at each."""
    levels = []
    for now_s, room in steps:
        track = advance(track, LIMITS, at(room), np.array([unsure]), now_s)
        levels.append(Level(int(track.level[0])))
    return track, levels


@pytest.mark.parametrize(
    ("worst", "dwell_s"),
    [(0.5, 300.0), (0.2, 1800.0), (0.1, 900.0), (0.07, 120.0)],
)
def test_a_level_is_left_after_its_dwell_time_beyond_the_dead_band(worst: float, dwell_s: float) -> None:
    """25 % of the value, and from two minutes for an emergency to half an hour for a warning."""
    track, (top,) = walk(Track.empty(1), (0.0, worst))
    _, inside = walk(track, (1.0, worst * 1.25), (10_000.0, worst * 1.25))
    assert inside == [top, top]
    _, outside = walk(track, (1.0, worst * 1.2500001), (dwell_s - 0.1, worst * 1.2500001), (dwell_s, worst * 1.26))
    assert outside[:2] == [top, top]
    assert outside[2] < top


def test_the_dwell_time_counts_without_a_break() -> None:
    """One reading inside the dead band, and it begins anew."""
    _, levels = walk(Track.empty(1), (0, 0.5), (10, 0.9), (299, 0.625), (300, 0.9), (598.9, 0.9), (599, 0.9))
    assert levels == [Level.NOTICE] * 5 + [Level.OK]


def test_an_emergency_falls_to_the_level_that_still_holds() -> None:
    """Each level is left for itself: from emergency to warning, then on to what remains."""
    start, levels = walk(Track.empty(1), (0.0, 0.05))
    assert levels == [Level.EMERGENCY]
    recovered = [(float(second), 0.22) for second in range(1, 910)]
    _, levels = walk(start, *recovered)
    assert levels[118] is Level.EMERGENCY
    assert levels[119:898] == [Level.CRITICAL] * 779
    assert levels[899:] == [Level.WARNING] * 10
    _, levels = walk(start, *((second, 0.9) for second, _ in recovered), (1799.9, 0.9), (1800.0, 0.9))
    assert levels[119] is Level.CRITICAL
    assert levels[-2:] == [Level.WARNING, Level.OK]


def test_meeting_a_kept_level_anew_is_news_after_what_would_have_ended_it() -> None:
    """Not sooner, not where figures were missing, and once."""
    track, _ = walk(Track.empty(1), (0.0, 0.05), (1.0, 0.9), unsure=True)
    assert not relapsed(track, LIMITS, at(0.05), 120.9)[0]
    assert relapsed(track, LIMITS, at(0.05), 121.0)[0]
    assert not relapsed(track, LIMITS, at(0.9), 121.0)[0]
    track, _ = walk(track, (121.0, 0.05), unsure=True)
    assert not relapsed(track, LIMITS, at(0.05), 500.0)[0]
    blank = advance(track, LIMITS, at(np.nan), UNSURE, 122.0, unknown=UNSURE)
    assert blank.level[0] == Level.EMERGENCY
    assert not relapsed(blank, LIMITS, at(0.05), 500.0)[0]


def test_a_level_reached_by_ratio_alone_is_left_by_ratio() -> None:
    """Levels below that never held are not stopped at."""
    track = advance(Track.empty(1), LIMITS, at(1.0, 0.95), SURE, 0.0)
    assert track.level[0] == Level.EMERGENCY
    track = advance(track, LIMITS, at(1.0, 0.9 * 0.75), SURE, 1.0)
    assert advance(track, LIMITS, at(1.0, 0.3), SURE, 120.9).level[0] == Level.EMERGENCY
    later = advance(track, LIMITS, at(1.0, 0.3), SURE, 121.0)
    assert later.level[0] == Level.CRITICAL
    assert advance(later, LIMITS, at(1.0, 0.3), SURE, 901.0).level[0] == Level.OK


def test_unsure_data_holds_the_level_and_the_dwell_begins_anew_after_it() -> None:
    """What is not known is not missed, but what is known may still be worse."""
    track, _ = walk(Track.empty(1), (0.0, 0.2))
    track, levels = walk(track, (100.0, 1.0), (1000.0, 1.0), unsure=True)
    assert levels == [Level.WARNING] * 2
    _, levels = walk(track, (1001.0, 1.0), (2799.9, 1.0), (2800.0, 1.0))
    assert levels == [Level.WARNING, Level.WARNING, Level.OK]
    _, levels = walk(track, (1001.0, 0.05), unsure=True)
    assert levels == [Level.EMERGENCY]


def test_a_level_is_not_kept_by_a_dwell_it_never_began() -> None:
    """The dead band of a level that was not reached yet holds nothing."""
    _, levels = walk(Track.empty(1), (0.0, 0.22), (1.0, 0.22))
    assert levels == [Level.NOTICE] * 2


READING = st.tuples(
    st.sampled_from([0.5, 1.0, 30.0, 119.0, 121.0, 301.0, 901.0, 1801.0]),
    st.sampled_from([1.0, 0.63, 0.62, 0.5, 0.26, 0.24, 0.2, 0.13, 0.12, 0.1, 0.09, 0.08, 0.07, 0.0, -1.0]),
    st.sampled_from([0.0, 0.4, 0.5, 0.65, 0.7, 0.8, 0.95, np.inf]),
    st.booleans(),
)


@given(st.lists(READING, max_size=40))
def test_levels_follow_their_definition(readings: list[tuple[float, float, float, bool]]) -> None:
    """Compared with a plain second telling: a level holds while reached, or not missed for its dwell time.

    It also shows that advancing twice at one moment changes nothing, and that unsure data never lowers.
    """
    track, now_s = Track.empty(1), 0.0
    expected = Level.OK
    not_missed: list[tuple[float, Bools]] = []
    for pause_s, room, ratio, unsure in readings:
        now_s += pause_s
        hit = at(room, ratio)
        track = advance(track, LIMITS, hit, np.array([unsure]), now_s)
        again = advance(track, LIMITS, hit, np.array([unsure]), now_s)
        assert again.level.tolist() == track.level.tolist()
        assert again.held_s.tolist() == track.held_s.tolist()

        before = expected
        not_missed.append((now_s, hit[4:, 0] | unsure))
        expected = Level(int(reached(hit)[0]))
        for rule in AlertRules().levels:
            recent = (held[rule.level - 1] for at_s, held in not_missed if now_s - at_s < rule.dwell_s)
            if rule.level <= before and any(recent):
                expected = max(expected, rule.level)
        assert track.level[0] == expected
        assert not (unsure and expected < before)


def test_wallets_do_not_touch_each_other() -> None:
    """Columns are judged each by its own rules and its own dwell."""
    book = book_of(isolated(BTC), isolated(ETH))
    settings = EngineSettings(
        overrides=(RulesOverride(rules_with(Level.WARNING, room=0.9, dwell_s=5), symbol=ETH),)
    )
    limits = compile_thresholds(book, settings)
    calm = replace(readings_of(book), room=np.array([0.6, 0.6]), margin_ratio=np.zeros(2))
    sure = np.zeros(2, dtype=np.bool_)
    track = advance(Track.empty(2), limits, conditions(book, limits, calm), sure, 0.0)
    assert track.level.tolist() == [Level.OK, Level.WARNING]
    away = replace(calm, room=np.array([0.4, 5.0]))
    track = advance(track, limits, conditions(book, limits, away), np.array([True, False]), 5.0)
    assert track.level.tolist() == [Level.NOTICE, Level.OK]
