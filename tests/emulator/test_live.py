"""Operations on a living account: the state after each, and the events in their order."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from monitor.emulator.holdings import OperationError
from monitor.emulator.live import LiveAccount, accounts_of
from monitor.emulator.market import Market
from tests.conftest import ManualClock
from tests.emulator.accounts import Json, account_scenario, contract

D = Decimal


class Stage:
    """The accounts of the small exchange, and everything they pushed."""

    def __init__(self, clock: ManualClock) -> None:
        scenario = account_scenario()
        self.market = Market(scenario.instruments, assets=scenario.assets)
        self.heard: list[Json] = []
        self.accounts = accounts_of(scenario.accounts, self.market, clock.wall_ms, self._publish)

    async def _publish(self, account: str, events: Sequence[Json]) -> None:
        self.heard += events

    def take(self) -> list[Json]:
        """Return what was pushed since the last call."""
        taken, self.heard = self.heard, []
        return taken


@pytest.fixture
def stage(clock: ManualClock) -> Stage:
    return Stage(clock)


@pytest.fixture
def main(stage: Stage) -> LiveAccount:
    return stage.accounts["main"]


async def test_a_fill_is_told_in_order(stage: Stage, main: LiveAccount, clock: ManualClock) -> None:
    """The order, a light trade, the account, the trade; times rise, the account's own and its event's agree."""
    await main.fill("BTCUSDT", "BUY", "0.1", fee="3")
    events = stage.take()
    assert [one["e"] for one in events] == [
        "ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE",
    ]  # fmt: skip
    new, _, update, traded = events
    assert (new["o"]["x"], new["o"]["X"], traded["o"]["x"], traded["o"]["X"]) == ("NEW", "NEW", "TRADE", "FILLED")
    assert update["a"] == {
        "m": "ORDER",
        "B": [{"a": "USDT", "wb": "9997.00000000", "cw": "9997.00000000", "bc": "0.00000000"}],
        "P": [
            {
                "s": "BTCUSDT", "pa": "0.1", "ep": "60000", "bep": "60000", "cr": "0.00000000", "up": "0.00000000",
                "mt": "cross", "iw": "0.00000000", "ps": "BOTH",
            }
        ],
    }  # fmt: skip
    assert clock.wall_ms() <= new["E"] < update["E"] == traded["E"]
    assert update["E"] == update["T"] + 1
    assert main.holding("BTCUSDT", "BOTH").updated_ms == update["T"]


async def test_only_what_changed_is_told(stage: Stage, main: LiveAccount) -> None:
    """A fill of one symbol says nothing of another; a close is an amount of 0; shorts are negative."""
    await main.fill("BTCUSDT", "BUY", "0.1")
    stage.take()
    await main.fill("ETHUSDT", "SELL", "2", 3100)
    (row,) = stage.take()[2]["a"]["P"]
    assert (row["s"], row["pa"], row["up"]) == ("ETHUSDT", "-2", "200.00000000")
    await main.fill("ETHUSDT", "BUY", "2", 3000)
    events = stage.take()
    assert events[2]["a"]["P"][0]["pa"] == "0"
    assert events[3]["o"]["rp"] == "200.00000000"
    assert [one.kind for one in main.incomes][-2:] == ["REALIZED_PNL", "COMMISSION"]


async def test_isolated_fills_tell_their_wallet(stage: Stage, main: LiveAccount) -> None:
    """Margin shows as iw, the cross wallet without it, the wallet balance with it."""
    await main.set_margin_type("BTCUSDT", "isolated")
    (change,) = stage.take()
    assert (change["a"]["m"], change["a"]["P"][0]["mt"], change["a"]["P"][0]["pa"]) == (
        "MARGIN_TYPE_CHANGE", "isolated", "0",
    )  # fmt: skip
    await main.set_leverage("BTCUSDT", 10)
    assert stage.take()[0]["ac"] == {"s": "BTCUSDT", "l": 10}
    await main.fill("BTCUSDT", "BUY", "0.1", fee=0)
    update = stage.take()[2]["a"]
    assert update["B"][0]["wb"] == "10000.00000000"
    assert (update["B"][0]["cw"], update["P"][0]["iw"]) == ("9400.00000000", "600.00000000")
    await main.add_margin("BTCUSDT", 100)
    update = stage.take()[0]["a"]
    assert (update["m"], update["B"][0]["cw"], update["P"][0]["iw"]) == (
        "MARGIN_TRANSFER", "9300.00000000", "700.00000000",
    )  # fmt: skip
    await main.fill("BTCUSDT", "SELL", "0.025", fee=0)
    assert stage.take()[2]["a"]["P"][0]["iw"] == "525.00000000"


async def test_funding_is_told_by_margin_mode(stage: Stage, main: LiveAccount) -> None:
    """On cross only the balance, on isolated that position too, each with its symbol; longs pay."""
    await main.set_margin_type("ETHUSDT", "isolated")
    await main.fill("BTCUSDT", "BUY", "0.1", fee=0)
    await main.fill("ETHUSDT", "SELL", 2, fee=0)
    stage.take()
    await main.funding("0.0001")
    eth, btc = (one["a"] for one in stage.take())
    assert (btc["m"], btc["S"], btc["P"], btc["B"][0]["bc"]) == ("FUNDING_FEE", "BTCUSDT", [], "-0.60000000")
    assert (eth["S"], eth["P"][0]["iw"], eth["B"][0]["bc"]) == ("ETHUSDT", "300.60000000", "0.60000000")
    await main.funding({"BTCUSDT": "-0.0001"})
    assert [one["a"]["S"] for one in stage.take()] == ["BTCUSDT"]
    assert [one.kind for one in main.incomes] == ["FUNDING_FEE"] * 3


async def test_delivery_contracts_pay_no_funding(stage: Stage, main: LiveAccount) -> None:
    """Funding passes them over."""
    stage.market.instruments["BTCUSDT_261225"] = contract("BTCUSDT_261225", "BTC", "60000")
    stage.market.marks["BTCUSDT_261225"] = D(60_000)
    await main.fill("BTCUSDT_261225", "BUY", "0.1")
    stage.take()
    await main.funding("0.0001")
    assert stage.take() == []


async def test_multi_assets_mode_knows_no_isolated_margin(main: LiveAccount) -> None:
    """A margin type of before counts again after it."""
    await main.set_margin_type("BTCUSDT", "isolated")
    await main.set_multi_assets(on=True)
    await main.fill("BTCUSDT", "BUY", "0.1")
    assert not main.holding("BTCUSDT", "BOTH").isolated
    await main.fill("BTCUSDT", "SELL", "0.1")
    await main.set_multi_assets(on=False)
    assert main.holding("BTCUSDT", "BOTH").isolated


async def test_transfers(stage: Stage, main: LiveAccount) -> None:
    """In and out have their own reasons; more than there is cannot leave."""
    await main.transfer("USDT", "250.5")
    await main.transfer("USDT", -50)
    into, out = (one["a"] for one in stage.take())
    assert (into["m"], into["B"][0]["bc"], out["m"], out["B"][0]["wb"]) == (
        "DEPOSIT", "250.50000000", "WITHDRAW", "10200.50000000",
    )  # fmt: skip
    with pytest.raises(OperationError, match="insufficient"):
        await main.transfer("USDT", -20_000)
    assert stage.take() == []


async def test_modes_are_changed_and_refused(stage: Stage, main: LiveAccount) -> None:
    """What stands in the way of a change of mode is an error and no event."""
    await main.set_multi_assets(on=True)
    assert stage.take()[0]["ai"] == {"j": True}
    with pytest.raises(OperationError, match="multi-assets"):
        await main.set_margin_type("BTCUSDT", "isolated")
    await main.set_multi_assets(on=False)
    await main.set_margin_type("BTCUSDT", "isolated")
    await main.fill("BTCUSDT", "BUY", "0.01")
    stage.take()
    for refused in (
        main.set_multi_assets(on=True), main.set_margin_type("BTCUSDT", "cross"), main.set_leverage("BTCUSDT", 5),
        main.fill("BTCUSDT", "BUY", 1, position_side="LONG"), main.fill("BTCUSDT", "BUY", 0),
        main.fill("BTCUSD_PERP", "BUY", 1), main.set_leverage("NOSUCH", 3), main.adl("BTCUSDT", 1),
    ):  # fmt: skip
        with pytest.raises(OperationError):
            await refused
    with pytest.raises(OperationError, match="position mode"):
        main.set_hedge_mode(on=True)
    assert stage.take() == []
    await main.fill("BTCUSDT", "SELL", "0.01")
    main.set_hedge_mode(on=True)
    main.set_auto_add("BTCUSDT", on=True)
    assert (main.account.hedge_mode, main.account.auto_add) == (True, frozenset({"BTCUSDT"}))
    await main.fill("BTCUSDT", "BUY", "0.01", position_side="LONG")
    assert stage.heard[-2]["a"]["P"][0]["ps"] == "LONG"


async def test_a_hedge_keeps_both_sides(stage: Stage) -> None:
    """LONG and SHORT of a symbol have their own rows and one liquidation price."""
    hedge = stage.accounts["hedge"]
    await hedge.fill("BTCUSDT", "BUY", 1, position_side="LONG")
    await hedge.fill("BTCUSDT", "SELL", "0.4", position_side="SHORT")
    assert stage.take()[-2]["a"]["P"][0]["pa"] == "-0.4"
    (wallet,) = hedge.figures()
    long, short = wallet.positions
    assert long.liquidation_price == short.liquidation_price is not None


async def test_a_liquidation_in_steps(stage: Stage, main: LiveAccount) -> None:
    """Each step is an order the exchange made, an account update and a row of forced orders."""
    await main.fill("BTCUSDT", "BUY", 1, fee=0)
    stage.take()
    stage.market.set_price("BTCUSDT", 51_000)
    await main.liquidate("BTCUSDT", "0.5")
    new, update, done = stage.take()
    assert new["o"]["c"].startswith("autoclose-")
    assert (done["o"]["x"], done["o"]["o"], done["o"]["X"], done["o"]["S"]) == (
        "CALCULATED", "LIQUIDATION", "FILLED", "SELL",
    )  # fmt: skip
    # 10,000 - 4,500 lost - 1.25 % of 25,500
    assert (update["a"]["m"], update["a"]["B"][0]["wb"], update["a"]["P"][0]["pa"]) == (
        "ORDER",
        "5181.25000000",
        "0.5",
    )
    stage.market.set_price("BTCUSDT", 49_000)
    await main.liquidate("BTCUSDT")
    # 5,500 more lost: the wallet is short of 318.75, and the fund pays it.
    insured = stage.take()[-1]["a"]
    assert (insured["m"], insured["B"][0]["bc"], insured["B"][0]["wb"]) == (
        "INSURANCE_CLEAR", "318.75000000", "0.00000000",
    )  # fmt: skip
    assert [one.client[:10] for one in main.forced] == ["autoclose-"] * 2


async def test_an_isolated_liquidation_costs_its_margin_at_most(stage: Stage, main: LiveAccount) -> None:
    """The cross wallet is untouched however far the price went."""
    await main.set_margin_type("BTCUSDT", "isolated")
    await main.fill("BTCUSDT", "BUY", "0.1", fee=0)
    cross = main.holdings.cross["USDT"]
    await main.liquidate("BTCUSDT", price=40_000)
    assert main.holdings.cross["USDT"] == cross
    assert main.account.positions == ()


async def test_an_auto_deleveraging_has_its_name(stage: Stage, main: LiveAccount) -> None:
    """It closes a quantity without a fee."""
    await main.fill("ETHUSDT", "SELL", 2, fee=0)
    stage.take()
    await main.adl("ETHUSDT", "0.5", 2900)
    events = stage.take()
    assert (events[0]["o"]["c"], events[-1]["o"]["n"], events[-1]["o"]["rp"]) == (
        "adl_autoclose", "0.00000000", "50.00000000",
    )  # fmt: skip
    assert main.forced[0].position_side == "BOTH"


async def test_orders_and_stops(stage: Stage, main: LiveAccount) -> None:
    """Plain orders and conditional ones have their own events and lists."""
    number = await main.place_order("BTCUSDT", "BUY", "0.2", 59_000)
    await main.fill_order(number, "0.05")
    assert (main.orders[number].status, main.orders[number].filled) == ("PARTIALLY_FILLED", D("0.05"))
    await main.cancel_order(number)
    assert [one["o"]["X"] for one in stage.take() if one["e"] == "ORDER_TRADE_UPDATE"] == [
        "NEW", "PARTIALLY_FILLED", "CANCELED",
    ]  # fmt: skip
    stop = await main.place_stop("BTCUSDT", "SELL", 58_000, close_position=True)
    assert set(main.algos) == {stop}
    await main.end_stop(stop)
    placed, gone = stage.take()
    assert (placed["e"], placed["o"]["X"], placed["o"]["cp"], gone["o"]["X"]) == (
        "ALGO_UPDATE",
        "NEW",
        True,
        "CANCELED",
    )
    assert (main.orders, main.algos) == ({}, {})
    other = await main.place_order("BTCUSDT", "SELL", "0.05", 61_000, reduce_only=True)
    await main.fill_order(other)
    assert (main.orders, main.account.positions) == ({}, ())


async def test_a_margin_call_names_everything_held(stage: Stage, main: LiveAccount) -> None:
    """Margin types in capitals, the cross wallet only if something is crossed."""
    await main.set_margin_type("ETHUSDT", "isolated")
    await main.fill("ETHUSDT", "BUY", 1, fee=0)
    stage.take()
    await main.margin_call()
    (alone,) = stage.take()
    assert "cw" not in alone
    assert (alone["p"][0]["mt"], alone["p"][0]["iw"], alone["p"][0]["mm"]) == (
        "ISOLATED",
        "150.00000000",
        "12.00000000",
    )
    await main.fill("BTCUSDT", "BUY", "0.1", fee=0)
    stage.take()
    await main.margin_call()
    (both,) = stage.take()
    assert (both["cw"], [one["mt"] for one in both["p"]]) == ("9850.00000000", ["CROSSED", "ISOLATED"])


async def test_a_coin_margined_account_pushes_every_symbol(stage: Stage) -> None:
    """Its events carry the account's alias; a fill tells all symbols, funding on cross none."""
    coin = stage.accounts["coin"]
    await coin.fill("BTCUSD_PERP", "BUY", 10, fee=0)
    events = stage.take()
    update = events[-2]
    assert update["i"] == events[-1]["i"] != ""
    assert [(row["s"], row["pa"]) for row in update["a"]["P"]] == [("BTCUSD_PERP", "10"), ("ETHUSD_PERP", "0")]
    await coin.funding("0.0001")
    paid = stage.take()[0]["a"]
    assert paid["B"] == [{"a": "BTC", "wb": "0.99999833", "cw": "0.99999833", "bc": "-0.00000167"}]
    assert paid["P"] == []
    with pytest.raises(OperationError):
        await coin.set_multi_assets(on=True)
