"""Signals that come while the program is still being loaded, which takes a while. Imports nothing of ours."""

import os
import signal
from types import FrameType

hung_up = False  # the configuration is to be read again, once there is a daemon


def take_signals() -> None:
    """Have a daemon that is told to stop before it began end as one that was drained, and survive a SIGHUP.

    Its event loop replaces these handlers before anything is opened.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    signal.signal(signal.SIGHUP, _note)


def _end(_number: int, _frame: FrameType | None) -> None:
    # Not SystemExit: an import in progress could swallow or report it.
    os._exit(0)


def _note(_number: int, _frame: FrameType | None) -> None:
    global hung_up  # noqa: PLW0603 - a handler has nothing else
    hung_up = True
