"""state.db: the levels of all subjects and the outbox. Never lossy: what was committed survives any crash."""

import asyncio
import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from monitor.core.notices import Fate, Hold, Notice, SubjectState
from monitor.errors import DamagedError, StoreError
from monitor.ports import Attempt, Clock, Replaced, Rows, Stored
from monitor.storage import salvage, statements
from monitor.storage.failures import MOVED, breaks_connection, is_cut_short, is_odd
from monitor.storage.lookout import Inspector
from monitor.storage.outbox import (
    AttemptRow,
    OutboxCount,
    OutboxRow,
    Outcome,
    Pending,
    pending_of,
    to_counts,
    to_fate,
    to_hold,
    to_notice,
    to_subject,
)
from monitor.storage.sqlite import BUSY_S, Database, Row
from monitor.storage.state_reader import StateReader, to_attempts, to_rows
from monitor.storage.state_schema import STATE_SCHEMA
from monitor.storage.state_tables import SAVED, STATE_TABLES
from monitor.storage.statements import Statement

__all__ = ["KEEP_SETTLED_DAYS", "WRITE_BUSY_S", "SqliteState", "StateReader"]

log = structlog.get_logger()

KEEP_SETTLED_DAYS: Final = 90
# An alert waits for a commit: it gives up, and says why, before the committer goes on without it.
WRITE_BUSY_S: Final = 0.7
_DAY_MS: Final = 86_400_000
_PRUNE_EVERY_S: Final = 86_400.0


