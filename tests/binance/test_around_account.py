"""What is around the positions of one account: when it is asked for, what is posted, and what failing costs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor.binance.account_rows import AdlQuantile, AlgoOrder
from monitor.binance.account_values import AccountUnavailableError, Permissions
from monitor.binance.around_account import AccountAround, places
from monitor.binance.around_orders import OpenOrders
from monitor.binance.around_values import PartStats
from monitor.binance.weights import NOT_SPARED
from monitor.core.events import Learnt
from monitor.core.model import AccountSnapshot, MarginMode, Position, Side
from monitor.core.surroundings import AdlKnown, Fact, FundsKnown, KeyKnown, OrdersKnown
from tests.binance.stand_in import Recorder
from tests.conftest import ManualClock

BUSY = AccountUnavailableError("timeout")


def leg(symbol: str, quantity: float = 1.0, side: Side = Side.LONG) -> Position:
    return Position(symbol, side, quantity, 60_000.0, MarginMode.CROSS, "USDT")


def holds(*legs: Position, hedge_mode: bool = False) -> AccountSnapshot:
    return AccountSnapshot("main", {"USDT": 1.0}, legs, hedge_mode=hedge_mode)


def stop(symbol: str = "BTCUSDT", trigger: float = 58_000.0, side: str = "SELL") -> AlgoOrder:
    return AlgoOrder(
        symbol=symbol, algo_id=1, side=side, position_side="BOTH", quantity=0.5,  # type: ignore[arg-type]
        trigger_price=trigger, algo_status="NEW", order_type="STOP_MARKET",
    )  # fmt: skip


class Exchange:
    """Answers about orders and places, or raises what it is told to."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked: list[tuple[float, str]] = []  # when and for which symbol; * for all, adl for places
        self.stops: list[AlgoOrder] = []
        self.unread: frozenset[str] = frozenset()
        self.places: list[AdlQuantile] = []
        self.errors: dict[str, AccountUnavailableError] = {}  # by what is asked for

    def _ask(self, what: str) -> None:
        self.asked.append((self.clock.mono_s(), what))
        if what in self.errors:
            raise self.errors[what]

    async def open_orders(self, symbol: str | None) -> OpenOrders:
        self._ask(symbol or "*")
        wanted = tuple(one for one in self.stops if symbol in {None, one.symbol})
        return OpenOrders((), wanted, self.unread if symbol is None else self.unread & {symbol, ""})

    async def adl(self) -> Sequence[AdlQuantile]:
        self._ask("adl")
        return self.places

    def exchange_ms(self) -> int:
        return self.clock.wall_ms()

    def orders(self, since_s: float = 0.0) -> list[str]:
        return [what for at_s, what in self.asked if what != "adl" and at_s >= since_s]


class Bench:
    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.exchange = Exchange(clock)
        self.inbox = Recorder()
        self.around = AccountAround("main", self.exchange, inbox=self.inbox, clock=clock)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async def run() -> None:
            await self.around.job().run()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(run())
            try:
                yield
            finally:
                task.cancel()

    def facts(self) -> list[Fact]:
        return [event.fact for event in self.inbox.events if isinstance(event, Learnt)]

    def orders(self) -> list[OrdersKnown]:
        return [one for one in self.facts() if isinstance(one, OrdersKnown)]

    def part(self, name: str) -> PartStats:
        return self.around.stats()[name]


@pytest.fixture
def bench(clock: ManualClock) -> Bench:
    return Bench(clock)


async def test_nothing_is_asked_before_the_account_is_known(bench: Bench, clock: ManualClock) -> None:
    """Of whose symbols is not known either; nothing is asked where nothing is held."""
    async with bench.running():
        await clock.advance(120.0)
        assert bench.exchange.asked == []
        bench.around.described(holds())
        await clock.advance(120.0)
        assert bench.exchange.asked == []
        assert bench.facts() == []


