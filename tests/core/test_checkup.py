"""Habits that lead to liquidations: each is found where it is, only there, and is gone once it was dealt with."""

import math

import msgspec
import pytest

from monitor.core import whatif
from monitor.core.checkup import by_weight, is_unchecked
from monitor.core.compile import compile_book
from monitor.core.looked_at import day_move
from monitor.core.model import (
    AccountSnapshot,
    Lot,
    MarginMode,
    Market,
    Position,
    Side,
    Source,
    SubjectKey,
    WaitingOrder,
)
from monitor.core.notices import Finding, FindingCode, Gap, GapKind
from monitor.core.risk import evaluate
from monitor.core.settings import AdviceRules, CheckupRules
from monitor.core.stops import FAR, Place, stop_price
from tests.core import strategies
from tests.core.builders import BTC, ETH, account, cross, isolated, table
from tests.core.checked import BEGINNER, FAULTS, Case, calm, doing, stop
from tests.core.checker import marks_of
from tests.core.strategies import Seeded

BOOKS = 1000
FINE = {BTC: Lot(0.001, 0.001)}


def test_an_account_without_a_fault_has_no_finding() -> None:
    """Otherwise nobody reads the next one."""
    assert calm().check().findings == ()
    assert calm().check().gaps == ()


def test_every_finding_has_an_account_that_has_it() -> None:
    """A new code needs one."""
    assert set(FAULTS) == set(FindingCode)


@pytest.mark.parametrize("code", FindingCode)
def test_a_fault_is_found_and_nothing_else(code: FindingCode) -> None:
    """Each is a finding of its own."""
    assert FAULTS[code].codes() == [code.value]


@pytest.mark.parametrize("code", FindingCode)
def test_doing_as_it_says_leaves_an_account_without_a_fault(code: FindingCode) -> None:
    """What is proposed is enough, and makes no new fault."""
    case = FAULTS[code]
    assert doing(case.only(), case).codes() == []


@pytest.mark.parametrize("code", FindingCode)
def test_what_is_ignored_is_not_found(code: FindingCode) -> None:
    """Whoever has accepted one need not see it again; others stay."""
    case = FAULTS[code]
    ignoring = msgspec.structs.replace(case.rules, ignore=(code.value,))
    assert case._replace(rules=ignoring).codes() == []
    others = tuple(other.value for other in FindingCode if other is not code)
    assert case._replace(rules=msgspec.structs.replace(case.rules, ignore=others)).codes() == [code.value]


# Stops


def test_a_short_position_is_stopped_above_its_mark() -> None:
    """All is the other way round."""
    held = account(isolated(margin=50.0, side=Side.SHORT), usdt=1000.0)
    case = calm(account=held)
    assert case._replace(orders=(stop(120.0, side=Side.SHORT),)).codes() == []
    assert case._replace(orders=(stop(120.0),)).codes() == ["no_stop"]
    assert case._replace(orders=(stop(149.0, side=Side.SHORT),)).codes() == ["stop_beyond"]
    assert case._replace(orders=(stop(99.0, side=Side.SHORT),)).codes() == ["stop_side"]
    found = case._replace(orders=()).only()
    assert found.side == "SHORT"
    assert found.remedy == pytest.approx(110.0)


def test_each_leg_of_a_hedge_has_its_own_stop() -> None:
    """An order of the SHORT does nothing for the LONG."""
    legs = (isolated(margin=50.0), isolated(margin=50.0, side=Side.SHORT))
    case = calm(account=account(*legs, usdt=1000.0))
    found = case.check().findings
    assert [(one.code.value, one.side) for one in found] == [("no_stop", "SHORT")]
    assert case._replace(orders=(stop(), stop(120.0, side=Side.SHORT))).codes() == []


@pytest.mark.parametrize("kind", ["LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"])
def test_what_takes_a_profit_stops_no_loss(kind: str) -> None:
    """Nor does a plain limit, wherever it stands."""
    assert calm(stop(80.0, kind=kind)).codes() == ["no_stop"]


@pytest.mark.parametrize(
    ("quantities", "expected"),
    [((0.6, 0.4), []), ((0.6, 0.3), ["stop_partial"]), ((0.7, 0.7), []), ((0.1,) * 10, [])],
)
def test_stops_add_up(quantities: tuple[float, ...], expected: list[str]) -> None:
    """Two halves are a whole, whatever binary fractions make of ten tenths."""
    assert calm(*(stop(80.0 - i, quantity=one) for i, one in enumerate(quantities))).codes() == expected


def test_less_than_all_is_enough_where_that_is_wanted() -> None:
    """The share is configurable."""
    case = calm(stop(quantity=0.4))
    assert case.only().value == pytest.approx(0.4)
    assert case._replace(rules=CheckupRules(stop_share=0.4)).codes() == []
    assert case._replace(rules=CheckupRules(stop_share=0.41)).codes() == ["stop_partial"]


