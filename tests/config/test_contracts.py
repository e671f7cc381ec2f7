"""Coin-margined contracts: what their symbols tell, and what one contract is worth."""

import datetime as dt

import pytest

from monitor.config import Settings, load_text, shipped_contract_size
from monitor.config.contracts import coin_of, is_over
from monitor.core.model import Lot
from monitor.core.settings import AdviceRules

TEXT = """
[[accounts]]
name = "coins"
market = "coinm"
balances = {{ ETH = 5 }}
[[accounts.positions]]
symbol = "{symbol}"
side = "LONG"
quantity = 3
entry_price = 2900
margin_mode = "cross"
margin_asset = "ETH"
[brackets.{symbol}]
rows = [[0, 100, 0.01, 0]]
"""


def loaded(symbol: str, rest: str = "") -> Settings:
    return load_text(TEXT.format(symbol=symbol) + rest, "test.toml")


def size_of(settings: Settings) -> float:
    return settings.accounts[0].positions[0].contract_size


@pytest.mark.parametrize(
    ("symbol", "coin"),
    [
        ("BTCUSD_PERP", "BTC"),
        ("ETHUSD_261225", "ETH"),
        ("1INCHUSD_PERP", "1INCH"),
        ("BTCUSDT", None),
        ("BTCUSDT_261225", None),
        ("BTCUSD", None),
        ("BTCUSD_26122", None),
        ("USD_PERP", None),
    ],
)
def test_the_coin_by_the_symbol(symbol: str, coin: str | None) -> None:
    """Perpetual and delivery contracts name their coin; USD-margined symbols, of delivery too, do not."""
    assert coin_of(symbol) == coin


@pytest.mark.parametrize(
    ("symbol", "size"), [("BTCUSD_PERP", 100.0), ("BTCUSD_261225", 100.0), ("ETHUSD_PERP", 10.0)]
)
def test_the_shipped_sizes(symbol: str, size: float) -> None:
    """A hundred dollars of BTC, ten of everything else."""
    assert shipped_contract_size(symbol) == size
    assert size_of(loaded(symbol)) == size


def test_a_size_of_ones_own_wins() -> None:
    """It is used, and only for its symbol; one that is not the exchange's is warned of."""
    settings = loaded("BTCUSD_PERP", "[contracts.BTCUSD_PERP]\nsize = 50\n")
    assert size_of(settings) == 50.0
    (warning,) = [text for text in settings.warnings if "contracts" in text]
    assert warning == (
        "contracts.BTCUSD_PERP.size = 50, and a contract is of 100 US dollars at the exchange as of 2026-05-28:"
        " leave it out, unless that has changed since"
    )
    settings = loaded("BTCUSD_PERP", "[contracts.BTCUSD_PERP]\nsize = 100\n")
    assert [text for text in settings.warnings if "contracts" in text] == []
    assert size_of(loaded("BTCUSD_261225", "[contracts.BTCUSD_PERP]\nsize = 50\n")) == 100.0


@pytest.mark.parametrize(
    ("symbol", "over"),
    [
        ("BTCUSD_261225", False), ("BTCUSD_261201", True), ("BTCUSD_261202", False), ("BTCUSDT_250627", True),
        ("BTCUSD_991231", False), ("BTCUSD_261325", True), ("BTCUSD_PERP", False), ("BTCUSDT", False),
    ],
)  # fmt: skip
def test_a_contract_ends_on_the_day_of_its_name(symbol: str, *, over: bool) -> None:
    """At eight in the morning, UTC; one of a day that there is not cannot be held at all. Others never end."""
    eight = int(dt.datetime(2026, 12, 1, 8, tzinfo=dt.UTC).timestamp() * 1000)
    assert is_over(symbol, eight) is over
    assert not is_over("BTCUSD_261201", eight - 1)


def test_a_size_nobody_uses_is_warned_about() -> None:
    """A misspelled symbol would otherwise leave the shipped rule in force, unnoticed."""
    settings = loaded("ETHUSD_PERP", "[contracts.ETHUSD_261225]\nsize = 50\n")
    assert "contracts.ETHUSD_261225 is not used: no typed-in position holds ETHUSD_261225" in settings.warnings


KEYED = """
[[accounts]]
name = "main"
api_key = { env = "KEY" }
api_secret = { env = "SECRET" }
"""


def test_quantities_of_orders_are_typed_in_for_any_market() -> None:
    """A step alone is the least quantity too; contracts are counted whole where only the least is said."""
    steps = "[contracts.BTCUSD_PERP]\nleast_quantity = 5\n[contracts.BTCUSDT]\nstep = 0.001\n"
    steps += "[contracts.ETHUSDT]\nstep = 0.01\nleast_quantity = 0.02\n"
    settings = loaded("BTCUSD_PERP", steps)
    assert settings.engine.lots == {
        "BTCUSD_PERP": Lot(1.0, 5.0), "BTCUSDT": Lot(0.001, 0.001), "ETHUSDT": Lot(0.01, 0.02)
    }  # fmt: skip
    assert size_of(settings) == 100.0


def test_quantities_nobody_uses_are_warned_about() -> None:
    """Unless an account is followed by its key: that may hold any symbol."""
    typed = "[contracts.BTCUSDT]\nstep = 0.001\n"
    unused = "contracts.BTCUSDT is not used: no typed-in position holds BTCUSDT"
    assert unused in loaded("BTCUSD_PERP", typed).warnings
    assert unused not in loaded("BTCUSD_PERP", typed + KEYED).warnings


def test_what_reducing_costs() -> None:
    """By default a taker's fee and as much slippage; both can be said, and be nothing."""
    assert loaded("BTCUSD_PERP").engine.advice == AdviceRules(0.0005, 0.0005)
    assert loaded("BTCUSD_PERP", "[advice]\ntaker_fee = 0.0004\nslippage = 0\n").engine.advice == AdviceRules(
        0.0004, 0.0
    )
