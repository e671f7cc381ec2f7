"""A remedy is enough, and one step less is not: over thousands of wallets of every kind, judged by another path.

The other path is that of the daemon: the whole account as ``whatif`` changes it, beside another account, compiled
as one book, evaluated, and held against the conditions.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from monitor.core import whatif
from monitor.core.advice import prescribe
from monitor.core.compile import compile_book, correct, set_rates
from monitor.core.layout import QUOTE_ASSETS
from monitor.core.model import AccountSnapshot, Level, Lot, Position, Side, SubjectKey
from monitor.core.moves import moves_left
from monitor.core.notices import Cut, Prescription, Remedy
from monitor.core.risk import evaluate
from monitor.core.rules import compile_thresholds, conditions
from monitor.core.settings import RulesOverride
from monitor.core.steps import assumed_step
from monitor.core.trial import Case
from monitor.core.wallet_moves import cushion_deltas, cushion_deviations
from tests.core.dangers import KINDS, draw_danger
from tests.core.strategies import Seeded, build_table, usdt

# Wallets of each kind; those that cost most are fewer.
EACH = {
    "isolated": 950, "single": 900, "several": 500, "hedge": 600, "isolated coin": 850, "cross coin": 850,
    "multi": 350,
}  # fmt: skip
# How often each must occur, as a share of the wallets: most are in danger at first.
COMMON = {
    "in danger": 0.95, "added": 1.8, "cut": 1.5, "closed whole": 0.03, "least": 0.02, "bound": 0.1, "moves": 0.4,
    "distance": 0.25, "override of account": 0.15, "override of symbol": 0.15, "corrected": 0.15,
}  # fmt: skip
_STEPS = {"fine step": 0.25, "odd step": 0.1, "coarse step": 0.1, "least step": 0.1, "unknown step": 0.1}
RARE = {
    "isolated": {"beside a cross wallet": 0.4, **_STEPS},
    "isolated coin": {"beside a cross wallet": 0.4},
    "single": {"several cuts": 0.1, **_STEPS},
    "several": {"several cuts": 0.5, "pair": 0.3, **_STEPS},
    "hedge": {"in danger": 0.9, "several cuts": 0.5, "pair": 1.0, "both sides": 0.1, **_STEPS},
    "cross coin": {"pair": 0.1},
    "multi": {"several cuts": 0.5, "pair": 0.3, **_STEPS},
}
LEVELS = len(Level) - 1
OTHER = "AAAUSDT"
OTHER_TABLE = build_table(OTHER, [(0.0, "0.01")])
BESIDE = AccountSnapshot("another", {"USDT": 1e4}, (usdt(OTHER, Side.LONG, 1.0, 100.0),))


class Asked(NamedTuple):
    """An account, and whether a level of its wallet is left in it."""

    account: AccountSnapshot
    below: Level
    left: bool
    why: str


def hits(case: Case, changed: Sequence[AccountSnapshot]) -> list[np.ndarray]:
    """Return the conditions of the wallet, shape (8,), in each of these accounts; none where it is gone.

    Each has a name of its own, and the settings that the wallet's has: one book holds all of them beside another
    account. A wallet that is hollow as it is counts as hollow in all of them.
    """
    accounts: list[AccountSnapshot] = []
    overrides: list[RulesOverride] = []
    off: dict[SubjectKey, tuple[float, float]] = {}
    for i, account in enumerate([*changed, case.account]):
        name = f"{account.account}.{i}"
        kept = tuple(p for p in account.positions if p.quantity > 0)
        accounts.append(msgspec.structs.replace(account, account=name, positions=kept))
        overrides += [
            one if one.account is None else msgspec.structs.replace(one, account=name)
            for one in case.settings.overrides
        ]
        off |= {SubjectKey(name, wallet): amounts for wallet, amounts in corrections(case, kept).items()}
    book = compile_book([BESIDE, *accounts], {**case.tables, OTHER: OTHER_TABLE})
    marks = np.array([{**case.marks, OTHER: 101.0}[name] for name in book.watched])
    set_rates(book, marks)
    correct(book, off)
    as_it_is = book.wallet_index[SubjectKey(accounts[-1].account, case.wallet)]
    book.hollow[:] |= book.hollow[as_it_is]
    readings = evaluate(book, marks)
    left = None
    if case.moves is not None:
        at = [case.moves.names.index(name) if name in case.moves.names else 0 for name in book.watched]
        returns, typical = case.moves.returns[:, at], case.moves.typical[at]
        deltas = cushion_deltas(book, readings)
        left = moves_left(readings.cushion, cushion_deviations(book, deltas, returns, typical))
    settings = msgspec.structs.replace(case.settings, overrides=tuple(overrides))
    hit = conditions(book, compile_thresholds(book, settings), readings, left)
    wallets = [book.wallet_index.get(SubjectKey(account.account, case.wallet)) for account in accounts[:-1]]
    return [np.zeros(2 * LEVELS, dtype=np.bool_) if wallet is None else hit[:, wallet] for wallet in wallets]


def answer(case: Case, questions: Sequence[Asked]) -> np.ndarray:
    """Check all questions about a wallet; return the conditions of the first account."""
    found = hits(case, [asked.account for asked in questions])
    for asked, hit in zip(questions, found, strict=True):
        # Each condition of a level and of those above it has to be missed by the dead band.
        assert bool(hit[LEVELS + asked.below - 1 :].any()) is not asked.left, asked.why
    return found[0]


def corrections(case: Case, kept: tuple[Position, ...]) -> dict[str, tuple[float, float]]:
    """Return the case's corrections as the daemon keeps them: the most lasting position takes its share along."""
    had = {(p.symbol, p.side): p.quantity for p in case.account.positions}
    share = max(
        (p.quantity / had[p.symbol, p.side] for p in kept if case.account.wallet_of(p) == case.wallet), default=0.0
    )
    return {key.wallet: (less * share, extra * share) for key, (less, extra) in case.corrections.items()}


