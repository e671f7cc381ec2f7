"""Signals that come while the program is still being loaded, which takes a while. Imports nothing of ours."""

import os
import signal
from types import FrameType

hung_up = False  # the configuration is to be read again, once there is a daemon
_terminal = False  # it was started from one, and was not told to outlive it


def take_signals() -> None:
    """Have a daemon that is told to stop before it began end as one that was drained, and survive a SIGHUP.

    Its event loop replaces these handlers before anything is opened.
    """
    global _terminal  # noqa: PLW0603 - there is one process
    # nohup has it ignored.
    _terminal = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and _has_terminal()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    signal.signal(signal.SIGHUP, _note)


def is_abandoned() -> bool:
    """Return whether the terminal is gone that the program was started from: a window or connection was closed."""
    return _terminal and not _has_terminal()


def has_terminal() -> bool:
    """Return whether the program ends with a terminal that it was started from."""
    return _terminal


def outlive_terminal() -> None:
    """Forget the terminal: it is gone, and the program was left to go on."""
    global _terminal  # noqa: PLW0603 - there is one process
    _terminal = False


def _has_terminal() -> bool:
    # The one that controls this process, wherever its streams lead; the system takes it away when it hangs up.
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _end(_number: int, _frame: FrameType | None) -> None:
    # Not SystemExit: an import in progress could swallow or report it.
    os._exit(0)


def _note(_number: int, _frame: FrameType | None) -> None:
    global hung_up  # noqa: PLW0603 - a handler has nothing else
    hung_up = True
