"""The proof that our figures are the exchange's: both side by side, at the exchange's own marks and quantities.

A second of movement is more than the tolerance, so ours are computed anew for each reply: from the account and the
marks that it carries. What does not agree is told, and until it does the more pessimistic figure decides levels:
the difference is taken off the wallet's balance or added to what it requires.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from monitor.core.book import Book, Floats
from monitor.core.compile import compile_book
from monitor.core.model import (
    MULTI_WALLET,
    AccountSnapshot,
    BracketTable,
    Compared,
    ExchangeFigures,
    Figure,
    MarginCallLeg,
    MarginMode,
    PositionFigures,
    Side,
    SubjectKey,
    WalletFigures,
)
from monitor.core.report import number
from monitor.core.risk import Readings, both_roots, evaluate, evaluate_rows
from monitor.core.settings import AuditRules

# Replies are rounded to eight decimals, and their marks may have been recovered from a rounded notional.
FLOOR = 1e-8  # in the figure's unit
FLOOR_OF_NOTIONAL = 1e-6
FLOOR_OF_MARK = 1e-7
NEAR = 0.2  # of the mark


class Audit(NamedTuple):
    """What came of comparing one reply."""

    at_ms: int  # exchange time of the reply; 0 before the first
    compared: tuple[Compared, ...] = ()
    corrections: dict[SubjectKey, tuple[float, float]] = {}  # noqa: RUF012 - never changed; see compile.correct
    quantities: dict[tuple[str, Side], float] = {}  # noqa: RUF012 - never changed; that it was made with

    @property
    def drifting(self) -> tuple[Compared, ...]:
        """What does not agree, the largest difference first, measured in tolerances."""
        return tuple(sorted((row for row in self.compared if not row.agrees), key=_excess, reverse=True))


def carried_over(before: Audit, found: Audit, share: Callable[[str], float]) -> Audit:
    """Return an audit of parts of a reply with what an earlier one found of the rest.

    A wallet that was compared as a whole before and is not now has moved while it was asked for: what differed
    about it is neither resolved nor found anew.

    Args:
        before: the earlier one.
        found: the new one.
        share: how many times as large as then a wallet is now, 0 if nothing of it is left.
    """
    whole = {row.wallet for row in found.compared if not row.symbol}
    open_ = {
        row.wallet for row in before.compared if not row.symbol and row.wallet not in whole and share(row.wallet)
    }
    if not open_:
        return found
    held = {(symbol, side.value) for symbol, side in found.quantities}
    now = {(row.wallet, row.symbol, row.side, row.figure) for row in found.compared}
    kept = tuple(
        row
        for row in before.compared
        if row.wallet in open_
        and (row.wallet, row.symbol, row.side, row.figure) not in now
        and (not row.symbol or (row.symbol, row.side) in held)
    )
    corrections = dict(found.corrections)
    for key, (less, extra) in before.corrections.items():
        if key.wallet in open_:
            had = corrections.get(key, (0.0, 0.0))
            factor = share(key.wallet)
            corrections[key] = (max(had[0], less * factor), max(had[1], extra * factor))
    return found._replace(compared=(*found.compared, *kept), corrections=corrections)


def audit(
    account: AccountSnapshot,
    figures: ExchangeFigures,
    tables: Mapping[str, BracketTable],
    rules: AuditRules,
) -> Audit:
    """Compare our figures of an account with the exchange's.

    Args:
        account: as the same reply describes it; every symbol held has a table.
        figures: what the reply says of positions and wallets; what it does not say is not compared.
        tables: tier tables, as for ``compile_book``.
        rules: what counts as agreeing.

    Raises:
        BracketError: a held symbol has no table.
    """
    book = compile_book((account,), tables)
    by_leg = {(one.symbol, one.side): one for one in figures.positions}
    marks = {one.symbol: one.mark for one in figures.positions}
    readings = evaluate(book, _vector(book, marks))
    compared: list[Compared] = []
    extra: Floats = np.zeros(len(book.wallets))
    less: Floats = np.zeros(len(book.wallets))
    deeper: list[tuple[int, PositionFigures]] = []
    for row, position in enumerate(book.positions):
        theirs = by_leg.get((position.symbol, position.side))
        if theirs is None or np.isnan(readings.notional[row]):
            continue
        wallet = int(book.row_wallet[row])
        if theirs.maintenance is not None:
            floor = FLOOR + FLOOR_OF_NOTIONAL * float(readings.notional[row])
            one = _value(
                book, row, Figure.MAINTENANCE_MARGIN, float(readings.position_maintenance[row]),
                theirs.maintenance, max(rules.relative * abs(theirs.maintenance), floor),
            )  # fmt: skip
            compared.append(one)
            if not one.agrees:
                more = theirs.maintenance - float(readings.position_maintenance[row])
                extra[wallet] += max(0.0, more) * float(book.slot_ask[book.row_slot[row]])
        if theirs.quotes_liquidation and not np.isnan(readings.cushion[wallet]):
            one = _liquidation(book, readings, row, theirs, rules)
            compared.append(one)
            if not one.agrees and theirs.liquidation_price is not None:
                deeper.append((row, theirs))
    _compare_wallets(book, figures.wallets, rules, compared, less=less, extra=extra)
    for row, theirs in deeper:
        if theirs.liquidation_price is None:
            continue
        # At the exchange's liquidation price nothing would be left; what we think is left there is not.
        wallet = int(book.row_wallet[row])
        price = readings.marks.copy()
        price[[r for r in book.rows_of(wallet) if book.positions[r].symbol == theirs.symbol]] = (
            theirs.liquidation_price
        )
        # A price far away differs mostly by what maintenance differs there, and that is charged already.
        if not extra[wallet] or abs(theirs.liquidation_price - theirs.mark) <= NEAR * theirs.mark:
            left = float(evaluate_rows(book, price).cushion[wallet]) - float(less[wallet] + extra[wallet])
            less[wallet] += max(0.0, left)
    corrections = {
        info.key: (float(less[i]), float(extra[i])) for i, info in enumerate(book.wallets) if less[i] or extra[i]
    }
    quantities = {(position.symbol, position.side): position.quantity for position in account.positions}
    return Audit(figures.at_ms, tuple(compared), corrections, quantities)


def _compare_wallets(
    book: Book,
    wallets: tuple[WalletFigures, ...],
    rules: AuditRules,
    compared: list[Compared],
    *,
    less: Floats,
    extra: Floats,
) -> None:
    for theirs in wallets:
        key = SubjectKey(book.parts[0].account.account, theirs.wallet)
        wallet = book.wallet_index.get(key)
        if wallet is None:
            continue
        readings = evaluate(book, _vector(book, theirs.marks))
        if np.isnan(readings.cushion[wallet]):
            continue
        rows = book.rows_of(wallet)
        floor = FLOOR + FLOOR_OF_NOTIONAL * float(readings.notional[rows.start : rows.stop].sum())
        for figure, ours, value in (
            (Figure.MARGIN_BALANCE, float(readings.margin_balance[wallet]), theirs.margin_balance),
            (Figure.MAINTENANCE_MARGIN, float(readings.maintenance_margin[wallet]), theirs.maintenance),
        ):
            if value is None:
                continue
            tolerance = max(rules.relative * abs(value), floor)
            agrees = abs(ours - value) <= tolerance
            compared.append(Compared(*key, "", "", figure, ours, value, tolerance, agrees))
            if not agrees and figure is Figure.MARGIN_BALANCE:
                less[wallet] = max(less[wallet], ours - value)
            elif not agrees:
                extra[wallet] = max(extra[wallet], value - ours)


def _value(book: Book, row: int, figure: Figure, ours: float, theirs: float, tolerance: float) -> Compared:  # noqa: PLR0917
    position = book.positions[row]
    key = book.wallets[int(book.row_wallet[row])].key
    agrees = abs(ours - theirs) <= tolerance
    return Compared(*key, position.symbol, position.side.value, figure, ours, theirs, tolerance, agrees)


def _liquidation(book: Book, readings: Readings, row: int, theirs: PositionFigures, rules: AuditRules) -> Compared:
    """Compare a liquidation price; of two roots the exchange may show either."""
    position = book.positions[row]
    key = book.wallets[int(book.row_wallet[row])].key
    roots = [root for root in both_roots(book, readings, row) if root is not None]
    quoted = theirs.liquidation_price
    ours = number(readings.liquidation_price[row])
    if roots and quoted is not None:
        ours = min(roots, key=lambda root: abs(root - quoted))
    known = [*roots] if quoted is None else [*roots, quoted]
    away = min((abs(price - theirs.mark) for price in known), default=0.0)
    tolerance = min(rules.liquidation_mark * theirs.mark, rules.liquidation_distance * away)
    tolerance = max(tolerance, FLOOR_OF_MARK * theirs.mark)
    agrees = ours is quoted if ours is None or quoted is None else abs(ours - quoted) <= tolerance
    return Compared(
        *key, position.symbol, position.side.value, Figure.LIQUIDATION_PRICE, ours, quoted, tolerance, agrees
    )


def _vector(book: Book, marks: Mapping[str, float]) -> Floats:
    return np.array([marks.get(symbol, np.nan) for symbol in book.symbols])


def _excess(row: Compared) -> float:
    if row.ours is None or row.theirs is None:
        return np.inf
    return abs(row.ours - row.theirs) / max(row.tolerance, FLOOR)


def figures_of_call(
    account: AccountSnapshot, legs: Sequence[MarginCallLeg], cross_balance: float | None, at_ms: int
) -> ExchangeFigures:
    """Return what a margin call says, as figures to compare ours with.

    Args:
        account: as it is known; a cross wallet is compared only if the call names all that it backs.
        legs: of the call; those whose quantities are as the account has them.
        cross_balance: cross wallet balance, None without a cross leg.
        at_ms: exchange time of the call.
    """
    named = {(leg.symbol, leg.side): leg for leg in legs}
    backed: dict[str, list[MarginCallLeg | None]] = {}
    for position in account.positions:
        backed.setdefault(account.wallet_of(position), []).append(named.get((position.symbol, position.side)))
    wallets = []
    for wallet, members in backed.items():
        known = [leg for leg in members if leg is not None]
        isolated = known[0].margin_mode is MarginMode.ISOLATED if known else False
        balance = known[0].isolated_margin if isolated else cross_balance
        # In multi-assets mode a call names one balance of many.
        if len(known) == len(members) and balance is not None and wallet != MULTI_WALLET:
            wallets.append(
                WalletFigures(
                    wallet,
                    {leg.symbol: leg.mark for leg in known},
                    balance + sum(leg.unrealized_pnl for leg in known),
                    sum(leg.maintenance for leg in known),
                )
            )
    positions = tuple(
        PositionFigures(leg.symbol, leg.side, leg.mark, leg.maintenance, None, quotes_liquidation=False)
        for leg in legs
    )
    return ExchangeFigures(at_ms, positions, tuple(wallets))
