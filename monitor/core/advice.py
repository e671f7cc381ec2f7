"""What to do about a wallet in danger: the margin to add, or the quantities to close, that end its level.

Both are found by looking: the wallet's part of the account is changed as ``monitor.core.whatif`` has it, compiled
and judged with the conditions of every tick, until an amount does it and one step less does not. See
docs/decisions/0016 for what is assumed.
"""

import math
from collections.abc import Sequence
from decimal import Decimal
from functools import partial

from monitor.core.cuts import Cutting
from monitor.core.model import MULTI_WALLET, Level, Position
from monitor.core.notices import After, Prescription, Remedy
from monitor.core.spare import Spare, spare_of
from monitor.core.steps import amount_of, step_of, steps_up
from monitor.core.trial import Case, Explored, Looked, Trial, as_it_is, copies_for, leaving, left, positions_in
from monitor.core.whatif import add_margin, close, value_of

_LOOKS = tuple(4.0**power for power in range(-5, 3))  # of what the wallet is about
_FARTHER = tuple(10.0**power for power in range(2, 7))


def prescribe(case: Case, spare: Spare | None = None) -> Prescription | None:
    """Return what brings a wallet below warning, and below notice, such that the level ends.

    A remedy reaches its target when every condition of that level and of every worse one is missed by the dead
    band; where the wallet is hollow as it is, those of ratio and moves left too, whatever its room would be.
    ``Remedy.add`` is 0, and there are no cuts, where that holds as it is; ``add`` is None where no amount does it.
    Amounts to add are rounded up to a cent of what is at par with the dollar, to a millionth of a coin; quantities
    to the symbol's step. In multi-assets mode, the asset to add is that of the largest positions.

    Args:
        case: the wallet, with everything that is known around it. Only its own names need marks, and those of the
            account's cross wallet for ``spare`` to be known.
        spare: of an isolated wallet, what could be added to it, where that was found before.

    Returns:
        None where the account has no such wallet, no position in it, or no mark of one of them.

    Raises:
        BracketError: a symbol of the wallet has no tier table.
    """
    held = positions_in(case.account, case.wallet)
    if not held:
        return None
    trial = Trial(case, case.account, copies_for(len(held)))
    looked = trial.look([as_it_is])
    if math.isnan(looked.readings.cushion[looked.wallets[0]]):
        return None
    isolated = case.wallet.startswith("isolated:")
    asset = _asset_to_add(case, held)
    if spare is None or not isolated:
        spare = spare_of(case, asset) if isolated else Spare(0.0)
    adding = _Adding(case, trial, looked, asset)
    cutting = Cutting(case._replace(hollow=trial.hollow), trial, looked)
    remedies: list[Remedy] = []
    for below in (Level.WARNING, Level.NOTICE):
        if left(looked, below):
            now = trial.after(looked)
            remedies.append(Remedy(below, add=0.0, lacking=0.0, added=now, cut=now))
            continue
        cutdown = cutting.reduce_below(below)
        add, added = adding.raise_below(below)
        remedies.append(Remedy(below, add, _lacking(add, spare), added, *cutdown))
    return Prescription(
        asset=asset,
        isolated=isolated,
        remedies=tuple(remedies),
        taker_fee=case.settings.advice.taker_fee,
        slippage=case.settings.advice.slippage,
        spare=spare.most,
        limited_by=spare.limited_by,
        granted=not isolated or _granted(case, asset),
        sharers=case.sharers if isolated else 0,
        alone=_alone(case, trial, held[0], remedies[0]) if isolated else None,
        assumed_step=any(p.symbol not in case.lots for p in held),
    )


class _Adding:
    """The search for the margin to add; levels are asked about from the worst on."""

    def __init__(self, case: Case, trial: Trial, looked: Looked, asset: str) -> None:
        self._step = step_of(asset)
        readings, wallet = looked.readings, looked.wallets[0]
        about = float(readings.maintenance_margin[wallet]) + abs(float(readings.cushion[wallet]))
        self._unit = max(1, steps_up(about, self._step))
        self._low = 0  # steps that are known not to be enough for any level still asked about
        self._explored = Explored(
            trial, lambda steps: partial(add_margin, wallet=case.wallet, amount=self._amount(steps), asset=asset)
        )

    def _amount(self, steps: int) -> float:
        return amount_of(steps, self._step)

    def raise_below(self, below: Level) -> tuple[float | None, After | None]:
        """Return the least that has to be added to leave a level, and the wallet then; None if nothing does it."""
        for shares in (_LOOKS, _FARTHER):
            looks = [self._low + max(1, int(self._unit * share)) for share in shares]
            steps = self._explored.first(leaving(below), (self._low, looks[-1]), looks)
            if steps is not None:
                self._low = steps - 1
                return self._amount(steps), self._explored.after(steps)
            self._low = looks[-1]
        return None, None


def _granted(case: Case, asset: str) -> bool:
    """Return whether what is spare can be moved for sure: for cross positions the exchange keeps what it likes."""
    return case.funds is not None or not positions_in(case.account, f"cross:{asset}")


def _lacking(add: float | None, spare: Spare) -> float | None:
    """Return how much of an amount is not spare, without what floats would leave of the difference."""
    if add is None or spare.most is None:
        return None
    return float(max(Decimal(0), Decimal(repr(add)) - Decimal(repr(spare.most))))


def _alone(case: Case, trial: Trial, position: Position, remedy: Remedy) -> After | None:
    """Return what an isolated wallet is like after the same cut without its margin; None where nothing is left."""
    if not remedy.cuts or remedy.cuts[0].quantity >= position.quantity:
        return None
    mark, rules = case.marks[position.symbol], case.settings.advice
    quantity = remedy.cuts[0].quantity
    return trial.after(trial.look([lambda part: close(part, position, quantity, mark, rules).account]))


def _asset_to_add(case: Case, held: Sequence[Position]) -> str:
    """Return the wallet's asset; of one that takes several, that of its largest positions."""
    if case.wallet != MULTI_WALLET:
        return held[0].margin_asset
    worth: dict[str, float] = {}
    for p in held:
        notional = value_of(p, p.quantity, case.marks[p.symbol])
        worth[p.margin_asset] = worth.get(p.margin_asset, 0.0) + notional
    return max(sorted(worth), key=worth.__getitem__)
