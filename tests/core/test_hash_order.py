"""What follows from the same events does not depend on how a process orders sets: a replay is another process."""

import os
import subprocess
import sys
from pathlib import Path

from monitor.core.events import Heartbeat, Snapshot
from monitor.core.model import Source
from tests.core.builders import BTC, ETH, Desk, followed, isolated

ROOT = Path(__file__).parents[2]
NAMES = ("main", "multi", "typed", "other", "fifth")


def story() -> list[str]:
    """Return what is told, in its order, of accounts that fall silent together and are taken out together."""
    desk = Desk(accounts=NAMES, answering=False)
    for name in NAMES:
        desk.step(Snapshot(followed(isolated(BTC), isolated(ETH), name=name, source=Source.STREAM)))
    for _ in range(20):
        desk.wait(30.0)
        desk.step(Heartbeat())
    desk.configure(desk.settings)
    for name in NAMES:
        desk.step(Snapshot(followed(name=name, source=Source.STREAM)))
    desk.beat(30)
    return [f"{one.number} {one.kind} {one.subject}" for one in desk.notices]


def test_alerts_are_numbered_and_told_in_the_same_order_by_every_process() -> None:
    """Python orders the names in a set otherwise in each process; the numbers of alerts are told to people."""
    found = set()
    for seed in range(4):
        done = subprocess.run(
            [sys.executable, "-c", "from tests.core.test_hash_order import story; print(*story(), sep='\\n')"],
            env={**os.environ, "PYTHONHASHSEED": str(seed)}, capture_output=True, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        assert done.stdout.count("/account:") >= len(NAMES)
        found.add(done.stdout)
    assert len(found) == 1
