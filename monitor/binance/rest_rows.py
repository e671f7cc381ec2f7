"""What REST tells, as frozen rows under the exchange's names; ``rest_wire`` decodes them.

Tolerant of what is new (unknown fields, kinds and contract types), strict about what is used: a field without a
default has to be there, and every number is finite and plausible. Amounts are in the unit the exchange uses. Long,
because it declares and does nothing else.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from monitor.binance.belief import amount_or_none
from monitor.core.model import MarginMode

# No comparison holds for NaN, so the bounds stop it as well as infinity. An amount beyond 1e15 could overflow.
Amount = Annotated[float, Meta(ge=-1e15, le=1e15)]
Size = Annotated[float, Meta(ge=0.0, le=1e15)]
Price = Annotated[float, Meta(gt=0.0, le=1e15)]
Rate = Annotated[float, Meta(gt=0.0, lt=1.0)]
Millis = Annotated[int, Meta(ge=0, le=99_999_999_999_999)]  # Unix milliseconds; 0 where not said
Number = Annotated[
    int, Meta(ge=-(2**63), le=2**63 - 1)
]  # an id or a mark: JSON has longer ones, nothing else does
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]

Slot = Literal["BOTH", "LONG", "SHORT"]
MarginType = Literal["isolated", "ISOLATED", "cross", "CROSS", "crossed", "CROSSED"]


class Row(Struct, frozen=True, rename="camel"):
    """What all replies have in common: the exchange's spelling of names."""


def margin_mode(kind: MarginType) -> MarginMode:
    """Return the margin mode behind one of the exchange's spellings of it."""
    return MarginMode.ISOLATED if kind.lower() == "isolated" else MarginMode.CROSS


class ServerTime(Row, frozen=True):
    """The exchange's clock."""

    server_time: Annotated[int, Meta(gt=0, le=99_999_999_999_999)]


class RateLimit(Row, frozen=True):
    """One of the limits requests are held to."""

    rate_limit_type: str  # REQUEST_WEIGHT, ORDERS and others
    interval: str  # SECOND, MINUTE, DAY
    interval_num: Count
    limit: Count


# Whatever JSON has in the place of what is expected: damage there must not cost the row it stands in.
_NoList = dict[str, Any] | str | int | float | bool | None
_NoObject = list[Any] | str | int | float | bool | None


class OrderFilter(Row, frozen=True):
    """A rule for orders of a contract; what of it is used is judged where it is used."""

    filter_type: Any = ""
    step_size: Any = None
    min_qty: Any = None


class ContractRow(Row, frozen=True):
    """A contract, of either market and of any type."""

    symbol: Name
    margin_asset: Name
    base_asset: str
    quote_asset: str
    contract_type: str  # PERPETUAL, CURRENT_QUARTER, TRADIFI_PERPETUAL and what else there will be
    pair: str = ""
    status: str = ""  # USD-margined
    contract_status: str = ""  # coin-margined
    contract_size: Price = 1.0  # quote value of one contract where coin-margined
    delivery_date: Millis = 0
    onboard_date: Millis = 0
    underlying_type: str = ""
    filters: tuple[OrderFilter | _NoObject, ...] | _NoList = ()  # what orders may be, see ``lots``

    @property
    def state(self) -> str:
        """``TRADING`` while it trades, under either market's name."""
        return self.status or self.contract_status


class ExchangeInfo(Row, frozen=True):
    """The rules. The time it carries is days old at times, and so is not read."""

    rate_limits: tuple[RateLimit, ...]
    symbols: tuple[ContractRow, ...]

    @property
    def weight_per_minute(self) -> int | None:
        """The request weight allowed in a minute; None where it does not say."""
        for one in self.rate_limits:
            if (one.rate_limit_type, one.interval, one.interval_num) == ("REQUEST_WEIGHT", "MINUTE", 1):
                return one.limit
        return None


class TradingSession(Row, frozen=True):
    """A stretch of time of a market that is not open all the time."""

    start_time: Millis
    end_time: Millis
    type: str  # NO_TRADING, REGULAR, PRE_MARKET and others


class MarketSessions(Row, frozen=True):
    """The sessions of one such market."""

    sessions: tuple[TradingSession, ...]


class TradingSchedule(Row, frozen=True):
    """What is open when, by the ``underlyingType`` of contracts: EQUITY, COMMODITY and others."""

    market_schedules: dict[str, MarketSessions]


class AccountConfig(Row, frozen=True):
    """Modes of a USD-margined account. ``can_*`` speak of the account, not of the key."""

    dual_side_position: bool
    multi_assets_margin: bool
    can_trade: bool = True
    can_withdraw: bool = True
    trade_group_id: Number = -1


class SymbolConfig(Row, frozen=True):
    """What the owner chose for a symbol."""

    symbol: Name
    margin_type: MarginType
    leverage: Size  # 0 where never used
    is_auto_add_margin: bool = False

    @property
    def margin_mode(self) -> MarginMode:
        """Isolated or cross."""
        return margin_mode(self.margin_type)


