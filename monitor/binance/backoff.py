"""How long to wait before connecting again. Pure: uptime, failures and chance are handed in."""

from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

# A rejected handshake that speaks of limits asks for more than the ordinary pause: going on after a 429 turns it
# into a ban, and a ban lasts two minutes at the least and three days at the most.
RATE_LIMITED = 429
BANNED = 418
RATE_LIMITED_PAUSE_S = 30.0
BANNED_PAUSE_S = 120.0
LONGEST_PENALTY_S = 3 * 86_400.0


class PauseBounds(msgspec.Struct, frozen=True):
    """Bounds of the ordinary pause, in seconds."""

    first_s: float = 0.5
    longest_s: float = 60.0
    clears_after_s: float = 60.0  # so much uptime clears the record


DEFAULT_BOUNDS = PauseBounds()


def failures_after(uptime_s: float, failures: int, bounds: PauseBounds = DEFAULT_BOUNDS) -> int:
    """Return the failures in a row, counting the connection that just ended after ``uptime_s`` of data."""
    return 1 if uptime_s >= bounds.clears_after_s else failures + 1


def pause_s(uptime_s: float, failures: int, rand: float, bounds: PauseBounds = DEFAULT_BOUNDS) -> float:
    """Return seconds to wait before connecting again: doubling with each failure in a row, with jitter.

    Args:
        uptime_s: how long the last connection delivered; enough of it clears the record.
        failures: failures in a row, the last one included; below 1 counts as 1.
        rand: chance in [0, 1), so that many clients do not return at the same moment.
        bounds: the shortest and longest pause.

    Returns:
        Between half of the full pause and all of it; the full pause is ``longest_s`` at most.
    """
    if uptime_s >= bounds.clears_after_s:
        failures = 1
    doublings = min(max(failures, 1) - 1, 63)
    full_s = min(bounds.longest_s, bounds.first_s * 2.0**doublings)
    return full_s * (0.5 + 0.5 * rand)


def penalty_s(status: int, retry_after: str | None, wall_ms: int) -> float:
    """Return the seconds a rejected handshake asks us to stay away, 0 if it asks for nothing.

    Args:
        status: of the HTTP reply.
        retry_after: its ``Retry-After`` header: seconds, or a date.
        wall_ms: our clock, Unix milliseconds, to read a date by.
    """
    least_s = {RATE_LIMITED: RATE_LIMITED_PAUSE_S, BANNED: BANNED_PAUSE_S}.get(status, 0.0)
    return max(least_s, retry_after_s(retry_after, wall_ms))


def retry_after_s(header: str | None, wall_ms: int) -> float:
    """Return what a ``Retry-After`` header says in seconds, 0 to three days; 0 if absent or unreadable."""
    if header is None:
        return 0.0
    seconds = header.strip()
    if seconds.isdecimal():
        return min(float(seconds), LONGEST_PENALTY_S)
    try:
        date = parsedate_to_datetime(header)
        until_s = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):  # no date, or one that no calendar has
        return 0.0
    return min(max(until_s - wall_ms / 1000.0, 0.0), LONGEST_PENALTY_S)
