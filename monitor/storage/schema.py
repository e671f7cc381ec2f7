"""Schema versions: newer code migrates a file, older code refuses a newer one, and nothing is ever deleted."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from monitor.errors import SchemaTooNewError, StoreError


class Schema(NamedTuple):
    """What a database file of ours looks like, and how each version came about."""

    name: str  # for people, such as "state"
    application_id: int  # written into the file header, so that two databases are not mistaken for each other
    migrations: Mapping[int, tuple[str, ...]]  # by version from 1: the statements that lead to it

    @property
    def version(self) -> int:
        """The newest version this program knows."""
        return max(self.migrations)


class Header(NamedTuple):
    """What a database file says about itself; all zero in a new one."""

    application_id: int
    version: int
    tables: int


HEADER_SQL = """
SELECT (SELECT application_id FROM pragma_application_id),
       (SELECT user_version FROM pragma_user_version),
       (SELECT count(*) FROM sqlite_master)
"""


def outstanding(path: Path, schema: Schema, header: Header) -> tuple[str, ...]:
    """Return the statements that bring a file to the newest version; empty if it is there.

    Raises:
        SchemaTooNewError: a newer version of this program wrote the file.
        StoreError: the file is a database, but not this one.
    """
    ours = header.application_id == schema.application_id
    if not ours and (header.version or header.tables):
        raise StoreError(
            str(path),
            "open",
            f"not a {schema.name} database of this program",
            "Check the path; nothing was changed in the file",
        )
    if header.version > schema.version:
        raise SchemaTooNewError(
            str(path),
            "open",
            f"its schema version is {header.version}, this program knows {schema.version}",
            "Install the newer version of position-monitor again, or move the file aside to start a new one",
        )
    if header.version == schema.version:
        return ()
    return steps_to(schema, schema.version, since=header.version)


def steps_to(schema: Schema, version: int, *, since: int = 0) -> tuple[str, ...]:
    """Return the statements that bring a file of version ``since`` to ``version``; 0 is an empty one."""
    steps = [
        statement
        for number in sorted(schema.migrations)
        if since < number <= version
        for statement in schema.migrations[number]
    ]
    return (
        *steps,
        f"PRAGMA application_id = {schema.application_id:d}",
        f"PRAGMA user_version = {version:d}",
    )


def check_readable(path: Path, schema: Schema, connection: sqlite3.Connection) -> None:
    """Refuse a file that this program cannot read as it stands; a reader never migrates.

    Raises:
        StoreError: it is too new, too old, empty, or something else.
    """
    header = Header(*connection.execute(HEADER_SQL).fetchone())
    if not any(header):
        raise StoreError(
            str(path),
            "open",
            "it is empty: no daemon has been able to write it yet",
            "Is the disk full, or the size of files limited (`ulimit -f`)? The log of the daemon says why",
        )
    if outstanding(path, schema, header):
        raise StoreError(
            str(path),
            "open",
            "its schema is older than this program",
            "Start the daemon once: `position-monitor run` brings it up to date",
        )
