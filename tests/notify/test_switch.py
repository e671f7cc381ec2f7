"""Channels that come, go and change while messages wait and are in flight."""

import asyncio
from collections.abc import Sequence
from datetime import UTC

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from structlog.testing import capture_logs

from monitor.core.events import DeliveryResult
from monitor.core.model import Level
from monitor.errors import DeliveryError
from monitor.notify.delivery import Delivery
from monitor.ports import Attempt
from tests.conftest import ManualClock, settle
from tests.notify.fakes import FakeChannel, FakeInbox, FakeStateStore, a_notice

REFUSED = DeliveryError("tg", "http-401", permanent=True)
DOWN = DeliveryError("tg", "refused")


class Rig:
    """A delivery whose jobs run, those of later channels too."""

    def __init__(self, clock: ManualClock, *channels: FakeChannel) -> None:
        self.clock = clock
        self.store = FakeStateStore()
        self.inbox = FakeInbox()
        self.delivery = Delivery(channels, store=self.store, inbox=self.inbox, clock=clock, rand=lambda: 1.0)
        self.tasks: list[asyncio.Future[None]] = []
        self._start(self.delivery.jobs())

    def _start(self, jobs: Sequence[object]) -> None:
        for job in jobs:
            self.tasks.append(asyncio.ensure_future(job.run()))  # type: ignore[attr-defined]  # noqa: TID251 - as the app

    async def switch(self, *channels: FakeChannel) -> None:
        self._start(self.delivery.switch(channels, tz=UTC, illustrator=None))
        await settle()

    async def offer(self, subject: str, channel: str = "tg", level: Level = Level.WARNING) -> None:
        notice = a_notice(subject, f"key of {subject}", channel=channel, level=level)
        self.delivery.offer([notice], recorded=True)
        await settle()

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def held(clock: ManualClock) -> FakeChannel:
    channel = FakeChannel()
    channel.hold()
    return channel


async def test_another_address_gets_what_waits_and_not_what_is_in_flight(
    clock: ManualClock, held: FakeChannel
) -> None:
    """The old one is let go of once its message met its fate."""
    rig, new = Rig(clock, held), FakeChannel()
    await rig.offer("a/x")
    await rig.offer("b/x")
    await rig.switch(new)
    await clock.advance(5.0)
    assert (len(held.tried), len(new.tried), held.closed) == (1, 0, False)
    held.release()
    await clock.advance(5.0)
    assert (len(held.accepted), len(new.accepted), held.closed) == (1, 1, True)
    await rig.stop()


@pytest.mark.parametrize("error", [REFUSED, DOWN])
async def test_what_the_old_address_refuses_goes_to_the_new_one(
    clock: ManualClock, held: FakeChannel, error: DeliveryError
) -> None:
    """For good or not: that may be why there is a new one. Nothing is marked as refused."""
    rig, new = Rig(clock, held), FakeChannel()
    held.script.append(error)
    await rig.offer("a/x")
    await rig.switch(new)
    held.release()
    await clock.advance(2.5)
    assert len(new.accepted) == 1
    assert [what for what, *_ in rig.store.marks] == [f"attempted:{error.reason}", "accepted"]
    await rig.stop()


@pytest.mark.parametrize("other", [True, False])
async def test_what_is_refused_as_another_file_comes_is_said_to_be(clock: ManualClock, *, other: bool) -> None:
    """While it is marked: whoever decides takes the refusal for one of after it otherwise, and waits."""
    old = FakeChannel(script=[REFUSED] * 2)
    rig, new = Rig(clock, old), FakeChannel() if other else old
    await rig.offer("a/x")
    marking, marked = rig.store.refused, asyncio.Event()

    async def slowly(keys: Sequence[str], channel: str, tried: Attempt) -> None:
        await marked.wait()
        await marking(keys, channel, tried)

    rig.store.refused = slowly  # type: ignore[method-assign]
    await rig.offer("b/x")
    await clock.advance(5.0)
    await rig.switch(new)
    marked.set()
    await settle()
    results = [one for one in rig.inbox.events if isinstance(one, DeliveryResult)]
    assert [(one.subject, one.accepted, one.moved) for one in results] == [
        ("a/x", False, False),
        ("b/x", False, True),
    ]
    await rig.stop()


async def test_a_pause_after_failures_is_over_with_another_address(clock: ManualClock) -> None:
    """So is what the old service asked for, and that it failed."""
    old, new = FakeChannel(script=[DOWN] * 9), FakeChannel()
    rig = Rig(clock, old)
    await rig.offer("a/x")
    await clock.advance(60.0)
    assert rig.delivery.stats()[0].failing
    await rig.switch(new)
    assert len(new.accepted) == 1
    assert not rig.delivery.stats()[0].failing
    await rig.stop()


async def test_the_pace_of_a_channel_is_kept(clock: ManualClock) -> None:
    """A reload in a loop is no way around the five messages a minute."""
    channels = [FakeChannel() for _ in range(30)]
    rig = Rig(clock, channels[0])
    for number, channel in enumerate(channels):
        await rig.switch(channel)
        await rig.offer(f"a{number}/x")
        await clock.advance(1.0)
    assert sum(len(one.tried) for one in channels) <= 5
    await clock.advance(300.0)
    assert rig.delivery.stats()[0].pending == 0
    await rig.stop()


