"""All positions: keeps the book that is judged in step with what accounts hold, and tells what is held no more."""

from monitor.core import report
from monitor.core.accounts import Accounts
from monitor.core.assessment import Assessment
from monitor.core.departures import Departures
from monitor.core.events import (
    AccountState,
    MarginCall,
    OrderForced,
    Reconciled,
    SettingsChanged,
    Snapshot,
    TablesChanged,
)
from monitor.core.model import MarginCallLeg, Now, SubjectKey
from monitor.core.notices import Facts
from monitor.core.settings import EngineSettings
from monitor.core.wallet_alerts import WalletAlerts
from monitor.core.wallet_facts import WalletFacts

AccountEvent = Snapshot | Reconciled | TablesChanged | OrderForced | MarginCall | AccountState


class Portfolio:
    """Takes what is told of accounts, and has judged what it changes."""

    def __init__(
        self,
        accounts: Accounts,
        assessment: Assessment,
        departures: Departures,
        facts: WalletFacts,
        alerts: WalletAlerts,
    ) -> None:
        self._accounts = accounts
        self._assessment = assessment
        self._departures = departures
        self._facts = facts
        self._alerts = alerts
        self._settings = EngineSettings()

    def configure(self, event: SettingsChanged, now: Now) -> None:
        """Take new settings, with the tiers and accounts that come with them."""
        self._settings = event.settings
        self._assessment.configure(event.settings)
        self._accounts.rename(event.origins)
        self._accounts.configure(event.settings, event.tables, now)
        for account in event.accounts:
            if account.account in event.settings.accounts:
                self._accounts.take(account, account.source.value, now)
        self._recompile(now)

    def take(self, event: AccountEvent, now: Now) -> None:
        """Take what is told of an account."""
        name = event.account.account if isinstance(event, Snapshot | Reconciled) else event.account
        if name not in self._settings.accounts:
            return  # it was taken out of the settings, and this was on its way
        match event:
            case Snapshot():
                self._accounts.take(event.account, event.cause, now)
                if self._assessment.patch(tuple(self._accounts.usable.values())):
                    self._settle(now)
                else:
                    self._recompile(now)
            case Reconciled():
                self._accounts.reconcile(event, now)
                # A symbol that was just opened must not hide its wallet until its first mark comes.
                marks = {one.symbol: one.mark for one in event.figures.positions}
                if self._assessment.seed(marks, event.figures.at_ms, now.mono_s):
                    self._reassess(now)
                self._corrected(now)
            case TablesChanged():
                before = self._liquidation_prices(event.account)
                self._accounts.take_tables(event, now)
                self._recompile(now)
                self._accounts.moved(event.account, before, self._liquidation_prices(event.account), now)
            case OrderForced():
                wallet = self._accounts.wallet_of(event.account, event.symbol, event.side)
                self._accounts.forced(event, wallet, now)
            case MarginCall():
                self._called(event, now)
            case AccountState():
                self._accounts.state(event, now)

    def forget_absent(self, now: Now) -> None:
        """Close what no account holds any more: earlier in this run, or restored from the one before.

        A cross wallet outlives its last position, which is no less gone for that: nothing about it recovered.
        """
        self._assessment.empty()
        silent = set(self._settings.accounts) - self._accounts.usable.keys()
        self._departures.close(
            self._assessment.held() | self._accounts.set_aside(),
            now,
            self._settings.environment,
            is_known=lambda account: account not in silent,
        )

    def close_overdue(self, now: Now) -> None:
        """Close what has waited long enough for the order that took it."""
        if self._departures.waiting:
            self.forget_absent(now)

    def _called(self, event: MarginCall, now: Now) -> None:
        """Tell the exchange's own warning, with what to do by the worse figures of both."""
        compared = self._accounts.called(event, now)
        self._corrected(now)
        legs: dict[str, MarginCallLeg] = {}
        for leg in event.legs:
            legs.setdefault(self._accounts.wallet_of(event.account, leg.symbol, leg.side) or "", leg)

        def facts_of(wallet: str) -> Facts:
            return self._facts.of_call(SubjectKey(event.account, wallet), legs[wallet], now)

        self._accounts.tell_call(event, legs, compared, facts_of, now)

    def _corrected(self, now: Now) -> None:
        """Let the exchange's figures rule where they are worse than ours."""
        if self._assessment.correct(self._accounts.corrections()):
            self._reassess(now)

    def _recompile(self, now: Now) -> None:
        self._assessment.recompile(
            tuple(self._accounts.usable.values()), self._accounts.tables, self._alerts.level_of, now.mono_s
        )
        self._settle(now)

    def _settle(self, now: Now) -> None:
        """Bring a book that changed up to date with everything else that is known."""
        self._assessment.correct(self._accounts.corrections())
        self.forget_absent(now)
        self._reassess(now)

    def _reassess(self, now: Now) -> None:
        self._alerts.judge(self._assessment.reassess(now.mono_s), now)

    def _liquidation_prices(self, account: str) -> dict[tuple[str, str], float | None]:
        return report.liquidation_prices(self._assessment.book, self._assessment.readings, account)
