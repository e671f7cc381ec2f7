"""The values everything speaks in: frozen, compared by content, units in their names or docstrings.

Ratios, distances and room are fractions (0.8 is 80 %). ``_ms`` is Unix time in milliseconds, ``_s`` is seconds
on the monotonic clock or a duration. Prices are in the quote asset per unit of the base asset. ``None`` means
"there is none" or "not known"; NaN and infinity never leave the numeric columns.
"""

from enum import IntEnum, StrEnum
from typing import NamedTuple

import msgspec


class Level(IntEnum):
    """How near a wallet is to liquidation. Ordered; comparisons are meaningful."""

    OK = 0
    NOTICE = 1
    WARNING = 2
    CRITICAL = 3
    EMERGENCY = 4

    @property
    def label(self) -> str:
        """The word used in configuration, messages and JSON, such as ``warning``."""
        return self.name.lower()

    @classmethod
    def of(cls, label: str) -> "Level | None":
        """Return the level that a word stands for; None for any other word, such as that of what nobody judged."""
        return _LEVELS.get(label)


_LEVELS = {level.label: level for level in Level}


class Side(StrEnum):
    """Direction of a position."""

    LONG = "LONG"
    SHORT = "SHORT"


class MarginMode(StrEnum):
    """What pays for a loss: the position's own margin, or the account's balance in that asset."""

    ISOLATED = "isolated"
    CROSS = "cross"


class Market(StrEnum):
    """USD-margined contracts, or coin-margined (inverse) ones."""

    USDM = "usdm"
    COINM = "coinm"


class Source(StrEnum):
    """Where a figure came from."""

    STREAM = "stream"
    REST = "rest"
    BACKFILL = "backfill"
    GIVEN = "given"  # typed in by a person
    STORED = "stored"  # what an earlier run knew last; the exchange has yet to say whether it still holds


class Bracket(msgspec.Struct, frozen=True, array_like=True):
    """One row of a maintenance tier table; applies where floor <= notional < cap."""

    floor: float  # notional, quote asset (base asset for inverse contracts)
    cap: float
    mmr: float  # maintenance margin rate, a fraction of notional
    cum: float  # maintenance amount, same unit as the notional
    leverage: float | None = None  # the most the exchange allows of such a notional; None where not known


class BracketTable(msgspec.Struct, frozen=True):
    """The maintenance tiers of one symbol; ``origin`` says where they came from."""

    symbol: str
    brackets: tuple[Bracket, ...]
    origin: str = "config"  # config, shipped or exchange
    as_of: str = ""  # ISO date of the figures, empty if not known
    account: str = ""  # whose table it is; empty where it serves every account

    @property
    def label(self) -> str:
        """What outputs say about the table, such as ``shipped 2026-09-29``."""
        return f"{self.origin} {self.as_of}".strip()


class Position(msgspec.Struct, frozen=True):
    """One leg: a symbol held in one direction."""

    symbol: str
    side: Side
    quantity: float  # base asset, or contracts where inverse; >= 0
    entry_price: float  # > 0
    margin_mode: MarginMode
    margin_asset: str
    margin: float = 0.0  # isolated wallet balance in margin_asset; unused with cross
    contract_size: float = 1.0  # quote value of one contract where inverse, else 1
    inverse: bool = False
    leverage: float | None = None  # as chosen; None where not known. Enters no formula
    auto_add_margin: bool = False  # the exchange tops its isolated wallet up by itself

    @property
    def wallet(self) -> str:
        """Name of the wallet that backs it outside multi-assets mode, such as ``isolated:BTCUSDT:LONG``."""
        if self.margin_mode is MarginMode.CROSS:
            return f"cross:{self.margin_asset}"
        return f"isolated:{self.symbol}:{self.side.value}"


class AssetRate(msgspec.Struct, frozen=True):
    """What one unit of an asset counts in US dollars in multi-assets mode.

    ``bid = index * (1 - bid buffer)``, ``ask = index * (1 + ask buffer)``.
    """

    bid: float  # while the asset is owned; > 0
    ask: float  # while it is owed, and for what positions require; >= bid
    fixed: bool = False  # no index moves it: it is at par, or was typed in


PAR = AssetRate(1.0, 1.0, fixed=True)

BID, ASK = "@bid", "@ask"


def rate_symbols(asset: str) -> tuple[str, str]:
    """Return the names under which an asset's bid and ask rate travel as marks, such as ``BTCUSD@bid``.

    The first part is the exchange's name of the asset's index. A rate moves and grows old as a mark does, so it
    takes the same way; no contract has an ``@`` in its name.
    """
    return f"{asset}USD{BID}", f"{asset}USD{ASK}"


MULTI_WALLET = "cross:multi"  # the one wallet of an account in multi-assets mode
MULTI_ASSET = "USD"  # what its figures are in


class AccountSnapshot(msgspec.Struct, frozen=True):
    """One account, whole and consistent."""

    account: str
    balances: dict[str, float]  # cross wallet balance by margin asset
    positions: tuple[Position, ...]
    market: Market = Market.USDM
    as_of_ms: int = 0  # exchange time of the snapshot; 0 where typed in
    source: Source = Source.GIVEN
    multi_assets: bool = False  # one wallet for all assets; positions are cross
    hedge_mode: bool = False
    rates: dict[str, AssetRate] = {}  # by asset, used in multi-assets mode; an asset without one is at par

    def wallet_of(self, position: Position) -> str:
        """Return the name of the wallet that backs one of its positions."""
        if self.multi_assets and position.margin_mode is MarginMode.CROSS:
            return MULTI_WALLET
        return position.wallet


