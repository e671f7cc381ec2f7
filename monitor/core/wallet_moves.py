"""How much a wallet's cushion changes within an hour, from what its prices did together over the last day.

To first order: each price moves by its return, and the cushion by that times what it gains for each unit of log
price, with today's quantities, marks and brackets. The sums are made minute by minute before any deviation is
taken, so hedges cancel and correlation counts as it was, without a matrix of it.
"""

from typing import NamedTuple

import numpy as np

from monitor.core.book import Book, Floats, Ints
from monitor.core.moves import hourly_deviation
from monitor.core.risk import Readings

_CHUNK = 128  # columns of a day taken at once: a megabyte or two


class Deltas(NamedTuple):
    """What moves wallets, each pair of wallet and name once, by wallet."""

    wallets: Ints
    names: Ints  # index into ``Book.watched``
    gains: Floats  # change of the cushion for each unit of log price, in the wallet's asset


def cushion_deltas(book: Book, readings: Readings) -> Deltas:
    """Return what the cushions gain with each mark and each rate, at these readings.

    Positions of no size move nothing; those whose mark is not known gain NaN.
    """
    mmr = book.tiers.mmr.take(book.tier_offset + readings.bracket)
    equity = book.slot_balance.copy()
    required = np.zeros(len(equity))
    if book.filled_starts.size:
        equity[book.filled_slots] += np.add.reduceat(readings.unrealized_pnl, book.filled_starts)
        required[book.filled_slots] = np.add.reduceat(readings.position_maintenance, book.filled_starts)
    worth = np.where(equity < 0, book.slot_ask, book.slot_bid)
    gains = readings.notional * (book.sign * worth.take(book.row_slot) - mmr * book.slot_ask.take(book.row_slot))
    if book.any_inverse:
        gains = np.where(book.inverse, -gains, gains)  # x is the reciprocal of the mark
    held = np.flatnonzero(book.size > 0)
    wallets, names, gains = book.row_wallet[held], book.row_symbol[held], gains[held]
    if book.rated_slots.size:
        slots = book.rated_slots
        owed = np.minimum(equity[slots], 0.0) - required[slots]
        for place, amount, rate in (
            (book.rated_bid, np.maximum(equity[slots], 0.0), book.slot_bid[slots]),
            (book.rated_ask, owed, book.slot_ask[slots]),
        ):
            counts = np.flatnonzero(amount)
            wallets = np.concatenate([wallets, book.slot_wallet[slots[counts]]])
            names = np.concatenate([names, len(book.symbols) + place[counts]])
            gains = np.concatenate([gains, (amount * rate)[counts]])
    width = max(1, len(book.watched))
    pairs, place = np.unique(wallets * width + names, return_inverse=True)
    return Deltas(pairs // width, pairs % width, np.bincount(place, gains, len(pairs)).astype(np.float64))


def cushion_deviations(book: Book, deltas: Deltas, returns: Floats, typical: Floats) -> Floats:
    """Return the standard deviation of each wallet's one-hour change of cushion, shape (w,), in its asset.

    NaN where any typical move of the wallet is not known, and for wallets without positions.

    Args:
        book: the columns.
        deltas: from ``cushion_deltas``.
        returns: one-minute log returns of all watched names, shape (minutes, s), oldest first.
        typical: their hourly deviations, shape (s,), NaN where not known; those of ``returns``.
    """
    found = np.full(len(book.wallets), np.nan)
    if not deltas.wallets.size:
        return found
    wallets, starts, counts = np.unique(deltas.wallets, return_index=True, return_counts=True)
    known = np.logical_and.reduceat(~np.isnan(typical[deltas.names]), starts)
    alone = known & (counts == 1)
    at = starts[alone]
    found[wallets[alone]] = np.abs(deltas.gains[at]) * typical[deltas.names[at]]
    several = np.flatnonzero(known & (counts > 1))
    # Whole wallets at a time, so that the matrix of a day of their prices stays in reach of the cache.
    for some in _chunks(several, counts):
        columns = np.concatenate([np.arange(starts[i], starts[i] + counts[i]) for i in some])
        changes = returns.take(deltas.names[columns], axis=1)
        changes *= deltas.gains[columns]
        ends = np.cumsum(counts[some])
        together = np.add.reduceat(changes, np.concatenate([[0], ends[:-1]]), axis=1)
        found[wallets[some]] = hourly_deviation(together)
    found[~book.exposed] = np.nan
    return found


def _chunks(several: Ints, counts: Ints) -> list[Ints]:
    """Return these wallets in groups of about _CHUNK columns."""
    if not several.size:
        return []
    cuts = np.flatnonzero(np.diff(np.cumsum(counts[several]) // _CHUNK)) + 1
    return np.split(several, cuts)
