"""Accounts followed over real sockets, against an exchange with arithmetic of its own and faults on demand."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor.binance.account import AccountFollower
from monitor.binance.account_rest import AccountClient
from monitor.binance.account_values import AccountTimings
from monitor.binance.endpoints import Environment
from monitor.binance.keys import Credentials
from monitor.binance.rest import RestClient
from monitor.binance.weights import WeightBudget
from monitor.core.events import (
    AccountState,
    MarginCall,
    OrderForced,
    Reconciled,
    Snapshot,
    StreamState,
    TablesChanged,
)
from monitor.core.model import AccountSnapshot, ForcedOrder, Market
from monitor.emulator.day import SECRET, day, day_scenario
from monitor.emulator.live import LiveAccount
from monitor.emulator.server import Emulator
from monitor.ports import Job
from tests.binance.account_fakes import FakeCache
from tests.binance.stand_in import PATIENCE_S, Recorder
from tests.conftest import ManualClock, settle

TIMINGS = AccountTimings(open_timeout_s=30.0, ping_interval_s=300.0, ping_timeout_s=300.0)
NOWHERE = "ws://127.0.0.1:1/private"


@pytest.fixture
async def emulator(clock: ManualClock) -> AsyncIterator[Emulator]:
    one = Emulator(clock, day_scenario())
    await one.start()
    await one.step()
    yield one
    await one.stop()


class Client(AccountClient):
    """The real one; ``bogus`` is handed out as the first listen keys."""

    bogus: list[str]

    async def create_listen_key(self) -> str:
        key = await super().create_listen_key()
        return self.bogus.pop() if self.bogus else key


class Watcher:
    """A follower of one of the day's accounts, and what it told."""

    def __init__(self, emulator: Emulator, clock: ManualClock, name: str, **changes: Any) -> None:  # noqa: ANN401 - of every kind
        self.emulator = emulator
        self.clock = clock
        self.name = name
        market = Market.COINM if name == "coin" else Market.USDM
        budget = WeightBudget(clock, limit=100_000)
        rng = random.Random(7)  # noqa: S311 - jitter
        self.rest = RestClient(
            market,
            Environment.TESTNET,
            (emulator.base_http,),
            credentials=Credentials(changes.pop("key", f"{name}-key"), SECRET),
            clock=clock,
            rng=rng,
            budget=budget,
        )
        self.client = Client(name, self.rest, budget, clock)
        self.client.bogus = changes.pop("bogus", [])
        self.inbox = Recorder()
        self.follower = AccountFollower(
            name,
            market,
            [changes.pop("base", emulator.base_private_ws)],
            rest=self.client,
            cache=FakeCache(),
            inbox=self.inbox,
            clock=clock,
            rng=rng,
            timings=msgspec.structs.replace(TIMINGS, **changes),
        )

    @property
    def live(self) -> LiveAccount:
        return self.emulator.accounts[self.name]

    @property
    def snapshot(self) -> AccountSnapshot:
        return self.snapshots[-1].account

    @property
    def snapshots(self) -> list[Snapshot]:
        return [event for event in self.inbox.events if isinstance(event, Snapshot)]

    @property
    def states(self) -> list[AccountState]:
        return [event for event in self.inbox.events if isinstance(event, AccountState)]

    @property
    def reconciles(self) -> int:
        return self.follower.stats().reconciles

    def equal(self) -> bool:
        """Whether what was told last is what the exchange has."""
        return bool(self.snapshots) and seen(self.snapshot) == held(self.live)

    async def pass_time(self, seconds: float) -> None:
        end_s = self.clock.mono_s() + seconds
        while (left_s := end_s - self.clock.mono_s()) > 1e-9:
            await self.clock.advance(min(0.5, left_s))
            await settle(60)

    async def reach(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await self.pass_time(0.25)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait without time passing."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await settle(1)

    async def started(self) -> None:
        """Wait for the stream, and for a reconcile after it opened."""
        await self.reach(lambda: self.follower.stats().stream.state == "open" and self.reconciles >= 2)


def seen(account: AccountSnapshot) -> tuple[object, ...]:
    legs = {
        (leg.symbol, leg.side.value): (
            leg.quantity, leg.entry_price, leg.margin_mode.value, leg.margin, leg.margin_asset, leg.leverage,
        )
        for leg in account.positions
    }  # fmt: skip
    balances = {asset: value for asset, value in account.balances.items() if value}
    return legs, balances, account.multi_assets, account.hedge_mode


def held(live: LiveAccount) -> tuple[object, ...]:
    account = live.account
    legs = {
        (leg.symbol, leg.side): (
            float(leg.quantity), float(leg.entry), leg.margin_mode,
            float(leg.margin) if leg.margin_mode == "isolated" else 0.0,
            leg.margin_asset, float(live.leverage(leg.symbol)),
        )
        for leg in account.positions
    }  # fmt: skip
    balances = {asset: float(value) for asset, value in account.balances.items() if value}
    return legs, balances, account.multi_assets, account.hedge_mode


@asynccontextmanager
async def running(*watchers: Watcher) -> AsyncIterator[None]:
    async def run(job: Job) -> None:
        await job.run()

    async with AsyncExitStack() as stack:
        for one in watchers:
            stack.push_async_callback(one.rest.close)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(job)) for one in watchers for job in one.follower.jobs()]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()


