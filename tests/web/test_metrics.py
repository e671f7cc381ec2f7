"""/metrics of a daemon that follows the local exchange: formats, and series that go with their positions."""

import math
from pathlib import Path

import pytest
from aiohttp import ClientSession
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from monitor.status import Status
from monitor.web.families.family import Seen, seen
from monitor.web.families.table import READ, TICK_TO_DECISION
from monitor.web.metrics import BUCKETS_S, PIECE, DaemonCollector, Meter, registry_of, wants_openmetrics, written
from tests.cli import made
from tests.following import fresh
from tests.web.scraping import WELL, names, scraped, scraped_until, series_of, serving, text_of, value

HELD = {"account": "main", "symbol": "BTCUSDT", "side": "LONG"}
# What Prometheus 2.42 sends.
SCRAPER = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
# And what 3.x does.
NEWER_SCRAPER = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
    "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


# Of a position that is closed


async def test_series_are_there_with_a_position_and_gone_once_it_is_closed(tmp_path: Path) -> None:
    """Not 0, and not as it last was: what somebody closed must not go on looking dangerous, or safe."""
    emulator = fresh()
    async with serving(emulator, tmp_path) as (daemon, base):
        await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
        found = await scraped_until(base, lambda now: value(now, "margin_ratio", **HELD) is not None)
        for name in ("liquidation_distance_ratio", "room_ratio", "level", "liquidation_price"):
            assert value(found, name, **HELD) is not None, name
        assert value(found, "mark_age_seconds", symbol="BTCUSDT") is not None
        ours = next(
            one for one in daemon.status().engine.wallets if (one.account, one.wallet) == ("main", "cross:USDT")
        )
        assert ours.margin_ratio is not None
        assert math.isclose(value(found, "margin_ratio", **HELD) or 0.0, ours.margin_ratio, rel_tol=0.01)
        await emulator.accounts["main"].fill("BTCUSDT", "SELL", "0.5")
        found = await scraped_until(base, lambda now: value(now, "margin_ratio", **HELD) is None)
        for name in ("margin_ratio", "liquidation_distance_ratio", "room_ratio", "moves_left", "level"):
            assert frozenset(HELD.items()) not in names(found, name), name


async def test_counters_only_go_up_and_the_histogram_counts_every_batch(tmp_path: Path) -> None:
    """From one scrape to the next, with marks in between."""
    emulator = fresh()
    async with serving(emulator, tmp_path) as (_, base):
        await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
        count = ("position_monitor_tick_to_decision_seconds_count", frozenset[tuple[str, str]]())
        first = await scraped_until(base, lambda now: now.get(count, 0) > 0)
        ticks = value(first, "ticks_total") or 0.0
        second = await scraped_until(
            base, lambda now: now[count] > first[count] and (value(now, "ticks_total") or 0.0) > ticks
        )
        totals = [key for key in first if key[0].endswith(("_total", "_bucket", "_count", "_sum"))]
        assert len(totals) > 30
        for key in totals:
            assert second[key] >= first[key], key
        assert (value(second, "reconciles_total", account="main") or 0) > 0
        assert value(second, "drifting", account="main") == 0
        buckets = sorted(
            (float(dict(labels)["le"]), figure)
            for (name, labels), figure in second.items()
            if name == "position_monitor_tick_to_decision_seconds_bucket"
        )
        assert [edge for edge, _ in buckets] == [*BUCKETS_S, math.inf]
        assert [figure for _, figure in buckets] == sorted(figure for _, figure in buckets)
        assert buckets[-1][1] == second[count]


async def test_an_answer_is_in_the_format_that_is_asked_for(tmp_path: Path) -> None:
    """As Prometheus asks for it, and as a browser or curl does; each parser takes its own."""
    emulator = fresh()
    async with serving(emulator, tmp_path) as (_, base), ClientSession() as session:
        async with session.get(f"{base}/metrics", headers={"Accept": SCRAPER}) as answer:
            assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
            text = await answer.text()
            assert text.endswith("# EOF\n")
            assert text.count("# EOF") == 1
            opened = {one.name for one in open_families(text)}  # type: ignore[no-untyped-call]
        async with session.get(f"{base}/metrics") as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            text = await answer.text()
            assert "# EOF" not in text
            plain = {one.name for one in plain_families(text)}
        assert opened == plain
        assert {"position_monitor_build_info", "process_resident_memory_bytes"} <= plain


