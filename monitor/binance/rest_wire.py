"""Replies of REST become values here, or are refused naming endpoint and field.

Every decoder takes the body and the endpoint's name. Nothing of a reply gets into an error but names of fields.
Lists about many symbols, of which only some matter to anybody, may be taken without the rows that cannot be
believed; lists about money may not.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec

from monitor.binance.account_rows import (
    Account,
    AccountConfig,
    AdlQuantile,
    AlgoOrder,
    Balance,
    CoinAccount,
    CoinPositionRisk,
    ForceOrder,
    Income,
    KeyPermissions,
    LeverageBracket,
    ListenKey,
    MarginChange,
    MultiAssets,
    OpenOrder,
    PortfolioAccount,
    PositionMode,
    PositionRisk,
    PositionRiskV2,
    SymbolConfig,
)
from monitor.binance.belief import BAD_AMOUNT, NOT_JSON, TRUNCATED, UNREADABLE, WRONG_SHAPE, unreadable
from monitor.binance.market_rows import (
    AdlRisk,
    AssetIndex,
    ContractRow,
    ExchangeInfo,
    FundingInfo,
    InsuranceFund,
    Kline,
    RateLimit,
    ServerTime,
    TradingSchedule,
)
from monitor.binance.rest_rows import Row
from monitor.errors import WireError

MISSING_FIELD: Final = "missing_field"

T = TypeVar("T")
P = TypeVar("P")
T_co = TypeVar("T_co", covariant=True)
Decode = Callable[[bytes, str], T]


class LeftOut(NamedTuple):
    """A row that a list is taken without."""

    where: str  # the endpoint
    symbol: str  # what the row is about; empty if not even that can be read
    reason: str
    field: str


_SYMBOL = re.compile(r"\w{1,64}")  # of any script
_MISSING = re.compile(r"missing required field `([^`]*)`")
_PLACE = re.compile(r" - at `\$([^`]*)`\Z")
_INDEX = re.compile(r"\[[^\]]*\]")


class _JsonDecoder(Protocol[T_co]):
    def decode(self, buf: bytes, /) -> T_co: ...


def _one(kind: type[T]) -> Decode[T]:
    decoder: _JsonDecoder[T] = msgspec.json.Decoder(kind, strict=False)

    def decode(body: bytes, where: str) -> T:
        return _decoded(decoder, body, where)

    return decode


def _rows(kind: type[T]) -> Decode[tuple[T, ...]]:
    """Decode an array, or the single object that some endpoints answer a request for one symbol with."""
    decoder: _JsonDecoder[tuple[T, ...]] = msgspec.json.Decoder(tuple[kind, ...], strict=False)  # type: ignore[valid-type]
    single = _one(kind)

    def decode(body: bytes, where: str) -> tuple[T, ...]:
        if body.lstrip().startswith(b"{"):
            return (single(body, where),)
        return _decoded(decoder, body, where)

    return decode


class DecodeSome(Protocol[T_co]):
    """A decoder that hands rows it cannot believe to ``left_out``; without one it refuses the whole reply."""

    def __call__(self, body: bytes, where: str, left_out: Callable[[LeftOut], None] | None = None, /) -> T_co:
        """Return what the body holds; raise WireError."""
        ...


class _Named(Row, frozen=True):
    symbol: str = ""


class _Parts(Row, frozen=True):
    rate_limits: tuple[msgspec.Raw, ...]
    symbols: tuple[msgspec.Raw, ...]


def _some_rows(kind: type[T]) -> DecodeSome[tuple[T, ...]]:
    """Decode as ``_rows`` does; of an array no row of which can be believed the whole is refused."""
    single = _one(kind)

    def choose(rows: tuple[msgspec.Raw, ...], where: str) -> tuple[tuple[T, ...] | None, tuple[LeftOut, ...]]:
        good, bad = _split(rows, single, where)
        return good or None, bad

    return _in_parts(_rows(kind), tuple[msgspec.Raw, ...], choose)


def _some_info() -> DecodeSome[ExchangeInfo]:
    contract, limit = _one(ContractRow), _one(RateLimit)

    def choose(rows: _Parts, where: str) -> tuple[ExchangeInfo | None, tuple[LeftOut, ...]]:
        symbols, bad = _split(rows.symbols, contract, where)
        limits, bad_limits = _split(rows.rate_limits, limit, where)
        return ExchangeInfo(limits, symbols) if symbols else None, (*bad, *bad_limits)

    return _in_parts(_one(ExchangeInfo), _Parts, choose)


def _in_parts(
    whole: Decode[T], kind: type[P], choose: Callable[[P, str], tuple[T | None, tuple[LeftOut, ...]]]
) -> DecodeSome[T]:
    """Decode whole, and where that is refused row by row, which costs more.

    Args:
        whole: how the reply is decoded while every row can be believed.
        kind: the reply with its rows undecoded.
        choose: what is taken of it, None if nothing can be, and what is left out.
    """
    parts: _JsonDecoder[P] = msgspec.json.Decoder(kind)

    def decode(body: bytes, where: str, left_out: Callable[[LeftOut], None] | None = None, /) -> T:
        try:
            return whole(body, where)
        except WireError as error:
            if left_out is None or error.reason in {NOT_JSON, TRUNCATED}:
                raise
            refusal = error
        try:
            rows = parts.decode(body)
        except UNREADABLE:
            raise refusal from None
        taken, bad = choose(rows, where)
        if taken is None:
            raise refusal
        for one in bad:
            left_out(one)
        return taken

    return decode


def _split(
    rows: tuple[msgspec.Raw, ...], decode: Decode[T], where: str
) -> tuple[tuple[T, ...], tuple[LeftOut, ...]]:
    good: list[T] = []
    bad: list[LeftOut] = []
    for row in rows:
        try:
            good.append(decode(bytes(row), where))
        except WireError as error:
            bad.append(LeftOut(where, _symbol_of(bytes(row)), error.reason, error.detail))
    return tuple(good), tuple(bad)


def _symbol_of(row: bytes) -> str:
    try:
        symbol = msgspec.json.decode(row, type=_Named).symbol
    except UNREADABLE:
        return ""
    return symbol if _SYMBOL.fullmatch(symbol) else ""


def _decoded(decoder: _JsonDecoder[T], body: bytes, where: str) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), where) from None
    except UNREADABLE as error:
        raise unreadable(body, where, error) from None


def _refusal(text: str, where: str) -> WireError:
    """Return what to say of a reply of the wrong shape: its field, and none of what stands in it."""
    place = _PLACE.search(text)
    path = _INDEX.sub("", place.group(1)).lstrip(".") if place else ""
    missing = _MISSING.search(text)
    if missing:
        return WireError(where, MISSING_FIELD, ".".join(part for part in (path, missing.group(1)) if part))
    number = "`float`" in text or "out of range" in text
    return WireError(where, BAD_AMOUNT if number else WRONG_SHAPE, path)


server_time = _one(ServerTime)
exchange_info = _some_info()
account_config = _one(AccountConfig)
symbol_config = _some_rows(SymbolConfig)
account = _one(Account)
coin_account = _one(CoinAccount)
position_risk = _rows(PositionRisk)
position_risk_v2 = _rows(PositionRiskV2)
coin_position_risk = _rows(CoinPositionRisk)
balance = _rows(Balance)
leverage_brackets = _some_rows(LeverageBracket)
multi_assets = _one(MultiAssets)
position_mode = _one(PositionMode)
asset_index = _some_rows(AssetIndex)
open_orders = _some_rows(OpenOrder)
open_algo_orders = _some_rows(AlgoOrder)
force_orders = _rows(ForceOrder)
income = _rows(Income)
adl_quantile = _some_rows(AdlQuantile)
funding_info = _some_rows(FundingInfo)
klines = _rows(Kline)
listen_key = _one(ListenKey)
insurance_fund = _rows(InsuranceFund)
adl_risk = _rows(AdlRisk)
margin_changes = _rows(MarginChange)
key_permissions = _one(KeyPermissions)
portfolio_account = _one(PortfolioAccount)
trading_schedule = _one(TradingSchedule)
