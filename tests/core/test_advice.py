"""What to do about a wallet, worked out by hand; that it holds for everything is in ``test_advice_property``.

The standard position: one BTCUSDT bought at 100 with a margin of 10, maintenance 1 %. At a mark of 91.90 its
balance is 1.90, its maintenance 0.919, its cushion 0.981; margin less maintenance at entry is 9, so its room is
10.9 %.
"""

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from monitor.core import whatif
from monitor.core.advice import prescribe
from monitor.core.model import (
    PAR,
    AccountSnapshot,
    AssetRate,
    BracketTable,
    Level,
    Lot,
    MarginMode,
    Position,
    Side,
    Source,
    SubjectKey,
)
from monitor.core.moves import hourly_deviation
from monitor.core.notices import Prescription
from monitor.core.scene import KnownMoves
from monitor.core.settings import DEFAULT_LEVELS, AdviceRules, AlertRules, EngineSettings, RulesOverride
from monitor.core.surroundings import FundsKnown
from monitor.core.trial import Case
from monitor.errors import BracketError
from tests.core import reference
from tests.core.builders import BTC, ETH, account, cross, isolated, table
from tests.core.dangers import draw_danger
from tests.core.strategies import Seeded, build_table

FREE = EngineSettings(advice=AdviceRules(0.0, 0.0))
STEP = {BTC: Lot(0.001), ETH: Lot(0.001)}
ISOLATED = f"isolated:{BTC}:LONG"
TABLES = {BTC: table(BTC), ETH: table(ETH)}


def case(
    held: AccountSnapshot, wallet: str = ISOLATED, *, settings: EngineSettings = FREE, mark: float = 91.9,
    **more: Any,  # noqa: ANN401 - fields of a case
) -> Case:  # fmt: skip
    return Case(held, wallet, TABLES, {BTC: mark, ETH: mark}, settings, lots=STEP)._replace(**more)


def plan_for(held: AccountSnapshot, wallet: str = ISOLATED, **more: Any) -> Prescription:  # noqa: ANN401
    plan = prescribe(case(held, wallet, **more))
    assert plan is not None
    return plan


def test_margin_is_added_to_the_cent_until_the_room_is_past_the_dead_band() -> None:
    """Warning ends above a room of 25 %: (0.981 + a) / (9 + a) > 0.25 from 1.692 on; notice, 62.5 %: 12.384."""
    warning, notice = plan_for(account(isolated())).remedies
    assert (warning.below, warning.add) == (Level.WARNING, 1.70)
    assert (notice.below, notice.add) == (Level.NOTICE, 12.39)
    assert warning.added is not None
    assert warning.added.room == pytest.approx((0.981 + 1.70) / (9 + 1.70))
    assert warning.added.liquidation_price == pytest.approx((90 - 1.70) / 0.99)


def emptied(usdt: float) -> Case:
    """Return a long of 1 BTC from 50,000 at 50,080 whose gain was taken out; 0.4 % is a typical hourly move."""
    held = account(msgspec.structs.replace(cross(), entry_price=50_000.0), usdt=usdt)
    moves = KnownMoves((BTC,), np.zeros((0, 1)), np.array([0.004]))
    tables = {BTC: build_table(BTC, [(0.0, "0.004")])}
    return Case(held, "cross:USDT", tables, {BTC: 50_080.0}, FREE, lots=STEP, moves=moves)


def test_a_hollow_wallet_is_not_helped_by_room_that_begins_to_vouch_for_it() -> None:
    """5 more, and it would be hollow no longer: no level at 0.7 moves from liquidation. 2.5 are left instead."""
    plan = prescribe(emptied(255.0))
    assert plan is not None
    warning, notice = plan.remedies
    required = 0.004 * 50_080.0
    move = 0.004 * (50_080.0 - required)
    assert warning.add == notice.add == pytest.approx(2.5 * move + required - 80.0 - 255.0, abs=0.01)
    kept = 1.0 - warning.cuts[0].share
    assert (335.0 - kept * required) / (kept * move) == pytest.approx(2.5, rel=0.005)
    assert warning.cuts == notice.cuts


def test_what_was_never_hollow_is_vouched_for_by_its_room() -> None:
    plan = prescribe(emptied(261.0))
    assert plan is not None
    assert [remedy.add for remedy in plan.remedies] == [0.0, 0.0]


