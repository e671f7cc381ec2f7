"""``ack``, ``snooze``, ``mute`` and ``unsnooze``: quiet for a time, through the running daemon or without one."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.common import (
    FAILED,
    ConfigOption,
    JsonOption,
    complain,
    console,
    globals_of,
    guarded,
    load,
    misuse,
    print_json,
)
from monitor.cli.despite import told
from monitor.errors import ControlError, NotRunningError

if TYPE_CHECKING:
    import datetime as dt

    from monitor.commands import Answer
    from monitor.config import Settings
    from monitor.core.notices import HoldKind

WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help="Kept with it, for whoever looks later.")]


@guarded
def ack(  # noqa: PLR0917 - typer passes options by name
    context: typer.Context,
    numbers: Annotated[
        list[str], typer.Argument(metavar="N", help="Numbers of open alerts, or `all` that are open now.")
    ],
    length: Annotated[
        str, typer.Option("--for", metavar="DURATION", help='Until when at the latest, up to "24h".')
    ] = "12h",
    why: WhyOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Say that you have seen alerts.

    No reminders and no escalation until they get worse, are over, or the time is up.
    """
    from monitor.core.notices import HoldKind

    asked = ["all"] if "all" in numbers else [_number(word) for word in numbers]
    return _hold(context, config, HoldKind.ACK, asked, _seconds(HoldKind.ACK, length, "--for"), why=why, json=json)


@guarded
def snooze(  # noqa: PLR0917 - typer passes options by name
    context: typer.Context,
    targets: Annotated[list[str], typer.Argument(metavar="TARGET", help="Numbers of open alerts, or symbols.")],
    length: Annotated[str, typer.Argument(metavar="DURATION", help='Such as "30m" or "2h", up to "24h".')],
    why: WhyOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Be quiet about alerts or symbols for a time.

    No reminders, no escalation, and no alert that is no worse than they are now. Whatever gets worse is told, and
    how it ends.
    """
    from monitor.core.notices import HoldKind

    asked, length_s = list(map(_target, targets)), _seconds(HoldKind.SNOOZE, length, "DURATION")
    return _hold(context, config, HoldKind.SNOOZE, asked, length_s, why=why, json=json)


@guarded
def mute(
    context: typer.Context,
    length: Annotated[str, typer.Argument(metavar="DURATION", help='Such as "1h", up to "8h".')],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Kept with it, for whoever looks later.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Be quiet about everything for a time.

    No reminders, no escalation, no changes of positions, and no alert that is no worse than it is now. Whatever
    gets worse is told, and how it ends.
    """
    from monitor.core.notices import HoldKind

    if not why.strip():
        raise misuse("--why", "nothing", "why everything is quiet")
    length_s = _seconds(HoldKind.MUTE, length, "DURATION")
    return _hold(context, config, HoldKind.MUTE, ["all"], length_s, why=why, json=json)


@guarded
def unsnooze(
    context: typer.Context,
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="The number of an alert, a symbol, or all.")
    ] = "all",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """End snoozes and mutes now.

    An acknowledgement cannot be taken back: it ends when its alert gets worse or is over, or its time is up.
    """
    from monitor.cli import alone

    name = target if target == "all" else _target(target)
    answer, zone = _either(
        context,
        config,
        {"command": "lift", "target": name},
        lambda state, settings, now_ms: alone.lift(state, settings, name, now_ms),
    )
    return _tell(context, zone, answer, json=json)


def _hold(
    context: typer.Context,
    config: Path | None,
    kind: "HoldKind",
    targets: Sequence[str],
    length_s: float,
    *,
    why: str,
    json: bool,
) -> int:
    import msgspec

    from monitor.cli import alone
    from monitor.commands import WHY_CHARS, Wish
    from monitor.notify.words import clean

    wish = Wish(kind, tuple(targets), length_s, clean(why, WHY_CHARS), f"uid {os.getuid()}")
    request = {"command": "hold", **msgspec.to_builtins(wish)}
    answer, zone = _either(
        context, config, request, lambda state, settings, now_ms: alone.make(state, settings, wish, now_ms)
    )
    return _tell(context, zone, answer, json=json)


def _seconds(kind: "HoldKind", text: str, option: str) -> float:
    """Return a length within what this kind may last.

    Raises:
        ConfigError: it is none, or too long or too short.
    """
    from monitor.commands import LONGEST_S, SHORTEST_S
    from monitor.config.durations import seconds

    length_s = seconds(text)
    if length_s is None or not SHORTEST_S <= length_s <= LONGEST_S[kind]:
        longest = f"{round(LONGEST_S[kind] / 3600)}h"
        allowed = f'a duration such as "30m" or "2h", from "1m" up to "{longest}"'
        hint = "" if length_s is None else "nothing is silent for ever"
        if text.isascii() and text.isdigit():
            hint = "its unit is missing"
        raise misuse(option, repr(text[:60]), allowed, hint)
    return length_s


def _number(word: str) -> str:
    digits = word.removeprefix("#")
    if not (digits.isascii() and digits.isdigit()):
        raise misuse(
            "N", repr(word[:60]), "the number of an alert, such as 17, or all", "`alerts --open` lists them"
        )
    return _alert(digits)


def _target(word: str) -> str:
    from monitor.core.holds import symbol_target

    digits = word.removeprefix("#")
    if digits.isascii() and digits.isdigit():
        return _alert(digits)
    if word.startswith("#") or not word or not word.isprintable():
        raise misuse("N|SYMBOL", repr(word[:60]), "the number of an alert, such as 17, or a symbol")
    return symbol_target(word.upper())


def _alert(digits: str) -> str:
    from monitor.core.holds import alert_target

    # More digits than any number has: unknown, and no matter for a conversion.
    return alert_target(int(digits[:18]))


# Through the daemon, or on its database


def _either(
    context: typer.Context,
    config: Path | None,
    request: dict[str, Any],
    without: "Callable[[Path, Settings, int], Answer]",
) -> "tuple[Answer, dt.tzinfo | None]":
    """Ask the daemon; where none runs, do it here while none can start. Return the zone of times too, if known.

    Raises:
        ConfigError: the configuration holds mistakes, and no daemon runs with it.
        ControlError: refused, or a daemon runs and does not answer. Then nothing is written beside it.
    """
    import msgspec

    from monitor.commands import Answer
    from monitor.system_clock import SystemClock

    try:
        document, found = told(context, config, request)
    except NotRunningError:
        settings = load(context, config)
        state = settings.state_directory(os.environ)
        return without(state, settings, SystemClock().wall_ms()), settings.display.zone()
    try:
        return msgspec.convert(document, Answer), None if found is None else found.display.zone()
    except msgspec.ValidationError as error:
        raise ControlError(f"the daemon is of another version than this command: {error}") from None


# What came of it


def _tell(context: typer.Context, zone: "dt.tzinfo | None", answer: "Answer", *, json: bool) -> int:
    from monitor.cli.quiet import print_answer
    from monitor.system_clock import SystemClock

    if json or globals_of(context).json:
        print_json(answer)
    else:
        print_answer(answer, console(), zone, SystemClock().wall_ms())
    if not answer.recorded:
        complain("it holds, but state.db did not take it: a restart would forget it")
        return FAILED
    return 0
