"""A file of everything that entered the engine, one JSON object a line, and its replay.

The first line names the format. Events hold positions and prices, no secret; the file is for its owner only.
"""

import contextlib
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO

import msgspec

from monitor.core.events import Event
from monitor.core.model import Now
from monitor.errors import JournalError, StoreError

FORMAT = 1
UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)  # all that msgspec raises on damaged bytes


class Header(msgspec.Struct, frozen=True):
    """First line of a journal."""

    journal: int
    version: str  # of the program that wrote it


class Entry(msgspec.Struct, frozen=True):
    """One event and when the engine took it."""

    now: Now
    event: Event


class JournalWriter:
    """Appends entries; a write that fails raises StoreError once and ends the journal, not the daemon."""

    def __init__(self, path: Path, version: str) -> None:
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self.kept: Path | None = None  # where an earlier journal of this name was moved
        try:
            if path.is_file() and path.stat().st_size > 0:
                # The one before may explain why there is a new one: it is never overwritten.
                self.kept = next(p for n in count(1) if not (p := path.with_name(f"{path.name}.{n}")).exists())
                path.rename(self.kept)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file: BinaryIO | None = os.fdopen(descriptor, "wb")
        except OSError as error:
            hint = "Choose another path for --journal."
            raise StoreError(str(path), "open", error.strerror or "failed", hint) from error
        self._write(Header(FORMAT, version))

    def record(self, event: Event, now: Now) -> None:
        """Append one event."""
        self._write(Entry(now, event))

    def flush(self) -> None:
        """Hand what was written to the system."""
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                raise self._failed(error) from error

    def close(self) -> None:
        """End the journal; calling it twice is fine."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def _write(self, line: Header | Entry) -> None:
        if self._file is not None:
            try:
                self._file.write(self._encoder.encode(line) + b"\n")
            except OSError as error:
                raise self._failed(error) from error

    def _failed(self, error: OSError) -> StoreError:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # closing tries to write what could not be written
                file.close()
        return StoreError(str(self._path), "write", error.strerror or "failed", "The journal ends here.")


def read_journal(path: Path) -> Iterator[Entry]:
    """Yield the entries of a journal, in order.

    A last line that a crash cut short is left out; anything else that is wrong raises.

    Raises:
        JournalError: the file cannot be read or a line is not an entry; names the line.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JournalError(str(path), 0, error.strerror or "cannot be read") from error
    try:
        header = msgspec.json.decode(lines[0], type=Header)
    except UNREADABLE as error:
        raise JournalError(str(path), 1, "not a journal of this program") from error
    if header.journal != FORMAT:
        raise JournalError(str(path), 1, f"format {header.journal}, this program reads {FORMAT}")
    decoder = msgspec.json.Decoder(Entry)
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        try:
            yield decoder.decode(line)
        except UNREADABLE as error:
            if number == len(lines):  # no newline followed: it was being written
                return
            raise JournalError(str(path), number, str(error)) from error
