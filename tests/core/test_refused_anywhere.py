"""A liquidation is told once to whoever took it, and to somebody, however channels refuse it and are named."""

from collections import Counter
from collections.abc import Iterable

import hypothesis.strategies as st
import msgspec
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from monitor.core.events import DeliveryResult, Event, Heartbeat, OrderForced, Restored, SettingsChanged
from monitor.core.incidents import TOGETHER_S
from monitor.core.model import ForcedOrder, Level, Side
from monitor.core.notices import NoticeKind
from monitor.core.planner import REFUSED_S
from monitor.core.settings import ChannelRule
from monitor.ports import Attempt, Rows
from monitor.storage.outbox import OutboxRow, OutboxState
from tests.core.builders import BTC, Desk
from tests.storage.fakes import MemoryState
from tests.test_promises import StillClock, done

NAMES = ("tg", "phone", "mail")
WAITS_S = (1.0, 61.0, REFUSED_S + 1)
named = st.sets(st.sampled_from(NAMES)).map(sorted)


class Renamed(RuleBasedStateMachine):
    """An engine and its ledger, over starts and reloads with channels of other names."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = StillClock()
        self.store = MemoryState(self.clock)
        self.desk = Desk(channels=(), deliver=False)
        self.took: Counter[str] = Counter()

    @initialize(names=st.sets(st.sampled_from(NAMES), min_size=1).map(sorted))
    def happens(self, names: list[str]) -> None:
        """The exchange closes a position, and those that there are shall be told."""
        self.boot(names)
        order = OrderForced("main", "x-1", BTC, Side.LONG, ForcedOrder.LIQUIDATION, 1.0, 90.0, self.desk.wall_ms)
        self.step(order)

    def boot(self, names: Iterable[str]) -> None:
        stored = done(self.store.open())
        desk = Desk(channels=[ChannelRule(name, Level.NOTICE) for name in names], deliver=False)
        desk.wall_ms, self.desk = self.clock.wall_ms(), desk
        self.step(Restored(stored.subjects, stored.fates, stored.holds, stored.last_number, stored.undelivered))

    def step(self, event: Event) -> None:
        effects = self.desk.step(event)
        over = list(effects.withdrawn)
        done(self.store.commit(Rows(over, effects.subjects, effects.gone, effects.notices, [], effects.holds)))

    def waiting(self, name: str) -> list[OutboxRow]:
        return [
            row
            for row in self.store.outbox.values()
            if (row.channel, row.kind, row.state) == (name, NoticeKind.FORCED, OutboxState.PENDING)
        ]

    @rule(names=named)
    def reload(self, names: list[str]) -> None:
        """Channels get other names, are added and taken out."""
        rules = tuple(ChannelRule(name, Level.NOTICE) for name in names)
        self.desk.settings = msgspec.structs.replace(self.desk.settings, channels=rules)
        self.step(SettingsChanged(self.desk.settings, self.desk.tables))

    @rule(names=named)
    def restart(self, names: list[str]) -> None:
        """The same between two runs."""
        done(self.store.close())
        self.boot(names)

    @rule(name=st.sampled_from(NAMES), accepted=st.booleans())
    def answer(self, name: str, *, accepted: bool) -> None:
        """A service takes what waits for it, or refuses it for good. One that never answers is one of no rule."""
        if name not in [channel.name for channel in self.desk.settings.channels]:
            return
        for row in self.waiting(name):
            self.took[name] += accepted
            tried = Attempt(self.clock.wall_ms(), self.clock.wall_ms())
            mark = self.store.accepted if accepted else self.store.refused
            done(mark([row.key], name, tried))
            self.step(DeliveryResult(row.subject, row.key, name, accepted, level=row.level))

    @rule(seconds=st.sampled_from(WAITS_S))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.advance(seconds)
        self.desk.wait(seconds)
        self.step(Heartbeat())

    @invariant()
    def nobody_is_told_twice(self) -> None:
        """Neither what refuses in between nor another name makes it news once more."""
        assert all(count == 1 for count in self.took.values() if count)

    def teardown(self) -> None:
        """Once there is one that takes messages, it is told, unless somebody was."""
        self.reload(["mail"])
        for seconds in (TOGETHER_S + 1, REFUSED_S + 1):
            self.wait(seconds)
            self.answer("mail", accepted=True)
        assert sum(self.took.values()) >= 1, "nobody was told"
        self.nobody_is_told_twice()


Renamed.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestRenamed = Renamed.TestCase
