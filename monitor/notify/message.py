"""From a notice to words. Pure: one structure, a title and labelled lines, rendered as text, HTML or Markdown.

The title carries the whole story, for it is all a lock screen shows. It is plain text in every format: most
services have a field of its own for it, and those that have not escape it where they join it to the body.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, tzinfo
from typing import NamedTuple

from monitor.core.model import Facts, Level, Notice, NoticeKind
from monitor.notify.numbers import UNKNOWN, clock_time, moment, money, percent, price, span
from monitor.ports import Message

MAX_CHARS = 4096  # Telegram's limit, title included; the smallest of the services that matter
_TITLE_CHARS = 240
_FIELD_CHARS = 80
_DETAIL_CHARS = 400
_JOIN_CHARS = 32  # what a service may add to join title and body
_LATE_S = 10.0
_OTHER_DAY_S = 43_200.0  # from here on the time of day alone would mislead
_TITLE_SYMBOLS = 3
_BODY_SYMBOLS = 20
_BODY_WALLETS = 5


class _Line(NamedTuple):
    label: str
    text: str


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
    """Return a notice as a message of at most 4096 characters and twelve lines.

    Args:
        notice: what was decided.
        fmt: ``text``, ``html`` (Telegram's subset, and ``<br>``) or ``markdown`` (CommonMark).
        now_ms: wall clock at the time of sending; the message says how late it is.
        unrecorded: the notice is not in the database, which is worth knowing when one looks for it later.
        tz: a zone to show beside UTC.
    """
    lines = [
        *_caveats(notice, now_ms, unrecorded=unrecorded),
        *_BODIES.get(notice.kind, _wallet_lines)(notice.facts, tz),
    ]
    detail = _clean(notice.facts.detail, _DETAIL_CHARS)
    if detail and notice.kind not in (NoticeKind.STORAGE, NoticeKind.STORAGE_BACK):  # there it names the database
        lines.append(_Line("Note", detail))
    title = f"{_headline(notice)} - {_environment(notice.facts)}"
    fmt = fmt if fmt in _FORMATS else "text"
    body = _fit(lines, _FORMATS[fmt], MAX_CHARS - _JOIN_CHARS - _units(escape(title, fmt)))
    return Message(title, body, fmt, _message_level(notice))


def _fit(lines: Sequence[_Line], form: _Format, room: int) -> str:
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
        return max(notice.level, _ending(notice.facts).level)
    if notice.kind in (NoticeKind.BLIND, NoticeKind.STORAGE):
        return max(notice.level, Level.WARNING)
    if notice.kind is NoticeKind.TEST:
        return Level.NOTICE
    return notice.level


# Titles


class _Ending(NamedTuple):
    words: str
    tail: str  # empty: the margin ratio says it
    level: Level


_GONE = _Ending("POSITION GONE", "not an all-clear: check the exchange", Level.WARNING)
_ENDINGS = {
    "recovered": _Ending("RECOVERED", "", Level.OK),
    "gone": _GONE,
    "passed": _Ending(
        "NOT A RECOVERY",
        "the margin was used up meanwhile: probably liquidated, check the exchange",
        Level.CRITICAL,
    ),
    "closed_by_hand": _Ending("CLOSED BY HAND", "no position left", Level.NOTICE),
    "reduced": _Ending("REDUCED BY LIQUIDATION", "check the exchange", Level.WARNING),
    "liquidated": _Ending("LIQUIDATED", "check the exchange", Level.CRITICAL),
    "deleveraged": _Ending("AUTO-DELEVERAGED", "check the exchange", Level.WARNING),
}


def _ending(facts: Facts) -> _Ending:
    """Return how an incident ended; a reason nobody foresaw is treated as a position that vanished."""
    return _ENDINGS.get(facts.reason, _GONE)


def _headline(notice: Notice) -> str:
    facts = notice.facts
    match notice.kind:
        case NoticeKind.CLOSED:
            end = _ending(facts)
            # For a channel that asked for more, the incident ends above ok.
            rest = f" to {notice.level.name}" if notice.level > Level.OK else ""
            text = f"{end.words}{rest} - {_who(facts)} - {end.tail or _ratio_words(facts)}"
        case NoticeKind.BLIND:
            lasting = "" if facts.mark_age_s is None else f" for {span(facts.mark_age_s)}"
            text = f"BLIND - no marks{_of_symbols(facts)}{lasting}"
        case NoticeKind.SIGHT:
            text = f"SIGHT - {_clean(facts.reason) or 'marks are back'}{_of_symbols(facts)}"
        case NoticeKind.STORAGE:
            risk = ", alerts may be repeated or lost to a crash" if facts.detail != "history" else ""
            text = f"STORAGE - {_database(facts)} cannot be written{risk}"
        case NoticeKind.STORAGE_BACK:
            text = f"STORAGE BACK - {_database(facts)} takes writes again"
        case NoticeKind.TEST:
            text = "TEST - alerts reach you here"
        case NoticeKind.REMINDER:
            text = f"Still {_danger(notice)}"
        case _:
            text = _danger(notice)
    return text[:_TITLE_CHARS]


def _danger(notice: Notice) -> str:
    facts = notice.facts
    if _used_up(facts):
        return f"{notice.level.name} - {_who(facts)} - LIQUIDATION NOW, margin used up"
    ratio = "" if facts.margin_ratio is None else f" {percent(facts.margin_ratio)}"
    return f"{notice.level.name}{ratio} - {_who(facts)} - {_how_far(facts)}"


def _used_up(facts: Facts) -> bool:
    return facts.liquidatable or (facts.margin_ratio is not None and facts.margin_ratio >= 1)


def _ratio_words(facts: Facts) -> str:
    return "margin used up" if _used_up(facts) else f"margin ratio {percent(facts.margin_ratio)}"


def _ratio(facts: Facts) -> str:
    if facts.liquidatable and facts.margin_ratio is None:
        return "margin used up"
    return percent(facts.margin_ratio) + (", margin used up" if _used_up(facts) else "")


def _who(facts: Facts) -> str:
    worst = f"{_clean(facts.symbol)} {_clean(facts.side)}".strip()
    wallet = _clean(facts.wallet) or "wallet"
    if not worst:
        return wallet
    return f"{worst} +{facts.positions - 1} more ({wallet})" if facts.positions > 1 else worst


def _how_far(facts: Facts) -> str:
    """Return the smaller of the two distances: many positions fall together long before any one alone."""
    alone, joint = facts.distance, facts.joint_distance
    if joint is not None and facts.positions > 1 and (alone is None or joint < alone):
        return f"{percent(joint)} from liquidation, all marks together"
    if alone is not None:
        return f"{percent(alone)} from liquidation"
    return "distance unknown" if facts.mark is None else "no liquidation price"


def _of_symbols(facts: Facts) -> str:
    return f" for {_symbols(facts, _TITLE_SYMBOLS)}" if facts.symbols else ""


def _symbols(facts: Facts, most: int) -> str:
    names = [_clean(name) for name in facts.symbols[:most]]
    more = len(facts.symbols) - len(names)
    return ", ".join(names) + (f" +{more} more" if more else "")


def _database(facts: Facts) -> str:
    return f"the {_clean(facts.detail)} database" if facts.detail else "a database"


def _environment(facts: Facts) -> str:
    return _clean(facts.environment).upper() or "UNKNOWN ENVIRONMENT"


# Bodies


def _caveats(notice: Notice, now_ms: int, *, unrecorded: bool) -> Iterator[_Line]:
    """Yield what qualifies all that follows; it stands first so that a cut never takes it."""
    late_s = (now_ms - notice.decided_ms) / 1000
    if late_s >= _LATE_S:
        when = clock_time if late_s < _OTHER_DAY_S else moment
        yield _Line("Delivery", f"{span(late_s)} late: decided {when(notice.decided_ms)}")
    if unrecorded:
        yield _Line("Unrecorded", "the database did not take this alert; it is in no history")


def _wallet_lines(facts: Facts, tz: tzinfo) -> Iterator[_Line]:
    yield _Line("Account", _account(facts))
    if facts.reason == "first seen":
        yield _Line("Reminders", "none until it worsens: it was like this when first seen")
    if facts.reason == "passed":
        yield _Line(
            "Meaning",
            "better figures again, but the exchange liquidates once the margin is used up; check it",
        )
    yield _Line("Mark", price(facts.mark) + (f" ({facts.mark_source})" if facts.mark_source == "rest" else ""))
    yield _Line("Liquidation price", price(facts.liquidation_price, "none" if facts.mark else UNKNOWN))
    yield _Line("Distance", _distances(facts))
    yield _Line("Margin ratio", _ratio(facts))
    moves = "" if facts.moves_left is None else f", {facts.moves_left:.1f} typical hourly moves left"
    yield _Line("Room", percent(facts.room) + moves)
    asset = _clean(facts.asset)
    balance, maintenance = money(facts.margin_balance, asset), money(facts.maintenance_margin, asset)
    yield _Line("Wallet", f"balance {balance}, maintenance {maintenance}, cushion {money(facts.cushion, asset)}")
    if facts.brackets and not facts.brackets.startswith("exchange"):
        yield _Line("Brackets", _clean(facts.brackets))
    yield _Line("Tick", _tick(facts, tz) + _assumption(facts))


def _closed_lines(facts: Facts, tz: tzinfo) -> Iterator[_Line]:
    if facts.mark is None and facts.margin_balance is None:  # nothing is left to describe
        yield _Line("Account", _account(facts))
        yield _Line(
            "Meaning", "this account no longer holds it; closed, reduced or liquidated: the exchange knows"
        )
    else:
        yield from _wallet_lines(facts, tz)


def _feed_lines(facts: Facts, tz: tzinfo) -> Iterator[_Line]:
    yield _Line("Symbols", _symbols(facts, _BODY_SYMBOLS) or "all that positions need")
    if facts.reason:
        yield _Line("Reason", _clean(facts.reason))
    if facts.event_ms or facts.mark_age_s is not None:
        yield _Line("Tick", _tick(facts, tz))


def _blind_lines(facts: Facts, tz: tzinfo) -> Iterator[_Line]:
    yield from _feed_lines(facts, tz)
    if facts.wallets:
        more = len(facts.wallets) - _BODY_WALLETS
        names = ", ".join(_clean(wallet) for wallet in facts.wallets[:_BODY_WALLETS])
        yield _Line("Wallets", names + (f" +{more} more" if more > 0 else ""))
    yield _Line("Meaning", "until marks return, levels of these wallets may rise but cannot fall")


def _plain_lines(facts: Facts, tz: tzinfo) -> Iterator[_Line]:  # noqa: ARG001 - one signature for every body
    yield _Line("Environment", _environment(facts))
    if facts.reason:
        yield _Line("Reason", _clean(facts.reason))


def _account(facts: Facts) -> str:
    wallet = _clean(facts.wallet)
    return ", ".join(part for part in (_clean(facts.account), wallet and f"wallet {wallet}") if part) or UNKNOWN


def _distances(facts: Facts) -> str:
    alone = "none" if facts.distance is None and facts.mark else percent(facts.distance)
    if facts.joint_distance is None or facts.positions <= 1:
        return alone
    return f"{alone}, all marks together {percent(facts.joint_distance)}"


def _assumption(facts: Facts) -> str:
    if not facts.assumed:
        return ""
    names = ", ".join(_clean(symbol) for symbol in facts.assumed[:_TITLE_SYMBOLS])
    return f"; no mark of {names} yet, entry prices stand in: the truth may be better or worse"


def _tick(facts: Facts, tz: tzinfo) -> str:
    age = "age unknown" if facts.mark_age_s is None else f"{span(facts.mark_age_s)} old when decided"
    return f"{age}, exchange time {moment(facts.event_ms, tz) if facts.event_ms else UNKNOWN}"


_BODIES: dict[NoticeKind, Callable[[Facts, tzinfo], Iterator[_Line]]] = {
    NoticeKind.CLOSED: _closed_lines,
    NoticeKind.BLIND: _blind_lines,
    NoticeKind.SIGHT: _feed_lines,
    NoticeKind.STORAGE: _plain_lines,
    NoticeKind.STORAGE_BACK: _plain_lines,
    NoticeKind.TEST: _plain_lines,
}


# Formats


def _clean(text: str, most: int = _FIELD_CHARS) -> str:
    """Return ``text`` on one line without control marks: a line break in a title would start a mail header."""
    kept = "".join(" " if char.isspace() or unicodedata.category(char)[0] == "C" else char for char in text)
    short = " ".join(kept.split())
    return short if len(short) <= most else f"{short[: most - 1]}…"


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
