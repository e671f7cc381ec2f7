"""When a start is over: with everything known or declared to be lost, never before, and never not at all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.settings import FreshnessRules
from monitor.health import HISTORY, MARKS, Health, Trouble
from monitor.readiness import (
    ACCOUNT_WITHIN_S,
    AWAITED_ACCOUNTS,
    AWAITED_MARKS,
    START_ENDS_S,
    STARTING,
    STOPPING,
    Awaited,
    Phase,
    Readiness,
)

NAMES = st.lists(st.sampled_from("abc"), unique=True).map(tuple)
LOOKS = st.lists(st.tuples(st.floats(0.0, 30.0), st.builds(Awaited, NAMES, NAMES)), max_size=20)
WELL = Health()
NOTHING = Awaited()


def begun() -> Readiness:
    one = Readiness()
    one.begin(100.0)
    return one


def test_until_everything_is_open_it_is_not_ready_whatever_is_known() -> None:
    """Nothing is watched yet, so nothing is missing, and that proves nothing."""
    one = Readiness()
    assert one.look(NOTHING, 1000.0) is Phase.OPENING
    assert one.judge(WELL) == Health((Trouble(STARTING),))
    assert one.waits_for() == "databases"


def test_where_nothing_is_watched_it_is_ready_at_once() -> None:
    """There is nothing to wait for."""
    one = begun()
    assert one.look(NOTHING, 100.0) is Phase.READY
    assert one.judge(WELL) == WELL
    assert one.waits_for() == ""


@pytest.mark.parametrize(
    ("awaited", "words"),
    [
        (Awaited(("main",), ()), "1 account"),
        (Awaited((), ("BTCUSDT", "ETHUSDT")), "2 symbols"),
        (Awaited(("main", "coin"), ("BTCUSDT",)), "2 accounts and 1 symbol"),
    ],
)
def test_it_names_what_it_waits_for_and_counts_it_where_names_do_not_belong(awaited: Awaited, words: str) -> None:
    """Health does not matter yet: what is not known cannot be well."""
    one = begun()
    assert one.look(awaited, 101.0) is Phase.STARTING
    found = one.judge(WELL)
    assert not found.ok
    assert found.troubles[0] == Trouble(STARTING)
    assert dict(found.troubles[1:]) == {
        reason: names
        for reason, names in ((AWAITED_ACCOUNTS, awaited.accounts), (AWAITED_MARKS, awaited.symbols))
        if names
    }
    assert one.waits_for() == words


def test_an_account_that_does_not_answer_is_waited_for_as_long_as_a_symbol_may_be_silent() -> None:
    """Both are declared to be lost then: an exchange out of reach delays a start by no more than that."""
    assert FreshnessRules().blind_after_s <= ACCOUNT_WITHIN_S
    one, awaited = begun(), Awaited(("main",), ())
    assert one.look(awaited, 99.9 + ACCOUNT_WITHIN_S) is Phase.STARTING
    assert one.look(awaited, 100.0 + ACCOUNT_WITHIN_S) is Phase.READY
    assert one.missing == awaited


def test_symbols_that_keep_appearing_hold_it_up_for_a_minute_at_most() -> None:
    """Each account may bring new ones; below the ninety seconds that systemd gives."""
    assert START_ENDS_S < 90.0
    one, awaited = begun(), Awaited((), ("BTCUSDT",))
    assert one.look(awaited, 99.9 + START_ENDS_S) is Phase.STARTING
    assert one.look(awaited, 100.0 + START_ENDS_S) is Phase.READY


def test_once_ready_it_is_health_without_the_history() -> None:
    """What is new and not known yet is a trouble of health."""
    one = begun()
    one.look(NOTHING, 100.0)
    assert one.look(Awaited(("main",), ("BTCUSDT",)), 101.0) is Phase.READY
    blind, full = Trouble(MARKS, ("BTCUSDT",)), Trouble(HISTORY, ("history",))
    assert one.judge(Health((blind, full))) == Health((blind,))
    assert one.judge(Health((full,))) == WELL


def test_one_that_stops_is_never_ready_again() -> None:
    """Whatever is looked at afterwards; also one that was never ready."""
    for one in (Readiness(), begun()):
        one.stop()
        one.begin(100.0)
        assert one.look(NOTHING, 100.0) is Phase.STOPPING
        assert one.judge(WELL) == Health((Trouble(STOPPING),))
        assert one.waits_for() == ""


@given(LOOKS)
def test_it_is_ready_exactly_when_it_may_be(looks: list[tuple[float, Awaited]]) -> None:
    """Never while something is awaited that is not overdue, always by then, and once and for all."""
    one, now_s, was_ready = begun(), 100.0, False
    for pause_s, awaited in looks:
        now_s += pause_s
        waited_s = now_s - 100.0
        known = not awaited.symbols and (not awaited.accounts or waited_s >= ACCOUNT_WITHIN_S)
        is_ready = one.look(awaited, now_s) is Phase.READY
        assert is_ready is (was_ready or known or waited_s >= START_ENDS_S)
        assert one.judge(WELL).ok is is_ready
        assert bool(one.waits_for()) is not is_ready
        was_ready = is_ready


@given(st.lists(st.sampled_from(["begin", "look", "stop"]), max_size=8), NAMES)
def test_phases_come_in_order(steps: list[str], names: Any) -> None:  # noqa: ANN401 - names
    """Whatever is called when, there is no way back."""
    one, order = Readiness(), list(Phase)
    for step in steps:
        before = order.index(one.phase)
        match step:
            case "begin":
                one.begin(100.0)
            case "look":
                one.look(Awaited(names, names), 120.0)
            case _:
                one.stop()
        assert order.index(one.phase) >= before
