from pathlib import Path

import pytest

from monitor.charts.series import Order, Point, Series, find
from monitor.core.model import Level
from monitor.errors import StoreError
from tests.charts.records import MINUTE_MS, NOW_MS, WALLET, samples, write
from tests.conftest import ManualClock


@pytest.fixture
async def history(tmp_path: Path, clock: ManualClock) -> Path:
    path = tmp_path / "history.db"
    await write(path, clock, samples())
    return path


def an_order(history: Path, **changes: object) -> Order:
    known: dict[str, object] = {
        "history": str(history), "account": "main", "wallet": WALLET, "since_ms": NOW_MS - 6 * 3_600_000,
        "now_ms": NOW_MS, "title": "t", "symbol": "BTCUSDT", "side": "LONG", "level": Level.CRITICAL,
        "margin_ratio": 0.82, "distance": 0.021,
    }  # fmt: skip
    return Order(**(known | changes))  # type: ignore[arg-type]  # each test names real fields


def test_a_series_joins_a_wallet_and_its_position(history: Path) -> None:
    """The ratio is the wallet's, the distance the position's, by minute, and the notice has the last word."""
    series = find(an_order(history))
    assert series is not None
    assert not series.joint
    first, last = series.points[0], series.points[-1]
    assert first.at_ms == NOW_MS - 60 * MINUTE_MS - 30_000  # where the clock says that the minute begins
    assert first == Point(first.at_ms, pytest.approx(0.2 + 0.5 / 60), pytest.approx(0.08), Level.OK)  # type: ignore[arg-type]
    assert last == Point(NOW_MS, 0.82, 0.021, Level.CRITICAL)
    times = [point.at_ms for point in series.points]
    assert times == sorted(set(times))


def test_several_positions_have_the_distance_at_which_all_fall_together(history: Path) -> None:
    """It is the wallet's own figure."""
    series = find(an_order(history, symbol="", side="", distance=0.019))
    assert series is not None
    assert series.joint
    assert [series.points[at].distance for at in (0, -1)] == [pytest.approx(0.09), 0.019]


def test_only_what_is_asked_for_is_drawn(history: Path) -> None:
    """The last hours, up to the moment of the notice, of this wallet alone."""
    since = NOW_MS - 10 * MINUTE_MS
    series = find(an_order(history, since_ms=since))
    assert series is not None
    assert all(since - MINUTE_MS < point.at_ms <= NOW_MS for point in series.points)
    assert find(an_order(history, account="other")) is None
    assert find(an_order(history, wallet="cross:USDT")) is None
    earlier = find(an_order(history, now_ms=NOW_MS - 20 * MINUTE_MS))
    assert earlier is not None
    assert earlier.points[-1].at_ms == NOW_MS - 20 * MINUTE_MS


async def test_the_running_minute_gives_way_to_what_is_known_now(tmp_path: Path, clock: ManualClock) -> None:
    """Its worst is drawn where it began, and would stand beside a figure that is newer."""
    rows = samples()
    running = [row._replace(at_ms=NOW_MS - 10_000, margin_ratio=9.0) for row in rows[-2:]]
    await write(tmp_path / "history.db", clock, [*rows, *running])
    series = find(an_order(tmp_path / "history.db"))
    assert series is not None
    assert [NOW_MS - point.at_ms for point in series.points[-2:]] == [90_000, 0]


def test_too_little_makes_no_picture(history: Path) -> None:
    """A wallet seen for a minute or two has no history worth looking at."""
    assert find(an_order(history, since_ms=NOW_MS - 2 * MINUTE_MS)) is None


def test_a_history_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Missing or no database: the caller says so."""
    with pytest.raises(StoreError):
        find(an_order(tmp_path / "history.db"))
    (tmp_path / "history.db").write_bytes(b"no database" * 100)
    with pytest.raises(StoreError):
        find(an_order(tmp_path / "history.db"))


@pytest.mark.parametrize(
    ("levels", "began"),
    [
        ((0, 0, 1, 2), 2),
        ((1, 0, 0, 0), None),
        ((1, 0, 3, 0), None),
        ((0, 1, 0, 1), 3),
        ((1, 1, 1, 1), None),  # before the chart does
    ],
)
def test_an_incident_begins_where_calm_ended(levels: tuple[int, ...], began: int | None) -> None:
    """The present one, not one that is over."""
    points = tuple(Point(at, 0.5, 0.1, Level(level)) for at, level in enumerate(levels))
    assert Series("t", points, joint=False).began_ms == began
