"""The lock and the owner's local socket."""

import asyncio
import contextlib
import errno
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from monitor import control
from monitor.control import PATH_LIMIT, ControlServer, Lock, ask, is_running
from monitor.errors import AlreadyRunningError, ControlError, NotRunningError, OutOfReachError


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that is taken is told after a moment, not after a second."""
    monkeypatch.setattr(control, "_ATTEMPT_PAUSE_S", 0.001)


async def hello(request: Mapping[str, Any]) -> object:
    return {"hello": request.get("name")}


async def refuse(_request: Mapping[str, Any]) -> object:
    raise ControlError("not today")


HANDLERS = {"hello": hello, "refuse": refuse}


async def asking(state: Path, request: Mapping[str, object]) -> Any:  # noqa: ANN401 - JSON
    """Ask from another process, as a person does: the lock is per open file, not per process."""
    code = (
        "import sys, json, pathlib\n"
        "from monitor.control import ask\n"
        "from monitor.errors import ControlError\n"
        "try:\n"
        "    print(json.dumps(ask(pathlib.Path(sys.argv[1]), json.loads(sys.argv[2]))))\n"
        "except ControlError as error:\n"
        "    print(json.dumps({'raised': type(error).__name__, 'text': str(error)}))\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(state), json.dumps(request), stdout=subprocess.PIPE
    )
    out, _ = await process.communicate()
    return json.loads(out)


async def test_the_owner_asks_and_gets_an_answer(tmp_path: Path) -> None:
    """One JSON line each way."""
    with Lock(tmp_path / "lock"):
        server = ControlServer(tmp_path / "control.sock", HANDLERS)
        await server.start()
        try:
            assert await asking(tmp_path, {"command": "hello", "name": "你"}) == {"hello": "你"}
            answer = await asking(tmp_path, {"command": "refuse"})
            assert answer == {"raised": "ControlError", "text": "not today"}
            answer = await asking(tmp_path, {"command": "dance"})
            assert "known: hello, refuse" in answer["text"]
        finally:
            await server.stop()


async def test_a_request_cannot_say_whose_it_is(tmp_path: Path) -> None:
    """Who asks is the kernel's word."""

    async def who(request: Mapping[str, Any]) -> object:
        return request["by"]

    with Lock(tmp_path / "lock"):
        server = ControlServer(tmp_path / "control.sock", {"who": who})
        await server.start()
        answer = await asking(tmp_path, {"command": "who", "by": "somebody else"})
        await server.stop()
    assert answer == f"uid {os.getuid()}"


async def test_the_socket_is_for_its_owner_only(tmp_path: Path) -> None:
    """Nobody else may even connect."""
    with Lock(tmp_path / "lock"):
        server = ControlServer(tmp_path / "control.sock", HANDLERS)
        await server.start()
        mode = stat.S_IMODE((tmp_path / "control.sock").stat().st_mode)
        await server.stop()
    assert mode == 0o600
    assert not (tmp_path / "control.sock").exists()


@pytest.mark.parametrize("line", [b"\n", b"hello\n", b"[1]\n", b'{"command": 3}\n', b'{"command": "x"}\n'])
async def test_a_malformed_request_gets_an_error_and_hurts_nobody(tmp_path: Path, line: bytes) -> None:
    """The next request is answered."""
    server = ControlServer(tmp_path / "s", HANDLERS)
    await server.start()
    try:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(line)
        assert b"error" in await reader.readline()
        writer.close()
        await writer.wait_closed()
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(b'{"command": "hello"}\n')
        assert b"ok" in await reader.readline()
        writer.close()
        await writer.wait_closed()
    finally:
        await server.stop()


async def test_an_endless_request_is_cut_off(tmp_path: Path) -> None:
    """Memory stays bounded whatever is sent."""
    server = ControlServer(tmp_path / "s", HANDLERS)
    await server.start()
    try:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(b"x" * 1_000_000)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
    finally:
        await server.stop()


async def test_a_leftover_socket_is_replaced(tmp_path: Path) -> None:
    """A crash leaves the file behind; the next daemon starts all the same."""
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as leftover:
        leftover.bind(str(path))
    with Lock(tmp_path / "lock"):
        server = ControlServer(path, HANDLERS)
        await server.start()
        assert await asking(tmp_path, {"command": "hello"}) == {"hello": None}
        await server.stop()


async def test_a_path_too_long_for_a_socket_says_so(tmp_path: Path) -> None:
    """The system's own message would not."""
    server = ControlServer(tmp_path / ("x" * PATH_LIMIT), HANDLERS)
    with pytest.raises(ControlError, match="shorter"):
        await server.start()


def test_two_daemons_cannot_share_a_directory(tmp_path: Path) -> None:
    """The second is told who holds it."""
    with Lock(tmp_path / "lock"):
        with pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"), Lock(tmp_path / "lock"):
            pass
        assert is_running(tmp_path / "lock")
    assert not is_running(tmp_path / "lock")
    with Lock(tmp_path / "lock"):
        pass