Make = Callable[..., Watcher]


@pytest.fixture
def make(emulator: Emulator, clock: ManualClock) -> Make:
    def watch(name: str = "main", **changes: object) -> Watcher:
        return Watcher(emulator, clock, name, **changes)

    return watch


NAMES = ("main", "hedge", "multi", "coin")


def moneys(account: tuple[object, ...]) -> tuple[object, ...]:
    """Leave the leverage out: a new position's is asked for."""
    legs, *rest = account
    assert isinstance(legs, dict)
    return {key: facts[:-1] for key, facts in legs.items()}, *rest


async def test_a_day_by_the_stream_alone(emulator: Emulator, make: Make) -> None:
    """After every event each account is as the exchange has it, while REST is not asked but for modes."""
    watchers = [make(name) for name in NAMES]
    async with running(*watchers):
        for one in watchers:
            await one.started()
            await one.pass_time(3.0)
        asked = [one.reconciles for one in watchers]
        modes = 0
        async for step in day(emulator):
            if "set_multi_assets" in step:
                modes += 1
                await watchers[2].reach(watchers[2].equal)
            for one in watchers:
                await one.until(lambda one=one: moneys(seen(one.snapshot)) == moneys(held(one.live)))  # type: ignore[misc]
        assert [one.follower.stats().rejected for one in watchers] == [{}] * 4
        for one, before in zip(watchers, asked, strict=True):
            assert one.reconciles <= before + 2 * modes
            assert one.follower.stats().stream.found_silent == 0
            assert one.states == []
        forced = [event for one in watchers for event in one.inbox.events if isinstance(event, OrderForced)]
        kinds = [event.kind for event in forced]
        assert kinds.count(ForcedOrder.LIQUIDATION) == 3
        assert kinds.count(ForcedOrder.ADL) == 2
        assert any(isinstance(event, MarginCall) for event in watchers[0].inbox.events)


async def test_a_day_by_rest_alone(emulator: Emulator, make: Make) -> None:
    """The same, with a stream that cannot be reached; leverage included."""
    watchers = [make(name, base=NOWHERE, reconcile_every_s=1.0, reconcile_gap_s=0.5) for name in NAMES]
    async with running(*watchers):
        async for _ in day(emulator):
            for one in watchers:
                await one.reach(one.equal)
        assert [one.states for one in watchers] == [[]] * 4
        for one in watchers:
            audited = [event for event in one.inbox.events if isinstance(event, Reconciled)]
            assert audited
            assert {event.account.account for event in audited} == {one.name}


def tables(one: Watcher) -> list[TablesChanged]:
    return [event for event in one.inbox.events if isinstance(event, TablesChanged)]


async def test_tiers_are_told_when_they_change(emulator: Emulator, make: Make) -> None:
    """Asked for because the exchange said so; tables of the account, with a date."""
    one = make()
    async with running(one):
        await one.started()
        await emulator.set_brackets("BTCUSDT", ((0, 10_000, "0.01", 0, 50), (10_000, 1_000_000, "0.02", 100, 25)))
        one.follower.refresh_brackets("BTCUSDT")
        await one.until(lambda: len(tables(one)) == 2)
        table = tables(one)[-1].tables[0]
        assert [(row.cap, row.mmr, row.cum) for row in table.brackets] == [(1e4, 0.01, 0.0), (1e6, 0.02, 100.0)]
        assert (table.symbol, table.account, table.origin, len(table.as_of)) == ("BTCUSDT", "main", "exchange", 10)