async def test_orders_are_asked_for_once_a_minute_symbol_by_symbol(bench: Bench, clock: ManualClock) -> None:
    """All of those held, at once and then regularly; an answer that is the same is posted once."""
    bench.exchange.stops = [stop(), stop("ETHUSDT", 2_500.0), stop("SOLUSDT")]
    async with bench.running():
        bench.around.described(holds(leg("BTCUSDT"), leg("ETHUSDT", side=Side.SHORT)))
        await clock.advance(1.0)
        assert bench.exchange.orders() == ["BTCUSDT", "ETHUSDT"]
        await clock.advance(185.0)
        assert bench.exchange.orders() == ["BTCUSDT", "ETHUSDT"] * 4
        (known,) = bench.orders()
        assert (known.account, known.symbols) == ("main", ("BTCUSDT", "ETHUSDT"))
        assert [(one.symbol, one.side, one.price) for one in known.orders] == [("BTCUSDT", Side.LONG, 58_000.0)]
        assert bench.part("orders").failing == ""
        assert (bench.part("orders").age_s or 0.0) < 61.0


async def test_that_nothing_changed_is_said_every_five_minutes(bench: Bench, clock: ManualClock) -> None:
    """Whoever judges by age can tell what is still so from what nobody could ask for."""
    bench.exchange.stops = [stop()]
    async with bench.running():
        bench.around.described(holds(leg("BTCUSDT")))
        await clock.advance(1860.0)
        known = bench.orders()
        assert len(known) == 7
        assert {one.orders for one in known} == {known[0].orders}
        assert all(0 < b.at_ms - a.at_ms <= 361_000 for a, b in pairwise(known))


async def test_a_change_of_an_order_is_looked_at_two_seconds_later(bench: Bench, clock: ManualClock) -> None:
    """Only of its symbol, and once however many changes came meanwhile."""
    async with bench.running():
        bench.around.described(holds(leg("BTCUSDT"), leg("ETHUSDT")))
        await clock.advance(10.0)
        begun_s = clock.mono_s()
        bench.exchange.stops = [stop()]
        for _ in range(5):
            bench.around.stir("BTCUSDT")
            await clock.advance(0.3)
        bench.around.stir("SOLUSDT")  # nothing of it is held
        assert bench.exchange.orders(begun_s) == []
        await clock.advance(1.1)
        assert bench.exchange.orders(begun_s) == ["BTCUSDT"]
        assert [len(one.orders) for one in bench.orders()] == [0, 1]
        await clock.advance(20.0)
        assert bench.exchange.orders(begun_s) == ["BTCUSDT"]


async def test_an_account_that_trades_all_the_time_is_asked_about_ever_less_often(
    bench: Bench, clock: ManualClock
) -> None:
    """An event a second for ten minutes costs little more than a quiet account; calm makes it quick again."""
    async with bench.running():
        bench.around.described(holds(leg("BTCUSDT")))
        await clock.advance(1.0)
        begun_s = clock.mono_s()
        for _ in range(600):
            bench.around.stir("BTCUSDT")
            await clock.advance(1.0)
        assert 10 <= len(bench.exchange.orders(begun_s)) <= 22
        await clock.advance(130.0)
        quick_s = clock.mono_s()
        bench.around.stir("BTCUSDT")
        await clock.advance(2.6)
        assert bench.exchange.orders(quick_s) == ["BTCUSDT"]
        bench.around.stir("BTCUSDT")
        await clock.advance(4.0)
        assert bench.exchange.orders(quick_s) == ["BTCUSDT"] * 2


async def test_a_position_that_opens_turns_or_goes_is_followed(bench: Bench, clock: ManualClock) -> None:
    """A new one's orders are asked for soon; what works against a turned one is known at once; a gone one's go."""
    bench.exchange.stops = [stop(), stop("ETHUSDT", 2_500.0), stop("ETHUSDT", 4_000.0, "BUY")]
    async with bench.running():
        bench.around.described(holds(leg("BTCUSDT")))
        await clock.advance(5.0)
        bench.around.described(holds(leg("BTCUSDT"), leg("ETHUSDT")))
        assert bench.orders()[-1].symbols == ("BTCUSDT",)  # not known of the other yet, which is not none
        await clock.advance(2.6)
        assert bench.orders()[-1].symbols == ("BTCUSDT", "ETHUSDT")
        assert {(one.symbol, one.side, one.price) for one in bench.orders()[-1].orders} == {
            ("BTCUSDT", Side.LONG, 58_000.0), ("ETHUSDT", Side.LONG, 2_500.0),
        }  # fmt: skip
        bench.around.described(holds(leg("BTCUSDT"), leg("ETHUSDT", side=Side.SHORT)))
        assert {one.price for one in bench.orders()[-1].orders if one.symbol == "ETHUSDT"} == {4_000.0}
        bench.around.described(holds())
        assert (bench.orders()[-1].symbols, bench.orders()[-1].orders) == ((), ())


