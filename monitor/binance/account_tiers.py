"""The maintenance tiers of an account: from the disk at first, from the exchange each day and when they change."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

from monitor.binance.account_values import AccountRest, AccountTimings, AccountUnavailableError, TierCache
from monitor.core.events import TablesChanged
from monitor.core.model import BracketTable
from monitor.errors import StoreError
from monitor.ports import Clock, Inbox

log = structlog.get_logger()

DISK_S: Final = 10.0  # a disk that hangs must not keep the account from being followed


class Tiers:
    """Posts an account's tiers; what did not change since is not posted again.

    Args:
        account: whose tiers.
        rest: where they come from.
        cache: where they are kept between runs.
        inbox: takes the events.
        clock: to wait after a failure.
        timings: how often.
    """

    def __init__(
        self,
        account: str,
        rest: AccountRest,
        cache: TierCache,
        inbox: Inbox,
        *,
        clock: Clock,
        timings: AccountTimings,
    ) -> None:
        self.known: dict[str, BracketTable] = {}
        self.error: AccountUnavailableError | None = None  # why the last request failed
        self._account = account
        self._rest = rest
        self._cache = cache
        self._inbox = inbox
        self._clock = clock
        self._timings = timings
        self._due_s = 0.0
        self._asked_s: float | None = None
        self._failures = 0
        self._saving = True  # the last attempt to keep them succeeded

    @property
    def as_of(self) -> str:
        """The newest date of the tables, ISO; empty if there are none."""
        return max((table.as_of for table in self.known.values()), default="")

    async def restore(self) -> None:
        """Take what the last run kept: tiers before REST answers."""
        kept: Sequence[BracketTable] = ()
        with suppress(TimeoutError):
            async with asyncio.timeout(DISK_S):
                kept = await asyncio.to_thread(self._cache.load)
        if kept and not self.known:
            self.known = {table.symbol: table for table in kept}
            self._inbox.post(TablesChanged(self._account, tuple(kept)))

    def request(self, symbol: str) -> bool:
        """Ask the exchange again soon; return whether this account has tiers of the symbol at all."""
        if symbol in self.known:
            self._due_s = 0.0
        return symbol in self.known

    def need(self, symbols: set[str]) -> bool:
        """Ask again, not too often, where one of these has no tiers; return whether it will."""
        if not symbols - self.known.keys() or self._asked_s is None or self.error is not None:
            return False  # what fails is asked again anyway
        self._due_s = min(self._due_s, self._asked_s + self._timings.tables_again_s)
        return True

    def is_due(self, now_s: float) -> bool:
        """Return whether the exchange is to be asked again: what is known may be out of date."""
        return now_s >= self._due_s

    async def refresh(self, now_s: float) -> bool:
        """Ask the exchange if that is due; return whether that brought other tiers.

        After a failure, which ``error`` says, it is asked again later: doubling from a minute to a quarter hour.
        """
        if not self.is_due(now_s):
            return False
        before = self.known
        self._asked_s = now_s
        self._due_s = now_s + self._timings.tables_every_s
        try:
            tables = await self._rest.tables()
        except AccountUnavailableError as error:
            # Old tiers are better than an account that is not followed.
            pause_s = min(self._timings.tables_again_s * 2.0**self._failures, self._timings.tables_longest_s)
            self._due_s = self._clock.mono_s() + max(pause_s, error.wait_s)
            self._failures = min(self._failures + 1, 16)
            if self.error is None or self.error.reason != error.reason:
                log.warning("brackets.refresh_failed", account=self._account, reason=error.reason)
            self.error = error
            return False
        self.error, self._failures = None, 0
        await self._learn({table.symbol: table for table in tables})
        return self.known is not before

    async def begin(self, now_s: float) -> None:
        """Ask the exchange at once; raise AccountUnavailableError if it does not answer and there are no tiers."""
        self._due_s = min(self._due_s, now_s)
        await self.refresh(now_s)
        if self.error is not None and not self.known:
            self._failures = 0  # whoever waits for them sets the pace
            raise self.error

    async def _learn(self, tables: dict[str, BracketTable]) -> None:
        news = tuple(table for symbol, table in tables.items() if self.known.get(symbol) != table)
        if not news:
            return
        self.known = {**self.known, **tables}
        self._inbox.post(TablesChanged(self._account, news))
        try:
            async with asyncio.timeout(DISK_S):
                await asyncio.to_thread(self._cache.save, tuple(self.known.values()))
        except (StoreError, TimeoutError) as error:
            if self._saving:
                why = str(error) or "timed out"
                log.warning("brackets.cache_failed", account=self._account, error=why)
            self._saving = False
        else:
            self._saving = True
