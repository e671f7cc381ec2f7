"""Real transports behind the real delivery: a service that hangs is nobody else's trouble."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from monitor.charts.illustrator import Charts
from monitor.core.engine import Engine
from monitor.core.events import DeliveryResult, Heartbeat, Ticks
from monitor.core.model import Level, MarkTick
from monitor.core.settings import EngineSettings
from monitor.inbox import EngineInbox
from monitor.notify import lane
from monitor.notify.apprise import AppriseChannel
from monitor.notify.delivery import Delivery
from monitor.ports import Illustrator
from tests.charts import records
from tests.conftest import ManualClock
from tests.notify.fakes import FakeStateStore, a_notice
from tests.notify.real.bot_api import BotApi, refusal
from tests.notify.real.mail_server import mail_server
from tests.notify.real.senders import PASSWORD, Sending
from tests.notify.real.web_service import Reply, WebService

MESSAGES = 20
NEXT_S = 61.0  # beyond any pause and any pace
WAIT_S = 30.0  # a test that waits for longer has failed


class Loop:
    """What a daemon does beside sending: an engine that takes whatever arrives."""

    def __init__(
        self, clock: ManualClock, channels: Sequence[AppriseChannel], illustrator: Illustrator | None = None
    ) -> None:
        self.clock = clock
        self.inbox = EngineInbox()
        self.store = FakeStateStore()
        self.delivery = Delivery(
            channels, store=self.store, inbox=self.inbox, clock=clock, rand=lambda: 1.0, illustrator=illustrator
        )
        self.ticks = 0
        self.results: list[DeliveryResult] = []
        self._changed = asyncio.Condition()
        self._engine = Engine()
        self._tasks: list[asyncio.Future[None]] = []

    def start(self, more: Sequence[Callable[[], Awaitable[None]]] = ()) -> None:
        for run in (self._decide, *more, *(job.run for job in self.delivery.jobs())):
            self._tasks.append(asyncio.ensure_future(run()))  # noqa: TID251 - a test stands in for the app

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}

    async def _decide(self) -> None:
        while True:
            for event in await self.inbox.take():
                self._engine.step(event, self.clock.now())
                if isinstance(event, Ticks):
                    self.ticks += 1
                if isinstance(event, DeliveryResult):
                    self.results.append(event)
            async with self._changed:
                self._changed.notify_all()

    async def until_told(self, channel: str, count: int) -> None:
        """Return once so many of a channel's notices met their fate and the engine knows."""
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(
                lambda: sum(result.channel == channel for result in self.results) >= count
            )

    async def tick(self) -> None:
        """Have the engine take a mark and a second."""
        before = self.ticks
        self.inbox.tick(MarkTick("BTCUSDT", 60_000.0, self.clock.wall_ms(), self.clock.mono_s()))
        self.inbox.post(Heartbeat())
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: self.ticks > before)

    def sent(self, channel: str) -> tuple[int, int]:
        """Return how many messages a channel got through, and how many of its attempts failed."""
        (stats,) = (one for one in self.delivery.stats() if one.channel == channel)
        return stats.sent, stats.failed


@asynccontextmanager
async def running(
    clock: ManualClock,
    channels: Sequence[AppriseChannel],
    illustrator: Illustrator | None = None,
    more: Sequence[Callable[[], Awaitable[None]]] = (),
) -> AsyncIterator[Loop]:
    loop = Loop(clock, channels, illustrator)
    loop.start(more)
    try:
        yield loop
    finally:
        await loop.stop()


@pytest.mark.parametrize("hung", [1, 6])
async def test_a_channel_that_hangs_delays_no_other_and_no_tick(
    sending: Sending, web: WebService, clock: ManualClock, hung: int
) -> None:
    """All messages of a healthy channel are accepted, and all ticks taken, while the others still hang."""
    async with WebService.serving() as deaf:
        deaf.gate.clear()
        names = [f"deaf{number}" for number in range(hung)]
        channels = [sending.channel(deaf.url("json", "rto=60"), name) for name in names]
        channels.append(sending.channel(web.url("json"), "fine"))
        async with running(clock, channels) as loop:
            for number in range(MESSAGES):
                loop.delivery.offer(
                    [
                        a_notice(f"main/w{number}", f"k{number}", channel=name, level=Level.CRITICAL)
                        for name in (*names, "fine")
                    ],
                    recorded=True,
                )
                await loop.tick()
                await loop.until_told("fine", number + 1)
                await clock.advance(NEXT_S)
            assert loop.sent("fine") == (MESSAGES, 0)
            assert len(web.got) == MESSAGES
            assert loop.ticks == MESSAGES
            # Each of the others still waits for the answer to its first message.
            assert {loop.sent(name) for name in names} == {(0, 0)}
            assert len(deaf.got) == hung
            deaf.gate.set()
            for name in names:
                await loop.until_told(name, 1)
                accepted, failed = loop.sent(name)
                assert accepted >= 1  # the next may have got through by now
                assert failed == 0


