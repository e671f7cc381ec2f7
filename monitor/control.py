"""The daemon's lock, and its local socket: one JSON line asks, one JSON line answers, owner only.

The lock decides whether a daemon runs; the kernel lets go of it however the daemon ends. The socket is only
ever made by whoever holds the lock, so a leftover of a crash is removed safely.
"""

import asyncio
import fcntl
import os
import select
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from monitor.errors import AlreadyRunningError, ControlError, NotRunningError, OutOfReachError
from monitor.storage.paths import CONTROL_SOCKET, LOCK_FILE
from monitor.storage.place import leave_to_owner

REQUEST_LIMIT = 64 * 1024
ANSWER_TIMEOUT_S = 5.0
# A large configuration with hundreds of mistakes takes seconds to be read, and another reload may come first.
RELOAD_TIMEOUT_S = 45.0
_PATIENT = frozenset({"reload"})
# sun_path of the smallest supported system; longer ones fail with an error nobody understands.
PATH_LIMIT = 103
# A command that acknowledges an alert while no daemon runs holds the lock for as long as it writes.
_ATTEMPTS = 21
_ATTEMPT_PAUSE_S = 0.05
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)  # all that msgspec raises on foreign bytes

# Handed the request, to which the server adds ``by``: whose it is, such as "uid 1000".
Handler = Callable[[Mapping[str, Any]], Awaitable[object]]


class Lock:
    """An exclusive lock on a state directory, held until closed or until the process ends.

    Who holds it is decided by the file that the path leads to: a lock on a file that was removed keeps nobody out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._swapping = threading.Lock()  # a thread may still be taking it anew while it is closed

    def __enter__(self) -> Self:
        self._descriptor = self._taken()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._swapping:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def is_held(self) -> bool:
        """Return whether others find the lock: the path leads to the file that is locked. Blocks as disks do."""
        with self._swapping:
            return self._descriptor is not None and _leads_to(self._path, os.fstat(self._descriptor))

    def retake(self) -> None:
        """Take the lock on the file that is there now, and make it if there is none. Blocks up to seconds.

        Does nothing once the lock was closed.

        Raises:
            AlreadyRunningError: another daemon was faster.
            ControlError: the directory or the file cannot be made.
        """
        make_directory(self._path.parent)
        descriptor = self._taken()
        with self._swapping:
            old, self._descriptor = self._descriptor, descriptor
            if old is None:
                self._descriptor, old = None, descriptor
            os.close(old)

    def _taken(self) -> int:
        """Return a descriptor that holds the lock of the file that the path leads to."""
        for _ in range(_ATTEMPTS):
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise ControlError(
                    f"{self._path}: {error.strerror}. The state directory must be writable."
                ) from error
            leave_to_owner(descriptor, self._path)
            try:
                _exclusive(descriptor)
            except BlockingIOError as error:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                os.close(descriptor)
                raise AlreadyRunningError(
                    f"another daemon (process {holder or 'unknown'}) uses {self._path.parent}; "
                    "stop it, or give this one a state directory of its own"
                ) from error
            except OSError as error:
                os.close(descriptor)
                raise ControlError(f"{self._path}: {error.strerror}. It cannot be locked.") from error
            # Between opening and locking it somebody may have removed it, and another daemon locked a new one.
            if _leads_to(self._path, os.fstat(descriptor)):
                with suppress(OSError):  # a full disk: it is for people, and the lock holds without
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
                return descriptor
            os.close(descriptor)
        raise ControlError(f"{self._path}: removed again and again by another program.")


def make_directory(path: Path) -> None:
    """Make a state directory, for its owner only; one that is there stays as it is.

    Raises:
        ControlError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ControlError(
            f"{path}: {error.strerror}. The state directory cannot be made; make it, owned by the user of the "
            "service, or name another one in [state] directory"
        ) from error


def _leads_to(path: Path, file: os.stat_result) -> bool:
    """Return whether a path leads to this file, which is open, so that no other can have its number."""
    try:
        return os.path.samestat(path.stat(), file)
    except OSError:
        return False


