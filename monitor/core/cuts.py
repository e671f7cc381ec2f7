"""Which positions of a wallet to reduce, and by how much: the one that helps most for its notional first."""

import math
from collections.abc import Sequence

import msgspec

from monitor.core.model import AccountSnapshot, Level, Position, Side
from monitor.core.notices import After, Cut
from monitor.core.steps import Cuts, cuts_of
from monitor.core.trial import (
    Case,
    Change,
    Explored,
    Looked,
    Trial,
    as_it_is,
    batched,
    copies_for,
    leaving,
    left,
    positions_in,
    to_leave,
)
from monitor.core.whatif import Closed, close, value_of

_PROBE = 0.01  # of the wallet's notional, taken off each position to see what it does
_LOOKS = 16  # along a position that it may harm to close, before what lies between two of them is looked at
_FEW = 4  # positions that are put in order anew after each that is closed


class Cutting:
    """The search for what to close in one wallet.

    Args:
        case: a wallet with positions, all of whose marks are known.
        trial: of the wallet as it is.
        looked: that, unchanged.
    """

    def __init__(self, case: Case, trial: Trial, looked: Looked) -> None:
        self._case = case
        self._beginning = _Stage(case, case.account, trial, looked)

    def reduce_below(self, below: Level) -> tuple[tuple[Cut, ...], After]:
        """Return the cuts after which a level is left, and the wallet then: empty where nothing is left in it.

        Each cut but the last closes its position, and with one step less of the last one the level is not left.
        Positions are taken in the order of what the same notional off each does; what would do harm if it were
        closed whole is kept for the last.
        """
        cuts: list[Cut] = []
        stage = self._beginning
        ranked = stage.ranked(below)
        skipped = ranked[: stage.certain(ranked, below)]
        while True:
            if skipped:
                closing = skipped
            else:
                position, found = stage.best(ranked, below)
                if found is not None:
                    quantity, after = found
                    return (*cuts, stage.cut(stage.account, position, quantity)), after
                closing = [position]
            account = stage.account
            for position in closing:
                cuts.append(stage.cut(account, position, position.quantity))
                account = stage.without(account, position)
            held = positions_in(account, self._case.wallet)
            if not held:
                return tuple(cuts), After()
            trial = Trial(self._case, account, copies_for(len(held)))
            looked = trial.look([as_it_is])
            if left(looked, below):
                return tuple(cuts), trial.after(looked)
            stage = _Stage(self._case, account, trial, looked)
            gone = {(p.symbol, p.side) for p in closing}
            ranked = [p for p in ranked if (p.symbol, p.side) not in gone]
            if len(held) <= _FEW:
                ranked = stage.ranked(below)
            skipped = []


