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
        self._at_s: Floats = np.full(wallets, -np.inf)
        self._ratio: Floats = np.full(wallets, np.nan)
        self._room: Floats = np.full(wallets, np.nan)

    def due(self, readings: Readings, changed: Ints, now_s: float) -> Ints:
        """Return the wallets to record now, and remember them.

        Args:
            readings: the newest; wallets that are not known yet are never due.
            changed: wallets whose level just changed; always due.
            now_s: monotonic seconds.
        """
        age = now_s - self._at_s
        with np.errstate(invalid="ignore"):
            still = (np.abs(readings.margin_ratio - self._ratio) < STEP) & (
                np.abs(readings.room - self._room) < STEP
            )
        due = (age >= MOST_S) | ((age >= LEAST_S) & ~still)
        due[changed] = True
        due &= ~np.isnan(readings.cushion)
        chosen = np.flatnonzero(due)
        self._at_s[chosen] = now_s
        self._ratio[chosen] = readings.margin_ratio[chosen]
        self._room[chosen] = readings.room[chosen]
        return chosen
