"""A damaged state.db is set aside whole, and what can still be read of it stands in the new one."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from monitor.core.notices import Hold, HoldKind
from monitor.errors import SchemaTooNewError, StoreError
from monitor.ports import Attempt, Rows
from monitor.storage import aside, salvage
from monitor.storage.failures import translated
from monitor.storage.history_schema import HISTORY_SCHEMA
from monitor.storage.schema import steps_to
from monitor.storage.state import SqliteState
from monitor.storage.state_schema import STATE_SCHEMA
from monitor.storage.state_tables import STATE_TABLES
from tests.conftest import ManualClock
from tests.storage.damage import content_of, execute, mode_of, put, scribble, spoil_pages
from tests.storage.rows import level_of, notice

STAMP = "20260528T202640Z"  # of the clock of the tests
HOLD = Hold("mute:all#1", HoldKind.MUTE, "all", 1, 2**50)
PAGE = 4096


def names(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir()}


COUNT = 150
_made: list[bytes] = []


async def filled(path: Path, clock: ManualClock) -> None:
    """Make a file with many levels, as many alerts, a wish and a number."""
    if _made:
        put(path, _made[0])
        return
    store = SqliteState(path, clock)
    await store.open()
    await store.commit(
        Rows(
            subjects=[level_of(f"s{n:04}") for n in range(COUNT)],
            notices=[notice(f"k{n:04}", subject=f"s{n:04}") for n in range(COUNT)],
            holds=(HOLD,),
        )
    )
    now_ms = clock.wall_ms()
    await store.accepted([f"k{n:04}" for n in range(0, COUNT, 2)], "phone", Attempt(now_ms, now_ms))
    await store.close()
    _made.append(content_of(path))


def pages_of(path: Path, name: str) -> list[int]:
    """Return the pages of a table's leaves; the first stays readable so that its root does."""
    with closing(sqlite3.connect(path)) as connection:
        try:
            found = connection.execute(
                "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path", (name,)
            ).fetchall()
        except sqlite3.OperationalError:
            pytest.skip("this SQLite cannot tell which page belongs to what")
    return [number for (number,) in found]


async def test_a_damaged_page_costs_its_own_rows_only(tmp_path: Path, clock: ManualClock) -> None:
    """The rows before and behind it are saved, in every table; the file is kept as it was found."""
    path = tmp_path / "state.db"
    await filled(path, clock)
    spoil_pages(path, [pages_of(path, "outbox")[3], pages_of(path, "subjects")[3]])
    before = content_of(path)
    store = SqliteState(path, clock)
    stored = await store.open()
    assert stored.replaced is not None
    place = Path(stored.replaced.aside)
    assert (place, stored.replaced.whole) == (tmp_path / f"state.db.damaged-{STAMP}", False)
    assert content_of(place) == before
    rows = await store.alerts(1000)
    assert COUNT - 20 < len(rows) < COUNT
    assert {"k0000", "k0149"} <= {row.key for row in rows}
    # A level whose own page is spoilt is asked for by the names that alerts have, and is lost with it.
    assert COUNT - 20 < len(stored.subjects) < COUNT
    assert {"s0000", "s0149"} <= {state.subject for state in stored.subjects}
    assert (stored.holds, len(stored.pending)) == ((HOLD,), sum(row.state == "pending" for row in rows))
    assert stored.replaced.saved == f"{len(stored.subjects)} levels, {len(rows)} alerts, 1 wishes for quiet"
    assert execute(path, "PRAGMA quick_check") == [("ok",)]
    assert mode_of(path) == 0o600
    await store.close()
    again = await store.open()
    assert again == stored._replace(replaced=None)
    await store.close()


