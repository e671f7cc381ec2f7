"""The signed endpoints over real sockets: spelled like the exchange's, and true to the account."""

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from monitor.emulator.brackets import Brackets
from monitor.emulator.credentials import Permissions
from monitor.emulator.server import Emulator
from tests.emulator.accounts import account_scenario
from tests.emulator.conftest import Json, Owner, Start

Own = Callable[..., Owner]

D = Decimal

USDM = {
    "/fapi/v3/account": "account_information_v3",
    "/fapi/v3/balance": "futures_account_balance_v3",
    "/fapi/v3/positionRisk": "position_information_v3",
    "/fapi/v2/positionRisk": "position_information_v2",
    "/fapi/v1/accountConfig": "futures_account_configuration",
    "/fapi/v1/symbolConfig": "symbol_configuration",
    "/fapi/v1/multiAssetsMargin": "get_current_multi_assets_mode",
    "/fapi/v1/positionSide/dual": "get_current_position_mode",
    "/fapi/v1/openOrders": "current_all_open_orders",
    "/fapi/v1/openAlgoOrders": "current_all_algo_open_orders",
    "/fapi/v1/forceOrders": "users_force_orders",
    "/fapi/v1/income": "get_income_history",
    "/fapi/v1/adlQuantile": "position_adl_quantile_estimation",
    "/fapi/v1/assetIndex": "asset_index",
}
COINM = {
    "/dapi/v1/account": "account_information",
    "/dapi/v1/balance": "futures_account_balance",
    "/dapi/v1/positionRisk": "position_information",
    "/dapi/v1/positionSide/dual": "get_current_position_mode",
    "/dapi/v1/openOrders": "current_all_open_orders",
    "/dapi/v1/forceOrders": "users_force_orders",
    "/dapi/v1/income": "get_income_history",
    "/dapi/v1/adlQuantile": "position_adl_quantile_estimation",
    "/dapi/v1/premiumIndex": "index_price_and_mark_price",
    "/dapi/v1/exchangeInfo": "exchange_information",
    "/dapi/v2/leverageBracket": "notional_bracket_for_symbol",
}


async def busy(start: Start) -> Emulator:
    """Return an exchange on which something of everything happened to two accounts."""
    emulator = await start(account_scenario())
    for name, symbol, amount in (("main", "BTCUSDT", "0.1"), ("coin", "BTCUSD_PERP", "100")):
        one = emulator.accounts[name]
        await one.fill(symbol, "BUY", amount)
        await one.liquidate(symbol, "0.5")
        await one.place_order(symbol, "SELL", 1, 70_000, reduce_only=True)
        await one.place_stop(symbol, "SELL", 50_000, close_position=True)
    return emulator


def same(found: Json, example: Json, where: str = "") -> None:
    """Hold an answer to an example: its fields and their types, of lists the first element."""
    if isinstance(example, dict):
        assert set(example) <= set(found), where
        for name, value in example.items():
            same(found[name], value, f"{where}.{name}")
    elif isinstance(example, list):
        if example:
            same(found[0], example[0], f"{where}[]")
    elif found is not None:  # the one null, icebergQuantity, is a text in the example
        kinds = (int, float) if isinstance(example, (int, float)) else (type(example),)
        assert isinstance(found, kinds), where


@pytest.mark.parametrize("path", USDM)
async def test_usdm_is_spelled_like_the_exchange_s(start: Start, owner: Own, shared: Path, path: str) -> None:
    """Every documented field is there, of the documented type."""
    emulator = await busy(start)
    body = await owner(emulator).get(path)
    example = json.loads((shared / f"payloads/usdm/rest/{USDM[path]}.json").read_text())
    same(body[0] if isinstance(body, list) and isinstance(example, dict) else body, example, path)


@pytest.mark.parametrize("path", COINM)
async def test_coinm_is_spelled_like_the_exchange_s(start: Start, owner: Own, shared: Path, path: str) -> None:
    """Every documented field is there, of the documented type."""
    emulator = await busy(start)
    body = await owner(emulator).get(path)
    example = json.loads((shared / f"payloads/coinm/rest/{COINM[path]}.json").read_text())
    if path.endswith("exchangeInfo"):
        del example["symbols"][0]["filters"]  # the example has the fields of all filters in one
    if path.endswith("income"):
        example[0]["tranId"] = 1  # a text in this example, a number in the other
    if path.endswith("leverageBracket"):
        del example[0]["notionalCoef"]  # only of adjusted tiers
    if path.endswith("adlQuantile"):
        del example[0]["adlQuantile"]["HEDGE"]  # only in hedge mode
    same(body, example, path)


