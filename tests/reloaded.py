"""A real daemon whose configuration is a file, against the local exchange; what it does is collected."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from monitor.app import Daemon
from monitor.binance.account_values import DEFAULT_ACCOUNT_TIMINGS, AccountTimings
from monitor.cli.wiring import build_daemon
from monitor.config import Secrets, Settings, load
from monitor.control import ask
from monitor.core.incidents import Effects
from monitor.core.notices import Transition
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import Scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.system_clock import SystemClock
from tests.notify.fakes import FakeChannel

PATIENCE_S = 60.0


async def until(condition: Callable[[], bool]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await SystemClock().sleep(0.005)


def exchange(*symbols: str, price: str = "62000", tick_s: float = 0.02) -> Emulator:
    """Return an exchange with these symbols, all at one price, which ``move`` changes."""
    instruments = tuple(_instrument(symbol, price) for symbol in symbols)
    return Emulator(SystemClock(), Scenario(instruments), EmulatorSettings(tick_s=tick_s, forever=True))


def move(emulator: Emulator, symbol: str, price: str) -> None:
    """Let the mark be this from the next tick on."""
    emulator.market.instruments[symbol] = _instrument(symbol, price)


def _instrument(symbol: str, price: str) -> Instrument:
    return Instrument(symbol, symbol.removesuffix("USDT"), PricePath(((0.0, Decimal(price)),)))


def position(symbol: str, *, entry: float = 62000.0, quantity: float = 0.5, margin: float = 1550.0) -> str:
    """Return an isolated LONG as the configuration has it."""
    return f"""
[[accounts.positions]]
symbol = "{symbol}"
side = "LONG"
quantity = {quantity}
entry_price = {entry}
margin_mode = "isolated"
margin = {margin}
"""


def account(name: str, *positions: str) -> str:
    """Return an account that is typed in."""
    return f'[[accounts]]\nname = "{name}"\n{"".join(positions)}'


class Site:
    """A folder with a configuration, and the daemon that runs with it."""

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        self.folder = folder
        self.emulator = emulator
        self.state = folder / "s"
        self.path = folder / "config.toml"
        self.channels: dict[str, list[FakeChannel]] = {}  # by name, in the order in which they were made
        self.effects: list[Effects] = []
        self.adopted: list[Settings] = []

    def text(self, *parts: str) -> str:
        """Return a configuration of this exchange and these parts."""
        base = f"""
[exchange]
environment = "testnet"
rest_url = "{self.emulator.base_http}"
market_stream_url = "{self.emulator.base_market_ws}"
private_stream_url = "{self.emulator.base_private_ws}"
[state]
directory = "{self.state}"
"""
        return base + "\n".join(parts)

    def channel(self, name: str = "tg", address: str = "json://localhost/1", extra: str = "") -> str:
        """Return a channel as the configuration has it; its address is kept in a file."""
        (self.folder / f"{name}.url").write_text(address)
        return f'[[channels]]\nname = "{name}"\nurl = {{ file = "{self.folder}/{name}.url" }}\n{extra}\n'

    def write(self, *parts: str) -> None:
        """Let this be the configuration."""
        self.path.write_text(self.text(*parts))
        self.path.chmod(0o600)

    def opened(self, _settings: Settings, _secrets: Secrets, names: Collection[str]) -> Sequence[FakeChannel]:
        """Make channels of these names; what is called pictures takes some."""
        made = [FakeChannel(name, takes_files=name.startswith("pictures")) for name in names]
        for one in made:
            self.channels.setdefault(one.name, []).append(one)
        return made

    def told(self, name: str = "tg") -> FakeChannel:
        """Return the newest channel of a name."""
        return self.channels[name][-1]

    def build(
        self,
        timings: AccountTimings = DEFAULT_ACCOUNT_TIMINGS,
        journal: Path | None = None,
        secrets: Secrets | None = None,
    ) -> Daemon:
        """Return a daemon that has yet to run."""
        settings = load(self.path, {})
        names = [one.name for one in settings.channels]
        made = {one.name: one for one in self.opened(settings, Secrets({}, {}), names)}
        daemon = build_daemon(
            settings, [made[name] for name in names], clock=SystemClock(), environ=os.environ, timings=timings,
            journal=journal, secrets=secrets, config=self.path, opened=self.opened, adopted=self.adopted.append,
            pace_minute_s=1.0,
        )  # fmt: skip
        daemon.listen(self.effects.append)
        return daemon

    async def reload(self) -> dict[str, Any]:
        """Ask for a reload as a person does, and return the answer."""
        answer = await asyncio.to_thread(ask, self.state, {"command": "reload"}, PATIENCE_S)
        return dict(json.loads(json.dumps(answer)))

    async def change(self, *parts: str) -> list[str]:
        """Have another configuration taken; return what changed."""
        self.write(*parts)
        answer = await self.reload()
        assert answer["taken"], answer
        return list(answer["changed"])

    async def refused(self, *parts: str) -> list[str]:
        """Have another configuration refused; return the paths of what is wrong with it."""
        self.write(*parts)
        answer = await self.reload()
        assert not answer["taken"], answer
        return [problem["path"] for problem in answer["problems"]]

    def transitions(self, subject: str) -> list[Transition]:
        """Return what levels of subjects did whose name begins like this."""
        found = (one for effects in self.effects for one in effects.transitions)
        return [one for one in found if one.subject.startswith(subject)]


def decisions(effects: Iterable[Effects]) -> list[object]:
    """What was decided: notices, what levels did, and what changed."""
    return [part for one in effects for part in (*one.notices, *one.transitions, *one.changes)]


@asynccontextmanager
async def running(
    site: Site, timings: AccountTimings = DEFAULT_ACCOUNT_TIMINGS, journal: Path | None = None
) -> AsyncIterator[Daemon]:
    """The daemon of a site whose configuration is written; stopped, drained and closed in the end."""
    daemon = site.build(timings, journal)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(daemon.run())
        try:
            await until(lambda: bool(daemon._running._tasks) and (site.state / "control.sock").exists())
            yield daemon
        finally:
            daemon.stop()
            await asyncio.wait([task])


@asynccontextmanager
async def trading(emulator: Emulator) -> AsyncIterator[Emulator]:
    """An exchange that ticks."""
    await emulator.start()
    try:
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(emulator.run())
            try:
                yield emulator
            finally:
                ticking.cancel()
    finally:
        await emulator.stop()
