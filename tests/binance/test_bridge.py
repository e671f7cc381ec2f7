"""REST in place of a silent stream, and beside one that speaks: fakes whose time is ours."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor.binance.bridge import Bridge
from monitor.binance.candidates import CandidateReport
from monitor.binance.market_rows import (
    AssetIndex,
    ContractRow,
    ExchangeInfo,
    Kline,
    MarketSessions,
    TradingSchedule,
    TradingSession,
)
from monitor.binance.rest_marks import OLD_MS
from monitor.binance.weights import WeightBudget
from monitor.core.events import AtRest, Distrusted, Event
from monitor.core.model import Market, MarkTick, Source
from monitor.core.outages import BRIDGED_S
from monitor.errors import RateLimitedError, RestError, UnreachableError, WireError
from monitor.ports import Job
from tests.conftest import ManualClock, settle

BTC, ETH, XAU = "BTCUSDT", "ETHUSDT", "XAUUSDT"
BID, ASK = "BTCUSD@bid", "BTCUSD@ask"
HOUR_MS = 3_600_000


class Stream:
    """A feed that says what a test lets it say."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked_s: dict[str, float] = {}
        self.latest: dict[str, MarkTick] = {}
        self.withheld: frozenset[str] = frozenset()
        self.given_up: list[float] = []

    @property
    def name(self) -> str:
        return "usdm"

    def stale(self, after_s: float) -> tuple[str, ...]:
        before_s = self.clock.mono_s() - after_s
        seen = {name: tick.seen_s for name, tick in self.latest.items()}
        return tuple(
            sorted(name for name, at_s in self.asked_s.items() if max(at_s, seen.get(name, 0)) <= before_s)
        )

    def withhold(self, symbols: Iterable[str]) -> None:
        self.withheld = frozenset(symbols)

    def give_up(self, reason: str) -> None:
        assert reason == "wrong_marks"
        self.given_up.append(self.clock.mono_s())

    def say(self, **marks: float) -> None:
        for symbol, mark in marks.items():
            self.latest[symbol] = MarkTick(symbol, mark, self.clock.wall_ms(), self.clock.mono_s())


