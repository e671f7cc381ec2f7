"""What is around the symbols of a market: replies to others are used, what is missing is asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from monitor.binance.around_market import MarketAround
from monitor.binance.around_values import DEFAULT_AROUND_TIMINGS, AroundTimings
from monitor.binance.market_rows import ContractRow, ExchangeInfo, FundingInfo, OrderFilter
from monitor.binance.weights import NOT_SPARED
from monitor.binance.wire import NextFunding
from monitor.core.ahead import FRESH_MS
from monitor.core.events import Learnt
from monitor.core.model import Lot, Market
from monitor.core.surroundings import Fact, Funding, FundingKnown, LotsKnown
from monitor.errors import RateLimitedError, RestError
from tests.binance.stand_in import Recorder
from tests.conftest import ManualClock

TIMINGS = AroundTimings(rules_every_s=1000.0, intervals_every_s=400.0)  # a day and an hour
NEXT_MS = 1_780_010_000_000
BUSY = RestError("/fapi/v1/exchangeInfo", "timeout")


def rules(**steps: str) -> ExchangeInfo:
    rows = [
        ContractRow(name, "USDT", "X", "USDT", "PERPETUAL", filters=(OrderFilter("LOT_SIZE", step, step),))
        for name, step in steps.items()
    ]
    return ExchangeInfo((), tuple(rows))


class Exchange:
    """Rules and intervals, or what it is told to raise; ``funding`` came with the newest marks."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked: list[tuple[float, str]] = []
        self.info = rules(BTCUSDT="0.001")
        self.intervals = (FundingInfo("ETHUSDT", 4),)
        self.funding: dict[str, NextFunding] = {}
        self.errors: dict[str, RestError] = {}

    def _ask(self, what: str, *, spare: bool) -> None:
        assert spare
        self.asked.append((self.clock.mono_s(), what))
        if what in self.errors:
            raise self.errors[what]

    async def exchange_info(self, *, spare: bool = False) -> ExchangeInfo:
        self._ask("rules", spare=spare)
        return self.info

    async def funding_info(self, *, spare: bool = False) -> tuple[FundingInfo, ...]:
        self._ask("intervals", spare=spare)
        return self.intervals

    def exchange_ms(self) -> int:
        return self.clock.wall_ms()

    def times(self, what: str) -> int:
        return sum(one == what for _, one in self.asked)


class Bench:
    def __init__(self, clock: ManualClock) -> None:
        self.exchange = Exchange(clock)
        self.inbox = Recorder()
        self.around = MarketAround(Market.USDM, self.exchange, inbox=self.inbox, clock=clock, timings=TIMINGS)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async def run() -> None:
            await self.around.jobs()[0].run()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(run())
            try:
                yield
            finally:
                task.cancel()

    def facts(self) -> list[Fact]:
        return [event.fact for event in self.inbox.events if isinstance(event, Learnt)]

    def told(self, **funding: tuple[float, int]) -> None:
        """Have a reply about marks come that tells this."""
        self.exchange.funding = {symbol: NextFunding(*one) for symbol, one in funding.items()}
        self.around.take_marks()


@pytest.fixture
def bench(clock: ManualClock) -> Bench:
    return Bench(clock)


async def test_rules_that_somebody_else_asks_for_are_not_asked_for(bench: Bench, clock: ManualClock) -> None:
    """Following an account begins with them: for a day that is enough."""
    async with bench.running():
        bench.around.set_symbols(["BTCUSDT"])
        await clock.advance(3.0)
        bench.around.take_rules(bench.exchange.info)
        await clock.advance(990.0)
        assert bench.exchange.times("rules") == 0
        await clock.advance(20.0)
        assert bench.exchange.times("rules") == 1
        assert bench.facts() == [LotsKnown(Market.USDM, {"BTCUSDT": Lot(0.001, 0.001)})]


async def test_rules_nobody_asks_for_are_asked_for(bench: Bench, clock: ManualClock) -> None:
    """A few seconds after something of the market is watched, and each day; what is the same is posted once."""
    async with bench.running():
        await clock.advance(300.0)
        assert bench.exchange.asked == []
        bench.around.set_symbols(["BTCUSDT", "BTCUSD@bid"])
        await clock.advance(4.0)
        assert bench.exchange.times("rules") == 0
        await clock.advance(2.0)
        assert bench.exchange.times("rules") == 1
        await clock.advance(2000.0)
        bench.exchange.info = rules(BTCUSDT="0.01", ETHUSDT="0.1")
        await clock.advance(1000.0)
        assert bench.exchange.times("rules") == 4
        assert [fact.lots for fact in bench.facts() if isinstance(fact, LotsKnown)] == [
            {"BTCUSDT": Lot(0.001, 0.001)}, {"BTCUSDT": Lot(0.01, 0.01), "ETHUSDT": Lot(0.1, 0.1)}
        ]  # fmt: skip


async def test_only_rates_of_collateral_need_nothing(bench: Bench, clock: ManualClock) -> None:
    """They are traded by nobody."""
    async with bench.running():
        bench.around.set_symbols(["BTCUSD@bid", "BTCUSD@ask"])
        await clock.advance(300.0)
        assert bench.exchange.asked == []


