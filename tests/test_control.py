"""The lock and the owner's local socket."""

import asyncio
import contextlib
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

from monitor.control import PATH_LIMIT, ControlServer, Lock, ask, is_running
from monitor.errors import AlreadyRunningError, ControlError, NotRunningError


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
