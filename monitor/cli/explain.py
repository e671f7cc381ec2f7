"""``explain SYMBOL``: the arithmetic, line by line."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.assess import MarkOption, evaluated, parse_marks
from monitor.cli.common import ConfigOption, JsonOption, console, globals_of, guarded, load, misuse, print_json
from monitor.cli.held import find_held, find_inputs, held_levels, sharing

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    from monitor.cli.pasted import Asked, options
    from monitor.cli.remedy_steps import Around, Remedies, as_json
    from monitor.cli.steps import Explainer
    from monitor.system_clock import SystemClock

    settings = load(context, config)
    given = parse_marks(mark or ())
    held = find_held(settings, ask_daemon=True)
    if symbol not in held.symbols:
        words = ", ".join(sorted(held.symbols)) or "none"
        raise misuse("SYMBOL", repr(symbol[:40]), f"symbols held: {words}", held.unknown)
    inputs = find_inputs(held, given)
    needed = sharing(held.accounts, symbol)
    marks = {name: one.price for name, one in inputs.items()}
    # A symbol that shares no wallet with this one does not enter; any price will do.
    marks.update((other, 1.0) for other in held.symbols if other not in inputs and other not in needed)
    book, readings = evaluated(held.accounts, held.tables, marks, held.corrections)
    sources = {one.account: _origin(one) for one in held.accounts}
    known = {name: one.price for name, one in inputs.items()}
    accounts = {one.account: one for one in held.accounts}
    asked = Asked(options(config or globals_of(context).config, mark or ()))
    remedies = Remedies(
        book, readings, settings.engine,
        lambda key: case_of(held, accounts[key.account], key.wallet, known, settings.engine),
        Around(held_levels(held.status), lambda key, plan: asked.tries(key.account, key.wallet, plan)),
    )  # fmt: skip
    ahead = Ahead(book, readings, settings.engine, held.surroundings, SystemClock().wall_ms())
    moves = None if held.status is None else Moves(book, readings, held.status)

    def more(row: int) -> "Iterator[Step]":
        if moves is not None:
            yield from moves.steps(row)
        yield from remedies.steps(row)
        yield from ahead.steps(row)

    explanations = [
        msgspec.structs.replace(one, prescription=as_json(remedies.prescription(one.account, one.wallet)))
        for one in Explainer(book, readings, inputs, sources, more).explain(symbol)
    ]
    if json or globals_of(context).json:
        print_json(explanations)
    else:
        _print(explanations)
    if held.unknown:
        sys.stderr.write(f"Not shown: {held.unknown}.\n")
    if held.differs:
        sys.stderr.write(f"{held.differs}\n")
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

    from monitor.cli.remedy_steps import WORDS_ALONE

    out = console()
    for one in explanations:
        title = f"{one.symbol} {one.side}, wallet {one.wallet} of {one.account}"
        table = Table(title=title, title_justify="left", box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        for step in one.steps:
            value = "none" if step.value is None else f"{step.value or 0.0:.12g} {step.unit}".strip()
            if step.name in WORDS_ALONE or step.name == "formula":
                value = ""
            words = "; ".join(part for part in (step.arithmetic, step.source) if part)
            table.add_row(Text(step.name), Text(value), Text(words, style="dim"))
        out.print(table)
        out.print()
