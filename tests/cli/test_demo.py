"""The demonstration from end to end."""

import asyncio
import json
import logging
import os
import signal
import socket
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
import structlog
from typer.testing import CliRunner, Result

from monitor.cli import show as show_module
from monitor.cli.live import Delivered, Frame, LiveView, PlainLines
from monitor.cli.show import Show, _raise_first, left_behind, page_of
from monitor.cli.stage import prepare, write_config
from monitor.cli.summary import Summary
from monitor.control import Lock
from monitor.core.model import Level
from monitor.emulator.live import LiveAccount
from monitor.emulator.scenario import demo_scenario
from monitor.emulator.server import Emulator
from monitor.errors import AlreadyRunningError, StoreError
from monitor.notify.local import LocalChannel
from monitor.notify.numbers import grouped, money
from monitor.ports import Message
from monitor.status import WebView
from monitor.storage.history_reader import HistoryReader
from monitor.storage.state import StateReader
from tests.cli.made import commands


def run(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["demo", *arguments])


class Kept:
    """What a demonstration sent to the phone, and its summary."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.phone: list[Message] = []
        self.summary: Summary | None = None
        send, play = LocalChannel.send, Show.run

        async def sent(channel: LocalChannel, message: Message) -> None:
            if channel.name == "phone":
                self.phone.append(message)
            await send(channel, message)

        def played(show: Show, *, live: bool, stderr: bool) -> Summary:
            self.summary = play(show, live=live, stderr=stderr)
            return self.summary

        patch.setattr(LocalChannel, "send", sent)
        patch.setattr(Show, "run", played)


def test_the_whole_story_in_nine_seconds(tmp_path: Path) -> None:
    """Every level and an all-clear are delivered, the files stay, and a second demo goes on with them."""
    folder = tmp_path / "d"
    before = structlog.get_config()
    handlers = logging.getLogger().handlers[:]
    with pytest.MonkeyPatch.context() as patch:
        kept = Kept(patch)
        found = run("--plain", "--seconds", "9", "--state", str(folder))
    assert found.exit_code == 0, found.output
    follows_the_advice(kept)
    assert structlog.get_config() == before
    assert logging.getLogger().handlers == handlers
    text = found.stdout
    for said in (
        f"files: {folder}\n",
        "dwell shortened to 0.6 s, and the minute of at most five messages to 1 s, so that all levels and ",
        "ok -> notice  isolated: isolated BTCUSDT LONG",
        "critical -> emergency",
        "owner: margin added: ",
        "USDT, as advised (isolated BTCUSDT LONG)",
        "owner: reduced: SOLUSDT LONG by ",
        "emergency -> notice  isolated: ",
        "isolated BTCUSDT LONG  advised to add ",
        "sent to phone: EMERGENCY",
        "sent to log: NOTICE",
        "sent to phone: RECOVERED to NOTICE - ",
        " s of 9 s: ",
        "Played to the end after ",
        f"config   {folder}/config.toml\n",
    ):
        assert said in text
    assert "sent to phone: NOTICE" not in text
    assert text.index("owner: margin added") < text.index("emergency -> notice  isolated: ")
    assert stat.S_IMODE((folder / "demo.log").stat().st_mode) == 0o600
    events = [json.loads(line)["event"] for line in (folder / "demo.log").read_text().splitlines()]
    assert events[0] == "daemon.started"
    assert events[-1] == "daemon.stopped"
    with StateReader(folder / "state.db") as state:
        assert {subject.peak for subject in state.subjects()} >= {Level.CRITICAL, Level.EMERGENCY}
    with HistoryReader(folder / "history.db") as history:
        assert len(history.samples()) > 20
    assert prepare(folder) == folder
    assert left_behind(folder / "state.db").endswith(": 0 wallets above ok, 0 messages not delivered yet")


def follows_the_advice(kept: Kept) -> None:
    """What is done is what the phone was told, it ends the danger, and the market does not."""
    assert kept.summary is not None
    margin, cut = kept.summary.deeds
    assert (margin.what, margin.account, cut.what, cut.account) == ("margin added", "isolated", "reduced", "cross")
    emergencies = [message for message in kept.phone if message.title.startswith("EMERGENCY")]
    for deed, amount in (
        (margin, money(margin.advised[0].value, "USDT", commas=True)), (cut, grouped(cut.advised[0].value)),
    ):  # fmt: skip
        assert any(amount in message.body and deed.symbol in message.title for message in emergencies), amount
        assert deed.below == "warning"
        assert deed.all_clear
        assert deed.cleared_s is not None
        assert deed.room_without is not None
        assert 0 < deed.room_without < 0.10


@pytest.mark.parametrize(("number", "forever", "code"), [(signal.SIGTERM, False, 1), (signal.SIGINT, True, 0)])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, number: int, forever: bool, code: int) -> None:  # noqa: FBT001 - a case
    """Stopped by hand it says that it is incomplete; only a demo without an end may end like that."""
    arguments = ["--json", "--state", str(tmp_path), *(["--forever"] if forever else [])]

    class Stopper(PlainLines):
        def picture(self, frame: Frame) -> None:
            super().picture(frame)
            if frame.status.ticks:
                os.kill(os.getpid(), number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(show_module, "PlainLines", Stopper)
        found = run(*arguments)
    assert found.exit_code == code
    summary = json.loads(found.stdout)
    assert summary["complete"] is False
    assert summary["missing"][0] == "no notice alert was delivered"
    assert summary["ticks"] > 0
    assert summary["files"]["state"] == str(tmp_path / "state.db")
    assert "dwell shortened to 3 s" in found.stderr
    assert ("the demonstration is incomplete: it was stopped" in found.stderr) is not forever


def test_a_terminal_gets_the_live_view(tmp_path: Path) -> None:
    """The live view is drawn and closed again; what an earlier demo left is said in it."""
    seen: list[tuple[str, ...]] = []
    closed: list[bool] = []

    class Looker(LiveView):
        def picture(self, frame: Frame) -> None:
            super().picture(frame)
            seen.append(frame.notes)
            if frame.status.ticks:
                os.kill(os.getpid(), signal.SIGTERM)

        def close(self) -> None:
            super().close()
            closed.append(True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(show_module, "LiveView", Looker)
        for _ in range(2):
            played = Show(prepare(tmp_path), seconds=None, forever=False)
            with played.logged():
                summary = played.run(live=True, stderr=False)
    assert not summary.complete
    assert closed == [True, True]
    assert len(seen[0]) == 1
    assert seen[-1][1] == "going on with an earlier demo: 0 wallets above ok, 0 messages not delivered yet"


async def test_killed_in_the_middle_nothing_is_lost(tmp_path: Path) -> None:
    """After kill -9 the levels are on disk, and the next demo begins with them."""
    code = "import typer; from tests.cli.made import commands; commands()"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, "demo", "--plain", "--seconds", "6", "--state", str(tmp_path),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert child.stdout is not None
    async with asyncio.timeout(60):
        async for line in child.stdout:
            if b"critical -> emergency" in line:
                break
        child.kill()
        await child.communicate()
    assert "wallets above ok" in left_behind(tmp_path / "state.db")
    with StateReader(tmp_path / "state.db") as state:
        assert max(subject.level for subject in state.subjects()) >= Level.CRITICAL


def test_the_page_is_told_by_who_serves_it(tmp_path: Path) -> None:
    """Where another program has the port, its page is never called ours."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        text = run("--plain", "--seconds", "5", "--web-port", str(port), "--state", str(tmp_path / "d")).stdout
    assert "the status page: NOT SERVED, address already in use; --web-port names another port\n" in text
    assert f":{port}" not in text


