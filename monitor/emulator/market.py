"""What is traded, at which marks, and the rows in which REST and streams tell it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from monitor.emulator.brackets import Brackets
from monitor.emulator.prices import PricePath, on_wire

Row = dict[str, Any]

_FUNDING_EVERY_MS = 8 * 3_600_000
_FUNDING_RATE = "0.00010000"  # the demo exchange pins it there
_BASIS = Decimal("0.0005")  # mark against index
_USDM, _COINM = 1, 2


@dataclass(frozen=True, slots=True)
class Instrument:
    """One contract.

    Attributes:
        symbol: its name, upper case.
        base: base asset.
        path: its mark price over time.
        brackets: its maintenance tiers, or None where nobody asks for them.
        quote: quote and margin asset (of a coin-margined contract: the quote asset).
        kind: a crypto perpetual, one on a traditional asset (it travels in a message of its own), or a
            coin-margined one, whose rows are merged into the all-market stream and nowhere else.
        tick: price step, quote asset.
        step: quantity step, base asset.
    """

    symbol: str
    base: str
    path: PricePath
    brackets: Brackets | None = None
    quote: str = "USDT"
    kind: Literal["crypto", "tradfi", "coinm"] = "crypto"
    tick: str = "0.01"
    step: str = "0.001"


class Market:
    """All instruments and their marks at the newest tick."""

    def __init__(self, instruments: Iterable[Instrument], loop_s: float = 0.0) -> None:
        self.instruments = {one.symbol: one for one in instruments}
        self.event_ms = 0
        self.started_ms: int | None = None
        self.marks: dict[str, Decimal] = {}
        self._loop_s = loop_s
        self._set_marks(0.0)

    @property
    def elapsed_s(self) -> float:
        """Return seconds from the first tick to the newest."""
        return 0.0 if self.started_ms is None else (self.event_ms - self.started_ms) / 1000

    @property
    def tables(self) -> dict[str, Brackets]:
        """Return the tiers by symbol, of those that have them."""
        return {one.symbol: one.brackets for one in self.instruments.values() if one.brackets is not None}

    def tick(self, now_ms: int) -> None:
        """Move every mark to where it stands at this wall time; the first tick starts the paths."""
        if self.started_ms is None:
            self.started_ms = now_ms
        self.event_ms = now_ms
        self._set_marks(self.elapsed_s)

    def price_at(self, symbol: str, wall_ms: int) -> Decimal:
        """Return the mark of a symbol at any wall time, past ones included."""
        origin = self.event_ms if self.started_ms is None else self.started_ms
        return self.instruments[symbol].path.at((wall_ms - origin) / 1000, loop_s=self._loop_s)

    def usdm(self) -> list[Instrument]:
        """Return the USD-margined instruments: all that REST knows."""
        return [one for one in self.instruments.values() if one.kind != "coinm"]

    def stream_row(self, one: Instrument) -> Row:
        """Return a symbol's event of the mark price stream."""
        mark = self.marks[one.symbol]
        index, settle = _index(mark), _settle(mark)
        row: Row = {"e": "markPriceUpdate", "E": self.event_ms, "s": one.symbol, "p": _text(mark)}
        if one.kind != "coinm":
            row["ap"] = _text(mark)
        row |= {
            "P": _text(settle),
            "i": _text(index),
            "r": _FUNDING_RATE,
            "T": _next_funding(self.event_ms),
            "st": _COINM if one.kind == "coinm" else _USDM,
        }
        return row

    def stream_arrays(self, muted: set[str]) -> list[list[Row]]:
        """Return the messages of one all-market event: traditional assets travel apart from the rest."""
        rows = [one for one in self.instruments.values() if one.symbol not in muted]
        parts = (
            [self.stream_row(one) for one in rows if one.kind != "tradfi"],
            [self.stream_row(one) for one in rows if one.kind == "tradfi"],
        )
        return [part for part in parts if part]

    def premium_row(self, one: Instrument, now_ms: int) -> Row:
        """Return a symbol's row of the mark price endpoint."""
        mark = self.marks[one.symbol]
        return {
            "symbol": one.symbol,
            "markPrice": _text(mark),
            "indexPrice": _text(_index(mark)),
            "estimatedSettlePrice": _text(_settle(mark)),
            "lastFundingRate": _FUNDING_RATE,
            "interestRate": "0.00010000",
            "nextFundingTime": _next_funding(now_ms),
            "time": self.event_ms or now_ms,
        }

    def _set_marks(self, time_s: float) -> None:
        for one in self.instruments.values():
            self.marks[one.symbol] = one.path.at(time_s, loop_s=self._loop_s)


def _text(price: Decimal) -> str:
    return f"{on_wire(price):f}"


def _index(mark: Decimal) -> Decimal:
    return mark * (1 - _BASIS)


def _settle(mark: Decimal) -> Decimal:
    return (mark + _index(mark)) / 2


def _next_funding(now_ms: int) -> int:
    return (now_ms // _FUNDING_EVERY_MS + 1) * _FUNDING_EVERY_MS
