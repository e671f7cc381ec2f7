"""The daemon as a whole: real sockets, real databases, a local exchange."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.app import DRAIN_COMMIT_S, DRAIN_HISTORY_S, DRAIN_INPUT_S, DRAIN_SEND_S, Daemon
from monitor.cli.replay import replayed
from monitor.cli.wiring import build_daemon
from monitor.config import Settings, load_text
from monitor.core.incidents import Effects
from monitor.core.model import Level
from monitor.core.notices import Transition
from monitor.core.report import WalletView
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import Scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.errors import AlreadyRunningError, ControlError, DeliveryError, StoreError
from monitor.ports import Rows
from monitor.storage.history_reader import HistoryReader
from monitor.storage.state import StateReader
from monitor.system_clock import SystemClock
from tests.by_hand import LONG_BTC
from tests.notify.fakes import FakeChannel

PATIENCE_S = 60.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await SystemClock().sleep(0.005)


class Exchange:
    """The emulator with one dial: the price of BTCUSDT."""

    def __init__(self, price: str = "62000") -> None:
        path = PricePath(((0.0, Decimal(price)),))
        self.emulator = Emulator(
            SystemClock(),
            Scenario((Instrument("BTCUSDT", "BTC", path),)),
            EmulatorSettings(tick_s=0.02, forever=True),
        )

    def price(self, price: str) -> None:
        """Let the mark be this from the next tick on."""
        path = PricePath(((0.0, Decimal(price)),))
        self.emulator.market.instruments["BTCUSDT"] = Instrument("BTCUSDT", "BTC", path)

    def config(self, state: Path, extra: str = "") -> str:
        return f"""
[exchange]
environment = "testnet"
rest_url = "{self.emulator.base_http}"
market_stream_url = "{self.emulator.base_market_ws}"
[state]
directory = "{state}"
[log]
format = "json"
[[accounts]]
name = "by-hand"
{LONG_BTC}[[channels]]
name = "tg"
url = {{ file = "{state.parent}/url" }}
chart = false
{extra}
"""


@asynccontextmanager
async def exchange(price: str = "62000") -> AsyncIterator[Exchange]:
    """A running exchange."""
    one = Exchange(price)
    await one.emulator.start()
    try:
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(one.emulator.run())
            yield one
            ticking.cancel()
    finally:
        await one.emulator.stop()


class Watch:
    """What a daemon did so far."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.effects: list[Effects] = []
        daemon.listen(self.effects.append)

    def changes(self) -> list[Transition]:
        """The changes of wallets' levels; a slow machine may make a symbol blind for a moment."""
        return [one for effects in self.effects for one in effects.transitions if "/" in one.subject]

    def wallet(self) -> WalletView | None:
        """The first wallet, once its reading is known."""
        return next((w for w in self.daemon.status().engine.wallets if w.margin_ratio is not None), None)

    def level(self) -> str:
        """The level of the first wallet, empty while it is not known."""
        wallet = self.wallet()
        return wallet.level if wallet else ""


def settings_of(text: str) -> Settings:
    return load_text(text, "test")


@asynccontextmanager
async def running(settings: Settings, channel: FakeChannel, journal: Path | None = None) -> AsyncIterator[Watch]:
    """A running daemon that is stopped, drained and closed in the end."""
    daemon = build_daemon(settings, [channel], clock=SystemClock(), environ=os.environ, journal=journal)
    watch = Watch(daemon)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(daemon.run())
        try:
            yield watch
        finally:
            daemon.stop()
            await asyncio.wait([task])


