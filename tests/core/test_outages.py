"""Blind feeds and failing stores: told once, named, repeated seldom, and ended once."""

import msgspec
import pytest

from monitor.core.events import AtRest, Distrusted, FeedState, Heartbeat, Restored, Snapshot, StoreState, Ticks
from monitor.core.model import Level, Source
from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.core.settings import ChannelRule
from tests.core.builders import BTC, ETH, WALL_MS, Desk, account, isolated, mark_at

FEED, MARKS, STORE = "/feed:usdm", "/feed:marks", "/storage:state"


def watching(*, subscribed: bool = True) -> Desk:
    """Return a desk with two symbols, at ease."""
    desk = Desk()
    desk.hold(isolated(BTC), isolated(ETH))
    if subscribed:
        desk.subscribe(BTC, ETH)
    return desk


def tick(desk: Desk, *symbols: str) -> None:
    desk.marks(**dict.fromkeys(symbols, 100.0))


def of(desk: Desk, kind: NoticeKind) -> list[Notice]:
    return [notice for notice in desk.notices if notice.kind is kind]


def test_a_silent_feed_is_told_within_fifteen_seconds() -> None:
    """Not sooner; with the symbols and how long nothing was heard."""
    desk = watching()
    tick(desk, BTC, ETH)
    desk.beat(13)
    assert desk.notices == []
    desk.beat()
    (notice,) = desk.notices
    assert (notice.kind, notice.subject, notice.level, notice.incident) == (
        NoticeKind.BLIND, FEED, Level.CRITICAL, 1
    )  # fmt: skip
    assert notice.facts == Facts(
        "testnet",
        symbols=(BTC, ETH),
        wallets=("main/isolated:BTCUSDT:LONG (ok)", "main/isolated:ETHUSDT:LONG (ok)"),
        mark_age_s=14.0,
        event_ms=WALL_MS,
        reason="no marks",
    )
    desk.beat(60)
    assert len(desk.notices) == 1


def test_blindness_says_why_there_is_no_connection() -> None:
    """As its feed last said it; once a connection delivers, a silence has another reason."""
    desk = watching()
    tick(desk, BTC, ETH)
    desk.step(FeedState("usdm", "lost", "host", "future_time"))
    desk.step(FeedState("usdm", "connecting", "host"))
    desk.beat(14)
    assert [notice.facts.detail for notice in desk.notices] == ["future_time"]
    desk.step(FeedState("usdm", "live", "host"))
    desk.beat(900)
    assert [notice.facts.detail for notice in desk.notices] == ["future_time", ""]


def test_silence_counts_from_the_subscription() -> None:
    """A feed that never delivers at all is told as soon as one that stopped."""
    desk = watching(subscribed=False)
    desk.beat(5)
    desk.subscribe(BTC, ETH)
    desk.beat(13)
    assert desk.notices == []
    desk.beat()
    assert [notice.subject for notice in desk.notices] == [FEED]


def test_silence_counts_from_the_first_watch_where_nobody_subscribed() -> None:
    """Connecting that takes for ever is blindness too."""
    desk = watching(subscribed=False)
    desk.beat(13)
    assert desk.notices == []
    desk.beat()
    assert [(notice.subject, notice.facts.symbols) for notice in desk.notices] == [(MARKS, (BTC, ETH))]


def test_reconnecting_again_and_again_does_not_put_it_off() -> None:
    """Each attempt subscribes; none delivers."""
    desk = watching()
    for _ in range(3):
        desk.beat(5)
        desk.subscribe(BTC, ETH)
    assert [notice.kind for notice in desk.notices] == [NoticeKind.BLIND]


def test_only_the_silent_symbols_are_named() -> None:
    """One stream of many may die alone."""
    desk = watching()
    for _ in range(20):
        tick(desk, ETH)
        desk.beat()
    assert [notice.facts.symbols for notice in desk.notices] == [(BTC,)]


def test_whoever_looks_sees_which_symbols_a_feed_does_not_deliver() -> None:
    """As a message would name them now, until it is over; a hold of such a symbol is not about the feed."""
    desk = watching()
    for _ in range(14):
        tick(desk, BTC)
        desk.beat()

    def shown() -> list[tuple[str, tuple[str, ...]]]:
        return [(one.subject, one.symbols) for one in desk.engine.view(desk.now()).alerts]

    assert shown() == [(FEED, (ETH,))]
    assert [one.symbols for one in desk.engine.open_alerts()] == [()]
    desk.beat(14)
    assert shown() == [(FEED, (BTC, ETH))]
    tick(desk, BTC, ETH)
    desk.beat()
    assert shown() == []


