"""How many messages a moving market makes, from marks to channels: engine, commits and delivery on one clock."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle

import pytest
from structlog.testing import capture_logs

from monitor.commit import Committer
from monitor.core.engine import Engine
from monitor.core.events import Heartbeat, SettingsChanged, Snapshot
from monitor.core.model import AccountSnapshot, Level, MarkTick
from monitor.core.notices import NoticeKind, Transition
from monitor.core.settings import DEFAULT_LEVELS, ChannelRule, EngineSettings
from monitor.inbox import EngineInbox
from monitor.notify.delivery import Delivery
from monitor.storage.outbox import OutboxRow, OutboxState
from tests.conftest import ManualClock, settle
from tests.core.builders import account, cross, isolated, mark_at, table
from tests.notify.fakes import FakeChannel
from tests.storage.fakes import MemoryState

CHANNELS = (ChannelRule("phone"), ChannelRule("mail", Level.WARNING))


class World:
    """A market, what watches it, and who is told; time passes only in ``advance``."""

    def __init__(
        self, clock: ManualClock, accounts: Sequence[AccountSnapshot], channels: Sequence[ChannelRule]
    ) -> None:
        self.clock = clock
        self.engine = Engine()
        self.inbox = EngineInbox()
        self.store = MemoryState(clock)
        self.channels = [FakeChannel(rule.name, clock=clock) for rule in channels]
        self.delivery = Delivery(
            self.channels, store=self.store, inbox=self.inbox, clock=clock, rand=lambda: 1.0,
            newest=lambda subject: self.engine.newest(subject, clock.now()),
        )  # fmt: skip
        self.committer = Committer(self.store, self.delivery, self.inbox, clock)
        self.transitions: list[Transition] = []
        names = tuple(one.account for one in accounts)
        symbols = sorted({held.symbol for one in accounts for held in one.positions})
        self.inbox.post(
            SettingsChanged(EngineSettings(channels=tuple(channels), accounts=names), tuple(map(table, symbols)))
        )
        for one in accounts:
            self.inbox.post(Snapshot(one))

    def marks(self, marks: Iterable[tuple[str, float]]) -> None:
        """Let marks arrive now."""
        for symbol, mark in marks:
            self.inbox.tick(MarkTick(symbol, mark, self.clock.wall_ms(), self.clock.mono_s()))

    async def advance(self, seconds: float) -> None:
        """Decide about what arrived, then let time pass."""
        self._decide()
        await self.clock.advance(seconds)
        self._decide()

    def _decide(self) -> None:
        for event in self.inbox.drain():
            effects = self.engine.step(event, self.clock.now())
            self.transitions += effects.transitions
            self.committer.submit(effects)

    def rows(self, channel: str) -> list[OutboxRow]:
        """Return what the ledger holds of a channel."""
        return [row for row in self.store.outbox.values() if row.channel == channel]


@asynccontextmanager
async def watching(
    clock: ManualClock, accounts: Sequence[AccountSnapshot], channels: Sequence[ChannelRule] = CHANNELS
) -> AsyncIterator[World]:
    """A world whose jobs run."""
    world = World(clock, accounts, channels)
    await world.store.open()
    jobs = [world.committer.run, *(job.run for job in world.delivery.jobs())]
    tasks = [asyncio.ensure_future(run()) for run in jobs]  # noqa: TID251 - a test stands in for the app
    try:
        with capture_logs():
            await settle()
            yield world
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("level", [Level.WARNING, Level.EMERGENCY], ids=lambda level: level.label)
@pytest.mark.parametrize("swing", [0.01, 0.5], ids=["shallow", "deep"])
async def test_flapping_is_told_once(clock: ManualClock, level: Level, swing: float) -> None:
    """A threshold crossed a thousand times in ten minutes makes two messages at most, reminders aside."""
    threshold = DEFAULT_LEVELS[level - 1].room
    assert threshold is not None
    async with watching(clock, [account(isolated())], CHANNELS[:1]) as world:
        world.marks([("BTCUSDT", mark_at(1.0))])
        await world.advance(1.0)
        for crossing in range(1000):
            side = -0.01 if crossing % 2 == 0 else swing
            world.marks([("BTCUSDT", mark_at(threshold + side))])
            if crossing % 2 == 0:
                world.inbox.post(Heartbeat())
            await world.advance(0.6)
        accepted = [row for row in world.rows("phone") if row.state is OutboxState.ACCEPTED]
        told = [row.level for row in accepted if row.kind is not NoticeKind.REMINDER]
        assert max(told) is level
        assert len(told) <= 2
        assert len(world.channels[0].accepted) == len(accepted)


LEVERAGES = (5.0, 8.0, 10.0, 15.0, 20.0, 25.0)
SYMBOLS = tuple(f"{letter}{number}USDT" for letter in "ABCDE" for number in range(10))


def market() -> list[AccountSnapshot]:
    """Five hundred isolated positions of six leverages on fifty symbols, and twenty more in one cross wallet."""
    leverages = cycle(LEVERAGES)
    accounts = [
        account(
            *(isolated(symbol, margin=100.0 / next(leverages)) for symbol in SYMBOLS),
            name=f"account-{number}",
        )
        for number in range(10)
    ]
    return [*accounts, account(*map(cross, SYMBOLS[:20]), name="joint", usdt=200.0)]


def slide(symbol: str, share: float) -> float:
    """Return the mark of a symbol when so much of the fall is over: some fall further than others."""
    depth = 0.15 + 0.05 * (SYMBOLS.index(symbol) % 10) / 9
    return 100.0 * (1.0 - depth * min(share, 1.0))


@pytest.mark.parametrize("lasting_s", [2.0, 55.0], ids=["crash", "slide"])
async def test_a_market_wide_fall_sends_few_messages_and_tells_of_all(
    clock: ManualClock, lasting_s: float
) -> None:
    """Five a channel in the first minute, an emergency at once, and in the end each channel knows each wallet."""
    async with watching(clock, market()) as world:
        world.marks((symbol, 100.0) for symbol in SYMBOLS)
        await world.advance(1.0)
        assert world.transitions == []
        for step in range(2 * round(lasting_s + 65)):
            # Each symbol has a mark a second, half of them at a time.
            world.marks((symbol, slide(symbol, step / 2 / lasting_s)) for symbol in SYMBOLS[step % 2 :: 2])
            if step % 2 == 0:
                world.inbox.post(Heartbeat())
            await world.advance(0.5)

        peaks = {one.subject: Level.OK for one in world.transitions}
        for one in world.transitions:
            peaks[one.subject] = max(peaks[one.subject], one.level)
        assert len(peaks) == 501
        first = min(one.at_ms for one in world.transitions if one.level is Level.EMERGENCY)
        for channel, rule in zip(world.channels, CHANNELS, strict=True):
            began_s = channel.tried_at_s[0]
            at_s = [tried_s - began_s for tried_s in channel.tried_at_s]
            assert sum(1 for after_s in at_s if after_s < 60) <= 5
            assert all(b - a >= 60 for a, b in zip(at_s, at_s[5:], strict=False))
            emergency = next(n for n, sent in enumerate(channel.tried) if sent.level is Level.EMERGENCY)
            assert emergency < (2 if lasting_s < 10 else 3)
            asked = {subject: peak for subject, peak in peaks.items() if peak >= rule.min_level}
            heard: dict[str, Level] = {}
            for row in world.rows(channel.name):
                assert row.state in (OutboxState.ACCEPTED, OutboxState.SUPERSEDED)
                if row.state is OutboxState.ACCEPTED:
                    heard[row.subject] = max(row.level, heard.get(row.subject, Level.OK))
                    if row.level is Level.EMERGENCY and row.decided_ms == first:
                        assert row.first_attempt_ms == first
            assert heard == asked
