"""``python -m tests.soak``: a day of 200 symbols as fast as it goes; with ``--real-time`` an hour as it is.

Ends with 1 if something grew. ``--render`` writes earlier results, kept by ``--out``, into ``docs/faults.md``.
"""

import argparse
import asyncio
import sys
import tempfile
import time  # noqa: TID251 - says how long a run took; nothing is judged by it
from functools import partial
from pathlib import Path

import msgspec

from tests.fuzz.run import silent
from tests.soak.accelerated import Plan, Soak
from tests.soak.measure import Reading
from tests.soak.realtime import RealPlan, hour
from tests.soak.report import SoakResult, cells, publish, table

HOUR_S = 3_600.0
# When the exchange is away (hours), for how long (seconds), and whether REST is as well. The first is within the
# warm-up: what looking up half an hour takes once is taken, and must not be taken again.
OUTAGES = ((0.7, 1_800.0, True), (2.6, 20.0, False), (5.4, 300.0, False), (8.3, 120.0, True),
           (12.7, 1_800.0, True), (17.7, 1_800.0, True))  # fmt: skip
WARM_S = 2 * HOUR_S


def main() -> int:
    """Run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0, help="of driven time (default %(default)s)")
    parser.add_argument("--symbols", type=int, default=200)
    parser.add_argument("--real-time", action="store_true", help="with the system's clock, in two processes")
    parser.add_argument("--minutes", type=float, default=60.0, help="of real time (default %(default)s)")
    parser.add_argument("--out", type=Path, help="keep the result here, as JSON; renewed at each reading")
    parser.add_argument("--render", type=Path, nargs="+", metavar="JSON", help="write these into docs/faults.md")
    asked = parser.parse_args()
    if asked.render is not None:
        found = [msgspec.json.decode(path.read_bytes(), type=SoakResult) for path in asked.render]
        kinds = {one.kind: one for one in found}
        publish(kinds.get("accelerated"), kinds.get("real"))
        return 0
    with tempfile.TemporaryDirectory() as directory, silent():
        if asked.real_time:
            plan = RealPlan(symbols=asked.symbols, minutes=asked.minutes)
            result = asyncio.run(hour(plan, Path(directory), partial(_kept, asked.out)))
        else:
            result = _accelerated(asked.hours, asked.symbols, Path(directory))
    if asked.out is not None:
        asked.out.write_bytes(msgspec.json.encode(result))
    problems = result.problems()
    sys.stdout.write(f"{table(result.readings)}\n\n{'; '.join(problems) or 'nothing grew'}\n")
    return 1 if problems else 0


def _accelerated(hours: float, symbols: int, directory: Path) -> SoakResult:
    outages = tuple(
        (round(at * HOUR_S), round(at * HOUR_S + length_s), rest) for at, length_s, rest in OUTAGES if at < hours
    )
    every_s = max(60.0, min(HOUR_S, round(hours * 5.0) * 60.0))  # twelve readings at the least
    plan = Plan(hours=hours, symbols=symbols, outages=outages, read_every_s=every_s)
    began_s = time.monotonic()
    ran = asyncio.run(Soak(plan, directory, _say).run())
    return ran.result(plan, min(WARM_S, hours * HOUR_S / 4), time.monotonic() - began_s)


def _kept(out: Path | None, reading: Reading, so_far: SoakResult) -> None:
    """Renew the file at each reading: a run that is ended early is not lost."""
    _say(reading)
    if out is not None:
        out.write_bytes(msgspec.json.encode(so_far))


def _say(reading: Reading) -> None:
    sys.stderr.write("".join(f"{cell:>12}" for cell in cells(reading)) + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
