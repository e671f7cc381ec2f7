"""The service as a whole in a world of its own time: real from the wire to the messages, with ports that fail.

Time passes only when nothing is left to do, and then at once, so that a quarter of an hour takes a second, and the
same story gives the same events. What is not real: sockets and HTTP (frames and bodies are), the two databases,
and the services that take messages.
"""

import asyncio
import selectors
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple, Self
from unittest import mock

import msgspec
import structlog

from monitor.app import Daemon
from monitor.beat import Beat
from monitor.binance.bridge import Bridge
from monitor.binance.candles import CandleHistory
from monitor.binance.endpoints import Environment, host_of
from monitor.binance.klines import Klines, SeededFeed
from monitor.binance.rest import RestClient
from monitor.binance.rest_call import Call
from monitor.binance.streams import MarkFeed
from monitor.binance.weights import WeightBudget
from monitor.core.events import Event, Heartbeat, Restored
from monitor.core.incidents import Effects
from monitor.core.model import Change, Level, Market, Now, Sample
from monitor.core.notices import Notice, Transition
from monitor.errors import DeliveryError, FeedError, StoreError, UnreachableError
from monitor.notify.retry import ThrottledError
from monitor.plan import Plan, Sources
from monitor.ports import Attempt, Inbox, Message, Rows, Step, Stored
from monitor.storage.history import HistorySettings
from monitor.storage.outbox import OutboxState
from tests.core.builders import table
from tests.faults.story import Fault, Story
from tests.storage.fakes import MemoryState

STARTED_S: Final = 1000.0  # of the monotonic clock
STARTED_MS: Final = 1_780_000_000_000
SECRET: Final = "s3cr3t-of-the-campaign"  # stands in every address
STREAM_BASES: Final = (f"wss://user:{SECRET}@one.test/market", f"wss://user:{SECRET}@two.test/market")
REST_BASES: Final = (f"https://user:{SECRET}@rest.test",)
HANGS_S: Final = 20.0  # until a channel's own time-out
REST_TIMEOUT_S: Final = 10.0
MOST_EVENTS: Final = 3  # that may be in the inbox at any moment
MINUTE_MS: Final = 60_000
LISTED_MIN: Final = 90  # before the story begins, contracts began to be traded


class InjectedError(RuntimeError):
    """A fault of ours, made on purpose."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: when nothing is ready, its time moves to what comes next."""

    def __init__(self) -> None:
        self.virtual_s = STARTED_S
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.virtual_s

    def run_in_executor(self, executor: object, func: Callable[..., Any], *args: object) -> asyncio.Future[Any]:
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it goes where it would have gone
            future.set_exception(error)
        return future


class _Selector(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("nothing will ever happen again")
        self._loop.virtual_s += max(timeout, 0.0)
        return []


class WorldClock:
    """Implements ``ports.Clock`` on a virtual loop; the wall clock can be set."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.offset_ms = 0  # how wrong the wall clock is

    @property
    def at_s(self) -> float:
        """Seconds of the story."""
        return self._loop.virtual_s - STARTED_S

    @property
    def true_ms(self) -> int:
        """The exchange's time."""
        return STARTED_MS + round(self.at_s * 1000)

    def wall_ms(self) -> int:
        return self.true_ms + self.offset_ms

    def mono_s(self) -> float:
        return self._loop.virtual_s

    def now(self) -> Now:
        return Now(self.wall_ms(), self.mono_s())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)  # noqa: TID251 - the loop's time is ours


class Received(NamedTuple):
    """A mark that the feed read from its connection, or that a REST reply brought."""

    at_s: float
    symbol: str
    price: float
    event_ms: int
    wall_ms: int  # ours
    life: int
    true: bool
    rest: bool = False


class Sent(NamedTuple):
    """A message, and what the service did with it."""

    began_s: float
    at_s: float
    channel: str
    life: int
    notices: tuple[Notice, ...]
    outcome: str  # accepted, unsure (taken, and the answer lost), lost (perhaps taken), failed, refused or killed

    @property
    def read(self) -> bool:
        """Whether a person has surely got it."""
        return self.outcome in {"accepted", "unsure"}


class Moved(NamedTuple):
    """A change of level that the engine decided."""

    at_s: float
    life: int
    transition: Transition


