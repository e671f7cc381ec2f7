"""Quiet asked for on the command line: through a daemon, and on its database while none runs."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor import control
from monitor.cli import alone
from monitor.cli.root import app
from monitor.commands import Wish
from monitor.config import load
from monitor.control import Lock
from monitor.core.model import Level
from monitor.core.notices import HoldKind, SubjectState
from monitor.errors import ControlError
from monitor.ports import Rows
from monitor.storage.paths import LOCK_FILE, STATE_DB
from monitor.storage.state import SqliteState
from monitor.storage.state_reader import StateReader
from monitor.system_clock import SystemClock
from tests.by_hand import LONG_BTC, cross
from tests.cli.answering import answering, serving
from tests.test_commands import BTC, FakeEngine

CONFIG = (
    """
[state]
directory = "{state}"
[display]
time_zone = "UTC"
[[accounts]]
name = "main"
balances = {{ USDT = 1000.0 }}
"""
    + LONG_BTC
    + cross("ETHUSDT", "LONG", 0.5, 2000.0)
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "s"
    folder.mkdir()
    (tmp_path / "config.toml").write_text(CONFIG.format(state=folder))
    return folder


def run(state: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, f"--config={state.parent / 'config.toml'}"], env={"COLUMNS": "100"})


@contextmanager
def daemon(state: Path, engine: FakeEngine, *, recorded: bool = True) -> Iterator[None]:
    asked = engine.commands(recorded=recorded)
    with serving(state, {"hold": asked.hold, "lift": asked.lift}):
        yield


def test_the_daemon_is_asked_and_its_answer_shown(state: Path) -> None:
    """Until when, of what, at which level, what is held back, and what is told all the same."""
    engine = FakeEngine()
    with daemon(state, engine):
        result = run(state, "ack", "17", "--for", "2h", "--why", "adding margin")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Acknowledged until ")
    assert "alert 17" in result.stdout
    assert "critical" in result.stdout
    assert "main isolated BTCUSDT LONG" in result.stdout
    assert "main/" not in result.stdout
    assert "Held back: reminders and escalation. Told all the same: whatever gets worse" in result.stdout
    [hold] = engine.kept.active()
    assert (hold.kind, hold.target, hold.why) == (HoldKind.ACK, "alert:17", "adding margin")
    assert hold.by == f"uid {os.getuid()}"
    assert hold.until_ms - hold.made_ms == 2 * 3_600_000


def test_an_acknowledgement_lasts_twelve_hours_unless_said(state: Path) -> None:
    """Long enough for a night, and it ends."""
    engine = FakeEngine()
    with daemon(state, engine):
        assert run(state, "ack", "#17", "18").exit_code == 0
    assert {hold.until_ms - hold.made_ms for hold in engine.kept.active()} == {12 * 3_600_000}


def test_snoozes_are_of_alerts_and_of_symbols(state: Path) -> None:
    """Digits are a number, everything else a symbol, in whatever case."""
    engine = FakeEngine()
    with daemon(state, engine):
        result = run(state, "snooze", "17", "btcusdt", "30m", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [one["target"] for one in document["made"]] == ["alert:17", "symbol:BTCUSDT"]
    assert document["recorded"] is True
    assert document["made"][1]["covers"][0]["number"] == 17


def test_a_mute_says_why_and_is_lifted(state: Path) -> None:
    """Without a reason it is refused; what is lifted is named."""
    engine = FakeEngine()
    with daemon(state, engine):
        assert run(state, "mute", "1h").exit_code == 2
        assert run(state, "mute", "1h", "--why", " ").exit_code == 2
        muted = run(state, "mute", "1h", "--why", "maintenance")
        lifted = run(state, "unsnooze")
        again = run(state, "unsnooze")
    assert muted.stdout.startswith("Muted until ")
    assert lifted.stdout == "No longer muted: everything.\n"
    assert again.stdout == "Nothing was snoozed or muted.\n"
    assert (muted.exit_code, lifted.exit_code, again.exit_code) == (0, 0, 0)
    assert engine.kept.active() == ()


def test_what_covers_nothing_says_so(state: Path) -> None:
    """Nobody may believe that a calm symbol is silenced."""
    with daemon(state, FakeEngine()):
        result = run(state, "snooze", "DOGEUSDT", "1h")
    assert "nothing is held back" in result.stdout


def test_an_unknown_number_is_an_error_that_lists_what_is_open(state: Path) -> None:
    """Exit code 1, also for a program."""
    with daemon(state, FakeEngine()):
        result = run(state, "ack", "71", "--json")
    assert result.exit_code == 1
    assert "alert 71 is not open; open: 17 (main isolated BTCUSDT LONG, critical)" in result.stderr
    assert "alert 71" in json.loads(result.stdout)["error"]


def test_what_is_in_force_but_not_on_disk_is_a_failure(state: Path) -> None:
    """It is shown, and the exit code says that a restart would forget it."""
    with daemon(state, FakeEngine(), recorded=False):
        result = run(state, "ack", "17")
    assert result.exit_code == 1
    assert "Acknowledged until" in result.stdout
    assert "state.db did not take it" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ack", "x"), "the number of an alert"),
        (("ack", "17", "--for", "25h"), 'up to "24h" (nothing is silent for ever)'),
        (("ack", "17", "--for", "1s"), 'from "1m"'),
        (("snooze", "17", "soon"), 'a duration such as "30m" or "2h", from "1m" up to "24h"'),
        (("snooze", "BTCUSDT", "2"), 'from "1m" up to "24h" (its unit is missing)'),
        (("mute", "2d", "--why", "x"), 'a duration such as "30m" or "2h", from "1m" up to "8h"'),
        (("snooze", "#x", "1h"), "or a symbol"),
        (("mute", "9h", "--why", "x"), 'up to "8h"'),
        (("unsnooze", "#"), "or a symbol"),
    ],
)
def test_a_wrong_argument_is_a_usage_error(state: Path, words: tuple[str, ...], said: str) -> None:
    """Nobody is asked, and the fix is named."""
    result = run(state, *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_many_are_shown_cut(state: Path) -> None:
    """A market-wide fall opens hundreds: the worst come first, the rest is counted."""
    many = tuple(BTC._replace(number=n, subject=f"main/{n}", level=Level.WARNING) for n in range(1, 40))
    with daemon(state, FakeEngine((*many, BTC._replace(number=40)))):
        result = run(state, "ack", "all")
    assert result.exit_code == 0
    assert "and 30 more" in result.stdout
    assert len(result.stdout.splitlines()) == 14
    lines = result.stdout.splitlines()
    assert lines[0].endswith(": 40 alerts.")
    assert lines[2].split()[:2] == ["40", "critical"]


def test_a_daemon_that_does_not_answer_is_never_written_beside(state: Path) -> None:
    """It holds the lock, so its database is its own."""
    remember(state, open_state())
    with Lock(state / LOCK_FILE):
        result = run(state, "ack", "17")
    assert result.exit_code == 1
    assert "does not answer" in result.stderr
    with StateReader(state / STATE_DB) as reader:
        assert reader.holds() == []


def test_another_version_is_told_apart(state: Path) -> None:
    """An answer of another shape is not shown half understood."""
    with answering(state, {"hold": {"made": 7}}):
        result = run(state, "ack", "17")
    assert result.exit_code == 1
    assert "of another version" in result.stderr


# Without a daemon


def open_state(subject: str = "main/isolated:BTCUSDT:LONG", number: int = 17, **changes: object) -> SubjectState:
    facts = {"level": Level.CRITICAL, "since_ms": 1_780_000_000_000, "incident": 2, "peak": Level.CRITICAL}
    return SubjectState(subject=subject, number=number, **{**facts, **changes})  # type: ignore[arg-type]


def remember(state: Path, *states: SubjectState) -> None:
    """Leave what a daemon leaves that ended."""

    async def write() -> None:
        store = SqliteState(state / STATE_DB, SystemClock())
        await store.open()
        await store.commit(Rows(subjects=states))
        await store.close()

    asyncio.run(write())


def test_without_a_daemon_the_next_one_will_know(state: Path) -> None:
    """The hold is in the database with the levels that the last run left, and the answer says who knows of it."""
    calm = open_state("main/isolated:SOLUSDT:LONG", 16, level=Level.OK)
    cross = open_state("main/cross:USDT", 18, level=Level.WARNING)
    remember(state, open_state(), calm, cross)
    result = run(state, "snooze", "ethusdt", "2h", "--why", "asleep")
    assert result.exit_code == 0, result.output
    assert "18" in result.stdout
    assert "main cross USDT" in result.stdout
    assert "No daemon is running; the next one will know." in result.stdout
    with StateReader(state / STATE_DB) as reader:
        [hold] = reader.holds()
    assert (hold.kind, hold.target, hold.why) == (HoldKind.SNOOZE, "symbol:ETHUSDT", "asleep")
    assert hold.by == f"uid {os.getuid()}"
    assert hold.levels == {"main/isolated:BTCUSDT:LONG": Level.CRITICAL, "main/cross:USDT": Level.WARNING}


def test_a_daemon_that_just_starts_is_not_written_beside(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has taken the lock between the question and the writing."""
    remember(state, open_state())
    monkeypatch.setattr(control, "_ATTEMPTS", 1)
    settings = load(state.parent / "config.toml", {})
    with Lock(state / LOCK_FILE), pytest.raises(ControlError, match="a daemon just starts"):
        alone.make(state, settings, Wish(HoldKind.ACK, ("alert:17",), 3600.0), 1_780_000_000_000)
    with StateReader(state / STATE_DB) as reader:
        assert reader.holds() == []


def test_without_a_daemon_it_is_lifted_too(state: Path) -> None:
    """And what is not there is an error that names what is."""
    remember(state, open_state())
    assert run(state, "mute", "1h", "--why", "x").exit_code == 0
    missing = run(state, "unsnooze", "17")
    assert missing.exit_code == 1
    assert "alert 17 is not snoozed; in force: everything" in missing.stderr
    assert run(state, "unsnooze", "all").stdout == "No longer muted: everything.\n"
    with StateReader(state / STATE_DB) as reader:
        assert reader.holds() == []
        assert [hold.ended for hold in reader.holds(ended=True)] == ["lifted"]


def test_without_a_daemon_an_alert_that_is_over_is_refused(state: Path) -> None:
    """Nothing is written for it."""
    remember(state, open_state(level=Level.OK))
    result = run(state, "ack", "17")
    assert result.exit_code == 1
    assert "alert 17 is not open; no alert is open" in result.stderr


def test_where_nothing_ever_ran_there_is_nothing_to_hold(state: Path) -> None:
    """No database is made by the way."""
    result = run(state, "ack", "17")
    assert result.exit_code == 1
    assert "there is no such file" in result.stderr
    assert list(state.iterdir()) == []
