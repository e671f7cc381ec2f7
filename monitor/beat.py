"""A sign of life of one loop: when it will have come round again, at the latest. Costs an assignment a round.

The loop says so itself, and a watchdog reads it. That something happens in the world is no part of it: a loop that
waits for frames, messages or a disk's answer is well as long as it comes round when it said it would.
"""

import math
from collections.abc import Mapping
from typing import Final

PATIENCE_S: Final = 30.0


class Beat:
    """Times are monotonic seconds.

    Args:
        patience_s: how late the loop may be. More than its longest work in one round, on a slow machine.
    """

    __slots__ = ("due_s", "patience_s")

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self.patience_s = patience_s
        self.due_s: float | None = None  # None: it has not begun

    def back(self, at_s: float) -> None:
        """Say when the next round will be: now before work, later before a sleep."""
        self.due_s = at_s

    def rest(self) -> None:
        """Say that there is nothing to do until somebody calls."""
        self.due_s = math.inf

    def called(self, at_s: float) -> None:
        """Note that something was given to the loop to do; it is due from then on, unless it was before."""
        if self.due_s is not None:
            self.due_s = min(self.due_s, at_s)


def standing(
    beats: Mapping[str, Beat], since_s: float, now_s: float, awake_s: float = -math.inf
) -> tuple[str, ...]:
    """Return the names of the loops that have not come round in time; one that never began is due ``since_s``.

    None was due before ``awake_s``, when the whole process was last woken.
    """
    return tuple(
        name
        for name, beat in beats.items()
        if now_s - max(awake_s, since_s if beat.due_s is None else beat.due_s) > beat.patience_s
    )