def with_margin(case: Case, asset: str, amount: float) -> AccountSnapshot:
    return whatif.add_margin(case.account, case.wallet, amount, asset=asset)


def with_cuts(case: Case, cuts: tuple[tuple[Cut, float], ...]) -> AccountSnapshot:
    """Return the account after cuts of these quantities, one after the other, margin put back."""
    account = case.account
    for cut, quantity in cuts:
        position = next(p for p in account.positions if (p.symbol, p.side.value) == (cut.symbol, cut.side))
        if quantity > 0:
            mark = case.marks[cut.symbol]
            account = whatif.close(account, position, quantity, mark, case.settings.advice, put_back=True).account
            kept = tuple(p for p in account.positions if p.quantity > 0)
            account = msgspec.structs.replace(account, positions=kept)
    return account


def step_less(case: Case, cut: Cut, lots: Mapping[str, Lot], beside: Sequence[Cut] = ()) -> float | None:
    """Return the next smaller quantity that could be closed: 0 for none of it; None below the least there is.

    Of a step that is not known, and of cuts ``beside`` it in turns, the coarser one is assumed for both.
    """
    lot = lots.get(cut.symbol)
    sides = {cut.side, *(other.side for other in beside)}
    legs = (p for p in case.account.positions if p.symbol == cut.symbol and p.side.value in sides)
    step = max(map(assumed_step, legs)) if lot is None else Decimal(repr(lot.step))
    quantity = Decimal(repr(cut.quantity))
    less = (quantity / step).to_integral_value("ROUND_CEILING") * step - step
    if lot is not None and less < Decimal(repr(lot.least)):
        return 0.0 if less <= 0 else None
    return float(less)


def of_adding(case: Case, plan: Prescription, remedy: Remedy, seen: Counter[str]) -> Iterator[Asked]:
    """Yield what has to hold of margin to add."""
    assert remedy.add is not None
    step = Decimal("0.01") if plan.asset in QUOTE_ASSETS else Decimal("0.000001")
    steps = Decimal(repr(remedy.add)) / step
    assert steps == int(steps) > 0, "amounts are whole steps"
    yield Asked(with_margin(case, plan.asset, remedy.add), remedy.below, left=True, why="what is added is enough")
    less = float((int(steps) - 1) * step)
    yield Asked(with_margin(case, plan.asset, less), remedy.below, left=False, why="one step less is not")
    seen["added"] += 1


def of_cutting(case: Case, remedy: Remedy, seen: Counter[str]) -> Iterator[Asked]:
    """Yield what has to hold of quantities to close."""
    assert remedy.cuts
    whole = tuple((cut, cut.quantity) for cut in remedy.cuts)
    yield Asked(with_cuts(case, whole), remedy.below, left=True, why="what is closed is enough")
    if remedy.evenly:  # a step less of those is in ``test_half_way_property``
        seen["in turns"] += 1
        return
    last = remedy.cuts[-1]
    # Both sides of a symbol are reduced together: one step less is one of each.
    ends = 2 if in_turns(case, remedy.cuts[-2:]) else 1
    assert all(cut.share == 1.0 for cut in remedy.cuts[:-ends]), "each but the last closes its position"
    less = [step_less(case, cut, case.lots, remedy.cuts[-ends:]) for cut in remedy.cuts[-ends:]]
    if None in less or (ends > 1 and less[-1] == 0.0):
        seen["least"] += 1
        return
    lesser = tuple((cut, amount or 0.0) for cut, amount in zip(remedy.cuts[-ends:], less, strict=True))
    shorter = with_cuts(case, (*whole[:-ends], *lesser))
    if ends > 1 and nets(shorter).get(last.symbol, 0.0) > nets(case.account)[last.symbol] * (1 + 1e-9):
        seen["least"] += 1  # positions that are no whole steps: a step less of each would be a larger net
        return
    yield Asked(shorter, remedy.below, left=False, why="one step less is not")
    seen["both sides"] += ends > 1
    seen["closed whole" if last.share == 1.0 else "cut"] += 1
    seen["several cuts"] += len(remedy.cuts) > 1