class Tape:
    """What crossed the ports."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.sent: list[Sent] = []
        self.moved: list[Moved] = []
        self.decided: dict[tuple[str, str], tuple[float, Notice]] = {}  # by key and channel
        self.committed: dict[tuple[str, str], float] = {}
        self.restored: dict[tuple[int, str], Level] = {}  # by life and subject
        self.lives: list[tuple[float, float]] = []
        self.logs: list[str] = []
        self.deaths: list[str] = []  # the jobs that died of what was not injected
        self.faults: list[str] = []  # what no port may see
        self.lines: list[str] = []  # the story as it was, for people and for comparison

    def note(self, at_s: float, text: str) -> None:
        self.lines.append(f"{at_s:9.3f} {text}")


class World:
    """Everything outside the service, and the service's lives in it."""

    def __init__(self, story: Story, loop: VirtualLoop) -> None:
        self.story = story
        self.loop = loop
        self.clock = WorldClock(loop)
        self.rng = Random(story.seed + 1)  # noqa: S311 - seeded chance is what this is for
        self.tape = Tape()
        self.memory = MemoryState(self.clock)
        self.exchange = Exchange(self)
        self.channels = {rule.name: OutsideChannel(rule.name, self) for rule in story.settings.channels}
        self.recorded: dict[str, list[int]] = {}  # when each symbol was sampled, in the history
        self.life: Life | None = None
        self.directory = ""

    def now_wrong(self, *kinds: str, about: str = "") -> Fault | None:
        """Return what of these kinds goes wrong at this moment."""
        at_s = self.clock.at_s
        for fault in self.story.faults:
            matches = fault.kind in kinds and (not about or not fault.about or about in fault.about)
            if matches and fault.start_s <= at_s < fault.end_s:
                return fault
        return None

    async def run(self) -> None:
        """Live through the story."""
        outside = [self.loop.create_task(self.exchange.run()), self.loop.create_task(self._set_clock())]
        try:
            crashes = self.story.crashes()
            for number in range(len(crashes) + 1):
                crash = crashes[number] if number < len(crashes) else None
                ends_s = self.story.length_s if crash is None else crash.start_s
                life = self.life = Life(self, number)
                began_s = self.clock.at_s
                await life.run(ends_s, killed=crash is not None)
                self.tape.lives.append((began_s, self.clock.at_s))
                if crash is not None:
                    await self.clock.sleep(crash.end_s - self.clock.at_s)
        finally:
            for task in outside:
                task.cancel()
            await asyncio.gather(*outside, return_exceptions=True)

    async def _set_clock(self) -> None:
        for fault in self.story.faults:
            if fault.kind == "clock-steps":
                await self.clock.sleep(max(0.0, fault.start_s - self.clock.at_s))
                self.clock.offset_ms = round(fault.size * 1000)
                await self.clock.sleep(fault.end_s - self.clock.at_s)
                self.clock.offset_ms = 0


