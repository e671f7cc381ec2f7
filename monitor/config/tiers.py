"""[brackets.SYMBOL], and which tier table each held symbol gets."""

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.config.contracts import COINM_SHAPE, coin_of
from monitor.config.problems import Loc, Problems, fix_of, key_path, nearest, shown_text
from monitor.config.schema import SYMBOL_SHAPE, BracketsSection
from monitor.config.shipped import shipped_tables
from monitor.config.values import symbol_name
from monitor.core.brackets import table_faults, validate_table
from monitor.core.model import BracketTable, Market

_HIGH_RATE = 0.5  # no exchange asks for more; above, percent were written instead of a fraction
ROWS_SHAPE = "rows = [[floor, cap, mmr, cum], ...]"
ROWS_RULE = (
    "rows that join: floors from 0, each the cap of the row before; mmr a rising fraction;"
    " cum = floor * (mmr - mmr before) + cum before, 0 in the first row"
)


def build_tables(raw_brackets: Mapping[str, Any], problems: Problems) -> dict[str, BracketTable]:
    """Return the tables of one's own by symbol, those without mistakes."""
    tables: dict[str, BracketTable] = {}
    for name, raw in raw_brackets.items():
        loc: Loc = ("brackets", name)
        hint = fix_of(symbol_name, name)
        if hint is not None:
            problems.add(loc, shown_text(name), SYMBOL_SHAPE, hint)
        section = problems.check(BracketsSection, raw, loc)
        if section is None:
            continue
        faults = table_faults(name, section.rows)
        for fault in faults:
            problems.add((*loc, "rows", fault.row), f"a row where {fault.reason}", ROWS_RULE)
        if not faults and hint is None:
            tables[name] = BracketTable(name, validate_table(name, section.rows), origin="config")
    return tables


class SymbolCheck:
    """Refuses symbols of another market, and those that have no tier table, each where it stands."""

    def __init__(self, raw_brackets: Mapping[str, Any], problems: Problems) -> None:
        # A table of one's own that is broken has been reported; its symbol is not without one.
        self._own = raw_brackets
        self._problems = problems

    def __call__(self, name: str, loc: Loc, market: Market = Market.USDM) -> bool:
        """Return whether a market's symbol has a table, of the file or the program; record a mistake if not."""
        if (coin_of(name) is not None) != (market is Market.COINM):
            self._add_other_market(name, loc, market)
            return False
        if market is Market.COINM:
            return self._coin_margined(name, loc)
        shipped = shipped_tables()
        if name in self._own or name in shipped:
            return True
        as_of = next(iter(shipped.values())).as_of
        own = f"give them as [brackets.{key_path((name,))}] {ROWS_SHAPE}"
        ways = f"{own}, or use one of the {len(shipped)} symbols shipped"
        suggestion = nearest(name, [*self._own, *shipped])
        self._problems.add(
            loc,
            f"{shown_text(name)}, a symbol without brackets",
            f"a symbol in [brackets] or in the tables shipped as of {as_of}",
            f"{suggestion} or {ways}" if suggestion else ways,
        )
        return False

    def _add_other_market(self, name: str, loc: Loc, market: Market) -> None:
        other, found, allowed = (
            (Market.USDM, "not a coin-margined contract", COINM_SHAPE)
            if market is Market.COINM
            else (Market.COINM, "a coin-margined contract", 'a USD-margined contract, such as "BTCUSDT"')
        )
        hint = f'or give the account market = "{other.value}"'
        self._problems.add(loc, f"{shown_text(name)}, {found}", allowed, hint)

    def _coin_margined(self, name: str, loc: Loc) -> bool:
        if name in self._own:
            return True
        own = (
            f"give them as [brackets.{key_path((name,))}] {ROWS_SHAPE}, with floor, cap and cum in {coin_of(name)}"
        )
        suggestion = nearest(name, [symbol for symbol in self._own if symbol not in shipped_tables()])
        self._problems.add(
            loc,
            f"{shown_text(name)}, a symbol without brackets",
            "a symbol in [brackets]: none of coin-margined contracts are shipped",
            f"{suggestion} or {own}" if suggestion else own,
        )
        return False


def table_warnings(
    held: Sequence[str],
    own: Mapping[str, BracketTable],
    tables: Sequence[BracketTable],
    environment: str,
    *,
    any_symbol: bool = False,
) -> list[str]:
    """Return what is allowed about the tables and perhaps not meant.

    Args:
        held: symbols typed in.
        own: tables of one's own by symbol.
        tables: the one each symbol typed in gets.
        environment: testnet or live.
        any_symbol: whether there are accounts that may hold any symbol.
    """
    warnings = []
    for name in own:
        if name not in held and not any_symbol:
            suggestion = nearest(name, [s for s in held if s not in own])
            text = f"brackets.{key_path((name,))} is not used: no position holds {name}"
            warnings.append(f"{text} ({suggestion})" if suggestion else text)
        warnings += [
            f"brackets.{key_path((name,))}.rows[{index}]: a maintenance margin rate of {row.mmr:g} is"
            f" {row.mmr * 100:g} % of the notional; if {row.mmr:g} % is meant, write {row.mmr / 100:g}"
            for index, row in enumerate(own[name].brackets)
            if row.mmr > _HIGH_RATE
        ]
    shipped = [table for table in tables if table.origin == "shipped"]
    if shipped and environment == "testnet":
        names = ", ".join(table.symbol for table in shipped)
        warnings.append(
            f"the brackets of {names} are {shipped[0].label}, figures of the live exchange; the testnet's differ,"
            f" and liquidation prices with them: give the testnet's own as [brackets.SYMBOL] {ROWS_SHAPE}"
        )
    return warnings
