"""A daemon that follows the local exchange and serves /metrics, and what a scrape of it says."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from monitor.app import Daemon
from monitor.binance.account_values import AccountTimings
from monitor.emulator.server import Emulator
from monitor.health import Health
from monitor.status import Status
from monitor.system_clock import SystemClock
from monitor.web.families.family import seen
from monitor.web.metrics import DaemonCollector, Meter, registry_of, written
from tests.following import PATIENCE_S, QUICK, following
from tests.ports import free_port

OFTEN = AccountTimings(reconcile_every_s=0.2, reconcile_gap_s=0.0, pauses=QUICK)
WELL = Health()

# Figures by name of the series and its labels.
Series = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@asynccontextmanager
async def serving(emulator: Emulator, folder: Path, *, token: str = "") -> AsyncIterator[tuple[Daemon, str]]:
    """A daemon that follows the exchange, and the address of its web interface once that answers."""
    port = free_port()
    extra = f'[web]\nenabled = true\nlisten = "127.0.0.1:{port}"\n'
    if token:
        (folder / "token").write_text(token)
        extra += f'token = {{ file = "{folder}/token" }}\n'
    async with following(emulator, folder, OFTEN, extra) as (daemon, _, _effects):
        async with asyncio.timeout(PATIENCE_S):
            while not listens(port):
                await SystemClock().sleep(0.01)
        yield daemon, f"http://127.0.0.1:{port}"


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


async def scraped(base: str, **headers: str) -> str:
    async with ClientSession() as session, session.get(f"{base}/metrics", headers=headers) as answer:
        assert answer.status == 200
        return await answer.text()


async def scraped_until(base: str, condition: Callable[[Series], bool]) -> Series:
    """Scrape until the answer is as it should be."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition(found := series_of(await scraped(base))):
            await SystemClock().sleep(0.05)
    return found


def text_of(status: Status, health: Health = WELL, ready: Health = WELL, *, open_: bool = False) -> str:
    """Return what is served where the daemon is like this."""
    registry = registry_of(DaemonCollector(lambda: seen(status, health, ready), Meter()))
    return b"".join(written(registry, open_=open_)).decode()


def series_of(text: str) -> Series:
    """Read an answer as prometheus_client reads it; a series that is there twice is an error."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(found: Series, name: str, /, **labels: str) -> float | None:
    """Return a figure by its name without the prefix, None if there is no such series."""
    return found.get((f"position_monitor_{name}", frozenset(labels.items())))


def names(found: Series, name: str) -> set[frozenset[tuple[str, str]]]:
    """Return the labels of all series of a name without the prefix."""
    return {labels for known, labels in found if known == f"position_monitor_{name}"}
