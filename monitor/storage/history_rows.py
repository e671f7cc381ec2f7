"""Rows of history for people and programs: each position beside the figures of the wallet that backs it."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from monitor.core.model import Level, Sample
from monitor.storage.history_reader import LATEST_MS, HistoryReader, Minute

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


class Filter(NamedTuple):
    """What is asked for; None is any. ``since_ms`` is included, ``until_ms`` is not."""

    symbol: str | None
    account: str | None
    since_ms: int
    wallet: str | None = None
    until_ms: int = LATEST_MS


def read(reader: HistoryReader, wanted: Filter, *, minutes: bool, limit: int = MOST_ROWS) -> list[Row]:
    """Return what positions and their wallets were, oldest first; of more than ``limit`` rows the newest."""
    return _minutes(reader, wanted, limit) if minutes else _samples(reader, wanted, limit)


def _minutes(reader: HistoryReader, wanted: Filter, limit: int) -> list[Row]:
    legs = reader.minutes(
        account=wanted.account, wallet=wanted.wallet, symbol=wanted.symbol, since_ms=wanted.since_ms,
        until_ms=wanted.until_ms, limit=limit, held=True,
    )  # fmt: skip
    found = {
        (m.minute_ms, m.account, m.wallet): m
        for account, wallet in _backing(legs)
        for m in reader.minutes(
            account=account, wallet=wallet, symbol="", since_ms=legs[0].minute_ms, until_ms=wanted.until_ms,
            limit=MOST_ROWS,
        )
    }  # fmt: skip
    rows = []
    for leg in legs:
        whole = found.get((leg.minute_ms, leg.account, leg.wallet))
        rows.append(
            Row(
                leg.minute_ms, leg.account, leg.wallet, leg.symbol, leg.side, Level(leg.level_max).label,
                whole.margin_ratio_max if whole else None, whole.room_min if whole else None,
                leg.distance_min, leg.mark_last, None, leg.source,
            )
        )  # fmt: skip
    return rows


def _samples(reader: HistoryReader, wanted: Filter, limit: int) -> list[Row]:
    samples = reader.samples(
        account=wanted.account, wallet=wanted.wallet, symbol=wanted.symbol, since_ms=wanted.since_ms,
        until_ms=wanted.until_ms, limit=limit, held=True,
    )  # fmt: skip
    wallets = {
        (s.at_ms, s.account, s.wallet): s
        for account, wallet in _backing(samples)
        for s in reader.samples(
            account=account, wallet=wallet, symbol="", since_ms=samples[0].at_ms, until_ms=wanted.until_ms,
            limit=MOST_ROWS,
        )
    }  # fmt: skip
    rows = []
    for sample in samples:
        backing = wallets.get((sample.at_ms, sample.account, sample.wallet))
        rows.append(
            Row(
                sample.at_ms, sample.account, sample.wallet, sample.symbol, sample.side,
                Level(sample.level).label, backing.margin_ratio if backing else None,
                backing.room if backing else None, sample.distance, sample.mark, sample.liquidation_price,
                sample.source,
            )
        )  # fmt: skip
    return rows


def _backing(found: Iterable[Sample | Minute]) -> list[tuple[str, str]]:
    """Return account and wallet of all that is there, each once."""
    return list(dict.fromkeys((one.account, one.wallet) for one in found))