async def test_a_burst_of_429_passes(emulator: Emulator, make: Make) -> None:
    """Nobody hears of some seconds, and figures come again."""
    one = make()
    async with running(one):
        await one.started()
        emulator.faults.retry_after_s = 2
        emulator.faults.next_statuses += [429] * 6
        await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.1")
        before = one.reconciles
        await one.reach(lambda: not emulator.faults.next_statuses and one.reconciles > before)
        assert one.states == []
        assert one.equal()


async def test_a_ban_is_honoured_and_told_once(emulator: Emulator, make: Make) -> None:
    """One 418 with Retry-After: nothing is asked until its end, the stream goes on."""
    one = make()
    async with running(one):
        await one.started()
        emulator.faults.retry_after_s = 240
        emulator.faults.next_statuses.append(418)
        await one.reach(lambda: not emulator.faults.next_statuses)
        await one.until(lambda: one.follower.stats().reason == "ip_banned")
        asked = one.reconciles
        await one.pass_time(100.0)
        await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.1")
        await one.until(lambda: one.snapshots[-1].cause == "ORDER")
        await one.pass_time(130.0)
        assert one.reconciles == asked
        assert [(state.ok, state.reason) for state in one.states] == [(False, "ip_banned")]
        await one.reach(lambda: one.reconciles > asked)
        assert [state.ok for state in one.states] == [False, True]


@pytest.mark.parametrize("skew_ms", [3000, -3000])
async def test_a_clock_three_seconds_off_does_not_matter(emulator: Emulator, make: Make, skew_ms: int) -> None:
    """Requests carry the exchange's time and events are judged by it; a clock set later is noticed by itself."""
    emulator.faults.skew_ms = skew_ms
    one = make()
    async with running(one):
        await one.started()
        await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.1")
        await one.until(lambda: one.snapshots[-1].cause == "ORDER")
        emulator.faults.skew_ms = -skew_ms
        before = one.reconciles
        await one.reach(lambda: one.reconciles >= before + 2)
        assert one.equal()
        assert one.states == []


async def test_an_expired_key_is_replaced(emulator: Emulator, make: Make) -> None:
    """The exchange tells it, the socket stays open: a new key and a new connection, and events come again."""
    one = make()
    with capture_logs() as logs:
        async with running(one):
            await one.started()
            await emulator.expire_listen_keys()
            await one.reach(lambda: one.follower.stats().stream.reconnects == 1)
            await one.pass_time(3.0)
            await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.1")
            await one.until(lambda: one.snapshots[-1].cause == "ORDER")
            assert one.states == []
    assert [entry["reason"] for entry in logs if "reason" in entry] == ["listen_key_expired"]


async def test_a_key_that_ended_without_a_word_is_replaced(emulator: Emulator, make: Make) -> None:
    """Prolonging it finds that out, half an hour later at most."""
    one = make(keepalive_every_s=60.0, reconcile_every_s=600.0)
    async with running(one):
        await one.started()
        emulator.streams.keys.close("main")
        await one.pass_time(61.0)
        await one.reach(lambda: one.follower.stats().stream.reconnects == 1)
        await one.pass_time(3.0)
        await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.1")
        await one.until(lambda: one.snapshots[-1].cause == "ORDER")


async def test_a_key_that_was_never_valid_is_found(emulator: Emulator, make: Make) -> None:
    """The handshake completes and nothing ever comes: REST tells a change no event told, and that is said once."""
    one = make(bogus=["neverValid"])
    with capture_logs() as logs:
        async with running(one):
            await one.started()
            await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.1")
            await one.reach(lambda: one.follower.stats().stream.found_silent == 1)
            assert one.equal()
            await one.reach(lambda: one.follower.stats().stream.reconnects == 1)
            await one.pass_time(3.0)
            await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.1")
            await one.until(lambda: one.snapshots[-1].cause == "ORDER")
            assert one.follower.stats().stream.proved
            assert one.states == []
    assert [entry["reason"] for entry in logs if "reason" in entry] == ["silent"]
    assert "neverValid" not in repr(logs)