def test_the_page_is_told_once_it_is_there() -> None:
    """Not before, and with the address that the server has."""
    view = WebView(address="", why_not="", connections=0, requests=0, refused={}, slow=0)
    assert page_of(None) == page_of(view) == ""
    there = msgspec.structs.replace(view, address="http://127.0.0.1:9757")
    assert page_of(there) == "the status page: http://127.0.0.1:9757/"


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    """A second demo in the directory of a running one ends with a message, not with a traceback."""
    folder = prepare(tmp_path / "d")
    with Lock(folder / "lock"):
        write_config(
            folder, demo_scenario(), market_ws="ws://127.0.0.1:9/m", rest="http://127.0.0.1:9", dwell_s=3.0
        )
        found = run("--plain", "--state", str(folder))
    assert found.exit_code == 1
    assert "another daemon" in found.stderr


def test_an_incomplete_story_is_a_failure(tmp_path: Path) -> None:
    """Played to the end without having shown everything, it fails and says what was missing."""
    real = Show.run

    async def ends_at_once(_: Emulator, _held: object) -> None:
        return

    def without_an_all_clear(self: Show, *, live: bool, stderr: bool) -> Summary:
        found = real(self, live=live, stderr=stderr)
        assert found.complete
        assert len(found.missing) == 7
        return msgspec.structs.replace(found, missing=("no all-clear was delivered",))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(show_module, "_READY_WITHIN_S", 0.0)
        patch.setattr(Emulator, "run", ends_at_once)
        patch.setattr(Show, "run", without_an_all_clear)
        found = run("--json", "--state", str(tmp_path))
    assert found.exit_code == 1
    assert "incomplete: no all-clear was delivered" in found.stderr


