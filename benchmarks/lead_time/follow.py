"""Follows wallets along simulated paths, from entry until they are liquidated or their time is over.

Minutes are taken in chunks: one pass of the core over all wallets and minutes of a chunk, and one more over the
five-second steps of those minutes in which a wallet is near its end. Levels then go minute by minute through
``rules.advance``; what held at any step of a minute counts for the minute, as it does when ticks are coalesced,
and a rise is dated to its step. Levels fall at whole minutes.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmarks.lead_time.books import Kind, Pass, Terms, Wallets
from benchmarks.lead_time.market import MINUTES_A_DAY, Market, Minutes, Paths
from benchmarks.lead_time.policies import Judges, Policy
from benchmarks.lead_time.tally import LEVELS, Outcome, Tally
from monitor.core.book import Bools, Floats, Ints
from monitor.core.model import Side
from monitor.core.moves import HALF_LIFE, moves_left
from monitor.core.rules import Track, advance, conditions

STEPS = 12  # within a minute: five seconds each
STEP_S = 60.0 / STEPS
HOLD_DAYS = 30  # then a position is closed
WAIT_MIN = 360  # until the next entry, at most; uniform
NEAR = 8.0  # standard deviations of a minute within which its inside is looked at
# How far the rough deviation that picks what is computed exactly may be off; legs of both sides drift apart.
MARGIN, MARGIN_HEDGED = 1.6, 4.0
QUIET = (
    0.25  # of the way to liquidation: wallets that never lost as much in a chunk, and have no level, are skipped
)
_HISTORY = 2 * MINUTES_A_DAY


class Unit(NamedTuple):
    """One piece of work: a kind of wallet under several terms, on the same paths."""

    kind: Kind
    terms: tuple[Terms, ...]
    paths: int
    days: float
    seed: int
    chunk: int  # minutes
    refresh: int  # minutes after which moves left are made anew; the product does so every minute


class Follower:
    """Runs one unit."""

    def __init__(self, unit: Unit, policies: Sequence[Policy], market: Market | None = None) -> None:
        self.unit = unit
        self._wallets = [Wallets(unit.kind, terms) for terms in unit.terms]
        self._judges = Judges.of(policies, self._wallets[0])
        self._source = Paths(unit.paths, unit.kind.symbols, unit.seed, market)
        self._rng = np.random.default_rng([unit.seed, 1])
        slots = (len(unit.terms), unit.paths)
        count = slots[0] * slots[1]
        self._tally = [Tally(len(policies), unit.paths) for _ in unit.terms]
        self._track = Track.empty(len(policies) * count)
        self._dwell = np.concatenate(
            [np.repeat(limit.dwell_s, count, axis=1) for limit in self._judges.limits], axis=1
        )
        self._log = np.zeros((unit.paths, unit.kind.symbols))  # log price of each path
        self._entry = np.zeros((*slots, unit.kind.symbols))  # the same at entry
        self._held = np.zeros(slots, dtype=np.bool_)
        self._entered_s = np.zeros(slots)
        self._opens_s = self._rng.uniform(0.0, WAIT_MIN * 60.0, slots)
        self._cushion = np.full(slots, np.inf)  # at the beginning of the chunk
        self._history = np.zeros((MINUTES_A_DAY + _HISTORY, unit.paths, unit.kind.symbols), dtype=np.float64)
        self._at = 0  # first minute of the chunk within the history
        self._gain = np.zeros(unit.kind.symbols)
        for leg in unit.kind.legs:
            self._gain[leg.symbol] += leg.notional if leg.side is Side.LONG else -leg.notional
        hedged = len({leg.side for leg in unit.kind.legs}) > 1
        self._margin = MARGIN_HEDGED if hedged else MARGIN
        self._squares = np.zeros(unit.paths)
        self._recent = np.zeros(unit.paths)

    def run(self, progress: Callable[[float], None] = lambda _: None) -> list[list[list[Outcome]]]:
        """Return outcomes by terms, policy and level; ``progress`` is told the share done."""
        self._warm_up()
        minutes = round(self.unit.days * MINUTES_A_DAY)
        for start in range(0, minutes, self.unit.chunk):
            self._chunk(start)
            progress(min(1.0, (start + self.unit.chunk) / minutes))
        end_s = minutes * 60.0
        for v, tally in enumerate(self._tally):
            left = np.flatnonzero(self._held[v])
            tally.closed(left, end_s, self._entered_s[v, left])
        return [tally.outcomes for tally in self._tally]

    def _warm_up(self) -> None:
        """Let a day pass, so that moves are known."""
        for start in range(0, MINUTES_A_DAY, self.unit.chunk):
            count = min(self.unit.chunk, MINUTES_A_DAY - start)
            self._remember(self._source.advance(count).returns)

    def _remember(self, returns: Floats) -> Floats:
        """Append to the history; return the rough hourly deviation before each minute, shape (t, paths).

        Of what the entry weights gain: it only picks what is computed exactly.
        """
        if self._at + len(returns) > len(self._history):
            self._history[:MINUTES_A_DAY] = self._history[self._at - MINUTES_A_DAY : self._at].copy()
            self._at = MINUTES_A_DAY
        self._history[self._at : self._at + len(returns)] = returns
        squares = (returns @ self._gain) ** 2
        gone = slice(self._at - MINUTES_A_DAY, self._at - MINUTES_A_DAY + len(returns))
        old = (self._history[gone] @ self._gain) ** 2 if self._at >= MINUTES_A_DAY else np.zeros_like(squares)
        keep = 0.5 ** (1.0 / HALF_LIFE)
        rough = np.empty_like(squares)
        for t in range(len(returns)):
            rough[t] = np.maximum(self._squares / MINUTES_A_DAY, self._recent)
            self._squares += squares[t] - old[t]
            self._recent = keep * self._recent + (1.0 - keep) * squares[t]
        self._at += len(returns)
        return np.sqrt(np.maximum(rough, 0.0) * 60.0)

    def _chunk(self, start: int) -> None:
        now_s = start * 60.0
        minutes = self._source.advance(self.unit.chunk)
        returns = minutes.returns
        rough = self._remember(returns)
        logs = self._log + np.cumsum(returns, axis=0)
        for v in range(len(self._wallets)):
            self._turn_over(v, now_s)
            if self._held[v].any():
                self._judge(v, self._look(v, minutes, logs, rough), now_s)
        self._log = logs[-1]

    def _turn_over(self, v: int, now_s: float) -> None:
        """Close what was held for its time, and open what waited for its own."""
        over = np.flatnonzero(self._held[v] & (now_s - self._entered_s[v] >= HOLD_DAYS * MINUTES_A_DAY * 60.0))
        if over.size:
            self._tally[v].closed(over, now_s, self._entered_s[v, over])
            self._leave(v, over, np.full(len(over), now_s))
        opened = np.flatnonzero(~self._held[v] & (now_s >= self._opens_s[v]))
        self._held[v, opened] = True
        self._entered_s[v, opened] = now_s
        self._entry[v, opened] = self._log[opened]
        self._cushion[v, opened] = self._wallets[v].entry_cushion

    def _leave(self, v: int, paths: Ints, at_s: Floats) -> None:
        self._held[v, paths] = False
        self._opens_s[v, paths] = at_s + self._rng.uniform(0.0, WAIT_MIN * 60.0, len(paths))
        columns = self._columns(v, paths)
        self._track.level[columns] = 0
        self._track.held_s[:, columns] = -np.inf

    def _columns(self, v: int, paths: Ints) -> Ints:
        """Return the columns of the track of some paths, policy by policy."""
        slots = self._held.size
        first = np.arange(len(self._judges.policies)) * slots + v * self.unit.paths
        columns: Ints = (first[:, None] + paths).ravel()
        return columns

    def _look(self, v: int, minutes: Minutes, logs: Floats, rough: Floats) -> "Seen":
        """Evaluate the wallets of one set of terms over the chunk."""
        held = np.flatnonzero(self._held[v])
        scale = self._wallets[v].entry_cushion
        marks = np.exp(logs[:, held] - self._entry[v, held])
        # What gained or lost little and has no level meets no condition: conditions begin at half of the room.
        level = self._track.level[self._columns(v, held)].reshape(-1, len(held)).max(axis=0)
        worst = ((marks - 1.0) @ self._gain).min(axis=0)
        awake = (level > 0) | (worst < -QUIET * scale) | (self.unit.terms[v].leverage > 10)
        self._cushion[v, held[~awake]] = scale
        who, marks = held[awake], marks[:, awake]
        count, paths = marks.shape[:2]
        passes = list(self._wallets[v].evaluate(marks.reshape(count * paths, marks.shape[2])))
        cushion = _gather(passes, "cushion").reshape(count, paths)
        room = _gather(passes, "room").reshape(count, paths)
        before = np.concatenate([self._cushion[v, who][None], cushion[:-1]])
        self._cushion[v, who] = cushion[-1]

        lowest = np.minimum(before, cushion)
        near = lowest <= NEAR * self._margin * rough[:, who] / np.sqrt(60.0)
        near |= np.abs(before - cushion) >= lowest
        t, i = np.nonzero(near)
        inside = self._source.within(minutes, t, who[i], STEPS)
        base = logs[t, who[i]] - minutes.returns[t, who[i]] - self._entry[v, who[i]]
        fine = np.exp(base[:, None, :] + inside).reshape(len(t) * STEPS, marks.shape[2])
        fine_passes = list(self._wallets[v].evaluate(fine))
        fine_cushion = _gather(fine_passes, "cushion").reshape(len(t), STEPS)
        lowest[t, i] = np.minimum(lowest[t, i], fine_cushion.min(axis=1))
        lowest_room = room.copy()
        fine_room = _gather(fine_passes, "room").reshape(len(t), STEPS)
        lowest_room[t, i] = np.minimum(room[t, i], fine_room.min(axis=1))

        asked = lowest_room <= self._judges.most_room
        asked &= lowest <= self._judges.most_moves * self._margin * rough[:, who]
        deviation = self._deviations(v, who, marks, asked)
        left = moves_left(cushion, deviation).ravel()
        fine_left = moves_left(fine_cushion, deviation[t, i][:, None]).ravel()

        hit = np.stack([_conditions(passes, limit, left) for limit in self._judges.limits])
        hit = hit.reshape(len(hit), 8, count, paths)
        fine_hit = np.stack([_conditions(fine_passes, limit, fine_left) for limit in self._judges.limits])
        fine_hit = fine_hit.reshape(len(hit), 8, len(t), STEPS)
        ended = np.full((count, paths), np.inf)
        gone = _gather(fine_passes, "margin_ratio").reshape(len(t), STEPS) >= 1.0
        last = np.where(gone.any(axis=1), gone.argmax(axis=1), STEPS)
        ended[t, i] = np.where(last < STEPS, last + 1.0, np.inf)
        # What would have held after the liquidation is nobody's.
        fine_hit &= np.arange(STEPS) <= last[:, None]
        reached_at = np.full((len(LEVELS), len(hit), count, paths), float(STEPS))
        for j, asked_level in enumerate(LEVELS):
            high = np.logical_or.reduce(fine_hit[:, asked_level - 1 : 4], axis=1)
            reached_at[j][:, t, i] = np.where(high.any(axis=2), high.argmax(axis=2) + 1.0, STEPS)
        hit[:, :, t, i] = fine_hit.any(axis=3)
        return Seen(who, hit, reached_at, ended)

    def _deviations(self, v: int, who: Ints, marks: Floats, asked: Bools) -> Floats:
        """Return the deviation of the cushion known during each minute, shape (t, m); NaN where nobody asks."""
        count, _, symbols = marks.shape
        found = np.full(asked.shape, np.nan)
        first = self._at - count
        for begin in range(0, count, self.unit.refresh):
            minutes = slice(begin, min(begin + self.unit.refresh, count))
            mine = np.flatnonzero(asked[minutes].any(axis=0))
            if not mine.size:
                continue
            here = marks[begin - 1, mine] if begin else np.exp(self._log[who[mine]] - self._entry[v, who[mine]])
            window = slice(first + begin - MINUTES_A_DAY, first + begin)
            returns = self._history[window].take(who[mine], axis=1)
            found[minutes, mine] = self._wallets[v].deviations(here.reshape(len(mine), symbols), returns)
        return found

    def _judge(self, v: int, seen: "Seen", start_s: float) -> None:
        """Let levels follow, minute by minute, and keep the books."""
        tally, unit = self._tally[v], self.unit
        policies = len(self._judges.policies)
        level = self._track.level[self._columns(v, seen.who)].reshape(policies, -1)
        ends = np.isfinite(seen.ended)
        busy = np.flatnonzero((level > 0).any(axis=0) | seen.hit.any(axis=(0, 1, 2)) | ends.any(axis=0))
        if not busy.size:
            return
        who = seen.who[busy]
        columns = self._columns(v, who)
        limits = replace(self._judges.limits[0], dwell_s=self._dwell[:, columns])
        track = Track(self._track.level[columns], self._track.held_s[:, columns], self._track.eased_s[columns])
        sure = np.zeros(len(columns), dtype=np.bool_)
        hits = seen.hit[..., busy].transpose(2, 1, 0, 3).reshape(unit.chunk, 8, -1)
        ended, reached_at = seen.ended[:, busy], seen.reached_at[..., busy]
        alive = np.ones(len(busy), dtype=np.bool_)
        for t in range(unit.chunk):
            now_s = start_s + t * 60.0
            hit = hits[t]
            before = track.level
            if not before.any() and not hit.any():
                continue
            track = advance(track, limits, hit, sure, now_s + 60.0)
            if not np.array_equal(track.level, before):
                tally.follow(who, track.level.reshape(policies, -1), now_s + reached_at[:, :, t] * STEP_S)
            over = np.flatnonzero(np.isfinite(ended[t]) & alive)
            if over.size:
                at_s = now_s + ended[t, over] * STEP_S
                tally.liquidated(who[over], at_s, self._entered_s[v, who[over]])
                alive[over] = False
                dead = np.tile(~alive, policies)
                hits[:, :, dead] = False
                track.level[dead] = 0
                track.held_s[:, dead] = -np.inf
                self._leave(v, who[over], at_s)
        self._track.level[columns] = track.level
        self._track.held_s[:, columns] = track.held_s


class Seen(NamedTuple):
    """What one set of wallets looked like over a chunk."""

    who: Ints  # paths
    hit: Bools  # (policies, 8, minutes, m): at any step of the minute
    reached_at: Floats  # (levels, policies, minutes, m): the step at which conditions of each of LEVELS first held
    ended: Floats  # (minutes, m): the step of the liquidation, infinity where there is none


def _gather(passes: Sequence[Pass], name: str) -> Floats:
    """Return a column of wallets over all passes."""
    if not passes:
        return np.zeros(0)
    return np.concatenate([getattr(part.readings, name)[: part.wallets] for part in passes])


def _conditions(passes: Sequence[Pass], limits: object, left: Floats) -> Bools:
    """Return which conditions hold, shape (8, n)."""
    found = []
    for part in passes:
        known = np.full(len(part.book.wallets), np.nan)
        known[: part.wallets] = left[part.start : part.start + part.wallets]
        found.append(conditions(part.book, limits, part.readings, known)[:, : part.wallets])  # type: ignore[arg-type]
    return np.concatenate(found, axis=1) if found else np.zeros((8, 0), dtype=np.bool_)
