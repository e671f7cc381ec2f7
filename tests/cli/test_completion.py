"""Completion: what may stand at the cursor, and that real shells show it."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from monitor.cli.completing.line import find, joined
from monitor.cli.completing.shells import BASH, FISH, SCRIPTS, ZSH
from monitor.cli.completing.values import ANY, FINDERS
from monitor.cli.completion import answer
from monitor.cli.root import app
from monitor.cli.scenarios import SCENARIOS
from tests.cli.keys import Keys
from tests.cli.test_common import CONFIG

CHANNEL = '[[channels]]\nname = "telegram"\nurl = { env = "TELEGRAM_URL" }\n'
TREE = typer.main.get_command(app)
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "set +o history"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D"),
}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A configuration with a symbol and a channel, and a database with two open alerts and one that is over."""
    config = tmp_path / "config.toml"
    config.write_text(f"{CONFIG}{CHANNEL}", encoding="utf-8")
    state = tmp_path / "state"
    state.mkdir()
    with sqlite3.connect(state / "state.db") as database:
        database.execute("CREATE TABLE outbox (number INTEGER, level INTEGER, subject TEXT, ended_ms INTEGER)")
        rows = [(3, 2, "by-hand/isolated:BTCUSDT", None), (3, 3, "by-hand/isolated:BTCUSDT", None),
                (4, 1, "feed", None), (2, 2, "over", 5), (0, 1, "none", None)]  # fmt: skip
        database.executemany("INSERT INTO outbox VALUES (?, ?, ?, ?)", rows)
    database.close()
    return {
        **os.environ, "POSITION_MONITOR_CONFIG": str(config), "STATE_DIRECTORY": str(state),
        "HOME": str(tmp_path),
    }  # fmt: skip


def words_of(line: str, environ: dict[str, str]) -> list[str]:
    *before, current = line.split(" ")
    return [one.text for one in find(TREE, before, current, environ).words]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("snoo", ["snooze"]),
        ("--verb", ["--verbose"]),
        ("--json sto", []),
        ("nonsense ", []),
        ("explain ", ["BTCUSDT"]),
        ("explain --m", ["--mark"]),
        ("explain BTCUSDT --ma", ["--mark"]),
        ("ack ", ["4", "3"]),
        ("ack 4 ", ["4", "3"]),
        ("alerts --number ", ["4", "3"]),
        ("alerts --number=", ["--number=4", "--number=3"]),
        ("snooze B", ["BTCUSDT"]),
        ("test-alert --channel ", ["telegram"]),
        ("test-alert --level c", ["critical"]),
        ("audit --account ", ["by-hand"]),
        ("drill --scenario ", list(SCENARIOS)),
        ("completion ", list(SCRIPTS)),
        ("help lev", ["levels", "leverage"]),
        ("init --margin-mode ", ["isolated", "cross"]),
        ("init --time-zone Europe/Rom", ["Europe/Rome"]),
        ("run --journal ", []),
    ],
)
def test_what_may_stand_there(environ: dict[str, str], line: str, found: list[str]) -> None:
    """Commands, options, names of the configuration, numbers of open alerts."""
    assert words_of(line, environ) == found


@pytest.mark.parametrize("line", ["run --config ", "--config conf", "status --config=co", "replay j"])
def test_paths_are_left_to_the_shell(environ: dict[str, str], line: str) -> None:
    """It knows them better."""
    *before, current = line.split(" ")
    assert find(TREE, before, current, environ).files


def test_the_configuration_named_on_the_line_counts(environ: dict[str, str], tmp_path: Path) -> None:
    """Wherever it stands, with a blank or an equals sign."""
    other = tmp_path / "other.toml"
    other.write_text(CONFIG.replace("BTCUSDT", "ETHUSDT"), encoding="utf-8")
    for before in (f"--config {other} explain", f"--config={other} explain", f"explain --config {other}"):
        assert words_of(f"{before} ", environ) == ["ETHUSDT"]


def test_names_that_a_shell_would_read_are_left_out(environ: dict[str, str]) -> None:
    """A configuration may hold anything; what is shown is letters and the like."""
    text = CONFIG.replace('"BTCUSDT"', '"$(touch pwned)"')
    Path(environ["POSITION_MONITOR_CONFIG"]).write_text(text, encoding="utf-8")
    assert words_of("explain ", environ) == []


