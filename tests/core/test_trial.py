"""Copies of a wallet are judged as the wallet itself would be, and nothing that is asked for raises."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.advice import prescribe
from monitor.core.model import AccountSnapshot, AssetRate, Level, Position
from monitor.core.settings import AlertRules, EngineSettings, RulesOverride
from monitor.core.trial import Case, Change, Trial, as_it_is, part_of, positions_in, to_leave
from monitor.core.trial import left as is_left
from monitor.core.whatif import add_margin, close
from tests.core.builders import BTC, ETH, account, cross, isolated, table
from tests.core.dangers import KINDS, draw_danger
from tests.core.strategies import Seeded, cases
from tests.core.test_advice_property import hits

WILD = st.sampled_from([1e-250, 1e-30, 1e-9, 1.0, 1.0, 1e9, 1e30, 1e250])


def adding(case: Case, asset: str, amount: float) -> Change:
    return lambda part: add_margin(part, case.wallet, amount, asset=asset)


@pytest.mark.parametrize("kind", KINDS)
def test_every_copy_meets_the_conditions_that_the_whole_account_meets(kind: str) -> None:
    """Whatever the other copies are like, and in the order in which they were asked for."""
    source = Seeded(11)
    for _ in range(40):
        case = draw_danger(source, kind).case
        trial = Trial(case, case.account, 3)
        asset = case.account.positions[0].margin_asset
        amounts = [0.0, 0.02 * source.number(0.1, 1.0), 1e6 * source.number(0.1, 1.0)]
        looked = trial.look([adding(case, asset, amount) for amount in amounts])
        changed = [add_margin(case.account, case.wallet, amount, asset=asset) for amount in amounts]
        np.testing.assert_array_equal(looked.hit, np.stack(hits(case, changed), axis=1))
        again = trial.look([as_it_is])
        np.testing.assert_array_equal(again.hit[:, 0], looked.hit[:, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_made_before_prices_move_is_judged_after_they_did(kind: str) -> None:
    """The same wallet, changed at the marks before, looked at where it is judged."""
    source = Seeded(14)
    differ = 0
    for _ in range(40):
        case = draw_danger(source, kind).case
        after = {name: mark * source.number(0.9, 1.1) for name, mark in case.marks.items()}
        position = positions_in(case.account, case.wallet)[0]
        rules, mark = case.settings.advice, case.marks[position.symbol]

        def shorter(part: AccountSnapshot, one: Position = position, at: float = mark) -> AccountSnapshot:
            return close(part, one, one.quantity / 2, at, rules, put_back=True).account  # noqa: B023 - used at once

        early = Trial(case._replace(judged=after), case.account).look([shorter])
        then = Trial(case._replace(marks=after), case.account).look([shorter])
        np.testing.assert_array_equal(early.hit, then.hit)
        differ += early.hit.tolist() != Trial(case, case.account).look([shorter]).hit.tolist()
    assert differ > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_leeway_is_above_zero_where_no_condition_holds(kind: str) -> None:
    """But for the rounding of its own divisions; both happen often, for levels entered and for levels left."""
    source = Seeded(12)
    above = below = 0
    for _ in range(150):
        case = draw_danger(source, kind).case
        looked = Trial(case, case.account).look([as_it_is])
        clear = np.abs(looked.leeway) > 1e-9
        np.testing.assert_array_equal((looked.leeway <= 0)[clear], looked.hit[clear])
        above += int((looked.leeway > 0).sum())
        below += int((looked.leeway <= 0).sum())
    assert min(above, below) > 100


def test_a_level_is_left_with_all_that_are_worse() -> None:
    """At a room of 30 % no condition of warning is within its dead band; notice's is."""
    case = Case(
        account(isolated()), f"isolated:{BTC}:LONG", {BTC: table()}, {BTC: (90 + 2.7) / 0.99}, EngineSettings()
    )
    looked = Trial(case, case.account).look([as_it_is])
    assert is_left(looked, Level.WARNING)
    assert not is_left(looked, Level.NOTICE)
    assert to_leave(looked, Level.WARNING) > 0 > to_leave(looked, Level.NOTICE)


def test_copies_have_the_rules_of_the_account_they_are_copies_of() -> None:
    strict = RulesOverride(AlertRules(dead_band=3.0), account="main")
    case = Case(
        account(isolated()), f"isolated:{BTC}:LONG", {BTC: table()}, {BTC: (90 + 2.7) / 0.99},
        EngineSettings(overrides=(strict,)),
    )  # fmt: skip
    looked = Trial(case, case.account, 2).look([as_it_is, as_it_is])
    assert [is_left(looked, Level.WARNING, copy) for copy in (0, 1)] == [False, False]


def test_only_what_is_in_the_wallet_is_compiled() -> None:
    held = account(isolated(), cross(ETH), isolated(ETH), usdt=7.0)
    assert part_of(held, f"isolated:{BTC}:LONG").positions == (isolated(),)
    assert part_of(held, "cross:USDT").positions == (cross(ETH),)
    assert part_of(held, "cross:USDT").balances == {"USDT": 7.0}
    rates = {"USDT": AssetRate(1.0, 1.0, fixed=True)}
    shared = AccountSnapshot("main", {"USDC": 1.0, "USDT": 2.0}, (cross(ETH),), multi_assets=True, rates=rates)
    assert part_of(shared, "cross:multi").balances == {"USDC": 1.0, "USDT": 2.0}
    assert positions_in(held, "cross:USDT") == (cross(ETH),)
    gone = msgspec.structs.replace(isolated(), quantity=0.0)
    assert positions_in(account(gone), f"isolated:{BTC}:LONG") == ()


@settings(max_examples=30)
@given(case=cases(accounts=1), scale=WILD, price=WILD, funds=WILD)
def test_nothing_raises_and_no_amount_is_infinite(case: object, scale: float, price: float, funds: float) -> None:
    """On any finite account, plausible or absurd, in debt or rich, with hedges and without."""
    drawn = case
    assert isinstance(drawn, tuple)
    (held,), tables, marks = drawn

    def wild(leg: Position) -> Position:
        return msgspec.structs.replace(
            leg, quantity=leg.quantity * scale, entry_price=leg.entry_price * price, margin=leg.margin * funds
        )

    held = msgspec.structs.replace(
        held, positions=tuple(map(wild, held.positions)),
        balances={asset: balance * funds for asset, balance in held.balances.items()},
    )  # fmt: skip
    for wallet in {held.wallet_of(leg) for leg in held.positions}:
        plan = prescribe(Case(held, wallet, tables, marks, EngineSettings()))
        if plan is None:
            continue
        for remedy in plan.remedies:
            numbers = [remedy.add, remedy.lacking]
            for cut in remedy.cuts:
                numbers += [cut.quantity, cut.share, cut.notional, cut.cost, cut.put_back]
            assert all(number is None or (math.isfinite(number) and number >= 0) for number in numbers), remedy
