"""Ways to spoil a database file, shared by the tests of both databases."""

import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

_NOBODY = 65534


def execute(path: Path, *statements: str) -> list[tuple[object, ...]]:
    """Run statements on a file from outside the program and return what the last one found."""
    found: list[tuple[object, ...]] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            found = connection.execute(statement).fetchall()
    return found


def put(path: Path, content: bytes = b"", mode: int = 0o600) -> None:
    """Make a file, and its directory, from outside the program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def content_of(path: Path) -> bytes:
    """Return what stands in a file."""
    return path.read_bytes()


def move(path: Path, target: Path) -> None:
    """Rename a file, over another one if need be."""
    path.replace(target)


def remove(path: Path) -> None:
    """Remove a file."""
    path.unlink()


def remove_all(directory: Path) -> None:
    """Remove a directory and all in it."""
    shutil.rmtree(directory)


def mode_of(path: Path) -> int:
    """Return the permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def forbidden_directory() -> Iterator[Path]:
    """Give a directory that this process may read but not write, also where the tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o555)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(_NOBODY)
        try:
            yield directory
        finally:
            if was_root:
                os.seteuid(0)
            directory.chmod(0o755)


@contextmanager
def another_users(path: Path) -> Iterator[Path]:
    """Make a directory into which this process does not get, also where the tests run as root."""
    path.mkdir(exist_ok=True)
    path.chmod(0)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(_NOBODY)
    try:
        yield path
    finally:
        if was_root:
            os.seteuid(0)
        path.chmod(0o700)


def scribble(path: Path, *, skip: int) -> None:
    """Overwrite everything after the first ``skip`` bytes, keeping the size."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(skip)
        file.write(b"\xa5" * (size - skip))


def spoil_pages(path: Path, numbers: Sequence[int], page: int = 4096) -> None:
    """Overwrite whole pages, which count from 1."""
    with path.open("r+b") as file:
        for number in numbers:
            file.seek((number - 1) * page)
            file.write(b"\xa5" * page)
