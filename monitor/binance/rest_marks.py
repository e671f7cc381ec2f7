"""Current marks and rates from REST, asked for at once, with back-off and what is logged of it."""

from collections.abc import Callable, Collection, Iterator, Sequence
from random import Random
from typing import Final, Protocol

import structlog

from monitor.binance.backoff import PauseBounds, pause_s
from monitor.binance.belief import FUTURE_TOLERANCE_MS
from monitor.binance.candidates import CandidateReport
from monitor.binance.endpoints import is_rate
from monitor.binance.market_rows import AssetIndex, Kline
from monitor.binance.rest_errors import todo
from monitor.binance.weights import WeightBudget
from monitor.core.minutes import MINUTE_MS
from monitor.core.model import ASK, BID, Market, MarkTick, Source
from monitor.errors import RateLimitedError, RestError, WireError
from monitor.ports import Clock

log = structlog.get_logger()

OLD_MS: Final = 30_000  # a mark that is older is none
BOUNDS: Final = PauseBounds(first_s=2.0, longest_s=10.0)
# By how much of the address's weight is used: others need it as well, but nobody is left quite without.
# Even the longest is well below what counts as bridged (``core.outages.BRIDGED_S``), answers take their time.
STRETCHED: Final = ((0.8, 8.0), (0.5, 5.0))


class MarkSource(Protocol):
    """What is asked: ``rest.RestClient``."""

    def hosts(self) -> tuple[CandidateReport, ...]:
        """Return the latest outcome of each candidate host."""
        ...

    @property
    def offset_ms(self) -> int | None:
        """The exchange's clock minus ours; None until known."""
        ...

    def exchange_ms(self) -> int:
        """Return the exchange's time as far as known, Unix milliseconds."""
        ...

    async def server_time(self, *, urgent: bool = False) -> int:
        """Return the exchange's time, and keep its difference to ours."""
        ...

    async def premium_index(self, symbol: str | None = None, *, urgent: bool = False) -> list[MarkTick]:
        """Return the mark of one symbol or of all; RestError or WireError where there is none."""
        ...

    async def asset_index(self, symbol: str | None = None, *, urgent: bool = False) -> tuple[AssetIndex, ...]:
        """Return the rates of one index or of all."""
        ...

    async def mark_price_klines(
        self, symbol: str, interval: str = "1m", *, limit: int = 500, urgent: bool = False
    ) -> Sequence[Kline]:
        """Return candles of mark prices, oldest first."""
        ...


class _Attempts:
    """What became of one kind of question: failures in a row, why, and when it may be asked again (monotonic)."""

    def __init__(self) -> None:
        self.in_a_row = 0
        self.failing = ""
        self.not_before_s = 0.0


