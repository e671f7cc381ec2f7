"""What is known of the accounts: as the exchange describes them, its tiers, and whether our figures are its own.

Positions of a symbol without a tier table cannot be judged. They are set aside and told, so that nothing else of
their account is lost with them. Longer than other modules, because whatever is told of an account is decided here.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from monitor.core.account_view import AccountView, account_view
from monitor.core.audit import Audit, audit, carried_over, figures_of_call
from monitor.core.changes import changes, worth_telling
from monitor.core.compile import table_key
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
    Change,
    ChangeKind,
    Compared,
    ForcedOrder,
    Level,
    Now,
    Side,
    Source,
    SubjectKey,
)
from monitor.core.notices import Facts, NoticeKind
from monitor.core.releases import ORDER, Release, releases
from monitor.core.settings import ChannelRule, EngineSettings
from monitor.core.troubles import ACCOUNT_PREFIX, DRIFT_PREFIX, STREAM_PREFIX, TIERS_PREFIX, Troubles
from monitor.core.waking import Waking

CALL_LEVEL = Level.CRITICAL
CALL_AGAIN_S = 300.0  # the exchange repeats its call while it holds
FORCED_LEVELS = {
    ForcedOrder.LIQUIDATION: Level.EMERGENCY,
    ForcedOrder.ADL: Level.CRITICAL,
    ForcedOrder.SETTLEMENT: Level.WARNING,
}
TIERS_LEVEL = Level.WARNING
MOVED = 0.001  # new tiers that move a liquidation price by more than this share are told
NO_ANSWER = "no answer"  # the reason where nothing was heard of an account for too long
LATE_S = 45.0  # where no stream is open, an account is fetched each ten seconds
_MOST_ORDERS = 256  # remembered, so that none is told twice
FORCED_FRESH_MS = 60_000  # a forced order this old has no part in an incident that begins


class Accounts:
    """Owns the accounts, their tier tables and what comparing them found."""

    def __init__(self, incidents: Incidents, waking: Waking) -> None:
        self._incidents = incidents
        self._settings = EngineSettings()
        self._common: dict[str, BracketTable] = {}
        self._own: dict[str, dict[str, BracketTable]] = {}  # by account and symbol
        self._whole: dict[str, AccountSnapshot] = {}
        self._troubles = Troubles(incidents)
        self._strange: set[str] = set()  # accounts that may be others than they were when last described
        self._lost: dict[str, AccountState] = {}  # accounts that cannot be followed now
        self._deaf: dict[str, str] = {}  # why their private streams tell nothing, by account
        self._hearing = Hearing(waking)
        self._silent: frozenset[str] = frozenset()  # accounts of which nothing was heard for too long
        self._unfollowed: frozenset[str] = frozenset()
        self._audits: dict[str, Audit] = {}
        self._calls: dict[SubjectKey, float] = {}  # when the exchange's call about a wallet was last told
        self._orders: dict[tuple[str, str], float] = {}  # forced orders told, and how much of them was filled
        self._closings: set[str] = set()  # subjects whose last closing was an order that the stream told of
        self._forced: dict[str, tuple[ForcedOrder, int]] = {}  # by subject: the newest of the incident, and when
        self._backing: dict[tuple[str, str, Side], str] = {}  # wallet of each leg ever held; by account and leg
        self._untabled: dict[str, tuple[str, ...]] = {}  # symbols held without tiers, by account
        self._released: dict[str, tuple[int, int]] = {}  # partial closes as assumed and otherwise, by account
        self.usable: dict[str, AccountSnapshot] = {}  # without what has no tiers
        self.tables: dict[str, BracketTable] = {}

    # Settings and accounts

    def configure(self, settings: EngineSettings, tables: Iterable[BracketTable], now: Now) -> None:
        """Take new settings; accounts that are not in them any more are forgotten with all their troubles."""
        self._settings = settings
        self._common = {table.symbol: table for table in tables}
        kept = frozenset(settings.accounts)
        self._own = {name: known for name, known in self._own.items() if name in kept}
        self._whole = {name: known for name, known in self._whole.items() if name in kept}
        self._strange &= kept
        self._lost = {name: known for name, known in self._lost.items() if name in kept}
        self._deaf = {name: known for name, known in self._deaf.items() if name in kept}
        self._audits = {name: known for name, known in self._audits.items() if name in kept}
        self._backing = {leg: wallet for leg, wallet in self._backing.items() if leg[0] in kept}
        self._hearing.configure(settings.accounts, now.mono_s)
        self._silent &= kept
        self._note_unfollowed()
        self.forget(now)
        self._merge()
        self.usable, self._untabled = {}, {}
        for name in self._whole:
            self._set_aside(name, now)

    def rename(self, origins: Mapping[str, str]) -> None:
        """Let tiers and comparisons go on under the name an account has now; see ``SettingsChanged.origins``."""
        own, audits = self._own, self._audits
        self._own = own | {name: own[old] for name, old in origins.items() if old in own}
        self._audits = {name: found for name, found in audits.items() if not origins.get(name)}
        for name, old in origins.items():
            if (found := audits.get(old)) is not None:
                corrections = {SubjectKey(name, key.wallet): value for key, value in found.corrections.items()}
                self._audits[name] = found._replace(corrections=corrections)
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
            self._note_closings(before, found, snapshot.source)
            self._changed(found, snapshot.account, now)
        self._set_aside(snapshot.account, now)
        if snapshot.source in (Source.REST, Source.GIVEN) and snapshot.account not in self._lost:
            # What an earlier run could not follow answers now, or is typed in and followed no more.
            self._troubles.follow(ACCOUNT_PREFIX, snapshot.account, now, self._facts(snapshot.account), bad=False)
        if snapshot.source is Source.GIVEN:
            for prefix in (DRIFT_PREFIX, STREAM_PREFIX):
                self._troubles.follow(prefix, snapshot.account, now, self._facts(snapshot.account), bad=False)

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
            self._audits.pop(snapshot.account, None)
            if self._own.pop(snapshot.account, None) is not None:
                self._merge()

    def take_tables(self, event: TablesChanged, now: Now) -> None:
        """Take an account's own tiers; a table of the configuration still wins."""
        mine = self._own.setdefault(event.account, {})
        mine.update({table.symbol: table for table in event.tables})
        self._merge()
        if event.account in self._whole:
            self._set_aside(event.account, now)

    def _set_aside(self, name: str, now: Now) -> None:
        """Watch what has tiers of an account, and tell what has none."""
        self.usable[name], untabled = self._split(self._whole[name])
        self._untabled[name] = untabled
        facts = self._facts(name, reason="no maintenance tiers", symbols=untabled)
        self._troubles.follow(TIERS_PREFIX, name, now, facts, bad=bool(untabled))

    def _merge(self) -> None:
        self.tables = {symbol: table for symbol, table in self._common.items() if table.brackets}
        for account, tables in self._own.items():
            for symbol, table in tables.items():
                typed_in = symbol in self._common and self._common[symbol].origin == "config"
                if table.brackets and not typed_in:
                    self.tables[table_key(account, symbol)] = table

    def _split(self, account: AccountSnapshot) -> tuple[AccountSnapshot, tuple[str, ...]]:
        """Return the account with the positions that have tiers, and the symbols of the others."""
        known = {
            position.symbol
            for position in account.positions
            if position.symbol in self.tables or table_key(account.account, position.symbol) in self.tables
        }
        missing = tuple(sorted({p.symbol for p in account.positions} - known))
        if not missing:
            return account, ()
        kept = tuple(position for position in account.positions if position.symbol in known)
        return msgspec.structs.replace(account, positions=kept), missing

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
        facts = self._facts(event.account, reason=event.reason, detail=event.hint)
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
        return msgspec.structs.replace(self._facts(account, reason=reason), undescribed=undescribed)

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
            for name in returned - self._lost.keys():
                self._troubles.follow(ACCOUNT_PREFIX, name, now, self._facts(name), bad=False)
        for name in self._hearing.told(now.mono_s) - self._lost.keys():
            age_s = self._hearing.age_s(name, now.mono_s)
            facts = msgspec.structs.replace(
                self._facts(name, reason=NO_ANSWER), mark_age_s=age_s, unseen=name not in self._whole
            )
            self._troubles.follow(ACCOUNT_PREFIX, name, now, facts, bad=True)

    def reconcile(self, event: Reconciled, now: Now) -> None:
        """Compare our figures with the exchange's, tell what does not agree, and let the worse one rule."""
        self._hearing.heard(event.account.account, now.mono_s)
        usable, _ = self._split(event.account)
        found = audit(usable, event.figures, self.tables, self._settings.audit)
        before = self._audits.get(usable.account)
        if before is not None:
            found = carried_over(before, found, lambda wallet: self._share(usable, wallet, before))
        self._audit(usable.account, found, now)

    def _audit(self, account: str, found: Audit, now: Now) -> None:
        self._audits[account] = found
        self._incidents.drifting = found.drifting
        facts = self._facts(account, compared=found.drifting)
        self._troubles.follow(DRIFT_PREFIX, account, now, facts, bad=bool(found.drifting))

    def corrections(self) -> dict[SubjectKey, tuple[float, float]]:
        """Return by wallet what is to be taken off the balance and added to the maintenance margin.

        The amounts belong to the quantities they were found with: what shrank or grew since takes its share along,
        and what is gone leaves nothing behind.
        """
        return {
            key: (less * share, extra * share)
            for name, found in self._audits.items()
            if name in self._whole
            for key, (less, extra) in found.corrections.items()
            if (share := self._share(self._whole[name], key.wallet, found)) > 0
        }

    def _share(self, account: AccountSnapshot, wallet: str, found: Audit) -> float:
        """Return how many times as large as when it was audited the most lasting leg of a wallet is."""
        return max(
            (
                position.quantity / found.quantities[leg]
                for position in account.positions
                if account.wallet_of(position) == wallet
                and found.quantities.get(leg := (position.symbol, position.side))
            ),
            default=0.0,
        )

    def forced(self, event: OrderForced, wallet: str | None, now: Now) -> None:
        """Tell that the exchange closed something by itself, once an order; ``wallet`` backs it, if known."""
        self._hearing.heard(event.account, now.mono_s)
        if wallet is not None:
            self._forced[f"{event.account}/{wallet}"] = (event.kind, now.wall_ms)
        order = (event.account, event.order)
        told = self._orders.get(order)
        if told is not None and event.quantity <= told:
            return
        self._orders[order] = event.quantity
        if len(self._orders) > _MOST_ORDERS:
            del self._orders[next(iter(self._orders))]
        change = Change(
            event.event_ms, event.account, ChangeKind.FORCED, event.symbol, event.side.value,
            after=event.quantity, price=event.price or None, cause=event.kind.value,
        )  # fmt: skip
        self._incidents.changes.append(change)
        if told is None:
            level = FORCED_LEVELS[event.kind]
            facts = self._facts(
                event.account, wallet=wallet or "", symbol=event.symbol, side=event.side.value, changes=(change,),
                reason=event.kind.value, event_ms=event.event_ms,
            )  # fmt: skip
            about = f"forced:{event.account}"
            self._incidents.announce(
                about, NoticeKind.FORCED, now.wall_ms, facts,
                level=level, channels=self._incidents.audience(level),
            )  # fmt: skip

    def called(self, event: MarginCall, now: Now) -> tuple[Compared, ...]:
        """Take the exchange's own warning; return its figures beside ours. The worse ones rule from now on."""
        self._hearing.heard(event.account, now.mono_s)
        second = self._second_opinion(event, self._whole.get(event.account))
        if second.drifting:
            # The next reconcile decides; until then the worse figures rule.
            newest = self._audits.get(event.account, Audit(0))
            worse = dict(newest.corrections)
            for key, (less, extra) in second.corrections.items():
                had = worse.get(key, (0.0, 0.0))
                worse[key] = (max(less, had[0]), max(extra, had[1]))
            self._audit(event.account, second._replace(corrections=worse), now)
        return second.compared

    def tell_call(
        self,
        event: MarginCall,
        wallets: Iterable[str],
        compared: Iterable[Compared],
        facts_of: Callable[[str], Facts],
        now: Now,
    ) -> None:
        """Tell the exchange's own warning, once in a while for each wallet.

        Args:
            event: the call.
            wallets: that it is about.
            compared: its figures beside ours.
            facts_of: what a message may say of a wallet.
            now: when it came.
        """
        for wallet in wallets:
            key = SubjectKey(event.account, wallet)
            if now.mono_s - self._calls.get(key, -CALL_AGAIN_S) < CALL_AGAIN_S:
                continue
            self._calls[key] = now.mono_s
            mine = tuple(row for row in compared if row.wallet == wallet)
            self._incidents.announce(
                f"call:{event.account}", NoticeKind.MARGIN_CALL, now.wall_ms,
                msgspec.structs.replace(facts_of(wallet), compared=mine, event_ms=event.event_ms),
                level=CALL_LEVEL, channels=self._incidents.audience(CALL_LEVEL),
            )  # fmt: skip

    def _second_opinion(self, event: MarginCall, account: AccountSnapshot | None) -> Audit:
        if account is None:
            return Audit(event.event_ms)
        held = {(p.symbol, p.side): p.quantity for p in account.positions}
        # A call about another quantity than we know of says nothing about our arithmetic.
        same = [leg for leg in event.legs if held.get((leg.symbol, leg.side)) == leg.quantity]
        usable, _ = self._split(account)
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
        moved = tuple(
            (*leg, before[leg], price)
            for leg, price in after.items()
            if leg in before and _far(before[leg], price)
        )
        if moved:
            facts = msgspec.structs.replace(
                self._facts(account, symbols=tuple(sorted({symbol for symbol, *_ in moved}))), moved=moved
            )
            audience = self._incidents.audience(TIERS_LEVEL)
            about = f"brackets:{account}"
            self._incidents.announce(
                about, NoticeKind.BRACKETS, now.wall_ms, facts, level=TIERS_LEVEL, channels=audience
            )

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
        return subject in self._closings

    def _note_releases(self, found: tuple[Release, ...]) -> None:
        """Count which partial closes left in an isolated wallet what is assumed, and which did not."""
        self._incidents.releases += found
        for one in found:
            good, bad = self._released.get(one.account, (0, 0))
            self._released[one.account] = (good + one.as_assumed, bad + (not one.as_assumed))

    def _note_closings(self, before: AccountSnapshot, found: tuple[Change, ...], source: Source) -> None:
        """Remember which positions the stream itself told were closed; what REST finds gone went unseen."""
        wallets = {(p.symbol, p.side.value): before.wallet_of(p) for p in before.positions}
        for change in found:
            wallet = wallets.get((change.symbol, change.side))
            if change.kind is ChangeKind.CLOSED and wallet is not None:
                subject = f"{before.account}/{wallet}"
                if source is Source.STREAM and change.cause == ORDER:
                    self._closings.add(subject)
                else:
                    self._closings.discard(subject)

    def how_forced(self, subject: str) -> ForcedOrder | None:
        """Return whether the exchange closed something of this subject in its present incident."""
        forced = self._forced.get(subject)
        return None if forced is None else forced[0]

    def begun(self, subject: str, now: Now) -> None:
        """Forget what the exchange closed of a subject long before its present incident."""
        forced = self._forced.get(subject)
        if forced is not None and now.wall_ms - forced[1] >= FORCED_FRESH_MS:
            del self._forced[subject]

    def over(self, subject: str) -> None:
        """Forget how an incident went that ended."""
        self._forced.pop(subject, None)
        self._closings.discard(subject)

    def views(self) -> tuple[AccountView, ...]:
        """Return all accounts as they stand."""
        return tuple(
            account_view(
                account,
                self._why_not(name),
                self._split(account)[1],
                self._audits.get(name, Audit(0)),
                self._released.get(name, (0, 0)),
            )
            for name, account in self._whole.items()
        )

    def _why_not(self, name: str) -> AccountState | None:
        if name in self._lost or name not in self._silent:
            return self._lost.get(name)
        return AccountState(name, ok=False, reason=NO_ANSWER)

    def _changed(self, found: tuple[Change, ...], account: str, now: Now) -> None:
        self._incidents.changes.extend(found)
        news = tuple(filter(worth_telling, found))
        asking = tuple(ChannelRule(c.name, Level.NOTICE) for c in self._incidents.channels if c.changes)
        if news and asking:
            facts = self._facts(account, changes=news)
            self._incidents.announce(
                f"changed:{account}", NoticeKind.CHANGED, now.wall_ms, facts, level=Level.NOTICE, channels=asking
            )

    def _facts(
        self, account: str, *, wallet: str = "", symbol: str = "", side: str = "", symbols: tuple[str, ...] = (),
        compared: tuple[Compared, ...] = (), changes: tuple[Change, ...] = (), reason: str = "", detail: str = "",
        event_ms: int = 0,
    ) -> Facts:  # fmt: skip
        return Facts(
            environment=self._settings.environment, account=account, wallet=wallet, symbol=symbol, side=side,
            symbols=symbols, compared=compared, changes=changes, reason=reason, detail=detail, event_ms=event_ms,
        )  # fmt: skip


def _far(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after - before) > MOVED * before
