import asyncio
import gc
import random
import sys
from collections.abc import Callable

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor.binance.streams import MarkFeed, Timings
from monitor.core.model import rate_symbols
from monitor.ports import Feed
from tests.binance.stand_in import Recorder, StandIn, running, until
from tests.conftest import ManualClock, settle

Make = Callable[..., MarkFeed]

# Real-time limits inside the socket library are kept out of the way; all others run on the manual clock.
DEFAULTS = Timings(open_timeout_s=30.0, ping_interval_s=300.0, ping_timeout_s=300.0)
CHECK_S = DEFAULTS.check_every_s


@pytest.fixture
def inbox() -> Recorder:
    return Recorder()


@pytest.fixture
def make(inbox: Recorder, clock: ManualClock) -> Make:
    def feed(*servers: StandIn, symbols: tuple[str, ...] = ("BTCUSDT",), **changes: object) -> MarkFeed:
        return MarkFeed(
            "usdm",
            symbols,
            [server.base for server in servers],
            inbox=inbox,
            clock=clock,
            rng=random.Random(7),  # noqa: S311 - jitter
            timings=msgspec.structs.replace(DEFAULTS, **changes),
        )

    return feed


def mark(
    clock: ManualClock, symbol: str = "BTCUSDT", *, after_ms: int = 0, price: str = "100.5"
) -> dict[str, object]:
    return {"e": "markPriceUpdate", "E": clock.wall_ms() + after_ms, "s": symbol, "p": price, "st": 1}


def pauses(clock: ManualClock) -> list[float]:
    """What the lanes waited for: everything slept but the watch's own rhythm."""
    return [seconds for seconds in clock.slept if seconds not in {0.0, CHECK_S}]


async def wait_out(clock: ManualClock, number: int) -> float:
    """Let the pause with this number begin, then pass; return it."""
    await until(lambda: len(pauses(clock)) > number)
    seconds = pauses(clock)[number]
    await clock.advance(seconds)
    return seconds


def test_a_feed_is_what_the_port_promises(make: Make, first: StandIn) -> None:
    """Two lanes and a watch, named for logs; nothing runs before they do."""
    feed: Feed = make(first)
    assert make(first).stats().state == "idle"
    assert [job.name for job in feed.jobs()] == ["feed-usdm-a", "feed-usdm-b", "feed-usdm-watch"]


async def test_marks_reach_the_inbox(make: Make, first: StandIn, inbox: Recorder, clock: ManualClock) -> None:
    """The feed asks for its symbols on the bare address and is live from the first mark on, not before."""
    feed = make(first, symbols=("BTCUSDT", "币安人生USDT"))
    async with running(feed):
        session = await first.session(0)
        assert session.path == "/market/ws"
        assert session.asked() == [["btcusdt@markPrice@1s", "币安人生usdt@markPrice@1s"]]
        assert inbox.subscribed() == [(("BTCUSDT", "币安人生USDT"), 1000.0)]
        await until(lambda: feed.stats().frames == 1)  # the acknowledgement
        assert inbox.states() == [("connecting", first.host, "")]
        assert feed.stats().host == ""
        await session.send(mark(clock, price="61000.5"))
        await until(lambda: bool(inbox.ticks))
        tick = inbox.ticks[0]
        assert (tick.symbol, tick.mark, tick.event_ms, tick.seen_s) == (
            "BTCUSDT",
            61000.5,
            clock.wall_ms(),
            1000.0,
        )
        assert inbox.states() == [("connecting", first.host, ""), ("live", first.host, "")]
        stats = feed.stats()
        assert (stats.state, stats.host, stats.symbols) == ("live", first.host, 2)
        assert (stats.frames, stats.ticks, stats.connects, stats.reconnects) == (2, 1, 1, 0)
        assert (stats.connected_since_ms, stats.last_frame_s) == (clock.wall_ms(), 1000.0)
        assert [c.outcome for c in stats.candidates] == ["live"]


