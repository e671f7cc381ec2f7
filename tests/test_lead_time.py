"""The lead-time study keeps its books as docs/lead-time.md says, and computes nothing by itself."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lead_time import follow
from benchmarks.lead_time.books import CROSS_1, CROSS_5, ISOLATED, SPREAD, Kind, Terms, Wallets
from benchmarks.lead_time.follow import Follower, Unit
from benchmarks.lead_time.market import MINUTES_A_DAY, Market, Paths
from benchmarks.lead_time.plan import LEVERAGES, RATES, Task, possible, tasks
from benchmarks.lead_time.policies import EXCHANGE, OURS, REPORTED, ROOM, Judges
from benchmarks.lead_time.study import Case, run
from benchmarks.lead_time.tables import place, span
from benchmarks.lead_time.tally import DAY_S, DELAY_S, LEVELS, Outcome, Tally
from monitor.core.compile import compile_book
from monitor.core.model import AccountSnapshot, Bracket, BracketTable, Level, MarginMode, Position
from monitor.core.moves import typical_moves
from monitor.core.risk import evaluate
from monitor.core.settings import AlertRules
from monitor.core.wallet_moves import cushion_deltas, cushion_deviations

DOCUMENT = Path(__file__).parents[1] / "docs" / "lead-time.md"
ONE = np.array([0])
ENTERED = np.array([0.0])


def rises(tally: Tally, at_s: float, level: Level) -> None:
    tally.follow(ONE, np.array([[level]], dtype=np.int8), np.full((len(LEVELS), 1, 1), at_s))


def ends(tally: Tally, at_s: float) -> None:
    tally.liquidated(ONE, np.array([at_s]), ENTERED)


def criticals(tally: Tally) -> Outcome:
    return tally.outcomes[0][LEVELS.index(Level.CRITICAL)]


def test_the_lead_counts_from_delivery() -> None:
    """Of an alert that stands when the wallet is liquidated; both levels passed in one step are told of."""
    tally = Tally(1, 1)
    rises(tally, 100.0, Level.EMERGENCY)
    ends(tally, 400.0)
    for outcome in tally.outcomes[0]:
        assert (outcome.liquidations, outcome.alerts, outcome.false_alarms) == (1, 1, 0)
        assert outcome.leads_s == [300.0 - DELAY_S]
        assert outcome.delivered == 1
        assert outcome.held_s == 400.0
        assert outcome.stood_s == 300.0


@pytest.mark.parametrize("before_s", [0.0, DELAY_S])
def test_an_alert_that_is_not_delivered_in_time_is_none(before_s: float) -> None:
    """It is no false alarm; its lead counts as zero instead of leaving the statistics."""
    tally = Tally(1, 1)
    rises(tally, 100.0, Level.CRITICAL)
    ends(tally, 100.0 + before_s)
    assert criticals(tally).leads_s == [0.0]
    assert (criticals(tally).delivered, criticals(tally).false_alarms) == (0, 0)


def test_a_liquidation_out_of_nothing_counts() -> None:
    """Without any alert."""
    tally = Tally(1, 1)
    ends(tally, 100.0)
    assert criticals(tally).leads_s == [0.0]
    assert (criticals(tally).liquidations, criticals(tally).alerts) == (1, 0)


def test_an_alert_that_recovered_is_false_and_lends_no_lead() -> None:
    """Even if a liquidation follows: only the alert that stands by then is right."""
    tally = Tally(1, 1)
    rises(tally, 100.0, Level.CRITICAL)
    rises(tally, 200.0, Level.WARNING)
    rises(tally, 300.0, Level.CRITICAL)
    ends(tally, 400.0)
    assert (criticals(tally).alerts, criticals(tally).recovered) == (2, 1)
    assert criticals(tally).leads_s == [100.0 - DELAY_S]
    assert criticals(tally).stood_s == 200.0
    warnings = tally.outcomes[0][LEVELS.index(Level.WARNING)]
    assert (warnings.alerts, warnings.recovered, warnings.leads_s) == (1, 0, [300.0 - DELAY_S])


@pytest.mark.parametrize(("age_s", "false", "undecided"), [(DAY_S, 0, 1), (DAY_S + 1, 1, 0)])
def test_an_alert_at_the_end_of_the_time_is_false_after_a_day(age_s: float, false: int, undecided: int) -> None:
    """A younger one is neither right nor false."""
    tally = Tally(1, 1)
    rises(tally, 100.0, Level.CRITICAL)
    tally.closed(ONE, 100.0 + age_s, ENTERED)
    assert (criticals(tally).false_alarms, criticals(tally).undecided) == (false, undecided)
    assert criticals(tally).liquidations == 0


def test_an_alert_that_stood_for_more_than_a_day_before_the_end_is_false() -> None:
    """It was delivered all the same."""
    tally = Tally(1, 1)
    rises(tally, 0.0, Level.CRITICAL)
    ends(tally, DAY_S + 1)
    assert (criticals(tally).false_alarms, criticals(tally).delivered) == (1, 1)


def test_inside_a_minute_the_path_ends_where_the_minute_ends() -> None:
    """Jumps included."""
    paths = Paths(3, 2, seed=5)
    minutes = paths.advance(200)
    minutes.jumps[7, 1] += 0.02
    t, p = np.array([7, 150]), np.array([1, 2])
    inside = paths.within(minutes, t, p, 12)
    np.testing.assert_allclose(inside[:, -1], minutes.returns[t, p])
    steps = np.diff(inside[0], axis=0, prepend=0.0)
    assert (np.abs(steps).max(axis=0) > 0.015).all()  # at one step, not spread over the minute


@pytest.mark.parametrize("kind", [ISOLATED, CROSS_5, SPREAD])
def test_deviations_are_those_of_the_core(kind: Kind) -> None:
    """Many wallets in one pass, each with returns of its own: as if each was the only one of a book."""
    rng = np.random.default_rng(3)
    terms = Terms(20.0, 0.004)
    marks = rng.uniform(0.9, 1.1, (3, kind.symbols))
    returns = rng.normal(0.0, 0.001, (200, 3, kind.symbols))
    found = Wallets(kind, terms).deviations(marks, returns)
    names = [f"N{i:02d}USDT" for i in range(kind.symbols)]
    tables = {name: BracketTable(name, (Bracket(0.0, 1e12, terms.mmr, 0.0),)) for name in names}
    legs = tuple(
        Position(names[leg.symbol], leg.side, leg.notional, 1.0, MarginMode.CROSS, "USDT") for leg in kind.legs
    )
    book = compile_book([AccountSnapshot("only", {"USDT": 1.0 / terms.leverage}, legs)], tables)
    for i in range(3):
        deltas = cushion_deltas(book, evaluate(book, marks[i]))
        want = cushion_deviations(book, deltas, returns[:, i], typical_moves(returns[:, i]))
        np.testing.assert_allclose(found[i], want[0])


def outcomes(unit: Unit, yearly: float = 0.8) -> list[list[list[Outcome]]]:
    return Follower(unit, (EXCHANGE, ROOM, OURS), Market(yearly=yearly)).run()


def test_a_cross_wallet_with_one_position_is_an_isolated_one() -> None:
    """So one row of the tables speaks for both; and a seed decides everything."""
    unit = Unit(ISOLATED, (Terms(125.0, 0.004),), 8, 0.25, 1, 20, 1)
    alone, cross, again = outcomes(unit), outcomes(unit._replace(kind=CROSS_1)), outcomes(unit)
    assert alone == cross == again
    assert criticals_of(alone)[0].liquidations > 2
    assert outcomes(unit._replace(seed=2)) != alone


def criticals_of(found: list[list[list[Outcome]]]) -> list[Outcome]:
    return [by_level[1] for by_level in found[0]]


def test_what_is_skipped_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wallets far from every condition are not evaluated, and moves left not made where nobody asks."""
    unit = Unit(ISOLATED, (Terms(10.0, 0.004),), 50, 0.8, 3, 36, 1)
    quick = outcomes(unit, yearly=1.2)
    assert criticals_of(quick)[2].alerts > 2
    monkeypatch.setattr(follow, "QUIET", -1e9)
    monkeypatch.setattr(Judges, "most_moves", 1e9)
    assert outcomes(unit, yearly=1.2) == quick


