"""What of an account's own money could go into an isolated wallet, and what keeps it from being more."""

import math
from typing import NamedTuple

import numpy as np

from monitor.core.book import Book
from monitor.core.model import MULTI_WALLET, Level, MarginMode, Source
from monitor.core.rules import Levels
from monitor.core.search import Look
from monitor.core.steps import amount_of, step_of, steps_down
from monitor.core.trial import Case, Change, Explored, Looked, Trial, as_it_is, copies_for, positions_in
from monitor.core.whatif import add_margin

BALANCE = "balance"  # of the cross wallet, less what open orders and its own positions require
AVAILABLE = "available"  # what the exchange lets be moved
WARNING = "warning"  # more would bring the cross wallet itself to warning
_PARTS = 4096
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
    held = positions_in(account, wallet)
    required = 0.0
    if held:
        trial = Trial(beside, account, copies_for(len(held)))
        looked = trial.look([as_it_is])
        required = float(looked.readings.maintenance_margin[looked.wallets[0]])
        if math.isnan(required) or math.isnan(looked.readings.cushion[looked.wallets[0]]):
            return Spare(None)
    reserved = 0.0 if case.funds is None else case.funds.reserved.get(asset, 0.0)
    bounds = [(account.balances.get(asset, 0.0) - reserved - required, BALANCE)]
    if case.funds is not None and asset in case.funds.available:
        bounds.append((case.funds.available[asset], AVAILABLE))
    most, limited_by = min(bounds, key=lambda bound: bound[0])  # of the same, that the wallet is empty
    step = step_of(asset)
    steps = steps_down(most, step)
    if held and steps:
        safe = _without_warning(beside, trial, asset, steps)
        if safe < steps:
            return Spare(amount_of(safe, step), WARNING)
    return Spare(amount_of(steps, step), limited_by)


def sharers(book: Book, levels: Levels, wallet: int) -> int:
    """Return how many other wallets in danger the money that could go into an isolated one could go to as well.

    What can be spared is there once. Who follows the advice for each of them has to know.

    Args:
        book: with the wallet.
        levels: of its wallets, shape (w,).
        wallet: of the book; of a cross wallet there are none.
    """
    here = book.wallets[wallet]
    if here.mode is not MarginMode.ISOLATED:
        return 0
    others = (book.wallets[i] for i in np.flatnonzero(levels >= Level.WARNING).tolist() if i != wallet)
    return sum(
        one.mode is MarginMode.ISOLATED and (one.key.account, one.asset) == (here.key.account, here.asset)
        for one in others
    )


def _without_warning(case: Case, trial: Trial, asset: str, most: int) -> int:
    """Return how many steps, of ``most``, can leave a cross wallet without any condition of warning.

    Of a large amount to the nearest 4096th below: that is as near as anybody should go.
    """
    step = step_of(asset)
    unit = max(1, most // _PARTS)

    def taken(units: int) -> Change:
        return lambda part: add_margin(part, case.wallet, -amount_of(min(units * unit, most), step), asset=asset)

    explored = Explored(trial, taken)
    units = -(-most // unit)
    if not explored.at(units, _risen).holds:  # what is taken away makes nothing better
        return most
    worse = explored.first(_risen, (-1, units), [units * i // trial.copies for i in range(trial.copies)])
    return most if worse is None else max(0, (worse - 1) * unit)


def _risen(looked: Looked, copy: int) -> Look:
    """Return whether a wallet would be at warning or worse; its leeway is the other way round."""
    return Look(bool(looked.hit[_RISEN, copy].any()), -float(looked.leeway[_RISEN, copy].min()))
