"""Typical moves of all watched names, and what they make of the wallets; the engine is the only writer."""

from collections.abc import Iterable, Sequence

import numpy as np

from monitor.core.book import Book, Floats
from monitor.core.minutes import Known, Minutes
from monitor.core.model import ASK, BID, MarkRange
from monitor.core.moves import changing, floored, hourly_deviation, moves_left
from monitor.core.risk import Readings
from monitor.core.wallet_moves import cushion_deltas, cushion_deviations

# Without a new minute for so long, what a price used to do says nothing about now.
OLDEST_S = 4 * 3600.0
_REFRESH_S = 60.0


class MoveBoard:
    """Minutes of marks, and what was last made of them.

    What is made of minutes changes once a minute; what is made of positions, with every change of the book. A tick
    costs one division for each wallet.
    """

    def __init__(self) -> None:
        self.minutes = Minutes()
        self.typical: Floats = np.zeros(0)  # by watched name, log return of one hour; NaN where not known
        self.deviation: Floats = np.zeros(0)  # by wallet, of its one-hour change of cushion; NaN where not known
        self._returns: Floats = np.zeros((0, 0))
        self._version = -1
        self._made_s = 0.0

    def watch(self, names: Sequence[str], wallets: int) -> None:
        """Follow exactly these names; nothing is known of the wallets of a new book yet."""
        self.minutes.watch(names)
        self.deviation = np.full(wallets, np.nan)

    def observe(self, marks: Iterable[MarkRange]) -> None:
        """Take marks as they were received."""
        self.minutes.observe(marks)

    def refresh(self, book: Book, readings: Readings, now_s: float) -> bool:
        """Make everything anew if a minute passed or closes came; return whether it was."""
        if self._version == self.minutes.version and now_s - self._made_s < _REFRESH_S:
            return False
        self._version, self._made_s = self.minutes.version, now_s
        self._returns, self.typical = _typical(self.minutes, now_s)
        self._deviate(book, readings)
        return True

    def settle(self, book: Book, readings: Readings, now_s: float) -> None:
        """Follow a change of the book."""
        if not self.refresh(book, readings, now_s):
            self._deviate(book, readings)

    def left(self, readings: Readings) -> Floats:
        """Return the moves left of each wallet, shape (w,): NaN where not known."""
        return moves_left(readings.cushion, self.deviation)

    def known(self, now_s: float) -> dict[str, tuple[float | None, Known]]:
        """Return each watched name's typical move, None where not known, and what is known of its minutes."""
        moves = dict(zip(self.minutes.names, self.typical.tolist(), strict=False))
        return {
            name: (None if np.isnan(move := moves.get(name, np.nan)) else move, known)
            for name, known in self.minutes.known(now_s).items()
        }

    def _deviate(self, book: Book, readings: Readings) -> None:
        deltas = cushion_deltas(book, readings)
        self.deviation = cushion_deviations(book, deltas, self._returns, self.typical)


def _typical(minutes: Minutes, now_s: float) -> tuple[Floats, Floats]:
    """Return one-minute returns, and the typical moves that are theirs: a floored one has its returns enlarged."""
    returns = minutes.returns()
    raw = hourly_deviation(returns)
    typical = floored(raw, changing(returns))
    # A rate at rest takes no part; it says nothing about whether a market is open.
    rates = np.array([name.endswith((BID, ASK)) for name in minutes.names], dtype=np.bool_)
    typical[rates] = raw[rates]
    typical[minutes.ages_s(now_s) > OLDEST_S] = np.nan
    calm = np.flatnonzero((typical > raw) & (raw > 0.0))
    returns[:, calm] *= typical[calm] / raw[calm]
    return returns, typical
