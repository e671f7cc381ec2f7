"""The engine as a whole: what people are told, when, how often, and across a restart."""

import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.engine import Engine
from monitor.core.events import (
    DeliveryResult,
    Event,
    FeedState,
    Heartbeat,
    Restored,
    SettingsChanged,
    Snapshot,
    StoreState,
    Subscribed,
    TablesChanged,
    Ticks,
)
from monitor.core.incidents import Effects
from monitor.core.model import BracketTable, Level, Market, MarkRange, Now, Position, Side
from monitor.core.notices import Fate, Notice, NoticeKind
from monitor.core.settings import AlertRules, ChannelRule, EngineSettings, LevelRule, RulesOverride
from tests.core.builders import (
    BTC,
    ETH,
    MONO_S,
    PHONE,
    SUBJECT,
    WALL_MS,
    Desk,
    account,
    cross,
    isolated,
    mark_at,
    table,
)

ALERT, REMINDER, CLOSED = NoticeKind.ALERT, NoticeKind.REMINDER, NoticeKind.CLOSED
ACCOUNT, TIERS = NoticeKind.ACCOUNT, "/tiers:main"
CHANNELS = (ChannelRule("quiet"), ChannelRule("phone", Level.WARNING), ChannelRule("siren", Level.CRITICAL))


def at_ease(desk: Desk | None = None) -> Desk:
    """Return a desk with the standard position far from danger."""
    desk = desk or Desk()
    desk.hold(isolated())
    desk.subscribe(BTC)
    desk.room(0.9)
    return desk


# Rising and falling


def test_a_crossing_is_told_with_the_very_tick() -> None:
    """No heartbeat, no second tick: at the mark of the condition, and not before it."""
    desk = at_ease()
    assert desk.room(0.5001).notices == ()
    (notice,) = desk.room(0.4999).notices
    assert (notice.kind, notice.level, notice.previous, notice.subject) == (ALERT, Level.NOTICE, Level.OK, SUBJECT)
    assert notice.facts.mark == pytest.approx(mark_at(0.4999))
    assert notice.facts.room == pytest.approx(0.4999)
    assert notice.decided_ms == desk.wall_ms


def test_a_fall_through_several_levels_is_one_message() -> None:
    """The highest level reached, on every channel that wants it."""
    desk = at_ease(Desk(channels=CHANNELS))
    effects = desk.room(0.05)
    assert [(n.channel, n.level, n.previous) for n in effects.notices] == [
        (channel.name, Level.EMERGENCY, Level.OK) for channel in CHANNELS
    ]
    assert [(t.level, t.previous) for t in effects.transitions] == [(Level.EMERGENCY, Level.OK)]


def test_worsening_bypasses_the_reminder_interval() -> None:
    """Each rise is told at once."""
    desk = at_ease()
    for room in (0.4, 0.19, 0.09, 0.06):
        desk.room(room)
    assert desk.told() == [(ALERT, "notice"), (ALERT, "warning"), (ALERT, "critical"), (ALERT, "emergency")]


@pytest.mark.parametrize(("worst", "back"), [(0.5, 0.55), (0.2, 0.22), (0.1, 0.12), (0.07, 0.08)])
def test_flapping_at_a_threshold_is_at_most_two_messages(worst: float, back: float) -> None:
    """An hour at the edge of a level: it is reached, and in the end it is over; reminders aside."""
    desk = at_ease()
    desk.room(worst + 0.001)
    known = len(desk.told())
    for _ in range(60):
        desk.stay(30, worst - 0.001)
        desk.stay(30, back)
    flapping = [notice for notice in desk.told()[known:] if notice[0] is not REMINDER]
    assert len(flapping) == 1
    desk.stay(700, 1.0)
    assert len([notice for notice in desk.told()[known:] if notice[0] is not REMINDER]) == 2


def test_recovery_goes_through_the_levels_in_between() -> None:
    """An emergency is left after two minutes, the rest after five; one closing message a channel."""
    desk = at_ease(Desk(channels=CHANNELS))
    desk.room(0.06)
    desk.stay(119, 1.0)
    assert desk.levels() == ["emergency"]
    desk.stay(2, 1.0)
    assert desk.levels() == ["emergency", "critical"]
    desk.stay(200, 1.0)
    assert desk.levels() == ["emergency", "critical", "ok"]
    closed = [notice for notice in desk.notices if notice.kind is CLOSED]
    assert [(n.channel, n.level, n.previous, n.facts.reason) for n in closed] == [
        (channel.name, Level.OK, Level.EMERGENCY, "recovered") for channel in CHANNELS
    ]


def test_a_channel_hears_the_end_when_the_level_is_below_what_it_asked_for() -> None:
    """The siren at warning, the phone at notice, each once."""
    desk = at_ease(Desk(channels=CHANNELS))
    desk.room(0.09)
    ends: list[tuple[str, ...]] = []
    for room in (0.19, 0.4, 1.0):
        before = len(desk.notices)
        desk.stay(301, room)
        ends.append(tuple(n.channel for n in desk.notices[before:] if n.kind is CLOSED))
    assert ends == [("siren",), ("phone",), ("quiet",)]
    assert desk.told("siren") == [(ALERT, "critical"), (CLOSED, "warning")]


def test_the_dwell_ends_without_a_further_tick_of_its_own() -> None:
    """Marks that do not move still arrive; the heartbeat judges the time."""
    desk = at_ease()
    desk.room(0.4)
    desk.stay(299, 0.9)
    assert desk.told() == [(ALERT, "notice")]
    desk.wait(1.0)
    desk.step(Heartbeat())
    assert desk.told() == [(ALERT, "notice"), (CLOSED, "ok")]


@pytest.mark.parametrize("silence_s", [3, 100])
def test_nothing_falls_while_marks_are_stale(silence_s: int) -> None:
    """Suspect or blind: the dwell begins anew with fresh marks."""
    desk = at_ease()
    desk.room(0.4)
    desk.stay(296, 0.9)
    desk.beat(silence_s)
    desk.stay(299, 0.9)
    assert desk.told(subject=SUBJECT) == [(ALERT, "notice")]
    desk.stay(3, 0.9)
    assert desk.told(subject=SUBJECT) == [(ALERT, "notice"), (CLOSED, "ok")]


