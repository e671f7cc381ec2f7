"""One-minute candles of mark prices of a time that has passed, by watched name.

One symbol at a time and within a share of the address's weight, so that accounts and marks of now go first. What
may pass by itself is asked again for a bounded time; what is refused is left out, and named.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple, Protocol

import structlog

from monitor.binance.backoff import PauseBounds, pause_s
from monitor.binance.belief import ABSURD_TIME, believable_time
from monitor.binance.klines import asks_of
from monitor.binance.market_rows import Kline
from monitor.binance.weights import WeightBudget
from monitor.core.away import Candle, Candles
from monitor.core.minutes import MINUTE_MS
from monitor.core.model import Market
from monitor.errors import RateLimitedError, RestError, TransientRestError, WireError
from monitor.ports import Clock

log = structlog.get_logger()

PAGE: Final = 1500  # candles in one reply at most
WEIGHT: Final = 10
# Of the limit, by everybody behind the address: more than the past for typical moves may, less than accounts.
SHARE: Final = 0.4
LOOK_S: Final = 1.0  # between two looks at what is used
APART_S: Final = 0.1  # between two requests
PATIENCE_S: Final = 3600.0  # with an exchange that does not answer
BOUNDS: Final = PauseBounds(first_s=2.0, longest_s=120.0)
NO_CANDLES: Final = "no_candles"

_WHERE: Final = "markPriceKlines"


class PastSource(Protocol):
    """What is asked: ``rest.RestClient``."""

    async def mark_price_klines(
        self, symbol: str, interval: str = "1m", *, limit: int = 500, start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> Sequence[Kline]:  # fmt: skip
        """Return candles, oldest first; RestError or WireError where there are none."""
        ...

    def exchange_ms(self) -> int:
        """Return the exchange's time as far as known, Unix milliseconds."""
        ...


class Found(NamedTuple):
    """What could be had by watched name, and why the others could not: a short constant."""

    candles: dict[str, Candles]
    refused: dict[str, str]


class CandleHistory:
    """Asks for candles.

    Args:
        sources: who is asked, by market; needs no key.
        clock: time, and what pauses are made on.
        rng: chance for the jitter of pauses.
        budget: of the address, shared with everybody behind it.
    """

    def __init__(
        self, sources: Mapping[Market, PastSource], *, clock: Clock, rng: Random, budget: WeightBudget
    ) -> None:
        self._sources = sources
        self._clock = clock
        self._rng = rng
        self._budget = budget
        self._failures = 0

    async def fetch(
        self, names: Mapping[str, Market], from_ms: int, until_ms: int, progress: Callable[[int, int], None]
    ) -> Found:
        """Return the minutes from the one of ``from_ms`` to the one of ``until_ms``, as far as there are any.

        Args:
            names: watched names by market; rates take the candles of their asset's contract.
            from_ms: exchange time, Unix milliseconds.
            until_ms: the same.
            progress: told how many of how many symbols were asked for.
        """
        give_up_s = self._clock.mono_s() + PATIENCE_S
        found = Found({}, {})
        asks = [
            (market, ask)
            for market in self._sources
            for ask in asks_of([name for name, one in names.items() if one is market])
        ]
        lost = ""  # why nobody answers
        for done, (market, ask) in enumerate(asks):
            progress(done, len(asks))
            reason, candles = lost, Candles(range(0))
            if not lost:
                try:
                    candles = await self._candles(self._sources[market], ask.symbol, from_ms, until_ms, give_up_s)
                    reason = "" if len(candles) else NO_CANDLES
                except TransientRestError as error:
                    reason = lost = error.reason
                except (RestError, WireError) as error:
                    reason = error.reason
            if reason:
                log.warning("away.refused", symbol=ask.symbol, market=market.value, reason=reason)
                found.refused.update(dict.fromkeys(ask.names, reason))
            else:
                found.candles.update(dict.fromkeys(ask.names, candles))
        progress(len(asks), len(asks))
        return found

    async def _candles(
        self, source: PastSource, symbol: str, from_ms: int, until_ms: int, give_up_s: float
    ) -> Candles:
        """Return the candles of one symbol; pages follow each other until one brings nothing new."""
        start = from_ms - from_ms % MINUTE_MS
        found = Candles(range(from_ms // MINUTE_MS, until_ms // MINUTE_MS + 1))
        while start <= until_ms:
            page = await self._page(source, symbol, start, until_ms, give_up_s)
            new = {minute: candle for minute, candle in page.items() if minute * MINUTE_MS >= start}
            if not new:
                break
            found.put(new)
            start = (max(new) + 1) * MINUTE_MS
        return found

    async def _page(
        self, source: PastSource, symbol: str, start_ms: int, until_ms: int, give_up_s: float
    ) -> dict[int, Candle]:
        limit = min(PAGE, (until_ms - start_ms) // MINUTE_MS + 1)
        while True:
            await self._turn()
            try:
                rows = await source.mark_price_klines(symbol, limit=limit, start_ms=start_ms, end_ms=until_ms)
                self._failures = 0
                return candles_of(rows, source.exchange_ms())
            except TransientRestError as error:
                self._failures += 1
                until_s = self._clock.mono_s() + pause_s(0.0, self._failures, self._rng.random(), BOUNDS)
                if isinstance(error, RateLimitedError):
                    until_s = max(until_s, error.until_s)
                if until_s >= give_up_s:
                    raise
                await self._clock.sleep(until_s - self._clock.mono_s())

    async def _turn(self) -> None:
        """Wait until little enough is used."""
        await self._clock.sleep(APART_S)
        while self._budget.used + WEIGHT > self._budget.limit * SHARE:
            await self._clock.sleep(LOOK_S)


def candles_of(rows: Sequence[Kline], exchange_ms: int) -> dict[int, Candle]:
    """Return candles by minute, counted from 1970; those that lack an end or contradict themselves are left out.

    Args:
        rows: candles of one minute, in any order.
        exchange_ms: the exchange's time as far as known.

    Raises:
        WireError: a candle of a time that cannot be.
    """
    found = {}
    for row in rows:
        open_ms = believable_time(row.open_ms, exchange_ms, _WHERE)
        if open_ms % MINUTE_MS:
            raise WireError(_WHERE, ABSURD_TIME)
        if row.low is None or row.high is None or row.close is None:
            continue
        ends = (row.low, row.high, row.close, *(() if row.open is None else (row.open,)))
        found[open_ms // MINUTE_MS] = Candle(min(ends), max(ends), row.close)
    return found
