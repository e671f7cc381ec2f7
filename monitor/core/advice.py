"""What to do about a wallet in danger: the margin to add, or the quantities to close, that end its level.

Both are found by looking: the wallet's part of the account is changed as ``monitor.core.whatif`` has it, compiled
and judged with the conditions of every tick, until an amount does it and one step less does not. See
docs/decisions/0016 for what is assumed.
"""

import math
from decimal import Decimal

from monitor.core.cuts import reduce_below
from monitor.core.model import MULTI_WALLET, AccountSnapshot, Level, Position
from monitor.core.notices import After, Prescription, Remedy
from monitor.core.search import first
from monitor.core.spare import Spare, spare_of
from monitor.core.steps import amount_of, step_of, steps_up
from monitor.core.trial import Case, Change, Trial, copies_for, judge_of, leaving, left
from monitor.core.whatif import add_margin, close, value_of

_LOOKS = tuple(4.0**power for power in range(-5, 3))  # of what the wallet is about
_FARTHER = tuple(10.0**power for power in range(2, 7))


def prescribe(case: Case) -> Prescription | None:
    """Return what brings a wallet below warning, and below notice, such that the level ends.

    A remedy reaches its target when every condition of that level and of every worse one is missed by the dead
    band. ``Remedy.add`` is 0, and there are no cuts, where that holds as it is; ``add`` is None where no amount
    does it. Amounts to add are rounded up to a cent of what is at par with the dollar, to a millionth of a coin;
    quantities to the symbol's step. In multi-assets mode, the asset to add is that of the largest positions.

    Args:
        case: the wallet, with everything that is known around it. Only its own names need marks, and those of the
            account's cross wallet for ``spare`` to be known.

    Returns:
        None where the account has no such wallet, no position in it, or no mark of one of them.

    Raises:
        BracketError: a symbol of the wallet has no tier table.
    """
    held = [p for p in case.account.positions if p.quantity > 0 and case.account.wallet_of(p) == case.wallet]
    if not held:
        return None
    trial = Trial(case, case.account, copies_for(len(held)))
    looked = trial.look([_as_it_is])
    if math.isnan(looked.readings.cushion[looked.wallets[0]]):
        return None
    isolated = case.wallet.startswith("isolated:")
    asset = _asset_to_add(case, held)
    spare = spare_of(case, asset) if isolated else Spare(0.0)
    first_aid = _remedy(case, trial, Level.WARNING, (asset, spare), 0.0)
    remedies = (first_aid, _remedy(case, trial, Level.NOTICE, (asset, spare), first_aid.add))
    return Prescription(
        asset=asset,
        isolated=isolated,
        remedies=remedies,
        taker_fee=case.settings.advice.taker_fee,
        slippage=case.settings.advice.slippage,
        spare=spare.most,
        limited_by=spare.limited_by,
        alone=_alone(case, trial, held[0], remedies[0]) if isolated else None,
        assumed_step=any(p.symbol not in case.lots for p in held),
    )


def _remedy(case: Case, trial: Trial, below: Level, source: tuple[str, Spare], least: float | None) -> Remedy:
    """Return what leaves one level; ``least`` is what the one before it needs added, None if nothing does."""
    asset, spare = source
    looked = trial.look([_as_it_is])
    if left(looked, below):
        return Remedy(below, add=0.0, lacking=0.0, added=trial.after(looked), cut=trial.after(looked))
    reduced = reduce_below(case, below)
    step = step_of(asset)
    steps = None if least is None else _steps_to_add(case, trial, below, asset, steps_up(least, step))
    if steps is None:
        return Remedy(below, cuts=reduced.cuts, cut=reduced.after)
    add = amount_of(steps, step)
    return Remedy(
        below,
        add=add,
        lacking=None
        if spare.most is None
        else float(max(Decimal(0), Decimal(repr(add)) - Decimal(repr(spare.most)))),
        added=trial.after(trial.look([_adding(case, asset, add)])),
        cuts=reduced.cuts,
        cut=reduced.after,
    )


def _steps_to_add(case: Case, trial: Trial, below: Level, asset: str, least: int) -> int | None:
    """Return the fewest steps to add that leave a level; ``least`` of them do for a worse one."""
    step = step_of(asset)
    looked = trial.look([_as_it_is])
    wallet = looked.wallets[0]
    about = float(looked.readings.maintenance_margin[wallet]) + abs(float(looked.readings.cushion[wallet]))
    unit = max(1, steps_up(about, step))
    judge = judge_of(trial, lambda steps: _adding(case, asset, amount_of(steps, step)), leaving(below))
    low = max(0, least - 1)
    for shares in (_LOOKS, _FARTHER):
        numbers = [low + max(1, int(unit * share)) for share in shares]
        found = first(judge, (low, numbers[-1]), numbers, trial.copies)
        if found is not None:
            return found
        low = numbers[-1]
    return None


def _adding(case: Case, asset: str, amount: float) -> Change:
    return lambda part: add_margin(part, case.wallet, amount, asset=asset)


def _alone(case: Case, trial: Trial, position: Position, remedy: Remedy) -> After | None:
    """Return what an isolated wallet is like after the same cut without its margin; None where nothing is left."""
    if not remedy.cuts or remedy.cuts[0].quantity >= position.quantity:
        return None
    mark, rules = case.marks[position.symbol], case.settings.advice
    quantity = remedy.cuts[0].quantity
    return trial.after(trial.look([lambda part: close(part, position, quantity, mark, rules).account]))


def _asset_to_add(case: Case, held: list[Position]) -> str:
    """Return the wallet's asset; of one that takes several, that of its largest positions."""
    if case.wallet != MULTI_WALLET:
        return held[0].margin_asset
    worth: dict[str, float] = {}
    for p in held:
        notional = value_of(p, p.quantity, case.marks[p.symbol])
        worth[p.margin_asset] = worth.get(p.margin_asset, 0.0) + notional
    return max(sorted(worth), key=worth.__getitem__)


def _as_it_is(part: AccountSnapshot) -> AccountSnapshot:
    return part
