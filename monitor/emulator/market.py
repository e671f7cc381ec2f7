"""What is traded, at which marks, and the rows in which REST and streams tell it."""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from monitor.emulator.brackets import Brackets, Number, exact
from monitor.emulator.collateral import Collateral, Rate
from monitor.emulator.holdings import Contract
from monitor.emulator.prices import PricePath, on_wire

Row = dict[str, Any]

_HOUR_MS = 3_600_000
_USUAL_HOURS = 8
_FOR_EVER_MS = 4_133_404_800_000  # the delivery date of what is never delivered
_DATE_DIGITS = 6
_FUNDING_RATE = "0.00010000"  # the demo exchange pins it there
_REMEMBERED = 1000  # changes of a mark, for candles
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
            coin-margined one, whose rows are merged into the same all-market stream.
        tick: price step, quote asset.
        step: quantity step, base asset.
        contract_size: quote asset in one coin-margined contract; 0 for what is usual, 100 of BTC and 10 of others.
        funding_hours: hours between funding times; a contract with other than 8 is listed for it.

    A name that ends in a date, such as ``BTCUSDT_261225``, is a delivery contract's: it has no funding.
    """

    symbol: str
    base: str
    path: PricePath
    brackets: Brackets | None = None
    quote: str = "USDT"
    kind: Literal["crypto", "tradfi", "coinm"] = "crypto"
    tick: str = "0.01"
    step: str = "0.001"
    contract_size: int = 0
    funding_hours: int = _USUAL_HOURS

    @property
    def pair(self) -> str:
        """Return the pair its contract is on."""
        return self.symbol.partition("_")[0]

    @property
    def delivered(self) -> bool:
        """Say whether it is a delivery contract."""
        date = self.symbol.partition("_")[2]
        return len(date) == _DATE_DIGITS and date.isdecimal()

    @property
    def delivery_ms(self) -> int:
        """Return when it is delivered: at 08:00 UTC of its date, or never."""
        if not self.delivered:
            return _FOR_EVER_MS
        day = datetime.strptime(self.symbol.partition("_")[2], "%y%m%d").replace(tzinfo=UTC, hour=8)
        return round(day.timestamp() * 1000)

    @property
    def funding_rate(self) -> str:
        """Return its funding rate as on the wire; empty for a delivery contract."""
        return "" if self.delivered else _FUNDING_RATE

    def next_funding(self, now_ms: int) -> int:
        """Return the next funding time; 0 for a delivery contract."""
        every_ms = self.funding_hours * _HOUR_MS
        return 0 if self.delivered else (now_ms // every_ms + 1) * every_ms

    @property
    def contract(self) -> Contract:
        """Return what its positions are reckoned with."""
        if self.kind != "coinm":
            return Contract(self.symbol, self.quote)
        return Contract(self.symbol, self.base, Decimal(self.contract_size or (100 if self.base == "BTC" else 10)))


class Market:
    """All instruments and collateral assets, and their marks and indices at the newest tick.

    ``closed`` says that the markets of traditional assets are; marks follow their paths all the same.
    """

    def __init__(
        self, instruments: Iterable[Instrument], loop_s: float = 0.0, assets: Iterable[Collateral] = ()
    ) -> None:
        self.instruments = {one.symbol: one for one in instruments}
        self.assets = {one.asset: one for one in assets}
        self.closed = False
        self.event_ms = 0
        self.started_ms: int | None = None
        self.marks: dict[str, Decimal] = {}
        self.indices: dict[str, Decimal] = {}
        self._now_ms = 0
        self._loop_s = loop_s
        # By symbol: what was in force before, until when, and when it began; seconds since the first tick.
        self._played: dict[str, deque[tuple[float, PricePath, float]]] = {}
        self._set_marks(0.0)

    @property
    def elapsed_s(self) -> float:
        """Return seconds from the first tick to the newest."""
        return 0.0 if self.started_ms is None else (self._now_ms - self.started_ms) / 1000

    @property
    def tables(self) -> dict[str, Brackets]:
        """Return the tiers by symbol, of those that have them."""
        return {one.symbol: one.brackets for one in self.instruments.values() if one.brackets is not None}

    @property
    def contracts(self) -> dict[str, Decimal]:
        """Return the contract sizes by symbol, of coin-margined contracts."""
        return {one.symbol: one.contract.size for one in self.coinm()}

    @property
    def bases(self) -> dict[str, str]:
        """Return the base assets by symbol."""
        return {one.symbol: one.base for one in self.instruments.values()}

    @property
    def rates(self) -> dict[str, Rate]:
        """Return what each collateral asset counts at the newest tick."""
        return {asset: one.rate(self.indices[asset]) for asset, one in self.assets.items()}

    def tick(self, now_ms: int, skew_ms: int = 0) -> None:
        """Move every mark to where it stands at this wall time; the first tick starts the paths.

        Args:
            now_ms: wall time.
            skew_ms: how far the exchange's clock is ahead; events carry its time, paths follow the wall.
        """
        if self.started_ms is None:
            self.started_ms = now_ms
        self._now_ms = now_ms
        self.event_ms = now_ms + skew_ms
        self._set_marks(self.elapsed_s)

    def postpone(self, ms: int) -> None:
        """Have the paths go on so much later: that time did not pass for them. At most what the next tick adds."""
        if self.started_ms is not None:
            self.started_ms += ms

    def set_price(self, symbol: str, price: Number) -> None:
        """Put a mark somewhere else, at once and until it is put elsewhere; streams tell it at the next tick."""
        path = PricePath(((0.0, exact(price)),))
        played = self._played.setdefault(symbol, deque(maxlen=_REMEMBERED))
        played.append((self.elapsed_s, self.instruments[symbol].path, 0.0))
        self.instruments[symbol] = replace(self.instruments[symbol], path=path)
        self.marks[symbol] = path.at(0.0)

    def script_past(self, symbol: str, path: PricePath) -> None:
        """Let a mark have moved along a path that ended with the first tick; candles tell it."""
        played = self._played.setdefault(symbol, deque(maxlen=_REMEMBERED))
        played.appendleft((0.0, path, -path.duration_s))

    def set_index(self, asset: str, index: Number) -> None:
        """Put an asset's index somewhere else, as :meth:`set_price` does with a mark."""
        path = PricePath(((0.0, exact(index)),))
        self.assets[asset] = replace(self.assets[asset], path=path)
        self.indices[asset] = path.at(0.0)

    def set_brackets(self, symbol: str, rows: Iterable[Sequence[Number]]) -> Instrument:
        """Change the tiers of a symbol from now on; rows as in :meth:`Brackets.from_rows`."""
        changed = replace(self.instruments[symbol], brackets=Brackets.from_rows(symbol, rows))
        self.instruments[symbol] = changed
        return changed

    def price_at(self, symbol: str, wall_ms: int) -> Decimal:
        """Return the mark of a symbol at any wall time, past ones included."""
        return self._price(symbol, self._since_start_s(wall_ms))

    def prices_within(self, symbol: str, from_ms: int, until_ms: int) -> list[Decimal]:
        """Return the marks of a symbol at both ends of a time and wherever its path turned between them."""
        start_s, end_s = self._since_start_s(from_ms), self._since_start_s(until_ms)
        turns: set[float] = set()
        if not self._loop_s:
            now = (math.inf, self.instruments[symbol].path, 0.0)
            for over_s, path, began_s in (*self._played.get(symbol, ()), now):
                turns |= {began_s + time_s for time_s, _ in path.points if began_s + time_s < over_s}
                turns.add(over_s)
        times = (start_s, *sorted(time_s for time_s in turns if start_s < time_s < end_s), end_s)
        return [self._price(symbol, time_s) for time_s in times]

    def _since_start_s(self, wall_ms: int) -> float:
        origin = self.event_ms if self.started_ms is None else self.started_ms
        return (wall_ms - origin) / 1000

    def _price(self, symbol: str, time_s: float) -> Decimal:
        for over_s, path, began_s in self._played.get(symbol, ()):
            if time_s < over_s:
                return path.at(time_s - began_s, loop_s=self._loop_s)
        return self.instruments[symbol].path.at(time_s, loop_s=self._loop_s)

    def usdm(self) -> list[Instrument]:
        """Return the USD-margined instruments."""
        return [one for one in self.instruments.values() if one.kind != "coinm"]

    def coinm(self) -> list[Instrument]:
        """Return the coin-margined instruments."""
        return [one for one in self.instruments.values() if one.kind == "coinm"]

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
            "r": one.funding_rate,
            "T": one.next_funding(self.event_ms),
            "st": _COINM if one.kind == "coinm" else _USDM,
        }
        return row

    def array_parts(self) -> tuple[list[Instrument], list[Instrument]]:
        """Return what the messages of one all-market event are about: traditional assets travel apart."""
        rows = self.instruments.values()
        return [one for one in rows if one.kind != "tradfi"], [one for one in rows if one.kind == "tradfi"]

    def premium_row(self, one: Instrument, now_ms: int) -> Row:
        """Return a symbol's row of the mark price endpoint."""
        mark = self.marks[one.symbol]
        row: Row = {"symbol": one.symbol, "pair": one.pair} if one.kind == "coinm" else {"symbol": one.symbol}
        return row | {
            "markPrice": _text(mark),
            "indexPrice": _text(_index(mark)),
            "estimatedSettlePrice": _text(_settle(mark)),
            "lastFundingRate": one.funding_rate,
            "interestRate": one.funding_rate,
            "nextFundingTime": one.next_funding(now_ms),
            "time": self.event_ms or now_ms,
        }

    def funding_row(self, one: Instrument) -> Row | None:
        """Return a symbol's row of the funding terms, or None if they are the usual ones."""
        if one.delivered or one.funding_hours == _USUAL_HOURS:
            return None
        return {
            "symbol": one.symbol,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": one.funding_hours,
            "disclaimer": False,
        }

    def index_row(self, one: Collateral, now_ms: int) -> Row:
        """Return an asset's row of the index endpoint."""
        return one.rest_row(self.indices[one.asset], self.event_ms or now_ms)

    def index_event(self, one: Collateral) -> Row:
        """Return an asset's event of the index stream."""
        return one.stream_row(self.indices[one.asset], self.event_ms)

    def _set_marks(self, time_s: float) -> None:
        for one in self.instruments.values():
            self.marks[one.symbol] = one.path.at(time_s, loop_s=self._loop_s)
        for asset in self.assets.values():
            self.indices[asset.asset] = asset.path.at(time_s, loop_s=self._loop_s)


def _text(price: Decimal) -> str:
    return f"{on_wire(price):f}"


def _index(mark: Decimal) -> Decimal:
    return mark * (1 - _BASIS)


def _settle(mark: Decimal) -> Decimal:
    return (mark + _index(mark)) / 2