class Rest:
    """Answers with what it is told to know, or with what goes wrong."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.marks: dict[str, float] = {BTC: 100.0, ETH: 50.0, XAU: 4000.0}
        self.rates: dict[str, float] = {"BTCUSD": 95.0, "ETHUSD": 45.0}
        self.candles: dict[str, float] = {}
        self.asked: list[tuple[float, str]] = []
        self.trouble: Exception | None = None
        self.behind_ms: dict[str, int] = {}
        self.offset_ms: int | None = None
        self.ahead_ms = 500  # of our clock
        self.slow_s = 0.0
        self.rates_trouble: Exception | None = None
        self.kinds = {BTC: ("PERPETUAL", "COIN"), XAU: ("TRADIFI_PERPETUAL", "COMMODITY")}
        self.sessions: list[TradingSession] = []

    def hosts(self) -> tuple[CandidateReport, ...]:
        return (CandidateReport("https://one.example"),)

    def exchange_ms(self) -> int:
        return self.clock.wall_ms() + (self.offset_ms or 0)

    def _ask(self, what: str) -> None:
        self.asked.append((self.clock.mono_s(), what))
        if self.trouble is not None:
            raise self.trouble

    async def server_time(self, *, urgent: bool = False) -> int:
        assert urgent
        self._ask("time")
        self.offset_ms = self.ahead_ms
        return self.exchange_ms()

    async def premium_index(self, symbol: str | None = None, *, urgent: bool = False) -> list[MarkTick]:
        assert urgent
        self._ask(symbol or "*")
        if self.slow_s:
            await self.clock.sleep(self.slow_s)
        true_ms = self.clock.wall_ms() + self.ahead_ms
        return [
            MarkTick(name, mark, true_ms - self.behind_ms.get(name, 0), self.clock.mono_s(), Source.REST)
            for name, mark in self.marks.items()
            if symbol in {None, name}
        ]

    async def mark_price_klines(
        self, symbol: str, interval: str = "1m", *, limit: int = 500, urgent: bool = False
    ) -> Sequence[Kline]:
        assert (interval, limit, urgent) == ("1m", 1, True)
        self._ask(f"candle {symbol}")
        open_ms = self.exchange_ms() // 60_000 * 60_000
        close = self.candles.get(symbol, self.marks[symbol])
        return [Kline(open_ms, close, close, close, close)]

    async def asset_index(self, symbol: str | None = None, *, urgent: bool = False) -> tuple[AssetIndex, ...]:
        assert urgent
        self._ask(symbol or "*rates")
        if self.rates_trouble is not None:
            raise self.rates_trouble
        return tuple(
            AssetIndex(index, 1.0, rate, rate + 10.0, self.exchange_ms())
            for index, rate in self.rates.items()
            if symbol in {None, index}
        )

    async def exchange_info(self) -> ExchangeInfo:
        self._ask("rules")
        rows = [
            ContractRow(name, "USDT", "X", "USDT", contract, underlying_type=kind)
            for name, (contract, kind) in self.kinds.items()
        ]
        return ExchangeInfo((), tuple(rows))

    async def trading_schedule(self) -> TradingSchedule:
        self._ask("sessions")
        return TradingSchedule({"COMMODITY": MarketSessions(tuple(self.sessions))})

    def polls(self, *, since_s: float = 0.0) -> list[str]:
        beside = {"time", "rules", "sessions"}
        found = [what for at_s, what in self.asked if what not in beside and at_s >= since_s]
        return [what for what in found if not what.startswith("candle")]


class Box:
    """An inbox that keeps everything."""

    def __init__(self) -> None:
        self.ticks: list[MarkTick] = []
        self.events: list[Event] = []

    def tick(self, tick: MarkTick) -> None:
        self.ticks.append(tick)

    def post(self, event: Event) -> None:
        self.events.append(event)

    def distrusted(self) -> list[dict[str, str]]:
        return [event.reasons for event in self.events if isinstance(event, Distrusted)]

    def at_rest(self) -> list[AtRest]:
        return [event for event in self.events if isinstance(event, AtRest)]

    def take(self) -> list[tuple[str, float]]:
        """Return names and marks that came since the last take."""
        found = [(tick.symbol, tick.mark) for tick in self.ticks]
        self.ticks.clear()
        return found


async def _run(job: Job) -> None:
    await job.run()


class Stand:
    """The bridge of one market, and its surroundings."""

    def __init__(self, clock: ManualClock, market: Market = Market.USDM) -> None:
        self.clock = clock
        self.box = Box()
        self.stream = Stream(clock)
        self.rest = Rest(clock)
        self.budget = WeightBudget(clock)
        rng = Random(1)  # noqa: S311 - jitter
        self.bridge = Bridge(
            market, self.stream, self.rest, inbox=self.box, clock=clock, rng=rng, budget=self.budget
        )

    def watch(self, *names: str) -> None:
        self.stream.asked_s = {name: self.stream.asked_s.get(name, self.clock.mono_s()) for name in names}
        self.bridge.set_symbols(names)

    @asynccontextmanager
    async def running(self, *names: str) -> AsyncIterator["Stand"]:
        self.watch(*names)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_run(job)) for job in self.bridge.jobs()]
            await settle()
            yield self
            for task in tasks:
                task.cancel()

    async def live(self, seconds: int, marks: Mapping[str, float], *, step: float = 0.0) -> None:
        """Let seconds pass in which the stream speaks, its marks changing by ``step`` of themselves each."""
        for n in range(seconds):
            self.stream.say(**{name: mark * (1.0 + step * n) for name, mark in marks.items()})
            await self.clock.advance(1.0)


@pytest.fixture
def stand(clock: ManualClock) -> Stand:
    return Stand(clock)


async def test_a_silent_stream_is_bridged_from_three_seconds_on(stand: Stand) -> None:
    """Counted from the subscription; the first question goes out at once, then one every two seconds."""
    async with stand.running(BTC, ETH):
        await stand.clock.advance(2.9)
        assert stand.rest.asked == []
        await stand.clock.advance(0.6)
        assert stand.box.take() == [(BTC, 100.0), (ETH, 50.0)]
        assert [what for _, what in stand.rest.asked][:2] == ["time", "*"]
        stand.rest.marks[BTC] = 90.0
        await stand.clock.advance(10.0)
        assert len(stand.rest.polls()) == 6
        assert stand.box.take()[:2] == [(BTC, 90.0), (ETH, 50.0)]
        stats = stand.bridge.stats()
        assert (stats.bridged, stats.polls, stats.failures, stats.failing) == ((BTC, ETH), 6, 0, "")
        assert stats.mark_age_s is not None
        assert stats.mark_age_s <= 2.0


async def test_marks_of_the_bridge_are_marks_of_rest(stand: Stand) -> None:
    """With the exchange's own time: the engine counts the stream's silence on."""
    async with stand.running(BTC):
        await stand.clock.advance(3.5)
    (tick,) = stand.box.ticks
    assert tick.source is Source.REST
    assert tick.event_ms == stand.rest.exchange_ms() - 500


async def test_only_what_is_stale_is_bridged(stand: Stand) -> None:
    """One symbol alone costs a tenth; it ends when the stream speaks again."""
    with capture_logs() as logs:
        async with stand.running(BTC, ETH):
            await stand.live(4, {ETH: 50.0})
            assert stand.rest.polls() == [BTC]
            assert stand.box.take() == [(BTC, 100.0)]
            assert stand.bridge.stats().bridged == (BTC,)
            at_s = stand.clock.mono_s()
            await stand.live(10, {BTC: 100.0, ETH: 50.0})
            assert BTC not in stand.rest.polls(since_s=at_s + 0.1)
            stats = stand.bridge.stats()
            assert (stats.bridged, stats.since_ms) == ((), None)
    assert [one["event"] for one in logs] == ["bridge.begun", "bridge.ended"]


async def test_nothing_watched_nothing_asked(stand: Stand) -> None:
    """Nor after the last position was closed."""
    async with stand.running():
        await stand.clock.advance(130.0)
        assert stand.rest.asked == []
        stand.watch(BTC)
        await stand.clock.advance(4.0)
        assert stand.rest.polls() == [BTC]
        stand.watch()
        await stand.clock.advance(130.0)
        assert stand.rest.polls() == [BTC]


async def test_rates_are_bridged_by_the_index(stand: Stand) -> None:
    """One asset's alone, or those of all; with both of their names."""
    async with stand.running(BID, ASK):
        await stand.clock.advance(3.5)
        assert stand.rest.polls() == ["BTCUSD"]
        assert stand.box.take() == [(ASK, 105.0), (BID, 95.0)]
        stand.watch(BTC, BID, ASK, "ETHUSD@bid")
        await stand.clock.advance(5.5)
        assert stand.rest.polls()[-2:] == ["*rates", BTC] or stand.rest.polls()[-2:] == [BTC, "*rates"]
        assert ("ETHUSD@bid", 45.0) in stand.box.take()


