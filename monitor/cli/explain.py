"""``explain SYMBOL``: the arithmetic, line by line."""

from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.assess import MarkOption, evaluated, parse_marks
from monitor.cli.common import (
    ConfigOption,
    JsonOption,
    console,
    globals_of,
    guarded,
    misuse,
    print_json,
    remark,
)
from monitor.cli.despite import load_computed
from monitor.cli.held import find_held, find_inputs, held_levels, sharing, where_marks_are

_GAP = 2
_LEAST_WORDS = 40  # cells that words need beside names and figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from monitor.cli.steps import Explanation, Step
    from monitor.core.model import AccountSnapshot


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
    import msgspec

    from monitor.cli.ahead_steps import Ahead
    from monitor.cli.cases import case_of
    from monitor.cli.move_steps import Moves
    from monitor.cli.outgrown import outgrown_steps
    from monitor.cli.pasted import Asked, options
    from monitor.cli.remedy_steps import Around, Remedies, as_json
    from monitor.cli.steps import Explainer
    from monitor.cli.typed import meant
    from monitor.core.outgrown import outgrown
    from monitor.system_clock import SystemClock

    settings = load_computed(context, config)
    given = parse_marks(mark or ())
    held = find_held(settings, ask_daemon=True)
    if symbol not in held.symbols:
        words = ", ".join(sorted(held.symbols)) or "none"
        raise misuse(
            "SYMBOL", repr(symbol[:40]), f"symbols held: {words}", meant(symbol, held.symbols, held.unknown)
        )
    inputs = find_inputs(held, given)
    needed = sharing(held.accounts, symbol)
    marks = {name: one.price for name, one in inputs.items()}
    # A symbol that shares no wallet with this one does not enter; any price will do.
    marks.update((other, 1.0) for other in held.symbols if other not in inputs and other not in needed)
    book, readings = evaluated(held.accounts, held.tables, marks, held.corrections, where_marks_are(held))
    sources = {one.account: _origin(one) for one in held.accounts}
    known = {name: one.price for name, one in inputs.items()}
    accounts = {one.account: one for one in held.accounts}
    asked = Asked(options(config or globals_of(context).config, mark or ()))
    remedies = Remedies(
        book, readings, settings.engine,
        lambda key: case_of(held, accounts[key.account], key.wallet, known, settings.engine),
        Around(held_levels(held.status), lambda key, plan: asked.tries(key.account, key.wallet, plan)),
    )  # fmt: skip
    watched = held.status is not None
    ahead = Ahead(book, readings, settings.engine, held.surroundings, SystemClock().wall_ms(), watched=watched)
    moves = Moves(book, readings, held.status, wanted=settings.engine.typical_moves) if watched else None

    grown = outgrown(book, readings, held.tables)

    def more(row: int) -> "Iterator[Step]":
        yield from outgrown_steps(book, row, grown)
        if moves is not None:
            yield from moves.steps(row)
        yield from remedies.steps(row)
        yield from ahead.steps(row)

    explanations = Explainer(book, readings, inputs, sources, more).explain(symbol)
    if json or globals_of(context).json:
        print_json(
            [
                msgspec.structs.replace(one, prescription=as_json(remedies.prescription(one.account, one.wallet)))
                for one in explanations
            ]
        )
    else:
        _print(explanations)
    if held.unknown:
        remark(f"Not shown: {held.unknown}.")
    if held.differs:
        remark(held.differs)
    return 0


def _origin(account: "AccountSnapshot") -> str:
    from monitor.core.model import Source
    from monitor.notify.numbers import clock_time

    if account.source is Source.GIVEN:
        return "configuration"
    return f"exchange, {clock_time(account.as_of_ms)}" if account.as_of_ms else "exchange"


def _print(explanations: "list[Explanation]") -> None:
    from rich.table import Table
    from rich.text import Text

    from monitor.cli.remedy_steps import TRY

    out = console()
    for one in explanations:
        title = f"{one.symbol} {one.side}, wallet {one.wallet} of {one.account}"
        lines = [(step.name, _value_words(step), _words(step)) for step in one.steps if step.name != TRY]
        names, values = (max(len(line[place]) for line in lines) for place in (0, 1))
        if out.width - names - values - 2 * _GAP < _LEAST_WORDS:
            out.print(Text(title, "italic"))
            for name, value, words in lines:
                _print_narrow(out, name, value, words)
            _print_tries(out, one)
            continue
        table = Table(title=title, title_justify="left", box=None, show_header=False, padding=(0, _GAP, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value, words in lines:
            table.add_row(Text(name), Text(value), Text(words, style="dim"))
        out.print(table)
        _print_tries(out, one)


def _print_tries(out: "Console", one: "Explanation") -> None:
    """Print commands to paste, each on a line of its own however long it is."""
    from rich.text import Text

    from monitor.cli.remedy_steps import TRY

    for step in one.steps:
        if step.name == TRY:
            out.print(Text(f"Try: {step.arithmetic}", style="dim"), soft_wrap=True)
    out.print()


def _print_narrow(out: "Console", name: str, value: str, words: str) -> None:
    """Print a step where a terminal has no place for three columns: its words below it, cut at blanks only."""
    from rich.padding import Padding
    from rich.text import Text

    gap = max(1, out.width - len(name) - len(value))
    out.print(Text(f"{name}{' ' * gap}{value}" if value else name), soft_wrap=True)
    if words:
        out.print(Padding(Text(words, style="dim"), (0, 0, 0, 4)))


def _value_words(step: "Step") -> str:
    from monitor.cli.remedy_steps import WORDS_ALONE
    from monitor.cli.steps import plain_number

    if step.name in WORDS_ALONE or step.name == "formula":
        return ""
    return "none" if step.value is None else f"{plain_number(step.value)} {step.unit}".strip()


def _words(step: "Step") -> str:
    return "; ".join(part for part in (step.arithmetic, step.source) if part)
