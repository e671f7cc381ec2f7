"""The first whole number of steps at which something holds, found with few and wide looks. Pure.

What is searched need not be monotone: the number found holds and the one before it does not, and none of those
looked at below it did. A hint of how far each look is from holding makes the search quick; the answer does not
depend on it being right.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple


class Look(NamedTuple):
    """What was found at one number of steps."""

    holds: bool
    leeway: float  # above 0 where it holds, below where it does not; a hint, may be infinite


Judge = Callable[[Sequence[int]], Sequence[Look]]
_SPREAD = (0.0, 1 / 256, 1 / 16, 1 / 4)
_WIDE = 4  # looks enough to close in on a crossing from both sides
_STALLED = 4  # rounds after which the hint is no longer believed


def first(judge: Judge, span: tuple[int, int], looks: Iterable[int], width: int) -> int | None:
    """Return the first number in a span that holds while the one below it does not; None if no look finds one.

    Args:
        judge: looks at numbers, any count of them at once.
        span: (low, high]; low does not hold, or must not be taken.
        looks: where to look first; ``high`` is added.
        width: how many numbers are looked at in one go later on, >= 1.
    """
    low, high = span
    if high <= low:
        return None
    points = sorted({min(max(point, low + 1), high) for point in looks} | {high})
    found = _narrowed(points, judge(points), (low, None), (high, None))
    if found is None:
        return None
    below, above = found
    rounds = 0
    while above[0] - below[0] > 1:
        points = _points(below, above, width, hinted=rounds % _STALLED != _STALLED - 1)
        narrower = _narrowed(points, judge(points), below, above)
        if narrower is None:
            narrower = (below, above)
        below, above = narrower
        rounds += 1
    return above[0]


_End = tuple[int, float | None]


def _narrowed(points: Sequence[int], looks: Sequence[Look], below: _End, above: _End) -> tuple[_End, _End] | None:
    """Return the ends around the first look that holds; where none does, the last look and ``above``."""
    for point, look in zip(points, looks, strict=True):
        if look.holds:
            return below, (point, look.leeway)
        below = (point, look.leeway)
    return None if below[0] >= above[0] else (below, above)


def _points(below: _End, above: _End, width: int, *, hinted: bool) -> list[int]:
    """Return where to look next, strictly between the ends: around where the hints cross zero, else evenly."""
    low, high = below[0], above[0]
    root = _crossing(below, above) if hinted else None
    if root is None:
        wanted = [low + (high - low) * (i + 1) // (width + 1) for i in range(width)]
    elif width == 1:
        wanted = [math.ceil(root) if high - root > root - low else math.ceil(root) - 1]
    else:
        gap = min(root - low, high - root) if width >= _WIDE else 0.0
        nearest = math.ceil(root)
        wanted = [nearest - 1, nearest]
        for share in _SPREAD[1 : width // 2]:
            wanted += [math.floor(root - gap * share), math.ceil(root + gap * share)]
    return sorted({min(max(point, low + 1), high - 1) for point in wanted})


def _crossing(below: _End, above: _End) -> float | None:
    """Return where a straight line between the hints is zero; None where they are of no use."""
    if below[1] is None or above[1] is None:
        return None
    rise = above[1] - below[1]
    if not (math.isfinite(rise) and rise > 0.0 and below[1] <= 0.0 <= above[1]):
        return None
    return below[0] + (above[0] - below[0]) * (-below[1] / rise)
