"""What it was like while nobody watched: finds such times, has their minutes fetched, judged, told and recorded.

A time is told before it is recorded: writing a week of minutes takes longer than anybody should wait. Arithmetic
runs in a worker thread and in slices, so that marks of now go first.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec
import structlog

from monitor.core.away import LONG_MS, Candles, Present, Review, needed
from monitor.core.events import Away
from monitor.core.minutes import MINUTE_MS
from monitor.core.model import Level, Market, Sample
from monitor.errors import StoreError
from monitor.holes import Hole, HoleInbox, Outage, outages
from monitor.ports import Clock, Inbox, Job
from monitor.status import AwayView
from monitor.storage.history_reader import HistoryReader
from monitor.storage.holes_cache import HolesCache, KeptOutage

log = structlog.get_logger()
_T = TypeVar("_T")

LOOK_S: Final = 1.0
SETTLE_S: Final = 10.0  # without another hole: symbols of one outage return one after the other
LONGEST_SETTLE_S: Final = 120.0  # where they go on coming and going
START_S: Final = 600.0  # after the start, in which what is opened meanwhile cannot be told from what was held
ACCOUNTS_S: Final = 120.0  # for accounts that have not answered yet; the others are not kept waiting any longer
GIVE_UP_S: Final = 3600.0  # after it what nobody is known to hold is let go
MOST_TRIES: Final = 3  # to look at one time, over all runs
SLICE_ROWS: Final = 5_000  # positions times minutes, judged at a time
LONGEST_SLICE: Final = 240  # minutes
REST_S: Final = 0.02  # between two slices at least; as long as the one before took
ROOM: Final = 10_000  # rows that may wait to be written when others are added
STUCK_S: Final = 900.0  # without room, before recording is given up
PORTION: Final = 5_000  # rows recorded at a time


class Archive(Protocol):
    """Where samples go: ``storage.history.SqliteHistory``."""

    @property
    def queued(self) -> int:
        """How many rows wait to be written."""
        ...

    def record(self, samples: Sequence[Sample]) -> None:
        """Queue samples for the next batch."""
        ...


class Fetched(Protocol):
    """What could be had, by watched name, and why the others could not."""

    @property
    def candles(self) -> Mapping[str, Candles]:
        """One-minute candles."""
        ...

    @property
    def refused(self) -> Mapping[str, str]:
        """Short constants."""
        ...


class _Found(NamedTuple):
    """The same of several requests."""

    candles: dict[str, Candles]
    refused: dict[str, str]


class Past(Protocol):
    """Who knows what prices did: ``binance.candles.CandleHistory``."""

    async def fetch(
        self, names: Mapping[str, Market], from_ms: int, until_ms: int, progress: Callable[[int, int], None]
    ) -> Fetched:
        """Return the minutes of these names between two times; never raises, however long it takes."""
        ...


class Timings(NamedTuple):
    """Durations that tests shorten."""

    look_s: float = LOOK_S
    settle_s: float = SETTLE_S


DEFAULT_TIMINGS: Final = Timings()


class Backfill:
    """Looks at what nobody saw.

    Args:
        holes: through which all marks come.
        past: who is asked; None: nobody can be.
        present: what is held now and how it is judged.
        history: where rows go.
        path: of the history database, to read until when an earlier run saw.
        cache: keeps what is yet to be looked at, for the case that this run ends before it was.
        inbox: where results go.
        clock: of pauses.
        started_ms: what was recorded from then on is of this run, our wall clock.
        timings: see there.
    """

    def __init__(
        self, holes: HoleInbox, past: Past | None, *, present: Callable[[], Present], history: Archive, path: Path,
        cache: HolesCache, inbox: Inbox, clock: Clock, started_ms: int, timings: Timings,
    ) -> None:  # fmt: skip
        self._holes = holes
        self._past = past
        self._present = present
        self._history = history
        self._path = path
        self._cache = cache
        self._inbox = inbox
        self._clock = clock
        self._started_ms = started_ms
        self._timings = timings
        self._held: frozenset[str] = frozenset()
        self._view: AwayView | None = None
        self._found: list[Hole] = []  # that may be part of something longer
        self._todo: list[Outage] = []
        self._learnt = False
        self._keeping = asyncio.Lock()
        self._began_s = 0.0

    def begin(self, held: Collection[str]) -> None:
        """Learn what an earlier run held, as far as known; others were opened after it ended."""
        self._held = frozenset(held)

    def jobs(self) -> Sequence[Job]:
        """Return what must run; it may be cancelled at any time."""
        return () if self._past is None else (Job("holes", self._find), Job("backfill", self._run))

    def view(self) -> AwayView | None:
        """Return the last time that was looked at, or is; None if there is none."""
        return self._view

    async def _find(self) -> None:
        """Collect what nobody saw; while one time is looked at, too."""
        await self._learn()
        quiet_s = since_s = self._clock.mono_s()
        settled = False
        while True:
            await self._clock.sleep(self._timings.look_s)
            now_s = self._clock.mono_s()
            if not settled and now_s - self._began_s >= START_S:
                settled = True
                self._holes.settle()
            if new := self._holes.take():
                quiet_s, since_s = now_s, since_s if self._found else now_s
                self._found += new
                await self._keep()
            lasting = now_s - since_s >= LONGEST_SETTLE_S
            if self._found and (lasting or now_s - quiet_s >= self._timings.settle_s):
                self._todo += outages(self._found)
                self._found.clear()

    async def _learn(self) -> None:
        """Learn until when an earlier run saw what, and what it had yet to look at."""
        if self._learnt:
            return
        kept, seen_ms = await asyncio.to_thread(self._read)
        self._todo += [
            Outage(*msgspec.structs.astuple(one))._replace(symbols=frozenset(one.symbols)) for one in kept
        ]
        last_ms = max(seen_ms.values(), default=0)
        self._holes.earlier({name: ms if name in self._held else last_ms for name, ms in seen_ms.items()})
        self._began_s = self._clock.mono_s()
        self._learnt = True

    async def _run(self) -> None:
        """Look at one time after the other."""
        while True:
            await self._clock.sleep(self._timings.look_s)
            if not self._learnt or not self._next(self._clock.mono_s()):
                continue
            # Written down before: what cannot be looked at must not end every run from now on.
            self._todo[0] = self._todo[0]._replace(tries=self._todo[0].tries + 1)
            await self._keep()
            await self._look(self._todo[0])
            del self._todo[0]
            await self._keep()

    def _next(self, now_s: float) -> bool:
        """Put first what can be looked at now; False if nothing can.

        What an account holds that did not answer yet is not known: nothing would be found out about it.
        """
        self._drop()
        if not self._todo:
            return False
        present, waited_s = self._present(), now_s - self._began_s
        if waited_s >= GIVE_UP_S or not set(present.settings.accounts) - {one.account for one in present.accounts}:
            return True
        if waited_s < ACCOUNTS_S:
            return False
        held = {position.symbol for one in present.accounts for position in one.positions}
        at = next((at for at, one in enumerate(self._todo) if not held.isdisjoint(one.symbols)), None)
        if at is None:
            return False
        self._todo.insert(0, self._todo.pop(at))
        return True

    def _drop(self) -> None:
        """Leave alone what was tried too often."""
        known = len(self._todo)
        self._todo = [one for one in self._todo if one.tries < MOST_TRIES]
        if len(self._todo) < known:
            log.error("away.dropped", outages=known - len(self._todo), tries=MOST_TRIES)

    def _read(self) -> tuple[list[KeptOutage], dict[str, int]]:
        kept = self._cache.load()
        try:
            with HistoryReader(self._path) as reader:
                return kept, reader.newest(self._started_ms)
        except StoreError as error:
            log.warning("away.unreadable", reason=error.cause, hint=error.hint)
            return kept, {}

    async def _keep(self) -> None:
        async with self._keeping:
            kept = [
                KeptOutage(
                    one.from_ms, one.until_ms, sorted(one.symbols), one.restarted, one.cut, one.told, one.tries
                )
                for one in (*self._todo, *outages(self._found))
            ]  # fmt: skip
            try:
                await asyncio.to_thread(self._cache.save, kept)
            except StoreError as error:
                log.warning("away.cache_failed", reason=error.cause, hint=error.hint)

    async def _look(self, outage: Outage) -> None:
        """Fetch, judge, tell and record one time."""
        names = await asyncio.to_thread(needed, self._present(), outage.symbols)
        if not names:
            return  # what was not seen is no longer held
        log.info(
            "away.found", from_ms=outage.from_ms, until_ms=outage.until_ms, symbols=len(names),
            restarted=outage.restarted,
        )  # fmt: skip
        self._view = view = AwayView(
            outage.from_ms, outage.until_ms, restarted=outage.restarted, symbols=len(names)
        )
        found, present = await self._fetch(names, outage, view)
        review = await asyncio.to_thread(
            Review, present, outage.symbols, found.candles, from_ms=outage.from_ms, until_ms=outage.until_ms
        )
        unknown = _unknown(found, review.minutes)
        del found  # a week of many symbols takes room, and recording takes hours
        view = await self._judge(review, outage, view, unknown)
        if not outage.told:
            self._inbox.post(
                Away(
                    outage.from_ms, outage.until_ms, review.worst(), view.unknown, restarted=outage.restarted,
                    cut=outage.cut,
                )
            )  # fmt: skip
            await self._clock.sleep(self._timings.look_s)  # it is decided and committed first
            self._todo[0] = self._todo[0]._replace(told=True)
            await self._keep()
        rows = await self._record(review, view)
        self._view = msgspec.structs.replace(view, rows=rows)

    async def _fetch(self, names: dict[str, Market], outage: Outage, view: AwayView) -> tuple[_Found, Present]:
        """Return what can be had of these names, and what is held by then: of what was opened meanwhile, too."""
        all_found = _Found({}, {})
        asked: set[str] = set()
        while True:

            def progress(done: int, of: int) -> None:
                self._view = msgspec.structs.replace(view, doing=f"asked for {done} of {of} symbols")

            assert self._past is not None  # noqa: S101 - there is no job else
            found = await self._past.fetch(names, outage.from_ms, outage.until_ms, progress)
            all_found.candles.update(found.candles)
            all_found.refused.update(found.refused)
            asked |= names.keys()
            present = self._present()
            names = await asyncio.to_thread(needed, present, outage.symbols)
            names = {name: market for name, market in names.items() if name not in asked}
            if not names:
                return all_found, present

    async def _judge(self, review: Review, outage: Outage, view: AwayView, unknown: tuple[str, ...]) -> AwayView:
        for some in _slices(review):
            done = f"judged {some.start - review.minutes.start} of {len(review.minutes)} minutes"
            self._view = msgspec.structs.replace(view, doing=done)
            await self._aside(review.judge, some)
        worst = review.worst()
        first = worst[0] if worst else None
        log.info(
            "away.judged", from_ms=outage.from_ms, until_ms=outage.until_ms, wallets=len(worst),
            level=Level.OK.label if first is None else first.level.label,
            worst="" if first is None else first.subject, unknown=list(unknown),
        )  # fmt: skip
        return msgspec.structs.replace(view, worst=first, unknown=unknown, wallets=len(worst))

    async def _record(self, review: Review, view: AwayView) -> int:
        """Record every minute; return how many rows there were."""
        rows = 0
        for some in _slices(review):
            samples = await self._aside(review.samples, some)
            for start in range(0, len(samples), PORTION):
                if not await self._room():
                    log.warning("away.not_recorded", rows=rows)
                    return rows
                portion = samples[start : start + PORTION]
                self._history.record(portion)
                rows += len(portion)
            self._view = msgspec.structs.replace(view, rows=rows, doing="recording")
        return rows

    async def _aside(self, work: Callable[[range], _T], minutes: range) -> _T:
        """Do work in a thread, and leave the processor to others for as long as it took."""
        began_s = self._clock.mono_s()
        done = await asyncio.to_thread(work, minutes)
        await self._clock.sleep(max(REST_S, self._clock.mono_s() - began_s))
        return done

    async def _room(self) -> bool:
        """Wait until few rows wait, so that none of now is pushed out; False if that takes too long."""
        give_up_s = self._clock.mono_s() + STUCK_S
        while self._history.queued > ROOM:
            if self._clock.mono_s() >= give_up_s:
                return False
            await self._clock.sleep(LOOK_S)
        return True


def _slices(review: Review) -> Iterator[range]:
    """Yield the minutes in portions that do not take long."""
    step = min(LONGEST_SLICE, max(1, SLICE_ROWS // max(1, review.size)))
    minutes = review.minutes
    for start in range(minutes.start, minutes.stop, step):
        yield range(start, min(start + step, minutes.stop))


def _unknown(found: Fetched, minutes: range) -> tuple[str, ...]:
    """Return for people what could not be had, and what has no candles for a long part of the time."""
    most = max(len(minutes) - LONG_MS // MINUTE_MS, 1)
    partly = {name for name, candles in found.candles.items() if len(candles) < most}
    return tuple(sorted({*map(_spoken, found.refused), *(f"{_spoken(name)} (in part)" for name in partly)}))


def _spoken(name: str) -> str:
    """Return a watched name for people: the two rates of an asset are its index."""
    return f"{name.partition('@')[0]} index" if "@" in name else name