class Exchange:
    """Frames to those who subscribed, bodies to those who ask."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clock = world.clock
        self._connections: list[Connection] = []
        self._stuck: dict[str, float] = {}

    def price(self, symbol: str, at_s: float) -> float:
        path = self._world.story.prices[symbol]
        return round(path[max(0, min(int(at_s + 0.001), len(path) - 1))], 6)

    async def run(self) -> None:
        """Speak once a second, for ever."""
        while True:
            at_s = self._clock.at_s
            await self._clock.sleep(int(at_s + 0.001) + 1.0 - at_s)
            self._speak()

    def _speak(self) -> None:
        wrong = self._world.now_wrong
        if wrong("feed-refused", "feed-closed"):
            for connection in self._connections:
                connection.end("closed")
            return
        if not wrong("feed-stuck"):
            self._stuck.clear()
        if wrong("feed-silent"):
            return
        rows: list[Frame] = []
        for symbol in self._world.story.symbols:
            if not wrong("feed-part-silent", about=symbol):
                rows += self._rows(symbol)
        for connection in self._connections:
            if connection.deaf:
                continue
            for frame in rows:
                if frame.symbol in connection.symbols:
                    connection.push(frame)
            if wrong("feed-garbage"):
                connection.push(Frame(b'{"e":"markPriceUpdate","E":17'))
                connection.push(Frame(b"\xff\x00"))

    def _rows(self, symbol: str) -> Iterator["Frame"]:
        """Yield what the streams say of a symbol now."""
        wrong, rng = self._world.now_wrong, self._world.rng
        at_s, now_ms = self._clock.at_s, self._clock.true_ms
        price, true = self.price(symbol, at_s), True
        if wrong("feed-stuck", about=symbol):
            price = self._stuck.setdefault(symbol, price)
            true = price == self.price(symbol, at_s)
        if (fault := wrong("feed-wrong", about=symbol)) is not None:
            price, true = round(price * (1.0 + fault.size), 6), False
        if wrong("feed-gaps") and rng.random() < 0.5:
            return
        if wrong("feed-garbage") and rng.random() < 0.3:
            yield Frame(_mark_frame(symbol, "NaN", now_ms))
            return
        if wrong("feed-shuffled"):
            yield Frame(_mark_frame(symbol, str(price), now_ms), symbol, price, now_ms, true)
            earlier_ms = now_ms - 1000 * rng.randint(1, 5)
            old = self.price(symbol, (earlier_ms - STARTED_MS) / 1000)
            yield Frame(_mark_frame(symbol, str(old), earlier_ms), symbol, old, earlier_ms, true)
            return
        for _ in range(2 if wrong("feed-doubled") else 1):
            yield Frame(_mark_frame(symbol, str(price), now_ms), symbol, price, now_ms, true)

    # What stands in for monitor.binance.transport

    async def open_stream(self, url: str, _settings: object, _wall_ms: int) -> "Connection":
        await self._clock.sleep(0.05)
        if self._world.now_wrong("feed-refused"):
            raise FeedError(host_of(url), "connection_refused", "ConnectionRefusedError")
        connection = Connection(self, deaf=self._world.now_wrong("feed-no-data") is not None)
        self._connections.append(connection)
        return connection

    async def receive(self, connection: "Connection", host: str) -> bytes:
        frame = await connection.next(host)
        if frame.symbol:
            self.arrived(frame.symbol, frame.price, frame.event_ms, true=frame.true)
        return frame.raw

    async def send(self, connection: "Connection", text: str, host: str) -> None:
        if connection.ended:
            raise FeedError(host, connection.ended)
        asked = msgspec.json.decode(text)
        names = {name.partition("@")[0].upper() for name in asked["params"]}
        if asked["method"] == "SUBSCRIBE":
            connection.symbols |= names
        else:
            connection.symbols -= names
        connection.push(Frame(msgspec.json.encode({"result": None, "id": asked["id"]})))

    def forget(self, connection: "Connection") -> None:
        with suppress(ValueError):
            self._connections.remove(connection)

    def arrived(self, symbol: str, price: float, event_ms: int, *, true: bool, rest: bool = False) -> None:
        life = self._world.life
        if life is not None and not life.dead:
            self._world.tape.received.append(
                Received(self._clock.at_s, symbol, price, event_ms, self._clock.wall_ms(), life.number, true, rest)
            )

    # What stands in for HTTP

    async def request(self, call: Call, data: Mapping[str, str | int | None]) -> "Reply":
        """Answer as the exchange does.

        Raises:
            UnreachableError: it does not.
        """
        wrong = self._world.now_wrong
        klines = call.path == "markPriceKlines"
        await self._clock.sleep(0.08)
        if wrong("rest-down") or (klines and wrong("klines-fail")):
            await self._clock.sleep(REST_TIMEOUT_S - 0.08)
            raise UnreachableError(call.where, "timeout")
        if wrong("rest-slow"):
            await self._clock.sleep(self._world.rng.uniform(1.0, 8.0))
        if wrong("rest-limited"):
            return Reply(429, "12", None, b'{"code":-1003,"msg":"Too many requests"}')
        if wrong("rest-broken"):
            return self._world.rng.choice(
                (Reply(503, None, None, b"busy"), Reply(200, None, None, b"<html>"), Reply(200, None, None, b"[{"))
            )
        return Reply(200, None, None, self._body(call.path, data))

    def _body(self, path: str, data: Mapping[str, str | int | None]) -> bytes:
        match path:
            case "markPriceKlines":
                return self._klines(str(data["symbol"]), data)
            case "premiumIndex":
                return self._premium(data.get("symbol"))
            case "exchangeInfo":
                return _contracts(self._world.story.symbols)
            case "time":
                return msgspec.json.encode({"serverTime": self._clock.true_ms})
        self._world.tape.faults.append(f"asked for {path}")
        return b"{}"

    def _premium(self, symbol: str | int | None) -> bytes:
        wrong = self._world.now_wrong
        at_s, now_ms = self._clock.at_s, self._clock.true_ms
        if (fault := wrong("rest-stale")) is not None:
            at_s, now_ms = fault.start_s, STARTED_MS + round(fault.start_s * 1000)
        rows = []
        task = asyncio.current_task()
        asks_for_bridge = task is not None and task.get_name().startswith("bridge-")  # others only compare
        for name in self._world.story.symbols:
            if symbol in {None, name} and not wrong("rest-part", about=name):
                price = self.price(name, at_s)
                rows.append({"symbol": name, "markPrice": str(price), "time": now_ms})
                if asks_for_bridge:
                    self.arrived(name, price, now_ms, true=True, rest=True)
        if symbol is not None and not rows:
            return b'{"code":-1121,"msg":"Invalid symbol."}'
        return msgspec.json.encode(rows[0] if symbol is not None else rows)

    def _klines(self, symbol: str, data: Mapping[str, str | int | None]) -> bytes:
        last = self._clock.true_ms // MINUTE_MS
        limit = int(data.get("limit") or 500)
        end = min(last, int(data.get("endTime") or last * MINUTE_MS) // MINUTE_MS)
        oldest = STARTED_MS // MINUTE_MS - LISTED_MIN
        begin = max(end - limit + 1, oldest, -(-int(data.get("startTime") or 0) // MINUTE_MS))
        path = self._world.story.prices[symbol]
        rows = []
        for minute in range(begin, end + 1):
            first = round(minute * 60 - STARTED_MS / 1000)
            seconds = path[max(0, first) : max(1, min(first + 60, int(self._clock.at_s) + 1))] or path[:1]
            shown = [str(round(one, 6)) for one in (seconds[0], max(seconds), min(seconds), seconds[-1])]
            rows.append([minute * MINUTE_MS, *shown, "0", minute * MINUTE_MS + 59_999, "0", 60, "0", "0", "0"])
        return msgspec.json.encode(rows)


class Reply(NamedTuple):
    """What a server answers; ``futures_client.RawReply`` without its heavy imports."""

    status: int
    retry_after: str | None
    used_weight: str | None
    body: bytes


class Frame(NamedTuple):
    """Bytes on a stream, and the mark they carry, if any."""

    raw: bytes
    symbol: str = ""
    price: float = 0.0
    event_ms: int = 0
    true: bool = True


def _mark_frame(symbol: str, price: str, event_ms: int) -> bytes:
    return f'{{"e":"markPriceUpdate","E":{event_ms},"s":"{symbol}","p":"{price}","r":"0","T":0}}'.encode()


def _contracts(symbols: Sequence[str]) -> bytes:
    rows = [
        {
            "symbol": symbol,
            "marginAsset": "USDT",
            "baseAsset": symbol.removesuffix("USDT"),
            "quoteAsset": "USDT",
            "contractType": "PERPETUAL",
            "status": "TRADING",
        }
        for symbol in symbols
    ]
    return msgspec.json.encode({"rateLimits": [], "symbols": rows})


class Connection:
    """One socket. A ``deaf`` one acknowledges everything and never delivers."""

    def __init__(self, exchange: Exchange, *, deaf: bool) -> None:
        self._exchange = exchange
        self.deaf = deaf
        self.symbols: set[str] = set()
        self.ended = ""
        self._frames: deque[Frame] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def push(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._wake()

    def end(self, reason: str) -> None:
        self.ended = reason
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self, host: str) -> Frame:
        while not self._frames:
            if self.ended:
                raise FeedError(host, self.ended)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._frames.popleft()

    async def close(self) -> None:
        self._exchange.forget(self)


class OutsideChannel:
    """A service that takes messages, as far as it does; it outlives every life."""

    def __init__(self, name: str, world: World) -> None:
        self._name = name
        self._world = world
        self.url = f"json://user:{SECRET}@channel.test"
        self.flying: tuple[Notice, ...] = ()

    @property
    def name(self) -> str:
        return self._name

    @property
    def format(self) -> str:
        return "text"

    @property
    def takes_files(self) -> bool:
        return False

    async def send(self, message: Message) -> None:
        world, notices = self._world, self.flying
        clock, life = world.clock, world.life
        assert life is not None
        began_s = clock.at_s
        outcome = "killed"
        life.die("lane", about=self._name)
        if SECRET in f"{message.title}{message.body}":
            world.tape.faults.append(f"a secret in {message.title}")
        try:
            await clock.sleep(world.rng.uniform(0.02, 0.4))
            fault = world.now_wrong(
                "channel-fails", "channel-hangs", "channel-limits", "channel-refuses", "channel-loses-answers",
                about=self._name,
            )  # fmt: skip
            match fault.kind if fault is not None else "":
                case "channel-fails":
                    outcome = "failed"
                    raise DeliveryError(self._name, "http-500")
                case "channel-hangs":
                    await clock.sleep(HANGS_S)
                    outcome = "lost"
                    raise DeliveryError(self._name, "timeout")
                case "channel-limits":
                    outcome = "failed"
                    raise ThrottledError(self._name, "http-429", retry_after_s=world.rng.choice((3.0, 20.0, 45.0)))
                case "channel-refuses":
                    outcome = "refused"
                    raise DeliveryError(self._name, "http-403", permanent=True)
                case "channel-loses-answers":
                    outcome = "unsure"
                    raise DeliveryError(self._name, "timeout")
            outcome = "accepted"
        finally:
            world.tape.sent.append(Sent(began_s, clock.at_s, self._name, life.number, notices, outcome))
            world.tape.note(clock.at_s, f"{self._name} {outcome}: {message.title}")

    def close(self) -> None:
        return


class OutsideState:
    """The state database as one life sees it: what it holds outlives the life, what it takes may fail."""

    def __init__(self, life: "Life") -> None:
        self._life = life
        self._world = life.world
        self._memory = life.world.memory
        self._is_open = False

    async def open(self) -> Stored:
        await self._trouble("open")
        self._is_open = True
        return await self._memory.open()

    in_doubt = False

    async def look_through(self) -> None:
        """Find it sound: what memory holds is not damaged in place."""

    def usable(self) -> bool:
        return self._is_open

    async def commit(self, rows: Rows) -> None:
        if any(rows):
            self._life.die("commit")
        await self._trouble("commit")
        await self._memory.commit(rows)

    async def attempted(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        await self._trouble("record attempt")
        await self._memory.attempted(keys, channel, tried)

    async def accepted(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        await self._trouble("record accepted")
        await self._memory.accepted(keys, channel, tried)

    async def refused(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        await self._trouble("record refused")
        await self._memory.refused(keys, channel, tried)

    async def close(self) -> None:
        if not self._life.dead:
            await self._memory.close()

    async def _trouble(self, operation: str) -> None:
        """Be as slow, or as broken, as the story wants; what was killed waits for ever."""
        fault = self._world.now_wrong("store-fails", "store-hangs", "store-slow")
        kind = fault.kind if fault is not None else ""
        if self._life.dead:
            await asyncio.get_running_loop().create_future()
        if kind == "store-fails" or not (self._is_open or operation == "open"):
            raise StoreError("state.db", operation, "disk full")
        if kind == "store-hangs":
            # A bounded one, as with the real store: its connection gives up.
            await self._world.clock.sleep(5.0)
            raise StoreError("state.db", operation, "timed out")
        if kind == "store-slow":
            await self._world.clock.sleep(self._world.rng.uniform(0.05, 0.6))
            if self._life.dead:
                await asyncio.get_running_loop().create_future()


class OutsideHistory:
    """The history database: takes what it gets while it works, and says when it does not."""

    def __init__(self, life: "Life", on_state: Callable[[bool, str], None]) -> None:
        self._life = life
        self._world = life.world
        self._on_state = on_state
        self._queue: deque[Sample | Change] = deque(maxlen=5000)
        self._ok = True
        self._done = asyncio.Event()
        self.beat = Beat()
        self.dropped: dict[str, int] = {}
        self.written = 0

    in_doubt = False

    async def look_through(self) -> None:
        """Find it sound: what memory holds is not damaged in place."""

    @property
    def queued(self) -> int:
        return len(self._queue)

    def record(self, samples: Sequence[Sample]) -> None:
        self._queue.extend(samples)

    def record_changes(self, changes: Sequence[Change]) -> None:
        self._queue.extend(changes)

    async def open(self) -> None:
        if self._world.now_wrong("history-fails"):
            raise StoreError("history.db", "open", "disk full")

    async def run(self) -> None:
        while not self._done.is_set():
            self.beat.back(self._world.clock.mono_s() + 5.0)
            with suppress(TimeoutError):
                async with asyncio.timeout(5.0):
                    await self._done.wait()
            ok = self._world.now_wrong("history-fails") is None
            if ok is not self._ok:
                self._ok = ok
                self._on_state(ok, "" if ok else "disk full")
            if ok and not self._life.dead:
                for row in self._queue:
                    if isinstance(row, Sample) and row.symbol:
                        self._world.recorded.setdefault(row.symbol, []).append(row.at_ms)
                self.written += len(self._queue)
                self._queue.clear()

    def finish(self) -> None:
        self._done.set()

    async def close(self) -> None:
        return


class PastReader:
    """Reads what an earlier life recorded; ``storage.history_reader.HistoryReader`` as the back-fill uses it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __enter__(self) -> Self:
        if self._world.now_wrong("history-fails"):
            raise StoreError("history.db", "read", "unreadable")
        return self

    def __exit__(self, *_: object) -> None:
        return

    def newest(self, before_ms: int) -> dict[str, int]:
        return {
            symbol: max(at_ms for at_ms in times if at_ms < before_ms)
            for symbol, times in self._world.recorded.items()
            if any(at_ms < before_ms for at_ms in times)
        }