def test_a_useless_stop_beside_one_that_covers_all_is_no_finding() -> None:
    """A second line of defence may stand anywhere."""
    assert calm(stop(), stop(50.0)).codes() == []
    assert calm(stop(quantity=0.5), stop(50.0)).codes() == ["stop_beyond"]
    assert calm(stop(quantity=0.5), stop(50.0, quantity=0.2)).codes() == ["stop_beyond", "stop_partial"]


def test_only_what_lies_between_mark_and_liquidation_is_a_stop() -> None:
    """At the liquidation price itself the exchange was first; at the mark it is triggered at once."""
    price = calm(stop(quantity=0.1)).only().liquidation_price
    assert price is not None
    assert calm(stop(price)).codes() == ["stop_beyond"]
    assert calm(stop(math.nextafter(price, math.inf))).codes() == ["stop_tight"]
    assert calm(stop(100.0)).codes() == ["stop_side"]
    assert calm(stop(math.nextafter(100.0, 0.0))).codes() == []


def test_a_stop_has_to_leave_time_to_be_filled_before_liquidation() -> None:
    """Five times fee and slippage as they are assumed, 0.5 % of the liquidation price: both sides of it."""
    price = calm(stop(quantity=0.1)).only().liquidation_price
    assert price is not None
    assert calm(stop(price * 1.00501)).codes() == []
    found = calm(stop(price * 1.00499)).only()
    assert (found.code, found.price) == (FindingCode.STOP_TIGHT, price * 1.00499)
    dear = calm(stop(price * 1.03))._replace(advice=AdviceRules(taker_fee=0.0005, slippage=0.01))
    assert dear.codes() == ["stop_tight"]
    assert dear._replace(orders=(stop(price * 1.06),)).codes() == []
    held = account(isolated(margin=50.0, side=Side.SHORT), usdt=1000.0)
    end = calm(account=held, orders=()).only().liquidation_price
    assert end is not None
    for factor, codes in ((0.99501, ["stop_tight"]), (0.99499, [])):
        assert calm(account=held, orders=(stop(end * factor, side=Side.SHORT),)).codes() == codes


def test_where_leverage_leaves_no_such_room_a_quarter_of_the_way_has_to_do() -> None:
    """At 125x all of the way is less than that; the stop that is proposed, half way, is in its place."""
    case = calm(stop(10.0), account=account(isolated(margin=1.3), usdt=1000.0), typical={BTC: 0.00001})
    found = case.only()
    assert found.liquidation_price is not None
    way = 100.0 - found.liquidation_price
    assert way < 0.5
    assert case._replace(orders=(stop(found.liquidation_price + 0.26 * way),)).codes() == []
    assert case._replace(orders=(stop(found.liquidation_price + 0.24 * way),)).codes() == ["stop_tight"]
    assert found.remedy is not None
    assert case._replace(orders=(stop(found.remedy),)).codes() == []


def test_a_stop_in_its_place_keeps_it_on_the_way_to_it() -> None:
    """No finding appears because the price comes nearer to what is there for that."""
    case = calm(stop(51.0))
    for mark in (100.0, 80.0, 60.0, 52.0, 51.1):
        assert set(case._replace(marks={BTC: mark}).codes()) <= {"near"}


def test_a_typed_in_stop_that_the_price_has_passed_is_said_as_such() -> None:
    """It should have been triggered: perhaps there is nothing left to protect."""
    typed, followed = calm(stop(100.5)), calm(stop(100.5))
    followed = followed._replace(account=msgspec.structs.replace(followed.account, source=Source.REST))
    assert (typed.only().code, typed.only().typed) == (FindingCode.STOP_SIDE, True)
    assert [one.typed for one in followed.check().findings] == [False]


def test_without_a_liquidation_price_every_stop_below_the_mark_counts() -> None:
    """There is nothing that could come first; one is placed a tenth away."""
    held = account(isolated(margin=120.0), usdt=2000.0)
    assert calm(stop(1.0), account=held).codes() == []
    assert calm(stop(120.0, kind="LIMIT"), account=held).only().remedy == 90.0


def test_where_the_margin_is_used_up_that_is_the_one_finding() -> None:
    """A stop would come too late wherever it is, to add for a day's sake is no advice: it is not looked at."""
    held = account(isolated(margin=10.0), usdt=1000.0)
    for mark in (90.0, 50.0):
        case = calm(stop(120.0, kind="LIMIT"), account=held, marks={BTC: mark}, rules=BEGINNER)
        assert case.codes() == ["used_up"]
        assert [(gap.kind, gap.symbols) for gap in case.check().gaps] == [(GapKind.MARGIN, (BTC,))]
        gaps = case.check().gaps
        assert is_unchecked(f"no_stop/main/{BTC}/LONG", gaps)
        assert is_unchecked("exposure/main/USD", gaps)
        assert not is_unchecked("trading_key/main/", gaps)


