"""Wallets in multi-assets mode: where their cushion is zero when some of what is in them moves by one factor.

Each asset's equity counts at its bid while it is owned and at its ask while it is owed, maintenance margins count
at the ask. Both are concave in a common factor on the marks that move and on the balances that move, so the
cushion is a concave chain of straight lines whose corners are bracket bounds and the points where an asset's
equity changes its sign. A line that touches the chain lies above it: started outside of the roots, its zero never
passes the nearest one, each step moves towards it, and the last line is exact.
"""

from collections.abc import Sequence

import numpy as np

from monitor.core.book import LEVEL, Book, Bools, Floats, Ints, Shared
from monitor.core.layout import QUOTE_ASSETS, Layout, underlying
from monitor.core.model import MULTI_WALLET

_STEPS = 1000  # far above the corners of any wallet; a bound for the loop, never reached


def shared_wallets(layout: Layout) -> Shared | None:
    """Return the branches of all wallets in multi-assets mode, None if there is no such wallet."""
    made = _Branches(layout)
    for wallet, info in enumerate(layout.wallets):
        if info.key.wallet == MULTI_WALLET:
            slots = [slot for slot, owner in enumerate(layout.slot_wallet) if owner == wallet]
            rows = [row for row, slot in enumerate(layout.row_slot) if slot in slots]
            made.add(wallet, rows, slots)
    return made.columns() if made.wallets else None


class _Branches:
    def __init__(self, layout: Layout) -> None:
        self._positions = layout.positions
        self._row_slot = layout.row_slot
        self._assets = layout.slot_asset
        self.wallets: list[int] = []
        self._rows: list[int] = []
        self._row_branch: list[int] = []
        self._row_moves: list[bool] = []
        self._row_place: list[int] = []
        self._slots: list[int] = []
        self._slot_branch: list[int] = []
        self._slot_moves: list[bool] = []
        self._own: list[int] = []
        self._alone: list[int] = []
        self._linked: list[int] = []
        self._together: list[int] = []

    def add(self, wallet: int, rows: Sequence[int], slots: Sequence[int]) -> None:
        """Add all branches of one wallet."""
        if not rows:
            return
        held = {self._assets[slot] for slot in slots}
        alone: dict[str, int] = {}
        linked: dict[str, int] = {}
        for row in rows:
            symbol, base = self._positions[row].symbol, underlying(self._positions[row])
            if symbol not in alone:
                alone[symbol] = self._branch(wallet, rows, slots, {symbol}, set())
                along = base in held - QUOTE_ASSETS
                linked[symbol] = self._branch(wallet, rows, slots, {symbol}, {base}) if along else alone[symbol]
            self._own.append(row)
            self._alone.append(alone[symbol])
            self._linked.append(linked[symbol])
        symbols = {self._positions[row].symbol for row in rows}
        self._together.append(self._branch(wallet, rows, slots, symbols, held - QUOTE_ASSETS))

    def _branch(
        self, wallet: int, rows: Sequence[int], slots: Sequence[int], symbols: set[str], assets: set[str]
    ) -> int:
        branch = len(self.wallets)
        self.wallets.append(wallet)
        first = len(self._slots)
        for row in rows:
            self._rows.append(row)
            self._row_branch.append(branch)
            self._row_moves.append(self._positions[row].symbol in symbols)
            self._row_place.append(first + list(slots).index(self._row_slot[row]))
        for slot in slots:
            self._slots.append(slot)
            self._slot_branch.append(branch)
            self._slot_moves.append(self._assets[slot] in assets)
        return branch

    def columns(self) -> Shared:
        """Return what was added."""
        row_branch, slot_branch = np.array(self._row_branch), np.array(self._slot_branch)
        branches = np.arange(len(self.wallets))
        return Shared(
            wallets=np.array(self.wallets, dtype=np.intp),
            rows=np.array(self._rows, dtype=np.intp),
            row_branch=row_branch.astype(np.intp),
            row_starts=np.searchsorted(row_branch, branches).astype(np.intp),
            row_moves=np.array(self._row_moves, dtype=np.bool_),
            row_place=np.array(self._row_place, dtype=np.intp),
            slots=np.array(self._slots, dtype=np.intp),
            slot_branch=slot_branch.astype(np.intp),
            slot_starts=np.searchsorted(slot_branch, branches).astype(np.intp),
            slot_moves=np.array(self._slot_moves, dtype=np.bool_),
            own=np.array(self._own, dtype=np.intp),
            alone=np.array(self._alone, dtype=np.intp),
            linked=np.array(self._linked, dtype=np.intp),
            together=np.array(self._together, dtype=np.intp),
        )


