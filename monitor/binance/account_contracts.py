"""When to look up what never changes about symbols: at first, and when one turns up that nobody knows."""

from collections.abc import Mapping

import structlog

from monitor.binance.account_state import Contract
from monitor.binance.account_values import AccountRest, AccountTimings, AccountUnavailableError

log = structlog.get_logger()


class Contracts:
    """Looks them up where that is ``due``.

    Args:
        account: in logs.
        rest: where they are asked.
        timings: how soon again after a failure.
    """

    def __init__(self, account: str, rest: AccountRest, timings: AccountTimings) -> None:
        self.due = True
        self._account = account
        self._rest = rest
        self._timings = timings
        self._again_s = 0.0
        self._told: set[str] = set()  # reasons logged

    async def refresh(self, known: Mapping[str, Contract], now_s: float) -> Mapping[str, Contract]:
        """Return the contracts; those that are known where it is not due, or the exchange does not answer.

        Raises:
            AccountUnavailableError: it does not, and none are known.
        """
        if not self.due or now_s < self._again_s:
            return known
        try:
            found = await self._rest.contracts()
        except AccountUnavailableError as error:
            if not known:
                raise
            self._again_s = now_s + max(error.wait_s, self._timings.contracts_again_s)
            if error.reason not in self._told:
                self._told.add(error.reason)
                log.warning(
                    "account.contracts_failed", account=self._account, reason=error.reason, hint=error.hint
                )
            return known
        self.due = False
        self._told.clear()
        return found
