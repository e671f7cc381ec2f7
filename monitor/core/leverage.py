"""How far liquidation is at each leverage, and how long prices usually take to get there.

Every row is a position as it would be just after opening: isolated, with a margin of notional / leverage. It is
compiled and evaluated like a held one, so the tiers of its size count. Fees, funding and margin added later are
left out.

How long is a rule, not a forecast: a price without drift whose logarithm moves by ``daily`` in a day, one standard
deviation, moves by ``daily * sqrt(days)`` in several. Real days have fatter tails and come in clusters, so what is
said here is rather too late than too early.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from monitor.core.book import Book
from monitor.core.brackets import bracket_at
from monitor.core.compile import compile_book
from monitor.core.model import (
    AccountSnapshot,
    Bracket,
    BracketTable,
    MarginMode,
    Market,
    Position,
    Side,
    SubjectKey,
)
from monitor.core.report import number
from monitor.core.risk import Readings, evaluate, evaluate_rows
from monitor.core.whatif import value_of

LADDER: Final = (2, 3, 4, 5, 7, 10, 15, 20, 25, 30, 40, 50, 75, 100, 125, 150)
CALL_RATIO: Final = 0.80  # margin ratio at which the exchange calls for margin


class Contract(NamedTuple):
    """What is traded, and at which price."""

    symbol: str
    asset: str  # margin asset
    price: float  # at which a position is opened, > 0
    inverse: bool = False


class Way(msgspec.Struct, frozen=True):
    """One direction. Moves are fractions of the entry price; None where no price liquidates."""

    move: float | None  # to liquidation
    price: float | None  # liquidation price
    call: float | None  # what is left to liquidation at a margin ratio of 80 %, a fraction of the price then
    usual_days: float | None = None  # until a move as far is one standard deviation; None without a daily move
    day_chance: float | None = None  # of being liquidated within a day, 0 to 1; None without a daily move


class Rung(msgspec.Struct, frozen=True):
    """One leverage, in both directions or in one."""

    leverage: float
    margin: float  # margin asset
    rule_of_thumb: float  # 1 / leverage
    off: float | None  # the nearer move / rule of thumb - 1, so -0.08 is 8 % less than thought
    long: Way | None  # None where only the other direction was asked for
    short: Way | None
    chosen: bool = False  # the leverage of a position that is held
    allowed: bool = True  # False only of a chosen one, which the tiers no longer allow

    @property
    def ways(self) -> tuple[Way, ...]:
        """The directions asked for."""
        return tuple(way for way in (self.long, self.short) if way is not None)


def leverage_of(position: Position) -> float | None:
    """Return the leverage a position really has: of an isolated one entry notional / margin, else as chosen."""
    if position.margin_mode is MarginMode.CROSS:
        return position.leverage
    return (
        value_of(position, position.quantity, position.entry_price) / position.margin if position.margin else None
    )


def usual_days(reach: float, daily: float) -> float:
    """Return after how many days a move of ``reach`` is one standard deviation.

    The square-root-of-time rule, solved for the time: independent days of equal size. By then a price has touched
    a level that far away, in one given direction, with the probability ``touch_chance(reach, daily, days)`` of
    about 32 %.

    Args:
        reach: absolute log return, >= 0.
        daily: standard deviation of the log return of a day, > 0.
    """
    return (reach / daily) ** 2


def touch_chance(reach: float, daily: float, days: float = 1.0) -> float:
    """Return how likely a level on one side is touched within some days, 0 to 1.

    2 * (1 - Phi(reach / (daily * sqrt(days)))), by the reflection principle of Brownian motion: a path that
    touched the level ends beyond it as often as not. Assumes no drift, normal moves, constant volatility and a
    look at every moment; fat tails make far levels likelier than this.

    Args:
        reach: absolute log return, >= 0.
        daily: standard deviation of the log return of a day, > 0.
        days: > 0.
    """
    return math.erfc(reach / (daily * math.sqrt(2.0 * days)))


def ladder(
    contract: Contract,
    table: BracketTable,
    notional: float,
    *,
    daily: float | None = None,
    chosen: float | None = None,
    sides: Sequence[Side] = tuple(Side),
    every: bool = False,
) -> tuple[Rung, ...]:
    """Return what each leverage means for a position of this size, lowest first.

    From 2 to what the tiers allow for the notional; where the table does not say, as far as a position would not
    be liquidated by opening it.

    Args:
        contract: what is traded.
        table: its maintenance tiers.
        notional: size when opened, in the margin asset, > 0.
        daily: standard deviation of the log return of a day, > 0; None where not known.
        chosen: a leverage to mark and to list in any case.
        sides: which directions.
        every: all whole leverages, instead of those of ``LADDER``.
    """
    most = bracket_at(table, notional).leverage
    wanted = {float(one) for one in (range(2, int(most or LADDER[-1]) + 1) if every else LADDER)}
    if most is not None:
        wanted = {one for one in wanted if one <= most} | ({most} if most >= 2.0 else set())  # noqa: PLR2004
    # Margin added to the exact share leaves a leverage like 19.99999999: the same, to people.
    same = (
        None if chosen is None else next((one for one in wanted if math.isclose(one, chosen, rel_tol=1e-6)), None)
    )
    marked = same or chosen
    if marked is not None:
        wanted.add(marked)
    opened = [_opened(contract, notional, leverage, sides) for leverage in sorted(wanted)]
    found = []
    for one in _rungs(contract, table, opened, daily):
        mine = one.leverage == marked
        alive = all(way.move != 0.0 for way in one.ways)
        if mine or most is not None or alive:
            allowed = one.leverage <= most if most is not None else alive
            found.append(msgspec.structs.replace(one, chosen=mine, allowed=allowed))
    return tuple(found)


def _rungs(
    contract: Contract, table: BracketTable, accounts: Sequence[AccountSnapshot], daily: float | None
) -> list[Rung]:
    book = compile_book(accounts, {contract.symbol: table})
    marks = np.array([contract.price])
    readings = evaluate(book, marks)
    # The price at which requirement / balance is 80 % is the one at which requirement / 0.8 is all of the balance.
    calls = evaluate(compile_book(accounts, {contract.symbol: _scaled(table, 1.0 / CALL_RATIO)}), marks)
    never = np.isnan(calls.liquidation_price) | (calls.distance == 0.0)  # or from the beginning
    left = evaluate_rows(book, np.where(never, contract.price, calls.liquidation_price))
    found = []
    for account in accounts:
        leg = account.positions[0]
        leverage = leg.leverage or 1.0
        ways = {
            p.side: _way(readings, left, _row(book, account.account, p), contract.price, daily)
            for p in account.positions
        }
        moves = [way.move for way in ways.values() if way.move is not None]
        off = min(moves) * leverage - 1.0 if moves else None
        found.append(Rung(leverage, leg.margin, 1.0 / leverage, off, ways.get(Side.LONG), ways.get(Side.SHORT)))
    return found


def _opened(contract: Contract, notional: float, leverage: float, sides: Sequence[Side]) -> AccountSnapshot:
    """Return an account that has just opened the position, in each direction with its own wallet."""
    size = notional * contract.price if contract.inverse else notional / contract.price
    legs = tuple(
        Position(
            contract.symbol, side, size, contract.price, MarginMode.ISOLATED, contract.asset, notional / leverage,
            1.0, contract.inverse, leverage,
        )
        for side in sides
    )  # fmt: skip
    market = Market.COINM if contract.inverse else Market.USDM
    return AccountSnapshot(repr(leverage), {}, legs, market, hedge_mode=True)


def _scaled(table: BracketTable, factor: float) -> BracketTable:
    rows = tuple(Bracket(row.floor, row.cap, row.mmr * factor, row.cum * factor) for row in table.brackets)
    return BracketTable(table.symbol, rows)


def _row(book: Book, account: str, position: Position) -> int:
    return book.rows_of(book.wallet_index[SubjectKey(account, position.wallet)]).start


def _way(readings: Readings, left: Readings, row: int, mark: float, daily: float | None) -> Way:
    move, price = number(readings.distance[row]), number(readings.liquidation_price[row])
    if move is None or price is None:
        return Way(move, price, None)
    call = number(left.distance[row])
    if daily is None:
        return Way(move, price, call)
    reach = abs(math.log(price / mark)) if move > 0.0 else 0.0
    return Way(move, price, call, usual_days(reach, daily), touch_chance(reach, daily))


def daily_of_hourly(hourly: float) -> float:
    """Return the standard deviation of a day's log return from that of an hour, by the square root of time."""
    return hourly * math.sqrt(24.0)


def largest(table: BracketTable) -> float:
    """Return the notional at which the table ends: no position may be larger."""
    return table.brackets[-1].cap