def shared_roots(book: Book, shared: Shared, x: Floats) -> Floats:
    """Return the factors at which each branch's cushion is zero, shape (2, branches): the lower and the upper one.

    The cushion is at or above zero exactly between the two. NaN where there is none: at no factor above 0, or
    because even the best is below zero.

    Args:
        book: with the rates as they are.
        shared: its branches.
        x: mark price by row of the book, shape (n,).
    """
    lines = _Lines(book, shared, x)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        roots = np.stack([lines.first_from(0.0), lines.first_from(np.inf)])
    roots[~((roots > 0) & (roots < np.inf))] = np.nan
    return roots


class _Lines:
    """The straight line each branch's cushion lies on at a given factor."""

    def __init__(self, book: Book, shared: Shared, x: Floats) -> None:
        self._tiers = book.tiers
        self._shared = shared
        rows, slots = shared.rows, shared.slots
        here = x.take(rows)
        moves = shared.row_moves
        self._bounds = book.bounds[:, rows] / np.where(moves, here, 1.0)
        self._reached_anyway = book.bounds[:, rows] <= here
        self._offset = book.tier_offset.take(rows)
        notional = book.size.take(rows) * here
        gain = book.signed_size.take(rows) * here
        self._ask_row = book.slot_ask.take(book.row_slot.take(rows))
        self._moving_notional = np.where(moves, notional, 0.0)
        self._fixed_notional = np.where(moves, 0.0, notional)
        entry = book.signed_entry.take(rows)
        balance = book.slot_balance.take(slots)
        count = len(slots)
        still = np.bincount(shared.row_place, np.where(moves, 0.0, gain) - entry, count)
        moving = np.bincount(shared.row_place, np.where(moves, gain, 0.0), count)
        self._equity = still + np.where(shared.slot_moves, 0.0, balance)  # at factor 0
        self._growth = moving + np.where(shared.slot_moves, balance, 0.0)  # for each unit of the factor
        self._bid, self._ask = book.slot_bid.take(slots), book.slot_ask.take(slots)
        # What a slope is summed from, at the most: no rate is above 1.
        mine = self._ask_row * self._moving_notional
        moved = self._ask * np.where(shared.slot_moves, np.abs(balance), 0.0)
        self._level = LEVEL * (
            2.0 * np.add.reduceat(mine, shared.row_starts) + np.add.reduceat(moved, shared.slot_starts)
        )
        self._off = (book.less_balance + book.extra_maintenance).take(shared.wallets)

    def first_from(self, start: float) -> Floats:
        """Return the first root met on the way from ``start`` (0 or infinity) inwards, NaN where there is none."""
        shared = self._shared
        side = 1.0 if start == 0.0 else -1.0
        at = np.full(len(shared.wallets), start)
        brackets, owned = self._corner(at)
        level, slope = self._line(brackets, owned)
        # Nothing is met where the way starts inside, or where the cushion falls on the way in.
        outside = level < 0 if start == 0.0 else slope < 0
        at = np.where(outside & (slope * side > 0), -level / slope, np.nan)
        for _ in range(_STEPS):
            before = brackets, owned
            brackets, owned = self._corner(at)
            if np.array_equal(brackets, before[0]) and np.array_equal(owned, before[1]):
                break
            level, slope = self._line(brackets, owned)
            at = np.where((slope * side > 0) & ~np.isnan(at), -level / slope, np.nan)
        return at

    def _corner(self, at: Floats) -> tuple[Ints, Bools]:
        """Return the bracket of each row and whether each asset is owned, at these factors by branch."""
        factor = at.take(self._shared.row_branch)
        reached = np.where(self._shared.row_moves, factor >= self._bounds, self._reached_anyway)
        # At infinity every bound that exists is reached; those that do not are infinite too.
        reached &= np.isfinite(self._bounds)
        growing = at.take(self._shared.slot_branch)
        with np.errstate(invalid="ignore"):
            equity = np.where(self._growth == 0, self._equity, self._equity + self._growth * growing)
        # Where the asset's equity is zero, it is about to be what it grows to.
        owned = np.where(equity == 0, self._growth >= 0, equity > 0)
        return reached.sum(axis=0), owned

    def _line(self, brackets: Ints, owned: Bools) -> tuple[Floats, Floats]:
        """Return the cushion of each branch at factor 0 and its slope, on the line of these brackets and signs."""
        shared, index = self._shared, self._offset + brackets
        rate = np.where(owned, self._bid, self._ask)
        mmr, cum = self._tiers.mmr.take(index), self._tiers.cum.take(index)
        level = (
            np.add.reduceat(rate * self._equity, shared.slot_starts)
            - np.add.reduceat(self._ask_row * (self._fixed_notional * mmr - cum), shared.row_starts)
            - self._off
        )
        slope = np.add.reduceat(rate * self._growth, shared.slot_starts) - np.add.reduceat(
            self._ask_row * self._moving_notional * mmr, shared.row_starts
        )
        return level, np.where(np.abs(slope) <= self._level, 0.0, slope)
