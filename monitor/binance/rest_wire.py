"""Replies of REST become values here, or are refused naming endpoint and field.

Every decoder takes the body and the endpoint's name. Nothing of a reply gets into an error but names of fields.
"""

import re
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

import msgspec

from monitor.binance.belief import BAD_AMOUNT, UNREADABLE, WRONG_SHAPE, unreadable
from monitor.binance.rest_rows import (
    Account,
    AccountConfig,
    AdlQuantile,
    AdlRisk,
    AlgoOrder,
    AssetIndex,
    Balance,
    CoinAccount,
    CoinPositionRisk,
    ExchangeInfo,
    ForceOrder,
    FundingInfo,
    Income,
    InsuranceFund,
    KeyPermissions,
    Kline,
    LeverageBracket,
    ListenKey,
    MarginChange,
    MultiAssets,
    OpenOrder,
    PortfolioAccount,
    PositionMode,
    PositionRisk,
    PositionRiskV2,
    ServerTime,
    SymbolConfig,
)
from monitor.errors import WireError

MISSING_FIELD: Final = "missing_field"

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Decode = Callable[[bytes, str], T]

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
exchange_info = _one(ExchangeInfo)
account_config = _one(AccountConfig)
symbol_config = _rows(SymbolConfig)
account = _one(Account)
coin_account = _one(CoinAccount)
position_risk = _rows(PositionRisk)
position_risk_v2 = _rows(PositionRiskV2)
coin_position_risk = _rows(CoinPositionRisk)
balance = _rows(Balance)
leverage_brackets = _rows(LeverageBracket)
multi_assets = _one(MultiAssets)
position_mode = _one(PositionMode)
asset_index = _rows(AssetIndex)
open_orders = _rows(OpenOrder)
open_algo_orders = _rows(AlgoOrder)
force_orders = _rows(ForceOrder)
income = _rows(Income)
adl_quantile = _rows(AdlQuantile)
funding_info = _rows(FundingInfo)
klines = _rows(Kline)
listen_key = _one(ListenKey)
insurance_fund = _rows(InsuranceFund)
adl_risk = _rows(AdlRisk)
margin_changes = _rows(MarginChange)
key_permissions = _one(KeyPermissions)
portfolio_account = _one(PortfolioAccount)
