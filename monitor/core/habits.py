"""What is found of one position: how it is margined, and what its stops are good for. Pure.

What the figures of a finding are stands in ``monitor.core.checkup``.
"""

import math
from collections.abc import Iterator

import msgspec

from monitor.core.leverage import leverage_of
from monitor.core.lighter import closing, lighter
from monitor.core.looked_at import AccountSeen, Leg, day_move
from monitor.core.model import MULTI_WALLET, Side
from monitor.core.notices import Finding, FindingCode
from monitor.core.stops import Cover, cover, enough, stop_price
from monitor.core.whatif import value_of

BEGINNER = "beginner"
SLACK = 1.0 + 1e-9  # what binary fractions leave behind is no finding
# Isolated margin of more than this share of what cross margin risks would cap nothing worth the trouble.
_WORTH = 0.5


def habits(one: AccountSeen, leg: Leg) -> Iterator[Finding]:
    """Yield what is found of a position."""
    yield from _of_margin(one, leg)
    yield from _cross(one, leg)
    yield from _stops(one, leg)
    if leg.isolated and leg.position.auto_add_margin:
        yield one.found(FindingCode.AUTO_ADD, leg)


def _of_margin(one: AccountSeen, leg: Leg) -> Iterator[Finding]:
    """Yield what more margin would remove, and what it would bring about, with one way out of all of them."""
    found = [*_leverage(one, leg), *_near(one, leg), *_concentration(one, leg)]
    found = [finding for finding in found if one.looks_for(finding.code)]
    needs = [need for finding in found if (need := _need(one, leg, finding)) is not None]
    light = lighter(one, leg, max(needs)) if needs and leg.place and not one.has_other_side(leg) else None
    for finding in found:
        if light is None or (finding.code is FindingCode.NEAR and not leg.isolated):
            yield finding
        else:
            yield msgspec.structs.replace(finding, quantity=light.quantity, margin=light.margin)


def _need(one: AccountSeen, leg: Leg, finding: Finding) -> float | None:
    """Return the margin with which a finding would be none, where it counts as a share of the account.

    What backs a cross position is its wallet; only the leverage that is chosen for it makes a share its own.
    """
    position = leg.position
    if finding.code is FindingCode.LEVERAGE and (leg.isolated or position.leverage):
        value = value_of(position, position.quantity, position.entry_price) if leg.isolated else _value(one, leg)
        return value / one.seen.rules.beginner_leverage
    if finding.code is FindingCode.NEAR and leg.isolated and finding.remedy is not None:
        return one.ends.needed(leg, upward=position.side is Side.SHORT)
    return None


def _value(one: AccountSeen, leg: Leg) -> float:
    return float(one.seen.readings.notional[leg.row])


def margin_known(leg: Leg) -> bool:
    """Return whether it is known what share of its account's margin a position takes."""
    return leg.isolated or bool(leg.position.leverage)


def _leverage(one: AccountSeen, leg: Leg) -> Iterator[Finding]:
    rules, position = one.seen.rules, leg.position
    if rules.experience != BEGINNER:
        return
    used = leverage_of(position)
    if leg.isolated and position.margin <= 0.0:
        used = position.leverage or math.inf  # of nothing of its own it is beyond all bounds
    elif leg.isolated and used is not None and position.leverage is not None:
        # What was added to the wallet counts; that fees were taken from it is nobody's choice.
        used = min(used, position.leverage)
    balance = float(one.seen.readings.margin_balance[leg.wallet])
    chosen = used is not None
    if used is None and leg.place is not None and balance > 0.0:
        used = one.notional(leg) / balance
    limit = rules.beginner_leverage
    if used is None or not used > limit * SLACK:
        return
    remedy = None
    if leg.isolated:
        remedy = value_of(position, position.quantity, position.entry_price) / limit - position.margin
    elif not chosen:
        remedy = (used / limit - 1.0) * balance
    value = used if math.isfinite(used) else None
    yield one.found(FindingCode.LEVERAGE, leg, value=value, limit=limit, remedy=remedy)


def _cross(one: AccountSeen, leg: Leg) -> Iterator[Finding]:
    """Find a cross position whose own loss can take all of a wallet that is much more than its margin.

    Hedges need the common wallet, and in multi-assets mode the exchange has no other. Where no price liquidates
    it, isolated margin would be the more dangerous of the two.
    """
    position = leg.position
    if leg.isolated or one.account.multi_assets or one.is_hedged(leg):
        return
    if leg.place is None or leg.place.ahead is None:
        return
    balance = float(one.seen.readings.margin_balance[leg.wallet])
    rules = one.seen.rules
    leverage = position.leverage or rules.beginner_leverage
    if rules.experience == BEGINNER:
        leverage = min(leverage, rules.beginner_leverage)
    margin = _value(one, leg) / leverage  # opened anew, at the mark
    if 0.0 < margin <= _WORTH * balance:
        yield msgspec.structs.replace(
            one.found(
                FindingCode.CROSS, leg, value=balance, limit=margin,
                remedy=leverage if _stands_alone(one, leg, margin) else None,
            ),
            assumed=not position.leverage,
        )  # fmt: skip


