"""Acknowledge, snooze, mute: what they hold back, what they never hold back, and how they end."""

import pytest

from monitor.core.events import Heartbeat, Held, Lifted
from monitor.core.holds import ALL, Holds, alert_target, symbol_target
from monitor.core.model import Level
from monitor.core.notices import Hold, HoldKind, NoticeKind
from monitor.core.settings import ChannelRule
from tests.core.builders import BTC, SUBJECT, Desk, isolated
from tests.core.test_engine import at_ease

ALERT, REMINDER, CLOSED = NoticeKind.ALERT, NoticeKind.REMINDER, NoticeKind.CLOSED
HOUR_MS = 3_600_000
ACK, SNOOZE, MUTE = HoldKind.ACK, HoldKind.SNOOZE, HoldKind.MUTE


def wish(kind: HoldKind, target: str, at_ms: int, for_ms: int = HOUR_MS) -> Hold:
    return Hold(f"{kind}:{target}#{at_ms}", kind, target, at_ms, at_ms + for_ms)


def ask(desk: Desk, kind: HoldKind, target: str, for_ms: int = HOUR_MS) -> Hold:
    (made,) = desk.step(Held(wish(kind, target, desk.wall_ms, for_ms))).holds
    return made


def number(desk: Desk) -> int:
    (alert,) = desk.engine.open_alerts()
    return alert.number


