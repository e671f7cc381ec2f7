"""The shape of the file, section by section. Each field's description is what a person is told is allowed.

Strict: a number in quotes, a yes for true, or a key nobody knows is a mistake. Models are flat; sections inside
sections are checked by their own model, so that one mistake does not hide those beside it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from monitor.config import durations, values
from monitor.config.secret import SecretRef
from monitor.core.notices import FindingCode

REF_SHAPE = '{ env = "NAME" }, { file = "PATH" } or { credential = "NAME" }'
SYMBOL_SHAPE = 'a symbol in capitals, such as "BTCUSDT"'
Positive = Annotated[float, Field(gt=0)]
Table = dict[str, Any]
Fraction = Annotated[float, PlainValidator(values.fraction)]
Condition = Annotated[float | Literal[False], PlainValidator(values.condition)]


class Section(BaseModel):
    """What all sections have in common."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class DocumentSection(Section):
    """The top level; what is inside is checked by the models below."""

    exchange: Table = Field({}, description="a table: [exchange]")
    accounts: list[Any] = Field([], description="a list of tables: [[accounts]]")
    brackets: Table = Field({}, description="tables by symbol: [brackets.BTCUSDT]")
    contracts: Table = Field({}, description="tables by symbol: [contracts.BTCUSD_PERP]")
    collateral: Table = Field({}, description="tables by asset: [collateral.USDT]")
    alerts: Table = Field({}, description="a table: [alerts]")
    channels: list[Any] = Field([], description="a list of tables: [[channels]]")
    audit: Table = Field({}, description="a table: [audit]")
    checkup: Table = Field({}, description="a table: [checkup]")
    advice: Table = Field({}, description="a table: [advice]")
    history: Table = Field({}, description="a table: [history]")
    log: Table = Field({}, description="a table: [log]")
    heartbeat: Table = Field({}, description="a table: [heartbeat]")
    summary: Table = Field({}, description="a table: [summary]")
    display: Table = Field({}, description="a table: [display]")
    state: Table = Field({}, description="a table: [state]")
    web: Table = Field({}, description="a table: [web]")


class ExchangeSection(Section):
    """Where prices come from."""

    environment: Literal["testnet", "live"] = Field("testnet", description='"testnet" or "live"')
    rest_url: Annotated[str, PlainValidator(values.rest_url)] | None = Field(None, description="https://host")
    market_stream_url: Annotated[str, PlainValidator(values.stream_url)] | None = Field(
        None, description="wss://host/market"
    )
    private_stream_url: Annotated[str, PlainValidator(values.stream_url)] | None = Field(
        None, description="wss://host/private"
    )
    typical_moves: bool = Field(True, description="true or false")


class AccountSection(Section):
    """One account, with keys or with positions; the latter are checked by ``PositionSection``."""

    name: Annotated[str, PlainValidator(values.plain_name)] = Field(description='a name such as "main"')
    market: Literal["usdm", "coinm"] = Field("usdm", description='"usdm" or "coinm"')
    api_key: Annotated[SecretRef, PlainValidator(values.secret_ref)] | None = Field(None, description=REF_SHAPE)
    api_secret: Annotated[SecretRef, PlainValidator(values.secret_ref)] | None = Field(None, description=REF_SHAPE)
    allow_trading_key: bool = Field(False, description="true or false")
    multi_assets: bool = Field(False, description="true or false")
    balances: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="amounts by asset, 0 or more, such as { USDT = 5000.0 }"
    )
    positions: list[Any] = Field([], description="a list of tables: [[accounts.positions]]")


class PositionSection(Section):
    """One typed-in position."""

    symbol: Annotated[str, PlainValidator(values.symbol_name)] = Field(description=SYMBOL_SHAPE)
    side: Literal["LONG", "SHORT"] = Field(description='"LONG" or "SHORT"')
    quantity: Positive = Field(description="a number above 0; the direction is in side")
    entry_price: Positive = Field(description="a price above 0")
    margin_mode: Literal["isolated", "cross"] = Field(description='"isolated" or "cross"')
    margin: Positive | None = Field(None, description="an amount above 0, only with isolated")
    margin_asset: Annotated[str, PlainValidator(values.asset_name)] | None = Field(
        None, description='an asset in capitals, such as "USDT"'
    )
    leverage: Annotated[float, Field(ge=1, le=150)] | None = Field(
        None, description="a multiple from 1 to 150, as chosen at the exchange"
    )
    stop_loss: Annotated[float | None, PlainValidator(values.stop_loss)] = Field(
        None, description='the price that triggers it, above 0, or "none" where there is none'
    )


