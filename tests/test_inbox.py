"""The mailbox in front of the engine."""

from monitor.core.events import (
    Closes,
    DeliveryResult,
    Event,
    Heartbeat,
    Learnt,
    StoreState,
    Subscribed,
    Ticks,
    Unsure,
)
from monitor.core.model import Lot, Market, MarkRange, MarkTick, Source
from monitor.core.surroundings import (
    AdlKnown,
    Fact,
    Funding,
    FundingKnown,
    FundsKnown,
    KeyKnown,
    LotsKnown,
    OrdersKnown,
)
from monitor.inbox import EngineInbox


def tick(symbol: str, mark: float, seen_s: float = 1.0) -> MarkTick:
    return MarkTick(symbol, mark, round(seen_s * 1000), seen_s)


async def test_coalesced_ticks_keep_newest_lowest_and_highest() -> None:
    """However many ticks join, no price that was received is beyond what the engine sees."""
    inbox = EngineInbox()
    for i, mark in enumerate((100.0, 97.0, 104.0, 101.0)):
        inbox.tick(tick("BTCUSDT", mark, float(i)))
    inbox.tick(tick("ETHUSDT", 5.0))
    (event,) = await inbox.take()
    assert event == Ticks(
        (
            MarkRange("BTCUSDT", 101.0, 97.0, 104.0, 3000, 3.0),
            MarkRange("ETHUSDT", 5.0, 5.0, 5.0, 1000, 1.0),
        )
    )
    assert inbox.coalesced == 3


async def test_events_come_before_marks_and_in_order() -> None:
    """A subscription is known before the marks it brings; outcomes are all kept."""
    inbox = EngineInbox()
    inbox.tick(tick("BTCUSDT", 1.0))
    posted: list[Event] = [
        Subscribed("usdm", ("BTCUSDT",), 0.5),
        DeliveryResult("a", "k1", "phone", accepted=True),
        DeliveryResult("a", "k1", "mail", accepted=True),
        Heartbeat(),
    ]
    for event in posted:
        inbox.post(event)
    taken = await inbox.take()
    assert list(taken[:-1]) == posted
    assert isinstance(taken[-1], Ticks)


async def test_the_newest_of_a_kind_replaces_the_older() -> None:
    """The mailbox cannot grow while nobody takes."""
    inbox = EngineInbox()
    for n in range(1000):
        inbox.post(Heartbeat())
        inbox.post(StoreState("state", ok=n % 2 == 0))
        inbox.tick(tick("BTCUSDT", 1.0 + n))
    events = await inbox.take()
    assert events[:2] == (Heartbeat(), StoreState("state", ok=False))
    assert len(events) == 3


async def test_closes_are_kept_by_symbol() -> None:
    """A start brings those of every symbol at once; of one symbol asked twice the newer answer counts."""
    inbox = EngineInbox()
    for closes in ((1.0,), (1.0, 2.0)):
        for symbol in ("BTCUSDT", "ETHUSDT"):
            inbox.post(Closes(symbol, 60_000, closes))
    assert await inbox.take() == (Closes("BTCUSDT", 60_000, (1.0, 2.0)), Closes("ETHUSDT", 60_000, (1.0, 2.0)))


async def test_drain_returns_what_is_there_and_leaves_nothing() -> None:
    """At the end of a run the rest is taken without waiting."""
    inbox = EngineInbox()
    assert inbox.drain() == ()
    inbox.post(Heartbeat())
    assert inbox.drain() == (Heartbeat(),)
    assert inbox.drain() == ()


async def test_subscriptions_of_one_feed_are_joined() -> None:
    """Each names only the symbols that are new: none may be lost before the engine knows of it."""
    inbox = EngineInbox()
    inbox.post(Subscribed("usdm", ("BTCUSDT",), 1.0))
    inbox.post(Subscribed("usdm", ("ETHUSDT",), 2.0))
    assert await inbox.take() == (Subscribed("usdm", ("BTCUSDT", "ETHUSDT"), 1.0),)


async def test_what_may_have_arrived_is_kept_by_notice_and_channel() -> None:
    """A message of several notices that timed out leaves a doubt about each of them."""
    inbox = EngineInbox()
    doubts = (Unsure("a", "k1", "tg"), Unsure("b", "k2", "tg"), Unsure("a", "k1", "mail"))
    for doubt in (*doubts, Unsure("a", "k1", "tg")):
        inbox.post(doubt)
    assert set(inbox.drain()) == set(doubts)


async def test_marks_of_rest_are_kept_apart_and_come_last() -> None:
    """Joined to the stream's they would hide that it was heard, or be taken for it."""
    inbox = EngineInbox()
    inbox.tick(MarkTick("BTCUSDT", 90.0, 900, 0.9, Source.REST))
    inbox.tick(tick("BTCUSDT", 100.0))
    inbox.tick(tick("ETHUSDT", 5.0))
    inbox.tick(MarkTick("BTCUSDT", 95.0, 1100, 1.1, Source.REST))
    inbox.tick(tick("BTCUSDT", 99.0, 1.2))
    (event,) = await inbox.take()
    assert event == Ticks(
        (
            MarkRange("BTCUSDT", 99.0, 99.0, 100.0, 1200, 1.2),
            MarkRange("ETHUSDT", 5.0, 5.0, 5.0, 1000, 1.0),
            MarkRange("BTCUSDT", 95.0, 90.0, 95.0, 1100, 1.1, Source.REST),
        )
    )
    inbox.tick(MarkTick("BTCUSDT", 95.0, 1100, 1.1, Source.REST))
    assert inbox.drain() == (Ticks((MarkRange("BTCUSDT", 95.0, 95.0, 95.0, 1100, 1.1, Source.REST),)),)
    assert inbox.drain() == ()


async def test_facts_about_different_things_stand_side_by_side() -> None:
    """By kind and account, market, or the symbols whose funding is news; of the same thing the newest stands."""
    inbox = EngineInbox()
    lots = {"BTCUSDT": Lot(0.001)}
    due = Funding(0.0001, 5)
    told: list[Fact] = [
        LotsKnown(Market.USDM, lots),
        LotsKnown(Market.COINM, {}),
        FundsKnown("main", 1, {}),
        FundsKnown("other", 1, {}),
        OrdersKnown("main", 1, (), ()),
        AdlKnown("main", 1, {}),
        KeyKnown("main", can_trade=False, can_withdraw=False),
        FundingKnown(1, {"BTCUSDT": due, "ETHUSDT": due}),
        FundingKnown(2, {"ETHUSDT": due}),
        FundsKnown("main", 2, {"USDT": 1.0}),
    ]
    for fact in told:
        inbox.post(Learnt(fact))
    assert inbox.drain() == tuple(Learnt(fact) for fact in told if fact != FundsKnown("main", 1, {}))
