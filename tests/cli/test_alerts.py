"""The ledger as people and programs read it."""

import asyncio
import datetime as dt
import json
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from monitor.cli.brief import short
from monitor.cli.ledger import state_of
from monitor.cli.quiet import print_in_force
from monitor.cli.root import app
from monitor.core.model import Level
from monitor.core.notices import Facts, Hold, HoldKind, NoticeKind
from monitor.notify.subjects import subject_name
from monitor.ports import Attempt, Rows
from monitor.storage.outbox import OutboxRow, OutboxState
from monitor.storage.paths import STATE_DB
from monitor.storage.state import SqliteState
from monitor.system_clock import SystemClock
from tests.cli.answering import answering
from tests.cli.ledgers import notice, subject, write


def noon_now() -> str:
    """Return a time zone in which it is about noon: what happened within hours is of one day, and has no dates."""
    ahead = 12 - SystemClock().wall_ms() // 3_600_000 % 24
    return f"Etc/GMT{-ahead:+d}"


CONFIG = f"""
[state]
directory = "{{state}}"
[display]
time_zone = "{noon_now()}"
[[accounts]]
name = "main"
balances = {{{{ USDT = 1000.0 }}}}
[[accounts.positions]]
symbol = "ETHUSDT"
side = "LONG"
quantity = 0.5
entry_price = 2000.0
margin_mode = "cross"
[[channels]]
name = "telegram"
url = {{{{ env = "NOT_READ" }}}}
"""


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("night")
    (folder / "s").mkdir()
    (folder / "config.toml").write_text(CONFIG.format(state=folder / "s"))
    write(folder / "s", SystemClock().wall_ms() - 1_100_000)
    return folder


def run(folder: Path, *words: str, columns: int = 120) -> Result:
    where = f"--config={folder / 'config.toml'}"
    return CliRunner().invoke(app, ["alerts", where, *words], env={"COLUMNS": str(columns)})


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_each_message_has_a_line_that_fits_the_terminal(night: Path, columns: int) -> None:
    """Number, time, level, whose, channel and what became of it stay, however narrow it is."""
    result = run(night, columns=columns)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()[2:]
    assert all(len(line) <= columns for line in lines)
    words = [" ".join(line.split()) for line in lines]
    assert words[0].startswith("alert crossed what whose channel")
    assert [line.split()[0] for line in words[1:-1]] == ["17", "17", "17", "17", "17", "17", "-", "18", "18", "19"]
    assert "main BTCUSDT LONG telegram" in words[1]
    assert "accepted +500 ms" in words[1]
    assert "refused: SMTP 535" in words[2]
    assert "superseded" in words[3]
    assert "accepted +93 s" in words[4]
    assert "closed" in words[6]
    assert "refused: token wrong" in words[7]
    assert "pending: timed out" in words[8]
    assert "over before delivery" in words[10]


def test_wide_terminals_show_more(night: Path) -> None:
    """Attempts, on whose behalf a channel was told, and when people and incidents were done with it."""
    text = run(night, columns=160).stdout
    assert "for telegram" in text
    assert "acknowledged" in text
    assert "  31  accepted +93 s" in text


def test_what_is_quiet_stands_above(night: Path) -> None:
    """Whoever reads of an alert must learn why he was not reminded."""
    first = run(night).stdout.splitlines()[0]
    assert first.startswith("Snoozed until ")
    assert first.endswith(': ETHUSDT, by uid 1000, "hedged".')


def test_what_is_open_is_listed_with_its_number_and_what_holds_it(night: Path) -> None:
    """The number is what `ack` wants; a snoozed symbol holds the wallet that backs it."""
    lines = [" ".join(line.split()) for line in run(night, "--open").stdout.splitlines()]
    assert "18 critical" in lines[3]
    assert "main cross USDT ETHUSDT" in lines[3]
    assert "sms snoozed until" in lines[3]
    document = json.loads(run(night, "--open", "--json").stdout)
    assert [(one["number"], one["level"], one["told"]) for one in document["open"]] == [(18, "critical", ["sms"])]
    assert document["open"][0]["held"]["target"] == "symbol:ETHUSDT"
    assert document["holds"][0]["levels"] == {"main/cross:USDT": "critical"}


