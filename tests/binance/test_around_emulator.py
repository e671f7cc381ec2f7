"""What is around positions over real sockets, against an exchange with figures of its own."""

from collections.abc import AsyncIterator
from random import Random

import pytest

from monitor.binance.around_market import MarketAround
from monitor.binance.bridge import Bridge
from monitor.binance.endpoints import Environment
from monitor.binance.rest import RestClient
from monitor.binance.weights import WeightBudget
from monitor.core.engine import Engine
from monitor.core.events import Learnt, SettingsChanged, TablesChanged
from monitor.core.model import Market, Now, Side, WaitingOrder
from monitor.core.settings import EngineSettings
from monitor.core.surroundings import AdlKnown, Fact, FundingKnown, FundsKnown, LotsKnown, OrdersKnown
from monitor.emulator.day import day_scenario
from monitor.emulator.server import Emulator
from tests.binance.stand_in import Recorder
from tests.binance.test_account_emulator import Watcher, running
from tests.binance.test_bridge import Stream
from tests.conftest import ManualClock


@pytest.fixture
async def emulator(clock: ManualClock) -> AsyncIterator[Emulator]:
    one = Emulator(clock, day_scenario())
    await one.start()
    await one.step()
    yield one
    await one.stop()


def facts(one: Watcher) -> list[Fact]:
    return [event.fact for event in one.inbox.events if isinstance(event, Learnt)]


def orders(one: Watcher) -> OrdersKnown | None:
    return next((fact for fact in reversed(facts(one)) if isinstance(fact, OrdersKnown)), None)


async def test_an_event_about_an_order_has_it_asked_for(emulator: Emulator, clock: ManualClock) -> None:
    """A stop is known two seconds after its event, and gone two seconds after it is taken back."""
    one = Watcher(emulator, clock, "main", reconcile_every_s=600.0)

    def told() -> int:
        return sum(one.follower.stats().events.values())

    async with running(one):
        await one.started()
        await one.live.fill("BTCUSDT", "BUY", "0.1")
        await one.reach(lambda: (found := orders(one)) is not None and found.symbols == ("BTCUSDT",))
        await one.pass_time(10.0)
        before = told()
        stop = await one.live.place_stop("BTCUSDT", "SELL", "58000", "0.05", reduce_only=True)
        limit = await one.live.place_order("BTCUSDT", "SELL", "0.02", "70000", reduce_only=True)
        await one.until(lambda: told() == before + 2)
        await one.pass_time(3.5)
        await one.until(lambda: (found := orders(one)) is not None and len(found.orders) == 2)
        found = orders(one)
        assert found is not None
        assert found.orders == (
            WaitingOrder("BTCUSDT", Side.LONG, "STOP_MARKET", 58_000.0, 0.05, reduces=True, conditional=True),
            WaitingOrder("BTCUSDT", Side.LONG, "LIMIT", 70_000.0, 0.02, reduces=True),
        )
        await one.pass_time(70.0)
        await one.live.fill_order(limit, "0.005")
        await one.live.end_stop(stop)
        left = pytest.approx(0.015)  # each of the two events has orders asked for
        await one.reach(
            lambda: (found := orders(one)) is not None and [order.quantity for order in found.orders] == [left]
        )
        assert one.states == []


async def test_funds_are_the_exchanges_own(emulator: Emulator, clock: ManualClock) -> None:
    """What is available, and what orders of isolated symbols hold back, of both markets."""
    one, coin = Watcher(emulator, clock, "main"), Watcher(emulator, clock, "coin")
    async with running(one, coin):
        await one.started()
        await one.live.set_margin_type("SOLUSDT", "isolated")
        await one.live.set_leverage("SOLUSDT", 10)
        await one.live.place_order("SOLUSDT", "BUY", "5", "100")
        await one.live.place_order("BTCUSDT", "BUY", "0.01", "50000")  # of a cross symbol: not held back
        before = one.reconciles
        await one.reach(lambda: one.reconciles > before and coin.reconciles > 1)
        told = [fact for fact in facts(one) if isinstance(fact, FundsKnown)][-1]
        reply = (await one.rest.account()).assets
        assert told.available == {"USDT": next(row.available for row in reply if row.asset == "USDT")}
        assert told.reserved == {"USDT": pytest.approx(50.0)}
        coins = [fact for fact in facts(coin) if isinstance(fact, FundsKnown)][-1]
        assert coins.available == {"BTC": 0.5, "ETH": 2.0}
        assert coins.reserved == {}


async def test_coin_margined_orders_and_places(emulator: Emulator, clock: ManualClock) -> None:
    """Both lists are asked for there too; where conditional ones have no endpoint yet, plain ones are all."""
    one = Watcher(emulator, clock, "coin")
    async with running(one):
        await one.started()
        await one.live.fill("BTCUSD_PERP", "SELL", "20")
        await one.live.place_stop("BTCUSD_PERP", "BUY", "70000", close_position=True)
        await one.reach(lambda: (found := orders(one)) is not None and len(found.orders) == 1)
        places = [fact for fact in facts(one) if isinstance(fact, AdlKnown)][-1]
        assert places.quantiles == {"BTCUSD_PERP": {Side.SHORT: 1}}
        emulator.faults.html["/dapi/v1/openAlgoOrders"] = 404
        await one.live.place_order("BTCUSD_PERP", "BUY", "5", "50000", reduce_only=True)
        await one.reach(lambda: (found := orders(one)) is not None and found.orders[0].kind == "LIMIT")
        assert one.follower.stats().around["orders"].failing == ""