async def test_a_stream_that_stays_dead_is_said_once(emulator: Emulator, make: Make) -> None:
    """Every form of address is silent: the account is followed by REST, and the log does not repeat it."""
    emulator.faults.private_silent = True
    one = make()
    with capture_logs() as logs:
        async with running(one):
            await one.started()
            for number in range(4):
                await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.1")
                await one.reach(lambda number=number: one.follower.stats().stream.found_silent == number + 1)  # type: ignore[misc]
                assert one.equal()
                await one.reach(lambda number=number: one.follower.stats().stream.reconnects == number + 1)  # type: ignore[misc]
                await one.pass_time(15.0)
            assert one.states == []
    assert [(entry["event"], entry["reason"]) for entry in logs if "reason" in entry] == [
        ("account.stream_lost", "silent"), ("account.stream_missing", "silent")
    ]  # fmt: skip


async def test_one_lost_event_is_made_good(emulator: Emulator, make: Make) -> None:
    """Within one reconcile the account is right again."""
    one = make()
    async with running(one):
        await one.started()
        emulator.faults.drop_events = 100
        await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.1")
        emulator.faults.drop_events = 0
        await settle(200)
        assert not one.equal()
        await one.pass_time(31.0)
        await one.until(one.equal)


async def test_html_is_told_once(emulator: Emulator, make: Make) -> None:
    """A page instead of figures: after a minute somebody hears, once, and once when it is over."""
    one = make()
    async with running(one):
        await one.started()
        emulator.faults.html["*"] = 200
        await one.pass_time(300.0)
        assert [(state.ok, state.reason, state.fatal) for state in one.states] == [(False, "html", False)]
        emulator.faults.html.clear()
        await one.reach(lambda: len(one.states) == 2)
        assert one.states[-1].ok


async def test_a_broken_connection_leaves_no_gap(emulator: Emulator, make: Make) -> None:
    """What happened while it was down is known as soon as it is up again."""
    one = make(reconcile_every_s=600.0)
    async with running(one):
        await one.started()
        await one.pass_time(61.0)
        emulator.drop_connections()
        await one.until(lambda: one.follower.stats().stream.state == "lost")
        await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.1")
        await one.reach(lambda: one.follower.stats().stream.reconnects == 1)
        await one.pass_time(3.0)
        await one.until(one.equal)
        assert one.follower.stats().stream.found_silent == 0


async def test_an_exchange_that_cannot_be_reached_comes_back(emulator: Emulator, make: Make) -> None:
    """Ten minutes of nothing: told once, memory flat, and followed again by itself."""
    one = make()
    async with running(one):
        await one.started()
        emulator.faults.refuse_connections = True
        emulator.drop_connections()
        events = len(one.inbox.events)
        await one.pass_time(600.0)
        assert len(one.states) == 1
        assert not one.states[0].ok
        told = [type(event) for event in one.inbox.events[events:]]
        assert told.count(AccountState) == 1
        assert 0 < told.count(StreamState) == len(told) - 1 < 3  # lost a moment ago, and then missing
        emulator.faults.refuse_connections = False
        await one.reach(lambda: len(one.states) == 2 and one.follower.stats().stream.state == "open")


async def test_a_wrong_key_is_fatal_and_told_once(make: Make) -> None:
    """With the likely causes; it is tried again, slowly."""
    one = make(key="another-key")
    async with running(one):
        await one.until(lambda: one.states != [])
        await one.pass_time(400.0)
        assert [(state.ok, state.fatal, state.reason) for state in one.states] == [(False, True, "key_refused")]
        assert "live key" in one.states[0].hint
        assert one.snapshots == []


async def test_rotation_loses_nothing(emulator: Emulator, make: Make) -> None:
    """Twenty-three hours later the connection is changed without a break."""
    one = make(rotate_after_s=30.0)
    async with running(one):
        await one.started()
        for _ in range(5):
            await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.01")
            await one.until(lambda: moneys(seen(one.snapshot)) == moneys(held(one.live)))
            assert one.snapshots[-1].cause == "ORDER"
            await one.pass_time(15.0)
        stats = one.follower.stats().stream
        assert stats.rotations >= 1
        assert stats.reconnects == 0
        assert emulator.streams.connections == 1
