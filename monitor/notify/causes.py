"""What is ahead of a wallet, in words: lines of alerts about it, and notices of their own. Pure, and total.

A line says what it is and when, then what it does to the figures the alert shows.
"""

import math
from collections.abc import Callable, Iterator

import msgspec

from monitor.core.model import Level
from monitor.core.notices import After, Cause, CauseKind, Facts, Notice
from monitor.notify.numbers import UNKNOWN, grouped, money, percent, span, time_of_day
from monitor.notify.words import Line, account_of, clean, whose

_MOST = 3
_RATE_DECIMALS = 4  # as the exchange shows rates of funding
_FINEST = 3  # decimals of percent beyond which a change is none
_ALL = 1.0
_ABSURD = 1e6
_FIRST = 4  # in the queue for auto-deleveraging


def cause_lines(facts: Facts) -> Iterator[Line]:
    """Yield what an alert says is ahead, the most telling first."""
    for cause in facts.ahead[:_MOST]:
        yield cause_line(cause, facts.event_ms, several=facts.positions > 1)


def cause_line(cause: Cause, at_ms: int, *, several: bool = False) -> Line:
    """Return a cause as one line.

    Args:
        cause: what is ahead of a wallet.
        at_ms: when it is said, exchange time, 0 where not known.
        several: the wallet holds several positions, so that it has to be said whose a liquidation price is.
    """
    if not several and cause.after is not None:
        cause = msgspec.structs.replace(cause, after=msgspec.structs.replace(cause.after, symbol="", side=""))
    return _LINES[cause.kind](cause, at_ms)


def ahead_title(notice: Notice) -> str:
    """Return what a lock screen shows."""
    facts = notice.facts
    if not facts.ahead:
        return f"AHEAD - {whose(facts)}"
    cause = facts.ahead[0]
    return f"AHEAD - {whose(facts)} - {_SHORT[cause.kind](cause, notice.decided_ms)}{_level(cause)}"


def ahead_lines(notice: Notice) -> Iterator[Line]:
    """Yield whose it is, what is ahead, how the wallet stands, and what can be done about it."""
    facts = notice.facts
    yield Line("Account", account_of(facts))
    for cause in facts.ahead[:_MOST]:
        yield cause_line(cause, notice.decided_ms, several=facts.positions > 1)
    ratio = "margin used up" if facts.liquidatable else f"margin ratio {percent(facts.margin_ratio)}"
    yield Line("Now", f"{ratio}, room left {percent(facts.room)}, {_distance(facts)}")
    for cause in facts.ahead[:_MOST]:
        yield Line("Meaning", _MEANING[cause.kind])
        yield Line("To do", _to_do(cause))


def funding_rate(rate: float | None) -> str:
    """Return a rate of funding as the exchange shows it, such as ``0.0100 %``."""
    if rate is None or not math.isfinite(rate):
        return UNKNOWN
    return f"{rate * 100:.{_RATE_DECIMALS}f} %"


def shift(before: float | None, after: float | None) -> str:
    """Return a change of a share, such as ``62 % -> 64 %``, with the decimals that tell the two apart.

    What is below 100 % never reads as 100 %. One text where there is next to no change.
    """
    if before is None or after is None or not abs(before) + abs(after) < _ABSURD:
        return f"{percent(before)} -> {percent(after)}"
    texts = percent(before), percent(after)
    for decimals in range(1, _FINEST + 1):
        if texts[0] != texts[1]:
            return f"{texts[0]} -> {texts[1]}"
        texts = _fine(before, decimals), _fine(after, decimals)
    return f"{texts[0]} -> {texts[1]}" if texts[0] != texts[1] else percent(before)


def ratio_shift(before: After, after: After) -> str:
    """Return a change of margin ratio, which has no figure where nothing is left to lose."""
    if after.margin_ratio is None or after.margin_ratio >= _ALL:
        return f"{percent(before.margin_ratio)} -> margin used up"
    return shift(before.margin_ratio, after.margin_ratio)


def _fine(share: float, decimals: int) -> str:
    scale = 10.0**decimals
    return f"{math.floor(round(share * 100 * scale, 6)) / scale:.{decimals}f} %"


# Lines


def _funding_line(cause: Cause, at_ms: int) -> Line:
    return Line(f"Funding {_when(cause.at_ms, at_ms)}", f"{_paid(cause)}{_figures(cause)}{_level(cause)}")


def _bracket_line(cause: Cause, at_ms: int) -> Line:  # noqa: ARG001 - one signature for every line
    way = ""
    if cause.move is not None and math.isfinite(cause.move):
        way = f", {percent(abs(cause.move))} {'up' if cause.move > 0 else 'down'}"
    rates = f"maintenance rate {percent(cause.rate_before)} -> {percent(cause.rate_after)}"
    place = f"{_leg(cause)} at {grouped(cause.price)}{way}"
    return Line("Next bracket", f"{place}: {rates}; nothing jumps there, but from there on it takes more")


def _collateral_line(cause: Cause, at_ms: int) -> Line:  # noqa: ARG001 - same
    return Line("Collateral", f"{_collateral(cause)}{_figures(cause)}{_level(cause)}")


