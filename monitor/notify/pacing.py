"""When the next message of one channel may start. Pure; time is handed in.

Two promises pull against each other: an emergency never waits, and a market-wide fall sends no more than five
messages a channel in a minute. Five hundred emergencies cannot each go at once, so the promise is about the first:

* Over any 60 s at most five messages reach somebody. What timed out may have arrived and counts; what a service
  surely did not take was noise to nobody, takes no place, and is repeated when ``retry.py`` says: an emergency
  that meets a short failure must not wait for a minute.
* Each degree of danger keeps a place of those five to itself. What is below critical uses three at most, what is
  critical or worse four, and the fifth is kept for an emergency of which nobody was told yet.
* What follows a message within 2 s is gathered into the next. After that the places that are left are spread over
  the rest of the minute, each gap half as long again as the one before: what comes first is the best hint that
  more will follow. Gaps are kept to starts of the same degree or a worse one only. So nothing that goes on below
  it holds up an emergency: the first in a minute leaves at once, whatever came before; the first that is
  critical, 2 s after the last message at most.
* When places are used up, what is due waits for the oldest start to be a minute old, and then leaves with all
  else that is due. Nothing that is due waits longer than a minute. Where nothing but emergencies is told, none
  of them waits much longer than half of one, and by then the first has called somebody.

What was started is forgotten with the process: after a restart the next message is a first one again.
"""

import math
from collections import deque
from enum import IntEnum
from itertools import pairwise

MINUTE_S = 60.0
MOST = 5  # starts in any minute
_GROUPS = 30  # in a minute: what follows a message for so long is gathered into the next
_PARTINGS = 60
_GROWTH = 1.5  # of gaps


class Urgency(IntEnum):
    """How much a message may hurry; compared by value."""

    ORDINARY = 0
    SERIOUS = 1  # critical or worse
    EMERGENCY = 2  # one of which nobody was told yet


_PLACES = {Urgency.ORDINARY: 3, Urgency.SERIOUS: 4, Urgency.EMERGENCY: MOST}


class Pace:
    """Starts of one channel in the last minute. Times are monotonic seconds and never go back.

    Args:
        minute_s: how long that is; who plays a story faster than life shortens it.
    """

    def __init__(self, minute_s: float = MINUTE_S) -> None:
        self._minute_s = minute_s
        self._group_s = minute_s / _GROUPS
        self._starts: deque[tuple[float, Urgency]] = deque(maxlen=MOST)
        self._missed_s = -math.inf  # when a message started that reached nobody

    def started(self, urgency: Urgency, now_s: float) -> None:
        """Note that a message starts now."""
        self._starts.append((now_s, urgency))

    def missed(self) -> None:
        """Note that the message that started last surely reached nobody: its place is free again."""
        if self._starts:
            self._missed_s, _ = self._starts.pop()

    def allowed_s(self, urgency: Urgency, now_s: float) -> float:
        """Return from when on, ``now_s`` at least, a message of this urgency may start unless another does."""
        if urgency < Urgency.EMERGENCY:
            now_s = max(now_s, self._missed_s + self._minute_s / _PARTINGS)
        expiries = [at_s + self._minute_s for at_s, _ in self._starts if at_s + self._minute_s > now_s]
        for begins_s, ends_s in pairwise([now_s, *expiries, math.inf]):
            allowed_s = max(begins_s, self._gap_ends_s(urgency, begins_s))
            if allowed_s < ends_s:
                return allowed_s
        return now_s

    def parting_s(self, now_s: float) -> float:
        """Return from when on the last message of a run may start: nothing follows that it could wait for."""
        if not self._starts:
            return now_s
        place_s = self._starts[0][0] + self._minute_s if len(self._starts) == MOST else now_s
        return max(now_s, self._starts[-1][0] + self._minute_s / _PARTINGS, place_s)

    def _gap_ends_s(self, urgency: Urgency, at_s: float) -> float:
        """Return when the gap is over if nothing expires after ``at_s``; infinity where no place is left."""
        counted = [start for start in self._starts if start[0] + self._minute_s > at_s]
        left = _PLACES[urgency] - len(counted)
        if left <= 0:
            return math.inf
        least_s = counted[-1][0] + self._group_s if counted and urgency < Urgency.EMERGENCY else -math.inf
        alike = [start_s for start_s, was in counted if was >= urgency]
        if not alike:
            return least_s
        gap_s = self._group_s
        if len(alike) > 1:
            rest_s = counted[0][0] + self._minute_s - alike[-1]
            gap_s = max(gap_s, rest_s * (_GROWTH - 1) / (_GROWTH ** (left + 1) - 1))
        return max(least_s, alike[-1] + gap_s)
