"""[[accounts]]: what a person typed in becomes snapshots, what is followed by a key stays a reference to it."""

from typing import Any, NamedTuple

from monitor.config.collateral import Rates
from monitor.config.positions import Holder, PositionBuilder
from monitor.config.problems import Loc, Problems, fix_of, shown, shown_text
from monitor.config.schema import AccountSection
from monitor.config.secret import SecretRef
from monitor.config.settings import KeyedAccount
from monitor.config.values import asset_name
from monitor.core.model import AccountSnapshot, AssetRate, Market, Position, Source

KEYS = ("api_key", "api_secret")

# What the exchange says of an account with keys. Typed in as well, one of the two would be wrong.
_ASKED = ("positions", "balances", "multi_assets")
_ASKED_HINT = "the exchange tells it; type positions in in an account without keys"


class Accounts(NamedTuple):
    """The accounts that could be understood, each kind in the order of the file."""

    typed: tuple[AccountSnapshot, ...]
    keyed: tuple[KeyedAccount, ...]


def has_keys(raw: object) -> bool:
    """Return whether an account, as decoded from TOML, is followed by its key."""
    return isinstance(raw, dict) and any(key in raw for key in KEYS)


class AccountBuilder:
    """Makes accounts of TOML tables; everything wrong with them is recorded.

    Args:
        problems: takes the mistakes.
        positions: makes positions of theirs.
        rates: what assets count in multi-assets mode.
    """

    def __init__(self, problems: Problems, positions: PositionBuilder, rates: Rates) -> None:
        self._problems = problems
        self._positions = positions
        self._rates = rates
        self._names: dict[str, int] = {}
        self._followed: dict[tuple[SecretRef, Market], int] = {}

    def build(self, raw_accounts: list[Any]) -> Accounts:
        """Return the accounts that could be understood."""
        typed: list[AccountSnapshot | None] = []
        keyed: list[KeyedAccount | None] = []
        for index, raw in enumerate(raw_accounts):
            section = self._problems.check(AccountSection, raw, ("accounts", index))
            if isinstance(raw, dict):
                self._check_name(raw.get("name"), index)
                if has_keys(raw):
                    keyed.append(self._keyed(raw, section, index))
                else:
                    typed.append(self._typed(raw, section, ("accounts", index)))
        return Accounts(
            tuple(account for account in typed if account is not None),
            tuple(account for account in keyed if account is not None),
        )

    def _check_name(self, name: object, index: int) -> None:
        if isinstance(name, str) and (first := self._names.setdefault(name, index)) != index:
            hint = f"accounts[{first}] has it already"
            self._problems.add(("accounts", index, "name"), shown_text(name), "a name no other account has", hint)

    def _keyed(self, raw: dict[str, Any], section: AccountSection | None, index: int) -> KeyedAccount | None:
        loc: Loc = ("accounts", index)
        for key in KEYS:
            if key not in raw:
                self._problems.add((*loc, key), "nothing", "api_key and api_secret together")
        for key in _ASKED:
            if key in raw:
                self._problems.add((*loc, key), shown(raw[key]), f"no {key} beside keys", _ASKED_HINT)
        if section is None or section.api_key is None or section.api_secret is None:
            return None
        market = Market(section.market)
        if (first := self._followed.setdefault((section.api_key, market), index)) != index:
            hint = f"accounts[{first}] has it already; one key may stand in two accounts, one for each market"
            allowed = f"a key no other {market.value} account has"
            self._problems.add((*loc, "api_key"), section.api_key.spoken, allowed, hint)
        return KeyedAccount(section.name, market, section.api_key, section.api_secret, section.allow_trading_key)

    def _typed(self, raw: dict[str, Any], section: AccountSection | None, loc: Loc) -> AccountSnapshot | None:
        if isinstance(allowed := raw.get("allow_trading_key"), bool):
            hint = "it says which key to take, and this account has none"
            self._problems.add(
                (*loc, "allow_trading_key"), shown(allowed), "no allow_trading_key without keys", hint
            )
        balances, items = raw.get("balances"), raw.get("positions")
        market, multi_assets = self._modes(raw, loc)
        holder = Holder(market, multi_assets, balances if isinstance(balances, dict) else {})
        for asset in holder.balances:
            if (fix := fix_of(asset_name, asset)) is not None:
                place = (*loc, "balances", asset)
                self._problems.add(place, shown_text(asset), 'an asset in capitals, such as "USDT"', fix)
        positions = self._positions.build(items, loc, holder) if isinstance(items, list) else ()
        rates = self._rates_of(holder, positions, loc) if multi_assets else {}
        if section is None:
            return None
        return AccountSnapshot(
            section.name,
            dict(section.balances),
            positions,
            market,
            source=Source.GIVEN,
            multi_assets=multi_assets,
            rates=rates,
        )

    def _modes(self, raw: dict[str, Any], loc: Loc) -> tuple[Market, bool]:
        market = Market.COINM if raw.get("market") == Market.COINM.value else Market.USDM
        multi_assets = raw.get("multi_assets") is True
        if multi_assets and market is Market.COINM:
            self._problems.add((*loc, "multi_assets"), "true", "false", 'multi-assets mode is for market = "usdm"')
            return market, False
        return market, multi_assets

    def _rates_of(self, holder: Holder, positions: tuple[Position, ...], loc: Loc) -> dict[str, AssetRate]:
        """Return what each asset of an account counts, in the order balances and positions name them."""
        places: dict[str, Loc] = {
            asset: (*loc, "balances", asset) for asset in holder.balances if fix_of(asset_name, asset) is None
        }
        for position in positions:
            places.setdefault(position.margin_asset, (*loc, "positions"))
        counted = {asset: self._rates.of(asset, place) for asset, place in places.items()}
        return {asset: rate for asset, rate in counted.items() if rate is not None}


def account_warnings(accounts: Accounts, environment: str) -> list[str]:
    """Return what is allowed about the accounts and perhaps not meant."""
    idle = [
        f"account {account.account} has no positions: nothing of it is watched"
        for account in accounts.typed
        if not account.positions
    ]
    return idle + [
        f"account {account.name}: allow_trading_key is on: a key that can only read is enough, and one that leaks"
        " from here could then do no harm"
        for account in accounts.keyed
        if account.allow_trading_key and environment == "live"
    ]
