"""The account's arithmetic: examples by hand, and rules that hold for any sequence of fills."""

from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.emulator.holdings import Contract, Holding, Holdings, OperationError, OrderSide, PositionSide

D = Decimal
LINEAR = Contract("BTCUSDT", "USDT")
INVERSE = Contract("BTCUSD_PERP", "BTC", D(100))
STEP = D("0.00000001")

quantities = st.integers(1, 5_000).map(lambda one: D(one) / 1000)
prices = st.integers(100_000, 9_000_000).map(lambda one: D(one) / 100)
fills = st.lists(st.tuples(st.sampled_from(("BUY", "SELL")), quantities, prices), min_size=1, max_size=12)


def account(
    contract: Contract = LINEAR,
    side: PositionSide = "BOTH",
    mode: Literal["isolated", "cross"] = "cross",
    funds: str = "1e9",
) -> tuple[Holdings, Holding]:
    """Return an account with money and an empty position."""
    one = Holding(contract, side, mode == "isolated")
    holdings = Holdings({contract.asset: D(funds)}, {(contract.symbol, side): one})
    return holdings, one


def trade(holdings: Holdings, one: Holding, side: OrderSide, *terms: str) -> None:
    """Fill a quantity at a price, for a fee if there is a third number."""
    quantity, price, fee = (D(one) for one in (*terms, "0")[:3])
    holdings.fill(one, side, quantity, price, leverage=10, fee=fee)


def test_an_increase_averages_the_entry() -> None:
    """Linear by quantity; inverse so that the coin value adds up."""
    holdings, one = account()
    trade(holdings, one, "BUY", "1", "60000")
    trade(holdings, one, "BUY", "3", "64000")
    assert (one.amount, one.entry) == (D(4), D(63_000))
    coins, other = account(INVERSE)
    trade(coins, other, "SELL", "100", "50000")
    trade(coins, other, "SELL", "100", "75000")
    assert (other.amount, other.entry) == (D(-200), D(60_000))


def test_a_reduction_realizes_and_keeps_the_entry() -> None:
    """Profit of the closed part goes to the cross wallet, the fee comes from it."""
    holdings, one = account(funds="1000")
    trade(holdings, one, "SELL", "2", "100", "0.1")
    trade(holdings, one, "BUY", "0.5", "90", "0.2")
    assert (one.amount, one.entry, one.realized) == (D("-1.5"), D(100), D(5))
    assert holdings.cross["USDT"] == D("1004.7")


def test_a_flip_closes_and_opens_anew() -> None:
    """The rest of the fill opens at its price."""
    holdings, one = account(funds="1000")
    trade(holdings, one, "BUY", "1", "100")
    trade(holdings, one, "SELL", "3", "110")
    assert (one.amount, one.entry, one.realized) == (D(-2), D(110), D(10))


def test_isolated_margin_comes_and_goes_in_proportion() -> None:
    """Opening moves value / leverage; a partial close leaves exactly the remaining share."""
    holdings, one = account(mode="isolated", funds="1000")
    trade(holdings, one, "BUY", "4", "100")
    assert (one.wallet, holdings.cross["USDT"]) == (D(40), D(960))
    trade(holdings, one, "SELL", "1", "110")
    assert (one.wallet, holdings.cross["USDT"]) == (D(30), D(980))
    trade(holdings, one, "SELL", "5", "110")
    # 30 released and 30 earned; 2 opened at 110 with a tenth of it.
    assert (one.amount, one.wallet, holdings.cross["USDT"]) == (D(-2), D(22), D(1018))


def test_isolated_inverse_margin_is_coin() -> None:
    """Ten contracts of 100 at 50,000 are 0.02 BTC; a tenth of it is the margin."""
    holdings, one = account(INVERSE, mode="isolated", funds="1")
    trade(holdings, one, "BUY", "10", "50000")
    assert (one.wallet, holdings.cross["BTC"]) == (D("0.002"), D("0.998"))


def test_refused_fills_change_nothing() -> None:
    """A LONG cannot be sold below 0, and isolated margin must be there."""
    holdings, one = account(side="LONG", mode="isolated", funds="10")
    trade(holdings, one, "BUY", "1", "50")
    with pytest.raises(OperationError, match="more than is held"):
        trade(holdings, one, "SELL", "2", "50")
    with pytest.raises(OperationError, match="insufficient"):
        trade(holdings, one, "BUY", "1", "1000")
    assert (one.amount, one.wallet, holdings.cross["USDT"]) == (D(1), D(5), D(5))