class SqliteState:
    """Implements ``ports.StateStore``; every method may be called while another is under way.

    Args:
        path: the file, ``state.db``.
        clock: dates what is superseded or resolved, and the retention.
        keep_settled_days: rows of the outbox that need nothing any more are removed after this, when opening and
            once a day.
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
        self._broken = False  # a new connection is needed
        self._damage: DamagedError | None = None  # found while it was open
        self._replaced: Replaced | None = None  # to be told
        self._replaced_s = -math.inf  # when a damaged file was last set aside, monotonic
        self._inspector = Inspector(path, STATE_SCHEMA, whole=True)
        self._openings = 0
        self._prune_at_s = math.inf
        self._in_doubt = False
        self.unreadable = 0

    def usable(self) -> bool:
        """Return whether it is open, neither damaged nor failing, and its file still where it was."""
        return self._damage is None and not self._broken and self._db.in_place()

    @property
    def in_doubt(self) -> bool:
        """Whether a write failed in an odd way since the file was looked through."""
        return self._in_doubt

    async def look_through(self) -> None:
        """Look whether its file is still sound; if it is not, it is set aside when it is opened next.

        Never raises, and delays no commit, but by dropping old settled rows once a day.
        """
        if not self.usable():
            return
        self._in_doubt = False
        seen = self._openings
        damage: DamagedError | None = None
        cut = False
        try:
            damage = await self._inspector.damage()
        except StoreError as error:
            cut = is_cut_short(error)
            log.warning("state.look_failed", path=error.path, cause=error.cause)
        # What was opened anew meanwhile is another file.
        if self._openings == seen and self.usable():
            self._damage = damage
            self._broken = cut
            if damage is not None:
                log.error("state.damage_found", path=damage.path, cause=damage.cause)
        if self.usable() and self._clock.mono_s() >= self._prune_at_s:
            with suppress(DamagedError):  # noted, and acted on with the next write
                await self._prune()

    async def open(self) -> Stored:
        """Open, migrate, drop old settled rows, and return what it holds.

        A damaged file is set aside, and what can still be read of it goes into a new one. Opened again it is
        opened anew where it is not ``usable``. One that is damaged again within ``salvage.REPLACE_AGAIN_S`` is an
        error until then.

        Raises:
            SchemaTooNewError: a newer version of this program wrote the file.
            StoreError: the file cannot be used; nothing in it was changed. May be tried again.
        """
        if not self.usable():
            await self._let_go()
        if self._damage is None:
            try:
                return await self._opened()
            except DamagedError as error:
                self._damage = error
                await self._let_go()
        await self._replace(self._damage)
        return await self._opened()

    async def _let_go(self) -> None:
        if self._db.is_open and not self._db.in_place():
            log.error("state.moved", path=str(self._db.path))
            self._replaced = Replaced(MOVED, "", "", whole=True)
        try:
            await self._db.close(keep_log=self._damage is not None)
        except StoreError as error:
            log.warning("state.close_failed", path=error.path, cause=error.cause)
        self._broken = False

    async def _replace(self, damage: DamagedError) -> None:
        if self._clock.mono_s() - self._replaced_s < salvage.REPLACE_AGAIN_S:
            raise damage.with_traceback(None)  # or it would grow with each time
        made = await asyncio.to_thread(
            salvage.replace, self._db.path, STATE_SCHEMA, STATE_TABLES, self._clock.wall_ms()
        )
        self._damage = None
        self._replaced_s = self._clock.mono_s()
        words = ", ".join(f"{rows} {SAVED[name]}" for name, rows in made.rows.items() if name in SAVED)
        self._replaced = Replaced(damage.cause, str(made.aside), words, made.whole)
        log.error(
            "state.damaged", path=damage.path, cause=damage.cause, aside=str(made.aside), saved=words,
            whole=made.whole,
        )  # fmt: skip

    async def _opened(self) -> Stored:
        await self._db.open()
        self._openings += 1
        self._in_doubt = False
        await self._prune()
        subjects = await self._db.rows("read levels", statements.SUBJECTS)
        notices = await self._db.rows("read outbox", statements.PENDING)
        refused = await self._db.rows("read outbox", statements.REFUSED)
        newest = await self._db.rows("read outbox", statements.FATES)
        holds = await self._db.rows("read holds", statements.HOLDS, (False,))
        [(last_number,)] = await self._db.rows("read numbers", statements.LAST_NUMBER)
        self.unreadable = 0
        states = tuple(state for row in subjects if (state := self._subject(row)) is not None)
        known = {state.subject for state in states}
        replaced, self._replaced = self._replaced, None
        pending = tuple(notice for row in notices if (notice := self._notice(row)) is not None)
        waiting = {(notice.key, notice.channel) for notice in pending}
        fates = (fate for row in newest if row[0] in known and (fate := self._fate(row)) is not None)
        return Stored(
            subjects=states,
            pending=pending,
            # One that cannot be read is sent by nobody: what it was about has to be told anew.
            fates=tuple(one for one in fates if one.state != "pending" or (one.key, one.channel) in waiting),
            holds=tuple(hold for row in holds if (hold := self._hold(row)) is not None),
            last_number=last_number,
            replaced=replaced,
            refused=tuple(notice for row in refused if (notice := self._notice(row)) is not None),
        )

    async def _prune(self) -> None:
        self._prune_at_s = self._clock.mono_s() + _PRUNE_EVERY_S
        try:
            before_ms = self._clock.wall_ms() - self._keep_ms
            await self._write("drop old rows", statements.prune(before_ms))
        except DamagedError:
            raise
        except StoreError as error:
            # Levels and pending notices can be read from a full disk, and that is what matters now.
            log.warning("state.prune_failed", path=error.path, cause=error.cause, hint=error.hint)

    def _subject(self, row: Row) -> SubjectState | None:
        state = to_subject(row[1])
        if state is None:
            self._report("subjects", row)
        return state

    def _notice(self, row: Row) -> Notice | None:
        notice = to_notice(row[1])
        if notice is None:
            self._report("outbox", row)
        return notice

    def _fate(self, row: Row) -> Fate | None:
        fate = to_fate(row)
        if fate is None:
            self._report("outbox", row)
        return fate

    def _hold(self, row: Row) -> Hold | None:
        hold = to_hold(row[1])
        if hold is None:
            self._report("holds", row)
        return hold

    def _report(self, table: str, row: Row) -> None:
        self.unreadable += 1
        log.error("state.row_unreadable", path=str(self._db.path), table=table, row=row[0])

    async def commit(self, rows: Rows) -> None:
        """Write all of it in one durable transaction; nothing at all if it raises.

        What is pending for a (subject, channel) in ``over`` is resolved first, save for ``notices`` themselves.
        Then a notice supersedes the pending ones of the same subject and channel; one that is already there is
        not added again, whatever became of it. A ``gone`` subject loses its row; its pending notices stay. The
        end of an incident is marked on all its rows, once. A hold replaces the one with its key, and an
        acknowledgement is marked on what had been decided about its incident by then.

        Raises:
            StoreError: nothing was written.
        """
        await self._write("commit", statements.commit(rows, self._clock.wall_ms()))

    async def attempted(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        """Record a failed attempt; the rows stay due. A notice that was never committed is passed over.

        Raises:
            StoreError: nothing was written.
        """
        await self._write("record an attempt", statements.attempt(keys, channel, tried, Outcome.FAILED))

    async def accepted(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        """Record that the service took the message, also on rows that were given up meanwhile.

        Raises:
            StoreError: nothing was written.
        """
        await self._write("record accepted", statements.attempt(keys, channel, tried, Outcome.ACCEPTED))

    async def refused(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        """Record that the service will never take it.

        Raises:
            StoreError: nothing was written.
        """
        await self._write("record refused", statements.attempt(keys, channel, tried, Outcome.REFUSED))

    async def _write(self, operation: str, steps: Iterable[Statement]) -> None:
        """Run statements in one transaction; nothing at all if there are none."""
        wanted = list(steps)
        if not wanted:
            return
        try:
            async with self._db.transaction(operation) as connection:
                for sql, parameters in wanted:
                    await connection.executemany(sql, parameters)
        except DamagedError as error:
            self._damage = error
            raise
        except StoreError as error:
            self._broken = self._broken or breaks_connection(error)
            self._in_doubt = self._in_doubt or is_odd(error)
            raise

    async def alerts(
        self, limit: int = 50, *, number: int | None = None, subject: str | None = None
    ) -> list[OutboxRow]:
        """Return the newest rows of the outbox, newest first: all, or those of one incident or subject.

        Raises:
            StoreError: it cannot be read.
        """
        wanted: dict[str, object] = {"number": number, "subject": subject, "limit": limit}
        found = await self._db.rows("read outbox", statements.ALERTS, wanted)
        return to_rows(self._db.path, found)

    async def attempts(self, key: str, channel: str) -> list[AttemptRow]:
        """Return the attempts at one notice, oldest first; of very many those in the middle are not kept.

        Raises:
            StoreError: it cannot be read.
        """
        found = await self._db.rows("read attempts", statements.ATTEMPTS, (key, channel))
        return to_attempts(self._db.path, found)

    async def counts(self) -> tuple[OutboxCount, ...]:
        """Return how many rows each channel has in each state; only what is there.

        Raises:
            StoreError: it cannot be read.
        """
        return to_counts(await self._db.rows("count outbox", statements.COUNTS))

    async def pending(self) -> Pending:
        """Return how many notices wait and since when.

        Raises:
            StoreError: it cannot be read.
        """
        return pending_of(await self.counts())

    async def close(self) -> None:
        """Close; calling it twice is fine."""
        await self._db.close()
