"""``drill`` and ``test-alert`` as a person calls them, and what they show."""

import io
import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from monitor.cli import playbill, trial
from monitor.cli.playbill import Playbill
from monitor.cli.rehearsal import Try
from monitor.cli.root import app
from monitor.cli.scenarios import SCENARIOS, Holding, Scenario, Step
from monitor.cli.trial import Trial, role
from monitor.config.secret import Keeper, SecretRef
from monitor.config.settings import ChannelSettings
from monitor.core.model import Level, Side
from monitor.core.notices import NoticeKind
from monitor.core.settings import ChannelRule
from monitor.ports import Message
from monitor.storage.outbox import OutboxRow, OutboxState
from tests.by_hand import LONG_BTC
from tests.cli.quick import QuickClock
from tests.conftest import ManualClock

CONFIG = (
    """
[state]
directory = "{state}"
[[accounts]]
name = "main"
"""
    + LONG_BTC
    + """[[channels]]
name = "good"
min_level = "warning"
url = {{ env = "GOOD" }}
[[channels]]
name = "bad"
min_level = "emergency"
url = {{ env = "BAD" }}
"""
)


class Receiver(BaseHTTPRequestHandler):
    """Accepts what is posted to /good, and refuses everything else for good."""

    bodies: list[dict[str, Any]] = []  # noqa: RUF012 - one server at a time

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200 if self.path == "/good" else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def run(tmp_path: Path, service: str, *words: str, given: str | None = None) -> Result:
    Receiver.bodies.clear()
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(state=tmp_path / "s"))
    environ = {"GOOD": f"{service}/good", "BAD": f"{service}/bad", "COLUMNS": "120"}
    return CliRunner().invoke(app, [*words, f"--config={path}"], env=environ, input=given)


SHORT = Scenario(
    "short", "an emergency that does not end", 3.0,
    (Holding("ETHUSDT", Side.SHORT, 2_400.0, ((0.0, 1.0), (0.3, 1.0), (0.4, 1.0435))),),
    (Step(0.0, "it begins"),),
)  # fmt: skip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a drill that takes a second, however slow the machine is."""
    monkeypatch.setattr("monitor.system_clock.SystemClock", lambda: QuickClock(3.0))
    monkeypatch.setitem(SCENARIOS, "short", SHORT)


@pytest.mark.usefixtures("quick")
def test_a_drill_goes_through_real_channels_and_touches_nothing_else(tmp_path: Path, service: str) -> None:
    """Each step and each answer has a line, the service got what is marked, and no state directory is made."""
    result = run(tmp_path, service, "drill", "--scenario", "short", "--channel", "good")
    assert result.exit_code == 0, result.output
    assert "DRILL  short: an emergency that does not end" in result.stdout
    assert "  it begins\n" in result.stdout
    assert re.search(r"> good: DRILL - EMERGENCY .* accepted after ", result.stdout)
    assert [body["title"].startswith("DRILL - EMERGENCY ") for body in Receiver.bodies] == [True]
    assert Receiver.bodies[0]["type"] == "failure"
    assert not (tmp_path / "s").exists()


@pytest.mark.usefixtures("quick")
def test_a_drill_that_is_not_accepted_fails(tmp_path: Path, service: str) -> None:
    """Exit code 1, with the channel and its reason; programs get each message."""
    result = run(tmp_path, service, "drill", "--scenario=short", "--yes", "--json")
    assert result.exit_code == 1
    assert "bad: 1 message not accepted: the service refused the message: HTTP 401" in result.stderr
    document = json.loads(result.stdout)
    assert (document["scenario"], document["speed"]) == ("short", 60.0)
    answers = {(one["channel"], one["level"]): one["reason"] for one in document["messages"]}
    assert answers["good", "emergency"] == ""
    assert answers["bad", "emergency"] == "http-401"
    assert len(document["problems"]) == 1


