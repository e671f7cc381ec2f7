"""Which orders wait to reduce a position, and what of them counts."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.binance.account_rows import AlgoOrder, OpenOrder
from monitor.binance.around_orders import OpenOrders, waiting_orders
from monitor.binance.rest_rows import Slot
from monitor.binance.rest_wire import open_algo_orders, open_orders
from monitor.core.model import AccountSnapshot, MarginMode, Position, Side, WaitingOrder

PAYLOADS = Path(__file__).parents[3] / "shared" / "payloads"
replaced = msgspec.structs.replace


def holds(*legs: tuple[str, Side], hedge_mode: bool = False) -> AccountSnapshot:
    positions = tuple(Position(symbol, side, 1.0, 60_000.0, MarginMode.CROSS, "USDT") for symbol, side in legs)
    return AccountSnapshot("main", {"USDT": 1.0}, positions, hedge_mode=hedge_mode)


LONG, SHORT = holds(("BTCUSDT", Side.LONG)), holds(("BTCUSDT", Side.SHORT))
HEDGED = holds(("BTCUSDT", Side.LONG), ("BTCUSDT", Side.SHORT), hedge_mode=True)


def plain(**changes: object) -> OpenOrder:
    row = OpenOrder(
        symbol="BTCUSDT", order_id=1, side="SELL", position_side="BOTH", orig_qty=0.5, executed_qty=0.0,
        price=65_000.0, status="NEW", type="LIMIT",
    )  # fmt: skip
    return replaced(row, **changes)


def stop(**changes: object) -> AlgoOrder:
    row = AlgoOrder(
        symbol="BTCUSDT", algo_id=1, side="SELL", position_side="BOTH", quantity=0.5, trigger_price=58_000.0,
        algo_status="NEW", order_type="STOP_MARKET",
    )  # fmt: skip
    return replaced(row, **changes)


def of_plain(account: AccountSnapshot, **changes: object) -> WaitingOrder | None:
    found = waiting_orders(OpenOrders((plain(**changes),)), account)
    return found[0] if found else None


def of_stop(account: AccountSnapshot, **changes: object) -> WaitingOrder | None:
    found = waiting_orders(OpenOrders((), (stop(**changes),)), account)
    return found[0] if found else None


def test_a_limit_order_against_a_position() -> None:
    """Side, kind, limit, and the quantity that is left of it; it could also turn the position round."""
    assert of_plain(LONG, executed_qty=0.125, status="PARTIALLY_FILLED") == WaitingOrder(
        "BTCUSDT", Side.LONG, "LIMIT", 65_000.0, 0.375
    )
    assert of_plain(LONG, reduce_only=True) == WaitingOrder(
        "BTCUSDT", Side.LONG, "LIMIT", 65_000.0, 0.5, reduces=True
    )
    assert of_plain(SHORT, side="BUY") == WaitingOrder("BTCUSDT", Side.SHORT, "LIMIT", 65_000.0, 0.5)


def test_a_stop_loss_against_a_position() -> None:
    """What triggers it, on which price, and whether it becomes an order with a limit."""
    made = WaitingOrder("BTCUSDT", Side.LONG, "STOP_MARKET", 58_000.0, 0.5, conditional=True)
    assert of_stop(LONG) == made
    assert of_stop(LONG, working_type="MARK_PRICE") == replaced(made, on_mark=True)
    assert of_stop(LONG, price=57_900.0) == made  # an order at market has no limit, whatever stands there
    assert of_stop(LONG, order_type="STOP", price=57_900.0) == replaced(made, kind="STOP", limit=57_900.0)
    assert of_stop(LONG, close_position=True, quantity=0.0) == replaced(
        made, quantity=0.0, closes=True, reduces=True
    )


def test_stops_among_plain_orders() -> None:
    """The coin-margined market may still have them there: what triggers them counts, not their limit."""
    found = of_plain(LONG, type="STOP", stop_price=58_000.0, price=57_900.0, working_type="MARK_PRICE")
    assert found == WaitingOrder(
        "BTCUSDT", Side.LONG, "STOP", 58_000.0, 0.5, conditional=True, on_mark=True, limit=57_900.0
    )


@pytest.mark.parametrize("make", [of_plain, of_stop])
def test_what_opens_or_increases_is_left_out(make: Callable[..., WaitingOrder | None]) -> None:
    """Without hedge mode the position held tells; with it the side that the order names."""
    assert make(LONG, side="BUY") is None
    assert make(SHORT, side="SELL") is None
    assert make(holds(), side="SELL") is None
    assert make(holds(("ETHUSDT", Side.LONG)), side="SELL") is None
    assert make(HEDGED, side="SELL", position_side="SHORT") is None
    assert make(HEDGED, side="BUY", position_side="LONG") is None


@pytest.mark.parametrize("make", [of_plain, of_stop])
def test_hedge_mode_names_the_side(make: Callable[..., WaitingOrder | None]) -> None:
    """An order of a side can only reduce it, and says nothing about the other."""
    against_long = make(HEDGED, side="SELL", position_side="LONG")
    against_short = make(HEDGED, side="BUY", position_side="SHORT")
    assert against_long is not None
    assert against_short is not None
    assert (against_long.side, against_long.reduces) == (Side.LONG, True)
    assert (against_short.side, against_short.reduces) == (Side.SHORT, True)


@pytest.mark.parametrize("make", [of_plain, of_stop])
def test_a_reduce_only_order_on_the_wrong_side_is_there(make: Callable[..., WaitingOrder | None]) -> None:
    """It reduces nothing that is held, which somebody who relies on it should hear."""
    found = make(LONG, side="BUY", reduce_only=True)
    assert found is not None
    assert (found.side, found.reduces) == (Side.SHORT, True)


def test_what_waits_no_more_is_left_out() -> None:
    """Ended orders, those that are filled, and kinds of algo orders that protect nothing."""
    for status in ("FILLED", "CANCELED", "EXPIRED", "REJECTED", ""):
        assert of_plain(LONG, status=status) is None
    for status in ("CANCELED", "TRIGGERED", "FINISHED", "REJECTED", "EXPIRED"):
        assert of_stop(LONG, algo_status=status) is None
    assert of_stop(LONG, algo_status="TRIGGERING") is not None
    assert of_plain(LONG, executed_qty=0.5) is None
    assert of_stop(LONG, quantity=0.0) is None
    assert of_stop(LONG, algo_type="VP") is None


accounts = st.sampled_from([LONG, SHORT, HEDGED, holds(), holds(("BTCUSDT", Side.LONG), hedge_mode=True)])
flags = st.booleans()


@given(
    account=accounts, side=st.sampled_from(["BUY", "SELL"]), slot=st.sampled_from(get_args(Slot)),
    reduce_only=flags, closes=flags, quantity=st.sampled_from([0.0, 0.5]), conditional=flags,
)  # fmt: skip
def test_no_order_can_increase_what_it_works_against(  # noqa: PLR0917 - all that an order is
    account: AccountSnapshot, side: str, slot: str, reduce_only: bool, closes: bool, quantity: float,  # noqa: FBT001
    conditional: bool,  # noqa: FBT001
) -> None:  # fmt: skip
    """Whatever stands there: selling works against LONG, and something is left of it that could be filled."""
    facts = {"side": side, "position_side": slot, "reduce_only": reduce_only, "close_position": closes}
    if conditional:
        found = of_stop(account, **facts, quantity=quantity)
    else:
        found = of_plain(account, **facts, orig_qty=quantity)
    if found is None:
        return
    assert found.side is (Side.LONG if side == "SELL" else Side.SHORT)
    assert slot in {"BOTH", found.side.value}
    assert found.closes or found.quantity > 0.0
    assert found.reduces or any(leg.side is found.side for leg in account.positions)


def test_published_orders_are_read() -> None:
    """The documented examples of both lists: a trailing stop of hedge mode, and a take-profit."""
    folder = PAYLOADS / "usdm" / "rest"
    if not folder.is_dir():
        pytest.skip("no payloads here")
    rows = open_orders((folder / "current_all_open_orders.json").read_bytes(), "openOrders")
    algos = open_algo_orders((folder / "current_all_algo_open_orders.json").read_bytes(), "openAlgoOrders")
    account = holds(("BTCUSDT", Side.SHORT), ("BNBUSDT", Side.LONG), hedge_mode=True)
    assert waiting_orders(OpenOrders(rows, algos), account) == (
        WaitingOrder("BNBUSDT", Side.LONG, "TAKE_PROFIT", 750.0, 0.01, conditional=True, limit=750.0),
        WaitingOrder("BTCUSDT", Side.SHORT, "TRAILING_STOP_MARKET", 9_300.0, 0.4, reduces=True, conditional=True),
    )
