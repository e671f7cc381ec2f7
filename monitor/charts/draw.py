"""Draws a chart for people who see it on a telephone: few words, large, and dark on light.

Beside ``heatmap`` the only module that knows matplotlib; of the daemon, only the process that draws imports it.
Everything is placed by pixels and drawn with few artists: axes as matplotlib makes them take most of the time of a
picture, and an alert waits for it.
"""

import io
import math
import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final, Literal, NamedTuple

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import IdentityTransform
from PIL import Image

from monitor.charts.series import Point, Series
from monitor.core.model import Level
from monitor.notify.numbers import percent

WIDTH, HEIGHT, DPI = 800, 450, 100  # pixels
MINUTE_S: Final = 60
_INK, _FAINT, _GRID, _RATIO, _DISTANCE = "#1f2430", "#667080", "#e4e7ec", "#b3261e", "#1f5fa8"
_LEFT, _RIGHT = 70, 684
_PALETTE: Final = 64  # colours
_TITLE_CHARS: Final = 40  # beside the level
_GAP_MS: Final = 180_000  # a line is not drawn across a longer silence
_TOP: Final = 1.08  # a margin ratio of 1 is liquidation; beyond, it only matters that it is beyond
_LABEL_PX: Final = 17  # the least between two labels
_STEPS_MIN: Final = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440)
_MOST_TIMES: Final = 7
_COLOURS: Final = {
    Level.NOTICE: "#5b8c3a", Level.WARNING: "#b87a00", Level.CRITICAL: "#d9541e", Level.EMERGENCY: "#b3261e"
}  # fmt: skip
_SETTINGS: Final[Any] = {"font.family": "DejaVu Sans", "text.parse_math": False, "text.color": _INK}


class _Panel(NamedTuple):
    """A rectangle of the picture and what it shows: from pixels to values."""

    bottom: float
    height: float
    top: float  # the value at its upper edge; 0 is at the lower
    first_ms: int
    last_ms: int

    def x(self, at_ms: int) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (at_ms - self.first_ms) / (self.last_ms - self.first_ms)

    def y(self, value: float) -> float:
        return self.bottom + self.height * min(max(value, 0.0), self.top) / self.top


