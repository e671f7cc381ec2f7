"""Liquidation prices that nobody can use: true of the formula, and farther away than any price goes."""

from monitor.core.reach import MOST_TIMES, within_reach

__all__ = ["BEYOND", "MOST_TIMES", "within_reach"]

BEYOND = f"none that a price could reach: it is more than {MOST_TIMES:,.0f} times the mark"
