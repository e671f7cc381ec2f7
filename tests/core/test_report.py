"""Readings as facts, history rows and JSON."""

import math

import msgspec
import numpy as np
import pytest

from monitor.core.book import Book
from monitor.core.marks import MarkBoard
from monitor.core.model import Level, MarkRange, Side, Source
from monitor.core.report import number, numbers, position_views, samples, wallet_facts, wallet_views, worst_row
from monitor.core.risk import Readings, evaluate
from tests.core.builders import BTC, ETH, book_of, cross, isolated, readings_of


def at(book: Book, *, event_ms: int = 5, **marks: float) -> tuple[Readings, MarkBoard]:
    """Return readings and a board at these marks; each symbol was seen a second after the one before."""
    board = MarkBoard()
    board.watch(book.symbols, 0.0)
    board.take(
        MarkRange(symbol, mark, mark, mark, event_ms + i, 10.0 + i, Source.REST if i else Source.STREAM)
        for i, (symbol, mark) in enumerate(marks.items())
    )
    return evaluate(book, board.price), board


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_none(value: float) -> None:
    """JSON and databases have neither NaN nor infinity."""
    assert number(value) is None
    assert number(np.float64(value)) is None
    assert type(number(np.float64(1.5))) is float


def test_facts_of_an_isolated_wallet() -> None:
    """All that a message may say, in full precision."""
    book = book_of(isolated())
    got = wallet_facts(book, *at(book, BTCUSDT=95.0), 0, now_s=12.5, environment="live")
    assert (got.environment, got.account, got.wallet) == ("live", "main", "isolated:BTCUSDT:LONG")
    assert (got.asset, got.margin_mode, got.symbol, got.side, got.positions) == (
        "USDT",
        "isolated",
        BTC,
        "LONG",
        1,
    )
    assert got.mark == 95.0
    assert got.liquidation_price == pytest.approx(90 / 0.99)
    assert got.distance == pytest.approx(1 - 90 / 0.99 / 95)
    assert got.joint_distance == got.distance
    assert got.margin_balance == pytest.approx(5.0)
    assert got.maintenance_margin == pytest.approx(0.95)
    assert got.cushion == pytest.approx(4.05)
    assert got.margin_ratio == pytest.approx(0.19)
    assert got.room == pytest.approx(0.45)
    assert not got.liquidatable
    assert (got.event_ms, got.mark_age_s, got.mark_source, got.brackets) == (
        5,
        2.5,
        "stream",
        "shipped 2026-09-29",
    )
    assert got.moves_left is None


def test_a_ratio_of_one_is_liquidatable() -> None:
    """From exactly there on, and where the balance is used up and there is no ratio."""
    book = book_of(isolated())
    readings, board = at(book, BTCUSDT=80.0)
    used_up = wallet_facts(book, readings, board, 0, now_s=20.0, environment="")
    assert used_up.liquidatable
    assert used_up.margin_ratio is None
    just = readings_of(book, margin_ratio=(1.0,))
    assert wallet_facts(book, just, board, 0, now_s=20.0, environment="").liquidatable


def test_facts_name_the_nearest_position_of_a_cross_wallet() -> None:
    """And the age of the oldest mark that went in."""
    book = book_of(cross(BTC), cross(ETH, side=Side.SHORT, quantity=3.0), usdt=100.0)
    readings, board = at(book, BTCUSDT=100.0, ETHUSDT=110.0)
    got = wallet_facts(book, readings, board, 0, now_s=20.0, environment="")
    assert (got.symbol, got.side, got.positions, got.mark) == (ETH, "SHORT", 2, 110.0)
    assert (got.event_ms, got.mark_age_s, got.mark_source) == (5, 10.0, "stream")


def test_a_mark_is_never_from_the_future() -> None:
    """A tick that arrived after the moment of decision is no seconds old."""
    book = book_of(isolated())
    assert wallet_facts(book, *at(book, BTCUSDT=95.0), 0, now_s=9.0, environment="").mark_age_s == 0.0


def test_facts_without_marks_or_positions_have_no_figures() -> None:
    """What is not known is left out."""
    for book in (book_of(isolated()), book_of(usdt=5.0)):
        got = wallet_facts(book, *at(book), 0, now_s=20.0, environment="")
        assert (got.mark, got.distance, got.mark_age_s, got.mark_source) == (None, None, None, "")
        msgspec.json.encode(got)
    assert (got.symbol, got.positions, got.brackets, got.margin_balance) == ("", 0, "", 5.0)


