"""What is said beside a level: what to do about it, what is ahead, and which habits lead there.

The engine asks; what is around positions is kept here, and what was said of it once.
"""

from collections.abc import Iterable
from typing import Final

from monitor.core.advice import prescribe
from monitor.core.appearing import Appearing
from monitor.core.checkup import check
from monitor.core.incidents import Incidents
from monitor.core.looked_at import seen_of
from monitor.core.model import Now
from monitor.core.notices import Prescription
from monitor.core.risk import Readings
from monitor.core.scene import Scene
from monitor.core.surroundings import Fact, Surroundings
from monitor.core.trial import Case

# Made in one step: an alert must not wait for amounts. Who goes without finds them with `explain`, and in a
# reminder.
AT_ONCE: Final = 8
_LATE_S: Final = 1.0  # in which so many more may be asked for outside of steps


class Allowance:
    """How many prescriptions may still be made."""

    def __init__(self) -> None:
        self.left = AT_ONCE

    def take(self) -> bool:
        """Return whether one more may be made, and count it."""
        self.left -= 1
        return self.left >= 0


class Counsel:
    """Owns the surroundings. Told of facts, asked for what notices say beside their readings."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self.surroundings = Surroundings()
        self._appearing = Appearing(incidents)
        self.allowance = Allowance()
        self._late = Allowance()
        self._late_s = 0.0

    def learn(self, fact: Fact) -> None:
        """Take what became known."""
        self.surroundings = self.surroundings.after(fact)

    def begin(self) -> None:
        """Begin a step of the engine."""
        self.allowance = Allowance()

    def late(self, now: Now) -> Allowance:
        """Return what may be made for somebody who asks outside of steps: that must not change what steps do."""
        if now.mono_s - self._late_s >= _LATE_S:
            self._late, self._late_s = Allowance(), now.mono_s
        return self._late

    def beat(self, scene: Scene, now: Now) -> None:
        """Look at what is ahead and at habits; once a second."""
        self._look_at_habits(scene, now)

    def _look_at_habits(self, scene: Scene, now: Now) -> None:
        """Tell findings of the checkup that appear, where that is wanted."""
        settings = scene.settings
        if settings.checkup.enabled and self._appearing.is_due(now):
            self._appearing.look(
                check(seen_of(scene, self.surroundings)),
                now,
                environment=settings.environment,
                ours=settings.accounts,
                silent=frozenset(settings.accounts) - scene.accounts.keys(),
            )

    def prescription(self, scene: Scene, wallet: int, readings: Readings) -> Prescription | None:
        """Return what to do about a wallet, at the marks of these readings; None where they are not all known.

        Args:
            scene: the moment.
            wallet: of the scene's book.
            readings: of the same book: the scene's, or those of an extreme.
        """
        book = scene.book
        key = book.wallets[wallet].key
        own = {book.positions[row].symbol: float(readings.marks[row]) for row in book.rows_of(wallet)}
        case = Case(
            account=scene.accounts[key.account],
            wallet=key.wallet,
            tables=scene.tables,
            marks={**scene.marks, **own},
            settings=scene.settings,
            corrections=scene.corrections,
            lots={**scene.settings.lots, **self.surroundings.lots},
            funds=self.surroundings.funds.get(key.account),
            moves=scene.moves,
        )
        return prescribe(case)


def worst(wallets: Iterable[int], levels: Iterable[int], readings: Readings) -> frozenset[int]:
    """Return the worst of these wallets, as many as may have a prescription at once."""
    level = dict(enumerate(levels))
    ordered = sorted(wallets, key=lambda wallet: (-level[wallet], float(readings.room[wallet]), wallet))
    return frozenset(ordered[:AT_ONCE])