async def test_rules_that_fail_are_asked_for_again_ever_later(bench: Bench, clock: ManualClock) -> None:
    """Said once, and that they came; no weight to spare is not said at all."""
    bench.exchange.errors = {"rules": BUSY}
    with capture_logs() as logs:
        async with bench.running():
            bench.around.set_symbols(["BTCUSDT"])
            await clock.advance(1000.0)
            assert bench.exchange.times("rules") == 6
            assert bench.around.stats().rules.failing == "timeout"
            bench.exchange.errors.clear()
            await clock.advance(900.0)
            assert bench.around.stats().rules.failing == ""
            assert bench.around.stats().lots == 1
    assert [entry["event"] for entry in logs] == ["market.around_failed", "market.around_back"]
    bench.exchange.errors = {"intervals": RateLimitedError("/x", NOT_SPARED, until_s=clock.mono_s() + 5.0)}
    with capture_logs() as logs:
        async with bench.running():
            await clock.advance(300.0)
    assert logs == []


async def test_the_next_funding_comes_with_the_marks(bench: Bench, clock: ManualClock) -> None:
    """Of watched symbols, with the interval that the exchange lists, or the usual one; once that was asked for."""
    async with bench.running():
        bench.around.set_symbols(["BTCUSDT", "ETHUSDT", "BTCUSDT_261225"])
        bench.told(BTCUSDT=(0.0001, NEXT_MS), ETHUSDT=(-0.0002, NEXT_MS), SOLUSDT=(0.001, NEXT_MS))
        assert bench.facts() == []
        await clock.advance(1.0)
        (known,) = bench.facts()
        assert known == FundingKnown(
            clock.wall_ms() - 500,
            {"BTCUSDT": Funding(0.0001, NEXT_MS, 8.0), "ETHUSDT": Funding(-0.0002, NEXT_MS, 4.0)},
        )
        assert bench.around.stats().funding == 2


async def test_intervals_that_nobody_tells_are_the_usual_ones(bench: Bench, clock: ManualClock) -> None:
    """What is paid next does not hang on them; they are asked for again, and each hour."""
    bench.exchange.errors = {"intervals": BUSY}
    async with bench.running():
        bench.around.set_symbols(["ETHUSDT"])
        bench.told(ETHUSDT=(0.0001, NEXT_MS))
        await clock.advance(1.0)
        bench.exchange.errors.clear()
        await clock.advance(31.0)
        told = [fact.funding["ETHUSDT"] for fact in bench.facts() if isinstance(fact, FundingKnown)]
        assert [one.interval_h for one in told] == [8.0, 4.0]
        await clock.advance(800.0)
        assert bench.exchange.times("intervals") == 4


async def test_funding_is_posted_where_it_differs_by_money(bench: Bench, clock: ManualClock) -> None:
    """The estimate moves all the time; a millionth of the notional, another time or interval is a difference."""
    async with bench.running():
        bench.around.set_symbols(["BTCUSDT", "ETHUSDT"])
        await clock.advance(1.0)
        bench.told(BTCUSDT=(0.0001, NEXT_MS), ETHUSDT=(0.0001, NEXT_MS))
        bench.told(BTCUSDT=(0.0001004, NEXT_MS), ETHUSDT=(0.0001, NEXT_MS))
        bench.told(BTCUSDT=(0.0001011, NEXT_MS), ETHUSDT=(0.0001, NEXT_MS))
        bench.told(BTCUSDT=(0.0001011, NEXT_MS + 28_800_000))
        bench.told()  # a reply that tells nothing of it
        found = [fact.funding for fact in bench.facts() if isinstance(fact, FundingKnown)]
        assert [sorted(one) for one in found] == [["BTCUSDT", "ETHUSDT"], ["BTCUSDT"], ["BTCUSDT"]]
        bench.around.set_symbols(["ETHUSDT"])
        bench.around.set_symbols(["ETHUSDT", "BTCUSDT"])
        bench.told(BTCUSDT=(0.0001011, NEXT_MS + 28_800_000))
        found = [fact.funding for fact in bench.facts() if isinstance(fact, FundingKnown)]
        assert sorted(found[-1]) == ["BTCUSDT"]
        assert len(found) == 4


async def test_funding_that_stays_is_told_again_before_it_counts_as_old(bench: Bench, clock: ManualClock) -> None:
    """While replies tell it; of what they tell no more nothing is said, and so it grows old."""
    async with bench.running():
        bench.around.set_symbols(["BTCUSDT", "ETHUSDT"])
        await clock.advance(1.0)
        bench.told(BTCUSDT=(0.0001, NEXT_MS), ETHUSDT=(0.0001, NEXT_MS))
        for _ in range(10):
            await clock.advance(60.0)
            bench.told(BTCUSDT=(0.0001, NEXT_MS))
        facts = [fact for fact in bench.facts() if isinstance(fact, FundingKnown)]
        assert [sorted(fact.funding) for fact in facts] == [["BTCUSDT", "ETHUSDT"], ["BTCUSDT"], ["BTCUSDT"]]
        gaps_ms = [later.at_ms - earlier.at_ms for earlier, later in pairwise(facts)]
        assert all(gap_ms + 60_000 < FRESH_MS for gap_ms in gaps_ms)


def test_rules_are_good_for_a_day_and_intervals_for_an_hour() -> None:
    """What the tests above shorten."""
    timings = DEFAULT_AROUND_TIMINGS
    assert (timings.rules_every_s, timings.intervals_every_s) == (86_400.0, 3600.0)
