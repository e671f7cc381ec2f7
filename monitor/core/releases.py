"""The assumption about partial closes, checked each time the exchange shows one. Pure.

An isolated position that is closed in part keeps the remaining share of its margin; the rest is released. No page
of the exchange says so: it is what a recorded event shows, and what amounts to reduce are computed with
(``whatif.close``).
"""

from typing import Final

import msgspec

from monitor.core.model import AccountSnapshot, MarginMode, Position, Side, Source

ORDER: Final = "ORDER"  # the exchange's word for a trade as the cause of a change
RELATIVE: Final = 0.001  # of the margin that should be left
ABSOLUTE: Final = 1e-6  # of the margin asset: amounts are rounded


class Release(msgspec.Struct, frozen=True):
    """What a partial close left in an isolated wallet; amounts in the margin asset."""

    account: str
    symbol: str
    side: Side
    asset: str
    expected: float  # the remaining share of what was in it before
    left: float

    @property
    def as_assumed(self) -> bool:
        """Whether it is what is assumed."""
        return abs(self.left - self.expected) <= max(RELATIVE * self.expected, ABSOLUTE)


def releases(before: AccountSnapshot, after: AccountSnapshot, cause: str) -> tuple[Release, ...]:
    """Return what the partial closes between two states of an account left in isolated wallets.

    Only an event of the private stream about a trade proves anything: between two descriptions by REST, and in an
    event about funding or a transfer, more may have happened to a wallet than a close.

    Args:
        before: the account as this run knew it last.
        after: the same account now.
        cause: what the exchange says made it change.
    """
    if cause != ORDER or after.source is not Source.STREAM or before.source not in {Source.STREAM, Source.REST}:
        return ()
    held = {(leg.symbol, leg.side): leg for leg in before.positions}
    found = (_release(after.account, held.get((leg.symbol, leg.side)), leg) for leg in after.positions)
    return tuple(one for one in found if one is not None)


def _release(account: str, old: Position | None, new: Position) -> Release | None:
    if old is None or not 0.0 < new.quantity < old.quantity:
        return None
    if MarginMode.CROSS in {old.margin_mode, new.margin_mode}:
        return None
    expected = old.margin * new.quantity / old.quantity
    return Release(account, new.symbol, new.side, new.margin_asset, expected, new.margin)
