"""Everything that can happen to the engine. All input is one of these, so a journal of them replays."""

import msgspec

from monitor.core.model import (
    AccountSnapshot,
    BracketTable,
    ExchangeFigures,
    ForcedOrder,
    Level,
    MarginCallLeg,
    MarkRange,
    Side,
)
from monitor.core.notices import DayReport, Fate, Hold, Notice, SubjectState, WorstAway
from monitor.core.settings import EngineSettings
from monitor.core.surroundings import Fact


class SettingsChanged(msgspec.Struct, frozen=True, tag=True):
    """The first event of every run, and again after a reload.

    ``accounts`` are those that come with the settings: new ones, and others than they were, so that nothing stays
    unwatched from one event to the next. One that is followed anew is as it was last known, as of an earlier run.
    ``channels`` are those that send otherwise from now on: what they refused is due at once. ``origins`` are the
    accounts that another key follows than before, or one that followed another: by name, what the same account was
    called until now; empty where it need not be the same account.
    """

    settings: EngineSettings
    tables: tuple[BracketTable, ...]
    accounts: tuple[AccountSnapshot, ...] = ()
    channels: tuple[str, ...] = ()
    origins: dict[str, str] = {}


class Restored(msgspec.Struct, frozen=True, tag=True):
    """What an earlier run left in the state database."""

    subjects: tuple[SubjectState, ...]
    fates: tuple[Fate, ...] = ()  # an outcome may have been recorded and not have reached the state
    holds: tuple[Hold, ...] = ()  # that had not ended
    last_number: int = 0  # the highest number an incident ever had
    pending: tuple[Notice, ...] = ()  # decided and not yet delivered
    unread: bool = False  # the database could not be opened: what is seen first may have been told long ago
    late: bool = False  # it opens only now: what this run knows better stays


class Snapshot(msgspec.Struct, frozen=True, tag=True):
    """An account as a whole; replaces what was known of it."""

    account: AccountSnapshot
    cause: str = ""  # a short constant: reconcile, or what the exchange gave as the reason, such as ORDER


class Reconciled(msgspec.Struct, frozen=True, tag=True):
    """A REST reply with the exchange's own figures, beside the account as that same reply describes it.

    It changes no position: it is what ours are audited with. The same account comes as a Snapshot as well.
    """

    account: AccountSnapshot
    figures: ExchangeFigures


class TablesChanged(msgspec.Struct, frozen=True, tag=True):
    """The maintenance tiers of an account as the exchange has them now; all it was asked for."""

    account: str
    tables: tuple[BracketTable, ...]


class OrderForced(msgspec.Struct, frozen=True, tag=True):
    """The exchange closed a position, or a part of it, by itself."""

    account: str
    order: str  # its client id; the same order may be told several times
    symbol: str
    side: Side  # of the position that shrank
    kind: ForcedOrder
    quantity: float  # filled so far
    price: float  # average; 0 where not known
    event_ms: int


class MarginCall(msgspec.Struct, frozen=True, tag=True):
    """The exchange's own warning, about positions it says are near liquidation."""

    account: str
    event_ms: int
    legs: tuple[MarginCallLeg, ...]
    cross_balance: float | None = None  # cross wallet balance; None without a cross leg


class AccountState(msgspec.Struct, frozen=True, tag=True):
    """Whether an account can be followed. ``reason`` is a short constant, ``hint`` what to do about it."""

    account: str
    ok: bool
    reason: str = ""
    hint: str = ""
    fatal: bool = False  # repeating cannot help: somebody has to change something


class Ticks(msgspec.Struct, frozen=True, tag=True):
    """Marks since the last take, at most one range for each symbol and source; those of REST last."""

    marks: tuple[MarkRange, ...]


class Subscribed(msgspec.Struct, frozen=True, tag=True):
    """A feed asked for these symbols at ``at_s`` (monotonic): from now on their silence means something."""

    feed: str
    symbols: tuple[str, ...]
    at_s: float


class FeedState(msgspec.Struct, frozen=True, tag=True):
    """A connection changed: ``state`` is connecting, live, lost or refused; ``reason`` a short constant."""

    feed: str
    state: str
    host: str
    reason: str = ""


class DeliveryResult(msgspec.Struct, frozen=True, tag=True):
    """A channel accepted a notice, or refused it for good."""

    subject: str
    key: str
    channel: str
    accepted: bool
    reason: str = ""
    level: Level = Level.OK  # of the notice; ok is the end of an incident
    moved: bool = False  # refused, and another configuration came before that was known here


