"""``help``: topics that cannot go stale, and commands in groups."""

import io
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from monitor import places
from monitor.cli.guide import GROUPS, filled, topics
from monitor.cli.pages import Page
from monitor.cli.root import app
from monitor.cli.spoken import grouped_commands
from monitor.config import WebSettings

ROOT = Path(__file__).parents[2]
TREE = typer.main.get_command(app)
COMMANDS: dict[str, object] = TREE.commands  # type: ignore[attr-defined]
TEXTS = {one.name: filled(one) for one in topics()}
CALLS = re.compile(r"position-monitor((?: [a-z][a-z-]*)(?:[^\n`|]*))")


def test_every_file_is_a_topic() -> None:
    """Each begins with its name, and none is forgotten."""
    files = {one.stem for one in (ROOT / "monitor/cli/topics").iterdir()}
    assert set(TEXTS) == files
    for one in topics():
        assert one.about
        assert not one.about.startswith("#")
        assert "{" not in TEXTS[one.name].replace("{ ", "")


def test_levels_are_those_of_the_code_and_of_the_readme() -> None:
    """One table, made from the defaults, and the README has it to the letter."""
    table = "\n".join(line for line in TEXTS["levels"].splitlines() if line.startswith("|"))
    assert table in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "| emergency | <= 7 % | <= 0.5 and room <= 25 % | >= 90 % | 3 min | 2 min |" in table


def test_places_and_figures_are_those_of_the_code() -> None:
    """Where the configuration is looked for, variables, and the address of the web interface."""
    plain = WebSettings()
    assert f"{plain.host}:{plain.port}" in TEXTS["web"]
    assert places.SYSTEM_CONFIG in TEXTS["config"]
    assert places.VARIABLE in TEXTS["config"]
    assert places.user_config({"HOME": "/h"}).replace("/h", "~") in TEXTS["config"]
    assert places.state_directory(None, {"HOME": "/h"}).replace("/h", "~") in TEXTS["files"]
    read = set(re.findall(r'"([A-Z][A-Z_]{4,}[A-Z])"', (ROOT / "monitor/places.py").read_text()))
    assert read <= set(re.findall(r"`([A-Z_]+)`", TEXTS["environment"]))
    assert places.SYSTEM_CREDENTIALS in TEXTS["environment"]
    assert places.SYSTEM_CREDENTIALS in TEXTS["secrets"]


def test_every_probe_has_its_line() -> None:
    """What is served for machines to ask is named where the web interface is explained."""
    for path in ("/healthz", "/readyz", "/livez", "/metrics", "/api/v1"):
        assert f"`{path}" in TEXTS["web"]


def _unwrapped(text: str) -> str:
    """Return text with its paragraphs on one line each; lines of code stay."""
    return re.sub(r"\n(?=\S)", " ", text)


@pytest.mark.parametrize("name", TEXTS)
def test_commands_of_topics_exist(name: str) -> None:
    """With the options they are written with; topics that are named are there."""
    for call in CALLS.findall(_unwrapped(TEXTS[name])):
        words = call.split()
        if words[0] in COMMANDS:
            options = [option for one in COMMANDS[words[0]].params for option in one.opts]  # type: ignore[attr-defined]
            for word in (one for one in words if one.startswith("--")):
                assert word.rstrip(".,;:") in [*options, "--help"], call
    for topic in re.findall(r"position-monitor help ([a-z-]+)", _unwrapped(TEXTS[name])):
        assert topic in TEXTS


@pytest.mark.parametrize("name", TEXTS)
def test_a_topic_is_plain_where_there_is_no_terminal(name: str) -> None:
    """Markdown as it is, with the figures; no line of code is too wide for a terminal."""
    result = CliRunner().invoke(app, ["help", name])
    assert result.exit_code == 0
    assert result.stdout.startswith(f"# {name}: ")
    assert TEXTS[name] in result.stdout
    assert "\x1b" not in result.stdout
    assert all(len(line) <= 78 for line in TEXTS[name].splitlines() if line.startswith("    "))


def test_a_command_is_explained_as_by_its_own_help() -> None:
    """A name that is a topic as well names the other way."""
    own = CliRunner().invoke(app, ["explain", "--help"]).stdout
    assert CliRunner().invoke(app, ["help", "explain"]).stdout == own
    assert "position-monitor alerts --help" in CliRunner().invoke(app, ["help", "alerts"]).stdout


@pytest.mark.parametrize("width", [30, 40, 50, 60, 72, 90])
def test_no_word_of_a_table_is_cut(width: int) -> None:
    """However narrow a terminal is: side by side where the words fit, else a paragraph for each row."""
    table = "\n".join(line for line in TEXTS["levels"].splitlines() if line.startswith("|"))
    out = Console(file=io.StringIO(), width=width)
    with out.capture() as shown:
        out.print(Page(table))
    lines = shown.get().splitlines()
    cells = [word for word in table.replace("|", " ").split() if not word.startswith("---")]
    words = Counter(" ".join(lines).replace(";", " ").split())
    names = {"level", "room", "moves", "left", "margin", "ratio", "reminder", "after"}
    assert {word: words[word] for word in cells if word not in names} == {
        word: count for word, count in Counter(cells).items() if word not in names
    }
    assert names - {"level"} <= words.keys()
    assert all(len(line) <= width for line in lines)


def test_alone_it_lists_topics_and_commands() -> None:
    """In groups, and as JSON."""
    result = CliRunner().invoke(app, ["help"])
    for name in (*TEXTS, *GROUPS, "snooze"):
        assert name in result.stdout
    document = json.loads(CliRunner().invoke(app, ["help", "--json"]).stdout)
    assert list(document["topics"]) == list(TEXTS)
    listed = [name for names in document["commands"].values() for name in names]
    assert sorted(listed) == sorted(COMMANDS)


def test_an_unknown_topic_suggests_the_nearest() -> None:
    """Exit code 2, as all misuse."""
    result = CliRunner().invoke(app, ["help", "levls"])
    assert result.exit_code == 2
    assert 'did you mean "levels"?' in result.stderr


def test_a_command_nobody_grouped_comes_last() -> None:
    """It is not lost; all that there are have a group."""
    assert grouped_commands(["run", "new-one"]) == {"Watching": ["run"], "More": ["new-one"]}
    assert "More" not in grouped_commands(COMMANDS)
