"""The asyncio side of delivery: one job for each channel, from a committed notice to an accepted message.

The order is a promise: the caller commits, this module sends, and only then marks. A crash in between repeats
a message and never loses one. Each channel is on its own: one that hangs or fails delays no other.
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, tzinfo
from typing import NamedTuple

import structlog

from monitor.core.events import DeliveryResult, StoreState
from monitor.core.model import Level
from monitor.core.notices import Notice
from monitor.errors import DeliveryError, StoreError
from monitor.notify.message import render
from monitor.notify.pending import Entry, Pending
from monitor.notify.retry import asked_pause_s, pause_s
from monitor.ports import Attempt, Channel, Clock, Inbox, Job, StateStore

log = structlog.get_logger()


class ChannelStats(NamedTuple):
    """Counts of one channel since the start; ``oldest_ms`` is a wall time."""

    channel: str
    sent: int
    failed: int  # attempts that may be repeated
    refused: int  # notices the service will never take
    superseded: int
    pending: int
    oldest_ms: int | None  # when the longest-waiting of the pending was decided
    failing: bool  # the last attempt failed
    last_reason: str  # of the last failure; empty before the first


class Delivery:
    """Hands notices to channels until each is accepted, refused, superseded or withdrawn.

    Args:
        channels: where messages go, with unique names.
        store: where fates are marked. Its failures never stop or repeat a message.
        inbox: gets a ``DeliveryResult`` for each fate, and a ``StoreState`` when marking fails or works again.
        clock: for pauses, gaps and lateness.
        rand: numbers in [0, 1) that spread repeated attempts.
        min_gap_s: least time between two messages on a channel; an emergency does not wait for it.
        tz: a zone that messages show beside UTC.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        *,
        store: StateStore,
        inbox: Inbox,
        clock: Clock,
        rand: Callable[[], float] = random.random,
        min_gap_s: float = 1.0,
        tz: tzinfo = UTC,
    ) -> None:
        marks = _Marks(store, inbox)
        self._clock = clock
        self._finishing = False
        self._strangers: set[str] = set()
        self._lanes = {
            channel.name: _Lane(channel, marks, inbox, clock, rand=rand, min_gap_s=min_gap_s, tz=tz)
            for channel in channels
        }

    def jobs(self) -> Sequence[Job]:
        """Return one job for each channel; they end after ``finish``."""
        return [Job(f"notify.{name}", lane.run) for name, lane in self._lanes.items()]

    def offer(self, notices: Sequence[Notice], *, recorded: bool) -> None:
        """Take notices without blocking; ``recorded`` says whether their commit succeeded.

        After ``finish`` nothing is taken: what was recorded is delivered by the next run, what was not is lost.
        """
        if self._finishing:
            for notice in () if recorded else notices:
                log.error("delivery.lost", channel=notice.channel, key=notice.key)
            return
        for notice in notices:
            lane = self._lanes.get(notice.channel)
            if lane is not None:
                lane.offer(notice, recorded=recorded)
            elif notice.channel not in self._strangers:
                # Left in the database by a run whose configuration still had this channel.
                self._strangers.add(notice.channel)
                log.warning("delivery.no_channel", channel=notice.channel)

    def withdraw(self, subject: str, channel: str) -> bool:
        """Drop an undelivered notice because its incident is over; return False if it is being sent right now.

        A message in flight cannot be called back, but is not repeated if it fails.
        """
        lane = self._lanes.get(channel)
        return lane is None or lane.withdraw(subject)

    def is_pending(self, key: str, channel: str) -> bool:
        """Return whether a notice still waits for its channel, or is being sent to it."""
        lane = self._lanes.get(channel)
        return lane is not None and lane.is_pending(key)

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


