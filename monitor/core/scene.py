"""Everything the engine knows at one moment, for what is said beside levels."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from monitor.core.book import Book, Bools, Floats
from monitor.core.model import AccountSnapshot, BracketTable, SubjectKey
from monitor.core.risk import Readings
from monitor.core.rules import Levels, Thresholds
from monitor.core.settings import EngineSettings


class KnownMoves(NamedTuple):
    """How watched names moved of late: what moves left are made with."""

    names: tuple[str, ...]
    returns: (
        Floats  # one-minute log returns, shape (minutes, s), oldest first; with no rows where only moves are known
    )
    typical: Floats  # hourly deviation, shape (s,), NaN where not known

    def of(self, names: tuple[str, ...]) -> "KnownMoves":
        """Return the same for these names, in their order; NaN of those that are not known."""
        if names == self.names:
            return self
        place = {name: i for i, name in enumerate(self.names)}
        at = np.array([place.get(name, -1) for name in names], dtype=np.intp)
        returns = np.full((len(self.returns), len(names)), np.nan)
        typical = np.full(len(names), np.nan)
        known = at >= 0
        returns[:, known] = self.returns[:, at[known]]
        typical[known] = self.typical[at[known]]
        return KnownMoves(names, returns, typical)


class Glance(NamedTuple):
    """All wallets as they were at some point of one batch of marks: at its end, or where one was worse."""

    readings: Readings
    hit: Bools  # conditions that these meet, see ``rules.conditions``
    rates: Mapping[str, float] = {}  # of collateral, by name, where they are not the newest


class Scene(NamedTuple):
    """One moment. Whoever is handed one reads it and changes nothing."""

    book: Book
    readings: Readings  # of the book at ``marks``
    limits: Thresholds  # conditions of the same book
    levels: Levels  # by wallet of the book
    deviation: Floats  # of each wallet's one-hour change of cushion, NaN where not known
    unsure: Bools  # by wallet: something of it is not known as it is now
    settings: EngineSettings
    moves: KnownMoves
    accounts: Mapping[str, AccountSnapshot]  # by name, without positions that have no tiers
    tables: Mapping[str, BracketTable]
    corrections: Mapping[SubjectKey, tuple[float, float]]  # see ``compile.correct``
    marks: Mapping[str, float]  # newest marks and rates by name; of those that are known
