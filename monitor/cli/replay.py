"""``replay``: run a journal through the engine again and print what it decided."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from monitor.cli.common import JsonOption, console, globals_of, guarded

if TYPE_CHECKING:
    from monitor.core.incidents import Effects
    from monitor.core.model import Now


@guarded
def replay(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A journal written by `run --journal FILE`.")],
    json: JsonOption = False,
) -> int:
    """Run a recorded journal again and print the same transitions and notices."""
    as_json = json or globals_of(context).json
    events = transitions = notices = 0
    out = console()
    for now, effects in replayed(file):
        events += 1
        transitions += len(effects.transitions)
        notices += len(effects.notices)
        for change in (*effects.transitions, *effects.notices):
            if as_json:
                kind = type(change).__name__.lower()
                line = msgspec.json.encode({"at_ms": now.wall_ms, kind: change})
                sys.stdout.write(line.decode() + "\n")
        if not as_json:
            for t in effects.transitions:
                out.print(f"{_time(now)}  {t.subject}: {t.previous.label} -> {t.level.label}", markup=False)
            for n in effects.notices:
                out.print(f"{_time(now)}  notice {n.key} -> {n.channel}: {n.kind} {n.level.label}", markup=False)
    if not as_json:
        out.print(f"{events} events, {transitions} transitions, {notices} notices.", markup=False)
    return 0


def replayed(file: Path) -> "Iterator[tuple[Now, Effects]]":
    """Yield what the engine decides at each event of a journal.

    Raises:
        JournalError: the journal cannot be read; names the line.
    """
    from monitor.core.engine import Engine
    from monitor.journal import read_journal

    engine = Engine()
    for entry in read_journal(file):
        yield entry.now, engine.step(entry.event, entry.now)


def _time(now: "Now") -> str:
    import datetime as dt

    moment = dt.datetime.fromtimestamp(now.wall_ms / 1000, tz=dt.UTC)
    return moment.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")
