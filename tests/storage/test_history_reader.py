"""Queries of history.db."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from monitor.core.model import Change, ChangeKind, Level, Sample
from monitor.errors import StoreError
from monitor.storage.history import HistorySettings, SqliteHistory
from monitor.storage.history_reader import Filter, HistoryReader, Subject
from tests.conftest import ManualClock

MINUTE_MS = 60_000


def sample(
    at_ms: int, symbol: str = "", *, account: str = "a", level: int = 0, room: float | None = 0.5
) -> Sample:
    return Sample(
        at_ms=at_ms,
        account=account,
        wallet="cross:USDT",
        symbol=symbol,
        side="LONG" if symbol else "",
        source="stream",
        level=level,
        margin_ratio=0.5 if room is None else 1 - room,
        room=room,
        distance=0.1 if symbol else None,
        joint_distance=0.05,
        mark=100.0 if symbol else None,
        liquidation_price=90.0 if symbol else None,
        margin_balance=10.0,
        maintenance_margin=1.0,
        cushion=9.0,
    )


ROWS = [
    sample(0),
    sample(1, "BTCUSDT"),
    sample(1, "ETHUSDT"),
    sample(61_000, level=Level.CRITICAL, room=0.1),
    sample(62_000, level=Level.CRITICAL, room=0.08),
    sample(121_000, level=Level.WARNING, room=0.05),
    sample(121_000, account="b", level=Level.EMERGENCY, room=None),
]

CHANGES = [
    Change(5, "a", ChangeKind.OPENED, "BTCUSDT", "LONG", after=0.5, price=100.0, cause="ORDER"),
    Change(5, "a", ChangeKind.BALANCE, asset="USDT", before=10.0, after=9.0, cause="ORDER"),
    Change(
        9, "b", ChangeKind.LEVERAGE, "BTCUSDT", "SHORT", before=10.0, after=20.0, cause="ACCOUNT_CONFIG_UPDATE"
    ),
]


@pytest.fixture
async def path(tmp_path: Path, clock: ManualClock) -> Path:
    path = tmp_path / "history.db"
    settings = HistorySettings(keep_raw_s=1e10, keep_minutes_s=1e10)
    history = SqliteHistory(path, clock, settings, lambda *_: None)
    history.record(ROWS)
    history.record_changes(CHANGES)
    history.finish()
    await history.run()
    await history.close()
    return path


@pytest.fixture
def reader(path: Path) -> Iterator[HistoryReader]:
    with HistoryReader(path) as made:
        yield made


def test_subjects_are_everything_that_has_a_history(reader: HistoryReader) -> None:
    """Wallets and positions, in order."""
    assert reader.subjects() == [
        Subject("a", "cross:USDT", "", ""),
        Subject("a", "cross:USDT", "BTCUSDT", "LONG"),
        Subject("a", "cross:USDT", "ETHUSDT", "LONG"),
        Subject("b", "cross:USDT", "", ""),
    ]


def test_samples_come_oldest_first(reader: HistoryReader) -> None:
    """All fields as they were recorded."""
    assert reader.samples() == ROWS


def test_filters_are_exact_and_an_empty_symbol_means_wallets(reader: HistoryReader) -> None:
    """None is any."""
    assert reader.samples(Filter(symbol="ETHUSDT")) == [ROWS[2]]
    assert reader.samples(Filter(symbol="", account="a")) == [ROWS[0], *ROWS[3:6]]
    assert reader.samples(Filter(side="LONG", wallet="cross:USDT")) == ROWS[1:3]
    assert reader.samples(Filter(account="nobody")) == []


def test_a_period_includes_its_start_and_not_its_end(reader: HistoryReader) -> None:
    """Periods side by side count no sample twice."""
    assert reader.samples(Filter(since_ms=1, until_ms=61_000)) == ROWS[1:3]
    assert reader.samples(Filter(since_ms=61_000, until_ms=62_000)) == [ROWS[3]]


def test_a_limit_keeps_the_newest(reader: HistoryReader) -> None:
    """What happened last is what is asked for."""
    assert reader.samples(limit=3) == ROWS[4:]
    assert [minute.minute_ms for minute in reader.minutes(Filter(account="a"), limit=2)] == [60_000, 120_000]


def test_minutes_start_with_the_one_that_holds_the_moment(reader: HistoryReader) -> None:
    """A period that starts within a minute shows that minute."""
    minutes = reader.minutes(Filter(symbol="", account="a", since_ms=62_500))
    assert [(m.minute_ms, m.level_max, m.room_min, m.samples) for m in minutes] == [
        (60_000, Level.CRITICAL, 0.08, 2),
        (120_000, Level.WARNING, 0.05, 1),
    ]


def test_the_worst_of_each_subject_worst_first(reader: HistoryReader) -> None:
    """The minute is that of the highest level; the figures are the worst of the whole period."""
    first, second, *others = reader.worst()
    assert (first.account, first.level, first.room, first.minute_ms) == ("b", Level.EMERGENCY, None, 120_000)
    assert (second.account, second.symbol, second.level, second.minute_ms) == ("a", "", Level.CRITICAL, MINUTE_MS)
    assert (second.room, second.margin_ratio, second.joint_distance) == (0.05, 0.95, 0.05)
    assert second.samples == 4
    assert [(worst.symbol, worst.distance) for worst in others] == [("BTCUSDT", 0.1), ("ETHUSDT", 0.1)]
    assert reader.worst(limit=1) == [first]
    assert [worst.level for worst in reader.worst(Filter(account="a", symbol="", since_ms=120_000))] == [
        Level.WARNING
    ]


def test_a_missing_file_is_an_error_with_a_hint(tmp_path: Path) -> None:
    """No history yet is not an empty history."""
    with pytest.raises(StoreError, match=r"there is no such file\..*position-monitor run"):
        HistoryReader(tmp_path / "history.db")


def test_changes_are_filtered_and_the_newest_win(reader: HistoryReader) -> None:
    """Oldest first, in the order told; since is included, until is not; an empty symbol is the account itself."""
    assert reader.changes() == CHANGES
    assert reader.changes("a") == CHANGES[:2]
    assert reader.changes(symbol="BTCUSDT") == [CHANGES[0], CHANGES[2]]
    assert reader.changes("a", "") == [CHANGES[1]]
    assert reader.changes(since_ms=6) == reader.changes(limit=1) == [CHANGES[2]]
    assert reader.changes(until_ms=9) == CHANGES[:2]
    assert reader.changed() == [("a", ""), ("a", "BTCUSDT"), ("b", "BTCUSDT")]


async def test_the_newest_row_of_each_symbol_before_a_time(tmp_path: Path, clock: ManualClock) -> None:
    """Of all its wallets; what was typed in was never seen, and what came later is of another run."""
    rows = [
        sample(1_000, "BTCUSDT"), sample(90_000, "BTCUSDT"), sample(170_000, "BTCUSDT"),
        sample(120_000, "BTCUSDT", account="b"), sample(70_000, "ETHUSDT")._replace(source="backfill"),
        sample(71_000, "SOLUSDT")._replace(source="given"), sample(200_000, "LATEUSDT"), sample(150_000),
    ]  # fmt: skip
    path = tmp_path / "history.db"
    store = SqliteHistory(path, clock, HistorySettings(), lambda _ok, _reason: None)
    store.record(rows)
    store.finish()
    await store.run()
    await store.close()
    with HistoryReader(path) as reader:
        assert reader.newest(170_000) == {"BTCUSDT": 120_000, "ETHUSDT": 70_000}
        assert reader.newest(170_001)["BTCUSDT"] == 170_000
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM samples")
    with HistoryReader(path) as reader:
        assert reader.newest(10**13) == {"BTCUSDT": 170_000, "ETHUSDT": 70_000, "LATEUSDT": 200_000}
