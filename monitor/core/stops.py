"""What waiting orders would do for a position before it is liquidated. Pure.

A stop of a LONG is a conditional order that sells, of the kinds STOP, STOP_MARKET and TRAILING_STOP_MARKET; a
take-profit and a plain limit are none. It protects only where its trigger lies between the mark and the
liquidation price: beyond that the exchange comes first, and on the other side of the mark a fall never meets it.

It has to be triggered some way before the liquidation price as well. A stop is filled worse than at its trigger,
by fee and slippage as they are assumed, and in the fall that meets it by several times that: HASTE of both, 0.5 %
of the price unless configured. Where leverage leaves no such room, at 125x all of the way is less, a quarter of
the way from liquidation to the mark has to do; a stop half way, as is proposed, is well clear of either. That
quarter shrinks as the mark comes nearer, so no stop that was in its place loses it on the price's way there.

A trailing stop has no fixed trigger: the exchange moves it along. One that has begun counts as far as its quantity
goes, wherever it stands. One that has yet to begin names the price at which it does, a better one than the mark,
and protects against nothing until then.
"""

from collections.abc import Iterable
from typing import NamedTuple

from monitor.core.model import Position, Side, WaitingOrder
from monitor.core.settings import AdviceRules

TRAILING = "TRAILING_STOP_MARKET"
_STOPS = frozenset({"STOP", "STOP_MARKET", TRAILING})
# The share of the mark that a stop is placed away from it at the most, however far or nowhere liquidation is.
FAR = 0.10
HASTE = 5.0
_PART_OF_WAY = 0.25
_FIGURES = range(4, 16)  # significant ones of a price that is proposed
_WHOLE = 1.0 - 1e-9  # quantities are sums of decimals


class Place(NamedTuple):
    """Where a position stands; prices."""

    side: Side
    mark: float
    liquidation: float | None  # None: there is none
    apart: float = 0.0  # share of the liquidation price that a stop has to be away from it

    @property
    def ahead(self) -> float | None:
        """The liquidation price, where the position's own losses lead to it; a hedge may end on the other side."""
        if self.liquidation is None or not self.loses(self.liquidation):
            return None
        return self.liquidation

    def loses(self, price: float) -> bool:
        """Return whether the position is worth less at a price than at the mark."""
        return price < self.mark if self.side is Side.LONG else price > self.mark

    def reaches(self, price: float) -> bool:
        """Return whether a price is met before the liquidation price."""
        if self.ahead is None:
            return True
        return price > self.ahead if self.side is Side.LONG else price < self.ahead

    def in_time(self, price: float) -> bool:
        """Return whether a stop at a price, met before the liquidation price, is far enough away from it."""
        if self.ahead is None:
            return True
        least = min(self.apart * self.ahead, _PART_OF_WAY * abs(self.mark - self.ahead))
        return abs(price - self.ahead) >= least


def apart(rules: AdviceRules) -> float:
    """Return the share of the liquidation price that stops have to be away from it, by what closing costs."""
    return HASTE * (rules.taker_fee + rules.slippage)


class Cover(NamedTuple):
    """What the stops of a position cover of it, as shares from 0 to 1, and which of them are of no use."""

    stops: tuple[WaitingOrder, ...]
    all: float  # were every one of them in its place
    effective: float  # triggered before the liquidation price, and in time
    on_mark: float  # of those, triggered by the mark price
    at_market: float  # of those, sure to be filled before the liquidation price
    beyond: WaitingOrder | None = None
    tight: WaitingOrder | None = None
    wrong_side: WaitingOrder | None = None
    idle: WaitingOrder | None = None


def stops_by_leg(orders: Iterable[WaitingOrder]) -> dict[tuple[str, Side], tuple[WaitingOrder, ...]]:
    """Return the orders that limit losses, or are meant to, by symbol and side of the position."""
    found: dict[tuple[str, Side], tuple[WaitingOrder, ...]] = {}
    for order in orders:
        if order.kind in _STOPS:
            leg = order.symbol, order.side
            found[leg] = (*found.get(leg, ()), order)
    return found


def cover(position: Position, place: Place, stops: tuple[WaitingOrder, ...]) -> Cover:
    """Return what stops do for a position.

    Args:
        position: its quantity is above 0.
        place: where it stands.
        stops: its own, of ``stops_by_leg``.
    """
    effective: list[WaitingOrder] = []
    useless: dict[str, WaitingOrder] = {}
    for order in stops:
        fault = _fault(place, order)
        if fault:
            useless.setdefault(fault, order)
        else:
            effective.append(order)
    return Cover(
        stops,
        _share(position, stops),
        _share(position, effective),
        _share(position, [order for order in effective if order.on_mark]),
        _share(position, [order for order in effective if _fills(place, order)]),
        **useless,
    )


def enough(share: float, wanted: float) -> bool:
    """Return whether a share covers what is wanted, rounding aside."""
    return share >= wanted * _WHOLE


def stop_price(place: Place) -> float | None:
    """Return a sensible trigger: half way between liquidation price and mark, rounded towards the mark.

    Nearer to the mark, ordinary moves would trigger it; nearer to liquidation, a fast fall would leave it no time
    to be filled. Never further than FAR of the mark away from it: a position without any liquidation price is
    stopped there, and one that a rise of its price to several times of it would liquidate is no safer. None where
    no price lies in between.
    """
    sign = -1.0 if place.side is Side.LONG else 1.0
    way = FAR if place.ahead is None else min(FAR, abs(place.ahead / place.mark - 1.0) / 2.0)
    raw = place.mark * (1.0 + sign * way)
    for figures in _FIGURES:
        rounded = _towards(place.mark, raw, figures)
        if place.loses(rounded) and place.reaches(rounded):
            return rounded
    return None


def _fault(place: Place, order: WaitingOrder) -> str:
    """Return why a stop is of no use, as a field of ``Cover``; empty if it is of some."""
    if order.kind == TRAILING and not order.price:
        return ""
    if not place.loses(order.price):
        return "idle" if order.kind == TRAILING else "wrong_side"
    if not place.reaches(order.price):
        return "beyond"
    return "" if place.in_time(order.price) else "tight"


def _fills(place: Place, order: WaitingOrder) -> bool:
    """Return whether a triggered stop is surely filled before liquidation.

    One whose limit is at or beyond the liquidation price takes every price on the way there.
    """
    if order.limit is None:
        return True
    if place.ahead is None:
        return False
    return order.limit <= place.ahead if place.side is Side.LONG else order.limit >= place.ahead


def _share(position: Position, orders: Iterable[WaitingOrder]) -> float:
    covered = 0.0
    for order in orders:
        if order.closes:
            return 1.0
        covered += order.quantity
    return min(1.0, covered / position.quantity)


def _towards(mark: float, price: float, figures: int) -> float:
    """Return a price with so many significant figures, between itself and the mark."""
    rounded = float(f"{price:.{figures}g}")
    if (rounded - price) * (mark - price) >= 0.0:
        return rounded
    step = 10.0 ** (int(f"{price:e}".partition("e")[2]) - figures + 1)
    return float(f"{rounded + (step if mark > price else -step):.{figures}g}")
