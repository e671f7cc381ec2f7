"""Maintenance tiers as somebody reads them off the exchange: up to which notional which rate holds."""

from collections.abc import Sequence
from typing import NamedTuple

from monitor.cli.typed import number_of
from monitor.core.brackets import expected_cum, table_faults

SHAPE = "CAP=RATE, such as 5=0.4%"
PLACE = "Trading Rules, Leverage & Margin"  # where the exchange shows them
_MOST_BARE = 0.1  # from here on a rate without a sign is more likely percent than a fraction


class Tier(NamedTuple):
    """One row: up to ``cap``, in what margins the contract, the rate ``mmr`` (a fraction) has to be kept."""

    cap: float
    mmr: float


class TierError(ValueError):
    """Words that are no tier, or tiers that make no table; the text says what is wrong, where it can be said."""


def parse_tier(text: str) -> Tier:
    """Return a tier such as ``5=0.4%``, or as it is typed at a question, ``5 0.4%``.

    Raises:
        TierError: it is none, or its rate may be meant as percent and does not say so.
    """
    cap_text, equals, rate_text = text.strip().partition("=" if "=" in text else " ")
    cap, rate = number_of(cap_text.strip()), number_of(rate_text.strip().removesuffix("%").strip())
    if not equals or cap is None or rate is None:
        raise TierError("")
    if rate_text.strip().endswith("%"):
        return Tier(cap, float(f"{rate / 100.0:.12g}"))
    if rate >= _MOST_BARE:
        raise TierError(f"write the rate with its sign: {rate:g}%, or {rate * 100.0:g}%")
    return Tier(cap, rate)


def rows_of(symbol: str, tiers: Sequence[Tier]) -> tuple[tuple[float, ...], ...]:
    """Return the table, none of no tiers: each floor is the cap before, and that fixes the maintenance amounts.

    Raises:
        TierError: caps or rates do not rise, or cannot be.
    """
    rows: list[tuple[float, ...]] = []
    before = (0.0, 0.0, 0.0, 0.0)
    for cap, mmr in tiers:
        cum = expected_cum(before[1], mmr, before[2], before[3]) if rows else 0.0
        before = (before[1], cap, mmr, float(f"{cum:.12g}"))  # no digits of binary fractions in a file for people
        rows.append(before)
    for fault in table_faults(symbol, rows) if rows else ():
        raise TierError(f"in number {fault.row + 1} {fault.reason}")
    return tuple(rows)
