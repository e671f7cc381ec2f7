"""How others learn that the service is alive: pings outward, and a summary once a day."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from monitor.core.events import DayKept
from monitor.core.notices import DayReport
from monitor.day import Calendar
from monitor.health import Health, without_history
from monitor.heartbeat import HeartbeatPlan, OutwardHeartbeat
from monitor.plan import Plan
from monitor.ports import Clock, Inbox, Job
from monitor.status import HeartbeatView
from monitor.storage.day_cache import DayCache


class Switched(NamedTuple):
    """What a switch ends and begins."""

    ended: Sequence[str]  # names of jobs
    begun: Sequence[Job]
    close: Sequence[Callable[[], Awaitable[None]]]  # once those ended


class Alive:
    """Both of them, as far as they are configured.

    Args:
        plan: the configuration.
        day: returns what the day was like so far.
        proved: returns whether the service does its work, by a proof made for this question; for each ping.
        inbox: where events go.
        clock: of records and pauses.
        rand: numbers in [0, 1) that spread pings.
    """

    def __init__(
        self, plan: Plan, *, day: Callable[[], DayReport], proved: Callable[[], Awaitable[Health]], inbox: Inbox,
        clock: Clock, rand: Callable[[], float],
    ) -> None:  # fmt: skip
        self._proved = proved
        self._day = day
        self._inbox = inbox
        self._clock = clock
        self._rand = rand
        self._plan = plan
        self._calendar = self._new_calendar(goes_on=False)
        self._heart = self._new_heart()

    def _new_calendar(self, *, goes_on: bool) -> Calendar:
        plan = self._plan
        return Calendar(
            plan.summary_minute, plan.time_zone, cache=DayCache(plan.state_dir), day=self._day, inbox=self._inbox,
            clock=self._clock, goes_on=goes_on,
        )  # fmt: skip

    def _new_heart(self) -> OutwardHeartbeat | None:
        pings = self._plan.heartbeat
        return None if pings is None else OutwardHeartbeat(pings, self._look, self._clock, self._rand)

    def switch(self, plan: Plan) -> Switched:
        """Go on with another configuration; what is the same in it goes on untouched."""
        before, self._plan = self._plan, plan
        ended: list[Job] = []
        begun: list[Job] = []
        gone: OutwardHeartbeat | None = None
        if (before.summary_minute, before.time_zone) != (plan.summary_minute, plan.time_zone):
            ended += self._calendar.jobs()
            self._calendar = self._new_calendar(goes_on=True)
            begun += self._calendar.jobs()
        if not _same_pings(before.heartbeat, plan.heartbeat):
            gone = self._heart
            ended += () if gone is None else gone.jobs()
            self._heart = self._new_heart()
            begun += () if self._heart is None else self._heart.jobs()
        return Switched(tuple(job.name for job in ended), begun, () if gone is None else (gone.close,))

    def begin(self) -> DayKept | None:
        """Return what an earlier run counted of the day; the first call after the state was restored."""
        return self._calendar.begin()

    def jobs(self) -> Sequence[Job]:
        """Return what must run; all of it may be cancelled at any time."""
        return (*self._calendar.jobs(), *(() if self._heart is None else self._heart.jobs()))

    def view(self) -> HeartbeatView | None:
        """Return what the pings have done; None if there are none."""
        return None if self._heart is None else self._heart.view()

    async def close(self) -> None:
        """Keep the day as it ended, and let go of the connection."""
        try:
            await self._calendar.finish()
        finally:
            if self._heart is not None:
                await self._heart.close()

    async def _look(self) -> Health:
        return without_history(await self._proved())


def _same_pings(one: HeartbeatPlan | None, other: HeartbeatPlan | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.url.reveal() == other.url.reveal() and one._replace(url=other.url) == other
