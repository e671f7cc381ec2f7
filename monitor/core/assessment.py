"""Which level each watched wallet has, and what it was judged by: columns, thresholds, readings, dwell.

Marks go in and judgements come out, and rows of history where they are due. Who is told of a level is decided
elsewhere: nothing here knows an incident.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from monitor.core import report
from monitor.core.book import Book, Bools, Floats, Ints
from monitor.core.compile import compile_book, correct, patch, set_rates
from monitor.core.marks import MarkBoard
from monitor.core.model import AccountSnapshot, BracketTable, Level, Market, Now, Sample, SubjectKey
from monitor.core.move_board import MoveBoard
from monitor.core.pricing import row_prices, unsure_wallets
from monitor.core.risk import Readings, adverse_prices, evaluate, evaluate_rows
from monitor.core.rules import (
    Levels,
    Thresholds,
    Track,
    advance,
    compile_thresholds,
    conditions,
    reached,
    relapsed,
)
from monitor.core.sampling import Sampler
from monitor.core.scene import Glance
from monitor.core.settings import EngineSettings

_NONE: Ints = np.zeros(0, dtype=np.intp)


class Judgement(NamedTuple):
    """What became of the levels; all is by wallet of the book."""

    glances: Sequence[Glance]  # at the newest marks, and at extremes that were received with them
    levels: Levels
    risen: Bools  # wallets whose level is higher than before
    changed: Ints  # wallets whose level is another
    relapsed: Ints  # wallets that meet the conditions of the same level again, see ``rules.relapsed``
    fresh: Ints  # wallets that are judged for the first time since they hold something
    first: Ints  # the first glance at which each is at its level; empty where none changed or relapsed


class Assessment:
    """Owns the book, its readings and its levels. Whoever reads them changes nothing.

    Args:
        board: the newest marks, which the engine hands over as they come.
        moves: how these moved, likewise.
    """

    def __init__(self, board: MarkBoard, moves: MoveBoard) -> None:
        self.board = board
        self.moves = moves
        self._settings = EngineSettings()
        self.book: Book = compile_book((), {})
        self.limits: Thresholds = compile_thresholds(self.book, self._settings)
        self.readings: Readings = evaluate(self.book, board.price)
        self._track = Track.empty(0)
        self._known: Bools = np.zeros(0, dtype=np.bool_)  # wallets that were judged since they hold something
        self._assumed: Bools = np.zeros(0, dtype=np.bool_)  # wallets judged with an entry price for a mark
        self._hit: Bools = conditions(self.book, self.limits, self.readings)
        self._sampler = Sampler(0)
        self.watched: dict[Market, tuple[str, ...]] = dict.fromkeys(Market, ())  # what needs marks

    @property
    def levels(self) -> Levels:
        """Level of each wallet, shape (w,)."""
        return self._track.level

    @property
    def newest(self) -> Glance:
        """All wallets at the newest marks."""
        return Glance(self.readings, self._hit)

    # The book

    def configure(self, settings: EngineSettings) -> None:
        """Take new settings; thresholds follow with the next book."""
        self._settings = settings

    def patch(self, accounts: Sequence[AccountSnapshot]) -> bool:
        """Take all accounts as they are now; False where they need a book of another shape."""
        if not patch(self.book, accounts):
            return False
        set_rates(self.book, self.board.price)
        return True

    def recompile(
        self, accounts: Sequence[AccountSnapshot], tables: Mapping[str, BracketTable],
        level_of: Callable[[str], Level | None], now_s: float,
    ) -> None:  # fmt: skip
        """Change to a book of another shape; levels and dwell follow their wallets.

        Args:
            accounts: all of them.
            tables: tiers of their positions.
            level_of: the level that a subject was last told to have, in an earlier run too; None if never.
            now_s: monotonic seconds.

        Raises:
            BracketError: a position has no tiers; nothing was changed.
        """
        old, track, sampler = self.book, self._track, self._sampler
        self.book = book = compile_book(accounts, tables)
        self.limits = compile_thresholds(book, self._settings)
        self.board.watch(book.watched, now_s)
        self.moves.watch(book)
        inverse = {book.positions[row].symbol for row in np.flatnonzero(book.inverse).tolist()}
        self.watched = {
            Market.USDM: tuple(name for name in book.watched if name not in inverse),
            Market.COINM: tuple(sorted(inverse)),
        }
        self._track = Track.empty(len(book.wallets))
        self._known = np.zeros(len(book.wallets), dtype=np.bool_)
        self._assumed = np.zeros(len(book.wallets), dtype=np.bool_)
        self._sampler = Sampler(len(book.wallets))
        for i, info in enumerate(book.wallets):
            j = old.wallet_index.get(info.key)
            level = level_of(str(info.key))
            if j is not None and (old.exposed[j] or level is None):
                self._track.level[i] = track.level[j]
                self._track.held_s[:, i] = track.held_s[:, j]
                self._track.eased_s[i] = track.eased_s[j]
                self._sampler.last[:, i] = sampler.last[:, j]
            elif level is not None:
                self._resume(i, level, now_s)
        set_rates(book, self.board.price)

    def resume(self, levels: Mapping[str, Level], now_s: float) -> None:
        """Let wallets go on from levels of an earlier run, by subject, which are learnt only now."""
        for i, info in enumerate(self.book.wallets):
            if (level := levels.get(str(info.key))) is not None and self.book.exposed[i]:
                self._resume(i, level, now_s)

    def _resume(self, wallet: int, level: Level, now_s: float) -> None:
        self._track.level[wallet] = level
        # When its conditions were last met is not known after a restart: the dwell begins anew.
        self._track.held_s[:, wallet] = now_s
        self.moves.doubt(wallet, now_s)

    def empty(self) -> None:
        """Forget the levels of wallets without positions: a cross wallet outlives its last one."""
        idle = ~self.book.exposed
        self._track.level[idle] = Level.OK
        self._track.held_s[:, idle] = -np.inf
        self._track.eased_s[idle] = np.nan
        self._known[idle] = False

    def correct(self, corrections: Mapping[SubjectKey, tuple[float, float]]) -> bool:
        """Let worse figures of the exchange rule, see ``compile.correct``; return whether that changed any."""
        before = (self.book.less_balance.copy(), self.book.extra_maintenance.copy())
        correct(self.book, corrections)
        return not all(map(np.array_equal, before, (self.book.less_balance, self.book.extra_maintenance)))

    # What there is in it

    def find(self, subject: str) -> int | None:
        """Return the wallet that a subject is about, None for any other and where it is in no account."""
        account, _, name = subject.partition("/")
        return self.book.wallet_index.get(SubjectKey(account, name)) if account else None

    def symbols_of(self, subject: str) -> tuple[str, ...]:
        """Return the symbols that a wallet holds, sorted."""
        wallet = self.find(subject)
        if wallet is None:
            return ()
        return tuple(sorted({self.book.positions[row].symbol for row in self.book.rows_of(wallet)}))

    def held(self) -> frozenset[str]:
        """Return the subjects of wallets with positions."""
        return frozenset(
            str(info.key) for info, full in zip(self.book.wallets, self.book.exposed, strict=True) if full
        )

    def deviations(self) -> dict[SubjectKey, float]:
        """Return those of each wallet's one-hour change of cushion that are known."""
        known = zip(self.book.wallets, self.moves.deviation.tolist(), strict=True)
        return {info.key: deviation for info, deviation in known if not math.isnan(deviation)}

    def is_known(self, wallet: int) -> bool:
        """Return whether a wallet holds something and all that its figures need is known."""
        return bool(self.book.exposed[wallet]) and not math.isnan(self.readings.cushion[wallet])

    def is_eased(self, wallet: int) -> bool:
        """Return whether a wallet keeps a level none of whose conditions holds."""
        return not math.isnan(self._track.eased_s[wallet])

    def unsure(self, lost: Collection[str], now_s: float) -> Bools:
        """Return the wallets of which something is not known as it is now, shape (w,).

        Args:
            lost: accounts that cannot be followed.
            now_s: monotonic seconds.
        """
        silent = self.board.silent(now_s, self._settings.freshness.suspect_after_s)
        return unsure_wallets(self.book, silent, lost)

    # Readings

    def seed(self, marks: Mapping[str, float], at_ms: int, now_s: float) -> bool:
        """Take marks of a REST reply for symbols that have none yet; return whether there was one."""
        return self.board.seed(marks, at_ms, now_s)

    def look(self, extremes: tuple[Floats, Floats] | None, now_s: float) -> list[Glance]:
        """Evaluate the book at new marks of the board; return the newest, and what was between the last and them.

        Args:
            extremes: lowest and highest mark by symbol, where ticks were coalesced.
            now_s: monotonic seconds.
        """
        set_rates(self.book, self.board.price)
        prices = self._prices(self.board.price, now_s)
        self.readings = evaluate_rows(self.book, prices)
        self.moves.meet(self.book, self.readings, now_s)
        self._hit = self._conditions(self.readings)
        glances = [self.newest]
        if extremes is not None:
            # Ticks were coalesced: what held at an extreme was a received crossing and counts.
            adverse = adverse_prices(self.book, *extremes)
            glances.append(self._glance(np.where(np.isnan(adverse), prices, adverse)))
            if self.book.pairs.first.size:
                # The ratio and the distance of a hedged pair can be worse at the end that leaves it more cushion.
                glances += [self._glance(self._prices(end, now_s)) for end in extremes]
            if self.book.rated_slots.size:
                # Of rates that were coalesced the lower end counts too, for both of an asset's move as one.
                set_rates(self.book, extremes[0])
                low = zip(self.book.rates, extremes[0][len(self.book.symbols) :].tolist(), strict=True)
                rates = {name: rate for name, rate in low if not math.isnan(rate)}
                glances.append(self._glance(prices)._replace(rates=rates))
                set_rates(self.book, self.board.price)
        return glances

    def reassess(self, now_s: float) -> list[Glance]:
        """Evaluate the book after something in it, or a mark of it, changed beside the stream."""
        self.readings = evaluate_rows(self.book, self._prices(self.board.price, now_s))
        self.moves.settle(self.book, self.readings, now_s)
        self._hit = self._conditions(self.readings)
        return [self.newest]

    def refresh(self, now_s: float) -> list[Glance]:
        """Let typical moves follow time; return what there is to judge: nothing while all is calm."""
        moved = self.moves.refresh(self.book, self.readings, now_s)
        if moved:
            self._hit = self._conditions(self.readings)
        return [self.newest] if moved or self._track.level.any() else []

    def _glance(self, prices: Floats) -> Glance:
        readings = evaluate_rows(self.book, prices)
        return Glance(readings, self._conditions(readings))

    def _conditions(self, readings: Readings) -> Bools:
        return conditions(self.book, self.limits, readings, self.moves.judged(readings))

    def _prices(self, marks: Floats, now_s: float) -> Floats:
        blind = self.board.silent(now_s, self._settings.freshness.blind_after_s)
        prices, self._assumed = row_prices(self.book, marks, blind)
        return prices

    # Levels

    def judge(self, glances: Sequence[Glance], lost: Collection[str], now_s: float) -> Judgement:
        """Let levels follow conditions.

        Args:
            glances: at the newest marks, and at extremes that were received with them.
            lost: accounts that cannot be followed.
            now_s: monotonic seconds.
        """
        hit = np.logical_or.reduce([glance.hit for glance in glances])
        unknown = np.isnan(self.readings.cushion)
        exposed = self.book.exposed
        unsure = unknown | ~exposed | self.unsure(lost, now_s)
        before = self._track.level
        again = relapsed(self._track, self.limits, hit, now_s)
        self._track = advance(self._track, self.limits, hit, unsure, now_s, unknown=unknown)
        levels = self._track.level
        changed = np.flatnonzero(levels != before)
        again &= levels == before
        fresh = np.flatnonzero(~unknown & exposed & ~self._known)
        self._known[fresh] = True
        relapses = np.flatnonzero(again)
        first = _first(glances, levels) if changed.size or relapses.size else _NONE
        return Judgement(glances, levels, levels > before, changed, relapses, fresh, first)

    def used_up(self, glance: Glance) -> list[int]:
        """Return the wallets with a level whose margin is used up, as far as marks tell."""
        used_up = glance.readings.margin_ratio >= 1
        if not used_up.any():
            return []
        found: list[int] = np.flatnonzero(used_up & (self._track.level > Level.OK) & ~self._assumed).tolist()
        return found

    # History

    def due_samples(self, now: Now, changed: Ints = _NONE) -> tuple[Sample, ...]:
        """Return the rows of history that are due; those of ``changed`` wallets always are."""
        due = self._sampler.due(self.readings, changed, now.mono_s)
        due = due[~self._assumed[due]]  # history holds what was, not what was assumed
        if not due.size:
            return ()
        seen = self._seen(due, now)
        self._sampler.last[0, due[~seen]] = -np.inf
        return self._samples(due[seen], now)

    def all_samples(self, now: Now) -> tuple[Sample, ...]:
        """Return a row of every wallet that is seen."""
        known = np.flatnonzero(~np.isnan(self.readings.cushion) & self.book.exposed & ~self._assumed)
        return self._samples(known[self._seen(known, now)], now)

    def _seen(self, wallets: Ints, now: Now) -> Bools:
        """Return which of these wallets have marks of now: a row of old ones would hide that nobody saw."""
        oldest_s = now.mono_s - self._settings.freshness.blind_after_s
        found = [report.seen_since(self.book, self.board, wallet, oldest_s) for wallet in wallets.tolist()]
        return np.array(found, dtype=np.bool_)

    def _samples(self, wallets: Ints, now: Now) -> tuple[Sample, ...]:
        return report.samples(
            self.book, self.readings, self.board, self.moves.left(self.readings),
            levels=self._track.level.tolist(), wallets=wallets.tolist(), at_ms=now.wall_ms,
        )  # fmt: skip


def _first(glances: Sequence[Glance], level: Levels) -> Ints:
    """Return the first glance at which each wallet is at its level, shape (w,): the newest marks where none is."""
    first: Ints = np.argmax(np.stack([reached(glance.hit) for glance in glances]) >= level, axis=0)
    return first