def test_what_is_open_of_a_feed_names_the_symbols_that_were_told(tmp_path: Path) -> None:
    """The newest message says which; where nobody was told, that is said and no dash passes for none."""
    (tmp_path / "config.toml").write_text(CONFIG.format(state=tmp_path))
    now_ms = SystemClock().wall_ms()

    async def make() -> None:
        store = SqliteState(tmp_path / STATE_DB, SystemClock())
        await store.open()
        for at_ms, symbols in ((now_ms - 5000, ("BTCUSDT",)), (now_ms - 2000, ("BTCUSDT", "ETHUSDT"))):
            blind = notice(
                at_ms, "sms", Level.CRITICAL, subject="/feed:usdm", number=19, kind=NoticeKind.BLIND,
                said=Facts(symbols=symbols),
            )  # fmt: skip
            await store.commit(Rows(notices=[blind]))
        silent = [("/feed:usdm", 19), ("/feed:coinm", 20), ("gone/cross:USDT", 21), ("/storage:history", 22)]
        lost = notice(
            now_ms, "sms", Level.CRITICAL, subject="gone/cross:USDT", number=21, said=Facts(symbol="XRPUSDT")
        )
        states = [subject(name, Level.CRITICAL, number, now_ms - 5000) for name, number in silent]
        await store.commit(Rows(subjects=states, notices=[lost]))
        await store.close()

    asyncio.run(make())
    document = json.loads(run(tmp_path, "--open", "--json").stdout)
    assert [one["symbols"] for one in document["open"]] == [["BTCUSDT", "ETHUSDT"], [], ["XRPUSDT"], []]
    shown = run(tmp_path, "--open").stdout.splitlines()[1:5]
    assert ["not recorded" in line for line in shown] == [False, True, False, False]
    assert "BTCUSDT, ETHUSDT" in shown[0]


@pytest.mark.parametrize(
    "words", [(), ("--open",), ("--number", "17"), ("--symbol", "BTCUSDT"), ("--channel", "telegram")]
)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[[channels]]", "[web]\nenabeld = true\n[[channels]]"),
        ("quantity = 0.5", "quantity = -0.5"),
        ("[[channels]]", "[web]\nenabled = = true\n[[channels]]"),
    ],
)
def test_a_mistake_elsewhere_in_the_file_keeps_nobody_from_reading(
    night: Path, tmp_path: Path, words: tuple[str, ...], old: str, new: str
) -> None:
    """It is said on standard error, with where what is shown lies."""
    (tmp_path / "config.toml").write_text(CONFIG.format(state=night / "s").replace(old, new, 1))
    result, right = run(tmp_path, *words), run(night, *words)
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == len(right.stdout.splitlines())
    said = " ".join(result.stderr.split())
    assert "1 problem in the configuration, see check-config. What is recorded is read all the same, from" in said
    refused = run(tmp_path, "--channel", "telegrm")
    assert refused.exit_code == 2
    assert 'did you mean "telegram"?' in refused.stderr


def test_where_it_is_has_to_be_right(night: Path, tmp_path: Path) -> None:
    """Another database than the one that is meant would read as calm."""
    (tmp_path / "config.toml").write_text(CONFIG.format(state=night / "s").replace("directory", "directroy"))
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "state.directroy" in result.stderr


def test_the_story_of_one_incident(night: Path) -> None:
    """How it went and ended, who acknowledged it, and every attempt of what was not accepted at once."""
    result = run(night, "--number", "17")
    text = result.stdout
    assert text.startswith("Alert 17  main BTCUSDT LONG, wallet main/isolated:BTCUSDT:LONG\n")
    assert "150 ms after the exchange's mark; worst emergency; ended recovered" in text
    assert "after 15 min." in text
    assert 'alert 17, by uid 1000, "adding margin"; the alert was over' in text
    assert "    1    +100 ms  failed: connection refused, took 900 ms" in text
    assert "... 11 more" in text
    assert " 31      +93 s  accepted, took 400 ms" in text
    assert "sms for telegram" in text


