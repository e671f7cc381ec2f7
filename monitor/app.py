"""Wiring: builds the parts, runs them in the one TaskGroup, and drains them in order when told to stop.

Inputs end first, then the engine takes what is left, then decisions are committed, messages sent, their outcomes
committed and history written, each with a deadline; databases close last.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random

import structlog

import monitor
from monitor.account_keeper import AccountKeeper
from monitor.alive import Alive
from monitor.backfill import Backfill
from monitor.commit import Committer, replaced_event
from monitor.control import ControlServer, Lock, make_directory
from monitor.core.engine import Engine
from monitor.core.events import (
    Heartbeat,
    Restored,
    SettingsChanged,
    Snapshot,
    StoreState,
)
from monitor.core.incidents import Effects
from monitor.core.model import Market
from monitor.core.notices import Facts
from monitor.core.waking import STILL_S
from monitor.deciding import HEARTBEAT_S, Decider
from monitor.drain import cancel, close, finish
from monitor.errors import MonitorError, StoreError
from monitor.health import Health, Vitals
from monitor.holes import HoleInbox
from monitor.inbox import EngineInbox
from monitor.journal import JournalWriter
from monitor.leaving import Leaving
from monitor.moves_keeper import MovesKeeper
from monitor.notify.delivery import Delivery
from monitor.plan import Plan, Renew, SourceFactory
from monitor.ports import Clock, Job, Probe, Stored, unwatched
from monitor.presence import Presence
from monitor.reloading import Reloads
from monitor.running import Running, Stage
from monitor.status import STATE_STORE, Holdings, Status
from monitor.storage.account_cache import AccountCache
from monitor.storage.history import SqliteHistory
from monitor.storage.holes_cache import HolesCache
from monitor.storage.lookout import Lookout
from monitor.storage.moves_cache import MovesCache
from monitor.storage.paths import CONTROL_SOCKET, LOCK_FILE, STATE_DB
from monitor.storage.state import SqliteState
from monitor.switching import Switch
from monitor.verdicts import Verdicts
from monitor.view import Parts, View
from monitor.watchdog import Watchdog
from monitor.web.server import WebServer
from monitor.workers import Workers

log = structlog.get_logger()

STORED = "stored"  # the cause of an account as an earlier run left it
# Together below the five seconds in which a stop must be over; decisions are committed before and after sending.
DRAIN_INPUT_S = 0.5
DRAIN_COMMIT_S = 1.0
DRAIN_SEND_S = 1.2
DRAIN_HISTORY_S = 1.0
DRAIN_CLOSE_S = 1.0  # a commit under way still gets it


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
        self._clock = clock
        self.view = view = View()  # the service as it is seen from outside
        self._web = WebServer(plan.web, view, clock)
        self._engine = engine = Engine()
        self._inbox = inbox = EngineInbox()
        self._store = SqliteState(plan.state_dir / STATE_DB, clock)
        self._history = SqliteHistory(
            plan.history_path, clock, plan.history, on_state=partial(self._history_state, str(plan.history_path)),
            on_replaced=lambda replaced: inbox.post(replaced_event("history", replaced)),
        )  # fmt: skip
        self._delivery = Delivery(
            plan.channels,
            store=self._store,
            inbox=inbox,
            clock=clock,
            rand=rng.random,
            tz=plan.time_zone,
            newest=lambda subject: engine.newest(subject, clock.now()),
            illustrator=plan.charts,
            minute_s=plan.pace_minute_s,
            probe=probe,
        )
        self._committer = Committer(self._store, self._delivery, inbox, clock, probe=probe, memory=engine.memory)
        self._holes = HoleInbox(inbox)
        self._sources = sources(self._holes)
        self._keeper = AccountKeeper(AccountCache(plan.state_dir), engine.accounts, clock)
        moves = MovesCache(plan.state_dir, plan.settings.environment)
        self._moves_keeper = MovesKeeper(moves, engine.minutes, clock)
        self._stop = asyncio.Event()
        self._gave_up: MonitorError | None = None  # why the service ends by itself
        started_ms = clock.wall_ms()
        self._backfill = Backfill(
            self._holes, self._sources.past, present=engine.present, history=self._history,
            path=plan.history_path, cache=HolesCache(plan.state_dir), inbox=inbox, clock=clock,
            started_ms=started_ms, timings=plan.away,
        )  # fmt: skip
        self._decider = Decider(
            engine=engine, inbox=inbox, committer=self._committer, history=self._history,
            feeds=self._sources.feeds, holes=self._holes, clock=clock, observe=self._web.observe,
        )  # fmt: skip
        self._running = Running(clock, died=inbox.post, gave_up=self._end)
        self._leaving = Leaving()
        self._verdicts = Verdicts(
            vitals=view.vitals, awaited=view.awaited, submit=self._committer.submit,
            recorded=self._committer.recorded, clock=clock,
        )  # fmt: skip
        self._watchdog = Watchdog(
            plan.systemd, clock, dead_man=plan.dead_man, beats=lambda: self._running.beats,
            prove=self._verdicts.submit, brief=view.brief, waits=self._verdicts.waits_for,
        )  # fmt: skip
        self._alive = Alive(
            plan, day=lambda: engine.day(clock.now()), proved=self._verdicts.proved, inbox=inbox, clock=clock,
            rand=rng.random,
        )  # fmt: skip
        self._switch = Switch(
            plan, self._sources.accounts, engine=engine, decider=self._decider, running=self._running,
            leaving=self._leaving, delivery=self._delivery, alive=self._alive, history=self._history,
            serve=self._web.replace,
        )  # fmt: skip
        self._reloads = Reloads(
            renew, source, switch=self._switch.go, gave_up=self._end, settle=self._leaving.settle,
            watchdog=self._watchdog, clock=clock,
        )  # fmt: skip
        view.look(
            Parts(
                clock=clock, started_ms=started_ms, engine=engine, inbox=inbox, decider=self._decider,
                committer=self._committer, history=self._history, delivery=self._delivery, sources=self._sources,
                switch=self._switch, running=self._running, alive=self._alive, backfill=self._backfill,
                watchdog=self._watchdog, verdicts=self._verdicts, reloads=self._reloads, web=self._web,
            )
        )  # fmt: skip

    def stop(self) -> None:
        """Begin the drain; safe to call from a signal handler of the loop."""
        self._stop.set()

    def hang_up(self) -> None:
        """Read the configuration again soon; safe to call from a signal handler of the loop."""
        self._reloads.hang_up()

    def listen(self, listener: Callable[[Effects], None]) -> None:
        """Have every step's effects shown to ``listener``, for a live view; it must not block."""
        self._decider.listen(listener)

    async def run(self) -> None:
        """Watch until stopped.

        Raises:
            AlreadyRunningError: another daemon uses the state directory, or came to use it after its files were
                removed; then all was drained before.
            ControlError: the state directory or the local socket in it cannot be made.
            JobGaveUpError: a job kept dying; all else was drained before.
            TornError: going over to another configuration failed; the same.
        """
        plan = self._switch.plan
        asyncio.get_running_loop().set_default_executor(Workers())
        make_directory(plan.state_dir)
        with Lock(plan.state_dir / LOCK_FILE) as lock:
            socket = plan.state_dir / CONTROL_SOCKET
            control = ControlServer(socket, self.view.commands(), self._reloads.meant)
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
        plan = self._switch.plan
        if plan.journal is not None:
            journal = JournalWriter(plan.journal, monitor.__version__)
            self._decider.record(journal)
            if journal.kept is not None:
                log.info("journal.kept", earlier=str(journal.kept))
        stored = await self._open_state()
        await self._open_history()
        self._decider.take(SettingsChanged(plan.settings, plan.tables))
        self._decider.take(
            Restored(
                stored.subjects, stored.fates, stored.holds, stored.last_number, stored.undelivered,
                unread=self._committer.must_open or (stored.replaced is not None and not stored.replaced.whole),
            )
        )  # fmt: skip
        if (day := self._alive.begin()) is not None:
            self._decider.take(day)
        for account in plan.accounts:
            self._decider.take(Snapshot(account))
        typed_in = {account.account for account in plan.accounts}
        for account in self._keeper.load():
            # Watched as it was last known until the exchange answers; accounts that are no more are not taken.
            if account.account not in typed_in:
                self._decider.take(Snapshot(account, STORED))
        watched = [name for market in Market for name in self._engine.watched(market)]
        for closes in self._moves_keeper.load(watched):
            self._decider.take(closes)
        self._backfill.begin(watched)
        self._committer.resume(stored.pending)
        for name, messages in self._delivery.stranded().items():
            log.warning("delivery.left", channel=name, messages=messages)
        log.info(
            "daemon.started", environment=plan.settings.environment,
            symbols=len(self._decider.symbols), accounts=len(plan.settings.accounts),
            restored=len(stored.subjects), undelivered=len(stored.pending),
        )  # fmt: skip

    async def _open_state(self) -> Stored:
        try:
            stored = await self._store.open()
        except StoreError as error:
            log.error("state.failed", reason=error.cause, hint=error.hint)
            self._committer.must_open = True
            failed = StoreState(STATE_STORE, ok=False, reason=error.cause, hint=error.hint, path=error.path)
            self._decider.note_store(failed)
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
        if (charts := self._switch.plan.charts) is not None:
            charts.close()
        await self._leaving.settle()
        for let_go in (*(one.close for one in self._switch.followed.values()), *self._sources.close):
            await let_go()
        until_s = asyncio.get_running_loop().time() + DRAIN_CLOSE_S
        closing = {
            "state": self._store.close(), "history": self._history.close(), "alive": self._alive.close(),
            "keep-moves": self._moves_keeper.finish(),
        }  # fmt: skip
        # At once: one of them whose disk hangs takes no time of the others.
        await asyncio.gather(*(close(name, each, until_s) for name, each in closing.items()))
        self._decider.close()
        log.info("daemon.stopped", ticks=self._decider.ticks, evaluations=self._engine.evaluations)

    async def _work(self, presence: Presence) -> None:
        charts = self._switch.plan.charts
        arriving = [
            *(job for feed in self._sources.feeds.values() for job in feed.jobs()),
            *(job for one in self._switch.followed.values() for job in one.source.jobs()),
            *(charts.jobs() if charts is not None else ()),
        ]
        self._verdicts.begin()
        async with asyncio.TaskGroup() as group:
            running = self._running
            running.begin(group)
            running.start(Stage.SENDING, self._delivery.jobs())
            running.start(Stage.WRITING, [Job("history", self._history.run, self._history.beat)])
            running.start(Stage.COMMITTING, [Job("commit", self._committer.run, self._committer.beat)])
            running.start(Stage.DECIDING, [Job("decide", self._decider.run, self._decider.beat)])
            running.start(
                Stage.INPUT,
                [
                    *arriving,
                    *self._alive.jobs(),
                    *self._backfill.jobs(),
                    Job("heartbeat", self._beat),
                    *self._keeper.jobs(),
                    *self._moves_keeper.jobs(),
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
        self._decider.take_rest()
        await self._flush()
        self._delivery.finish(DRAIN_SEND_S)
        await finish(running.of(Stage.SENDING), DRAIN_SEND_S)
        # What became of the last messages is known by now, and the next run must know it too.
        self._decider.take_rest()
        self._committer.finish()
        await finish(running.of(Stage.COMMITTING), DRAIN_COMMIT_S)
        self._history.record(self._engine.last_samples(self._clock.now()))
        self._history.finish()
        await finish(running.of(Stage.WRITING), DRAIN_HISTORY_S)

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

    async def _beat(self) -> None:
        while True:
            before_s = self._clock.mono_s()
            await self._clock.sleep(HEARTBEAT_S)
            if (still_s := self._clock.mono_s() - before_s) > STILL_S:
                log.warning("daemon.stood_still", seconds=round(still_s, 1))
                self._running.woke()
            self._inbox.post(Heartbeat())
            self._verdicts.waits_for()  # a start is over when it is, not when somebody asks
            self._committer.nudge()
            self._decider.flush()

    def _history_state(self, path: str, ok: bool, reason: str) -> None:  # noqa: FBT001 - the store's callback
        self._inbox.post(StoreState("history", ok=ok, reason=reason, path=path))

    @property
    def ticks(self) -> int:
        """How many marks were decided on."""
        return self._decider.ticks

    def status(self) -> Status:
        """Return everything as it stands."""
        return self.view.status()

    def holdings(self) -> Holdings:
        """Return the accounts and tier tables as the engine has them now, and what it judges them by."""
        return self.view.holdings()

    def newest(self, subject: str) -> Facts | None:
        """Return what is known of a wallet now, as messages ask; None for any other subject."""
        return self.view.newest(subject)

    def vitals(self) -> Vitals:
        """Return what tells whether the service is well."""
        return self.view.vitals()

    def health(self) -> Health:
        """Return whether the service does its work now, with what is wrong and where."""
        return self.view.health()

    def readiness(self) -> Health:
        """Return whether it has begun to do its work, still does it, and is not stopping."""
        return self.view.readiness()
