"""Parts of the service that fail, and private streams that are missing: told once, and ended once."""

from monitor.core.events import AccountState, Heartbeat, JobDied, Restored, Snapshot, StreamState
from monitor.core.model import Level
from monitor.core.notices import NoticeKind
from monitor.core.troubles import JOB_DWELL_S
from tests.core.builders import Desk, account, isolated

JOB, JOB_BACK, STREAM, STREAM_BACK = (
    NoticeKind.JOB, NoticeKind.JOB_BACK, NoticeKind.STREAM, NoticeKind.STREAM_BACK
)  # fmt: skip
DWELL_S = round(JOB_DWELL_S)


def died(desk: Desk, job: str = "feed-usdm-a", error: str = "TypeError", *, fatal: bool = False) -> None:
    desk.step(JobDied(job, error, 1, fatal))


def kinds(desk: Desk) -> list[NoticeKind]:
    return [notice.kind for notice in desk.notices]


# Parts


def test_a_part_that_failed_is_told_at_once() -> None:
    """With its name and the type of the error, as a warning."""
    desk = Desk()
    died(desk)
    (notice,) = desk.notices
    assert (notice.kind, notice.subject, notice.level) == (JOB, "/job:feed-usdm-a", Level.WARNING)
    assert (notice.facts.detail, notice.facts.reason, notice.facts.ends) == ("feed-usdm-a", "TypeError", False)


def test_its_end_is_told_after_five_minutes_without_a_failure() -> None:
    """One more failure within them begins the wait anew and is no news, whatever it failed of."""
    desk = Desk()
    died(desk)
    desk.beat(DWELL_S - 1)
    died(desk, error="ValueError")
    desk.beat(DWELL_S - 1)
    assert kinds(desk) == [JOB]
    desk.beat(2)
    assert kinds(desk) == [JOB, JOB_BACK]
    desk.beat(2 * DWELL_S)
    assert kinds(desk) == [JOB, JOB_BACK]
    died(desk)
    assert kinds(desk) == [JOB, JOB_BACK, JOB]


def test_two_parts_are_two_stories() -> None:
    """Each has its own end."""
    desk = Desk()
    died(desk)
    desk.beat(100)
    died(desk, job="history")
    desk.beat(DWELL_S - 50)
    assert [(n.kind, n.facts.detail) for n in desk.notices] == [
        (JOB, "feed-usdm-a"), (JOB, "history"), (JOB_BACK, "feed-usdm-a")
    ]  # fmt: skip


def test_a_part_that_is_given_up_is_news_and_critical() -> None:
    """The service ends with it."""
    desk = Desk()
    died(desk)
    died(desk, fatal=True)
    assert [(n.kind, n.level, n.facts.ends) for n in desk.notices] == [
        (JOB, Level.WARNING, False), (JOB, Level.CRITICAL, True)
    ]  # fmt: skip


def test_the_next_run_ends_what_the_last_one_told_of_its_parts() -> None:
    """After five minutes in which the part did not fail; nothing else is said of how the last run ended."""
    desk = Desk()
    died(desk, fatal=True)
    successor = desk.restarted()
    successor.beat(DWELL_S - 1)
    assert successor.notices == []
    successor.beat(2)
    assert [(n.kind, n.facts.detail) for n in successor.notices] == [(JOB_BACK, "feed-usdm-a")]


def test_what_fails_in_the_next_run_too_is_told_there() -> None:
    """As a failure, not as the end of the service."""
    desk = Desk()
    died(desk, fatal=True)
    successor = desk.restarted()
    successor.beat(20)
    died(successor)
    assert [(n.kind, n.facts.ends) for n in successor.notices] == [(JOB, False)]


# Private streams


def streamed(desk: Desk, *, ok: bool, reason: str = "not_open") -> None:
    desk.step(StreamState("main", ok, "" if ok else reason))


def test_a_missing_stream_is_a_warning_and_ends_when_it_is_back_for_two_minutes() -> None:
    """Told once each."""
    desk = Desk()
    streamed(desk, ok=False)
    desk.beat(600)
    streamed(desk, ok=True)
    desk.beat(119)
    assert [(n.kind, n.subject, n.level) for n in desk.notices] == [(STREAM, "/stream:main", Level.WARNING)]
    desk.beat(2)
    assert kinds(desk) == [STREAM, STREAM_BACK]


def test_a_stream_that_comes_and_goes_is_told_once() -> None:
    """An hour of flapping is two messages."""
    desk = Desk()
    for _ in range(30):
        streamed(desk, ok=False)
        desk.beat(60)
        streamed(desk, ok=True)
        desk.beat(60)
    desk.beat(120)
    assert kinds(desk) == [STREAM, STREAM_BACK]


