"""Once a day: the service is alive, and what the day was like.

Counts what happened since the last summary. Everything that may be said of a day stands in a ``DayReport``; the
shell keeps the running one on disk, so that a restart does not begin the day anew.
"""

from typing import Final, NamedTuple

import msgspec

from monitor.core import planner
from monitor.core.events import DayKept, DayOver, DeliveryResult
from monitor.core.incidents import TOLD_PREFIX, Effects, Incidents
from monitor.core.model import Level, Now, Sample
from monitor.core.notices import DayReport, Facts, NoticeKind
from monitor.core.outages import FEED_PREFIX
from monitor.core.troubles import ACCOUNT_PREFIX, TIERS_PREFIX

SUBJECT: Final = "/daily"  # its state says for which moment the last summary was
ABOUT: Final = "summary"
LEVEL: Final = Level.NOTICE
# What is missed by more than this was missed while nothing ran.
LATE_S: Final = 600.0
# A restart takes seconds; a service that was away longer than this was an outage.
AWAY_S: Final = 60.0
# A wall clock may be set back; a summary of a day that has not come yet holds back none.
_SUMMARY: Final = f"{TOLD_PREFIX}{ABOUT}#"
_DAY_MS: Final = 86_400_000
_OUTAGES: Final = (FEED_PREFIX, ACCOUNT_PREFIX, TIERS_PREFIX)


class Watched(NamedTuple):
    """What is watched at the moment of a summary."""

    positions: int
    wallets: int  # that back a position
    accounts: int


class Daily:
    """Counts a day and tells it when it is over."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self._open: set[str] = set()  # subjects of outages under way
        self._beat_s: float | None = None
        self._refused = 0
        self._day: DayReport | None = None  # counters only; what stands for the moment is filled in by ``report``

    def report(self, watched: Watched, now: Now) -> DayReport:
        """Return the day so far."""
        return msgspec.structs.replace(
            self._begun(now),
            positions=watched.positions,
            wallets=watched.wallets,
            accounts=watched.accounts,
            undelivered=self._refused + self._incidents.undelivered(),
            holds=len(self._incidents.holds.active()),
        )

    def restored(self, now: Now) -> None:
        """Learn of the outages that an earlier run left open."""
        found = {state.subject for state in self._incidents.open() if state.subject.startswith(_OUTAGES)}
        new = found - self._open
        self._open |= new
        self._count(now, outages=len(new))

    def kept(self, event: DayKept, now: Now) -> None:
        """Go on with the day that an earlier run counted, unless its summary went out already.

        Nobody watched in between; what was not counted after the last save is lost.
        """
        last = self._incidents.get(SUBJECT)
        before = event.day
        if (last is not None and before.since_ms < last.since_ms) or before.since_ms > now.wall_ms:
            return
        away_s = max(0.0, (now.wall_ms - event.saved_ms) / 1000)
        day = self._begun(now)
        worst = max(before, day, key=_rank_of)
        self._day = msgspec.structs.replace(
            worst,
            since_ms=before.since_ms,
            blind_s=before.blind_s + day.blind_s + away_s,
            # Those that are still open were counted when they began.
            outages=before.outages + (away_s > AWAY_S),
            alerts=before.alerts + day.alerts,
            delivered=before.delivered + day.delivered,
        )

    def beat(self, now: Now) -> None:
        """Count the time in which not everything was seen; called each second."""
        if self._open and self._beat_s is not None:
            self._count(now, blind_s=now.mono_s - self._beat_s)
        self._beat_s = now.mono_s

    def delivered(self, event: DeliveryResult, now: Now) -> None:
        """Take what became of a notice."""
        self._refused += not event.accepted
        if event.accepted and not event.subject.startswith(_SUMMARY):
            self._count(now, delivered=1)

    def follow(self, effects: Effects, now: Now) -> None:
        """Take what a step led to: incidents, outages, and readings as history samples them."""
        self._begun(now)
        for moved in effects.transitions:
            began = moved.previous is Level.OK and moved.level > Level.OK
            if moved.subject.startswith(_OUTAGES):
                if began and moved.subject not in self._open:
                    self._open.add(moved.subject)
                    self._count(now, outages=1)
                elif moved.level is Level.OK:
                    self._open.discard(moved.subject)
            elif not moved.subject.startswith("/"):
                self._count(now, alerts=int(began))
                self._worse(now, moved.level, moved.subject, moved.facts)
        for row in effects.samples:
            if not row.symbol:
                self._worse(now, Level(row.level), f"{row.account}/{row.wallet}", row)

    def over(self, event: DayOver, watched: Watched, environment: str, now: Now) -> None:
        """Tell the day to those who asked for it, once for each moment, however often it is said to have come."""
        last = self._incidents.get(SUBJECT)
        if last is not None and event.due_ms <= last.since_ms <= now.wall_ms + _DAY_MS:
            return
        state = last or planner.begin(SUBJECT, event.due_ms)
        self._incidents.keep(msgspec.structs.replace(state, since_ms=event.due_ms, sequence=state.sequence + 1))
        if last is None and now.wall_ms - event.due_ms > LATE_S * 1000:
            return  # the first run ever has missed nothing
        if self._incidents.holds.muted():
            return  # the next one tells of both days
        asking = [msgspec.structs.replace(c, min_level=LEVEL) for c in self._incidents.channels if c.summary]
        facts = Facts(environment=environment, day=self.report(watched, now))
        self._incidents.announce(ABOUT, NoticeKind.SUMMARY, now.wall_ms, facts, level=LEVEL, channels=asking)
        self._day, self._refused = None, 0
        self._count(now, outages=len(self._open))  # those that go on are part of the new day too

    def _begun(self, now: Now) -> DayReport:
        if self._day is None:
            self._day = DayReport(
                positions=0, wallets=0, accounts=0, worst_level=Level.OK, worst_subject="", worst_ratio=None,
                worst_room=None, worst_moves=None, worst_at_ms=0, blind_s=0.0, outages=0, alerts=0, delivered=0,
                undelivered=0, holds=0, since_ms=now.wall_ms,
            )  # fmt: skip
        return self._day

    def _count(
        self, now: Now, *, outages: int = 0, alerts: int = 0, delivered: int = 0, blind_s: float = 0
    ) -> None:
        day = self._begun(now)
        self._day = msgspec.structs.replace(
            day, outages=day.outages + outages, alerts=day.alerts + alerts, delivered=day.delivered + delivered,
            blind_s=day.blind_s + blind_s,
        )  # fmt: skip

    def _worse(self, now: Now, level: Level, subject: str, seen: Facts | Sample) -> None:
        day = self._begun(now)
        if _rank(subject, level, seen.room) > _rank_of(day):
            self._day = msgspec.structs.replace(
                day, worst_level=level, worst_subject=subject, worst_ratio=seen.margin_ratio,
                worst_room=seen.room, worst_moves=seen.moves_left, worst_at_ms=now.wall_ms,
            )  # fmt: skip


def _rank(subject: str, level: Level, room: float | None) -> tuple[bool, Level, float]:
    """Return how bad a reading is: first by its level, then by how little room is left."""
    return bool(subject), level, -1.0 if room is None else -room


def _rank_of(day: DayReport) -> tuple[bool, Level, float]:
    return _rank(day.worst_subject, day.worst_level, day.worst_room)
