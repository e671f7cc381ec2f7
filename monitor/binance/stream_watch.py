"""Whether an account's private stream tells what happens: what its follower saw of it, as edges. Pure.

One that is missing for a moment is normal, and so is one that REST once found silent: it is connected anew. What
people should hear of is what lasts, or comes again and again. A loss is said at once all the same, as brief: who
waits for a trouble to have been over for a while must not take the stream for well meanwhile.
"""

from collections import deque
from typing import Final

from monitor.core.events import StreamState

NOT_OPEN: Final = "not_open"
TELLS_NOTHING: Final = "silent"

_IN_A_ROW: Final = 2  # connections that REST found silent, without an event between them
_OFTEN: Final = 3  # such findings in ``_WITHIN_S``, whatever came between
_WITHIN_S: Final = 1800.0


class StreamWatch:
    """Times are monotonic seconds.

    Args:
        account: its name.
        complain_after_s: how long no connection may be open before that is said.
    """

    def __init__(self, account: str, complain_after_s: float) -> None:
        self._account = account
        self._complain_after_s = complain_after_s
        self._findings: deque[float] = deque(maxlen=_OFTEN)
        self._in_a_row = 0
        self._event_s: float | None = None
        self._said: str | None = None  # the reason; empty: that it is well; None: nothing yet
        self._brief = False  # a loss was said that may be over in a moment

    def event(self, now_s: float) -> None:
        """Note that an event came."""
        self._event_s = now_s
        self._in_a_row = 0

    def found_silent(self, now_s: float) -> None:
        """Note that REST showed what no event told."""
        self._findings.append(now_s)
        self._in_a_row += 1

    def event_age_s(self, now_s: float) -> float | None:
        """Return how long ago the last event came, None before the first."""
        return None if self._event_s is None else now_s - self._event_s

    @property
    def trouble(self) -> str:
        """Why the stream does not tell what happens, as it was last said; empty while nothing was."""
        return self._said or ""

    def judge(self, now_s: float, missing_s: float, *, is_open: bool) -> StreamState | None:
        """Return what has to be said now; None while nothing changed, or nothing is known yet.

        Args:
            now_s: the time.
            missing_s: how long no connection has been open though one is wanted.
            is_open: whether one is.
        """
        while self._findings and now_s - self._findings[0] > _WITHIN_S:
            self._findings.popleft()
        if missing_s >= self._complain_after_s:
            reason = NOT_OPEN
        elif self._in_a_row >= _IN_A_ROW or len(self._findings) >= _OFTEN:
            reason = TELLS_NOTHING
        elif is_open:
            reason = ""
        elif missing_s > 0.0 and not self._said and self._said is not None and not self._brief:
            self._brief = True
            return StreamState(self._account, False, NOT_OPEN, brief=True)
        else:
            return None
        if reason == self._said and not self._brief:
            return None
        self._said, self._brief = reason, False
        return StreamState(self._account, ok=not reason, reason=reason)
