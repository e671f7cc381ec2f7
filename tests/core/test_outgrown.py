"""Positions worth more than their last tier reaches are found, now or where they are liquidated, and no others."""

import numpy as np
import pytest

from monitor.core.compile import compile_book, table_key
from monitor.core.model import AccountSnapshot, Bracket, BracketTable, MarginMode, Market, Position, Side
from monitor.core.outgrown import Outgrown, outgrown
from monitor.core.risk import evaluate


def leg(side: Side, *, inverse: bool = False, margin: float, quantity: float, cross: bool = False) -> Position:
    symbol, asset = ("BTCUSD_PERP", "BTC") if inverse else ("BTCUSDT", "USDT")
    mode = MarginMode.CROSS if cross else MarginMode.ISOLATED
    size = 100.0 if inverse else 1.0
    return Position(symbol, side, quantity, 62000.0, mode, asset, margin, contract_size=size, inverse=inverse)


def found(cap: float, mark: float, *legs: Position, balance: float = 0.0) -> tuple[Outgrown, ...]:
    market = Market.COINM if legs[0].inverse else Market.USDM
    account = AccountSnapshot("main", {legs[0].margin_asset: balance}, legs, market)
    tables = {legs[0].symbol: BracketTable(legs[0].symbol, (Bracket(0.0, cap, 0.004, 0.0),))}
    book = compile_book([account], tables)
    return outgrown(book, evaluate(book, np.array([mark])), tables)


def test_a_coin_margined_long_grows_as_it_falls() -> None:
    """20,000 dollars are 0.323 BTC at entry, and 0.371 where they are liquidated: beyond 0.33, not beyond 0.38."""
    coins = leg(Side.LONG, inverse=True, margin=0.05, quantity=200)
    (one,) = found(0.33, 62000.0, coins)
    assert (one.liquidated, one.asset, one.last_cap, one.brackets) == (True, "BTC", 0.33, "config")
    assert one.price == pytest.approx(53894.37, abs=0.01)
    assert one.notional == pytest.approx(20000 / 53894.3723)
    assert found(0.38, 62000.0, coins) == ()
    assert found(0.33, 62000.0, leg(Side.SHORT, inverse=True, margin=0.05, quantity=200)) == ()


def test_a_short_grows_as_it_rises() -> None:
    """Half a coin with 6,200 dollars is liquidated at 74,103, worth 37,051; a LONG shrinks."""
    (one,) = found(37000.0, 62000.0, leg(Side.SHORT, margin=6200.0, quantity=0.5))
    assert (one.liquidated, round(one.price)) == (True, 74104)
    assert found(37100.0, 62000.0, leg(Side.SHORT, margin=6200.0, quantity=0.5)) == ()
    assert found(32000.0, 62000.0, leg(Side.LONG, margin=6200.0, quantity=0.5)) == ()


def test_what_is_beyond_already_is_told_at_the_mark() -> None:
    """A LONG as well, though it shrinks on its way; a cap belongs to what follows it."""
    (one,) = found(31000.0, 62000.0, leg(Side.LONG, margin=6200.0, quantity=0.5))
    assert (one.liquidated, one.price, one.notional) == (False, 62000.0, 31000.0)


def test_the_long_of_a_hedge_that_is_liquidated_upward_grows() -> None:
    """Both legs stand at the price they share."""
    legs = (leg(Side.LONG, margin=0, quantity=1, cross=True), leg(Side.SHORT, margin=0, quantity=2, cross=True))
    assert {one.side for one in found(65000.0, 62000.0, *legs, balance=6200.0)} == {"LONG", "SHORT"}
    assert {one.side for one in found(100000.0, 62000.0, *legs, balance=6200.0)} == {"SHORT"}


def test_without_a_mark_nothing_is_known() -> None:
    """It is not found to be in its tiers either: nothing is told."""
    assert found(31000.0, np.nan, leg(Side.LONG, margin=6200.0, quantity=0.5)) == ()


def test_the_table_of_the_account_itself_is_the_one() -> None:
    """It wins over the common one, as in the book."""
    coins = leg(Side.LONG, inverse=True, margin=0.05, quantity=200)
    account = AccountSnapshot("main", {}, (coins,), Market.COINM)
    common = BracketTable("BTCUSD_PERP", (Bracket(0.0, 5.0, 0.004, 0.0),))
    own = BracketTable("BTCUSD_PERP", (Bracket(0.0, 0.33, 0.004, 0.0),), "exchange", "2026-11-20", "main")
    tables = {"BTCUSD_PERP": common, table_key("main", "BTCUSD_PERP"): own}
    book = compile_book([account], tables)
    (one,) = outgrown(book, evaluate(book, np.array([62000.0])), tables)
    assert one.brackets == "exchange 2026-11-20"


def test_a_price_that_no_price_reaches_is_none() -> None:
    """A hedge that is almost even is liquidated far away: beyond ten thousand times the mark nobody is told."""
    long, short = (
        leg(side, margin=0, quantity=quantity, cross=True)
        for side, quantity in ((Side.LONG, 1), (Side.SHORT, 1.008))
    )
    assert found(1e6, 62000.0, long, short, balance=1e6) != ()
    assert found(1e6, 62000.0, long, short, balance=1e9) == ()
