"""Draws a ladder of moves as a heat map: wallets below one another, moves side by side, levels as colours.

Colours get darker from level to level, and from blue to red over yellow, so that they differ for eyes that see no
red or no green, and on paper without colour; liquidation is hatched as well. Everything is placed by pixels: a
cell is as wide as its ratio needs, and the picture as large as its cells.
"""

import io
import warnings
from typing import Any, Final

import matplotlib as mpl
import msgspec
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import IdentityTransform

from monitor.core.model import Level
from monitor.notify.numbers import percent

DPI: Final = 120
MOST_ROWS: Final = 120  # wallets; the others are counted below
COLOURS: Final = {
    Level.OK: "#e6eff7",
    Level.NOTICE: "#a6cbe3",
    Level.WARNING: "#f7cf5b",
    Level.CRITICAL: "#e07b2a",
    Level.EMERGENCY: "#a81e2d",
}
LIQUIDATED: Final = "#32131f"
_HATCH: Final = "#b98a97"
_INK, _FAINT, _LINE = "#1f2430", "#566070", "#ffffff"
_CELL_W, _NARROW_W, _CELL_H = 50.0, 20.0, 34.0  # pixels
_WIDE_UP_TO: Final = 61  # columns; more of them are narrow and written upright
_NARROW_H: Final = 52.0
_TOP, _BOTTOM, _GAP = 104.0, 84.0, 16.0
_LABEL_CHARS: Final = 40
_CHAR_W: Final = 9.0  # pixels of a letter of a label, on the safe side
_LEGEND_W: Final = (96.0, 108.0, 118.0, 108.0, 130.0, 130.0)
_LEAST_W: Final = 760.0  # of the whole picture, for title and legend
_ON_HATCH: Final[Any] = {"bbox": {"facecolor": LIQUIDATED, "edgecolor": "none", "pad": 1.2}}
_SETTINGS: Final[Any] = {
    "font.family": "DejaVu Sans", "text.parse_math": False, "text.color": _INK, "hatch.linewidth": 1.0,
}  # fmt: skip


class Cell(msgspec.Struct, frozen=True):
    """One wallet after one move."""

    level: Level
    margin_ratio: float | None  # None where the balance is used up
    liquidated: bool = False


class Row(msgspec.Struct, frozen=True):
    """One wallet."""

    label: str
    cells: tuple[Cell, ...]  # by move


class HeatMap(msgspec.Struct, frozen=True):
    """A picture that is wanted."""

    title: str
    what: str  # that moves
    moves: tuple[float, ...]  # fractions, ascending
    rows: tuple[Row, ...]


def draw_heat_map(heat: HeatMap) -> bytes:
    """Return a PNG, as large as its cells need."""
    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that no font has is not worth a word
        return _Sheet(heat).png()


