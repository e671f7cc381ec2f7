"""What an alert says to do is made of the very prices and rates that raised it."""

import pytest

from monitor.core.advice import prescribe
from monitor.core.events import Learnt, Snapshot, Ticks
from monitor.core.model import AccountSnapshot, AssetRate, Level, Lot, Market, Side, Source
from monitor.core.notices import Notice, NoticeKind, Prescription
from monitor.core.settings import EngineSettings
from monitor.core.surroundings import LotsKnown
from monitor.core.trial import Case
from tests.core.builders import BRISK, BTC, Desk, account, cross, table

BID, ASK = "BTCUSD@bid", "BTCUSD@ask"
MULTI = "main/cross:multi"
LOTS = LotsKnown(Market.USDM, {BTC: Lot(0.001, 0.001)})


def backed() -> AccountSnapshot:
    """Return a long of one at 100 dollars, backed by a tenth of a coin that counts 90 to 110."""
    return AccountSnapshot(
        "main",
        {"BTC": 0.1},
        (cross(),),
        multi_assets=True,
        rates={"BTC": AssetRate(90.0, 110.0)},
        source=Source.REST,
    )


def calm() -> Desk:
    desk = Desk()
    desk.step(Learnt(LOTS))
    desk.step(Snapshot(backed()))
    desk.marks(**{BTC: 100.0, BID: 90.0, ASK: 110.0})
    desk.notices.clear()
    return desk


def alert_of(desk: Desk) -> Notice:
    (alert,) = (notice for notice in desk.notices if notice.kind is NoticeKind.ALERT)
    return alert


def plan_of(notice: Notice) -> Prescription:
    assert notice.facts.prescription is not None
    return notice.facts.prescription


def test_an_alert_that_only_a_low_of_collateral_raised_says_what_to_do_at_that_low() -> None:
    """The bid fell and came back within one batch with the price: by the newest rates nothing is to be done."""
    desk = calm()
    desk.step(Ticks((desk.range(BTC, 99.0), desk.range(BID, 90.0, low=20.5), desk.range(ASK, 110.0, low=25.0))))
    alert = alert_of(desk)
    low = {BTC: 99.0, BID: 20.5, ASK: 25.0}
    case = Case(backed(), "cross:multi", {BTC: table()}, low, EngineSettings(rules=BRISK), lots=LOTS.lots)
    assert alert.level is Level.EMERGENCY
    assert alert.facts.margin_balance == pytest.approx(0.1 * 20.5 - 1.0)
    assert plan_of(alert) == prescribe(case)
    assert all(remedy.add for remedy in plan_of(alert).remedies)


def test_what_is_said_later_is_said_at_the_newest_rates() -> None:
    """The low is of one moment: the next look at the same wallet counts collateral as it is."""
    desk = calm()
    desk.step(Ticks((desk.range(BTC, 99.0), desk.range(BID, 90.0, low=20.5), desk.range(ASK, 110.0, low=25.0))))
    now = desk.engine.newest(MULTI, desk.now())
    assert now is not None
    assert now.margin_balance == pytest.approx(0.1 * 90.0 - 1.0)
    assert now.prescription is not None
    assert [remedy.add for remedy in now.prescription.remedies] == [0.0, 0.0]


def test_a_margin_used_up_at_a_low_of_collateral_is_told_with_its_figures() -> None:
    """In a wallet at emergency already: by then the exchange has liquidated it, whatever the rates are now."""
    desk = calm()
    desk.marks(**{BID: 10.8, ASK: 13.2})
    desk.notices.clear()
    desk.step(Ticks((desk.range(BTC, 100.0), desk.range(BID, 10.8, low=8.0), desk.range(ASK, 13.2, low=9.8))))
    alert = alert_of(desk)
    assert alert.facts.liquidatable
    assert alert.facts.margin_balance == pytest.approx(0.1 * 8.0)


def test_an_alert_that_only_one_end_of_a_hedge_raised_says_what_to_do_at_that_end() -> None:
    """A pair's ratio is higher at the end that leaves it more cushion: figures and amounts are of that end."""
    desk = Desk()
    desk.step(Learnt(LOTS))
    legs = (cross(quantity=101.1), cross(side=Side.SHORT, quantity=98.9))
    desk.hold(*legs, usdt=261.0)
    desk.marks(**{BTC: 100.0})
    desk.step(Ticks((desk.range(BTC, 100.0, high=140.0),)))
    alert = alert_of(desk)
    assert (alert.level, alert.facts.mark) == (Level.CRITICAL, 140.0)
    assert alert.facts.margin_ratio == pytest.approx(280.0 / 349.0)
    held = account(*legs, usdt=261.0)
    settings = EngineSettings(rules=BRISK)
    case = Case(held, "cross:USDT", {BTC: table()}, {BTC: 140.0}, settings, lots=LOTS.lots)
    assert plan_of(alert) == prescribe(case)


def test_a_second_fall_of_collateral_is_told_with_its_figures() -> None:
    """Silence of a price keeps the level, although the rates had recovered for long."""
    desk = calm()
    desk.marks(**{BID: 10.8, ASK: 13.2})
    for _ in range(700):
        desk.wait(1.0)
        desk.marks(**{BID: 90.0, ASK: 110.0})
    desk.notices.clear()
    desk.step(Ticks((desk.range(BID, 90.0, low=10.8), desk.range(ASK, 110.0, low=13.2))))
    alert = alert_of(desk)
    assert alert.facts.margin_balance == pytest.approx(0.1 * 10.8)
    assert all(remedy.add for remedy in plan_of(alert).remedies)
