import asyncio
import threading
from collections.abc import AsyncIterator

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor.binance import account_tiers
from monitor.binance.account_state import Contract
from monitor.binance.account_values import AccountUnavailableError, Permissions
from monitor.binance.user_wire import AccountUpdate
from monitor.core.events import (
    AccountState,
    MarginCall,
    OrderForced,
    Reconciled,
    Snapshot,
    StreamState,
    TablesChanged,
)
from monitor.core.hearing import SILENT_AFTER_S
from monitor.core.model import ForcedOrder, Side, Source
from monitor.ports import AccountSource
from tests.binance.account_fakes import Bench, table
from tests.binance.exchange_model import START_MS, ModelAccount, content
from tests.binance.stand_in import StandIn, until
from tests.conftest import ManualClock


@pytest.fixture
async def bench(clock: ManualClock) -> AsyncIterator[Bench]:
    async with StandIn() as server:
        bench = Bench(clock, server)
        bench.model.trade("BTCUSDT", "BOTH", 1.0, 100.0, isolated=False, fee=0.0)
        yield bench


def buy(model: ModelAccount, amount: float = 2.0) -> AccountUpdate:
    return model.trade("BTCUSDT", "BOTH", amount, 100.0, isolated=False, fee=0.125)


def newest(bench: Bench) -> Snapshot:
    return bench.of(Snapshot)[-1]


async def test_the_port_is_kept(bench: Bench) -> None:
    """Four jobs with the account's name; nothing runs before they do."""
    source: AccountSource = bench.follower
    assert [job.name for job in source.jobs()] == [
        "account-main-stream",
        "account-main-rest",
        "account-main-watch",
        "account-main-around",
    ]
    stats = bench.follower.stats()
    assert (stats.account, stats.market, stats.state, stats.stream.state) == ("main", "usdm", "starting", "idle")
    assert bench.rest.calls == {}


async def test_tiers_come_before_the_account(bench: Bench) -> None:
    """Then the account, then what it is audited with."""
    async with bench.running():
        await bench.started()
    kinds = [type(event) for event in bench.inbox.events]
    assert kinds[:3] == [TablesChanged, Snapshot, Reconciled]
    assert bench.of(TablesChanged) == [TablesChanged("main", tuple(bench.rest.brackets.values()))]
    assert newest(bench).cause == "reconcile"
    assert content(newest(bench).account) == content(bench.model.snapshot())
    assert newest(bench).account.source is Source.REST
    reply = bench.of(Reconciled)[-1]
    assert reply.figures.at_ms == reply.account.as_of_ms
    assert bench.of(AccountState) == []


async def test_tiers_are_there_before_rest_answers(bench: Bench) -> None:
    """Those of the last run come from the disk; those that differ replace them and are kept."""
    old = tuple(table(symbol, as_of="2026-11-20") for symbol in bench.rest.brackets)
    bench.cache.kept = old
    bench.rest.errors["*"] = AccountUnavailableError("unreachable")
    async with bench.running():
        await until(lambda: bench.rest.calls["contracts"] > 0)
        assert bench.inbox.events == [TablesChanged("main", old)]
        bench.rest.errors.clear()
        await bench.pass_time(10.0)
        await until(lambda: bench.reconciles() > 0)
        await until(lambda: bench.cache.kept == tuple(bench.rest.brackets.values()))
        assert bench.follower.stats().tables_as_of == "2026-11-24"


async def test_old_tiers_are_better_than_none(bench: Bench) -> None:
    """An account is followed with what the disk has, and the exchange is asked again."""
    bench.cache.kept = (table("BTCUSDT", as_of="2026-11-20"),)
    bench.rest.errors["tables"] = AccountUnavailableError("busy")
    async with bench.running():
        await bench.started()
        assert bench.of(AccountState) == []
        bench.rest.errors.clear()
        await bench.pass_time(61.0)
        await until(lambda: len(bench.of(TablesChanged)) == 2)


async def test_without_any_tiers_the_account_waits_a_minute(bench: Bench) -> None:
    """Not longer: tables of the configuration may serve as well, and following goes first."""
    bench.rest.errors["tables"] = AccountUnavailableError("busy")
    async with bench.running():
        await bench.pass_time(50.0)
        assert bench.reconciles() == 0
        await bench.pass_time(70.0)
        await until(lambda: bench.reconciles() > 0)


async def test_an_event_counts_at_once(bench: Bench) -> None:
    """With what the exchange gave as its cause; REST is not asked for it."""
    async with bench.running():
        session = await bench.started()
        asked = bench.rest.calls["account"]
        await session.send(bench.change(buy))
        await until(lambda: newest(bench).cause == "ORDER")
        assert content(newest(bench).account) == content(bench.model.snapshot())
        assert newest(bench).account.source is Source.STREAM
        assert bench.rest.calls["account"] == asked
        await session.send(bench.change(lambda model: model.lever("BTCUSDT", 50.0)))
        await until(lambda: newest(bench).cause == "leverage")
        assert newest(bench).account.positions[0].leverage == 50.0
        stats = bench.follower.stats()
        assert stats.stream.proved
        assert stats.events == {"ACCOUNT_UPDATE": 1, "ACCOUNT_CONFIG_UPDATE": 1}


