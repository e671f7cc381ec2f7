"""The exchange as one handle: start it, tick it, ask it, stop it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import cast

from aiohttp import web

from monitor.emulator.brackets import Number
from monitor.emulator.clock import Clock
from monitor.emulator.faults import Faults
from monitor.emulator.ledger import WalletFigures
from monitor.emulator.live import LiveAccount, accounts_of
from monitor.emulator.market import Market
from monitor.emulator.rest import RestApi
from monitor.emulator.rest_public import contract_event
from monitor.emulator.scenario import Scenario
from monitor.emulator.settings import EmulatorSettings
from monitor.emulator.stream_faults import RowFaults
from monitor.emulator.streams import Route, StreamHub

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HOST = "127.0.0.1"  # never anything else: whoever can reach it could feed a monitor prices
_SHUTDOWN_S = 1.0
_REST = ("/fapi/", "/dapi/", "/sapi/")


class Emulator:
    """A local exchange that plays a scenario.

    It starts no task of its own: time passes where :meth:`run` or :meth:`step` is awaited.

    Attributes:
        accounts: the live accounts by name; their operations change them and push their events.
    """

    def __init__(self, clock: Clock, scenario: Scenario, settings: EmulatorSettings | None = None) -> None:
        self.settings = settings or EmulatorSettings()
        self.scenario = scenario
        self.faults = Faults()
        self._clock = clock
        loop_s = scenario.duration_s if self.settings.forever else 0.0
        self.market = Market(scenario.instruments, loop_s, scenario.assets)
        rows = RowFaults(self.faults)
        self.streams = StreamHub(self.market, self.faults, clock, self.settings, rows)
        self.accounts: dict[str, LiveAccount] = accounts_of(
            scenario.accounts, self.market, self._now_ms, self.streams.publish
        )
        self.rest = RestApi(
            self.market,
            self.faults,
            clock,
            self.settings,
            accounts=self.accounts,
            keys=self.streams.keys,
            rows=rows,
        )
        self._runner: web.AppRunner | None = None
        self._port = self.settings.port

    @property
    def port(self) -> int:
        """Return the port it listens on; only after :meth:`start`."""
        return self._port

    @property
    def base_http(self) -> str:
        """Return the REST base, such as ``http://127.0.0.1:8080``."""
        return f"http://{_HOST}:{self._port}"

    @property
    def base_market_ws(self) -> str:
        """Return the base of the market streams, its route included."""
        return f"ws://{_HOST}:{self._port}/market"

    @property
    def base_private_ws(self) -> str:
        """Return the base of the private streams, its route included."""
        return f"ws://{_HOST}:{self._port}/private"

    @property
    def marks(self) -> Mapping[str, Decimal]:
        """Return the marks of the newest tick by symbol."""
        return dict(self.market.marks)

    @property
    def elapsed_s(self) -> float:
        """Return how far the scenario is, in seconds from its first tick; with ``forever`` it keeps growing."""
        return self.market.elapsed_s

    @property
    def finished(self) -> bool:
        """Say whether the scenario is over."""
        return not self.settings.forever and self.elapsed_s >= self.scenario.duration_s

    def figures(self) -> tuple[WalletFigures, ...]:
        """Return every wallet as it stands, at the marks of the newest tick, by the exchange's own arithmetic."""
        return tuple(wallet for account in self.accounts.values() for wallet in account.figures())

    async def start(self) -> None:
        """Listen on the loopback interface.

        Raises:
            OSError: if the port is taken.
        """
        app = web.Application(middlewares=[self._middleware])
        app.router.add_routes(self.rest.routes())
        app.router.add_routes(self.streams.routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        self._runner = runner
        await web.TCPSite(runner, _HOST, self.settings.port).start()
        self._port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Close every connection and the port; calling it twice is fine."""
        runner, self._runner = self._runner, None
        if runner is not None:
            self.rest.let_go()
            await self.streams.close()
            await runner.cleanup()

    async def step(self) -> None:
        """Move the marks to the present moment and push them; the first step starts the scenario."""
        now_ms = self._clock.wall_ms()
        self.market.tick(now_ms, self.faults.skew_ms)
        await self.streams.tick(now_ms)

    async def run(self, held: Callable[[], bool] | None = None) -> None:
        """Tick until the scenario ends, or for ever if the settings say so.

        Args:
            held: asked before each tick; while it says so, paths stand still. Where it is given they wait for a
                machine that is busy as well: from one tick to the next they never go on by more than two.
        """
        due_ms = stepped_ms = float(self._clock.wall_ms())
        while True:
            if held is not None:
                passed_ms = self._clock.wall_ms() - stepped_ms
                late_ms = passed_ms - 2 * self.settings.tick_s * 1000
                self.market.postpone(round(passed_ms if held() else max(0.0, late_ms)))
                stepped_ms += passed_ms
            await self.step()
            if self.finished:
                return
            # Counting from the due time keeps the cadence; after a pause the missed ticks are not made up for.
            due_ms = max(due_ms + self.settings.tick_s * 1000, float(self._clock.wall_ms()))
            await self._clock.sleep((due_ms - self._clock.wall_ms()) / 1000)

    def drop_connections(self, route: Route | None = None) -> None:
        """Cut every stream connection, or those of one route, now and without a closing handshake."""
        self.streams.drop_all(route)

    async def close_connections(self, route: Route | None = None) -> None:
        """Close every stream connection, or those of one route, in good order, as at the end of a day."""
        await self.streams.close(route)

    async def set_brackets(self, symbol: str, rows: Iterable[Sequence[Number]]) -> None:
        """Change the tiers of a symbol for everybody, and tell so on ``!contractInfo``."""
        changed = self.market.set_brackets(symbol, rows)
        await self.streams.announce("!contractInfo", contract_event(changed, self._now_ms()))

    async def expire_listen_keys(self, *, told: bool = True) -> None:
        """End every listen key now, with the event that says so or without."""
        await self.streams.expire_keys(self._clock.wall_ms(), all_of_them=True, told=told)

    def _now_ms(self) -> int:
        return self._clock.wall_ms() + self.faults.skew_ms

    async def send_raw(self, frame: str | bytes) -> None:
        """Send one frame as it is, valid or not, to every subscriber."""
        await self.streams.send_raw(frame)

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.faults.refuse_connections:
            cast("asyncio.Transport", request.transport).abort()  # a request being handled has one
            raise web.HTTPServiceUnavailable  # never arrives; ends the handling of this request
        # A path nobody knows is answered by REST too: with an error body.
        if request.path.startswith(_REST) or request.match_info.http_exception is not None:
            return await self.rest.answer(request, handler)
        return await handler(request)
