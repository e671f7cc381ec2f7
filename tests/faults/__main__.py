"""``make faults``: play every row and renew the table of docs/faults.md."""

import argparse
import sys

from tests.faults.catalogue import ROWS
from tests.faults.document import renew
from tests.faults.parallel import played
from tests.faults.promises import broken
from tests.faults.run import How


def main() -> int:
    """Return 0 if every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", help="only rows whose name contains one of these; writes nothing")
    parser.add_argument("--factor", type=float, default=10.0, help="how many seconds pass in one")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--beside", type=int, default=16, help="rows at a time in each process")
    parser.add_argument("--tries", type=int, default=3, help="plays of a row where the machine was too slow")
    parser.add_argument("--steady", type=float, default=0.5, help="how many seconds too slow is too slow")
    parser.add_argument("--story", action="store_true", help="print what was said and logged in each row")
    chosen = parser.parse_args()
    rows = [row for row in ROWS if not chosen.names or any(part in row.name for part in chosen.names)]
    how = How(chosen.beside, steady_s=chosen.steady, tries=chosen.tries)
    outcomes = played(rows, how, factor=chosen.factor, processes=chosen.processes, story=chosen.story)
    failed = {row.name: found for row in rows if (found := broken(row, outcomes[row.name]))}
    for name, reasons in failed.items():
        sys.stdout.write(f"{name}: {'; '.join(reasons)}\n")
        sys.stdout.writelines(f"    {line}\n" for line in outcomes[name].story)
    if not chosen.names:
        renew(rows, outcomes, factor=chosen.factor)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
