"""[brackets.SYMBOL], and the table each held symbol gets."""

import pytest

from monitor.config import Settings, load_text
from monitor.core.model import Bracket, BracketTable
from monitor.errors import ConfigError

POSITION = """
[[accounts]]
name = "main"
[[accounts.positions]]
symbol = "{symbol}"
side = "LONG"
quantity = 0.5
entry_price = 62000
margin_mode = "isolated"
margin = 1550
"""


def loaded(symbol: str, rest: str = "") -> Settings:
    return load_text(POSITION.format(symbol=symbol) + rest, "test.toml")


def bracket_warnings(settings: Settings) -> list[str]:
    return [text for text in settings.warnings if "brackets" in text]


def test_the_shipped_table_stands_in() -> None:
    """Without a table of one's own the shipped one is used and says so."""
    settings = loaded("BTCUSDT", '[exchange]\nenvironment = "live"\n')
    (table,) = settings.tables
    assert table.label == "shipped 2026-09-29"
    assert table.brackets[0] == Bracket(0, 300000, 0.004, 0, 150)
    assert bracket_warnings(settings) == []


def test_on_the_testnet_the_shipped_figures_are_warned_about() -> None:
    """The testnet has other tiers, so its liquidation prices differ."""
    (warning,) = bracket_warnings(loaded("BTCUSDT"))
    assert warning.startswith("the brackets of BTCUSDT are shipped 2026-09-29")


def test_a_table_of_ones_own_wins() -> None:
    """It is used without a warning, for symbols nobody ships as well."""
    settings = loaded("XXXUSDT", "[brackets.XXXUSDT]\nrows = [[0, 100000, 0.01, 0]]\n")
    assert settings.tables == (BracketTable("XXXUSDT", (Bracket(0.0, 100000.0, 0.01, 0.0),), "config", ""),)
    assert bracket_warnings(settings) == []


def test_a_table_nobody_uses_is_warned_about() -> None:
    """A misspelled symbol would otherwise leave the shipped figures in force, unnoticed."""
    rows = "rows = [[0, 1000, 0.01, 0]]\n"
    settings = loaded(
        "BTCUSDT", f'[exchange]\nenvironment = "live"\n[brackets.BTCUDST]\n{rows}[brackets."龙虾USDC"]\n{rows}'
    )
    assert bracket_warnings(settings) == [
        'brackets.BTCUDST is not used: no position holds BTCUDST (did you mean "BTCUSDT"?)',
        'brackets."龙虾USDC" is not used: no position holds 龙虾USDC',
    ]


def test_tables_for_accounts_with_keys_are_kept() -> None:
    """What such an account will hold is not known here, so every table of the file may be meant."""
    keyed = '[[accounts]]\nname = "keyed"\napi_key = { env = "A" }\napi_secret = { env = "B" }\n'
    settings = loaded("BTCUSDT", f"[brackets.ETHUSDT]\nrows = [[0, 1000, 0.01, 0]]\n{keyed}")
    own = (BracketTable("ETHUSDT", (Bracket(0.0, 1000.0, 0.01, 0.0),)),)
    assert settings.own_tables == own
    assert [table.symbol for table in settings.tables] == ["BTCUSDT"]
    assert not any("not used" in text for text in settings.warnings)
    assert loaded("BTCUSDT", "[brackets.ETHUSDT]\nrows = [[0, 1000, 0.01, 0]]\n").own_tables == own


def test_a_rate_that_looks_like_percent_is_warned_about() -> None:
    """Between a half and one it is a fraction that no exchange asks for; above one it is refused elsewhere."""
    settings = loaded("XXXUSDT", "[brackets.XXXUSDT]\nrows = [[0, 1000, 0.4, 0], [1000, 2000, 0.65, 250]]\n")
    (warning,) = (text for text in settings.warnings if "maintenance margin rate" in text)
    assert warning == (
        "brackets.XXXUSDT.rows[1]: a maintenance margin rate of 0.65 is 65 % of the notional; if 0.65 % is meant,"
        " write 0.0065"
    )


def test_a_symbol_nobody_knows_is_told_both_ways_out() -> None:
    """The place, the way to give a table, and the shipped ones; no suggestion where nothing is near."""
    with pytest.raises(ConfigError) as caught:
        loaded("QQQQQQQQWWWW")
    (problem,) = caught.value.problems
    assert problem.path == "accounts[0].positions[0].symbol"
    assert problem.hint.startswith("give them as [brackets.QQQQQQQQWWWW] rows = [[floor, cap, mmr, cum], ...]")
    assert "907 symbols shipped" in problem.hint


def test_a_broken_table_is_not_also_called_missing() -> None:
    """One mistake, one problem; several faults of a table are all told."""
    with pytest.raises(ConfigError) as caught:
        loaded("XXXUSDT", "[brackets.XXXUSDT]\nrows = [[1, 1000, 0.01, 0], [1000, 500, 0.02, 10]]\n")
    assert [p.path for p in caught.value.problems] == ["brackets.XXXUSDT.rows[0]", "brackets.XXXUSDT.rows[1]"]
