"""The state database where it differs from a store in memory: crashes, cancellation, files, damage."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiosqlite
import msgspec
import pytest
from structlog.testing import capture_logs

from monitor.commit import COMMIT_TIMEOUT_S
from monitor.core.engine import Engine
from monitor.core.events import Restored
from monitor.core.model import Level, Now
from monitor.core.notices import Facts, Fate, Hold, HoldKind, Notice, NoticeKind, SubjectState, Told
from monitor.core.planner import reconcile
from monitor.errors import DamagedError, SchemaTooNewError, StoreError
from monitor.ports import Attempt, Rows, StateStore, Stored
from monitor.storage.outbox import OutboxState, Pending
from monitor.storage.state import KEEP_SETTLED_DAYS, WRITE_BUSY_S, SqliteState, StateReader
from monitor.storage.state_schema import STATE_SCHEMA
from tests.conftest import ManualClock
from tests.storage.damage import (
    execute,
    forbidden_directory,
    mode_of,
    move,
    put,
    remove,
    remove_all,
    spoil_pages,
)
from tests.storage.fakes import MemoryState

DAY_MS = 86_400_000


def level_of(subject: str) -> SubjectState:
    return SubjectState(subject, Level.WARNING, since_ms=5, incident=1, peak=Level.WARNING)


def notice(key: str, subject: str, detail: str = "") -> Notice:
    return Notice(
        key=key,
        channel="phone",
        subject=subject,
        kind=NoticeKind.ALERT,
        level=Level.WARNING,
        previous=Level.OK,
        decided_ms=100,
        incident=1,
        facts=Facts(detail=detail),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "state.db"


@pytest.fixture
async def store(path: Path, clock: ManualClock) -> AsyncIterator[SqliteState]:
    made = SqliteState(path, clock, busy_s=0.05, write_busy_s=0.05)
    await made.open()
    yield made
    await made.close()


def test_both_stores_are_what_the_port_asks_for(path: Path, clock: ManualClock) -> None:
    """The type checker compares the signatures."""
    stores: list[StateStore] = [SqliteState(path, clock), MemoryState(clock)]
    assert len(stores) == 2


async def test_files_are_private(store: SqliteState, path: Path) -> None:
    """Positions are nobody else's business: the owner alone may read them, the write-ahead log included."""
    assert mode_of(path.parent) == 0o700
    await store.commit(Rows(subjects=(level_of("s"),)))
    modes = {file.name: mode_of(file) for file in path.parent.iterdir()}
    assert modes == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}


async def test_a_file_that_others_can_read_is_made_private(path: Path, clock: ManualClock) -> None:
    """A file restored from a backup gets its mode back."""
    put(path, mode=0o644)
    store = SqliteState(path, clock)
    await store.open()
    await store.close()
    assert mode_of(path) == 0o600


async def test_commits_are_synchronous(store: SqliteState) -> None:
    """A commit that returned survives a loss of power."""
    assert await store._db.rows("t", "PRAGMA synchronous") == [(2,)]
    assert await store._db.rows("t", "PRAGMA journal_mode") == [("wal",)]


async def test_commits_wait_less_for_a_lock_than_opening_does(path: Path, clock: ManualClock) -> None:
    """Levels are worth waiting for at the start; later an alert waits, and the committer is not kept longer."""
    store = SqliteState(path, clock)
    await store.open()
    assert await store._db.rows("t", "PRAGMA busy_timeout") == [(700,)]
    await store.close()
    assert WRITE_BUSY_S < COMMIT_TIMEOUT_S


async def test_the_file_tells_what_it_is(store: SqliteState, path: Path) -> None:
    """Version and application stand in the header from the first release on."""
    assert execute(path, "PRAGMA user_version") == [(2,)]
    assert execute(path, "PRAGMA application_id") == [(STATE_SCHEMA.application_id,)]


async def test_kill_9_loses_nothing_that_was_acknowledged(path: Path, clock: ManualClock) -> None:
    """Killed at any moment, three times over, every commit that returned is there and none is half there."""
    said: set[str] = set()
    for run, lines in (("first", 1), ("second", 25), ("third", 60)):
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("crash_child.py")),
            str(path),
            run,
            cwd=Path(__file__).parents[2],
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        for _ in range(lines):
            said.add((await child.stdout.readline()).decode().rstrip("\n"))
        child.kill()
        rest = await child.stdout.read()
        await child.wait()
        said.update(line.decode() for line in rest.split(b"\n")[:-1])
    store = SqliteState(path, clock)
    stored = await store.open()
    await store.close()
    kept = {state.subject for state in stored.subjects}
    assert "" not in said
    assert len(said) >= 86
    assert said <= kept
    assert {pending.key for pending in stored.pending} == kept


