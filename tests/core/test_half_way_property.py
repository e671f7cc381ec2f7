"""Somebody who stops half way through cuts across symbols is no worse off: no prefix brings liquidation nearer.

What is left is judged by another path than the search's: the whole account as ``whatif`` changes it, compiled and
evaluated.
"""

import math
from collections import Counter
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from monitor.core.advice import prescribe
from monitor.core.compile import compile_book, correct, set_rates
from monitor.core.evenly import SHARES, Evenly
from monitor.core.model import AccountSnapshot, BracketTable, Lot, MarginMode, Market, Position, Side, SubjectKey
from monitor.core.notices import Remedy
from monitor.core.risk import evaluate
from monitor.core.settings import AdviceRules, EngineSettings
from monitor.core.trial import Case
from tests.core.dangers import draw_danger
from tests.core.strategies import Seeded, build_table
from tests.core.test_advice_property import LEVELS, corrections, hits, in_turns, with_cuts

_PARTS = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.0)


def prefixes(case: Case, remedy: Remedy) -> Iterator[AccountSnapshot]:
    """Yield accounts of somebody who follows cuts in their order; of those in turns the same share of each."""
    cuts, at = remedy.cuts, 0
    while at < len(cuts):
        together = 2 if in_turns(case, cuts[at : at + 2]) else 1
        if remedy.evenly and at == len(cuts) - remedy.evenly:
            together = remedy.evenly
        done = [(cut, cut.quantity) for cut in cuts[:at]]
        for part in _PARTS:
            some = [
                (cut, cut.quantity if part == 1.0 else cut.quantity * part) for cut in cuts[at : at + together]
            ]
            yield with_cuts(case, (*done, *some))
        at += together


def joint_in(case: Case, account: AccountSnapshot) -> float:
    """Return the joint distance of the wallet, at most 1; that where nothing liquidates it or nothing is held."""
    kept = tuple(p for p in account.positions if p.quantity > 0)
    if not any(account.wallet_of(p) == case.wallet for p in kept):
        return 1.0
    book = compile_book([account], case.tables)
    marks = np.array([case.marks[name] for name in book.watched])
    set_rates(book, marks)
    off = corrections(case, kept)
    correct(book, {SubjectKey(account.account, wallet): amounts for wallet, amounts in off.items()})
    readings, wallet = evaluate(book, marks), book.wallet_index[SubjectKey(account.account, case.wallet)]
    joint = float(readings.joint_distance[wallet])
    return 1.0 if math.isnan(joint) else min(joint, 1.0)


def is_worse_on_the_way(case: Case, remedy: Remedy) -> bool:
    joint = joint_in(case, case.account)
    return any(joint_in(case, account) < joint * (1 - 1e-7) for account in prefixes(case, remedy))


def coins(source: Seeded) -> Case:
    """Return a coin-margined wallet of contracts of several deliveries, long, short or both, little of it left."""
    case = draw_danger(source, "cross coin").case
    mark = case.marks["BTCUSD_PERP"]
    tables, marks = dict(case.tables), dict(case.marks)
    legs: list[Position] = []
    for name in ("BTCUSD_PERP", "BTCUSD_261225", "BTCUSD_270326"):
        leg = source.pick(case.account.positions)
        tables[name] = msgspec.structs.replace(case.tables["BTCUSD_PERP"], symbol=name)
        marks[name] = mark * source.number(0.99, 1.01)
        side = source.pick((Side.LONG, Side.SHORT))
        quantity = float(max(1, round(leg.quantity * source.number(0.1, 2.0))))
        legs.append(msgspec.structs.replace(leg, symbol=name, side=side, quantity=quantity, entry_price=mark))
    held = msgspec.structs.replace(case.account, positions=tuple(legs), hedge_mode=True)
    book = compile_book([held], tables)
    now = evaluate(book, np.array([marks[name] for name in book.watched]))
    needed = float(now.maintenance_margin[0]) * source.number(0.05, 0.5) - float(now.cushion[0])
    balances = {"BTC": held.balances["BTC"] + needed}
    return case._replace(
        account=msgspec.structs.replace(held, balances=balances), tables=tables, marks=marks, corrections={},
        lots={name: Lot(1.0, 1.0) for name in tables}, moves=None,
        settings=EngineSettings(advice=case.settings.advice),
    )  # fmt: skip


