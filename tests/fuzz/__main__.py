"""``python -m tests.fuzz``: a million inputs, or what ``--inputs`` says.

Ends with 1, a seed and a reproducer for each finding. ``--render`` writes the figures into ``docs/faults.md``.
"""

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

import msgspec

from tests.fuzz.report import FuzzResult, render, section, write_section
from tests.fuzz.run import all_targets, run_target, shared_out, silent, watched


def main() -> int:
    """Run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="how many in all (default %(default)s)")
    parser.add_argument("--seed", default="", help="run these again; a new one if left out")
    parser.add_argument("--only", default="", help="targets whose name contains this")
    parser.add_argument("--out", type=Path, help="write the result here, as JSON")
    parser.add_argument("--render", type=Path, metavar="JSON", help="write an earlier result into docs/faults.md")
    asked = parser.parse_args()
    if asked.render is not None:
        result = msgspec.json.decode(asked.render.read_bytes(), type=FuzzResult)
        write_section("fuzz", section(result))
        return 0
    result = _run(asked.inputs, asked.seed or secrets.token_hex(4), asked.only)
    if asked.out is not None:
        asked.out.write_bytes(msgspec.json.format(msgspec.json.encode(result)))
    sys.stdout.write("\n\n".join([render(result), *map(str, result.findings)]) + "\n")
    return 1 if result.findings else 0


def _run(inputs: int, seed: str, only: str) -> FuzzResult:
    _progress(f"seed {seed}")
    scores = []
    with tempfile.TemporaryDirectory() as directory, silent(), watched() as alive:
        targets = [target for target in all_targets(Path(directory)) if only in target.name]
        counts = shared_out(targets, inputs)
        for target, count in zip(targets, counts, strict=True):
            score = run_target(target, count, seed, before_each=alive)
            scores.append(score)
            done = sum(one.inputs for one in scores)
            rate = score.inputs / max(score.seconds, 1e-9)
            found = f", {len(score.findings)} FOUND" if score.findings else ""
            _progress(f"{done:>9,} of {sum(counts):,}  {target.name}: {rate:,.0f}/s{found}")
    return FuzzResult(seed, tuple(scores))


def _progress(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
