"""Damaged databases are renamed out of the way, and nothing is ever written over or deleted for it.

What belongs to a database goes in an order that a crash may cut anywhere: first its write-ahead log, whose rows a
database opened without it would lack, last the database itself. Whoever opens the place next finishes it.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from monitor.storage.failures import translated

DAMAGED: Final = ".damaged-"
SUCCESSOR: Final = ".new"
_COMPANIONS: Final = ("-wal", "-shm", "")  # in this order; the database itself comes last


def aside_of(path: Path, at_ms: int) -> Path:
    """Return where to put a damaged database, a name beside it that nothing has.

    Args:
        path: the database.
        at_ms: when it was found, Unix milliseconds; part of the name, in UTC.
    """
    stamp = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (f"{path.name}{DAMAGED}{stamp}" + (f"-{n}" if n else "") for n in range(1_000_000))
    return next(
        place
        for place in map(path.with_name, names)
        if not any(os.path.lexists(f"{place}{companion}") for companion in _COMPANIONS)
    )


def set_aside(path: Path, place: Path) -> None:
    """Rename a database and what belongs to it; durable once this returns.

    Args:
        path: the database; nobody has it open.
        place: from ``aside_of``.

    Raises:
        StoreError: the operating system refused. Part of it may be moved; ``finish`` moves the rest.
    """
    with translated(path, "set aside"):
        for companion in _COMPANIONS:
            source = Path(f"{path}{companion}")
            if os.path.lexists(source):
                source.rename(f"{place}{companion}")
        sync_directory(path.parent)


def finish(path: Path) -> None:
    """Finish what a crash cut short: a database half set aside, or its successor not yet in its place.

    The successor is whole before anything is moved, so only one whose predecessor began to move takes a place.

    Raises:
        StoreError: the operating system refused.
    """
    with translated(path, "open"):
        if not successor_of(path).exists():
            return
        halves = [
            place
            for log in sorted(path.parent.glob(f"{path.name}{DAMAGED}*-wal"))
            if not os.path.lexists(place := Path(str(log).removesuffix("-wal")))
        ]
        if halves and path.exists():
            set_aside(path, halves[-1])
        if not path.exists():
            take_place(path)


def take_place(path: Path) -> None:
    """Put the successor of a database that was set aside into its place.

    Raises:
        OSError: the operating system refused.
    """
    successor_of(path).rename(path)
    sync_directory(path.parent)


def successor_of(path: Path) -> Path:
    """Return where the successor of a damaged database is made."""
    return path.with_name(path.name + SUCCESSOR)


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on the disk.

    Raises:
        OSError: the operating system refused.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