def test_a_level_rises_while_another_symbol_is_blind() -> None:
    """What is known of a cross wallet is enough to be worse."""
    desk = Desk()
    desk.hold(cross(BTC), cross(ETH), usdt=20.0)
    desk.marks(BTCUSDT=100.0, ETHUSDT=100.0)
    desk.beat(20)
    desk.marks(BTCUSDT=83.0)
    assert desk.told(subject="main/cross:USDT") == [(ALERT, "emergency")]
    for _ in range(400):
        desk.wait(1.0)
        desk.marks(BTCUSDT=200.0)
        desk.step(Heartbeat())
    assert desk.told(subject="main/cross:USDT")[0] == (ALERT, "emergency")
    assert (CLOSED, "ok") not in desk.told(subject="main/cross:USDT")


def test_a_position_without_a_mark_has_no_level() -> None:
    """Unknown is not ok: nothing is said, nothing recorded."""
    desk = Desk()
    desk.hold(isolated())
    desk.step(Heartbeat())
    assert desk.rows == {}
    assert desk.samples == []
    (view,) = desk.engine.view(desk.now()).wallets
    assert (view.margin_ratio, view.room, view.cushion) == (None, None, None)


# Coalesced ticks


@pytest.mark.parametrize("side", [Side.LONG, Side.SHORT])
def test_a_crossing_between_two_takes_is_told_with_the_figures_of_the_extreme(side: Side) -> None:
    """A wick that is over by the time the engine looks was received, and counts."""
    desk = Desk()
    desk.hold(isolated(side=side))
    desk.marks(BTCUSDT=100.0)
    wick = desk.range(BTC, 100.0, low=92.0) if side is Side.LONG else desk.range(BTC, 100.0, high=108.0)
    (notice,) = desk.step(Ticks((wick,))).notices
    assert notice.level is Level.WARNING
    assert notice.facts.mark == (92.0 if side is Side.LONG else 108.0)
    assert notice.facts.room is not None
    assert notice.facts.room < 0.2
    desk.beat()
    assert desk.engine.view(desk.now()).positions[0].mark_price == 100.0


def test_a_hedged_pair_is_judged_at_both_ends_of_the_range() -> None:
    """Its margin ratio can be worse where its cushion is larger: 80.2 % at 140 with 69, 76.6 % at 100 with 61."""
    desk = Desk()
    legs = (cross(quantity=101.1), cross(side=Side.SHORT, quantity=98.9))
    desk.hold(*legs, usdt=261.0)
    desk.marks(BTCUSDT=100.0)
    assert desk.levels() == []
    desk.step(Ticks((desk.range(BTC, 100.0, high=140.0),)))
    assert desk.levels() == ["critical"]


def test_the_newest_figures_are_told_where_they_hold_the_level_themselves() -> None:
    """The extreme only explains a level that the newest mark does not."""
    desk = at_ease()
    (notice,) = desk.step(Ticks((desk.range(BTC, mark_at(0.4), low=mark_at(0.3)),))).notices
    assert notice.facts.mark == mark_at(0.4)


def test_an_improvement_is_told_with_the_newest_figures() -> None:
    """The lowest of the last second is no part of good news."""
    desk = at_ease(Desk(channels=[ChannelRule("last", Level.EMERGENCY)]))
    desk.room(0.06)
    desk.stay(119, 0.9)
    desk.wait(1.0)
    (notice,) = desk.step(Ticks((desk.range(BTC, mark_at(0.9), low=mark_at(0.8)),))).notices
    assert (notice.kind, notice.level) == (CLOSED, Level.CRITICAL)
    assert notice.facts.mark == mark_at(0.9)


def test_an_extreme_inside_the_dead_band_breaks_the_dwell() -> None:
    """Without a break means without one between two takes either."""
    desk = at_ease()
    desk.room(0.4)
    desk.stay(200, 0.9)
    desk.step(Ticks((desk.range(BTC, mark_at(0.9), low=mark_at(0.6)),)))
    desk.stay(200, 0.9)
    assert desk.told() == [(ALERT, "notice")]


# Opened inside


def test_a_position_opened_inside_a_condition_is_told_once() -> None:
    """No reminders until it worsens."""
    desk = Desk()
    desk.hold(isolated())
    desk.room(0.09)
    desk.stay(1000, 0.09)
    assert desk.told() == [(ALERT, "critical")]
    desk.stay(400, 0.06)
    assert desk.told()[1:] == [(ALERT, "emergency"), (REMINDER, "emergency"), (REMINDER, "emergency")]


def test_what_a_broken_database_forgot_is_not_taken_for_opened_inside() -> None:
    """It may be an incident of hours: it is reminded of, until the database can be read."""
    desk = Desk()
    desk.step(Restored((), unread=True))
    desk.hold(isolated())
    desk.room(0.05)
    desk.stay(190, 0.05)
    assert desk.told() == [(NoticeKind.ALERT, "emergency"), (NoticeKind.REMINDER, "emergency")]
    desk.step(Restored(()))
    desk.hold(isolated(), isolated(ETH))
    desk.marks(**{ETH: mark_at(0.05)})
    assert [n.facts.reason for n in desk.notices] == ["", "", "first seen"]


def test_a_first_position_of_a_cross_wallet_is_opened_inside_too() -> None:
    """The wallet was there before, but there was nothing to be liquidated."""
    desk = Desk()
    desk.hold(usdt=10.0)
    desk.beat()
    desk.hold(cross(), usdt=10.0)
    desk.room(0.09)
    desk.stay(1000, 0.09)
    assert desk.told() == [(ALERT, "critical")]


def test_what_was_known_before_a_restart_is_not_opened_inside() -> None:
    """It fell into its level, though nobody was looking."""
    desk = at_ease().restarted()
    desk.hold(isolated())
    desk.room(0.09)
    desk.stay(901, 0.09)
    assert desk.told() == [(ALERT, "critical"), (REMINDER, "critical")]


@pytest.mark.parametrize("left", [(), (cross(quantity=0.0),)], ids=["no position", "size zero"])
def test_a_cross_wallet_that_is_used_again_is_not_opened_inside_when_it_falls(left: tuple[Position, ...]) -> None:
    """Its new position was at ease first."""
    desk = Desk()
    desk.hold(cross(), usdt=10.0)
    desk.room(0.9)
    assert desk.hold(*left, usdt=10.0).gone == ("main/cross:USDT",)
    desk.hold(cross(), usdt=10.0)
    desk.room(0.9)
    desk.room(0.09)
    desk.stay(901, 0.09)
    assert desk.told() == [(ALERT, "critical"), (REMINDER, "critical")]


