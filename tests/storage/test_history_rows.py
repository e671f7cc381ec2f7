"""Positions beside the figures of their wallets, out of history.db."""

from pathlib import Path

import pytest

from monitor.core.model import Level
from monitor.storage.history import HistorySettings, SqliteHistory
from monitor.storage.history_reader import Filter, HistoryReader
from monitor.storage.history_rows import Row, read
from tests.conftest import ManualClock
from tests.storage.test_history_reader import sample


@pytest.fixture
async def path(tmp_path: Path, clock: ManualClock) -> Path:
    """A wallet that gets worse within a minute, its position beside it; another position without its wallet."""
    path = tmp_path / "history.db"
    history = SqliteHistory(path, clock, HistorySettings(keep_raw_s=1e10, keep_minutes_s=1e10), lambda *_: None)
    rows = [
        sample(0, room=0.4),
        sample(0, "BTCUSDT"),
        sample(1_000, room=0.2, level=Level.WARNING),
        sample(1_000, "BTCUSDT", level=Level.WARNING),
        sample(1_000, "ETHUSDT", account="b"),
    ]
    history.record([row._replace(margin_ratio=None, room=None) if row.symbol else row for row in rows])
    history.finish()
    await history.run()
    await history.close()
    return path


def told(rows: list[Row]) -> list[tuple[int, str, str, float | None, float | None]]:
    return [(row.at_ms, row.symbol, row.level, row.margin_ratio, row.room) for row in rows]


def test_a_position_has_the_figures_of_its_wallet_at_that_time(path: Path) -> None:
    """One whose wallet has no row then has none, and no row is a wallet's."""
    with HistoryReader(path) as reader:
        assert told(read(reader, Filter(), minutes=False)) == [
            (0, "BTCUSDT", "ok", 0.6, 0.4),
            (1_000, "BTCUSDT", "warning", 0.8, 0.2),
            (1_000, "ETHUSDT", "ok", None, None),
        ]


def test_a_minute_has_the_worst_of_its_wallet(path: Path) -> None:
    """A position's room is not looked for in its own row."""
    with HistoryReader(path) as reader:
        assert told(read(reader, Filter("a"), minutes=True)) == [(0, "BTCUSDT", "warning", 0.8, 0.2)]


def test_of_too_many_the_newest_are_there(path: Path) -> None:
    """Their wallets' figures are still those of their times."""
    with HistoryReader(path) as reader:
        assert told(read(reader, Filter("a"), minutes=False, limit=1)) == [(1_000, "BTCUSDT", "warning", 0.8, 0.2)]
