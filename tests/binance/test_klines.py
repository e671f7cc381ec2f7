"""A day of minutes for every watched symbol: from a fake whose time is ours, and from the emulator."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from monitor.binance import klines
from monitor.binance.endpoints import Environment
from monitor.binance.klines import (
    AGAIN_S,
    BOUNDS,
    CANDLES,
    NONSENSE_S,
    RECENT_S,
    REFUSED_S,
    SHARE,
    WEIGHT,
    Ask,
    Klines,
    KlineStats,
    SeededFeed,
    asks_of,
    closes_of,
)
from monitor.binance.market_rows import Kline
from monitor.binance.rest import RestClient
from monitor.binance.streams import MarkFeed
from monitor.binance.weights import WeightBudget
from monitor.core.events import Closes, Event
from monitor.core.minutes import DAY, MINUTE_MS, Minutes
from monitor.core.model import Market, MarkTick
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import Scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.errors import RateLimitedError, RestError, UnreachableError, WireError
from tests.conftest import ManualClock, settle

T0 = 29_666_666 * MINUTE_MS
LOOK_S = 20.0
RNG = Random(1)  # noqa: S311 - jitter


class Box:
    """An inbox that keeps everything."""

    def __init__(self) -> None:
        self.events: list[Closes] = []

    def tick(self, tick: MarkTick) -> None:
        raise AssertionError(tick)

    def post(self, event: Event) -> None:
        assert isinstance(event, Closes)
        self.events.append(event)

    @property
    def symbols(self) -> list[str]:
        return [event.symbol for event in self.events]


class Rest:
    """Answers with a day of candles, or with what is set for a symbol or for all."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked: list[tuple[str, float]] = []
        self.trouble: dict[str, Exception] = {}

    async def mark_price_klines(self, symbol: str, interval: str = "1m", *, limit: int = 500) -> Sequence[Kline]:
        assert (interval, limit) == ("1m", CANDLES)
        self.asked.append((symbol, self.clock.mono_s()))
        error = self.trouble.get(symbol, self.trouble.get("*"))
        if error is not None:
            raise error
        minute = self.clock.wall_ms() // MINUTE_MS
        return candles(minute - limit + 1, limit)

    def exchange_ms(self) -> int:
        return self.clock.wall_ms()

    @property
    def symbols(self) -> list[str]:
        return [symbol for symbol, _ in self.asked]


def candles(first: int, count: int) -> list[Kline]:
    return [Kline((first + i) * MINUTE_MS, 1.0, 1.0, 1.0, 100.0 + i) for i in range(count)]


class Stand:
    """The past of one market under a clock of ours."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.box = Box()
        self.rest = Rest(clock)
        self.budget = WeightBudget(clock)
        self.past = Klines(
            "usdm",
            self.rest,
            inbox=self.box,
            clock=clock,
            rng=RNG,
            budget=self.budget,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Stand"]:
        (job,) = self.past.jobs()
        assert job.name == "klines-usdm"
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.past.run())
            await settle()
            yield self
            task.cancel()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours pass in fewer steps."""
    monkeypatch.setattr(klines, "LOOK_S", LOOK_S)


@pytest.fixture
def stand(clock: ManualClock) -> Stand:
    return Stand(clock)


