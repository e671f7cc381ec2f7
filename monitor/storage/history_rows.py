"""Rows of history for people and programs: each position beside the figures of the wallet that backs it."""

from typing import Final

import msgspec

from monitor.core.model import Level
from monitor.storage.history_reader import Filter, HistoryReader

MOST_ROWS: Final = 10_000
_LABELS: Final = {int(level): level.label for level in Level}
_LEVEL: Final = 5  # its column


class Row(msgspec.Struct, frozen=True):
    """A position at one time with its wallet's figures; in minute rows each figure is the worst of the minute."""

    at_ms: int
    account: str
    wallet: str
    symbol: str
    side: str
    level: str
    margin_ratio: float | None
    room: float | None
    distance: float | None
    mark: float | None
    liquidation_price: float | None
    source: str

    @property
    def subject(self) -> tuple[str, str, str, str]:
        """Whose figures these are."""
        return self.account, self.wallet, self.symbol, self.side


def read(reader: HistoryReader, wanted: Filter, *, minutes: bool, limit: int = MOST_ROWS) -> list[Row]:
    """Return what positions and their wallets were, oldest first; of more than ``limit`` rows the newest."""
    rows: list[Row] = []
    for piece in reader.backed(wanted, minutes=minutes, limit=limit):
        rows += [Row(*(*row[:_LEVEL], _LABELS[row[_LEVEL]], *row[_LEVEL + 1 :])) for row in piece]
    rows.reverse()
    return rows