async def test_rest_is_asked_every_half_minute(bench: Bench) -> None:
    """Each time the whole account and the exchange's own figures are told."""
    async with bench.running():
        await bench.started()
        before = bench.reconciles()
        await bench.pass_time(27.0)
        assert bench.reconciles() == before
        await bench.pass_time(35.0)
        assert bench.reconciles() == before + 2
        assert len(bench.of(Snapshot)) == len(bench.of(Reconciled)) == bench.reconciles()
        stats = bench.follower.stats()
        assert stats.reconciled_ms is not None
        assert stats.reconcile_age_s is not None
        assert stats.reconcile_age_s < 30.0
        assert stats.used_weight == 42


@pytest.mark.parametrize(
    "frame",
    [
        "{broken",
        {"e": "ACCOUNT_UPDATE", "E": START_MS, "T": START_MS, "a": {"B": [{"a": "USDT", "wb": "NaN", "cw": "1"}]}},
        {"e": "ACCOUNT_CONFIG_UPDATE", "E": START_MS, "T": START_MS, "ai": {"j": True}},
        {"e": "ACCOUNT_CONFIG_UPDATE", "E": START_MS, "T": START_MS, "ac": {"s": "BTCUSDT", "l": 5}},
    ],
)
async def test_what_is_not_understood_asks_rest_at_once(bench: Bench, frame: object) -> None:
    """A malformed event and a change of the configuration: only REST says all that changed with it."""
    async with bench.running():
        session = await bench.started()
        await bench.pass_time(3.0)
        before = bench.reconciles()
        await session.send(frame)
        await until(lambda: bench.reconciles() == before + 1)


async def test_a_mode_comes_by_rest(bench: Bench) -> None:
    """Multi-assets mode switched: the stream says that, REST says the rates."""
    async with bench.running():
        session = await bench.started()
        await bench.pass_time(3.0)
        plain = bench.model.snapshot
        bench.model.snapshot = lambda: msgspec.structs.replace(plain(), multi_assets=True)  # type: ignore[method-assign]
        await session.send({"e": "ACCOUNT_CONFIG_UPDATE", "E": START_MS, "T": START_MS, "ai": {"j": True}})
        await until(lambda: newest(bench).account.multi_assets)
        assert bench.follower.stats().multi_assets


async def test_an_unknown_symbol_is_looked_up(bench: Bench) -> None:
    """Its facts and its tiers are fetched, then the account."""
    async with bench.running():
        session = await bench.started()
        await bench.pass_time(3.0)
        bench.rest.known["NEWUSDT"] = Contract("USDT")
        bench.rest.brackets["NEWUSDT"] = table("NEWUSDT")
        row = {"s": "NEWUSDT", "ps": "BOTH", "pa": "3", "ep": "1", "mt": "cross", "iw": "0"}
        event = {"e": "ACCOUNT_UPDATE", "E": bench.clock.wall_ms(), "T": bench.clock.wall_ms()}
        before = bench.reconciles()
        await session.send({**event, "a": {"m": "ORDER", "B": [], "P": [row]}})
        await until(lambda: bench.reconciles() > before)
        assert bench.rest.calls["contracts"] == 2
        await session.send({**event, "T": bench.clock.wall_ms() + 5, "a": {"m": "ORDER", "B": [], "P": [row]}})
        await until(lambda: any(leg.symbol == "NEWUSDT" for leg in newest(bench).account.positions))


async def test_orders_of_the_exchange_and_its_calls_are_told(bench: Bench) -> None:
    """Forced orders by their client id, and margin calls with their legs."""
    order = {"s": "BTCUSDT", "c": "autoclose-7", "S": "SELL", "ps": "BOTH", "X": "FILLED", "z": "1", "ap": "90",
             "i": 5}  # fmt: skip
    leg = {
        "s": "BTCUSDT",
        "ps": "BOTH",
        "pa": "1",
        "mt": "CROSSED",
        "iw": "0",
        "mp": "91",
        "up": "-9",
        "mm": "0.5",
    }
    async with bench.running():
        session = await bench.started()
        await session.send(
            {"e": "ORDER_TRADE_UPDATE", "E": START_MS, "T": START_MS, "o": order},
            {"e": "MARGIN_CALL", "E": START_MS, "cw": "10", "p": [leg]},
            {"e": "TRADE_LITE", "E": START_MS},
            {"e": "SOMETHING_NEW", "E": START_MS},
        )
        await until(lambda: bench.follower.stats().events.get("other") == 1)
        assert bench.of(OrderForced) == [
            OrderForced(
                "main", "autoclose-7/5", "BTCUSDT", Side.LONG, ForcedOrder.LIQUIDATION, 1.0, 90.0, START_MS
            )
        ]
        assert [(call.cross_balance, call.legs[0].maintenance) for call in bench.of(MarginCall)] == [(10.0, 0.5)]
        assert bench.follower.stats().rejected == {}


