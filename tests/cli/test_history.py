"""``history`` on a recorded file."""

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.core.model import Change, ChangeKind, Sample
from monitor.storage.history import HistorySettings, SqliteHistory
from monitor.system_clock import SystemClock
from tests.by_hand import LONG_BTC
from tests.cli.made import commands

STEPS = 40
CONFIG = (
    """
[state]
directory = "{folder}"
[display]
time_zone = "Europe/Rome"
[[accounts]]
name = "main"
"""
    + LONG_BTC
)


def samples(now_ms: int) -> list[Sample]:
    """A fall of BTC within 40 s, worst at the end, beside an ETH position where little happens."""
    rows = []
    for step in range(STEPS):
        at_ms = now_ms - (STEPS - step) * 1000
        ratio, room, distance = 0.1 + 0.02 * step, 0.9 - 0.02 * step, 0.04 - 0.0009 * step
        level = 3 if step == STEPS - 1 else 0
        when, btc, eth = at_ms, ("main", "isolated:BTCUSDT:LONG"), ("other", "cross:USDT")
        rest: tuple[float | None, ...] = (None, 0.1, None)
        used_up = 0.0 if step == 0 else 1.0
        rows += [
            Sample(when, *btc, "", "", "stream", level, ratio, room, None, 0.1, None, None, 1.0, 0.1, 0.9),
            Sample(
                when, *btc, "BTCUSDT", "LONG", "stream", level, None, None, distance, None, 61_000.0 + step,
                59_136.55, *rest,
            ),
            Sample(when, *eth, "", "", "stream", 0, None, used_up, None, None, None, None, 1.0, 0.1, 0.9),
            Sample(
                when, *eth, "ETHUSDT", "SHORT", "stream", 0, None, None, None, None, 3000.0, None, *rest
            ),
        ]  # fmt: skip
    return rows


async def record(path: Path, rows: Sequence[Sample], changes: Sequence[Change] = ()) -> None:
    store = SqliteHistory(path, SystemClock(), HistorySettings(), lambda _ok, _reason: None)
    store.record(rows)
    store.record_changes(changes)
    store.finish()
    await store.run()
    await store.close()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


@pytest.fixture
async def recorded(config: Path) -> Path:
    await record(config.parent / "history.db", samples(SystemClock().wall_ms()))
    return config


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(commands, ["history", f"--config={config}", *arguments])


def test_a_table_the_worst_and_a_chart(recorded: Path) -> None:
    """The newest rows, the worst of each position, and both charts of the worst one are shown."""
    found = run(recorded)
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    assert lines[0].split()[:4] == ["time", "account", "wallet", "symbol"]
    assert "The newest 20 of 80 rows; --limit shows more." in lines
    offset = dt.datetime.fromtimestamp(0, tz=dt.UTC).isoformat()[19:]
    assert offset not in lines[1]  # Rome is never at UTC
    worst = lines[lines.index("Worst in this time, each figure on its own:") + 2]
    assert worst.split()[:12] == [
        "main", "isolated", "BTCUSDT", "LONG", "0.49", "%", "88", "%", "12", "%", "critical", worst.split()[11],
    ]  # fmt: skip
    assert "margin ratio, other: cross USDT ETHUSDT SHORT" in lines
    assert "used up" not in "\n".join(lines[1:21])


def test_one_symbol(recorded: Path) -> None:
    """A symbol limits table, worst and chart to its positions; ratio and room are its wallet's."""
    found = run(recorded, "BTCUSDT", "--limit", "3")
    lines = found.stdout.splitlines()
    assert "ETHUSDT" not in found.stdout
    assert "The newest 3 of 40 rows; --limit shows more." in lines
    assert lines[3].split()[1:] == [
        "main", "isolated", "BTCUSDT", "LONG", "61039", "59136.55", "0.49", "%", "88", "%", "12", "%", "critical",
    ]  # fmt: skip
    assert "distance to liquidation, main: isolated BTCUSDT LONG" in lines
    assert any("⠀" in line for line in lines)


def test_without_a_chart(recorded: Path) -> None:
    """--no-chart leaves the chart out, and a limit that is not reached is not mentioned."""
    found = run(recorded, "--no-chart", "--limit", "80", "--account", "other")
    assert "margin ratio" not in found.stdout
    assert "newest" not in found.stdout
    assert "main" not in found.stdout
    assert "used up" in found.stdout.splitlines()[1]


def test_json_is_complete_and_in_utc(recorded: Path) -> None:
    """JSON holds every row unless limited, with raw fractions and UTC."""
    rows = json.loads(run(recorded, "BTCUSDT", "--json").stdout)
    assert len(rows) == STEPS
    assert rows[-1]["at"].endswith("Z")
    assert rows[-1] | {"at": "", "at_ms": 0} == {
        "at": "", "at_ms": 0, "account": "main", "wallet": "isolated:BTCUSDT:LONG", "symbol": "BTCUSDT",
        "side": "LONG", "level": "critical", "margin_ratio": pytest.approx(0.88), "room": pytest.approx(0.12),
        "distance": pytest.approx(0.0049), "mark": 61039.0, "liquidation_price": 59136.55, "source": "stream",
    }  # fmt: skip
    assert len(json.loads(run(recorded, "--json", "--limit", "5").stdout)) == 5


