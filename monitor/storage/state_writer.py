"""Writes what people ask for into state.db while no daemon runs, without an event loop."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from monitor.core.holds import ALL, LIFTED, REPLACED
from monitor.core.notices import Hold, HoldKind
from monitor.storage import statements
from monitor.storage.failures import translated
from monitor.storage.schema import HEADER_SQL, Header, outstanding
from monitor.storage.sqlite import BUSY_S, check_sound, check_wal, make_private
from monitor.storage.state_reader import StateReader
from monitor.storage.state_schema import STATE_SCHEMA


class StateWriter(StateReader):
    """Makes and lifts holds in state.db while no daemon runs; use it as a context manager.

    Whoever uses it holds the lock of the state directory. A file of an older version is brought up to date.

    Raises:
        SchemaTooNewError: a newer version of this program wrote the file.
        StoreError: there is no such file, or it cannot be used.
    """

    def _connect(self) -> sqlite3.Connection:
        make_private(self.path)
        return sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if outstanding(self.path, STATE_SCHEMA, Header(*connection.execute(HEADER_SQL).fetchone())):
            with _transaction(connection):
                # Asked again under the write lock: another process may have migrated since.
                header = Header(*connection.execute(HEADER_SQL).fetchone())
                for statement in outstanding(self.path, STATE_SCHEMA, header):
                    connection.execute(statement)
        check_wal(self.path, connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        connection.execute("PRAGMA synchronous = FULL")
        check_sound(self.path, connection.execute("PRAGMA quick_check(1)").fetchone()[0])

    def hold(self, *made: Hold) -> None:
        """Add holds, or replace them by key, in one durable transaction, with their levels as given.

        A new one ends the one in force of its kind and target; an acknowledgement is marked on what had been
        decided about its incident by then.

        Raises:
            StoreError: nothing was written.
        """
        wished = {(hold.kind, hold.target): hold for hold in made if hold.ended_ms is None}
        with translated(self.path, "hold"), _transaction(self._connection):
            replaced = [
                _ended(old, new.made_ms, REPLACED)
                for old in self.holds()
                if (new := wished.get((old.kind, old.target))) is not None and new.key != old.key
            ]
            self._write([*replaced, *made])

    def lift(self, target: str, at_ms: int) -> int:
        """End the snoozes and mutes of one target, or with "all" every one; return how many.

        Raises:
            StoreError: nothing was written.
        """
        with translated(self.path, "lift"), _transaction(self._connection):
            found = [
                _ended(hold, at_ms, LIFTED)
                for hold in self.holds()
                if hold.kind is not HoldKind.ACK and target in (ALL, hold.target)
            ]
            self._write(found)
        return len(found)

    def _write(self, holds: Sequence[Hold]) -> None:
        for sql, parameters in statements.holds(holds):
            self._connection.executemany(sql, parameters)


def _ended(hold: Hold, at_ms: int, how: str) -> Hold:
    return msgspec.structs.replace(hold, ended_ms=at_ms, ended=how)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
