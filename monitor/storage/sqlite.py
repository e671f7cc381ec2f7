"""SQLite for one process: private files, one transaction at a time, errors an operator can act on.

aiosqlite runs every call on one thread, in the order they were queued; cancelling an awaited call does not
stop it. Two rules follow. Calls of different callers never interleave, which is what the lock is for. And a
transaction that is given up queues its ROLLBACK: even if that await is cancelled as well, the ROLLBACK stands
in the queue before any later call, so the connection is never left inside a half-done transaction.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import aiosqlite

from monitor.errors import DamagedError, StoreError
from monitor.storage import aside
from monitor.storage.failures import DAMAGED_HINT, translated
from monitor.storage.place import check_place, leave_to_owner
from monitor.storage.schema import HEADER_SQL, Header, Schema, check_readable, outstanding

BUSY_S: Final = 2.0
GIVEN_UP_S: Final = 0.3  # is waited for a file whose opening was cancelled
PIECE: Final = 250  # rows: about a millisecond of Python
_PRIVATE_FILE: Final = 0o600
_PRIVATE_DIR: Final = 0o700

Row = tuple[Any, ...]


def make_private(path: Path) -> None:
    """Make the file, and its directory, readable by their owner only; an existing directory is left as it is.

    Raises:
        StoreError: the operating system refused.
    """
    check_place(path)
    with translated(path, "open"):
        path.parent.mkdir(mode=_PRIVATE_DIR, parents=True, exist_ok=True)
        # SQLite gives the -wal and -shm files the mode of the database file.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_FILE)
        try:
            os.fchmod(descriptor, _PRIVATE_FILE)
            leave_to_owner(descriptor, path)
        finally:
            os.close(descriptor)


def check_wal(path: Path, mode: str) -> None:
    """Refuse a file that did not take the journal mode it was asked to.

    Raises:
        StoreError: it did not.
    """
    if mode != "wal":
        raise StoreError(
            str(path),
            "open",
            f"its journal mode stays {mode!r} where WAL is needed",
            "Keep the file on a local disk: network file systems lack the shared memory it takes",
        )


def check_sound(path: Path, verdict: str) -> None:
    """Refuse a file in which the first row of ``PRAGMA quick_check`` found damage.

    Raises:
        DamagedError: it did.
    """
    if verdict != "ok":
        raise DamagedError(str(path), "check", " ".join(str(verdict).split()), DAMAGED_HINT)


class Database:
    """One connection to one file, in WAL mode.

    Args:
        path: the file; made if it is not there.
        schema: what it must look like; migrated when opened.
        synchronous: ``FULL`` survives a loss of power; ``NORMAL`` may lose the last commits in one, but not
            in a crash of the process.
        check: look through the whole file when opening it; for small files.
        busy_s: how long to wait for another program's lock.
        write_busy_s: how long a transaction waits for it, once the file is open; as long if not given.
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        *,
        synchronous: str,
        check: bool = False,
        busy_s: float = BUSY_S,
        write_busy_s: float | None = None,
    ) -> None:
        self.path = path
        self._schema = schema
        self._synchronous = synchronous
        self._check = check
        self._busy_s = busy_s
        self._write_busy_s = busy_s if write_busy_s is None else write_busy_s
        self._lock = asyncio.Lock()
        self._connection: aiosqlite.Connection | None = None
        self._identity: tuple[int, int] | None = None  # of the file that is open

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    def in_place(self) -> bool:
        """Return whether it is open, and its name still leads to its file.

        SQLite goes on writing into a file that was removed or replaced, for nobody to find.
        """
        return self._connection is not None and _identity_of(self.path) == self._identity

    async def open(self) -> None:
        """Connect and migrate; does nothing if it is open.

        Raises:
            StoreError: the file cannot be used. It may be tried again.
        """
        async with self._lock:
            if self._connection is not None:
                return
            aside.finish(self.path)
            make_private(self.path)
            with translated(self.path, "open"):
                connection = await self._connect()
                try:
                    await self._prepare(connection)
                    # Its log is open by now, and with it the file.
                    self._identity = _identity_of(self.path)
                except asyncio.CancelledError:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(GIVEN_UP_S):
                            await _close(connection)
                    raise
                except BaseException:
                    await _close(connection)
                    raise
            self._connection = connection

    async def _connect(self) -> aiosqlite.Connection:
        # Opened here, where errors need no thread; nothing is read from the file yet.
        raw = sqlite3.connect(self.path, timeout=self._busy_s, isolation_level=None, check_same_thread=False)
        connection = aiosqlite.Connection(lambda: raw, iter_chunk_size=64)
        connection._thread.daemon = True  # noqa: SLF001 - or the interpreter's end waits for a disk that hangs
        try:
            return await connection
        except BaseException:
            # The thread reports its end to the event loop, which must not be closed before that.
            await asyncio.to_thread(connection._thread.join)  # noqa: SLF001 - nothing public tells when it ended
            raw.close()
            raise

    async def _prepare(self, connection: aiosqlite.Connection) -> None:
        await self._migrate(connection)
        [(mode,)] = await connection.execute_fetchall("PRAGMA journal_mode = WAL")
        check_wal(self.path, mode)
        await connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        # A burst or a slow reader may grow the write-ahead log; give the space back afterwards.
        await connection.execute("PRAGMA journal_size_limit = 16777216")
        if self._check:
            [(verdict,), *_] = await connection.execute_fetchall("PRAGMA quick_check(1)")
            check_sound(self.path, verdict)
        await connection.execute(f"PRAGMA busy_timeout = {round(self._write_busy_s * 1000):d}")

    async def _migrate(self, connection: aiosqlite.Connection) -> None:
        [header] = await connection.execute_fetchall(HEADER_SQL)
        if not outstanding(self.path, self._schema, Header(*header)):
            return
        async with _transaction(connection):
            # Asked again under the write lock: another process may have migrated since.
            [header] = await connection.execute_fetchall(HEADER_SQL)
            for statement in outstanding(self.path, self._schema, Header(*header)):
                await connection.execute(statement)

    async def close(self, *, keep_log: bool = False) -> None:
        """Close once work under way is over, also where the wait for it is cancelled; calling it twice is fine.

        Args:
            keep_log: leave the write-ahead log as it is. Else SQLite empties it into the file, whatever stands in
                it by now; it looks at its checksums only when a file is opened.

        Raises:
            StoreError: closing failed; the connection is gone all the same.
        """
        async with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                with translated(self.path, "close"):
                    # The last one that closes empties the log; one that only reads cannot.
                    last = await asyncio.to_thread(_only_reading, self.path) if keep_log else None
                    try:
                        await _close(connection)
                    finally:
                        if last is not None:
                            last.close()

    @asynccontextmanager
    async def transaction(self, operation: str) -> AsyncIterator[aiosqlite.Connection]:
        """Commit what the body does, all of it or, on any error or cancellation, nothing.

        Cancelled while the commit itself runs, it is all of it.

        Args:
            operation: what is being done, for the error.

        Raises:
            StoreError: it was not committed.
        """
        async with self._lock:
            connection = self._opened(operation)
            with translated(self.path, operation):
                async with _transaction(connection):
                    yield connection

    async def rows(
        self, operation: str, sql: str, parameters: Sequence[object] | dict[str, object] = ()
    ) -> list[Row]:
        """Return what a query finds, never the half-done work of another caller.

        Raises:
            StoreError: it cannot be read.
        """
        async with self._lock:
            connection = self._opened(operation)
            with translated(self.path, operation):
                return [tuple(row) for row in await connection.execute_fetchall(sql, parameters)]

    def _opened(self, operation: str) -> aiosqlite.Connection:
        if self._connection is None:
            raise StoreError(str(self.path), operation, "the database is not open")
        return self._connection