class AssetRow(Row, frozen=True):
    """A margin asset of an account, in that asset."""

    asset: Name
    wallet_balance: Amount  # cross and isolated wallets together
    cross_wallet_balance: Amount
    cross_un_pnl: Amount
    margin_balance: Amount
    maint_margin: Amount
    update_time: Millis = 0
    available_balance: Any = None  # for new positions; no reading hangs on it

    @property
    def available(self) -> float | None:
        """What new positions or isolated wallets could take; None where it does not say."""
        return amount_or_none(self.available_balance)


class AccountLeg(Row, frozen=True):
    """A position as the USD-margined account lists it; money in the margin asset."""

    symbol: Name
    position_side: Slot
    position_amt: Amount  # negative if short
    unrealized_profit: Amount
    notional: Amount  # negative if short; at the mark of this reply
    isolated_wallet: Amount
    maint_margin: Amount
    update_time: Millis = 0


class Account(Row, frozen=True):
    """A USD-margined account. Totals: USDT only, or US dollars of all assets in multi-assets mode."""

    total_maint_margin: Amount
    total_margin_balance: Amount
    total_wallet_balance: Amount
    assets: tuple[AssetRow, ...]
    positions: tuple[AccountLeg, ...]  # only what is held or ordered


class CoinLeg(Row, frozen=True):
    """A position as the coin-margined account lists it; money in the coin."""

    symbol: Name
    position_side: Slot
    position_amt: Amount  # contracts, negative if short
    unrealized_profit: Amount
    maint_margin: Amount
    isolated: bool
    entry_price: Size
    leverage: Size
    notional_value: Amount | None = None  # coin, at the mark of this reply
    update_time: Millis = 0
    open_order_initial_margin: Any = None  # no reading hangs on it


class CoinAccount(Row, frozen=True):
    """A coin-margined account: assets by coin, no totals."""

    assets: tuple[AssetRow, ...]
    positions: tuple[CoinLeg, ...]  # every contract, held or not


class PositionRisk(Row, frozen=True):
    """A USD-margined position with the exchange's own figures; money in the margin asset."""

    symbol: Name
    position_side: Slot
    position_amt: Amount
    entry_price: Size
    mark_price: Size
    liquidation_price: Amount  # 0 where there is none
    notional: Amount
    margin_asset: Name
    isolated_wallet: Amount
    maint_margin: Amount
    un_realized_profit: Amount
    adl: Number = 0
    update_time: Millis = 0
    open_order_initial_margin: Any = None  # no reading hangs on it


class PositionRiskV2(Row, frozen=True):
    """The older form: of every symbol, with leverage and margin type, without maintenance margin and asset."""

    symbol: Name
    position_side: Slot
    position_amt: Amount
    entry_price: Size
    mark_price: Size
    liquidation_price: Amount
    margin_type: MarginType
    leverage: Size
    notional: Amount
    isolated_wallet: Amount
    un_realized_profit: Amount
    is_auto_add_margin: bool = False
    update_time: Millis = 0


class CoinPositionRisk(Row, frozen=True):
    """A coin-margined position, of every contract, held or not; money in the coin."""

    symbol: Name
    position_side: Slot
    position_amt: Amount  # contracts
    entry_price: Size
    mark_price: Size
    liquidation_price: Amount
    margin_type: MarginType
    leverage: Size
    isolated_margin: Amount  # isolated wallet and unrealized profit together
    un_realized_profit: Amount
    isolated_wallet: Amount | None = None
    notional_value: Amount | None = None
    is_auto_add_margin: bool = False
    update_time: Millis = 0


class Balance(Row, frozen=True):
    """A balance, in its asset."""

    asset: Name
    balance: Amount
    cross_wallet_balance: Amount
    cross_un_pnl: Amount
    update_time: Millis = 0


class TierRow(Row, frozen=True):
    """One maintenance tier; floor and cap are notional, or base asset where coin-margined."""

    maint_margin_ratio: Rate
    cum: Amount
    bracket: Number = 0
    initial_leverage: Size = 0.0
    notional_floor: Size | None = None
    notional_cap: Size | None = None
    qty_floor: Size | None = None
    qty_cap: Size | None = None
    qtyl_floor: Size | None = None  # the exchange's spelling of the one above

    def __post_init__(self) -> None:
        if self.notional_cap is None and self.qty_cap is None:
            raise ValueError("missing required field `notionalCap`")
        if self.notional_floor is None and self.qtyl_floor is None and self.qty_floor is None:
            raise ValueError("missing required field `notionalFloor`")

    @property
    def floor(self) -> float:
        """Where it begins."""
        floors = (self.notional_floor, self.qtyl_floor, self.qty_floor)
        return next(one for one in floors if one is not None)

    @property
    def cap(self) -> float:
        """Where it ends."""
        return next(one for one in (self.notional_cap, self.qty_cap) if one is not None)


class LeverageBracket(Row, frozen=True):
    """The maintenance tiers of a symbol as they are for this account."""

    symbol: Name
    brackets: tuple[TierRow, ...]
    notional_coef: Price | None = None  # only where the account's tiers are adjusted