async def test_an_event_during_a_reconcile_is_not_undone(bench: Bench) -> None:
    """It counts at once, REST is asked again, and the reply that lacks it does not take it back."""
    async with bench.running():
        session = await bench.started()

        async def happens() -> None:
            bench.rest.asked = None
            told = len(bench.of(Snapshot))
            await session.send(bench.change(buy))
            await until(lambda: len(bench.of(Snapshot)) > told)
            assert newest(bench).account.positions[0].quantity == 2.0

        bench.rest.asked = happens
        asked, before = bench.rest.calls["account"], bench.reconciles()
        await bench.pass_time(31.0)
        await until(lambda: bench.reconciles() == before + 1)
        assert bench.rest.calls["account"] == asked + 2
        assert content(newest(bench).account) == content(bench.model.snapshot())


async def test_a_market_that_never_rests_is_still_followed(bench: Bench) -> None:
    """A reply counts that changed while it was asked; what no event touched is audited with it."""
    bench.model.trade("ETHUSDT", "BOTH", 1.0, 50.0, isolated=False, fee=0.0)
    bench.model.trade("BTCUSDC", "BOTH", 1.0, 50.0, isolated=False, fee=0.0)
    async with bench.running():
        session = await bench.started()

        async def happens() -> None:
            told = len(bench.of(Snapshot))
            await session.send(bench.change(lambda model: buy(model, model.now_ms % 1000 + 1.0)))
            await until(lambda: len(bench.of(Snapshot)) > told)

        bench.rest.asked = happens
        audited, asked = len(bench.of(Reconciled)), bench.rest.calls["account"]
        before = bench.reconciles()
        await bench.pass_time(31.0)
        await until(lambda: bench.reconciles() > before)
        assert bench.rest.calls["account"] >= asked + 2
        told = bench.of(Reconciled)[audited:]
        assert told
        for one in told:
            assert {leg.symbol for leg in one.account.positions} == {"BTCUSDT", "ETHUSDT", "BTCUSDC"}
            legs = {leg.symbol: leg for leg in one.figures.positions}
            assert set(legs) == {"ETHUSDT", "BTCUSDC"}
            assert legs["ETHUSDT"].maintenance == 1.0
            assert not legs["ETHUSDT"].quotes_liquidation
        assert content(newest(bench).account) == content(bench.model.snapshot())


@pytest.mark.parametrize("consistent", [True, False])
async def test_trading_all_the_time_costs_little_more_than_resting(bench: Bench, *, consistent: bool) -> None:
    """Positions open, grow and close all the time, during each request as well, and every reply lags."""
    bench.model.trade("BTCUSDC", "BOTH", 1.0, 50.0, isolated=False, fee=0.0)
    async with bench.running():
        session = await bench.started()
        await bench.pass_time(60.0)
        asked = bench.rest.calls["account"]
        await bench.pass_time(600.0)
        quiet = bench.rest.calls["account"] - asked
        step = 0

        async def happens() -> None:
            nonlocal step
            step += 1
            seen = bench.follower.stats().events.get("ACCOUNT_UPDATE", 0)
            await session.send(bench.change(lambda model: buy(model, step % 3.0)))
            await until(lambda: bench.follower.stats().events.get("ACCOUNT_UPDATE", 0) > seen)

        bench.rest.asked, bench.rest.consistent = happens, consistent
        asked, audited = bench.rest.calls["account"], len(bench.of(Reconciled))
        for _ in range(300):
            await happens()
            await bench.pass_time(2.0)
        assert bench.rest.calls["account"] - asked <= 2 * quiet
        assert len(bench.of(Reconciled)) - audited >= quiet // 2


async def test_events_before_the_first_reply_are_not_lost(bench: Bench) -> None:
    """The stream may open before REST has answered: what it tells then is applied to the first reply."""

    async def happens() -> None:
        session = await bench.session()
        seen = bench.follower.stats().events.get("ACCOUNT_UPDATE", 0)
        await session.send(bench.change(lambda model: buy(model, 2.0 + seen)))
        await until(lambda: bench.follower.stats().events.get("ACCOUNT_UPDATE", 0) == seen + 1)

    bench.rest.asked = happens
    async with bench.running():
        await bench.reach(lambda: bench.reconciles() >= 1)
        # The second reply says 2, the event that came after it 3.
        assert bench.of(Snapshot)[0].account.positions[0].quantity == 3.0


