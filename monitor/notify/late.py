"""What a message says of its own lateness, and of how things are by the time it leaves. Pure.

Nothing here ever says that all is well: a better figure is only called lower, and its age decides whether it
may be called the present one.
"""

from collections.abc import Iterator, Sequence

import msgspec

from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.notify.numbers import clock_time, grouped, moment, percent, span
from monitor.notify.remedies import lacks_amounts, needs_nothing
from monitor.notify.words import Line, used_up

_LATE_S = 10.0
_UNHURRIED = (NoticeKind.AHEAD, NoticeKind.CHECKUP)
_UNHURRIED_S = 300.0
_OTHER_DAY_S = 43_200.0  # from here on the time of day alone would mislead
_PRESENT_S = 15.0  # a mark older than this makes a reading the last known one


def late_words(notice: Notice, now_ms: int, now: Facts | None) -> str:
    """Return what the title says, such as ``4 min late; now 91 %``; empty for a notice that is not late.

    Of what nobody has to act upon within minutes it says so only once it is minutes late; its body does at once.
    """
    if not is_late(notice, now_ms):
        return ""
    if notice.kind in _UNHURRIED and _late_s(notice, now_ms) < _UNHURRIED_S:
        return ""
    present = present_words(notice.facts, now)
    return f"{span(_late_s(notice, now_ms))} late" + (f"; {present}" if present else "")


def is_late(notice: Notice, now_ms: int) -> bool:
    """Return whether it leaves so long after its decision that its figures may not be the present ones."""
    return _late_s(notice, now_ms) >= _LATE_S


def present_words(then: Facts, now: Facts | None) -> str:
    """Return how a wallet is now, compared with what the notice says; empty where that is not known."""
    if now is None or now.assumed:
        return ""
    when = "now" if now.mark_age_s is not None and now.mark_age_s < _PRESENT_S else "last known"
    if used_up(now):
        return f"{when} margin used up"
    if then.positions and not now.positions:
        return "no such position any more, check the exchange"
    if now.margin_ratio is None:
        return ""
    lower = then.margin_ratio is not None and now.margin_ratio < then.margin_ratio
    text = percent(now.margin_ratio)
    return f"{when} lower, {text}" if lower and text != percent(then.margin_ratio) else f"{when} {text}"


def wants_present(notice: Notice, now_ms: int) -> bool:
    """Return whether a message asks how its wallet is now: it is late, or was decided without amounts."""
    return lacks_amounts(notice) or is_late(notice, now_ms)


def with_present_amounts(notice: Notice, now_ms: int, now: Facts | None) -> Notice:
    """Return a notice with what to do as it is now, where that is known and it is late or says nothing of it.

    That nothing is to be done any more, for what raised it lasted a moment, is for one that says how late it is:
    beside figures of then it would deny them.
    """
    if now is None or now.prescription is None or now.assumed or not wants_present(notice, now_ms):
        return notice
    if not is_late(notice, now_ms) and needs_nothing(now.prescription):
        return notice
    facts = msgspec.structs.replace(notice.facts, prescription=now.prescription)
    return msgspec.structs.replace(notice, facts=facts)


def late_lines(notice: Notice, now_ms: int, now: Facts | None) -> Iterator[Line]:
    """Yield what the body says of a late notice; nothing for one that is not late."""
    if not is_late(notice, now_ms):
        return
    amounts = ""
    if notice.facts.prescription is not None:
        renewed = now is not None and now.prescription is notice.facts.prescription
        amounts = f"; amounts to add or reduce are of {'now' if renewed else 'then'}"
    yield Line("Delivery", f"{span(_late_s(notice, now_ms))} late: decided {_when(notice, now_ms)}{amounts}")
    present = present_words(notice.facts, now)
    if present and now is not None:
        mark = "" if now.mark is None else f", mark {grouped(now.mark)}"
        far = "" if now.distance is None else f", {percent(now.distance)} from liquidation"
        yield Line("Since then", f"{present}{far}{mark}")


def group_late_lines(notices: Sequence[Notice], now_ms: int) -> Iterator[Line]:
    """Yield how late the oldest of several is; nothing if none is late."""
    oldest = min(notices, key=lambda notice: notice.decided_ms)
    if is_late(oldest, now_ms):
        late = span(_late_s(oldest, now_ms))
        amounts = "; amounts may be as old" if any(one.facts.prescription for one in notices) else ""
        yield Line("Delivery", f"up to {late} late: the first was decided {_when(oldest, now_ms)}{amounts}")


def _late_s(notice: Notice, now_ms: int) -> float:
    return (now_ms - notice.decided_ms) / 1000


def _when(notice: Notice, now_ms: int) -> str:
    when = clock_time if _late_s(notice, now_ms) < _OTHER_DAY_S else moment
    return when(notice.decided_ms)
