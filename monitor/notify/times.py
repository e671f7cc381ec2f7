"""Moments as people read them, in their own time zone."""

import datetime as dt


def local_time(at_ms: int, zone: dt.tzinfo | None, *, day: bool = False) -> str:
    """Return a time of day with its offset, such as ``14:02:10+01:00``; ``zone`` None is the machine's own."""
    moment = dt.datetime.fromtimestamp(at_ms // 1000, tz=dt.UTC).astimezone(zone)
    offset = moment.isoformat()[19:]
    return f"{moment:%Y-%m-%d %H:%M:%S}{offset}" if day else f"{moment:%H:%M:%S}{offset}"


def days_differ(first_ms: int, last_ms: int, zone: dt.tzinfo | None) -> bool:
    """Return whether two times fall on different days in this zone; then the time of day alone misleads."""
    first, last = (dt.datetime.fromtimestamp(ms // 1000, tz=dt.UTC).astimezone(zone) for ms in (first_ms, last_ms))
    return first.date() != last.date()
