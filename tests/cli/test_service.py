"""``run`` as a supervisor sees it: exit codes before anything works."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.app import Daemon
from monitor.cli.root import app
from monitor.control import PATH_LIMIT
from monitor.errors import ControlError, StoreError
from monitor.reloading import TornError
from monitor.storage.paths import CONTROL_SOCKET, LOCK_FILE
from tests.cli.test_common import CONFIG, written

LONGEST = PATH_LIMIT - len(CONTROL_SOCKET) - 1


def config_of(tmp_path: Path, state: Path) -> str:
    exchange = '[exchange]\nrest_url = "http://127.0.0.1:9"\nmarket_stream_url = "ws://127.0.0.1:9/market"\n'
    return written(tmp_path, f'{exchange}[state]\ndirectory = "{state}"\n[log]\nlevel = "error"\n{CONFIG}')


def call(command: str, tmp_path: Path, state: Path) -> Result:
    return CliRunner().invoke(app, [command, "--config", config_of(tmp_path, state)])


def too_long(tmp_path: Path) -> Path:
    return tmp_path / ("s" * (LONGEST - len(os.fsencode(tmp_path))))


def started(tmp_path: Path, state: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "monitor", "run", "--config", config_of(tmp_path, state)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_state_directory_too_long_for_the_socket_is_misuse(tmp_path: Path) -> None:
    """Exit code 2, one line, no traceback: starting it again cannot help."""
    result = started(tmp_path, too_long(tmp_path))
    assert result.returncode == 2
    assert "too long for a socket" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_state_directory_that_cannot_be_locked_is_misuse(tmp_path: Path) -> None:
    """The same for whatever stands in the way of the lock."""
    state = tmp_path / "s"
    (state / LOCK_FILE).mkdir(parents=True)
    result = started(tmp_path, state)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1


def test_a_state_directory_that_is_a_file_is_misuse(tmp_path: Path) -> None:
    """The same where no directory can be made."""
    file = tmp_path / "file"
    file.touch()
    result = started(tmp_path, file)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ControlError("s: no such place"), 2),
        (StoreError("state.db", "open", "disk"), 1),
        (ExceptionGroup("jobs", [ValueError("died")]), 1),
        (TornError("ValueError"), 1),
    ],
)
def test_what_a_restart_cannot_mend_is_misuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    """Everything else is a failure, which a supervisor answers with another start."""

    async def fail(_daemon: Daemon) -> None:
        raise error

    monkeypatch.setattr(Daemon, "run", fail)
    result = call("run", tmp_path, tmp_path / "s")
    assert result.exit_code == code
    assert result.stderr.count('"event": "run.ended"') == 1


LAST_MOMENTS = """
import asyncio, os, signal
from monitor.cli.service import serve

def hang_up(*_):
    os.kill(os.getpid(), signal.SIGHUP)

class Loop(asyncio.SelectorEventLoop):
    def remove_signal_handler(self, number):
        hang_up()
        removed = super().remove_signal_handler(number)
        hang_up()
        return removed

    def close(self):
        hang_up()
        super().close()
        hang_up()

class Daemon:
    def __init__(self):
        self.heard = asyncio.Event()

    def stop(self):
        raise AssertionError

    def hang_up(self):
        self.heard.set()

    async def run(self):
        hang_up()
        await self.heard.wait()

async def main():
    await serve(Daemon())

with asyncio.Runner(loop_factory=Loop) as runner:
    runner.run(main())
hang_up()
print("ended by itself")
"""


def test_a_hangup_is_heard_and_never_ends_the_process_in_its_last_moments() -> None:
    """While handlers are taken away, the loop closes, and after it."""
    result = subprocess.run(
        [sys.executable, "-c", LAST_MOMENTS], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout) == (0, "ended by itself\n"), result.stderr


def test_check_config_names_a_state_directory_that_is_too_long(tmp_path: Path) -> None:
    """As long as fits is fine, and nothing is made by looking."""
    fits = tmp_path / ("s" * (LONGEST - len(os.fsencode(tmp_path)) - 1))
    assert call("check-config", tmp_path, fits).exit_code == 0
    assert not fits.exists()
    result = call("check-config", tmp_path, too_long(tmp_path))
    assert result.exit_code == 2
    assert f"state.directory: found a path of {LONGEST + 1} bytes" in result.stderr
    assert f"at most {LONGEST} bytes" in result.stderr


def test_check_config_names_what_is_no_directory(tmp_path: Path) -> None:
    """A file in its place, and one where it would have to be made."""
    file = tmp_path / "file"
    file.touch()
    for state in (file, file / "s" / "t"):
        result = call("check-config", tmp_path, state)
        assert result.exit_code == 2
        assert f"state.directory: found {file}, which is no directory" in result.stderr


def test_check_config_names_a_directory_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own, or the one it would be made in."""
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != tmp_path)
    for state in (tmp_path, tmp_path / "s" / "t"):
        result = call("check-config", tmp_path, state)
        assert result.exit_code == 2
        assert f"state.directory: found {tmp_path}, which cannot be written" in result.stderr


def test_check_config_names_a_directory_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may not even be looked at."""

    def refuse(_path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    config = config_of(tmp_path, tmp_path / "s")
    monkeypatch.setattr(Path, "is_dir", refuse)
    result = CliRunner().invoke(app, ["check-config", "--config", config])
    assert result.exit_code == 2
    assert "permission denied" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_told_to_stop_before_it_began_ends_well(tmp_path: Path, number: signal.Signals) -> None:
    """The signal arrives while the program is still being loaded: exit code 0 and nothing was made."""
    code = (
        "import os, sys\n"
        "from monitor.__main__ import main\n"
        "class Teller:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'monitor.cli.root':\n"
        f"            os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Teller())\n"
        f"sys.argv = ['position-monitor', 'run', '--config', {config_of(tmp_path, tmp_path / 's')!r}]\n"
        "main()\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not (tmp_path / "s").exists()
