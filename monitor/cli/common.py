"""What every command shares: global options, loading the configuration, printing, exit codes."""

import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import msgspec
import typer

from monitor.errors import ConfigError, MonitorError, Problem

if TYPE_CHECKING:
    from rich.console import Console

    from monitor.config import Settings

FAILED = 1
MISUSED = 2

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="PATH", help="Configuration file; else the usual places are tried."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text for people.")]

Arguments = ParamSpec("Arguments")


@dataclass(slots=True)
class Globals:
    """Options given before the command; a command's own win."""

    config: Path | None = None
    json: bool = False
    verbose: bool = False


def globals_of(context: typer.Context) -> Globals:
    """Return the options given before the command."""
    found = context.find_object(Globals)
    return found if found is not None else Globals()


def load(context: typer.Context, config: Path | None) -> "Settings":
    """Find and load the configuration.

    Raises:
        ConfigError: with every problem in it.
    """
    from monitor.config import load as load_settings

    return load_settings(config or globals_of(context).config, os.environ)


def misuse(path: str, found: str, allowed: str, hint: str = "") -> ConfigError:
    """Return the error of a wrong argument, in the same form as one of the configuration."""
    return ConfigError("command line", [Problem(path, found, allowed, hint)])


def guarded(command: Callable[Arguments, int | None]) -> Callable[Arguments, None]:
    """Turn the errors a person can act on into one message and the right exit code."""

    @wraps(command)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except ConfigError as error:
            complain(str(error))
            raise typer.Exit(MISUSED) from None
        except MonitorError as error:
            complain(str(error))
            raise typer.Exit(FAILED) from None
        except BrokenPipeError:
            # Whoever read our output had enough, as in `history | head`.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        if code:
            raise typer.Exit(code)

    return run


def complain(text: str) -> None:
    """Print an error for a person on standard error."""
    sys.stderr.write(f"position-monitor: {text}\n")


def print_json(value: Any) -> None:  # noqa: ANN401 - anything JSON can hold
    """Print a value as indented JSON on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def console(*, stderr: bool = False) -> "Console":
    """Return a console that follows NO_COLOR and the terminal's width; wide where there is no terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # bars and charts must not fail where the locale lacks them
    width = None if stream.isatty() else 160
    return Console(stderr=stderr, highlight=False, width=width)