def test_a_cross_wallet_without_any_margin_left_is_found_though_nothing_can_be_held_against_it() -> None:
    """Shares of nothing are no shares: the wallet is said once, with what is left and what would have to be."""
    legs = (cross(quantity=50.0), cross(quantity=20.0, side=Side.SHORT))
    case = calm(account=account(*legs, usdt=100.0), marks={BTC: 90.0})
    found = case.only()
    assert (found.code, found.wallet, found.symbol) == (FindingCode.USED_UP, "cross:USDT", "")
    assert found.value is not None
    assert found.value <= 0.0
    assert found.limit is not None
    assert found.limit > 0.0


def test_other_wallets_of_the_account_are_checked_but_for_their_share_of_it() -> None:
    """What the account still has, nobody knows before somebody looked at the exchange."""
    gone = isolated(BTC, margin=10.0)
    other = isolated(ETH, margin=50.0)
    tables = {BTC: table(), ETH: table(ETH)}
    marks = {BTC: 50.0, ETH: 100.0}
    typical = {BTC: 0.004, ETH: 0.004}
    stops = (stop(), stop(symbol=ETH))
    case = calm(*stops, account=account(gone, other, usdt=1000.0), tables=tables, marks=marks, typical=typical)
    assert case.codes() == ["used_up"]
    assert case._replace(orders=()).codes() == ["used_up", "no_stop"]
    large = case._replace(account=account(gone, other, usdt=100.0))
    assert large.codes() == ["used_up"]
    assert is_unchecked(f"concentration/main/{ETH}/LONG", large.check().gaps)
    assert not is_unchecked(f"no_stop/main/{ETH}/LONG", large.check().gaps)
    exposed = account(gone, isolated(ETH, quantity=40.0, margin=400.0), usdt=600.0)
    assert "exposure" not in case._replace(account=exposed).codes()


def test_an_account_that_owes_as_much_as_it_has_is_exposed_whatever_it_holds() -> None:
    """Of nothing there is no multiple; a debt in the cross wallet liquidates no isolated position."""
    case = calm(account=account(isolated(margin=50.0), usdt=-50.0))
    found = case.only()
    assert (found.code, found.value, found.remedy) == (FindingCode.EXPOSURE, None, None)
    assert case._replace(account=account(isolated(margin=50.0), usdt=-49.0)).codes() == [
        "exposure",
        "concentration",
    ]
    assert calm(account=account(usdt=-50.0)).codes() == []


def test_a_wallet_is_used_up_where_its_ratio_is_one_and_not_before() -> None:
    """Both sides of its liquidation price."""
    case = calm(stop(95.0), account=account(isolated(margin=10.0), usdt=1000.0))
    price = calm(stop(10.0), account=case.account).check().findings[0].liquidation_price
    assert price is not None
    assert "used_up" not in case._replace(marks={BTC: price * (1 + 1e-9)}).codes()
    assert case._replace(marks={BTC: price * (1 - 1e-9)}).codes() == ["used_up"]


def test_a_trailing_stop_that_has_begun_counts_wherever_it_stands() -> None:
    """The exchange moves it; that it is not known where is no reason to call it useless."""
    assert calm(stop(0.0, kind="TRAILING_STOP_MARKET")).codes() == []
    assert calm(stop(0.0, kind="TRAILING_STOP_MARKET", quantity=0.5)).codes() == ["stop_partial"]


def test_a_stop_limit_that_takes_every_price_up_to_liquidation_is_as_good_as_one_at_market() -> None:
    """What matters is whether it is filled before the exchange comes."""
    assert calm(stop(kind="STOP", limit=50.0)).codes() == []
    assert calm(stop(kind="STOP", limit=51.0)).codes() == ["stop_limit"]


def test_a_part_that_follows_the_last_price_is_said_as_such() -> None:
    """The other part is in order."""
    found = calm(stop(quantity=0.7), stop(79.0, quantity=0.3, on_mark=False)).only()
    assert found.code is FindingCode.STOP_LAST
    assert found.value == pytest.approx(0.7)


def test_that_there_is_no_stop_is_known_without_a_mark() -> None:
    """Where one stands is not."""
    assert calm(stop(120.0, kind="LIMIT"), marks={}).codes() == ["no_stop"]
    blind = calm(stop(50.0), marks={}).check()
    assert blind.findings == ()
    assert [gap.kind for gap in blind.gaps] == [GapKind.MARKS]


@pytest.mark.parametrize("side", Side)
def test_a_proposed_stop_is_round_and_in_its_place(side: Side) -> None:
    """Half way or FAR, rounded towards the mark, with no more digits than it takes; however narrow the way is."""
    source = Seeded(7)
    for _ in range(2000):
        mark = math.pow(10.0, source.number(-4.0, 5.0))
        way = math.pow(10.0, source.number(-9.0, -0.05))
        price = mark * (1.0 - way if side is Side.LONG else 1.0 + way)
        place = Place(side, mark, price)
        proposed = stop_price(place)
        assert proposed is not None
        assert place.loses(proposed)
        assert place.reaches(proposed)
        if way > 0.05:
            assert proposed == float(f"{proposed:.4g}")
            assert abs(abs(proposed / mark - 1.0) - min(way / 2.0, FAR)) <= 2e-3


