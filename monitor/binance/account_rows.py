"""Replies of REST about an account and its key, as frozen rows: positions, money, tiers and orders."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from monitor.binance.belief import amount_or_none
from monitor.binance.rest_rows import (
    Amount,
    MarginType,
    Millis,
    Name,
    Number,
    Price,
    Rate,
    Row,
    Size,
    Slot,
    margin_mode,
)
from monitor.core.model import MarginMode


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


class ListenKey(Row, frozen=True):
    """The key of a private stream: a secret, shown nowhere."""

    listen_key: Annotated[str, Meta(min_length=1, max_length=256)]

    def __repr__(self) -> str:
        return "ListenKey(***)"

    __str__ = __repr__


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
