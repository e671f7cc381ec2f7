"""What the configuration says, decoded and checked: frozen, no run-time state, no secret."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor import places
from monitor.config.secret import SecretRef, at_home
from monitor.core.model import AccountSnapshot, BracketTable, Level, Market
from monitor.core.settings import ChannelRule, EngineSettings


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """Where prices come from. Addresses are overrides; None means the exchange's own, by environment.

    The stream addresses end with their route and without a slash; ``/ws`` and ``/stream`` are appended.
    """

    environment: str = "testnet"  # testnet or live
    rest_url: str | None = None
    market_stream_url: str | None = None
    private_stream_url: str | None = None
    typical_moves: bool = True  # False: prices there say nothing about how far they go in an hour


@dataclass(frozen=True, slots=True)
class KeyedAccount:
    """An account followed by its key, in one market; holds no secret."""

    name: str
    market: Market
    api_key: SecretRef
    api_secret: SecretRef  # of an HMAC secret, or of a private key (RSA or Ed25519) in PEM form
    allow_trading_key: bool = False  # take a key that could trade or withdraw


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """One way to reach somebody; ``format`` is text, html, markdown, or None for what the service shows best."""

    name: str
    url: SecretRef
    min_level: Level = Level.NOTICE
    format: str | None = None
    changes: bool = False  # is told of positions opened, closed and changed
    summary: bool | None = None  # gets the daily summary; None: only if it is the quietest and none asks for it
    chart: bool = True  # gets a picture where the service takes files
    fallback: str = ""  # the channel that takes over what this one does not deliver
    fallback_after_s: float = 120.0
    escalation: bool = False  # is told what is critical and stays unacknowledged

    def rule(self) -> ChannelRule:
        """Return what the core needs to know of it."""
        return ChannelRule(
            self.name, self.min_level, self.changes, self.fallback, self.fallback_after_s, self.escalation
        )


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """What is kept: raw samples for ``keep_raw_s`` seconds, one-minute rows for ``keep_minutes_s``."""

    path: str | None = None  # as written, may start with ~/; see Settings.history_path
    keep_raw_s: float = 7 * 86400.0
    keep_minutes_s: float = 400 * 86400.0


@dataclass(frozen=True, slots=True)
class LogSettings:
    """``level`` is debug, info, warning or error; ``format`` is auto, json or console."""

    level: str = "info"
    format: str = "auto"


@dataclass(frozen=True, slots=True)
class DisplaySettings:
    """How times are shown to people: ``time_zone`` is a name of the time zone database, UTC or local."""

    time_zone: str = "local"

    def zone(self) -> dt.tzinfo | None:
        """Return the time zone; None is the machine's own, as ``datetime.astimezone`` takes it."""
        if self.time_zone == "local":
            return None
        # A machine without a time zone database still knows UTC.
        return dt.UTC if self.time_zone == "UTC" else zoneinfo.ZoneInfo(self.time_zone)


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """Where to ping while all is well. ``kind`` is auto, healthchecks or uptime-kuma."""

    url: SecretRef
    kind: str = "auto"
    interval_s: float = 60.0
    tell_failure: bool = True


@dataclass(frozen=True, slots=True)
class SummarySettings:
    """The daily message that the service is alive; ``at_minute`` counts from midnight, in the zone of times."""

    enabled: bool = True
    at_minute: int = 480


@dataclass(frozen=True, slots=True)
class StateSettings:
    """Where the databases and the lock live."""

    directory: str | None = None  # as written, may start with ~/; see Settings.state_directory


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where the status page, health, metrics and the JSON interface are served, if they are.

    ``names`` are those a request may call this machine by, beside its loopback names and the address itself.
    """

    enabled: bool = False
    host: str = "127.0.0.1"  # an IP address
    port: int = 9757
    token: SecretRef | None = None  # None only on loopback, and then nothing can be changed over it
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration. ``warnings`` are sentences for people: usable, but perhaps not meant."""

    source: str
    exchange: ExchangeSettings
    accounts: tuple[AccountSnapshot, ...]  # typed in
    keyed: tuple[KeyedAccount, ...]
    tables: tuple[BracketTable, ...]  # one for each symbol typed in
    own_tables: tuple[BracketTable, ...]  # all of the file, also of symbols that are not typed in
    engine: EngineSettings
    channels: tuple[ChannelSettings, ...]
    history: HistorySettings
    log: LogSettings
    display: DisplaySettings
    state: StateSettings
    warnings: tuple[str, ...] = ()
    heartbeat: HeartbeatSettings | None = None
    summary: SummarySettings = SummarySettings()
    web: WebSettings = WebSettings()

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol typed in, once, in the order of the file. What keyed accounts hold is not known here."""
        return tuple(dict.fromkeys(p.symbol for account in self.accounts for p in account.positions))

    def state_directory(self, environ: Mapping[str, str]) -> Path:
        """Return where state lives: as configured, else $STATE_DIRECTORY, else below $XDG_STATE_HOME."""
        return Path(places.state_directory(self.state.directory, environ))

    def history_path(self, environ: Mapping[str, str]) -> Path:
        """Return the path of the history database."""
        if self.history.path is not None:
            return at_home(self.history.path, environ)
        return self.state_directory(environ) / "history.db"