async def test_coin_margined_marks_cost_the_same_alone_as_together(clock: ManualClock) -> None:
    """So all are asked for."""
    stand = Stand(clock, Market.COINM)
    async with stand.running(BTC):
        await clock.advance(3.5)
        assert stand.rest.polls() == ["*"]
        assert stand.box.take() == [(BTC, 100.0)]


async def test_old_marks_and_such_that_do_not_move_on_are_none(stand: Stand) -> None:
    """By the exchange's own time: a frozen answer must not look like sight."""
    async with stand.running(BTC, ETH):
        stand.rest.behind_ms = {BTC: OLD_MS + 1, ETH: OLD_MS - 1}
        await stand.clock.advance(3.5)
        assert stand.box.take() == [(ETH, 50.0)]
        stand.rest.behind_ms = {BTC: -61_000, ETH: OLD_MS - 1 + 2_000}
        await stand.clock.advance(2.0)
        assert stand.box.take() == []
        assert stand.bridge.stats().failing == ""


@pytest.mark.parametrize("by_ms", [-3_600_000, 3_600_000])
async def test_a_clock_of_ours_that_is_set_does_not_end_the_bridge(stand: Stand, by_ms: int) -> None:
    """What was measured before would make every mark one of an hour ago, or of an hour to come."""
    async with stand.running(BTC, ETH):
        await stand.clock.advance(3.6)
        stand.box.take()
        stand.clock._wall_ms += by_ms
        stand.rest.ahead_ms -= by_ms
        stand.rest.marks[BTC] = 90.0
        await stand.clock.advance(5.0)
        assert (BTC, 90.0) in stand.box.take()
        assert [what for _, what in stand.rest.asked].count("time") == 2


