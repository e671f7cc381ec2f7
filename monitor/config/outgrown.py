"""Tables of one's own that end too early: a typed-in position outgrows them before it is liquidated."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from monitor.config.problems import key_path
from monitor.core.model import AccountSnapshot, BracketTable, MarginMode, Position, Side
from monitor.core.whatif import value_of

if TYPE_CHECKING:
    from monitor.core.outgrown import Outgrown

_OWN = "config"


def outgrown_warnings(accounts: Sequence[AccountSnapshot], tables: Sequence[BracketTable]) -> list[str]:
    """Return which tables of one's own end before the positions typed in, with all prices as at entry."""
    return [outgrown_words(one) for one in find_outgrown(accounts, tables)]


def find_outgrown(accounts: Sequence[AccountSnapshot], tables: Sequence[BracketTable]) -> "list[Outgrown]":
    """Return the typed-in positions beyond the last cap of a table of one's own, with all prices as at entry."""
    by_symbol = {table.symbol: table for table in tables}
    return [one for account in accounts for one in _outgrown(account, by_symbol)]


def outgrown_words(one: "Outgrown") -> str:
    """Return that a position is worth more than its tiers reach, and what follows from it."""
    own = one.brackets == _OWN
    table = f"brackets.{key_path((one.symbol,))}.rows" if own else f"the tiers of {one.symbol} ({one.brackets})"
    when = f"at {one.price:.6g}, where it is liquidated" if one.liquidated else f"at {one.price:.6g} already"
    what = (
        "more has to be kept there if the exchange has higher tiers, and it is liquidated earlier: add those that"
        " follow to the rows"
        if own
        else "the exchange tells nowhere what is kept beyond: if that is more, it is liquidated earlier"
    )
    return (
        f"{table} end at {one.last_cap:.12g} {one.asset}, and the {one.side} of {one.account} is worth"
        f" {one.notional:.4g} {one.asset} {when}: {what}"
    )


def _outgrown(account: AccountSnapshot, tables: Mapping[str, BracketTable]) -> "Iterator[Outgrown]":
    # Whoever is far below the cap does not pay for what computes it.
    if not any(_may_outgrow(account, position, tables[position.symbol]) for position in account.positions):
        return
    import numpy as np  # noqa: PLC0415 - heavy, and hardly ever needed

    from monitor.core.compile import compile_book  # noqa: PLC0415 - same
    from monitor.core.outgrown import outgrown  # noqa: PLC0415 - same
    from monitor.core.risk import evaluate_rows  # noqa: PLC0415 - same

    book = compile_book([account], tables)
    readings = evaluate_rows(book, np.array([position.entry_price for position in book.positions]))
    yield from (one for one in outgrown(book, readings, tables) if one.brackets == _OWN)


def _may_outgrow(account: AccountSnapshot, position: Position, table: BracketTable) -> bool:
    """Return whether it can: one that grows as it loses gains at most what it can lose."""
    if table.origin != _OWN:
        return False
    cross = position.margin_mode is MarginMode.CROSS
    worth, cap = value_of(position, position.quantity, position.entry_price), table.brackets[-1].cap
    if worth >= cap or (cross and (account.multi_assets or _hedged(account, position))):
        return True
    grows = (position.side is Side.SHORT) is not position.inverse
    lasts = account.balances.get(position.margin_asset, 0.0) if cross else position.margin
    return grows and worth + lasts >= cap


def _hedged(account: AccountSnapshot, position: Position) -> bool:
    return sum(other.symbol == position.symbol for other in account.positions) > 1
