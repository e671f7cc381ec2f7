"""Every figure against the `Decimal` reference: thousands of seeded accounts, and hypothesis to find the rest."""

import random
from collections.abc import Callable
from dataclasses import fields
from decimal import Context, Decimal, localcontext
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.book import Book, Floats
from monitor.core.compile import compile_book
from monitor.core.model import AccountSnapshot, Bracket, BracketTable, Position, Side
from monitor.core.risk import Readings, both_roots, evaluate, evaluate_rows
from tests.core import reference
from tests.core.checker import ACCURACY, check, marks_of
from tests.core.strategies import Case, Seeded, build_table, cases, draw_case, merge, usdt

SEED = 20_260_929
BOOKS = 10_000

slow = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
quick = settings(slow, max_examples=100)


def compiled(case: Case) -> tuple[Book, Readings]:
    book = compile_book(case.accounts, case.tables)
    return book, evaluate(book, marks_of(book, case.marks))


@pytest.fixture(scope="module")
def batch() -> Case:
    """Ten thousand accounts with 1 to 3 symbols, hedged or not, cross or isolated, linear or inverse."""
    source = Seeded(SEED)
    return merge([draw_case(source, f"n{i}x") for i in range(BOOKS)])


def test_ten_thousand_accounts_equal_the_reference(batch: Case) -> None:
    """The relative error of every figure is at most 1e-9 times its condition number."""
    book, readings = compiled(batch)
    counts = check(batch, book, readings)
    assert counts["same"] > 25 * BOOKS
    # Nothing hides in doubt, and the rare shapes are there.
    assert counts["doubt"] < 0.004 * counts["same"]
    assert counts["2 roots"] > 100
    assert counts["1 roots"] > 5000
    assert counts["0 roots"] > 1000


@slow
@given(cases())
def test_any_account_equals_the_reference(case: Case) -> None:
    """The same check on drawn accounts, which shrink when it fails."""
    book, readings = compiled(case)
    check(case, book, readings)


def _scale(book: Book, x: Floats) -> Floats:
    """Return what each wallet's cushion is made of, summed without signs, shape (w,)."""
    amount = np.minimum(book.tiers.cum[book.row_tier].max(axis=1), book.size * x)
    rows = book.size * x + book.size * book.entry_x + amount
    by_wallet = np.bincount(book.row_wallet, rows, len(book.wallets)).astype(np.float64)
    return by_wallet + np.abs(book.wallet_balance)


def _x(book: Book, price: Floats) -> Floats:
    return np.where(book.inverse, 1.0 / price, price)


def _check_zero_at(book: Book, readings: Readings) -> int:
    """Move one symbol of each wallet to its liquidation price at a time; return how many were checked."""
    edges = [*book.wallet_rows.tolist(), len(book.positions)]
    groups: list[list[list[int]]] = []  # by wallet, by symbol, rows
    for start, end in pairwise(edges):
        by_symbol: dict[str, list[int]] = {}
        for row in range(start, end):
            by_symbol.setdefault(book.positions[row].symbol, []).append(row)
        groups.append(list(by_symbol.values()))
    checked = 0
    for turn in range(max((len(group) for group in groups), default=0)):
        rows = [row for group in groups if turn < len(group) for row in group[turn]]
        moved = [row for row in rows if not np.isnan(readings.liquidation_price[row])]
        price = readings.marks.copy()
        price[moved] = readings.liquidation_price[moved]
        there = evaluate_rows(book, price)
        hit = np.unique(book.row_wallet[moved])
        # A liquidation price is right to a float; what that is worth depends on where the cushion was from.
        allowed = ACCURACY * (_scale(book, _x(book, price)) + _scale(book, _x(book, readings.marks)))
        assert (np.abs(there.cushion) <= allowed)[hit].all()
        checked += len(hit)
    return checked


def test_the_cushion_is_zero_at_every_liquidation_price(batch: Case) -> None:
    """Evaluated again at its liquidation price, with all other marks fixed, a wallet has nothing left."""
    book, readings = compiled(batch)
    assert _check_zero_at(book, readings) > BOOKS


