"""Readings over a grid of moves, and the moves at which wallets are liquidated.

A move changes marks, and in multi-assets mode what collateral counts; nothing else. So one book is compiled and
evaluated at every move. A wallet's cushion is concave in a common factor on its prices (where inverse, in the
factor's reciprocal), so that from the present price on, each way, it is gone for good once it is gone: the move
at which that happens is bracketed from both sides, with the evaluation itself as the judge.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import numpy as np

from monitor.core.book import Book, Bools, Floats
from monitor.core.collateral import shared_roots
from monitor.core.compile import compile_book, correct, with_funds
from monitor.core.layout import QUOTE_ASSETS, underlying
from monitor.core.model import (
    MULTI_WALLET,
    PAR,
    AccountSnapshot,
    AssetRate,
    BracketTable,
    SubjectKey,
    rate_symbols,
)
from monitor.core.risk import Readings, evaluate_rows
from monitor.core.rules import Levels, compile_thresholds, conditions, reached
from monitor.core.settings import EngineSettings

_FAR = 2.0**20  # beyond a factor of a million, up or down, nobody asks
_HALVINGS = 100  # a bound for the loop: two floats meet after about sixty
_BESIDE = 1e-9  # how near, as a fraction, a root is verified on both sides

# Moves left by wallet, of a book and its readings; None where none is known.
LeftOf = Callable[[Book, Readings], Floats | None]


class Rung(NamedTuple):
    """The book after one move; what is by wallet has the shape (w,)."""

    move: float  # fraction: -0.05 is 5 % down
    readings: Readings
    levels: Levels
    liquidated: Bools
    left: Floats | None  # moves left


class Edges(NamedTuple):
    """The smallest moves that liquidate wallets, as fractions, shape (w,); NaN where no move of that way does.

    0 where a wallet is liquidated already.
    """

    down: Floats
    up: Floats


class Lone(NamedTuple):
    """The moves of one symbol alone that liquidate one wallet; NaN where there is none."""

    symbol: str
    wallet: int
    down: float
    up: float


class _Moving(NamedTuple):
    """What moves, each by the factor of its wallet."""

    rows: Bools
    slots: Bools  # collateral


class Grid:
    """One book, compiled once and evaluated at many moves.

    Args:
        accounts: whole accounts, with the rates of collateral as they are now, see ``priced``.
        tables: as for ``compile_book``.
        marks: by symbol, each symbol held.
        settings: whose rules make levels.
        corrections: as for ``compile.correct``.
        left: tells moves left.

    Raises:
        BracketError: a held symbol has no table.
        KeyError: a held symbol has no mark.
    """

    def __init__(
        self,
        accounts: Sequence[AccountSnapshot],
        tables: Mapping[str, BracketTable],
        marks: Mapping[str, float],
        settings: EngineSettings,
        *,
        corrections: Mapping[SubjectKey, tuple[float, float]] = MappingProxyType({}),
        left: LeftOf | None = None,
    ) -> None:
        self.book = book = compile_book(accounts, tables)
        correct(book, corrections)
        self._price = np.array([marks[symbol] for symbol in book.symbols]).take(book.row_symbol)
        self.limits = compile_thresholds(book, settings)
        self._left = left
        self._known: dict[str, _Moving] = {}
        # In multi-assets mode, what in a wallet has a price of its own.
        self._collateral = np.array(
            [
                book.wallets[wallet].key.wallet == MULTI_WALLET and asset not in QUOTE_ASSETS
                for wallet, asset in zip(book.slot_wallet.tolist(), book.slot_assets, strict=True)
            ],
            dtype=np.bool_,
        )

    def at(self, move: float, symbol: str = "") -> Rung:
        """Return the readings and levels after a move, as ``assess`` would judge them there.

        Args:
            move: fraction above -1.
            symbol: whose mark moves, together with collateral in its underlying; empty: all marks, and all
                collateral that is no quote asset.
        """
        readings = self._evaluate(self._moving(symbol), np.full(len(self.book.wallets), 1.0 + move))
        left = None if self._left is None else self._left(self.book, readings)
        levels = reached(conditions(self.book, self.limits, readings, left))
        return Rung(move, readings, levels, self._gone(readings), left)

    def edges(self, symbol: str = "") -> Edges:
        """Return by wallet the smallest moves, down and up, that liquidate it; ``symbol`` as for ``at``."""
        nothing = np.full(len(self.book.wallets), np.nan)
        down, up = self._edges(self._moving(symbol), nothing, nothing)
        return Edges(down, up)

    def along(self, symbol: str = "") -> tuple[str, ...]:
        """Return the assets whose value as collateral moves as well; ``symbol`` as for ``at``."""
        slots = np.flatnonzero(self._moving(symbol).slots).tolist()
        return tuple(sorted({self.book.slot_assets[slot] for slot in slots}))

    def alone(self) -> list[Lone]:
        """Return for each symbol and each wallet that holds it the moves of this symbol that liquidate the wallet.

        Wallets do not depend on one another, so each moves one of its symbols at the same time as the others.
        """
        book = self.book
        held = [sorted({book.positions[row].symbol for row in book.rows_of(w)}) for w in range(len(book.wallets))]
        lower, upper = self._roots()
        found: list[Lone] = []
        for turn in range(max(map(len, held), default=0)):
            mine = {wallet: names[turn] for wallet, names in enumerate(held) if turn < len(names)}
            moving, guesses = self._turn(mine, lower, upper)
            down, up = self._edges(moving, *guesses)
            found += [Lone(name, wallet, float(down[wallet]), float(up[wallet])) for wallet, name in mine.items()]
        return found

    def _turn(
        self, mine: Mapping[int, str], lower: Floats, upper: Floats
    ) -> tuple[_Moving, tuple[Floats, Floats]]:
        """Return what moves if each of these wallets moves this symbol, and where it may be liquidated."""
        book = self.book
        rows = np.zeros(len(book.positions), dtype=np.bool_)
        slots = np.zeros(len(book.slot_assets), dtype=np.bool_)
        down, up = np.full((2, len(book.wallets)), np.nan)
        for wallet, name in mine.items():
            legs = [row for row in book.rows_of(wallet) if book.positions[row].symbol == name]
            rows[legs] = True
            down[wallet], up[wallet] = lower[legs[0]], upper[legs[0]]
            slots |= self._along({underlying(book.positions[legs[0]])}) & (book.slot_wallet == wallet)
        return _Moving(rows, slots), (down, up)

    def _moving(self, symbol: str) -> _Moving:
        """Return what moves with one symbol, or all that can where it is empty."""
        if symbol not in self._known:
            self._known[symbol] = self._find_moving(symbol)
        return self._known[symbol]

    def _find_moving(self, symbol: str) -> _Moving:
        positions = self.book.positions
        if not symbol:
            return _Moving(np.ones(len(positions), dtype=np.bool_), self._collateral)
        rows = np.array([position.symbol == symbol for position in positions], dtype=np.bool_)
        return _Moving(rows, self._along({underlying(one) for one in positions if one.symbol == symbol}))

    def _along(self, assets: Collection[str]) -> Bools:
        """Return the slots with collateral in these assets."""
        named = np.array([asset in assets for asset in self.book.slot_assets], dtype=np.bool_)
        found: Bools = self._collateral & named
        return found

    def _evaluate(self, moving: _Moving, factor: Floats) -> Readings:
        """Return the readings with what moves multiplied by its wallet's factor, shape (w,)."""
        book = self.book
        if moving.slots.any():
            own = np.where(moving.slots, factor.take(book.slot_wallet), 1.0)
            book = with_funds(book, bid=book.slot_bid * own, ask=book.slot_ask * own)
        return evaluate_rows(book, self._price * np.where(moving.rows, factor.take(book.row_wallet), 1.0))

    def _gone(self, readings: Readings) -> Bools:
        dead: Bools = self.book.exposed & (readings.margin_ratio >= 1.0)
        return dead

    def _edges(self, moving: _Moving, down: Floats, up: Floats) -> tuple[Floats, Floats]:
        """Return the edges of all wallets; ``down`` and ``up`` are factors that may be they, NaN where unknown."""
        now = self._gone(self._evaluate(moving, np.ones(len(self.book.wallets))))
        found = []
        for guess, end in ((down, 1.0 / _FAR), (up, _FAR)):
            edge = self._edge(moving, guess, end, now) - 1.0
            edge[now] = 0.0
            found.append(edge)
        return found[0], found[1]

    def _edge(self, moving: _Moving, guess: Floats, end: float, gone: Bools) -> Floats:
        """Return by wallet the factor nearest to 1, on the way to ``end``, at which it is liquidated.

        A guess stands if the wallet lives just before it and does not just beyond it. Else the way is halved until
        two floats are left, but for wallets that are gone already.
        """
        outward = 1.0 if end > 1.0 else -1.0
        tried = np.where(np.isnan(guess), 1.0, guess)
        before = self._gone(self._evaluate(moving, tried * (1.0 - outward * _BESIDE)))
        beyond = self._gone(self._evaluate(moving, tried * (1.0 + outward * _BESIDE)))
        sure = ~np.isnan(guess) & ~before & beyond & ((tried - 1.0) * outward > 0.0)
        lives, dies = np.ones(len(guess)), np.full(len(guess), end)
        ends = self._gone(self._evaluate(moving, dies))
        open_ = ends & ~sure & ~gone
        for _ in range(_HALVINGS if open_.any() else 0):
            middle = np.sqrt(lives) * np.sqrt(dies)
            apart = open_ & (middle != lives) & (middle != dies)
            if not apart.any():
                break
            dead = self._gone(self._evaluate(moving, np.where(apart, middle, 1.0)))
            dies = np.where(apart & dead, middle, dies)
            lives = np.where(apart & ~dead, middle, lives)
        return np.where(sure, guess, np.where(ends, dies, np.nan))

    def _roots(self) -> tuple[Floats, Floats]:
        """Return by row the factors, lower and upper, on its symbol's price that may liquidate its wallet."""
        book = self.book
        readings = self._evaluate(self._moving(""), np.ones(len(book.wallets)))
        factor = readings.liquidation_price / readings.marks
        with np.errstate(invalid="ignore", divide="ignore"):
            lower, upper = np.where(factor < 1.0, factor, np.nan), np.where(factor > 1.0, factor, np.nan)
            for first, second, roots in zip(
                book.pairs.first, book.pairs.second, readings.pair_roots.T, strict=True
            ):
                prices = 1.0 / roots[::-1] if book.inverse[first] else roots
                for row in (first, second):
                    lower[row], upper[row] = prices / readings.marks[row]
        if book.shared is not None:
            along = shared_roots(book, book.shared, readings.marks)[:, book.shared.linked]
            lower[book.shared.own], upper[book.shared.own] = along
        return lower, upper


