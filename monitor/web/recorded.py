"""What is read from the databases for the JSON interface. Blocks: everything here runs in a thread."""

from pathlib import Path

import msgspec

from monitor.errors import StoreError
from monitor.ledger import Wanted, incomplete, told_row
from monitor.status import Status
from monitor.storage.history_reader import Filter, HistoryReader
from monitor.storage.history_rows import MOST_ROWS, Row, read
from monitor.storage.sqlite import PIECE
from monitor.storage.state_reader import StateReader
from monitor.web.asking import must_be_known
from monitor.web.reading import rest
from monitor.web.shapes import History, HistoryQuery, ToldAlerts, ToldQuery


def told(path: Path, query: ToldQuery, found: Status) -> bytes:
    """Return the messages that are asked for, as JSON.

    Raises:
        AskedWronglyError: there is no such channel.
        StoreError: the database cannot be read.
    """
    # What is left out for its channel or symbol has to be read all the same.
    most = MOST_ROWS if query.channel or query.symbol else query.limit
    holders = {f"{one.account}/{one.wallet}" for one in found.engine.positions if one.symbol == query.symbol}
    wanted = Wanted(query.since_ms, query.channel, query.symbol, holders)
    with StateReader(path, rest) as reader:
        if query.channel:
            known = dict.fromkeys(one["channel"] for one in found.channels)
            must_be_known("channel", query.channel, (*known, *(row.channel for row in reader.counts())))
        rows = [row for row in reader.alerts(most, number=query.number or None) if wanted.takes(row)]
    why = None if found.state_ok else incomplete(found.unwritable.get("state", ""))
    return msgspec.json.encode(ToldAlerts(tuple(map(told_row, rows[: query.limit])), why))


def history(path: Path, query: HistoryQuery) -> bytes:
    """Return the rows of history that are asked for, as JSON.

    Raises:
        AskedWronglyError: a name has no history at all: an empty answer would read as calm.
        StoreError: the database cannot be read.
    """
    at_ms, _, count = query.cursor.partition("-")
    wanted = Filter(
        symbol=query.symbol or None, account=query.account or None, wallet=query.wallet or None,
        since_ms=query.since_ms, until_ms=min(query.until_ms, int(at_ms) + 1) if at_ms else query.until_ms,
    )  # fmt: skip
    with _reader(path) as reader:
        subjects = reader.subjects()
        must_be_known("symbol", query.symbol, [one.symbol for one in subjects if one.symbol])
        must_be_known("account", query.account, [one.account for one in subjects])
        must_be_known("wallet", query.wallet, [one.wallet for one in subjects])
        # Rows of that moment which an earlier answer had: a position has one at most.
        seen = min(int(count or 0), len(subjects))
        rows = read(reader, wanted, minutes=query.rows == "minutes", limit=query.limit + seen + 1)
    more = len(rows) > query.limit + seen
    rows = rows[: len(rows) - seen][-query.limit :]
    return _encoded(rows, _cursor(rows, at_ms, seen) if more and rows else None)


def _encoded(rows: list[Row], following: str | None) -> bytes:
    """Return an answer as JSON, made a few rows at a time."""
    pieces = []
    for first in range(0, len(rows), PIECE):
        pieces.append(msgspec.json.encode(rows[first : first + PIECE])[1:-1])
        rest()
    frame = msgspec.json.encode(History((), following))
    return frame.replace(b"[]", b"[" + b",".join(pieces) + b"]", 1)


def _reader(path: Path) -> HistoryReader:
    if not path.is_file():
        raise StoreError(str(path), "open", "there is no such file", "It is made as soon as something is recorded")
    return HistoryReader(path, rest)


def _cursor(rows: list[Row], at_ms: str, seen: int) -> str:
    """Return where the rows before these are: the first one's moment, and how many of its rows are known."""
    first_ms = rows[0].at_ms
    before = seen if at_ms and int(at_ms) == first_ms else 0
    return f"{first_ms}-{before + sum(one.at_ms == first_ms for one in rows)}"
