"""A run whose only channel took nothing, and the next one, which has another in its place."""

from monitor.core.events import Restored
from monitor.core.model import Level
from monitor.core.notices import Fate, NoticeKind
from monitor.core.settings import ChannelRule
from monitor.core.stand_ins import FALLBACK, INHERIT_S
from tests.core.builders import Desk, isolated


def waiting() -> tuple[Desk, Desk]:
    """Return a run whose only channel took nothing, and the next one, that has another in its place."""
    before = Desk(channels=[ChannelRule("tg", Level.NOTICE)], deliver=False)
    before.hold(isolated())
    before.room(0.9)
    before.room(0.04)
    later = Desk(channels=[ChannelRule("phone", Level.NOTICE)], deliver=False)
    fates = tuple(Fate(one.subject, one.channel, "pending", one.decided_ms, one.key) for one in before.notices)
    later.step(Restored(tuple(before.rows.values()), fates, pending=tuple(before.notices)))
    return before, later


def test_a_wallet_of_the_run_before_is_told_by_who_comes_in_the_place_though_nothing_is_known_of_it_now() -> None:
    """As it was then, once, and only when its marks had their time to come."""
    before, later = waiting()
    (alert,) = before.notices
    later.beat(round(INHERIT_S) - 1)
    assert [one for one in later.notices if one.subject == alert.subject] == []
    later.beat(2)
    (told,) = (one for one in later.notices if one.subject == alert.subject)
    assert (told.kind, told.channel, told.facts.via, told.decided_ms) == (
        NoticeKind.ALERT, "phone", f"{FALLBACK}tg", alert.decided_ms
    )  # fmt: skip
    later.beat(30)
    assert len([one for one in later.notices if one.subject == alert.subject]) == 1


def test_a_wallet_whose_marks_came_in_time_is_told_as_it_is_now() -> None:
    """Nobody is told of it as it was."""
    before, later = waiting()
    (alert,) = before.notices
    later.hold(isolated())
    later.room(0.04)
    later.beat(30)
    told = [one for one in later.notices if one.subject == alert.subject and one.kind is NoticeKind.ALERT]
    assert [one.facts.via for one in told if one.facts.via] == []
    assert len(told) == 1