async def test_a_cancelled_commit_is_all_or_nothing_and_the_next_one_works(
    store: SqliteState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled at each of its steps, the last included, a commit leaves no half and blocks nobody."""
    cancel_at = calls = 0
    execute_call: Callable[..., Awaitable[Any]] = aiosqlite.Connection._execute
    tasks: list[asyncio.Task[None]] = []

    async def counted(self: aiosqlite.Connection, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed through
        nonlocal calls
        calls += 1
        if calls == cancel_at:
            asyncio.get_running_loop().call_soon(tasks[-1].cancel)
        return await execute_call(self, *args, **kwargs)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    outcomes = []
    for cancel_at in range(1, 8):
        name = f"s{cancel_at}"
        calls = 0
        async with asyncio.TaskGroup() as group:
            rows = Rows(subjects=(level_of(name),), gone=("x",), notices=(notice(name, name),))
            tasks.append(group.create_task(store.commit(rows)))
            # Waits behind the cancelled one for the connection, and must not commit any part of it.
            group.create_task(store.commit(Rows(subjects=(level_of(f"other{cancel_at}"),))))
        subjects = {row[0] for row in await store._db.rows("t", "SELECT subject FROM subjects")}
        keys = {row.key for row in await store.alerts()}
        assert (name in subjects) == (name in keys)
        assert f"other{cancel_at}" in subjects
        outcomes.append((tasks[-1].cancelled(), name in keys))
    steps = [(True, False)] * 5 + [(True, True), (False, True)]
    assert outcomes == steps


async def test_whoever_gives_up_does_not_wait_for_a_disk_that_hangs(path: Path, clock: ManualClock) -> None:
    """A commit cancelled behind another program's lock ends at once, so that its alert can be sent without it."""
    store = SqliteState(path, clock, write_busy_s=120.0)
    await store.open()
    async with aiosqlite.connect(path) as other, asyncio.TaskGroup() as group:
        await other.execute("BEGIN IMMEDIATE")
        hanging = group.create_task(store.commit(Rows(subjects=(level_of("s"),))))
        await asyncio.wait([hanging], timeout=0.05)
        hanging.cancel()
        done, _ = await asyncio.wait([hanging], timeout=10)
        await other.rollback()
        assert done
    await store.commit(Rows(subjects=(level_of("t"),)))
    assert [row[0] for row in await store._db.rows("t", "SELECT subject FROM subjects")] == ["t"]
    await store.close()


async def test_a_caller_that_waits_for_its_turn_can_be_cancelled(store: SqliteState) -> None:
    """Nothing of it is written, and those behind it get their turn."""
    async with asyncio.TaskGroup() as group:
        group.create_task(store.commit(Rows(subjects=(level_of("a"),))))
        waiting = group.create_task(store.commit(Rows(subjects=(level_of("b"),))))
        group.create_task(store.commit(Rows(subjects=(level_of("c"),))))
        await asyncio.wait([waiting], timeout=0)
        waiting.cancel()
    rows = await store._db.rows("t", "SELECT subject FROM subjects ORDER BY subject")
    assert rows == [("a",), ("c",)]


async def test_a_full_disk_is_an_error_with_a_hint_and_then_writing_goes_on(store: SqliteState) -> None:
    """Nothing of the failed commit is kept; once there is room, the same commit works."""
    await store.commit(Rows(subjects=(level_of("before"),), notices=(notice("k0", "before"),)))
    [(pages,)] = await store._db.rows("t", "PRAGMA page_count")
    await store._db.rows("t", f"PRAGMA max_page_count = {pages}")
    big = notice("k1", "s1", detail="x" * 20_000)
    with pytest.raises(StoreError, match=r"commit failed: database or disk is full\. Free some space") as caught:
        await store.commit(Rows(subjects=(level_of("s1"),), gone=("before",), notices=(big,)))
    assert caught.value.retryable
    assert await store._db.rows("t", "SELECT subject FROM subjects") == [("before",)]
    await store._db.rows("t", "PRAGMA max_page_count = 1000000")
    await store.commit(Rows(subjects=(level_of("s1"),), gone=("before",), notices=(big,)))
    assert await store.pending() == Pending(2, 100)


async def test_a_database_that_cannot_be_written_is_an_error_with_a_hint(store: SqliteState) -> None:
    """The operator learns that it is about permissions."""
    await store._db.rows("t", "PRAGMA query_only = ON")
    with pytest.raises(StoreError, match=r"readonly database\. Check that the directory exists"):
        await store.accepted(["k"], "phone", Attempt(1, 1))


async def test_a_file_held_by_another_program_is_an_error_with_a_hint(store: SqliteState, path: Path) -> None:
    """The wait for a lock is short: an alert is waiting to be sent."""
    async with aiosqlite.connect(path) as other:
        await other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"locked\. Another program holds the file"):
            await store.commit(Rows(subjects=(level_of("s"),)))
        await other.rollback()
    await store.commit(Rows(subjects=(level_of("s"),)))