def _only_reading(path: Path) -> sqlite3.Connection | None:
    """Return a connection that has the log open, whatever stands in it; None if there is no file."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with suppress(sqlite3.Error):
        connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA schema_version").fetchone()  # the catalogue may be what is damaged
        return connection
    return None


def _identity_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


async def _close(connection: aiosqlite.Connection) -> None:
    """Close, once all that was queued is done; whoever gives up waiting does not wait for a disk that hangs.

    Its own ``close`` waits a second time where the first wait is cancelled.
    """
    closed = connection.stop()
    if closed is not None:
        await closed


@asynccontextmanager
async def _transaction(connection: aiosqlite.Connection) -> AsyncIterator[None]:
    try:
        await connection.execute("BEGIN IMMEDIATE")
        yield
        await connection.commit()
    except asyncio.CancelledError:
        # Whoever gave up must not wait for a disk that hangs: once queued, the ROLLBACK needs no waiting for.
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await connection.rollback()
        raise
    except BaseException:
        # Does nothing after a COMMIT that went through, so a cancelled commit is never half undone.
        await connection.rollback()
        raise


def go_on() -> None:
    """Rest nowhere."""


class Reader:
    """A read-only connection for commands, beside a running daemon or without one.

    Args:
        path: the file.
        schema: what it must look like.
        rest: called after each few rows; a thread beside an event loop lets that have its turn.

    Raises:
        StoreError: there is no such file, or it cannot be used.
    """

    def __init__(self, path: Path, schema: Schema, rest: Callable[[], None] = go_on) -> None:
        check_place(path, made=False)
        if not path.is_file():
            raise StoreError(str(path), "open", "there is no such file", "`position-monitor run` makes it")
        self.path = path
        self._schema = schema
        self.rest = rest
        with translated(path, "open"):
            self._connection = self._connect()
            try:
                self._prepare(self._connection)
            except BaseException:
                self._connection.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        check_readable(self.path, self._schema, connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close; calling it twice is fine."""
        self._connection.close()

    def rows(self, operation: str, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> list[Row]:
        """Return what a query finds.

        Raises:
            StoreError: it cannot be read.
        """
        found: list[Row] = []
        for piece in self.pieces(operation, sql, parameters):
            found += piece
        return found

    def pieces(
        self, operation: str, sql: str, parameters: Sequence[object] | dict[str, object] = ()
    ) -> Iterator[list[Row]]:
        """Yield the same a few rows at a time, with a rest after each.

        Raises:
            StoreError: it cannot be read.
        """
        with translated(self.path, operation):
            cursor = self._connection.execute(sql, parameters)
            while piece := cursor.fetchmany(PIECE):
                yield piece
                self.rest()
