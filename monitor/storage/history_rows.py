"""Rows of history for people and programs: each position beside the figures of the wallet that backs it."""

from typing import Final

import msgspec

from monitor.core.model import Level
from monitor.storage.history_reader import Filter, HistoryReader

MOST_ROWS: Final = 10_000


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
    asked = _minutes if minutes else _samples
    legs = asked(reader, wanted._replace(held=True), limit)
    wallets = {
        (row.at_ms, row.account, row.wallet): row
        for account, wallet in dict.fromkeys((leg.account, leg.wallet) for leg in legs)
        for row in asked(
            reader, Filter(account, wallet, "", since_ms=legs[0].at_ms, until_ms=wanted.until_ms), MOST_ROWS
        )
    }
    return [_backed(leg, wallets.get((leg.at_ms, leg.account, leg.wallet))) for leg in legs]


def _minutes(reader: HistoryReader, wanted: Filter, limit: int) -> list[Row]:
    return [
        Row(
            one.minute_ms, one.account, one.wallet, one.symbol, one.side, Level(one.level_max).label,
            one.margin_ratio_max, one.room_min, one.distance_min, one.mark_last, None, one.source,
        )
        for one in reader.minutes(wanted, limit=limit)
    ]  # fmt: skip


def _samples(reader: HistoryReader, wanted: Filter, limit: int) -> list[Row]:
    return [
        Row(
            one.at_ms, one.account, one.wallet, one.symbol, one.side, Level(one.level).label,
            one.margin_ratio, one.room, one.distance, one.mark, one.liquidation_price, one.source,
        )
        for one in reader.samples(wanted, limit=limit)
    ]  # fmt: skip


def _backed(leg: Row, wallet: Row | None) -> Row:
    ratio, room = (None, None) if wallet is None else (wallet.margin_ratio, wallet.room)
    return msgspec.structs.replace(leg, margin_ratio=ratio, room=room)
