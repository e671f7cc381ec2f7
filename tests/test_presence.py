"""A daemon whose state directory is removed or replaced under it stays the one that others find."""

import asyncio
import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor import control, presence
from monitor.app import Daemon
from monitor.cli.wiring import build_daemon
from monitor.control import ControlServer, Lock, ask
from monitor.errors import AlreadyRunningError, ControlError
from monitor.ports import Job
from monitor.presence import Presence
from monitor.system_clock import SystemClock
from tests.notify.fakes import FakeChannel
from tests.test_app import PATIENCE_S, exchange, running, settings_of, until


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at each second is looked at more often here."""
    monkeypatch.setattr(presence, "CHECK_S", 0.02)
    monkeypatch.setattr(control, "_ATTEMPTS", 2)
    monkeypatch.setattr(control, "_ATTEMPT_PAUSE_S", 0.01)


async def answered(state: Path) -> Any:  # noqa: ANN401 - JSON
    """Ask until a daemon answers."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(ControlError):
                return await asyncio.to_thread(ask, state, {"command": "status"})
            await SystemClock().sleep(0.01)


def removed(state: Path) -> None:
    shutil.rmtree(state)


def replaced(state: Path) -> None:
    """As a backup that is put in its place."""
    state.rename(state.parent / "before")
    state.mkdir(mode=0o700)
    (state / "lock").write_text("1\n", encoding="ascii")
    (state / "control.sock").touch()


def without_socket(state: Path) -> None:
    (state / "control.sock").unlink()


def without_lock(state: Path) -> None:
    (state / "lock").unlink()


@pytest.mark.parametrize("harm", [removed, replaced, without_socket, without_lock], ids=lambda one: one.__name__)
async def test_a_daemon_stays_found_whatever_is_removed(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """`status` finds it, and a second one does not start beside it."""
    state = tmp_path / "s"
    async with exchange() as market:
        settings = settings_of(market.config(state))
        async with running(settings, FakeChannel()) as watch:
            await until(lambda: watch.daemon.ticks > 0)
            with capture_logs() as logs:
                harm(state)
                await until(lambda: bool({"lock.retaken", "socket.remade"} & {entry["event"] for entry in logs}))
                assert (await answered(state))["pid"] == os.getpid()
            second = build_daemon(settings, [], clock=SystemClock(), environ=os.environ)
            with pytest.raises(AlreadyRunningError):
                await second.run()
            modes = [stat.S_IMODE((state / name).stat().st_mode) for name in ("", "lock", "control.sock")]
            assert modes == [0o700, 0o600 if harm is not replaced else modes[1], 0o600]
        assert not (state / "control.sock").exists()


async def outcome(daemon: Daemon) -> AlreadyRunningError | None:
    """Return what a daemon ended with."""
    try:
        await daemon.run()
    except AlreadyRunningError as error:
        return error
    return None


async def test_a_daemon_ends_once_another_has_its_directory(tmp_path: Path) -> None:
    """Two would double every message. It drains, says why, and leaves what is the other's alone."""
    state = tmp_path / "s"
    async with exchange() as market:
        settings = settings_of(market.config(state))
        first = build_daemon(settings, [FakeChannel()], clock=SystemClock(), environ=os.environ)
        with capture_logs() as logs:
            async with asyncio.TaskGroup() as group:
                ended = group.create_task(outcome(first))
                await until(lambda: first.ticks > 0)
                (state / "lock").unlink()
                (state / "control.sock").unlink()
                with Lock(state / "lock"):  # before the first looks: nothing ran meanwhile
                    other = ControlServer(state / "control.sock", {})
                    await other.start()
                    async with asyncio.timeout(PATIENCE_S):
                        assert f"process {os.getpid()}" in str(await ended)
                    assert other.is_reachable()
                    await other.stop()
    events = [entry["event"] for entry in logs]
    assert events.count("daemon.displaced") == 1
    assert events.index("daemon.displaced") < events.index("daemon.stopping") < events.index("daemon.stopped")


async def going(job: Job) -> None:
    await job.run()


@asynccontextmanager
async def looking(folder: Path, told: list[AlreadyRunningError]) -> AsyncIterator[tuple[Lock, ControlServer]]:
    """Lock and socket in a folder, looked after."""
    server = ControlServer(folder / "control.sock", {})
    with Lock(folder / "lock") as lock:
        await server.start()
        (job,) = Presence(lock, server, SystemClock(), told.append).jobs()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(going(job))
            yield lock, server
            task.cancel()
        await server.stop()


async def test_a_lock_that_is_held_for_a_moment_ends_nothing(tmp_path: Path) -> None:
    """A command that found no daemon has it for as long as it writes."""
    told: list[AlreadyRunningError] = []
    with capture_logs() as logs:
        async with looking(tmp_path, told):
            (tmp_path / "lock").unlink()
            with Lock(tmp_path / "lock"):
                await until(lambda: "lock.lost" in [entry["event"] for entry in logs])
            await until(lambda: "lock.retaken" in [entry["event"] for entry in logs])
    assert not told


async def test_one_that_takes_the_directory_while_it_is_looked_at_keeps_its_socket(tmp_path: Path) -> None:
    """Lock and socket are asked for one after the other, in threads; between them another daemon may begin."""
    told: list[AlreadyRunningError] = []
    async with looking(tmp_path, told) as (lock, _):
        taken: list[Lock] = []
        real = lock.is_held

        def is_held() -> bool:
            held = real()
            if not taken:
                (tmp_path / "control.sock").unlink()
                (tmp_path / "lock").unlink()
                taken.append(Lock(tmp_path / "lock").__enter__())
                (tmp_path / "control.sock").touch()
            return held

        lock.is_held = is_held  # type: ignore[method-assign]
        await until(lambda: bool(told))
        assert not (tmp_path / "control.sock").is_socket()
        taken[0].__exit__(None, None, None)


async def test_a_directory_that_cannot_be_made_is_logged_once_and_tried_again(tmp_path: Path) -> None:
    """The daemon watches on without it."""
    folder = tmp_path / "s"
    folder.mkdir()
    with capture_logs() as logs:
        async with looking(folder, []) as (lock, server):
            tries: list[int] = []
            real = lock.retake

            def retake() -> None:
                tries.append(1)
                real()

            lock.retake = retake  # type: ignore[method-assign]
            folder.rename(tmp_path / "away")
            folder.touch()
            await until(lambda: len(tries) > 3)
            assert [entry["event"] for entry in logs] == ["presence.failed"]
            folder.unlink()
            await until(lambda: lock.is_held() and server.is_reachable())
