import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor.binance.account_values import AccountTimings, AccountUnavailableError
from monitor.binance.user_stream import HELD_S, KEY_EXPIRED, SILENT, UserStream
from tests.binance.stand_in import Session, StandIn, until
from tests.conftest import ManualClock

TIMINGS = AccountTimings(open_timeout_s=30.0, ping_interval_s=300.0, ping_timeout_s=300.0)
Make = Callable[..., UserStream]


class FakeKeys:
    """Listen keys as the exchange hands them out: the same one while it lives."""

    def __init__(self) -> None:
        self.made = 0
        self.kept = 0
        self.alive = False
        self.error: AccountUnavailableError | None = None

    async def create_listen_key(self) -> str:
        if self.error is not None:
            raise self.error
        self.made += not self.alive
        self.alive = True
        return f"SECRETKEY{self.made}"

    async def keep_listen_key(self) -> bool:
        if self.error is not None:
            raise self.error
        self.kept += 1
        return self.alive


@pytest.fixture
def keys() -> FakeKeys:
    return FakeKeys()


@pytest.fixture
def frames() -> list[str]:
    return []


@pytest.fixture
def gaps() -> list[str]:
    return []


@pytest.fixture
def make(keys: FakeKeys, frames: list[str], gaps: list[str], clock: ManualClock) -> Make:
    def stream(*servers: StandIn, **changes: object) -> UserStream:
        return UserStream(
            "main",
            [server.base.replace("/market", "/private") for server in servers],
            keys=keys,
            take=lambda raw: frames.append(json.loads(raw)["e"]),
            gap=gaps.append,
            clock=clock,
            rng=random.Random(7),  # noqa: S311 - jitter
            timings=msgspec.structs.replace(TIMINGS, **changes),
        )

    return stream


@asynccontextmanager
async def running(stream: UserStream) -> AsyncIterator[None]:
    stream.want()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(stream.run())
        try:
            yield
        finally:
            task.cancel()


async def session(server: StandIn, number: int) -> Session:
    await until(lambda: len(server.sessions) > number)
    return server.sessions[number]


async def opened(stream: UserStream, sessions: int = 1) -> None:
    await until(lambda: stream.stats().state == "open" and stream.stats().reconnects == sessions - 1)


async def pause(clock: ManualClock, number: int) -> float:
    """Let the pause with this number, counted from 0, begin and pass; return it."""
    await until(lambda: len([s for s in clock.slept if s > 0]) > number)
    seconds = [s for s in clock.slept if s > 0][number]
    await clock.advance(seconds)
    return seconds


async def test_nothing_connects_unwanted(make: Make, first: StandIn, clock: ManualClock) -> None:
    """A stream waits until somebody follows the account."""
    stream = make(first)
    async with running(stream):
        await opened(stream)
        stream.rest()
        await until(lambda: stream.stats().state == "idle")
        await clock.advance(600.0)
        assert first.handshakes == 1
        stream.want()
        await opened(stream, 2)
    assert first.handshakes == 2


async def test_frames_are_handed_over(
    make: Make, first: StandIn, frames: list[str], gaps: list[str], clock: ManualClock
) -> None:
    """The key goes into the query; opening is a gap, since what came before was missed."""
    stream = make(first)
    async with running(stream):
        one = await session(first, 0)
        assert one.path == "/private/ws?listenKey=SECRETKEY1"
        await opened(stream)
        assert gaps == ["connected"]
        assert stream.open_since_s == clock.mono_s()
        assert not stream.stats().proved
        await one.send({"e": "a"}, {"e": "b"})
        await until(lambda: frames == ["a", "b"])
        stream.prove()
        assert stream.stats().proved
        assert stream.stats().host == first.host
    assert gaps == ["connected"]