def test_more_symbols_are_told_within_the_same_incident() -> None:
    """A new message, that names all of them, and no new incident."""
    desk = watching()
    for _ in range(10):
        tick(desk, ETH)
        desk.beat()
    desk.beat(20)
    assert [(notice.kind, notice.incident, notice.facts.symbols) for notice in desk.notices] == [
        (NoticeKind.BLIND, 1, (BTC,)),
        (NoticeKind.BLIND, 1, (BTC, ETH)),
    ]
    assert [t.level for t in desk.transitions] == [Level.CRITICAL]
    tick(desk, BTC)
    desk.beat(16)  # blind again before the other came back: known already
    assert len(desk.notices) == 2


def test_sight_is_told_once_when_all_are_fresh() -> None:
    """Not while one is silent or suspect."""
    desk = watching()
    tick(desk, BTC, ETH)
    desk.beat(15)
    tick(desk, BTC)
    desk.beat(2)
    assert of(desk, NoticeKind.SIGHT) == []
    tick(desk, ETH)
    desk.beat()  # BTCUSDT is suspect by now
    assert of(desk, NoticeKind.SIGHT) == []
    tick(desk, BTC)
    desk.beat(2)
    (notice,) = of(desk, NoticeKind.SIGHT)
    assert (notice.level, notice.facts.reason, notice.facts.symbols) == (Level.OK, "marks are back", (BTC, ETH))
    tick(desk, BTC, ETH)
    desk.beat(2)
    assert len(desk.notices) == 2


def test_the_next_blindness_is_a_new_incident() -> None:
    """Told like the first, though it is of the same symbols."""
    desk = watching()
    desk.beat(15)
    tick(desk, BTC, ETH)
    desk.beat(15)
    assert [(notice.kind, notice.incident) for notice in desk.notices] == [
        (NoticeKind.BLIND, 1),
        (NoticeKind.SIGHT, 1),
        (NoticeKind.BLIND, 2),
    ]


def test_a_symbol_never_heard_of_is_not_sight() -> None:
    """Being expected anew is not being heard."""
    desk = watching(subscribed=False)
    desk.beat(15)
    desk.subscribe(BTC, ETH)  # their silence counts from here, so none is blind now
    tick(desk, BTC)
    desk.beat()
    assert of(desk, NoticeKind.SIGHT) == []
    tick(desk, BTC, ETH)
    desk.beat()
    assert [notice.subject for notice in of(desk, NoticeKind.SIGHT)] == [MARKS]


def test_no_sight_before_any_mark_after_a_restart() -> None:
    """What was blind stays blind until something is seen; then it ends once."""
    first = watching()
    first.beat(15)
    desk = first.restarted()
    desk.hold(isolated(BTC), isolated(ETH))
    desk.subscribe(BTC, ETH)
    desk.beat(5)
    assert desk.notices == []
    tick(desk, BTC, ETH)
    desk.beat()
    assert [(n.kind, n.incident, n.facts.symbols) for n in desk.notices] == [(NoticeKind.SIGHT, 1, (BTC, ETH))]


def test_an_unclaimed_blindness_ends_after_a_restart_when_all_is_seen() -> None:
    """Which symbols it named was forgotten, so every one counts."""
    first = watching(subscribed=False)
    first.beat(15)
    desk = first.restarted()
    desk.hold(isolated(BTC), isolated(ETH))
    desk.subscribe(BTC, ETH)
    tick(desk, BTC)
    desk.beat()
    assert desk.notices == []
    tick(desk, BTC, ETH)
    desk.beat()
    assert [(notice.subject, notice.kind) for notice in desk.notices] == [(MARKS, NoticeKind.SIGHT)]


def test_blindness_is_repeated_every_quarter_of_an_hour() -> None:
    """While it lasts, on channels that took the first message."""
    desk = watching()
    desk.beat(14 + 899)
    assert len(desk.notices) == 1
    desk.beat()
    assert [notice.kind for notice in desk.notices] == [NoticeKind.BLIND] * 2
    assert desk.notices[1].previous is Level.CRITICAL
    assert desk.notices[1].facts.mark_age_s == 914.0


