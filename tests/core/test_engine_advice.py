"""Alerts and reminders say what to do, at the marks they tell of; doing it ends the level."""

from collections.abc import Sequence

import msgspec
import pytest

from monitor.core.advice import prescribe
from monitor.core.counsel import ASIDE, AT_ONCE, EVERY_S, Allowance
from monitor.core.events import Event, Heartbeat, Learnt, MarginCall, SettingsChanged, Snapshot, Ticks
from monitor.core.model import Level, Lot, MarginCallLeg, MarginMode, Market, Side, Source, SubjectKey
from monitor.core.notices import Notice, NoticeKind, Prescription
from monitor.core.settings import AdviceRules, ChannelRule, EngineSettings
from monitor.core.surroundings import FundsKnown, LotsKnown
from monitor.core.trial import Case
from tests.core.builders import (
    BRISK,
    BTC,
    ETH,
    PHONE,
    SUBJECT,
    Desk,
    account,
    cross,
    followed,
    isolated,
    mark_at,
    plain,
    table,
)

ALERT, REMINDER, CLOSED = NoticeKind.ALERT, NoticeKind.REMINDER, NoticeKind.CLOSED
LOTS = LotsKnown(Market.USDM, {BTC: Lot(0.001, 0.001)})


def holding(*, usdt: float | None = None, channels: Sequence[ChannelRule] = (PHONE,)) -> Desk:
    """Return a desk with the standard position, seen well."""
    desk = Desk(channels=channels)
    desk.step(Learnt(LOTS))
    desk.hold(isolated(), usdt=usdt)
    desk.room(0.9)
    return desk


def last(desk: Desk, kind: NoticeKind = ALERT) -> Notice:
    return [notice for notice in desk.notices if notice.kind is kind][-1]


def plan_of(notice: Notice) -> Prescription:
    assert notice.facts.prescription is not None
    return notice.facts.prescription


def plan_of_case(case: Case) -> Prescription:
    plan = prescribe(case)
    assert plan is not None
    return plan


@pytest.mark.parametrize(
    ("room", "level"), [(0.19, Level.WARNING), (0.09, Level.CRITICAL), (0.05, Level.EMERGENCY)]
)
def test_an_alert_of_warning_and_worse_says_what_to_do(room: float, level: Level) -> None:
    desk = holding()
    desk.room(room)
    alert = last(desk)
    assert alert.level is level
    assert [remedy.below for remedy in plan_of(alert).remedies] == [Level.WARNING, Level.NOTICE]
    assert not plan_of(alert).assumed_step


def test_a_notice_says_nothing_of_it_and_neither_does_an_end() -> None:
    desk = holding()
    desk.room(0.45)
    assert last(desk).facts.prescription is None
    desk.room(0.05)
    desk.stay(1300, 0.95)
    assert last(desk, CLOSED).facts.prescription is None


def test_amounts_are_those_at_the_marks_of_the_same_message() -> None:
    """Of ticks that were taken as one, the lowest raised the level; by the newest there is less to do."""
    desk = holding()
    low, newest = mark_at(0.05), mark_at(0.3)
    desk.step(Ticks((desk.range(BTC, newest, low=low),)))
    alert = last(desk)
    assert (alert.level, alert.facts.mark) == (Level.EMERGENCY, low)
    held = account(isolated())
    settings = EngineSettings(rules=BRISK)
    case = Case(held, f"isolated:{BTC}:LONG", {BTC: table()}, {BTC: low}, settings, lots=LOTS.lots)
    assert plan_of(alert) == prescribe(case)
    assert plan_of(alert) != prescribe(case._replace(marks={BTC: newest}))


def test_a_reminder_says_it_anew() -> None:
    desk = holding()
    desk.room(0.05)
    first = plan_of(last(desk))
    desk.stay(200, 0.06)
    again = plan_of(last(desk, REMINDER))
    assert again != first
    assert last(desk, REMINDER).facts.room == pytest.approx(0.06)