async def test_every_form_and_host_has_its_turn(
    make: Make, first: StandIn, second: StandIn, clock: ManualClock
) -> None:
    """An address that ends at once is followed by the other form on the same host, then by the next host."""
    first.slam = second.slam = True
    stream = make(first, second)
    async with running(stream):
        for number in range(4):
            await pause(clock, number)
        await until(lambda: len(first.sessions) == 3)
        assert [one.path for one in first.sessions] == [
            "/private/ws?listenKey=SECRETKEY1",
            "/private/ws/SECRETKEY1",
            "/private/ws?listenKey=SECRETKEY1",
        ]
        assert [one.path for one in second.sessions] == [one.path for one in first.sessions[:2]]


async def test_accept_then_close_is_slowed_down(make: Make, first: StandIn, clock: ManualClock) -> None:
    """Pauses double up to a minute, and it is said once."""
    first.slam = True
    stream = make(first)
    with capture_logs() as logs:
        async with running(stream):
            waited = [await pause(clock, number) for number in range(9)]
    assert all(most / 2 <= s <= most for s, most in zip(waited, [0.5, 1, 2, 4, 8, 16, 32, 60, 60], strict=True))
    assert [entry["event"] for entry in logs] == ["account.stream_open", "account.stream_lost"]


async def test_a_settled_connection_is_resumed_on_its_address(
    make: Make, first: StandIn, gaps: list[str], clock: ManualClock
) -> None:
    """After a minute a close is no reason to distrust the address; both ends of the break are gaps."""
    stream = make(first)
    async with running(stream):
        one = await session(first, 0)
        await opened(stream)
        await clock.advance(61.0)
        await one.connection.close(1001)
        await until(lambda: stream.stats().state == "lost")
        assert stream.open_since_s is None
        assert await pause(clock, 0) <= 0.5
        await opened(stream, 2)
        assert first.sessions[1].path == one.path
    assert gaps == ["connected", "closed", "connected"]


async def test_a_rejected_handshake_is_obeyed(make: Make, first: StandIn, clock: ManualClock) -> None:
    """The host's own demand goes before our pause."""
    first.reject = (429, {"Retry-After": "77"})
    stream = make(first)
    async with running(stream):
        await until(lambda: clock.slept != [])
        assert max(clock.slept) == 77.0


async def test_the_key_is_kept_alive(make: Make, first: StandIn, keys: FakeKeys, clock: ManualClock) -> None:
    """Half an hour after the last time, and not before."""
    stream = make(first)
    async with running(stream):
        await opened(stream)
        for after_s, kept in ((1799.0, 0), (1.0, 1), (1799.0, 1), (1.0, 2)):
            await clock.advance(after_s)
            await stream.keep_alive(clock.mono_s())
            assert keys.kept == kept
        assert stream.stats().key_age_s == 0.0
    assert keys.made == 1


async def test_a_key_that_is_gone_is_replaced(
    make: Make, first: StandIn, keys: FakeKeys, gaps: list[str], clock: ManualClock
) -> None:
    """The connection is still open and silent, so it is made anew with a new key, on the same address."""
    stream = make(first)
    async with running(stream):
        one = await session(first, 0)
        await opened(stream)
        await clock.advance(1800.0)
        keys.alive = False
        await stream.keep_alive(clock.mono_s())
        await until(lambda: one.closed)
        await pause(clock, 0)
        await opened(stream, 2)
        assert first.sessions[1].path == "/private/ws?listenKey=SECRETKEY2"
    assert gaps == ["connected", "listen_key_gone", "connected"]


async def test_an_expired_key_is_replaced(
    make: Make, first: StandIn, keys: FakeKeys, gaps: list[str], clock: ManualClock
) -> None:
    """As soon as the exchange says so."""
    stream = make(first)
    async with running(stream):
        await opened(stream)
        keys.alive = False
        stream.renew(KEY_EXPIRED)
        await pause(clock, 0)
        await opened(stream, 2)
        assert first.sessions[1].path == "/private/ws?listenKey=SECRETKEY2"
    assert gaps == ["connected", "listen_key_expired", "connected"]


