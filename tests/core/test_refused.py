"""What a channel refuses for good: told by others at once, and over itself as soon as it takes messages."""

from itertools import pairwise

import msgspec
import pytest

from monitor.core.events import OrderForced, Restored
from monitor.core.incidents import TOGETHER_S
from monitor.core.model import ForcedOrder, Level, Side
from monitor.core.notices import Fate, Notice, NoticeKind
from monitor.core.planner import REFUSED_S
from monitor.core.settings import ChannelRule
from monitor.core.stand_ins import NEWS_S, UNTOLD_S
from tests.core.builders import BTC, ETH, Desk, isolated, mark_at

ALERT = NoticeKind.ALERT


def desk_of(*names: str) -> Desk:
    return Desk(channels=[ChannelRule(name, Level.NOTICE) for name in names], deliver=False)


def about(desk: Desk, symbol: str) -> list[Notice]:
    return [one for one in desk.notices if one.subject == f"main/isolated:{symbol}:LONG"]


def liquidated(desk: Desk) -> list[Notice]:
    """Let the exchange close what the account held; return who is told."""
    desk.step(OrderForced("main", "x-1", BTC, Side.LONG, ForcedOrder.LIQUIDATION, 1.0, 90.0, desk.wall_ms))
    return forced(desk)


def forced(desk: Desk) -> list[Notice]:
    return [one for one in desk.notices if one.kind is NoticeKind.FORCED]


def test_what_was_refused_is_told_as_soon_as_the_channel_takes_another_message() -> None:
    """Not minutes later: that it took one shows that somebody mended it. And it says how things are by then."""
    desk = desk_of("tg")
    desk.hold(isolated(), isolated(ETH))
    desk.marks(**{BTC: mark_at(0.18), ETH: mark_at(0.9)})
    (first,) = about(desk, BTC)
    desk.result(first, accepted=False)
    desk.marks(**{BTC: mark_at(0.15), ETH: mark_at(0.9)})
    desk.beat(5)
    assert about(desk, BTC) == [first]
    desk.marks(**{BTC: mark_at(0.15), ETH: mark_at(0.18)})
    (other,) = about(desk, ETH)
    desk.beat(2)
    assert about(desk, BTC) == [first]
    desk.result(other)
    desk.beat()
    _, again = about(desk, BTC)
    assert (again.kind, again.level) == (ALERT, first.level)
    assert again.facts.room == pytest.approx(0.15)
    desk.result(again)
    desk.beat(30)
    assert len(about(desk, BTC)) == 2


def test_many_alerts_are_not_as_many_questions_to_a_service_that_says_no() -> None:
    """What is tried again is tried together, at most once in a minute; each of them within minutes."""
    desk = desk_of("tg")
    desk.hold(isolated(), isolated(ETH))
    answered = 0
    for seconds in range(1800):
        desk.marks(**{BTC: mark_at(0.06), ETH: mark_at(0.06 if seconds > 30 else 0.9)})
        desk.beat()
        for one in desk.notices[answered:]:
            desk.result(one, accepted=False)
        answered = len(desk.notices)
    moments = sorted({one.decided_ms for one in desk.notices})
    firsts = {min(one.decided_ms for one in about(desk, symbol)) for symbol in (BTC, ETH)}
    again = [at for at in moments if at not in firsts]
    assert all(later - at >= TOGETHER_S * 1000 for at, later in pairwise(again))
    for symbol in (BTC, ETH):
        own = [one.decided_ms for one in about(desk, symbol)]
        assert max(later - at for at, later in pairwise(own)) <= (REFUSED_S + TOGETHER_S) * 1000


def test_a_liquidation_that_the_only_channel_refuses_is_told_once_it_takes_messages() -> None:
    """Nothing else would ever tell of it; it says when it happened, is told once, and then forgotten."""
    desk = desk_of("tg")
    (told,) = liquidated(desk)
    desk.result(told, accepted=False)
    desk.beat(int(REFUSED_S) - 1)
    assert forced(desk) == [told]
    desk.beat(2)
    _, again = forced(desk)
    assert (again.facts, again.decided_ms) == (told.facts, told.decided_ms)
    desk.result(again, accepted=False)
    desk.beat(int(REFUSED_S) + 1)
    assert len(forced(desk)) == 3
    desk.result(forced(desk)[-1])
    assert not [subject for subject in desk.rows if subject.startswith("/told:")]
    desk.beat(2 * int(REFUSED_S))
    assert len(forced(desk)) == 3


