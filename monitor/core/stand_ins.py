"""Who is told in place of a channel that does not deliver, that is no more, or of people who do not answer.

``failover`` decides who that is; what is told is what is known of the subject now, else what was last told of it.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec

from monitor.core import failover, planner
from monitor.core.incidents import Incidents, is_announcement
from monitor.core.model import Level
from monitor.core.notices import Facts, Fate, Notice, SubjectState

# Why a channel is told that did not ask for it.
FALLBACK = "fallback:"
ESCALATION = "escalation"
# So long the marks of a start may take, before people are told with those of the run before.
INHERIT_S = 10.0
# What is serious and happened once is told for so long where nobody took it, ...
UNTOLD_S = 86_400.0
# ... and to those that come in the place of a channel for so long: a service may have stood still over some days.
NEWS_S = 7 * 86_400.0


class StandIns:
    """Has others told of incidents. Owns no more than when it last had a channel's part to give to others."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self._handed_ms: int | None = None  # since when there may be wallets to hand on

    def help_out(
        self, at_ms: int, escalate_after_s: float, present: Callable[[SubjectState], Facts | None]
    ) -> None:
        """Draw in other channels: for one that does not deliver, and for people who do not answer.

        ``present`` returns what is known of a subject now; None where what was last told of it has to do.
        """
        self._hand_wallets(at_ms, present)
        for state in self._incidents.states():
            if state.level is Level.OK:
                continue
            if is_announcement(state.subject) and state.level >= Level.CRITICAL:
                self._tell_untold(state, at_ms)
            loans = [
                (helper, lent, f"{FALLBACK}{other}")
                for helper, other, lent in failover.overdue(state, self._incidents.channels, at_ms)
            ]
            if not (loans or state.loud_ms) or (not loans and is_announcement(state.subject)):
                continue
            if not is_announcement(state.subject) and self._incidents.held_by(state) is None:
                drawn = {helper for helper, _, _ in loans}
                due = failover.escalated(state, self._incidents.channels, escalate_after_s, at_ms)
                loans.extend((name, lent, ESCALATION) for name, lent in due if name not in drawn)
            if not loans:
                continue  # hundreds of incidents, once a second
            told, kind = self._incidents.last_told(state.subject)
            facts = present(state) or told
            if facts is None:
                continue
            for name, lent, via in loans:
                why = msgspec.structs.replace(facts, via=via)
                newest = self._incidents.get(state.subject) or state
                self._incidents.apply(failover.lend(newest, name, lent, at_ms, why, kind=kind))

    def inherit(self, fates: Iterable[Fate], pending: Iterable[Notice], at_ms: int) -> None:
        """Hand on what waits for channels that an earlier run had, as ``hand_on`` does; it told nobody else."""
        told = {name for state in self._incidents.states() for name in state.told}
        earlier = {*told, *(fate.channel for fate in fates), *(notice.channel for notice in pending)}
        self.hand_on(earlier, at_ms)

    def hand_on(self, before: Collection[str], at_ms: int) -> None:
        """Tell others what waits for channels that are no more; those not there ``before`` come in their place.

        At once what is serious and happened once. Of a wallet they are told as it is now; as it was then only
        where that is not known ``INHERIT_S`` later.
        """
        self._handed_ms = at_ms
        channels = self._incidents.channels
        for state in self._incidents.states():
            if (after := failover.back(state, channels)) != state:
                self._incidents.keep(after)
        for state in self._incidents.states():
            if not channels or not is_announcement(state.subject) or state.level < Level.CRITICAL:
                continue
            if gone := failover.left(state, channels):
                old = at_ms - state.since_ms >= NEWS_S * 1000
                self._hand(state, gone, () if old else failover.heirs(state, before, channels), at_ms)

    def _tell_untold(self, state: SubjectState, at_ms: int) -> None:
        """Tell again what happened once where it was refused and nobody took it.

        After a day it is forgotten, though not before it was refused once more: the service may have stood still
        over that day, or the clock was set forward.
        """
        if not planner.is_untold(state):
            return
        over_ms = state.since_ms + round(UNTOLD_S * 1000)
        if at_ms >= over_ms and failover.refused_since(state, self._incidents.channels, over_ms):
            self._incidents.drop_if_told(state.subject, forget=True)
            return
        facts, kind = self._incidents.last_told(state.subject)
        again = planner.again(state, self._incidents.channels, at_ms)
        due = [name for name in again if self._incidents.may_try(state, name, at_ms)]
        if due and facts is not None:
            plan = planner.reminders(state, due, at_ms, facts, kind=kind, decided_ms=state.since_ms)
            self._incidents.apply(plan)

    def _hand(self, state: SubjectState, gone: Collection[str], names: Sequence[str], at_ms: int) -> None:
        """Tell what was told last; also where nobody is left to be told, it is told for their sake no more."""
        facts, kind = self._incidents.last_told(state.subject)
        after = failover.handed(state, gone)
        if facts is None or not names:
            self._incidents.keep(after)
            if is_announcement(state.subject):
                self._incidents.drop_if_told(state.subject)
            return
        why = msgspec.structs.replace(facts, via=f"{FALLBACK}{min(gone)}")
        # How late it is, is said of when it was decided.
        decided_ms = min((at for name in gone if (at := state.told[name].at_ms)), default=state.since_ms)
        self._incidents.apply(planner.reminders(after, names, at_ms, why, kind=kind, decided_ms=decided_ms))

    def _hand_wallets(self, at_ms: int, present: Callable[[SubjectState], Facts | None]) -> None:
        """Tell what waits about wallets for channels that are no more, where nothing newer is known of these."""
        if self._handed_ms is None or 0 <= at_ms - self._handed_ms < INHERIT_S * 1000:
            return
        self._handed_ms = None
        for state in self._incidents.states():
            if state.subject.startswith("/"):
                continue
            gone, names = failover.forsaken(state, self._incidents.channels)
            if gone and self._incidents.held_by(state) is None and present(state) is None:
                self._hand(state, gone, names, at_ms)