def test_ours_comes_before_the_exchanges_call() -> None:
    """Every liquidation is one of the same path, whoever is asked, and more of ours have an alert before."""
    unit = Unit(ISOLATED, (Terms(125.0, 0.004),), 25, 0.3, 1, 20, 1)
    exchange, _, ours = criticals_of(outcomes(unit))
    assert exchange.liquidations == ours.liquidations > 10
    assert ours.lead_s(0.5) > exchange.lead_s(0.5)
    assert ours.delivered >= exchange.delivered
    assert exchange.months == ours.months <= 25 * 0.3 / 30


def test_the_plan_asks_everything_of_both_halves_of_the_seeds() -> None:
    """Reported are the odd seeds; a position that could not be opened is left out."""
    plan = tasks()
    reported = [task for task in plan if task.unit.seed % 2]
    assert {(task.unit.kind.name, terms) for task in reported for terms in task.unit.terms} >= {
        (kind.name, terms)
        for kind in (ISOLATED, CROSS_5, SPREAD)
        for leverage in LEVERAGES
        for mmr in RATES
        if possible(terms := Terms(leverage, mmr))
    }
    assert not possible(Terms(125.0, 0.01))
    assert all(set(REPORTED) <= set(task.policies) for task in reported)
    assert all(task.unit.chunk % task.unit.refresh == 0 for task in plan)
    assert all(MINUTES_A_DAY % task.unit.chunk == 0 for task in plan)