def test_a_feed_is_responsible_for_all_it_ever_asked_for() -> None:
    """It asks for new symbols as positions open; the old ones are still its own."""
    desk = Desk()
    desk.hold(isolated(BTC))
    desk.subscribe(BTC)
    tick(desk, BTC)
    desk.hold(isolated(BTC), isolated(ETH))
    desk.subscribe(ETH)
    for _ in range(16):
        tick(desk, ETH)
        desk.beat()
    assert [(notice.subject, notice.facts.symbols) for notice in desk.notices] == [(FEED, (BTC,))]


def test_a_symbol_no_feed_asked_for_is_not_forgotten() -> None:
    """A position was opened, and its feed never learned of it."""
    desk = Desk()
    desk.hold(isolated(BTC))
    desk.subscribe(BTC)
    desk.hold(isolated(BTC), isolated(ETH))
    for _ in range(16):
        tick(desk, BTC)
        desk.beat()
    assert [(notice.subject, notice.facts.symbols) for notice in desk.notices] == [(MARKS, (ETH,))]
    desk.subscribe(ETH)
    tick(desk, BTC, ETH)
    desk.beat()
    assert [notice.kind for notice in desk.notices] == [NoticeKind.BLIND, NoticeKind.SIGHT]


def test_more_symbols_no_feed_asked_for_are_told_too() -> None:
    """A position opened while the feed still connects."""
    desk = Desk()
    desk.hold(isolated(BTC))
    desk.beat(15)
    desk.hold(isolated(BTC), isolated(ETH))
    desk.beat(15)
    assert [(n.subject, n.incident, n.facts.symbols) for n in desk.notices] == [
        (MARKS, 1, (BTC,)),
        (MARKS, 1, (BTC, ETH)),
    ]


def test_feeds_are_judged_each_for_itself() -> None:
    """Two markets have two connections; symbols may even be shared with a feed of any name."""
    desk = watching(subscribed=False)
    desk.subscribe(BTC, feed="usdm")
    desk.subscribe(ETH, feed="marks")
    for _ in range(16):
        tick(desk, BTC)
        desk.beat()
    assert [(notice.subject, notice.facts.symbols) for notice in desk.notices] == [(MARKS, (ETH,))]


def test_blindness_ends_where_nothing_needs_to_be_seen() -> None:
    """The last position of the feed was closed."""
    desk = watching()
    desk.beat(15)
    desk.hold()
    desk.beat()
    (notice,) = of(desk, NoticeKind.SIGHT)
    assert notice.facts.reason == "no position needs marks"


def test_marks_of_what_was_closed_are_not_said_to_be_back() -> None:
    """The blind one of two was closed, or one of two blind ones; the other was seen all the time, or is again."""
    desk = watching()
    for _ in range(15):
        tick(desk, BTC)
        desk.beat()
    desk.hold(isolated(BTC))
    tick(desk, BTC)
    desk.beat()
    assert [(n.facts.reason, n.facts.symbols) for n in of(desk, NoticeKind.SIGHT)] == [
        ("no position needs marks", (ETH,))
    ]
    both = watching()
    both.beat(15)
    both.hold(isolated(BTC))
    tick(both, BTC)
    both.beat()
    assert [(n.facts.reason, n.facts.symbols) for n in of(both, NoticeKind.SIGHT)] == [("marks are back", (BTC,))]


def test_no_positions_no_blindness() -> None:
    """Nothing is expected, so nothing is missed."""
    desk = Desk()
    desk.beat(60)
    desk.subscribe(BTC)
    desk.beat(60)
    assert desk.notices == []


def test_blindness_is_told_to_those_who_want_critical_news() -> None:
    """It has a severity like a level."""
    channels = [ChannelRule("phone"), ChannelRule("siren", Level.CRITICAL), ChannelRule("last", Level.EMERGENCY)]
    desk = Desk(channels=channels)
    desk.hold(isolated())
    desk.beat(15)
    assert [notice.channel for notice in desk.notices] == ["phone", "siren"]


