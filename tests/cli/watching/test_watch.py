"""``watch`` as it is called: lines and blocks, what they end with, and how old an answer is."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.root import app
from monitor.cli.watching.advising import Told
from monitor.cli.watching.asking import Answer
from monitor.cli.watching.outlets import Lines
from monitor.cli.watching.parts import Look
from monitor.cli.watching.session import PATIENCE_S, Session
from monitor.control import ANSWER_TIMEOUT_S
from monitor.core.model import Level
from monitor.core.view import OpenAlert
from monitor.errors import ControlError, NotRunningError, OutOfReachError
from tests.cli.answering import answering
from tests.cli.made import NOW_MS, engine, state
from tests.cli.test_service import config_of
from tests.conftest import ManualClock

ALERT = OpenAlert(17, "main/isolated:BTCUSDT:LONG", Level.WARNING, NOW_MS, ("BTCUSDT",))
FOUND = state(engine=engine(alerts=(ALERT,)))


def call(tmp_path: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["watch", "--config", config_of(tmp_path, tmp_path / "s"), *words])


def test_programs_get_a_line_for_each_look(tmp_path: Path) -> None:
    """What `status --json` has, on one line."""
    with answering(tmp_path / "s", {"status": FOUND}):
        result = call(tmp_path, "--json", "--count", "2")
        whole = CliRunner().invoke(app, ["status", "--config", config_of(tmp_path, tmp_path / "s"), "--json"])
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert json.loads(first) == json.loads(second) == json.loads(whole.stdout)
    assert json.loads(first)["engine"]["alerts"][0]["level"] == "warning"


def test_programs_hear_that_nobody_answers(tmp_path: Path) -> None:
    """In the shape that errors have everywhere; it goes on all the same, and the last look decides."""
    result = call(tmp_path, "--json", "--count", "2")
    assert result.exit_code == 1
    for line in result.stdout.splitlines():
        found = json.loads(line)
        assert found["error"].endswith("start it with `position-monitor run`")
        assert found["problems"] == []
    assert len(result.stdout.splitlines()) == 2


def test_without_a_terminal_each_look_is_a_block(tmp_path: Path) -> None:
    """All wallets, without anything that only a terminal understands."""
    with answering(tmp_path / "s", {"status": FOUND}):
        result = call(tmp_path, "--count", "2")
    assert result.exit_code == 0
    assert result.stdout.count("Open alerts: 1") == 2
    assert "\x1b" not in result.stdout
    assert "q ends" not in result.stdout


def test_a_block_says_that_nobody_answers(tmp_path: Path) -> None:
    """And its exit code as well."""
    result = call(tmp_path, "--count", "1")
    assert result.exit_code == 1
    assert result.stdout.startswith(" NO ANSWER from the daemon: nothing is known yet\n")


def test_a_daemon_of_another_version_is_named_so(tmp_path: Path) -> None:
    """It may be replaced at any time, so it is asked again."""
    with answering(tmp_path / "s", {"status": {"version": "9.0"}}):
        result = call(tmp_path, "--json", "--count", "1")
    assert (result.exit_code, "another version" in json.loads(result.stdout)["error"]) == (1, True)


def test_a_file_with_mistakes_finds_the_daemon_that_goes_on(tmp_path: Path) -> None:
    """As other commands do; where none runs, the mistakes are the answer."""
    path = Path(config_of(tmp_path, tmp_path / "s"))
    path.write_text(f"{path.read_text()}\n[nonsense]\n")
    words = ["watch", "--config", str(path), "--count", "1"]
    assert CliRunner().invoke(app, words).exit_code == 2
    with answering(tmp_path / "s", {"status": FOUND}):
        result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    assert "1 problem in the configuration, see check-config." in result.stdout


@pytest.mark.parametrize("every", ["0.5", "0", "-1", "3601", "nan", "x"])
def test_how_often_is_bounded(tmp_path: Path, every: str) -> None:
    """More often would cost the daemon what marks need."""
    assert call(tmp_path, "--every", every, "--count", "1").exit_code == 2


def test_whoever_has_read_enough_ends_it(tmp_path: Path) -> None:
    """As `head` does; no error is told."""
    words = [sys.executable, "-m", "monitor", "watch", "--config", config_of(tmp_path, tmp_path / "s"), "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert (process.wait(60), process.stderr.read()) == (0, b"")


class Still:
    """A source that is never asked and does not change."""

    zone = dt.UTC
    notes: tuple[str, ...] = ()

    def ask(self, request: object) -> object:
        raise AssertionError(request)

    def read_again(self) -> None:
        """Nothing was read."""


class _Watched:
    """A session whose answers and time are the test's."""

    def __init__(self, every_s: float = 1.0) -> None:
        self.clock = ManualClock()
        self.session = Session(Still(), Lines(), self.clock, every_s=every_s)

    def answer(self) -> None:
        found = state(now_ms=self.clock.wall_ms())
        self.session._took(Answer(Told({}, found), None))

    def look(self) -> Look:
        return self.session._look()


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lines, "show", lambda *_: None)