async def test_every_watched_symbol_is_asked_for_once(stand: Stand) -> None:
    """One after another; the answer is a day of closes whose minutes are over."""
    async with stand.running():
        assert stand.rest.asked == []
        stand.past.set_symbols(["ETHUSDT", "BTCUSDT"])
        await stand.clock.advance(60.0)
    assert stand.rest.symbols == ["BTCUSDT", "ETHUSDT"]
    assert stand.box.symbols == ["BTCUSDT", "ETHUSDT"]
    closes = stand.box.events[0]
    assert closes.first_ms == (stand.clock.wall_ms() // MINUTE_MS - 1 - DAY) * MINUTE_MS
    assert (len(closes.closes), closes.closes[-1]) == (DAY, 100.0 + DAY - 1)
    assert stand.past.stats() == KlineStats(2, 0, {})


async def test_symbols_that_appear_later_are_asked_for_too(stand: Stand) -> None:
    """And none that went before its turn came, nor one that was answered a moment ago."""
    async with stand.running():
        stand.past.set_symbols(["BTCUSDT"])
        await stand.clock.advance(5.0)
        stand.past.set_symbols(["BTCUSDT", "SOLUSDT", "ZECUSDT"])
        stand.past.set_symbols(["BTCUSDT", "SOLUSDT"])
        await stand.clock.advance(5.0)
        stand.past.set_symbols(["SOLUSDT"])
        stand.past.set_symbols(["BTCUSDT", "SOLUSDT"])
        await stand.clock.advance(5.0)
        assert stand.rest.symbols == ["BTCUSDT", "SOLUSDT"]
        assert stand.past.stats() == KlineStats(2, 0, {})
        stand.past.set_symbols(["SOLUSDT"])
        await stand.clock.advance(RECENT_S + 1.0)
        stand.past.set_symbols(["BTCUSDT", "SOLUSDT"])
        await stand.clock.advance(5.0)
        assert stand.rest.symbols == ["BTCUSDT", "SOLUSDT", "BTCUSDT"]


@pytest.mark.usefixtures("patient")
async def test_what_the_stream_missed_is_asked_for_every_few_hours(stand: Stand) -> None:
    """The core takes only minutes it has nothing of."""
    async with stand.running():
        stand.past.set_symbols(["BTCUSDT"])
        await stand.clock.advance(AGAIN_S - LOOK_S)
        assert len(stand.rest.asked) == 1
        await stand.clock.advance(3 * LOOK_S)
        assert len(stand.rest.asked) == 2
        stand.past.set_symbols([])
        await stand.clock.advance(2 * AGAIN_S)
        assert len(stand.rest.asked) == 2


async def test_the_weight_of_others_comes_first(stand: Stand) -> None:
    """Hundreds of symbols are spread over minutes; who follows accounts always finds room."""
    async with stand.running():
        ticket = await stand.budget.take(int(2400 * SHARE) - WEIGHT + 1)
        stand.past.set_symbols(["BTCUSDT"])
        await stand.clock.advance(2.0)
        assert stand.rest.asked == []
        stand.budget.done(ticket, 0)
        await stand.clock.advance(2.0)
        assert stand.rest.symbols == ["BTCUSDT"]


async def test_five_hundred_symbols_leave_most_of_each_minute(clock: ManualClock) -> None:
    """Counted as the exchange does, no minute sees more than the share."""
    stand = Stand(clock)
    by_minute: dict[int, int] = {}
    real = stand.rest.mark_price_klines

    async def counted(symbol: str, interval: str = "1m", *, limit: int = 500) -> Sequence[Kline]:
        ticket = await stand.budget.take(WEIGHT)
        minute = clock.wall_ms() // MINUTE_MS
        by_minute[minute] = by_minute.get(minute, 0) + WEIGHT
        stand.budget.done(ticket, by_minute[minute])
        return await real(symbol, interval, limit=limit)

    stand.rest.mark_price_klines = counted  # type: ignore[method-assign]
    async with stand.running():
        stand.past.set_symbols([f"S{i}USDT" for i in range(500)])
        await clock.advance(600.0)
    assert len(stand.rest.asked) == 500
    assert max(by_minute.values()) <= 2400 * SHARE


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    "error",
    [
        UnreachableError("/fapi/v1/markPriceKlines", "dns"),
        RateLimitedError("/fapi/v1/markPriceKlines", "too_many_requests", until_s=0.0, status=429),
    ],
    ids=["unreachable", "limited"],
)
async def test_without_an_answer_it_asks_ever_less_and_says_so_once(stand: Stand, error: RestError) -> None:
    """An endless, quiet retry: one warning when it began, one line when it is over."""
    stand.rest.trouble["*"] = error
    with capture_logs() as logs:
        async with stand.running():
            stand.past.set_symbols(["BTCUSDT", "ETHUSDT"])
            await stand.clock.advance(4 * 3600.0)
            times = [at for _, at in stand.rest.asked]
            pauses = np.diff(times)
            assert BOUNDS.first_s / 2 <= pauses[0] <= BOUNDS.first_s + LOOK_S
            assert pauses.max() <= BOUNDS.longest_s + LOOK_S
            assert len(times) < 25
            assert stand.past.stats() == KlineStats(0, 2, {}, error.reason)
            stand.rest.trouble.clear()
            await stand.clock.advance(BOUNDS.longest_s + 2 * LOOK_S)
            assert stand.past.stats() == KlineStats(2, 0, {})
    assert [(one["event"], one["log_level"]) for one in logs] == [
        ("klines.lost", "warning"),
        ("klines.back", "info"),
    ]
    assert logs[0]["reason"] == error.reason
    assert logs[0]["hint"]


