"""Small files, read whole and replaced whole: caches beside the databases, readable by their owner only."""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from monitor.errors import StoreError

T = TypeVar("T")

SET_ASIDE: Final = ".corrupt"
LARGEST_BYTES: Final = 32 * 2**20


def read(path: Path) -> bytes | None:
    """Return what a file holds, one byte too many of one larger than any of ours; None if there is none.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        return None
    return content


def decoded(content: bytes, kind: type[T]) -> T | None:
    """Return what a file holds as a value of a kind; None where it is no such thing, or too large."""
    if len(content) > LARGEST_BYTES:
        return None
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def replace(path: Path, content: bytes, spare_bytes: int = 0) -> None:
    """Replace a file; either all of it or nothing.

    Args:
        path: the file.
        content: what it will hold.
        spare_bytes: that have to stay free on its disk, while what it holds by now is there as well.

    Raises:
        StoreError: it cannot be written; what was there before still is, and nothing else.
    """
    beside = path.with_name(path.name + ".new")
    try:
        with suppress(FileNotFoundError):
            beside.unlink()  # left by a crash, perhaps with other rights
        if spare_bytes:
            _check_room(path.parent, spare_bytes + len(content))
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()  # of a full disk, or the databases beside it have no room
        hint = "check that the disk has room and the state directory belongs to the service"
        raise StoreError(str(path), "save", os.strerror(error.errno or 0), hint) from error


def _check_room(directory: Path, needed_bytes: int) -> None:
    disk = os.statvfs(directory)
    if disk.f_bavail * disk.f_frsize < needed_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def set_aside(path: Path) -> None:
    """Move a file that cannot be used out of the way; neither it nor an earlier one is ever deleted."""
    names = (f"{path.name}{SET_ASIDE}" + (f"-{n}" if n else "") for n in range(1_000_000))
    with suppress(OSError):
        path.rename(next(place for place in map(path.with_name, names) if not os.path.lexists(place)))
