"""Entry point: answers ``--version`` without loading anything, then hands over to the commands."""

import os
import signal
import sys
from types import FrameType

from monitor import __version__


def main() -> None:
    """Run the command line."""
    if "run" in sys.argv[1:]:
        # Loading everything takes a while; a daemon told to stop before it began ends as one that was drained.
        # Its event loop replaces these handlers before anything is opened.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end)
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"position-monitor {__version__}\n")
        return
    from monitor.cli.root import run

    sys.exit(run())


def _end(_number: int, _frame: FrameType | None) -> None:
    # Not SystemExit: an import in progress could swallow or report it.
    os._exit(0)


if __name__ == "__main__":
    main()
