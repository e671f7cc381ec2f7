"""Levels: which conditions hold now, which level follows. Pure functions over columns.

Rising is instant. Falling needs the level's conditions missed by a dead band, without a break, for its dwell
time; what is not known (no mark yet, stale marks) counts as not missed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from monitor.core.book import Book, Bools, Floats
from monitor.core.layout import QUOTE_ASSETS
from monitor.core.model import Level
from monitor.core.risk import Readings
from monitor.core.settings import AlertRules, EngineSettings, LevelRule

Levels = npt.NDArray[np.int8]

_ORDER = np.array([[level] for level in Level if level > Level.OK], dtype=np.int8)
_LEVELS = len(_ORDER)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Conditions as columns, shape (8, w): entering the four levels, then leaving them. NaN is off."""

    room: Floats
    ratio: Floats
    ratio_room: Floats
    moves: Floats
    moves_room: Floats
    distance: Floats
    joint: Floats
    dwell_s: Floats  # (4, w)
    uses_distance: bool
    uses_joint: bool
    uses_moves: bool
    rules: tuple[AlertRules, ...]  # by wallet


def compile_thresholds(book: Book, settings: EngineSettings) -> Thresholds:
    """Return the conditions of every wallet of the book."""
    special = {(override.account, override.symbol): override.rules for override in settings.overrides}
    rules = tuple(_rules_of(book, wallet, special, settings.rules) for wallet in range(len(book.wallets)))

    # Most wallets share theirs: each is read once.
    distinct = {id(rule): rule for rule in rules}
    place = {one: i for i, one in enumerate(distinct)}
    kind = np.array([place[id(rule)] for rule in rules], dtype=np.intp)
    band = np.array([rule.dead_band for rule in distinct.values()])

    def read(name: str) -> Floats:
        return np.array(
            [[_number(getattr(rule.levels[i], name)) for rule in distinct.values()] for i in range(_LEVELS)]
        )

    def column(name: str, worse: float) -> Floats:
        """``worse`` is the direction in which values get more dangerous: -1 smaller, +1 larger."""
        enter = read(name)
        return np.concatenate([enter, enter * (1.0 - worse * band)]).take(kind, axis=1)

    free = _free_of_room(book)
    ratio_room, moves_room = column("margin_ratio_room", -1), column("moves_left_room", -1)
    ratio_room[:, free] = np.inf
    moves_room[:, free] = np.inf
    distance, joint, moves = column("distance", -1), column("joint_distance", -1), column("moves_left", -1)
    return Thresholds(
        room=column("room", -1),
        ratio=column("margin_ratio", 1),
        ratio_room=ratio_room,
        moves=moves,
        moves_room=moves_room,
        distance=distance,
        joint=joint,
        dwell_s=read("dwell_s").take(kind, axis=1),
        uses_distance=not bool(np.isnan(distance).all()),
        uses_joint=not bool(np.isnan(joint).all()),
        uses_moves=not bool(np.isnan(moves).all()),
        rules=rules,
    )


def _free_of_room(book: Book) -> Bools:
    """Return the wallets in which ratio and moves count whatever the room is, shape (w,).

    Room measures the way from the entry prices of positions. Collateral that loses value shortens what is left
    without a step on that way, so beside it room can vouch for nothing.
    """
    free = np.zeros(len(book.wallets), dtype=np.bool_)
    free[
        [int(book.slot_wallet[slot]) for slot in book.rated_slots if book.slot_assets[slot] not in QUOTE_ASSETS]
    ] = True
    return free


def conditions(book: Book, limits: Thresholds, readings: Readings, moves_left: Floats | None = None) -> Bools:
    """Return which levels' conditions hold, shape (8, w): entered in the first four rows, not left in the others.

    In hollow wallets ratio and moves count whatever the room is: the price has come from elsewhere than the entry.

    Args:
        book: the columns the readings were made of.
        limits: compiled for the same book.
        readings: one evaluation.
        moves_left: shape (w,) or by condition (8, w), NaN where not known; None if none is known.
    """
    room = readings.room
    hit = room <= limits.room
    vouched = np.where(book.hollow, -np.inf, room)
    hit |= (readings.margin_ratio >= limits.ratio) & (vouched <= limits.ratio_room)
    if limits.uses_distance and book.filled_starts.size:
        hit |= wallet_distance(book, readings) <= limits.distance
    if limits.uses_joint:
        hit |= readings.joint_distance <= limits.joint
    if limits.uses_moves and moves_left is not None:
        hit |= (moves_left <= limits.moves) & (vouched <= limits.moves_room)
    hit &= book.exposed
    return hit


