"""One channel's way out: what is due leaves together, as soon as pace and service allow any of it to leave."""

import asyncio
import math
from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import NamedTuple

import structlog

from monitor.beat import Beat
from monitor.core.events import DeliveryResult, Unsure
from monitor.core.model import Now
from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.errors import DeliveryError
from monitor.notify.marks import Marks
from monitor.notify.message import bare, render_group
from monitor.notify.nap import Nap
from monitor.notify.pacing import Pace, Urgency
from monitor.notify.pending import Entry, Pending
from monitor.notify.retry import asked_pause_s, pause_s
from monitor.ports import Attempt, Channel, Clock, Illustrator, Inbox, Message, Probe, Step, unwatched

log = structlog.get_logger()

BROKEN_AFTER_S = 300.0  # without an accepted message since the first failure
PICTURE_S = 0.3  # what a message waits for its picture at most
ATTEMPT_S = 60.0  # in which an attempt is over: a channel gives up sending by itself, and a database writing
FALLEN_PAUSE_S = 300.0  # for what ends this job in any form; deaths so far apart are forgiven
# After these a service may have taken the message all the same.
_UNSURE = frozenset({"timeout", "disconnected", "closed", "http-502", "http-504"})
# These may be about one notice of several: what a filter, or a bug of the service, does not let pass.
_ABOUT_CONTENT = frozenset(
    {"http-400", "http-413", "http-415", "http-422", "smtp-550", "smtp-552", "smtp-554", "rejected"}
)
_PICTURED = (NoticeKind.ALERT, NoticeKind.REMINDER, NoticeKind.CLOSED)


class ChannelStats(NamedTuple):
    """Counts of one channel since the start; ``..._ms`` are wall times."""

    channel: str
    sent: int  # messages accepted
    notices: int  # in them
    failed: int  # attempts that may be repeated
    refused: int  # notices the service will never take
    superseded: int
    pending: int
    oldest_ms: int | None  # when the longest-waiting of the pending was decided
    oldest_s: float | None  # how long ago that is, whatever became of the wall clock since it was handed over
    failing: bool  # the last attempt failed
    broken: bool  # it refused the last message for good, or has accepted none for five minutes since one failed
    since_ms: int | None  # when the first attempt failed since the last that was accepted
    last_reason: str  # of the last failure; empty before the first


class Surroundings(NamedTuple):
    """What all lanes share."""

    marks: Marks
    inbox: Inbox
    clock: Clock
    rand: Callable[[], float]  # numbers in [0, 1)
    tz: tzinfo
    newest: Callable[[str], Facts | None]  # by subject
    illustrator: Illustrator | None
    minute_s: float  # of the pace
    probe: Probe = unwatched


