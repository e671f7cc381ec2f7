"""How positions end: what is held no more is told, and never as an all-clear.

The exchange tells of a position that is gone and of the order that took it in two events. The end of a position
that was held until a moment ago waits for the second one, so that a liquidation is not called a closing by hand.
What only a REST reply shows to be gone went while the stream was not there to say how.
"""

from collections.abc import Callable, Collection

from monitor.core.accounts import Accounts
from monitor.core.incidents import Incidents
from monitor.core.model import ForcedOrder, Now
from monitor.core.notices import Facts

FAREWELL_S = 2.0
_ENDINGS = {
    ForcedOrder.LIQUIDATION: "liquidated",
    ForcedOrder.ADL: "deleveraged",
    ForcedOrder.SETTLEMENT: "settled",
}


class Departures:
    """Remembers which subjects were held in this run, and which are gone and not yet told."""

    def __init__(self, incidents: Incidents, accounts: Accounts) -> None:
        self._incidents = incidents
        self._accounts = accounts
        self._held: set[str] = set()
        self._since_s: dict[str, float] = {}  # monotonic

    @property
    def waiting(self) -> bool:
        """Whether an end waits to be told."""
        return bool(self._since_s)

    def close(self, held: Collection[str], now: Now, environment: str, *, is_known: Callable[[str], bool]) -> None:
        """Close every wallet's subject that is not held any more: of this run, or restored from the one before.

        Args:
            held: subjects that are.
            now: the moment.
            environment: stamped on what is told.
            is_known: whether an account has said what it holds, or is none of ours any more.
        """
        self._held.update(held)
        for subject in self._incidents.subjects():
            account, _, wallet = subject.partition("/")
            if subject in held or subject.startswith("/") or not is_known(account):
                self._since_s.pop(subject, None)
                continue
            forced = self._accounts.how_forced(subject)
            # One that went while nobody was looking, or that was typed in, went in a way nobody here knows.
            known = subject in self._held and self._accounts.closed_by_order(subject)
            if forced is None and known:
                if now.mono_s - self._since_s.setdefault(subject, now.mono_s) < FAREWELL_S:
                    continue
                reason = "closed_by_hand"
            else:
                reason = "gone" if forced is None else _ENDINGS[forced]
            self._since_s.pop(subject, None)
            self._held.discard(subject)
            self._accounts.over(subject)
            facts = Facts(environment=environment, account=account, wallet=wallet, reason=reason)
            self._incidents.vanish(subject, now.wall_ms, facts)
