"""Reads state.db for commands, beside a running daemon or without one."""

from collections.abc import Callable, Sequence
from pathlib import Path

from monitor.core.notices import Hold, SubjectState
from monitor.errors import StoreError
from monitor.storage import statements
from monitor.storage.outbox import (
    AttemptRow,
    OutboxCount,
    OutboxRow,
    Pending,
    pending_of,
    to_attempt,
    to_counts,
    to_hold,
    to_row,
    to_subject,
)
from monitor.storage.sqlite import Reader, Row, go_on
from monitor.storage.state_schema import STATE_SCHEMA


class StateReader(Reader):
    """Reads state.db without changing it, for commands; use it as a context manager.

    Raises:
        StoreError: there is no such file, or it cannot be used.
    """

    def __init__(self, path: Path, rest: Callable[[], None] = go_on) -> None:
        super().__init__(path, STATE_SCHEMA, rest)

    def alerts(self, limit: int = 50, *, number: int | None = None, subject: str | None = None) -> list[OutboxRow]:
        """Return the newest rows of the outbox, newest first: all, or those of one incident or subject."""
        wanted: dict[str, object] = {"number": number, "subject": subject, "limit": limit}
        return to_rows(self.path, self.rows("read outbox", statements.ALERTS, wanted))

    def attempts(self, key: str, channel: str) -> list[AttemptRow]:
        """Return the attempts at one notice, oldest first; of very many those in the middle are not kept."""
        return to_attempts(self.path, self.rows("read attempts", statements.ATTEMPTS, (key, channel)))

    def holds(self, *, ended: bool = False) -> list[Hold]:
        """Return what people asked for, oldest first; with ``ended`` also what is over. Bad rows are left out."""
        rows = self.rows("read holds", statements.HOLDS, (ended,))
        return [hold for _, payload in rows if (hold := to_hold(payload)) is not None]

    def subjects(self) -> list[SubjectState]:
        """Return the levels as they were last committed; rows that cannot be read are left out."""
        rows = self.rows("read levels", statements.SUBJECTS)
        return [state for _, payload in rows if (state := to_subject(payload)) is not None]

    def counts(self) -> tuple[OutboxCount, ...]:
        """Return how many rows each channel has in each state; only what is there."""
        return to_counts(self.rows("count outbox", statements.COUNTS))

    def pending(self) -> Pending:
        """Return how many notices wait and since when."""
        return pending_of(self.counts())


def to_rows(path: Path, found: Sequence[Row]) -> list[OutboxRow]:
    """Return what ``statements.ALERTS`` found.

    Raises:
        StoreError: a row holds words this program does not know.
    """
    try:
        return [to_row(row) for row in found]
    except ValueError as error:
        raise StoreError(str(path), "read outbox", str(error), "The file was edited by another program") from error


def to_attempts(path: Path, found: Sequence[Row]) -> list[AttemptRow]:
    """Return what ``statements.ATTEMPTS`` found.

    Raises:
        StoreError: a row holds words this program does not know.
    """
    try:
        return [to_attempt(row) for row in found]
    except ValueError as error:
        raise StoreError(
            str(path), "read attempts", str(error), "The file was edited by another program"
        ) from error