def test_one_that_somebody_took_is_not_told_again() -> None:
    """It is known."""
    desk = desk_of("tg", "mail")
    for one in liquidated(desk):
        desk.result(one, accepted=one.channel == "mail")
    desk.beat(2 * int(REFUSED_S))
    assert len(forced(desk)) == 2
    assert not [subject for subject in desk.rows if subject.startswith("/told:")]


def test_after_a_day_it_is_forgotten() -> None:
    """Whoever mends a channel then looks at the account anyway."""
    desk = desk_of("tg")
    (told,) = liquidated(desk)
    desk.result(told, accepted=False)
    refuse_for(desk, UNTOLD_S + REFUSED_S)
    assert not [subject for subject in desk.rows if subject.startswith("/told:")]
    told_by_then = forced(desk)
    desk.beat(2 * int(REFUSED_S))
    assert forced(desk) == told_by_then


def refuse_for(desk: Desk, seconds: float) -> None:
    """Refuse whatever comes, for so long."""
    answered = len(desk.notices)
    for _ in range(round(seconds / REFUSED_S)):
        desk.wait(REFUSED_S)
        desk.beat()
        for one in desk.notices[answered:]:
            desk.result(one, accepted=False)
        answered = len(desk.notices)


@pytest.mark.parametrize("restarts", [False, True])
def test_it_is_not_forgotten_before_it_was_tried_however_long_nobody_could(restarts: bool) -> None:  # noqa: FBT001
    """The service stood still over a weekend, or a clock was set forward by a day: once more it is told."""
    desk = desk_of("tg")
    (told,) = liquidated(desk)
    desk.result(told, accepted=False)
    following = desk
    if restarts:
        following = Desk(channels=desk.settings.channels, deliver=False)
        following.wall_ms = desk.wall_ms
        fate = Fate(told.subject, told.channel, "refused", told.decided_ms, told.key)
        following.wait(2 * UNTOLD_S)
        following.step(Restored(tuple(desk.rows.values()), (fate,), pending=(told,)))
    else:
        desk.wait(2 * UNTOLD_S)
    following.beat(2)
    again = forced(following)[-1]
    assert again is not told
    assert again.decided_ms == told.decided_ms
    following.result(again, accepted=False)
    following.beat()
    assert not [subject for subject in following.rows if subject.startswith("/told:")]


def test_a_channel_that_only_waits_holds_up_no_other() -> None:
    """Whether it ever takes the message is not known; the one that is mended takes it now, and it is told once."""
    desk = desk_of("tg", "mail")
    first, waits = sorted(liquidated(desk), key=lambda one: one.channel == "mail")
    desk.result(first, accepted=False)
    desk.beat(int(REFUSED_S) + 1)
    (again,) = forced(desk)[2:]
    assert again.channel == "tg"
    desk.result(again)
    desk.beat(int(REFUSED_S) + 1)
    assert len(forced(desk)) == 3
    desk.result(waits)
    assert not [subject for subject in desk.rows if subject.startswith("/told:")]


@pytest.mark.parametrize("refuses", [False, True])
def test_a_channel_that_is_renamed_and_named_as_before_tells_what_it_refused(refuses: bool) -> None:  # noqa: FBT001
    """Nobody took it under the other name either: it refused it too, or had yet to answer."""
    desk = desk_of("tg")
    (told,) = liquidated(desk)
    desk.result(told, accepted=False)
    desk.configure(msgspec.structs.replace(desk.settings, channels=(ChannelRule("phone", Level.NOTICE),)))
    (_, other) = forced(desk)
    assert other.channel == "phone"
    if refuses:
        desk.result(other, accepted=False)
    desk.configure(msgspec.structs.replace(desk.settings, channels=(ChannelRule("tg", Level.NOTICE),)))
    desk.beat(int(TOGETHER_S) + 1)
    (again,) = forced(desk)[2:]
    assert (again.channel, again.decided_ms) == ("tg", told.decided_ms)
    desk.result(again)
    desk.beat(int(REFUSED_S) + 1)
    assert len(forced(desk)) == 3
    assert not [subject for subject in desk.rows if subject.startswith("/told:")]