def test_a_blind_alert_accepted_after_its_end_is_followed_by_sight() -> None:
    """It was in flight when the marks came back."""
    desk = watching()
    desk.deliver = False
    desk.beat(15)
    (blind,) = desk.notices
    tick(desk, BTC, ETH)
    desk.beat()
    assert desk.withdrawn == [(FEED, "phone")]
    desk.result(blind)
    assert [(n.kind, n.facts.reason) for n in desk.notices[1:]] == [(NoticeKind.SIGHT, "marks are back")]


# Stores


def store(desk: Desk, *, ok: bool, name: str = "state") -> None:
    desk.step(StoreState(name, ok, "" if ok else "disk full"))


def settle(desk: Desk) -> None:
    """Let as much time pass as a database has to take writes before that is told."""
    desk.wait(60.0)
    desk.step(Heartbeat())


def test_a_failing_store_is_told_once_and_its_return_once() -> None:
    """However often either is reported."""
    desk = Desk()
    for ok in (True, False, False, True, True):
        desk.wait(1.0)
        store(desk, ok=ok)
    settle(desk)
    settle(desk)
    assert [(n.kind, n.subject, n.level, n.facts.reason, n.facts.detail) for n in desk.notices] == [
        (NoticeKind.STORAGE, STORE, Level.WARNING, "disk full", "state"),
        (NoticeKind.STORAGE_BACK, STORE, Level.OK, "", "state"),
    ]


def test_a_failing_store_says_which_file_and_what_helps_each_time() -> None:
    """Also in a reminder two hours later, which is what the next person on duty reads; over with its end."""
    desk = watching()
    tick(desk, BTC, ETH)
    full = StoreState(
        "state", ok=False, reason="database or disk is full", hint="Free some space", path="/s/state.db"
    )
    desk.step(full)
    for _ in range(121):
        tick(desk, BTC, ETH)
        desk.beat(60)
    told = [(n.facts.path, n.facts.advice) for n in of(desk, NoticeKind.STORAGE)]
    assert told == [("/s/state.db", ("Free some space",))] * 2


def test_stores_fail_each_for_itself() -> None:
    """Two databases, two subjects."""
    desk = Desk()
    store(desk, ok=False)
    store(desk, ok=False, name="history")
    store(desk, ok=True)
    settle(desk)
    assert [n.facts.detail for n in desk.notices] == ["state", "history", "state"]


def test_a_store_that_comes_and_goes_is_told_once() -> None:
    """A slow disk fails one commit in ten; each of its returns is followed by the next failure."""
    desk = Desk()
    for _ in range(100):
        store(desk, ok=False)
        desk.beat(5)
        store(desk, ok=True)
        desk.beat(50)
        store(desk, ok=True)
    assert [n.kind for n in desk.notices] == [NoticeKind.STORAGE]
    desk.beat(9)
    assert len(desk.notices) == 1
    desk.beat()
    assert [n.kind for n in desk.notices[1:]] == [NoticeKind.STORAGE_BACK]


def test_a_store_that_comes_and_goes_more_slowly_is_told_ever_less() -> None:
    """A disk that stands still for a moment every other minute; its last return is told."""
    desk = Desk()
    for _ in range(30):
        store(desk, ok=False)
        desk.wait(5.0)
        store(desk, ok=True)
        for _ in range(4):
            desk.wait(30.0)
            desk.step(Heartbeat())
    assert len(desk.notices) <= 10
    for _ in range(60):
        desk.wait(30.0)
        desk.step(Heartbeat())
    assert desk.notices[-1].kind is NoticeKind.STORAGE_BACK


def test_a_failing_store_is_repeated_every_two_hours() -> None:
    """While it lasts, and not afterwards."""
    desk = Desk()
    store(desk, ok=False)
    desk.wait(7199.0)
    desk.step(Heartbeat())
    assert len(desk.notices) == 1
    desk.wait(1.0)
    desk.step(Heartbeat())
    desk.step(Heartbeat())
    assert [(n.kind, n.facts.detail) for n in desk.notices] == [(NoticeKind.STORAGE, "state")] * 2
    store(desk, ok=True)
    desk.wait(9000.0)
    desk.step(Heartbeat())
    assert len(desk.notices) == 3


def test_a_storage_alert_accepted_after_its_end_is_followed_by_the_end() -> None:
    """It was in flight when the database took writes again."""
    desk = Desk(deliver=False)
    store(desk, ok=False)
    store(desk, ok=True)
    settle(desk)
    desk.result(desk.notices[0])
    assert [(n.kind, n.facts.detail) for n in desk.notices[1:]] == [(NoticeKind.STORAGE_BACK, "state")]


