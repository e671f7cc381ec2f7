"""The drawn line of a margin ratio."""

import re

from monitor.web.page.line import GAP_MS, HEIGHT, WIDTH, Point, bar, line

NOW_MS = 1_780_000_000_000
MINUTE_MS = 60_000


def points(*ratios: float | None) -> list[Point]:
    """One a minute, the last one now."""
    count = len(ratios)
    return [Point(NOW_MS - (count - 1 - i) * MINUTE_MS, ratio) for i, ratio in enumerate(ratios)]


def drawn(made: str) -> list[list[tuple[float, float]]]:
    runs = re.findall(r'points="([^"]*)"', made)
    return [[(float(x), float(y)) for x, y in (one.split(",") for one in run.split())] for run in runs]


def test_higher_is_up_and_now_is_right() -> None:
    """The worst minute is drawn above the others, and nothing outside of the picture."""
    made = line(points(0.1, 0.5, 0.2), NOW_MS)
    assert made is not None
    ((first, second, third),) = drawn(made)
    assert first[0] == 0
    assert third[0] == WIDTH
    assert second[1] < third[1] < first[1]
    assert all(0 <= y <= HEIGHT for _, y in (first, second, third))


def test_words_say_the_same_for_those_who_do_not_see_it() -> None:
    """From what to what, over how long, and the worst."""
    made = line(points(0.1, 0.5, 0.2), NOW_MS)
    assert made is not None
    words = "Margin ratio over the last 2 min: from 10 % to 20 %, highest 50 %"
    assert f'aria-label="{words}"' in made
    assert f"<figcaption>{words}</figcaption>" in made


def test_a_time_in_which_nobody_watched_is_a_gap() -> None:
    """A line through it would claim what nobody saw; a minute in which the balance was used up is one, too."""
    early = [Point(one.at_ms - GAP_MS * 2, one.ratio) for one in points(0.1, 0.1)]
    made = line([*early, *points(0.2, 0.2)], NOW_MS)
    assert made is not None
    assert len(drawn(made)) == 2


def test_too_little_is_not_drawn() -> None:
    """A line needs two points that are known."""
    assert line([], NOW_MS) is None
    assert line(points(None, 0.2), NOW_MS) is None


def test_it_has_no_style_of_its_own() -> None:
    """The page's policy forbids it."""
    made = line(points(0.1, 0.2), NOW_MS)
    assert made is not None
    assert "style" not in made.replace("stroke", "")


def test_a_bar_stays_within_its_frame() -> None:
    """What is unknown or out of range draws nothing strange."""
    assert 'width="5.7"' in bar(0.057)
    assert 'width="100.0"' in bar(3.0)
    assert 'width="0.0"' in bar(-1.0)
    assert 'width="0.0"' in bar(None)
