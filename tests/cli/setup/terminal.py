"""A real process on a terminal of its own: what it shows is read, answers are typed."""

import os
import pty
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

_PATIENCE_S = 60.0
# The terminal becomes the one that controls the process: passwords are asked there, and Ctrl-C goes through it.
_LAUNCH = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'monitor', *sys.argv[1:]])\n"
)


class Terminal:
    """Runs the program until it ends."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        environ = {**environ, "TERM": "dumb", "COLUMNS": "80", "LINES": "40"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, *words],
            stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.shown = ""
        self._read_to = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def wait_for(self, text: str) -> None:
        """Read until the text is shown."""
        while (at := self.shown.find(text, self._read_to)) < 0:
            assert self._read(), f"{text!r} is not shown: {self.shown}"
        self._read_to = at + len(text)

    def answer(self, question: str, keys: str) -> None:
        """Wait for a question and type."""
        self.wait_for(question)
        while not self.shown[self._read_to :].endswith(": "):
            assert self._read()
        os.write(self._master, keys.encode())

    def end(self) -> int:
        """Read until it ends, and return its exit code."""
        while self._read():
            pass
        return self._process.wait(_PATIENCE_S)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], _PATIENCE_S)
        assert ready, f"nothing more is shown: {self.shown}"
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux says so where the other end is closed
            return False
        self.shown += data.decode().replace("\r\n", "\n")
        return bool(data)
