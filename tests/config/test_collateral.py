"""[collateral.ASSET]: what assets count in a typed-in account in multi-assets mode."""

import pytest

from monitor.config import Settings, load_text
from monitor.config.collateral import QUOTE_ASSETS
from monitor.core import layout
from monitor.core.model import PAR, AssetRate, MarginMode
from monitor.errors import ConfigError

TEXT = """
[[accounts]]
name = "main"
multi_assets = true
balances = { USDT = 200, USDC = 220 }
[[accounts.positions]]
symbol = "BTCUSDT"
side = "LONG"
quantity = 0.5
entry_price = 20000
margin_mode = "cross"
[[accounts.positions]]
symbol = "ETHFDUSD"
side = "LONG"
quantity = 20
entry_price = 600
margin_mode = "cross"
[brackets.ETHFDUSD]
rows = [[0, 100000, 0.01, 0]]
[collateral.USDT]
index = 0.99
bid_buffer = 0.01
ask_buffer = 0.005
"""


def rate_warnings(settings: Settings) -> list[str]:
    return [text for text in settings.warnings if "[collateral" in text or text.startswith("collateral")]


def test_an_asset_counts_less_as_what_is_owned_and_more_as_what_is_required() -> None:
    """The exchange's published example: 0.99 with buffers of 1 % and 0.5 % is 0.9801 and 0.99495."""
    (account,) = load_text(TEXT, "test.toml").accounts
    assert account.multi_assets
    rate = account.rates["USDT"]
    assert rate.bid == pytest.approx(0.9801, rel=1e-15)
    assert rate.ask == pytest.approx(0.99495, rel=1e-15)
    assert rate.fixed


def test_one_wallet_backs_everything() -> None:
    """A position's own asset needs no balance; every asset of the account has a rate, that of positions too."""
    (account,) = load_text(TEXT, "test.toml").accounts
    assert account.balances == {"USDT": 200.0, "USDC": 220.0}
    assert {position.margin_mode for position in account.positions} == {MarginMode.CROSS}
    assert account.rates == {"USDT": account.rates["USDT"], "USDC": PAR, "FDUSD": PAR}


def test_assets_at_par_are_warned_about() -> None:
    """Contracts' quote assets count as a dollar where no rate is given, and that is said."""
    (warning,) = rate_warnings(load_text(TEXT, "test.toml"))
    assert warning == (
        "USDC, FDUSD counted as exactly one dollar in multi-assets mode: give the exchange's rates as"
        " [collateral.USDC] index = 0.99, bid_buffer = 0.01, ask_buffer = 0.005"
    )


def test_no_buffer_is_no_mistake() -> None:
    """Zero is written out: bid and ask are the index."""
    (account,) = load_text(TEXT.replace("0.01\nask_buffer = 0.005", "0\nask_buffer = 0"), "x").accounts
    assert account.rates["USDT"] == AssetRate(0.99, 0.99, fixed=True)


def test_other_assets_need_a_rate() -> None:
    """A coin is never worth a dollar; each place that names one without a rate is told."""
    with pytest.raises(ConfigError) as caught:
        load_text(TEXT.replace("USDC = 220", "BTC = 1, ETH = 2"), "x")
    assert [problem.path for problem in caught.value.problems] == [
        "accounts[0].balances.BTC",
        "accounts[0].balances.ETH",
    ]


def test_a_broken_rate_is_not_also_called_missing() -> None:
    """One mistake, one problem."""
    text = TEXT.replace("USDC = 220", "BTC = 1") + "[collateral.BTC]\nindex = -1\nbid_buffer = 0\nask_buffer = 0\n"
    with pytest.raises(ConfigError) as caught:
        load_text(text, "x")
    assert [problem.path for problem in caught.value.problems] == ["collateral.BTC.index"]


def test_a_rate_nobody_uses_is_warned_about() -> None:
    """Outside of multi-assets mode no asset is converted; then no rate is in the snapshot either."""
    text = TEXT.replace("multi_assets = true", "").replace("USDC = 220", "FDUSD = 220")
    settings = load_text(text, "x")
    assert rate_warnings(settings) == [
        "collateral.USDT is not used: no typed-in account in multi-assets mode has USDT"
    ]
    assert settings.accounts[0].rates == {}


def test_quote_assets_are_the_cores() -> None:
    """What counts at par here is what the core does not move with the market."""
    assert frozenset(QUOTE_ASSETS) == layout.QUOTE_ASSETS
