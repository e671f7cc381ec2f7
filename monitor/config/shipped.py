"""The tier tables that come with the program: figures of the live exchange as of one date."""

from functools import cache
from importlib import resources

import msgspec

from monitor.core.model import Bracket, BracketTable


class _Shipped(msgspec.Struct, frozen=True):
    as_of: str  # ISO date
    environment: str
    tables: dict[str, tuple[Bracket, ...]]


@cache
def shipped_tables() -> dict[str, BracketTable]:
    """Return the tables by symbol; read once, on first use. They are checked by the tests, not here."""
    content = (resources.files("monitor") / "data" / "usdm-brackets.json").read_bytes()
    shipped = msgspec.json.decode(content, type=_Shipped)
    return {
        symbol: BracketTable(symbol, brackets, origin="shipped", as_of=shipped.as_of)
        for symbol, brackets in shipped.tables.items()
    }
