"""What an asset counts as collateral: its index in dollars, the buffers around it, and the rows that tell them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from monitor.emulator.prices import PricePath, on_wire

Row = dict[str, Any]

_ONE = Decimal(1)
# Assets that stand still when "everything moves": what contracts are quoted in.
QUOTE_ASSETS = frozenset({"USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USD1", "U"})


@dataclass(frozen=True, slots=True)
class Rate:
    """Dollars an asset counts for: at most ``bid`` where it is owned, at least ``ask`` where it is owed."""

    bid: Decimal = _ONE
    ask: Decimal = _ONE

    def worth(self, amount: Decimal) -> Decimal:
        """Return an equity in dollars: what it could be sold for, or what it would cost to buy back."""
        return min(amount * self.bid, amount * self.ask)

    def scaled(self, factor: Decimal) -> "Rate":
        """Return the rate after a move of the asset's price."""
        return Rate(self.bid * factor, self.ask * factor)


PAR = Rate()  # an asset without an index counts 1


@dataclass(frozen=True, slots=True)
class Collateral:
    """One asset of multi-assets mode.

    Attributes:
        asset: its name.
        path: its index over time, dollars.
        bid_buffer: taken off the index for the bid rate, a fraction.
        ask_buffer: added to the index for the ask rate, a fraction.
    """

    asset: str
    path: PricePath
    bid_buffer: Decimal = Decimal(0)
    ask_buffer: Decimal = Decimal(0)

    @property
    def symbol(self) -> str:
        """Return the name of its index, such as ``BTCUSD``."""
        return f"{self.asset}USD"

    def rate(self, index: Decimal) -> Rate:
        """Return its rates at an index, as exact as the wire: eight decimals."""
        return Rate(on_wire(index * (1 - self.bid_buffer)), on_wire(index * (1 + self.ask_buffer)))

    def rest_row(self, index: Decimal, now_ms: int) -> Row:
        """Return its row of the index endpoint."""
        rate, exchange = self.rate(index), self._exchange_rate(index)
        return {
            "symbol": self.symbol,
            "time": now_ms,
            "index": _text(index),
            "bidBuffer": _text(self.bid_buffer),
            "askBuffer": _text(self.ask_buffer),
            "bidRate": _text(rate.bid),
            "askRate": _text(rate.ask),
            "autoExchangeBidBuffer": _text(self.bid_buffer / 2),
            "autoExchangeAskBuffer": _text(self.ask_buffer / 2),
            "autoExchangeBidRate": _text(exchange.bid),
            "autoExchangeAskRate": _text(exchange.ask),
        }

    def stream_row(self, index: Decimal, event_ms: int) -> Row:
        """Return its event of the index stream."""
        rate, exchange = self.rate(index), self._exchange_rate(index)
        return {
            "e": "assetIndexUpdate",
            "E": event_ms,
            "s": self.symbol,
            "i": _text(index),
            "b": _text(self.bid_buffer),
            "a": _text(self.ask_buffer),
            "B": _text(rate.bid),
            "A": _text(rate.ask),
            "q": _text(self.bid_buffer / 2),
            "g": _text(self.ask_buffer / 2),
            "Q": _text(exchange.bid),
            "G": _text(exchange.ask),
        }

    def _exchange_rate(self, index: Decimal) -> Rate:
        return Rate(index * (1 - self.bid_buffer / 2), index * (1 + self.ask_buffer / 2))


def _text(value: Decimal) -> str:
    return f"{on_wire(value):f}"