async def test_a_directory_that_cannot_be_written_is_an_error_with_a_hint(clock: ManualClock) -> None:
    """Neither the file nor a directory for it can be made."""
    with forbidden_directory() as directory:
        for path in (directory / "state.db", directory / "deeper" / "state.db"):
            store = SqliteState(path, clock)
            with pytest.raises(StoreError, match=r"open failed: Permission denied\. Check that the directory"):
                await store.open()


async def pages(store: SqliteState, table: str) -> list[int]:
    """Return where a table and its indices begin."""
    found = await store._db.rows("t", "SELECT rootpage FROM sqlite_master WHERE tbl_name = ?", (table,))
    return [page for (page,) in found if page]


async def test_damage_found_in_the_middle_of_a_run_makes_it_unusable_until_it_is_opened_anew(
    store: SqliteState, path: Path, clock: ManualClock
) -> None:
    """Also where looking through the file finds nothing: it has shown that it cannot be trusted."""
    await store.commit(Rows(subjects=(level_of("before"),)))
    await store._db.rows("t", "PRAGMA wal_checkpoint(TRUNCATE)")
    await store._db.rows("t", "PRAGMA shrink_memory")
    spoil_pages(path, await pages(store, "outbox"))
    assert store.usable()
    with pytest.raises(DamagedError, match="malformed"):
        await store.commit(Rows(subjects=(level_of("after"),), notices=(notice("k", "after"),)))
    assert not store.usable()
    stored = await store.open()
    assert stored.replaced is not None
    assert stored.subjects == (level_of("before"),)
    assert store.usable()
    await store.commit(Rows(subjects=(level_of("after"),)))


async def test_a_disk_that_spoils_each_new_file_is_not_filled_with_them(
    store: SqliteState, path: Path, clock: ManualClock
) -> None:
    """One more is set aside every ten minutes, and until then it fails as any other that takes nothing."""

    async def damaged() -> None:
        execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        await store.close()
        put(path, b"no database")

    for again in range(3):
        await damaged()
        for _ in range(5 if again else 0):
            with pytest.raises(DamagedError):
                await store.open()
        await clock.advance(600.0)
        assert (await store.open()).replaced is not None
    assert len(list(path.parent.glob("*.damaged-*"))) == 3
    await store.commit(Rows(subjects=(level_of("after"),)))


@pytest.mark.parametrize("how", ["removed", "replaced", "renamed", "directory"])
async def test_a_file_that_went_is_noticed_and_a_new_one_is_begun(
    store: SqliteState, path: Path, how: str
) -> None:
    """SQLite would go on writing into what has no name any more."""
    await store.commit(Rows(subjects=(level_of("before"),)))
    assert store.usable()
    if how == "removed":
        remove(path)
    elif how == "replaced":
        put(path.with_name("other"))
        move(path.with_name("other"), path)
    elif how == "renamed":
        move(path, path.with_name("elsewhere"))
    else:
        remove_all(path.parent)
    assert not store.usable()
    stored = await store.open()
    assert stored.subjects == ()
    assert store.usable()
    await store.commit(Rows(subjects=(level_of("after"),)))
    assert execute(path, "SELECT subject FROM subjects") == [("after",)]


async def test_a_newer_schema_is_refused_and_not_touched(
    store: SqliteState, path: Path, clock: ManualClock
) -> None:
    """Older code does not guess what newer code meant; the error names the file and the fix."""
    await store.close()
    execute(path, "PRAGMA user_version = 3")
    with pytest.raises(SchemaTooNewError, match="Install the newer version") as caught:
        await store.open()
    assert str(path) in str(caught.value)
    assert not caught.value.retryable
    assert execute(path, "PRAGMA user_version") == [(3,)]


