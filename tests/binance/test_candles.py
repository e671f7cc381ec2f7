"""Candles of a time that has passed: pages, weight, refusals, and patience that ends."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random

import pytest

from monitor.binance.belief import ABSURD_TIME
from monitor.binance.candles import NO_CANDLES, PAGE, PATIENCE_S, SHARE, CandleHistory, Found, candles_of
from monitor.binance.market_rows import Kline
from monitor.binance.weights import WeightBudget
from monitor.core.away import Candle
from monitor.core.minutes import MINUTE_MS
from monitor.core.model import Market
from monitor.errors import RateLimitedError, RestError, UnreachableError, WireError
from tests.conftest import ManualClock, settle

RNG = Random(1)  # noqa: S311 - jitter


class Rest:
    """A market whose contracts began somewhere in the past; answers with what is set, else with candles."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked: list[tuple[str, int, int, float]] = []  # symbol, limit, first minute, when
        self.trouble: dict[str, list[Exception]] = {}
        self.listed: dict[str, int] = {}  # first minute

    async def mark_price_klines(
        self, symbol: str, interval: str = "1m", *, limit: int = 500, start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> Sequence[Kline]:  # fmt: skip
        assert interval == "1m"
        assert start_ms is not None
        assert end_ms is not None
        assert limit <= PAGE
        self.asked.append((symbol, limit, start_ms // MINUTE_MS, self.clock.mono_s()))
        for key in (symbol, "*"):
            if self.trouble.get(key):
                raise self.trouble[key].pop(0)
        first = max(start_ms // MINUTE_MS, self.listed.get(symbol, 0))
        return [kline(minute) for minute in range(first, min(end_ms // MINUTE_MS, first + limit - 1) + 1)]

    def exchange_ms(self) -> int:
        return self.clock.wall_ms()


def kline(minute: int) -> Kline:
    return Kline(minute * MINUTE_MS, 100.0, 110.0, 90.0, 105.0)


class Stand:
    """Both markets under a clock of ours."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.rest = {market: Rest(clock) for market in Market}
        self.usdm, self.coinm = self.rest[Market.USDM], self.rest[Market.COINM]
        self.budget = WeightBudget(clock)
        self.history = CandleHistory(self.rest, clock=clock, rng=RNG, budget=self.budget)
        self.progress: list[tuple[int, int]] = []
        self.until_ms = clock.wall_ms() - 30_000

    async def fetch(self, names: Mapping[str, Market], minutes: int, *, within_s: float = 60.0) -> Found:
        """Return what is found of the last ``minutes`` minutes."""
        from_ms = self.until_ms - minutes * MINUTE_MS
        async with asyncio.TaskGroup() as group:
            task = group.create_task(
                self.history.fetch(names, from_ms, self.until_ms, lambda *done: self.progress.append(done))
            )
            await self.clock.advance(within_s)
            await settle()
            assert task.done(), "it takes longer"
        return task.result()


@pytest.fixture
def stand(clock: ManualClock) -> Stand:
    return Stand(clock)


async def test_each_market_is_asked_for_its_own(stand: Stand) -> None:
    """One after the other, no more candles than there are minutes."""
    found = await stand.fetch({"BTCUSDT": Market.USDM, "BTCUSD_PERP": Market.COINM}, 37)
    last = stand.until_ms // MINUTE_MS
    assert found.refused == {}
    assert set(found.candles) == {"BTCUSDT", "BTCUSD_PERP"}
    for candles in found.candles.values():
        assert candles.minutes == range(last - 37, last + 1)
        assert len(candles) == 38
    one = found.candles["BTCUSDT"]
    assert (one.low[-1], one.high[-1], one.close[-1]) == (90.0, 110.0, 105.0)
    assert [(symbol, limit) for symbol, limit, *_ in stand.usdm.asked] == [("BTCUSDT", 38)]
    assert [(symbol, limit) for symbol, limit, *_ in stand.coinm.asked] == [("BTCUSD_PERP", 38)]
    assert stand.progress == [(0, 2), (1, 2), (2, 2)]


async def test_a_long_time_takes_several_pages(stand: Stand) -> None:
    """A week is seven of them, without a minute twice or left out."""
    found = await stand.fetch({"BTCUSDT": Market.USDM}, 10_080)
    assert len(found.candles["BTCUSDT"]) == 10_081
    starts = [first for _, _, first, _ in stand.usdm.asked]
    assert [b - a for a, b in pairwise(starts)] == [PAGE] * 6


async def test_a_contract_that_is_younger_than_the_time_is_known_since_it_began(stand: Stand) -> None:
    """What there is, is taken; a contract of which there is nothing is named."""
    last = stand.until_ms // MINUTE_MS
    stand.usdm.listed = {"NEWUSDT": last - 4, "NEVERUSDT": last + 10}
    found = await stand.fetch({"NEWUSDT": Market.USDM, "NEVERUSDT": Market.USDM}, 100)
    assert len(found.candles["NEWUSDT"]) == 5
    assert found.refused == {"NEVERUSDT": NO_CANDLES}


async def test_rates_take_the_candles_of_their_contract(stand: Stand) -> None:
    """Those of stable coins need none; a contract that is held as well is asked for once."""
    names = ("BTCUSD@bid", "BTCUSD@ask", "USDCUSD@bid", "USDCUSD@ask", "BTCUSDT")
    found = await stand.fetch(dict.fromkeys(names, Market.USDM), 5)
    assert set(found.candles) == {"BTCUSD@bid", "BTCUSD@ask", "BTCUSDT"}
    assert len(stand.usdm.asked) == 1


async def test_what_is_refused_is_named_and_the_others_are_asked_for(stand: Stand) -> None:
    """Repeating would not help."""
    stand.usdm.trouble = {
        "AUSDT": [RestError("x", "unknown_symbol")], "BUSDT": [WireError("x", "wrong_shape")],
    }  # fmt: skip
    found = await stand.fetch(dict.fromkeys(("AUSDT", "BUSDT", "CUSDT"), Market.USDM), 5)
    assert found.refused == {"AUSDT": "unknown_symbol", "BUSDT": "wrong_shape"}
    assert set(found.candles) == {"CUSDT"}


async def test_what_may_pass_is_asked_again(stand: Stand) -> None:
    """At growing intervals; a ban is waited out."""
    until_s = stand.clock.mono_s() + 100.0
    stand.usdm.trouble = {
        "*": [UnreachableError("x", "timeout"), RateLimitedError("x", "banned", until_s=until_s)]
    }
    found = await stand.fetch({"BTCUSDT": Market.USDM}, 5, within_s=130.0)
    assert found.refused == {}
    times = [at_s for *_, at_s in stand.usdm.asked]
    assert 1.0 <= times[1] - times[0] <= 2.2
    assert times[2] >= until_s


async def test_patience_ends_after_an_hour_for_all_of_them(stand: Stand) -> None:
    """Those not yet asked for are not asked one hour each."""
    stand.usdm.trouble = {"*": [UnreachableError("x", "timeout") for _ in range(1000)]}
    found = await stand.fetch(
        dict.fromkeys(("AUSDT", "BUSDT", "CUSDT"), Market.USDM), 5, within_s=PATIENCE_S + 1.0
    )
    assert found.refused == dict.fromkeys(("AUSDT", "BUSDT", "CUSDT"), "timeout")
    assert {symbol for symbol, *_ in stand.usdm.asked} == {"AUSDT"}
    assert len(stand.usdm.asked) < 60


async def test_little_weight_is_left_to_it(stand: Stand) -> None:
    """While others use more than its share, it waits."""
    ticket = await stand.budget.take(int(stand.budget.limit * SHARE))
    async with asyncio.TaskGroup() as group:
        group.create_task(
            stand.history.fetch({"BTCUSDT": Market.USDM}, stand.until_ms - 1, stand.until_ms, lambda *_: None)
        )
        await stand.clock.advance(3.0)
        assert stand.usdm.asked == []
        stand.budget.done(ticket, 0)
        await stand.clock.advance(3.0)
        assert len(stand.usdm.asked) == 1


def test_candles_that_lack_an_end_or_contradict_themselves() -> None:
    """One without an end is none; of contradictions the widest counts."""
    good = kline(29_000_000)
    lacking = Kline(29_000_001 * MINUTE_MS, 100.0, 110.0, None, 105.0)
    odd = Kline(29_000_002 * MINUTE_MS, 100.0, 101.0, 99.0, 120.0)
    assert candles_of([good, lacking, odd], 2 * 10**12) == {
        29_000_000: Candle(90.0, 110.0, 105.0), 29_000_002: Candle(99.0, 120.0, 120.0),
    }  # fmt: skip


@pytest.mark.parametrize("open_ms", [0, 29_000_000 * MINUTE_MS + 1])
def test_candles_of_times_that_cannot_be_are_refused(open_ms: int) -> None:
    """They would be taken for another minute's."""
    with pytest.raises(WireError, match=ABSURD_TIME):
        candles_of([Kline(open_ms, 1.0, 1.0, 1.0, 1.0)], 2 * 10**12)
