"""Tier tables."""

from decimal import Decimal

import pytest

from monitor.emulator.brackets import Brackets, exact

ROWS: list[list[float | str]] = [[0, 300000, 0.004, 0], [300000, 800000, "0.005", 300, 100]]


def test_a_float_means_what_a_person_reads() -> None:
    """A rate written as 0.004 is exactly 4/1000, and decimals pass unchanged."""
    assert exact(0.004) == Decimal("0.004")
    assert exact(Decimal("0.1")) == Decimal("0.1")


@pytest.mark.parametrize(
    ("notional", "rate", "margin"),
    [
        ("0", "0.004", "0"),
        ("299999", "0.004", "1199.996"),
        ("300000", "0.005", "1200"),
        ("9000000", "0.005", "44700"),
    ],
)
def test_the_notional_chooses_the_tier(notional: str, rate: str, margin: str) -> None:
    """A tier holds from its floor up to but not at its cap; above the last cap the last tier continues."""
    table = Brackets.from_rows("BTCUSDT", ROWS)
    assert table.at(Decimal(notional)).rate == Decimal(rate)
    assert table.maintenance(Decimal(notional)) == Decimal(margin)


def test_leverage_is_taken_or_derived() -> None:
    """Without a fifth column the highest leverage is what twice the maintenance rate allows, at least 1."""
    table = Brackets.from_rows("X", [*ROWS, [800000, 900000, 0.75, 596300]])
    assert [row.leverage for row in table.rows] == [125, 100, 1]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [[5, 10, 0.01, 0]],
        [[0, 0, 0.01, 0]],
        [[0, 10, 0.01, 0], [11, 20, 0.02, 0]],
        [[0, 10, 0.02, 0], [10, 20, 0.01, 0]],
        [[0, 10, 1, 0]],
    ],
)
def test_a_table_that_does_not_join_is_refused(rows: list[list[float]]) -> None:
    """Tiers begin at 0, join without gaps and rise in rate below 1; the error names the symbol."""
    with pytest.raises(ValueError, match="XUSDT"):
        Brackets.from_rows("XUSDT", rows)
