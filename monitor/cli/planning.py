"""From a configuration to what a daemon is made of: its channels, and the plan that follows from it alone."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.charts.illustrator import Charts
from monitor.config import Secrets, Settings
from monitor.errors import ConfigError, Problem
from monitor.heartbeat import HeartbeatPlan
from monitor.notify.apprise import AppriseChannel, build_channel
from monitor.plan import Plan, WebPlan
from monitor.ports import Channel, Clock
from monitor.storage.history import HistorySettings


def opened_channels(settings: Settings, secrets: Secrets, names: Collection[str]) -> tuple[AppriseChannel, ...]:
    """Return those of the configured channels that are named.

    Raises:
        ConfigError: addresses that cannot be used, all of them; never with an address in it.
    """
    channels: list[AppriseChannel] = []
    problems: list[Problem] = []
    for channel in settings.channels:
        if channel.name not in names:
            continue
        url = secrets.channel_urls[channel.name].reveal()
        try:
            channels.append(
                build_channel(
                    channel.name,
                    url,
                    fmt=channel.format,
                    charts=channel.chart,
                )
            )
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        for built in channels:
            built.close()
        raise ConfigError(settings.source, problems)
    return tuple(channels)


def build_plan(
    settings: Settings, secrets: Secrets, channels: Sequence[Channel], *, clock: Clock,
    environ: Mapping[str, str], before: Plan | None = None, zone: tzinfo | None = None,
) -> Plan:  # fmt: skip
    """Return what of a daemon follows from its configuration alone.

    Args:
        settings: the configuration.
        secrets: the address to ping and the token of the web interface.
        channels: where messages go.
        clock: for what draws pictures.
        environ: the environment.
        before: of a daemon that runs, whose charts go on where any are wanted, and what a reload cannot change.
        zone: of times, where it is known already.
    """
    zone = zone or settings.display.zone() or _machine_zone(environ)
    return Plan(
        settings=settings.engine,
        accounts=settings.accounts,
        tables=tuple({table.symbol: table for table in (*settings.tables, *settings.own_tables)}.values()),
        channels=tuple(channels),
        state_dir=settings.state_directory(environ),
        history_path=settings.history_path(environ),
        history=HistorySettings(
            keep_raw_s=settings.history.keep_raw_s, keep_minutes_s=settings.history.keep_minutes_s
        ),
        time_zone=zone,
        charts=_charts(settings, channels, environ, clock, zone, None if before is None else before.charts),
        heartbeat=_heartbeat(settings, secrets),
        summary_minute=settings.summary.at_minute if settings.summary.enabled else None,
        web=_web(settings, secrets),
    )


def _charts(  # noqa: PLR0917 - what pictures are made of
    settings: Settings, channels: Sequence[Channel], environ: Mapping[str, str], clock: Clock, zone: tzinfo,
    known: Charts | None,
) -> Charts | None:  # fmt: skip
    """Return what draws pictures, where a channel takes any."""
    if known is not None or not any(channel.takes_files for channel in channels):
        return known if any(channel.takes_files for channel in channels) else None
    cache = settings.state_directory(environ) / "charts"
    return Charts(settings.history_path(environ), cache, clock, settings=settings.engine, tz=zone)


def _heartbeat(settings: Settings, secrets: Secrets) -> HeartbeatPlan | None:
    chosen, url = settings.heartbeat, secrets.heartbeat_url
    if chosen is None or url is None:
        return None
    return HeartbeatPlan(url, chosen.kind, chosen.interval_s, chosen.tell_failure)


def _web(settings: Settings, secrets: Secrets) -> WebPlan | None:
    chosen = settings.web
    return WebPlan(chosen.host, chosen.port, secrets.web_token, chosen.names) if chosen.enabled else None


def _machine_zone(environ: Mapping[str, str]) -> tzinfo:
    """Return the machine's time zone with its rules, so that a daemon that runs for months follows them."""
    try:
        if name := environ.get("TZ"):
            return ZoneInfo(name.removeprefix(":"))
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return UTC
