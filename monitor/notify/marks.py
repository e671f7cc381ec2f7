"""Fates of messages into the database. Trouble there becomes an event on its edges and goes no further.

The message has gone out by then: to fail because of the mark would send it twice.
"""

from collections.abc import Awaitable, Sequence

from monitor.core.events import StoreState
from monitor.errors import StoreError
from monitor.notify.pending import Entry
from monitor.ports import Attempt, Inbox, StateStore


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

    async def accepted(self, entries: Sequence[Entry], tried: Attempt) -> None:
        """Record that the service took the message."""
        await self._write(entries, self._store.accepted(*_rows(entries), tried))

    async def attempted(self, entries: Sequence[Entry], tried: Attempt) -> None:
        """Record a failed attempt; the rows stay as they are."""
        await self._write(entries, self._store.attempted(*_rows(entries), tried))

    async def refused(self, entries: Sequence[Entry], tried: Attempt) -> None:
        """Record that it will not be tried again."""
        await self._write(entries, self._store.refused(*_rows(entries), tried))

    async def _write(self, entries: Sequence[Entry], writing: Awaitable[None]) -> None:
        try:
            await writing
        except StoreError as error:
            ok, reason = False, error.operation
        else:
            ok, reason = True, ""
        # An unrecorded notice is marked too, for its commit may have been repeated since; whether the database
        # takes writes is then told by whoever repeats it.
        if ok is not self._ok and any(entry.recorded for entry in entries):
            self._ok = ok
            self._inbox.post(StoreState("state", ok, reason))


def _rows(entries: Sequence[Entry]) -> tuple[list[str], str]:
    return [entry.notice.key for entry in entries], entries[0].notice.channel