async def test_position_risk_is_what_the_figures_say(start: Start, owner: Own) -> None:
    """Amounts with eight decimals at the newest marks; a short is negative; an idle symbol is left out."""
    emulator = await start(account_scenario())
    main = emulator.accounts["main"]
    await main.set_margin_type("ETHUSDT", "isolated")
    await main.fill("ETHUSDT", "SELL", 2, fee=0)
    await main.fill("BTCUSDT", "BUY", "0.1", fee=0)
    emulator.market.set_price("BTCUSDT", "58000")
    eth, btc = await owner(emulator).get("/fapi/v3/positionRisk")
    assert (btc["unRealizedProfit"], btc["maintMargin"], btc["isolatedWallet"]) == (
        "-200.00000000",
        "23.20000000",
        "0",
    )
    assert (eth["positionAmt"], eth["notional"], eth["isolatedMargin"]) == ("-2", "-6000.00000000", "300.00000000")
    by_symbol = {one.position.symbol: one for wallet in emulator.figures() for one in wallet.positions
                 if wallet.account == "main"}  # fmt: skip
    for row in (eth, btc):
        price = by_symbol[row["symbol"]].liquidation_price
        if price is None:
            assert row["liquidationPrice"] == "0"
        else:
            assert abs(D(row["liquidationPrice"]) - price) < D("1e-8")
    assert btc["liquidationPrice"] == "0"  # 9,700 behind a tenth of a coin
    (only,) = await owner(emulator).get("/fapi/v3/positionRisk", symbol="ETHUSDT")
    assert only == eth
    every = await owner(emulator).get("/fapi/v2/positionRisk")
    assert [(row["symbol"], row["marginType"], row["leverage"]) for row in every] == [
        ("BTCUSDT", "cross", "20"), ("ETHUSDT", "isolated", "20"), ("ETHUSDC", "cross", "20"),
    ]  # fmt: skip


async def test_a_symbol_with_an_order_has_a_row(start: Start, owner: Own) -> None:
    """Its amount is 0, its order margin is not; a hedge lists the order's side."""
    emulator = await start(account_scenario())
    await emulator.accounts["hedge"].place_order("BTCUSDT", "BUY", "0.1", 50_000, position_side="LONG")
    (row,) = await owner(emulator, "hedge-key").get("/fapi/v3/positionRisk")
    assert (row["positionSide"], row["positionAmt"], row["openOrderInitialMargin"], row["bidNotional"]) == (
        "LONG", "0", "250.00000000", "5000.00000000",
    )  # fmt: skip


async def test_a_hedge_has_two_rows_and_one_price(start: Start, owner: Own) -> None:
    """LONG and SHORT of a cross pair are liquidated together."""
    emulator = await start(account_scenario())
    hedge = emulator.accounts["hedge"]
    await hedge.fill("BTCUSDT", "BUY", 1, position_side="LONG")
    await hedge.fill("BTCUSDT", "SELL", "0.2", position_side="SHORT")
    one = owner(emulator, "hedge-key")
    long, short = await one.get("/fapi/v3/positionRisk")
    assert long["liquidationPrice"] == short["liquidationPrice"] != "0"
    assert (await one.get("/fapi/v1/positionSide/dual"))["dualSidePosition"] is True
    assert (await one.get("/fapi/v1/adlQuantile"))[0]["adlQuantile"] == {"LONG": 1, "SHORT": 1, "HEDGE": 0}


async def test_totals_are_usdt_alone_in_single_asset_mode(start: Start, owner: Own) -> None:
    """A position in another asset is in its asset's row and in no total; isolated maintenance is in its row."""
    emulator = await start(account_scenario())
    main = emulator.accounts["main"]
    await main.transfer("USDC", 1000)
    await main.fill("ETHUSDC", "BUY", 1, fee=0)
    await main.set_margin_type("BTCUSDT", "isolated")
    await main.fill("BTCUSDT", "BUY", "0.1", fee=0)
    account = await owner(emulator).get("/fapi/v3/account")
    assets = {row["asset"]: row for row in account["assets"]}
    assert (account["totalMaintMargin"], account["totalWalletBalance"]) == ("24.00000000", "10000.00000000")
    assert (assets["USDT"]["maintMargin"], assets["USDT"]["crossWalletBalance"]) == (
        "24.00000000",
        "9700.00000000",
    )
    assert (assets["USDC"]["maintMargin"], assets["USDC"]["marginBalance"]) == ("12.00000000", "1000.00000000")
    assert [row["symbol"] for row in account["positions"]] == ["ETHUSDC", "BTCUSDT"]


async def test_leverage_and_margin_type_are_told_apart_from_positions(start: Start, owner: Own) -> None:
    """The symbol configuration has the long words, for every symbol."""
    emulator = await start(account_scenario())
    main = emulator.accounts["main"]
    await main.set_margin_type("ETHUSDT", "isolated")
    await main.set_leverage("ETHUSDT", 100)
    rows = await owner(emulator).get("/fapi/v1/symbolConfig")
    assert {row["symbol"]: (row["marginType"], row["leverage"]) for row in rows} == {
        "BTCUSDT": ("CROSSED", 20), "ETHUSDT": ("ISOLATED", 100), "ETHUSDC": ("CROSSED", 20),
    }  # fmt: skip
    assert rows[1]["maxNotionalValue"] == "250000"


