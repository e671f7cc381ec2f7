"""Which positions of several symbols are reduced, and in which order, worked out by hand.

BTCUSDT is held long and ETHUSDT short: what one loses in a common move the other gains.
"""

from typing import Any

import msgspec
import pytest

from monitor.core.advice import prescribe
from monitor.core.model import AccountSnapshot, Lot, MarginMode, Position, Side
from monitor.core.notices import Prescription
from monitor.core.settings import DEFAULT_LEVELS, AdviceRules, AlertRules, EngineSettings
from monitor.core.trial import Case, Trial
from tests.core.builders import BTC, ETH
from tests.core.strategies import build_table

FREE = EngineSettings(advice=AdviceRules(0.0, 0.0))
TABLES = {BTC: build_table(BTC, [(0.0, "0.004")]), ETH: build_table(ETH, [(0.0, "0.005")])}


def plan_for(usdt: float, *legs: tuple[str, Side, float, float], **more: Any) -> Prescription:  # noqa: ANN401 - a case's
    """Return what to do about a wallet of legs of a symbol, a side, a quantity and an entry price."""
    held = tuple(
        Position(symbol, side, quantity, entry, MarginMode.CROSS, "USDT") for symbol, side, quantity, entry in legs
    )
    account = AccountSnapshot("main", {"USDT": usdt}, held)
    lots = {BTC: Lot(0.001), ETH: Lot(0.01)}
    plan = prescribe(Case(account, "cross:USDT", TABLES, {}, FREE, lots=lots)._replace(**more))
    assert plan is not None
    return plan


def test_what_holds_against_the_larger_position_is_not_closed_first() -> None:
    """29,850 long, 12,140 short: without the short, whose loss frees most room, 29,850 would be in the open."""
    plan = plan_for(
        2034.3, (BTC, Side.LONG, 0.5, 62_000.0), (ETH, Side.SHORT, 4.0, 2_900.0),
        marks={BTC: 59_700.0, ETH: 3_035.0},
    )  # fmt: skip
    warning, notice = plan.remedies
    assert [(cut.symbol, cut.share < 1.0) for cut in warning.cuts] == [(BTC, True)]
    assert [(cut.symbol, cut.share < 1.0) for cut in notice.cuts] == [(BTC, False), (ETH, True)]
    assert not any(remedy.evenly or remedy.nearer for remedy in plan.remedies)


def test_what_is_short_only_is_reduced_as_before() -> None:
    """Nothing holds against anything: the one that helps most for its size goes first, and whole."""
    plan = plan_for(
        600.0, (BTC, Side.SHORT, 0.1, 58_000.0), (ETH, Side.SHORT, 2.0, 2_900.0),
        marks={BTC: 61_000.0, ETH: 3_000.0},
    )  # fmt: skip
    assert [cut.symbol for cut in plan.remedies[1].cuts] == [BTC, ETH]
    assert not any(remedy.evenly or remedy.nearer for remedy in plan.remedies)


@pytest.mark.parametrize("slippage", [0.0005, 0.005, 0.01])
def test_what_closing_costs_makes_no_hedge_of_two_longs(slippage: float) -> None:
    """It may be more than what it frees: the cushion shrinks, and liquidation is farther all the same."""
    plan = plan_for(
        2_034.3, (BTC, Side.LONG, 0.5, 62_000.0), (ETH, Side.LONG, 4.0, 3_100.0),
        marks={BTC: 59_700.0, ETH: 3_035.0}, settings=EngineSettings(advice=AdviceRules(0.0005, slippage)),
    )  # fmt: skip
    warning, notice = plan.remedies
    assert [(cut.symbol, cut.share < 0.2) for cut in warning.cuts] == [(BTC, True)]
    assert notice.cuts[0].symbol == BTC
    assert not any(remedy.evenly or remedy.nearer for remedy in plan.remedies)


def test_where_closing_costs_more_than_is_left_liquidation_comes_nearer_and_that_is_said() -> None:
    """1 % of slippage beside a move of 0.94 % that liquidates."""
    plan = plan_for(
        2_034.3, (BTC, Side.LONG, 0.5, 62_000.0), (ETH, Side.SHORT, 4.0, 2_900.0),
        marks={BTC: 59_700.0, ETH: 3_035.0}, settings=EngineSettings(advice=AdviceRules(0.0005, 0.01)),
    )  # fmt: skip
    assert all(remedy.nearer and not remedy.evenly for remedy in plan.remedies)


