"""The only mutable owner of the core: ``step(event, now) -> Effects``.

Synchronous, handed ``now``, without any input or output. The same events at the same times give the same
effects, which is what a journal replays. The order in which things follow from an event is decided here and
nowhere else; what each of them is, in the parts.
"""

from collections.abc import Collection

import msgspec
import numpy as np

from monitor.core import away, report
from monitor.core.accounts import Accounts
from monitor.core.assessment import Assessment
from monitor.core.counsel import Counsel
from monitor.core.daily import Daily, Watched
from monitor.core.deaf import DeafChannels
from monitor.core.departures import Departures
from monitor.core.events import (
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
    Restored,
    SettingsChanged,
    StoreState,
    StreamState,
    Subscribed,
    Ticks,
    Unsure,
)
from monitor.core.incidents import Effects, Incidents
from monitor.core.marks import MarkBoard
from monitor.core.minutes import Ring
from monitor.core.model import (
    AccountSnapshot,
    BracketTable,
    Market,
    Now,
    Sample,
    Source,
)
from monitor.core.move_board import MoveBoard
from monitor.core.notices import DataState, DayReport, Facts, Hold, NoticeKind
from monitor.core.outages import FEED_PREFIX, STORE_PREFIX, Outages
from monitor.core.planner import Outcome
from monitor.core.portfolio import Portfolio
from monitor.core.scene import KnownMoves
from monitor.core.settings import EngineSettings
from monitor.core.stand_ins import StandIns
from monitor.core.surroundings import Surroundings
from monitor.core.troubles import closing
from monitor.core.view import EngineView, OpenAlert, engine_view
from monitor.core.waking import Waking
from monitor.core.wallet_alerts import WalletAlerts
from monitor.core.wallet_facts import WalletFacts

# A hundred numbers a day: more than were given before, for whoever does not know which.
NUMBERS_SINCE_MS = 1_767_225_600_000  # 2026-01-01
NUMBER_MS = 864_000


