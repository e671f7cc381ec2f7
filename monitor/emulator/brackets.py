"""Maintenance tier tables in exact decimals, as the exchange publishes them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

Number = Decimal | int | float | str


def exact(value: Number) -> Decimal:
    """Return the decimal a person would read in ``value``: 0.004 is 4/1000, not its binary neighbour."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


@dataclass(frozen=True, slots=True)
class Bracket:
    """One tier; applies where floor <= notional < cap.

    Attributes:
        floor: lower bound of the notional, quote asset; of a coin-margined contract the coin, as all amounts here.
        cap: upper bound of the notional, quote asset.
        rate: maintenance margin rate, a fraction of the notional.
        amount: maintenance amount, quote asset; taken off the product of rate and notional.
        leverage: highest initial leverage allowed in the tier.
    """

    floor: Decimal
    cap: Decimal
    rate: Decimal
    amount: Decimal
    leverage: int

    def maintenance(self, notional: Decimal) -> Decimal:
        """Return the maintenance margin this tier asks of a notional, quote asset."""
        return notional * self.rate - self.amount


@dataclass(frozen=True, slots=True)
class Brackets:
    """The tiers of one symbol, lowest first. Above the last cap the last tier continues."""

    symbol: str
    rows: tuple[Bracket, ...]

    @classmethod
    def from_rows(cls, symbol: str, rows: Iterable[Sequence[Number]]) -> Self:
        """Build a table from rows of floor, cap, rate, amount and optionally the highest leverage.

        Raises:
            ValueError: if there is no row, the first floor is not 0, a row does not begin where the one before
                it ends, or the rates do not rise between 0 and 1.
        """
        table = cls(symbol, tuple(_row(row) for row in rows))
        end, rate = Decimal(0), Decimal(0)
        for bracket in table.rows:
            if bracket.floor != end or bracket.cap <= bracket.floor or not rate < bracket.rate < 1:
                raise ValueError(f"{symbol}: the tiers do not join at {bracket.floor}")
            end, rate = bracket.cap, bracket.rate
        if not table.rows:
            raise ValueError(f"{symbol}: no tiers")
        return table

    def scaled(self, factor: Decimal) -> Self:
        """Return the tiers of an account with adjusted brackets: bounds and amounts times the factor."""
        rows = (
            Bracket(row.floor * factor, row.cap * factor, row.rate, row.amount * factor, row.leverage)
            for row in self.rows
        )
        return type(self)(self.symbol, tuple(rows))

    def at(self, notional: Decimal) -> Bracket:
        """Return the tier of a notional >= 0."""
        for bracket in self.rows:
            if notional < bracket.cap:
                return bracket
        return self.rows[-1]

    def maintenance(self, notional: Decimal) -> Decimal:
        """Return the maintenance margin of a notional >= 0, quote asset."""
        return self.at(notional).maintenance(notional)


def _row(row: Sequence[Number]) -> Bracket:
    floor, cap, rate, amount = (exact(value) for value in row[:4])
    # Where the caller has no leverage figures, twice the maintenance rate is about the initial rate.
    leverage = int(row[4]) if len(row) > 4 else max(1, int(1 / (2 * rate)))  # noqa: PLR2004  the fifth column
    return Bracket(floor, cap, rate, amount, leverage)
