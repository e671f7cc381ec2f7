"""``run`` in a terminal that is closed: it ends with it, unless it was told not to."""

import errno
import io
import os
import pty
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from monitor import early
from monitor.cli.common import complain
from monitor.cli.hangups import Hangups
from monitor.control import ask, is_running
from monitor.errors import ControlError
from monitor.storage.paths import LOCK_FILE
from tests.cli.test_service import config_of

_LOADED = "import sys; from monitor.__main__ import main; sys.argv[0] = 'position-monitor'; main()"

# What a shell does that is left with `exit` while a job goes on: it leads the session, the job has its own group.
_SHELL = """
import subprocess, sys
log, pid, *words = sys.argv[1:]
with open(log, "w") as lines:
    job = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=lines, stderr=lines, process_group=0)
with open(pid, "w") as file:
    print(job.pid, file=file)
sys.stdin.readline()
"""


def _until(condition: Callable[[], bool]) -> None:
    """Wait for something, for a minute at most."""
    for _ in range(6000):
        if condition():
            return
        select.select((), (), (), 0.01)
    raise AssertionError("waited in vain")


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


def test_a_daemon_that_a_logout_left_running_reloads_at_a_hangup(tmp_path: Path) -> None:
    """By `disown`, or a shell that tells its jobs nothing: a SIGHUP after that is meant as a reload."""
    path = config_of(tmp_path, tmp_path / "s")
    Path(path).write_text(Path(path).read_text().replace('level = "error"', 'level = "info"'))
    log, number = tmp_path / "log", tmp_path / "pid"
    words = [sys.executable, "-c", _SHELL, str(log), str(number)]
    shell, terminal = pty.fork()
    if not shell:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.execvp(words[0], [*words, sys.executable, "-c", _LOADED, "run", "--config", path])  # noqa: S606 - its own
    _until(lambda: number.exists() and bool(number.read_text().strip()))
    process = int(number.read_text())
    try:
        _until(lambda: _answers(tmp_path / "s"))
        os.write(terminal, b"\n")
        os.waitpid(shell, 0)
        os.close(terminal)
        _until(lambda: "daemon.outlives_terminal" in log.read_text())
        for _ in range(2):
            seen = log.read_text().count("config.reloaded")
            os.kill(process, signal.SIGHUP)
            _until(lambda seen=seen: log.read_text().count("config.reloaded") > seen)  # type: ignore[misc]
        os.kill(process, signal.SIGTERM)
        _until(lambda: not is_running(tmp_path / "s" / LOCK_FILE))
    finally:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    assert log.read_text().count("daemon.outlives_terminal") == 1
    assert "daemon.terminal_gone" not in log.read_text()


class _Stage:
    """Hangups whose terminal and whose time are the test's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self._patch = monkeypatch
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._now = 0.0
        monkeypatch.setattr(early, "_terminal", True)
        self.terminal(there=True)
        self.hangups = Hangups(
            stop=lambda: self.done.append("stop"), reload=lambda: self.done.append("reload"), later=self._later
        )
        self.hangups.look()

    def _later(self, seconds: float, then: Callable[[], None]) -> None:
        self._due.append((self._now + seconds, then))

    def terminal(self, *, there: bool) -> None:
        self._patch.setattr(early, "_has_terminal", lambda: there)

    def wait(self, seconds: float) -> None:
        end = self._now + seconds
        while due := [one for one in self._due if one[0] <= end]:
            first = min(due, key=lambda one: one[0])
            self._due.remove(first)
            self._now = first[0]
            first[1]()
        self._now = end

    @property
    def looks(self) -> bool:
        return bool(self._due)


@pytest.mark.parametrize("at", [0.1, 0.95])
def test_a_hangup_at_once_behind_the_loss_of_the_terminal_ends_the_daemon(
    monkeypatch: pytest.MonkeyPatch, at: float
) -> None:
    """The terminal is taken away first, and a shell passes the signal on a little later, whenever one looks."""
    stage = _Stage(monkeypatch)
    stage.wait(at)
    stage.terminal(there=False)
    stage.wait(0.9)
    stage.hangups.hung_up()
    assert stage.done == ["stop"]
    stage.wait(10.0)
    assert (stage.done, stage.looks, early.is_abandoned()) == (["stop"], False, True)


def test_a_hangup_at_once_before_the_loss_of_the_terminal_ends_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that ends tells its programs first: what was a reload becomes a stop."""
    stage = _Stage(monkeypatch)
    stage.wait(0.5)
    stage.hangups.hung_up()
    stage.wait(0.3)
    stage.terminal(there=False)
    stage.wait(10.0)
    assert stage.done == ["reload", "stop"]


def test_a_hangup_long_after_the_loss_of_the_terminal_reloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody closes a terminal that is gone; it is looked for no more."""
    stage = _Stage(monkeypatch)
    stage.wait(100.0)
    stage.terminal(there=False)
    stage.wait(3.0)
    assert not stage.looks
    for _ in range(2):
        stage.hangups.hung_up()
        stage.wait(10.0)
    assert stage.done == ["reload", "reload"]


def test_a_terminal_that_never_was_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a supervisor, or by nohup."""
    stage = _Stage(monkeypatch)
    monkeypatch.setattr(early, "_terminal", False)
    stage.wait(2.0)
    assert not stage.looks


def test_an_error_that_nobody_can_read_changes_no_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write to a terminal that is gone fails."""

    class Gone(io.StringIO):
        def write(self, _text: str, /) -> int:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("sys.stderr", Gone())
    complain("anything")
