"""Which wallets are due for a row of history: at most one a second, at least one a minute."""

import numpy as np

from monitor.core.book import Floats, Ints
from monitor.core.risk import Readings

LEAST_S = 1.0
MOST_S = 60.0
# A change of the margin ratio or the room smaller than this, in points of a fraction, is not worth a row.
STEP = 0.0005


class Sampler:
    """Remembers what was last recorded of each wallet; arrays follow the book."""

    def __init__(self, wallets: int) -> None:
        self.last: Floats = np.full((3, wallets), np.nan)  # when (monotonic s), margin ratio, room
        self.last[0] = -np.inf

    def due(self, readings: Readings, changed: Ints, now_s: float) -> Ints:
        """Return the wallets to record now, and remember them.

        Args:
            readings: the newest; wallets that are not known yet are never due.
            changed: wallets whose level just changed; always due.
            now_s: monotonic seconds.
        """
        at_s, ratio, room = self.last
        age = now_s - at_s
        with np.errstate(invalid="ignore"):
            still = (np.abs(readings.margin_ratio - ratio) < STEP) & (np.abs(readings.room - room) < STEP)
        due = (age >= MOST_S) | ((age >= LEAST_S) & ~still)
        due[changed] = True
        due &= ~np.isnan(readings.cushion)
        chosen = np.flatnonzero(due)
        at_s[chosen] = now_s
        ratio[chosen] = readings.margin_ratio[chosen]
        room[chosen] = readings.room[chosen]
        return chosen
