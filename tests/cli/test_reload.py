"""``reload`` and SIGHUP with the real process, as a person and as systemd use them."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from monitor.cli.reload import config_line
from monitor.cli.root import app
from monitor.control import ask, is_running
from monitor.errors import Problem
from monitor.status import ConfigView, Reloaded
from monitor.storage.paths import LOCK_FILE

PATIENCE_S = 60.0


class Service:
    """The real process with a configuration of its own; the exchange is one that does not answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "s"
        self.path = folder / "config.toml"
        self.process: subprocess.Popen[str] | None = None
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind(str(folder / "notify"))
        self.notices.settimeout(PATIENCE_S)

    def write(self, *parts: str) -> None:
        exchange = '[exchange]\nrest_url = "http://127.0.0.1:9"\nmarket_stream_url = "ws://127.0.0.1:9/market"\n'
        text = "\n".join((exchange, f'[state]\ndirectory = "{self.state}"\n', *parts))
        self.path.write_text(text)
        self.path.chmod(0o600)

    def start(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "monitor", *options, "run", "--config", str(self.path)],
            stderr=subprocess.PIPE, text=True, env=os.environ | {"NOTIFY_SOCKET": str(self.folder / "notify")},
        )  # fmt: skip

    def heard(self, word: str) -> list[str]:
        """Wait for a notice with this line; return all of it."""
        while word not in (lines := self.notices.recv(65536).decode().split("\n")):
            pass
        return lines

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self) -> tuple[int, list[dict[str, object]]]:
        """Stop it; return its exit code and its log."""
        assert self.process is not None
        self.process.terminate()
        _, log = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, [json.loads(line) for line in log.splitlines()]

    def call(self, *options: str) -> Result:
        return CliRunner().invoke(app, ["reload", "--config", str(self.path), *options])

    def view(self) -> ConfigView:
        return msgspec.convert(ask(self.state, {"command": "status"})["config"], ConfigView)


@contextmanager
def service(folder: Path, *parts: str) -> Iterator[Service]:
    one = Service(folder)
    one.write(*parts)
    one.start()
    try:
        one.heard("READY=1")
        yield one
    finally:
        if one.process is not None and one.process.poll() is None:
            one.process.kill()
            one.process.communicate()
        one.notices.close()


# Without a position there is no mark to wait for: it is ready at once.
A, B = (
    '[[accounts]]\nname = "a"\nbalances = { USDT = 5.0 }\n',
    '[[accounts]]\nname = "b"\nbalances = { USDT = 5.0 }\n',
)


def test_reload_says_what_changed_and_what_is_wrong(tmp_path: Path) -> None:
    """Exit code 0 with short lines, or 2 with every mistake while the daemon goes on as before."""
    with service(tmp_path, A) as daemon:
        daemon.write(A, B)
        taken = daemon.call()
        assert (taken.exit_code, taken.stdout.splitlines()[0]) == (0, "account b: added")
        assert "nothing changed" in daemon.call().stdout
        daemon.write(A, B, '[log]\nlevel = "loud"\n[display]\ntime_zone = "Nowhere"\n')
        refused = daemon.call()
        assert refused.exit_code == 2
        assert all(path in refused.stderr for path in ("log.level", "display.time_zone", "Nothing was changed"))
        as_json = daemon.call("--json")
        assert as_json.exit_code == 2
        assert [one["path"] for one in json.loads(as_json.stdout)["problems"]] == [
            "log.level",
            "display.time_zone",
        ]
        assert [(v.reloads, v.refused, len(v.problems)) for v in [daemon.view()]] == [(2, 2, 2)]
        shown = CliRunner().invoke(app, ["status", "--config", str(tmp_path / "other.toml")])
        assert shown.exit_code != 0
        daemon.write(A, B)
        shown = CliRunner().invoke(app, ["status", "--config", str(daemon.path)])
        assert "the changed file was refused" in shown.stdout
        code, log = daemon.end()
    assert code == 0
    assert [one["event"] for one in log].count("config.refused") == 2