def test_a_position_whose_mark_came_later_is_not_opened_inside_when_it_falls() -> None:
    """Each wallet is first seen when its own marks are known."""
    desk = at_ease()
    desk.hold(isolated(BTC), isolated(ETH))
    desk.room(0.9)
    for room in (0.9, 0.09):
        desk.marks(ETHUSDT=mark_at(room))
    for _ in range(901):
        desk.wait(1.0)
        desk.marks(BTCUSDT=100.0, ETHUSDT=mark_at(0.09))
    desk.step(Heartbeat())
    assert desk.told() == [(ALERT, "critical"), (REMINDER, "critical")]


# Reminders


@pytest.mark.parametrize(
    ("room", "interval_s"), [(0.4, None), (0.19, 7200.0), (0.09, 900.0), (0.06, 180.0)], ids=str
)
def test_each_level_has_its_own_reminders(room: float, interval_s: float | None) -> None:
    """None, two hours, a quarter, three minutes; in wall time."""
    desk = at_ease()
    desk.room(room)
    for _ in range(3):
        desk.wait((interval_s or 10**6) - 0.001)
        desk.room(room)
        desk.step(Heartbeat())
        desk.wait(0.001)
        desk.step(Heartbeat())
    reminded = [notice for notice in desk.told(subject=SUBJECT) if notice[0] is REMINDER]
    # The second and third fall due 0.001 s after the same moment each time.
    assert len(reminded) == (0 if interval_s is None else 3)


def test_a_reminder_has_the_figures_of_now() -> None:
    """Not those of the alert."""
    desk = at_ease()
    desk.room(0.09)
    desk.stay(900, 0.08)
    assert desk.notices[-1].kind is REMINDER
    assert desk.notices[-1].facts.room == pytest.approx(0.08)


def test_an_undelivered_alert_is_not_reminded_of_and_a_refused_one_is_told_again() -> None:
    """The first is still being tried; the second was never heard, and the address may have been mended."""
    desk = at_ease(Desk(channels=CHANNELS, deliver=False))
    (quiet, phone, siren) = desk.room(0.09).notices
    desk.result(phone)
    desk.result(siren, accepted=False)
    assert quiet.channel == "quiet"
    desk.stay(901, 0.09)
    told = [(n.channel, n.kind) for n in desk.notices[3:] if n.kind is not NoticeKind.CHANNEL]
    assert told == [("siren", ALERT), ("phone", REMINDER)]


def test_reminders_keep_their_time_across_a_restart() -> None:
    """An interval that began before it ends after it."""
    first = at_ease()
    first.room(0.09)
    desk = first.restarted(after_s=890.0)
    desk.hold(isolated())
    desk.room(0.09)
    desk.stay(9, 0.09)
    assert desk.told() == []
    desk.stay(1, 0.09)
    assert desk.told() == [(REMINDER, "critical")]


# Delivery


def test_an_undelivered_alert_is_withdrawn_at_the_end() -> None:
    """And nothing closes what was never heard."""
    desk = at_ease(Desk(deliver=False))
    desk.room(0.4)
    desk.stay(301, 0.9)
    assert desk.told() == [(ALERT, "notice")]
    assert desk.withdrawn == [(SUBJECT, "phone")]


def test_an_alert_accepted_after_the_end_is_closed_late() -> None:
    """Once, with the figures of now."""
    desk = at_ease(Desk(deliver=False))
    (alert,) = desk.room(0.4).notices
    desk.stay(301, 0.9)
    (late,) = desk.result(alert).notices
    assert (late.kind, late.level, late.previous, late.incident) == (CLOSED, Level.OK, Level.NOTICE, 1)
    assert late.facts.reason == "recovered"
    assert late.facts.room == pytest.approx(0.9)
    assert desk.result(late).notices == ()
    assert desk.result(alert).notices == ()


def test_results_of_strangers_change_nothing() -> None:
    """Subjects, channels and accounts that nobody knows (any more)."""
    desk = at_ease()
    for subject in (SUBJECT, "other/cross:USDT", "nonsense", "", "/feed:usdm", "/storage:state"):
        assert desk.step(DeliveryResult(subject, "key", "nobody", True)) == Effects()


def test_a_channel_that_was_removed_is_told_nothing_more() -> None:
    """No reminder, no end."""
    desk = at_ease(Desk(channels=CHANNELS))
    desk.room(0.09)
    desk.configure(msgspec.structs.replace(desk.settings, channels=CHANNELS[:1]))
    before = len(desk.notices)
    desk.stay(901, 0.09)
    desk.stay(301, 1.0)
    assert [(n.channel, n.kind) for n in desk.notices[before:]] == [("quiet", REMINDER), ("quiet", CLOSED)]


# Vanished positions


def test_a_vanished_position_is_closed_as_gone() -> None:
    """Never as recovered."""
    desk = at_ease()
    desk.room(0.09)
    effects = desk.hold()
    assert [(n.kind, n.level, n.previous, n.facts.reason) for n in effects.notices] == [
        (CLOSED, Level.OK, Level.CRITICAL, "gone")
    ]
    assert SUBJECT not in desk.rows  # once the end was delivered
    assert effects.notices[0].facts.wallet == "isolated:BTCUSDT:LONG"
    desk.beat(400)
    assert desk.told(subject=SUBJECT) == [(ALERT, "critical"), (CLOSED, "ok")]


@pytest.mark.parametrize("positions", [(), (cross(quantity=0.0),)], ids=["no position", "size zero"])
def test_the_last_position_of_a_cross_wallet_is_gone_though_the_wallet_stays(
    positions: tuple[Position, ...],
) -> None:
    """A liquidated account must not be told that it recovered."""
    desk = Desk()
    desk.hold(cross(), usdt=10.0)
    desk.room(0.9)
    desk.room(0.09)
    (notice,) = desk.hold(*positions, usdt=10.0).notices
    assert (notice.kind, notice.facts.reason) == (CLOSED, "gone")
    desk.stay(400, 0.9)
    assert len(desk.notices) == 2
    assert desk.engine.view(desk.now()).wallets[0].level == "ok"