@pytest.mark.usefixtures("quiet")
async def test_an_answer_is_old_once_the_next_should_have_come() -> None:
    """Whatever the reason is; until then its age is told without alarm."""
    watched = _Watched(every_s=10.0)
    assert watched.look().is_old is False  # nothing was asked yet
    watched.answer()
    await watched.clock.advance(10.0 + PATIENCE_S)
    assert (watched.look().is_old, watched.look().age_s) == (False, 10.0 + PATIENCE_S)
    await watched.clock.advance(0.1)
    assert watched.look().is_old


class _Asked:
    """An asker whose answers the test takes its time with."""

    def __init__(self) -> None:
        self.asks = False
        self.count = 0

    def ask(self, _question: object) -> None:
        self.asks, self.count = True, self.count + 1


@pytest.mark.usefixtures("quiet")
async def test_looks_that_were_missed_are_not_caught_up_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a stall, or a pause in which nothing ran, there is one look, and the next one when it is due."""
    watched, asker = _Watched(), _Asked()
    monkeypatch.setattr(watched.session, "_daemon", asker)
    counts = []
    steps = (0.0, "asks"), (3.5, "answers"), (0.4, ""), (0.2, "asks"), (0.1, "answers"), (0.9, "asks"), (
        0.1, "answers"), (60.0, "asks"), (0.1, "answers")  # fmt: skip
    for passed, what in steps:
        await watched.clock.advance(passed)
        if what == "answers":
            asker.asks = False
            watched.answer()
        watched.session._ask()
        counts.append(asker.count)
    assert counts == [1, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.usefixtures("quiet")
async def test_a_machine_that_slept_makes_an_answer_old() -> None:
    """Its seconds were not counted meanwhile, only the wall clock went on."""
    watched = _Watched()
    watched.answer()
    watched.clock._wall_ms += 3_600_000
    assert (watched.look().is_old, watched.look().age_s) == (True, 3600.0)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("error", [NotRunningError("no daemon"), ControlError("it does not answer")])
def test_an_error_makes_what_is_shown_old_at_once(error: ControlError) -> None:
    """And the next answer makes it new."""
    watched = _Watched()
    watched.answer()
    watched.session._took(Answer(None, error))
    assert watched.look().is_old
    assert watched.look().silent.startswith(str(error))
    watched.answer()
    assert (watched.look().is_old, watched.look().silent) == (False, "")


@pytest.mark.usefixtures("quiet")
def test_what_asking_again_cannot_help_ends_it() -> None:
    """Another user's daemon will not answer later either."""
    with pytest.raises(OutOfReachError):
        _Watched().session._took(Answer(None, OutOfReachError("another user's")))


def test_a_silence_is_told_before_a_question_is_given_up() -> None:
    """Else five seconds would pass with old numbers."""
    assert PATIENCE_S < ANSWER_TIMEOUT_S
