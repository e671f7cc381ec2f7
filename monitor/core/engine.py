"""The only mutable owner of the core: ``step(event, now) -> Effects``.

Synchronous, handed ``now``, without any input or output. The same events at the same times give the same
effects, which is what a journal replays. Longer than other modules, because the order in which things follow from
an event is decided here and nowhere else.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from monitor.core import away, report
from monitor.core.accounts import Accounts
from monitor.core.book import Book, Bools, Floats, Ints
from monitor.core.compile import compile_book, correct, patch, set_rates
from monitor.core.counsel import Counsel
from monitor.core.counsel import worst as worst_of
from monitor.core.daily import Daily, Watched
from monitor.core.deaf import DeafChannels
from monitor.core.departures import Departures
from monitor.core.events import (
    AccountState,
    AtRest,
    Away,
    Closes,
    DayKept,
    DayOver,
    DeliveryResult,
    Distrusted,
    Event,
    FeedState,
    Heartbeat,
    Held,
    JobDied,
    Learnt,
    Lifted,
    MarginCall,
    OrderForced,
    Reconciled,
    Restored,
    SettingsChanged,
    Snapshot,
    StoreState,
    StreamState,
    Subscribed,
    TablesChanged,
    Ticks,
    Unsure,
)
from monitor.core.incidents import Effects, Incidents
from monitor.core.marks import MarkBoard
from monitor.core.model import (
    AccountSnapshot,
    BracketTable,
    ForcedOrder,
    Level,
    MarginCallLeg,
    Market,
    Now,
    Sample,
    Source,
    SubjectKey,
)
from monitor.core.move_board import MoveBoard
from monitor.core.notices import DataState, DayReport, Facts, Hold, NoticeKind, SubjectState
from monitor.core.outages import FEED_PREFIX, STORE_PREFIX, Outages
from monitor.core.planner import Outcome
from monitor.core.pricing import row_prices, unsure_wallets
from monitor.core.risk import Readings, adverse_prices, evaluate, evaluate_rows
from monitor.core.rules import (
    Levels,
    Thresholds,
    Track,
    advance,
    compile_thresholds,
    conditions,
    reached,
    relapsed,
)
from monitor.core.sampling import Sampler
from monitor.core.scene import Glance, KnownMoves, Scene
from monitor.core.settings import EngineSettings
from monitor.core.surroundings import Surroundings
from monitor.core.troubles import closing
from monitor.core.view import EngineView, OpenAlert, engine_view
from monitor.core.waking import Waking

# A hundred numbers a day: more than were given before, for whoever does not know which.
NUMBERS_SINCE_MS = 1_767_225_600_000  # 2026-01-01
NUMBER_MS = 864_000
_NONE: Ints = np.zeros(0, dtype=np.intp)


class Engine:
    """Owns book, marks, levels and what was told to whom."""

    def __init__(self) -> None:
        self._settings = EngineSettings()
        self._board = MarkBoard()
        self._moves = MoveBoard()
        self._book: Book = compile_book((), {})
        self._limits: Thresholds = compile_thresholds(self._book, self._settings)
        self._track = Track.empty(0)
        self._known: Bools = np.zeros(0, dtype=np.bool_)  # wallets whose subject surely has a state
        self._assumed: Bools = np.zeros(0, dtype=np.bool_)  # wallets judged with an entry price for a mark
        self._readings: Readings = evaluate(self._book, self._board.price)
        self._hit: Bools = conditions(self._book, self._limits, self._readings)
        self._sampler = Sampler(0)
        self.evaluations = 0
        self._incidents = Incidents()
        self._waking = Waking()
        self._outages = Outages(self._incidents)
        self._accounts = Accounts(self._incidents, self._waking)
        self._departures = Departures(self._incidents, self._accounts)
        self._deaf = DeafChannels(self._incidents)
        self._daily = Daily(self._incidents)
        self._counsel = Counsel(self._incidents)
        self._asked: dict[str, Facts] = {}  # since the last step
        self._incidents.symbols_of = self._symbols_of
        self._unread = False  # what an earlier run knew is not known
        self._watched: dict[Market, tuple[str, ...]] = dict.fromkeys(Market, ())

    def watched(self, market: Market) -> tuple[str, ...]:
        """Return what needs marks of a market: symbols, and with USD-margined ones rates of collateral."""
        return self._watched[market]

    def accounts(self) -> tuple[AccountSnapshot, ...]:
        """Return every account as it is known, positions without tiers included."""
        return self._accounts.whole()

    def holdings(self) -> tuple[tuple[AccountSnapshot, ...], dict[str, BracketTable]]:
        """Return the accounts that are watched, at the rates of their newest snapshots, and the tables in use."""
        return tuple(self._accounts.usable.values()), dict(self._accounts.tables)

    def moves(self) -> tuple[float, KnownMoves]:
        """Return when was last made what is known of how names moved (monotonic s), and it."""
        return self._moves.made_s, self._moves.recent()

    @property
    def surroundings(self) -> Surroundings:
        """What is known around positions."""
        return self._counsel.surroundings

    def present(self) -> away.Present:
        """Return what another time can be judged with as the present one is."""
        known = zip(self._book.wallets, self._moves.deviation.tolist(), strict=True)
        return away.Present(
            *self.holdings(),
            self._settings,
            dict(self._accounts.corrections()),
            {info.key: deviation for info, deviation in known if not np.isnan(deviation)},
        )

    def last_samples(self, now: Now) -> tuple[Sample, ...]:
        """Return a row of every wallet that is seen, so that the next run knows until when it was."""
        known = np.flatnonzero(~np.isnan(self._readings.cushion) & self._book.exposed & ~self._assumed)
        return self._samples(known[self._seen(known, now)], now)

    def memory(self) -> Effects:
        """Return all that a database begun anew has to hold."""
        return self._incidents.memory()

    def step(self, event: Event, now: Now) -> Effects:
        """Take one event.

        Raises:
            BracketError: an account holds a symbol without a tier table; nothing of the event was taken.
        """
        self._counsel.begin()
        self._asked.clear()
        match event:
            case Ticks():
                self._ticks(event, now)
            case Heartbeat():
                self._heartbeat(now)
            case SettingsChanged():
                self._settings_changed(event, now)
            case Restored():
                self._restored(event, now)
            case Subscribed():
                self._outages.subscribed(event.feed, event.symbols)
                self._board.expect(event.symbols, event.at_s)
            case DeliveryResult() | Unsure() | Held() | Lifted() | StoreState() | DayOver() | DayKept():
                self._heard(event, now)
            case Closes():
                # Levels follow with the next heartbeat: a start brings hundreds of these.
                self._moves.seed(event, now.mono_s)
            case Distrusted() | AtRest() | StreamState() | Away() | JobDied() | Learnt():
                self._reported(event, now)
            case FeedState():
                self._outages.connection(event)
            case _:
                self._account_event(event, now)
        effects = self._incidents.take()
        self._daily.follow(effects, now)
        return effects

    def _heard(
        self, event: DeliveryResult | Unsure | Held | Lifted | StoreState | DayOver | DayKept, now: Now
    ) -> None:
        """Take what channels, people, databases and the calendar report."""
        match event:
            case DeliveryResult():
                self._delivered(event, now)
            case Unsure():
                facts, kind = self._closing(event.subject, now)
                outcome = Outcome(event.channel, event.key, accepted=True)
                self._incidents.settle(event.subject, outcome, now.wall_ms, facts, kind=kind, sure=False)
            case Held():
                self._incidents.hold(event.hold)
            case Lifted():
                self._incidents.holds.lift(event.target, now.wall_ms)
            case StoreState():
                self._outages.store_state(event, self._settings, now)
            case DayOver():
                self._daily.over(event, self._amounts(), self._settings.environment, now)
            case DayKept():
                self._daily.kept(event, now)

    def _reported(self, event: Distrusted | AtRest | StreamState | Away | JobDied | Learnt, now: Now) -> None:
        """Take what parts of the service found out about themselves and about each other."""
        match event:
            case Distrusted():
                # Told with the next heartbeat: by then the marks that stand in for the wrong ones are here.
                self._board.distrust(event.feed, event.reasons)
                self._outages.distrusted(event)
            case AtRest():
                self._board.excuse(event.symbols, event.at_s)
            case StreamState():
                if event.account in self._settings.accounts:
                    self._accounts.stream(event, now)
            case JobDied():
                self._accounts.job_died(event, now)
            case Learnt():
                self._counsel.learn(event.fact)
            case Away():
                held = bool(self._book.exposed.any())
                still = self._waking.stood_still(event.from_ms, event.until_ms)
                away.announce(self._incidents, event, self._settings.environment, now, held=held, still=still)

    def _account_event(
        self,
        event: Snapshot | Reconciled | TablesChanged | OrderForced | MarginCall | AccountState,
        now: Now,
    ) -> None:
        name = event.account.account if isinstance(event, Snapshot | Reconciled) else event.account
        if name not in self._settings.accounts:
            return  # it was taken out of the settings, and this was on its way
        match event:
            case Snapshot():
                self._accounts.take(event.account, event.cause, now)
                self._accounts_changed(now)
            case Reconciled():
                self._accounts.reconcile(event, now)
                # A symbol that was just opened must not hide its wallet until its first mark comes.
                marks = {one.symbol: one.mark for one in event.figures.positions}
                if self._board.seed(marks, event.figures.at_ms, now.mono_s):
                    self._reassess(now)
                self._corrected(now)
            case TablesChanged():
                self._tables_changed(event, now)
            case OrderForced():
                wallet = self._accounts.wallet_of(event.account, event.symbol, event.side)
                self._accounts.forced(event, wallet, now)
            case MarginCall():
                self._called(event, now)
            case AccountState():
                self._accounts.state(event, now)

    def _restored(self, event: Restored, now: Now) -> None:
        subjects = self._incidents.missed(event.subjects) if event.late else event.subjects
        self._unread = event.unread
        # Which numbers are taken is not known either: those of another range are told apart later.
        free = max(0, now.wall_ms - NUMBERS_SINCE_MS) // NUMBER_MS if event.unread else 0
        last_number = max(event.last_number, free)
        self._incidents.restore(subjects, event.fates, event.pending, last_number, late=event.late)
        self._incidents.holds.restore(event.holds)
        self._incidents.inherit(event.fates, event.pending, now.wall_ms)
        self._accounts.forget(now)
        self._daily.restored(now)
        if event.late:
            self._resume(subjects, now)

    def _resume(self, subjects: Sequence[SubjectState], now: Now) -> None:
        """Let wallets go on from levels learnt late, as after a restart: how they end is told."""
        levels = {state.subject: state.level for state in subjects}
        for i, info in enumerate(self._book.wallets):
            if (level := levels.get(str(info.key))) is not None and self._book.exposed[i]:
                self._track.level[i] = level
                self._track.held_s[:, i] = now.mono_s
                self._moves.doubt(i, now.mono_s)
        self._forget_absent(now)

    def day(self, now: Now) -> DayReport:
        """Return what the day was like so far."""
        return self._daily.report(self._amounts(), now)

    def _amounts(self) -> Watched:
        exposed = int(np.count_nonzero(self._book.exposed))
        return Watched(len(self._book.positions), exposed, len(self._settings.accounts))

    def view(self, now: Now) -> EngineView:
        """Return everything as it stands."""
        return engine_view(
            self._book,
            self._readings,
            self._board,
            self._moves,
            levels=self._track.level.tolist(),
            data=lambda name: self._data(name, now),
            accounts=self._accounts.views(),
            alerts=tuple(map(self._in_full, self.open_alerts())),
            holds=self.holds(),
            now_s=now.mono_s,
            environment=self._settings.environment,
            evaluations=self.evaluations,
        )

    def stale(self, now: Now) -> tuple[str, ...]:
        """Return what is watched and has no fresh marks."""
        return tuple(name for name in self._book.watched if self._data(name, now) is not DataState.FRESH)

    def awaited(self, now: Now) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the accounts and watched names that are neither known yet nor declared to be lost or blind."""
        symbols = tuple(
            name
            for name in self._book.watched
            if not self._board.is_heard(name) and self._data(name, now) is not DataState.BLIND
        )
        return self._accounts.awaited(), symbols

    def unknown(self) -> tuple[str, ...]:
        """Return the accounts of which nothing is known."""
        return self._accounts.unknown()

    def _data(self, symbol: str, now: Now) -> DataState:
        forgiven_s = self._waking.forgiven_s(now.mono_s)
        state = self._board.state(symbol, now.mono_s, self._settings.freshness, forgiven_s)
        # A symbol that has yet to deliver is in order, but nothing about it is fresh.
        never = state is DataState.FRESH and not self._board.is_heard(symbol)
        return DataState.SUSPECT if never else state

    # Marks and levels

    def _ticks(self, event: Ticks, now: Now) -> None:
        extremes = self._board.take(event.marks)
        self._moves.observe(event.marks)
        set_rates(self._book, self._board.price)
        prices = self._prices(self._board.price, now.mono_s)
        self._readings = evaluate_rows(self._book, prices)
        self._hit = self._conditions(self._readings)
        self.evaluations += 1
        glances = [self._now_seen()]
        if extremes is not None:
            # Ticks were coalesced: what held at an extreme was a received crossing and counts.
            adverse = adverse_prices(self._book, *extremes)
            glances.append(self._glance(np.where(np.isnan(adverse), prices, adverse)))
            if self._book.pairs.first.size:
                # The ratio and the distance of a hedged pair can be worse at the end that leaves it more cushion.
                glances += [self._glance(self._prices(end, now.mono_s)) for end in extremes]
            if self._book.rated_slots.size:
                # Of rates that were coalesced the lower end counts too, for both of an asset's move as one.
                set_rates(self._book, extremes[0])
                low = zip(self._book.rates, extremes[0][len(self._book.symbols) :].tolist(), strict=True)
                rates = {name: rate for name, rate in low if not math.isnan(rate)}
                glances.append(self._glance(prices)._replace(rates=rates))
                set_rates(self._book, self._board.price)
        self._record(self._judge(glances, now), now)

    def _now_seen(self) -> Glance:
        return Glance(self._readings, self._hit)

    def _glance(self, prices: Floats) -> Glance:
        readings = evaluate_rows(self._book, prices)
        return Glance(readings, self._conditions(readings))

    def _conditions(self, readings: Readings) -> Bools:
        return conditions(self._book, self._limits, readings, self._moves.judged(readings))

    def _prices(self, marks: Floats, now_s: float) -> Floats:
        blind = self._board.silent(now_s, self._settings.freshness.blind_after_s)
        prices, self._assumed = row_prices(self._book, marks, blind)
        return prices

    def _judge(self, glances: Sequence[Glance], now: Now) -> Ints:
        """Let levels follow conditions; return the wallets whose level changed.

        A level that only an extreme reached is told with the figures of the extreme.

        Args:
            glances: at the newest marks, and at extremes that were received with them.
            now: the moment.
        """
        hit = np.logical_or.reduce([glance.hit for glance in glances])
        unknown = np.isnan(self._readings.cushion)
        exposed = self._book.exposed
        unsure = unknown | ~exposed | self._stale(now)
        before = self._track.level
        again = relapsed(self._track, self._limits, hit, now.mono_s)
        self._track = advance(self._track, self._limits, hit, unsure, now.mono_s, unknown=unknown)
        level = self._track.level
        changed = np.flatnonzero(level != before)
        fresh = np.flatnonzero(~unknown & exposed & ~self._known)
        which = _first(glances, level) if changed.size or again.any() else _NONE
        self._look_ahead((level > before) | (again & (level == before)), which, glances, now)
        if changed.size or fresh.size:
            room = np.minimum.reduce([glance.readings.room for glance in glances])
            risen = worst_of(np.flatnonzero(level > before).tolist(), level.tolist(), room)
            for wallet in np.union1d(changed, fresh).tolist():
                rises = level[wallet] > before[wallet]
                glance = glances[which[wallet]] if rises else glances[0]
                self._follow(wallet, glance, now, advised=wallet in risen)
            self._known[fresh] = True
        for wallet in np.flatnonzero(again & (level == before)).tolist():
            state = self._incidents.get(str(self._book.wallets[wallet].key))
            if state is not None and state.level == level[wallet]:
                facts = self._advised(wallet, now, glances[which[wallet]])
                self._incidents.rise(state, state.level, now.wall_ms, facts)
        for glance in glances:
            self._tell_used_up(glance, now)
        return changed

    def _look_ahead(self, told: Bools, which: Ints, glances: Sequence[Glance], now: Now) -> None:
        """Let messages about wallets say what is ahead of them at the glance that they are about.

        Args:
            told: wallets that have a message, shape (w,).
            which: glance of each wallet, shape (w,).
            glances: at the newest marks, and at extremes.
            now: the moment.
        """
        for i in np.unique(which[told]).tolist() if told.any() else ():
            mine = np.flatnonzero(told & (which == i)).tolist()
            self._counsel.look_again(self._scene(now), glances[i], mine, now)

    def _tell_used_up(self, glance: Glance, now: Now) -> None:
        """Tell of levels that cannot get worse, though their meaning does: by now the exchange has liquidated."""
        used_up = glance.readings.margin_ratio >= 1
        if not used_up.any():
            return
        for wallet in np.flatnonzero(used_up & (self._track.level > Level.OK) & ~self._assumed).tolist():
            state = self._incidents.get(str(self._book.wallets[wallet].key))
            if state is not None and not state.breached:
                facts = self._advised(wallet, now, glance)
                self._incidents.rise(state, state.level, now.wall_ms, facts)

    def _stale(self, now: Now) -> Bools:
        """Return the wallets of which something is not known as it is now, shape (w,)."""
        silent = self._board.silent(now.mono_s, self._settings.freshness.suspect_after_s)
        return unsure_wallets(self._book, silent, self._accounts.unfollowed())

    def _follow(self, wallet: int, glance: Glance, now: Now, *, advised: bool) -> None:
        subject = str(self._book.wallets[wallet].key)
        level = Level(int(self._track.level[wallet]))
        # Opened inside its level; after a crash beside a broken database that would silence what goes on.
        quiet = self._incidents.get(subject) is None and not self._unread
        state = self._incidents.begin(subject, now.wall_ms)
        if level is state.level:
            return
        if level > state.level and advised:
            facts = self._advised(wallet, now, glance)
        else:
            facts = self._facts(wallet, now, glance.readings)
        if level > state.level:
            if state.level is Level.OK:
                self._accounts.begun(subject, now)
            if quiet:
                facts = msgspec.structs.replace(facts, reason="first seen")
            self._incidents.rise(state, level, now.wall_ms, facts, quiet=quiet)
        else:
            facts = msgspec.structs.replace(facts, reason=self._how_it_ended(state))
            self._incidents.fall(state, level, now.wall_ms, facts)
            if level is Level.OK:
                self._accounts.over(subject)

    def _record(self, changed: Ints, now: Now) -> None:
        due = self._sampler.due(self._readings, changed, now.mono_s)
        due = due[~self._assumed[due]]  # history holds what was, not what was assumed
        if due.size:
            seen = self._seen(due, now)
            self._sampler.last[0, due[~seen]] = -np.inf
            self._incidents.samples.extend(self._samples(due[seen], now))

    def _seen(self, wallets: Ints, now: Now) -> Bools:
        """Return which of these wallets have marks of now: a row of old ones would hide that nobody saw."""
        oldest_s = now.mono_s - self._settings.freshness.blind_after_s
        found = [report.seen_since(self._book, self._board, wallet, oldest_s) for wallet in wallets.tolist()]
        return np.array(found, dtype=np.bool_)

    def _samples(self, wallets: Ints, now: Now) -> tuple[Sample, ...]:
        return report.samples(
            self._book, self._readings, self._board, self._moves.left(self._readings),
            levels=self._track.level.tolist(), wallets=wallets.tolist(), at_ms=now.wall_ms,
        )  # fmt: skip

    # Time

    def _heartbeat(self, now: Now) -> None:
        self._waking.beat(now)
        self._daily.beat(now)
        self._incidents.holds.expire(now.wall_ms)
        moved = self._moves.refresh(self._book, self._readings, now.mono_s)
        if moved:
            self._hit = self._conditions(self._readings)
        changed = self._judge([self._now_seen()], now) if moved or self._track.level.any() else _NONE
        self._record(changed, now)
        self._remind(now)
        self._outages.watch_feeds(
            self._board,
            self._settings,
            now,
            lambda symbols: report.holders(self._book, self._readings, self._track.level.tolist(), symbols),
            complete=self._accounts.usable.keys() >= set(self._settings.accounts),
            forgiven_s=self._waking.forgiven_s(now.mono_s),
        )
        self._outages.watch_stores(self._settings, now)
        self._accounts.remind(now)
        self._deaf.judge(now)
        self._incidents.help_out(
            now.wall_ms,
            self._settings.escalate_after_s,
            lambda state: self._present(state.subject, now),
        )
        self._counsel.beat(self._scene(now), now, lambda wallet: self._facts(wallet, now, self._readings))
        if self._departures.waiting:
            self._forget_absent(now)
        for subject in self._incidents.owed():
            facts, kind = self._closing(subject, now)
            self._incidents.close_again(subject, now.wall_ms, facts, kind)

    def _remind(self, now: Now) -> None:
        """Tell again of wallets that are still in danger, where that is due."""
        due: dict[int, tuple[SubjectState, tuple[str, ...]]] = {}
        for wallet in np.flatnonzero(self._track.level).tolist():
            state = self._incidents.begin(str(self._book.wallets[wallet].key), now.wall_ms)
            rule = self._limits.rules[wallet].levels[state.level - 1]
            channels = self._incidents.due(state, rule.reminder_s, self._settings.channels, now.wall_ms)
            if channels and not np.isnan(self._readings.cushion[wallet]):
                due[wallet] = (state, channels)
        advised = worst_of(due, self._track.level.tolist(), self._readings.room) if due else frozenset()
        if due:
            self._counsel.look_again(self._scene(now), self._now_seen(), tuple(due), now)
        for wallet, (state, channels) in due.items():
            facts = self._facts(wallet, now, self._readings)
            if wallet in advised:
                facts = self._advised(wallet, now, self._now_seen())
            facts = msgspec.structs.replace(facts, eased=not np.isnan(self._track.eased_s[wallet]))
            self._incidents.remind(state, channels, now.wall_ms, facts)

    # Accounts and settings

    def _settings_changed(self, event: SettingsChanged, now: Now) -> None:
        self._settings = event.settings
        self._moves.learning = event.settings.typical_moves
        earlier, self._incidents.channels = self._incidents.channels, event.settings.channels
        self._incidents.mended(event.channels)
        self._incidents.hand_on([channel.name for channel in earlier], now.wall_ms)
        self._deaf.configure(event.settings, now)
        self._accounts.rename(event.origins)
        self._accounts.configure(event.settings, event.tables, now)
        ours = set(event.settings.accounts)
        coming = [account for account in event.accounts if account.account in ours]
        for account in coming:
            self._accounts.take(account, account.source.value, now)
        # Of what is typed in nothing is known that a key told, nor what a key told of another account.
        typed_in = {account.account for account in coming if account.source is Source.GIVEN}
        self._counsel.keep(ours - typed_in - event.origins.keys())
        self._recompile(now)

    def _accounts_changed(self, now: Now) -> None:
        if patch(self._book, tuple(self._accounts.usable.values())):
            self._settle(now)
        else:
            self._recompile(now)

    def _tables_changed(self, event: TablesChanged, now: Now) -> None:
        before = report.liquidation_prices(self._book, self._readings, event.account)
        self._accounts.take_tables(event, now)
        self._recompile(now)
        after = report.liquidation_prices(self._book, self._readings, event.account)
        self._accounts.moved(event.account, before, after, now)

    def _corrected(self, now: Now) -> None:
        """Let the exchange's figures rule where they are worse than ours."""
        before = (self._book.less_balance.copy(), self._book.extra_maintenance.copy())
        correct(self._book, self._accounts.corrections())
        if not all(map(np.array_equal, before, (self._book.less_balance, self._book.extra_maintenance))):
            self._reassess(now)

    def _called(self, event: MarginCall, now: Now) -> None:
        """Tell the exchange's own warning, with what to do by the worse figures of both."""
        compared = self._accounts.called(event, now)
        self._corrected(now)
        legs: dict[str, MarginCallLeg] = {}
        for leg in event.legs:
            legs.setdefault(self._accounts.wallet_of(event.account, leg.symbol, leg.side) or "", leg)

        def facts_of(wallet: str) -> Facts:
            index = self._book.wallet_index.get(SubjectKey(event.account, wallet))
            if index is not None and self._book.exposed[index]:
                self._counsel.look_again(self._scene(now), self._now_seen(), (index,), now)
                return self._advised(index, now, self._now_seen())
            # Not known yet, or without tiers: then the call is all there is.
            leg = legs[wallet]
            return Facts(
                environment=self._settings.environment, account=event.account, wallet=wallet,
                margin_mode=leg.margin_mode.value, symbol=leg.symbol, side=leg.side.value, positions=1,
                mark=leg.mark, maintenance_margin=leg.maintenance,
            )  # fmt: skip

        self._accounts.tell_call(event, legs, compared, facts_of, now)

    def _recompile(self, now: Now) -> None:
        self._rebuild(compile_book(tuple(self._accounts.usable.values()), self._accounts.tables), now)
        self._settle(now)

    def _settle(self, now: Now) -> None:
        """Bring a book that changed up to date with everything else that is known."""
        set_rates(self._book, self._board.price)
        correct(self._book, self._accounts.corrections())
        self._forget_absent(now)
        self._reassess(now)

    def _rebuild(self, book: Book, now: Now) -> None:
        """Change to a book of another shape; levels and dwell follow their wallets."""
        old, track, sampler = self._book, self._track, self._sampler
        self._book = book
        self._limits = compile_thresholds(book, self._settings)
        self._board.watch(book.watched, now.mono_s)
        self._moves.watch(book)
        inverse = {book.positions[row].symbol for row in np.flatnonzero(book.inverse).tolist()}
        self._watched = {
            Market.USDM: tuple(name for name in book.watched if name not in inverse),
            Market.COINM: tuple(sorted(inverse)),
        }
        self._track = Track.empty(len(book.wallets))
        self._known = np.zeros(len(book.wallets), dtype=np.bool_)
        self._assumed = np.zeros(len(book.wallets), dtype=np.bool_)
        self._sampler = Sampler(len(book.wallets))
        for i, info in enumerate(book.wallets):
            j = old.wallet_index.get(info.key)
            state = self._incidents.get(str(info.key))
            if j is not None and (old.exposed[j] or state is None):
                self._track.level[i] = track.level[j]
                self._track.held_s[:, i] = track.held_s[:, j]
                self._track.eased_s[i] = track.eased_s[j]
                self._sampler.last[:, i] = sampler.last[:, j]
            elif state is not None:
                self._track.level[i] = state.level
                # When its conditions were last met is not known after a restart: the dwell begins anew.
                self._track.held_s[:, i] = now.mono_s
                self._moves.doubt(i, now.mono_s)

    def _forget_absent(self, now: Now) -> None:
        """Close what no account holds any more: earlier in this run, or restored from the one before.

        A cross wallet outlives its last position, which is no less gone for that: nothing about it recovered.
        """
        idle = ~self._book.exposed
        self._track.level[idle] = Level.OK
        self._track.held_s[:, idle] = -np.inf
        self._track.eased_s[idle] = np.nan
        self._known[idle] = False
        held = {str(info.key) for info, empty in zip(self._book.wallets, idle, strict=True) if not empty}
        silent = set(self._settings.accounts) - self._accounts.usable.keys()
        self._departures.close(
            held | self._accounts.set_aside(),
            now,
            self._settings.environment,
            is_known=lambda account: account not in silent,
        )

    def _reassess(self, now: Now) -> None:
        self._readings = evaluate_rows(self._book, self._prices(self._board.price, now.mono_s))
        self._moves.settle(self._book, self._readings, now.mono_s)
        self._hit = self._conditions(self._readings)
        self._record(self._judge([self._now_seen()], now), now)

    # Outcomes

    def _delivered(self, event: DeliveryResult, now: Now) -> None:
        facts, kind = self._closing(event.subject, now)
        outcome = Outcome(event.channel, event.key, event.accepted, event.level)
        self._incidents.settle(event.subject, outcome, now.wall_ms, facts, kind=kind)
        if event.moved:
            self._incidents.mended((event.channel,))
        self._deaf.delivered(event.channel, now, accepted=event.accepted, reason=event.reason)
        self._daily.delivered(event, now)

    def newest(self, subject: str, now: Now) -> Facts | None:
        """Return what is known of a wallet now, as messages ask between steps; None for any other subject."""
        if subject not in self._asked:  # by one channel after the other
            with self._counsel.aside():
                facts = self._present(subject, now)
            if facts is None or facts.prescription is None:
                return facts
            self._asked[subject] = facts
        return self._asked[subject]

    def _present(self, subject: str, now: Now) -> Facts | None:
        """Return what is known of a wallet now; None for any other subject, and for one that is held no more."""
        account, _, name = subject.partition("/")
        wallet = self._book.wallet_index.get(SubjectKey(account, name)) if account else None
        if wallet is None or not self._book.exposed[wallet] or np.isnan(self._readings.cushion[wallet]):
            return None
        return self._advised(wallet, now, self._now_seen())

    def open_alerts(self) -> tuple[OpenAlert, ...]:
        """Return the incidents under way by number, each with the wish for quiet that holds it back."""
        return tuple(
            OpenAlert(
                number=state.number,
                subject=state.subject,
                level=state.level,
                since_ms=state.since_ms,
                symbols=tuple(self._symbols_of(state.subject)),
                held=self._incidents.held_by(state),
            )
            for state in self._incidents.open()
        )

    def _in_full(self, alert: OpenAlert) -> OpenAlert:
        """Return an incident with the symbols of its feed, if it is one of a feed.

        No hold of a symbol covers a blindness, so that only those who look are told of them.
        """
        blind = self._outages.symbols_of(alert.subject)
        return msgspec.structs.replace(alert, symbols=blind) if blind else alert

    def holds(self) -> tuple[Hold, ...]:
        """Return the wishes for quiet in force, oldest first."""
        return self._incidents.holds.active()

    def _symbols_of(self, subject: str) -> tuple[str, ...]:
        account, _, name = subject.partition("/")
        wallet = self._book.wallet_index.get(SubjectKey(account, name)) if account else None
        if wallet is None:
            return ()
        return tuple(sorted({self._book.positions[row].symbol for row in self._book.rows_of(wallet)}))

    def _closing(self, subject: str, now: Now) -> tuple[Facts, NoticeKind]:
        """Return what a closing message that is late would say."""
        environment = self._settings.environment
        if subject.startswith(FEED_PREFIX):
            return self._outages.closing(subject, environment), NoticeKind.SIGHT
        if subject.startswith(STORE_PREFIX):
            store = subject.removeprefix(STORE_PREFIX)
            return Facts(environment=environment, detail=store), NoticeKind.STORAGE_BACK
        if (trouble := closing(subject)) is not None:
            return msgspec.structs.replace(trouble[0], environment=environment), trouble[1]
        account, _, name = subject.partition("/")
        wallet = self._book.wallet_index.get(SubjectKey(account, name))
        if wallet is None:
            facts = Facts(environment=environment, account=account, wallet=name, reason="gone")
            return facts, NoticeKind.CLOSED
        facts = self._facts(wallet, now, self._readings)
        state = self._incidents.get(subject)
        reason = "recovered" if state is None else self._how_it_ended(state)
        return msgspec.structs.replace(facts, reason=reason), NoticeKind.CLOSED

    def _facts(self, wallet: int, now: Now, readings: Readings) -> Facts:
        facts = report.wallet_facts(
            self._book, readings, self._board, wallet, now_s=now.mono_s, environment=self._settings.environment,
            moves_left=float(self._moves.left(readings)[wallet]),
        )  # fmt: skip
        return msgspec.structs.replace(facts, ahead=self._counsel.ahead(facts, now))

    def _advised(self, wallet: int, now: Now, glance: Glance) -> Facts:
        """Return the facts of a wallet; in danger, with what to do about it, at the same prices and rates."""
        facts = self._facts(wallet, now, glance.readings)
        level = int(self._track.level[wallet])
        positions = len(self._book.rows_of(wallet))
        if level < Level.WARNING or not self._counsel.may_prescribe(positions, level, now):
            return facts
        prescription = self._counsel.prescription(self._scene(now), wallet, glance)
        return msgspec.structs.replace(facts, prescription=prescription)

    def _scene(self, now: Now) -> Scene:
        """Return everything as it is, for what is said beside levels."""
        book = self._book
        marks = zip(book.watched, self._board.price.tolist(), strict=True)
        return Scene(
            book=book,
            readings=self._readings,
            limits=self._limits,
            levels=self._track.level,
            deviation=self._moves.deviation,
            unsure=np.isnan(self._readings.cushion) | self._stale(now),
            settings=self._settings,
            moves=self._moves.recent(),
            accounts=self._accounts.usable,
            tables=self._accounts.tables,
            corrections=self._accounts.corrections(),
            marks={name: mark for name, mark in marks if not math.isnan(mark)},
        )

    def _how_it_ended(self, state: SubjectState) -> str:
        """Return why a level fell; after a liquidation, or with the margin used up, it is no recovery."""
        if self._accounts.how_forced(state.subject) is ForcedOrder.LIQUIDATION:
            return "reduced"
        return "passed" if state.breached else "recovered"


def _first(glances: Sequence[Glance], level: Levels) -> Ints:
    """Return the first glance at which each wallet is at its level, shape (w,): the newest marks where none is."""
    first: Ints = np.argmax(np.stack([reached(glance.hit) for glance in glances]) >= level, axis=0)
    return first
