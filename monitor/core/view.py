"""The engine at one moment, for people and programs."""

from collections.abc import Callable, Sequence

import msgspec

from monitor.core import report
from monitor.core.account_view import AccountView
from monitor.core.book import Book
from monitor.core.marks import MarkBoard
from monitor.core.notices import DataState
from monitor.core.risk import Readings


class SymbolView(msgspec.Struct, frozen=True):
    """What is known of one watched symbol, or of one rate of collateral."""

    symbol: str
    data: str
    mark: float | None
    age_s: float | None
    source: str


class EngineView(msgspec.Struct, frozen=True):
    """The engine at one moment, for people and programs."""

    environment: str
    wallets: tuple[report.WalletView, ...]
    positions: tuple[report.PositionView, ...]
    symbols: tuple[SymbolView, ...]
    brackets: dict[str, str]  # origin of the tier table by symbol
    evaluations: int
    accounts: tuple[AccountView, ...] = ()


def engine_view(
    book: Book,
    readings: Readings,
    board: MarkBoard,
    *,
    levels: Sequence[int],
    data: Callable[[str], DataState],
    accounts: tuple[AccountView, ...],
    now_s: float,
    environment: str,
    evaluations: int,
) -> EngineView:
    """Return everything as it stands.

    Args:
        book: the columns.
        readings: the newest, made of them.
        board: the marks that went in.
        levels: by wallet.
        data: judges a watched name.
        accounts: all of them.
        now_s: monotonic seconds.
        environment: testnet or live.
        evaluations: how many were made so far.
    """
    marks = {name: board.newest(name) for name in book.watched}
    return EngineView(
        environment=environment,
        wallets=report.wallet_views(book, readings, levels),
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
            )
            for name, mark in marks.items()
        ),
        brackets={position.symbol: book.brackets_label(row) for row, position in enumerate(book.positions)},
        evaluations=evaluations,
        accounts=accounts,
    )
