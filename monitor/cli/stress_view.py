"""What large moves do to everything that is held, as values and as tables."""

import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
from rich.console import Console
from rich.text import Text

from monitor.cli.before_after import LIQUIDATED, State, state_of
from monitor.cli.ladder_view import FARTHEST, exact_percent
from monitor.cli.tables import STYLES, Column, FittedTable, wallet_name
from monitor.cli.typed import in_percent
from monitor.core.book import Bools
from monitor.core.changed_moves import typical_days
from monitor.core.ladder import Grid, Lone, Rung, losses
from monitor.core.model import Level
from monitor.notify.numbers import grouped

MOVES = (-0.30, -0.20, -0.10, -0.05, -0.02, -0.01, 0.01, 0.02, 0.05, 0.10, 0.20, 0.30)
NOT_MODELLED = (
    "Each move is at once and alone. Cascades are not modelled: what liquidations do to prices and other wallets, "
    "and auto-deleveraging; nor are funding, transfers, orders that wait, and top-ups by the exchange."
)
_GONE = "liq."
_MOST_ROWS = 40
_MANY_DAYS = 99.5
# The smallest moves are the first to be left out where the terminal is narrow: they are in the sentences below.
_RANKS = {0.30: 1, 0.20: 0, 0.10: 0, 0.05: 2, 0.02: 3, 0.01: 4}


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


def print_stress(out: Console, view: StressView) -> None:
    """Print what happens to each wallet if all fall or rise, then the worst of each symbol, then what is first."""
    if not view.now.positions:
        out.print("No positions are held.")
        return
    out.print(Text("All marks together", style="bold"))
    out.print(_wallets(view))
    if len(view.alone) > 1:
        out.print()
        out.print(Text("One symbol alone: the worst that becomes of any wallet", style="bold"))
        out.print(_symbols(view.alone))
    out.print()
    for line in _sentences(view):
        out.print(Text(line), soft_wrap=True)
    out.print()
    out.print(Text(NOT_MODELLED, style="dim"), soft_wrap=True)


def _wallets(view: StressView) -> FittedTable:
    names = [f"{one.account}/{one.wallet}" for one in view.now.wallets]
    now = dict(zip(names, (one.level for one in view.now.wallets), strict=True))
    held = {f"{one.account}/{one.wallet}" for one in view.now.positions if one.quantity}
    order = sorted((name for name in names if name in held), key=lambda name: -_fate(view.together.moves, name))
    shown = order[:_MOST_ROWS]
    columns = [
        Column(
            in_percent(outcome.move),
            [*(_level(outcome, name) for name in shown), Text(_change(outcome))],
            _RANKS[abs(outcome.move)],
        )
        for outcome in view.together.moves
    ]  # fmt: skip
    middle = sum(outcome.move < 0.0 for outcome in view.together.moves)
    columns.insert(middle, Column("now", [*(_word(now[name]) for name in shown), ""]))
    every = "gain or loss" if len(order) <= _MOST_ROWS else f"({len(order) - _MOST_ROWS} more) gain or loss"
    return FittedTable((Column("wallet", [*map(_spoken, shown), every]), *columns))


def _symbols(alone: Sequence[Stressed]) -> FittedTable:
    nearest = sorted(alone, key=_nearest)[:_MOST_ROWS]
    first = [Column("symbol", [one.symbol for one in nearest])]
    moves = [
        Column(
            in_percent(move),
            [_worst(next(outcome for outcome in one.moves if outcome.move == move)) for one in nearest],
            _RANKS[abs(move)],
        )
        for move in MOVES
    ]
    edges = [
        Column(
            name,
            ["none" if edge is None else exact_percent(edge.move) for edge in found],
            right=True,
        )
        for name, found in (
            ("first down", [one.first_down for one in nearest]),
            ("first up", [one.first_up for one in nearest]),
        )
    ]
    return FittedTable((*first, *edges, *moves))


def _sentences(view: StressView) -> Iterator[str]:
    if view.liquidated_now:
        yield f"Liquidated at the present marks: {_listed(view.liquidated_now)}."
    for way, first in (("down", view.together.first_down), ("up", view.together.first_up)):
        if first is None:
            yield f"All marks together {way}: no move up to {in_percent(FARTHEST)} liquidates anything."
            continue
        days = _days(first)
        yield (
            f"All marks together {way}: {exact_percent(first.move)} first liquidates {_listed(first.wallets)}"
            f"{f'; that is {days} of {first.symbol}' if days else ''}."
        )
    for one in sorted(view.alone, key=_nearest)[:_MOST_ROWS]:
        for first in (one.first_down, one.first_up):
            if first is not None:
                days = _days(first)
                yield (
                    f"{one.symbol} alone: {exact_percent(first.move)} first liquidates {_listed(first.wallets)}"
                    f"{f'; that is {days}' if days else ''}."
                )


def _days(first: First) -> str:
    days = first.typical_days
    if days is None:
        return ""
    figure = "more than 99" if days >= _MANY_DAYS else f"{days:.1f}" if days >= 0.1 else "less than 0.1"  # noqa: PLR2004
    return f"{figure} typical days"


def _listed(names: Sequence[str]) -> str:
    shown = [_spoken(name) for name in names[:3]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _spoken(name: str) -> str:
    account, _, wallet = name.partition("/")
    return f"{account} {wallet_name(wallet)}"


def _level(outcome: Outcome, name: str) -> Text:
    if name in outcome.liquidated:
        return _word(LIQUIDATED)
    return _word(next((level for level, names in outcome.levels.items() if name in names), Level.OK.label))


def _worst(outcome: Outcome) -> Text:
    if outcome.liquidated:
        word = _word(LIQUIDATED)
        return word if len(outcome.liquidated) == 1 else Text.assemble(word, f" x{len(outcome.liquidated)}")
    return _word(list(outcome.levels)[-1] if outcome.levels else Level.OK.label)


def _word(level: str) -> Text:
    return Text(_GONE, STYLES["emergency"]) if level == LIQUIDATED else Text(level, STYLES.get(level, ""))


def _change(outcome: Outcome) -> str:
    """Return what is gained or lost, to five figures."""
    changes = ((-amount, asset) for asset, amount in outcome.lost.items())
    return ", ".join(
        f"{'+' if change > 0 else ''}{grouped(change, figures=5)} {asset}" for change, asset in changes
    )


def _fate(moves: Sequence[Outcome], name: str) -> float:
    """Return how badly a wallet fares over all moves, more is worse."""
    places = {level.label: int(level) for level in Level}
    worst = [
        len(places) if name in one.liquidated
        else max((places[level] for level, names in one.levels.items() if name in names), default=0)
        for one in moves
    ]  # fmt: skip
    return float(sum(worst))


def _nearest(one: Stressed) -> float:
    moves = [abs(first.move) for first in (one.first_down, one.first_up) if first is not None]
    return min(moves, default=math.inf)
