"""Rows played in several processes, each with a loop of its own."""

import multiprocessing
import sys
from collections.abc import Sequence
from multiprocessing.queues import SimpleQueue

from tests.faults.catalogue import ROWS
from tests.faults.pace import run_fast
from tests.faults.play import Outcome
from tests.faults.rows import Row
from tests.faults.run import How, play_all

_BY_NAME = {row.name: row for row in ROWS}

# A row's outcome; None: this process has no more.
_Results = SimpleQueue[Outcome | None]


def played(
    rows: Sequence[Row], how: How, *, factor: float, processes: int, story: bool = False
) -> dict[str, Outcome]:
    """Return what came of each row by name, and print it as it comes.

    Args:
        rows: to play, each once.
        how: as in :func:`play_all`.
        factor: how many seconds of the stories pass in one.
        processes: how many share the rows.
        story: print what was said and logged, too.
    """
    context = multiprocessing.get_context("spawn")
    results: _Results = context.SimpleQueue()
    shares = [names for number in range(processes) if (names := [row.name for row in rows[number::processes]])]
    workers = [context.Process(target=_work, args=(names, factor, how, results), daemon=True) for names in shares]
    for worker in workers:
        worker.start()
    outcomes: dict[str, Outcome] = {}
    running = len(workers)
    while running:
        outcome = results.get()
        if outcome is None:
            running -= 1
            continue
        outcomes[outcome.row] = outcome
        lines = [f"{len(outcomes):4}/{len(rows)} {_line(outcome)}", *(outcome.story if story else ())]
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()
    for worker in workers:
        worker.join()
    if missing := [row.name for row in rows if row.name not in outcomes]:
        raise RuntimeError(f"not played: {', '.join(missing)}")
    return outcomes


def _work(names: list[str], factor: float, how: How, results: _Results) -> None:
    try:
        run_fast(play_all([_BY_NAME[name] for name in names], how, results.put), factor)
    finally:
        results.put(None)


def _line(one: Outcome) -> str:
    def text(seconds: float | None) -> str:
        return "-" if seconds is None else f"{seconds:.1f}"

    return (
        f"{one.row:28} noticed {text(one.noticed_s):>5}  told {text(one.told_s):>5} {one.sign:12}"
        f"  recovered {text(one.recovered_s):>5}  emergency after {text(one.late_s):>5}"
        f"  lost {len(one.lost)}  messages {one.messages}  lag {one.lag_s:.1f}  {', '.join(one.unwell)}"
    )
