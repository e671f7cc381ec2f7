"""``help``: topics in a few words each, and the commands in their groups."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.common import JsonOption, console, globals_of, guarded, misuse, print_json

if TYPE_CHECKING:
    from monitor.cli.guide import Topic

_WIDEST = 90  # cells: longer lines are hard to read


@guarded
def help_(
    context: typer.Context,
    topic: Annotated[
        str | None, typer.Argument(metavar="[TOPIC]", help="A topic or a command; without, both are listed.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Explain a topic or a command, or list them."""
    from monitor.cli.guide import filled, topics
    from monitor.config.problems import nearest

    as_json = json or globals_of(context).json
    root: Any = context.find_root()
    commands = {name: one for name, one in root.command.commands.items() if not one.hidden}
    if topic is None:
        _list(topics(), commands, as_json=as_json)
        return 0
    known = {one.name: one for one in topics()}
    name = topic.strip().lower()
    if name in known:
        chosen = known[name]
        if as_json:
            print_json({"topic": chosen.name, "about": chosen.about, "text": filled(chosen)})
        else:
            _show(f"{chosen.name}: {chosen.about}", filled(chosen))
        if name in commands and not as_json:
            _also(name)
        return 0
    if name in commands:
        text = _help_of(root, name)
        if as_json:
            print_json({"command": name, "text": text})
        else:
            sys.stdout.write(f"{text}\n")
        return 0
    allowed = "a topic or a command; `position-monitor help` lists them"
    raise misuse("TOPIC", repr(topic[:60]), allowed, nearest(name, [*known, *commands]))


def _also(name: str) -> None:
    console().print(f"\nThe command of this name: position-monitor {name} --help", markup=False)


def _help_of(root: Any, name: str) -> str:  # noqa: ANN401 - the library's own, private classes
    command = root.command.commands[name]
    with command.make_context(name, [], parent=root, resilient_parsing=True) as context:
        return str(command.get_help(context))


def _show(heading: str, text: str) -> None:
    """Print Markdown: as a terminal shows it, or as it is where there is none."""
    out = console()
    if not out.is_terminal:
        sys.stdout.write(f"# {heading}\n\n{text}\n")
        return
    from rich.text import Text
    from rich.theme import Theme

    from monitor.cli.pages import Page

    with out.use_theme(Theme({"markdown.code": "bold", "markdown.item.bullet": "none"})):
        out.print(Text(heading, "bold"))
        out.print()
        out.print(Page(text, code_theme="ansi_dark"), width=min(out.width, _WIDEST))


def _list(topics: "tuple[Topic, ...]", commands: dict[str, Any], *, as_json: bool) -> None:
    from monitor.cli.spoken import grouped_commands

    groups = grouped_commands(commands)
    if as_json:
        print_json({"topics": {one.name: one.about for one in topics}, "commands": groups})
        return
    from rich.table import Table
    from rich.text import Text

    out = console()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text("Topics", "bold"), "position-monitor help TOPIC")
    for one in topics:
        table.add_row(f"  {one.name}", Text(one.about))
    for group, names in groups.items():
        table.add_row("", "")
        table.add_row(
            Text(group, "bold"), "" if group != next(iter(groups)) else "position-monitor COMMAND --help"
        )
        for name in names:
            table.add_row(f"  {name}", Text(commands[name].get_short_help_str(_WIDEST)))
    out.print(table)
