"""What is known around the symbols of one market: what quantities orders may have, and the next funding.

Both come with what is asked for anyway, the market's rules at the start of following an account and the marks that
streams are compared with; only what nobody else asked for is asked for here, with weight that nobody needs.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, Protocol

import msgspec
import structlog

from monitor.binance.around_values import DEFAULT_AROUND_TIMINGS, AroundTimings, Part, PartStats
from monitor.binance.endpoints import is_rate
from monitor.binance.lots import lots_of
from monitor.binance.market_rows import ExchangeInfo, FundingInfo
from monitor.binance.weights import NOT_SPARED
from monitor.binance.wire import NextFunding
from monitor.core.events import Learnt
from monitor.core.model import Lot, Market
from monitor.core.surroundings import Funding, FundingKnown, LotsKnown
from monitor.errors import RateLimitedError, RestError, WireError
from monitor.ports import Clock, Inbox, Job

log = structlog.get_logger()

USUAL_H: Final = 8.0  # between two fundings, of symbols that the exchange does not list
MOVED: Final = 1e-6  # of the notional: the estimate moves all the time, and a smaller difference is no money


class AroundMarketRest(Protocol):
    """What is asked: ``rest.RestClient``. Coroutines raise RestError and WireError."""

    @property
    def funding(self) -> Mapping[str, NextFunding]:
        """The next funding by symbol, as the newest reply about marks told beside them."""
        ...

    async def exchange_info(self, *, spare: bool = False) -> ExchangeInfo:
        """Return the market's rules."""
        ...

    async def funding_info(self, *, spare: bool = False) -> tuple[FundingInfo, ...]:
        """Return symbols that pay at other intervals than the usual one."""
        ...

    def exchange_ms(self) -> int:
        """Return the exchange's time as far as known, Unix milliseconds."""
        ...


class MarketStats(msgspec.Struct, frozen=True):
    """What is known around the symbols of a market."""

    lots: int  # contracts whose quantities are known
    rules: PartStats  # the reply they are from
    funding: int  # watched symbols whose next funding is known
    marks: PartStats  # the reply that is from


class MarketAround:
    """Told by whoever asks the market, it asks for the rest.

    Args:
        market: whose.
        rest: what is asked; needs no key.
        inbox: takes what becomes known.
        clock: time.
        timings: how often.
    """

    def __init__(
        self,
        market: Market,
        rest: AroundMarketRest,
        *,
        inbox: Inbox,
        clock: Clock,
        timings: AroundTimings = DEFAULT_AROUND_TIMINGS,
    ) -> None:
        self._market = market
        self._rest = rest
        self._inbox = inbox
        self._clock = clock
        self._timings = timings
        self._symbols: frozenset[str] = frozenset()
        self._rules, self._intervals, self._marks = (Part(timings) for _ in range(3))
        self._lots: dict[str, Lot] = {}
        self._hours: dict[str, float] = {}  # between two fundings, where that is not the usual time
        self._asked = False  # for those intervals, whatever came of it
        self._told: dict[str, NextFunding] = {}
        self._funding: dict[str, Funding] = {}  # as posted
        self._posted_s: dict[str, float] = {}  # and when, monotonic

    def jobs(self) -> list[Job]:
        """Return what must run."""
        return [Job(f"around-{self._market.value}", self._run)]

    def set_symbols(self, names: Iterable[str]) -> None:
        """Find out about these from now on; rates of collateral are none of them."""
        symbols = frozenset(name for name in names if not is_rate(name))
        if symbols and not self._symbols:
            self._rules.due_s = max(self._rules.due_s, self._clock.mono_s() + self._timings.wait_s)
        self._symbols = symbols
        for known in (self._funding, self._told, self._posted_s):
            for gone in known.keys() - symbols:
                del known[gone]

    def take_rules(self, info: ExchangeInfo) -> None:
        """Take the market's rules, whoever asked for them."""
        lots = lots_of(info, self._market)
        self._answered(self._rules, "rules", self._timings.rules_every_s)
        if lots != self._lots:
            self._lots = lots
            self._inbox.post(Learnt(LotsKnown(self._market, lots)))

    def take_marks(self) -> None:
        """Take what a reply about marks, which whoever else needed, told of the next funding."""
        found = {symbol: due for symbol, due in self._rest.funding.items() if symbol in self._symbols}
        if not found:
            return
        self._marks.told(self._clock.mono_s(), 0.0)
        self._told |= found
        self._post_funding(found)

    def stats(self) -> MarketStats:
        """Return what is known, and how old it is."""
        now_s = self._clock.mono_s()
        return MarketStats(len(self._lots), self._rules.stats(now_s), len(self._funding), self._marks.stats(now_s))

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._timings.look_s)
            if self._symbols:
                await self._look()

    async def _look(self) -> None:
        if self._clock.mono_s() >= self._intervals.due_s:
            await self._ask_intervals()
        if self._clock.mono_s() >= self._rules.due_s:
            try:
                self.take_rules(await self._rest.exchange_info(spare=True))
            except (RestError, WireError) as error:
                self._failed(self._rules, "rules", error)

    async def _ask_intervals(self) -> None:
        try:
            rows = await self._rest.funding_info(spare=True)
        except (RestError, WireError) as error:
            self._failed(self._intervals, "intervals", error)
        else:
            self._hours = {row.symbol: float(row.funding_interval_hours) for row in rows}
            self._answered(self._intervals, "intervals", self._timings.intervals_every_s)
        self._asked = True
        self._post_funding()

    def _post_funding(self, told: Collection[str] = ()) -> None:
        """Post what differs by money from what was posted; nothing before somebody was asked how often it is.

        Of what was ``told`` just now, that which did not change is posted again after a while: it would grow old.
        """
        if not self._asked:
            return
        now_s = self._clock.mono_s()
        news = {}
        for symbol, due in self._told.items():
            one = Funding(due.rate, due.next_ms, self._hours.get(symbol, USUAL_H))
            old = symbol in told and now_s - self._posted_s.get(symbol, now_s) >= self._timings.renew_s
            if symbol in self._symbols and (old or _differs(self._funding.get(symbol), one)):
                news[symbol] = one
        if news:
            self._funding |= news
            self._posted_s |= dict.fromkeys(news, now_s)
            self._inbox.post(Learnt(FundingKnown(self._rest.exchange_ms(), news)))

    def _answered(self, part: Part, name: str, every_s: float) -> None:
        if part.told(self._clock.mono_s(), every_s) not in {"", NOT_SPARED}:
            log.info("market.around_back", market=self._market.value, part=name)

    def _failed(self, part: Part, name: str, error: RestError | WireError) -> None:
        now_s = self._clock.mono_s()
        wait_s = max(0.0, error.until_s - now_s) if isinstance(error, RateLimitedError) else 0.0
        if error.reason == NOT_SPARED:
            part.not_spared(now_s, error.reason, wait_s)
        elif part.failed(now_s, error.reason, wait_s):
            log.warning("market.around_failed", market=self._market.value, part=name, reason=error.reason)


def _differs(known: Funding | None, one: Funding) -> bool:
    if known is None or (known.next_ms, known.interval_h) != (one.next_ms, one.interval_h):
        return True
    return abs(one.rate - known.rate) >= MOVED
