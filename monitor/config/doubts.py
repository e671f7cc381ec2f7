"""What is allowed of typed-in positions and perhaps not meant: figures that do not agree with each other."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from monitor.config.problems import key_path
from monitor.config.used_up import used_up
from monitor.core.model import AccountSnapshot, BracketTable, Lot, Market, Position


def position_warnings(
    names: Sequence[str],
    accounts: Sequence[AccountSnapshot],
    lots: Mapping[str, Lot],
    tables: Sequence[BracketTable],
) -> list[str]:
    """Return what is doubtful, each with its place and the fix.

    Args:
        names: of all accounts, in the order of the file.
        accounts: those that are typed in.
        lots: the steps of quantities that are typed in, by symbol.
        tables: the tiers that each symbol gets.
    """
    tiers = {table.symbol: table for table in tables}
    return [
        f"{key_path(('accounts', names.index(account.account), 'positions', index, key))}"
        f" ({account.account} {position.symbol}) {words}"
        for account in accounts
        for index, position in enumerate(account.positions)
        for text in _of_position(position, lots.get(position.symbol), tiers[position.symbol], account.market)
        for key, _, words in (text.partition(" "),)
    ]


def _of_position(position: Position, lot: Lot | None, table: BracketTable, market: Market) -> Iterator[str]:
    if lot is not None and Decimal(repr(position.quantity)) % Decimal(repr(lot.step)):
        step = f"{key_path(('contracts', position.symbol, 'step'))} = {lot.step:.12g}"
        yield f"quantity = {position.quantity:.12g} is no multiple of {step}: correct the one that is mistyped"
    most = _most_leverage(table)
    if most is not None and position.leverage is not None and position.leverage > most:
        yield (
            f"leverage = {position.leverage:.12g} is above {most:.12g}, the most that the brackets of"
            f" {position.symbol} allow: write what is chosen at the exchange"
        )
    if text := used_up(position, market, table):
        yield text


def _most_leverage(table: BracketTable) -> float | None:
    """Return the highest leverage of any tier; None where one does not say."""
    told = [bracket.leverage for bracket in table.brackets if bracket.leverage]
    return max(told) if len(told) == len(table.brackets) else None
