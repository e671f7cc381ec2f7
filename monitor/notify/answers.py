"""How to answer an alert: the commands, by its number. Pure."""

from collections.abc import Iterator, Sequence

from monitor.core.model import Level
from monitor.core.notices import Notice, NoticeKind
from monitor.notify.words import FIRST_SEEN, Line, is_drill

_REPEATED = (
    NoticeKind.ALERT, NoticeKind.REMINDER, NoticeKind.BLIND, NoticeKind.STORAGE, NoticeKind.ACCOUNT,
    NoticeKind.DRIFT, NoticeKind.CHANNEL, NoticeKind.STREAM,
)  # fmt: skip
_OVER = (
    NoticeKind.CLOSED, NoticeKind.SIGHT, NoticeKind.STORAGE_BACK, NoticeKind.ACCOUNT_BACK, NoticeKind.DRIFT_OVER,
    NoticeKind.CHANNEL_BACK, NoticeKind.STREAM_BACK, NoticeKind.JOB_BACK,
)  # fmt: skip


def answer_lines(notice: Notice, *, brief: bool = False) -> Iterator[Line]:
    """Yield how to stop the reminders of an alert, or which alert is closed; nothing for what has no number.

    ``brief``: the commands without a word about them.
    """
    number = notice.number
    if brief and is_answerable(notice):
        yield Line(f"Alert {number}", f"position-monitor ack {number}, or snooze {number} 30m")
    elif is_answerable(notice):
        yield Line(
            f"Alert {number}",
            f"position-monitor ack {number} stops reminders until it worsens,"
            f" snooze {number} 30m for half an hour",
        )
    elif number > 0 and notice.kind in _OVER and not is_drill(notice.facts):
        yield Line(f"Alert {number}", "closed" if notice.level is Level.OK else "closed for this channel")


def group_answer_lines(ordered: Sequence[Notice]) -> Iterator[Line]:
    """Yield how to stop the reminders of several, of which the first is the worst."""
    if not is_answerable(ordered[0]):
        yield from answer_lines(ordered[0])
    number = next((notice.number for notice in ordered if is_answerable(notice)), 0)
    if number:
        yield Line(
            f"Alert {number}",
            f"position-monitor ack {number} stops reminders until it worsens, ack all those of every open alert",
        )


def is_answerable(notice: Notice) -> bool:
    """Return whether acknowledging means anything: a real alert with a number that will be repeated."""
    return (
        notice.number > 0
        and notice.kind in _REPEATED
        and notice.level >= Level.WARNING
        and notice.facts.reason != FIRST_SEEN
        and not is_drill(notice.facts)
    )
