"""The ledger for people: messages with what became of them, incidents that are open, the story of one."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.text import Text

from monitor.cli.brief import short, span_of
from monitor.cli.quiet import in_full, in_short
from monitor.cli.tables import STYLES, Column, FittedTable, level_text
from monitor.core.model import Level
from monitor.core.notices import Facts, Hold, NoticeKind
from monitor.core.outages import FEED_PREFIX
from monitor.ledger import IncidentRow, facts_of, hold_rows, told_row
from monitor.notify.numbers import span
from monitor.notify.reasons import in_words
from monitor.notify.subjects import subject_name
from monitor.notify.times import days_differ, local_time
from monitor.notify.titles import ending
from monitor.notify.words import clean
from monitor.storage.outbox import AttemptRow, OutboxRow, OutboxState, Outcome

_OFFSET_AT = len("14:02:10")
_GAP = 2  # blanks between columns
_LEAST_NAME = 12
_FIRST, _LAST = 12, 8  # attempts shown of one message


class Told(NamedTuple):
    """A message on one channel with its attempts."""

    row: OutboxRow
    attempts: Sequence[AttemptRow]


class Story(NamedTuple):
    """One incident from its first message to its last, oldest first."""

    number: int
    told: Sequence[Told]
    holds: Sequence[Hold]  # about it, those that ended too
    level: Level | None  # now; None once it is over


def what(row: OutboxRow) -> Text:
    """Return what a message was about, in the colour of its level."""
    words = {
        NoticeKind.ALERT: row.level.label,
        NoticeKind.REMINDER: f"still {row.level.label}",
        NoticeKind.CLOSED: "closed" if row.level is Level.OK else f"down to {row.level.label}",
    }
    return Text(words.get(row.kind, row.kind.value.replace("_", " ")), STYLES[row.level.label])


def state_of(row: OutboxRow) -> str:
    """Return what became of a message, in words."""
    reason = short(row.last_reason)
    match row.state:
        case OutboxState.ACCEPTED:
            return f"accepted +{_delay(row, row.accepted_ms)}"
        case OutboxState.PENDING:
            return f"pending: {reason}" if reason else "pending"
        case OutboxState.REFUSED:
            return f"refused: {reason}" if reason else "refused"
        case OutboxState.SUPERSEDED:
            return "superseded"
        case OutboxState.RESOLVED:
            return "over before delivery"


# Tables


def print_rows(rows: Sequence[OutboxRow], out: Console, zone: dt.tzinfo | None, now_ms: int) -> None:
    """Print one line for each message and channel, oldest first."""
    times = _Times([row.decided_ms for row in rows], zone, now_ms)
    columns = [
        Column("alert", [str(row.number or "-") for row in rows], right=True),
        Column("crossed", [times.at(row.decided_ms) for row in rows]),
        Column("what", [what(row) for row in rows]),
        Column("channel", [clean(row.channel) for row in rows]),
        Column("via", [_via(row) or "-" for row in rows], 3),
        Column("first try", [_delay(row, row.first_attempt_ms) for row in rows], 5, right=True),
        Column("tries", [str(row.attempts) for row in rows], 2, right=True),
        Column("became", [_state_text(row) for row in rows]),
        Column("acknowledged", [times.at(row.acknowledged_ms) for row in rows], 4),
        Column("ended", [times.at(row.ended_ms) for row in rows], 1),
    ]
    # Whose it is must be there however narrow it gets, if need be cut.
    least = sum(column.width + _GAP for column in columns if not column.rank)
    names = [_cut(subject_name(row.subject, facts_of(row)), out.width - least) for row in rows]
    columns.insert(3, Column("whose", names))
    out.print(FittedTable(columns, empty="Nothing was told."))
    times.print(out, " After a + is how long it took from the crossing.")


def print_open(
    incidents: Sequence[IncidentRow], out: Console, zone: dt.tzinfo | None, now_ms: int, *, limit: int
) -> None:
    """Print one line for each open incident, the worst first."""
    shown = incidents[:limit]
    times = _Times([one.since_ms for one in shown], zone, now_ms)
    out.print(_open_table(shown, times, zone, now_ms))
    if len(incidents) > limit:
        out.print(f"and {len(incidents) - limit} more; `alerts --open --last {len(incidents)}` lists all")
    times.print(out)


def open_table(incidents: Sequence[IncidentRow], zone: dt.tzinfo | None, now_ms: int) -> FittedTable:
    """Return one row for each open incident; where all times have the same offset it is left out."""
    return _open_table(incidents, _Times([one.since_ms for one in incidents], zone, now_ms), zone, now_ms)


def _open_table(shown: Sequence[IncidentRow], times: "_Times", zone: dt.tzinfo | None, now_ms: int) -> FittedTable:
    more = (
        Column("worst", [level_text(one.peak) for one in shown], 4),
        Column("told", [_few(one.told) or "nobody" for one in shown], 2),
    )
    quiet = [in_short(one.held, zone, now_ms) if one.held else "-" for one in shown]
    return FittedTable(
        (
            Column("alert", [str(one.number) for one in shown], right=True),
            Column("level", [level_text(one.level) for one in shown]),
            Column("since", [times.at(one.since_ms) for one in shown]),
            Column("whose", [subject_name(one.subject, Facts()) for one in shown]),
            Column("symbols", [_few(one.symbols) or _no_symbols(one.subject) for one in shown], 3),
            *(more if any(one.peak for one in shown) else ()),
            Column("quiet", quiet, 1, names=True, worth=True),
        ),
        empty="No alert is open.",
    )


def print_story(story: Story, out: Console, zone: dt.tzinfo | None, now_ms: int) -> None:
    """Print one incident: how it stands, what people asked for, and each message with its attempts."""
    rows = [told.row for told in story.told]
    worst = max(rows, key=lambda row: row.level)
    first, newest = rows[0], rows[-1]
    wallet = "" if first.subject.startswith("/") else f", wallet {clean(first.subject)}"
    out.print(
        Text.assemble(
            (f"Alert {story.number}", "bold"), f"  {subject_name(first.subject, facts_of(worst))}{wallet}"
        )
    )
    out.print(_course(story, zone, now_ms), soft_wrap=not out.is_terminal)
    for hold in story.holds:
        out.print(in_full(hold, zone, now_ms), style="yellow", markup=False, soft_wrap=not out.is_terminal)
    out.print()
    times = _Times([row.decided_ms for row in (first, newest)], zone, now_ms)
    channels = [f"{clean(row.channel)} {_via(row)}".strip() for row in rows]
    widest, kinds = max(map(len, channels)), [what(row) for row in rows]
    space = max(kind.cell_len for kind in kinds)
    for told, kind, channel in zip(story.told, kinds, channels, strict=True):
        moment, gap = times.at(told.row.decided_ms), " " * (space - kind.cell_len + 2)
        line = Text.assemble(f"{moment}  ", kind, gap, f"{channel:<{widest}}  ", _state_text(told.row))
        out.print(line, soft_wrap=not out.is_terminal)
        _print_attempts(told, out)


def _course(story: Story, zone: dt.tzinfo | None, now_ms: int) -> str:
    """Return how an incident went, from its beginning to how it stands or ended."""
    rows = [told.row for told in story.told]
    first_ms = rows[0].decided_ms
    worst = max(row.level for row in rows)
    opened = f"Opened {local_time(first_ms, zone, day=days_differ(now_ms, first_ms, zone))}"
    if (crossed_ms := rows[0].crossed_ms) is not None:
        opened += f", {span_of(first_ms - crossed_ms)} after the exchange's mark"
    opened += f"; worst {worst.label}"
    if story.level is not None:
        return f"{opened}; open at {story.level.label}."
    ended_ms = max((row.ended_ms for row in rows if row.ended_ms is not None), default=None)
    if ended_ms is None:
        return f"{opened}."
    endings = [row for row in rows if row.kind is NoticeKind.CLOSED and row.level is Level.OK]
    how = f" {ending(facts_of(endings[-1])).words.lower()}" if endings else ""
    day = days_differ(first_ms, ended_ms, zone)
    return (
        f"{opened}; ended{how} {local_time(ended_ms, zone, day=day)}, after {span((ended_ms - first_ms) / 1000)}."
    )


def _print_attempts(told: Told, out: Console) -> None:
    """Print the attempts of a message that was not simply accepted; of very many the first and the last."""
    attempts = told.attempts
    if len(attempts) == 1 and attempts[0].outcome is Outcome.ACCEPTED:
        return
    shown = list(attempts)
    if len(shown) > _FIRST + _LAST:
        shown = [*shown[:_FIRST], *shown[-_LAST:]]
    before = 0
    for one in shown:
        if one.ordinal > before + 1:
            out.print(f"{'':10}... {one.ordinal - before - 1} more", style="dim")
        before = one.ordinal
        took = span_of(one.ended_ms - one.started_ms)
        reason = f": {in_words(one.reason)}" if one.reason else ""
        out.print(
            f"{'':10}{one.ordinal:>3}  {_after(told.row, one.started_ms):>9}  {one.outcome.value}{reason}, "
            f"took {took}",
            style="dim", markup=False, soft_wrap=not out.is_terminal,
        )  # fmt: skip


class _Times:
    """Times of one table: the day where one is of another day, the offset below it if all have the same."""

    def __init__(self, moments_ms: Sequence[int], zone: dt.tzinfo | None, now_ms: int) -> None:
        self._zone = zone
        self._day = any(days_differ(now_ms, at_ms, zone) for at_ms in moments_ms)
        offsets = {local_time(at_ms, zone)[_OFFSET_AT:] for at_ms in moments_ms}
        self._same = len(offsets) == 1
        self._offset = offsets.pop() if self._same else ""

    def at(self, at_ms: int | None) -> str:
        """Return a moment, ``-`` for None."""
        if at_ms is None:
            return "-"
        offset = local_time(at_ms, self._zone)[_OFFSET_AT:]
        text = local_time(at_ms, self._zone, day=self._day)
        return text.removesuffix(offset) if self._same else text

    def print(self, out: Console, words: str = "") -> None:
        """Print the offset, if it is in no time of day."""
        if self._offset:
            out.print(f"Times are {self._offset}.{words}", style="dim")


# Documents


def story_as_json(story: Story) -> dict[str, object]:
    """Return one incident as a program reads it."""
    return {
        "number": story.number,
        "subject": story.told[0].row.subject,
        "level": None if story.level is None else story.level.label,
        "alerts": [msgspec.structs.asdict(told_row(told.row)) | {"tried": told.attempts} for told in story.told],
        "holds": hold_rows(story.holds),
    }


def _via(row: OutboxRow) -> str:
    """Return why a channel was told what it did not ask for; empty if it did."""
    name = facts_of(row).via
    return f"for {clean(name.removeprefix('fallback:'))}" if name.startswith("fallback:") else clean(name)


def _delay(row: OutboxRow, at_ms: int | None) -> str:
    """Return how long after the decision something happened, ``-`` if it did not."""
    return "-" if at_ms is None else span_of(at_ms - row.decided_ms)


def _after(row: OutboxRow, at_ms: int) -> str:
    return f"+{_delay(row, at_ms)}"


_STATE_STYLES = {OutboxState.ACCEPTED: "green", OutboxState.PENDING: "yellow", OutboxState.REFUSED: "bold red"}


def _state_text(row: OutboxRow) -> Text:
    return Text(state_of(row), _STATE_STYLES.get(row.state, ""))


def _cut(text: str, cells: int) -> str:
    cells = max(cells, _LEAST_NAME)
    return text if len(text) <= cells else f"{text[: cells - 1]}…"


def _no_symbols(subject: str) -> str:
    # Nobody was told, so that nothing says which: of a feed it has some all the same.
    return "not recorded" if subject.startswith(FEED_PREFIX) else "-"


def _few(names: Sequence[str], most: int = 3) -> str:
    more = f" +{len(names) - most}" if len(names) > most else ""
    return ", ".join(map(clean, names[:most])) + more
