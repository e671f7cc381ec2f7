"""What every command shares: documents of errors, output that cannot be written, consoles."""

import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from monitor.cli.chart import Point, TimeChart
from monitor.cli.common import WIDE, console, counted, guarded, print_json_line, soften
from monitor.cli.piped import trimmed
from monitor.cli.root import app
from monitor.cli.tables import Bar
from monitor.config import locate

CONFIG = """
[[accounts]]
name = "by-hand"
[[accounts.positions]]
symbol = "BTCUSDT"
side = "LONG"
quantity = 0.5
entry_price = 62000.0
margin_mode = "isolated"
margin = 1550.0
"""


def written(tmp_path: Path, text: str = CONFIG) -> str:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("before", [True, False])
def test_problems_are_a_document_too(tmp_path: Path, before: bool) -> None:  # noqa: FBT001
    """With --json, wherever it stands, a program gets the problems; people still get their text."""
    config = written(tmp_path, 'x = 1\n[[accounts]]\nname = "a b"\n')
    words = ["check-config", "--config", config]
    result = CliRunner().invoke(app, ["--json", *words] if before else [*words, "--json"])
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert document["error"] == f"{config}: 2 problems"
    assert [one["path"] for one in document["problems"]] == ["x", "accounts[0].name"]
    assert set(document["problems"][0]) == {"path", "found", "allowed", "hint", "about"}
    assert "accounts[0].name" in result.stderr


def test_other_errors_are_the_same_document(tmp_path: Path) -> None:
    """No daemon is running: nothing is wrong with the configuration, so the list is empty."""
    config = written(tmp_path, f'[state]\ndirectory = "{tmp_path / "s"}"\n{CONFIG}')
    result = CliRunner().invoke(app, ["status", "--config", config, "--json"])
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert "no daemon is running" in document["error"]
    assert document["problems"] == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["stress", "--nope", "--json"], "No such option: --nope"),
        (["--json", "nonsense"], "No such command 'nonsense'."),
        (["--nope", "--json"], "No such option: --nope"),
        (["simulate", "--json", "--mark"], "Option '--mark' requires an argument."),
    ],
)
def test_a_wrong_call_is_the_same_document(words: list[str], error: str) -> None:
    """What the command line itself refuses; without --json nothing is on standard output."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {"error": error, "problems": []}
    assert error in result.stderr
    assert CliRunner().invoke(app, [word for word in words if word != "--json"]).stdout == ""


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["checkup", "--check", "--bogus"], "CHECKUP UNKNOWN - No such option: --bogus\n"),
        (["checkup", "--check", "more"], "CHECKUP UNKNOWN - Got unexpected extra argument(s) (more)\n"),
        (["status", "--check", "--json", "--bogus"], "POSITIONS UNKNOWN - No such option: --bogus\n"),
        (["audit", "--check", "--account"], "AUDIT UNKNOWN - Option '--account' requires an argument.\n"),
        (["--nope", "checkup", "--check"], "CHECKUP UNKNOWN - No such option: --nope\n"),
        (["checkup", "--check", "--mark", "BTCUSDT=abc", "--config", "c"], None),
    ],
)
def test_a_monitoring_system_takes_no_wrong_call_for_a_verdict(words: list[str], line: str | None) -> None:
    """Exit code 2 would be critical: it is 3, unknown, with one line that says why."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 3
    assert " UNKNOWN - " in result.stdout
    assert result.stdout.count("\n") == 1
    assert line in (None, result.stdout)


