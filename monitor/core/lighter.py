"""A position made lighter, where more margin alone would make it too large a part of its account. Pure.

To add margin to a wallet and to keep it a small part of the account are opposite advice. Both are followed by
holding less of the position: closed is a part f, as small as may be, so that what the rest needs is no more than
its share of what the account then has,

    (1 - f) * (need + gain) = share * (margin - f * cost)

where both sides are what is left at the mark: what an isolated wallet has gained is a part of it as well. Of
such a position the rest also needs no more than its own wallet has and closing realizes. So nothing is taken
from the cross wallet, whose positions may need it. A hedge is left to its owner: closing one side opens the
other.
"""

from typing import NamedTuple

from monitor.core.looked_at import AccountSeen, Leg
from monitor.core.notices import FindingCode
from monitor.core.settings import AdviceRules
from monitor.core.steps import amount_of, cuts_of, step_of, steps_up
from monitor.core.whatif import fill_price, profit_of, value_of


class Lighter(NamedTuple):
    """What to close of a position, and what margin the rest of it has to have."""

    quantity: float  # whole steps; the position's own where only all of it is enough
    margin: float | None  # of its isolated wallet, in its asset; None of a cross position, and where none is left


def lighter(one: AccountSeen, leg: Leg, need: float) -> Lighter | None:
    """Return how a position gets a margin that it needs and stays within its share; None where adding does both.

    Args:
        one: the account.
        leg: the position, with a place.
        need: margin that all of the position would have to have, in its wallet's asset.
    """
    gain = float(one.seen.readings.unrealized_pnl[leg.row]) if leg.isolated else 0.0
    margin, whole = one.margin_of(leg), one.worth(leg, need + gain)
    if margin is None or whole <= one.seen.rules.largest_share * margin:
        return None
    if not one.looks_for(FindingCode.CONCENTRATION):
        return None
    step = step_of(leg.position.margin_asset)
    part = _to_share(one, leg, whole, one.worth(leg, float(step)))
    if leg.isolated and leg.place is not None:
        part = max(part, _to_own(leg, leg.place.mark, need, one.seen.advice))
    quantity = _whole_steps(one, leg, part)
    left = 1.0 - quantity / leg.position.quantity
    if not leg.isolated or left <= 0.0:
        return Lighter(quantity, None)
    return Lighter(quantity, amount_of(steps_up(left * need, step), step))


def closing(one: AccountSeen, leg: Leg, own: float) -> float:
    """Return the quantity to close so that the rest takes no more than its share of the account's margin.

    Args:
        one: the account, whose margin is known.
        leg: the position.
        own: margin that it takes, in what its wallet is counted in.
    """
    return _whole_steps(one, leg, _to_share(one, leg, own, 0.0))


def _to_share(one: AccountSeen, leg: Leg, whole: float, rounding: float) -> float:
    """Return the part to close for the account's sake; ``rounding`` is what margin is rounded up by at most."""
    rules, advice = one.seen.rules, one.seen.advice
    # Closing costs the account fee and slippage.
    cost = one.notional(leg) * (advice.taker_fee + advice.slippage) / (1.0 - advice.slippage)
    over = whole - rules.largest_share * (one.margin_of(leg) or 0.0) + rounding
    return _part(over, whole - rules.largest_share * cost)


def _to_own(leg: Leg, mark: float, need: float, rules: AdviceRules) -> float:
    """Return the part to close so that the wallet itself has what the rest needs, a loss that is realized paid."""
    position, price = leg.position, fill_price(leg.position, mark, rules)
    loss = min(0.0, profit_of(position, position.quantity, price))
    fee = value_of(position, position.quantity, price) * rules.taker_fee
    return _part(need - position.margin, need + loss - fee)


def _part(lacking: float, gained: float) -> float:
    return min(1.0, lacking / gained) if gained > 0.0 else 1.0


def _whole_steps(one: AccountSeen, leg: Leg, part: float) -> float:
    cuts = cuts_of(leg.position, one.seen.around.lots.get(leg.position.symbol))
    return cuts.quantity(max(cuts.least, steps_up(part * leg.position.quantity, cuts.step)))