def _exclusive(descriptor: int) -> None:
    """Take the lock; somebody may just be looking whether it is taken, so try for a second."""
    for _ in range(_ATTEMPTS - 1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            select.select((), (), (), _ATTEMPT_PAUSE_S)
        else:
            return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_running(lock: Path) -> bool:
    """Return whether a daemon holds this lock file; never waits and never takes it for longer than a look."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


class ControlServer:
    """Answers commands of the owner on a Unix socket.

    Args:
        path: of the socket.
        handlers: of the commands, by name.
        meant: handed each request first; raises ControlError if it is for another daemon.
    """

    def __init__(
        self,
        path: Path,
        handlers: Mapping[str, Handler],
        meant: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None,
    ) -> None:
        self._path = path
        self._handlers = handlers
        self._meant = meant
        self._server: asyncio.Server | None = None
        self._made: os.stat_result | None = None  # the socket's file

    async def start(self) -> None:
        """Listen; the caller holds the lock of the directory.

        Raises:
            ControlError: the socket cannot be made.
        """
        if len(os.fsencode(self._path)) > PATH_LIMIT:
            raise ControlError(f"{self._path}: too long for a socket; use a shorter state directory")
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._path.unlink(missing_ok=True)
            listening.bind(str(self._path))
            # Nobody can connect before it listens. Not by a umask: files of other threads would get it as well.
            self._path.chmod(0o600)
            self._made = self._path.stat()
            self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=REQUEST_LIMIT)
        except OSError as error:
            listening.close()
            raise ControlError(f"{self._path}: {error.strerror}") from error

    async def stop(self) -> None:
        """Stop listening and remove the socket, unless another one has its place."""
        if self._server is not None:
            if self.is_reachable():
                self._path.unlink(missing_ok=True)
            self._server.close()
            self._server = self._made = None

    def is_reachable(self) -> bool:
        """Return whether the path leads to the socket that listens. Blocks as disks do."""
        return self._made is not None and _leads_to(self._path, self._made)

    async def restart(self) -> None:
        """Listen anew where the path leads now; the caller holds the lock.

        Raises:
            ControlError: the socket cannot be made.
        """
        await self.stop()
        await self.start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S) as limit:
                answer = await self._answer(reader, writer, limit)
                writer.write(msgspec.json.encode(answer) + b"\n")
                await writer.drain()
        except (TimeoutError, OSError, ValueError):
            pass  # whoever asked went away, was too slow or sent too much: nothing of ours is lost
        finally:
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: asyncio.Timeout
    ) -> object:
        user = _user(writer.get_extra_info("socket"))
        if user not in {os.getuid(), 0}:
            return {"error": "only the owner of the daemon may ask"}
        line = await reader.readline()
        try:
            request = msgspec.json.decode(line, type=dict[str, Any])
        except _UNREADABLE:
            return {"error": "a request is one JSON object on one line"}
        command = request.get("command")
        handler = self._handlers.get(command) if isinstance(command, str) else None
        if handler is None:
            return {"error": f"unknown command; known: {', '.join(sorted(self._handlers))}"}
        if command in _PATIENT:
            limit.reschedule(asyncio.get_running_loop().time() + RELOAD_TIMEOUT_S)
        try:
            if self._meant is not None:
                await self._meant(request)
            return {"ok": await handler({**request, "by": f"uid {user}"})}
        except ControlError as error:
            return {"error": str(error)}


def ask(state_dir: Path, request: Mapping[str, object], timeout_s: float = ANSWER_TIMEOUT_S) -> Any:  # noqa: ANN401 - JSON
    """Ask the running daemon and return its answer.

    Raises:
        NotRunningError: no daemon holds the lock.
        OutOfReachError: the directory is another user's.
        ControlError: it does not answer, or refused.
    """
    _check_reach(state_dir)
    if not is_running(state_dir / LOCK_FILE):
        raise NotRunningError(f"no daemon is running on {state_dir}")
    path = state_dir / CONTROL_SOCKET
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(msgspec.json.encode(request) + b"\n")
            with connection.makefile("rb") as file:
                line = file.readline()
        answer = msgspec.json.decode(line, type=dict[str, Any])
    except (OSError, *_UNREADABLE) as error:
        raise ControlError(f"the daemon on {state_dir} does not answer: {_words(error, timeout_s)}") from error
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer["ok"]


def _check_reach(state_dir: Path) -> None:
    """Refuse a directory that only another user gets into: whether a daemon runs on it is not known."""
    try:
        (state_dir / LOCK_FILE).stat()
    except PermissionError:
        raise OutOfReachError(f"{state_dir} is another user's; ask as that user, or as root with sudo") from None
    except OSError:
        pass  # there is none, so no daemon runs


def _words(error: Exception, timeout_s: float) -> str:
    match error:
        case TimeoutError():
            return f"nothing came within {timeout_s:.0f} s"
        case ConnectionRefusedError() | FileNotFoundError():
            return "nobody listens on its socket"
        case OSError():
            return os.strerror(error.errno) if error.errno else "the connection broke"
        case _:
            return "what came cannot be read"


def _user(connection: socket.socket) -> int:
    """Return who asks. File permissions already say so; the kernel guards against a directory opened up."""
    if not hasattr(socket, "SO_PEERCRED"):
        return os.getuid()
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(user)