@pytest.mark.usefixtures("patient")
async def test_a_ban_is_sat_out(stand: Stand) -> None:
    """Asking on would prolong it."""
    start_s = stand.clock.mono_s()
    stand.rest.trouble["*"] = RateLimitedError("/x", "banned", until_s=start_s + 7200.0, status=418)
    async with stand.running():
        stand.past.set_symbols(["BTCUSDT"])
        await stand.clock.advance(7190.0)
        assert len(stand.rest.asked) == 1
        stand.rest.trouble.clear()
        await stand.clock.advance(10.0 + LOOK_S)
        assert stand.box.symbols == ["BTCUSDT"]


@pytest.mark.usefixtures("patient")
async def test_a_symbol_nobody_knows_holds_up_no_other(stand: Stand) -> None:
    """Told once, shown, and asked for again after hours: it may have been listed meanwhile."""
    stand.rest.trouble["NOUSDT"] = RestError("/x", "invalid_symbol", code=-1121, status=400)
    stand.rest.trouble["ODDUSDT"] = WireError("/x", "bad_price")
    with capture_logs() as logs:
        async with stand.running():
            stand.past.set_symbols(["NOUSDT", "ODDUSDT", "ZECUSDT"])
            await stand.clock.advance(2 * LOOK_S)
            assert stand.box.symbols == ["ZECUSDT"]
            refused = {"NOUSDT": "invalid_symbol", "ODDUSDT": "bad_price"}
            assert stand.past.stats() == KlineStats(1, 0, refused)
            await stand.clock.advance(NONSENSE_S + LOOK_S)
            assert stand.rest.symbols.count("ODDUSDT") == 2
            assert stand.rest.symbols.count("NOUSDT") == 1
            stand.rest.trouble.clear()
            await stand.clock.advance(REFUSED_S + LOOK_S)
            assert stand.past.stats() == KlineStats(3, 0, {})
    assert [one["event"] for one in logs] == ["klines.refused"] * 2
    assert {one["symbol"] for one in logs} == {"NOUSDT", "ODDUSDT"}


async def test_an_answer_for_who_is_no_longer_watched_goes_nowhere(stand: Stand) -> None:
    """The position was closed while it was on its way."""
    real = stand.rest.mark_price_klines

    async def slow(symbol: str, interval: str = "1m", *, limit: int = 500) -> Sequence[Kline]:
        stand.past.set_symbols([])
        return await real(symbol, interval, limit=limit)

    stand.rest.mark_price_klines = slow  # type: ignore[method-assign]
    async with stand.running():
        stand.past.set_symbols(["BTCUSDT"])
        await stand.clock.advance(5.0)
    assert stand.box.events == []
    assert stand.past.stats() == KlineStats(0, 0, {})


async def test_rates_take_the_closes_of_their_asset_s_contract(stand: Stand) -> None:
    """One request serves a mark and both rates; a stable coin's rate is taken to have been at rest."""
    names = ["BTCUSDT", "BTCUSD@bid", "BTCUSD@ask", "USDTUSD@bid", "BNBUSD@ask"]
    async with stand.running():
        stand.past.set_symbols(names)
        await stand.clock.advance(5.0)
    assert stand.rest.symbols == ["BNBUSDT", "BTCUSDT"]
    assert sorted(stand.box.symbols) == sorted(names)
    found = {event.symbol: event for event in stand.box.events}
    assert found["BTCUSD@bid"].closes == found["BTCUSD@ask"].closes == found["BTCUSDT"].closes
    assert set(found["USDTUSD@bid"].closes) == {1.0}


