"""What comes and goes is told ever less; what comes seldom is told at once."""

import pytest

from monitor.core.events import AccountState, Heartbeat, JobDied, StreamState
from monitor.core.model import Source
from monitor.core.notices import NoticeKind
from monitor.core.steady import CALM_S, Returns, steady_s
from tests.core.builders import BTC, Desk, isolated


def test_it_has_to_hold_ever_longer_after_it_was_free() -> None:
    """Four times as long each time, half an hour at most."""
    assert [steady_s(times, 2) for times in range(7)] == [0.0, 0.0, 60.0, 240.0, 960.0, 1800.0, 1800.0]
    assert steady_s(10_000, 0) == 1800.0


def test_only_what_comes_back_soon_counts() -> None:
    """And what is over for long is not remembered."""
    returns = Returns()
    for at_s in (0.0, 100.0, 200.0):
        returns.begun("a", at_s)
        returns.over("a", at_s + 10.0)
    assert returns.times("a") == 2
    returns.begun("a", 210.0 + CALM_S)
    assert returns.times("a") == 0
    returns.over("a", 3000.0)
    returns.begun("b", 9000.0)
    returns.over("b", 9001.0)
    assert returns._over_s == {"b": 9001.0}
    assert returns._times == {"b": 0}


@pytest.mark.parametrize("about", ["account", "stream", "job"])
def test_a_trouble_that_comes_and_goes_for_hours_is_told_ever_less(about: str) -> None:
    """Not twice for each time; once it stays away its end is told."""
    desk = Desk()
    desk.follow(isolated(BTC), source=Source.REST)

    def state(*, ok: bool) -> None:
        if about == "account":
            desk.step(AccountState("main", ok, "" if ok else "http-503"))
        elif about == "stream":
            desk.step(StreamState("main", ok, "" if ok else "not_open"))
        elif not ok:
            desk.step(JobDied("history", "OSError", 1, fatal=False))

    def wait(seconds: int) -> None:
        for _ in range(seconds // 20):
            desk.wait(20.0)
            desk.step(Heartbeat())

    for _ in range(30):
        state(ok=False)
        wait(20)
        state(ok=True)
        wait(320)
    told = [n for n in desk.notices if n.kind.value.startswith(about)]
    assert 4 <= len(told) <= 20  # and not 60; with the reminders
    wait(2000)
    (last,) = [n for n in desk.notices if n.kind.value.startswith(about)][-1:]
    assert last.kind in {NoticeKind.ACCOUNT_BACK, NoticeKind.STREAM_BACK, NoticeKind.JOB_BACK}
