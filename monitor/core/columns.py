"""The columns of a ``Book`` that do not depend on marks: by row, pair of legs, wallet and branch of a wallet.

The same code computes them for a whole book and for one changed row.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from monitor.core.book import FLAT, LEVEL, Book, Floats, Ints, Joint, Pairs
from monitor.core.model import MULTI_WALLET, Position, Side

# Room is measured by what was left at entry, and at the least by this share of the maintenance margin there. Less
# is hardly left by opening anything; it is by what was realised or taken out since, and then the way from the
# entry price is not the way that the position has gone.
LEAST_AT_ENTRY = 0.3


def fill_rows(book: Book, rows: Ints) -> None:
    """Compute the mark-independent columns of ``rows`` from their positions."""
    if not rows.size:
        return
    chosen = [book.positions[row] for row in rows]
    inverse = book.inverse[rows]
    entry = np.array([p.entry_price for p in chosen])
    long = np.array([p.side is Side.LONG for p in chosen])
    size = np.array([p.quantity * p.contract_size for p in chosen])
    sign = np.where(long != inverse, 1.0, -1.0)
    entry_x = np.where(inverse, 1.0 / entry, entry)
    book.sign[rows], book.size[rows], book.entry_x[rows] = sign, size, entry_x
    signed = sign * size
    book.signed_size[rows] = signed
    book.signed_entry[rows] = signed * entry_x

    tier = book.row_tier[rows]
    floors, mmr, cum = (matrix[tier].T for matrix in (book.tiers.floors, book.tiers.mmr, book.tiers.cum))
    reachable = (size > 0) & np.isfinite(floors[1:])
    bounds = np.divide(floors[1:], size, out=np.full(floors[1:].shape, np.inf), where=reachable)
    book.bounds[:, rows] = bounds
    intercept = cum - book.signed_entry[rows]
    slope = signed - size * mmr
    at_bound = intercept[:-1] + slope[:-1] * np.where(reachable, bounds, 0.0)
    book.steps[:, rows] = np.where(reachable, sign * at_bound, np.inf)
    bracket = (entry_x >= bounds).sum(axis=0)
    columns = np.arange(len(rows))
    book.entry_maintenance[rows] = size * entry_x * mmr[bracket, columns] - cum[bracket, columns]
    if book.pairs.first.size:
        _fill_pairs(book, rows)


def fill_wallets(book: Book) -> None:
    """Compute what depends on balances and entries only."""
    count = len(book.wallets)
    worth = np.minimum(book.slot_balance * book.slot_bid, book.slot_balance * book.slot_ask)
    book.wallet_balance = _sum_by(book.slot_wallet, worth, count)
    rate = book.slot_ask[book.row_slot]
    required = _sum_by(book.row_wallet, book.entry_maintenance * rate, count)
    book.exposed = _sum_by(book.row_wallet, book.size, count) > 0
    left, least = book.wallet_balance - required, LEAST_AT_ENTRY * required
    scale = np.maximum(left, least)
    book.room_scale = np.divide(1.0, scale, out=np.zeros(count), where=scale > 0)
    book.hollow = left < least


def _sum_by(index: Ints, values: Floats, count: int) -> Floats:
    return np.bincount(index, values, count).astype(np.float64, copy=False)


def find_pairs(positions: Sequence[Position], row_slot: Ints, segments: int) -> Pairs:
    """Pair adjacent legs of one symbol in one slot, +1 leg first; room for so many segments, to be filled."""
    first, second = [], []
    for row in range(len(positions) - 1):
        here, there = positions[row], positions[row + 1]
        if here.symbol == there.symbol and row_slot[row] == row_slot[row + 1] and here.side is not there.side:
            plus = row if (here.side is Side.LONG) != here.inverse else row + 1
            first.append(plus)
            second.append(2 * row + 1 - plus)
    shape = (2, segments, len(first))
    return Pairs(np.array(first, dtype=np.intp), np.array(second, dtype=np.intp), np.zeros(shape), np.zeros(shape))


def _fill_pairs(book: Book, rows: Ints) -> None:
    """Merge the brackets of both legs into lines of their common cushion, for the pairs of these rows."""
    changed = np.zeros(len(book.positions), dtype=np.bool_)
    changed[rows] = True
    mine = np.flatnonzero(changed[book.pairs.first] | changed[book.pairs.second])
    if not mine.size:
        return
    legs = book.pairs.first[mine], book.pairs.second[mine]
    inner = np.sort(np.concatenate([book.bounds[:, leg] for leg in legs]), axis=0)
    edges: Floats = np.concatenate([np.zeros((1, len(mine))), inner])  # infinite ones are no edges, and come last
    intercept, slope, terms = np.zeros(edges.shape), np.zeros(edges.shape), np.zeros(edges.shape)
    for leg in legs:
        at = book.tier_offset[leg] + (edges[:, np.newaxis] >= book.bounds[:, leg]).sum(axis=1)
        required = book.size[leg] * book.tiers.mmr.take(at)
        intercept += book.tiers.cum.take(at) - book.signed_entry[leg]
        slope += book.signed_size[leg] - required
        terms += book.size[leg] + required
    slope[(np.abs(slope) <= LEVEL * terms) & (terms > 0)] = FLAT
    for target, sign in ((book.pairs.rising, 1.0), (book.pairs.falling, -1.0)):
        lines = np.isfinite(edges) & (slope * sign > 0)
        # What is no line is crossed nowhere.
        target[0][:, mine], target[1][:, mine] = np.inf, 1.0
        target[0][: len(edges), mine] = np.where(lines, intercept, np.inf)
        target[1][: len(edges), mine] = np.divide(sign, slope, out=np.ones(edges.shape), where=lines)


def no_joint() -> Joint:
    """Return the branches of a book whose wallets have one symbol each."""
    none = np.zeros(0, dtype=np.intp)
    nothing = np.zeros(0)
    return Joint(none, none, none, none, 0, nothing, none, np.zeros((0, 0)), nothing, nothing, nothing)


def joint_branches(book: Book) -> Joint:
    """Choose the wallets with several symbols, each for the ways it can fall: with x if a leg has the sign +1."""
    rows: list[int] = []
    starts: list[int] = []
    wallets: list[int] = []
    owner: list[int] = []
    sides: list[float] = []
    symbols = book.row_symbol.tolist()
    signs = book.sign.tolist()
    edges = [*book.wallet_rows.tolist(), len(symbols)]
    for side in (1.0, -1.0):
        for wallet, (start, end) in enumerate(pairwise(edges)):
            if book.wallets[wallet].key.wallet == MULTI_WALLET:
                continue
            if end - start > 1 and len(set(symbols[start:end])) > 1 and side in signs[start:end]:
                starts.append(len(rows))
                owner.extend([len(wallets)] * (end - start))
                wallets.append(wallet)
                sides.append(side)
                rows.extend(range(start, end))
    return no_joint()._replace(
        rows=np.array(rows, dtype=np.intp),
        starts=np.array(starts, dtype=np.intp),
        wallets=np.array(wallets, dtype=np.intp),
        branch_of=np.array(owner, dtype=np.intp),
        falling=sides.count(1.0),
        side=np.array(sides, dtype=np.float64),
    )


def with_columns(book: Book, chosen: Joint) -> Joint:
    """Return the branches with the columns of their rows as they are now."""
    rows = chosen.rows
    return chosen._replace(
        tier_offset=book.tier_offset[rows],
        bounds=np.ascontiguousarray(book.bounds[:, rows]),
        signed_size=book.signed_size[rows],
        size=book.size[rows],
        signed_entry=book.signed_entry[rows],
    )