@pytest.mark.parametrize("words", [[], ["bash"], ["bash", "x"], ["bash", "1"], ["tcsh", "1", "a", "ack", ""]])
def test_nothing_is_said_where_anything_is_wrong(
    words: list[str], environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not on standard error either: it would land in what somebody types."""
    monkeypatch.setenv("POSITION_MONITOR_CONFIG", environ["POSITION_MONITOR_CONFIG"])
    monkeypatch.setenv("STATE_DIRECTORY", str(Path(environ["STATE_DIRECTORY"]).parent))
    for broken in ("not TOML", "[[accounts]]\npositions = 1\n", "accounts = 1\nstate = 2\n"):
        Path(environ["POSITION_MONITOR_CONFIG"]).write_text(broken, encoding="utf-8")
        answer(words)
    assert capsys.readouterr().err == ""


def test_bash_words_are_put_together() -> None:
    """It cuts at equals signs and colons."""
    assert joined(["p", "a", "--x", "=", "y"], 4) == (["p", "a", "--x=y"], 2)
    assert joined(["p", "a", "--x", "="], 3) == (["p", "a", "--x="], 2)
    assert joined(["p", "BTCUSDT", ":", "LONG", "b"], 4) == (["p", "BTCUSDT:LONG", "b"], 2)
    assert joined(["p", "", "b"], 1) == (["p", "", "b"], 1)


def test_values_are_of_parameters_that_exist() -> None:
    """A parameter that was renamed does not silently lose its completion."""
    parameters = {(name, one.name) for name, command in TREE.commands.items() for one in command.params}  # type: ignore[attr-defined]
    parameters |= {(ANY, name) for _, name in parameters}
    assert set(FINDERS) <= parameters


def test_an_unknown_shell_is_refused_with_the_nearest() -> None:
    """Exit code 2, as all misuse."""
    result = CliRunner().invoke(app, ["completion", "bsh"])
    assert result.exit_code == 2
    assert 'did you mean "bash"?' in result.stderr


def test_each_script_completes_a_path_without_the_option_before_it() -> None:
    """Behind ``--config=`` stands a path, and no file has a name like that; bash cuts there by itself."""
    assert "'^--[^=]*='" in FISH
    assert "compset -P '--*='" in ZSH
    assert "compopt -o default" in BASH


@pytest.fixture
def program(tmp_path: Path, environ: dict[str, str]) -> dict[str, str]:
    """The environment of a shell that finds the program."""
    link = tmp_path / "bin" / "position-monitor"
    link.parent.mkdir()
    link.write_text(
        f'#!/bin/sh\ncase "$1" in __complete | completion) exec "{sys.executable}" -m monitor "$@" ;; esac\n'
        "printf 'ran:'; printf '[%s]' \"$@\"; echo .\n"
    )
    link.chmod(0o755)
    root = str(Path(__file__).parents[2])
    return {**environ, "PATH": f"{link.parent}:{environ['PATH']}", "PYTHONPATH": root, "TERM": "dumb"}


def run_shell(shell: str, script: str, environ: dict[str, str]) -> str:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [shell, "-c", script], env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stderr == ""
    return done.stdout


def test_bash_completes(program: dict[str, str]) -> None:
    """The function that the script gives to `complete` fills COMPREPLY, also behind an equals sign."""
    script = """
        source <(position-monitor completion bash)
        complete -p position-monitor
        try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _position_monitor; echo "${COMPREPLY[*]}"; }
        try position-monitor stat
        try position-monitor ack ""
        try position-monitor drill --scenario = f
        try position-monitor nonsense x
    """
    assert run_shell("bash", script, program).splitlines() == [
        "complete -F _position_monitor position-monitor", "status", "4 3", "fall flap", "",
    ]  # fmt: skip


def test_fish_completes(program: dict[str, str]) -> None:
    """With what each is."""
    script = """
        position-monitor completion fish | source
        complete -C "position-monitor ack "
        complete -C "position-monitor drill --scenario=f"
    """
    assert run_shell("fish", script, program).splitlines() == [
        "3\tcritical, by-hand/isolated:BTCUSDT", "4\tnotice, feed", "--scenario=fall", "--scenario=flap",
    ]  # fmt: skip


def test_fish_completes_paths(program: dict[str, str], tmp_path: Path) -> None:
    """Also behind an equals sign, in another directory, with a blank in its name, and below the home."""
    (tmp_path / "with blank").mkdir()
    (tmp_path / "with blank" / "mine.toml").touch()
    script = """
        position-monitor completion fish | source
        cd
        for words in "--config=conf" "--config conf" "--config=with" "--config=with\\\\ blank/" \
                "--config 'with blank/" "--config=~/conf" "--config=nothing"
            complete -C "position-monitor status $words"
        end
    """
    assert run_shell("fish", script, program).splitlines() == [
        "--config=config.toml", "config.toml", "--config=with blank/", "--config=with blank/mine.toml",
        "with blank/mine.toml", "--config=~/config.toml",
    ]  # fmt: skip


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_keys_that_are_pressed_complete(shell: str, program: dict[str, str], tmp_path: Path) -> None:
    """In a shell on a terminal, names and paths, as somebody would: the program is called with what they make."""
    (tmp_path / "with blank").mkdir()
    (tmp_path / "with blank" / "mine.toml").touch()
    words, load = SHELLS[shell]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{shell} is not installed")
    with Keys(words, program, tmp_path) as keys:
        keys.press(f"PS1='' RPS1=''; {load}; source <(position-monitor completion {shell}); echo lo''aded\r")
        keys.wait_for("loaded")
        for typed, ran in (
            ("status --config=conf\t", "[status][--config=config.toml]"),
            ("status --config conf\t", "[status][--config][config.toml]"),
            ("status --config=wi\tmi\t", "[status][--config=with blank/mine.toml]"),
            ("expl\t--config=conf\tBTC\t", "[explain][--config=config.toml][BTCUSDT]"),
        ):
            keys.press(f"position-monitor {typed}\r")
            keys.wait_for(f"ran:{ran}.")


def test_zsh_takes_the_script(program: dict[str, str]) -> None:
    """It loads without a word, and the function is there; the keys of a terminal are not pressed here."""
    script = """
        autoload -Uz compinit
        compinit -u -D
        source <(position-monitor completion zsh)
        print $_comps[position-monitor]
        whence -w _position_monitor
    """
    lines = run_shell("zsh", script, program).splitlines()
    assert lines == ["_position_monitor", "_position_monitor: function"]
