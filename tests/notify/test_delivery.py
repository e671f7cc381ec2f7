import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from structlog.testing import capture_logs

from monitor.core.events import DeliveryResult, StoreState, Unsure
from monitor.core.model import Level
from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.errors import DeliveryError
from monitor.notify import lane
from monitor.notify.delivery import Delivery
from monitor.notify.retry import ThrottledError
from monitor.ports import Attempt, Illustrator
from tests.conftest import ManualClock, settle
from tests.notify.fakes import FakeChannel, FakeInbox, FakeStateStore, a_notice, some_facts

DOWN = DeliveryError("tg", "refused")


class Rig:
    """A delivery with its surroundings, and its jobs as tasks."""

    def __init__(
        self,
        clock: ManualClock,
        channels: Sequence[FakeChannel],
        newest: Callable[[str], Facts | None] = lambda _: None,
        illustrator: Illustrator | None = None,
    ) -> None:
        self.clock = clock
        self.store = FakeStateStore()
        self.inbox = FakeInbox()
        self.delivery = Delivery(
            channels, store=self.store, inbox=self.inbox, clock=clock, rand=lambda: 1.0, newest=newest,
            illustrator=illustrator,
        )  # fmt: skip
        self.tasks: list[asyncio.Future[None]] = []

    def start(self) -> None:
        for job in self.delivery.jobs():
            self.tasks.append(asyncio.ensure_future(job.run()))  # noqa: TID251 - a test stands in for the app

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@asynccontextmanager
async def running(
    clock: ManualClock,
    *channels: FakeChannel,
    newest: Callable[[str], Facts | None] = lambda _: None,
    illustrator: Illustrator | None = None,
) -> AsyncIterator[Rig]:
    rig = Rig(clock, channels, newest, illustrator)
    rig.start()
    try:
        await settle()
        yield rig
    finally:
        await rig.stop()


async def test_send_then_mark_then_report(clock: ManualClock) -> None:
    """A notice is marked only after the service accepted it, and the engine hears of it after that."""
    tg = FakeChannel()
    tg.hold()
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice()], recorded=True)
        await settle()
        assert len(tg.tried) == 1
        assert rig.store.marks == []
        assert rig.inbox.events == []
        tg.release()
        await settle()
        assert rig.store.marks == [("accepted", "k1", "tg")]
        assert rig.inbox.events == [
            DeliveryResult("main/cross:USDT", "k1", "tg", accepted=True, level=Level.WARNING)
        ]
        assert rig.delivery.stats()[0]._asdict() == {
            "channel": "tg", "sent": 1, "notices": 1, "failed": 0, "refused": 0, "superseded": 0, "pending": 0,
            "oldest_ms": None, "oldest_s": None, "failing": False, "broken": False, "since_ms": None,
            "last_reason": "",
        }  # fmt: skip


async def test_an_idle_channel_sends_at_once(clock: ManualClock) -> None:
    """No timer stands between a decision and its first attempt."""
    tg = FakeChannel()
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice()], recorded=True)
        await settle()
        assert len(tg.accepted) == 1
        assert clock.slept == []


async def test_a_failed_send_is_repeated_without_end(clock: ManualClock) -> None:
    """Pauses double to two minutes whatever the pace, for nobody heard; failures are recorded, edges logged."""
    tg = FakeChannel(script=[DOWN] * 10, clock=clock)
    with capture_logs() as logs:
        async with running(clock, tg) as rig:
            rig.delivery.offer([a_notice()], recorded=True)
            await settle()
            assert rig.delivery.stats()[0].failing
            await clock.advance(3600)
            gaps = [round(b - a) for a, b in zip(tg.tried_at_s, tg.tried_at_s[1:], strict=False)]
            assert gaps == [1, 2, 4, 8, 16, 32, 64, 120, 120, 120]
            assert rig.store.marks == [("attempted:refused", "k1", "tg")] * 10 + [("accepted", "k1", "tg")]
            stats = rig.delivery.stats()[0]
            assert (stats.sent, stats.failed, stats.pending) == (1, 10, 0)
            assert (stats.failing, stats.last_reason) == (False, "refused")
    assert [entry["event"] for entry in logs] == ["delivery.failing", "delivery.back"]


