"""The engine at one moment, for people and programs."""

from collections.abc import Callable, Sequence

import msgspec

from monitor.core import report
from monitor.core.account_view import AccountView
from monitor.core.book import Book
from monitor.core.marks import MarkBoard
from monitor.core.model import Level
from monitor.core.move_board import MoveBoard
from monitor.core.notices import DataState, Hold
from monitor.core.risk import Readings


class SymbolView(msgspec.Struct, frozen=True):
    """What is known of one watched symbol, or of one rate of collateral.

    ``typical_move`` is None until known, and where the price does not move.
    """

    symbol: str
    data: str
    mark: float | None
    age_s: float | None
    source: str
    typical_move: float | None = None  # log return of one hour
    minutes: int = 0  # of the last day that it is made of
    minutes_age_s: float | None = None  # since the newest of them ended


class OpenAlert(msgspec.Struct, frozen=True):
    """An incident under way."""

    number: int  # what people call it by
    subject: str
    level: Level
    since_ms: int
    symbols: tuple[str, ...]  # that the wallet holds; in a view also those that the feed does not deliver
    held: Hold | None = None  # the wish for quiet that holds back its reminders


class EngineView(msgspec.Struct, frozen=True):
    """The engine at one moment, for people and programs."""

    environment: str
    wallets: tuple[report.WalletView, ...]
    positions: tuple[report.PositionView, ...]
    symbols: tuple[SymbolView, ...]
    brackets: dict[str, str]  # origin of the tier table by symbol
    evaluations: int
    accounts: tuple[AccountView, ...] = ()
    alerts: tuple[OpenAlert, ...] = ()
    holds: tuple[Hold, ...] = ()


def engine_view(
    book: Book,
    readings: Readings,
    board: MarkBoard,
    moves: MoveBoard,
    *,
    levels: Sequence[int],
    data: Callable[[str], DataState],
    accounts: tuple[AccountView, ...],
    alerts: tuple[OpenAlert, ...],
    holds: tuple[Hold, ...],
    now_s: float,
    environment: str,
    evaluations: int,
) -> EngineView:
    """Return everything as it stands.

    Args:
        book: the columns.
        readings: the newest, made of them.
        board: the marks that went in.
        moves: typical moves of what is watched.
        levels: by wallet.
        data: judges a watched name.
        accounts: all of them.
        alerts: the incidents under way.
        holds: the wishes for quiet in force.
        now_s: monotonic seconds.
        environment: testnet or live.
        evaluations: how many were made so far.
    """
    marks = {name: board.newest(name) for name in book.watched}
    typical = moves.known(now_s)
    return EngineView(
        environment=environment,
        wallets=report.wallet_views(book, readings, levels, moves.left(readings)),
        positions=tuple(
            view if marks[view.symbol] is not None else report.without_mark(view)
            for view in report.position_views(book, readings, levels)
        ),
        symbols=tuple(
            SymbolView(
                symbol=name,
                data=data(name).value,
                mark=mark.price if mark else None,
                age_s=max(0.0, now_s - mark.seen_s) if mark else None,
                source=mark.source.value if mark else "",
                typical_move=typical[name].move,
                minutes=typical[name].minutes.there,
                minutes_age_s=typical[name].minutes.age_s,
            )
            for name, mark in marks.items()
        ),
        brackets={position.symbol: book.brackets_label(row) for row, position in enumerate(book.positions)},
        evaluations=evaluations,
        accounts=accounts,
        alerts=alerts,
        holds=holds,
    )
