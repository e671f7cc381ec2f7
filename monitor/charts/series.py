"""What a chart shows, and how it is found in history.db."""

from pathlib import Path

import msgspec

from monitor.core.model import Level
from monitor.storage.history_reader import Filter, HistoryReader, Minute

MINUTE_MS = 60_000
LEAST_POINTS = 3  # fewer make no line worth a picture


class Order(msgspec.Struct, frozen=True):
    """One picture that is wanted."""

    history: str  # path of history.db
    account: str
    wallet: str
    since_ms: int
    now_ms: int
    title: str
    symbol: str = ""  # of the position whose distance is shown; empty: the joint distance of the wallet
    side: str = ""
    level: Level = Level.OK  # now
    margin_ratio: float | None = None  # now; None where liquidatable
    distance: float | None = None
    limits: tuple[tuple[Level, float], ...] = ()  # margin ratios at which levels begin
    offset_s: int = 0  # of local time from UTC


class Point(msgspec.Struct, frozen=True):
    """The worst of one minute; None is a gap."""

    at_ms: int
    margin_ratio: float | None
    distance: float | None
    level: Level


class Series(msgspec.Struct, frozen=True):
    """One chart: what was, oldest first, up to now."""

    title: str
    points: tuple[Point, ...]
    joint: bool  # the distance is that of all positions together
    limits: tuple[tuple[Level, float], ...] = ()
    offset_s: int = 0

    @property
    def began_ms(self) -> int | None:
        """When the present incident began; None if it is none, or began before the chart does."""
        began: int | None = None
        for point in reversed(self.points):
            if point.level is Level.OK:
                return began
            began = point.at_ms
        return None


def find(order: Order) -> Series | None:
    """Return what there is to draw, with what the notice itself says as the last point; None if too little.

    Raises:
        StoreError: the history cannot be read.
    """
    with HistoryReader(Path(order.history)) as reader:
        wanted = Filter(order.account, order.wallet, "", since_ms=order.since_ms, until_ms=order.now_ms)
        wallet = reader.minutes(wanted)
        position = wallet
        if order.symbol:
            position = reader.minutes(wanted._replace(symbol=order.symbol, side=order.side))
    distances = {row.minute_ms: row.distance_min if order.symbol else row.joint_distance_min for row in position}
    points = [_point(row, distances.get(row.minute_ms)) for row in wallet]
    # A minute is drawn where it begins, so the one that is not over yet gives way to what is known now.
    points = [point for point in points if point.at_ms < order.now_ms - MINUTE_MS]
    if len(points) < LEAST_POINTS:
        return None
    points.append(Point(order.now_ms, order.margin_ratio, order.distance, order.level))
    return Series(order.title, tuple(points), not order.symbol, order.limits, order.offset_s)


def _point(row: Minute, distance: float | None) -> Point:
    return Point(row.minute_ms, row.margin_ratio_max, distance, Level(row.level_max))