def test_minutes_hold_the_worst_of_each(recorded: Path) -> None:
    """One row a minute and position, with the worst of the minute."""
    rows = json.loads(run(recorded, "BTCUSDT", "--minutes", "--json").stdout)
    assert 1 <= len(rows) <= 2
    assert rows[-1]["level"] == "critical"
    assert rows[-1]["margin_ratio"] == pytest.approx(0.88)
    assert rows[-1]["distance"] == pytest.approx(0.0049)
    assert all(row["symbol"] for row in json.loads(run(recorded, "--minutes", "--json").stdout))


async def test_what_is_too_old_is_not_shown(config: Path) -> None:
    """--since limits how far back; an empty answer is a sentence."""
    await record(config.parent / "history.db", samples(SystemClock().wall_ms() - 7_200_000))
    assert run(config, "--since", "1h").stdout == "Nothing was recorded in the last 1h.\n"
    assert len(json.loads(run(config, "--since", "3h", "--json").stdout)) == 2 * STEPS


def test_a_mistake_elsewhere_in_the_file_keeps_nobody_from_reading(recorded: Path) -> None:
    """It is said on standard error, with the file that is read; one about where that is stops all."""
    right = run(recorded, "--json")
    text = recorded.read_text()
    for spoiled in (f"{text}[web]\nenabeld = true\n", f"{text}[web]\nenabled = = true\n"):
        recorded.write_text(spoiled)
        result = run(recorded, "--json")
        assert (result.exit_code, result.stdout) == (0, right.stdout)
        assert "history.db" in result.stderr
    recorded.write_text(f"{text}[history]\npth = '/elsewhere.db'\n")
    assert run(recorded).exit_code == 2


def test_a_missing_file_says_what_to_do(config: Path) -> None:
    """Before the first run there is no history: that is said, with the way to one."""
    found = run(config)
    assert found.exit_code == 1
    assert "there is no such file" in found.stderr
    assert "position-monitor run" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "soon"], "a duration such as"),
        (["DOGEUSDT"], "what has a history: BTCUSDT, ETHUSDT"),
        (["--account", "nobody"], "what has a history: main, other"),
    ],
)
def test_wrong_arguments_are_refused(recorded: Path, arguments: list[str], said: str) -> None:
    """A name without a history is a mistake, not a calm answer."""
    found = run(recorded, *arguments)
    assert found.exit_code == 2
    assert said in found.stderr


@pytest.fixture
async def changed(config: Path) -> Path:
    now_ms = SystemClock().wall_ms()
    found = [
        Change(now_ms - 7_200_000, "main", ChangeKind.OPENED, "BTCUSDT", "LONG", "", 0.0, 0.5, 61_000.0, "ORDER"),
        Change(now_ms - 2000, "main", ChangeKind.BALANCE, "", "", "USDT", 5000.0, 4800.0, None, "FUNDING_FEE"),
        Change(now_ms - 1000, "other", ChangeKind.CLOSED, "ETHUSDT", "SHORT", "", 2.0, 0.0, None, "reconcile"),
    ]
    await record(config.parent / "history.db", (), found)
    return config


def test_changes_in_plain_words(changed: Path) -> None:
    """Time, account and what changed, newest last; filters and limits are those of the samples."""
    lines = run(changed, "--changes").stdout.splitlines()
    assert lines[0].split() == ["time", "account", "change"]
    assert "BTCUSDT LONG opened 0.5 at 61,000" in lines[1]
    assert "main" in lines[2]
    assert "USDT balance 5,000 -> 4,800 (FUNDING_FEE)" in lines[2]
    assert "ETHUSDT SHORT closed, was 2 (reconcile)" in lines[3]
    assert "opened" in run(changed, "--changes", "BTCUSDT").stdout
    assert "balance" not in run(changed, "--changes", "BTCUSDT").stdout
    assert "The newest 1 of 2 changes; --limit shows more." in run(
        changed, "--changes", "--account", "main", "--limit", "1"
    ).stdout  # fmt: skip
    assert (
        run(changed, "--changes", "BTCUSDT", "--since", "1h").stdout == "No change was recorded in the last 1h.\n"
    )


def test_changes_as_json(changed: Path) -> None:
    """Every field as it is, in UTC, and the words for it."""
    rows = json.loads(run(changed, "--changes", "--json").stdout)
    assert [row["kind"] for row in rows] == ["opened", "balance", "closed"]
    assert rows[1] | {"at": "", "at_ms": 0} == {
        "at": "", "at_ms": 0, "account": "main", "kind": "balance", "symbol": "", "side": "", "asset": "USDT",
        "before": 5000.0, "after": 4800.0, "price": None, "cause": "FUNDING_FEE",
        "words": "USDT balance 5,000 -> 4,800 (FUNDING_FEE)",
    }  # fmt: skip
    assert rows[0]["at"].endswith("Z")


def test_a_symbol_that_never_changed_is_refused(changed: Path) -> None:
    """An empty answer would read as calm."""
    found = run(changed, "--changes", "DOGEUSDT")
    assert found.exit_code == 2
    assert "what changed: BTCUSDT, ETHUSDT" in found.stderr
