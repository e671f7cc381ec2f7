"""The dashboard that is shipped, asked of a real Prometheus as Grafana asks it: panels show what they should."""

import asyncio
import dataclasses
import re
import shutil
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from monitor.app import Daemon
from monitor.emulator.prices import PricePath
from monitor.emulator.server import Emulator
from monitor.system_clock import SystemClock
from tests.following import following, fresh
from tests.ports import free_port
from tests.web.scraping import OFTEN, listens
from tests.web.test_monitoring_files import dashboard
from tests.web.test_prometheus import PATIENCE_S, Server, scraping

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="there is no prometheus on this machine"
)

PRICES = {"BTCUSDT": Decimal(62000), "ETHUSDT": Decimal(3000)}
# Shown only where something is wrong, or waits: (title of the panel, its query).
RARE = {("Troubles", "A"), ("Outbox", "B")}
# Shown once an alert was written to the disk.
ALERTED = {("From frame to commit", "A")}
# The label that says which of several; Prometheus drops it where there is but one.
MAY_BE_EMPTY = {"name"}


class Asked(NamedTuple):
    """A query of a panel with its variables filled in."""

    panel: str
    ref: str
    expression: str
    legend: str

    @property
    def key(self) -> tuple[str, str]:
        return self.panel, self.ref


async def variables(server: Server) -> dict[str, str]:
    """What Grafana offers for each variable: the first value, or every value where several may be chosen."""
    chosen: dict[str, str] = {}
    for one in dashboard()["templating"]["list"]:
        query = filled(one["query"]["query"], chosen)
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
        assert found is not None, query
        async with asyncio.timeout(PATIENCE_S):
            while not (values := await server.ask(f"label/{found[2]}/values", **{"match[]": found[1]})):
                await SystemClock().sleep(0.1)
        chosen[one["name"]] = f"({'|'.join(values)})" if one["multi"] else values[0]
    return chosen


def filled(text: str, chosen: Mapping[str, str]) -> str:
    """Return a text with variables in their places; one that has no value is an error."""
    return re.sub(r"\$(\w+)", lambda name: chosen[name[1]], text)


def queries(chosen: Mapping[str, str]) -> dict[tuple[str, str], Asked]:
    """Return what every panel asks."""
    asked = [
        Asked(panel["title"], target["refId"], filled(target["expr"], chosen), target["legendFormat"])
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
    ]
    return {one.key: one for one in asked}


async def all_shown(server: Server, wanted: Iterable[Asked]) -> None:
    """Wait until each query has series, and all of these have what the legend says of them."""
    missing = list(wanted)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while missing := [one for one in missing if not await is_shown(server, one)]:
                await SystemClock().sleep(0.1)
    except TimeoutError:
        pytest.fail(f"nothing is shown by {missing}")


async def is_shown(server: Server, one: Asked) -> bool:
    series = await server.query(one.expression)
    for labels, _ in series:
        named = {*re.findall(r"\{\{(\w+)\}\}", one.legend)} - MAY_BE_EMPTY
        assert named <= labels.keys(), (one, labels)
    return bool(series)


def quote(emulator: Emulator, symbol: str, price: Decimal) -> None:
    """Let the mark of a symbol be about this: it moves a little, so that typical moves are known."""
    instrument = emulator.market.instruments[symbol]
    path = PricePath(((0.0, price),), noise=0.0005, seed=symbol)
    emulator.market.instruments[symbol] = dataclasses.replace(instrument, path=path)


def liquidation(daemon: Daemon) -> Decimal | None:
    """Return where the long position in BTCUSDT of the first account is liquidated, if that is known."""
    for one in daemon.status().engine.positions:
        if (one.account, one.symbol) == ("main", "BTCUSDT") and one.liquidation_price is not None:
            return Decimal(one.liquidation_price)
    return None


@needs_prometheus
async def test_each_panel_shows_a_daemon_at_work_and_then_its_outage(tmp_path: Path) -> None:
    """Each query has series while all is well, but for those about troubles; these have in an outage.

    One message waits then, and the figures on top say all of it.
    """
    emulator, port = fresh(), free_port()
    for symbol, price in PRICES.items():
        quote(emulator, symbol, price)
    web = f'[web]\nenabled = true\nlisten = "127.0.0.1:{port}"\n'
    async with following(emulator, tmp_path, OFTEN, web) as (daemon, channel, _effects):
        async with asyncio.timeout(PATIENCE_S):
            while not listens(port):
                await SystemClock().sleep(0.01)
        for symbol, quantity in (("BTCUSDT", "0.5"), ("ETHUSDT", "2")):
            await emulator.accounts["main"].fill(symbol, "BUY", quantity)
        async with scraping(f"http://127.0.0.1:{port}", tmp_path, "") as server:
            asked = queries(await variables(server))
            await all_shown(server, [one for one in asked.values() if one.key not in RARE | ALERTED])
            assert not any([await is_shown(server, asked[key]) for key in RARE])
            fresh_marks = asked["Symbols without fresh marks", "A"].expression
            await server.until(f"{fresh_marks} == 0")
            # What rows of the table are joined by is the same in each of its queries: a row a position.
            table = [one.expression for one in asked.values() if one.panel == "Positions now"]
            rows = [{tuple(sorted(labels.items())) for labels, _ in await server.query(one)} for one in table]
            assert set.union(*rows) == rows[0]
            assert {dict(row)["symbol"] for row in rows[0]} == {"BTCUSDT", "ETHUSDT"}

            nearest = liquidation(daemon)
            assert nearest is not None
            quote(emulator, "BTCUSDT", nearest * Decimal("1.004"))
            await server.until(f"{asked['Worst level', 'A'].expression} >= 3")
            await all_shown(server, [asked[key] for key in ALERTED])

            channel.hold()
            emulator.faults.refuse_connections = True
            await emulator.close_connections()
            await all_shown(server, [asked[key] for key in RARE])
            await server.until(f"{fresh_marks} > 0")
            await server.until(f"{asked['Alerts open', 'A'].expression} > 0")
            await server.until(f"{asked['Messages waiting', 'A'].expression} > 0")
            await server.until(f"{asked['Healthy', 'A'].expression} == 0")
            channel.release()