def test_a_position_that_comes_back_is_new() -> None:
    """Opened inside its level, told once more, under a key the outbox does not know yet."""
    desk = at_ease()
    desk.room(0.09)
    desk.hold()
    desk.wait(60.0)
    desk.hold(isolated())
    desk.room(0.09)
    assert desk.told() == [(ALERT, "critical"), (CLOSED, "ok"), (ALERT, "critical")]
    assert len({notice.key for notice in desk.notices}) == 3
    desk.stay(1000, 0.09)
    assert len(desk.notices) == 3


def test_an_alert_in_flight_when_its_position_vanished_is_closed_late() -> None:
    """As gone, even if the position is back by then."""
    desk = at_ease(Desk(deliver=False))
    (alert,) = desk.room(0.09).notices
    desk.hold()
    assert desk.withdrawn == [(SUBJECT, "phone")]
    desk.wait(5.0)
    desk.hold(isolated())
    desk.room(0.9)
    (late,) = desk.result(alert).notices
    assert (late.kind, late.facts.reason) == (CLOSED, "gone")


def test_a_late_end_of_a_wallet_that_lost_its_account_is_gone() -> None:
    """Its account was not delivered again yet; what is not held did not recover."""
    first = at_ease(Desk(deliver=False))
    (alert,) = first.room(0.4).notices
    first.stay(301, 0.9)
    desk = first.restarted()
    (late,) = desk.result(alert).notices
    assert late.facts.reason == "gone"


# Accounts and settings


def test_a_changed_size_keeps_its_wallet_and_level() -> None:
    """More margin is a patch, not a new position."""
    desk = at_ease()
    desk.room(0.09)
    desk.hold(isolated(margin=30.0))
    assert desk.told() == [(ALERT, "critical")]
    desk.stay(301, 0.09)
    assert desk.told() == [(ALERT, "critical"), (CLOSED, "ok")]


def test_other_positions_come_and_go_without_touching_a_wallet() -> None:
    """Level, dwell, reminders and the sampling pace follow their wallet through a new shape."""
    desk = at_ease()
    desk.room(0.4)
    desk.stay(200, 0.9)
    before = len([sample for sample in desk.samples if sample.wallet == "isolated:BTCUSDT:LONG"])
    desk.hold(isolated(ETH), isolated())
    desk.hold(isolated(), isolated(ETH), usdt=1.0)
    assert len([sample for sample in desk.samples if sample.wallet == "isolated:BTCUSDT:LONG"]) == before
    desk.stay(99, 0.9)
    assert desk.told(subject=SUBJECT) == [(ALERT, "notice")]
    desk.stay(3, 0.9)
    assert desk.told(subject=SUBJECT) == [(ALERT, "notice"), (CLOSED, "ok")]


def test_accounts_do_not_replace_each_other() -> None:
    """A snapshot speaks of its own account alone."""
    desk = Desk(accounts=("main", "other"))
    desk.hold(isolated())
    desk.hold(isolated(), name="other")
    desk.room(0.09)
    desk.hold(name="other")
    assert Counter((n.subject, n.kind) for n in desk.notices) == {
        (SUBJECT, ALERT): 1,
        ("other/isolated:BTCUSDT:LONG", ALERT): 1,
        ("other/isolated:BTCUSDT:LONG", CLOSED): 1,
    }


def test_a_symbol_without_a_table_is_set_aside_and_told() -> None:
    """Named once, if its tiers do not come within ten seconds; the rest of its account goes on being watched."""
    desk = at_ease()
    assert desk.hold(isolated("DOGEUSDT"), isolated()).notices == ()
    desk.beat(9)
    assert desk.notices == []
    desk.beat()
    (notice,) = desk.notices
    assert (notice.kind, notice.subject, notice.facts.symbols) == (ACCOUNT, TIERS, ("DOGEUSDT",))
    assert list(desk.engine.watched(Market.USDM)) == [BTC]
    assert desk.engine.view(desk.now()).accounts[0].untabled == ("DOGEUSDT",)
    assert desk.hold(isolated("DOGEUSDT"), isolated()).notices == ()
    desk.room(0.09)
    assert desk.told(subject=SUBJECT) == [(ALERT, "critical")]


def test_a_table_that_arrives_ends_the_trouble() -> None:
    """From then on the position is watched, and that is told once."""
    desk = at_ease()
    desk.hold(isolated("DOGEUSDT"), isolated())
    desk.beat(10)
    effects = desk.step(TablesChanged("main", (table("DOGEUSDT"),)))
    assert [(n.kind, n.subject) for n in effects.notices] == [(NoticeKind.ACCOUNT_BACK, TIERS)]
    assert list(desk.engine.watched(Market.USDM)) == [BTC, "DOGEUSDT"]
    desk.marks(DOGEUSDT=mark_at(0.09))
    assert desk.told(subject="main/isolated:DOGEUSDT:LONG") == [(ALERT, "critical")]


def test_a_table_without_rows_is_none() -> None:
    """An empty answer sets a position aside and stops nothing."""
    desk = at_ease()
    desk.step(TablesChanged("main", (BracketTable("DOGEUSDT", ()),)))
    desk.hold(isolated("DOGEUSDT"), isolated())
    desk.beat(10)
    assert desk.told() == [(ACCOUNT, "critical")]
    assert list(desk.engine.watched(Market.USDM)) == [BTC]


@pytest.mark.parametrize("mode", [isolated, cross])
def test_a_reload_that_forgets_a_table_closes_no_incident(mode: Callable[[], Position]) -> None:
    """Set aside and told; the level of before is kept, and falls only after its dwell once the table is back."""
    desk = Desk()
    desk.hold(mode(), usdt=10.0)
    desk.room(0.09)
    assert desk.told() == [(ALERT, "critical")]
    subject = desk.notices[0].subject
    desk.tables = (table(ETH),)
    desk.configure()
    desk.beat(10)
    assert desk.told() == [(ALERT, "critical"), (ACCOUNT, "critical")]
    assert desk.rows[subject].level is Level.CRITICAL
    desk.step(TablesChanged("main", (table(),)))
    desk.room(0.9)
    assert desk.told()[2:] == [(NoticeKind.ACCOUNT_BACK, "ok")]
    assert desk.rows[subject].level is Level.CRITICAL
    desk.stay(310, 0.9)
    assert desk.told(subject=subject) == [(ALERT, "critical"), (CLOSED, "ok")]


