"""Durations as people write them: ``90s``, ``15m``, ``2h``, ``7d``."""

import re

SHAPE = 'a duration such as "90s", "15m", "2h" or "7d"'

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PATTERN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?([smhd])")
# Longer than anyone means, short enough that every deadline made of it still fits a calendar.
_LONGEST_S = 3660 * 86400.0


def seconds(text: str) -> float | None:
    """Return the length in seconds, at least 0 and at most about ten years; None if it is no duration."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        return None
    length_s = float(match[1]) * _UNITS_S[match[2]]
    return length_s if length_s <= _LONGEST_S else None