async def test_forty_symbols_are_asked_for_together(bench: Bench, clock: ManualClock) -> None:
    """One by one they would cost more; the orders of others that come along are left out."""
    names = [f"C{number:02}USDT" for number in range(40)]
    bench.exchange.stops = [stop(names[0]), stop("OTHERUSDT")]
    async with bench.running():
        bench.around.described(holds(*map(leg, names[:39])))
        await clock.advance(1.0)
        assert bench.exchange.orders() == names[:39]
        begun_s = clock.mono_s()
        bench.around.described(holds(*map(leg, names)))
        await clock.advance(60.5)
        assert bench.exchange.orders(begun_s) == [names[39], "*"]
        assert bench.orders()[-1].symbols == tuple(names)
        assert [one.symbol for one in bench.orders()[-1].orders] == [names[0]]


async def test_an_order_that_cannot_be_believed_makes_its_symbol_unknown(bench: Bench, clock: ManualClock) -> None:
    """Not the others: a stop that was left out would be taken for one that is not there."""
    bench.exchange.stops = [stop(), stop("ETHUSDT")]
    async with bench.running():
        bench.around.described(holds(leg("BTCUSDT"), leg("ETHUSDT")))
        await clock.advance(1.0)
        bench.exchange.unread = frozenset({"BTCUSDT"})
        with capture_logs() as logs:
            await clock.advance(240.0)
            assert bench.orders()[-1].symbols == ("ETHUSDT",)
            assert bench.part("orders").failing == "unread_orders"
            bench.exchange.unread = frozenset({""})  # not even whose it is
            await clock.advance(60.0)
            assert bench.orders()[-1].symbols == ()
            bench.exchange.unread = frozenset()
            await clock.advance(60.0)
            assert bench.orders()[-1].symbols == ("BTCUSDT", "ETHUSDT")
        assert [entry["event"] for entry in logs] == ["account.around_lacking", "account.around_back"]
        assert bench.part("orders") == PartStats(bench.part("orders").age_s, "")


async def test_one_symbol_that_is_refused_keeps_no_other_from_being_asked_for(
    bench: Bench, clock: ManualClock
) -> None:
    """It may have been delisted: what is known of it is not more than what was, and is as old as that."""
    bench.exchange.errors["BTCUSDT"] = AccountUnavailableError("invalid_symbol")
    async with bench.running():
        bench.around.described(holds(leg("BTCUSDT"), leg("ETHUSDT"), leg("SOLUSDT")))
        await clock.advance(121.0)
        assert bench.exchange.orders() == ["BTCUSDT", "ETHUSDT", "SOLUSDT"] * 3
        assert bench.orders()[-1].symbols == ("ETHUSDT", "SOLUSDT")
        assert bench.part("orders").failing == "invalid_symbol"


async def test_a_part_that_fails_is_asked_again_ever_later_and_said_once(bench: Bench, clock: ManualClock) -> None:
    """30 s, a minute, two, at last a quarter of an hour; other parts go on; that it is back is said too."""
    bench.exchange.errors = {"BTCUSDT": BUSY, "ETHUSDT": BUSY, "SOLUSDT": BUSY}
    bench.exchange.places = [AdlQuantile("BTCUSDT", {"BOTH": 2})]
    with capture_logs() as logs:
        async with bench.running():
            bench.around.described(holds(leg("BTCUSDT"), leg("ETHUSDT"), leg("SOLUSDT")))
            await clock.advance(2800.0)
            # Two in a row are enough to see that nobody answers.
            times = [at_s - 1000.0 for at_s, what in bench.exchange.asked if what == "BTCUSDT"]
            gaps = [round(b - a) for a, b in pairwise(times)]
            assert gaps == [30, 60, 120, 240, 480, 900, 900]
            assert "SOLUSDT" not in bench.exchange.orders()
            assert bench.orders() == []
            assert bench.part("orders") == PartStats(None, "timeout")
            assert len([what for _, what in bench.exchange.asked if what == "adl"]) == 47
            bench.exchange.errors = {}
            bench.around.stir("BTCUSDT")
            await clock.advance(901.0)
            assert bench.orders()[-1].symbols == ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    assert [(entry["event"], entry["part"]) for entry in logs] == [
        ("account.around_failed", "orders"), ("account.around_back", "orders")
    ]  # fmt: skip


