"""What a loss of power may take, as far as files can show it.

Shown here: once ``commit`` has returned, all of it stands in the bytes that the files hold at that moment, and
whatever is cut off, torn or missing of what was written later leaves that commit whole and the later one either
whole or absent. Also a checkpoint that stops half-way loses nothing.

Not shown here, nor by any SIGKILL: that these bytes are on the disk when ``commit`` returns. For that SQLite calls
fsync, which ``PRAGMA synchronous = FULL`` asks of it (tests/storage/test_state.py sees that it is set), and the
kernel, the file system and the disk have to do what it says. A disk that lies about it loses the last commits.
"""

import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from monitor.core.model import Level
from monitor.ports import Attempt, Rows
from monitor.storage.state import SqliteState
from tests.conftest import ManualClock
from tests.storage.rows import level_of, notice

WAL_HEADER, FRAME_HEADER = 32, 24
FIRST = Rows(subjects=(level_of("s", Level.WARNING),), notices=(notice("k1", subject="s"),))
SECOND = Rows(
    subjects=(level_of("s", Level.CRITICAL), level_of("t", Level.NOTICE)),
    notices=(notice("k2", subject="s", decided_ms=200), notice("k3", subject="t", decided_ms=200)),
    ended=(("s", 1, 200),),
)


class Files(NamedTuple):
    """What the database file and its write-ahead log hold."""

    database: bytes
    log: bytes


class Content(NamedTuple):
    """What a program finds in them."""

    levels: tuple[tuple[str, int], ...]
    notices: tuple[tuple[str, str, int | None], ...]  # key, state, when its incident ended


AFTER_FIRST = Content((("s", 2),), (("k1", "pending", None),))
AFTER_SECOND = Content(
    (("s", 3), ("t", 1)), (("k1", "superseded", 200), ("k2", "pending", 200), ("k3", "pending", None))
)


class Machine:
    """A state database that runs, and the files it would leave behind."""

    def __init__(self, directory: Path, store: SqliteState) -> None:
        self.path = directory / "state.db"
        self.store = store
        self._spare = directory / "after"
        self._spare.mkdir()

    def files(self) -> Files:
        return Files(self.path.read_bytes(), self.path.with_name("state.db-wal").read_bytes())

    def after(self, files: Files) -> Content:
        """Return what the next start finds, after SQLite's own check of the whole file."""
        path = self._spare / "state.db"
        path.with_name("state.db-shm").unlink(missing_ok=True)
        path.write_bytes(files.database)
        path.with_name("state.db-wal").write_bytes(files.log)
        with closing(sqlite3.connect(path)) as tables:
            assert tables.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            levels = tables.execute("SELECT subject, level FROM subjects ORDER BY subject").fetchall()
            notices = tables.execute("SELECT key, state, ended_ms FROM outbox ORDER BY id").fetchall()
        return Content(tuple(levels), tuple(notices))


@pytest.fixture
async def machine(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Machine]:
    store = SqliteState(tmp_path / "state.db", clock)
    await store.open()
    yield Machine(tmp_path, store)
    await store.close()


def edges(start: int, end: int, page: int = 4096) -> list[int]:
    """Return where a log may be cut: at and around every frame, and inside."""
    cuts = {start, end, *range(start, end, 997)}
    for frame in range(start, end + 1, FRAME_HEADER + page):
        cuts |= {frame - 1, frame, frame + 1, frame + FRAME_HEADER}
    return sorted(cut for cut in cuts if start <= cut <= end)


async def test_a_commit_that_returned_is_in_the_files_and_the_next_one_is_whole_or_absent(
    machine: Machine,
) -> None:
    """The log is cut at every frame and within: the first commit stays, and nothing of the second is half."""
    await machine.store.commit(FIRST)
    first = machine.files()
    assert machine.after(first) == AFTER_FIRST
    await machine.store.commit(SECOND)
    second = machine.files()
    assert second.database == first.database
    assert second.log.startswith(first.log)
    found = [
        machine.after(Files(second.database, second.log[:cut])) for cut in edges(len(first.log), len(second.log))
    ]
    assert found[-1] == AFTER_SECOND
    assert set(found[:-1]) == {AFTER_FIRST}


async def test_sectors_that_were_not_written_or_hold_rubbish_make_no_half_commit(machine: Machine) -> None:
    """A disk writes in any order: each sector of the second commit is old, new or spoiled, by chance."""
    await machine.store.commit(FIRST)
    first = machine.files()
    await machine.store.commit(SECOND)
    second = machine.files()
    chance = random.Random(4)  # noqa: S311 - spoils sectors, guards nothing
    whole = set()
    for _ in range(60):
        log = bytearray(second.log)
        for start in range(len(first.log), len(log), 512):
            fate = chance.randrange(8)
            size = len(log[start : start + 512])
            if fate == 0:
                log[start : start + 512] = bytes(size)
            elif fate == 1:
                log[start : start + 512] = chance.randbytes(size)
        whole.add(machine.after(Files(second.database, bytes(log))))
    assert AFTER_FIRST in whole
    assert whole <= {AFTER_FIRST, AFTER_SECOND}


async def test_a_mark_is_whole_or_absent_too(machine: Machine) -> None:
    """The state of a row and the record of its attempt go together."""
    await machine.store.commit(FIRST)
    first = machine.files()
    await machine.store.accepted(["k1"], "phone", Attempt(300, 310))
    second = machine.files()
    states = [
        machine.after(Files(second.database, second.log[:cut])).notices[0][1]
        for cut in edges(len(first.log), len(second.log))
    ]
    assert states[-1] == "accepted"
    assert set(states[:-1]) == {"pending"}


async def test_a_checkpoint_that_stops_half_way_loses_nothing(machine: Machine) -> None:
    """Its pages reach the database file one by one; the log is given up only after all of them have."""
    await machine.store.commit(FIRST)
    await machine.store.commit(SECOND)
    before = machine.files()
    await machine.store._db.rows("test", "PRAGMA wal_checkpoint(PASSIVE)")
    done = machine.files()
    assert done.log == before.log
    assert done.database != before.database
    old = before.database.ljust(len(done.database), b"\0")
    for page in range(0, len(done.database) + 1, 4096):
        forwards = done.database[:page] + old[page:]
        backwards = old[:page] + done.database[page:]
        assert machine.after(Files(forwards, done.log)) == AFTER_SECOND
        assert machine.after(Files(backwards, done.log)) == AFTER_SECOND
