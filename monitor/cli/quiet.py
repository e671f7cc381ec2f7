"""Wishes for quiet in words: what one just asked for, and what is in force."""

import datetime as dt
from collections.abc import Sequence

from rich.console import Console

from monitor.cli.tables import Column, FittedTable, level_text
from monitor.commands import WHY_CHARS, Answer, Covered, Granted, in_words
from monitor.core.model import Level
from monitor.core.notices import Hold, HoldKind
from monitor.ledger import HoldRow
from monitor.notify.numbers import span
from monitor.notify.subjects import subject_name
from monitor.notify.times import days_differ, local_time
from monitor.notify.words import clean

_SHOWN = 10
_NAMED = 3
_SYMBOLS = 3

_STATES = {HoldKind.ACK: "acknowledged", HoldKind.SNOOZE: "snoozed", HoldKind.MUTE: "muted"}
_ENDS = {
    "expired": "its time was up",
    "lifted": "taken back",
    "worsened": "it got worse",
    "over": "the alert was over",
    "replaced": "replaced by another",
}
_QUIET = {
    HoldKind.ACK: "reminders and escalation",
    HoldKind.SNOOZE: "reminders, escalation, and alerts no worse than these",
    HoldKind.MUTE: "reminders, escalation, alerts no worse than these, and changes of positions",
}


def print_answer(answer: Answer, out: Console, zone: dt.tzinfo | None, now_ms: int) -> None:
    """Print what was made or lifted, what it covers, and what is told all the same."""
    for one in answer.lifted:
        out.print(f"No longer {_STATES[one.kind]}: {in_words(one.target)}.", markup=False)
    if not answer.made and not answer.lifted:
        out.print("Nothing was snoozed or muted.")
    for group in _same(answer.made):
        _print_made(group, out, zone, now_ms)
    if answer.made and not answer.daemon:
        out.print("No daemon is running; the next one will know.", style="yellow")


def print_in_force(holds: Sequence[Hold], out: Console, zone: dt.tzinfo | None, now_ms: int) -> None:
    """Print the holds in force, a line for each wish, and a blank one after them; nothing if there are none."""
    for line in in_force(holds, zone, now_ms):
        out.print(line, style="yellow", markup=False, soft_wrap=not out.is_terminal)
    if holds:
        out.print()


def in_force(holds: Sequence[Hold], zone: dt.tzinfo | None, now_ms: int) -> list[str]:
    """Return the holds in force, a line for each wish."""
    wishes: dict[tuple[object, ...], list[Hold]] = {}
    for hold in holds:
        # Several alerts acknowledged by one command are one wish.
        wishes.setdefault((hold.kind, hold.made_ms, hold.until_ms, hold.by, hold.why), []).append(hold)
    return [
        f"{_STATES[one.kind].capitalize()} until {until(one.until_ms, zone, now_ms)}: "
        f"{_few([hold.target for hold in same])}{_whose_wish(one)}."
        for same in wishes.values()
        for one in same[:1]
    ]


def in_short(hold: Hold | HoldRow, zone: dt.tzinfo | None, now_ms: int) -> str:
    """Return what somebody asked for, such as ``snoozed until 14:02:10+01:00``."""
    day = days_differ(now_ms, hold.until_ms, zone)
    return f"{_STATES[hold.kind]} until {local_time(hold.until_ms, zone, day=day)}"


def in_full(hold: Hold, zone: dt.tzinfo | None, now_ms: int) -> str:
    """Return what somebody asked for, when, of what, whose wish it was and why, and how it ended."""
    made = local_time(hold.made_ms, zone, day=days_differ(now_ms, hold.made_ms, zone))
    text = f"{made}  {in_short(hold, zone, now_ms)}: {in_words(hold.target)}{_whose_wish(hold)}"
    if hold.ended_ms is None:
        return text
    day = days_differ(hold.made_ms, hold.ended_ms, zone)
    return f"{text}; {_ENDS.get(hold.ended, hold.ended)} {local_time(hold.ended_ms, zone, day=day)}"


def _whose_wish(hold: Hold) -> str:
    by = f", by {clean(hold.by)}" if hold.by else ""
    return f'{by}, "{clean(hold.why, WHY_CHARS)}"' if hold.why else by


def until(at_ms: int, zone: dt.tzinfo | None, now_ms: int) -> str:
    """Return a time to come and how long that is, such as ``14:02:10+01:00 (in 30 min)``."""
    day = days_differ(now_ms, at_ms, zone)
    left_s = (at_ms - now_ms) / 1000
    return f"{local_time(at_ms, zone, day=day)} (in {span(round(left_s / 60) * 60 if left_s > 90 else left_s)})"  # noqa: PLR2004


def _same(made: Sequence[Granted]) -> list[list[Granted]]:
    """Return acknowledgements of several alerts together, everything else on its own."""
    acks = [one for one in made if one.kind is HoldKind.ACK]
    return [*([acks] if acks else []), *([one] for one in made if one.kind is not HoldKind.ACK)]


def _print_made(group: Sequence[Granted], out: Console, zone: dt.tzinfo | None, now_ms: int) -> None:
    first = group[0]
    what = _few([one.target for one in group])
    out.print(
        f"{_STATES[first.kind].capitalize()} until {until(first.until_ms, zone, now_ms)}: {what}.", markup=False
    )
    covers = sorted((covered for one in group for covered in one.covers), key=_badness, reverse=True)
    if not covers:
        out.print("No alert is open there, so nothing is held back: what crosses a level is told.")
        return
    shown = covers[:_SHOWN]
    out.print(
        FittedTable(
            (
                Column("alert", [str(one.number) for one in shown], right=True),
                Column("level", [level_text(one.level) for one in shown]),
                Column("whose", [subject_name(one.subject) for one in shown]),
                Column("symbols", [_symbols(one) for one in shown], 1),
                Column("since", [local_time(one.since_ms, zone) for one in shown], 2),
            )
        )
    )
    if len(covers) > len(shown):
        out.print(f"and {len(covers) - len(shown)} more")
    out.print(
        f"Held back: {_QUIET[first.kind]}. Told all the same: whatever gets worse, and how it ends.", markup=False
    )


def _few(targets: Sequence[str]) -> str:
    return f"{len(targets)} alerts" if len(targets) > _NAMED else ", ".join(map(in_words, targets))


def _badness(covered: Covered) -> Level:
    return Level[covered.level.upper()]


def _symbols(covered: Covered) -> str:
    names, more = covered.symbols, len(covered.symbols) - _SYMBOLS
    return ", ".join(names[:_SYMBOLS]) + (f" +{more} more" if more > 0 else "")
