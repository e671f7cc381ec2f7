"""The lead-time study: ``python -m benchmarks.lead_time [--quick] [--even] [--jobs N] [--no-write]``.

Writes its tables into docs/lead-time.md and draws docs/lead-time.png; a quick or an even run only prints.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from benchmarks.lead_time.market import facts
from benchmarks.lead_time.picture import draw
from benchmarks.lead_time.plan import tasks
from benchmarks.lead_time.study import run
from benchmarks.lead_time.tables import place, tables

DOCUMENT = Path(__file__).parents[2] / "docs" / "lead-time.md"
PICTURE = DOCUMENT.with_suffix(".png")
_FACTS_PATHS = 200


def main() -> int:
    """Run the study and write what it found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lead_time", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of it, in a minute; prints only")
    parser.add_argument("--even", action="store_true", help="the seeds the levels were tuned on; prints only")
    parser.add_argument("--jobs", type=int, default=1, help="processes; the results do not depend on it")
    parser.add_argument("--no-write", action="store_true", help="print the tables, write nothing")
    options = parser.parse_args()
    writes = not (options.quick or options.even or options.no_write)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as shown:
        bar = shown.add_task("lead times", total=1.0)
        results = run(
            tasks(even=options.even, quick=options.quick),
            options.jobs,
            lambda done: shown.update(bar, completed=done),
        )
    if options.even:
        results = results.swapped()
    found = tables(results, facts(20 if options.quick else _FACTS_PATHS, seed=1))
    if writes:
        DOCUMENT.write_text(place(DOCUMENT.read_text(encoding="utf-8"), found), encoding="utf-8")
        draw(results, PICTURE)
        print(f"wrote {DOCUMENT} and {PICTURE}")
    else:
        print("\n\n".join(f"{name}\n\n{table}" for name, table in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
