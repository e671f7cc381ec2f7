import io
import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.charts.series import MINUTE_MS, Point, Series
from monitor.core.model import Level

pytest.importorskip("matplotlib", reason="the extra `charts` is not installed")

from PIL import Image

from monitor.charts import draw as drawing
from monitor.charts.draw import DPI, HEIGHT, WIDTH, draw

Bools = npt.NDArray[np.bool_]
fractions = st.none() | st.floats(0.0, 1e6) | st.floats(0.0, 1e-9)


def points(ratios: Sequence[float | None], distance: float | None = 0.05) -> tuple[Point, ...]:
    return tuple(
        Point(1_780_000_000_000 + at * MINUTE_MS, ratio, distance, Level.WARNING)
        for at, ratio in enumerate(ratios)
    )


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def where(
    png: bytes, colour: str, *, left: int = 0, right: int = WIDTH, top: int = 0, bottom: int = HEIGHT
) -> Bools:
    """Return which pixels of a part have a colour, but for what smoothing and a smaller palette change."""
    wanted = np.frombuffer(bytes.fromhex(colour.removeprefix("#")), np.uint8).astype(np.int16)
    pixels = np.asarray(opened(png)).astype(np.int16)[top:bottom, left:right]
    return np.asarray(np.abs(pixels - wanted).max(axis=2) <= 30)


def test_a_picture_is_small_and_has_the_size_of_a_telephone() -> None:
    """800 by 450 pixels, a few kilobytes, and nothing in it but the picture."""
    png = draw(Series("main · BTCUSDT LONG", points([0.2, 0.3, 0.4, 0.5]), joint=False))
    picture = Image.open(io.BytesIO(png))
    assert (picture.format, picture.size) == ("PNG", (WIDTH, HEIGHT))
    assert (WIDTH, HEIGHT, DPI) == (800, 450, 100)
    assert len(png) < 40_000
    assert picture.info == {}


def test_the_line_rises_with_the_ratio() -> None:
    """The dot of the present stands at the right, and the higher the ratio the higher it stands."""
    heights = []
    for ratio in (0.1, 0.5, 0.95):
        png = draw(Series("t", points([0.1, 0.1, 0.1, ratio]), joint=False))
        rows = np.any(where(png, "#b3261e", left=686, right=689, top=85, bottom=260), axis=1)  # half of the dot
        heights.append(int(np.flatnonzero(rows)[0]))
    assert heights[0] > heights[1] > heights[2]


def test_a_gap_is_a_gap() -> None:
    """No line is drawn across what nobody saw."""
    seen = draw(Series("t", points([0.5] * 60), joint=False))
    unseen = draw(Series("t", points([0.5] * 20 + [None] * 20 + [0.5] * 20), joint=False))
    middle = {"left": 320, "right": 430, "top": 130, "bottom": 240}
    assert where(seen, "#b3261e", **middle).any()
    assert not where(unseen, "#b3261e", **middle).any()


def test_limits_and_the_beginning_are_marked() -> None:
    """Each level's margin ratio is a line in its colour; an incident's first minute is one too."""
    calm = points([0.2] * 60)
    plain = draw(Series("t", calm, joint=False))
    lined = draw(Series("t", calm, joint=False, limits=((Level.WARNING, 0.65), (Level.CRITICAL, 0.8))))
    for level, y in ((Level.WARNING, 147), (Level.CRITICAL, 125)):
        row = {"left": 80, "right": 680, "top": y - 2, "bottom": y + 3}
        assert where(lined, drawing._COLOURS[level], **row).sum() > 200
        assert not where(plain, drawing._COLOURS[level], **row).any()
    begun = tuple(Point(p.at_ms, p.margin_ratio, p.distance, Level(at >= 30)) for at, p in enumerate(calm))
    assert draw(Series("t", begun, joint=False)) != draw(Series("t", calm, joint=False))


def test_the_time_axis_is_local() -> None:
    """The same series reads differently elsewhere."""
    made = {draw(Series("t", points([0.5] * 9), joint=False, offset_s=offset)) for offset in (0, 3600, -19_800)}
    assert len(made) == 3
    assert [drawing._zone_name(offset) for offset in (0, 3600, -19_800)] == ["UTC", "UTC+01:00", "UTC-05:30"]


def test_letters_without_a_shape_are_dots() -> None:
    """A symbol may have a Chinese name, a sign that means mathematics elsewhere is a sign, and long is cut."""
    assert drawing._drawable("a币b$x$") == "a·b$x$"
    assert len(drawing._drawable("x" * 100)) == 40
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(Series("币安人生USDT $x_1^2$ \\frac", points([0.5] * 9), joint=False))


@settings(max_examples=12, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 90), fractions, fractions, st.sampled_from(Level)), min_size=2, max_size=12
    ),
    limits=st.lists(st.tuples(st.sampled_from(list(Level)[1:]), st.floats(0.0, 2.0)), max_size=4),
    joint=st.booleans(),
    offset_s=st.integers(-50_400, 50_400),
)
def test_everything_can_be_drawn(
    rows: list[tuple[int, float | None, float | None, Level]],
    limits: list[tuple[Level, float]],
    joint: bool,  # noqa: FBT001 - hypothesis names it
    offset_s: int,
) -> None:
    """Whatever the history holds, there is a picture of the same size."""
    at_ms, made = 1_780_000_000_000, []
    for minutes, ratio, distance, level in rows:
        at_ms += minutes * MINUTE_MS
        made.append(Point(at_ms, ratio, distance, level))
    assert opened(draw(Series("t", tuple(made), joint, tuple(limits), offset_s))).size == (WIDTH, HEIGHT)


@given(first=st.integers(0, 2**41), minutes=st.integers(1, 3000), offset_s=st.integers(-50_400, 50_400))
def test_times_are_round_few_and_inside(first: int, minutes: int, offset_s: int) -> None:
    """As many as fit beside each other."""
    last = first + minutes * MINUTE_MS
    times = list(drawing._round_times(first, last, offset_s))
    assert len(times) <= 7
    assert all(first <= at < last and (at + offset_s * 1000) % MINUTE_MS == 0 for at in times)


@given(st.floats(1e-6, 1e6))
def test_values_are_round_few_and_inside(top: float) -> None:
    """Zero and some more."""
    values = drawing._round_values(top)
    assert values[0] == 0.0
    assert 2 <= len(values) <= 6
    assert all(value <= top * (1 + 1e-9) for value in values)


def test_labels_do_not_overlap() -> None:
    """The higher one stays where it is; what is too near moves below it."""
    assert drawing._spread([100.0, 95.0, 40.0, 90.0]) == [100.0, 83.0, 40.0, 66.0]
