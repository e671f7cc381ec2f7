"""When something was last heard of each account: an account that nobody says anything about may have changed.

Whoever follows an account says when the exchange does not answer. This is for the case that it does not even do
that, because it stands still or is not there.
"""

from collections.abc import Iterable
from typing import Final

# Three of the intervals in which an account is fetched at rest: one may fail and one may be slow.
SILENT_AFTER_S: Final = 90.0
# A process that was not run for a while has heard nothing for as long, and will within moments.
AWAKE_S: Final = 10.0
_BEAT_S: Final = 5.0  # heartbeats come each second; so long without one, nothing ran


class Hearing:
    """Monotonic times by account. Positions that are typed in have no freshness."""

    def __init__(self) -> None:
        self._heard_s: dict[str, float] = {}
        self._given: set[str] = set()
        self._beat_s: float | None = None
        self._awake_s = 0.0  # since when heartbeats have come without a gap

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

    def beat(self, now_s: float) -> None:
        """Note a heartbeat."""
        if self._beat_s is None or now_s - self._beat_s > _BEAT_S:
            self._awake_s = now_s
        self._beat_s = now_s

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
        return self.silent(now_s) if now_s - self._awake_s >= AWAKE_S else frozenset()
