"""One of the two places a feed may have a connection in; what the present connection has shown so far."""

import asyncio
from typing import Final

from monitor.beat import Beat
from monitor.binance.subscription import Subscription

NO_DATA: Final = "no_data"  # open, perhaps acknowledged, and nothing came
UNUSABLE_DATA: Final = "unusable_data"  # frames came, none that could be believed
STALLED: Final = "stalled"  # delivered, then fell silent on every symbol
RETIRED: Final = "retired"  # no longer needed

_PATIENCE_S: Final = 60.0  # with an interrupt and the closing handshake after it


class Lane:
    """A place for a connection. Times are monotonic seconds; None means "not yet".

    A lane that is not wanted rests. Whoever judges it never touches its socket: ``interrupt`` makes the lane's
    own coroutine stop at its present await, so that one coroutine owns each socket.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.wanted = asyncio.Event()
        self.index = 0  # of the candidate
        self.failures = 0  # in a row
        self.beat = Beat(_PATIENCE_S)  # due once it is told to stop its connection
        self.begin(None)

    def begin(self, scope: asyncio.Timeout | None) -> None:
        """Forget the last connection; ``scope`` is what an interrupt expires, None between connections."""
        self._scope = scope
        self.verdict = ""
        self.blame = ""  # why it is to be replaced although it delivers
        self.opened_s: float | None = None
        self.live_s: float | None = None
        self.progress_s = 0.0  # when the exchange's clock last moved on in this connection's data
        self.newest_ms = 0
        self.rejected = ""  # the newest reason a frame was refused for since it last made progress
        self.subscription = Subscription()
        self.control_s = 0.0  # when the last control message went out
        self.upkeep_s = 0.0  # when the subscription is looked at next
        self.repeat_s = 0.0  # when silent symbols may be asked for again

    @property
    def is_live(self) -> bool:
        """Whether the present connection has delivered a mark."""
        return self.live_s is not None

    def opened(self, now_s: float) -> None:
        """Note that the socket is open, which proves nothing yet."""
        self.opened_s = now_s

    def moved_on(self, event_ms: int, now_s: float) -> None:
        """Note a believable mark. A host that repeats itself makes no progress, so it counts as silent."""
        if event_ms > self.newest_ms:
            self.newest_ms = event_ms
            self.progress_s = now_s
            self.rejected = ""

    def overdue(self, now_s: float, first_data_timeout_s: float, stall_after_s: float) -> str:
        """Return why the present connection should be given up, or an empty string."""
        if self.opened_s is None:
            return ""
        if not self.is_live:
            late = now_s - self.opened_s >= first_data_timeout_s
            return (UNUSABLE_DATA if self.rejected else NO_DATA) if late else ""
        return STALLED if now_s - self.progress_s >= stall_after_s else ""

    def summon(self, index: int) -> None:
        """Ask the lane to connect, beginning with this candidate."""
        self.index = index
        self.failures = 0
        self.wanted.set()

    def rest(self) -> None:
        """Ask the lane to close and wait until it is wanted again."""
        self.wanted.clear()
        self.interrupt(RETIRED)

    def release(self) -> None:
        """Let the closing handshake run undisturbed: interrupts come too late from here on."""
        self._scope = None

    def interrupt(self, reason: str) -> None:
        """Stop the present connection; the first reason given stands."""
        if self._scope is not None and not self.verdict:
            self.verdict = reason
            self._scope.reschedule(0.0)  # a moment long past: expires at once
