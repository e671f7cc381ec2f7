"""REST as an account is followed by it: what the client returns, and its errors in one form."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import structlog

from monitor.binance.account_fetch import bracket_tables, fetch_account
from monitor.binance.account_rows import AdlQuantile
from monitor.binance.account_state import Contract
from monitor.binance.account_values import AccountUnavailableError, FullReply, Permissions
from monitor.binance.around_orders import OpenOrders
from monitor.binance.market_rows import ExchangeInfo
from monitor.binance.rest import RestClient
from monitor.binance.rest_errors import RESTRICTED, todo
from monitor.binance.snapshot import contracts_of
from monitor.binance.user_wire import ForcedUpdate, forced_kind, forced_name, side_of
from monitor.binance.weights import BLOCKED, WeightBudget
from monitor.core.model import BracketTable
from monitor.errors import (
    KeyRefusedError,
    ListenKeyError,
    PortfolioMarginError,
    RateLimitedError,
    RestError,
    WireError,
)
from monitor.ports import Clock

log = structlog.get_logger()


class AccountClient:
    """One account by REST. Implements ``account_values.AccountRest``.

    Args:
        account: its name.
        rest: the client of its market, with its key; whoever made it closes it.
        budget: the one its requests are counted in.
        clock: to say how long a limit holds.
        on_rules: told the market's rules whenever they were asked for.
    """

    def __init__(
        self,
        account: str,
        rest: RestClient,
        budget: WeightBudget,
        clock: Clock,
        *,
        on_rules: Callable[[ExchangeInfo], None] | None = None,
    ) -> None:
        self._account = account
        self._rest = rest
        self._budget = budget
        self._clock = clock
        self._on_rules = on_rules
        self._contracts: Mapping[str, Contract] = {}
        self._faulty: frozenset[str] = frozenset()  # symbols whose tiers were told to be unusable

    async def create_listen_key(self) -> str:
        """Return the account's listen key, its life prolonged; raise AccountUnavailableError."""
        with self._translated():
            return (await self._rest.create_listen_key()).listen_key

    async def keep_listen_key(self) -> bool:
        """Prolong the key's life; False if there is none any more; raise AccountUnavailableError."""
        with self._translated():
            try:
                await self._rest.keepalive_listen_key()
            except ListenKeyError:
                return False
            return True

    async def contracts(self) -> Mapping[str, Contract]:
        """Return the static facts of every symbol of the account's market; limits are learnt on the way."""
        with self._translated():
            rules = await self._rest.exchange_info()
        self._contracts = contracts_of(rules, self._rest.market)
        if self._on_rules is not None:
            self._on_rules(rules)
        return self._contracts

    async def tables(self) -> Sequence[BracketTable]:
        """Return the maintenance tiers of every symbol as they are for this account.

        Those that break the rules of tiers are left out and logged, once.
        """
        with self._translated():
            reply = await self._rest.leverage_brackets()
        today = datetime.fromtimestamp(self.exchange_ms() / 1000, UTC).date().isoformat()
        found = bracket_tables(self._account, reply, today)
        faulty = frozenset(fault.symbol for fault in found.faults)
        if faulty - self._faulty:
            log.warning("brackets.unusable", account=self._account, symbols=sorted(faulty - self._faulty))
        self._faulty = faulty
        return found.tables

    async def account(self) -> FullReply:
        """Return the whole account."""
        with self._translated():
            return await fetch_account(self._rest, self._account, self._contracts, rounds=1)

    async def forced_orders(self, symbol: str, since_ms: int) -> Sequence[ForcedUpdate]:
        """Return what the exchange itself closed of a symbol since a moment of its clock, Unix milliseconds."""
        with self._translated():
            rows = await self._rest.force_orders(symbol, start_ms=since_ms)
        found = []
        for row in rows:
            kind = forced_kind(row.client_order_id)
            if kind is not None and row.executed_qty:
                side = side_of(row.position_side, 1.0 if row.side == "SELL" else -1.0)
                order = forced_name(row.client_order_id, row.order_id)
                at_ms = row.update_time or row.time
                found.append(ForcedUpdate(at_ms, order, symbol, side, kind, row.executed_qty, row.avg_price))
        return found

    async def open_orders(self, symbol: str | None) -> OpenOrders:
        """Return what waits of one symbol, or of all, asked for with weight that nobody else needs."""
        with self._translated():
            plain = await self._rest.open_orders(symbol, spare=True)
            unread = self._rest.left_out("openOrders")
            conditional = await self._rest.open_algo_orders(symbol, spare=True)
            unread |= self._rest.left_out("openAlgoOrders")
        return OpenOrders(plain, conditional, unread)

    async def adl(self) -> Sequence[AdlQuantile]:
        """Return places in the queue for auto-deleveraging, asked for with weight that nobody else needs."""
        with self._translated():
            return await self._rest.adl_quantile(spare=True)

    async def permissions(self) -> Permissions | None:
        """Return what the key may do; None where that cannot be known."""
        with self._translated():
            found = await self._rest.api_restrictions()
        return None if found is None else Permissions(found.can_trade, found.can_withdraw)

    def exchange_ms(self) -> int:
        """Return the exchange's time as far as known, Unix milliseconds."""
        return self._rest.exchange_ms()

    def used_weight(self) -> int | None:
        """Return the request weight used in the present minute, by everybody behind this address."""
        return self._budget.used

    @contextmanager
    def _translated(self) -> Iterator[None]:
        # Never chained: what is under these may hold an address with its signature.
        try:
            yield
        except RateLimitedError as error:
            wait_s = max(0.0, error.until_s - self._clock.mono_s())
            reason = self._budget.why if error.reason == BLOCKED and self._budget.why else error.reason
            hint = todo(error, wait_s, self._clock.wall_ms())
            raise AccountUnavailableError(reason, hint, wait_s=wait_s) from None
        except RestError as error:
            fatal = isinstance(error, KeyRefusedError | PortfolioMarginError) or error.reason == RESTRICTED
            raise AccountUnavailableError(error.reason, todo(error), fatal=fatal) from None
        except WireError as error:
            raise AccountUnavailableError(error.reason, str(error)) from None
