"""``healthcheck``: one cheap question, one line, exit code 0 or 1."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from typer.testing import CliRunner

from monitor import healthcheck, places
from monitor.cli.root import app
from monitor.config import find_config, load_text
from monitor.healthcheck import Wanted, check, state_directory, wanted_by
from tests.cli.test_common import CONFIG

WELL = {"ok": True, "troubles": []}
HEAVY = ("typer", "rich", "pydantic", "numpy", "msgspec", "asyncio", "aiohttp", "structlog", "pathlib", "ssl")


def ill(*troubles: tuple[str, Sequence[str]]) -> dict[str, Any]:
    return {"ok": False, "troubles": [{"reason": reason, "names": names} for reason, names in troubles]}


@contextmanager
def answering(
    folder: Path, answer: bytes | None, question: Mapping[str, str] = MappingProxyType({"command": "health"})
) -> Iterator[None]:
    """Answer the next question on a control socket with these bytes; None: take it, and say nothing."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(folder / "control.sock"))
    listening.listen()
    done = threading.Event()
    asked: list[object] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            asked.append(json.loads(connection.recv(4096)))
            if answer is None:
                done.wait(10)
            else:
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(5)
        listening.close()
    assert asked == [question]


def said(folder: Path, answer: bytes | None, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Return exit code and output of a check of a daemon that answers this."""
    wanted = wanted_by(["healthcheck", *words])
    assert wanted is not None
    with answering(folder, answer):
        code = check(wanted, {"STATE_DIRECTORY": str(folder)})
    return code, capsys.readouterr().out


def both(health: dict[str, Any], readiness: dict[str, Any]) -> bytes:
    return json.dumps({"ok": {"health": health, "readiness": readiness}}).encode() + b"\n"


# What is asked


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("healthcheck", (None, False, False)),
        ("healthcheck --ready --json", (None, True, True)),
        ("--config a healthcheck", ("a", False, False)),
        ("--json healthcheck --config=b", ("b", False, True)),
        ("--config a healthcheck --config b", ("b", False, False)),
        ("--config healthcheck healthcheck", ("healthcheck", False, False)),
    ],
)
def test_a_plain_call_is_understood_without_the_command_line(words: str, expected: tuple[Any, ...]) -> None:
    """With options before and after the command; the command's own win."""
    found = wanted_by(words.split())
    assert found is not None
    assert (found.config, found.ready, found.json) == expected


@pytest.mark.parametrize(
    "words",
    [
        "", "status", "--config healthcheck status", "healthcheck --help", "healthcheck --nope", "healthcheck x",
        "--ready healthcheck", "healthcheck --config", "healthcheck healthcheck",
    ],
)  # fmt: skip
def test_everything_else_is_left_to_the_command_line(words: str) -> None:
    """Another command, help, and every mistake: those are answered as of any command."""
    assert wanted_by(words.split()) is None


# Where it asks


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("configured", [True, False])
def test_it_asks_where_the_daemon_of_this_configuration_is(tmp_path: Path, configured: bool, named: bool) -> None:  # noqa: FBT001
    """The same rules as the daemon's own, found without its code: both have to come to the same directory."""
    text = f'[state]\ndirectory = "~/s"\n{CONFIG}' if configured else CONFIG
    place = tmp_path / ("x.toml" if named else "position-monitor/config.toml")
    place.parent.mkdir(exist_ok=True)
    place.write_text(text)
    for environ in (
        {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": "/x"},
        {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "STATE_DIRECTORY": "/y:/z"},
    ):
        found = find_config(place if named else None, environ)
        expected = load_text(found.read_text(), "test").state_directory(environ)
        assert state_directory(str(place) if named else None, environ) == str(expected)
        by_variable = {**environ, "POSITION_MONITOR_CONFIG": str(place)}
        assert state_directory(None, by_variable) == str(expected)


def test_where_a_supervisor_made_the_directory_no_configuration_is_read(tmp_path: Path) -> None:
    """A container knows it by a variable, and a broken file says nothing about the daemon that runs."""
    (tmp_path / "control.sock").touch()
    (tmp_path / "c.toml").write_text("no toml")
    environ = {"STATE_DIRECTORY": str(tmp_path), "POSITION_MONITOR_CONFIG": str(tmp_path / "c.toml")}
    assert state_directory(None, environ) == str(tmp_path)
    with pytest.raises(ValueError, match="Expected"):
        state_directory(str(tmp_path / "c.toml"), environ)


@pytest.mark.parametrize("text", ['[state]\ndirectory = ""\n', "state = 3\n", "[state]\ndirectory = 3\n"])
def test_a_directory_that_cannot_be_one_is_none(tmp_path: Path, text: str) -> None:
    """No daemon could have begun with it: it is looked for where one without a directory would be."""
    (tmp_path / "c.toml").write_text(text)
    assert state_directory(str(tmp_path / "c.toml"), {"STATE_DIRECTORY": "/y"}) == "/y"


@pytest.mark.parametrize(
    ("text", "words"),
    [("a = " + "[" * 5000, "nested too deeply"), ("[state\n", "Expected"), ("a = 1" * 2, "Expected")],
)
def test_a_file_that_is_no_toml_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    """Whatever it is: who asks each half minute wants no traceback."""
    (tmp_path / "c.toml").write_text(text)
    assert check(Wanted(str(tmp_path / "c.toml")), {}) == 1
    said_now = capsys.readouterr().out
    assert words in said_now
    assert said_now.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[state]\ndirectory = ", "Invalid value (at line 2, the end)"),
        ("[log]\nlevel = loud\n", "Invalid value (at line 2, column 9)"),
        ('[log]\nlevel = "caf\xe9"\n', "can't decode byte"),
    ],
)
def test_a_file_that_does_not_say_where_to_ask_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, line: str
) -> None:
    """With the place in it, and that nothing is known of the daemon, which goes on with what it read before."""
    path = tmp_path / "c.toml"
    path.write_bytes(text.encode("latin-1"))
    assert check(Wanted(str(path)), {"STATE_DIRECTORY": str(tmp_path)}) == 1
    told = capsys.readouterr().out
    assert told.startswith(f"not healthy: the daemon could not be asked, and may be well: {path}: ")
    assert line in told


