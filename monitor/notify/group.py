"""Several notices as one message: the worst in full, the others a line each. Pure."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo
from itertools import chain, islice

from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.notify.answers import group_answer_lines
from monitor.notify.bodies import lines_of, short_lines
from monitor.notify.causes import cause_lines
from monitor.notify.late import is_late, late_words, present_words, wants_present, with_present_amounts
from monitor.notify.layout import MOST_LINES, Form
from monitor.notify.levels import message_level
from monitor.notify.news import forced_word
from monitor.notify.remedies import lacks_amounts, more_lines, pointer_lines
from monitor.notify.titles import TITLE_CHARS, ending, headline, how_far, title
from monitor.notify.words import Line, is_drill, used_up

_TALLIED = 4  # kinds that a title counts one by one
_WORST_LINES = 3  # of a notice that is not about a wallet's danger
_DANGER = (NoticeKind.ALERT, NoticeKind.REMINDER)
_KINDS = {
    NoticeKind.BLIND: "blind feed",
    NoticeKind.SIGHT: "feed back",
    NoticeKind.ACCOUNT: "account not followed",
    NoticeKind.CHANNEL: "channel not delivering",
    NoticeKind.AWAY: "while away",
    NoticeKind.STREAM: "private stream missing",
    NoticeKind.JOB: "part failed",
    NoticeKind.JOB_BACK: "part back",
}
_EXPLAINED = (Line("To do, others", "position-monitor explain SYMBOL says how much where no amount stands here"),)
_ALL_TOLD = "position-monitor alerts --last 1000"
Newest = Callable[[str], Facts | None]


def worst_first(notices: Sequence[Notice]) -> list[Notice]:
    """Return them in the order in which they are told; what really happened stands before any drill."""
    return sorted(notices, key=_place)


def group_title(ordered: Sequence[Notice], now_ms: int, now: Facts | None) -> str:
    """Return the worst one's title and how many more there are: ``, and 23 more (4 critical, 19 warning)``.

    ``now`` is how the wallet of the worst is at the time of sending; None: not known.
    """
    worst, others = ordered[0], ordered[1:]
    more = f", and {len(others)} more ({tally(others, drill=is_drill(worst.facts))})"
    story = headline(worst, TITLE_CHARS - len(more)) + more
    return title(worst.facts, story, late_words(worst, now_ms, now))


def tally(notices: Sequence[Notice], *, drill: bool) -> str:
    """Return how many there are of each kind, in the order given, such as ``4 critical, 19 warning``.

    Unless all of it is a ``drill``, what is one is counted as such.
    """
    counts = Counter("drill" if is_drill(n.facts) and not drill else _kind_words(n) for n in notices)
    words = [f"{count} {kind}" for kind, count in islice(counts.items(), _TALLIED)]
    rest = len(notices) - sum(islice(counts.values(), _TALLIED))
    return ", ".join([*words, f"{rest} other"] if rest else words)


def group_body(
    ordered: Sequence[Notice],
    caveats: Sequence[Line],
    form: Form,
    room: int,
    *,
    now_ms: int,
    tz: tzinfo,
    newest: Newest,
) -> str:
    """Return the body: what qualifies all of it, the worst, a line for each other that fits, and the rest counted.

    Of what is ahead of the worst, the most telling is said as well, where that takes no line from another wallet
    or alone brings a higher level.

    Args:
        ordered: at least two, the worst first.
        caveats: lines that no cut may take.
        form: how lines are written.
        room: UTF-16 units.
        now_ms: wall clock.
        tz: a zone to show beside UTC.
        newest: by subject, how it is now.
    """
    head = [form.written(line) for line in (*caveats, *_worst_lines(ordered[0], tz))]
    others = ordered[1:]
    drill = is_drill(ordered[0].facts)
    told = [_with_amounts(notice, now_ms, newest) for notice in others[:MOST_LINES]]
    rows = [form.written(_row(notice, now, now_ms, drill=drill)) for notice, now in told]
    # Where the worst lacks them itself, its own line says where they are.
    lacking = not lacks_amounts(ordered[0]) and any(
        map(lacks_amounts, (*(notice for notice, _ in told), *others[MOST_LINES:]))
    )
    tail = [form.written(line) for line in (*_EXPLAINED[:lacking], *group_answer_lines(ordered))]
    counting = form.cost(form.written(_more_line(others, drill=drill)))
    kept = _how_many(head, rows, tail, form, room, more=counting)
    for line in _ahead_lines(ordered[0]):
        longer = [*head, form.written(line)]
        left = _how_many(longer, rows, tail, form, room, more=counting)
        if left == kept or _brings_more(ordered[0]):
            head, kept = longer, left
    more = [form.written(_more_line(others[kept:], drill=drill))] if kept < len(others) else []
    lines = (*head, *rows[:kept], *more, *tail)
    if len(lines) < MOST_LINES and not lacking:
        lines += tuple(map(form.written, more_lines(ordered[0])))
    return form.end.join(_whole(lines, form, room))


def _how_many(
    head: Sequence[str], rows: Sequence[str], tail: Sequence[str], form: Form, room: int, *, more: int
) -> int:
    """Return how many rows fit between head and tail; where not all do, one line counts the rest."""
    left = room - sum(map(form.cost, (*head, *tail)))
    lines = MOST_LINES - len(head) - len(tail)
    if len(rows) <= lines and sum(map(form.cost, rows)) <= left:
        return len(rows)
    kept, left = 0, left - more
    for row in rows[: max(0, lines - 1)]:
        left -= form.cost(row)
        if left < 0:
            break
        kept += 1
    return kept


def _whole(lines: Sequence[str], form: Form, room: int) -> Iterator[str]:
    """Yield the lines that fit; one is taken whole or not at all."""
    for line in lines:
        room -= form.cost(line)
        if room < 0:
            return
        yield line


def _place(notice: Notice) -> tuple[bool, int, bool, float]:
    facts = notice.facts
    far, _ = how_far(facts)
    if used_up(facts):
        far = -1.0
    elif far is None or math.isnan(far):
        far = math.inf
    return is_drill(facts), -message_level(notice), notice.kind not in _DANGER, far


def _worst_lines(worst: Notice, tz: tzinfo) -> Iterator[Line]:
    if worst.kind in _DANGER:
        return chain(short_lines(worst.facts, brief=True), pointer_lines(worst))
    return islice(lines_of(worst, tz), _WORST_LINES)


def _ahead_lines(worst: Notice) -> Iterator[Line]:
    """Yield the most telling of what is ahead of the worst wallet."""
    if worst.kind in _DANGER:
        yield from islice(cause_lines(worst.facts), 1)


def _brings_more(worst: Notice) -> bool:
    """Return whether that alone brings a higher level: then it is worth more than the line of another wallet."""
    return worst.facts.ahead[0].level > worst.level


def _with_amounts(notice: Notice, now_ms: int, newest: Newest) -> tuple[Notice, Facts | None]:
    """Return a notice with the amounts of now where it wants them, and how its wallet is where that was asked."""
    now = newest(notice.subject) if wants_present(notice, now_ms) else None
    return with_present_amounts(notice, now_ms, now), now


def _row(notice: Notice, now: Facts | None, now_ms: int, *, drill: bool) -> Line:
    """Return another notice in one line: its level and figure as the label, then who and how far."""
    mark = "DRILL " if is_drill(notice.facts) and not drill else ""
    label, _, text = headline(notice).partition(" - ")
    present = present_words(notice.facts, now) if is_late(notice, now_ms) else ""
    number = f"alert {notice.number}" if notice.number > 0 and not is_drill(notice.facts) else ""
    return Line(f"{mark}{label}", ", ".join(part for part in (text, present, number) if part))


def _more_line(left: Sequence[Notice], *, drill: bool) -> Line:
    # What the exchange closed is told once: no reminder names later what has no line here.
    once = any(notice.kind is NoticeKind.FORCED and not is_drill(notice.facts) for notice in left)
    where = f"; {_ALL_TOLD} names each" if once else ""
    return Line(f"+{len(left)} more", f"{tally(left, drill=drill)}{where}")


def _kind_words(notice: Notice) -> str:
    if notice.kind in _DANGER:
        return notice.level.label
    if notice.kind is NoticeKind.CLOSED:
        return ending(notice.facts).words.lower()
    if notice.kind is NoticeKind.FORCED:
        return forced_word(notice.facts)
    return _KINDS.get(notice.kind, notice.kind.value.replace("_", " "))