async def test_a_clock_of_ours_that_is_set_does_not_end_comparisons(stand: Stand) -> None:
    """One that found no current mark compared nothing, and is none."""
    async with stand.running(BTC):
        await stand.live(70, {BTC: 100.0})
        assert stand.bridge.stats().checks == 1
        stand.clock._wall_ms += 3_600_000
        stand.rest.ahead_ms -= 3_600_000
        for n in range(100):
            stand.rest.marks[BTC] = 90.0 + 1e-4 * n
            await stand.live(1, {BTC: 100.0})
        assert stand.bridge.stats().distrusted.keys() == {BTC}


async def test_rates_that_are_refused_take_no_marks_along(stand: Stand) -> None:
    """They are another question, to another endpoint; told once, and asked again by and by."""
    stand.rest.rates_trouble = RestError("assetIndex", "refused")
    with capture_logs() as logs:
        async with stand.running(BTC, BID):
            await stand.clock.advance(60.0)
            assert len(stand.box.take()) == 29
            assert 5 <= stand.rest.polls().count("BTCUSD") <= 12
            assert stand.bridge.stats().failing == "refused"
            stand.rest.rates_trouble = None
            await stand.clock.advance(11.0)
            assert (BID, 95.0) in stand.box.take()
            assert stand.bridge.stats().failing == ""
    assert [one["event"] for one in logs] == ["bridge.begun", "bridge.lost", "bridge.back"]


async def test_rates_that_were_refused_are_no_news_once_the_stream_tells_them(stand: Stand) -> None:
    """Nobody asks for them any more, so no answer would ever say that it is over."""
    stand.rest.rates_trouble = RestError("assetIndex", "refused")
    async with stand.running(BTC, BID):
        await stand.clock.advance(10.0)
        assert stand.bridge.stats().failing == "refused"
        await stand.live(3, {BTC: 100.0, BID: 95.0})
        assert stand.bridge.stats().failing == ""


async def test_marks_come_soon_enough_to_count_as_a_bridge_however_little_weight_is_left(stand: Stand) -> None:
    """Or it would be told again and again that there is none."""
    stand.rest.slow_s = 0.8
    oldest_s = 0.0
    async with stand.running(BTC, ETH):
        await stand.clock.advance(5.0)
        for _ in range(600):
            stand.budget.done(stand.budget.take_at_once(0), 2300)
            await stand.clock.advance(0.1)
            oldest_s = max(oldest_s, stand.clock.mono_s() - stand.box.ticks[-1].seen_s)
    assert 7.0 < oldest_s <= BRIDGED_S


async def test_a_full_minute_stretches_the_period(stand: Stand) -> None:
    """Others need weight too; but nobody is left without marks."""
    stand.rest.offset_ms = 0
    async with stand.running(BTC, ETH):
        for used, expected in ((0.45, 9), (0.6, 4), (0.9, 2)):
            await stand.clock.advance(60.0 - stand.clock.wall_ms() % 60_000 / 1000 + 1.0)
            stand.budget.done(stand.budget.take_at_once(1), round(2400 * used))
            await stand.clock.advance(11.0)  # the pause that was planned before
            at_s = stand.clock.mono_s()
            await stand.clock.advance(19.9)
            assert expected <= len(stand.rest.polls(since_s=at_s + 0.01)) <= expected + 1


