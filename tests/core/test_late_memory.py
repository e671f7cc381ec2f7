"""A state database that opens late: what this run knows better stays, and no end of before is lost."""

import msgspec

from monitor.core.engine import NUMBER_MS, NUMBERS_SINCE_MS
from monitor.core.events import Restored, StoreState
from monitor.core.model import Level
from monitor.core.notices import NoticeKind, SubjectState, Told
from monitor.core.settings import ChannelRule
from tests.core.builders import BTC, ETH, WALL_MS, Desk, isolated, mark_at

WALLET = "main/isolated:BTCUSDT:LONG"
BEFORE = SubjectState(
    WALLET, Level.CRITICAL, WALL_MS - 9, 3, Level.CRITICAL, 5, number=17, loud_ms=WALL_MS - 9,
    told={"phone": Told(Level.CRITICAL, WALL_MS - 9, delivered=True)},
)  # fmt: skip


def unread(desk: Desk | None = None) -> Desk:
    """Return a desk whose database could not be opened."""
    desk = desk or Desk()
    desk.step(Restored((), unread=True))
    desk.hold(isolated())
    desk.subscribe(BTC)
    return desk


def closed(desk: Desk) -> list[tuple[str, str]]:
    return [(n.subject, n.facts.reason) for n in desk.notices if n.kind is NoticeKind.CLOSED]


def test_what_recovered_before_the_database_opened_is_closed_after_it_did() -> None:
    """Whoever was told of it is told its end, with the dwell of any other."""
    desk = unread()
    desk.room(0.9)
    desk.step(Restored((BEFORE,), late=True, last_number=17))
    assert closed(desk) == []
    desk.stay(400, 0.9)
    assert closed(desk) == [(WALLET, "recovered")]
    assert [n.number for n in desk.notices] == [17]


def test_what_goes_on_is_not_opened_a_second_time() -> None:
    """The incident of this run stays, under a number that no other had; the one of before ends with it."""
    desk = unread(Desk(channels=(ChannelRule("phone", Level.WARNING), ChannelRule("mail", Level.EMERGENCY))))
    desk.room(0.09)
    (alert,) = desk.notices
    assert alert.number == (WALL_MS - NUMBERS_SINCE_MS) // NUMBER_MS + 1 > 17
    told = {"mail": Told(Level.EMERGENCY, WALL_MS - 9, delivered=True), **BEFORE.told}
    desk.step(Restored((msgspec.structs.replace(BEFORE, told=told),), late=True, last_number=17))
    desk.stay(5, 0.09)
    assert desk.notices == [alert]
    desk.stay(400, 0.9)
    ends = [n for n in desk.notices if n.kind is NoticeKind.CLOSED]
    assert sorted((n.channel, n.number) for n in ends) == [("mail", alert.number), ("phone", alert.number)]


def test_what_nobody_holds_any_more_is_closed_when_it_is_learnt() -> None:
    """It vanished while the service had no memory of it; that is no all-clear."""
    desk = unread()
    desk.room(0.9)
    gone = msgspec.structs.replace(BEFORE, subject="main/isolated:ETHUSDT:LONG")
    desk.step(Restored((gone,), late=True))
    desk.beat(30)
    assert closed(desk) == [(gone.subject, "gone")]


def test_once_it_opened_what_is_seen_first_is_opened_inside_again() -> None:
    """There is nothing unread any more."""
    desk = unread()
    desk.room(0.9)
    desk.step(Restored((), late=True))
    desk.hold(isolated(), isolated(ETH))
    desk.marks(**{ETH: mark_at(0.05)})
    assert [n.facts.reason for n in desk.notices] == ["first seen"]


def test_what_happened_to_a_database_is_told_beside_whether_it_takes_writes() -> None:
    """Once, with where the damaged file lies; it is no incident and has no end."""
    desk = Desk()
    desk.step(StoreState("state", ok=True, reason="malformed", hint="kept as x", note="damaged"))
    desk.step(StoreState("state", ok=True))
    desk.beat(90)
    (notice,) = desk.notices
    assert (notice.kind, notice.level) == (NoticeKind.STORAGE, Level.WARNING)
    assert (notice.facts.reason, notice.facts.detail) == ("damaged", "state")
    assert notice.facts.advice == ("malformed", "kept as x")
