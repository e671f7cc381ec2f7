"""``test-alert``: send one message through the configured channels and say what each answered."""

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.common import FAILED, ConfigOption, JsonOption, globals_of, guarded, load, misuse, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.config import Settings
    from monitor.core.model import Level


@guarded
def alert(
    context: typer.Context,
    channel: Annotated[
        list[str] | None, typer.Option("--channel", metavar="NAME", help="Only this one; may be repeated.")
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(
            "--level",
            metavar="LEVEL",
            help="As loud as notice, warning, critical or emergency; else notice.",
        ),
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Send a test message through every channel.

    It waits for what each answers; the exit code is 1 unless all accepted.
    """
    from monitor.cli.aside import log_to
    from monitor.cli.trial import Trial, show_all
    from monitor.cli.wiring import build_channels

    settings = load(context, config)
    names = chosen_channels(settings, channel or ())
    loudness = _level(level)
    built = build_channels(settings, os.environ).channels
    as_json = json or globals_of(context).json
    trial = Trial([one for one in settings.channels if one.name in names], settings.channels, silent=as_json)
    try:
        with log_to(sys.stderr, "error"), trial:
            chosen = [one for one in built if one.name in names]
            asyncio.run(show_all(chosen, settings.exchange.environment, loudness, trial))
    finally:
        for one in built:
            one.close()
    if as_json:
        print_json({one.name: one.reason or "accepted" for one in trial.outcomes})
    return FAILED if any(one.reason for one in trial.outcomes) else 0


def chosen_channels(settings: "Settings", asked: "Sequence[str]") -> tuple[str, ...]:
    """Return the names of the channels that were asked for, all without any, in the order of the configuration.

    Raises:
        ConfigError: there is no channel at all, or none of this name.
    """
    from monitor.config.problems import listed, nearest

    known = [one.name for one in settings.channels]
    if not known:
        raise misuse("channels", "none in the configuration", "at least one [[channels]] with name and url")
    for name in asked:
        if name not in known:
            raise misuse("--channel", repr(name[:60]), f"a channel: {listed(known)}", nearest(name, known))
    return tuple(name for name in known if not asked or name in asked)


def _level(word: str | None) -> "Level | None":
    from monitor.config.problems import nearest
    from monitor.core.model import Level

    names = [one.label for one in Level if one is not Level.OK]
    if word is None:
        return None
    if word not in names:
        raise misuse("--level", repr(word[:60]), ", ".join(names), nearest(word, names))
    return Level[word.upper()]
