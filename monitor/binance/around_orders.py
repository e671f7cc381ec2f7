"""Orders as the exchange lists them become those that wait to reduce or close a position. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from monitor.binance.account_rows import AlgoOrder, OpenOrder
from monitor.core.model import AccountSnapshot, Side, WaitingOrder

CONDITIONAL: Final = (
    "CONDITIONAL"  # the exchange's word for the only kind of algo order that is a stop or its like
)

_AT_MARKET: Final = "_MARKET"  # how kinds end that become an order at market
_PLAIN = frozenset({"LIMIT", "MARKET", "LIQUIDATION"})
_IN_THE_BOOK = frozenset({"NEW", "PARTIALLY_FILLED"})
_WAITING = frozenset({"NEW", "TRIGGERING"})
_ON_MARK = "MARK_PRICE"
_BOTH = "BOTH"


class OpenOrders(NamedTuple):
    """What waits, of one symbol or of all."""

    plain: tuple[OpenOrder, ...] = ()
    conditional: tuple[AlgoOrder, ...] = ()
    unread: frozenset[str] = frozenset()  # symbols with an order that cannot be believed; an empty one: of any


def waiting_orders(found: OpenOrders, account: AccountSnapshot) -> tuple[WaitingOrder, ...]:
    """Return the orders that work against positions, sorted; those that open or increase one are left out.

    Without hedge mode it is the side of the position held that tells: an order that is not reduce-only works
    against the opposite position, or opens one. Reduce-only orders are there even where nothing is held that they
    could reduce.
    """
    held = {(leg.symbol, leg.side) for leg in account.positions}
    made = (*_of_plain(found.plain, held), *_of_conditional(found.conditional, held))
    return tuple(sorted(made, key=lambda one: (one.symbol, one.side, one.price, one.kind, one.quantity)))


def _of_plain(rows: Iterable[OpenOrder], held: set[tuple[str, Side]]) -> Iterator[WaitingOrder]:
    for row in rows:
        left = max(0.0, row.orig_qty - row.executed_qty)
        side = _against(row, held)
        if side is None or row.status not in _IN_THE_BOOK or not (left or row.close_position):
            continue
        # Stops of the coin-margined market may still be among plain orders.
        conditional = row.type not in _PLAIN
        yield WaitingOrder(
            row.symbol,
            side,
            row.type,
            row.stop_price if conditional else row.price,
            0.0 if row.close_position else left,
            closes=row.close_position,
            reduces=_reduces(row),
            conditional=conditional,
            on_mark=conditional and row.working_type == _ON_MARK,
            limit=_limit(row.type, row.price) if conditional else None,
        )


def _of_conditional(rows: Iterable[AlgoOrder], held: set[tuple[str, Side]]) -> Iterator[WaitingOrder]:
    for row in rows:
        side = _against(row, held)
        if side is None or row.algo_status not in _WAITING or not (row.quantity or row.close_position):
            continue
        if row.algo_type != CONDITIONAL:
            continue
        yield WaitingOrder(
            row.symbol,
            side,
            row.kind,
            row.trigger_price,
            0.0 if row.close_position else row.quantity,
            closes=row.close_position,
            reduces=_reduces(row),
            conditional=True,
            on_mark=row.working_type == _ON_MARK,
            limit=_limit(row.kind, row.price),
        )


def _against(row: OpenOrder | AlgoOrder, held: set[tuple[str, Side]]) -> Side | None:
    """Return the side of the position an order works against, None if it opens or increases one."""
    side = Side.LONG if row.side == "SELL" else Side.SHORT
    if row.position_side != _BOTH:
        return side if row.position_side == side.value else None
    return side if _reduces(row) or (row.symbol, side) in held else None


def _reduces(row: OpenOrder | AlgoOrder) -> bool:
    return row.reduce_only or row.close_position or row.position_side != _BOTH


def _limit(kind: str, price: float | None) -> float | None:
    """Return the limit of what a conditional order becomes, None for an order at market."""
    return None if kind.endswith(_AT_MARKET) else price or None
