"""From a notice to words. Pure: one structure, a title and labelled lines, rendered as text, HTML or Markdown.

The title carries the whole story, for it is all a lock screen shows. It is plain text in every format: most
services have a field of its own for it, and those that have not escape it where they join it to the body.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, tzinfo
from typing import NamedTuple

from monitor.core.model import Level
from monitor.core.notices import Notice, NoticeKind
from monitor.notify.bodies import lines_of
from monitor.notify.news import forced_level
from monitor.notify.numbers import clock_time, moment, span
from monitor.notify.titles import ending, headline
from monitor.notify.words import DETAIL_CHARS, Line, clean, environment
from monitor.ports import Message

MAX_CHARS = 4096  # Telegram's limit, title included; the smallest of the services that matter
_JOIN_CHARS = 32  # what a service may add to join title and body
_LATE_S = 10.0
_OTHER_DAY_S = 43_200.0  # from here on the time of day alone would mislead
# There it names the database or the subject, or has a line of its own.
_DETAIL_ELSEWHERE = (
    NoticeKind.STORAGE, NoticeKind.STORAGE_BACK, NoticeKind.ACCOUNT, NoticeKind.ACCOUNT_BACK,
    NoticeKind.DRIFT_OVER,
)  # fmt: skip
_AT_LEAST_WARNING = (
    NoticeKind.BLIND, NoticeKind.STORAGE, NoticeKind.ACCOUNT, NoticeKind.DRIFT, NoticeKind.MARGIN_CALL
)  # fmt: skip


class _Format(NamedTuple):
    escape: Callable[[str], str]
    line: str  # of label and text, both escaped
    end: str  # between lines


def escape(text: str, fmt: str) -> str:
    """Return ``text`` with everything escaped that ``fmt`` (text, html or markdown) would read as markup."""
    return _FORMATS.get(fmt, _FORMATS["text"]).escape(text)


def notify_type(level: Level) -> str:
    """Return the word that Apprise has for a level: success, info, warning or failure."""
    return _NOTIFY_TYPES[level]


def render(notice: Notice, *, fmt: str, now_ms: int, unrecorded: bool = False, tz: tzinfo = UTC) -> Message:
    """Return a notice as a message of at most 4096 characters and fourteen lines.

    Args:
        notice: what was decided.
        fmt: ``text``, ``html`` (Telegram's subset, and ``<br>``) or ``markdown`` (CommonMark).
        now_ms: wall clock at the time of sending; the message says how late it is.
        unrecorded: the notice is not in the database, which is worth knowing when one looks for it later.
        tz: a zone to show beside UTC.
    """
    lines = [
        *_caveats(notice, now_ms, unrecorded=unrecorded),
        *lines_of(notice, tz),
    ]
    detail = clean(notice.facts.detail, DETAIL_CHARS)
    if detail and notice.kind not in _DETAIL_ELSEWHERE:
        lines.append(Line("Note", detail))
    title = f"{headline(notice)} - {environment(notice.facts)}"
    fmt = fmt if fmt in _FORMATS else "text"
    body = _fit(lines, _FORMATS[fmt], MAX_CHARS - _JOIN_CHARS - _units(escape(title, fmt)))
    return Message(title, body, fmt, _message_level(notice))


def _fit(lines: Sequence[Line], form: _Format, room: int) -> str:
    """Join the lines that fit, first ones first; a line is taken whole or not at all, so no markup breaks."""
    taken: list[str] = []
    for line in lines:
        text = form.line.format(label=form.escape(line.label), text=form.escape(line.text))
        room -= _units(text) + len(form.end)
        if room < 0:
            break
        taken.append(text)
    return form.end.join(taken)


def _units(text: str) -> int:
    """Return the length as Telegram counts it: in UTF-16 code units."""
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)  # noqa: PLR2004 - beyond one code unit


def _message_level(notice: Notice) -> Level:
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


def _caveats(notice: Notice, now_ms: int, *, unrecorded: bool) -> Iterator[Line]:
    """Yield what qualifies all that follows; it stands first so that a cut never takes it."""
    late_s = (now_ms - notice.decided_ms) / 1000
    if late_s >= _LATE_S:
        when = clock_time if late_s < _OTHER_DAY_S else moment
        yield Line("Delivery", f"{span(late_s)} late: decided {when(notice.decided_ms)}")
    if unrecorded:
        yield Line("Unrecorded", "the database did not take this alert; it is in no history")


# Formats


def _escape_html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escape_markdown(text: str) -> str:
    return "".join(f"\\{char}" if char in "\\`*_[]<>#|~&" else char for char in text)


_FORMATS = {
    "text": _Format(str, "{label}: {text}", "\n"),
    "html": _Format(_escape_html, "<b>{label}:</b> {text}", "<br>\n"),
    "markdown": _Format(_escape_markdown, "- **{label}:** {text}", "\n"),
}

_NOTIFY_TYPES = {
    Level.OK: "success",
    Level.NOTICE: "info",
    Level.WARNING: "warning",
    Level.CRITICAL: "failure",
    Level.EMERGENCY: "failure",
}
