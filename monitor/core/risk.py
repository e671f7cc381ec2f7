"""The formulas: one vectorised pass from marks to readings. The only copy in the program.

Sources: maintenance margin and liquidation price as the exchange publishes them for cross, isolated and hedge
mode. The published closed form needs the bracket at the liquidation price itself; here it falls out, because
the wallet's cushion as a function of one price is a concave chain of straight lines (see ``monitor.core.book``)
and the right line is found by comparing the wanted value with the values at the chain's corners.

Nothing raises on any finite input. A mark that is not known yet is NaN and makes its wallet NaN: unknown, never
"ok". "There is none" (a liquidation price at or below zero, a distance to it) is NaN as well, in rows whose
wallet is known.
"""

from dataclasses import dataclass

import numpy as np

from monitor.core.book import NOWHERE, Book, Bools, Floats, Ints, Shared
from monitor.core.collateral import shared_roots

_BYTE = 127  # the highest count a signed byte holds


@dataclass(frozen=True, slots=True)
class Readings:
    """One evaluation. Rows are positions, shape (n,); wallets, shape (w,), in the wallet's asset."""

    marks: Floats  # rows: mark price used
    notional: Floats
    unrealized_pnl: Floats
    bracket: Ints  # row of the tier table, from 0
    position_maintenance: Floats
    liquidation_price: Floats  # NaN where there is none; of two the nearest to the mark
    distance: Floats  # |mark - liquidation| / mark; 0 at a margin ratio of 1 or more; NaN where there is none
    linked_distance: Floats  # the same where collateral in the symbol's underlying moves along with it
    pair_roots: Floats  # (2, pairs): lower and upper liquidation x of hedged pairs, NaN where there is none
    margin_balance: Floats
    maintenance_margin: Floats
    cushion: Floats
    margin_ratio: Floats  # 1 is liquidation, infinity where the balance is used up, 0 without a requirement
    room: Floats  # at most 1; negative beyond liquidation
    joint_distance: Floats  # NaN where no common move liquidates


def evaluate(book: Book, marks: Floats) -> Readings:
    """Return the readings of all positions and wallets at these marks.

    Args:
        book: compiled columns.
        marks: mark price by symbol of the book, shape (s,), > 0; NaN where not known.
    """
    return evaluate_rows(book, marks.take(book.row_symbol))


def evaluate_rows(book: Book, price: Floats) -> Readings:
    """Return the readings with one price for each row, shape (n,): legs of one symbol may differ."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = _to_x(book, price)
        notional, bracket, maintenance = _maintenance(book, x)
        pnl = book.signed_size * (x - book.entry_x)

        balance, required, cushion = _wallets(book, pnl, maintenance)
        ratio = np.where(balance <= 0, np.inf, required / balance)
        ratio = np.where(required <= 0, 0.0, ratio)
        room = np.minimum(cushion * book.room_scale, 1.0)
        room[~book.exposed] = 1.0

        # With every other symbol fixed, this row's cushion may fall to here before the wallet's is zero.
        target = (pnl - maintenance) - cushion.take(book.row_wallet)
        root = _single_roots(book, target)
        pair_roots = _pair_roots(book, pnl - maintenance, cushion, x, root)
        factors = None if book.shared is None else shared_roots(book, book.shared, x)
        if book.shared is not None and factors is not None:
            _place_shared(book, book.shared, factors, x, root=root, pair_roots=pair_roots)
        root[~((root > 0) & (root < np.inf))] = np.nan
        liquidation = _to_x(book, root)
        distance = np.abs(price - liquidation) / price
        gone = ratio.take(book.row_wallet) >= 1
        distance[gone] = 0.0
        joint = _joint_distance(book, x, bracket, cushion, distance)
        linked = distance
        if book.shared is not None and factors is not None:
            move = np.abs(factors - 1.0)
            nearest = np.fmin(move[0], move[1])
            linked = distance.copy()
            linked[book.shared.own] = nearest.take(book.shared.linked)
            linked[gone] = 0.0
            wallets = book.shared.wallets.take(book.shared.together)
            joint[wallets] = np.where(cushion[wallets] <= 0, 0.0, nearest.take(book.shared.together))
    return Readings(
        price, notional, pnl, bracket, maintenance, liquidation, distance, linked, pair_roots,
        balance, required, cushion, ratio, room, joint,
    )  # fmt: skip


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def adverse_prices(book: Book, low: Floats, high: Floats) -> Floats:
    """Return for each row the end of its symbol's range that is worse for its wallet, shape (n,).

    A wallet's cushion, and with it its room, is lowest at these ends, never inside the range: it is concave in
    each price, and the prices do not enter each other's part. So are, in a wallet without hedged pairs, its
    distances and its margin ratio, the latter once it is above the rates of its brackets. The ratio of a hedged
    pair may be higher at the other end while its cushion is larger there. Legs of a pair get the same end.

    Args:
        book: compiled columns.
        low: lowest mark by symbol, shape (s,).
        high: highest mark by symbol, shape (s,).
    """
    ends = (low.take(book.row_symbol), high.take(book.row_symbol))
    worth = []
    for price in ends:
        x = _to_x(book, price)
        cushion = book.signed_size * (x - book.entry_x) - _maintenance(book, x)[2]
        together = cushion[book.pairs.first] + cushion[book.pairs.second]
        cushion[book.pairs.first] = together
        cushion[book.pairs.second] = together
        worth.append(cushion)
    return np.where(worth[0] <= worth[1], ends[0], ends[1])


def both_roots(book: Book, readings: Readings, row: int) -> tuple[float | None, float | None]:
    """Return the lower and the upper liquidation price of a row's symbol in its wallet."""
    for i, legs in enumerate(zip(book.pairs.first.tolist(), book.pairs.second.tolist(), strict=True)):
        if row in legs:
            roots = readings.pair_roots[:, i]
            prices = 1.0 / roots[::-1] if book.inverse[row] else roots
            return tuple(None if np.isnan(price) else float(price) for price in prices)  # type: ignore[return-value]
    price = float(readings.liquidation_price[row])
    if np.isnan(price):
        return None, None
    return (price, None) if book.positions[row].side == "LONG" else (None, price)


