"""What a daemon is made of, chosen by the caller from the configuration."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import NamedTuple

from monitor.backfill import DEFAULT_TIMINGS, Past, Timings
from monitor.charts.illustrator import Charts
from monitor.config.secret import Secret
from monitor.config_difference import Difference
from monitor.core.model import AccountSnapshot, BracketTable, Market
from monitor.core.settings import EngineSettings
from monitor.dead_man import DeadMan
from monitor.heartbeat import HeartbeatPlan
from monitor.notify.pacing import MINUTE_S
from monitor.ports import AccountSource, Channel, Feed, Inbox
from monitor.sd_notify import Systemd
from monitor.storage.history import HistorySettings


class Following(NamedTuple):
    """An account followed by its key, and how that ends."""

    account: str
    source: AccountSource
    begin: Callable[[AccountSnapshot | None], None]  # from what is known last of it; before its jobs run
    shut: Callable[[], None]  # nothing of it reaches the engine from now on
    close: Callable[[], Awaitable[None]]  # lets go of its connections, once its jobs ended


class Sources(NamedTuple):
    """What brings events in: mark feeds by market, and accounts followed by their keys."""

    feeds: Mapping[Market, Feed]
    accounts: Sequence[Following] = ()
    close: Sequence[Callable[[], Awaitable[None]]] = ()  # lets go of what they share
    past: Past | None = None  # who knows what prices did while nobody watched


class WebPlan(NamedTuple):
    """Where the status page, health, metrics and the JSON interface are served, and who may ask."""

    host: str  # an IP address
    port: int
    token: Secret | None = None  # None only on loopback, and then nothing can be changed
    names: tuple[str, ...] = ()  # a request may call this machine by, beside loopback names and the address


# Makes the sources once there is somewhere for their events to go.
SourceFactory = Callable[[Inbox], Sources]


class Plan(NamedTuple):
    """Everything a daemon needs to know; made by the caller from the configuration."""

    settings: EngineSettings
    accounts: tuple[AccountSnapshot, ...]
    tables: tuple[BracketTable, ...]
    channels: tuple[Channel, ...]
    state_dir: Path
    history_path: Path
    history: HistorySettings
    journal: Path | None = None
    time_zone: tzinfo = UTC  # shown beside UTC in messages
    charts: Charts | None = None  # draws what alerts are about, where a channel takes pictures
    heartbeat: HeartbeatPlan | None = None  # where to ping while all is well
    pace_minute_s: float = MINUTE_S  # in which a channel gets five messages at most
    systemd: Systemd | None = None  # who started this process and wants to know that it lives
    dead_man: DeadMan | None = None  # ends the process if it does not say so
    summary_minute: int | None = None  # of the daily summary, since midnight in ``time_zone``; None: there is none
    away: Timings = DEFAULT_TIMINGS  # of looking at what nobody saw
    web: WebPlan | None = None  # where the status page, health, metrics and the JSON interface are served


class Renewal(NamedTuple):
    """Another configuration for a running daemon, ready: nothing of it can fail any more."""

    plan: Plan  # channels and charts that stay are those that are there
    changes: Difference
    known: Mapping[str, AccountSnapshot]  # what an earlier run knew last of accounts that are new, by name
    followed: Sequence[Following]  # the accounts that ``changes`` says are followed anew; not begun
    adopt: Callable[[], None]  # called in the switch
    drop: Callable[[], None]  # lets go of what was made for it, where nobody goes over to it; from any thread
    warnings: tuple[str, ...] = ()


# Reads the configuration again. Called in a thread; raises ConfigError with every mistake.
Renew = Callable[[], Renewal]
