"""From a loaded configuration to a daemon that can run: the only place that knows every adapter."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.app import Daemon
from monitor.backfill import DEFAULT_TIMINGS, Timings
from monitor.binance.account import AccountFollower
from monitor.binance.account_rest import AccountClient
from monitor.binance.account_values import DEFAULT_ACCOUNT_TIMINGS, AccountTimings
from monitor.binance.around_market import MarketAround
from monitor.binance.bridge import Bridge
from monitor.binance.candles import CandleHistory
from monitor.binance.endpoints import Environment, endpoints
from monitor.binance.keys import MALFORMED_KEY
from monitor.binance.klines import Klines, SeededFeed
from monitor.binance.rest import RestClient
from monitor.binance.streams import MarkFeed
from monitor.binance.weights import WeightBudget
from monitor.charts.illustrator import Charts
from monitor.cli.exchange import public_client, rest_client
from monitor.config import KeyedAccount, Settings, resolve_secrets
from monitor.control import PATH_LIMIT
from monitor.core.model import AccountSnapshot, Market
from monitor.errors import ConfigError, KeyRefusedError, Problem
from monitor.heartbeat import HeartbeatPlan
from monitor.notify.apprise import AppriseChannel, build_channel
from monitor.notify.pacing import MINUTE_S
from monitor.plan import Plan, Sources, WebPlan
from monitor.ports import Channel, Clock, Feed, Inbox
from monitor.sd_notify import from_environ
from monitor.storage.account_cache import AccountCache
from monitor.storage.bracket_cache import BracketCache
from monitor.storage.history import HistorySettings
from monitor.storage.paths import CONTROL_SOCKET
from monitor.system_clock import SystemClock


class Channels(NamedTuple):
    """Channels ready to send, and what is unwise about how their addresses are kept."""

    channels: tuple[AppriseChannel, ...]
    warnings: tuple[str, ...]


def build_channels(settings: Settings, environ: Mapping[str, str]) -> Channels:
    """Return a channel for each one configured.

    Raises:
        ConfigError: addresses that cannot be read or used, all of them; never with an address in it.
    """
    secrets = resolve_secrets(settings, environ, accounts=False, heartbeat=False, web=False)
    channels: list[AppriseChannel] = []
    problems: list[Problem] = []
    for channel in settings.channels:
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
    return Channels(tuple(channels), secrets.warnings)


def state_problems(settings: Settings, environ: Mapping[str, str]) -> tuple[Problem, ...]:
    """Return why a daemon could not use its state directory; empty if it could. Makes nothing."""
    directory = settings.state_directory(environ).absolute()
    problems = []
    longest = PATH_LIMIT - len(CONTROL_SOCKET) - 1
    if (length := len(os.fsencode(directory))) > longest:
        found = f"a path of {length} bytes, {directory}"
        hint = "a socket lies in it, and the system allows no longer ones"
        problems.append(Problem("state.directory", found, f"a path of at most {longest} bytes", hint))
    reason = _unusable(directory)
    if reason:
        allowed = "a directory that can be written, or made where it is"
        problems.append(Problem("state.directory", reason, allowed))
    return tuple(problems)


def _unusable(directory: Path) -> str:
    """Return why files cannot be made in a directory, which may have to be made itself; empty if they can."""
    for place in (directory, *directory.parents):
        try:
            is_directory = place.is_dir()
            there = is_directory or os.path.lexists(place)
        except OSError as error:
            return f"{place}: {(error.strerror or 'it cannot be read').lower()}"
        if there:
            if not is_directory:
                return f"{place}, which is no directory"
            return "" if os.access(place, os.W_OK | os.X_OK) else f"{place}, which cannot be written"
    return f"{directory}, which cannot be made"


def build_daemon(
    settings: Settings,
    channels: Sequence[Channel],
    *,
    clock: Clock,
    environ: Mapping[str, str],
    journal: Path | None = None,
    timings: AccountTimings = DEFAULT_ACCOUNT_TIMINGS,
    pace_minute_s: float = MINUTE_S,
    away: Timings = DEFAULT_TIMINGS,
) -> Daemon:
    """Return a daemon for this configuration; nothing is opened yet.

    Raises:
        ConfigError: keys of accounts, or an address to ping, that cannot be read or used; never with one in it.
    """
    rng = Random()  # noqa: S311 - spreads reconnections and retries, guards nothing
    budget = WeightBudget(clock)
    clients = build_clients(settings, environ, clock, rng, budget)

    def sources(inbox: Inbox) -> Sources:
        last = {one.account: one for one in AccountCache(settings.state_directory(environ)).load()}
        asked = {market: public_client(settings, market, clock, rng, budget) for market in Market}
        around = {market: MarketAround(market, asked[market], inbox=inbox, clock=clock) for market in Market}
        follow = partial(
            _follower,
            settings,
            environ,
            last=last,
            inbox=inbox,
            budget=budget,
            clock=clock,
            rng=rng,
            around=around,
        )
        followers = [follow(keyed, clients[keyed.name], timings) for keyed in settings.keyed]

        def changed(symbol: str, has_tiers: bool) -> None:
            if has_tiers:
                for follower in followers:
                    follower.refresh_brackets(symbol)

        def feed(market: Market) -> Feed:
            marks = _feed(settings, market, inbox, clock, rng, changed if followers else None)
            past = Klines(market.value, asked[market], inbox=inbox, clock=clock, rng=rng, budget=budget)
            bridge = Bridge(
                market, marks, asked[market], inbox=inbox, clock=clock, rng=rng, budget=budget,
                around=around[market],
            )  # fmt: skip
            return SeededFeed(marks, past, bridge)

        return Sources(
            feeds={market: feed(market) for market in Market},
            accounts=followers,
            close=tuple(client.close for client in (*clients.values(), *asked.values())),
            past=CandleHistory(asked, clock=clock, rng=rng, budget=budget),
        )

    zone = settings.display.zone() or _machine_zone(environ)
    plan = Plan(
        settings=settings.engine,
        accounts=settings.accounts,
        tables=tuple({table.symbol: table for table in (*settings.tables, *settings.own_tables)}.values()),
        channels=tuple(channels),
        state_dir=settings.state_directory(environ),
        history_path=settings.history_path(environ),
        history=HistorySettings(
            keep_raw_s=settings.history.keep_raw_s, keep_minutes_s=settings.history.keep_minutes_s
        ),
        journal=journal,
        time_zone=zone,
        charts=_charts(settings, channels, environ, clock, zone),
        heartbeat=_heartbeat(settings, environ),
        pace_minute_s=pace_minute_s,
        systemd=from_environ(environ, os.getpid()),
        summary_minute=settings.summary.at_minute if settings.summary.enabled else None,
        away=away,
        web=_web(settings, environ),
    )
    return Daemon(plan, sources, clock, rng)


def _charts(
    settings: Settings, channels: Sequence[Channel], environ: Mapping[str, str], clock: Clock, zone: tzinfo
) -> Charts | None:
    """Return what draws pictures, where a channel takes any."""
    if not any(channel.takes_files for channel in channels):
        return None
    cache = settings.state_directory(environ) / "charts"
    return Charts(settings.history_path(environ), cache, clock, settings=settings.engine, tz=zone)


def _heartbeat(settings: Settings, environ: Mapping[str, str]) -> HeartbeatPlan | None:
    chosen = settings.heartbeat
    url = resolve_secrets(settings, environ, channels=False, accounts=False, web=False).heartbeat_url
    if chosen is None or url is None:
        return None
    return HeartbeatPlan(url, chosen.kind, chosen.interval_s, chosen.tell_failure)


def _web(settings: Settings, environ: Mapping[str, str]) -> WebPlan | None:
    chosen = settings.web
    if not chosen.enabled:
        return None
    token = resolve_secrets(settings, environ, channels=False, accounts=False, heartbeat=False).web_token
    return WebPlan(chosen.host, chosen.port, token, chosen.names)


def build_clients(
    settings: Settings, environ: Mapping[str, str], clock: Clock, rng: Random, budget: WeightBudget
) -> dict[str, RestClient]:
    """Return the REST clients of all followed accounts by name; nothing is sent yet.

    Raises:
        ConfigError: keys that cannot be read or used, all of them; never with a key in it.
    """
    keys = resolve_secrets(settings, environ, channels=False, heartbeat=False, web=False).account_keys
    places = {name: index for index, name in enumerate(settings.engine.accounts)}
    clients: dict[str, RestClient] = {}
    problems: list[Problem] = []
    for keyed in settings.keyed:
        try:
            clients[keyed.name] = rest_client(settings, keyed, keys[keyed.name], clock, rng, budget)
        except KeyRefusedError as error:
            path = f"accounts[{places[keyed.name]}].api_{'key' if error.reason == MALFORMED_KEY else 'secret'}"
            problems.append(
                Problem(path, error.reason.replace("_", " "), "a key as the exchange made it", error.hint)
            )
    if problems:
        raise ConfigError(settings.source, problems)
    return clients


def check_keys(settings: Settings, environ: Mapping[str, str]) -> None:
    """Raise ConfigError if a followed account's key cannot be read or used."""
    clock = SystemClock()
    build_clients(settings, environ, clock, Random(), WeightBudget(clock))  # noqa: S311 - nothing is sent


