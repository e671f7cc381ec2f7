"""What comparing each account with the exchange's own figures found, and the corrections that rule since."""

from collections.abc import Collection, Mapping

from monitor.core.audit import Audit, audit, carried_over
from monitor.core.model import AccountSnapshot, BracketTable, ExchangeFigures, SubjectKey
from monitor.core.settings import AuditRules

_NOTHING = Audit(0)


class Audits:
    """The newest comparison of each account."""

    def __init__(self) -> None:
        self._audits: dict[str, Audit] = {}

    def keep_only(self, accounts: Collection[str]) -> None:
        """Forget what was found of other accounts."""
        self._audits = {name: known for name, known in self._audits.items() if name in accounts}

    def rename(self, origins: Mapping[str, str]) -> None:
        """Let comparisons go on under the name an account has now; see ``SettingsChanged.origins``."""
        audits = self._audits
        self._audits = {name: found for name, found in audits.items() if not origins.get(name)}
        for name, old in origins.items():
            if (found := audits.get(old)) is not None:
                corrections = {SubjectKey(name, key.wallet): value for key, value in found.corrections.items()}
                self._audits[name] = found._replace(corrections=corrections)

    def drop(self, account: str) -> None:
        """Forget what was found of an account."""
        self._audits.pop(account, None)

    def keep(self, account: str, found: Audit) -> None:
        """Let a comparison rule from now on."""
        self._audits[account] = found

    def of(self, account: str) -> Audit:
        """Return the newest comparison of an account; an empty one if there is none."""
        return self._audits.get(account, _NOTHING)

    def compare(
        self,
        account: AccountSnapshot,
        figures: ExchangeFigures,
        tables: Mapping[str, BracketTable],
        rules: AuditRules,
    ) -> Audit:
        """Return how our figures differ from the exchange's; what it does not quote now stands as found before."""
        found = audit(account, figures, tables, rules)
        before = self._audits.get(account.account)
        if before is None:
            return found
        return carried_over(before, found, lambda wallet: _share(account, wallet, before))

    def with_worse(self, account: str, second: Audit) -> Audit:
        """Return a second opinion that corrects each wallet by the worse of itself and the newest comparison."""
        worse = dict(self.of(account).corrections)
        for key, (less, extra) in second.corrections.items():
            had = worse.get(key, (0.0, 0.0))
            worse[key] = (max(less, had[0]), max(extra, had[1]))
        return second._replace(corrections=worse)

    def corrections(self, accounts: Mapping[str, AccountSnapshot]) -> dict[SubjectKey, tuple[float, float]]:
        """Return by wallet what is to be taken off the balance and added to the maintenance margin.

        The amounts belong to the quantities they were found with: what shrank or grew since takes its share along,
        and what is gone leaves nothing behind.
        """
        return {
            key: (less * share, extra * share)
            for name, found in self._audits.items()
            if name in accounts
            for key, (less, extra) in found.corrections.items()
            if (share := _share(accounts[name], key.wallet, found)) > 0
        }


def _share(account: AccountSnapshot, wallet: str, found: Audit) -> float:
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
