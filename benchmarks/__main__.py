"""All benchmarks, one after the other: ``python -m benchmarks [--json] [--quick]``."""

import argparse
import json
import subprocess
import sys

NAMES = ("evaluate", "moves", "advice", "frames", "scrape")


def main() -> int:
    """Run each in a process of its own, so that none leaves anything to the next."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, for a first look")
    options = parser.parse_args()
    flags = [f"--{name}" for name, chosen in vars(options).items() if chosen]
    failed = 0
    results = {}
    for name in NAMES:
        command = [sys.executable, "-m", f"benchmarks.{name}", *flags]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE if options.json else None)  # noqa: S603 - our own modules
        failed += done.returncode != 0
        if options.json and done.returncode == 0:
            results[name] = json.loads(done.stdout)
    if options.json:
        print(json.dumps(results))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