@pytest.mark.parametrize("refused", [False, True])
def test_what_nobody_took_waits_for_a_channel_where_there_is_none(refused: bool) -> None:  # noqa: FBT001
    """A file without any, between the one that was and the one that comes, makes nobody hear of less."""
    desk = desk_of("tg")
    (told,) = liquidated(desk)
    if refused:
        desk.result(told, accepted=False)
    desk.configure(msgspec.structs.replace(desk.settings, channels=()))
    desk.beat(int(REFUSED_S))
    desk.configure(msgspec.structs.replace(desk.settings, channels=(ChannelRule("mail", Level.NOTICE),)))
    desk.beat()
    (other,) = forced(desk)[1:]
    assert (other.channel, other.decided_ms) == ("mail", told.decided_ms)
    desk.result(other)
    assert not [subject for subject in desk.rows if subject.startswith("/told:")]


@pytest.mark.parametrize("vanishes", [False, True])
def test_what_was_refused_of_an_incident_that_is_over_is_not_told_as_the_one_under_way(vanishes: bool) -> None:  # noqa: FBT001
    """Its figures are weeks old. Of the wallet as it is now the channels know, and people hear once marks come."""
    siren = ChannelRule("siren", Level.EMERGENCY, escalation=True)
    old = Desk(channels=[ChannelRule("tg", Level.NOTICE)], deliver=False)
    old.hold(isolated())
    old.marks(**{BTC: mark_at(0.06)})
    (refused,) = about(old, BTC)
    old.result(refused, accepted=False)
    if vanishes:
        old.hold()
        old.hold(isolated())
    for _ in range(400):
        old.wait(1)
        old.marks(**{BTC: mark_at(0.9)})
        old.beat()
    old.configure(msgspec.structs.replace(old.settings, channels=(ChannelRule("phone", Level.NOTICE), siren)))
    old.marks(**{BTC: mark_at(0.09)})
    new = about(old, BTC)[-1]
    # What vanished and came back counts its incidents from the start again.
    assert (new.channel, new.incident) == ("phone", refused.incident + (not vanishes))
    assert new.number > refused.number
    old.result(new)
    following = Desk(channels=old.settings.channels, deliver=False)
    following.wall_ms = old.wall_ms + 3_600_000
    fates = tuple(
        Fate(one.subject, one.channel, state, one.decided_ms, one.key)
        for one, state in ((refused, "refused"), (new, "accepted"))
    )
    following.step(Restored(tuple(old.rows.values()), fates, pending=(refused,)))
    following.hold(isolated())
    following.beat(5)
    assert about(following, BTC) == []


def test_a_liquidation_that_was_refused_is_told_by_the_next_run() -> None:
    """A start is when addresses have been mended."""
    desk = desk_of("tg")
    (told,) = liquidated(desk)
    desk.result(told, accepted=False)
    following = Desk(channels=desk.settings.channels, deliver=False)
    following.wall_ms = desk.wall_ms + 60_000
    fate = Fate(told.subject, told.channel, "refused", told.decided_ms, told.key)
    following.step(Restored(tuple(desk.rows.values()), (fate,), pending=(told,)))
    following.beat()
    (again,) = forced(following)
    assert (again.channel, again.facts, again.decided_ms) == ("tg", told.facts, told.decided_ms)
    following.result(again)
    following.beat(int(REFUSED_S) + 1)
    assert forced(following) == [again]


@pytest.mark.parametrize(("ago_s", "told"), [(NEWS_S - 60, ["phone"]), (NEWS_S + 60, [])])
def test_what_waits_for_a_channel_that_is_no_more_is_news_for_a_week(ago_s: float, told: list[str]) -> None:
    """A start with another file tells the others, once; what is older than any pause of a service it does not."""
    desk = desk_of("tg")
    (waits,) = liquidated(desk)
    following = Desk(channels=desk_of("phone").settings.channels, deliver=False)
    following.wall_ms = desk.wall_ms + round(ago_s * 1000)
    fate = Fate(waits.subject, waits.channel, "pending", waits.decided_ms, waits.key)
    following.step(Restored(tuple(desk.rows.values()), (fate,), pending=(waits,)))
    following.beat(20)
    assert [one.channel for one in forced(following)] == told
    for one in forced(following):
        following.result(one)
    assert not [subject for subject in following.rows if subject.startswith("/told:")]
