"""What does a scrape of /metrics cost? ``python -m benchmarks.scrape [--json] [--quick]``.

A thousand positions. Beside the usual way to do it, gauges of prometheus_client that are set and written in one
go, and beside the answer to ``status``, which shows the same as JSON. What marks have to wait for is the longest
stretch between two moments at which others have their turn. Then the daemon as a whole, by turns scraped once a
second from another process and not at all: how long from a frame to the commit of its alert, in processor time of
the event loop, which other programs on the machine do not change, and which has no waiting for the disk in it.
"""

import argparse
import asyncio
import http.client
import json
import multiprocessing
import os
import socket
import statistics
import sys
import time  # noqa: TID251 - a benchmark measures real time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from rich.console import Console
from rich.table import Table

from benchmarks import scenes
from benchmarks.exchange import Exchange, running
from benchmarks.frames import machine
from benchmarks.latency import NoPace, Spread, watch_daemon
from benchmarks.runs import engine_for
from monitor import logs
from monitor.core.engine import Engine
from monitor.core.events import Ticks
from monitor.core.model import MarkRange, Source
from monitor.health import Health
from monitor.notify import lane
from monitor.plan import WebPlan
from monitor.status import HistoryView, Status
from monitor.system_clock import SystemClock
from monitor.web.families.family import Kind, Seen, rows_of, seen
from monitor.web.families.table import READ
from monitor.web.metrics import OPENMETRICS, DaemonCollector, Meter, registry_of, written

BURST_EVERY_S = 0.25  # so that a busy machine does not fall behind
SCRAPE_EVERY_S = 1.0
OBSERVATIONS = 100_000


class LoopClock(SystemClock):
    """Ages are how long the event loop worked."""

    def mono_s(self) -> float:
        """Return its processor time so far, seconds."""
        return time.thread_time()


class Cost(NamedTuple):
    """Milliseconds of processor time of one scrape, medians."""

    name: str
    whole_ms: float
    longest_ms: float  # stretch in which nothing else has its turn
    series: int
    size_bytes: int


class Beside(NamedTuple):
    """Work of the event loop from a frame to the commit of its alert, by whether it was scraped meanwhile."""

    runs: int  # of each
    scrapes: int
    scrape_ms: float  # median, as the scraper saw it
    alone: Spread
    scraped: Spread


class Report(NamedTuple):
    """Everything measured, and where."""

    machine: dict[str, Any]
    positions: int
    costs: tuple[Cost, ...]
    observation_us: float
    beside: Beside


def watching() -> Engine:
    """Return an engine with a thousand positions, each of which has a mark."""
    accounts = scenes.many_accounts()
    engine, now = engine_for(accounts, scenes.tables_of(accounts)), SystemClock().now()
    marks = (
        MarkRange(symbol, price, price, price, now.wall_ms, now.mono_s, Source.STREAM)
        for symbol, price in scenes.many_symbols().items()
    )
    engine.step(Ticks(tuple(marks)), now)
    return engine


def status_of(engine: Engine) -> Status:
    """Return what the daemon would say, made anew."""
    clock = SystemClock()
    return Status(
        version="0", pid=1, started_ms=0, now_ms=clock.wall_ms(), engine=engine.view(clock.now()), feeds=(),
        accounts=(), channels=(), history=HistoryView("", 0, 0, {}), ticks=0, coalesced=0, commits=0,
        frame_to_commit=None, job_deaths={},
    )  # fmt: skip


def look(engine: Engine) -> Seen:
    """Return what a scrape is made of."""
    return seen(status_of(engine), Health(), Health())


def ours(engine: Engine, *, open_: bool) -> Callable[[], tuple[list[float], bytes]]:
    """Return a scrape that tells its stretches and its answer."""
    registry = registry_of(DaemonCollector(lambda: look(engine), Meter()))

    def scrape() -> tuple[list[float], bytes]:
        stretches: list[float] = []
        parts: list[bytes] = []
        pieces = written(registry, open_=open_)
        while True:
            before_s = time.thread_time()
            part = next(pieces, None)
            stretches.append(time.thread_time() - before_s)
            if part is None:
                return stretches, b"".join(parts)
            parts.append(part)

    return scrape


def usual(engine: Engine) -> Callable[[], tuple[list[float], bytes]]:
    """Return the same figures by gauges that are kept, cleared, set and written in one go."""
    registry = CollectorRegistry()
    gauges = {
        one.name: Gauge(one.name.removesuffix("_total"), one.help, one.labels, registry=registry)
        for one in READ
        if one.labels and one.kind is Kind.GAUGE
    }

    def scrape() -> tuple[list[float], bytes]:
        before_s = time.thread_time()
        found = look(engine)
        for family in READ:
            if (gauge := gauges.get(family.name)) is not None:
                gauge.clear()
                for values, figure in rows_of(family, found).items():
                    gauge.labels(*values).set(figure)
        text = generate_latest(registry)
        return [time.thread_time() - before_s], text

    return scrape


def answered(engine: Engine) -> Callable[[], tuple[list[float], bytes]]:
    """Return the answer to ``status`` on the local socket."""

    def answer() -> tuple[list[float], bytes]:
        before_s = time.thread_time()
        text = msgspec.json.encode(status_of(engine))
        return [time.thread_time() - before_s], text

    return answer


