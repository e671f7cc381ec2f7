"""``run``: the daemon."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor import early
from monitor.cli.common import FAILED, MISUSED, ConfigOption, globals_of, guarded, load
from monitor.cli.hangups import Hangups
from monitor.dead_man import LEAST_S, LOADING_WITHIN_S, MOST_S, VARIABLE, DeadMan
from monitor.errors import ConfigError, ControlError, MonitorError, Problem

if TYPE_CHECKING:
    from monitor.app import Daemon
    from monitor.cli.voice import Voice
    from monitor.config import Settings


@guarded
def run(
    context: typer.Context,
    config: ConfigOption = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            "--journal",
            metavar="FILE",
            help="Record what enters the engine, for `replay`; an earlier file of this name is kept.",
        ),
    ] = None,
    end_when_stuck: Annotated[
        str | None,
        typer.Option(
            "--end-when-stuck",
            metavar="SECONDS",
            envvar=VARIABLE,
            help="End with code 1 once a part has stood still so long, 5 to 86400, for whoever starts it anew.",
        ),
    ] = None,
) -> int:
    """Watch the configured positions until told to stop."""
    from monitor.cli.voice import Voice

    voice = Voice(verbose=globals_of(context).verbose)
    try:
        dead_man = _dead_man(context, config, end_when_stuck, voice)
        daemon = _made(_loaded(context, config, voice), voice, journal, dead_man)
    except MonitorError as error:
        if not voice.as_json:
            raise
        voice.tell(error)
        return MISUSED if isinstance(error, ConfigError) else FAILED
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(serve(daemon))
    except MonitorError as error:
        voice.tell(error)
        # Where the state directory cannot be used starting it again cannot help, so a supervisor must not. Else
        # everything was drained, and whatever started this process starts a clean one.
        return MISUSED if isinstance(error, (ConfigError, ControlError)) else FAILED
    except ExceptionGroup as group:
        for each in group.exceptions:
            voice.tell(each)
        return FAILED
    return 0


def wanted_s(text: str | None, environ: Mapping[str, str]) -> float | None:
    """Return after how many seconds of standing still it is to end, from LEAST_S to MOST_S; None: never.

    Raises:
        ConfigError: that is no such time.
    """
    if text is None:
        return None
    from monitor.config import durations

    by_variable = environ.get(VARIABLE) == text
    stripped = text.strip()
    if by_variable and not stripped:
        return None
    asked_s = durations.seconds(stripped)
    if asked_s is None:
        asked_s = durations.seconds(f"{stripped}s")
    if asked_s is not None and LEAST_S <= asked_s <= MOST_S:
        return asked_s
    source, path = ("environment", VARIABLE) if by_variable else ("command line", "--end-when-stuck")
    allowed = f"{LEAST_S:g} to {MOST_S:g} seconds, such as 60 or 60s"
    raise ConfigError(source, [Problem(path, repr(text[:40]), allowed, "")])


def _dead_man(context: typer.Context, config: Path | None, text: str | None, voice: "Voice") -> DeadMan | None:
    try:
        within_s = wanted_s(text, os.environ)
    except ConfigError:
        voice.guess(config or globals_of(context).config, os.environ)
        raise
    if within_s is None:
        return None
    dead_man = DeadMan(within_s)
    dead_man.within(LOADING_WITHIN_S)
    return dead_man


def _loaded(context: typer.Context, config: Path | None, voice: "Voice") -> "Settings":
    try:
        settings = load(context, config)
    except ConfigError:
        voice.guess(config or globals_of(context).config, os.environ)
        raise
    voice.listen_to(settings.log)
    return settings


def _made(settings: "Settings", voice: "Voice", journal: Path | None, dead_man: DeadMan | None) -> "Daemon":
    from monitor import logs
    from monitor.cli.planning import opened_channels
    from monitor.cli.wiring import build_daemon
    from monitor.config import resolve_secrets
    from monitor.system_clock import SystemClock

    # Read once: what a reload compares with later has to be what channels and clients were made of.
    secrets = resolve_secrets(settings, os.environ)
    channels = opened_channels(settings, secrets, secrets.channel_urls)
    log = logs.get_logger()
    for warning in (*settings.warnings, *secrets.warnings):
        log.warning("config.warning", text=warning)
    return build_daemon(
        settings, channels, secrets=secrets, clock=SystemClock(), environ=os.environ, journal=journal,
        dead_man=dead_man, config=Path(settings.source).absolute(),
        adopted=lambda chosen: voice.listen_to(chosen.log),
    )  # fmt: skip


class Loop(asyncio.SelectorEventLoop):
    """The usual one, which ends well also where the system has no thread left."""

    async def shutdown_default_executor(self, *timeout: Any) -> None:  # noqa: ANN401 - as long as is usual
        """Wait for the threads of the loop, in one more thread if there is one."""
        with suppress(RuntimeError):
            await super().shutdown_default_executor(*timeout)


async def serve(daemon: "Daemon") -> None:
    """Run a daemon; SIGTERM and SIGINT begin its drain, SIGHUP has its configuration read again.

    SIGHUP of a terminal that is closed begins the drain too: whoever closed it takes the daemon for ended. One
    that went without a word is forgotten, and a later SIGHUP is a reload.
    """
    loop = asyncio.get_running_loop()
    hangups = Hangups(stop=daemon.stop, reload=daemon.hang_up, later=loop.call_later)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    # Not by the loop: when it lets go of a handler, the signal would end the process for a moment.
    signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(hangups.hung_up))
    if early.hung_up:
        hangups.hung_up()  # the file may have been read before
    hangups.look()
    try:
        await daemon.run()
    finally:
        # One that comes as everything ends must not end it in another way.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