def test_margin_moves_both_ways() -> None:
    """Between cross and isolated wallet, never below 0, never without an isolated position."""
    holdings, one = account(mode="isolated", funds="100")
    with pytest.raises(OperationError, match="no isolated position"):
        holdings.move_margin(one, D(1))
    trade(holdings, one, "BUY", "1", "100")
    holdings.move_margin(one, D(40))
    assert (one.wallet, holdings.cross["USDT"], holdings.balance("USDT")) == (D(50), D(50), D(100))
    holdings.move_margin(one, D(-50))
    assert (one.wallet, holdings.cross["USDT"]) == (D(0), D(100))
    for amount in (D(-1), D(101)):
        with pytest.raises(OperationError, match="insufficient"):
            holdings.move_margin(one, amount)


def test_payments_find_their_wallet() -> None:
    """An isolated position pays by itself, anything else the cross wallet."""
    holdings, one = account(mode="isolated", funds="100")
    holdings.pay("USDT", D("-1.123456789"), one)
    holdings.pay("USDT", D(5))
    assert (one.wallet, holdings.cross["USDT"]) == (D("-1.12345679"), D(105))


@given(fills, st.sampled_from(("isolated", "cross")), st.sampled_from((LINEAR, INVERSE)))
def test_cash_is_conserved(
    done: list[tuple[OrderSide, D, D]], mode: Literal["isolated", "cross"], contract: Contract
) -> None:
    """What is in the wallets and positions is what was put in and what the trades made.

    All at the last price; entry prices are rounded, which is the only slack.
    """
    holdings, one = account(contract, mode=mode)
    before = holdings.balance(contract.asset)
    last = done[-1][2]
    made = D(0)
    for side, quantity, price in done:
        holdings.fill(one, side, quantity, price, leverage=10, fee=D("0.01"))
        signed = quantity if side == "BUY" else -quantity
        made += contract.profit(signed, price, last) - D("0.01")
    after = holdings.balance(contract.asset) + one.profit(last)
    # An entry is off by half a step at most; an inverse one by that over its square, far less.
    assert abs(after - before - made) <= STEP * (10 + 5 * len(done) * len(done))


@given(fills, quantities, prices, st.integers(1, 99), st.sampled_from(("isolated", "cross")))
def test_reducing_then_closing_is_closing(
    done: list[tuple[OrderSide, D, D]], more: D, price: D, percent: int, mode: Literal["isolated", "cross"]
) -> None:
    """Two steps at one price leave the wallets where one step does."""
    ends = []
    for share in (D(1), D(percent) / 100):
        holdings, one = account(mode=mode)
        for side, quantity, at in done:
            holdings.fill(one, side, quantity, at, leverage=10)
        holdings.fill(one, "BUY" if one.amount >= 0 else "SELL", more, price, leverage=10)
        closing: OrderSide = "SELL" if one.amount > 0 else "BUY"
        whole = abs(one.amount)
        part = (whole * share).quantize(D("0.001"))
        for quantity in (part, whole - part):
            if quantity:
                holdings.fill(one, closing, quantity, price, leverage=10)
        assert (one.amount, one.entry, one.wallet) == (D(0), D(0), D(0))
        ends.append(holdings.cross["USDT"])
    assert abs(ends[0] - ends[1]) <= STEP


@given(fills)
def test_an_isolated_wallet_never_goes_below_zero_by_trading(done: list[tuple[OrderSide, D, D]]) -> None:
    """Trading leaves a wallet at 0 or above, at 0 exactly without a position, and the sides never lie."""
    holdings, one = account(mode="isolated")
    for side, quantity, price in done:
        holdings.fill(one, side, quantity, price, leverage=10)
        assert one.wallet >= 0
        assert (one.wallet == 0) == (one.amount == 0) or one.amount != 0
        assert (one.entry > 0) == (one.amount != 0)
        assert one.sign == (1 if one.amount > 0 else -1 if one.amount < 0 else 0)