class Lane:
    """Delivers what it is offered over one channel, one message at a time.

    Args:
        channel: the way out.
        around: what all lanes share.
        pending: what waited for a channel of this name before there was this lane.
    """

    def __init__(self, channel: Channel, around: Surroundings, pending: Pending | None = None) -> None:
        self._channel = channel
        self._replaced: list[Channel] = []  # closed once the message in flight over them met its fate
        self._around = around
        self._clock = around.clock
        self._pending = Pending() if pending is None else pending
        self._pending.hurry(self._clock.mono_s())
        self._pace = Pace(around.minute_s)
        self._nap = Nap(around.clock)
        self._held_until_s = -math.inf  # the service asked not to be called at all
        self._turns = 0  # how often another configuration came
        self._deadline_s: float | None = None  # set once finishing
        self._sent = self._notices = self._failed = self._refused = 0
        self._troubled: tuple[float, int] | None = None  # since when nothing was accepted, by both clocks
        self._refusing = False  # the last message was refused for good
        self._apart = False  # the last one with several notices was not liked, perhaps for one of them: one by one
        self._last_reason = ""
        self._attempting = False
        self._bare: set[str] = set()  # notices whose messages ended this job, each alone
        self.beat = Beat()

    def offer(self, notice: Notice, *, recorded: bool) -> None:
        """Take a notice without blocking."""
        if self._pending.overtakes(notice):
            # Its row says superseded by now. Should the process die before the message is answered, nothing else
            # would tell the next one that somebody may have read it.
            self._around.inbox.post(Unsure(notice.subject, notice.key, notice.channel))
        now = self._clock.now()
        # The age of what an earlier run decided is only known by the wall clock.
        age_s = max(0.0, (now.wall_ms - notice.decided_ms) / 1000)
        self._pending.offer(notice, recorded=recorded, now_s=now.mono_s, age_s=age_s)
        self._wake()

    def withdraw(self, subject: str) -> bool:
        """Drop what waits for a subject; return False if it is being sent right now."""
        return self._pending.withdraw(subject)

    def is_pending(self, key: str) -> bool:
        """Return whether a notice waits or is being sent."""
        return self._pending.holds(key)

    def pending(self) -> list[Notice]:
        """Return the notices that wait or are being sent."""
        return self._pending.notices()

    def turn(self, channel: Channel, around: Surroundings) -> None:
        """Go on over this channel and with these surroundings, as if nothing had been asked to end.

        What is in flight over another one meets its fate there; what failed there is due at once.
        """
        self._around = around
        self._turns += 1
        if channel is not self._channel:
            self._replaced.append(self._channel)
            self._channel = channel
            self._held_until_s = -math.inf
            self._troubled, self._refusing, self._last_reason = None, False, ""
            self._pending.hurry(self._clock.mono_s())
        if self._deadline_s is not None:
            self._deadline_s = None
            self._pending.hurry(self._clock.mono_s())
        if not self._attempting:
            self._let_go()
        self._wake()

    def leave(self) -> None:
        """End once the message in flight met its fate; what waits goes on waiting for ``turn``, or for another."""
        self.finish(-math.inf)

    def close(self) -> Pending:
        """Let go of the channel, once the job ended; return what waits for one of its name."""
        self._let_go()
        self._channel.close()
        return self._pending

    def _let_go(self) -> None:
        for channel in self._replaced:
            channel.close()
        self._replaced.clear()

    def finish(self, deadline_s: float) -> None:
        """Try once what is due, start nothing after ``deadline_s`` (monotonic), and end."""
        self._deadline_s = deadline_s
        self._wake()

    def _wake(self) -> None:
        self._nap.interrupt()
        if not self._attempting:
            self.beat.called(self._clock.mono_s())

    def stats(self) -> ChannelStats:
        """Return the figures as they stand."""
        since_s, since_ms = self._troubled or (math.inf, None)
        return ChannelStats(
            channel=self._channel.name,
            sent=self._sent,
            notices=self._notices,
            failed=self._failed,
            refused=self._refused,
            superseded=self._pending.superseded,
            pending=len(self._pending),
            oldest_ms=self._pending.oldest_ms(),
            oldest_s=self._pending.oldest_s(self._clock.mono_s()),
            failing=self._troubled is not None,
            broken=self._refusing or self._clock.mono_s() - since_s > BROKEN_AFTER_S,
            since_ms=since_ms,
            last_reason=self._last_reason,
        )

    async def run(self) -> None:
        """Deliver until finished. A job started anew after a failure of its own goes on where it was."""
        self._attempting = False
        self._resume()
        while True:
            now_s = self._clock.mono_s()
            due = self._pending.due(now_s)[: 1 if self._apart or self._bare else None]
            starts_s = self._starts_s(due, now_s)
            if self._deadline_s is not None and max(starts_s, now_s) > self._deadline_s:
                return
            if starts_s <= now_s:
                self.beat.back(now_s + ATTEMPT_S)
                self._attempting = True
                await self._attempt(due)
                self._attempting = False
                self._let_go()
                continue
            # What is due later may leave sooner than what is due now.
            next_s = self._pending.next_due_s(now_s)
            wake_s = min(starts_s, math.inf if next_s is None else next_s)
            self.beat.back(wake_s)
            await self._nap.sleep(wake_s - now_s if math.isfinite(wake_s) else None)

    def _resume(self) -> None:
        """Go on where a fault of ours ended this job before: what was under way must reach people all the same.

        Several are tried one by one, one alone is written as plainly as can be, and what fails even so is put off
        for so long that it takes neither another message nor the service along.
        """
        fallen = self._pending.under_way()
        if not fallen:
            return
        now_s = self._clock.mono_s()
        known = {entry.notice.key for entry in fallen} & self._bare
        if len(fallen) == 1:
            self._bare = {key for key in self._bare if self._pending.holds(key)} | {fallen[0].notice.key}
        self._apart = self._apart or len(fallen) > 1
        self._pending.returned(lambda entry: now_s + (FALLEN_PAUSE_S if entry.notice.key in known else 0.0))

    def _starts_s(self, due: Sequence[Entry], now_s: float) -> float:
        """Return when a message with all that is due may start; infinity if nothing is."""
        if not due:
            return math.inf
        if self._deadline_s is not None:
            paced_s = self._pace.parting_s(now_s)
        else:
            urgencies = {entry.urgency for entry in due}
            paced_s = min(self._pace.allowed_s(urgency, now_s) for urgency in urgencies)
        return max(self._held_until_s, paced_s)

    async def _attempt(self, due: Sequence[Entry]) -> None:
        urgency = max(entry.urgency for entry in due)
        self._pending.depart(due)
        picture = None if urgency is Urgency.EMERGENCY else await self._picture(due)
        self._pace.started(urgency, self._clock.mono_s())
        now = self._clock.now()
        started_ms = now.wall_ms
        message = self._rendered(due, now)._replace(chart=picture)
        self._passed(Step.SENDING, due)
        channel = self._channel
        try:
            await channel.send(message)
        except DeliveryError as error:
            self._passed(Step.FAILED, due)
            tried = Attempt(started_ms, self._clock.wall_ms(), error.reason)
            if channel is self._channel:
                await self._not_accepted(due, tried, error)
            else:
                await self._again(due, tried, error, lambda _entry: self._clock.mono_s())
        else:
            self._passed(Step.SENT, due)
            await self._accepted(due, Attempt(started_ms, self._clock.wall_ms()))

    def _rendered(self, entries: Sequence[Entry], now: Now) -> Message:
        if entries[0].notice.key in self._bare:
            return bare(entries[0].notice)
        return render_group(
            [entry.dated(now) for entry in entries],
            fmt=self._channel.format,
            now_ms=now.wall_ms,
            unrecorded=not all(entry.recorded for entry in entries),
            tz=self._around.tz,
            newest=self._around.newest,
        )

    async def _picture(self, entries: Sequence[Entry]) -> bytes | None:
        """Return a picture of what the message is about, if it is one wallet and the picture comes in time."""
        illustrator = self._around.illustrator
        notice = entries[0].notice
        alone = len(entries) == 1 and notice.kind in _PICTURED
        if illustrator is None or not alone or not self._channel.takes_files or self._deadline_s is not None:
            return None
        try:
            async with asyncio.timeout(PICTURE_S):
                return await illustrator.picture(notice)
        except TimeoutError:
            return None

    async def _accepted(self, entries: Sequence[Entry], tried: Attempt) -> None:
        self._pending.landed()
        self._apart = False
        self._bare -= {entry.notice.key for entry in entries}
        self._sent += 1
        self._notices += len(entries)
        if self._troubled is not None:
            self._troubled, self._refusing = None, False
            attempts = max(entry.attempts for entry in entries)
            log.info("delivery.back", channel=self._channel.name, attempts=attempts)
        try:
            await self._around.marks.accepted(entries, tried)
            self._passed(Step.MARKED, entries)
        finally:
            self._report(entries, accepted=True)  # whatever becomes of the mark, somebody has been told

    async def _not_accepted(self, entries: Sequence[Entry], tried: Attempt, error: DeliveryError) -> None:
        now_s, turns = self._clock.mono_s(), self._turns
        self._last_reason = error.reason
        if error.reason not in _UNSURE:
            self._pace.missed()
        if self._troubled is None:
            self._troubled = (now_s, tried.ended_ms)
            log.warning("delivery.failing", channel=self._channel.name, reason=error.reason)
        self._refusing = error.permanent
        if error.permanent:
            self._pending.landed()
            self._refused += len(entries)
            log.error(
                "delivery.refused", channel=self._channel.name, reason=error.reason,
                key=entries[0].notice.key, notices=len(entries),
            )  # fmt: skip
            try:
                await self._around.marks.refused(entries, tried)
                self._passed(Step.MARKED, entries)
            finally:
                # Or nobody else would be told instead.
                self._report(entries, accepted=False, reason=error.reason, moved=turns != self._turns)
            return
        self._failed += 1
        self._apart = self._apart or (len(entries) > 1 and error.reason in _ABOUT_CONTENT)
        asked_s = asked_pause_s(error)
        if asked_s:
            self._held_until_s = now_s + asked_s
        rand = self._around.rand()  # one for all, so that they stay together
        finishing = self._deadline_s is not None

        def due_s(entry: Entry) -> float:
            return math.inf if finishing else now_s + max(asked_s, pause_s(entry.attempts, rand))

        await self._again(entries, tried, error, due_s)

    async def _again(
        self, entries: Sequence[Entry], tried: Attempt, error: DeliveryError, due_s: Callable[[Entry], float]
    ) -> None:
        """Have what failed tried once more when it is due, as far as somebody still wants it."""
        self._pending.returned(due_s)
        withdrawn = [entry for entry in entries if entry.withdrawn]
        tried_again = [entry for entry in entries if not entry.withdrawn]
        if error.reason in _UNSURE:
            for entry in entries:
                self._around.inbox.post(Unsure(entry.notice.subject, entry.notice.key, entry.notice.channel))
        if tried_again:
            await self._around.marks.attempted(tried_again, tried)
        if withdrawn:
            await self._around.marks.refused(withdrawn, tried._replace(reason="withdrawn"))
        self._passed(Step.MARKED, entries)

    def _report(
        self, entries: Sequence[Entry], *, accepted: bool, reason: str = "", moved: bool = False
    ) -> None:  # fmt: skip
        for entry in entries:
            notice = entry.notice
            self._around.inbox.post(
                DeliveryResult(notice.subject, notice.key, notice.channel, accepted, reason, notice.level, moved)
            )
        self._passed(Step.REPORTED, entries)

    def _passed(self, step: Step, entries: Sequence[Entry]) -> None:
        self._around.probe(step, [entry.notice for entry in entries])
