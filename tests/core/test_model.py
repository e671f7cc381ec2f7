"""Values are frozen, and every event and effect survives JSON."""

import inspect
from types import ModuleType
from typing import Any

import msgspec
import pytest

from monitor.core import events, model, notices, settings, surroundings
from monitor.core.events import (
    AccountState,
    AtRest,
    Away,
    Closes,
    DayKept,
    DayOver,
    DeliveryResult,
    Distrusted,
    Event,
    FeedState,
    Heartbeat,
    Held,
    JobDied,
    Learnt,
    Lifted,
    MarginCall,
    OrderForced,
    Reconciled,
    Restored,
    SettingsChanged,
    Snapshot,
    StoreState,
    StreamState,
    Subscribed,
    TablesChanged,
    Ticks,
    Unsure,
)
from monitor.core.incidents import Effects
from monitor.core.model import (
    AssetRate,
    Bracket,
    BracketTable,
    Change,
    ChangeKind,
    Compared,
    ExchangeFigures,
    Figure,
    ForcedOrder,
    Level,
    Lot,
    MarginCallLeg,
    MarginMode,
    Market,
    MarkRange,
    Position,
    PositionFigures,
    Sample,
    Side,
    Source,
    SubjectKey,
    WaitingOrder,
    WalletFigures,
)
from monitor.core.notices import (
    DataState,
    DayReport,
    Facts,
    Fate,
    Hold,
    HoldKind,
    Notice,
    NoticeKind,
    SubjectState,
    Told,
    Transition,
    WorstAway,
)
from monitor.core.settings import AlertRules, ChannelRule, EngineSettings, RulesOverride
from monitor.core.surroundings import (
    AdlKnown,
    Funding,
    FundingKnown,
    FundsKnown,
    KeyKnown,
    LotsKnown,
    OrdersKnown,
)
from tests.core.builders import ETH, account, cross, isolated, table


def structs_of(module: ModuleType) -> list[type[msgspec.Struct]]:
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, msgspec.Struct) and value.__module__ == module.__name__
    ]


@pytest.mark.parametrize(
    "module", [model, notices, events, settings, surroundings], ids=lambda module: str(module.__name__)
)
def test_every_value_is_frozen(module: ModuleType) -> None:
    """Nobody can change what another part already took."""
    found = structs_of(module)
    assert found
    assert [struct.__name__ for struct in found if not struct.__struct_config__.frozen] == []