async def test_what_the_exchange_forbids_is_not_asked_for(bench: Bench, clock: ManualClock) -> None:
    """As long as it says, and a key that may not read orders is not tried again soon."""
    bench.exchange.errors["BTCUSDT"] = AccountUnavailableError("ip_banned", wait_s=300.0)
    bench.exchange.errors["adl"] = AccountUnavailableError("key_refused", fatal=True)
    async with bench.running():
        bench.around.described(holds(leg("BTCUSDT"), leg("ETHUSDT")))
        await clock.advance(299.0)
        assert sorted(what for _, what in bench.exchange.asked) == ["BTCUSDT", "adl"]
        bench.exchange.errors.clear()
        await clock.advance(3.0)
        assert bench.exchange.orders() == ["BTCUSDT", "BTCUSDT", "ETHUSDT"]
        await clock.advance(597.0)
        assert len([what for _, what in bench.exchange.asked if what == "adl"]) == 1
        await clock.advance(3.0)
        assert len([what for _, what in bench.exchange.asked if what == "adl"]) == 2


async def test_no_weight_to_spare_is_no_failure(bench: Bench, clock: ManualClock) -> None:
    """It is asked again in a few seconds, without a word in the log, and seen in the status."""
    bench.exchange.errors["BTCUSDT"] = AccountUnavailableError(NOT_SPARED, wait_s=5.0)
    with capture_logs() as logs:
        async with bench.running():
            bench.around.described(holds(leg("BTCUSDT")))
            await clock.advance(51.0)
            assert 9 <= len(bench.exchange.orders()) <= 11
            assert bench.part("orders").failing == "no_weight_to_spare"
            bench.exchange.errors.clear()
            await clock.advance(6.0)
            assert bench.orders()[-1].symbols == ("BTCUSDT",)
    assert logs == []


async def test_nothing_is_asked_while_the_account_itself_is_not_answered_for(
    bench: Bench, clock: ManualClock
) -> None:
    """All of this is second to following it."""
    async with bench.running():
        bench.around.described(holds(leg("BTCUSDT")))
        bench.around.wait(clock.mono_s() + 100.0)
        await clock.advance(99.0)
        assert bench.exchange.asked == []
        await clock.advance(2.0)
        assert bench.exchange.orders() == ["BTCUSDT"]


async def test_places_in_the_queue(bench: Bench, clock: ManualClock) -> None:
    """Once a minute while anything is held, posted where they changed; none where nothing is held any more."""
    bench.exchange.places = [AdlQuantile("BTCUSDT", {"LONG": 0, "SHORT": 0, "BOTH": 2})]
    async with bench.running():
        bench.around.described(holds(leg("BTCUSDT")))
        await clock.advance(125.0)
        bench.exchange.places = [AdlQuantile("BTCUSDT", {"LONG": 4, "SHORT": 0, "BOTH": 0})]
        await clock.advance(60.0)
        bench.around.described(holds())
        found = [one for one in bench.facts() if isinstance(one, AdlKnown)]
        assert [one.quantiles for one in found] == [{"BTCUSDT": {Side.LONG: 2}}, {"BTCUSDT": {Side.LONG: 4}}, {}]
        await clock.advance(60.0)
        assert len([what for _, what in bench.exchange.asked if what == "adl"]) == 4


@pytest.mark.parametrize(
    ("row", "account", "found"),
    [
        ({"LONG": 1, "SHORT": 2, "BOTH": 0}, holds(leg("BTCUSDT")), {Side.LONG: 1}),
        ({"LONG": 0, "SHORT": 0, "BOTH": 3}, holds(leg("BTCUSDT", side=Side.SHORT)), {Side.SHORT: 3}),
        (
            {"LONG": 3, "SHORT": 1, "HEDGE": 0},
            holds(leg("BTCUSDT"), leg("BTCUSDT", side=Side.SHORT), hedge_mode=True),
            {Side.LONG: 3, Side.SHORT: 1},
        ),
        ({"LONG": 0, "BOTH": 4}, holds(leg("BTCUSDT"), hedge_mode=True), {Side.LONG: 0}),
        ({"LONG": 5, "BOTH": -1}, holds(leg("BTCUSDT")), {}),
        ({}, holds(leg("BTCUSDT")), {}),
    ],
)
def test_the_place_of_a_side(row: dict[str, int], account: AccountSnapshot, found: dict[Side, int]) -> None:
    """HEDGE is a marker; BOTH counts without hedge mode; what is no place from 0 to 4 is not known."""
    assert places([AdlQuantile("BTCUSDT", row)], account).get("BTCUSDT", {}) == found


