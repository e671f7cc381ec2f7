"""The writer of history.db: batches, bounds, trouble with the disk, retention."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor.core.model import Change, ChangeKind, Level, Sample, Source
from monitor.errors import DamagedError, SchemaTooNewError, StoreError
from monitor.ports import Replaced
from monitor.storage.history import HistorySettings, SqliteHistory
from monitor.storage.history_reader import HistoryReader, Subject
from monitor.storage.history_schema import HISTORY_SCHEMA
from monitor.storage.sqlite import Reader
from tests.conftest import ManualClock, settle
from tests.storage.damage import content_of, execute, forbidden_directory, put, remove, spoil_pages

MINUTE_MS = 60_000
T0 = 1_780_000_000_000 - 1_780_000_000_000 % MINUTE_MS  # a full minute just before the manual clock's start

BASE = Sample(
    at_ms=T0,
    account="a",
    wallet="isolated:BTCUSDT:LONG",
    symbol="BTCUSDT",
    side="LONG",
    source=Source.STREAM,
    level=Level.NOTICE,
    margin_ratio=0.25,
    room=0.5,
    distance=0.03,
    joint_distance=0.04,
    mark=61000.0,
    liquidation_price=59136.5,
    margin_balance=1050.0,
    maintenance_margin=122.0,
    cushion=928.0,
    moves_left=4.5,
)


def sample(offset_ms: int = 0, **changes: Any) -> Sample:  # noqa: ANN401 - the fields of Sample
    return BASE._replace(at_ms=T0 + offset_ms, **changes)


class Harness:
    """A history with its writer running, and a record of what it reported."""

    def __init__(self, path: Path, clock: ManualClock, **settings: Any) -> None:  # noqa: ANN401 - its fields
        self.path = path
        self.clock = clock
        self.states: list[tuple[bool, str]] = []
        self.replaced: list[Replaced] = []
        self.history = SqliteHistory(
            path,
            clock,
            HistorySettings(**settings),
            lambda ok, reason: self.states.append((ok, reason)),
            busy_s=0.01,
            on_replaced=self.replaced.append,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SqliteHistory]:
        try:
            async with asyncio.timeout(60), asyncio.TaskGroup() as group:  # a writer that hangs fails its test
                self.task = group.create_task(self.history.run())
                await settle()
                try:
                    yield self.history
                finally:
                    self.history.finish()
        finally:
            await self.history.close()

    async def wake(self, seconds: float = 1.0) -> None:
        """Let the writer wake once, and wait until it sleeps again."""
        await self.clock.advance(seconds)
        async with asyncio.timeout(60):
            while self.clock.next_wake() is None and not self.task.done():
                await settle(1)

    def samples(self) -> list[Sample]:
        with HistoryReader(self.path) as reader:
            return reader.samples()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


async def test_samples_are_written_at_the_next_wake_to_the_last_field(path: Path, clock: ManualClock) -> None:
    """What was recorded is read back as it was, nothing before its time."""
    wallet = sample(5, symbol="", side="", mark=None, liquidation_price=None, distance=None)
    box = Harness(path, clock)
    async with box.running() as history:
        await box.wake()
        history.record([sample(0), wallet])
        history.record([sample(1000)])
        assert (history.queued, history.written) == (3, 0)
        await box.wake()
        assert (history.queued, history.written) == (0, 3)
        assert box.samples() == [sample(0), wallet, sample(1000)]
    assert history.ok
    assert box.states == []
    assert not history.dropped.total()


async def test_the_writer_wakes_once_in_an_interval(path: Path, clock: ManualClock) -> None:
    """However much is recorded, the disk is touched at this pace."""
    box = Harness(path, clock, flush_s=5.0)
    async with box.running() as history:
        history.record([sample()])
        await clock.advance(4.9)
        assert history.queued == 1
        await box.wake(0.1)
        assert history.queued == 0
    assert clock.slept == [5.0, 5.0]


async def test_finish_writes_the_rest_at_once_and_takes_no_more(path: Path, clock: ManualClock) -> None:
    """Stopping costs no sample and no waiting."""
    box = Harness(path, clock)
    async with box.running() as history:
        history.record([sample(n) for n in range(12_000)])
        history.finish()
        history.record([sample(99_999)])
    assert history.written == 12_000
    assert history.dropped == {"closing": 1, "storage": 0}
    assert len(box.samples()) == 10_000  # the default limit of the reader
    assert clock.mono_s() == 1000.0


async def test_finish_before_run_ends_it_at_once(path: Path, clock: ManualClock) -> None:
    """A stop during start-up leaves no job behind."""
    box = Harness(path, clock)
    box.history.record([sample()])
    box.history.finish()
    async with box.running() as history:
        pass
    assert history.written == 1
    assert clock.slept == []


async def test_an_overload_drops_the_oldest_and_counts_them(path: Path, clock: ManualClock) -> None:
    """Memory is bounded, and the newest rows are the ones that matter."""
    box = Harness(path, clock, max_rows=10)
    async with box.running() as history:
        history.record([sample(n) for n in range(8)])
        history.record([sample(n) for n in range(8, 14)])
        assert (history.queued, history.dropped) == (10, {"overflow": 4})
        await box.wake()
        assert box.samples() == [sample(n) for n in range(4, 14)]
        history.record([sample(n) for n in range(100, 125)])
    assert history.dropped["overflow"] == 4 + 15
    assert box.samples()[-10:] == [sample(n) for n in range(115, 125)]


async def test_a_full_disk_is_told_once_and_rows_are_kept_as_far_as_they_may(
    path: Path, clock: ManualClock
) -> None:
    """Back-off while it lasts, one report at each edge, losses counted as storage, the newest rows written."""
    box = Harness(path, clock, max_rows=300)
    with capture_logs() as logs:
        async with box.running() as history:
            await box.wake()
            [(pages,)] = await history._db.rows("t", "PRAGMA page_count")
            await history._db.rows("t", f"PRAGMA max_page_count = {pages}")
            history.record([sample(n) for n in range(300)])
            await box.wake()
            assert (history.ok, history.queued, history.written) == (False, 300, 0)
            history.record([sample(n) for n in range(300, 400)])
            assert (history.queued, history.dropped) == (300, {"storage": 100})
            await box.wake(2.0)
            await box.wake(4.0)
            await history._db.rows("t", "PRAGMA max_page_count = 100000")
            await box.wake(8.0)
            assert (history.ok, history.queued, history.written) == (True, 0, 300)
            assert box.samples() == [sample(n) for n in range(100, 400)]
    assert box.states == [(False, "database or disk is full"), (True, "")]
    assert clock.slept == [1.0, 1.0, 2.0, 4.0, 8.0, 1.0]
    assert [entry["event"] for entry in logs] == ["history.storage_lost", "history.storage_back"]
    assert logs[1]["dropped_rows"] == 100


async def test_the_pause_between_attempts_has_an_end(path: Path, clock: ManualClock) -> None:
    """A disk that was full for a day is found writable within a minute."""
    path.parent.mkdir(exist_ok=True)
    execute(path, "CREATE TABLE notes (t)")  # not ours, so it stays in the way
    box = Harness(path, clock)
    async with box.running():
        for _ in range(12):
            await box.wake(60.0)
    assert max(clock.slept) == 60.0
    assert clock.slept[-1] == 60.0


async def test_rows_recorded_while_a_failing_write_is_under_way_take_the_room(
    path: Path, clock: ManualClock
) -> None:
    """What returns to the queue is older than what came meanwhile, so it is what goes."""
    box = Harness(path, clock, max_rows=10)
    batch = [sample(n) for n in range(10)]
    history = box.history
    history.record([sample(n) for n in range(100, 107)])
    history._put_back(batch)
    assert list(history._queue) == [*batch[7:], *(sample(n) for n in range(100, 107))]
    history._put_back(batch)
    assert history.queued == 10
    assert history.dropped == {"storage": 7 + 10}


async def test_a_file_that_cannot_be_opened_does_not_stop_the_writer(clock: ManualClock) -> None:
    """It keeps trying, and at the end counts what it could not write."""
    with forbidden_directory() as directory:
        box = Harness(directory / "history.db", clock)
        with pytest.raises(StoreError, match="Permission denied"):
            await box.history.open()
        async with box.running() as history:
            history.record([sample()])
            await box.wake()
            assert not history.ok
            assert history.queued == 1
    assert history.dropped == {"storage": 1}
    assert history.queued == 0
    assert box.states == [(False, "Permission denied")]


async def test_a_file_held_by_another_program_is_written_later(path: Path, clock: ManualClock) -> None:
    """A lock that passes costs nothing."""
    box = Harness(path, clock)
    async with box.running() as history:
        await box.wake()
        history.record([sample()])
        other = SqliteHistory(path, clock, HistorySettings(), lambda *_: None)
        await other.open()
        async with other._db.transaction("hold"):
            await box.wake()
        await other.close()
        assert box.states == [(False, "database is locked")]
        await box.wake(2.0)
        assert box.samples() == [sample()]
    assert box.states[1:] == [(True, "")]


async def test_a_row_that_no_database_takes_costs_no_other(path: Path, clock: ManualClock) -> None:
    """It is dropped and counted; its neighbours are written; storage is fine."""
    box = Harness(path, clock)
    async with box.running() as history:
        history.record([sample(1), sample(2, level=2**70), sample(3)])
        await box.wake()
        assert box.samples() == [sample(1), sample(3)]
        assert history.dropped == {"unstorable": 1}
    assert box.states == []


async def test_a_disk_that_fails_while_a_bad_row_is_sought_keeps_the_rest(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that were not written yet wait for the next time."""
    box = Harness(path, clock)
    history = box.history
    write, calls = history._write, 0

    async def failing(batch: list[Sample]) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise StoreError("f", "write", "database or disk is full")
        await write(batch)

    monkeypatch.setattr(history, "_write", failing)
    async with box.running():
        history.record([sample(1), sample(2), sample(3, level=2**70)])
        await box.wake()
        assert (history.queued, history.ok) == (2, False)
        await box.wake(2.0)
    assert box.samples() == [sample(1), sample(2)]
    assert history.dropped == {"unstorable": 1, "storage": 0}