async def test_a_token_that_is_configured_is_asked_for(tmp_path: Path) -> None:
    """As Prometheus shows it; without it there is not a figure."""
    emulator, token = fresh(), "0123456789abcdef0123"
    async with serving(emulator, tmp_path, token=token) as (_, base), ClientSession() as session:
        for headers in ({}, {"Authorization": "Bearer wrong-wrong-wrong"}):
            async with session.get(f"{base}/metrics", headers=headers) as answer:
                assert answer.status == 401
                assert "position_monitor" not in await answer.text()
        assert "position_monitor_build_info" in await scraped(base, Authorization=f"Bearer {token}")


# The format


@pytest.mark.parametrize(
    ("accept", "open_"),
    [
        ("", False),
        ("*/*", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        (SCRAPER, True),
        (NEWER_SCRAPER, True),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", True),
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;version=2.0.0", False),
        ("application/openmetrics-text;version=1.0.0;q=0", False),
        ("application/openmetrics-text;version=1.0.0;q=0.3,text/plain;q=0.5", False),
        ("application/openmetrics-text;version=1.0.0;q=nonsense", False),
        ("application/openmetrics-text;version=1.0.0;q=nan", False),
        (";;;,,,=;q", False),
    ],
)
def test_openmetrics_is_for_who_asks_for_it(accept: str, open_: bool) -> None:  # noqa: FBT001
    """Version 1.0.0, at least as welcome as plain text; nonsense is no wish."""
    assert wants_openmetrics(accept) is open_


def test_a_family_of_thousands_is_written_in_pieces_and_described_once() -> None:
    """No piece has twice as many as are written at a stretch, and together they are all of it."""
    legs = tuple(made.position(symbol=f"S{number}USDT") for number in range(PIECE * 2 + 1))
    status = made.state(engine=made.engine(positions=legs))
    for open_ in (False, True):
        text = text_of(status, open_=open_)
        assert text.count("# TYPE position_monitor_margin_ratio gauge\n") == 1
        assert text.count("# HELP position_monitor_margin_ratio ") == 1
        assert len(names(series_of(text_of(status)), "margin_ratio")) == len(legs)
        assert text.count("\nposition_monitor_margin_ratio{") == len(legs)
        series = [
            sum(not line.startswith(b"#") for line in part.splitlines()) for part in _pieces(status, open_=open_)
        ]
        assert max(series) < PIECE * 2
        assert min(series[:-1]) >= PIECE  # a small daemon rests seldom


def _pieces(status: Status, *, open_: bool) -> list[bytes]:
    registry = registry_of(DaemonCollector(lambda: seen(status, WELL, WELL), Meter()))
    return list(written(registry, open_=open_))


def test_registering_asks_the_daemon_for_nothing() -> None:
    """It is still being made then."""

    def look() -> Seen:
        raise AssertionError

    registry_of(DaemonCollector(look, Meter()))
    described = {one.name for one in DaemonCollector(look, Meter()).describe()}
    assert described == {family.name.removesuffix("_total") for family in READ}


def test_an_observation_falls_into_the_bucket_that_it_is_not_above() -> None:
    """And counts towards all wider ones; beyond the last it is only in the infinite one."""
    meter = Meter()
    for seconds in (0.0005, 0.03, 2.0):
        meter.observe(seconds)
    (metric,) = meter.collect()
    assert metric.name == TICK_TO_DECISION.name
    assert not [one for one in metric.samples if one.name.endswith("_created")]
    counts = {one.labels["le"]: one.value for one in metric.samples if "le" in one.labels}
    assert (counts["0.0005"], counts["0.025"], counts["0.05"], counts["1.0"], counts["+Inf"]) == (1, 1, 2, 2, 3)
    assert next(one.value for one in metric.samples if one.name.endswith("_sum")) == pytest.approx(2.0305)
