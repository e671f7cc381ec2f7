"""Entry point: answers ``--version`` and ``healthcheck`` without loading much, then hands over to the commands."""

import os
import sys

from monitor import __version__, early
from monitor.cli.closed import UnwritableError, stand_in


def main() -> None:
    """Run the command line."""
    early.hold_streams()
    early.take_few_threads()
    stand_in()
    try:
        _answer()
    except UnwritableError as error:  # of what no command says: commands tell their own
        sys.stderr.write(f"position-monitor: the output cannot be written: {error.strerror}\n")
        sys.exit(1)


def _answer() -> None:
    if sys.argv[1:2] == ["__complete"]:  # first of all: the words behind it are those of another line
        from monitor.cli.completion import answer

        answer(sys.argv[2:])
        return
    if "run" in sys.argv[1:]:
        early.take_signals()
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"position-monitor {__version__}\n")
        return
    if "healthcheck" in sys.argv[1:]:
        from monitor.healthcheck import check, wanted_by

        if (wanted := wanted_by(sys.argv[1:])) is not None:
            sys.exit(check(wanted, os.environ))
    from monitor.cli.root import run

    sys.exit(run())


if __name__ == "__main__":
    main()