async def test_replies_that_disagree_are_asked_again(bench: Bench) -> None:
    """Account and position risk of two moments are no audit, and asking again has its bound."""
    bench.rest.consistent = False
    async with bench.running():
        await bench.reach(lambda: bench.reconciles() >= 1)
        assert bench.rest.calls["account"] == 1 + bench.reconciles()  # only the first of them is repeated
        await bench.pass_time(100.0)
        assert bench.of(Reconciled) == []


async def test_a_lost_event_is_made_good_and_told_once(bench: Bench) -> None:
    """REST shows what no event told: the figures are right at once, the stream is made anew seconds later."""
    with capture_logs() as logs:
        async with bench.running():
            session = await bench.started()
            bench.change(buy)  # and nobody tells
            await bench.pass_time(30.0)
            assert content(newest(bench).account) == content(bench.model.snapshot())
            await bench.pass_time(6.0)
            await until(lambda: session.closed)
            again = await bench.session(1)
            assert again.path == "/private/ws/SECRETKEY1"
            stats = bench.follower.stats()
            assert stats.stream.found_silent == 1
            assert stats.event_age_s is None
            asked = bench.rest.calls["account"]
            await bench.pass_time(30.0)
            assert bench.rest.calls["account"] >= asked + 3  # more often while nothing proves the stream
            await again.send(bench.change(lambda model: buy(model, 5.0)))
            await until(lambda: newest(bench).cause == "ORDER")
            await bench.pass_time(15.0)
            assert bench.follower.stats().event_age_s == 15.0
            asked = bench.rest.calls["account"]
            await bench.pass_time(29.0)
            assert bench.rest.calls["account"] <= asked + 1
    assert [entry["reason"] for entry in logs if entry["event"] == "account.stream_lost"] == ["silent"]
    assert bench.of(AccountState) == []
    assert bench.of(StreamState) == [StreamState("main", True)]


async def test_a_stream_that_is_found_silent_again_is_told(bench: Bench) -> None:
    """Two connections that told nothing of what REST shows; an event is the end of it."""
    async with bench.running():
        await bench.started()
        for number in (1, 2):
            bench.change(buy)  # and nobody tells
            await bench.reach(lambda number=number: len(bench.server.sessions) > number)  # type: ignore[misc]
            await bench.reach(lambda: bench.follower.stats().stream.state == "open")
            await bench.pass_time(5.0)
        await bench.reach(lambda: bench.follower.stats().stream.state == "open")
        assert bench.of(StreamState) == [StreamState("main", True), StreamState("main", False, "silent")]
        await bench.server.sessions[2].send(bench.change(lambda model: buy(model, 5.0)))
        await bench.reach(lambda: bench.of(StreamState)[-1].ok)
    assert len(bench.of(StreamState)) == 3


async def test_an_event_that_is_only_late_is_no_finding(bench: Bench) -> None:
    """REST may be faster than the stream; the stream has some seconds."""
    async with bench.running():
        session = await bench.started()
        await bench.pass_time(26.0)
        frame = bench.change(buy)
        await bench.pass_time(4.0)
        assert content(newest(bench).account) == content(bench.model.snapshot())
        await session.send(frame)
        await until(lambda: bench.follower.stats().stream.proved)
        await bench.pass_time(20.0)
        assert not session.closed
        assert bench.follower.stats().stream.found_silent == 0


async def test_a_change_during_a_gap_is_no_finding(bench: Bench) -> None:
    """What happened while no connection was open, no event could tell."""
    async with bench.running():
        session = await bench.started()
        await bench.pass_time(62.0)
        await session.connection.close()
        await until(lambda: bench.follower.stats().stream.state == "lost")
        bench.change(buy)
        await bench.pass_time(20.0)
        await bench.session(1)
        await bench.pass_time(20.0)
        assert bench.follower.stats().stream.found_silent == 0
        assert content(newest(bench).account) == content(bench.model.snapshot())


async def test_a_reconnect_asks_rest_at_once(bench: Bench) -> None:
    """And so does losing the connection."""
    async with bench.running():
        session = await bench.started()
        await bench.pass_time(5.0)
        before = bench.reconciles()
        await session.connection.close()
        await until(lambda: bench.reconciles() == before + 1)
        await bench.pass_time(5.0)
        await until(lambda: bench.reconciles() == before + 2)


async def test_an_expired_key_costs_one_reconnect(bench: Bench) -> None:
    """The event says so; a new key, a new connection, and the account from REST meanwhile."""
    async with bench.running():
        session = await bench.started()
        bench.rest.alive = False
        await session.send({"e": "listenKeyExpired", "E": START_MS, "listenKey": "SECRETKEY1"})
        await until(lambda: session.closed)
        await bench.pass_time(3.0)
        again = await bench.session(1)
        assert again.path == "/private/ws?listenKey=SECRETKEY2"
        assert bench.of(AccountState) == []


