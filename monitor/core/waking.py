"""Times in which the program itself stood still: a process that was stopped, a machine that was suspended.

Whoever was not run has heard nothing for as long, and will within moments. Heartbeats that stay away show it.
"""

from collections import deque
from typing import Final

from monitor.core.model import Now

# A program that was not run hears within so long of waking, connections to be made anew included.
AWAKE_S: Final = 10.0
STILL_S: Final = 5.0  # heartbeats come each second; so long without one, nothing ran
_MOST: Final = 16  # times that are remembered, for what is told of them afterwards


class Waking:
    """Compares the times of heartbeats."""

    def __init__(self) -> None:
        self._beat: Now | None = None
        self._awake_s = float("-inf")  # when it last woke
        self._still_s = 0.0  # how long the last time of standing still was
        self._still_ms: deque[tuple[int, int]] = deque(maxlen=_MOST)

    def beat(self, now: Now) -> None:
        """Note a heartbeat."""
        before, self._beat = self._beat, now
        if before is None:
            return
        still_s = now.mono_s - before.mono_s
        if still_s > STILL_S:
            self._awake_s, self._still_s = now.mono_s, still_s
        # The clock that ages are counted by may stand still as well while a machine is suspended.
        if max(still_s, (now.wall_ms - before.wall_ms) / 1000) > STILL_S:
            self._still_ms.append((before.wall_ms, now.wall_ms))

    def forgiven_s(self, now_s: float) -> float:
        """Return what to take off each silence before it counts, in seconds; 0 but for a while after waking.

        It is the last time of standing still alone: a silence that spans several of them is told.
        """
        return self._still_s if now_s - self._awake_s < AWAKE_S else 0.0

    def stood_still(self, from_ms: int, until_ms: int) -> bool:
        """Return whether that explains most of a time, in Unix milliseconds."""
        still_ms = sum(max(0, min(end, until_ms) - max(start, from_ms)) for start, end in self._still_ms)
        return 2 * still_ms > until_ms - from_ms