@pytest.mark.parametrize("side", Side)
def test_a_stop_is_proposed_no_further_away_than_where_nothing_liquidates(side: Side) -> None:
    """Half way to a liquidation price that a low leverage puts far away would be no limit to any loss."""
    sign = -1.0 if side is Side.LONG else 1.0
    without = stop_price(Place(side, 2920.0, None))
    for far in (0.2, 0.5, 0.99, *((1.7, 20.0) if side is Side.SHORT else ())):
        proposed = stop_price(Place(side, 2920.0, 2920.0 * (1.0 + sign * far)))
        assert proposed == without == pytest.approx(2920.0 * (1.0 + sign * FAR), rel=1e-3)
    nearer = stop_price(Place(side, 2920.0, 2920.0 * (1.0 + sign * 0.19)))
    assert nearer == pytest.approx(2920.0 * (1.0 + sign * 0.095), rel=1e-3)


# Leverage and margin


def test_only_a_beginner_is_told_of_leverage() -> None:
    """Who is experienced has chosen it."""
    case = FAULTS[FindingCode.LEVERAGE]
    assert case._replace(rules=CheckupRules()).codes() == []
    assert case.only().value == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("chosen", "margin", "expected"), [(20.0, 20.0, []), (5.0, 19.9, []), (20.0, 10.0, ["leverage"])]
)
def test_leverage_of_an_isolated_position_is_what_its_margin_makes_of_it(
    chosen: float, margin: float, expected: list[str]
) -> None:
    """Margin that was added counts; margin that fees took does not make a higher leverage of a chosen one."""
    held = msgspec.structs.replace(isolated(margin=margin), leverage=chosen)
    assert calm(stop(95.0), account=account(held, usdt=1000.0), rules=BEGINNER).codes() == expected


def test_an_isolated_wallet_that_only_its_gains_keep_has_the_leverage_that_was_chosen() -> None:
    """Fees and funding may take more than its margin: no multiple of that is a leverage."""
    held = msgspec.structs.replace(isolated(margin=-1.0), leverage=20.0)
    case = calm(stop(115.0), account=account(held, usdt=1000.0), marks={BTC: 120.0}, rules=BEGINNER)
    found = case.only()
    assert (found.code, found.value, found.remedy) == (FindingCode.LEVERAGE, 20.0, 21.0)
    assert doing(found, case).codes() == []
    unknown = case._replace(account=account(msgspec.structs.replace(held, leverage=None), usdt=1000.0))
    assert (unknown.only().value, unknown.only().remedy) == (None, 21.0)
    assert doing(unknown.only(), unknown).codes() == []


def test_without_a_chosen_leverage_that_of_a_cross_position_is_the_wallets() -> None:
    """Notional over all that backs it; money in the wallet lowers it."""
    case = calm(stop(95.0), account=account(cross(quantity=2.9), usdt=50.0), rules=BEGINNER)
    found = [one for one in case.check().findings if one.code is FindingCode.LEVERAGE]
    assert [one.value for one in found] == [pytest.approx(5.8)]
    assert "leverage" not in doing(found[0], case).codes()


def test_cross_margin_is_no_fault_where_isolated_would_cap_nothing() -> None:
    """A hedge, a wallet that is hardly more than the margin, no liquidation price, multi-assets mode."""
    leg = msgspec.structs.replace(cross(quantity=20.0), leverage=10.0)
    other = msgspec.structs.replace(leg, side=Side.SHORT, quantity=5.0)
    stops = (stop(), stop(120.0, side=Side.SHORT))
    for held in (
        account(leg, other, usdt=1000.0),
        account(msgspec.structs.replace(leg, leverage=3.0), usdt=1000.0),
        account(msgspec.structs.replace(leg, quantity=9.0), usdt=1000.0),
        msgspec.structs.replace(account(leg, usdt=1000.0), multi_assets=True),
    ):
        assert "cross" not in calm(*stops, account=held).codes()


def test_quote_assets_of_an_account_are_counted_together() -> None:
    """A dollar is a dollar; coins are counted by themselves."""
    held = AccountSnapshot("main", {"USDC": 1000.0, "USDT": 100.0}, (isolated(margin=50.0),))
    assert calm(account=held).codes() == []
    coins = AccountSnapshot("main", {"BTC": 1000.0, "USDT": 100.0}, (isolated(margin=50.0),))
    assert calm(account=coins).codes() == ["concentration"]


def test_a_hedge_exposes_only_what_is_left_of_it() -> None:
    """Two legs of one size lose nothing by a move."""
    legs = (isolated(margin=200.0, quantity=40.0), isolated(margin=200.0, quantity=39.0, side=Side.SHORT))
    stops = (stop(98.0), stop(102.0, side=Side.SHORT))
    assert "exposure" not in calm(*stops, account=account(*legs, usdt=800.0)).codes()