async def test_the_key_is_prolonged_each_half_hour(bench: Bench) -> None:
    """A key found gone then is replaced."""
    async with bench.running():
        await bench.started()
        await bench.pass_time(1801.0)
        assert bench.rest.calls["keep_listen_key"] == 1
        bench.rest.alive = False
        await bench.pass_time(1801.0)
        await until(lambda: len(bench.server.sessions) == 2)
        assert bench.server.sessions[1].path == "/private/ws?listenKey=SECRETKEY2"


async def test_rest_that_fails_is_told_after_a_minute(bench: Bench) -> None:
    """Once for each reason, and once when it works again; events count all the while."""
    with capture_logs() as logs:
        async with bench.running():
            session = await bench.started()
            bench.rest.errors["account"] = AccountUnavailableError("unreachable", "check the network")
            await bench.pass_time(70.0)
            assert bench.of(AccountState) == []
            assert bench.follower.stats().state == "failing"
            await session.send(bench.change(buy))
            await until(lambda: newest(bench).cause == "ORDER")
            await bench.pass_time(200.0)
            told = AccountState("main", ok=False, reason="unreachable", hint="check the network")
            assert bench.of(AccountState) == [told]
            bench.rest.errors["account"] = AccountUnavailableError("html", "a proxy answers")
            await bench.pass_time(200.0)
            assert [state.reason for state in bench.of(AccountState)] == ["unreachable", "html"]
            bench.rest.errors.clear()
            await bench.pass_time(61.0)
            assert bench.of(AccountState)[-1] == AccountState("main", ok=True)
            assert bench.follower.stats().state == "following"
    said = [entry["event"] for entry in logs if entry["event"].startswith(("account.unf", "account.fol"))]
    assert said == ["account.unfollowed", "account.unfollowed", "account.followed"]


async def test_a_ban_is_waited_out(bench: Bench) -> None:
    """Nothing is asked before its time, and after a minute somebody hears of it."""
    async with bench.running():
        await bench.started()
        bench.rest.errors["account"] = AccountUnavailableError("banned", wait_s=600.0)
        await bench.pass_time(31.0)
        asked = sum(bench.rest.calls.values())
        bench.rest.errors.clear()
        await bench.pass_time(590.0)
        assert sum(bench.rest.calls.values()) == asked
        assert [state.reason for state in bench.of(AccountState)] == ["banned"]
        await bench.pass_time(15.0)
        assert [state.ok for state in bench.of(AccountState)] == [False, True]


async def test_a_short_burst_of_refusals_is_nobodys_business(bench: Bench) -> None:
    """Seconds of 429 are waited out without a word."""
    async with bench.running():
        await bench.started()
        bench.rest.errors["account"] = AccountUnavailableError("limited", wait_s=5.0)
        await bench.pass_time(45.0)
        bench.rest.errors.clear()
        await bench.pass_time(20.0)
        assert bench.of(AccountState) == []
        assert bench.follower.stats().state == "following"


async def test_a_limit_that_lasts_is_told_before_the_account_counts_as_silent(bench: Bench) -> None:
    """Ninety seconds without a word are told without a reason, which is known here, and told first."""
    async with bench.running():
        await bench.started()
        last_s = bench.clock.mono_s()
        bench.rest.errors["account"] = AccountUnavailableError("rate_limit", "until noon", wait_s=30.0)
        await bench.reach(lambda: bench.of(AccountState) != [])
        assert bench.clock.mono_s() - last_s < SILENT_AFTER_S - 10.0
        assert bench.of(AccountState) == [AccountState("main", ok=False, reason="rate_limit", hint="until noon")]


async def test_a_reason_is_told_while_the_next_answer_is_waited_for(bench: Bench) -> None:
    """A request that hangs keeps nobody from saying why the one before it failed."""
    async with bench.running():
        await bench.started()
        last_s = bench.clock.mono_s()
        bench.rest.errors["account"] = AccountUnavailableError("timeout")
        await bench.reach(lambda: bench.follower.stats().state == "failing")
        bench.rest.errors.clear()
        bench.rest.asked = asyncio.Event().wait  # type: ignore[assignment]  # what it returns is never seen
        await bench.reach(lambda: bench.of(AccountState) != [])
        assert bench.clock.mono_s() - last_s < SILENT_AFTER_S - 10.0
        assert bench.of(AccountState)[0].reason == "timeout"


@pytest.mark.parametrize(
    ("reason", "wait_s", "within_s"), [("rate_limit", 30.0, 32.0), ("unavailable", 0.0, 17.0)]
)
async def test_an_account_is_followed_soon_after_a_trouble_that_was_there_first(
    bench: Bench, reason: str, wait_s: float, within_s: float
) -> None:
    """Why it cannot be asked is in the log at once; however long it lasted, pauses do not grow beyond that."""
    bench.rest.errors["*"] = AccountUnavailableError(reason, "wait", wait_s=wait_s)
    with capture_logs() as logs:
        async with bench.running():
            await until(lambda: bench.follower.stats().state == "failing")
            assert ("account.rest_failed", reason) in [(row["event"], row.get("reason")) for row in logs]
            await bench.pass_time(400.0)
            bench.rest.errors.clear()
            await bench.pass_time(within_s)
            # Tiers are kept by a thread, for which the tests' clock does not wait; from here on it stands still.
            await until(lambda: [state.ok for state in bench.of(AccountState)] == [False, True])
            assert bench.reconciles() > 0