async def test_a_silent_connection_changes_the_address(
    make: Make, first: StandIn, keys: FakeKeys, clock: ManualClock
) -> None:
    """Found silent, the other form is tried, with a key asked for again; found so over and over, said once."""
    stream = make(first)
    with capture_logs() as logs:
        async with running(stream):
            for number in range(3):
                await opened(stream, number + 1)
                await clock.advance(100.0)
                stream.renew(SILENT)
                await until(lambda: stream.stats().state == "lost")
                await pause(clock, number)
            await opened(stream, 4)
            assert [one.path[:12] for one in first.sessions] == ["/private/ws?", "/private/ws/"] * 2
            assert stream.stats().found_silent == 3
    assert [entry["event"] for entry in logs] == ["account.stream_open", "account.stream_lost"]
    assert logs[1]["reason"] == "silent"


async def test_rotation_loses_nothing(
    make: Make, first: StandIn, frames: list[str], gaps: list[str], clock: ManualClock
) -> None:
    """The new connection is open before the old one closes, and the old one is read to its end."""
    stream = make(first)
    async with running(stream):
        old = await session(first, 0)
        await opened(stream)
        await clock.advance(23 * 3600.0 - 1.0)
        stream.check(clock.mono_s())
        await old.send({"e": "1"})
        await until(lambda: frames == ["1"])
        assert first.handshakes == 1
        await clock.advance(1.0)
        stream.check(clock.mono_s())
        await old.send({"e": "2"})
        new = await session(first, 1)
        await old.send({"e": "3"})
        await new.send({"e": "4"})
        await until(lambda: len(frames) == 4)
        assert sorted(frames) == ["1", "2", "3", "4"]
        await until(lambda: old.closed)
        assert not new.closed
        stats = stream.stats()
        assert (stats.rotations, stats.reconnects, stats.connects, stats.state) == (1, 0, 2, "open")
        assert gaps == ["connected", "rotate"]
        await new.send({"e": "5"})
        await until(lambda: len(frames) == 5)


async def test_a_rotation_that_fails_keeps_the_old(
    make: Make, first: StandIn, frames: list[str], clock: ManualClock
) -> None:
    """It is tried again minutes later; until then nothing changes."""
    stream = make(first)
    async with running(stream):
        old = await session(first, 0)
        await opened(stream)
        await clock.advance(23 * 3600.0)
        first.reject = (503, {})
        stream.check(clock.mono_s())
        await until(lambda: first.handshakes == 2)
        first.reject = None
        await clock.advance(299.0)
        stream.check(clock.mono_s())
        await old.send({"e": "1"})
        await until(lambda: frames == ["1"])
        assert (first.handshakes, old.closed) == (2, False)
        await clock.advance(1.0)
        stream.check(clock.mono_s())
        await until(lambda: old.closed)
        assert stream.stats().rotations == 1


async def test_two_interruptions_at_once_are_one(
    make: Make, first: StandIn, keys: FakeKeys, clock: ManualClock
) -> None:
    """However near to each other they come, and rotating yields: the other asks for a new key."""
    stream = make(first)
    errors: list[RuntimeError] = []

    def renew() -> None:
        try:
            stream.renew(KEY_EXPIRED)
        except RuntimeError as error:
            errors.append(error)

    async with running(stream):
        await opened(stream)
        await clock.advance(23 * 3600.0)
        keys.alive = False
        stream.check(clock.mono_s())
        asyncio.get_running_loop().call_soon(renew)  # after the first took hold, before the stream's task knows
        await until(lambda: stream.stats().state == "lost")
        assert errors == []
        await pause(clock, 0)
        await opened(stream, 2)
        assert first.sessions[1].path == "/private/ws?listenKey=SECRETKEY2"


@pytest.mark.parametrize(
    ("error", "least_s"),
    [
        (AccountUnavailableError("busy"), 0.25),
        (AccountUnavailableError("limited", wait_s=90.0), 90.0),
        (AccountUnavailableError("key_refused", fatal=True), 300.0),
    ],
)
async def test_without_a_key_there_is_no_attempt(
    make: Make,
    first: StandIn,
    keys: FakeKeys,
    clock: ManualClock,
    *,
    error: AccountUnavailableError,
    least_s: float,
) -> None:
    """Whoever refused the key says how long to wait; no host is blamed, and it is said once."""
    keys.error = error
    stream = make(first)
    with capture_logs() as logs:
        async with running(stream):
            await until(lambda: clock.slept != [])
            assert clock.slept[0] >= least_s
            assert first.handshakes == 0
            keys.error = None
            await clock.advance(clock.slept[0])
            await opened(stream)
            assert first.sessions[0].path == "/private/ws?listenKey=SECRETKEY1"
    assert [entry["event"] for entry in logs] == ["account.listen_key_failed", "account.stream_open"]
    assert logs[0]["reason"] == error.reason