class _Lane:
    """One channel's way out."""

    def __init__(
        self,
        channel: Channel,
        marks: "_Marks",
        inbox: Inbox,
        clock: Clock,
        *,
        rand: Callable[[], float],
        min_gap_s: float,
        tz: tzinfo,
    ) -> None:
        self._channel = channel
        self._marks = marks
        self._inbox = inbox
        self._clock = clock
        self._rand = rand
        self._min_gap_s = min_gap_s
        self._tz = tz
        self._pending = Pending()
        self._nap = _Nap(clock)
        self._gap_until_s = -math.inf  # for all but emergencies
        self._held_until_s = -math.inf  # the service asked not to be called at all
        self._deadline_s: float | None = None  # set once finishing
        self._sent = self._failed = self._refused = 0
        self._failing = False
        self._last_reason = ""

    def offer(self, notice: Notice, *, recorded: bool) -> None:
        self._pending.offer(notice, recorded=recorded, now_s=self._clock.mono_s())
        self._nap.interrupt()

    def withdraw(self, subject: str) -> bool:
        return self._pending.withdraw(subject)

    def is_pending(self, key: str) -> bool:
        return self._pending.holds(key)

    def finish(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._nap.interrupt()

    def stats(self) -> ChannelStats:
        return ChannelStats(
            channel=self._channel.name,
            sent=self._sent,
            failed=self._failed,
            refused=self._refused,
            superseded=self._pending.superseded,
            pending=len(self._pending),
            oldest_ms=self._pending.oldest_ms(),
            failing=self._failing,
            last_reason=self._last_reason,
        )

    async def run(self) -> None:
        """Deliver until finished. A job started anew after a failure of its own goes on where it was."""
        self._pending.returned(self._clock.mono_s())
        while True:
            now_s = self._clock.mono_s()
            entry = self._pending.peek(now_s)
            start_s = self._pending.next_due_s() if entry is None else self._allowed_s(entry)
            if self._deadline_s is not None and (entry is None or max(start_s or 0.0, now_s) > self._deadline_s):
                return
            if entry is not None and start_s is not None and start_s <= now_s:
                await self._attempt(entry)
            else:
                await self._nap.sleep(None if start_s is None else start_s - now_s)

    def _allowed_s(self, entry: Entry) -> float:
        """Return when this entry may leave at the earliest."""
        urgent = entry.notice.level is Level.EMERGENCY
        return self._held_until_s if urgent else max(self._held_until_s, self._gap_until_s)

    async def _attempt(self, entry: Entry) -> None:
        self._pending.depart(entry)
        self._gap_until_s = self._clock.mono_s() + self._min_gap_s
        started_ms = self._clock.wall_ms()
        message = render(
            entry.notice,
            fmt=self._channel.format,
            now_ms=started_ms,
            unrecorded=not entry.recorded,
            tz=self._tz,
        )
        try:
            await self._channel.send(message)
        except DeliveryError as error:
            await self._not_accepted(entry, error, started_ms)
        else:
            await self._accepted(entry, started_ms)

    async def _accepted(self, entry: Entry, started_ms: int) -> None:
        self._pending.landed()
        self._sent += 1
        if self._failing:
            self._failing = False
            log.info("delivery.back", channel=self._channel.name, attempts=entry.attempts)
        await self._marks.accepted(entry, Attempt(started_ms, self._clock.wall_ms()))
        self._report(entry.notice, accepted=True)

    async def _not_accepted(self, entry: Entry, error: DeliveryError, started_ms: int) -> None:
        now_s = self._clock.mono_s()
        tried = Attempt(started_ms, self._clock.wall_ms(), error.reason)
        self._last_reason = error.reason
        if not self._failing:
            self._failing = True
            log.warning("delivery.failing", channel=self._channel.name, reason=error.reason)
        if error.permanent:
            self._pending.landed()
            self._refused += 1
            log.error("delivery.refused", channel=self._channel.name, key=entry.notice.key, reason=error.reason)
            await self._marks.refused(entry, tried)
            self._report(entry.notice, accepted=False, reason=error.reason)
            return
        self._failed += 1
        asked_s = asked_pause_s(error)
        if asked_s:
            self._held_until_s = now_s + asked_s
        finishing = self._deadline_s is not None
        due_s = math.inf if finishing else now_s + max(asked_s, pause_s(entry.attempts, self._rand()))
        if self._pending.returned(due_s):
            await self._marks.attempted(entry, tried)
        elif entry.withdrawn:  # else superseded, in the database too
            await self._marks.refused(entry, tried._replace(reason="withdrawn"))

    def _report(self, notice: Notice, *, accepted: bool, reason: str = "") -> None:
        self._inbox.post(DeliveryResult(notice.subject, notice.key, notice.channel, accepted, reason))


class _Marks:
    """Records fates in the database. Trouble there becomes an event on its edges and goes no further.

    The message has gone out by then: to fail because of the mark would send it twice.
    """

    def __init__(self, store: StateStore, inbox: Inbox) -> None:
        self._store = store
        self._inbox = inbox
        self._ok = True

    async def accepted(self, entry: Entry, tried: Attempt) -> None:
        await self._write(entry, self._store.accepted([entry.notice.key], entry.notice.channel, tried))

    async def attempted(self, entry: Entry, tried: Attempt) -> None:
        await self._write(entry, self._store.attempted([entry.notice.key], entry.notice.channel, tried))

    async def refused(self, entry: Entry, tried: Attempt) -> None:
        await self._write(entry, self._store.refused([entry.notice.key], entry.notice.channel, tried))

    async def _write(self, entry: Entry, writing: Awaitable[None]) -> None:
        try:
            await writing
        except StoreError as error:
            ok, reason = False, error.operation
        else:
            ok, reason = True, ""
        # An unrecorded notice is marked too, for its commit may have been repeated since; whether the database
        # takes writes is then told by whoever repeats it.
        if entry.recorded and ok is not self._ok:
            self._ok = ok
            self._inbox.post(StoreState("state", ok, reason))


class _Nap:
    """A sleep on the clock that another part of the program can cut short, without a task of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._scope: asyncio.Timeout | None = None

    async def sleep(self, seconds: float | None) -> None:
        """Return after ``seconds``, or when interrupted; None waits for the interruption alone."""
        try:
            async with asyncio.timeout(None) as self._scope:
                if seconds is None:
                    await asyncio.get_running_loop().create_future()
                else:
                    await self._clock.sleep(seconds)
        except TimeoutError:
            return  # interrupted
        finally:
            self._scope = None

    def interrupt(self) -> None:
        """End the sleep under way, if there is one."""
        if self._scope is not None:
            self._scope.reschedule(asyncio.get_running_loop().time())
            self._scope = None
