"""[alerts]: changes of the default rules, and of those for one account or one symbol."""

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

import msgspec

from monitor.config.problems import Loc, Problems, fix_of, listed, nearest, shown, shown_text
from monitor.config.schema import SYMBOL_SHAPE, AlertsSection, LevelSection, OverrideSection
from monitor.config.values import symbol_name
from monitor.core.model import Level
from monitor.core.settings import AlertRules, LevelRule, RulesOverride

# Which way a condition's values go as things get worse.
_FALLING = ("room", "moves_left", "distance", "joint_distance")
_RISING = ("margin_ratio",)

# How long somebody who is awake needs to answer, and who is not, sleeps.
SOONEST_S = 60.0
LATEST_S = 86_400.0

_RENAMED = {"reminder": "reminder_s", "dwell": "dwell_s"}


def build_rules(
    raw: dict[str, Any],
    problems: Problems,
    accounts: Collection[str],
    symbols: Collection[str],
    *,
    any_symbol: bool = False,
) -> tuple[AlertRules, tuple[RulesOverride, ...]]:
    """Return the global rules, and the complete rules of each account and symbol that has its own.

    Args:
        raw: the [alerts] table.
        problems: takes the mistakes.
        accounts: names that exist.
        symbols: symbols typed in.
        any_symbol: whether there are accounts that may hold any other symbol as well.
    """
    loc: Loc = ("alerts",)
    section = problems.check(AlertsSection, raw, loc)
    rules = _scope(raw, section, AlertRules(), loc, problems)
    if section is not None and not SOONEST_S <= section.escalate_after <= LATEST_S:
        hint = "10m is the default"
        problems.add((*loc, "escalate_after"), f"{section.escalate_after:g} s", 'from "1m" to "1d"', hint)
    overrides: list[RulesOverride] = []
    for name, table in _tables(raw, "accounts"):
        here: Loc = (*loc, "accounts", name)
        if name not in accounts:
            problems.add(here, "an unknown account", f"an account: {listed(accounts)}", nearest(name, accounts))
        overrides.append(RulesOverride(_override(table, rules, here, problems), account=name))
    for name, table in _tables(raw, "symbols"):
        here = (*loc, "symbols", name)
        if any_symbol:
            if (fix := fix_of(symbol_name, name)) is not None:
                problems.add(here, shown_text(name), SYMBOL_SHAPE, fix)
        elif name not in symbols:
            allowed = f"a symbol with a position: {listed(symbols)}"
            problems.add(here, "a symbol without a position", allowed, nearest(name, symbols))
        overrides.append(RulesOverride(_override(table, rules, here, problems), symbol=name))
    return rules, tuple(overrides)


def escalate_after(raw: Mapping[str, Any]) -> float:
    """Return after how many seconds an unacknowledged incident is escalated; ``raw`` was found sound."""
    return AlertsSection.model_validate(raw).escalate_after


def rule_warnings(rules: AlertRules, overrides: Collection[RulesOverride]) -> list[str]:
    """Return which levels could never be left or never be reached; ``overrides`` are complete rules."""
    scopes = {"alerts": rules}
    for override in overrides:
        kind, name = (
            ("accounts", override.account) if override.account is not None else ("symbols", override.symbol)
        )
        scopes[f"alerts.{kind}.{name}"] = override.rules
    # Room is never above 1, so a dead band must end below that.
    stuck = [
        f"{scope}.{rule.level.label}.room = {rule.room:g} with its dead band of {scoped.dead_band:g} ends at"
        f" {rule.room * (1 + scoped.dead_band):g}, and room is never above 1: once reached, the level stays"
        for scope, scoped in scopes.items()
        for rule in scoped.levels
        if rule.room is not None and rule.room * (1 + scoped.dead_band) >= 1
    ]
    return stuck + [text for scope, scoped in scopes.items() for text in _never_reached(scope, scoped, rules)]


def _never_reached(scope: str, scoped: AlertRules, everywhere: AlertRules) -> list[str]:
    """Return which levels of a scope have no condition; what it merely inherits is told once, above."""
    idle = [rule for rule in scoped.levels if _idle(rule)]
    inherited = {rule.level for rule in everywhere.levels if _idle(rule)} if scoped is not everywhere else set()
    if not idle or {rule.level for rule in idle} == inherited:
        return []
    if len(idle) == len(scoped.levels):
        whom = "positions" if scoped is everywhere else "these positions"
        where = ", except where an account or a symbol has rules of its own" if scoped is everywhere else ""
        return [f"{scope}: all conditions of all levels are off: no alert about {whom} is ever sent{where}"]
    return [
        f"{scope}.{rule.level.label}: all its conditions are off: it can never be reached"
        for rule in idle
        if rule.level not in inherited
    ]


def _idle(rule: LevelRule) -> bool:
    return rule.room is rule.moves_left is rule.margin_ratio is rule.distance is rule.joint_distance is None


def _tables(raw: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    tables = raw.get(key)
    return list(tables.items()) if isinstance(tables, dict) else []


def _override(raw: object, base: AlertRules, loc: Loc, problems: Problems) -> AlertRules:
    section = problems.check(OverrideSection, raw, loc)
    return _scope(raw, section, base, loc, problems) if isinstance(raw, dict) else base


def _scope(
    raw: Mapping[str, Any], section: OverrideSection | None, base: AlertRules, loc: Loc, problems: Problems
) -> AlertRules:
    """Merge one table of levels over the rules it starts from."""
    written: dict[Level, LevelSection] = {}
    sound = True
    for level in (rule.level for rule in base.levels):
        if isinstance(table := raw.get(level.label), dict):
            checked = problems.check(LevelSection, table, (*loc, level.label))
            if checked is None:
                sound = False
            else:
                written[level] = checked
    first, second, third, fourth = (_merged(rule, written.get(rule.level)) for rule in base.levels)
    own_band = section is not None and "dead_band" in section.model_fields_set
    rules = AlertRules(
        (first, second, third, fourth), section.dead_band if section is not None and own_band else base.dead_band
    )
    if sound:
        _check_order(rules, written, loc, problems)
    return rules


def _merged(rule: LevelRule, section: LevelSection | None) -> LevelRule:
    if section is None:
        return rule
    given = {key: getattr(section, key) for key in section.model_fields_set}
    changes = {_RENAMED.get(key, key): None if value is False else value for key, value in given.items()}
    return msgspec.structs.replace(rule, **changes)


def _check_order(rules: AlertRules, written: Mapping[Level, LevelSection], loc: Loc, problems: Problems) -> None:
    """Refuse a level that asks for less danger than the one below it: one of the two could never be told."""
    for name in (*_FALLING, *_RISING):
        used = [rule for rule in rules.levels if getattr(rule, name) is not None]
        for below, above in pairwise(used):
            low, high = getattr(below, name), getattr(above, name)
            if (high > low) if name in _RISING else (high < low):
                continue
            # The place is the one the user wrote; where neither is written here, it was judged before.
            ours = [r for r in (above, below) if r.level in written and name in written[r.level].model_fields_set]
            if not ours:
                continue
            culprit, other = (above, below) if ours[0] is above else (below, above)
            direction = "above" if (name in _RISING) == (culprit is above) else "below"
            value = getattr(other, name)
            problems.add(
                (*loc, culprit.level.label, name),
                shown(getattr(culprit, name)),
                f"a value {direction} {value:g}, which is {other.level.label}'s",
                "each level has to be worse than the one before, or switched off with false",
            )
