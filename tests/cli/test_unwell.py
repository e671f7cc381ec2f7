"""``doctor`` asks the running daemon too, and names what it is not well with."""

from functools import partial
from pathlib import Path

import pytest

from monitor.cli.status import decoded
from monitor.cli.unwell import unwell, unwell_with
from monitor.config.load import load_text
from monitor.core.account_view import AccountView
from monitor.doctor.disk import daemon_findings
from monitor.doctor.finding import State
from monitor.status import Holdings, Status, WatchdogView
from tests.cli.answering import answering
from tests.cli.made import NOW_MS, channel, engine, state, symbol
from tests.cli.test_offline import DESIGN

FAILING = channel(failing=True, broken=True, pending=2, oldest_ms=NOW_MS, last_reason="http-500")
FOLLOW = {"account": "main", "market": "usdm", "state": "failing", "reason": "rate_limit", "reconcile_age_s": 50.0}
LATE = FOLLOW | {"state": "following", "reason": "", "reconcile_age_s": 80.0}
VIEW = AccountView("main", "usdm", "rest", NOW_MS, True, "", 1, False, False, (), 0, (), {})
BLIND, BRIDGED = symbol(data="blind", age_s=20.0), symbol(data="blind", source="rest", age_s=2.0)


def test_a_daemon_that_is_well_is_one_line() -> None:
    """Nothing is said of what works."""
    assert list(unwell(state())) == []


@pytest.mark.parametrize(
    ("found", "subject", "expected", "words", "fix"),
    [
        (state(channels=(FAILING,)), "phone", State.FAIL, "500; 2 messages waiting since 20:26:40", "test-alert"),
        (
            state(channels=(FAILING,), fallbacks={"phone": "mail"}),
            "phone",
            State.WARN,
            "waiting",
            "mail takes over",
        ),
        (state(channels=(channel(failing=True),)), "phone", State.WARN, "does not take messages", "address"),
        (state(engine=engine(symbols=(BLIND,))), "marks", State.FAIL, "BTCUSDT", "routes"),
        (state(engine=engine(symbols=(BRIDGED,))), "marks", State.WARN, "from REST only", "routes"),
        (state(engine=engine(accounts=(VIEW,)), accounts=(FOLLOW,)), "main", State.FAIL, "rate limit", "wait"),
        (state(engine=engine(accounts=(VIEW,)), accounts=(LATE,)), "main", State.FAIL, "for 80 s", "hosts"),
        (state(unseen=("main",)), "main", State.FAIL, "not yet", "key"),
        (state(unwritable={"state": "disk full"}), "state.db", State.FAIL, "cannot write", "disk"),
        (state(watchdog=WatchdogView(30.0, 1, NOW_MS, ("decide",))), "loops", State.FAIL, "decide", "log"),
        (state(dying=("feed",)), "parts", State.WARN, "feed", "log"),
    ],
)
def test_what_a_running_daemon_is_not_well_with_is_named_with_its_fix(
    found: Status, subject: str, expected: State, words: str, fix: str
) -> None:
    """Green beside a daemon that cannot deliver or does not see would be a lie."""
    (one,) = unwell(found)
    assert (one.area, one.subject, one.state) == ("daemon", subject, expected)
    assert words in one.found
    assert fix in one.fix


def test_what_the_daemon_says_is_asked_over_its_socket(tmp_path: Path) -> None:
    """One of another version cannot be judged, which is a warning."""
    with answering(tmp_path, {"status": state(channels=(FAILING,))}):
        found = list(daemon_findings(tmp_path, lambda one: unwell(decoded(one))))
    assert [one.state for one in found] == [State.OK, State.FAIL]
    with answering(tmp_path, {"status": {"version": "0.1", "pid": 2}}):
        found = list(daemon_findings(tmp_path, lambda one: unwell(decoded(one))))
    assert [one.state for one in found] == [State.OK, State.WARN]
    assert "another version" in found[1].found


def test_a_daemon_with_another_configuration_is_a_warning(tmp_path: Path) -> None:
    """Its alerts are about what was typed in before; a file that is the same needs nothing."""
    text = f'[state]\ndirectory = "{tmp_path}"\n{DESIGN}'
    same, changed = load_text(text, "test"), load_text(text.replace("quantity = 0.5", "quantity = 0.4"), "test")
    holdings = Holdings(same.accounts, {one.symbol: one for one in same.tables})
    with answering(tmp_path, {"status": state(), "holdings": holdings}):
        fine = list(daemon_findings(tmp_path, partial(unwell_with, same)))
        found = list(daemon_findings(tmp_path, partial(unwell_with, changed)))
    assert [one.state for one in fine] == [State.OK]
    assert [one.state for one in found] == [State.OK, State.WARN]
    assert "another configuration of by-hand" in found[1].found