def test_the_last_position_brings_liquidation_nearer_where_closing_it_uses_the_margin_up() -> None:
    """A move of 0.14 % liquidates it, and closing takes 1 %: half way nothing is left."""
    plan = plan_for(
        660.0, (BTC, Side.LONG, 2.0, 60_000.0), (ETH, Side.LONG, 0.3, 3_000.0),
        marks={BTC: 60_000.0, ETH: 3_000.0}, settings=EngineSettings(advice=AdviceRules(0.0005, 0.01)),
        tables=TABLES | {ETH: build_table(ETH, [(0.0, "0.02")])},
    )  # fmt: skip
    for remedy in plan.remedies:
        assert [(cut.symbol, cut.share) for cut in remedy.cuts] == [(ETH, 1.0), (BTC, 1.0)]
        assert remedy.nearer


def test_where_each_holds_against_the_other_both_are_reduced_in_turns() -> None:
    """30,000 long and 30,000 short, gone apart: either closed whole would leave all of the other in the open."""
    plan = plan_for(
        2_500.0, (BTC, Side.LONG, 0.5, 62_000.0), (ETH, Side.SHORT, 10.0, 2_880.0),
        marks={BTC: 60_000.0, ETH: 3_000.0},
    )  # fmt: skip
    for remedy in plan.remedies:
        assert (remedy.evenly, remedy.nearer) == (2, False)
        long, short = remedy.cuts
        assert {long.symbol, short.symbol} == {BTC, ETH}
        assert long.share == pytest.approx(short.share, abs=0.003)
        assert 0.0 < long.share < 1.0


def test_where_steps_leave_no_other_way_that_is_said() -> None:
    """Of both only all can be closed: whichever goes first leaves the other alone."""
    plan = plan_for(
        2_500.0, (BTC, Side.LONG, 0.5, 62_000.0), (ETH, Side.SHORT, 10.0, 2_880.0),
        marks={BTC: 60_000.0, ETH: 3_000.0}, lots={BTC: Lot(0.5, 0.5), ETH: Lot(10.0, 10.0)},
    )  # fmt: skip
    for remedy in plan.remedies:
        assert (remedy.evenly, remedy.nearer) == (0, True)
        assert remedy.cuts[0].share == 1.0


def test_where_no_part_is_enough_all_is_closed_one_after_the_other() -> None:
    """Room is never above 1: with a dead band of 25 %, a notice at 90 % ends with the last position alone."""
    first, *rest = DEFAULT_LEVELS
    never = AlertRules((msgspec.structs.replace(first, room=0.9), *rest))  # type: ignore[arg-type]
    plan = plan_for(
        2_500.0, (BTC, Side.LONG, 0.5, 62_000.0), (ETH, Side.SHORT, 10.0, 2_880.0),
        marks={BTC: 60_000.0, ETH: 3_000.0}, settings=EngineSettings(rules=never, advice=AdviceRules(0.0, 0.0)),
    )  # fmt: skip
    warning, notice = plan.remedies
    assert (warning.evenly, warning.nearer) == (2, False)
    assert (notice.evenly, notice.nearer) == (0, True)
    assert [cut.share for cut in notice.cuts] == [1.0, 1.0]


def test_one_symbol_alone_is_never_said_to_come_nearer() -> None:
    """How its sides are reduced is a rule of its own."""
    plan = plan_for(
        350.0, (BTC, Side.LONG, 0.5, 60_500.0), (BTC, Side.SHORT, 0.48, 60_100.0), marks={BTC: 60_000.0}
    )
    assert all(remedy.cuts for remedy in plan.remedies)
    assert not any(remedy.evenly or remedy.nearer for remedy in plan.remedies)


@pytest.mark.parametrize("shorts", [0, 5, 10])
def test_many_positions_take_few_looks_whichever_way_they_go(shorts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What holds against what is foretold from a look at a little less of each, which is there anyway."""
    looks: list[int] = []
    look = Trial.look

    def counted(self: Trial, changes: Any, **more: Any) -> Any:  # noqa: ANN401 - handed on
        looks.append(len(changes))
        return look(self, changes, **more)

    monkeypatch.setattr(Trial, "look", counted)
    symbols = [f"C{i:02}USDT" for i in range(20)]
    sides = [Side.SHORT if i < shorts else Side.LONG for i in range(20)]
    legs = [
        (symbol, side, 1.0 + i / 7, 104.0 if side is Side.LONG else 97.0)
        for i, (symbol, side) in enumerate(zip(symbols, sides, strict=True))
    ]
    plan = plan_for(
        200.0, *legs, marks=dict.fromkeys(symbols, 100.0), lots=dict.fromkeys(symbols, Lot(0.01)),
        tables={symbol: build_table(symbol, [(0.0, "0.01")]) for symbol in symbols},
    )  # fmt: skip
    assert all(remedy.cuts for remedy in plan.remedies)
    assert len(looks) <= 50
