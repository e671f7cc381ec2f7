"""Draws docs/liquidation.png: margin ratio and room from entry to liquidation, and who says what where."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from monitor.core.leverage import CALL_RATIO
from monitor.notify.numbers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from docs.liquidation import Onset, Story

_INK, _FAINT, _GRID, _RATIO, _ROOM = "#1f2430", "#667080", "#e4e7ec", "#b3261e", "#1f5fa8"
_COLOURS: Final = {"notice": "#5b8c3a", "warning": "#d9a000", "critical": "#e8641e", "emergency": "#8c1d18"}
_POINTS: Final = 400
_SETTINGS: Final[Any] = {
    "font.family": "DejaVu Sans", "font.size": 9.5, "text.color": _INK, "axes.labelcolor": _FAINT,
    "xtick.color": _FAINT, "ytick.color": _FAINT, "axes.edgecolor": _GRID,
}  # fmt: skip


def draw(stories: "Sequence[Story]") -> bytes:
    """Return a PNG with a panel for each position, the same room to the same place in each."""
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(11, 4.6), dpi=100, facecolor="white")
        canvas = FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(stories), sharey=True)
        for story, panel in zip(stories, panels, strict=True):
            _panel(panel, story)
        _name_lines(panels[0])
        figure.legend(handles=_handles(), loc="lower center", ncols=5, frameon=False, handletextpad=0.4)
        figure.subplots_adjust(left=0.055, right=0.985, top=0.84, bottom=0.22, wspace=0.09)
        buffer = io.BytesIO()
        canvas.print_png(buffer, metadata={"Software": None, "Description": _told(stories)})
    return buffer.getvalue()


def _told(stories: "Sequence[Story]") -> str:
    """Return what is drawn in words, so that a picture out of date can be told."""
    return "; ".join(
        f"{story.account} {onset.what} {onset.down * 100:.4f} %" for story in stories for onset in story.onsets()
    )


def _panel(panel: "Axes", story: "Story") -> None:
    prices = np.linspace(story.entry, story.liquidation, _POINTS)
    down = 1.0 - prices / story.entry
    seen = [story.at(float(one)) for one in prices]
    panel.plot(down, [room for _, room, _ in seen], color=_ROOM, linewidth=2)
    panel.plot(down, [min(ratio, 1.0) for ratio, _, _ in seen], color=_RATIO, linewidth=2)
    onsets = list(story.onsets())
    for onset in onsets:
        _mark(panel, story, onset)
    end = 1.0 - story.liquidation / story.entry
    panel.set_xlim(0.0, end * 1.015)
    panel.set_ylim(0.0, 1.02)
    panel.xaxis.set_major_locator(MaxNLocator(4))
    panel.xaxis.set_major_formatter(lambda value, _: f"{value * 100:.3g} %")
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    panel.set_xlabel("fall of the price since entry")
    panel.grid(axis="y", color=_GRID, linewidth=0.8)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(length=0)
    first, call = onsets[1], onsets[-1]
    title = f"{story.account}: liquidated {end * 100:.2f} % down"
    panel.set_title(title, loc="left", pad=20, fontweight="bold")
    below = f"warning {first.left * 100:.2f} % before the end, the call {call.left * 100:.2f} %"
    panel.text(0.0, 1.03, below, transform=panel.transAxes, color=_FAINT)


def _mark(panel: "Axes", story: "Story", onset: "Onset") -> None:
    ratio, room, _ = story.at(onset.price)
    if onset.what in _COLOURS:
        panel.plot([onset.down], [room], "o", color=_COLOURS[onset.what], markersize=8, zorder=3, clip_on=False)
    else:
        panel.plot([onset.down], [ratio], "X", color=_INK, markersize=9, zorder=4, clip_on=False)


def _name_lines(panel: "Axes") -> None:
    low, high = panel.get_xlim()
    panel.text(low + 0.30 * (high - low), 0.75, "room", color=_ROOM, fontweight="bold")
    panel.text(low + 0.30 * (high - low), 0.09, "margin ratio", color=_RATIO, fontweight="bold")


def _handles() -> list[Line2D]:
    ours = [
        Line2D([], [], marker="o", linestyle="", color=colour, markersize=8, label=name)
        for name, colour in _COLOURS.items()
    ]
    words = f"the exchange's call, margin ratio {percent(CALL_RATIO)}"
    call = Line2D([], [], marker="X", linestyle="", color=_INK, markersize=9, label=words)
    return [*ours, call]
