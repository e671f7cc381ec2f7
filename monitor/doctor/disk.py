"""The state directory, its databases and the daemon that may use them. Changes nothing."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from monitor.control import ask
from monitor.doctor.finding import Finding, State
from monitor.errors import ControlError, DamagedError, NotRunningError, OutOfReachError, Problem, StoreError
from monitor.storage.aside import DAMAGED
from monitor.storage.history_schema import HISTORY_SCHEMA
from monitor.storage.paths import STATE_DB
from monitor.storage.place import check_place
from monitor.storage.schema import Schema
from monitor.storage.sqlite import Reader, check_sound
from monitor.storage.state_schema import STATE_SCHEMA

SCARCE_BYTES = 100 * 2**20  # a year of minutes of one wallet is some 60 MB
EMPTY_BYTES = 5 * 2**20
LOCK_S = 0.5
ANSWER_S = 1.0

# What is not well of a daemon, by its answer to ``status``; raises ControlError where that is of another version.
Unwell = Callable[[object], Iterable[Finding]]


def disk_findings(directory: Path, history: Path, problems: Iterable[Problem]) -> Iterator[Finding]:
    """Yield what is to say about the state directory and the databases.

    Args:
        directory: the state directory; may have to be made yet.
        history: the history database.
        problems: why the directory cannot be used, as the daemon would find them.
    """
    problems = tuple(problems)
    for problem in problems:
        fix = f"{problem.path}: {problem.allowed}" + (f" ({problem.hint})" if problem.hint else "")
        yield Finding("disk", "state directory", State.FAIL, problem.found, fix)
    if not problems:
        there = "can be written" if directory.is_dir() else "will be made"
        yield Finding("disk", "state directory", State.OK, f"{directory} {there}")
    yield from _space({"state directory": directory, "history": history.parent})
    unwritable = _unwritable(directory)
    for name, path, schema in (
        ("state.db", directory / STATE_DB, STATE_SCHEMA), ("history.db", history, HISTORY_SCHEMA)
    ):  # fmt: skip
        found = _database(name, path, schema, running=unwritable is not None)
        reason = (unwritable or {}).get(schema.name)
        yield found if reason is None else _failing(found, reason)
    for path in (directory / STATE_DB, history):
        yield from _set_aside(path)


def _space(places: dict[str, Path]) -> Iterator[Finding]:
    seen: set[int] = set()
    for name, path in places.items():
        try:
            there = next(place for place in (path, *path.absolute().parents) if place.is_dir())
            device, free = there.stat().st_dev, shutil.disk_usage(there).free
        except (OSError, StopIteration):
            continue  # said already: it cannot be used
        if device in seen:
            continue
        seen.add(device)
        words = f"{free / 2**20:,.0f} MiB free on the disk of the {name}"
        if free < EMPTY_BYTES:
            yield Finding("disk", "space", State.FAIL, words, "free some space: alerts could be lost to a crash")
        elif free < SCARCE_BYTES:
            fix = "free some space, or keep less: [history] keep_raw, keep_minutes"
            yield Finding("disk", "space", State.WARN, words, fix)
        else:
            yield Finding("disk", "space", State.OK, words)


def _unwritable(directory: Path) -> dict[str, str] | None:
    """Return which databases the running daemon cannot write and why, None where none answers."""
    try:
        status = ask(directory, {"command": "status"}, ANSWER_S)
        return {str(name): str(reason) for name, reason in status["unwritable"].items()}
    except (ControlError, AttributeError, KeyError, TypeError):
        return None  # what that means is said where the daemon is


def _failing(found: Finding, reason: str) -> Finding:
    """Return what is to say about a database that the running daemon cannot write, whatever else was found."""
    words = "the running daemon cannot write it" + (f": {reason}" if reason else "")
    if found.state is State.FAIL:
        return msgspec.structs.replace(found, found=f"{found.found}; {words}")
    fix = "the log of the daemon says more; it tries again by itself, and holds everything in memory until then"
    return Finding("disk", found.subject, State.FAIL, words, fix)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return True  # opening it says why it cannot be looked at


def _missing(name: str, path: Path, *, running: bool) -> Finding:
    if not running:
        return Finding("disk", name, State.OK, "not there yet; the daemon makes it")
    fix = "see that its directory can be written; the daemon makes it anew by itself once it can"
    return Finding("disk", name, State.FAIL, f"{path} is not there although a daemon is running", fix)


def _database(name: str, path: Path, schema: Schema, *, running: bool) -> Finding:
    try:
        check_place(path)
        if not _is_there(path):
            return _missing(name, path, running=running)
        with Reader(path, schema) as reader:
            [(verdict,), *_] = reader.rows("check", "PRAGMA quick_check(1)") if name == STATE_DB else [("ok",)]
            check_sound(path, verdict)
    except DamagedError as error:
        return Finding("disk", name, State.FAIL, f"{path} is damaged: {error.cause}", error.hint)
    except StoreError as error:
        return Finding("disk", name, State.FAIL, f"{error.path}: {error.cause}", error.hint)
    if (locked := _locked(path)) is not None:
        return locked
    if not os.access(path, os.W_OK):
        fix = "give the file to the user of the service, or mount its file system for writing"
        return Finding("disk", name, State.FAIL, f"{path} cannot be written", fix)
    size = path.stat().st_size / 2**20
    return Finding("disk", name, State.OK, f"version {schema.version}, {size:,.1f} MiB")


def _locked(path: Path) -> Finding | None:
    """Return what is to say about a lock on a database that lasts, None if there is none.

    The lock is taken and given back; a daemon that writes just then waits longer for it than this takes.
    """
    try:
        with closing(sqlite3.connect(path, timeout=LOCK_S, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            fix = (
                "find the program that holds it (`fuser`, `lsof`) and close it; alerts go out unrecorded meanwhile"
            )
            return Finding("disk", path.name, State.FAIL, f"{path} is locked by another program", fix)
    return None


def _set_aside(path: Path) -> Iterator[Finding]:
    """Yield which damaged databases were kept."""
    try:
        kept = sorted(file.name for file in path.parent.glob(f"{path.name}{DAMAGED}*"))
    except OSError:
        return  # said already: it cannot be used
    kept = [name for name in kept if not name.endswith(("-wal", "-shm"))]
    if kept:
        words = f"{len(kept)} damaged before and kept, the newest {kept[-1]}"
        yield Finding("disk", path.name, State.WARN, words, "look at the disk; remove them once nothing is missed")


def daemon_findings(directory: Path, unwell: Unwell) -> Iterator[Finding]:
    """Yield whether a daemon watches, and what it says is not well.

    Args:
        directory: the state directory.
        unwell: judges its answer.
    """
    try:
        status = ask(directory, {"command": "status"})
        version, pid = status["version"], status["pid"]
    except NotRunningError:
        yield Finding("daemon", "", State.WARN, "none is running: nobody watches", "`position-monitor run`")
        return
    except OutOfReachError:
        words = "whether one runs is not known: the state directory is another user's"
        yield Finding("daemon", "", State.UNKNOWN, words, "Ask as that user, or as root with sudo")
        return
    except (ControlError, KeyError, TypeError) as error:
        fix = "look into its log; start it again if it hangs"
        yield Finding("daemon", "", State.FAIL, f"one holds the lock and cannot be asked: {error}", fix)
        return
    yield Finding("daemon", "", State.OK, f"process {pid}, version {version}")
    try:
        yield from unwell(status)
    except ControlError as error:
        fix = "start the daemon again, so that it is of the version that is installed"
        yield Finding("daemon", "", State.WARN, f"its answer cannot be judged: {error}", fix)