async def test_a_refused_key_is_told_at_once(bench: Bench) -> None:
    """And tried again every five minutes: somebody may mend it."""
    bench.rest.errors["*"] = AccountUnavailableError("key_refused", "wrong environment", fatal=True)
    async with bench.running():
        await until(lambda: bench.of(AccountState) != [])
        assert bench.of(AccountState) == [
            AccountState("main", ok=False, reason="key_refused", hint="wrong environment", fatal=True)
        ]
        assert bench.follower.stats().state == "refused"
        asked = sum(bench.rest.calls.values())
        await bench.pass_time(295.0)
        assert sum(bench.rest.calls.values()) == asked
        await bench.pass_time(310.0)
        assert sum(bench.rest.calls.values()) <= asked + 2 * 2  # what the key may do, and what is traded
        assert len(bench.of(AccountState)) == 1
        bench.rest.errors.clear()
        await bench.pass_time(305.0)
        await until(lambda: bench.reconciles() > 0)
        assert bench.of(AccountState)[-1].ok


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (Permissions(can_trade=True, can_withdraw=False), "key_can_trade"),
        (Permissions(can_trade=True, can_withdraw=True), "key_can_withdraw"),
    ],
)
async def test_a_key_that_can_do_more_is_refused(bench: Bench, found: Permissions, reason: str) -> None:
    """Where it matters: nothing is fetched with it, and no stream is opened, until it can only read."""
    bench.rest.may = found
    bench.refuse_trading_key = True
    bench.make()
    async with bench.running():
        await bench.pass_time(20.0)
        states = bench.of(AccountState)
        assert [(state.ok, state.reason, state.fatal) for state in states] == [(False, reason, True)]
        assert "allow_trading_key" in states[0].hint
        assert bench.rest.calls == {"permissions": 1}
        assert bench.server.handshakes == 0
        bench.rest.may = Permissions(can_trade=False, can_withdraw=False)
        await bench.pass_time(300.0)
        await until(lambda: bench.reconciles() > 0)
        assert bench.of(AccountState)[-1].ok
        assert bench.follower.stats().permissions_known


async def test_a_key_that_gets_more_rights_is_dropped(bench: Bench) -> None:
    """Asked each hour; its stream is closed with it."""
    bench.rest.may = Permissions(can_trade=False, can_withdraw=False)
    bench.refuse_trading_key = True
    bench.make()
    async with bench.running():
        session = await bench.started()
        bench.rest.may = Permissions(can_trade=True, can_withdraw=False)
        await bench.pass_time(3601.0)
        await until(lambda: session.closed)
        assert [(state.ok, state.reason) for state in bench.of(AccountState)] == [(False, "key_can_trade")]
        asked = bench.rest.calls["account"]
        await bench.pass_time(200.0)
        assert bench.rest.calls["account"] == asked
        assert bench.follower.stats().stream.state == "idle"


async def test_a_key_allowed_to_do_more_is_used(bench: Bench) -> None:
    """Its owner said so."""
    bench.rest.may = Permissions(can_trade=True, can_withdraw=True)
    async with bench.running():
        await bench.started()
        assert bench.of(AccountState) == []


async def test_what_a_key_may_do_need_not_be_known(bench: Bench) -> None:
    """Where the exchange does not say, or does not answer, the account is followed all the same."""
    bench.refuse_trading_key = True
    bench.make()
    async with bench.running():
        await bench.started()
        assert not bench.follower.stats().permissions_known
        bench.rest.errors["permissions"] = AccountUnavailableError("http_403")
        await bench.pass_time(3601.0)
        assert bench.rest.calls["permissions"] == 2
        assert bench.of(AccountState) == []
        # Not answered is not "cannot be known": it is asked again soon, and a key that can trade is found then.
        bench.rest.errors.clear()
        bench.rest.may = Permissions(can_trade=True, can_withdraw=False)
        await bench.pass_time(61.0)
        assert [state.reason for state in bench.of(AccountState)] == ["key_can_trade"]


