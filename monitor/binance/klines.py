"""A day of one-minute mark prices for every watched symbol, so that typical moves are known soon after a start.

Nothing depends on it: without an answer the stream fills the minutes by itself, in half an hour. So it asks one
symbol at a time, only while little of the address's weight is used, and for ever again, quietly, at ever longer
intervals. Every few hours it asks anew, for what the stream missed meanwhile.
"""

from collections.abc import Collection, Iterable, Sequence
from random import Random
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from monitor.binance.backoff import PauseBounds, pause_s
from monitor.binance.belief import ABSURD_TIME, believable_time
from monitor.binance.bridge import Bridge
from monitor.binance.bridge_values import BridgeStats
from monitor.binance.endpoints import is_rate
from monitor.binance.market_rows import Kline
from monitor.binance.rest_errors import todo
from monitor.binance.streams import FeedStats, MarkFeed
from monitor.binance.weights import WeightBudget
from monitor.core.events import Closes
from monitor.core.layout import QUOTE_ASSETS
from monitor.core.minutes import DAY, MINUTE_MS
from monitor.errors import RateLimitedError, RestError, TransientRestError, WireError
from monitor.ports import Clock, Inbox, Job

log = structlog.get_logger()

CANDLES: Final = DAY + 1  # the newest is not over
WEIGHT: Final = 10
SHARE: Final = 0.3  # of the limit may be used, by everybody behind the address, before this waits
LOOK_S: Final = 1.0  # between two looks at what is due
APART_S: Final = 0.25  # between two requests
AGAIN_S: Final = 6 * 3600.0  # a symbol that was answered
REFUSED_S: Final = 6 * 3600.0  # one that was refused
NONSENSE_S: Final = 600.0  # one whose answer cannot be believed; a wrong clock of ours makes it so too
RECENT_S: Final = 600.0  # one that is watched again after less is not asked for again
BOUNDS: Final = PauseBounds(first_s=15.0, longest_s=1800.0)

_USD: Final = "USD"
_WHERE: Final = "markPriceKlines"


class KlineSource(Protocol):
    """What is asked: ``rest.RestClient``."""

    async def mark_price_klines(self, symbol: str, interval: str = "1m", *, limit: int = 500) -> Sequence[Kline]:
        """Return candles, oldest first; RestError or WireError where there are none."""
        ...

    def exchange_ms(self) -> int:
        """Return the exchange's time as far as known, Unix milliseconds."""
        ...


class KlineStats(msgspec.Struct, frozen=True):
    """What became of the watched symbols' past."""

    answered: int
    waiting: int
    refused: dict[str, str]  # reason by symbol
    failing: str = ""  # why nobody answers now; empty if somebody does


class Ask(NamedTuple):
    """What is asked about one symbol, and under which watched names the answer is told."""

    symbol: str
    names: tuple[str, ...]


