import pytest

from monitor.core.model import Level
from monitor.core.notices import NoticeKind
from monitor.notify.pacing import Urgency
from monitor.notify.pending import Entry, Pending
from tests.notify.fakes import a_notice, some_facts


def fly(pending: Pending, now_s: float = 0.0) -> list[Entry]:
    """Let all that is due depart together, and return it."""
    entries = pending.due(now_s)
    pending.depart(entries)
    return entries


def keys(entries: list[Entry]) -> list[str]:
    return [entry.notice.key for entry in entries]


def test_what_is_due_leaves_together_the_worst_first() -> None:
    """Among equals the order is the one in which their subjects began to wait."""
    pending = Pending()
    levels = (Level.WARNING, Level.OK, Level.CRITICAL, Level.NOTICE, Level.EMERGENCY, Level.CRITICAL)
    for number, level in enumerate(levels):
        pending.offer(a_notice(f"s{number}", f"k{number}", level=level), recorded=True, now_s=0.0)
    assert keys(fly(pending)) == ["k4", "k2", "k5", "k0", "k3", "k1"]
    assert pending.due(0.0) == []
    assert len(pending) == 6
    pending.landed()
    assert len(pending) == 0


def test_an_end_that_is_no_all_clear_stands_where_it_belongs() -> None:
    """A liquidation is as bad as a critical level, whatever level is left of it."""
    pending = Pending()
    liquidated = some_facts(reason="liquidated")
    pending.offer(a_notice("a", "warning"), recorded=True, now_s=0.0)
    end = a_notice("b", "liquidated", kind=NoticeKind.CLOSED, level=Level.OK, facts=liquidated)
    pending.offer(end, recorded=True, now_s=0.0)
    assert keys(pending.due(0.0)) == ["liquidated", "warning"]
    assert pending.due(0.0)[0].urgency is Urgency.SERIOUS


@pytest.mark.parametrize(
    ("level", "kind", "expected"),
    [
        (Level.WARNING, NoticeKind.ALERT, Urgency.ORDINARY),
        (Level.CRITICAL, NoticeKind.ALERT, Urgency.SERIOUS),
        (Level.CRITICAL, NoticeKind.REMINDER, Urgency.SERIOUS),
        (Level.EMERGENCY, NoticeKind.ALERT, Urgency.EMERGENCY),
        (Level.EMERGENCY, NoticeKind.REMINDER, Urgency.SERIOUS),
    ],
)
def test_only_news_of_an_emergency_is_one(level: Level, kind: NoticeKind, expected: Urgency) -> None:
    """A reminder finds somebody who was told before."""
    pending = Pending()
    pending.offer(a_notice(level=level, kind=kind), recorded=True, now_s=0.0)
    assert pending.due(0.0)[0].urgency is expected


def test_an_emergency_that_was_tried_is_urgent_again_only_if_untold_of() -> None:
    """Tried once it gives way to new ones, and so does what replaces it; what was milder before is news."""
    for level, expected in ((Level.EMERGENCY, Urgency.SERIOUS), (Level.CRITICAL, Urgency.EMERGENCY)):
        pending = Pending()
        pending.offer(a_notice(key="k1", level=level), recorded=True, now_s=0.0)
        assert fly(pending)[0].urgency is Urgency.SERIOUS
        pending.returned(lambda _: 0.0)
        pending.offer(a_notice(key="k2", level=Level.EMERGENCY), recorded=True, now_s=0.0)
        assert pending.due(0.0)[0].urgency is expected


def test_what_replaces_an_emergency_in_flight_is_urgent_only_if_that_was_none() -> None:
    """The one in flight was a try to tell of it."""
    for level, expected in ((Level.EMERGENCY, Urgency.SERIOUS), (Level.WARNING, Urgency.EMERGENCY)):
        pending = Pending()
        pending.offer(a_notice(key="k1", level=level), recorded=True, now_s=0.0)
        fly(pending)
        pending.offer(a_notice(key="k2", level=Level.EMERGENCY), recorded=True, now_s=0.0)
        pending.returned(lambda _: 0.0)
        assert pending.due(0.0)[0].urgency is expected


