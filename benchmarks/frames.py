"""What does a frame cost, from the socket to the decision? ``python -m benchmarks.frames [--json] [--quick]``.

Processor time of the monitor's own path (feed, inbox, engine) beside a bare loop on the same socket library that
only decodes, against an exchange in another process. The two take turns, so that whatever else the machine does
meets both; what counts is their ratio. Then latencies with a thousand positions, up to the commit.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks import scenes
from benchmarks.exchange import Burst, Exchange, Program, running
from benchmarks.latency import (
    Beside,
    Bursts,
    Crashes,
    Spread,
    measure_beside,
    measure_bursts,
    measure_crashes,
    measure_plain_commits,
)
from benchmarks.runs import Run, engine_for, run_bare, run_ours, start_ms
from monitor import logs

ARRAY_RATIO_AT_MOST = 1.25
COMMIT_P99_AT_MOST_MS = 50.0
ATTEMPT_AIM = "p99 <= 250 ms"


class Sizes(NamedTuple):
    """How much is measured."""

    rounds: int
    singles: int
    flood: int
    arrays: int
    bursts: int
    commits: int
    crashes: int


FULL = Sizes(rounds=7, singles=1500, flood=30_000, arrays=400, bursts=120, commits=200, crashes=5)
QUICK = Sizes(rounds=3, singles=500, flood=10_000, arrays=120, bursts=30, commits=30, crashes=1)


class Cost(NamedTuple):
    """Processor time a frame, in microseconds, and how many times the bare loop's ours is: by round."""

    name: str
    frames: int  # in each round, on each side
    ours_us: float  # median
    bare_us: float
    ratio: float  # median of the rounds' ratios
    ratio_least: float
    ratio_most: float
    ours_frames_per_s: float  # median, wall time
    bare_frames_per_s: float
    steps: int  # of the engine, for all frames of a round
    coalesced: int  # ticks that joined a newer one of their symbol
    at_most: float | None = None  # what the ratio should be


class Report(NamedTuple):
    """Everything measured, and where."""

    machine: dict[str, Any]
    costs: tuple[Cost, ...]
    bursts: Bursts
    beside: Beside
    crashes: Crashes
    plain_commit: Spread


def compare(
    exchange: Exchange, name: str, make: Callable[[], Program], rounds: int, at_most: float | None = None
) -> Cost:
    """Run both sides by turns, each round in the other order."""
    account = scenes.small_account()
    tables = scenes.tables_of((account,))
    pairs: list[tuple[Run, Run]] = []
    for number in range(rounds):
        runs = {}
        for side in ("ours", "bare") if number % 2 == 0 else ("bare", "ours"):
            if side == "ours":
                runs[side] = asyncio.run(run_ours(exchange, make(), engine_for((account,), tables)))
            else:
                runs[side] = asyncio.run(run_bare(exchange, make()))
        pairs.append((runs["ours"], runs["bare"]))
    ratios = [ours.cpu_s / bare.cpu_s for ours, bare in pairs]
    ours, bare = [ours for ours, _ in pairs], [bare for _, bare in pairs]
    return Cost(
        name,
        ours[0].bursts,
        statistics.median(run.cpu_us for run in ours),
        statistics.median(run.cpu_us for run in bare),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        statistics.median(run.bursts / run.wall_s for run in ours),
        statistics.median(run.bursts / run.wall_s for run in bare),
        round(statistics.median(run.steps for run in ours)),
        round(statistics.median(run.coalesced for run in ours)),
        at_most,
    )


def measure(sizes: Sizes, directory: Path | None, say: Callable[[str], None]) -> Report:
    """Measure everything; ``say`` is told what comes next."""
    singles, arrays = scenes.singles(), scenes.arrays()

    def program(bursts: Sequence[Burst], count: int, *, array: bool = False, lockstep: bool = False) -> Program:
        warm = max(20, count // 10)
        return Program(bursts, count + warm, start_ms(), warm=warm, array=array, lockstep=lockstep)

    with running() as exchange:
        costs = []
        for name, make, at_most in (
            ("each frame by itself", lambda: program(singles, sizes.singles, lockstep=True), None),
            ("at saturation", lambda: program(singles, sizes.flood), None),
            (
                "array of 750, 5 watched",
                lambda: program(arrays, sizes.arrays, array=True, lockstep=True),
                ARRAY_RATIO_AT_MOST,
            ),
            ("such arrays at saturation", lambda: program(arrays, sizes.arrays, array=True), None),
        ):
            say(name)
            costs.append(compare(exchange, name, make, sizes.rounds, at_most))
        say("bursts over 1,000 positions")
        bursts = asyncio.run(measure_bursts(exchange, sizes.bursts))
        say("commits and attempts with 1,000 positions, a slow channel beside a healthy one")
        plain = measure_plain_commits(directory)
        beside = asyncio.run(measure_beside(exchange, sizes.commits, directory))
        say("all wallets at once")
        crashes = asyncio.run(measure_crashes(exchange, sizes.crashes, directory))
    return Report(machine(), tuple(costs), bursts, beside, crashes, plain)


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    packages = ("websockets", "msgspec", "numpy")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        **{name: version(name) for name in packages},
    }


