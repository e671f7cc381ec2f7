"""Typical moves of all watched names, and what they make of the wallets; the engine is the only writer."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from monitor.core.book import Book, Bools, Floats, WalletInfo
from monitor.core.events import Closes
from monitor.core.minutes import Known, Minutes, Ring
from monitor.core.model import ASK, BID, Level, MarkRange
from monitor.core.moves import changing, floored, hourly_deviation, moves_left
from monitor.core.risk import Readings
from monitor.core.scene import KnownMoves
from monitor.core.wallet_moves import cushion_deltas, cushion_deviations

# Without a new minute for so long, what a price used to do says nothing about now.
OLDEST_S = 4 * 3600.0
# By then a stream alone has made typical moves known, where there are any.
DOUBT_S = 45 * 60.0
_REFRESH_S = 60.0
_LEVELS = len(Level) - 1


class Typical(NamedTuple):
    """What is known of how one watched name moves."""

    move: float | None  # log return of one hour
    minutes: Known


class MoveBoard:
    """Minutes of marks, and what was last made of them.

    What is made of minutes changes once a minute; what is made of positions, with every change of the book. A tick
    costs one division for each wallet.
    """

    def __init__(self) -> None:
        self.minutes = Minutes()
        self.learning = True  # False: minutes are none, for prices are played faster than time goes
        self.typical: Floats = np.zeros(0)  # by watched name, log return of one hour; NaN where not known
        self.deviation: Floats = np.zeros(0)  # by wallet, of its one-hour change of cushion; NaN where not known
        self._kept: Floats = np.zeros(0)  # by wallet, the last that was known; infinite where it is in doubt
        self._doubted_s = 0.0
        self._wallets: tuple[WalletInfo, ...] = ()
        self._returns: Floats = np.zeros((0, 0))
        self._priced: Bools = np.zeros(0, dtype=np.bool_)  # wallets whose cushion was known when it was made
        self._version = -1
        self._made_s = 0.0

    def watch(self, book: Book) -> None:
        """Follow what a new book needs; nothing is known of its wallets before ``settle``."""
        self.minutes.watch(book.watched)
        kept = dict(zip((info.key for info in self._wallets), self._kept.tolist(), strict=True))
        self._wallets = book.wallets
        self._kept = np.array([kept.get(info.key, np.nan) for info in book.wallets])
        self.deviation = np.full(len(book.wallets), np.nan)

    def doubt(self, wallet: int, now_s: float) -> None:
        """Let a wallet leave no level that moves left may have raised in an earlier run, until they are known."""
        if np.isnan(self._kept[wallet]):
            self._kept[wallet] = np.inf
            self._doubted_s = now_s

    def observe(self, marks: Iterable[MarkRange]) -> None:
        """Take marks as they were received."""
        self.minutes.observe(marks)

    def seed(self, event: Closes, now_s: float) -> None:
        """Take closes from before a name was watched."""
        self.minutes.seed(event.symbol, event.first_ms, event.closes, now_s)

    def ring(self) -> Ring:
        """Return what is known of minutes, for another run to go on from; nothing where they are none."""
        return self.minutes.ring() if self.learning else Ring((), 0, np.zeros((0, 0)))

    def refresh(self, book: Book, readings: Readings, now_s: float) -> bool:
        """Make anew what time, new closes or first marks of wallets made old; return whether anything was."""
        if self._version != self.minutes.version or now_s - self._made_s >= _REFRESH_S:
            self._version, self._made_s = self.minutes.version, now_s
            self._returns, self.typical = _typical(self.minutes, now_s)
            if not self.learning:
                self.typical[:] = np.nan
                self._kept[:] = np.nan
            if now_s - self._doubted_s >= DOUBT_S:
                self._kept[np.isinf(self._kept)] = np.nan
        elif (self._priced | np.isnan(readings.cushion)).all():
            return False
        self._deviate(book, readings)
        return True

    def meet(self, book: Book, readings: Readings, now_s: float) -> None:
        """Follow first marks of wallets at once: the first alert after a start says how far moves are too."""
        if not (self._priced | np.isnan(readings.cushion)).all():
            self.refresh(book, readings, now_s)

    def settle(self, book: Book, readings: Readings, now_s: float) -> None:
        """Follow a change of the book."""
        self._priced = np.ones(len(book.wallets), dtype=np.bool_)
        if not self.refresh(book, readings, now_s):
            self._deviate(book, readings)

    def left(self, readings: Readings) -> Floats:
        """Return the moves left of each wallet, shape (w,): NaN where not known, never below 0."""
        return moves_left(readings.cushion, self.deviation)

    def judged(self, readings: Readings) -> Floats:
        """Return the moves left that conditions are held against, shape (w,) or (8, w) as ``rules`` has them.

        What is not known enters no level. But it leaves none either: there the last known deviation stands in.
        """
        left = self.left(readings)
        lost = np.isnan(self.deviation) & ~np.isnan(self._kept)
        if not lost.any():
            return left
        leaving = np.where(lost, moves_left(readings.cushion, self._kept), left)
        return np.repeat(np.stack([left, leaving]), _LEVELS, axis=0)

    def known(self, now_s: float) -> dict[str, Typical]:
        """Return what is known of how each watched name moves."""
        moves = dict(zip(self.minutes.names, self.typical.tolist(), strict=False))
        return {
            name: Typical(None if np.isnan(move := moves.get(name, np.nan)) else move, known)
            for name, known in self.minutes.known(now_s).items()
        }

    @property
    def made_s(self) -> float:
        """When typical moves were last made of minutes, monotonic seconds."""
        return self._made_s

    def recent(self) -> KnownMoves:
        """Return how names moved, as the deviations were made with."""
        count = self._returns.shape[1]
        return KnownMoves(tuple(self.minutes.names[:count]), self._returns, self.typical)

    def _deviate(self, book: Book, readings: Readings) -> None:
        deltas = cushion_deltas(book, readings)
        self.deviation = cushion_deviations(book, deltas, self._returns, self.typical)
        self._kept = np.where(np.isnan(self.deviation), self._kept, self.deviation)
        self._kept[~book.exposed] = np.nan
        self._priced = ~np.isnan(readings.cushion)


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
