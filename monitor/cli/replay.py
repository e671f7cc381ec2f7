"""``replay``: run a journal through the engine again and print what it decided."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from monitor.cli.common import JsonOption, console, counted, globals_of, guarded, print_json_line

if TYPE_CHECKING:
    from monitor.core.incidents import Effects
    from monitor.core.model import Now
    from monitor.core.notices import Notice, Transition


@guarded
def replay(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A journal written by `run --journal FILE`.")],
    json: JsonOption = False,
) -> int:
    """Run a recorded journal again and print the same transitions and notices.

    With --json one object a line, in order: {"at_ms": ..., "transition": {...}} or {"at_ms": ..., "notice":
    {...}}, with levels by name and times as Unix milliseconds.
    """
    as_json = json or globals_of(context).json
    events = transitions = notices = 0
    out = console()
    for now, effects in replayed(file):
        events += 1
        transitions += len(effects.transitions)
        notices += len(effects.notices)
        if as_json:
            changes: tuple[Transition | Notice, ...] = (*effects.transitions, *effects.notices)
            for change in changes:
                kind = type(change).__name__.lower()
                print_json_line({"at_ms": now.wall_ms, kind: _named(change)})
        else:
            for t in effects.transitions:
                out.print(f"{_time(now)}  {t.subject}: {t.previous.label} -> {t.level.label}", markup=False)
            for n in effects.notices:
                out.print(f"{_time(now)}  notice {n.key} -> {n.channel}: {n.kind} {n.level.label}", markup=False)
    if not as_json:
        told = (counted(events, "event"), counted(transitions, "transition"), counted(notices, "notice"))
        out.print(f"{', '.join(told)}.", markup=False)
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


def _named(change: "Transition | Notice") -> dict[str, object]:
    """Return a change for programs: levels by their names, as in every other document."""
    document: dict[str, object] = msgspec.to_builtins(change)
    return document | {"level": change.level.label, "previous": change.previous.label}


def _time(now: "Now") -> str:
    import datetime as dt

    moment = dt.datetime.fromtimestamp(now.wall_ms / 1000, tz=dt.UTC)
    return moment.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")
