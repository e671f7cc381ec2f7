"""What is asked around positions, how often, and how old each part of it is."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from monitor.binance.account_rows import AdlQuantile
from monitor.binance.around_orders import OpenOrders


class AroundTimings(msgspec.Struct, frozen=True):
    """How soon and how often, in seconds."""

    look_s: float = 0.5
    every_s: float = 60.0  # orders, and places in the queue
    soon_s: float = 2.0  # after something happened to an order or a position
    again_s: float = 30.0  # after a failure, doubling
    longest_s: float = 900.0
    spared_s: float = 5.0  # where there was no weight to spare
    # What did not change is told again, for its age says that it is still so; well within the ten minutes for
    # which it is believed.
    renew_s: float = 300.0
    wait_s: float = 5.0  # for others who ask for a market's rules at the start
    rules_every_s: float = 86_400.0
    intervals_every_s: float = 3600.0


DEFAULT_AROUND_TIMINGS = AroundTimings()


class PartStats(msgspec.Struct, frozen=True):
    """One part of what is known around positions."""

    age_s: float | None = None  # since the exchange last told it; None: never
    failing: str = ""  # why not now, a short constant


class AroundRest(Protocol):
    """What REST says around the positions of one account. Coroutines raise AccountUnavailableError."""

    async def open_orders(self, symbol: str | None) -> OpenOrders:
        """Return what waits of one symbol, or of all: plain orders and conditional ones."""
        ...

    async def adl(self) -> Sequence[AdlQuantile]:
        """Return places in the queue for auto-deleveraging."""
        ...

    def exchange_ms(self) -> int:
        """Return the exchange's time as far as known, Unix milliseconds."""
        ...


class Part:
    """When one part is asked for, and what became of that. Times are monotonic seconds."""

    def __init__(self, timings: AroundTimings) -> None:
        self.due_s = 0.0
        self.not_before_s = 0.0  # after a failure
        self.failing = ""  # why it is not known, or not all of it, a short constant
        self._timings = timings
        self._failures = 0
        self._told_s: float | None = None

    def told(self, now_s: float, every_s: float, lacking: str = "") -> str:
        """Note an answer; return why there was none before, empty if there was one.

        Args:
            now_s: when.
            every_s: ask again after so long.
            lacking: why a part of the answer is not known; empty if all of it is.
        """
        before, self.failing = self.failing, lacking
        self._failures, self._told_s = 0, now_s
        self.due_s, self.not_before_s = now_s + every_s, 0.0
        return before

    def failed(self, now_s: float, reason: str, wait_s: float = 0.0) -> bool:
        """Note that there was no answer; return whether the reason is a new one."""
        new, self.failing = reason != self.failing, reason
        pause_s = min(self._timings.again_s * 2.0 ** min(self._failures, 16), self._timings.longest_s)
        self._failures += 1
        self.due_s = self.not_before_s = now_s + max(pause_s, wait_s)
        return new

    def not_spared(self, now_s: float, reason: str, wait_s: float) -> None:
        """Note that it is not asked for now because the weight is others': no failure."""
        self.failing = reason
        self.due_s = self.not_before_s = now_s + max(self._timings.spared_s, wait_s)

    def stats(self, now_s: float) -> PartStats:
        """Return how old it is."""
        return PartStats(None if self._told_s is None else now_s - self._told_s, self.failing)