@pytest.mark.parametrize("runs", [True, False])
def test_a_pipe_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str], *, runs: bool) -> None:
    """It says nothing; the daemon that was started with a file of its name is asked, or that is said."""
    path = tmp_path / "c.toml"
    os.mkfifo(path)
    environ = {"STATE_DIRECTORY": str(tmp_path)}
    if runs:
        with answering(tmp_path, both(WELL, WELL), {"command": "health", "source": str(path)}):
            assert check(Wanted(str(path)), environ) == 0
    else:
        assert check(Wanted(str(path)), environ) == 1
        words = f"not healthy: the daemon could not be asked, and may be well: {path}: no regular file\n"
        assert capsys.readouterr().out == words


@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_an_edit_makes_nobody_unwell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, own: bool, gone: bool
) -> None:
    """The daemon that runs with the file is found where it seems to say, or where it is without a word of it."""
    path, state = tmp_path / "c.toml", tmp_path / "s"
    state.mkdir()
    text = f'[state]  # here\ndirectory = "{state}"\n[log\n' if own else "[log\n"
    if not gone:
        path.write_text(text)
    environ = {"STATE_DIRECTORY": str(tmp_path if own else state)}
    with answering(state, both(WELL, WELL), {"command": "health", "source": str(path)}):
        code = check(Wanted(str(path)), environ)
        if gone and own:  # nobody knows any more
            assert (code, "may be well" in capsys.readouterr().out) == (1, True)
            code = check(Wanted(str(path)), {"STATE_DIRECTORY": str(state)})
    assert (code, capsys.readouterr().out) == (0, "healthy\n")


def test_a_daemon_that_runs_with_another_file_does_not_answer_for_this_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, and that is no verdict about the other."""
    path = tmp_path / "c.toml"
    path.write_text("[log\n")
    refused = b'{"error": "the daemon runs with /x.toml"}\n'
    with answering(tmp_path, refused, {"command": "health", "source": str(path)}):
        assert check(Wanted(str(path)), {"STATE_DIRECTORY": str(tmp_path)}) == 1
    assert "could not be asked, and may be well" in capsys.readouterr().out


# What comes of it


def test_one_that_is_well_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0; health and readiness are two questions."""
    answer = both(WELL, ill(("the service is stopping", ())))
    assert said(tmp_path, answer, capsys) == (0, "healthy\n")


