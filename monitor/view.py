"""The running daemon as it is seen from outside: what its status, its verdicts and its commands are made of.

It looks at the parts and keeps nothing. What changes something (holds, reloads) it only hands on.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

import monitor
from monitor.alive import Alive
from monitor.backfill import Backfill
from monitor.commands import Commands
from monitor.commit import Committer, Latencies
from monitor.control import Handler
from monitor.core.engine import Engine
from monitor.core.model import Market
from monitor.core.notices import Facts
from monitor.deciding import Decider
from monitor.health import Health, Vitals, health
from monitor.inbox import EngineInbox
from monitor.notify.delivery import Delivery
from monitor.plan import Sources
from monitor.ports import Clock
from monitor.readiness import Awaited
from monitor.reloading import Reloads
from monitor.running import Running
from monitor.status import STATE_STORE, HistoryView, Holdings, Judged, Status, joint_moves
from monitor.storage.history import SqliteHistory
from monitor.storage.paths import STATE_DB
from monitor.switching import Switch
from monitor.verdicts import Verdicts
from monitor.watchdog import Watchdog
from monitor.web.server import WebServer

UNPROVED: Final = "the last row was not written"


@dataclass(frozen=True, slots=True)
class Parts:
    """What is looked at."""

    clock: Clock
    started_ms: int
    engine: Engine
    inbox: EngineInbox
    decider: Decider
    committer: Committer
    history: SqliteHistory
    delivery: Delivery
    sources: Sources
    switch: Switch
    running: Running
    alive: Alive
    backfill: Backfill
    watchdog: Watchdog
    verdicts: Verdicts
    reloads: Reloads
    web: WebServer


class View:
    """What ``web.watched.Watched`` asks for, and a little more; of use once it was told at what to ``look``.

    It is made first, for some of the parts ask it about the whole.
    """

    _parts: Parts
    _quiet: Commands

    def look(self, parts: Parts) -> None:
        """Show these parts."""
        self._parts = parts
        self._quiet = Commands(
            alerts=parts.engine.open_alerts,
            holds=parts.engine.holds,
            symbols=lambda: [name for market in Market for name in parts.engine.watched(market)],
            decide=parts.decider.take,
            recorded=parts.committer.recorded,
            now_ms=parts.clock.wall_ms,
        )

    def commands(self) -> Mapping[str, Handler]:
        """Return what the local socket answers, by the name of the command."""
        engine = self._parts.engine

        async def status(_request: Mapping[str, Any]) -> object:
            return self.status()

        async def holdings(_request: Mapping[str, Any]) -> object:
            return self.holdings()

        async def moves(request: Mapping[str, Any]) -> object:
            return joint_moves(request.get("names"), *engine.moves())

        return {
            "status": status,
            "holdings": holdings,
            "moves": moves,
            "health": self._parts.verdicts.answer,
            "hold": self.hold,
            "lift": self.lift,
            "reload": self._parts.reloads.ask,
        }

    async def hold(self, request: Mapping[str, Any]) -> object:
        """Acknowledge, snooze or mute; see ``Commands.hold``."""
        return await self._quiet.hold(request)

    async def lift(self, request: Mapping[str, Any]) -> object:
        """Take snoozes and mutes back; see ``Commands.lift``."""
        return await self._quiet.lift(request)

    @property
    def state_path(self) -> Path:
        """Where state.db lies."""
        return self._parts.switch.plan.state_dir / STATE_DB

    @property
    def history_path(self) -> Path:
        """Where history.db lies."""
        return self._parts.switch.plan.history_path

    @property
    def time_zone(self) -> tzinfo:
        """In which people read times."""
        return self._parts.switch.plan.time_zone

    def newest(self, subject: str) -> Facts | None:
        """Return what is known of a wallet now, as messages ask; None for any other subject."""
        return self._parts.engine.newest(subject, self._parts.clock.now())

    def holdings(self) -> Holdings:
        """Return the accounts and tier tables as the engine has them now, and what it judges them by."""
        engine, rules = self._parts.engine, self._parts.switch.plan.settings
        judged = Judged(rules.rules, rules.overrides, rules.advice, rules.lots)
        return Holdings(*engine.holdings(), engine.surroundings, judged)

    def health(self) -> Health:
        """Return whether the service does its work now, with what is wrong and where."""
        return self._parts.verdicts.health()

    def readiness(self) -> Health:
        """Return whether it has begun to do its work, still does it, and is not stopping."""
        return self._parts.verdicts.readiness()

    def standing(self) -> tuple[str, ...]:
        """Return the loops that have not come round in time."""
        return self._parts.running.standing()

    def awaited(self) -> Awaited:
        """Return what a start waits for: neither known nor declared to be unknown."""
        return Awaited(*self._parts.engine.awaited(self._parts.clock.now()))

    def vitals(self) -> Vitals:
        """Return what tells whether the service is well."""
        parts = self._parts
        return Vitals(
            now_ms=parts.clock.wall_ms(),
            stale=parts.engine.stale(parts.clock.now()),
            accounts=self._accounts(),
            channels=self._channels(),
            fallbacks=self._fallbacks(),
            unknown=parts.engine.unknown(),
            unwritable=self._unwritable(),
            waiting_ms=parts.committer.waiting_ms(),
            dying=parts.running.dying(),
            standing=parts.running.standing(),
        )

    def brief(self) -> str:
        """Return in a few words how the service does; nobody's symbols, accounts or channels are in it."""
        parts = self._parts
        symbols, accounts = len(parts.decider.symbols), len(parts.switch.plan.settings.accounts)
        wrong = health(self.vitals()).reasons
        well = "; ".join(part for part in (parts.reloads.words(), *wrong) if part) or "all is well"
        return f"{symbols} symbols, {accounts} accounts, {len(parts.engine.open_alerts())} alerts open; {well}"

    def status(self) -> Status:
        """Return everything as it stands."""
        parts = self._parts
        history, latencies = parts.history, parts.committer.latencies()
        return Status(
            version=monitor.__version__,
            pid=os.getpid(),
            started_ms=parts.started_ms,
            now_ms=parts.clock.wall_ms(),
            engine=parts.engine.view(parts.clock.now()),
            feeds=tuple(feed.stats() for feed in parts.sources.feeds.values()),
            accounts=tuple(self._accounts()),
            channels=tuple(self._channels()),
            history=HistoryView(str(self.history_path), history.queued, history.written, dict(history.dropped)),
            ticks=parts.decider.ticks,
            coalesced=parts.inbox.coalesced,
            commits=parts.committer.commits,
            frame_to_commit=None if latencies is None else _as_ms(latencies),
            job_deaths=dict(parts.running.deaths),
            dying=parts.running.dying(),
            fallbacks=self._fallbacks(),
            heartbeat=parts.alive.view(),
            watchdog=parts.watchdog.view(),
            away=parts.backfill.view(),
            unseen=parts.engine.unknown(),
            waiting_ms=parts.committer.waiting_ms(),
            standing=parts.running.standing(),
            unwritable=self._unwritable(),
            stranded=parts.delivery.stranded(),
            config=parts.reloads.view(),
            web=parts.web.view(),
        )

    def _accounts(self) -> Sequence[Any]:
        return [one.source.stats() for one in self._parts.switch.followed.values()]

    def _channels(self) -> Sequence[Mapping[str, Any]]:
        return [stats._asdict() for stats in self._parts.delivery.stats()]

    def _fallbacks(self) -> dict[str, str]:
        """Return which channel takes over what another one does not deliver."""
        return {one.name: one.fallback for one in self._parts.switch.plan.settings.channels if one.fallback}

    def _unwritable(self) -> dict[str, str]:
        """Return the databases that take no writes, and why: what they said, or that the last row is not there."""
        proved = self._parts.committer.ok and self._parts.verdicts.written
        return ({} if proved else {STATE_STORE: UNPROVED}) | self._parts.decider.unwritable


def _as_ms(latencies: Latencies) -> dict[str, float]:
    return {
        "samples": latencies.samples,
        "p50_ms": round(latencies.p50_s * 1000, 3),
        "p99_ms": round(latencies.p99_s * 1000, 3),
        "worst_ms": round(latencies.worst_s * 1000, 3),
    }
