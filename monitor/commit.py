"""Commit, then send: effects of the engine go to ``state.db`` before their notices go anywhere.

One job writes. What arrives while it writes joins the next transaction, so the engine never waits for a disk.
If a commit fails or takes too long, its notices are sent all the same, marked unrecorded, the trouble is
reported, and the rows are written again until the store takes them.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import structlog

from monitor.core.events import StoreState
from monitor.core.incidents import Effects
from monitor.core.model import Notice, SubjectState
from monitor.errors import StoreError
from monitor.ports import Clock, Inbox, StateStore

log = structlog.get_logger()

COMMIT_TIMEOUT_S = 2.0
RETRY_S = 5.0
LATENCIES_KEPT = 4096


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


@dataclass(slots=True)
class _Batch:
    """Rows of one transaction. Bounded: one state a subject, one waiting notice a subject and channel."""

    subjects: dict[str, SubjectState] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    withdrawn: list[tuple[str, str]] = field(default_factory=list)
    seen_s: float | None = None  # when the oldest cause of it was received

    def add(self, effects: Effects) -> None:
        for subject in effects.gone:
            self.subjects.pop(subject, None)
            self.gone[subject] = None
        for state in effects.subjects:
            self.subjects[state.subject] = state
            self.gone.pop(state.subject, None)
        over = set(effects.withdrawn)
        self.notices = [n for n in self.notices if (n.subject, n.channel) not in over]
        self.withdrawn.extend(effects.withdrawn)
        self.notices.extend(effects.notices)

    def __bool__(self) -> bool:
        return bool(self.subjects or self.gone or self.notices or self.withdrawn)


class Latencies(NamedTuple):
    """Seconds from a received frame to its notices being committed."""

    samples: int
    p50_s: float
    p99_s: float
    worst_s: float


class Committer:
    """Writes effects durably and hands their notices on."""

    def __init__(self, store: StateStore, outbox: Outbox, inbox: Inbox, clock: Clock) -> None:
        self._store = store
        self._outbox = outbox
        self._inbox = inbox
        self._clock = clock
        self._batch = _Batch()
        self._failed: _Batch | None = None
        self._failed_at_s = 0.0
        self._wake = asyncio.Event()
        self._finishing = False
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self.commits = 0
        self.must_open = False  # the store could not be opened at the start

    def submit(self, effects: Effects, seen_s: float | None = None) -> None:
        """Take the effects of one step; ``seen_s`` is when the frame behind them was received."""
        self._batch.add(effects)
        if effects.notices and seen_s is not None:
            self._batch.seen_s = seen_s if self._batch.seen_s is None else min(seen_s, self._batch.seen_s)
        if self._batch:
            self._wake.set()

    def nudge(self) -> None:
        """Called each second: a failed commit is tried again when it is due."""
        if self._failed is not None and self._clock.mono_s() - self._failed_at_s >= RETRY_S:
            self._wake.set()

    def finish(self) -> None:
        """Write what is left and end."""
        self._finishing = True
        self._wake.set()

    def latencies(self) -> Latencies | None:
        """Return how long commits took since the frame, None before the first."""
        if not self._latencies:
            return None
        ordered = sorted(self._latencies)
        last = len(ordered) - 1
        return Latencies(len(ordered), ordered[last // 2], ordered[last * 99 // 100], ordered[last])

    async def run(self) -> None:
        """Write until ``finish``."""
        while not (self._finishing and not self._batch):
            await self._wake.wait()
            self._wake.clear()
            await self._write()

    async def _write(self) -> None:
        batch, self._batch = self._batch, _Batch()
        if not batch and self._failed is None:
            return
        retried = self._failed
        over = [key for key in batch.withdrawn if self._outbox.withdraw(*key)]
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                if self.must_open:
                    stored = await self._store.open()
                    self.must_open = False
                    self._outbox.offer(stored.pending, recorded=True)
                if retried is not None:
                    # What was delivered meanwhile must not come back as pending after a restart.
                    waiting = [n for n in retried.notices if self._outbox.is_pending(n.key, n.channel)]
                    await self._store.commit(tuple(retried.subjects.values()), tuple(retried.gone), waiting)
                    over = [*retried.withdrawn, *over]
                    self._failed = None
                await self._store.commit(tuple(batch.subjects.values()), tuple(batch.gone), batch.notices)
                for subject, channel in over:
                    await self._store.resolve(subject, channel)
        except (StoreError, TimeoutError) as error:
            self._keep(batch, over, error)
            self._outbox.offer(batch.notices, recorded=False)
        else:
            self.commits += 1
            if retried is not None:
                log.info("state.back")
                self._inbox.post(StoreState("state", ok=True))
            if batch.notices and batch.seen_s is not None:
                self._latencies.append(self._clock.mono_s() - batch.seen_s)
            self._outbox.offer(batch.notices, recorded=True)

    def _keep(self, batch: _Batch, over: list[tuple[str, str]], error: Exception) -> None:
        """Remember what a failed commit held, newest state of each subject."""
        reason = error.cause if isinstance(error, StoreError) else "timed out"
        if self._failed is None:
            log.error("state.failed", reason=reason)
            self._failed = _Batch()
        self._failed.add(Effects(tuple(batch.subjects.values()), tuple(batch.gone)))
        self._failed.withdrawn = list({*self._failed.withdrawn, *over})
        kept = [n for n in self._failed.notices if self._outbox.is_pending(n.key, n.channel)]
        self._failed.notices = [*kept, *batch.notices]
        self._failed_at_s = self._clock.mono_s()
        self._inbox.post(StoreState("state", ok=False, reason=reason))
