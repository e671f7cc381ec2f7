"""The daemon of a configuration file, which may change while somebody watches."""

import datetime as dt
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from monitor.cli.despite import ask_by, goes_on
from monitor.config import load
from monitor.control import ask
from monitor.errors import ConfigError, NotRunningError


class Source(Protocol):
    """Who is asked, and how what is known is shown."""

    def ask(self, request: Mapping[str, object]) -> object:
        """Return an answer. Called in threads."""
        ...

    def read_again(self) -> None:
        """Whatever was read of a file may have changed."""
        ...

    @property
    def zone(self) -> dt.tzinfo | None:
        """In which times are shown; None: the machine's own."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say of the file, as it was when it was last asked."""
        ...


class _Reading(NamedTuple):
    """What the file said, and by what one sees that it says something else."""

    path: Path
    mark: tuple[int, int, int] | None  # None: it is not there
    directory: Path | None  # the newest that is known: a file with mistakes names none
    zone: dt.tzinfo | None
    mistakes: ConfigError | None = None


class DaemonOf:
    """Asks the daemon of a file by what the file says now, as other commands do.

    It is read again only when it is another one or the daemon read it: a look a second must cost next to nothing.

    Args:
        find: returns the absolute path of the file; raises ConfigError where there is none.
    """

    def __init__(self, find: Callable[[], Path]) -> None:
        self._find = find
        self._reading: _Reading | None = None
        self._stale = False

    def ask(self, request: Mapping[str, object]) -> object:
        """Return what the daemon answers.

        Raises:
            ConfigError: the file holds mistakes, and no daemon runs with it.
            NotRunningError: none runs.
            ControlError: it does not answer, refused, or runs with another file.
        """
        now = self._now()
        if now.mistakes is None and now.directory is not None:
            return ask(now.directory, request)
        if now.directory is not None:
            with suppress(NotRunningError):
                return ask(now.directory, {**request, "source": str(now.path)})
        return ask_by(now.path, request)

    def read_again(self) -> None:
        """Have it read with the next question, for what it refers to may have changed as well."""
        self._stale = True

    def read(self) -> ConfigError | None:
        """Read the file if that was not done yet; return what is wrong with it, None if nothing is.

        Raises:
            ConfigError: there is none.
        """
        return self._now().mistakes

    @property
    def zone(self) -> dt.tzinfo | None:
        """The one of the newest file without mistakes."""
        return None if self._reading is None else self._reading.zone

    @property
    def notes(self) -> tuple[str, ...]:
        """That the file holds mistakes, as long as it does."""
        mistakes = None if self._reading is None else self._reading.mistakes
        return () if mistakes is None else (goes_on(mistakes),)

    def _now(self) -> _Reading:
        path, before = self._find(), self._reading
        mark = _mark(path)
        if before is None or self._stale or (path, mark) != (before.path, before.mark):
            self._stale = False
            self._reading = before = _read(path, mark, before)
        return before


def _read(path: Path, mark: tuple[int, int, int] | None, before: _Reading | None) -> _Reading:
    try:
        settings = load(path, os.environ)
    except ConfigError as mistakes:
        directory, zone = (before.directory, before.zone) if before is not None else (None, None)
        return _Reading(path, mark, directory, zone, mistakes)
    return _Reading(path, mark, settings.state_directory(os.environ), settings.display.zone())


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
