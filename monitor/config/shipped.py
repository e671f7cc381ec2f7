"""The tier tables and contract sizes that come with the program: the live exchange's as of one date each."""

from functools import cache
from importlib import resources

import msgspec

from monitor.core.model import Bracket, BracketTable


class _Shipped(msgspec.Struct, frozen=True):
    as_of: str  # ISO date
    environment: str
    tables: dict[str, tuple[Bracket, ...]]


class _Contracts(msgspec.Struct, frozen=True):
    as_of: str  # ISO date
    environment: str
    sizes: dict[str, float]  # US dollars by pair, such as BTCUSD
    others: float


@cache
def shipped_tables() -> dict[str, BracketTable]:
    """Return the tables by symbol; read once, on first use. They are checked by the tests, not here."""
    shipped = msgspec.json.decode(_content("usdm-brackets.json"), type=_Shipped)
    return {
        symbol: BracketTable(symbol, brackets, origin="shipped", as_of=shipped.as_of)
        for symbol, brackets in shipped.tables.items()
    }


def shipped_contract_size(symbol: str) -> float:
    """Return the US dollars one contract is worth, for a coin-margined symbol such as ``BTCUSD_PERP``."""
    contracts = _shipped_contracts()
    return contracts.sizes.get(symbol.partition("_")[0], contracts.others)


def shipped_contracts_date() -> str:
    """Return the ISO date as of which ``shipped_contract_size`` holds."""
    return _shipped_contracts().as_of


@cache
def _shipped_contracts() -> _Contracts:
    return msgspec.json.decode(_content("coinm-contracts.json"), type=_Contracts)


def _content(name: str) -> bytes:
    return (resources.files("monitor") / "data" / name).read_bytes()
