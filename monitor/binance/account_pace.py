"""When REST is asked for an account: each half minute; after a gap at once, while it trades less often. Pure."""

from typing import Final

from monitor.binance.account_state import NEW_ASSET, NEW_POSITION
from monitor.binance.account_values import AccountTimings

LEVERAGE: Final = "leverage"

_TRADING = frozenset({NEW_POSITION, NEW_ASSET, LEVERAGE})  # why REST is asked again and again while one trades


class Pace:
    """The times of the reconciles of one account; monotonic seconds.

    ``due_s`` is that of the next one, ``reconciled_s`` when what is known was asked for, None before the first
    answer, and ``count`` how many answers were taken.
    """

    def __init__(self, timings: AccountTimings) -> None:
        self._timings = timings
        self._active = False  # REST is to be asked because the account trades
        self._hurried = 0  # reconciles in a row that its trading hurried
        self._begun_s = 0.0  # the last reconcile, whatever became of it
        self.due_s = 0.0
        self.reconciled_s: float | None = None
        self.count = 0

    def ask(self, reason: str, now_s: float) -> None:
        """Have REST asked at once, or as soon as the last time is long enough ago."""
        soonest_s = 0.0 if self.reconciled_s is None else self.reconciled_s + self._timings.reconcile_gap_s
        if reason in _TRADING:
            self._active = True
            soonest_s = max(soonest_s, self._begun_s + self._calm_s() if self._hurried else 0.0)
        self.no_later(max(now_s, soonest_s))

    def no_later(self, at_s: float) -> None:
        """Have REST asked at that time, unless it is sooner anyway."""
        self.due_s = min(self.due_s, at_s)

    def begin(self, now_s: float) -> bool:
        """Note that REST is asked now; return whether it is because the account trades."""
        active, self._active = self._active, False
        self._begun_s = now_s
        self.due_s = now_s + self._timings.reconcile_every_s
        return active

    def done(self, asked_s: float, *, held_back: bool, active: bool, proved: bool) -> None:
        """Note that an answer was taken.

        Args:
            asked_s: when it was asked for.
            held_back: it lagged behind the private stream.
            active: it was asked for because the account trades.
            proved: the private stream is open, and not known to be silent.
        """
        self.count += 1
        self.reconciled_s = asked_s
        self._hurried = self._hurried + 1 if held_back or active else 0
        if held_back:
            self.no_later(asked_s + self._calm_s())
        if not proved:
            self.no_later(asked_s + self._timings.unproved_every_s)

    def age_s(self, now_s: float) -> float | None:
        """Return how long ago what is known was asked for, in seconds; None before the first answer."""
        return None if self.reconciled_s is None else now_s - self.reconciled_s

    def _calm_s(self) -> float:
        """Return how long after a reconcile that trading hurried the next may follow, in seconds."""
        pause_s = self._timings.again_after_s * 2.0 ** max(0, min(self._hurried, 32) - 1)
        return min(pause_s, self._timings.reconcile_every_s)