async def test_failures_are_spaced_and_logged_once(stand: Stand) -> None:
    """Ten seconds at most, so that what comes back is seen soon."""
    stand.rest.trouble = UnreachableError("premiumIndex", "timeout")
    with capture_logs() as logs:
        async with stand.running(BTC):
            await stand.clock.advance(100.0)
            times = [at_s for at_s, _ in stand.rest.asked]
            gaps = [b - a for a, b in pairwise(times)]
            assert max(gaps) <= 10.5
            assert len(times) >= 10
            stats = stand.bridge.stats()
            assert (stats.failures, stats.failing, stats.mark_age_s) == (len(times), "timeout", None)
            for trouble in (WireError("premiumIndex", "not_json"), RestError("premiumIndex", "refused")):
                stand.rest.trouble = trouble
                await stand.clock.advance(20.0)
            stand.rest.trouble = None
            await stand.clock.advance(11.0)
            assert stand.box.take() != []
            assert stand.bridge.stats().failing == ""
    assert [(one["event"], one["log_level"]) for one in logs] == [
        ("bridge.begun", "warning"), ("bridge.lost", "warning"), ("bridge.back", "info")
    ]  # fmt: skip


async def test_whom_the_exchange_sends_away_stays_away(stand: Stand) -> None:
    """A ban outlasts every pause of ours."""
    stand.rest.trouble = RateLimitedError("premiumIndex", "banned", until_s=stand.clock.mono_s() + 120.0)
    async with stand.running(BTC):
        await stand.clock.advance(119.0)
        assert len(stand.rest.asked) == 1
        stand.rest.trouble = None
        await stand.clock.advance(2.0)
        assert stand.box.take() == [(BTC, 100.0)]


# Closed markets


def session(stand: Stand, kind: str, *, hours: int = 10) -> TradingSession:
    now_ms = stand.clock.wall_ms()
    return TradingSession(now_ms - HOUR_MS, now_ms + hours * HOUR_MS, kind)


async def test_a_silent_symbol_of_a_closed_market_is_at_rest(stand: Stand) -> None:
    """REST shows the same mark, seldom asked; the engine hears of it all the time, and only while it is so."""
    stand.rest.sessions = [session(stand, "NO_TRADING")]
    async with stand.running(XAU):
        await stand.live(3, {XAU: 4000.0})
        await stand.clock.advance(8.0)
        assert stand.bridge.stats().at_rest == (XAU,)
        assert stand.bridge.stats().bridged == ()
        assert [what for _, what in stand.rest.asked if what in {"rules", "sessions"}] == ["rules", "sessions"]
        at_s, told = stand.clock.mono_s(), len(stand.box.at_rest())
        await stand.clock.advance(60.0)
        assert 4 <= len(stand.rest.polls(since_s=at_s)) <= 7
        events = stand.box.at_rest()[told:]
        assert len(events) >= 40
        assert events[-1] == AtRest("usdm", (XAU,), events[-1].at_s)
        assert stand.clock.mono_s() - events[-1].at_s <= 1.5
        stand.rest.marks[XAU] = 3999.0  # it moves after all
        await stand.clock.advance(10.5)
        assert stand.bridge.stats().bridged == (XAU,)
        told = len(stand.box.at_rest())
        await stand.clock.advance(10.0)
        assert len(stand.box.at_rest()) == told


async def test_rest_that_falls_silent_too_is_no_rest(stand: Stand) -> None:
    """What nobody sees any more goes blind."""
    stand.rest.sessions = [session(stand, "NO_TRADING")]
    async with stand.running(XAU):
        await stand.clock.advance(12.0)
        assert stand.bridge.stats().at_rest == (XAU,)
        stand.rest.trouble = UnreachableError("premiumIndex", "timeout")
        await stand.clock.advance(40.0)
        assert stand.bridge.stats().at_rest == ()


