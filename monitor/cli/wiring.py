"""From a loaded configuration to a daemon that can run."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from monitor.app import Daemon
from monitor.backfill import DEFAULT_TIMINGS, Timings
from monitor.binance.account_values import DEFAULT_ACCOUNT_TIMINGS, AccountTimings
from monitor.binance.weights import WeightBudget
from monitor.cli.planning import build_plan, opened_channels
from monitor.cli.renewal import Opened, Renewer
from monitor.cli.sourcing import Sourcing, build_clients
from monitor.config import Secrets, Settings, resolve_secrets
from monitor.control import PATH_LIMIT
from monitor.dead_man import DeadMan
from monitor.errors import Problem
from monitor.notify.apprise import AppriseChannel
from monitor.notify.pacing import MINUTE_S
from monitor.ports import Channel, Clock
from monitor.sd_notify import from_environ
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
    names = [channel.name for channel in settings.channels]
    return Channels(opened_channels(settings, secrets, names), secrets.warnings)


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
    secrets: Secrets | None = None,
    clock: Clock,
    environ: Mapping[str, str],
    journal: Path | None = None,
    dead_man: DeadMan | None = None,
    timings: AccountTimings = DEFAULT_ACCOUNT_TIMINGS,
    pace_minute_s: float = MINUTE_S,
    away: Timings = DEFAULT_TIMINGS,
    config: Path | None = None,
    opened: Opened = opened_channels,
    adopted: Callable[[Settings], None] = lambda _settings: None,
) -> Daemon:
    """Return a daemon for this configuration; nothing is opened yet.

    ``secrets`` are all that the configuration refers to, as they were when ``channels`` were made of them; without
    them they are read. With ``config``, the absolute path of the file, it can be read again while the daemon runs.
    Then ``opened`` makes channels that are new, and ``adopted`` is told of settings that came into force.

    Raises:
        ConfigError: keys of accounts, or an address to ping, that cannot be read or used; never with one in it.
    """
    rng = Random()  # noqa: S311 - spreads reconnections and retries, guards nothing
    budget = WeightBudget(clock)
    if secrets is None:
        secrets = resolve_secrets(settings, environ, channels=config is not None)
    clients = build_clients(settings, secrets.account_keys, clock, rng, budget)
    sourcing = Sourcing(settings, environ, clients, budget=budget, clock=clock, rng=rng, timings=timings)
    plan = build_plan(settings, secrets, channels, clock=clock, environ=environ)._replace(
        journal=journal,
        pace_minute_s=pace_minute_s,
        systemd=from_environ(environ, os.getpid()),
        away=away,
        dead_man=dead_man,
    )
    renewer = None
    if config is not None:
        renewer = Renewer(
            config, settings, secrets, plan, sourcing, environ=environ, clock=clock, opened=opened,
            adopted=adopted,
        )  # fmt: skip
    return Daemon(plan, sourcing, clock, rng, renew=renewer, source="" if config is None else str(config))


def check_keys(settings: Settings, environ: Mapping[str, str]) -> None:
    """Raise ConfigError if a followed account's key cannot be read or used."""
    clock = SystemClock()
    keys = resolve_secrets(settings, environ, channels=False, heartbeat=False, web=False).account_keys
    build_clients(settings, keys, clock, Random(), WeightBudget(clock))  # noqa: S311 - nothing is sent
