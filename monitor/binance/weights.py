"""One budget of request weight for an IP address: who may ask now, and who has to wait.

The exchange counts by the minute over all markets, accounts and programs behind the address. What it says in its
replies counts; what was asked since comes on top. Half of the limit is left to others, but for what cannot wait.
"""

import asyncio
from typing import Final

from monitor.errors import RateLimitedError
from monitor.ports import Clock

DEFAULT_LIMIT: Final = 2400  # weight in a minute, until the exchange says
SHARE: Final = 0.5
LONGEST_WAIT_S: Final = 90.0  # who would wait longer is told instead

SPARE: Final = 0.3  # of the limit: what nobody needs at once is not asked for once so much is used
SPARED_AGAIN_S: Final = 5.0

BLOCKED: Final = "blocked"
NOT_SPARED: Final = "no_weight_to_spare"

_MINUTE_MS = 60_000
_MOST_DIGITS = 9  # of a weight; Python refuses to convert thousands of them
_GUARD_MS = 500  # clocks differ by a little: do not begin with the first moment of a minute


def told_weight(header: str | None) -> int | None:
    """Return the used weight that a reply's header tells, below 1e9; None where it is absent or no such number."""
    if header is None or len(header) > _MOST_DIGITS or not header.isdecimal():
        return None
    return int(header)


