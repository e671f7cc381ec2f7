"""What the key of an account may do, and whether that is more than its owner wants it to."""

from monitor.binance.account_values import (
    TRADING_KEY,
    WITHDRAWING_KEY,
    AccountRest,
    AccountTimings,
    AccountUnavailableError,
    Permissions,
)
from monitor.ports import Clock


class KeyGuard:
    """Judges a key by what the exchange last said of it; one never judged passes.

    Args:
        rest: where that is asked.
        clock: to know when to ask again.
        refuse: a key that can trade or withdraw may not be used.
        timings: how often to ask.
    """

    def __init__(self, rest: AccountRest, clock: Clock, *, refuse: bool, timings: AccountTimings) -> None:
        self.known: Permissions | None = None
        self.told_s = 0.0  # when that was said
        self._rest = rest
        self._clock = clock
        self._refuse = refuse
        self._timings = timings
        self._due_s = 0.0

    async def excess(self) -> str:
        """Return what the key can do and must not, a short constant; empty if nothing is known of that.

        Asked each hour, and each time while the key is refused: somebody may have mended it.
        """
        now_s = self._clock.mono_s()
        if now_s >= self._due_s or self._excess():
            self._due_s = now_s + self._timings.permissions_every_s
            try:
                found = await self._rest.permissions()
            except AccountUnavailableError:
                # Asked elsewhere than all else: that alone must not keep an account from being followed. What the
                # last answer said stays true until another.
                self._due_s = now_s + self._timings.permissions_again_s
            else:
                if found is not None:
                    self.known, self.told_s = found, self._clock.mono_s()
        return self._excess()

    def _excess(self) -> str:
        if self.known is None or not self._refuse:
            return ""
        return WITHDRAWING_KEY if self.known.can_withdraw else TRADING_KEY if self.known.can_trade else ""
