"""What quantities an order at market may have is what both of the exchange's filters allow."""

import json
from pathlib import Path
from typing import Any

import pytest

from monitor.binance.lots import lots_of
from monitor.binance.rest_wire import LeftOut, exchange_info
from monitor.core.model import Lot, Market

PAYLOADS = Path(__file__).parents[3] / "shared" / "payloads"


def info(*filters: object, **contract: object) -> bytes:
    row: dict[str, Any] = {
        "symbol": "BTCUSDT", "marginAsset": "USDT", "baseAsset": "BTC", "quoteAsset": "USDT",
        "contractType": "PERPETUAL", "filters": list(filters),
    }  # fmt: skip
    return json.dumps({"rateLimits": [], "symbols": [row | contract]}).encode()


def lot(body: bytes, market: Market = Market.USDM) -> Lot | None:
    return lots_of(exchange_info(body, "exchangeInfo"), market).get("BTCUSDT")


def rule(kind: str, step: object, least: object) -> dict[str, object]:
    return {"filterType": kind, "stepSize": step, "minQty": least, "maxQty": "1000"}


LOT = rule("LOT_SIZE", "0.001", "0.002")


def test_the_coarser_step_and_the_larger_minimum_count() -> None:
    """An order at market is held to both; a filter that says 0 asks for nothing."""
    assert lot(info(LOT)) == Lot(0.001, 0.002)
    assert lot(info(LOT, rule("MARKET_LOT_SIZE", "0.01", "0.001"))) == Lot(0.01, 0.002)
    assert lot(info(rule("MARKET_LOT_SIZE", "0.0001", "0.05"), LOT)) == Lot(0.001, 0.05)
    assert lot(info(LOT, rule("MARKET_LOT_SIZE", "0", "0.00000000"))) == Lot(0.001, 0.002)
    assert lot(info(LOT, rule("PRICE_FILTER", "5", "5"))) == Lot(0.001, 0.002)


@pytest.mark.parametrize("step", ["NaN", "Infinity", "-0.001", "0", "1e400", "", "a", None, True, [], {}])
def test_a_step_that_cannot_be_believed_is_none(step: object) -> None:
    """Then amounts are not rounded, which is said; a wrong step would make orders that are refused."""
    assert lot(info(rule("LOT_SIZE", step, "0.002"))) is None
    assert lot(info(rule("LOT_SIZE", step, "0.002"), rule("MARKET_LOT_SIZE", "0.01", "0.01"))) == Lot(0.01, 0.01)


@pytest.mark.parametrize(
    "filters", [None, 5, "x", True, {}, {"stepSize": "1"}, [None], [5, [], "x"], [{}], [[LOT]]]
)
def test_damaged_filters_cost_no_contract(filters: object) -> None:
    """Positions are followed by the same reply: nothing of that hangs on how orders may be."""
    body = info(filters=filters)
    left: list[LeftOut] = []
    assert [row.symbol for row in exchange_info(body, "exchangeInfo", left.append).symbols] == ["BTCUSDT"]
    assert left == []
    assert lot(body) is None


def test_contracts_are_whole() -> None:
    """Coin-margined quantities are contracts, whatever a filter says, or none does."""
    assert lot(info(), Market.COINM) == Lot(1.0, 1.0)
    assert lot(info(rule("LOT_SIZE", "0.1", "0.1")), Market.COINM) == Lot(1.0, 1.0)
    assert lot(info(rule("LOT_SIZE", "2", "4")), Market.COINM) == Lot(2.0, 4.0)


@pytest.mark.parametrize("market", list(Market))
def test_published_rules_are_read(market: Market) -> None:
    """As the exchange documents them, every rule in one object: there is a reply with filters at all."""
    path = PAYLOADS / market.value / "rest" / "exchange_information.json"
    if not path.is_file():
        pytest.skip("no payloads here")
    found = exchange_info(path.read_bytes(), "exchangeInfo")
    assert all(isinstance(row.filters, tuple) and row.filters for row in found.symbols)
