"""Accounts as they would be: what is in them adds up, and nothing else changes."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitor.core import whatif
from monitor.core.compile import compile_book
from monitor.core.model import AccountSnapshot, MarginMode, Position, Side
from monitor.core.risk import evaluate
from monitor.core.settings import AdviceRules
from tests.core.builders import BTC, ETH, account, cross, isolated, table
from tests.core.checker import marks_of
from tests.core.strategies import coin

FREE = AdviceRules(0.0, 0.0)
SIDES = st.sampled_from(Side)
ISOLATED = f"isolated:{BTC}:LONG"


def worth(held: AccountSnapshot, mark: float) -> float:
    """Return the value of everything: balances, isolated margins, and profit at a mark."""
    return (
        sum(held.balances.values())
        + sum(p.margin for p in held.positions if p.margin_mode is MarginMode.ISOLATED)
        + sum(whatif.profit_of(p, p.quantity, mark) for p in held.positions)
    )


@given(
    side=SIDES,
    share=st.floats(0.01, 1.0),
    mark=st.floats(50.0, 200.0),
    fee=st.floats(0.0, 0.01),
    slippage=st.floats(0.0, 0.01),
    kind=st.sampled_from(("isolated", "cross", "coin", "isolated coin")),
    put_back=st.booleans(),
)
def test_closing_costs_its_fee_and_its_slippage_and_nothing_else(
    *, side: Side, share: float, mark: float, fee: float, slippage: float, kind: str, put_back: bool
) -> None:
    legs = {
        "isolated": isolated(side=side, quantity=3.0),
        "cross": cross(side=side, quantity=3.0),
        "coin": coin(side, 30.0, 100.0),
        "isolated coin": Position(
            "BTCUSD_PERP", side, 30.0, 100.0, MarginMode.ISOLATED, "BTC", 9.0, 100.0, inverse=True
        ),
    }
    leg = legs[kind]
    held = AccountSnapshot("main", {leg.margin_asset: 50.0}, (leg,))
    rules = AdviceRules(fee, slippage)
    closed = whatif.close(held, leg, leg.quantity * share, mark, rules, put_back=put_back)
    assert worth(closed.account, mark) == pytest.approx(worth(held, mark) - closed.fee - closed.slippage)
    assert closed.fee >= 0.0
    assert closed.slippage >= 0.0
    assert closed.notional == pytest.approx(whatif.value_of(leg, leg.quantity * share, mark))
    assert closed.account.positions[0].quantity == pytest.approx(leg.quantity * (1.0 - share), abs=1e-12)


def test_a_part_of_an_isolated_position_takes_its_share_of_the_margin() -> None:
    """Half of one bought at 100 with 10, at 96: 5 of margin less a loss of 2 are released."""
    closed = whatif.close(account(isolated(), usdt=1.0), isolated(), 0.5, 96.0, FREE)
    assert closed.account.positions[0].margin == 5.0
    assert closed.account.balances == {"USDT": 4.0}
    assert (closed.realized, closed.released, closed.put_back) == (-2.0, 3.0, 0.0)


def test_what_was_released_can_be_put_back() -> None:
    closed = whatif.close(account(isolated(), usdt=1.0), isolated(), 0.5, 96.0, FREE, put_back=True)
    assert closed.account.positions[0].margin == 8.0
    assert closed.account.balances == {"USDT": 1.0}
    assert closed.put_back == 3.0


def test_a_loss_beyond_the_share_is_the_cross_wallets() -> None:
    """Half at 85 loses 7.5, of which 5 are the position's own."""
    closed = whatif.close(account(isolated(), usdt=4.0), isolated(), 0.5, 85.0, FREE, put_back=True)
    assert closed.account.positions[0].margin == 5.0
    assert closed.account.balances == {"USDT": 1.5}
    assert closed.put_back == 0.0


def test_a_position_that_is_closed_whole_keeps_no_margin() -> None:
    closed = whatif.close(account(isolated(), usdt=0.0), isolated(), 1.0, 96.0, FREE, put_back=True)
    assert (closed.account.positions[0].quantity, closed.account.positions[0].margin) == (0.0, 0.0)
    assert closed.account.balances == {"USDT": 6.0}