STATE = SubjectState(
    "main/cross:USDT",
    Level.WARNING,
    5,
    2,
    Level.CRITICAL,
    7,
    True,
    True,
    told={"phone": Told(Level.WARNING, 4, True, True, "key", 3, True, Level.NOTICE)},
    number=17,
    loud_ms=5,
)
HOLD = Hold(
    "5-snooze", HoldKind.SNOOZE, "symbol:BTCUSDT", 5, 9, "why", "uid 1", {"s": Level.CRITICAL}, 8, "lifted"
)
FACTS = Facts("testnet", "main", "cross:USDT", symbol="1000PEPEUSDT", mark=1e-7, symbols=("BTCUSDT",))
NOTICE = Notice("key", "phone", "s", NoticeKind.CLOSED, Level.OK, Level.CRITICAL, 9, 1, FACTS, 17)
DAY = DayReport(
    positions=1, wallets=2, accounts=3, worst_level=Level.WARNING, worst_subject="main/cross:USDT",
    worst_ratio=0.7, worst_room=None, worst_moves=1.5, worst_at_ms=4, blind_s=5.5, outages=6,
    alerts=7, delivered=8, undelivered=9, holds=10, since_ms=11,
)  # fmt: skip
EVENTS: list[Any] = [
    SettingsChanged(
        EngineSettings(
            overrides=(RulesOverride(AlertRules(dead_band=0.1), account="main"),),
            channels=(ChannelRule("phone", Level.WARNING),),
            accounts=("main",),
        ),
        (table(),),
    ),
    Restored((STATE,), (Fate("main/cross:USDT", "phone", "refused", 4),), (HOLD,), 17, (NOTICE,)),
    Snapshot(account(isolated(), cross(ETH, side=Side.SHORT), usdt=0.1)),
    Ticks((MarkRange("BTCUSDT", 1e5, 99_999.999999, 100_000.1, 1, 2.5, Source.REST),)),
    Subscribed("usdm", ("BTCUSDT",), 1.25),
    FeedState("usdm", "lost", "host", "stalled"),
    DeliveryResult("main/cross:USDT", "key", "phone", True, "why", Level.WARNING),
    Held(HOLD),
    Lifted("all"),
    Unsure("main/cross:USDT", "key", "phone"),
    Closes("BTCUSDT", 60_000, (1e5, 99_999.5)),
    DayOver(1_780_000_000_000),
    DayKept(DAY, 1_780_000_000_001),
    StoreState("state", False, "disk full"),
    Heartbeat(),
    Reconciled(
        msgspec.structs.replace(
            account(cross(), usdt=0.1), multi_assets=True, hedge_mode=True, rates={"BTC": AssetRate(0.9, 1.1)}
        ),
        ExchangeFigures(
            7,
            (PositionFigures(ETH, Side.SHORT, 1e-7, None, 3.5, quotes_liquidation=False),),
            (WalletFigures("cross:multi", {ETH: 0.1}, 1.25, None),),
        ),
    ),
    TablesChanged("main", (table(ETH),)),
    OrderForced("main", "autoclose-1", ETH, Side.LONG, ForcedOrder.ADL, 0.3, 1e5, 8),
    MarginCall("main", 9, (MarginCallLeg(ETH, Side.LONG, 0.1, MarginMode.CROSS, 3.0, 0.01, -7.5),), 0.2),
    AccountState("main", False, "key refused", "make another", True),
    Distrusted("usdm", {ETH: "stuck price"}),
    AtRest("usdm", (ETH,), 12.5),
    StreamState("main", False, "silent"),
    Away(
        1,
        2,
        (WorstAway("main/cross:USDT", Level.WARNING, 60_000, ETH, "LONG", 99.5, 91.0, 0.08, None, 0.5, 0.2),),
        ("BTCUSDT",),
        restarted=True,
    ),
    JobDied("feed-usdm-a", "TypeError", 6, fatal=True),
    Learnt(LotsKnown(Market.USDM, {"BTCUSDT": Lot(0.001, 0.001)})),
    Learnt(FundsKnown("main", 5, {"USDT": 12.5}, {"USDT": 3.0})),
    Learnt(OrdersKnown("main", 5, (ETH,), (WaitingOrder(ETH, Side.LONG, "STOP_MARKET", 1.5, 2.0),))),
    Learnt(AdlKnown("main", 5, {ETH: {Side.LONG: 4}})),
    Learnt(FundingKnown(5, {ETH: Funding(0.0001, 9)})),
    Learnt(KeyKnown("main", True, False)),
]


def test_a_level_is_found_by_its_word_and_by_no_other() -> None:
    """What was never judged has a word that is no level; names as the code writes them are none either."""
    assert [Level.of(level.label) for level in Level] == [*Level]
    assert [Level.of(word) for word in ("unknown", "", "WARNING")] == [None] * 3


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_survives_json(event: Event) -> None:
    """A journal of events holds exactly what happened."""
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event


def test_the_list_of_events_is_complete() -> None:
    """Each kind of event is covered by the test above."""
    assert {type(event) for event in EVENTS} == set(structs_of(events))


def test_effects_survive_json() -> None:
    """What was decided can be written down and compared."""
    effects = Effects(
        subjects=(STATE,),
        gone=("main/cross:BUSD",),
        notices=(NOTICE,),
        withdrawn=(("s", "phone"),),
        transitions=(Transition("s", Level.OK, Level.CRITICAL, 9, 1, FACTS),),
        samples=(Sample(9, "main", "cross:USDT", "", "", "stream", 1, 0.5, 0.4, None, None, None, None, 1, 2, 3),),
        changes=(Change(9, "main", ChangeKind.FORCED, ETH, "LONG", after=0.3, price=0.1, cause="adl"),),
        drifting=(Compared("main", "cross:USDT", ETH, "LONG", Figure.LIQUIDATION_PRICE, None, 0.1, 1e-8, False),),
        holds=(HOLD,),
    )
    assert msgspec.json.decode(msgspec.json.encode(effects), type=Effects) == effects


def test_names_people_read() -> None:
    """Levels, subjects, wallets and tables have one spelling."""
    assert [level.label for level in Level] == ["ok", "notice", "warning", "critical", "emergency"]
    assert str(SubjectKey("main", "cross:USDT")) == "main/cross:USDT"
    assert cross().wallet == "cross:USDT"
    assert isolated(side=Side.SHORT).wallet == "isolated:BTCUSDT:SHORT"
    assert Position("X", Side.LONG, 1, 1, MarginMode.CROSS, "USDC").wallet == "cross:USDC"
    assert table().label == "shipped 2026-09-29"
    assert BracketTable("X", (Bracket(0, 1, 0.1, 0),)).label == "config"
    assert list(DataState) == ["fresh", "suspect", "blind"]