def test_settings_reach_the_engine_with_a_table_missing() -> None:
    """A reload is taken as a whole; what it leaves without tiers is told."""
    desk = at_ease()
    desk.tables = (table(ETH),)
    desk.configure(EngineSettings(environment="live", accounts=("main",), channels=(PHONE,)))
    assert desk.engine.view(desk.now()).environment == "live"
    desk.beat(10)
    assert desk.told() == [(ACCOUNT, "critical")]


def test_new_rules_count_at_once() -> None:
    """Stricter ones raise without a tick; laxer ones end after the dwell."""
    desk = at_ease()
    strict = AlertRules((LevelRule(Level.NOTICE, room=0.95), *AlertRules().levels[1:]))
    desk.configure(msgspec.structs.replace(desk.settings, rules=strict))
    assert desk.told() == [(ALERT, "notice")]
    desk.configure(msgspec.structs.replace(desk.settings, rules=AlertRules()))
    desk.stay(301, 0.9)
    assert desk.told() == [(ALERT, "notice"), (CLOSED, "ok")]


def test_rules_of_a_symbol_count_for_its_wallets() -> None:
    """And for no others."""
    early = AlertRules((*AlertRules().levels[:3], LevelRule(Level.EMERGENCY, room=0.8)))
    desk = Desk(overrides=[RulesOverride(early, symbol=ETH)])
    desk.hold(isolated(BTC), isolated(ETH))
    desk.marks(BTCUSDT=mark_at(0.75), ETHUSDT=mark_at(0.75))
    assert [n.subject for n in desk.notices] == ["main/isolated:ETHUSDT:LONG"]


def test_an_account_that_was_removed_is_watched_no_longer() -> None:
    """Its open incidents end as gone; nobody learns anything new of it."""
    desk = Desk(accounts=("main", "other"))
    desk.hold(isolated())
    desk.hold(isolated(ETH), name="other")
    desk.marks(BTCUSDT=100.0, ETHUSDT=mark_at(0.09))
    desk.configure(msgspec.structs.replace(desk.settings, accounts=("main",)))
    assert [(n.kind, n.facts.account, n.facts.reason) for n in desk.notices[1:]] == [(CLOSED, "other", "gone")]
    assert desk.engine.watched(Market.USDM) == (BTC,)


# Restart


def test_a_restart_keeps_levels_and_repeats_nothing() -> None:
    """The level is what it was, though its conditions are not met any more; the dwell begins anew."""
    first = at_ease()
    first.room(0.09)
    first.stay(290, 0.9)
    desk = first.restarted()
    desk.hold(isolated())
    desk.beat()
    assert desk.engine.view(desk.now()).wallets[0].level == "critical"
    desk.room(0.9)
    desk.stay(299, 0.9)
    assert desk.told() == []
    desk.stay(3, 0.9)
    assert desk.told() == [(CLOSED, "ok")]
    assert desk.notices[0].incident == 1


def test_the_dwell_begins_anew_where_the_mark_was_known_before_the_account() -> None:
    """Another account holds the symbol too, so the level could fall with the very snapshot."""
    first = Desk(accounts=("main", "other"))
    first.hold(isolated())
    first.hold(isolated(margin=50.0), name="other")
    first.room(0.09)
    desk = first.restarted()
    desk.hold(isolated(margin=50.0), name="other")
    desk.room(0.9)
    desk.hold(isolated())
    desk.stay(299, 0.9)
    assert desk.told() == []
    desk.stay(1, 0.9)
    assert desk.told() == [(CLOSED, "ok")]


def test_what_worsened_during_a_restart_is_told() -> None:
    """In the incident that was open, and with a key of its own."""
    first = at_ease()
    first.room(0.19)
    desk = first.restarted()
    desk.hold(isolated())
    (notice,) = desk.room(0.06).notices
    assert (notice.level, notice.previous, notice.incident) == (Level.EMERGENCY, Level.WARNING, 1)
    assert notice.key not in {earlier.key for earlier in first.notices}


def test_a_quiet_incident_is_quiet_after_a_restart() -> None:
    """It was opened inside its level, and that is remembered."""
    first = Desk()
    first.hold(isolated())
    first.room(0.09)
    desk = first.restarted()
    desk.hold(isolated())
    desk.stay(1000, 0.09)
    assert desk.told() == []


def test_nothing_is_gone_before_its_account_spoke() -> None:
    """Each account answers for itself: one that never does holds up no other, and nothing of its own is gone."""
    first = Desk(accounts=("main", "other"))
    first.hold(isolated())
    first.hold(isolated(ETH), name="other")
    first.marks(BTCUSDT=mark_at(0.09), ETHUSDT=mark_at(0.09))
    desk = first.restarted()
    desk.hold()
    assert set(desk.rows) == {"other/isolated:ETHUSDT:LONG"}
    assert [(n.kind, n.facts.account, n.facts.reason) for n in desk.notices] == [(CLOSED, "main", "gone")]
    desk.beat(5)
    desk.hold(name="other")
    assert not desk.rows


def test_a_wallet_that_was_emptied_is_not_reminded_of_while_another_account_is_silent() -> None:
    """It is gone, never recovered, and its level is over."""
    desk = Desk(accounts=("main", "other"))
    desk.hold(cross(), usdt=10.0)
    desk.room(0.06)
    assert desk.told() == [(ALERT, "emergency")]
    desk.hold(usdt=10.0)
    desk.beat(3600)
    assert desk.told() == [(ALERT, "emergency"), (CLOSED, "ok")]
    assert desk.notices[-1].facts.reason == "gone"
    assert desk.engine.view(desk.now()).wallets[0].level == "ok"


# Samples


def of_wallet(desk: Desk) -> list[int]:
    return [sample.at_ms for sample in desk.samples if sample.symbol == ""]


def test_samples_are_at_most_one_a_second() -> None:
    """However many ticks there are."""
    desk = at_ease()
    start = len(of_wallet(desk))
    for i in range(40):
        desk.wait(0.25)
        desk.room(0.9 - i * 0.005)
    times = of_wallet(desk)[start:]
    assert len(times) == 10
    assert all(later - earlier >= 1000 for earlier, later in pairwise(times))


