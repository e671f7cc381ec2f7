"""Positions, wallets and tier tables compiled into NumPy columns.

Everything is linear in one variable ``x`` per symbol: the mark price for linear contracts, its reciprocal for
inverse ones (column ``inverse``). A row is one position leg of ``size`` (quantity x contract size) and ``sign``
(+1 gains when x rises), so

    unrealized PnL      = sign * size * (x - entry_x)
    notional            = size * x
    maintenance margin  = notional * mmr_b - cum_b        with b the bracket of the notional
    row cushion         = unrealized PnL - maintenance margin

and within a bracket the row cushion is the straight line ``a_b + c_b * x`` with ``a_b = cum_b - sign * size *
entry_x`` and ``c_b = sign * size - size * mmr_b``. Rates rise from bracket to bracket and the maintenance
amounts make the lines meet, so it is concave and continuous.

Rows are sorted by wallet, then margin asset (a *slot*), then symbol, so sums over wallets are ``reduceat``.
``monitor.core.compile`` makes a book of them, ``monitor.core.columns`` fills it; ``monitor.core.risk`` reads it on
every tick.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.core.model import AccountSnapshot, MarginMode, Position, SubjectKey

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


class WalletInfo(NamedTuple):
    """What a wallet is called and what it holds."""

    key: SubjectKey
    mode: MarginMode
    asset: str


class Part(NamedTuple):
    """One account's share of the columns: what it was compiled from, and where it stands."""

    account: AccountSnapshot
    shape: tuple[object, ...]  # what must be equal for a patch to do
    first_row: int
    first_slot: int


# A slope that is no more than this part of what it is summed from is what rounding left of none: it has no digit
# that is right, and a root on it would be a price that does not exist.
LEVEL = 4 * float(np.finfo(np.float64).eps)
# In a pair such a line passes for one that rises next to nothing: below the target it keeps the pair there, with a
# root that is beyond all that is a price.
FLAT = 1e-300
NOWHERE = 1e100


class TierMatrix(NamedTuple):
    """All tier tables as matrices, shape (tables, brackets); short tables repeat their last bracket."""

    floors: Floats  # notional floor; +inf where repeated, so that it is never reached
    mmr: Floats
    cum: Floats
    labels: tuple[str, ...]


@dataclass(slots=True)
class Pairs:
    """LONG and SHORT of one symbol in one cross wallet: one concave function with up to two roots.

    ``rising`` and ``falling`` hold the lines of the merged brackets, shape (2, segments, pairs): intercept and
    sign / slope. A line that does not belong to the branch is infinitely high, which is never crossed.
    """

    first: Ints  # row of the leg with sign +1
    second: Ints  # row of the leg with sign -1
    rising: Floats
    falling: Floats


class Joint(NamedTuple):
    """Wallets that hold several symbols, once for each way x can move to liquidate them: a *branch*.

    Both ways stand in one group, those that fall with x first, so that one solution serves them. The columns are
    the book's, gathered once: gathering them on every tick would cost more than the pass.
    """

    rows: Ints
    starts: Ints  # first position within ``rows`` of each branch
    wallets: Ints  # wallet of each branch
    branch_of: Ints  # index into ``wallets`` for each of ``rows``
    falling: int  # how many branches look below the present x; the others look above
    side: Floats  # of each branch: +1 below, -1 above
    tier_offset: Ints
    bounds: Floats
    signed_size: Floats
    size: Floats
    signed_entry: Floats


class Shared(NamedTuple):
    """Wallets in multi-assets mode: several slots, each with rates of its own, back one another.

    A *branch* is a wallet and what moves in it by one factor: the legs of one symbol; the same with the
    collateral of that symbol's underlying; or all marks and all collateral that is no quote asset.
    ``monitor.core.collateral`` solves them. Rows and slots of a wallet stand once for each of its branches.
    """

    wallets: Ints  # of each branch
    rows: Ints  # book rows, branch by branch
    row_branch: Ints
    row_starts: Ints
    row_moves: Bools
    row_place: Ints  # position of the row's slot within ``slots``
    slots: Ints  # book slots, branch by branch
    slot_branch: Ints
    slot_starts: Ints
    slot_moves: Bools
    own: Ints  # book rows in such wallets
    alone: Ints  # of each of them, the branch in which its symbol moves alone
    linked: Ints  # the branch in which its underlying's collateral moves along
    together: Ints  # branches in which everything moves


@dataclass(slots=True)
class Book:
    """The columns. ``n`` rows, ``k`` slots, ``w`` wallets, ``b`` brackets, ``s`` symbols.

    Only the engine changes one, through ``patch``; everyone else reads.
    """

    symbols: tuple[str, ...]
    symbol_index: dict[str, int]
    positions: list[Position]  # by row
    wallets: tuple[WalletInfo, ...]
    wallet_index: dict[SubjectKey, int]
    tiers: TierMatrix
    # rows
    row_symbol: Ints
    row_slot: Ints
    row_wallet: Ints
    row_tier: Ints  # table of the row
    tier_offset: Ints  # the same, as offset into the flattened tier matrices
    inverse: Bools
    any_inverse: bool
    sign: Floats
    size: Floats
    signed_size: Floats
    entry_x: Floats
    signed_entry: Floats  # sign * size * entry_x
    bounds: Floats  # (b - 1, n): x at which the next bracket begins
    steps: Floats  # (b - 1, n): sign * row cushion there; ascending
    entry_maintenance: Floats
    pairs: Pairs
    # slots
    slot_balance: Floats
    slot_bid: Floats  # value of one unit of a positive equity in the wallet's asset
    slot_ask: Floats  # the same for a debt or a requirement
    slot_wallet: Ints
    slot_assets: tuple[str, ...]
    rates: tuple[str, ...]  # names of the rates that move, see model.rate_symbols
    rated_slots: Ints  # slots whose rates move
    rated_bid: Ints  # index into ``rates`` of each of them
    rated_ask: Ints
    filled_slots: Ints  # slots that have rows
    filled_starts: Ints  # first row of each
    # wallets
    exposed: Bools  # has a position of a size above zero
    wallet_slots: Ints  # first slot of each wallet
    wallet_rows: Ints  # first row of each wallet; the number of rows where it has none
    wallet_balance: Floats
    less_balance: Floats  # taken off the margin balance where the exchange's own figure is worse
    extra_maintenance: Floats  # added to the maintenance margin where the exchange's own figure is worse
    corrected: bool  # any of the two is above zero
    room_scale: Floats  # 1 / what was left at entry, see ``compile.LEAST_AT_ENTRY``; 0 without positions
    hollow: Bools  # hardly anything was left at entry, so room can vouch for nothing
    joint: Joint
    joint_wallets: Ints  # all wallets with several symbols
    shared: Shared | None  # wallets in multi-assets mode; None without any
    parts: list[Part]  # by account, in order

    @property
    def watched(self) -> tuple[str, ...]:
        """All names that need marks: symbols, then rates."""
        return (*self.symbols, *self.rates)

    def rows_of(self, wallet: int) -> range:
        """Return the rows of a wallet."""
        start = int(self.wallet_rows[wallet])
        end = int(self.wallet_rows[wallet + 1]) if wallet + 1 < len(self.wallets) else len(self.positions)
        return range(start, end)

    def brackets_label(self, row: int) -> str:
        """Return where the tiers of a row came from, such as ``shipped 2026-09-29``."""
        return self.tiers.labels[int(self.row_tier[row])]