class Klines:
    """Implements the past of one market's watched names.

    Args:
        market: its name, for jobs and the log.
        rest: who is asked; needs no key.
        inbox: where closes go.
        clock: time, and what pauses are made on.
        rng: chance for the jitter of pauses.
        budget: of the address, shared with everybody behind it.
    """

    def __init__(
        self, market: str, rest: KlineSource, *, inbox: Inbox, clock: Clock, rng: Random, budget: WeightBudget
    ) -> None:
        self._market = market
        self._rest = rest
        self._inbox = inbox
        self._clock = clock
        self._rng = rng
        self._budget = budget
        self._asks: tuple[Ask, ...] = ()
        self._names: frozenset[str] = frozenset()
        self._due_s: dict[Ask, float] = {}
        self._answered_s: dict[str, float] = {}  # by name, those no longer watched included for a while
        self._refused: dict[str, str] = {}
        self._failures = 0
        self._failing = ""
        self._not_before_s = 0.0

    def jobs(self) -> Sequence[Job]:
        """Return what must run."""
        return [Job(f"klines-{self._market}", self.run)]

    def set_symbols(self, names: Iterable[str]) -> None:
        """Fetch the past of these; rates take that of their asset's contract."""
        wanted = frozenset(names)
        if wanted == self._names:
            return
        now_s = self._clock.mono_s()
        self._answered_s = {
            name: at for name, at in self._answered_s.items() if name in wanted or now_s - at < RECENT_S
        }
        self._names = wanted
        self._asks = asks_of(wanted)
        self._due_s = {ask: self._due(ask, now_s) for ask in self._asks}
        self._refused = {s: why for s, why in self._refused.items() if any(ask.symbol == s for ask in self._asks)}
        for name in sorted(wanted):
            if is_rate(name) and _asset(name) in QUOTE_ASSETS and name not in self._answered_s:
                self._rest_at_par(name)

    def stats(self) -> KlineStats:
        """Return what became of it so far."""
        answered = sum(all(name in self._answered_s for name in ask.names) for ask in self._asks)
        return KlineStats(
            answered, len(self._asks) - answered - len(self._refused), dict(self._refused), self._failing
        )

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            ask = self._next()
            if ask is None:
                await self._clock.sleep(LOOK_S)
                continue
            await self._fetch(ask)
            await self._clock.sleep(APART_S)

    def _next(self) -> Ask | None:
        now_s = self._clock.mono_s()
        if now_s < self._not_before_s or self._budget.used + WEIGHT > self._budget.limit * SHARE:
            return None
        due = min(self._due_s, key=self._due_s.__getitem__, default=None)
        return None if due is None or self._due_s[due] > now_s else due

    async def _fetch(self, ask: Ask) -> None:
        try:
            rows = await self._rest.mark_price_klines(ask.symbol, limit=CANDLES)
            closes = closes_of(rows, self._rest.exchange_ms())
        except RateLimitedError as error:
            self._fail(error, max(error.until_s, self._clock.mono_s() + self._pause_s()))
        except TransientRestError as error:
            self._fail(error, self._clock.mono_s() + self._pause_s())
        except (RestError, WireError) as error:
            self._passes()
            self._refuse(ask, error)
        else:
            self._passes()
            self._take(ask, closes)

    def _take(self, ask: Ask, closes: Closes | None) -> None:
        now_s = self._clock.mono_s()
        self._refused.pop(ask.symbol, None)
        for name in ask.names:
            self._answered_s[name] = now_s
            if closes is not None and name in self._names:
                self._inbox.post(msgspec.structs.replace(closes, symbol=name))
        if ask in self._due_s:
            self._due_s[ask] = now_s + AGAIN_S

    def _refuse(self, ask: Ask, error: RestError | WireError) -> None:
        if ask.symbol not in self._refused:
            hint = todo(error) if isinstance(error, RestError) else ""
            log.warning("klines.refused", market=self._market, symbol=ask.symbol, reason=error.reason, hint=hint)
        if ask in self._due_s:
            self._refused[ask.symbol] = error.reason
            again_s = REFUSED_S if isinstance(error, RestError) else NONSENSE_S
            self._due_s[ask] = self._clock.mono_s() + again_s

    def _fail(self, error: RestError, until_s: float) -> None:
        """Ask nobody before a time; told once, until there is an answer again."""
        if not self._failing:
            hint = todo(error, until_s - self._clock.mono_s())
            log.warning("klines.lost", market=self._market, reason=error.reason, hint=hint)
        self._failing = error.reason
        self._not_before_s = until_s

    def _passes(self) -> None:
        if self._failing:
            log.info("klines.back", market=self._market)
        self._failures, self._failing = 0, ""

    def _pause_s(self) -> float:
        self._failures += 1
        return pause_s(0.0, self._failures, self._rng.random(), BOUNDS)

    def _due(self, ask: Ask, now_s: float) -> float:
        """Return when a symbol is to be asked for: as planned, or now; not again right after an answer."""
        if ask in self._due_s:
            return self._due_s[ask]
        if all(name in self._answered_s for name in ask.names):
            return max(now_s, min(self._answered_s[name] for name in ask.names) + RECENT_S)
        return now_s

    def _rest_at_par(self, name: str) -> None:
        """Let a stable coin's rate have been at rest; what it really does, its own minutes tell from now on."""
        first_ms = (self._clock.wall_ms() // MINUTE_MS - DAY) * MINUTE_MS
        self._answered_s[name] = self._clock.mono_s()
        self._inbox.post(Closes(name, first_ms, (1.0,) * DAY))


class SeededFeed:
    """A feed whose symbols bring their past along, and which REST stands in for. Implements ``ports.Feed``."""

    def __init__(self, feed: MarkFeed, past: Klines, bridge: Bridge | None = None) -> None:
        self._feed = feed
        self._past = past
        self._bridge = bridge

    def jobs(self) -> Sequence[Job]:
        """Return what must run for all of them."""
        beside = [] if self._bridge is None else self._bridge.jobs()
        return [*self._feed.jobs(), *self._past.jobs(), *beside]

    def set_symbols(self, symbols: Iterable[str]) -> None:
        """Watch these from now on, possibly none."""
        names = tuple(symbols)
        self._feed.set_symbols(names)
        self._past.set_symbols(names)
        if self._bridge is not None:
            self._bridge.set_symbols(names)

    def stats(self) -> "SeededStats":
        """Return what they have done so far."""
        bridge = None if self._bridge is None else self._bridge.stats()
        return SeededStats(**msgspec.structs.asdict(self._feed.stats()), past=self._past.stats(), bridge=bridge)


class SeededStats(FeedStats, frozen=True, kw_only=True):
    """What a feed has done, what became of its symbols' past, and what REST did in its place."""

    past: KlineStats
    bridge: BridgeStats | None = None


def asks_of(names: Collection[str]) -> tuple[Ask, ...]:
    """Return what has to be asked for these watched names, by symbol."""
    told: dict[str, list[str]] = {}
    for name in sorted(names):
        if not is_rate(name):
            told.setdefault(name, []).append(name)
        elif (asset := _asset(name)) not in QUOTE_ASSETS:
            # No contract is on an asset's index; its perpetual moves with it.
            told.setdefault(f"{asset}USDT", []).append(name)
    return tuple(Ask(symbol, tuple(found)) for symbol, found in sorted(told.items()))


def closes_of(rows: Sequence[Kline], exchange_ms: int) -> Closes | None:
    """Return the closes of minutes that are over, of a day at most, without a name; None if there are none.

    Args:
        rows: candles of one minute, in any order.
        exchange_ms: the exchange's time as far as known.

    Raises:
        WireError: a candle of a time that cannot be.
    """
    found: dict[int, float] = {}
    for row in rows:
        open_ms = believable_time(row.open_ms, exchange_ms, _WHERE)
        if open_ms % MINUTE_MS:
            raise WireError(_WHERE, ABSURD_TIME)
        if row.close is not None:
            found[open_ms // MINUTE_MS] = row.close
    if found:
        del found[max(found)]  # may not be over, whatever our clock says
    if not found:
        return None
    last = max(found)
    first = max(min(found), last - DAY + 1)
    closes = tuple(found.get(minute, 0.0) for minute in range(first, last + 1))
    return Closes("", first * MINUTE_MS, closes)


def _asset(name: str) -> str:
    """Return whose rate a watched name is: that of ``BTCUSD@bid`` is BTC."""
    return name.partition("@")[0].removesuffix(_USD)