class _Stage:
    """The wallet once some of its positions are closed."""

    def __init__(self, case: Case, account: AccountSnapshot, trial: Trial, looked: Looked) -> None:
        self.account = account
        self.held = positions_in(account, case.wallet)
        self._case = case
        self._trial = trial
        self._looked = looked
        self._probed: list[Looked] = []
        self._explored: dict[tuple[str, Side], tuple[Cuts, Explored]] = {}

    def ranked(self, below: Level) -> list[Position]:
        """Return the positions by what the same notional off each does, the best first.

        In a wallet of many, moves left take no part in that: they would take most of the time.
        """
        held, trial = self.held, self._trial
        if len(held) == 1:
            return list(held)
        worth = [value_of(p, p.quantity, self._case.marks[p.symbol]) for p in held]
        probe = sum(worth) * _PROBE
        shares = [min(1.0, probe / amount) for amount in worth]
        simple = len(held) > _FEW
        if not self._probed:
            changes = [
                as_it_is,
                *(self._shorter(p, p.quantity * share) for p, share in zip(held, shares, strict=True)),
            ]
            looks = (trial.look(some, with_moves=not simple) for some in batched(changes, trial.copies))
            self._probed = [looked.only(copy) for looked in looks for copy in range(len(looked.wallets))]
        way, cushion = _score(self._probed[0], below)
        gains: list[tuple[float, float]] = []
        for i, looked in enumerate(self._probed[1:]):
            then = _score(looked, below)
            notional = worth[i] * shares[i]
            gains.append(((then[0] - way) / notional, (then[1] - cushion) / notional))
        return [held[i] for i in sorted(range(len(held)), key=gains.__getitem__, reverse=True)]

    def certain(self, ranked: Sequence[Position], below: Level) -> int:
        """Return how many of these, in order, have to be closed whole in any case; 0 where that has to be seen.

        It has to be where they are few, and where the rules of the wallet depend on what it holds.
        """
        if len(ranked) <= _FEW or any(one.symbol is not None for one in self._case.settings.overrides):
            return 0
        parts = [self._trial.part]
        for position in ranked:
            parts.append(self._close(parts[-1], position, position.quantity).account)
        explored = Explored(self._trial, lambda count: lambda _part: parts[count])
        closed = explored.first(leaving(below), (0, len(ranked)), [(len(ranked) + 1) // 2])
        return 0 if closed is None else closed - 1

    def best(self, ranked: Sequence[Position], below: Level) -> tuple[Position, tuple[float, After] | None]:
        """Return the position to reduce next, and the part of it that is enough; None: it has to be closed."""
        if len(ranked) == 1:
            return ranked[0], self._first_part(ranked[0], below, self._trial.copies)
        for position in ranked:
            looked = self._trial.look([self._shorter(position, position.quantity)])
            enough = left(looked, below)
            helps = enough or _score(looked, below) > _score(self._looked, below)
            found = None
            if enough or not helps or self._is_hedged(position):
                found = self._first_part(position, below, self._trial.copies if enough else _LOOKS)
            if found is not None or helps:
                return position, found
        return ranked[0], None

    def _is_hedged(self, position: Position) -> bool:
        """Return whether the wallet holds the other side as well: a part may do what the whole undoes."""
        return any(p.symbol == position.symbol and p.side is not position.side for p in self.held)

    def _first_part(self, position: Position, below: Level, count: int) -> tuple[float, After] | None:
        """Return the first part of a position whose end leaves the level, and the wallet then; None: none does."""
        leg = (position.symbol, position.side)
        if leg not in self._explored:
            cuts = cuts_of(position, self._case.lots.get(position.symbol))
            self._explored[leg] = (
                cuts, Explored(self._trial, lambda steps: self._shorter(position, cuts.quantity(steps)))
            )  # fmt: skip
        cuts, explored = self._explored[leg]
        low, high = cuts.least - 1, cuts.most
        looks = [low + (high - low) * (i + 1) // count for i in range(count)]
        steps = explored.first(leaving(below), (low, high), looks)
        return None if steps is None else (cuts.quantity(steps), explored.after(steps))

    def cut(self, account: AccountSnapshot, position: Position, quantity: float) -> Cut:
        """Return a cut of an account as it is told."""
        closed = self._close(account, position, quantity)
        return Cut(
            symbol=position.symbol,
            side=position.side.value,
            quantity=quantity,
            share=quantity / position.quantity,
            notional=closed.notional,
            cost=closed.fee + closed.slippage,
            put_back=closed.put_back,
        )

    def without(self, account: AccountSnapshot, position: Position) -> AccountSnapshot:
        """Return an account once a position is closed and gone: the wallet's rules may have been made for it."""
        after = self._close(account, position, position.quantity).account
        others = tuple(p for p in after.positions if (p.symbol, p.side) != (position.symbol, position.side))
        return msgspec.structs.replace(after, positions=others)

    def _close(self, account: AccountSnapshot, position: Position, quantity: float) -> Closed:
        mark, rules = self._case.marks[position.symbol], self._case.settings.advice
        return close(account, position, quantity, mark, rules, put_back=True)

    def _shorter(self, position: Position, quantity: float) -> Change:
        return lambda part: self._close(part, position, quantity).account


def _score(looked: Looked, below: Level) -> tuple[float, float]:
    """Return how good a wallet is: the way to leaving the level, and the cushion where that says nothing."""
    way = to_leave(looked, below)
    return (way if math.isfinite(way) else 0.0), float(looked.readings.cushion[looked.wallets[0]])