async def test_what_waits_for_a_channel_that_is_gone_is_kept_for_its_name(
    clock: ManualClock, held: FakeChannel
) -> None:
    """In flight it ends; what waits is pending all the time, also what is decided later, and can be withdrawn."""
    other = FakeChannel("mail")
    rig = Rig(clock, held, other)
    await rig.offer("a/x")
    await rig.offer("b/x")
    await rig.switch(other)
    assert [stats.channel for stats in rig.delivery.stats()] == ["mail"]
    assert rig.delivery.stranded() == {"tg": 2}
    held.release()
    await settle()
    assert held.closed
    await rig.offer("c/x")
    await rig.offer("d/x")
    assert rig.delivery.stranded() == {"tg": 3}
    assert rig.delivery.withdraw("d/x", "tg")
    assert [one.subject for one in rig.delivery.pending()] == ["b/x", "c/x"]
    assert rig.delivery.is_pending("key of b/x", "tg")
    assert not rig.delivery.is_pending("key of a/x", "tg")
    new = FakeChannel()
    await rig.switch(other, new)
    await clock.advance(5.0)
    assert len(held.accepted) == 1
    assert rig.delivery.pending() == ()
    assert rig.delivery.stranded() == {}
    assert rig.delivery.stats()[1].notices == 2
    await rig.stop()


async def test_a_channel_that_comes_back_before_it_was_gone_goes_on(clock: ManualClock, held: FakeChannel) -> None:
    """One task, one message in flight, nothing twice."""
    rig, new = Rig(clock, held), FakeChannel()
    await rig.offer("a/x")
    await rig.offer("b/x")
    await rig.switch()
    await rig.switch(new)
    assert len(rig.tasks) == 1
    held.release()
    await clock.advance(5.0)
    assert (len(held.accepted), len(new.accepted)) == (1, 1)
    await rig.stop()


async def test_what_an_earlier_run_left_for_a_channel_waits_until_there_is_one(clock: ManualClock) -> None:
    """It was configured then and is not now; added again, it is told."""
    rig = Rig(clock, FakeChannel("mail"))
    await rig.offer("a/x", "tg")
    new = FakeChannel()
    await rig.switch(FakeChannel("mail"), new)
    await clock.advance(5.0)
    assert len(new.accepted) == 1
    await rig.stop()


async def test_a_channel_that_is_taken_out_with_something_to_tell_is_logged(
    clock: ManualClock, held: FakeChannel
) -> None:
    """One that has told everything goes without a word."""
    rig = Rig(clock, held, FakeChannel("mail"))
    await rig.offer("a/x")
    await rig.offer("b/x", "mail")
    with capture_logs() as logs:
        await rig.switch()
    assert [(one["event"], one["channel"], one["messages"]) for one in logs] == [("delivery.left", "tg", 1)]
    await rig.stop()


async def test_closing_lets_go_of_all(clock: ManualClock, held: FakeChannel) -> None:
    """Also of those that were replaced or taken out, whatever is in flight over them."""
    mail, new = FakeChannel("mail"), FakeChannel()
    rig = Rig(clock, held, mail)
    await rig.offer("a/x")
    await rig.switch(new)
    await rig.stop()
    rig.delivery.close()
    assert (held.closed, mail.closed, new.closed) == (True, True, True)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.sampled_from(["tg", "mail"])),
        st.tuples(st.just("switch"), st.lists(st.sampled_from(["tg", "mail"]), unique=True).map(tuple)),
        st.tuples(st.just("fail"), st.sampled_from(["tg", "mail"])),
        st.tuples(st.just("hold"), st.booleans()),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 3.0, 40.0])),
    ),
    max_size=25,
)


@settings(max_examples=150)
@given(STEPS)
def test_nothing_is_lost_and_nothing_is_told_twice(steps: list[tuple[str, object]]) -> None:
    """Whatever comes, goes, fails and hangs: in the end each notice reached its channel once, by one address."""
    asyncio.run(_played(steps))


async def _played(steps: list[tuple[str, object]]) -> None:
    clock = ManualClock()
    made: list[FakeChannel] = [FakeChannel("tg"), FakeChannel("mail")]
    rig = Rig(clock, *made)
    offered: list[tuple[str, str]] = []
    for what, value in steps:
        match what:
            case "offer":
                offered.append((f"s{len(offered)}/x", str(value)))
                await rig.offer(*offered[-1])
            case "switch":
                fresh = [FakeChannel(str(name)) for name in value]  # type: ignore[attr-defined]
                made += fresh
                await rig.switch(*fresh)
            case "fail":
                for channel in made:
                    channel.script += [DOWN] * (channel.name == value)
            case "hold":
                for channel in made:
                    (channel.hold if value else channel.release)()
            case _:
                await clock.advance(float(str(value)))
    for channel in made:
        channel.release()
    last = [FakeChannel("tg"), FakeChannel("mail")]
    made += last
    await rig.switch(*last)
    await clock.advance(3600.0)
    assert rig.delivery.pending() == ()
    accepted = [(key, name) for what, key, name in rig.store.marks if what == "accepted"]
    assert sorted(accepted) == sorted((f"key of {subject}", name) for subject, name in offered)
    await rig.stop()
    assert all(channel.closed for channel in made if channel not in last)
