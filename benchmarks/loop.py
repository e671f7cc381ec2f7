"""The same readings the usual way: a loop over positions, one number at a time.

Written as well as such a loop reasonably is: everything that does not depend on marks is prepared, and the
published closed form of the liquidation price is repeated until its bracket is its own.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from monitor.core.model import AccountSnapshot, BracketTable, MarginMode, Side

Number = Any  # float or Decimal: the loop is the same
MOST_TURNS = 20


class Leg(NamedTuple):
    """One position in the loop's numbers."""

    symbol: str
    direction: int
    quantity: Number
    entry: Number
    tiers: Sequence[tuple[Number, Number, Number]]  # floor, mmr, cum


class Wallet(NamedTuple):
    """What one wallet holds."""

    balance: Number
    legs: Sequence[Leg]


class LoopBook:
    """Accounts prepared for the loop, wallets and legs in the order of the compiled book."""

    def __init__(self, wallets: Sequence[Wallet]) -> None:
        self._wallets = wallets

    def run(self, marks: dict[str, Number]) -> tuple[list[Number], list[Number | None]]:
        """Return margin ratios by wallet and liquidation prices by position."""
        ratios: list[Number] = []
        prices: list[Number | None] = []
        for wallet in self._wallets:
            balance, required = wallet.balance, 0
            own: dict[str, Number] = {}
            for leg in wallet.legs:
                mark = marks[leg.symbol]
                pnl = leg.direction * leg.quantity * (mark - leg.entry)
                notional = leg.quantity * mark
                _, mmr, cum = tier_of(leg.tiers, notional)
                maintenance = notional * mmr - cum
                balance += pnl
                required += maintenance
                own[leg.symbol] = own.get(leg.symbol, 0) + pnl - maintenance
            ratios.append(required / balance if balance > 0 else float("inf"))
            for leg in wallet.legs:
                rest = balance - required - own[leg.symbol]
                legs = [other for other in wallet.legs if other.symbol == leg.symbol]
                prices.append(liquidation_price(legs, rest, marks[leg.symbol]))
        return ratios, prices


def tier_of(tiers: Sequence[tuple[Number, Number, Number]], notional: Number) -> tuple[Number, Number, Number]:
    """Return the row a notional belongs to."""
    found = tiers[0]
    for tier in tiers:
        if notional < tier[0]:
            break
        found = tier
    return found


def liquidation_price(legs: Sequence[Leg], rest: Number, mark: Number) -> Number | None:
    """Return the closed form, its brackets taken at its own result; None if it is not positive."""
    price = mark
    for _ in range(MOST_TURNS):
        numerator, denominator = rest, 0
        for leg in legs:
            _, mmr, cum = tier_of(leg.tiers, leg.quantity * price)
            signed = leg.direction * leg.quantity
            numerator += cum - signed * leg.entry
            denominator += leg.quantity * mmr - signed
        following = numerator / denominator if denominator else None
        if following is None or following == price:
            break
        price = following
    return None if following is None or following <= 0 else following


def loop_book(
    accounts: Sequence[AccountSnapshot], tables: dict[str, BracketTable], number: Callable[[float], Number]
) -> LoopBook:
    """Prepare accounts for the loop in the given kind of number."""
    tiers = {
        symbol: [(number(b.floor), number(b.mmr), number(b.cum)) for b in table.brackets]
        for symbol, table in tables.items()
    }
    wallets: list[Wallet] = []
    for account in accounts:
        cross: list[Leg] = []
        isolated: list[Wallet] = []
        for position in sorted(account.positions, key=lambda p: (p.symbol, p.side is Side.SHORT)):
            direction = 1 if position.side is Side.LONG else -1
            leg = Leg(
                position.symbol, direction, number(position.quantity), number(position.entry_price),
                tiers[position.symbol],
            )  # fmt: skip
            if position.margin_mode is MarginMode.CROSS:
                cross.append(leg)
            else:
                isolated.append(Wallet(number(position.margin), [leg]))
        wallets.append(Wallet(number(account.balances["USDT"]), cross))
        wallets.extend(isolated)
    return LoopBook(wallets)
