"""Has the next run know the followed accounts before the exchange answers it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from monitor.core.model import AccountSnapshot, Source
from monitor.errors import StoreError
from monitor.ports import Clock, Job
from monitor.storage.account_cache import AccountCache

log = structlog.get_logger()

EVERY_S: Final = 1.0


class AccountKeeper:
    """A job of its own: a disk that hangs must not stop the heart, which notices silence.

    Args:
        cache: where they are kept.
        accounts: returns all accounts as they are known.
        clock: for the pauses.
    """

    def __init__(
        self, cache: AccountCache, accounts: Callable[[], Sequence[AccountSnapshot]], clock: Clock
    ) -> None:
        self._cache = cache
        self._accounts = accounts
        self._clock = clock
        self._kept: tuple[AccountSnapshot, ...] = ()  # as they are on disk
        self._keeping = True  # the last attempt succeeded

    def load(self) -> tuple[AccountSnapshot, ...]:
        """Return what an earlier run knew last."""
        return self._cache.load()

    def jobs(self) -> Sequence[Job]:
        """Return what must run; it may be cancelled at any time."""
        return (Job("keep-accounts", self._run),)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(EVERY_S)
            await self._keep()

    async def _keep(self) -> None:
        newest = tuple(one for one in self._accounts() if one.source is not Source.GIVEN)
        if newest == self._kept or not newest:
            return
        try:
            await asyncio.to_thread(self._cache.save, newest)
        except StoreError as error:
            if self._keeping:
                log.warning("accounts.cache_failed", reason=error.cause, hint=error.hint)
            self._keeping = False
        else:
            self._kept, self._keeping = newest, True
