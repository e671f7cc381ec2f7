"""Faults of the machine the service runs on, of its databases, and of the service itself."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monitor.core.model import Market
from monitor.core.notices import NoticeKind
from monitor.emulator.fault_script import CATALOGUE
from tests.faults.rows import NO_LIMIT_S, Act, Row, nothing
from tests.faults.stage import World
from tests.storage.damage import scribble

MACHINE = "The machine: names, clock, network"
STATE = "The database of levels and alerts (state.db)"
HISTORY = "The database of the history (history.db)"
ITSELF = "The service itself"
_STORAGE = NoticeKind.STORAGE
_BLIND = NoticeKind.BLIND
_HEADER = 100  # what SQLite knows a file by
_OVER_S = 1.0


# The machine


async def _no_names(world: World) -> None:
    world.names_found.append(False)
    for relay in world.stage.relays:
        relay.reset()


async def _names(world: World) -> None:
    world.names_found.append(True)


def _clock(ahead_ms: int) -> Act:
    async def set_clock(world: World) -> None:
        world.host.ahead_ms = ahead_ms

    return set_clock


def _together(*names: str) -> Act:
    async def begin(world: World) -> None:
        for name in names:
            await CATALOGUE[name].apply(world.stage)

    return begin


async def _heal(world: World) -> None:
    await world.stage.heal()


_MACHINE_ROWS = (
    Row("names-not-found", MACHINE, "No name is found (DNS), and open connections end", _no_names, _names,
        told=_BLIND, seen=False, late_s=75, quick=True),
    Row("our-clock-ahead", MACHINE, "Our clock is set an hour ahead", _clock(3_600_000), _clock(0)),
    Row("our-clock-behind", MACHINE, "Our clock is set an hour back", _clock(-3_600_000), _clock(0)),
    Row("all-silent", MACHINE, "Price streams are silent, and REST never answers",
        _together("silence", "rest-hang"), _heal, told=_BLIND, seen=False, late_s=75),
    Row("down-through-it-all", MACHINE, "Nothing is reachable until the fall is over", _together("network-down"),
        _heal, told=_BLIND, seen=False, late_s=150, lasts_s=100),
)  # fmt: skip


# Databases


def _files(world: World, name: str) -> list[Path]:
    return [path for path in world.state.iterdir() if path.name.startswith(name)]


def _database(world: World, name: str) -> Any:  # noqa: ANN401 - looked into
    store: Any = world.daemon._store if name == "state.db" else world.daemon._history
    return store._db


def _locked(name: str) -> tuple[Act, Act]:
    held: dict[Path, sqlite3.Connection] = {}

    async def begin(world: World) -> None:
        def lock() -> sqlite3.Connection:
            other = sqlite3.connect(world.state / name, isolation_level=None, check_same_thread=False)
            other.execute("BEGIN IMMEDIATE")
            return other

        held[world.folder] = await asyncio.to_thread(lock)

    async def end(world: World) -> None:
        held.pop(world.folder).close()

    return begin, end


def _full(name: str) -> tuple[Act, Act]:
    """Let every commit fail as SQLite fails where a disk is full."""

    async def commit() -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    async def begin(world: World) -> None:
        database = _database(world, name)
        connect = database._connect

        async def connect_full() -> Any:  # noqa: ANN401 - as the original
            connection = await connect()
            connection.commit = commit
            return connection

        database._connect = connect_full
        if database._connection is not None:
            database._connection.commit = commit

    async def end(world: World) -> None:
        database = _database(world, name)
        vars(database).pop("_connect")
        if database._connection is not None:
            vars(database._connection).pop("commit", None)

    return begin, end


def _with_files(name: str, do: Callable[[Path], object]) -> Act:
    async def begin(world: World) -> None:
        for path in _files(world, name):
            do(path)

    return begin


def _damage(path: Path) -> None:
    scribble(path, skip=_HEADER)


async def _folder_gone(world: World) -> None:
    shutil.rmtree(world.state)


def _restarted_with(name: str, do: Callable[[Path], object]) -> Act:
    """Stop the service, do something to a database, and start it again."""

    async def begin(world: World) -> None:
        await world.halt()
        for path in _files(world, name):
            do(path)
        await world.launch()

    return begin


def _newer(path: Path) -> None:
    if path.suffix == ".db":
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA user_version = 99")
        connection.close()


async def _restart(world: World) -> None:
    await world.halt()
    await world.launch()


def _databases(name: str, group: str, short: str) -> tuple[Row, ...]:
    what = f"The {short} database"
    vital = name == "state.db"
    told = _STORAGE if vital else None
    return (
        Row(f"{short}-locked", group, f"{what} is locked by another program", *_locked(name), told=_STORAGE,
            told_s=30, late_s=30, quick=vital),
        Row(f"{short}-disk-full", group, f"The disk of the {short} database is full", *_full(name), told=_STORAGE,
            told_s=30, quick=vital),
        Row(f"{short}-damaged", group, f"{what} is overwritten while the service runs, which is then restarted",
            _with_files(name, _damage), _restart, told=told, told_s=60),
        Row(f"{short}-removed", group, f"The files of the {short} database are removed while the service runs",
            _with_files(name, Path.unlink), told=told, told_s=60, lasts_s=_OVER_S),
        Row(f"{short}-damaged-at-start", group, f"{what} is damaged when the service starts",
            _restarted_with(name, _damage), lasts_s=_OVER_S, told=told, told_s=60, quick=vital),
        Row(f"{short}-newer", group, f"{what} was written by a newer version",
            _restarted_with(name, _newer), told=_STORAGE, told_s=60, lasts_s=_OVER_S, recovers=False),
    )  # fmt: skip


# The service itself


async def _halt(world: World) -> None:
    await world.halt()


async def _launch(world: World) -> None:
    await world.launch()


def _dying(find: Callable[[Any], tuple[Any, str]], times: int) -> Act:
    """Let a method of some part fail so many times with an error nobody foresaw."""

    async def begin(world: World) -> None:
        owner, name = find(world.daemon)
        original: Callable[..., Any] = getattr(owner, name)
        left = times

        def fail(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as the original
            nonlocal left
            if left > 0:
                left -= 1
                raise RuntimeError("a fault of ours")
            return original(*arguments, **named)

        setattr(owner, name, fail)

    return begin


def _feed(daemon: Any) -> Any:  # noqa: ANN401 - looked into
    found = daemon._sources.feeds[Market.USDM]
    while hasattr(found, "_feed"):
        found = found._feed
    return found


_PARTS: tuple[tuple[str, str, Callable[[Any], tuple[Any, str]]], ...] = (
    ("stream", "what reads the price stream", lambda daemon: (_feed(daemon), "_take")),
    ("decide", "what decides", lambda daemon: (daemon._engine, "step")),
    ("commit", "what writes decisions", lambda daemon: (daemon._committer, "_write")),
    ("send", "what sends", lambda daemon: (daemon._delivery._lanes["phone"], "_attempt")),
    ("heart", "the heartbeat", lambda daemon: (daemon._committer, "nudge")),
    ("history", "what writes the history", lambda daemon: (daemon._history, "_flush")),
    ("account", "what follows the account", lambda daemon: (daemon._sources.accounts[0], "_work")),
)

_ITSELF_ROWS = (
    *(
        Row(f"{name}-fails", ITSELF, f"A fault of ours in {what}, once", _dying(find, 1), told=NoticeKind.JOB,
            told_s=30, lasts_s=_OVER_S, late_s=15, quick=name in {"decide", "commit"})
        for name, what, find in _PARTS
    ),
    Row("stream-fails-for-good", ITSELF, "What reads the price stream fails each time, until a restart",
        _dying(_PARTS[0][2], 10**6), told=NoticeKind.JOB, lasts_s=_OVER_S, late_s=30),
    Row("restarted-while-falling", ITSELF, "The service is stopped while the price falls, and started again",
        _halt, _launch, seen=False, late_s=30, quick=True),
    Row("stopped-through-it-all", ITSELF, "The service is stopped until the fall is over", _halt, _launch,
        seen=False, late_s=90, lasts_s=100, told=NoticeKind.AWAY, told_s=NO_LIMIT_S, quick=True),
)  # fmt: skip

ROWS = (
    *_MACHINE_ROWS,
    *_databases("state.db", STATE, "state"),
    Row("state-folder-removed", STATE, "The folder of both databases is removed while the service runs",
        _folder_gone, nothing, told=_STORAGE, told_s=60, lasts_s=_OVER_S),
    *_databases("history.db", HISTORY, "history"),
    *_ITSELF_ROWS,
)  # fmt: skip