async def test_what_is_not_a_number_is_stored_as_unknown(path: Path, clock: ManualClock) -> None:
    """No reader of the file ever meets NaN or an infinite ratio."""
    box = Harness(path, clock)
    async with box.running() as history:
        history.record([sample(margin_ratio=float("inf"), room=float("nan"))])
        await box.wake()
    assert box.samples() == [sample(margin_ratio=None, room=None)]
    assert execute(path, "SELECT margin_ratio_max, margin_ratio_last, room_min FROM minutes") == [
        (None, None, None)
    ]


async def test_a_second_sample_of_the_same_moment_replaces_the_first(path: Path, clock: ManualClock) -> None:
    """One subject has one row for one moment."""
    box = Harness(path, clock)
    async with box.running() as history:
        history.record([sample(mark=1.0), sample(mark=2.0)])
        await box.wake()
    assert box.samples() == [sample(mark=2.0)]


async def test_minutes_keep_the_extremes_and_the_last(path: Path, clock: ManualClock) -> None:
    """Folded as samples arrive, over several batches; unknown values change nothing; late ones are not last."""
    box = Harness(path, clock)
    async with box.running() as history:
        history.record([sample(1000, level=Level.WARNING, margin_ratio=0.5, room=0.2, distance=None, mark=100.0)])
        await box.wake()
        history.record(
            [sample(30_000, margin_ratio=None, room=None, distance=0.02, joint_distance=None, mark=90.0)]
        )
        history.record([sample(40_000, margin_ratio=0.3, room=0.4, joint_distance=0.01, mark=110.0)])
        await box.wake()
        late = {"source": Source.BACKFILL, "mark": 80.0, "margin_ratio": 0.9, "distance": 0.001}
        history.record([sample(20_000, level=Level.CRITICAL, **late), sample(60_000)])
        await box.wake()
    with HistoryReader(path) as reader:
        first, second = reader.minutes()
    assert (first.minute_ms, second.minute_ms) == (T0, T0 + MINUTE_MS)
    assert (first.source, first.level_max, first.samples) == ("stream", Level.CRITICAL, 4)
    assert (first.margin_ratio_max, first.margin_ratio_last) == (0.9, 0.3)
    assert (first.room_min, first.distance_min, first.joint_distance_min) == (0.2, 0.001, 0.01)
    assert (first.mark_low, first.mark_high, first.mark_last) == (80.0, 110.0, 110.0)
    assert (second.mark_low, second.mark_high, second.samples) == (61000.0, 61000.0, 1)


