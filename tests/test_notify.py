"""A real process under a real notify socket, as systemd has one: what it is told, and in which order."""

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from monitor.control import ask
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import Scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.health import MARKS
from monitor.readiness import AWAITED_MARKS, STARTING
from monitor.system_clock import SystemClock
from tests.test_sd_notify import Listener

PATIENCE_S = 60.0
WATCHDOG_S = 0.6
FED = "WATCHDOG=1"
OPENS = "STATUS=starting: opens its databases"


class Ear:
    """All that was heard, a list of variables a datagram, in order."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.all: list[list[str]] = []

    def listen(self) -> list[list[str]]:
        """Return what came since the last call."""
        new = self.listener.heard()
        self.all += new
        return new

    def words(self) -> list[str]:
        """Return what was told but for status lines, and how often it was fed without a break but once."""
        told = [word.partition("=")[0] for words in self.all for word in words if "STATUS=" not in word]
        return [word for i, word in enumerate(told) if i == 0 or told[i - 1] != word]

    def statuses(self) -> list[str]:
        return [word for words in self.all for word in words if word.startswith("STATUS=")]

    def index(self, word: str) -> int:
        """Return the place of the first datagram with a word, -1 for none yet."""
        return next((i for i, words in enumerate(self.all) if word in words), -1)

    async def until_heard(self, count: int, *wanted: str) -> None:
        """Wait until so many more datagrams came that hold all these words."""
        async with asyncio.timeout(PATIENCE_S):
            while count > 0:
                count -= sum(set(wanted) <= set(words) for words in self.listen())
                await SystemClock().sleep(0.01)


@pytest.fixture(params=["path", "abstract"])
def ear(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ear]:
    listener = Listener(str(tmp_path / "notify") if request.param == "path" else f"@{uuid4()}")
    yield Ear(listener)
    listener.close()


@asynccontextmanager
async def market() -> AsyncIterator[Emulator]:
    prices = {"BTCUSDT": ("BTC", "62000"), "ETHUSDT": ("ETH", "3000")}
    instruments = tuple(
        Instrument(symbol, asset, PricePath(((0.0, Decimal(price)),))) for symbol, (asset, price) in prices.items()
    )
    emulator = Emulator(SystemClock(), Scenario(instruments), EmulatorSettings(tick_s=0.05, forever=True))
    await emulator.start()
    try:
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(emulator.run())
            yield emulator
            ticking.cancel()
    finally:
        await emulator.stop()


def config_of(emulator: Emulator, folder: Path) -> Path:
    positions = "".join(
        f"""
[[accounts.positions]]
symbol = "{symbol}"
side = "LONG"
quantity = 0.5
entry_price = {entry}
margin_mode = "isolated"
margin = {entry}
"""
        for symbol, entry in (("BTCUSDT", 62000.0), ("ETHUSDT", 3000.0))
    )
    path = folder / "config.toml"
    path.write_text(f"""
[exchange]
rest_url = "{emulator.base_http}"
market_stream_url = "{emulator.base_market_ws}"
[state]
directory = "{folder / "s"}"
[[accounts]]
name = "by-hand"
{positions}
""")
    return path


@asynccontextmanager
async def daemon(config: Path, ear: Ear) -> AsyncIterator[Process]:
    """A running process that is ended in the end."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("WATCHDOG")}
    environ |= {"NOTIFY_SOCKET": ear.listener.address, "WATCHDOG_USEC": str(round(WATCHDOG_S * 1e6))}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "monitor", "run", "--config", str(config), env=environ,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ended(process: Process, ear: Ear) -> int:
    """Return the exit code; meanwhile what is told is heard, as systemd does."""
    async with asyncio.timeout(PATIENCE_S):
        while process.returncode is None:
            ear.listen()
            await SystemClock().sleep(0.01)
    ear.listen()
    return process.returncode


async def test_it_is_ready_with_the_first_marks_lives_and_says_that_it_stops(tmp_path: Path, ear: Ear) -> None:
    """STATUS, WATCHDOG all the while, READY once, STOPPING, and nothing after it; every status is one line."""
    async with market() as emulator:
        emulator.faults.silence = True
        async with daemon(config_of(emulator, tmp_path), ear) as process:
            await ear.until_heard(3, FED, "STATUS=starting: waits for 2 symbols")
            assert ear.all[0] == ["EXTEND_TIMEOUT_USEC=900000000", OPENS]
            assert ear.words() == ["EXTEND_TIMEOUT_USEC", "WATCHDOG"]
            emulator.faults.silence = False
            await ear.until_heard(1, "READY=1")
            well = "STATUS=2 symbols, 1 accounts, 0 alerts open; all is well"
            assert well in ear.all[ear.index("READY=1")]
            await ear.until_heard(3, FED, well)
            process.send_signal(signal.SIGTERM)
            assert await ended(process, ear) == 0
    assert ear.words() == ["EXTEND_TIMEOUT_USEC", "WATCHDOG", "READY", "WATCHDOG", "STOPPING"]
    assert ear.all[-1] == ["STOPPING=1", "STATUS=stopping"]
    assert not any(name in line for line in ear.statuses() for name in ("BTC", "ETH", "by-hand"))


