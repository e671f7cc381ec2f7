"""Nothing raises on any input, the unknown stays where it is, and a range is judged by its worse ends."""

import math
from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.book import Book, Floats
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
from monitor.core.risk import adverse_prices, both_roots, evaluate, evaluate_rows
from tests.core.checker import marks_of
from tests.core.strategies import Case, build_table, cases, usdt

CROSS, ISOLATED = MarginMode.CROSS, MarginMode.ISOLATED
LONG, SHORT = Side.LONG, Side.SHORT


def test_an_unknown_mark_makes_its_own_wallet_unknown_only() -> None:
    """NaN spreads to the wallet that holds the symbol and to nothing else."""
    table_a, table_b = build_table("AUSDT", [(0.0, "0.01")]), build_table("BUSDT", [(0.0, "0.01")])
    cross = [usdt("AUSDT", LONG, 10.0, 100.0), usdt("BUSDT", LONG, 100.0, 10.0), usdt("BUSDT", SHORT, 50.0, 10.0)]
    alone = [usdt("BUSDT", SHORT, 5.0, 10.0)]
    tables = {"AUSDT": table_a, "BUSDT": table_b}
    accounts = [
        AccountSnapshot("one", {"USDT": 500.0, "USDC": 3.0}, tuple(cross)),
        AccountSnapshot("two", {"USDT": 50.0}, tuple(alone)),
    ]
    book = compile_book(accounts, tables)
    known = evaluate(book, marks_of(book, {"AUSDT": 100.0, "BUSDT": 10.0}))
    readings = evaluate(book, marks_of(book, {"AUSDT": math.nan, "BUSDT": 10.0}))
    blind = book.wallet_index[SubjectKey("one", "cross:USDT")]
    for name in ("margin_balance", "maintenance_margin", "cushion", "margin_ratio", "room", "joint_distance"):
        values = getattr(readings, name)
        assert math.isnan(values[blind]), name
        others = np.arange(len(values)) != blind
        np.testing.assert_array_equal(values[others], getattr(known, name)[others], err_msg=name)
    for row in book.rows_of(blind):
        assert math.isnan(readings.distance[row])
        assert math.isnan(readings.liquidation_price[row])
    (other_row,) = book.rows_of(book.wallet_index[SubjectKey("two", "cross:USDT")])
    assert readings.liquidation_price[other_row] == known.liquidation_price[other_row]
    low = marks_of(book, {"AUSDT": math.nan, "BUSDT": 10.0})
    adverse = adverse_prices(book, low, low)
    assert np.isnan(adverse).sum() == 1


EXTREMES = st.sampled_from([0.0, 5e-324, 1e-300, 1e-9, 1.0, 1e9, 1e150, 1e300, 1.7e308])


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_nothing_raises_or_warns_on_any_finite_input(data: st.DataObject) -> None:
    """Every function is total: absurd sizes give figures or NaN, never an error or a warning."""
    inverse = data.draw(st.booleans())
    positive = EXTREMES.map(lambda value: value or 1.0)
    signed = st.builds(math.copysign, EXTREMES, st.sampled_from([1.0, -1.0]))
    floors = sorted(set(data.draw(st.lists(positive, max_size=3))))
    rows = [Bracket(floor, 1.7e308, (i + 1) / 5, data.draw(EXTREMES)) for i, floor in enumerate([0.0, *floors])]
    tables = {name: BracketTable(name, tuple(rows)) for name in ("A", "B")}
    legs = [
        Position(
            symbol, side, data.draw(EXTREMES), data.draw(positive), data.draw(st.sampled_from([CROSS, ISOLATED])),
            "X", data.draw(signed), data.draw(positive), inverse,
        )
        for symbol in ("A", "B") for side in (LONG, SHORT) if data.draw(st.booleans())
    ]  # fmt: skip
    account = AccountSnapshot("main", {"X": data.draw(signed)}, tuple(legs), Market.USDM)
    book = compile_book([account], tables)
    mark = st.one_of(positive, st.just(math.nan))
    low, high = (np.array([data.draw(mark) for _ in book.symbols]) for _ in range(2))
    readings = evaluate(book, low)
    evaluate_rows(book, adverse_prices(book, low, high))
    for row in range(len(book.positions)):
        for root in both_roots(book, readings, row):
            assert root is None or root >= 0.0
    assert not (readings.room > 1.0).any()
    assert not (readings.distance < 0.0).any()
    for wallet, info in enumerate(book.wallets):
        marks = [low[book.row_symbol[row]] for row in book.rows_of(wallet)]
        if any(map(math.isnan, marks)):
            assert math.isnan(readings.cushion[wallet]), info


def _samples(low: Floats, high: Floats, steps: int = 7) -> list[Floats]:
    """Return marks from low to high: all together, and each symbol running against the next."""
    shares = np.linspace(0.0, 1.0, steps)
    flags = np.arange(len(low)) % 2 == 0
    together = [low + (high - low) * share for share in shares]
    against = [low + (high - low) * np.where(flags, share, 1.0 - share) for share in shares]
    return together + against


def _one_way(book: Book, wallet: int) -> bool:
    return all(
        book.positions[row].symbol != book.positions[after].symbol for row, after in pairwise(book.rows_of(wallet))
    )


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cases(), st.data())
def test_no_price_in_a_range_is_worse_than_the_adverse_ends(case: Case, data: st.DataObject) -> None:
    """The cushion is lowest at the adverse ends, so is the room; and so a ratio of 1 is never missed."""
    book = compile_book(case.accounts, case.tables)
    now = marks_of(book, case.marks)
    width = st.floats(0.0, 0.6)
    low = now * np.array([1 - data.draw(width) for _ in book.symbols])
    high = now * np.array([1 + data.draw(width) for _ in book.symbols])
    worst = evaluate_rows(book, adverse_prices(book, low, high))
    # A price the market can have: an end of the range, one for both legs of a pair.
    assert ((worst.marks == low[book.row_symbol]) | (worst.marks == high[book.row_symbol])).all()
    np.testing.assert_array_equal(worst.marks[book.pairs.first], worst.marks[book.pairs.second])
    scale = 1e-9 * np.bincount(
        book.row_wallet,
        book.size * book.entry_x
        + np.maximum(book.size * (1 / low if book.any_inverse else high)[book.row_symbol], 0),
        len(book.wallets),
    )
    scale += 1e-9 * np.abs(book.wallet_balance)
    top_rate = np.zeros(len(book.wallets))
    np.maximum.at(top_rate, book.row_wallet, book.tiers.mmr[book.row_tier].max(axis=1))
    for marks in _samples(low, high):
        inside = evaluate(book, marks)
        assert (worst.cushion <= inside.cushion + scale).all()
        assert (worst.room <= inside.room + scale * book.room_scale + 1e-12).all()
        fatal = (inside.margin_ratio >= 1) & (inside.cushion < -scale)
        assert (worst.margin_ratio[fatal] >= 1).all()
        for wallet in range(len(book.wallets)):
            # Below its rates a ratio may rise with a gain; such a wallet is far from any level.
            if _one_way(book, wallet) and np.isfinite(worst.margin_ratio[wallet]):
                allowed = max(worst.margin_ratio[wallet] * (1 + 1e-6), top_rate[wallet] + 1e-9)
                near = inside.margin_balance[wallet] <= scale[wallet]
                assert near or inside.margin_ratio[wallet] <= allowed
