"""Makes docs/alert-chart.png, such a picture as goes with an alert: `python -m docs.alert_chart`."""

from pathlib import Path
from random import Random

from monitor.charts.draw import draw
from monitor.charts.series import MINUTE_MS, Point, Series
from monitor.core.model import Level
from monitor.core.settings import DEFAULT_LEVELS, LevelRule

TARGET = Path(__file__).with_name("alert-chart.png")
NOW_MS = 1_795_532_520_000  # 2026-11-24 15:02 UTC
MINUTES = 360
LEVERAGE, RATE = 10.0, 0.02
FALL_FROM = 200  # the minute


def example() -> Series:
    """Return six hours of an isolated LONG at 10x whose price falls most of the way to liquidation."""
    rng = Random(52)  # noqa: S311 - a price path
    limits = tuple((rule.level, rule.margin_ratio) for rule in DEFAULT_LEVELS if rule.margin_ratio is not None)
    liquidation = (1.0 - 1.0 / LEVERAGE) / (1.0 - RATE)
    price, level = 1.0, Level.OK
    points: list[Point] = []
    for minute in range(MINUTES):
        price *= 1.0 + rng.gauss(-0.00048 if minute >= FALL_FROM else 0.0, 0.0007)
        ratio = RATE * price / (1.0 / LEVERAGE + price - 1.0)
        distance = (price - liquidation) / price
        room = (price - liquidation) / (1.0 - liquidation)
        level = max([level, *(rule.level for rule in DEFAULT_LEVELS if _holds(rule, room, ratio))])
        points.append(Point(NOW_MS - (MINUTES - 1 - minute) * MINUTE_MS, ratio, distance, level))
    return Series("main · BTCUSDT LONG", tuple(points), joint=False, limits=limits, offset_s=3600)


def _holds(rule: LevelRule, room: float, ratio: float) -> bool:
    return room <= (rule.room or 0.0) or ratio >= (rule.margin_ratio or 1.0)


def main() -> None:
    """Draw the example."""
    TARGET.write_bytes(draw(example()))


if __name__ == "__main__":
    main()
