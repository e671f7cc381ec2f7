"""One wallet as it would be: many changed copies of it, compiled once and judged side by side.

Only the wallet's own part of the account is compiled, so that a look costs a fraction of a millisecond however
many positions others hold. What is changed is an account (``monitor.core.whatif``); what it means comes from the
formulas and the conditions of every tick.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from monitor.core.book import Book, Bools, Floats
from monitor.core.compile import amend, compile_book, correct, set_rates, table_of
from monitor.core.model import AccountSnapshot, BracketTable, Level, Lot, MarginMode, Position, Side, SubjectKey
from monitor.core.moves import moves_left
from monitor.core.notices import After
from monitor.core.report import after_of
from monitor.core.risk import Readings, evaluate
from monitor.core.rules import Thresholds, compile_thresholds, conditions, leeway
from monitor.core.scene import KnownMoves
from monitor.core.search import Look, first
from monitor.core.settings import EngineSettings
from monitor.core.surroundings import FundsKnown
from monitor.core.wallet_moves import cushion_deltas, cushion_deviations

T = TypeVar("T")
Leg = tuple[str, Side]
_LEVELS = len(Level) - 1
COPIES = 8  # looked at in one go; more take longer than the rounds they save
_MOST_ROWS = 64  # of all copies together
Change = Callable[[AccountSnapshot], AccountSnapshot]  # amounts of a wallet's part of an account


class Case(NamedTuple):
    """A wallet, and what is known around it."""

    account: AccountSnapshot  # whole; it holds the wallet
    wallet: str  # its name, such as ``cross:USDT``
    tables: Mapping[str, BracketTable]  # by symbol, or by ``compile.table_key``
    marks: Mapping[str, float]  # by name: symbols, and rates of collateral (``model.rate_symbols``)
    settings: EngineSettings
    corrections: Mapping[SubjectKey, tuple[float, float]] = {}  # see ``compile.correct``
    lots: Mapping[str, Lot] = {}  # by symbol
    funds: FundsKnown | None = None  # of the account
    moves: KnownMoves | None = None  # None: moves left take no part
    sharers: int = 0  # see ``spare.sharers``
    told_of: Leg | None = None  # whose figures are told while it is open; None: those of the worst position
    hollow: bool | None = None  # whether its room vouches for nothing; None: as the account has it
    judged: Mapping[str, float] | None = None  # marks at which changes are judged; None: at which they are made


class Looked(NamedTuple):
    """What was found about copies; columns are copies, in the order of the changes."""

    readings: Readings
    wallets: list[int]  # of each copy, in the book and the readings of the trial
    hit: Bools  # (8, copies), as ``rules.conditions`` has them
    leeway: Floats  # (8, copies), as ``rules.leeway``
    held: Bools  # (8, copies), of each condition and all below it whether one holds
    least: Floats  # (8, copies), of each condition and all below it the least leeway


Verdict = Callable[[Looked, int], Look]  # on one of the copies


class Trial:
    """Copies of one wallet of an account, at fixed marks: those at which they are changed, or others that follow.

    A wallet that is hollow as it is counts as hollow whatever is changed: a little more in it would let its room
    vouch for it, which ends levels and leaves liquidation where it was.

    Raises:
        BracketError: a symbol of the wallet has no tier table.
    """

    def __init__(self, case: Case, account: AccountSnapshot, copies: int = 1) -> None:
        self.part = part_of(account, case.wallet)
        self.copies = copies  # how many changes can be looked at in one go
        name, wallet = account.account, case.wallet
        tables = {
            symbol: case.tables[table_of(name, symbol, case.tables)]
            for symbol in {p.symbol for p in self.part.positions}
        }
        # The first keeps its name, because settings may be made for it.
        keys = [SubjectKey(name if i == 0 else f"{name}#{i}", wallet) for i in range(copies)]
        accounts = [msgspec.structs.replace(self.part, account=key.account) for key in keys]
        self._book = book = compile_book(accounts, tables)
        self._at = [book.wallet_index[key] for key in keys]
        self._places = [_Places(book, at) for at in self._at]
        marks = case.marks if case.judged is None else case.judged
        self._marks = np.array([marks.get(name, np.nan) for name in book.watched])
        set_rates(book, self._marks)
        self.hollow = bool(book.hollow[self._at[0]]) if case.hollow is None else case.hollow
        self._told_of = case.told_of
        self._correction = case.corrections.get(keys[0])
        self._before = part_of(case.account, wallet)  # what corrections were found with
        self._limits = _spread(compile_thresholds(book, case.settings), self._at[0], len(book.wallets))
        moves = case.moves if self._limits.uses_moves else None
        moves = None if moves is None else moves.of(book.watched)
        self._moves = None if moves is None or np.isnan(moves.typical).all() else moves

    def look(self, changes: Sequence[Change], *, with_moves: bool = True) -> Looked:
        """Return what the wallet would be like after each of these changes, at most as many as there are copies.

        A change gets the wallet's part of the account and returns it with other amounts: no position or asset is
        added to it or taken from it. Without moves, what counts moves left is passed over.
        """
        book = self._book
        changed = [change(self.part) for change in changes]
        rows: dict[int, Position] = {}
        balances: dict[int, float] = {}
        for places, part in zip(self._places, changed, strict=False):
            places.put(part, book, rows, balances)
        amend(book, rows, balances)
        at = self._at[: len(changed)]
        if self._correction is not None:
            less, extra = self._correction
            shares = [_share(self._before, part) for part in changed]
            keys = [book.wallets[wallet].key for wallet in at]
            correct(book, {k: (less * share, extra * share) for k, share in zip(keys, shares, strict=True)})
        if self.hollow:
            book.hollow[at] = True
        readings = evaluate(book, self._marks)
        left = None
        if self._moves is not None and with_moves:
            deltas = cushion_deltas(book, readings)
            deviation = cushion_deviations(book, deltas, self._moves.returns, self._moves.typical)
            left = moves_left(readings.cushion, deviation)
        hit = conditions(book, self._limits, readings, left)[:, at]
        over = leeway(book, self._limits, readings, left)[:, at]
        held, least = np.logical_or.accumulate(hit[::-1])[::-1], np.minimum.accumulate(over[::-1])[::-1]
        return Looked(readings, at, hit, over, held, least)

    def after(self, looked: Looked, copy: int = 0) -> After:
        """Return the figures of one copy that was looked at."""
        row = None if self._told_of is None else self._places[copy].row_of(self._told_of)
        if row is not None and not looked.readings.notional[row] > 0.0:
            row = None  # nothing of it is held then
        return after_of(self._book, looked.readings, looked.wallets[copy], row=row)


class _Places:
    """Where the positions and balances of one copy stand in the columns."""

    def __init__(self, book: Book, wallet: int) -> None:
        self._rows = {(book.positions[row].symbol, book.positions[row].side): row for row in book.rows_of(wallet)}
        first = int(book.wallet_slots[wallet])
        slots = int(np.count_nonzero(book.slot_wallet == wallet))
        self._isolated = book.wallets[wallet].mode is MarginMode.ISOLATED
        self._slots = {book.slot_assets[slot]: slot for slot in range(first, first + slots)}

    def row_of(self, leg: Leg) -> int | None:
        """Return the row of a position; None where it is in another wallet."""
        return self._rows.get(leg)

    def put(
        self, part: AccountSnapshot, book: Book, rows: dict[int, Position], balances: dict[int, float]
    ) -> None:
        """Add what differs from the book to these rows and balances."""
        for position in part.positions:
            row = self._rows[position.symbol, position.side]
            if position is not book.positions[row]:
                rows[row] = position
            if self._isolated:
                balances[self._slots[position.margin_asset]] = position.margin
        if not self._isolated:
            for asset, slot in self._slots.items():
                balances[slot] = part.balances[asset]


class Explored:
    """Changes by number, each looked at once, whichever level is asked about."""

    def __init__(self, trial: Trial, change_of: Callable[[int], Change]) -> None:
        self._trial = trial
        self._change_of = change_of
        self._found: dict[int, tuple[Looked, int]] = {}  # with the copy of each

    def first(self, verdict: Verdict, span: tuple[int, int], looks: Iterable[int]) -> int | None:
        """Return the first number in a span that the verdict holds of, as ``search.first`` has it."""

        def judge(numbers: Sequence[int]) -> list[Look]:
            self._look(numbers)
            return [verdict(*self._found[one]) for one in numbers]

        known = (one for one in self._found if span[0] < one < span[1])
        return first(judge, span, [*looks, *known], self._trial.copies)

    def at(self, number: int, verdict: Verdict) -> Look:
        """Return the verdict on one change."""
        self._look([number])
        return verdict(*self._found[number])

    def seen(self, numbers: Sequence[int]) -> list[tuple[Looked, int]]:
        """Return what is found about changes, with the copy of each."""
        self._look(numbers)
        return [self._found[one] for one in numbers]

    def _look(self, numbers: Sequence[int]) -> None:
        new = [one for one in numbers if one not in self._found]
        for some in batched(new, self._trial.copies):
            looked = self._trial.look([self._change_of(one) for one in some])
            self._found |= {one: (looked, copy) for copy, one in enumerate(some)}

    def after(self, number: int) -> After:
        """Return the figures after a change that was looked at."""
        return self._trial.after(*self._found[number])


def leaving(below: Level) -> Verdict:
    """Return the verdict of whether a level and all that are worse would be left."""
    return lambda looked, copy: Look(left(looked, below, copy), to_leave(looked, below, copy))


def left(looked: Looked, below: Level, copy: int = 0) -> bool:
    """Return whether a copy leaves a level and all that are worse: no condition within the dead band."""
    return not looked.held[_LEVELS + below - 1, copy]


def to_leave(looked: Looked, below: Level, copy: int = 0) -> float:
    """Return by how much a copy leaves a level and all that are worse; below 0 where it does not."""
    return float(looked.least[_LEVELS + below - 1, copy])


def as_it_is(part: AccountSnapshot) -> AccountSnapshot:
    """Return a wallet unchanged."""
    return part


def positions_in(account: AccountSnapshot, wallet: str) -> tuple[Position, ...]:
    """Return the positions of a size above zero in a wallet of an account."""
    return tuple(p for p in account.positions if p.quantity > 0 and account.wallet_of(p) == wallet)


def copies_for(positions: int) -> int:
    """Return how many copies of a wallet with so many positions are best looked at in one go."""
    return max(2, min(COPIES, _MOST_ROWS // max(1, positions)))


def part_of(account: AccountSnapshot, wallet: str) -> AccountSnapshot:
    """Return what of an account is in a wallet: its positions, and the balances that back it.

    Every asset of its positions has a balance in it, of an isolated wallet too: closing pays into that.
    """
    legs = tuple(p for p in account.positions if account.wallet_of(p) == wallet)
    if account.multi_assets and wallet.startswith("cross:"):
        balances = dict(account.balances)
    else:
        own = wallet.removeprefix("cross:")
        balances = {own: account.balances[own]} if own in account.balances else {}
    for leg in legs:
        balances.setdefault(leg.margin_asset, 0.0)
    return msgspec.structs.replace(account, positions=legs, balances=balances)


def _share(before: AccountSnapshot, after: AccountSnapshot) -> float:
    """Return how much of its most lasting position a wallet keeps: so much of a correction stays with it."""
    had = {(p.symbol, p.side): p.quantity for p in before.positions if p.quantity > 0}
    shares = (p.quantity / had[p.symbol, p.side] for p in after.positions if (p.symbol, p.side) in had)
    return max(shares, default=0.0)


def batched(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Return these in groups of at most ``size``."""
    for start in range(0, len(things), size):
        yield things[start : start + size]


def _spread(limits: Thresholds, wallet: int, count: int) -> Thresholds:
    """Return the conditions of one wallet for ``count`` of them."""
    if count == 1:
        return limits

    def column(values: Floats) -> Floats:
        return np.repeat(values[:, wallet : wallet + 1], count, axis=1)

    return replace(
        limits,
        room=column(limits.room), ratio=column(limits.ratio), ratio_room=column(limits.ratio_room),
        moves=column(limits.moves), moves_room=column(limits.moves_room), distance=column(limits.distance),
        joint=column(limits.joint), dwell_s=column(limits.dwell_s), rules=(limits.rules[wallet],) * count,
    )  # fmt: skip
