"""``alerts``: what was told to whom and what became of it; works beside a running daemon or without one."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.common import ConfigOption, JsonOption, console, globals_of, guarded, misuse, print_json
from monitor.cli.despite import load_recorded
from monitor.errors import ControlError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from monitor.cli.ledger import Story
    from monitor.config import Settings
    from monitor.core.notices import Hold, SubjectState
    from monitor.ledger import IncidentRow, Wanted
    from monitor.storage.outbox import OutboxRow
    from monitor.storage.state_reader import StateReader

    Wallets = Mapping[str, tuple[str, ...]]  # the symbols each holds now, by subject

_ROWS = 20
_MOST_ROWS = 10_000
_NEWEST = 50  # messages of an incident, of which one names its symbols
_ANSWER_S = 1.0  # that the daemon has to tell whether all of it is there


@guarded
def alerts(  # noqa: PLR0917 - typer passes options by name
    context: typer.Context,
    number: Annotated[
        int | None,
        typer.Option("--number", metavar="N", min=1, help="The whole story of one alert, each attempt included."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="What is open now, the worst first.")] = False,
    last: Annotated[
        int | None,
        typer.Option("--last", metavar="N", min=1, max=_MOST_ROWS, help="How many; 20, or all with --json."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DURATION", help='How far back, such as "2h" or "7d".')
    ] = None,
    channel: Annotated[str | None, typer.Option("--channel", metavar="NAME", help="Only to this channel.")] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", metavar="SYMBOL", help="Only about this one.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Show what was told to whom, and what is open.

    One line for each message and channel, the newest last. Kept for 90 days.
    """
    from monitor.cli.ledger import print_open, print_rows, print_story, story_as_json
    from monitor.cli.quiet import print_in_force
    from monitor.ledger import hold_rows, told_row
    from monitor.storage.paths import STATE_DB
    from monitor.storage.state_reader import StateReader
    from monitor.system_clock import SystemClock

    now_ms = SystemClock().wall_ms()
    since_ms = 0 if since is None else now_ms - _length_ms(since)
    if number is not None and open_:
        raise misuse("--number", "together with --open", "one of the two")
    settings = load_recorded(context, config)
    state = settings.state_directory(os.environ)
    as_json = json or globals_of(context).json
    limit = last or (_MOST_ROWS if as_json else _ROWS)
    out, zone = console(), settings.display.zone()
    with StateReader(state / STATE_DB) as reader:
        wallets, missing = _wallets(settings, state), _missing(state)
        wanted = _wanted(reader, settings, since_ms, channel, (symbol or "").upper(), wallets)
        if number is not None:
            story = _story(reader, number, wanted, wallets, missing)
            if as_json:
                print_json(story_as_json(story))
                return 0
            _print_missing(missing, out)
            print_story(story, out, zone, now_ms)
            return 0
        holds = [hold for hold in reader.holds() if hold.until_ms > now_ms]
        incidents = _incidents(reader, holds, wallets) if open_ else []
        rows = [row for row in reader.alerts(limit=_MOST_ROWS) if wanted.takes(row)][:limit]
    if as_json:
        found: dict[str, object] = {"open": incidents[:limit]} if open_ else {"alerts": list(map(told_row, rows))}
        print_json({"holds": hold_rows(holds), **found, "incomplete": missing})
        return 0
    _print_missing(missing, out)
    print_in_force(holds, out, zone, now_ms)
    if missing and not (incidents if open_ else rows):
        return 0  # that there was nothing is not known
    if open_:
        print_open(incidents, out, zone, now_ms, limit=limit)
    else:
        print_rows(rows[::-1], out, zone, now_ms)
    return 0


def _missing(state: "Path") -> str | None:
    """Return why the newest are not in the file: the running daemon cannot write it. None if it can, or none runs.

    What went out meanwhile is written once it can.
    """
    from monitor.control import ask
    from monitor.ledger import incomplete

    try:
        status = ask(state, {"command": "status"}, _ANSWER_S)
        reason = status["unwritable"].get("state")
    except (ControlError, AttributeError, KeyError, TypeError):
        return None  # nobody to ask
    return None if reason is None else incomplete(reason)


def _print_missing(missing: str | None, out: "Console") -> None:
    if missing is not None:
        out.print(missing, style="bold red", markup=False)


def _wallets(settings: "Settings", state: "Path") -> "Wallets":
    from monitor.cli.alone import backed
    from monitor.storage.account_cache import AccountCache

    return backed((*settings.accounts, *AccountCache(state).load()))


