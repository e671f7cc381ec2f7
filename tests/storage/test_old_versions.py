"""A file of every version that was ever released opens with all its rows; half a migration is none.

``old/`` holds files as those versions wrote them, as SQL. A new version of a schema adds one and edits none.
"""

import multiprocessing
import os
import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from monitor.core.model import Level
from monitor.core.notices import Hold, HoldKind
from monitor.storage.history import HistorySettings, SqliteHistory
from monitor.storage.history_reader import HistoryReader
from monitor.storage.history_schema import HISTORY_SCHEMA
from monitor.storage.schema import HEADER_SQL, Header, Schema, outstanding
from monitor.storage.state import SqliteState, StateReader
from monitor.storage.state_schema import STATE_SCHEMA
from tests.conftest import ManualClock
from tests.storage.rows import level_of

OLD = Path(__file__).parent / "old"
STATE = tuple(sorted(STATE_SCHEMA.migrations))
HISTORY = tuple(sorted(HISTORY_SCHEMA.migrations))
EVERY = [(STATE_SCHEMA, version) for version in STATE] + [(HISTORY_SCHEMA, version) for version in HISTORY]
KEEP = 1e6  # days: rows of the fixtures are old


def made(path: Path, schema: Schema, version: int) -> Path:
    """Make a file as that version wrote it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript((OLD / f"{schema.name}-{version}.sql").read_text(encoding="utf-8"))
        header = Header(*connection.execute(HEADER_SQL).fetchone())
    assert (header.application_id, header.version) == (schema.application_id, version)
    return path


def shape(path: Path) -> list[tuple[str, str]]:
    """Return every table and index, however it is laid out as text."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        return [(name, re.sub(r"--[^\n]*|[\s\"]+", "", sql)) for name, sql in found]


def content(path: Path) -> list[str]:
    """Return a file as SQL, with its version."""
    with closing(sqlite3.connect(path)) as connection:
        return [str(connection.execute(HEADER_SQL).fetchone()), *connection.iterdump()]


@pytest.mark.parametrize("version", STATE)
async def test_every_version_of_state_db_opens_with_its_rows(
    tmp_path: Path, clock: ManualClock, version: int
) -> None:
    """Levels, what is owed, what was said, what people asked for, which numbers are taken."""
    path = made(tmp_path / "state.db", STATE_SCHEMA, version)
    store = SqliteState(path, clock, keep_settled_days=KEEP)
    stored = await store.open()
    rows = await store.alerts()
    tries = await store.attempts("k0", "mail")
    await store.close()
    assert stored.subjects == (level_of("s"),)
    assert [notice.key for notice in stored.pending] == ["k1"]
    assert [(row.key, row.state, row.attempts, row.accepted_ms) for row in rows] == [
        ("k1", "pending", 0, None), ("k0", "accepted", 1, 82)
    ]  # fmt: skip
    assert stored.last_number == (7 if version > 1 else 0)
    assert stored.holds == ((Hold("mute:all#1", HoldKind.MUTE, "all", 1, 2**50),) if version > 1 else ())
    assert [row.outcome for row in tries] == (["accepted"] if version > 1 else [])
    with StateReader(path) as reader:
        assert reader.subjects() == [level_of("s")]


@pytest.mark.parametrize("version", HISTORY)
async def test_every_version_of_history_db_opens_with_its_rows(
    tmp_path: Path, clock: ManualClock, version: int
) -> None:
    """Samples, minutes and changes; a column that came later is not known for them."""
    path = made(tmp_path / "history.db", HISTORY_SCHEMA, version)
    history = SqliteHistory(path, clock, HistorySettings(), lambda _ok, _why: None)
    await history.open()
    await history.close()
    with HistoryReader(path) as reader:
        (sample,) = reader.samples()
        assert (sample.margin_ratio, sample.level, sample.mark) == (0.5, Level.WARNING, 62000.0)
        assert sample.moves_left == (1.5 if version > 2 else None)
        assert len(reader.minutes()) == 1
        assert len(reader.changes()) == (1 if version > 1 else 0)


@pytest.mark.parametrize(("schema", "version"), EVERY)
def test_a_migrated_file_looks_like_a_new_one(tmp_path: Path, schema: Schema, version: int) -> None:
    """So what is true of one is true of the other; the last fixture is what this program writes."""
    shapes = []
    for file in (made(tmp_path / "old", schema, version), tmp_path / "new"):
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            header = Header(*connection.execute(HEADER_SQL).fetchone())
            for statement in outstanding(file, schema, header):
                connection.execute(statement)
        shapes.append(shape(file))
    assert shapes[0] == shapes[1]


def _die_after(path: Path, schema: Schema, steps: int) -> None:
    """Migrate as the daemon does, and be killed before the statement with that number."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    for n, statement in enumerate(outstanding(path, schema, Header(*connection.execute(HEADER_SQL).fetchone()))):
        if n == steps:
            connection.execute("PRAGMA cache_size = 1")
            os.kill(os.getpid(), signal.SIGKILL)
        connection.execute(statement)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("schema", "version"), [(schema, version) for schema, version in EVERY if version < schema.version]
)
def test_a_migration_that_is_killed_leaves_the_file_as_it_was(
    tmp_path: Path, schema: Schema, version: int
) -> None:
    """Whichever statement was the last, also where all were done and not committed."""
    path = made(tmp_path / "old.db", schema, version)
    before = content(path)
    count = len(outstanding(path, schema, Header(schema.application_id, version, 1)))
    fork = multiprocessing.get_context("fork")
    for steps in {1, count // 2, count}:
        child = fork.Process(target=_die_after, args=(path, schema, steps))
        child.start()
        child.join(20)
        assert child.exitcode == -signal.SIGKILL
        assert content(path) == before
