"""Rates of collateral travel as marks: they move equity with each tick, grow old, and count at their low end."""

import pytest

from monitor.core.audit import audit
from monitor.core.engine import Engine
from monitor.core.events import Snapshot, Ticks
from monitor.core.model import (
    AccountSnapshot,
    AssetRate,
    ExchangeFigures,
    Level,
    Market,
    PositionFigures,
    Side,
    Source,
    WalletFigures,
)
from monitor.core.notices import NoticeKind
from monitor.core.settings import AlertRules, AuditRules, EngineSettings, LevelRule
from tests.core.builders import BTC, PHONE, Desk, cross, table

BID, ASK = "BTCUSD@bid", "BTCUSD@ask"
SUBJECT = "main/cross:multi"


def held() -> AccountSnapshot:
    """Return a long of one at 100 dollars, backed by a tenth of a coin that counts 90 to 110."""
    return AccountSnapshot(
        "main",
        {"BTC": 0.1},
        (cross(),),
        multi_assets=True,
        rates={"BTC": AssetRate(90.0, 110.0)},
        source=Source.REST,
    )


def desk_of(mark: float = 100.0) -> Desk:
    desk = Desk()
    desk.step(Snapshot(held()))
    desk.subscribe(BTC, BID, ASK)
    desk.marks(**{BTC: mark, BID: 90.0, ASK: 110.0})
    return desk


def balance(engine: Engine, desk: Desk) -> float | None:
    return engine.view(desk.now()).wallets[0].margin_balance


def test_a_rate_moves_the_collateral_with_its_tick() -> None:
    """No snapshot, no mark of a contract: the equity follows the bid, and the level with it."""
    desk = desk_of()
    assert set(desk.engine.watched(Market.USDM)) == {BTC, BID, ASK}
    assert balance(desk.engine, desk) == pytest.approx(9.0)
    desk.marks(**{BID: 20.0})
    assert balance(desk.engine, desk) == pytest.approx(2.0)
    desk.marks(**{BID: 11.0})
    assert desk.rows[SUBJECT].level is Level.EMERGENCY


def test_rates_that_coalesced_count_at_their_low_end() -> None:
    """The bid fell through a level and came back between two takes: that is a received crossing."""
    desk = desk_of(95.0)
    before = desk.rows[SUBJECT].level
    desk.step(Ticks((desk.range(BID, 90.0, low=61.0, high=90.0),)))
    assert desk.rows[SUBJECT].level > before
    assert balance(desk.engine, desk) == pytest.approx(4.0)


def test_a_silent_rate_lets_a_level_rise_and_never_fall() -> None:
    """Blindness names the asset's index once, and a gain of the contract proves nothing."""
    desk = desk_of(95.0)
    level = desk.rows[SUBJECT].level
    assert level is not Level.OK
    for _ in range(700):
        desk.wait(1.0)
        desk.marks(**{BTC: 100.0})
    desk.beat(1)
    assert desk.rows[SUBJECT].level is level
    (blind,) = [n for n in desk.notices if n.kind is NoticeKind.BLIND]
    assert blind.facts.symbols == ("BTCUSD index",)
    desk.marks(**{BTC: 92.0})
    assert desk.rows[SUBJECT].level > level


def test_distance_conditions_count_collateral_that_moves_along() -> None:
    """A level at a distance of 8 % is reached while the price with others fixed is farther away than that."""
    far = LevelRule(Level.NOTICE, distance=0.08)
    off = tuple(LevelRule(level) for level in (Level.WARNING, Level.CRITICAL, Level.EMERGENCY))
    desk = Desk()
    desk.configure(
        EngineSettings(accounts=("main",), channels=(PHONE,), rules=AlertRules((far, off[0], off[1], off[2])))
    )
    desk.step(Snapshot(held()))
    desk.marks(**{BTC: 100.0, BID: 90.0, ASK: 110.0})
    (position,) = desk.engine.view(desk.now()).positions
    assert position.distance is not None
    assert position.distance > 0.08
    assert [n.level for n in desk.notices] == [Level.NOTICE]


@pytest.mark.parametrize(("less", "agrees"), [(0.0, True), (0.5, False)])
def test_one_wallet_of_many_assets_is_audited(less: float, *, agrees: bool) -> None:
    """Its equity at bid and ask beside the exchange's, in dollars."""
    position = PositionFigures(BTC, Side.LONG, 100.0, 1.0, 91.0 / 0.99)
    said = ExchangeFigures(5, (position,), (WalletFigures("cross:multi", {BTC: 100.0}, 9.0 - less, 1.0),))
    found = audit(held(), said, {BTC: table()}, AuditRules())
    assert bool(found.drifting) is (not agrees)
    assert sorted(found.corrections.values()) == ([] if agrees else [(0.5, 0.0)])
