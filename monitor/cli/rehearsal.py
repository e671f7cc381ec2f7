"""A drill as it runs: a scripted incident through the real engine, ledger, delivery and channels.

Nothing of the user's state is touched: levels and the ledger live in a store of the drill's own. The monitor's
waiting times are divided by the speed, so that an incident of half an hour fits into half a minute; what channels
take is as long as it is.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from typing import NamedTuple, Protocol

import msgspec

from monitor.cli.scenarios import ACCOUNT, LEVELS, Scenario
from monitor.commit import Committer
from monitor.core.engine import Engine
from monitor.core.events import Event, Heartbeat, Learnt, Restored, SettingsChanged, Snapshot, Subscribed
from monitor.core.model import Market, MarkTick
from monitor.core.settings import AlertRules, ChannelRule, EngineSettings, FreshnessRules
from monitor.core.surroundings import LotsKnown
from monitor.errors import DeliveryError
from monitor.inbox import EngineInbox
from monitor.notify.delivery import Delivery
from monitor.notify.pacing import MINUTE_S
from monitor.notify.words import DRILL
from monitor.ports import Channel, Clock, Job, Message, StateStore
from monitor.storage.outbox import OutboxRow
from monitor.supervise import supervise

TICK_S = 0.25
DRAIN_S = 35.0  # a message that is on its way when the script ends has as long as any
CLOSING_S = 5.0  # within which the last ones start
_LEAST_FALLBACK_S = 8.0  # a slow service is no broken one
_LEAST_ESCALATION_S = 12.0
_USUAL_SPEED = 60.0
PACE_MIN = 15.0  # of the story, in which a channel gets five messages at most: the end must find a place
_MOST_ROWS = 10_000


class Ledger(StateStore, Protocol):
    """A state store that can be asked what it holds."""

    async def alerts(self, limit: int = 50) -> list[OutboxRow]:
        """Return the newest rows of the outbox, newest first."""
        ...


class Try(NamedTuple):
    """One message as it was handed to a channel; ``reason`` is a constant, empty if it was accepted."""

    at_s: float  # since the beginning of the drill
    channel: str
    message: Message
    took_s: float | None = None  # None: under way
    reason: str = ""


class Watched:
    """Implements ``ports.Channel`` with another one, and shows what it is handed and what became of it."""

    def __init__(self, channel: Channel, clock: Clock, show: Callable[[Try], None]) -> None:
        self._channel = channel
        self._clock = clock
        self._show = show
        self._began_s = clock.mono_s()

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._channel.name

    @property
    def format(self) -> str:
        """What the service shows best."""
        return self._channel.format

    @property
    def takes_files(self) -> bool:
        """Whether a picture can be attached."""
        return self._channel.takes_files

    async def send(self, message: Message) -> None:
        """Hand the message over."""
        started_s = self._clock.mono_s()
        one = Try(started_s - self._began_s, self.name, message)
        self._show(one)
        try:
            await self._channel.send(message)
        except DeliveryError as error:
            self._show(one._replace(took_s=self._clock.mono_s() - started_s, reason=error.reason))
            raise
        self._show(one._replace(took_s=self._clock.mono_s() - started_s))

    def close(self) -> None:
        """Let go of it."""
        self._channel.close()


def quickened(rules: Sequence[ChannelRule], speed: float, escalate_after_s: float) -> EngineSettings:
    """Return the settings of a drill: levels without reminders, all waiting times divided by the speed.

    A channel that is not part of it stands in for nobody.
    """
    names = {rule.name for rule in rules}
    notice, warning, critical, emergency = (
        msgspec.structs.replace(level, dwell_s=level.dwell_s / speed) for level in LEVELS
    )
    usual = FreshnessRules()
    share = min(1.0, _USUAL_SPEED / speed)
    return EngineSettings(
        environment=DRILL,
        rules=AlertRules((notice, warning, critical, emergency)),
        channels=tuple(
            msgspec.structs.replace(
                rule,
                fallback=rule.fallback if rule.fallback in names else "",
                fallback_after_s=max(_LEAST_FALLBACK_S, rule.fallback_after_s / speed),
            )
            for rule in rules
        ),
        accounts=(ACCOUNT,),
        freshness=FreshnessRules(usual.suspect_after_s * share, usual.blind_after_s * share),
        escalate_after_s=max(_LEAST_ESCALATION_S, escalate_after_s / speed),
    )


class Rehearsal:
    """One drill in a directory of its own.

    Args:
        scenario: what happens.
        settings: of the engine, its channels among them.
        channels: where messages go.
        store: empty, and of this drill alone.
        clock: all its time.
        speed: minutes of the story in a minute.
        told: called with each step of the script and with each message, when it is handed over and when its fate
            is known.
        tz: a zone that messages show beside UTC.
    """

    def __init__(
        self,
        scenario: Scenario,
        settings: EngineSettings,
        channels: Sequence[Channel],
        store: Ledger,
        clock: Clock,
        *,
        speed: float,
        told: Callable[[str | Try], None],
        tz: tzinfo = UTC,
    ) -> None:
        self._scenario = scenario
        self._settings = settings
        self._clock = clock
        self._speed = speed
        self._told = told
        self._engine = Engine()
        self._inbox = EngineInbox()
        self._store = store
        self._delivery = Delivery(
            [Watched(channel, clock, told) for channel in channels],
            store=self._store,
            inbox=self._inbox,
            clock=clock,
            tz=tz,
            newest=lambda subject: self._engine.newest(subject, clock.now()),
            minute_s=min(MINUTE_S, PACE_MIN * 60 / speed),
        )
        self._committer = Committer(self._store, self._delivery, self._inbox, clock)

    async def run(self) -> list[OutboxRow]:
        """Play the script and return the ledger it left, oldest first.

        Raises:
            StoreError: the store cannot be used.
        """
        await self._store.open()
        try:
            await self._play()
            return (await self._store.alerts(limit=_MOST_ROWS))[::-1]
        finally:
            await self._store.close()

    async def _play(self) -> None:
        symbols = [one.symbol for one in self._scenario.holdings]
        begin: tuple[Event, ...] = (
            SettingsChanged(self._settings, self._scenario.tables()),
            Restored(()),
            Learnt(LotsKnown(Market.USDM, self._scenario.lots())),
            Snapshot(self._scenario.account()),
            Subscribed("usdm", tuple(symbols), self._clock.mono_s()),
        )
        for event in begin:
            self._take(event)
        async with asyncio.TaskGroup() as group:
            sending = [self._start(group, job) for job in self._delivery.jobs()]
            committing = self._start(group, Job("commit", self._committer.run))
            deciding = self._start(group, Job("decide", self._decide))
            await self._tell()
            self._take_rest()
            await self._committer.flushed()
            self._delivery.finish(CLOSING_S)
            _, late = await asyncio.wait(sending, timeout=DRAIN_S)
            for task in (*late, deciding):
                task.cancel()
            self._take_rest()
            self._committer.finish()
            await asyncio.wait({committing}, timeout=DRAIN_S)
            committing.cancel()

    def _start(self, group: asyncio.TaskGroup, job: Job) -> asyncio.Task[None]:
        return group.create_task(supervise(job, self._clock)(), name=job.name)

    async def _tell(self) -> None:
        """Play the marks, and what goes with them."""
        began_s = self._clock.mono_s()
        steps = list(self._scenario.steps)
        while (minute := (self._clock.mono_s() - began_s) * self._speed / 60) <= self._scenario.minutes:
            while steps and steps[0].minute <= minute:
                self._told(steps.pop(0).words)
            for one in self._scenario.holdings:
                if (mark := one.mark(minute)) is not None:
                    now = self._clock.now()
                    self._inbox.tick(MarkTick(one.symbol, mark, now.wall_ms, now.mono_s))
            self._inbox.post(Heartbeat())
            await self._clock.sleep(TICK_S)

    async def _decide(self) -> None:
        while True:
            for event in await self._inbox.take():
                self._take(event)

    def _take_rest(self) -> None:
        for event in self._inbox.drain():
            self._take(event)

    def _take(self, event: Event) -> None:
        self._committer.submit(self._engine.step(event, self._clock.now()))
