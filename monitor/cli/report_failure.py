"""``report-failure``: tell that the service has ended for good; systemd starts it where OnFailure= says so.

It needs as little as there can be: neither positions nor a state directory, and of the configuration only where
channels are, which it finds in one with mistakes as well.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from monitor.cli.common import FAILED, ConfigOption, globals_of, guarded

if TYPE_CHECKING:
    from monitor.config import ChannelSettings, SecretRef
    from monitor.notify.stopped import Ended
    from monitor.ports import Channel, Clock, Message

PATIENCE_S: Final = 600.0
# What position-monitor-failed@.service calls a directory of credentials, systemd puts before their names.
CREDENTIALS: Final = "credentials_"
_ETC = Path("/etc/position-monitor")
_TEMPLATE = "position-monitor@"


@guarded
def report_failure(
    context: typer.Context,
    unit: Annotated[str, typer.Option("--unit", metavar="NAME", help="The unit that has stopped.")],
    config: ConfigOption = None,
) -> int:
    """Tell through every channel that a service has stopped and is not started again.

    Started by systemd, by OnFailure= of the service. A channel that does not take it is tried for ten minutes; the
    exit code is 1 unless all accepted.
    """
    from monitor import logs
    from monitor.system_clock import SystemClock

    logs.configure("info", "auto", sys.stderr)
    log = logs.get_logger()
    path = config or globals_of(context).config or config_of(unit)
    environment, settings = _told_to(path)
    ended = ended_of(unit, os.environ)
    channels = _built(settings, os.environ)
    try:
        outcomes = asyncio.run(tell(channels, ended, environment, str(path), SystemClock()))
    finally:
        for channel in channels:
            channel.close()
    if not settings:
        log.error("failure.no_channel", config=str(path))
    complete = bool(settings) and len(outcomes) == len(settings) and not any(outcomes.values())
    return 0 if complete else FAILED


def config_of(unit: str) -> Path:
    """Return the configuration of a unit: NAME.toml for position-monitor@NAME, else config.toml."""
    name = unit.removesuffix(".service")
    instance = name.removeprefix(_TEMPLATE) if name.startswith(_TEMPLATE) else "config"
    return _ETC / f"{instance}.toml"


def ended_of(unit: str, environ: Mapping[str, str]) -> "Ended":
    """Return what systemd, from version 251 on, tells of the unit that failed."""
    from monitor.notify.stopped import Ended

    result, code, status = (
        environ.get(f"MONITOR_{word}", "") for word in ("SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS")
    )
    return Ended(unit.removesuffix(".service"), result, code, status)


async def tell(  # noqa: PLR0917 - what there is to tell, and to whom
    channels: "Sequence[Channel]", ended: "Ended", environment: str, config: str, clock: "Clock",
    patience_s: float = PATIENCE_S,
) -> dict[str, str]:  # fmt: skip
    """Tell all channels side by side; return by name why it was not told, empty if accepted.

    Returns after ``patience_s`` and one attempt at the latest.
    """
    from random import Random

    from monitor.notify.stopped import message

    at_ms, ends_s = clock.wall_ms(), clock.mono_s() + patience_s
    outcomes: dict[str, str] = {}
    rand = Random().random  # noqa: S311 - spreads attempts, guards nothing

    async def one(channel: "Channel") -> None:
        told = message(ended, environment, config, fmt=channel.format, at_ms=at_ms)
        outcomes[channel.name] = await _sent(channel, told, clock, ends_s, rand)

    async with asyncio.TaskGroup() as group:
        for channel in channels:
            group.create_task(one(channel))
    return outcomes


async def _sent(
    channel: "Channel", told: "Message", clock: "Clock", ends_s: float, rand: Callable[[], float]
) -> str:
    """Send until it is accepted, refused for good, or too late; return why it was not accepted."""
    from monitor.errors import DeliveryError
    from monitor.logs import get_logger
    from monitor.notify.retry import asked_pause_s, pause_s

    log = get_logger().bind(channel=channel.name)
    attempt = 1
    while True:
        try:
            await channel.send(told)
        except DeliveryError as error:
            pause = max(asked_pause_s(error), pause_s(attempt, rand()))
            log.warning("failure.not_told", reason=error.reason, attempt=attempt)
            if error.permanent or clock.mono_s() + pause > ends_s:
                return error.reason
        else:
            log.info("failure.told", attempt=attempt)
            return ""
        attempt += 1
        await clock.sleep(pause)


def _told_to(path: Path) -> "tuple[str, tuple[ChannelSettings, ...]]":
    """Return the environment and the channels of a configuration, whatever else is wrong with it."""
    from monitor.config.locate import read_config
    from monitor.config.salvage import salvaged
    from monitor.errors import ConfigError
    from monitor.logs import get_logger

    try:
        return salvaged(read_config(path))
    except ConfigError as error:
        get_logger().error("failure.unreadable", problems=[str(one) for one in error.problems])
        return "", ()


def _here(channel: "ChannelSettings", directory: str) -> "SecretRef":
    """Return where the address of a channel is, for who was given all credentials of a directory."""
    from monitor.config.secret import Keeper, SecretRef

    ref = channel.url
    prefixed = SecretRef(ref.keeper, f"{CREDENTIALS}{ref.name}")
    there = directory and ref.keeper is Keeper.CREDENTIAL and not (Path(directory) / ref.name).exists()
    return prefixed if there and (Path(directory) / prefixed.name).exists() else ref


def _built(settings: "Sequence[ChannelSettings]", environ: Mapping[str, str]) -> "list[Channel]":
    """Return the channels whose addresses can be read and used; what is wrong with others is logged."""
    from monitor.config.secret import fetch
    from monitor.errors import ConfigError
    from monitor.logs import get_logger
    from monitor.notify.apprise import build_channel

    directory = environ.get("CREDENTIALS_DIRECTORY", "")
    built: list[Channel] = []
    for one in settings:
        fetched = fetch(_here(one, directory), environ, Path(directory) if directory else None)
        if fetched.secret is None:
            get_logger().error("failure.no_address", channel=one.name, found=fetched.found)
            continue
        try:
            built.append(build_channel(one.name, fetched.secret.reveal(), fmt=one.format, charts=False))
        except ConfigError as error:
            get_logger().error("failure.bad_address", channel=one.name, problems=[str(p) for p in error.problems])
    return built