def test_levels_that_end_together_take_the_same() -> None:
    """Without a condition of its own, notice ends where warning does."""
    first, *rest = DEFAULT_LEVELS
    alike = AlertRules((msgspec.structs.replace(first, room=None), *rest))  # type: ignore[arg-type]
    warning, notice = plan_for(account(isolated()), settings=EngineSettings(rules=alike)).remedies
    assert (warning.add, warning.cuts) == (notice.add, notice.cuts)
    assert warning.add == 1.70


def test_a_cut_of_an_isolated_position_counts_on_its_margin_being_put_back() -> None:
    """Of q, 10 q of margin and a loss of 8.1 q come out: cushion 0.981 + 0.919 q, beside 9 - 7.1 q.

    (0.981 + 0.919 q) / (9 - 7.1 q) > 0.25 from q = 0.4711 on.
    """
    plan = plan_for(account(isolated()))
    (cut,) = plan.remedies[0].cuts
    assert (cut.symbol, cut.side, cut.quantity) == (BTC, "LONG", 0.472)
    assert cut.share == pytest.approx(0.472)
    assert cut.notional == pytest.approx(0.472 * 91.9)
    assert cut.put_back == pytest.approx(0.472 * 1.9)
    assert cut.cost == 0.0


def test_without_putting_back_a_cut_hardly_moves_anything() -> None:
    """The wallet keeps its share of the margin: the same ratio, the same liquidation price."""
    plan = plan_for(account(isolated()))
    assert plan.alone is not None
    assert plan.alone.room == pytest.approx(0.981 / 9)
    assert plan.alone.liquidation_price == pytest.approx(90 / 0.99)
    after = plan.remedies[0].cut
    assert after is not None
    assert after.liquidation_price is not None
    assert after.liquidation_price < 90 / 0.99 - 1


def test_a_wallet_that_is_closed_whole_has_nothing_beside_it() -> None:
    """Below its maintenance, only all of a position of one step can be closed."""
    plan = plan_for(account(isolated(margin=8.5)), lots={BTC: Lot(1.0, 1.0)})
    (cut,) = plan.remedies[0].cuts
    assert (cut.quantity, cut.share, cut.put_back) == (1.0, 1.0, 0.0)
    assert plan.alone is None
    after = plan.remedies[0].cut
    assert after is not None
    assert after.liquidation_price is None


def test_what_reducing_costs_is_in_it() -> None:
    """Fee and slippage of what is closed, and a larger cut for their sake."""
    dear = EngineSettings(advice=AdviceRules(taker_fee=0.01, slippage=0.01))
    plan = plan_for(account(isolated()), settings=dear)
    (cut,) = plan.remedies[0].cuts
    assert cut.quantity > 0.472
    price = 91.9 * 0.99
    assert cut.cost == pytest.approx(cut.quantity * (91.9 - price + price * 0.01))
    assert (plan.taker_fee, plan.slippage) == (0.01, 0.01)


def test_a_least_quantity_is_kept_to() -> None:
    (cut,) = plan_for(account(isolated()), lots={BTC: Lot(0.001, 0.6)}).remedies[0].cuts
    assert cut.quantity == 0.6


def test_a_step_that_is_not_known_is_assumed_and_said() -> None:
    plan = plan_for(account(isolated()), lots={})
    (cut,) = plan.remedies[0].cuts
    assert plan.assumed_step
    assert cut.quantity == 0.48
    assert not plan_for(account(isolated())).assumed_step


def test_what_already_holds_takes_nothing() -> None:
    """At 92.0 with 20 of margin the room is (11.08) / 19 = 58.3 %: below warning, not below notice."""
    warning, notice = plan_for(account(isolated(margin=20.0)), mark=92.0).remedies
    assert (warning.add, warning.lacking, warning.cuts) == (0.0, 0.0, ())
    assert notice.add == 2.13  # (11.08 + a) / (19 + a) = 0.625 at 2.12, where it still counts
    assert notice.cuts


def test_only_what_is_held_and_known_has_a_remedy() -> None:
    held = account(isolated())
    assert prescribe(case(held, "isolated:ETHUSDT:LONG")) is None
    assert prescribe(case(held, "cross:USDT")) is None
    assert prescribe(case(held)._replace(marks={})) is None
    assert prescribe(case(account(msgspec.structs.replace(isolated(), quantity=0.0)))) is None
    with pytest.raises(BracketError, match=BTC):
        prescribe(case(held)._replace(tables={}))


def test_a_condition_that_nothing_can_miss_has_no_amount() -> None:
    """Room is never above 1: a notice at 90 % with a dead band of 25 % never ends while something is held."""
    first, *rest = DEFAULT_LEVELS
    never = AlertRules((msgspec.structs.replace(first, room=0.9), *rest))  # type: ignore[arg-type]
    notice = plan_for(account(isolated()), settings=EngineSettings(rules=never)).remedies[1]
    assert (notice.add, notice.lacking, notice.added) == (None, None, None)
    assert [cut.share for cut in notice.cuts] == [1.0]