def _stands_alone(one: AccountSeen, leg: Leg, margin: float) -> bool:
    """Return whether a cross position, isolated with so much margin, would be no other finding."""
    whole, upward = one.margin_of(leg), leg.position.side is Side.SHORT
    small = whole is not None and one.worth(leg, margin) <= one.seen.rules.largest_share * whole
    if one.looks_for(FindingCode.CONCENTRATION) and not small:
        return False
    if one.looks_for(FindingCode.NEAR) and one.ends.needed(leg, upward=upward, anew=True) > margin:
        return False
    # What else is in the wallet has to outlast the day without that margin.
    taken = margin - float(one.seen.readings.position_maintenance[leg.row])
    return one.ends.least_beside(leg) > taken


def _concentration(one: AccountSeen, leg: Leg) -> Iterator[Finding]:
    own, margin, limit = _margin(one, leg), one.margin_of(leg), one.seen.rules.largest_share
    if own is None or margin is None or not own > limit * margin * SLACK:
        return
    # To close one side of a hedge is to open the other.
    close = None if one.has_other_side(leg) else closing(one, leg, own)
    yield one.found(FindingCode.CONCENTRATION, leg, value=own / margin, limit=limit, remedy=close)


def _margin(one: AccountSeen, leg: Leg) -> float | None:
    """Return the margin of one position at its mark, in what its wallet is counted in; None where not known."""
    if leg.place is None:
        return None
    if leg.isolated:
        return float(one.seen.readings.margin_balance[leg.wallet])
    if not leg.position.leverage:
        return None
    return one.notional(leg) / leg.position.leverage


def _near(one: AccountSeen, leg: Leg) -> Iterator[Finding]:
    """Find a liquidation price within a day's move; of a hedge, for the leg that loses on the way there."""
    hourly = one.seen.typical.get(leg.position.symbol)
    if hourly is None or leg.place is None or leg.place.liquidation is None:
        return
    hedged = one.is_hedged(leg)
    upward = leg.place.liquidation > leg.place.mark if hedged else leg.position.side is Side.SHORT
    if hedged and upward is (leg.position.side is Side.LONG):
        return
    distance, limit = float(one.seen.readings.distance[leg.row]), day_move(hourly, upward=upward)
    if distance * SLACK < limit:
        # Where nothing is left, alerts say what to add; in multi-assets mode not only this symbol's move counts.
        known = distance > 0.0 and one.seen.book.wallets[leg.wallet].key.wallet != MULTI_WALLET
        remedy = max(0.0, -one.ends.cushion(leg, upward=upward)) if known else None
        yield one.found(FindingCode.NEAR, leg, value=distance, limit=limit, remedy=remedy)


def _stops(one: AccountSeen, leg: Leg) -> Iterator[Finding]:
    if not one.orders_known(leg):
        return
    stops = one.stops.get((leg.position.symbol, leg.position.side), ())
    wanted = one.seen.rules.stop_share
    if not stops:
        yield _of_stop(one, leg, FindingCode.NO_STOP, (None, wanted))
    elif leg.place is not None:  # that there is none is known without a mark; where one stands is not
        found = cover(leg.position, leg.place, stops)
        if not enough(found.effective, wanted):
            yield from _useless(one, leg, found)
        needed = min(wanted, found.effective)
        for code, share in ((FindingCode.STOP_LAST, found.on_mark), (FindingCode.STOP_LIMIT, found.at_market)):
            if not enough(share, needed):
                yield _of_stop(one, leg, code, (share, needed))


def _useless(one: AccountSeen, leg: Leg, found: Cover) -> Iterator[Finding]:
    """Yield why what there is does not cover enough: stops out of place, and too few of them."""
    wanted = one.seen.rules.stop_share
    for code, order in (
        (FindingCode.STOP_BEYOND, found.beyond),
        (FindingCode.STOP_TIGHT, found.tight),
        (FindingCode.STOP_SIDE, found.wrong_side),
        (FindingCode.STOP_IDLE, found.idle),
    ):
        if order is not None:
            yield _of_stop(one, leg, code, (found.effective, wanted), order.price)
    if not enough(found.all, wanted):
        yield _of_stop(one, leg, FindingCode.STOP_PARTIAL, (found.all, wanted))


def _of_stop(
    one: AccountSeen, leg: Leg, code: FindingCode, shares: tuple[float | None, float], price: float | None = None
) -> Finding:
    """Return a finding about stops: ``shares`` of the position are covered, and were to be."""
    trigger = None if leg.place is None else stop_price(leg.place)
    return one.found(code, leg, value=shares[0], limit=shares[1], price=price, remedy=trigger)
