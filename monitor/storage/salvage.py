"""What can still be read of a damaged database goes into its successor, row by row; the damaged file is only read.

Each table is read by itself and from both ends, for one page that cannot be read hides what lies behind it. What
lies between is asked for by key where keys are known. A row that makes no sense is left behind: a page may hold
anything.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from monitor.errors import SchemaTooNewError, StoreError
from monitor.storage import aside
from monitor.storage.failures import translated
from monitor.storage.schema import Schema, steps_to
from monitor.storage.sqlite import BUSY_S, make_private

_HEAD_BYTES: Final = 100
_MAGIC: Final = b"SQLite format 3\x00"
_VERSION_AT: Final = 60
_APPLICATION_AT: Final = 68
_KEYS_ASKED: Final = 50_000  # one by one, of one table

# A disk that spoils what is written to it would fill with what it spoiled, and people with messages of it.
REPLACE_AGAIN_S: Final = 600.0

Check = Callable[[Mapping[str, Any]], bool]


class Table(NamedTuple):
    """One table of a database that is worth saving."""

    name: str
    key: tuple[str, ...]  # what it is ordered by
    makes_sense: Check  # of a row, by column
    asked_by: str = ""  # a query for keys that may lie where nothing can be read; "" where they are counted


class Salvaged(NamedTuple):
    """What became of a damaged database."""

    aside: Path  # where it lies now
    rows: Mapping[str, int]  # saved, by table
    whole: bool  # every table could be read to its end, and every row made sense


def replace(path: Path, schema: Schema, tables: Sequence[Table], at_ms: int) -> Salvaged:
    """Set a damaged database aside and put one with what can still be read of it into its place.

    A crash in between leaves either database in its place, or the new one where ``aside.finish`` finds it.

    Args:
        path: the database; nobody has it open.
        schema: what it should look like; the new one has the version of the damaged one, as far as that is known.
        tables: what to save, in this order; none where nothing is worth it.
        at_ms: now, Unix milliseconds; part of the name under which the damaged one is kept.

    Raises:
        SchemaTooNewError: a newer version of this program wrote it; it was not touched.
        StoreError: it is not ours, or the directory does not take a new one; it is where it was.
    """
    version = _version_of(path, schema)
    successor = aside.successor_of(path)
    with translated(path, "begin anew"):
        for left in (successor, Path(f"{successor}-journal")):
            left.unlink(missing_ok=True)  # of an attempt that was cut short, or had no room
        make_private(successor)
        try:
            with closing(sqlite3.connect(successor, timeout=BUSY_S, isolation_level=None)) as new:
                rows, whole = _filled(new, path, schema, version, tables)
        except BaseException:
            with suppress(OSError):
                successor.unlink(missing_ok=True)
            raise
        place = aside.aside_of(path, at_ms)
        aside.set_aside(path, place)
        aside.take_place(path)
    return Salvaged(place, rows, whole)


def _version_of(path: Path, schema: Schema) -> int:
    """Return the version of a damaged file, 0 where its head cannot be read.

    Read as bytes, for SQLite refuses a file whose catalogue is damaged.
    """
    with translated(path, "open"), path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if len(head) < _HEAD_BYTES or not head.startswith(_MAGIC):
        return 0
    version = int.from_bytes(head[_VERSION_AT : _VERSION_AT + 4], "big")
    application = int.from_bytes(head[_APPLICATION_AT : _APPLICATION_AT + 4], "big")
    if application not in {0, schema.application_id}:
        raise StoreError(
            str(path), "open", f"not a {schema.name} database of this program",
            "Check the path; nothing was changed in the file",
        )  # fmt: skip
    if application and version > schema.version:
        raise SchemaTooNewError(
            str(path), "open", f"its schema version is {version}, this program knows {schema.version}, and it is "
            "damaged", "Install the newer version of position-monitor again; nothing was changed in the file",
        )  # fmt: skip
    return version if application else 0


def _filled(
    new: sqlite3.Connection, path: Path, schema: Schema, version: int, tables: Sequence[Table]
) -> tuple[dict[str, int], bool]:
    """Make a database, fill it in one transaction, and return how many rows there are and whether that is all."""
    if not tables:
        return {}, False
    new.execute("PRAGMA synchronous = FULL")
    new.execute("BEGIN IMMEDIATE")
    for statement in steps_to(schema, version or schema.version):
        new.execute(statement)
    saved: dict[str, int] = {}
    whole = version > 0
    with closing(_reading(path)) as old:
        for table in tables:
            if not _columns(new, table.name):
                continue  # that version did not have it
            reader = _Damaged(old, new, table)
            for row in reader.rows():
                new.execute(reader.insert, row)
            saved[table.name] = new.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0]  # noqa: S608 - ours
            whole = whole and reader.whole
    new.execute("COMMIT")
    return saved, whole


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]


def _reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None)


class _Damaged:
    """Reads one table of a damaged database, as far as it goes.

    Attributes:
        insert: the statement that takes a row into the new database; one that is there already stays.
        whole: nothing was in the way so far.
    """

    def __init__(self, old: sqlite3.Connection, new: sqlite3.Connection, table: Table) -> None:
        self._old = old
        self._table = table
        self._columns = _columns(new, table.name)
        if table.key == ("rowid",) and "id" not in self._columns:
            self._columns.insert(0, "rowid")
        names, marks = ", ".join(self._columns), ", ".join("?" * len(self._columns))
        self.insert = f"INSERT OR IGNORE INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608 - ours
        self._select = f"SELECT {names} FROM {table.name} NOT INDEXED"  # noqa: S608 - ours
        self.whole = True

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield what makes sense of what can be read; perhaps twice."""
        first: list[tuple[Any, ...]] = []
        yield from self._seen(self._scan("ASC"), first)
        if self.whole:
            return
        last: list[tuple[Any, ...]] = []
        yield from self._seen(self._scan("DESC"), last)
        if self._table.asked_by:
            yield from self._asked()
        elif first and last:
            yield from self._counted(first[-1][0], last[-1][0])

    def _seen(self, rows: Iterator[tuple[Any, ...]], kept: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        for row in rows:
            kept[:] = [row]
            yield row

    def _scan(self, direction: str) -> Iterator[tuple[Any, ...]]:
        order = ", ".join(f"{name} {direction}" for name in self._table.key)
        yield from self._found(f"{self._select} ORDER BY {order}", ())

    def _found(self, sql: str, parameters: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        try:
            for row in self._old.execute(sql, parameters):
                if self._makes_sense(row):
                    yield row
                else:
                    self.whole = False
        except (sqlite3.Error, UnicodeError, OverflowError):
            self.whole = False

    def _makes_sense(self, row: tuple[Any, ...]) -> bool:
        return self._table.makes_sense(dict(zip(self._columns, row, strict=True)))

    def _asked(self) -> Iterator[tuple[Any, ...]]:
        """Ask for what other tables name."""
        named: list[tuple[Any, ...]] = []
        with suppress(sqlite3.Error, UnicodeError):
            named.extend(self._old.execute(self._table.asked_by).fetchmany(_KEYS_ASKED))
        wanted = " AND ".join(f"{name} = ?" for name in self._table.key)
        for key in named:
            yield from self._found(f"{self._select} WHERE {wanted}", key)

    def _counted(self, first: object, last: object) -> Iterator[tuple[Any, ...]]:
        """Ask for what lies between two rows, number by number."""
        if isinstance(first, int) and isinstance(last, int):
            for number in range(first + 1, min(last, first + _KEYS_ASKED)):
                yield from self._found(f"{self._select} WHERE {self._table.key[0]} = ?", (number,))
