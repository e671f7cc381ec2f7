"""The running daemon, found by its configuration file: it goes on with what it read, whatever is in it by now."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from monitor.cli.common import counted, globals_of, load, remark
from monitor.errors import ConfigError, NotRunningError

if TYPE_CHECKING:
    from collections.abc import Collection

    from monitor.config import Settings


def told(
    context: typer.Context, config: Path | None, request: Mapping[str, object]
) -> "tuple[Any, Settings | None]":
    """Return what the running daemon answers, and the settings of the file; None of a broken one: that is said.

    Raises:
        ConfigError: it holds mistakes, and no daemon runs with it.
        NotRunningError: none runs.
        ControlError: it does not answer, or refused.
    """
    from monitor.control import ask

    try:
        settings = load(context, config)
    except ConfigError as mistakes:
        try:
            answer = ask_by(source_of(context, config), request)
        except NotRunningError:
            raise mistakes from None
        remark(goes_on(mistakes))
        return answer, None
    return ask(settings.state_directory(os.environ), request), settings


def load_recorded(context: typer.Context, config: Path | None, *, history: bool = False) -> "Settings":
    """Return the settings that tell where something is recorded; other mistakes in the file are said.

    Raises:
        ConfigError: where it is recorded cannot be told.
    """
    from monitor.config import RECORDED

    settings, mistakes = _load_partly(context, config, RECORDED if history else RECORDED - {"history"})
    if mistakes is not None:
        where = settings.history_path(os.environ) if history else settings.state_directory(os.environ)
        remark(
            f"{_told(mistakes)} What is recorded is read all the same, from {where}.{_zone(settings, mistakes)}"
        )
    return settings


def load_computed(context: typer.Context, config: Path | None) -> "Settings":
    """Return the settings that figures of positions come of; other mistakes in the file are said.

    Raises:
        ConfigError: what they come of holds mistakes.
    """
    from monitor.config import COMPUTED

    settings, mistakes = _load_partly(context, config, COMPUTED)
    if mistakes is not None:
        remark(f"{_told(mistakes)} No figure here depends on what is wrong.{_zone(settings, mistakes)}")
    return settings


def _load_partly(
    context: typer.Context, config: Path | None, needed: "Collection[str]"
) -> "tuple[Settings, ConfigError | None]":
    from monitor.config import load_partly

    return load_partly(config or globals_of(context).config, os.environ, needed)


def goes_on(mistakes: ConfigError) -> str:
    """Return that a daemon runs although its file holds mistakes by now."""
    return f"{_told(mistakes)} The daemon goes on with the one that it read before."


def _told(mistakes: ConfigError) -> str:
    problems = counted(len(mistakes.problems), "problem")
    return f"{mistakes.source}: {problems} in the configuration, see check-config."


def _zone(settings: "Settings", mistakes: ConfigError) -> str:
    """Return whose time zone times are in, where the mistakes may hide another: a sentence behind a blank."""
    from monitor.config import may_hide

    if settings.display.time_zone != "local" or not may_hide("display", mistakes):
        return ""
    return " Times are in this machine's time zone; what is wrong may hide another, display.time_zone."


def source_of(context: typer.Context, config: Path | None) -> Path:
    """Return the absolute path of the configuration file.

    Raises:
        ConfigError: none was named, and none is in the usual places.
    """
    from monitor.config import find_config

    return find_config(config or globals_of(context).config, os.environ).absolute()


def ask_by(source: Path, request: Mapping[str, object], timeout_s: float | None = None) -> Any:  # noqa: ANN401 - JSON
    """Return what the daemon that runs with a file answers.

    Raises:
        ConfigError: the file says so little that no running daemon is found by it.
        NotRunningError: none runs.
        ControlError: it does not answer, refused, or runs with another file.
    """
    from monitor.control import ANSWER_TIMEOUT_S, ask

    error: NotRunningError | None = None
    directories, mistakes = _directories(source)
    for directory in directories:
        try:
            return ask(directory, {**request, "source": str(source)}, timeout_s or ANSWER_TIMEOUT_S)
        except NotRunningError as missing:
            error = error or missing
    if mistakes is not None:
        raise mistakes
    raise error or NotRunningError(f"no daemon is running with {source}")


def _directories(source: Path) -> tuple[list[Path], ConfigError | None]:
    """Return where the daemon may keep its state, and what is wrong with the file.

    It is asked even then, and by what it was started with: it is the one that knows which file is its own.
    """
    from monitor.config import load as load_settings
    from monitor.places import state_directory

    mistakes = None
    found = []
    try:
        found.append(load_settings(source, os.environ).state_directory(os.environ))
    except ConfigError as error:
        mistakes = error
        if (written := _written(source)) is not None:
            found.append(Path(state_directory(written, os.environ)))
    found.append(Path(state_directory(None, os.environ)))
    return list(dict.fromkeys(found)), mistakes


def _written(source: Path) -> str | None:
    """Return the state directory that a file with mistakes names all the same, as far as one can tell."""
    from monitor.places import seeming_directory, written_directory

    try:
        text = source.read_text(encoding="utf-8-sig") if source.is_file() else ""
    except (OSError, ValueError):
        return None
    try:
        return written_directory(text)
    except ValueError:
        return seeming_directory(text)