def test_a_failing_store_of_the_run_before_is_still_failing() -> None:
    """Until it is reported to work; it is then told once."""
    first = Desk()
    store(first, ok=False)
    desk = first.restarted()
    store(desk, ok=False)
    assert desk.notices == []
    store(desk, ok=True)
    settle(desk)
    assert [n.kind for n in desk.notices] == [NoticeKind.STORAGE_BACK]


@pytest.mark.parametrize("room", [0.9, 0.05])
def test_feeds_and_stores_are_not_positions(room: float) -> None:
    """No account holds them, and still they are never called gone."""
    desk = Desk()
    store(desk, ok=False)
    desk.beat(16)
    desk.step(Restored(()))
    desk.step(Snapshot(account(isolated())))
    desk.step(Ticks((desk.range(BTC, mark_at(room)),)))
    desk.hold()
    assert STORE in desk.rows
    assert [n.kind for n in desk.notices if n.subject.startswith("/")] == [NoticeKind.STORAGE]


def test_blindness_is_told_to_somebody_even_where_every_channel_asks_for_more() -> None:
    """To those that ask for the least; storage trouble too, and both are closed there."""
    channels = (ChannelRule("siren", Level.EMERGENCY), ChannelRule("other", Level.EMERGENCY))
    desk = Desk(channels=channels)
    desk.hold(isolated(BTC))
    tick(desk, BTC)
    desk.beat(14)
    desk.step(StoreState("state", ok=False, reason="full"))
    assert {(n.channel, n.kind) for n in desk.notices} == {
        (name, kind) for name in ("siren", "other") for kind in (NoticeKind.BLIND, NoticeKind.STORAGE)
    }
    tick(desk, BTC)
    desk.beat()
    desk.step(StoreState("state", ok=True))
    for _ in range(60):
        tick(desk, BTC)
        desk.beat()
    assert [n.kind for n in desk.notices[4:]] == [
        NoticeKind.SIGHT, NoticeKind.SIGHT, NoticeKind.STORAGE_BACK, NoticeKind.STORAGE_BACK
    ]  # fmt: skip


def test_outages_go_to_those_that_ask_for_their_level_where_there_are_any() -> None:
    """A siren that asks for emergencies is left alone then."""
    desk = Desk(channels=(ChannelRule("phone", Level.CRITICAL), ChannelRule("siren", Level.EMERGENCY)))
    desk.hold(isolated(BTC))
    tick(desk, BTC)
    desk.beat(14)
    assert [n.channel for n in desk.notices] == ["phone"]


def test_a_symbol_that_goes_blind_again_is_told_while_another_never_came_back() -> None:
    """One dead symbol must not hide the second blindness of another; once a minute is enough."""
    desk = watching()
    tick(desk, BTC)
    desk.beat(14)
    assert [n.facts.symbols for n in desk.notices] == [(BTC, ETH)]
    for _ in range(5):
        tick(desk, BTC)
        desk.beat()
    desk.beat(14)
    assert len(desk.notices) == 1  # within the minute
    desk.beat(45)
    assert [n.facts.symbols for n in desk.notices[1:]] == [(BTC, ETH)]
    desk.beat(61)
    assert len(desk.notices) == 2  # it did not come back in between


# Marks from REST


def rest(desk: Desk, *symbols: str, mark: float = 100.0) -> None:
    """Have REST tell marks, as it does while the stream is silent."""
    desk.step(Ticks(tuple(msgspec.structs.replace(desk.range(s, mark), source=Source.REST) for s in symbols)))


def bridge(desk: Desk, seconds: int, *symbols: str) -> None:
    """Let seconds pass in which only REST tells marks."""
    for n in range(seconds):
        if n % 2 == 0:
            rest(desk, *symbols)
        desk.beat()


def test_blindness_with_marks_of_rest_is_a_warning() -> None:
    """Told as soon as any other blindness, and with what stands in."""
    desk = watching()
    tick(desk, BTC, ETH)
    bridge(desk, 13, BTC, ETH)
    assert desk.notices == []
    bridge(desk, 1, BTC, ETH)
    (notice,) = desk.notices
    assert (notice.kind, notice.level, notice.facts.bridged) == (NoticeKind.BLIND, Level.WARNING, True)
    assert (notice.facts.reason, notice.facts.mark_age_s) == ("no marks", 14.0)
    bridge(desk, 600, BTC, ETH)
    assert len(desk.notices) == 1


