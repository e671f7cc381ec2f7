"""Which positions of a wallet to reduce, and by how much: the one that helps most for its notional first."""

import math

import msgspec

from monitor.core.model import AccountSnapshot, Level, Position
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
_LOOKS = 16  # along a position of several, before what lies between two of them is looked at


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
        while True:
            position, found = stage.best(below)
            if found is not None:
                quantity, after = found
                cuts.append(stage.cut(position, quantity))
                return tuple(cuts), after
            cuts.append(stage.cut(position, position.quantity))
            account = stage.without(position)
            held = positions_in(account, self._case.wallet)
            if not held:
                return tuple(cuts), After()
            trial = Trial(self._case, account, copies_for(len(held)))
            looked = trial.look([as_it_is])
            if left(looked, below):
                return tuple(cuts), trial.after(looked)
            stage = _Stage(self._case, account, trial, looked)


class _Stage:
    """The wallet once some of its positions are closed."""

    def __init__(self, case: Case, account: AccountSnapshot, trial: Trial, looked: Looked) -> None:
        self._case = case
        self._account = account
        self._trial = trial
        self._looked = looked
        self._held = positions_in(account, case.wallet)
        self._explored: dict[int, tuple[Cuts, Explored]] = {}

    def best(self, below: Level) -> tuple[Position, tuple[float, After] | None]:
        """Return the position to reduce next, and the part of it that is enough; None: it has to be closed."""
        ranked = self._ranked(below)
        for position in ranked:
            found = self._first_part(position, below)
            if found is not None or self._helps_closed(position, below):
                return position, found
        return ranked[0], None

    def _ranked(self, below: Level) -> list[Position]:
        """Return the positions by what the same notional off each does, the best first."""
        held = self._held
        if len(held) == 1:
            return list(held)
        worth = [value_of(p, p.quantity, self._case.marks[p.symbol]) for p in held]
        probe = sum(worth) * _PROBE
        shares = [min(1.0, probe / amount) for amount in worth]
        way, cushion = _score(self._looked, below)
        gains: list[tuple[float, float]] = []
        for some in batched(range(len(held)), self._trial.copies):
            looked = self._trial.look([self._shorter(held[i], held[i].quantity * shares[i]) for i in some])
            for copy, i in enumerate(some):
                then = _score(looked, below, copy)
                notional = worth[i] * shares[i]
                gains.append(((then[0] - way) / notional, (then[1] - cushion) / notional))
        return [held[i] for i in sorted(range(len(held)), key=gains.__getitem__, reverse=True)]

    def _first_part(self, position: Position, below: Level) -> tuple[float, After] | None:
        """Return the first part of a position whose end leaves the level, and the wallet then; None: none does."""
        place = self._held.index(position)
        if place not in self._explored:
            cuts = cuts_of(position, self._case.lots.get(position.symbol))
            self._explored[place] = (
                cuts, Explored(self._trial, lambda steps: self._shorter(position, cuts.quantity(steps)))
            )  # fmt: skip
        cuts, explored = self._explored[place]
        low, high = cuts.least - 1, cuts.most
        count = self._trial.copies if len(self._held) == 1 else _LOOKS
        looks = [low + (high - low) * (i + 1) // count for i in range(count)]
        steps = explored.first(leaving(below), (low, high), looks)
        return None if steps is None else (cuts.quantity(steps), explored.after(steps))

    def _helps_closed(self, position: Position, below: Level) -> bool:
        """Return whether the wallet is better once a position is closed whole; the last one always is."""
        if len(self._held) == 1:
            return True
        looked = self._trial.look([self._shorter(position, position.quantity)])
        return left(looked, below) or _score(looked, below) > _score(self._looked, below)

    def cut(self, position: Position, quantity: float) -> Cut:
        """Return a cut as it is told."""
        closed = self._close(self._account, position, quantity)
        return Cut(
            symbol=position.symbol,
            side=position.side.value,
            quantity=quantity,
            share=quantity / position.quantity,
            notional=closed.notional,
            cost=closed.fee + closed.slippage,
            put_back=closed.put_back,
        )

    def without(self, position: Position) -> AccountSnapshot:
        """Return the account once a position is closed and gone: the wallet's rules may have been made for it."""
        account = self._close(self._account, position, position.quantity).account
        others = tuple(p for p in account.positions if (p.symbol, p.side) != (position.symbol, position.side))
        return msgspec.structs.replace(account, positions=others)

    def _close(self, account: AccountSnapshot, position: Position, quantity: float) -> Closed:
        mark, rules = self._case.marks[position.symbol], self._case.settings.advice
        return close(account, position, quantity, mark, rules, put_back=True)

    def _shorter(self, position: Position, quantity: float) -> Change:
        return lambda part: self._close(part, position, quantity).account


def _score(looked: Looked, below: Level, copy: int = 0) -> tuple[float, float]:
    """Return how good a wallet is: the way to leaving the level, and the cushion where that says nothing."""
    way = to_leave(looked, below, copy)
    return (way if math.isfinite(way) else 0.0), float(looked.readings.cushion[looked.wallets[copy]])
