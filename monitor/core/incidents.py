"""States of all subjects, and the effects that collect while one event is handled."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from monitor.core import planner
from monitor.core.model import Change, Compared, Level, Sample
from monitor.core.notices import Facts, Fate, Hold, Notice, NoticeKind, SubjectState, Transition
from monitor.core.settings import ChannelRule

TOLD_PREFIX = "/told:"


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


class Incidents:
    """Applies plans to states and remembers what must leave the core."""

    def __init__(self) -> None:
        self.channels: Sequence[ChannelRule] = ()
        self._states: dict[str, SubjectState] = {}
        self._announced = 0
        self._leaving: dict[str, tuple[SubjectState, Facts]] = {}  # gone, but a message is still in flight
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

    def take(self) -> Effects:
        """Return what collected since the last take."""
        effects = Effects(
            tuple(self._changed.values()), tuple(self._gone), tuple(self._notices), tuple(self._withdrawn),
            tuple(self._transitions), tuple(self.samples), tuple(self.changes), self.drifting,
        )  # fmt: skip
        self._clear()
        return effects

    def restore(self, states: Iterable[SubjectState], fates: Iterable[Fate] = ()) -> None:
        """Take what an earlier run left, and what its outbox knows of the outcomes."""
        by_subject: dict[str, dict[str, Fate]] = {}
        for fate in fates:
            by_subject.setdefault(fate.subject, {})[fate.channel] = fate
        for state in states:
            after = planner.reconcile(state, by_subject.get(state.subject, {}))
            if after == state:
                self._states[state.subject] = state
            else:
                self._save(after)

    def get(self, subject: str) -> SubjectState | None:
        """Return the state of a subject, None if it was never seen."""
        return self._states.get(subject)

    def subjects(self) -> tuple[str, ...]:
        """Return the names of all subjects that were ever seen."""
        return tuple(self._states)

    def begin(self, subject: str, at_ms: int) -> SubjectState:
        """Return the state of a subject, made and recorded if it is new."""
        state = self._states.get(subject)
        if state is None:
            state = planner.begin(subject, at_ms)
            self._save(state)
        return state

    def audience(self, level: Level) -> tuple[ChannelRule, ...]:
        """Return the channels for trouble that is not about one wallet, as if each asked for its level.

        Those that ask for ``level``; where none does, those that ask for the least: somebody has to hear.
        """
        least = min((channel.min_level for channel in self.channels), default=level)
        limit = max(level, least)
        return tuple(
            ChannelRule(channel.name, min(level, channel.min_level))
            for channel in self.channels
            if channel.min_level <= limit
        )

    def rise(
        self, state: SubjectState, level: Level, at_ms: int, facts: Facts, *,
        kind: NoticeKind = NoticeKind.ALERT, quiet: bool = False, channels: Sequence[ChannelRule] | None = None,
    ) -> None:  # fmt: skip
        """Tell that a level was reached, or that the same trouble grew; by default to all that asked for it."""
        asked = self.channels if channels is None else channels
        plan = planner.rise(state, level, asked, at_ms, facts, kind=kind, quiet=quiet)
        if level is not state.level:
            self._moved(state, level, at_ms, plan.state.incident, facts)
        self._apply(plan)

    def fall(
        self, state: SubjectState, level: Level, at_ms: int, facts: Facts, *, kind: NoticeKind = NoticeKind.CLOSED
    ) -> None:
        """Record a lower level, and close the incident where it is over."""
        self._moved(state, level, at_ms, state.incident, facts)
        self._apply(planner.fall(state, level, self.channels, at_ms, facts, kind=kind))

    def announce(
        self, about: str, kind: NoticeKind, at_ms: int, facts: Facts, *, level: Level,
        channels: Sequence[ChannelRule],
    ) -> None:  # fmt: skip
        """Tell something that happened and has no end: delivered like all else, and nothing is remembered of it.

        Each has a subject of its own, so that none supersedes another.
        """
        self._announced += 1
        state = planner.begin(f"{TOLD_PREFIX}{about}#{at_ms}.{self._announced}", at_ms)
        self._emit(planner.rise(state, level, channels, at_ms, facts, kind=kind))

    def remind(
        self, state: SubjectState, channels: Sequence[str], at_ms: int, facts: Facts, *,
        kind: NoticeKind = NoticeKind.REMINDER,
    ) -> None:  # fmt: skip
        """Tell these channels again."""
        self._apply(planner.reminders(state, channels, at_ms, facts, kind=kind))

    def owed(self) -> tuple[str, ...]:
        """Return the subjects whose end a channel refused."""
        return tuple(
            subject
            for subject, state in self._states.items()
            if any(told.refused and told.level is Level.OK for told in state.told.values())
        )

    def close_again(self, subject: str, at_ms: int, facts: Facts, kind: NoticeKind) -> None:
        """Tell the end of an incident again where it was refused, once that is due."""
        state = self._states[subject]
        due = planner.owed(state, at_ms)
        if due:
            self._apply(planner.close_again(state, due, at_ms, facts, kind=kind))

    def vanish(self, subject: str, at_ms: int, facts: Facts) -> None:
        """Forget a subject; an open incident is closed, and that is never an all-clear."""
        state = self._states.pop(subject)
        self._changed.pop(subject, None)
        self._gone.append(subject)
        if state.level > Level.OK:
            self._moved(state, Level.OK, at_ms, state.incident, facts)
        plan = planner.fall(state, Level.OK, self.channels, at_ms, facts)
        self._emit(plan)
        self._leave(plan.state, facts)

    def settle(
        self, subject: str, channel: str, at_ms: int, facts: Facts, *, accepted: bool, kind: NoticeKind
    ) -> None:
        """Record the fate of a notice; ``facts`` and ``kind`` serve a late closing message."""
        state = self._states.get(subject)
        if state is not None and channel in state.told:
            plan = planner.settle(state, channel, accepted=accepted, at_ms=at_ms, facts=facts, kind=kind)
            if plan.state != state:
                self._apply(plan)
        elif subject in self._leaving:
            left, ending = self._leaving.pop(subject)
            plan = planner.settle(
                left, channel, accepted=accepted, at_ms=at_ms, facts=ending, kind=NoticeKind.CLOSED
            )
            self._emit(plan)
            self._leave(plan.state, ending)

    def _leave(self, state: SubjectState, ending: Facts) -> None:
        if state.told:
            self._leaving[state.subject] = (state, ending)

    def _moved(self, state: SubjectState, level: Level, at_ms: int, incident: int, facts: Facts) -> None:
        self._transitions.append(Transition(state.subject, level, state.level, at_ms, incident, facts))

    def _apply(self, plan: planner.Plan) -> None:
        self._save(plan.state)
        self._emit(plan)

    def _emit(self, plan: planner.Plan) -> None:
        self._notices.extend(plan.notices)
        self._withdrawn.extend((plan.state.subject, channel) for channel in plan.withdrawn)

    def _save(self, state: SubjectState) -> None:
        self._states[state.subject] = state
        self._changed[state.subject] = state