def in_turns(case: Case, cuts: tuple[Cut, ...]) -> bool:
    """Return whether two cuts are of both sides of a symbol, of which one alone would leave a larger net."""
    if len(cuts) != 2 or cuts[0].symbol != cuts[1].symbol:
        return False
    larger, smaller = (held(case, cut) for cut in cuts)
    return smaller > larger - smaller


def held(case: Case, cut: Cut) -> Decimal:
    """Return how much of a cut's position there is."""
    legs = case.account.positions
    return next(Decimal(repr(p.quantity)) for p in legs if (p.symbol, p.side.value) == (cut.symbol, cut.side))


def on_the_way(case: Case, cuts: tuple[Cut, ...]) -> Iterator[AccountSnapshot]:
    """Yield accounts of somebody who follows cuts, some of each at a time."""
    done: tuple[tuple[Cut, float], ...] = ()
    at = 0
    while at < len(cuts):
        some = cuts[at : at + (2 if in_turns(case, cuts[at : at + 2]) else 1)]
        # First what the larger side is reduced by alone, then the same of each.
        net = some[0].quantity - some[1].quantity if len(some) > 1 else 0.0
        for part in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9):
            first = net + (some[0].quantity - net) * part
            yield with_cuts(case, (*done, (some[0], first), *((cut, cut.quantity * part) for cut in some[1:])))
        done += tuple((cut, cut.quantity) for cut in some)
        yield with_cuts(case, done)
        at += len(some)


def nets(account: AccountSnapshot) -> dict[str, float]:
    """Return how much of each symbol is not hedged."""
    found: dict[str, float] = {}
    for p in account.positions:
        found[p.symbol] = found.get(p.symbol, 0.0) + (p.quantity if p.side is Side.LONG else -p.quantity)
    return {symbol: abs(net) for symbol, net in found.items()}


def cushion(case: Case, account: AccountSnapshot) -> float:
    """Return what the wallet has beyond what it must have."""
    book = compile_book([account], case.tables)
    marks = np.array([case.marks[name] for name in book.watched])
    set_rates(book, marks)
    wallet = book.wallet_index.get(SubjectKey(account.account, case.wallet))
    return float("inf") if wallet is None else float(evaluate(book, marks).cushion[wallet])


@pytest.mark.parametrize("kind", ["hedge", "several", "cross coin", "multi"])
def test_somebody_who_stops_half_way_is_no_worse_off_than_before(kind: str) -> None:
    """No symbol's net has grown, nor has the cushion shrunk: the sides of a hedge are not taken apart."""
    source = Seeded(70 + KINDS.index(kind))
    seen: Counter[str] = Counter()
    for _ in range(60):
        case = draw_danger(source, kind).case
        case = case._replace(lots={name: Lot(lot.step) for name, lot in case.lots.items()})
        plan = prescribe(case)
        assert plan is not None
        before, worth = nets(case.account), cushion(case, case.account)
        for remedy in plan.remedies:
            for account in on_the_way(case, remedy.cuts):
                assert all(net <= before[symbol] * (1 + 1e-9) for symbol, net in nets(account).items())
                assert cushion(case, account) >= worth - 1e-7 * max(1.0, abs(worth))
                seen["looks"] += 1
    assert seen["looks"] > 500


@pytest.mark.parametrize("kind", KINDS)
def test_a_remedy_is_enough_and_one_step_less_is_not(kind: str) -> None:
    """For each wallet at warning or worse, below warning and below notice."""
    source = Seeded(KINDS.index(kind))
    seen: Counter[str] = Counter()
    for _ in range(EACH[kind]):
        danger = draw_danger(source, kind)
        case = danger.case
        seen.update(danger.traits)
        plan = prescribe(case)
        assert plan is not None
        questions: list[Asked] = []
        for remedy in plan.remedies:
            calm = (remedy.add, remedy.cuts) == (0.0, ())
            questions.append(Asked(case.account, remedy.below, left=calm, why="what is needed, and only that"))
        for remedy, asked in zip(plan.remedies, tuple(questions), strict=True):
            if not asked.left:
                questions += of_adding(case, plan, remedy, seen)
                questions += of_cutting(case, remedy, seen)
        entered = answer(case, questions)[:LEVELS]
        seen["in danger"] += bool(entered[Level.WARNING - 1 :].any())
        seen["calm"] += not entered.any()
    for trait, least in {**COMMON, **RARE.get(kind, {})}.items():
        assert seen[trait] >= least * EACH[kind], (trait, seen[trait])
    assert sum(EACH.values()) >= 5000
