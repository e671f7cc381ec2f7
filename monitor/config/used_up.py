"""Typed-in positions that the exchange would have closed as they were opened: their margin is mistyped."""

from monitor.core.brackets import bracket_at
from monitor.core.model import AccountSnapshot, BracketTable, MarginMode, Market, Position
from monitor.core.whatif import value_of


def used_up(position: Position, market: Market, table: BracketTable) -> str:
    """Return what is to be said where an isolated margin does not last at the entry price itself, empty else."""
    if position.margin_mode is MarginMode.CROSS:
        return ""
    notional = value_of(position, position.quantity, position.entry_price)
    # At least what has to be kept; whoever has more than that does not pay for what computes it.
    if position.margin > notional * bracket_at(table, notional).mmr:
        return ""
    return _judged(position, market, table)


def _judged(position: Position, market: Market, table: BracketTable) -> str:
    import numpy as np  # noqa: PLC0415 - heavy, and hardly ever needed

    from monitor.core.compile import compile_book  # noqa: PLC0415 - same
    from monitor.core.risk import evaluate  # noqa: PLC0415 - same

    alone = AccountSnapshot("", {}, (position,), market)
    readings = evaluate(compile_book([alone], {table.symbol: table}), np.array([position.entry_price]))
    if readings.cushion[0] > 0.0:
        return ""
    kept = f"{float(readings.maintenance_margin[0]):.12g} {position.margin_asset}"
    entry, price = f"{position.entry_price:.12g}", f"{float(readings.liquidation_price[0]):.6g}"
    return (
        f"margin = {position.margin:.12g} is used up at the entry price already: {kept} has to be kept of it, and"
        f" a {position.side.value} entered at {entry} is liquidated at {price}: write the margin that the exchange"
        " shows, and quantity and entry price as it does"
    )
