"""Reads history.db without changing it, for commands; beside a running daemon or without one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from monitor.core.model import Change, ChangeKind, Sample
from monitor.storage.history_schema import HISTORY_SCHEMA, MINUTE_MS
from monitor.storage.sqlite import Reader, go_on

LATEST_MS: Final = 2**62  # later than any sample


class Subject(NamedTuple):
    """What has a history: a wallet (symbol and side empty) or a position."""

    account: str
    wallet: str
    symbol: str
    side: str


class Filter(NamedTuple):
    """Which rows are asked for, exactly; None is any, an empty symbol means wallets only, ``held`` positions only.

    ``since_ms`` is included, ``until_ms`` is not.
    """

    account: str | None = None
    wallet: str | None = None
    symbol: str | None = None
    side: str | None = None
    since_ms: int = 0
    until_ms: int = LATEST_MS
    held: bool = False


EVERYTHING: Final = Filter()


class Minute(NamedTuple):
    """One minute of one subject; None where nothing was known. An infinite margin ratio is None too."""

    minute_ms: int  # its start, Unix milliseconds
    account: str
    wallet: str
    symbol: str
    side: str
    source: str  # of the last sample
    level_max: int
    margin_ratio_max: float | None
    margin_ratio_last: float | None
    room_min: float | None
    distance_min: float | None
    joint_distance_min: float | None
    mark_low: float | None
    mark_high: float | None
    mark_last: float | None
    samples: int


class Worst(NamedTuple):
    """The worst of one subject in a period; the figures need not belong to the same minute."""

    account: str
    wallet: str
    symbol: str
    side: str
    minute_ms: int  # when the level was highest and, among those minutes, the room smallest
    level: int
    margin_ratio: float | None
    room: float | None
    distance: float | None
    joint_distance: float | None
    samples: int


# A parameter that is NULL asks for all.
_WHO: Final = """
    (:account IS NULL OR s.account = :account) AND (:wallet IS NULL OR s.wallet = :wallet)
    AND (:symbol IS NULL OR s.symbol = :symbol) AND (:side IS NULL OR s.side = :side)
    AND (NOT :held OR s.symbol <> '')
"""


def _listed(table: str, at: str, columns: str) -> str:
    """Return the query for the newest rows of a table: time, subject and these columns of it."""
    return f"""
SELECT x.{at}, s.account, s.wallet, s.symbol, s.side, {columns}
FROM subjects AS s CROSS JOIN {table} AS x ON x.subject_id = s.id
WHERE {_WHO} AND x.{at} >= :since_ms AND x.{at} < :until_ms
ORDER BY x.{at} DESC, s.account DESC, s.wallet DESC, s.symbol DESC, s.side DESC LIMIT :limit
"""  # noqa: S608 - put together from constants; what users give is bound


def _backed(table: str, at: str, columns: str, shown: str) -> str:
    """Return the query for rows beside those of their wallets at the same time: joined to what the limit leaves.

    Args:
        table: of rows.
        at: its column of time.
        columns: of a row of its own.
        shown: what is returned after time and subject; a row is ``l``, that of its wallet ``w``.
    """
    return f"""