def test_a_wallet_beyond_liquidation_still_has_amounts() -> None:
    """Balance -0.1 at a mark of 89.9; whether the exchange has closed it is for the message to say."""
    warning = plan_for(account(isolated()), mark=89.9).remedies[0]
    # Cushion -0.999: (-0.999 + a) / (9 + a) > 0.25 from 4.332 on.
    assert warning.add == 4.34


# What can be spared


def test_a_typed_in_account_spares_its_balance() -> None:
    plan = plan_for(account(isolated(), usdt=1.0))
    assert (plan.spare, plan.limited_by) == (1.0, "balance")
    assert plan.remedies[0].lacking == 0.70
    assert plan.remedies[1].lacking == 11.39


def test_what_nobody_typed_in_is_not_known() -> None:
    plan = plan_for(account(isolated()))
    assert plan.spare is None
    assert plan.remedies[0].lacking is None


def test_an_account_that_is_followed_spares_nothing_of_what_it_does_not_have() -> None:
    held = msgspec.structs.replace(account(isolated()), source=Source.REST)
    plan = plan_for(held)
    assert (plan.spare, plan.remedies[0].lacking) == (0.0, 1.70)


def test_open_orders_and_what_is_available_bound_it() -> None:
    held = msgspec.structs.replace(account(isolated(), usdt=5.0), source=Source.REST)
    funds = FundsKnown("main", 1, {"USDT": 3.456789}, {"USDT": 1.0})
    assert plan_for(held, funds=funds).spare == 3.45
    assert plan_for(held, funds=funds).limited_by == "available"
    assert plan_for(held, funds=funds).granted
    reserved = FundsKnown("main", 1, {"USDT": 4.9}, {"USDT": 4.5})
    assert plan_for(held, funds=reserved).spare == 0.5
    assert plan_for(held, funds=reserved).limited_by == "balance"
    negative = FundsKnown("main", 1, {"USDT": -1.0})
    assert plan_for(held, funds=negative).spare == 0.0


def test_an_empty_cross_wallet_is_what_bounds_it() -> None:
    """Whatever the exchange says is available of nothing."""
    held = account(isolated(margin=9.0), usdt=0.0)
    plan = plan_for(held, funds=FundsKnown("main", 0, {"USDT": 0.0}))
    assert (plan.spare, plan.limited_by) == (0.0, "balance")


def test_a_cross_wallet_is_not_brought_to_warning_itself() -> None:
    """One ETHUSDT at 91.9 bought at 100, with 30: cushion 30 - 8.1 - 0.919 = 20.981 of 29.

    (20.981 - m) / (29 - m) <= 0.20 from 18.976 on; the balance alone would let 29.081 go.
    """
    plan = plan_for(account(isolated(), cross(ETH), usdt=30.0))
    assert (plan.spare, plan.limited_by) == (18.97, "warning")
    assert not plan.granted  # its leverage, which nobody typed in, keeps some of it
    assert plan_for(account(isolated(), usdt=30.0)).granted


def test_a_cross_wallet_at_warning_spares_nothing() -> None:
    plan = plan_for(account(isolated(), cross(ETH), usdt=10.0))
    assert (plan.spare, plan.limited_by) == (0.0, "warning")


def test_a_cross_wallet_whose_mark_is_not_known_says_nothing() -> None:
    held = account(isolated(), cross(ETH), usdt=30.0)
    plan = prescribe(case(held)._replace(marks={BTC: 91.9}))
    assert plan is not None
    assert plan.spare is None


def test_to_a_cross_wallet_everything_comes_from_outside() -> None:
    plan = plan_for(account(cross(), usdt=10.0), "cross:USDT")
    assert (plan.isolated, plan.spare, plan.alone) == (False, 0.0, None)
    assert (plan.remedies[0].add, plan.remedies[0].lacking) == (1.70, 1.70)
    assert plan.remedies[0].cuts[0].put_back == 0.0


# Several positions


def test_the_position_that_helps_most_for_its_notional_goes_first() -> None:
    """Both against 5 %; the one whose brackets require five times as much frees five times as much."""
    tables = {BTC: table(BTC, 0.01), ETH: table(ETH, 0.05)}
    held = account(cross(BTC), cross(ETH), usdt=18.0)
    plan = plan_for(held, "cross:USDT", mark=95.0, tables=tables)
    assert plan.remedies[0].cuts[0].symbol == ETH


