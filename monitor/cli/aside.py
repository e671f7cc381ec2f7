"""The log of commands that run parts of the daemon: out of the way of what they print."""

import contextlib
import logging
from collections.abc import Iterator
from typing import TextIO

import structlog

from monitor import logs


@contextlib.contextmanager
def log_to(stream: TextIO, level: str = "info") -> Iterator[None]:
    """Send the log to ``stream`` as JSON until the block ends."""
    root = logging.getLogger()
    before, handlers, loudness = structlog.get_config(), root.handlers[:], root.level
    logs.configure(level, "json", stream)
    try:
        yield
    finally:
        structlog.configure(**before)
        root.handlers[:] = handlers
        root.setLevel(loudness)
