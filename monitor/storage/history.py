"""history.db: samples of margin ratios and changes of accounts, batched and bounded.

It may lose rows under overload, and counts them.

Raw samples are kept for days, one row a minute for months. A sample is folded into its minute in the same
transaction that stores it, so no minute is ever computed from rows that were removed.
"""

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from monitor.beat import Beat
from monitor.core.model import Change, Sample
from monitor.errors import DamagedError, StoreError
from monitor.ports import Clock, Replaced
from monitor.storage import salvage
from monitor.storage.failures import MOVED, UnstorableError, breaks_connection, is_odd
from monitor.storage.history_schema import (
    DROP_EMPTY_SUBJECTS,
    FOLD,
    HISTORY_SCHEMA,
    PRUNE_CHANGES,
    PRUNE_MINUTES,
    PRUNE_SAMPLES,
    PUT_CHANGE,
    PUT_SAMPLE,
    PUT_SUBJECT,
)
from monitor.storage.lookout import Inspector
from monitor.storage.sqlite import BUSY_S, Database

log = structlog.get_logger()

_BATCH_ROWS: Final = 5_000  # in one transaction
_PRUNE_SUBJECTS: Final = 32  # in one step
_PRUNE_ROWS: Final = 500  # of each of them, from each table
_LONGEST_PAUSE_S: Final = 60.0
_PATIENCE_S: Final = 300.0  # with the disk: what hangs longer will not come back by itself
_FOLDED: Final = 12  # the leading fields of a sample that go into its minute

OVERFLOW: Final = "overflow"  # rows came faster than the disk took them
STORAGE: Final = "storage"  # the database could not be written
UNSTORABLE: Final = "unstorable"  # a row that no database would take
CLOSING: Final = "closing"  # offered after the end


class HistorySettings(msgspec.Struct, frozen=True):
    """How much is kept, and for how long. Durations in seconds; changes are kept as long as minutes are."""

    flush_s: float = 1.0
    max_rows: int = 50_000  # that wait to be written; then the oldest go
    keep_raw_s: float = 7 * 86_400.0
    keep_minutes_s: float = 400 * 86_400.0
    prune_every_s: float = 600.0


