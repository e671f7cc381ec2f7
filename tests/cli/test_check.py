"""``check-config`` beside what loading says of itself: what depends on the day."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli.root import app

QUARTER = """
[[accounts]]
name = "coins"
market = "coinm"
[[accounts.positions]]
symbol = "{symbol}"
side = "LONG"
quantity = 200
entry_price = 62000
margin_mode = "isolated"
margin = 0.05
[brackets.{symbol}]
rows = [[0, 5, 0.004, 0]]
"""


@pytest.mark.parametrize(("symbol", "over"), [("BTCUSD_250627", True), ("BTCUSD_991231", False)])
def test_a_position_in_a_contract_that_was_delivered_is_warned_of(
    tmp_path: Path, symbol: str, *, over: bool
) -> None:
    """No price of it comes any more, so the daemon would be blind for ever; the file is no mistake by that."""
    path = tmp_path / "config.toml"
    path.write_text(QUARTER.format(symbol=symbol))
    result = CliRunner().invoke(app, ["check-config", "--config", str(path), "--json"])
    assert result.exit_code == 0, result.output
    told = [one for one in json.loads(result.stdout)["warnings"] if "delivery is past" in one]
    assert [one.partition(":")[0] for one in told] == [f"coins {symbol}"] * over
