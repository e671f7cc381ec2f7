"""A real process on a terminal of its own whose whole screen it draws: what stands on it now is read."""

import fcntl
import os
import pty
import re
import resource
import select
import signal
import struct
import sys
import termios
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from monitor.system_clock import SystemClock

PATIENCE_S = 90.0  # for anything to be shown
WHOLE_S = 240.0  # for all that is waited for: it draws for ever
TAKEN, GIVEN_BACK = b"\x1b[?1049h", b"\x1b[?1049l"
_SIZES = ("COLUMNS", "LINES", "NO_COLOR")
_HOME = b"\x1b[H"
_ORDERS = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


class Window:
    """The program on a terminal of this size, until it ends."""

    def __init__(
        self, words: Sequence[str], width: int = 100, height: int = 30, term: str = "xterm-256color"
    ) -> None:
        self._raw = b""
        self._clock = SystemClock()
        self._until_s = self._clock.mono_s() + WHOLE_S
        self.pid, self.terminal = pty.fork()
        if not self.pid:
            # What another test may have set is inherited.
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            # Said as a whole: readline sets COLUMNS where Python does not see it.
            environ = {name: value for name, value in os.environ.items() if name not in _SIZES} | {"TERM": term}
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
            os.execve(sys.executable, [sys.executable, "-m", "monitor", *words], environ)  # noqa: S606 - no shell is wanted
        self.before: list[Any] = termios.tcgetattr(self.terminal)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        with suppress(OSError):
            os.close(self.terminal)

    @property
    def raw(self) -> bytes:
        """All that it wrote."""
        return self._raw

    @property
    def lines(self) -> list[str]:
        """What stands on the screen, as it was drawn last in whole; nothing before that."""
        frames = self._raw.split(_HOME)[1:-1]
        return [] if not frames else _ORDERS.sub(b"", frames[-1]).decode(errors="replace").splitlines()

    @property
    def text(self) -> str:
        """The same as one text."""
        return "\n".join(line.rstrip() for line in self.lines)

    def until(self, condition: Callable[[str], bool]) -> str:
        """Read until what stands on the screen fulfils it, and return that."""
        while not condition(self.text):
            assert self.read(), f"it ended: {self.text}"
        return self.text

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self.terminal, keys.encode())

    def resize(self, width: int, height: int) -> None:
        """Make the window as large."""
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def read(self) -> bool:
        """Take what it writes next; return False once it writes no more."""
        assert self._clock.mono_s() < self._until_s, f"waited in vain: {self.text}"
        ready, _, _ = select.select([self.terminal], [], [], PATIENCE_S)
        assert ready, f"nothing more is shown: {self.text}"
        try:
            data = os.read(self.terminal, 65536)
        except OSError:  # Linux says so where the other end is closed
            return False
        self._raw += data
        return bool(data)

    def end(self) -> int:
        """Read until it ends, and return its exit code, a signal as a negative number."""
        while self.read():
            pass
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def is_given_back(self) -> bool:
        """Whether the terminal is as it was: its text and cursor are back, and it takes keys as before."""
        shown = self._raw.rfind(GIVEN_BACK) > self._raw.rfind(TAKEN) and (
            self._raw.rfind(b"\x1b[?25h") > self._raw.rfind(b"\x1b[?25l")
        )
        return shown and termios.tcgetattr(self.terminal) == self.before
