"""REST says nothing of an account: how long not to ask, and when that is told. Each reason is said once."""

from random import Random
from typing import Final

import structlog

from monitor.binance.account_values import AccountTimings, AccountUnavailableError
from monitor.binance.backoff import pause_s
from monitor.core.events import AccountState

log = structlog.get_logger()

_NO_STREAM_HINT: Final = "its private stream is not open either"


class RestTrouble:
    """The failures in a row of one account; times are monotonic seconds.

    ``error`` is the newest, None while all is well; REST is not to be asked before ``embargo_s``.

    Args:
        account: its name.
        rng: chance for the jitter of pauses.
        heir: another one followed it in this run, whose complaints are over once this one has an answer.
        timings: how patient to be.
    """

    def __init__(self, account: str, rng: Random, timings: AccountTimings, *, heir: bool) -> None:
        self._account = account
        self._rng = rng
        self._timings = timings
        self._failures = 0
        self._since_s: float | None = None
        # The reason last complained of, and whether it was final.
        self._told: tuple[str, bool] | None = ("", False) if heir else None
        self.error: AccountUnavailableError | None = None
        self.embargo_s = 0.0

    @property
    def fatal(self) -> bool:
        """Whether asking again cannot help."""
        return self.error is not None and self.error.fatal

    def lasts_s(self, now_s: float) -> float:
        """Return for how long it has failed, in seconds; 0 while all is well."""
        return 0.0 if self._since_s is None else now_s - self._since_s

    def failed(self, error: AccountUnavailableError, begun_s: float, now_s: float) -> None:
        """Note that what was begun then failed."""
        if self.error is None or self.error.reason != error.reason:
            log.warning("account.rest_failed", account=self._account, reason=error.reason, hint=error.hint)
        self.error = error
        self._failures += 1
        if self._since_s is None:
            self._since_s = begun_s
        pause = pause_s(0.0, self._failures, self._rng.random(), self._timings.rest_pauses)
        self.embargo_s = now_s + max(pause, self._timings.fatal_again_s if error.fatal else error.wait_s)

    def worked(self, *, described: bool) -> AccountState | None:
        """Note that nothing failed; return what is to be said where a complaint is over and the account known."""
        self.error, self._since_s, self._failures = None, None, 0
        if self._told is None or not described:
            return None
        self._told = None
        log.info("account.followed", account=self._account)
        return AccountState(self._account, ok=True)

    def complaint(self, now_s: float, undescribed_s: float, *, deaf: bool) -> AccountState | None:
        """Return what is to be said now, if anything.

        Args:
            now_s: the time.
            undescribed_s: since when REST has said nothing of the account, in seconds; 0 if it never did.
            deaf: its private stream is not open either.
        """
        error, timings = self.error, self._timings
        if error is None or self._told == (error.reason, error.fatal):
            return None
        # A ban that will last longer than that is told at once.
        if (
            not error.fatal
            and max(self.lasts_s(now_s), error.wait_s) < timings.complain_after_s
            and undescribed_s < timings.complain_undescribed_s
        ):
            return None
        self._told = (error.reason, error.fatal)
        log.warning("account.unfollowed", account=self._account, reason=error.reason, fatal=error.fatal)
        hint = error.hint
        if deaf and not error.fatal:
            hint = "; ".join(part for part in (hint, _NO_STREAM_HINT) if part)
        return AccountState(self._account, False, error.reason, hint, fatal=error.fatal)