def test_a_typical_day_goes_as_far_as_the_root_of_its_hours() -> None:
    """A log return, up and down; a fall is the smaller fraction."""
    assert day_move(0.01, upward=True) == pytest.approx(math.exp(0.01 * math.sqrt(24)) - 1)
    assert day_move(0.01, upward=False) == pytest.approx(1 - math.exp(-0.01 * math.sqrt(24)))
    found = FAULTS[FindingCode.NEAR].only()
    assert found.limit == day_move(0.02, upward=False)
    assert found.value == pytest.approx(1 - 90 / 0.99 / 100)


def test_prices_that_are_near_only_together_are_found_by_moves_left() -> None:
    """A wallet of several symbols is nearer to its end than any of them."""
    legs = (cross(quantity=10.0), cross(ETH, quantity=10.0))
    held = account(*legs, usdt=900.0)
    case = calm(
        stop(90.0), stop(90.0, symbol=ETH), account=held, marks={BTC: 100.0, ETH: 100.0},
        tables={BTC: table(), ETH: table(ETH)}, typical={BTC: 0.004, ETH: 0.004},
        moves_left={SubjectKey("main", "cross:USDT"): 4.0}, rules=CheckupRules(ignore=("cross",)),
    )  # fmt: skip
    found = case.only()
    assert (found.code, found.wallet, found.symbol) == (FindingCode.NEAR, "cross:USDT", "")
    assert found.value is not None
    assert found.limit == pytest.approx(found.value * math.sqrt(24) / 4.0)
    assert case._replace(moves_left={SubjectKey("main", "cross:USDT"): 5.0}).codes() == []


def test_coin_margined_positions_are_checked_like_others() -> None:
    """In coins, and with contracts as quantities."""
    leg = Position("BTCUSD_PERP", Side.LONG, 100.0, 50_000.0, MarginMode.ISOLATED, "BTC", 0.1, 100.0, inverse=True)
    held = AccountSnapshot("main", {"BTC": 1.0}, (leg,), Market.COINM)
    case = Case(
        held, (stop(40_000.0, symbol="BTCUSD_PERP"),), {"BTCUSD_PERP": table("BTCUSD_PERP", 0.004)},
        {"BTCUSD_PERP": 50_000.0}, {"BTCUSD_PERP": 0.005},
    )  # fmt: skip
    assert case.codes() == []
    assert case._replace(orders=()).codes() == ["no_stop"]
    poorer = case._replace(account=msgspec.structs.replace(held, balances={"BTC": 0.1}))
    found = poorer.only()
    assert (found.code, found.asset) == (FindingCode.CONCENTRATION, "BTC")
    assert found.remedy == math.ceil(found.remedy or 0.5)
    assert doing(found, poorer).codes() == []


# What is not known


def test_what_is_not_known_is_a_gap_and_no_finding() -> None:
    """Nothing found is only worth as much as what was looked at."""
    typed = calm(orders_known=False).check()
    assert typed.findings == ()
    assert typed.gaps == (Gap("main", GapKind.ORDERS, (BTC,), typed=True),)
    followed = calm(account=msgspec.structs.replace(calm().account, source=Source.REST), typical={}).check()
    assert followed.gaps == (Gap("main", GapKind.MOVES, (BTC,)),)
    shared = calm(account=account(cross(quantity=5.0), usdt=1000.0)).check()
    assert shared.gaps == (Gap("main", GapKind.LEVERAGE, (BTC,), typed=True),)


def test_an_entry_price_that_stands_in_for_a_mark_is_none() -> None:
    """What was bought at 100 may be worth anything by now; where its stop stands is not known."""
    blind = calm(stop(50.0), assumed=frozenset({BTC})).check()
    assert (blind.findings, blind.gaps) == ((), (Gap("main", GapKind.MARKS, (BTC,), typed=True),))


def test_orders_that_were_told_long_ago_are_not_known() -> None:
    """They are told every ten minutes; what was true half an hour ago says nothing about now."""
    assert calm(stop(50.0), now_ms=1_800_000).codes() == ["stop_beyond"]
    late = calm(stop(50.0), now_ms=1_800_001).check()
    assert (late.findings, [gap.kind for gap in late.gaps]) == ((), [GapKind.ORDERS])


def test_only_an_isolated_wallet_is_topped_up() -> None:
    """A cross position has nothing that could be."""
    leg = msgspec.structs.replace(cross(quantity=5.0), leverage=3.0, auto_add_margin=True)
    assert calm(account=account(leg, usdt=1000.0)).codes() == []


