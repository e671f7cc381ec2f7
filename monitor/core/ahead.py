"""What is ahead of wallets whatever their prices do next: funding, brackets, collateral, auto-deleveraging.

Nothing is computed here that the formulas do not compute: a wallet with the money gone, the rate cut or the leg
closed is a changed book, evaluated like any other. One evaluation serves all wallets, because wallets do not enter
each other's figures.

What counts as known: a fact no older than FRESH_MS, and wallets all of whose marks are of now. A payment whose
time has passed is left out: whether it was booked, the account tells.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec
import numpy as np

from monitor.core.book import Book, Bools, Floats
from monitor.core.compile import with_funds
from monitor.core.layout import QUOTE_ASSETS, underlying
from monitor.core.model import MULTI_WALLET, Level
from monitor.core.moves import moves_left
from monitor.core.notices import After, Cause, CauseKind
from monitor.core.report import after_of, number, worst_row
from monitor.core.risk import Readings, evaluate_rows
from monitor.core.rules import Levels, Thresholds, conditions, reached
from monitor.core.surroundings import Funding

FRESH_MS: Final = 600_000
HORIZON_MS: Final = 8 * 3_600_000  # the longest interval of funding
CUT: Final = 0.05  # of what collateral counts, in points
FALL: Final = 0.10  # of the index of collateral
BEYOND: Final = 0.05  # how far beyond the bound of a bracket is looked
_ROUNDING: Final = 1e-9  # relative; what is on a bound counts as within it
_MOST_TIMES: Final = 8  # of funding that are told apart; the exchange has three intervals


class Moment(NamedTuple):
    """How all wallets stand at the moment for which it is asked what is ahead."""

    book: Book
    readings: Readings
    limits: Thresholds
    level: Levels  # that each wallet has, shape (w,); none below what the readings meet
    deviation: Floats  # of each wallet's one-hour change of cushion, shape (w,); NaN where not known
    sure: Bools  # wallets whose marks and rates are of now and whose accounts are followed, shape (w,)
    now_ms: int  # exchange time


class Due(NamedTuple):
    """A cause, and the wallet of the book that it is ahead of."""

    wallet: int
    cause: Cause


# Which wallets matter, shape (w,), of what each receives and the level it would have where that is higher.
Wanted = Callable[[Floats, Levels], Bools]


def funding_ahead(moment: Moment, funding: Mapping[str, Funding], wanted: Wanted | None = None) -> Iterator[Due]:
    """Yield the payments of each wallet within HORIZON_MS, one for each time at which some of it is due.

    ``amount`` is the sum over the wallet's positions: notional at the present mark x rate, which LONG pays where
    the rate is positive and SHORT where it is negative (the exchange's rule); of coin-margined contracts the
    notional is in coin. In multi-assets mode it is what the margin balance changes by, in US dollars. Where a
    single symbol pays or receives, it is named with its rate.

    Args:
        moment: how everything stands.
        funding: by symbol; what is old or overdue is left out.
        wanted: which wallets' payments are yielded; None for all.
    """
    book, readings = moment.book, moment.readings
    soon = [_due(funding.get(symbol), moment.now_ms) for symbol in book.symbols]
    wallets = known(moment)
    for at_ms in sorted({one.next_ms for one in soon if one is not None})[:_MOST_TIMES]:
        rate = np.array([one.rate if one is not None and one.next_ms == at_ms else 0.0 for one in soon])
        paid = payments(book, readings, rate)
        paid[np.isnan(paid)] = 0.0
        touched = wallets & (np.bincount(book.row_wallet, np.abs(paid), len(book.wallets)) > 0.0)
        if not touched.any():
            continue
        came = np.bincount(book.row_slot, paid, len(book.slot_balance))
        changed = with_funds(book, balance=book.slot_balance + came)
        after = evaluate_rows(changed, readings.marks)
        levels = higher(moment, changed, after)
        amount: Floats = np.bincount(book.row_wallet, paid, len(book.wallets)).astype(np.float64, copy=False)
        if book.shared is not None:
            multi = np.unique(book.shared.wallets)
            amount[multi] = after.margin_balance[multi] - readings.margin_balance[multi]
        if wanted is not None:
            touched &= wanted(amount, levels)
        for wallet in np.flatnonzero(touched).tolist():
            paying = [row for row in book.rows_of(wallet) if paid[row] != 0.0]
            worst = worst_row(book, readings, wallet)
            cause = Cause(
                CauseKind.FUNDING, asset=book.wallets[wallet].asset, at_ms=at_ms, amount=float(amount[wallet]),
                before=after_of(book, readings, wallet, row=worst),
                after=after_of(changed, after, wallet, row=worst),
                level=Level(int(levels[wallet])),
            )  # fmt: skip
            yield Due(wallet, _named(cause, book, paying, rate))


def payments(book: Book, readings: Readings, rate: Floats) -> Floats:
    """Return what each row receives at these rates of funding, negative where it pays, shape (n,).

    Args:
        book: the columns.
        readings: the newest.
        rate: by symbol of the book, shape (s,), fractions of the notional.
    """
    long = np.where(book.inverse, -book.sign, book.sign)
    paid: Floats = -long * readings.notional * rate.take(book.row_symbol)
    return paid


def brackets_ahead(moment: Moment, *, on_the_way: bool = False) -> Iterator[Due]:
    """Yield the next maintenance bracket of each position that has one above its notional.

    With ``on_the_way`` only those whose bound lies between the mark and the liquidation price.

    The notional grows with the mark; of coin-margined contracts, which are worth less coin as the mark rises, when
    it falls. Crossing the bound alone changes nothing, because the maintenance amounts make the requirement
    continuous: from there on it grows faster, at ``rate_after`` in place of ``rate_before``. ``required`` is the
    position's maintenance margin at the bound, ``beyond`` the one 5 % beyond it.

    ``before`` is the present liquidation price of the position, which has every bracket on the way in it.
    """
    book, readings = moment.book, moment.readings
    depth = len(book.bounds)
    if not depth:
        return
    rows = np.arange(len(book.positions))
    bound = np.where(readings.bracket < depth, book.bounds[np.minimum(readings.bracket, depth - 1), rows], np.inf)
    there = np.isfinite(bound) & (bound > 0) & ~np.isnan(readings.marks) & known(moment)[book.row_wallet]
    if not there.any():
        return
    with np.errstate(divide="ignore"):
        price = np.where(there, np.where(book.inverse, 1.0 / bound, bound), readings.marks)
    if on_the_way:
        way = price - readings.marks
        with np.errstate(invalid="ignore"):
            there &= way * (readings.liquidation_price - readings.marks) > 0.0
            there &= np.abs(way) <= readings.distance * readings.marks * (1.0 + _ROUNDING)
        if not there.any():
            return
    grown = np.where(book.inverse, 1.0 / (1.0 + BEYOND), 1.0 + BEYOND)
    at = evaluate_rows(book, price)
    beyond = evaluate_rows(book, np.where(there, price * grown, price))
    tier = book.tier_offset + readings.bracket
    for row in np.flatnonzero(there).tolist():
        position = book.positions[row]
        mark = float(readings.marks[row])
        yield Due(
            int(book.row_wallet[row]),
            Cause(
                CauseKind.BRACKET, position.symbol, position.side.value, position.margin_asset,
                price=float(price[row]), move=float(price[row]) / mark - 1.0,
                rate_before=float(book.tiers.mmr.take(tier[row])),
                rate_after=float(book.tiers.mmr.take(tier[row] + 1)),
                required=float(at.position_maintenance[row]), beyond=float(beyond.position_maintenance[row]),
                before=After(
                    liquidation_price=number(readings.liquidation_price[row]),
                    distance=number(readings.distance[row]),
                    symbol=position.symbol, side=position.side.value,
                ),
            ),
        )  # fmt: skip


def collateral_ahead(moment: Moment, wanted: Wanted | None = None) -> Iterator[Due]:
    """Yield two causes for each asset that backs a wallet in multi-assets mode and is no quote asset.

    First a cut of its collateral value ratio by 5 points, as the exchange makes them at announced times
    (``rate_before`` to ``rate_after``); then a fall of its index by 10 % (``move``). Positions in the asset itself
    fall with it: then ``symbol`` names one, for the fall is no longer the collateral's alone.

    The index is taken as the middle between bid and ask rate: the exchange sets both buffers alike.

    Args:
        moment: how everything stands.
        wanted: which wallets' causes are yielded; None for all.
    """
    book = moment.book
    judged = known(moment)
    by_wallet: dict[int, list[int]] = {}
    for slot, asset in enumerate(book.slot_assets):
        wallet = int(book.slot_wallet[slot])
        multi = book.wallets[wallet].key.wallet == MULTI_WALLET
        if multi and judged[wallet] and asset not in QUOTE_ASSETS and book.slot_balance[slot] > 0:
            by_wallet.setdefault(wallet, []).append(slot)
    for turn in range(max(map(len, by_wallet.values()), default=0)):
        slots = [mine[turn] for mine in by_wallet.values() if turn < len(mine)]
        yield from _collateral(moment, slots, wanted)


def _collateral(moment: Moment, slots: list[int], wanted: Wanted | None) -> Iterator[Due]:
    """Yield what is ahead of these slots, each of another wallet, from one evaluation each."""
    book, readings = moment.book, moment.readings
    bid, ask, price = book.slot_bid.copy(), book.slot_ask.copy(), readings.marks.copy()
    lower = book.slot_bid.copy()
    index = (bid + ask) / 2.0
    along: dict[int, str] = {}
    for slot in slots:
        lower[slot] = max(0.0, bid[slot] - CUT * index[slot])
        bid[slot] *= 1.0 - FALL
        ask[slot] *= 1.0 - FALL
        for row in book.rows_of(int(book.slot_wallet[slot])):
            if underlying(book.positions[row]) == book.slot_assets[slot]:
                price[row] *= 1.0 - FALL
                along.setdefault(slot, book.positions[row].symbol)
    cut = with_funds(book, bid=lower)
    fallen = with_funds(book, bid=bid, ask=ask)
    for changed, after, is_cut in (
        (cut, evaluate_rows(cut, readings.marks), True),
        (fallen, evaluate_rows(fallen, price), False),
    ):
        levels = higher(moment, changed, after)
        amount = after.margin_balance - readings.margin_balance
        chosen = None if wanted is None else wanted(amount, levels)
        for slot in slots:
            wallet, before = int(book.slot_wallet[slot]), float(book.slot_bid[slot] / index[slot])
            if chosen is not None and not chosen[wallet]:
                continue
            worst = worst_row(book, readings, wallet)
            cause = Cause(
                CauseKind.COLLATERAL, symbol="" if is_cut else along.get(slot, ""), asset=book.slot_assets[slot],
                amount=float(amount[wallet]), move=None if is_cut else -FALL,
                rate_before=before, rate_after=float(lower[slot] / index[slot]) if is_cut else None,
                before=after_of(book, readings, wallet, row=worst),
                after=after_of(changed, after, wallet, row=worst),
                level=Level(int(levels[wallet])),
            )  # fmt: skip
            yield Due(wallet, cause)


# Parts


def _due(funding: Funding | None, now_ms: int) -> Funding | None:
    """Return a payment that is known and still to come; the exchange's clock and ours may differ by little."""
    if funding is None or abs(now_ms - funding.told_ms) > FRESH_MS:
        return None
    return funding if 0 < funding.next_ms - now_ms <= HORIZON_MS else None


def _named(cause: Cause, book: Book, paying: list[int], rate: Floats) -> Cause:
    """Return a payment with its symbol, rate and side where there is one of each."""
    symbols = {book.positions[row].symbol for row in paying}
    if len(symbols) != 1:
        return cause
    sides = {book.positions[row].side.value for row in paying}
    return msgspec.structs.replace(
        cause, symbol=symbols.pop(), side=sides.pop() if len(sides) == 1 else "",
        rate_before=float(rate[book.row_symbol[paying[0]]]),
    )  # fmt: skip


def known(moment: Moment) -> Bools:
    """Return the wallets that can be judged, shape (w,)."""
    judged: Bools = moment.sure & moment.book.exposed & ~np.isnan(moment.readings.cushion)
    return judged


def higher(moment: Moment, book: Book, after: Readings, deviation: Floats | None = None) -> Levels:
    """Return the level each wallet would have where that is higher than the one it has; else 0, shape (w,).

    Args:
        moment: how everything stands.
        book: as it would be; of the same wallets.
        after: its readings.
        deviation: of its wallets' one-hour change of cushion, shape (w,); None: as it is.
    """
    left = moves_left(after.cushion, moment.deviation if deviation is None else deviation)
    then = reached(conditions(book, moment.limits, after, left))
    return np.where(then > moment.level, then, 0).astype(np.int8)