class MultiAssets(Row, frozen=True):
    """Whether all assets are one wallet."""

    multi_assets_margin: bool


class PositionMode(Row, frozen=True):
    """Whether LONG and SHORT of a symbol may stand side by side."""

    dual_side_position: bool


class AssetIndex(Row, frozen=True):
    """What an asset counts in multi-assets mode."""

    symbol: Name  # of the index, such as ``BTCUSD``
    index: Amount  # not used: what an asset counts are its rates
    bid_rate: Price
    ask_rate: Price
    time: Millis = 0


class OpenOrder(Row, frozen=True):
    """An order in the book."""

    symbol: Name
    order_id: Number
    side: Literal["BUY", "SELL"]
    position_side: Slot
    orig_qty: Size
    executed_qty: Size
    price: Size
    status: str
    type: str
    client_order_id: str = ""
    stop_price: Size = 0.0  # coin-margined stops may still be among these orders
    working_type: str = "CONTRACT_PRICE"
    reduce_only: bool = False
    close_position: bool = False
    update_time: Millis = 0


class AlgoOrder(Row, frozen=True):
    """A conditional order that waits for its trigger: where stops are found."""

    symbol: Name
    algo_id: Number
    side: Literal["BUY", "SELL"]
    position_side: Slot
    quantity: Size
    trigger_price: Size
    algo_status: str
    order_type: str = ""
    type: str = ""  # seen in the place of the one above
    algo_type: str = "CONDITIONAL"
    price: Size | None = None  # the limit of what it becomes; 0 or none where that is an order at market
    working_type: str = "CONTRACT_PRICE"
    reduce_only: bool = False
    close_position: bool = False
    update_time: Millis = 0

    def __post_init__(self) -> None:
        if not (self.order_type or self.type):
            raise ValueError("missing required field `orderType`")

    @property
    def kind(self) -> str:
        """``STOP_MARKET``, ``TAKE_PROFIT`` and others, under either name."""
        return self.order_type or self.type


class ForceOrder(Row, frozen=True):
    """An order by which the exchange closed something."""

    symbol: Name
    order_id: Number
    client_order_id: str  # says why: ``autoclose-...``, ``adl_autoclose...``
    side: Literal["BUY", "SELL"]
    position_side: Slot
    orig_qty: Size
    executed_qty: Size
    avg_price: Size
    status: str
    time: Millis
    update_time: Millis = 0


class Income(Row, frozen=True):
    """Money that came or went."""

    income_type: str
    income: Amount
    asset: str
    time: Millis
    tran_id: Number  # unique within its type
    symbol: str = ""
    info: str = ""


class AdlQuantile(Row, frozen=True):
    """Place in the queue for auto-deleveraging by side, 0 to 4; ``HEDGE`` is a marker, not a side."""

    symbol: Name
    adl_quantile: dict[str, Number]


class FundingInfo(Row, frozen=True):
    """Funding of a symbol that has other terms than the usual ones."""

    symbol: Name
    funding_interval_hours: Count
    adjusted_funding_rate_cap: Amount = 0.0
    adjusted_funding_rate_floor: Amount = 0.0


class Kline(Struct, frozen=True, array_like=True):
    """A candle of mark prices."""

    open_ms: Millis
    open: Price | None = None
    high: Price | None = None
    low: Price | None = None
    close: Price | None = None


class ListenKey(Row, frozen=True):
    """The key of a private stream: a secret, shown nowhere."""

    listen_key: Annotated[str, Meta(min_length=1, max_length=256)]

    def __repr__(self) -> str:
        return "ListenKey(***)"

    __str__ = __repr__


class FundAsset(Row, frozen=True):
    """An asset of an insurance fund."""

    asset: Name
    margin_balance: Amount
    update_time: Millis = 0


class InsuranceFund(Row, frozen=True):
    """An insurance fund and the symbols it serves."""

    symbols: tuple[str, ...]
    assets: tuple[FundAsset, ...]


class AdlRisk(Row, frozen=True):
    """How likely auto-deleveraging is: low, medium or high."""

    symbol: Name
    adl_risk: str
    update_time: Millis = 0


class MarginChange(Row, frozen=True):
    """A change of an isolated wallet."""

    symbol: Name
    type: Number  # 1 added, 2 taken
    delta_type: str
    amount: Amount
    asset: str
    time: Millis
    position_side: Slot


class KeyPermissions(Row, frozen=True):
    """What a key may do, as the exchange says it."""

    enable_reading: bool
    enable_futures: bool
    enable_withdrawals: bool
    ip_restrict: bool
    enable_spot_and_margin_trading: bool = False
    enable_margin: bool = False
    enable_vanilla_options: bool = False
    enable_portfolio_margin_trading: bool = False
    enable_fix_api_trade: bool = False
    enable_internal_transfer: bool = False
    permits_universal_transfer: bool = False


class PortfolioAccount(Row, frozen=True):
    """A portfolio margin account: only what proves that it is one."""

    uni_mmr: Annotated[str, Meta(min_length=1)] = field(name="uniMMR")