async def test_a_repeated_message_says_how_late_it_is(clock: ManualClock) -> None:
    """Rendering happens at the time of sending."""
    tg = FakeChannel(script=[DOWN] * 5)
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice(decided_ms=clock.wall_ms())], recorded=True)
        await settle()
        await clock.advance(60)
        assert "Delivery: " not in tg.tried[0].body
        assert "31 s late" in tg.accepted[0].title


@pytest.mark.parametrize(("set_ms", "late"), [(-3_600_000, "31 s late"), (3_600_000, "60 min late")])
async def test_a_clock_that_is_set_back_hides_no_lateness(clock: ManualClock, set_ms: int, late: str) -> None:
    """One ahead is believed: a machine that was suspended counts those minutes on its wall clock only."""
    tg = FakeChannel(script=[DOWN] * 5)
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice(decided_ms=clock.wall_ms())], recorded=True)
        await settle()
        clock._wall_ms += set_ms
        await clock.advance(60)
        assert late in tg.accepted[0].title
        assert len(tg.accepted) == 1


async def test_a_permanent_refusal_ends_it(clock: ManualClock) -> None:
    """The engine learns that this channel will never say it; other subjects go on."""
    tg = FakeChannel(script=[DeliveryError("tg", "http-401", permanent=True)])
    with capture_logs() as logs:
        async with running(clock, tg) as rig:
            rig.delivery.offer([a_notice("a", "k1")], recorded=True)
            await settle()
            assert rig.delivery.stats()[0].broken
            rig.delivery.offer([a_notice("b", "k2")], recorded=True)
            await clock.advance(5)
            assert rig.store.marks == [("refused:http-401", "k1", "tg"), ("accepted", "k2", "tg")]
            assert rig.inbox.events == [
                DeliveryResult("a", "k1", "tg", accepted=False, reason="http-401", level=Level.WARNING),
                DeliveryResult("b", "k2", "tg", accepted=True, level=Level.WARNING),
            ]
            stats = rig.delivery.stats()[0]
            assert (stats.refused, stats.broken, stats.since_ms) == (1, False, None)
    assert "delivery.refused" in [entry["event"] for entry in logs]


async def test_what_follows_is_grouped_but_an_emergency_leaves_at_once(clock: ManualClock) -> None:
    """The first goes by itself, those that follow within two seconds together; an emergency takes them along."""
    tg = FakeChannel(clock=clock)
    start_s = clock.mono_s()
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice("s0", "k0")], recorded=True)
        await settle()
        rig.delivery.offer([a_notice("s1", "k1"), a_notice("s2", "k2")], recorded=True)
        await clock.advance(0.5)
        rig.delivery.offer([a_notice("e", "ke", level=Level.EMERGENCY)], recorded=True)
        await settle()
        assert [at_s - start_s for at_s in tg.tried_at_s] == [0.0, 0.5]
        rig.delivery.offer([a_notice(f"s{number}", f"k{number}") for number in range(3, 6)], recorded=True)
        await clock.advance(60)
        assert [round(at_s - start_s, 1) for at_s in tg.tried_at_s] == [0.0, 0.5, 24.3]
        assert [mark[1] for mark in rig.store.marks] == ["k0", "ke", "k1", "k2", "k3", "k4", "k5"]
        assert tg.titles[1].startswith("EMERGENCY")
        assert rig.delivery.stats()[0][1:3] == (3, 7)


