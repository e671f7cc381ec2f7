"""``status`` and ``history`` say what was looked up afterwards."""

import datetime as dt
import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from monitor.cli.status import decoded, print_status
from monitor.core.model import Level
from monitor.core.notices import WorstAway
from monitor.status import AwayView
from monitor.system_clock import SystemClock
from tests.cli.made import NOW_MS, state
from tests.cli.test_history import CONFIG, record, run, samples

WORST = WorstAway(
    "main/isolated:BTCUSDT:LONG", Level.CRITICAL, NOW_MS, "BTCUSDT", "LONG", 59_700.0, 59_136.5, 0.0094, 0.0094,
    0.42, 0.19,
)  # fmt: skip
VIEW = AwayView(
    NOW_MS - 2_220_000, NOW_MS, restarted=True, symbols=2, worst=WORST, wallets=1, unknown=("ETHUSDT",), rows=82
)


def printed(view: AwayView | None) -> str:
    out = Console(width=200, file=io.StringIO())
    print_status(state(away=view), out, dt.UTC)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_status_says_what_the_last_time_away_was_like() -> None:
    """When, why, how near it came, what is not known; and what is still being done about it."""
    assert (
        "Away 2026-05-28 19:49:40+00:00 to 2026-05-28 20:26:40+00:00 (37 min, nothing ran); worst critical, "
        "main/isolated:BTCUSDT:LONG, BTCUSDT 0.94 % from liquidation; not known: ETHUSDT; 82 rows recorded."
    ) in printed(VIEW).replace("\n", " ")
    busy = msgspec.structs.replace(VIEW, worst=None, doing="asked for 1 of 2 symbols", rows=0, restarted=False)
    assert "marks did not arrive); being looked at: asked for 1 of 2 symbols;" in printed(busy)
    assert "nothing could be judged" in printed(msgspec.structs.replace(VIEW, worst=None))
    assert "margin used up" in printed(msgspec.structs.replace(VIEW, worst=_used_up()))
    assert "Away" not in printed(None)


def _used_up() -> WorstAway:
    return msgspec.structs.replace(WORST, liquidatable=True, margin_ratio=None, distance=0.0)


def test_programs_get_the_same() -> None:
    """The daemon's answer survives its way through JSON."""
    whole = state(away=VIEW)
    assert decoded(msgspec.json.decode(msgspec.json.encode(whole))).away == VIEW


@pytest.mark.parametrize("filled", [0, 3])
async def test_history_says_which_rows_were_looked_up_afterwards(tmp_path: Path, filled: int) -> None:
    """A column of sources, where there is room for it, only where not all were seen."""
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(folder=tmp_path))
    rows = [row for row in samples(SystemClock().wall_ms()) if row.account == "main"]
    rows = [row._replace(source="backfill") for row in rows[: 2 * filled]] + rows[2 * filled :]
    await record(tmp_path / "history.db", rows)
    text = run(config, "--limit", "100").stdout
    assert ("3 of these were looked up afterwards: nobody watched then." in text.splitlines()) is bool(filled)
    assert '"source": "backfill"' in run(config, "--json").stdout or not filled
