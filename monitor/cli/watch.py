"""``watch``: what the running daemon knows, renewed once a second, the most endangered wallet first."""

import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.common import FAILED, ConfigOption, JsonOption, console, globals_of, guarded

if TYPE_CHECKING:
    from monitor.cli.watching.source import Source

# Faster costs the daemon time that marks would wait for, and shows nobody more.
_SHORTEST_S, _LONGEST_S = 1.0, 3600.0
_QUESTION = {"command": "status"}


@guarded
def watch(  # noqa: PLR0917 - typer passes options by name
    context: typer.Context,
    every: Annotated[
        float,
        typer.Option("--every", metavar="SECONDS", min=_SHORTEST_S, max=_LONGEST_S, help="How often it looks."),
    ] = 1.0,
    count: Annotated[
        int | None, typer.Option("--count", metavar="N", min=1, help="End after so many looks, in blocks of text.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Blocks of text instead of the live view.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Show what the running daemon knows, and go on: levels, room, distances, alerts, and whether anybody watches.

    The wallet that is worst off comes first. A daemon that does not answer is asked again until it does, and what
    is shown meanwhile says how old it is. q ends it. Without a terminal, with --plain or with --count each look is
    a block of text; with --json it is one line with what `status --json` has, or with an error. A daemon that
    hangs is given up after 5 seconds; looks that were missed meanwhile are not made up for.
    """
    from monitor.cli.watching.outlets import Blocks, Lines, Screen
    from monitor.cli.watching.session import Session
    from monitor.system_clock import SystemClock

    out = console()
    live = sys.stdout.isatty() and not (plain or count or out.is_dumb_terminal)
    outlet = Lines() if json or globals_of(context).json else Screen(out) if live else Blocks(out)
    session = Session(_source(context, config), outlet, SystemClock(), every_s=every, count=count)
    ended_by = session.run()
    if ended_by is signal.SIGINT:
        raise KeyboardInterrupt
    if ended_by is not None:
        signal.raise_signal(ended_by)
    return 0 if count is None or session.answered else FAILED


def _source(context: typer.Context, config: Path | None) -> "Source":
    """Return who is asked; the daemon of a file that holds mistakes by now is found as other commands find it.

    Raises:
        ConfigError: it holds mistakes, and no daemon runs with it.
    """
    from monitor.cli.despite import source_of
    from monitor.cli.watching.source import DaemonOf

    source = DaemonOf(partial(source_of, context, config))
    if source.read() is not None:
        source.ask(_QUESTION)
    return source
