"""How watched prices moved of late: known again after a restart before the exchange answers.

Closes of minutes, as ``float32``: of a return of a minute that is a ten-thousandth. A cache: what cannot be read
is set aside, and is asked for anew.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import structlog

from monitor.core.minutes import DAY, MINUTE_MS, MinuteCloses
from monitor.storage import kept

log = structlog.get_logger()

VERSION: Final = 1
FILE: Final = "moves.json"
_LATEST_MS: Final = 99_999_999_999_999
_WIDTH: Final = 4  # bytes of a close
_SPARE_BYTES: Final = 16 * 2**20  # it may be megabytes, and must never be what the state finds no room for


class _Name(msgspec.Struct, frozen=True):
    name: str
    first_ms: int
    closes: bytes  # little-endian float32, one a minute, 0 for a gap


class _File(msgspec.Struct, frozen=True):
    version: int
    environment: str  # prices of a testnet are others
    names: list[_Name]


class _Written(msgspec.Struct, frozen=True):
    version: int
    environment: str
    names: list[msgspec.Raw]


class MovesCache:
    """Keeps closes on disk.

    Args:
        directory: where state is kept; it exists.
        environment: whose prices these are.
    """

    def __init__(self, directory: Path, environment: str) -> None:
        self._path = directory / FILE
        self._environment = environment

    def load(self) -> tuple[MinuteCloses, ...]:
        """Return what was saved last of this environment; nothing if there is none. Never raises."""
        try:
            content = kept.read(self._path)
        except OSError as error:
            log.warning("moves.cache_unreadable", error=type(error).__name__)
            return ()
        if content is None:
            return ()
        found = kept.decoded(content, _File)
        if found is None or found.version != VERSION or not all(map(_is_sound, found.names)):
            log.warning("moves.cache_corrupt", file=self._path.name)
            kept.set_aside(self._path)
            return ()
        if found.environment != self._environment:
            return ()
        return tuple(
            MinuteCloses(one.name, one.first_ms, np.frombuffer(one.closes, "<f4").astype(np.float64))
            for one in found.names
        )

    def save(self, names: Iterable[MinuteCloses]) -> None:
        """Replace what is kept; either all of it or nothing.

        Raises:
            StoreError: the file cannot be written; what was there before still is.
        """
        # One after the other: while it encodes no other thread runs, and a thousand at once are milliseconds.
        rows = [
            msgspec.Raw(msgspec.json.encode(_Name(one.name, one.first_ms, one.closes.astype("<f4").tobytes())))
            for one in names
        ]
        kept.replace(self._path, msgspec.json.encode(_Written(VERSION, self._environment, rows)), _SPARE_BYTES)


def _is_sound(one: _Name) -> bool:
    count, rest = divmod(len(one.closes), _WIDTH)
    if rest or not 0 < count <= DAY or one.first_ms % MINUTE_MS or not 0 <= one.first_ms <= _LATEST_MS:
        return False
    closes = np.frombuffer(one.closes, "<f4")
    return bool(np.isfinite(closes).all() and (closes >= 0.0).all())
