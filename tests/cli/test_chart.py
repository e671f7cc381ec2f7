"""Charts for terminals."""

import datetime as dt
import zoneinfo

import pytest
from rich.cells import cell_len

from monitor.cli.chart import Point, TimeChart, plot, round_above
from monitor.notify.times import days_differ, local_time
from tests.cli.made import NOW_MS, shown

ROME = zoneinfo.ZoneInfo("Europe/Rome")


def chart(*values: float | None) -> TimeChart:
    points = [Point(NOW_MS + 1000 * at, value) for at, value in enumerate(values)]
    return TimeChart("margin ratio", points, zone=ROME, rows=4)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_chart_is_as_wide_as_the_terminal(width: int) -> None:
    """Title, four lines, axis and times fill the width and never exceed it."""
    lines = shown(chart(0.1, 0.5, 0.75, 0.2), width)
    assert len(lines) == 7
    assert lines[0] == "margin ratio"
    assert all(cell_len(line) <= width for line in lines)
    assert cell_len(lines[5]) == width
    assert lines[6].split() == ["22:26:40+02:00", "22:26:43+02:00"]


def test_the_scale_is_round() -> None:
    """The upper edge is the next round number, the lower one zero."""
    lines = shown(chart(0.1, 0.75), 40)
    assert lines[1].startswith("80 % ┤")
    assert lines[3].startswith("40 % ┤")
    assert lines[4].startswith(" 0 % ┤")


def test_gaps_are_no_zeros() -> None:
    """What is not known is not drawn; if nothing is, that is said."""
    assert shown(chart(None, 0.5, None), 40)[6].split()[0] == "22:26:41+02:00"
    assert shown(chart(None, None), 40) == ["margin ratio", "nothing known in this time"]


def test_a_day_is_named_where_the_time_alone_would_mislead() -> None:
    """A chart across midnight shows dates, cut where there is no space."""
    points = [Point(NOW_MS, 0.1), Point(NOW_MS + 7_200_000, 0.2)]
    lines = shown(TimeChart("x", points, zone=ROME), 80)
    assert lines[-1].split() == ["2026-05-28", "22:26:40+02:00", "2026-05-29", "00:26:40+02:00"]
    assert shown(TimeChart("x", points, zone=ROME), 30)[-1].strip() == "2026-05-28 22:26:40+02:0"


def test_a_rise_goes_from_the_lower_left_to_the_upper_right() -> None:
    """Time runs to the right, values upward, and the points are joined."""
    points = [Point(0, 0.0), Point(10, 1.0)]
    assert plot(points, columns=2, rows=1, top=1.0) == ["⡠⠊"]


def test_no_peak_is_lost() -> None:
    """Where many points share a column, both extremes are drawn."""
    points = [Point(at, 1.0 if at == 500 else 0.0) for at in range(1000)]
    top, *_, bottom = plot(points, columns=5, rows=3, top=1.0)
    assert top.strip("⠀") != ""
    assert "⠀" not in bottom


def test_one_point_is_a_chart() -> None:
    """A single sample, and one above the edge, are drawn."""
    assert plot([Point(5, 9.0)], columns=1, rows=1, top=1.0) == ["⠁"]


@pytest.mark.parametrize(
    ("value", "edge"),
    [(0.0, 1.0), (0.76, 0.8), (0.0022, 0.0025), (1.0, 1.0), (1.01, 1.5), (95.0, 100.0), (0.1, 0.1)],
)
def test_round_numbers(value: float, edge: float) -> None:
    """The edge is the smallest round number that is not below."""
    assert round_above(value) == pytest.approx(edge)


def test_times_carry_their_offset() -> None:
    """A time for people says its offset; without a zone it is the machine's own."""
    assert local_time(NOW_MS, dt.UTC) == "20:26:40+00:00"
    assert local_time(NOW_MS, ROME, day=True) == "2026-05-28 22:26:40+02:00"
    assert len(local_time(NOW_MS, None)) == len("20:26:40+00:00")


def test_days_are_those_of_the_zone() -> None:
    """22:26 and half past midnight in Rome are one day in UTC."""
    assert days_differ(NOW_MS, NOW_MS + 7_200_000, ROME)
    assert not days_differ(NOW_MS, NOW_MS + 7_200_000, dt.UTC)
