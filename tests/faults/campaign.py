"""Lives through seeded stories full of faults, and judges each: ``python -m tests.faults.campaign --runs 500``.

``--seed N`` alone lives through one story again, ``-v`` shows it as it went. The same seed gives the same story,
event for event.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.faults.story import KINDS, Story, story_of
from tests.faults.verdict import judge
from tests.faults.world import World, lived

RUNS: Final = 500
COMMAND: Final = "python -m tests.faults.campaign --seed"
_TOLD_OF: Final = 5  # faults of one story that are shown
_PROGRESS_EVERY: Final = 25


class Run(NamedTuple):
    """What one story came to."""

    seed: int
    kinds: tuple[str, ...]
    crossings: int
    messages: int
    lives: int
    length_s: float
    faults: tuple[str, ...]
    digest: str  # of all that happened


def run(seed: int) -> Run:
    """Live through one story, and judge it."""
    story = story_of(seed)
    world = lived(story)
    return _judged(story, world)


def _judged(story: Story, world: World) -> Run:
    found = judge(world)
    kinds = tuple(sorted({fault.kind for fault in story.faults}))
    lives = len(story.crashes()) + 1
    digest = hashlib.sha256("\n".join(world.tape.lines).encode()).hexdigest()
    return Run(
        story.seed, kinds, found.crossings, found.messages, lives, story.length_s, found.faults, digest[:16]
    )


def told(one: Run) -> str:
    """Return what broke a promise, and how to see it again."""
    lines = [f"  {fault}" for fault in one.faults[:_TOLD_OF]]
    if len(one.faults) > _TOLD_OF:
        lines.append(f"  and {len(one.faults) - _TOLD_OF} more")
    return "\n".join([f"seed {one.seed} ({', '.join(one.kinds)}):", *lines, f"  again: {COMMAND} {one.seed} -v"])


def summary(runs: Sequence[Run]) -> str:
    """Return what all of them came to."""
    bad = [one for one in runs if one.faults]
    rows = [f"{'what went wrong':<24}{'stories':>8}{'crossings':>11}{'messages':>10}{'broken':>8}"]
    for kind in KINDS:
        mine = [one for one in runs if kind in one.kinds]
        figures = (len(mine), sum(one.crossings for one in mine), sum(one.messages for one in mine))
        rows.append("{:<24}{:>8}{:>11}{:>10}{:>8}".format(kind, *figures, sum(bool(one.faults) for one in mine)))
    hours = sum(one.length_s for one in runs) / 3600
    rows.append(
        f"{len(runs)} stories of {hours:.0f} hours, {sum(one.lives for one in runs)} lives, "
        f"{sum(one.crossings for one in runs)} crossings, {sum(one.messages for one in runs)} messages: "
        f"{len(bad)} broke a promise"
    )
    return "\n".join(rows)


def campaign(seeds: Sequence[int], jobs: int) -> list[Run]:
    """Live through all of these, several at once; tell of each that broke a promise as soon as it did."""
    with tempfile.TemporaryDirectory(prefix="campaign-") as name:
        places = [Path(name) / f"worker-{number}" for number in range(jobs)]
        workers = [_worker(seeds[number::jobs], place) for number, place in enumerate(places)]
        if sum([os.waitpid(worker, 0)[1] for worker in workers]):
            raise SystemExit("a worker failed")
        rows = [row for place in places for row in json.loads(place.read_text())]
    return sorted(Run(*row) for row in rows)


def _worker(seeds: Sequence[int], place: Path) -> int:
    """Start a process that lives through these; return its id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        found = []
        for seed in seeds:
            one = run(seed)
            found.append(one)
            if one.faults:
                print(told(one), flush=True)  # noqa: T201 - a command's output
            if len(found) % _PROGRESS_EVERY == 0:
                print(f"{len(found)} of {len(seeds)}", file=sys.stderr, flush=True)  # noqa: T201 - same
        place.write_text(json.dumps(found))
        code = 0
    except BaseException:  # noqa: BLE001 - the worker must end here, whatever happened
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _alone(seed: int, *, verbose: bool) -> int:
    story = story_of(seed)
    world = lived(story)
    one = _judged(story, world)
    if verbose:
        rows = [f"{fault.start_s:9.3f} {fault}" for fault in story.faults]
        print(*map(str, story.settings.channels), *map(str, story.accounts), sep="\n")  # noqa: T201 - same
        print(*sorted([*rows, *world.tape.lines]), sep="\n")  # noqa: T201 - same
        print(*Counter(world.tape.logs).keys(), sep="\n")  # noqa: T201 - same
    kept = f"{one.crossings} crossings, {one.messages} messages, all promises kept ({one.digest})"
    print(told(one) if one.faults else f"seed {seed}: {kept}")  # noqa: T201 - same
    return int(bool(one.faults))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Live through stories full of faults, and judge them.")
    parser.add_argument("--runs", type=int, default=RUNS, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="one only")
    parser.add_argument("--jobs", type=int, default=2, help="at once (default: %(default)s)")
    parser.add_argument("-v", "--verbose", action="store_true", help="with --seed: tell the whole story")
    chosen = parser.parse_args(arguments)
    if chosen.seed is not None:
        return _alone(chosen.seed, verbose=chosen.verbose)
    runs = campaign(range(chosen.first, chosen.first + chosen.runs), chosen.jobs)
    print(summary(runs))  # noqa: T201 - same
    bad = [one for one in runs if one.faults]
    for one in bad:
        print(f"  {COMMAND} {one.seed}")  # noqa: T201 - same
    return int(bool(bad))


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of names come in another order in each process, unless it is told not to.
        command = [sys.executable, "-m", "tests.faults.campaign", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606 - itself
    sys.exit(main())