class SqliteHistory:
    """Samples and changes of accounts into the file: recording never blocks and never raises; ``run`` writes.

    It may lose rows under overload or with a full disk, and counts them. A change told twice is kept once.

    Args:
        path: the file, ``history.db``.
        clock: paces the writer and dates the retention.
        settings: bounds and durations.
        on_state: called with False and a reason when writing stops working, with True when it does again.
        busy_s: how long to wait for another program's lock.

    Attributes:
        beat: comes round with each batch and each pause.
        dropped: rows lost, by reason: ``overflow``, ``storage``, ``unstorable`` or ``closing``.
        written: rows committed.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        settings: HistorySettings,
        on_state: Callable[[bool, str], None],
        *,
        busy_s: float = BUSY_S,
        on_replaced: Callable[[Replaced], None] = lambda _: None,
    ) -> None:
        self._on_replaced = on_replaced
        self._damage: DamagedError | None = None
        self._replaced_s = -math.inf  # when a damaged file was last set aside, monotonic
        self._broken = False  # a new connection is needed
        self._db = Database(path, HISTORY_SCHEMA, synchronous="NORMAL", busy_s=busy_s)
        # It may be large: a look at all of it would take its disk for seconds, again and again.
        self._inspector = Inspector(path, HISTORY_SCHEMA, whole=False)
        self._closings = 0
        self._in_doubt = False
        self._clock = clock
        self._settings = settings
        self._on_state = on_state
        self._queue: deque[Sample | Change] = deque(maxlen=settings.max_rows)
        self._known: set[tuple[str, ...]] = set()  # subjects that have a row
        self._to_prune: list[int] = []
        self._old_changes = False  # there may be some
        self._prune_at_s = clock.mono_s()
        self._pause: asyncio.Timeout | None = None
        self._finishing = False
        self._ok = True
        self.beat = Beat(_PATIENCE_S)
        self.dropped: Counter[str] = Counter()
        self.written = 0

    @property
    def queued(self) -> int:
        """How many rows wait to be written."""
        return len(self._queue)

    @property
    def ok(self) -> bool:
        """Whether the last attempt to write worked."""
        return self._ok

    def keep(self, raw_s: float, minutes_s: float) -> None:
        """Keep samples and minutes for so long from now on, in seconds; what is too old by now goes soon."""
        if (raw_s, minutes_s) != (self._settings.keep_raw_s, self._settings.keep_minutes_s):
            self._settings = msgspec.structs.replace(self._settings, keep_raw_s=raw_s, keep_minutes_s=minutes_s)
            self._prune_at_s = self._clock.mono_s()

    def record(self, samples: Sequence[Sample]) -> None:
        """Queue samples for the next batch; the oldest rows go, counted, when there are too many."""
        self._take(samples)

    def record_changes(self, changes: Sequence[Change]) -> None:
        """Queue changes of accounts for the next batch, in the same queue and under the same bound."""
        self._take(changes)

    def _take(self, rows: Sequence[Sample | Change]) -> None:
        if self._finishing:
            self.dropped[CLOSING] += len(rows)
            return
        excess = len(self._queue) + len(rows) - self._settings.max_rows
        if excess > 0:
            self.dropped[OVERFLOW if self._ok else STORAGE] += excess
        self._queue.extend(rows)

    async def open(self) -> None:
        """Open and migrate; does nothing if it is open. ``run`` does it too, and keeps trying.

        A damaged file is set aside and a new one begun; one that went is begun anew.

        Raises:
            SchemaTooNewError: a newer version of this program wrote the file.
            StoreError: the file cannot be used.
        """
        moved = self._db.is_open and not self._db.in_place()
        if moved or self._broken or self._damage is not None:
            await self._let_go()
        if self._damage is None:
            try:
                await self._db.open()
            except DamagedError as error:
                self._damage = error
        if self._damage is not None:
            await self._replace(self._damage)
            await self._db.open()
        if moved:
            log.error("history.moved", path=str(self._db.path))
            self._on_replaced(Replaced(MOVED, "", "", whole=True))

    @property
    def in_doubt(self) -> bool:
        """Whether a write failed in an odd way since the file was looked at."""
        return self._in_doubt

    async def look_through(self) -> None:
        """Look whether a part of its file is still sound; if it is not, it is set aside with the next write.

        Never raises.
        """
        if self._damage is not None or not self._db.in_place():
            return
        self._in_doubt = False
        seen = self._closings
        try:
            damage = await self._inspector.damage()
        except StoreError as error:
            log.warning("history.look_failed", path=error.path, cause=error.cause)
            return
        if damage is not None and self._closings == seen and self._db.in_place():
            log.error("history.damage_found", path=damage.path, cause=damage.cause)
            self._damage = damage

    async def _let_go(self) -> None:
        try:
            await self._db.close()
        except StoreError as error:
            log.warning("history.close_failed", path=error.path, cause=error.cause)
        self._known.clear()
        self._to_prune.clear()
        self._broken = False
        self._closings += 1

    async def _replace(self, damage: DamagedError) -> None:
        """Begin anew. Nothing is saved: history is large, and nothing is decided by it."""
        if self._clock.mono_s() - self._replaced_s < salvage.REPLACE_AGAIN_S:
            raise damage.with_traceback(None)  # or it would grow with each time
        made = await asyncio.to_thread(salvage.replace, self._db.path, HISTORY_SCHEMA, (), self._clock.wall_ms())
        self._damage = None
        self._replaced_s = self._clock.mono_s()
        log.error("history.damaged", path=damage.path, cause=damage.cause, aside=str(made.aside))
        self._on_replaced(Replaced(damage.cause, str(made.aside), "", whole=False))

    async def run(self) -> None:
        """Write what is recorded until ``finish`` was called and the rest is written.

        When storage fails it keeps what it may and tries again, less and less often; at the end it tries once.
        """
        failures = 0
        ending = False
        while not ending:
            await self._rest(min(_LONGEST_PAUSE_S, self._settings.flush_s * 2.0**failures))
            ending = self._finishing
            try:
                await self.open()
                await self._flush()
                if not ending:
                    await self._prune()
            except StoreError as error:
                if isinstance(error, DamagedError) and self._db.is_open:
                    self._damage = error
                self._broken = self._broken or breaks_connection(error)
                self._in_doubt = self._in_doubt or is_odd(error)
                failures = min(failures + 1, 10)
                self._turned_bad(error)
            else:
                failures = 0
                self._turned_good()
        self.dropped[STORAGE] += len(self._queue)
        self._queue.clear()

    def finish(self) -> None:
        """Take no more; ``run`` writes the rest at once and returns."""
        self._finishing = True
        if self._pause is not None:
            self._pause.reschedule(asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Close; calling it twice is fine.

        Raises:
            StoreError: closing failed; the connection is gone all the same.
        """
        await self._db.close()

    async def _rest(self, seconds: float) -> None:
        """Sleep, unless or until it is time to finish."""
        if self._finishing:
            return
        self.beat.back(self._clock.mono_s() + seconds)
        try:
            async with asyncio.timeout(None) as self._pause:
                await self._clock.sleep(seconds)
        except TimeoutError:
            pass  # finish() ended it
        finally:
            self._pause = None

    def _turned_bad(self, error: StoreError) -> None:
        if self._ok:
            self._ok = False
            log.warning("history.storage_lost", path=error.path, operation=error.operation, cause=error.cause,
                        hint=error.hint)  # fmt: skip
            self._on_state(False, error.cause)

    def _turned_good(self) -> None:
        if not self._ok:
            self._ok = True
            log.info("history.storage_back", path=str(self._db.path), dropped_rows=self.dropped[STORAGE])
            self._on_state(True, "")

    async def _flush(self) -> None:
        """Write what waited when it was called; what cannot be written waits again."""
        todo = len(self._queue)
        while todo > 0 and self._queue:
            batch = [self._queue.popleft() for _ in range(min(todo, _BATCH_ROWS, len(self._queue)))]
            todo -= len(batch)
            try:
                await self._write(batch)
            except UnstorableError:
                await self._write_singly(batch)
            except StoreError:
                self._put_back(batch)
                raise

    async def _write(self, batch: Sequence[Sample | Change]) -> None:
        samples = [row for row in batch if isinstance(row, Sample)]
        changes = [msgspec.structs.astuple(row) for row in batch if isinstance(row, Change)]
        subjects = {sample[1:5] for sample in samples} - self._known
        async with self._db.transaction("write") as connection:
            if subjects:
                await connection.executemany(PUT_SUBJECT, subjects)
            if samples:
                await connection.executemany(PUT_SAMPLE, samples)
                await connection.executemany(FOLD, [sample[:_FOLDED] for sample in samples])
            if changes:
                await connection.executemany(PUT_CHANGE, changes)
        self._known |= subjects
        self.written += len(batch)
        self.beat.back(self._clock.mono_s())

    async def _write_singly(self, batch: Sequence[Sample | Change]) -> None:
        """Find the row that spoils a batch, so that the others are kept."""
        for at, row in enumerate(batch):
            try:
                await self._write([row])
            except UnstorableError:
                self.dropped[UNSTORABLE] += 1
            except StoreError:
                self._put_back(batch[at:])
                raise

    def _put_back(self, batch: Sequence[Sample | Change]) -> None:
        """Return a batch to the front of the queue, as far as newer rows left room."""
        room = self._settings.max_rows - len(self._queue)
        lost = max(0, len(batch) - room)
        self.dropped[STORAGE] += lost
        self._queue.extendleft(reversed(batch[lost:]))

    async def _prune(self) -> None:
        """Remove one bounded portion of what is too old; a round over all subjects takes many wakes."""
        if self._old_changes:
            await self._prune_changes()
        if not self._to_prune:
            if self._clock.mono_s() < self._prune_at_s:
                return
            rows = await self._db.rows("list subjects", "SELECT id FROM subjects ORDER BY id")
            self._to_prune = [subject for (subject,) in rows]
            self._old_changes = True
            self._prune_at_s = self._clock.mono_s() + self._settings.prune_every_s
            if not rows:
                return
        portion = self._to_prune[:_PRUNE_SUBJECTS]
        now_ms = self._clock.wall_ms()
        before_raw = now_ms - round(self._settings.keep_raw_s * 1000)
        before_minute = now_ms - round(self._settings.keep_minutes_s * 1000)
        async with self._db.transaction("drop old rows") as connection:
            raw = await connection.executemany(
                PRUNE_SAMPLES, [(subject, before_raw, _PRUNE_ROWS) for subject in portion]
            )
            minutes = await connection.executemany(
                PRUNE_MINUTES, [(subject, before_minute, _PRUNE_ROWS) for subject in portion]
            )
            removed = raw.rowcount + minutes.rowcount
            if removed == 0:
                await connection.executemany(DROP_EMPTY_SUBJECTS, [(subject,) for subject in portion])
        if removed == 0:  # else the same portion again: it may have more
            del self._to_prune[:_PRUNE_SUBJECTS]
            self._known.clear()

    async def _prune_changes(self) -> None:
        before_ms = self._clock.wall_ms() - round(self._settings.keep_minutes_s * 1000)
        async with self._db.transaction("drop old changes") as connection:
            removed = await connection.execute(PRUNE_CHANGES, (before_ms, _PRUNE_ROWS))
            self._old_changes = removed.rowcount == _PRUNE_ROWS
