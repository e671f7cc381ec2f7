import msgspec
import pytest

from monitor.core.model import Level
from monitor.core.notices import Notice, NoticeKind
from monitor.notify.message import render, render_group
from tests.notify.fakes import a_notice, some_facts


def numbered(
    number: int = 17, kind: NoticeKind = NoticeKind.ALERT, level: Level = Level.WARNING, **facts: object
) -> Notice:
    return msgspec.structs.replace(a_notice(kind=kind, level=level, facts=some_facts(**facts)), number=number)


def last_line(*notices: Notice) -> str:
    return render_group(notices, fmt="text", now_ms=0).body.splitlines()[-1]


ACK = "position-monitor ack 17 stops reminders until it worsens"


@pytest.mark.parametrize("kind", [NoticeKind.ALERT, NoticeKind.REMINDER, NoticeKind.BLIND, NoticeKind.CHANNEL])
def test_what_is_repeated_says_how_to_stop_that(kind: NoticeKind) -> None:
    """By the number of the alert, on the last line."""
    assert last_line(numbered(kind=kind)) == f"Alert 17: {ACK}, snooze 17 30m for half an hour"


@pytest.mark.parametrize(
    "notice",
    [
        numbered(0),
        numbered(level=Level.NOTICE),
        numbered(reason="first seen"),
        numbered(environment="drill"),
        numbered(kind=NoticeKind.CHANGED),
        numbered(kind=NoticeKind.CLOSED, environment="drill"),
    ],
)
def test_what_is_told_once_says_nothing_of_the_kind(notice: Notice) -> None:
    """A number for nothing would be typed for nothing; one of a drill might be that of a real alert."""
    message = render(notice, fmt="text", now_ms=0)
    assert "Alert " not in message.body
    assert "position-monitor ack" not in message.body


def test_an_end_names_the_alert_it_closes() -> None:
    """The number is what joins the two messages; closed is not the same as well."""
    assert last_line(numbered(kind=NoticeKind.CLOSED, level=Level.OK, reason="passed")) == "Alert 17: closed"
    above = numbered(kind=NoticeKind.CLOSED, level=Level.NOTICE, reason="recovered")
    assert last_line(above) == "Alert 17: closed for this channel"


def test_a_group_says_it_for_the_worst_and_for_all() -> None:
    """Each other has its number on its line."""
    worse = numbered(17, level=Level.CRITICAL)
    assert last_line(numbered(3), worse) == f"Alert 17: {ACK}, ack all those of every open alert"
    liquidated = numbered(9, NoticeKind.CLOSED, Level.CRITICAL, reason="liquidated")
    body = render_group([numbered(17), liquidated], fmt="text", now_ms=0).body.splitlines()
    assert body[-2:] == ["Alert 9: closed for this channel", f"Alert 17: {ACK}, ack all those of every open alert"]
