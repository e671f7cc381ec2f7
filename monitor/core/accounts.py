"""What is known of the accounts: as the exchange describes them, its tiers, and whether our figures are its own.

Positions of a symbol without a tier table cannot be judged. They are set aside and told, so that nothing else of
their account is lost with them.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from monitor.core.account_news import AccountNews
from monitor.core.account_view import AccountView, account_view
from monitor.core.audit import Audit, audit, figures_of_call
from monitor.core.audits import Audits
from monitor.core.changes import changes
from monitor.core.closings import Closings
from monitor.core.events import (
    AccountState,
    JobDied,
    MarginCall,
    OrderForced,
    Reconciled,
    StreamState,
    TablesChanged,
)
from monitor.core.hearing import Hearing
from monitor.core.incidents import Incidents
from monitor.core.model import (
    AccountSnapshot,
    BracketTable,
    Compared,
    ForcedOrder,
    Now,
    Side,
    Source,
    SubjectKey,
)
from monitor.core.notices import Facts
from monitor.core.own_tiers import OwnTiers
from monitor.core.releases import Release, releases
from monitor.core.settings import EngineSettings
from monitor.core.troubles import ACCOUNT_PREFIX, DRIFT_PREFIX, STREAM_PREFIX, TIERS_PREFIX, Troubles
from monitor.core.waking import Waking

NO_ANSWER = "no answer"  # the reason where nothing was heard of an account for too long
LATE_S = 45.0  # where no stream is open, an account is fetched each ten seconds


class Accounts:
    """Owns the accounts, their tier tables and what comparing them found."""

    def __init__(self, incidents: Incidents, waking: Waking) -> None:
        self._incidents = incidents
        self._settings = EngineSettings()
        self._tiers = OwnTiers()
        self._whole: dict[str, AccountSnapshot] = {}
        self._troubles = Troubles(incidents)
        self._news = AccountNews(incidents, self._settings.environment)
        self._strange: set[str] = set()  # accounts that may be others than they were when last described
        self._lost: dict[str, AccountState] = {}  # accounts that cannot be followed now
        self._deaf: dict[str, str] = {}  # why their private streams tell nothing, by account
        self._hearing = Hearing(waking)
        self._silent: frozenset[str] = frozenset()  # accounts of which nothing was heard for too long
        self._unfollowed: frozenset[str] = frozenset()
        self._audits = Audits()
        self._closings = Closings()
        self._backing: dict[tuple[str, str, Side], str] = {}  # wallet of each leg ever held; by account and leg
        self._untabled: dict[str, tuple[str, ...]] = {}  # symbols held without tiers, by account
        self._released: dict[str, tuple[int, int]] = {}  # partial closes as assumed and otherwise, by account
        self.usable: dict[str, AccountSnapshot] = {}  # without what has no tiers

    @property
    def tables(self) -> dict[str, BracketTable]:
        """The tier tables: by symbol, and by ``table_key`` where an account has its own."""
        return self._tiers.tables

    # Settings and accounts

    def configure(self, settings: EngineSettings, tables: Iterable[BracketTable], now: Now) -> None:
        """Take new settings; accounts that are not in them any more are forgotten with all their troubles."""
        self._settings = settings
        self._news.environment = settings.environment
        kept = frozenset(settings.accounts)
        self._tiers.configure(tables, kept)
        self._whole = {name: known for name, known in self._whole.items() if name in kept}
        self._strange &= kept
        self._lost = {name: known for name, known in self._lost.items() if name in kept}
        self._deaf = {name: known for name, known in self._deaf.items() if name in kept}
        self._audits.keep_only(kept)
        self._backing = {leg: wallet for leg, wallet in self._backing.items() if leg[0] in kept}
        self._hearing.configure(settings.accounts, now.mono_s)
        self._silent &= kept
        self._note_unfollowed()
        self.forget(now)
        self.usable, self._untabled = {}, {}
        for name in self._whole:
            self._set_aside(name, now)

    def rename(self, origins: Mapping[str, str]) -> None:
        """Let tiers and comparisons go on under the name an account has now; see ``SettingsChanged.origins``."""
        self._tiers.rename(origins)
        self._audits.rename(origins)
        self._strange.update(name for name, old in origins.items() if not old)

    def forget(self, now: Now) -> None:
        """Close the troubles of accounts that are not in the settings: of this run, or restored."""
        environment = self._settings.environment
        kept = frozenset(self._settings.accounts)
        self._troubles.forget(kept, now, lambda subject: Facts(environment=environment, detail=subject))
        self._troubles.resume(now, environment)

    def take(self, snapshot: AccountSnapshot, cause: str, now: Now) -> None:
        """Take an account as it is now; what changed is recorded and told to those who asked."""
        before = self._whole.get(snapshot.account)
        self._taken_over(before, snapshot)
        self._whole[snapshot.account] = snapshot
        if snapshot.source is not Source.STORED:
            self._hearing.heard(snapshot.account, now.mono_s, always=snapshot.source is Source.GIVEN)
        if before is None or before.source is not snapshot.source:
            self._note_unfollowed()
        self._backing |= {(snapshot.account, p.symbol, p.side): snapshot.wallet_of(p) for p in snapshot.positions}
        at_ms = snapshot.as_of_ms or now.wall_ms
        # What is typed in is nobody's news, nor is what the exchange says instead, nor that it is another account.
        if before is not None and not self._is_another(before, snapshot):
            found = changes(before, snapshot, cause, at_ms)
            self._note_releases(releases(before, snapshot, cause))
            self._closings.note(before, found, snapshot.source)
            self._news.changed(found, snapshot.account, now)
        self._set_aside(snapshot.account, now)
        if snapshot.source in (Source.REST, Source.GIVEN) and snapshot.account not in self._lost:
            # What an earlier run could not follow answers now, or is typed in and followed no more.
            self._troubles.follow(
                ACCOUNT_PREFIX, snapshot.account, now, self._news.facts(snapshot.account), bad=False
            )
        if snapshot.source is Source.GIVEN:
            for prefix in (DRIFT_PREFIX, STREAM_PREFIX):
                self._troubles.follow(prefix, snapshot.account, now, self._news.facts(snapshot.account), bad=False)

    def _is_another(self, before: AccountSnapshot, snapshot: AccountSnapshot) -> bool:
        """Return whether it need not be the same account that another source tells of now."""
        if snapshot.source is Source.STORED:
            return True
        strange = snapshot.account in self._strange
        self._strange.discard(snapshot.account)
        return strange or Source.GIVEN in {before.source, snapshot.source}

    def _taken_over(self, before: AccountSnapshot | None, snapshot: AccountSnapshot) -> None:
        """Forget what whoever described the account before said of it, where somebody else does from now on."""
        if snapshot.source in (Source.GIVEN, Source.STORED):
            self._deaf.pop(snapshot.account, None)
            if self._lost.pop(snapshot.account, None) is not None:
                self._note_unfollowed()
        if snapshot.source is Source.GIVEN and before is not None and before.source is not Source.GIVEN:
            self._audits.drop(snapshot.account)
            self._tiers.drop(snapshot.account)

    def take_tables(self, event: TablesChanged, now: Now) -> None:
        """Take an account's own tiers; a table of the configuration still wins."""
        self._tiers.take(event.account, event.tables)
        if event.account in self._whole:
            self._set_aside(event.account, now)

    def _set_aside(self, name: str, now: Now) -> None:
        """Watch what has tiers of an account, and tell what has none."""
        self.usable[name], untabled = self._tiers.split(self._whole[name])
        self._untabled[name] = untabled
        facts = self._news.facts(name, reason="no maintenance tiers", symbols=untabled)
        self._troubles.follow(TIERS_PREFIX, name, now, facts, bad=bool(untabled))

    def _note_unfollowed(self) -> None:
        """Keep the answer that every tick asks for."""
        stored = {name for name, account in self._whole.items() if account.source is Source.STORED}
        self._unfollowed = frozenset({*self._lost, *stored, *self._silent})

    # What the exchange says

    def state(self, event: AccountState, now: Now) -> None:
        """Tell that an account cannot be followed, or can again."""
        if event.ok:
            self._lost.pop(event.account, None)
            self._hearing.heard(event.account, now.mono_s)
        else:
            self._lost[event.account] = event
        self._note_unfollowed()
        facts = self._news.facts(event.account, reason=event.reason, detail=event.hint)
        facts = msgspec.structs.replace(facts, unseen=event.account not in self._whole)
        self._troubles.follow(ACCOUNT_PREFIX, event.account, now, facts, bad=not event.ok)

    def stream(self, event: StreamState, now: Now) -> None:
        """Tell that changes of an account are noticed late, or at once again."""
        if event.brief:
            self._troubles.relapse(STREAM_PREFIX, event.account, now)
            return
        facts = self._stream_facts(event.account, event.reason, now)
        self._troubles.follow(STREAM_PREFIX, event.account, now, facts, bad=not event.ok)
        if event.ok:
            self._deaf.pop(event.account, None)
        elif event.account in self._settings.accounts:
            self._deaf[event.account] = event.reason

    def _stream_facts(self, account: str, reason: str, now: Now) -> Facts:
        """Return what is sure of an account whose stream tells nothing."""
        late = self._hearing.age_s(account, now.mono_s) >= LATE_S
        undescribed = account in self._unfollowed or late
        return msgspec.structs.replace(self._news.facts(account, reason=reason), undescribed=undescribed)

    def job_died(self, event: JobDied, now: Now) -> None:
        """Tell that a part of the service failed."""
        facts = Facts(
            environment=self._settings.environment, detail=event.job, reason=event.error, ends=event.fatal
        )
        self._troubles.died(event.job, now, facts)

    def _listen(self, now: Now) -> None:
        """Tell which accounts have fallen silent without anybody saying so, and that they are heard again."""
        silent = self._hearing.silent(now.mono_s)
        if silent != self._silent:
            returned, self._silent = self._silent - silent, silent
            self._note_unfollowed()
            for name in sorted(returned - self._lost.keys()):
                self._troubles.follow(ACCOUNT_PREFIX, name, now, self._news.facts(name), bad=False)
        for name in sorted(self._hearing.told(now.mono_s) - self._lost.keys()):
            age_s = self._hearing.age_s(name, now.mono_s)
            facts = msgspec.structs.replace(
                self._news.facts(name, reason=NO_ANSWER), mark_age_s=age_s, unseen=name not in self._whole
            )
            self._troubles.follow(ACCOUNT_PREFIX, name, now, facts, bad=True)

    def reconcile(self, event: Reconciled, now: Now) -> None:
        """Compare our figures with the exchange's, tell what does not agree, and let the worse one rule."""
        self._hearing.heard(event.account.account, now.mono_s)
        usable, _ = self._tiers.split(event.account)
        found = self._audits.compare(usable, event.figures, self.tables, self._settings.audit)
        self._audit(usable.account, found, now)

    def _audit(self, account: str, found: Audit, now: Now) -> None:
        self._audits.keep(account, found)
        self._incidents.drifting = found.drifting
        facts = self._news.facts(account, compared=found.drifting)
        self._troubles.follow(DRIFT_PREFIX, account, now, facts, bad=bool(found.drifting))

    def corrections(self) -> dict[SubjectKey, tuple[float, float]]:
        """Return by wallet what is to be taken off the balance and added to the maintenance margin, as of now."""
        return self._audits.corrections(self._whole)

    def forced(self, event: OrderForced, wallet: str | None, now: Now) -> None:
        """Tell that the exchange closed something by itself, once an order; ``wallet`` backs it, if known."""
        self._hearing.heard(event.account, now.mono_s)
        news, first = self._closings.forced(event, wallet, now)
        if news:
            self._news.forced(event, wallet, now, first=first)

    def called(self, event: MarginCall, now: Now) -> tuple[Compared, ...]:
        """Take the exchange's own warning; return its figures beside ours. The worse ones rule from now on."""
        self._hearing.heard(event.account, now.mono_s)
        second = self._second_opinion(event, self._whole.get(event.account))
        if second.drifting:
            # The next reconcile decides; until then the worse figures rule.
            self._audit(event.account, self._audits.with_worse(event.account, second), now)
        return second.compared

    def tell_call(
        self,
        event: MarginCall,
        wallets: Iterable[str],
        compared: Iterable[Compared],
        facts_of: Callable[[str], Facts],
        now: Now,
    ) -> None:
        """Tell the exchange's own warning, once in a while for each wallet; see ``AccountNews.margin_call``."""
        self._news.margin_call(event, wallets, compared, facts_of, now)

    def _second_opinion(self, event: MarginCall, account: AccountSnapshot | None) -> Audit:
        if account is None:
            return Audit(event.event_ms)
        held = {(p.symbol, p.side): p.quantity for p in account.positions}
        # A call about another quantity than we know of says nothing about our arithmetic.
        same = [leg for leg in event.legs if held.get((leg.symbol, leg.side)) == leg.quantity]
        usable, _ = self._tiers.split(account)
        return audit(
            usable,
            figures_of_call(usable, same, event.cross_balance, event.event_ms),
            self.tables,
            self._settings.audit,
        )

    def moved(
        self,
        account: str,
        before: Mapping[tuple[str, str], float | None],
        after: Mapping[tuple[str, str], float | None],
        now: Now,
    ) -> None:
        """Tell which liquidation prices new tiers moved, by symbol and side."""
        self._news.moved(account, before, after, now)

    # Time and questions

    def remind(self, now: Now) -> None:
        """Notice which accounts fell silent, and repeat troubles that last."""
        self._listen(now)
        for name, reason in self._deaf.items():
            self._troubles.amend(STREAM_PREFIX, name, self._stream_facts(name, reason, now))
        self._troubles.remind(now)

    def whole(self) -> tuple[AccountSnapshot, ...]:
        """Return every account as it is known."""
        return tuple(self._whole.values())

    def unknown(self) -> tuple[str, ...]:
        """Return the accounts of which nothing is known, not even by an earlier run."""
        return tuple(name for name in self._settings.accounts if name not in self._whole)

    def awaited(self) -> tuple[str, ...]:
        """Return the accounts that have not answered this run, and of which nobody said why not."""
        return tuple(
            name
            for name in self._settings.accounts
            if name not in self._lost
            and name not in self._silent
            and (name not in self._whole or self._whole[name].source is Source.STORED)
        )

    def unfollowed(self) -> frozenset[str]:
        """Return the accounts that are not followed now: what we know of them may be out of date."""
        return self._unfollowed

    def set_aside(self) -> frozenset[str]:
        """Return the subjects of positions that have no tiers: not judged, and not gone for that."""
        return frozenset(
            f"{name}/{account.wallet_of(position)}"
            for name, symbols in self._untabled.items()
            if symbols
            for account in (self._whole[name],)
            for position in account.positions
            if position.symbol in symbols
        )

    def wallet_of(self, account: str, symbol: str, side: Side) -> str | None:
        """Return the wallet that backs a leg, or backed it when it was last held; None if it never was."""
        return self._backing.get((account, symbol, side))

    def closed_by_order(self, subject: str) -> bool:
        """Return whether the stream told that the last position of a subject was closed by an order."""
        return self._closings.closed_by_order(subject)

    def _note_releases(self, found: tuple[Release, ...]) -> None:
        """Count which partial closes left in an isolated wallet what is assumed, and which did not."""
        self._incidents.releases += found
        for one in found:
            good, bad = self._released.get(one.account, (0, 0))
            self._released[one.account] = (good + one.as_assumed, bad + (not one.as_assumed))

    def how_forced(self, subject: str) -> ForcedOrder | None:
        """Return whether the exchange closed something of this subject in its present incident."""
        return self._closings.how_forced(subject)

    def begun(self, subject: str, now: Now) -> None:
        """Forget what the exchange closed of a subject long before its present incident."""
        self._closings.begun(subject, now)

    def over(self, subject: str) -> None:
        """Forget how an incident went that ended."""
        self._closings.over(subject)

    def views(self) -> tuple[AccountView, ...]:
        """Return all accounts as they stand."""
        return tuple(
            account_view(
                account,
                self._why_not(name),
                self._tiers.split(account)[1],
                self._audits.of(name),
                self._released.get(name, (0, 0)),
            )
            for name, account in self._whole.items()
        )

    def _why_not(self, name: str) -> AccountState | None:
        if name in self._lost or name not in self._silent:
            return self._lost.get(name)
        return AccountState(name, ok=False, reason=NO_ANSWER)