def test_a_channel_that_is_drawn_in_later_is_told_as_well() -> None:
    siren = ChannelRule("siren", min_level=Level.EMERGENCY, escalation=True)
    desk = holding(channels=(PHONE, siren))
    desk.room(0.09)
    desk.stay(700, 0.09)
    drawn = [notice for notice in desk.notices if notice.channel == "siren"]
    assert drawn
    assert all(plan_of(notice).remedies for notice in drawn)


def test_adding_what_is_said_ends_the_level() -> None:
    """Below warning after warning's dwell time, at an unchanged mark."""
    desk = holding()
    desk.room(0.12)
    add = plan_of(last(desk)).remedies[0].add
    assert add is not None
    desk.hold(isolated(margin=10.0 + add))
    for _ in range(310):
        desk.wait(1.0)
        desk.room(0.12)
        desk.step(Heartbeat())
    assert desk.rows[SUBJECT].level is Level.NOTICE
    desk.hold(isolated(margin=10.0 + add - 0.01))
    assert desk.rows[SUBJECT].level is Level.NOTICE, "a cent less is not enough to leave, and enough not to enter"


def test_reducing_and_putting_back_what_is_said_ends_the_level() -> None:
    desk = holding()
    desk.room(0.12)
    (cut,) = plan_of(last(desk)).remedies[0].cuts
    kept = 10.0 * (1.0 - cut.quantity)
    desk.hold(isolated(quantity=1.0 - cut.quantity, margin=kept + cut.put_back))
    for _ in range(310):
        desk.wait(1.0)
        desk.room(0.12)
        desk.step(Heartbeat())
    assert desk.rows[SUBJECT].level is Level.NOTICE


def test_reducing_alone_leaves_an_isolated_wallet_where_it_is() -> None:
    desk = holding()
    desk.room(0.12)
    (cut,) = plan_of(last(desk)).remedies[0].cuts
    desk.hold(isolated(quantity=1.0 - cut.quantity, margin=10.0 * (1.0 - cut.quantity)))
    for _ in range(310):
        desk.wait(1.0)
        desk.room(0.12)
        desk.step(Heartbeat())
    assert desk.rows[SUBJECT].level is Level.WARNING


def test_what_is_available_is_known_once_it_was_learnt() -> None:
    desk = Desk()
    desk.step(Snapshot(followed(isolated(), usdt=5.0)))
    desk.room(0.9)
    desk.step(Learnt(FundsKnown("main", 1, {"USDT": 0.5})))
    desk.room(0.12)
    plan = plan_of(last(desk))
    assert (plan.spare, plan.limited_by) == (0.5, "available")
    assert plan.assumed_step


def test_what_was_available_long_ago_is_not_known_any_more() -> None:
    """The exchange tells it with every description of the account; where it does not, ten minutes are believed."""
    desk = Desk()
    desk.step(Snapshot(followed(isolated(), usdt=5.0)))
    desk.step(Learnt(FundsKnown("main", desk.wall_ms, {"USDT": 0.5})))
    for seconds, spare, limited_by in ((599, 0.5, "available"), (2, 5.0, "balance")):
        desk.stay(seconds, 0.9)
        desk.wait(0.5)
        desk.room(0.12)
        assert (plan_of(last(desk)).spare, plan_of(last(desk)).limited_by) == (spare, limited_by)
        desk.stay(310, 0.9)


def test_what_can_be_spared_is_what_is_there_now() -> None:
    """The cross wallet holds the same symbol: what it can lose is not judged at a low that has passed."""
    desk = Desk()
    desk.hold(isolated(), cross(), usdt=30.0)
    desk.room(0.9)
    desk.step(Ticks((desk.range(BTC, mark_at(0.8), low=mark_at(0.05)),)))
    calm = Case(
        account(isolated(), cross(), usdt=30.0), f"isolated:{BTC}:LONG", {BTC: table()}, {BTC: mark_at(0.8)},
        EngineSettings(rules=BRISK),
    )  # fmt: skip
    there = prescribe(calm)
    assert there is not None
    mine = [notice for notice in desk.notices if notice.subject == SUBJECT][-1]
    assert plan_of(mine).spare == there.spare


# The exchange's own warning


