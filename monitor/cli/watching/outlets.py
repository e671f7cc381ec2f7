"""Where what is seen goes: onto the whole terminal, as blocks of text, or as JSON, an object a line."""

import os
import signal
import sys
import termios
import tty
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from rich.console import Console
from rich.live import Live

from monitor.cli.common import print_json_line
from monitor.cli.status import in_words
from monitor.cli.watching.parts import Look
from monitor.cli.watching.picture import Picture
from monitor.errors import MonitorError

_ENDS: Final = b"qQ"
_GONE = (OSError, termios.error)  # the terminal is closed


class Outlet(Protocol):
    """Who is shown what there is to see."""

    live: bool  # drawn anew as time passes, so that ages are right

    def open(self) -> None:
        """Begin."""
        ...

    def close(self) -> None:
        """Give back what was taken, whatever became of it."""
        ...

    def show(self, look: Look, document: object, error: MonitorError | None) -> None:
        """Show an answer, or that there was none; ``document`` is the answer as it came."""
        ...

    def pass_time(self, look: Look) -> None:
        """Show the same a little later."""
        ...

    @property
    def keys(self) -> Sequence[int]:
        """Descriptors on which keys may be read."""
        ...

    def ends(self, key: int) -> bool:
        """Read keys; return whether they end it."""
        ...


class Lines:
    """One JSON object a line: what ``status --json`` has, or the error."""

    live = False
    keys: Sequence[int] = ()

    def open(self) -> None:
        """Nothing is needed."""

    def close(self) -> None:
        """Nothing is held."""

    def show(self, look: Look, document: object, error: MonitorError | None) -> None:
        """Print the line."""
        print_json_line(in_words(document) if error is None else {"error": look.silent, "problems": ()})
        sys.stdout.flush()

    def pass_time(self, look: Look) -> None:
        """Nothing: each line is of its moment."""

    def ends(self, key: int) -> bool:  # noqa: ARG002
        """Nothing is read."""
        return False


class Blocks(Lines):
    """One block of text for each answer, and for each time that none came."""

    def __init__(self, out: Console) -> None:
        self._out = out

    def show(self, look: Look, document: object, error: MonitorError | None) -> None:  # noqa: ARG002
        """Print the block."""
        self._out.print(Picture(look, whole=True))
        self._out.print()
        sys.stdout.flush()


class Screen:
    """The whole terminal, which gets back what it was before: its text, its cursor, and how it takes keys."""

    live = True

    def __init__(self, out: Console) -> None:
        self._out = out
        self._view: Live | None = None
        self._keys: int | None = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._before: list[Any] | None = None

    @property
    def keys(self) -> Sequence[int]:
        """The keyboard, if there is one."""
        return () if self._keys is None else (self._keys,)

    def open(self) -> None:
        """Take the terminal."""
        if self._keys is not None:
            self._before = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys)
        self._view = Live(console=self._out, screen=True, auto_refresh=False, vertical_overflow="crop")
        self._view.start()

    def close(self) -> None:
        """Give it back; one that is gone wants nothing."""
        view, self._view = self._view, None
        if view is not None:
            with suppress(*_GONE):
                view.stop()
        before, self._before = self._before, None
        if before is not None and self._keys is not None:
            with suppress(*_GONE):
                termios.tcsetattr(self._keys, termios.TCSAFLUSH, before)

    def stop(self) -> None:
        """Stop as Ctrl-Z asks for, the terminal given back meanwhile."""
        self.close()
        os.kill(os.getpid(), signal.SIGSTOP)
        self.open()

    def show(self, look: Look, document: object, error: MonitorError | None) -> None:  # noqa: ARG002
        """Draw."""
        self.pass_time(look)

    def pass_time(self, look: Look) -> None:
        """Draw."""
        if self._view is not None:
            self._view.update(Picture(look), refresh=True)

    def ends(self, key: int) -> bool:
        """Read keys: q ends it, and so does a keyboard that is gone."""
        try:
            typed = os.read(key, 1024)
        except OSError:
            return True
        return not typed or any(one in _ENDS for one in typed)
