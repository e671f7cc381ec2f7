"""Heat maps: one picture for each ladder, with every level, every ratio and the rung of liquidation in it."""

import io
import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.model import Level

pytest.importorskip("matplotlib", reason="the extra `charts` is not installed")

import matplotlib as mpl
from matplotlib.text import Text
from PIL import Image

from monitor.charts import heatmap
from monitor.charts.heatmap import COLOURS, LIQUIDATED, Cell, HeatMap, Row, draw_heat_map

Pixels = npt.NDArray[np.int16]
MOVES = tuple(step / 100 for step in range(-20, 21))
fractions = st.none() | st.floats(0.0, 1e6)


def heat(*rows: Row, moves: tuple[float, ...] = MOVES, what: str = "all marks together") -> HeatMap:
    return HeatMap("Levels by move", what, moves, rows)


def falling(label: str, dies: int = 5, moves: tuple[float, ...] = MOVES) -> Row:
    """Return a wallet that is liquidated on the lowest rungs, and gets better from there."""
    cells = [
        Cell(Level.EMERGENCY, None, liquidated=True)
        if i < dies
        else Cell(Level(max(0, 4 - (i - dies))), 0.9 / (1 + i))
        for i in range(len(moves))
    ]
    return Row(label, tuple(cells))


def opened(png: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(np.int16)


def share(pixels: Pixels, colour: str) -> float:
    """Return the share of pixels that have a colour."""
    wanted = np.frombuffer(bytes.fromhex(colour.removeprefix("#")), np.uint8).astype(np.int16)
    return float((np.abs(pixels - wanted).max(axis=2) <= 2).mean())


def texts(wanted: HeatMap) -> list[tuple[Text, tuple[float, float, float, float]]]:
    """Return all texts of a picture with the box each takes, in pixels."""
    with mpl.rc_context(heatmap._SETTINGS):
        sheet = heatmap._Sheet(wanted)
        sheet.png()
        found = [artist for artist in sheet._figure.artists if isinstance(artist, Text) and artist.get_text()]
        boxes = [text.get_window_extent() for text in found]
    return [(text, (box.x0, box.y0, box.x1, box.y1)) for text, box in zip(found, boxes, strict=True)]


@pytest.mark.parametrize("wallets", [1, 4, 20])
@pytest.mark.parametrize("moves", [MOVES, MOVES[15:26], tuple(step / 200 for step in range(-40, 41))])
def test_no_text_overlaps_another_or_leaves_the_picture(wallets: int, moves: tuple[float, ...]) -> None:
    """At 1, 4 and 20 wallets, few rungs, the usual 41, and so many that they are written upright."""
    rows = [falling(f"a-rather-long-name isolated {1000 + i}PEPEUSDT SHORT", i % 9, moves) for i in range(wallets)]
    wanted = heat(*rows, moves=moves)
    boxes = [box for _, box in texts(wanted)]
    assert len(boxes) > wallets * 9
    x0, y0, x1, y1 = np.array(boxes).T
    assert x0.min() >= 0 <= y0.min()
    sheet = heatmap._Sheet(wanted)
    assert x1.max() <= sheet._width
    assert y1.max() <= sheet._height
    apart = (x1[:, None] <= x0) | (y1[:, None] <= y0)
    assert (apart | apart.T | np.eye(len(boxes), dtype=np.bool_)).all()


def test_every_cell_says_its_ratio_until_it_is_liquidated() -> None:
    """The rung of liquidation still says it; beyond there is nothing left to have a ratio."""
    row = Row(
        "main cross USDT",
        (
            Cell(Level.EMERGENCY, None, liquidated=True),
            Cell(Level.EMERGENCY, 1.32, liquidated=True),
            Cell(Level.EMERGENCY, 0.931),
            Cell(Level.OK, 0.12),
            Cell(Level.OK, 12.0),
        ),
    )
    words = [text.get_text() for text, _ in texts(heat(row, moves=(-0.2, -0.1, -0.05, 0.0, 0.05)))]
    assert {"132 %", "93.1 %", "12 %", "> 999 %", "-20 %", "0 %", "+5 %", "main cross USDT"} <= set(words)
    assert "used up" not in words


def test_each_level_has_its_colour_and_liquidation_is_hatched() -> None:
    """Also in the legend, where all of them stand whatever the cells are."""
    calm = opened(draw_heat_map(heat(Row("w", (Cell(Level.OK, 0.1),) * 41))))
    for level, colour in COLOURS.items():
        cells = Row("w", (Cell(level, 0.5),) * 41)
        assert share(opened(draw_heat_map(heat(cells))), colour) > 0.1, level
        assert share(calm, colour) > 0.0005, level
    gone = opened(draw_heat_map(heat(falling("w"))))
    assert share(gone, LIQUIDATED) > share(calm, LIQUIDATED)
    hatched = opened(draw_heat_map(heat(falling("w", dies=1))))
    assert share(hatched, heatmap._HATCH) > share(calm, heatmap._HATCH) * 1.2


def test_colours_get_darker_from_level_to_level() -> None:
    """So that they differ for every eye, and on paper without colour."""

    def light(colour: str) -> float:
        red, green, blue = bytes.fromhex(colour.removeprefix("#"))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    shades = [light(colour) for colour in (*COLOURS.values(), LIQUIDATED)]
    assert all(lighter - darker > 12 for lighter, darker in itertools.pairwise(shades))


def test_too_many_wallets_are_counted() -> None:
    """A picture has a size that programs open; it says what it leaves out."""
    many = heat(*(Row(f"w{i}", (Cell(Level.OK, 0.1),)) for i in range(heatmap.MOST_ROWS + 7)), moves=(0.0,))
    words = [text.get_text() for text, _ in texts(many)]
    assert any(word.endswith("; 7 more wallets are further away") for word in words)
    assert "w0" in words
    assert f"w{heatmap.MOST_ROWS}" not in words


def test_many_moves_leave_room_for_fewer_wallets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell takes time and memory, so the cells have an end as well."""
    monkeypatch.setattr(heatmap, "MOST_CELLS", 11)
    row = (Cell(Level.OK, 0.1),) * 5
    many = heat(*(Row(f"w{i}", row) for i in range(3)), moves=(-0.2, -0.1, 0.0, 0.1, 0.2))
    words = [text.get_text() for text, _ in texts(many)]
    assert {"w0", "w1"} < set(words)
    assert "w2" not in words
    assert any(word.endswith("; 1 more wallet is further away") for word in words)


def test_nothing_held_is_a_picture_as_well() -> None:
    """Title, moves and legend."""
    assert opened(draw_heat_map(heat())).shape[1] >= 400


cells = st.builds(Cell, st.sampled_from(Level), fractions, st.booleans())


@settings(max_examples=12, deadline=None)
@given(st.lists(st.builds(Row, st.text(max_size=60), st.tuples(cells, cells, cells)), max_size=4))
def test_everything_can_be_drawn(rows: list[Row]) -> None:
    """Whatever the ladder says."""
    png = draw_heat_map(heat(*rows, moves=(-0.5, 0.0, 2.5)))
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG"
    assert "Software" not in picture.info