def legs(**maintenance: float) -> tuple[MarginCallLeg, ...]:
    """Return legs of one wallet: an isolated one alone, cross ones together; one of each symbol, bought at 100."""
    mode = MarginMode.ISOLATED if len(maintenance) == 1 else MarginMode.CROSS
    margin = 10.0 if len(maintenance) == 1 else 0.0
    return tuple(
        MarginCallLeg(symbol, Side.LONG, 1.0, mode, 91.5, required, -8.5, margin)
        for symbol, required in maintenance.items()
    )


def called(desk: Desk, *about: MarginCallLeg) -> Notice:
    desk.notices.clear()
    desk.step(MarginCall("main", 5, about))
    return last(desk, NoticeKind.MARGIN_CALL)


def test_what_a_call_says_to_do_is_enough_by_its_own_figures() -> None:
    """They rule from then on: by ours alone it would be too little to end the level that they bring."""
    desk = Desk()
    desk.step(Learnt(LOTS))
    desk.follow(isolated(), source=Source.REST)
    desk.marks(**{BTC: 91.5})
    desk.wait(60.0)
    told = called(desk, *legs(BTCUSDT=1.0))
    key = SubjectKey("main", f"isolated:{BTC}:LONG")
    corrections = desk.engine.present().corrections
    assert corrections[key][1] == pytest.approx(1.0 - 0.915)
    case = Case(
        followed(isolated()), key.wallet, {BTC: table()}, {BTC: 91.5}, EngineSettings(rules=BRISK), corrections,
        LOTS.lots,
    )  # fmt: skip
    assert told.facts.corrected
    assert plan_of(told).remedies == plan_of_case(case).remedies
    assert plan_of(told).remedies != plan_of_case(case._replace(corrections={})).remedies


def test_a_call_about_several_positions_of_a_wallet_has_amounts() -> None:
    """It is one message about the wallet, for which they are made once."""
    desk = Desk()
    desk.follow(cross(), cross(ETH), usdt=20.0, source=Source.REST)
    desk.marks(**{BTC: 92.5, ETH: 92.5})
    desk.wait(60.0)
    told = called(desk, *legs(BTCUSDT=0.925, ETHUSDT=0.925))
    assert told.facts.wallet == "cross:USDT"
    assert plan_of(told).remedies


def test_a_call_that_is_not_told_again_takes_no_amounts_from_what_is() -> None:
    """The exchange repeats its call while it holds."""
    desk = Desk()
    desk.follow(isolated(), isolated(ETH), source=Source.REST)
    desk.marks(**{BTC: 91.5, ETH: 99.0})
    desk.wait(60.0)
    called(desk, *legs(BTCUSDT=0.915))
    desk.wait(60.0)
    desk.step(MarginCall("main", 6, legs(BTCUSDT=0.915)))
    desk.marks(**{ETH: 92.5})
    assert last(desk).facts.symbol == ETH
    assert plan_of(last(desk)).remedies


# Many at once


def test_wallets_that_could_take_the_same_money_say_so() -> None:
    """What the account can spare is there once: one of two in danger knows of the other."""
    desk = Desk()
    desk.step(Learnt(LOTS))
    desk.hold(isolated(), isolated(ETH), usdt=2.0)
    desk.step(Ticks((desk.range(BTC, mark_at(0.9)), desk.range(ETH, mark_at(0.9)))))
    desk.step(Ticks((desk.range(BTC, mark_at(0.15)),)))
    alone = plan_of(last(desk))
    assert (alone.spare, alone.sharers) == (2.0, 0)
    desk.wait(EVERY_S)
    desk.step(Ticks((desk.range(ETH, mark_at(0.15)),)))
    second = plan_of(last(desk))
    assert (second.spare, second.sharers) == (2.0, 1)


def crowd(count: int, *, deliver: bool = True) -> Desk:
    """Return a desk of as many like wallets, each with a margin of its own, seen well."""
    names = [f"a{i:02d}" for i in range(count)]
    desk = Desk(accounts=names, deliver=deliver)
    for i, name in enumerate(names):
        desk.hold(isolated(margin=10.0 + 0.01 * i), name=name)
    desk.room(0.9)
    desk.notices.clear()
    return desk


