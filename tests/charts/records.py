"""A history as the daemon writes it, and a notice about it."""

from pathlib import Path

from monitor.core.model import Level, Sample
from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.storage.history import HistorySettings, SqliteHistory
from tests.conftest import ManualClock

NOW_MS = 1_780_000_050_000  # half a minute into a minute
MINUTE_MS = 60_000
WALLET = "isolated:BTCUSDT:LONG"


def samples(minutes: int = 60, *, level: Level = Level.WARNING) -> list[Sample]:
    """Return a wallet and its position, once a minute up to now; the second half at ``level``."""
    rows: list[Sample] = []
    for ago in range(minutes, 0, -1):
        at_ms = NOW_MS - ago * MINUTE_MS
        now = int(level) if ago <= minutes // 2 else 0
        rows.append(
            Sample(
                at_ms=at_ms, account="main", wallet=WALLET, symbol="", side="", source="stream", level=now,
                margin_ratio=0.2 + 0.5 / ago, room=0.5, distance=None, joint_distance=0.03 + 0.001 * ago,
                mark=None, liquidation_price=None, margin_balance=1050.0, maintenance_margin=122.0, cushion=928.0,
            )
        )  # fmt: skip
        rows.append(
            Sample(
                at_ms=at_ms, account="main", wallet=WALLET, symbol="BTCUSDT", side="LONG", source="stream",
                level=now, margin_ratio=None, room=None, distance=0.02 + 0.001 * ago, joint_distance=None,
                mark=60_000.0, liquidation_price=59_000.0, margin_balance=None, maintenance_margin=122.0,
                cushion=None,
            )
        )  # fmt: skip
    return rows


async def write(path: Path, clock: ManualClock, rows: list[Sample]) -> None:
    """Make history.db of rows."""
    settings = HistorySettings(keep_raw_s=1e10, keep_minutes_s=1e10)
    history = SqliteHistory(path, clock, settings, lambda *_: None)
    history.record(rows)
    history.finish()
    await history.run()
    await history.close()


def a_notice(key: str = "k1", *, level: Level = Level.WARNING, **facts: object) -> Notice:
    """Return a notice about the wallet of ``samples``."""
    known: dict[str, object] = {
        "account": "main", "wallet": WALLET, "symbol": "BTCUSDT", "side": "LONG", "positions": 1,
        "margin_ratio": 0.82, "distance": 0.021, "joint_distance": 0.019,
    }  # fmt: skip
    return Notice(
        key=key, channel="tg", subject=f"main/{WALLET}", kind=NoticeKind.ALERT, level=level, previous=Level.OK,
        decided_ms=NOW_MS, incident=1, facts=Facts(**(known | facts)),  # type: ignore[arg-type]  # real fields
    )  # fmt: skip