async def test_what_becomes_due_meanwhile_may_leave_before_what_waits(clock: ManualClock) -> None:
    """A critical one that failed does not sit out the wait of warnings for the places that it may still use."""
    tg = FakeChannel(script=[None, None, DOWN], clock=clock)
    start_s = clock.mono_s()
    async with running(clock, tg) as rig:
        for number in range(2):
            rig.delivery.offer([a_notice(f"s{number}", f"k{number}")], recorded=True)
            await clock.advance(5)
        rig.delivery.offer([a_notice("c", "kc", level=Level.CRITICAL)], recorded=True)
        await settle()
        rig.delivery.offer([a_notice("s2", "k2")], recorded=True)  # would wait until a minute is over
        await clock.advance(5)
        assert [at_s - start_s for at_s in tg.tried_at_s] == [0.0, 5.0, 10.0, 11.0]
        assert [mark[1] for mark in rig.store.marks[3:]] == ["kc", "k2"]


async def test_one_fate_for_all_of_a_message(clock: ManualClock) -> None:
    """Marked in one transaction, and the engine hears of each; what was given up meanwhile is not tried again."""
    tg = FakeChannel(script=[DOWN])
    async with running(clock, tg) as rig:
        tg.hold()
        rig.delivery.offer([a_notice(name, f"{name}1") for name in ("a", "b", "c")], recorded=True)
        await settle()
        assert not rig.delivery.withdraw("a", "tg")
        rig.delivery.offer([a_notice("b", "b2")], recorded=True)
        tg.release()
        await clock.advance(5)
        assert rig.store.marks == [
            ("attempted:refused", "b1", "tg"),
            ("attempted:refused", "c1", "tg"),
            ("refused:withdrawn", "a1", "tg"),
            ("accepted", "b2", "tg"),
            ("accepted", "c1", "tg"),
        ]
        assert rig.store.writes == 3
        assert rig.inbox.events == [
            Unsure("b", "b2", "tg"),
            DeliveryResult("b", "b2", "tg", accepted=True, level=Level.WARNING),
            DeliveryResult("c", "c1", "tg", accepted=True, level=Level.WARNING),
        ]


async def test_a_refused_message_is_refused_for_all_in_it(clock: ManualClock) -> None:
    """A wrong token is wrong for each of them; the log says so once."""
    tg = FakeChannel(script=[DeliveryError("tg", "http-401", permanent=True)])
    with capture_logs() as logs:
        async with running(clock, tg) as rig:
            rig.delivery.offer([a_notice("a", "k1"), a_notice("b", "k2", level=Level.CRITICAL)], recorded=True)
            await clock.advance(60)
            assert [mark[:2] for mark in rig.store.marks] == [
                ("refused:http-401", "k2"),
                ("refused:http-401", "k1"),
            ]
            assert [event.accepted for event in rig.inbox.events if isinstance(event, DeliveryResult)] == [
                False
            ] * 2
    (refused,) = [entry for entry in logs if entry["event"] == "delivery.refused"]
    assert (refused["key"], refused["notices"]) == ("k2", 2)


async def test_attempts_are_recorded_with_their_times(clock: ManualClock) -> None:
    """When each began and ended, by the wall clock, and why it failed."""
    tg = FakeChannel(script=[DOWN])
    start_ms = clock.wall_ms()
    async with running(clock, tg) as rig:
        tg.hold()
        rig.delivery.offer([a_notice()], recorded=True)
        await clock.advance(1.5)
        tg.release()
        await clock.advance(5)
        assert rig.store.attempts == [
            Attempt(start_ms, start_ms + 1500, "refused"), Attempt(start_ms + 2500, start_ms + 2500),
        ]  # fmt: skip


async def test_a_channel_is_broken_once_nothing_was_accepted_for_long(clock: ManualClock) -> None:
    """Five minutes after the first failure, until something is accepted; the start of it is known."""
    tg = FakeChannel(script=[DOWN] * 10)
    start_ms = clock.wall_ms()
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice()], recorded=True)
        await clock.advance(299)
        stats = rig.delivery.stats()[0]
        assert (stats.failing, stats.broken, stats.since_ms) == (True, False, start_ms)
        await clock.advance(2)
        assert rig.delivery.stats()[0].broken
        await clock.advance(300)
        stats = rig.delivery.stats()[0]
        assert (stats.failing, stats.broken, stats.since_ms, stats.sent) == (False, False, None, 1)


