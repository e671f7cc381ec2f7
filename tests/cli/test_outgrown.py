"""Commands that show liquidation prices say where tiers end before them: what is typed in may be cut short."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.root import app

COINS = """
[[accounts]]
name = "coins"
market = "coinm"
[[accounts.positions]]
symbol = "BTCUSD_PERP"
side = "LONG"
quantity = 200
entry_price = 62000
margin_mode = "isolated"
margin = 0.05
[brackets.BTCUSD_PERP]
rows = [[0, {cap}, 0.004, 0]]
"""
WORDS = "brackets.BTCUSD_PERP.rows end at 0.33 BTC, and the LONG of coins is worth 0.3711 BTC at 53894.4"


def called(tmp_path: Path, *words: str, cap: float = 0.33, mark: float = 61000.0) -> Result:
    path = tmp_path / "config.toml"
    path.write_text(COINS.format(cap=cap))
    marks = [] if words[0] == "check-config" else ["--mark", f"BTCUSD_PERP={mark}"]
    result = CliRunner().invoke(app, [*words, "--config", str(path), *marks], env={"COLUMNS": "400"})
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("words", [["check-config"], ["assess"], ["explain", "BTCUSD_PERP"]])
def test_tiers_that_end_before_liquidation_are_said_to(tmp_path: Path, words: list[str]) -> None:
    """By all that show it or judge what it comes of; with tiers that reach it nobody says a word."""
    assert WORDS in called(tmp_path, *words).output
    assert "rows end at" not in called(tmp_path, *words, cap=0.38).output


def test_programs_are_told_with_figures(tmp_path: Path) -> None:
    """The liquidation price, or the mark where it is beyond its tiers already; nothing where it is not."""
    document: dict[str, Any] = json.loads(called(tmp_path, "assess", "--json").stdout)
    (one,) = document["outgrown_brackets"]
    assert (one["symbol"], one["last_cap"], one["liquidated"], one["brackets"]) == (
        "BTCUSD_PERP", 0.33, True, "config"
    )  # fmt: skip
    assert one["price"] == document["positions"][0]["liquidation_price"]
    (one,) = json.loads(called(tmp_path, "assess", "--json", mark=57000.0).stdout)["outgrown_brackets"]
    assert (one["liquidated"], one["price"]) == (False, 57000.0)
    assert "outgrown_brackets" not in json.loads(called(tmp_path, "assess", "--json", cap=0.38).stdout)
    (explained,) = json.loads(called(tmp_path, "explain", "BTCUSD_PERP", "--json").stdout)
    (step,) = [step for step in explained["steps"] if step["name"] == "beyond the tiers"]
    assert (round(step["value"], 4), step["unit"]) == (0.3711, "BTC")
