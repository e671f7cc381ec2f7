"""A liquidation price that no price reaches is none for people; programs have it as the formulas do."""

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.root import app
from monitor.cli.tables import position_table
from monitor.core.report import PositionView
from monitor.notify.reach import BEYOND, MOST_TIMES, within_reach

HEDGE = """
[[accounts]]
name = "h"
balances = {{ USDT = {usdt} }}
[[accounts.positions]]
symbol = "BTCUSDT"
side = "LONG"
quantity = {long}
entry_price = 62000.0
margin_mode = "cross"
[[accounts.positions]]
symbol = "BTCUSDT"
side = "SHORT"
quantity = 0.20001
entry_price = 61000.0
margin_mode = "cross"
"""


def shown(tmp_path: Path, command: str, *more: str, usdt: float = 2000.0, long: float = 0.6) -> Result:
    path = tmp_path / "config.toml"
    path.write_text(HEDGE.format(usdt=usdt, long=long))
    return CliRunner().invoke(app, [*command.split(), "--config", str(path), "--mark", "BTCUSDT=60000", *more])


@pytest.mark.parametrize(
    ("price", "mark", "seen"),
    [
        (None, 1.0, None), (59000.0, 60000.0, 59000.0), (MOST_TIMES * 2.0, 2.0, MOST_TIMES * 2.0),
        (math.nextafter(MOST_TIMES * 2.0, math.inf), 2.0, None), (5.6e13, 60000.0, None), (5.6e13, None, 5.6e13),
    ],
)  # fmt: skip
def test_beyond_ten_thousand_times_the_mark_there_is_none(
    price: float | None, mark: float | None, seen: float | None
) -> None:
    """Without a mark nothing is far."""
    assert within_reach(price, mark) == seen


def test_explain_says_that_no_price_could_reach_the_other_root(tmp_path: Path) -> None:
    """With sixty trillion nobody can do anything; the nearer one stands as ever."""
    (long, _) = json.loads(shown(tmp_path, "explain BTCUSDT", "--json").stdout)
    steps = {step["name"]: step for step in long["steps"]}
    assert (steps["liquidation the other way"]["arithmetic"], steps["liquidation the other way"]["value"]) == (
        BEYOND, None,
    )  # fmt: skip
    assert steps["liquidation price"]["value"] == pytest.approx(57963.639, abs=0.01)
    assert "60000" in steps["distance"]["arithmetic"]


def test_tables_show_none_and_programs_the_figure() -> None:
    """And no distance, which would be in trillions of percent."""
    view = PositionView("h", "cross:USDT", "BTCUSDT", "SHORT", 1.0, 1.0, 2.0, 2.0, 0.0, 0.1, 5.6e13, 2.8e13, "ok")
    cells = {one.title: str(one.cells[0]) for one in position_table([view], []).chosen(200)}
    assert (cells["liq."], cells["distance"]) == ("none", "-")