def test_all_that_is_blind_has_to_be_bridged() -> None:
    """A symbol that REST does not tell either is in danger unseen."""
    desk = watching()
    tick(desk, BTC, ETH)
    bridge(desk, 14, BTC)
    assert [(n.level, n.facts.bridged) for n in desk.notices] == [(Level.CRITICAL, False)]


def test_marks_of_rest_that_end_too_are_told_at_once() -> None:
    """The same incident, and worse: ten seconds after the last of them."""
    desk = watching()
    tick(desk, BTC, ETH)
    bridge(desk, 15, BTC, ETH)
    desk.beat(9)
    assert len(desk.notices) == 1
    desk.beat()
    assert [(n.kind, n.level, n.facts.bridged, n.incident) for n in desk.notices] == [
        (NoticeKind.BLIND, Level.WARNING, True, 1),
        (NoticeKind.BLIND, Level.CRITICAL, False, 1),
    ]


def test_a_bridge_that_comes_back_is_recorded_and_told_where_the_incident_is_over() -> None:
    """After a minute of it; who asked for critical news hears that it is bridged, never an all-clear."""
    desk = Desk(channels=[ChannelRule("phone"), ChannelRule("siren", Level.CRITICAL)])
    desk.hold(isolated(BTC))
    desk.subscribe(BTC)
    desk.beat(14)
    bridge(desk, 60, BTC)
    assert [(n.channel, n.kind) for n in desk.notices] == [
        ("phone", NoticeKind.BLIND),
        ("siren", NoticeKind.BLIND),
    ]
    bridge(desk, 1, BTC)
    (notice,) = desk.notices[2:]
    assert (notice.channel, notice.kind, notice.level) == ("siren", NoticeKind.SIGHT, Level.WARNING)
    assert notice.facts.bridged
    assert desk.levels() == ["critical", "warning"]
    tick(desk, BTC)
    desk.beat()
    assert [(n.channel, n.kind, n.level) for n in desk.notices[3:]] == [("phone", NoticeKind.SIGHT, Level.OK)]


def test_a_channel_that_was_lent_the_blindness_keeps_it_while_it_is_bridged() -> None:
    """Where nobody asks for so little, the one that asks for the least hears one end, and it is the real one."""
    desk = Desk(channels=[ChannelRule("siren", Level.EMERGENCY)])
    desk.hold(isolated(BTC))
    desk.subscribe(BTC)
    desk.beat(14)
    bridge(desk, 120, BTC)
    tick(desk, BTC)
    desk.beat()
    assert [(n.kind, n.level) for n in desk.notices] == [
        (NoticeKind.BLIND, Level.CRITICAL), (NoticeKind.SIGHT, Level.OK)
    ]  # fmt: skip


def test_a_bridge_that_comes_and_goes_is_told_once() -> None:
    """REST that answers every other half minute is not told each time."""
    desk = watching()
    tick(desk, BTC, ETH)
    for _ in range(10):
        bridge(desk, 30, BTC, ETH)
        desk.beat(30)
    told = [(n.level, n.facts.bridged) for n in desk.notices if n.previous is not n.level]
    assert told == [(Level.WARNING, True), (Level.CRITICAL, False)]


def test_a_bridged_blindness_is_repeated_every_hour() -> None:
    """It is no way to live."""
    desk = watching()
    tick(desk, BTC, ETH)
    bridge(desk, 14 + 3600, BTC, ETH)
    assert [(n.kind, n.facts.bridged) for n in desk.notices] == [(NoticeKind.BLIND, True)] * 2


def test_an_end_that_was_owed_says_that_it_is_only_bridged() -> None:
    """A channel took the alert late, when for it the incident was over already."""
    desk = Desk(channels=[ChannelRule("phone"), ChannelRule("siren", Level.CRITICAL)], deliver=False)
    desk.hold(isolated(BTC))
    desk.subscribe(BTC)
    desk.beat(14)
    siren = next(n for n in desk.notices if n.channel == "siren")
    bridge(desk, 70, BTC)
    desk.result(siren)
    assert [(n.channel, n.kind, n.facts.bridged) for n in desk.notices[2:]] == [("siren", NoticeKind.SIGHT, True)]


