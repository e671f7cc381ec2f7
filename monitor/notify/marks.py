"""Fates of messages into the database. Trouble there becomes an event on its edges and goes no further.

The message has gone out by then: to fail because of the mark would send it twice.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from monitor.core.events import StoreState
from monitor.errors import StoreError
from monitor.notify.pending import Entry
from monitor.ports import Attempt, Inbox, Mark, StateStore

WRITE_S: Final = 2.0  # a disk that hangs must not hold back the next message: the fate is written later
OWED_KEPT: Final = 4096  # marks that could not be made; beyond that the oldest are forgotten


class Marks:
    """Records what became of a message for all notices in it at once; they are of one channel.

    Args:
        store: where rows are marked.
        inbox: gets a ``StoreState`` when marking fails or works again.
    """

    def __init__(self, store: StateStore, inbox: Inbox) -> None:
        self._store = store
        self._inbox = inbox
        self._ok = True
        self._owed: deque[Mark] = deque(maxlen=OWED_KEPT)
        self._under_way: set[tuple[str, str]] = set()

    def owes(self) -> bool:
        """Return whether marks could not be made that belong into the database."""
        return bool(self._owed)

    def is_marking(self, key: str, channel: str) -> bool:
        """Return whether the fate of a notice is being written: known, and in no table yet."""
        return (key, channel) in self._under_way

    @contextmanager
    def _marking(self, entries: Sequence[Entry]) -> Iterator[None]:
        names = {(entry.notice.key, entry.notice.channel) for entry in entries}
        self._under_way |= names
        try:
            yield
        finally:
            self._under_way -= names

    def unmarked(self) -> tuple[Mark, ...]:
        """Return these marks and forget them: whoever asks writes them."""
        owed = tuple(self._owed)
        self._owed.clear()
        return owed

    async def accepted(self, entries: Sequence[Entry], tried: Attempt) -> None:
        """Record that the service took the message."""
        with self._marking(entries):
            done = await self._write(entries, self._store.accepted(*_rows(entries), tried))
            self._owe(entries, "accepted", tried, done=done)

    async def attempted(self, entries: Sequence[Entry], tried: Attempt) -> None:
        """Record a failed attempt; the rows stay as they are."""
        await self._write(entries, self._store.attempted(*_rows(entries), tried))

    async def refused(self, entries: Sequence[Entry], tried: Attempt) -> None:
        """Record that it will not be tried again."""
        with self._marking(entries):
            done = await self._write(entries, self._store.refused(*_rows(entries), tried))
            self._owe(entries, "refused", tried, done=done)

    def _owe(self, entries: Sequence[Entry], outcome: str, tried: Attempt, *, done: bool) -> None:
        # A mark on a notice that is in no table yet marks nothing, and its row may be written later.
        left = [entry for entry in entries if not (done and entry.recorded)]
        if left:
            self._owed.append(Mark(*_rows(left), outcome, tried))

    async def _write(self, entries: Sequence[Entry], writing: Awaitable[None]) -> bool:
        try:
            async with asyncio.timeout(WRITE_S):
                await writing
        except (StoreError, TimeoutError) as error:
            told = StoreState("state", ok=False, reason="timed out")
            if isinstance(error, StoreError):
                told = StoreState("state", ok=False, reason=error.cause, hint=error.hint, path=error.path)
        else:
            told = StoreState("state", ok=True)
        # An unrecorded notice is marked too, for its commit may have been repeated since; whether the database
        # takes writes is then told by whoever repeats it.
        if told.ok is not self._ok and any(entry.recorded for entry in entries):
            self._ok = told.ok
            self._inbox.post(told)
        return told.ok


def _rows(entries: Sequence[Entry]) -> tuple[list[str], str]:
    return [entry.notice.key for entry in entries], entries[0].notice.channel
