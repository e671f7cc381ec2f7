"""Positions that outgrow their tiers: worth more than the last cap, now or where they are liquidated.

What an exchange keeps beyond the last cap is nowhere told, so the last rate goes on there. Of a table that was cut
short it is too low, which makes the liquidation price too good, and nothing else gives that away.
"""

from collections.abc import Mapping

import msgspec
import numpy as np

from monitor.core.book import Book
from monitor.core.compile import table_of
from monitor.core.model import BracketTable
from monitor.core.reach import within_reach
from monitor.core.report import number
from monitor.core.risk import Readings, evaluate_rows


class Outgrown(msgspec.Struct, frozen=True):
    """One such position; amounts in its margin asset."""

    account: str
    wallet: str
    symbol: str
    side: str
    asset: str
    last_cap: float
    notional: float  # at ``price``; at or above the cap
    price: float  # the liquidation price; the mark where it is beyond the cap there already
    liquidated: bool  # which of the two
    brackets: str  # where the table came from, such as ``config``


def outgrown(book: Book, readings: Readings, tables: Mapping[str, BracketTable]) -> tuple[Outgrown, ...]:
    """Return the positions that are beyond their last cap, in the book's order.

    A liquidation price that no price reaches counts as none.

    Args:
        book: the columns.
        readings: the evaluation, made of them.
        tables: those that the book was compiled with.
    """
    prices = np.where(np.isnan(readings.liquidation_price), readings.marks, readings.liquidation_price)
    there = evaluate_rows(book, prices).notional
    found = []
    for row, position in enumerate(book.positions):
        key = book.wallets[int(book.row_wallet[row])].key
        table = tables[table_of(key.account, position.symbol, tables)]
        cap, mark = table.brackets[-1].cap, number(readings.marks[row])
        here = bool(readings.notional[row] >= cap)
        worth = number(readings.notional[row] if here else there[row])
        price = mark if here else within_reach(number(prices[row]), mark)
        if worth is not None and price is not None and worth >= cap:
            found.append(
                Outgrown(
                    *key, position.symbol, position.side.value, position.margin_asset, cap, worth, price,
                    not here, table.label,
                )
            )  # fmt: skip
    return tuple(found)
