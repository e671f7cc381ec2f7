"""How high each wallet's level was of late: what was told while it happened need not be told again. Pure.

Times are our wall clock, Unix milliseconds.
"""

from collections import deque
from typing import Final

from monitor.core.model import Level

KEPT_MS: Final = 8 * 86_400_000  # longer than anybody looks back
_MOST: Final = 64  # changes of one subject
_SUBJECTS: Final = 10_000


class Heights:
    """Levels of subjects by the time they were reached; of what is not known, they were ok."""

    def __init__(self) -> None:
        self._levels: dict[str, deque[tuple[int, Level]]] = {}
        self._enough = 1  # subjects by which it is worth looking which are over: a start brings thousands at once
        self._looked_up: dict[str, tuple[int, Level]] = {}  # what was last told afterwards, by subject

    def look_up(self, subject: str, level: Level, at_ms: int) -> bool:
        """Take what is found out afterwards of a subject's worst moment; False if just that was told before.

        Symbols that return one after the other make several times of one, and a wallet may be in all of them.
        """
        if self._looked_up.get(subject) == (at_ms, level):
            return False
        if len(self._looked_up) >= _SUBJECTS:
            self._looked_up.clear()
        self._looked_up[subject] = (at_ms, level)
        return True

    def note(self, subject: str, level: Level, at_ms: int) -> None:
        """Learn which level a subject has from now on."""
        if subject not in self._levels and len(self._levels) >= self._enough:
            self._forget(at_ms)
            self._enough = max(1, 2 * len(self._levels))
        levels = self._levels.setdefault(subject, deque())
        levels.append((at_ms, level))
        if len(levels) > _MOST:  # the two oldest become one: what was told of is less rather than more
            (first_ms, first), (_, second) = levels.popleft(), levels.popleft()
            levels.appendleft((first_ms, min(first, second)))

    def highest(self, subject: str, from_ms: int, until_ms: int) -> Level:
        """Return the highest level that a subject had in a time, at its beginning included."""
        found = before = Level.OK
        for at_ms, level in self._levels.get(subject, ()):
            if at_ms <= from_ms:
                before = level
            elif at_ms <= until_ms:
                found = max(found, level)
        return max(found, before)

    def _forget(self, now_ms: int) -> None:
        """Drop what is over for so long that nobody asks."""
        for subject in [name for name, levels in self._levels.items() if _is_past(*levels[-1], now_ms)]:
            del self._levels[subject]


def _is_past(at_ms: int, level: Level, now_ms: int) -> bool:
    return level is Level.OK and now_ms - at_ms > KEPT_MS