async def test_damage_in_an_index_costs_nothing(tmp_path: Path, clock: ManualClock) -> None:
    """Tables are read as they stand."""
    path = tmp_path / "state.db"
    await filled(path, clock)
    spoil_pages(path, pages_of(path, "outbox_pending"))
    store = SqliteState(path, clock)
    stored = await store.open()
    assert stored.replaced is not None
    assert stored.replaced.whole
    assert (len(stored.subjects), len(stored.pending), len(await store.alerts(1000))) == (COUNT, COUNT // 2, COUNT)
    await store.close()


async def test_what_is_no_database_is_set_aside_and_nothing_is_saved(tmp_path: Path, clock: ManualClock) -> None:
    """It has our name in our directory; whatever it is, it is kept."""
    path = tmp_path / "state.db"
    text = b"these are notes, not tables. " * 100
    put(path, text)
    store = SqliteState(path, clock)
    stored = await store.open()
    assert stored.replaced is not None
    assert (stored.replaced.whole, stored.subjects) == (False, ())
    assert content_of(Path(stored.replaced.aside)) == text
    await store.commit(Rows(subjects=(level_of("s"),)))
    await store.close()


async def test_nothing_that_was_set_aside_before_is_written_over(tmp_path: Path, clock: ManualClock) -> None:
    """Two in one second get two names; so does one whose name is taken by a log alone."""
    path = tmp_path / "state.db"
    put(tmp_path / f"state.db.damaged-{STAMP}", b"mine")
    put(tmp_path / f"state.db.damaged-{STAMP}-1-wal", b"mine too")
    put(path, b"x" * 5000)
    store = SqliteState(path, clock)
    stored = await store.open()
    await store.close()
    assert stored.replaced is not None
    assert stored.replaced.aside == f"{path}.damaged-{STAMP}-2"
    assert content_of(tmp_path / f"state.db.damaged-{STAMP}") == b"mine"
    assert content_of(tmp_path / f"state.db.damaged-{STAMP}-1-wal") == b"mine too"


@pytest.mark.parametrize("version", [1, 2])
async def test_a_damaged_file_of_an_earlier_version_is_saved_and_then_migrated(
    tmp_path: Path, clock: ManualClock, version: int
) -> None:
    """An upgrade and a damage may meet."""
    path = tmp_path / "state.db"
    await filled(path, clock)
    old = tmp_path / "old.db"
    execute(old, *steps_to(STATE_SCHEMA, version), f"ATTACH '{path}' AS new")
    common = "key, channel, subject, kind, level, decided_ms, payload, state"
    incident = "" if version == 1 else ", incident, number"
    execute(
        old,
        f"ATTACH '{path}' AS new",
        "INSERT INTO subjects SELECT * FROM new.subjects",
        f"INSERT INTO outbox ({common}{incident}) SELECT {common}{incident} FROM new.outbox",  # noqa: S608 - our own names
    )
    spoil_pages(old, [pages_of(old, "outbox")[3]])
    store = SqliteState(old, clock)
    stored = await store.open()
    assert stored.replaced is not None
    assert len(stored.subjects) == COUNT
    assert COUNT - 20 < len(await store.alerts(1000)) < COUNT
    assert execute(old, "PRAGMA user_version") == [(STATE_SCHEMA.version,)]
    await store.close()


async def test_a_log_that_was_not_merged_yet_is_read_and_set_aside_with_its_file(
    tmp_path: Path, clock: ManualClock
) -> None:
    """After a crash the newest rows stand in it alone."""
    path = tmp_path / "state.db"
    await filled(path, clock)
    spoiled = pages_of(path, "outbox")[3]
    with closing(sqlite3.connect(path, isolation_level=None)) as crashed:
        crashed.execute("UPDATE counters SET value = 77")
        crashed.execute("INSERT INTO counters VALUES ('other', 1)")
        crashed.execute("INSERT OR REPLACE INTO counters VALUES ('incident', 77)")
        copies = [(Path(f"{path}{end}"), content_of(Path(f"{path}{end}"))) for end in ("", "-wal")]
    for file, content in copies:
        put(file, content)
    spoil_pages(path, [spoiled])
    store = SqliteState(path, clock)
    stored = await store.open()
    assert stored.last_number == 77
    assert f"state.db.damaged-{STAMP}-wal" in names(path)
    await store.close()


def test_a_file_of_another_program_is_not_touched(tmp_path: Path) -> None:
    """However damaged it is; the same for one of a newer version of ours."""
    path = tmp_path / "state.db"
    execute(path, *steps_to(HISTORY_SCHEMA, 3))
    scribble(path, skip=2 * PAGE)
    before = content_of(path)
    with pytest.raises(StoreError, match="not a state database of this program"):
        salvage.replace(path, STATE_SCHEMA, STATE_TABLES, 0)
    newer = tmp_path / "newer.db"
    execute(newer, *steps_to(STATE_SCHEMA, 2), "PRAGMA user_version = 9")
    scribble(newer, skip=2 * PAGE)
    with pytest.raises(
        SchemaTooNewError, match="its schema version is 9, this program knows 2, and it is damaged"
    ):
        salvage.replace(newer, STATE_SCHEMA, STATE_TABLES, 0)
    assert content_of(path) == before
    assert names(path) == {"state.db", "newer.db"}


class CutError(Exception):
    """The process died here."""


@pytest.mark.parametrize("step", range(6))
async def test_a_crash_between_two_steps_loses_neither_file(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Whichever rename it was that did not happen any more: the next start has what was saved."""
    path = tmp_path / "state.db"
    await filled(path, clock)
    spoil_pages(path, [pages_of(path, "outbox")[3]])
    put(Path(f"{path}-wal"))
    before = content_of(path)
    left = step
    rename = Path.rename

    def dying(self: Path, target: Path | str) -> Path:
        nonlocal left
        if left == 0:
            raise CutError
        left -= 1
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", dying)
        dies = SqliteState(path, clock)
        with suppress(CutError):
            await dies.open()
        await dies.close()
    store = SqliteState(path, clock)
    stored = await store.open()
    rows = await store.alerts(1000)
    assert COUNT - 20 < len(rows) < COUNT
    assert (len(stored.subjects), stored.holds) == (COUNT, (HOLD,))
    await store.close()
    kept = [file for file in path.parent.glob("state.db.damaged-*") if not file.name.endswith(("-wal", "-shm"))]
    assert [content_of(file) for file in kept] == [before]
    assert "state.db.new" not in names(path)


def test_a_database_is_not_taken_for_half_set_aside_because_a_log_was_left_behind(tmp_path: Path) -> None:
    """Somebody deleted the damaged file and not what belonged to it."""
    path = tmp_path / "state.db"
    put(path, b"sound")
    put(tmp_path / "state.db.damaged-x-wal")
    aside.finish(path)
    assert content_of(path) == b"sound"


def test_what_the_system_refuses_is_an_error_of_ours(tmp_path: Path) -> None:
    """And the file is where it was."""
    path = tmp_path / "state.db"
    put(path, b"x" * 5000)
    put(tmp_path / "state.db.new" / "in-the-way")
    with pytest.raises(StoreError), translated(path, "t"):
        salvage.replace(path, STATE_SCHEMA, STATE_TABLES, 0)
    assert content_of(path) == b"x" * 5000