class Engine:
    """Owns the parts of the core, and hands each of them what an event means for it."""

    def __init__(self) -> None:
        self._settings = EngineSettings()
        self._board = MarkBoard()
        self._moves = MoveBoard()
        self._assessment = Assessment(self._board, self._moves)
        self.evaluations = 0
        self._incidents = Incidents()
        self._incidents.symbols_of = self._assessment.symbols_of
        self._stand_ins = StandIns(self._incidents)
        self._waking = Waking()
        self._outages = Outages(self._incidents)
        self._accounts = Accounts(self._incidents, self._waking)
        self._deaf = DeafChannels(self._incidents)
        self._daily = Daily(self._incidents)
        self._counsel = Counsel(self._incidents)
        self._facts = WalletFacts(self._assessment, self._accounts, self._counsel)
        self._alerts = WalletAlerts(self._incidents, self._accounts, self._assessment, self._facts)
        self._portfolio = Portfolio(
            self._accounts,
            self._assessment,
            Departures(self._incidents, self._accounts),
            self._facts,
            self._alerts,
        )

    def step(self, event: Event, now: Now) -> Effects:
        """Take one event. What follows depends on nothing else: no set's order decides what is told first."""
        self._facts.begin()
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
                self._portfolio.take(event, now)
        effects = self._incidents.take()
        self._daily.follow(effects, now)
        return effects

    def _ticks(self, event: Ticks, now: Now) -> None:
        extremes = self._board.take(event.marks)
        self._moves.observe(event.marks)
        self.evaluations += 1
        self._alerts.judge(self._assessment.look(extremes, now.mono_s), now)

    def _heartbeat(self, now: Now) -> None:
        self._waking.beat(now)
        self._daily.beat(now)
        self._incidents.holds.expire(now.wall_ms)
        self._alerts.judge(self._assessment.refresh(now.mono_s), now)
        self._alerts.remind(now)
        self._outages.watch_feeds(
            self._board,
            self._settings,
            now,
            self._holders,
            complete=self._accounts.usable.keys() >= set(self._settings.accounts),
            forgiven_s=self._waking.forgiven_s(now.mono_s),
        )
        self._outages.watch_stores(self._settings, now)
        self._accounts.remind(now)
        self._deaf.judge(now)
        self._stand_ins.help_out(
            now.wall_ms,
            self._settings.escalate_after_s,
            lambda state: self._facts.present(state.subject, now),
        )
        self._counsel.beat(self._facts.scene(now), now, lambda wallet: self._facts.of(wallet, now))
        self._portfolio.close_overdue(now)
        for subject in self._incidents.owed():
            facts, kind = self._closing(subject, now)
            self._incidents.close_again(subject, now.wall_ms, facts, kind)

    def _holders(self, symbols: Collection[str]) -> tuple[str, ...]:
        here = self._assessment
        return report.holders(here.book, here.readings, here.levels.tolist(), symbols)

    def _settings_changed(self, event: SettingsChanged, now: Now) -> None:
        self._settings = event.settings
        self._facts.configure(event.settings)
        self._moves.learning = event.settings.typical_moves
        earlier, self._incidents.channels = self._incidents.channels, event.settings.channels
        self._incidents.mended(event.channels)
        self._stand_ins.hand_on([channel.name for channel in earlier], now.wall_ms)
        self._deaf.configure(event.settings, now)
        # Of what is typed in nothing is known that a key told, nor what a key told of another account.
        typed_in = {account.account for account in event.accounts if account.source is Source.GIVEN}
        self._counsel.keep(set(event.settings.accounts) - typed_in - event.origins.keys())
        self._portfolio.configure(event, now)

    def _restored(self, event: Restored, now: Now) -> None:
        subjects = self._incidents.missed(event.subjects) if event.late else event.subjects
        self._alerts.unread = event.unread
        # Which numbers are taken is not known either: those of another range are told apart later.
        free = max(0, now.wall_ms - NUMBERS_SINCE_MS) // NUMBER_MS if event.unread else 0
        last_number = max(event.last_number, free)
        self._incidents.restore(subjects, event.fates, event.pending, last_number, late=event.late)
        self._incidents.holds.restore(event.holds)
        self._stand_ins.inherit(event.fates, event.pending, now.wall_ms)
        self._accounts.forget(now)
        self._daily.restored(now)
        if event.late:
            # Wallets go on from levels learnt late, as after a restart: how they end is told.
            self._assessment.resume({state.subject: state.level for state in subjects}, now.mono_s)
            self._portfolio.forget_absent(now)

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

    def _delivered(self, event: DeliveryResult, now: Now) -> None:
        facts, kind = self._closing(event.subject, now)
        outcome = Outcome(event.channel, event.key, event.accepted, event.level)
        self._incidents.settle(event.subject, outcome, now.wall_ms, facts, kind=kind)
        if event.moved:
            self._incidents.mended((event.channel,))
        self._deaf.delivered(event.channel, now, accepted=event.accepted, reason=event.reason)
        self._daily.delivered(event, now)

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
        return self._facts.ending(subject, self._incidents.get(subject), now), NoticeKind.CLOSED

    def _amounts(self) -> Watched:
        book = self._assessment.book
        return Watched(len(book.positions), int(np.count_nonzero(book.exposed)), len(self._settings.accounts))

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
                held = bool(self._assessment.book.exposed.any())
                still = self._waking.stood_still(event.from_ms, event.until_ms)
                away.announce(self._incidents, event, self._settings.environment, now, held=held, still=still)

    # What is known, for whoever asks between steps

    def view(self, now: Now) -> EngineView:
        """Return everything as it stands."""
        return engine_view(
            self._assessment.book,
            self._assessment.readings,
            self._board,
            self._moves,
            levels=self._assessment.levels.tolist(),
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
        return tuple(
            name for name in self._assessment.book.watched if self._data(name, now) is not DataState.FRESH
        )

    def awaited(self, now: Now) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the accounts and watched names that are neither known yet nor declared to be lost or blind."""
        symbols = tuple(
            name
            for name in self._assessment.book.watched
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

    def watched(self, market: Market) -> tuple[str, ...]:
        """Return what needs marks of a market: symbols, and with USD-margined ones rates of collateral."""
        return self._assessment.watched[market]

    def accounts(self) -> tuple[AccountSnapshot, ...]:
        """Return every account as it is known, positions without tiers included."""
        return self._accounts.whole()

    def holdings(self) -> tuple[tuple[AccountSnapshot, ...], dict[str, BracketTable]]:
        """Return the accounts that are watched, at the rates of their newest snapshots, and the tables in use."""
        return tuple(self._accounts.usable.values()), dict(self._accounts.tables)

    def moves(self) -> tuple[float, KnownMoves]:
        """Return when was last made what is known of how names moved (monotonic s), and it."""
        return self._moves.made_s, self._moves.recent()

    def minutes(self) -> Ring:
        """Return what is known of minutes of watched names, for the next run to go on from."""
        return self._moves.ring()

    @property
    def surroundings(self) -> Surroundings:
        """What is known around positions."""
        return self._counsel.surroundings

    def present(self) -> away.Present:
        """Return what another time can be judged with as the present one is."""
        return away.Present(
            *self.holdings(), self._settings, dict(self._accounts.corrections()), self._assessment.deviations()
        )

    def last_samples(self, now: Now) -> tuple[Sample, ...]:
        """Return a row of every wallet that is seen, so that the next run knows until when it was."""
        return self._assessment.all_samples(now)

    def memory(self) -> Effects:
        """Return all that a database begun anew has to hold."""
        return self._incidents.memory()

    def newest(self, subject: str, now: Now) -> Facts | None:
        """Return what is known of a wallet now, as messages ask between steps; None for any other subject."""
        return self._facts.newest(subject, now)

    def open_alerts(self) -> tuple[OpenAlert, ...]:
        """Return the incidents under way by number, each with the wish for quiet that holds it back."""
        return tuple(
            OpenAlert(
                number=state.number,
                subject=state.subject,
                level=state.level,
                since_ms=state.since_ms,
                symbols=self._assessment.symbols_of(state.subject),
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

    def day(self, now: Now) -> DayReport:
        """Return what the day was like so far."""
        return self._daily.report(self._amounts(), now)
