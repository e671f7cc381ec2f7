"""state.db: the levels of all subjects and the outbox. Never lossy: what was committed survives any crash."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from monitor.core.notices import Fate, Notice, SubjectState
from monitor.errors import StoreError
from monitor.ports import Clock, Stored
from monitor.storage.outbox import (
    ALERTS_SQL,
    COUNTS_SQL,
    OutboxCount,
    OutboxRow,
    OutboxState,
    Pending,
    leads_to,
    pending_of,
    to_counts,
    to_notice,
    to_payload,
    to_row,
)
from monitor.storage.schema import Schema
from monitor.storage.sqlite import BUSY_S, Database, Reader, Row

log = structlog.get_logger()

KEEP_SETTLED_DAYS: Final = 90
# An alert waits for a commit: it gives up, and says why, before the committer goes on without it.
WRITE_BUSY_S: Final = 0.7
_DAY_MS: Final = 86_400_000

STATE_SCHEMA: Final = Schema(
    "state",
    0x504D5354,  # "PMST"
    {
        1: (
            """
            CREATE TABLE subjects (
                subject TEXT PRIMARY KEY NOT NULL,
                level INTEGER NOT NULL,
                since_ms INTEGER NOT NULL,
                payload TEXT NOT NULL  -- JSON
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE outbox (  -- with a rowid: it is the order of decision within one millisecond
                key TEXT NOT NULL,
                channel TEXT NOT NULL,
                subject TEXT NOT NULL,
                kind TEXT NOT NULL,
                level INTEGER NOT NULL,
                decided_ms INTEGER NOT NULL,
                payload TEXT NOT NULL,  -- JSON
                state TEXT NOT NULL DEFAULT 'pending',
                attempts INTEGER NOT NULL DEFAULT 0,
                first_attempt_ms INTEGER,
                last_attempt_ms INTEGER,
                last_reason TEXT NOT NULL DEFAULT '',
                settled_ms INTEGER,
                PRIMARY KEY (key, channel)
            )
            """,
            "CREATE INDEX outbox_pending ON outbox (subject, channel) WHERE state = 'pending'",
            "CREATE INDEX outbox_decided ON outbox (decided_ms)",
        ),
    },
)

_PUT_SUBJECT: Final = """
INSERT INTO subjects (subject, level, since_ms, payload) VALUES (?, ?, ?, ?)
ON CONFLICT (subject) DO UPDATE
SET level = excluded.level, since_ms = excluded.since_ms, payload = excluded.payload
"""
_PUT_NOTICE: Final = """
INSERT INTO outbox (key, channel, subject, kind, level, decided_ms, payload) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key, channel) DO NOTHING
"""
# Stated as what must hold afterwards, so that committing a notice a second time cannot supersede a newer one.
_SUPERSEDE: Final = """
UPDATE outbox SET state = 'superseded', settled_ms = ?
WHERE state = 'pending' AND EXISTS (
    SELECT 1 FROM outbox AS newer
    WHERE newer.state = 'pending' AND newer.subject = outbox.subject AND newer.channel = outbox.channel
      AND newer.rowid > outbox.rowid
)
"""
# Spares the notices of its own commit, so that one repeated because nobody saw it succeed cannot resolve them.
_RESOLVE: Final = """
UPDATE outbox SET state = 'resolved', settled_ms = ?
WHERE subject = ? AND channel = ? AND state = 'pending' AND key NOT IN (SELECT value FROM json_each(?))
"""
_FATES: Final = """
SELECT subject, channel, state, decided_ms FROM outbox
WHERE rowid IN (SELECT max(rowid) FROM outbox GROUP BY subject, channel)
ORDER BY subject, channel
"""
_ATTEMPTED: Final = """
UPDATE outbox SET attempts = attempts + 1, first_attempt_ms = coalesce(first_attempt_ms, :at_ms),
    last_attempt_ms = :at_ms, last_reason = :reason
WHERE key = :key AND channel = :channel
"""
_SETTLE: Final = """
UPDATE outbox SET state = :state, settled_ms = :at_ms, attempts = attempts + 1,
    first_attempt_ms = coalesce(first_attempt_ms, :at_ms), last_attempt_ms = :at_ms,
    last_reason = coalesce(:reason, last_reason)
