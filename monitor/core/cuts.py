"""Which positions of a wallet to reduce, and by how much: the one that helps most for its notional first."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from monitor.core.evenly import SHARES, Evenly
from monitor.core.half_way import NOTHING, Forecast, Standing, groups_of, standing
from monitor.core.model import AccountSnapshot, Level, Position, Side
from monitor.core.notices import After, Cut
from monitor.core.pairs import Pair, Together, alone, closed_with, larger_first, pair_of, together
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
# Along a position that it may harm to close, before what lies between two of them is looked at; along the sides
# of a hedge more, where there is time: what is enough may be a few steps about where nothing is left of its net.
_LOOKS, _MANY_LOOKS = 16, 64
_Parts = Sequence[tuple[Position, float]]  # what to reduce, and by how much
_HARMFUL = 2  # looked at in a wallet of more than a few, whose order is that of a forecast already
_FEW = 4  # positions that are put in order anew after each that is closed


class Cutdown(NamedTuple):
    """What to close in a wallet."""

    cuts: tuple[Cut, ...]
    after: After  # the wallet then; empty where nothing is left in it
    evenly: int = 0  # so many of the last cuts are made in turns, the same share of each at a time
    nearer: bool = False  # half way a common move that liquidates is nearer than before


class _Found(NamedTuple):
    """Parts that leave the level."""

    parts: _Parts
    after: After  # the wallet then
    end: Standing  # there
    evenly: bool = False  # they are of all positions, and made in turns


class _Option(NamedTuple):
    """What can be done next."""

    closing: tuple[Position, ...]  # whole, where no part was found that leaves the level
    found: _Found | None
    helps: bool  # closing it brings the wallet nearer to leaving the level
    end: Standing  # what is left then

    @property
    def is_of_use(self) -> bool:
        return self.helps or self.found is not None


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

    def reduce_below(self, below: Level) -> Cutdown:
        """Return the cuts after which a level is left, and the wallet then.

        Each cut but the last closes its position, and with one step less of the last one the level is not left.
        Where the last two are of one symbol they belong together: both sides of it are reduced in turns, and a
        step less is one of each. Positions are taken in the order of what the same notional off each does; what
        would do harm if it were closed whole is kept for the last, and of a symbol that is held in both
        directions the larger side comes first (``monitor.core.pairs``). In a wallet of several symbols, what
        brings liquidation by a move of all prices nearer is passed over as long as anything else can be closed
        (``monitor.core.half_way``); where nothing can, all are reduced in turns (``monitor.core.evenly``).
        """
        cuts: list[Cut] = []
        stage = self._beginning
        floor = stage.floor
        ranked = stage.ranked(below)
        closing = tuple(ranked[: stage.certain(ranked, below, floor)])
        nearer = False
        while True:
            found = None
            if not closing:
                closing, found, _, end = stage.best(ranked, below, floor)
                nearer = nearer or not end.keeps(floor)
            parts = [(p, p.quantity) for p in closing] if found is None else found.parts
            account = stage.account
            for position, quantity in parts:
                cuts.append(stage.cut(account, position, quantity))
                account = stage.shortened(account, position, quantity)
            if found is not None:
                return Cutdown(tuple(cuts), found.after, len(parts) if found.evenly else 0, nearer)
            held = positions_in(account, self._case.wallet)
            if not held:
                return Cutdown(tuple(cuts), After(), nearer=nearer)
            trial = Trial(self._case, account, copies_for(len(held)))
            looked = trial.look([as_it_is])
            if left(looked, below):
                return Cutdown(tuple(cuts), trial.after(looked), nearer=nearer)
            stage = _Stage(self._case, account, trial, looked)
            gone = {(p.symbol, p.side) for p in closing}
            ranked = [p for p in ranked if (p.symbol, p.side) not in gone]
            if len(held) <= _FEW:
                ranked = stage.ranked(below)
            closing = ()


class _Stage:
    """The wallet once some of its positions are closed."""

    def __init__(self, case: Case, account: AccountSnapshot, trial: Trial, looked: Looked) -> None:
        self.account = account
        self.held = positions_in(account, case.wallet)
        self._case = case
        self._trial = trial
        self._looked = looked
        self.standing = standing(looked)
        self._several = len({p.symbol for p in self.held}) > 1
        self.floor = self.standing if self._several else NOTHING
        self._forecast = Forecast(self.standing)
        self._probed: list[tuple[Looked, int]] = []  # as it is, then a little less of each; with the copy of each
        self._explored: dict[tuple[str, Side], tuple[Cuts, Explored]] = {}
        self._together: dict[str, tuple[Together, Explored]] = {}

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
            self._probed = [(looked, copy) for looked in looks for copy in range(len(looked.wallets))]
        way, cushion = _score(*self._probed[0], below)
        gains: list[tuple[bool, float, float]] = []
        for i, probed in enumerate(self._probed[1:]):
            then, there = _score(*probed, below), standing(*probed)
            notional = worth[i] * shares[i]
            harmless = simple or not self._several or there.keeps(self.standing)
            gains.append((harmless, (then[0] - way) / notional, (then[1] - cushion) / notional))
            self._forecast.learn(held[i], shares[i], there)
        ranked = larger_first([held[i] for i in sorted(range(len(held)), key=gains.__getitem__, reverse=True)])
        if simple and self._several:
            return self._forecast.in_balance(ranked)
        return ranked

    def certain(self, ranked: Sequence[Position], below: Level, floor: Standing) -> int:
        """Return how many of these, in order, have to be closed whole in any case; 0 where that has to be seen.

        It has to be where they are few, where the rules of the wallet depend on what it holds, and from where
        less would be left than ``floor``.
        """
        if len(ranked) <= _FEW or any(one.symbol is not None for one in self._case.settings.overrides):
            return 0
        groups = groups_of(ranked)
        parts = [self._trial.part]
        for group in groups:
            parts.append(self._shortened([(p, p.quantity) for p in group])(parts[-1]))
        explored = Explored(self._trial, lambda count: lambda _part: parts[count])
        closed = explored.first(leaving(below), (0, len(groups)), [(len(groups) + 1) // 2])
        if closed is None:
            return 0
        safe, asked = self._forecast.doubtful(groups[: closed - 1], self._trial.copies)
        seen = zip(asked, explored.seen(asked), strict=True)
        closed = min(closed, safe + 1, *(count for count, one in seen if not standing(*one).keeps(floor)))
        return sum(map(len, groups[: closed - 1]))

    def best(self, ranked: Sequence[Position], below: Level, floor: Standing) -> _Option:
        """Return what to reduce next, and by how much to leave the level; nothing found: it has to be closed.

        That is one position, or both sides of a symbol. In a wallet of several symbols it is the first that leaves
        no less than there is, else no less than ``floor``; where there is none, all of them in turns, and whatever
        harms least where not even that does it.
        """
        if len(ranked) == 1:
            found = self._first_part(ranked[0], below, self._trial.copies)
            closed = self._shorter(ranked[0], ranked[0].quantity)
            end = standing(self._trial.look([closed])) if found is None else found.end
            return _Option((ranked[0],), found, helps=True, end=end)
        # The order of many has a forecast of it already.
        limit = floor if len(self.held) > _FEW else self.floor
        passed: list[_Option] = []
        for position in ranked:
            pair = pair_of(position, self.held)
            if pair is not None and position is pair.smaller:
                continue
            option = self._option(position, pair, below, limit)
            if option.is_of_use and option.end.keeps(limit):
                return option
            passed.append(option)
            if len(self.held) > _FEW and sum(not one.end.keeps(floor) for one in passed) >= _HARMFUL:
                break
        if not self._several:
            return passed[0]
        useful = [one for one in passed if one.is_of_use]
        kept = next((one for options in (useful, passed) for one in options if one.end.keeps(floor)), None)
        if kept is not None:
            return kept
        if (found := self._evenly(ranked, below)) is not None:
            useful.append(_Option((), found, helps=True, end=found.end))
            if found.end.keeps(floor):
                return useful[-1]
        return max(useful or passed, key=lambda one: one.end)

    def _option(self, position: Position, pair: Pair | None, below: Level, limit: Standing) -> _Option:
        """Return what closing a position does, with the other side of it where they are closed in turns."""
        closing = closed_with(position, pair)
        looked = self._trial.look([self._shortened([(p, p.quantity) for p in closing])])
        end = standing(looked)
        harms = not end.keeps(limit)
        enough = left(looked, below)
        helps = enough or _score(looked, 0, below) > _score(self._looked, 0, below)
        found = None
        if enough or not helps or harms or pair is not None:
            looks = _MANY_LOOKS if pair is not None and len(self.held) <= _FEW else _LOOKS
            count = self._trial.copies if enough and not harms and pair is None else looks
            found = self._first_part(position, below, count, pair)
            if found is None and pair is not None and pair.turns:
                found = self._first_together(pair, below, count)
        return _Option(closing, found, helps, end if found is None else found.end)

    def _evenly(self, ranked: Sequence[Position], below: Level) -> _Found | None:
        """Return the first share of all positions whose end leaves the level; None: none does but all of them."""
        evenly = Evenly(ranked, self._case.lots)
        explored = Explored(
            self._trial,
            lambda shares: self._shortened(list(zip(ranked, evenly.quantities(shares), strict=True))),
        )
        shares = self._first(explored, below, (0, SHARES - 1), _LOOKS)
        if shares is None:
            return None
        parts = tuple(zip(ranked, evenly.quantities(shares), strict=True))
        if all(quantity >= p.quantity for p, quantity in parts):
            return None
        return _Found(parts, explored.after(shares), standing(*explored.seen([shares])[0]), evenly=True)

    def _first_part(self, position: Position, below: Level, count: int, pair: Pair | None = None) -> _Found | None:
        """Return the first part of a position whose end leaves the level; None: none does.

        Of the larger side of a pair, only parts that leave no larger net are looked at.
        """
        leg = (position.symbol, position.side)
        if leg not in self._explored:
            cuts = cuts_of(position, self._case.lots.get(position.symbol))
            self._explored[leg] = (
                cuts, Explored(self._trial, lambda steps: self._shorter(position, cuts.quantity(steps)))
            )  # fmt: skip
        cuts, explored = self._explored[leg]
        steps = self._first(
            explored, below, (cuts.least - 1, cuts.most if pair is None else alone(pair, cuts)), count
        )
        if steps is None:
            return None
        return _Found(
            ((position, cuts.quantity(steps)),), explored.after(steps), standing(*explored.seen([steps])[0])
        )

    def _first_together(self, pair: Pair, below: Level, count: int) -> _Found | None:
        """Return the first part of both sides of a pair whose end leaves the level; None: none does."""
        symbol = pair.larger.symbol
        if symbol not in self._together:
            both = together(pair, self._case.lots.get(symbol))
            self._together[symbol] = (
                both,
                Explored(
                    self._trial,
                    lambda steps: self._shortened(list(zip(pair, both.quantities(steps), strict=True))),
                ),
            )
        both, explored = self._together[symbol]
        steps = self._first(explored, below, both.span, count)
        if steps is None:
            return None
        parts = tuple(zip(pair, both.quantities(steps), strict=True))
        return _Found(parts, explored.after(steps), standing(*explored.seen([steps])[0]))

    @staticmethod
    def _first(explored: Explored, below: Level, span: tuple[int, int], count: int) -> int | None:
        low, high = span
        looks = [low + (high - low) * (i + 1) // count for i in range(count)]
        return explored.first(leaving(below), span, looks)

    def cut(self, account: AccountSnapshot, position: Position, quantity: float) -> Cut:
        """Return a cut of an account as it is told."""
        return cut_of(position, quantity, self._close(account, position, quantity))

    def shortened(self, account: AccountSnapshot, position: Position, quantity: float) -> AccountSnapshot:
        """Return an account after a cut, without the position if it is closed: the rules may be made for it."""
        after = self._close(account, position, quantity).account
        return msgspec.structs.replace(after, positions=tuple(p for p in after.positions if p.quantity > 0))

    def _close(self, account: AccountSnapshot, position: Position, quantity: float) -> Closed:
        mark, rules = self._case.marks[position.symbol], self._case.settings.advice
        return close(account, position, quantity, mark, rules, put_back=True)

    def _shorter(self, position: Position, quantity: float) -> Change:
        return self._shortened([(position, quantity)])

    def _shortened(self, parts: Sequence[tuple[Position, float]]) -> Change:
        """Return the change that takes these quantities off positions, one after the other."""

        def change(part: AccountSnapshot) -> AccountSnapshot:
            for position, quantity in parts:
                part = self._close(part, position, quantity).account
            return part

        return change


def cut_of(position: Position, quantity: float, closed: Closed) -> Cut:
    """Return a part of a position that was closed as it is told."""
    return Cut(
        symbol=position.symbol,
        side=position.side.value,
        quantity=quantity,
        share=quantity / position.quantity,
        notional=closed.notional,
        cost=closed.fee + closed.slippage,
        put_back=closed.put_back,
    )


def _score(looked: Looked, copy: int, below: Level) -> tuple[float, float]:
    """Return how good a wallet is: the way to leaving the level, and the cushion where that says nothing."""
    way = to_leave(looked, below, copy)
    return (way if math.isfinite(way) else 0.0), float(looked.readings.cushion[looked.wallets[copy]])
