"""Which tier table a held symbol has: its account's own, else the common one. What has none cannot be judged."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from monitor.core.compile import table_key
from monitor.core.model import AccountSnapshot, BracketTable


class OwnTiers:
    """The common tables and those that the exchange has for an account; one of the configuration wins over both.

    ``tables`` is what a book is compiled with: by symbol, and by ``table_key`` where an account has its own.
    """

    def __init__(self) -> None:
        self._common: dict[str, BracketTable] = {}
        self._own: dict[str, dict[str, BracketTable]] = {}  # by account and symbol
        self.tables: dict[str, BracketTable] = {}

    def configure(self, common: Iterable[BracketTable], accounts: Collection[str]) -> None:
        """Take other common tables; those of accounts that are not named are forgotten."""
        self._common = {table.symbol: table for table in common}
        self._own = {name: known for name, known in self._own.items() if name in accounts}
        self._merge()

    def rename(self, origins: Mapping[str, str]) -> None:
        """Let tables go on under the name an account has now; see ``SettingsChanged.origins``."""
        self._own |= {name: self._own[old] for name, old in origins.items() if old in self._own}

    def take(self, account: str, tables: Iterable[BracketTable]) -> None:
        """Take an account's own tables beside those it has."""
        self._own.setdefault(account, {}).update({table.symbol: table for table in tables})
        self._merge()

    def drop(self, account: str) -> None:
        """Forget an account's own tables."""
        if self._own.pop(account, None) is not None:
            self._merge()

    def split(self, account: AccountSnapshot) -> tuple[AccountSnapshot, tuple[str, ...]]:
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

    def _merge(self) -> None:
        self.tables = {symbol: table for symbol, table in self._common.items() if table.brackets}
        for account, tables in self._own.items():
            for symbol, table in tables.items():
                typed_in = symbol in self._common and self._common[symbol].origin == "config"
                if table.brackets and not typed_in:
                    self.tables[table_key(account, symbol)] = table
