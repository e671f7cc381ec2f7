"""A file of an earlier version keeps every row it has, and code of that version refuses it from then on."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from monitor.core.model import Level
from monitor.core.notices import Facts, Fate
from monitor.errors import SchemaTooNewError, StoreError
from monitor.ports import Attempt, Rows
from monitor.storage.outbox import OutboxRow, OutboxState, to_payload
from monitor.storage.sqlite import Reader
from monitor.storage.state import SqliteState, StateReader
from monitor.storage.state_schema import STATE_SCHEMA
from monitor.storage.state_writer import StateWriter
from tests.conftest import ManualClock
from tests.storage.damage import execute
from tests.storage.rows import level_of, notice

WAITING = msgspec.structs.replace(notice("k2", subject="s"), facts=Facts(event_ms=93), incident=4)


def version_1(path: Path) -> None:
    """Make a file as version 1 of the schema wrote it: its notices had no number, its states none either."""
    state = json.loads(to_payload(level_of("s")))
    level = json.dumps({name: value for name, value in state.items() if name not in {"number", "loud_ms"}})
    waiting = {name: value for name, value in json.loads(to_payload(WAITING)).items() if name != "number"}
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in (
            *STATE_SCHEMA.migrations[1],
            f"PRAGMA application_id = {STATE_SCHEMA.application_id}",
            "PRAGMA user_version = 1",
        ):
            connection.execute(statement)
        connection.execute("INSERT INTO subjects VALUES ('s', 2, 5, ?)", (level,))
        connection.executemany(
            "INSERT INTO outbox (channel, subject, kind, level, key, decided_ms, payload, state, attempts, "
            "first_attempt_ms, last_attempt_ms, last_reason, settled_ms) "
            "VALUES ('phone', 's', 'alert', 2, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                ("k1", 90, to_payload(notice("k1")), "accepted", 3, 91, 95, "timeout", 95),
                ("k3", 100, "spoiled", "superseded", 0, None, None, "", 99),
                ("k2", 100, json.dumps(waiting), "pending", 1, 97, 97, "http-500", None),
            ],
        )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "state.db"
    version_1(made)
    return made


EXPECTED = [
    OutboxRow(
        "k2", "phone", "s", WAITING.kind, Level.WARNING, 100, OutboxState.PENDING, 1, 97, 97, "http-500", None,
        WAITING, incident=4, crossed_ms=93,
    ),
    OutboxRow(
        "k3", "phone", "s", WAITING.kind, Level.WARNING, 100, OutboxState.SUPERSEDED, 0, None, None, "", 99, None
    ),
    OutboxRow(
        "k1", "phone", "s", WAITING.kind, Level.WARNING, 90, OutboxState.ACCEPTED, 3, 91, 95, "timeout", 95,
        notice("k1"), incident=1, accepted_ms=95,
    ),
]  # fmt: skip


async def test_version_1_is_migrated_with_all_its_rows(path: Path, clock: ManualClock) -> None:
    """Levels, what is owed and what became of it, in the same order; a row nobody can read is kept as it is."""
    store = SqliteState(path, clock, keep_settled_days=1e6)
    stored = await store.open()
    assert stored.subjects == (level_of("s"),)
    assert stored.pending == (WAITING,)
    assert stored.fates == (Fate("s", "phone", "pending", 100, "k2"),)
    assert (stored.holds, stored.last_number) == ((), 0)
    assert await store.alerts() == EXPECTED
    await store.attempted(["k2"], "phone", Attempt(200, 201, "timeout"))
    await store.commit(Rows(notices=(notice("k4", subject="s", decided_ms=100),)))
    assert [row.key for row in await store.alerts()] == ["k4", "k2", "k3", "k1"]
    assert [row.ordinal for row in await store.attempts("k2", "phone")] == [2]
    await store.close()


def test_a_command_brings_the_file_up_to_date_too(path: Path) -> None:
    """No daemon has to be started first for a person to be heard."""
    with pytest.raises(StoreError, match="its schema is older than this program"):
        StateReader(path)
    with StateWriter(path) as writer:
        assert writer.alerts() == EXPECTED
    with StateReader(path) as reader:
        assert reader.subjects() == [level_of("s")]


async def test_older_code_refuses_the_file_from_then_on(path: Path, clock: ManualClock) -> None:
    """It would not know what the new tables mean."""
    store = SqliteState(path, clock)
    await store.open()
    await store.close()
    older = STATE_SCHEMA._replace(migrations={1: STATE_SCHEMA.migrations[1]})
    with pytest.raises(SchemaTooNewError, match="its schema version is 2, this program knows 1"):
        Reader(path, older)


async def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, clock: ManualClock) -> None:
    """A disk that is full half-way costs nothing: it is tried again at the next start."""
    execute(path, "CREATE TABLE holds (taken TEXT)")  # in the way of a later step
    with pytest.raises(StoreError, match="already exists"):
        await SqliteState(path, clock).open()
    assert execute(path, "PRAGMA user_version") == [(1,)]
    assert execute(path, "SELECT key FROM outbox ORDER BY rowid") == [("k1",), ("k3",), ("k2",)]
    execute(path, "DROP TABLE holds")
    with StateWriter(path) as writer:
        assert [row.key for row in writer.alerts()] == ["k2", "k3", "k1"]