def test_one_is_closed_whole_before_the_next_is_touched() -> None:
    held = account(cross(BTC), cross(ETH, quantity=0.1), usdt=9.8)
    tables = {BTC: table(BTC, 0.01), ETH: table(ETH, 0.05)}
    remedy = plan_for(held, "cross:USDT", mark=92.0, tables=tables).remedies[0]
    assert [(cut.symbol, cut.share == 1.0) for cut in remedy.cuts] == [(ETH, True), (BTC, False)]


def test_a_hedge_is_reduced_on_the_side_that_is_too_large() -> None:
    """Of 3 long and 1 short, falling: less long helps, less short would harm."""
    held = account(cross(quantity=3.0), cross(side=Side.SHORT), usdt=21.0)
    remedy = plan_for(held, "cross:USDT").remedies[0]
    assert [(cut.symbol, cut.side) for cut in remedy.cuts] == [(BTC, "LONG")]
    assert remedy.cuts[0].quantity < 3.0


def test_a_hedge_is_not_opened_to_free_margin() -> None:
    """1 long and 2 short, risen, the margin used up: closing the long first would leave a larger net."""
    held = account(cross(entry=100.0), cross(side=Side.SHORT, quantity=2.0, entry=100.0), usdt=15.0)
    for remedy in plan_for(held, "cross:USDT", mark=112.0).remedies:
        assert (remedy.cuts[0].symbol, remedy.cuts[0].side) == (BTC, "SHORT")


def test_what_is_enough_of_one_side_only_about_where_the_net_is_gone_is_found() -> None:
    """Of 49 short, 46 are enough beside 10 long, and neither 45 nor 48: else both would be closed nearly whole."""
    rows = [(0.0, "0.002"), (50_000.0, "0.003"), (200_000.0, "0.00375"), (400_000.0, "0.005625")]
    held = account(
        cross(side=Side.SHORT, quantity=49.0, entry=1072.19), cross(quantity=10.0, entry=1169.12), usdt=6927.9477
    )
    plan = plan_for(
        held, "cross:USDT", mark=1219.44, tables={BTC: build_table(BTC, rows)}, lots={BTC: Lot(1.0)},
        settings=EngineSettings(),
    )  # fmt: skip
    safe = plan.remedies[1]
    assert [(cut.side, cut.quantity) for cut in safe.cuts] == [("SHORT", 46.0)]


def test_sides_that_are_nearly_as_large_are_reduced_together() -> None:
    """Of 2 and 1.9, no part of one side alone is enough that leaves no larger net: as much is taken off both."""
    held = account(cross(quantity=1.9), cross(side=Side.SHORT, quantity=2.0), usdt=6.0)
    first, second = plan_for(held, "cross:USDT", mark=112.0, lots={BTC: Lot(0.01)}).remedies[0].cuts
    assert (first.side, second.side) == ("SHORT", "LONG")
    assert 0.0 < second.quantity < 1.9
    assert first.quantity - second.quantity == pytest.approx(0.1)


def test_an_override_of_a_symbol_counts_only_while_it_is_held() -> None:
    """ETHUSDT never leaves notice by its own rules; closing it leaves the wallet to the common ones."""
    first, *rest = DEFAULT_LEVELS
    never = AlertRules((msgspec.structs.replace(first, room=0.9), *rest))  # type: ignore[arg-type]
    settings = EngineSettings(advice=AdviceRules(0.0, 0.0), overrides=(RulesOverride(never, symbol=ETH),))
    tables = {BTC: table(BTC, 0.01), ETH: table(ETH, 0.05)}
    held = account(cross(BTC), cross(ETH, quantity=0.01), usdt=60.0)
    notice = plan_for(held, "cross:USDT", settings=settings, tables=tables).remedies[1]
    assert notice.add is None
    assert [(cut.symbol, cut.share) for cut in notice.cuts] == [(ETH, 1.0)]


# Other conditions


def test_moves_left_count_with_the_quantities_that_would_be() -> None:
    """Half a position moves half as much: its moves left double, where margin added would only add to them."""
    returns = np.random.default_rng(1).normal(0.0, 0.002, (200, 2))
    moves = KnownMoves((BTC, ETH), returns, hourly_deviation(returns))
    quiet, lively = plan_for(account(isolated())), plan_for(account(isolated()), moves=moves)
    assert lively.remedies[0].add is not None
    assert quiet.remedies[0].add is not None
    assert lively.remedies[0].add > quiet.remedies[0].add
    deviation = float(moves.typical[0]) * 91.9 * 0.99
    # Warning counts moves up to 2 * 1.25, while the room is at or below 0.6 * 1.25.
    assert lively.remedies[0].add == pytest.approx(2.5 * deviation - 0.981, abs=0.011)