@pytest.mark.parametrize("why", ["open", "unlisted", "crypto", "moves", "unknown"])
async def test_what_cannot_be_known_is_no_rest(stand: Stand, why: str) -> None:
    """Blind is said, then: the safe side."""
    stand.rest.sessions = [session(stand, "REGULAR" if why == "open" else "NO_TRADING")]
    if why == "unlisted":
        stand.rest.sessions = [session(stand, "NO_TRADING", hours=0)]
    if why == "crypto":
        stand.rest.kinds[XAU] = ("PERPETUAL", "COIN")
    async with stand.running(XAU):
        stand.stream.say(**{XAU: 4001.0 if why == "moves" else 4000.0})
        if why == "unknown":
            await stand.clock.advance(3.1)
            await stand.clock.advance(0.3)
            stand.rest.exchange_info = broken  # type: ignore[method-assign]
        await stand.clock.advance(30.0)
        assert stand.bridge.stats().at_rest == ()
        assert stand.box.at_rest() == []
        assert len([what for _, what in stand.rest.asked if what == "rules"]) <= 1


async def broken() -> ExchangeInfo:
    raise RestError("exchangeInfo", "refused")


# Stream beside REST


async def test_a_stream_that_agrees_is_compared_once_a_minute(stand: Stand) -> None:
    """At a cost of one request; how far it was apart is shown."""
    async with stand.running(BTC, ETH):
        await stand.live(241, {BTC: 100.05, ETH: 50.0})
        assert stand.rest.polls() == ["*"] * 4
        stats = stand.bridge.stats()
        assert (stats.checks, stats.worst_symbol, stats.distrusted) == (4, BTC, {})
        assert stats.worst == pytest.approx(0.0005, rel=0.01)
        assert stats.check_age_s is not None
        assert stats.check_age_s < 60.0
        assert stats.bridged == ()
        assert stand.box.ticks == []
        assert stand.box.events == []


async def test_a_stream_that_is_elsewhere_is_withheld_and_given_up(stand: Stand) -> None:
    """Three times out of three, five seconds apart, asking for the doubtful alone; REST stands in from then on."""
    stand.rest.offset_ms = 0
    with capture_logs() as logs:
        async with stand.running(BTC, ETH):
            await stand.live(80, {BTC: 102.7, ETH: 50.0})
            assert stand.rest.polls()[:3] == ["*", BTC, BTC]
            first_s = stand.rest.asked[0][0]
            assert [at_s - first_s for at_s, _ in stand.rest.asked[:3]] == [0.0, 5.0, 10.0]
            why = "the stream says 102.7 where REST says 100"
            assert stand.box.distrusted() == [{BTC: why}]
            assert stand.stream.withheld == {BTC}
            assert stand.stream.given_up[0] - first_s == 12.0
            assert stand.box.ticks[0] == MarkTick(
                BTC, 100.0, stand.box.ticks[0].event_ms, first_s + 10.0, Source.REST
            )
            assert stand.bridge.stats().distrusted == {BTC: why}
            at_s = stand.clock.mono_s()
            stand.box.take()
            await stand.live(10, {BTC: 102.7, ETH: 50.0})
            assert stand.rest.polls(since_s=at_s + 0.01).count(BTC) == 5
            assert {symbol for symbol, _ in stand.box.take()} == {BTC}
    assert ("bridge.distrusted", BTC, why) in [(o["event"], o.get("symbol"), o.get("why")) for o in logs]