def test_half_of_what_was_advised_is_a_failure(tmp_path: Path) -> None:
    """Where following the advice does not clear the alert, the demonstration says so and fails."""

    def halved(operation: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def half(self: LiveAccount, *arguments: str | float, **options: object) -> object:
            *before, amount = arguments
            assert isinstance(amount, float)
            return await operation(self, *before, amount / 2, **options)

        return half

    with pytest.MonkeyPatch.context() as patch:
        for name in ("add_margin", "fill"):
            patch.setattr(LiveAccount, name, halved(getattr(LiveAccount, name)))
        patch.setattr(show_module, "_PATIENCE_S", 3.0)  # prices wait for what will not come
        found = run("--json", "--seconds", "8", "--state", str(tmp_path))
    assert found.exit_code == 1
    missing = json.loads(found.stdout)["missing"]
    assert [one.partition(" as advised, ")[0] for one in missing] == [
        "isolated BTCUSDT LONG: margin added", "cross SOLUSDT LONG: reduced",
    ]  # fmt: skip
    assert all(one.endswith(", and that did not clear the alert") for one in missing)
    assert f"the demonstration is incomplete: {missing[0]}" in found.stderr


def test_each_round_begins_as_the_first(tmp_path: Path) -> None:
    """Without an end the accounts are as at first where a round begins, so that each of them has its danger."""
    deeds: list[Delivered] = []

    class Stopper(PlainLines):
        def did(self, deed: Delivered) -> None:
            deeds.append(deed)

        def picture(self, frame: Frame) -> None:
            if len(deeds) == 4 or frame.elapsed_s > 30.0:
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(show_module, "PlainLines", Stopper)
        found = run("--json", "--forever", "--seconds", "6", "--state", str(tmp_path))
    assert found.exit_code == 0
    kept = json.loads(found.stdout)["deeds"]
    assert [one["what"] for one in kept] == ["margin added", "reduced"] * 2
    for first, second in (kept[::2], kept[1::2]):
        assert first["advised"][0]["of"] == second["advised"][0]["of"]
        assert second["advised"][0]["value"] == pytest.approx(first["advised"][0]["value"], rel=0.3)
        assert first["cleared_s"] is not None


def test_the_error_a_person_can_act_on_is_found() -> None:
    """Of the errors of several tasks the one of ours is told; without one all of them are."""
    wanted = AlreadyRunningError("another")
    with pytest.raises(AlreadyRunningError):
        _raise_first(ExceptionGroup("x", [ExceptionGroup("y", [ValueError()]), ExceptionGroup("z", [wanted])]))
    with pytest.raises(ExceptionGroup):
        _raise_first(ExceptionGroup("x", [ValueError()]))


def test_nothing_left_behind(tmp_path: Path) -> None:
    """Without an earlier demo there is nothing to go on with; a file that is no database is an error."""
    assert left_behind(tmp_path / "state.db") == ""
    (tmp_path / "state.db").write_text("no database, but long enough to be looked at as one" * 40)
    with pytest.raises(StoreError):
        left_behind(tmp_path / "state.db")
