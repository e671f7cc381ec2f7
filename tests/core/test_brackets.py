"""Tier tables: what is refused, and which table a symbol gets."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.brackets import expected_cum, table_faults, tables_for, validate_table
from monitor.core.model import Bracket, BracketTable
from monitor.errors import BracketError

ROWS = [[0, 300000, 0.004, 0], [300000, 800000, 0.005, 300], [800000, 3000000, 0.0065, 1500]]


def changed(row: int, column: int, value: float) -> list[list[float]]:
    rows = [[float(v) for v in r] for r in ROWS]
    rows[row][column] = value
    return rows


def faults(rows: list[list[float]]) -> list[tuple[int, str]]:
    return [(fault.row, fault.reason) for fault in table_faults("BTCUSDT", rows)]


def test_a_sound_table_becomes_brackets() -> None:
    """Rows keep their order and figures."""
    assert validate_table("BTCUSDT", ROWS) == (
        Bracket(0, 300000, 0.004, 0),
        Bracket(300000, 800000, 0.005, 300),
        Bracket(800000, 3000000, 0.0065, 1500),
    )


def test_a_fifth_figure_is_the_most_leverage() -> None:
    """A table may say it in every row, in some, or not at all."""
    rows = [[*ROWS[0], 150], [*ROWS[1], 100], ROWS[2]]
    assert [bracket.leverage for bracket in validate_table("BTCUSDT", rows)] == [150, 100, None]


def test_the_published_example_of_the_maintenance_amount() -> None:
    """A second row at 250,000 from 0.5 % to 1 %, on 50, has 1,300."""
    assert expected_cum(250_000, 0.01, 0.005, 50) == pytest.approx(1300)


@pytest.mark.parametrize(
    ("rows", "row", "phrase"),
    [
        ([], 0, "at least one row"),
        ([[0, 1, 0.1]], 0, "four finite numbers"),
        ([[0, float("nan"), 0.1, 0]], 0, "four finite numbers"),
        ([[0, float("inf"), 0.1, 0]], 0, "four finite numbers"),
        (changed(0, 0, 10), 0, "the first floor is 10, expected 0"),
        (changed(0, 0, -10), 0, "the first floor is -10, expected 0"),
        (changed(0, 3, 1), 0, "cum is 1, expected 0"),
        (changed(0, 2, 0), 0, "between 0 and 1"),
        (changed(0, 2, -0.004), 0, "between 0 and 1"),
        (changed(2, 2, 1), 2, "between 0 and 1"),
        (changed(2, 2, 0.65), 2, "cum is 1500, expected 516300"),
        (changed(1, 0, 300001), 1, "floor is 300001, expected 300000"),
        (changed(2, 1, 800000), 2, "cap 800000 is not above floor 800000"),
        (changed(2, 2, 0.005), 2, "mmr 0.005 is not above 0.005"),
        (changed(1, 3, 301), 1, "cum is 301, expected 300"),
        ([[0, 1, 0.1, 0, 50, 1]], 0, "four finite numbers"),
        ([[0, 1, 0.1, 0, 0.5]], 0, "leverage 0.5 is not between 1 and 1000"),
        ([[0, 1, 0.1, 0, 1e18]], 0, "leverage 1e+18 is not between 1 and 1000"),
        ([[0, 100, 0.01, 0, 50], [100, 200, 0.02, 1, 75]], 1, "leverage 75 is above 50, that of the row before"),
    ],
)
def test_each_way_of_being_wrong_is_refused(rows: list[list[float]], row: int, phrase: str) -> None:
    """A broken table is refused with the row, and with the figure that was expected where there is one."""
    with pytest.raises(BracketError) as caught:
        validate_table("BTCUSDT", rows)
    assert caught.value.symbol == "BTCUSDT"
    assert caught.value.row == row
    assert phrase in caught.value.reason
    assert len(table_faults("BTCUSDT", rows)) == 1


def test_all_faults_are_told_in_row_order() -> None:
    """One pass finds every row that is wrong, and a row can be wrong in several ways."""
    rows: list[list[float]] = [[5, 300000, 0.004, 0], [300000, 100000, 1.5, 300], [100000, 200000, 2.0, 7]]
    assert [row for row, _ in faults(rows)] == [0, 1, 1, 2]


def test_one_wrong_amount_is_told_once() -> None:
    """Rows above a wrong amount are judged by the amount it should have been."""
    assert [row for row, _ in faults(changed(1, 3, 310))] == [1]


def test_a_malformed_row_does_not_condemn_the_next() -> None:
    """What follows a row that is none cannot be compared with it."""
    rows: list[list[float]] = [[float(v) for v in row] for row in ROWS]
    assert [row for row, _ in faults([rows[0], [1.0], rows[2]])] == [1]


@pytest.mark.parametrize(("cum", "sound"), [(1500 + 9e-7, True), (1500 + 2e-6, False)])
def test_published_rounding_is_allowed(cum: float, sound: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """An amount may be off by a millionth or a billionth of itself, and not by more."""
    assert (faults(changed(2, 3, cum)) == []) is sound


@given(
    widths=st.lists(st.integers(1, 10**8), min_size=1, max_size=12),
    rates=st.lists(st.integers(1, 9999), min_size=12, max_size=12, unique=True),
)
def test_tables_made_by_the_rule_are_sound_and_join(widths: list[int], rates: list[int]) -> None:
    """A table built by the recursion is accepted, and its requirement has no step at any floor."""
    rows: list[list[float]] = []
    for width, rate in zip(widths, sorted(rates), strict=False):
        floor, below, cum = (rows[-1][1], rows[-1][2], rows[-1][3]) if rows else (0.0, 0.0, 0.0)
        rows.append([floor, floor + width, rate / 10000, expected_cum(floor, rate / 10000, below, cum)])
    brackets = validate_table("BTCUSDT", rows)
    for low, high in pairwise(brackets):
        step = (high.floor * high.mmr - high.cum) - (high.floor * low.mmr - low.cum)
        assert abs(step) <= 1e-9 * max(1.0, high.floor)


@given(st.lists(st.lists(st.floats(), max_size=5), max_size=4))
def test_any_rows_are_judged_without_failing(rows: list[list[float]]) -> None:
    """Judging never fails, and what is accepted is well formed."""
    if not table_faults("X", rows):
        assert all(bracket.cap > bracket.floor for bracket in validate_table("X", rows))


def test_a_table_of_ones_own_wins_over_the_shipped() -> None:
    """Each symbol gets one table, in the order of first mention."""
    own, shipped, other = (
        BracketTable(s, (), origin=o) for s, o in (("A", "config"), ("A", "shipped"), ("B", "x"))
    )
    assert tables_for(["B", "A", "B"], {"A": own}, {"A": shipped, "B": other}) == (other, own)


def test_a_symbol_without_a_table_is_an_error() -> None:
    """A symbol is never left out in silence."""
    with pytest.raises(BracketError, match="neither given nor shipped"):
        tables_for(["A"], {}, {})


def test_every_published_table_is_sound(shared: Path) -> None:
    """The exchange's own figures keep the rules, all of them."""
    document = json.loads((shared / "data" / "usdm-brackets-2026-09-29.json").read_text(encoding="utf-8"))
    assert len(document["symbols"]) == 907
    for symbol, rows in document["symbols"].items():
        assert table_faults(symbol, [row[:4] for row in rows]) == ()