def _to_x(book: Book, price: Floats) -> Floats:
    """Return the variable cushions are linear in; the same function turns it back into a price."""
    if book.any_inverse:
        return np.where(book.inverse, 1.0 / price, price)
    return price


def _maintenance(book: Book, x: Floats) -> tuple[Floats, Ints, Floats]:
    """Return notional, bracket, and the maintenance margin, each shape (n,)."""
    notional = book.size * x
    bracket = _count(x >= book.bounds)
    at = book.tier_offset + bracket
    return notional, bracket, notional * book.tiers.mmr.take(at) - book.tiers.cum.take(at)


def _count(reached: Bools) -> Ints:
    """Return how many thresholds each column reached; summing bytes keeps the pass in cache."""
    wide = np.int8 if len(reached) <= _BYTE else np.int64
    total: Ints = np.add.reduce(reached.view(np.int8), axis=0, dtype=wide)
    return total


def _wallets(book: Book, pnl: Floats, maintenance: Floats) -> tuple[Floats, Floats, Floats]:
    """Return margin balance, maintenance margin and cushion, shape (w,): rows -> slots -> wallets."""
    equity = book.slot_balance.copy()
    required = np.zeros(len(equity))
    if book.filled_starts.size:
        equity[book.filled_slots] += np.add.reduceat(pnl, book.filled_starts)
        required[book.filled_slots] = np.add.reduceat(maintenance, book.filled_starts)
    # An asset counts at its bid while it is owned and at its ask while it is owed.
    equity = np.minimum(equity * book.slot_bid, equity * book.slot_ask)
    required *= book.slot_ask
    if len(book.wallets) != len(equity):
        equity = np.add.reduceat(equity, book.wallet_slots)
        required = np.add.reduceat(required, book.wallet_slots)
    if book.corrected:
        equity = equity - book.less_balance
        required = required + book.extra_maintenance
    return equity, required, equity - required


def _place_shared(
    book: Book, shared: Shared, factors: Floats, x: Floats, *, root: Floats, pair_roots: Floats
) -> None:
    """Write the liquidation x of wallets in multi-assets mode over what was found as if each asset stood alone."""
    own = x.take(shared.own)
    lower, upper = factors[:, shared.alone]
    nearest = np.where(np.isnan(upper) | (np.abs(lower - 1) <= np.abs(upper - 1)), lower, upper)
    root[shared.own] = own * nearest
    place = np.full(len(x), -1)
    place[shared.own] = np.arange(len(shared.own))
    legs = place.take(book.pairs.first)
    mine = legs >= 0
    pair_roots[:, mine] = factors[:, shared.alone.take(legs[mine])] * own.take(legs[mine])


def _single_roots(book: Book, target: Floats) -> Floats:
    """Return x at which each row's own cushion equals ``target``; a single leg is monotonic, so there is one."""
    at = book.tier_offset + _count(book.steps <= book.sign * target)
    slope = book.signed_size - book.size * book.tiers.mmr.take(at)
    intercept = book.tiers.cum.take(at) - book.signed_entry
    return (target - intercept) / slope


