"""``reload``: have the running daemon read its configuration again."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from monitor.cli.common import (
    FAILED,
    MISUSED,
    ConfigOption,
    JsonOption,
    complain,
    console,
    counted,
    globals_of,
    guarded,
    print_json,
)
from monitor.errors import ConfigError, ControlError

if TYPE_CHECKING:
    from monitor.status import ConfigView, Reloaded


@guarded
def reload(context: typer.Context, config: ConfigOption = None, json: JsonOption = False) -> int:
    """Have the running daemon take a changed configuration, all of it or nothing, without a gap."""
    from monitor.cli.despite import source_of

    found = _ask(source_of(context, config))
    if json or globals_of(context).json:
        print_json(found)
    if not found.taken:
        left = "Some of it may hold." if found.torn else "Nothing was changed: the daemon goes on as before."
        complain(f"{ConfigError(found.source, found.problems)}\n{left}")
        return FAILED if found.torn else MISUSED
    if not (json or globals_of(context).json):
        out = console()
        for line in found.changed or ("nothing changed",):
            out.print(line, markup=False)
        for warning in found.warnings:
            out.print(f"warning: {warning}", markup=False)
    return 0


def config_line(view: "ConfigView", now_ms: int) -> str:
    """Return what became of attempts to change the configuration; empty if there were none."""
    from monitor.notify.numbers import span

    if not view.reloads and not view.refused:
        return ""
    held = f"the one read {span((now_ms - view.loaded_ms) / 1000)} ago holds"
    counts = f"{counted(view.reloads, 'reload')} taken, {view.refused} refused"
    if not view.problems or view.last_refusal_ms is None:
        return f"Configuration: {held}; {counts}."
    ago = span((now_ms - view.last_refusal_ms) / 1000)
    more = f", and {counted(len(view.problems) - 1, 'more problem')}" if len(view.problems) > 1 else ""
    return f"Configuration: the changed file was refused {ago} ago; {held}. {view.problems[0]}{more}; {counts}."


def _ask(source: Path) -> "Reloaded":
    """Return what the daemon that runs with a file answers; as ``ask_by`` does, its mistakes first."""
    import msgspec

    from monitor.cli.despite import ask_by
    from monitor.config import load
    from monitor.control import RELOAD_TIMEOUT_S
    from monitor.status import Reloaded

    try:
        answer = ask_by(source, {"command": "reload"}, RELOAD_TIMEOUT_S)
    except ControlError:
        load(source, os.environ)  # its mistakes come first: that another daemon runs with another file mends none
        raise
    return msgspec.convert(answer, Reloaded)
