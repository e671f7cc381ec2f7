"""Everything that can happen to the engine. All input is one of these, so a journal of them replays."""

import msgspec

from monitor.core.model import AccountSnapshot, BracketTable, Fate, MarkRange, SubjectState
from monitor.core.settings import EngineSettings


class SettingsChanged(msgspec.Struct, frozen=True, tag=True):
    """The first event of every run, and again after a reload."""

    settings: EngineSettings
    tables: tuple[BracketTable, ...]


class Restored(msgspec.Struct, frozen=True, tag=True):
    """What an earlier run left in the state database."""

    subjects: tuple[SubjectState, ...]
    fates: tuple[Fate, ...] = ()  # an outcome may have been recorded and not have reached the state


class Snapshot(msgspec.Struct, frozen=True, tag=True):
    """An account as a whole; replaces what was known of it."""

    account: AccountSnapshot


class Ticks(msgspec.Struct, frozen=True, tag=True):
    """Marks since the last take, at most one range for each symbol."""

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


class StoreState(msgspec.Struct, frozen=True, tag=True):
    """A database stopped or resumed taking writes."""

    store: str
    ok: bool
    reason: str = ""


class Heartbeat(msgspec.Struct, frozen=True, tag=True):
    """One second passed: silence, dwell and reminders are judged."""


Event = (
    SettingsChanged
    | Restored
    | Snapshot
    | Ticks
    | Subscribed
    | FeedState
    | DeliveryResult
    | StoreState
    | Heartbeat
)