class Life:
    """One process of the service, from its start until it is stopped or killed."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.dead = False
        self._died: set[Fault] = set()
        self.daemon = self._built()
        self._real_step = self.daemon._engine.step
        self.daemon._engine.step = self._step  # type: ignore[method-assign]
        self.daemon.listen(self._seen)
        self.left: list[tuple[str, str]] = []  # what was still there at the end

    def _built(self) -> Daemon:
        world, story = self.world, self.world.story
        rng = Random(story.seed * 100 + self.number)  # noqa: S311 - same
        directory = Path(world.directory)
        plan = Plan(
            settings=story.settings,
            accounts=story.accounts,
            tables=tuple(table(symbol) for symbol in story.symbols),
            channels=tuple(world.channels.values()),
            state_dir=directory,
            history_path=directory / "history.db",
            history=HistorySettings(),
        )
        with (
            mock.patch("monitor.app.SqliteState", return_value=OutsideState(self)),
            mock.patch(
                "monitor.app.SqliteHistory",
                side_effect=lambda *_, on_state, **__: OutsideHistory(self, on_state),
            ),
        ):
            return Daemon(plan, lambda inbox: self._sources(inbox, rng), world.clock, rng, probe=self._probe)

    def _sources(self, inbox: Inbox, rng: Random) -> Sources:
        clock = self.world.clock
        budget = WeightBudget(clock)
        client = RestClient(Market.USDM, Environment.TESTNET, REST_BASES, clock=clock, rng=rng, budget=budget)
        client._caller._request = self.world.exchange.request  # type: ignore[method-assign,assignment]
        marks = MarkFeed("usdm", (), STREAM_BASES, inbox=inbox, clock=clock, rng=rng)
        past = Klines("usdm", client, inbox=inbox, clock=clock, rng=rng, budget=budget)
        bridge = Bridge(Market.USDM, marks, client, inbox=inbox, clock=clock, rng=rng, budget=budget)
        return Sources(
            feeds={Market.USDM: SeededFeed(marks, past, bridge)},
            past=CandleHistory({Market.USDM: client}, clock=clock, rng=rng, budget=budget),
        )

    async def run(self, ends_s: float, *, killed: bool) -> None:
        """Run until the story says; a killed one leaves nothing behind but what it had written."""
        tape, clock = self.world.tape, self.world.clock
        tape.note(clock.at_s, f"life {self.number} begins")
        task = self.world.loop.create_task(self.daemon.run())
        await asyncio.wait([task], timeout=max(0.0, ends_s - clock.at_s))
        if task.done():
            tape.faults.append(f"life {self.number} ended by itself: {task.exception()!r}")
            return
        if killed:
            self.dead = True
            tape.note(clock.at_s, f"life {self.number} is killed")
            task.cancel()
        else:
            self.left = list(self._left())
            self.daemon.stop()
        began_s = clock.at_s
        _, late = await asyncio.wait([task], timeout=30.0)
        if late:
            tape.faults.append(f"life {self.number} did not end")
        elif not task.cancelled() and task.exception() is not None and not killed:
            tape.faults.append(f"life {self.number} ended with {task.exception()!r}")
        elif not killed and clock.at_s - began_s > 5.0:
            tape.faults.append(f"life {self.number} took {clock.at_s - began_s:.1f} s to end")

    def die(self, job: str, *, about: str = "") -> None:
        """Fail once for each fault that wants this job to die."""
        fault = self.world.now_wrong("job-dies", about=job)
        if fault is not None and fault not in self._died and not self.dead:
            self._died.add(fault)
            self.world.tape.note(self.world.clock.at_s, f"{job} {about} dies")
            raise InjectedError

    def _step(self, event: Event, now: Now) -> Effects:
        if isinstance(event, Heartbeat):
            self.die("decide")
        if isinstance(event, Restored):
            self.world.tape.restored |= {(self.number, state.subject): state.level for state in event.subjects}
        return self._real_step(event, now)

    def _seen(self, effects: Effects) -> None:
        if self.dead:
            return
        at_s, tape = self.world.clock.at_s, self.world.tape
        for change in effects.transitions:
            tape.moved.append(Moved(at_s, self.number, change))
            tape.note(at_s, f"{change.subject}: {change.previous.label} -> {change.level.label}")

    def _probe(self, step: Step, notices: Sequence[Notice]) -> None:
        if self.dead:
            return
        at_s, tape = self.world.clock.at_s, self.world.tape
        if step is Step.SENDING:
            self.world.channels[notices[0].channel].flying = tuple(notices)
        for notice in notices:
            key = (notice.key, notice.channel)
            if step is Step.DECIDED:
                tape.decided.setdefault(key, (at_s, notice))
            elif step is Step.COMMITTED:
                tape.committed.setdefault(key, at_s)

    def _left(self) -> Iterator[tuple[str, str]]:
        """Yield what a service at rest should not hold any more, each with the subject it is about, if any."""
        daemon = self.daemon
        for stats in daemon._delivery.stats():
            if stats.pending:
                yield "", f"{stats.channel} has {stats.pending} notices pending"
        if daemon._committer._failed is not None or daemon._committer._batch:
            yield "", "the committer holds rows"
        if daemon._committer._handed or daemon._committer._sending:
            yield "", "the committer remembers what it handed on"
        incidents = daemon._engine._incidents
        for subject in incidents._leaving:
            yield subject, f"{subject} left, and is remembered"
        for subject in incidents._latest:
            yield subject, f"what was last told of {subject}"
        for state in incidents.open():
            yield state.subject, f"{state.subject} is {state.level.label}"
        for state in incidents._states.values():
            if any(told.delivered or told.refused or told.level > Level.OK for told in state.told.values()):
                yield state.subject, f"{state.subject} was told, and is not over"
        if len(daemon._inbox._events) > MOST_EVENTS or daemon._inbox._marks:
            yield "", f"the inbox holds {sorted(daemon._inbox._events)}"
        for row in self.world.memory.outbox.values():
            if row.state is OutboxState.PENDING:
                yield row.subject, f"pending in the ledger: {row.key} for {row.channel}"


@contextmanager
def _listening(tape: Tape) -> Iterator[None]:
    """Take every line of the log, and let none out."""

    def take(_logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        text = f"{method} {dict(event)}"
        tape.logs.append(text)
        if event.get("event") == "job.died" and event.get("error") != InjectedError.__name__:
            tape.deaths.append(text)
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    before = list(processors)
    processors[:] = [take]
    try:
        yield
    finally:
        processors[:] = before


def lived(story: Story) -> World:
    """Return the world after its story."""
    loop = VirtualLoop()
    exchange: Exchange
    try:
        with tempfile.TemporaryDirectory(prefix="world-") as directory:
            world = World(story, loop)
            world.directory = directory
            exchange = world.exchange
            with (
                _listening(world.tape),
                mock.patch("monitor.backfill.HistoryReader", side_effect=lambda _path: PastReader(world)),
                mock.patch.multiple(
                    "monitor.binance.streams",
                    open_stream=exchange.open_stream,
                    receive=exchange.receive,
                    send=exchange.send,
                ),
            ):
                loop.run_until_complete(world.run())
    finally:
        loop.close()
    return world
