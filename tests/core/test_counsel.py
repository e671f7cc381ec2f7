"""How many amounts a step makes, and that a message which was decided without them can still ask."""

import pytest

from monitor.core.counsel import AT_ONCE, CROWD, EVERY_S, LARGEST, Allowance
from monitor.core.events import Ticks
from monitor.core.model import Level
from monitor.core.notices import NoticeKind
from tests.core.builders import BTC, Desk, cross, isolated, mark_at, table
from tests.core.test_engine_advice import crowd

WORST = f"a00/isolated:{BTC}:LONG"


def test_a_crowd_is_decided_without_amounts_and_its_worst_asks_for_them() -> None:
    """Hundreds of wallets take as long as an alert may: their one message asks when it is written."""
    desk = crowd(CROWD + 1)
    desk.room(0.12)
    alerts = [one for one in desk.notices if one.kind is NoticeKind.ALERT and one.level >= Level.WARNING]
    assert len(alerts) == CROWD + 1
    assert [one for one in alerts if one.facts.prescription is not None] == []
    now = desk.engine.newest(WORST, desk.now())
    assert now is not None
    assert now.prescription is not None
    assert now.prescription.remedies


def test_a_message_may_ask_although_its_step_has_used_up_what_it_may_make() -> None:
    """For a wallet that went without, directly after the step; what was asked takes nothing from the next step."""
    desk = crowd(AT_ONCE + 1)
    desk.room(0.12)
    without = [one for one in desk.notices if one.facts.prescription is None]
    assert len(without) == 1
    now = desk.engine.newest(without[0].subject, desk.now())
    assert now is not None
    assert now.prescription is not None
    for _ in range(3 * AT_ONCE):
        desk.engine.newest(without[0].subject, desk.now())
    desk.notices.clear()
    desk.wait(AT_ONCE * EVERY_S)
    desk.step(Ticks((desk.range(BTC, mark_at(0.08)),)))
    assert sum(one.facts.prescription is not None for one in desk.notices) == AT_ONCE


@pytest.mark.parametrize(("positions", "made"), [(1, 3), (2, 2), (3, 1), (10, 1), (20, 1), (100, 1)])
def test_what_a_wallet_costs_grows_with_its_positions(positions: int, made: int) -> None:
    """As measured: a step makes amounts for about fifty milliseconds at most, but always for one."""
    allowance = Allowance(3, 1.0)
    assert [allowance.take(positions, 5.0) for _ in range(made + 1)] == [True] * made + [False]


def test_a_large_wallet_is_decided_without_amounts_and_its_message_asks_for_them() -> None:
    """To find them takes longer than its alert may: a tenth of a second where it holds a few hundred positions."""
    desk = Desk()
    names = [f"A{i:03d}USDT" for i in range(LARGEST + 1)]
    desk.tables = tuple(map(table, names))
    desk.configure()
    for held in (names, names[1:]):
        desk.hold(*map(cross, held), usdt=9.0 * len(held))
        desk.marks(**dict.fromkeys(names, 99.0))
        desk.notices.clear()
        desk.wait(60.0)
        desk.marks(**dict.fromkeys(names, 93.5))
        (alert,) = (one for one in desk.notices if one.level >= Level.WARNING)
        assert (alert.facts.prescription is not None) == (len(held) <= LARGEST)
        now = desk.engine.newest(alert.subject, desk.now())
        assert now is not None
        assert now.prescription is not None
        desk.hold()
        desk.beat(3)


def test_while_levels_go_on_rising_so_many_a_second_are_made() -> None:
    """Many steps a second, each with a wallet that rises: making amounts must not become what delays alerts."""
    allowance = Allowance(3, 1.0)
    made = [allowance.take(1, 100.0 + step * 0.0625) for step in range(161)]
    assert sum(made) == 3 + 10
    large = Allowance(3, 1.0)
    assert [large.take(100, at_s) for at_s in (0.0, 5.0, 9.0, 11.0)] == [True, False, False, True]


def test_an_emergency_takes_what_comes_next() -> None:
    """But no more than two: a hundred emergencies must not delay each other either."""
    allowance = Allowance(3, 1.0)
    assert [allowance.take(1, 0.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.take(1, 0.0, urgent=True) for _ in range(3)] == [True, True, False]
    assert [allowance.take(1, at_s) for at_s in (1.0, 2.5, 3.0)] == [False, False, True]


def test_one_answer_serves_every_channel_between_two_steps() -> None:
    """Ten channels with the same alert ask ten times; amounts are made once."""
    desk = crowd(1)
    desk.room(0.12)
    found = [desk.engine.newest(WORST, desk.now()) for _ in range(10)]
    assert found[0] is not None
    assert found[0].prescription is not None
    assert all(one is found[0] for one in found)
    desk.room(0.11)
    later = desk.engine.newest(WORST, desk.now())
    assert later is not None
    assert later.mark != found[0].mark


def test_wallets_alone_need_no_crowd() -> None:
    """One that rises alone always says what to do."""
    desk = Desk()
    desk.hold(isolated())
    desk.room(0.9)
    desk.room(0.12)
    assert desk.notices[-1].facts.prescription is not None
