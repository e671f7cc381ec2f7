"""What the day was like so far: gone on with after a restart. A cache: what cannot be read is set aside."""

from pathlib import Path
from typing import Final

import msgspec
import structlog

from monitor.core.notices import DayReport
from monitor.storage import kept

log = structlog.get_logger()

VERSION: Final = 1
FILE: Final = "day.json"


class KeptDay(msgspec.Struct, frozen=True):
    """A day as it stood at ``saved_ms``, Unix milliseconds."""

    version: int
    saved_ms: int
    day: DayReport


class DayCache:
    """Keeps the running day on disk.

    Args:
        directory: where state is kept; it exists.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE

    def load(self) -> KeptDay | None:
        """Return what was saved last; None if there is none. Never raises."""
        try:
            content = kept.read(self._path)
        except OSError as error:
            log.warning("day.cache_unreadable", error=type(error).__name__)
            return None
        if content is None:
            return None
        found = kept.decoded(content, KeptDay)
        if found is None or found.version != VERSION:
            log.warning("day.cache_corrupt", file=self._path.name)
            kept.set_aside(self._path)
            return None
        return found

    def save(self, day: DayReport, at_ms: int) -> None:
        """Replace what is kept; either all of it or nothing.

        Raises:
            StoreError: the file cannot be written; what was there before still is.
        """
        kept.replace(self._path, msgspec.json.encode(KeptDay(VERSION, at_ms, day)))
