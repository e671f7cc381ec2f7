"""The mark price feed: keeps one delivering connection, at all times, against everything that ends one.

Two lanes share the work. One holds the duty; the other is summoned before the exchange ends the holder's
connection after its 24 hours, or when the holder falls quiet. The first to deliver takes the duty and only then
the other closes, so there is no gap. What both deliver in between passes once.

Nothing but a believable, current mark of a watched symbol proves a connection: an open socket, an acknowledgement
and a pong also come from addresses that never deliver.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Final, NoReturn

from websockets.asyncio.client import ClientConnection

from monitor.beat import Beat
from monitor.binance.backoff import failures_after, pause_s
from monitor.binance.candidates import Candidates
from monitor.binance.edges import LIVE, LOST, REFUSED, Edges
from monitor.binance.endpoints import CONTRACT_STREAM, choose_streams, stream_of
from monitor.binance.feed_values import DEFAULT_TIMINGS, FeedStats, Timings
from monitor.binance.lane import RETIRED, STALLED, UNUSABLE_DATA, Lane
from monitor.binance.newest import Newest, Verdict
from monitor.binance.transport import TOO_BIG, RejectedError, open_stream, receive, send
from monitor.binance.wire import ContractChanged, MarkDecoder, Refusal
from monitor.core.events import Subscribed
from monitor.core.model import Market, MarkTick
from monitor.errors import FeedError
from monitor.ports import Clock, Inbox, Job

__all__ = ["DEFAULT_TIMINGS", "FeedStats", "MarkFeed", "Timings"]

CONTROL_REFUSED: Final = "control_refused"


class MarkFeed:
    """Mark prices of one market into an inbox. Implements ``ports.Feed``.

    Args:
        name: in events and logs, such as ``usdm``.
        symbols: to watch; may be empty, and changed later.
        bases: ordered addresses with their route, such as ``wss://host/market``; at least one.
        inbox: takes the ticks and the events.
        clock: for all waiting and judging but that within the socket library.
        rng: chance for the jitter of pauses.
        timings: how patient to be.
        market: whose rows count.
        on_contract: told the symbol of a contract that changed, and whether its maintenance tiers did.
    """

    def __init__(
        self,
        name: str,
        symbols: Iterable[str],
        bases: Sequence[str],
        *,
        inbox: Inbox,
        clock: Clock,
        rng: Random,
        timings: Timings = DEFAULT_TIMINGS,
        market: str = Market.USDM,
        on_contract: Callable[[str, bool], None] | None = None,
    ) -> None:
        self._name = name
        self._on_contract = on_contract
        self._inbox = inbox
        self._clock = clock
        self._rng = rng
        self._timings = timings
        self._candidates = Candidates(bases)
        self._edges = Edges(name, inbox)
        self._decoder = MarkDecoder(frozenset(), market)
        self._newest = Newest()
        self._lanes = (Lane("a"), Lane("b"))
        self._beat = Beat()  # of the watch
        self._holder = self._lanes[0]
        self._streams: frozenset[str] = frozenset()
        self._asked_s: dict[str, float] = {}
        self._withheld: frozenset[str] = frozenset()
        self._started = False
        self._embargo_s = 0.0  # the exchange asked us to stay away until then
        self._counts: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()  # what is refused elsewhere than in the decoder
        self._last_frame_s: float | None = None
        self._since_ms: int | None = None
        self.set_symbols(symbols)

    def jobs(self) -> Sequence[Job]:
        """Return what must run for this feed: the two lanes, and the watch that judges them."""
        lanes = [
            Job(f"feed-{self._name}-{lane.name}", partial(self._run, lane), lane.beat) for lane in self._lanes
        ]
        return [*lanes, Job(f"feed-{self._name}-watch", self._watch, self._beat)]

    def tell_contracts(self, told: Callable[[str, bool], None]) -> None:
        """Hear of contracts that change from now on, on the connection that is there; ``told`` as above."""
        if self._on_contract is None:
            self._on_contract = told
            self.set_symbols(self._decoder.watched)

    def set_symbols(self, symbols: Iterable[str]) -> None:
        """Watch these symbols from now on; a connection that delivers is told within about a second."""
        watched = frozenset(symbols)
        self._newest.forget(self._decoder.watched - watched)
        for gone in self._asked_s.keys() - watched:
            del self._asked_s[gone]
        self._decoder.watched = watched
        beside = {CONTRACT_STREAM} if watched and self._on_contract is not None else set()
        self._streams = frozenset(choose_streams(watched)) | beside
        for lane in self._lanes:
            lane.upkeep_s = lane.control_s + self._timings.control_gap_s
        if self._started:
            self._ask()
        if not watched:
            self._edges.idle()
            for lane in self._lanes:
                lane.rest()
        elif not any(lane.wanted.is_set() for lane in self._lanes):
            self._holder.wanted.set()

    def silent_symbols(self) -> tuple[str, ...]:
        """Return the watched symbols not heard of for ``stall_after_s`` on a connection that delivers others.

        Sorted. Empty while no connection is live: then all are silent, which is the connection's fault.
        """
        before_s = self._clock.mono_s() - self._timings.stall_after_s
        live_s = self._holder.live_s
        if live_s is None or live_s > before_s:
            return ()
        asked = (symbol for symbol, asked_s in self._asked_s.items() if asked_s <= before_s)
        return self._newest.silent(asked, before_s)

    @property
    def name(self) -> str:
        """In events and logs."""
        return self._name

    @property
    def latest(self) -> Mapping[str, MarkTick]:
        """The newest tick of each symbol, withheld ones included; not a copy."""
        return self._newest.ticks

    def stale(self, after_s: float) -> tuple[str, ...]:
        """Return the watched names without a new tick for so long, counted from when they were asked for; sorted.

        Whether a connection is open makes no difference.
        """
        before_s = self._clock.mono_s() - after_s
        asked = (symbol for symbol, asked_s in self._asked_s.items() if asked_s <= before_s)
        return self._newest.silent(asked, before_s)

    def withhold(self, symbols: Iterable[str]) -> None:
        """Pass on no tick of these symbols; of those that are not among them any more, the newest at once."""
        withheld = frozenset(symbols)
        for symbol in sorted(self._withheld - withheld):
            if symbol in self._decoder.watched and (tick := self.latest.get(symbol)) is not None:
                self._inbox.tick(tick)
        self._withheld = withheld

    def give_up(self, reason: str) -> None:
        """Replace the connection that delivers by one to the next candidate: what it says is wrong.

        It ends once the other delivers, and not before: of most symbols it may tell the truth.
        """
        holder, spare = self._holder, self._other(self._holder)
        if holder.is_live and not spare.wanted.is_set():
            holder.blame = reason
            self._edges.given_up(self._candidates.host(holder.index), reason)
            spare.summon(holder.index + 1)

    def stats(self) -> FeedStats:
        """Return what the feed has done so far."""
        live = self._holder.is_live
        return FeedStats(
            name=self._name,
            state=self._edges.state,
            host=self._candidates.host(self._holder.index) if live else "",
            symbols=len(self._decoder.watched),
            silent=self.silent_symbols(),
            frames=self._counts["frames"],
            ticks=self._newest.passed,
            dropped_old=self._newest.dropped_old,
            duplicates=self._newest.duplicates,
            rejected={**self._decoder.rejected, **self._faults},
            connects=self._counts["connects"],
            reconnects=self._counts["reconnects"],
            rotations=self._counts["rotations"],
            connected_since_ms=self._since_ms if live else None,
            last_frame_s=self._last_frame_s,
            candidates=self._candidates.report(),
        )

    # Judging: synchronous, by the injected clock alone.

    async def _watch(self) -> None:
        while True:
            self._beat.back(self._clock.mono_s() + self._timings.check_every_s)
            await self._clock.sleep(self._timings.check_every_s)
            self._check(self._clock.mono_s())

    def _check(self, now_s: float) -> None:
        timings = self._timings
        for lane in self._lanes:
            reason = lane.overdue(now_s, timings.first_data_timeout_s, timings.stall_after_s)
            if reason:
                lane.interrupt(reason)
            if lane.verdict:
                lane.beat.called(now_s)
        holder, spare = self._holder, self._other(self._holder)
        if holder.opened_s is None or holder.live_s is None or spare.wanted.is_set():
            return
        if now_s - holder.opened_s >= timings.rotate_after_s:
            spare.summon(0)  # back to the most trusted, which costs nothing while the holder delivers
        elif (
            now_s - holder.progress_s >= timings.standby_after_s
            # Only beside a connection that had proved itself, or a bad hour would double the attempts.
            and now_s - holder.live_s >= timings.pauses.clears_after_s
        ):
            spare.summon(holder.index + 1)

    def _other(self, lane: Lane) -> Lane:
        first, second = self._lanes
        return second if lane is first else first

    # Connecting: each lane's own coroutine.

    async def _run(self, lane: Lane) -> None:
        self._started = True
        lane.begin(None)  # what an earlier run of this job left behind
        lane.beat.rest()
        while True:
            while not lane.wanted.is_set():  # set and cleared again at one moment still wakes
                await lane.wanted.wait()
            embargo_s = self._embargo_s - self._clock.mono_s()
            if embargo_s > 0.0:
                await self._clock.sleep(embargo_s)
                continue  # nobody may want this lane any more
            error = await self._attempt(lane)
            await self._clock.sleep(self._ended(lane, error))

    async def _attempt(self, lane: Lane) -> FeedError:
        """Connect and read until it ends, and return why."""
        self._counts["connects"] += 1
        host = self._candidates.host(lane.index)
        self._ask()
        self._edges.connecting(host)
        connection: ClientConnection | None = None
        try:
            async with asyncio.timeout(None) as scope:
                lane.begin(scope)
                url = self._candidates.url(lane.index)
                connection = await open_stream(url, self._timings, self._clock.wall_ms())
                await self._converse(lane, connection, host)
        except TimeoutError:  # only an interrupt expires this scope
            return FeedError(host, lane.verdict)
        except FeedError as error:
            return error
        finally:
            lane.release()
            if connection is not None:
                await connection.close()

    async def _converse(self, lane: Lane, connection: ClientConnection, host: str) -> NoReturn:
        lane.opened(self._clock.mono_s())
        while True:
            if self._clock.mono_s() >= lane.upkeep_s:
                await self._upkeep(lane, connection, host)
            self._take(lane, await receive(connection, host))

    async def _upkeep(self, lane: Lane, connection: ClientConnection, host: str) -> None:
        """Send at most one control message, and say when to look again."""
        now_s = self._clock.mono_s()
        if lane is self._holder:
            silent = self.silent_symbols()
            self._edges.silent(silent)
            if silent and now_s >= lane.repeat_s:
                lane.repeat_s = now_s + self._timings.resubscribe_every_s
                # Not the all-market array: a symbol missing in it is not missed on the way.
                lane.subscription.repeat(self._streams.intersection(map(stream_of, silent)))
        message = lane.subscription.next_message(self._streams)
        if message is None:
            lane.upkeep_s = now_s + self._timings.upkeep_every_s
            return
        lane.control_s = now_s
        lane.upkeep_s = now_s + self._timings.control_gap_s
        await send(connection, message, host)

    def _take(self, lane: Lane, raw: bytes) -> None:
        now = self._clock.now()
        self._counts["frames"] += 1
        before = self._decoder.last_error
        frame = self._decoder.decode(raw, now)
        newest = self._decoder.last_error
        if newest is not None and newest is not before:
            lane.rejected = newest.reason
            self._edges.rejected(newest.reason)
        if not isinstance(frame, list):
            if isinstance(frame, Refusal):
                self._faults[CONTROL_REFUSED] += 1
                self._edges.rejected(CONTROL_REFUSED)
            elif isinstance(frame, ContractChanged) and self._on_contract is not None:
                self._on_contract(frame.symbol, frame.has_brackets)
            return
        for tick in frame:
            verdict = self._newest.judge(tick)
            if verdict is Verdict.NEW and tick.symbol not in self._withheld:
                self._inbox.tick(tick)
            if verdict is not Verdict.OLD:
                lane.moved_on(tick.event_ms, now.mono_s)
        if frame:
            self._last_frame_s = now.mono_s
        # One that was just told to end may still read what had come: with the duty it would end all the same, and
        # retire the other first.
        if lane.newest_ms and not lane.is_live and not lane.verdict:
            self._went_live(lane, now.mono_s)

    def _went_live(self, lane: Lane, now_s: float) -> None:
        other = self._other(lane)
        if other.is_live:
            self._counts["rotations"] += 1
        elif self._since_ms is not None:
            self._counts["reconnects"] += 1
        self._since_ms = self._clock.wall_ms()
        lane.live_s = now_s
        self._holder = lane
        if other.blame:
            # Its clock may have been ahead as well: then what follows would all be old.
            self._newest.forget(self._withheld)
        other.rest()
        self._candidates.record(lane.index, LIVE, self._since_ms)
        self._edges.live(self._candidates.host(lane.index))

    def _ended(self, lane: Lane, error: FeedError) -> float:
        """Draw the conclusions from a connection's end; return how long the lane must wait, in seconds."""
        now = self._clock.now()
        bounds = self._timings.pauses
        lane.beat.rest()
        reason, outcome = lane.verdict or error.reason, LOST if lane.is_live else REFUSED
        detail = error.detail or lane.rejected
        uptime_s = now.mono_s - lane.live_s if lane.live_s is not None else 0.0
        blame = lane.blame
        # What was wrong with the frames says more than that nothing could be taken of them.
        told = lane.rejected or reason if reason in {UNUSABLE_DATA, STALLED} else reason
        lane.begin(None)
        if reason == RETIRED:
            if blame and self._candidates.url(lane.index) != self._candidates.url(self._holder.index):
                self._candidates.record(lane.index, LOST, now.wall_ms, blame)
            return 0.0
        if reason == TOO_BIG:
            self._faults[TOO_BIG] += 1
            self._edges.rejected(TOO_BIG)
        self._candidates.record(lane.index, outcome, now.wall_ms, reason, detail)
        if not self._other(lane).is_live:
            tell = self._edges.lost if outcome == LOST else self._edges.refused
            tell(error.host, told)
        if reason == STALLED or uptime_s < bounds.clears_after_s:
            lane.index += 1  # a host that served well and merely closed is tried again
        lane.failures = failures_after(uptime_s, lane.failures, bounds)
        if isinstance(error, RejectedError) and error.penalty_s > 0.0:
            self._embargo_s = max(self._embargo_s, now.mono_s + error.penalty_s)
        return pause_s(uptime_s, lane.failures, self._rng.random(), bounds)

    def _ask(self) -> None:
        # Said once for each symbol, before connecting: an exchange that cannot be reached at all must end in an
        # alert, and saying it again on every attempt could put that alert off for ever.
        new = tuple(sorted(self._decoder.watched - self._asked_s.keys()))
        if new:
            now_s = self._clock.mono_s()
            self._asked_s.update(dict.fromkeys(new, now_s))
            self._inbox.post(Subscribed(self._name, new, now_s))
