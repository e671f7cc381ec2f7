"""The maintenance tiers of an account from the last time the exchange said them: there before it answers again.

One JSON file for each account, replaced as a whole, readable by its owner only. It is a cache: what cannot be read
is set aside and does without.
"""

import hashlib
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from monitor.core.brackets import plausible_leverage
from monitor.core.model import Bracket, BracketTable
from monitor.storage import kept

log = structlog.get_logger()

VERSION: Final = 1

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,80}")


class _File(msgspec.Struct):
    version: int
    account: str
    tables: tuple[BracketTable, ...]


class BracketCache:
    """Keeps the tiers of one account on disk.

    Args:
        directory: where state is kept; it exists.
        account: whose tiers; its name is part of the file's.
    """

    def __init__(self, directory: Path, account: str) -> None:
        self._account = account
        # A name that is no plain file name is told apart by its digest.
        plain = account if _PLAIN.fullmatch(account) else hashlib.sha256(account.encode()).hexdigest()[:32]
        self.path = directory / f"brackets-{plain}.json"

    def load(self) -> tuple[BracketTable, ...]:
        """Return what was saved last, nothing if there is none. Never raises; a corrupt file is set aside."""
        try:
            content = kept.read(self.path)
        except OSError as error:
            log.warning("brackets.cache_unreadable", account=self._account, error=type(error).__name__)
            return ()
        if content is None:
            return ()
        tables = self._decoded(content)
        if tables is None:
            log.warning("brackets.cache_corrupt", account=self._account, file=self.path.name)
            kept.set_aside(self.path)
            return ()
        return tables

    def _decoded(self, content: bytes) -> tuple[BracketTable, ...] | None:
        found = kept.decoded(content, _File)
        if found is None or found.version != VERSION or found.account != self._account:
            return None
        usable = all(table.brackets and all(map(_is_tier, table.brackets)) for table in found.tables)
        return found.tables if usable else None

    def save(self, tables: Iterable[BracketTable]) -> None:
        """Replace what is kept; either all of it or nothing.

        Raises:
            StoreError: the file cannot be written; what was there before still is.
        """
        kept.replace(self.path, msgspec.json.encode(_File(VERSION, self._account, tuple(tables))))


def _is_tier(row: Bracket) -> bool:
    # No more than whoever saved it must have known: an exchange's own table may break finer rules.
    if row.leverage is not None and plausible_leverage(row.leverage) is None:
        return False
    return math.isfinite(row.cum) and 0.0 <= row.floor < row.cap < math.inf and 0.0 < row.mmr < 1.0
