"""A real Prometheus scrapes a daemon that follows the local exchange, by the configuration that is shipped."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession

from monitor.system_clock import SystemClock
from tests.following import fresh
from tests.ports import free_port
from tests.web.scraping import scraped, serving

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
TOKEN = "0123456789abcdef0123456789abcdef"
PATIENCE_S = 60.0
HELD = '{account="main",symbol="BTCUSDT",side="LONG"}'

prometheus = shutil.which("prometheus")
promtool = shutil.which("promtool")
needs_prometheus = pytest.mark.skipif(prometheus is None, reason="there is no prometheus on this machine")
needs_promtool = pytest.mark.skipif(promtool is None, reason="there is no promtool on this machine")


class Server:
    """A Prometheus, asked over its own interface."""

    def __init__(self, port: int, session: ClientSession) -> None:
        self._base = f"http://127.0.0.1:{port}/api/v1"
        self._session = session

    async def ask(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - what it is depends on the path
        async with self._session.get(f"{self._base}/{path}", params=parameters) as answer:
            return (await answer.json())["data"]

    async def query(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """Return what an expression is now: labels and figure of each series."""
        data = await self.ask("query", query=expression)
        return [(one["metric"], float(one["value"][1])) for one in data["result"]]

    async def until(self, expression: str, *, there: bool = True) -> list[tuple[Mapping[str, str], float]]:
        """Wait for an expression to have series, or to have none."""
        async with asyncio.timeout(PATIENCE_S):
            while bool(found := await self.query(expression)) is not there:
                await SystemClock().sleep(0.1)
        return found


@asynccontextmanager
async def scraping(base: str, folder: Path, token: str) -> AsyncIterator[Server]:
    """Prometheus with the shipped configuration, but for where the service is, and how often it is asked."""
    assert prometheus is not None
    text = (MONITORING / "prometheus.yml").read_text()
    text = text.replace("position-monitor:9757", base.removeprefix("http://"))
    text = re.sub(r"(scrape|evaluation)_interval: \d+s", r"\1_interval: 1s", text)
    if token:
        (folder / "scrape-token").write_text(f"{token}\n")
        text = text.replace("/run/secrets/web-token", str(folder / "scrape-token"))
    else:
        text = re.sub(r"    authorization:\n(      .*\n)+", "", text)
    (folder / "prometheus.yml").write_text(text)
    shutil.copy(MONITORING / "rules.yml", folder)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with ClientSession() as session:
            await _ready(process, port, session)
            yield Server(port, session)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(process: asyncio.subprocess.Process, port: int, session: ClientSession) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            assert process.returncode is None
            try:
                async with session.get(f"http://127.0.0.1:{port}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except ClientError:
                pass
            await SystemClock().sleep(0.1)


@needs_prometheus
@pytest.mark.parametrize("token", ["", TOKEN], ids=["without a token", "with a token in a file"])
async def test_prometheus_has_a_position_while_it_is_open_and_not_once_it_is_closed(
    tmp_path: Path, token: str
) -> None:
    """Its figures are the daemon's; afterwards the series is stale at once, and its past is kept."""
    emulator = fresh()
    async with serving(emulator, tmp_path, token=token) as (daemon, base):
        await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
        async with scraping(base, tmp_path, token) as server:
            ((labels, ratio),) = await server.until(f"position_monitor_margin_ratio{HELD}")
            assert labels["job"] == "position-monitor"
            ours = next(
                one
                for one in daemon.status().engine.wallets
                if (one.account, one.wallet) == ("main", "cross:USDT")
            )
            assert ratio == pytest.approx(ours.margin_ratio, rel=0.05)
            assert [figure for _, figure in await server.query('up{job="position-monitor"}')] == [1]
            kinds = await server.ask("metadata", metric="position_monitor_tick_to_decision_seconds")
            assert kinds["position_monitor_tick_to_decision_seconds"][0]["type"] == "histogram"
            buckets = "position_monitor_tick_to_decision_seconds_bucket"
            ((_, quantile),) = await server.until(f"histogram_quantile(0.5, rate({buckets}[30s])) > 0")
            assert quantile < 1
            # The rules that are shipped are loaded, and none of them is wrong about this daemon.
            groups = (await server.ask("rules"))["groups"]
            assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}
            assert not await server.query('ALERTS{alertname="PositionMonitorAbsent",alertstate="firing"}')

            await emulator.accounts["main"].fill("BTCUSDT", "SELL", "0.5")
            for name in ("margin_ratio", "liquidation_distance_ratio", "room_ratio", "level"):
                await server.until(f"position_monitor_{name}{HELD}", there=False)
            assert [figure for _, figure in await server.query('up{job="position-monitor"}')] == [1]
            ((_, samples),) = await server.query(f"count_over_time(position_monitor_margin_ratio{HELD}[5m])")
            assert samples >= 1


@needs_prometheus
async def test_prometheus_that_shows_another_token_sees_nothing(tmp_path: Path) -> None:
    """The target is down, which an alert is for; it has no series of ours."""
    emulator = fresh()
    async with serving(emulator, tmp_path, token=TOKEN) as (_, base), scraping(base, tmp_path, "x" * 32) as server:
        await server.until('up{job="position-monitor"} == 0')
        (target,) = (await server.ask("targets"))["activeTargets"]
        assert "401" in target["lastError"]
        assert not await server.query('{__name__=~"position_monitor_.*"}')


@needs_promtool
async def test_promtool_has_nothing_to_say_against_a_real_answer(tmp_path: Path) -> None:
    """Names, types, helps and units are as Prometheus wants them."""
    assert promtool is not None
    emulator = fresh()
    async with serving(emulator, tmp_path) as (_, base):
        await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
        async with asyncio.timeout(PATIENCE_S):
            while "position_monitor_margin_ratio{" not in (text := await scraped(base)):
                await SystemClock().sleep(0.1)
        process = await asyncio.create_subprocess_exec(
            promtool, "check", "metrics",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate(text.encode())
    assert (process.returncode, said.decode()) == (0, "")
