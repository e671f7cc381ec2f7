"""A chart of one figure over time, for terminals: braille dots, eight to a character."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from monitor.notify.numbers import percent
from monitor.notify.times import days_differ, local_time

_ACROSS, _DOWN = 2, 4  # dots in one character
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK = 0x2800
_LEAST_COLUMNS = 10
_STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


class Point(NamedTuple):
    """A fraction at a time; None is a gap."""

    at_ms: int
    value: float | None


class TimeChart:
    """Draws points between the first and the last; the lower edge is 0, the upper one a round number above all."""

    def __init__(
        self, title: str, points: Sequence[Point], *, zone: dt.tzinfo | None, style: str = "", rows: int = 8
    ) -> None:
        self._title = title
        self._points = [point for point in points if point.value is not None]
        self._zone = zone
        self._style = style
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self._title, style="bold")
        if not self._points:
            yield Text("nothing known in this time")
            return
        top = round_above(max(point.value or 0.0 for point in self._points))
        labels = {0: percent(top), self._rows // 2: percent(top / 2), self._rows - 1: "0 %"}
        margin = max(len(label) for label in labels.values())
        columns = max(_LEAST_COLUMNS, options.max_width - margin - 2)
        lines = plot(self._points, columns=columns, rows=self._rows, top=top)
        for row, line in enumerate(lines):
            edge = "┤" if row in labels else "│"
            yield Text.assemble(f"{labels.get(row, ''):>{margin}} {edge}", (line, self._style))
        yield Text(f"{'':>{margin}} └" + "─" * columns)
        yield Text(" " * (margin + 2) + self._times(columns))

    def _times(self, columns: int) -> str:
        first, last = self._points[0].at_ms, self._points[-1].at_ms
        day = days_differ(first, last, self._zone)
        left, right = (local_time(at_ms, self._zone, day=day) for at_ms in (first, last))
        return f"{left}{right:>{columns - len(left)}}" if len(left) + len(right) < columns else left[:columns]


def plot(points: Sequence[Point], *, columns: int, rows: int, top: float) -> list[str]:
    """Return ``rows`` lines of ``columns`` characters; no peak is lost where several points share a column.

    Args:
        points: in order of time, at least one, every value known.
        columns: characters.
        rows: lines.
        top: value of the upper edge, above 0.
    """
    width, height = columns * _ACROSS, rows * _DOWN
    first = points[0].at_ms
    span = max(1, points[-1].at_ms - first)
    spread: dict[int, tuple[int, int]] = {}  # lowest and highest dot by column of dots
    before: tuple[int, int] | None = None
    for point in points:
        x = (point.at_ms - first) * (width - 1) // span
        y = round(min(1.0, max(0.0, (point.value or 0.0) / top)) * (height - 1))
        for between in _line(before, (x, y)):
            low, high = spread.get(between[0], (between[1], between[1]))
            spread[between[0]] = (min(low, between[1]), max(high, between[1]))
        before = (x, y)
    cells = [[_BLANK] * columns for _ in range(rows)]
    for x, (low, high) in spread.items():
        for y in range(low, high + 1):
            down = height - 1 - y
            cells[down // _DOWN][x // _ACROSS] |= _DOTS[down % _DOWN][x % _ACROSS]
    return ["".join(map(chr, line)) for line in cells]


def round_above(value: float) -> float:
    """Return a round number that is at least ``value``; 1 for 0."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** (len(f"{int(value)}") - 1) if value >= 1 else 1.0
    while value < unit:
        unit /= 10.0
    return next((step * unit for step in _STEPS if step * unit >= value), 10.0 * unit)


def _line(before: tuple[int, int] | None, after: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the dots of a straight line, without its beginning."""
    if before is None or before == after:
        return [after]
    across, up = after[0] - before[0], after[1] - before[1]
    steps = max(abs(across), abs(up))
    return [
        (before[0] + round(across * step / steps), before[1] + round(up * step / steps))
        for step in range(1, steps + 1)
    ]
