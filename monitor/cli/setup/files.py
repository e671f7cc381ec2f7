"""New files, all of them or none: nobody else reads them at any moment, and nothing there is overwritten.

Each is written under a name of its own in the directory where it belongs, made with its final mode at most, and
synced; then all get their names. What goes wrong before that is undone, the directories that were made included.
"""

import errno
import os
import secrets
import signal
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Self

from monitor.errors import ConfigError, MonitorError, Problem

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_UNLINKABLE = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


class FilesError(MonitorError):
    """Files cannot be written; nothing of them was left."""

    def __init__(self, path: str, cause: str) -> None:
        super().__init__(path, cause)
        self.path = path
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}; nothing was written"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be written. ``text`` may be a secret."""

    path: Path
    text: str
    mode: int
    folder_mode: int  # of its directory, where that has to be made
    secret: bool = False  # its directory is nobody else's and no symbolic link

    def __repr__(self) -> str:
        return f"NewFile({self.path}, {self.mode:o})"


def write_all(files: Sequence[NewFile], check: Callable[[Path], None], keep_as: str | None) -> list[Path]:
    """Write all files or none, and return the names of those that were kept.

    Args:
        files: what is written, in the order in which they get their names.
        check: called with where the last one stands before it has its name; raises what stops everything.
        keep_as: the ending that a file which is there already gets; None refuses it.

    Raises:
        ConfigError: a file is there already.
        FilesError: a directory is not ours, a disk is full, and the like.
        KeyboardInterrupt: somebody wants to stop; nothing was written.
    """
    with _deferred() as arrived, ExitStack() as open_folders:
        try:
            with ExitStack() as undo:
                kept = _write(files, check, keep_as, open_folders, undo)
                if arrived:
                    raise KeyboardInterrupt
                undo.pop_all()
                return kept
        except OSError as error:
            raise FilesError(str(error.filename or files[-1].path), _reason(error)) from None


def foresee(config: Path, secret_files: Sequence[Path], *, keep: bool) -> None:
    """Complain of what would stop the writing, before anybody is asked anything.

    Raises:
        ConfigError: a file is there already, and is not to be kept under another name.
        FilesError: a directory cannot be written, or is where this user does not get in.
    """
    if not keep:
        refuse([one for one in (config, *secret_files) if os.path.lexists(one)])
    for place in (config.parent, *config.parent.parents):
        try:
            there = place.is_dir()
        except OSError as error:
            raise FilesError(str(place), _reason(error)) from None
        if there:
            if not os.access(place, os.W_OK | os.X_OK):
                raise FilesError(str(place), "the directory cannot be written")
            return


def refuse(paths: Sequence[Path]) -> None:
    """Complain of files that are there already, all of them.

    Raises:
        ConfigError: there are any.
    """
    hint = "--force keeps it as a .bak file; --config PATH writes elsewhere"
    problems = [Problem(str(one), "a file that is there already", "no file of that name", hint) for one in paths]
    if problems:
        raise ConfigError("init", problems)


def _write(
    files: Sequence[NewFile],
    check: Callable[[Path], None],
    keep_as: str | None,
    open_folders: ExitStack,
    undo: ExitStack,
) -> list[Path]:
    folders: dict[Path, _Folder] = {}
    # Those nearer to the root first: each is made with its own mode.
    for one in sorted(files, key=lambda file: len(file.path.parts)):
        if one.path.parent not in folders:
            folders[one.path.parent] = open_folders.enter_context(_Folder(one, undo))
    if keep_as is None:
        refuse([one.path for one in files if folders[one.path.parent].holds(one.path.name)])
    temporary = [folders[one.path.parent].write(one, undo) for one in files]
    check(files[-1].path.parent / temporary[-1])
    kept = []
    for one, name in zip(files, temporary, strict=True):
        folder = folders[one.path.parent]
        if keep_as is not None and (aside := folder.put_aside(one.path.name, keep_as, undo)):
            kept.append(one.path.parent / aside)
        folder.name(name, one.path.name, undo)
    for folder in folders.values():
        folder.sync()
    return kept


class _Folder:
    """An open directory: what is done in it is done there, whatever its path leads to meanwhile."""

    def __init__(self, file: NewFile, undo: ExitStack) -> None:
        self._path = file.path.parent
        _make(self._path, file.folder_mode, undo)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (os.O_NOFOLLOW if file.secret else 0)
        try:
            self._fd = os.open(self._path, flags)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                cause = "no directory, or a symbolic link, where secrets would be written"
                raise FilesError(str(self._path), cause) from None
            raise
        try:
            self._judge(secret=file.secret)
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def _judge(self, *, secret: bool) -> None:
        found = os.fstat(self._fd)
        if found.st_uid != os.geteuid():
            raise FilesError(str(self._path), "the directory belongs to another user")
        if found.st_mode & stat.S_IWOTH or (secret and found.st_mode & stat.S_IWGRP):
            raise FilesError(str(self._path), "others can write in this directory: chmod go-w it")

    def holds(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def write(self, file: NewFile, undo: ExitStack) -> str:
        """Write and sync a file under a name of its own, which is returned."""
        name = f".{file.path.name[:100]}.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        # With 0600 from the beginning; a umask can only take from that, and what it takes is given back below.
        descriptor = os.open(name, flags, 0o600, dir_fd=self._fd)
        undo.callback(self._remove, name)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), file.mode)
            stream.write(file.text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        return name

    def put_aside(self, name: str, ending: str, undo: ExitStack) -> str:
        """Give what has a name another one, which is returned; empty if nothing has it."""
        if not self.holds(name):
            return ""
        aside, count = f"{name}.{ending}", 1
        while self.holds(aside):
            count += 1
            aside = f"{name}.{ending}-{count}"
        os.rename(name, aside, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        undo.callback(os.rename, aside, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        return aside

    def name(self, temporary: str, name: str, undo: ExitStack) -> None:
        """Give a file its name; never in place of another one."""
        try:
            os.link(temporary, name, src_dir_fd=self._fd, dst_dir_fd=self._fd, follow_symlinks=False)
        except FileExistsError:
            refuse([self._path / name])
        except OSError as error:
            if error.errno not in _UNLINKABLE:
                raise
            # A file system without hard links.
            if self.holds(name):
                refuse([self._path / name])
            os.rename(temporary, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        undo.callback(self._remove, name)
        self._remove(temporary)

    def sync(self) -> None:
        os.fsync(self._fd)

    def _remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._fd)


def _make(path: Path, mode: int, undo: ExitStack) -> None:
    """Make a directory and those above it, whatever the umask."""
    missing = []
    for one in (path, *path.parents):
        if os.path.lexists(one):
            break
        missing.append(one)
    for one in reversed(missing):
        one.mkdir(mode=0o700)
        undo.callback(_unmake, one)
        one.chmod(mode)


def _unmake(path: Path) -> None:
    with suppress(OSError):  # somebody else put something in it meanwhile
        path.rmdir()


@contextmanager
def _deferred() -> Iterator[list[int]]:
    """Hold back what would stop the program until the block ends, and tell what did: it takes milliseconds."""
    arrived: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    before = {number: signal.signal(number, note) for number in _STOPPING}
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for stopped in arrived:
            if stopped != signal.SIGINT:  # what it stopped, if it came in time, is told by an exception already
                signal.raise_signal(stopped)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "it cannot be written"