class RestMarks:
    """Asks for marks of one market. ``failures`` counts.

    Args:
        market: its name, for the log.
        rest: who is asked; needs no key.
        clock: time.
        rng: chance for the jitter of pauses.
        budget: of the address, shared with everybody behind it.
        answered: told of each reply about marks: it holds more than them.
    """

    def __init__(
        self,
        market: Market,
        rest: MarkSource,
        *,
        clock: Clock,
        rng: Random,
        budget: WeightBudget,
        answered: Callable[[], None] | None = None,
    ) -> None:
        self.failures = 0
        self._on_answer = answered
        self._of_marks = _Attempts()
        self._of_rates = _Attempts()
        self._doubtful = False  # the exchange's time as we know it: a clock of ours may have been set
        self._market = market
        self._rest = rest
        self._clock = clock
        self._rng = rng
        self._budget = budget

    @property
    def failing(self) -> str:
        """Why there is no answer now, or none about rates; empty if there is one."""
        return self._of_marks.failing or self._of_rates.failing

    @property
    def not_before_s(self) -> float:
        """Nobody is to ask until then, on the monotonic clock."""
        return self._of_marks.not_before_s

    @property
    def used(self) -> float:
        """How much of the weight that the exchange allows in a minute is used, a fraction."""
        return self._budget.used / self._budget.limit

    def hosts(self) -> tuple[CandidateReport, ...]:
        """Return what became of each candidate host."""
        return self._rest.hosts()

    def period_s(self, shortest_s: float) -> float:
        """Return how long to wait between two requests, at least ``shortest_s``."""
        used = self.used
        return max(shortest_s, next((period_s for share, period_s in STRETCHED if used > share), 0.0))

    async def ask(self, names: Collection[str]) -> dict[str, MarkTick] | None:
        """Return the current marks and rates among these names; None where there is no answer.

        What the exchange's own time says is old, or of a time to come, is left out; where nothing is left, that
        time is measured anew with the next question. Rates that are refused take no marks along.
        """
        try:
            if self._rest.offset_ms is None or self._doubtful:
                await self._rest.server_time(urgent=True)
            ticks = await self._marks(names)
        except (RestError, WireError) as error:
            self._doubtful = isinstance(error, WireError)
            self._fail(self._of_marks, error)
            return None
        self._answered(self._of_marks)
        rates = await self._rates_if_any(names)
        if rates is None and not ticks:
            return None
        now_ms = self._rest.exchange_ms()
        found = {
            tick.symbol: tick
            for tick in (*ticks, *(rates or ()))
            if tick.symbol in names and -OLD_MS <= tick.event_ms - now_ms <= FUTURE_TOLERANCE_MS
        }
        self._doubtful = not found
        return found

    async def witness(self, symbol: str) -> float | None:
        """Return a symbol's mark as candles tell it, another endpoint; None where there is no current one."""
        try:
            rows = await self._rest.mark_price_klines(symbol, limit=1, urgent=True)
        except (RestError, WireError):
            return None
        now_ms = self._rest.exchange_ms()
        return next((row.close for row in rows if 0 <= now_ms - row.open_ms <= MINUTE_MS + OLD_MS), None)

    async def _marks(self, names: Collection[str]) -> list[MarkTick]:
        symbols = [name for name in names if not is_rate(name)]
        if not symbols:
            return []
        alone = symbols[0] if len(symbols) == 1 and self._market is Market.USDM else None
        found = await self._rest.premium_index(alone, urgent=True)
        if self._on_answer is not None:
            self._on_answer()
        return found

    async def _rates_if_any(self, names: Collection[str]) -> list[MarkTick] | None:
        """Return the rates among these names; None where they are not told, or not to be asked for yet."""
        indexes = sorted({name.partition("@")[0] for name in names if is_rate(name)})
        if not indexes:
            return []
        if self._clock.mono_s() < self._of_rates.not_before_s:
            return None
        try:
            rows = await self._rest.asset_index(indexes[0] if len(indexes) == 1 else None, urgent=True)
        except (RestError, WireError) as error:
            self._fail(self._of_rates, error)
            return None
        self._answered(self._of_rates)
        return [tick for row in rows for tick in _ticks(row, self._clock.mono_s())]

    def need_no_rates(self) -> None:
        """Learn that nobody asks for rates now: that they were refused is no news any more."""
        self._answered(self._of_rates)

    def _answered(self, kind: _Attempts) -> None:
        was = self.failing
        kind.in_a_row, kind.failing = 0, ""
        if was and not self.failing:
            log.info("bridge.back", market=self._market.value)

    def _fail(self, kind: _Attempts, error: RestError | WireError) -> None:
        """Ask nobody for this before a time; told once, until there is an answer again."""
        kind.in_a_row += 1
        self.failures += 1
        now_s = self._clock.mono_s()
        until_s = error.until_s if isinstance(error, RateLimitedError) else 0.0
        kind.not_before_s = max(until_s, now_s + pause_s(0.0, kind.in_a_row, self._rng.random(), BOUNDS))
        if not self.failing:
            hint = todo(error, kind.not_before_s - now_s) if isinstance(error, RestError) else ""
            log.warning("bridge.lost", market=self._market.value, reason=error.reason, hint=hint)
        kind.failing = error.reason


def _ticks(row: AssetIndex, seen_s: float) -> Iterator[MarkTick]:
    for name, rate in ((row.symbol + BID, row.bid_rate), (row.symbol + ASK, row.ask_rate)):
        yield MarkTick(name, rate, row.time, seen_s, Source.REST)
