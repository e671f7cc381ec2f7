"""``run`` in a terminal that is closed: it ends with it, unless it was told not to."""

import errno
import io
import os
import pty
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from monitor.cli.common import complain
from monitor.control import ask, is_running
from monitor.errors import ControlError
from monitor.storage.paths import LOCK_FILE
from tests.cli.test_service import config_of

_LOADED = "import sys; from monitor.__main__ import main; sys.argv[0] = 'position-monitor'; main()"


def _answers(state: Path) -> bool:
    try:
        ask(state, {"command": "health"})
    except ControlError:
        return False
    return True


@contextmanager
def on_a_terminal(tmp_path: Path, *, outlives: bool = False) -> Iterator[tuple[int, int]]:
    """The real daemon in a terminal of its own, once it has begun: its process, and the terminal's other end."""
    path = config_of(tmp_path, tmp_path / "s")
    Path(path).write_text(Path(path).read_text().replace('level = "error"', 'level = "info"'))
    words = [sys.executable, "-c", _LOADED, "run", "--config", path]
    process, terminal = pty.fork()
    if not process:
        # Said both ways: what this process does with it, which another test may have set, is inherited.
        signal.signal(signal.SIGHUP, signal.SIG_IGN if outlives else signal.SIG_DFL)
        os.execvp(words[0], words)  # noqa: S606 - no shell is wanted
    try:
        seen = b""
        while b"daemon.started" not in seen:
            seen += os.read(terminal, 4096)
        while not _answers(tmp_path / "s"):
            select.select((), (), (), 0.01)
        yield process, terminal
    finally:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def test_a_daemon_in_a_terminal_ends_with_it(tmp_path: Path) -> None:
    """As every program does: whoever closed the window takes it for ended. Drained, though nothing can be said."""
    with on_a_terminal(tmp_path) as (process, terminal):
        os.close(terminal)
        _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert not is_running(tmp_path / "s" / LOCK_FILE)


def test_a_hangup_in_a_terminal_that_is_there_reloads(tmp_path: Path) -> None:
    """Sent by a person, who sees what comes of it."""
    with on_a_terminal(tmp_path) as (process, terminal):
        os.kill(process, signal.SIGHUP)
        seen = b""
        while b"config.reloaded" not in seen:
            seen += os.read(terminal, 4096)
        os.kill(process, signal.SIGTERM)
        _, status = os.waitpid(process, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize("meanwhile", [signal.SIGHUP, None])
def test_a_daemon_that_was_told_to_outlive_its_terminal_does(
    tmp_path: Path, meanwhile: signal.Signals | None
) -> None:
    """By nohup; lines that nobody can read any more end no part of it, and it still reloads."""
    with on_a_terminal(tmp_path, outlives=True) as (process, terminal):
        os.close(terminal)
        if meanwhile is not None:
            os.kill(process, meanwhile)
        for _ in range(3):  # each is a line of the log
            assert ask(tmp_path / "s", {"command": "reload"}, 30.0)["taken"]
        status = ask(tmp_path / "s", {"command": "status"})
        assert (status["job_deaths"], status["config"]["reloads"] >= 3) == ({}, True)
        os.kill(process, signal.SIGTERM)
        _, ended = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(ended) == 0


def test_an_error_that_nobody_can_read_changes_no_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write to a terminal that is gone fails."""

    class Gone(io.StringIO):
        def write(self, _text: str, /) -> int:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("sys.stderr", Gone())
    complain("anything")