class PositionFigures(msgspec.Struct, frozen=True):
    """What the exchange itself says of a position, at its own mark price."""

    symbol: str
    side: Side
    mark: float
    maintenance: float | None  # margin asset; None where the reply does not say
    liquidation_price: float | None  # None: there is none
    quotes_liquidation: bool = True  # False where the reply does not say whether there is one


class WalletFigures(msgspec.Struct, frozen=True):
    """What the exchange itself says of a wallet, at the marks of the same reply; in the wallet's asset."""

    wallet: str
    marks: dict[str, float]  # by symbol, those it was computed at
    margin_balance: float | None
    maintenance: float | None


class ExchangeFigures(msgspec.Struct, frozen=True):
    """The exchange's own figures of one account: what ours are compared with."""

    at_ms: int  # exchange time
    positions: tuple[PositionFigures, ...] = ()
    wallets: tuple[WalletFigures, ...] = ()


class ForcedOrder(StrEnum):
    """Why the exchange itself closed something."""

    LIQUIDATION = "liquidation"
    ADL = "adl"  # auto-deleveraged: taken by the exchange to cover somebody else's liquidation
    SETTLEMENT = "settlement"  # the contract was delisted or delivered


class MarginCallLeg(msgspec.Struct, frozen=True):
    """One position of a margin call."""

    symbol: str
    side: Side
    quantity: float
    margin_mode: MarginMode
    mark: float
    maintenance: float  # margin asset
    unrealized_pnl: float
    isolated_margin: float = 0.0  # isolated wallet balance


class ChangeKind(StrEnum):
    """What changed about an account."""

    OPENED = "opened"
    CLOSED = "closed"
    INCREASED = "increased"
    REDUCED = "reduced"
    FLIPPED = "flipped"  # from LONG to SHORT or back, in one step
    LEVERAGE = "leverage"
    MARGIN_MODE = "margin mode"
    MARGIN = "margin"  # of an isolated wallet, with the same quantity
    BALANCE = "balance"  # of a cross wallet: transfers, funding, realized profit and fees
    MULTI_ASSETS = "multi-assets mode"
    HEDGE_MODE = "hedge mode"
    FORCED = "forced order"  # liquidated, deleveraged or settled; ``cause`` says which


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change of an account, as history keeps it and a quiet channel may be told."""

    at_ms: int  # exchange time where it said one, else our wall clock
    account: str
    kind: ChangeKind
    symbol: str = ""
    side: str = ""  # after the change; of the position that is gone where it is gone
    asset: str = ""  # of a balance or margin
    before: float | None = None  # quantity, margin, balance, leverage; a mode is 0 or 1 (isolated, on)
    after: float | None = None
    price: float | None = None  # entry price after the change, average price of a forced order
    cause: str = ""  # a short constant, such as ORDER, FUNDING_FEE, reconcile, liquidation


class Figure(StrEnum):
    """What an audit compares."""

    MAINTENANCE_MARGIN = "maintenance margin"
    MARGIN_BALANCE = "margin balance"
    LIQUIDATION_PRICE = "liquidation price"


class Compared(msgspec.Struct, frozen=True):
    """One figure of ours beside the exchange's, at the exchange's own marks and quantities."""

    account: str
    wallet: str
    symbol: str  # symbol and side are empty for a wallet's figure
    side: str
    figure: Figure
    ours: float | None  # None: there is none
    theirs: float | None
    tolerance: float  # absolute, in the figure's unit
    agrees: bool


class Lot(msgspec.Struct, frozen=True):
    """What quantities an order at market may have; in the unit of ``Position.quantity``."""

    step: float  # multiples of this, > 0
    least: float = 0.0


class WaitingOrder(msgspec.Struct, frozen=True):
    """An order that would reduce or close a position once its price is reached."""

    symbol: str
    side: Side  # of the position it works against
    kind: str  # the exchange's: LIMIT, STOP_MARKET, STOP, TAKE_PROFIT, TRAILING_STOP_MARKET and others
    price: float  # that triggers a conditional one; the limit of a plain one; 0 where it has none yet
    quantity: float  # 0 where it closes whatever there is
    closes: bool = False  # the whole position
    reduces: bool = False  # can only reduce: reduce-only, or of hedge mode
    conditional: bool = False  # waits for a trigger
    on_mark: bool = False  # triggered by the mark price; else by the last price
    limit: float | None = None  # of a conditional one: becomes an order with this limit instead of one at market


class MarkTick(msgspec.Struct, frozen=True, gc=False):
    """One mark price as received."""

    symbol: str
    mark: float  # > 0 and finite
    event_ms: int  # exchange clock
    seen_s: float  # our monotonic clock; only for ages
    source: Source = Source.STREAM


class MarkRange(msgspec.Struct, frozen=True, gc=False):
    """What a symbol's mark did since the engine last took: newest, lowest and highest."""

    symbol: str
    mark: float
    low: float
    high: float
    event_ms: int
    seen_s: float
    source: Source = Source.STREAM


class Now(msgspec.Struct, frozen=True):
    """The two clocks at one moment: ages and dwell are monotonic, records and deadlines are wall time."""

    wall_ms: int
    mono_s: float


class SubjectKey(NamedTuple):
    """What has a level: a wallet of an account, or the feed of a market (account empty)."""

    account: str
    wallet: str

    def __str__(self) -> str:
        return f"{self.account}/{self.wallet}"


class Sample(NamedTuple):
    """One row of history: a wallet (symbol and side empty) or a position."""

    at_ms: int
    account: str
    wallet: str
    symbol: str
    side: str
    source: str
    level: int
    margin_ratio: float | None
    room: float | None
    distance: float | None
    joint_distance: float | None
    mark: float | None
    liquidation_price: float | None
    margin_balance: float | None
    maintenance_margin: float | None
    cushion: float | None
    moves_left: float | None = None  # of a wallet
