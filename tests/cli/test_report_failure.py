"""``report-failure`` as systemd starts it: who is told, by which configuration, and for how long it tries."""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner, Result

from monitor.cli import report_failure
from monitor.cli.report_failure import CREDENTIALS, config_of, tell
from monitor.cli.root import app
from monitor.errors import DeliveryError
from monitor.notify.retry import ThrottledError
from monitor.notify.stopped import Ended
from tests.conftest import ManualClock, settle
from tests.notify.fakes import FakeChannel

TOKEN = "a-token-nobody-may-see"
MISUSED = {"MONITOR_SERVICE_RESULT": "exit-code", "MONITOR_EXIT_CODE": "exited", "MONITOR_EXIT_STATUS": "2"}
ENDED = Ended("position-monitor", "exit-code", "exited", "2")
CONFIG = """
[exchange]
environment = "live"
[[channels]]
name = "phone"
url = { credential = "phone" }
[[channels]]
name = "mail"
min_level = "emergency"
url = { credential = "mail" }
"""


class Receiver(BaseHTTPRequestHandler):
    """Accepts what is posted, except to /refused."""

    bodies: list[dict[str, str]] = []  # noqa: RUF012 - one server at a time

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(401 if self.path == "/refused" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def service() -> Iterator[str]:
    Receiver.bodies.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"json://user:{TOKEN}@127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def report(tmp_path: Path, text: str, urls: dict[str, str], *, named: str = "", **environ: str) -> Result:
    """Run it with credentials as systemd puts them: one by one, or with the name of their directory before."""
    directory = tmp_path / "credentials"
    directory.mkdir()
    for name, url in urls.items():
        (directory / f"{named}{name}").write_text(f"{url}\n")
    config = tmp_path / "config.toml"
    config.write_text(text)
    words = ["report-failure", "--unit", "position-monitor", "--config", str(config)]
    return CliRunner().invoke(app, words, env={"CREDENTIALS_DIRECTORY": str(directory), **environ})


@pytest.mark.parametrize("named", ["", CREDENTIALS])
def test_every_channel_is_told_whatever_level_it_asked_for(tmp_path: Path, service: str, named: str) -> None:
    """With the reason that systemd gave, and the environment of the configuration."""
    result = report(tmp_path, CONFIG, {"phone": service, "mail": service}, named=named, **MISUSED)
    assert result.exit_code == 0, result.output
    titles = {body["title"] for body in Receiver.bodies}
    assert len(Receiver.bodies) == 2
    assert titles == {
        "SERVICE STOPPED - position-monitor has stopped and systemd does not start it again: nobody watches - LIVE"
    }
    assert "its configuration or its state directory cannot be used (exit code 2)" in Receiver.bodies[0]["message"]
    assert all(json.loads(line)["event"] == "failure.told" for line in result.stderr.splitlines())


@pytest.mark.parametrize(
    "spoiled", ["[nonsense]\n", 'x = "\n', "[[accounts]]\nname = 7\n", "[web]\nenabled = 3\n"]
)
def test_a_configuration_that_cannot_be_used_is_told_by_its_own_channels(
    tmp_path: Path, service: str, spoiled: str
) -> None:
    """What keeps the service from starting does not keep this from telling so."""
    result = report(tmp_path, CONFIG + spoiled, {"phone": service, "mail": service}, **MISUSED)
    assert result.exit_code == 0, result.output
    assert len(Receiver.bodies) == 2


def test_a_channel_without_its_secret_keeps_no_other_from_being_told(tmp_path: Path, service: str) -> None:
    """It is named in the log, and the exit code says that not everybody knows; the address is shown nowhere."""
    result = report(tmp_path, CONFIG, {"phone": service}, **MISUSED)
    assert result.exit_code == 1
    assert len(Receiver.bodies) == 1
    assert '"failure.no_address", "channel": "mail"' in result.stderr
    assert TOKEN not in result.output


def test_an_address_nobody_can_use_keeps_no_other_from_being_told(tmp_path: Path, service: str) -> None:
    """As above, for one that Apprise does not take."""
    result = report(tmp_path, CONFIG, {"phone": service, "mail": f"nosuchservice://{TOKEN}/x"}, **MISUSED)
    assert result.exit_code == 1
    assert len(Receiver.bodies) == 1
    assert "failure.bad_address" in result.stderr
    assert TOKEN not in result.output


def test_what_refuses_for_good_is_not_tried_again(tmp_path: Path, service: str) -> None:
    """A revoked token stays one."""
    result = report(tmp_path, CONFIG, {"phone": f"{service}/refused", "mail": service}, **MISUSED)
    assert result.exit_code == 1
    assert '"failure.not_told", "channel": "phone", "reason": "http-401"' in result.stderr
    assert len(Receiver.bodies) == 2
    assert TOKEN not in result.output


def test_without_any_channel_it_fails(tmp_path: Path) -> None:
    """Nobody was told, and that must not look like success."""
    assert report(tmp_path, "", {}).exit_code == 1


def test_a_file_that_is_gone_fails_and_says_so(tmp_path: Path) -> None:
    """There is no other place to look."""
    words = ["report-failure", "--unit", "position-monitor", "--config", str(tmp_path / "none.toml")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "failure.unreadable" in result.stderr


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("position-monitor", "config.toml"),
        ("position-monitor.service", "config.toml"),
        ("position-monitor@main", "main.toml"),
        ("position-monitor@two-b.service", "two-b.toml"),
        ("something-else", "config.toml"),
    ],
)
def test_a_unit_tells_which_configuration_it_is_about(
    unit: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As the units read them; that is the file which is read without --config."""
    assert config_of(unit) == Path("/etc/position-monitor") / name
    monkeypatch.setattr(report_failure, "_ETC", tmp_path)
    result = CliRunner().invoke(app, ["report-failure", "--unit", unit])
    assert str(tmp_path / name) in result.stderr


async def test_a_channel_is_tried_until_it_takes_it(clock: ManualClock) -> None:
    """What a service asks for is kept, and one that is slow holds up no other."""
    slow = FakeChannel(
        "slow", script=[DeliveryError("slow", "dns"), ThrottledError("slow", "http-429", retry_after_s=90)]
    )
    quick = FakeChannel("quick")
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(tell([slow, quick], ENDED, "live", "c.toml", clock))
        await settle()
        assert len(quick.accepted) == 1
        await clock.advance(1.0)
        assert len(slow.tried) == 2
        await clock.advance(89.0)
        assert len(slow.tried) == 2
        await clock.advance(2.0)
    assert telling.result() == {"slow": "", "quick": ""}


async def test_it_gives_up_after_ten_minutes(clock: ManualClock) -> None:
    """Otherwise systemd would end it, and nobody would know what came of it."""
    dead = FakeChannel("dead", script=[DeliveryError("dead", "refused")] * 1000)
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(tell([dead], ENDED, "live", "c.toml", clock))
        await clock.advance(report_failure.PATIENCE_S)
    assert telling.result() == {"dead": "refused"}
    assert 5 < len(dead.tried) < 20
