"""Schema versions of database files."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from monitor.errors import SchemaTooNewError, StoreError
from monitor.storage.schema import Header, Schema, check_readable, outstanding

PATH = Path("/some/test.db")
SCHEMA = Schema("test", 7, {2: ("second",), 1: ("first a", "first b")})


def test_a_new_file_gets_every_step_in_order() -> None:
    """Then its header says what it is."""
    assert outstanding(PATH, SCHEMA, Header(0, 0, 0)) == (
        "first a",
        "first b",
        "second",
        "PRAGMA application_id = 7",
        "PRAGMA user_version = 2",
    )


def test_an_older_file_gets_only_what_it_lacks() -> None:
    """A step is never applied twice."""
    assert outstanding(PATH, SCHEMA, Header(7, 1, 3))[0] == "second"
    assert outstanding(PATH, SCHEMA, Header(7, 2, 3)) == ()


def test_a_newer_file_is_refused() -> None:
    """The error names both versions, the file and the fix."""
    with pytest.raises(SchemaTooNewError, match=r"/some/test.db.*version is 3.*knows 2.*move the file aside"):
        outstanding(PATH, SCHEMA, Header(7, 3, 3))


@pytest.mark.parametrize("header", [Header(0, 0, 1), Header(8, 2, 3), Header(0, 2, 0)])
def test_a_database_of_something_else_is_refused(header: Header) -> None:
    """Tables are never added to somebody else's file."""
    with pytest.raises(StoreError, match="not a test database of this program"):
        outstanding(PATH, SCHEMA, header)


def test_a_reader_does_not_migrate() -> None:
    """It says who does; of an empty one that nobody has been able to."""
    with closing(sqlite3.connect(":memory:")) as connection:
        with pytest.raises(
            StoreError, match=r"it is empty: no daemon has been able to write it yet.*Is the disk full"
        ):
            check_readable(PATH, SCHEMA, connection)
        connection.execute("PRAGMA application_id = 7")
        connection.execute("PRAGMA user_version = 1")
        with pytest.raises(StoreError, match="Start the daemon once"):
            check_readable(PATH, SCHEMA, connection)
        connection.execute("PRAGMA user_version = 2")
        check_readable(PATH, SCHEMA, connection)