def test_a_reminder_of_what_nobody_heard_is_news() -> None:
    """It takes the place of an alert that was held back and never tried."""
    pending = Pending()
    pending.offer(a_notice(key="k1", level=Level.EMERGENCY), recorded=True, now_s=0.0)
    pending.offer(a_notice(key="k2", level=Level.EMERGENCY, kind=NoticeKind.REMINDER), recorded=True, now_s=0.0)
    assert pending.due(0.0)[0].urgency is Urgency.EMERGENCY


def test_memory_is_bounded_by_subjects() -> None:
    """A newer notice takes the place of the undelivered older one, and its place in the row."""
    pending = Pending()
    pending.offer(a_notice("a", "a1", decided_ms=5), recorded=True, now_s=0.0)
    pending.offer(a_notice("b", "b1", decided_ms=6), recorded=True, now_s=0.0)
    for number in range(2, 100):
        pending.offer(a_notice("a", f"a{number}", decided_ms=10 + number), recorded=True, now_s=0.0)
    assert (len(pending), pending.superseded, pending.oldest_ms()) == (2, 98, 5)
    assert keys(fly(pending)) == ["a99", "b1"]
    pending.landed()
    assert pending.oldest_ms() is None


def test_the_same_notice_twice_is_one_message() -> None:
    """A notice offered again, waiting or in flight, only learns that it is recorded."""
    pending = Pending()
    pending.offer(a_notice(key="k"), recorded=False, now_s=0.0)
    pending.offer(a_notice(key="k"), recorded=True, now_s=0.0)
    (entry,) = fly(pending)
    assert entry.recorded
    pending.offer(a_notice(key="k"), recorded=False, now_s=0.0)
    assert entry.recorded
    assert len(pending) == 1
    assert pending.oldest_ms() == entry.notice.decided_ms


def test_a_failed_one_waits_its_pause() -> None:
    """It is due when told, not before."""
    pending = Pending()
    pending.offer(a_notice(), recorded=True, now_s=0.0)
    (entry,) = fly(pending)
    assert pending.next_due_s(0.0) is None
    assert pending.returned(lambda _: 7.0) == [entry]
    assert pending.next_due_s(0.0) == 7.0
    assert pending.due(6.9) == []
    assert pending.due(7.0) == [entry]
    assert pending.next_due_s(7.0) is None


def test_replacing_a_failed_one_keeps_the_pause_unless_it_got_worse() -> None:
    """A service that is down is not hammered by updates, but a rise is tried at once."""
    pending = Pending()
    pending.offer(a_notice(key="k1", level=Level.WARNING), recorded=True, now_s=0.0)
    fly(pending)
    pending.returned(lambda _: 60.0)
    pending.offer(a_notice(key="k2", level=Level.WARNING), recorded=True, now_s=1.0)
    assert pending.next_due_s(0.0) == 60.0
    pending.offer(a_notice(key="k3", level=Level.CRITICAL), recorded=True, now_s=2.0)
    assert pending.next_due_s(0.0) == 2.0
    (worse,) = pending.due(2.0)
    assert (worse.notice.key, worse.attempts) == ("k3", 1)


def test_what_fails_after_something_newer_came_is_forgotten() -> None:
    """The newer one carries on the waiting: its age, its place and, unless worse, the pause."""
    for level, due_s in ((Level.WARNING, 9.0), (Level.CRITICAL, 1.0)):
        pending = Pending()
        pending.offer(a_notice(key="k1", level=Level.WARNING, decided_ms=1), recorded=True, now_s=0.0)
        fly(pending)
        pending.offer(a_notice(key="k2", level=level, decided_ms=2), recorded=True, now_s=1.0)
        assert pending.returned(lambda _: 9.0) == []
        assert (len(pending), pending.oldest_ms(), pending.superseded) == (1, 1, 1)
        assert pending.next_due_s(0.0) == due_s


