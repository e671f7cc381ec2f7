"""Before the program is loaded, which takes a while: signals that come meanwhile. Imports nothing of ours."""

import os
import signal
from contextlib import suppress
from types import FrameType
from typing import Final

# Else numpy starts a thread for each processor as it is loaded, hundreds on a large machine, and fails where a
# container may not have so many. Nothing here is large enough to gain by them.
FEW_THREADS: Final = {"OPENBLAS_NUM_THREADS": "1"}
hung_up = False  # the configuration is to be read again, once there is a daemon
_terminal = False  # it was started from one, and was not told to outlive it


def take_few_threads() -> None:
    """Have numpy start no threads of its own, unless whoever started the program said how many."""
    for name, value in FEW_THREADS.items():
        os.environ.setdefault(name, value)


def hold_streams() -> None:
    """Let no file that is opened later become standard input, output or error, where one was closed.

    What is written to output fails as before, and what is written to error goes nowhere.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, mode)  # the lowest that is free; those below are taken
                os.set_inheritable(number, True)


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
