"""/metrics: what Prometheus reads, made of the daemon's present state at each scrape.

Nothing is kept between scrapes but the histogram: what is gone from the state is gone from the answer, so a series
ends with its position. Counters are those the parts keep themselves.

Thousands of series take longer to write than a mark may wait, so they are written a piece at a time, and whatever
else is due comes in between.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from monitor.web.context import Context, Route
from monitor.web.families.family import Family, Kind, Seen, rows_of, seen
from monitor.web.families.table import READ, TICK_TO_DECISION

# From a step of a small account to one that took far too long; the promise is 50 ms up to the commit.
BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
PIECE: Final = 50  # series written at a stretch, in half a millisecond
REST_S: Final = 0.002  # between two pieces: others need several turns from a frame to its decision

OPENMETRICS: Final = "application/openmetrics-text"
_PLAIN: Final = "text/plain"
_VERSION: Final = "1.0.0"
_PLAIN_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_EOF: Final = b"# EOF\n"


class Meter:
    """What has to be counted between scrapes."""

    def __init__(self) -> None:
        self._decisions = Histogram(
            TICK_TO_DECISION.name, TICK_TO_DECISION.help, buckets=BUCKETS_S, registry=None,
        )  # fmt: skip

    def observe(self, seconds: float) -> None:
        """Count how long after their frame arrived marks were decided on; about a microsecond."""
        self._decisions.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """Yield what was counted, without when counting began: that is ``start_time_seconds``."""
        for metric in self._decisions.collect():
            metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
            yield metric


class DaemonCollector(Collector):
    """Makes all families anew whenever it is asked.

    Args:
        look: returns the daemon as it stands.
        meter: what was counted meanwhile.
    """

    def __init__(self, look: Callable[[], Seen], meter: Meter) -> None:
        self._look = look
        self._meter = meter

    def describe(self) -> Iterable[Metric]:
        """Return all families without series: registering must not ask a daemon that is still being made."""
        return [_metric(family, ()) for family in READ]

    def collect(self) -> Iterator[Metric]:
        """Yield each family that has series, all as of one moment, in pieces of ``PIECE`` series.

        Of a thousand positions made at once, so much would live at a time that Python looks through all of its
        memory for garbage again and again, which takes fifty milliseconds.
        """
        found = self._look()
        for family in READ:
            rows = iter(rows_of(family, found).items())
            while piece := list(islice(rows, PIECE)):
                yield _metric(family, piece)
        yield from self._meter.collect()


class _Piece(Collector):
    """Some series of one family."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return (self._metric,)


def routes(context: Context, meter: Meter) -> tuple[Route, ...]:
    """Return the one route."""

    def look() -> Seen:
        return seen(context.snapshot(), context.watched.health(), context.watched.readiness())

    registry = registry_of(DaemonCollector(look, meter))

    async def metrics(request: web.Request) -> web.Response:
        open_ = wants_openmetrics(request.headers.get("Accept", ""))
        parts = []
        for part in written(registry, open_=open_):
            parts.append(part)
            await context.clock.sleep(REST_S)
        kind = openmetrics.CONTENT_TYPE_LATEST if open_ else _PLAIN_TYPE
        return web.Response(body=b"".join(parts), headers={"Content-Type": kind})

    return (Route("GET", "/metrics", metrics),)


def registry_of(collector: Collector) -> CollectorRegistry:
    """Return a registry of our own, with what the process and its memory are like beside it."""
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def written(registry: Collector, *, open_: bool) -> Iterator[bytes]:
    """Yield the answer in pieces of ``PIECE`` series or a few more, so that none takes a millisecond.

    Args:
        registry: what is collected, at the first piece.
        open_: as OpenMetrics 1.0.0, else in the text format of Prometheus.
    """
    parts: list[bytes] = []
    series, last = 0, ""
    for metric in registry.collect():
        text = _text(metric, open_=open_)
        parts.append(text if metric.name != last else _without_head(text))
        series, last = series + len(metric.samples), metric.name
        if series >= PIECE:
            yield b"".join(parts)
            parts, series = [], 0
    yield b"".join([*parts, _EOF] if open_ else parts)


def wants_openmetrics(accept: str) -> bool:
    """Return whether whoever sent this Accept header takes OpenMetrics at least as gladly as plain text."""
    best = {OPENMETRICS: 0.0, _PLAIN: 0.0}
    for item in accept.split(","):
        kind, *rest = (part.strip().lower() for part in item.split(";"))
        settings = dict(part.split("=", 1) for part in rest if "=" in part)
        if kind in best and (kind == _PLAIN or settings.get("version", _VERSION) == _VERSION):
            best[kind] = max(best[kind], _quality(settings.get("q", "1")))
    return best[OPENMETRICS] > 0.0 and best[OPENMETRICS] >= best[_PLAIN]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _metric(family: Family, rows: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    make = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    metric = make(family.name, family.help, labels=family.labels)
    for values, figure in rows:
        metric.add_metric(values, figure)
    return metric


def _text(metric: Metric, *, open_: bool) -> bytes:
    if not open_:
        return generate_latest(_Piece(metric))
    text: bytes = openmetrics.generate_latest(_Piece(metric))  # type: ignore[no-untyped-call]
    return text.removesuffix(_EOF)


def _without_head(text: bytes) -> bytes:
    """Return the series alone: what a family is was said with its first piece."""
    while text.startswith(b"# "):
        text = text.partition(b"\n")[2]
    return text
