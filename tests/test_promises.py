"""Whatever happens to rules, planner and ledger together, what was promised about alerts holds.

One engine, one ledger, four channels with a message in flight each; prices, outcomes, wishes for quiet, crashes at
every point between a decision and its mark, in any order. What is checked is what people hear.
"""

from collections import Counter
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from monitor.core.engine import Engine
from monitor.core.events import (
    DeliveryResult,
    Event,
    Heartbeat,
    Held,
    Lifted,
    Restored,
    SettingsChanged,
    Snapshot,
    Subscribed,
    Ticks,
    Unsure,
)
from monitor.core.holds import ALL, alert_target, symbol_target
from monitor.core.incidents import Effects
from monitor.core.model import Level, MarkRange, Now, Source
from monitor.core.notices import Hold, HoldKind, Notice, NoticeKind
from monitor.core.settings import ChannelRule, EngineSettings
from monitor.ports import Attempt, Rows
from monitor.storage.outbox import OutboxState
from tests.core.builders import BTC, ETH, account, isolated, mark_at, table
from tests.storage.fakes import MemoryState

CHANNELS = (
    ChannelRule("quiet", Level.NOTICE),
    ChannelRule("phone", Level.WARNING, fallback="mail", fallback_after_s=60.0),
    ChannelRule("mail", Level.CRITICAL),
    ChannelRule("siren", Level.EMERGENCY, escalation=True),
)
NAMES = [channel.name for channel in CHANNELS]
SYMBOLS = (BTC, ETH)
ROOMS = (1.0, 0.55, 0.45, 0.22, 0.19, 0.11, 0.09, 0.06, 0.01)
SETTINGS = EngineSettings(channels=CHANNELS, accounts=("main",))
HOLD_MS = 900_000
Result = TypeVar("Result")


class StillClock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.at_ms, self.at_s = 1_780_000_000_000, 1000.0

    def wall_ms(self) -> int:
        return self.at_ms

    def mono_s(self) -> float:
        return self.at_s

    def now(self) -> Now:
        return Now(self.at_ms, self.at_s)

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError

    def advance(self, seconds: float) -> None:
        self.at_ms += round(seconds * 1000)
        self.at_s += seconds


class Heard(NamedTuple):
    """What a service took, or (``sure`` false) may have taken."""

    key: str
    subject: str
    kind: NoticeKind
    level: Level
    sure: bool = True


def done(call: Coroutine[Any, Any, Result]) -> Result:
    """Run what never waits."""
    try:
        call.send(None)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    raise AssertionError("it waited")


