"""What the program does before anything of it is loaded; a real process each."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_dead_man import service

THREADS = """
import os, sys
from monitor.__main__ import main
sys.argv = ["position-monitor", "--version"]
main()
import numpy
print(len(os.listdir("/proc/self/task")), os.environ["OPENBLAS_NUM_THREADS"])
"""


def threads(**variables: str) -> list[str]:
    """Return how many threads a process of ours has once numpy is loaded, and how many that was told to take."""
    kept = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", THREADS],
        env=kept | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()[-1].split()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted there")
def test_numbers_take_one_thread_however_many_processors_there_are() -> None:
    """One for each would be more than a container may have on a large machine. Who asks for more gets them."""
    assert threads() == ["1", "1"]
    assert threads(OPENBLAS_NUM_THREADS="2")[1] == "2"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are told there")
@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-", "<&- 2>&-"])
async def test_a_service_whose_standard_streams_are_closed_runs(tmp_path: Path, closed: str) -> None:
    """And none of its files gets the number of one: what is written to a stream would get into it."""
    async with service(tmp_path, "--end-when-stuck=3600", redirected=closed) as one:
        await one.until_fed(1)
        places = Path(f"/proc/{one.process.pid}/fd")
        assert {places.joinpath(str(number)).readlink() for number in range(3)} == {Path(os.devnull)}
        one.process.send_signal(signal.SIGTERM)
        assert await one.ended() == 0
