"""A program that stood still says so, and does not take for blindness that it was not run."""

import msgspec
import pytest

from monitor.core.away import NO_MARKS, STOOD_STILL
from monitor.core.events import Away, Heartbeat, Ticks
from monitor.core.model import Level, Now, Source
from monitor.core.notices import NoticeKind, WorstAway
from monitor.core.waking import AWAKE_S, STILL_S, Waking
from tests.core.builders import BTC, MONO_S, SUBJECT, WALL_MS, Desk, isolated, mark_at

STILL_FOR_S = 82.0


def seeing(room: float = 0.9) -> Desk:
    """Return a desk that sees its position."""
    desk = Desk()
    desk.hold(isolated())
    desk.subscribe(BTC)
    desk.stay(3, room)
    return desk


def stand_still(desk: Desk, seconds: float = STILL_FOR_S) -> None:
    """Let time pass in which nothing runs; a heartbeat is the first that does."""
    desk.wait(seconds)
    desk.step(Heartbeat())


def data(desk: Desk) -> str:
    (symbol,) = desk.engine.view(desk.now()).symbols
    return symbol.data


def blind(desk: Desk) -> list[NoticeKind]:
    return [notice.kind for notice in desk.notices if notice.subject == "/feed:usdm"]


def test_nobody_is_told_of_blindness_that_is_over_within_moments() -> None:
    """The stream is connected anew; until then what is known is old."""
    desk = seeing()
    stand_still(desk)
    assert data(desk) == "suspect"
    assert desk.engine.stale(desk.now())
    desk.beat(2)
    assert data(desk) == "suspect"
    desk.stay(60, 0.9)
    assert data(desk) == "fresh"
    assert desk.notices == []


def test_marks_that_stay_away_are_told_soon_after_waking() -> None:
    """Nothing is seen, whatever it began with; the message says since when."""
    desk = seeing()
    stand_still(desk)
    desk.beat(round(AWAKE_S) - 1)
    assert blind(desk) == []
    desk.beat()
    assert blind(desk) == [NoticeKind.BLIND]
    assert desk.notices[-1].facts.mark_age_s == STILL_FOR_S + AWAKE_S


def test_only_the_time_of_standing_still_is_forgiven() -> None:
    """A stream that was silent while the program ran is as blind as ever."""
    desk = seeing()
    desk.beat(11)
    stand_still(desk, STILL_S + 1.0)
    desk.beat(2)
    assert blind(desk) == []
    desk.beat()
    assert blind(desk) == [NoticeKind.BLIND]


@pytest.mark.parametrize("runs_s", [1, 4])
@pytest.mark.parametrize("still_s", [STILL_S + 1.0, 60.0])
def test_stalls_that_follow_each_other_do_not_put_blindness_off(still_s: float, runs_s: int) -> None:
    """Of a silence that spans several of them the last alone is forgiven."""
    desk = seeing()
    silent_s = 0.0
    while silent_s < 13.5:  # without the one that follows
        assert blind(desk) == []
        desk.beat(runs_s)
        silent_s += runs_s
        if silent_s < 13.5:
            stand_still(desk, still_s)
            silent_s += still_s
    stand_still(desk, still_s)
    assert blind(desk) == [NoticeKind.BLIND]


def test_marks_between_two_stalls_begin_anew() -> None:
    """A laptop that is opened now and then tells nothing each time."""
    desk = seeing()
    for _ in range(10):
        stand_still(desk, 600.0)
        desk.beat(2)
        desk.stay(2, 0.9)
    assert desk.notices == []


def test_a_level_may_rise_before_the_stream_is_back() -> None:
    """On marks of REST, as while any stream is silent."""
    desk = seeing()
    stand_still(desk)
    mark = msgspec.structs.replace(desk.range(BTC, mark_at(0.02)), source=Source.REST)
    desk.step(Ticks((mark,)))
    assert desk.levels() == ["emergency"]
    assert blind(desk) == []


def away_reason(desk: Desk, lasted_s: float) -> str:
    """Return why a time that ends now was not watched, as it is told."""
    one = WorstAway(
        subject=SUBJECT, level=Level.EMERGENCY, at_ms=desk.wall_ms - 40_000, symbol=BTC, side="LONG", mark=91.0,
        liquidation_price=90.9, distance=0.001, joint_distance=None, margin_ratio=0.99, room=0.01,
        liquidatable=False,
    )  # fmt: skip
    desk.step(Away(desk.wall_ms - round(lasted_s * 1000), desk.wall_ms, (one,)))
    (told,) = (notice for notice in desk.notices if notice.kind is NoticeKind.AWAY)
    return told.facts.reason


@pytest.mark.parametrize(("lasted_s", "reason"), [(85.0, STOOD_STILL), (160.0, STOOD_STILL), (170.0, NO_MARKS)])
def test_what_is_told_of_the_time_says_that_nothing_ran(lasted_s: float, reason: str) -> None:
    """Where that was most of it; else the stream is to blame."""
    desk = seeing()
    stand_still(desk)
    desk.beat(2)
    assert away_reason(desk, lasted_s) == reason


def test_a_suspended_machine_stood_still_though_its_timer_did_as_well() -> None:
    """The calendar shows it."""
    desk = seeing()
    desk.wall_ms += 82_000
    desk.beat(2)
    assert away_reason(desk, 84.0) == STOOD_STILL


def test_the_first_heartbeat_follows_no_other() -> None:
    """Silence counts from the subscription, and there is nothing to forgive."""
    waking = Waking()
    waking.beat(Now(WALL_MS, MONO_S))
    assert waking.forgiven_s(MONO_S) == 0
    waking.beat(Now(WALL_MS + 5000, MONO_S + STILL_S))
    assert waking.forgiven_s(MONO_S + STILL_S) == 0
    assert not waking.stood_still(WALL_MS, WALL_MS + 5000)
