"""Wishes for quiet: acknowledged incidents, snoozed ones and symbols, everything muted.

A wish holds back what is no worse than what was known when it was made, and nothing else. All of them end: at
their time, when taken back, an acknowledgement also when its incident worsens, and those of an incident with it.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from monitor.core.model import Level
from monitor.core.notices import Hold, HoldKind

ALL: Final = "all"
ALERT_PREFIX: Final = "alert:"
SYMBOL_PREFIX: Final = "symbol:"

EXPIRED: Final = "expired"
LIFTED: Final = "lifted"
WORSENED: Final = "worsened"
OVER: Final = "over"
REPLACED: Final = "replaced"


class Holds:
    """Those in force, and those that changed since they were last taken."""

    def __init__(self) -> None:
        self._active: dict[str, Hold] = {}
        self._changed: dict[str, Hold] = {}

    def take(self) -> tuple[Hold, ...]:
        """Return what was made or ended since the last call, for the database."""
        changed = tuple(self._changed.values())
        self._changed = {}
        return changed

    def active(self) -> tuple[Hold, ...]:
        """Return those in force, oldest first."""
        return tuple(self._active.values())

    def restore(self, holds: Iterable[Hold]) -> None:
        """Take those an earlier run left, or that were made while nothing ran."""
        self._active.update({hold.key: hold for hold in holds if hold.ended_ms is None})

    def make(self, hold: Hold, known: Mapping[str, Level]) -> Hold:
        """Put a wish in force; one of the same kind about the same target is replaced.

        Args:
            hold: what was wished.
            known: the present level of every subject that is not ok.
        """
        for key, old in tuple(self._active.items()):
            if (old.kind, old.target) == (hold.kind, hold.target):
                self._end(key, hold.made_ms, REPLACED)
        made = msgspec.structs.replace(hold, levels=dict(known))
        self._active[made.key] = self._changed[made.key] = made
        return made

    def lift(self, target: str, at_ms: int) -> int:
        """End the snoozes and mutes of one target, or with "all" every one; return how many."""
        found = [
            key
            for key, hold in self._active.items()
            if hold.kind is not HoldKind.ACK and target in (ALL, hold.target)
        ]
        for key in found:
            self._end(key, at_ms, LIFTED)
        return len(found)

    def expire(self, at_ms: int) -> None:
        """End those whose time has come; one made after ``at_ms`` is of a clock that was set back since."""
        for key, hold in tuple(self._active.items()):
            if at_ms >= hold.until_ms or at_ms < hold.made_ms - (hold.until_ms - hold.made_ms):
                self._end(key, at_ms, EXPIRED)

    def worsened(self, subject: str, number: int, level: Level, at_ms: int) -> None:
        """End the acknowledgements of an incident that is worse than when they were made."""
        for key, hold in tuple(self._active.items()):
            about = hold.kind is HoldKind.ACK and hold.target == alert_target(number)
            if about and level > hold.levels.get(subject, Level.OK):
                self._end(key, at_ms, WORSENED)

    def eased(self, subject: str, level: Level) -> None:
        """Lower what is known of a subject: somebody was told that it got better, so getting worse is news."""
        for key, hold in self._active.items():
            known = hold.levels.get(subject, Level.OK)
            if level < known:
                lower = {**hold.levels, subject: level}
                self._active[key] = self._changed[key] = msgspec.structs.replace(hold, levels=lower)

    def over(self, number: int, at_ms: int) -> None:
        """End what was wished about an incident that ended."""
        for key, hold in tuple(self._active.items()):
            if hold.target == alert_target(number):
                self._end(key, at_ms, OVER)

    def covering(self, subject: str, number: int, symbols: Collection[str], level: Level) -> Hold | None:
        """Return a wish that holds back news of a subject at ``level``; None if it is to be told.

        Args:
            subject: what it is about.
            number: of its present incident; 0 if it has none.
            symbols: those its wallet holds.
            level: reached, or still held.
        """
        for hold in self._active.values():
            if _is_about(hold, number, symbols) and level <= hold.levels.get(subject, Level.OK):
                return hold
        return None

    def muted(self) -> bool:
        """Return whether everything is to be quiet: what is no alert is not told at all."""
        return any(hold.target == ALL for hold in self._active.values())

    def _end(self, key: str, at_ms: int, how: str) -> None:
        hold = self._active.pop(key)
        self._changed[key] = msgspec.structs.replace(hold, ended_ms=at_ms, ended=how)


def alert_target(number: int) -> str:
    """Return the target that names an incident."""
    return f"{ALERT_PREFIX}{number}"


def symbol_target(symbol: str) -> str:
    """Return the target that names a symbol."""
    return f"{SYMBOL_PREFIX}{symbol}"


def _is_about(hold: Hold, number: int, symbols: Collection[str]) -> bool:
    if hold.target == ALL:
        return True
    if hold.target.startswith(SYMBOL_PREFIX):
        return hold.target.removeprefix(SYMBOL_PREFIX) in symbols
    return number > 0 and hold.target == alert_target(number)
