"""Kills the daemon at every labelled step and at random moments, and counts: ``python -m tests.crash.campaign``.

Everything is imported once; each life of the daemon is a fork of that process, which has one thread only.
"""

import argparse
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import structlog

from monitor.ports import Step
from monitor.system_clock import SystemClock
from tests.crash.child import Life, live
from tests.crash.judge import Verdict, accepted_in, judge

LIVES_MOST: Final = 8
CLOCK: Final = SystemClock()


class Case(NamedTuple):
    """Where the first processes are killed; the one after them lives on."""

    name: str
    seed: int
    step: tuple[Step, int] | None = None
    delays_s: tuple[float, ...] = ()  # since the start of each process


class Outcome(NamedTuple):
    """What became of a case."""

    case: Case
    crashes: int
    verdict: Verdict
    directory: str  # kept where something is wrong


def run_case(case: Case, folder: Path) -> Outcome:
    directory = Path(tempfile.mkdtemp(prefix="case-", dir=folder))
    began_s = CLOCK.mono_s()
    crashes = 0
    for number in range(LIVES_MOST):
        step = case.step if number == 0 else None
        delay_s = case.delays_s[number] if number < len(case.delays_s) else None
        status = _life(Life(directory, number, began_s, case.seed, step), delay_s)
        if os.WIFEXITED(status):
            break
        crashes += 1
    verdict = judge(directory, crashes)
    faults = list(verdict.faults)
    if status != 0:
        faults.append(f"the last process ended with {status}")
    if not faults:
        shutil.rmtree(directory)
    return Outcome(case, crashes, verdict._replace(faults=tuple(faults)), str(directory) if faults else "")


def _life(life: Life, delay_s: float | None) -> int:
    """Return how one process ended, killed after ``delay_s`` seconds if it is still there."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            log = os.open(life.directory / f"log-{life.number}", os.O_WRONLY | os.O_CREAT, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            live(life)
            code = 0
        except BaseException:  # noqa: BLE001 - the child must end here, whatever happened
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    if delay_s is not None:
        until_s = CLOCK.mono_s() + delay_s
        while (left_s := until_s - CLOCK.mono_s()) > 0:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                return status
            select.select((), (), (), min(left_s, 0.002))
        os.kill(process, signal.SIGKILL)
    return os.waitpid(process, 0)[1]


def cases(steps: dict[Step, int], length_s: float, *, times: int, moments: int, seed: int) -> Iterator[Case]:
    """Return all cases.

    Args:
        steps: how often each step is taken in a run that nobody kills.
        length_s: how long that takes.
        times: at how many of them, spread over the run; 0 stands for all.
        moments: how many random ones.
        seed: of the moments.
    """
    rng = Random(seed)  # noqa: S311 - chooses moments, guards nothing
    for step, count in steps.items():
        # The last few may not come in every run: what is decided together is committed together.
        most = max(1, round(count * 0.8))
        chosen = list(range(1, most + 1))
        if times:
            chosen = sorted({1 + round(part * (most - 1) / max(1, times - 1)) for part in range(times)})
        for n in chosen:
            yield Case(f"{step.value} {n}", seed + n, (step, n))
    for n in range(moments):
        delays = tuple(rng.uniform(0.0, length_s) for _ in range(rng.choice((1, 1, 2, 3))))
        yield Case(f"random {n}", seed + n, delays_s=delays)


def undisturbed(folder: Path, seed: int) -> tuple[dict[Step, int], float, Verdict]:
    """Run the incident without a crash; return how often each step was taken, the seconds, and the verdict."""
    directory = Path(tempfile.mkdtemp(prefix="whole-", dir=folder))
    began_s = CLOCK.mono_s()
    status = _life(Life(directory, 0, began_s, seed), None)
    length_s = CLOCK.mono_s() - began_s
    if status != 0:
        sys.stderr.write((directory / "log-0").read_text())
        raise SystemExit(f"the incident ended with {status} without any crash")
    taken = {Step(name): count for name, count in json.loads((directory / "steps").read_text()).items()}
    verdict = judge(directory, 0)
    if verdict.faults:
        rows = "\n".join(map(str, accepted_in(directory)))
        raise SystemExit(f"promises broken without any crash: {verdict.faults}\n{rows}")
    return taken, length_s, verdict


def _in_parallel(work: Sequence[Case], workers: int, folder: Path) -> list[Outcome]:
    """Return the outcomes of all cases, each worker a fork that takes every n-th of them."""
    processes = []
    for worker in range(workers):
        process = os.fork()
        if process == 0:
            code = 1
            try:
                done = [(case.name, run_case(case, folder)) for case in work[worker::workers]]
                rows = {name: (one.crashes, one.verdict, one.directory) for name, one in done}
                (folder / f"worker-{worker}").write_text(json.dumps(rows))
                code = 0
            except BaseException:  # noqa: BLE001 - the worker must end here, whatever happened
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        processes.append(process)
    if sum(os.waitpid(process, 0)[1] for process in processes):
        raise SystemExit("a worker failed")
    rows = {}
    for worker in range(workers):
        rows |= json.loads((folder / f"worker-{worker}").read_text())
    by_name = {case.name: case for case in work}
    return [
        Outcome(by_name[name], crashes, Verdict(*verdict[:-1], tuple(verdict[-1])), directory)
        for name, (crashes, verdict, directory) in rows.items()
    ]


def report(outcomes: Sequence[Outcome], seed: int, seconds: float) -> dict[str, object]:
    """Return the counts as a document."""
    verdicts = [one.verdict for one in outcomes]
    return {
        "seed": seed,
        "seconds": round(seconds, 1),
        "incidents": len(outcomes),
        "crashes": sum(one.crashes for one in outcomes),
        "crashes_at_each_step": {
            step.value: sum(one.crashes for one in outcomes if one.case.step and one.case.step[0] is step)
            for step in Step
        },
        "crossings": sum(one.crossings for one in verdicts),
        "lost": sum(one.lost for one in verdicts),
        "repeats": sum(one.repeats for one in verdicts),
        "most_repeats_of_a_notice": max(one.most_repeats for one in verdicts),
        "closed_once": sum(one.closed for one in verdicts),
        "faults": [
            f"{one.case.name} {one.case.delays_s}: {fault} ({one.directory})"
            for one in outcomes
            for fault in one.verdict.faults
        ],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Kill the daemon at each labelled step and at random moments.")
    parser.add_argument("--moments", type=int, default=200, help="random ones (default: %(default)s)")
    parser.add_argument(
        "--times", type=int, default=0, help="of each step; 0, the default: every time it is taken"
    )
    parser.add_argument("--seed", type=int, default=4, help="of the random moments (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=3, help="at once (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory())
    began_s = CLOCK.mono_s()
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    steps, length_s, _ = undisturbed(folder, chosen.seed)
    work = list(cases(steps, length_s, times=chosen.times, moments=chosen.moments, seed=chosen.seed))
    outcomes = _in_parallel(work, chosen.workers, folder)
    found = report(outcomes, chosen.seed, CLOCK.mono_s() - began_s)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    if not found["faults"]:
        shutil.rmtree(folder)
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