WHERE key = :key AND channel = :channel AND state IN (SELECT value FROM json_each(:leads_to))
"""

_subjects: Final = msgspec.json.Decoder(SubjectState)


class SqliteState:
    """Implements ``ports.StateStore``; every method may be called while another is under way.

    Args:
        path: the file, ``state.db``.
        clock: dates what is superseded or resolved, and the retention.
        keep_settled_days: rows of the outbox that need nothing any more are removed after this, when opening.
        busy_s: how long to wait for another program's lock when opening.
        write_busy_s: how long a commit or a mark waits for it.

    Attributes:
        unreadable: rows found when opening whose content could not be understood. They are left in the file.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        keep_settled_days: float = KEEP_SETTLED_DAYS,
        busy_s: float = BUSY_S,
        write_busy_s: float = WRITE_BUSY_S,
    ) -> None:
        self._db = Database(
            path, STATE_SCHEMA, synchronous="FULL", check=True, busy_s=busy_s, write_busy_s=write_busy_s
        )
        self._clock = clock
        self._keep_ms = round(keep_settled_days * _DAY_MS)
        self.unreadable = 0

    async def open(self) -> Stored:
        """Open, migrate, drop old settled rows, and return what it holds.

        Raises:
            SchemaTooNewError: a newer version of this program wrote the file.
            StoreError: the file cannot be used; nothing in it was changed. May be tried again.
        """
        await self._db.open()
        await self._prune()
        subjects = await self._db.rows("read levels", "SELECT subject, payload FROM subjects ORDER BY subject")
        notices = await self._db.rows(
            "read outbox",
            "SELECT key, payload FROM outbox WHERE state = 'pending' ORDER BY decided_ms, rowid",
        )
        newest = await self._db.rows("read outbox", _FATES)
        self.unreadable = 0
        states = tuple(state for row in subjects if (state := self._subject(row)) is not None)
        known = {state.subject for state in states}
        return Stored(
            subjects=states,
            pending=tuple(notice for row in notices if (notice := self._notice(row)) is not None),
            fates=tuple(Fate(*row) for row in newest if row[0] in known),
        )

    async def _prune(self) -> None:
        try:
            async with self._db.transaction("drop old rows") as connection:
                await connection.execute(
                    "DELETE FROM outbox WHERE state != 'pending' AND settled_ms < ?",
                    (self._clock.wall_ms() - self._keep_ms,),
                )
        except StoreError as error:
            # Levels and pending notices can be read from a full disk, and that is what matters now.
            log.warning("state.prune_failed", path=error.path, cause=error.cause, hint=error.hint)

    def _subject(self, row: Row) -> SubjectState | None:
        state = _to_subject(row[1])
        if state is None:
            self._report("subjects", row)
        return state

    def _notice(self, row: Row) -> Notice | None:
        notice = to_notice(row[1])
        if notice is None:
            self._report("outbox", row)
        return notice

    def _report(self, table: str, row: Row) -> None:
        self.unreadable += 1
        log.error("state.row_unreadable", path=str(self._db.path), table=table, row=row[0])

    async def commit(
        self,
        subjects: Sequence[SubjectState],
        gone: Sequence[str],
        notices: Sequence[Notice],
        over: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Write all of it in one durable transaction; nothing at all if it raises.

        What is pending for a (subject, channel) in ``over`` is resolved first, save for ``notices`` themselves.
        Then a notice supersedes the pending ones of the same subject and channel; one that is already there is
        not added again, whatever became of it. A ``gone`` subject loses its row; its pending notices stay.

        Raises:
            StoreError: nothing was written.
        """
        if not (subjects or gone or notices or over):
            return
        async with self._db.transaction("commit") as connection:
            if over:
                at_ms, own = self._clock.wall_ms(), json.dumps([notice.key for notice in notices])
                await connection.executemany(_RESOLVE, [(at_ms, *pair, own) for pair in over])
            if subjects:
                rows = [(s.subject, int(s.level), s.since_ms, to_payload(s)) for s in subjects]
                await connection.executemany(_PUT_SUBJECT, rows)
            if gone:
                await connection.executemany("DELETE FROM subjects WHERE subject = ?", [(name,) for name in gone])
            if notices:
                await connection.executemany(_PUT_NOTICE, [_notice_row(notice) for notice in notices])
                await connection.execute(_SUPERSEDE, (self._clock.wall_ms(),))

    async def attempted(self, key: str, channel: str, at_ms: int, reason: str) -> None:
        """Record a failed attempt; the row stays due. A notice that was never committed is passed over.

        Raises:
            StoreError: nothing was written.
        """
        async with self._db.transaction("record an attempt") as connection:
            facts = {"key": key, "channel": channel, "at_ms": at_ms, "reason": reason}
            await connection.execute(_ATTEMPTED, facts)

    async def accepted(self, key: str, channel: str, at_ms: int) -> None:
        """Record that the service took the message, also where the row was given up meanwhile.

        Raises:
            StoreError: nothing was written.
        """
        await self._settle(OutboxState.ACCEPTED, key, channel, at_ms, None)

    async def refused(self, key: str, channel: str, at_ms: int, reason: str) -> None:
        """Record that the service will never take it.

        Raises:
            StoreError: nothing was written.
        """
        await self._settle(OutboxState.REFUSED, key, channel, at_ms, reason)

    async def _settle(self, state: OutboxState, key: str, channel: str, at_ms: int, reason: str | None) -> None:
        facts = {
            "key": key,
            "channel": channel,
            "at_ms": at_ms,
            "reason": reason,
            "state": state.value,
            "leads_to": json.dumps(leads_to(state)),
        }
        async with self._db.transaction(f"record {state.value}") as connection:
            await connection.execute(_SETTLE, facts)

    async def alerts(self, limit: int = 50) -> list[OutboxRow]:
        """Return the newest rows of the outbox, newest first.

        Raises:
            StoreError: it cannot be read.
        """
        return _to_rows(self._db.path, await self._db.rows("read outbox", ALERTS_SQL, (limit,)))

    async def counts(self) -> tuple[OutboxCount, ...]:
        """Return how many rows each channel has in each state; only what is there.

        Raises:
            StoreError: it cannot be read.
        """
        return to_counts(await self._db.rows("count outbox", COUNTS_SQL))

    async def pending(self) -> Pending:
        """Return how many notices wait and since when.

        Raises:
            StoreError: it cannot be read.
        """
        return pending_of(await self.counts())

    async def close(self) -> None:
        """Close; calling it twice is fine."""
        await self._db.close()


class StateReader(Reader):
    """Reads state.db without changing it, for commands; use it as a context manager.

    Raises:
        StoreError: there is no such file, or it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, STATE_SCHEMA)

    def alerts(self, limit: int = 50) -> list[OutboxRow]:
        """Return the newest rows of the outbox, newest first."""
        return _to_rows(self.path, self.rows("read outbox", ALERTS_SQL, (limit,)))

    def counts(self) -> tuple[OutboxCount, ...]:
        """Return how many rows each channel has in each state; only what is there."""
        return to_counts(self.rows("count outbox", COUNTS_SQL))

    def pending(self) -> Pending:
        """Return how many notices wait and since when."""
        return pending_of(self.counts())

    def subjects(self) -> list[SubjectState]:
        """Return the levels as they were last committed; rows that cannot be read are left out."""
        rows = self.rows("read levels", "SELECT payload FROM subjects ORDER BY subject")
        return [state for (payload,) in rows if (state := _to_subject(payload)) is not None]


def _to_subject(payload: str) -> SubjectState | None:
    try:
        return _subjects.decode(payload)
    except (msgspec.DecodeError, UnicodeError, TypeError):
        return None


def _notice_row(notice: Notice) -> tuple[str, str, str, str, int, int, str]:
    return (
        notice.key,
        notice.channel,
        notice.subject,
        notice.kind.value,
        int(notice.level),
        notice.decided_ms,
        to_payload(notice),
    )


def _to_rows(path: Path, found: Sequence[Row]) -> list[OutboxRow]:
    try:
        return [to_row(row) for row in found]
    except ValueError as error:
        raise StoreError(str(path), "read outbox", str(error), "The file was edited by another program") from error
