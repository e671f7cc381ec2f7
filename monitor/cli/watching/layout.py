"""How the lines of a screen are shared out: what matters most gets its lines first. Pure."""

from collections.abc import Sequence
from typing import NamedTuple


class Want(NamedTuple):
    """What one part would take."""

    rank: int  # 0 comes first where lines are few
    least: int  # lines without which it is not shown at all
    whole: int  # lines it takes if all of it is shown
    weight: int = 1  # lines it gets where others get one


def shared_out(wants: Sequence[Want], height: int) -> list[int]:
    """Return how many lines each part gets: none, or from ``least`` to ``whole``; in sum at most ``height``.

    The first is cut rather than left out.
    """
    got = [0] * len(wants)
    order = sorted(range(len(wants)), key=lambda place: wants[place].rank)
    left = max(0, height)
    for place in order:
        least = min(wants[place].least, wants[place].whole)
        if place == order[0]:
            least = min(least, left)
        if least <= left:
            got[place] = least
            left -= least
    while left > 0:
        before = left
        for place in order:
            if got[place]:
                more = min(wants[place].weight, wants[place].whole - got[place], left)
                got[place] += more
                left -= more
        if left == before:
            break
    return got
