"""Compares one evaluation with the `Decimal` reference, figure by figure."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from monitor.core.book import Book, Floats
from monitor.core.compile import compile_book
from monitor.core.model import AccountSnapshot, BracketTable, Position, SubjectKey
from monitor.core.risk import Readings, evaluate
from tests.core import reference
from tests.core.reference import Figure, LegFigures, WalletFigures
from tests.core.strategies import Case

ACCURACY = float(reference.ACCURACY)


def marks_of(book: Book, marks: dict[str, float]) -> Floats:
    """Return marks in the book's order of symbols."""
    return np.array([marks[symbol] for symbol in book.symbols], dtype=np.float64)


def run(
    positions: Sequence[Position],
    tables: Sequence[BracketTable],
    marks: dict[str, float],
    balances: dict[str, float] | None = None,
) -> tuple[Book, Readings]:
    """Evaluate one account."""
    account = AccountSnapshot("main", balances or {}, tuple(positions))
    book = compile_book([account], {table.symbol: table for table in tables})
    return book, evaluate(book, marks_of(book, marks))


def check(case: Case, book: Book, readings: Readings) -> Counter[str]:
    """Assert that every figure equals the reference's; return how many were compared and how many were in doubt.

    Equal is a relative error of 1e-9 times the condition number. In doubt is what has no well-conditioned answer,
    such as the liquidation price of a hedge whose best cushion is zero up to rounding.
    """
    counts: Counter[str] = Counter()
    pair_of = {int(row): i for i, row in enumerate(book.pairs.first)}
    pair_of |= {int(row): i for i, row in enumerate(book.pairs.second)}
    checked = 0
    for account in case.accounts:
        for wallet in reference.wallets_of(account, case.tables):
            marks = [Decimal(case.marks[leg.symbol]) for leg in wallet.legs]
            want = reference.assess(wallet.balance, wallet.legs, marks)
            index = book.wallet_index[SubjectKey(account.account, wallet.name)]
            where = f"{account.account}/{wallet.name}"
            _check_wallet(counts, where, readings, index, want)
            rows = {(book.positions[row].symbol, book.positions[row].side): row for row in book.rows_of(index)}
            assert sorted(rows) == sorted(wallet.names), where
            for name, figures in zip(wallet.names, want.legs, strict=True):
                row = rows[name]
                _check_leg(counts, f"{where} {name}", (book, readings, row), figures)
                if row in pair_of and not figures.doubt:
                    roots = readings.pair_roots[:, pair_of[row]]
                    prices = 1.0 / roots[::-1] if book.inverse[row] else roots
                    _check_roots(counts, where, prices[~np.isnan(prices)].tolist(), figures)
            checked += 1
    assert checked == len(book.wallets)
    return counts


def _check_wallet(counts: Counter[str], where: str, readings: Readings, index: int, want: WalletFigures) -> None:
    _same(counts, f"{where} balance", readings.margin_balance[index], want.balance)
    _same(counts, f"{where} maintenance", readings.maintenance_margin[index], want.maintenance)
    _same(counts, f"{where} cushion", readings.cushion[index], want.cushion)
    if want.ratio is None:
        assert readings.margin_ratio[index] == np.inf, where
    else:
        _same(counts, f"{where} ratio", readings.margin_ratio[index], want.ratio)
    _same(counts, f"{where} room", readings.room[index], want.room)
    if want.joint_doubt:
        counts["doubt"] += 1
    else:
        _same(counts, f"{where} joint distance", readings.joint_distance[index], want.joint)


def _check_leg(counts: Counter[str], where: str, got: tuple[Book, Readings, int], want: LegFigures) -> None:
    book, readings, row = got
    _same(counts, f"{where} notional", readings.notional[row], want.notional)
    _same(counts, f"{where} pnl", readings.unrealized_pnl[row], want.pnl)
    _same(counts, f"{where} maintenance", readings.position_maintenance[row], want.maintenance)
    bracket = int(readings.bracket[row])
    if bracket != want.bracket:
        # A rounded notional may fall on the other side of the bound it stands on; the figures are the same there.
        bound = book.tiers.floors[book.row_tier[row], max(bracket, want.bracket)]
        assert abs(bracket - want.bracket) == 1, where
        assert abs(float(want.notional.value) - bound) <= 1e-12 * bound, where
        counts["beside a bound"] += 1
    if want.doubt:
        counts["doubt"] += 1
        return
    _same(counts, f"{where} liquidation", readings.liquidation_price[row], want.liquidation)
    if want.edge:
        counts["doubt"] += 1
    else:
        _same(counts, f"{where} distance", readings.distance[row], want.distance)


def _check_roots(counts: Counter[str], where: str, prices: list[float], want: LegFigures) -> None:
    assert len(prices) == len(want.roots), f"{where}: {prices}, expected {want.roots}"
    counts[f"{len(prices)} roots"] += 1
    for price, root in zip(prices, want.roots, strict=True):
        _same(counts, f"{where} root", price, root)


def _same(counts: Counter[str], where: str, got: float, want: Figure | None) -> None:
    if want is None:
        assert np.isnan(got), f"{where}: {got}, expected none"
    elif want.doubt:
        counts["doubt"] += 1
        return
    else:
        difference = abs(float(got) - float(want.value))
        assert difference <= ACCURACY * float(want.terms), f"{where}: {got}, expected {want.value:.17g}"
    counts["same"] += 1
