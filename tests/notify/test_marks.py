from monitor.core.events import StoreState
from monitor.notify.marks import Marks
from monitor.notify.pending import Entry, Pending
from monitor.ports import Attempt
from tests.notify.fakes import FakeInbox, FakeStateStore, a_notice

TRIED = Attempt(1, 2)


def entries(*, recorded: bool = True) -> list[Entry]:
    pending = Pending()
    for name in ("a", "b"):
        pending.offer(a_notice(name, name), recorded=recorded, now_s=0.0)
    return pending.due(0.0)


async def test_all_of_a_message_is_marked_at_once() -> None:
    """One transaction for each fate, whatever it is."""
    store, inbox = FakeStateStore(), FakeInbox()
    marks = Marks(store, inbox)
    await marks.attempted(entries(), TRIED._replace(reason="timeout"))
    await marks.accepted(entries(), TRIED)
    await marks.refused(entries(), TRIED._replace(reason="http-403"))
    assert store.writes == 3
    assert [mark[:2] for mark in store.marks] == [
        ("attempted:timeout", "a"), ("attempted:timeout", "b"), ("accepted", "a"), ("accepted", "b"),
        ("refused:http-403", "a"), ("refused:http-403", "b"),
    ]  # fmt: skip
    assert inbox.events == []


async def test_trouble_is_told_on_its_edges() -> None:
    """Once when marks begin to fail, once when they work again; nothing is raised."""
    store, inbox = FakeStateStore(), FakeInbox()
    marks = Marks(store, inbox)
    for broken in (True, True, False, False):
        store.broken = broken
        await marks.accepted(entries(), TRIED)
    assert inbox.events == [StoreState("state", ok=False, reason="mark"), StoreState("state", ok=True)]


async def test_marks_of_what_is_not_recorded_tell_nothing_of_the_database() -> None:
    """Whoever repeats their commit does."""
    store, inbox = FakeStateStore(), FakeInbox()
    store.broken = True
    await Marks(store, inbox).accepted(entries(recorded=False), TRIED)
    assert inbox.events == []
