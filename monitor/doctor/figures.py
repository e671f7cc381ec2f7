"""An account fetched once and its figures compared, without a daemon."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import msgspec

from monitor.binance.account_fetch import Tiers, bracket_tables, fetch_account
from monitor.binance.account_state import Contract
from monitor.binance.permissions import Permissions
from monitor.binance.rest import RestClient
from monitor.binance.snapshot import AccountReply, contracts_of
from monitor.config import AccountKey, KeyedAccount
from monitor.core.audit import Audit, audit
from monitor.core.model import AccountSnapshot, BracketTable, Market, Now
from monitor.core.settings import AuditRules
from monitor.ports import Clock

LONGEST_PAUSE_S = 0.2


class Client(Protocol):
    """What is asked of the exchange about one account. Every coroutine raises RestError or WireError."""

    async def account(self) -> AccountReply:
        """Return the whole account."""
        ...

    async def tiers(self) -> Tiers:
        """Return the maintenance tiers of every symbol as they are for this account."""
        ...

    async def permissions(self) -> Permissions | None:
        """Return what the key may do; None where the exchange does not say."""
        ...

    async def around(self, symbol: str) -> None:
        """Ask for what is around positions: orders of a symbol, conditional ones, places in the queue for ADL."""
        ...

    async def create_listen_key(self) -> str:
        """Return the account's listen key, a secret, its life prolonged."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


ClientOf = Callable[[KeyedAccount, AccountKey], Client]


class Impatient:
    """A clock on which nobody waits for long: somebody sits before the terminal. Implements ``ports.Clock``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def wall_ms(self) -> int:
        """Return Unix time in milliseconds."""
        return self._clock.wall_ms()

    def mono_s(self) -> float:
        """Return seconds since an arbitrary start."""
        return self._clock.mono_s()

    def now(self) -> Now:
        """Return both clocks at one moment."""
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``, or sooner: pauses before another attempt are cut short."""
        await self._clock.sleep(min(seconds, LONGEST_PAUSE_S))


class RestProbe:
    """The exchange itself, for one account. Implements ``Client``; ``rest`` is closed with it."""

    def __init__(self, rest: RestClient, account: str) -> None:
        self._rest = rest
        self._account = account

    async def account(self) -> AccountReply:
        """Return the whole account."""
        contracts: Mapping[str, Contract] = {}
        if self._rest.market is Market.COINM:  # contract sizes are not in the replies about the account
            contracts = contracts_of(await self._rest.exchange_info(), Market.COINM)
        return await fetch_account(self._rest, self._account, contracts)

    async def tiers(self) -> Tiers:
        """Return the account's maintenance tiers."""
        rows = await self._rest.leverage_brackets()
        today = dt.datetime.fromtimestamp(self._rest.exchange_ms() / 1000, tz=dt.UTC).date()
        return bracket_tables(self._account, rows, today.isoformat())

    async def permissions(self) -> Permissions | None:
        """Return what the key may do."""
        return await self._rest.api_restrictions()

    async def around(self, symbol: str) -> None:
        """Ask for what is around positions, for the sake of being answered."""
        await self._rest.open_orders(symbol)
        await self._rest.open_algo_orders(symbol)
        await self._rest.adl_quantile()

    async def create_listen_key(self) -> str:
        """Return the account's listen key."""
        return (await self._rest.create_listen_key()).listen_key

    async def close(self) -> None:
        """Close the client."""
        await self._rest.close()


class Comparison(NamedTuple):
    """An account as fetched, its tiers, and what came of comparing."""

    account: AccountSnapshot
    tables: dict[str, BracketTable]  # of the account itself, by symbol
    untabled: tuple[str, ...]  # symbols held without tiers from anywhere; not compared
    consistent: bool  # the replies describe one moment; if not, differences prove nothing
    audit: Audit


async def compare(
    client: Client, reply: AccountReply, own: Mapping[str, BracketTable], rules: AuditRules
) -> Comparison:
    """Fetch the account's tiers and compare its figures.

    Args:
        client: of the account.
        reply: the account as fetched.
        own: tables of the configuration by symbol; they win over the account's.
        rules: what counts as agreeing.

    Raises:
        RestError: refused, or not answered.
        WireError: the reply cannot be believed.
    """
    fetched = {table.symbol: table for table in (await client.tiers()).tables}
    tables = fetched | dict(own)
    account = reply.snapshot
    missing = tuple(sorted({p.symbol for p in account.positions} - tables.keys()))
    kept = tuple(position for position in account.positions if position.symbol not in missing)
    found = audit(msgspec.structs.replace(account, positions=kept), reply.figures, tables, rules)
    return Comparison(account, fetched, missing, reply.consistent, found)
