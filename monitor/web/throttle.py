"""How often a wrong token is looked at as such. Pure.

Nothing here can keep the owner out: the right token is always taken at once. What makes guessing hopeless is the
length of the token; this bounds what guessing costs in work and in lines of the log.
"""

from typing import Final

MINUTE_S: Final = 60.0


class Throttle:
    """Lets so many through in a minute, however they are spread; one number is all it remembers."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = float(most)
        self._at_s: float | None = None

    def take(self, now_s: float) -> bool:
        """Return whether one more may pass."""
        if self._at_s is not None:
            self._left = min(self._most, self._left + (now_s - self._at_s) * self._most / MINUTE_S)
        self._at_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
