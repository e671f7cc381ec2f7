"""What large moves do to everything that is held, and the smallest that liquidates anything."""

import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np

from monitor.cli.before_after import State, state_of
from monitor.cli.ladder_view import FARTHEST
from monitor.core.book import Bools
from monitor.core.changed_moves import typical_days
from monitor.core.ladder import Grid, Lone, Rung, losses
from monitor.core.model import Level

MOVES = (-0.30, -0.20, -0.10, -0.05, -0.02, -0.01, 0.01, 0.02, 0.05, 0.10, 0.20, 0.30)
NOT_MODELLED = (
    "Each move is at once and alone. Cascades are not modelled: what liquidations do to prices and other wallets, "
    "and auto-deleveraging; nor are funding, transfers, orders that wait, and top-ups by the exchange."
)


class Outcome(msgspec.Struct, frozen=True):
    """What one move makes of what is held."""

    move: float
    levels: dict[str, tuple[str, ...]]  # by level above ok, wallets as ``account/wallet``; without liquidated ones
    liquidated: tuple[str, ...]
    lost: dict[str, float]  # by asset, positive; negative is a gain


class First(msgspec.Struct, frozen=True):
    """The smallest move of one way that liquidates anything."""

    move: float  # fraction
    wallets: tuple[str, ...]  # that it liquidates
    symbol: str = ""  # whose typical days these are: the moved one, or the largest position of the first wallet
    typical_days: float | None = None


class Stressed(msgspec.Struct, frozen=True):
    """All moves of one symbol alone, or of everything together."""

    symbol: str  # empty: all marks together
    moves: tuple[Outcome, ...]
    first_down: First | None
    first_up: First | None


class StressView(msgspec.Struct, frozen=True):
    """What ``stress --json`` prints."""

    as_of: str
    now: State
    liquidated_now: tuple[str, ...]
    together: Stressed
    alone: tuple[Stressed, ...]
    collateral: tuple[str, ...] = ()  # assets whose value moves along, each alone with its own coin's symbol
    not_modelled: str = NOT_MODELLED


class Stress:
    """Everything that is held, moved far.

    Args:
        grid: as it is.
        typical: hourly moves by name, as far as they are known.
    """

    def __init__(self, grid: Grid, typical: Mapping[str, float]) -> None:
        self._grid = grid
        self._book = grid.book
        self._typical = typical
        self._now = grid.at(0.0)

    def view(self, as_of: str) -> StressView:
        """Return all of it."""
        edges = self._grid.edges()
        together = Stressed(
            "", self._outcomes(""), self._first(edges.down.tolist(), ""), self._first(edges.up.tolist(), "")
        )
        return StressView(
            as_of,
            state_of(self._grid, self._now),
            self._names(self._now.liquidated),
            together,
            tuple(self._alone()),
            self._grid.along(),
        )

    def _alone(self) -> Iterator[Stressed]:
        by_symbol: dict[str, list[Lone]] = {}
        for one in self._grid.alone():
            by_symbol.setdefault(one.symbol, []).append(one)
        for symbol in self._book.symbols:
            down, up = np.full((2, len(self._book.wallets)), np.nan)
            for one in by_symbol.get(symbol, ()):
                down[one.wallet], up[one.wallet] = one.down, one.up
            yield Stressed(
                symbol,
                self._outcomes(symbol),
                self._first(down.tolist(), symbol),
                self._first(up.tolist(), symbol),
            )

    def _outcomes(self, symbol: str) -> tuple[Outcome, ...]:
        book = self._book
        moved = book.exposed.copy()
        if symbol:
            # What holds other symbols only stays as it is, and is no part of this.
            at = book.symbol_index[symbol]
            moved &= np.isin(np.arange(len(moved)), book.row_wallet[book.row_symbol == at])
        return tuple(self._outcome(self._grid.at(move, symbol), moved) for move in MOVES)

    def _outcome(self, rung: Rung, moved: Bools) -> Outcome:
        found = {
            level.label: self._names((rung.levels == level) & moved & ~rung.liquidated)
            for level in Level
            if level > Level.OK
        }
        levels = {name: wallets for name, wallets in found.items() if wallets}
        gone = self._names(rung.liquidated & moved)
        return Outcome(rung.move, levels, gone, losses(self._book, self._now, rung))

    def _first(self, edges: Sequence[float], symbol: str) -> First | None:
        """Return the smallest of these moves by wallet; those that are liquidated already are past it."""
        living = [
            (abs(edge), wallet)
            for wallet, edge in enumerate(edges)
            if abs(edge) <= FARTHEST and not self._now.liquidated[wallet]
        ]
        if not living:
            return None
        _, wallet = min(living)
        move = edges[wallet]
        # Two wallets of one kind may differ by what floats leave behind.
        same = [other for _, other in sorted(living) if math.isclose(edges[other], move, rel_tol=1e-9)]
        names = tuple(map(self._name, same))
        measure = symbol or self._largest(wallet)
        return First(move, names, measure, typical_days(move, self._typical.get(measure)))

    def _largest(self, wallet: int) -> str:
        rows = self._book.rows_of(wallet)
        row = max(rows, key=lambda one: float(self._now.readings.notional[one]))
        return self._book.positions[row].symbol

    def _name(self, wallet: int) -> str:
        return str(self._book.wallets[wallet].key)

    def _names(self, chosen: Bools) -> tuple[str, ...]:
        return tuple(self._name(wallet) for wallet in np.flatnonzero(chosen).tolist())
