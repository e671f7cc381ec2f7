"""The one way into the engine: each event is journaled, decided on, and what comes of it goes where it belongs.

Nothing is awaited in between, so that what one event changes is complete before the next one is looked at.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from monitor.beat import Beat
from monitor.commit import Committer
from monitor.core.engine import Engine
from monitor.core.events import Event, Heartbeat, Reconciled, StoreState, Ticks
from monitor.core.incidents import Effects
from monitor.core.model import Market
from monitor.errors import StoreError
from monitor.holes import HoleInbox
from monitor.inbox import EngineInbox
from monitor.journal import JournalWriter
from monitor.model_log import ModelLog
from monitor.ports import Clock, Feed
from monitor.storage.history import SqliteHistory

log = structlog.get_logger()

HEARTBEAT_S: Final = 1.0  # as often the engine hears that time goes by, whatever else happens


class Decider:
    """Owns the steps of the engine. ``run`` is the job; it may be cancelled at any time.

    Args:
        engine: decides.
        inbox: where events wait.
        committer: takes what was decided.
        history: takes rows of it.
        feeds: what brings marks, told which are needed.
        holes: told the same.
        clock: when an event is taken.
        observe: told how long after their frame arrived marks were decided on, in seconds.
    """

    def __init__(
        self, *, engine: Engine, inbox: EngineInbox, committer: Committer, history: SqliteHistory,
        feeds: Mapping[Market, Feed], holes: HoleInbox, clock: Clock, observe: Callable[[float], None],
    ) -> None:  # fmt: skip
        self._engine = engine
        self._inbox = inbox
        self._committer = committer
        self._history = history
        self._feeds = feeds
        self._holes = holes
        self._clock = clock
        self._observe = observe
        self._journal: JournalWriter | None = None
        self._model_log = ModelLog()
        self._watched: dict[Market, tuple[str, ...]] = {}
        self._listeners: list[Callable[[Effects], None]] = []
        self.beat = Beat()
        self.ticks = 0
        self.unwritable: dict[str, str] = {}  # databases that said so, and why

    def listen(self, listener: Callable[[Effects], None]) -> None:
        """Have every step's effects shown to ``listener``; it must not block."""
        self._listeners.append(listener)

    def record(self, journal: JournalWriter) -> None:
        """Journal every event from now on; it is closed with ``close``."""
        self._journal = journal

    @property
    def symbols(self) -> list[str]:
        """What marks are needed of, as the feeds were told last."""
        return [name for names in self._watched.values() for name in names]

    async def run(self) -> None:
        """Take what comes, for ever. Raises what a step failed with, once the others of its round were taken."""
        while True:
            if (error := self._take_all(await self._inbox.take())) is not None:
                raise error

    def take_rest(self) -> None:
        """Take all that waits."""
        if self._take_all(self._inbox.drain()) is not None:
            self._take_all((Heartbeat(),))  # what the step that failed had decided leaves with the next one

    def take(self, event: Event) -> Effects:
        """Decide on one event now; return what came of it, which is on its way already."""
        now = self._clock.now()
        if self._journal is not None:
            writer = self._journal
            self._journaled(lambda: writer.record(event, now))
        effects = self._engine.step(event, now)
        seen_s = None
        if isinstance(event, Ticks):
            self.ticks += len(event.marks)
            seen_s = min(mark.seen_s for mark in event.marks)
            self._observe(self._clock.mono_s() - seen_s)
        if isinstance(event, Heartbeat):
            self.beat.back(now.mono_s + HEARTBEAT_S)
        if isinstance(event, StoreState):
            self.note_store(event)
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

    def note_store(self, event: StoreState) -> None:
        """Note whether a database takes writes, also before the event is decided on."""
        self.unwritable.pop(event.store, None)
        if not event.ok:
            self.unwritable[event.store] = event.reason

    def flush(self) -> None:
        """Have the journal written as far as it is."""
        if self._journal is not None:
            self._journaled(self._journal.flush)

    def close(self) -> None:
        """Let go of the journal."""
        if self._journal is not None:
            self._journal.close()

    def _take_all(self, events: Iterable[Event]) -> Exception | None:
        """Take events; one that fails is told and takes no other along. Return what the first failed with."""
        first: Exception | None = None
        for event in events:
            try:
                self.take(event)
            except Exception as error:  # noqa: BLE001 - it is raised once the others were taken
                log.error("event.failed", kind=type(event).__name__, error=type(error).__name__)
                first = first or error
        return first

    def _watch(self) -> None:
        """Have the feeds follow what the engine needs marks of."""
        changed = False
        for market, feed in self._feeds.items():
            names = self._engine.watched(market)
            if self._watched.get(market) != names:
                self._watched[market] = names
                feed.set_symbols(names)
                changed = True
        if changed:
            self._holes.watch(self.symbols)

    def _journaled(self, write: Callable[[], None]) -> None:
        try:
            write()
        except StoreError as error:
            log.error("journal.failed", reason=error.cause)