async def test_opening_can_be_tried_again(path: Path, clock: ManualClock) -> None:
    """Once the trouble is gone, the same store works."""
    execute(path.parent.with_name("x"), "CREATE TABLE notes (t)")
    path.parent.mkdir()
    move(path.parent.with_name("x"), path)
    store = SqliteState(path, clock)
    with pytest.raises(StoreError, match="not a state database"):
        await store.open()
    put(path, b"")
    await store.open()
    await store.open()
    await store.commit(Rows(subjects=(level_of("s"),)))
    await store.close()


async def test_settled_rows_are_dropped_after_their_time_and_pending_ones_never(
    store: SqliteState, clock: ManualClock
) -> None:
    """The outbox stays small without losing what is owed."""
    now = clock.wall_ms()
    for name in ("old", "recent", "owed"):
        await store.commit(Rows(notices=(notice(name, name),)))
    await store.accepted(["old"], "phone", Attempt(now - 90 * DAY_MS - 1, now - 90 * DAY_MS - 1))
    await store.refused(["recent"], "phone", Attempt(now - 90 * DAY_MS, now - 90 * DAY_MS, "no"))
    await store.close()
    stored = await store.open()
    assert {row.key: row.state for row in await store.alerts()} == {
        "recent": OutboxState.REFUSED,
        "owed": OutboxState.PENDING,
    }
    assert stored.pending == (notice("owed", "owed"),)
    assert [len(await store.attempts(key, "phone")) for key in ("old", "recent")] == [0, 1]


async def test_holds_that_ended_are_dropped_after_their_time_and_others_never(
    store: SqliteState, clock: ManualClock
) -> None:
    """Who asked for quiet is on record as long as the alerts are."""
    old = clock.wall_ms() - 90 * DAY_MS - 1
    wishes = [Hold(f"h{n}", HoldKind.MUTE, "all", 1, 2, ended_ms=at_ms) for n, at_ms in enumerate([old, old + 1])]
    standing = Hold("h9", HoldKind.MUTE, "all", 1, 2)
    await store.commit(Rows(holds=(*wishes, standing)))
    await store.close()
    assert (await store.open()).holds == (standing,)
    assert [row[0] for row in await store._db.rows("t", "SELECT key FROM holds ORDER BY id")] == ["h1", "h9"]


async def test_a_database_that_cannot_be_written_still_gives_what_it_holds(
    store: SqliteState, path: Path, clock: ManualClock
) -> None:
    """Dropping old rows is no reason to keep levels from the engine."""
    await store.commit(Rows(subjects=(level_of("s"),), notices=(notice("k", "s"),)))
    async with aiosqlite.connect(path) as other:
        await other.execute("BEGIN IMMEDIATE")
        with capture_logs() as logs:
            stored = await store.open()
    assert stored == Stored((level_of("s"),), (notice("k", "s"),), (Fate("s", "phone", "pending", 100, "k"),))
    assert [entry["event"] for entry in logs] == ["state.prune_failed"]


async def test_old_rows_go_once_a_day_from_a_service_that_never_stops(
    store: SqliteState, clock: ManualClock
) -> None:
    """With the look through the file; what is younger, or waits, stays."""
    await store.commit(Rows(notices=(notice("old", "s"), notice("waits", "s2"))))
    await store.accepted(["old"], "phone", Attempt(clock.wall_ms(), clock.wall_ms()))

    async def looked(after_s: float) -> set[str]:
        await clock.advance(after_s)
        await store.look_through()
        return {row.key for row in await store.alerts()}

    clock._wall_ms += KEEP_SETTLED_DAYS * 86_400_000 - 1000
    assert await looked(0.0) == {"old", "waits"}
    assert await looked(86_000.0) == {"old", "waits"}  # old by now, and not yet looked for
    assert await looked(500.0) == {"waits"}


async def test_a_row_that_cannot_be_read_costs_no_other(store: SqliteState, path: Path) -> None:
    """It is reported, counted and left in the file."""
    await store.commit(
        Rows(subjects=(level_of("bad"), level_of("good")), notices=(notice("k1", "bad"), notice("k2", "good")))
    )
    await store.close()
    execute(
        path,
        "UPDATE subjects SET payload = 'spoiled' WHERE subject = 'bad'",
        "UPDATE outbox SET payload = '{}' WHERE key = 'k1'",
        "INSERT INTO holds VALUES (1, 'h1', 'ack', 'alert:1', 1, 2, NULL, '[]')",
    )
    with capture_logs() as logs:
        stored = await store.open()
    assert stored == Stored(
        (level_of("good"),), (notice("k2", "good"),), (Fate("good", "phone", "pending", 100, "k2"),)
    )
    assert store.unreadable == 3
    assert [(entry["table"], entry["row"]) for entry in logs] == [
        ("subjects", "bad"),
        ("outbox", "k1"),
        ("holds", "h1"),
    ]
    assert {row.key: row.notice is None for row in await store.alerts()} == {"k1": True, "k2": False}


