"""What is told of a time in which nobody watched. Pure.

The title says when it was and how near it came, the body where, and what is not known.
"""

from collections.abc import Iterator
from datetime import tzinfo

from monitor.core.away import RESTARTED, STOOD_STILL
from monitor.core.notices import Facts, Notice, WorstAway
from monitor.notify.numbers import day_time, grouped, moment, percent, span, time_of_day
from monitor.notify.words import TITLE_SYMBOLS, Line, clean, symbols_of

_BODY_SYMBOLS = 20
_BODY_WALLETS = 5
_DAY_MS = 86_400_000
_WHY = {
    RESTARTED: "nothing ran",
    STOOD_STILL: "the service itself stood still, stopped or suspended with its machine",
}


def away_title(notice: Notice) -> str:
    """Return what a lock screen shows."""
    facts = notice.facts
    when = f"WHILE AWAY {_when(facts, notice.decided_ms)}"
    if facts.away:
        return f"{when} - {_story(facts.away[0])}{_others(facts)}"
    return f"{when} - what happened to {symbols_of(facts, TITLE_SYMBOLS)} could not be looked up"


def away_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:
    """Yield when it was, the worst wallets, what is not known, and what the figures are made of."""
    why = _WHY.get(facts.reason, "the stream told nothing, or nothing true")
    lasted = span((facts.until_ms - facts.from_ms) / 1000)
    yield Line("Away", f"{lasted}, {why}: {moment(facts.from_ms, tz)} to {moment(facts.until_ms, tz)}")
    for one in facts.away:
        yield Line(one.level.name, _wallet(one, tz))
    if facts.wallets:
        more = len(facts.wallets) - _BODY_WALLETS
        names = ", ".join(clean(wallet) for wallet in facts.wallets[:_BODY_WALLETS])
        yield Line("Also", names + (f" +{more} more" if more > 0 else ""))
    if facts.symbols:
        yield Line("Not known", f"{symbols_of(facts, _BODY_SYMBOLS)}: their prices could not be looked up")
    if facts.away:
        yield Line("Figures", "made of one-minute candles, with the positions as they are now")
        yield Line("Meaning", "this is over; how it is now, alerts tell")
    else:
        yield Line("To do", "look at what these prices did; whether an order was filled, the exchange knows")


def _when(facts: Facts, decided_ms: int) -> str:
    """Return from when to when, with days unless all of it was on the day on which it is told."""
    if facts.from_ms // _DAY_MS == facts.until_ms // _DAY_MS == decided_ms // _DAY_MS:
        return f"{time_of_day(facts.from_ms)}-{time_of_day(facts.until_ms)} UTC"
    return f"{day_time(facts.from_ms)} to {day_time(facts.until_ms)} UTC"


def _story(one: WorstAway) -> str:
    who = clean(one.symbol) or clean(one.subject)
    if one.liquidatable:
        return f"{who}: the margin would have been used up, check the exchange"
    far, together = _far(one)
    ratio = f"margin ratio {percent(one.margin_ratio)}"
    if far is None:
        return f"{who}: {ratio}"
    return (
        f"{who} came within {percent(far)} of liquidation{', all marks together,' if together else ''} ({ratio})"
    )


def _far(one: WorstAway) -> tuple[float | None, bool]:
    """Return the smaller of the two distances, and whether it is the one of all marks together."""
    alone, joint = one.distance, one.joint_distance
    if joint is not None and (alone is None or joint < alone):
        return joint, True
    return alone, False


def _others(facts: Facts) -> str:
    count = len(facts.away) + len(facts.wallets) - 1
    return f", +{count} more" if count > 0 else ""


def _wallet(one: WorstAway, tz: tzinfo) -> str:
    leg = f"{clean(one.symbol)} {clean(one.side)}".strip()
    far, together = _far(one)
    away = "margin used up" if one.liquidatable else f"{percent(far)} left" if far is not None else ""
    figures = (
        away + (", all marks together" if together and not one.liquidatable else ""),
        f"margin ratio {percent(one.margin_ratio)}" if not one.liquidatable else "",
        f"{leg} at {grouped(one.mark)}, liquidation price {grouped(one.liquidation_price, 'none')}" if leg else "",
        f"around {moment(one.at_ms, tz)}",
    )
    return f"{clean(one.subject)}: {', '.join(figure for figure in figures if figure)}"