def priced(account: AccountSnapshot, marks: Mapping[str, float]) -> AccountSnapshot:
    """Return the account with the rates of its collateral as these marks have them, see ``rate_symbols``."""
    rates = dict(account.rates)
    for asset, rate in account.rates.items():
        bid, ask = rate_symbols(asset)
        if not rate.fixed:
            rates[asset] = AssetRate(marks.get(bid, rate.bid), marks.get(ask, rate.ask))
    return account if rates == account.rates else msgspec.structs.replace(account, rates=rates)


def revalued(account: AccountSnapshot, factors: Mapping[str, float]) -> AccountSnapshot:
    """Return the account with what assets count in multi-assets mode multiplied by these factors."""
    rates = dict(account.rates)
    for asset, factor in factors.items():
        rate = account.rates.get(asset, PAR)
        rates[asset] = AssetRate(rate.bid * factor, rate.ask * factor, rate.fixed)
    return msgspec.structs.replace(account, rates=rates)


def collateral_of(account: AccountSnapshot) -> frozenset[str]:
    """Return the assets whose value moves the account's wallet: in multi-assets mode what is no quote asset."""
    return frozenset(set(_assets(account)) - QUOTE_ASSETS) if account.multi_assets else frozenset()


def losses(book: Book, before: Rung, after: Rung) -> dict[str, float]:
    """Return what is lost by asset, positive: the margin balance of wallets liquidated since, and others' change.

    What was in a liquidated wallet counts as lost whole; fees and the insurance fund take what is left of it.
    Assets of which nothing is lost or gained are left out.
    """
    balance, there = before.readings.margin_balance, after.readings.margin_balance
    fell = after.liquidated & ~before.liquidated
    lost = np.where(fell, np.maximum(balance, 0.0), np.where(before.liquidated, 0.0, balance - there))
    total: dict[str, float] = {}
    for wallet in np.flatnonzero(book.exposed & (lost != 0.0)).tolist():
        asset = book.wallets[wallet].asset
        total[asset] = total.get(asset, 0.0) + float(lost[wallet])
    return total


def _assets(account: AccountSnapshot) -> set[str]:
    return {*account.balances, *(position.margin_asset for position in account.positions)}
