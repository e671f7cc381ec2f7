"""What failed inside, in the log: enough to find it, and however often somebody makes it fail, few lines."""

import structlog

from monitor.ports import Clock
from monitor.supervise import trace_of
from monitor.web.throttle import Throttle

log = structlog.get_logger()

MOST_A_MINUTE = 10


class Failures:
    """Logs them; never what an error says, for the texts of libraries' errors quote what came from outside."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._throttle = Throttle(MOST_A_MINUTE)

    def tell(self, failed: BaseException) -> None:
        """Log where a request failed, unless many did within a minute; all are counted elsewhere."""
        if self._throttle.take(self._clock.mono_s()):
            log.error("web.failed", error=type(failed).__name__, trace=trace_of(failed))