class _Sheet:
    """A picture under way; places are pixels from the lower left corner."""

    def __init__(self) -> None:
        self._figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
        self._canvas = FigureCanvasAgg(self._figure)

    def line(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        colour: str,
        width: float = 1.0,
        dash: Literal["-", "--", ":"] = "-",
    ) -> None:
        self._figure.add_artist(
            Line2D(xs, ys, color=colour, linewidth=width, linestyle=dash, transform=IdentityTransform())
        )

    def dot(self, x: float, y: float, colour: str) -> None:
        self._figure.add_artist(
            Line2D([x], [y], color=colour, marker="o", markersize=9, transform=IdentityTransform())
        )

    def area(self, corners: Sequence[tuple[float, float]], colour: str, alpha: float) -> None:
        self._figure.add_artist(
            PolyCollection(
                [corners], facecolor=colour, alpha=alpha, linewidth=0, transform=IdentityTransform(), zorder=0
            )
        )

    def text(self, x: float, y: float, text: str, **how: Any) -> None:  # noqa: ANN401 - the library checks
        self._figure.add_artist(Text(x, y, text, transform=IdentityTransform(), **how))

    def png(self) -> bytes:
        self._canvas.draw()  # type: ignore[no-untyped-call]
        drawn = self._canvas.buffer_rgba()  # type: ignore[no-untyped-call]
        pixels = Image.frombuffer("RGBA", (WIDTH, HEIGHT), drawn).convert("RGB")
        # A quarter of the size, with nothing lost that an eye would miss: telephones are on slow lines.
        few = pixels.quantize(_PALETTE, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        picture = io.BytesIO()
        few.save(picture, "PNG")
        return picture.getvalue()


def draw(series: Series) -> bytes:
    """Return a PNG of 800 by 450 pixels: margin ratio above, distance to liquidation below."""
    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that no font has is not worth a word
        sheet = _Sheet()
        first, last = series.points[0], series.points[-1]
        known = [point.distance for point in series.points if point.distance is not None]
        ratio = _Panel(208, 158, _TOP, first.at_ms, last.at_ms)
        distance = _Panel(40, 108, max([*known, 1e-4]) * 1.1, first.at_ms, last.at_ms)
        sheet.text(14, 414, _drawable(series.title), fontsize=16, fontweight="bold")
        _badge(sheet, last.level)
        _times(sheet, (ratio, distance), series)
        _ratio(sheet, ratio, series)
        _distance(sheet, distance, series)
        return sheet.png()


def _badge(sheet: _Sheet, level: Level) -> None:
    sheet.text(
        WIDTH - 18, 416, level.label.upper(), fontsize=14, fontweight="bold", color="white", ha="right",
        bbox={"facecolor": _COLOURS.get(level, _COLOURS[Level.NOTICE]), "edgecolor": "none",
              "boxstyle": "round,pad=0.3"},
    )  # fmt: skip


def _times(sheet: _Sheet, panels: Sequence[_Panel], series: Series) -> None:
    """Draw what both panels share: hours, the beginning of the incident, and now."""
    zone = timezone(timedelta(seconds=series.offset_s))
    last = panels[0].last_ms
    now_x = panels[0].x(last)
    for at_ms in _round_times(panels[0].first_ms, last, series.offset_s):
        x = panels[0].x(at_ms)
        for panel in panels:
            sheet.line([x, x], [panel.bottom, panel.bottom + panel.height], _GRID)
        if now_x - x > 60:  # noqa: PLR2004 - room for two times beside each other
            sheet.text(x, 14, _clock(at_ms, zone), fontsize=12, ha="center", color=_FAINT)
    sheet.text(now_x, 14, _clock(last, zone), fontsize=12, ha="center", fontweight="bold")
    sheet.text(_RIGHT + 32, 14, _zone_name(series.offset_s), fontsize=10, color=_FAINT)
    for panel in panels:
        top = panel.bottom + panel.height
        sheet.line([_LEFT, _LEFT, _RIGHT, _RIGHT], [top, panel.bottom, panel.bottom, top], _INK)
        if series.began_ms is not None:
            x = panel.x(series.began_ms)
            sheet.line([x, x], [panel.bottom, top], _INK, 1.4, ":")
    if series.began_ms is not None:
        top = panels[0].bottom + panels[0].height
        since = f"alert since {_clock(series.began_ms, zone)}"
        x = max(panels[0].x(series.began_ms), _LEFT + 330)  # beside the panel's own words
        sheet.text(min(x, _RIGHT - 65), top + 9, since, fontsize=13, ha="center")


def _ratio(sheet: _Sheet, panel: _Panel, series: Series) -> None:
    last = series.points[-1]
    values = [point.margin_ratio for point in series.points]
    if last.margin_ratio is None and last.level > Level.OK:
        values[-1] = _TOP  # the balance is used up
    emergency = _COLOURS[Level.EMERGENCY]
    marks = [(1.0, "liquidation", emergency)]
    marks += [(limit, level.label, _COLOURS[level]) for level, limit in series.limits if limit < 1.0]
    y, top = panel.y(1.0), panel.y(_TOP)
    sheet.area([(_LEFT, y), (_RIGHT, y), (_RIGHT, top), (_LEFT, top)], emergency, 0.13)
    for limit, _, colour in marks:
        dash: Literal["-", "--"] = "-" if limit == 1.0 else "--"
        sheet.line([_LEFT, _RIGHT], [panel.y(limit)] * 2, colour, 1.3, dash)
    for (_, label, colour), y in zip(marks, _spread([panel.y(limit) for limit, *_ in marks]), strict=True):
        sheet.text(_RIGHT + 9, y, label, fontsize=12, va="center", color=colour)
    _ticks(sheet, panel, (0.0, 0.25, 0.5, 0.75, 1.0))
    figure = percent(last.margin_ratio) if last.margin_ratio is not None else "used up" if values[-1] else ""
    _curve(sheet, panel, series.points, values, _RATIO)
    _name(sheet, panel, "margin ratio", figure, _RATIO)


def _distance(sheet: _Sheet, panel: _Panel, series: Series) -> None:
    values = [point.distance for point in series.points]
    _ticks(sheet, panel, _round_values(panel.top))
    _curve(sheet, panel, series.points, values, _DISTANCE)
    what = "distance to liquidation" + (", all moving together" if series.joint else "")
    _name(sheet, panel, what, "" if values[-1] is None else percent(values[-1]), _DISTANCE)


def _name(sheet: _Sheet, panel: _Panel, what: str, figure: str, colour: str) -> None:
    where = panel.bottom + panel.height + 9
    sheet.text(_LEFT, where, f"{what}  {figure}", fontsize=15, fontweight="bold", color=colour)


def _ticks(sheet: _Sheet, panel: _Panel, values: Iterable[float]) -> None:
    for value in values:
        y = panel.y(value)
        sheet.line([_LEFT - 4, _LEFT], [y, y], _INK)
        sheet.text(_LEFT - 8, y, f"{value * 100:g} %", fontsize=12, ha="right", va="center", color=_FAINT)


def _curve(
    sheet: _Sheet, panel: _Panel, points: Sequence[Point], values: Sequence[float | None], colour: str
) -> None:
    for stretch in _unbroken(points, values):
        xs = [panel.x(at_ms) for at_ms, _ in stretch]
        ys = [panel.y(value) for _, value in stretch]
        low = panel.bottom
        sheet.area([(xs[0], low), *zip(xs, ys, strict=True), (xs[-1], low)], colour, 0.12)
        sheet.line(xs, ys, colour, 2.4)
    if values[-1] is not None:
        sheet.dot(panel.x(points[-1].at_ms), panel.y(values[-1]), colour)


def _unbroken(points: Sequence[Point], values: Sequence[float | None]) -> Iterable[list[tuple[int, float]]]:
    """Yield the stretches without a gap."""
    stretch: list[tuple[int, float]] = []
    for point, value in zip(points, values, strict=True):
        if stretch and (value is None or point.at_ms - stretch[-1][0] > _GAP_MS):
            yield stretch
            stretch = []
        if value is not None:
            stretch.append((point.at_ms, value))
    if stretch:
        yield stretch


def _round_times(first_ms: int, last_ms: int, offset_s: int) -> Iterable[int]:
    """Yield times of the day that are round where the reader lives, seven at most."""
    minutes = (last_ms - first_ms) / (MINUTE_S * 1000)
    step_min = next((step for step in _STEPS_MIN if minutes / step < _MOST_TIMES), _STEPS_MIN[-1])
    step_ms, offset_ms = step_min * MINUTE_S * 1000, offset_s * 1000
    begin = -(-(first_ms + offset_ms) // step_ms) * step_ms - offset_ms
    return range(begin, last_ms, step_ms)


def _round_values(top: float) -> Sequence[float]:
    """Return zero and two to four round values up to ``top``."""
    decade = 10.0 ** math.floor(math.log10(top))
    step = next(size * decade for size in (0.2, 0.5, 1.0, 2.0, 5.0) if top / (size * decade) < 5)  # noqa: PLR2004
    return [step * count for count in range(int(top / step) + 1)]


def _spread(heights: Sequence[float]) -> list[float]:
    """Return where labels go, in the order given: at their heights, or below where they would overlap."""
    placed = list(heights)
    ceiling = math.inf
    for index in sorted(range(len(heights)), key=lambda at: -heights[at]):
        placed[index] = ceiling = min(heights[index], ceiling - _LABEL_PX)
    return placed


def _clock(at_ms: int, zone: timezone) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, zone):%H:%M}"


def _zone_name(offset_s: int) -> str:
    sign, minutes = "-" if offset_s < 0 else "+", abs(offset_s) // 60
    return "UTC" if not minutes else f"UTC{sign}{minutes // 60:02}:{minutes % 60:02}"


def _drawable(text: str) -> str:
    """Return a title that fits, with a dot for each letter the font has not: symbols may have Chinese names."""
    if len(text) > _TITLE_CHARS:
        text = text[: _TITLE_CHARS - 1] + "…"
    font = get_font(findfont(FontProperties(family="DejaVu Sans")))
    return "".join(letter if font.get_char_index(ord(letter)) else "·" for letter in text)
