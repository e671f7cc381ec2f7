"""What a container of the proof finds around it: an exchange, a service that takes messages, files."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from monitor.emulator.day import SECRET, day_scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.system_clock import SystemClock
from tests.deploy.reading import bind, composed
from tests.notify.real.web_service import WebService

MOUNTED = Path("/run/secrets")
TOKEN = "t" * 48
# What is typed in is 0.3 % from its liquidation at the exchange's mark of 60,000: an alert at once.
CONFIG = """
[exchange]
environment = "testnet"
rest_url = "{http}"
market_stream_url = "{market}"
private_stream_url = "{private}"

[[accounts]]
name = "main"
api_key = {{ file = "{mounted}/key" }}
api_secret = {{ file = "{mounted}/secret" }}

[[accounts]]
name = "by-hand"
balances = {{ USDT = 5000.0 }}

[[accounts.positions]]
symbol = "BTCUSDT"
side = "LONG"
quantity = 0.5
entry_price = 62000.0
margin_mode = "isolated"
margin = 1200.0

[[channels]]
name = "receiver"
url = {{ file = "{mounted}/url" }}

[web]
enabled = true
listen = "127.0.0.1:9757"
token = {{ file = "{mounted}/web-token" }}
"""


class Around:
    """Everything a container needs, below one directory.

    Attributes:
        receiver: the service that alerts go to.
    """

    def __init__(self, emulator: Emulator, receiver: WebService, folder: Path) -> None:
        self._emulator = emulator
        self.receiver = receiver
        self._config = folder / "config"
        self._secrets = folder / "secrets"
        self._config.mkdir(mode=0o755)
        self._secrets.mkdir(mode=0o700)
        values = {"key": "main-key", "secret": SECRET, "url": receiver.url("json"), "web-token": TOKEN}
        for name, value in values.items():
            (self._secrets / name).write_text(value)
            (self._secrets / name).chmod(0o644)
        self.configure()

    def configure(self, extra: str = "") -> None:
        """Write the configuration as an editor does: a new file takes the place of the old one."""
        there = self._emulator
        text = CONFIG.format(
            http=there.base_http, market=there.base_market_ws, private=there.base_private_ws, mounted=MOUNTED
        )
        fresh = self._config / "fresh"
        fresh.write_text(text + extra, encoding="utf-8")
        fresh.chmod(0o644)
        fresh.replace(self._config / "config.toml")

    def mounts(self) -> Iterator[str]:
        """Return the options of `run` that show all this to a container, as composition and README do."""
        yield f"--mount={bind(str(self._config), '/etc/position-monitor')}"
        for path in sorted(self._secrets.iterdir()):
            yield f"--mount={bind(str(path), f'{MOUNTED}/{path.name}')}"

    def secrets(self) -> Iterator[tuple[str, str]]:
        """Return the names and values of those that the containers are given."""
        for path in sorted(self._secrets.iterdir()):
            yield path.name, path.read_text()

    def told(self, word: str) -> int:
        """Return how many messages so far have a word in them."""
        return sum(word in str(got.fields) for got in self.receiver.got)


@asynccontextmanager
async def surroundings(folder: Path) -> AsyncIterator[Around]:
    """An exchange that ticks and a service that answers, on loopback."""
    emulator = Emulator(SystemClock(), day_scenario(), EmulatorSettings(tick_s=0.5, forever=True))
    await emulator.start()
    try:
        async with WebService.serving() as receiver, asyncio.TaskGroup() as group:
            ticking = group.create_task(emulator.run())
            try:
                yield Around(emulator, receiver, folder)
            finally:
                ticking.cancel()
    finally:
        await emulator.stop()


def hardening(*, writable: bool = False) -> Iterator[str]:
    """Return what the composition says of how the service is confined, as options of `run`."""
    ours: dict[str, Any] = composed("compose.yaml")["services"]["position-monitor"]
    if not writable:
        yield "--read-only"
    yield f"--user={ours['user']}"
    yield from (f"--cap-drop={one}" for one in ours["cap_drop"])
    yield from (f"--security-opt={one}" for one in ours["security_opt"])
    yield from (f"--tmpfs={one}" for one in ours["tmpfs"])
    yield f"--memory={ours['mem_limit']}"
    yield f"--pids-limit={ours['pids_limit']}"
    yield f"--stop-timeout={ours['stop_grace_period'].removesuffix('s')}"
