"""A day as fast as it goes: the whole service over real sockets and databases, its time driven from outside.

What is real: the service as it is wired, its connections and frames, its databases, and the exchange's REST and
private streams, which the emulator serves. What is not: the time that passes, the server of the market streams,
which sends a second of marks in one write, and the service that takes messages.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple
from unittest import mock

from aiohttp import web
from websockets.asyncio.client import ClientConnection

from monitor.app import Daemon
from monitor.binance import streams, user_stream
from monitor.binance.account_values import AccountTimings
from monitor.binance.streams import MarkFeed, Timings
from monitor.binance.transport import ConnectSettings
from monitor.cli.wiring import build_daemon
from monitor.config import load_text
from monitor.emulator.server import Emulator, Handler
from monitor.emulator.settings import EmulatorSettings
from monitor.ports import Message
from tests.soak.clock import DrivenClock
from tests.soak.market import FOLLOWED, Prices, config, scenario
from tests.soak.measure import Reading, read
from tests.soak.pump import Pump
from tests.soak.report import SoakResult

_ROUNDS: Final = 2_000  # of the loop until everything that was sent must have been taken
_REAL_PAUSE_S: Final = 0.001
_CONNECT_PAUSES: Final = 20  # real milliseconds for a first subscription in half a second of driven time
_HANDSHAKE_PAUSES: Final = 10_000  # and until a handshake must be over: a slow machine makes no time-out
_CLOSE_S: Final = 0.1  # real; frames that nobody reads any more may lie before the answer to a close

Opening = Callable[[str, ConnectSettings, int], Awaitable[ClientConnection]]


class Plan(NamedTuple):
    """What happens in a run; times in seconds of the driven clock."""

    hours: float = 24.0
    symbols: int = 200
    read_every_s: float = 3_600.0
    cut_every_s: float = 3_600.0
    outages: tuple[tuple[float, float, bool], ...] = ()  # from, to, and whether REST is gone as well
    fall_every_s: float = 4 * 3_600.0
    fall_s: float = 1_200.0
    fund_every_s: float = 1_800.0
    rotate_after_s: float = 2_700.0  # a day's rotation between two cuts, or no connection would grow old enough
    quantum_s: float = 0.5  # how far time moves at once, up to a second: the service looks twice a second


class CountingChannel:
    """A channel that takes everything and keeps only how much that was."""

    def __init__(self) -> None:
        self.taken = 0

    @property
    def name(self) -> str:
        return "phone"

    @property
    def format(self) -> str:
        return "text"

    @property
    def takes_files(self) -> bool:
        return False

    async def send(self, message: Message) -> None:
        assert message.title
        self.taken += 1

    def close(self) -> None:
        return


class LocalExchange(Emulator):
    """The emulator's REST and private streams; its marks are brought up to date when somebody asks."""

    inflight = 0

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(("/private", "/ws")):
            return await super()._middleware(request, handler)
        self.inflight += 1
        try:
            if not self.faults.refuse_connections:
                self.market.tick(self._clock.wall_ms())
            return await super()._middleware(request, handler)
        finally:
            self.inflight -= 1


class Ran(NamedTuple):
    """A run that is over."""

    readings: list[Reading]
    deaths: dict[str, int]
    dropped: dict[str, int]  # rows of history
    sent: int  # frames
    cuts: int  # connections cut
    alerts: int

    def result(self, plan: Plan, warm_s: float, took_s: float) -> SoakResult:
        """Return it as it is kept; real seconds ``took_s``."""
        last = self.readings[-1]
        rotated = plan.hours * 3_600.0 < 2 * plan.rotate_after_s or last.rotations > 0
        expected = (
            ("no message was sent", self.alerts > 0),
            (
                "connections were cut more often than they came back",
                last.reconnects + last.rotations >= self.cuts - 1,
            ),
            ("frames were lost beside those of connections cut or replaced", last.frames >= 0.9 * self.sent),
            ("no rotation came", rotated),
        )
        return SoakResult(
            "accelerated", plan.symbols, plan.hours, warm_s, took_s, plan.cut_every_s, tuple(self.readings),
            self.deaths, self.dropped, tuple(what for what, holds in expected if not holds),
        )  # fmt: skip


class Handshakes:
    """Counts those that are under way: no time passes while one opens or closes, however slow the machine is."""

    def __init__(self) -> None:
        self.under_way = 0

    def counted(self, opening: Opening) -> Opening:
        """Return what opens connections as ``opening`` does."""

        async def opened(url: str, settings: ConnectSettings, wall_ms: int) -> ClientConnection:
            with self._one():
                connection = await opening(url, settings, wall_ms)
            closing = connection.close

            async def close(code: int = 1000, reason: str = "") -> None:
                with self._one():
                    await closing(code, reason)

            connection.close = close  # type: ignore[method-assign]
            return connection

        return opened

    @contextmanager
    def _one(self) -> Iterator[None]:
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1


