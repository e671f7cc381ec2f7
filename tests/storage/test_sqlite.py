"""The shared connection: transactions, translation of errors, read-only access."""

import asyncio
import errno
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import pytest

from monitor.errors import StoreError
from monitor.storage.failures import UnstorableError, translated
from monitor.storage.schema import Schema
from monitor.storage.sqlite import Database, Reader, make_private
from tests.conftest import settle
from tests.storage.damage import execute

ONE = Schema("test", 7, {1: ("CREATE TABLE t (a INTEGER PRIMARY KEY)",)})
TWO = Schema("test", 7, {**ONE.migrations, 2: ("ALTER TABLE t ADD COLUMN b", "UPDATE t SET b = a * 2")})
BROKEN = Schema("test", 7, {**ONE.migrations, 2: ("ALTER TABLE t ADD COLUMN b", "UPDATE missing SET c = 1")})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "odd ?name#.db"


@pytest.fixture
async def db(path: Path) -> AsyncIterator[Database]:
    made = Database(path, ONE, synchronous="NORMAL")
    await made.open()
    yield made
    await made.close()


async def test_a_body_that_raises_leaves_nothing(db: Database) -> None:
    """All of a transaction or nothing of it."""

    async def give_up() -> None:
        async with db.transaction("test") as connection:
            await connection.execute("INSERT INTO t VALUES (1)")
            raise KeyError

    with pytest.raises(KeyError):
        await give_up()
    async with db.transaction("test") as connection:
        await connection.execute("INSERT INTO t VALUES (2)")
    assert await db.rows("test", "SELECT a FROM t") == [(2,)]


async def test_whoever_gives_up_closing_does_not_wait_for_a_disk_that_hangs(db: Database) -> None:
    """What was queued is done all the same, then the connection is closed, and its thread holds up no end."""
    hanging, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        hanging.set()
        assert go_on.wait(60.0)

    connection = db._connection
    assert connection is not None
    assert connection._thread.daemon
    async with asyncio.TaskGroup() as group:
        commit = group.create_task(connection._execute(hang))  # type: ignore[no-untyped-call]
        while not hanging.is_set():
            await settle(1)
        closing = group.create_task(db.close())
        await settle(3)
        closing.cancel()
        await asyncio.wait([closing], timeout=60.0)
        assert closing.cancelled()
        assert not commit.done()
        go_on.set()
    await asyncio.to_thread(connection._thread.join, 60.0)
    assert not connection._thread.is_alive()
    assert not db.is_open


async def test_opening_and_closing_twice_is_fine(db: Database) -> None:
    """The connection is the same one, and afterwards there is none."""
    await db.open()
    assert await db.rows("test", "SELECT a FROM t") == []
    await db.close()
    await db.close()
    with pytest.raises(StoreError, match="look failed: the database is not open"):
        await db.rows("look", "SELECT a FROM t")


async def test_a_cancelled_open_leaves_no_thread_and_can_be_repeated(path: Path) -> None:
    """Stopped while starting, the program ends cleanly."""
    db = Database(path, ONE, synchronous="NORMAL")
    for rounds in range(1, 8):
        async with asyncio.TaskGroup() as group:
            opening = group.create_task(db.open())
            await settle(rounds)
            opening.cancel()

    def workers() -> int:
        return sum("connection_worker" in thread.name for thread in threading.enumerate())

    wanted = 1 if db.is_open else 0
    async with asyncio.timeout(60):
        while workers() > wanted:  # one that was told to stop has its last lines to go
            await settle(1)
    assert workers() == wanted
    await db.open()
    assert await db.rows("test", "SELECT a FROM t") == []
    await db.close()


async def test_an_older_file_is_migrated_with_its_rows(db: Database, path: Path) -> None:
    """Newer code brings a file up to date when it opens it."""
    async with db.transaction("test") as connection:
        await connection.execute("INSERT INTO t VALUES (4)")
    await db.close()
    assert not db.is_open
    newer = Database(path, TWO, synchronous="NORMAL")
    await newer.open()
    assert await newer.rows("test", "SELECT a, b FROM t") == [(4, 8)]
    await newer.close()


async def test_a_migration_that_fails_leaves_the_file_as_it_was(db: Database, path: Path) -> None:
    """The older program can go on with it."""
    await db.close()
    with pytest.raises(StoreError, match="no such table: missing"):
        await Database(path, BROKEN, synchronous="NORMAL").open()
    assert execute(path, "PRAGMA user_version") == [(1,)]
    await db.open()
    assert await db.rows("test", "SELECT name FROM pragma_table_info('t')") == [("a",)]


