"""The private stream of one account: a connection that is kept, rotated and renewed, and never believed.

Silence is normal on it, so neither silence nor an open socket, an acknowledgement and a pong say anything: a
listen key that has expired, or was never valid, completes the handshake as well. Whoever follows the account
compares with REST, and has the connection made anew where REST shows what no event told.
"""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import structlog
from websockets.asyncio.client import ClientConnection

from monitor.binance.account_values import (
    DEFAULT_ACCOUNT_TIMINGS,
    AccountTimings,
    AccountUnavailableError,
    Keys,
    StreamStats,
)
from monitor.binance.backoff import failures_after, pause_s
from monitor.binance.endpoints import host_of, private_urls
from monitor.binance.transport import RejectedError, open_stream, receive
from monitor.errors import FeedError
from monitor.ports import Clock

log = structlog.get_logger()

HELD_S: Final = 10.0  # a connection that lasts so long is more than an accept and a close

IDLE: Final = "idle"
CONNECTING: Final = "connecting"
OPEN: Final = "open"
LOST: Final = "lost"

ROTATE: Final = "rotate"
RETIRED: Final = "retired"
SILENT: Final = "silent"
KEY_EXPIRED: Final = "listen_key_expired"
KEY_GONE: Final = "listen_key_gone"
CONNECTED: Final = "connected"

_MAKE_FAILED: Final = "account.listen_key_failed"
_KEEP_FAILED: Final = "account.keepalive_failed"

_ABOUT_THE_KEY = frozenset({SILENT, KEY_EXPIRED, KEY_GONE})


