"""The shared wallet of multi-assets mode: the published example, and roots that hold by definition."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.emulator.brackets import Brackets
from monitor.emulator.collateral import Rate
from monitor.emulator.ledger import Account, Position, WalletFigures, figures
from monitor.emulator.liquidation import Leg, precise
from monitor.emulator.multi import Move, Pool, PooledLeg, concave_roots

D = Decimal
USDT = Rate(D("0.9801"), D("0.99495"))


def flat(symbol: str, rate: str) -> Brackets:
    return Brackets.from_rows(symbol, [[0, 10**12, rate, 0]])


def wallet_of(
    balances: dict[str, D], positions: tuple[Position, ...], marks: dict[str, str], rates: dict[str, Rate]
) -> WalletFigures:
    """Return the shared wallet of an account whose symbols have one tier of 1 %."""
    (wallet,) = figures(
        [Account("m", balances, positions, multi_assets=True)],
        {symbol: flat(symbol, "0.01") for symbol in marks},
        {symbol: D(mark) for symbol, mark in marks.items()},
        bases={symbol: symbol[:3] for symbol in marks},
        rates=rates,
    )
    return wallet


def test_the_published_example() -> None:
    """Two assets and two positions: equity 416.02, maintenance 199.596, ratio 47.98 %."""
    positions = (
        Position("m", "BTCUSDT", "LONG", D("0.5"), D(20_000), "cross"),
        Position("m", "ETHUSDC", "LONG", D(20), D(600), "cross", margin_asset="USDC"),
    )
    (wallet,) = figures(
        [Account("m", {"USDT": D(200), "USDC": D(220)}, positions, multi_assets=True)],
        {"BTCUSDT": flat("BTCUSDT", "0.008"), "ETHUSDC": flat("ETHUSDC", "0.01")},
        {"BTCUSDT": D(20_000), "ETHUSDC": D(600)},
        rates={"USDT": USDT},
    )
    assert (wallet.wallet, wallet.asset) == ("cross:multi", "USD")
    assert (wallet.margin_balance, wallet.maintenance_margin) == (D("416.02"), D("199.596"))
    assert wallet.wallet_balance == D("416.02")
    assert round(wallet.margin_ratio, 6) == D("0.479775")
    # Either mark may fall until the cushion of 216.424 is gone; the loss makes USDT a debt at the ask rate.
    eth = wallet.positions[1].liquidation_price
    assert eth is not None
    assert float(eth) == pytest.approx(600 - 216.424 / (20 * 0.99), rel=1e-12)


def test_a_loss_beyond_the_asset_is_a_debt_at_the_ask_rate() -> None:
    """What is owed must be bought: the ask rate counts where the equity of an asset is below 0."""
    position = Position("m", "BTCUSDT", "LONG", D(1), D(20_000), "cross")
    wallet = wallet_of({"USDT": D(100), "USDC": D(5_000)}, (position,), {"BTCUSDT": "19000"}, {"USDT": USDT})
    assert wallet.margin_balance == 5_000 - 900 * D("0.99495")


def test_collateral_of_the_same_underlying_is_liquidated_earlier() -> None:
    """1 BTC under a long of 3 BTC: alone it loses on three, linked on four."""
    position = Position("m", "BTCUSDT", "LONG", D(3), D(60_000), "cross")
    wallet = wallet_of({"BTC": D(1)}, (position,), {"BTCUSDT": "60000"}, {"BTC": Rate(D(57_000), D(63_000))})
    (one,) = wallet.positions
    assert one.liquidation_price is not None
    assert one.linked_liquidation_price is not None
    # 57,000 + 3 (p - 60,000) = 0.03 p, and 0.95 p + 3 (p - 60,000) = 0.03 p
    assert float(one.liquidation_price) == pytest.approx(123_000 / 2.97, rel=1e-14)
    assert float(one.linked_liquidation_price) == pytest.approx(180_000 / 3.92, rel=1e-14)
    assert wallet.joint_distance is not None
    assert float(wallet.joint_distance) == pytest.approx(1 - 3 / 3.92, rel=1e-14)


def test_quote_assets_stand_still() -> None:
    """Moving everything moves no dollar coin, with an index or without."""
    position = Position("m", "ETHUSDC", "LONG", D(10), D(1_000), "cross", margin_asset="USDC")
    wallet = wallet_of({"USDT": D(1_000)}, (position,), {"ETHUSDC": "1000"}, {"USDT": USDT})
    assert wallet.joint_distance is not None
    # 980.1 - 10,000 (1 - f) = 100 f
    assert float(wallet.joint_distance) == pytest.approx(1 - (10_000 - 980.1) / 9_900, rel=1e-14)


def test_single_asset_wallets_have_no_other_price() -> None:
    """Outside multi-assets mode the linked price is the plain one."""
    position = Position("a", "X", "LONG", D(1), D(100), "isolated", D(10))
    (wallet,) = figures([Account("a", {}, (position,))], {"X": flat("X", "0.01")}, {"X": D(95)})
    assert wallet.positions[0].linked_liquidation_price == wallet.positions[0].liquidation_price is not None


def test_an_idle_pool_and_one_used_up() -> None:
    """Nothing held: no distance, no ratio. Used up: a distance of 0, and the price it would have to return to."""
    idle = wallet_of({"USDC": D(5)}, (), {}, {})
    assert (idle.margin_balance, idle.joint_distance, idle.margin_ratio) == (D(5), None, D(0))
    position = Position("m", "ETHUSDC", "LONG", D(10), D(1_000), "cross", margin_asset="USDC")
    gone = wallet_of({"USDC": D(100)}, (position,), {"ETHUSDC": "980"}, {})
    assert gone.joint_distance == 0
    assert gone.positions[0].liquidation_price == pytest.approx(D(9_900) / D("9.9"), rel=D("1e-25"))


def test_a_wallet_that_no_price_uses_up() -> None:
    """Enough money behind a long: no factor at all; behind a short: only a rise."""
    long = Position("m", "ETHUSDC", "LONG", D(1), D(100), "cross", margin_asset="USDC")
    assert wallet_of({"USDC": D(500)}, (long,), {"ETHUSDC": "100"}, {}).positions[0].liquidation_prices == ()
    short = Position("m", "ETHUSDC", "SHORT", D(1), D(100), "cross", margin_asset="USDC")
    (up,) = wallet_of({"USDC": D(500)}, (short,), {"ETHUSDC": "100"}, {}).positions[0].liquidation_prices
    assert float(up) == pytest.approx(600 / 1.01, rel=1e-14)


def test_roots_of_concave_functions() -> None:
    """None, one or two, also where 1 itself is on the wrong side."""
    assert concave_roots(lambda _: D(-1)) == ()
    assert concave_roots(lambda _: D(1)) == ()
    with precise():
        low, high = concave_roots(lambda x: 1 - (x - 5) ** 2)
        assert (round(low, 20), round(high, 20)) == (D(4), D(6))


money = st.integers(100, 100_000).map(D)
legs = st.lists(
    st.tuples(
        st.sampled_from(("BTCUSDT", "ETHUSDT", "ETHUSDC")), st.sampled_from((1, -1)), st.integers(1, 50),
        st.integers(80, 120),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(("USDT", "USDC", "BTC", "ETH")), money, min_size=1), legs, st.booleans())
def test_at_every_root_nothing_is_left(
    balances: dict[str, D],
    held: list[tuple[str, int, int, int]],
    linked: bool,  # noqa: FBT001  hypothesis draws it
) -> None:
    """Equity equals maintenance there, and the wallet is sound on the side of the middle."""
    table = Brackets.from_rows(
        "X", [[0, 1_000, "0.01", 0], [1_000, 3_000, "0.02", 10], [3_000, 10**9, "0.05", 100]]
    )
    rates = {"USDT": USDT, "BTC": Rate(D("0.95"), D("1.05")), "ETH": Rate(D("0.9"), D("1.1"))}
    pool = Pool(
        balances,
        [
            PooledLeg(Leg(sign, D(quantity), D(entry), D(100), table), symbol, symbol[3:], symbol[:3])
            for symbol, sign, quantity, entry in held
        ],
        rates,
    )
    symbol = held[0][0]
    assets = frozenset({symbol[:3]}) if linked else frozenset[str]()
    with precise():
        for root in pool.liquidation_factors(symbol, linked=linked):
            there = Move(root, frozenset({symbol}), assets)
            size = pool.equity() + pool.maintenance() + root * 10_000
            assert abs(pool.equity(there) - pool.maintenance(there)) < size * D("1e-25")