async def test_a_late_message_says_how_it_is_now(clock: ManualClock) -> None:
    """What the engine knows at the time of sending stands beside what was decided."""
    tg = FakeChannel(script=[DOWN] * 5)
    asked: list[str] = []

    def newest(subject: str) -> Facts:
        asked.append(subject)
        return some_facts(margin_ratio=0.91)

    async with running(clock, tg, newest=newest) as rig:
        rig.delivery.offer([a_notice("s", decided_ms=clock.wall_ms())], recorded=True)
        await clock.advance(60)
        assert "31 s late; now 91.0 %" in tg.accepted[0].title
        assert set(asked) == {"s"}


class Artist:
    """Draws at once, or never."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.asked: list[str] = []
        self.hangs = hangs

    async def picture(self, notice: Notice) -> bytes | None:
        self.asked.append(notice.key)
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        return b"png"


async def test_a_message_about_one_wallet_gets_its_picture(clock: ManualClock) -> None:
    """Where the channel takes files; groups and other notices go without."""
    tg, sms, artist = FakeChannel(takes_files=True), FakeChannel("sms"), Artist()
    async with running(clock, tg, sms, illustrator=artist) as rig:
        rig.delivery.offer([a_notice("a", "k1"), a_notice("a", "k1", channel="sms")], recorded=True)
        await clock.advance(60)
        rig.delivery.offer([a_notice("a", "k2"), a_notice("b", "k3")], recorded=True)
        await clock.advance(60)
        rig.delivery.offer([a_notice("f", "k4", kind=NoticeKind.BLIND)], recorded=True)
        await clock.advance(60)
        assert [message.chart for message in tg.accepted] == [b"png", None, None]
        assert [message.chart for message in sms.accepted] == [None]
        assert artist.asked == ["k1"]


async def test_an_emergency_does_not_wait_for_its_picture(clock: ManualClock) -> None:
    """Only when it is tried again is there time for one."""
    tg, artist = FakeChannel(script=[DOWN], takes_files=True), Artist()
    async with running(clock, tg, illustrator=artist) as rig:
        rig.delivery.offer([a_notice(level=Level.EMERGENCY)], recorded=True)
        await clock.advance(5)
        assert [message.chart for message in tg.tried] == [None, b"png"]


async def test_the_last_message_of_a_run_waits_for_no_picture(clock: ManualClock) -> None:
    """There is little time left, and the text is worth more."""
    tg, artist = FakeChannel(takes_files=True), Artist()
    async with running(clock, tg, illustrator=artist) as rig:
        rig.delivery.offer([a_notice("a", "k1")], recorded=True)
        await settle()
        rig.delivery.offer([a_notice("b", "k2")], recorded=True)
        rig.delivery.finish(1.2)
        await clock.advance(2)
        assert [message.chart for message in tg.accepted] == [b"png", None]


async def test_a_picture_that_takes_too_long_is_done_without(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is worth more."""
    monkeypatch.setattr(lane, "PICTURE_S", 0.0)
    tg = FakeChannel(takes_files=True)
    async with running(clock, tg, illustrator=Artist(hangs=True)) as rig:
        rig.delivery.offer([a_notice()], recorded=True)
        await settle()
        assert [message.chart for message in tg.accepted] == [None]


