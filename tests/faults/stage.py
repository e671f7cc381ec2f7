"""The whole service on one exchange, with a record of what it decided, what it logged and what was delivered."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from structlog.typing import EventDict, WrappedLogger

from monitor.app import Daemon
from monitor.binance.candidates import Candidates
from monitor.cli.wiring import build_daemon
from monitor.config import load_text
from monitor.core.incidents import Effects
from monitor.core.model import Market
from monitor.core.notices import Notice
from monitor.emulator.fault_script import Stage
from monitor.emulator.settings import EmulatorSettings
from tests.faults.incident import ACCOUNT, SECRET, Exchange, scenario
from tests.faults.pace import HOST, LoopClock, names_found
from tests.faults.service import Service

_PATIENCE_S = 300.0  # of the story's own time, before it begins
_LOOK_S = 0.2
_RESTART_S = 5.0  # what a supervisor waits before it starts the service again
_WATCHED = 2  # symbols that are held


class Told(NamedTuple):
    """A notice when it was decided (monotonic seconds)."""

    at_s: float
    notice: Notice


class Logged(NamedTuple):
    """A line of the log (monotonic seconds)."""

    at_s: float
    level: str
    event: str
    facts: dict[str, Any]


class World:
    """One exchange, one service, its channels.

    Attributes:
        clock: the right time, which is also the exchange's.
        host: the clock of the machine the service runs on; it may be wrong.
        running: the service, None while it is stopped.
        addresses: of the price stream, where they are others than the exchange's own.
        failures: what the service ended with when nobody had stopped it.
    """

    def __init__(self, folder: Path, channels: Sequence[str], group: asyncio.TaskGroup) -> None:
        self.clock = LoopClock()
        self.host = LoopClock()
        settings = EmulatorSettings(forever=True)
        self.stage = Stage(self.clock, scenario(), settings)
        self.exchange = Exchange(self.clock, scenario(), settings)
        self.stage.emulator = self.exchange
        self.phone = Service("phone", self.host)
        self.mail = Service("mail", self.host)
        self.folder = folder
        self.state = folder / "state"
        self.running: Daemon | None = None
        self.addresses: tuple[str, ...] = ()
        self.told: list[Told] = []
        self.logged: list[Logged] = []
        self.failures: list[str] = []
        self.names_found = [True]
        self._channels = channels
        self._group = group
        self._task: asyncio.Task[None] | None = None
        _story.set(self)
        names_found.set(self.names_found)

    @property
    def daemon(self) -> Daemon:
        """Return the service that runs."""
        assert self.running is not None
        return self.running

    def services(self) -> tuple[Service, ...]:
        """Return the services that channels of this row lead to."""
        return tuple(one for one in (self.phone, self.mail) if one.name in self._channels)

    async def start(self) -> None:
        """Start the service and wait until it watches and all is well."""
        await self.launch()
        until_s = self.clock.mono_s() + _PATIENCE_S
        while (wrong := unwell(self.daemon)) or len(self.daemon._engine.watched(Market.USDM)) < _WATCHED:
            if self.clock.mono_s() > until_s:
                said = "; ".join(f"{one.event} {one.facts}" for one in self.logged)
                raise AssertionError(f"the service does not come to rest: {wrong}; {said}")
            await self.clock.sleep(_LOOK_S)

    async def launch(self) -> None:
        """Start the service; return at once."""
        settings = load_text(self._config(), "fault")
        daemon = build_daemon(settings, self.services(), clock=self.host, environ=os.environ)
        if self.addresses:
            feed: Any = daemon._sources.feeds[Market.USDM]
            feed._feed._candidates = Candidates(self.addresses)
        daemon.listen(self._listen)
        self.running = daemon
        self._task = self._group.create_task(self._supervised(daemon))

    async def _supervised(self, daemon: Daemon) -> None:
        """Run the service, and start it again some seconds after it failed, as systemd does."""
        try:
            await daemon.run()
        except* Exception as error:  # noqa: BLE001 - whatever it is, the service is started again
            self.failures.append(repr(error.exceptions))
        if self.running is daemon:
            self.running = None
            await self.clock.sleep(_RESTART_S)
            await self.launch()

    async def halt(self) -> None:
        """Stop the service in good order."""
        daemon, self.running = self.running, None
        if daemon is not None and self._task is not None:
            daemon.stop()
            await self._task

    def _listen(self, effects: Effects) -> None:
        at_s = self.clock.mono_s()
        self.told.extend(Told(at_s, notice) for notice in effects.notices)

    def _config(self) -> str:
        (self.folder / "key").write_text(f"{ACCOUNT}-key")
        (self.folder / "secret").write_text(SECRET)
        (self.folder / "url").write_text("json://127.0.0.1:9/")
        return f"""
[exchange]
environment = "testnet"
rest_url = "http://{HOST}:{self.stage.rest.port}"
market_stream_url = "ws://{HOST}:{self.stage.market.port}/market"
private_stream_url = "ws://{HOST}:{self.stage.private.port}/private"
[state]
directory = "{self.state}"
[summary]
enabled = false
[[accounts]]
name = "{ACCOUNT}"
api_key = {{ file = "{self.folder}/key" }}
api_secret = {{ file = "{self.folder}/secret" }}
{"".join(_channel(name, self._channels, self.folder) for name in self._channels)}
"""


# Rows run beside each other: what the service logs goes to the row whose tasks say it.
_story: ContextVar[World | None] = ContextVar("story", default=None)


def keep_logs() -> None:
    """Have what is logged kept by row instead of printed."""
    structlog.configure(processors=[structlog.processors.add_log_level, _keep], cache_logger_on_first_use=False)


def _keep(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    world = _story.get()
    if world is not None:
        level, name = event.pop("level"), event.pop("event")
        world.logged.append(Logged(world.clock.mono_s(), level, name, dict(event)))
    raise structlog.DropEvent


def _channel(name: str, among: Sequence[str], folder: Path) -> str:
    helper = 'fallback = "mail"\nfallback_after = "30s"\n' if name == "phone" and "mail" in among else ""
    least = 'min_level = "emergency"\n' if name == "mail" else ""
    return f"""[[channels]]
name = "{name}"
url = {{ file = "{folder}/url" }}
chart = false
{helper}{least}"""


def unwell(daemon: Daemon) -> tuple[str, ...]:
    """Return what the service itself says is not as it should be; empty if all is well."""
    now = daemon.vitals()
    feeds: list[Any] = [feed.stats() for feed in daemon._sources.feeds.values()]
    wrong = {
        "marks": bool(now.stale),
        "stream": any(one.symbols and one.state != "live" for one in feeds),
        "account": any(one.state != "following" for one in now.accounts),
        "private stream": any(one.stream.state != "open" for one in now.accounts),
        "state.db": "state" in now.unwritable,
        "history.db": not daemon._history.ok,
        "channel": any(one["failing"] for one in now.channels),
    }
    return tuple(name for name, holds in wrong.items() if holds)


@asynccontextmanager
async def opened(folder: Path, channels: Sequence[str]) -> AsyncIterator[World]:
    """Give a world in which all is well; everything is over in the end. ``folder`` is empty and its own."""
    async with asyncio.TaskGroup() as group:
        world = World(folder, channels, group)
        await world.stage.start()
        ticking = group.create_task(world.exchange.run())
        try:
            await world.start()
            yield world
        finally:
            await world.halt()
            ticking.cancel()
            await world.stage.stop()
