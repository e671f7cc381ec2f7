"""What quantities an order at market may have, by the filters of the exchange's rules. Pure."""

from typing import Final

from monitor.binance.belief import amount_or_none
from monitor.binance.market_rows import ContractRow, ExchangeInfo, OrderFilter
from monitor.core.model import Lot, Market

# An order at market is held to both.
FILTERS: Final = ("LOT_SIZE", "MARKET_LOT_SIZE")
_CONTRACT = 1.0  # coin-margined quantities are whole contracts


def lots_of(info: ExchangeInfo, market: Market) -> dict[str, Lot]:
    """Return the lot of each contract whose filters can be believed, in the unit of its quantities.

    Where two filters differ the coarser step and the larger minimum count: an order that keeps to them is taken.
    """
    found = {}
    for row in info.symbols:
        lot = _lot(row, whole=market is Market.COINM)
        if lot is not None:
            found[row.symbol] = lot
    return found


def _lot(row: ContractRow, *, whole: bool) -> Lot | None:
    rules = _filters(row)
    step = max((_positive(one.step_size) for one in rules), default=0.0)
    least = max((_positive(one.min_qty) for one in rules), default=0.0)
    if whole:
        step, least = max(step, _CONTRACT), max(least, _CONTRACT)
    return Lot(step, least) if step else None


def _filters(row: ContractRow) -> list[OrderFilter]:
    rules = row.filters if isinstance(row.filters, tuple) else ()
    return [one for one in rules if isinstance(one, OrderFilter) and one.filter_type in FILTERS]


def _positive(value: object) -> float:
    """Return an amount above 0; 0 where there is none, as the exchange itself writes it."""
    return max(0.0, amount_or_none(value) or 0.0)
