"""Wallet figures, against the exchange's published examples."""

from decimal import Decimal
from typing import Literal

import pytest

from monitor.emulator.brackets import Brackets
from monitor.emulator.ledger import Account, Position, WalletFigures, figures

BALANCE = Decimal("1535443.01")
MARKS = {"ETHUSDT": Decimal("1335.18"), "BTCUSDT": Decimal("31967.27")}
TABLES = {
    "ETHUSDT": Brackets.from_rows("ETHUSDT", [[0, 10**12, "0.1", 135365]]),
    "BTCUSDT": Brackets.from_rows("BTCUSDT", [[0, 10**12, "0.025", 16300]]),
}


def held(mode: Literal["isolated", "cross"]) -> tuple[Position, Position]:
    """Return the two positions of the published example."""
    margin = BALANCE if mode == "isolated" else Decimal(0)
    return (
        Position("a", "ETHUSDT", "LONG", Decimal("3683.979"), Decimal("1456.84"), mode, margin),
        Position("a", "BTCUSDT", "LONG", Decimal("109.488"), Decimal("32481.98"), mode, margin),
    )


def nearest(wallet: WalletFigures) -> list[float]:
    """Return the liquidation price of each position to the exchange's two decimals."""
    return [round(float(one.liquidation_price or 0), 2) for one in wallet.positions]


def test_the_published_cross_example() -> None:
    """Two longs in one wallet: maintenance margins, losses, ratio and both liquidation prices."""
    (wallet,) = figures([Account("a", {"USDT": BALANCE}, held("cross"))], TABLES, MARKS)
    eth, btc = wallet.positions
    assert [eth.maintenance_margin, btc.maintenance_margin] == [
        Decimal("356512.508122"), Decimal("71200.811444"),
    ]  # fmt: skip
    assert [eth.unrealized_pnl, btc.unrealized_pnl] == [Decimal("-448192.88514"), Decimal("-56354.56848")]
    assert nearest(wallet) == [1153.26, 26316.89]
    assert {one.position.wallet for one in wallet.positions} == {wallet.wallet}
    assert round(float(wallet.margin_ratio) * 100, 3) == 41.489
    assert (wallet.wallet, wallet.asset, wallet.account) == ("cross:USDT", "USDT", "a")


def test_at_the_liquidation_price_the_ratio_is_one() -> None:
    """With the other mark fixed, the cross wallet's ratio at a liquidation price is 1."""
    account = Account("a", {"USDT": BALANCE}, held("cross"))
    (wallet,) = figures([account], TABLES, MARKS)
    price = wallet.positions[0].liquidation_price
    assert price is not None
    (there,) = figures([account], TABLES, MARKS | {"ETHUSDT": price})
    assert abs(there.margin_ratio - 1) < Decimal("1e-20")


def test_the_published_isolated_variants() -> None:
    """Each isolated position is its own wallet, named after its symbol and side."""
    eth, btc = figures([Account("a", {}, held("isolated"))], TABLES, MARKS)
    assert nearest(eth) + nearest(btc) == [1114.78, 18778.73]
    assert (eth.wallet, btc.wallet) == ("isolated:ETHUSDT:LONG", "isolated:BTCUSDT:LONG")


def test_the_small_published_example() -> None:
    """A balance of 500 behind 1,000 USDT long at 50,000, rate 0.4 %, is liquidated at 25,100.40."""
    position = Position("a", "X", "LONG", Decimal("0.02"), Decimal(50_000), "cross")
    table = Brackets.from_rows("X", [[0, 10**9, "0.004", 0]])
    (wallet,) = figures([Account("a", {"USDT": Decimal(500)}, (position,))], {"X": table}, {"X": Decimal(50_000)})
    assert nearest(wallet) == [25100.40]


def test_assets_do_not_pay_for_each_other() -> None:
    """Each margin asset has its own cross wallet; one without a balance starts from 0, an idle one is listed."""
    usdc = Position("a", "ETHUSDC", "SHORT", Decimal(1), Decimal(100), "cross", margin_asset="USDC")
    tables = {"ETHUSDC": Brackets.from_rows("ETHUSDC", [[0, 1000, "0.01", 0]])}
    idle, short = figures([Account("a", {"USDT": Decimal(7)}, (usdc,))], tables, {"ETHUSDC": Decimal(90)})
    assert (idle.wallet, idle.margin_balance, idle.margin_ratio, idle.room) == (
        "cross:USDT",
        Decimal(7),
        Decimal(0),
        Decimal(1),
    )
    assert idle.joint_distance is None
    assert (short.wallet, short.margin_balance, short.cushion) == ("cross:USDC", Decimal(10), Decimal("9.1"))
    assert short.room == 0  # the balance was below the requirement from the start


def test_hedge_legs_share_the_nearest_of_their_prices() -> None:
    """LONG and SHORT in one cross wallet have the same roots; the one nearest to the mark is shown."""
    table = Brackets.from_rows(
        "0GUSDT",
        [[0, 62500, "0.05", 700], [62500, 125000, "0.1", 3825], [125000, 250000, "0.125", 6950]],
    )
    one = Decimal(1)
    legs = (
        Position("h", "0GUSDT", "LONG", Decimal(100_000), one, "cross"),
        Position("h", "0GUSDT", "SHORT", Decimal(82_500), one, "cross"),
    )
    (wallet,) = figures([Account("h", {"USDT": Decimal(11_000)}, legs)], {"0GUSDT": table}, {"0GUSDT": one})
    long, short = wallet.positions
    assert long.liquidation_prices == short.liquidation_prices
    assert [round(float(price), 3) for price in long.liquidation_prices] == [0.609, 1.315]
    assert wallet.positions[0].liquidation_price == long.liquidation_prices[1]


def test_a_balance_used_up_is_an_infinite_ratio() -> None:
    """A requirement over a balance at or below 0 is infinite, and the joint distance is 0."""
    position = Position("a", "X", "LONG", Decimal(1), Decimal(100), "isolated", Decimal(10))
    table = Brackets.from_rows("X", [[0, 1000, "0.01", 0]])
    (wallet,) = figures([Account("a", {}, (position,))], {"X": table}, {"X": Decimal(80)})
    assert wallet.margin_ratio == Decimal("Infinity")
    assert wallet.joint_distance == 0


def test_room_is_the_way_left_from_entry() -> None:
    """For one isolated position within a tier, room is the share of the price way from entry still left."""
    position = Position("a", "X", "LONG", Decimal(1), Decimal(100), "isolated", Decimal(10))
    table = Brackets.from_rows("X", [[0, 1000, "0.01", 0]])
    (wallet,) = figures([Account("a", {}, (position,))], {"X": table}, {"X": Decimal(95)})
    end = wallet.positions[0].liquidation_price
    assert end is not None
    assert float(wallet.room) == pytest.approx(float((95 - end) / (100 - end)), rel=1e-20)


def test_no_price_is_none() -> None:
    """A position that cannot be liquidated has no liquidation price; nothing held without tiers is accepted."""
    position = Position("a", "X", "LONG", Decimal(1), Decimal(100), "isolated", Decimal(100))
    table = Brackets.from_rows("X", [[0, 1000, "0.01", 0]])
    (wallet,) = figures([Account("a", {}, (position,))], {"X": table}, {"X": Decimal(95)})
    assert wallet.positions[0].liquidation_price is None
    with pytest.raises(KeyError):
        figures([Account("a", {}, (position,))], {}, {"X": Decimal(95)})
