"""Databases that are spoilt in place, under whoever has them open, are found out and begun anew."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import NamedTuple

import pytest

from monitor.commit import Committer
from monitor.core.events import StoreState
from monitor.core.incidents import Effects
from monitor.core.model import Sample
from monitor.core.notices import SubjectState
from monitor.errors import DamagedError, StoreError
from monitor.notify.delivery import Delivery
from monitor.ports import Replaced, Rows
from monitor.storage import lookout
from monitor.storage.history import HistorySettings, SqliteHistory
from monitor.storage.lookout import EVERY_S, WAKE_S, Inspector, Lookout
from monitor.storage.state import SqliteState
from monitor.storage.state_schema import STATE_SCHEMA
from tests.conftest import ManualClock, settle
from tests.notify.fakes import FakeChannel, FakeInbox
from tests.storage.damage import content_of, execute, put, scribble, spoil_pages
from tests.storage.rows import level_of, notice

MANY = 300
HANGS_S = 60.0  # what hangs in a test lasts as long as no test does


@asynccontextmanager
async def opened(path: Path, clock: ManualClock) -> AsyncIterator[SqliteState]:
    store = SqliteState(path, clock, busy_s=0.05, write_busy_s=0.05)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def fill(store: SqliteState) -> None:
    """Give it some twenty pages, and move them from the log into the file."""
    levels = tuple(level_of(f"wallet-{n}") for n in range(MANY))
    told = tuple(notice(f"{n}#1", subject=f"wallet-{n}") for n in range(MANY))
    await store.commit(Rows(subjects=levels, notices=told))


def overwrite(path: Path) -> None:
    """Spoil the middle of a file, keeping its size and both ends."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 3)
        file.write(b"\xa5" * (size // 3))


async def test_a_file_spoilt_in_place_is_served_from_memory_and_found_by_a_look(
    tmp_path: Path, clock: ManualClock
) -> None:
    """Nothing that reads or writes as usual notices it; that is what a look is for."""
    path = tmp_path / "state.db"
    async with opened(path, clock) as store:
        await fill(store)
        execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        await store.commit(Rows(subjects=(level_of("new"),)))
        await store.look_through()
        assert store.usable()
        overwrite(path)
        await store.commit(Rows(subjects=(level_of("new"),)))
        assert store.usable(), "it was noticed without a look: this test shows nothing"
        await store.look_through()
        assert not store.usable()
        stored = await store.open()
        assert stored.replaced is not None
        assert content_of(Path(stored.replaced.aside))
        assert store.usable()


async def test_a_log_spoilt_in_place_is_found(tmp_path: Path, clock: ManualClock) -> None:
    """What was committed last stands in the log alone; and it is not emptied into the file it would spoil."""
    path = tmp_path / "state.db"
    async with opened(path, clock) as store:
        await fill(store)
        execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        sound = content_of(path)
        await store.commit(Rows(subjects=tuple(level_of(f"later-{n}") for n in range(MANY))))
        scribble(Path(f"{path}-wal"), skip=4096)
        await store.look_through()
        assert not store.usable()
        stored = await store.open()
        assert stored.replaced is not None
        assert content_of(Path(stored.replaced.aside)) == sound
        assert {f"wallet-{n}" for n in range(MANY)} <= {one.subject for one in stored.subjects}


@pytest.mark.parametrize("text", [b'"subject":"wallet-7"', b"7#1"])
async def test_rows_that_are_no_text_any_more_are_found_and_keep_nothing_from_being_opened(
    tmp_path: Path, clock: ManualClock, text: bytes
) -> None:
    """The structure is sound then, and a start would fail on that row again and again."""
    path = tmp_path / "state.db"
    async with opened(path, clock) as store:
        await fill(store)
    content = content_of(path)
    assert text in content
    put(path, content.replace(text, b"\xa5" * len(text)))
    assert isinstance(await Inspector(path, STATE_SCHEMA, whole=True).damage(), DamagedError)
    store = SqliteState(path, clock)
    stored = await store.open()
    await store.close()
    assert stored.replaced is not None
    assert not stored.replaced.whole
    assert "wallet" not in stored.replaced.cause
    assert {f"wallet-{n}" for n in range(MANY) if n != 7} <= {one.subject for one in stored.subjects}
    assert len(stored.pending) >= MANY - 35


@pytest.mark.parametrize("kept", [0, 10])
async def test_a_file_cut_off_or_without_its_head_is_found(tmp_path: Path, clock: ManualClock, kept: int) -> None:
    """An emptied file is a new and sound one to SQLite."""
    path = tmp_path / "state.db"
    async with opened(path, clock) as store:
        await fill(store)
        execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        put(path, b"\xa5" * kept)
        await store.look_through()
        assert not store.usable()
        assert (await store.open()).replaced is not None


async def test_what_is_known_goes_into_the_new_file_and_people_are_told(
    tmp_path: Path, clock: ManualClock
) -> None:
    """The present state is in memory, so no level and no hold is lost; the rest is salvaged."""
    path = tmp_path / "state.db"
    states: dict[str, SubjectState] = {f"wallet-{n}": level_of(f"wallet-{n}") for n in range(MANY)}
    async with opened(path, clock) as store:
        await fill(store)
        execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        inbox = FakeInbox()
        delivery = Delivery([FakeChannel(name="phone")], store=store, inbox=inbox, clock=clock)
        committer = Committer(
            store, delivery, inbox, clock, memory=lambda: Effects(subjects=tuple(states.values()))
        )
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(committer.run())
            looking = group.create_task(Lookout((store,), clock).run())
            await settle()
            overwrite(path)
            await clock.advance(EVERY_S + WAKE_S)
            while store.usable():
                await asyncio.to_thread(lambda: None)
            while committer.commits == 0:
                committer.nudge()
                await asyncio.to_thread(lambda: None)
            looking.cancel()
            committer.finish()
        # On a slow disk a commit gives up meanwhile, which is told as well.
        told = [one for one in inbox.events if isinstance(one, StoreState) and one.note]
        assert [(one.store, one.note) for one in told] == [("state", "damaged")]
        assert "kept as" in told[0].hint
    assert {name for (name,) in execute(path, "SELECT subject FROM subjects")} >= set(states)


async def test_a_sound_file_is_left_alone_beside_a_writer_and_another_lock(
    tmp_path: Path, clock: ManualClock
) -> None:
    """A look meets no lock and takes none: it ends while somebody holds the file, and commits go on during it."""
    path = tmp_path / "state.db"
    async with opened(path, clock) as store:
        await fill(store)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await store.look_through()
        await asyncio.gather(
            *(store.look_through() for _ in range(3)),
            *(store.commit(Rows(subjects=(level_of(f"more-{n}"),))) for n in range(20)),
        )
        assert store.usable()


class Blocked(NamedTuple):
    """A look that waits for its disk."""

    entered: threading.Event
    go_on: threading.Event


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Blocked]:
    found = Blocked(threading.Event(), threading.Event())

    def hang(path: Path, _verdict: str) -> None:
        found.entered.set()
        found.go_on.wait(HANGS_S)
        raise DamagedError(str(path), "check", "as it was found then", "")

    monkeypatch.setattr("monitor.storage.lookout.check_sound", hang)
    yield found
    found.go_on.set()


async def test_a_look_that_hangs_delays_no_commit_and_is_not_joined_by_a_second(
    tmp_path: Path, clock: ManualClock, blocked: Blocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a thread of its own, and is given up after a while."""
    monkeypatch.setattr(lookout, "LONGEST_S", 0.05)
    async with opened(tmp_path / "state.db", clock) as store:
        while not blocked.entered.is_set():  # a look may be given up before its thread has come so far
            await store.look_through()
        await store.commit(Rows(subjects=(level_of("meanwhile"),)))
        blocked.entered.clear()
        monkeypatch.setattr(lookout, "LONGEST_S", HANGS_S)
        async with asyncio.timeout(HANGS_S / 2):
            await store.look_through()
        assert not blocked.entered.is_set()
        assert store.usable()
        blocked.go_on.set()


async def test_what_a_look_found_of_a_file_that_was_replaced_meanwhile_counts_for_nothing(
    tmp_path: Path, clock: ManualClock, blocked: Blocked
) -> None:
    """The verdict is about another file."""
    path = tmp_path / "state.db"
    async with opened(path, clock) as store:
        await fill(store)
        execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        async with asyncio.TaskGroup() as group:
            group.create_task(store.look_through())
            assert await asyncio.to_thread(blocked.entered.wait, HANGS_S)
            await store.close()
            await store.open()
            blocked.go_on.set()
        assert store.usable()


class Counting:
    """A store that counts its looks."""

    def __init__(self) -> None:
        self.in_doubt = False
        self.looks = 0

    async def look_through(self) -> None:
        self.looks += 1
        self.in_doubt = False


async def test_looks_come_from_time_to_time_and_soon_after_something_odd(clock: ManualClock) -> None:
    """In doubt, nobody waits for the next one."""
    store = Counting()
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(Lookout((store,), clock).run())
        await settle()
        await clock.advance(EVERY_S - WAKE_S)
        assert store.looks == 0
        await clock.advance(WAKE_S)
        assert store.looks == 1
        store.in_doubt = True
        await clock.advance(WAKE_S)
        assert store.looks == 2
        looking.cancel()


async def test_an_odd_error_puts_the_file_in_doubt_and_anothers_lock_does_not(
    tmp_path: Path, clock: ManualClock
) -> None:
    """A lock is no sign of damage, and would have the file read again and again."""
    path = tmp_path / "state.db"
    async with opened(path, clock) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError):
                await store.commit(Rows(subjects=(level_of("a"),)))
        doubted = store.in_doubt
        assert not doubted
        execute(path, "DROP TABLE subjects")
        with pytest.raises(StoreError):
            await store.commit(Rows(subjects=(level_of("a"),)))
        doubts = [store.in_doubt]
        await store.look_through()
        assert [*doubts, store.in_doubt] == [True, False]


async def test_history_is_looked_at_in_part_and_begun_anew(tmp_path: Path, clock: ManualClock) -> None:
    """Its head, its catalogue and both ends of each table: a look at all of a large file would tire the disk."""
    path = tmp_path / "history.db"
    replaced: list[Replaced] = []
    before = SqliteHistory(path, clock, HistorySettings(), lambda *_: None)
    nothing = (None,) * 9
    before.record([Sample(1_000 * n, "main", "cross", "ETHUSDT", "LONG", "s", 0, *nothing) for n in range(MANY)])
    before.finish()
    await before.run()
    await before.close()
    store = SqliteHistory(path, clock, HistorySettings(), lambda *_: None, on_replaced=replaced.append)
    await store.open()
    try:
        await store.look_through()
        await store.open()
        assert not replaced
        spoil_pages(path, range(2, path.stat().st_size // 4096 + 1))
        await store.look_through()
        await store.open()
        assert len(replaced) == 1
        assert content_of(Path(replaced[0].aside))
    finally:
        await store.close()


async def test_a_file_too_large_for_a_whole_look_has_its_ends_read(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outbox that grew beyond measure must not be read as a whole every other minute."""
    monkeypatch.setattr(lookout, "WHOLE_BYTES", 0)
    path = tmp_path / "state.db"
    async with opened(path, clock) as store:
        await fill(store)
        execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        inspector = Inspector(path, STATE_SCHEMA, whole=True)
        assert await inspector.damage() is None
        spoil_pages(path, range(2, path.stat().st_size // 4096 + 1))
        assert isinstance(await inspector.damage(), DamagedError)