def _pair_roots(book: Book, row_cushion: Floats, cushion: Floats, x: Floats, root: Floats) -> Floats:
    """Solve hedged pairs, write the root nearest to the mark into both legs, return both roots.

    The pair's cushion is the lowest of its lines, so it is at or above the target exactly between the highest
    crossing of a rising line and the lowest crossing of a falling one.
    """
    pairs = book.pairs
    if not pairs.first.size:
        return np.zeros((2, 0))
    target = row_cushion[pairs.first] + row_cushion[pairs.second] - cushion[book.row_wallet[pairs.first]]
    roots = np.empty((2, len(target)))
    ((target - pairs.rising[0]) * pairs.rising[1]).max(axis=0, out=roots[0])
    np.negative(((target - pairs.falling[0]) * pairs.falling[1]).max(axis=0), out=roots[1])
    # Where the lower one lies above the upper, even the pair's best is below the target.
    roots[~((roots > 0) & (roots < NOWHERE) & (roots[0] <= roots[1]))] = np.nan
    here = _to_price_of(book, pairs.first, x[pairs.first])
    away = np.abs(here - _to_price_of(book, pairs.first, roots))
    nearest = np.where(np.isnan(roots[1]) | (away[0] <= away[1]), roots[0], roots[1])
    root[pairs.first] = nearest
    root[pairs.second] = nearest
    return roots


def _to_price_of(book: Book, rows: Ints, x: Floats) -> Floats:
    return np.where(book.inverse[rows], 1.0 / x, x) if book.any_inverse else x


def _joint_distance(book: Book, x: Floats, bracket: Ints, cushion: Floats, distance: Floats) -> Floats:
    """Return the smallest common move of all marks of each wallet that brings its cushion to zero, shape (w,).

    With one symbol it is that symbol's distance. With several, each direction is solved on its own.
    """
    joint = np.full(len(book.wallets), np.nan)
    joint[book.row_wallet] = distance
    if not book.joint_wallets.size:
        return joint
    several, group = book.joint_wallets, book.joint
    factor = _joint_factor(book, x, bracket)
    if book.any_inverse:
        flipped = book.inverse[group.rows[group.starts]]
        factor = np.where(flipped, 1.0 / factor, factor)
    move = np.abs(1.0 - factor)
    below, above = group.wallets[: group.falling], group.wallets[group.falling :]
    joint[several] = np.nan
    joint[below] = move[: group.falling]
    joint[above] = np.fmin(joint[above], move[group.falling :])
    left = cushion[several]
    joint[several[(left <= 0) & book.exposed[several]]] = 0.0
    return joint


def _joint_factor(book: Book, x: Floats, bracket: Ints) -> Floats:
    """Return the factor on all x of each branch at which its wallet's cushion is zero, NaN if there is none.

    The cushion is a concave chain of lines in the factor; a branch looks for the crossing of a rising line (side
    +1) or of a falling one (-1). A line touching the chain lies above it, so its zero never passes the crossing:
    from there the brackets only move towards it, each at most once through its table, and the last line is exact.
    """
    group = book.joint
    here = x.take(group.rows)
    gain = group.signed_size * here
    notional = group.size * here
    balance = book.wallet_balance.take(group.wallets)
    if book.corrected:
        balance = balance - (book.less_balance + book.extra_maintenance).take(group.wallets)
    spread = group.branch_of
    first_above = len(group.rows) if group.falling == len(group.starts) else int(group.starts[group.falling])

    def zero(at: Ints) -> Floats:
        index = group.tier_offset + at
        slope = np.add.reduceat(gain - notional * book.tiers.mmr.take(index), group.starts)
        level = balance + np.add.reduceat(book.tiers.cum.take(index) - group.signed_entry, group.starts)
        return np.where(slope * group.side > 0, -level / slope, np.nan)

    def brackets(factor: Floats) -> Ints:
        return _count(here * factor.take(spread) >= group.bounds)

    def nearer(current: Ints, following: Ints) -> Ints:
        moved = np.maximum(current, following)
        np.minimum(current[first_above:], following[first_above:], out=moved[first_above:])
        return moved

    current = bracket.take(group.rows)
    factor = zero(current)
    # Past the peak the present lines lead the wrong way: begin at that end of the chain instead.
    wrong_way = np.isnan(factor)
    if wrong_way.any():
        end = np.where(group.side > 0, 0, group.bounds.shape[0]).astype(current.dtype)
        current = np.where(wrong_way.take(spread), end.take(spread), current)
        factor = zero(current)
    following = brackets(factor)  # may lie on either side of the present ones; from here on it is one way
    for _ in range(group.bounds.size + 1):
        if (following == current).all():
            break
        current = following
        factor = zero(current)
        following = nearer(current, brackets(factor))
    return np.where(factor > 0, factor, np.nan)
