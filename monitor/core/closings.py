"""How positions were closed: by the exchange itself, or by an order that the private stream told of."""

from typing import NamedTuple

from monitor.core.events import OrderForced
from monitor.core.model import AccountSnapshot, Change, ChangeKind, ForcedOrder, Now, Source
from monitor.core.releases import ORDER

_MOST_ORDERS = 256  # remembered, so that none is told twice
FORCED_FRESH_MS = 60_000  # a forced order this old has no part in an incident that begins


class _Forced(NamedTuple):
    kind: ForcedOrder
    heard_ms: int


class Closings:
    """Remembers it by subject, until the incident of the subject is over."""

    def __init__(self) -> None:
        self._orders: dict[tuple[str, str], float] = {}  # forced orders told, and how much of them was filled
        self._by_order: set[str] = set()  # subjects whose last closing was an order that the stream told of
        self._forced: dict[str, _Forced] = {}  # the newest of the incident

    def forced(self, event: OrderForced, wallet: str | None, now: Now) -> tuple[bool, bool]:
        """Take an order of the exchange's own; ``wallet`` backs what it closes, if known.

        Returns:
            Whether more of it was filled than was known, and whether nothing was known of it.
        """
        if wallet is not None:
            self._forced[f"{event.account}/{wallet}"] = _Forced(event.kind, now.wall_ms)
        order = (event.account, event.order)
        told = self._orders.get(order)
        if told is not None and event.quantity <= told:
            return False, False
        self._orders[order] = event.quantity
        if len(self._orders) > _MOST_ORDERS:
            del self._orders[next(iter(self._orders))]
        return True, told is None

    def note(self, before: AccountSnapshot, found: tuple[Change, ...], source: Source) -> None:
        """Remember which positions the stream itself told were closed; what REST finds gone went unseen."""
        wallets = {(p.symbol, p.side.value): before.wallet_of(p) for p in before.positions}
        for change in found:
            wallet = wallets.get((change.symbol, change.side))
            if change.kind is ChangeKind.CLOSED and wallet is not None:
                subject = f"{before.account}/{wallet}"
                if source is Source.STREAM and change.cause == ORDER:
                    self._by_order.add(subject)
                else:
                    self._by_order.discard(subject)

    def closed_by_order(self, subject: str) -> bool:
        """Return whether the stream told that the last position of a subject was closed by an order."""
        return subject in self._by_order

    def how_forced(self, subject: str) -> ForcedOrder | None:
        """Return whether the exchange closed something of this subject in its present incident."""
        forced = self._forced.get(subject)
        return None if forced is None else forced.kind

    def begun(self, subject: str, now: Now) -> None:
        """Forget what the exchange closed of a subject long before its present incident."""
        forced = self._forced.get(subject)
        if forced is not None and now.wall_ms - forced.heard_ms >= FORCED_FRESH_MS:
            del self._forced[subject]

    def over(self, subject: str) -> None:
        """Forget how an incident went that ended."""
        self._forced.pop(subject, None)
        self._by_order.discard(subject)