def leeway(book: Book, limits: Thresholds, readings: Readings, moves_left: Floats | None = None) -> Floats:
    """Return by how much each level's conditions are missed, shape (8, w): of several, the least.

    Above 0 where ``conditions`` finds none that holds, at or below 0 where one does: a hint of how far there is to
    go, with the rounding of its own divisions. Infinite where nothing can hold. Of each condition it is a measure
    that grows evenly with margin added, as room and ratio themselves do not.
    """
    room = readings.room
    with np.errstate(divide="ignore", invalid="ignore"):
        over = _way(room, limits.room)
        ratio = np.where(np.isnan(limits.ratio), np.nan, limits.ratio / readings.margin_ratio - 1.0)
        over = np.fmin(over, np.maximum(ratio, _gate(book, room, limits.ratio_room)))
        if limits.uses_distance and book.filled_starts.size:
            over = np.fmin(over, _share(wallet_distance(book, readings), limits.distance))
        if limits.uses_joint:
            over = np.fmin(over, _share(readings.joint_distance, limits.joint))
        if limits.uses_moves and moves_left is not None:
            gate = _gate(book, room, limits.moves_room)
            over = np.fmin(over, np.maximum(_share(moves_left, limits.moves), gate))
    return np.where(np.isnan(over) | ~book.exposed, np.inf, over)


def _way(room: Floats, limit: Floats) -> Floats:
    """Return how far rooms are above limits, as a share of what has been lost of the way from entry.

    A limit of 1 or more is one that no room is above: there is no way there, only less or more of one.
    """
    return np.where(np.isinf(limit), -np.inf, (room - limit) / np.where(limit < 1.0, 1.0 - room, 1.0))


def _gate(book: Book, room: Floats, limit: Floats) -> Floats:
    """Return how far rooms are above what lets another condition count; in hollow wallets it always does."""
    return np.where(book.hollow, -np.inf, _way(room, limit))


def _share(value: Floats, limit: Floats) -> Floats:
    """Return how far values are above limits, in limits."""
    return (value - limit) / np.where(limit > 0, limit, 1.0)


def wallet_distance(book: Book, readings: Readings) -> Floats:
    """Return the smallest distance of each wallet's positions, shape (w,); NaN where there is none.

    Collateral in a symbol's underlying moves along with it: with other prices fixed, one coin that backs a
    position of three would look far safer than it is.
    """
    nearest = np.full(len(book.wallets), np.nan)
    np.fmin.at(nearest, book.row_wallet, readings.linked_distance)
    return nearest


def reached(hit: Bools) -> Levels:
    """Return the highest level whose conditions hold, shape (w,)."""
    highest: Levels = (hit[:_LEVELS] * _ORDER).max(axis=0)
    return highest


@dataclass(slots=True)
class Track:
    """What levels remember: the level, and when each level's conditions were last not missed (monotonic s)."""

    level: Levels  # (w,)
    held_s: Floats  # (4, w); -inf where never
    eased_s: Floats  # (w,); since when the level is kept although its own conditions are missed; NaN where not

    @classmethod
    def empty(cls, wallets: int) -> "Track":
        """Return a track of wallets that were never judged."""
        return cls(
            np.zeros(wallets, dtype=np.int8), np.full((_LEVELS, wallets), -np.inf), np.full(wallets, np.nan)
        )


def eased(level: Levels, hit: Bools) -> Bools:
    """Return the wallets that have a level whose own conditions are all missed by the dead band, shape (w,)."""
    own = np.take_along_axis(hit[_LEVELS:], np.maximum(level - 1, 0).astype(np.intp)[np.newaxis], axis=0)[0]
    missed: Bools = (level > 0) & ~own
    return missed


