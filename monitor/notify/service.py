"""What is told of the service itself: its parts, its channels; once a day, that it is alive. Pure."""

from collections.abc import Callable, Iterator
from datetime import tzinfo

from monitor.core.model import Level
from monitor.core.notices import DayReport, Facts, NoticeKind
from monitor.notify import parts
from monitor.notify.away import away_lines
from monitor.notify.findings import checkup_lines
from monitor.notify.numbers import moment, moves, percent, span
from monitor.notify.reasons import in_words
from monitor.notify.words import Line, clean

# What only people can mend.
_ADDRESS = frozenset(
    {"http-401", "http-403", "http-404", "recipient", "unusable"}
    | {f"smtp-{code}" for code in (530, 534, 535, 538, 550, 551, 553)}
)


def _channel_title(facts: Facts) -> str:
    return f"CHANNEL {_name(facts)} DOES NOT DELIVER - {_why(facts)}"


def _channel_back_title(facts: Facts) -> str:
    return f"CHANNEL BACK - {_name(facts)} delivers again"


def _summary_title(facts: Facts) -> str:
    day = facts.day
    if day is None:
        return "ALIVE - the service is running"
    parts = [
        f"{_count(day.positions, 'position')} watched",
        f"worst of the day {_worst_short(day)}",
        _count(day.alerts, "alert"),
    ]
    if day.undelivered:
        parts.append(f"{day.undelivered} NOT DELIVERED")
    if day.blind_s > 0:
        parts.append(f"partly blind for {span(day.blind_s)}")
    return f"ALIVE - {', '.join(parts)}"


def _channel_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:  # noqa: ARG001 - one signature for every body
    yield Line("Channel", _name(facts))
    yield Line("Reason", _why(facts))
    yield Line("Meaning", "until it does, nobody hears anything through it")
    cure = "mend its address" if facts.reason in _ADDRESS else "look at the service and the network"
    yield Line("To do", f"{cure}; position-monitor test-alert --channel {_name(facts)} shows what it answers")


def _channel_back_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:  # noqa: ARG001 - same
    yield Line("Channel", _name(facts))
    yield Line("Meaning", "it accepts messages again")


def _summary_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:
    day = facts.day
    if day is None:
        yield Line("Meaning", "the service is running; the day's figures are not known")
        return
    watched = (_count(day.positions, "position"), _count(day.wallets, "wallet"), _count(day.accounts, "account"))
    yield Line("Watching", ", ".join(watched))
    yield Line("Worst", _worst(day, tz))
    undelivered = f"{day.undelivered} refused or still waiting" if day.undelivered else "none refused or waiting"
    yield Line(
        "Alerts", f"{day.alerts or 'none'} opened, {_count(day.delivered, 'notice')} delivered, {undelivered}"
    )
    blind = f"; not everything was seen for {span(day.blind_s)}" if day.blind_s > 0 else ""
    yield Line("Outages", f"{day.outages or 'none'}{blind}")
    yield Line("Quiet", _quiet(day.holds))
    yield Line("Since", moment(day.since_ms, tz))


TITLES: dict[NoticeKind, Callable[[Facts], str]] = {
    NoticeKind.CHANNEL: _channel_title,
    NoticeKind.CHANNEL_BACK: _channel_back_title,
    NoticeKind.SUMMARY: _summary_title,
    **parts.TITLES,
}
BODIES: dict[NoticeKind, Callable[[Facts, tzinfo], Iterator[Line]]] = {
    NoticeKind.CHANNEL: _channel_lines,
    NoticeKind.CHANNEL_BACK: _channel_back_lines,
    NoticeKind.SUMMARY: _summary_lines,
    NoticeKind.AWAY: away_lines,
    NoticeKind.CHECKUP: checkup_lines,
    **parts.BODIES,
}


def _name(facts: Facts) -> str:
    return clean(facts.detail) or "without a name"


def _why(facts: Facts) -> str:
    return clean(in_words(facts.reason)) or "the reason is unknown"


def _worst_short(day: DayReport) -> str:
    if not day.worst_subject:
        return "not known"
    level = day.worst_level.name if day.worst_level > Level.OK else day.worst_level.label
    return level if day.worst_ratio is None else f"{level} {percent(day.worst_ratio)}"


def _worst(day: DayReport, tz: tzinfo) -> str:
    if not day.worst_subject:
        return "nothing was judged"
    when = f", at {moment(day.worst_at_ms, tz)}" if day.worst_at_ms else ""
    left = "" if day.worst_moves is None else f", {moves(day.worst_moves)}"
    figures = f"margin ratio {percent(day.worst_ratio)}, room left {percent(day.worst_room)}{left}"
    return f"{day.worst_level.name} - {clean(day.worst_subject)}: {figures}{when}"


def _quiet(holds: int) -> str:
    if holds == 1:
        return "1 acknowledgement, snooze or mute is in force"
    return f"{holds} acknowledgements, snoozes or mutes are in force" if holds else "nothing is held back"


def _count(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
