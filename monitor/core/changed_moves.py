"""Moves left of wallets in another state than the one in which the daemon measured them.

What a wallet with one price changes by within an hour follows from that price alone. With several it takes the
returns they had together. Where the daemon does not tell them, its result still holds where all that moves the
wallet was multiplied by one factor. Anything else is not known.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from monitor.core.book import Book, Bools, Floats
from monitor.core.model import Level, SubjectKey
from monitor.core.moves import hourly_deviation, moves_left
from monitor.core.risk import Readings
from monitor.core.rules import Thresholds
from monitor.core.scene import KnownMoves
from monitor.core.wallet_moves import cushion_deltas, cushion_deviations

HOURS_OF_DAY = 24.0
_SAME = 1e-6  # how far, as a fraction, factors may differ: a move changes rates of brackets a little
_Gains = dict[SubjectKey, dict[str, float]]


class Measured(NamedTuple):
    """How prices and wallets move, as the daemon measured it."""

    typical: Mapping[str, float]  # log return of one hour, by watched name
    deviation: Mapping[SubjectKey, float]  # of one hour's change of cushion, in the wallet's asset


class ChangedMoves:
    """Moves left of changed books.

    Args:
        book: as measured.
        readings: of it.
        measured: what the daemon knows.
        known: how names moved together, as far as that is known.
    """

    def __init__(
        self, book: Book, readings: Readings, measured: Measured, known: KnownMoves | None = None
    ) -> None:
        self._gains = _gains(book, readings)
        self._measured = measured
        self._known = known
        self._columns: dict[tuple[str, ...], Floats] = {}

    def left(self, book: Book, readings: Readings) -> Floats:
        """Return cushion / hourly deviation by wallet, shape (w,); NaN where not known."""
        deviation = np.full(len(book.wallets), np.nan)
        for key, gains in _gains(book, readings).items():
            deviation[book.wallet_index[key]] = self._deviation(key, gains)
        return moves_left(readings.cushion, deviation)

    def _deviation(self, key: SubjectKey, gains: Mapping[str, float]) -> float:
        typical = self._measured.typical
        if any(name not in typical for name in gains):
            return math.nan
        if len(gains) == 1:
            return sum(abs(gain) * typical[name] for name, gain in gains.items())
        exact = self._together(gains)
        if not math.isnan(exact):
            return exact
        before = self._gains.get(key, {})
        if before.keys() != gains.keys() or key not in self._measured.deviation:
            return math.nan
        factors = [gain / before[name] for name, gain in gains.items() if before[name]]
        if not factors or max(factors) - min(factors) > _SAME * abs(max(factors)):
            return math.nan
        return abs(factors[0]) * self._measured.deviation[key]

    def _together(self, gains: Mapping[str, float]) -> float:
        """Return the deviation of names that move a wallet, as ``cushion_deviations`` has it; NaN where not known.

        A ladder asks for the same names many times, so that their columns are taken once.
        """
        if self._known is None or not len(self._known.returns):
            return math.nan
        names = tuple(gains)
        if names not in self._columns:
            self._columns[names] = np.ascontiguousarray(self._known.of(names).returns)
        changes = self._columns[names] @ np.array(list(gains.values()))
        return float(hourly_deviation(changes[:, np.newaxis])[0])


def silent(
    book: Book, limits: Thresholds, readings: Readings, moves: KnownMoves | None, below: Level = Level.NOTICE
) -> Bools:
    """Return the wallets that may not have left a level: how they move decides it, and is not known. Shape (w,).

    Args:
        book: the columns.
        limits: of the same book.
        readings: of the same book.
        moves: as far as they are known, None if nothing is.
        below: the level; those that are worse count as well.
    """
    leaving = slice(len(Level) - 1 + below - 1, None)
    # Beyond that room moves left decide nothing, but where room can vouch for nothing.
    near = (readings.room <= limits.moves_room[leaving]) | book.hollow
    asked: Bools = book.exposed & (~np.isnan(limits.moves[leaving]) & near).any(axis=0)
    if moves is None or not asked.any():
        return asked
    known = moves.of(book.watched)
    deviation = cushion_deviations(book, cushion_deltas(book, readings), known.returns, known.typical)
    return asked & np.isnan(deviation)


def typical_days(move: float, typical: float | None) -> float | None:
    """Return how many typical daily moves a move is; None where the typical hourly move is not known.

    Args:
        move: fraction above -1.
        typical: log return of one hour; a day's is sqrt(24) times it.
    """
    if typical is None or not typical > 0.0 or not move > -1.0:
        return None
    return abs(math.log1p(move)) / (typical * math.sqrt(HOURS_OF_DAY))


def _gains(book: Book, readings: Readings) -> _Gains:
    """Return what each wallet's cushion gains for a unit of each name's log price, where it gains anything."""
    deltas = cushion_deltas(book, readings)
    found: _Gains = {}
    for wallet, name, gain in zip(
        deltas.wallets.tolist(), deltas.names.tolist(), deltas.gains.tolist(), strict=True
    ):
        found.setdefault(book.wallets[wallet].key, {})[book.watched[name]] = gain
    return found
