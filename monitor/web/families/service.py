"""The service itself: whether it is well, how fast it is, and what it is."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from monitor import health
from monitor.status import HISTORY_STORE, STATE_STORE, ConfigView, WebView
from monitor.web.families.family import Family, Row, Seen, counter, gauge, one

_STATISTICS: Final = {"p50": "p50_ms", "p99": "p99_ms", "worst": "worst_ms"}


def _troubles(found: Seen) -> Iterator[Row]:
    holding = found.health.reasons
    for reason in dict.fromkeys((*health.REASONS, *holding)):
        yield (reason,), float(reason in holding)


def _databases(found: Seen) -> Iterator[Row]:
    for name in (STATE_STORE, HISTORY_STORE):
        yield (name,), float(name not in found.status.unwritable)


def _latencies(found: Seen) -> Iterator[Row]:
    known = found.status.frame_to_commit or {}
    for word, key in _STATISTICS.items():
        yield (word,), known[key] / 1000 if key in known else None


def _config(read: Callable[[ConfigView], float | None]) -> Callable[[Seen], Iterable[Row]]:
    return one(lambda found: None if found.status.config is None else read(found.status.config))


def _reloads(found: Seen) -> Iterator[Row]:
    if (config := found.status.config) is not None:
        yield ("taken",), config.reloads
        yield ("refused",), config.refused


def _refused_s(config: ConfigView) -> float | None:
    return None if config.last_refusal_ms is None else config.last_refusal_ms / 1000


def _web(read: Callable[[WebView], float | None]) -> Callable[[Seen], Iterable[Row]]:
    return one(lambda found: None if found.status.web is None else read(found.status.web))


def _web_refused(found: Seen) -> Iterator[Row]:
    if (web := found.status.web) is not None:
        yield from (((reason,), count) for reason, count in web.refused.items())


SERVICE: Final[tuple[Family, ...]] = (
    gauge(
        "build_info", "Always 1; the version stands in the label.", ("version",),
        lambda found: [((found.status.version,), 1.0)],
    ),
    gauge(
        "exchange_info", "Always 1; which exchange is watched, testnet or live, stands in the label.",
        ("environment",), lambda found: [((found.status.engine.environment,), 1.0)],
    ),
    gauge(
        "start_time_seconds", "Unix time in seconds at which the service started.", (),
        one(lambda found: found.status.started_ms / 1000),
    ),
    gauge(
        "healthy", "Whether the service does its work now: 1 yes, 0 no; the verdict of /healthz.", (),
        one(lambda found: float(found.health.ok)),
    ),
    gauge(
        "ready",
        "Whether the service has begun to do its work and is not stopping: 1 yes, 0 no; the verdict of /readyz.",
        (), one(lambda found: float(found.readiness.ok)),
    ),
    gauge(
        "trouble", "What keeps the service from being healthy, by reason: 1 it does, 0 it does not.", ("reason",),
        _troubles,
    ),
    counter(
        "jobs_died_total", "Times that a part of the service failed and was started anew; none before the first.",
        ("part",), lambda found: [((job,), count) for job, count in found.status.job_deaths.items()],
    ),
    gauge(
        "accounts_unseen", "Number of configured accounts of which nothing is known yet.", (),
        one(lambda found: len(found.status.unseen)),
    ),
    gauge("database_writable", "Whether a database takes writes: 1 yes, 0 no.", ("database",), _databases),
    gauge(
        "loops_standing", "Number of loops of the service that have not come round in time.", (),
        one(lambda found: len(found.status.standing)),
    ),
    gauge(
        "web_connections", "Connections to the web interface that are open now.", (),
        _web(lambda web: web.connections),
    ),
    counter(
        "web_requests_total", "Requests to the web interface that were understood.", (),
        _web(lambda web: web.requests),
    ),
    counter(
        "web_refused_total", "Requests and connections that the web interface refused, by reason.", ("reason",),
        _web_refused,
    ),
    counter(
        "web_slow_total", "Connections that were cut for they took too long to ask or to read.", (),
        _web(lambda web: web.slow),
    ),
    counter(
        "commits_total", "Transactions that the state database took.", (), one(lambda found: found.status.commits)
    ),
    gauge(
        "frame_to_commit_seconds",
        "Seconds from the arrival of a frame to its alert being on disk, of the last 4096 such commits: p50 the "
        "median, p99, worst; none before the first alert.",
        ("statistic",), _latencies,
    ),
    gauge(
        "history_queued_rows", "Rows that wait to be written to the history.", (),
        one(lambda found: found.status.history.queued),
    ),
    counter(
        "history_written_rows_total", "Rows that were written to the history.", (),
        one(lambda found: found.status.history.written),
    ),
    gauge(
        "config_last_reload_successful",
        "Whether the last reload of the configuration was taken: 1 yes, or there was none; 0 it was refused, and "
        "nothing changed.",
        (), _config(lambda config: float(not config.problems)),
    ),
    gauge(
        "config_loaded_timestamp_seconds",
        "Unix time in seconds at which the configuration in force was loaded.", (),
        _config(lambda config: config.loaded_ms / 1000),
    ),
    gauge(
        "config_last_refusal_timestamp_seconds",
        "Unix time in seconds at which a reload of the configuration was last refused; none if none was.", (),
        _config(_refused_s),
    ),
    counter(
        "config_reloads_total", "Reloads of the configuration by outcome: taken or refused.", ("outcome",),
        _reloads,
    ),
)  # fmt: skip
