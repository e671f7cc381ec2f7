"""Standard streams that were closed before the program began, as ``>&-`` does. Python has None in their place."""

import errno
import io
import os
import sys
from typing import TextIO, cast


class UnwritableError(OSError):
    """Standard output is closed: what was to be printed there is lost."""


class _Closed(io.TextIOBase):
    def writable(self) -> bool:
        return True

    def write(self, _text: str, /) -> int:
        """Refuse: an answer that nobody gets is an error."""
        raise UnwritableError(errno.EBADF, os.strerror(errno.EBADF))


def stand_in() -> None:
    """Let standard output refuse what is written there if it is closed, and closed standard error swallow it."""
    streams: dict[str, TextIO | None] = {"stdout": sys.stdout, "stderr": sys.stderr}
    if streams["stdout"] is None:
        sys.stdout = cast("TextIO", _Closed())
    if streams["stderr"] is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - as long as the process