async def test_old_rows_go_raw_ones_first_and_minutes_are_not_computed_from_what_is_gone(
    path: Path, clock: ManualClock
) -> None:
    """Raw samples after a week, minutes after much longer, subjects when they have neither."""
    box = Harness(path, clock, keep_raw_s=100.0, keep_minutes_s=1000.0, prune_every_s=60.0)
    async with box.running() as history:
        history.record([sample(n * 1000) for n in range(5)])
        history.record([sample(wallet="w2")])
        await box.wake()
        before = execute(path, "SELECT * FROM minutes ORDER BY subject_id")
        await box.wake(200.0)
        history.record([sample(clock.wall_ms() - T0)])
        for _ in range(4):
            await box.wake()
        assert box.samples() == [sample(clock.wall_ms() - T0 - 4000)]
        assert execute(path, "SELECT * FROM minutes ORDER BY minute_ms, subject_id LIMIT 2") == before
        await box.wake(900.0)
        for _ in range(3):
            await box.wake()
        assert len(execute(path, "SELECT * FROM minutes")) == 1
        assert execute(path, "SELECT wallet FROM subjects") == [("isolated:BTCUSDT:LONG",)]
        history.record([sample(clock.wall_ms() - T0, wallet="w2")])  # its id was given up
        await box.wake()
        assert box.samples()[-1].wallet == "w2"