class BracketsSection(Section):
    """A tier table of one's own; what the rows say is checked by the core."""

    rows: list[Annotated[list[float], Field(min_length=4, max_length=5)]] = Field(
        min_length=1,
        description="rows of four numbers: [floor, cap, mmr, cum], perhaps a fifth, the most leverage",
    )


class ContractsSection(Section):
    """What one coin-margined contract is worth, and what quantities an order at market may have."""

    size: Positive | None = Field(None, description="US dollars, above 0, such as 100")
    step: Positive | None = Field(None, description="a quantity above 0, such as 0.001")
    least_quantity: Positive | None = Field(None, description="a quantity above 0, such as 0.001")


class CollateralSection(Section):
    """What one unit of an asset counts in multi-assets mode."""

    index: Positive = Field(description="US dollars, above 0")
    bid_buffer: Annotated[float, PlainValidator(values.below_one)] = Field(
        description="a fraction from 0 to below 1, taken off the index of what is owned"
    )
    ask_buffer: Annotated[float, PlainValidator(values.below_one)] = Field(
        description="a fraction from 0 to below 1, added to the index of what is owed or required"
    )


class LevelSection(Section):
    """Conditions of one level; ``false`` switches one off."""

    room: Condition = Field(False, description="a fraction above 0 and up to 1, or false")
    moves_left: Annotated[float | Literal[False], PlainValidator(values.multiple)] = Field(
        False, description="a multiple of the typical hourly move, above 0, or false"
    )
    moves_left_room: Fraction = Field(1.0, description="a fraction above 0 and up to 1")
    margin_ratio: Condition = Field(False, description="a fraction above 0 and up to 1, or false")
    margin_ratio_room: Fraction = Field(1.0, description="a fraction above 0 and up to 1")
    distance: Condition = Field(False, description="a fraction above 0 and up to 1, or false")
    joint_distance: Condition = Field(False, description="a fraction above 0 and up to 1, or false")
    reminder: Annotated[float | Literal[False], PlainValidator(values.reminder)] = Field(
        False, description=f'{durations.SHAPE}, or "none"'
    )
    dwell: Annotated[float, PlainValidator(values.duration)] = Field(300.0, description=durations.SHAPE)


class OverrideSection(Section):
    """Rules of one account or symbol; each level is checked by ``LevelSection``."""

    dead_band: Annotated[float, PlainValidator(values.below_one)] = Field(
        0.25, description="a fraction of each condition's value, from 0 to below 1"
    )
    notice: Table = Field({}, description="a table of conditions")
    warning: Table = Field({}, description="a table of conditions")
    critical: Table = Field({}, description="a table of conditions")
    emergency: Table = Field({}, description="a table of conditions")


class AlertsSection(OverrideSection):
    """The rules of everything else, and who has others."""

    escalate_after: Annotated[float, PlainValidator(values.positive_duration)] = Field(
        600.0, description=durations.SHAPE
    )
    accounts: Table = Field({}, description="tables by account and level: [alerts.accounts.NAME.warning]")
    symbols: Table = Field({}, description="tables by symbol and level: [alerts.symbols.BTCUSDT.warning]")


class ChannelSection(Section):
    """One way to reach somebody."""

    name: Annotated[str, PlainValidator(values.plain_name)] = Field(description='a name such as "telegram"')
    url: Annotated[SecretRef, PlainValidator(values.secret_ref)] = Field(description=REF_SHAPE)
    min_level: Literal["notice", "warning", "critical", "emergency"] = Field(
        "notice", description='"notice", "warning", "critical" or "emergency"'
    )
    changes: bool = Field(False, description="true or false")
    summary: bool | None = Field(None, description="true or false")
    chart: bool = Field(True, description="true or false")
    fallback: Annotated[str, PlainValidator(values.plain_name)] | None = Field(
        None, description="the name of another channel"
    )
    fallback_after: Annotated[float, PlainValidator(values.positive_duration)] = Field(
        120.0, description=durations.SHAPE
    )
    escalation: bool = Field(False, description="true or false")
    format: Literal["text", "html", "markdown"] | None = Field(
        None, description='"text", "html" or "markdown"; without it, what the service shows best'
    )