def many(source: Seeded) -> Case:
    """Return a wallet of five to twelve symbols, mostly on one side, on none or on either."""
    count, share = source.whole(5, 12), source.pick((0.0, 0.3, 0.5, 1.0))
    legs: list[Position] = []
    tables: dict[str, BracketTable] = {}
    marks: dict[str, float] = {}
    gained = required = 0.0
    for i in range(count):
        symbol, mark = f"C{i:02}USDT", 10.0 ** source.number(-1.0, 4.0)
        side = Side.SHORT if source.number(0.0, 1.0) < share else Side.LONG
        quantity = float(f"{source.number(2e3, 3e4) / mark:.4g}")
        entry = mark * source.number(0.94, 1.05)
        mmr = source.pick(("0.004", "0.01", "0.025"))
        tables[symbol], marks[symbol] = build_table(symbol, [(0.0, mmr)]), mark
        legs.append(Position(symbol, side, quantity, entry, MarginMode.CROSS, "USDT"))
        gained += quantity * (mark - entry) * (1.0 if side is Side.LONG else -1.0)
        required += quantity * mark * float(mmr)
    held = AccountSnapshot("main", {"USDT": required * source.number(0.8, 1.6) - gained}, tuple(legs), Market.USDM)
    return Case(held, "cross:USDT", tables, marks, EngineSettings())


def drawn(source: Seeded, kind: str) -> Case:
    if kind == "coins":
        return coins(source)
    return many(source) if kind == "many" else draw_danger(source, kind).case


@pytest.mark.parametrize("kind", ["several", "multi", "coins", "many"])
def test_no_prefix_of_the_cuts_brings_liquidation_nearer_unless_that_is_said(kind: str) -> None:
    """The joint distance is not below what it was; that it could not be avoided is rare, and true.

    Every other wallet's markets are so thin that closing costs more than it frees.
    """
    source = Seeded(400 + len(kind))
    seen: Counter[str] = Counter()
    for i in range(100):
        case = drawn(source, kind)
        if i % 2:
            settings = msgspec.structs.replace(case.settings, advice=AdviceRules(0.0005, source.number(0.0, 0.01)))
            case = case._replace(settings=settings)
        plan = prescribe(case)
        assert plan is not None
        if len({p.symbol for p in case.account.positions}) == 1:
            continue
        for remedy in plan.remedies:
            assert is_worse_on_the_way(case, remedy) is remedy.nearer
            seen["remedies"] += bool(remedy.cuts)
            seen["nearer"] += remedy.nearer
            seen["evenly"] += remedy.evenly > 0
    assert seen["remedies"] > 150
    assert seen["nearer"] <= 0.03 * seen["remedies"]
    assert seen["evenly"] <= 0.1 * seen["remedies"]


def neutral(source: Seeded) -> Case:
    """Return a wallet of as much LONG as SHORT in different symbols, whose prices have gone apart."""
    tables: dict[str, BracketTable] = {}
    marks: dict[str, float] = {}
    legs: list[Position] = []
    worth = 10.0 ** source.number(3.0, 5.0)
    both = (Side.LONG, Side.SHORT)
    for i, side in enumerate(source.pick((both, both, (*both, Side.SHORT), both * 2, both * 4))):
        symbol, mark = f"C{i}USDT", 10.0 ** source.number(-1.0, 4.0)
        tables[symbol], marks[symbol] = build_table(symbol, [(0.0, source.pick(("0.004", "0.01")))]), mark
        quantity = float(f"{worth * source.number(0.95, 1.05) / mark:.5g}")
        entry = mark * (1.05 if side is Side.LONG else 0.96)
        legs.append(Position(symbol, side, quantity, entry, MarginMode.CROSS, "USDT"))
    held = AccountSnapshot("main", {"USDT": len(legs) * worth * source.number(0.055, 0.06)}, tuple(legs))
    return Case(held, "cross:USDT", tables, marks, EngineSettings())


def test_where_all_are_reduced_in_turns_a_thousandth_less_of_each_is_not_enough() -> None:
    """Where each holds against the others, no one is closed; and the shares are the first that are enough."""
    source = Seeded(7)
    seen: Counter[str] = Counter()
    for _ in range(60):
        case = neutral(source)
        plan = prescribe(case)
        assert plan is not None
        for remedy in plan.remedies:
            assert is_worse_on_the_way(case, remedy) is remedy.nearer
            if not remedy.evenly or remedy.evenly < len(remedy.cuts):
                continue
            legs = {(p.symbol, p.side.value): p for p in case.account.positions}
            evenly = Evenly([legs[cut.symbol, cut.side] for cut in remedy.cuts], case.lots)
            told = tuple(cut.quantity for cut in remedy.cuts)
            shares = next(shares for shares in range(1, SHARES) if evenly.quantities(shares) == told)
            less = tuple(zip(remedy.cuts, evenly.quantities(shares - 1), strict=True))
            found = hits(
                case, [with_cuts(case, less), with_cuts(case, tuple(zip(remedy.cuts, told, strict=True)))]
            )
            assert [bool(hit[LEVELS + remedy.below - 1 :].any()) for hit in found] == [True, False]
            seen["evenly"] += 1
    assert seen["evenly"] > 20