async def test_a_key_known_to_do_more_stays_refused(bench: Bench) -> None:
    """No answer is no acquittal: only what the exchange says later changes it."""
    bench.rest.may = Permissions(can_trade=True, can_withdraw=False)
    bench.refuse_trading_key = True
    bench.make()
    async with bench.running():
        await bench.pass_time(5.0)
        bench.rest.errors["permissions"] = AccountUnavailableError("timeout")
        await bench.pass_time(1000.0)
        assert bench.rest.calls["permissions"] >= 3
        assert set(bench.rest.calls) == {"permissions"}
        assert bench.follower.stats().state == "refused"
        bench.rest.errors.clear()
        bench.rest.may = Permissions(can_trade=False, can_withdraw=False)
        await bench.pass_time(301.0)
        await until(lambda: bench.reconciles() > 0)


async def test_a_key_that_cannot_be_prolonged_stops_nothing(bench: Bench) -> None:
    """Reconciles go on in their rhythm, and prolonging is tried again each minute."""
    async with bench.running():
        await bench.started()
        await bench.pass_time(1770.0)
        bench.rest.errors["keep_listen_key"] = AccountUnavailableError("busy")
        await bench.pass_time(45.0)
        before = bench.reconciles()
        await bench.pass_time(300.0)
        assert bench.reconciles() >= before + 9
        assert 5 <= bench.rest.calls["keep_listen_key"] <= 7
        assert bench.follower.stats().state == "following"
        assert bench.of(AccountState) == []


async def test_contracts_that_cannot_be_looked_up_stop_nothing(bench: Bench) -> None:
    """Once some are known; they are asked for again each minute."""
    with capture_logs() as logs:
        async with bench.running():
            session = await bench.started()
            await bench.pass_time(3.0)
            bench.rest.errors["contracts"] = AccountUnavailableError("busy")
            row = {"s": "NEWUSDT", "ps": "BOTH", "pa": "3", "ep": "1", "mt": "cross", "iw": "0"}
            event = {"e": "ACCOUNT_UPDATE", "E": bench.clock.wall_ms(), "T": bench.clock.wall_ms()}
            await session.send({**event, "a": {"m": "ORDER", "B": [], "P": [row]}})
            await bench.reach(lambda: bench.rest.calls["contracts"] == 2)
            before = bench.reconciles()
            await bench.pass_time(300.0)
            assert bench.reconciles() >= before + 9
            assert 6 <= bench.rest.calls["contracts"] <= 8
            assert bench.of(AccountState) == []
    assert [entry["event"] for entry in logs].count("account.contracts_failed") == 1


async def test_without_a_private_stream_rest_is_asked_more_often(bench: Bench) -> None:
    """It is said once after a minute, shown in the figures, and said when it is back; the account is followed."""
    bench.rest.errors["create_listen_key"] = AccountUnavailableError("key_refused", "no permission", fatal=True)
    with capture_logs() as logs:
        async with bench.running():
            await bench.reach(lambda: bench.reconciles() > 0)
            before = bench.reconciles()
            await bench.pass_time(100.0)
            assert before + 9 <= bench.reconciles() <= before + 11
            assert 95.0 < bench.follower.stats().stream_missing_s < 105.0
            assert bench.follower.stats().state == "following"
            bench.rest.errors.clear()
            await bench.pass_time(250.0)
            await until(lambda: bench.follower.stats().stream.state == "open")
            assert bench.follower.stats().stream_missing_s == 0.0
            await bench.pass_time(5.0)
            before = bench.reconciles()
            await bench.pass_time(60.0)
            assert bench.reconciles() <= before + 3
    assert bench.of(AccountState) == []
    assert bench.of(StreamState) == [StreamState("main", False, "not_open"), StreamState("main", True)]
    events = [entry["event"] for entry in logs]
    assert [name for name in events if name != "account.stream_open"] == [
        "account.listen_key_failed",
        "account.stream_missing",
        "account.stream_back",
    ]


async def test_neither_rest_nor_stream_is_said_together(bench: Bench) -> None:
    """Whoever is told that REST fails is told whether events still come."""
    async with bench.running():
        session = await bench.started()
        bench.rest.errors["*"] = AccountUnavailableError("unreachable", "check the network")
        bench.server.reject = (503, {})
        await session.connection.close()
        await bench.pass_time(100.0)
        (state,) = bench.of(AccountState)
        assert state.reason == "unreachable"
        assert state.hint == "check the network; its private stream is not open either"


async def test_tiers_are_refreshed_daily_and_when_they_change(bench: Bench) -> None:
    """Only what differs is told; symbols this account has no tiers of are nobody's business here."""
    async with bench.running():
        await bench.started()
        before = bench.rest.calls["tables"]
        bench.rest.brackets["ETHUSDT"] = table("ETHUSDT", mmr=0.01)
        bench.follower.refresh_brackets("OTHER")
        await bench.pass_time(5.0)
        assert bench.rest.calls["tables"] == before
        bench.follower.refresh_brackets("ETHUSDT")
        await until(lambda: len(bench.of(TablesChanged)) == 2)
        assert bench.of(TablesChanged)[-1].tables == (table("ETHUSDT", mmr=0.01),)
        await until(lambda: table("ETHUSDT", mmr=0.01) in bench.cache.kept)