async def test_a_symbol_without_marks_holds_it_up_until_it_is_declared_blind(tmp_path: Path, ear: Ear) -> None:
    """The others are watched all the while; after that it is ready, and says which one it does not see."""
    state = tmp_path / "s"
    if ear.listener.address.startswith("@"):
        pytest.skip("it takes fifteen seconds, and the address has no part in it")

    def asked() -> Any:  # noqa: ANN401 - JSON
        return ask(state, {"command": "health"})

    async with market() as emulator:
        emulator.faults.muted.add("ETHUSDT")
        async with daemon(config_of(emulator, tmp_path), ear) as process:
            await ear.until_heard(3, FED, "STATUS=starting: waits for 1 symbol")
            assert ear.index("READY=1") == -1
            found = await asyncio.to_thread(asked)
            assert [(one["reason"], one["names"]) for one in found["readiness"]["troubles"]] == [
                (STARTING, []), (AWAITED_MARKS, ["ETHUSDT"])
            ]  # fmt: skip
            await ear.until_heard(1, "READY=1")
            found = await asyncio.to_thread(asked)
            told = {"ok": False, "troubles": [{"reason": MARKS, "names": ["ETHUSDT"]}]}
            assert (found["health"], found["readiness"]) == (told, told)
            emulator.faults.muted.clear()
            await ear.until_heard(1, FED, "STATUS=2 symbols, 1 accounts, 0 alerts open; all is well")
            found = await asyncio.to_thread(asked)
            assert found["readiness"] == {"ok": True, "troubles": []}
            process.send_signal(signal.SIGTERM)
            assert await ended(process, ear) == 0


async def test_a_loop_that_is_blocked_feeds_nothing_and_answers_nobody(tmp_path: Path, ear: Ear) -> None:
    """The whole process stands still: systemd hears nothing, a health check gives up; and both go on after it."""
    config = config_of_nothing(tmp_path)
    async with daemon(config, ear) as process:
        await ear.until_heard(2, FED)
        assert ear.words()[:2] == ["EXTEND_TIMEOUT_USEC", "READY"]  # at once, for nothing is watched
        process.send_signal(signal.SIGSTOP)
        ear.listen()
        check = [sys.executable, "-m", "monitor", "healthcheck", "--config", str(config)]
        asked = await asyncio.create_subprocess_exec(*check, stdout=subprocess.PIPE)
        said, _ = await asked.communicate()
        assert (asked.returncode, said.decode()) == (
            1, f"not healthy: the daemon on {tmp_path / 's'} does not answer within 2 s\n"
        )  # fmt: skip
        assert ear.listen() == []
        process.send_signal(signal.SIGCONT)
        await ear.until_heard(2, FED)
        async with asyncio.timeout(PATIENCE_S):
            while said != b"healthy\n":  # two seconds may be too short for a machine with other work
                asked = await asyncio.create_subprocess_exec(*check, stdout=subprocess.PIPE)
                said, _ = await asked.communicate()
        assert asked.returncode == 0
        process.send_signal(signal.SIGTERM)
        assert await ended(process, ear) == 0


@pytest.mark.parametrize("valid", [True, False])
async def test_a_reload_is_told_as_a_pair_and_the_service_stays_ready(
    tmp_path: Path, ear: Ear, valid: bool  # noqa: FBT001
) -> None:  # fmt: skip
    """RELOADING with when it began, READY after it; also where the new configuration is refused, which is said."""
    config = config_of_nothing(tmp_path)
    async with daemon(config, ear) as process:
        await ear.until_heard(1, "READY=1")
        ear.all.clear()
        with config.open("a") as file:
            file.write('[display]\ntime_zone = "Europe/Berlin"\n' if valid else "nonsense = 1\n")
        process.send_signal(signal.SIGHUP)
        await ear.until_heard(1, "READY=1")
        (pair,) = (words for words in ear.all if "RELOADING=1" in words)
        assert pair[1].startswith("MONOTONIC_USEC=")
        assert pair[2] == "STATUS=reloading"
        after = ear.all[ear.index("READY=1")][1]
        assert ("all is well" in after) is valid
        process.send_signal(signal.SIGTERM)
        assert await ended(process, ear) == 0
    assert [word for word in ear.words() if word != "WATCHDOG"] == [
        "RELOADING", "MONOTONIC_USEC", "READY", "STOPPING"
    ]  # fmt: skip


def config_of_nothing(folder: Path) -> Path:
    """Return a configuration with an account that holds nothing."""
    path = folder / "config.toml"
    path.write_text(f'[state]\ndirectory = "{folder / "s"}"\n[[accounts]]\nname = "empty"\n')
    return path
