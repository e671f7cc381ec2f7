"""The daily summary: what it counts, whom it is told, and that a restart neither repeats nor forgets it."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.daily import AWAY_S, LATE_S, SUBJECT
from monitor.core.events import AccountState, DayKept, DayOver, DeliveryResult, Held
from monitor.core.model import Level
from monitor.core.notices import DayReport, Hold, HoldKind, Notice, NoticeKind
from monitor.core.settings import ChannelRule
from tests.core.builders import BTC, ETH, WALL_MS, Desk, isolated, mark_at
from tests.core.test_engine import at_ease

QUIET, PHONE = ChannelRule("quiet", summary=True), ChannelRule("phone", Level.CRITICAL)
WALLET = f"main/isolated:{BTC}:LONG"
DAY_S = 86_400.0


def desk_of(**changes: object) -> Desk:
    return at_ease(Desk(channels=(QUIET, PHONE), **changes))  # type: ignore[arg-type]


def summaries(desk: Desk) -> list[Notice]:
    return [notice for notice in desk.notices if notice.kind is NoticeKind.SUMMARY]


def end_day(desk: Desk, due_ms: int | None = None) -> DayReport | None:
    """Say that the time has come; return what was told, if anything was."""
    before = len(summaries(desk))
    desk.step(DayOver(desk.wall_ms if due_ms is None else due_ms))
    told = summaries(desk)[before:]
    assert len(told) <= 1
    return told[0].facts.day if told else None


def recover(desk: Desk) -> None:
    """Let a level's dwell pass, however long it is."""
    desk.wait(7200)
    desk.stay(2, 1.0)


def report(desk: Desk) -> DayReport:
    return desk.engine.day(desk.now())


# What is told.


def test_a_summary_is_one_message_to_those_that_asked_whatever_their_level() -> None:
    """The loud channel hears nothing of it; the environment stands on it as on every message."""
    desk = Desk(channels=(ChannelRule("siren", Level.EMERGENCY, summary=True), ChannelRule("phone")))
    end_day(desk)
    (notice,) = desk.notices
    assert (notice.channel, notice.kind, notice.facts.environment) == ("siren", NoticeKind.SUMMARY, "testnet")
    desk.beat(3600)
    assert desk.notices == [notice]  # no reminder, no end


def test_a_quiet_day_says_what_is_watched_and_that_nothing_happened() -> None:
    """Positions, wallets that hold one, accounts; the worst reading is the one with the least room."""
    desk = Desk(channels=(QUIET,), accounts=("main", "other"))
    began_ms = desk.wall_ms
    desk.hold(isolated(), isolated(ETH))
    desk.subscribe(BTC, ETH)
    for room in (0.9, 0.7, 0.95):
        desk.beat(2)
        desk.marks(**{BTC: mark_at(room), ETH: 100.0})
    worst_ms = desk.wall_ms - 2000
    day = end_day(desk)
    assert day is not None
    assert (day.positions, day.wallets, day.accounts) == (2, 2, 2)
    assert (day.worst_level, day.worst_subject, day.worst_at_ms) == (Level.OK, WALLET, worst_ms)
    assert day.worst_room == pytest.approx(0.7)
    assert (day.alerts, day.outages, day.blind_s, day.undelivered, day.holds) == (0, 0, 0.0, 0, 0)
    assert day.since_ms == began_ms


def test_the_worst_reading_is_by_level_first() -> None:
    """A level that lasts is worse than less room at a lower one, and it is not remembered by how it was left."""
    desk = desk_of()
    desk.room(0.05)
    desk.stay(30, 0.06)
    recover(desk)
    day = end_day(desk)
    assert day is not None
    assert (day.worst_level, day.worst_subject) == (Level.EMERGENCY, WALLET)
    assert day.worst_room == pytest.approx(0.05)
    assert day.worst_ratio is not None
    assert day.alerts == 1


def test_each_incident_of_a_wallet_is_one_alert() -> None:
    """Worsening is the same incident, and blindness is an outage."""
    desk = desk_of()
    for _ in range(3):
        for room in (0.4, 0.19, 0.09):
            desk.room(room)
        recover(desk)
    assert report(desk).alerts == 3


def test_outages_are_counted_with_their_seconds() -> None:
    """From being told blind to seeing again; an account that cannot be followed is one too."""
    desk = desk_of()
    desk.beat(60)
    blind_s = report(desk).blind_s
    assert blind_s == pytest.approx(60 - 14, abs=1.5)
    assert report(desk).outages == 1
    desk.stay(60, 0.9)
    assert report(desk).blind_s == pytest.approx(blind_s, abs=1.5)
    desk.step(AccountState("main", ok=False, reason="unreachable"))
    desk.stay(10, 0.9)
    assert report(desk).outages == 2
    assert report(desk).blind_s == pytest.approx(blind_s + 10, abs=1.5)
    desk.step(AccountState("main", ok=True))
    desk.stay(100, 0.9)
    assert report(desk).outages == 2
    assert report(desk).blind_s == pytest.approx(blind_s + 10, abs=1.5)