async def test_orders_that_are_refused_keep_nothing_from_going_on(emulator: Emulator, clock: ManualClock) -> None:
    """The account is followed and reconciled as before; its status says what is missing."""
    for path in ("/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders", "/fapi/v1/adlQuantile"):
        emulator.faults.html[path] = 404
    one = Watcher(emulator, clock, "main")
    async with running(one):
        await one.started()
        await one.live.fill("BTCUSDT", "BUY", "0.1")
        before = one.reconciles
        await one.pass_time(100.0)
        assert one.reconciles >= before + 3
        assert one.equal()
        assert one.states == []
        around = one.follower.stats().around
        assert {name: (around[name].age_s, around[name].failing) for name in ("orders", "adl")} == {
            "orders": (None, "html"), "adl": (None, "html"),
        }  # fmt: skip
        assert around["funds"].failing == ""


async def test_what_it_costs(emulator: Emulator, clock: ManualClock) -> None:
    """Three symbols cost a weight of 11 a minute beyond following the account; a busy one not much more."""
    one = Watcher(emulator, clock, "main", reconcile_every_s=3600.0)
    async with running(one):
        await one.started()
        for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT"):
            await one.live.fill(symbol, "BUY", "0.1")
        await one.pass_time(150.0)
        used = []
        for _ in range(3):
            await one.pass_time(60.0 - clock.wall_ms() % 60_000 / 1000.0 + 0.7)
            await one.pass_time(58.0)
            used.append(one.follower.stats().used_weight or 0)
        assert max(used) <= 12


async def test_funding_comes_with_the_comparison_of_marks(emulator: Emulator, clock: ManualClock) -> None:
    """The reply that a stream is compared with holds it already: no request of its own but for intervals."""
    budget = WeightBudget(clock)
    rest = RestClient(
        Market.USDM, Environment.TESTNET, (emulator.base_http,), clock=clock, rng=Random(1), budget=budget  # noqa: S311
    )  # fmt: skip
    inbox, stream = Recorder(), Stream(clock)
    around = MarketAround(Market.USDM, rest, inbox=inbox, clock=clock)
    bridge = Bridge(
        Market.USDM, stream, rest, inbox=inbox, clock=clock, rng=Random(1), budget=budget, around=around  # noqa: S311
    )  # fmt: skip
    watcher = Watcher(emulator, clock, "main")
    watcher.rest, watcher.inbox = rest, inbox

    class Jobs:
        def jobs(self) -> object:
            return bridge.jobs()

    watcher.follower = Jobs()  # type: ignore[assignment]
    bridge.set_symbols(["BTCUSDT", "BTCUSD@bid"])
    async with running(watcher):
        for _ in range(65):
            mark = float(emulator.market.marks["BTCUSDT"])
            stream.say(BTCUSDT=mark)
            await watcher.pass_time(1.0)
        told = [event.fact for event in inbox.events if isinstance(event, Learnt)]
        (funding,) = (fact.funding for fact in told if isinstance(fact, FundingKnown))
        assert list(funding) == ["BTCUSDT"]
        assert funding["BTCUSDT"].interval_h == 8.0
        assert 0 < funding["BTCUSDT"].next_ms - clock.wall_ms() <= 8 * 3_600_000
        assert [fact.market for fact in told if isinstance(fact, LotsKnown)] == [Market.USDM]
        stats = bridge.stats().around
        assert stats is not None
        assert (stats.lots, stats.funding) == (4, 1)


async def test_partial_closes_are_seen_as_assumed(emulator: Emulator, clock: ManualClock) -> None:
    """The exchange of the tests releases the share of an isolated margin; what its events show is counted."""
    one = Watcher(emulator, clock, "main")
    async with running(one):
        await one.started()
        await one.live.set_margin_type("ETHUSDT", "isolated")
        await one.live.fill("ETHUSDT", "BUY", "2")
        await one.live.fill("ETHUSDT", "SELL", "0.5")
        await one.live.funding("0.0003")
        await one.live.fill("ETHUSDT", "SELL", "0.7")
        await one.live.liquidate("ETHUSDT", "0.5")
        await one.live.fill("ETHUSDT", "BUY", "1")
        await one.reach(one.equal)
    engine = Engine()
    now = Now(clock.wall_ms(), clock.mono_s())
    engine.step(SettingsChanged(EngineSettings(accounts=("main",)), ()), now)
    for event in sorted(one.inbox.events, key=lambda event: not isinstance(event, TablesChanged)):
        engine.step(event, now)
    assert engine.view(now).accounts[0].released == (3, 0)
