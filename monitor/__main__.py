"""Entry point: answers ``--version`` without loading anything, then hands over to the commands."""

import sys

from monitor import __version__


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"position-monitor {__version__}\n")
        return
    from monitor.cli.root import run

    sys.exit(run())


if __name__ == "__main__":
    main()
