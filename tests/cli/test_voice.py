"""Where the log is lines of JSON, why the service does not start is lines of JSON; people read text."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.cli.voice import Voice, in_journal
from monitor.config import LogSettings
from monitor.errors import ControlError

WRONG = """
[web]
enabeld = true
[[accounts]]
name = "main"
balances = { USDT = -5.0 }
"""
UNSET = """
[[accounts]]
name = "main"
api_key = { env = "NOT_SET" }
api_secret = { env = "NOT_SET" }
"""
NOWHERE = '[state]\ndirectory = "/proc/none"\n[[accounts]]\nname = "main"\nbalances = { USDT = 5.0 }\n'
JSON, PLAIN = '[log]\nformat = "json"\n', '[log]\nformat = "console"\n'


def words_of(tmp_path: Path, text: str, command: str = "run") -> list[str]:
    (tmp_path / "config.toml").write_text(text)
    return [sys.executable, "-m", "monitor", command, "--config", str(tmp_path / "config.toml")]


def lines_of(words: list[str], **environ: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        words, env={**os.environ, **environ}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("style", ["", JSON])
def test_each_mistake_is_an_event_of_the_log(tmp_path: Path, style: str) -> None:
    """With the place, what is wrong, and the fix as fields; the exit code is that of misuse."""
    code, lines = lines_of(words_of(tmp_path, f"{style}{WRONG}"))
    assert code == 2
    events = [json.loads(line) for line in lines]
    assert [(one["event"], one["level"], one["path"]) for one in events] == [
        ("config.mistake", "error", "web.enabeld"), ("config.mistake", "error", "accounts[0].balances.USDT"),
    ]  # fmt: skip
    assert events[0]["fix"] == 'did you mean "enabled"?'
    assert events[0]["source"] == str(tmp_path / "config.toml")
    assert events[1]["found"] == "-5.0"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (f"{JSON}[web\n", "line 3, column 5"), ("= 1", "line 1, column 1"), (UNSET, "accounts[0].api_key"),
        (NOWHERE, None),
    ],
)  # fmt: skip
def test_whatever_keeps_it_from_starting_is_a_line_of_json(tmp_path: Path, text: str, path: str | None) -> None:
    """A text that is no TOML, a secret that is not there, a state directory that cannot be made."""
    code, lines = lines_of(words_of(tmp_path, text))
    assert code == 2
    events = [one for line in lines if (one := json.loads(line))["level"] == "error"]
    assert events[0]["event"] == ("run.ended" if path is None else "config.mistake")
    assert events[0].get("path") == path


def test_a_log_for_people_has_text(tmp_path: Path) -> None:
    """Where the configuration says so, whatever else it says."""
    code, lines = lines_of(words_of(tmp_path, f"{PLAIN}{WRONG}"))
    assert code == 2
    assert lines[0] == f"position-monitor: {tmp_path / 'config.toml'}: 2 problems"


@pytest.mark.parametrize("style", ["", JSON])
def test_at_a_terminal_mistakes_are_text(tmp_path: Path, style: str) -> None:
    """A person sits there."""
    master, slave = pty.openpty()
    try:
        words = words_of(tmp_path, f"{style}{WRONG}")
        done = subprocess.run(words, stdin=slave, stdout=slave, stderr=slave, timeout=120, check=False)
        assert done.returncode == 2
        assert os.read(master, 65536).decode().startswith("position-monitor: ")
    finally:
        os.close(slave)
        os.close(master)


@pytest.mark.parametrize(("text", "event"), [(WRONG, "config.mistake"), (NOWHERE, "reload.failed")])
def test_reload_in_the_journal_speaks_as_the_service_does(tmp_path: Path, text: str, event: str) -> None:
    """There systemd runs it, and says so; anywhere else it is a person's, or a script's."""
    words = words_of(tmp_path, text, "reload")
    reader, writer = os.pipe()
    there = os.fstat(writer)
    journal = {**os.environ, "JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"}
    with os.fdopen(reader) as read, os.fdopen(writer, "w") as write:
        done = subprocess.run(words, env=journal, stdout=write, stderr=write, timeout=120, check=False)
        write.close()
        assert {json.loads(line)["event"] for line in read} == {event}
    code, lines = lines_of(words)
    assert code == done.returncode
    assert lines[0].startswith("position-monitor: ")


def test_a_stream_that_is_none_of_the_system_is_no_journal(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is one that was closed, or another than the one that systemd named."""
    with Path(os.devnull).open("w") as nowhere:
        assert not in_journal(nowhere, {})
        assert not in_journal(nowhere, {"JOURNAL_STREAM": "1:2"})
    assert not in_journal(nowhere, {})
    assert capsys.readouterr().err == ""


def test_a_crash_is_a_line_without_what_the_error_quotes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it came from is told, its text is not: it may hold an address with a token."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    voice = Voice()
    voice.listen_to(LogSettings("info", "json"))
    with pytest.raises(RuntimeError) as caught:
        _fail()
    sys.excepthook(caught.type, caught.value, caught.tb)
    voice.tell(ControlError("nobody there"))
    crashed, ended = map(json.loads, capsys.readouterr().err.splitlines())
    assert (crashed["event"], crashed["error"]) == ("crashed", "RuntimeError")
    assert any("test_voice.py" in step for step in crashed["trace"])
    assert "hush" not in json.dumps(crashed)
    assert (ended["event"], ended["error"], ended["reason"]) == ("run.ended", "ControlError", "nobody there")
    voice.listen_to(LogSettings("info", "console"))
    assert sys.excepthook is sys.__excepthook__


def _fail() -> None:
    raise RuntimeError("hush-not-told")