def test_a_file_that_is_no_toml_still_reaches_the_daemon_that_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be read of the file, the daemon is found as systemd says: it has to tell the refusal."""
    with service(tmp_path, A) as daemon:
        daemon.path.write_text("[state\n")
        monkeypatch.setenv("STATE_DIRECTORY", str(daemon.state))
        refused = daemon.call()
        assert (refused.exit_code, "line 1" in refused.stderr) == (2, True)
        assert daemon.view().refused == 1
        monkeypatch.delenv("STATE_DIRECTORY")
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "none"))
        alone = daemon.call()
        assert (alone.exit_code, "line 1" in alone.stderr) == (2, True)
        assert daemon.view().refused == 1


def test_without_a_daemon_there_is_nothing_to_reload(tmp_path: Path) -> None:
    """A failure and no misuse: the configuration is fine."""
    daemon = Service(tmp_path)
    daemon.write(A)
    result = daemon.call()
    assert (result.exit_code, "no daemon is running" in result.stderr) == (1, True)


def test_a_hangup_reloads_and_systemd_hears_both_ends(tmp_path: Path) -> None:
    """RELOADING with the time, then READY; what was refused stands in the status line that follows."""
    with service(tmp_path, A) as daemon:
        daemon.write(A, B)
        daemon.signal(signal.SIGHUP)
        begun = daemon.heard("RELOADING=1")
        (stamp,) = [line for line in begun if line.startswith("MONOTONIC_USEC=")]
        assert int(stamp.partition("=")[2]) > 0
        daemon.heard("READY=1")
        assert daemon.view().reloads == 1
        daemon.path.write_text("[[accounts]]\nname = 1\n")
        daemon.signal(signal.SIGHUP)
        daemon.heard("RELOADING=1")
        (status,) = [line for line in daemon.heard("READY=1") if line.startswith("STATUS=")]
        assert "reload refused" in status
        assert daemon.view().refused == 1
        code, log = daemon.end()
    assert code == 0
    said = [one["event"] for one in log if str(one["event"]).startswith("config.re")]
    assert said == ["config.reloaded", "config.refused"]


def test_a_storm_of_hangups_is_a_few_reloads(tmp_path: Path) -> None:
    """What comes while one is under way is one more; the process lives."""
    with service(tmp_path, A) as daemon:
        daemon.write(A, B)
        for _ in range(200):
            daemon.signal(signal.SIGHUP)
        while not daemon.view().reloads:
            daemon.heard("READY=1")
        assert daemon.call().exit_code == 0  # behind all of them
        assert daemon.view().reloads < 100
        assert daemon.end()[0] == 0


def test_a_hangup_before_there_is_a_daemon_does_not_end_the_process(tmp_path: Path) -> None:
    """It comes while the program is still being loaded: remembered, and answered by a reload."""
    daemon = Service(tmp_path)
    daemon.write(A)
    code = (
        "import os, signal, sys\n"
        "from monitor.__main__ import main\n"
        "class Teller:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'monitor.cli.root':\n"
        "            os.kill(os.getpid(), signal.SIGHUP)\n"
        "sys.meta_path.insert(0, Teller())\n"
        f"sys.argv = ['position-monitor', 'run', '--config', {str(daemon.path)!r}]\n"
        "main()\n"
    )
    daemon.process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True,
        env=os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")},
    )  # fmt: skip
    try:
        daemon.heard("READY=1")
        assert is_running(daemon.state / LOCK_FILE)
        while not daemon.view().reloads:  # else the command might share the one that was remembered
            daemon.heard("READY=1")
        assert daemon.call().exit_code == 0
        exit_code, log = daemon.end()
    finally:
        daemon.process.kill()
        daemon.notices.close()
    assert exit_code == 0
    assert [one["event"] for one in log].count("config.reloaded") == 2


@pytest.mark.parametrize(("options", "heard"), [((), 1), (("-v",), 2)])
def test_the_log_follows_the_file_unless_the_command_line_says_more(
    tmp_path: Path, options: tuple[str, ...], heard: int
) -> None:
    """A level that a reload brings holds from its own line on; ``-v`` wins over it."""
    daemon = Service(tmp_path)
    daemon.write(A)
    daemon.start(*options)
    try:
        daemon.heard("READY=1")
        daemon.write(A, '[log]\nlevel = "error"\n')
        assert daemon.call().stdout.splitlines()[0] == "log.level: info -> error"
        daemon.write(A)
        daemon.call()
        _, log = daemon.end()
    finally:
        assert daemon.process is not None
        daemon.process.kill()
        daemon.notices.close()
    assert [one["event"] for one in log].count("config.reloaded") == heard


@pytest.mark.parametrize(("torn", "code"), [(False, 2), (True, 1)])
def test_that_nothing_was_changed_is_said_only_where_it_is_so(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    torn: bool,  # noqa: FBT001
    code: int,
) -> None:
    """A fault in the middle leaves nobody knows what, and is a failure, not a mistake in the file."""
    answer = Reloaded(False, "c.toml", problems=(Problem("file", "a fault", "none"),), torn=torn)
    monkeypatch.setattr("monitor.control.ask", lambda *_: msgspec.to_builtins(answer))
    daemon = Service(tmp_path)
    daemon.write(A)
    result = daemon.call()
    daemon.notices.close()
    assert (result.exit_code, "found a fault" in result.stderr) == (code, True)
    assert ("Nothing was changed" in result.stderr) is not torn


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (ConfigView(0, 0, 0), ""),
        (ConfigView(0, 2, 1, 50_000), "holds; 2 reloads taken, 1 refused."),
        (ConfigView(0, 0, 1, 50_000, ("log.level: found x",)), "refused 10 s ago"),
        (ConfigView(0, 0, 1, 50_000, ("a", "b", "c")), "a, and 2 more problems"),
    ],
)
def test_status_says_in_one_line_which_configuration_holds(view: ConfigView, words: str) -> None:
    """Nothing where nothing was tried; what was refused stands first."""
    line = config_line(view, 60_000)
    assert words in line
    assert bool(line) == bool(words)
    assert "\n" not in line


# Other commands, while the file is broken


@pytest.mark.parametrize(
    "broken", ["[state\n", '[log]\nlevel = "loud"\n[state]\ndirectory = "{state}"\n'], ids=["no TOML", "a mistake"]
)
def test_a_broken_file_hides_no_daemon_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """It can be looked at and quietened; that the file is broken is said, and no other daemon answers for it."""
    other = tmp_path / "other.toml"
    with service(tmp_path, A) as daemon:
        daemon.path.write_text(broken.format(state=daemon.state))
        other.write_text(daemon.path.read_text())
        monkeypatch.setenv("STATE_DIRECTORY", str(daemon.state))
        for words in (["status"], ["mute", "5m", "--why", "x"], ["unsnooze"], ["status", "--json"]):
            result = CliRunner().invoke(app, [*words, "--config", str(daemon.path)])
            assert (result.exit_code, "in the configuration" in result.stderr) == (0, True)
            alien = CliRunner().invoke(app, [*words, "--config", str(other)])
            assert (alien.exit_code, "not with" in alien.stderr) == (1, True)
        assert CliRunner().invoke(app, ["status", "--check", "--config", str(daemon.path)]).exit_code != 3
        assert daemon.end()[0] == 0
    for words in (["status"], ["mute", "5m", "--why", "x"], ["unsnooze"]):
        alone = CliRunner().invoke(app, [*words, "--config", str(daemon.path)])
        assert (alone.exit_code, "allowed" in alone.stderr) == (2, True)


def test_mistakes_are_told_whoever_else_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon with another file is no answer, where none was named; one's own is found by what the file says."""
    other = tmp_path / "other.toml"
    with service(tmp_path, A) as daemon:
        monkeypatch.setenv("STATE_DIRECTORY", str(daemon.state))
        for text, words in (
            (f'[state]\ndirectory = "{tmp_path}/none"\n[log\n', "line 3"), ("", "accounts: found nothing"),
            (None, "no such file"),
        ):  # fmt: skip
            other.unlink(missing_ok=True) if text is None else other.write_text(text)
            result = CliRunner().invoke(app, ["reload", "--config", str(other)])
            assert (result.exit_code, words in result.stderr, "not with" in result.stderr) == (2, True, False)
        other.write_text(A)
        alien = CliRunner().invoke(app, ["reload", "--config", str(other)])
        assert (alien.exit_code, "not with" in alien.stderr) == (1, True)
        monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "none"))
        daemon.path.write_text(f"{daemon.path.read_text()}[log\n")
        refused = daemon.call()
        assert (refused.exit_code, "Nothing was changed" in refused.stderr) == (2, True)
        assert CliRunner().invoke(app, ["healthcheck", "--config", str(daemon.path)]).stdout == "healthy\n"
        assert daemon.end()[0] == 0