async def test_pruning_goes_in_small_portions(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog of old rows is removed over many wakes, oldest first, so that writing never waits long."""
    monkeypatch.setattr("monitor.storage.history._PRUNE_ROWS", 10)
    monkeypatch.setattr("monitor.storage.history._PRUNE_SUBJECTS", 2)
    box = Harness(path, clock, keep_raw_s=0.0, prune_every_s=600.0)
    async with box.running() as history:
        await box.wake()  # the first round finds nothing
        history.record([sample(n - 100_000, wallet=f"w{w}") for n in range(25) for w in range(3)])
        await box.wake(599.0)
        left = []
        for _ in range(9):
            await box.wake()
            left.append(len(box.samples()))
    assert left == [55, 35, 25, 25, 15, 5, 0, 0, 0]


async def test_an_empty_database_needs_no_pruning(path: Path, clock: ManualClock) -> None:
    """Nothing recorded, nothing to do, round after round."""
    box = Harness(path, clock, prune_every_s=1.0)
    async with box.running() as history:
        for _ in range(3):
            await box.wake()
    assert history.ok


async def test_history_goes_on_where_it_stopped(path: Path, clock: ManualClock) -> None:
    """A restart adds to the same subject and the same minute."""
    for offset in (0, 1000):
        box = Harness(path, clock)
        async with box.running() as history:
            history.record([sample(offset)])
    with HistoryReader(path) as reader:
        assert reader.subjects() == [Subject("a", "isolated:BTCUSDT:LONG", "BTCUSDT", "LONG")]
        assert [minute.samples for minute in reader.minutes()] == [2]


async def test_a_cancelled_writer_can_be_closed(path: Path, clock: ManualClock) -> None:
    """When the drain's deadline has passed, nothing hangs."""
    box = Harness(path, clock)
    async with box.running() as history:
        history.record([sample()])
        await clock.advance(1.0)
        box.task.cancel()
    assert box.task.cancelled()


def test_settings_are_frozen() -> None:
    """Settings hold no run-time state."""
    assert HistorySettings.__struct_config__.frozen
    assert msgspec.to_builtins(HistorySettings())["max_rows"] == 50_000


OPENED = Change(
    T0, "a", ChangeKind.OPENED, "BTCUSDT", "LONG", before=0.0, after=0.5, price=61000.0, cause="ORDER"
)  # fmt: skip
FORCED = Change(T0 + 1, "a", ChangeKind.FORCED, "BTCUSDT", "LONG", after=0.5, price=59100.0, cause="liquidation")


def recorded_changes(path: Path) -> list[Change]:
    with HistoryReader(path) as reader:
        return reader.changes()


async def test_changes_share_the_queue_and_the_batch_with_samples(path: Path, clock: ManualClock) -> None:
    """Nothing is written before its wake, and what is read back is what was recorded."""
    box = Harness(path, clock)
    async with box.running() as history:
        await box.wake()
        history.record([sample()])
        history.record_changes([OPENED, FORCED])
        assert (history.queued, history.written) == (3, 0)
        await box.wake()
        assert recorded_changes(path) == [OPENED, FORCED]
        assert box.samples() == [sample()]
        history.finish()
        history.record_changes([OPENED])
        assert history.dropped["closing"] == 1


async def test_too_many_changes_drop_the_oldest_rows_and_are_counted(path: Path, clock: ManualClock) -> None:
    """The bound of the queue is one for both."""
    box = Harness(path, clock, max_rows=2)
    async with box.running() as history:
        history.record([sample(n) for n in range(2)])
        history.record_changes([OPENED])
        assert (history.queued, history.dropped) == (2, {"overflow": 1})


async def test_a_change_told_twice_is_stored_once(path: Path, clock: ManualClock) -> None:
    """By stream and by REST, within a batch or after a restart; another quantity is another change."""
    again = msgspec.structs.replace(FORCED, price=59100.5, cause="adl")
    more = msgspec.structs.replace(FORCED, after=0.6)
    for rows in ([FORCED, again], [FORCED, more]):
        box = Harness(path, clock)
        async with box.running() as history:
            history.record_changes(rows)
    assert recorded_changes(path) == [FORCED, more]


async def test_a_change_that_no_database_takes_costs_no_other(path: Path, clock: ManualClock) -> None:
    """It is dropped and counted; a number that is none is stored as unknown."""
    odd = msgspec.structs.replace(OPENED, symbol="X", before=float("nan"), price=float("inf"))
    box = Harness(path, clock)
    async with box.running() as history:
        history.record_changes([OPENED, msgspec.structs.replace(OPENED, at_ms=2**70), odd])
        await box.wake()
        assert recorded_changes(path) == [OPENED, msgspec.structs.replace(odd, before=None, price=None)]
        assert history.dropped == {"unstorable": 1}


async def test_old_changes_go_in_small_portions_the_oldest_first(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are kept as long as minutes are, also where nothing else was recorded."""
    monkeypatch.setattr("monitor.storage.history._PRUNE_ROWS", 10)
    box = Harness(path, clock, keep_minutes_s=100.0, prune_every_s=50.0)
    async with box.running() as history:
        await box.wake()
        await box.wake()  # the first round finds nothing
        young = msgspec.structs.replace(OPENED, at_ms=clock.wall_ms())
        history.record_changes([msgspec.structs.replace(OPENED, at_ms=T0 - 200_000 + n) for n in range(25)])
        history.record_changes([young])
        left = []
        await box.wake(48.0)
        for _ in range(5):
            await box.wake()
            left.append(len(recorded_changes(path)))
        assert left == [26, 16, 6, 1, 1]
        assert recorded_changes(path) == [young]


async def test_a_file_of_version_1_is_migrated_with_its_rows(path: Path, clock: ManualClock) -> None:
    """Nothing that was recorded is lost, and code that knows version 1 only refuses the file from then on."""
    execute(
        path, *HISTORY_SCHEMA.migrations[1], f"PRAGMA application_id = {HISTORY_SCHEMA.application_id}",
        "PRAGMA user_version = 1",
        "INSERT INTO subjects VALUES (1, 'a', 'isolated:BTCUSDT:LONG', 'BTCUSDT', 'LONG')",
        "INSERT INTO samples VALUES "
        "(1, 1779999960000, 'stream', 1, 0.25, 0.5, 0.03, 0.04, 61000.0, 59136.5, 1050.0, 122.0, 928.0)",
        "INSERT INTO minutes VALUES "
        "(1, 1779999960000, 1779999960000, 'stream', 1, 0.2, 0.2, 0.5, 0.03, 0.04, 1, 2, 1, 7)",
    )  # fmt: skip
    with pytest.raises(StoreError, match="its schema is older than this program"):
        HistoryReader(path)
    box = Harness(path, clock)
    async with box.running() as history:
        history.record_changes([OPENED])
        await box.wake()
    assert box.samples() == [BASE._replace(moves_left=None)]
    with HistoryReader(path) as reader:
        assert [minute.samples for minute in reader.minutes()] == [7]
        assert reader.changes() == [OPENED]
    older = HISTORY_SCHEMA._replace(migrations={1: HISTORY_SCHEMA.migrations[1]})
    with pytest.raises(SchemaTooNewError, match="its schema version is 3, this program knows 1"):
        Reader(path, older)


async def test_a_file_that_is_no_database_is_set_aside_and_a_new_one_begun(path: Path, clock: ManualClock) -> None:
    """Kept as it was found, and told; rows are written at once."""
    put(path, b"no database" * 500)
    box = Harness(path, clock)
    box.history.record([sample(1)])
    async with box.running():
        await box.wake()
    assert [content_of(Path(one.aside)) for one in box.replaced] == [b"no database" * 500]
    assert len(box.samples()) == 1


async def test_a_disk_that_spoils_each_new_history_is_not_filled_with_them(path: Path, clock: ManualClock) -> None:
    """One more is set aside every ten minutes."""
    box = Harness(path, clock)
    put(path, b"no database" * 500)
    await box.history.open()
    await box.history.close()
    put(path, b"no database" * 500)
    with pytest.raises(DamagedError):
        await box.history.open()
    await clock.advance(600.0)
    await box.history.open()
    await box.history.close()
    assert len(box.replaced) == 2


@pytest.mark.parametrize("how", ["damaged", "removed"])
async def test_a_file_that_breaks_in_the_middle_of_a_run_is_begun_anew_with_the_rows_that_wait(
    path: Path, clock: ManualClock, how: str
) -> None:
    """What was to be written then is in the new one."""
    box = Harness(path, clock)
    async with box.running():
        box.history.record([sample(1)])
        await box.wake()
        if how == "damaged":
            roots = await box.history._db.rows("t", "SELECT rootpage FROM sqlite_master WHERE rootpage > 1")
            await box.history._db.rows("t", "PRAGMA wal_checkpoint(TRUNCATE)")
            await box.history._db.rows("t", "PRAGMA shrink_memory")
            spoil_pages(path, [page for (page,) in roots])
        else:
            remove(path)
        box.history.record([sample(2)])
        for _ in range(3):
            await box.wake(10.0)
    assert [bool(one.aside) for one in box.replaced] == [how == "damaged"]
    assert [row.at_ms for row in box.samples()] == [sample(2).at_ms]
    assert not sum(box.history.dropped.values())
