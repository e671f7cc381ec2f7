"""Commit, then send: effects of the engine go to ``state.db`` before their notices go anywhere.

One job writes. What arrives while it writes joins the next transaction, so the engine never waits for a disk.
If a commit fails or takes too long, its notices are sent all the same, marked unrecorded, the trouble is
reported, and the rows are written again until the store takes them. Longer than other modules: what may go wrong
between a decision and its row is answered in one place.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

import structlog

from monitor.beat import Beat
from monitor.core.events import Restored, StoreState, Unsure
from monitor.core.incidents import Effects
from monitor.core.model import Level
from monitor.core.notices import Hold, Notice, SubjectState, Transition
from monitor.errors import StoreError
from monitor.ports import Clock, Inbox, Mark, Probe, Replaced, Rows, StateStore, Step, Stored, unwatched

log = structlog.get_logger()

COMMIT_TIMEOUT_S = 0.9  # below what a drain allows for commits, so that it sees them fail and sends all the same
RETRY_S = 5.0
LATENCIES_KEPT = 4096
# While the store takes nothing; beyond that the oldest lose the time of their end, ...
ENDED_KEPT = 4096
# ... the next run closes once more what it finds in the store and nobody holds, ...
GONE_KEPT = 4096
# ... or tells once more what was over before it arrived, ...
OVER_KEPT = 4096
# ... or what had arrived.
MARKS_KEPT = 4096


_Key = TypeVar("_Key")


class Outbox(Protocol):
    """Where committed notices go."""

    def offer(self, notices: Sequence[Notice], *, recorded: bool) -> None:
        """Take notices to send; never blocks."""
        ...

    def withdraw(self, subject: str, channel: str) -> bool:
        """Drop pending notices of a subject on a channel; False if one is being sent right now."""
        ...

    def is_pending(self, key: str, channel: str) -> bool:
        """Return whether a notice still waits for its channel."""
        ...

    def pending(self) -> Sequence[Notice]:
        """Return what waits for its channel or is being sent, in the order of decision."""
        ...

    def owes(self) -> bool:
        """Return whether there are fates that the store did not take."""
        ...

    def unmarked(self) -> Sequence[Mark]:
        """Return these fates and forget them."""
        ...


@dataclass(slots=True)
class _Batch:
    """Rows of one transaction.

    Bounded: one state a subject, one waiting notice a subject and channel, the newest of all that is over. Holds
    are made by people and come one by one.
    """

    subjects: dict[str, SubjectState] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    over: dict[tuple[str, str], None] = field(default_factory=dict)  # resolved before the notices are added
    ended: dict[tuple[str, int], int] = field(default_factory=dict)  # (subject, incident): when
    holds: dict[str, Hold] = field(default_factory=dict)  # by key
    marks: list[Mark] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)  # logged once their notices are on their way
    seen_s: float | None = None  # when the oldest cause of it was received

    def add(self, effects: Effects) -> None:
        for subject in effects.gone:
            self.subjects.pop(subject, None)
            self.gone[subject] = None
        for state in effects.subjects:
            self.subjects[state.subject] = state
            self.gone.pop(state.subject, None)
        _bound(self.gone, GONE_KEPT)
        self.notices = _without(self.notices, effects.withdrawn)
        self.notices.extend(effects.notices)
        for transition in effects.transitions:
            if transition.level is Level.OK:
                self.end((transition.subject, transition.incident), transition.at_ms)
        self.holds |= {hold.key: hold for hold in effects.holds}
        self.transitions.extend(effects.transitions)

    def end(self, incident: tuple[str, int], at_ms: int) -> None:
        """Note when an incident ended."""
        self.ended.setdefault(incident, at_ms)
        _bound(self.ended, ENDED_KEPT)

    def owe(self, marks: Iterable[Mark]) -> None:
        """Note what became of messages."""
        self.marks = [*self.marks, *marks][-MARKS_KEPT:]

    def marked(self) -> set[tuple[str, str]]:
        """Return the notices, by key and channel, whose fate is to be written."""
        return {(key, mark.channel) for mark in self.marks for key in mark.keys}

    def rows(self) -> Rows:
        """Return what the store is to write."""
        return Rows(
            over=tuple(self.over),
            subjects=tuple(self.subjects.values()),
            gone=tuple(self.gone),
            notices=tuple(self.notices),
            ended=tuple((*incident, at_ms) for incident, at_ms in self.ended.items()),
            holds=tuple(self.holds.values()),
            marks=tuple(self.marks),
        )

    def __bool__(self) -> bool:
        return any(self.rows())


class Latencies(NamedTuple):
    """Seconds from a received frame to its notices being committed."""

    samples: int
    p50_s: float
    p99_s: float
    worst_s: float


class Committer:
    """Writes effects durably and hands their notices on.

    Args:
        store: where to; opened anew by it when it is damaged, moved or failing.
        outbox: gets the notices.
        inbox: gets what happens to the store.
        clock: paces attempts.
        probe: told of each step of each notice.
        memory: all that a store begun anew has to hold besides what waits to be delivered: states and holds, as
            they are after all that was submitted.
    """

    def __init__(
        self, store: StateStore, outbox: Outbox, inbox: Inbox, clock: Clock, *, probe: Probe = unwatched,
        memory: Callable[[], Effects] = Effects,
    ) -> None:  # fmt: skip
        self._store = store
        self._outbox = outbox
        self._inbox = inbox
        self._clock = clock
        self._probe = probe
        self._batch = _Batch()
        self._sending: list[Notice] = []  # of the commit under way, offered once it is over
        self._handed: set[tuple[str, str]] = set()  # offered before their commit was tried
        self._unoffered: set[tuple[str, str]] = set()  # could not be, and are tried once more
        self._submitted_s: dict[tuple[str, str], float] = {}  # of what is not handed on yet, monotonic
        self._failed: _Batch | None = None
        self._failed_at_s = 0.0
        self._memory = memory
        self._opening: asyncio.Task[Stored] | None = None
        self._unopened: tuple[float, StoreError] | None = None  # when and why opening failed last
        self._anew = False  # all of the present state belongs into the store
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._finishing = False
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self.beat = Beat()
        self.commits = 0
        self.must_open = False  # the store could not be opened at the start

    def submit(self, effects: Effects, seen_s: float | None = None) -> None:
        """Take the effects of one step; ``seen_s`` is when the frame behind them was received."""
        for ended in effects.withdrawn:
            # What is in flight cannot be called back: a row stays due until what became of it is known.
            if self._outbox.withdraw(*ended):
                self._batch.over[ended] = None
            else:
                self._doubt(ended)
            self._sending = _without(self._sending, [ended])
        self._batch.add(effects)
        now_s = self._clock.mono_s()
        self._submitted_s.update({(notice.key, notice.channel): now_s for notice in effects.notices})
        if effects.notices and seen_s is not None:
            self._batch.seen_s = seen_s if self._batch.seen_s is None else min(seen_s, self._batch.seen_s)
        if self._batch:
            self._idle.clear()
            self._call()
            self._probe(Step.DECIDED, effects.notices)

    def _doubt(self, ended: tuple[str, str]) -> None:
        """Have the end told of an alert in flight which another one, just being committed, has superseded."""
        for notice in self._sending:
            if (notice.subject, notice.channel) == ended:
                self._inbox.post(Unsure(notice.subject, notice.key, notice.channel))

    @property
    def ok(self) -> bool:
        """Whether all that was handed to the store so far is in it."""
        return self._failed is None

    def waiting_ms(self) -> dict[str, int]:
        """Return when the oldest notice was decided that was not handed on yet, by channel.

        By our wall clock as it is set now, Unix milliseconds: how long ago that is does not change with it.
        """
        now = self._clock.now()
        found: dict[str, int] = {}
        for notice in (*self._sending, *self._batch.notices):
            name = (notice.key, notice.channel)
            if name not in self._handed:
                at_ms = now.wall_ms - round((now.mono_s - self._submitted_s.get(name, now.mono_s)) * 1000)
                found[notice.channel] = min(found.get(notice.channel, at_ms), at_ms)
        return found

    def nudge(self) -> None:
        """Called each second: a failed commit is tried again when it is due, and a file that went is noticed."""
        if self._failed is not None:
            if self._clock.mono_s() - self._failed_at_s >= RETRY_S:
                self._call()
        elif self.must_open or not self._store.usable() or self._outbox.owes():
            self._call()

    async def flushed(self) -> None:
        """Return once all that was submitted is written, or its notices were handed on without that."""
        await self._idle.wait()

    async def recorded(self) -> bool:
        """Return once all that was submitted is on disk; False if it could not be written."""
        await self.flushed()
        return self.ok

    def hand_on(self) -> None:
        """Offer what waits for a commit, unrecorded: there is no time left to wait for it. Never raises.

        One that cannot be offered takes no other along. It goes with the next commit once more, which also has its
        row written: should it fail even then, the next run tells it.
        """
        waiting = [*self._sending, *self._batch.notices]
        self._sending, again = [], []
        for notice in waiting:
            name = (notice.key, notice.channel)
            try:
                self._outbox.offer([notice], recorded=False)
            except Exception as error:  # noqa: BLE001 - it is told below or with the next commit
                if name not in self._unoffered:
                    self._unoffered.add(name)
                    again.append(notice)
                    continue
                self._unoffered.discard(name)
                log.error("delivery.lost", channel=notice.channel, key=notice.key, error=type(error).__name__)
            self._handed.add(name)
        known = {(notice.key, notice.channel) for notice in self._batch.notices}
        self._batch.notices.extend(one for one in again if (one.key, one.channel) not in known)

    def finish(self) -> None:
        """Write what is left, try once more what failed, and end."""
        self._finishing = True
        self._call()

    def _call(self) -> None:
        self._wake.set()
        self.beat.called(self._clock.mono_s())

    def latencies(self) -> Latencies | None:
        """Return how long commits took since the frame, None before the first."""
        if not self._latencies:
            return None
        ordered = sorted(self._latencies)
        last = len(ordered) - 1
        return Latencies(len(ordered), ordered[last // 2], ordered[last * 99 // 100], ordered[last])

    async def run(self) -> None:
        """Write until ``finish``."""
        try:
            self._resume()
            last = False
            while not (last and not self._batch):
                if self._wake.is_set():
                    self.beat.back(self._clock.mono_s())
                else:
                    self.beat.rest()
                await self._wake.wait()
                self._wake.clear()
                last = self._finishing
                try:
                    await self._write()
                finally:
                    if not self._batch:
                        self._idle.set()
        finally:
            if self._finishing:
                if self._opening is not None:
                    self._opening.cancel()
                self._tell_unwritten()

    def _resume(self) -> None:
        """Go on where a fault of ours ended this job before: no alert waits for what may fail again."""
        if self._sending:
            self.hand_on()
        if self._batch:
            self._call()

    async def _write(self) -> None:
        batch: _Batch | None = None
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                # One that was opened while nobody waited is usable; what became of its file is told all the same.
                if self.must_open or self._opening is not None or not self._store.usable():
                    await self._open()
                # Nothing is awaited up to the commit: all that is decided is in this batch, and in the image.
                batch, rows, retried = self._begin()
                if not rows and retried is None:
                    return
                self._probe(Step.COMMITTING, rows.notices)
                await self._store.commit(rows.rows())
        except (StoreError, TimeoutError) as error:
            if batch is None:
                batch, rows, _ = self._begin()
            self._keep(rows, error)
            self._offer(batch, recorded=False)
        except BaseException:
            # Cancelled, or a fault of ours: neither may swallow an alert.
            if batch is None:
                batch, rows, _ = self._begin()
            self._failed = rows
            self._failed_at_s = self._clock.mono_s()
            self._offer(batch, recorded=False)
            raise
        else:
            self._written(batch, rows, retried)

    def _begin(self) -> tuple[_Batch, _Batch, _Batch | None]:
        """Return what is new, the rows of the transaction that holds it, and what of them failed before."""
        batch, retried = self._batch, self._failed
        self._sending = [n for n in batch.notices if (n.key, n.channel) not in self._handed]
        rows = self._joined(retried, batch)
        self._batch = _Batch()  # only now: what cannot be joined is not lost
        under_way = {(notice.key, notice.channel) for notice in self._sending}
        self._submitted_s = {name: at_s for name, at_s in self._submitted_s.items() if name in under_way}
        return batch, rows, retried

    def _written(self, batch: _Batch, rows: _Batch, retried: _Batch | None) -> None:
        self._probe(Step.COMMITTED, rows.notices)
        self._failed = None
        self._anew = False
        self.commits += 1
        if retried is not None:
            log.info("state.back")
            self._inbox.post(StoreState("state", ok=True))
        if batch.notices and batch.seen_s is not None:
            self._latencies.append(self._clock.mono_s() - batch.seen_s)
        self._offer(batch, recorded=True)
        self._probe(Step.OFFERED, batch.notices)

    def _offer(self, batch: _Batch, *, recorded: bool) -> None:
        try:
            self._hand_over(recorded=recorded)
        finally:
            _log_transitions(batch.transitions)

    async def _open(self) -> None:
        """Open the store. A file that takes longer to look through than an alert may wait is gone on with beside.

        Raises:
            StoreError: it cannot be opened, or could not a moment ago.
        """
        if self._opening is None:
            at_s, error = self._unopened or (0.0, None)
            if error is not None and self._clock.mono_s() - at_s < RETRY_S and not self._finishing:
                raise error
            # It outlives the commit that waits for it, and ends with this job at the latest.
            self._opening = asyncio.create_task(self._store.open())  # noqa: TID251
            self._opening.add_done_callback(lambda _: self._call())
        opening = self._opening
        await asyncio.wait({opening})
        self._opening = None
        try:
            stored = opening.result()
        except StoreError as error:
            self._unopened = (self._clock.mono_s(), error)
            raise
        self._unopened = None
        self._opened(stored)

    def resume(self, pending: Iterable[Notice]) -> None:
        """Offer what an earlier run left, save for what this one told since, or found to be over."""
        parts = [part for part in (self._failed, self._batch) if part is not None]
        known = [(notice.subject, notice.channel) for part in parts for notice in part.notices]
        over = [pair for part in parts for pair in part.over]
        self._outbox.offer(_without(pending, [*over, *known]), recorded=True)

    def _opened(self, stored: Stored) -> None:
        if stored.replaced is not None:
            self._inbox.post(replaced_event("state", stored.replaced))
        if self.must_open:
            self.must_open = False
            # What this run told since, also what was delivered by now, is newer than what waits in there.
            self.resume(stored.pending)
            # What this run knows of levels by now is better; of all else the store knows more.
            self._inbox.post(
                Restored(
                    stored.subjects, stored.fates, stored.holds, stored.last_number, stored.undelivered, late=True
                )
            )
        else:
            # Whatever became of the file, from now on it holds what is known here.
            self._anew = True
            log.info("state.reopened")

    def _joined(self, retried: _Batch | None, batch: _Batch) -> _Batch:
        """Return the rows of one transaction: what failed before and what is new, newest state of each subject.

        All withdrawals come before all notices. None of them meets a newer alert: what was withdrawn after it
        was decided is not among the notices any more.
        """
        rows = _Batch()
        for part in (retried, batch):
            if part is not None:
                rows.owe(part.marks)
                rows.add(
                    Effects(tuple(part.subjects.values()), tuple(part.gone), holds=tuple(part.holds.values()))
                )
                rows.over |= part.over
                _bound(rows.over, OVER_KEPT)
                for incident, at_ms in part.ended.items():
                    rows.end(incident, at_ms)
        rows.owe(self._outbox.unmarked())
        known: Iterable[Notice] = retried.notices if retried is not None else ()
        if self._anew:
            rows.add(self._memory())
            known = [*known, *self._outbox.pending()]
        # What was delivered meanwhile must not come back as pending after a restart: it is written with its fate.
        tried = {(n.key, n.channel): n for n in (*known, *batch.notices)}
        kept = {(n.key, n.channel) for n in self._sending} | rows.marked()
        rows.notices = [n for key, n in tried.items() if key in kept or self._outbox.is_pending(*key)]
        return rows

    def _hand_over(self, *, recorded: bool) -> None:
        """Offer what was to be committed, one by one: should one fail, ``_resume`` knows which are left."""
        while self._sending:
            self._outbox.offer(self._sending[:1], recorded=recorded)
            del self._sending[0]

    def _keep(self, rows: _Batch, error: Exception) -> None:
        """Remember what a failed commit held."""
        reason, hint, path = "timed out", "", ""
        if isinstance(error, StoreError):
            reason, hint, path = error.cause, error.hint, error.path
        if self._failed is None:
            log.error("state.failed", reason=reason)
        self._failed = rows
        self._failed_at_s = self._clock.mono_s()
        self._inbox.post(StoreState("state", ok=False, reason=reason, hint=hint, path=path))

    def _tell_unwritten(self) -> None:
        """What ends with this process and stands in no database is at least in the log."""
        parts = [part for part in (self._failed, self._batch) if part]
        if parts:
            notices = [f"{n.key} {n.channel}" for part in parts for n in part.notices]
            subjects = {subject for part in parts for subject in (*part.subjects, *part.gone)}
            log.error("state.unwritten", subjects=len(subjects), notices=notices)


def replaced_event(store: str, replaced: Replaced) -> StoreState:
    """Return what tells that a damaged database was set aside, or that one was begun where another was."""
    if not replaced.aside:
        return StoreState(store, ok=True, reason=replaced.cause, note="moved")
    kept = f"The damaged file is kept as {replaced.aside}. Nothing of it was deleted"
    saved = [replaced.saved] if replaced.saved else []
    if not replaced.whole:
        saved.append("the rest could not be read" if saved else "nothing was read from it")
    hint = f"{kept}. Taken over: {', '.join(saved)}" if replaced.saved else f"{kept}; {', '.join(saved)}"
    return StoreState(store, ok=True, reason=replaced.cause, hint=hint, note="damaged")


def _bound(kept: dict[_Key, Any], most: int) -> None:
    while len(kept) > most:
        del kept[next(iter(kept))]


def _without(notices: Iterable[Notice], over: Iterable[tuple[str, str]]) -> list[Notice]:
    ended = set(over)
    return [notice for notice in notices if (notice.subject, notice.channel) not in ended]


def _log_transitions(transitions: Iterable[Transition]) -> None:
    """Log what levels did, as loudly as it deserves: without a channel the log is all there is."""
    for transition in transitions:
        facts = transition.facts
        known = {
            "margin_ratio": facts.margin_ratio, "room": facts.room, "distance": facts.distance, "mark": facts.mark,
            "symbols": facts.symbols or None, "reason": facts.reason or None, "hint": facts.detail or None,
        }  # fmt: skip
        told = log.warning if transition.level > max(transition.previous, Level.NOTICE) else log.info
        told(
            "level.changed",
            subject=transition.subject,
            new=transition.level.label,
            previous=transition.previous.label,
            **{key: value for key, value in known.items() if value is not None},
        )