async def test_a_rise_during_a_pause_is_tried_at_once(clock: ManualClock) -> None:
    """A worse level does not sit out the pause of the milder one it replaces; an equal one does."""
    tg = FakeChannel(script=[DOWN] * 7)
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice(key="k1", level=Level.WARNING)], recorded=True)
        await settle()
        await clock.advance(80)  # attempts at 0, 1, 3, 7, 15, 31 and 63; the next would be at 127
        assert len(tg.tried) == 7
        rig.delivery.offer([a_notice(key="k2", level=Level.WARNING)], recorded=True)
        await clock.advance(5)
        assert len(tg.tried) == 7
        rig.delivery.offer([a_notice(key="k3", level=Level.CRITICAL)], recorded=True)
        await settle()
        assert rig.store.marks[-1] == ("accepted", "k3", "tg")
        assert rig.delivery.stats()[0].superseded == 2


async def test_a_new_subject_is_tried_while_another_pauses(clock: ManualClock) -> None:
    """Pauses belong to messages: a new one is tried as soon as the pace allows, a critical one at once."""
    tg = FakeChannel(script=[DOWN] * 7)
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice("a", "k1")], recorded=True)
        await settle()
        await clock.advance(100)  # the last attempt was at 63, the next would be at 127
        assert len(tg.tried) == 7
        rig.delivery.offer([a_notice("b", "k2", level=Level.CRITICAL)], recorded=True)
        await settle()
        assert rig.store.marks[-1] == ("accepted", "k2", "tg")


async def test_a_service_that_names_a_time_is_left_alone_until_then(clock: ManualClock) -> None:
    """Telegram's retry_after holds back everything on the channel, even emergencies: it would only be extended."""
    tg = FakeChannel(script=[ThrottledError("tg", "http-429", retry_after_s=30.0)], clock=clock)
    start_s = clock.mono_s()
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice("a", "k1")], recorded=True)
        await settle()
        rig.delivery.offer([a_notice("b", "k2", level=Level.EMERGENCY)], recorded=True)
        await clock.advance(29)
        assert len(tg.tried) == 1
        await clock.advance(10)
        assert [at_s - start_s for at_s in tg.tried_at_s] == [0.0, 30.0]
        assert [mark[1] for mark in rig.store.marks] == ["k1", "k2", "k1"]


async def test_what_failed_after_a_newer_one_came_is_not_repeated(clock: ManualClock) -> None:
    """Its row is superseded in the database too; only the attempt is recorded."""
    tg = FakeChannel(script=[DOWN])
    tg.hold()
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice(key="k1")], recorded=True)
        await settle()
        rig.delivery.offer([a_notice(key="k2", kind=NoticeKind.CLOSED, level=Level.OK)], recorded=True)
        tg.release()
        await settle()
        await clock.advance(5)
        assert rig.store.marks == [("attempted:refused", "k1", "tg"), ("accepted", "k2", "tg")]
        assert len(tg.tried) == 2


async def test_a_withdrawn_notice_is_not_sent(clock: ManualClock) -> None:
    """An incident that ended before anyone heard of it needs no message; one in flight may still arrive."""
    tg = FakeChannel(script=[DOWN])
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice("a", "k1")], recorded=True)
        await settle()
        assert rig.delivery.is_pending("k1", "tg")
        assert rig.delivery.withdraw("a", "tg")
        assert not rig.delivery.is_pending("k1", "tg")
        assert not rig.delivery.is_pending("k1", "mail")
        assert rig.delivery.withdraw("a", "mail")
        await clock.advance(600)
        assert len(tg.tried) == 1
        tg.hold()
        rig.delivery.offer([a_notice("b", "k2")], recorded=True)
        await settle()
        assert not rig.delivery.withdraw("b", "tg")
        tg.release()
        await settle()
        assert rig.store.marks[-1] == ("accepted", "k2", "tg")


async def test_a_withdrawn_message_that_fails_in_flight_is_over(clock: ManualClock) -> None:
    """Its row is settled by its key, so that the next run does not send it and a newer one keeps its row."""
    tg = FakeChannel(script=[DOWN])
    tg.hold()
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice()], recorded=True)
        await settle()
        assert not rig.delivery.withdraw("main/cross:USDT", "tg")
        tg.release()
        await clock.advance(600)
        assert rig.store.marks == [("refused:withdrawn", "k1", "tg")]
        assert len(tg.tried) == 1