def test_the_cushion_is_zero_at_every_joint_distance(batch: Case) -> None:
    """Evaluated again with all marks moved by the joint distance, up or down, a wallet has nothing left."""
    book, readings = compiled(batch)
    joint = readings.joint_distance
    # Below a hundredth of the mark the distance alone, near 1, no longer tells the factor precisely.
    asked = (joint > 0) & (np.abs(1 - joint) > 0.01) & (joint < 100)
    assert asked.sum() > BOOKS // 2
    scale = ACCURACY * _scale(book, _x(book, readings.marks))
    hit = np.zeros(len(joint), dtype=np.bool_)
    for sign in (-1.0, 1.0):
        factor = np.where(asked, 1 + sign * joint, 1.0)
        possible = factor > 0
        price = readings.marks * np.where(possible, factor, 1.0)[book.row_wallet]
        there = evaluate_rows(book, price)
        near = np.abs(there.cushion) <= ACCURACY * _scale(book, _x(book, price)) + scale
        hit |= near & possible & asked
        # Nothing between here and there is below zero: it is the smallest move.
        for share in (0.25, 0.5, 0.75, 0.999):
            part = np.where(asked, 1 + sign * joint * share, 1.0)
            fine = part > 0
            price = readings.marks * np.where(fine, part, 1.0)[book.row_wallet]
            assert (evaluate_rows(book, price).cushion >= -scale * 100)[asked & fine].all()
    assert hit[asked].all()


@quick
@given(cases())
def test_both_roots_bound_the_safe_prices(case: Case) -> None:
    """Between the roots the cushion is positive; outside of them it is not; a missing root bounds nothing."""
    book, readings = compiled(case)
    for row, position in enumerate(book.positions):
        if not position.quantity:
            continue
        wallet = book.row_wallet[row]
        inside = (book.row_wallet == wallet) & (book.row_symbol == book.row_symbol[row])
        lower, upper = both_roots(book, readings, row)
        probes = [(lower, 1 - 1e-4, -1), (lower, 1 + 1e-4, 1), (upper, 1 - 1e-4, 1), (upper, 1 + 1e-4, -1)]
        for root, nudge, sign in probes:
            if root is None or (lower and upper and upper / lower < 1.01):
                continue
            price = np.where(inside, root * nudge, readings.marks)
            there = evaluate_rows(book, price)
            slack = ACCURACY * (_scale(book, _x(book, price)) + _scale(book, _x(book, readings.marks)))
            assert sign * there.cushion[wallet] >= -slack[wallet]
        if lower is not None and upper is not None:
            assert lower < upper


def _by_name(book: Book, readings: Readings) -> dict[object, tuple[float, ...]]:
    named: dict[object, tuple[float, ...]] = {}
    for wallet, info in enumerate(book.wallets):
        named[info.key] = tuple(
            float(getattr(readings, name)[wallet])
            for name in (
                "margin_balance",
                "maintenance_margin",
                "cushion",
                "margin_ratio",
                "room",
                "joint_distance",
            )
        )
        for row in book.rows_of(wallet):
            position = book.positions[row]
            named[info.key, position.symbol, position.side] = tuple(
                float(getattr(readings, name)[row])
                for name in ("notional", "unrealized_pnl", "position_maintenance", "liquidation_price", "distance")
            )
    return named


def _assert_equal(here: dict[object, tuple[float, ...]], there: dict[object, tuple[float, ...]]) -> None:
    assert here.keys() == there.keys()
    for name, figures in here.items():
        np.testing.assert_array_equal(figures, there[name], err_msg=str(name))


@quick
@given(cases(), st.integers(0, 1000))
def test_the_order_of_accounts_and_positions_does_not_matter(case: Case, seed: int) -> None:
    """The same content in another order gives the same figures, to the last bit."""
    shuffle = random.Random(seed)  # noqa: S311  # a reproducible order
    accounts = []
    for account in shuffle.sample(case.accounts, len(case.accounts)):
        positions = tuple(shuffle.sample(account.positions, len(account.positions)))
        balances = dict(shuffle.sample(list(account.balances.items()), len(account.balances)))
        accounts.append(msgspec.structs.replace(account, positions=positions, balances=balances))
    _assert_equal(_by_name(*compiled(case)), _by_name(*compiled(case._replace(accounts=tuple(accounts)))))


@quick
@given(cases(accounts=1), st.integers(-8, 8))
def test_prices_and_ratios_do_not_depend_on_the_size(case: Case, power: int) -> None:
    """Quantities, balances and tiers times k: amounts times k, prices, ratios and distances the same."""
    k = 2.0**power  # a power of two, so that nothing is rounded

    def scaled(position: Position) -> Position:
        return msgspec.structs.replace(position, quantity=position.quantity * k, margin=position.margin * k)

    accounts = tuple(
        msgspec.structs.replace(
            account,
            balances={asset: balance * k for asset, balance in account.balances.items()},
            positions=tuple(map(scaled, account.positions)),
        )
        for account in case.accounts
    )
    tables = {
        symbol: BracketTable(
            symbol, tuple(Bracket(b.floor * k, b.cap * k, b.mmr, b.cum * k) for b in table.brackets)
        )
        for symbol, table in case.tables.items()
    }
    _, here = compiled(case)
    _, there = compiled(Case(accounts, tables, case.marks))
    amounts = {
        "notional", "unrealized_pnl", "position_maintenance", "margin_balance", "maintenance_margin", "cushion",
    }  # fmt: skip
    for field in fields(Readings):
        if field.name == "pair_roots":
            continue
        want = getattr(here, field.name) * (k if field.name in amounts else 1)
        np.testing.assert_array_equal(getattr(there, field.name), want, err_msg=field.name)


