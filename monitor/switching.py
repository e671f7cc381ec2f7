"""Which configuration holds, and going over to another one: one step between two events of the engine."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import msgspec

from monitor.alive import Alive
from monitor.core.engine import Engine
from monitor.core.events import SettingsChanged, TablesChanged
from monitor.core.model import AccountSnapshot, Source
from monitor.deciding import Decider
from monitor.leaving import Leaving
from monitor.notify.delivery import Delivery
from monitor.plan import Following, Plan, Renewal, WebPlan
from monitor.running import Running, Stage
from monitor.storage.history import SqliteHistory


class Switch:
    """``plan`` is the configuration that holds, ``followed`` the accounts followed by their keys, by name.

    Args:
        plan: that of the start.
        followed: those of the start.
        engine: what holds the accounts.
        decider: the way into it.
        running: starts and ends jobs.
        leaving: takes what ends.
        delivery: the channels.
        alive: pings and summaries.
        history: what rows are kept in.
        serve: has the web interface take another token and other names.
    """

    def __init__(
        self, plan: Plan, followed: Iterable[Following], *, engine: Engine, decider: Decider, running: Running,
        leaving: Leaving, delivery: Delivery, alive: Alive, history: SqliteHistory,
        serve: Callable[[WebPlan], None],
    ) -> None:  # fmt: skip
        self._engine = engine
        self._decider = decider
        self._running = running
        self._leaving = leaving
        self._delivery = delivery
        self._alive = alive
        self._history = history
        self._serve = serve
        self.plan = plan
        self.followed = {one.account: one for one in followed}

    def go(self, renewal: Renewal) -> tuple[str, ...]:
        """Go over to another configuration; return what is to be said of it. Nothing is waited for."""
        plan, changes = renewal.plan, renewal.changes
        self._decider.take_rest()  # what came of the configuration before is taken by it
        before = {one.account: one for one in self._engine.accounts() if one.source is not Source.GIVEN}
        for name in changes.left:
            gone = self.followed.pop(name)
            gone.shut()
            self._leaving.add(self._running.end([job.name for job in gone.source.jobs()]), (gone.close,))
        # One that never answered under its old name is known under neither, whatever another held under this one.
        origins = {name: old if old in before else "" for name, old in changes.origins.items()}
        known = {**renewal.known, **before, **_renamed(origins, before)}
        last = {name: known[name] for name in changes.followed if name in known}
        coming = [one for one in plan.accounts if one.account in changes.typed]
        # Watched as it was last known until whoever follows it now has an answer.
        coming += [msgspec.structs.replace(one, source=Source.STORED) for one in last.values()]
        earlier, self.plan = self.plan, plan
        self._charts(earlier)
        # Whoever asks for a reload may have mended what is no matter of the file.
        broken = {one.channel for one in self._delivery.stats() if one.broken}
        mended = sorted(changes.channels | broken & {channel.name for channel in plan.channels})
        sending = self._delivery.switch(plan.channels, tz=plan.time_zone, illustrator=plan.charts)
        self._running.start(Stage.SENDING, sending)
        self._running.parting(self._delivery.parting())
        self._lend_tables(changes.followed, earlier)
        self._decider.take(SettingsChanged(plan.settings, plan.tables, tuple(coming), tuple(mended), origins))
        for following in renewal.followed:
            # What another account held was not closed.
            same = origins.get(following.account) != ""
            following.begin(last.get(following.account) if same else None)
            self.followed[following.account] = following
            self._running.start(Stage.INPUT, following.source.jobs())
        self.followed = {name: self.followed[name] for name in plan.settings.accounts if name in self.followed}
        switched = self._alive.switch(plan)
        self._leaving.add(self._running.end(switched.ended), switched.close)
        self._running.start(Stage.INPUT, switched.begun)
        self._history.keep(plan.history.keep_raw_s, plan.history.keep_minutes_s)
        if plan.web is not None:
            self._serve(plan.web)
        renewal.adopt()
        return tuple(self._undelivered({one.name for one in earlier.channels}))

    def _undelivered(self, earlier: Collection[str]) -> Iterator[str]:
        """Yield what channels leave behind that this configuration has no more."""
        for name, count in self._delivery.stranded().items():
            if name in earlier:
                waits = (
                    "1 message undelivered; it waits" if count == 1 else f"{count} messages undelivered; they wait"
                )
                yield f"channel {name}: {waits} for one of this name; others tell what still holds"

    def _lend_tables(self, names: Collection[str], earlier: Plan) -> None:
        """Have what was typed in of accounts judged by its tiers, until whoever follows them has told theirs."""
        for account in self._engine.accounts():
            held = {position.symbol for position in account.positions}
            tables = tuple(table for table in earlier.tables if table.symbol in held)
            if account.account in names and account.source is Source.GIVEN and tables:
                self._decider.take(TablesChanged(account.account, tables))

    def _charts(self, earlier: Plan) -> None:
        now = self.plan.charts
        if now is not None:
            now.configure(self.plan.settings, self.plan.time_zone)
        if now is earlier.charts:
            return
        if earlier.charts is not None:
            earlier.charts.close()
            self._leaving.add(self._running.end([job.name for job in earlier.charts.jobs()]))
        if now is not None:
            self._running.start(Stage.INPUT, now.jobs())


def _renamed(
    origins: Mapping[str, str], before: Mapping[str, AccountSnapshot]
) -> dict[str, AccountSnapshot]:  # fmt: skip
    """Return accounts as they were last known under another name, under the one they have now."""
    return {name: msgspec.structs.replace(before[old], account=name) for name, old in origins.items() if old}