def test_funds_are_posted_where_they_changed(bench: Bench) -> None:
    """With each description of the account; one that does not say leaves what was known."""
    one = FundsKnown("main", 1, {"USDT": 100.0}, {"USDT": 5.0})
    bench.around.funds(one)
    bench.around.funds(msgspec.structs.replace(one, at_ms=2))
    bench.around.funds(None)
    assert bench.part("funds").failing == "not_told"
    bench.around.funds(FundsKnown("main", 3, {"USDT": 99.0}))
    assert [fact.at_ms for fact in bench.facts() if isinstance(fact, FundsKnown)] == [1, 3]
    assert bench.part("funds") == PartStats(0.0, "")


async def test_what_the_key_may_do_is_posted_once(bench: Bench, clock: ManualClock) -> None:
    """Where it is known, and again where it is something else; its age is that of the answer."""
    bench.around.key(None, 0.0)
    assert bench.part("key") == PartStats(None, "")
    for may in (Permissions(False, False), Permissions(False, False), Permissions(True, False)):
        bench.around.key(may, clock.mono_s())
    await clock.advance(30.0)
    assert bench.facts() == [KeyKnown("main", False, False), KeyKnown("main", True, False)]
    assert bench.part("key") == PartStats(30.0, "")


async def test_where_there_is_weight_for_some_only_the_oldest_are_asked_for_first(
    bench: Bench, clock: ManualClock
) -> None:
    """An account of which only a part can be asked for at a time is known whole in the end."""
    names = ("ADAUSDT", "BTCUSDT", "ETHUSDT", "SOLUSDT")
    ask, spent = bench.exchange.open_orders, [0]

    async def scarce(symbol: str | None) -> OpenOrders:
        if spent[0] >= 2:
            raise AccountUnavailableError(NOT_SPARED, wait_s=5.0)
        spent[0] += 1
        return await ask(symbol)

    bench.exchange.open_orders = scarce  # type: ignore[method-assign]
    async with bench.running():
        bench.around.described(holds(*map(leg, names)))
        await clock.advance(2.0)
        assert bench.exchange.orders() == ["ADAUSDT", "BTCUSDT"]
        spent[0] = 0
        await clock.advance(6.0)
        assert bench.exchange.orders() == list(names)
        assert bench.orders()[-1].symbols == names


async def test_orders_that_changed_and_that_nobody_tells_are_not_known(bench: Bench, clock: ManualClock) -> None:
    """A stop may have been placed or taken back: what was known before is neither; other symbols are as before."""
    bench.exchange.stops = [stop(), stop("ETHUSDT", 2_500.0)]
    async with bench.running():
        bench.around.described(holds(leg("BTCUSDT"), leg("ETHUSDT")))
        await clock.advance(10.0)
        assert bench.orders()[-1].symbols == ("BTCUSDT", "ETHUSDT")
        bench.exchange.errors["BTCUSDT"] = BUSY
        bench.around.stir("BTCUSDT")
        await clock.advance(10.0)
        known = bench.orders()[-1]
        assert known.symbols == ("ETHUSDT",)
        assert [one.symbol for one in known.orders] == ["ETHUSDT"]
        bench.exchange.errors.clear()
        await clock.advance(60.0)
        assert bench.orders()[-1].symbols == ("BTCUSDT", "ETHUSDT")


async def test_a_failure_takes_nothing_back_where_nothing_happened(bench: Bench, clock: ManualClock) -> None:
    """What was told a minute ago and nothing has touched since is still the best that is known."""
    bench.exchange.stops = [stop()]
    async with bench.running():
        bench.around.described(holds(leg("BTCUSDT")))
        await clock.advance(10.0)
        bench.exchange.errors["BTCUSDT"] = BUSY
        await clock.advance(300.0)
        assert bench.orders()[-1].symbols == ("BTCUSDT",)
