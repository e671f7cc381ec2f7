"""The figures that come with the program."""

import json
from pathlib import Path

import msgspec

from monitor.config import shipped_tables
from monitor.core.brackets import table_faults


def test_every_shipped_table_is_sound() -> None:
    """All 907 tables keep the rules and carry their origin and date."""
    tables = shipped_tables()
    assert len(tables) == 907
    for symbol, table in tables.items():
        rows = [[b.floor, b.cap, b.mmr, b.cum, b.leverage or 0.0] for b in table.brackets]
        assert table_faults(symbol, rows) == ()
        assert table.symbol == symbol
        assert table.label == "shipped 2026-09-29"


def test_they_are_read_once() -> None:
    """Asking again costs nothing."""
    assert shipped_tables() is shipped_tables()


def test_they_equal_the_published_figures(shared: Path) -> None:
    """No figure was changed on the way into the package."""
    document = json.loads((shared / "data" / "usdm-brackets-2026-09-29.json").read_text(encoding="utf-8"))
    ours = {s: [list(msgspec.structs.astuple(b)) for b in t.brackets] for s, t in shipped_tables().items()}
    assert ours == document["symbols"]