WHY = "the stream says 61,000 where REST says 59,400"


def test_a_stream_that_is_wrong_is_blindness_at_once_with_the_reason() -> None:
    """However much it delivers; who sees it named knows what is wrong."""
    desk = watching()
    tick(desk, BTC, ETH)
    desk.step(Distrusted("usdm", {BTC: WHY}))
    rest(desk, BTC, mark=99.0)
    desk.beat()
    (notice,) = desk.notices
    assert (notice.kind, notice.level, notice.facts.symbols) == (NoticeKind.BLIND, Level.WARNING, (BTC,))
    assert (notice.facts.reason, notice.facts.mark_age_s) == (f"{BTC}: {WHY}", None)
    tick(desk, ETH)
    desk.beat()
    desk.step(Distrusted("usdm", {}))
    tick(desk, BTC, ETH)
    desk.beat()
    assert [n.kind for n in desk.notices] == [NoticeKind.BLIND, NoticeKind.SIGHT]


def test_silence_and_wrong_marks_are_told_apart() -> None:
    """One symbol is silent, of the other the stream tells nonsense; of many only some are spelled out."""
    desk = watching()
    tick(desk, BTC, ETH)
    desk.step(Distrusted("usdm", {ETH: "stuck price"}))
    desk.beat(14)
    assert desk.notices[-1].facts.reason == f"no marks; {ETH}: stuck price"
    assert desk.notices[-1].facts.mark_age_s == 14.0


def test_a_wrong_stream_lets_levels_rise_and_not_fall() -> None:
    """What REST tells can be bad news; good news has to come from a stream that is trusted."""
    desk = Desk()
    desk.hold(isolated(BTC))
    desk.subscribe(BTC)
    desk.room(0.9)
    desk.step(Distrusted("usdm", {BTC: WHY}))
    rest(desk, BTC, mark=mark_at(0.05))
    assert desk.levels() == ["emergency"]
    for _ in range(1000):
        rest(desk, BTC, mark=mark_at(0.9))
        desk.beat()
    assert desk.engine.view(desk.now()).wallets[0].level == "emergency"
    desk.step(Distrusted("usdm", {}))
    desk.stay(400, 0.9)
    assert desk.engine.view(desk.now()).wallets[0].level == "ok"


def test_a_silent_stream_lets_levels_rise_on_marks_of_rest() -> None:
    """That is what they are for; the same marks clear nothing."""
    desk = Desk()
    desk.hold(isolated(BTC))
    desk.subscribe(BTC)
    desk.room(0.9)
    desk.beat(5)
    rest(desk, BTC, mark=mark_at(0.05))
    assert desk.levels() == ["emergency"]
    for _ in range(1000):
        rest(desk, BTC, mark=mark_at(0.9))
        desk.beat()
    assert desk.engine.view(desk.now()).wallets[0].level == "emergency"


def test_a_second_fall_in_a_level_that_silence_keeps_is_told_at_once() -> None:
    """Whoever read in a reminder that the figures are good again must not wait for the next one."""
    desk = Desk()
    desk.hold(isolated(BTC))
    desk.subscribe(BTC)
    desk.room(0.9)
    desk.room(0.05)
    desk.beat(5)
    for _ in range(200):
        rest(desk, BTC, mark=mark_at(0.9))
        desk.beat()
    (reminder,) = of(desk, NoticeKind.REMINDER)
    assert (reminder.level, reminder.facts.eased) == (Level.EMERGENCY, True)
    before = len(of(desk, NoticeKind.ALERT))
    for _ in range(100):
        rest(desk, BTC, mark=mark_at(0.04))
        desk.beat()
    again = of(desk, NoticeKind.ALERT)[before:]
    assert [(n.level, round(n.facts.room or 0.0, 2), n.facts.eased) for n in again] == [
        (Level.EMERGENCY, 0.04, False)
    ]


def test_a_closed_market_is_no_blindness() -> None:
    """As long as somebody sees that it is closed."""
    desk = watching()
    tick(desk, BTC, ETH)
    for _ in range(60):
        tick(desk, ETH)
        desk.step(AtRest("usdm", (BTC,), desk.mono_s))
        desk.beat()
    assert desk.notices == []
    for _ in range(14):
        tick(desk, ETH)
        desk.beat()
    assert [n.facts.symbols for n in desk.notices] == [(BTC,)]


