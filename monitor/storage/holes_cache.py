"""Times that nobody watched and that have yet to be looked at. A cache: what cannot be read is set aside."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from monitor.storage import kept

log = structlog.get_logger()

VERSION: Final = 1
LONGEST_MS: Final = 31 * 86_400_000  # nobody looks back as far
_LATEST_MS: Final = 99_999_999_999_999
FILE: Final = "away.json"


class KeptOutage(msgspec.Struct, frozen=True):
    """One such time; exchange time, Unix milliseconds."""

    from_ms: int
    until_ms: int
    symbols: list[str]
    restarted: bool
    cut: bool
    told: bool
    tries: int


class _Kept(msgspec.Struct, frozen=True):
    version: int
    outages: list[KeptOutage]


class HolesCache:
    """Keeps them on disk until they were told.

    Args:
        directory: where state is kept; it exists.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._empty = False  # surely nothing is kept

    def load(self) -> list[KeptOutage]:
        """Return what was saved last. Never raises."""
        try:
            content = kept.read(self._path)
        except OSError as error:
            log.warning("away.cache_unreadable", error=type(error).__name__)
            return []
        if content is None:
            self._empty = True
            return []
        found = kept.decoded(content, _Kept)
        if found is None or found.version != VERSION or not all(map(_is_outage, found.outages)):
            log.warning("away.cache_corrupt", file=self._path.name)
            kept.set_aside(self._path)
            return []
        return found.outages

    def save(self, outages: Sequence[KeptOutage]) -> None:
        """Replace what is kept; either all of it or nothing.

        Raises:
            StoreError: the file cannot be written; what was there before still is.
        """
        if outages or not self._empty:
            kept.replace(self._path, msgspec.json.encode(_Kept(VERSION, list(outages))))
        self._empty = not outages


def _is_outage(one: KeptOutage) -> bool:
    # Each minute of it is looked at: a damaged figure must not ask for more than there is memory.
    return 0 <= one.from_ms <= one.until_ms <= _LATEST_MS and one.until_ms - one.from_ms <= LONGEST_MS
