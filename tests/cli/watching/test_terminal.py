"""``watch`` on a real terminal: a fall, a daemon that dies and comes back, and a terminal that is given back."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from threading import Event

import pytest

from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import Scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.system_clock import SystemClock
from tests.by_hand import LONG_BTC
from tests.cli.answering import serving
from tests.cli.made import state
from tests.cli.test_service import config_of
from tests.cli.watching.window import GIVEN_BACK, TAKEN, Window

CONFIG = """
[exchange]
rest_url = "{rest}"
market_stream_url = "{streams}"
[state]
directory = "{state}"
[[accounts]]
name = "main"
"""


@contextmanager
def daemon_of(config: Path) -> Iterator["subprocess.Popen[bytes]"]:
    words = [sys.executable, "-m", "monitor", "run", "--config", str(config)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@asynccontextmanager
async def exchange() -> AsyncIterator[Emulator]:
    emulator = Emulator(SystemClock(), Scenario((bitcoin("62000"),)), EmulatorSettings(tick_s=0.05, forever=True))
    await emulator.start()
    try:
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(emulator.run())
            yield emulator
            ticking.cancel()
    finally:
        await emulator.stop()


def bitcoin(price: str) -> Instrument:
    return Instrument("BTCUSDT", "BTC", PricePath(((0.0, Decimal(price)),)))


async def test_a_fall_and_a_daemon_that_dies_and_comes_back(tmp_path: Path) -> None:
    """The level changes before one's eyes; whoever was killed is missed, and shown again when it is back."""
    config = tmp_path / "config.toml"
    async with exchange() as emulator:
        config.write_text(
            CONFIG.format(rest=emulator.base_http, streams=emulator.base_market_ws, state=tmp_path / "s")
            + LONG_BTC
        )
        with Window(["watch", "--config", str(config)], 120) as window:
            await asyncio.to_thread(window.until, lambda text: "nothing is known yet" in text)
            with daemon_of(config) as first:
                await asyncio.to_thread(window.until, lambda text: "\nok " in text and "Watching" in text)
                emulator.market.instruments["BTCUSDT"] = bitcoin("59500")
                changed = "main BTCUSDT LONG: ok -> warning"
                text = await asyncio.to_thread(
                    window.until, lambda text: changed in text and "\nwarning " in text and "To do about" in text
                )
                assert "Watching - 1 warning" in text
                first.kill()
                text = await asyncio.to_thread(window.until, lambda text: "NO ANSWER from the daemon" in text)
                assert "was: Watching - 1 warning" in text
                await asyncio.to_thread(window.until, lambda text: "No daemon is running on" in text)
            with daemon_of(config):
                text = await asyncio.to_thread(
                    window.until, lambda text: "NO ANSWER" not in text and "answers again after" in text
                )
                await asyncio.to_thread(window.until, lambda text: "\nwarning " in text and "Watching" in text)
                window.press("q")
                assert await asyncio.to_thread(window.end) == 0
            assert window.is_given_back()


@contextmanager
def watching(tmp_path: Path, width: int = 100, height: int = 30) -> Iterator[Window]:
    """Somebody watches a daemon that answers."""
    with (
        serving(tmp_path / "s", {"status": of_now}),
        Window(["watch", "--config", config_of(tmp_path, tmp_path / "s")], width, height) as window,
    ):
        window.until(lambda text: "BTCUSDT LONG" in text and "NO ANSWER" not in text)
        yield window


async def of_now(_request: object) -> object:
    return state(now_ms=SystemClock().wall_ms())


# Each process costs a second of a processor before it shows anything, so one serves for several rules.


def test_another_size_is_another_picture_and_of_all_keys_only_q_ends_it(tmp_path: Path) -> None:
    """As wide and high as the window is now, at once; what is typed does not tear it, nor wait for the shell."""
    with watching(tmp_path) as window:
        assert (max(map(len, window.lines)), len(window.lines)) == (100, 30)
        window.resize(60, 15)
        window.until(lambda _: (max(map(len, window.lines)), len(window.lines)) == (60, 15))
        assert "q ends" not in window.text
        assert "BTCUSDT LONG" in window.text
        window.press("xyz\x1b[A\r")
        seen = len(window.raw)
        window.until(lambda _: window.raw.count(b"\x1b[H", seen) > 1)
        assert "xyz" not in window.text
        window.press("Q")
        assert window.end() == 0
        assert window.is_given_back()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_after_the_terminal_was_given_back(tmp_path: Path, number: signal.Signals) -> None:
    """By the signal, as if it had not been caught: that is what whoever sent it sees."""
    with watching(tmp_path) as window:
        os.kill(window.pid, number)
        assert window.end() == -number
        assert window.is_given_back()


def test_a_terminal_that_is_closed_ends_it(tmp_path: Path) -> None:
    """Nobody sees what it would draw."""
    with watching(tmp_path) as window:
        os.close(window.terminal)
        os.waitpid(window.pid, 0)


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on_and_ctrl_c_for_good(tmp_path: Path) -> None:
    """A shell that is left with a picture and without echo is of no use; it ends with 130 as other commands do."""
    with watching(tmp_path) as window:
        window.press("\x1a")
        while GIVEN_BACK not in window.raw:
            window.read()
        _, status = os.waitpid(window.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert window.is_given_back()
        os.kill(window.pid, signal.SIGCONT)
        window.until(lambda _: window.raw.count(TAKEN) > 1 and b"BTCUSDT" in window.raw.rpartition(TAKEN)[2])
        window.press("\x03")
        assert window.end() == 130
        assert window.is_given_back()


@pytest.mark.parametrize(
    ("answers", "key", "code"), [(0, "\x1c", -signal.SIGQUIT), (1, "q", 0)], ids=["quit", "q"]
)
def test_a_daemon_that_hangs_is_told_while_it_is_waited_for(
    tmp_path: Path, answers: int, key: str, code: int
) -> None:
    """Before the question is given up, and with keys that still work; Ctrl-backslash leaves no broken terminal."""
    asked, go_on = Event(), Event()
    if not answers:
        asked.set()

    async def status(_request: object) -> object:
        if asked.is_set():
            await asyncio.to_thread(go_on.wait)
        asked.set()
        return await of_now(_request)

    with (
        serving(tmp_path / "s", {"status": status}),
        Window(["watch", "--config", config_of(tmp_path, tmp_path / "s")]) as window,
    ):
        try:
            if answers:
                window.until(lambda text: "BTCUSDT LONG" in text)
            window.until(lambda text: "The daemon takes its time" in text)
            window.press(key)
            assert window.end() == code
            assert window.is_given_back()
        finally:
            go_on.set()


@pytest.mark.parametrize(("words", "term"), [(["--plain"], "xterm-256color"), ([], "dumb")])
def test_blocks_are_for_those_who_want_them(tmp_path: Path, words: list[str], term: str) -> None:
    """Asked for, or because the terminal would not understand a picture."""
    with (
        serving(tmp_path / "s", {"status": of_now}),
        Window(["watch", *words, "--config", config_of(tmp_path, tmp_path / "s")], term=term) as window,
    ):
        while window.raw.count(b"BTCUSDT LONG") < 2:
            assert window.read()
        assert TAKEN not in window.raw
        window.press("\x03")
        assert window.end() == 130