def test_the_worst_position() -> None:
    """The nearest to its liquidation price; where none is near, the one that requires most."""
    book = book_of(cross(BTC), cross(ETH), usdt=50.0)
    assert worst_row(book, readings_of(book, distance=(0.3, 0.2)), 0) == 1
    assert worst_row(book, readings_of(book, distance=(0.3, np.nan)), 0) == 0
    for nowhere in ((np.nan, np.nan), (0.0, 0.0)):
        assert worst_row(book, readings_of(book, distance=nowhere, position_maintenance=(1.0, 2.0)), 0) == 1
        assert worst_row(book, readings_of(book, distance=nowhere, position_maintenance=(np.nan, 2.0)), 0) == 1
    assert worst_row(book_of(usdt=1.0), readings_of(book_of(usdt=1.0)), 0) is None


def test_views_of_wallets_and_positions() -> None:
    """In the book's order, a position with its wallet's level."""
    book = book_of(cross(ETH), isolated(), usdt=7.0)
    readings, _ = at(book, BTCUSDT=80.0, ETHUSDT=100.0)
    views = wallet_views(book, readings, [Level.WARNING, Level.EMERGENCY])
    assert [(v.wallet, v.level, v.wallet_balance) for v in views] == [
        ("cross:USDT", "warning", 7.0),
        ("isolated:BTCUSDT:LONG", "emergency", 10.0),
    ]
    assert views[0].liquidatable is msgspec.UNSET
    assert (views[1].liquidatable, views[1].margin_ratio) == (True, None)
    rows = position_views(book, readings, [Level.WARNING, Level.EMERGENCY])
    assert [(v.symbol, v.level, v.mark_price, v.notional, v.unrealized_pnl) for v in rows] == [
        (ETH, "warning", 100.0, 100.0, 0.0),
        (BTC, "emergency", 80.0, 80.0, -20.0),
    ]
    assert (rows[0].quantity, rows[0].entry_price, rows[0].maintenance_margin) == (1.0, 100.0, 1.0)


def test_views_are_json_whatever_is_unknown() -> None:
    """No NaN or infinity gets out: null, or a field that is not there."""
    book = book_of(isolated(), cross(ETH), usdt=0.0)
    for marks in (0, 1, 2):
        board = MarkBoard()
        board.watch(book.symbols, 0.0)
        board.take([MarkRange(s, 80.0, 80.0, 80.0, 1, 1.0) for s in book.symbols[:marks]])
        readings = evaluate(book, board.price)
        for view in (*wallet_views(book, readings, [0, 0]), *position_views(book, readings, [0, 0])):
            values = msgspec.to_builtins(view).values()
            assert all(math.isfinite(value) for value in values if isinstance(value, float))
    assert b'"margin_ratio":null,"room":null' in msgspec.json.encode(wallet_views(book, at(book)[0], [0, 0]))
    assert b"liquidatable" not in msgspec.json.encode(wallet_views(book, at(book)[0], [0, 0]))


def test_a_sample_is_a_wallet_and_its_positions() -> None:
    """Only of the wallets that are due; figures stand where they belong."""
    book = book_of(cross(BTC), cross(ETH), isolated(), usdt=100.0)
    readings, board = at(book, BTCUSDT=95.0, ETHUSDT=100.0)
    rows = samples(book, readings, board, levels=[1, 2], wallets=[0], at_ms=9)
    assert [(r.wallet, r.symbol, r.side, r.level, r.at_ms, r.source) for r in rows] == [
        ("cross:USDT", "", "", 1, 9, "stream"),
        ("cross:USDT", BTC, "LONG", 1, 9, "stream"),
        ("cross:USDT", ETH, "LONG", 1, 9, "stream"),
    ]
    assert (rows[0].margin_balance, rows[0].mark, rows[0].distance) == (95.0, None, None)
    assert (rows[1].mark, rows[1].margin_ratio, rows[1].margin_balance) == (95.0, None, None)
    assert rows[1].maintenance_margin == pytest.approx(0.95)


def test_a_sample_has_no_number_that_is_none() -> None:
    """A used-up balance has no ratio; an empty wallet has no source."""
    book = book_of(isolated(), usdt=1.0)
    readings, board = at(book, BTCUSDT=80.0)
    rows = samples(book, readings, board, levels=[0, 4], wallets=[0, 1], at_ms=9)
    assert rows[0].source == ""
    assert rows[1].margin_ratio is None
    for row in rows:
        assert all(not isinstance(value, float) or math.isfinite(value) for value in row)


def test_a_column_is_read_as_each_of_its_numbers_is() -> None:
    """Neither NaN nor infinity leaves the columns, whichever way they are read."""
    column = np.array([1.5, np.nan, np.inf, -np.inf, 0.0])
    assert numbers(column) == [number(value) for value in column] == [1.5, None, None, None, 0.0]
    assert numbers(np.empty(0)) == []
