"""One account for people and programs."""

import msgspec

from monitor.core.audit import Audit
from monitor.core.events import AccountState
from monitor.core.model import AccountSnapshot, Compared


class AccountView(msgspec.Struct, frozen=True):
    """One account as ``status`` and ``audit`` show it."""

    account: str
    market: str
    source: str  # given: typed in; rest: followed by its key
    as_of_ms: int
    ok: bool  # False while it cannot be followed
    reason: str
    positions: int
    multi_assets: bool
    hedge_mode: bool
    untabled: tuple[str, ...]  # symbols held that have no tiers and are not watched
    audited_ms: int  # exchange time of the newest reply our figures were compared with; 0 for none
    compared: tuple[Compared, ...]
    corrections: dict[str, tuple[float, float]]  # by wallet: off its balance, on its maintenance margin
    released: tuple[int, int] = (
        0,
        0,
    )  # partial closes of isolated positions: with the share as assumed, otherwise


def account_view(
    account: AccountSnapshot,
    lost: AccountState | None,
    untabled: tuple[str, ...],
    found: Audit,
    released: tuple[int, int] = (0, 0),
) -> AccountView:
    """Return an account as it stands.

    Args:
        account: as it is known.
        lost: why it cannot be followed, None if it can.
        untabled: symbols held that have no tiers.
        found: by its newest audit.
        released: partial closes seen, as assumed and otherwise.
    """
    return AccountView(
        account=account.account,
        market=account.market.value,
        source=account.source.value,
        as_of_ms=account.as_of_ms,
        ok=lost is None,
        reason="" if lost is None else lost.reason,
        positions=len(account.positions),
        multi_assets=account.multi_assets,
        hedge_mode=account.hedge_mode,
        untabled=untabled,
        audited_ms=found.at_ms,
        compared=found.compared,
        corrections={key.wallet: amounts for key, amounts in found.corrections.items()},
        released=released,
    )