def test_a_stream_that_is_lost_again_is_not_told_to_be_back() -> None:
    """Not while it is missing, and without a word; two minutes count from when it was open for good."""
    desk = Desk()
    streamed(desk, ok=False)
    desk.beat(60)
    streamed(desk, ok=True)
    desk.beat(80)
    desk.step(StreamState("main", False, "not_open", brief=True))
    desk.beat(59)
    assert kinds(desk) == [STREAM]
    streamed(desk, ok=False)
    desk.beat(60)
    streamed(desk, ok=True)
    desk.beat(118)
    assert kinds(desk) == [STREAM]
    desk.beat(3)
    assert kinds(desk) == [STREAM, STREAM_BACK]


def test_what_a_silent_stream_was_told_for_is_no_news_when_it_is_lost_for_a_moment() -> None:
    """It is still the same trouble; of a loss alone nothing is told."""
    desk = Desk()
    streamed(desk, ok=False, reason="silent")
    streamed(desk, ok=True)
    desk.beat(30)
    desk.step(StreamState("main", False, "not_open", brief=True))
    desk.beat(10)
    streamed(desk, ok=True)
    desk.beat(121)
    assert kinds(desk) == [STREAM, STREAM_BACK]
    desk.step(StreamState("main", False, "not_open", brief=True))
    desk.beat(200)
    assert kinds(desk) == [STREAM, STREAM_BACK]


def test_a_loss_after_a_restart_keeps_what_the_run_before_told() -> None:
    """This run knows only that it was told."""
    desk = Desk()
    streamed(desk, ok=False)
    successor = desk.restarted()
    streamed(successor, ok=True)
    successor.beat(60)
    successor.step(StreamState("main", False, "not_open", brief=True))
    successor.beat(100)
    assert kinds(successor) == []
    streamed(successor, ok=True)
    successor.beat(122)
    assert kinds(successor) == [STREAM_BACK]


def test_a_missing_stream_says_whether_rest_still_describes_the_account() -> None:
    """Only what is sure: where it does not, or nothing was heard for long, nobody notices a change."""
    desk = Desk()
    streamed(desk, ok=False)
    assert not desk.notices[-1].facts.undescribed
    lost = Desk()
    lost.step(AccountState("main", ok=False, reason="timeout"))
    streamed(lost, ok=False)
    assert lost.notices[-1].facts.undescribed
    late = Desk(answering=False)
    late.beat(46)
    streamed(late, ok=False)
    assert late.notices[-1].facts.undescribed
    lost.step(AccountState("main", ok=True))
    lost.beat(7200)
    assert [n.facts.undescribed for n in lost.notices if n.kind is STREAM] == [True, False]


def test_an_account_of_which_nothing_is_known_is_not_said_to_be_watched() -> None:
    """On a first start there is nothing to keep watching."""
    desk = Desk()
    desk.step(AccountState("main", ok=False, reason="rate_limit"))
    assert desk.notices[-1].facts.unseen
    known = Desk()
    known.step(Snapshot(account(isolated())))
    known.step(AccountState("main", ok=False, reason="rate_limit"))
    assert not known.notices[-1].facts.unseen


def test_a_stream_that_is_well_is_no_news_but_ends_what_an_earlier_run_told() -> None:
    """The first thing a run says of it may be that it is open."""
    desk = Desk()
    streamed(desk, ok=True)
    desk.beat(200)
    assert desk.notices == []
    streamed(desk, ok=False)
    successor = desk.restarted()
    streamed(successor, ok=True)
    successor.beat(122)
    assert kinds(successor) == [STREAM_BACK]


def test_an_account_that_is_typed_in_or_taken_out_has_no_stream_to_miss() -> None:
    """Its trouble ends with it, and a report on its way is passed over."""
    desk = Desk(accounts=("main", "other"))
    streamed(desk, ok=False)
    desk.step(StreamState("other", False, "not_open"))
    desk.step(Snapshot(account(isolated())))
    desk.configure(type(desk.settings)(channels=desk.settings.channels, accounts=("main",)))
    desk.step(StreamState("other", False, "silent"))
    for _ in range(130):
        desk.wait(1.0)
        desk.step(Heartbeat())
    assert sorted((n.kind, n.subject) for n in desk.notices if n.kind in {STREAM, STREAM_BACK}) == [
        (STREAM, "/stream:main"), (STREAM, "/stream:other"),
        (STREAM_BACK, "/stream:main"), (STREAM_BACK, "/stream:other"),
    ]  # fmt: skip


def test_a_run_that_knows_nothing_of_the_last_ends_nothing() -> None:
    """No trouble, no end."""
    desk = Desk()
    desk.step(Restored(()))
    desk.beat(DWELL_S + 1)
    assert [n for n in desk.notices if n.kind in {JOB, JOB_BACK}] == []
