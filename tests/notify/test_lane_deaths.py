"""A fault of ours in the middle of a message loses neither it nor any other, and ends no channel for ever."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor.core.events import DeliveryResult, JobDied
from monitor.core.notices import Notice
from monitor.errors import DeliveryError
from monitor.notify import lane as lane_module
from monitor.notify.delivery import Delivery
from monitor.notify.message import render_group
from monitor.ports import Attempt, Message
from monitor.supervise import supervise
from tests.conftest import ManualClock, settle
from tests.notify.fakes import FakeChannel, FakeInbox, FakeStateStore, a_notice, some_facts


class Rig:
    """A channel whose job is supervised as in the daemon."""

    def __init__(self, clock: ManualClock, channel: FakeChannel, store: FakeStateStore) -> None:
        self.channel = channel
        self.store = store
        self.inbox = FakeInbox()
        self.deaths: list[JobDied] = []
        self.delivery = Delivery([channel], store=self.store, inbox=self.inbox, clock=clock, rand=lambda: 1.0)
        self.job = supervise(self.delivery.jobs()[0], clock, self.deaths.append)

    def accepted(self) -> list[str]:
        return [e.key for e in self.inbox.events if isinstance(e, DeliveryResult) and e.accepted]


@asynccontextmanager
async def supervised(
    clock: ManualClock, channel: FakeChannel, store: FakeStateStore | None = None
) -> AsyncIterator[Rig]:
    rig = Rig(clock, channel, store or FakeStateStore())
    with capture_logs():  # printing tracebacks takes longer than all else
        async with asyncio.TaskGroup() as group:
            task = group.create_task(rig.job())
            await settle()
            yield rig
            task.cancel()


def some(count: int) -> list[Notice]:
    return [
        a_notice(f"main/isolated:C{n}USDT:LONG", f"k{n}", facts=some_facts(symbol=f"C{n}USDT"))
        for n in range(count)
    ]


def fails_once(real: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``real`` with a fault in its first call."""
    left = [RuntimeError]

    def called(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever it takes
        if left:
            raise left.pop()
        return real(*given, **named)

    return called


async def test_a_message_that_could_not_be_written_once_is_sent_all_the_same(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its notices one by one, each in full: the fault may have been about any of them."""
    monkeypatch.setattr(lane_module, "render_group", fails_once(render_group))
    async with supervised(clock, FakeChannel()) as rig:
        rig.delivery.offer(some(3), recorded=True)
        await clock.advance(120.0)
    assert sorted(rig.accepted()) == ["k0", "k1", "k2"]
    assert len(rig.deaths) == 1
    assert all("could not be written" not in text for text in rig.channel.texts)


async def test_a_notice_of_which_no_message_can_be_made_is_told_as_plainly_as_can_be(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left is how bad it is and of what; the others are told in full, and the service need not end."""

    def rendered(notices: list[Notice], **named: Any) -> Message:  # noqa: ANN401 - as the real one
        if any(notice.key == "k1" for notice in notices):
            raise RuntimeError
        return render_group(notices, **named)

    monkeypatch.setattr(lane_module, "render_group", rendered)
    async with supervised(clock, FakeChannel()) as rig:
        rig.delivery.offer(some(3), recorded=True)
        await clock.advance(120.0)
        rig.delivery.offer([a_notice("another", "k9")], recorded=True)
        await clock.advance(30.0)
    assert sorted(rig.accepted()) == ["k0", "k1", "k2", "k9"]
    assert not any(death.fatal for death in rig.deaths)
    (plain,) = [m for m in rig.channel.accepted if "could not be written" in m.body]
    assert plain.title == "WARNING - main/isolated:C1USDT:LONG - TESTNET"


class Unmarkable(FakeStateStore):
    """A fault of ours where the fate of a message is written."""

    async def refused(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        raise RuntimeError


async def test_a_refusal_that_could_not_be_marked_is_known_all_the_same(clock: ManualClock) -> None:
    """Or no other channel would stand in, and nobody would hear of the one that refuses."""
    channel = FakeChannel(script=[DeliveryError("tg", "http-403", permanent=True)])
    async with supervised(clock, channel, Unmarkable()) as rig:
        rig.delivery.offer(some(1), recorded=True)
        await clock.advance(30.0)
    told = [(e.key, e.accepted, e.reason) for e in rig.inbox.events if isinstance(e, DeliveryResult)]
    assert told == [("k0", False, "http-403")]


class Rotten(FakeChannel):
    """Fails in a way that no channel may, at one notice, in whatever words."""

    async def send(self, message: Message) -> None:
        self.tried.append(message)
        if "C1USDT" in message.title + message.body:
            raise RuntimeError
        self.accepted.append(message)


async def test_a_notice_that_ends_its_job_in_any_form_is_put_off_and_kept(clock: ManualClock) -> None:
    """As one is that a service does not take: it stays due, the others go, and the service does not end for it."""
    async with supervised(clock, Rotten()) as rig:
        rig.delivery.offer(some(3), recorded=True)
        await clock.advance(180.0)  # at the pace of five messages a minute
        assert sorted(rig.accepted()) == ["k0", "k2"]
        rig.delivery.offer([a_notice("another", "k9")], recorded=True)
        await clock.advance(700.0)
        (stats,) = rig.delivery.stats()
        assert stats.pending == 1
    assert sorted(rig.accepted()) == ["k0", "k2", "k9"]
    assert not any(death.fatal for death in rig.deaths)


async def test_a_fault_after_the_service_took_it_is_not_told_twice(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine hears that it was, though the mark could not be made."""
    async with supervised(clock, FakeChannel()) as rig:
        monkeypatch.setattr(rig.store, "accepted", fails_once(rig.store.accepted))
        rig.delivery.offer(some(1), recorded=True)
        await clock.advance(60.0)
    assert rig.accepted() == ["k0"]
    assert len(rig.channel.accepted) == 1
    assert len(rig.deaths) == 1