@pytest.mark.parametrize("applied", [True, False])
async def test_adjusted_brackets(start: Start, owner: Own, *, applied: bool) -> None:
    """Multiplied tiers hold for the account; the reply has the factor, and by setting plain or multiplied rows."""
    scenario = account_scenario()
    main = dataclasses.replace(scenario.accounts[0], notional_coef={"BTCUSDT": D("0.5")})
    emulator = await start(dataclasses.replace(scenario, accounts=(main,)), coefficient_applied=applied)
    one = owner(emulator)
    told = await one.get("/fapi/v1/leverageBracket", symbol="BTCUSDT")
    assert (told["notionalCoef"], told["brackets"][0]["notionalCap"]) == (0.5, 25_000 if applied else 50_000)
    assert "notionalCoef" not in await one.get("/fapi/v1/leverageBracket", symbol="ETHUSDT")
    await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5", fee=0)
    (row,) = await one.get("/fapi/v3/positionRisk")
    assert row["maintMargin"] == "125.00000000"  # 30,000 x 0.5 % - 25


async def test_tiers_as_list_and_object(start: Start, owner: Own) -> None:
    """A list of all; of one symbol an object, or by setting a list of one, since both forms exist."""
    one = owner(await start())
    every = await one.get("/fapi/v1/leverageBracket")
    btc = await one.get("/fapi/v1/leverageBracket", symbol="BTCUSDT")
    assert [row["symbol"] for row in every] == ["BTCUSDT", "ETHUSDT", "XAUUSDT"]
    assert every[0] == btc
    assert btc["brackets"][1] == {
        "bracket": 2, "initialLeverage": 100, "notionalCap": 800000, "notionalFloor": 300000,
        "maintMarginRatio": 0.005, "cum": 300.0,
    }  # fmt: skip
    other = owner(await start(bracket_as_list=True))
    assert await other.get("/fapi/v1/leverageBracket", symbol="BTCUSDT") == [btc]


async def test_history_is_filtered(start: Start, owner: Own) -> None:
    """Forced orders by kind, income by kind, both by time and number."""
    emulator = await busy(start)
    main, one = emulator.accounts["main"], owner(emulator)
    await main.adl("BTCUSDT", "0.01")
    forced = await one.get("/fapi/v1/forceOrders")
    assert [row["clientOrderId"][:9] for row in forced] == ["autoclose", "adl_autoc"]
    assert len(await one.get("/fapi/v1/forceOrders", autoCloseType="ADL")) == 1
    assert len(await one.get("/fapi/v1/forceOrders", autoCloseType="LIQUIDATION", limit="1")) == 1
    kinds = [row["incomeType"] for row in await one.get("/fapi/v1/income")]
    assert kinds == ["COMMISSION", "INSURANCE_CLEAR"]
    assert len(await one.get("/fapi/v1/income", incomeType="COMMISSION", symbol="BTCUSDT")) == 1
    later = str(emulator.rest.now_ms() + 60_000)
    assert await one.get("/fapi/v1/income", startTime=later) == []
    assert (await one.get("/fapi/v1/adlQuantile", symbol="BTCUSDT"))["symbol"] == "BTCUSDT"
    assert await one.get("/fapi/v1/openAlgoOrders", symbol="ETHUSDT") == []


async def test_weights_are_shared_by_both_markets(start: Start, owner: Own) -> None:
    """One count for everything an address asks; the permissions endpoint lives on another host."""
    emulator = await start(account_scenario())
    one, used = owner(emulator), []
    for path in (
        "/fapi/v3/account", "/fapi/v1/openOrders", "/dapi/v1/balance", "/dapi/v2/leverageBracket",
        "/fapi/v1/positionSide/dual", "/sapi/v1/account/apiRestrictions",
    ):  # fmt: skip
        await one.get(path)
        used.append(int(one.used))
    assert used == [5, 45, 46, 48, 78, 78]


async def test_permissions_of_a_key(start: Start, owner: Own) -> None:
    """What the key may do; a fault refuses the answer as the demo exchange does."""
    scenario = account_scenario()
    main = dataclasses.replace(scenario.accounts[0], permissions=Permissions(futures=True, ip_restricted=True))
    emulator = await start(dataclasses.replace(scenario, accounts=(main,)))
    one, path = owner(emulator), "/sapi/v1/account/apiRestrictions"
    body = await one.get(path)
    assert (body["enableReading"], body["enableFutures"], body["enableWithdrawals"], body["ipRestrict"]) == (
        True, True, False, True,
    )  # fmt: skip
    emulator.faults.rest_status[path] = 403
    await one.get(path)
    assert one.status == 403