class Unsure(msgspec.Struct, frozen=True, tag=True):
    """An attempt failed in a way that leaves open whether the message arrived; it is tried again."""

    subject: str
    key: str
    channel: str


class Held(msgspec.Struct, frozen=True, tag=True):
    """A person acknowledges, snoozes or mutes; the levels known now are filled in by the engine."""

    hold: Hold


class Lifted(msgspec.Struct, frozen=True, tag=True):
    """A person takes snoozes and mutes back: those of one target, or with "all" every one."""

    target: str


class Closes(msgspec.Struct, frozen=True, tag=True):
    """One-minute closes of a symbol's mark price from before it was watched, oldest first.

    ``closes[i]`` is the mark at the end of the minute that began at ``first_ms + i * 60_000`` (exchange time,
    Unix milliseconds); 0 stands for a gap, for a journal holds no NaN.
    """

    symbol: str
    first_ms: int
    closes: tuple[float, ...]


class DayOver(msgspec.Struct, frozen=True, tag=True):
    """The time of the daily summary has come, or came while nothing ran; ``due_ms`` is when, Unix milliseconds."""

    due_ms: int


class DayKept(msgspec.Struct, frozen=True, tag=True):
    """What an earlier run counted of the day, as it stood at ``saved_ms`` (Unix milliseconds)."""

    day: DayReport
    saved_ms: int


class StoreState(msgspec.Struct, frozen=True, tag=True):
    """A database stopped or resumed taking writes, or something else was found out about it."""

    store: str
    ok: bool
    reason: str = ""
    hint: str = ""  # what the operator can do
    note: str = ""  # where it is told once, whether it takes writes or not: what happened to it, a short constant
    path: str = ""  # of its file, where that is known


class Distrusted(msgspec.Struct, frozen=True, tag=True):
    """Which marks of a feed are wrong, as another source shows; all of them, in place of what was said before.

    Their stream counts as blind, however much it delivers, until they are not among them any more. ``reasons`` is
    what is wrong, in a few words, by symbol.
    """

    feed: str
    reasons: dict[str, str]


class AtRest(msgspec.Struct, frozen=True, tag=True):
    """Symbols of a feed whose silence until ``at_s`` (monotonic) is in order: their market is closed.

    It counts from then on; said again and again while it lasts.
    """

    feed: str
    symbols: tuple[str, ...]
    at_s: float


class StreamState(msgspec.Struct, frozen=True, tag=True):
    """Whether an account's private stream tells of changes; without it REST alone does, some time later.

    ``brief``: it was lost a moment ago, which is no news; but what was told of it before is not over either.
    """

    account: str
    ok: bool
    reason: str = ""
    brief: bool = False


class Away(msgspec.Struct, frozen=True, tag=True):
    """What a time was like in which nobody watched, computed afterwards from one-minute candles.

    ``from_ms`` and ``until_ms`` bound it (exchange time, Unix milliseconds). ``worst`` has the worst reading of
    each wallet that could be judged, ``unknown`` the symbols whose candles could not be had.
    """

    from_ms: int
    until_ms: int
    worst: tuple[WorstAway, ...]
    unknown: tuple[str, ...] = ()
    restarted: bool = False  # nothing ran meanwhile; else marks did not arrive
    cut: bool = False  # it began earlier than what could be looked at


class JobDied(msgspec.Struct, frozen=True, tag=True):
    """A part of the service failed; it is started anew, unless it is ``fatal``: then the service ends."""

    job: str
    error: str  # the type of what it failed with
    deaths: int  # within the window
    fatal: bool = False


class Learnt(msgspec.Struct, frozen=True, tag=True):
    """Something around positions became known, or changed; no reading depends on it."""

    fact: Fact


class Heartbeat(msgspec.Struct, frozen=True, tag=True):
    """One second passed: silence, dwell and reminders are judged."""


Event = (
    SettingsChanged
    | Restored
    | Snapshot
    | Reconciled
    | TablesChanged
    | OrderForced
    | MarginCall
    | AccountState
    | Ticks
    | Subscribed
    | FeedState
    | DeliveryResult
    | Unsure
    | Held
    | Lifted
    | Closes
    | DayOver
    | DayKept
    | StoreState
    | Distrusted
    | AtRest
    | StreamState
    | Away
    | JobDied
    | Learnt
    | Heartbeat
)
