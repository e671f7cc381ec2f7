"""A ladder of moves as values, as tables, and as the cells of a heat map."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from rich.console import Console
from rich.text import Text

from monitor.cli.before_after import LIQUIDATED
from monitor.cli.common import misuse
from monitor.cli.tables import STYLES, Column, FittedTable, level_text, wallet_name
from monitor.cli.typed import in_percent, meant, parse_move
from monitor.core.ladder import Edges, Grid, Rung
from monitor.core.model import Level
from monitor.core.report import number
from monitor.notify.numbers import percent, price
from monitor.notify.reach import within_reach

if TYPE_CHECKING:
    from monitor.charts.heatmap import HeatMap

MOST_RUNGS = 401
MOST_TABLES = 20
FARTHEST = 10.0  # a move that is larger is told to nobody
_FROM_SHOCKED = "The moves of the ladder are counted from the marks after --shock, not from those of now."
_SPEC = re.compile(r"([^:]+):([^:]+):([^:]+)")
_MOST_NAMED = 4  # symbols of a wallet with columns of their own


class RungWallet(msgspec.Struct, frozen=True):
    """One wallet on one rung; ratios are fractions."""

    account: str
    wallet: str
    margin_ratio: float | None
    room: float | None
    level: str
    moves_left: float | None
    liquidated: bool


class RungPosition(msgspec.Struct, frozen=True):
    """One position on one rung."""

    account: str
    symbol: str
    side: str
    mark_price: float
    liquidation_price: float | None
    distance: float | None


class RungView(msgspec.Struct, frozen=True):
    """What one move makes of everything."""

    move: float
    wallets: tuple[RungWallet, ...]
    positions: tuple[RungPosition, ...]


class Edge(msgspec.Struct, frozen=True):
    """The exact moves at which a wallet is liquidated, as fractions; None where no move of that way does it."""

    account: str
    wallet: str
    down: float | None
    up: float | None


class LadderView(msgspec.Struct, frozen=True):
    """A whole ladder; ``symbol`` is empty where all marks move together."""

    symbol: str
    rungs: tuple[RungView, ...]
    edges: tuple[Edge, ...]


class Ladder(NamedTuple):
    """Rungs in the order of their moves."""

    grid: Grid
    symbol: str
    rungs: tuple[Rung, ...]
    edges: Edges
    shocked: bool = False  # it starts at marks that were simulated, not at those of now

    @property
    def shown(self) -> list[int]:
        """Wallets that can be liquidated and that this ladder moves, in the book's order."""
        book = self.grid.book
        moved = [
            wallet
            for wallet in range(len(book.wallets))
            if not self.symbol or any(book.positions[row].symbol == self.symbol for row in book.rows_of(wallet))
        ]
        return [wallet for wallet in moved if book.exposed[wallet]]


def parse_ladder(text: str) -> list[float]:
    """Return the moves of ``FROM:TO:STEP``, lowest first.

    Raises:
        ConfigError: it has another form, goes backwards, or has too many rungs.
    """
    found = _SPEC.fullmatch(text)
    if found is None:
        raise misuse("--ladder", repr(text[:60]), "FROM:TO:STEP", "as in -20%:+20%:1%, which is the default")
    low, high, step = (parse_move("--ladder", part.strip(), text) for part in found.groups())
    if not step > 0.0 or high < low:
        raise misuse("--ladder", repr(text[:60]), "FROM below TO and a STEP above 0", "as in -20%:+20%:1%")
    count = math.floor((high - low) / step + 1e-9) + 1
    if count > MOST_RUNGS:
        raise misuse("--ladder", f"{count} rungs", f"at most {MOST_RUNGS}", "take a larger STEP")
    return [round(low + step * i, 12) + 0.0 for i in range(count)]


def climb(grid: Grid, moves: Sequence[float], symbol: str, *, shocked: bool) -> Ladder:
    """Return the ladder of these moves; ``shocked``: of marks that are not those of now."""
    return Ladder(grid, symbol, tuple(grid.at(move, symbol) for move in moves), grid.edges(symbol), shocked)


def ladder_view(ladder: Ladder) -> LadderView:
    """Return all of it for programs."""
    book, edges = ladder.grid.book, ladder.edges
    rungs = [
        RungView(rung.move, tuple(_wallets(ladder, rung)), tuple(_positions(ladder, rung)))
        for rung in ladder.rungs
    ]
    exact = [
        Edge(*book.wallets[wallet].key, number(edges.down[wallet]), number(edges.up[wallet]))
        for wallet in ladder.shown
    ]
    return LadderView(ladder.symbol, tuple(rungs), tuple(exact))


def print_ladder(out: Console, ladder: Ladder) -> None:
    """Print one table for each wallet, those that are liquidated by the smallest moves first."""
    every = sorted(ladder.shown, key=lambda wallet: _nearest(ladder.edges, wallet))
    if ladder.shocked:
        out.print(f"\n{_FROM_SHOCKED}")
    if coins := ladder.grid.along(ladder.symbol):
        out.print(f"\nWhat {', '.join(coins)} counts as collateral moves along.")
    for wallet in every[:MOST_TABLES]:
        info = ladder.grid.book.wallets[wallet]
        out.print()
        name = f"{info.key.account} {wallet_name(info.key.wallet)}"
        out.print(Text(f"{name}: {edge_words(ladder, wallet)}", style="bold"))
        out.print(_table(ladder, wallet))
    if (more := len(every) - MOST_TABLES) > 0:
        words = "wallet is" if more == 1 else "wallets are"
        out.print(f"\n{more} more {words} further away; --json has them all.")


