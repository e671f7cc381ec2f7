"""Maintenance tier tables: the rules they keep, and which table a symbol gets.

A table is a list of rows ``[floor, cap, mmr, cum]``; a fifth figure may be the most leverage allowed there, which
enters no formula. The requirement ``notional * mmr - cum`` has to be one unbroken line over the notional,
which fixes every ``cum`` but the first:
``cum_n = floor_n * (mmr_n - mmr_(n-1)) + cum_(n-1)``. A table that breaks this gives a wrong liquidation price
without any other sign, so it is refused rather than repaired.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from monitor.core.model import Bracket, BracketTable
from monitor.errors import BracketError

# Published amounts are rounded to cents at most; anything further off is a mistake.
CUM_RELATIVE = 1e-9
CUM_ABSOLUTE = 1e-6

_COLUMNS = (4, 5)
_MOST_LEVERAGE = 1000.0  # no exchange offers more


_ROW = "a row is four finite numbers: floor, cap, mmr, cum; a fifth is the most leverage"


def plausible_leverage(value: float) -> float | None:
    """Return the most leverage of a tier as it is told, None where it cannot be one: it is then not known."""
    return value if 1.0 <= value <= _MOST_LEVERAGE else None


def expected_cum(floor: float, mmr: float, mmr_below: float, cum_below: float) -> float:
    """Return the maintenance amount at which the requirement has no step at ``floor``, in the quote asset."""
    return floor * (mmr - mmr_below) + cum_below


def table_faults(symbol: str, rows: Sequence[Sequence[float]]) -> tuple[BracketError, ...]:
    """Return everything wrong with a table, in row order; empty if it can be used.

    Args:
        symbol: whose table it is; only for the errors.
        rows: ``[floor, cap, mmr, cum]`` each, or ``[floor, cap, mmr, cum, leverage]``; notional in the quote
            asset, mmr as a fraction, leverage as a multiple.
    """
    if not rows:
        return (BracketError(symbol, 0, "a table needs at least one row"),)
    faults: list[BracketError] = []
    below: Bracket | None = None
    for index, row in enumerate(rows):
        if len(row) not in _COLUMNS or not all(math.isfinite(value) for value in row):
            faults.append(BracketError(symbol, index, _ROW))
            below = None
            continue
        bracket = Bracket(*(float(value) for value in row))
        first = index == 0
        reasons = [*_shape_faults(bracket), *_order_faults(bracket, below, first=first)]
        if reasons:
            # Judged by a row that is wrong itself, the next would be called wrong as well.
            below = None
        else:
            expected = bracket.cum
            if first:
                expected = 0.0
            elif below is not None:
                expected = expected_cum(bracket.floor, bracket.mmr, below.mmr, below.cum)
            if math.isclose(bracket.cum, expected, rel_tol=CUM_RELATIVE, abs_tol=CUM_ABSOLUTE):
                below = bracket
            else:
                reasons.append(f"cum is {bracket.cum:.10g}, expected {expected:.10g}")
                # Judged by the right amount, or one typing error would be told again in every later row.
                below = Bracket(bracket.floor, bracket.cap, bracket.mmr, expected, bracket.leverage)
        faults += [BracketError(symbol, index, reason) for reason in reasons]
    return tuple(faults)


def validate_table(symbol: str, rows: Sequence[Sequence[float]]) -> tuple[Bracket, ...]:
    """Return the rows as brackets.

    Raises:
        BracketError: the first fault found; ``table_faults`` gives all of them.
    """
    faults = table_faults(symbol, rows)
    if faults:
        raise faults[0]
    return tuple(Bracket(*(float(value) for value in row)) for row in rows)


def bracket_at(table: BracketTable, notional: float) -> Bracket:
    """Return the row of a table that a notional is in; the last one above the last cap."""
    return next((row for row in table.brackets if notional < row.cap), table.brackets[-1])


def tables_for(
    symbols: Iterable[str], config: Mapping[str, BracketTable], shipped: Mapping[str, BracketTable]
) -> tuple[BracketTable, ...]:
    """Return one table for each symbol, in the order of first mention; a table of one's own wins.

    Raises:
        BracketError: a symbol has neither.
    """
    tables: list[BracketTable] = []
    for symbol in dict.fromkeys(symbols):
        table = config.get(symbol) or shipped.get(symbol)
        if table is None:
            raise BracketError(symbol, 0, "there is no table of this symbol, neither given nor shipped")
        tables.append(table)
    return tuple(tables)


def _shape_faults(bracket: Bracket) -> list[str]:
    reasons = []
    if bracket.cap <= bracket.floor:
        reasons.append(f"cap {bracket.cap:.10g} is not above floor {bracket.floor:.10g}")
    if not 0.0 < bracket.mmr < 1.0:
        reasons.append(f"mmr {bracket.mmr:.10g} is not between 0 and 1 (a fraction: 0.004 is 0.4 %)")
    if bracket.leverage is not None and plausible_leverage(bracket.leverage) is None:
        reasons.append(f"leverage {bracket.leverage:.10g} is not between 1 and {_MOST_LEVERAGE:g}")
    return reasons


def _order_faults(bracket: Bracket, below: Bracket | None, *, first: bool) -> list[str]:
    reasons = []
    if first and bracket.floor != 0.0:
        reasons.append(f"the first floor is {bracket.floor:.10g}, expected 0")
    if below is not None:
        if bracket.floor != below.cap:
            reasons.append(f"floor is {bracket.floor:.10g}, expected {below.cap:.10g}, the cap of the row before")
        if bracket.mmr <= below.mmr:
            reasons.append(f"mmr {bracket.mmr:.10g} is not above {below.mmr:.10g}, the rate of the row before")
    if below is not None and (bracket.leverage or 0.0) > (below.leverage or math.inf):
        reasons.append(f"leverage {bracket.leverage:.10g} is above {below.leverage:.10g}, that of the row before")
    return reasons
