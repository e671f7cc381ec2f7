"""How to answer an alert: the commands, by its number. Pure."""

from collections.abc import Iterator, Sequence

from monitor.core.model import Level
from monitor.core.notices import Notice, NoticeKind
from monitor.notify.words import Line, is_drill


def answer_lines(notice: Notice) -> Iterator[Line]:
    """Yield how to stop the reminders of an alert; nothing for what has none."""
    if answerable(notice):
        yield Line(
            f"Alert {notice.number}",
            f"position-monitor ack {notice.number} stops reminders until it worsens,"
            f" position-monitor snooze {notice.number} 30m for half an hour",
        )


def group_answer_lines(ordered: Sequence[Notice]) -> Iterator[Line]:
    """Yield how to stop the reminders of the first of several."""
    number = next((notice.number for notice in ordered if answerable(notice)), 0)
    if number:
        yield Line(
            f"Alert {number}",
            f"position-monitor ack {number} stops reminders until it worsens; the others by their numbers",
        )


def answerable(notice: Notice) -> bool:
    """Return whether acknowledging means anything: a real alert with a number that will be repeated."""
    return (
        notice.kind in (NoticeKind.ALERT, NoticeKind.REMINDER)
        and notice.level >= Level.WARNING
        and notice.number > 0
        and not is_drill(notice.facts)
    )