def test_an_outage_that_goes_on_is_part_of_both_days() -> None:
    """The new day begins blind, and says so."""
    desk = desk_of()
    desk.beat(60)
    assert report(desk).outages == 1
    first = end_day(desk)
    assert first is not None
    desk.beat(30)
    assert report(desk).outages == 1
    assert report(desk).blind_s == pytest.approx(30, abs=1.5)


def test_messages_are_counted_by_what_became_of_them() -> None:
    """Delivered, and not: refused or still waiting."""
    desk = Desk(channels=(QUIET, ChannelRule("phone")), deliver=False)
    at_ease(desk)
    desk.room(0.4)
    assert (report(desk).delivered, report(desk).undelivered) == (0, 2)
    first, second = desk.notices
    desk.step(DeliveryResult(first.subject, first.key, first.channel, accepted=True))
    assert (report(desk).delivered, report(desk).undelivered) == (1, 1)
    desk.step(DeliveryResult(second.subject, second.key, second.channel, accepted=False, reason="bad_token"))
    assert report(desk).delivered == 1
    assert report(desk).undelivered >= 1  # and a message about the channel may be on its way by now


def test_wishes_for_quiet_are_counted_and_only_a_mute_holds_a_summary_back() -> None:
    """What was counted meanwhile is told by the next one."""
    desk = desk_of()
    desk.stay(1, 0.4)
    began_ms = report(desk).since_ms
    snooze = Hold("s", HoldKind.SNOOZE, f"symbol:{BTC}", desk.wall_ms, desk.wall_ms + 3_600_000)
    desk.step(Held(snooze))
    assert report(desk).holds == 1
    first = end_day(desk)
    assert first is not None
    assert first.holds == 1
    recover(desk)
    desk.room(0.4)
    desk.step(Held(Hold("m", HoldKind.MUTE, "all", desk.wall_ms, desk.wall_ms + 60_000)))
    assert end_day(desk) is None
    desk.wait(3600)
    desk.stay(2, 0.4)
    later = end_day(desk)
    assert later is not None
    assert (later.alerts, later.holds) == (1, 0)
    assert began_ms < later.since_ms < desk.wall_ms - 3_600_000


def test_each_day_begins_with_nothing_counted() -> None:
    """What stays as it was is sampled anew within a minute, so a lasting level is every day's worst."""
    desk = desk_of()
    desk.stay(1, 0.09)
    first = end_day(desk)
    desk.stay(61, 0.09)
    second = end_day(desk)
    assert first is not None
    assert second is not None
    assert (first.alerts, second.alerts) == (1, 0)
    assert (first.delivered, second.delivered) == (2, 0)  # the summary itself is none of its day's messages
    assert (first.worst_level, second.worst_level) == (Level.CRITICAL, Level.CRITICAL)
    assert second.since_ms > first.since_ms


def test_an_undelivered_summary_does_not_hide_the_next() -> None:
    """Each is a message of its own."""
    desk = Desk(channels=(QUIET,), deliver=False)
    at_ease(desk)
    end_day(desk)
    desk.beat(60)
    end_day(desk)
    keys = {notice.subject for notice in summaries(desk)}
    assert len(keys) == 2


# Once each.


def test_the_same_moment_is_told_once() -> None:
    """However often it is said to have come, also by another run."""
    desk = desk_of()
    due_ms = desk.wall_ms
    assert end_day(desk, due_ms) is not None
    assert end_day(desk, due_ms) is None
    heir = desk.restarted(after_s=120)
    assert end_day(heir, due_ms) is None
    assert end_day(heir) is not None


def test_a_summary_is_recorded_in_the_transaction_of_its_notice() -> None:
    """A crash after it repeats nothing, one before it loses nothing."""
    desk = desk_of()
    effects = desk.step(DayOver(desk.wall_ms))
    assert [notice.kind for notice in effects.notices] == [NoticeKind.SUMMARY]
    assert desk.rows[SUBJECT] in effects.subjects
    assert desk.rows[SUBJECT].since_ms == desk.wall_ms


def test_what_was_missed_is_told_at_the_start_however_late() -> None:
    """The reader misses the message of eight o'clock, and wants to know that it runs again."""
    desk = desk_of()
    end_day(desk)
    heir = at_ease(desk.restarted(after_s=1.5 * DAY_S))
    missed_ms = heir.wall_ms - round(0.5 * DAY_S * 1000)
    assert end_day(heir, missed_ms) is not None
    assert end_day(heir, missed_ms) is None