def test_samples_are_at_least_one_a_minute() -> None:
    """Also while nothing moves."""
    desk = at_ease()
    start = len(of_wallet(desk))
    desk.stay(300, 0.9)
    assert len(of_wallet(desk)) - start == 5


def test_what_nobody_sees_is_not_sampled() -> None:
    """A row is of marks as they are now: old ones would hide that there was a time in which nobody saw."""
    desk = at_ease()
    start = len(of_wallet(desk))
    desk.beat(600)
    assert len(of_wallet(desk)) == start
    assert desk.engine.last_samples(desk.now()) == ()
    desk.room(0.9)
    assert len(of_wallet(desk)) == start + 1
    assert [one.symbol for one in desk.engine.last_samples(desk.now())] == ["", BTC]


def test_a_change_of_level_is_always_sampled() -> None:
    """With the level it changed to, of the wallet and its positions."""
    desk = at_ease()
    desk.wait(0.001)
    effects = desk.room(0.09)
    assert [(sample.symbol, sample.level) for sample in effects.samples] == [("", 3), (BTC, 3)]
    desk.wait(0.001)
    assert [sample.level for sample in desk.room(0.06).samples] == [4, 4]
    assert desk.room(0.05).samples == ()


# Views


def test_the_view_tells_everything_as_it_stands() -> None:
    """Symbols with the state of their data, wallets and positions with their levels."""
    desk = Desk()
    desk.hold(isolated(BTC), isolated(ETH))
    desk.room(0.09)
    desk.wait(3.5)
    view = desk.engine.view(desk.now())
    assert view.environment == "testnet"
    assert [(s.symbol, s.data, s.mark, s.age_s, s.source) for s in view.symbols] == [
        (BTC, "suspect", mark_at(0.09), 3.5, "stream"),
        (ETH, "suspect", None, None, ""),
    ]
    assert {wallet.wallet: wallet.level for wallet in view.wallets} == {
        "isolated:BTCUSDT:LONG": "critical",
        "isolated:ETHUSDT:LONG": "unknown",
    }
    assert view.brackets == {BTC: "shipped 2026-09-29", ETH: "shipped 2026-09-29"}
    assert view.evaluations == 1
    desk.wait(20.0)
    assert {s.data for s in desk.engine.view(desk.now()).symbols} == {"blind"}


def test_a_symbol_that_never_delivers_does_not_hide_the_fall_of_another() -> None:
    """Once it is blind, its entry price stands in, which is said; its own figures and the history stay empty."""
    desk = Desk()
    desk.hold(cross(BTC), cross(ETH), usdt=12.0)
    for _ in range(16):
        desk.beat()
        desk.marks(BTCUSDT=100.0)
    assert {w.wallet: w.level for w in desk.engine.view(desk.now()).wallets} == {"cross:USDT": "ok"}
    (blind,) = desk.notices
    assert blind.facts.wallets == ("main/cross:USDT (unknown)",)
    desk.marks(BTCUSDT=90.8)
    (notice,) = desk.notices[1:]
    assert (notice.level, notice.facts.assumed) == (Level.CRITICAL, (ETH,))
    bitcoin, ether = desk.engine.view(desk.now()).positions
    assert (bitcoin.mark_price, ether.mark_price, ether.notional) == (90.8, None, None)
    assert desk.samples == []
    desk.marks(BTCUSDT=110.0)
    desk.beat(1000)
    assert desk.levels()[-1] == "critical"  # what is assumed may raise a level and never lowers one


def test_a_wallet_without_any_mark_is_unknown_and_not_ok() -> None:
    """However long it lasts; and its symbol is not fresh, however short."""
    desk = Desk()
    desk.hold(isolated())
    assert [s.data for s in desk.engine.view(desk.now()).symbols] == ["suspect"]
    desk.beat(60)
    assert [w.level for w in desk.engine.view(desk.now()).wallets] == ["unknown"]


def test_better_prices_after_the_margin_was_used_up_are_no_recovery() -> None:
    """By then the exchange has liquidated: told once more at once, and the end is no all-clear."""
    desk = at_ease()
    desk.room(0.06)
    desk.room(-0.1)
    desk.room(-0.2)
    assert [n.facts.liquidatable for n in desk.notices] == [False, True]
    desk.stay(700, 1.0)
    assert desk.notices[-1].kind is NoticeKind.CLOSED
    assert desk.notices[-1].facts.reason == "passed"
    desk.room(0.09)
    desk.stay(700, 1.0)
    assert desk.notices[-1].facts.reason == "recovered"  # of the next incident


def test_a_refused_alert_is_told_again_even_where_there_are_no_reminders() -> None:
    """Five minutes later, or at once after a restart; never heard, so still an alert."""
    desk = at_ease(Desk(deliver=False))
    (first,) = desk.room(0.4).notices
    desk.result(first, accepted=False)
    desk.stay(299, 0.4)
    assert len(desk.notices) == 1
    desk.stay(1, 0.4)
    assert [(n.kind, n.level) for n in desk.notices[1:]] == [(ALERT, Level.NOTICE)]
    desk.result(desk.notices[-1], accepted=False)
    after = desk.restarted()
    after.hold(isolated())
    after.stay(1, 0.4)
    assert [n.kind for n in after.notices] == [ALERT]


def test_a_channel_that_came_later_is_told_of_an_open_incident() -> None:
    """Once its figures are known; renaming a channel must not silence it."""
    desk = at_ease()
    desk.room(0.09)
    after = desk.restarted()
    after.configure(msgspec.structs.replace(after.settings, channels=(ChannelRule("mail"),)))
    after.hold(isolated())
    after.beat(2)
    assert after.told("mail") == []
    after.stay(2, 0.09)
    assert after.told("mail") == [(ALERT, "critical")]


@pytest.mark.parametrize(
    ("fate", "expected"),
    [("accepted", []), ("pending", []), ("refused", [ALERT]), ("resolved", [ALERT]), (None, [ALERT])],
)
def test_what_the_outbox_knows_better_counts_after_a_crash(fate: str | None, expected: list[NoticeKind]) -> None:
    """The state says undelivered; only what is neither accepted nor still due is told again."""
    desk = at_ease(Desk(deliver=False))
    (notice,) = desk.room(0.09).notices
    fates = () if fate is None else (Fate(notice.subject, "phone", fate, notice.decided_ms),)
    after = Desk(deliver=False)
    after.wall_ms = desk.wall_ms
    after.configure(desk.settings)
    after.step(Restored(tuple(desk.rows.values()), fates))
    after.hold(isolated())
    after.stay(2, 0.09)
    assert [n.kind for n in after.notices] == expected
    if fate == "accepted":
        after.stay(900, 0.09)
        assert [n.kind for n in after.notices] == [REMINDER]


