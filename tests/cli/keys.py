"""A real shell on a terminal of its own: keys are pressed, and what it shows is read."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_PATIENCE_S = 60.0
_SIZE = struct.pack("HHHH", 40, 300, 0, 0)  # wide: a line that is wrapped is not found
# The terminal becomes the one that controls the shell, which else has no line to edit.
_LAUNCH = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


class Keys:
    """Runs a shell in a directory until the block ends."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str], where: Path) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, _SIZE)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, *words],
            stdin=slave, stdout=slave, stderr=slave, env={**environ, "TERM": "dumb"}, cwd=where,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def press(self, keys: str) -> None:
        """Press keys at once; the shell takes one after the other, however long each takes it."""
        os.write(self._master, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until the text is shown."""
        while text not in self._shown:
            ready, _, _ = select.select([self._master], [], [], _PATIENCE_S)
            assert ready, f"{text!r} is not shown: {self._shown!r}"
            self._shown += os.read(self._master, 65536).decode()