def edge_words(ladder: Ladder, wallet: int) -> str:
    """Return at which moves a wallet is liquidated."""
    edges = ladder.edges
    ways = [float(way[wallet]) for way in (edges.down, edges.up) if way[wallet] <= FARTHEST]
    if not ways:
        return f"no move up to {in_percent(FARTHEST)} liquidates it"
    if 0.0 in ways:
        return f"liquidated at the {'marks after --shock' if ladder.shocked else 'present marks'}"
    return f"liquidated at {' and at '.join(map(exact_percent, ways))}"


def exact_percent(move: float) -> str:
    """Return a move with four figures, such as ``-12.31 %``."""
    return f"{move * 100.0:+.4g} %"


def heat_map(ladder: Ladder, title: str) -> "HeatMap":
    """Return the cells of a picture, wallets that are liquidated by the smallest moves first."""
    from monitor.charts.heatmap import Cell, HeatMap, Row

    book = ladder.grid.book
    every = sorted(ladder.shown, key=lambda wallet: _nearest(ladder.edges, wallet))
    rows = tuple(
        Row(
            f"{book.wallets[wallet].key.account} {wallet_name(book.wallets[wallet].key.wallet)}",
            tuple(
                Cell(
                    Level(int(rung.levels[wallet])),
                    number(rung.readings.margin_ratio[wallet]),
                    bool(rung.liquidated[wallet]),
                )
                for rung in ladder.rungs
            ),
        )
        for wallet in every
    )
    what = f"{ladder.symbol} alone" if ladder.symbol else "all marks together"
    what += ", from the marks after --shock" if ladder.shocked else ""
    return HeatMap(title, what, tuple(rung.move for rung in ladder.rungs), rows)


def _nearest(edges: Edges, wallet: int) -> float:
    ways = [abs(float(way[wallet])) for way in (edges.down, edges.up)]
    return min((way for way in ways if not math.isnan(way)), default=math.inf)


def _table(ladder: Ladder, wallet: int) -> FittedTable:
    readings = [rung.readings for rung in ladder.rungs]
    book, rungs = ladder.grid.book, ladder.rungs
    ratios = [
        "used up" if one.margin_ratio[wallet] == math.inf else percent(one.margin_ratio[wallet])
        for one in readings
    ]
    levels = [
        Text(LIQUIDATED, STYLES["emergency"]) if rung.liquidated[wallet]
        else level_text(Level(int(rung.levels[wallet])).label)
        for rung in rungs
    ]  # fmt: skip
    columns = [Column("move", [in_percent(rung.move) for rung in rungs], right=True)]
    here = min(rungs, key=lambda rung: abs(rung.move)).readings
    rows = sorted(book.rows_of(wallet), key=lambda row: (math.isnan(here.distance[row]), here.distance[row]))
    for place, row in enumerate(row for row in rows[:_MOST_NAMED] if book.positions[row].quantity):
        leg = book.positions[row]
        name = "" if len(rows) == 1 else f"{leg.symbol} {leg.side.value} "
        rank = 2 * place
        columns += [
            Column(f"{name}mark", [price(float(one.marks[row])) for one in readings], rank + 2, right=True),
            Column(
                f"{name if place else ''}liq.",
                [
                    price(within_reach(number(one.liquidation_price[row]), float(one.marks[row])), "none")
                    for one in readings
                ],
                rank + 1, right=True,
            ),
        ]  # fmt: skip
    return FittedTable(
        (
            *columns,
            Column("room", [percent(float(one.room[wallet])) for one in readings], 1, right=True),
            Column("ratio", ratios, right=True),
            Column("level", levels),
            Column("", _marks(ladder, wallet)),
        )
    )


def _marks(ladder: Ladder, wallet: int) -> list[str]:
    """Return what stands beside the rungs: where one is now, and each way the first that is past liquidation."""
    rungs, edges = ladder.rungs, ladder.edges
    here = "<- after --shock" if ladder.shocked else "<- now"
    beside = [here if rung.move == 0.0 else "" for rung in rungs]
    for way, order in ((edges.down, range(len(rungs) - 1, -1, -1)), (edges.up, range(len(rungs)))):
        edge = float(way[wallet])
        past = [
            i for i in order
            if rungs[i].liquidated[wallet] and edge and rungs[i].move * math.copysign(1.0, edge) > 0.0
        ]  # fmt: skip
        if past and not math.isnan(edge):
            beside[past[0]] = f"<- liquidation at {exact_percent(edge)}"
    return beside


def _wallets(ladder: Ladder, rung: Rung) -> Iterator[RungWallet]:
    readings = rung.readings
    for wallet in ladder.shown:
        yield RungWallet(
            *ladder.grid.book.wallets[wallet].key,
            number(readings.margin_ratio[wallet]),
            number(readings.room[wallet]),
            Level(int(rung.levels[wallet])).label,
            None if rung.left is None else number(rung.left[wallet]),
            bool(rung.liquidated[wallet]),
        )


def _positions(ladder: Ladder, rung: Rung) -> Iterator[RungPosition]:
    book, readings = ladder.grid.book, rung.readings
    shown = set(ladder.shown)
    for row, leg in enumerate(book.positions):
        if int(book.row_wallet[row]) in shown and leg.quantity:
            yield RungPosition(
                book.wallets[int(book.row_wallet[row])].key.account,
                leg.symbol,
                leg.side.value,
                float(readings.marks[row]),
                number(readings.liquidation_price[row]),
                number(readings.distance[row]),
            )


def check_symbol(symbol: str, marks: Mapping[str, float], unseen: str = "") -> None:
    """Complain of a symbol that is not held; ``unseen`` as of ``typed.meant``.

    Raises:
        ConfigError: always then.
    """
    if symbol and symbol not in marks:
        words = ", ".join(sorted(marks)) or "none"
        raise misuse("--ladder-symbol", repr(symbol[:40]), f"symbols held: {words}", meant(symbol, marks, unseen))