def _adl_line(cause: Cause, at_ms: int) -> Line:  # noqa: ARG001 - same
    place = f"{_leg(cause)} is {_place(cause)} to be auto-deleveraged"
    if not cause.hedge:
        return Line("Queue", f"{place}: a sharp move may close it against your will")
    return Line(
        "Queue",
        f"{place}: a sharp move may take this leg and leave the other alone{_figures(cause)}{_level(cause)}",
    )


_LINES: dict[CauseKind, Callable[[Cause, int], Line]] = {
    CauseKind.FUNDING: _funding_line,
    CauseKind.BRACKET: _bracket_line,
    CauseKind.COLLATERAL: _collateral_line,
    CauseKind.ADL: _adl_line,
}


# Titles


def _funding_short(cause: Cause, at_ms: int) -> str:
    return f"funding {_when(cause.at_ms, at_ms)} {_paid(cause)}"


def _bracket_short(cause: Cause, at_ms: int) -> str:  # noqa: ARG001 - same
    return f"{_leg(cause)} enters its next bracket at {grouped(cause.price)}"


def _collateral_short(cause: Cause, at_ms: int) -> str:  # noqa: ARG001 - same
    return _collateral(cause)


def _adl_short(cause: Cause, at_ms: int) -> str:  # noqa: ARG001 - same
    what = "the hedge would lose this leg" if cause.hedge else "it may be closed against your will"
    return f"{_leg(cause)} is {_place(cause)} to be auto-deleveraged, {what}"


_SHORT: dict[CauseKind, Callable[[Cause, int], str]] = {
    CauseKind.FUNDING: _funding_short,
    CauseKind.BRACKET: _bracket_short,
    CauseKind.COLLATERAL: _collateral_short,
    CauseKind.ADL: _adl_short,
}
_MEANING: dict[CauseKind, str] = {
    CauseKind.FUNDING: "at the present mark and the rate estimated now; both change until then",
    CauseKind.BRACKET: "the liquidation price shown has every bracket on the way in it",
    CauseKind.COLLATERAL: "not announced: what the next cut of 5 points would do, at the present marks",
    CauseKind.ADL: "when the insurance fund cannot cover a liquidation, the exchange closes these first, at about "
    "the mark and without a fee",
}


def _to_do(cause: Cause) -> str:
    match cause.kind:
        case CauseKind.FUNDING:
            time = time_of_day(cause.at_ms)
            return f"before {time} UTC: add margin, or reduce; what is closed before pays nothing"
        case CauseKind.COLLATERAL:
            return f"change some {clean(cause.asset)} into the asset positions are settled in, or reduce"
        case CauseKind.ADL:
            rest = "; have a stop on the other leg" if cause.hedge else ""
            return f"less leverage or a smaller position moves it back in the queue{rest}"
        case CauseKind.BRACKET:
            return "nothing, unless the position is to grow: what is added counts at the higher rate"


# Words


def _when(due_ms: int, at_ms: int) -> str:
    """Return when it is due, such as ``in 35 min``; the time of day where it is not known how long that is."""
    left_s = (due_ms - at_ms) / 1000
    return f"in {span(left_s)}" if at_ms > 0 and left_s > 0 else f"at {time_of_day(due_ms)} UTC"


def _paid(cause: Cause) -> str:
    if cause.amount is None or not math.isfinite(cause.amount):
        return "pays an amount that is not known"
    verb = "pays" if cause.amount < 0 else "brings"
    about = f"rate {funding_rate(cause.rate_before)}" if cause.rate_before is not None else "several positions"
    return f"{verb} {money(abs(cause.amount), clean(cause.asset), commas=True)} ({about})"


def _collateral(cause: Cause) -> str:
    asset = clean(cause.asset)
    if cause.move is None:
        return f"{asset} counts {_counted(cause.rate_before)}; if cut to {_counted(cause.rate_after)}"
    along = f" and {clean(cause.symbol)} with it" if cause.symbol else ""
    return f"if {asset} falls {percent(abs(cause.move))}{along}"


def _counted(share: float | None) -> str:
    """Return what collateral counts: these are whole points, or nearly."""
    if share is None or not abs(share) < _ABSURD:
        return UNKNOWN
    return f"{round(share * 100, 2):g} %"


def _place(cause: Cause) -> str:
    """Return the place in the queue; 4 is the front."""
    return (
        "first in the queue (4 of 4)"
        if cause.quantile == _FIRST
        else f"at {cause.quantile or 0} of {_FIRST} in the queue ({_FIRST} is closed first)"
    )


def _figures(cause: Cause) -> str:
    before, after = cause.before, cause.after
    if before is None or after is None:
        return ""
    return f", ratio {ratio_shift(before, after)}{_liquidation(before, after)}"


def _liquidation(before: After, after: After) -> str:
    prices = tuple(grouped(one.liquidation_price, "none") for one in (before, after))
    leg = _leg(after)
    whose = f" of {leg}" if leg else ""
    return "" if prices[0] == prices[1] else f", liquidation price{whose} {prices[0]} -> {prices[1]}"


def _level(cause: Cause) -> str:
    return f": {cause.level.name} then" if cause.level > Level.OK else ""


def _distance(facts: Facts) -> str:
    return "no liquidation price" if facts.distance is None else f"{percent(facts.distance)} from liquidation"


def _leg(cause: Cause | After) -> str:
    return f"{clean(cause.symbol)} {clean(cause.side)}".strip()