def test_what_is_asked_is_grouped_by_symbol() -> None:
    """Names of contracts and of rates, each told under its own."""
    assert asks_of(["ETHUSD@bid", "ETHUSDT", "ETHUSD@ask", "USDCUSD@bid", "BTCUSD_PERP"]) == (
        Ask("BTCUSD_PERP", ("BTCUSD_PERP",)),
        Ask("ETHUSDT", ("ETHUSD@ask", "ETHUSD@bid", "ETHUSDT")),
    )
    assert asks_of([]) == ()


def test_the_newest_candle_is_not_over() -> None:
    """Whatever our clock says: it is left out, and with it nothing is left of a single one."""
    found = closes_of(candles(T0 // MINUTE_MS, 3), T0 + 10 * MINUTE_MS)
    assert found == Closes("", T0, (100.0, 101.0))
    assert closes_of(candles(T0 // MINUTE_MS, 1), T0) is None
    assert closes_of([], T0) is None


def test_missing_candles_are_gaps() -> None:
    """Whether the exchange left some out or out of order."""
    rows = candles(T0 // MINUTE_MS, 6)
    found = closes_of([rows[5], rows[0], rows[1], rows[4]], T0 + 10 * MINUTE_MS)
    assert found == Closes("", T0, (100.0, 101.0, 0.0, 0.0, 104.0))


def test_a_candle_far_away_makes_no_endless_gap() -> None:
    """A day is kept, counted from the newest."""
    rows = [*candles(T0 // MINUTE_MS - 500_000, 2), *candles(T0 // MINUTE_MS, 3)]
    found = closes_of(rows, T0 + 10 * MINUTE_MS)
    assert found is not None
    assert len(found.closes) == DAY
    assert found.closes[-2:] == (100.0, 101.0)


@pytest.mark.parametrize("open_ms", [T0 + 60 * MINUTE_MS, 1000, T0 + 1, -MINUTE_MS])
def test_a_time_that_cannot_be_refuses_the_reply(open_ms: int) -> None:
    """A close from the future would push out the day that was really seen."""
    with pytest.raises(WireError, match="time"):
        closes_of([*candles(T0 // MINUTE_MS - 5, 3), Kline(open_ms, close=1.0)], T0)


# Through the real client

WAITING = KlineStats(0, 1, {})


def wavy(symbol: str, base: str, **more: str) -> Instrument:
    path = PricePath(((0.0, Decimal(60_000)),), noise=0.002, seed=symbol)
    return Instrument(symbol, base, path, **more)  # type: ignore[arg-type]


@pytest.fixture
async def emulator(clock: ManualClock) -> AsyncIterator[Emulator]:
    scenario = Scenario((wavy("BTCUSDT", "BTC"), wavy("BTCUSD_PERP", "BTC", kind="coinm", quote="USD")))
    one = Emulator(clock, scenario, EmulatorSettings())
    await one.start()
    await one.step()
    yield one
    await one.stop()


@asynccontextmanager
async def client(clock: ManualClock, base: str, market: Market = Market.USDM) -> AsyncIterator[RestClient]:
    made = RestClient(
        market,
        Environment.TESTNET,
        (base,),
        clock=clock,
        rng=RNG,
        budget=WeightBudget(clock),
    )
    try:
        yield made
    finally:
        await made.close()


async def asked(
    clock: ManualClock, rest: RestClient, symbols: Sequence[str], until: Callable[[Klines, Box], bool]
) -> tuple[Klines, Box]:
    """Run until a condition holds; sockets take their own time."""
    box = Box()
    past = Klines("usdm", rest, inbox=box, clock=clock, rng=RNG, budget=WeightBudget(clock))
    past.set_symbols(symbols)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        task = group.create_task(past.run())
        while not until(past, box):
            await clock.advance(0.5)
            await settle()
        task.cancel()
    return past, box


@pytest.mark.parametrize(("market", "symbol"), [(Market.USDM, "BTCUSDT"), (Market.COINM, "BTCUSD_PERP")])
async def test_a_day_comes_from_the_exchange(
    clock: ManualClock, emulator: Emulator, market: Market, symbol: str
) -> None:
    """Without a key, of either market; the core makes a typical move of it."""
    async with client(clock, emulator.base_http, market) as rest:
        _, box = await asked(clock, rest, [symbol], lambda _, box: bool(box.events))
    (closes,) = box.events
    assert len(closes.closes) == DAY
    minutes = Minutes()
    minutes.watch((symbol,))
    minutes.seed(symbol, closes.first_ms, closes.closes, 0.0)
    # Prices drawn from +-0.2 % at random: a return is the difference of two of them.
    want = 0.002 / np.sqrt(3) * np.sqrt(2)
    assert np.nanstd(minutes.returns()) == pytest.approx(want, rel=0.05)


async def test_an_unknown_symbol_is_refused_by_the_exchange(clock: ManualClock, emulator: Emulator) -> None:
    """As it refuses it: with a number of its own."""
    async with client(clock, emulator.base_http) as rest:
        past, box = await asked(
            clock, rest, ["NOUSDT", "ZUSDT", "BTCUSDT"], lambda past, _: past.stats().waiting == 0
        )
    assert box.symbols == ["BTCUSDT"]
    assert set(past.stats().refused) == {"NOUSDT", "ZUSDT"}


@pytest.mark.parametrize("status", [429, 418, 503, 500])
async def test_an_exchange_that_refuses_everything_is_left_alone(
    clock: ManualClock, emulator: Emulator, status: int
) -> None:
    """Whatever it says, the job lives and tries again later."""
    emulator.faults.rest_status["*"] = status
    async with client(clock, emulator.base_http) as rest:
        past, box = await asked(clock, rest, ["BTCUSDT"], lambda past, _: past.stats().failing != "")
        assert box.events == []
        emulator.faults.rest_status.clear()
        past, box = await asked(clock, rest, ["BTCUSDT"], lambda _, box: bool(box.events))
    assert past.stats() == KlineStats(1, 0, {})


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[", b"{}", b"[1]", b'[["x"]]', b'[[1780000000000,"1","1","1","NaN"]]', b"[[1780000000000]]",
        b'[[1780000000000,"1","1","1","1"],[9999999999999999,"1","1","1","1"]]', b"null", b"<html></html>",
    ],
)  # fmt: skip
async def test_malformed_candles_are_refused_and_nothing_is_lost(clock: ManualClock, body: bytes) -> None:
    """Neither the job nor another symbol."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    site = web.Application()
    site.router.add_get("/fapi/v1/markPriceKlines", answer)
    async with TestServer(site) as server, client(clock, f"http://127.0.0.1:{server.port}") as rest:
        past, box = await asked(clock, rest, ["BTCUSDT"], lambda past, _: past.stats() != WAITING)
    assert box.events == []
    # A page is nobody's answer about a symbol.
    page = body.startswith(b"<")
    assert (past.stats().failing == "html") is page
    assert (set(past.stats().refused) == {"BTCUSDT"}) is not page


async def test_fewer_than_a_day_is_what_there_is(clock: ManualClock) -> None:
    """A contract listed an hour ago."""
    minute = clock.wall_ms() // MINUTE_MS

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(
            [[(minute - i) * MINUTE_MS, "1", "1", "1", "1.5", "0"] for i in range(60, -1, -1)]
        )

    site = web.Application()
    site.router.add_get("/fapi/v1/markPriceKlines", answer)
    async with TestServer(site) as server, client(clock, f"http://127.0.0.1:{server.port}") as rest:
        _, box = await asked(clock, rest, ["NEWUSDT"], lambda _, box: bool(box.events))
    assert box.events == [Closes("NEWUSDT", (minute - 60) * MINUTE_MS, (1.5,) * 60)]


async def test_a_feed_and_its_past_watch_the_same(clock: ManualClock, stand: Stand) -> None:
    """One set of names, the jobs of both, and figures of both in one."""
    feed = MarkFeed("usdm", (), ("ws://127.0.0.1:9/market",), inbox=stand.box, clock=clock, rng=RNG)
    seeded = SeededFeed(feed, stand.past)
    assert [job.name for job in seeded.jobs()] == [*(job.name for job in feed.jobs()), "klines-usdm"]
    seeded.set_symbols(name for name in ("BTCUSDT", "ETHUSDT"))
    stats = seeded.stats()
    assert (stats.symbols, stats.past) == (2, KlineStats(0, 2, {}))
