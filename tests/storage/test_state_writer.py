"""What people ask for while no daemon runs goes into the file it will open."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from monitor.core.model import Level
from monitor.core.notices import Hold, HoldKind
from monitor.errors import SchemaTooNewError, StoreError
from monitor.ports import Rows, Stored
from monitor.storage.state import SqliteState, StateReader
from monitor.storage.state_writer import StateWriter
from tests.conftest import ManualClock
from tests.storage.damage import execute, mode_of, put, scribble
from tests.storage.rows import level_of, numbered

SNOOZE = Hold("snooze#1", HoldKind.SNOOZE, "symbol:BTCUSDT", 500, 900, levels={"s": Level.WARNING})
MUTE = Hold("mute#1", HoldKind.MUTE, "all", 510, 900, why="moving house", by="uid 1000")
ACK = Hold("ack#1", HoldKind.ACK, "alert:17", 520, 900)


async def filled(path: Path, clock: ManualClock) -> None:
    store = SqliteState(path, clock)
    await store.open()
    subjects = [msgspec.structs.replace(level_of(f"s{n}"), number=17) for n in range(200)]
    await store.commit(Rows(subjects=subjects, notices=(numbered("k1", 17), numbered("k2", 18, subject="t"))))
    await store.close()


@pytest.fixture
async def path(tmp_path: Path, clock: ManualClock) -> Path:
    made = tmp_path / "state.db"
    await filled(made, clock)
    return made


async def opened(path: Path, clock: ManualClock) -> Stored:
    store = SqliteState(path, clock)
    stored = await store.open()
    await store.close()
    return stored


async def test_the_next_daemon_knows_what_was_asked_for(path: Path, clock: ManualClock) -> None:
    """To the last field, in the order in which it was asked."""
    with StateWriter(path) as writer:
        writer.hold(SNOOZE, MUTE)
        writer.hold(ACK)
        assert writer.holds() == [SNOOZE, MUTE, ACK]
    assert (await opened(path, clock)).holds == (SNOOZE, MUTE, ACK)


async def test_a_new_hold_takes_the_place_of_one_about_the_same(path: Path, clock: ManualClock) -> None:
    """The last word counts, and the earlier one is on record as replaced; another kind is another wish."""
    longer = msgspec.structs.replace(SNOOZE, key="snooze#2", made_ms=600, until_ms=9000)
    other = msgspec.structs.replace(SNOOZE, key="ack#2", kind=HoldKind.ACK)
    with StateWriter(path) as writer:
        writer.hold(SNOOZE, other)
        writer.hold(longer)
        writer.hold(longer)
    with StateReader(path) as reader:
        ended = msgspec.structs.replace(SNOOZE, ended_ms=600, ended="replaced")
        assert reader.holds(ended=True) == [ended, other, longer]
    assert (await opened(path, clock)).holds == (other, longer)


@pytest.mark.parametrize(("target", "left"), [("all", ["ack#1"]), ("symbol:BTCUSDT", ["mute#1", "ack#1"])])
async def test_snoozes_and_mutes_are_lifted_and_acknowledgements_stay(
    path: Path, clock: ManualClock, target: str, left: list[str]
) -> None:
    """What was seen cannot be unseen."""
    with StateWriter(path) as writer:
        writer.hold(SNOOZE, MUTE, ACK)
        assert writer.lift(target, 700) == 3 - len(left)
        assert writer.lift("symbol:ETHUSDT", 700) == 0
        assert {(hold.ended_ms, hold.ended) for hold in writer.holds(ended=True)} == {(700, "lifted"), (None, "")}
    assert [hold.key for hold in (await opened(path, clock)).holds] == left


def test_an_acknowledgement_is_marked_in_the_ledger(path: Path) -> None:
    """On the alert it is about and on no other."""
    with StateWriter(path) as writer:
        writer.hold(ACK)
        assert {row.key: row.acknowledged_ms for row in writer.alerts()} == {"k1": 520, "k2": None}


def test_levels_are_there_to_be_held_at(path: Path) -> None:
    """A hold is made with what is known, and about an incident that is open."""
    with StateWriter(path) as writer:
        state = writer.subjects()[0]
        assert (state.subject, state.level, state.number) == ("s0", Level.WARNING, 17)


def test_what_was_written_survives_a_loss_of_power(path: Path) -> None:
    """The same promise as the daemon's."""
    with StateWriter(path) as writer:
        assert writer.rows("t", "PRAGMA synchronous") == [(2,)]
        assert writer.rows("t", "PRAGMA journal_mode") == [("wal",)]


def test_a_file_that_others_can_read_is_made_private(path: Path) -> None:
    """As the daemon does."""
    path.chmod(0o644)
    with StateWriter(path):
        assert mode_of(path) == 0o600


def test_nothing_is_made_where_there_is_nothing(tmp_path: Path) -> None:
    """A wish in a wrong directory would never be heard of again."""
    with pytest.raises(StoreError, match="there is no such file"):
        StateWriter(tmp_path / "state.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_something_else_or_of_newer_code_is_refused(path: Path, tmp_path: Path) -> None:
    """Nothing is written where nobody knows what it means."""
    other = tmp_path / "other.db"
    put(other, b"no tables. " * 500)
    with pytest.raises(StoreError, match="not a database"):
        StateWriter(other)
    execute(path, "PRAGMA user_version = 99")
    with pytest.raises(SchemaTooNewError, match="Install the newer version"):
        StateWriter(path)


def test_a_damaged_file_is_refused(path: Path) -> None:
    """Damage is told, not written upon."""
    scribble(path, skip=5 * 4096)
    with pytest.raises(StoreError, match="Nothing was deleted"):
        StateWriter(path)


def test_a_wish_that_cannot_be_written_leaves_nothing_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction: the hold it replaces is in force until the new one is there."""
    monkeypatch.setattr("monitor.storage.state_writer.BUSY_S", 0.05)
    longer = msgspec.structs.replace(SNOOZE, key="snooze#2", until_ms=9000)
    with StateWriter(path) as writer, closing(sqlite3.connect(path, isolation_level=None)) as other:
        writer.hold(SNOOZE)
        other.execute("CREATE TRIGGER no BEFORE INSERT ON holds WHEN NEW.key = 'snooze#2' BEGIN "
                      "SELECT RAISE(ABORT, 'not that one'); END")  # fmt: skip
        with pytest.raises(StoreError, match="not that one"):
            writer.hold(longer)
        assert writer.holds(ended=True) == [SNOOZE]
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="Another program holds the file"):
            writer.lift("all", 700)
        other.execute("ROLLBACK")
        assert writer.holds() == [SNOOZE]
