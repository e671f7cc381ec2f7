"""States of all subjects, and the effects that collect while one event is handled.

Longer than other modules: it is the only one that changes a state.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from monitor.core import planner
from monitor.core.heights import Heights
from monitor.core.holds import Holds
from monitor.core.model import Change, Compared, Level, Sample
from monitor.core.notices import ENDINGS, Facts, Fate, Hold, Notice, NoticeKind, SubjectState, Transition
from monitor.core.releases import Release
from monitor.core.settings import ChannelRule

TOLD_PREFIX = "/told:"
# What a channel refused for good is not tried over it again within this time of anything else it refused, so that
# all of it goes together: many alerts must not be as many questions to a service that says no.
TOGETHER_S = 60.0
# What a person who wants quiet is not told at all.
_MUTED = (NoticeKind.CHANGED, NoticeKind.SUMMARY, NoticeKind.AHEAD, NoticeKind.CHECKUP)


class Effects(NamedTuple):
    """What must happen because of one event; rows are committed before their notices are sent."""

    subjects: tuple[SubjectState, ...] = ()
    gone: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    withdrawn: tuple[tuple[str, str], ...] = ()  # (subject, channel)
    transitions: tuple[Transition, ...] = ()
    samples: tuple[Sample, ...] = ()
    changes: tuple[Change, ...] = ()
    drifting: tuple[Compared, ...] | None = None  # what an audit just found not to agree; None where none was made
    holds: tuple[Hold, ...] = ()  # made or ended
    releases: tuple[Release, ...] = ()  # partial closes that were just seen


class Incidents:
    """Applies plans to states and remembers what must leave the core."""

    def __init__(self) -> None:
        self.channels: Sequence[ChannelRule] = ()
        self._states: dict[str, SubjectState] = {}
        self._announced = 0
        self._leaving: dict[str, tuple[SubjectState, Facts]] = {}  # gone, but a message is still in flight
        self.holds = Holds()
        self.heights = Heights()
        self.symbols_of: Callable[[str], Collection[str]] = lambda _subject: ()  # those a wallet holds
        self._last_number = 0
        self._refused_ms: dict[str, int] = {}  # by channel that takes nothing, when it refused last
        self._latest: dict[str, tuple[Facts, NoticeKind]] = {}  # what was last told of an open incident
        self._clear()

    def _clear(self) -> None:
        self._changed: dict[str, SubjectState] = {}
        self._gone: list[str] = []
        self._notices: list[Notice] = []
        self._withdrawn: list[tuple[str, str]] = []
        self._transitions: list[Transition] = []
        self.samples: list[Sample] = []
        self.changes: list[Change] = []
        self.drifting: tuple[Compared, ...] | None = None
        self.releases: tuple[Release, ...] = ()

    def take(self) -> Effects:
        """Return what collected since the last take."""
        effects = Effects(
            tuple(self._changed.values()), tuple(self._gone), tuple(self._notices), tuple(self._withdrawn),
            tuple(self._transitions), tuple(self.samples), tuple(self.changes), self.drifting, self.holds.take(),
            self.releases,
        )  # fmt: skip
        self._clear()
        return effects

    def memory(self) -> Effects:
        """Return all that must survive a restart: states, also of what is gone and owed its end, and wishes."""
        left = tuple(state for state, _ in self._leaving.values())
        return Effects(subjects=(*left, *self._states.values()), holds=self.holds.active())

    def restore(
        self, states: Iterable[SubjectState], fates: Iterable[Fate] = (), pending: Iterable[Notice] = (),
        last_number: int = 0, *, late: bool = False,
    ) -> None:  # fmt: skip
        """Take what an earlier run left, what its outbox knows of the outcomes, and what was not delivered yet.

        What comes ``late`` is of ``missed``, and takes the place of what was written since.
        """
        self._last_number = max(self._last_number, last_number)
        by_subject: dict[str, dict[str, Fate]] = {}
        for fate in fates:
            by_subject.setdefault(fate.subject, {})[fate.channel] = fate
        states = tuple(states)
        present = {state.subject: state for state in states}
        for notice in pending:
            if not _is_of(notice, present.get(notice.subject)):
                continue
            if notice.kind not in ENDINGS and not (late and notice.subject in self._latest):
                kind = NoticeKind.ALERT if notice.kind is NoticeKind.REMINDER else notice.kind
                self._latest[notice.subject] = (notice.facts, kind)
        for state in states:
            after = planner.reconcile(state, by_subject.get(state.subject, {}))
            self._last_number = max(self._last_number, after.number)
            if after.level > Level.OK:
                self.heights.note(after.subject, after.level, after.since_ms)
            if after == state and not late:
                self._states[state.subject] = state
            else:
                self._save(after)
            if state.subject.startswith(TOLD_PREFIX):
                self.drop_if_told(state.subject)

    def missed(self, stored: Iterable[SubjectState]) -> tuple[SubjectState, ...]:
        """Return the states to go on from, of those an earlier run left and this one learns late.

        What is ok now was not perhaps, and its end is owed. An incident opened meanwhile stays; who was told of
        the one before is told how it ends.
        """
        found: list[SubjectState] = []
        for state in stored:
            own = self._states.get(state.subject)
            if own is None:
                found.append(state)
                continue
            told = {**state.told, **own.told}
            if own.level is Level.OK:
                sequence = max(own.sequence, state.sequence)
                found.append(msgspec.structs.replace(state, told=told, sequence=sequence))
            elif told != own.told:
                self._save(msgspec.structs.replace(own, told=told))
        return tuple(found)

    def get(self, subject: str) -> SubjectState | None:
        """Return the state of a subject, None if it was never seen."""
        return self._states.get(subject)

    def subjects(self) -> tuple[str, ...]:
        """Return the names of all subjects that were ever seen."""
        return tuple(self._states)

    def states(self) -> tuple[SubjectState, ...]:
        """Return the states of all subjects, as they are now."""
        return tuple(self._states.values())

    def last_told(self, subject: str) -> tuple[Facts | None, NoticeKind]:
        """Return what was last told of an open incident and how; None where nothing was."""
        return self._latest.get(subject, (None, NoticeKind.ALERT))

    def begin(self, subject: str, at_ms: int) -> SubjectState:
        """Return the state of a subject, made and recorded if it is new."""
        state = self._states.get(subject)
        if state is None:
            state = planner.begin(subject, at_ms)
            self._save(state)
        return state

    def open(self) -> tuple[SubjectState, ...]:
        """Return the incidents under way, oldest first."""
        under_way = (s for s in self._states.values() if s.level > Level.OK and not is_announcement(s.subject))
        return tuple(sorted(under_way, key=lambda state: state.number))

    def audience(self, level: Level, *, without: str = "") -> tuple[ChannelRule, ...]:
        """Return the channels for trouble that is not about one wallet, as if each asked for its level.

        Those that ask for ``level``; where none does, those that ask for the least: somebody has to hear. One that
        the trouble is about is left out by its name.
        """
        others = [channel for channel in self.channels if channel.name != without]
        least = min((channel.min_level for channel in others), default=level)
        limit = max(level, least)
        return tuple(
            msgspec.structs.replace(channel, min_level=min(level, channel.min_level))
            for channel in others
            if channel.min_level <= limit
        )

    def due(
        self, state: SubjectState, reminder_s: float | None, channels: Sequence[ChannelRule], at_ms: int
    ) -> tuple[str, ...]:
        """Return the channels to be told again; none while a person wants quiet about it."""
        if self._held(state, state.level):
            return ()
        due = planner.remind(state, reminder_s, channels, at_ms)
        return tuple(name for name in due if self.may_try(state, name, at_ms)) if self._refused_ms else due

    def may_try(self, state: SubjectState, channel: str, at_ms: int) -> bool:
        """Return whether a channel may be told again what it refused; soon after a refusal it may not."""
        told, refused_ms = state.told.get(channel), self._refused_ms.get(channel)
        if told is None or not told.refused or refused_ms is None:
            return True
        return not 0 <= at_ms - refused_ms < TOGETHER_S * 1000

    def held_by(self, state: SubjectState) -> Hold | None:
        """Return the wish that holds back reminders of an incident."""
        return self._holding(state, state.level)

    def _holding(self, state: SubjectState, level: Level) -> Hold | None:
        if not self.holds.active():
            return None  # asked for every open incident once a second
        return self.holds.covering(state.subject, state.number, self.symbols_of(state.subject), level)

    def _held(self, state: SubjectState, level: Level) -> bool:
        return self._holding(state, level) is not None

    def hold(self, hold: Hold) -> Hold:
        """Take a person's wish; it covers what every incident is now, and nothing worse."""
        return self.holds.make(hold, {state.subject: state.level for state in self.open()})

    def rise(
        self, state: SubjectState, level: Level, at_ms: int, facts: Facts, *,
        kind: NoticeKind = NoticeKind.ALERT, quiet: bool = False, channels: Sequence[ChannelRule] | None = None,
    ) -> None:  # fmt: skip
        """Tell that a level was reached, or that the same trouble grew; by default to all that asked for it."""
        asked = self.channels if channels is None else channels
        # The same trouble that grew is news by nature.
        held = level is not state.level and self._held(state, level)
        plan = planner.rise(
            state, level, asked, at_ms, facts, kind=kind, quiet=quiet, number=self._last_number + 1, held=held
        )
        self._last_number = max(self._last_number, plan.state.number)
        if not held:
            self.holds.worsened(state.subject, plan.state.number, level, at_ms)
        if level is not state.level:
            self._moved(state, level, at_ms, plan.state.incident, facts)
        self.apply(plan, facts, kind)

    def fall(
        self, state: SubjectState, level: Level, at_ms: int, facts: Facts, *,
        kind: NoticeKind = NoticeKind.CLOSED, channels: Sequence[ChannelRule] = (),
    ) -> None:  # fmt: skip
        """Record a lower level, and close the incident where it is over; these ``channels`` ask for less."""
        self._moved(state, level, at_ms, state.incident, facts)
        asked = {channel.name: channel for channel in (*self.channels, *channels)}
        plan = planner.fall(state, level, tuple(asked.values()), at_ms, facts, kind=kind)
        self._eased(plan, at_ms)
        self.apply(plan)

    def _eased(self, plan: planner.Plan, at_ms: int) -> None:
        state = plan.state
        if plan.notices or state.level is Level.OK:
            self.holds.eased(state.subject, state.level)
        if state.level is Level.OK:
            self.holds.over(state.number, at_ms)
            self._latest.pop(state.subject, None)

    def announce(
        self, about: str, kind: NoticeKind, at_ms: int, facts: Facts, *, level: Level,
        channels: Sequence[ChannelRule],
    ) -> None:  # fmt: skip
        """Tell something that happened and has no end: delivered like all else, and forgotten once it was.

        Each has a subject of its own, so that none supersedes another.
        """
        if kind in _MUTED and self.holds.muted():
            return
        self._announced += 1
        state = planner.begin(f"{TOLD_PREFIX}{about}#{at_ms}.{self._announced}", at_ms)
        plan = planner.rise(state, level, channels, at_ms, facts, kind=kind)
        if plan.notices:
            self.apply(plan, facts, kind)

    def remind(
        self, state: SubjectState, channels: Sequence[str], at_ms: int, facts: Facts, *,
        kind: NoticeKind = NoticeKind.REMINDER,
    ) -> None:  # fmt: skip
        """Tell these channels again."""
        again = NoticeKind.ALERT if kind is NoticeKind.REMINDER else kind
        self.apply(planner.reminders(state, channels, at_ms, facts, kind=kind), facts, again)

    def waiting(self) -> Mapping[str, int]:
        """Return since when each channel has had something to deliver, Unix milliseconds."""
        oldest: dict[str, int] = {}
        for state in self._states.values():
            for name, told in state.told.items():
                if told.waiting_ms and told.awaited:
                    oldest[name] = min(told.waiting_ms, oldest.get(name, told.waiting_ms))
        return oldest

    def undelivered(self) -> int:
        """Return how many notices wait for their channels."""
        return sum(bool(told.awaited) for state in self._states.values() for told in state.told.values())

    def keep(self, state: SubjectState) -> None:
        """Record a state that is about no incident."""
        self._save(state)

    def owed(self) -> tuple[str, ...]:
        """Return the subjects whose end a channel refused."""
        left = ((subject, state) for subject, (state, _) in self._leaving.items())
        return tuple(
            subject
            for subject, state in (*self._states.items(), *left)
            if any(told.refused and told.level is Level.OK for told in state.told.values())
        )

    def mended(self, channels: Collection[str]) -> None:
        """Have what these channels refused told over them soon: they send otherwise, or take messages again."""
        for name in channels:
            self._refused_ms.pop(name, None)
        for state in tuple(self._states.values()):
            if (after := planner.mended(state, channels)) != state:
                self._save(after)
        for left, ending in tuple(self._leaving.values()):
            if (after := planner.mended(left, channels)) != left:
                self._leave(after, ending)

    def close_again(self, subject: str, at_ms: int, facts: Facts, kind: NoticeKind) -> None:
        """Tell the end of an incident again where it was refused, once that is due."""
        left, ending = self._leaving.get(subject, (None, None))
        state = self._states[subject] if left is None else left
        due = planner.owed(state, at_ms)
        if not due:
            return
        if ending is None:
            self.apply(planner.close_again(state, due, at_ms, facts, kind=kind))
        else:
            plan = planner.close_again(state, due, at_ms, ending, kind=NoticeKind.CLOSED)
            self._emit(plan)
            self._leave(plan.state, ending)

    def vanish(self, subject: str, at_ms: int, facts: Facts) -> None:
        """Forget a subject; an open incident is closed, and that is never an all-clear.

        Its row stays until the fate of all messages is known: a crash must not forget that an end is owed.
        """
        state = self._states.pop(subject)
        if state.level > Level.OK:
            self._moved(state, Level.OK, at_ms, state.incident, facts)
        plan = planner.fall(state, Level.OK, self.channels, at_ms, facts)
        self._eased(plan, at_ms)
        self._emit(plan)
        earlier, _ = self._leaving.get(subject, (plan.state, facts))
        self._leave(msgspec.structs.replace(plan.state, told={**earlier.told, **plan.state.told}), facts)

    def settle(
        self, subject: str, outcome: planner.Outcome, at_ms: int, facts: Facts, *, kind: NoticeKind,
        sure: bool = True,
    ) -> None:  # fmt: skip
        """Record the fate of a notice; ``facts`` and ``kind`` serve a late closing message.

        Where it is not ``sure`` that the channel took it, it is still tried, and whoever may have heard it hears
        the end.
        """
        if sure:
            self._answered(outcome, at_ms)
        settled = planner.settle if sure else planner.doubt
        state = self._states.get(subject)
        if state is not None and outcome.channel in state.told:
            plan = settled(state, outcome, at_ms, facts, kind)
            if plan.state != state:
                self.apply(plan)
            if is_announcement(subject):
                self.drop_if_told(subject)
        elif subject in self._leaving:
            left, ending = self._leaving.pop(subject)
            plan = settled(left, outcome, at_ms, ending, NoticeKind.CLOSED)
            self._emit(plan)
            self._leave(plan.state, ending)

    def drop_if_told(self, subject: str, *, forget: bool = False) -> None:
        """Forget an announcement that every channel took, or refused with nobody to take over.

        One that is serious and that nobody took stays, to be told again, unless it is to be forgotten.
        """
        state = self._states[subject]
        if planner.is_untold(state) and state.level >= Level.CRITICAL and not forget:
            return
        fallbacks = {channel.name: channel.fallback for channel in self.channels if channel.fallback}
        for name, told in state.told.items():
            helper = fallbacks.get(name) if told.refused else None
            if (told.awaited and not told.handed) or (helper is not None and helper not in state.told):
                return
        del self._states[subject]
        self._changed.pop(subject, None)
        self._latest.pop(subject, None)
        self._gone.append(subject)

    def apply(self, plan: planner.Plan, facts: Facts | None = None, kind: NoticeKind = NoticeKind.ALERT) -> None:
        """Carry out a plan; ``facts`` and ``kind`` are what it tells, where that is news."""
        self._save(self._back(plan))
        self._emit(plan)
        if facts is not None:
            self._latest[plan.state.subject] = (facts, kind)

    def _answered(self, outcome: planner.Outcome, at_ms: int) -> None:
        """Note whether a channel takes messages. Once one that refused does, what it refused is told at once."""
        if not outcome.accepted:
            self._refused_ms[outcome.channel] = at_ms
        elif outcome.channel in self._refused_ms:
            self.mended((outcome.channel,))

    def _leave(self, state: SubjectState, ending: Facts) -> None:
        if state.told:
            self._leaving[state.subject] = (state, ending)
        else:
            self._leaving.pop(state.subject, None)
        if state.subject in self._states:
            return  # it is back, and the row is its own again
        if state.told:
            self._changed[state.subject] = state
        else:
            self._changed.pop(state.subject, None)
            self._gone.append(state.subject)

    def _moved(self, state: SubjectState, level: Level, at_ms: int, incident: int, facts: Facts) -> None:
        self.heights.note(state.subject, level, at_ms)
        self._transitions.append(Transition(state.subject, level, state.level, at_ms, incident, facts))

    def _back(self, plan: planner.Plan) -> SubjectState:
        """Return the state with what channels were owed before its subject was gone and came back.

        Who is told of it now is owed the end of this incident instead: the end of the one before would hide it.
        """
        left, ending = self._leaving.get(plan.state.subject, (None, Facts()))
        again = {notice.channel for notice in plan.notices}
        if left is None or again.isdisjoint(left.told):
            return plan.state
        told = dict(plan.state.told)
        for name in again & left.told.keys() & told.keys():
            owed = left.told[name].delivered
            told[name] = msgspec.structs.replace(told[name], delivered=told[name].delivered or owed)
        rest = {name: entry for name, entry in left.told.items() if name not in again}
        self._leave(msgspec.structs.replace(left, told=rest), ending)
        return msgspec.structs.replace(plan.state, told=told)

    def _emit(self, plan: planner.Plan) -> None:
        self._notices.extend(plan.notices)
        self._withdrawn.extend((plan.state.subject, channel) for channel in plan.withdrawn)

    def _save(self, state: SubjectState) -> None:
        self._states[state.subject] = state
        self._changed[state.subject] = state


def _is_of(notice: Notice, state: SubjectState | None) -> bool:
    """Return whether a message is of the incident under way: one that was refused may be of one that is over."""
    # A subject that vanished and came back counts its incidents from the start again.
    return state is None or (notice.incident == state.incident and notice.number in {0, state.number})


def is_announcement(subject: str) -> bool:
    """Return whether a subject is something that happened once, not something that lasts."""
    return subject.startswith(TOLD_PREFIX)
