"""``explain SYMBOL``: the arithmetic, line by line."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from monitor.cli.assess import MarkOption, evaluated, parse_marks
from monitor.cli.common import ConfigOption, JsonOption, console, globals_of, guarded, load, misuse, print_json

if TYPE_CHECKING:
    from monitor.cli.steps import Explanation, Input
    from monitor.config import Settings
    from monitor.core.model import AccountSnapshot, BracketTable, SubjectKey

_RUNNING = "start `position-monitor run`"


class Held(NamedTuple):
    """What is held as far as is known: typed in, and, of accounts followed by key, what a running daemon says."""

    accounts: "tuple[AccountSnapshot, ...]"
    tables: "dict[str, BracketTable]"
    corrections: "dict[SubjectKey, tuple[float, float]]"
    status: Any  # the daemon's own, None without one
    unknown: str  # what cannot be explained and why; empty if nothing

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol held, once."""
        return tuple(dict.fromkeys(p.symbol for account in self.accounts for p in account.positions))


@guarded
def explain(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(help="A symbol that is held, such as BTCUSDT.")],
    config: ConfigOption = None,
    mark: MarkOption = None,
    json: JsonOption = False,
) -> int:
    """Show the arithmetic behind a symbol's readings, line by line.

    Marks come from --mark; those not given are asked of the running daemon, and so is what accounts followed by
    their key hold.
    """
    from monitor.cli.steps import Explainer

    settings = load(context, config)
    given = parse_marks(mark or ())
    held = _held(settings, ask_daemon=any(s not in given for s in settings.symbols))
    if symbol not in held.symbols:
        words = ", ".join(sorted(held.symbols)) or "none"
        raise misuse("SYMBOL", repr(symbol[:40]), f"symbols held: {words}", held.unknown)
    inputs = _inputs(held, given)
    needed = _needed(held.accounts, symbol)
    marks = {name: one.price for name, one in inputs.items()}
    # A symbol that shares no wallet with this one does not enter; any price will do.
    marks.update((other, 1.0) for other in held.symbols if other not in inputs and other not in needed)
    book, readings = evaluated(held.accounts, held.tables, marks, held.corrections)
    sources = {one.account: _origin(one) for one in held.accounts}
    more = None
    if held.status is not None:
        from monitor.cli.move_steps import Moves

        more = Moves(book, readings, held.status).steps
    explanations = Explainer(book, readings, inputs, sources, more).explain(symbol)
    if json or globals_of(context).json:
        print_json(explanations)
    else:
        _print(explanations)
    if held.unknown:
        sys.stderr.write(f"Not shown: {held.unknown}.\n")
    return 0


def _held(settings: "Settings", *, ask_daemon: bool) -> Held:
    """Return what is held; the daemon is asked for what only it knows.

    Args:
        settings: the configuration.
        ask_daemon: its marks are wanted even where no account is followed by its key.
    """
    from monitor.control import ask
    from monitor.errors import ControlError

    tables = {table.symbol: table for table in settings.tables}
    followed = ", ".join(one.name for one in settings.keyed)
    directory = settings.state_directory(os.environ)
    status: Any = None
    if ask_daemon or followed:
        try:
            status = ask(directory, {"command": "status"})
            if followed:
                return _followed(settings, tables, status, ask(directory, {"command": "holdings"}))
        except ControlError as error:
            unknown = f"what is followed by key ({followed}); {error}; {_RUNNING}" if followed else ""
            return Held(settings.accounts, tables, {}, None, unknown)
    return Held(settings.accounts, tables, {}, status, "")


def _followed(
    settings: "Settings", tables: "dict[str, BracketTable]", status: Any, answer: object  # noqa: ANN401 - JSON
) -> Held:  # fmt: skip
    """Return accounts as the daemon has them where they are followed by key, and as typed in where not.

    Raises:
        ControlError: another version of this program answered.
    """
    import msgspec

    from monitor.core.model import SubjectKey
    from monitor.errors import ControlError
    from monitor.status import Holdings

    names = {one.name for one in settings.keyed}
    try:
        holdings = msgspec.convert(answer, Holdings)
        corrections = {
            SubjectKey(one["account"], wallet): msgspec.convert(amounts, tuple[float, float])
            for one in status["engine"]["accounts"]
            for wallet, amounts in one["corrections"].items()
            if one["account"] in names
        }
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError) as error:
        raise ControlError(f"the daemon is of another version than this command: {error}") from None
    known = tuple(one for one in holdings.accounts if one.account in names)
    missing = ", ".join(sorted(names - {one.account for one in known}))
    unknown = f"what is followed by key ({missing}): the daemon has yet to see it" if missing else ""
    return Held((*settings.accounts, *known), holdings.tables | tables, corrections, status, unknown)


def _inputs(held: Held, given: Mapping[str, float]) -> "dict[str, Input]":
    """Return marks and rates by name: as given, else as the running daemon knows them."""
    from monitor.cli.steps import Input

    inputs = {name: Input(price, "given", None) for name, price in given.items()}
    if held.status is not None:
        wanted = {*held.symbols, *_rates(held.accounts)}
        for view in held.status["engine"]["symbols"]:
            if view["mark"] is not None and view["symbol"] in wanted:
                inputs.setdefault(view["symbol"], Input(view["mark"], view["source"], view["age_s"]))
    return inputs


def _rates(accounts: "Sequence[AccountSnapshot]") -> set[str]:
    from monitor.core.model import rate_symbols

    return {
        name
        for account in accounts
        if account.multi_assets
        for asset, rate in account.rates.items()
        if not rate.fixed
        for name in rate_symbols(asset)
    }


def _needed(accounts: "Sequence[AccountSnapshot]", symbol: str) -> set[str]:
    """Return the symbols that share a wallet with ``symbol``."""
    needed = {symbol}
    for account in accounts:
        wallets = {account.wallet_of(p) for p in account.positions if p.symbol == symbol}
        needed |= {p.symbol for p in account.positions if account.wallet_of(p) in wallets}
    return needed


def _origin(account: "AccountSnapshot") -> str:
    from monitor.core.model import Source
    from monitor.notify.numbers import clock_time

    if account.source is Source.GIVEN:
        return "configuration"
    return f"exchange, {clock_time(account.as_of_ms)}" if account.as_of_ms else "exchange"


def _print(explanations: "list[Explanation]") -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    for one in explanations:
        title = f"{one.symbol} {one.side}, wallet {one.wallet} of {one.account}"
        table = Table(title=title, title_justify="left", box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        for step in one.steps:
            value = "none" if step.value is None else f"{step.value or 0.0:.12g} {step.unit}".strip()
            if step.name == "formula":
                value = ""
            words = "; ".join(part for part in (step.arithmetic, step.source) if part)
            table.add_row(Text(step.name), Text(value), Text(words, style="dim"))
        out.print(table)
        out.print()