async def test_rest_that_is_elsewhere_is_found_out_by_its_candles(stand: Stand) -> None:
    """Two against one: nothing of the stream is held back, and it is logged once."""
    stand.rest.candles[BTC] = 103.01
    with capture_logs() as logs:
        async with stand.running(BTC):
            await stand.live(200, {BTC: 103.0})
            assert stand.box.distrusted() == []
            assert stand.stream.given_up == []
            asked = [what for _, what in stand.rest.asked]
            assert asked.count(f"candle {BTC}") >= 2
            assert stand.box.ticks == []
            stand.rest.candles[BTC] = 100.1
            await stand.live(80, {BTC: 103.0})
            assert [set(found) for found in stand.box.distrusted()] == [{BTC}]
    assert [one["event"] for one in logs if one["event"] == "bridge.rest_wrong"] == ["bridge.rest_wrong"]


async def test_without_a_witness_rest_is_believed(stand: Stand) -> None:
    """No candle, or one of an earlier time: the stream is wrong then, and a person is told."""
    stand.rest.mark_price_klines = no_candle  # type: ignore[method-assign]
    async with stand.running(BTC):
        await stand.live(80, {BTC: 103.0})
        assert [set(found) for found in stand.box.distrusted()] == [{BTC}]


async def no_candle(
    symbol: str, interval: str = "1m", *, limit: int = 500, urgent: bool = False
) -> Sequence[Kline]:
    raise RestError("markPriceKlines", f"{symbol} {interval} {limit} {urgent}")


async def test_trust_returns_when_both_agree_twice(stand: Stand) -> None:
    """What it says is passed on again, and the engine hears of it."""
    async with stand.running(BTC):
        await stand.live(80, {BTC: 103.0})
        assert stand.stream.withheld == {BTC}
        await stand.live(2, {BTC: 100.0})
        assert stand.stream.withheld == {BTC}
        await stand.live(3, {BTC: 100.0})
        assert stand.stream.withheld == frozenset()
        assert stand.box.distrusted()[1:] == [{}]
        assert stand.bridge.stats().bridged == ()


async def test_where_rest_falls_silent_a_distrusted_stream_passes_again(stand: Stand) -> None:
    """It may be right by now, on another host, and nobody else tells of a fall; it is not trusted for that."""
    with capture_logs() as logs:
        async with stand.running(BTC):
            await stand.live(80, {BTC: 103.0})
            assert stand.stream.withheld == {BTC}
            stand.rest.trouble = UnreachableError("premiumIndex", "timeout")
            await stand.live(25, {BTC: 103.0})
            assert stand.stream.withheld == {BTC}
            await stand.live(10, {BTC: 90.0})
            assert stand.stream.withheld == frozenset()
            assert [set(found) for found in stand.box.distrusted()] == [{BTC}]
            stand.rest.trouble = None
            stand.rest.marks[BTC] = 95.0
            await stand.live(12, {BTC: 90.0})
            assert stand.stream.withheld == {BTC}
    assert [one["symbols"] for one in logs if one["event"] == "bridge.alone"] == [[BTC], []]


async def test_a_stream_that_stays_wrong_is_given_up_ever_more_seldom(stand: Stand) -> None:
    """Perhaps it is all hosts at once: then nothing is won by haste."""
    async with stand.running(BTC):
        await stand.live(500, {BTC: 103.0})
        times = stand.stream.given_up
        assert [round(b - a) for a, b in pairwise(times)][:3] == [30, 60, 120]


async def test_a_stuck_price_is_found_below_the_tolerance(stand: Stand) -> None:
    """Its event time moves on, REST moves too: a minute of that, and five seconds more."""
    stand.rest.offset_ms = 0
    async with stand.running(BTC):
        for n in range(140):
            stand.rest.marks[BTC] = 100.0 + 0.0005 * n
            await stand.live(1, {BTC: 100.0})
        ((symbol, why),) = stand.box.distrusted()[0].items()
        assert symbol == BTC
        assert why.startswith("stuck price, the stream says 100 where REST says 100.0")
        assert max(stand.rest.marks.values()) < 4000.1