class Soak:
    """One run."""

    def __init__(self, plan: Plan, folder: Path, say: Callable[[Reading], None] = lambda _reading: None) -> None:
        self._plan = plan
        self._folder = folder
        self._say = say
        self._clock = DrivenClock()
        self._prices = Prices(plan.symbols, plan.fall_every_s, plan.fall_s)
        self._channel = CountingChannel()
        self._pump = Pump(self._prices)
        self._exchange = LocalExchange(self._clock, scenario(self._prices), EmulatorSettings(forever=True))
        self._handshakes = Handshakes()
        self._readings: list[Reading] = []

    async def run(self) -> Ran:
        """Run from the start of the service to its drained end."""
        async with AsyncExitStack() as stack:
            await self._exchange.start()
            stack.push_async_callback(self._exchange.stop)
            await stack.enter_async_context(self._pump)
            text = config(
                self._prices, self._folder, rest=self._exchange.base_http, market=self._pump.base,
                private=self._exchange.base_private_ws,
            )  # fmt: skip
            settings = load_text(text, "soak")
            rotate_s = self._plan.rotate_after_s
            feed = rotating(rotate_s, close_timeout_s=_CLOSE_S)
            stack.enter_context(mock.patch("monitor.cli.sourcing.MarkFeed", feed))
            for module in (streams, user_stream):
                opening = self._handshakes.counted(module.open_stream)
                stack.enter_context(mock.patch.object(module, "open_stream", opening))
            daemon = build_daemon(
                settings, [self._channel], clock=self._clock, environ={"TZ": "UTC"},
                timings=AccountTimings(rotate_after_s=rotate_s, close_timeout_s=_CLOSE_S),
            )  # fmt: skip
            async with asyncio.TaskGroup() as group:
                task = group.create_task(daemon.run(), name="daemon")
                await self._day(daemon)
                daemon.stop()
                while not task.done():
                    self._clock.move(0.1)
                    await self._turn(20)
            status = daemon.status()
            return Ran(
                self._readings,
                status.job_deaths,
                status.history.dropped,
                self._pump.frames,
                self._pump.cut,
                self._channel.taken,
            )

    async def _day(self, daemon: Daemon) -> None:
        plan = self._plan
        seconds = round(plan.hours * 3_600.0)
        await self._turn(200)
        for second in range(1, seconds + 1):
            self._happen(second)
            if plan.quantum_s < 1.0:
                self._clock.move(1.0 - plan.quantum_s)
                await self._settle(daemon)
            self._clock.move(plan.quantum_s)
            taken = self._taken(daemon)
            if not self._pump.refusing:
                taken += self._pump.push(self._clock.elapsed_s, self._clock.wall_ms())
            await self._settle(daemon, taken)
            if second % 60 == 0:
                await self._exchange.streams.tick(self._clock.wall_ms())
                daemon.status()
            if second % plan.fund_every_s == 0:
                await self._exchange.accounts[FOLLOWED].funding("0.0001")
            if second % plan.read_every_s == 0:
                self._readings.append(read(daemon, float(second), self._channel.taken))
                self._say(self._readings[-1])

    def _happen(self, second: int) -> None:
        """Cut connections, begin and end outages, as planned."""
        plan = self._plan
        if second % plan.cut_every_s == plan.cut_every_s // 2:
            self._pump.abort()
            if second // plan.cut_every_s % 2:
                self._exchange.drop_connections()
        for start_s, end_s, rest_too in plan.outages:
            if second == start_s:
                self._pump.refusing = True
                self._exchange.faults.refuse_connections = rest_too
                self._pump.abort()
            if second == end_s:
                self._pump.refusing = self._exchange.faults.refuse_connections = False

    async def _settle(self, daemon: Daemon, taken: int = 0) -> None:
        """Let what was sent be taken, what was asked be answered, and handshakes come to their end.

        Args:
            daemon: the service.
            taken: frames that it must have taken, unless its connection was lost on the way.
        """
        inbox = daemon._inbox
        await self._turn(3)
        for _ in range(_ROUNDS):
            late = self._pump.connections and self._taken(daemon) < taken
            if not (late or inbox._marks or inbox._events or self._exchange.inflight):
                break
            await self._turn(1)
        pauses = 0
        while self._handshakes.under_way and pauses < _HANDSHAKE_PAUSES:
            pauses += 1
            await asyncio.sleep(_REAL_PAUSE_S)  # noqa: TID251 - sockets are real
        pauses = 0
        while not self._pump.connections and not self._pump.refusing and pauses < _CONNECT_PAUSES:
            pauses += 1
            await asyncio.sleep(_REAL_PAUSE_S)  # noqa: TID251 - sockets are real

    @staticmethod
    def _taken(daemon: Daemon) -> int:
        return sum(feed._counts["frames"] for feed in _mark_feeds(daemon))

    async def _turn(self, rounds: int) -> None:
        for _ in range(rounds):
            await asyncio.sleep(0)  # noqa: TID251 - one round of the loop


def rotating(after_s: float, close_timeout_s: float = 1.0) -> Callable[..., MarkFeed]:
    """Return what makes mark feeds whose connections are replaced after so many seconds."""
    return partial(MarkFeed, timings=Timings(rotate_after_s=after_s, close_timeout_s=close_timeout_s))


def _mark_feeds(daemon: Daemon) -> list[MarkFeed]:
    """Return the feeds behind whatever stands before them."""
    parts = [part for feed in daemon._sources.feeds.values() for part in (feed, *vars(feed).values())]
    return [part for part in parts if isinstance(part, MarkFeed)]