def test_corrections_count_and_shrink_with_what_is_closed() -> None:
    """Of theirs, 0.5 more is maintenance: cushion 0.481, and (0.481 + a) / (9 + a) > 0.25 from 2.359 on."""
    found = {SubjectKey("main", ISOLATED): (0.0, 0.5)}
    plan = plan_for(account(isolated()), corrections=found)
    assert plan.remedies[0].add == 2.36
    # (0.481 + 1.419 q) / (9 - 7.1 q) > 0.25 from q = 0.5539 on.
    assert plan.remedies[0].cuts[0].quantity == 0.554


def test_in_multi_assets_mode_the_asset_of_the_largest_positions_is_added_at_its_rate() -> None:
    """It counts 0.98 each: (0.981 + 0.98 a) / (9 + 0.98 a) > 0.25 from 1.7266 on."""
    rates = {"USDT": AssetRate(0.98, 1.0, fixed=True), "USDC": PAR}
    held = AccountSnapshot("main", {"USDT": 0.0, "USDC": 10.0}, (cross(),), multi_assets=True, rates=rates)
    plan = plan_for(held, "cross:multi", mark=100.0)
    assert plan.asset == "USDT"
    short = msgspec.structs.replace(held, balances={"USDC": 2.0 + 8.1, "USDT": 0.0})
    plan = plan_for(short, "cross:multi")
    assert plan.remedies[0].add is not None
    after = whatif.add_margin(short, "cross:multi", plan.remedies[0].add, asset="USDT")
    assert after.balances["USDT"] == plan.remedies[0].add


def test_contracts_in_coin_are_cut_whole_and_paid_in_millionths() -> None:
    """100 contracts of 100 USD bought at 50,000 with 0.02 BTC, at 46,000: all by the Decimal reference."""
    leg = Position(
        "BTCUSD_PERP", Side.LONG, 100.0, 50_000.0, MarginMode.ISOLATED, "BTC", 0.02, 100.0, inverse=True
    )
    tables = {"BTCUSD_PERP": build_table("BTCUSD_PERP", [(0.0, "0.004"), (5.0, "0.005")])}
    held = AccountSnapshot("main", {"BTC": 0.0}, (leg,))
    plan = prescribe(Case(held, "isolated:BTCUSD_PERP:LONG", tables, {"BTCUSD_PERP": 46_000.0}, FREE))
    assert plan is not None
    assert plan.remedies[0].add is not None

    def room(margin: Decimal) -> Decimal:
        size, entry, mark = Decimal(10_000), Decimal(50_000), Decimal(46_000)
        cushion = margin + size / entry - size / mark - size / mark * Decimal("0.004")
        return cushion / (margin - size / entry * Decimal("0.004"))

    add = Decimal(repr(plan.remedies[0].add))
    assert room(Decimal("0.02") + add) > Decimal("0.25") >= room(Decimal("0.02") + add - Decimal("0.000001"))
    assert plan.remedies[0].cuts[0].quantity == int(plan.remedies[0].cuts[0].quantity)


@pytest.mark.parametrize("kind", ["isolated", "single", "several", "hedge", "cross coin"])
def test_what_is_said_of_the_wallet_afterwards_is_what_the_reference_says(kind: str) -> None:
    """Ratio and room after adding, by 50-digit arithmetic that shares nothing with ours."""
    source, compared = Seeded(77), 0
    while compared < 25:
        drawn = draw_danger(source, kind).case
        plan = prescribe(drawn._replace(corrections={}))
        assert plan is not None
        remedy = plan.remedies[0]
        if not remedy.add or remedy.added is None:
            continue
        held = whatif.add_margin(drawn.account, drawn.wallet, remedy.add, asset=plan.asset)
        tables: dict[str, BracketTable] = dict(drawn.tables)
        wallet = next(one for one in reference.wallets_of(held, tables) if one.name == drawn.wallet)
        marks = [Decimal(drawn.marks[leg.symbol]) for leg in wallet.legs]
        want = reference.assess(wallet.balance, wallet.legs, marks)
        assert want.ratio is not None
        assert remedy.added.margin_ratio == pytest.approx(float(want.ratio.value), rel=1e-6)
        assert remedy.added.room == pytest.approx(float(min(want.room.value, Decimal(1))), rel=1e-6)
        compared += 1
