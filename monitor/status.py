"""What the running daemon says of itself on its local socket."""

from typing import Any, Final

import msgspec

from monitor.core.model import AccountSnapshot, BracketTable, Lot
from monitor.core.notices import WorstAway
from monitor.core.scene import KnownMoves
from monitor.core.settings import AdviceRules, AlertRules, RulesOverride
from monitor.core.surroundings import Surroundings
from monitor.core.view import EngineView
from monitor.errors import ControlError, Problem

STATE_STORE: Final = "state"
HISTORY_STORE: Final = "history"
MOST_NAMES = 64  # whose moves are told in one answer: under a megabyte, in a few milliseconds


class HistoryView(msgspec.Struct, frozen=True):
    """What the history writer did."""

    path: str
    queued: int
    written: int
    dropped: dict[str, int]


class HeartbeatView(msgspec.Struct, frozen=True):
    """The ping outward, counted since the start. Times are Unix milliseconds; no address is in it."""

    kind: str
    ok: bool  # at the last look; what is not well is in ``reasons``
    reasons: tuple[str, ...]
    pings: int  # that were accepted
    failures: int  # that were not
    told: int  # failures of ours that were told
    last_ms: int | None  # when a ping was last accepted
    failing: bool  # the last attempt failed
    last_error: str  # of the last failed attempt; empty before the first


class AwayView(msgspec.Struct, frozen=True):
    """The last time that nobody watched, as candles show it; exchange time, Unix milliseconds."""

    from_ms: int
    until_ms: int
    restarted: bool  # nothing ran; else marks did not arrive
    symbols: int  # that were asked for
    worst: WorstAway | None = None  # reading of the worst wallet; None where none was judged (yet)
    wallets: int = 0  # judged
    unknown: tuple[str, ...] = ()  # what could not be looked up
    rows: int = 0  # recorded
    doing: str = ""  # what is under way; empty once it is over


class WatchdogView(msgspec.Struct, frozen=True):
    """What the process that started this one, or what ends this one, was told, counted since the start."""

    within_s: float | None  # how often it wants to hear; None: it does not
    fed: int
    last_ms: int | None  # when it was last told that the service lives, our wall clock
    standing: tuple[str, ...]  # the loops that do not come round: it is told nothing until they do
    ends_s: float | None = None  # how long without a sign of life until the service ends itself; None: it does not


class WebView(msgspec.Struct, frozen=True):
    """What the web server did, counted since the start."""

    address: str  # such as "http://127.0.0.1:9757"; empty while it does not listen
    why_not: str  # it does not listen; empty if it does
    connections: int  # open now
    requests: int  # that were understood
    refused: dict[str, int]  # by reason, a constant word
    slow: int  # cut, because they took too long to ask or to read


class ConfigView(msgspec.Struct, frozen=True):
    """Which configuration holds, and what became of attempts to change it. Times are our wall clock."""

    loaded_ms: int  # when the one that holds was read
    reloads: int  # that were taken since the start
    refused: int  # that were not
    last_refusal_ms: int | None = None
    problems: tuple[str, ...] = ()  # why the newest attempt was refused, the first of many; empty if it was taken


class Reloaded(msgspec.Struct, frozen=True):
    """What came of reading the configuration again: all of it holds now, or nothing was changed."""

    taken: bool
    source: str  # the file
    changed: tuple[str, ...] = ()  # in words, without a secret
    problems: tuple[Problem, ...] = ()  # every mistake; those of a change that needs a restart say so
    warnings: tuple[str, ...] = ()
    torn: bool = False  # a fault came in the middle: some of it may hold, and only a restart helps


class Judged(msgspec.Struct, frozen=True):
    """What levels and amounts of the running daemon come from, as the configuration says with which it started."""

    rules: AlertRules
    overrides: tuple[RulesOverride, ...]
    advice: AdviceRules
    lots: dict[str, Lot] = {}  # typed in, by symbol; what the exchange tells wins


class Holdings(msgspec.Struct, frozen=True):
    """What the running daemon computes with, so that a command can do the same arithmetic."""

    accounts: tuple[AccountSnapshot, ...]
    tables: dict[str, BracketTable]  # as for compile_book
    surroundings: Surroundings = Surroundings()
    judged: Judged | None = None  # None of a version that does not tell


class JointMoves(msgspec.Struct, frozen=True):
    """How names moved together: what moves left of a wallet with several prices are made of."""

    made_s: float  # monotonic seconds of the daemon; the same for answers about the same minutes
    names: tuple[str, ...]  # those asked for that are watched
    returns: (
        bytes  # one-minute log returns, little-endian float64, a row of all names for each minute, NaN for gaps
    )


class Status(msgspec.Struct, frozen=True):
    """The running daemon as ``status`` shows it."""

    version: str
    pid: int
    started_ms: int
    now_ms: int
    engine: EngineView
    feeds: tuple[Any, ...]
    accounts: tuple[Any, ...]  # those followed by their keys
    channels: tuple[Any, ...]
    history: HistoryView
    ticks: int
    coalesced: int
    commits: int
    frame_to_commit: dict[str, float] | None
    job_deaths: dict[str, int]  # of the jobs that this configuration has
    unseen: tuple[str, ...] = ()  # accounts of which nothing is known yet
    dying: tuple[str, ...] = ()  # jobs that died lately
    fallbacks: dict[str, str] = {}  # by channel, which one takes over what it does not deliver
    heartbeat: HeartbeatView | None = None
    watchdog: WatchdogView | None = None  # None where nobody wants to be told
    away: AwayView | None = None
    waiting_ms: dict[str, int] = {}  # by channel, when the oldest message was decided that it was not handed yet
    standing: tuple[str, ...] = ()  # loops that have not come round in time
    config: ConfigView | None = None  # None of a version that does not tell
    web: WebView | None = None  # None where nothing is to be served
    unwritable: dict[str, str] = {}  # databases that take no writes, by name such as "state": why
    stranded: dict[str, int] = {}  # messages that wait for channels that are not configured, by channel

    @property
    def state_ok(self) -> bool:
        """Whether the state database takes writes, as far as the last that were tried show."""
        return STATE_STORE not in self.unwritable


def joint_moves(names: object, made_s: float, known: KnownMoves) -> JointMoves:
    """Return how some names moved together.

    Args:
        names: as they were asked for.
        made_s: when it was made known, monotonic seconds.
        known: of all watched names.

    Raises:
        ControlError: it is not a list of at most ``MOST_NAMES`` names; marks would have to wait for more.
    """
    if not isinstance(names, list) or len(names) > MOST_NAMES:
        raise ControlError(f"moves: name at most {MOST_NAMES} symbols or rates in a list")
    place = {name: column for column, name in enumerate(known.names)}
    mine = tuple(name for name in names if isinstance(name, str) and name in place)
    returns = known.returns.take([place[name] for name in mine], axis=1)
    return JointMoves(made_s, mine, returns.astype("<f8", copy=False).tobytes())
