"""What every command shares: global options, loading the configuration, printing, exit codes."""

import codecs
import contextlib
import datetime as dt
import errno
import io
import json
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
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
WIDE = 160  # cells of a line where there is no terminal

_WIDEST = 10_000
_LOOKALIKE = "position-monitor-lookalike"
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
_LOOKALIKES = dict(zip("━╸·│┤└─…▁▂▃▄▅▆▇█▲▼", "=-.||+-~_.,-=+*#^v", strict=True))
_BRAILLE = range(0x2800, 0x2900)
_UPPER_DOTS, _LOWER_DOTS = 0x1B, 0xE4  # the two upper and the two lower rows of dots of a braille character

ConfigOption = Annotated[
    Path | None,
    # Whether it can be read is found where it is read: our own error says who may.
    typer.Option(
        "--config", metavar="PATH", readable=False, help="Configuration file; else the usual places are tried."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text for people.")]
AccountsOption = Annotated[
    list[str] | None, typer.Option("--account", metavar="NAME", help="Only this one; may be repeated.")
]

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


def check_accounts(wanted: Iterable[str], known: Collection[str], what: str) -> None:
    """Complain of an account that is not there.

    Args:
        wanted: names as given with ``AccountsOption``.
        known: names that may be given.
        what: these are, such as ``accounts``.

    Raises:
        ConfigError: always then.
    """
    for name in wanted:
        if name not in known:
            raise misuse("--account", repr(name[:40]), f"{what}: {', '.join(known)}")


def guarded(command: Callable[Arguments, int | None]) -> Callable[Arguments, None]:
    """Turn the errors a person can act on into one message and the right exit code."""

    @wraps(command)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        soften(sys.stdout)
        try:
            try:
                code = command(*args, **kwargs)
            except MonitorError as error:
                complain(str(error))
                if _wants_json(kwargs):
                    print_json_line(_as_json(error))
                code = MISUSED if isinstance(error, ConfigError) else FAILED
            sys.stdout.flush()  # a full disk is told here, or by nobody
        except BrokenPipeError:
            # Whoever read our output had enough, as in `history | head`.
            _discard_output()
            raise typer.Exit(0) from None
        except OSError as error:
            if error.filename is not None or error.errno not in _UNWRITABLE:
                raise
            complain(f"the output cannot be written: {error.strerror}")
            _discard_output()
            raise typer.Exit(FAILED) from None
        if code:
            raise typer.Exit(code)

    return run


def _wants_json(options: Mapping[str, object]) -> bool:
    # Its class is the command line library's own, not the one that annotates commands.
    context: Any = options.get("context")
    return bool(options.get("json")) or (context is not None and globals_of(context).json)


def _as_json(error: MonitorError) -> dict[str, object]:
    if isinstance(error, ConfigError):
        return {"error": str(error).partition("\n")[0], "problems": error.problems}
    return {"error": str(error), "problems": ()}


def _discard_output() -> None:
    """Let what is still buffered go nowhere: Python would fail on it once more at its end."""
    with contextlib.suppress(OSError):  # a stream without a descriptor holds nothing back
        descriptor = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def complain(text: str) -> None:
    """Print an error for a person on standard error; where its terminal is gone the exit code still tells."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"position-monitor: {text}\n")


def remark(text: str) -> None:
    """Print what a person should know besides on standard error, cut at blanks where the terminal is narrow."""
    from rich.text import Text

    out = console(stderr=True)
    out.print(Text(text), soft_wrap=out.width >= WIDE)


def print_json(value: Any) -> None:  # noqa: ANN401 - anything JSON can hold
    """Print a value as indented JSON on standard output."""
    _write_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_json_line(value: Any) -> None:  # noqa: ANN401 - anything JSON can hold
    """Print a value as JSON on one line of standard output."""
    _write_json(msgspec.json.encode(value).decode())


def _write_json(text: str) -> None:
    if not _speaks_unicode(sys.stdout):
        # A look-alike would be another value.
        text = "".join(one if one.isascii() else json.dumps(one)[1:-1] for one in text)
    sys.stdout.write(f"{text}\n")


def now_text() -> str:
    """Return the present time as JSON has it."""
    from monitor.system_clock import SystemClock

    now = dt.datetime.fromtimestamp(SystemClock().wall_ms() / 1000, tz=dt.UTC)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as ``1 account`` and ``2 accounts``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def console(*, stderr: bool = False) -> "Console":
    """Return a console that follows NO_COLOR, COLUMNS and the terminal's width; wide where there is neither."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    soften(stream)
    if stream.isatty():
        return Console(stderr=stderr, highlight=False)
    from monitor.cli.piped import Piped

    asked = os.environ.get("COLUMNS", "")
    width = int(asked) if asked.isascii() and asked.isdigit() and 0 < int(asked) <= _WIDEST else WIDE
    return Piped(stderr=stderr, highlight=False, width=width)


def soften(stream: object) -> None:
    """Let a stream show an ASCII look-alike of what its encoding lacks: bars and charts must not fail on it."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_LOOKALIKE)


def _speaks_unicode(stream: object) -> bool:
    return (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")


def _lookalike(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_in_ascii, error.object[error.start : error.end])), error.end


def _in_ascii(character: str) -> str:
    if (code := ord(character)) in _BRAILLE:
        upper, lower = code & _UPPER_DOTS, code & _LOWER_DOTS
        return (":" if lower else "'") if upper else ("." if lower else " ")
    return _LOOKALIKES.get(character, "?")


codecs.register_error(_LOOKALIKE, _lookalike)
