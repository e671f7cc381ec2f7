"""Indices of collateral: rates, rows and streams."""

import json
from decimal import Decimal
from pathlib import Path

from monitor.emulator.collateral import PAR, Collateral
from monitor.emulator.market import Market
from monitor.emulator.prices import PricePath
from tests.emulator.accounts import account_scenario, still
from tests.emulator.conftest import Connect, Start, silent

D = Decimal
ADA = Collateral("ADA", still("0.27462452"), D("0.1"), D("0.1"))


def test_the_published_rates() -> None:
    """USDT at 0.99 with buffers of 1 % and 0.5 %; owned it counts the bid, owed the ask."""
    rate = Collateral("USDT", still("0.99"), D("0.01"), D("0.005")).rate(D("0.99"))
    assert (rate.bid, rate.ask) == (D("0.9801"), D("0.99495"))
    assert (rate.worth(D(100)), rate.worth(D(-100))) == (D("98.01"), D("-99.495"))
    assert PAR.worth(D(7)) == 7


def test_rows_are_spelled_like_the_exchange_s(shared: Path) -> None:
    """The documented fields, of the documented types; the examples come out, up to their hidden digits."""
    (example,) = json.loads((shared / "payloads/usdm/streams/asset_index.json").read_text())
    event = ADA.stream_row(D("0.27462452"), 1686749230000)
    assert set(event) == set(example)
    assert (event["e"], event["E"], event["s"]) == (example["e"], example["E"], example["s"])
    assert all(abs(D(event[name]) - D(example[name])) <= D("1e-8") for name in "ibaBAqgQG")
    rest = json.loads((shared / "payloads/usdm/rest/asset_index.json").read_text())
    row = ADA.rest_row(D("1.92957370"), 1635740268004)
    assert {key: type(value) for key, value in row.items()} == {key: type(value) for key, value in rest.items()}
    assert (row["bidRate"], row["autoExchangeAskRate"]) == (rest["bidRate"], rest["autoExchangeAskRate"])


async def test_indices_are_pushed_on_every_tick(start: Start, connect: Connect) -> None:
    """All in one array, or one asset's; a scripted or a set index shows at the next tick."""
    emulator = await start(account_scenario())
    every = await connect(f"{emulator.base_market_ws}/ws/!assetIndex@arr")
    one = await connect(f"{emulator.base_market_ws}/ws/btcusd@assetIndex")
    await emulator.step()
    rows = await every.receive_json(timeout=60)
    assert [(row["s"], row["B"]) for row in rows] == [("USDTUSD", "0.98010000"), ("BTCUSD", "57000.00000000")]
    assert await one.receive_json(timeout=60) == rows[1]
    emulator.market.set_index("BTC", 50_000)
    await emulator.step()
    assert (await one.receive_json(timeout=60))["i"] == "50000.00000000"
    nothing = await connect(f"{emulator.base_market_ws}/ws/nousd@assetIndex")
    await emulator.step()
    assert await silent(nothing)


def test_an_index_follows_its_path() -> None:
    """Rates come from the index of the newest tick."""
    asset = Collateral("BTC", PricePath(((0.0, D(100)), (10.0, D(200)))), D("0.1"), D("0.1"))
    market = Market((), assets=(asset,))
    market.tick(0)
    market.tick(5_000)
    assert (market.indices["BTC"], market.rates["BTC"].bid) == (D(150), D(135))