def relapsed(track: Track, limits: Thresholds, hit: Bools, now_s: float) -> Bools:
    """Return the wallets that meet their level's conditions again after what would have ended it, shape (w,).

    For want of fresh marks a level is kept however good the figures are, so that meeting it anew is no rise; to
    whoever has read that the danger passed it is one. ``track`` is that before the judgement.
    """
    if np.isnan(track.eased_s).all():
        return np.zeros(len(track.level), dtype=np.bool_)
    dwell_s = np.take_along_axis(
        limits.dwell_s, np.maximum(track.level - 1, 0).astype(np.intp)[np.newaxis], axis=0
    )[0]
    again: Bools = (track.level > 0) & (reached(hit) >= track.level) & (now_s - track.eased_s >= dwell_s)
    return again


def advance(
    track: Track, limits: Thresholds, hit: Bools, unsure: Bools, now_s: float, *, unknown: Bools | None = None
) -> Track:
    """Return the track one judgement later.

    Args:
        track: levels so far.
        limits: for the dwell times.
        hit: from ``conditions``.
        unsure: wallets whose data is missing or stale, shape (w,); they may rise and not fall.
        now_s: monotonic seconds.
        unknown: those of them of which there are no figures at all; None for none.
    """
    held = np.where(hit[_LEVELS:] | unsure, now_s, track.held_s)
    kept = (track.level >= _ORDER) & (now_s - held < limits.dwell_s)
    level: Levels = np.maximum(reached(hit), (kept * _ORDER).max(axis=0))
    calm = eased(level, hit) & (level == track.level)
    if unknown is not None:
        calm &= ~unknown
    since_s = np.where(calm, np.where(np.isnan(track.eased_s), now_s, track.eased_s), np.nan)
    return Track(level, held, since_s)


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _rules_of(
    book: Book, wallet: int, special: Mapping[tuple[str | None, str | None], AlertRules], default: AlertRules
) -> AlertRules:
    """Choose the rules of a wallet: those of its symbol, else its account's, else the global ones.

    A cross wallet with several symbols is as sensitive as the most sensitive of their rules: a setting made for
    one symbol must neither be lost nor make the others deaf.
    """
    account = book.wallets[wallet].key.account

    def rules_for(symbol: str | None) -> AlertRules:
        keys = ((account, symbol), (None, symbol), (account, None))
        return next((special[key] for key in keys if key in special), default)

    symbols = sorted({book.positions[row].symbol for row in book.rows_of(wallet)})
    return reduce(_most_sensitive, map(rules_for, symbols)) if symbols else rules_for(None)


def _most_sensitive(one: AlertRules, other: AlertRules) -> AlertRules:
    if one == other:
        return one
    first, second, third, fourth = (
        LevelRule(
            level=a.level,
            room=_pick(max, a.room, b.room),
            moves_left=_pick(max, a.moves_left, b.moves_left),
            moves_left_room=_companion((a.moves_left, a.moves_left_room), (b.moves_left, b.moves_left_room)),
            margin_ratio=_pick(min, a.margin_ratio, b.margin_ratio),
            margin_ratio_room=_companion(
                (a.margin_ratio, a.margin_ratio_room), (b.margin_ratio, b.margin_ratio_room)
            ),
            distance=_pick(max, a.distance, b.distance),
            joint_distance=_pick(max, a.joint_distance, b.joint_distance),
            reminder_s=_pick(min, a.reminder_s, b.reminder_s),
            dwell_s=max(a.dwell_s, b.dwell_s),
        )
        for a, b in zip(one.levels, other.levels, strict=True)
    )
    return AlertRules((first, second, third, fourth), max(one.dead_band, other.dead_band))


def _companion(*conditions: tuple[float | None, float]) -> float:
    """Return the widest room; that of a condition which is off must not widen the other's."""
    return max((room for value, room in conditions if value is not None), default=1.0)


def _pick(choose: Callable[[list[float]], float], a: float | None, b: float | None) -> float | None:
    given = [value for value in (a, b) if value is not None]
    return choose(given) if given else None
