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
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import IdentityTransform

from monitor.core.model import Level
from monitor.notify.numbers import percent

DPI: Final = 120
MOST_ROWS: Final = 120  # wallets; the others are counted below
MOST_CELLS: Final = 12_000  # about a millisecond each
COLOURS: Final = {
    Level.OK: "#e6eff7",
    Level.NOTICE: "#b4d5ea",
    Level.WARNING: "#edb93f",
    Level.CRITICAL: "#e07b2a",
    Level.EMERGENCY: "#a81e2d",
}
LIQUIDATED: Final = "#32131f"
_HATCH: Final = "#b98a97"
_INK, _FAINT, _LINE = "#1f2430", "#566070", "#ffffff"
_CELL_W, _NARROW_W, _CELL_H = 58.0, 24.0, 34.0  # pixels
_WIDE_UP_TO: Final = 61  # columns; more of them are narrow and written upright
_NARROW_H: Final = 60.0
_UPRIGHT: Final = 40.0
_TOP, _BOTTOM, _GAP = 104.0, 84.0, 16.0
_LABEL_CHARS: Final = 48
_LABEL_PT, _LEGEND_PT, _WORDS_PT, _CELL_PT, _NARROW_PT = 10.0, 9.5, 9.5, 8.5, 7.5
_KEY_W, _KEY_H = 28.0, 18.0
_LEAST_W: Final = 400.0  # of the whole picture
_TITLE_PT: Final = 15.0
_KEYS: Final = (*(level.label for level in Level), "liquidation", "beyond it")
_NOTE: Final = "framed: no move. A level may come from the room or from typical moves as well."
_ON_HATCH: Final[Any] = {"bbox": {"facecolor": LIQUIDATED, "edgecolor": "none", "pad": 0.6}}
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
        self._rows = heat.rows[: min(MOST_ROWS, MOST_CELLS // max(1, len(heat.moves)))]
        self._narrow = len(heat.moves) > _WIDE_UP_TO
        self._cell_w, self._cell_h = (_NARROW_W, _NARROW_H) if self._narrow else (_CELL_W, _CELL_H)
        self._words = f"move of {heat.what}; in each cell the margin ratio, 100 % is liquidation"
        if (more := len(heat.rows) - len(self._rows)) > 0:
            self._words += f"; {more} more {'wallet is' if more == 1 else 'wallets are'} further away"
        self._keys = [(name, _width(name, _LEGEND_PT) + _KEY_W + 28.0) for name in _KEYS]
        self._left = _GAP * 2 + max((_width(_short(row.label), _LABEL_PT) for row in self._rows), default=0.0)
        self._grid_h = max(1, len(self._rows)) * self._cell_h
        width = max(
            _LEAST_W,
            self._left + len(heat.moves) * self._cell_w + _GAP * 2,
            _GAP * 2 + _width(heat.title, _TITLE_PT, bold=True),
            _GAP * 2 + max(_width(words, _WORDS_PT) for words in (self._words, _NOTE)),
            _GAP * 2 + sum(width for _, width in self._keys),
        )
        # Moves that are written upright need more above the cells.
        top = _TOP + (_UPRIGHT if self._narrow else 0.0)
        self._width, self._height = width, _BOTTOM + self._grid_h + top
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
        self._text(_GAP, self._height - 32, self._heat.title, fontsize=_TITLE_PT, fontweight="bold")
        self._text(_GAP, self._height - 55, self._words, fontsize=_WORDS_PT, color=_FAINT)

    def _moves(self) -> None:
        y = _BOTTOM + self._grid_h + 9
        for place, move in enumerate(self._heat.moves):
            label = f"{move * 100:+.4g} %" if move else "0 %"
            x = self._left + (place + 0.5) * self._cell_w
            how = {"rotation": 90, "fontsize": _NARROW_PT} if self._narrow else {"fontsize": _CELL_PT}
            weight = "bold" if move == 0 else "normal"
            self._text(x, y, label, ha="center", va="bottom", fontweight=weight, **how)

    def _row(self, place: int, row: Row) -> None:
        y = _BOTTOM + self._grid_h - (place + 1) * self._cell_h
        middle = y + self._cell_h / 2
        self._text(self._left - 10, middle, _short(row.label), fontsize=_LABEL_PT, ha="right", va="center")
        size, turn = (_NARROW_PT, 90) if self._narrow else (_CELL_PT, 0)
        for column, cell in enumerate(row.cells):
            x = self._left + column * self._cell_w
            gone = cell.liquidated
            first = gone and self._is_first(row, column)
            self._box(
                x, y, (self._cell_w, self._cell_h), LIQUIDATED if gone else COLOURS[cell.level], hatched=first
            )
            if not gone or first:
                # Beyond liquidation nothing is left to have a ratio.
                self._text(
                    x + self._cell_w / 2, middle, _ratio(cell), ha="center", va="center", fontsize=size,
                    rotation=turn, color=_ink(cell), **(_ON_HATCH if gone else {}),
                )  # fmt: skip

    def _is_first(self, row: Row, column: int) -> bool:
        """Return whether no rung nearer to the present is liquidated."""
        move = self._heat.moves[column]
        nearer = column + (1 if move < 0.0 else -1)
        return move == 0.0 or not 0 <= nearer < len(row.cells) or not row.cells[nearer].liquidated

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
        colours = [*COLOURS.values(), LIQUIDATED, LIQUIDATED]
        for (name, width), colour in zip(self._keys, colours, strict=True):
            self._box(x, y, (_KEY_W, _KEY_H), colour, hatched=name == _KEYS[-2], edge=_FAINT)
            self._text(x + _KEY_W + 7, y + _KEY_H / 2, name, fontsize=_LEGEND_PT, va="center")
            x += width
        self._text(_GAP, 16, _NOTE, fontsize=_WORDS_PT, color=_FAINT)

    def _box(
        self, x: float, y: float, size: tuple[float, float], colour: str, *, hatched: bool, edge: str = _LINE
    ) -> None:
        place: dict[str, Any] = {"transform": IdentityTransform(), "linewidth": 0.8}
        if hatched:
            self._figure.add_artist(
                Rectangle((x, y), *size, facecolor=colour, edgecolor=_HATCH, hatch="////", **place)
            )
            colour = "none"
        self._figure.add_artist(Rectangle((x, y), *size, facecolor=colour, edgecolor=edge, **place))

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


def _width(text: str, points: float, *, bold: bool = False) -> float:
    """Return how wide a text is, pixels."""
    font = get_font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")))
    font.set_size(points, DPI)
    font.set_text(text)
    return float(font.get_width_height()[0]) / 64.0
