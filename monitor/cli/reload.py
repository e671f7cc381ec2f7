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
from monitor.errors import ConfigError, NotRunningError

if TYPE_CHECKING:
    from monitor.status import ConfigView, Reloaded


@guarded
def reload(context: typer.Context, config: ConfigOption = None, json: JsonOption = False) -> int:
    """Have the running daemon take a changed configuration, all of it or nothing, without a gap."""
    from monitor.config import find_config

    source = find_config(config or globals_of(context).config, os.environ).absolute()
    found = _ask(source)
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
    """Return what the daemon that runs with a file answers.

    Raises:
        ConfigError: the file says so little that no running daemon is found by it.
        NotRunningError: none runs.
        ControlError: it does not answer, or runs with another file.
    """
    import msgspec

    from monitor.control import RELOAD_TIMEOUT_S, ask
    from monitor.status import Reloaded

    error: NotRunningError | None = None
    directories, mistakes = _directories(source)
    for directory in directories:
        try:
            answer = ask(directory, {"command": "reload", "source": str(source)}, RELOAD_TIMEOUT_S)
        except NotRunningError as missing:
            error = error or missing
        else:
            return msgspec.convert(answer, Reloaded)
    if mistakes is not None:
        raise mistakes
    raise error or NotRunningError(f"no daemon is running with {source}")


def _directories(source: Path) -> tuple[list[Path], ConfigError | None]:
    """Return where the daemon may keep its state, and what is wrong with the file.

    It is asked even then, and by what it was started with: it is the one that says what it refuses.
    """
    from monitor.config import load
    from monitor.places import state_directory

    mistakes = None
    found = []
    try:
        found.append(load(source, os.environ).state_directory(os.environ))
    except ConfigError as error:
        mistakes = error
        if (written := _written(source)) is not None:
            found.append(Path(state_directory(written, os.environ)))
    found.append(Path(state_directory(None, os.environ)))
    return list(dict.fromkeys(found)), mistakes


def _written(source: Path) -> str | None:
    """Return the state directory that a file with mistakes names all the same."""
    import tomllib

    try:
        state = tomllib.loads(source.read_text(encoding="utf-8")).get("state")
    except (OSError, ValueError, RecursionError):
        return None
    directory = state.get("directory") if isinstance(state, dict) else None
    return directory if isinstance(directory, str) and directory else None
