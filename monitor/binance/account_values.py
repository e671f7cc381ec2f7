"""What following an account needs of REST and of the disk, how patient it is, and what it tells of itself."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from monitor.binance.account_state import Contract, Reply
from monitor.binance.around_values import AroundRest, PartStats
from monitor.binance.backoff import DEFAULT_BOUNDS, PauseBounds
from monitor.binance.transport import ConnectSettings
from monitor.binance.user_wire import ForcedUpdate
from monitor.core.model import BracketTable, ExchangeFigures
from monitor.core.surroundings import FundsKnown
from monitor.errors import MonitorError

TRADING_KEY: Final = "key_can_trade"
WITHDRAWING_KEY: Final = "key_can_withdraw"


class AccountUnavailableError(MonitorError):
    """REST did not say what was asked.

    ``reason`` is a short constant, ``hint`` what to do about it, neither with a secret in it. ``fatal``: repeating
    cannot help. ``wait_s`` is how long the exchange asks us to stay away, 0 if it does not.
    """

    def __init__(self, reason: str, hint: str = "", *, fatal: bool = False, wait_s: float = 0.0) -> None:
        super().__init__(reason, hint)
        self.reason = reason
        self.hint = hint
        self.fatal = fatal
        self.wait_s = wait_s

    def __str__(self) -> str:
        return f"{self.reason}: {self.hint}" if self.hint else self.reason


class FullReply(Reply, Protocol):
    """A whole account as REST described it at one moment, with the exchange's own figures."""

    @property
    def figures(self) -> ExchangeFigures:
        """What the exchange computes itself."""
        ...

    @property
    def consistent(self) -> bool:
        """Whether the parts of the reply describe the same moment."""
        ...

    @property
    def funds(self) -> FundsKnown | None:
        """What could be moved; None where the reply does not say."""
        ...


class Keys(Protocol):
    """Listen keys. They are secrets."""

    async def create_listen_key(self) -> str:
        """Return the account's listen key, its life prolonged; raise AccountUnavailableError."""
        ...

    async def keep_listen_key(self) -> bool:
        """Prolong the key's life; False if there is none any more; raise AccountUnavailableError."""
        ...


class Permissions(msgspec.Struct, frozen=True):
    """What a key may do beside reading."""

    can_trade: bool
    can_withdraw: bool


class AccountRest(Keys, AroundRest, Protocol):
    """What REST says of one account. Every coroutine raises AccountUnavailableError."""

    async def contracts(self) -> Mapping[str, Contract]:
        """Return the static facts of every symbol of the account's market; limits are learnt on the way."""
        ...

    async def tables(self) -> Sequence[BracketTable]:
        """Return the maintenance tiers of every symbol as they are for this account."""
        ...

    async def account(self) -> FullReply:
        """Return the whole account."""
        ...

    async def permissions(self) -> Permissions | None:
        """Return what the key may do; None where that cannot be known."""
        ...

    async def forced_orders(self, symbol: str, since_ms: int) -> Sequence[ForcedUpdate]:
        """Return what the exchange itself closed of a symbol since a moment of its clock, Unix milliseconds."""
        ...

    def exchange_ms(self) -> int:
        """Return the exchange's time as far as known, Unix milliseconds."""
        ...

    def used_weight(self) -> int | None:
        """Return the request weight of the running minute as the exchange counts it; None if not known."""
        ...


class TierCache(Protocol):
    """Where tiers are kept between runs; both block on the disk."""

    def load(self) -> Sequence[BracketTable]:
        """Return what was saved last. Never raises."""
        ...

    def save(self, tables: Sequence[BracketTable]) -> None:
        """Replace what is kept; raise StoreError."""
        ...


class AccountTimings(ConnectSettings, frozen=True):
    """How patient following an account is, in seconds."""

    reconcile_every_s: float = 30.0
    unproved_every_s: float = 10.0  # while the private stream is not open, or known to be silent
    reconcile_gap_s: float = 2.0  # at the least between two, whatever is asked for
    again_after_s: float = 3.0  # where REST lagged behind the stream; doubling while it does
    attempts: int = 2  # to get a reply nothing happened during, unless the one before was none either
    attempt_gap_s: float = 0.3
    late_event_s: float = 5.0  # so long after REST an event may still come
    complain_after_s: float = 60.0  # of failing
    complain_undescribed_s: float = 75.0  # since REST last answered; silence is told after 90 s
    fatal_again_s: float = 300.0
    permissions_every_s: float = 3600.0
    permissions_again_s: float = 60.0  # where the question was not answered
    tables_every_s: float = 86_400.0
    tables_again_s: float = 60.0  # after a failure, and between two for symbols without tiers
    tables_longest_s: float = 900.0  # between two while they fail
    keepalive_every_s: float = 1800.0  # a listen key lives an hour
    keepalive_again_s: float = 60.0  # after a failure
    contracts_again_s: float = 60.0  # after a failure, where some are known
    rotate_after_s: float = 23 * 3600.0  # the exchange ends a connection after 24 hours
    rotate_again_s: float = 300.0  # after a rotation that failed
    check_every_s: float = 0.5
    pauses: PauseBounds = DEFAULT_BOUNDS
    rest_pauses: PauseBounds = PauseBounds(longest_s=15.0)  # so soon it is followed once the trouble is over


DEFAULT_ACCOUNT_TIMINGS = AccountTimings()


class StreamStats(msgspec.Struct, frozen=True):
    """What a private stream has done, counted since the start. Ages are seconds."""

    state: str  # idle, connecting, open or lost
    host: str  # connected to now, empty if none
    proved: bool  # an event came on the present connection
    connects: int  # attempts
    reconnects: int  # returns after a loss
    rotations: int  # changes of connection without a loss
    found_silent: int  # REST showed what no event told
    key_age_s: float | None  # since the listen key was made or prolonged


class AccountStats(msgspec.Struct, frozen=True):
    """What following an account has done, counted since the start. Ages are seconds."""

    account: str
    market: str
    state: str  # starting, following, failing, refused
    reason: str  # why not, a short constant
    stream: StreamStats
    events: dict[str, int]  # of the private stream, by kind
    rejected: dict[str, int]  # events that could not be believed, by reason
    reconciles: int
    reconciled_ms: int | None  # our wall clock; of the last that succeeded
    reconcile_age_s: float | None
    used_weight: int | None
    permissions_known: bool
    hedge_mode: bool
    multi_assets: bool
    tables: int
    tables_as_of: str  # ISO date, empty if there are none
    stream_missing_s: float = 0.0  # how long no private stream has been open though one is wanted
    stream_trouble: str = ""  # why it does not tell what happens, a short constant; what passes by itself is none
    event_age_s: float | None = None  # of the last event of the private stream, None before the first
    around: dict[str, PartStats] = {}  # how old what is known around its positions is: funds, orders, adl, key