def test_several_channels_are_asked_about(tmp_path: Path, service: str) -> None:
    """A drill wakes people up: without a terminal and without --yes it goes to one channel only."""
    result = run(tmp_path, service, "drill", given="y\n")
    assert result.exit_code == 2
    assert "--channel: found 2 channels; allowed: one, or --yes" in result.stderr
    assert Receiver.bodies == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("drill", "--scenario", "fal"), 'did you mean "fall"?'),
        (("drill", "--scenario", "moon"), "fall, spike, blind, flap, market"),
        (("drill", "--channel", "god"), 'did you mean "good"?'),
        (("test-alert", "--channel", "god"), 'did you mean "good"?'),
        (("test-alert", "--level", "critcal"), 'did you mean "critical"?'),
        (("test-alert", "--level", "ok"), "notice, warning, critical, emergency"),
    ],
)
def test_what_is_not_there_is_a_usage_error(
    tmp_path: Path, service: str, words: tuple[str, ...], said: str
) -> None:
    """Nothing is sent, and the nearest name is suggested."""
    result = run(tmp_path, service, *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert Receiver.bodies == []


def test_every_scenario_is_in_the_help() -> None:
    """Names and what they are."""
    text = " ".join(CliRunner().invoke(app, ["drill", "--help"]).stdout.split())
    assert all(f"Scenario {name}: " in text for name in SCENARIOS)


# What is shown of a drill

RULES = (ChannelRule("phone", Level.WARNING), ChannelRule("mail"))
MESSAGE = Message("DRILL - EMERGENCY 64 % - a long title of a message", "b", "text", Level.EMERGENCY)


def terminal(monkeypatch: pytest.MonkeyPatch, module: object, width: int = 60) -> io.StringIO:
    screen = io.StringIO()
    monkeypatch.setattr(
        module, "console", lambda: Console(file=screen, force_terminal=True, width=width, color_system=None)
    )
    return screen


def row(channel: str, state: OutboxState, attempts: int = 1, reason: str = "") -> OutboxRow:
    return OutboxRow("k", channel, "s", NoticeKind.ALERT, Level.WARNING, 0, state, attempts, last_reason=reason)


def test_the_picture_of_a_drill_grows_and_keeps_what_was_answered(
    monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    """A title is cut where it is narrow, an answer never."""
    screen = terminal(monkeypatch, playbill)
    with Playbill(SCENARIOS["fall"], RULES, 60.0, silent=False, clock=clock) as bill:
        bill.told("a step of the script that is longer than a terminal of sixty columns shows")
        bill.told(Try(0.0, "phone", MESSAGE))
        under_way = [line.plain for line in bill.picture().renderables if hasattr(line, "plain")]
        bill.told(Try(0.0, "phone", MESSAGE, 0.25))
        bill.told(Try(0.0, "mail", MESSAGE))
        bill.told(Try(0.0, "mail", MESSAGE, 0.5, "http-401"))
        lines = [line.plain for line in bill.picture().renderables if hasattr(line, "plain")]
    assert under_way[1].endswith("waiting, 0 s")
    assert lines[0].endswith("…")
    assert lines[1] == "00:00    > phone: DRILL - EMERGENCY …  accepted after 250 ms"
    assert lines[2].endswith("…  token wrong after 500 ms")
    assert lines[3] == "0 s of 26 s; 1 message accepted, 0 under way"
    assert all(len(line) <= 60 for line in lines)
    assert "26 s" in screen.getvalue()


def test_a_drill_is_judged_by_its_ledger(clock: ManualClock) -> None:
    """What was tried and not accepted is lost, whatever replaced it; what was never due is no fault."""
    bill = Playbill(SCENARIOS["fall"], RULES, 60.0, silent=True, clock=clock)
    asked = "phone is told from warning on, mail is told from notice on"
    assert bill.problems([]) == (f"nothing of this scenario is for these channels: {asked}",)
    bill.told(Try(0.0, "phone", MESSAGE))
    good = [row("phone", OutboxState.ACCEPTED, 3, "timeout"), row("phone", OutboxState.SUPERSEDED, 0)]
    assert bill.problems(good) == ()
    lost = [
        row("phone", OutboxState.SUPERSEDED, 2, "timeout"), row("phone", OutboxState.PENDING, 1, "refused"),
        row("mail", OutboxState.PENDING, 0),
    ]  # fmt: skip
    assert bill.problems(lost) == (
        "phone: 2 messages not accepted: timed out, connection refused",
        "mail: 1 message not sent in time",
    )


# test-alert


def test_a_test_alert_is_as_loud_as_asked(tmp_path: Path, service: str) -> None:
    """Whoever sleeps beside the phone wants to hear what critical sounds like."""
    result = run(tmp_path, service, "test-alert", "--channel", "good", "--level", "critical")
    assert result.exit_code == 0, result.output
    assert re.fullmatch(r"good: accepted after .* \(from warning on\)\n", result.stdout)
    assert Receiver.bodies[0]["type"] == "failure"
    assert "TEST" in Receiver.bodies[0]["title"]


def test_the_answers_of_a_test_alert_come_one_by_one(monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> None:
    """A table on a terminal: who still waits, who accepted, and below it why not, in full."""
    screen = terminal(monkeypatch, trial, width=100)
    channels = [channel("phone", fallback="mail"), channel("mail", escalation=True)]
    with Trial(channels, channels, silent=False, clock=clock) as shown:
        shown.answered("mail", "http-401")
        shown.draw()
        assert shown.waiting
        shown.answered("phone", "")
    text = screen.getvalue()
    assert "waiting, 0 s" in text
    assert "accepted after 0 ms" in text
    assert "token wrong after 0 ms" in text
    assert "mail: the service refused the message: HTTP 401, the token or password is wrong" in text
    assert [one.name for one in shown.outcomes] == ["phone", "mail"]


def channel(name: str, **changes: object) -> ChannelSettings:
    return ChannelSettings(name, SecretRef(Keeper.ENV, "X"), **changes)  # type: ignore[arg-type]


def test_a_channel_says_what_it_is_for() -> None:
    """From which level on, and what it does for others and others for it."""
    phone = channel("phone", min_level=Level.WARNING, fallback="mail", fallback_after_s=120.0)
    mail = channel("mail", escalation=True, changes=True, summary=True)
    assert role(phone, (phone, mail)) == "from warning on; mail stands in after 2 min"
    assert role(mail, (phone, mail)) == "from notice on; stands in for phone; escalation; changes; daily summary"
