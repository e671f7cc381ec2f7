"""What each command does with a file that holds a mistake: it is said, and stops what depends on it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.root import app
from tests.cli.test_common import CONFIG

MARK = ("--mark", "BTCUSDT=61000")
COMPUTING = [
    ("assess", *MARK), ("explain", "BTCUSDT", *MARK), ("simulate", *MARK), ("checkup", *MARK), ("stress", *MARK),
    ("leverage", "BTCUSDT", *MARK),
]  # fmt: skip
ELSEWHERE = "[web]\nenabeld = true\n"
CONCERNING = "[alerts.warning]\nrom = 0.3\n"


def run(tmp_path: Path, words: tuple[str, ...], more: str) -> Result:
    (tmp_path / "config.toml").write_text(f'[state]\ndirectory = "{tmp_path}"\n{CONFIG}{more}')
    name, *rest = words
    return CliRunner().invoke(app, [name, "--config", str(tmp_path / "config.toml"), *rest])


@pytest.mark.parametrize("words", COMPUTING, ids=lambda words: words[0])
def test_figures_do_not_depend_on_a_mistake_elsewhere(tmp_path: Path, words: tuple[str, ...]) -> None:
    """The same figures with the same exit code, and a sentence beside them."""
    right, result = run(tmp_path, words, ""), run(tmp_path, words, ELSEWHERE)
    assert right.exit_code in {0, 1}, right.output
    assert (result.exit_code, result.stdout) == (right.exit_code, right.stdout)
    assert "see check-config. No figure here depends on what is wrong." in " ".join(result.stderr.split())


@pytest.mark.parametrize("words", COMPUTING, ids=lambda words: words[0])
def test_a_mistake_in_what_figures_come_of_stops_them(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A rule that is misspelled would be another rule."""
    result = run(tmp_path, words, CONCERNING)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "alerts.warning.rom" in result.stderr


@pytest.mark.parametrize(
    ("more", "zone"),
    [
        ('[display]\ntime_zone = "Europe/Atlantis"\n', True), ("[web]\nlisten = = 3\n", True), (ELSEWHERE, False),
        (f'[display]\ntime_zone = "UTC"\n{ELSEWHERE}', False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["alerts", "history"])
def test_times_in_another_zone_than_the_file_names_say_so(
    tmp_path: Path, name: str, more: str, *, zone: bool
) -> None:
    """The machine's stands in for one that cannot be read."""
    words = " ".join(run(tmp_path, (name,), more).stderr.split())
    assert "What is recorded is read all the same" in words
    assert ("Times are in this machine's time zone" in words) is zone


@pytest.mark.parametrize("name", ["run", "check-config", "doctor", "test-alert", "drill", "ack", "mute"])
def test_what_acts_by_the_whole_file_needs_all_of_it(tmp_path: Path, name: str) -> None:
    """No daemon runs here that would go on with what it read before."""
    words = (name, "1") if name == "ack" else (name, "1h", "--why", "x") if name == "mute" else (name,)
    result = run(tmp_path, words, ELSEWHERE)
    assert result.exit_code == 2
    assert "web.enabeld" in result.stderr
