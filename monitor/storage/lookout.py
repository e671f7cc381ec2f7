"""Databases are looked through while they are in use: what spoils a file in place shows to nobody who has it open.

SQLite serves its connection from memory. A connection of its own reads what really stands on the disk. It only
reads: beside a write-ahead log that delays no commit, and it takes no lock that anybody who writes would meet.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import structlog

from monitor.errors import DamagedError, StoreError
from monitor.ports import Clock
from monitor.storage.failures import DAMAGED_HINT, translated
from monitor.storage.schema import HEADER_SQL, Header, Schema
from monitor.storage.sqlite import check_sound

log = structlog.get_logger()

EVERY_S: Final = 120.0  # between two looks
WAKE_S: Final = 5.0  # how soon one in doubt is looked at
LONGEST_S: Final = 30.0  # that one look may take; a log that is being read cannot be emptied
WHOLE_BYTES: Final = 64 * 2**20  # a larger file is looked at in part
_PART_ROWS: Final = 500  # of each end of each table
_CHUNK_ROWS: Final = 50
_BREATH_S: Final = 0.002  # after each chunk
_STEPS: Final = 20_000  # of SQLite, between two questions whether to go on
_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"


class Inspector:
    """Looks for damage in one file, one look at a time.

    Args:
        path: the file.
        schema: what it is.
        whole: look through all of it, as far as it is small; else at its head, its catalogue and both ends of
            each table.
    """

    def __init__(self, path: Path, schema: Schema, *, whole: bool) -> None:
        self._path = path
        self._schema = schema
        self._whole = whole
        self._looking = threading.Lock()  # a thread that hangs on a disk is not joined by a second one

    async def damage(self) -> DamagedError | None:
        """Return what is wrong with the file, None if nothing is, or if this look could not tell.

        Raises:
            StoreError: it could not be read.
        """
        if self._looking.locked():
            return None
        given_up = threading.Event()
        try:
            async with asyncio.timeout(LONGEST_S):
                return await asyncio.to_thread(self._look, given_up)
        except TimeoutError:
            log.warning("database.look_late", path=str(self._path), after_s=LONGEST_S)
            return None
        finally:
            given_up.set()

    def _look(self, given_up: threading.Event) -> DamagedError | None:
        with self._looking:
            try:
                self._examine(given_up)
            except DamagedError as error:
                return error.with_traceback(None)
            except StoreError:
                if given_up.is_set():
                    return None
                raise
        return None

    def _examine(self, given_up: threading.Event) -> None:
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        with (
            translated(self._path, "check"),
            closing(sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)) as connection,
        ):
            connection.set_progress_handler(given_up.is_set, _STEPS)
            self._check_head(Header(*connection.execute(HEADER_SQL).fetchone()))
            if self._whole and self._path.stat().st_size <= WHOLE_BYTES:
                check_sound(self._path, connection.execute("PRAGMA quick_check(1)").fetchone()[0])
                read: Callable[[sqlite3.Connection, str], None] = partial(_read_all, given_up=given_up)
            else:
                read = _read_ends
            for (table,) in connection.execute(_TABLES).fetchall():
                read(connection, table)

    def _check_head(self, header: Header) -> None:
        """Refuse a file that was cut off at its beginning: to SQLite it is a new one, and sound."""
        if header.application_id != self._schema.application_id or not header.tables:
            cause = "its head was written over, or the file was emptied"
            raise DamagedError(str(self._path), "check", cause, DAMAGED_HINT)


def _read_all(connection: sqlite3.Connection, table: str, given_up: threading.Event) -> None:
    """Read every row: whether what stands in them is text at all, only reading them tells.

    Rows become Python's, for which the event loop would have to wait: between a few of them it goes first.
    """
    rows = connection.execute(f"SELECT * FROM {table}")  # noqa: S608 - its own name
    while rows.fetchmany(_CHUNK_ROWS) and not given_up.wait(_BREATH_S):
        pass


def _read_ends(connection: sqlite3.Connection, table: str) -> None:
    key = [name for _, name, *_, place in connection.execute(f"PRAGMA table_info({table})") if place] or ["rowid"]
    for direction in ("ASC", "DESC"):
        order = ", ".join(f"{name} {direction}" for name in key)
        connection.execute(f"SELECT * FROM {table} ORDER BY {order} LIMIT {_PART_ROWS:d}").fetchall()  # noqa: S608


class Inspected(Protocol):
    """A store that can be looked through while it is in use."""

    @property
    def in_doubt(self) -> bool:
        """Whether something odd happened to it since it was looked through."""
        ...

    async def look_through(self) -> None:
        """Look whether its file is still sound; what is found is acted on with the next write. Never raises."""
        ...


class Lookout:
    """Has stores looked through from time to time, and soon where something odd happened.

    Args:
        stores: which.
        clock: paces it.
        every_s: between two looks at one of them.
    """

    def __init__(self, stores: Sequence[Inspected], clock: Clock, *, every_s: float = EVERY_S) -> None:
        self._due_s = {store: clock.mono_s() + every_s for store in stores}
        self._clock = clock
        self._every_s = every_s

    async def run(self) -> None:
        """Look; never returns."""
        while True:
            await self._clock.sleep(WAKE_S)
            for store, due_s in self._due_s.items():
                if store.in_doubt or self._clock.mono_s() >= due_s:
                    await store.look_through()
                    self._due_s[store] = self._clock.mono_s() + self._every_s