async def test_a_message_that_cannot_be_read_does_not_count_as_on_its_way(store: SqliteState, path: Path) -> None:
    """Nobody sends it: were it waited for, its alert would be told by nothing until it got worse."""
    both = (notice("k1", "s"), msgspec.structs.replace(notice("k2", "s"), channel="mail"))
    await store.commit(Rows(subjects=(level_of("s"),), notices=both))
    await store.close()
    execute(path, "UPDATE outbox SET payload = '{}' WHERE key = 'k1'")
    stored = await store.open()
    assert stored.pending == (both[1],)
    assert stored.fates == (Fate("s", "mail", "pending", 100, "k2"),)
    before = SubjectState("s", Level.WARNING, 1, 1, Level.WARNING, told={
        "phone": Told(Level.WARNING, 100, awaited="k1"), "mail": Told(Level.WARNING, 100, awaited="k2"),
    })  # fmt: skip
    assert list(reconcile(before, {one.channel: one for one in stored.fates}).told) == ["mail"]


@pytest.mark.parametrize("damage", ["decided_ms = 'x'", "decided_ms = x'00ff'", "key = x'00ff'", "number = 'x'"])
async def test_a_column_of_another_type_ends_nothing(store: SqliteState, path: Path, damage: str) -> None:
    """A flipped bit makes a number a text, which SQLite takes for sound; the service starts all the same."""
    await store.commit(
        Rows(subjects=[level_of("s1"), level_of("s2")], notices=[notice("a", "s1"), notice("b", "s2")])
    )
    await store.close()
    execute(path, f"UPDATE outbox SET {damage} WHERE key = 'a'")  # noqa: S608 - ours
    stored = await store.open()
    assert "s2" in {fate.subject for fate in stored.fates}
    Engine().step(Restored(stored.subjects, stored.fates, stored.holds, 0, stored.pending), Now(0, 0.0))
    assert {one.key for one in stored.pending} == {"a", "b"}


@pytest.mark.parametrize("value", ["'x'", "9223372036854775807", "-1"])
async def test_a_damaged_counter_repeats_no_number_and_ends_no_commit(
    store: SqliteState, path: Path, value: str
) -> None:
    """The alerts know the numbers that were given."""
    await store.commit(Rows(notices=[msgspec.structs.replace(notice("a", "s1"), number=7)]))
    await store.close()
    execute(path, f"UPDATE counters SET value = {value}")  # noqa: S608 - ours
    assert (await store.open()).last_number == 7
    await store.commit(Rows(notices=[msgspec.structs.replace(notice("b", "s1"), number=8)]))
    await store.close()
    execute(path, "DELETE FROM outbox")
    assert (await store.open()).last_number == 8


async def test_a_row_with_unknown_words_is_an_error_when_listed(store: SqliteState, path: Path) -> None:
    """A state nobody defined is not shown as one of ours."""
    await store.commit(Rows(notices=(notice("k1", "s"),)))
    execute(path, "UPDATE outbox SET state = 'lost'")
    with pytest.raises(StoreError, match="'lost' is not a valid OutboxState"):
        await store.alerts()


async def test_commands_read_beside_a_running_daemon(store: SqliteState, path: Path) -> None:
    """The reader sees what was committed, and can change nothing."""
    await store.commit(Rows(subjects=(level_of("s"), level_of("bad")), notices=(notice("k", "s"),)))
    execute(path, "UPDATE subjects SET payload = '' WHERE subject = 'bad'")
    with StateReader(path) as reader:
        assert reader.subjects() == [level_of("s")]
        assert reader.alerts() == await store.alerts()
        assert reader.counts() == await store.counts()
        assert reader.pending() == Pending(1, 100)
        with pytest.raises(StoreError, match="readonly"):
            reader.rows("t", "DELETE FROM subjects")


async def test_commands_read_after_the_daemon_ended(store: SqliteState, path: Path) -> None:
    """The file alone is enough."""
    await store.commit(Rows(notices=(notice("k", "s"),)))
    await store.close()
    with StateReader(path) as reader:
        assert reader.pending() == Pending(1, 100)