def cost_table(costs: Sequence[Cost]) -> Table:
    """Return the processor times for people."""
    table = Table(
        title="Processor time a frame, 5 positions on 5 symbols (medians of rounds)", title_justify="left"
    )
    for head in ("", "ours", "bare", "ratio", "aim", "frames/s", "bare", "frames", "coalesced"):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    for cost in costs:
        table.add_row(
            cost.name, f"{cost.ours_us:,.1f} us", f"{cost.bare_us:,.1f} us",
            f"{cost.ratio:.2f} ({cost.ratio_least:.2f} to {cost.ratio_most:.2f})",
            "" if cost.at_most is None else f"<= {cost.at_most}",
            f"{cost.ours_frames_per_s:,.0f}", f"{cost.bare_frames_per_s:,.0f}",
            f"{cost.frames:,}", f"{cost.coalesced:,}",
        )  # fmt: skip
    return table


def latency_table(report: Report) -> Table:
    """Return the latencies for people."""
    table = Table(title="Latency, 1,000 positions on 200 symbols", title_justify="left")
    for head in ("", "p50", "p99", "worst", "aim", "samples"):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    aim = f"p99 <= {COMMIT_P99_AT_MOST_MS:.0f} ms"
    crossings = report.crashes.crossings
    fast, slow = report.beside.fast, report.beside.slow
    for name, spread, wanted in (
        ("burst of 200 frames: each frame to its decision", report.bursts.frame_to_decision, ""),
        ("burst of 200 frames: to the last decision", report.bursts.burst_to_decision, ""),
        (f"one evaluation ({report.bursts.steps_per_burst:.1f} a burst)", report.bursts.step, ""),
        ("frame to commit, two or three wallets cross", fast.frame_to_commit, aim),
        ("frame to commit, a slow channel beside", slow.frame_to_commit, aim),
        ("burst to attempt, two or three wallets cross", fast.burst_to_attempt, ATTEMPT_AIM),
        ("burst to attempt, a slow channel beside", slow.burst_to_attempt, ATTEMPT_AIM),
        (f"frame to commit, {crossings} wallets cross at once", report.crashes.frame_to_commit, ""),
        (f"burst to first attempt, {crossings} at once", report.crashes.burst_to_attempt, ATTEMPT_AIM),
        ("one durable commit of plain sqlite3, to compare", report.plain_commit, ""),
    ):
        figures = (f"{value:,.2f} ms" for value in spread[1:])
        table.add_row(name, *figures, wanted, f"{spread.samples:,}")
    return table


def slow_table(beside: Beside) -> Table:
    """Return what a slow channel costs a healthy one, for people: how many times as long everything takes."""
    title = f"Beside a channel that takes {beside.slow_send_s:g} s for a message, and beside one that takes none"
    table = Table(title=title, title_justify="left", caption=f"{beside.slow_sent} slow messages", min_width=80)
    for head in ("", "p50", "p99", "worst"):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    fast, slow = beside.fast, beside.slow
    for name, without, along in (
        ("frame to commit, times as long", fast.frame_to_commit, slow.frame_to_commit),
        ("burst to attempt, times as long", fast.burst_to_attempt, slow.burst_to_attempt),
    ):
        table.add_row(name, *(f"{b / a:.2f}" for a, b in zip(without[1:], along[1:], strict=True)))
    return table


def as_json(report: Report) -> str:
    """Return everything as one JSON object."""
    named = {name: _plain(value) for name, value in report._asdict().items()}
    return json.dumps({"benchmark": "frames", **named.pop("machine"), **named})


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a report
    if hasattr(value, "_asdict"):
        return {name: _plain(inner) for name, inner in value._asdict().items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frames", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, for a first look")
    parser.add_argument(
        "--dir", type=Path, help="where the databases lie (default: the system's temporary folder)"
    )
    options = parser.parse_args(arguments)
    progress = Console(stderr=True)
    with Path(os.devnull).open("w") as sink:
        logs.configure("info", "json", sink)  # its cost counts, its lines do not help
        with progress.status("") as status:
            report = measure(QUICK if options.quick else FULL, options.dir, status.update)
    if options.json:
        print(as_json(report))
        return 0
    console = Console(width=None if sys.stdout.isatty() else 132)
    console.print(cost_table(report.costs))
    console.print(latency_table(report))
    console.print(slow_table(report.beside))
    console.print(", ".join(f"{name} {value}" for name, value in report.machine.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