def test_withdrawing_leaves_the_row_of_a_newer_notice_behind_one_in_flight() -> None:
    """The one in flight was superseded by it in the database: after a crash it alone tells that an end is owed."""
    pending = Pending()
    pending.offer(a_notice("s", "k1"), recorded=True, now_s=0.0)
    fly(pending)
    pending.offer(a_notice("s", "k2"), recorded=True, now_s=0.0)
    assert not pending.withdraw("s")
    assert not pending.holds("k2")
    assert pending.returned(lambda _: 1.0) == []


def test_withdrawing_drops_what_waits_and_stops_repeats_of_what_flies() -> None:
    """An incident that ended before anybody heard of it needs no message; one in flight is not repeated."""
    pending = Pending()
    assert pending.withdraw("s")  # nothing there is nothing in flight
    pending.offer(a_notice("s", "k1"), recorded=True, now_s=0.0)
    assert pending.withdraw("s")
    assert len(pending) == 0
    pending.offer(a_notice("s", "k2"), recorded=True, now_s=0.0)
    fly(pending)
    assert not pending.withdraw("s")
    assert pending.returned(lambda _: 1.0) == []
    assert len(pending) == 0


def test_a_database_that_opened_late_does_not_bring_back_the_past() -> None:
    """What an earlier run left gives way to what this run decided while it could not record it."""
    pending = Pending()
    pending.offer(a_notice(key="new", decided_ms=2), recorded=False, now_s=0.0)
    pending.offer(a_notice(key="left", decided_ms=1), recorded=True, now_s=0.0)
    assert keys(pending.due(0.0)) == ["new"]


def test_it_knows_what_it_holds() -> None:
    """A notice is held while it waits and while it flies, and no longer."""
    pending = Pending()
    assert not pending.holds("k1")
    pending.offer(a_notice(key="k1"), recorded=True, now_s=0.0)
    assert pending.holds("k1")
    fly(pending)
    assert pending.holds("k1")
    pending.landed()
    assert not pending.holds("k1")


def test_nothing_returns_when_nothing_flew() -> None:
    """A job that starts anew may ask without harm."""
    assert Pending().returned(lambda _: 1.0) == []


def test_each_in_a_failed_message_pauses_for_its_own_attempts() -> None:
    """What was tried often does not slow down what joined it."""
    pending = Pending()
    pending.offer(a_notice("old", "old"), recorded=True, now_s=0.0)
    for _ in range(3):
        fly(pending)
        pending.returned(lambda _: 0.0)
    pending.offer(a_notice("new", "new"), recorded=True, now_s=0.0)
    fly(pending)
    pending.returned(lambda entry: float(entry.attempts))
    assert keys(pending.due(1.0)) == ["new"]
    assert keys(pending.due(4.0)) == ["old", "new"]


def test_one_of_a_message_may_be_withdrawn_or_superseded_in_flight() -> None:
    """The others are tried again without it."""
    pending = Pending()
    for name in ("a", "b", "c"):
        pending.offer(a_notice(name, f"{name}1"), recorded=True, now_s=0.0)
    fly(pending)
    assert not pending.withdraw("a")
    pending.offer(a_notice("b", "b2"), recorded=True, now_s=0.0)
    assert keys(pending.returned(lambda _: 0.0)) == ["c1"]
    assert sorted(keys(pending.due(0.0))) == ["b2", "c1"]


def test_a_notice_overtakes_another_one_of_its_subject_in_flight() -> None:
    """Neither itself nor what waits, nor another subject's."""
    pending = Pending()
    pending.offer(a_notice("s", "k1"), recorded=True, now_s=0.0)
    assert not pending.overtakes(a_notice("s", "k2"))
    fly(pending)
    assert pending.overtakes(a_notice("s", "k2"))
    assert not pending.overtakes(a_notice("s", "k1"))
    assert not pending.overtakes(a_notice("t", "k2"))
