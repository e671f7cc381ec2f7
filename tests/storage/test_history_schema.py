"""Tables of history.db agree with the values they hold."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest

from monitor.core.model import Change, ChangeKind, Sample
from monitor.storage.history_reader import Minute
from monitor.storage.history_schema import FOLD, HISTORY_SCHEMA, MINUTE_MS, PUT_CHANGE, PUT_SAMPLE, PUT_SUBJECT


@pytest.fixture
def tables() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statements in HISTORY_SCHEMA.migrations.values():
            for statement in statements:
                connection.execute(statement)
        yield connection


def columns(tables: sqlite3.Connection, table: str) -> set[str]:
    return {name for _, name, *_ in tables.execute(f"PRAGMA table_info({table})")}


def test_every_field_has_a_column(tables: sqlite3.Connection) -> None:
    """Nothing of a sample is forgotten on its way to the file."""
    subject = columns(tables, "subjects") - {"id"}
    assert columns(tables, "samples") - {"subject_id"} | subject == set(Sample._fields)
    assert columns(tables, "minutes") - {"subject_id", "last_ms"} | subject == set(Minute._fields)


def test_parameters_are_numbered_as_fields_are(tables: sqlite3.Connection) -> None:
    """A sample is bound as it is: each value lands in the column of its name."""
    sample = Sample(3 * MINUTE_MS + 5, "a", "w", "s", "d", "stream", 2, *(float(n) for n in range(8, 18)))
    tables.execute(PUT_SUBJECT, sample[1:5])
    tables.execute(PUT_SAMPLE, sample)
    tables.execute(FOLD, sample[:12])
    names = [name for name in Sample._fields if name not in Sample._fields[1:5]]
    [stored] = tables.execute("SELECT * FROM samples")
    assert dict(zip(["subject_id", *names], stored, strict=True)) == {
        "subject_id": 1,
        **{name: getattr(sample, name) for name in names},
    }
    [minute] = tables.execute("SELECT minute_ms, margin_ratio_max, room_min, distance_min, mark_last FROM minutes")
    assert minute == (3 * MINUTE_MS, sample.margin_ratio, sample.room, sample.distance, sample.mark)


def test_a_change_is_bound_as_it_is(tables: sqlite3.Connection) -> None:
    """Every field has a column, and each value lands in the column of its name."""
    change = Change(5, "a", ChangeKind.MARGIN, "s", "LONG", "USDT", 1.0, 2.0, 3.0, "reconcile")
    assert columns(tables, "changes") - {"id"} == set(Change.__struct_fields__)
    tables.execute(PUT_CHANGE, msgspec.structs.astuple(change))
    [stored] = tables.execute(f"SELECT {', '.join(Change.__struct_fields__)} FROM changes")  # noqa: S608 - our names
    assert stored == msgspec.structs.astuple(change)


@pytest.mark.parametrize(("column", "index"), [("account", "changes_once"), ("symbol", "changes_of_symbol")])
def test_changes_are_read_by_an_index(tables: sqlite3.Connection, column: str, index: str) -> None:
    """A question about one account or one symbol does not read the whole table."""
    plan = tables.execute(f"EXPLAIN QUERY PLAN SELECT * FROM changes WHERE {column} = ? AND at_ms >= ?", ("a", 1))  # noqa: S608 - our names
    assert f"USING INDEX {index} ({column}=? AND at_ms>?)" in plan.fetchone()[3]