def stay(desk: Desk, seconds: int, room: float) -> None:
    """Let time pass with a mark and a heartbeat each ten seconds, which is no silence yet."""
    for _ in range(seconds // 10):
        desk.wait(10.0)
        desk.room(room)
        desk.step(Heartbeat())


TARGETS = [(ACK, "alert"), (SNOOZE, "alert"), (SNOOZE, "symbol"), (MUTE, "all")]


def target_of(desk: Desk, target: str) -> str:
    return {"alert": alert_target(number(desk)), "symbol": symbol_target(BTC), "all": ALL}[target]


@pytest.mark.parametrize(("kind", "target"), TARGETS)
def test_a_hold_stops_reminders_until_it_ends(kind: HoldKind, target: str) -> None:
    """Critical is repeated each quarter of an hour, but not in the hour that somebody asked for."""
    desk = at_ease()
    desk.room(0.09)
    made = ask(desk, kind, target_of(desk, target))
    assert made.levels == {SUBJECT: Level.CRITICAL}
    stay(desk, 3590, 0.09)
    assert desk.told() == [(ALERT, "critical")]
    stay(desk, 10, 0.09)
    assert desk.told() == [(ALERT, "critical"), (REMINDER, "critical")]
    assert desk.engine.holds() == ()


@pytest.mark.parametrize(("kind", "target"), TARGETS)
def test_no_hold_hides_a_worse_level(kind: HoldKind, target: str) -> None:
    """It is told with the very tick, and reminders of it come too."""
    desk = at_ease()
    desk.room(0.19)
    ask(desk, kind, target_of(desk, target))
    desk.room(0.09)
    assert desk.told() == [(ALERT, "warning"), (ALERT, "critical")]
    stay(desk, 910, 0.09)
    assert desk.told()[-1] == (REMINDER, "critical")
    assert bool(desk.engine.holds()) is (kind is not ACK)  # seen was something else


@pytest.mark.parametrize(("kind", "target"), TARGETS)
def test_the_end_of_an_incident_is_told_whatever_is_held(kind: HoldKind, target: str) -> None:
    """Exactly one closing message, and what was wished about that incident is over with it."""
    desk = at_ease()
    desk.room(0.09)
    ask(desk, kind, target_of(desk, target))
    stay(desk, 700, 0.9)
    assert desk.told() == [(ALERT, "critical"), (CLOSED, "ok")]
    assert bool(desk.engine.holds()) is (target != "alert")


@pytest.mark.parametrize(("kind", "target"), [(SNOOZE, "symbol"), (MUTE, "all")])
def test_a_level_that_was_told_to_be_over_is_news_when_it_comes_back(kind: HoldKind, target: str) -> None:
    """The last word was recovered: to keep quiet now would hide something worse than what is known."""
    desk = at_ease()
    desk.room(0.09)
    ask(desk, kind, target_of(desk, target), 4 * HOUR_MS)
    stay(desk, 700, 0.9)
    desk.room(0.19)
    assert desk.told() == [(ALERT, "critical"), (CLOSED, "ok"), (ALERT, "warning")]


def test_a_level_known_before_it_eased_is_held_when_it_returns() -> None:
    """Told critical and acknowledged, warning in between was told to nobody: critical again is no news."""
    desk = at_ease()
    desk.room(0.09)
    ask(desk, ACK, alert_target(number(desk)))
    stay(desk, 400, 0.19)
    assert desk.levels()[-1] == "warning"
    desk.room(0.09)
    assert desk.told() == [(ALERT, "critical")]
    stay(desk, HOUR_MS // 1000, 0.09)
    assert desk.told() == [(ALERT, "critical"), (ALERT, "critical")]  # and an hour later it is told again


def test_a_rise_that_was_held_is_told_once_the_hold_ends() -> None:
    """A channel that was told of less hears of it as an alert, not as a reminder of what it never heard."""
    desk = at_ease(Desk(channels=(ChannelRule("phone", Level.NOTICE), ChannelRule("siren", Level.CRITICAL))))
    desk.room(0.09)
    stay(desk, 400, 0.19)  # the siren heard that it is over
    assert desk.told("siren") == [(ALERT, "critical"), (CLOSED, "warning")]
    ask(desk, SNOOZE, symbol_target(BTC))
    desk.room(0.09)
    assert desk.told("siren")[-1] == (ALERT, "critical")  # for a closing message makes the level news again


def test_an_opened_position_is_told_under_a_mute() -> None:
    """What was ok when somebody asked for quiet is worse now."""
    desk = at_ease()
    ask(desk, MUTE, ALL)
    desk.room(0.4)
    assert desk.told() == [(ALERT, "notice")]


def test_blindness_is_told_under_a_mute() -> None:
    """Silence of the marks is no reminder."""
    desk = at_ease()
    ask(desk, MUTE, ALL)
    desk.beat(20)
    assert desk.told() == [(NoticeKind.BLIND, "critical")]


def test_lifting_brings_reminders_back_and_leaves_acknowledgements() -> None:
    """Of one target, or of all; to have seen something cannot be taken back."""
    desk = at_ease()
    desk.room(0.09)
    ask(desk, SNOOZE, symbol_target(BTC))
    ask(desk, ACK, alert_target(number(desk)))
    ended = desk.step(Lifted(symbol_target(BTC))).holds
    assert [(hold.kind, hold.ended) for hold in ended] == [(SNOOZE, "lifted")]
    assert [hold.kind for hold in desk.engine.holds()] == [ACK]
    assert desk.step(Lifted(ALL)).holds == ()


def test_a_new_wish_takes_the_place_of_an_older_one() -> None:
    """Of its kind and target; the longer one does not outlive it."""
    holds = Holds()
    holds.make(wish(SNOOZE, ALL, 0, 10 * HOUR_MS), {})
    holds.make(wish(SNOOZE, ALL, 5), {SUBJECT: Level.WARNING})
    assert [(hold.made_ms, hold.levels) for hold in holds.active()] == [(5, {SUBJECT: Level.WARNING})]
    assert [(hold.made_ms, hold.ended) for hold in holds.take()] == [(0, "replaced"), (5, "")]


def test_holds_survive_a_restart_and_end_in_time() -> None:
    """Their end is wall time; one of a clock that was set back by more than they last is over."""
    holds = Holds()
    holds.restore([wish(MUTE, ALL, 1000)])
    assert holds.muted()
    holds.expire(1000 + HOUR_MS - 1)
    assert holds.muted()
    assert holds.take() == ()
    holds.expire(1000 + HOUR_MS)
    assert not holds.muted()
    assert [hold.ended for hold in holds.take()] == ["expired"]
    holds.restore([wish(MUTE, ALL, 2 * HOUR_MS)])
    holds.expire(0)
    assert not holds.muted()


def test_a_snoozed_symbol_holds_only_wallets_that_hold_it() -> None:
    """And a number only its own incident."""
    holds = Holds()
    holds.make(wish(SNOOZE, symbol_target(BTC), 0), {SUBJECT: Level.WARNING, "other": Level.WARNING})
    assert holds.covering(SUBJECT, 1, (BTC,), Level.WARNING) is not None
    assert holds.covering("other", 2, ("ETHUSDT",), Level.WARNING) is None
    holds = Holds()
    holds.make(wish(ACK, alert_target(1), 0), {SUBJECT: Level.WARNING, "other": Level.WARNING})
    assert holds.covering(SUBJECT, 1, (), Level.WARNING) is not None
    assert holds.covering("other", 2, (), Level.WARNING) is None
    assert holds.covering("other", 0, (), Level.WARNING) is None


def test_numbers_tell_incidents_apart_and_are_never_used_twice() -> None:
    """Of one subject or of several, also across a restart."""
    desk = at_ease()
    desk.room(0.4)
    first = number(desk)
    stay(desk, 400, 0.9)
    desk.room(0.4)
    assert number(desk) == first + 1
    heir = desk.restarted()
    heir.hold(isolated())
    heir.subscribe(BTC)
    heir.room(0.9)
    stay(heir, 400, 0.9)
    heir.room(0.4)
    assert number(heir) == first + 2
