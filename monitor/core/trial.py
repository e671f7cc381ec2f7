"""One wallet as it would be: many changed copies of it, compiled once and judged side by side.

Only the wallet's own part of the account is compiled, so that a look costs a fraction of a millisecond however
many positions others hold. What is changed is an account (``monitor.core.whatif``); what it means comes from the
formulas and the conditions of every tick.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec
import numpy as np

from monitor.core.book import Bools, Floats
from monitor.core.compile import compile_book, correct, patch, set_rates, table_of
from monitor.core.model import AccountSnapshot, BracketTable, Level, Lot, Position, SubjectKey
from monitor.core.moves import moves_left
from monitor.core.notices import After
from monitor.core.report import number, worst_row
from monitor.core.risk import Readings, evaluate
from monitor.core.rules import Thresholds, compile_thresholds, conditions, leeway
from monitor.core.scene import KnownMoves
from monitor.core.search import Judge, Look
from monitor.core.settings import EngineSettings
from monitor.core.surroundings import FundsKnown
from monitor.core.wallet_moves import cushion_deltas, cushion_deviations

_LEVELS = len(Level) - 1
COPIES = 8  # looked at in one go; more take longer than the rounds they save
_MOST_ROWS = 64  # of all copies together
Change = Callable[[AccountSnapshot], AccountSnapshot]


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


class Looked(NamedTuple):
    """What was found about copies; columns are copies, in the order of the changes."""

    readings: Readings
    wallets: list[int]  # of each copy, in the book and the readings of the trial
    hit: Bools  # (8, copies), as ``rules.conditions`` has them
    leeway: Floats  # (8, copies), as ``rules.leeway``


class Trial:
    """Copies of one wallet of an account, at fixed marks.

    Raises:
        BracketError: a symbol of the wallet has no tier table.
    """

    def __init__(self, case: Case, account: AccountSnapshot, copies: int = 1) -> None:
        self.part = part_of(account, case.wallet)
        name, self._wallet = account.account, case.wallet
        tables = {
            symbol: case.tables[table_of(name, symbol, case.tables)]
            for symbol in {p.symbol for p in self.part.positions}
        }
        # The first keeps its name, because settings may be made for it.
        names = [name, *(f"{name}#{i}" for i in range(1, copies))]
        self._base = [msgspec.structs.replace(self.part, account=one) for one in names]
        self._book = compile_book(self._base, tables)
        self._at = [self._book.wallet_index[SubjectKey(one, case.wallet)] for one in names]
        if (correction := case.corrections.get(SubjectKey(name, case.wallet))) is not None:
            correct(self._book, {SubjectKey(one, case.wallet): correction for one in names})
        self._limits = _spread(compile_thresholds(self._book, case.settings), self._at[0], len(self._book.wallets))
        watched = self._book.watched
        self._marks = np.array([case.marks.get(watch, np.nan) for watch in watched])
        moves = case.moves if self._limits.uses_moves else None
        self._moves = None if moves is None else moves.of(watched)

    @property
    def copies(self) -> int:
        """How many changes can be looked at in one go."""
        return len(self._base)

    @property
    def positions(self) -> tuple[Position, ...]:
        """The wallet's positions."""
        return self.part.positions

    def look(self, changes: Sequence[Change]) -> Looked:
        """Return what the wallet would be like after each of these changes, at most as many as there are copies.

        A change gets the wallet's part of the account and returns it with other amounts: no position or asset is
        added to it or taken from it.
        """
        changed = [change(base) for change, base in zip(changes, self._base, strict=False)]
        book = self._book
        if not patch(book, [*changed, *self._base[len(changed) :]]):
            raise ValueError("a change of a trial adds or removes no position and no asset")
        set_rates(book, self._marks)
        readings = evaluate(book, self._marks)
        left = None
        if self._moves is not None:
            deltas = cushion_deltas(book, readings)
            deviation = cushion_deviations(book, deltas, self._moves.returns, self._moves.typical)
            left = moves_left(readings.cushion, deviation)
        at = self._at[: len(changed)]
        return Looked(
            readings,
            at,
            conditions(book, self._limits, readings, left)[:, at],
            leeway(book, self._limits, readings, left)[:, at],
        )

    def after(self, looked: Looked, copy: int = 0) -> After:
        """Return the figures of one copy that was just looked at."""
        readings, wallet = looked.readings, looked.wallets[copy]
        row = worst_row(self._book, readings, wallet)
        return After(
            margin_ratio=number(readings.margin_ratio[wallet]),
            liquidation_price=None if row is None else number(readings.liquidation_price[row]),
            distance=None if row is None else number(readings.distance[row]),
            room=number(readings.room[wallet]),
        )


def judge_of(trial: Trial, change_of: Callable[[int], Change], verdict: Callable[[Looked, int], Look]) -> Judge:
    """Return a judge of numbers: each is a change of the wallet, and the verdict is about what it becomes."""

    def judge(numbers: Sequence[int]) -> list[Look]:
        found: list[Look] = []
        for some in batched(numbers, trial.copies):
            looked = trial.look([change_of(number) for number in some])
            found += [verdict(looked, i) for i in range(len(some))]
        return found

    return judge


def leaving(below: Level) -> Callable[[Looked, int], Look]:
    """Return the verdict of whether a level and all that are worse would be left."""
    return lambda looked, copy: Look(left(looked, below, copy), to_leave(looked, below, copy))


def left(looked: Looked, below: Level, copy: int = 0) -> bool:
    """Return whether a level and all that are worse would be left: each condition missed by the dead band."""
    return not bool(looked.hit[_LEVELS + below - 1 :, copy].any())


def to_leave(looked: Looked, below: Level, copy: int = 0) -> float:
    """Return by how much a level and all that are worse would be left; below 0 where they are kept."""
    return float(looked.leeway[_LEVELS + below - 1 :, copy].min())


def copies_for(positions: int) -> int:
    """Return how many copies of a wallet with so many positions are best looked at in one go."""
    return max(1, min(COPIES, _MOST_ROWS // max(1, positions)))


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


def batched(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Return these in groups of at most ``size``."""
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


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
