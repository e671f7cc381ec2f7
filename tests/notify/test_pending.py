from monitor.core.model import Level
from monitor.notify.pending import Pending
from tests.notify.fakes import a_notice


def keys_in_order(pending: Pending, now_s: float = 0.0) -> list[str]:
    keys = []
    while (entry := pending.peek(now_s)) is not None:
        pending.depart(entry)
        pending.landed()
        keys.append(entry.notice.key)
    return keys


def test_critical_levels_leave_first_and_the_rest_by_age() -> None:
    """An emergency overtakes everything; warnings and closings keep the order they came in."""
    pending = Pending()
    levels = (Level.WARNING, Level.OK, Level.CRITICAL, Level.NOTICE, Level.EMERGENCY, Level.CRITICAL)
    for number, level in enumerate(levels):
        pending.offer(a_notice(f"s{number}", f"k{number}", level=level), recorded=True, now_s=0.0)
    assert keys_in_order(pending) == ["k4", "k2", "k5", "k0", "k1", "k3"]


def test_memory_is_bounded_by_subjects() -> None:
    """A newer notice takes the place of the undelivered older one, and its place in the row."""
    pending = Pending()
    pending.offer(a_notice("a", "a1", decided_ms=5), recorded=True, now_s=0.0)
    pending.offer(a_notice("b", "b1", decided_ms=6), recorded=True, now_s=0.0)
    for number in range(2, 100):
        pending.offer(a_notice("a", f"a{number}", decided_ms=10 + number), recorded=True, now_s=0.0)
    assert (len(pending), pending.superseded, pending.oldest_ms()) == (2, 98, 5)
    assert keys_in_order(pending) == ["a99", "b1"]
    assert pending.oldest_ms() is None


def test_the_same_notice_twice_is_one_message() -> None:
    """A notice offered again, waiting or in flight, only learns that it is recorded."""
    pending = Pending()
    pending.offer(a_notice(key="k"), recorded=False, now_s=0.0)
    pending.offer(a_notice(key="k"), recorded=True, now_s=0.0)
    entry = pending.peek(0.0)
    assert entry is not None
    assert entry.recorded
    pending.depart(entry)
    pending.offer(a_notice(key="k"), recorded=False, now_s=0.0)
    assert entry.recorded
    assert len(pending) == 1
    assert pending.oldest_ms() == entry.notice.decided_ms


def test_a_failed_one_waits_its_pause() -> None:
    """It is due when told, not before."""
    pending = Pending()
    pending.offer(a_notice(), recorded=True, now_s=0.0)
    entry = pending.peek(0.0)
    assert entry is not None
    pending.depart(entry)
    assert pending.next_due_s() is None
    assert pending.returned(7.0)
    assert pending.next_due_s() == 7.0
    assert pending.peek(6.9) is None
    assert pending.peek(7.0) is entry


def test_replacing_a_failed_one_keeps_the_pause_unless_it_got_worse() -> None:
    """A service that is down is not hammered by updates, but a rise is tried at once."""
    pending = Pending()
    pending.offer(a_notice(key="k1", level=Level.WARNING), recorded=True, now_s=0.0)
    entry = pending.peek(0.0)
    assert entry is not None
    pending.depart(entry)
    pending.returned(60.0)
    pending.offer(a_notice(key="k2", level=Level.WARNING), recorded=True, now_s=1.0)
    assert pending.next_due_s() == 60.0
    pending.offer(a_notice(key="k3", level=Level.CRITICAL), recorded=True, now_s=2.0)
    assert pending.next_due_s() == 2.0
    worse = pending.peek(2.0)
    assert worse is not None
    assert (worse.notice.key, worse.attempts) == ("k3", 1)


def test_what_fails_after_something_newer_came_is_forgotten() -> None:
    """The newer one carries on the waiting: its age, its place and, unless worse, the pause."""
    for level, due_s in ((Level.WARNING, 9.0), (Level.CRITICAL, 1.0)):
        pending = Pending()
        pending.offer(a_notice(key="k1", level=Level.WARNING, decided_ms=1), recorded=True, now_s=0.0)
        entry = pending.peek(0.0)
        assert entry is not None
        pending.depart(entry)
        pending.offer(a_notice(key="k2", level=level, decided_ms=2), recorded=True, now_s=1.0)
        assert not pending.returned(9.0)
        assert (len(pending), pending.oldest_ms(), pending.superseded) == (1, 1, 1)
        assert pending.next_due_s() == due_s


def test_withdrawing_gives_up_the_row_of_a_newer_notice_behind_one_in_flight() -> None:
    """Or it would be sent after a restart; the one in flight was superseded by it in the database."""
    pending = Pending()
    pending.offer(a_notice("s", "k1"), recorded=True, now_s=0.0)
    entry = pending.peek(0.0)
    assert entry is not None
    pending.depart(entry)
    pending.offer(a_notice("s", "k2"), recorded=True, now_s=0.0)
    assert pending.withdraw("s")
    assert not pending.holds("k2")
    assert not pending.returned(1.0)


def test_withdrawing_drops_what_waits_and_stops_repeats_of_what_flies() -> None:
    """An incident that ended before anybody heard of it needs no message; one in flight is not repeated."""
    pending = Pending()
    assert pending.withdraw("s")  # nothing there is nothing in flight
    pending.offer(a_notice("s", "k1"), recorded=True, now_s=0.0)
    assert pending.withdraw("s")
    assert len(pending) == 0
    pending.offer(a_notice("s", "k2"), recorded=True, now_s=0.0)
    entry = pending.peek(0.0)
    assert entry is not None
    pending.depart(entry)
    assert not pending.withdraw("s")
    assert not pending.returned(1.0)
    assert len(pending) == 0


def test_a_database_that_opened_late_does_not_bring_back_the_past() -> None:
    """What an earlier run left gives way to what this run decided while it could not record it."""
    pending = Pending()
    pending.offer(a_notice(key="new", decided_ms=2), recorded=False, now_s=0.0)
    pending.offer(a_notice(key="left", decided_ms=1), recorded=True, now_s=0.0)
    assert keys_in_order(pending) == ["new"]


def test_it_knows_what_it_holds() -> None:
    """A notice is held while it waits and while it flies, and no longer."""
    pending = Pending()
    assert not pending.holds("k1")
    pending.offer(a_notice(key="k1"), recorded=True, now_s=0.0)
    assert pending.holds("k1")
    entry = pending.peek(0.0)
    assert entry is not None
    pending.depart(entry)
    assert pending.holds("k1")
    pending.landed()
    assert not pending.holds("k1")


def test_nothing_returns_when_nothing_flew() -> None:
    """A job that starts anew may ask without harm."""
    assert not Pending().returned(1.0)