async def test_how_long_a_message_waits_does_not_go_by_the_wall_clock(clock: ManualClock) -> None:
    """Set back an hour, it would be overdue an hour late; of what an earlier run decided nothing else is known."""
    tg, idle = FakeChannel(), FakeChannel("idle")
    tg.hold()
    async with running(clock, tg, idle) as rig:
        rig.delivery.offer([a_notice(decided_ms=clock.wall_ms() - 10_000)], recorded=True)
        await clock.advance(20.0)
        for set_ms in (-3_600_000, 7_200_000):
            clock._wall_ms += set_ms
            assert [stats.oldest_s for stats in rig.delivery.stats()] == [30.0, None]
        # Decided in what is the future by now: it has only just come.
        rig.delivery.offer([a_notice("b", channel="idle", decided_ms=clock.wall_ms() + 10_000)], recorded=True)
        assert rig.delivery.stats()[1].oldest_s == 0.0


async def test_channels_do_not_wait_for_each_other(clock: ManualClock) -> None:
    """One that hangs and one that fails leave the third on time."""
    hung, failing, fine = FakeChannel("hung"), FakeChannel("failing", script=[DOWN] * 99), FakeChannel("fine")
    hung.hold()
    async with running(clock, hung, failing, fine) as rig:
        names = ("hung", "failing", "fine")
        rig.delivery.offer([a_notice(channel=name) for name in names], recorded=True)
        await settle()
        assert len(fine.accepted) == 1
        assert [stats.pending for stats in rig.delivery.stats()] == [1, 1, 0]
        assert rig.delivery.stats()[0].oldest_ms == a_notice().decided_ms


async def test_trouble_with_marks_is_an_event_and_never_a_second_message(clock: ManualClock) -> None:
    """The message went out; the database's failure is reported on its edges and stops nothing."""
    tg = FakeChannel()
    async with running(clock, tg) as rig:
        rig.store.broken = True
        rig.delivery.offer([a_notice("a", "k1"), a_notice("b", "k2")], recorded=True)
        await clock.advance(5)
        rig.store.broken = False
        rig.delivery.offer([a_notice("c", "k3")], recorded=True)
        await clock.advance(5)
        assert len(tg.accepted) == 2
        assert rig.inbox.events == [
            StoreState("state", ok=False, reason="disk full", path="state.db"),
            DeliveryResult("a", "k1", "tg", accepted=True, level=Level.WARNING),
            DeliveryResult("b", "k2", "tg", accepted=True, level=Level.WARNING),
            StoreState("state", ok=True),
            DeliveryResult("c", "k3", "tg", accepted=True, level=Level.WARNING),
        ]


async def test_an_unrecorded_notice_is_sent_and_says_so(clock: ManualClock) -> None:
    """A failed commit never silences an alert, nor is the known trouble told again by the marks that fail too."""
    tg = FakeChannel(script=[DOWN, None, DeliveryError("tg", "http-403", permanent=True)])
    async with running(clock, tg) as rig:
        rig.store.broken = True
        rig.delivery.offer([a_notice("a", "k1")], recorded=False)
        await clock.advance(2)
        rig.delivery.offer([a_notice("b", "k2")], recorded=False)
        await clock.advance(60)
        assert tg.accepted[0].body.startswith("Unrecorded: ")
        assert [type(event) for event in rig.inbox.events] == [DeliveryResult, DeliveryResult]


async def test_an_unrecorded_notice_is_marked_all_the_same(clock: ManualClock) -> None:
    """Its commit may have been repeated while it waited; without a mark the next run would send it again."""
    async with running(clock, FakeChannel()) as rig:
        rig.delivery.offer([a_notice()], recorded=False)
        await settle()
        assert rig.store.marks == [("accepted", "k1", "tg")]