def test_without_a_daemon_the_lock_says_so(tmp_path: Path) -> None:
    """A missing or an abandoned lock file both mean: not running."""
    with pytest.raises(NotRunningError):
        ask(tmp_path, {"command": "hello"})
    with Lock(tmp_path / "lock"):
        pass
    with pytest.raises(NotRunningError):
        ask(tmp_path, {"command": "hello"})


def test_a_daemon_that_does_not_answer_is_told_apart(tmp_path: Path) -> None:
    """The lock is held and nobody listens."""
    with Lock(tmp_path / "lock"), pytest.raises(ControlError, match="does not answer"):
        ask(tmp_path, {"command": "hello"})


def test_a_lock_in_a_missing_directory_is_a_clear_error(tmp_path: Path) -> None:
    """The message names the path."""
    with pytest.raises(ControlError, match="writable"), Lock(tmp_path / "no" / "lock"):
        pass


def test_a_lock_whose_file_is_gone_is_not_held(tmp_path: Path) -> None:
    """Nobody else would find it; taken anew it keeps others out again, directory and all."""
    path = tmp_path / "s" / "lock"
    path.parent.mkdir()
    with Lock(path) as lock:
        assert lock.is_held()
        path.unlink()
        path.parent.rmdir()
        assert not lock.is_held()
        lock.retake()
        assert lock.is_held()
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with pytest.raises(AlreadyRunningError), Lock(path):
            pass
    assert not is_running(path)


def test_a_lock_that_another_took_meanwhile_is_not_taken(tmp_path: Path) -> None:
    """Two never both believe to hold it."""
    with Lock(tmp_path / "lock") as first:
        (tmp_path / "lock").unlink()
        with Lock(tmp_path / "lock") as second:
            with pytest.raises(AlreadyRunningError):
                first.retake()
            assert second.is_held()
            assert not first.is_held()
        first.retake()
        assert first.is_held()


def test_a_file_that_is_removed_while_it_is_being_locked_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking another daemon may have made a file of its own, and holds that."""
    real = control._exclusive
    others: list[Lock] = []

    def exclusive(descriptor: int) -> None:
        monkeypatch.setattr(control, "_exclusive", real)
        (tmp_path / "lock").unlink()
        others.append(Lock(tmp_path / "lock").__enter__())
        real(descriptor)

    monkeypatch.setattr(control, "_exclusive", exclusive)
    with pytest.raises(AlreadyRunningError), Lock(tmp_path / "lock"):
        pass
    assert others[0].is_held()
    others[0].__exit__(None, None, None)


def test_a_lock_closed_while_it_is_taken_anew_stays_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that ends does not wait for the thread that takes it."""
    real = control._exclusive
    lock = Lock(tmp_path / "lock").__enter__()
    (tmp_path / "lock").unlink()

    def exclusive(descriptor: int) -> None:
        real(descriptor)
        lock.__exit__(None, None, None)

    monkeypatch.setattr(control, "_exclusive", exclusive)
    lock.retake()
    assert not lock.is_held()
    assert not is_running(tmp_path / "lock")


def test_a_file_that_cannot_be_locked_is_not_another_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running daemon would end for it."""

    def exclusive(_descriptor: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(control, "_exclusive", exclusive)
    with pytest.raises(ControlError, match="No locks") as raised, Lock(tmp_path / "lock"):
        pass
    assert not isinstance(raised.value, AlreadyRunningError)


async def test_a_socket_in_the_place_of_ours_is_left_alone(tmp_path: Path) -> None:
    """It is that of the daemon that goes on."""
    first, second = (ControlServer(tmp_path / "control.sock", HANDLERS) for _ in range(2))
    await first.start()
    await second.start()
    assert not first.is_reachable()
    await first.stop()
    assert second.is_reachable()
    await second.stop()
    assert not (tmp_path / "control.sock").exists()


async def test_the_umask_of_other_threads_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that makes its directory anew at that moment could not enter it."""

    def umask(_mask: int) -> int:
        raise AssertionError

    monkeypatch.setattr(os, "umask", umask)
    server = ControlServer(tmp_path / "s", HANDLERS)
    await server.start()
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
    await server.stop()


@pytest.mark.skipif(os.geteuid() == 0, reason="root gets in everywhere")
def test_a_directory_of_another_user_is_not_called_one_without_a_daemon(tmp_path: Path) -> None:
    """Nobody who may not look knows whether one runs there."""
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0)
    try:
        with pytest.raises(ControlError, match="another user's; ask as that user, or as root"):
            ask(state, {"command": "status"})
    finally:
        state.chmod(0o700)


def test_a_directory_nobody_gets_into_is_another_user_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as root sees it of a file system that refuses even it."""

    def refuse(_path: Path, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(ControlError, match="another user's; ask as that user, or as root") as caught:
        ask(tmp_path, {"command": "status"})
    assert isinstance(caught.value, OutOfReachError)
