"""Accounts as people are shown them: what the engine knows of each, and how following it goes. Pure."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from monitor.notify.numbers import span

if TYPE_CHECKING:
    from monitor.status import Status  # numpy comes with it, which few commands need

TROUBLE = frozenset({"failing", "refused"})
AROUND_WORDS = {"adl": "ADL places", "key": "key rights"}
LATE_S = 60.0  # twice as long as it takes from one description by REST to the next


class AccountRow(NamedTuple):
    """One account for people."""

    account: str
    market: str
    positions: int | None  # None: never heard of
    as_of_ms: int
    followed: str  # yes, typed in, or why not
    trouble: bool
    figures: str
    drifting: bool
    untabled: tuple[str, ...]
    heard: str = "-"  # how long ago REST last described it, and its private stream last told something


def account_rows(found: "Status") -> tuple[AccountRow, ...]:
    """Return every configured account, those first of which nothing is known yet."""
    follows: dict[str, Mapping[str, Any]] = {one["account"]: one for one in msgspec.to_builtins(found.accounts)}
    rows = [
        AccountRow(name, str(follow.get("market", "")), None, 0, why_not(follow, seen=False), True, "-", False, ())
        for name in found.unseen
        for follow in (follows.get(name, {}),)
    ]
    for one in found.engine.accounts:
        count = sum(not row.agrees for row in one.compared)
        figures = f"{count} of {len(one.compared)} drift" if count else f"{len(one.compared)} agree"
        why = why_not(follows.get(one.account, {}), seen=one.source != "stored")
        fine = "typed in" if one.source == "given" else "yes"
        followed = (why or fine) if one.ok else one.reason.replace("_", " ")
        rows.append(
            AccountRow(
                one.account, one.market, one.positions, one.as_of_ms, followed, bool(why) or not one.ok,
                figures if one.audited_ms else "-", count > 0, one.untabled,
                heard(follows.get(one.account, {})),
            )
        )  # fmt: skip
    return tuple(rows)


def untabled_lines(rows: Iterable[AccountRow]) -> tuple[str, ...]:
    """Return which symbols are not watched, for want of tiers."""
    return tuple(
        f"{row.account}: no maintenance tiers of {', '.join(row.untabled)}: not watched."
        for row in rows
        if row.untabled
    )


def heard(follow: Mapping[str, Any]) -> str:
    """Return how long ago REST last described an account and its stream last told something; ``-`` if typed in."""
    if not follow:
        return "-"
    ages = (follow.get("reconcile_age_s"), follow.get("event_age_s"))
    return " / ".join("never" if age is None else span(age) for age in ages)


def why_not(follow: Mapping[str, Any], *, seen: bool) -> str:
    """Return why an account is not followed right now, empty where it is or where it has no key."""
    state, reason = str(follow.get("state", "")), str(follow.get("reason", ""))
    if state in TROUBLE:
        return f"{state}: {reason.replace('_', ' ')}"
    age_s = follow.get("reconcile_age_s")
    if seen and age_s is not None and age_s >= LATE_S:
        return f"no answer for {age_s:.0f} s"
    if not seen:
        return f"not yet: {state}" if state else "not yet"
    return ""


def around_lines(found: "Status") -> tuple[str, ...]:
    """Return how old each part of what is known around the positions of followed accounts is."""
    lines = []
    for one in msgspec.to_builtins(found.accounts):
        parts = [part_words(AROUND_WORDS.get(name, name), part) for name, part in one.get("around", {}).items()]
        if parts:
            lines.append(f"{one['account']}: around its positions: {', '.join(parts)}.")
    return tuple(lines)


def part_words(name: str, part: Mapping[str, Any]) -> str:
    """Return how old one part is, and why it is not newer."""
    age = "not told" if part["age_s"] is None else f"{span(part['age_s'])} old"
    why = f" ({part['failing'].replace('_', ' ')})" if part["failing"] else ""
    return f"{name} {age}{why}"


def release_lines(found: "Status") -> tuple[str, ...]:
    """Return by account what partial closes of isolated positions released, where any were seen."""
    return tuple(released(one.account, one.released) for one in found.engine.accounts if any(one.released))


def released(account: str, counts: tuple[int, int]) -> str:
    """Return what was seen of the assumption that a partial close releases its share of an isolated margin."""
    as_assumed, otherwise = counts
    return f"{account}: partial closes of isolated positions seen: {as_assumed} as assumed, {otherwise} otherwise."
