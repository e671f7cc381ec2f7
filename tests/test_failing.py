"""/healthz and /readyz of a whole daemon fail with the reason and the place, and recover by themselves."""

import asyncio
import dataclasses
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import msgspec
import pytest

from monitor import commit, health, readiness, verdicts
from monitor.app import Daemon
from monitor.binance.account_values import AccountTimings
from monitor.config import Settings
from monitor.control import ask
from monitor.core.settings import FreshnessRules
from monitor.errors import DeliveryError, StoreError
from monitor.notify import retry
from monitor.ports import Rows
from monitor.system_clock import SystemClock
from tests.following import QUICK, following, fresh
from tests.notify.fakes import FakeChannel
from tests.ports import free_port
from tests.test_app import Exchange, exchange, running, settings_of

PATIENCE_S = 60.0
QUICKLY = AccountTimings(
    reconcile_every_s=0.3, unproved_every_s=0.3, reconcile_gap_s=0.0, check_every_s=0.05, late_event_s=0.3,
    complain_after_s=0.5, open_timeout_s=0.5, pauses=QUICK,
)  # fmt: skip


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await SystemClock().sleep(0.01)


class Asked:
    """Asks /healthz and /readyz, and the local socket as ``healthcheck`` does."""

    def __init__(self, port: int, state: Path) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._state = state

    async def http(self, path: str) -> tuple[int, str, dict[str, list[str]]]:
        """Return status, word, and the troubles: names by reason."""
        async with aiohttp.ClientSession() as session, session.get(self._base + path) as answer:
            body = await answer.json()
            return answer.status, body["status"], {one["reason"]: one["names"] for one in body["troubles"]}

    async def until(self, path: str, troubles: dict[str, list[str]]) -> None:
        """Wait until these and no other troubles are told, with the right status and word."""
        words = {"/healthz": ("ok", "failing"), "/readyz": ("ready", "not ready")}[path]
        expected = (503 if troubles else 200, words[bool(troubles)], troubles)
        found: object = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    try:
                        found = await self.http(path)
                    except aiohttp.ClientError:
                        found = None
                    if found == expected:
                        return
                    await SystemClock().sleep(0.02)
        except TimeoutError:
            assert found == expected

    async def both(self, **troubles: list[str]) -> None:
        """Wait until health, readiness and the command say the same: troubles by the names of their constants."""
        wanted = {getattr(health, name): names for name, names in troubles.items()}
        await self.until("/healthz", wanted)
        await self.until("/readyz", wanted)
        for ready in (False, True):
            await self.command(wanted, ready=ready)

    async def command(self, wanted: dict[str, list[str]], *, ready: bool) -> None:
        """Wait until the local socket says it."""

        def troubles() -> dict[str, list[str]]:
            found = ask(self._state, {"command": "health"})["readiness" if ready else "health"]
            return {one["reason"]: one["names"] for one in found["troubles"]}

        async with asyncio.timeout(PATIENCE_S):
            while await asyncio.to_thread(troubles) != wanted:
                await SystemClock().sleep(0.02)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proofs as often as a test asks, and a commit that gives up soon."""
    monkeypatch.setattr(verdicts, "PROOF_EVERY_S", 0.05)
    monkeypatch.setattr(commit, "COMMIT_TIMEOUT_S", 0.3)
    monkeypatch.setattr(commit, "RETRY_S", 0.1)


def served(market: Exchange, folder: Path, port: int) -> Settings:
    """Return settings of a daemon with pages, that suspects silence soon."""
    loaded = settings_of(market.config(folder / "s", f'[web]\nenabled = true\nlisten = "127.0.0.1:{port}"'))
    return dataclasses.replace(
        loaded, engine=msgspec.structs.replace(loaded.engine, freshness=FreshnessRules(0.4, 30.0))
    )


@asynccontextmanager
async def watching(folder: Path, channel: FakeChannel) -> AsyncIterator[tuple[Exchange, Asked, Daemon]]:
    """A daemon that is well and ready."""
    port = free_port()
    async with exchange() as market, running(served(market, folder, port), channel) as watch:
        one = Asked(port, folder / "s")
        await one.both()
        yield market, one, watch.daemon
        await one.both()


async def test_a_symbol_whose_marks_are_stale(tmp_path: Path) -> None:
    """Named, and over with the next marks."""
    async with watching(tmp_path, FakeChannel()) as (market, one, _):
        market.emulator.faults.silence = True
        await one.both(MARKS=["BTCUSDT"])
        market.emulator.faults.silence = False


def hang(channel: FakeChannel) -> Callable[[], None]:
    channel.hold()
    return channel.release


def refuse(channel: FakeChannel) -> Callable[[], None]:
    channel.script = [DeliveryError("tg", "http-503")] * 10_000
    return channel.script.clear


@pytest.mark.parametrize("break_it", [hang, refuse])
async def test_a_message_that_does_not_go_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_it: Callable[[FakeChannel], Callable[[], None]]
) -> None:
    """A channel that hangs and one that refuses; both are overdue, and nobody else is there to tell."""
    monkeypatch.setattr(retry, "FIRST_S", 0.05)
    monkeypatch.setattr(health, "OVERDUE_S", 0.3)
    channel = FakeChannel()
    mend = break_it(channel)
    async with watching(tmp_path, channel) as (market, one, _):
        market.price("59300")
        await one.both(OVERDUE=["tg"], UNREACHABLE=["tg"])
        mend()


async def test_a_decision_that_reaches_no_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop that commits hangs: the message is at nobody's, so no channel knows that it is late."""
    monkeypatch.setattr(health, "HANDED_ON_WITHIN_S", 0.3)
    monkeypatch.setattr(verdicts, "PROOF_S", 0.3)
    channel = FakeChannel()
    async with watching(tmp_path, channel) as (market, one, daemon):
        hanging, real = asyncio.Event(), daemon._committer._write

        async def write() -> None:
            await hanging.wait()
            await real()

        monkeypatch.setattr(daemon._committer, "_write", write)
        market.price("59300")
        await one.both(OVERDUE=["tg"], STATE=["state"])
        assert not channel.tried
        hanging.set()
    assert any("EMERGENCY" in title for title in channel.titles)