@given(side=SIDES, share=st.floats(0.05, 0.95), mark=st.floats(92.0, 108.0))
def test_a_part_alone_leaves_the_liquidation_price_of_an_isolated_wallet(
    side: Side, share: float, mark: float
) -> None:
    """Without tiers, fees and slippage exactly: margin and quantity shrink by one factor."""
    held = account(isolated(side=side))
    before = _liquidation(held, mark)
    after = _liquidation(whatif.close(held, held.positions[0], share, mark, FREE).account, mark)
    assert after == pytest.approx(before)


def _liquidation(held: AccountSnapshot, mark: float) -> float:
    book = compile_book([held], {BTC: table()})
    return float(evaluate(book, marks_of(book, {BTC: mark})).liquidation_price[0])


def test_margin_added_to_an_isolated_wallet_may_come_out_of_the_account() -> None:
    held = account(isolated(), usdt=20.0)
    paid_in = whatif.add_margin(held, ISOLATED, 3.0)
    assert (paid_in.positions[0].margin, paid_in.balances) == (13.0, {"USDT": 20.0})
    moved = whatif.add_margin(held, ISOLATED, 3.0, moved=2.0)
    assert (moved.positions[0].margin, moved.balances) == (13.0, {"USDT": 18.0})


def test_margin_added_to_a_cross_wallet_is_balance() -> None:
    held = account(cross(), usdt=20.0)
    assert whatif.add_margin(held, "cross:USDT", -3.0).balances == {"USDT": 17.0}
    assert whatif.add_margin(held, "cross:USDT", 3.0, asset="USDC").balances == {"USDT": 20.0, "USDC": 3.0}


def test_slippage_does_not_depend_on_the_entry() -> None:
    """However absurd that is: it is what the fill loses beside one at the mark."""
    held = account(cross(quantity=1e250, entry=1e250), usdt=1.0)
    closed = whatif.close(held, held.positions[0], 1e250, 2.0, AdviceRules(0.0, 0.25))
    assert closed.slippage == 0.5e250


@pytest.mark.parametrize("wallet", [f"isolated:{ETH}:LONG", "cross:BTC"])
def test_a_wallet_that_is_not_there_cannot_be_added_to(wallet: str) -> None:
    with pytest.raises(KeyError, match=wallet.split(":")[1]):
        whatif.add_margin(account(isolated(), usdt=1.0), wallet, 1.0)


def test_a_position_that_is_not_held_cannot_be_closed() -> None:
    with pytest.raises(KeyError, match=f"{ETH} LONG"):
        whatif.close(account(isolated()), isolated(ETH), 0.5, 100.0, FREE)


@given(leverage=st.floats(1.0, 125.0), mode=st.sampled_from(MarginMode))
def test_another_leverage_moves_margin_and_makes_none(leverage: float, mode: MarginMode) -> None:
    leg = isolated() if mode is MarginMode.ISOLATED else cross()
    held = account(leg, usdt=50.0)
    after = whatif.with_leverage(held, leg, leverage)
    assert after.positions[0].leverage == leverage
    assert worth(after, 100.0) == pytest.approx(worth(held, 100.0))
    if mode is MarginMode.ISOLATED:
        assert after.positions[0].margin == pytest.approx(100.0 / leverage)
    else:
        assert after.balances == held.balances


def test_a_leverage_is_above_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        whatif.with_leverage(account(isolated()), isolated(), 0.0)


@given(move=st.floats(-0.9, 5.0), everything=st.floats(-0.9, 5.0))
def test_a_move_of_one_name_is_in_place_of_that_of_all(move: float, everything: float) -> None:
    assume(move != everything)
    marks = whatif.shocked({BTC: 100.0, ETH: 10.0}, {BTC: move}, everything)
    assert marks == {BTC: pytest.approx(100.0 * (1.0 + move)), ETH: pytest.approx(10.0 * (1.0 + everything))}
