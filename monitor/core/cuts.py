"""Which positions of a wallet to reduce, and by how much: the one that helps most for its notional first."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from monitor.core.model import AccountSnapshot, Level, Position
from monitor.core.notices import After, Cut
from monitor.core.search import first
from monitor.core.steps import cuts_of
from monitor.core.trial import Case, Change, Looked, Trial, batched, copies_for, judge_of, leaving, left, to_leave
from monitor.core.whatif import Closed, close, value_of

_PROBE = 0.01  # of the wallet's notional, taken off each position to see what it does
_LOOKS = 16  # along a position, before what lies between two of them is looked at


class Reduced(NamedTuple):
    """Cuts in order, and what the wallet is like after them."""

    cuts: tuple[Cut, ...]
    after: After  # empty where nothing is left in the wallet


def reduce_below(case: Case, below: Level) -> Reduced:
    """Return the cuts after which a level is left: each but the last closes its position.

    With one step less of the last one the level is not left. Positions are taken in the order of what the same
    notional off each does; what would do harm if it were closed whole is kept for the last.

    Args:
        case: a wallet with positions, all of whose marks are known; its level is not left as it is.
        below: the level.
    """
    account = case.account
    cuts: list[Cut] = []
    while True:
        trial = Trial(case, account, copies_for(len(_held(case, account))))
        ranked = _ranked(case, trial, below)
        for position in ranked:
            quantity = _first_quantity(case, trial, position, below)
            if quantity is not None:
                cuts.append(_cut(_close(case, account, position, quantity), position, quantity))
                looked = trial.look([_shorter(case, position, quantity)])
                return Reduced(tuple(cuts), trial.after(looked))
        position = _to_close(case, trial, ranked, below)
        closed = _close(case, account, position, position.quantity)
        cuts.append(_cut(closed, position, position.quantity))
        account = _without(closed.account, position)
        if not _held(case, account):
            return Reduced(tuple(cuts), After())
        trial = Trial(case, account)
        looked = trial.look([_as_it_is])
        if left(looked, below):
            return Reduced(tuple(cuts), trial.after(looked))


def _as_it_is(part: AccountSnapshot) -> AccountSnapshot:
    return part


def _held(case: Case, account: AccountSnapshot) -> list[Position]:
    return [p for p in account.positions if p.quantity > 0 and account.wallet_of(p) == case.wallet]


def _close(case: Case, account: AccountSnapshot, position: Position, quantity: float) -> Closed:
    rules = case.settings.advice
    return close(account, position, quantity, case.marks[position.symbol], rules, put_back=True)


def _cut(closed: Closed, position: Position, quantity: float) -> Cut:
    return Cut(
        symbol=position.symbol,
        side=position.side.value,
        quantity=quantity,
        share=quantity / position.quantity,
        notional=closed.notional,
        cost=closed.fee + closed.slippage,
        put_back=closed.put_back,
    )


def _without(account: AccountSnapshot, position: Position) -> AccountSnapshot:
    """Return the account once a position that was closed is gone: what rules its wallet has may depend on it."""
    left = tuple(p for p in account.positions if (p.symbol, p.side) != (position.symbol, position.side))
    return msgspec.structs.replace(account, positions=left)


def _first_quantity(case: Case, trial: Trial, position: Position, below: Level) -> float | None:
    """Return the first part of a position whose end leaves the level; None where no part of it does."""
    cuts = cuts_of(position, case.lots.get(position.symbol))

    def shorter(steps: int) -> Change:
        return _shorter(case, position, cuts.quantity(steps))

    span = (cuts.least - 1, cuts.most)
    looks = [span[0] + (span[1] - span[0]) * (i + 1) // _LOOKS for i in range(_LOOKS)]
    steps = first(judge_of(trial, shorter, leaving(below)), span, looks, trial.copies)
    return None if steps is None else cuts.quantity(steps)


def _ranked(case: Case, trial: Trial, below: Level) -> list[Position]:
    """Return the positions by what the same notional off each does, the best first."""
    held = [p for p in trial.positions if p.quantity > 0]
    if len(held) == 1:
        return held
    worth = [value_of(p, p.quantity, case.marks[p.symbol]) for p in held]
    probe = sum(worth) * _PROBE
    shares = [min(1.0, probe / amount) for amount in worth]
    now = _score(trial.look([_as_it_is]), below)
    gains: list[tuple[float, float]] = []
    for some in batched(range(len(held)), trial.copies):
        looked = trial.look([_shorter(case, held[i], held[i].quantity * shares[i]) for i in some])
        for copy, i in enumerate(some):
            score = _score(looked, below, copy)
            notional = worth[i] * shares[i]
            gains.append(((score[0] - now[0]) / notional, (score[1] - now[1]) / notional))
    return [held[i] for i in sorted(range(len(held)), key=lambda i: gains[i], reverse=True)]


def _shorter(case: Case, position: Position, quantity: float) -> Change:
    return lambda part: _close(case, part, position, quantity).account


def _score(looked: Looked, below: Level, copy: int = 0) -> tuple[float, float]:
    """Return how good a wallet is: the way to leaving the level, and the cushion where that says nothing."""
    way = to_leave(looked, below, copy)
    return (way if math.isfinite(way) else 0.0), float(looked.readings.cushion[looked.wallets[copy]])


def _to_close(case: Case, trial: Trial, ranked: Sequence[Position], below: Level) -> Position:
    """Return the first of these that makes the wallet better where it is closed whole; else the first."""
    now = _score(trial.look([_as_it_is]), below)
    for position in ranked:
        looked = trial.look([_shorter(case, position, position.quantity)])
        if left(looked, below) or _score(looked, below) > now:
            return position
    return ranked[0]