class AuditSection(Section):
    """How far our figures may be from the exchange's."""

    tolerance: Fraction = Field(0.001, description="a fraction of the value, above 0 and up to 1")
    liquidation_mark: Fraction = Field(0.0005, description="a fraction of the mark price, above 0 and up to 1")
    liquidation_distance: Fraction = Field(0.05, description="a fraction of the distance, above 0 and up to 1")


class AdviceSection(Section):
    """What reducing a position is assumed to cost."""

    taker_fee: Annotated[float, PlainValidator(values.cost)] = Field(
        0.0005, description="a fraction of the notional, from 0 to 0.1"
    )
    slippage: Annotated[float, PlainValidator(values.cost)] = Field(
        0.0005, description="a fraction of the price, from 0 to 0.1"
    )


class CheckupSection(Section):
    """What a habit has to be to become a finding."""

    enabled: bool = Field(True, description="true or false")
    experience: Literal["experienced", "beginner"] = Field(
        "experienced", description='"experienced" or "beginner"'
    )
    beginner_leverage: Annotated[float, Field(ge=1)] = Field(5.0, description="a multiple of 1 or more")
    largest_share: Fraction = Field(0.20, description="a fraction of the account's margin, above 0 and up to 1")
    most_exposure: Positive = Field(3.0, description="a multiple of the account's margin, above 0")
    stop_share: Fraction = Field(1.0, description="a fraction of the position, above 0 and up to 1")
    ignore: list[Annotated[str, PlainValidator(values.finding_code)]] = Field(
        [],
        description="a list of "
        + ", ".join(code.value for code in FindingCode if code is not FindingCode.USED_UP),
    )


class HistorySection(Section):
    """What is kept, and for how long."""

    path: Annotated[str, PlainValidator(values.absolute_path)] | None = Field(
        None, description="the path of a file"
    )
    keep_raw: Annotated[float, PlainValidator(values.positive_duration)] = Field(
        7 * 86400.0, description=durations.SHAPE
    )
    keep_minutes: Annotated[float, PlainValidator(values.positive_duration)] = Field(
        400 * 86400.0, description=durations.SHAPE
    )


class LogSection(Section):
    """What the log says, and how."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description='"debug", "info", "warning" or "error"'
    )
    format: Literal["auto", "json", "console"] = Field("auto", description='"auto", "json" or "console"')


class HeartbeatSection(Section):
    """Where to ping while all is well."""

    url: Annotated[SecretRef, PlainValidator(values.secret_ref)] | None = Field(None, description=REF_SHAPE)
    kind: Literal["auto", "healthchecks", "uptime-kuma"] = Field(
        "auto", description='"auto", "healthchecks" or "uptime-kuma"'
    )
    interval: Annotated[float, PlainValidator(values.positive_duration)] = Field(60.0, description=durations.SHAPE)
    tell_failure: bool = Field(True, description="true or false")


class SummarySection(Section):
    """The daily message that the service is alive."""

    enabled: bool = Field(True, description="true or false")
    at: Annotated[int, PlainValidator(values.time_of_day)] = Field(
        480, description='a time of day such as "08:00"'
    )


class DisplaySection(Section):
    """How times are shown to people."""

    time_zone: Annotated[str, PlainValidator(values.time_zone)] = Field(
        "local", description='a time zone such as "Europe/Rome", "UTC" or "local"'
    )


class WebSection(Section):
    """Status page, health, metrics and the JSON interface."""

    enabled: bool = Field(False, description="true or false")
    listen: Annotated[str, PlainValidator(values.listen_address)] = Field(
        "127.0.0.1:9757", description='an address and a port, such as "127.0.0.1:9757" or "[::1]:9757"'
    )
    token: Annotated[SecretRef, PlainValidator(values.secret_ref)] | None = Field(None, description=REF_SHAPE)
    names: list[Annotated[str, PlainValidator(values.host_name)]] = Field(
        [], description='a list of names this machine is called by, such as ["monitor.lan"]'
    )


class StateSection(Section):
    """Where the program keeps what must survive a restart."""

    directory: Annotated[str, PlainValidator(values.absolute_path)] | None = Field(
        None, description="the path of a directory"
    )
