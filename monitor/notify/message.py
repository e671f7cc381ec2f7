"""From a notice to words. Pure: one structure, a title and labelled lines, rendered as text, HTML or Markdown.

The title carries the whole story, for it is all a lock screen shows. It is plain text in every format: most
services have a field of its own for it, and those that have not escape it where they join it to the body.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, tzinfo
from itertools import islice

from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.notify.answers import answer_lines
from monitor.notify.bodies import lines_of
from monitor.notify.group import Newest, group_body, group_title, worst_first
from monitor.notify.late import group_late_lines, late_lines, late_words, wants_present, with_present_amounts
from monitor.notify.layout import MAX_CHARS, captioned, escape, fitted, form_of, room_beside, within
from monitor.notify.levels import message_level, notify_type
from monitor.notify.remedies import more_lines
from monitor.notify.titles import headline, title
from monitor.notify.words import DETAIL_CHARS, Line, clean, is_drill
from monitor.ports import Message

__all__ = ["MAX_CHARS", "bare", "escape", "notify_type", "render", "render_group"]

_FALLBACK = "fallback:"
_MOST_REASONS = 3
# There it names the database, the channel or the subject, or has a line of its own.
_DETAIL_ELSEWHERE = (
    NoticeKind.BLIND, NoticeKind.STORAGE, NoticeKind.STORAGE_BACK, NoticeKind.ACCOUNT, NoticeKind.ACCOUNT_BACK,
    NoticeKind.DRIFT_OVER, NoticeKind.CHANNEL, NoticeKind.CHANNEL_BACK, NoticeKind.JOB,
    NoticeKind.JOB_BACK,
)  # fmt: skip


def bare(notice: Notice) -> Message:
    """Return the little that can be said of a notice of which no message could be made."""
    text = f"{notice.level.name} - {clean(notice.subject)}"
    return Message(
        title(notice.facts, text),
        "This message could not be written as it should be; position-monitor alerts shows what it is about.",
        "text",
        message_level(notice),
    )


def render(
    notice: Notice, *, fmt: str, now_ms: int, unrecorded: bool = False, tz: tzinfo = UTC, now: Facts | None = None
) -> Message:
    """Return a notice as a message of at most 4096 UTF-16 units and 20 lines, and shorter for beside a picture.

    Args:
        notice: what was decided.
        fmt: ``text``, ``html`` (Telegram's subset, and ``<br>``) or ``markdown`` (CommonMark).
        now_ms: wall clock at the time of sending; the message says how late it is.
        unrecorded: the notice is not in the database, which is worth knowing when one looks for it later.
        tz: a zone to show beside UTC.
        now: how its wallet is at the time of sending, for a message that is late; None: not known.
    """
    form = form_of(fmt)
    notice = with_present_amounts(notice, now_ms, now)
    whole_title = title(notice.facts, headline(notice), late_words(notice, now_ms, now))
    lines = [
        *_drill_lines(notice),
        *late_lines(notice, now_ms, now),
        *_unrecorded_lines(unrecorded=unrecorded),
        *_via_lines([notice]),
        *lines_of(notice, tz),
        *_note_lines(notice),
    ]
    whole = within([*lines, *answer_lines(notice), *more_lines(notice)])
    body = fitted(whole, form, room_beside(whole_title, form))
    short = [*lines, *answer_lines(notice, brief=True), *more_lines(notice)]
    return Message(
        whole_title, body, form.name, message_level(notice), caption=captioned(short, form, whole_title)
    )


def render_group(
    notices: Sequence[Notice], *, fmt: str, now_ms: int, unrecorded: bool = False, tz: tzinfo = UTC,
    newest: Newest = lambda subject: None,  # noqa: ARG005 - a signature
) -> Message:  # fmt: skip
    """Return one or more notices of any kinds as one message of at most 4096 UTF-16 units and 20 lines.

    It names the worst and how many more there are, and has a line for each that fits. One alone is rendered as
    ``render`` does.

    Args:
        notices: at least one, in any order.
        fmt: as for ``render``.
        now_ms: as for ``render``.
        unrecorded: at least one of them is not in the database.
        tz: as for ``render``.
        newest: by subject, how it is at the time of sending; None: not known.
    """
    ordered = worst_first(notices)
    # To look at a wallet takes a while: what leaves at once, and has all there is to say, does not ask.
    now = newest(ordered[0].subject) if wants_present(ordered[0], now_ms) else None
    if len(ordered) == 1:
        return render(ordered[0], fmt=fmt, now_ms=now_ms, unrecorded=unrecorded, tz=tz, now=now)
    ordered[0] = worst = with_present_amounts(ordered[0], now_ms, now)
    form = form_of(fmt)
    whole_title = group_title(ordered, now_ms, now)
    caveats = [
        *_drill_lines(worst),
        *group_late_lines(ordered, now_ms),
        *_unrecorded_lines(unrecorded=unrecorded, several=True),
        *_via_lines(ordered),
    ]
    room = room_beside(whole_title, form)
    body = group_body(ordered, caveats, form, room, now_ms=now_ms, tz=tz, newest=newest)
    return Message(whole_title, body, form.name, message_level(worst))


# What qualifies all that follows stands first, so that a cut never takes it.


def _drill_lines(notice: Notice) -> Iterator[Line]:
    if is_drill(notice.facts):
        yield Line("Drill", "nothing of this happened; somebody tries out how alerts arrive")


def _unrecorded_lines(*, unrecorded: bool, several: bool = False) -> Iterator[Line]:
    if unrecorded and several:
        yield Line("Unrecorded", "the database did not take all of these; what it lacks is in no history")
    elif unrecorded:
        yield Line("Unrecorded", "the database did not take this alert; it is in no history")


def _via_lines(notices: Sequence[Notice]) -> Iterator[Line]:
    """Yield why a channel is told what it did not ask for."""
    for via in islice(dict.fromkeys(notice.facts.via for notice in notices if notice.facts.via), _MOST_REASONS):
        if via == "escalation":
            yield Line("Why here", "it is critical or worse, and nobody has acknowledged it")
        elif via.startswith(_FALLBACK):
            yield Line(
                "Why here", f"{clean(via.removeprefix(_FALLBACK)) or 'another channel'} has not delivered this"
            )


def _note_lines(notice: Notice) -> Iterator[Line]:
    detail = clean(notice.facts.detail, DETAIL_CHARS)
    if detail and notice.kind not in _DETAIL_ELSEWHERE:
        yield Line("Note", detail)