def test_the_story_of_one_that_is_open(night: Path) -> None:
    """It says at which level it stands, and a snooze of a symbol of its wallet belongs to it."""
    text = run(night, "--number", "18").stdout
    assert "open at critical." in text
    assert "ETHUSDT, by uid 1000" in text
    document = json.loads(run(night, "--number", "18", "--json").stdout)
    assert (document["number"], document["subject"], document["level"]) == (18, "main/cross:USDT", "critical")
    assert [one["target"] for one in document["holds"]] == ["symbol:ETHUSDT"]
    assert [[tried["outcome"] for tried in one["tried"]] for one in document["alerts"]] == [
        ["failed"],
        ["accepted"],
    ]


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (("--channel", "sms"), [19, 18, 17]),
        (("--symbol", "btcusdt"), [19, 17, 17, 17, 17, 17, 17]),
        (("--symbol", "ETHUSDT"), [19, 18, 18]),
        (("--symbol", "1000PEPEUSDT"), [18, 18]),
        (("--since", "2m"), [19, 18, 18]),
        (("--last", "2"), [19, 18]),
        (("--last", "2", "--channel", "telegram"), [18, 17]),
        (("--symbol", "DOGEUSDT"), []),
    ],
)
def test_what_is_asked_for(night: Path, words: tuple[str, ...], numbers: list[int]) -> None:
    """Newest first for programs; a limit counts what is asked for."""
    document = json.loads(run(night, "--json", *words).stdout)
    assert [one["number"] for one in document["alerts"]] == numbers


def test_a_document_has_every_time(night: Path) -> None:
    """Of the exchange and ours, in milliseconds; None where it did not happen."""
    row = json.loads(run(night, "--json").stdout)["alerts"][-1]
    assert row["decided_ms"] - row["crossed_ms"] == 150
    assert row["state"] in {"accepted", "refused"}
    assert row["acknowledged_ms"] > row["decided_ms"]
    assert row["ended_ms"] - row["decided_ms"] == 900_000


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--channel", "telegrm"), 2, 'did you mean "telegram"?'),
        (("--since", "soon"), 2, "a duration such as"),
        (("--number", "17", "--open"), 2, "one of the two"),
        (("--number", "5"), 1, "nothing was told of an alert 5"),
        (("--number", "17", "--channel", "slack"), 2, "a channel: "),
    ],
)
def test_what_cannot_be_shown_is_an_error(night: Path, words: tuple[str, ...], code: int, said: str) -> None:
    """With the exit codes of all commands."""
    result = run(night, *words)
    assert result.exit_code == code
    assert said in result.stderr


def test_an_empty_ledger(tmp_path: Path) -> None:
    """Nothing was told, nothing is open; without a database it says what makes one."""
    (tmp_path / "config.toml").write_text(CONFIG.format(state=tmp_path))
    missing = run(tmp_path)
    assert missing.exit_code == 1
    assert "`position-monitor run` makes it" in missing.stderr

    async def make() -> None:
        store = SqliteState(tmp_path / STATE_DB, SystemClock())
        await store.open()
        # Nobody was there to end it when its time was up.
        await store.commit(Rows(holds=[Hold("k", HoldKind.MUTE, "all", 0, 1000)]))
        await store.close()

    asyncio.run(make())
    assert run(tmp_path).stdout == "Nothing was told.\n"
    assert run(tmp_path, "--open").stdout == "No alert is open.\n"
    assert json.loads(run(tmp_path, "--json").stdout) == {"holds": [], "alerts": [], "incomplete": None}
    held = {"unwritable": {"state": "database is locked"}}
    with answering(tmp_path, {"status": held}):
        # Messages go out unrecorded meanwhile: that nothing was told, or is open, is not known.
        for words in ((), ("--open",)):
            said = " ".join(run(tmp_path, *words).stdout.split())
            assert said.startswith("state.db takes no writes at the moment (database is locked): the newest are")
            assert "Nothing was told" not in said
            assert "No alert is open" not in said
        assert "database is locked" in json.loads(run(tmp_path, "--json").stdout)["incomplete"]
        assert "takes no writes" in run(tmp_path, "--number", "5").stderr
    with answering(tmp_path, {"status": {"unwritable": {}}}):
        assert run(tmp_path).stdout == "Nothing was told.\n"