async def test_each_channel_gets_its_format(clock: ManualClock) -> None:
    """Escaping belongs to the service that shows the message."""
    tg, mail = FakeChannel("tg", "html"), FakeChannel("mail", "text")
    async with running(clock, tg, mail) as rig:
        facts = some_facts(account="a<b")
        rig.delivery.offer([a_notice(facts=facts), a_notice(channel="mail", facts=facts)], recorded=True)
        await settle()
        assert "a&lt;b" in tg.accepted[0].body
        assert "a<b" in mail.accepted[0].body


async def test_a_notice_for_a_channel_no_longer_configured_is_told_once(clock: ManualClock) -> None:
    """An old row for a removed channel is no error, and does not fill the log."""
    async with running(clock, FakeChannel()) as rig:
        with capture_logs() as logs:
            rig.delivery.offer([a_notice(channel="gone"), a_notice("b", channel="gone")], recorded=True)
        assert [(entry["event"], entry["channel"]) for entry in logs] == [("delivery.no_channel", "gone")]


async def test_an_idle_channel_finishes_at_once(clock: ManualClock) -> None:
    """Nothing due: the job ends, and nothing new is taken."""
    tg = FakeChannel()
    async with running(clock, tg) as rig:
        rig.delivery.finish(5.0)
        rig.delivery.offer([a_notice()], recorded=True)
        await settle()
        assert all(task.done() for task in rig.tasks)
        assert tg.tried == []


async def test_an_unrecorded_notice_that_comes_too_late_is_in_the_log(clock: ManualClock) -> None:
    """No database holds it and nobody sends it. A recorded one is delivered by the next run."""
    async with running(clock, FakeChannel()) as rig:
        rig.delivery.finish(5.0)
        with capture_logs() as logs:
            rig.delivery.offer([a_notice("a", "k1")], recorded=True)
            rig.delivery.offer([a_notice("b", "k2")], recorded=False)
        assert [(entry["event"], entry["channel"], entry["key"]) for entry in logs] == [
            ("delivery.lost", "tg", "k2")
        ]


async def test_finishing_tries_once_what_is_due(clock: ManualClock) -> None:
    """Nobody heard the message that failed, so the next waits for nothing; what fails stays in the database."""
    tg = FakeChannel(script=[DOWN, DOWN], clock=clock)
    start_s = clock.mono_s()
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice("a", "k1")], recorded=True)
        await clock.advance(0.5)
        rig.delivery.offer([a_notice("b", "k2"), a_notice("c", "k3")], recorded=True)
        rig.delivery.finish(1.2)
        await clock.advance(0.4)
        rig.delivery.withdraw("a", "tg")
        await clock.advance(8)
        assert all(task.done() for task in rig.tasks)
        assert [at_s - start_s for at_s in tg.tried_at_s] == [0.0, 0.5]
        assert [mark[:2] for mark in rig.store.marks] == [
            ("attempted:refused", "k1"),
            ("attempted:refused", "k2"),
            ("attempted:refused", "k3"),
        ]
        assert rig.delivery.stats()[0].pending == 2


async def test_finishing_starts_nothing_after_the_deadline(clock: ManualClock) -> None:
    """A minute whose places are used up does not hold up the exit."""
    tg = FakeChannel()
    async with running(clock, tg) as rig:
        for number in range(5):
            rig.delivery.offer([a_notice(f"s{number}", f"k{number}", level=Level.EMERGENCY)], recorded=True)
            await clock.advance((2, 10, 20, 20, 1)[number])
        assert len(tg.tried) == 5
        rig.delivery.offer([a_notice("s5", "k5", level=Level.EMERGENCY)], recorded=True)
        rig.delivery.finish(1.2)
        await clock.advance(2)
        assert all(task.done() for task in rig.tasks)
        assert rig.delivery.stats()[0].pending == 1