def _follower(
    settings: Settings,
    environ: Mapping[str, str],
    keyed: KeyedAccount,
    client: RestClient,
    timings: AccountTimings,
    *,
    last: Mapping[str, AccountSnapshot],
    inbox: Inbox,
    budget: WeightBudget,
    clock: Clock,
    rng: Random,
    around: Mapping[Market, MarketAround],
) -> AccountFollower:
    exchange = settings.exchange
    live = exchange.environment == Environment.LIVE
    rest = AccountClient(keyed.name, client, budget, clock, on_rules=around[keyed.market].take_rules)
    return AccountFollower(
        keyed.name,
        keyed.market,
        endpoints(
            exchange.environment, keyed.market, private_stream_url=exchange.private_stream_url or ""
        ).private_stream,
        rest=rest,
        cache=BracketCache(settings.state_directory(environ), keyed.name),
        inbox=inbox,
        clock=clock,
        rng=rng,
        refuse_trading_key=live and not keyed.allow_trading_key,
        last=last.get(keyed.name),
        timings=timings,
    )


def _feed(  # noqa: PLR0917 - what a feed is made of
    settings: Settings,
    market: Market,
    inbox: Inbox,
    clock: Clock,
    rng: Random,
    on_contract: Callable[[str, bool], None] | None,
) -> MarkFeed:
    exchange = settings.exchange
    bases = endpoints(
        exchange.environment, market, market_stream_url=exchange.market_stream_url or ""
    ).market_stream
    return MarkFeed(
        market.value, (), bases, inbox=inbox, clock=clock, rng=rng, market=market, on_contract=on_contract
    )


def _machine_zone(environ: Mapping[str, str]) -> tzinfo:
    """Return the machine's time zone with its rules, so that a daemon that runs for months follows them."""
    try:
        if name := environ.get("TZ"):
            return ZoneInfo(name.removeprefix(":"))
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return UTC