def test_a_finding_is_not_over_while_it_cannot_be_looked_for() -> None:
    """Missing marks or orders mend nothing."""
    gaps = (Gap("main", GapKind.ORDERS, (BTC,)), Gap("other", GapKind.MARKS, (ETH,)), Gap("third", GapKind.KEY))
    assert is_unchecked(f"no_stop/main/{BTC}/LONG", gaps)
    assert not is_unchecked(f"no_stop/main/{ETH}/LONG", gaps)
    assert not is_unchecked(f"auto_add/main/{BTC}/LONG", gaps)
    assert is_unchecked("exposure/other/USD", gaps)
    assert is_unchecked(f"near/other/{ETH}/SHORT", gaps)
    assert is_unchecked("near/other/cross:USDT", gaps)
    assert not is_unchecked(f"near/other/{BTC}/SHORT", gaps)
    assert is_unchecked("trading_key/third/", gaps)
    assert not is_unchecked("trading_key/main/", gaps)


# Advice that does not undo other advice


def test_a_beginner_is_not_told_to_make_a_position_too_large_a_part_of_the_account() -> None:
    """More margin would bring 20x to 5x, and all of the account into one position: less of it removes both."""
    held = account(isolated(quantity=100.0, margin=500.0), usdt=1400.0)
    rules = msgspec.structs.replace(BEGINNER, most_exposure=9.0)
    case = calm(stop(98.0), account=held, rules=rules, lots=FINE)
    found = case.check().findings
    assert [one.code.value for one in found] == ["leverage", "concentration"]
    assert len({(one.quantity, one.margin) for one in found}) == 1
    (one, _) = found
    # (1 - f) * 2000 = 0.2 * (1900 - f * 10.005), and a cent for rounding.
    assert one.quantity == pytest.approx(81.082, abs=0.001)
    assert one.margin == pytest.approx(378.36, abs=0.01)
    assert case._replace(lots={}).check().findings[0].quantity == 82.0
    for finding in found:
        assert doing(finding, case).codes() == []


def test_where_the_account_can_bear_it_more_margin_is_the_advice() -> None:
    """Nobody has to close what need not be closed: both sides of the share."""
    rules = msgspec.structs.replace(BEGINNER, most_exposure=9.0)
    for usdt, alone in ((9500.1, True), (9499.0, False)):
        case = calm(stop(98.0), account=account(isolated(quantity=100.0, margin=500.0), usdt=usdt), rules=rules)
        found = case.only()
        assert (found.code, found.quantity is None) == (FindingCode.LEVERAGE, alone)
        assert doing(found, case).codes() == []


def test_making_a_position_lighter_takes_nothing_from_the_cross_wallet() -> None:
    """What the rest needs is in its own wallet, a realized loss paid: others may need what is in the other."""
    for entry in (100.0, 103.0, 98.0):
        leg = msgspec.structs.replace(isolated(quantity=100.0, margin=500.0), entry_price=entry)
        rules = msgspec.structs.replace(BEGINNER, most_exposure=9.0)
        case = calm(stop(99.0), account=account(leg, usdt=5000.0), rules=rules, lots=FINE)
        found = next(one for one in case.check().findings if one.code is FindingCode.LEVERAGE)
        assert found.quantity is not None
        assert doing(found, case).account.balances["USDT"] >= 5000.0 - 0.02


def test_what_an_ordinary_day_takes_is_not_added_where_it_would_be_too_large_a_part() -> None:
    """The rest outlasts the day, and is within its share."""
    held = account(isolated(quantity=10.0, margin=80.0), usdt=420.0)
    case = calm(stop(97.0), account=held, typical={BTC: 0.02})
    found = case.only()
    assert found.code is FindingCode.NEAR
    assert found.quantity is not None
    assert doing(found, case).codes() == []


def test_a_lower_leverage_of_a_cross_position_that_takes_more_of_the_account_comes_with_less_of_it() -> None:
    """To choose 5x makes its share larger."""
    leg = msgspec.structs.replace(cross(quantity=20.0), leverage=10.0)
    rules = msgspec.structs.replace(BEGINNER, ignore=("cross",))
    case = calm(stop(70.0), account=account(leg, usdt=1000.0), rules=rules, lots=FINE)
    found = case.only()
    assert (found.code, found.margin) == (FindingCode.LEVERAGE, None)
    assert found.quantity == pytest.approx(10.01, abs=0.02)
    assert doing(found, case).codes() == []


def test_a_cross_position_is_not_to_be_isolated_where_that_is_a_fault_of_its_own() -> None:
    """Within an ordinary day of liquidation, or too large a part of the account; else it is."""
    leg = msgspec.structs.replace(cross(quantity=20.0), leverage=10.0)
    case = calm(stop(95.0), account=account(leg, usdt=1000.0))
    assert case.only().remedy == 10.0
    assert [one.remedy for one in case._replace(typical={BTC: 0.025}).check().findings] == [None]
    large = case._replace(rules=CheckupRules(largest_share=0.19))
    assert [one.remedy for one in large.check().findings if one.code is FindingCode.CROSS] == [None]
    accepted = case._replace(rules=CheckupRules(largest_share=0.19, ignore=("concentration",)))
    assert accepted.only().remedy == 10.0
    bold = case._replace(typical={BTC: 0.025}, rules=CheckupRules(ignore=("near",)))
    assert bold.only().remedy == 10.0


