"""Positions beside the figures of their wallets, out of history.db."""

from pathlib import Path

import pytest

from monitor.core.model import Level, Sample
from monitor.storage.history import HistorySettings, SqliteHistory
from monitor.storage.history_reader import Filter, HistoryReader
from monitor.storage.history_rows import MOST_ROWS, Row, read
from monitor.storage.sqlite import PIECE
from tests.conftest import ManualClock
from tests.storage.test_history_reader import sample


@pytest.fixture
async def path(tmp_path: Path, clock: ManualClock) -> Path:
    """A wallet that gets worse within a minute, its position beside it; another position without its wallet."""
    rows = [
        sample(0, room=0.4),
        sample(0, "BTCUSDT"),
        sample(1_000, room=0.2, level=Level.WARNING),
        sample(1_000, "BTCUSDT", level=Level.WARNING),
        sample(1_000, "ETHUSDT", account="b"),
    ]
    return await recorded(tmp_path / "history.db", clock, rows)


async def recorded(path: Path, clock: ManualClock, rows: list[Sample]) -> Path:
    """The file with these in it; a position's own row has no figures of its wallet."""
    history = SqliteHistory(path, clock, HistorySettings(keep_raw_s=1e10, keep_minutes_s=1e10), lambda *_: None)
    for first in range(0, len(rows), 1000):
        part = rows[first : first + 1000]
        history.record([row._replace(margin_ratio=None, room=None) if row.symbol else row for row in part])
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


@pytest.mark.parametrize("minutes", [False, True])
async def test_however_many_are_asked_for_each_has_its_wallet(
    tmp_path: Path, clock: ManualClock, *, minutes: bool
) -> None:
    """Those at the end of a page too; and whoever reads them rests on the way."""
    step_ms = 60_000 if minutes else 1
    rows = [
        sample(n * step_ms, symbol, room=0.4) for n in range(MOST_ROWS + 2) for symbol in ("", "BTCUSDT")
    ]  # fmt: skip
    path = await recorded(tmp_path / "history.db", clock, rows)
    rests = []
    with HistoryReader(path, lambda: rests.append(1)) as reader:
        found = read(reader, Filter(symbol="BTCUSDT"), minutes=minutes, limit=MOST_ROWS + 2)
    assert {row.room for row in found} == {0.4}
    assert [row.at_ms for row in found] == [n * step_ms for n in range(MOST_ROWS + 2)]
    assert len(rests) == -(-(MOST_ROWS + 2) // PIECE)
