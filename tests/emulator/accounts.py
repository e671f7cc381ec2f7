"""Accounts of every sort on one small exchange."""

from decimal import Decimal
from typing import Any

from monitor.emulator.brackets import Brackets
from monitor.emulator.collateral import Collateral
from monitor.emulator.credentials import Credentials
from monitor.emulator.ledger import Account
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import Scenario

Json = Any

ROWS = ((0, 50_000, "0.004", 0, 125), (50_000, 250_000, "0.005", 50, 100), (250_000, 1_000_000, "0.01", 1_300, 50))
COIN_ROWS = ((0, 5, "0.004", 0, 125), (5, 10, "0.005", "0.005", 100), (10, 20, "0.01", "0.055", 50))


def still(price: str) -> PricePath:
    return PricePath(((0.0, Decimal(price)),))


def contract(symbol: str, base: str, price: str, quote: str = "USDT") -> Instrument:
    return Instrument(symbol, base, still(price), Brackets.from_rows(symbol, ROWS), quote=quote)


def coin_contract(symbol: str, base: str, price: str) -> Instrument:
    return Instrument(symbol, base, still(price), Brackets.from_rows(symbol, COIN_ROWS), quote="USD", kind="coinm")


def own(key: str) -> Credentials:
    return Credentials(key, "secret")


def account_scenario() -> Scenario:
    """Return an exchange where prices stand still, and four accounts without positions."""
    return Scenario(
        instruments=(
            contract("BTCUSDT", "BTC", "60000"),
            contract("ETHUSDT", "ETH", "3000"),
            contract("ETHUSDC", "ETH", "3000", "USDC"),
            coin_contract("BTCUSD_PERP", "BTC", "60000"),
            coin_contract("ETHUSD_PERP", "ETH", "3000"),
        ),
        accounts=(
            Account("main", {"USDT": Decimal(10_000)}, (), credentials=own("key")),
            Account("hedge", {"USDT": Decimal(10_000)}, (), hedge_mode=True, credentials=own("hedge-key")),
            Account(
                "multi",
                {"USDT": Decimal(5_000), "USDC": Decimal(2_000), "BTC": Decimal("0.1")},
                (),
                multi_assets=True,
                credentials=own("multi-key"),
            ),
            Account("coin", {"BTC": Decimal(1)}, (), market="coinm", credentials=own("key")),
        ),
        assets=(
            Collateral("USDT", still("0.99"), Decimal("0.01"), Decimal("0.005")),
            Collateral("BTC", still("60000"), Decimal("0.05"), Decimal("0.05")),
        ),
    )
