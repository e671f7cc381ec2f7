"""Whose alarm it is: sets of level conditions, compiled and judged by the product's own rules."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmarks.lead_time.books import Wallets
from monitor.core.model import Level
from monitor.core.rules import Thresholds, compile_thresholds
from monitor.core.settings import DEFAULT_LEVELS, AlertRules, EngineSettings, LevelRule


class Policy(NamedTuple):
    """A name for the tables, and the rules of the four levels."""

    name: str
    rules: AlertRules


def critical(name: str, **conditions: float) -> Policy:
    """Return a policy that knows nothing but a critical alert on these conditions."""
    levels = (
        LevelRule(Level.NOTICE),
        LevelRule(Level.WARNING),
        LevelRule(Level.CRITICAL, **conditions),
        LevelRule(Level.EMERGENCY),
    )
    return Policy(name, AlertRules(levels))


def ours(name: str, **changes: dict[str, float | None]) -> Policy:
    """Return the default levels with some conditions changed, given by the level's word."""
    first, second, third, fourth = (
        LevelRule(
            **{field: getattr(rule, field) for field in rule.__struct_fields__} | changes.get(rule.level.label, {})
        )
        for rule in DEFAULT_LEVELS
    )
    return Policy(name, AlertRules((first, second, third, fourth)))


EXCHANGE = critical("exchange's call", margin_ratio=0.80)
ROOM = critical("room 20 %", room=0.20)
DISTANCE = critical("distance 5 %", distance=0.05)
OURS = Policy("ours", AlertRules())
# The defaults before this study: what the tuning is compared with.
_BEFORE: dict[str, dict[str, float | None]] = {
    "warning": {"dwell_s": 300.0},
    "critical": {"moves_left_room": 0.5, "dwell_s": 300.0},
}
FIRST_CHOICE = ours("before tuning", **_BEFORE)
WITHOUT_MOVES = ours(
    "the same without moves left",
    warning={**_BEFORE["warning"], "moves_left": None},
    critical={**_BEFORE["critical"], "moves_left": None},
    emergency={"moves_left": None},
)
REPORTED = (EXCHANGE, ROOM, DISTANCE, FIRST_CHOICE, WITHOUT_MOVES, OURS)

# One condition each, for the picture: how far its alarm can be moved forward, and what that costs.
CURVES = {
    "margin ratio": tuple(critical(f"ratio {at}", margin_ratio=at) for at in (0.5, 0.65, 0.8, 0.9)),
    "room": tuple(critical(f"room {at}", room=at) for at in (0.4, 0.3, 0.2, 0.1, 0.05)),
    "moves left": tuple(
        critical(f"moves {at}", moves_left=at, moves_left_room=0.5) for at in (3.0, 2.0, 1.5, 1.0, 0.75, 0.5, 0.25)
    ),
}


class Judges(NamedTuple):
    """Compiled policies; limits have one column, which serves any number of wallets."""

    policies: tuple[Policy, ...]
    limits: tuple[Thresholds, ...]

    @classmethod
    def of(cls, policies: Sequence[Policy], wallets: Wallets) -> "Judges":
        """Compile the policies for wallets of one kind."""
        book = wallets.book(1)
        limits = []
        for policy in policies:
            compiled = compile_thresholds(book, EngineSettings(rules=policy.rules))
            columns = {
                name: getattr(compiled, name)[:, :1]
                for name in ("room", "ratio", "ratio_room", "moves", "moves_room", "distance", "joint", "dwell_s")
            }
            limits.append(replace(compiled, **columns))
        return cls(tuple(policies), tuple(limits))

    @property
    def most_moves(self) -> float:
        """The most moves left that any condition looks at."""
        return max((float(np.nanmax(limit.moves)) for limit in self.limits if limit.uses_moves), default=0.0)

    @property
    def most_room(self) -> float:
        """The most room in which any condition looks at moves left."""
        rooms = [
            float(np.max(np.where(np.isnan(limit.moves), 0.0, limit.moves_room)))
            for limit in self.limits
            if limit.uses_moves
        ]
        return max(rooms, default=0.0)
