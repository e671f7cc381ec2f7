import asyncio
from collections.abc import Sequence

import pytest

from monitor.core.events import DeliveryResult, StoreState
from monitor.notify import marks as marks_module
from monitor.notify.delivery import Delivery
from monitor.notify.marks import Marks
from monitor.notify.pending import Entry, Pending
from monitor.ports import Attempt
from monitor.supervise import supervise
from tests.conftest import ManualClock, settle
from tests.notify.fakes import FakeChannel, FakeInbox, FakeStateStore, a_notice

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
    assert inbox.events == [
        StoreState("state", ok=False, reason="disk full", path="state.db"),
        StoreState("state", ok=True),
    ]


async def test_marks_of_what_is_not_recorded_tell_nothing_of_the_database() -> None:
    """Whoever repeats their commit does."""
    store, inbox = FakeStateStore(), FakeInbox()
    store.broken = True
    await Marks(store, inbox).accepted(entries(recorded=False), TRIED)
    assert inbox.events == []


class Hung(FakeStateStore):
    """A disk that does not answer."""

    async def accepted(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        await asyncio.Event().wait()


async def test_a_disk_that_hangs_holds_back_no_message(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fate of the one before is written later; that it was delivered is known at once."""
    monkeypatch.setattr(marks_module, "WRITE_S", 0.0)
    channel, inbox = FakeChannel(), FakeInbox()
    delivery = Delivery([channel], store=Hung(), inbox=inbox, clock=clock)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(supervise(delivery.jobs()[0], clock)())
        for name in ("a", "b"):
            delivery.offer([a_notice(name, name)], recorded=True)
            await settle()
            await clock.advance(10.0)
        task.cancel()
    assert [e.key for e in inbox.events if isinstance(e, DeliveryResult)] == ["a", "b"]
    assert [mark.keys for mark in delivery.unmarked()] == [["a"], ["b"]]
