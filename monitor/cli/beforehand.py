"""What it would take before prices move, for wallets that do not outlive it.

Amounts are found for that order: what is changed is changed at the prices before the first shock, with fill, fee
and margin that is freed, and judged at those at which the wallet would be gone. Whatever else was asked to be done
comes in between, so each way is then gone through as a whole, and named only if the wallet lives all along it.
"""

from collections.abc import Callable, Sequence

import msgspec

from monitor.cli.ground import Ground
from monitor.cli.operations import Stage
from monitor.cli.pasted import Asked
from monitor.core.advice import prescribe
from monitor.core.cuts import cut_of
from monitor.core.evenly import SHARES, Evenly
from monitor.core.ladder import Grid, Rung
from monitor.core.model import Level, SubjectKey
from monitor.core.notices import Cut, Prescription, Remedy
from monitor.core.spare import Spare, spare_of
from monitor.core.trial import Case, Looked, Trial, as_it_is, left, positions_in
from monitor.core.whatif import close
from monitor.errors import ConfigError
from monitor.notify.remedies import needs_nothing

SHOCK = "shock"
_Ask = Callable[[str, str, Prescription, int | None], Asked | None]


class Beforehand:
    """The moment before the first shock of what was asked.

    Args:
        ground: what is held.
        asked: operations, all of which can be done.
    """

    def __init__(self, ground: Ground, asked: Asked) -> None:
        self._ground = ground
        self._asked = asked
        shocks = (place for place, (name, _) in enumerate(asked.operations) if name == SHOCK)
        self.at: int | None = next(shocks, None)  # where in the operations it is; None where no price moves
        self._stages: dict[int, Stage] = {}
        self._seen: tuple[Grid, Rung] | None = None

    @property
    def seen(self) -> tuple[Grid, Rung]:
        """All wallets at that moment."""
        if self._seen is None:
            stage = self._moved(self.at or 0)
            grid = self._ground.grid(stage.accounts, stage.marks)
            self._seen = grid, grid.at(0.0)
        return self._seen

    def find(self, key: SubjectKey, fallen: Sequence[int], sharers: int) -> Prescription | None:
        """Return what has to be done then for a wallet to outlive all that follows and leave warning in the end.

        Args:
            key: of the wallet.
            fallen: operations after which it is used up, counted from 1.
            sharers: see ``spare.sharers``.

        Returns:
            None where no price moves, or nothing is known to be enough.
        """
        if self.at is None:
            return None
        # What the end asks for is enough where the wallet lives to see it.
        places = sorted({len(self._asked.operations), *(one for one in fallen if one > self.at)}, reverse=True)
        plans = [plan for place in places if (plan := self._plan(key, place, sharers)) is not None]
        adding = next((one for one in plans if self._saves(key, self._asked.adding, one)), None)
        cutting = next((one for one in plans if self._saves(key, self._asked.cutting, one)), None)
        cutting = cutting or self._in_turns(key, plans)
        if cutting is None or (adding is None and any(one.remedies[0].add for one in plans)):
            return None
        plan = cutting if adding is None else _either(adding, cutting)
        safer = msgspec.structs.replace(plan, remedies=plan.remedies[1:])
        ways = list(self._asked.ways(*key, safer, self.at))
        safe = bool(ways) and all(self._lives(key, one, safer.remedies[0].below) for one in ways)
        return plan if safe else msgspec.structs.replace(plan, remedies=plan.remedies[:1])

    def _in_turns(self, key: SubjectKey, plans: Sequence[Prescription]) -> Prescription | None:
        """Return the same share of all positions as cuts that are enough, found by going through each as a whole.

        What helps at one moment may be what keeps the wallet from losing more at another.
        """
        if not plans:
            return None
        case = self._moved(self.at or 0).case(*key)
        held = positions_in(case.account, case.wallet)
        evenly = Evenly(held, case.lots)

        def plan_of(shares: int) -> Prescription:
            account, cuts = case.account, list[Cut]()
            for position, quantity in zip(held, evenly.quantities(shares), strict=True):
                rules, mark = case.settings.advice, case.marks[position.symbol]
                closed = close(account, position, quantity, mark, rules, put_back=True)
                cuts.append(cut_of(position, quantity, closed))
                account = closed.account
            turns = len(cuts) if len(cuts) > 1 and any(cut.share < 1.0 for cut in cuts) else 0
            remedy = Remedy(plans[0].remedies[0].below, cuts=tuple(cuts), evenly=turns)
            return msgspec.structs.replace(plans[0], remedies=(remedy,), alone=None)

        low, high = 0, SHARES
        if not self._saves(key, self._asked.cutting, plan_of(high)):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if self._saves(key, self._asked.cutting, plan_of(middle)):
                high = middle
            else:
                low = middle
        return plan_of(high)

    def _plan(self, key: SubjectKey, place: int, sharers: int) -> Prescription | None:
        """Return what is enough at the prices after an operation, were prices all that changes meanwhile."""
        before, after = self._moved(self.at or 0), self._moved(place)
        case = before.case(*key)
        held = positions_in(case.account, case.wallet)
        if not held:
            return None
        isolated = case.wallet.startswith("isolated:")
        spare = spare_of(case, held[0].margin_asset) if isolated else Spare(0.0)
        # Shocks leave balances and positions alone, and change what collateral counts.
        account = after.case(*key).account
        plan = prescribe(case._replace(account=account, judged=after.marks, sharers=sharers), spare)
        return None if plan is None or needs_nothing(plan) else plan

    def _moved(self, place: int) -> Stage:
        """Return what there is after so many operations, but for those after the first shock that are none."""
        if place not in self._stages:
            operations = self._asked.operations
            stage = Stage(self._ground, put_back=self._asked.put_back)
            stage.do(operations[: self.at])
            stage.do(one for one in operations[self.at : place] if one[0] == SHOCK)
            self._stages[place] = stage
        return self._stages[place]

    def _saves(self, key: SubjectKey, way: _Ask, plan: Prescription) -> bool:
        asked = way(*key, plan, self.at)
        return asked is not None and self._lives(key, asked, plan.remedies[0].below)

    def _lives(self, key: SubjectKey, asked: Asked, below: Level) -> bool:
        """Return whether a wallet outlives what is asked from the first shock on, and then leaves a level."""
        first = (self.at or 0) + len(asked.operations) - len(self._asked.operations)
        stage = Stage(self._ground, put_back=asked.put_back)
        try:
            stage.do(asked.operations[:first])
            looks = [_looked(stage.case(*key))]
            for operation in asked.operations[first:]:
                stage.do([operation])
                looks.append(_looked(stage.case(*key)))
        except ConfigError:  # what was asked cannot be done any more, such as closing what is closed by then
            return False
        lives = not any(one is not None and _is_used_up(one) for one in looks)
        return lives and (looks[-1] is None or left(looks[-1], below))


def _either(adding: Prescription, cutting: Prescription) -> Prescription:
    """Return what is to be added by the one, and the cuts of the other."""
    remedies = (
        msgspec.structs.replace(cut, add=add.add, lacking=add.lacking, added=add.added)
        for add, cut in zip(adding.remedies, cutting.remedies, strict=False)
    )
    return msgspec.structs.replace(cutting, remedies=tuple(remedies))


def _looked(case: Case) -> Looked | None:
    """Return a wallet as it is; None where nothing is held in it."""
    return Trial(case, case.account).look([as_it_is]) if positions_in(case.account, case.wallet) else None


def _is_used_up(looked: Looked) -> bool:
    return bool(looked.readings.margin_ratio[looked.wallets[0]] >= 1.0)
