"""An account of which nothing is heard is told, and what is known of it can only get worse."""

import pytest

from monitor.core.events import AccountState, Event, Heartbeat, OrderForced, Reconciled, Snapshot
from monitor.core.hearing import SILENT_AFTER_S
from monitor.core.model import ExchangeFigures, ForcedOrder, Level, Side, Source
from monitor.core.notices import NoticeKind
from monitor.core.waking import AWAKE_S
from tests.core.builders import BTC, Desk, followed, isolated

SILENT_S = round(SILENT_AFTER_S)


def following() -> Desk:
    """Return a desk with an account followed by its key, of which it hears no more."""
    desk = Desk(answering=False)
    desk.follow(isolated(), source=Source.REST)
    desk.room(0.9)
    return desk


def about_accounts(desk: Desk) -> list[tuple[NoticeKind, str]]:
    return [(n.kind, n.facts.reason) for n in desk.notices if n.subject == "/account:main"]


def test_an_account_nobody_speaks_of_is_told() -> None:
    """Whoever follows it may hang, or not be there: then nobody says that it is not followed."""
    desk = following()
    desk.stay(SILENT_S - 1, 0.9)
    assert desk.notices == []
    desk.stay(600, 0.9)
    (notice,) = desk.notices
    assert (notice.kind, notice.subject, notice.level) == (NoticeKind.ACCOUNT, "/account:main", Level.CRITICAL)
    assert (notice.facts.reason, notice.facts.mark_age_s) == ("no answer", SILENT_AFTER_S)


def test_an_account_that_never_spoke_is_told_as_well() -> None:
    """What it holds is not known at all."""
    desk = Desk(answering=False)
    desk.beat(SILENT_S - 1)
    assert desk.notices == []
    desk.beat()
    assert about_accounts(desk) == [(NoticeKind.ACCOUNT, "no answer")]


def test_positions_that_are_typed_in_do_not_go_stale() -> None:
    """Nobody follows them."""
    desk = Desk(answering=False)
    desk.hold(isolated())
    desk.stay(3 * SILENT_S, 0.9)
    assert desk.notices == []
    assert desk.engine.view(desk.now()).accounts[0].ok


ANSWERS = [
    Snapshot(followed(isolated(), source=Source.STREAM), "ORDER"),
    Reconciled(followed(isolated()), ExchangeFigures(5, (), ())),
    AccountState("main", ok=True),
    OrderForced("main", "adl-1", BTC, Side.LONG, ForcedOrder.ADL, 0.1, 99.0, 5),
]


@pytest.mark.parametrize("event", ANSWERS, ids=lambda event: type(event).__name__)
def test_it_is_told_once_that_it_is_heard_again(event: Event) -> None:
    """Whatever it says."""
    desk = following()
    desk.stay(SILENT_S + 10, 0.9)
    desk.step(event)
    desk.stay(30, 0.9)
    assert about_accounts(desk) == [(NoticeKind.ACCOUNT, "no answer"), (NoticeKind.ACCOUNT_BACK, "")]


def test_any_word_of_it_in_time_keeps_it_fresh() -> None:
    """Each reconcile describes it, and each event."""
    desk = following()
    for _ in range(4):
        desk.stay(SILENT_S - 1, 0.9)
        desk.follow(isolated(), source=Source.STREAM)
    assert desk.notices == []


def test_what_is_known_of_a_silent_account_may_rise_and_never_fall() -> None:
    """Margin may have been taken from it unseen."""
    desk = following()
    desk.stay(SILENT_S + 1, 0.9)
    desk.stay(5, 0.15)
    desk.stay(400, 0.9)
    assert desk.levels()[-1] == "warning"
    desk.follow(isolated(), source=Source.REST)
    for _ in range(20):
        desk.stay(30, 0.9)
        desk.follow(isolated(), source=Source.REST)
    assert desk.levels()[-1] == "ok"


def test_who_said_why_it_is_not_followed_is_not_said_after() -> None:
    """One message about one thing: the exchange does not answer, then nothing is heard."""
    desk = following()
    desk.stay(60, 0.9)
    desk.step(AccountState("main", ok=False, reason="timeout"))
    desk.stay(SILENT_S, 0.9)
    assert about_accounts(desk) == [(NoticeKind.ACCOUNT, "timeout")]


def test_a_process_that_was_not_run_for_a_while_does_not_blame_the_account() -> None:
    """A machine that was paused hears within moments; until then levels do not fall, and nobody is told."""
    desk = following()
    desk.stay(5, 0.15)
    desk.wait(600.0)
    desk.stay(round(AWAKE_S) - 1, 0.9)
    assert about_accounts(desk) == []
    assert not desk.engine.view(desk.now()).accounts[0].ok
    desk.follow(isolated(), source=Source.REST)
    desk.stay(60, 0.9)
    assert about_accounts(desk) == []
    desk.wait(600.0)
    desk.stay(round(AWAKE_S) + 1, 0.9)
    assert about_accounts(desk) == [(NoticeKind.ACCOUNT, "no answer")]


def test_stalls_that_follow_each_other_do_not_put_it_off() -> None:
    """The last one alone is forgiven."""
    desk = following()
    for _ in range(3):
        desk.stay(5, 0.9)
        desk.wait(60.0)
    assert about_accounts(desk) == []
    desk.stay(1, 0.9)
    assert about_accounts(desk) == [(NoticeKind.ACCOUNT, "no answer")]


def test_an_account_that_is_taken_out_is_not_missed() -> None:
    """Its trouble ends, and none begins again."""
    desk = following()
    desk.stay(SILENT_S + 10, 0.9)
    settings = type(desk.settings)(channels=desk.settings.channels, accounts=())
    desk.configure(settings)
    for _ in range(2 * SILENT_S):
        desk.wait(1.0)
        desk.step(Heartbeat())
    assert [kind for kind, _ in about_accounts(desk)] == [NoticeKind.ACCOUNT, NoticeKind.ACCOUNT_BACK]
