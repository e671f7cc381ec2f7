"""``assess``: positions in the configuration and prices given -> readings, without any network."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from monitor.cli.common import (
    ConfigOption,
    JsonOption,
    console,
    globals_of,
    guarded,
    misuse,
    now_text,
    print_json,
    remark,
)
from monitor.cli.despite import load_computed

if TYPE_CHECKING:
    from monitor.core.book import Book
    from monitor.core.model import AccountSnapshot, BracketTable, SubjectKey
    from monitor.core.outgrown import Outgrown
    from monitor.core.report import PositionView, WalletView
    from monitor.core.risk import Readings

MarkOption = Annotated[
    list[str] | None,
    typer.Option("--mark", metavar="SYMBOL=PRICE", help="Mark price of a symbol; once for each symbol held."),
]


_ASK_DAEMON = "a running daemon shows them with `position-monitor status` and `explain SYMBOL`"


class Assessment(msgspec.Struct, frozen=True):
    """What ``assess --json`` prints."""

    as_of: str
    wallets: "tuple[WalletView, ...]"
    positions: "tuple[PositionView, ...]"
    # Tables that are neither the user's nor the account's own; absent where there is none.
    shipped_brackets: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    # Positions worth more than the last tier reaches; absent where there is none.
    outgrown_brackets: "tuple[Outgrown, ...] | msgspec.UnsetType" = msgspec.UNSET


@guarded
def assess(
    context: typer.Context, config: ConfigOption = None, mark: MarkOption = None, json: JsonOption = False
) -> int:
    """Compute readings of the configured positions at the prices given; needs no network."""
    from monitor.config.outgrown import outgrown_words
    from monitor.core import report
    from monitor.core.outgrown import outgrown as find_outgrown
    from monitor.core.rules import compile_thresholds, conditions, reached

    settings = load_computed(context, config)
    followed = ", ".join(one.name for one in settings.keyed)
    if followed and not settings.accounts:
        allowed = "an account with positions typed in: what is followed by key is known only to the exchange"
        raise misuse("accounts", f"only accounts followed by key ({followed})", allowed, _ASK_DAEMON)
    tables = {table.symbol: table for table in settings.tables}
    book, readings = evaluated(settings.accounts, tables, parse_marks(mark or ()))
    levels = reached(conditions(book, compile_thresholds(book, settings.engine), readings)).tolist()
    shipped = {table.symbol: table.label for table in settings.tables if table.origin == "shipped"}
    outgrown = find_outgrown(book, readings, tables)
    assessment = Assessment(
        as_of=now_text(),
        wallets=report.wallet_views(book, readings, levels),
        positions=report.position_views(book, readings, levels),
        shipped_brackets=shipped or msgspec.UNSET,
        outgrown_brackets=outgrown or msgspec.UNSET,
    )
    if json or globals_of(context).json:
        print_json(assessment)
    else:
        from rich.text import Text

        from monitor.cli.tables import is_used_up, position_table, wallet_name, wallet_table
        from monitor.notify.remedies import LOOK_FIRST

        out = console()
        out.print(position_table(assessment.positions, assessment.wallets))
        out.print(wallet_table(assessment.wallets, moves=False))
        for one in assessment.wallets:
            if is_used_up(one):
                out.print(Text(f"{one.account} {wallet_name(one.wallet)}: {LOOK_FIRST}."))
    for other in outgrown:
        remark(f"Warning: {outgrown_words(other)}.")
    if shipped:
        remark(f"Maintenance tiers: {', '.join(sorted(set(shipped.values())))} ({', '.join(shipped)}).")
    if followed:
        remark(f"Not assessed, because followed by key: {followed}; {_ASK_DAEMON}.")
    return 0


def parse_marks(given: Sequence[str]) -> dict[str, float]:
    """Return prices by symbol from ``SYMBOL=PRICE`` arguments.

    Raises:
        ConfigError: an argument has another form or is no price above zero, or a symbol has two prices.
    """
    from monitor.binance.belief import believable_price
    from monitor.cli.typed import without_commas
    from monitor.errors import WireError

    marks: dict[str, float] = {}
    for text in given:
        symbol, _, price = text.partition("=")
        try:
            value = believable_price(without_commas(price), "--mark")
        except WireError:
            value = None
        if not symbol or value is None:
            raise misuse("--mark", repr(text[:60]), "SYMBOL=PRICE with a price above 0", "as in BTCUSDT=61000")
        if marks.setdefault(symbol, value) != value:
            raise misuse("--mark", f"two prices of {symbol[:40]}", "one of each symbol", "leave one of them out")
    return marks


def evaluated(
    accounts: "Sequence[AccountSnapshot]",
    tables: "Mapping[str, BracketTable]",
    marks: Mapping[str, float],
    corrections: "Mapping[SubjectKey, tuple[float, float]]" = MappingProxyType({}),
    hint: str = "",
) -> "tuple[Book, Readings]":
    """Return the compiled book of these accounts and its readings.

    Args:
        accounts: whole accounts.
        tables: as for ``compile_book``.
        marks: by symbol; rates of collateral by their names may stand among them, see ``model.rate_symbols``.
        corrections: as for ``compile.correct``.
        hint: where else a price could come from.

    Raises:
        ConfigError: a symbol held has no mark, or a mark is of nothing held.
    """
    import numpy as np

    from monitor.core.compile import compile_book, correct, set_rates
    from monitor.core.risk import evaluate
    from monitor.errors import ConfigError, Problem

    book = compile_book(accounts, tables)
    problems = [
        Problem("--mark", f"no price of {symbol}", f"--mark {symbol}=PRICE for each symbol held", hint)
        for symbol in book.symbols
        if symbol not in marks
    ] + [
        Problem("--mark", f"a price of {symbol}", f"symbols held: {', '.join(book.symbols) or 'none'}", "")
        for symbol in marks
        if symbol not in book.watched
    ]
    if problems:
        raise ConfigError("command line", problems)
    vector = np.array([marks.get(name, np.nan) for name in book.watched])
    set_rates(book, vector)
    correct(book, corrections)
    return book, evaluate(book, vector[: len(book.symbols)])