class UserStream:
    """Frames of the private stream into ``take``; every interruption is told to ``gap``.

    The listen key stays within this object, and is never deleted at the exchange: it belongs to the account, and
    other programs of its owner listen with the same one.

    Args:
        account: in logs.
        bases: ordered addresses with their route, such as ``wss://host/private``; at least one.
        keys: where listen keys come from.
        take: given every frame.
        gap: told why something may have been missed, a short constant; also after every connection that opened.
        clock: for all waiting and judging but that within the socket library.
        rng: chance for the jitter of pauses.
        timings: how patient to be.
    """

    def __init__(
        self,
        account: str,
        bases: Sequence[str],
        *,
        keys: Keys,
        take: Callable[[bytes], None],
        gap: Callable[[str], None],
        clock: Clock,
        rng: Random,
        timings: AccountTimings = DEFAULT_ACCOUNT_TIMINGS,
    ) -> None:
        if not bases:
            raise ValueError("a private stream needs at least one base address")
        self._account = account
        self._bases = tuple(bases)
        self._keys = keys
        self._hand_over = take
        self._gap = gap
        self._clock = clock
        self._rng = rng
        self._timings = timings
        self._wanted = asyncio.Event()
        self._scope: asyncio.Timeout | None = None
        self._verdict = ""
        self._key = ""
        self._key_s = 0.0
        self._keep_again_s = 0.0
        self._index = 0  # of the candidate: a host and a form of address
        self._failures = 0
        self._opened_s: float | None = None
        self._missing_s: float | None = None  # since when a connection is wanted and not open
        self._rotate_s = 0.0
        self._proved = False
        self._state = IDLE
        self._host = ""
        self._told: set[str] = set()  # logged since a connection last held
        self._owed = False  # a loss was logged, and its end was not
        self._refused: dict[str, set[str]] = {}  # reasons logged, by what failed
        self._connects = self._sessions = self._rotations = self._found_silent = 0

    async def run(self) -> None:
        """Keep a connection while one is wanted."""
        while True:
            while not self._wanted.is_set():
                await self._wanted.wait()
            await self._clock.sleep(await self._session())

    # Called by whoever follows the account.

    def want(self) -> None:
        """Connect, and stay connected."""
        if self._missing_s is None and self._opened_s is None:
            self._missing_s = self._clock.mono_s()
        self._wanted.set()

    def rest(self) -> None:
        """Close, and wait until wanted again."""
        self._wanted.clear()
        self._missing_s = None
        self._interrupt(RETIRED)

    @property
    def open_since_s(self) -> float | None:
        """Since when frames could come without a break, monotonic; None while they cannot."""
        return self._opened_s

    def missing_s(self, now_s: float) -> float:
        """Return for how long no connection has been open though one is wanted, in seconds; 0 if one is."""
        return 0.0 if self._missing_s is None else now_s - self._missing_s

    def prove(self) -> None:
        """Note that an event came: this connection does deliver."""
        self._proved = True

    def renew(self, reason: str) -> None:
        """Connect again with a new listen key; another address is tried where this one was found silent."""
        self._key = ""
        if reason == SILENT:
            self._found_silent += 1
            self._index += 1
        self._interrupt(reason)

    def check(self, now_s: float) -> None:
        """Rotate when it is time; log that a connection holds again after a loss that was logged."""
        if self._owed and self._opened_s is not None and now_s - self._opened_s >= HELD_S:
            self._owed = False
            log.info("account.stream_open", account=self._account, host=self._host)
        if self._opened_s is not None and now_s >= self._rotate_s:
            self._interrupt(ROTATE)

    async def keep_alive(self, now_s: float) -> None:
        """Prolong the listen key's life when it is time; a key that is gone is replaced.

        Where the exchange does not answer it is tried again later, long before the key would end.
        """
        if not self._key or now_s < max(self._key_s + self._timings.keepalive_every_s, self._keep_again_s):
            return
        key = self._key
        try:
            kept = await self._keys.keep_listen_key()
        except AccountUnavailableError as error:
            self._keep_again_s = self._clock.mono_s() + max(error.wait_s, self._timings.keepalive_again_s)
            self._say(_KEEP_FAILED, error)
            return
        if key != self._key:
            return  # replaced meanwhile
        self._refused.pop(_KEEP_FAILED, None)
        if kept:
            self._key_s = self._clock.mono_s()
        else:
            self.renew(KEY_GONE)

    def stats(self) -> StreamStats:
        """Return what the stream has done so far."""
        is_open = self._opened_s is not None
        return StreamStats(
            state=self._state,
            host=self._host if is_open else "",
            proved=is_open and self._proved,
            connects=self._connects,
            reconnects=max(0, self._sessions - 1),
            rotations=self._rotations,
            found_silent=self._found_silent,
            key_age_s=self._clock.mono_s() - self._key_s if self._key else None,
        )

    # The coroutine that owns the sockets.

    async def _session(self) -> float:
        """Connect and read until it ends; return how long to wait before the next attempt, in seconds."""
        self._verdict = ""
        try:
            if not self._key:
                self._key = await self._keys.create_listen_key()
                self._key_s = self._clock.mono_s()
                self._refused.pop(_MAKE_FAILED, None)
            connection = await self._open()
        except AccountUnavailableError as error:
            self._say(_MAKE_FAILED, error)
            least_s = self._timings.fatal_again_s if error.fatal else error.wait_s
            return max(least_s, self._ended(error.reason, connecting=False))
        except FeedError as error:
            pause = self._ended(error.reason)
            return max(pause, error.penalty_s) if isinstance(error, RejectedError) else pause
        try:
            self._went_open()
            while (reason := await self._read(connection)) == ROTATE:
                connection = await self._rotate(connection)
        except FeedError as error:
            reason = error.reason
        finally:
            self._scope = None
            await connection.close()
        return self._ended(reason)

    async def _open(self) -> ClientConnection:
        self._connects += 1
        if self._state in {IDLE, LOST}:
            self._state = CONNECTING
        urls = private_urls(self._bases, self._key)
        url = urls[self._index % len(urls)]
        self._host = host_of(url)
        return await open_stream(url, self._timings, self._clock.wall_ms())

    async def _read(self, connection: ClientConnection) -> str:
        """Hand frames over until an interrupt, and return its reason; an ended connection raises FeedError."""
        try:
            async with asyncio.timeout(None) as scope:
                self._scope = scope
                while not self._verdict:
                    self._hand_over(await receive(connection, self._host))
        except TimeoutError:  # only an interrupt expires this scope
            pass
        finally:
            self._scope = None
        return self._verdict

    async def _rotate(self, old: ClientConnection) -> ClientConnection:
        """Return a new connection; the old one is read to its end, so nothing is lost between the two."""
        self._verdict = ""
        self._rotate_s = self._clock.mono_s() + self._timings.rotate_again_s
        try:
            new = await self._open()
        except FeedError:
            return old
        try:
            await old.close()
            while True:
                self._hand_over(await receive(old, self._host))
        except FeedError:  # the end of it
            self._rotations += 1
            self._rotate_s = self._clock.mono_s() + self._timings.rotate_after_s
            self._gap(ROTATE)
            return new
        except asyncio.CancelledError:
            await new.close()
            raise

    def _went_open(self) -> None:
        now_s = self._clock.mono_s()
        self._opened_s, self._rotate_s = now_s, now_s + self._timings.rotate_after_s
        self._sessions += 1
        self._proved = False
        self._missing_s = None
        self._state = OPEN
        if OPEN not in self._told:
            self._told.add(OPEN)
            log.info("account.stream_open", account=self._account, host=self._host)
        self._gap(CONNECTED)

    def _ended(self, reason: str, *, connecting: bool = True) -> float:
        bounds, opened_s = self._timings.pauses, self._opened_s
        self._opened_s = None
        uptime_s = self._clock.mono_s() - opened_s if opened_s is not None else 0.0
        if reason == RETIRED:
            self._state = IDLE
            return 0.0
        self._state = LOST
        if self._missing_s is None and self._wanted.is_set():
            self._missing_s = self._clock.mono_s()
        settled = uptime_s >= bounds.clears_after_s
        if settled and (self._proved or reason != SILENT):
            self._told.clear()
        if connecting and reason not in self._told:
            self._told.add(reason)
            self._owed = True
            log.warning("account.stream_lost", account=self._account, host=self._host, reason=reason)
        if connecting and not settled and reason not in _ABOUT_THE_KEY:
            self._index += 1  # an address that served well and merely closed is tried again
        if opened_s is not None:
            self._gap(reason)
        self._failures = failures_after(uptime_s, self._failures, bounds)
        return pause_s(uptime_s, self._failures, self._rng.random(), bounds)

    def _say(self, event: str, error: AccountUnavailableError) -> None:
        """Log a refusal, each reason once until it is over."""
        reasons = self._refused.setdefault(event, set())
        if error.reason not in reasons:
            reasons.add(error.reason)
            log.warning(event, account=self._account, reason=error.reason, hint=error.hint)

    def _interrupt(self, reason: str) -> None:
        """Stop the present connection; the first reason given stands, but rotating yields to all others."""
        if not self._verdict or self._verdict == ROTATE:
            self._verdict = reason
        scope, self._scope = self._scope, None  # one that is expiring cannot be told so again
        if scope is not None:
            scope.reschedule(0.0)  # a moment long past: expires at once