def test_days_are_shown_where_they_differ(tmp_path: Path) -> None:
    """A time of day of last week must not pass for one of today."""
    (tmp_path / "config.toml").write_text(CONFIG.format(state=tmp_path))
    week_ago_ms = SystemClock().wall_ms() - 7 * 86_400_000

    async def make() -> None:
        store = SqliteState(tmp_path / STATE_DB, SystemClock())
        await store.open()
        one = notice(week_ago_ms, "telegram", Level.WARNING)
        await store.commit(Rows(notices=[one], subjects=[subject(one.subject, Level.WARNING, 17, week_ago_ms)]))
        await store.accepted([one.key], "telegram", Attempt(week_ago_ms, week_ago_ms + 8_000))
        await store.close()

    asyncio.run(make())
    shown = run(tmp_path, columns=80).stdout.splitlines()[1].split()
    assert shown[1].count("-") == 2
    assert shown[-4:-1] == ["accepted", "+8", "s"]


@pytest.mark.parametrize(
    ("name", "facts", "words"),
    [
        ("main/isolated:BTCUSDT:LONG", Facts(), "main isolated BTCUSDT LONG"),
        ("main/isolated:BTCUSDT:LONG", Facts(symbol="BTCUSDT", side="LONG", positions=1), "main BTCUSDT LONG"),
        ("main/cross:USDT", Facts(symbol="BTCUSDT", side="SHORT", positions=3), "main BTCUSDT SHORT +2"),
        ("/feed:usdm", Facts(), "feed usdm"),
        ("/told:main#1780000000000.1", Facts(), "main"),
        ("/told:forced:main#1780000000000.3", Facts(symbol="BTCUSDT", side="LONG"), "main BTCUSDT LONG"),
        ("/told:/storage:state#1780000000000.2", Facts(), "storage state"),
    ],
)
def test_whose_it_is(name: str, facts: Facts, words: str) -> None:
    """The worst position with how many more, else the wallet; what is no wallet by its name."""
    assert subject_name(name, facts) == words


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (OutboxState.PENDING, "", "pending"),
        (OutboxState.PENDING, "http-502", "pending: HTTP 502"),
        (OutboxState.REFUSED, "", "refused"),
        (OutboxState.REFUSED, "http-403", "refused: not allowed"),
        (OutboxState.SUPERSEDED, "timeout", "superseded"),
        (OutboxState.RESOLVED, "", "over before delivery"),
    ],
)
def test_what_became_of_it_in_words(state: OutboxState, reason: str, words: str) -> None:
    """Short enough for a column."""
    row = OutboxRow("k", "c", "s", NoticeKind.ALERT, Level.WARNING, 0, state=state, last_reason=reason)
    assert state_of(row) == words
    assert len(short("smtp-535")) < 20


def test_what_one_command_acknowledged_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Hundreds of alerts of one night do not fill the screen; two wishes stay two."""
    wish = Hold("k", HoldKind.ACK, "alert:1", 0, 3_600_000, "seen", "uid 7")
    many = [msgspec.structs.replace(wish, key=str(number), target=f"alert:{number}") for number in range(1, 40)]
    other = msgspec.structs.replace(wish, made_ms=1, kind=HoldKind.MUTE, target="all")
    print_in_force([*many, other], Console(width=100), dt.UTC, 0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'Acknowledged until 01:00:00+00:00 (in 60 min): 39 alerts, by uid 7, "seen".'
    assert lines[1] == 'Muted until 01:00:00+00:00 (in 60 min): everything, by uid 7, "seen".'
    print_in_force([], Console(width=100), dt.UTC, 0)
    assert capsys.readouterr().out == ""
