"""A small drawn line of a margin ratio over the last hours, as SVG without a style of its own. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from monitor.notify.numbers import percent, span
from monitor.web.page.markup import Html, tag

WIDTH: Final = 300
HEIGHT: Final = 60
GAP_MS: Final = 150_000  # minutes farther apart were not watched between
SHORTEST_MS: Final = 60_000
_EDGE: Final = 3  # so that a line at 0 or at the top is drawn whole
_LEAST_TOP: Final = 0.2  # so that a calm wallet looks calm


class Point(NamedTuple):
    """The worst margin ratio of a minute; None: the balance was used up, or nothing was known."""

    at_ms: int
    ratio: float | None


def line(points: Sequence[Point], now_ms: int) -> Html | None:
    """Return the drawing with words for those who do not see it; None where there is nothing to draw.

    Args:
        points: in order of time; the left edge is where they begin, a minute ago at the latest.
        now_ms: the right edge.
    """
    known = [(one.at_ms, one.ratio) for one in points if one.ratio is not None]
    if len(known) < 2:  # noqa: PLR2004 - a line needs two
        return None
    highest = max(ratio for _, ratio in known)
    top = max(_LEAST_TOP, min(1.0, highest * 1.15))
    since_ms = min(known[0][0], now_ms - SHORTEST_MS)
    length = now_ms - since_ms

    def place(at_ms: int, ratio: float) -> str:
        x = (at_ms - since_ms) / length * WIDTH
        y = HEIGHT - _EDGE - min(ratio, top) / top * (HEIGHT - 2 * _EDGE)
        return f"{min(max(x, 0.0), WIDTH):.1f},{y:.1f}"

    runs: list[list[str]] = []
    before_ms = known[0][0] - GAP_MS - 1
    for at_ms, ratio in known:
        if at_ms - before_ms > GAP_MS:
            runs.append([])
        runs[-1].append(place(at_ms, ratio))
        before_ms = at_ms
    words = (
        f"Margin ratio over the last {span((now_ms - known[0][0]) / 1000)}: from {percent(known[0][1])} to "
        f"{percent(known[-1][1])}, highest {percent(highest)}"
    )
    drawn = [
        tag("polyline", points=" ".join(run if len(run) > 1 else [*run, *run]), fill="none",
            stroke="currentColor", stroke_width="2", stroke_linejoin="round", stroke_linecap="round",
            vector_effect="non-scaling-stroke")
        for run in runs
    ]  # fmt: skip
    picture = tag(
        "svg", tag("title", words), *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", preserveAspectRatio="none",
        role="img", class_="line", aria_label=words,
    )  # fmt: skip
    return tag("figure", picture, tag("figcaption", words), class_="past")


def bar(share: float | None) -> Html:
    """Return how much is left as a bar; the figure stands beside it in words."""
    width = 0.0 if share is None else min(max(share, 0.0), 1.0) * 100
    return tag(
        "svg",
        tag("rect", x="0", y="0", width="100", height="8", fill="currentColor", opacity="0.18"),
        tag("rect", x="0", y="0", width=f"{width:.1f}", height="8", fill="currentColor"),
        viewBox="0 0 100 8", preserveAspectRatio="none", class_="bar", aria_hidden="true",
    )  # fmt: skip