async def test_a_position_without_tiers_has_them_asked_for(bench: Bench) -> None:
    """Again and again, but not more than once a minute."""
    del bench.rest.brackets["BTCUSDT"]
    async with bench.running():
        await bench.started()
        asked = bench.rest.calls["tables"]
        await bench.pass_time(150.0)
        assert bench.rest.calls["tables"] == asked + 2
        bench.rest.brackets["BTCUSDT"] = table("BTCUSDT")
        await bench.pass_time(61.0)
        await until(lambda: bench.of(TablesChanged)[-1].tables == (table("BTCUSDT"),))
        asked = bench.rest.calls["tables"]
        await bench.pass_time(150.0)
        assert bench.rest.calls["tables"] == asked


async def test_tiers_that_stay_refused_are_asked_for_ever_less(bench: Bench) -> None:
    """Once the account is followed without: a minute apart at first, and reconciles keep their rhythm."""
    bench.rest.errors["tables"] = AccountUnavailableError("refused")
    async with bench.running():
        await bench.pass_time(120.0)
        await until(lambda: bench.reconciles() > 0)
        asked, before = bench.rest.calls["tables"], bench.reconciles()
        await bench.pass_time(600.0)
        assert 2 <= bench.rest.calls["tables"] - asked <= 4
        assert bench.reconciles() >= before + 19


async def test_a_due_reconcile_does_not_wait_for_tiers(bench: Bench) -> None:
    """After the first account tiers come last: an endpoint that hangs holds nothing up."""
    order: list[str] = []
    async with bench.running():
        await bench.started()
        call = bench.rest._call

        def noted(name: str) -> None:
            order.append(name)
            call(name)

        bench.rest._call = noted  # type: ignore[method-assign]
        bench.follower._pace.due_s = 0.0
        bench.follower._tiers._due_s = 0.0
        await bench.pass_time(1.0)
    assert order[:2] == ["account", "tables"]


async def test_an_event_that_opens_a_symbol_without_tiers_has_them_asked_for(bench: Bench) -> None:
    """At once, without waiting for a reconcile, and not more than once a minute."""
    del bench.rest.brackets["ETHUSDT"]
    async with bench.running():
        session = await bench.started()
        await bench.pass_time(60.0)
        bench.rest.errors["account"] = AccountUnavailableError("busy", wait_s=0.0)
        asked = bench.rest.calls["tables"]
        bench.rest.brackets["ETHUSDT"] = table("ETHUSDT")
        await session.send(
            bench.change(lambda model: model.trade("ETHUSDT", "BOTH", 1.0, 50.0, isolated=False, fee=0.0))
        )
        await until(lambda: bench.rest.calls["tables"] == asked + 1)
        await until(lambda: bench.of(TablesChanged)[-1].tables == (table("ETHUSDT"),))


async def test_a_disk_that_hangs_holds_up_no_account(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where tiers are read at the start nor where they are kept: the account is followed without."""
    monkeypatch.setattr(account_tiers, "DISK_S", 0.05)
    answers = threading.Event()
    monkeypatch.setattr(bench.cache, "load", lambda: answers.wait() and ())
    monkeypatch.setattr(bench.cache, "save", lambda _tables: answers.wait())
    try:
        with capture_logs() as logs:
            async with bench.running():
                await bench.started()
        assert [entry["event"] for entry in logs].count("brackets.cache_failed") == 1
    finally:
        answers.set()


async def test_a_full_disk_does_not_matter(bench: Bench) -> None:
    """Tiers that cannot be kept are used; it is said once."""
    bench.cache.full = True
    with capture_logs() as logs:
        async with bench.running():
            await bench.started()
            bench.rest.brackets["ETHUSDT"] = table("ETHUSDT", mmr=0.01)
            bench.follower.refresh_brackets("ETHUSDT")
            await until(lambda: bench.cache.saves == 2)
            assert bench.reconciles() == 2
    assert [entry["event"] for entry in logs].count("brackets.cache_failed") == 1


async def test_a_clock_that_is_wrong_hides_no_event(bench: Bench) -> None:
    """Events are judged by the exchange's time, as far as it is known."""
    bench.rest.skew_ms = 300_000
    async with bench.running():
        session = await bench.started()
        await session.send(bench.change(buy))
        await until(lambda: newest(bench).cause == "ORDER")
        assert bench.follower.stats().rejected == {}


async def test_no_secret_is_shown(bench: Bench) -> None:
    """Neither the key nor an address that holds it is in stats or logs."""
    with capture_logs() as logs:
        async with bench.running():
            session = await bench.started()
            await session.send({"e": "listenKeyExpired", "E": START_MS, "listenKey": "SECRETKEY1"}, "{SECRETKEY1")
            await bench.pass_time(5.0)
            shown = repr((logs, bench.follower.stats(), bench.inbox.events))
    assert "SECRETKEY" not in shown
