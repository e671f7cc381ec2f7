"""Replies of REST that take no key: contracts, sessions, candles and what collateral counts, as frozen rows."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from monitor.binance.rest_rows import Amount, Count, Millis, Name, Price, Row


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


class AssetIndex(Row, frozen=True):
    """What an asset counts in multi-assets mode."""

    symbol: Name  # of the index, such as ``BTCUSD``
    index: Amount  # not used: what an asset counts are its rates
    bid_rate: Price
    ask_rate: Price
    time: Millis = 0


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
