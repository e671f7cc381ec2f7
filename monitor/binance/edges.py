"""What the rest of the program hears of a feed: changes, never repetitions."""

from collections.abc import Iterable
from typing import Final

import structlog

from monitor.binance.belief import UNKNOWN_SYMBOL
from monitor.core.events import FeedState
from monitor.ports import Inbox

log = structlog.get_logger()

IDLE: Final = "idle"  # nothing to watch, or not started; not an event
CONNECTING: Final = "connecting"
LIVE: Final = "live"
LOST: Final = "lost"  # delivered, then ended
REFUSED: Final = "refused"  # ended without having delivered


class Edges:
    """Posts and logs the changes of one feed. An outage of hours costs one event for each host and reason."""

    def __init__(self, feed: str, inbox: Inbox) -> None:
        self.state = IDLE
        self._feed = feed
        self._inbox = inbox
        self._refusals: set[tuple[str, str]] = set()  # told in this outage
        self._rejections: set[str] = set()  # logged since the start
        self._silent: frozenset[str] = frozenset()

    def idle(self) -> None:
        """Nothing is watched any more, so nothing can be lost."""
        self.state = IDLE

    def connecting(self, host: str) -> None:
        """Note an attempt; told once for each outage."""
        if self.state in {IDLE, LOST}:
            self._post(CONNECTING, host)

    def live(self, host: str) -> None:
        """Note a connection that delivers; a change of host alone is told but not logged."""
        if self.state != LIVE:
            log.info("feed.live", feed=self._feed, host=host)
        self._refusals.clear()
        self._post(LIVE, host)

    def lost(self, host: str, reason: str) -> None:
        """Note the end of the only connection that delivered."""
        log.warning("feed.lost", feed=self._feed, host=host, reason=reason)
        self._post(LOST, host, reason)

    def given_up(self, host: str, reason: str) -> None:
        """Note that a connection that delivers is to be replaced."""
        log.warning("feed.given_up", feed=self._feed, host=host, reason=reason)

    def refused(self, host: str, reason: str) -> None:
        """Note an attempt that never delivered; told once in an outage for each host and reason."""
        if (host, reason) in self._refusals:
            return
        self._refusals.add((host, reason))
        log.warning("feed.refused", feed=self._feed, host=host, reason=reason)
        self._post(REFUSED, host, reason)

    def rejected(self, reason: str) -> None:
        """Note a frame or row that cannot be believed; each reason is logged once, the rest is counted.

        A symbol nobody watches is counted only: what was watched until a moment ago still arrives.
        """
        if reason != UNKNOWN_SYMBOL and reason not in self._rejections:
            self._rejections.add(reason)
            log.warning("feed.frame_rejected", feed=self._feed, reason=reason)

    def silent(self, symbols: Iterable[str]) -> None:
        """Note which symbols are silent on a connection that delivers others."""
        now = frozenset(symbols)
        if now - self._silent:
            log.warning("feed.symbols_silent", feed=self._feed, symbols=sorted(now - self._silent))
        self._silent = now

    def _post(self, state: str, host: str, reason: str = "") -> None:
        self.state = state
        self._inbox.post(FeedState(self._feed, state, host, reason))