@pytest.mark.parametrize("words", [["checkup", "--bogus"], ["assess", "--check"], ["checkup", "--", "--check"]])
def test_other_wrong_calls_are_misuse(words: list[str]) -> None:
    """Nobody asked for a verdict."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize("first", [True, False], ids=["before the command", "after it"])
def test_a_configuration_that_cannot_be_read_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, first: bool
) -> None:
    """Not one of the command line's library, which knows neither owner nor JSON."""
    path = tmp_path / "config.toml"
    path.touch(mode=0)

    def refuse(_path: str, _flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    monkeypatch.setattr(locate, "_without_waiting", refuse)
    option = ["--config", str(path)]
    words = [*option, "check-config", "--json"] if first else ["check-config", *option, "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    (problem,) = json.loads(result.stdout)["problems"]
    assert (problem["path"], problem["found"]) == (str(path), "permission denied")
    assert "mode is 0000" in problem["hint"]


def test_without_json_errors_are_text_alone(tmp_path: Path) -> None:
    """Standard output stays empty."""
    result = CliRunner().invoke(app, ["check-config", "--config", written(tmp_path, "x = 1\n")])
    assert result.exit_code == 2
    assert result.stdout == ""


def program(*words: str, stdout: int, **environ: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "monitor", *words],
        stdout=stdout, stderr=subprocess.PIPE, env={**os.environ, **environ}, check=False,
    )  # fmt: skip


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
@pytest.mark.parametrize("extra", [(), ("--json",)])
def test_output_that_cannot_be_written_is_one_line(tmp_path: Path, extra: tuple[str, ...]) -> None:
    """A full disk behind a redirection: exit code 1 and no traceback, at the end of the process either."""
    mark = ("--mark", "BTCUSDT=61000")
    with Path("/dev/full").open("wb") as full:
        result = program("explain", "BTCUSDT", "--config", written(tmp_path), *mark, *extra, stdout=full.fileno())
    assert result.returncode == 1
    assert result.stderr.decode() == ("position-monitor: the output cannot be written: No space left on device\n")


class Broken(io.RawIOBase):
    """Where nothing can be written."""

    def __init__(self, error: OSError) -> None:
        self.error = error
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.file.fileno()

    def write(self, _data: object) -> int:
        """Fail until the descriptor leads elsewhere."""
        if os.fstat(self.fileno()).st_rdev == Path(os.devnull).stat().st_rdev:
            return len(memoryview(_data))  # type: ignore[arg-type]
        raise self.error

    def close(self) -> None:
        super().close()
        self.file.close()


def said(error: OSError, monkeypatch: pytest.MonkeyPatch) -> int:
    stream = io.TextIOWrapper(io.BufferedWriter(Broken(error)), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)

    @guarded
    def speak() -> None:
        print_json_line({"a": 1})

    try:
        with pytest.raises(typer.Exit) as caught:
            speak()
    finally:
        stream.close()
    return caught.value.exit_code


def test_a_reader_who_had_enough_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in `history | head`; a disk that is full is one, and closing fails on neither again."""
    assert said(BrokenPipeError(32, "Broken pipe"), monkeypatch) == 0
    assert capsys.readouterr().err == ""
    assert said(OSError(28, "No space left on device"), monkeypatch) == 1
    assert capsys.readouterr().err == ("position-monitor: the output cannot be written: No space left on device\n")


def test_other_failures_of_the_system_are_not_taken_for_output() -> None:
    """A file that is named is not the output."""

    @guarded
    def fail() -> None:
        raise OSError(28, "No space left on device", "/some/file")

    with pytest.raises(OSError, match="/some/file"):
        fail()


def test_bars_are_ascii_where_the_locale_has_nothing_else(tmp_path: Path) -> None:
    """No question marks: each character has a look-alike."""
    words = ("assess", "--config", written(tmp_path), "--mark", "BTCUSDT=60000")
    result = program(*words, stdout=subprocess.PIPE, PYTHONIOENCODING="ascii")
    assert result.returncode == 0
    text = result.stdout.decode("ascii")
    assert "===" in text
    assert "..." in text
    assert "?" not in text


def ascii_stream(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    return raw


def test_charts_are_ascii_where_the_locale_has_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dots in the upper half of a line, in the lower one and in both differ."""
    raw = ascii_stream(monkeypatch)
    points = [Point(second * 1000, second % 7 / 10) for second in range(60)]
    out = console()
    out.print(TimeChart("ratio", points, zone=None))
    out.print(Bar(0.5, "ok").text)
    cut = Text("x" * 500)
    cut.truncate(40, overflow="ellipsis")
    out.print(cut)
    text = raw.getvalue().decode("ascii")
    assert "?" not in text
    assert {":", "'", ".", "|", "+", "-", "=", "~"} <= set(text)


def test_what_has_no_look_alike_is_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text for people is never a reason to fail; in JSON it stays the same value."""
    raw = ascii_stream(monkeypatch)
    console().print("龙虾USDC")
    print_json_line({"symbol": "龙虾USDC 😀"})
    first, second = raw.getvalue().decode("ascii").splitlines()
    assert first == "??USDC"
    assert json.loads(second) == {"symbol": "龙虾USDC 😀"}


def test_only_encoding_is_softened() -> None:
    """Bytes that cannot be read are another matter."""
    soften(io.StringIO())
    stream = io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="ascii")
    soften(stream)
    with pytest.raises(UnicodeDecodeError):
        stream.read()


@pytest.mark.parametrize(
    ("columns", "width"), [(None, WIDE), ("70", 70), ("", WIDE), ("wide", WIDE), ("0", WIDE), ("9" * 30, WIDE)]
)
def test_without_a_terminal_columns_decide(
    monkeypatch: pytest.MonkeyPatch, columns: str | None, width: int
) -> None:
    """Piped output is as wide as COLUMNS says, else wide enough for every table."""
    with monkeypatch.context() as patch:  # undone before pytest writes a line, which is as wide as COLUMNS too
        patch.delenv("COLUMNS", raising=False)
        if columns is not None:
            patch.setenv("COLUMNS", columns)
        patch.setattr(sys, "stdout", io.StringIO())
        assert console().width == width


@pytest.mark.parametrize("styled", [False, True])
def test_without_a_terminal_no_line_ends_in_blanks(monkeypatch: pytest.MonkeyPatch, *, styled: bool) -> None:
    """Tables and wrapped words fill a screen up to its edge; in a file that is of no use to anybody."""
    if styled:
        monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    out = console()
    table = Table(box=None)
    table.add_column("name")
    table.add_column("words", overflow="fold")
    table.add_row("first", Text("a b " * 30, "dim"))
    table.add_row("second", "")
    out.print(table)
    out.print(Padding("c d " * 30, (0, 0, 0, 4)))
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in written.getvalue().splitlines()]
    assert len(lines) > 5
    assert [line for line in lines if line.endswith(" ")] == []
    assert "    c d c d" in "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a  b  \n\n   \n  c", "a  b\n\n\n  c"),
        ("\x1b[1m a \x1b[0m  b \x1b[2m  \x1b[0m \n", "\x1b[1m a \x1b[0m  b\x1b[2m\x1b[0m\n"),
    ],
)
def test_only_blanks_at_the_ends_of_lines_are_left_out(text: str, expected: str) -> None:
    """Those within a line stay, and so does every colour."""
    assert trimmed(text) == expected


@pytest.mark.parametrize("filling", [" ", "\x1b[7m \x1b[0m"], ids=["plain", "coloured"])
def test_many_blanks_within_a_line_are_looked_at_once(filling: str) -> None:
    """Looking again from each of them would not end in anybody's time."""
    text = f"a{filling * 500_000}b"
    is_same = trimmed(f"{text}  \n") == f"{text}\n"  # apart, for nobody wants to see the difference
    assert is_same


def test_one_is_singular() -> None:
    """Nouns of the program's own sentences."""
    assert [counted(number, "wallet") for number in (0, 1, 2)] == ["0 wallets", "1 wallet", "2 wallets"]


@pytest.mark.parametrize("command", ["assess", "simulate", "stress", "explain", "checkup"])
@pytest.mark.parametrize("width", [60, 80])
def test_what_is_said_besides_is_cut_at_blanks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, width: int
) -> None:
    """Where tiers come from, that no daemon answers, what was not checked: lines of the terminal, words whole."""
    config = written(tmp_path, f'[state]\ndirectory = "{tmp_path / "s"}"\n' + CONFIG)
    words = [command, *(["BTCUSDT"] if command == "explain" else []), "--config", config]
    marks = ["--mark", "BTCUSDT=61000"]
    monkeypatch.delenv("COLUMNS", raising=False)
    wide = CliRunner().invoke(app, [*words, *marks])
    monkeypatch.setenv("COLUMNS", str(width))
    narrow = CliRunner().invoke(app, [*words, *marks])
    for before, after in ((wide.stderr, narrow.stderr), (wide.stdout, narrow.stdout)):
        told = [line for line in after.splitlines() if "position-monitor simulate" not in line]
        assert max(map(len, told), default=0) <= width
        remarks = [line for line in before.splitlines() if line.startswith(("Not ", "No daemon", "Maintenance"))]
        assert all(line in " ".join(after.split()) for line in remarks)