async def test_a_stream_that_is_wanted_and_not_open_is_missing(
    make: Make, first: StandIn, keys: FakeKeys, clock: ManualClock
) -> None:
    """From the moment it is wanted, or was lost; each reason for that is logged once."""
    keys.error = AccountUnavailableError("busy")
    stream = make(first)
    with capture_logs() as logs:
        async with running(stream):
            begun_s = clock.mono_s()
            for number in range(7):
                await pause(clock, number)
            assert stream.missing_s(clock.mono_s()) == clock.mono_s() - begun_s
            keys.error = None
            await pause(clock, 7)
            await opened(stream)
            assert stream.missing_s(clock.mono_s()) == 0.0
            await first.sessions[0].connection.close()
            await until(lambda: stream.stats().state == "lost")
            assert stream.missing_s(clock.mono_s() + 1.0) == 1.0
            stream.rest()
            assert stream.missing_s(clock.mono_s() + 1.0) == 0.0
    assert [entry["event"] for entry in logs][:2] == ["account.listen_key_failed", "account.stream_open"]


async def test_prolonging_that_fails_is_tried_again_later(
    make: Make, first: StandIn, keys: FakeKeys, clock: ManualClock
) -> None:
    """It stops nothing, waits as long as it is told to, and is said once."""
    stream = make(first)
    with capture_logs() as logs:
        async with running(stream):
            await opened(stream)
            await clock.advance(1800.0)
            keys.error = AccountUnavailableError("limited", wait_s=90.0)
            await stream.keep_alive(clock.mono_s())
            keys.error = None
            await clock.advance(89.0)
            await stream.keep_alive(clock.mono_s())
            assert keys.kept == 0
            keys.error = AccountUnavailableError("limited")
            await clock.advance(1.0)
            await stream.keep_alive(clock.mono_s())
            keys.error = None
            await clock.advance(60.0)
            await stream.keep_alive(clock.mono_s())
            assert keys.kept == 1
    assert [entry["event"] for entry in logs] == ["account.stream_open", "account.keepalive_failed"]


async def test_the_key_is_shown_nowhere(make: Make, first: StandIn, clock: ManualClock) -> None:
    """Not in a log, not in what is told of the stream."""
    first.reject = (403, {})
    stream = make(first)
    with capture_logs() as logs:
        async with running(stream):
            await until(lambda: first.handshakes == 1)
            await until(lambda: clock.slept != [])
            first.reject = None
            await pause(clock, 0)
            await opened(stream)
            stream.renew(SILENT)
            await until(lambda: stream.stats().state == "lost")
            shown = repr((logs, stream.stats(), stream))
    assert "account.stream_lost" in shown
    assert "SECRETKEY" not in shown


async def test_a_loss_that_is_logged_has_its_end_logged(make: Make, first: StandIn, clock: ManualClock) -> None:
    """Once the connection holds: one that is accepted and closed again is no return."""
    stream = make(first)
    with capture_logs() as logs:
        async with running(stream):
            await opened(stream, 1)
            await first.sessions[0].connection.close()
            await until(lambda: stream.stats().state == "lost")
            await pause(clock, 0)
            await opened(stream, 2)
            stream.check(clock.mono_s() + HELD_S - 1.0)
            assert [entry["event"] for entry in logs] == ["account.stream_open", "account.stream_lost"]
            stream.check(clock.mono_s() + HELD_S)
            stream.check(clock.mono_s() + 2 * HELD_S)
    assert [entry["event"] for entry in logs] == [
        "account.stream_open",
        "account.stream_lost",
        "account.stream_open",
    ]
