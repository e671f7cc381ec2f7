"""Titles: all a lock screen shows. Pure; plain text in every format.

The danger comes first and the number of the alert not at all: whoever wants to answer opens the message.
"""

from typing import NamedTuple

from monitor.core.model import Level
from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.core.outages import NO_MARKS
from monitor.notify import news, service
from monitor.notify.numbers import percent, span
from monitor.notify.remedies import in_brief
from monitor.notify.words import (
    HAPPENED,
    TITLE_SYMBOLS,
    clean,
    environment,
    is_drill,
    symbols_of,
    used_up,
    whose,
)

TITLE_CHARS = 240  # without lateness and environment


class Ending(NamedTuple):
    """How an incident ended: the words for it, and how it must look."""

    words: str
    tail: str  # empty: the margin ratio says it
    level: Level


_GONE = Ending("POSITION GONE", "not an all-clear: check the exchange", Level.WARNING)
_ENDINGS = {
    "recovered": Ending("RECOVERED", "", Level.OK),
    "gone": _GONE,
    "passed": Ending(
        "NOT A RECOVERY",
        "the margin was used up meanwhile: probably liquidated, check the exchange",
        Level.CRITICAL,
    ),
    "closed_by_hand": Ending("CLOSED BY HAND", "no position left", Level.NOTICE),
    "reduced": Ending("REDUCED BY LIQUIDATION", "check the exchange", Level.WARNING),
    "liquidated": Ending("LIQUIDATED", "check the exchange", Level.CRITICAL),
    "deleveraged": Ending("AUTO-DELEVERAGED", "check the exchange", Level.WARNING),
    "settled": Ending("SETTLED", "the contract was delisted or delivered", Level.WARNING),
}


def ending(facts: Facts) -> Ending:
    """Return how an incident ended; a reason nobody foresaw is treated as a position that vanished."""
    return _ENDINGS.get(facts.reason, _GONE)


def headline(notice: Notice, most: int = TITLE_CHARS) -> str:
    """Return what a lock screen shows, without the environment; at most ``most`` characters.

    What to do is part of it where it fits whole: an amount that was cut would be another amount.
    """
    facts = notice.facts
    match notice.kind:
        case NoticeKind.CLOSED:
            end = ending(facts)
            # For a channel that asked for more, the incident ends above ok.
            rest = f" to {notice.level.name}" if notice.level > Level.OK else ""
            text = f"{end.words}{rest} - {whose(facts)} - {end.tail or _ratio_words(facts)}"
        case NoticeKind.BLIND:
            text = _blind_words(facts)
        case NoticeKind.SIGHT:
            text = _sight_words(facts)
        case NoticeKind.STORAGE:
            text = _storage(facts)
        case NoticeKind.STORAGE_BACK:
            text = f"STORAGE BACK - {_database(facts)} takes writes again"
        case NoticeKind.TEST:
            text = "TEST - alerts reach you here"
        case NoticeKind.REMINDER:
            text = _with_remedy(f"Still {_danger(notice)}", facts, most)
        case _ if notice.kind in service.TITLES:
            text = service.TITLES[notice.kind](facts)
        case _ if notice.kind in news.TITLES:
            text = news.TITLES[notice.kind](notice)
        case _:
            text = _with_remedy(_danger(notice), facts, most)
    return shortened(text, most)


def _with_remedy(danger: str, facts: Facts, most: int) -> str:
    remedy = in_brief(facts)
    whole = f"{danger} - {remedy}"
    return whole if remedy and len(whole) <= most else danger


def _storage(facts: Facts) -> str:
    risk = ", alerts may be repeated or lost to a crash" if facts.detail != "history" else ""
    return f"STORAGE - {_database(facts)} {HAPPENED.get(facts.reason, f'cannot be written{risk}')}"


def title(facts: Facts, story: str, late: str = "") -> str:
    """Return a whole title: what happened, how late that is told, and the environment.

    A drill says so first, whatever follows: nobody may take it for the real thing, or read it to the end to know.
    """
    parts = (story, late, "" if is_drill(facts) else environment(facts))
    return ("DRILL - " if is_drill(facts) else "") + " - ".join(part for part in parts if part)


def shortened(text: str, most: int) -> str:
    """Return the start of a text, marked where it was cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _danger(notice: Notice) -> str:
    facts = notice.facts
    if used_up(facts):
        return f"{notice.level.name} - {whose(facts)} - LIQUIDATION NOW, margin used up"
    ratio = "" if facts.margin_ratio is None else f" {percent(facts.margin_ratio)}"
    return f"{notice.level.name}{ratio} - {whose(facts)} - {_far_words(facts)}"


def _ratio_words(facts: Facts) -> str:
    return "margin used up" if used_up(facts) else f"margin ratio {percent(facts.margin_ratio)}"


def how_far(facts: Facts) -> tuple[float | None, bool]:
    """Return the smaller of the two distances, and whether it is the joint one.

    Many positions fall together long before any one alone. None where there is neither.
    """
    alone, joint = facts.distance, facts.joint_distance
    if joint is not None and facts.positions > 1 and (alone is None or joint < alone):
        return joint, True
    return alone, False


def _far_words(facts: Facts) -> str:
    far, together = how_far(facts)
    if far is None:
        return "distance unknown" if facts.mark is None else "no liquidation price"
    return f"{percent(far)} from liquidation" + (", all marks together" if together else "")


def _blind_words(facts: Facts) -> str:
    what = "no marks or wrong ones" if facts.reason.startswith(f"{NO_MARKS}; ") else "no marks"
    if facts.mark_age_s is None and facts.reason and not facts.reason.startswith(NO_MARKS):
        what = "wrong marks"
    source, bridge = (" from the stream", ", REST has them") if facts.bridged else ("", "")
    lasting = "" if facts.mark_age_s is None else f" for {span(facts.mark_age_s)}"
    return f"BLIND - {what}{source}{_of_symbols(facts)}{lasting}{bridge}"


def _sight_words(facts: Facts) -> str:
    if facts.bridged:
        return f"BRIDGED - marks{_of_symbols(facts)} come from REST, the stream is still missing"
    return f"SIGHT - {clean(facts.reason) or 'marks are back'}{_of_symbols(facts)}"


def _of_symbols(facts: Facts) -> str:
    return f" for {symbols_of(facts, TITLE_SYMBOLS)}" if facts.symbols else ""


def _database(facts: Facts) -> str:
    return f"the {clean(facts.detail)} database" if facts.detail else "a database"
