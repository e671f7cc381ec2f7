"""``reload``: have the running daemon read its configuration again."""

import os
import sys
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
from monitor.errors import ConfigError, ControlError, MonitorError

if TYPE_CHECKING:
    from monitor.cli.voice import Voice
    from monitor.status import ConfigView, Reloaded


@guarded
def reload(context: typer.Context, config: ConfigOption = None, json: JsonOption = False) -> int:
    """Have the running daemon take a changed configuration, all of it or nothing, without a gap."""
    from monitor.cli.despite import source_of

    plain = json or globals_of(context).json
    voice = None if plain else _voice(context, config)
    if voice is not None:
        return _tell(voice, context, config)
    found = _ask(source_of(context, config))
    if plain:
        print_json(found)
    if not found.taken:
        left = "Some of it may hold." if found.torn else "Nothing was changed: the daemon goes on as before."
        complain(f"{ConfigError(found.source, found.problems)}\n{left}")
        return FAILED if found.torn else MISUSED
    if not plain:
        out = console()
        for line in found.changed or ("nothing changed",):
            out.print(line, markup=False)
        for warning in found.warnings:
            out.print(f"warning: {warning}", markup=False)
    return 0


def _voice(context: typer.Context, config: Path | None) -> "Voice | None":
    """Return what speaks among the service's lines of JSON: in the journal, where ExecReload runs this."""
    from monitor.cli.voice import Voice, in_journal

    if not in_journal(sys.stderr, os.environ):
        return None
    voice = Voice()
    voice.guess(config or globals_of(context).config, os.environ)
    return voice if voice.as_json else None


def _tell(voice: "Voice", context: typer.Context, config: Path | None) -> int:
    from monitor.cli.despite import source_of
    from monitor.logs import get_logger

    try:
        found = _ask(source_of(context, config))
    except MonitorError as error:
        voice.tell(error, "reload.failed")
        return MISUSED if isinstance(error, ConfigError) else FAILED
    if not found.taken:
        # The daemon's own line tells that it refused; here each has its fields.
        voice.mistakes(found.source, found.problems)
        return FAILED if found.torn else MISUSED
    get_logger().info("reload.taken", changed=found.changed, warnings=found.warnings)
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