def _length_ms(text: str) -> int:
    from monitor.config.durations import SHAPE, seconds

    length_s = seconds(text)
    if length_s is None:
        raise misuse("--since", repr(text[:60]), SHAPE)
    return round(length_s * 1000)


def _wanted(  # noqa: PLR0917 - what the options say
    reader: "StateReader",
    settings: "Settings",
    since_ms: int,
    channel: str | None,
    symbol: str,
    wallets: "Wallets",
) -> "Wanted":
    """Return what is asked for; a channel that no message ever went to is a mistake, a calm symbol is not.

    Raises:
        ConfigError: there is no such channel.
    """
    from monitor.config.problems import listed, nearest
    from monitor.ledger import Wanted

    known = list(
        dict.fromkeys((*(one.name for one in settings.channels), *(row.channel for row in reader.counts())))
    )
    if channel is not None and channel not in known:
        raise misuse("--channel", repr(channel[:60]), f"a channel: {listed(known)}", nearest(channel, known))
    return Wanted(since_ms, channel or "", symbol, {wallet for wallet, held in wallets.items() if symbol in held})


def _story(
    reader: "StateReader", number: int, wanted: "Wanted", wallets: "Wallets", missing: str | None
) -> "Story":
    """Return one incident.

    Raises:
        ControlError: nothing was ever told of it, or not what is asked for.
    """
    from monitor.cli.ledger import Story, Told
    from monitor.core.model import Level
    from monitor.ledger import symbols_of

    rows = [row for row in reader.alerts(limit=_MOST_ROWS, number=number) if wanted.takes(row)][::-1]
    if not rows:
        known = missing or "`alerts` lists what was"
        raise ControlError(f"nothing was told of an alert {number} as far as is recorded; {known}")
    states = {one.subject: one for one in reader.subjects() if one.number == number and one.level > Level.OK}
    now = states.get(rows[0].subject)
    symbols = {*wallets.get(rows[0].subject, ()), *(name for row in rows for name in symbols_of(row))}
    return Story(
        number=number,
        told=[Told(row, reader.attempts(row.key, row.channel)) for row in rows],
        holds=[hold for hold in reader.holds(ended=True) if _concerns(hold, number, symbols, rows)],
        level=None if now is None else now.level,
    )


def _concerns(hold: "Hold", number: int, symbols: "Collection[str]", rows: "Sequence[OutboxRow]") -> bool:
    """Return whether somebody's wish was about an incident while it lasted."""
    from monitor.core.holds import ALL, alert_target, symbol_target

    if hold.target == alert_target(number):
        return True
    if hold.target not in {ALL, *map(symbol_target, symbols)}:
        return False
    ended_ms = max((row.ended_ms for row in rows if row.ended_ms is not None), default=None)
    over_ms = hold.until_ms if hold.ended_ms is None else hold.ended_ms
    return over_ms >= rows[0].decided_ms and (ended_ms is None or hold.made_ms <= ended_ms)


def _symbols(reader: "StateReader", one: "SubjectState", wallets: "Wallets") -> tuple[str, ...]:
    """Return the symbols of an open incident: those its wallet holds now, else those that were last told of it."""
    from monitor.ledger import facts_of

    if held := wallets.get(one.subject, ()):
        return held
    told = map(facts_of, reader.alerts(limit=_NEWEST, number=one.number))
    return next(
        (symbols for facts in told if (symbols := facts.symbols or tuple(filter(None, (facts.symbol,))))), ()
    )


def _incidents(reader: "StateReader", holds: "Sequence[Hold]", wallets: "Wallets") -> "list[IncidentRow]":
    """Return the incidents that are open, the worst first."""
    from monitor.core.holds import Holds
    from monitor.core.model import Level
    from monitor.ledger import IncidentRow, hold_row

    kept = Holds()
    kept.restore(holds)
    found = [one for one in reader.subjects() if one.level > Level.OK and one.number]
    return [
        IncidentRow(
            number=one.number, subject=one.subject, level=one.level.label, since_ms=one.since_ms,
            peak=one.peak.label, symbols=(symbols := _symbols(reader, one, wallets)),
            told=tuple(name for name, told in one.told.items() if told.delivered),
            held=None if (held := kept.covering(one.subject, one.number, symbols, one.level)) is None
            else hold_row(held),
        )
        for one in sorted(found, key=lambda one: (-one.level, one.number))
    ]  # fmt: skip
