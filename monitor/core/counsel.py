"""What is said beside a level: what to do about it, what is ahead, and which habits lead there.

The engine asks; what is around positions is kept here, and what was said of it once.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import numpy as np

from monitor.core.advice import prescribe
from monitor.core.ahead import FRESH_MS, Moment
from monitor.core.appearing import Appearing
from monitor.core.book import Book, Floats
from monitor.core.compile import with_rates
from monitor.core.deleveraging import Deviations
from monitor.core.foretold import Foretold
from monitor.core.incidents import Incidents
from monitor.core.model import Level, MarginMode, Now, SubjectKey
from monitor.core.notices import Cause, Facts, Prescription
from monitor.core.risk import Readings
from monitor.core.rounds import Round
from monitor.core.scene import Glance, Scene
from monitor.core.spare import Spare, sharers, spare_of
from monitor.core.surroundings import Fact, Surroundings
from monitor.core.trial import Case
from monitor.core.wallet_moves import cushion_deltas, cushion_deviations

# Prescriptions cost milliseconds each, and neither an alert nor a mark must wait for amounts: one at once after a
# calm time, two a second while levels go on rising, and one more for an emergency. A message that was decided
# without them asks when it is written; who goes without then as well finds them with `explain`, and in a reminder.
# See benchmarks/advice.py for what they cost, and benchmarks/frames.py for what they do to commits.
AT_ONCE = 1
EVERY_S = 0.5
ASIDE = 2  # the same for messages, between steps
ASIDE_EVERY_S = 0.5
_URGENT = 2
CROWD = 50  # wallets that rise together: their commit takes as long as an alert may, without any amounts
_CROSS = 3  # a wallet of so many positions costs twice as much as one alone, or somewhat more
_POSITIONS = 12  # beyond these, so many cost as much again as one alone
LARGEST = 50  # positions of a wallet for which a step makes amounts: for more, they take longer than its alert may
# What is ahead costs some evaluations of all wallets, ten times what a mark does, for one wallet or for a crowd.
LOOKS = 4  # at once, for messages
LOOKS_EVERY_S = 0.25
MOST_CELLS = 200_000  # of such a look: some 15 ms; more would keep its alert for too long
_EVALUATIONS = 6  # of a look, about: those of funding, of brackets and of auto-deleveraging


class Allowance:
    """How many prescriptions may still be made, and what those of one moment have in common.

    Args:
        most: for wallets of one position, at once.
        every_s: how long it takes until one more may be made.
        largest: most positions of a wallet for which any is made.
    """

    def __init__(self, most: int = AT_ONCE, every_s: float = EVERY_S, largest: float = math.inf) -> None:
        self._most = most
        self._every_s = every_s
        self._largest = largest
        self._left = float(most)
        self._at_s = -math.inf
        self.spares: dict[tuple[str, str], Spare] = {}  # by account and asset

    def take(self, positions: int, now_s: float, *, urgent: bool = False) -> bool:
        """Return whether one more may be made, for a wallet of so many positions, and count it.

        What is ``urgent`` may take two from what will be there later. A wallet that costs more than there ever is
        is waited for until all of that is there.
        """
        if positions > self._largest:
            return False
        self._left = min(float(self._most), self._left + max(0.0, now_s - self._at_s) / self._every_s)
        self._at_s = now_s
        several, more = min(positions, _CROSS), max(0, positions - _CROSS)
        cost = (1 + several) / 2 + more / _POSITIONS
        if self._left + urgent * _URGENT < min(cost, self._most):
            return False
        self._left -= cost
        return True


class Counsel:
    """Owns the surroundings. Told of facts, asked for what notices say beside their readings."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self.surroundings = Surroundings()
        self._appearing = Appearing(incidents)
        self._round: Round | None = None  # a checkup under way
        self._foretold = Foretold(incidents)
        self._allowance, self._aside = Allowance(largest=LARGEST), Allowance(ASIDE, ASIDE_EVERY_S)
        self._looks = Allowance(LOOKS, LOOKS_EVERY_S)

    def learn(self, fact: Fact) -> None:
        """Take what became known."""
        self.surroundings = self.surroundings.after(fact)

    def keep(self, accounts: Collection[str]) -> None:
        """Forget what was told around accounts that are not among these."""
        self.surroundings = self.surroundings.only(accounts)

    def begin(self) -> None:
        """Begin a step of the engine."""
        self._allowance.spares, self._aside.spares = {}, {}

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Count what is asked for meanwhile apart: a message is written after the step that decided it."""
        self._allowance, self._aside = self._aside, self._allowance
        try:
            yield
        finally:
            self._allowance, self._aside = self._aside, self._allowance

    def beat(self, scene: Scene, now: Now, facts_of: Callable[[int], Facts]) -> None:
        """Look at what is ahead and at habits, and forget what is old; once a second.

        Args:
            scene: the moment.
            now: the same.
            facts_of: what a message may say of a wallet of the scene's book.
        """
        self._forget_old_funds(now)
        self._look_ahead(scene, now, facts_of)
        self._look_at_habits(scene, now)

    def ahead(self, facts: Facts, now: Now) -> tuple[Cause, ...]:
        """Return what a message with these facts about a wallet says is ahead of it, the most telling first."""
        return self._foretold.lines(SubjectKey(facts.account, facts.wallet), facts, now.wall_ms)

    def look_again(self, scene: Scene, glance: Glance, wallets: Sequence[int], now: Now) -> None:
        """Find what is ahead of wallets at the glance that messages about them tell, where there is time for it.

        Else what the last look found has to do. Of a crowd the worst are looked at: one of them is told in full.

        Args:
            scene: the moment, with the levels that are told.
            glance: at the same book: the scene's own, or at an extreme.
            wallets: of that book; those that are not sure keep what was found.
            now: the same.
        """
        asked = _worst_first(wallets, scene.levels.tolist(), glance.readings.room)[:CROWD]
        urgent = bool(asked) and scene.levels[asked[0]] >= Level.EMERGENCY
        if not asked or _cells(scene.book, asked) > MOST_CELLS:
            return
        if not self._looks.take(1, now.mono_s, urgent=bool(urgent)):
            return
        book = scene.book
        if glance.rates:
            rates = {**scene.marks, **glance.rates}
            book = with_rates(book, np.array([rates.get(name, math.nan) for name in book.watched]))
        unsure = np.ones(len(book.wallets), dtype=np.bool_)
        unsure[asked] = scene.unsure[asked]
        here = _moment(scene._replace(book=book, readings=glance.readings, unsure=unsure), now)
        self._foretold.look_again(here, self.surroundings, _deviations(scene))

    def _forget_old_funds(self, now: Now) -> None:
        """Forget what could be moved, where the exchange has not told it for long: by now it may be any amount."""
        known = self.surroundings.funds
        believed = {name: one for name, one in known.items() if now.wall_ms - one.at_ms <= FRESH_MS}
        if len(believed) < len(known):
            self.surroundings = msgspec.structs.replace(self.surroundings, funds=believed)

    def _look_ahead(self, scene: Scene, now: Now, facts_of: Callable[[int], Facts]) -> None:
        """Find what is ahead, once a minute: it costs an evaluation or a few."""
        if not self._foretold.is_due(now):
            return

        self._foretold.look(
            _moment(scene, now),
            self.surroundings,
            now,
            facts_of=facts_of,
            silent=frozenset(scene.settings.accounts) - scene.accounts.keys(),
            deviations=_deviations(scene),
        )

    def _look_at_habits(self, scene: Scene, now: Now) -> None:
        """Tell findings of the checkup that appear, where that is wanted."""
        settings = scene.settings
        if not settings.checkup.enabled:
            self._round = None
            return
        if self._round is None:
            if not self._appearing.is_due(now):
                return
            self._round = Round(scene)
        found = self._round.go_on(scene, self.surroundings, now.wall_ms)
        if found is None:
            return
        self._appearing.look(
            found,
            now,
            environment=settings.environment,
            ours=settings.accounts,
            silent=frozenset(settings.accounts) - (self._round.looked_at & scene.accounts.keys()),
        )
        self._round = None

    def may_prescribe(self, positions: int, level: int, now: Now) -> bool:
        """Return whether there is time for a prescription for a wallet of so many positions, and count it."""
        return self._allowance.take(positions, now.mono_s, urgent=level >= Level.EMERGENCY)

    def prescription(self, scene: Scene, wallet: int, glance: Glance) -> Prescription | None:
        """Return what to do about a wallet, at the prices and rates of a glance; None where not all are known.

        What could be spared for an isolated one is what it is at the scene's own marks.

        Args:
            scene: the moment.
            wallet: of the scene's book.
            glance: at the same book: the scene's own, or at an extreme.
        """
        book = scene.book
        key = book.wallets[wallet].key
        own = {book.positions[row].symbol: float(glance.readings.marks[row]) for row in book.rows_of(wallet)}
        here = Case(
            account=scene.accounts[key.account],
            wallet=key.wallet,
            tables=scene.tables,
            marks=scene.marks,
            settings=scene.settings,
            corrections=scene.corrections,
            lots={**scene.settings.lots, **self.surroundings.lots},
            funds=self.surroundings.funds.get(key.account),
            moves=scene.moves,
            sharers=sharers(book, scene.levels, wallet),
        )
        spare = None
        if book.wallets[wallet].mode is MarginMode.ISOLATED:
            asset = book.wallets[wallet].asset
            common = (key.account, asset)
            if common not in self._allowance.spares:
                self._allowance.spares[common] = spare_of(here, asset)
            spare = self._allowance.spares[common]
        return prescribe(here._replace(marks={**scene.marks, **glance.rates, **own}), spare)


def _moment(scene: Scene, now: Now) -> Moment:
    return Moment(
        scene.book, scene.readings, scene.limits, scene.levels, scene.deviation, ~scene.unsure, now.wall_ms
    )


def _cells(book: Book, wallets: Sequence[int]) -> int:
    """Return how many cells a look at what is ahead of wallets fills, about: each asset takes two evaluations."""
    rows, evaluations = len(book.positions), _EVALUATIONS
    if book.shared is not None:
        rows += len(book.shared.rows) + len(book.shared.slots)
        evaluations += 2 * int(np.bincount(book.slot_wallet, minlength=len(book.wallets))[list(wallets)].max())
    return rows * evaluations


def _deviations(scene: Scene) -> Deviations:
    """Return what the cushions of a changed book do in an hour, by how prices moved until the scene."""

    def deviations(book: Book, readings: Readings) -> Floats:
        moves = scene.moves.of(book.watched)
        return cushion_deviations(book, cushion_deltas(book, readings), moves.returns, moves.typical)

    return deviations


def worst(wallets: Iterable[int], levels: Iterable[int], room: Floats) -> frozenset[int]:
    """Return the worst of these wallets, as many as may have a prescription at once; of a crowd none.

    Their messages ask for it when they are written. ``room`` is by wallet, shape (w,).
    """
    wallets = list(wallets)
    if len(wallets) > CROWD:
        return frozenset()
    return frozenset(_worst_first(wallets, levels, room)[:AT_ONCE])


def _worst_first(wallets: Iterable[int], levels: Iterable[int], room: Floats) -> list[int]:
    level = dict(enumerate(levels))
    return sorted(wallets, key=lambda wallet: (-level[wallet], float(room[wallet]), wallet))
