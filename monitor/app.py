"""Wiring: builds the parts, runs them in the one TaskGroup, and drains them in order when told to stop.

Inputs end first, then the engine takes what is left, then decisions are committed, messages sent, their outcomes
committed and history written, each with a deadline; databases close last. Longer than other modules, because the
order of starting, deciding, going over to another configuration and draining is told in one place.
"""

import asyncio
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import tzinfo
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import structlog

import monitor
from monitor.account_keeper import AccountKeeper
from monitor.alive import Alive
from monitor.backfill import Backfill
from monitor.beat import Beat
from monitor.commands import Commands
from monitor.commit import Committer, Latencies, replaced_event
from monitor.control import ControlServer, Handler, Lock, make_directory
from monitor.core.engine import Engine
from monitor.core.events import (
    Event,
    Heartbeat,
    Reconciled,
    Restored,
    SettingsChanged,
    Snapshot,
    StoreState,
    TablesChanged,
    Ticks,
)
from monitor.core.incidents import Effects
from monitor.core.model import Level, Market, Source
from monitor.core.notices import Facts, SubjectState
from monitor.core.waking import STILL_S
from monitor.drain import cancel, finish
from monitor.errors import MonitorError, StoreError
from monitor.health import Health, Vitals, health
from monitor.holes import HoleInbox
from monitor.inbox import EngineInbox
from monitor.journal import JournalWriter
from monitor.leaving import Leaving
from monitor.model_log import ModelLog
from monitor.notify.delivery import Delivery
from monitor.plan import Plan, Renew, Renewal, SourceFactory
from monitor.ports import Clock, Job, Probe, Stored, unwatched
from monitor.presence import Presence
from monitor.readiness import Awaited
from monitor.reloading import Reloads
from monitor.running import Running, Stage
from monitor.status import STATE_STORE, HistoryView, Holdings, Judged, Status, joint_moves
from monitor.storage.account_cache import AccountCache
from monitor.storage.history import SqliteHistory
from monitor.storage.holes_cache import HolesCache
from monitor.storage.lookout import Lookout
from monitor.storage.paths import CONTROL_SOCKET, LOCK_FILE, STATE_DB
from monitor.storage.state import SqliteState
from monitor.verdicts import Verdicts
from monitor.watchdog import Watchdog, standing
from monitor.web.server import WebServer

log = structlog.get_logger()

HEARTBEAT_S = 1.0
STORED = "stored"  # the cause of an account as an earlier run left it
PROOF = "/proof"  # a row that is written to see whether it can be
UNPROVED = "the last row was not written"
# Together below the five seconds in which a stop must be over; decisions are committed before and after sending.
DRAIN_INPUT_S = 0.5
DRAIN_COMMIT_S = 1.0
DRAIN_SEND_S = 1.2
DRAIN_HISTORY_S = 1.0


