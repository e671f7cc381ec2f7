"""Scripted mark prices: break points in time, what lies between them, and a little seeded noise."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from random import Random

STEP = Decimal("0.00000001")  # prices travel with eight decimals


def on_wire(price: Decimal) -> Decimal:
    """Return a price with the eight decimals it has on the wire."""
    return price.quantize(STEP, ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class PricePath:
    """The mark price of one symbol over time. The same path gives the same price at the same time, always.

    Attributes:
        points: seconds since the start and price, ascending in time, the first at 0; the last price stays.
        geometric: join the points by constant growth instead of straight lines.
        noise: largest relative deviation, a fraction; 0 for none.
        seed: what makes this path's noise its own.
    """

    points: tuple[tuple[float, Decimal], ...]
    geometric: bool = False
    noise: float = 0.0
    seed: str = ""

    def __post_init__(self) -> None:
        """Refuse a path that has no price at some time, or none that is above zero."""
        times = [time_s for time_s, _ in self.points]
        if not times or times[0] != 0 or any(b <= a for a, b in pairwise(times)):
            raise ValueError("a price path begins at 0 s and goes forward")
        if any(price <= 0 for _, price in self.points):
            raise ValueError("a price is above zero")

    @property
    def duration_s(self) -> float:
        """Return the time of the last break point, in seconds."""
        return self.points[-1][0]

    def at(self, time_s: float, *, loop_s: float = 0.0) -> Decimal:
        """Return the price at a time, with eight decimals.

        Args:
            time_s: seconds since the start; before it the first price holds.
            loop_s: if above 0, the path begins anew after so many seconds.
        """
        along_s = time_s % loop_s if loop_s > 0 and time_s > 0 else time_s
        price = self._scripted(along_s)
        if self.noise:
            # Seeding with the time keeps this a function of time: neither order nor number of calls matters.
            draw = Random(f"{self.seed}/{round(time_s * 1000)}").uniform(-self.noise, self.noise)
            price *= 1 + Decimal(str(draw))
        return on_wire(price)

    def _scripted(self, time_s: float) -> Decimal:
        if time_s <= 0:
            return self.points[0][1]
        for (start_s, start), (end_s, end) in pairwise(self.points):
            if time_s < end_s:
                share = Decimal(str(time_s - start_s)) / Decimal(str(end_s - start_s))
                if self.geometric:
                    return start * (end / start) ** share
                return start + (end - start) * share
        return self.points[-1][1]