async def test_a_lively_price_that_stops_is_looked_into_at_once(stand: Stand) -> None:
    """Eight seconds of standing still are enough to ask; it is found wrong long before the minute is over."""
    stand.rest.offset_ms = 0
    async with stand.running(BTC):
        for n in range(70):
            mark = 100.0 * (1.0 + 0.00005 * n)
            stand.rest.marks[BTC] = mark
            await stand.live(1, {BTC: mark})
        asked = len(stand.rest.polls())
        stopped_s = stand.clock.mono_s()
        for n in range(70, 90):
            stand.rest.marks[BTC] = 100.0 * (1.0 + 0.00005 * n)
            await stand.live(1, {BTC: mark})
        assert [set(found) for found in stand.box.distrusted()] == [{BTC}]
        assert stand.stream.given_up[0] - stopped_s <= 17.0
        assert len(stand.rest.polls()) - asked <= 5


async def test_a_lively_price_that_rests_is_asked_about_once(stand: Stand) -> None:
    """REST rests as well; nothing follows."""
    stand.rest.offset_ms = 0
    async with stand.running(BTC):
        for n in range(15):
            stand.rest.marks[BTC] = 100.0 + n
            await stand.live(1, {BTC: 100.0 + n})
        at_s = stand.clock.mono_s()
        await stand.live(40, {BTC: 114.0})
        assert len(stand.rest.polls(since_s=at_s)) == 1
        assert stand.box.distrusted() == []


async def test_rest_that_is_stuck_is_not_taken_for_the_truth(stand: Stand) -> None:
    """The stream moves, and nothing of it is held back."""
    async with stand.running(BTC):
        await stand.live(200, {BTC: 100.0}, step=0.0005)
        assert stand.bridge.stats().checks >= 3
        assert stand.box.distrusted() == []


async def test_a_wrong_stream_that_falls_silent_is_bridged_and_stays_wrong(stand: Stand) -> None:
    """Silence is no agreement; nor is a price from before."""
    async with stand.running(BTC):
        await stand.live(80, {BTC: 103.0})
        stand.rest.marks[BTC] = 103.0
        await stand.clock.advance(20.0)
        assert stand.stream.withheld in ({BTC}, frozenset())
        stand.box.take()
        await stand.clock.advance(4.0)
        assert stand.box.take() == [(BTC, 103.0)] * 2


async def test_symbols_that_are_let_go_are_distrusted_no_more(stand: Stand) -> None:
    """A position closed is a doubt ended."""
    async with stand.running(BTC, ETH):
        await stand.live(80, {BTC: 103.0, ETH: 50.0})
        assert set(stand.box.distrusted()[-1]) == {BTC}
        stand.watch(ETH)
        assert stand.box.distrusted()[-1] == {}
        assert stand.stream.withheld == frozenset()


async def test_where_weight_is_short_nothing_is_compared(stand: Stand) -> None:
    """It is made up for when there is some."""
    stand.rest.offset_ms = 0
    async with stand.running(BTC):
        for _ in range(150):
            stand.budget.done(stand.budget.take_at_once(0), 2000)
            await stand.live(1, {BTC: 100.0})
        assert stand.rest.asked == []
        await stand.live(75, {BTC: 100.0})
        assert stand.rest.polls() != []


async def test_a_comparison_that_fails_is_tried_again_soon(stand: Stand) -> None:
    """A minute would be long for a stream that may be wrong."""
    stand.rest.trouble = UnreachableError("premiumIndex", "timeout")
    async with stand.running(BTC):
        await stand.live(70, {BTC: 100.0})
        assert len(stand.rest.asked) >= 1
        stand.rest.trouble = None
        await stand.live(14, {BTC: 100.0})
        assert stand.bridge.stats().checks == 1


def test_what_it_did_can_be_told_as_json(stand: Stand) -> None:
    """For status, before anything happened."""
    document = msgspec.to_builtins(stand.bridge.stats())
    assert document["bridged"] == ()
    assert document["worst"] is None
    assert [one["base"] for one in document["hosts"]] == ["https://one.example"]
    assert [job.name for job in stand.bridge.jobs()] == ["bridge-usdm", "crosscheck-usdm", "sessions-usdm"]