async def test_a_state_database_that_takes_no_writes(tmp_path: Path) -> None:
    """Nothing is decided, so nothing would be written: whoever asks has a row written that shows it."""
    async with watching(tmp_path, FakeChannel()) as (_, one, daemon):
        with closing(sqlite3.connect(daemon.view.state_path, timeout=0, isolation_level=None)) as other:
            await until(lambda: locked(other))
            await one.both(STATE=["state"])
            other.execute("ROLLBACK")


async def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where the attempt fails at once."""
    async with watching(tmp_path, FakeChannel()) as (_, one, daemon):

        async def full(_rows: Rows) -> None:
            raise StoreError("state.db", "commit", "database or disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(daemon._store, "commit", full)
            await one.both(STATE=["state"])


def locked(other: sqlite3.Connection) -> bool:
    try:
        other.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    return True


async def test_a_history_that_takes_no_writes_is_no_reason_not_to_be_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Charts are lost, alerts are not: health says so, readiness does not."""
    async with watching(tmp_path, FakeChannel()) as (_, one, daemon):
        daemon._history_state("history.db", ok=False, reason="disk is full")
        await one.until("/healthz", {health.HISTORY: ["history"]})
        await one.until("/readyz", {})
        daemon._history_state("history.db", ok=True, reason="")


async def test_accounts_that_never_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are waited for as long as a start may wait, then it is ready without them, and says so."""
    for name in ("ACCOUNT_WITHIN_S", "START_ENDS_S"):
        monkeypatch.setattr(readiness, name, 3600.0)
    port = free_port()
    emulator = fresh()
    emulator.faults.rest_status["*"] = 503
    extra = f'[web]\nenabled = true\nlisten = "127.0.0.1:{port}"'
    async with following(emulator, tmp_path, QUICKLY, extra):
        names = list(emulator.accounts)
        one = Asked(port, tmp_path / "state")
        await one.until("/readyz", {readiness.STARTING: [], readiness.AWAITED_ACCOUNTS: names})
        monkeypatch.setattr(readiness, "ACCOUNT_WITHIN_S", 0.0)
        await one.both(UNKNOWN=names)
        emulator.faults.rest_status.clear()
        await one.both()


async def test_a_private_stream_that_says_nothing(tmp_path: Path) -> None:
    """It is open, and REST shows twice what no event told; the next event proves that it is well."""
    port = free_port()
    emulator = fresh()
    main = emulator.accounts["main"]
    extra = f'[web]\nenabled = true\nlisten = "127.0.0.1:{port}"'
    async with following(emulator, tmp_path, QUICKLY, extra) as (daemon, _, _effects):
        one = Asked(port, tmp_path / "state")
        await one.both()
        emulator.faults.private_silent = True
        while _found_silent(daemon) < 2:
            # One that falls into a reconcile or a connection made anew may pass for told.
            await settled(daemon)
            await main.fill("BTCUSDT", "BUY", "0.01")
            await settled(daemon, 4)
        await one.both(STREAM=["main"])
        emulator.faults.private_silent = False
        await settled(daemon)
        await main.fill("BTCUSDT", "SELL", "0.01")
        await one.both()


async def settled(daemon: Daemon, times: int = 2) -> None:
    """Wait until every stream is open and every account was reconciled since: from then on events are missed."""
    await until(lambda: all(row.stream.state == "open" for row in daemon.status().accounts))
    before = {row.account: row.reconciles for row in daemon.status().accounts}
    await until(lambda: all(row.reconciles >= before[row.account] + times for row in daemon.status().accounts))


def _found_silent(daemon: Daemon) -> int:
    return int(next(row.stream.found_silent for row in daemon.status().accounts if row.account == "main"))


async def test_an_account_whose_private_stream_is_dead(tmp_path: Path) -> None:
    """REST is well and stands in for it; a stream that connects no more, and one that says nothing."""
    port = free_port()
    emulator = fresh()
    extra = f'[web]\nenabled = true\nlisten = "127.0.0.1:{port}"'
    async with following(emulator, tmp_path, QUICKLY, extra):
        names = list(emulator.accounts)
        one = Asked(port, tmp_path / "state")
        await one.both()
        emulator.faults.route_status["private"] = 503
        emulator.drop_connections("private")
        await one.both(STREAM=names)
        emulator.faults.route_status.clear()
        await one.both()
