"""What of an account's own money could go into an isolated wallet, and what keeps it from being more."""

import math
from typing import NamedTuple

from monitor.core.model import MULTI_WALLET, Level, Source
from monitor.core.search import Look, first
from monitor.core.steps import amount_of, step_of, steps_down
from monitor.core.trial import COPIES, Case, Change, Looked, Trial, judge_of
from monitor.core.whatif import add_margin

BALANCE = "balance"  # of the cross wallet, less what open orders and its own positions require
AVAILABLE = "available"  # what the exchange lets be moved
WARNING = "warning"  # more would bring the cross wallet itself to warning
_RISEN = slice(Level.WARNING - 1, len(Level) - 1)  # conditions of entering warning and worse


class Spare(NamedTuple):
    """The most that can be added from what lies in the account; None where that is not known."""

    most: float | None
    limited_by: str = ""


def spare_of(case: Case, asset: str) -> Spare:
    """Return what of an asset could be moved from the cross wallet into an isolated one, rounded down.

    The smallest of: the cross wallet's balance less the margin of isolated open orders and the maintenance of its
    own positions; what is available, where the exchange said it; and what the cross wallet can lose before it is
    at warning itself.

    Args:
        case: of the isolated wallet; its marks have to be those of the cross wallet's positions as well.
        asset: of the isolated wallet.
    """
    account = case.account
    if asset not in account.balances and account.source is Source.GIVEN:
        return Spare(None)
    wallet = MULTI_WALLET if account.multi_assets else f"cross:{asset}"
    beside = case._replace(wallet=wallet)
    trial = Trial(beside, account)
    looked = trial.look([lambda part: part])
    required = 0.0
    if trial.positions:
        required = float(looked.readings.maintenance_margin[looked.wallets[0]])
        if math.isnan(required) or math.isnan(looked.readings.cushion[looked.wallets[0]]):
            return Spare(None)
    reserved = 0.0 if case.funds is None else case.funds.reserved.get(asset, 0.0)
    bounds = [(account.balances.get(asset, 0.0) - reserved - required, BALANCE)]
    if case.funds is not None and asset in case.funds.available:
        bounds.append((case.funds.available[asset], AVAILABLE))
    most, limited_by = min(bounds)
    step = step_of(asset)
    steps = steps_down(most, step)
    if trial.positions and steps:
        safe = _without_warning(beside, asset, steps)
        if safe < steps:
            return Spare(amount_of(safe, step), WARNING)
    return Spare(amount_of(steps, step), limited_by)


def _without_warning(case: Case, asset: str, most: int) -> int:
    """Return how many steps, of ``most``, can leave a cross wallet without any condition of warning."""
    trial = Trial(case, case.account, COPIES)
    step = step_of(asset)

    def taken(steps: int) -> Change:
        return lambda part: add_margin(part, case.wallet, -amount_of(steps, step), asset=asset)

    judge = judge_of(trial, taken, _risen)
    if judge([0])[0].holds:
        return 0
    worse = first(judge, (0, most), [most * (i + 1) // COPIES for i in range(COPIES)], COPIES)
    return most if worse is None else worse - 1


def _risen(looked: Looked, copy: int) -> Look:
    """Return whether a wallet would be at warning or worse; its leeway is the other way round."""
    return Look(bool(looked.hit[_RISEN, copy].any()), -float(looked.leeway[_RISEN, copy].min()))