async def test_a_send_under_way_ends_when_its_job_is_cancelled(clock: ManualClock) -> None:
    """The app's deadline holds even while a service hangs; the row stays due for the next run."""
    tg = FakeChannel()
    tg.hold()
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice()], recorded=True)
        await settle()
        rig.delivery.finish(1.0)
        await clock.advance(5)
        assert not rig.tasks[0].done()
        await rig.stop()
        assert rig.tasks[0].cancelled()
        assert rig.store.marks == []


async def test_a_job_started_anew_repeats_what_was_in_flight(clock: ManualClock) -> None:
    """Its supervisor may restart it at any point without losing a notice."""
    tg = FakeChannel()
    tg.hold()
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice()], recorded=True)
        await settle()
        await rig.stop()
        tg.release()
        rig.tasks.clear()
        rig.start()
        await clock.advance(2)
        assert rig.store.marks == [("accepted", "k1", "tg")]


@pytest.mark.parametrize("count", [1, 3])
async def test_there_is_one_job_for_each_channel(clock: ManualClock, count: int) -> None:
    """The app starts, names and supervises them one by one."""
    rig = Rig(clock, [FakeChannel(f"c{number}") for number in range(count)])
    assert [job.name for job in rig.delivery.jobs()] == [f"notify.c{number}" for number in range(count)]


async def test_the_pace_is_each_channels_own(clock: ManualClock) -> None:
    """One whose places are used up holds back no other."""
    busy, idle = FakeChannel("busy", clock=clock), FakeChannel("idle", clock=clock)
    async with running(clock, busy, idle) as rig:
        for number in range(5):
            rig.delivery.offer([a_notice(f"s{number}", f"k{number}", channel="busy")], recorded=True)
            await clock.advance(3)
        assert len(busy.tried) == 2
        rig.delivery.offer([a_notice(key="k", channel=name) for name in ("busy", "idle")], recorded=True)
        await settle()
        assert (len(busy.tried), len(idle.tried)) == (2, 1)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32))
def test_whatever_comes_and_fails_all_is_told_once(seed: int) -> None:
    """Every subject's newest notice is accepted, none twice, and no minute sees more than five attempts."""
    asyncio.run(_anything(Random(seed)))  # noqa: S311 - makes cases, guards nothing


async def _anything(rng: Random) -> None:
    clock = ManualClock()
    failures = [DOWN, DOWN, ThrottledError("tg", "http-429", retry_after_s=20.0), None, None]
    tg = FakeChannel(script=rng.choices(failures, k=rng.randint(0, 12)), clock=clock)
    newest: dict[str, str] = {}
    async with running(clock, tg) as rig:
        for number in range(rng.randint(1, 40)):
            subject, level = f"s{rng.randint(0, 9)}", rng.choice(list(Level))
            newest[subject] = f"k{number}"
            if rng.random() < 0.2:
                tg.hold()
            rig.delivery.offer([a_notice(subject, f"k{number}", level=level)], recorded=True)
            await clock.advance(rng.choice((0.0, 0.0, 0.3, 2.0, 30.0)))
            tg.release()
            await settle()
        await clock.advance(1800)
        accepted = [mark[1] for mark in rig.store.marks if mark[0] == "accepted"]
        assert len(accepted) == len(set(accepted))
        assert set(newest.values()) <= set(accepted)
        assert rig.delivery.stats()[0].pending == 0
        assert all(b >= a + 60 for a, b in zip(tg.accepted_at_s, tg.accepted_at_s[5:], strict=False))


async def test_an_alert_overtaken_while_it_is_sent_may_have_been_read(clock: ManualClock) -> None:
    """Its row is superseded by then: after a crash only the engine's state still knows of it."""
    tg = FakeChannel()
    tg.hold()
    async with running(clock, tg) as rig:
        rig.delivery.offer([a_notice("a", "k1")], recorded=True)
        await settle()
        rig.delivery.offer([a_notice("a", "k2"), a_notice("b", "k3")], recorded=True)
        assert rig.inbox.events == [Unsure("a", "k2", "tg")]
        tg.release()