async def test_planted_drift(start: Start, owner: Own) -> None:
    """REST figures can be made to follow other tiers than the published ones; own figures do not."""
    emulator = await start(account_scenario())
    await emulator.accounts["main"].fill("BTCUSDT", "BUY", 1, fee=0)
    one = owner(emulator)
    (before,) = await one.get("/fapi/v3/positionRisk")
    emulator.faults.rest_brackets["BTCUSDT"] = Brackets.from_rows("BTCUSDT", [[0, 10**9, "0.05", 0]])
    (after,) = await one.get("/fapi/v3/positionRisk")
    assert (before["maintMargin"], after["maintMargin"]) == ("250.00000000", "3000.00000000")
    assert D(after["liquidationPrice"]) > D(before["liquidationPrice"])
    assert emulator.figures()[0].maintenance_margin == 250
    assert (await one.get("/fapi/v1/leverageBracket", symbol="BTCUSDT"))["brackets"][0][
        "maintMarginRatio"
    ] == 0.004


async def test_coin_margined_replies(start: Start, owner: Own) -> None:
    """All contracts are listed, amounts in contracts, money in coin, tiers under their odd names."""
    emulator = await start(account_scenario())
    coin = emulator.accounts["coin"]
    await coin.set_margin_type("BTCUSD_PERP", "isolated")
    await coin.fill("BTCUSD_PERP", "BUY", 60, fee=0)
    emulator.market.set_price("BTCUSD_PERP", 50_000)
    one = owner(emulator)
    btc, eth = await one.get("/dapi/v1/positionRisk")
    # 6,000 dollars: 0.1 coin at 60,000, 0.12 at 50,000
    assert (btc["positionAmt"], btc["notionalValue"], btc["unRealizedProfit"]) == (
        "60",
        "0.12000000",
        "-0.02000000",
    )
    assert (btc["marginType"], btc["isolatedWallet"], btc["isolatedMargin"]) == (
        "isolated",
        "0.00500000",
        "-0.01500000",
    )
    assert (eth["positionAmt"], eth["liquidationPrice"]) == ("0", "0")
    assert await one.get("/dapi/v1/positionRisk", pair="ETHUSD") == [eth]
    assert await one.get("/dapi/v1/positionRisk", marginAsset="BTC") == [btc]
    account = await one.get("/dapi/v1/account")
    assert (account["assets"][0]["asset"], account["assets"][0]["maintMargin"]) == ("BTC", "0.00048000")
    assert account["positions"][0]["isolated"] is True
    tiers = await one.get("/dapi/v2/leverageBracket", symbol="BTCUSD_PERP")
    assert (tiers["brackets"][1]["qtylFloor"], tiers["brackets"][1]["qtyCap"]) == (5, 10)
    assert [row["pair"] for row in await one.get("/dapi/v1/premiumIndex")] == ["BTCUSD", "ETHUSD"]
    assert len(await one.get("/dapi/v1/premiumIndex", symbol="BTCUSD_PERP")) == 1
    info = await one.get("/dapi/v1/exchangeInfo")
    assert [(row["contractSize"], row["contractStatus"]) for row in info["symbols"]] == [
        (100, "TRADING"),
        (10, "TRADING"),
    ]
    assert len(await one.get("/dapi/v1/markPriceKlines", symbol="BTCUSD_PERP", interval="1m", limit="3")) == 3
    assert (await one.get("/dapi/v1/openOrders", symbol="BTCUSDT"))["code"] == -1121
    assert (await one.get("/dapi/v1/time"))["serverTime"] == emulator.rest.now_ms()
    assert await one.get("/dapi/v1/fundingInfo") == []


async def test_multi_assets_totals_are_dollars(start: Start, owner: Own) -> None:
    """Balances at their rates, maintenance at the ask rate of each margin asset."""
    emulator = await start(account_scenario())
    multi = emulator.accounts["multi"]
    await multi.fill("ETHUSDT", "BUY", 2, fee=0)
    await multi.fill("ETHUSDC", "BUY", 1, fee=0)
    account = await owner(emulator, "multi-key").get("/fapi/v3/account")
    # 5,000 x 0.9801 + 2,000 + 0.1 x 57,000; 6,000 x 0.4 % x 0.99495 + 3,000 x 0.4 %
    assert (account["totalMarginBalance"], account["totalMaintMargin"]) == ("12600.50000000", "35.87880000")
    index = await owner(emulator).get("/fapi/v1/assetIndex", symbol="USDTUSD")
    assert (index["bidRate"], index["askRate"]) == ("0.98010000", "0.99495000")
    assert (await owner(emulator).get("/fapi/v1/assetIndex", symbol="NOUSD"))["code"] == -1121