@quick
@given(cases(accounts=3))
def test_accounts_do_not_touch_each_other(case: Case) -> None:
    """Each account alone has the figures it has beside others."""
    together = _by_name(*compiled(case))
    alone: dict[object, tuple[float, ...]] = {}
    for account in case.accounts:
        alone |= _by_name(*compiled(case._replace(accounts=(account,))))
    _assert_equal(together, alone)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda account: msgspec.structs.replace(account, balances={}), "an account without balances"),
        (lambda account: msgspec.structs.replace(account, positions=()), "an account without positions"),
    ],
)
def test_missing_halves_equal_the_reference(
    change: Callable[[AccountSnapshot], AccountSnapshot], what: str
) -> None:
    """Positions without a balance have a wallet of zero; balances without positions a wallet without risk."""
    source = Seeded(SEED + 1)
    case = merge([draw_case(source, f"n{i}x") for i in range(50)])
    case = case._replace(accounts=tuple(change(account) for account in case.accounts))
    book, readings = compiled(case)
    assert check(case, book, readings)["same"] > 100, what


def _level_hedge(source: Seeded) -> tuple[list[reference.Leg], AccountSnapshot, BracketTable, float]:
    """Return a hedge whose gain the second rate just eats up, as decimals say it; its wallet, tiers and mark.

    With a LONG of 1 + rate and a SHORT of 1 - rate, what one gains the other and the maintenance margin lose. At a
    third rate, where there is one, it loses.
    """
    rate = Decimal(source.pick(("0.5", "0.25", "0.15", "0.125", "0.1", "0.05", "0.0065")))
    unit = Decimal(source.whole(1, 999)).scaleb(source.whole(-5, 1))
    mark = Decimal(source.whole(100, 99_999)).scaleb(-1)
    entries = [mark * source.whole(90, 110) / 100 for _ in Side]
    sizes = [unit * (1 + rate), unit * (1 - rate)]
    second = float(mark * unit) * source.number(0.5, 2.0)
    rows = [(0.0, "0.004"), (second, str(rate)), (second * source.number(2.0, 9.0), str(rate * 3 / 2))]
    table = build_table("BTCUSDT", rows[: source.pick((2, 3))])
    tiers = tuple(
        reference.Tier(*(Decimal(repr(figure)) for figure in (row.floor, row.mmr, row.cum)))
        for row in table.brackets
    )
    legs = [
        reference.Leg("BTCUSDT", 1 if side is Side.LONG else -1, size, entry, inverse=False, tiers=tiers)
        for side, size, entry in zip(Side, sizes, entries, strict=True)
    ]
    positions = tuple(
        usdt("BTCUSDT", side, float(size), float(entry))
        for side, size, entry in zip(Side, sizes, entries, strict=True)
    )
    balance = round(float(mark * unit) * source.number(0.02, 1.0), 2)
    return legs, AccountSnapshot("main", {"USDT": balance}, positions), table, float(mark)


@pytest.mark.parametrize("multi_assets", [False, True])
def test_a_hedge_that_neither_gains_nor_loses_ends_nowhere_on_that_stretch(multi_assets: bool) -> None:  # noqa: FBT001 - a table
    """What rounding leaves of a slope that is zero in decimals is no slope: its root would be a price of 1e24."""
    source, found = Seeded(SEED + 2), [0, 0, 0]
    for _ in range(1000):
        legs, account, table, mark = _level_hedge(source)
        account = msgspec.structs.replace(account, multi_assets=multi_assets)
        book, readings = compiled(Case((account,), {"BTCUSDT": table}, {"BTCUSDT": mark}))
        with localcontext(Context(prec=50)):
            balance = Decimal(repr(account.balances["USDT"]))
            roots, _ = reference.liquidation_prices(legs, reference.total([balance]))
        got = [root for root in both_roots(book, readings, 0) if root is not None]
        assert got == pytest.approx([float(root.value) for root in roots], rel=1e-9)
        found[len(got)] += 1
    assert min(found) > 50, found