async def test_a_fall_is_told_and_recorded_from_frame_to_channel(tmp_path: Path) -> None:
    """Ticks in, readings out, an alert before liquidation, committed, delivered, marked and in the history."""
    channel = FakeChannel()
    state = tmp_path / "s"
    async with exchange() as market, running(settings_of(market.config(state)), channel) as watch:
        await until(lambda: watch.wallet() is not None)
        assert watch.level() == "ok"
        market.price("59300")
        await until(lambda: bool(channel.accepted))
        assert watch.level() == "emergency"
        (view,) = watch.daemon.status().engine.positions
        assert view.liquidation_price == pytest.approx(59136.5461847)
    (title,) = channel.titles
    danger, _, to_do = title.partition(" - add ")
    assert danger == "EMERGENCY 59 % - by-hand BTCUSDT LONG - 0.28 % from liquidation"
    assert to_do == "366.81 USDT, or reduce by 0.342 BTC and put up to 116.53 USDT back - TESTNET"
    assert channel.closed
    with StateReader(state / "state.db") as reader:
        (row,) = reader.alerts(10)
    assert (row.state, row.attempts) == ("accepted", 1)
    with HistoryReader(state / "history.db") as history:
        assert len(history.samples()) >= 4


async def test_a_start_is_over_when_it_is_and_not_when_somebody_asks(tmp_path: Path) -> None:
    """The log says so, of a daemon without systemd, without pages and without anybody who looks at its health."""
    async with exchange() as market:
        with capture_logs() as lines:
            async with running(settings_of(market.config(tmp_path / "s")), FakeChannel()):
                await until(lambda: any(line["event"] == "daemon.ready" for line in lines))


async def test_a_journal_replays_to_the_same_decisions(tmp_path: Path) -> None:
    """The core is deterministic: the same events at the same times give the same transitions and notices."""
    channel = FakeChannel()
    journal = tmp_path / "journal"
    async with (
        exchange() as market,
        running(settings_of(market.config(tmp_path / "s")), channel, journal) as watch,
    ):
        await until(lambda: watch.daemon.ticks > 3)
        for price, count in (("60400", 1), ("59300", 2)):
            market.price(price)
            await until(lambda count=count: len(channel.accepted) == count)  # type: ignore[misc]
        market.price("62000")
        await until(lambda: watch.daemon.status().engine.positions[0].mark_price == 62000)
    again = [effects for _, effects in replayed(journal)]
    assert sum(len(effects.notices) for effects in again) == 2
    for field in ("transitions", "notices", "subjects", "samples"):
        lived = [change for effects in watch.effects for change in getattr(effects, field)]
        assert [change for effects in again for change in getattr(effects, field)] == lived


async def test_levels_and_undelivered_notices_survive_a_restart(tmp_path: Path) -> None:
    """What was told is known, what was not delivered is delivered; nothing is told twice."""
    refusing = FakeChannel(script=[DeliveryError("tg", "refused")] * 1000)
    async with exchange("59300") as market:
        settings = settings_of(market.config(tmp_path / "s"))
        async with running(settings, refusing) as watch:
            await until(lambda: len(refusing.tried) >= 1)
        assert not refusing.accepted
        accepting = FakeChannel()
        async with running(settings, accepting) as watch:
            await until(lambda: watch.daemon.ticks > 3 and bool(accepting.accepted))
            assert watch.level() == "emergency"
            assert watch.changes() == []
        assert len(accepting.accepted) == 1
        async with running(settings, accepting) as watch:
            await until(lambda: watch.daemon.ticks > 3)
        assert len(accepting.accepted) == 1


async def test_an_alert_accepted_during_the_drain_is_known_as_delivered(tmp_path: Path) -> None:
    """The stop comes while it is being sent; its outcome still reaches the level that the next run starts from."""
    channel = FakeChannel()
    channel.hold()
    state = tmp_path / "s"
    async with exchange("59300") as market:
        settings = settings_of(market.config(state))
        with capture_logs() as logs:
            async with running(settings, channel) as watch:
                await until(lambda: bool(channel.tried))
                asyncio.get_running_loop().call_later(0.3, channel.release)
        assert len(channel.accepted) == 1
        assert "drain.late" not in [entry["event"] for entry in logs]
        with StateReader(state / "state.db") as reader:
            (row,) = reader.alerts(10)
            wallet = next(subject for subject in reader.subjects() if subject.subject == row.subject)
        assert (row.state, wallet.told["tg"].delivered) == ("accepted", True)
        async with running(settings, channel) as watch:
            await until(lambda: watch.daemon.ticks > 3)
        assert len(channel.accepted) == 1


