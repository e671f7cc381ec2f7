"""How loud a message is: its colour, its sound and, in a group, its place. Pure.

Apprise takes one of four types with a message and nothing else about its urgency. Services with priorities (ntfy,
Pushover, Gotify, Opsgenie) take theirs from the address, as in ``pover://USER@TOKEN?priority=emergency``: whoever
wants one by level gives two channels, each with its address and its ``min_level``.
"""

from monitor.core.model import Level
from monitor.core.notices import Notice, NoticeKind
from monitor.notify.news import forced_level
from monitor.notify.titles import ending

_AT_LEAST_WARNING = (
    NoticeKind.BLIND, NoticeKind.STORAGE, NoticeKind.ACCOUNT, NoticeKind.DRIFT, NoticeKind.MARGIN_CALL,
    NoticeKind.CHANNEL, NoticeKind.STREAM, NoticeKind.JOB,
)  # fmt: skip
_NOTIFY_TYPES = {
    Level.OK: "success",
    Level.NOTICE: "info",
    Level.WARNING: "warning",
    Level.CRITICAL: "failure",
    Level.EMERGENCY: "failure",
}


def notify_type(level: Level) -> str:
    """Return the word that Apprise has for a level: success, info, warning or failure."""
    return _NOTIFY_TYPES[level]


def message_level(notice: Notice) -> Level:
    """Return what decides colour and sound: an end that is no all-clear must not look like one."""
    if notice.kind is NoticeKind.CLOSED:
        return max(notice.level, ending(notice.facts).level)
    if notice.kind in _AT_LEAST_WARNING:
        return max(notice.level, Level.WARNING)
    if notice.kind is NoticeKind.FORCED:
        return max(notice.level, forced_level(notice.facts))
    if notice.kind in (NoticeKind.TEST, NoticeKind.CHANGED):
        return Level.NOTICE
    return notice.level