SELECT l.{at}, l.account, l.wallet, l.symbol, l.side, {shown}
FROM ({_listed(table, at, columns)}) AS l
LEFT JOIN subjects AS o ON o.account = l.account AND o.wallet = l.wallet AND o.symbol = '' AND o.side = ''
LEFT JOIN {table} AS w ON w.subject_id = o.id AND w.{at} = l.{at}
ORDER BY l.{at} DESC, l.account DESC, l.wallet DESC, l.symbol DESC, l.side DESC
"""  # noqa: S608 - put together from constants; what users give is bound


_SAMPLES: Final = _listed(
    "samples",
    "at_ms",
    "x.source, x.level, x.margin_ratio, x.room, x.distance, x.joint_distance, x.mark, x.liquidation_price,"
    " x.margin_balance, x.maintenance_margin, x.cushion, x.moves_left",
)
_MINUTES: Final = _listed(
    "minutes",
    "minute_ms",
    "x.source, x.level_max, x.margin_ratio_max, x.margin_ratio_last, x.room_min, x.distance_min,"
    " x.joint_distance_min, x.mark_low, x.mark_high, x.mark_last, x.samples",
)
_SAMPLES_BACKED: Final = _backed(
    "samples",
    "at_ms",
    "x.level, x.distance, x.mark, x.liquidation_price, x.source",
    "l.level, w.margin_ratio, w.room, l.distance, l.mark, l.liquidation_price, l.source",
)
_MINUTES_BACKED: Final = _backed(
    "minutes",
    "minute_ms",
    "x.level_max, x.distance_min, x.mark_last, x.source",
    "l.level_max, w.margin_ratio_max, w.room_min, l.distance_min, l.mark_last, NULL, l.source",
)
_WORST: Final = f"""
SELECT account, wallet, symbol, side, minute_ms, level, margin_ratio, room, distance, joint_distance, samples
FROM (
    SELECT s.account, s.wallet, s.symbol, s.side, m.minute_ms,
           max(m.level_max) OVER whole AS level,
           max(m.margin_ratio_max) OVER whole AS margin_ratio,
           min(m.room_min) OVER whole AS room,
           min(m.distance_min) OVER whole AS distance,
           min(m.joint_distance_min) OVER whole AS joint_distance,
           sum(m.samples) OVER whole AS samples,
           row_number() OVER (
               PARTITION BY s.id
               ORDER BY m.level_max DESC, m.room_min NULLS LAST, m.distance_min NULLS LAST, m.minute_ms
           ) AS nth
    FROM subjects AS s CROSS JOIN minutes AS m ON m.subject_id = s.id
    WHERE {_WHO} AND m.minute_ms >= :since_ms AND m.minute_ms < :until_ms
    WINDOW whole AS (PARTITION BY s.id)
)
WHERE nth = 1
ORDER BY level DESC, room NULLS LAST, distance NULLS LAST, account, wallet, symbol, side LIMIT :limit
"""  # noqa: S608 - put together from constants; what users give is bound
_CHANGES: Final = """
SELECT at_ms, account, kind, symbol, side, asset, before, after, price, cause FROM changes
WHERE {} at_ms >= :since_ms AND at_ms < :until_ms ORDER BY at_ms DESC, id DESC LIMIT :limit
"""
# Raw rows may be gone sooner, a minute's row may have grown since: whichever of them is the later.
_NEWEST: Final = """
SELECT s.symbol, max(
    ifnull((SELECT max(x.at_ms) FROM samples AS x WHERE x.subject_id = s.id AND x.at_ms < :before_ms
            AND x.source <> 'given'), 0),
    ifnull((SELECT m.last_ms FROM minutes AS m WHERE m.subject_id = s.id AND m.minute_ms < :before_ms
            AND m.last_ms < :before_ms AND m.source <> 'given' ORDER BY m.minute_ms DESC LIMIT 1), 0)
)
FROM subjects AS s WHERE s.symbol <> ''
"""


class HistoryReader(Reader):
    """Queries of history.db; a context manager.

    With more rows than ``limit`` the newest are returned. Every method raises StoreError.

    Raises:
        StoreError: there is no such file, or it cannot be used.
    """

    def __init__(self, path: Path, rest: Callable[[], None] = go_on) -> None:
        super().__init__(path, HISTORY_SCHEMA, rest)

    def subjects(self) -> list[Subject]:
        """Return everything that has a history."""
        sql = "SELECT account, wallet, symbol, side FROM subjects ORDER BY account, wallet, symbol, side"
        return [Subject(*row) for row in self.rows("list subjects", sql)]

    def samples(self, wanted: Filter = EVERYTHING, *, limit: int = 10_000) -> list[Sample]:
        """Return raw samples, oldest first."""
        return [Sample(*row) for row in reversed(self.rows("read samples", _SAMPLES, _bound(wanted, limit)))]

    def minutes(self, wanted: Filter = EVERYTHING, *, limit: int = 10_000) -> list[Minute]:
        """Return rows of one minute, oldest first, from the minute that holds ``since_ms`` on."""
        bound = _bound(_whole_minutes(wanted), limit)
        return [Minute(*row) for row in reversed(self.rows("read minutes", _MINUTES, bound))]

    def backed(self, wanted: Filter, *, minutes: bool, limit: int) -> Iterator[list[tuple[Any, ...]]]:
        """Yield positions beside their wallets, a few at a time and the newest first.

        Columns are those of ``history_rows.Row``, with the level's number.
        """
        if minutes:
            wanted = _whole_minutes(wanted)
        bound = _bound(wanted._replace(held=True), limit)
        return self.pieces("read history", _MINUTES_BACKED if minutes else _SAMPLES_BACKED, bound)

    def worst(self, wanted: Filter = EVERYTHING, *, limit: int = 100) -> list[Worst]:
        """Return the worst of each subject, worst subject first, from the minute that holds ``since_ms`` on."""
        bound = _bound(_whole_minutes(wanted), limit)
        return [Worst(*row) for row in self.rows("read minutes", _WORST, bound)]

    def changes(
        self,
        account: str | None = None,
        symbol: str | None = None,
        since_ms: int = 0,
        until_ms: int = LATEST_MS,
        limit: int = 10_000,
    ) -> list[Change]:
        """Return changes of accounts, oldest first; an empty symbol means those that are about no position."""
        given = {"account": account, "symbol": symbol}
        # Written out for what is asked, so that the index that fits is used.
        who = "".join(f"{column} = :{column} AND " for column, value in given.items() if value is not None)
        when: dict[str, object] = {"since_ms": since_ms, "until_ms": until_ms, "limit": limit}
        rows = self.rows("read changes", _CHANGES.format(who), given | when)
        return [Change(at_ms, name, ChangeKind(kind), *rest) for at_ms, name, kind, *rest in reversed(rows)]

    def changed(self) -> list[tuple[str, str]]:
        """Return account and symbol of everything that changed, in order; an empty symbol is the account."""
        rows = self.rows("list changes", "SELECT DISTINCT account, symbol FROM changes ORDER BY account, symbol")
        return [(account, symbol) for account, symbol in rows]

    def newest(self, before_ms: int) -> dict[str, int]:
        """Return when each symbol was last recorded before a time, Unix milliseconds; only those that were."""
        found: dict[str, int] = {}
        for symbol, at_ms in self.rows("find the newest rows", _NEWEST, {"before_ms": before_ms}):
            if at_ms:
                found[symbol] = max(at_ms, found.get(symbol, 0))
        return found


def _bound(wanted: Filter, limit: int) -> dict[str, object]:
    return {**wanted._asdict(), "limit": limit}


def _whole_minutes(wanted: Filter) -> Filter:
    return wanted._replace(since_ms=wanted.since_ms - wanted.since_ms % MINUTE_MS)