async def test_a_channel_that_hung_too_long_is_tried_again(
    sending: Sending, web: WebService, clock: ManualClock
) -> None:
    """Its time-out frees the lane; what was not accepted is sent once the service answers."""
    channel = sending.channel(web.url("json", "rto=60"), "hook", send_timeout_s=0.1)
    web.gate.clear()
    async with running(clock, [channel]) as loop:
        loop.delivery.offer([a_notice(channel="hook")], recorded=True)
        async with asyncio.timeout(WAIT_S):
            await web.arrived.wait()
            while ("attempted:timeout", "k1", "hook") not in loop.store.marks:
                await loop.tick()
        channel._send_timeout_s = 30.0
        web.gate.set()
        await clock.advance(NEXT_S)
        await loop.until_told("hook", 1)
    assert (loop.sent("hook"), channel.replaced) == ((1, 1), 1)


async def test_each_refusal_takes_its_way(
    sending: Sending, bot_api: BotApi, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Throttled, failed and refused for good: what may pass is sent again, what may not is told at once."""
    channel = bot_api.channel(sending, monkeypatch)
    bot_api.replies = [
        refusal(429, "Too Many Requests: retry after 900", retry_after=900),
        Reply(502, "Bad Gateway"),
    ]
    async with running(clock, [channel]) as loop:
        loop.delivery.offer([a_notice()], recorded=True)
        async with asyncio.timeout(WAIT_S):
            while loop.store.marks != [("attempted:http-429", "k1", "tg")]:
                await loop.tick()
        await clock.advance(899.0)
        assert len(bot_api.got) == 1
        await clock.advance(2.0)
        async with asyncio.timeout(WAIT_S):
            while len(loop.store.marks) < 2:
                await loop.tick()
        await clock.advance(NEXT_S)
        await loop.until_told("tg", 1)
        bot_api.replies = [refusal(403, "Forbidden: bot was blocked by the user")]
        loop.delivery.offer([a_notice("main/other", "k2")], recorded=True)
        await clock.advance(NEXT_S)
        await loop.until_told("tg", 2)
    assert loop.store.marks == [
        ("attempted:http-429", "k1", "tg"), ("attempted:http-502", "k1", "tg"), ("accepted", "k1", "tg"),
        ("refused:http-403", "k2", "tg"),
    ]  # fmt: skip
    assert [(result.key, result.accepted, result.reason) for result in loop.results] == [
        ("k1", True, ""), ("k2", False, "http-403"),
    ]  # fmt: skip


async def test_mail_meets_its_fate_through_the_lane(sending: Sending, clock: ManualClock) -> None:
    """A greylisted mail is sent again and accepted; one to nobody is refused for good."""
    async with mail_server() as box:
        box.at_recipient = "450 4.2.0 greylisted"
        url = f"mailto://watch:{PASSWORD}@127.0.0.1:{box.port}/?from=watch@example.com&to=me@example.com"
        async with running(clock, [sending.channel(url, "mail")]) as loop:
            loop.delivery.offer([a_notice(channel="mail")], recorded=True)
            async with asyncio.timeout(WAIT_S):
                while not loop.store.marks:
                    await loop.tick()
            box.at_recipient = "250 OK"
            await clock.advance(NEXT_S)
            await loop.until_told("mail", 1)
            box.at_recipient = "550 5.1.1 no such user"
            loop.delivery.offer([a_notice("main/other", "k2", channel="mail")], recorded=True)
            await clock.advance(NEXT_S)
            await loop.until_told("mail", 2)
    assert [what for what, _, _ in loop.store.marks] == ["attempted:smtp-450", "accepted", "refused:smtp-550"]
    assert len(box.mails) == 1


async def test_an_alert_arrives_with_the_picture_of_its_wallet(
    sending: Sending, bot_api: BotApi, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From history.db through the process that draws to Telegram: one message, text and picture."""
    pytest.importorskip("matplotlib", reason="the extra `charts` is not installed")
    monkeypatch.setattr(lane, "PICTURE_S", WAIT_S)
    await records.write(tmp_path / "history.db", clock, records.samples())
    channel = bot_api.channel(sending, monkeypatch)
    charts = Charts(tmp_path / "history.db", tmp_path / "cache", clock, settings=EngineSettings(), wait_s=WAIT_S)
    (drawing,) = charts.jobs()
    async with running(clock, [channel], illustrator=charts, more=[drawing.run]) as loop:
        async with asyncio.timeout(WAIT_S):
            while charts._orders is None:
                await loop.tick()
        loop.delivery.offer([records.a_notice()], recorded=True)
        await loop.until_told("tg", 1)
    (got,) = bot_api.got
    assert bot_api.methods == ["sendPhoto"]
    assert got.files["photo"].startswith(b"\x89PNG")
    assert len(got.files["photo"]) > 5_000
    assert "BTCUSDT" in got.fields["caption"]