async def test_an_acknowledgement_proves_nothing(
    make: Make, first: StandIn, second: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """A host that acknowledges and stays silent is given up for the next, and the report says why."""
    feed = make(first, second)
    async with running(feed):
        await first.session(0)
        await until(lambda: feed.stats().frames == 1)
        await clock.advance(4.5)
        assert not first.sessions[0].closed
        await clock.advance(1.0)
        assert await wait_out(clock, 0) <= 0.5
        session = await second.session(0)
        await until(lambda: first.sessions[0].closed)
        await session.send(mark(clock))
        await until(lambda: feed.stats().state == "live")
        assert inbox.states() == [
            ("connecting", first.host, ""),
            ("refused", first.host, "no_data"),
            ("live", second.host, ""),
        ]
        report = feed.stats().candidates
        assert [(c.base, c.outcome, c.reason) for c in report] == [
            (first.base, "refused", "no_data"),
            (second.base, "live", ""),
        ]
        assert report[0].at_ms > 0
        assert len(inbox.subscribed()) == 1


async def test_unusable_frames_are_no_data(
    make: Make, first: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """A host whose every mark is refused is given up too, and it is told and reported what was wrong."""
    feed = make(first)
    async with running(feed):
        session = await first.session(0)
        await session.send(mark(clock, after_ms=3_600_000))
        await until(lambda: feed.stats().rejected == {"future_time": 1})
        await clock.advance(5.5)
        await until(lambda: session.closed)
        await until(lambda: feed.stats().candidates[0].outcome == "refused")
        report = feed.stats().candidates[0]
        assert (report.reason, report.detail) == ("unusable_data", "future_time")
        assert ("refused", first.host, "future_time") in inbox.states()


async def test_accept_then_close_is_slowed_down(
    make: Make, first: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """A host that accepts and closes at once is met with doubling pauses, for ever, and told of once."""
    first.slam = True
    feed = make(first)
    async with running(feed):
        waited = [await wait_out(clock, n) for n in range(12)]
        await until(lambda: len(pauses(clock)) == 13)
    full = [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]
    assert all(most / 2 <= seconds <= most for seconds, most in zip(waited, full, strict=True))
    assert len(set(waited[-4:])) == 4  # with jitter
    assert first.handshakes == feed.stats().connects == 13
    assert inbox.states() == [("connecting", first.host, ""), ("refused", first.host, "closed")]


async def test_one_mark_before_each_close_is_slowed_down_too(
    make: Make, first: StandIn, clock: ManualClock
) -> None:
    """Going live for a moment does not clear the record."""
    feed = make(first)
    async with running(feed):
        for number in range(5):
            session = await first.session(number)
            await session.send(mark(clock))
            await until(lambda: feed.stats().state == "live")
            await session.connection.close()
            await wait_out(clock, number)
        assert pauses(clock)[4] >= 4.0
        assert feed.stats().reconnects == 4


async def test_a_settled_connection_is_resumed_at_once_on_its_host(
    make: Make, first: StandIn, second: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """After a minute of data a close is no reason to distrust the host: a short pause, and the same again."""
    feed = make(first, second, standby_after_s=900.0, stall_after_s=900.0)
    async with running(feed):
        session = await first.session(0)
        await session.send(mark(clock))
        await until(lambda: feed.stats().state == "live")
        await clock.advance(61.0)
        await session.connection.close(1001)
        await until(lambda: feed.stats().state == "lost")
        assert await wait_out(clock, 0) <= 0.5
        session = await first.session(1)
        await session.send(mark(clock))
        await until(lambda: feed.stats().state == "live")
        assert inbox.states()[2:] == [
            ("lost", first.host, "closed"), ("connecting", first.host, ""), ("live", first.host, ""),
        ]  # fmt: skip
        assert second.handshakes == 0


@pytest.mark.parametrize(
    ("status", "retry_after", "least_s"),
    [(403, None, 0.0), (403, "9", 9.0), (418, None, 120.0), (429, None, 30.0), (429, "300", 300.0)],
)
async def test_a_rejected_handshake_is_obeyed(
    make: Make, first: StandIn, clock: ManualClock, *, status: int, retry_after: str | None, least_s: float
) -> None:
    """The host's own demand is waited out before any further attempt; then the feed comes back by itself."""
    first.reject = (status, {"Retry-After": retry_after} if retry_after else {})
    feed = make(first)
    async with running(feed):
        await until(lambda: feed.stats().candidates[0].reason == f"http_{status}")
        rejected_at = clock.mono_s()
        first.reject = None
        number = 0
        while not first.sessions:
            await until(lambda number=number: len(pauses(clock)) > number or bool(first.sessions))  # type: ignore[misc]
            if len(pauses(clock)) > number:
                await wait_out(clock, number)
                number += 1
        assert clock.mono_s() - rejected_at >= least_s
        assert first.handshakes == 2
        session = await first.session(0)
        await session.send(mark(clock))
        await until(lambda: feed.stats().state == "live")


async def test_an_unreachable_exchange_is_still_expected_to_speak(
    make: Make, first: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """Symbols count as asked for from the first attempt on, once, so that never connecting ends in an alert."""
    feed = MarkFeed(
        "usdm", ["BTCUSDT"], ["ws://127.0.0.1:1/market"], inbox=inbox, clock=clock, rng=random.Random(7)  # noqa: S311 - jitter
    )  # fmt: skip
    async with running(feed):
        for number in range(4):
            await wait_out(clock, number)
    assert inbox.subscribed() == [(("BTCUSDT",), 1000.0)]
    assert inbox.states() == [
        ("connecting", "127.0.0.1:1", ""),
        ("refused", "127.0.0.1:1", "connection_refused"),
    ]


async def test_a_stall_changes_the_host(
    make: Make, first: StandIn, second: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """Silence on every symbol ends a live connection; acknowledgements and repetitions do not break a silence."""
    feed = make(first, second)
    async with running(feed):
        session = await first.session(0)
        same = mark(clock)
        await session.send(same)
        await until(lambda: feed.stats().state == "live")
        for number in range(9):
            await clock.advance(1.0)
            await session.send(same, {"result": None, "id": 9})
            await until(lambda number=number: feed.stats().duplicates == number + 1)  # type: ignore[misc]
        assert not session.closed
        assert second.handshakes == 0  # only a settled connection gets company
        await clock.advance(1.0)
        await until(lambda: feed.stats().state == "lost")
        await wait_out(clock, 0)
        await second.session(0)
        assert inbox.states()[2:] == [("lost", first.host, "stalled"), ("connecting", second.host, "")]
        assert session.closed


async def test_a_quiet_connection_gets_company(
    make: Make, first: StandIn, second: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """Three quiet seconds open a second connection elsewhere while the first still has its chance."""
    feed = make(first, second)
    async with running(feed):
        session = await first.session(0)
        for _ in range(62):
            await session.send(mark(clock))
            seen = len(inbox.ticks)
            await until(lambda seen=seen: len(inbox.ticks) > seen)  # type: ignore[misc]
            await clock.advance(1.0)
        assert second.handshakes == 0
        await clock.advance(2.5)
        spare = await second.session(0)
        assert not session.closed
        assert feed.stats().state == "live"
        await spare.send(mark(clock))
        await until(lambda: session.closed)
        assert inbox.states()[-2:] == [("live", first.host, ""), ("live", second.host, "")]
        assert feed.stats().rotations == 1


async def test_rotation_leaves_no_gap(make: Make, first: StandIn, inbox: Recorder, clock: ManualClock) -> None:
    """The old connection closes only after the new one delivered; what both deliver passes once."""
    feed = make(first, rotate_after_s=60.0)
    async with running(feed):
        old = await first.session(0)
        for number in range(60):
            await old.send(mark(clock))
            await until(lambda number=number: len(inbox.ticks) == number + 1)  # type: ignore[misc]
            await clock.advance(1.0)
        new = await first.session(1)
        await until(lambda: new.asked() == [["btcusdt@markPrice@1s"]])
        same = mark(clock)
        await old.send(same)
        await until(lambda: len(inbox.ticks) == 61)
        await settle(200)
        assert not old.closed
        await new.send(same)
        await until(lambda: old.closed)
        assert old.connection.close_code == 1000
        await clock.advance(1.0)
        await new.send(mark(clock))
        await until(lambda: len(inbox.ticks) == 62)
        stats = feed.stats()
        assert (stats.duplicates, stats.rotations, stats.reconnects, stats.connects) == (1, 1, 0, 2)
        assert [state for state, _, _ in inbox.states()] == ["connecting", "live", "live"]
        # And back again: the lanes swap roles for ever.
        for number in range(60):
            await clock.advance(1.0)
            await new.send(mark(clock))
            await until(lambda number=number: len(inbox.ticks) >= 63 + number)  # type: ignore[misc]
        third = await first.session(2)
        await third.send(mark(clock, after_ms=1))
        await until(lambda: new.closed)
        assert feed.stats().rotations == 2


async def test_rotation_that_fails_keeps_the_old_connection(
    make: Make, first: StandIn, second: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """While no other connection delivers, the old one goes on, nobody is alarmed, and attempts continue."""
    feed = make(second, first, rotate_after_s=60.0)
    second.reject = (503, {})
    async with running(feed):
        await wait_out(clock, 0)
        old = await first.session(0)
        second.reject = None
        for number in range(80):
            await old.send(mark(clock))
            await until(lambda number=number: len(inbox.ticks) == number + 1)  # type: ignore[misc]
            await clock.advance(1.0)
        await until(lambda: bool(second.sessions) and second.sessions[0].closed)  # silent there: given up
        told = len(inbox.states())
        assert feed.stats().state == "live"
        assert not old.closed
        assert feed.stats().candidates[0].reason == "no_data"
        # The holder ends before a new one delivered: now it is a loss, and whoever delivers first takes over.
        await old.connection.close(1001)
        await until(lambda: len(inbox.states()) > told)
        assert inbox.states()[told] == ("lost", first.host, "closed")


async def test_one_silent_symbol_is_judged_alone(
    make: Make, first: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """A symbol that never speaks is named and asked for again now and then; the connection stays."""
    feed = make(first, symbols=("BTCUSDT", "GONEUSDT"))
    with capture_logs() as logs:
        async with running(feed):
            session = await first.session(0)
            for number in range(75):
                await session.send(mark(clock))
                await until(lambda number=number: len(inbox.ticks) == number + 1)  # type: ignore[misc]
                if number == 9:
                    assert feed.silent_symbols() == ()
                if number == 12:
                    assert feed.silent_symbols() == feed.stats().silent == ("GONEUSDT",)
                await clock.advance(1.0)
            await until(lambda: len(session.asked()) == 4)
            assert session.asked()[1:] == [["goneusdt@markPrice@1s"]] * 3
            assert feed.stats().connects == 1
            await session.send(mark(clock, "GONEUSDT"))
            await until(lambda: inbox.ticks[-1].symbol == "GONEUSDT")
            assert feed.silent_symbols() == ()
    assert [e["symbols"] for e in logs if e["event"] == "feed.symbols_silent"] == [["GONEUSDT"]]


async def test_malformed_frames_are_counted_and_survived(
    make: Make, first: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """Nonsense of every kind costs a counter each and one line in the log, never the connection."""
    feed = make(first)
    good = mark(clock)
    bad = [
        "", "{", "nonsense", b"\xff\x00", "[]", "{}", "5", [5], {**good, "p": "NaN"}, {**good, "p": "Infinity"},
        {**good, "p": "0"}, {**good, "p": "-1"}, {**good, "E": 0}, {**good, "E": 9e15}, {**good, "s": "XRPUSDT"},
        {**good, "e": "aggTrade"}, {**good, "st": 2}, {"code": 2, "msg": "Invalid request"},
        [{**good, "p": "x"}, good],
    ]  # fmt: skip
    with capture_logs() as logs:
        async with running(feed):
            session = await first.session(0)
            await session.send(*bad, *bad)
            await until(lambda: feed.stats().frames == 1 + 2 * len(bad))
            assert [tick.event_ms for tick in inbox.ticks] == [good["E"]]
            assert feed.stats().state == "live"
            assert feed.stats().connects == 1
            rejected = feed.stats().rejected
    assert rejected == {
        "truncated": 2, "not_json": 6, "wrong_shape": 8, "nan_price": 2, "infinite_price": 2, "zero_price": 2,
        "negative_price": 2, "absurd_time": 2, "unknown_symbol": 2, "wrong_event": 2, "other_market": 2,
        "control_refused": 2, "bad_price": 2,
    }  # fmt: skip
    logged = [entry["reason"] for entry in logs if entry["event"] == "feed.frame_rejected"]
    # What was watched until a moment ago still arrives: counted only.
    assert sorted([*logged, "unknown_symbol"]) == sorted(rejected)


async def test_an_oversized_frame_costs_the_connection_not_the_feed(
    make: Make, first: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """10 MB in one frame are not read: the connection drops, is counted for what it was, and comes back."""
    feed = make(first)
    async with running(feed):
        session = await first.session(0)
        await session.send(mark(clock))
        await until(lambda: feed.stats().state == "live")
        await session.send("[" + " " * 10_000_000 + "]")
        await until(lambda: feed.stats().state == "lost")
        assert inbox.states()[-1] == ("lost", first.host, "too_big")
        assert feed.stats().rejected == {"too_big": 1}
        await wait_out(clock, 0)
        session = await first.session(1)
        await session.send(mark(clock, after_ms=1))
        await until(lambda: feed.stats().reconnects == 1)


async def test_old_frames_are_dropped(make: Make, first: StandIn, inbox: Recorder, clock: ManualClock) -> None:
    """A mark older than the newest of its symbol never reaches the inbox, across connections too."""
    feed = make(first)
    async with running(feed):
        session = await first.session(0)
        await session.send(mark(clock, after_ms=5), mark(clock, after_ms=4), mark(clock, after_ms=5))
        await until(lambda: feed.stats().frames == 4)
        assert [tick.event_ms for tick in inbox.ticks] == [clock.wall_ms() + 5]
        assert (feed.stats().dropped_old, feed.stats().duplicates) == (1, 1)
        await session.connection.close()
        await wait_out(clock, 0)
        session = await first.session(1)
        await session.send(mark(clock, after_ms=-5_000))
        await until(lambda: feed.stats().dropped_old == 2)
        assert feed.stats().state != "live"  # the past proves nothing


async def test_arrays_are_merged_by_symbol(
    make: Make, first: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """Above the bound the feed takes the all-market array; an array that lacks a symbol does not lose it."""
    symbols = tuple(f"C{i}USDT" for i in range(201))
    feed = make(first, symbols=symbols)
    async with running(feed):
        session = await first.session(0)
        assert session.asked() == [["!markPrice@arr@1s"]]
        await session.send([mark(clock, "C0USDT"), mark(clock, "C1USDT"), mark(clock, "XRPUSDT")])
        await session.send([mark(clock, "C2USDT"), mark(clock, "C1USDT", after_ms=-1)])
        await until(lambda: feed.stats().frames == 3)
        assert [tick.symbol for tick in inbox.ticks] == ["C0USDT", "C1USDT", "C2USDT"]
        assert feed.stats().rejected == {}
        # Silent symbols cannot be asked for singly in an array.
        for number in range(12):
            await clock.advance(1.0)
            await session.send([mark(clock, "C0USDT")])
            await until(lambda number=number: feed.stats().frames == 4 + number)  # type: ignore[misc]
        assert len(feed.silent_symbols()) == 200
        assert len(session.asked()) == 1


async def test_the_symbols_can_change_on_a_live_connection(
    make: Make, first: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """New streams are asked for, then old ones given up, with a gap between messages and no reconnect."""
    feed = make(first)
    async with running(feed):
        session = await first.session(0)
        await session.send(mark(clock))
        await until(lambda: feed.stats().state == "live")
        feed.set_symbols(["ETHUSDT"])
        assert inbox.subscribed()[1:] == [(("ETHUSDT",), clock.mono_s())]
        await session.send(mark(clock, after_ms=1))
        await until(lambda: feed.stats().frames == 3)
        await settle(200)
        assert len(session.received) == 1  # ten messages a second at most: not yet
        for number in range(4):
            await clock.advance(0.25)
            await session.send(mark(clock, "ETHUSDT"))
            await until(lambda number=number: len(inbox.ticks) == 2 + number)  # type: ignore[misc]
        await until(lambda: len(session.received) == 3)
        assert session.asked() == [["btcusdt@markPrice@1s"], ["ethusdt@markPrice@1s"]]
        assert session.asked("UNSUBSCRIBE") == [["btcusdt@markPrice@1s"]]
        assert feed.stats().connects == 1
        feed.set_symbols(["ETHUSDT"])
        assert len(inbox.subscribed()) == 2


async def test_nothing_to_watch_needs_no_connection(
    make: Make, first: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """Without symbols the feed rests; with the first symbol it connects, without the last it closes."""
    feed = make(first, symbols=())
    async with running(feed):
        await clock.advance(30.0)
        assert first.handshakes == 0
        assert inbox.events == []
        feed.set_symbols(["BTCUSDT"])
        session = await first.session(0)
        await session.send(mark(clock))
        await until(lambda: feed.stats().state == "live")
        feed.set_symbols([])
        assert feed.stats().state == "idle"
        await until(lambda: session.closed)
        assert session.connection.close_code == 1000
        await clock.advance(30.0)
        assert first.handshakes == 1
        assert [state for state, _, _ in inbox.states()] == ["connecting", "live"]
        feed.set_symbols(["BTCUSDT"])
        feed.set_symbols([])
        feed.set_symbols(["BTCUSDT"])
        session = await first.session(1)
        assert [symbols for symbols, _ in inbox.subscribed()] == [("BTCUSDT",)] * 3


async def test_a_moment_of_interest_opens_no_connection(make: Make, first: StandIn, clock: ManualClock) -> None:
    """Symbols that come and go at one moment cause no attempt."""
    feed = make(first, symbols=())
    async with running(feed):
        await settle()
        feed.set_symbols(["BTCUSDT"])
        feed.set_symbols([])
        await settle(200)
        assert feed.stats().connects == 0


async def test_an_interrupted_attempt_leaves_nothing_behind(make: Make, clock: ManualClock) -> None:
    """A lane that is told to rest during the opening handshake stops there."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    base = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/market"
    feed = MarkFeed(
        "usdm", ["BTCUSDT"], [base], inbox=Recorder(), clock=clock, rng=random.Random(7), timings=DEFAULTS  # noqa: S311 - jitter
    )  # fmt: skip
    async with running(feed):
        await until(lambda: bool(writers))
        feed.set_symbols([])
        await until(lambda: 0.0 in clock.slept)  # no pause: nothing failed
        assert feed.stats().candidates[0].outcome == "untried"
    writers[0].close()
    await writers[0].wait_closed()
    server.close()
    await server.wait_closed()


async def test_cancelling_closes_the_socket(make: Make, first: StandIn, clock: ManualClock) -> None:
    """The end of the program is an ordinary closing handshake for the exchange."""
    async with running(make(first)):
        session = await first.session(0)
        await session.send(mark(clock))
    await until(lambda: session.closed)
    assert session.connection.close_code == 1000


def test_a_feed_holds_on_to_no_refused_frame(make: Make, first: StandIn) -> None:
    """However long the exchange sends what cannot be believed, memory stays flat."""
    feed = make(first)
    frames = [b"[" * 20_000, b'{"e": 5}', b'{"e":"markPriceUpdate","s":"BTCUSDT","E":1,"p":"-1"}']
    gc.collect()
    gc.disable()
    try:
        for text in frames * 2:
            raw = bytes(bytearray(text))
            held = sys.getrefcount(raw)
            feed._take(feed._lanes[0], raw)
            assert sys.getrefcount(raw) == held
    finally:
        gc.enable()
    assert feed.stats().rejected == {"wrong_shape": 4, "absurd_time": 2}


def indexes(clock: ManualClock, asset: str = "BTC", *, after_ms: int = 0) -> list[dict[str, object]]:
    return [
        {"e": "assetIndexUpdate", "E": clock.wall_ms() + after_ms, "s": f"{asset}USD", "B": "57000", "A": "63000"}
    ]


async def test_rates_come_on_the_same_connection(
    make: Make, first: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """A watched rate subscribes the asset indexes beside the marks, and its ticks pass as theirs do."""
    feed = make(first, symbols=("BTCUSDT", *rate_symbols("BTC")))
    async with running(feed):
        session = await first.session(0)
        assert session.asked() == [["!assetIndex@arr", "btcusdt@markPrice@1s"]]
        await session.send(mark(clock), indexes(clock))
        await until(lambda: len(inbox.ticks) == 3)
        assert [(tick.symbol, tick.mark) for tick in inbox.ticks[1:]] == [
            ("BTCUSD@bid", 57000),
            ("BTCUSD@ask", 63000),
        ]
        feed.set_symbols(("BTCUSDT",))
        await clock.advance(1.5)
        await session.send(mark(clock))
        await until(lambda: session.asked("UNSUBSCRIBE") == [["!assetIndex@arr"]])


async def test_silent_rates_are_asked_for_again(make: Make, first: StandIn, clock: ManualClock) -> None:
    """While marks arrive, rates that do not are named and their one stream is subscribed again."""
    feed = make(first, symbols=("BTCUSDT", *rate_symbols("BTC")))
    async with running(feed):
        session = await first.session(0)
        for _ in range(23):
            await session.send(mark(clock))
            before = feed.stats().frames
            await until(lambda before=before: feed.stats().frames > before)  # type: ignore[misc]
            await clock.advance(1.0)
        assert feed.stats().silent == ("BTCUSD@ask", "BTCUSD@bid")
        assert session.asked()[1:] == [["!assetIndex@arr"]]


async def test_changed_contracts_are_told(make: Make, first: StandIn, inbox: Recorder, clock: ManualClock) -> None:
    """Where somebody asked to be told: symbol and whether its tiers changed. It is no data and no refusal."""
    told: list[tuple[str, bool]] = []
    feed = MarkFeed(
        "usdm", ["BTCUSDT"], [first.base], inbox=inbox, clock=clock, rng=random.Random(7),  # noqa: S311 - jitter
        timings=DEFAULTS, on_contract=lambda symbol, tiers: told.append((symbol, tiers)),
    )  # fmt: skip
    async with running(feed):
        session = await first.session(0)
        assert session.asked() == [["!contractInfo", "btcusdt@markPrice@1s"]]
        event = {"e": "contractInfo", "E": clock.wall_ms(), "s": "IOTAUSDT"}
        await session.send(event, {**event, "bks": [{"bs": 1}]})
        await until(lambda: told == [("IOTAUSDT", False), ("IOTAUSDT", True)])
        assert feed.stats().state == "connecting"
        assert feed.stats().rejected == {}
        feed.set_symbols(())
        assert feed._streams == frozenset()


async def test_names_are_stale_from_when_they_were_asked_for(
    make: Make, first: StandIn, clock: ManualClock
) -> None:
    """Whether a connection is open or not; a mark that repeats itself is none."""
    feed = make(first, symbols=("BTCUSDT", "ETHUSDT"))
    assert feed.stale(0.0) == ()
    async with running(feed):
        session = await first.session(0)
        await clock.advance(2.0)
        assert feed.stale(3.0) == ()
        frame = mark(clock)
        await session.send(frame)
        await until(lambda: feed.stats().ticks == 1)
        await clock.advance(1.0)
        assert feed.stale(3.0) == ("ETHUSDT",)
        await session.send(frame)
        await until(lambda: feed.stats().duplicates == 1)
        await clock.advance(2.0)
        assert feed.stale(3.0) == ("BTCUSDT", "ETHUSDT")
        feed.set_symbols(["BTCUSDT"])
        assert feed.stale(3.0) == ("BTCUSDT",)


async def test_withheld_symbols_are_compared_and_not_passed_on(
    make: Make, first: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """Once they are trusted again the newest is there at once."""
    feed = make(first, symbols=("BTCUSDT", "ETHUSDT"))
    async with running(feed):
        session = await first.session(0)
        feed.withhold(["BTCUSDT"])
        await session.send(mark(clock, price="61000"), mark(clock, "ETHUSDT", price="2000"))
        await until(lambda: bool(inbox.ticks))
        assert [tick.symbol for tick in inbox.ticks] == ["ETHUSDT"]
        assert feed.latest["BTCUSDT"].mark == 61000.0
        assert feed.stale(0.0) == ("BTCUSDT", "ETHUSDT")
        feed.withhold(["SOLUSDT"])
        assert [(tick.symbol, tick.mark) for tick in inbox.ticks[1:]] == [("BTCUSDT", 61000.0)]
        feed.withhold([])
        assert len(inbox.ticks) == 2


async def test_a_connection_that_lies_is_given_up_once_another_delivers(
    make: Make, first: StandIn, second: StandIn, inbox: Recorder, clock: ManualClock
) -> None:
    """The next candidate takes over without a gap; the report says why the other lost; its clock does not bind."""
    feed = make(first, second, symbols=("BTCUSDT", "ETHUSDT"))
    async with running(feed):
        liar = await first.session(0)
        await liar.send(mark(clock, after_ms=30_000), mark(clock, "ETHUSDT"))
        await until(lambda: feed.stats().ticks == 2)
        feed.withhold(["BTCUSDT"])
        with capture_logs() as logs:
            feed.give_up("wrong_marks")
            feed.give_up("wrong_marks")
        assert [(one["event"], one["host"], one["reason"]) for one in logs] == [
            ("feed.given_up", first.host, "wrong_marks")
        ]
        session = await second.session(0)
        assert not liar.closed
        assert feed.stats().host == first.host
        await session.send(mark(clock, "ETHUSDT", after_ms=1000))
        await until(lambda: liar.closed)
        await session.send(mark(clock, after_ms=1000, price="59400"))
        await until(lambda: feed.stats().ticks == 4)
        assert feed.latest["BTCUSDT"].mark == 59400.0
        await until(lambda: feed.stats().candidates[0].outcome == "lost")
        stats = feed.stats()
        assert stats.host == second.host
        assert (stats.rotations, stats.reconnects) == (1, 0)
        assert [(c.outcome, c.reason) for c in stats.candidates] == [("lost", "wrong_marks"), ("live", "")]
        assert [state for state, _, _ in inbox.states()] == ["connecting", "live", "live"]


async def test_a_lying_connection_to_the_only_host_is_made_anew(
    make: Make, first: StandIn, clock: ManualClock
) -> None:
    """The report has the host as live: it is; without a connection there is nothing to give up."""
    feed = make(first)
    feed.give_up("wrong_marks")
    async with running(feed):
        liar = await first.session(0)
        await liar.send(mark(clock))
        await until(lambda: feed.stats().ticks == 1)
        feed.give_up("wrong_marks")
        session = await first.session(1)
        await session.send(mark(clock, after_ms=1000))
        await until(lambda: liar.closed)
        await settle()
        assert [(c.outcome, c.reason) for c in feed.stats().candidates] == [("live", "")]
