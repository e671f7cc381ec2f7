"""How many amounts a step makes, and that a message which was decided without them can still ask."""

import pytest

from monitor.core.counsel import AT_ONCE, CROWD, Allowance
from monitor.core.events import Ticks
from monitor.core.model import Level
from monitor.core.notices import NoticeKind
from tests.core.builders import BTC, Desk, isolated, mark_at
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
    desk.wait(1.0)
    desk.step(Ticks((desk.range(BTC, mark_at(0.08)),)))
    assert sum(one.facts.prescription is not None for one in desk.notices) == AT_ONCE


@pytest.mark.parametrize(("positions", "made"), [(1, 3), (2, 2), (3, 2), (10, 2), (20, 1), (100, 1)])
def test_what_a_wallet_costs_grows_with_its_positions(positions: int, made: int) -> None:
    """As measured: a step makes amounts for about fifty milliseconds at most, but always for one."""
    allowance = Allowance()
    assert [allowance.take(positions) for _ in range(made + 1)] == [True] * made + [False]


def test_wallets_alone_need_no_crowd() -> None:
    """One that rises alone always says what to do."""
    desk = Desk()
    desk.hold(isolated())
    desk.room(0.9)
    desk.room(0.12)
    assert desk.notices[-1].facts.prescription is not None
