"""A service that stands still ends by itself where it was asked to; a real process each."""

import asyncio
import faulthandler
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from monitor import dead_man
from monitor.control import ask
from monitor.dead_man import LEAST_S, VARIABLE, DeadMan
from monitor.errors import MonitorError
from monitor.system_clock import SystemClock
from tests import blocking

PATIENCE_S = 120.0
ENDED = 1  # not 2, which says that starting it anew cannot help


class Service:
    """A daemon that watches nothing, in a process of its own.

    Args:
        folder: of its files.
        process: it runs in.
    """

    def __init__(self, folder: Path, process: Process) -> None:
        self._folder = folder
        self.process = process

    async def until_fed(self, times: int) -> dict[str, Any]:
        """Wait until it was found alive so many times; return what it says of that."""
        async with asyncio.timeout(PATIENCE_S):
            while (told := await self.watchdog())["fed"] < times:
                await SystemClock().sleep(0.05)
        return told

    async def watchdog(self) -> dict[str, Any]:
        """Return what its status says of its watchdog, as soon as there is somebody to say it."""
        while True:
            assert self.process.returncode is None, self.said()
            try:
                answer: Any = await asyncio.to_thread(ask, self._folder / "s", {"command": "status"})
            except MonitorError:
                await SystemClock().sleep(0.05)
                continue
            return dict(answer["watchdog"] or {"fed": 0})

    async def ended(self) -> int:
        """Return its exit code once it ended."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()

    def said(self) -> str:
        """Return all it wrote to stderr, where that is a file."""
        return (self._folder / "stderr").read_text()


@asynccontextmanager
async def service(
    folder: Path, *options: str, stderr: int | None = None, by: str = "", variable: str | None = None,
    redirected: str = "",
) -> AsyncIterator[Service]:  # fmt: skip
    """A running one that is ended in the end; ``redirected`` as a shell has it."""
    config = folder / "config.toml"
    config.write_text(f'[state]\ndirectory = "{folder / "s"}"\n[[accounts]]\nname = "empty"\n')
    kept = {key: value for key, value in os.environ.items() if key not in {VARIABLE, "NOTIFY_SOCKET"}}
    kept |= {"PYTHONPATH": str(blocking.write(folder)), "BLOCKED_BY": by}
    kept |= {} if variable is None else {VARIABLE: variable}
    with (folder / "stderr").open("a") as file:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", f'exec "$0" -m monitor run --config "$@" {redirected}',
            sys.executable, str(config), *options,
            env=kept, stdin=DEVNULL, stdout=DEVNULL, stderr=file if stderr is None else stderr,
        )  # fmt: skip
    try:
        yield Service(folder, process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_what_it_says_at_the_end_is_never_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe is opened anew, so that others wait as before when they write to it; a socket is taken as it is."""
    calls: list[dict[str, Any]] = []

    def note(seconds: float, **options: Any) -> None:  # noqa: ANN401 - of faulthandler
        calls.append({"seconds": seconds, **options})

    monkeypatch.setattr(faulthandler, "dump_traceback_later", note)
    reads, writes = os.pipe()
    ours, theirs = socket.socketpair()
    try:
        monkeypatch.setattr(dead_man, "_STDERR", writes)
        DeadMan(7.0).lives()
        monkeypatch.setattr(dead_man, "_STDERR", ours.fileno())
        DeadMan(7.0).within(9.0)
        (piped, connected) = calls
        assert (piped["seconds"], piped["exit"]) == (7.0, True)
        assert (piped["file"] != writes, os.get_blocking(piped["file"]), os.get_blocking(writes)) == (
            True, False, True
        )  # fmt: skip
        os.write(piped["file"], b"there")
        assert os.read(reads, 100) == b"there"
        os.close(piped["file"])
        assert connected == {"seconds": 9.0, "exit": True, "file": ours.fileno()}
    finally:
        ours.close()
        theirs.close()
        os.close(reads)
        os.close(writes)


STUCK = (f"--end-when-stuck={LEAST_S}",)


@pytest.mark.parametrize("how", ["asleep", "searching"])
async def test_one_whose_event_loop_is_blocked_ends_and_says_where(tmp_path: Path, how: str) -> None:
    """Also where it is blocked in C and no other thread can run. One that is well goes on for longer than that."""
    async with service(tmp_path, *STUCK, by=how) as one:
        told = await one.until_fed(6)  # a third of the time each
        assert (told["ends_s"], told["within_s"], told["standing"]) == (LEAST_S, None, [])
        one.process.send_signal(signal.SIGUSR1)
        assert await one.ended() == ENDED
    assert f"in {how}\n" in one.said()
    assert one.said().count("Timeout (0:00:05)!") == 1


async def test_one_that_waits_for_whoever_reads_its_log_ends_without_a_word(tmp_path: Path) -> None:
    """What is told at the end goes the same way, and must not wait there too."""
    reads, writes = os.pipe()
    try:
        async with service(tmp_path, *STUCK, stderr=writes, by="logging") as one:
            await one.until_fed(1)
            one.process.send_signal(signal.SIGUSR1)
            assert await one.ended() == ENDED
    finally:
        os.close(reads)
        os.close(writes)


async def test_one_of_which_a_loop_stands_still_is_named_and_ends(tmp_path: Path) -> None:
    """Though its event loop runs on."""
    async with service(tmp_path, *STUCK, by="deciding") as one:
        await one.until_fed(1)
        one.process.send_signal(signal.SIGUSR1)
        assert await one.ended() == ENDED
    lines = [json.loads(line) for line in one.said().splitlines() if line.startswith("{")]
    assert "decide" in {
        loop for line in lines if line["event"] == "watchdog.standing" for loop in line["loops"]
    }  # fmt: skip


async def test_one_that_does_not_come_to_the_end_of_its_stop_ends_all_the_same(tmp_path: Path) -> None:
    """Nobody else would wait for it but whoever asked it to stop; one that gave up was asked by nobody."""
    async with service(tmp_path, "--end-when-stuck=3600", by="closing") as one:
        await one.until_fed(1)
        one.process.send_signal(signal.SIGUSR1)
        one.process.send_signal(signal.SIGTERM)
        assert await one.ended() == ENDED
    assert '"daemon.stopping"' in one.said()


async def test_an_orderly_stop_is_left_alone_and_the_next_run_begins_where_it_was(tmp_path: Path) -> None:
    """The variable says the same as the option; after an end by itself the state is as after any other."""
    async with service(tmp_path, by="asleep", variable=str(LEAST_S)) as one:
        await one.until_fed(1)
        one.process.send_signal(signal.SIGUSR1)
        assert await one.ended() == ENDED
    folder = tmp_path / "next"
    folder.mkdir()
    (folder / "s").symlink_to(tmp_path / "s")
    async with service(folder, variable=str(LEAST_S)) as one:
        await one.until_fed(1)
        one.process.send_signal(signal.SIGTERM)
        assert await one.ended() == 0
    assert "Timeout" not in one.said()


async def test_nothing_ends_it_where_nobody_asked(tmp_path: Path) -> None:
    """A terminal, or whoever empties the variable of the image: no watchdog, and nothing is waited for."""
    async with service(tmp_path, variable="") as one:
        assert await one.watchdog() == {"fed": 0}
        one.process.send_signal(signal.SIGTERM)
        assert await one.ended() == 0