def test_one_that_is_not_ready_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other way round."""
    answer = both(ill(("x", ())), WELL)
    assert said(tmp_path, answer, capsys, "--ready") == (0, "ready\n")


def test_what_is_wrong_is_one_line_with_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of many names a few."""
    many = [f"S{i}USDT" for i in range(7)]
    answer = both(ill(("marks are not fresh", many), ("a message is overdue", ["tg"]), ("bare", ())), WELL)
    expected = (
        "not healthy: marks are not fresh (S0USDT, S1USDT, S2USDT, S3USDT, S4USDT and 2 more); "
        "a message is overdue (tg); bare\n"
    )
    assert said(tmp_path, answer, capsys) == (1, expected)


def test_as_json_it_is_what_http_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All names."""
    answer = both(ill(("marks are not fresh", ["A", "B"])), ill())
    code, text = said(tmp_path, answer, capsys, "--json")
    assert (code, json.loads(text)) == (
        1, {"status": "failing", "troubles": [{"reason": "marks are not fresh", "names": ["A", "B"]}]}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "cannot be asked"),
        (b"[]\n", "cannot be asked"),
        (b'{"ok": 1}\n', "cannot be asked"),
        (b'{"error": "unknown command"}\n', "the daemon does not say: unknown command"),
    ],
)
def test_an_answer_nobody_understands_is_no_health(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: bytes, words: str
) -> None:
    """A daemon of another version, or none at all."""
    code, text = said(tmp_path, answer, capsys)
    assert code == 1
    assert words in text
    assert text.count("\n") == 1


def test_one_that_hangs_is_not_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket takes the question and nothing comes; the handler of alarms is left as it was."""
    monkeypatch.setattr(healthcheck, "WITHIN_S", 1.0)
    before = signal.getsignal(signal.SIGALRM)
    code, text = said(tmp_path, None, capsys)
    assert (code, text) == (1, f"not healthy: the daemon on {tmp_path} does not answer within 1 s\n")
    assert signal.getsignal(signal.SIGALRM) is before


def test_what_hangs_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration on a disk that is gone; a daemon whose file is broken besides. No check waits for ever."""
    monkeypatch.setattr(healthcheck, "WITHIN_S", 1.0)
    monkeypatch.setattr(places, "without_waiting", os.open)  # a pipe hangs then as a disk may
    pipe, path = tmp_path / "pipe.toml", tmp_path / "c.toml"
    os.mkfifo(pipe)
    path.write_text("[log\n")
    assert check(Wanted(str(pipe)), {}) == 1
    with answering(tmp_path, None, {"command": "health", "source": str(path)}):
        assert check(Wanted(str(path)), {"STATE_DIRECTORY": str(tmp_path)}) == 1
    assert capsys.readouterr().out.splitlines() == [
        "not healthy: the configuration cannot be read within 1 s",
        f"not healthy: the daemon on {tmp_path} does not answer within 1 s",
    ]


def test_without_a_daemon_it_is_not_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No socket, one of a daemon that is gone, and a configuration that is not there."""
    environ = {"STATE_DIRECTORY": str(tmp_path)}
    assert check(Wanted(), environ) == 1
    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).bind(str(tmp_path / "control.sock"))
    assert check(Wanted(), environ) == 1
    none = tmp_path / "none.toml"
    assert check(Wanted(str(none)), environ) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"not healthy: no daemon is running on {tmp_path}",
        f"not healthy: no daemon is running on {tmp_path}",
        f"not healthy: the daemon could not be asked, and may be well: {none}: No such file or directory",
    ]


@pytest.mark.parametrize("before", [True, False])
def test_the_command_line_says_the_same(tmp_path: Path, before: bool) -> None:  # noqa: FBT001
    """Should it be reached on the long way; with options before the command as well."""
    config = tmp_path / "c.toml"
    config.write_text(f'[state]\ndirectory = "{tmp_path}"')
    options = ["--config", str(config), "--json"]
    words = [*options, "healthcheck", "--ready"] if before else ["healthcheck", *options, "--ready"]
    with answering(tmp_path, both(ill(("x", ())), WELL)):
        result = CliRunner().invoke(app, words)
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"status": "ready", "troubles": []})


def test_it_loads_nothing_heavy(tmp_path: Path) -> None:
    """Someone runs it each half minute, on a small machine, for years."""
    code = (
        "import sys\n"
        "from monitor.__main__ import main\n"
        "sys.argv = ['position-monitor', 'healthcheck']\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        f"    print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"],
        capture_output=True, text=True, timeout=60, check=False,
        env={"STATE_DIRECTORY": str(tmp_path), "PATH": os.environ.get("PATH", "")},
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (1, f"not healthy: no daemon is running on {tmp_path}\n")
    assert result.stderr == "[]\n"
