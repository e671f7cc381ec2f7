"""docs/faults.md: what stands between its markers is written by the run that measured it, and by nothing else."""

import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from monitor import __version__
from monitor.system_clock import SystemClock
from tests.faults.play import Outcome
from tests.faults.rows import Row

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"
_BEGIN, _END = "<!-- faults -->", "<!-- /faults -->"
_HEAD = (
    "| What goes wrong | noticed | said | well again | emergency | lost | sent |",
    "|---|--:|--:|--:|--:|--:|--:|",
)
_ROW = re.compile(r"^\| `([^`]+)` .*\| (\d+) \| (\d+) \|$", re.MULTILINE)
_SIGNS = {
    "blind": "BLIND", "account": "ACCOUNT", "stream": "STREAM", "storage": "STORAGE", "channel": "CHANNEL",
    "job": "PART", "away": "AWAY", "drift": "DRIFT",
}  # fmt: skip


def renew(rows: Sequence[Row], outcomes: Mapping[str, Outcome], *, factor: float) -> None:
    """Write what was measured into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    found = "\n".join([*_made(rows, outcomes, factor), *_tables(rows, outcomes)])
    DOCUMENT.write_text(f"{before}{_BEGIN}\n\n{found}\n{_END}{after}", encoding="utf-8")


def written() -> dict[str, int]:
    """Return the rows of the document by name, with the alerts each lost."""
    return {name: int(lost) for name, lost, _ in _ROW.findall(DOCUMENT.read_text(encoding="utf-8"))}


def _made(rows: Sequence[Row], outcomes: Mapping[str, Outcome], factor: float) -> Iterator[str]:
    day = datetime.fromtimestamp(SystemClock().wall_ms() / 1000, UTC).date().isoformat()
    found = [outcomes[row.name] for row in rows]
    lost = sum(len(one.lost) for one in found)
    slowest = max(one.lag_s for one in found)
    yield f"**{len(rows)} rows, {lost} alerts lost.**"
    yield (
        f"Made by `make faults` on {day} with version {__version__}, Python {platform.python_version()} on "
        f"{platform.system()} with {os.cpu_count()} processors, {factor:g} times faster than life; times are "
        f"seconds as they pass in life. The machine itself was late by {slowest:.1f} s at most, which is part of "
        "what was measured."
    )
    yield ""


def _tables(rows: Sequence[Row], outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    for group in dict.fromkeys(row.group for row in rows):
        yield f"### {group}"
        yield ""
        yield from _HEAD
        for row in rows:
            if row.group == group:
                yield _line(row, outcomes[row.name])
        yield ""


def _line(row: Row, one: Outcome) -> str:
    sign = f" {_SIGNS.get(one.sign, one.sign.upper())}" if one.sign else ""
    cells = (
        f"`{row.name}` {row.does}",
        _seconds(one.noticed_s),
        _seconds(one.told_s) + sign,
        _seconds(one.recovered_s),
        _seconds(one.late_s),
        str(len(one.lost)),
        str(one.messages),
    )
    return f"| {' | '.join(cells)} |"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{max(value, 0.0):.1f}"