def test_a_partial_fall_does_not_forget_that_a_channel_refused() -> None:
    """It is still due to be told, of the level that holds then."""
    desk = at_ease(Desk(deliver=False))
    (first,) = desk.room(0.09).notices
    desk.result(first, accepted=False)
    desk.stay(310, 0.19)
    assert desk.levels()[-1] == "warning"
    desk.stay(600, 0.19)
    assert [(n.kind, n.level) for n in desk.notices[1:]] == [(ALERT, Level.WARNING)]


def test_an_end_that_was_refused_is_told_again() -> None:
    """Whoever was told of the trouble believes in it until then; after a restart at once."""
    desk = at_ease(Desk(deliver=False))
    desk.result(desk.room(0.09).notices[0])
    desk.stay(310, 1.0)
    closing = desk.notices[-1]
    assert closing.kind is NoticeKind.CLOSED
    desk.result(closing, accepted=False)
    desk.stay(299, 1.0)
    assert desk.notices[-1] is closing
    after = desk.restarted()
    after.hold(isolated())
    after.stay(2, 1.0)
    assert [n.kind for n in after.notices] == [NoticeKind.CLOSED]
    desk.stay(2, 1.0)
    assert desk.notices[-1] is not closing
    assert (desk.notices[-1].kind, desk.notices[-1].facts.reason) == (NoticeKind.CLOSED, "recovered")
    desk.result(desk.notices[-1])
    count = len(desk.notices)
    desk.stay(1000, 1.0)
    assert len(desk.notices) == count


def test_what_only_assumed_prices_say_is_no_liquidation() -> None:
    """The truth may be better: the end of it is an ordinary one."""
    desk = Desk()
    desk.hold(cross(BTC), cross(ETH), usdt=12.0)
    for _ in range(16):
        desk.beat()
        desk.marks(BTCUSDT=100.0)
    desk.marks(BTCUSDT=80.0)
    desk.beat(3)
    assert [n.facts.liquidatable for n in desk.notices[1:]] == [True]
    for _ in range(400):
        desk.wait(1.0)
        desk.marks(BTCUSDT=80.0, ETHUSDT=130.0)
        desk.step(Heartbeat())
    assert [n.facts.reason for n in desk.notices if n.kind is NoticeKind.CLOSED] == ["recovered"]


def test_a_wall_clock_set_back_does_not_put_reminders_off() -> None:
    """Six hours back: reminders go on from there."""
    desk = at_ease()
    desk.room(0.09)
    desk.wall_ms -= 6 * 3_600_000
    desk.stay(1 + 900, 0.09)
    assert [n.kind for n in desk.notices[1:]] == [REMINDER, REMINDER]


def test_a_position_first_seen_inside_a_level_says_that_there_will_be_no_reminders() -> None:
    """The message is the only one until it worsens."""
    desk = Desk()
    desk.hold(isolated())
    desk.room(0.09)
    assert [n.facts.reason for n in desk.notices] == ["first seen"]


def test_an_engine_that_was_told_nothing_takes_anything() -> None:
    """No order of events is required to stay alive."""
    for event in (Heartbeat(), Ticks(()), FeedState("usdm", "live", "host"), Subscribed("usdm", (BTC,), 1.0)):
        assert Engine().step(event, Now(1, 1.0)) == Effects()
    assert Engine().view(Now(1, 1.0)).wallets == ()


def test_a_thousand_positions() -> None:
    """Each is judged; those in danger are told, each once."""
    symbols = [f"S{i:04}USDT" for i in range(1000)]
    desk = Desk()
    desk.tables = tuple(table(symbol) for symbol in symbols)
    desk.configure()
    desk.hold(*(isolated(symbol) for symbol in symbols))
    desk.marks(**dict.fromkeys(symbols, 100.0))
    desk.wait(1.0)
    effects = desk.marks(**{symbol: mark_at(0.05 if i % 10 == 0 else 0.9) for i, symbol in enumerate(symbols)})
    assert len({notice.subject for notice in effects.notices}) == len(effects.notices) == 100
    assert len(effects.samples) == 2000
    desk.step(Heartbeat())
    assert len(desk.engine.view(desk.now()).positions) == 1000


# Any events in any order

MARKS = st.sampled_from([mark_at(room) for room in (1.0, 0.6, 0.5, 0.24, 0.2, 0.1, 0.08, 0.05, -0.5)])
FRACTION = st.floats(0.8, 1.0)


@st.composite
def ticks(draw: st.DrawFn) -> Callable[[Now], Event]:
    ranges = [
        (symbol, mark, mark * draw(FRACTION), mark / draw(FRACTION))
        for symbol in draw(st.lists(st.sampled_from([BTC, ETH, "XUSDT"]), unique=True))
        for mark in [draw(MARKS)]
    ]
    return lambda now: Ticks(tuple(MarkRange(*each, now.wall_ms, now.mono_s) for each in ranges))


