"""When something was last heard of each account: an account that nobody says anything about may have changed.

Whoever follows an account says when the exchange does not answer. This is for the case that it does not even do
that, because it stands still or is not there.
"""

from collections.abc import Iterable
from typing import Final

from monitor.core.waking import Waking

# Three of the intervals in which an account is fetched at rest: one may fail and one may be slow.
SILENT_AFTER_S: Final = 90.0


class Hearing:
    """Monotonic times by account. Positions that are typed in have no freshness.

    Args:
        waking: what a time in which nothing ran is forgiven by.
    """

    def __init__(self, waking: Waking) -> None:
        self._waking = waking
        self._heard_s: dict[str, float] = {}
        self._given: set[str] = set()

    def configure(self, accounts: Iterable[str], now_s: float) -> None:
        """Expect to hear of these accounts and no others; a new one has as long as any."""
        self._heard_s = {name: self._heard_s.get(name, now_s) for name in accounts}
        self._given &= self._heard_s.keys()

    def heard(self, account: str, now_s: float, *, always: bool = False) -> None:
        """Note that an account was described; ``always``: it is typed in, and never out of date."""
        self._heard_s[account] = now_s
        if always:
            self._given.add(account)
        else:
            self._given.discard(account)

    def age_s(self, account: str, now_s: float) -> float:
        """Return for how long nothing was heard, in seconds."""
        return now_s - self._heard_s.get(account, now_s)

    def silent(self, now_s: float) -> frozenset[str]:
        """Return the accounts of which nothing was heard for too long."""
        return frozenset(
            name
            for name, heard_s in self._heard_s.items()
            if now_s - heard_s >= SILENT_AFTER_S and name not in self._given
        )

    def told(self, now_s: float) -> frozenset[str]:
        """Return those of which people should hear."""
        forgiven_s = self._waking.forgiven_s(now_s)
        return frozenset(
            name for name in self.silent(now_s) if self.age_s(name, now_s) - forgiven_s >= SILENT_AFTER_S
        )