def test_the_first_run_ever_has_missed_nothing() -> None:
    """Whoever just installed it is not told of a day that was not watched; the first that comes is told."""
    desk = desk_of()
    assert end_day(desk, desk.wall_ms - round(LATE_S * 1000) - 1) is None
    assert end_day(desk, desk.wall_ms) is not None


def test_a_clock_that_was_set_back_holds_no_summary_back_for_long() -> None:
    """A row from a wrong future is not believed by more than a day."""
    desk = desk_of()
    end_day(desk)
    desk.wall_ms -= round(30 * DAY_S * 1000)
    assert end_day(desk) is not None


# Over a restart.


def test_a_restart_goes_on_with_the_day() -> None:
    """What was counted, the worst of it, and since when; the time in between was not watched."""
    desk = desk_of()
    desk.room(0.09)
    recover(desk)
    before, saved_ms = report(desk), desk.wall_ms
    heir = desk.restarted(after_s=300)
    heir.step(DayKept(before, saved_ms))
    at_ease(heir).room(0.4)
    after = end_day(heir)
    assert after is not None
    assert (after.worst_level, after.worst_at_ms) == (Level.CRITICAL, before.worst_at_ms)
    assert after.worst_room == before.worst_room
    assert (after.alerts, after.delivered, after.since_ms) == (
        before.alerts + 1,
        before.delivered + 1,
        before.since_ms,
    )
    assert after.outages == before.outages + 1
    assert after.blind_s == pytest.approx(before.blind_s + 300)


def test_a_short_restart_is_no_outage() -> None:
    """Its seconds count as not seen all the same."""
    desk = desk_of()
    before, saved_ms = report(desk), desk.wall_ms
    heir = desk.restarted(after_s=AWAY_S)
    heir.step(DayKept(before, saved_ms))
    assert (report(heir).outages, report(heir).blind_s) == (0, AWAY_S)


def test_a_day_that_was_told_is_not_counted_again() -> None:
    """A crash right after the summary leaves the old day on disk."""
    desk = desk_of()
    desk.room(0.4)
    stale, saved_ms = report(desk), desk.wall_ms
    desk.wait(10)
    end_day(desk)
    heir = desk.restarted()
    heir.step(DayKept(stale, saved_ms))
    assert report(heir).alerts == 0


def test_an_outage_that_lasts_over_a_restart_is_one() -> None:
    """Its beginning was counted by the run that saw it."""
    desk = desk_of()
    desk.beat(60)
    before = report(desk)
    assert before.outages == 1
    heir = desk.restarted(after_s=10)
    heir.step(DayKept(before, desk.wall_ms))
    heir.hold(isolated())
    heir.subscribe(BTC)
    heir.beat(30)
    assert report(heir).outages == 1
    assert report(heir).blind_s == pytest.approx(before.blind_s + 10 + 30, abs=1.5)


def test_a_day_from_a_future_is_not_believed() -> None:
    """A clock that was wrong when it was kept must not make a summary about days to come."""
    desk = desk_of()
    ahead = msgspec.structs.replace(report(desk), since_ms=desk.wall_ms + 1, alerts=99)
    desk.step(DayKept(ahead, desk.wall_ms))
    assert report(desk).alerts == 0


@given(st.lists(st.sampled_from(["fall", "rise", "blind", "due", "restart", "repeat"]), max_size=12))
@settings(max_examples=30, deadline=None)
def test_no_history_tells_a_moment_twice_or_loses_an_alert(steps: list[str]) -> None:
    """Whatever happens in between, the alerts of all days together are the incidents that were opened."""
    desk, due_ms, room = desk_of(), WALL_MS, 1.0
    told = opened = alerts = 0
    for step in steps:
        desk.wait(1.0)
        match step:
            case "fall":
                opened += room > 0.5
                room = 0.4
                desk.stay(2, room)
            case "rise":
                room = 1.0
                recover(desk)
            case "blind":
                desk.beat(20)
                desk.room(room)
            case "restart":
                kept = msgspec.json.encode(DayKept(report(desk), desk.wall_ms))
                desk = desk.restarted()
                desk.step(msgspec.json.decode(kept, type=DayKept))
                desk.hold(isolated())
                desk.subscribe(BTC)
                desk.room(room)
            case "due":
                due_ms = desk.wall_ms
        if step in {"due", "repeat"}:
            day = end_day(desk, due_ms)
            told += day is not None
            alerts += 0 if day is None else day.alerts
            assert end_day(desk, due_ms) is None
    assert told <= steps.count("due") + 1
    assert alerts + report(desk).alerts == opened