POSITIONS = st.lists(
    st.sampled_from(
        [
            isolated(BTC),
            isolated(BTC, margin=5.0),
            isolated(ETH, side=Side.SHORT, margin=0.0),
            cross(BTC),
            cross(BTC, side=Side.SHORT, quantity=0.7),
            cross(ETH, quantity=0.0),
            cross(ETH),
        ]
    ),
    unique_by=lambda position: (position.symbol, position.side, position.margin_mode),
)
SNAPSHOTS = st.builds(
    lambda positions, name, usdt: Snapshot(account(*positions, name=name, usdt=usdt)),
    POSITIONS, st.sampled_from(["main", "other"]), st.sampled_from([None, 0.0, 10.0, 50.0]),
)  # fmt: skip
SETTINGS = st.sampled_from(
    [
        EngineSettings(channels=CHANNELS, accounts=("main", "other")),
        EngineSettings(channels=(PHONE,), accounts=("main",), environment="live"),
        EngineSettings(
            channels=CHANNELS, accounts=("main", "other"), overrides=(RulesOverride(AlertRules(), symbol=ETH),)
        ),
    ]
)  # fmt: skip
OTHERS = st.one_of(
    SNAPSHOTS,
    SNAPSHOTS,
    SETTINGS.map(lambda chosen: SettingsChanged(chosen, (table(BTC), table(ETH)))),
    st.just(Heartbeat()),
    st.builds(StoreState, st.sampled_from(["state", "history"]), st.booleans(), st.just("why")),
    st.builds(FeedState, st.just("usdm"), st.sampled_from(["live", "lost"]), st.just("host")),
    st.builds(DeliveryResult, st.just(SUBJECT), st.just("?"), st.sampled_from(["phone", "?"]), st.booleans()),
)
SUBSCRIPTIONS = st.sampled_from([(BTC,), (ETH,), (BTC, ETH)]).map(
    lambda symbols: lambda now: Subscribed("usdm", symbols, now.mono_s)
)
PAUSES = st.sampled_from([0.001, 0.2, 1.0, 2.9, 3.1, 16.0, 125.0, 301.0, 1000.0])
STEP = st.tuples(
    PAUSES,
    st.one_of(ticks(), ticks(), SUBSCRIPTIONS, OTHERS.map(lambda event: lambda _now: event), st.integers(-3, 3)),
)
RUNS = st.lists(STEP, max_size=50)


def finite(effects: Effects) -> bool:
    """Return whether no number anywhere in the effects is NaN or infinite."""
    waiting = [msgspec.to_builtins(effects)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
        elif isinstance(value, float) and not math.isfinite(value):
            return False
    return True


def play(steps: list[tuple[float, object]]) -> list[tuple[Event, Now]]:
    """Turn drawn steps into events; an integer is the fate of one of the notices decided so far."""
    engine, notices = Engine(), list[Notice]()
    now = Now(WALL_MS, MONO_S)
    played: list[tuple[Event, Now]] = []

    def step(event: Event) -> None:
        played.append((event, now))
        notices.extend(engine.step(event, now).notices)

    step(SettingsChanged(EngineSettings(channels=CHANNELS, accounts=("main", "other")), (table(BTC), table(ETH))))
    for pause_s, what in steps:
        now = Now(now.wall_ms + round(pause_s * 1000), now.mono_s + pause_s)
        if callable(what):
            step(what(now))
        elif isinstance(what, int) and notices:
            notice = notices[what % len(notices)]
            step(DeliveryResult(notice.subject, notice.key, notice.channel, what >= 0))
    return played


BEGINNINGS = (
    ALERT, NoticeKind.BLIND, NoticeKind.STORAGE, NoticeKind.CHANNEL, NoticeKind.ACCOUNT, NoticeKind.CHECKUP,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(RUNS)
def test_the_same_events_give_the_same_effects(steps: list[tuple[float, object]]) -> None:
    """Two engines agree to the byte, on events that went through a journal; nothing raises.

    On the way: keys are unique for each channel, no number is NaN or infinite, what is closed was told, and a
    level only falls with fresh data.
    """
    one, other = Engine(), Engine()
    keys: set[tuple[str, str]] = set()
    alerted: set[tuple[str, str]] = set()
    for event, now in play(steps):
        effects = one.step(event, now)
        copy = msgspec.json.decode(msgspec.json.encode(event), type=Event)
        assert copy == event
        assert msgspec.json.encode(other.step(copy, now)) == msgspec.json.encode(effects)
        assert msgspec.json.decode(msgspec.json.encode(effects), type=Effects) == effects
        assert finite(effects)
        for notice in effects.notices:
            assert (notice.key, notice.channel) not in keys
            keys.add((notice.key, notice.channel))
            if notice.kind in BEGINNINGS:
                alerted.add((notice.subject, notice.channel))
            else:
                assert (notice.subject, notice.channel) in alerted
        data = {symbol.symbol: symbol.data for symbol in one.view(now).symbols}
        for change in effects.transitions:
            if change.level < change.previous and change.facts.reason == "recovered":
                assert change.facts.symbol
                assert data[change.facts.symbol] == "fresh"
        assert one.view(now) == other.view(now)


@settings(max_examples=60, deadline=None)
@given(RUNS, RUNS)
def test_a_restart_at_any_moment_loses_no_level(
    before: list[tuple[float, object]], after: list[tuple[float, object]]
) -> None:
    """What was recorded is enough to go on: no level is lower, no key is used twice, nothing raises."""
    engine, rows, keys = Engine(), dict[str, object](), set[tuple[str, str]]()
    accounts: dict[str, Event] = {}
    first, now = None, Now(WALL_MS, MONO_S)
    for event, now in play(before):
        effects = engine.step(event, now)
        rows |= {state.subject: state for state in effects.subjects}
        for subject in effects.gone:
            del rows[subject]
        keys |= {(notice.key, notice.channel) for notice in effects.notices}
        if isinstance(event, SettingsChanged):
            first = event
            accounts = {name: each for name, each in accounts.items() if name in event.settings.accounts}
        # One of an account that is not in the settings is passed over.
        if isinstance(event, Snapshot) and first is not None and event.account.account in first.settings.accounts:
            accounts[event.account.account] = event
    assert first is not None
    heir, later = Engine(), Now(now.wall_ms + 5000, 1.0)
    text = msgspec.json.encode(Restored(tuple(rows.values())))  # type: ignore[arg-type]  # states
    for event in (first, msgspec.json.decode(text, type=Event), *accounts.values()):
        assert heir.step(event, later).notices == ()
    levels = {f"{w.account}/{w.wallet}": w.level for w in engine.view(now).wallets}
    for wallet in heir.view(later).wallets:
        level = levels.pop(f"{wallet.account}/{wallet.wallet}")
        # What was ok is not known to be until marks arrive; what was worse is kept.
        assert wallet.level == ("unknown" if level == "ok" and wallet.maintenance_margin is None else level)
    assert not levels
    for event, then in play(after)[1:]:
        moment = Now(later.wall_ms + then.wall_ms - WALL_MS, later.mono_s + then.mono_s - MONO_S)
        for notice in heir.step(event, moment).notices:
            assert (notice.key, notice.channel) not in keys
            keys.add((notice.key, notice.channel))