class _Sheet:
    """A picture under way; places are pixels from the lower left corner."""

    def __init__(self, heat: HeatMap) -> None:
        self._heat = heat
        self._rows = heat.rows[:MOST_ROWS]
        self._narrow = len(heat.moves) > _WIDE_UP_TO
        self._cell_w = _NARROW_W if self._narrow else _CELL_W
        self._cell_h = _NARROW_H if self._narrow else _CELL_H
        longest = max((len(_short(row.label)) for row in self._rows), default=0)
        self._left = _GAP * 2 + longest * _CHAR_W
        self._grid_h = max(1, len(self._rows)) * self._cell_h
        width = max(_LEAST_W, self._left + len(heat.moves) * self._cell_w + _GAP * 2)
        self._width, self._height = width, _BOTTOM + self._grid_h + _TOP
        self._figure = Figure(figsize=(width / DPI, self._height / DPI), dpi=DPI, facecolor="white")
        self._canvas = FigureCanvasAgg(self._figure)

    def png(self) -> bytes:
        """Draw all of it."""
        self._head()
        self._moves()
        for place, row in enumerate(self._rows):
            self._row(place, row)
        self._now()
        self._legend()
        picture = io.BytesIO()
        self._canvas.print_png(picture, metadata={"Software": None})  # type: ignore[no-untyped-call]
        return picture.getvalue()

    def _head(self) -> None:
        top = self._height
        self._text(_GAP, top - 32, self._heat.title, fontsize=15, fontweight="bold")
        words = (
            f"rows: wallets; columns: move of {self._heat.what}; in each cell: margin ratio, 100 % is liquidation"
        )
        if (more := len(self._heat.rows) - len(self._rows)) > 0:
            words += f"; {more} more wallets are further away"
        self._text(_GAP, top - 55, words, fontsize=9.5, color=_FAINT)

    def _moves(self) -> None:
        y = _BOTTOM + self._grid_h + 9
        for place, move in enumerate(self._heat.moves):
            label = f"{move * 100:+.4g} %" if move else "0 %"
            x = self._left + (place + 0.5) * self._cell_w
            how = {"rotation": 90, "fontsize": 7.5} if self._narrow else {"fontsize": 8.5}
            weight = "bold" if move == 0 else "normal"
            self._text(x, y, label, ha="center", va="bottom", fontweight=weight, **how)

    def _row(self, place: int, row: Row) -> None:
        y = _BOTTOM + self._grid_h - (place + 1) * self._cell_h
        self._text(self._left - 10, y + self._cell_h / 2, _short(row.label), fontsize=10, ha="right", va="center")
        for column, cell in enumerate(row.cells):
            x = self._left + column * self._cell_w
            self._box(x, y, self._cell_w, self._cell_h, cell.level, liquidated=cell.liquidated)
            self._text(
                x + self._cell_w / 2, y + self._cell_h / 2, _ratio(cell), ha="center", va="center",
                fontsize=7.5 if self._narrow else 8.5, rotation=90 if self._narrow else 0, color=_ink(cell),
                **(_ON_HATCH if cell.liquidated else {}),
            )  # fmt: skip

    def _now(self) -> None:
        """Frame the column in which nothing moved."""
        if 0.0 not in self._heat.moves or not self._rows:
            return
        x = self._left + self._heat.moves.index(0.0) * self._cell_w
        low, high = _BOTTOM, _BOTTOM + self._grid_h
        right = x + self._cell_w
        self._figure.add_artist(
            Line2D(
                [x, right, right, x, x], [low, low, high, high, low], color=_INK, linewidth=1.6,
                transform=IdentityTransform(),
            )
        )  # fmt: skip

    def _legend(self) -> None:
        x, y = _GAP, 40.0
        names = [*(level.label for level in Level), "liquidation"]
        for place, (name, width) in enumerate(zip(names, _LEGEND_W, strict=True)):
            gone = place >= len(Level)
            self._box(x, y, 26, 18, Level.EMERGENCY if gone else Level(place), liquidated=gone, edge=_FAINT)
            self._text(x + 33, y + 9, name, fontsize=9.5, va="center")
            x += width
        if 0.0 in self._heat.moves:
            self._text(_GAP, 16, "framed: now. A level may come from the room or from typical moves as well.",
                       fontsize=9, color=_FAINT)  # fmt: skip

    def _box(
        self, x: float, y: float, width: float, height: float, level: Level, *, liquidated: bool, edge: str = _LINE
    ) -> None:
        face = LIQUIDATED if liquidated else COLOURS[level]
        place: dict[str, Any] = {"transform": IdentityTransform(), "linewidth": 0.8}
        if liquidated:
            self._figure.add_artist(
                Rectangle((x, y), width, height, facecolor=face, edgecolor=_HATCH, hatch="////", **place)
            )
            face = "none"
        self._figure.add_artist(Rectangle((x, y), width, height, facecolor=face, edgecolor=edge, **place))

    def _text(self, x: float, y: float, text: str, **how: Any) -> None:  # noqa: ANN401 - the library checks
        self._figure.add_artist(Text(x, y, text, transform=IdentityTransform(), **how))


def _ratio(cell: Cell) -> str:
    if cell.margin_ratio is None or cell.margin_ratio >= 10.0:  # noqa: PLR2004 - a figure as long as a cell
        return "> 999 %" if cell.margin_ratio is not None else "used up"
    return percent(cell.margin_ratio)


def _ink(cell: Cell) -> str:
    return "#ffffff" if cell.liquidated or cell.level is Level.EMERGENCY else _INK


def _short(label: str) -> str:
    return label if len(label) <= _LABEL_CHARS else f"{label[: _LABEL_CHARS - 1]}…"
