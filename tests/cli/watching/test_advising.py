"""What to do, as long as it is about what is: whose it is, which configuration, and a level that did not fall."""

from collections.abc import Callable, Mapping
from threading import Event

import msgspec
import pytest

from monitor.cli.first_remedy import FirstRemedy
from monitor.cli.watching import advising as module
from monitor.cli.watching.advising import REMEDY_KEPT_S, REMEDY_S, Advising, Told
from monitor.core.report import WalletView
from monitor.errors import ControlError
from monitor.status import ConfigView, Status
from tests.cli.made import engine, state, wallet

OTHER = "isolated:ETHUSDT:LONG"


def at(*wallets: WalletView, pid: int = 1, loaded_ms: int = 5, now_ms: int = 1000) -> Told:
    config = ConfigView(loaded_ms=loaded_ms, reloads=0, refused=0)
    return Told({}, state(engine=engine(wallets=wallets), pid=pid, config=config, now_ms=now_ms))


def one(level: str = "warning", room: float = 0.1, name: str = "isolated:BTCUSDT:LONG") -> WalletView:
    return wallet(wallet=name, level=level, room=room, cushion=1.0)


class _Advised:
    """An adviser about whom it is asked for is known, and which says what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[list[str]] = []
        self.remedy: Callable[[], FirstRemedy | None] | None = None
        self._done = Event()
        monkeypatch.setattr(module, "first_remedy", self._work)
        self.advising = Advising(self._done.set, lambda _request: None)

    def _work(
        self, _ask: object, _document: Mapping[str, object], wallets: list[WalletView]
    ) -> FirstRemedy | None:
        self.asked.append([view.wallet for view in wallets])
        if self.remedy is not None:
            return self.remedy()
        worst = wallets[0]
        return FirstRemedy(f"add to {worst.wallet}", (worst.account, worst.wallet), frozenset())

    def look(self, told: Told, now_s: float) -> None:
        """Look after it, and wait for what is worked out."""
        before = len(self.asked)
        self._done.clear()
        self.advising.look_after(told, now_s)
        if self.advising._asker.asks:
            assert self._done.wait(30)
            assert len(self.asked) == before + 1
        self.advising.take()

    def text(self, told: Told, now_s: float) -> str:
        found = self.advising.advice(told, now_s)
        return "" if found is None else found.text


@pytest.fixture
def advised(monkeypatch: pytest.MonkeyPatch) -> _Advised:
    return _Advised(monkeypatch)


def test_it_is_worked_out_now_and_then_and_says_of_when_it_is(advised: _Advised) -> None:
    """It costs more than an answer; the same answer is not asked about twice."""
    for passed in range(int(REMEDY_S) + 1):
        advised.look(at(one(), now_ms=passed), float(passed))
    assert len(advised.asked) == 2
    found = advised.advising.advice(at(one()), REMEDY_S)
    assert found is not None
    assert found.at_ms == REMEDY_S
    same = at(one())
    for second in (100.0, 200.0):
        advised.look(same, second)
    assert len(advised.asked) == 3


def test_nothing_is_worked_out_while_nobody_is_in_danger(advised: _Advised) -> None:
    """Nor is anything shown."""
    advised.look(at(one("notice")), 0.0)
    assert advised.asked == []
    assert not advised.text(at(one("notice")), 0.0)


@pytest.mark.parametrize(
    "then",
    [
        at(one("notice")),
        at(one("ok"), one("warning", 0.2, OTHER)),
        at(one("warning", 0.2), one("warning", 0.1, OTHER)),
        at(one("warning"), one("critical", 0.1, OTHER)),
        at(one(), pid=2),
        at(one(), loaded_ms=6),
        at(),
    ],
    ids=[
        "recovered",
        "recovered beside another",
        "less room elsewhere",
        "worse elsewhere",
        "process",
        "reload",
        "gone",
    ],
)
def test_what_is_no_longer_about_what_is_is_not_shown(advised: _Advised, then: Told) -> None:
    """An amount beside a wallet that it is not for would be paid for nothing."""
    advised.look(at(one()), 0.0)
    assert advised.text(at(one()), 1.0) == "add to isolated:BTCUSDT:LONG"
    assert not advised.text(then, 1.0)


def test_a_level_that_fell_a_little_asks_anew(advised: _Advised) -> None:
    """To get below warning takes less than it took at critical."""
    advised.look(at(one("critical")), 0.0)
    assert not advised.text(at(one("warning")), 1.0)
    assert advised.text(at(one("emergency")), 1.0)


@pytest.mark.parametrize(
    "then",
    [
        at(one("critical")),
        at(one("warning", 0.2), one("warning", 0.1, OTHER)),
        at(one(), pid=2),
        at(one(), loaded_ms=6),
    ],
    ids=["level", "worst", "process", "reload"],
)
def test_it_is_worked_out_at_once_when_something_is_another(advised: _Advised, then: Told) -> None:
    """Ten seconds are long in a fall."""
    advised.look(at(one()), 0.0)
    advised.look(then, 1.0)
    assert len(advised.asked) == 2


def test_those_that_need_nothing_may_be_worse_off(advised: _Advised) -> None:
    """A level that only has to run out stands before the wallet that something has to be done about."""
    mine = FirstRemedy("add", ("main", OTHER), frozenset({("main", "isolated:BTCUSDT:LONG")}))
    advised.remedy = lambda: mine
    both = at(one("critical"), one("warning", 0.1, OTHER))
    advised.look(both, 0.0)
    assert advised.text(both, 1.0) == "add"
    assert advised.text(at(one("warning", 0.1, OTHER)), 1.0) == "add"
    third = one("critical", 0.05, "isolated:XRPUSDT:LONG")
    assert not advised.text(at(third, one("warning", 0.1, OTHER)), 1.0)


def test_without_an_answer_it_is_forgotten_and_an_old_one_runs_out(advised: _Advised) -> None:
    """Who could say that it still holds does not."""
    advised.look(at(one()), 0.0)
    assert advised.text(at(one()), REMEDY_KEPT_S)
    assert not advised.text(at(one()), REMEDY_KEPT_S + 0.1)
    advised.advising.forget()
    assert not advised.text(at(one()), 1.0)
    advised.look(at(one()), 1.0)
    assert len(advised.asked) == 2


def test_a_daemon_that_does_not_tell_is_not_asked_in_turns(advised: _Advised) -> None:
    """Neither where nothing is known nor where it refuses: the next time is soon enough."""

    def refused() -> FirstRemedy | None:
        raise ControlError("busy")

    for remedy in (lambda: None, refused):
        advised.advising.forget()
        advised.asked.clear()
        advised.remedy = remedy
        for second in range(5):
            advised.look(at(one(), now_ms=second), float(second))
        assert len(advised.asked) == 1


def test_a_status_without_a_configuration_advises_all_the_same(advised: _Advised) -> None:
    """A daemon of another version does not tell when it read it."""
    found: Status = msgspec.structs.replace(at(one()).found, config=None)
    advised.look(Told({}, found), 0.0)
    assert advised.text(Told({}, found), 1.0)
