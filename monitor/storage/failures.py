"""Errors of SQLite and of the operating system as ours, with what an operator can do about them."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from monitor.errors import DamagedError, StoreError

_ACCESS = "Check that the directory exists and that the user of the service may read and write it"
DAMAGED_HINT: Final = (
    "Nothing was deleted. The daemon sets it aside and begins a new one with what can still be read, once it may "
    "write in that directory"
)
MOVED: Final = "its name led to its file no more while the service ran"
_DAMAGE: Final = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_NO_TEXT: Final = "Could not decode to UTF-8"  # said by Python, without a code: all that is written is text
_FULL = "Free some space on its disk; writing goes on by itself after that"
_HINTS: Final = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _ACCESS,
    sqlite3.SQLITE_CANTOPEN: _ACCESS,
    sqlite3.SQLITE_PERM: _ACCESS,
    sqlite3.SQLITE_BUSY: "Another program holds the file; close it and leave the file to the daemon",
    sqlite3.SQLITE_LOCKED: "Another program holds the file; close it and leave the file to the daemon",
    sqlite3.SQLITE_NOTADB: DAMAGED_HINT,
    sqlite3.SQLITE_CORRUPT: DAMAGED_HINT,
    sqlite3.SQLITE_IOERR: "The disk is full, or its file system reports errors; the kernel log says which",
}
_OS_HINTS: Final = {errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EIO: _HINTS[sqlite3.SQLITE_IOERR]}
# A connection may keep to what is no more, such as a log that was cut off: after these it is made anew.
_BROKEN: Final = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PROTOCOL)
_EXPECTED: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL)
_PRIMARY_CODE: Final = 0xFF  # the rest of an extended result code only refines it


class UnstorableError(StoreError):
    """A row that no database would take: repeating cannot help, other rows are not affected."""

    retryable = False


@contextmanager
def translated(path: Path, operation: str) -> Iterator[None]:
    """Turn errors of SQLite and of the operating system into StoreError."""
    try:
        yield
    except (
        sqlite3.InterfaceError,
        sqlite3.ProgrammingError,
        sqlite3.IntegrityError,
        sqlite3.DataError,
        OverflowError,
        UnicodeEncodeError,
    ) as error:
        raise UnstorableError(str(path), operation, str(error)) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
        damaged = code in _DAMAGE or str(error).startswith(_NO_TEXT)
        kind = DamagedError if damaged else StoreError
        hint = DAMAGED_HINT if damaged else _HINTS.get(code, "")
        raise kind(str(path), operation, _cause(error), hint) from error
    except OSError as error:
        hint = _OS_HINTS.get(error.errno or 0, _ACCESS)
        raise StoreError(str(path), operation, error.strerror or type(error).__name__, hint) from error


def _cause(error: sqlite3.Error) -> str:
    """Return what SQLite says; never the content of a row."""
    text = str(error)
    return "a row holds what is no text" if text.startswith(_NO_TEXT) else text


def is_odd(error: StoreError) -> bool:
    """Return whether it may be the file itself that is wrong, as opposed to a full disk or another's lock."""
    code = getattr(error.__cause__, "sqlite_errorcode", 0) & _PRIMARY_CODE
    return code not in _EXPECTED and not isinstance(error, UnstorableError)


def is_cut_short(error: StoreError) -> bool:
    """Return whether the file or its log ends before its end."""
    return getattr(error.__cause__, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHORT_READ


def breaks_connection(error: StoreError) -> bool:
    """Return whether a new connection might do what this one could not."""
    code = getattr(error.__cause__, "sqlite_errorcode", 0) & _PRIMARY_CODE
    return code in _BROKEN
