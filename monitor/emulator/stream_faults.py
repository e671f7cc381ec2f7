"""Prices that are wrong and frames that are: what happens to market data between the market and the wire."""

import json
from decimal import Decimal
from typing import Any

from monitor.emulator.faults import Faults, Malformed, among, by_name
from monitor.emulator.prices import on_wire

Row = dict[str, Any]
Frame = tuple[str, str]  # stream, event

_STREAM_PRICES = frozenset({"p", "ap", "P", "i", "B", "A", "Q", "G"})
_REST_PRICES = frozenset({"markPrice", "indexPrice", "estimatedSettlePrice"})
_HUGE_BYTES = 4_000_000
_YEAR_MS = 365 * 86_400_000
_AS_PRICE = {
    Malformed.NAN: "NaN",
    Malformed.INFINITE: "Infinity",
    Malformed.NEGATIVE: "-1.00000000",
    Malformed.ZERO: "0.00000000",
    Malformed.TEXT: "unavailable",
}


class RowFaults:
    """Rows with prices that stand still or are elsewhere, on streams and in REST."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._stream: dict[str, Row] = {}
        self._rest: dict[str, Row] = {}

    def tick(self) -> None:
        """Forget the rows of symbols that stand still no longer."""
        faults = self._faults
        self._stream = _still(self._stream, faults.stuck, faults.frozen)
        self._rest = _still(self._rest, faults.rest_stuck, faults.rest_frozen)

    def stream(self, row: Row) -> Row:
        """Return an event of a stream as it is told; what stands still does so from its first row on."""
        faults, name = self._faults, row["s"]
        if among(faults.frozen, name):
            return self._stream.setdefault(name, row)
        if among(faults.stuck, name):
            row = _with_prices_of(self._stream.setdefault(name, row), row, _STREAM_PRICES)
        return _scaled(row, by_name(faults.offset, name, Decimal(1)), _STREAM_PRICES)

    def rest(self, row: Row) -> Row:
        """Return a row of the mark price endpoint as it is told."""
        faults, name = self._faults, row["symbol"]
        if among(faults.rest_frozen, name):
            return self._rest.setdefault(name, row)
        if among(faults.rest_stuck, name):
            row = _with_prices_of(self._rest.setdefault(name, row), row, _REST_PRICES)
        return _scaled(row, by_name(faults.rest_offset, name, Decimal(1)), _REST_PRICES)


class FrameFaults:
    """The market frames of one connection: lost, repeated, malformed, out of order."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._count = 0
        self._window: list[list[str | bytes]] = []

    def out(self, frames: list[Frame], *, combined: bool) -> list[str | bytes]:
        """Return what is sent instead of the frames of one tick."""
        faults = self._faults
        sent: list[str | bytes] = []
        for name, event in frames:
            if not faults.draws(faults.drop_share):
                sent += [self._one(name, event, combined=combined)] * (1 + faults.duplicates)
        return self._ordered(sent)

    def _one(self, name: str, event: str, *, combined: bool) -> str | bytes:
        faults = self._faults
        if not faults.malformed_every:
            return _wrapped(name, event, combined=combined)
        self._count += 1
        turn, rest = divmod(self._count, faults.malformed_every)
        if rest or not faults.malformed:
            return _wrapped(name, event, combined=combined)
        kind = faults.malformed[(turn - 1) % len(faults.malformed)]
        return spoiled(kind, _wrapped(name, _wrong_values(kind, event), combined=combined))

    def _ordered(self, frames: list[str | bytes]) -> list[str | bytes]:
        if self._faults.reorder or self._window:
            self._window.append(frames)
        else:
            return frames
        if len(self._window) < self._faults.reorder:
            return []
        window, self._window = self._window, []
        if self._faults.reorder:
            # The newest goes first, so that something older always follows it.
            newest = window.pop()
            self._faults.random.shuffle(window)
            window.insert(0, newest)
        return [frame for tick in window for frame in tick]


def spoiled(kind: Malformed, frame: str) -> str | bytes:
    """Return a frame that is wrong as a whole; one that is wrong in its values is not touched."""
    wrong: dict[Malformed, str | bytes] = {
        Malformed.TRUNCATED: frame[: len(frame) // 2],
        Malformed.NOT_JSON: "<!DOCTYPE html><html><body>nginx</body></html>",
        Malformed.WRONG_SHAPE: '{"e":["markPriceUpdate"],"s":7,"p":{},"E":"soon","data":[[]]}',
        Malformed.EMPTY: "",
        Malformed.BINARY: b"\x00\xff\xfe\x01",
    }
    if kind is Malformed.HUGE:
        return frame + " " * _HUGE_BYTES
    return wrong.get(kind, frame)


def _wrong_values(kind: Malformed, event: str) -> str:
    decoded = json.loads(event)
    rows = decoded if isinstance(decoded, list) else [decoded]
    for row in rows:
        if kind in _AS_PRICE:
            row |= {key: _AS_PRICE[kind] for key in _STREAM_PRICES if key in row}
        elif kind is Malformed.FUTURE:
            row["E"] += _YEAR_MS
        elif kind is Malformed.UNKNOWN:
            row["s"] = f"NOSUCH{row['s']}"
    return json.dumps(decoded, separators=(",", ":"))


def _wrapped(name: str, event: str, *, combined: bool) -> str:
    return f'{{"stream":{json.dumps(name)},"data":{event}}}' if combined else event


def _still(rows: dict[str, Row], stuck: set[str], frozen: set[str]) -> dict[str, Row]:
    return {name: row for name, row in rows.items() if among(stuck, name) or among(frozen, name)}


def _with_prices_of(old: Row, row: Row, keys: frozenset[str]) -> Row:
    return row | {key: old[key] for key in keys if key in row}


def _scaled(row: Row, factor: Decimal, keys: frozenset[str]) -> Row:
    if factor == 1:
        return row
    return row | {key: f"{on_wire(Decimal(row[key]) * factor):f}" for key in keys if key in row}