async def test_an_alert_whose_commit_hangs_in_the_drain_is_sent_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes out unrecorded within the deadline, and what could not be written is in the log."""
    channel = FakeChannel()
    async with exchange() as market:
        with capture_logs() as logs:
            async with running(settings_of(market.config(tmp_path / "s")), channel) as watch:
                await until(lambda: watch.level() == "ok")
                hanging = asyncio.Event()
                real = watch.daemon._store.commit

                async def commit(rows: Rows) -> None:
                    if not rows.notices and not hanging.is_set():  # of the position that was first seen
                        return await real(rows)
                    hanging.set()
                    for _tries in range(300):  # gives no way to a cancellation
                        with suppress(asyncio.CancelledError):
                            await SystemClock().sleep(0.01)
                        if watch.daemon.status().channels[0]["sent"]:
                            break
                    raise StoreError("state.db", "commit", "disk I/O error")

                monkeypatch.setattr(watch.daemon._store, "commit", commit)
                market.price("59300")
                await hanging.wait()
    assert len(channel.accepted) == 1
    assert {"drain.late", "state.unwritten"} <= {entry["event"] for entry in logs}


def is_locked_by(other: sqlite3.Connection) -> bool:
    """Take the write lock; never wait for it, for the daemon under test lives in the same thread."""
    try:
        other.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    return True


async def test_a_lock_held_by_another_program_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    """All deadlines together stay below five seconds, and alerts go out."""
    assert DRAIN_INPUT_S + 2 * DRAIN_COMMIT_S + DRAIN_SEND_S + DRAIN_HISTORY_S < 5.0
    channel = FakeChannel()
    state = tmp_path / "s"
    async with exchange() as market:
        held = sqlite3.connect(state.parent / "none", timeout=0, isolation_level=None)
        with capture_logs() as logs, closing(held):
            async with running(settings_of(market.config(state)), channel) as watch:
                await until(lambda: watch.level() == "ok")
                held.execute("ATTACH ? AS held", (str(state / "state.db"),))
                await until(lambda: is_locked_by(held))
                market.price("59300")
                await until(lambda: watch.level() == "emergency")
    assert len(channel.accepted) >= 1
    assert "state.unwritten" in [entry["event"] for entry in logs]


async def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The operator reads what to do, not where the program stopped."""
    (tmp_path / "file").touch()
    async with exchange() as market:
        daemon = build_daemon(
            settings_of(market.config(tmp_path / "file" / "s")), [], clock=SystemClock(), environ=os.environ
        )
        with pytest.raises(ControlError, match=r"file/s: Not a directory\. The state directory cannot be made"):
            await daemon.run()


async def test_a_broken_state_database_does_not_silence_alerts(tmp_path: Path) -> None:
    """The alert goes out, and so does one about the database; the file is kept as it was, and a new one works."""
    state = tmp_path / "s"
    state.mkdir()
    (state / "state.db").write_bytes(b"not a database at all, " * 100)
    channel = FakeChannel()
    async with exchange("59300") as market, running(settings_of(market.config(state)), channel) as watch:
        await until(lambda: len(channel.texts) >= 2 or any("STORAGE" in t and "EMERG" in t for t in channel.texts))
        assert watch.daemon.status().state_ok
    assert any("EMERGENCY" in text for text in channel.texts)
    assert any("was damaged and is set aside" in text for text in channel.texts)
    (kept,) = state.glob("state.db.damaged-*")
    assert kept.read_bytes() == b"not a database at all, " * 100
    with StateReader(state / "state.db") as reader:
        assert "accepted" in {row.state for row in reader.alerts()}


