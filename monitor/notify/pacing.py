"""When the next message of one channel may start. Pure; time is handed in.

Two promises pull against each other: an emergency never waits, and a market-wide fall sends no more than five
messages a channel in a minute. Five hundred emergencies cannot each go at once, so the promise is about the first:

* Over any 60 s at most five messages are started, first attempts and repeated ones alike: one that timed out may
  have arrived, and a service that fails is not helped by being asked more often.
* Each degree of danger keeps a place of those five to itself. What is below critical uses three at most, what is
  critical or worse four, and the fifth is kept for an emergency of which nobody was told yet.
* Gaps grow, so that what follows is gathered into ever fewer messages: 2 s after the first, then 10 s, then 20 s.
  They are kept to starts of the same degree or a worse one only. So nothing that goes on below it holds up an
  emergency: the first in a minute leaves at once, whatever came before; the first that is critical, 2 s after
  the last message at most.
* When places are used up, what is due waits for the oldest start to be a minute old, and then leaves with all
  else that is due. So nothing that is due waits longer than a minute, and a stream of emergencies is told every
  20 s or so, the first of them at once: by then somebody has been called.

What was started is forgotten with the process: after a restart the next message is a first one again.
"""

import math
from collections import deque
from enum import IntEnum

WINDOW_S = 60.0
MOST = 5  # starts in any window
GROUP_S = 2.0  # what follows a message within this time is gathered into the next
PARTING_S = 1.0
_GAPS_S = (0.0, GROUP_S, 10.0, 20.0, 20.0)  # after so many starts in the window


class Urgency(IntEnum):
    """How much a message may hurry; compared by value."""

    ORDINARY = 0
    SERIOUS = 1  # critical or worse
    EMERGENCY = 2  # one of which nobody was told yet


_PLACES = {Urgency.ORDINARY: 3, Urgency.SERIOUS: 4, Urgency.EMERGENCY: MOST}


class Pace:
    """Starts of one channel in the last minute. Times are monotonic seconds and never go back."""

    def __init__(self) -> None:
        self._starts: deque[tuple[float, Urgency]] = deque(maxlen=MOST)

    def started(self, urgency: Urgency, now_s: float) -> None:
        """Note that a message starts now."""
        self._starts.append((now_s, urgency))

    def allowed_s(self, urgency: Urgency) -> float:
        """Return from when on a message of this urgency may start, unless another starts before; may be past."""
        since_s = _after([at_s for at_s, was in self._starts if was >= urgency])
        if urgency < Urgency.EMERGENCY:
            since_s = max(since_s, self._last_s() + GROUP_S)
        return max(since_s, self._place_s(_PLACES[urgency]))

    def parting_s(self) -> float:
        """Return from when on the last message of a run may start: nothing follows that it could wait for."""
        return max(self._last_s() + PARTING_S, self._place_s(MOST))

    def _last_s(self) -> float:
        return self._starts[-1][0] if self._starts else -math.inf

    def _place_s(self, places: int) -> float:
        """Return when fewer than ``places`` starts are in the window."""
        return self._starts[-places][0] + WINDOW_S if len(self._starts) >= places else -math.inf


def _after(starts: list[float]) -> float:
    """Return when the gap to the last of these is over: the fewer are in the window, the shorter it is."""
    if not starts:
        return -math.inf
    over_s = []
    for counted in range(len(starts) + 1):
        expired_s = starts[-counted - 1] + WINDOW_S if counted < len(starts) else -math.inf
        gap_s = _GAPS_S[min(counted, len(_GAPS_S) - 1)]
        over_s.append(max(expired_s, starts[-1] + gap_s))
    return min(over_s)