async def test_a_file_that_somebody_else_migrated_meanwhile_is_not_migrated_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is asked again once the write lock is held."""
    begin = aiosqlite.Connection.execute

    def overtaken(self: aiosqlite.Connection, sql: str, *args: object) -> object:
        if sql == "BEGIN IMMEDIATE":
            monkeypatch.undo()
            execute(path, *ONE.migrations[1], "PRAGMA application_id = 7", "PRAGMA user_version = 1")
        return begin(self, sql, *args)

    monkeypatch.setattr(aiosqlite.Connection, "execute", overtaken)
    db = Database(path, ONE, synchronous="NORMAL")
    await db.open()
    await db.close()


async def test_a_file_system_without_wal_is_an_error_with_a_hint(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers beside the daemon depend on it."""
    query = aiosqlite.Connection.execute_fetchall

    def without_wal(self: aiosqlite.Connection, sql: str, *args: object) -> object:
        return query(self, sql.replace("= WAL", "= DELETE"), *args)

    monkeypatch.setattr(aiosqlite.Connection, "execute_fetchall", without_wal)
    with pytest.raises(StoreError, match=r"stays 'delete' where WAL is needed\. Keep the file on a local disk"):
        await Database(path, ONE, synchronous="NORMAL").open()


async def test_an_index_that_lost_its_rows_is_damage(path: Path) -> None:
    """The check of small files finds what no single query would notice."""
    schema = Schema("test", 7, {1: ("CREATE TABLE t (a NOT NULL)", "INSERT INTO t VALUES (1)")})
    db = Database(path, schema, synchronous="FULL", check=True)
    await db.open()
    await db.close()
    execute(
        path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE TABLE t (a NOT NULL, b NOT NULL)' WHERE name = 't'",
    )
    with pytest.raises(StoreError, match=r"check failed: NULL value in t\.b\. Nothing was deleted"):
        await db.open()


@pytest.mark.parametrize("value", [2**64, "\ud800", object(), "not a number"])
async def test_a_value_that_no_database_takes_is_told_apart(db: Database, value: object) -> None:
    """Trouble with a row is not trouble with the disk."""
    with pytest.raises(UnstorableError) as caught:
        async with db.transaction("test") as connection:
            await connection.execute("INSERT INTO t VALUES (?)", (value,))
    assert not caught.value.retryable


async def test_a_query_that_fails_is_translated(db: Database) -> None:
    """Library errors end at the border."""
    with pytest.raises(StoreError, match="look failed: no such table: missing"):
        await db.rows("look", "SELECT * FROM missing")


@pytest.mark.parametrize(
    ("code", "hint"),
    [(errno.ENOSPC, "Free some space"), (errno.EIO, "The disk is full, or"), (errno.EROFS, "Check that the")],
)
def test_errors_of_the_operating_system_get_a_hint(code: int, hint: str) -> None:
    """What the operator can do depends on what went wrong."""
    with pytest.raises(StoreError) as caught, translated(Path("f"), "open"):
        raise OSError(code, os.strerror(code))
    assert caught.value.cause == os.strerror(code)
    assert caught.value.hint.startswith(hint)


def test_an_error_without_words_is_named() -> None:
    """Some errors carry neither number nor text."""
    with pytest.raises(StoreError, match="open failed: TimeoutError"), translated(Path("f"), "open"):
        raise TimeoutError


def test_extended_codes_get_the_hint_of_their_kind() -> None:
    """SQLite refines its codes; the advice stays the same."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    with pytest.raises(StoreError, match="The disk is full, or its file system"), translated(Path("f"), "write"):
        raise error


def test_a_directory_in_the_way_is_an_error(tmp_path: Path) -> None:
    """A path that names a directory is not a file."""
    with pytest.raises(StoreError, match="it is a directory"):
        make_private(tmp_path)


async def test_a_reader_takes_odd_names_and_only_files_that_exist(db: Database, path: Path) -> None:
    """Characters that mean something in an address are part of the name, and nothing is made by reading."""
    with Reader(path, ONE) as reader:
        assert reader.rows("test", "SELECT a FROM t WHERE a > :least", {"least": 1}) == []
    missing = path.with_name("missing.db")
    with pytest.raises(StoreError, match=r"there is no such file\. `position-monitor run` makes it"):
        Reader(missing, ONE)
    assert not missing.exists()


async def test_a_reader_refuses_what_it_does_not_know(db: Database, path: Path) -> None:
    """Another database, an older one, or a file that is none."""
    with pytest.raises(StoreError, match="older than this program"):
        Reader(path, TWO)
    with pytest.raises(StoreError, match="not a other database"):
        Reader(path, Schema("other", 8, ONE.migrations))
    text = path.with_name("text.db")
    text.write_text("no database" * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        Reader(text, ONE)