class Promises(RuleBasedStateMachine):
    """A daemon without its shell."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = StillClock()
        self.store = MemoryState(self.clock)
        self.engine = Engine()
        self.rooms = dict.fromkeys(SYMBOLS, 1.0)
        self.flying: dict[str, list[Notice]] = {name: [] for name in NAMES}
        self.heard: dict[str, list[Heard]] = {name: [] for name in NAMES}
        self.known: dict[str, dict[str, Level]] = {}  # levels when each wish was made, by its key
        self.crashes = 0
        self.lost_answers = 0

    @initialize()
    def start(self) -> None:
        """Two positions, both at ease, known to the ledger."""
        self.boot()

    def boot(self) -> None:
        self.engine = Engine()
        stored = done(self.store.open())
        self.flying = {name: [] for name in NAMES}
        self.take(SettingsChanged(SETTINGS, (table(BTC), table(ETH))))
        self.take(Restored(stored.subjects, stored.fates, stored.holds, stored.last_number, stored.pending))
        self.take(Snapshot(account(isolated(BTC), isolated(ETH))))
        self.take(Subscribed("usdm", SYMBOLS, self.clock.mono_s()))
        self.tick()

    def now(self) -> Now:
        return self.clock.now()

    def take(self, event: Event) -> Effects:
        """Step, and commit what came of it."""
        effects = self.engine.step(event, self.now())
        self.check_rises(effects)
        self.commit(effects)
        return effects

    def commit(self, effects: Effects) -> None:
        over = [pair for pair in effects.withdrawn if not self.is_flying(*pair)]
        ended = [(t.subject, t.incident, t.at_ms) for t in effects.transitions if t.level is Level.OK]
        done(self.store.commit(Rows(over, effects.subjects, effects.gone, effects.notices, ended, effects.holds)))

    def is_flying(self, subject: str, channel: str) -> bool:
        newest = [n.key for n in self.pending(channel) if n.subject == subject]
        return any(n.subject == subject and n.key in newest for n in self.flying[channel])

    def pending(self, channel: str) -> list[Notice]:
        """Return the rows that wait on a channel, those in flight included."""
        return [
            row.notice
            for row in self.store.outbox.values()
            if row.channel == channel and row.state is OutboxState.PENDING and row.notice is not None
        ]

    def tick(self) -> Effects:
        now = self.now()
        return self.take(Ticks(tuple(
            MarkRange(symbol, mark, mark, mark, now.wall_ms, now.mono_s, Source.STREAM)
            for symbol in SYMBOLS
            for mark in (mark_at(self.rooms[symbol]),)
        )))  # fmt: skip

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.tick()
        self.take(Heartbeat())

    # What happens

    @rule(symbol=st.sampled_from(SYMBOLS), room=st.sampled_from(ROOMS))
    def move(self, symbol: str, room: float) -> None:
        """A mark."""
        self.rooms[symbol] = room
        self.tick()

    @rule(seconds=st.sampled_from([1.0, 5.0, 61.0, 130.0, 301.0, 920.0]))
    def wait(self, seconds: float) -> None:
        """Time, with marks that go on."""
        self.pass_time(seconds)

    @rule(channel=st.sampled_from(NAMES))
    def depart(self, channel: str) -> None:
        """All that waits on a channel leaves as one message."""
        if not self.flying[channel]:
            self.flying[channel] = self.pending(channel)

    @rule(channel=st.sampled_from(NAMES), outcome=st.sampled_from(["accept", "fail", "unsure", "lost", "refuse"]))
    def land(self, channel: str, outcome: str) -> None:
        """The service answers; "unsure": it took the message and the answer was lost, "lost": it did not."""
        group, self.flying[channel] = self.flying[channel], []
        if not group:
            return
        keys = [notice.key for notice in group]
        tried = Attempt(self.clock.wall_ms(), self.clock.wall_ms(), "" if outcome == "accept" else outcome)
        self.lost_answers += outcome == "unsure"
        if outcome in ("accept", "unsure", "lost"):
            self.hear(channel, group, sure=outcome != "lost")
        if outcome == "accept":
            done(self.store.accepted(keys, channel, tried))
        elif outcome == "refuse":
            done(self.store.refused(keys, channel, tried))
        else:
            done(self.store.attempted(keys, channel, tried))
        for notice in group:
            if outcome in ("unsure", "lost"):
                self.take(Unsure(notice.subject, notice.key, channel))
            elif outcome != "fail":
                accepted = outcome == "accept"
                self.take(
                    DeliveryResult(notice.subject, notice.key, channel, accepted, tried.reason, notice.level)
                )

    def hear(self, channel: str, group: list[Notice], *, sure: bool = True) -> None:
        self.heard[channel] += [Heard(n.key, n.subject, n.kind, n.level, sure) for n in group]

    @rule(kind=st.sampled_from(HoldKind), symbol=st.sampled_from(SYMBOLS), data=st.data())
    def hold(self, kind: HoldKind, symbol: str, data: st.DataObject) -> None:
        """A person wants quiet."""
        alerts = self.engine.open_alerts()
        targets = [alert_target(alert.number) for alert in alerts] if kind is not HoldKind.MUTE else [ALL]
        targets += [symbol_target(symbol)] if kind is HoldKind.SNOOZE else []
        if targets:
            at_ms = self.clock.wall_ms()
            target = data.draw(st.sampled_from(targets))
            hold = Hold(f"{kind}:{target}#{at_ms}", kind, target, at_ms, at_ms + HOLD_MS)
            self.known[hold.key] = {alert.subject: alert.level for alert in alerts}
            self.take(Held(hold))

    @rule()
    def lift(self) -> None:
        """And takes it back."""
        self.take(Lifted(ALL))

    # Crashes

    @rule()
    def crash(self) -> None:
        """Between any two steps; what was in flight may have been taken by its service or not."""
        self.die()

    @rule(symbol=st.sampled_from(SYMBOLS), room=st.sampled_from(ROOMS))
    def crash_before_the_commit(self, symbol: str, room: float) -> None:
        """A decision that is in no ledger yet."""
        self.rooms[symbol] = room
        now, mark = self.now(), mark_at(room)
        self.engine.step(
            Ticks((MarkRange(symbol, mark, mark, mark, now.wall_ms, now.mono_s, Source.STREAM),)), now
        )
        self.die()

    @rule(channel=st.sampled_from(NAMES))
    @precondition(lambda self: any(self.flying.values()))
    def crash_after_the_send(self, channel: str) -> None:
        """Taken by the service, marked nowhere."""
        self.hear(channel, self.flying[channel])
        self.die()

    @rule(channel=st.sampled_from(NAMES))
    @precondition(lambda self: any(self.flying.values()))
    def crash_after_the_mark(self, channel: str) -> None:
        """Marked in the ledger, and the engine never knew."""
        group, self.flying[channel] = self.flying[channel], []
        if group:
            self.hear(channel, group)
            at_ms = self.clock.wall_ms()
            done(self.store.accepted([n.key for n in group], channel, Attempt(at_ms, at_ms)))
        self.die()

    def die(self) -> None:
        self.crashes += 1
        for channel in NAMES:
            # The next run cannot know whether these were being sent.
            self.hear(channel, self.pending(channel), sure=False)
        done(self.store.close())
        self.clock.advance(5.0)
        self.boot()

    # What must hold

    def check_rises(self, effects: Effects) -> None:
        """Each level that is worse than what was known when quiet was asked for is told in the same step."""
        told = {(n.subject, n.channel) for n in effects.notices}
        wishes = [self.known.get(hold.key, {}) for hold in self.engine.holds()]
        for change in effects.transitions:
            known = max((levels.get(change.subject, Level.OK) for levels in wishes), default=Level.OK)
            if change.level > max(change.previous, known) and change.subject.startswith("main/"):
                for channel in CHANNELS:
                    assert channel.min_level > change.level or (change.subject, channel.name) in told

    @invariant()
    def nothing_is_heard_more_often_than_crashes_explain(self) -> None:
        """One repeat for each notice and crash; an answer that was lost is a repeat of the service's making."""
        for story in self.heard.values():
            surely = Counter(one.key for one in story if one.sure)
            assert all(count <= 1 + self.crashes + self.lost_answers for count in surely.values())

    def teardown(self) -> None:
        """In the end, when everything is delivered and nobody wants quiet, everybody knows how it stands."""
        if not self.store.outbox:
            return
        self.lift()
        for _ in range(4):
            self.pass_time(1000.0)
            for _ in range(3):
                for channel in NAMES:
                    self.depart(channel)
                    self.land(channel, "accept")
        assert not [row for row in self.store.outbox.values() if row.state is OutboxState.PENDING]
        levels = {f"{w.account}/{w.wallet}": w.level for w in self.engine.view(self.now()).wallets}
        for subject, label in levels.items():
            for rule_of in CHANNELS:
                self.check_story(subject, Level[label.upper()], rule_of)

    def check_story(self, subject: str, level: Level, channel: ChannelRule) -> None:
        mine = [one for one in self.heard[channel.name] if one.subject == subject]
        first: dict[str, Heard] = {}
        for one in mine:
            first.setdefault(one.key, one)
        sure = {one.key for one in mine if one.sure}
        # An end that a crash leaves in doubt, and that a new alert then overtakes, may have to be told again.
        counted = [one for one in first.values() if one.key in sure or one.kind is not NoticeKind.CLOSED]
        story = [one.kind is NoticeKind.CLOSED for one in counted]
        assert not any(one and other for one, other in pairwise(story)), (
            f"closed twice: {subject} {channel.name} {mine}"
        )
        assert story[:1] != [True], "closed unheard"
        surely = [one for one in mine if one.sure]
        asked = min(channel.min_level, Level.CRITICAL) if channel.escalation else channel.min_level
        if level >= asked and level > Level.OK:
            assert surely, "never told"
            assert surely[-1].kind is not NoticeKind.CLOSED, "told that it is over"
            assert surely[-1].level >= level, "told of less"
        elif (surely and not channel.escalation and channel.name != "mail") or (surely and level is Level.OK):
            assert surely[-1].kind is NoticeKind.CLOSED, "never told that it is over"


Promises.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestPromises = Promises.TestCase