def test_what_is_ignored_bounds_no_advice() -> None:
    """Whoever lives with a large part gets margin to add, with leverage a share to close for."""
    held = account(isolated(quantity=100.0, margin=500.0), usdt=1400.0)
    rules = msgspec.structs.replace(BEGINNER, most_exposure=9.0, ignore=("concentration",))
    case = calm(stop(98.0), account=held, rules=rules, lots=FINE)
    assert (case.only().quantity, case.only().remedy) == (None, 1500.0)
    bold = case._replace(rules=msgspec.structs.replace(rules, ignore=("leverage",)))
    found = bold.only()
    assert (found.code, found.quantity) == (FindingCode.CONCENTRATION, None)
    assert found.remedy == pytest.approx(24.097, abs=0.001)


def test_a_cross_position_is_not_to_be_isolated_where_the_others_of_its_wallet_need_that_margin() -> None:
    """What is left has to outlast a day of any of them, in either direction: both sides of that."""
    leg = msgspec.structs.replace(cross(quantity=20.0), leverage=10.0)
    tables, marks = {BTC: table(), ETH: table(ETH)}, {BTC: 100.0, ETH: 100.0}
    for side in (Side.LONG, Side.SHORT):
        other = msgspec.structs.replace(cross(ETH, side=side, quantity=10.0), leverage=10.0)
        for hourly, expected in ((0.001, 10.0), (0.4, None)):
            case = calm(
                account=account(leg, other, usdt=1000.0), tables=tables, marks=marks,
                typical={BTC: 0.001, ETH: hourly},
            )  # fmt: skip
            found = [one for one in case.check().findings if one.code is FindingCode.CROSS and one.symbol == BTC]
            assert [one.remedy for one in found] == [expected], (side, hourly)


def test_the_leverage_at_which_a_cross_position_would_be_isolated_is_its_own_or_said_to_be_assumed() -> None:
    """Where it is not known, that of the configuration stands in."""
    known = msgspec.structs.replace(cross(quantity=20.0), leverage=10.0)
    (found,) = calm(stop(95.0), account=account(known, usdt=1000.0)).check().findings
    assert (found.remedy, found.assumed) == (10.0, False)
    wide = CheckupRules(largest_share=0.5)
    guess = calm(stop(95.0), account=account(cross(quantity=20.0), usdt=1000.0), rules=wide).only()
    assert (guess.remedy, guess.assumed) == (5.0, True)


# Over accounts of every kind


def _drawn(source: Seeded) -> Case:
    """Return an account with orders, leverages and switches of any sort."""
    whole = strategies.draw_case(source)
    (held,) = whole.accounts
    positions = tuple(
        msgspec.structs.replace(
            leg,
            leverage=source.pick((None, 2.0, 5.0, 20.0)),
            auto_add_margin=source.pick((False, True)),
        )
        for leg in held.positions
    )
    held = msgspec.structs.replace(held, positions=positions)
    orders: list[WaitingOrder] = []
    book = compile_book((held,), whole.tables)
    prices = evaluate(book, marks_of(book, whole.marks)).liquidation_price.tolist()
    ends = {(leg.symbol, leg.side): end for leg, end in zip(book.positions, prices, strict=True) if end > 0.0}
    for leg in positions:
        for _ in range(source.whole(0, 2)):
            price = whole.marks[leg.symbol] * source.number(0.5, 1.5)
            end = ends.get((leg.symbol, leg.side))
            if end is not None and source.whole(0, 3) == 0:
                price = end * source.number(0.996, 1.004)
            kind = source.pick(("STOP_MARKET", "STOP", "TRAILING_STOP_MARKET", "TAKE_PROFIT"))
            quantity = source.pick((None, leg.quantity * source.number(0.2, 1.0)))
            orders.append(
                stop(
                    price, symbol=leg.symbol, side=leg.side, kind=kind, quantity=quantity,
                    on_mark=source.pick((True, False)), limit=price * 0.99 if kind == "STOP" else None,
                )
            )  # fmt: skip
    rules = CheckupRules(
        experience=source.pick(("beginner", "experienced")), stop_share=source.pick((1.0, 0.5)),
        largest_share=source.pick((0.1, 0.2, 0.5)), most_exposure=source.pick((1.0, 3.0)),
    )  # fmt: skip
    typical = {symbol: source.number(0.001, 0.05) for symbol in whole.marks}
    return Case(held, tuple(orders), whole.tables, whole.marks, typical, rules, source.pick((False, True)))


def _can_be_done(finding: Finding) -> bool:
    """Return whether it names what to do: at the very end, and where only several moves count, none does."""
    stops = finding.code.value.startswith(("no_stop", "stop_"))
    needs = (FindingCode.NEAR, FindingCode.CONCENTRATION, FindingCode.CROSS, FindingCode.EXPOSURE)
    return finding.remedy is not None or not (stops or finding.code in needs)


