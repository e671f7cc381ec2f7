"""Two states of the same wallets and positions side by side."""

import math
from collections.abc import Callable, Sequence

import msgspec
from rich.text import Text

from monitor.cli.tables import (
    STYLES,
    Column,
    FittedTable,
    account_column,
    is_used_up,
    level_text,
    ratio_of,
    wallet_name,
)
from monitor.core.ladder import Grid, Rung
from monitor.core.report import PositionView, WalletView, position_views, wallet_views
from monitor.notify.numbers import exact, grouped, money, percent, price
from monitor.notify.reach import within_reach

_MANY = 100.0  # moves beyond which nobody counts
_FARTHEST = 10.0  # a move of a price that is larger is told to nobody
_NONE = "none"
_ARROW = " -> "
_ALIKE_TO = 1e-3  # relative: two amounts that look the same and are no further apart are the same to anybody
_FIGURES = 5
_ALIKE = 20  # above the rank of any column
_LEAST_WALLET = 14  # cells that tell wallets apart
LIQUIDATED = "liquidated"


class State(msgspec.Struct, frozen=True):
    """All wallets and positions at one moment, as ``assess`` has them."""

    wallets: tuple[WalletView, ...]
    positions: tuple[PositionView, ...]


def state_of(grid: Grid, rung: Rung) -> State:
    """Return one rung of a grid for people and programs."""
    levels = rung.levels.tolist()
    return State(
        wallet_views(grid.book, rung.readings, levels, rung.left), position_views(grid.book, rung.readings, levels)
    )


def wallet_changes(before: State, after: State) -> FittedTable:
    """Return one row for each wallet; what did not change is written once."""
    was = {(one.account, one.wallet): one for one in before.wallets}
    rows = [(was.get((one.account, one.wallet), one), one) for one in after.wallets]

    def cells(of: Callable[[WalletView], str]) -> list[Text | str]:
        return [arrow(of(old), of(new)) for old, new in rows]

    def amounts(of: Callable[[WalletView], float | None]) -> list[Text | str]:
        return [_amounts(of(old), of(new), new.asset) for old, new in rows]

    moves = [
        Column("moves left", cells(lambda w: _moves(w.moves_left)), 4, right=True)
    ] if any(one.moves_left is not None for pair in rows for one in pair) else []  # fmt: skip
    figures = [
        Column("balance", amounts(lambda w: w.wallet_balance), 6, right=True),
        Column("with PnL", amounts(lambda w: w.margin_balance), 7, right=True),
        Column("maintenance", amounts(lambda w: w.maintenance_margin), 8, right=True),
        Column("ratio", cells(ratio_of), 1, right=True),
        Column("room", cells(lambda w: percent(w.room)), 2, right=True),
        *moves,
        Column("joint", cells(lambda w: _distance(w.joint_distance)), 3, right=True),
    ]
    names = [wallet_name(new.wallet) for _, new in rows]
    risen = [_word(old) != _word(new) for old, new in rows]
    return FittedTable(
        (
            account_column([new.account for _, new in rows], _ALIKE + 5),
            Column(
                "wallet", names, least=min(_LEAST_WALLET, max(map(len, names), default=0)), names=True, ends=True
            ),
            *(_by_what_changed(column, risen) for column in figures),
            Column("level", [_levels(_word(old), _word(new)) for old, new in rows]),
        ),
        empty="No wallets are held.",
    )


def _by_what_changed(column: Column, risen: Sequence[bool]) -> Column:
    """Return a column that is left out the earlier the less it shows: nothing changed, or nothing with a level.

    Args:
        column: by wallet.
        risen: of each wallet, whether its level changed.
    """
    changed = [_ARROW in str(cell) for cell in column.cells]
    if not any(changed):
        return column._replace(rank=column.rank + _ALIKE)
    silent = any(level and not here for level, here in zip(risen, changed, strict=True))
    return column._replace(rank=column.rank + (_ALIKE // 2 if silent else 0), worth=True)


def position_changes(before: State, after: State) -> FittedTable:
    """Return one row for each position."""
    was = {_leg(one): one for one in before.positions}
    rows = [(was.get(_leg(one), one), one) for one in after.positions]

    def cells(of: Callable[[PositionView], str]) -> list[Text | str]:
        return [arrow(of(old), of(new)) for old, new in rows]

    return FittedTable(
        (
            account_column([new.account for _, new in rows], 4),
            Column("wallet", [wallet_name(new.wallet, new.symbol) for _, new in rows], 5),
            Column("symbol", [new.symbol for _, new in rows]),
            Column("side", [new.side for _, new in rows]),
            Column("quantity", cells(lambda p: exact(p.quantity)), 3, right=True),
            Column("mark", cells(lambda p: price(p.mark_price)), 2, right=True),
            Column("liquidation", cells(_liquidation), 1, right=True),
            Column("distance", cells(lambda p: _distance(p.distance if p.quantity else None)), right=True),
        ),
        empty="No positions are held.",
    )


def arrow(old: str, new: str) -> str:
    """Return two texts with an arrow between them, or one where they are the same."""
    return new if old == new else f"{old}{_ARROW}{new}"


def _amounts(old: float | None, new: float | None, asset: str) -> str:
    """Return two amounts, their asset written once, with the digits that tell them apart if that is of weight."""
    before, after = money(old, asset), money(new, asset)
    if before == after and None not in (old, new) and not math.isclose(old or 0.0, new or 0.0, rel_tol=_ALIKE_TO):
        before, after = (f"{grouped(value, figures=_FIGURES)} {asset}" for value in (old, new))
    return after if before == after else f"{before.removesuffix(asset).rstrip()}{_ARROW}{after}"


def _levels(old: str, new: str) -> Text:
    return _styled(new) if old == new else Text.assemble(_styled(old), _ARROW, _styled(new))


def _word(one: WalletView) -> str:
    return LIQUIDATED if is_used_up(one) else one.level


def _styled(word: str) -> Text:
    return Text(word, STYLES["emergency"]) if word == LIQUIDATED else level_text(word)


def _leg(one: PositionView) -> tuple[str, str, str]:
    return one.account, one.symbol, one.side


def _moves(left: float | None) -> str:
    return "unknown" if left is None else f"{left:.1f}" if left < _MANY else f"> {_MANY:g}"


def _distance(value: float | None) -> str:
    return "-" if value is None else percent(value) if value <= _FARTHEST else f"> {percent(_FARTHEST)}"


def _liquidation(one: PositionView) -> str:
    return price(within_reach(one.liquidation_price, one.mark_price), _NONE) if one.quantity else "-"
