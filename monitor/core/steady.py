"""How long something that comes and goes has to hold before that is told: at first not at all, then ever longer.

A line that carries data for moments only would be told twice for each of them. Bad news never waits for this.
"""

from typing import Final

CALM_S: Final = 1800.0  # what comes after so long is no return
_FIRST_S = 60.0
_LONGER = 4.0  # each time than the time before
_LONGEST_S = 1800.0


def steady_s(times: int, free: int) -> float:
    """Return for how long what came and went so many times has to hold, in seconds; the first ``free`` times 0."""
    return 0.0 if times < free else min(_FIRST_S * _LONGER ** min(times - free, 16), _LONGEST_S)


class Returns:
    """How often each of some things came back soon after it was over. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}
        self._over_s: dict[str, float] = {}

    def begun(self, name: str, now_s: float) -> None:
        """Note that it is there, perhaps again."""
        over_s = self._over_s.pop(name, None)
        soon = over_s is not None and now_s - over_s < CALM_S
        self._times[name] = self._times.get(name, 0) + 1 if soon else 0

    def over(self, name: str, now_s: float) -> None:
        """Note that it was told to be over."""
        self._over_s[name] = now_s
        for old in [one for one, at_s in self._over_s.items() if now_s - at_s >= CALM_S]:
            del self._over_s[old]
            self._times.pop(old, None)

    def times(self, name: str) -> int:
        """Return how often it came back."""
        return self._times.get(name, 0)