def _belongs(new: Finding, done: Finding, case: Case) -> bool:
    """Return whether a finding that appears was not brought about by doing what another one said.

    It could not be looked for before; a stop has another fault now that it is in its place, or liquidation came
    nearer by making a position isolated, which says so; a wallet that grew safer is more than one position's
    margin; it is of a hedge, whose sides nobody is told to close one by one; another position was at its limit
    already, and fee and slippage of what is closed took it beyond.
    """
    before = case.check()
    if is_unchecked(new.key, before.gaps) or new.code is FindingCode.CROSS:
        return True
    if new.code.value.startswith("stop_"):
        faulty = any(one.symbol == new.symbol and one.code.value.startswith("stop_") for one in before.findings)
        return faulty or done.code is FindingCode.CROSS
    if new.code is FindingCode.CONCENTRATION and new.symbol != done.symbol:
        assert new.value is not None
        assert new.limit is not None
        return new.value < new.limit * 1.01
    return len({leg.side for leg in case.account.positions if leg.symbol == new.symbol}) > 1


def test_doing_as_a_finding_says_removes_it_and_brings_no_other() -> None:
    """Over thousands of accounts of every kind and size; each finding by itself, whatever else is wrong."""
    source = Seeded(20261201)
    seen = dict.fromkeys(FindingCode, 0)
    for _ in range(BOOKS):
        case = _drawn(source)
        found = case.check().findings
        before = {one.key for one in found}
        for finding in found:
            if not _can_be_done(finding):
                continue
            seen[finding.code] += 1
            left = {one.key: one for one in doing(finding, case).check().findings}
            assert finding.key not in left, (finding, case)
            new = [one for key, one in left.items() if key not in before and not _belongs(one, finding, case)]
            assert not new, (new, finding, case)
    assert min(seen.values()) > BOOKS // 50, seen


@pytest.mark.parametrize("quantity", [40.0, 400.0])
def test_closing_what_is_said_brings_exposure_to_its_limit_after_what_that_costs(quantity: float) -> None:
    """Fee and slippage are paid by the margin that the exposure is held against."""
    held = account(cross(quantity=quantity), usdt=20.0 * quantity)
    case = calm(account=held)
    (found,) = (one for one in case.check().findings if one.code is FindingCode.EXPOSURE)
    assert found.remedy is not None
    mark = case.marks[BTC]
    close = whatif.close(held, held.positions[0], found.remedy / mark, mark, AdviceRules())
    after = case._replace(account=close.account).check().findings
    assert FindingCode.EXPOSURE not in {one.code for one in after}


def test_to_add_is_as_much_as_is_lacking_and_costs_nothing() -> None:
    """Fee and slippage are what closing costs: 4,000 of positions at 3x need 1,333.33, and 1,000 is there."""
    case = FAULTS[FindingCode.EXPOSURE]
    found = case.only()
    assert found.margin is not None
    assert found.margin == pytest.approx(4000.0 / 3.0 - 1000.0)
    for amount, left in ((found.margin + 0.01, []), (found.margin - 0.01, [FindingCode.EXPOSURE.value])):
        paid = msgspec.structs.replace(case.account, balances={"USDT": 800.0 + amount})
        assert case._replace(account=paid).codes() == left


@pytest.mark.parametrize("side", Side)
def test_what_a_position_takes_of_its_account_is_what_both_have_left(side: Side) -> None:
    """A loss is in neither of them, and a gain in both: so a part of an account is never more than all of it."""
    sign = 1.0 if side is Side.LONG else -1.0
    for move, share in ((-20.0, 30.0 / 130.0), (0.0, 50.0 / 150.0), (25.0, 75.0 / 175.0)):
        held = account(isolated(margin=50.0, side=side), usdt=100.0)
        mark = 100.0 + sign * move
        found = next(
            one
            for one in calm(account=held, marks={BTC: mark}).check().findings
            if one.code is FindingCode.CONCENTRATION
        )
        assert found.value == pytest.approx(share)


def test_keys_are_unique() -> None:
    """Two findings of one key would be told as one."""
    source = Seeded(4)
    for _ in range(500):
        keys = [finding.key for finding in _drawn(source).check().findings]
        assert len(keys) == len(set(keys))


def test_a_multiple_far_beyond_its_limit_comes_before_what_is_said_of_stops() -> None:
    """At 123 times the margin a move of less than a percent takes all of it; the farthest of them is first."""

    def one(code: FindingCode, value: float | None = None, limit: float | None = None) -> Finding:
        return Finding(f"{code.value}/main", code, "main", value=value, limit=limit)

    used_up, near, stop = one(FindingCode.USED_UP), one(FindingCode.NEAR, 0.01, 0.04), one(FindingCode.NO_STOP)
    little, much = one(FindingCode.EXPOSURE, 6.9, 3.0), one(FindingCode.EXPOSURE, 123.0, 3.0)
    endless = one(FindingCode.EXPOSURE, None, 3.0)
    assert by_weight((little, stop, much, near, endless, used_up)) == (
        used_up, endless, much, near, stop, little,
    )  # fmt: skip
