"""``drill``: a scripted incident through the real channels, every message marked DRILL."""

import asyncio
import datetime as dt
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.channels import chosen_channels
from monitor.cli.common import (
    FAILED,
    ConfigOption,
    JsonOption,
    complain,
    counted,
    globals_of,
    guarded,
    load,
    misuse,
    print_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.cli.scenarios import Scenario
    from monitor.config import Settings

_SLOWEST, _FASTEST, _USUAL = 1.0, 120.0, 60.0


@guarded
def drill(  # noqa: PLR0917 - typer passes options by name
    context: typer.Context,
    scenario: Annotated[
        str,
        typer.Option("--scenario", metavar="NAME", help="fall, spike, blind, flap or market: see above."),
    ] = "fall",
    channel: Annotated[
        list[str] | None, typer.Option("--channel", metavar="NAME", help="Only this one; may be repeated.")
    ] = None,
    speed: Annotated[
        float,
        typer.Option("--speed", min=_SLOWEST, max=_FASTEST, help="Minutes of the story in a minute of yours."),
    ] = _USUAL,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before several channels are used.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Play a scripted incident through your channels.

    Every message says DRILL. Nothing of it touches the daemon, its database or the exchange. Fallback, escalation,
    pace and dwell are quickened, so that at the usual speed it is over within a minute; reminders are left out.
    The exit code is 1 unless each message was accepted.

    Scenario fall: one position falls through every level and recovers.

    Scenario spike: a short position is in an emergency within one tick, and a minute later out of it.

    Scenario blind: mark prices stop arriving, and come back.

    Scenario flap: the mark crosses the threshold of a level twenty times, which is worth two messages.

    Scenario market: twenty positions fall together; the first message goes at once, the others in groups.
    """
    from monitor.cli.scenarios import SCENARIOS
    from monitor.config.problems import nearest

    chosen = SCENARIOS.get(scenario)
    if chosen is None:
        raise misuse("--scenario", repr(scenario[:60]), ", ".join(SCENARIOS), nearest(scenario, SCENARIOS))
    settings = load(context, config)
    names = chosen_channels(settings, channel or ())
    as_json = json or globals_of(context).json
    if len(names) > 1 and not yes:
        _confirm(names, asks=sys.stdin.isatty() and not as_json)
    return _play(settings, chosen, names, speed, as_json=as_json)


def _confirm(names: "Sequence[str]", *, asks: bool) -> None:
    if not asks:
        raise misuse("--channel", counted(len(names), "channel"), "one, or --yes with all that are meant")
    typer.confirm(f"Send drill messages to {', '.join(names)}?", abort=True)


def _play(
    settings: "Settings", scenario: "Scenario", names: "Sequence[str]", speed: float, *, as_json: bool
) -> int:
    from monitor.cli.aside import log_to
    from monitor.cli.playbill import Playbill
    from monitor.cli.rehearsal import Rehearsal, quickened
    from monitor.cli.wiring import build_channels
    from monitor.storage.paths import STATE_DB
    from monitor.storage.state import SqliteState
    from monitor.system_clock import SystemClock

    clock = SystemClock()
    channels = build_channels(settings, os.environ).channels
    rules = [one for one in settings.engine.channels if one.name in names]
    bill = Playbill(scenario, rules, speed, silent=as_json, clock=clock)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="position-monitor-drill-") as folder,
            Path(os.devnull).open("w", encoding="utf-8") as nowhere,
            log_to(nowhere),
            bill,
        ):
            rehearsal = Rehearsal(
                scenario, quickened(rules, speed, settings.engine.escalate_after_s),
                [one for one in channels if one.name in names], SqliteState(Path(folder) / STATE_DB, clock), clock,
                speed=speed, told=bill.told, tz=settings.display.zone() or dt.UTC,
            )  # fmt: skip
            rows = asyncio.run(bill.watching(rehearsal.run()))
    finally:
        for one in channels:
            one.close()
    problems = bill.problems(rows)
    if as_json:
        print_json(bill.document(problems))
    for problem in problems:
        complain(problem)
    return FAILED if problems else 0
