"""Questions on a terminal: on standard error, so that standard output holds nothing but results."""

import getpass
import os
import shutil
import sys
import textwrap
import warnings
from collections.abc import Callable
from typing import TypeVar

from monitor.config import Secret
from monitor.errors import MonitorError

_WIDEST, _NARROWEST = 80, 30
_MARGIN = "  "

Value = TypeVar("Value")


class NobodyAnswersError(MonitorError):
    """The terminal was closed, or cannot hide what is typed."""


class Refused(Exception):  # noqa: N818 - an answer, not an error of the program
    """An answer that cannot be; the text says what could."""


def there() -> bool:
    """Return whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def say(text: str) -> None:
    """Print paragraphs, wrapped; lines that begin with a blank stay as they are."""
    for line in text.split("\n"):
        sys.stderr.write(f"{line if line.startswith(' ') else _wrapped(line)}\n")
    sys.stderr.flush()


def _wrapped(line: str, margin: str = "") -> str:
    width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns)) - 1
    return textwrap.fill(
        line,
        width,
        break_long_words=False,
        break_on_hyphens=False,
        initial_indent=margin,
        subsequent_indent=margin,
    )


def _say_below(text: str) -> None:
    sys.stderr.write(f"{_wrapped(text, _MARGIN)}\n")


def heading(text: str) -> None:
    """Print what the next questions are about."""
    bold = "NO_COLOR" not in os.environ and os.environ.get("TERM", "dumb") != "dumb"
    sys.stderr.write(f"\n\x1b[1m{text}\x1b[0m\n" if bold else f"\n{text}\n")


def ask(label: str, default: str, convert: Callable[[str], Value]) -> Value:
    """Ask until the answer can be; Enter alone takes the default.

    Raises:
        NobodyAnswersError: the end of input.
    """
    while True:
        sys.stderr.write(f"{_MARGIN}{label}{f' [{default}]' if default else ''}: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise NobodyAnswersError("the input ended; nothing was written")
        try:
            return convert(line.strip() or default)
        except Refused as refusal:
            _say_below(str(refusal))


def ask_hidden(label: str, wrong_with: Callable[[Secret], str], *, needed: bool) -> Secret | None:
    """Ask for a secret, which is not shown, until it can be used; None if it is not needed and not given.

    Raises:
        NobodyAnswersError: the end of input, or a terminal that would show it.
    """
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            try:
                text = getpass.getpass(f"{_MARGIN}{label}: ", sys.stderr).strip()
            except EOFError:
                raise NobodyAnswersError("the input ended; nothing was written") from None
            except getpass.GetPassWarning:
                cause = "this terminal would show secrets: give them by the options for files"
                raise NobodyAnswersError(f"{cause}; nothing was written") from None
        if not text and not needed:
            return None
        words = wrong_with(Secret(text)) if text else "something is needed here; Ctrl-C stops"
        if not words:
            _say_below("taken")
            return Secret(text)
        _say_below(words)
