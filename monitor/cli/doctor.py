"""``doctor``: one screen that checks everything watching takes, and says what to do about what fails."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.common import (
    FAILED,
    ConfigOption,
    JsonOption,
    console,
    counted,
    globals_of,
    guarded,
    load,
    print_json,
)

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.doctor.checks import Send
    from monitor.doctor.finding import Finding

_STYLES = {"ok": "green", "warn": "yellow", "FAIL": "bold red", "unknown": "magenta"}


@guarded
def doctor(
    context: typer.Context,
    config: ConfigOption = None,
    send: Annotated[
        bool, typer.Option("--send", help="Send a test message through every channel as well.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Check clock, hosts, routes, keys, figures, channels and disk, and say what to do about each failure.

    Nothing is changed, and without --send nothing is sent. Exit code 1 when anything fails.
    """
    from random import Random

    from monitor.cli.exchange import client_factory
    from monitor.cli.wiring import state_problems
    from monitor.config import gather_secrets
    from monitor.doctor.checks import ORDER, checks_of, healthy
    from monitor.doctor.finding import examine
    from monitor.system_clock import SystemClock

    settings = load(context, config)
    plain = json or globals_of(context).json
    secrets, problems = gather_secrets(settings, os.environ)
    clock = SystemClock()
    checks = checks_of(
        settings,
        secrets,
        problems,
        unusable=state_problems(settings, os.environ),
        environ=os.environ,
        clock=clock,
        client_of=client_factory(settings, clock, Random()),  # noqa: S311 - spreads retries, guards nothing
        send=_sender(settings) if send else None,
        unwell=partial(_unwell, settings),
    )
    with _progress(plain=plain) as progress:
        found = asyncio.run(examine(checks, progress))
    ordered = sorted(found, key=lambda one: ORDER.index(one.area))
    if plain:
        print_json({"healthy": healthy(ordered), "findings": ordered})
    else:
        _print(ordered)
    return 0 if healthy(ordered) else FAILED


def _unwell(settings: "Settings", document: object) -> "Iterable[Finding]":
    from monitor.cli.unwell import unwell_with

    return unwell_with(settings, document)


def _sender(settings: "Settings") -> "Send":
    from monitor.cli.trial import send_all
    from monitor.notify.apprise import AppriseChannel
    from monitor.notify.reasons import in_words

    async def send(channels: Sequence[AppriseChannel]) -> dict[str, str]:
        outcomes = await send_all(channels, settings.exchange.environment)
        return {name: in_words(reason) if reason else "" for name, reason in outcomes.items()}

    return send


@contextmanager
def _progress(*, plain: bool) -> "Iterator[Callable[[Sequence[str]], None]]":
    """Show what is still being checked, on a terminal only and only until it is."""
    if plain or not sys.stderr.isatty():
        yield lambda _: None
        return
    with console(stderr=True).status("checking") as status:
        yield lambda running: status.update(f"checking {', '.join(running)}")


def _print(found: "Sequence[Finding]") -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for place, one in enumerate(found):
        words = Text(f"{one.subject}: {one.found}" if one.subject else one.found)
        again = found[place + 1 :][:1]
        # Said once, after the last of those beside one another that need the same.
        if one.fix and not (again and (again[0].area, again[0].fix) == (one.area, one.fix)):
            words.append(f"\ndo: {one.fix}", style="bold" if one.state.value == "FAIL" else "dim")
        table.add_row(Text(one.state.value, _STYLES[one.state.value]), Text(one.area), words)
    out.print(table)
    counts = {state: sum(one.state.value == state for one in found) for state in _STYLES}
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    out.print()
    out.print(f"{counted(len(found), 'check')}: {said}.", style=_STYLES["FAIL" if counts["FAIL"] else "ok"])
