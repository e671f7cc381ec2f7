"""The engine's way in: a mailbox that cannot grow, loses no crossing, and never makes a sender wait.

Marks are kept by symbol as newest, lowest and highest, those of REST apart: it must neither hide that the stream
was heard nor be taken for it. Other events are kept by what they are about, newest
wins, in the order of their last arrival; outcomes of deliveries are all kept, and there are never more of them
than notices under way. States of an account are all kept up to a bound, since what happened in between is told;
beyond it the newest replaces the one before. Tier tables are merged where the first of them stood, before every
state of an account that needs them.
"""

import asyncio

import msgspec

from monitor.core.events import (
    AccountState,
    AtRest,
    Away,
    Closes,
    DeliveryResult,
    Distrusted,
    Event,
    FeedState,
    JobDied,
    Learnt,
    MarginCall,
    OrderForced,
    Reconciled,
    Snapshot,
    StoreState,
    StreamState,
    Subscribed,
    TablesChanged,
    Ticks,
    Unsure,
)
from monitor.core.model import MarkRange, MarkTick, Source
from monitor.core.surroundings import (
    AdlKnown,
    Fact,
    FundingKnown,
    FundsKnown,
    KeyKnown,
    LotsKnown,
    OrdersKnown,
)
from monitor.ports import Inbox

SNAPSHOTS_KEPT = 64  # by account, between two takes
_REST = Source.REST  # taken from the enum for each tick it would cost as much as half of the rest


class EngineInbox:
    """Implements ``ports.Inbox``; one task takes, any number put."""

    def __init__(self) -> None:
        self._marks: dict[str, MarkRange] = {}
        self._rest: dict[str, MarkRange] = {}
        self._events: dict[tuple[str, ...], Event] = {}
        self._snapshots: dict[str, int] = {}  # waiting, by account
        self._ready = asyncio.Event()
        self.coalesced = 0  # ticks that joined another of their symbol and source

    def tick(self, tick: MarkTick) -> None:
        """Take one mark."""
        marks = self._marks if tick.source is not _REST else self._rest
        before = marks.get(tick.symbol)
        mark = tick.mark
        if before is None:
            low = high = mark
        else:
            self.coalesced += 1
            low, high = min(mark, before.low), max(mark, before.high)
        marks[tick.symbol] = MarkRange(tick.symbol, mark, low, high, tick.event_ms, tick.seen_s, tick.source)
        self._ready.set()

    def post(self, event: Event) -> None:
        """Take any other event."""
        about = _about(event)
        if isinstance(event, Snapshot):
            waiting = self._snapshots.get(event.account.account, 0)
            self._snapshots[event.account.account] = waiting + (waiting < SNAPSHOTS_KEPT)
            about = (*about, str(min(waiting, SNAPSHOTS_KEPT - 1)))
        if isinstance(event, TablesChanged) and isinstance(known := self._events.get(about), TablesChanged):
            tables = {table.symbol: table for table in (*known.tables, *event.tables)}
            self._events[about] = TablesChanged(event.account, tuple(tables.values()))
            return
        before = self._events.pop(about, None)
        if isinstance(event, Subscribed) and isinstance(before, Subscribed):
            # Each names only what is new, so both count, from the earlier moment on.
            symbols = tuple(dict.fromkeys((*before.symbols, *event.symbols)))
            event = Subscribed(event.feed, symbols, before.at_s)
        self._events[about] = event
        self._ready.set()

    async def take(self) -> tuple[Event, ...]:
        """Wait until there is something; return all of it, marks last, and those of REST last of them."""
        await self._ready.wait()
        return self.drain()

    def drain(self) -> tuple[Event, ...]:
        """Return what is there now, possibly nothing."""
        self._ready.clear()
        events, self._events = tuple(self._events.values()), {}
        self._snapshots.clear()
        marks, self._marks = tuple(self._marks.values()), {}
        if self._rest:
            marks, self._rest = (*marks, *self._rest.values()), {}
        return (*events, Ticks(marks)) if marks else events


class Gate:
    """An inbox that can be shut, for a source that a reload ends: what it still says goes nowhere."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox: Inbox | None = inbox

    def tick(self, tick: MarkTick) -> None:
        """Take one mark."""
        if self._inbox is not None:
            self._inbox.tick(tick)

    def post(self, event: Event) -> None:
        """Take any other event."""
        if self._inbox is not None:
            self._inbox.post(event)

    def shut(self) -> None:
        """Take nothing more."""
        self._inbox = None


def _about(event: Event) -> tuple[str, ...]:
    """Return what an event is about: of two about the same the newer one stands for both."""
    about: tuple[str, ...] = ()
    match event:
        case Subscribed(feed=name) | FeedState(feed=name) | Distrusted(feed=name) | AtRest(feed=name):
            about = (name,)
        case StoreState(store=name, note=note):
            about = (name, note)  # what happened to it is told beside whether it takes writes
        case Snapshot(account=account) | Reconciled(account=account):
            about = (account.account,)
        case (
            TablesChanged(account=name)
            | AccountState(account=name)
            | StreamState(account=name)
            | Closes(symbol=name)
            | JobDied(job=name)
        ):
            about = (name,)
        case Away():
            about = (str(event.from_ms), str(event.until_ms))
        case MarginCall():
            # Two calls about other positions are two calls.
            about = (event.account, *sorted(f"{leg.symbol} {leg.side.value}" for leg in event.legs))
        case OrderForced():
            about = (event.account, event.order)
        case DeliveryResult() | Unsure():
            about = msgspec.structs.astuple(event)[1:3]
        case Learnt():
            about = _about_fact(event.fact)
    return type(event).__name__, *about


def _about_fact(fact: Fact) -> tuple[str, ...]:
    """Return what a fact is about; one about funding names only the symbols it is news of."""
    match fact:
        case LotsKnown(market=market):
            about: tuple[str, ...] = (market.value,)
        case FundingKnown(funding=funding):
            about = tuple(sorted(funding))
        case FundsKnown() | OrdersKnown() | AdlKnown() | KeyKnown():
            about = (fact.account,)
    return type(fact).__name__, *about
