"""The asyncio side of delivery: one job for each channel, from a committed notice to an accepted message.

The order is a promise: the caller commits, this module sends, and only then marks. A crash in between repeats
a message and never loses one. Each channel is on its own: one that hangs or fails delays no other.
"""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo

import structlog

from monitor.core.notices import Facts, Notice
from monitor.notify.lane import ChannelStats, Lane, Surroundings
from monitor.notify.marks import Marks
from monitor.notify.pacing import MINUTE_S
from monitor.notify.pending import Pending
from monitor.ports import Channel, Clock, Illustrator, Inbox, Job, Mark, Probe, StateStore, unwatched

log = structlog.get_logger()


class Delivery:
    """Hands notices to channels until each is accepted, refused, superseded or withdrawn.

    Args:
        channels: where messages go, with unique names.
        store: where fates are marked. Its failures never stop or repeat a message.
        inbox: gets a ``DeliveryResult`` for each fate, and a ``StoreState`` when marking fails or works again.
        clock: for pauses, pacing and lateness.
        rand: numbers in [0, 1) that spread repeated attempts.
        tz: a zone that messages show beside UTC.
        newest: by subject, how it is now, which a late message says beside what it was; None: not known.
        illustrator: draws what a message about one wallet is about, for channels that take files.
        minute_s: the minute in which a channel gets five messages at most; shorter only where time is played.
        probe: told of each step of each message.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        *,
        store: StateStore,
        inbox: Inbox,
        clock: Clock,
        rand: Callable[[], float] = random.random,
        tz: tzinfo = UTC,
        newest: Callable[[str], Facts | None] = lambda _subject: None,
        illustrator: Illustrator | None = None,
        minute_s: float = MINUTE_S,
        probe: Probe = unwatched,
    ) -> None:
        self._marks = marks = Marks(store, inbox)
        self._around = Surroundings(marks, inbox, clock, rand, tz, newest, illustrator, minute_s, probe)
        self._clock = clock
        self._finishing = False
        self._lanes = {channel.name: Lane(channel, self._around) for channel in channels}
        self._leaving: dict[str, Lane] = {}  # of channels taken out, with a message in flight
        # What waits for channels that are not configured: one notice of each subject, as in the database.
        self._strangers: dict[str, Pending] = {}

    def jobs(self) -> Sequence[Job]:
        """Return one job for each channel; they end after ``finish``."""
        return [self._job(name, lane) for name, lane in self._lanes.items()]

    def switch(self, channels: Sequence[Channel], *, tz: tzinfo, illustrator: Illustrator | None) -> Sequence[Job]:
        """Go on with these channels; return the jobs of those that are new.

        One of a name that was there takes over what waits, and the pace. One that is gone finishes the message in
        flight; what waits for it then waits for a channel of its name, here and in the database.
        """
        self._around = self._around._replace(tz=tz, illustrator=illustrator)
        before, self._lanes = self._lanes, {}
        jobs = []
        for channel in channels:
            name = channel.name
            lane = before.pop(name, None) or self._leaving.pop(name, None)
            if lane is None:
                lane = Lane(channel, self._around, self._strangers.pop(name, None))
                jobs.append(self._job(name, lane))
            self._lanes[name] = lane
            lane.turn(channel, self._around)
        for name, lane in before.items():
            self._leaving[name] = lane
            lane.leave()
            if waiting := lane.pending():
                log.warning("delivery.left", channel=name, messages=len(waiting))
        return jobs

    def parting(self) -> Sequence[str]:
        """Return the names of the jobs that end once a message in flight met its fate."""
        return [_job_name(name) for name in self._leaving]

    def close(self) -> None:
        """Let go of all channels without waiting for a send that hangs."""
        for lane in (*self._lanes.values(), *self._leaving.values()):
            lane.close()

    def _job(self, name: str, lane: Lane) -> Job:
        async def run() -> None:
            await lane.run()
            if self._leaving.get(name) is lane:
                del self._leaving[name]
                self._strangers[name] = lane.close()

        return Job(_job_name(name), run, lane.beat)

    def _lane(self, name: str) -> Lane | None:
        return self._lanes.get(name) or self._leaving.get(name)

    def offer(self, notices: Sequence[Notice], *, recorded: bool) -> None:
        """Take notices without blocking; ``recorded`` says whether their commit succeeded.

        After ``finish`` nothing is taken: what was recorded is delivered by the next run, what was not is lost.
        """
        if self._finishing:
            for notice in () if recorded else notices:
                log.error("delivery.lost", channel=notice.channel, key=notice.key)
            return
        for notice in notices:
            lane = self._lane(notice.channel)
            if lane is not None:
                lane.offer(notice, recorded=recorded)
                continue
            # Left by a configuration that still had this channel.
            if notice.channel not in self._strangers:
                self._strangers[notice.channel] = Pending()
                log.warning("delivery.no_channel", channel=notice.channel)
            waiting = self._strangers[notice.channel]
            now = self._clock.now()
            age_s = max(0.0, (now.wall_ms - notice.decided_ms) / 1000)
            waiting.offer(notice, recorded=recorded, now_s=now.mono_s, age_s=age_s)

    def withdraw(self, subject: str, channel: str) -> bool:
        """Drop an undelivered notice because its incident is over; return False if it is being sent right now.

        A message in flight cannot be called back, but is not repeated if it fails.
        """
        lane = self._lane(channel) or self._strangers.get(channel)
        return lane is None or lane.withdraw(subject)

    def is_pending(self, key: str, channel: str) -> bool:
        """Return whether a notice waits for its channel, is being sent, or its fate is just being written."""
        lane = self._lane(channel)
        waiting = lane.is_pending(key) if lane is not None else self._waits(key, channel)
        return waiting or self._marks.is_marking(key, channel)

    def _waits(self, key: str, channel: str) -> bool:
        waiting = self._strangers.get(channel)
        return waiting is not None and waiting.holds(key)

    def pending(self) -> tuple[Notice, ...]:
        """Return what waits for its channel or is being sent to it, in the order of decision."""
        lanes = (*self._lanes.values(), *self._leaving.values())
        waiting = [notice for lane in lanes for notice in lane.pending()]
        waiting += [notice for pending in self._strangers.values() for notice in pending.notices()]
        return tuple(sorted(waiting, key=lambda notice: notice.decided_ms))

    def stranded(self) -> dict[str, int]:
        """Return how many notices wait for channels that are not configured, or are in flight over one gone."""
        counts = {name: len(lane.pending()) for name, lane in self._leaving.items()}
        for name, waiting in self._strangers.items():
            counts[name] = counts.get(name, 0) + len(waiting)
        return {name: count for name, count in counts.items() if count}

    def owes(self) -> bool:
        """Return whether there are fates that the database did not take."""
        return self._marks.owes()

    def unmarked(self) -> tuple[Mark, ...]:
        """Return these fates and forget them: whoever asks writes them."""
        return self._marks.unmarked()

    def finish(self, drain_s: float) -> None:
        """Take no more, try once what is due, start nothing after ``drain_s`` seconds, then end the jobs.

        A send that still hangs then ends when its channel is closed or its job cancelled. What stays undelivered
        stays due in the database.
        """
        self._finishing = True
        for lane in self._lanes.values():
            lane.finish(self._clock.mono_s() + drain_s)

    def stats(self) -> tuple[ChannelStats, ...]:
        """Return the figures of every channel, in configuration order."""
        return tuple(lane.stats() for lane in self._lanes.values())


def _job_name(channel: str) -> str:
    return f"notify.{channel}"