def test_of_many_that_rise_at_once_the_worst_say_it() -> None:
    """An alert must not wait for amounts; the wallets with the least margin are the worst."""
    desk = crowd(AT_ONCE + 3)
    desk.room(0.12)
    assert len(desk.notices) == AT_ONCE + 3
    told = {notice.facts.account for notice in desk.notices if notice.facts.prescription is not None}
    assert told == {f"a{i:02d}" for i in range(AT_ONCE)}


def test_after_a_calm_time_as_many_have_it_again() -> None:
    desk = crowd(AT_ONCE + 3)
    desk.room(0.12)
    desk.notices.clear()
    desk.wait(AT_ONCE * EVERY_S)
    desk.room(0.08)
    assert sum(notice.facts.prescription is not None for notice in desk.notices) == AT_ONCE


def test_large_wallets_use_up_what_several_small_ones_would() -> None:
    allowance = Allowance()
    assert allowance.take(1000, 1.0), "the first is always made"
    assert not allowance.take(1, 1.0)
    small = Allowance()
    assert [small.take(1, 1.0) for _ in range(AT_ONCE + 1)] == [True] * AT_ONCE + [False]


def test_asking_outside_of_steps_changes_no_step() -> None:
    """A late message asks for what is known now; a replay of the journal does not ask."""
    asked, silent = crowd(ASIDE + 3), crowd(ASIDE + 3)
    for desk in (asked, silent):
        desk.room(0.12)
        desk.wait(1.0)
    told = [asked.engine.newest(f"a{i:02d}/isolated:{BTC}:LONG", asked.now()) for i in range(ASIDE + 3)]
    assert sum(facts is not None and facts.prescription is not None for facts in told) == ASIDE
    event = Ticks((asked.range(BTC, mark_at(0.05)),))
    assert plain(asked.step(event)) == plain(silent.step(event))
    asked.wait(1.0)
    later = asked.engine.newest(f"a00/isolated:{BTC}:LONG", asked.now())
    assert later is not None
    assert later.prescription is not None


def test_asking_outside_of_steps_changes_nothing_of_who_is_drawn_in_later() -> None:
    """An escalation is decided in a step: what messages asked for before it must not take its amounts."""
    channels = (PHONE, ChannelRule("siren", min_level=Level.EMERGENCY, escalation=True))
    asked, silent = (holding(channels=channels) for _ in range(2))
    for desk in (asked, silent):
        desk.room(0.09)
        desk.stay(599, 0.09)
        desk.wait(1.0)
        desk.room(0.09)
    for _ in range(ASIDE + 1):  # after each of several steps, at once
        asked.engine.newest(SUBJECT, asked.now())
        for desk in (asked, silent):
            desk.step(Learnt(LOTS))
    for desk in (asked, silent):
        desk.wait(0.01)
    told = [desk.step(Heartbeat()) for desk in (asked, silent)]
    assert plain(told[0]) == plain(told[1])
    assert [notice.channel for notice in told[0].notices if notice.facts.prescription is not None] == ["siren"]


def test_the_same_events_give_the_same_amounts() -> None:
    """Also after the way through the journal."""

    def run(*, through_json: bool) -> list[bytes]:
        desk = Desk()
        events: list[Event] = [
            SettingsChanged(msgspec.structs.replace(desk.settings, advice=AdviceRules(0.001, 0.002)), desk.tables),
            Learnt(LOTS),
            Snapshot(account(isolated(), usdt=3.3)),
            Ticks((desk.range(BTC, mark_at(0.9)),)),
            Ticks((desk.range(BTC, mark_at(0.15), low=mark_at(0.11)),)),
            Heartbeat(),
            Ticks((desk.range(BTC, mark_at(0.04)),)),
        ]
        if through_json:
            events = [msgspec.json.decode(msgspec.json.encode(one), type=type(one)) for one in events]
        found = []
        for event in events:
            desk.wait(0.5)
            found.append(plain(desk.step(event)))
        return found

    once = run(through_json=False)
    assert once == run(through_json=True)
    assert b'"prescription"' in b"".join(once)