def measure_costs(rounds: int) -> tuple[Cost, ...]:
    """Measure all ways by turns."""
    engine = watching()
    ways = {
        "text": ours(engine, open_=False),
        "OpenMetrics": ours(engine, open_=True),
        "gauges set, then written in one go, text": usual(engine),
        "answer to status, JSON": answered(engine),
    }
    wholes: dict[str, list[float]] = {name: [] for name in ways}
    longest: dict[str, list[float]] = {name: [] for name in ways}
    answers: dict[str, bytes] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            stretches, answers[name] = way()
            wholes[name].append(sum(stretches) * 1e3)
            longest[name].append(max(stretches) * 1e3)
    return tuple(
        Cost(
            name, statistics.median(wholes[name]), statistics.median(longest[name]),
            sum(not line.startswith(b"#") for line in text.splitlines()) if text[:1] == b"#" else 0, len(text),
        )
        for name, text in answers.items()
    )  # fmt: skip


def measure_observation() -> float:
    """Return the microseconds that counting one decision costs."""
    meter = Meter()
    before_s = time.perf_counter()
    for number in range(OBSERVATIONS):
        meter.observe(number % 7 / 1000.0)
    return (time.perf_counter() - before_s) / OBSERVATIONS * 1e6


@contextmanager
def scraper(port: int) -> Iterator["Connection[None, list[float]]"]:
    """Scrape from another process until something is sent to it; then it sends how long each scrape took."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_scrape, args=(theirs, port), daemon=True)
    process.start()
    try:
        yield mine
    finally:
        process.kill()
        process.join()
        mine.close()
        theirs.close()


def _scrape(pipe: "Connection[list[float], None]", port: int) -> None:
    took: list[float] = []
    while not pipe.poll(SCRAPE_EVERY_S):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        before_s = time.perf_counter()
        try:
            connection.request("GET", "/metrics", headers={"Accept": f"{OPENMETRICS};version=1.0.0"})
            answer = connection.getresponse()
            size = len(answer.read())
        except OSError:
            continue  # the daemon is not there yet, or not any more
        finally:
            connection.close()
        assert answer.status == 200
        assert size > 100_000
        took.append(time.perf_counter() - before_s)
    pipe.send(took)


def measure_beside(exchange: Exchange, rounds: int, count: int, directory: Path | None) -> Beside:
    """Run the daemon by turns with and without a scraper, each round in the other order."""
    bursts, changes = scenes.crossings(count)
    commits: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    took: list[float] = []
    with patch.object(lane, "Pace", NoPace):
        for number in range(rounds):
            for scraped in (number % 2 == 0, number % 2 != 0):
                with socket.create_server(("127.0.0.1", 0)) as free:
                    port: int = free.getsockname()[1]
                with scraper(port) as pipe:
                    web = WebPlan("127.0.0.1", port) if scraped else None
                    run = asyncio.run(
                        watch_daemon(
                            exchange, bursts, BURST_EVERY_S, changes, directory, web=web, clock=LoopClock()
                        )
                    )
                    pipe.send(None)
                    took.extend(pipe.recv())
                commits[scraped].append(run.frame_to_commit)
    return Beside(
        rounds, len(took), statistics.median(took) * 1e3, _joined(commits[False]), _joined(commits[True])
    )


def _joined(runs: list[dict[str, float]]) -> Spread:
    """Return the median p50 and p99 of runs, and the worst of all."""
    return Spread(
        sum(int(one["samples"]) for one in runs),
        statistics.median(one["p50_ms"] for one in runs),
        statistics.median(one["p99_ms"] for one in runs),
        max(one["worst_ms"] for one in runs),
    )


def cost_table(report: Report) -> Table:
    """Return what a scrape costs, for people."""
    table = Table(title=f"One scrape, {report.positions:,} positions, processor time", title_justify="left")
    for head in ("", "whole", "ratio to text", "longest stretch", "series", "bytes"):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    for cost in report.costs:
        table.add_row(
            cost.name, f"{cost.whole_ms:,.1f} ms", f"{cost.whole_ms / report.costs[0].whole_ms:.2f}",
            f"{cost.longest_ms:,.1f} ms", f"{cost.series:,}" if cost.series else "", f"{cost.size_bytes:,}",
        )  # fmt: skip
    return table


def beside_table(beside: Beside) -> Table:
    """Return what a scraper does to commits, for people."""
    table = Table(
        title="Frame to commit, 1,000 positions on 200 symbols, work of the event loop", title_justify="left"
    )
    for head in ("", "p50", "p99", "worst", "samples"):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    for name, one in (("not scraped", beside.alone), ("scraped once a second", beside.scraped)):
        table.add_row(
            name, f"{one.p50_ms:,.1f} ms", f"{one.p99_ms:,.1f} ms", f"{one.worst_ms:,.1f} ms", f"{one.samples:,}"
        )
    return table


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scrape", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, for a first look")
    parser.add_argument("--dir", type=Path, help="where databases lie; the speed of the disk counts")
    options = parser.parse_args()
    costs = measure_costs(7 if options.quick else 41)
    rounds, count = (1, 30) if options.quick else (3, 80)
    with Path(os.devnull).open("w") as sink, running() as exchange:
        logs.configure("info", "json", sink)  # its cost counts, its lines do not help
        beside = measure_beside(exchange, rounds, count, options.dir)
    positions = sum(len(account.positions) for account in scenes.many_accounts())
    report = Report(machine(), positions, costs, measure_observation(), beside)
    if options.json:
        print(json.dumps(msgspec.to_builtins(report)))
        return 0
    console = Console(width=110)
    console.print(cost_table(report))
    console.print(f"Counting one decision: {report.observation_us:.2f} us\n")
    console.print(beside_table(beside))
    console.print(f"{beside.scrapes} scrapes, median {beside.scrape_ms:.0f} ms as the scraper saw them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