def test_results_add_up_over_seeds() -> None:
    """Even and odd ones apart."""
    plan = [
        task for task in tasks(quick=True) if task.unit.kind is ISOLATED and task.unit.terms[0].leverage == 125
    ]
    shares: list[float] = []
    small = [
        Task(task.unit._replace(paths=10, days=0.1, chunk=24, seed=seed), (OURS,))
        for task in plan[:1]
        for seed in (1, 4)
    ]
    results = run([*small, *small], 1, shares.append)
    once = run(small, 1, shares.append)
    case = Case(ISOLATED.name, Terms(125.0, 0.004), OURS.name)
    for each in (case, case._replace(even=True)):
        assert results.criticals(each).liquidations == 2 * once.criticals(each).liquidations
        assert once.criticals(each).held_s > 0
    assert shares[-1] == pytest.approx(1.0)


def test_the_document_has_a_place_for_every_table() -> None:
    """What the command writes replaces what it wrote before, and only that."""
    text = DOCUMENT.read_text(encoding="utf-8")
    names = re.findall(r"<!-- end of (\w+) -->", text)
    assert sorted(names) == ["all", "main", "market", "single", "tuning"]
    written = place(text, dict.fromkeys(names, "| new |"))
    assert written.count("| new |") == len(names)
    assert place(written, dict.fromkeys(names, "| newer |")).count("| new |") == 0
    with pytest.raises(ValueError, match="other"):
        place(text, {"other": ""})


def test_ours_is_what_the_product_does() -> None:
    """The document speaks of the default levels."""
    assert OURS.rules == AlertRules()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(float("nan"), ""), (0.0, "none"), (42.0, "42 s"), (90.0, "1.5 min"), (2400.0, "40 min"), (7200.0, "2.0 h")],
)
def test_leads_are_told_in_words(seconds: float, text: str) -> None:
    """None is not zero minutes."""
    assert span(seconds) == text