async def test_a_state_database_of_a_newer_version_is_done_without(tmp_path: Path) -> None:
    """The service never stays down for it: it watches without a memory, says so, and does not touch the file."""
    state = tmp_path / "s"
    channel = FakeChannel()
    async with exchange("59300") as market:
        settings = settings_of(market.config(state))
        async with running(settings, channel) as watch:
            await until(lambda: len(channel.accepted) == 1)
        with closing(sqlite3.connect(state / "state.db")) as upgrade:
            upgrade.execute("PRAGMA user_version = 99")
        before = (state / "state.db").read_bytes()
        channel = FakeChannel()
        async with running(settings, channel) as watch:
            await until(
                lambda: any("STORAGE" in t for t in channel.texts) and any("EMERG" in t for t in channel.texts)
            )
            assert not watch.daemon.status().state_ok
            assert "its schema version is 99" in watch.daemon.status().unwritable["state"]
    assert (state / "state.db").read_bytes() == before
    # In one message with the emergency it is a line that only names it.
    assert "storage" in "\n".join(channel.texts).lower()


async def test_two_daemons_on_one_directory_are_refused(tmp_path: Path) -> None:
    """The second ends at once and the first goes on."""
    async with exchange() as market:
        settings = settings_of(market.config(tmp_path / "s"))
        async with running(settings, FakeChannel()) as watch:
            await until(lambda: watch.daemon.ticks > 0)
            second = build_daemon(settings, [], clock=SystemClock(), environ=os.environ)
            with pytest.raises(AlreadyRunningError):
                await second.run()
            ticks = watch.daemon.ticks
            await until(lambda: watch.daemon.ticks > ticks)


class Service:
    """``position-monitor run`` as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def ends(self) -> int:
        """Return the exit code."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


async def start(folder: Path, text: str) -> Service:
    config = folder / "config.toml"
    config.write_text(text, encoding="utf-8")
    url = folder / "url"
    url.touch(mode=0o600)
    url.write_text("json://127.0.0.1:9/x", encoding="utf-8")
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-m", "monitor", "run", "--config", str(config),
            stdout=asyncio.subprocess.DEVNULL, stderr=log,
        )  # fmt: skip
    return Service(process)


def pending(state: Path) -> list[str]:
    try:
        with StateReader(state / "state.db") as reader:
            rows = [row for row in reader.alerts(10) if row.subject.startswith("by-hand/")]
            return [row.key for row in rows if row.state == "pending"]
    except StoreError:  # not there yet
        return []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_ends_with_zero(tmp_path: Path, number: int) -> None:
    """The process ends by itself, leaves no socket, and its databases are whole."""
    state = tmp_path / "s"
    async with exchange("59300") as market:
        service = await start(tmp_path, market.config(state))
        await until(lambda: bool(pending(state)))
        service.process.send_signal(number)
        assert await service.ends() == 0
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "daemon.stopped" in log
    assert "Traceback" not in log
    assert not (state / "control.sock").exists()
    left = {path.name for path in state.iterdir()}
    # Whether it learnt how prices move before it was told to end is a matter of moments.
    assert left - {"moves.json"} == {"day.json", "history.db", "lock", "state.db"}


async def test_a_killed_daemon_starts_where_it_was(tmp_path: Path) -> None:
    """After SIGKILL the levels are there and the undelivered notice is still due: not lost, and not doubled."""
    state = tmp_path / "s"
    async with exchange("59300") as market:
        service = await start(tmp_path, market.config(state))
        await until(lambda: bool(pending(state)))
        before = pending(state)
        service.process.kill()
        assert await service.ends() == -signal.SIGKILL
        with StateReader(state / "state.db") as reader:
            (subject,) = [one for one in reader.subjects() if one.subject.startswith("by-hand/")]
        assert subject.level is Level.EMERGENCY
        channel = FakeChannel()
        async with running(settings_of(market.config(state)), channel) as watch:
            await until(lambda: watch.daemon.ticks > 3 and bool(channel.accepted))
        assert ["EMERGENCY" in title for title in channel.titles].count(True) == 1
        assert not pending(state)
        assert watch.changes() == []
        assert len(before) == 1
