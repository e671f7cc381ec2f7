"""A standard stream that was closed before the program began, as ``>&-`` does, is no crash."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_common import CONFIG, written

UNWRITABLE = "position-monitor: the output cannot be written: Bad file descriptor\n"


def closed(stream: int, *words: str) -> tuple[int, str]:
    """Return the exit code of the program without a stream, and what is on the other."""
    other = {1: "stderr", 2: "stdout"}[stream]
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m monitor "$@" {stream}>&-', sys.executable, *words],
        **{other: subprocess.PIPE}, stdin=subprocess.DEVNULL, env=os.environ, text=True, timeout=120, check=False,
    )  # type: ignore[call-overload] # fmt: skip
    return done.returncode, getattr(done, other)


@pytest.mark.parametrize(
    "words",
    [
        ("check-config",), ("assess", "--mark", "BTCUSDT=61000"), ("assess", "--mark", "BTCUSDT=61000", "--json"),
        ("help",), ("completion", "bash"), ("--help",), ("--version",),
    ],
    ids=" ".join,
)  # fmt: skip
def test_an_answer_that_nobody_gets_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Exit code 1 and no traceback: neither command nor library knows a stream that is not there."""
    monkeypatch.setenv("POSITION_MONITOR_CONFIG", written(tmp_path))
    assert closed(1, *words) == (1, UNWRITABLE)


def test_an_error_is_told_without_standard_output(tmp_path: Path) -> None:
    """What stands on standard error stays the same, and so does the code."""
    code, text = closed(1, "check-config", "--config", written(tmp_path, "x = 1\n"))
    assert code == 2
    assert "x: found an unknown key" in text
    assert "Traceback" not in text


def test_figures_are_printed_without_standard_error(tmp_path: Path) -> None:
    """The remark that the file holds a mistake is lost with it, and nothing else."""
    config = written(tmp_path, '[web]\nenabeld = true\n[[accounts]]\nname = "a"\nbalances = { USDT = 5.0 }\n')
    code, text = closed(2, "assess", "--config", config, "--json")
    assert code == 0
    assert '"wallets"' in text


def test_a_verdict_needs_no_standard_output(tmp_path: Path) -> None:
    """Exit code 1 would be a warning: what the monitoring system gets is what it would get with the line."""
    config = written(tmp_path, f'[state]\ndirectory = "{tmp_path / "s"}"\n{CONFIG}')
    assert closed(1, "checkup", "--check", "--config", config) == (3, "")


def test_a_health_check_needs_no_standard_output(tmp_path: Path) -> None:
    """Its exit code is the answer, and nothing of a traceback beside it: no daemon runs there."""
    config = written(tmp_path, f'[state]\ndirectory = "{tmp_path / "s"}"\n')
    assert closed(1, "healthcheck", "--config", config) == (1, "")
