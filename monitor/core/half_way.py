"""What somebody who stops half way through cuts must not lose: how far a move of all prices is that liquidates.

A position of one symbol may be what keeps those of others from losing more when everything moves together. So the
wallet's joint distance is compared between cuts. Along a cut it is not below both of its ends, because the cushion
is concave in quantities at any prices: where each cut ends says it all.

The cushion itself is not compared: at the mark, closing takes nothing off it but what it costs, which may be more
than the maintenance margin that it frees. That is told, and liquidation is farther all the same.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from monitor.core.model import Position
from monitor.core.pairs import closed_with, larger_first, pair_of
from monitor.core.trial import Leg, Looked

FAR = 1.0  # a move that takes all of each price or doubles it: one that is farther is as good as none
_NOISE = 1e-9  # of a figure: what floats leave of the same wallet computed twice


class Standing(NamedTuple):
    """What a wallet has left, either way of looking at it."""

    joint: float  # its joint distance, at most ``FAR``; that where no common move liquidates
    cushion: float

    def keeps(self, before: "Standing") -> bool:
        """Return whether a common move that liquidates is no nearer than it was before."""
        return self.joint >= before.joint * (1.0 - _NOISE)

    @property
    def pull(self) -> float:
        """What a common move takes off the cushion, for a whole one, on the way to liquidation; NaN past it."""
        return self.cushion / self.joint if self.joint > 0 else math.nan


NOTHING = Standing(-math.inf, -math.inf)  # what every wallet keeps


def standing(looked: Looked, copy: int = 0) -> Standing:
    """Return what one copy that was looked at has left."""
    wallet = looked.wallets[copy]
    joint, cushion = float(looked.readings.joint_distance[wallet]), float(looked.readings.cushion[wallet])
    if math.isnan(joint):
        joint = FAR if cushion >= 0.0 else 0.0  # below nothing on the way to where nothing is held any more
    return Standing(min(joint, FAR), cushion)


class Forecast:
    """What a wallet would have left without some of its positions, about: from what a little less of each does.

    What a common move takes off the cushion comes from the positions one by one, and so does what closing them
    frees: but for brackets, which is why it is looked at before anybody counts on it.

    Args:
        now: as it is.
    """

    def __init__(self, now: Standing) -> None:
        self._now = now
        self._parts: dict[Leg, tuple[float, float]] = {}  # of the pull and of the cushion

    def learn(self, position: Position, share: float, then: Standing) -> None:
        """Take what was found with a share less of a position."""
        now = self._now
        parts = (now.pull - then.pull) / share, (now.cushion - then.cushion) / share
        self._parts[position.symbol, position.side] = parts

    @property
    def is_known(self) -> bool:
        """Whether it says anything: past liquidation it does not."""
        return all(math.isfinite(part) for parts in self._parts.values() for part in parts)

    @property
    def hedges(self) -> bool:
        """Whether a position may hold against others."""
        return any(not pull >= 0.0 for pull, _ in self._parts.values())

    def without(self, groups: Sequence[Sequence[Position]]) -> list[float]:
        """Return the joint distance after each of these is closed whole, one after the other."""
        found: list[float] = []
        pull, cushion = self._now.pull, self._now.cushion
        for group in groups:
            for position in group:
                parts = self._parts[position.symbol, position.side]
                pull, cushion = pull - parts[0], cushion - parts[1]
            found.append(_joint(pull, cushion))
        return found

    def in_balance(self, ranked: Sequence[Position]) -> list[Position]:
        """Return positions in their order, but for what would bring liquidation nearer on the way.

        Each is closed whole. The first that leaves no less of a joint distance than there is at that point comes
        next; where there is none, the first that leaves no less than there was in the beginning, else what leaves
        most. ``ranked`` is as ``pairs.larger_first`` has it.
        """
        if not self.hedges or not self.is_known:
            return list(ranked)
        rest = [
            (group, [sum(parts) for parts in zip(*(self._parts[p.symbol, p.side] for p in group), strict=True)])
            for group in groups_of(ranked)
        ]
        pull, cushion, joint = self._now.pull, self._now.cushion, self._now.joint
        ordered: list[Position] = []
        while rest:
            then = [_joint(pull - less, cushion - freed) for _, (less, freed) in rest]
            limits = (joint * (1.0 - _NOISE), self._now.joint * (1.0 - _NOISE))
            at = next((i for limit in limits for i, one in enumerate(then) if one >= limit), None)
            if at is None:
                at = max(range(len(rest)), key=then.__getitem__)
            joint = then[at]
            group, (less, freed) = rest.pop(at)
            pull, cushion = pull - less, cushion - freed
            ordered += group
        return larger_first(ordered)

    def doubtful(self, groups: Sequence[Sequence[Position]], most: int) -> tuple[int, list[int]]:
        """Return how many of these can be closed one after the other, and after which of them to look."""
        if not self.hedges or not self.is_known:
            return len(groups), []
        joints = self.without(groups)
        limit = self._now.joint * (1.0 - _NOISE)
        safe = next((i for i, joint in enumerate(joints) if joint < limit), len(groups))
        nearest = sorted(range(safe), key=joints.__getitem__)[:most]
        return safe, sorted(i + 1 for i in nearest)


def _joint(pull: float, cushion: float) -> float:
    if cushion <= 0.0:
        return 0.0
    return cushion / abs(pull) if pull else math.inf


def groups_of(ranked: Sequence[Position]) -> list[tuple[Position, ...]]:
    """Return positions in their order, those together that are only closed together."""
    sides: dict[str, list[Position]] = {}
    for position in ranked:
        sides.setdefault(position.symbol, []).append(position)
    groups: list[tuple[Position, ...]] = []
    for position in ranked:
        if not groups or position not in groups[-1]:
            groups.append(closed_with(position, pair_of(position, sides[position.symbol])))
    return groups
