"""The results as Markdown tables, and their place in docs/lead-time.md."""

import math
import re
from collections.abc import Sequence

from benchmarks.lead_time.books import CROSS_5, CROSS_20, ISOLATED, PAIR, SPREAD, Terms
from benchmarks.lead_time.market import Facts
from benchmarks.lead_time.plan import LEVERAGES, RATES
from benchmarks.lead_time.policies import DISTANCE, EXCHANGE, FIRST_CHOICE, OURS, ROOM, WITHOUT_MOVES
from benchmarks.lead_time.study import Case, Results
from benchmarks.lead_time.tally import Outcome

LABELS = {
    ISOLATED.name: "isolated, or cross with 1",
    CROSS_5.name: "cross with 5",
    CROSS_20.name: "cross with 20",
    PAIR.name: "LONG and 60 % SHORT",
    SPREAD.name: "5 LONG, 5 SHORT",
}
_FEW = 30  # below so many liquidations a 5 % quantile says nothing


def tables(results: Results, facts: Facts) -> dict[str, str]:
    """Return all tables by the name of their place."""
    return {
        "market": market(facts),
        "main": main(results),
        "all": overview(results),
        "single": single(results),
        "tuning": tuning(results),
    }


def place(text: str, found: dict[str, str]) -> str:
    """Return the document with each table between its marks.

    Raises:
        ValueError: a mark is missing.
    """
    for name, table in found.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
        text, count = re.subn(pattern, lambda m, table=table: f"{m[1]}{table}\n{m[2]}", text, flags=re.DOTALL)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"docs/lead-time.md: marks of {name!r} stand {count} times")
    return text


def market(facts: Facts) -> str:
    """Return what the simulated market looks like."""
    lags = ", ".join(f"{value:.2f}" for value in facts.clustering)
    names = ", ".join(f"{lag} min" for lag in facts.lags_min)
    rows = [
        ("volatility of a year, root mean square", f"{facts.yearly:.0%}"),
        ("volatility of a day (5 %, median, 95 % of days)", _percents(facts.daily)),
        ("kurtosis of one-minute returns in a month", ", ".join(f"{value:.0f}" for value in facts.kurtosis)),
        ("kurtosis of daily returns", f"{facts.kurtosis_daily:.1f}"),
        (f"autocorrelation of absolute one-minute returns after {names}", lags),
        ("largest fall within one minute of a month", _percents(facts.worst_minute)),
        ("largest fall within one hour of a month", _percents(facts.worst_hour)),
        ("correlation of two symbols' one-minute returns", f"{facts.correlation:.2f}"),
    ]
    return _table(("of the simulated market", ""), rows)


def main(results: Results) -> str:
    """Return the alarms of one position at the lowest maintenance rate."""
    rows = []
    for leverage in LEVERAGES:
        for policy in (EXCHANGE, ROOM, FIRST_CHOICE, WITHOUT_MOVES, OURS):
            case = Case(ISOLATED.name, Terms(leverage, RATES[0]), policy.name)
            if case not in results:
                continue
            found, warned = results.criticals(case), results.warnings(case)
            has_warning = policy not in (EXCHANGE, ROOM)
            rows.append(
                (
                    f"{leverage:g}x" if policy is EXCHANGE else "",
                    _bold(policy.name, policy is OURS),
                    f"{found.liquidations:,}" if policy is EXCHANGE else "",
                    _delivered(found),
                    _bold(span(found.lead_s(0.5)), policy is OURS),
                    span(found.lead_s(0.05)),
                    _bold(_rate(found.false_alarms, found), policy is OURS),
                    _share(found.alerts - found.false_alarms - found.undecided, found.alerts),
                    f"{found.stood_s / 3600.0 / found.months:.1f} h",
                    _rate(warned.false_alarms, warned) if has_warning else "",
                )
            )
    heads = (
        "leverage", "critical on", "liquidations", "alert delivered before", "median lead", "5 % lead",
        "false criticals", "right", "critical for", "false warnings",
    )  # fmt: skip
    return _table(heads, rows)


def overview(results: Results) -> str:
    """Return all wallets, one row each."""
    rows = []
    for name, label in LABELS.items():
        for mmr in RATES:
            for leverage in LEVERAGES:
                case = Case(name, Terms(leverage, mmr), OURS.name)
                if case not in results:
                    continue
                found = results.criticals(case)
                cells = [
                    _short(results.criticals(case._replace(policy=policy.name)))
                    for policy in (EXCHANGE, ROOM, OURS)
                ]
                rows.append((label, f"{mmr:.1%}", f"{leverage:g}x", f"{found.liquidations:,}", *cells))
    heads = ("wallet", "mmr", "leverage", "liquidations", EXCHANGE.name, ROOM.name, OURS.name)
    return _table(heads, rows)


def single(results: Results) -> str:
    """Return what looking at single liquidation prices costs where many positions fall together."""
    rows = []
    for kind in (CROSS_5, CROSS_20):
        for leverage in LEVERAGES:
            case = Case(kind.name, Terms(leverage, RATES[0]), OURS.name)
            if case in results:
                both = [
                    _short(results.criticals(case._replace(policy=each.name))) for each in (DISTANCE, ROOM, OURS)
                ]
                rows.append((LABELS[kind.name], f"{leverage:g}x", *both))
    return _table(("wallet", "leverage", "nearest liquidation price within 5 %", ROOM.name, OURS.name), rows)


def tuning(results: Results) -> str:
    """Return the first choice of levels and the present one, on both halves of the seeds."""
    rows = []
    places = [(ISOLATED, leverage) for leverage in LEVERAGES] + [(CROSS_20, 20.0)]
    for kind, leverage in places:
        cells: list[str] = []
        for even in (True, False):
            for policy in (FIRST_CHOICE, OURS):
                case = Case(kind.name, Terms(leverage, RATES[0]), policy.name, even)
                cells.append(_short(results.criticals(case)) if case in results else "")
        rows.append((LABELS[kind.name], f"{leverage:g}x", *cells))
    heads = (
        "wallet", "leverage", "even: before", "even: tuned", "odd: before", "odd: tuned",
    )  # fmt: skip
    return _table(heads, rows)


def span(seconds: float) -> str:
    """Return a lead for people."""
    if math.isnan(seconds):
        return ""
    if seconds < 59.5:
        return f"{seconds:.0f} s" if seconds else "none"
    minutes = seconds / 60.0
    if minutes >= 100.0:
        return f"{minutes / 60.0:.1f} h"
    return f"{minutes:.1f} min" if minutes < 9.95 else f"{minutes:.0f} min"


def _short(found: Outcome) -> str:
    """Return delivered, median and 5 % lead, and false alarms a month in one cell."""
    false = _rate(found.false_alarms, found)
    if not found.liquidations:
        return f"{false} false"
    low = f" ({span(found.lead_s(0.05))})" if found.liquidations >= _FEW else ""
    return f"{_delivered(found)}, {span(found.lead_s(0.5))}{low}, {false} false"


def _delivered(found: Outcome) -> str:
    return _share(found.delivered, found.liquidations)


def _share(part: int, whole: int) -> str:
    if not whole:
        return ""
    share = 100.0 * part / whole
    return f"{share:.1f} %" if 99.0 <= share < 100.0 else f"{share:.0f} %"


def _rate(count: int, found: Outcome) -> str:
    rate = count / found.months if found.months else 0.0
    return f"{rate:.0f}" if rate >= 9.95 else f"{rate:.1f}"


def _percents(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.1%}" for value in values)


def _bold(text: str, strong: bool) -> str:  # noqa: FBT001 - a flag by nature
    return f"**{text}**" if strong and text else text


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
