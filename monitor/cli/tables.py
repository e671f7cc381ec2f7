"""Tables of positions and wallets that fit the terminal: what matters least is left out first."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from monitor.core.report import PositionView, WalletView
from monitor.notify.numbers import UNKNOWN, money, percent, price
from monitor.notify.reach import within_reach
from monitor.notify.subjects import wallet_name as wallet_name  # noqa: PLC0414 - what tables show is had from here

BAR_CELLS = 10
_MANY = 100
_LEAST_NAME = 8  # cells
# From here on there is space for two blanks between columns.
_ROOMY = 100

STYLES = {
    "ok": "green",
    "notice": "cyan",
    "warning": "yellow",
    "critical": "bold red",
    "emergency": "bold white on red",
    UNKNOWN: "magenta",  # never judged, for want of marks
}
DATA_STYLES = {"fresh": "green", "suspect": "yellow", "blind": "bold red"}
_BAR_STYLES = STYLES | {"critical": "red", "emergency": "bold red"}


class Column(NamedTuple):
    """One column; ``rank`` 0 always stays, of the others the highest goes first."""

    title: str
    cells: Sequence[Text | str]
    rank: int = 0
    right: bool = False
    least: int = 0  # cells it takes at least, so that a live view does not jump
    names: bool = False  # its texts may be shortened where nothing is left to leave out
    ends: bool = False  # it is their ends that tell names apart
    worth: bool = False  # names are shortened rather than it is left out
    yields: int = 0  # where not even what stays fits, the highest goes first; 0: it is cut, and shows that it is

    @property
    def width(self) -> int:
        """Cells it takes on the screen."""
        return max(self.least, *(Text(text).cell_len for text in (self.title, *map(str, self.cells))))

    @property
    def spare(self) -> int:
        """Cells that it can do without."""
        return max(0, self.width - max(self.least, _LEAST_NAME)) if self.names else 0

    def shortened(self, excess: int) -> "Column":
        """Return it so many cells narrower, as far as that goes."""
        most = self.width - min(excess, self.spare)
        return self._replace(cells=shortened([str(cell) for cell in self.cells], most, ends=self.ends))


def account_column(accounts: Sequence[str], alone: int, least: int = 0) -> Column:
    """Return whose each row is: with several accounts nothing else tells rows apart, so then it always stays.

    Args:
        accounts: by row.
        alone: the rank where there is one account only.
        least: as of any column.
    """
    return Column("account", accounts, 0 if len(set(accounts)) > 1 else alone, least=least, names=True)


def shortened(names: Sequence[str], most: int, *, ends: bool = False) -> list[str]:
    """Return names of at most so many cells, and of eight at least, which differ where the names do if they can.

    They are cut where that keeps them apart: in the middle, or nearer to one end; with ``ends`` at the beginning.
    """
    most = max(_LEAST_NAME, most)
    kept = most - 1  # beside the dots
    first = 0 if ends else kept / 2
    for head in sorted(range(kept + 1), key=lambda head: (abs(head - first), -head)):
        cut = {name: _cut(name, head, kept - head) if len(name) > most else name for name in names}
        if len(set(cut.values())) == len(cut):
            break
    else:
        head = int(first)
        cut = {name: _cut(name, head, kept - head) if len(name) > most else name for name in names}
    return [cut[name] for name in names]


def _cut(name: str, head: int, tail: int) -> str:
    return f"{name[:head]}…{name[len(name) - tail :]}"


class FittedTable:
    """A table that leaves out its least important columns where the terminal is too narrow."""

    def __init__(self, columns: Sequence[Column], empty: str = "nothing to show") -> None:
        self._columns = columns
        self._empty = empty

    def chosen(self, width: int) -> list[Column]:
        """Return the columns that fit ``width`` cells, in their order, names shortened as far as they have to."""
        kept = list(self._columns)
        while (excess := _excess(kept, width)) > 0:
            least = max(kept, key=lambda column: column.rank)
            if least.rank == 0 or (least.worth and excess <= sum(column.spare for column in kept)):
                break
            kept.remove(least)
        fitted = _shortened(kept, width)
        return fitted if _excess(fitted, width) <= 0 else _squeezed(kept, width)

    def fits(self, width: int) -> bool:
        """Return whether what cannot be left out fits ``width`` cells without a cut."""
        return _excess([column for column in self._columns if column.rank == 0], width) <= 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._columns[0].cells:
            yield Text(self._empty)
            return
        kept = self.chosen(options.max_width)
        gap = _gap(options.max_width)
        table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")
        for column in kept:
            table.add_column(
                column.title, justify="right" if column.right else "left", no_wrap=True, overflow="ellipsis",
                min_width=min(column.least, options.max_width) or None,
            )  # fmt: skip
        for row in zip(*(column.cells for column in kept), strict=True):
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
        yield table


class Bar:
    """A line that is filled from the left; ``fraction`` beyond 0 to 1 is cut, None is empty."""

    def __init__(self, fraction: float | None, level: str, cells: int = BAR_CELLS) -> None:
        self._halves = round(min(1.0, max(0.0, fraction or 0.0)) * cells * 2)
        if fraction and fraction > 0:
            self._halves = max(1, self._halves)  # what is not zero never looks like zero
        self._cells = cells
        self._style = _BAR_STYLES.get(level, "")

    @property
    def text(self) -> Text:
        """The bar; its filled part differs in shape too, for there may be no colours."""
        full, half = divmod(self._halves, 2)
        filled = "━" * full + "╸" * half
        return Text.assemble((filled, self._style), ("·" * (self._cells - len(filled)), "dim"))


def level_text(level: str) -> Text:
    """Return the word for a level in its colour."""
    return Text(level, STYLES.get(level, ""))


def is_used_up(wallet: WalletView) -> bool:
    """Return whether nothing of the margin of a wallet is left."""
    return wallet.liquidatable is True or (wallet.margin_ratio or 0.0) >= 1.0


def ratio_of(wallet: WalletView | None) -> str:
    """Return the margin ratio of a wallet; a balance that is used up has none."""
    if wallet is None:
        return UNKNOWN
    return "used up" if wallet.liquidatable is True else percent(wallet.margin_ratio)


def position_table(positions: Sequence[PositionView], wallets: Sequence[WalletView]) -> FittedTable:
    """Return one row for each position, with the ratio and the room of the wallet that backs it."""
    by_key = {(view.account, view.wallet): view for view in wallets}
    backing = [by_key.get((position.account, position.wallet)) for position in positions]
    ratios = [_ratio_bar(wallet) for wallet in backing]
    rooms = [Bar(wallet.room if wallet else None, wallet.level if wallet else "").text for wallet in backing]
    return FittedTable(
        (
            account_column([p.account for p in positions], 4, least=7),
            Column("wallet", [wallet_name(p.wallet, p.symbol) for p in positions], 7),
            Column("symbol", [p.symbol for p in positions]),
            Column("side", [p.side for p in positions], least=5),
            Column("quantity", [_quantity(p.quantity) for p in positions], 9, right=True),
            Column("entry", [price(p.entry_price) for p in positions], 8, right=True, least=8),
            Column("mark", [price(p.mark_price) for p in positions], 2, right=True, least=8),
            Column("liq.", [liquidation_text(p) for p in positions], 1, right=True, least=8),
            Column("distance", [distance_text(p) for p in positions], right=True),
            Column("ratio", [ratio_text(wallet) for wallet in backing], right=True, least=7),
            Column("", ratios, 5),
            Column("room", [room_text(wallet) for wallet in backing], 3, right=True, least=7),
            Column("", rooms, 6),
            Column("level", [level_text(p.level) for p in positions], least=9),
        ),
        empty="No positions are watched.",
    )


def wallet_table(wallets: Sequence[WalletView], *, moves: bool = True) -> FittedTable:
    """Return one row for each wallet; without a daemon nobody knows its moves."""
    left = [Column("moves", [moves_text(w) for w in wallets], 3, right=True)] if moves else []
    return FittedTable(
        (
            account_column([w.account for w in wallets], 3, least=7),
            Column("wallet", [wallet_name(w.wallet) for w in wallets]),
            Column("balance", [money(w.margin_balance, w.asset) for w in wallets], 6, right=True),
            Column("maintenance", [money(w.maintenance_margin, w.asset) for w in wallets], 5, right=True),
            Column("cushion", [money(w.cushion, w.asset) for w in wallets], 2, right=True),
            Column("joint", [percent(w.joint_distance) if w.joint_distance is not None else "-" for w in wallets],
                   4, right=True),
            Column("ratio", [ratio_text(w) for w in wallets], right=True, least=7),
            Column("", [_ratio_bar(w) for w in wallets], 7),
            Column("room", [room_text(w) for w in wallets], 1, right=True, least=7),
            Column("", [Bar(w.room, w.level).text for w in wallets], 8),
            *left,
            Column("level", [level_text(w.level) for w in wallets], least=9),
        ),
        empty="No wallets are watched.",
    )  # fmt: skip


def _excess(columns: Sequence[Column], width: int) -> int:
    """Return how many cells columns and the blanks between them take beyond a width."""
    gap = _gap(width)
    return sum(column.width + gap for column in columns) - gap - width


def _shortened(columns: Sequence[Column], width: int) -> list[Column]:
    """Return columns with names as short as they have to be, as far as that goes."""
    found = list(columns)
    for place, column in sorted(enumerate(found), key=lambda one: -one[1].width):
        if column.names and (excess := _excess(found, width)) > 0:
            found[place] = column.shortened(excess)
    return found


def _squeezed(columns: Sequence[Column], width: int) -> list[Column]:
    """Return columns for a width without space for all that should stay: a figure is whole, or is not there."""
    kept = [column._replace(least=0) for column in columns]
    while True:
        fitted = _shortened(kept, width)
        if _excess(fitted, width) <= 0:
            return fitted
        first = max(kept, key=lambda column: column.yields)
        if not first.yields:
            return kept  # names that were shortened would be cut a second time
        kept.remove(first)


def _gap(width: int) -> int:
    return 2 if width >= _ROOMY else 1


def _ratio_bar(wallet: WalletView | None) -> Text:
    if wallet is None:
        return Bar(None, "").text
    return Bar(1.0 if wallet.liquidatable is True else wallet.margin_ratio, wallet.level).text


def ratio_text(wallet: WalletView | None) -> Text:
    """Return the margin ratio of a wallet in the colour of its level."""
    return Text(ratio_of(wallet), _BAR_STYLES.get(wallet.level, "") if wallet else "")


def room_text(wallet: WalletView | None) -> Text:
    """Return the room of a wallet in the colour of its level."""
    if wallet is None:
        return Text(UNKNOWN)
    return Text(percent(wallet.room), _BAR_STYLES.get(wallet.level, ""))


def moves_text(wallet: WalletView) -> Text:
    """Return how many typical hourly moves are left; beyond a hundred nobody counts."""
    left = wallet.moves_left
    text = UNKNOWN if left is None else f"{left:.1f}" if left < _MANY else f"> {_MANY}"
    return Text(text, _BAR_STYLES.get(wallet.level, "") if left is not None else "")


def _quantity(value: float) -> str:
    return f"{value:.8f}".rstrip("0").rstrip(".")


def liquidation_text(position: PositionView) -> str:
    """Return the liquidation price; ``none`` where no price could reach it."""
    mark = position.mark_price
    return price(within_reach(position.liquidation_price, mark), UNKNOWN if mark is None else "none")


def distance_text(position: PositionView) -> str:
    """Return how far the mark is from the liquidation price; ``-`` where there is none."""
    mark = position.mark_price
    if mark is not None and (position.distance is None or within_reach(position.liquidation_price, mark) is None):
        return "-"  # no liquidation price, no distance from it
    return percent(position.distance)