class WeightLedger:
    """The decisions, without waiting. Times are Unix milliseconds of the exchange and monotonic seconds.

    ``limit`` is what the exchange allows in a minute.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT, share: float = SHARE) -> None:
        self.limit = limit
        self.blocked_until_s = 0.0
        self._share = share
        self._minute = 0
        self._told = 0  # used in this minute, by the highest a reply said: replies overtake each other
        self._told_before = 0  # the same of the minute before
        self._untold = 0  # weight of what ended without a reply that says so
        self._open: dict[int, tuple[int, int]] = {}  # weight and minute of what no reply has counted yet
        self._next = 0

    @property
    def allowed(self) -> int:
        """Weight that may be used in a minute."""
        return int(self.limit * self._share)

    def used(self, exchange_ms: int) -> int:
        """Return the weight used in the present minute, what is under way included."""
        self._turn(exchange_ms)
        return self._told + self._untold + sum(weight for weight, _ in self._open.values())

    def pause_s(
        self, weight: int, exchange_ms: int, mono_s: float, *, urgent: bool = False, spare: bool = False
    ) -> float:
        """Return how long a request has to wait; 0 if it may go now.

        One that is heavier than all that is allowed goes alone, at the beginning of a minute. What is ``urgent``
        may use what is left to others too, what is ``spare`` leaves others a part of what is allowed.
        """
        blocked_s = self.blocked_until_s - mono_s
        if blocked_s > 0.0:
            return blocked_s
        used = self.used(exchange_ms)
        allowed = self.limit if urgent else int(self.limit * SPARE) if spare else self.allowed
        if used == 0 or used + weight <= allowed or weight == 0:
            return 0.0
        return (_MINUTE_MS - exchange_ms % _MINUTE_MS + _GUARD_MS) / 1000.0

    def begin(self, weight: int, exchange_ms: int) -> int:
        """Count a request that goes out now; return its ticket for ``end``."""
        self._turn(exchange_ms)
        ticket, self._next = self._next, self._next + 1
        self._open[ticket] = (weight, self._minute)
        return ticket

    def end(self, ticket: int, told: int | None, exchange_ms: int) -> None:
        """Take what a reply says was used, None where it does not say."""
        self._turn(exchange_ms)
        weight, minute = self._open.pop(ticket, (0, self._minute))
        ended = minute < self._minute and told is not None and told >= self._told_before > 0
        if told is None or ended:  # what counts in an ended minute says nothing about this one
            self._untold += weight
        else:
            # The exchange counts up: whichever of two requests it took last, that reply has both.
            self._told = max(self._told, told)

    def block(self, until_s: float) -> None:
        """Let nobody ask before a time, monotonic; never shortens what was said before."""
        self.blocked_until_s = max(self.blocked_until_s, until_s)

    def _turn(self, exchange_ms: int) -> None:
        minute = exchange_ms // _MINUTE_MS
        if minute > self._minute:
            # What went out two minutes ago was counted then, or never arrived.
            self._open = {key: one for key, one in self._open.items() if one[1] >= minute - 1}
            self._told_before = self._told if minute == self._minute + 1 else 0
            self._told, self._untold, self._minute = 0, 0, minute
        elif minute < self._minute - 1:
            # A clock of ours was ahead until the exchange's was read anew: what is used counts until the next
            # minute, and not until that other time has come, for which everybody would wait.
            self._minute = minute


class WeightBudget:
    """The ledger with waiting: first come, first served. One for each address, shared by all clients.

    Args:
        clock: what waiting is done on.
        limit: weight in a minute, until ``set_limit``.
        longest_wait_s: who would have to wait longer gets an error at once.
    """

    def __init__(
        self, clock: Clock, *, limit: int = DEFAULT_LIMIT, longest_wait_s: float = LONGEST_WAIT_S
    ) -> None:
        self._clock = clock
        self._ledger = WeightLedger(limit)
        self._longest_wait_s = longest_wait_s
        self._turn = asyncio.Lock()  # wakes in the order of arrival
        self._apart: dict[str, float] = {}  # until when other interfaces may not be asked, monotonic
        self.offset_ms = 0  # exchange's clock minus ours
        self.why = ""  # nobody may ask, or last might not, a short constant; empty if that never was

    @property
    def limit(self) -> int:
        """Weight the exchange allows in a minute."""
        return self._ledger.limit

    @property
    def used(self) -> int:
        """Weight used in the present minute, what is under way included."""
        return self._ledger.used(self._exchange_ms())

    @property
    def blocked_until(self) -> float | None:
        """Until when nobody may ask, on the monotonic clock; None if asking is allowed."""
        until_s = self._ledger.blocked_until_s
        return until_s if until_s > self._clock.mono_s() else None

    def set_limit(self, limit: int) -> None:
        """Take what exchangeInfo says is allowed in a minute."""
        self._ledger.limit = limit

    def block(self, until_s: float, why: str = "") -> None:
        """Let nobody ask before a time on the monotonic clock; ``why`` is a short constant."""
        self._ledger.block(until_s)
        self.why = why or self.why

    def block_apart(self, api: str, until_s: float) -> None:
        """Let nobody ask an interface with limits of its own, such as ``sapi``, before a time."""
        self._apart[api] = max(until_s, self._apart.get(api, 0.0))

    def check_apart(self, api: str, where: str) -> None:
        """Raise RateLimitedError if such an interface may not be asked."""
        until_s = self._apart.get(api, 0.0)
        if until_s > self._clock.mono_s():
            raise RateLimitedError(where, BLOCKED, until_s=until_s)

    async def take(self, weight: int, where: str = "", longest_block_s: float | None = None) -> int:
        """Wait until a request of this weight may go, count it, and return its ticket for ``done``.

        Args:
            weight: what the request costs.
            where: its endpoint, for the error.
            longest_block_s: how long it may wait where the exchange takes no requests; None: as long as any.

        Raises:
            RateLimitedError: asking is forbidden for longer than anybody should wait.
        """
        async with self._turn:
            blocked_s = self._ledger.blocked_until_s - self._clock.mono_s()
            if longest_block_s is not None and blocked_s > longest_block_s:
                raise RateLimitedError(where, BLOCKED, until_s=self._ledger.blocked_until_s)
            while (pause_s := self._ledger.pause_s(weight, self._exchange_ms(), self._clock.mono_s())) > 0.0:
                if pause_s > self._longest_wait_s:
                    raise RateLimitedError(where, BLOCKED, until_s=self._ledger.blocked_until_s)
                await self._clock.sleep(pause_s)
            return self._ledger.begin(weight, self._exchange_ms())

    def take_at_once(self, weight: int, where: str = "") -> int:
        """Count a request that cannot wait, before all that do, and return its ticket for ``done``.

        Raises:
            RateLimitedError: asking is forbidden, or the limit of this minute is used up.
        """
        pause_s = self._ledger.pause_s(weight, self._exchange_ms(), self._clock.mono_s(), urgent=True)
        if pause_s > 0.0:
            raise RateLimitedError(where, BLOCKED, until_s=self._clock.mono_s() + pause_s)
        return self._ledger.begin(weight, self._exchange_ms())

    def take_spare(self, weight: int, where: str = "") -> int:
        """Count a request that anything else goes before, and return its ticket for ``done``; it never waits.

        Raises:
            RateLimitedError: asking is forbidden, somebody else waits, or what is left of this minute is theirs.
        """
        now_s, exchange_ms = self._clock.mono_s(), self._exchange_ms()
        pause_s = self._ledger.pause_s(weight, exchange_ms, now_s, spare=True)
        if pause_s > 0.0 or self._turn.locked():
            raise RateLimitedError(where, NOT_SPARED, until_s=now_s + max(pause_s, SPARED_AGAIN_S))
        return self._ledger.begin(weight, exchange_ms)

    def done(self, ticket: int, used: int | None = None) -> None:
        """Take the reply to a request: the used weight it tells, None where it does not or there was no reply."""
        self._ledger.end(ticket, used, self._exchange_ms())

    def _exchange_ms(self) -> int:
        return self._clock.wall_ms() + self.offset_ms