# What does not end it


@pytest.mark.parametrize("again", [True, False])
def test_marks_of_rest_alone_are_never_sight(*, again: bool) -> None:
    """Neither after a restart nor for a symbol that was opened meanwhile: its stream has yet to say something."""
    desk = Desk()
    desk.hold(isolated(BTC))
    desk.subscribe(BTC)
    tick(desk, BTC)
    desk.beat(15)
    if again:
        desk = desk.restarted()
    desk.hold(isolated(ETH))
    desk.subscribe(ETH)
    rest(desk, ETH)
    desk.beat(2)
    assert of(desk, NoticeKind.SIGHT) == []
    assert desk.engine.stale(desk.now())
    tick(desk, ETH)
    desk.beat()
    assert [notice.subject for notice in of(desk, NoticeKind.SIGHT)] == [FEED]


def test_nothing_is_over_before_the_accounts_are_known() -> None:
    """A start watches nothing yet; that is no sign that nothing needs marks."""
    first = watching(subscribed=False)
    first.beat(15)
    desk = first.restarted()
    desk.beat(5)
    assert desk.notices == []
    desk.hold()
    desk.beat()
    assert [(n.subject, n.kind) for n in desk.notices] == [(MARKS, NoticeKind.SIGHT)]


def test_a_blind_feed_that_is_not_needed_any_more_after_a_restart_has_an_end() -> None:
    """Its positions were closed while nobody watched, so it never asks; but not before all else is heard."""
    first = watching(subscribed=False)
    first.subscribe(BTC)
    first.subscribe(ETH, feed="coinm")
    for _ in range(16):
        tick(first, BTC)
        first.beat()
    desk = first.restarted()
    desk.hold(isolated(BTC))
    desk.beat()
    assert desk.notices == []
    desk.subscribe(BTC)
    tick(desk, BTC)
    desk.beat()
    assert [(n.subject, n.kind, n.facts.reason) for n in desk.notices] == [
        ("/feed:coinm", NoticeKind.SIGHT, "no position needs marks")
    ]
    assert desk.engine.open_alerts() == ()


def test_a_bridge_that_comes_and_goes_for_an_hour_is_told_ever_less() -> None:
    """Each time it has to hold four times as long before it counts again."""
    desk = Desk(channels=[ChannelRule("phone"), ChannelRule("siren", Level.CRITICAL)])
    desk.hold(isolated(BTC))
    desk.subscribe(BTC)
    for _ in range(40):
        bridge(desk, 75, BTC)
        desk.beat(15)
    for channel in ("phone", "siren"):
        told = [n for n in desk.notices if n.channel == channel and n.previous is not n.level]
        assert 2 <= len(told) <= 4


def calm(desk: Desk, seconds: float, *symbols: str) -> None:
    """Let time pass with marks just often enough."""
    for _ in range(round(seconds / 2.5)):
        desk.wait(2.5)
        tick(desk, *symbols)
        desk.step(Heartbeat())


@pytest.mark.parametrize("others", [(), (ETH,)])
def test_a_feed_that_comes_and_goes_is_told_ever_less(others: tuple[str, ...]) -> None:
    """Its first ends at once; where marks come for moments only, nobody wants two messages for each."""
    desk = Desk()
    desk.hold(isolated(BTC), *map(isolated, others))
    desk.subscribe(BTC, *others)
    for _ in range(60):
        calm(desk, 5.0, BTC)
        desk.beat(15)
    assert len(desk.notices) <= 10  # with a reminder
    calm(desk, 1800.0, BTC, *others)
    assert desk.notices[-1].kind is NoticeKind.SIGHT


def test_a_feed_that_was_calm_for_long_is_told_at_once_again() -> None:
    """What came and went in the morning puts off nothing in the evening."""
    desk = watching()
    for _ in range(8):
        calm(desk, 100.0, BTC, ETH)
        desk.beat(20)
    calm(desk, 2200.0, BTC, ETH)
    seen = len(desk.notices)
    desk.beat(20)
    tick(desk, BTC, ETH)
    desk.beat()
    assert [n.kind for n in desk.notices[seen:]] == [NoticeKind.BLIND, NoticeKind.SIGHT]