class Daemon:
    """The service. ``run`` returns after ``stop`` was called and everything drained.

    Args:
        plan: what it is made of.
        sources: makes what brings events in.
        clock: all its time.
        rng: spreads repeated attempts.
        probe: told of each step of each notice on its way out.
        renew: reads the configuration again; None: there is no file to read.
        source: what that file is called.
    """

    def __init__(
        self, plan: Plan, sources: SourceFactory, clock: Clock, rng: Random, *, probe: Probe = unwatched,
        renew: Renew | None = None, source: str = "",
    ) -> None:  # fmt: skip
        self._plan = plan
        self._clock = clock
        self._engine = Engine()
        self._inbox = EngineInbox()
        self._store = SqliteState(plan.state_dir / STATE_DB, clock)
        self._history = SqliteHistory(
            plan.history_path, clock, plan.history, on_state=self._history_state,
            on_replaced=lambda replaced: self._inbox.post(replaced_event("history", replaced)),
        )  # fmt: skip
        self._delivery = Delivery(
            plan.channels,
            store=self._store,
            inbox=self._inbox,
            clock=clock,
            rand=rng.random,
            tz=plan.time_zone,
            newest=self.newest,
            illustrator=plan.charts,
            minute_s=plan.pace_minute_s,
            probe=probe,
        )
        self._committer = Committer(
            self._store, self._delivery, self._inbox, clock, probe=probe, memory=self._engine.memory
        )
        self._holes = HoleInbox(self._inbox)
        self._sources = sources(self._holes)
        self._followed = {one.account: one for one in self._sources.accounts}
        self._keeper = AccountKeeper(AccountCache(plan.state_dir), self._engine.accounts, clock)
        self._watched: dict[Market, tuple[str, ...]] = {}
        self._model_log = ModelLog()
        self._journal: JournalWriter | None = None
        self._stop = asyncio.Event()
        self._started_ms = clock.wall_ms()
        self._backfill = Backfill(
            self._holes, self._sources.past, present=self._engine.present, history=self._history,
            path=plan.history_path, cache=HolesCache(plan.state_dir), inbox=self._inbox, clock=clock,
            started_ms=self._started_ms, timings=plan.away,
        )  # fmt: skip
        self._deciding = Beat()
        self._running = Running(clock, died=self._inbox.post, gave_up=self._end)
        self._leaving = Leaving()
        self._verdicts = Verdicts(vitals=self.vitals, awaited=self._awaited, prove=self._prove, clock=clock)
        self._watchdog = Watchdog(
            plan.systemd, clock, beats=lambda: self._running.beats, prove=self._submit_proof, brief=self._brief,
            waits=self._verdicts.waits_for,
        )  # fmt: skip
        self._awake_s = clock.mono_s()  # when the whole process was last woken, or began
        self._gave_up: MonitorError | None = None  # why the service ends by itself
        self._fallbacks = {one.name: one.fallback for one in plan.settings.channels if one.fallback}
        self._unwritable: dict[str, str] = {}  # why, by database
        self._listeners: list[Callable[[Effects], None]] = []
        self._alive = Alive(
            plan, day=lambda: self._engine.day(clock.now()), proved=self._verdicts.proved, inbox=self._inbox,
            clock=clock, rand=rng.random,
        )  # fmt: skip
        self._quiet = self._quiet_commands()
        self._web = WebServer(plan.web, self, clock)
        self._reloads = Reloads(
            renew, source, switch=self._switch, settle=self._leaving.settle, watchdog=self._watchdog, clock=clock
        )
        self.ticks = 0

    def stop(self) -> None:
        """Begin the drain; safe to call from a signal handler of the loop."""
        self._stop.set()

    def hang_up(self) -> None:
        """Read the configuration again soon; safe to call from a signal handler of the loop."""
        self._reloads.hang_up()

    def listen(self, listener: Callable[[Effects], None]) -> None:
        """Have every step's effects shown to ``listener``, for a live view; it must not block."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Watch until stopped.

        Raises:
            AlreadyRunningError: another daemon uses the state directory, or came to use it after its files were
                removed; then all was drained before.
            ControlError: the state directory or the local socket in it cannot be made.
            JobGaveUpError: a job kept dying; all else was drained before.
        """
        make_directory(self._plan.state_dir)
        with Lock(self._plan.state_dir / LOCK_FILE) as lock:
            control = ControlServer(self._plan.state_dir / CONTROL_SOCKET, self._commands())
            # Another daemon that watches with the same configuration would double every message.
            presence = Presence(lock, control, self._clock, self._end)
            try:
                self._watchdog.opening()
                await self._open()
                await control.start()
                await self._work(presence)
            finally:
                await control.stop()
                await self._close()

    async def _open(self) -> None:
        if self._plan.journal is not None:
            self._journal = JournalWriter(self._plan.journal, monitor.__version__)
            if self._journal.kept is not None:
                log.info("journal.kept", earlier=str(self._journal.kept))
        stored = await self._open_state()
        await self._open_history()
        self._take(SettingsChanged(self._plan.settings, self._plan.tables))
        self._take(
            Restored(
                stored.subjects, stored.fates, stored.holds, stored.last_number, stored.pending,
                unread=self._committer.must_open or (stored.replaced is not None and not stored.replaced.whole),
            )
        )  # fmt: skip
        if (day := self._alive.begin()) is not None:
            self._take(day)
        for account in self._plan.accounts:
            self._take(Snapshot(account))
        typed_in = {account.account for account in self._plan.accounts}
        for account in self._keeper.load():
            # Watched as it was last known until the exchange answers; accounts that are no more are not taken.
            if account.account not in typed_in:
                self._take(Snapshot(account, STORED))
        self._backfill.begin([name for market in Market for name in self._engine.watched(market)])
        self._delivery.offer(stored.pending, recorded=True)
        log.info(
            "daemon.started", environment=self._plan.settings.environment,
            symbols=sum(map(len, self._watched.values())), accounts=len(self._plan.settings.accounts),
            restored=len(stored.subjects), undelivered=len(stored.pending),
        )  # fmt: skip

    async def _open_state(self) -> Stored:
        try:
            stored = await self._store.open()
        except StoreError as error:
            log.error("state.failed", reason=error.cause, hint=error.hint)
            self._committer.must_open = True
            failed = StoreState(STATE_STORE, ok=False, reason=error.cause, hint=error.hint)
            self._note_store(failed)
            self._inbox.post(failed)
            return Stored((), ())
        # An earlier run may have told of trouble and ended before it could tell the end of it.
        self._inbox.post(StoreState("state", ok=True))
        if stored.replaced is not None:
            self._inbox.post(replaced_event("state", stored.replaced))
        return stored

    async def _open_history(self) -> None:
        try:
            await self._history.open()
        except StoreError as error:
            # Its writer keeps trying and reports; alerts do not wait for it.
            log.error("history.failed", reason=error.cause, hint=error.hint)
        else:
            self._inbox.post(StoreState("history", ok=True))

    async def _close(self) -> None:
        self._delivery.close()
        if self._plan.charts is not None:
            self._plan.charts.close()
        await self._leaving.settle()
        for close in (*(one.close for one in self._followed.values()), *self._sources.close):
            await close()
        await self._alive.close()
        await self._history.close()
        await self._store.close()
        if self._journal is not None:
            self._journal.close()
        log.info("daemon.stopped", ticks=self.ticks, evaluations=self._engine.evaluations)

    async def _work(self, presence: Presence) -> None:
        arriving = [
            *(job for feed in self._sources.feeds.values() for job in feed.jobs()),
            *(job for one in self._followed.values() for job in one.source.jobs()),
            *(self._plan.charts.jobs() if self._plan.charts is not None else ()),
        ]
        self._awake_s = self._clock.mono_s()
        self._verdicts.begin()
        async with asyncio.TaskGroup() as group:
            running = self._running
            running.begin(group)
            running.start(Stage.SENDING, self._delivery.jobs())
            running.start(Stage.WRITING, [Job("history", self._history.run, self._history.beat)])
            running.start(Stage.COMMITTING, [Job("commit", self._committer.run, self._committer.beat)])
            running.start(Stage.DECIDING, [Job("decide", self._decide, self._deciding)])
            running.start(
                Stage.INPUT,
                [
                    *arriving,
                    *self._alive.jobs(),
                    *self._backfill.jobs(),
                    Job("heartbeat", self._beat),
                    *self._keeper.jobs(),
                    Job("look-through", Lookout((self._store, self._history), self._clock).run),
                    *presence.jobs(),
                    *self._watchdog.jobs(),
                    *self._verdicts.jobs(),
                    *self._web.jobs(),
                    *self._reloads.jobs(),
                ],
            )
            await self._stop.wait()
            self._watchdog.stopping()
            self._verdicts.stop()
            self._reloads.stop()
            log.info("daemon.stopping")
            await self._drain()
        if self._gave_up is not None:
            raise self._gave_up

    async def _drain(self) -> None:
        """End everything in order, each part in its time."""
        running = self._running
        await cancel(running.of(Stage.INPUT, Stage.DECIDING), DRAIN_INPUT_S)
        self._take_rest()
        await self._flush()
        self._delivery.finish(DRAIN_SEND_S)
        await finish(running.of(Stage.SENDING), DRAIN_SEND_S)
        # What became of the last messages is known by now, and the next run must know it too.
        self._take_rest()
        self._committer.finish()
        await finish(running.of(Stage.COMMITTING), DRAIN_COMMIT_S)
        self._history.record(self._engine.last_samples(self._clock.now()))
        self._history.finish()
        await finish(running.of(Stage.WRITING), DRAIN_HISTORY_S)

    def _switch(self, renewal: Renewal) -> None:
        """Go over to another configuration, between two events of the engine. Nothing is waited for."""
        plan, changes = renewal.plan, renewal.changes
        self._take_rest()  # what came of the configuration before is taken by it
        before = {one.account: one for one in self._engine.accounts() if one.source is not Source.GIVEN}
        for name in changes.left:
            gone = self._followed.pop(name)
            gone.shut()
            self._leaving.add(self._running.end([job.name for job in gone.source.jobs()]), (gone.close,))
        last = {name: one for name in changes.followed if (one := before.get(name) or renewal.known.get(name))}
        coming = [one for one in plan.accounts if one.account in changes.typed]
        # Watched as it was last known until whoever follows it now has an answer.
        coming += [msgspec.structs.replace(one, source=Source.STORED) for one in last.values()]
        earlier, self._plan = self._plan, plan
        self._fallbacks = {one.name: one.fallback for one in plan.settings.channels if one.fallback}
        self._switch_charts(earlier)
        sending = self._delivery.switch(plan.channels, tz=plan.time_zone, illustrator=plan.charts)
        self._running.start(Stage.SENDING, sending)
        self._running.parting(self._delivery.parting())
        self._lend_tables(changes.followed, earlier)
        self._take(SettingsChanged(plan.settings, plan.tables, tuple(coming)))
        for following in renewal.followed:
            following.begin(last.get(following.account))
            self._followed[following.account] = following
            self._running.start(Stage.INPUT, following.source.jobs())
        self._followed = {name: self._followed[name] for name in plan.settings.accounts if name in self._followed}
        switched = self._alive.switch(plan)
        self._leaving.add(self._running.end(switched.ended), switched.close)
        self._running.start(Stage.INPUT, switched.begun)
        self._history.keep(plan.history.keep_raw_s, plan.history.keep_minutes_s)
        if plan.web is not None:
            self._web.replace(plan.web)
        renewal.adopt()

    def _lend_tables(self, names: Collection[str], earlier: Plan) -> None:
        """Have what was typed in of accounts judged by its tiers, until whoever follows them has told theirs."""
        for account in self._engine.accounts():
            held = {position.symbol for position in account.positions}
            tables = tuple(table for table in earlier.tables if table.symbol in held)
            if account.account in names and account.source is Source.GIVEN and tables:
                self._take(TablesChanged(account.account, tables))

    def _switch_charts(self, earlier: Plan) -> None:
        now = self._plan.charts
        if now is not None:
            now.configure(self._plan.settings, self._plan.time_zone)
        if now is earlier.charts:
            return
        if earlier.charts is not None:
            earlier.charts.close()
            self._leaving.add(self._running.end([job.name for job in earlier.charts.jobs()]))
        if now is not None:
            self._running.start(Stage.INPUT, now.jobs())

    def _take_rest(self) -> None:
        if self._take_all(self._inbox.drain()) is not None:
            self._take_all((Heartbeat(),))  # what the step that failed had decided leaves with the next one

    async def _flush(self) -> None:
        """Have everything decided committed; what that takes too long for is sent without."""
        try:
            async with asyncio.timeout(DRAIN_COMMIT_S):
                await self._committer.flushed()
        except TimeoutError:
            log.warning("drain.late", job="commit")
            self._committer.hand_on()

    def _end(self, error: MonitorError) -> None:
        """Drain, and end with this error."""
        self._gave_up = self._gave_up or error
        self._stop.set()

    async def _decide(self) -> None:
        while True:
            if (error := self._take_all(await self._inbox.take())) is not None:
                raise error

    def _take_all(self, events: Iterable[Event]) -> Exception | None:
        """Take events; one that fails is told and takes no other along. Return what the first failed with."""
        first: Exception | None = None
        for event in events:
            try:
                self._take(event)
            except Exception as error:  # noqa: BLE001 - it is raised once the others were taken
                log.error("event.failed", kind=type(event).__name__, error=type(error).__name__)
                first = first or error
        return first

    async def _beat(self) -> None:
        while True:
            before_s = self._clock.mono_s()
            await self._clock.sleep(HEARTBEAT_S)
            if (still_s := self._clock.mono_s() - before_s) > STILL_S:
                log.warning("daemon.stood_still", seconds=round(still_s, 1))
                self._awake_s = self._clock.mono_s()
            self._inbox.post(Heartbeat())
            self._committer.nudge()
            if self._journal is not None:
                self._journaled(self._journal.flush)

    def _take(self, event: Event) -> Effects:
        now = self._clock.now()
        if self._journal is not None:
            writer = self._journal
            self._journaled(lambda: writer.record(event, now))
        effects = self._engine.step(event, now)
        seen_s = None
        if isinstance(event, Ticks):
            self.ticks += len(event.marks)
            seen_s = min(mark.seen_s for mark in event.marks)
            self._web.observe(self._clock.mono_s() - seen_s)
        if isinstance(event, Heartbeat):
            self._deciding.back(now.mono_s + HEARTBEAT_S)
        if isinstance(event, StoreState):
            self._note_store(event)
        self._committer.submit(effects, seen_s)
        if effects.samples:
            self._history.record(effects.samples)
        if effects.changes:
            self._history.record_changes(effects.changes)
        if effects.drifting is not None and isinstance(event, Reconciled):
            self._model_log.drift(event.account.account, effects.drifting)
        self._model_log.releases(effects.releases)
        if not isinstance(event, Ticks):
            self._watch()
        for listener in self._listeners:
            listener(effects)
        return effects

    def _note_store(self, event: StoreState) -> None:
        self._unwritable.pop(event.store, None)
        if not event.ok:
            self._unwritable[event.store] = event.reason

    def _watch(self) -> None:
        """Have the feeds follow what the engine needs marks of."""
        changed = False
        for market, feed in self._sources.feeds.items():
            names = self._engine.watched(market)
            if self._watched.get(market) != names:
                self._watched[market] = names
                feed.set_symbols(names)
                changed = True
        if changed:
            self._holes.watch([name for names in self._watched.values() for name in names])

    def _journaled(self, write: Callable[[], None]) -> None:
        try:
            write()
        except StoreError as error:
            log.error("journal.failed", reason=error.cause)

    def _history_state(self, ok: bool, reason: str) -> None:  # noqa: FBT001 - the store's callback
        self._inbox.post(StoreState("history", ok=ok, reason=reason))

    def _commands(self) -> Mapping[str, Handler]:
        async def status(_request: Mapping[str, Any]) -> object:
            return self.status()

        async def holdings(_request: Mapping[str, Any]) -> object:
            return self.holdings()

        async def moves(request: Mapping[str, Any]) -> object:
            return joint_moves(request.get("names"), *self._engine.moves())

        return {
            "status": status,
            "holdings": holdings,
            "moves": moves,
            "health": self._verdicts.answer,
            "hold": self.hold,
            "lift": self.lift,
            "reload": self._reloads.ask,
        }

    def _quiet_commands(self) -> Commands:
        return Commands(
            alerts=self._engine.open_alerts,
            holds=self._engine.holds,
            symbols=lambda: [name for market in Market for name in self._engine.watched(market)],
            decide=self._take,
            recorded=self._recorded,
            now_ms=self._clock.wall_ms,
        )

    async def hold(self, request: Mapping[str, Any]) -> object:
        """Acknowledge, snooze or mute; see ``Commands.hold``."""
        return await self._quiet.hold(request)

    async def lift(self, request: Mapping[str, Any]) -> object:
        """Take snoozes and mutes back; see ``Commands.lift``."""
        return await self._quiet.lift(request)

    @property
    def state_path(self) -> Path:
        """Where state.db lies."""
        return self._plan.state_dir / STATE_DB

    @property
    def history_path(self) -> Path:
        """Where history.db lies."""
        return self._plan.history_path

    @property
    def time_zone(self) -> tzinfo:
        """In which people read times."""
        return self._plan.time_zone

    async def _prove(self) -> bool:
        """Write something to the state database; return whether it took it."""
        self._submit_proof()
        return await self._recorded()

    def _submit_proof(self) -> None:
        now_ms = self._clock.wall_ms()
        self._committer.submit(Effects(subjects=(SubjectState(PROOF, Level.OK, now_ms, 0, Level.OK),)))

    async def _recorded(self) -> bool:
        """Return once what was decided is on disk; False if it could not be written."""
        await self._committer.flushed()
        return self._committer.ok

    def newest(self, subject: str) -> Facts | None:
        """Return what is known of a wallet now, as messages ask; None for any other subject."""
        return self._engine.newest(subject, self._clock.now())

    def holdings(self) -> Holdings:
        """Return the accounts and tier tables as the engine has them now, and what it judges them by."""
        rules = self._plan.settings
        judged = Judged(rules.rules, rules.overrides, rules.advice)
        return Holdings(*self._engine.holdings(), self._engine.surroundings, judged)

    def vitals(self) -> Vitals:
        """Return what tells whether the service is well."""
        return Vitals(
            now_ms=self._clock.wall_ms(),
            stale=self._engine.stale(self._clock.now()),
            accounts=[one.source.stats() for one in self._followed.values()],
            channels=[stats._asdict() for stats in self._delivery.stats()],
            fallbacks=self._fallbacks,
            unknown=self._engine.unknown(),
            unwritable=self._takes_no_writes(),
            waiting_ms=self._committer.waiting_ms(),
            dying=self._running.dying(),
            standing=self._standing(),
        )

    def health(self) -> Health:
        """Return whether the service does its work now, with what is wrong and where."""
        return self._verdicts.health()

    def readiness(self) -> Health:
        """Return whether it has begun to do its work, still does it, and is not stopping."""
        return self._verdicts.readiness()

    def _takes_no_writes(self) -> dict[str, str]:
        """Return the databases that do not, and why: what they said, or that the last row is not there."""
        proved = self._committer.ok and self._verdicts.written
        return ({} if proved else {STATE_STORE: UNPROVED}) | self._unwritable

    def _awaited(self) -> Awaited:
        return Awaited(*self._engine.awaited(self._clock.now()))

    def _standing(self) -> tuple[str, ...]:
        return standing(self._running.beats, self._awake_s, self._clock.mono_s(), self._awake_s)

    def standing(self) -> tuple[str, ...]:
        """Return the loops that have not come round in time."""
        return self._standing()

    def _brief(self) -> str:
        """Return in a few words how the service does; nobody's symbols, accounts or channels are in it."""
        verdict = health(self.vitals())
        watched, alerts = sum(map(len, self._watched.values())), len(self._engine.open_alerts())
        well = "; ".join(part for part in (*verdict.reasons, self._reloads.words()) if part) or "all is well"
        return f"{watched} symbols, {len(self._plan.settings.accounts)} accounts, {alerts} alerts open; {well}"

    def status(self) -> Status:
        """Return everything as it stands."""
        latencies = self._committer.latencies()
        view = self._engine.view(self._clock.now())
        return Status(
            version=monitor.__version__,
            pid=os.getpid(),
            started_ms=self._started_ms,
            now_ms=self._clock.wall_ms(),
            engine=view,
            feeds=tuple(feed.stats() for feed in self._sources.feeds.values()),
            accounts=tuple(one.source.stats() for one in self._followed.values()),
            channels=tuple(stats._asdict() for stats in self._delivery.stats()),
            history=HistoryView(
                str(self._plan.history_path), self._history.queued, self._history.written,
                dict(self._history.dropped),
            ),
            ticks=self.ticks,
            coalesced=self._inbox.coalesced,
            commits=self._committer.commits,
            frame_to_commit=None if latencies is None else _as_ms(latencies),
            job_deaths=dict(self._running.deaths),
            dying=self._running.dying(),
            fallbacks=self._fallbacks,
            heartbeat=self._alive.view(),
            watchdog=self._watchdog.view(),
            away=self._backfill.view(),
            unseen=self._engine.unknown(),
            waiting_ms=self._committer.waiting_ms(),
            standing=self._standing(),
            unwritable=self._takes_no_writes(),
            config=self._reloads.view(),
            web=self._web.view(),
        )  # fmt: skip


def _as_ms(latencies: Latencies) -> dict[str, float]:
    return {
        "samples": latencies.samples,
        "p50_ms": round(latencies.p50_s * 1000, 3),
        "p99_ms": round(latencies.p99_s * 1000, 3),
        "worst_ms": round(latencies.worst_s * 1000, 3),
    }
