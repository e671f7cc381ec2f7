"""What the shell's parts promise each other. Each port has one contract suite for the fake and the real one."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from monitor.beat import Beat
from monitor.core.events import Event
from monitor.core.model import Level, MarkTick, Now
from monitor.core.notices import Fate, Hold, Notice, SubjectState


class Clock(Protocol):
    """Time, injected. Wall time for records, monotonic time for ages."""

    def wall_ms(self) -> int:
        """Return Unix time in milliseconds."""
        ...

    def mono_s(self) -> float:
        """Return seconds since an arbitrary start; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``; at once if not positive."""
        ...

    def now(self) -> Now:
        """Return both clocks at one moment."""
        ...


class Job(NamedTuple):
    """A coroutine for the one TaskGroup; ``run`` returns only when its work is over."""

    name: str
    run: Callable[[], Awaitable[None]]
    beat: Beat | None = None  # of a loop that has to come round, whatever happens outside


class Inbox(Protocol):
    """The engine's way in. Never blocks: newest mark wins, with its extremes; other events keep their order."""

    def tick(self, tick: MarkTick) -> None:
        """Take one mark; coalesced with others of its symbol until the engine takes."""
        ...

    def post(self, event: Event) -> None:
        """Take any other event."""
        ...


class Feed(Protocol):
    """Mark prices into an inbox."""

    def jobs(self) -> Sequence[Job]:
        """Return what must run for this feed."""
        ...

    def set_symbols(self, symbols: Iterable[str]) -> None:
        """Watch these from now on, possibly none."""
        ...

    def stats(self) -> object:
        """Return what it has done, for ``status``."""
        ...


class AccountSource(Protocol):
    """An account followed by its key, into an inbox."""

    def jobs(self) -> Sequence[Job]:
        """Return what must run for this account."""
        ...

    def refresh_brackets(self, symbol: str) -> None:
        """Fetch the tiers again soon: the exchange said that those of this symbol changed."""
        ...

    def stats(self) -> object:
        """Return what it has done, for ``status``; never with a secret in it."""
        ...


class Replaced(NamedTuple):
    """A damaged database was set aside, and a new one begun."""

    cause: str  # what was wrong with it
    aside: str  # where it lies now
    saved: str  # what could still be read of it, in words
    whole: bool  # that is all there was


class Stored(NamedTuple):
    """What a state store held when it was opened."""

    subjects: tuple[SubjectState, ...]
    pending: tuple[Notice, ...]  # decided, not yet accepted, oldest first
    fates: tuple[Fate, ...] = ()  # of the newest notice of each stored subject and channel
    holds: tuple[Hold, ...] = ()  # that have not ended, oldest first
    last_number: int = 0  # the highest number an incident ever had
    replaced: Replaced | None = None  # where the file was damaged and this is what was saved of it
    refused: tuple[Notice, ...] = ()  # for good, the newest of an open subject on a channel, oldest first

    @property
    def undelivered(self) -> tuple[Notice, ...]:
        """What waits and what was refused, in the order of decision."""
        return tuple(sorted((*self.refused, *self.pending), key=lambda notice: notice.decided_ms))


class Attempt(NamedTuple):
    """One try to send a message. Times are Unix milliseconds; ``reason`` is a constant, empty if accepted."""

    started_ms: int
    ended_ms: int
    reason: str = ""


class Mark(NamedTuple):
    """What became of a message for the notices in it, all of one channel."""

    keys: Sequence[str]
    channel: str
    outcome: str  # accepted or refused
    tried: Attempt


class Rows(NamedTuple):
    """What one durable transaction writes to the state database, in this order of effect."""

    over: Sequence[tuple[str, str]] = ()  # (subject, channel): the incident ended, what is pending is resolved
    subjects: Sequence[SubjectState] = ()
    gone: Sequence[str] = ()  # subjects that lose their row; their pending notices stay
    notices: Sequence[Notice] = ()  # each supersedes what is pending of its subject and channel
    ended: Sequence[tuple[str, int, int]] = ()  # (subject, incident, at_ms): marked on all rows of the incident
    holds: Sequence[Hold] = ()  # added, or replaced by key; an ack is also marked on the rows it is about
    marks: Sequence[Mark] = ()  # that could not be made when their messages were answered


class StateStore(Protocol):
    """The database that never loses: levels and the outbox. Every coroutine raises StoreError."""

    async def open(self) -> Stored:
        """Open, migrate, and return what it holds; anew where it was found damaged, moved or failing."""
        ...

    def usable(self) -> bool:
        """Return whether it is open and its file is still there; if not, it has to be opened before a commit."""
        ...

    async def commit(self, rows: Rows) -> None:
        """Write all of it in one durable transaction, or nothing."""
        ...

    async def attempted(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        """Record a failed attempt at these notices; their rows stay due."""
        ...

    async def accepted(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        """Record that the service took the message that carried these notices."""
        ...

    async def refused(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        """Record that the service will never take it."""
        ...

    async def close(self) -> None:
        """Close; calling it twice is fine."""
        ...


class Step(StrEnum):
    """Where a notice is on its way out, in this order. After any of them the process may die."""

    DECIDED = "decided"  # handed over by the engine; only in memory
    COMMITTING = "committing"  # its transaction is about to begin
    COMMITTED = "committed"  # its row is on disk
    OFFERED = "offered"  # its channel has it
    SENDING = "sending"  # its message is about to leave
    SENT = "sent"  # the service took the message; nothing says so yet
    FAILED = "failed"  # or it did not, or not yet
    MARKED = "marked"  # what became of it is on disk
    REPORTED = "reported"  # the engine's inbox has it


# Told of each step and of the notices that take it, possibly none where only levels are written. Called on the
# event loop: it must neither block nor raise. Tests stop the process in it.
Probe = Callable[[Step, Sequence[Notice]], None]


def unwatched(_step: Step, _notices: Sequence[Notice]) -> None:
    """Do nothing: the probe of a daemon that nobody tests."""


class Message(NamedTuple):
    """A rendered notice. ``format`` is ``text``, ``html`` or ``markdown``; ``body`` is escaped for it.

    ``caption`` is a shorter body, for a service that takes little text beside a picture; empty: there is none.
    """

    title: str
    body: str
    format: str
    level: Level
    chart: bytes | None = None  # a PNG picture
    caption: str = ""


class Channel(Protocol):
    """One way to reach somebody."""

    @property
    def name(self) -> str:
        """The name in the configuration; safe to log."""
        ...

    @property
    def format(self) -> str:
        """``text``, ``html`` or ``markdown``: what the service shows best."""
        ...

    @property
    def takes_files(self) -> bool:
        """Whether a picture can be attached."""
        ...

    async def send(self, message: Message) -> None:
        """Return once the service accepted it; raise DeliveryError otherwise."""
        ...

    def close(self) -> None:
        """Let go of threads and connections without waiting for a send that hangs."""
        ...


class Illustrator(Protocol):
    """Draws what a notice is about."""

    async def picture(self, notice: Notice) -> bytes | None:
        """Return a PNG, or None if there is none to be had in time; never raises and never takes long."""
        ...
