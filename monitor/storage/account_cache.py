"""The followed accounts as they were last known: watched again after a restart before the exchange answers.

A restart must not forget positions because the exchange cannot be reached just then. What changed in between is
found when it answers. A cache: what cannot be read is set aside and does without.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from monitor.core.model import AccountSnapshot, Source
from monitor.storage import kept

log = structlog.get_logger()

VERSION: Final = 1
FILE: Final = "accounts.json"


class _File(msgspec.Struct):
    version: int
    accounts: tuple[AccountSnapshot, ...]


class AccountCache:
    """Keeps accounts on disk.

    Args:
        directory: where state is kept; it exists.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE

    def load(self) -> tuple[AccountSnapshot, ...]:
        """Return what was saved last, marked as such; nothing if there is none. Never raises."""
        try:
            content = kept.read(self._path)
        except OSError as error:
            log.warning("accounts.cache_unreadable", error=type(error).__name__)
            return ()
        if content is None:
            return ()
        found = kept.decoded(content, _File)
        if found is None or found.version != VERSION:
            log.warning("accounts.cache_corrupt", file=self._path.name)
            kept.set_aside(self._path)
            return ()
        return tuple(msgspec.structs.replace(one, source=Source.STORED) for one in found.accounts)

    def save(self, accounts: Iterable[AccountSnapshot]) -> None:
        """Replace what is kept; either all of it or nothing.

        Raises:
            StoreError: the file cannot be written; what was there before still is.
        """
        kept.replace(self._path, msgspec.json.encode(_File(VERSION, tuple(accounts))))
