"""How long to wait before a failed message is tried again. Pure."""

from monitor.errors import DeliveryError

FIRST_S = 1.0
LONGEST_S = 120.0
LONGEST_HONOURED_S = 3600.0


class ThrottledError(DeliveryError):
    """A service took no message and said when it will; ``retry_after_s`` is positive."""

    def __init__(self, channel: str, reason: str, *, retry_after_s: float) -> None:
        super().__init__(channel, reason)
        self.retry_after_s = retry_after_s


def pause_s(attempt: int, rand: float) -> float:
    """Return the seconds to wait after failed attempt number ``attempt``, which counts from 1.

    Doubles from one second to two minutes and stays there: an alert is tried for as long as it matters. ``rand``
    in [0, 1] takes up to half of the pause away, so that channels that failed together do not return together.
    """
    doublings = min(max(attempt, 1) - 1, 7)
    return min(LONGEST_S, FIRST_S * 2.0**doublings) * (0.5 + 0.5 * rand)


def asked_pause_s(error: DeliveryError) -> float:
    """Return for how long the service asked not to be called at all; 0 if it did not, an hour at most."""
    return min(error.retry_after_s, LONGEST_HONOURED_S) if isinstance(error, ThrottledError) else 0.0
